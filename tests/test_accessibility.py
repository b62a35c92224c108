"""Every lesson runs in the browser, in both languages, and shuts nobody out who hears instead of sees: by axe-core.

Only what the course puts on the page is looked at. JupyterLab's own parts have faults that are not ours to mend: its
editor fields have no names, its list of cells is called a feed without articles. A slider of ipywidgets cannot have a
name either; each has a named number field beside it (`test_widgets.py` holds them together).
"""

from __future__ import annotations

from typing import Any

import lab as driver
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from crmkit.texts import messages

pytestmark = pytest.mark.browser
LESSONS = [path.stem for path in sorted((driver.ROOT / "notebooks" / "lessons").glob("*.py"))]
OURS = [".jp-OutputArea-output", ".jp-RenderedMarkdown"]
NOT_OURS = [".cm-editor", ".noUi-handle", ".jp-OutputPrompt", ".jp-InputPrompt"]
GRAVE = {"serious", "critical"}
CHECKS = """() => [...jupyterapp.shell.currentWidget.content.model.cells].map(cell => cell.toJSON())
    .filter(cell => cell.cell_type === 'code' && /lesson[.]check[(]/.test([].concat(cell.source).join('')))
    .map(cell => JSON.stringify(cell.outputs))"""


def faults(page: Page) -> list[str]:
    """What axe-core finds grave in the course's own parts: the rule, and where."""
    context: dict[str, Any] = {"include": OURS, "exclude": NOT_OURS}
    found = Axe().run(page, context=context).response["violations"]
    return [
        f"{one['id']} ({one['impact']}): {node['html'][:200]}"
        for one in found
        for node in one["nodes"]
        if one["impact"] in GRAVE
    ]


@pytest.mark.parametrize("slug", LESSONS)
def test_a_lesson_runs_and_shuts_nobody_out(browser: Browser, lab: driver.Lab, slug: str) -> None:
    with driver.visit(browser, lab.lesson(slug), lab.language) as seen:
        page = seen.page
        driver.open_lesson(page)
        assert page.evaluate(driver.CELL_ERRORS) == []
        checks = page.evaluate(CHECKS)
        assert checks
        assert all(messages(lab.language)["verdict.empty"] in said for said in checks)  # nothing is answered yet
        assert faults(page) == []  # while the result is still hidden
        driver.unlock(page)
        assert faults(page) == []
        _screenshot_of_the_widget(page, lab, slug)
        assert seen.errors == []
        assert seen.outside == []


def test_a_fault_would_be_found(browser: Browser) -> None:
    page = browser.new_page()
    page.set_content("<div class='jp-RenderedMarkdown'><img src='x.png'><p style='color:#ccc'>pale</p></div>")
    rules = {one.split()[0] for one in faults(page)}
    page.close()
    assert rules >= {"image-alt", "color-contrast"}


def _screenshot_of_the_widget(page: Page, lab: driver.Lab, slug: str) -> None:
    folder = driver.ROOT / ".build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    page.locator(".crmkit-explorer").first.screenshot(path=folder / f"widget_{slug[:2]}_{lab.language}.png")
