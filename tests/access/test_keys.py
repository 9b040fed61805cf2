"""API keys: their text, what they give, and that nothing can be learned by guessing."""

from __future__ import annotations

import hmac
from datetime import timedelta

import pytest
from sqlalchemy import event

from access_worlds import Seconds, as_principal
from storage_worlds import Clock
from strategy_optimizer.access import keys as keys_module
from strategy_optimizer.access.key_text import mask_keys, new_key_text, read_key_text
from strategy_optimizer.access.keys import Keys
from strategy_optimizer.errors import AccountError, NotAllowedError, NotAuthenticatedError, StorageError
from strategy_optimizer.storage import Store


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def keys(store: Store, seconds: Seconds) -> Keys:
    return Keys(store, clock=seconds)


def test_a_key_says_who_shows_it(keys: Keys, store: Store) -> None:
    made = keys.create("ada", " laptop ", scopes=["run", "read"])
    principal = keys.verify(made.text)
    assert (principal.user_id, principal.name, principal.role) == ("ada", "ada", "operator")
    assert (principal.scopes, principal.key_id) == ({"read", "run"}, made.record.id)
    assert (made.record.name, made.record.scopes) == ("laptop", ("read", "run"))
    assert principal.owner == "ada"


def test_the_text_is_nowhere_in_the_store(keys: Keys, store: Store) -> None:
    made = keys.create("ada", "laptop")
    secret = made.text[12:]
    assert secret not in repr(made)
    assert secret not in repr(store.accounts.keys("ada"))
    assert made.record.digest == read_key_text(made.text).digest


def test_keys_differ() -> None:
    texts = {new_key_text() for _ in range(500)}
    assert len(texts) == len({text[:11] for text in texts}) == len({text[12:55] for text in texts}) == 500


def test_mistyped_keys_never_reach_the_database(keys: Keys, store: Store) -> None:
    text = keys.create("ada", "laptop").text
    asked = []
    event.listen(store.database.engine, "before_cursor_execute", lambda *_: asked.append(1))
    for place in range(len(text)):
        for letter in ("A", "b", "7", "_", "é", "\n"):
            if text[place] != letter:
                with pytest.raises(NotAuthenticatedError):
                    keys.verify(text[:place] + letter + text[place + 1 :])
    for wrong in ("", "so_", text[:-1], text + "A", text + "\n", text.lower(), "so_" * 10_000, "\ud800"):
        with pytest.raises(NotAuthenticatedError):
            keys.verify(wrong)
    assert not asked


def test_a_wrong_key_costs_the_same_whether_its_id_is_known(
    keys: Keys, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = keys.create("ada", "laptop").text
    statements: list[str] = []
    compared: list[int] = []
    event.listen(
        store.database.engine, "before_cursor_execute", lambda c, cursor, text, *_: statements.append(text)
    )
    right = hmac.compare_digest
    monkeypatch.setattr(
        keys_module.hmac, "compare_digest", lambda one, other: compared.append(len(one)) or right(one, other)
    )
    done = []
    for wrong in (_with_other_secret(known), new_key_text()):
        with pytest.raises(NotAuthenticatedError, match=r"^this key is not valid$"):
            keys.verify(wrong)
        done.append((statements.copy(), compared.copy()))
        statements.clear()
        compared.clear()
    assert done[0] == done[1]
    assert done[0][1] == [32]


def test_a_verified_key_is_not_looked_up_again_for_a_moment(
    keys: Keys, store: Store, seconds: Seconds
) -> None:
    text = keys.create("ada", "laptop").text
    keys.verify(text)
    asked = []
    event.listen(store.database.engine, "before_cursor_execute", lambda *_: asked.append(1))
    for _ in range(100):
        keys.verify(text)
    assert not asked
    seconds.move(1.5)
    keys.verify(text)
    assert asked


def test_a_revoked_key_ends_at_once_here_and_within_two_seconds_elsewhere(
    keys: Keys, store: Store, seconds: Seconds
) -> None:
    made = keys.create("ada", "laptop")
    elsewhere = Keys(store, clock=seconds)
    keys.verify(made.text)
    elsewhere.verify(made.text)
    held = elsewhere.verify_again(elsewhere.verify(made.text))
    keys.revoke(made.record.id)
    with pytest.raises(NotAuthenticatedError, match=r"^the key so_\w{8} has been revoked$"):
        keys.verify(made.text)
    seconds.move(2)
    with pytest.raises(NotAuthenticatedError, match="has been revoked"):
        elsewhere.verify(made.text)
    with pytest.raises(NotAuthenticatedError, match="has been revoked"):
        elsewhere.verify_again(held)
    assert not elsewhere.is_known(made.text)


def test_a_key_ends(keys: Keys, clock: Clock, seconds: Seconds) -> None:
    made = keys.create("ada", "laptop", expires=clock.now + timedelta(hours=1))
    assert keys.verify(made.text).expires == clock.now + timedelta(hours=1)
    clock.move(hours=1)
    seconds.move(2)
    with pytest.raises(NotAuthenticatedError, match=r"ended at 2026-01-05T13:00:00\+00:00"):
        keys.verify(made.text)


def test_a_user_who_is_disabled_or_demoted(keys: Keys, store: Store, seconds: Seconds) -> None:
    made = keys.create("ada", "laptop")
    store.accounts.change_user("ada", role="viewer")
    assert keys.verify(made.text).scopes == {"read"}
    store.accounts.change_user("ada", disabled=True)
    seconds.move(2)
    with pytest.raises(NotAuthenticatedError, match="the user ada is disabled"):
        keys.verify(made.text)


def test_a_promotion_gives_an_old_key_nothing(keys: Keys, store: Store) -> None:
    made = keys.create("ada", "laptop")
    store.accounts.change_user("ada", role="admin")
    principal = keys.verify(made.text)
    assert (principal.role, principal.scopes, principal.owner) == ("admin", {"read", "run"}, "ada")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scopes": ["admin"]}, "ada may not have the scope admin"),
        ({"scopes": ["root"]}, "there is no scope 'root'; there are read, run, admin"),
        ({"scopes": []}, "at least one scope"),
        ({"name": ""}, "1 to 200 letters"),
        ({"name": "a\nb"}, "1 to 200 letters"),
        ({"name": 201 * "a"}, "1 to 200 letters"),
        ({"expires": Clock().now}, "ended already"),
        ({"expires": Clock().now.replace(tzinfo=None)}, "needs an offset"),
    ],
)
def test_what_a_key_cannot_be(keys: Keys, store: Store, change: dict[str, object], words: str) -> None:
    with pytest.raises(AccountError, match=words):
        keys.create("ada", **({"name": "laptop"} | change))
    assert store.accounts.keys("ada") == []


def test_a_key_makes_no_stronger_key(keys: Keys, clock: Clock) -> None:
    ends = clock.now + timedelta(hours=1)
    weak = keys.verify(keys.create("ada", "weak", scopes=["read"], expires=ends).text)
    with pytest.raises(NotAllowedError, match="scope run is made with one that has it"):
        keys.create("ada", "more", scopes=["read", "run"], by=weak)
    with pytest.raises(NotAllowedError, match="ends with it"):
        keys.create("ada", "longer", expires=ends + timedelta(seconds=1), by=weak)
    made = keys.create("ada", "same", by=weak).record
    assert (made.scopes, made.expires) == (("read",), ends)


def test_a_session_makes_keys_that_outlive_it(keys: Keys, clock: Clock, store: Store) -> None:
    session = as_principal(store, "ada", expires=clock.now + timedelta(hours=1))
    assert keys.create("ada", "laptop", by=session).record.expires is None


def test_the_use_is_noted_once_a_minute(keys: Keys, store: Store, clock: Clock, seconds: Seconds) -> None:
    made = keys.create("ada", "laptop")
    noted = set()
    for _ in range(30):
        keys.verify(made.text)
        noted.add(store.accounts.key(made.record.id).last_used)
        clock.move(seconds=4)
        seconds.move(4)
    assert len(noted) == 2


def test_a_use_that_cannot_be_noted_is_a_use_all_the_same(
    keys: Keys, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise StorageError

    text = keys.create("ada", "laptop").text
    monkeypatch.setattr(store.accounts, "note_key_used", refuse)
    assert keys.verify(text).name == "ada"


def test_keys_are_masked_wherever_they_stand() -> None:
    text = new_key_text()
    masked = mask_keys(f"GET /?key={text} Authorization: Bearer {text}, and so_short")
    assert text[12:] not in masked
    assert masked.count(text[:12] + "***") == 2
    assert masked.endswith("so_short")


def _with_other_secret(text: str) -> str:
    from strategy_optimizer.access.key_text import _checksum

    body = text[:12] + new_key_text()[12:55]
    return body + _checksum(body)
