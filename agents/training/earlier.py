"""Upgrades the config.json of earlier versions, so that a run keeps the settings with which it was started."""

from __future__ import annotations

from typing import Any

FORMAT = 2  # of config.json; files of format 1 do not name it
# They changed how fast a run was, or were never on by default.
_RETIRED = ("graph", "tf32", "overlap")


def upgraded(config: dict[str, Any], agent: str, written: object) -> dict[str, Any]:
    """The section `config` of a config.json of the format `written`, in today's terms.

    In format 1 the discount was that of an agent step, today it is that of two control steps; and weights were
    initialised as PyTorch does. Anything that no version wrote is left unchanged, for the caller to check.
    """
    config = {k: dict(v) if isinstance(v, dict) else v for k, v in config.items()}
    for name in _RETIRED:
        _section(config, "training").pop(name, None)
    if _section(config, "replay").get("storage") == "device":
        config["replay"]["storage"] = "mapped"  # the same files
    if (isinstance(written, int) and written >= FORMAT) or agent == "ppo":
        return config
    repeat = _section(config, "environment").get("action_repeat")
    if not isinstance(repeat, int) or repeat < 1:
        return config
    for section in (config, _section(config, "behaviour")):
        discount = section.get("discount")
        if isinstance(discount, (int, float)) and 0 <= discount <= 1:
            section["discount"] = discount ** (2 / repeat)
    if "behaviour" in config:
        config["initialisation"] = "torch"
    return config


def _section(config: dict[str, Any], name: str) -> dict[str, Any]:
    found = config.get(name)
    return found if isinstance(found, dict) else {}
