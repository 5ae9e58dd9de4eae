"""Demonstrations: episodes of experts, of random actions and of agents, as a dataset that Minari reads.

- `Recording`, `Kind`: describe what to record: a task, its videos, policies with action noise, and the seed.
- `record`: plays and writes the episodes that are missing in a folder.
- `METADATA_KEY`: the key of a dataset's metadata that holds the recording's description.

Needs the extra `demonstrations`, as `natural_mujoco.demonstrations.dataset` imports h5py and Minari.
"""

from __future__ import annotations

from .recording import METADATA_KEY, Kind, Recording, record

__all__ = ["METADATA_KEY", "Kind", "Recording", "record"]
