"""The metrics, one room a theme; `ROOMS` says where each of them lives, and the face of the package reads it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

ROOMS: dict[str, tuple[str, ...]] = {
    "crmkit.metrics.counting": ("rate",),
    "crmkit.metrics.relationship.satisfaction": ("survey_response_rate",),
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
}
ROOM_OF = {name: room for room, names in ROOMS.items() for name in names}


def metric(name: str) -> Any:
    """The function that makes a figure, by its name.

    Raises:
        KeyError: if there is none of that name.
    """
    return getattr(import_module(ROOM_OF[name]), name)
