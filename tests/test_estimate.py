"""The figure that never travels alone, and its interval."""

from __future__ import annotations

import linecache
import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import EmptyTable, MissingColumn, RowsLeftOut
from crmkit.estimate import Definition, Estimate, Window, count, ratio, share
from crmkit.frames import instant
from crmkit.intervals import wilson
from crmkit.texts import in_language, use_language

REPEAT = Definition("repeat_rate.cumulative")


@pytest.mark.parametrize(
    ("above", "below", "low", "high"),
    [  # Newcombe (1998), Statistics in Medicine 17, 857-872, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_published_intervals(above, below, low, high):
    found = wilson(above, below)
    assert found == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_its_value_and_stays_a_share(counts):
    figure = share(*counts, Window(), REPEAT)
    assert 0 <= figure.low <= figure.value <= figure.high <= 1
    mirrored = share(counts[1] - counts[0], counts[1], Window(), REPEAT)
    assert figure.low == pytest.approx(1 - mirrored.high, abs=1e-9)


def test_no_data_is_nan_with_n_zero():
    for figure in (share(0, 0, Window(), REPEAT), count(0, 0, Window(), REPEAT), ratio(3, 0, Window(), REPEAT)):
        assert math.isnan(float(figure))
        assert math.isnan(figure.low)
        assert figure.n == 0
        assert "no data" in str(figure)


def test_a_ratio_that_is_no_share_has_no_interval():
    figure = ratio(5, 3, Window(), Definition("repeat_rate.new"))
    assert float(figure) == pytest.approx(1.667, abs=1e-3)
    assert math.isnan(figure.low)
    assert "no interval" in str(figure)


def test_a_figure_speaks_both_languages():
    window = Window(instant("2026-03-01", "start"), instant("2026-04-01", "end"))
    figure = share(5, 10, window, REPEAT, excluded={"cancelled": 2, "test": 0})
    assert str(figure) == (
        "repeat rate (all customers so far): 50.0% (95% interval 23.7% to 76.3%; 5 of 10; "
        "2026-03-01 to 2026-04-01 (the end not included))"
    )
    with in_language("ja"):
        page = figure._repr_html_()
    for said in ("リピート率", "50.0%", "23.7%〜76.3%", "10", "2026-03-01", "リピーター数 ÷", "キャンセル: 2"):
        assert said in page
    assert "テスト" not in page  # nothing was left out for that reason
    assert f"{figure:.1%}" == "50.0%"


@pytest.mark.parametrize(
    ("window", "said"),
    [
        (Window(), "all of the data"),
        (Window(end=instant("2026-04-01", "end")), "before 2026-04-01"),
        (Window(start=instant("2026-04-01 09:30", "start")), "from 2026-04-01 09:30 on"),
    ],
)
def test_a_window_says_what_it_spans(window, said):
    assert str(window) == said


def test_hostile_words_stay_words():
    note = RowsLeftOut("no_date", rows="<img src=x onerror=alert(1)>", seen="2")
    page = share(1, 2, Window(), REPEAT, notes=(note,))._repr_html_()
    assert "<img" not in page
    assert "&lt;img" in page


def test_an_error_speaks_the_readers_language_and_travels():
    error = MissingColumn("table", table="orders", column="customer_id", nearest="customerid", found="customerid")
    there = pickle.loads(pickle.dumps(error))
    assert isinstance(there, KeyError)
    assert "has no column 'customer_id'" in str(there)
    use_language("ja")
    assert "列「customer_id」がありません" in str(there)


def test_a_notebook_shows_the_cells_line_and_the_sentence(monkeypatch):
    """What IPython asks an exception for; the frames of crmkit itself say nothing to who reads a lesson."""
    cell, code = "ipykernel_7/1.py", "table = {}\nraise_it()\n"
    monkeypatch.setitem(linecache.cache, cell, (len(code), None, code.splitlines(keepends=True), cell))

    def raise_it():
        raise EmptyTable("no_bytes", file="shop.csv")

    with pytest.raises(EmptyTable) as caught:
        exec(compile(code, cell, "exec"), {"raise_it": raise_it})
    shown = caught.value._render_traceback_()
    assert shown == ["----> 2 raise_it()", "", f"EmptyTable: {caught.value}"]
    assert EmptyTable("no_bytes", file="shop.csv")._render_traceback_() == [f"EmptyTable: {caught.value}"]


def test_an_estimate_can_be_compared_and_copied():
    assert share(1, 2, Window(), REPEAT) == share(1, 2, Window(), REPEAT)
    assert isinstance(share(1, 2, Window(), REPEAT), Estimate)
