"""Following a page: its commands are executed one after the other, in this process, from an empty folder.

What takes long is made short, and nothing else is changed: trainings are over at once, evaluations have two episodes of
one task, and where a page names a shipped video set there are a few small clips.
"""

from __future__ import annotations

import glob
import importlib
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from agents.table import AGENTS
from agents.training.command_line import main as train
from natural_mujoco.cli import main as natural_mujoco

from .code_blocks import blocks, commands

Follow = Callable[[str], dict[str, object]]

# What is put behind a command: of flags that are there twice, the last counts.
SHORTER = {
    "natural-mujoco evaluate": "--workers 1",
    "natural-mujoco preview": "--steps 2 --render-size 64",
    "natural-mujoco episodes": "--episodes 4 --action-repeat 20",
    "python examples/ppo.py": "--task cartpole-swingup --steps 64 --num-envs 1 --horizon 16",
    "python examples/stable_baselines3_ppo.py": "--steps 16 --num-envs 1 --horizon 16",
    "python examples/torchrl_rollout.py": "--steps 3 --num-envs 1",
    "python examples/probe_encoder.py": "--steps 60",
}
TRAINING = (
    "--steps 160 --num-envs 1 --threads 1 --device cpu --replay.capacity 500 --training.prefill 80 "
    "--training.train-every 40 --training.batch-size 2 --training.batch-length 4 --training.warmup-updates 0 "
    "--training.updates-per-1000-steps 13 --training.evaluate-every 0"
)
LATENT = "--model.encoder-depth 2 --behaviour.horizon 3"
SMALLER = {
    **dict.fromkeys(("cvrl", "dreamer", "repo"), LATENT),
    "sac": "--encoder-depth 2",
    "ppo": "--channels 2 2 4 4 --rollout 10",
    **dict.fromkeys(("drqv2", "distil"), "--channels 2 2 4 4"),
}
SETS = ("embedded", "embedded-256", "ilsvrc-vid")


def follow_commands(page: Path, videos: Path | None = None) -> dict[str, object]:
    """Executes the commands of a page that claim to be executable; what its scripts gave back, by their names.

    `videos` takes the place of the shipped sets.
    """
    results = {}
    for block in blocks(page):
        if block.kind == "bash" and block.executed:
            for words in commands(block):
                results |= execute(words, videos)
    return results


def execute(words: list[str], videos: Path | None = None) -> dict[str, object]:
    """One command, shortened; what a script gave back, by its name."""
    if videos is not None:
        words = [str(videos) if word in SETS else word for word in words]
    shorter = shlex.split(SHORTER.get(" ".join(words[:2]), ""))
    if words[0] == "natural-mujoco":
        if words[1] == "evaluate":
            of_a_run = words[words.index("--policy") + 1].startswith("runs/")
            shorter += [] if videos is None else ["--videos", str(videos)]
            shorter += [] if of_a_run else ["--tasks", "cartpole-swingup"]
            if "--quick" not in words:  # which decides both, and whose two episodes are continued
                begun = Path(words[words.index("--out") + 1]).exists()
                shorter += ["--conditions", "natural-test", "--episodes", "2" if begun else "1"]
        if words[1] == "preview" and "--policy" in words:  # trained above, on another task
            words = ["cartpole-swingup" if word == "walker-walk" else word for word in words]
        if "--replay" in words:
            shorter += [] if videos is None else ["--videos", str(videos)]
        assert natural_mujoco([*_expanded(words[1:]), *shorter]) == 0, words
        return {}
    assert words[0] == "python"
    if words[1] != "-m":
        script = Path(words[1])
        assert script.parts[0] == "examples", words
        return {script.stem: importlib.import_module(f"examples.{script.stem}").main(words[2:] + shorter)}
    module = words[2]
    agent = module.removeprefix("agents.")
    shorter = shlex.split(SHORTER.get(module, ""))
    if agent in AGENTS:
        shorter = shlex.split(f"{TRAINING} {SMALLER[agent]}")
        assert train(agent, words[3:] + shorter) == 0, words
    else:
        sys.argv = [module, *words[3:], *shorter]
        assert not importlib.import_module(module).main(), words
    return {}


def _expanded(words: list[str]) -> list[str]:
    """Patterns of files as a shell expands them."""
    return [found for word in words for found in (sorted(glob.glob(word)) if "*" in word else []) or [word]]
