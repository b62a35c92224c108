"""crmkit: a course, a laboratory and a toolbox for customer relationship management, in Japanese and English.

The face of the package: everything here loads when first used, so that `import crmkit` is quick. Editors and type
checkers read `__init__.pyi`, which `docs/reference.py` writes from the rooms named here and in `crmkit.metrics`.

Examples:
    >>> import crmkit
    >>> orders = crmkit.sample("ten_customers").orders
    >>> float(crmkit.repeat_rate(orders, start="2026-03-01", end="2026-04-01"))
    0.5
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import Any

from crmkit.metrics import ROOMS

_ROOMS: dict[str, tuple[str, ...]] = {
    "crmkit.answers": ("answerable",),
    "crmkit.compared": ("compare_groups", "definitions", "metric_by", "proportion_ci", "same_data_many_numbers"),
    "crmkit.datasets": ("load", "recognize", "sample"),
    "crmkit.datasets.crm": ("Crm",),
    "crmkit.datasets.customer_database": ("CustomerDatabase",),
    "crmkit.datasets.privacy": ("new_key", "pseudonymize", "reveal"),
    "crmkit.estimate": ("Estimate",),
    "crmkit.learning.board": ("board",),
    "crmkit.learning.progress": ("progress",),
    "crmkit.reporting.exports": ("export",),
    "crmkit.reporting.reports": ("report",),
    "crmkit.scorecard": ("kpi_summary",),
    "crmkit.simulator.compare": ("compare",),
    "crmkit.simulator.defects": ("spoil",),
    "crmkit.simulator.score": ("score",),
    "crmkit.simulator.world": ("levers", "simulate"),
    "crmkit.texts": ("term", "use_language"),
    "crmkit.widgets.columns": ("choose_columns",),
    **ROOMS,
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}
_WHOLE = ("models", "plots")  # rooms to be used as a whole: crmkit.models.bg_nbd, crmkit.plots.plot_nps

__version__ = version("crmkit")
__all__ = sorted(_ROOM_OF)  # noqa: PLE0605  made of the rooms; the stub beside this file spells it out


def __getattr__(name: str) -> Any:
    if name in _ROOM_OF:
        return getattr(import_module(_ROOM_OF[name]), name)
    if name in _WHOLE:
        return import_module(f"crmkit.{name}")
    raise AttributeError(f"module 'crmkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, *_WHOLE, "__version__"]
