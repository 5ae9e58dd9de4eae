"""The environment: one of the ten tasks, seen in 64×64 pixels, standard or in front of video.

- `NaturalMujocoEnv`: the class behind all twenty ids.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

import cv2
import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.utils import seeding

from .arguments import parse_actions, parse_seed
from .backgrounds.library import VideoLibrary
from .errors import (
    ClosedEnvironmentError,
    InvalidArgument,
    NaturalMujocoError,
    ResetNeeded,
    unknown,
)
from .options import Matte, PlaybackMode, Rendering, Split
from .rendering.matting import Pixels
from .rendering.views import View, make_view
from .settings import Settings


class NaturalMujocoEnv(gym.Env[Pixels, npt.NDArray[np.float32]]):
    """A DeepMind Control task in pixels, as dm_control draws it or in front of natural video.

    Create it with `gymnasium.make`: an id and its keyword arguments define the environment completely.

    >>> import gymnasium as gym, natural_mujoco
    >>> env = gym.make("NaturalMujoco/WalkerWalk-v0", videos="embedded")
    >>> observation, info = env.reset(seed=0)
    >>> observation.shape, sorted(info["background"])
    ((64, 64, 3), ['frame', 'set', 'video'])

    **Observation** `uint8[size, size, 3]`, RGB. **Action** `float32[n]` in [-1, 1]; values outside are clipped, NaN
    raises. **Reward** the sum over `action_repeat` control steps. **Episode** 1000 control steps, then
    `truncated`; `terminated` follows dm_control's discount.

    **info**: `control_steps` (since the reset) and, on natural ids, `background`, a dict with `set`, `video` and
    `frame` of the background in this observation.

    **Seeding**: `reset(seed=s)` spawns two streams from `np.random.SeedSequence(s)`. The first seeds dm_control's
    `RandomState` (with `generate_state(1)[0]`), the second draws the background. They are independent, so that with
    the same seed a standard and a natural environment have the same physics. Later resets without a seed continue
    both streams.

    **reset options** (natural ids): `{"video": id, "frame": number}`, either or both, pin the background of
    this episode.

    Args:
        task: one of the ten, by id name or the paper's name (`"WalkerWalk"`, `"walker-walk"`).
        natural: whether video replaces the background and the floor.
        split: `"train"` or `"test"` videos (natural only).
        videos: a set's name, a manifest file, a folder of videos, or `"auto"`: `ilsvrc-vid` if it is prepared on this
            machine, else `embedded` with a warning. Resolved once, at construction, and reported in `info` (natural
            only).
        num_videos: use only the first `num_videos` training videos, in the order of their ids; by default all (natural
            only, `split="train"`).
        strength: how strongly the video shows, from 0 to 1, by default 1 (natural only). Observations are
            (1 - strength) · the standard id's + strength · the natural id's, rounded: at 0 they are the standard id's
            bit for bit, at 1 the natural id's. `rendering` applies to both; if it is left out, each has its own
            default.
        playback: `"loop"`, `"pingpong"` or `"still"` (natural only).
        matte: what is foreground: `"semantic"`, the robot and the task's objects, or `"paper"`, the pixels of the full
            render with red > 100, as in the paper's released code (natural only).
        size: height and width of observations in pixels, 1 to 1024.
        action_repeat: control steps per agent step, 1 to 1000.
        rendering: `"reference"`, dm_control's own quality (a standard observation is bit-identical to
            `physics.render(size, size, camera_id)`), or `"fast"`, without shadows and reflections. By default `"fast"`
            with the semantic matte, where only the foreground is drawn, and `"reference"` on standard ids and with
            `matte="paper"`, which need the full render.
        render_mode: `None` or `"rgb_array"`.
        render_size: height and width of `render()`'s picture in pixels, 1 to 2048.

    Raises:
        InvalidArgument: an invalid argument; the message lists the valid ones.
        VideoSetError: the videos cannot be used as they are.
        RenderingError: OpenGL is missing.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 25}  # noqa: RUF012  (Gymnasium's protocol)

    def __init__(
        self,
        task: str,
        natural: bool = True,
        *,
        split: Split | None = None,
        videos: str | os.PathLike[str] | None = None,
        num_videos: int | None = None,
        strength: float | None = None,
        playback: PlaybackMode | None = None,
        matte: Matte | None = None,
        size: int = 64,
        action_repeat: int = 2,
        rendering: Rendering | None = None,
        render_mode: str | None = None,
        render_size: int = 480,
    ) -> None:
        settings = Settings.check(
            task,
            natural,
            split=split,
            videos=videos,
            num_videos=num_videos,
            strength=strength,
            playback=playback,
            matte=matte,
            size=size,
            action_repeat=action_repeat,
            rendering=rendering,
            render_mode=render_mode,
            render_size=render_size,
        )
        self.task, self.natural = settings.task, settings.natural
        self.strength = settings.strength
        """How strongly the video shows, from 0 to 1."""
        self.size, self.action_repeat = settings.size, settings.action_repeat
        self.render_mode, self.render_size = settings.render_mode, settings.render_size
        self.playback = settings.open_playback()
        """Chooses and plays the background video; `None` on standard ids."""

        from .conversion import ConvertedTask

        self._converted = ConvertedTask(self.task)
        self.dm_control_env = self._converted.dm_control_env
        """The `dm_control.rl.control.Environment` underneath, physics and all."""
        self._make_view = partial(
            make_view,
            self.dm_control_env.physics,
            self.task,
            natural=self.natural,
            matte=settings.matte,
            strength=self.strength,
        )
        self._view: View = self._make_view(
            size=self.size, rendering=settings.rendering, behind=settings.behind
        )
        self._people_view: View | None = None

        self.metadata = {
            **type(self).metadata,
            "render_fps": self._converted.metadata["render_fps"] / action_repeat,
        }
        self.observation_space = gym.spaces.Box(0, 255, (self.size, self.size, 3), np.uint8)
        self.action_space = gym.spaces.Box(-1, 1, self._converted.action_space.shape, np.float32)
        self._background_rng: np.random.Generator | None = None
        self.control_steps = 0
        """Control steps since the reset."""
        self._running = False
        self._observed = False
        self._closed = False

    @property
    def running(self) -> bool:
        """Whether an episode is running: `reset` was called, and the episode has not ended."""
        return self._running

    @property
    def video_library(self) -> VideoLibrary | None:
        """The video set that `videos` was resolved to; `None` on standard ids."""
        return self.playback.library if self.playback else None

    @property
    def task_observation(self) -> dict[str, npt.NDArray[np.float64]]:
        """dm_control's own (vector) observation of the present state, part by part, as an expert reads it."""
        self._require_open()
        physics = self.dm_control_env.physics
        parts = self.dm_control_env.task.get_observation(physics)
        return {name: np.array(part, np.float64) for name, part in parts.items()}

    @property
    def matte(self) -> Pixels:
        """Coverage of the foreground in the last observation: `uint8[size, size]`, 255 where it covers a pixel fully.

        On standard ids, whose observations need no matte, it is drawn when this property is read.
        """
        self._require_open()
        if not self._observed:
            raise ResetNeeded("There is no observation yet. Call reset() before reading matte.")
        return self._view.matte()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Pixels, dict[str, Any]]:
        """Begins an episode. Returns the first observation `uint8[size, size, 3]` and `info`.

        Raises `InvalidArgument` for an invalid seed and for unknown options, videos or frames, and `VideoSetError` for
        a clip that cannot be read; the running episode can then be continued.
        """
        return self.plan_reset(seed=seed, options=options)()

    def plan_reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> Callable[[], tuple[Pixels, dict[str, Any]]]:
        """Checks and prepares a `reset` without touching the running episode; the function it returns carries it out.

        A vector environment calls it for every row first, so that either all rows begin or none does. Raises as
        `reset` does.
        """
        self._require_open()
        seed = parse_seed(seed)
        pinned = parse_reset_options(options or {}, self.natural)
        fresh = None if seed is None else seeding.np_random(seed)[0]
        if fresh is None and self._background_rng is None:
            fresh = self.np_random
        background_rng, physics_seed = episode_streams(self._background_rng, fresh)
        turn = None if self.playback is None else self.playback.draw(background_rng, **pinned)

        def begin() -> tuple[Pixels, dict[str, Any]]:
            self._require_open()
            super(NaturalMujocoEnv, self).reset(seed=seed)
            self._background_rng = background_rng
            if self.playback is not None and turn is not None:
                self.playback.begin(turn)
            self._converted.reset(seed=physics_seed)
            self.control_steps = 0
            self._running = self._observed = True
            return self._observe(), self._info()

        return begin

    def step(self, action: npt.NDArray[np.float32]) -> tuple[Pixels, float, bool, bool, dict[str, Any]]:
        """Repeats `action` (`float32[n]`, clipped to [-1, 1]) for `action_repeat` control steps or until the end.

        Returns the observation `uint8[size, size, 3]`, the sum of the rewards, `terminated`, `truncated` and `info`.
        Raises `InvalidAction` for a wrong shape or NaN, `ResetNeeded` before `reset` and after the episode's end.
        """
        if not self._running:
            self._require_open()
            raise ResetNeeded("This episode has not begun or is over. Call reset() before step().")
        shape = self.action_space.shape
        assert shape is not None
        control = np.clip(parse_actions(action, shape, f"{self.task.name} takes"), -1.0, 1.0)
        total, terminated, truncated = 0.0, False, False
        for _ in range(self.action_repeat):
            _, reward, terminated, truncated, _ = self._converted.step(control)
            total += float(reward)
            self.control_steps += 1
            if terminated or truncated:
                self._running = False
                break
        if self.playback is not None:
            self.playback.advance()
        return self._observe(), total, terminated, truncated, self._info()

    def render(self) -> Pixels | None:
        """The last observation's scene, larger: `uint8[render_size, render_size, 3]`; `None` without a render mode.

        On natural ids the background is the observation's own video frame, enlarged. Raises `ResetNeeded` before the
        first `reset`.
        """
        self._require_open()
        if self.render_mode is None:
            return None
        if not self._observed:
            raise ResetNeeded("There is nothing to render yet. Call reset() before render().")
        if self._people_view is None:
            # Pictures for people need quality rather than speed.
            self._people_view = self._make_view(
                size=self.render_size, rendering="reference", behind="reference"
            )
        video = None
        if self.playback is not None:
            side = (self.render_size, self.render_size)
            video = cv2.resize(self.playback.frame(), side, interpolation=cv2.INTER_CUBIC)
        return self._people_view.draw(video)

    def close(self) -> None:
        """Frees the physics and the GL contexts. May be called again; the environment cannot be used afterwards."""
        if self._closed:
            return
        self._closed = True
        self._running = False
        if self.playback is not None:
            self.playback.library.stop_preparing()
        self._view.close()
        if self._people_view is not None:
            self._people_view.close()
        self._converted.close()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise NaturalMujocoError(
            "An environment cannot be copied or pickled: its OpenGL context belongs to this process. Make another with "
            "gymnasium.make(env.spec) and reset it with the same seed; to plan, simulate in "
            "env.unwrapped.dm_control_env.physics.copy()."
        )

    def _observe(self) -> Pixels:
        return self._view.draw(self.playback.frame() if self.playback is not None else None)

    def _info(self) -> dict[str, Any]:
        info: dict[str, Any] = {"control_steps": self.control_steps}
        if self.playback is not None:
            info["background"] = {
                "set": self.playback.library.name,
                "video": self.playback.video,
                "frame": self.playback.number,
            }
        return info

    def _require_open(self) -> None:
        if self._closed:
            raise ClosedEnvironmentError("This environment is closed. Create a new one.")


def episode_streams(
    background: np.random.Generator | None, fresh: np.random.Generator | None
) -> tuple[np.random.Generator, int | None]:
    """The generator for the next episode's video, and the seed for its physics (`None`: their stream continues).

    With `fresh`, a newly seeded generator, both come from its seed sequence, whose first child seeds the physics and
    whose second the background. Without it the generator is a copy of `background`, so that a reset that is refused
    has drawn nothing from the stream.
    """
    if fresh is None:
        assert background is not None
        return copy.deepcopy(background), None
    seed_sequence = fresh.bit_generator.seed_seq
    assert isinstance(seed_sequence, np.random.SeedSequence)
    physics_stream, background_stream = seed_sequence.spawn(2)
    return np.random.default_rng(background_stream), int(physics_stream.generate_state(1)[0])


def parse_reset_options(options: dict[str, Any], natural: bool) -> dict[str, Any]:
    """Checks `reset`'s options: `video` and `frame`, on natural ids only. Raises `InvalidArgument` for others."""
    valid = ("video", "frame") if natural else ()
    for key in options:
        if key not in valid:
            raise unknown("reset option", key, valid or ("none on a standard environment",))
    frame = options.get("frame")
    if frame is not None and (isinstance(frame, bool) or not isinstance(frame, int | np.integer)):
        raise InvalidArgument(f"reset option frame is {frame!r}; it must be a frame number.")
    return options
