"""crmkit: a course, a laboratory and a toolbox for customer relationship management, in Japanese and English.

The face of the package: everything here loads when first used, so that `import crmkit` is quick.

Examples:
    >>> import crmkit
    >>> orders = crmkit.sample("ten_customers").orders
    >>> float(crmkit.repeat_rate(orders, start="2026-03-01", end="2026-04-01"))
    0.5
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crmkit.datasets import load, sample
    from crmkit.datasets.crm import Crm
    from crmkit.estimate import Estimate
    from crmkit.metrics.retention.cohorts import cohort_retention
    from crmkit.metrics.retention.repeat import (
        churn_rate,
        lapse_rate,
        reactivation_rate,
        repeat_customers,
        repeat_rate,
        repeater_share,
        repurchase_rate,
        retention_rate,
    )
    from crmkit.simulator.compare import compare
    from crmkit.simulator.defects import spoil
    from crmkit.simulator.score import score
    from crmkit.simulator.world import levers, simulate
    from crmkit.texts import term, use_language

_ROOMS = {
    "crmkit.datasets": ("load", "sample"),
    "crmkit.datasets.crm": ("Crm",),
    "crmkit.estimate": ("Estimate",),
    "crmkit.metrics.retention.cohorts": ("cohort_retention",),
    "crmkit.metrics.retention.repeat": (
        "churn_rate",
        "lapse_rate",
        "reactivation_rate",
        "repeat_customers",
        "repeat_rate",
        "repeater_share",
        "repurchase_rate",
        "retention_rate",
    ),
    "crmkit.simulator.compare": ("compare",),
    "crmkit.simulator.defects": ("spoil",),
    "crmkit.simulator.score": ("score",),
    "crmkit.simulator.world": ("levers", "simulate"),
    "crmkit.texts": ("term", "use_language"),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__version__ = version("crmkit")
__all__ = [
    "Crm",
    "Estimate",
    "churn_rate",
    "cohort_retention",
    "compare",
    "lapse_rate",
    "levers",
    "load",
    "reactivation_rate",
    "repeat_customers",
    "repeat_rate",
    "repeater_share",
    "repurchase_rate",
    "retention_rate",
    "sample",
    "score",
    "simulate",
    "spoil",
    "term",
    "use_language",
]


def __getattr__(name: str) -> Any:
    if name in _ROOM_OF:
        return getattr(import_module(_ROOM_OF[name]), name)
    raise AttributeError(f"module 'crmkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
