"""The cache of machine code: found without readying the compiler, and the same numbers as freshly compiled."""

import os
import shutil
import subprocess
import sys
import textwrap

import pytest

FUNCTIONS = """
    import math
    import numpy as np
    from numba.typed import Dict
    from numba.core import types
    from strategy_optimizer.machine_code import compiled

    @compiled(nogil=True)
    def algebra(x):
        inverse = np.linalg.solve(np.dot(x, x.T) + np.eye(3), np.ones(3))
        return inverse.sum() + math.erf(x[0, 1]) + np.sort(x[0])[0]

    @compiled()
    def containers(x):
        kept = Dict.empty(types.int64, types.float64)
        numbers = [1.0]
        for j in range(3):
            kept[j] = x[j, 0]
            numbers.append(kept[j])
        return sum(numbers)

    @compiled(inline="always")
    def half(x):
        return 0.5 * x

    @compiled()
    def halves(x):
        return half(x[0, 1]) + half(x[1, 1])
"""
USE = """
    import sys
    from numba.core.base import BaseContext

    readied = []
    ready = BaseContext.refresh
    BaseContext.refresh = lambda context: (readied.append(1), ready(context))
    import numpy as np
    import functions

    x = np.arange(9.0).reshape(3, 3)
    for function in (functions.algebra, functions.containers, functions.halves):
        print(repr(function(x)), bool(function.stats.cache_hits), file=sys.stdout)
    print(bool(readied))
"""
SORT = """
    import sys
    import numpy as np
    from strategy_optimizer.machine_code import compiled

    @compiled()
    def order(x):
        return np.argsort(x), np.isnan(x[0]), x.sum()

    print(order(np.array([3.0, 1.0, 2.0])), bool(order.stats.cache_hits), "scipy.linalg" in sys.modules)
"""


ADD = """
    import numpy as np
    from strategy_optimizer.machine_code import compiled

    @compiled()
    def add(x):
        return x[0] + x[1]

    print(add(np.array([3.0, 1.0])), bool(add.stats.cache_hits))
"""


@pytest.fixture
def use(tmp_path):
    """Return a call that uses the functions in a process of its own and returns their numbers, hits, and readying."""
    (tmp_path / "functions.py").write_text(textwrap.dedent(FUNCTIONS))

    def run() -> tuple[list[str], list[str], str]:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(USE)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        *lines, readied = done.stdout.splitlines()
        return [line.split()[0] for line in lines], [line.split()[1] for line in lines], readied

    return run


def test_the_next_process_finds_the_code_and_needs_no_compiler(use, tmp_path):
    numbers, hits, readied = use()
    assert (hits, readied) == (["False"] * 3, "True")
    again, hits, readied = use()
    assert (again, hits, readied) == (numbers, ["True"] * 3, "False")
    # What is not found is compiled beside what is.
    for path in (tmp_path / "__pycache__").glob("functions.containers*.nb?"):
        path.unlink()
    again, hits, readied = use()
    assert (again, hits, readied) == (numbers, ["True", "False", "True"], "True")


def test_what_sorts_and_adds_does_not_import_linear_algebra(tmp_path):
    (tmp_path / "sort.py").write_text(textwrap.dedent(SORT))
    first, second = (
        subprocess.run(
            [sys.executable, "sort.py"], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    )
    assert first.split()[-2] == "False"
    assert second.split()[-2:] == ["True", "False"]
    assert first.split()[:-2] == second.split()[:-2]


@pytest.fixture
def confined(tmp_path):
    """Return a call that runs the function of a package that its user cannot write to, and has no home."""
    package, home, temporary = (tmp_path / name for name in ("package", "home", "temporary"))
    for folder in (package, home, temporary):
        folder.mkdir()
    (package / "add.py").write_text(textwrap.dedent(ADD))
    package.chmod(0o555)
    home.chmod(0o555)
    command = [sys.executable, "-B", str(package / "add.py")]
    if os.geteuid() == 0:  # to root no folder is closed unless it gives that up
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("root can write everywhere, and there is no setpriv here")
        command = [setpriv, "--bounding-set=-all", "--inh-caps=-all", *command]
    places = ("XDG_", "NUMBA_", "STRATEGY_OPTIMIZER_")
    ours = {name: value for name, value in os.environ.items() if not name.startswith(places)}
    ours |= {"HOME": str(home), "TMPDIR": str(temporary), "PYTHONPATH": os.pathsep.join(sys.path)}

    def run(**variables: str) -> tuple[bool, str]:
        done = subprocess.run(command, env=ours | variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()[-1] == "True", done.stderr

    yield run
    package.chmod(0o755)
    home.chmod(0o755)


def test_without_a_place_of_the_user_there_is_a_private_one(confined, tmp_path):
    hit, said = confined()
    assert not hit
    (folder,) = (tmp_path / "temporary").iterdir()
    assert f"machine code is kept in {folder}, since neither the package nor a folder of the user" in said
    assert "set NUMBA_CACHE_DIR" in said
    assert folder.stat().st_mode & 0o777 == 0o700
    assert confined()[0]


@pytest.mark.parametrize("variable", ["STRATEGY_OPTIMIZER_CACHE", "STRATEGY_OPTIMIZER_DATA"])
def test_our_own_folders_go_before_it(confined, tmp_path, variable):
    named = {variable: str(tmp_path / "named")}
    assert confined(**named) == (False, "")
    assert confined(**named) == (True, "")
    assert list((tmp_path / "named" / "machine-code").iterdir())
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.parametrize("prepared", ["open to all", "a link"])
def test_code_of_somebody_else_is_not_run(confined, tmp_path, prepared):
    folder = tmp_path / "temporary" / f"strategy-optimizer-machine-code-{os.geteuid()}"
    if prepared == "a link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "elsewhere")
    else:
        folder.mkdir()
        folder.chmod(0o777)
    for _ in range(2):
        hit, said = confined()
        assert not hit
        assert "machine code is not kept, each process compiles anew" in said
        assert "is not a folder that only this user can use" in said
    assert list(folder.iterdir()) == []
