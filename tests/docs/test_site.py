"""The documentation site in a browser: from the disk, searched, on a phone, in the dark, and asking nobody."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

import natural_mujoco
from natural_mujoco import TASKS
from natural_mujoco.evaluation.published import PAPER_TASKS

from ..browser import look, requested
from .code_blocks import ROOT


def test_every_task_has_a_page_with_picture_units_and_scores(site: Path) -> None:
    for task in TASKS.values():
        page = (site / "tasks" / f"{task.name}.html").read_text()
        for wanted in (
            task.natural_id,
            task.standard_id,
            f"{task.name}.webp",
            "What 1 means".lower(),
            "random",
            *(["Ma et al."] if task.name in PAPER_TASKS else []),
        ):
            assert wanted in page, (task.name, wanted)


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    page = (site / "api.html").read_text()
    for public in natural_mujoco.__all__:
        assert f'id="natural_mujoco.{public}"' in page, public


def test_the_readmes_links_into_the_site_lead_somewhere(site: Path) -> None:
    links = re.findall(
        r"https://natural-mujoco\.github\.io/natural-mujoco/([^)#]*)", (ROOT / "README.md").read_text()
    )
    assert len(links) > 5
    for link in links:
        assert (site / (link or "index.html")).is_file(), link


def test_pages_ask_for_nothing_but_files_and_fit_a_phone(chromium: WebDriver, site: Path) -> None:
    look(chromium, 390, "light")
    chromium.get("about:blank")
    requested(chromium)
    chromium.get_log("browser")
    for path in sorted(site.rglob("*.html")):
        chromium.get(path.as_uri())
        width = chromium.execute_script("return document.scrollingElement.scrollWidth")
        assert width <= 390, path.relative_to(site)
    assert {url for url in requested(chromium) if not url.startswith("file://")} == set()
    assert [entry for entry in chromium.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_search_finds_an_error_from_the_disk(chromium: WebDriver, site: Path) -> None:
    look(chromium, 1280, "light")
    chromium.get((site / "search.html").as_uri() + "?q=EGL")
    # Results appear one after the other, as their pages are read.
    WebDriverWait(chromium, 60).until(
        lambda page: page.find_elements(
            By.CSS_SELECTOR, "#search-results ul.search li a[href*='rendering.html']"
        )
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_is_the_readers(chromium: WebDriver, site: Path, scheme: str) -> None:
    look(chromium, 1280, scheme)
    chromium.get((site / "index.html").as_uri())
    colour = chromium.execute_script("return getComputedStyle(document.body).backgroundColor")
    light = sum(int(part) for part in colour[4:-1].split(",")) > 380
    assert light == (scheme == "light"), colour
