"""The strings that an environment's keyword arguments accept, as types and as values.

- `Split`, `PlaybackMode`, `Matte`, `Rendering`: `Literal` types, so that a type checker finds misspelt values.
- `Renderer`: the program that draws; recorded with results, not part of an environment's id.
- `SPLITS`, `PLAYBACKS`, `MATTES`, `RENDERINGS`, `RENDERERS`: the same strings as tuples, the default first
  (`rendering` defaults to `"fast"` where only the foreground is drawn).
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

Split: TypeAlias = Literal["train", "test"]
"""Which half of a video set; no video is in both."""
PlaybackMode: TypeAlias = Literal["loop", "pingpong", "still"]
"""What follows a clip's last frame: its first frame, the frames in reverse, or nothing (`still` shows one frame)."""
Matte: TypeAlias = Literal["semantic", "paper"]
"""What is foreground: the robot and the task's objects, or pixels with red > 100 as in the paper's released code."""
Rendering: TypeAlias = Literal["reference", "fast"]
"""Quality: dm_control's own, or without shadows and reflections."""
Renderer: TypeAlias = Literal["opengl", "warp"]
"""What draws: OpenGL with MuJoCo's own physics, or the batched environment's ray tracer with MuJoCo Warp's physics."""

SPLITS: tuple[Split, ...] = get_args(Split)
PLAYBACKS: tuple[PlaybackMode, ...] = get_args(PlaybackMode)
MATTES: tuple[Matte, ...] = get_args(Matte)
RENDERINGS: tuple[Rendering, ...] = get_args(Rendering)
RENDERERS: tuple[Renderer, ...] = get_args(Renderer)
