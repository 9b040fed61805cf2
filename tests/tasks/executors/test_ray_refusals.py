"""What is said before Ray is even there."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError

import pytest

from strategy_optimizer.errors import ExecutorError
from strategy_optimizer.tasks.executors import RayExecutor, ray_cluster


def test_ray_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(ray_cluster, "version", version)
    with pytest.raises(ExecutorError) as caught:
        RayExecutor(abs)
    expected = "Ray is not installed; expected ray >= 2.54: pip install 'strategy-optimizer[ray]'"
    assert str(caught.value) == expected


@pytest.mark.parametrize("found", ["2.53.0", "1.13.0", "2.9.3"])
def test_ray_is_too_old(found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "version", lambda name: found)
    with pytest.raises(ExecutorError, match=rf"Ray {found} is installed; expected ray >= 2\.54: pip install"):
        RayExecutor(abs)


@pytest.mark.parametrize(
    "address", ["", "head", "ray://head:10001", "head:0", "head:65536", "http://head:8265"]
)
def test_no_address_of_a_cluster(address: str) -> None:
    with pytest.raises(ExecutorError, match=r"is no address of a Ray cluster; expected 'host:port'"):
        RayExecutor(abs, address=address)


def test_nobody_answers() -> None:
    with pytest.raises(
        ExecutorError, match=r"no Ray cluster answers at 127\.0\.0\.1:9 \(ConnectionRefusedError"
    ):
        RayExecutor(abs, address="127.0.0.1:9")


@pytest.mark.parametrize("settings", [{"workers": 0}, {"workers": 2.5}, {"attempts": 0}])
def test_settings_that_make_no_sense(settings: dict[str, int]) -> None:
    with pytest.raises(ExecutorError, match="expected a whole number of at least 1"):
        RayExecutor(abs, **settings)


def test_ray_is_not_imported_unless_it_is_used() -> None:
    code = "import sys, strategy_optimizer.tasks.executors; sys.exit('ray' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
