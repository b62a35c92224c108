"""What only a simulated shop can tell: who the customers really are, what they feel, and what each lever changed."""

from __future__ import annotations

from crmkit.schema.columns import CHANNELS, Column, Table, at, link, money, one_of, share

TABLES = (
    Table(
        "customers",
        "truth",
        ("customer_id",),
        (
            link("customer_id", "customers.customer_id", required=True),
            Column("person_id", "id", required=True, nullable=False),
            link("referred_by", "customers.customer_id"),
            Column("generation", "integer", low=0),
            Column("purchase_rate", "number", unit="orders per week", low=0),
            money("spend_mean"),
            share("satisfaction"),
            share("loyalty"),
            Column("churn_hazard", "number", unit="per week", low=0),
            share("price_sensitivity"),
            one_of("preferred_channel", *CHANNELS),
            at("died_at"),
            Column("silent_dissatisfactions", "integer", unit="times", low=0),
        ),
    ),
    Table(
        "effects",
        "truth",
        ("effect_name", "outcome"),
        (
            Column("effect_name", "text", required=True, nullable=False),
            Column("lever", "text"),
            Column("baseline", "number"),
            Column("changed", "number"),
            Column("outcome", "text", required=True, nullable=False),
            Column("unit", "text"),
            Column("true_value", "number"),
            Column("standard_error", "number", low=0),
            Column("customers", "integer", unit="people", low=0),
        ),
    ),
    Table(
        "outcomes",
        "truth",
        ("customer_id", "effect_name"),
        (
            link("customer_id", "customers.customer_id", required=True),
            Column("effect_name", "text", required=True, nullable=False),
            Column("orders_without", "integer", unit="orders", low=0),
            Column("orders_with", "integer", unit="orders", low=0),
            money("net_amount_without"),
            money("net_amount_with"),
            Column("stayed_without", "flag"),
            Column("stayed_with", "flag"),
        ),
    ),
    Table(
        "defects",
        "truth",
        ("table", "row_id", "column", "kind"),
        (
            Column("table", "text", required=True, nullable=False),
            Column("row_id", "id", required=True, nullable=False),
            Column("column", "text", required=True, nullable=False),
            Column("kind", "text", required=True, nullable=False),
            Column("original", "text", personal=True),
            Column("spoilt", "text", personal=True),
            Column("person_id", "id"),
        ),
    ),
)
