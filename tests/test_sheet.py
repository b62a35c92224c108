"""Every picture of crmkit.plots on real results and on none: it takes an Axes, and all its words have glyphs."""

from __future__ import annotations

import json
import math
import sys
import warnings
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.axes import Axes

import crmkit
from crmkit import plots
from crmkit.plots import new_figure, style
from crmkit.texts import LANGUAGES, in_language

sys.path.append(str(Path(__file__).resolve().parent.parent / "docs"))
import sheet

NAMES = sorted(name for name in plots.__all__ if name.startswith("plot_"))


@pytest.fixture(scope="module")
def results():
    return sheet.results(sheet.worlds(customers=600))


@pytest.fixture(scope="module")
def drawings(results):
    return sheet.drawings(results)


@pytest.fixture(scope="module")
def nothing(results):
    """For each picture a result without anything in it; what is left out cannot be without."""
    empty = {name: found.head(0) for name, found in results.items() if isinstance(found, pd.DataFrame)}
    empty |= {name: {} for name, found in results.items() if isinstance(found, dict)}
    unheard = pd.DataFrame({"feedback_id": ["1"], "received_at": pd.Timestamp("2026-03-01"), "rating": [5]})
    stars = crmkit.rating_summary(unheard, sources=None, end="2026-01-01")
    return {**empty, "plot_estimates": {}, "plot_rating_summary": stars}


def words(axes):
    return [word.get_text() for word in axes.texts]


def test_every_picture_is_on_the_sheet(drawings):
    assert sorted(drawings) == NAMES
    assert sheet.missing() == []
    assert json.loads((sheet.IMAGES / sheet.NAMES).read_text(encoding="utf-8")) == NAMES


def test_a_new_picture_would_be_missed(monkeypatch):
    monkeypatch.setattr(plots, "__all__", [*plots.__all__, "plot_new"])
    assert sheet.missing() == ["not on the sheet: plot_new"]
    monkeypatch.setattr(sys, "argv", ["sheet.py", "--check"])
    assert sheet.main() == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_goes_where_it_is_told_with_all_its_glyphs(drawings, language):
    with in_language(language), style(), warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in NAMES:
            figure, axes = new_figure(layout=None)
            figure.set_dpi(40)
            assert drawings[name](axes) is axes, name
            assert axes in figure.axes
            figure.canvas.draw()  # a sign that the font lacks warns here
            assert axes.has_data(), name
            told = " ".join([axes.get_xlabel(), axes.get_ylabel(), *words(axes)])
            assert told.strip(), name


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_data_is_said(nothing, language):
    said = {"en": {"no data", "no customers", "nobody has brought anybody"},
            "ja": {"データなし", "顧客なし", "紹介された人はいません"}}[language]  # fmt: skip
    with in_language(language), style():
        for name, result in nothing.items():
            axes = getattr(plots, name)(result)
            assert isinstance(axes, Axes)
            axes.figure.canvas.draw()
            assert said & set(words(axes)), name
    assert set(NAMES) - set(nothing) == {"plot_p_alive"}  # a model that has seen nobody is not fitted


def test_rows_without_a_value_are_not_drawn_as_zero():
    nan = math.nan
    curve = pd.DataFrame({"nth": [1, 2], "value": nan, "low": nan, "high": nan, "n": 0})
    funnel = pd.DataFrame({"stage": ["a"], "n": [0], "share_of_previous": nan, "previous_low": nan})
    gains = pd.DataFrame({"share": [0.5], "gain": nan, "low": nan, "high": nan, "lift": nan})
    for name, table in (
        ("continuation_rate", curve),
        ("funnel", funnel.assign(share_of_first=nan, previous_high=nan)),
        ("targeting_lift", gains),
    ):
        axes = getattr(plots, f"plot_{name}")(table)
        axes.figure.canvas.draw()
        assert "no data" in words(axes), name


def test_importing_pictures_loads_nothing_that_draws():
    import subprocess

    loaded = "import crmkit.plots, sys; print([m for m in ('matplotlib', 'seaborn', 'scipy') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
