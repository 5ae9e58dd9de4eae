"""What tests do with the fixture `chromium`, a real browser.

- `look`: the size and the colours that the page is shown with.
- `requested`: what the pages have asked for since the last look at the log.
"""

from __future__ import annotations

import json

from selenium.webdriver.chrome.webdriver import WebDriver


def look(chromium: WebDriver, width: int, scheme: str) -> None:
    """Shows pages `width` pixels wide and in the `scheme` `"light"` or `"dark"`."""
    metrics = {"width": width, "height": 850, "deviceScaleFactor": 1, "mobile": width < 600}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


def requested(chromium: WebDriver) -> set[str]:
    """The addresses that pages have requested since this was last called, data and blank pages aside."""
    messages = [json.loads(entry["message"])["message"] for entry in chromium.get_log("performance")]
    urls = {m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"}
    return {url for url in urls if not url.startswith(("data:", "about:"))}
