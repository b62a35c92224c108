"""The tables of the shop as a whole: what it sells, sends, spends and promises, when it is open, what went wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from crmkit import schema
from crmkit.simulator.calendar import DAY, HOUR, WEEK, holidays
from crmkit.simulator.emit import sales
from crmkit.simulator.emit.marketing import posted
from crmkit.simulator.emit.scene import digits, table
from crmkit.simulator.engine import SEND_KINDS
from crmkit.simulator.exact import Floats
from crmkit.simulator.shop import Shop

GIFTS = "A000"  # the standing campaign of anniversary gifts
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
COUPON_WEEKS = 5  # a coupon is good in the week of its mail and the four after it
NO_OFFER = {"control_share": 0.0, "discount_rate": 0.0}
DESK, PUBLIC = "main", "public"  # calendars: days on which the shop is closed, and public holidays, on which it is not
ADVERTISING = ("search", "sns", "ad")  # channels that are paid for by the click; the others cost gifts and leaflets
FIRST_REPLY_DAYS = {"low": 2.0, "normal": 1.5, "high": 1.0, "urgent": 0.75}  # days of business
RESOLUTION_DAYS = {"low": 6.0, "normal": 5.0, "high": 3.0, "urgent": 2.0}
SOONER = {"complaint": 0.75, "return": 0.75}  # of the promised time

CAUSES = {
    "ja": (
        ("手順書が古く、担当者ごとにやり方が違っていた", "手順書を改め、全員で読み合わせた"),
        ("材料の仕入先が変わり、品質のばらつきが大きくなっていた", "受け入れ時の検査を加え、仕入先と基準を取り決めた"),
        ("忙しい時間帯に、仕上がりの確認が省かれていた", "確認を省けない工程に改め、記録を残すことにした"),
        ("保管場所の温度が高く、品質が落ちていた", "保管場所を移し、温度を毎日記録することにした"),
        ("新しい担当者への引き継ぎが足りなかった", "引き継ぎの項目を決め、初めの1か月は2人で担当することにした"),
    ),
    "en": (
        ("The instructions were out of date; each worked differently", "Rewrote them and read them through together"),
        ("A new supplier's material varied too much", "Check deliveries on arrival; agreed limits with the supplier"),
        ("Final checks were skipped at busy hours", "Made the check a step that cannot be skipped, with a record"),
        ("The store room was too warm, and quality suffered", "Moved the stock and log the temperature every day"),
        ("New staff were not shown everything", "Wrote a handover list; new staff work in pairs for the first month"),
    ),
}  # fmt: skip


def shop_tables(shop: Shop, totals: Mapping[str, np.ndarray[Any, Any]], language: str) -> dict[str, pa.Table]:
    """All tables that do not grow with the customers.

    Args:
        shop: The shop.
        totals: Sums over all customers, as `marketing.totals` gives them for some.
        language: "ja" or "en": what the staff writes in.

    Returns:
        `products`, `campaigns`, `costs`, `problems`, `sla_policies`, `business_hours` and `holidays`.
    """
    return {
        "products": products(shop),
        "campaigns": campaigns(shop),
        "costs": costs(shop, totals),
        "problems": problems(shop, language),
        "sla_policies": sla_policies(shop),
        "business_hours": business_hours(shop),
        "holidays": closed_days(shop),
    }


def products(shop: Shop) -> pa.Table:
    """The price list. Everything on it was launched before the data begin, the first on the list first."""
    goods = shop.scenario.products
    opens, many = shop.scenario.calendar.opens * HOUR, len(goods)
    launched = [-(120 + 1500 * (many - n) // many) * DAY + opens for n in range(many)]
    return _rows("products", [
        {
            "product_id": product_id(n), "name_ja": one.name_ja, "name_en": one.name_en, "category": one.category,
            "tier": one.tier, "list_price": float(one.price), "unit_cost": float(one.cost),
            "is_subscribable": one.subscribable, "launched_at": _instant(shop, launched[n]),
        }
        for n, one in enumerate(goods)
    ])  # fmt: skip


def product_id(product: int) -> str:
    """The id of a product by its place in the scenario."""
    return f"P{product + 1:03}"


# --- campaigns


def campaigns(shop: Shop) -> pa.Table:
    """Every mailing of the calendar, the standing win-back mail and, if there are gifts, what they belong to."""
    rows = []
    for kind, every in enumerate((shop.levers.contact_every_weeks, shop.levers.campaign_every_weeks)):
        step = int(max(every, 1))
        weeks = range(step - 1, shop.weeks, step) if every else range(0)
        rows += [_mailing(shop, week, kind, nth) for nth, week in enumerate(weeks, start=1)]
    if shop.levers.campaign_every_weeks:
        about = {"segment_key": "not_seen_for_16_weeks", "is_automated": True, "trigger": "dormant"}
        names = "お久しぶりのお客様へ（自動配信）", "We miss you (automatic)"
        rows.append(_campaign(shop, sales.campaign_id(0, 2), "winback", 0, None, names) | about)
    if shop.levers.anniversary_gift:
        about = {"segment_key": "members", "is_automated": True, "trigger": "anniversary", "channel": "postal"}
        names = "入会記念日の贈り物", "Gift on the anniversary of joining"
        rows.append(_campaign(shop, GIFTS, "anniversary_gift", 0, None, names) | about | NO_OFFER)
    return _rows("campaigns", sorted(rows, key=lambda row: (row["started_at"], row["campaign_id"])))


def _mailing(shop: Shop, week: int, kind: int, nth: int) -> dict[str, Any]:
    """One mailing: a newsletter to all who want it, or an offer to those who are likely to buy."""
    day = shop.clock.start + timedelta(weeks=week)
    ends = (week + COUPON_WEEKS if kind else week + 1) * WEEK
    if kind == 0:
        names = f"ニュースレター第{nth}号", f"Newsletter no. {nth}"
        about = {"segment_key": "opted_in", **NO_OFFER}
    else:
        names = f"{day.year}年{day.month}月のご優待", f"Offer of {MONTHS[day.month - 1]} {day.year}"
        about = {"segment_key": "opted_in" if shop.levers.randomize else "likely_buyers"}
    return _campaign(shop, sales.campaign_id(week, kind), SEND_KINDS[kind], week, ends, names) | about


def _campaign(
    shop: Shop, campaign: str, kind: str, week: int, ends: int | None, names: tuple[str, str]
) -> dict[str, Any]:
    """What all campaigns have."""
    return {
        "campaign_id": campaign, "name_ja": names[0], "name_en": names[1], "kind": kind, "objective": "retention",
        "channel": "email", "started_at": _instant(shop, int(posted(shop, np.array([week]))[0])),
        "ended_at": _past(shop, ends), "is_automated": False, "trigger": "none",
        "control_share": shop.levers.control_share, "discount_rate": shop.levers.campaign_discount,
    }  # fmt: skip


# --- costs


@dataclass(frozen=True)
class _Line:
    """What is spent on one thing, week by week."""

    purpose: str
    category: str
    channel: str | None
    amount: Floats  # yen, by week
    campaign: str | None = None  # an id, or the first letter of the ids of each week


def costs(shop: Shop, totals: Mapping[str, np.ndarray[Any, Any]]) -> pa.Table:
    """One row for each week and thing on which money was spent, on the Monday, in whole yen.

    What customers were given off, by points and coupons, is not here but in the discounts of their orders.
    """
    found = []
    for nth, line in enumerate(_lines(shop, totals)):
        amount = np.floor(line.amount + 0.5)
        found += [(week * 100 + nth, line, float(amount[week])) for week in np.flatnonzero(amount).tolist()]
    found.sort(key=lambda one: one[0])
    return table("costs", {
        "cost_id": digits("K", np.array([number for number, _, _ in found], dtype=np.int64), 7),
        "incurred_date": pa.array([_day(shop, number // 100) for number, _, _ in found], pa.date32()),
        "purpose": _words(line.purpose for _, line, _ in found),
        "category": _words(line.category for _, line, _ in found),
        "channel": _words(line.channel for _, line, _ in found),
        "campaign_id": _words(_campaign_of(line, number // 100) for number, line, _ in found),
        "amount": pa.array([amount for _, _, amount in found], pa.float64()),
    })  # fmt: skip


def _lines(shop: Shop, totals: Mapping[str, np.ndarray[Any, Any]]) -> list[_Line]:
    """Everything money goes into; a thing's place in the list is a part of its rows' ids."""
    money, levers = shop.scenario.money, shop.levers
    new, messages = totals["new_customers"], totals["messages"]
    channels = [*shop.scenario.people.acquisition, "referral"]
    won = [
        _Line("acquisition", _won_by(name), name, new[:, n] * money.acquisition.get(name, 0.0))
        for n, name in enumerate(channels)
    ]
    mails = [
        _Line("retention", "promotion", "email", messages[:, kind] * money.message, campaign)
        for kind, campaign in enumerate(("N", "P", sales.campaign_id(0, 2)))
    ]
    return [
        *won,
        _Line("acquisition", "reward", "referral", totals["brought"] * _reward(levers.referral_reward)),
        *mails,
        _Line("retention", "labour", "phone", totals["followed_up"] * money.follow_up),
        _Line("retention", "reward", "postal", totals["gifts"] * 1.0, GIFTS),
        _Line("retention", "tool", None, np.full(shop.weeks, money.tools_per_week)),
        _Line("service", "labour", None, totals["handled"] * money.ticket),
        _Line("service", "labour", "store", totals["inspected"] * money.inspection),
        _Line("service", "reward", None, totals["compensation"] * 1.0),
    ]


def _reward(referrer: float) -> float:
    """What both get when somebody has been brought: the invitee half as much, as in `referrals`."""
    return referrer + referrer / 2 // 1


def _won_by(channel: str) -> str:
    return "ad" if channel in ADVERTISING else "promotion"


def _campaign_of(line: _Line, week: int) -> str | None:
    if line.campaign in ("N", "P"):
        return sales.campaign_id(week, "NP".index(line.campaign))
    return line.campaign


# --- service


def problems(shop: Shop, language: str) -> pa.Table:
    """Causes behind many defects: noticed within days, and mended on the morning from which fewer defects happen."""
    clock, opens = shop.clock, shop.scenario.calendar.opens
    rows = []
    for n, one in enumerate(shop.problems):
        cause, action = CAUSES[language][n % len(CAUSES[language])]
        lasts = (one.mended - one.starts) * WEEK
        mended = one.mended * WEEK + max(opens - 1, 0) * HOUR
        begins = one.starts * WEEK
        days = np.array([begins + 2 * DAY, begins + lasts * 3 // 5, mended + 3 * DAY, mended + 28 * DAY])
        opened, found, explained, closed = clock.later(days, np.full(4, HOUR)).tolist()
        is_found, is_mended = found < clock.end, mended < clock.end
        rows.append({
            "problem_id": problem_id(n), "category": "quality", "product_id": product_id(one.product),
            "opened_at": _instant(shop, opened),
            "root_cause": cause if is_found else None, "root_cause_found_at": _past(shop, found),
            "corrective_action": action if is_mended else None, "corrective_action_at": _past(shop, mended),
            "explained_at": _past(shop, explained), "closed_at": _past(shop, closed),
        })  # fmt: skip
    return _rows("problems", rows)


def problem_id(problem: int) -> str:
    """The id of a problem by its place in `Shop.problems`."""
    return f"B{problem + 1:02}"


def sla_policies(shop: Shop) -> pa.Table:
    """What the desk promises: minutes of opening time until the first answer and until it is solved."""
    minutes = len(shop.scenario.calendar.hours) * 60
    promised = (("first_reply", FIRST_REPLY_DAYS), ("resolution", RESOLUTION_DAYS))
    rows = [
        {
            "ticket_kind": kind, "priority": priority, "metric": metric,
            "target_minutes": days[priority] * minutes * SOONER.get(kind, 1.0), "in_business_hours": True,
            "valid_from": shop.clock.start,
        }
        for kind in schema.TICKET_KINDS for priority in schema.PRIORITIES for metric, days in promised
    ]  # fmt: skip
    return _rows("sla_policies", [{"policy_id": f"SLA{n:02}"} | row for n, row in enumerate(rows, start=1)])


def business_hours(shop: Shop) -> pa.Table:
    """When the desk is open; a shop that never closes does so at 24:00."""
    plan = shop.scenario.calendar
    opens, closes = f"{plan.opens:02}:00", f"{plan.opens + len(plan.hours):02}:00"
    return _rows("business_hours", [
        {"calendar_id": DESK, "weekday": day, "open_time": opens, "close_time": closes, "tz": plan.zone}
        for day, busy in enumerate(plan.weekdays) if busy
    ])  # fmt: skip


def closed_days(shop: Shop) -> pa.Table:
    """Days on which the shop is closed, in the desk's calendar, and public holidays, on which it works, in another."""
    last = shop.clock.start + timedelta(weeks=shop.weeks)
    rows = [
        {"calendar_id": PUBLIC, "date": day, "name_ja": name_ja, "name_en": name_en}
        for day, (name_ja, name_en) in holidays().items()
        if shop.clock.start.year <= day.year <= last.year
    ]
    first = date(shop.clock.start.year, 1, 1)
    every_day = (first + timedelta(day) for day in range((date(last.year, 12, 31) - first).days + 1))
    for day in every_day:
        if f"{day:%m-%d}" in shop.scenario.calendar.closed_days:
            name_ja, name_en = ("年末年始休業", "New Year closure") if day.month in (12, 1) else ("休業日", "Closed")
            rows.append({"calendar_id": DESK, "date": day, "name_ja": name_ja, "name_en": name_en})
    return _rows("holidays", sorted(rows, key=lambda row: (row["date"], row["calendar_id"])))


# --- rows


def _rows(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    """A table of few rows."""
    if not rows:
        return table(name, {schema.TABLES[name].key[0]: pa.array([], pa.string())})
    return table(name, {column: pa.array([row[column] for row in rows]) for column in rows[0]})


def _words(values: Iterable[str | None]) -> pa.Array:
    return pa.array(list(values), pa.string())


def _instant(shop: Shop, second: int) -> Any:
    """Seconds since the start as an instant."""
    return np.datetime64(shop.clock.start, "us") + np.timedelta64(second, "s")


def _past(shop: Shop, second: int | None) -> Any:
    """The same; nothing if it has not come yet."""
    return None if second is None or second >= shop.clock.end else _instant(shop, second)


def _day(shop: Shop, week: int) -> date:
    return shop.clock.start + timedelta(weeks=week)
