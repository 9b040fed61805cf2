"""SciPy's compiled functions: the packages' own, without importing the packages, and in peace with them."""

import subprocess
import sys
import textwrap

import pytest
import scipy

from strategy_optimizer import scipy_parts

is_tried = scipy.__version__.startswith(scipy_parts.TRIED)
tried = pytest.mark.skipif(not is_tried, reason="taken from the packages with this SciPy")


def run(program: str) -> list[str]:
    """Run a program in a process of its own, where nothing is imported yet, and return the lines that it wrote."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@tried
def test_no_package_is_imported():
    lines = run("""
        import sys
        from strategy_optimizer.scipy_parts import lapack, lbfgsb, special
        print(lapack().dpotrf([[4.0]], lower=1)[0].item(), special().ndtri(0.5), lbfgsb().setulb.__doc__[:6])
        print([name for name in ("scipy.linalg", "scipy.special", "scipy.optimize") if name in sys.modules])
    """)
    assert lines == ["2.0 0.0 setulb", "[]"]


@tried
def test_a_step_takes_what_it_is_given():
    assert scipy_parts.lbfgsb().setulb.__doc__.strip() == (
        "setulb(m,x,l,u,nbd,f,g,factr,pgtol,wa,iwa,task,lsave,isave,dsave,maxls,ln_task)"
    )


def test_the_packages_find_them_and_work():
    lines = run("""
        import numpy as np
        from strategy_optimizer.scipy_parts import lapack, lbfgsb, special
        parts = lapack(), special(), lbfgsb()
        import scipy.linalg, scipy.optimize, scipy.special, scipy.stats, scipy.sparse.linalg
        print(all(getattr(scipy.special, n) is getattr(parts[1], n) for n in ("ndtri", "ndtr", "log_ndtr", "erfcx")))
        print(scipy.linalg.lapack.dpotrf is parts[0].dpotrf, scipy.optimize.brentq(lambda x: x - 0.25, 0.0, 1.0))
        print(scipy.stats.norm.ppf(0.5), scipy.special.gamma(5.0), scipy.linalg.det(np.eye(2)))
        print(scipy.optimize.minimize(lambda x: float(x @ x), np.ones(2), method="L-BFGS-B").success)
    """)
    assert lines == ["True", "True 0.25", "0.0 24.0 1.0", "True"]


def test_packages_that_are_there_are_used():
    lines = run("""
        import scipy.linalg, scipy.optimize, scipy.special
        from strategy_optimizer.scipy_parts import lapack, lbfgsb, special
        print(special().ndtri is scipy.special.ndtri, lapack().dpotrf is scipy.linalg.lapack.dpotrf)
    """)
    assert lines == ["True True"]


def test_with_another_version_they_come_from_the_packages(monkeypatch):
    functions = (scipy_parts.lapack, scipy_parts.special, scipy_parts.lbfgsb)
    monkeypatch.setattr(scipy_parts, "TRIED", ("0.1.",))
    lapack, special, lbfgsb = (function.__wrapped__() for function in functions)
    assert (lapack.__name__, special.__name__, lbfgsb) == ("scipy.linalg.lapack", "scipy.special", None)


def test_where_there_are_no_such_files_they_come_from_the_packages():
    lines = run("""
        import scipy, strategy_optimizer.scipy_parts as parts
        parts.SPECIAL = ("_no_such_part", "_ufuncs")
        print(parts.special().__name__)
    """)
    assert lines == ["scipy.special"]
