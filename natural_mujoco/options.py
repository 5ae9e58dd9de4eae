"""The words that an environment's keyword arguments take, as types and as values.

- `Split`, `PlaybackMode`, `Matte`, `Rendering`: `Literal` types, so that a type checker finds a misspelt one.
- `Renderer`: what draws, which no environment's id says.
- `SPLITS`, `PLAYBACKS`, `MATTES`, `RENDERINGS`, `RENDERERS`: the same words, the default first
  (`rendering` defaults to `"fast"` where the foreground is drawn alone).
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

Split: TypeAlias = Literal["train", "test"]
"""Which half of a video set; no video is in both."""
PlaybackMode: TypeAlias = Literal["loop", "pingpong", "still"]
"""How a clip goes on after its last frame."""
Matte: TypeAlias = Literal["semantic", "paper"]
"""What is foreground: by meaning, or by the released code's red > 100."""
Rendering: TypeAlias = Literal["reference", "fast"]
"""dm_control's own quality, or no shadows and reflections."""
Renderer: TypeAlias = Literal["opengl", "warp"]
"""OpenGL and MuJoCo's own physics, or the batched environment's ray tracer and physics."""

SPLITS: tuple[Split, ...] = get_args(Split)
PLAYBACKS: tuple[PlaybackMode, ...] = get_args(PlaybackMode)
MATTES: tuple[Matte, ...] = get_args(Matte)
RENDERINGS: tuple[Rendering, ...] = get_args(Rendering)
RENDERERS: tuple[Renderer, ...] = get_args(Renderer)
