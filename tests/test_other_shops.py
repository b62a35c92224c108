"""Every lesson again with other data put into its switch: real purchases, and a messy export of another shop.

Nothing fails, the figures behind the switch are new ones, and the solutions' answers are still right: they are computed
from the data at hand. Where a table is missing, a sentence says which.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cdnow
import nbformat
import pandas as pd
import pytest
from lesson_files import LESSONS, checks, lesson_of, outputs, read, words_of

from builder import derive, run  # isort: skip
import crmkit
from crmkit.texts import LANGUAGES, messages

pytestmark = pytest.mark.notebooks
ORDERS_ARE_ENOUGH = [slug for slug in LESSONS if lesson_of(slug).header.tables == ("orders",)]


@pytest.fixture(scope="session")
def messy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of CSV as another shop's systems would export it, with all that people do to such data."""
    shop = crmkit.spoil(crmkit.simulate("shop", customers=1_500, weeks=110, seed=11), seed=5)
    folder = tmp_path_factory.mktemp("messy")
    for name, table in shop.tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def purchases() -> pd.DataFrame:
    return cdnow.cdnow_frame()


def test_the_other_shop_is_messy(messy: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shop = crmkit.load(messy)
    assert len(shop.rejected["orders"]) > 5
    assert {"orders", "customers", "tickets"} <= {*shop.problems["table"]}


def behind(changed: Any) -> list[str]:
    """The code cells from the switch on."""
    keys = [cell.id for cell in changed.cells if cell.cell_type == "code"]
    switch = next(cell.id for cell in changed.cells if "MY_FILE = " in cell.source)
    return keys[keys.index(switch) :]


def pictured(notebook: Any) -> list[str]:
    """The cells that show a picture; that its sentence is the same does not say that it is drawn."""
    return [
        cell.id
        for cell in notebook.cells
        if any(output.get("data", {}).get("image/png") for output in cell.get("outputs", ()))
    ]


def in_one_kernel(editions: Mapping[str, Any]) -> None:
    """Run both languages one after the other, with no name left in between; what a lesson keeps is computed once."""
    whole = nbformat.v4.new_notebook()
    for name, changed in editions.items():
        whole.cells += [nbformat.v4.new_code_cell("%reset -f"), *changed.cells]
        for cell in changed.cells:
            cell.id = f"{name[:2]}_{cell.id}"
    run.run(whole, may_warn=True)
    for changed in editions.values():
        for cell in changed.cells:
            cell.id = cell.id[3:]


def runs_anew(slug: str, file: Path, columns: dict[str, str] | None = None) -> list[tuple[Any, dict[str, str]]]:
    """Run the solutions on other data; their figures must be the data's, their answers right."""
    names = [f"{code}/solutions/{slug}" for code in LANGUAGES]
    editions = {name: derive.switched(read(name), str(file), columns) for name in names}
    in_one_kernel(editions)
    for name, changed in editions.items():
        before, after, right = outputs(read(name)), outputs(changed), words_of(name)["verdict.correct"]
        showing = [key for key in behind(changed) if re.search(r"\d", before[key])]
        same = [key for key in showing if after[key] == before[key] and right not in after[key]]
        assert not same, f"still the course's own data: {name}, {same}"
        wrong = {key: after[key] for key in checks(changed) if right not in after[key]}
        assert not wrong, f"answers must be computed, not stored: {name}"
        assert pictured(changed) == pictured(read(name)), f"a picture is missing: {name}"
    return [(changed, outputs(changed)) for changed in editions.values()]


@pytest.mark.parametrize("slug", LESSONS)
def test_a_lesson_runs_on_a_messy_folder_in_both_languages(slug: str, messy: Path) -> None:
    assert len(runs_anew(slug, messy)) == len(LANGUAGES)


@pytest.mark.parametrize("slug", ORDERS_ARE_ENOUGH)
def test_a_lesson_about_orders_runs_on_real_purchases_in_both_languages(slug: str) -> None:
    for changed, after in runs_anew(slug, cdnow.cdnow_csv(), cdnow.OWN_NAMES):
        switch = behind(changed)[0]
        assert f"{cdnow.ORDERS:,}" in after[switch], "read in full"
        assert "orders.csv" in after[switch]


@pytest.mark.parametrize("slug", LESSONS)
def test_a_missing_table_is_named_in_a_sentence(slug: str, messy: Path, tmp_path: Path) -> None:
    """A file with orders alone, or with no orders where those are what is needed."""
    needed = set(lesson_of(slug).header.tables)
    given = "products" if needed == {"orders"} else "orders"
    (tmp_path / f"{given}.csv").write_bytes((messy / f"{given}.csv").read_bytes())
    changed = derive.switched(read(f"en/solutions/{slug}"), str(tmp_path))
    try:
        run.run(changed, may_warn=True)
    except run.Failed as failed:
        ((_, said), *_) = failed.wrong
        kinds = "AttributeError|MissingColumn|UnreadableFile|ParameterError"
        assert re.search(rf"raises ({kinds}): ['A-Z].{{20,}}\.", said), said
    else:  # a lesson may lend what is missing, if it says so
        said = "\n".join(outputs(changed)[key] for key in behind(changed))
    assert any(re.search(rf"\b{table}\b", said) for table in needed - {given}), said


def test_a_table_that_was_not_loaded_is_named() -> None:
    shop = crmkit.load(pd.DataFrame({"customer_id": ["A"], "ordered_at": ["2026-04-01"], "net_amount": [100]}))
    with pytest.raises(AttributeError) as said:
        _ = shop.tickets
    assert str(said.value) == messages("en")["load.not_loaded"].format(table="tickets", found="orders")


def test_the_figures_are_made_of_cdnow(purchases: pd.DataFrame) -> None:
    """Lesson 08 on CDNOW against plain pandas."""
    changed = derive.switched(read("en/solutions/08_repeat_and_retention"), str(cdnow.cdnow_csv()), cdnow.OWN_NAMES)
    asked = [("with_newcomers.denominator", ""), ("with_newcomers.numerator", ""), ("answer_2.denominator", "")]
    asked += [
        ("when.month['start']", ""),
        ("when.as_of", ""),
        ("when.newcomers['start']", ""),
        ("when.newcomers['end']", ""),
    ]
    answers = run.compute(changed, asked, may_warn=True)
    assert all(fine for fine, _ in answers.values()), answers
    buyers, repeaters, followed, month, as_of, since, until = (said for _, said in answers.values())
    assert (month, as_of) == ("1998-06-01", "1998-07-01")
    first = purchases.groupby("customer")["date"].min()
    june = purchases.loc[purchases["date"] >= month, "customer"].unique()
    assert int(float(buyers)) == len(june)
    last = purchases.groupby("customer")["date"].max()
    assert int(float(repeaters)) == int((last[june] > first[june]).sum())
    assert int(float(followed)) == int(((first >= since) & (first < until)).sum())
