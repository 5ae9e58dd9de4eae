"""Many environments at once on one device: MuJoCo Warp steps and draws them, and tensors never leave the device.

- `NaturalMujocoBatchedEnv`: what `natural_mujoco.batched.make` gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from torch import Tensor

from ..arguments import parse_actions, parse_seeds, whole_number
from ..backgrounds.library import VideoLibrary
from ..backgrounds.playback import Turn
from ..environment import episode_streams, parse_reset_options
from ..errors import (
    BatchedError,
    ClosedEnvironmentError,
    InvalidAction,
    InvalidArgument,
    ResetNeeded,
    unknown,
)
from ..settings import EPISODE_CONTROL_STEPS, Settings
from .clips import Clips
from .drawn_model import load_task
from .measures import make_measures
from .renderer import make_renderer
from .simulation import Simulation
from .starts import Starts


class NaturalMujocoBatchedEnv(gym.vector.VectorEnv[Tensor, Tensor, Tensor]):
    """`num_envs` environments of one id on one device: what `natural_mujoco.batched.make` makes and describes."""

    def __init__(
        self,
        settings: Settings,
        num_envs: int,
        device: torch.device,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    ) -> None:
        self.settings = settings
        self.num_envs = whole_number("num_envs", num_envs, 1)
        try:
            self.autoreset_mode = AutoresetMode(autoreset_mode)
        except ValueError:
            valid = (str(mode.value) for mode in AutoresetMode)
            raise unknown("autoreset_mode", autoreset_mode, valid) from None
        if settings.render_mode is not None:
            raise InvalidArgument(
                f"render_mode={settings.render_mode!r} means nothing here: observations are tensors on the device. To "
                f"look at an episode, play it in gymnasium.make({settings.task.natural_id!r}, render_mode='rgb_array')."
            )
        self.device = device
        playback = settings.open_playback()
        self._clips = None if playback is None else Clips(playback, self.num_envs, self.device)
        converted, drawn = load_task(settings.task)
        physics = converted.dm_control_env.physics.model.ptr
        try:
            substeps = converted.dm_control_env._n_sub_steps
            self.simulation = Simulation(physics, self.num_envs, substeps, self.device)
            self._renderer = make_renderer(self.simulation, drawn, settings)
        except (RuntimeError, MemoryError) as error:
            raise BatchedError(
                f"{self.num_envs} environments do not fit into the memory of {self.device} ({_first_line(error)}). "
                "Make fewer; `python -m benchmarks.batched` shows how many this machine takes."
            ) from error
        self._converted = converted
        self._starts = Starts(converted, self.num_envs, self.device)
        self._measures = make_measures(settings.task, physics)
        self._streams: list[np.random.Generator | None] = [None] * self.num_envs
        # Episodes have a fixed length unless physics diverge, so the CPU knows which are over without asking the GPU.
        self._steps = np.zeros(self.num_envs, np.int64)
        self._begun = np.zeros(self.num_envs, np.bool_)
        self._over = np.zeros(self.num_envs, np.bool_)
        self.metadata = {
            **converted.metadata,
            "render_modes": [],
            "render_fps": converted.metadata["render_fps"] / settings.action_repeat,
            "autoreset_mode": self.autoreset_mode,
        }
        side = (settings.size, settings.size, 3)
        self.single_observation_space = gym.spaces.Box(0, 255, side, np.uint8)
        self.single_action_space = gym.spaces.Box(-1, 1, (int(physics.nu),), np.float32)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._draws_ahead = 1 + self.num_envs * settings.action_repeat // EPISODE_CONTROL_STEPS
        self._actions_shape = (self.num_envs, int(physics.nu))

    @property
    def videos(self) -> tuple[str, ...]:
        """Ids of the clips that the numbers in `infos["background"]["video"]` index; empty on standard ids."""
        return () if self._clips is None else self._clips.playback.videos

    @property
    def video_library(self) -> VideoLibrary | None:
        """The video set that is played; `None` on standard ids."""
        return None if self._clips is None else self._clips.playback.library

    @property
    def video_set(self) -> str | None:
        """The name of the video set; `None` on standard ids."""
        return None if self.video_library is None else self.video_library.name

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Tensor, dict[str, Any]]:
        """Resets all environments, or those in `options["reset_mask"]` (`bool[n]`, an array or a tensor).

        Seeds and the other `options` are those of `NaturalMujocoVectorEnv`. Returns observations
        `uint8[n, size, size, 3]` and infos. If it raises, no environment has been reset.
        """
        self._require_open()
        options = dict(options or {})
        rows = self._parse_mask(options.pop("reset_mask", None))
        pinned = parse_reset_options(options, self.settings.natural)
        self._begin(rows, parse_seeds(seed, self.num_envs), pinned)
        return self._draw(), self._infos()

    def step(
        self, actions: Tensor | np.ndarray[Any, Any]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Any]]:
        """Steps all environments with `actions` (`float32[n, a]`, a tensor or an array).

        Returns tensors on the device: observations `uint8[n, size, size, 3]`, rewards `float32[n]`, terminated and
        truncated `bool[n]`, and infos. With `NEXT_STEP`, an environment that ended in the last step is reset instead,
        with reward 0. With `SAME_STEP` it is reset at once; `infos["final_obs"]` and `infos["final_info"]` hold the
        finished episode's last observation and info, in the rows where `infos["_final_obs"]` is true.
        """
        self._require_open()
        control = self._parse_actions(actions)
        resetting = self._due_to_reset()
        rewards, diverged = self._advance(control, resetting)
        if self._clips is not None:
            self._clips.advance(torch.from_numpy(~resetting).to(self.device))
        if resetting.any():
            self._begin(np.flatnonzero(resetting), [None] * self.num_envs, {})
        self._over = ~resetting & ((self._steps >= EPISODE_CONTROL_STEPS) | diverged)
        truncated = self._on_device(self._over)
        observations, infos = self._draw(), self._infos(diverged)
        if self.autoreset_mode is AutoresetMode.SAME_STEP and self._over.any():
            final = {
                "final_obs": observations,
                "_final_obs": truncated,
                "final_info": infos,
                "_final_info": truncated,
            }
            self._begin(np.flatnonzero(self._over), [None] * self.num_envs, {})
            observations, infos = self._draw(), self._infos(diverged) | final
        self._starts.draw_ahead(self._draws_ahead)
        return observations, rewards, torch.zeros_like(truncated), truncated, infos

    def state_observation(self) -> Tensor:
        """dm_control's vector observation, its parts concatenated, as experts read it: `float32[n, d]`."""
        self._require_open()
        return self._measures.observation(self.simulation.state())

    @property
    def matte(self) -> Tensor:
        """Coverage of the foreground in the last observations: `uint8[n, size, size]`."""
        self._require_open()
        return self._renderer.matte()

    def close_extras(self, **kwargs: Any) -> None:
        """Frees the physics on the device and dm_control's on the CPU."""
        if not self.closed:
            self._converted.close()
            del self.simulation, self._renderer, self._clips

    def _advance(
        self, control: Tensor, resetting: np.ndarray[Any, Any]
    ) -> tuple[Tensor, np.ndarray[Any, Any]]:
        """Steps the worlds that are not `resetting`. Returns rewards `float32[n]` and which worlds diverged, `bool[n]`.

        A world that diverged is back where it was before this step, with reward 0.
        """
        simulation, repeat = self.simulation, self.settings.action_repeat
        rewards = torch.zeros(self.num_envs, device=self.device)
        left = np.where(resetting, 0, np.minimum(EPISODE_CONTROL_STEPS - self._steps, repeat))
        before = simulation.snapshot()
        for k in range(int(left.max())):
            moving = self._on_device(left > k)
            # All worlds step; those whose episode is over before the last repeat are then put back, and those that
            # reset in this step begin a new episode afterwards.
            resting = (left <= k) & ~resetting
            kept = simulation.snapshot() if resting.any() else None
            simulation.step(control)
            rewards += torch.where(moving, self._measures.reward(simulation.state()), 0.0)
            if kept is not None:
                simulation.restore(self._on_device(resting), kept)
        self._steps += left
        bad = simulation.diverged() & self._on_device(~resetting)
        if not bad.any():
            return rewards, np.zeros(self.num_envs, np.bool_)
        simulation.restore(bad, before)
        return rewards.masked_fill(bad, 0.0), bad.cpu().numpy()

    def _begin(self, rows: np.ndarray[Any, Any], seeds: Sequence[int | None], pinned: dict[str, Any]) -> None:
        """Begins the episodes of `rows`, seeded as single environments are. If it raises, none of them has begun."""
        streams: dict[int, tuple[np.random.Generator, int | None]] = {}
        turns: list[Turn] = []
        for row in map(int, rows):
            known, seed = self._streams[row], seeds[row]
            fresh = seeding.np_random(seed)[0] if known is None or seed is not None else None
            stream, physics_seed = episode_streams(known, fresh)
            if self._clips is not None:
                turns.append(self._clips.playback.draw(stream, **pinned))
            streams[row] = stream, physics_seed
        for row, (stream, physics_seed) in streams.items():
            self._streams[row] = stream
            if physics_seed is not None:
                self._starts.seed(row, physics_seed)
        where = torch.from_numpy(rows).to(self.device)
        self.simulation.begin(where, self._starts.take(list(streams)))
        if self._clips is not None:
            self._clips.begin(where, turns)
        self._steps[rows], self._over[rows], self._begun[rows] = 0, False, True

    def _draw(self) -> Tensor:
        return self._renderer.draw(None if self._clips is None else self._clips.frames())

    def _infos(self, diverged: np.ndarray[Any, Any] | None = None) -> dict[str, Any]:
        none = np.zeros(self.num_envs, np.bool_)
        infos: dict[str, Any] = {
            "control_steps": self._on_device(self._steps),
            "diverged": self._on_device(none if diverged is None else diverged),
        }
        if self._clips is not None:
            infos["background"] = {
                "set": self.video_set,
                "video": self._clips.video.clone(),
                "frame": self._clips.number(),
            }
        return infos

    def _due_to_reset(self) -> np.ndarray[Any, Any]:
        """Which rows this step resets: `bool[n]`. Raises `ResetNeeded` where the caller must call `reset` instead."""
        if not self._begun.all():
            rows = np.flatnonzero(~self._begun).tolist()
            raise ResetNeeded(
                f"Sub-environments {rows} have not begun an episode. Call reset() before step()."
            )
        if self._over.any() and self.autoreset_mode is AutoresetMode.DISABLED:
            raise ResetNeeded(
                f"The episodes of sub-environments {np.flatnonzero(self._over).tolist()} are over. Reset them with "
                "options={'reset_mask': terminated | truncated} before step()."
            )
        return self._over.copy()

    def _parse_mask(self, mask: Any) -> np.ndarray[Any, Any]:
        """The rows that `reset_mask` names: `int64[k]`."""
        if mask is None:
            return np.arange(self.num_envs)
        chosen = mask.cpu().numpy() if isinstance(mask, Tensor) else np.asarray(mask)
        if chosen.shape != (self.num_envs,) or chosen.dtype != np.bool_ or not chosen.any():
            raise InvalidArgument(
                f"reset_mask must be bool[{self.num_envs}] with at least one True, not {mask!r}."
            )
        return np.flatnonzero(chosen)

    def _parse_actions(self, actions: Any) -> Tensor:
        """Actions `float32[n, a]` on the device, clipped to [-1, 1]. Raises `InvalidAction`."""
        if not isinstance(actions, Tensor):
            parsed = parse_actions(actions, self._actions_shape, "this environment takes", "actions")
            actions = torch.from_numpy(parsed)
        elif actions.shape != self._actions_shape or actions.is_complex():
            raise InvalidAction(
                f"actions have shape {tuple(actions.shape)} and dtype {actions.dtype}; this environment takes numbers "
                f"of shape {self._actions_shape}."
            )
        control: Tensor = actions.detach().to(self.device, torch.float32).clamp(-1, 1)
        if control.isnan().any():
            raise InvalidAction("actions hold NaN. Check the policy's output.")
        return control

    def _on_device(self, array: np.ndarray[Any, Any]) -> Tensor:
        # A copy, since on the CPU the tensor would share the array's memory.
        return torch.from_numpy(array.copy()).to(self.device)

    def _require_open(self) -> None:
        if self.closed:
            raise ClosedEnvironmentError("This environment is closed. Create a new one.")


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
