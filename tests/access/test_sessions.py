"""Sessions, tickets, and where they may be used from."""

from __future__ import annotations

from datetime import timedelta

import pytest
from argon2 import Parameters, profiles
from sqlalchemy import event

from access_worlds import Seconds
from storage_worlds import Clock
from strategy_optimizer.access.keys import Keys
from strategy_optimizer.access.origins import check_origin
from strategy_optimizer.access.passwords import Passwords
from strategy_optimizer.access.sessions import IDLE, LONGEST, Sessions
from strategy_optimizer.access.tickets import Tickets
from strategy_optimizer.errors import NotAllowedError, NotAuthenticatedError
from strategy_optimizer.storage import Store

PASSWORD = "correct horse battery staple"
HASHED = Passwords(profiles.CHEAPEST).hash(PASSWORD, name="ada")


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def sessions(store: Store, seconds: Seconds) -> Sessions:
    store.accounts.change_user("ada", password_hash=HASHED)
    return Sessions(store, Passwords(profiles.CHEAPEST), clock=seconds)


def test_a_session_says_whose_it_is(sessions: Sessions, store: Store, clock: Clock) -> None:
    made = sessions.log_in("ada", PASSWORD)
    assert sessions.verify(made.cookie) == made.principal
    principal = made.principal
    assert (principal.user_id, principal.scopes, principal.key_id) == ("ada", {"read", "run"}, None)
    assert made.ends == clock.now + LONGEST
    assert made.cookie not in repr(made)


@pytest.mark.parametrize(
    ("name", "password"), [("ada", "wrong"), ("ben", PASSWORD), ("nobody", PASSWORD), ("", "")]
)
def test_a_wrong_login_does_not_say_what_is_wrong(sessions: Sessions, name: str, password: str) -> None:
    with pytest.raises(NotAuthenticatedError, match=r"^name or password is wrong$"):
        sessions.log_in(name, password)


def test_a_user_who_is_disabled_cannot_log_in(sessions: Sessions, store: Store) -> None:
    store.accounts.change_user("ada", disabled=True)
    with pytest.raises(NotAuthenticatedError, match=r"^name or password is wrong$"):
        sessions.log_in("ada", PASSWORD)


def test_a_session_that_is_used_lasts_for_a_week(sessions: Sessions, clock: Clock, seconds: Seconds) -> None:
    cookie = sessions.log_in("ada", PASSWORD).cookie
    begun, step = clock.now, timedelta(hours=5)
    while clock.now + step < begun + LONGEST:
        clock.move(hours=5)
        seconds.move(2)
        assert sessions.verify(cookie).user_id == "ada"
    clock.move(hours=5)
    seconds.move(2)
    with pytest.raises(NotAuthenticatedError, match="has ended"):
        sessions.verify(cookie)


def test_a_session_that_is_not_used_ends(sessions: Sessions, clock: Clock, seconds: Seconds) -> None:
    cookie = sessions.log_in("ada", PASSWORD).cookie
    clock.now += IDLE
    seconds.move(2)
    with pytest.raises(NotAuthenticatedError, match="has ended"):
        sessions.verify(cookie)


def test_reading_seldom_writes(sessions: Sessions, store: Store, clock: Clock, seconds: Seconds) -> None:
    cookie = sessions.log_in("ada", PASSWORD).cookie
    written: list[str] = []
    event.listen(
        store.database.engine,
        "before_cursor_execute",
        lambda c, cursor, text, *_: written.append(text) if text.startswith("UPDATE") else None,
    )
    for _ in range(70):
        clock.move(minutes=10)
        seconds.move(2)
        sessions.verify(cookie)
    assert len(written) == 1


@pytest.mark.parametrize("cookie", ["", "x", 43 * "x", 43 * "é", 10_000 * "x"])
def test_what_is_no_session(sessions: Sessions, cookie: str) -> None:
    with pytest.raises(NotAuthenticatedError):
        sessions.verify(cookie)


def test_logging_out(sessions: Sessions, store: Store, seconds: Seconds) -> None:
    elsewhere = Sessions(store, Passwords(profiles.CHEAPEST), clock=seconds)
    made, other = (sessions.log_in("ada", PASSWORD) for _ in range(2))
    elsewhere.verify(made.cookie)
    sessions.log_out(sessions.verify(made.cookie))
    with pytest.raises(NotAuthenticatedError):
        sessions.verify(made.cookie)
    seconds.move(2)
    with pytest.raises(NotAuthenticatedError):
        elsewhere.verify(made.cookie)
    assert sessions.verify(other.cookie).user_id == "ada"


def test_a_new_password_ends_all_sessions(sessions: Sessions) -> None:
    cookies = [sessions.log_in("ada", PASSWORD).cookie for _ in range(3)]
    sessions.set_password("ada", "another horse battery staple")
    for cookie in cookies:
        with pytest.raises(NotAuthenticatedError):
            sessions.verify(cookie)
    with pytest.raises(NotAuthenticatedError):
        sessions.log_in("ada", PASSWORD)
    assert sessions.log_in("ada", "another horse battery staple")


def test_a_login_renews_an_old_hash_and_ends_no_session(sessions: Sessions, store: Store) -> None:
    cheap = profiles.CHEAPEST
    stronger = Parameters(cheap.type, cheap.version, cheap.salt_len, cheap.hash_len, 2, 16, 1)
    cookie = sessions.log_in("ada", PASSWORD).cookie
    newer = Sessions(store, Passwords(stronger))
    newer.log_in("ada", PASSWORD)
    stored = store.accounts.user("ada").password_hash
    assert stored != HASHED
    assert "m=16,t=2" in str(stored)
    assert newer.verify(cookie).user_id == "ada"


def test_a_role_that_changes(sessions: Sessions, store: Store, seconds: Seconds) -> None:
    cookie = sessions.log_in("ada", PASSWORD).cookie
    store.accounts.change_user("ada", role="viewer")
    seconds.move(2)
    assert sessions.verify(cookie).scopes == {"read"}
    held = sessions.verify(cookie)
    store.accounts.change_user("ada", disabled=True)
    seconds.move(2)
    with pytest.raises(NotAuthenticatedError):
        sessions.verify_again(held)


# -- tickets --------------------------------------------------------------------------------------------------


@pytest.fixture
def keys(store: Store, seconds: Seconds) -> Keys:
    return Keys(store, clock=seconds)


@pytest.fixture
def tickets(store: Store, keys: Keys, sessions: Sessions) -> Tickets:
    return Tickets(store, keys, sessions)


def test_a_ticket_opens_one_socket_in_any_process(
    tickets: Tickets, keys: Keys, sessions: Sessions, store: Store
) -> None:
    elsewhere = Tickets(store, Keys(store), Sessions(store, Passwords(profiles.CHEAPEST)))
    for maker in (
        sessions.log_in("ada", PASSWORD).principal,
        keys.verify(keys.create("ada", "laptop", scopes=["read"]).text),
    ):
        ticket = tickets.issue(maker)
        assert ticket.text not in repr(ticket)
        assert elsewhere.take(ticket.text) == maker
        for process in (tickets, elsewhere):
            with pytest.raises(NotAuthenticatedError, match="opens one socket"):
                process.take(ticket.text)


def test_a_ticket_ends_after_thirty_seconds(tickets: Tickets, sessions: Sessions, clock: Clock) -> None:
    ticket = tickets.issue(sessions.log_in("ada", PASSWORD).principal)
    assert ticket.expires == clock.now + timedelta(seconds=30)
    clock.move(seconds=30)
    with pytest.raises(NotAuthenticatedError):
        tickets.take(ticket.text)


def test_a_ticket_is_worth_what_its_maker_has_when_it_is_shown(
    tickets: Tickets, keys: Keys, sessions: Sessions, store: Store, seconds: Seconds
) -> None:
    session = sessions.log_in("ada", PASSWORD).principal
    key = keys.create("ada", "laptop")
    holder = keys.verify(key.text)
    by_session, by_key, later = tickets.issue(session), tickets.issue(holder), tickets.issue(holder)
    sessions.log_out(session)
    with pytest.raises(NotAuthenticatedError):
        tickets.take(by_session.text)
    with pytest.raises(NotAuthenticatedError):
        tickets.issue(session)
    store.accounts.change_user("ada", role="viewer")
    seconds.move(2)
    assert tickets.take(by_key.text).scopes == {"read"}
    keys.revoke(key.record.id)
    with pytest.raises(NotAuthenticatedError, match="revoked"):
        tickets.take(later.text)


@pytest.mark.parametrize("text", ["", "st_", "st_" + 43 * "A", "st_" + 43 * "é", 1000 * "st_"])
def test_what_is_no_ticket(tickets: Tickets, text: str) -> None:
    with pytest.raises(NotAuthenticatedError):
        tickets.take(text)


# -- origins --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "host", "may"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1:8000", True),
        ("https://Optimizer.Example", "optimizer.example", True),
        ("https://dash.example", "optimizer.example", True),  # in the list
        ("http://dash.example", "optimizer.example", False),
        ("https://dash.example.evil", "optimizer.example", False),
        ("https://evil.example", "optimizer.example", False),
        ("http://127.0.0.1:8001", "127.0.0.1:8000", False),
        ("null", "null", False),
        ("file://optimizer.example", "optimizer.example", False),
        ("http://optimizer.example@evil.example", "optimizer.example", False),
        ("http://[::1", "[::1", False),
        ("", "optimizer.example", False),
        (None, "optimizer.example", False),
        ("https://optimizer.example", None, False),
        ("", "", False),
    ],
)
def test_a_session_is_accepted_from_our_own_pages_alone(
    origin: str | None, host: str | None, may: bool
) -> None:
    if may:
        check_origin(origin, host, ["https://dash.example"])
        return
    with pytest.raises(NotAllowedError):
        check_origin(origin, host, ["https://dash.example"])
