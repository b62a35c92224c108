"""Whole worlds: keys, ranges and time over all tables, and the same world however it is made."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import crmkit
from crmkit import schema
from crmkit.datasets.crm import Crm
from crmkit.errors import ParameterError
from crmkit.simulator.generate import generate
from crmkit.simulator.plan import plan
from crmkit.simulator.scenario import scenarios
from crmkit.texts import in_language

SHOP_TABLES = {"products", "campaigns", "costs", "problems", "sla_policies", "business_hours", "holidays"}
EVERY_TABLE = [(name, table) for name in scenarios() for table in schema.TABLES]


@cache
def made(name: str = "salon", customers: int = 600, weeks: int = 104, locale: str | None = None) -> Crm:
    return crmkit.simulate(name, customers=customers, weeks=weeks, locale=locale)


@pytest.mark.parametrize(("name", "table"), EVERY_TABLE)
def test_a_table_is_what_the_model_says(name: str, table: str) -> None:
    frame, model = made(name).tables[table], schema.TABLES[table]
    assert list(frame.columns) == [column.name for column in model.columns]
    assert not frame.duplicated(list(model.key)).any()
    for column in model.columns:
        values = frame[column.name].dropna()
        assert column.nullable or len(values) == len(frame), column.name
        if column.allowed:
            assert set(values) <= set(column.allowed), column.name
        if column.low is not None and len(values):
            assert values.min() >= column.low, column.name
        if column.high is not None and len(values):
            assert values.max() <= column.high, column.name
        if column.kind in ("id", "text", "category"):
            assert frame[column.name].dtype == "str", column.name
            assert not values.str.startswith(("=", "+", "-", "@")).any(), column.name


@pytest.mark.parametrize(("name", "table"), EVERY_TABLE)
def test_no_row_points_to_nowhere(name: str, table: str) -> None:
    crm = made(name)
    for column in schema.TABLES[table].columns:
        if column.references:
            target, _, key = column.references.partition(".")
            found = crm.tables[table][column.name].dropna()
            assert found.isin(crm.tables[target][key]).all(), column.name


@pytest.mark.parametrize("name", ["salon", "shop", "subscription"])
def test_a_world_is_not_empty_where_its_business_is_not(name: str) -> None:
    tables = made(name).tables
    may_be_empty = {"subscriptions"} if name == "salon" else set()
    may_be_empty |= {"loyalty_events"} if name == "subscription" else set()
    assert {table for table in tables if len(tables[table]) == 0} <= may_be_empty


BY_CUSTOMER = {
    "orders": "ordered_at", "tickets": "created_at", "feedback": "received_at", "survey_responses": "responded_at",
    "referrals": "invited_at", "subscriptions": "started_at", "loyalty_events": None,
}  # fmt: skip


@pytest.mark.parametrize("name", scenarios())
@pytest.mark.parametrize(("table", "at"), [(table, at) for table, at in BY_CUSTOMER.items() if at])
def test_customers_act_between_registering_and_leaving(name: str, table: str, at: str) -> None:
    crm = made(name)
    who = "referrer_customer_id" if table == "referrals" else "customer_id"
    lives = crm.customers[["customer_id", "registered_at"]].merge(crm.truth.customers[["customer_id", "died_at"]])
    frame = crm.tables[table]
    frame = frame[~frame["is_test"]] if table == "orders" else frame  # the till is tried out without the customer
    rows = frame[[who, at]].dropna().merge(lives, left_on=who, right_on="customer_id")
    assert (rows[at] >= rows["registered_at"]).all()
    assert (rows["died_at"].isna() | (rows[at] <= rows["died_at"])).all()


@pytest.mark.parametrize("name", scenarios())
def test_nothing_has_happened_after_the_end(name: str) -> None:
    crm = made(name)
    end = pd.Timestamp("2024-01-01") + pd.Timedelta(weeks=104)
    planned = {("loyalty_events", "expires_at"), ("holidays", "date"), ("campaigns", "ended_at")}
    for table, model in schema.TABLES.items():
        for column in model.columns:
            if column.kind in ("instant", "date") and (table, column.name) not in planned:
                values = crm.tables[table][column.name].dropna()
                assert (values <= end).all(), (table, column.name)


@pytest.mark.parametrize("name", scenarios())
def test_the_lines_of_an_order_add_up_to_it(name: str) -> None:
    crm = made(name)
    items = crm.order_items
    items = items.assign(gross=items["unit_price"] * items["quantity"])
    sums = items.groupby("order_id")[["gross", "discount_amount"]].sum()
    orders = crm.orders[~crm.orders["is_test"]].set_index("order_id")
    assert (sums["gross"].reindex(orders.index) == orders["gross_amount"]).all()
    assert (sums["discount_amount"].reindex(orders.index) == orders["discount_amount"]).all()
    assert (orders["gross_amount"] - orders["discount_amount"] == orders["net_amount"]).all()
    assert (orders["refund_amount"] <= orders["net_amount"]).all()
    assert (orders["refunded_at"].notna() == (orders["refund_amount"] > 0)).all()


def test_who_is_brought_registers_after_the_invitation() -> None:
    crm = made("salon", customers=4_000)
    brought = crm.referrals.dropna(subset=["registered_at"])
    assert len(brought) > 30
    assert (brought["registered_at"] >= brought["invited_at"]).all()
    bought = crm.referrals.dropna(subset=["first_order_at"])
    first = crm.orders.groupby("customer_id")["ordered_at"].min()
    assert (bought["first_order_at"].to_numpy() == first[bought["invitee_customer_id"]].to_numpy()).all()
    children = crm.truth.customers.dropna(subset=["referred_by"])
    assert set(children["customer_id"]) == set(
        crm.customers[crm.customers["acquisition_channel"] == "referral"]["customer_id"]
    )
    assert children["referred_by"].isin(crm.customers["customer_id"]).all()


@pytest.mark.parametrize("name", ["salon", "subscription"])
def test_a_smaller_world_is_the_first_part_of_a_larger_one(name: str) -> None:
    small, large = made(name, customers=150), made(name, customers=600)
    for table in set(schema.TABLES) - SHOP_TABLES:
        few, many = small.tables[table], large.tables[table]
        pd.testing.assert_frame_equal(few, many.head(len(few)), obj=table)
    pd.testing.assert_frame_equal(small.truth.customers, large.truth.customers.head(len(small.customers)))


def test_the_same_arguments_give_the_same_world() -> None:
    again = crmkit.simulate("salon", customers=600, weeks=104)
    assert again.fingerprint() == made().fingerprint()
    other = crmkit.simulate("salon", customers=600, weeks=104, seed=8)
    assert other.fingerprint()["orders"] != made().fingerprint()["orders"]


def test_names_change_with_the_locale_and_nothing_else() -> None:
    here, there = made(), made(locale="en_US")
    assert here.fingerprint()["orders"] == there.fingerprint()["orders"]
    assert not (here.customers["name"] == there.customers["name"]).any()
    assert there.customers["name"].str.isascii().all()
    assert there.customers["name_kana"].isna().all()
    assert there.feedback["text"].str.isascii().mean() > 0.9
    assert there.facts["locale"] == "en_US"
    french = crmkit.simulate("salon", customers=30, weeks=26, locale="fr_FR")
    assert french.orders.equals(crmkit.simulate("salon", customers=30, weeks=26).orders)


def test_truth_says_when_a_customer_really_left() -> None:
    crm = made("shop")
    truth = crm.truth.customers.set_index("customer_id")
    last = crm.orders.groupby("customer_id")["ordered_at"].max()
    gone = truth["died_at"].dropna()
    assert 0.3 < len(gone) / len(truth) < 0.9
    assert (last.reindex(gone.index).dropna() <= gone.loc[last.reindex(gone.index).dropna().index]).all()
    assert truth[["satisfaction", "loyalty", "price_sensitivity"]].stack().between(0, 1).all()
    assert (truth.index == crm.customers["customer_id"]).all()


def test_true_effects_come_with_their_errors_and_both_fates() -> None:
    crm = crmkit.simulate("salon", customers=300, weeks=52)
    effects = crm.truth.effects
    assert list(effects.columns) == [column.name for column in schema.TRUTH["effects"].columns]
    courtesy = effects[(effects["lever"] == "courtesy") & (effects["outcome"] == "net_amount")].iloc[0]
    moved = crmkit.compare("salon", {"courtesy": courtesy["changed"]}, customers=300, weeks=52)
    assert crmkit.score(moved.effects.set_index("outcome").loc["net_amount"], courtesy).error == 0
    fates = crm.truth.outcomes
    assert set(fates["effect_name"]) == set(effects["lever"])
    assert fates.groupby("effect_name").size().eq(300).all()
    one = fates[fates["effect_name"] == "courtesy"]
    assert (one["net_amount_with"] - one["net_amount_without"]).mean() == pytest.approx(courtesy["true_value"])


@pytest.mark.parametrize("lang", ["ja", "en"])
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"customers": 0}, "0"),
        ({"customers": -5}, "-5"),
        ({"customers": 2.5}, "2.5"),
        ({"customers": 10**12}, "TB"),
        ({"weeks": 0}, "0"),
        ({"weeks": 10**6}, "5200"),
        ({"seed": "seven"}, "seven"),
        ({"scenario": "salom"}, "salon"),
        ({"locale": "jp_JA"}, "ja_JP"),
        ({"levers": {"apology": 1}}, "apology_share"),
    ],
)
def test_what_cannot_be_is_refused(lang: str, arguments: dict[str, object], told: str) -> None:
    with in_language(lang):  # type: ignore[arg-type]
        with pytest.raises(ParameterError) as caught:
            crmkit.simulate(**arguments)  # type: ignore[arg-type]
        assert told in str(caught.value)


def test_any_seed_will_do() -> None:
    for seed in (0, -1, 2**63, 2**80):
        assert len(crmkit.simulate("textbook", customers=20, weeks=8, seed=seed).orders) >= 20


def test_worlds_of_one_customer_and_one_week_are_worlds() -> None:
    for name in scenarios():
        crm = crmkit.simulate(name, customers=1, weeks=1)
        assert len(crm.customers) == 1
        assert np.isfinite(crm.orders["net_amount"]).all()
        assert set(crm.tables) == set(schema.TABLES)


@pytest.mark.parametrize("format", ["parquet", "csv", "duckdb"])
def test_what_is_generated_block_by_block_is_the_world_in_memory(
    format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = crmkit.simulate("salon", customers=300, weeks=30)
    monkeypatch.setattr("crmkit.simulator.plan.BLOCK", 128)
    monkeypatch.setattr("crmkit.simulator.effects.BLOCK", 300)
    cut = plan("salon", customers=300, weeks=30, seed=7)
    assert cut.blocks == 3
    assert crmkit.simulate("salon", customers=300, weeks=30).fingerprint() == whole.fingerprint()
    folder = generate(cut, tmp_path / "out", format=format, workers=1)  # type: ignore[arg-type]
    assert crmkit.load(folder).fingerprint() == whole.fingerprint()
    whole.save(tmp_path / "saved", format=format)  # type: ignore[arg-type]
    assert crmkit.load(tmp_path / "saved").fingerprint() == whole.fingerprint()


def test_a_metric_gives_the_same_on_every_engine_of_a_world() -> None:
    crm = made("shop")
    rates = {
        engine: float(crmkit.repurchase_rate(crm.to(engine).orders, horizon_days=90))
        for engine in ("pandas", "polars", "polars_lazy", "pyarrow", "duckdb")
    }
    assert len(set(rates.values())) == 1
    assert crm.to("polars").truth.customers["died_at"].null_count() == crm.truth.customers["died_at"].isna().sum()  # type: ignore[union-attr]
