"""The site in a real Chromium: from the disk, with keys, in the dark, on a phone, and without asking anybody."""

from __future__ import annotations

from pathlib import Path

import pytest
from selenium.common.exceptions import NoAlertPresentException
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from natural_mujoco.evaluation.conditions import TASK_NAMES
from natural_mujoco.evaluation.records import Results
from natural_mujoco.leaderboard.site import build_site
from tests.evaluation.made_up import make_results

from ..browser import look, requested

EVIL = "<script>alert(1)</script>"
ENTRIES = [("CVRL", 0.8), (EVIL, 0.5), ("Dreamer", 0.3), ("SAC", 0.2)]


@pytest.fixture(scope="module")
def entries() -> list[Results]:
    made = [make_results(name, level, curves=name == "CVRL") for name, level in ENTRIES]
    return [*made, make_results("Elsewhere", 0.6, videos="ilsvrc-vid-mini")]


@pytest.fixture(scope="module")
def site(entries: list[Results], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("browser") / "site"
    build_site([(Path("results.json"), results) for results in entries], out)
    return out


@pytest.fixture
def page(chromium: WebDriver, site: Path) -> WebDriver:
    """The overview, fresh, on a wide and light screen."""
    look(chromium, 1280, "light")
    chromium.get("about:blank")
    chromium.get_log("performance")
    chromium.get_log("browser")
    chromium.get((site / "index.html").as_uri())
    return chromium


def names(page: WebDriver) -> list[str]:
    """Entries in the visible table, top to bottom."""
    script = """
        const view = document.querySelector("section.view:not([hidden])");
        return Array.from(view.querySelectorAll("table.entries tbody tr:not([hidden]) th"))
            .map(head => head.firstChild.textContent.trim());
    """
    found: list[str] = page.execute_script(script)
    return found


def heading(page: WebDriver, text: str) -> object:
    return page.find_element(By.XPATH, f"//section[not(@hidden)]//thead//button[normalize-space()='{text}']")


def numbers(page: WebDriver, column: int) -> list[float]:
    script = """
        const view = document.querySelector("section.view:not([hidden])");
        return Array.from(view.querySelectorAll("table.entries tbody tr.measured:not([hidden])"))
            .map(row => Number(row.cells[arguments[0]].dataset.v));
    """
    found: list[float] = page.execute_script(script, column)
    return found


def test_nothing_is_requested_but_the_page_and_nothing_is_complained_of(page: WebDriver, site: Path) -> None:
    for path in [site / "index.html", *(site / "entries").glob("*.html")]:
        page.get(path.as_uri())
        page.execute_script("window.scrollTo(0, document.body.scrollHeight)")
    assert requested(page) == {
        path.as_uri() for path in [site / "index.html", *(site / "entries").glob("*.html")]
    }
    assert page.get_log("browser") == []


def test_an_entry_called_script_is_text(page: WebDriver) -> None:
    assert EVIL in names(page)
    page.find_element(By.LINK_TEXT, EVIL).click()
    assert page.find_element(By.TAG_NAME, "h1").text == EVIL
    with pytest.raises(NoAlertPresentException):
        page.switch_to.alert  # noqa: B018


def test_a_script_that_slipped_in_would_not_run(page: WebDriver) -> None:
    page.execute_script("""
        const script = document.createElement("script");
        script.textContent = "document.title = 'taken over'";
        document.body.append(script);
    """)
    assert page.title != "taken over"
    assert any("Content Security Policy" in entry["message"] for entry in page.get_log("browser"))


def test_tables_are_sorted_by_click_and_by_key(page: WebDriver) -> None:
    assert names(page) == ["CVRL", EVIL, "Dreamer", "SAC", "zero", "random", "expert"]
    column = 9 + TASK_NAMES.index("finger-spin")
    heading(page, "finger-spin").click()  # type: ignore[attr-defined]
    falling = numbers(page, column)
    assert falling == sorted(falling, reverse=True)
    heading(page, "finger-spin").send_keys(Keys.ENTER)  # type: ignore[attr-defined]
    assert numbers(page, column) == sorted(falling)
    assert set(names(page)[-3:]) == {"zero", "random", "expert"}
    heading(page, "Entry").click()  # type: ignore[attr-defined]
    assert names(page)[:4] == sorted((name for name, _ in ENTRIES), key=str.lower)
    sorted_by = page.find_elements(By.CSS_SELECTOR, "section:not([hidden]) th[aria-sort]")
    assert [(head.text.strip(), head.get_attribute("aria-sort")) for head in sorted_by] == [
        ("Entry", "ascending")
    ]


def test_tables_are_filtered(page: WebDriver) -> None:
    search = page.find_element(By.CSS_SELECTOR, "section:not([hidden]) input[type=search]")
    search.send_keys("dream")
    assert names(page) == ["Dreamer"]
    assert page.find_element(By.CSS_SELECTOR, "section:not([hidden]) .count").text == "1 of 7 rows"
    search.send_keys(Keys.CONTROL, "a", Keys.DELETE)
    assert len(names(page)) == 7
    page.find_element(By.CSS_SELECTOR, "section:not([hidden]) input[data-kind=reference]").click()
    assert names(page) == ["CVRL", EVIL, "Dreamer", "SAC"]


def test_tabs_obey_the_arrow_keys_and_the_address(page: WebDriver, site: Path) -> None:
    def chosen() -> list[str]:
        tabs = page.find_elements(By.CSS_SELECTOR, '[role=tab][aria-selected="true"]')
        return [tab.text.replace("\n", ", ") for tab in tabs]

    assert chosen()[0].startswith("Natural, test videos, embedded")
    page.find_element(By.CSS_SELECTOR, '[role=tab][aria-selected="true"]').send_keys(Keys.END)
    assert chosen()[0].startswith("Elsewhere: standard pixels")
    for _ in range(3):
        page.switch_to.active_element.send_keys(Keys.ARROW_LEFT)
    assert chosen()[0].startswith("Natural, as published")
    assert names(page)[:3] == ["CVRL", "Dreamer", "SAC"]
    assert "Elsewhere" not in names(page)
    address = page.current_url
    page.switch_to.active_element.send_keys(Keys.ARROW_LEFT)
    assert chosen()[0].startswith("Standard")
    page.get("about:blank")
    page.get(address)
    assert chosen()[0].startswith("Natural, as published")
    assert len(page.find_elements(By.CSS_SELECTOR, "section.view:not([hidden])")) == 1


def test_every_plot_is_drawn_inside_the_page(page: WebDriver) -> None:
    tabs = page.find_elements(By.CSS_SELECTOR, "[role=tab]")
    for tab in tabs:
        tab.click()
        boxes = page.execute_script("""
            return Array.from(document.querySelectorAll("section.view:not([hidden]) figure svg"))
                .map(svg => [svg.getBoundingClientRect(), svg.querySelectorAll("path, rect").length,
                             svg.getBoundingClientRect().right <= document.documentElement.clientWidth]);
        """)
        assert len(boxes) >= 3
        for box, marks, inside in boxes:
            assert box["width"] > 150
            assert box["height"] > 50
            assert marks > 3
            assert inside


@pytest.mark.parametrize("width", [390, 768])
def test_small_screens_scroll_tables_and_never_the_page(page: WebDriver, site: Path, width: int) -> None:
    look(page, width, "light")
    for path in (site / "index.html", next((site / "entries").glob("cvrl-*.html"))):
        page.get(path.as_uri())
        assert page.execute_script("return document.scrollingElement.scrollWidth") <= width
        sizes = page.execute_script("""
            return Array.from(document.querySelectorAll("section.view:not([hidden]) figure svg text, figure svg text"))
                .filter(text => text.getBoundingClientRect().width)
                .map(text => text.getBoundingClientRect().height);
        """)
        assert min(sizes) > 8
    page.get((site / "index.html").as_uri())
    cut = page.execute_script("""
        const cells = Array.from(document.querySelectorAll("table.leaders td"));
        const edge = document.documentElement.clientWidth;
        return [cells.length, cells.filter(cell => cell.getBoundingClientRect().right > edge).length];
    """)
    assert cut[0] > 0
    if width == 390:
        assert cut[1] == 0, "lead, seeds and cost are read without scrolling"


LUMINANCE = """
    const seen = getComputedStyle(arguments[0])[arguments[1]];
    const canvas = document.createElement("canvas").getContext("2d");
    canvas.fillStyle = seen;
    canvas.fillRect(0, 0, 1, 1);
    return Array.from(canvas.getImageData(0, 0, 1, 1).data.slice(0, 3));
"""


def contrast(page: WebDriver, a: list[int], b: list[int]) -> float:
    """The contrast ratio of WCAG 2."""

    def luminance(colour: list[int]) -> float:
        linear = [
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in colour)
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    lighter, darker = sorted((luminance(a), luminance(b)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_themes_can_be_read(page: WebDriver, site: Path, scheme: str) -> None:
    look(page, 1280, scheme)
    page.get((site / "index.html").as_uri())
    card = page.execute_script(LUMINANCE, page.find_element(By.TAG_NAME, "figure"), "backgroundColor")
    assert (sum(card) > 600) == (scheme == "light")
    for css in (".note", "tbody td small", "tbody th a", ".lead", "figure h3"):
        text = page.execute_script(LUMINANCE, page.find_element(By.CSS_SELECTOR, f"section:not([hidden]) {css}, {css}"),
                                   "color")  # fmt: skip
        assert contrast(page, text, card) >= 4.5, css
    colours = [
        c for c in range(6) if page.find_elements(By.CSS_SELECTOR, f"section:not([hidden]) g.c{c} .mark")
    ]
    assert len(colours) == 4
    for colour in colours:
        mark = page.find_element(By.CSS_SELECTOR, f"section:not([hidden]) g.c{colour} .mark")
        assert contrast(page, page.execute_script(LUMINANCE, mark, "fill"), card) >= 3, colour


def test_the_theme_can_be_chosen_and_is_kept(page: WebDriver) -> None:
    def background() -> str:
        return str(page.execute_script("return getComputedStyle(document.body).backgroundColor"))

    light = background()
    button = page.find_element(By.CSS_SELECTOR, ".theme")
    assert button.text == "Dark colours"
    button.send_keys(Keys.SPACE)
    dark = background()
    assert dark != light
    page.refresh()
    assert background() == dark
    page.find_element(By.CSS_SELECTOR, ".theme").click()
    assert background() == light
    page.execute_script("localStorage.clear()")


def test_all_controls_are_reached_by_tab(page: WebDriver) -> None:
    """From the top: the skip link, the theme, the leaders, one stop for the tabs, then the table's controls."""
    stops = []
    for _ in range(24):
        page.switch_to.active_element.send_keys(Keys.TAB)
        stops.append(
            page.execute_script("const e = document.activeElement; return e.className || e.role || e.type;")
        )
    assert (stops[:2], stops.count("tab")) == (["skip", "theme"], 1)
    assert {"search", "checkbox", "scroll"} <= set(stops[stops.index("tab") :])
    outline = page.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"


def test_pointing_at_an_entry_marks_it_in_every_plot(page: WebDriver) -> None:
    page.execute_script("""
        const row = document.querySelector("section:not([hidden]) tr.measured");
        row.dispatchEvent(new PointerEvent("pointerover", {bubbles: true}));
    """)
    marked = page.find_elements(By.CSS_SELECTOR, "section:not([hidden]) svg .hot")
    # Four aggregates, ten tasks, the profile and the scatter.
    assert len(marked) == 16


def test_an_entrys_episodes_can_be_chosen_and_sorted(
    page: WebDriver, site: Path, entries: list[Results]
) -> None:
    page.get(next((site / "entries").glob("cvrl-*.html")).as_uri())
    Select(page.find_element(By.ID, "episode-task")).select_by_visible_text("reacher-easy")
    Select(page.find_element(By.ID, "episode-condition")).select_by_visible_text("natural-train")
    expected = [e for e in entries[0].episodes if e.task == "reacher-easy" and e.condition == "natural-train"]

    def rows() -> list[list[str]]:
        script = """return Array.from(document.querySelectorAll("#episode-table tbody tr"))
            .map(row => Array.from(row.cells, cell => cell.textContent));"""
        found: list[list[str]] = page.execute_script(script)
        return found

    assert rows() == [
        [str(e.training_seed), str(e.episode_seed), f"{e.return_:.1f}", "1000", f"{e.video}, frame {e.frame}"]
        for e in expected
    ]
    page.find_element(By.XPATH, "//table[@id='episode-table']//button[text()='Return']").click()
    returns = [float(row[2]) for row in rows()]
    assert returns == sorted(returns, reverse=True)
    assert len(page.find_elements(By.CSS_SELECTOR, "svg.curves")) == len(TASK_NAMES)
