"""What a config.json meant that an earlier version wrote: the settings of a run are those it was started with."""

from __future__ import annotations

from typing import Any

FORMAT = 2  # of config.json; files of format 1 do not name it


def upgraded(data: dict[str, Any]) -> dict[str, Any]:
    """`data` of a config.json, {"agent", "config", "format"}, in today's terms.

    Format 1 knew the discount of an agent step, and today's is of two control steps; its weights were drawn as PyTorch
    does.
    """
    if data.get("format", 1) >= FORMAT or data["agent"] == "ppo":
        return data
    config = dict(data["config"])
    repeat = config["environment"]["action_repeat"]
    if "discount" in config:
        config["discount"] **= 2 / repeat
    if "behaviour" in config:
        behaviour = dict(config["behaviour"])
        behaviour["discount"] **= 2 / repeat
        config["behaviour"] = behaviour
        config["initialisation"] = "torch"
    return data | {"config": config}
