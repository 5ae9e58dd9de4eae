"""The blocks of an evaluation: ten episodes at a time, each with its own environment and seed.

- `Block`: up to ten episodes of one policy, task and condition; the unit of scheduling.
- `Stage`: the environments of a task and condition, kept from block to block.
- `play`: plays a block with the loop in `episodes` and returns its records.

Records must not depend on how the work is divided. Therefore an episode's number alone decides its block and row, the
policy always gets all ten rows (rows that are not played are black), and it is reset for every block. Neither the
number of workers nor the episodes finished before a resume change what the policy computes.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Any

import gymnasium as gym
import numpy as np

import natural_mujoco  # noqa: F401  (registers the ids)

from .. import batched
from ..backgrounds.library import open_videos
from ..errors import VideoSetError
from ..options import Renderer
from .conditions import SIZE, Condition, environment_spec, video_split
from .episodes import Environments, Moment, play_episodes
from .guarded import Guarded
from .policy_loading import load_policy
from .policy_source import PolicySource
from .protocol import Policy
from .records import Episode, Results, VideoSet

BLOCK = 10
"""Rows of a block, and so of the observations that a policy gets."""


@dataclass(frozen=True)
class Block:
    """A block of episodes. `seeds` are the seeds of all its rows, `wanted` the rows to play now."""

    source: PolicySource
    task: str
    condition: Condition
    training_seed: int
    seeds: tuple[int, ...]
    wanted: tuple[int, ...]
    videos: str
    video_set: VideoSet | None
    renderer: Renderer = "opengl"

    @classmethod
    def of(
        cls,
        results: Results,
        source: PolicySource,
        cell: tuple[str, Condition, int],
        seeds: tuple[int, ...],
        wanted: tuple[int, ...],
        videos: str,
    ) -> Block:
        """A block of a `cell` (task, condition, training seed), with the video set and the renderer of `results`."""
        return cls(source, *cell, seeds, wanted, videos, results.video_set, results.protocol.renderer)

    def __str__(self) -> str:
        return f"{self.task}, {self.condition}, training seed {self.training_seed}"

    @property
    def scene(self) -> tuple[object, ...]:
        """Everything that decides the environments; blocks with the same scene can use the same ones."""
        source = self.source
        return self.task, self.condition, self.videos, source.action_repeat, source.looks, self.renderer


class Watch:
    """Callbacks by which `play` reports what it is doing, so that a hung policy is noticed. These do nothing."""

    def enter(self, phase: str) -> None:
        """Called when a phase begins: `loading`, `environment` or `policy`."""

    def step(self, steps: int) -> None:
        """Called with the number of agent steps that are done."""


class Stage:
    """The environments of one task and condition, and the policy that acts in them, reused from block to block."""

    def __init__(self) -> None:
        self._key: object = None
        self._envs: list[gym.Env[Any, Any]] = []
        self._together: gym.vector.VectorEnv[Any, Any, Any] | None = None
        self._policy_key: object = None
        self._policy: Policy | None = None

    def __enter__(self) -> Stage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def environments(self, block: Block, count: int) -> Environments:
        """`count` environments for `block`. Raises `VideoSetError` if this machine has other videos than the block."""
        if block.scene != self._key:
            self.close()
            self._key = block.scene
            if block.video_set is not None and block.condition != "standard":
                _require_same_videos(block.videos, block.video_set)
        env_id, kwargs = environment_spec(
            block.task, block.condition, block.videos, block.source.action_repeat
        )
        if not block.source.looks:
            kwargs["rendering"] = "fast"  # full quality takes most of the time, and these pixels are not used
        if block.renderer == "warp":
            return self._batched(block, count, kwargs)
        while len(self._envs) < count:
            self._envs.append(gym.make(env_id, disable_env_checker=True, **kwargs))
        return self._envs[:count]

    def _batched(self, block: Block, count: int, kwargs: dict[str, Any]) -> Environments:
        if self._together is None or self._together.num_envs != count:
            if self._together is not None:
                self._together.close()
            variant = "standard" if video_split(block.condition) is None else "natural"
            device, _ = batched.best_device()
            self._together = batched.to_numpy(batched.make(block.task, variant, count, device, **kwargs))
        return self._together

    def policy(self, block: Block, action_size: int) -> Policy:
        """The block's policy. Raises `PolicyError` if it cannot be loaded."""
        key = (block.source, block.task)
        if key != self._policy_key:
            self._policy, self._policy_key = load_policy(block.source, block.task, action_size), key
        assert self._policy is not None
        return self._policy

    def close(self) -> None:
        """Frees the environments."""
        for env in (*self._envs, self._together):
            if env is not None:
                env.close()
        self._envs, self._together, self._key = [], None, None


def play(block: Block, stage: Stage | None = None, watch: Watch | None = None) -> list[Episode]:
    """Plays the wanted episodes of `block` and returns their records.

    Raises `PolicyError` if the policy raises or returns anything but finite `float32[10, A]`.
    """
    if stage is None:
        with Stage() as own:
            return play(block, own, watch)
    watch = watch or Watch()
    watch.enter("environment")
    envs = stage.environments(block, len(block.wanted))
    one: Any = envs if isinstance(envs, gym.vector.VectorEnv) else envs[0].unwrapped
    space = one.single_action_space if isinstance(envs, gym.vector.VectorEnv) else one.action_space
    action_size = int(np.prod(space.shape))
    watch.enter("loading")
    policy = stage.policy(block, action_size)
    watch.enter("environment")
    guarded = Guarded(policy, block.source.name, str(block), (BLOCK, action_size), watch.enter)

    if block.source.privileged == "state":
        assert not isinstance(envs, gym.vector.VectorEnv)  # checked by `plan.prepare`
        by_row = dict(zip(block.wanted, envs, strict=True))
        policy.attach([by_row.get(row) for row in range(BLOCK)])  # type: ignore[attr-defined]

    def count(moment: Moment) -> None:
        if moment.actions is not None:
            watch.step(len(moment.running))

    played = play_episodes(guarded, envs, block.seeds, block.wanted, count)
    library = one.video_library
    return [
        Episode.model_validate(
            {
                "task": block.task,
                "condition": block.condition,
                "training_seed": block.training_seed,
                "episode_seed": episode.seed,
                # Rounded to six digits, since sums of floats differ in the last bit between processors.
                "return": round(episode.return_, 6),
                "length": episode.length,
                "video": episode.video,
                "frame": episode.frame,
                "frames_sha256": library and library.unpinned_hash(episode.video, SIZE),
            }
        )
        for episode in played
    ]


def _require_same_videos(videos: str, expected: VideoSet) -> None:
    found = open_videos(videos).content_hash
    if found != expected.manifest_hash:
        raise VideoSetError(
            f"The video set {expected.name} is not the same on this machine ({found[:12]}…) as where the evaluation "
            f"was started ({expected.manifest_hash[:12]}…). Prepare the same set on every machine."
        )
