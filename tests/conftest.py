"""What all test folders share: a cache of their own, and folders of videos to play."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from natural_mujoco import Task
from natural_mujoco.errors import RenderingError
from natural_mujoco.rendering.gl import choose_backend

from .clips import write_footage, write_plain_clips
from .kept_environments import KeptEnvironments

if TYPE_CHECKING:
    from selenium.webdriver.chrome.webdriver import WebDriver


def pytest_configure(config: pytest.Config) -> None:
    """Gives the whole run, workers of xdist included, an empty cache and one way to draw, unless the caller did.

    Ctrl-C is to arrive too: a shell starts what it puts in the background with SIGINT ignored, and so for every child.
    `nohup` does the same with SIGHUP.
    """
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if "NATURAL_MUJOCO_HOME" not in os.environ:
        home = tempfile.mkdtemp(prefix="natural-mujoco-tests-")
        os.environ["NATURAL_MUJOCO_HOME"] = home
        config.add_cleanup(functools.partial(shutil.rmtree, home, ignore_errors=True))
    # Clips are prepared in the background where a test says so.
    os.environ.setdefault("NATURAL_MUJOCO_PREPARE_AHEAD", "0")
    # TorchRL imports mujoco, whose own renderer reads this when it is imported and then stays with it.
    with contextlib.suppress(RenderingError):
        choose_backend()


@pytest.fixture
def no_child_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test that leaves child processes, zombies included, unless it shares its module's `envs`."""
    known = set(psutil.Process().children(recursive=True))
    yield
    if "envs" not in request.fixturenames:
        assert set(psutil.Process().children(recursive=True)) <= known


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Small networks gain nothing from more threads, which wait for each other on a busy machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder of real videos: two train clips and two test clips."""
    return write_footage(tmp_path_factory.mktemp("videos") / "footage")


@pytest.fixture(scope="session")
def plain_clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of clips of one colour each: train `black`, `blue`, `green`, `red`, `white`, test `grey`."""
    return write_plain_clips(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def keep(task: Task) -> Iterator[KeptEnvironments]:
    """Makes the environments of the module's `task`, or gives those that an earlier test made."""
    kept = KeptEnvironments()
    yield kept
    kept.close()


@pytest.fixture
def make() -> Iterator[KeptEnvironments]:
    """Makes environments for one test."""
    kept = KeptEnvironments()
    yield kept
    kept.close()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    """A started browser that logs what pages request and complain of."""
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    assert None not in (browser, driver), "no Chromium: on Debian `apt-get install chromium chromium-driver`"
    options = Options()
    options.binary_location = str(browser)
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
                     "--disable-component-update", "--disable-sync", "--no-first-run", "--disable-dev-shm-usage",
                     f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with webdriver.Chrome(options, Service(driver, env={**os.environ, "NO_PROXY": "*"})) as started:
        started.execute_cdp_cmd("Network.enable", {})
        yield started
