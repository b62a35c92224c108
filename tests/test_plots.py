"""Every picture in both languages: it draws, and all its words have glyphs (a missing one warns, so it fails)."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

import crmkit
from crmkit.plots import base, new_figure, plot_cohort_retention, plot_estimates, plot_order_history, png, style
from crmkit.texts import in_language

MARCH = {"start": "2026-03-01", "end": "2026-04-01"}


@pytest.fixture(scope="module")
def ten():
    return crmkit.sample("ten_customers").orders


def drawn(axes) -> bytes:
    with style():
        return png(axes.figure)


@pytest.mark.parametrize("language", ["ja", "en"])
def test_pictures_have_all_their_glyphs(ten, language):
    with in_language(language):
        figures = {f.label: f for f in (crmkit.repeat_rate(ten, **MARCH), crmkit.repeater_share(ten, **MARCH))}
        for axes in (
            plot_estimates(figures, prediction=0.6),
            plot_order_history(ten, base=["A", "B"], counted=["A"]),
            plot_cohort_retention(crmkit.cohort_retention(ten, as_of="2026-04-01")),
        ):
            assert drawn(axes).startswith(b"\x89PNG")
            assert axes.get_xlabel()


def test_the_same_picture_is_the_same_bytes(ten):
    table = crmkit.cohort_retention(ten, as_of="2026-04-01")
    assert drawn(plot_cohort_retention(table)) == drawn(plot_cohort_retention(table))


def test_the_look_is_that_of_seaborn():
    import seaborn as sns

    theirs = {**sns.plotting_context("notebook", font_scale=0.9), **sns.axes_style("whitegrid")}
    ours = base._look()
    own = {"font.family", "font.sans-serif", "axes.edgecolor", "axes.spines.top", "axes.spines.right", "image.cmap"}
    assert {name: value for name, value in ours.items() if name not in own} == pytest.approx(
        {name: value for name, value in theirs.items() if name not in own}
    )


def test_a_picture_needs_no_seaborn():
    """It brings SciPy's statistics along, for which the first picture would have to wait."""
    code = "import sys; from crmkit.plots import new_figure, png, style\nwith style(): png(new_figure()[0])\n"
    code += "print({'seaborn', 'scipy.stats', 'matplotlib.pyplot'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_unobserved_cells_stay_blank(ten):
    axes = plot_cohort_retention(crmkit.cohort_retention(ten, as_of="2026-04-01"))
    words = sorted(float(word.get_text()) for word in axes.texts)
    assert words == [0, 0, 50, 50, 67, 67, 100, 100, 100, 100]  # 10 of 16 cells have been observed in full


def test_a_plot_goes_where_it_is_told(ten):
    _, axes = new_figure()
    assert plot_estimates({"repeat": crmkit.repeat_rate(ten)}, ax=axes) is axes


def test_no_data_is_said_in_the_picture(ten):
    nothing = crmkit.repeat_rate(ten, start="2020-01-01", end="2020-02-01")
    assert math.isnan(float(nothing))
    axes = plot_estimates({"repeat": nothing})
    assert [word.get_text() for word in axes.texts] == ["no data"]


def test_a_cohort_table_of_any_engine_is_drawn(engine, ten):
    table = crmkit.cohort_retention(engine(ten[["customer_id", "ordered_at"]]), as_of="2026-04-01")
    assert len(plot_cohort_retention(table).texts) == 10
