"""Loads the packages of other engines when they are used, and says clearly when they are not there."""

from __future__ import annotations

import importlib
import importlib.metadata
from dataclasses import dataclass
from types import ModuleType

from strategy_optimizer.errors import EngineError


@dataclass(frozen=True)
class Package:
    """A package that an engine needs.

    Attributes
    ----------
    name : str
        As people write it.
    module, distribution : str
        As it is imported, and as it is installed.
    extra : str
        Of this package.
    at_least, below : tuple of int
        The versions that the adapter was tested with: from the first, before the second.
    """

    name: str
    module: str
    distribution: str
    extra: str
    at_least: tuple[int, ...]
    below: tuple[int, ...]

    def load(self) -> ModuleType:
        """Import the package.

        Raises
        ------
        EngineError
            When it is not installed, cannot be imported, or has a version that is not supported.
        """
        self._check_version()
        try:
            return importlib.import_module(self.module)
        except ImportError as error:
            raise EngineError(
                f"{self.name} {self.version()} is installed but cannot be imported: {error}"
            ) from error

    def version(self) -> str:
        """Return the installed version, without importing the package.

        Raises
        ------
        EngineError
            When it is not installed.
        """
        try:
            return importlib.metadata.version(self.distribution)
        except importlib.metadata.PackageNotFoundError as error:
            raise EngineError(
                f"{self.name} is not installed; pip install 'strategy-optimizer[{self.extra}]'"
            ) from error

    def _check_version(self) -> None:
        version = self.version()
        numbers = tuple(int(part) for part in version.split(".")[:3] if part.isdigit())
        if not self.at_least <= numbers < self.below:
            low, high = (".".join(map(str, end)) for end in (self.at_least, self.below))
            raise EngineError(
                f"{self.name} {version} is not supported; expected {low} or later, before {high}"
            )


BACKTESTING_PY = Package("backtesting.py", "backtesting", "backtesting", "backtesting", (0, 6, 6), (0, 7))
VECTORBT = Package("vectorbt", "vectorbt", "vectorbt", "vectorbt", (1, 2), (2,))
