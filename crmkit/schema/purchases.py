"""What they bought: products, orders with their lines, and subscriptions."""

from __future__ import annotations

from crmkit.schema.columns import Column, Table, at, key, link, money, one_of

TABLES = (
    Table(
        "products",
        "management",
        ("product_id",),
        (
            key("product_id"),
            Column("name_ja", "text"),
            Column("name_en", "text"),
            Column("category", "text"),
            Column("tier", "integer", unit="rank, 1 = entry", low=1),
            money("list_price"),
            money("unit_cost"),
            Column("is_subscribable", "flag"),
            at("launched_at"),
            Column("origin_need_code", "text"),
        ),
    ),
    Table(
        "orders",
        "retention",
        ("order_id",),
        (
            key("order_id"),
            link("customer_id", "customers.customer_id", required=True),
            at("ordered_at", required=True),
            one_of("channel", "store", "web", "app", "phone"),
            one_of("status", "completed", "cancelled"),
            Column("is_test", "flag"),
            money("gross_amount"),
            money("discount_amount"),
            money("net_amount"),
            money("refund_amount"),
            at("refunded_at"),
            Column("coupon_code", "text"),
            link("campaign_id", "campaigns.campaign_id"),
            link("subscription_id", "subscriptions.subscription_id"),
            Column("staff_id", "id"),
        ),
    ),
    Table(
        "order_items",
        "management",
        ("order_id", "line_no"),
        (
            link("order_id", "orders.order_id", required=True),
            Column("line_no", "integer", required=True, nullable=False, low=1),
            link("product_id", "products.product_id", required=True),
            Column("quantity", "number", unit="units", low=0),
            money("unit_price"),
            money("unit_cost"),
            money("discount_amount"),
            one_of("offer_type", "none", "cross_sell", "upsell"),
            Column("was_inspected", "flag"),
            Column("is_defective", "flag"),
        ),
    ),
    Table(
        "subscriptions",
        "retention",
        ("subscription_id",),
        (
            key("subscription_id"),
            link("customer_id", "customers.customer_id", required=True),
            link("product_id", "products.product_id"),
            at("started_at", required=True),
            Column("interval_days", "number", unit="days", low=1),
            money("unit_amount"),
            one_of("status", "active", "paused", "cancelled"),
            at("cancelled_at"),
            at("ended_at"),
            Column("cancel_reason", "text"),
            Column("is_involuntary", "flag"),
        ),
    ),
)
