"""The first administrator's key: one, whoever starts first, in a file that nobody else can read."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from databases import ENGINES
from strategy_optimizer.access.first_key import FILE, make_admin_key, make_first_key
from strategy_optimizer.access.key_text import new_key_text
from strategy_optimizer.access.keys import Keys
from strategy_optimizer.errors import AccountError, NotAuthenticatedError
from strategy_optimizer.storage import Store

SCRIPT = """
import sys
from pathlib import Path
from strategy_optimizer.access.first_key import make_first_key
from strategy_optimizer.storage import Store
with Store(sys.argv[1]) as store:
    sys.stdin.readline()
    made = make_first_key(store, Path(sys.argv[2]))
    print("" if made is None else made.text)
"""


@pytest.fixture(params=ENGINES)
def engine_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_the_first_start_makes_an_admin(url: str, tmp_path: Path) -> None:
    with Store(url) as store:
        made = make_first_key(store, tmp_path / "data")
        assert made is not None
        principal = Keys(store).verify(made.text)
        assert (principal.name, principal.role, principal.owner) == ("admin", "admin", None)
        assert made.path == tmp_path / "data" / FILE
        assert made.path.read_text().strip() == made.text
        assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
        assert made.text not in repr(made)
        assert make_first_key(store, tmp_path / "data") is None
        assert [path.name for path in (tmp_path / "data").iterdir()] == [FILE]
        assert len(store.accounts.keys(principal.user_id)) == 1


def test_there_is_no_key_where_there_are_users(store: Store, tmp_path: Path) -> None:
    assert make_first_key(store, tmp_path) is None
    assert not (tmp_path / FILE).exists()


def test_a_start_that_was_killed_before_the_database_had_the_key(url: str, tmp_path: Path) -> None:
    text = new_key_text()
    path = tmp_path / FILE
    path.touch(0o600)
    path.write_text(text)
    with Store(url) as store:
        made = make_first_key(store, tmp_path)
        assert made is not None
        assert made.text == text
        assert Keys(store).verify(text).role == "admin"


@pytest.mark.parametrize(("content", "mode", "words"), [(None, 0o644, "mode 0644"), ("x", 0o600, "no key")])
def test_a_file_that_others_may_know_is_not_taken(
    url: str, tmp_path: Path, content: str | None, mode: int, words: str
) -> None:
    path = tmp_path / FILE
    path.write_text(content or new_key_text())
    path.chmod(mode)
    with Store(url) as store:
        with pytest.raises(AccountError, match=f"{words}.*remove it and start again"):
            make_first_key(store, tmp_path)
        assert store.accounts.users() == []


@pytest.mark.parametrize("folders", [1, 2])
def test_several_processes_that_start_at_once_make_one_key(url: str, tmp_path: Path, folders: int) -> None:
    """They share the data folder, or they are on two machines that share a database."""
    started = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", SCRIPT, url, str(tmp_path / str(number % folders))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(6)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    printed = [process.communicate()[0].strip() for process in started]
    assert [process.returncode for process in started] == [0] * 6
    (text,) = [line for line in printed if line]
    with Store(url) as store:
        (admin,) = store.accounts.users()
        assert Keys(store).verify(text).user_id == admin.id
        assert len(store.accounts.keys(admin.id)) == 1
    files = [tmp_path / str(number) / FILE for number in range(folders)]
    assert [file.read_text().strip() for file in files if file.exists()] == [text]


def test_a_lost_key_is_replaced(url: str, tmp_path: Path) -> None:
    with Store(url) as store:
        first = make_first_key(store, tmp_path)
        assert first is not None
        other = Keys(store).create(store.accounts.users()[0].id, "other")
        made = make_admin_key(store, tmp_path)
        keys = Keys(store)
        assert keys.verify(made.text).role == "admin"
        assert keys.verify(other.text).role == "admin"
        with pytest.raises(NotAuthenticatedError, match="revoked"):
            keys.verify(first.text)
        assert (tmp_path / FILE).read_text().strip() == made.text
        assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith("admin")] == [FILE]
        (line,) = store.accounts.log()
        assert (line.action, line.target) == ("key.replace", made.text[:11])


def test_an_administrator_who_was_locked_out_comes_back(store: Store, tmp_path: Path) -> None:
    admin = store.accounts.add_user("admin", "viewer")
    store.accounts.change_user(admin.id, disabled=True)
    made = make_admin_key(store, tmp_path)
    assert Keys(store).verify(made.text).scopes == {"read", "run", "admin"}
