"""What a learner sees and does: the course in JupyterLab, in a real Chromium, in both languages."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import lab as driver
import pytest
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser
SCREENSHOTS = driver.ROOT / ".build" / "screenshots"
FIRST_MENU = {"ja": "ファイル", "en": "File"}
SLOWEST_MS = 1000  # the promise is 200 ms in median on a quiet machine (bench measures it); this only catches a stall


@pytest.fixture
def index(browser: Browser, lab: driver.Lab) -> Iterator[driver.Visit]:
    with driver.visit(browser, lab.address, lab.language) as seen:
        seen.page.wait_for_selector(f".jp-MarkdownViewer a[href*='{driver.LESSON}']")
        yield seen


@pytest.fixture(scope="module")
def opened(browser: Browser, lab: driver.Lab) -> Iterator[driver.Visit]:
    """The lesson in JupyterLab, run from top to bottom: once in each language, since that takes ten seconds."""
    with driver.visit(browser, lab.lesson(), lab.language) as seen:
        driver.open_lesson(seen.page)
        yield seen


@pytest.fixture
def lesson(opened: driver.Visit) -> driver.Visit:
    """The same lesson with its widget as it was before anybody touched it."""
    driver.reset(opened.page)
    return opened


def test_the_index_opens_rendered_with_both_languages(index: driver.Visit, lab: driver.Lab) -> None:
    page = index.page
    expect(page.locator(".lm-MenuBar-itemLabel").first).to_have_text(FIRST_MENU[lab.language])
    shown = page.locator(".jp-MarkdownViewer").inner_text()
    assert "日本語" in shown
    assert "English" in shown
    for language in ("ja", "en"):
        assert page.locator(f".jp-MarkdownViewer a[href*='{language}/{driver.LESSON}']").count(), language
    _screenshot(page, lab, "index")
    _assert_clean(index)


def test_a_link_of_the_index_opens_the_lesson(index: driver.Visit, lab: driver.Lab) -> None:
    page = index.page
    # JupyterLab turns the links of a preview into its own a moment after it is drawn; before that they lead nowhere.
    page.locator(f".jp-MarkdownViewer a[href*='/{lab.language}/{driver.LESSON}.ipynb']").first.click()
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell")
    opened = page.evaluate("jupyterapp.shell.currentWidget.context.path")
    assert opened == f"notebooks/{lab.language}/{driver.LESSON}.ipynb"
    _assert_clean(index)


def test_the_lesson_runs_predicts_moves_and_resets(lesson: driver.Visit, lab: driver.Lab) -> None:
    page = lesson.page
    assert page.evaluate(driver.CELL_ERRORS) == []
    locked = driver.summary(page)
    _screenshot(page, lab, "lesson_locked")

    _tab_to(page, "prediction")
    page.keyboard.press("Control+a")
    page.keyboard.type("50")
    _tab_to(page, "predict")
    page.keyboard.press("Space")
    driver.wait_for_another_summary(page, locked)
    result, picture = driver.summary(page), _picture(page)
    _screenshot(page, lab, "lesson_result")

    _tab_to(page, "slider")
    handle = page.locator(driver.HANDLE).first
    start = handle.get_attribute("aria-valuetext")
    key = "ArrowLeft" if driver.at_the_end(handle) else "ArrowRight"
    for _ in range(3):
        page.keyboard.press(key)
    driver.wait_for_another_summary(page, result)
    page.wait_for_timeout(500)  # the later key presses are still on their way to the kernel and back
    assert _picture(page) != picture
    assert handle.get_attribute("aria-valuetext") != start
    _screenshot(page, lab, "lesson_moved")

    _tab_to(page, "reset")
    page.keyboard.press("Enter")
    expect(handle).to_have_attribute("aria-valuetext", start or "")
    _screenshot(page, lab, "lesson_reset")
    assert page.evaluate(driver.CELL_ERRORS) == []
    _assert_clean(lesson)


def test_the_result_stays_locked_until_it_is_predicted_or_skipped(lesson: driver.Visit) -> None:
    page = lesson.page
    locked = driver.summary(page)
    page.locator(driver.HANDLE).first.press("ArrowRight")
    page.wait_for_timeout(1500)
    assert driver.summary(page) == locked
    driver.unlock(page)


OWN_DATA = "16_your_own_data"
SET_FILE = """file => {
    const cells = jupyterapp.shell.currentWidget.content.model.sharedModel.cells;
    const cell = [...cells].find(one => one.getSource().includes('MY_FILE = None'));
    cell.setSource(cell.getSource().replace('MY_FILE = None', `MY_FILE = ${JSON.stringify(file)}`));
}"""


def test_a_file_of_ones_own_goes_from_its_path_to_a_report(browser: Browser, lab: driver.Lab, tmp_path: Path) -> None:
    """Lesson 16: try a wrong column, put a path in, run all, and read the report's chapters."""
    visits = [
        "会員番号,来店日,お会計",
        *(f"K{n % 40},2025年{n % 12 + 1}月{n % 27 + 1}日,{3000 + n}円" for n in range(400)),
    ]
    (tmp_path / "my_shop.csv").write_bytes("\r\n".join(visits).encode("cp932"))
    with driver.visit(browser, lab.lesson(OWN_DATA), lab.language) as seen:
        page = seen.page
        driver.open_lesson(page)
        driver.unlock(page)
        right = driver.summary(page)
        page.locator(".crmkit-explorer select").nth(1).select_option(index=1)
        driver.wait_for_another_summary(page, right)
        page.wait_for_timeout(1000)
        _screenshot(page, lab, "own_data_wrong_column")
        page.evaluate(SET_FILE, str(tmp_path / "my_shop.csv"))
        page.evaluate(driver.RUN_ALL, driver.KERNEL_MS)
        written = page.evaluate("""() => [...jupyterapp.shell.currentWidget.content.model.sharedModel.cells]
            .filter(cell => cell.cell_type === 'code').map(cell => JSON.stringify(cell.getOutputs())).join(' ')""")
        assert "my_shop.csv" in written
        assert "2025-01-01" in written
        assert {"ja": "データの状態", "en": "Health of the data"}[lab.language] in written
        page.locator("text=my_shop.csv").first.scroll_into_view_if_needed()
        _screenshot(page, lab, "own_data_account")
        assert page.evaluate(driver.CELL_ERRORS) == []
        _assert_clean(seen)


def test_every_picture_says_in_words_what_it_shows(lesson: driver.Visit) -> None:
    page = lesson.page
    driver.unlock(page)
    # ipywidgets has no `alt`; the title is what screen readers fall back to.
    silent = page.evaluate("""() => [...document.querySelectorAll('.jp-Notebook img')]
        .filter(image => !image.alt.trim() && !image.title.trim()).map(image => image.outerHTML.slice(0, 200))""")
    assert silent == []
    said = page.locator(driver.PICTURE).first.evaluate("image => image.alt || image.title")
    assert said.split() == driver.summary(page).split()


def test_every_control_is_reached_without_a_mouse(lesson: driver.Visit) -> None:
    page = lesson.page
    page.evaluate("""() => {
        const notebook = jupyterapp.shell.currentWidget.content;
        notebook.activeCellIndex = 0;
        notebook.mode = 'command';
        notebook.activate();
    }""")
    locked = driver.summary(page)
    for control in ("prediction", "predict", "skip"):
        _tab_to(page, control)
    page.keyboard.press("Enter")
    driver.wait_for_another_summary(page, locked)
    for control in ("twin", "slider", "reset"):
        _tab_to(page, control)


def test_a_key_soon_shows_in_the_picture(lesson: driver.Visit, capsys: pytest.CaptureFixture[str]) -> None:
    driver.unlock(lesson.page)
    times = sorted(driver.slider_times(lesson.page, presses=8))
    with capsys.disabled():
        print(f" key to picture: median {times[len(times) // 2]:.0f} ms, worst {times[-1]:.0f} ms", end=" ")
    assert times[len(times) // 2] < SLOWEST_MS
    _assert_clean(lesson)


def test_the_kernel_speaks_the_language_of_the_menus(lesson: driver.Visit, lab: driver.Lab) -> None:
    code = "import crmkit.texts; print(crmkit.texts.language())"
    said = lesson.page.evaluate(
        """async (code) => {
            let said = '';
            const running = jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute({code});
            running.onIOPub = message => { said += message.content.text || '' };
            await running.done;
            return said.trim();
        }""",
        code,
    )
    assert said == lab.language


def test_the_server_ends_with_the_command() -> None:
    with driver.running_lab("en") as lab:
        address = lab.address
        assert driver.stop(lab.process) == 0
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", urlsplit(address).port), 5):
        pass


def _picture(page: Page) -> str | None:
    return page.locator(driver.PICTURE).first.get_attribute("src")


def _tab_to(page: Page, control: str) -> None:
    """Press Tab until the focus is in this control; a learner without a mouse has no other way."""
    for _ in range(150):
        if page.evaluate(f"!!document.activeElement.closest('.crmkit-explorer .crmkit-{control}')"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not reach .crmkit-{control}")


def _assert_clean(seen: driver.Visit) -> None:
    """No error in the browser's console, and nothing asked of any other machine."""
    assert seen.errors == []
    assert seen.outside == []


def _screenshot(page: Page, lab: driver.Lab, what: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{lab.language}_{what}.png")
