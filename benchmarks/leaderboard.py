"""The statistics' and the site's speed and size, on made-up entries.

    python benchmarks/leaderboard.py [--entries 50] [--training-seeds 10]

1. Statistics of 20 entries × 10 tasks × 5 training seeds × 3 conditions with 50,000 bootstrap draws each: seconds
   (at most 5) and peak memory (at most 1 GB).
2. The site for 50 entries of 3,000 episodes each: seconds from files to pages (at most 10), megabytes (at most 5),
   and Chromium's first contentful paint of the overview (at most 1 s).

Processor seconds stand beside the wall clock's, which a busy machine stretches.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from natural_mujoco.evaluation.checking import load_entry
from natural_mujoco.evaluation.records import write_results
from natural_mujoco.evaluation.statistics import DRAWS, Bootstrap, aggregates, task_estimates
from natural_mujoco.leaderboard.site import build_site
from tests.evaluation.made_up import make_results


def statistics() -> None:
    """Aggregates and per-task estimates of a leaderboard's worth of scores."""
    scores = np.random.default_rng(0).uniform(0, 1, (20, 3, 10, 5))
    start, processor = time.perf_counter(), time.process_time()
    bootstrap = Bootstrap(10, 5)
    for entry in scores:
        for condition in entry:
            aggregates(condition, bootstrap)
            task_estimates(list(condition * 1000))
    seconds, processor = time.perf_counter() - start, time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"statistics: 60 × (10 × 5) scores, {DRAWS:,} draws: {seconds:.2f} s (≤ 5), {processor:.2f} s of processor; "
        f"peak {peak:.2f} GB (≤ 1)"
    )


def site(entries: int, training_seeds: int) -> None:
    """Files in, pages out, and what the browser makes of them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(entries):
            results = make_results(
                f"entry {number}",
                0.2 + 0.7 * number / entries,
                training_seeds=training_seeds,
                curves=number < 5,
            )
            write_results(folder / f"{number:02}.json", results)
        episodes = len(results.episodes)
        start, processor = time.perf_counter(), time.process_time()
        loaded = [(path, load_entry(path)) for path in sorted(folder.glob("*.json"))]
        read = time.perf_counter() - start
        written = build_site(loaded, folder / "site")
        seconds, processor = time.perf_counter() - start, time.process_time() - processor
        size = sum(path.stat().st_size for path in written) / 2**20
        print(f"site: {entries} entries × {episodes} episodes: {seconds:.1f} s (≤ 10), {processor:.1f} s of processor, "
              f"{read:.1f} s reading and checking; {size:.2f} MB (≤ 5), the overview "
              f"{written[0].stat().st_size / 2**20:.2f} MB")  # fmt: skip
        print("first paint in Chromium:", first_paint(written[0]))


def first_paint(page: Path) -> str:
    """Milliseconds to first contentful paint, the median of five fresh loads."""
    browser, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if not browser or not driver:
        return "no Chromium here"
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    with tempfile.TemporaryDirectory() as profile:
        quiet = ("background-networking", "component-update", "sync", "gpu")
        for argument in ("--headless=new", "--no-sandbox", "--no-first-run", f"--user-data-dir={profile}",
                         *(f"--disable-{what}" for what in quiet)):  # fmt: skip
            options.add_argument(argument)
        with webdriver.Chrome(options, Service(driver)) as chromium:
            paints = []
            for _ in range(5):
                chromium.get("about:blank")
                chromium.get(page.as_uri())
                paints.append(
                    chromium.execute_async_script("""
                        const done = arguments[0];
                        new PerformanceObserver((list) => {
                            const [paint] = list.getEntriesByName("first-contentful-paint");
                            if (paint) done(paint.startTime);
                        }).observe({type: "paint", buffered: true});
                    """)
                )
    return f"{np.median(paints):.0f} ms (≤ 1000; {', '.join(f'{p:.0f}' for p in paints)})"


def main() -> None:
    """Prints the figures, targets in brackets."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entries", type=int, default=50)
    parser.add_argument("--training-seeds", type=int, default=10, help="300 episodes each")
    args = parser.parse_args()
    statistics()
    site(args.entries, args.training_seeds)


if __name__ == "__main__":
    main()
