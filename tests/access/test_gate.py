"""The one way in: what counts, in which order, and what happens to those who guess."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from argon2 import profiles

from access_worlds import Seconds
from storage_worlds import add_task
from strategy_optimizer.access.audit import Audit
from strategy_optimizer.access.gate import Call, Gate, Limits
from strategy_optimizer.access.key_text import new_key_text
from strategy_optimizer.access.passwords import Passwords
from strategy_optimizer.access.policy import POLICY, rule_of
from strategy_optimizer.access.principal import read_role, read_scopes
from strategy_optimizer.access.rate_limits import Rate
from strategy_optimizer.errors import (
    AccountError,
    LastAdminError,
    NotAllowedError,
    NotAuthenticatedError,
    QuotaError,
    StrategyOptimizerError,
    TooManyRequestsError,
)
from strategy_optimizer.storage import Quota, Store

PASSWORD = "correct horse battery staple"
HASHED = Passwords(profiles.CHEAPEST).hash(PASSWORD, name="ada")
HERE, THERE = "10.0.0.1", "10.0.0.2"


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def gate(store: Store, seconds: Seconds) -> Gate:
    store.accounts.change_user("ada", password_hash=HASHED)
    return Gate(store, passwords=Passwords(profiles.CHEAPEST), clock=seconds)


def test_who_shows_nothing_is_nobody(gate: Gate) -> None:
    assert gate.identify(Call("GET", HERE)) is None
    assert gate.identify(Call("GET", HERE, ticket="st_" + 43 * "x")) is None  # of sockets alone


def test_a_key_goes_before_a_session_and_needs_no_origin(gate: Gate) -> None:
    cookie = gate.log_in("ada", PASSWORD, HERE).cookie
    key = gate.keys.create("ben", "laptop").text
    found = gate.identify(Call("POST", HERE, key=key, cookie=cookie, origin="https://evil.example"))
    assert found is not None
    assert found.name == "ben"
    with pytest.raises(NotAuthenticatedError):  # a wrong key is not made good by a session
        gate.identify(Call("GET", HERE, key=new_key_text(), cookie=cookie))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "WS"])
def test_another_site_cannot_use_a_session(gate: Gate, method: str) -> None:
    cookie = gate.log_in("ada", PASSWORD, HERE).cookie
    with pytest.raises(NotAllowedError, match="pages of"):
        gate.identify(Call(method, HERE, cookie=cookie, origin="https://evil.example", host="api.example"))
    with pytest.raises(NotAllowedError, match="Origin"):
        gate.identify(Call(method, HERE, cookie=cookie, host="api.example"))
    ours = Call(method, HERE, cookie=cookie, origin="https://api.example", host="api.example")
    assert gate.identify(ours) is not None
    assert gate.identify(Call("GET", HERE, cookie=cookie, host="api.example")) is not None


def test_a_ticket_opens_a_socket(gate: Gate) -> None:
    ada = gate.log_in("ada", PASSWORD, HERE).principal
    ticket = gate.tickets.issue(ada)
    assert gate.identify(Call("WS", HERE, ticket=ticket.text)) == ada


def test_a_thousand_bad_keys_a_minute(gate: Gate, seconds: Seconds, store: Store) -> None:
    good, fresh, other = (gate.keys.create("ada", name).text for name in ("laptop", "fresh", "other"))
    gate.identify(Call("GET", HERE, key=good))
    refused: dict[type[Exception], int] = {}
    for number in range(1000):
        with pytest.raises((NotAuthenticatedError, TooManyRequestsError)) as caught:
            gate.identify(Call("GET", HERE, key=new_key_text() if number % 2 else "so_short"))
        refused[type(caught.value)] = refused.get(type(caught.value), 0) + 1
        seconds.move(0.059)
    assert refused == {NotAuthenticatedError: 20, TooManyRequestsError: 980}
    assert gate.identify(Call("GET", HERE, key=good)) is not None  # others at this address go on
    assert gate.identify(Call("GET", THERE, key=other)) is not None
    with pytest.raises(TooManyRequestsError) as refusal:
        gate.identify(Call("GET", HERE, key=fresh))
    assert 1 <= refusal.value.retry_after <= 60
    with pytest.raises(TooManyRequestsError):
        gate.log_in("ada", PASSWORD, HERE)
    seconds.move(60)
    assert gate.identify(Call("GET", HERE, key=fresh)) is not None


def test_a_known_key_that_was_revoked_is_no_way_round(gate: Gate) -> None:
    key = gate.keys.create("ada", "laptop")
    gate.identify(Call("GET", HERE, key=key.text))
    gate.keys.revoke(key.record.id)
    for _ in range(20):
        with pytest.raises(NotAuthenticatedError):
            gate.identify(Call("GET", HERE, key=key.text))
    with pytest.raises(TooManyRequestsError):
        gate.identify(Call("GET", HERE, key=key.text))


def test_pages_left_open_do_not_lock_out_their_address(gate: Gate) -> None:
    for _ in range(200):
        with pytest.raises(NotAuthenticatedError):
            gate.identify(Call("GET", HERE, cookie=43 * "x"))
    assert gate.log_in("ada", PASSWORD, HERE)


def test_guessing_passwords_from_many_addresses(gate: Gate, seconds: Seconds, store: Store) -> None:
    for number in range(30):
        with pytest.raises(NotAuthenticatedError):
            gate.log_in("ada", f"guess {number}", f"10.1.0.{number}")
    with pytest.raises(TooManyRequestsError, match="30 failed attempts within 900"):
        gate.log_in("ADA", PASSWORD, "10.2.0.1")
    seconds.move(900)
    assert gate.log_in("ada", PASSWORD, "10.2.0.1")
    lines = store.accounts.log()
    assert {(line.action, line.target) for line in lines} == {("login.failed", "ada")}
    assert not any("guess" in repr(line) for line in lines)


def test_one_user_may_ask_so_often(store: Store, seconds: Seconds) -> None:
    gate = Gate(store, limits=Limits(caller=Rate(10, at_once=20), address=Rate(50, 100)), clock=seconds)
    ada, ben = (gate.keys.create(name, "laptop").text for name in ("ada", "ben"))
    for _ in range(20):
        gate.identify(Call("GET", HERE, key=ada))
    with pytest.raises(TooManyRequestsError):
        gate.identify(Call("GET", THERE, key=ada))
    with pytest.raises(TooManyRequestsError):
        gate.identify_from_memory(Call("GET", HERE, key=ada))
    assert gate.identify(Call("GET", HERE, key=ben))
    for _ in range(100):
        gate.check_address("2001:db8::1")
    with pytest.raises(TooManyRequestsError):
        gate.check_address("2001:db8::2")
    gate.check_address(HERE)


def test_who_stays_is_asked_again(gate: Gate, seconds: Seconds) -> None:
    key = gate.keys.create("ada", "laptop")
    by_key = gate.identify(Call("WS", HERE, key=key.text))
    by_session = gate.log_in("ada", PASSWORD, HERE).principal
    assert by_key is not None
    assert gate.identify_again(by_key) == by_key
    gate.change_user("ada", role="viewer")
    assert gate.identify_again(by_key).scopes == gate.identify_again(by_session).scopes == {"read"}
    gate.change_user("ada", disabled=True)
    for principal in (by_key, by_session):
        with pytest.raises(NotAuthenticatedError):
            gate.identify_again(principal)


def test_one_who_administers_is_left(gate: Gate, store: Store) -> None:
    gate.change_user("ben", role="admin")
    with pytest.raises(LastAdminError):
        gate.change_user("ben", role="viewer")


def test_the_present_password_is_asked_for_and_cannot_be_guessed(gate: Gate) -> None:
    ada = gate.log_in("ada", PASSWORD, HERE).principal
    gate.confirm(ada, PASSWORD, HERE)
    for number in range(20):
        with pytest.raises(NotAllowedError, match="present password is wrong"):
            gate.confirm(ada, f"guess {number}", HERE)
    with pytest.raises(TooManyRequestsError):
        gate.confirm(ada, PASSWORD, HERE)


# -- roles and the policy -------------------------------------------------------------------------------------


def test_unknown_roles_and_scopes() -> None:
    assert read_role("viewer") == "viewer"
    with pytest.raises(AccountError, match="there are viewer, operator, admin"):
        read_role("Admin")
    with pytest.raises(AccountError, match="there are read, run, admin"):
        read_scopes(["read", "write"])


def test_what_has_no_rule_is_refused_to_everybody() -> None:
    for method, path in [("GET", "/nowhere"), ("HEAD", "/health"), ("get", "/health"), ("POST", "/health")]:
        with pytest.raises(NotAllowedError, match="has no rule"):
            rule_of(method, path)


def test_whatever_changes_something_has_a_line_in_the_audit_log() -> None:
    quiet = {(method, path) for (method, path), rule in POLICY.items() if not rule.action}
    questions = {
        "/api/v1/ws-tickets",
        "/api/v1/optimize/compare",
        "/api/v1/optimize/{task_id}/prediction",
        "/api/v1/engines/{strategy}/{data}/backtests",
    }
    assert {method for method, path in quiet if path not in questions} == {"GET", "WS"}


def test_what_is_about_other_users_is_for_administrators() -> None:
    """The matrix of routes takes what it expects from the policy: that the policy is right is said here."""
    for (method, path), rule in POLICY.items():
        is_about_others = path.startswith(("/api/v1/users", "/api/v1/audit"))
        assert (rule.scope == "admin") == is_about_others, (method, path)


def test_who_only_reads_changes_nothing_but_what_is_their_own() -> None:
    own = ("/api/v1/sessions", "/api/v1/me", "/api/v1/keys", "/api/v1/ws-tickets")
    questions = ("/api/v1/optimize/compare", "/api/v1/optimize/{task_id}/prediction")
    for (method, path), rule in POLICY.items():
        if method in ("GET", "WS"):
            assert rule.scope in (None, "read", "admin"), (method, path)
        elif not path.startswith(own) and path not in questions:
            assert rule.scope in ("run", "admin"), (method, path)


def test_few_things_are_public() -> None:
    public = {path for (_, path), rule in POLICY.items() if rule.scope is None}
    assert public == {"/health", "/ready", "/openapi.json", "/api/v1/sessions"}


# -- quotas and the audit log ---------------------------------------------------------------------------------


def test_quotas(gate: Gate, store: Store) -> None:
    quotas = gate.quotas
    quotas.check_task("ada", trials=10**12, memory=10**12)
    store.accounts.set_quota("ada", Quota(trials_a_day=1000, memory=2**30, queued_tasks=2))
    quotas.check_task("ada", trials=1000, memory=2**30)
    with pytest.raises(QuotaError, match=r"trials_a_day is 1,000: 0 trials.*1,001 more are asked") as caught:
        quotas.check_task("ada", trials=1001)
    error = caught.value
    assert (error.quota, error.limit, error.used, error.asked) == ("trials_a_day", 1000, 0, 1001)
    with pytest.raises(QuotaError, match=r"may take 1,025 MB; your quota memory is 1,024 MB for all"):
        quotas.check_task("ada", memory=1025 * 2**20)
    for _ in range(2):
        quotas.check_task("ada")
        add_task(store)
    with pytest.raises(QuotaError, match="queued_tasks is 2: 2 tasks wait; cancel one"):
        quotas.check_task("ada")
    quotas.check_task("ben", trials=10**9)


def test_the_audit_log_takes_whatever_is_there(gate: Gate, store: Store) -> None:
    key = gate.keys.create("ada", "laptop")
    actor = gate.keys.verify(key.text)
    Audit(store).note(
        actor, "user.create", "\x00\ud800\n" + 300 * "é" + key.text, address=100 * "f", details={"role": "x"}
    )
    (line,) = store.accounts.log()
    assert (line.actor, line.action, len(line.target), len(line.address)) == ("ada", "user.create", 200, 64)
    assert line.target.startswith("???é")
    assert line.details == {"key": key.record.id, "role": "x"}
    Audit(store).note(actor, "key.use", key.text)
    assert key.text[12:] not in repr(store.accounts.log())


def test_no_secret_is_in_errors_or_logs(
    gate: Gate, store: Store, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    made = gate.keys.create("ada", "laptop")
    session = gate.log_in("ada", PASSWORD, HERE)
    ticket = gate.tickets.issue(session.principal)
    wrong = new_key_text()
    shown = [
        Call("GET", HERE, key=wrong),
        Call("GET", HERE, key=made.text[:-1]),
        Call("GET", HERE, cookie=session.cookie[::-1]),
        Call("WS", HERE, ticket=ticket.text[:-1] + "!"),
    ]
    texts = [repr(shown), repr(gate.keys.verify(made.text)), repr(session), repr(ticket)]
    for call in shown:
        with pytest.raises(StrategyOptimizerError) as caught:
            gate.identify(call)
        texts += [str(caught.value), repr(caught.value)]
    with pytest.raises(StrategyOptimizerError) as caught:
        gate.log_in("ada", PASSWORD + "!", HERE)
    texts += [str(caught.value), caplog.text, repr(store.accounts.log())]
    secrets = [made.text[12:], wrong[12:], session.cookie, ticket.text, PASSWORD, HASHED]
    for text in texts:
        assert not [secret for secret in secrets if secret in text]
