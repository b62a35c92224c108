"""The data model as data: tables, columns, types, units, keys and allowed values.

Everything that must agree with the model reads it from here: the loader, the column check at the door of the metrics,
the data dictionary and the tests. Instants are the business's local wall time without a zone; amounts are in one
currency, tax excluded; a window is half-open, `[start, end)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["id", "text", "category", "date", "instant", "amount", "integer", "number", "flag"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of one table.

    `required` says that the table cannot be used without the column; `nullable` that a row may leave it empty.
    `low` and `high` are the least and greatest value that can be meant; `references` is `table.column`; `personal`
    marks what identifies a living person and so never appears in reports unless asked for.
    """

    name: str
    kind: Kind
    unit: str | None = None
    required: bool = False
    nullable: bool = True
    allowed: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    references: str | None = None
    personal: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its columns in order, its primary key and the theme of the course that looks after it."""

    name: str
    theme: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.name}.{name}")

    def __contains__(self, name: object) -> bool:
        return any(column.name == name for column in self.columns)

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the columns without which the table cannot be used."""
        return tuple(column.name for column in self.columns if column.required)


EARLIEST_YEAR = 1900  # spreadsheets write a missing day as 1899 or 1900: no shop's order is that old
CHANNELS = ("store", "web", "app", "phone", "email", "chat", "sns", "postal")


def _key(name: str) -> Column:
    return Column(name, "id", required=True, nullable=False)


def _link(name: str, target: str, *, required: bool = False) -> Column:
    return Column(name, "id", required=required, nullable=not required, references=target)


def _at(name: str, *, required: bool = False) -> Column:
    return Column(name, "instant", unit="local time", required=required, nullable=not required)


def _money(name: str, *, required: bool = False) -> Column:
    return Column(name, "amount", unit="JPY", low=0, required=required, nullable=not required)


def _one_of(name: str, *allowed: str) -> Column:
    return Column(name, "category", allowed=allowed)


_TABLES = (
    Table(
        "customers",
        "management",
        ("customer_id",),
        (
            _key("customer_id"),
            _one_of("customer_type", "individual", "company"),
            Column("name", "text", personal=True),
            Column("name_kana", "text", personal=True),
            Column("email", "text", personal=True),
            Column("phone", "text", personal=True),
            Column("postal_code", "text", personal=True),
            Column("prefecture", "text"),
            Column("birth_date", "date", personal=True),
            Column("gender", "text"),
            _at("registered_at"),
            _one_of("acquisition_channel", "search", "sns", "ad", "walk_in", "referral", "event"),
            _one_of("source_system", "ec", "pos", "call_center"),
            _at("member_since"),
            _one_of("member_tier", "none", "regular", "silver", "gold"),
            Column("email_opt_in", "flag"),
            _at("opted_out_at"),
            _one_of("preferred_channel", *CHANNELS),
        ),
    ),
    Table(
        "products",
        "management",
        ("product_id",),
        (
            _key("product_id"),
            Column("name_ja", "text"),
            Column("name_en", "text"),
            Column("category", "text"),
            Column("tier", "integer", unit="rank, 1 = entry", low=1),
            _money("list_price"),
            _money("unit_cost"),
            Column("is_subscribable", "flag"),
            _at("launched_at"),
            Column("origin_need_code", "text"),
        ),
    ),
    Table(
        "orders",
        "retention",
        ("order_id",),
        (
            _key("order_id"),
            _link("customer_id", "customers.customer_id", required=True),
            _at("ordered_at", required=True),
            _one_of("channel", "store", "web", "app", "phone"),
            _one_of("status", "completed", "cancelled"),
            Column("is_test", "flag"),
            _money("gross_amount"),
            _money("discount_amount"),
            _money("net_amount"),
            _money("refund_amount"),
            _at("refunded_at"),
            Column("coupon_code", "text"),
            Column("campaign_id", "id"),
            _link("subscription_id", "subscriptions.subscription_id"),
            Column("staff_id", "id"),
        ),
    ),
    Table(
        "order_items",
        "management",
        ("order_id", "line_no"),
        (
            _link("order_id", "orders.order_id", required=True),
            Column("line_no", "integer", required=True, nullable=False, low=1),
            _link("product_id", "products.product_id", required=True),
            Column("quantity", "number", unit="units", low=0),
            _money("unit_price"),
            _money("unit_cost"),
            _money("discount_amount"),
            _one_of("offer_type", "none", "cross_sell", "upsell"),
            Column("was_inspected", "flag"),
            Column("is_defective", "flag"),
        ),
    ),
    Table(
        "subscriptions",
        "retention",
        ("subscription_id",),
        (
            _key("subscription_id"),
            _link("customer_id", "customers.customer_id", required=True),
            _link("product_id", "products.product_id"),
            _at("started_at", required=True),
            Column("interval_days", "number", unit="days", low=1),
            _money("unit_amount"),
            _one_of("status", "active", "paused", "cancelled"),
            _at("cancelled_at"),
            _at("ended_at"),
            Column("cancel_reason", "text"),
            Column("is_involuntary", "flag"),
        ),
    ),
    Table(
        "interactions",
        "relationship",
        ("interaction_id",),
        (
            _key("interaction_id"),
            _link("customer_id", "customers.customer_id"),
            Column("lead_id", "id"),
            _at("occurred_at", required=True),
            _one_of("channel", *CHANNELS),
            _one_of("direction", "inbound", "outbound"),
            _one_of(
                "kind",
                "visit",
                "web_view",
                "review_read",
                "reservation",
                "inquiry",
                "consult",
                "offer",
                "follow_up",
                "thank_you",
                "status_update",
            ),
            _one_of("stage", "pre_purchase", "purchase", "use", "post_purchase"),
            _one_of(
                "touchpoint",
                "website",
                "reviews",
                "price",
                "reservation",
                "atmosphere",
                "staff",
                "technique",
                "checkout",
                "aftercare",
            ),
            _link("product_id", "products.product_id"),
            _link("order_id", "orders.order_id"),
            _link("ticket_id", "tickets.ticket_id"),
            Column("staff_id", "id"),
            Column("impression", "integer", unit="points", low=-2, high=2),
            _one_of("outcome", "accepted", "declined", "none"),
            Column("note", "text", personal=True),
        ),
    ),
    Table(
        "survey_responses",
        "relationship",
        ("survey_id",),
        (
            _key("survey_id"),
            _one_of("kind", "csat", "nps", "ces", "trust", "expectation", "brand", "driver"),
            _one_of("scope", "relational", "transactional"),
            _link("customer_id", "customers.customer_id"),
            _link("order_id", "orders.order_id"),
            _link("ticket_id", "tickets.ticket_id"),
            _at("sent_at", required=True),
            _at("responded_at"),
            Column("score", "number", unit="points on the row's own scale"),
            Column("scale_min", "number", unit="points"),
            Column("scale_max", "number", unit="points"),
            Column("driver", "text"),
            _one_of("channel", *CHANNELS),
            Column("comment", "text", personal=True),
        ),
    ),
    Table(
        "tickets",
        "service",
        ("ticket_id",),
        (
            _key("ticket_id"),
            _link("customer_id", "customers.customer_id"),
            _at("created_at", required=True),
            _one_of("created_by", "customer", "agent"),
            _one_of("channel", *CHANNELS),
            _one_of("kind", "question", "request", "complaint", "return", "other"),
            Column("category", "text"),
            _one_of("priority", "low", "normal", "high", "urgent"),
            Column("severity", "integer", unit="rank, 3 = worst", low=1, high=3),
            _link("product_id", "products.product_id"),
            _link("order_id", "orders.order_id"),
            Column("assignee_id", "id"),
            Column("team", "text"),
            _one_of("status", "new", "open", "pending", "on_hold", "solved", "closed", "merged"),
            Column("problem_id", "id"),
            _link("merged_into_ticket_id", "tickets.ticket_id"),
            _link("follows_ticket_id", "tickets.ticket_id"),
        ),
    ),
    Table(
        "ticket_events",
        "service",
        ("event_id",),
        (
            _key("event_id"),
            _link("ticket_id", "tickets.ticket_id", required=True),
            _at("occurred_at", required=True),
            _one_of("actor_type", "customer", "agent", "bot", "system"),
            Column("actor_id", "id"),
            _one_of("kind", "comment", "status_change", "assignment", "priority_change", "escalation"),
            Column("is_public", "flag"),
            Column("from_value", "text"),
            Column("to_value", "text"),
            _one_of("channel", *CHANNELS),
            Column("body", "text", personal=True),
        ),
    ),
)

TABLES: Mapping[str, Table] = {table.name: table for table in _TABLES}
"""Every table of the model, by name: the core eight and `subscriptions`, which the contract metrics need."""
