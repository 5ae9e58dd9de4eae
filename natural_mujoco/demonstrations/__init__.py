"""Demonstrations: episodes of experts, of random actions and of agents, as a dataset that Minari reads.

- `Recording`, `Kind`: what is recorded: a task, its videos, who acts with how much noise, from which seeds.
- `record`: plays and writes the episodes that a folder lacks.
- `METADATA_KEY`: where a dataset's metadata describe the recording.

Needs the extra `demonstrations`, as `natural_mujoco.demonstrations.dataset` imports h5py and Minari.
"""

from __future__ import annotations

from .recording import METADATA_KEY, Kind, Recording, record

__all__ = ["METADATA_KEY", "Kind", "Recording", "record"]
