"""A picture that carries its own sentence: as a widget, as a saved image, and for those who hear instead of see."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import ipywidgets
import traitlets

from crmkit.plots import png, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Picture(ipywidgets.Image):
    """PNG bytes with a sentence that says what they show.

    The sentence is the image's accessible name (ipywidgets has no `alt`; it writes `tooltip` as the title, which screen
    readers fall back to) and the text of a saved notebook.
    """

    # The front end looks up `description` on every widget with a tooltip, and an Image has none: without this the
    # picture fails to render.
    description = traitlets.Unicode("").tag(sync=True)

    def __init__(self, says: str = "", image: bytes = b"") -> None:
        super().__init__(format="png", value=image, tooltip=says)
        self.layout.max_width, self.layout.margin = "100%", "0"  # with its margin it would scroll
        self.layout.object_fit = "contain"
        self.add_class("crmkit-picture")

    def show(self, figure: Any, says: str) -> None:
        """Put a figure and its sentence into the picture."""
        with style():
            image = png(figure)
        self.tooltip = says
        self.value = image

    def _repr_mimebundle_(self, **more: Any) -> dict[str, Any]:
        return with_static(super()._repr_mimebundle_(**more), self.value, self.tooltip or "")


def with_static(bundle: Any, image: bytes, says: str) -> dict[str, Any]:
    """A widget's output together with what remains of it where no kernel runs: the image and the sentence."""
    static = {"text/plain": says}
    if image:
        static["image/png"] = base64.b64encode(image).decode()
    return {**(bundle or {}), **static}


def show(axes: Axes, says: str) -> Picture:
    """A plot of `crmkit.plots` as a picture with a sentence; end a notebook cell with it."""
    picture = Picture()
    picture.show(axes.figure, says)
    return picture
