"""The commands ``users`` and ``keys``, on a store of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from strategy_optimizer.access.key_text import new_key_text
from strategy_optimizer.access.keys import Keys
from strategy_optimizer.access.passwords import Passwords
from strategy_optimizer.cli.program import run
from strategy_optimizer.errors import NotAuthenticatedError
from strategy_optimizer.storage import Store

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store.db")
    store.upgrade()
    return store


@pytest.fixture
def call(tmp_path: Path, store: Store, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs a command; returns its exit code, what it printed, and what it said."""

    def invoke(*arguments: str) -> tuple[int, str, str]:
        code = run([*arguments, "--data-dir", str(tmp_path)])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return invoke


def test_a_user_from_first_to_last(call: Call, store: Store) -> None:
    code, key, said = call("users", "add", "ada", "--role", "operator")
    assert code == 0
    assert "shown this once" in said
    assert Keys(store).verify(key.strip()).scopes == {"read", "run"}
    _, listed, _ = call("users", "list", "--json")
    (user,) = json.loads(listed)
    assert (user["name"], user["role"], user["disabled"], user["has_password"]) == (
        "ada",
        "operator",
        False,
        False,
    )
    _, table, _ = call("users", "list")
    assert "ada" in table
    assert "operator" in table
    assert call("users", "change", "ada", "--role", "viewer")[2] == "ada is now viewer\n"
    assert Keys(store).verify(key.strip()).scopes == {"read"}
    assert call("users", "change", "ada", "--disable")[2] == "ada is disabled\n"
    with pytest.raises(NotAuthenticatedError, match="disabled"):
        Keys(store).verify(key.strip())
    actions = [line.action for line in store.accounts.log()][::-1]
    assert actions == ["user.create", "key.create", "user.change", "user.change"]


def test_a_password_is_asked_for(call: Call, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    password = "correct horse battery staple"
    monkeypatch.setattr("typer.prompt", lambda *_, **__: password)
    code, printed, said = call("users", "add", "ada", "--password")
    assert code == 0
    first = store.accounts.users()[0].password_hash
    assert Passwords().matches(first, password)
    code, more, also = call("users", "password", "ada")
    assert code == 0
    assert store.accounts.users()[0].password_hash != first
    assert password not in printed + said + more + also


def test_a_key_from_first_to_last(call: Call, store: Store) -> None:
    call("users", "add", "ada", "--role", "operator")
    code, text, said = call("keys", "new", "ada", "--name", "cron", "--scope", "read", "--days", "90")
    assert code == 0
    assert "with the scopes read, shown" in said
    key = text.strip()
    assert Keys(store).verify(key).scopes == {"read"}
    _, listed, _ = call("keys", "list", "ada", "--json")
    cron = json.loads(listed)[1]
    assert (cron["name"], cron["prefix"], "digest" in cron) == ("cron", key[:11], False)
    _, table, _ = call("keys", "list", "ada")
    assert "valid until" in table
    assert call("keys", "revoke", key[:11])[0] == 0
    with pytest.raises(NotAuthenticatedError, match="revoked"):
        Keys(store).verify(key)
    assert "revoked" in call("keys", "list", "ada")[1]
    other = call("keys", "new", "ada")[1].strip()
    said = call("keys", "revoke", other)[2]  # the whole key does, too
    assert other[12:] not in said
    with pytest.raises(NotAuthenticatedError, match="revoked"):
        Keys(store).verify(other)


def test_the_administrators_key_is_made_anew(call: Call, store: Store, tmp_path: Path) -> None:
    texts = [call("keys", "admin")[1].strip() for _ in range(2)]
    assert Keys(store).verify(texts[1]).role == "admin"
    assert (tmp_path / "admin.key").read_text().strip() == texts[1]
    with pytest.raises(NotAuthenticatedError, match="revoked"):
        Keys(store).verify(texts[0])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("users", "add", "ada"), "'ada' is taken"),
        (("users", "add", "eve", "--role", "root"), "no role 'root'"),
        (("users", "add", " "), "1 to 200 letters"),
        (("users", "change", "adda", "--disable"), "no user 'adda'; did you mean 'ada'?"),
        (("users", "change", "ada"), "nothing is to be changed"),
        (("users", "change", "ada", "--disable"), "is the last admin"),
        (("keys", "new", "ada", "--scope", "write"), "no scope 'write'"),
        (("keys", "new", "ada", "--days", "-1"), "ended already"),
        (("keys", "list", "eve"), "no user 'eve'"),
        (("keys", "revoke", "so_nothing1"), "no key that begins with 'so_nothing1'"),
        (("keys", "revoke", new_key_text()), "no key that begins with 'so_"),
    ],
)
def test_what_cannot_be_done(call: Call, store: Store, arguments: tuple[str, ...], words: str) -> None:
    store.accounts.add_user("ada", "admin")
    code, printed, said = call(*arguments)
    assert (code, printed) == (2, "")
    assert words in said
    assert arguments[-1][12:40] not in said or len(arguments[-1]) < 40


def test_without_a_store_there_is_nothing_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["users", "list", "--data-dir", str(tmp_path / "nowhere")]) == 2
    assert "there is no database" in capsys.readouterr().err
