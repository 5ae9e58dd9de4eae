"""What a config.json meant that an earlier version wrote: the settings of a run are those it was started with."""

from __future__ import annotations

from typing import Any

FORMAT = 2  # of config.json; files of format 1 do not name it
# They changed how fast a run was, or were never on by default.
_RETIRED = ("graph", "tf32", "overlap")


def upgraded(config: dict[str, Any], agent: str, written: object) -> dict[str, Any]:
    """The section `config` of a config.json of the format `written`, in today's terms.

    Format 1 knew the discount of an agent step, and today's is of two control steps; its weights were drawn as PyTorch
    does. What is not as any version wrote it stays as it is, for whoever checks it.
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
