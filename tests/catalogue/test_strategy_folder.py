"""What a scan of the folder makes of files that come, change, break and go."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from strategy_optimizer.catalogue import strategy_folder
from strategy_optimizer.catalogue.strategy_folder import StrategyFolder
from strategy_optimizer.catalogue.versions import load_version, pin_version
from strategy_optimizer.errors import NotStoredError, StrategyError
from strategy_optimizer.storage import Store
from strategy_texts import DIP, TWO, WITH_HELPER

Write = Callable[[str, str], Path]


def newest(store: Store, name: str) -> str:
    digest = store.strategies.get(name).newest
    assert digest is not None
    return digest


def problem(store: Store, name: str) -> str:
    return store.strategies.get(name).problem or ""


def test_a_file_becomes_a_strategy(
    store: Store, watcher: StrategyFolder, write: Write, data_dir: Path
) -> None:
    write("dip.py", DIP)
    assert watcher.scan() == ["dip"]
    record = store.strategies.get("dip")
    assert (record.source, record.place, record.problem) == ("file", "dip.py", None)
    version = store.strategies.version("dip", newest(store, "dip"))
    assert version.description == "Buys dips."
    assert version.space["constraints"] == ["days > 3"]
    assert version.space["parameter_space"]["days"]["bounds"] == [2, 50]
    assert version.details == {
        "label": "Dip",
        "style": "vectorised",
        "multi_symbol": False,
        "defaults": {"days": 10, "depth": 0.05},
    }
    name, digest = pin_version(store, "dip")
    assert (name, digest) == ("dip", version.digest)
    assert load_version(name, digest, data_dir).parameters["days"].default == 10


def test_an_unchanged_file_is_not_looked_into(
    watcher: StrategyFolder, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("dip.py", DIP)
    watcher.scan()
    monkeypatch.setattr(strategy_folder, "collect_files", None)
    monkeypatch.setattr(strategy_folder, "describe_file", None)
    assert watcher.scan() == []


def test_a_file_that_was_only_touched_is_no_new_version(
    store: Store, watcher: StrategyFolder, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("dip.py", DIP)
    watcher.scan()
    os.utime(path, (1, 1))
    monkeypatch.setattr(strategy_folder, "describe_file", None)
    assert watcher.scan() == []
    assert len(store.strategies.versions("dip")) == 1


def test_a_changed_file_is_a_new_version_and_the_old_one_stays(
    store: Store, watcher: StrategyFolder, write: Write, data_dir: Path
) -> None:
    write("dip.py", DIP)
    watcher.scan()
    first = newest(store, "dip")
    write("dip.py", DIP.replace("50", "99"))
    assert watcher.scan() == ["dip"]
    second = newest(store, "dip")
    assert first != second
    assert [load_version("dip", digest, data_dir).parameters["days"].high for digest in (first, second)] == [
        50,
        99,
    ]
    write("dip.py", DIP)
    assert watcher.scan() == ["dip"]
    assert newest(store, "dip") == first
    assert len(store.strategies.versions("dip")) == 2


def test_what_a_file_imports_is_part_of_it(
    store: Store, watcher: StrategyFolder, write: Write, data_dir: Path
) -> None:
    write("helped.py", WITH_HELPER)
    write("helper.py", "from parts.numbers import DAYS\n")
    write("parts/__init__.py", "")
    write("parts/numbers.py", "import json\nDAYS = 20\n")
    write("parts/unused.py", "DAYS = 1\n")
    assert watcher.scan() == ["helped"]
    first = newest(store, "helped")
    assert sorted(path.name for path in (data_dir / "strategies" / first).rglob("*.py")) == [
        "__init__.py",
        "helped.py",
        "helper.py",
        "numbers.py",
    ]
    write("parts/unused.py", "DAYS = 2\n")
    assert watcher.scan() == []
    write("parts/numbers.py", "DAYS = 30\n")
    assert watcher.scan() == ["helped"]
    # Both in one process, whose modules have the same names.
    highs = [
        load_version("helped", digest, data_dir).parameters["days"].high
        for digest in (first, newest(store, "helped"), first)
    ]
    assert highs == [20, 30, 20]
    assert store.strategies.find("helper") is None


def test_several_strategies_in_a_file(
    store: Store, watcher: StrategyFolder, write: Write, data_dir: Path
) -> None:
    write("pair.py", TWO)
    assert watcher.scan() == ["pair:One", "pair:Two"]
    digest = newest(store, "pair:Two")
    assert list(load_version("pair:Two", digest, data_dir).parameters) == ["weeks"]
    with pytest.raises(StrategyError, match="has no strategy 'pair:Three'"):
        load_version("pair:Three", digest, data_dir)
    write("pair.py", TWO.replace("class Two", "class Three"))
    assert sorted(watcher.scan()) == ["pair:One", "pair:Three", "pair:Two"]
    assert problem(store, "pair:Two") == "pair.py has no strategy of this name any more"
    with pytest.raises(StrategyError, match=r"'pair:Two' cannot be used: pair.py has no strategy"):
        pin_version(store, "pair:Two")
    assert list(load_version("pair:Two", digest, data_dir).parameters) == ["weeks"]


def test_a_syntax_error_is_told_and_the_last_good_version_stays(
    store: Store, watcher: StrategyFolder, write: Write
) -> None:
    write("dip.py", DIP)
    watcher.scan()
    good = newest(store, "dip")
    write("dip.py", DIP + "\nclass :\n")
    assert watcher.scan() == ["dip"]
    assert problem(store, "dip") == "dip.py, line 14: invalid syntax"
    assert pin_version(store, "dip") == ("dip", good)
    assert watcher.scan() == []
    write("dip.py", DIP)
    assert watcher.scan() == ["dip"]
    assert (problem(store, "dip"), newest(store, "dip")) == ("", good)


def test_a_helper_with_a_syntax_error(store: Store, watcher: StrategyFolder, write: Write) -> None:
    write("helped.py", WITH_HELPER)
    write("helper.py", "DAYS = = 3\n")
    watcher.scan()
    assert problem(store, "helped") == "helper.py, line 1: invalid syntax"
    with pytest.raises(StrategyError, match=r"the strategy 'helped' cannot be used: helper.py, line 1"):
        pin_version(store, "helped")


def test_a_file_that_is_being_written_waits(store: Store, data_dir: Path, folder: Path, write: Write) -> None:
    now = time.time()
    watcher = StrategyFolder(store, data_dir, folder, clock=lambda: now)
    path = write("dip.py", DIP[: len(DIP) // 2])
    os.utime(path, (now, now))
    assert watcher.scan() == []
    now += 1
    path.write_text(DIP)
    os.utime(path, (now, now))
    assert watcher.scan() == []
    now += 1
    assert watcher.scan() == []
    now += 2
    assert watcher.scan() == ["dip"]
    assert problem(store, "dip") == ""


def test_a_change_within_the_same_tick_is_seen(
    store: Store, data_dir: Path, folder: Path, write: Write
) -> None:
    """The date and the size stay, as on a file system with coarse dates."""
    now = time.time()
    watcher = StrategyFolder(store, data_dir, folder, clock=lambda: now)
    path = write("dip.py", DIP)
    os.utime(path, (now - 1, now - 1))
    watcher.scan()
    path.write_text(DIP.replace("50", "60"))
    os.utime(path, (now - 1, now - 1))
    now += 5
    assert watcher.scan() == ["dip"]
    assert "60" in str(store.strategies.newest_versions()["dip"].space)


def test_a_file_from_the_future_is_taken_once_it_rests(
    store: Store, data_dir: Path, folder: Path, write: Write
) -> None:
    watcher = StrategyFolder(store, data_dir, folder)
    path = write("dip.py", DIP)
    os.utime(path, (time.time() + 9999, time.time() + 9999))
    assert watcher.scan() == []
    assert watcher.scan() == ["dip"]


def test_a_file_that_goes(store: Store, watcher: StrategyFolder, write: Write, data_dir: Path) -> None:
    path = write("dip.py", DIP)
    broken = write("broken.py", "import nothing_of_this_name\n")
    watcher.scan()
    digest = newest(store, "dip")
    path.unlink()
    broken.unlink()
    assert sorted(watcher.scan()) == ["broken", "dip"]
    assert problem(store, "dip") == "the file dip.py is gone from the folder of strategies"
    with pytest.raises(StrategyError, match="is gone"):
        pin_version(store, "dip")
    with pytest.raises(NotStoredError):
        store.strategies.get("broken")
    assert load_version("dip", digest, data_dir)
    write("dip.py", DIP)
    assert watcher.scan() == ["dip"]
    assert newest(store, "dip") == digest


def test_names_that_are_taken_or_bad(store: Store, watcher: StrategyFolder, write: Write) -> None:
    for name in ("momentum.py", "momentum_strategy.py", "my strategy.py", "ünïcode.py"):
        write(name, DIP)
    before = store.strategies.get("momentum")
    watcher.scan()
    assert problem(store, "momentum.py") == (
        "'momentum' is the name of a built-in strategy; rename momentum.py"
    )
    assert "of a built-in strategy" in problem(store, "momentum_strategy.py")
    assert "'my strategy' is no name for a strategy" in problem(store, "my strategy.py")
    assert "use letters, digits, _ and -" in problem(store, "ünïcode.py")
    assert store.strategies.get("momentum") == before
    assert watcher.scan() == []


def test_files_that_are_no_strategies(store: Store, watcher: StrategyFolder, write: Write) -> None:
    known = {record.name for record in store.strategies.all()}
    write("_draft.py", "1 / 0\n")
    write("empty.py", "")
    write("notes.txt", "no code")
    write("no_parameters.py", DIP.replace("parameters =", "others ="))
    write(".hidden/dip.py", DIP)
    watcher.scan()
    assert {record.name for record in store.strategies.all()} - known == {"empty", "no_parameters"}
    assert problem(store, "empty") == "empty.py defines no strategy and no engine"
    assert "declares no parameters" in problem(store, "no_parameters")


def test_a_helper_that_came_before_its_strategy(store: Store, watcher: StrategyFolder, write: Write) -> None:
    write("helper.py", "DAYS = 3\n")
    watcher.scan()
    assert problem(store, "helper") == "helper.py defines no strategy and no engine"
    write("helped.py", WITH_HELPER)
    assert sorted(watcher.scan()) == ["helped", "helper"]
    assert store.strategies.find("helper") is None


def test_a_new_process_tells_nothing_again_but_what_it_missed(
    store: Store, data_dir: Path, folder: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start() -> StrategyFolder:
        return StrategyFolder(store, data_dir, folder, clock=lambda: time.time() + 60)

    write("dip.py", DIP)
    gone = write("old.py", DIP.replace("Dip", "Old"))
    start().scan()
    gone.unlink()
    monkeypatch.setattr(strategy_folder, "describe_file", None)
    assert start().scan() == ["old"]
    assert start().scan() == []


def test_another_store_is_told_again(store: Store, data_dir: Path, folder: Path, write: Write) -> None:
    write("dip.py", DIP)
    StrategyFolder(store, data_dir, folder, clock=lambda: time.time() + 60).scan()
    store.strategies.remove("dip")
    (data_dir / "strategies" / "told.json").write_text((data_dir / "strategies" / "told.json").read_text())
    assert StrategyFolder(store, data_dir, folder, clock=lambda: time.time() + 60).scan() == ["dip"]
    (data_dir / "strategies" / "told.json").write_text("{ broken")
    assert StrategyFolder(store, data_dir, folder, clock=lambda: time.time() + 60).scan() == ["dip"]


def test_a_worker_without_a_file_does_not_say_that_it_is_gone(
    store: Store, watcher: StrategyFolder, write: Write, tmp_path: Path
) -> None:
    write("dip.py", DIP)
    watcher.scan()
    (tmp_path / "other").mkdir()
    other = StrategyFolder(store, tmp_path / "other_data", tmp_path / "other")
    assert other.scan() == []
    assert problem(store, "dip") == ""


def test_a_folder_that_is_not_there(
    store: Store, data_dir: Path, folder: Path, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    watcher = StrategyFolder(store, data_dir, folder, clock=lambda: time.time() + 60)
    write("dip.py", DIP)
    watcher.scan()
    away = folder.rename(folder.with_name("away"))
    assert watcher.scan() == []
    assert watcher.scan() == []
    assert caplog.text.count("cannot be read") == 1
    assert problem(store, "dip") == ""
    away.rename(folder)
    assert watcher.scan() == []


def test_built_in_strategies(store: Store, data_dir: Path) -> None:
    records = {record.name: record for record in store.strategies.all()}
    assert set(records) == {"bollinger", "donchian", "ma_cross", "momentum", "rotation", "rsi"}
    name, digest = pin_version(store, "momentum_strategy")
    assert (name, digest) == ("momentum", records["momentum"].newest)
    assert "lookback_period" in store.strategies.version(name, digest).space["parameter_space"]
    assert load_version("momentum_strategy", digest, data_dir) is load_version("momentum", None, data_dir)
    assert store.strategies.newest_versions()["rotation"].details["multi_symbol"]


def test_a_worker_that_lacks_a_version_says_so(
    store: Store, watcher: StrategyFolder, write: Write, data_dir: Path
) -> None:
    write("dip.py", DIP)
    watcher.scan()
    for name, digest in (("dip", "0" * 64), ("momentum", "0" * 64), ("dip", None), ("dip", "../../etc")):
        with pytest.raises(StrategyError, match="this worker does not have the version"):
            load_version(name, digest, data_dir)


def test_a_copy_that_was_changed_is_not_run(
    store: Store, watcher: StrategyFolder, write: Write, data_dir: Path
) -> None:
    path = write("dip.py", DIP)
    watcher.scan()
    digest = newest(store, "dip")
    copy = data_dir / "strategies" / digest / "dip.py"
    copy.write_text("raise SystemExit(3)\n")
    with pytest.raises(StrategyError, match="was changed"):
        load_version("dip", digest, data_dir)
    path.touch()
    watcher.scan()
    assert load_version("dip", digest, data_dir)
    (data_dir / "strategies" / digest / "version.json").unlink()
    with pytest.raises(StrategyError, match="is damaged"):
        load_version("dip", digest, data_dir)


ASKS = """
from pathlib import Path

from strategy_optimizer import Discrete, ParameterSpace
from strategy_optimizer.engines import Engine
from strategy_optimizer.errors import EngineError


class Asking(Engine):
    label = "somebody else's"

    def run(self, parameters): ...

    def digest(self):
        return "1"

    def space(self):
        if not Path({file!r}).exists():
            raise EngineError("nobody answers")
        return ParameterSpace("asked", {{"n": Discrete(1, 9)}})


engine = Asking()
"""


def test_an_engine_that_did_not_answer_is_asked_again_after_a_minute(
    store: Store, data_dir: Path, folder: Path, write: Write, tmp_path: Path
) -> None:
    ahead = [60.0]
    watcher = StrategyFolder(store, data_dir, folder, clock=lambda: time.time() + ahead[0])
    write("asks.py", ASKS.format(file=str(tmp_path / "answers")))
    assert watcher.scan() == ["asks"]
    assert problem(store, "asks") == "its parameters cannot be used: nobody answers"
    (tmp_path / "answers").touch()
    assert watcher.scan() == []
    ahead[0] += 61
    assert watcher.scan() == ["asks"]
    version = store.strategies.version("asks", newest(store, "asks"))
    assert (version.details["style"], version.details["label"]) == ("engine", "somebody else's")
    assert (problem(store, "asks"), watcher.scan()) == ("", [])
