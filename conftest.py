"""What all tests share, those in docstrings too: a trial ledger of their own.

A search counts the trials of earlier ones on the same data, so two tests that shared a ledger would change each other's
numbers, and a test that used the user's would spoil it.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

VARIABLE = "STRATEGY_OPTIMIZER_DATA"


@pytest.fixture(scope="module", autouse=True)
def _data_folder_of_the_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give fixtures that several tests share a data folder; processes that are started inherit it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(tmp_path_factory.mktemp("data")))
        yield


@pytest.fixture(autouse=True)
def _data_folder_of_the_test(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(tmp_path_factory.mktemp("data")))
        yield
