"""The levers of a shop: what its owner can decide. Scenarios set them, lessons and `compare` move them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any

from crmkit.errors import ParameterError


def _lever(default: float, low: float, high: float, other: float, unit: str, moves: str) -> Any:
    return field(
        default=default, metadata={"low": low, "high": high, "other": other, "unit": unit, "moves": moves.split()}
    )


@dataclass(frozen=True, slots=True)
class Levers:
    """What the owner of a shop can decide, in the words of the course; every one is a number.

    The words for each, what it is and what it moves, are in `texts/` under `lever.<name>`; `levers(scenario)` shows
    them as a table. `moves` names what a lever touches first; everything downstream of that (satisfaction, leaving,
    orders, referrals, money) follows from it, and nothing upstream of it may change. `other` is the setting that
    `truth.effects` compares with.
    """

    first_reply_hours: float = _lever(12, 0.25, 120, 2, "opening hours", "wait")
    first_contact_resolution: float = _lever(0.70, 0, 1, 0.9, "share", "solved")
    courtesy: float = _lever(0.60, 0, 1, 0.8, "score", "experience")
    listening: float = _lever(0.60, 0, 1, 0.8, "score", "solved satisfaction")
    apology_share: float = _lever(0.50, 0, 1, 1, "share", "satisfaction")
    recovery_amount: float = _lever(0, 0, 20_000, 2_000, "JPY", "satisfaction cost")
    defect_rate: float = _lever(0.03, 0, 0.5, 0.01, "share", "defects")
    inspection_share: float = _lever(0.30, 0, 1, 1, "share", "defects cost")
    root_cause_days: float = _lever(120, 1, 3650, 30, "days", "defects")
    feedback_desk: float = _lever(0.30, 0, 1, 0.8, "share", "voice")
    follow_up_share: float = _lever(0.20, 0, 1, 0.8, "share", "satisfaction cost")
    offer_share: float = _lever(0.30, 0, 1, 0.6, "share", "basket")
    contact_every_weeks: float = _lever(4, 0, 52, 0, "weeks", "messages")
    personalized_share: float = _lever(0.30, 0, 1, 1, "share", "messages")
    campaign_every_weeks: float = _lever(13, 0, 104, 0, "weeks", "messages")
    campaign_discount: float = _lever(0.10, 0, 0.5, 0, "share", "messages discount")
    control_share: float = _lever(0.20, 0, 0.9, 0, "share", "messages")
    points_rate: float = _lever(0.01, 0, 0.2, 0, "share", "loyalty discount")
    member_discount: float = _lever(0.0, 0, 0.3, 0.1, "share", "loyalty discount")
    anniversary_gift: float = _lever(0, 0, 10_000, 1_000, "JPY", "satisfaction cost")
    referral_reward: float = _lever(500, 0, 20_000, 2_000, "JPY", "referral cost")
    fast_lane: float = _lever(0.5, 0, 1, 0, "share", "wait")
    randomize: float = _lever(0, 0, 1, 1, "0 or 1", "assignment")

    def changed(self, changes: Mapping[str, float]) -> Levers:
        """The same levers with some of them moved.

        Raises:
            ParameterError: no lever has that name (the nearest is offered), or it cannot be set to that value.

        Examples:
            >>> Levers().changed({"first_reply_hours": 4}).first_reply_hours
            4.0
        """
        known = {one.name: one for one in fields(self)}
        for name, value in changes.items():
            if name not in known:
                near = next(iter(difflib.get_close_matches(str(name), known, n=1)), "")
                raise ParameterError("unknown_lever", lever=name, nearest=near, options=", ".join(known))
            _check(known[name], value)
        return replace(self, **{name: float(value) for name, value in changes.items()})


def _check(lever: Field[float], value: object) -> None:
    low, high = lever.metadata["low"], lever.metadata["high"]
    # `not (low <= value <= high)` is also true of NaN
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ParameterError(
            "lever_range", lever=lever.name, value=repr(value), low=f"{low:g}", high=f"{high:g}",
            unit=lever.metadata["unit"],
        )  # fmt: skip
