"""Demonstrations: episodes of experts, of random actions and of agents, as a dataset that Minari reads.

- `Recording`, `Kind`: what is recorded: a task, its videos, who acts with how much noise, from which seeds.
- `record`: plays and writes the episodes that a folder lacks.

Needs the extra `demonstrations`, as `natural_mujoco.demonstrations.dataset` imports h5py and Minari.
"""

from __future__ import annotations

from .recording import Kind, Recording, record

__all__ = ["Kind", "Recording", "record"]
