"""The report of a search: one HTML file that needs no network.

Data and drawing are apart. `report_data` collects plain JSON values; `drawing` turns such values into SVG; `page` puts
both together. The names are loaded when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOMES = {
    "data": ("report_data",),
    "material": ("Material", "find_material"),
    "writing": ("check_report_path", "write_report"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

if TYPE_CHECKING:
    from strategy_optimizer.report.data import report_data
    from strategy_optimizer.report.material import Material, find_material
    from strategy_optimizer.report.writing import check_report_path, write_report

__all__ = ["Material", "check_report_path", "find_material", "report_data", "write_report"]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'strategy_optimizer.report' has no attribute '{name}'")
    return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
