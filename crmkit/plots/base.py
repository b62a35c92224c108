"""How every picture looks, and what all of them need.

`style()` owns how every picture looks: seaborn's whitegrid, colours that colour-blind readers can tell apart, and a
font that has Japanese. Figures are made without pyplot, so nothing stays open and no notebook shows a picture twice.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any

from crmkit.texts import text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito's palette, as seaborn's "colorblind" orders it: told apart in all common forms of colour blindness
BLUE, ORANGE, GREEN, RED = "#0173b2", "#de8f05", "#029e73", "#d55e00"
INK, GREY, PALE = "#262626", "#6e6e6e", "#d9d9d9"


_inside: ContextVar[bool] = ContextVar("crmkit's look is on", default=False)


@contextmanager
def style() -> Iterator[None]:
    """Draw inside this block to get crmkit's look.

    Examples:
        >>> with style():
        ...     figure, axes = new_figure()
    """
    if _inside.get():  # to put the look on and off takes a millisecond, and plots are drawn inside of plots
        yield
        return
    import matplotlib as mpl

    on = _inside.set(True)
    try:
        with mpl.rc_context(_look()):
            yield
    finally:
        _inside.reset(on)


@cache
def _look() -> dict[str, Any]:
    """seaborn's whitegrid at nine tenths of its notebook size, with our font and edges.

    Written out, since to import seaborn and the statistics behind it takes longer than to draw the first picture.
    """
    import matplotlib_fontja  # registers the Japanese font  # noqa: F401

    large, small, dark, light = 10.8, 9.9, ".15", ".8"
    look: dict[str, Any] = dict.fromkeys(
        ("font.size", "axes.labelsize", "axes.titlesize", "legend.title_fontsize"), large
    )
    look |= dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), small)
    look |= dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), dark)
    look |= {"axes.linewidth": 1.25, "grid.linewidth": 1, "grid.color": light, "grid.linestyle": "-", "axes.grid": True}
    look |= {"lines.linewidth": 1.5, "lines.markersize": 6, "lines.solid_capstyle": "round", "axes.axisbelow": True}
    look |= {"patch.linewidth": 1, "patch.edgecolor": "w", "patch.force_edgecolor": True}
    look |= {"figure.facecolor": "white", "axes.facecolor": "white", "axes.edgecolor": GREY}
    for axis, sides in {"xtick": ("bottom", "top"), "ytick": ("left", "right")}.items():
        look |= {f"{axis}.{side}": False for side in sides}
        look |= {f"{axis}.direction": "out", f"{axis}.major.size": 6, f"{axis}.major.width": 1.25}
        look |= {f"{axis}.minor.size": 4, f"{axis}.minor.width": 1}
    look |= {f"axes.spines.{side}": side in ("left", "bottom") for side in ("left", "right", "top", "bottom")}
    return look | {"font.family": "IPAexGothic"}


def new_figure(width: float = 9, height: float = 4.2, layout: Any = "constrained", **panels: Any) -> tuple[Figure, Any]:
    """An empty figure and its Axes, outside pyplot.

    Args:
        width, height: In inches.
        layout: How Matplotlib arranges what is on it.
        panels: What `Figure.subplots` takes, for several Axes: `ncols=2`, `width_ratios=[2, 1]`.

    Returns:
        The Figure, and its Axes (an array of them if there are several).

    Examples:
        >>> figure, axes = new_figure(8, 3, ncols=2)
        >>> len(axes)
        2
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)
    return figure, figure.subplots(**panels)


def png(figure: Figure, dpi: int = 100) -> bytes:
    """The figure as PNG, the same bytes for the same picture.

    Args:
        figure: A Matplotlib figure, e.g. `axes.figure`.
        dpi: Dots per inch.

    Returns:
        The content of a PNG file.

    Examples:
        >>> png(new_figure()[0])[1:4]
        b'PNG'
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    page, own = io.BytesIO(), figure.dpi
    canvas = figure.canvas if isinstance(figure.canvas, FigureCanvasAgg) else FigureCanvasAgg(figure)
    figure.dpi = dpi
    try:
        canvas.draw()
        width, height = canvas.get_width_height()
    finally:
        figure.dpi = own
    drawn = Image.frombuffer("RGBA", (width, height), canvas.buffer_rgba(), "raw", "RGBA", 0, 1).convert("RGB")
    # a light compression and no alpha: people wait for the picture, and it travels within the machine
    drawn.save(page, "png", dpi=(dpi, dpi), compress_level=2)
    return page.getvalue()


def wipe(figure: Figure) -> None:
    """Take off everything that was drawn on a figure's panels, for drawing on them again.

    Panels and their ticks stay, since to make them takes as long as all else. What was said of an axis (its name,
    ticks, grid) stays until it is said anew, and so do words for places: draw bars at numbers and name the ticks.
    Where nothing but words is drawn, put them at a fraction of the panel: its limits are those of the last picture.

    Args:
        figure: A Matplotlib figure with nothing beside its panels.

    Examples:
        >>> figure, axes = new_figure()
        >>> line = axes.plot([1, 2, 3])
        >>> wipe(figure)
        >>> len(axes.lines)
        0
    """
    for axes in figure.axes:
        for drawn in (axes.lines, axes.patches, axes.collections, axes.texts, axes.images, axes.artists, axes.tables):
            for artist in tuple(drawn):
                artist.remove()
        axes.containers.clear()
        if legend := axes.get_legend():
            legend.remove()
        for place in ("left", "center", "right"):
            axes.set_title("", loc=place)
        axes.set_axis_on()
        axes.set_prop_cycle(None)
        axes.relim()
        axes.autoscale(True)


def paper(alpha: float = 0.85) -> dict[str, Any]:
    """A white ground, so that lines do not run through words."""
    return {"facecolor": "white", "edgecolor": "none", "alpha": alpha, "pad": 1}


def nothing(ax: Axes) -> Axes:
    """Say in the middle of the picture that there is no data."""
    ax.annotate(text("estimate.no_data"), (0.5, 0.5), xycoords="axes fraction", ha="center", color=GREY, zorder=5)
    return ax


def month_axis(ax: Axes) -> None:
    from matplotlib.dates import DateFormatter, MonthLocator

    ax.xaxis.set_major_locator(MonthLocator())
    ax.xaxis.set_major_formatter(DateFormatter("%Y-%m"))
    ax.set_xlabel(text("plot.month"))
