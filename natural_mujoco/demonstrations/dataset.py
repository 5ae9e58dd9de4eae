"""The folder of a recording: a Minari dataset in which each episode is one file, written whole or not at all.

    NAME-vN/data/metadata.json          what Minari must know, and the recording
    NAME-vN/data/main_data.hdf5         a link to each episode
    NAME-vN/data/episodes/000000.hdf5   frames, actions, rewards, infos

Minari writes all episodes into one HDF5 file, which a kill in the middle of a write can leave unreadable as a whole;
HDF5's external links give its reader the same view of files that are written one by one.

- `Dataset`: the folder, locked for one writer.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gymnasium as gym
import h5py
import minari
import numpy as np
from minari.dataset.minari_dataset import DATASET_ID_RE
from minari.dataset.minari_storage import MinariStorage

from .. import files
from ..errors import FileError, InvalidArgument
from .episode import EpisodeData
from .recording import METADATA_KEY

_METADATA, _MAIN, _EPISODES, _GROUP = "metadata.json", "main_data.hdf5", "episodes", "episode"


class Dataset:
    """A dataset that episodes are added to. Create it with `Dataset.held`, which locks the folder."""

    def __init__(self, folder: Path, recording: dict[str, Any]) -> None:
        self.folder, self._data, self._recording = folder, folder / "data", recording

    @staticmethod
    @contextmanager
    def held(folder: Path, recording: dict[str, Any]) -> Iterator[Dataset]:
        """Locks `folder` and gives its dataset; the folder must be new or hold the same recording.

        Raises:
            InvalidArgument: Minari cannot load a dataset of this name, or the folder holds something else. Nothing is
                written.
            LockHeld: another process records there.
            FileError: the folder cannot be written to, or its dataset is damaged.
        """
        dataset_id(folder)
        dataset = Dataset(folder, recording)
        dataset._require_ours()
        what = f"Recording {recording['task']}"
        with files.holding(folder / ".lock", what, fault=_fault):
            dataset._require_ours()
            try:
                yield dataset
            finally:
                if dataset._data.exists():
                    dataset.publish()

    def begin(self, env: gym.Env[Any, Any], description: str) -> None:
        """Writes an empty dataset with `env`'s spaces, unless there is one already."""
        if self._data.exists():
            return
        with files.replacing_folder(self._data, _fault) as new:
            try:
                storage = MinariStorage.new(
                    new, env.observation_space, env.action_space, env.spec, jpeg_encoding=False
                )
                storage.update_metadata(
                    {
                        "dataset_id": dataset_id(self.folder),
                        "minari_version": minari.__version__,
                        "algorithm_name": ", ".join(self._recording["policies"]),
                        "description": description,
                        "requirements": ["natural-mujoco"],
                        METADATA_KEY: self._recording,
                    }
                )
                (new / _EPISODES).mkdir()
            except OSError as error:
                raise _fault(self.folder, error) from error

    def present(self) -> set[int]:
        """The numbers of the episodes that are in the folder."""
        found = set()
        for path in (self._data / _EPISODES).glob("*.hdf5"):
            if path.stem.isdigit() and _steps(path):
                found.add(int(path.stem))
        return found

    def add(self, number: int, seed: int, episode: EpisodeData, attributes: Mapping[str, Any]) -> None:
        """Writes episode `number`, whole or not at all. Raises `FileError`, for example if the disk is full."""
        buffer = io.BytesIO()
        with h5py.File(buffer, "w") as file:
            group = file.create_group(_GROUP)
            group.attrs.update(
                {"id": number, "seed": seed, "total_steps": len(episode.rewards), **attributes}
            )
            _write(group, episode._asdict())
        files.write_bytes(self._file(number), buffer.getvalue(), self._write_fault)

    def publish(self) -> None:
        """Makes the episodes visible to Minari, from episode 0 up to the first one that is missing."""
        buffer, steps, number = io.BytesIO(), 0, 0
        with h5py.File(buffer, "w", track_order=True) as file:
            while length := _steps(self._file(number)):
                file[f"episode_{number}"] = h5py.ExternalLink(f"{_EPISODES}/{number:06}.hdf5", _GROUP)
                steps, number = steps + length, number + 1
        size = sum(path.stat().st_size for path in (self._data / _EPISODES).iterdir()) / 1e6
        counts = {"total_episodes": number, "total_steps": steps, "dataset_size": round(size, 1)}
        files.write_bytes(self._data / _MAIN, buffer.getvalue(), self._write_fault)
        files.write_json(self._data / _METADATA, self._metadata() | counts, self._write_fault)

    def _write_fault(self, path: Path, error: OSError) -> FileError:
        return _fault(self.folder, error)

    def _file(self, number: int) -> Path:
        return self._data / _EPISODES / f"{number:06}.hdf5"

    def _metadata(self) -> dict[str, Any]:
        found = files.read_json(self._data / _METADATA)
        if not isinstance(found, dict):
            raise FileError(f"{self._data / _METADATA} is damaged: it is no object. Give another --out.")
        return found

    def _require_ours(self) -> None:
        try:
            names = sorted(path.name for path in self.folder.iterdir() if not path.name.startswith(".lock"))
        except FileNotFoundError:
            return
        except OSError as error:
            raise _fault(self.folder, error) from error
        names = [
            name for name in names if not name.startswith(".data.")
        ]  # left behind by a process that was killed during the first write
        if not names:
            return
        if names != ["data"]:
            raise InvalidArgument(
                f"--out {self.folder} is not empty and holds no dataset (there is {names[0][:80]!r}). "
                "Give a new folder."
            )
        try:
            known = self._metadata().get(METADATA_KEY)
        except FileNotFoundError:
            known = None
        if not isinstance(known, dict):
            raise InvalidArgument(f"--out {self.folder} holds another dataset. Give a new folder.")
        differing = [
            f"{key}: {known.get(key)} there, {value} here"
            for key, value in self._recording.items()
            if known.get(key) != value
        ]
        if differing:
            raise InvalidArgument(
                f"--out {self.folder} holds another dataset ({'; '.join(differing)}). "
                "Ask for the same to go on with it, or give a new folder."
            )


def dataset_id(folder: Path) -> str:
    """Minari's id of the dataset in `folder`: its path below Minari's own root, or else the folder's name.

    Raises `InvalidArgument` if this is not a valid Minari id.
    """
    path = Path(folder).expanduser().resolve()
    root = Path(os.environ.get("MINARI_DATASETS_PATH") or "~/.minari/datasets").expanduser().resolve()
    name = path.relative_to(root).as_posix() if path.is_relative_to(root) and path != root else path.name
    match = DATASET_ID_RE.fullmatch(name)
    if match is None or match["version"] is None:
        raise InvalidArgument(
            f"--out {folder}: Minari loads a dataset by a name of letters, digits, - and _ that ends in a version. "
            f"Call the folder {'-'.join(path.name.split()) or 'expert'}-v0, say."
        )
    return name


def _fault(path: Path, error: OSError) -> FileError:
    return FileError(
        files.write_fault(path, error, "give --out another disk") + " Rerun the same command to go on."
    )


def _write(group: h5py.Group, values: Mapping[str, Any]) -> None:
    """Writes arrays and (nested) dictionaries of arrays into `group`, compressed."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            _write(group.create_group(name), value)
        elif value.dtype.kind == "U":
            group.create_dataset(name, data=value.tolist(), dtype=h5py.string_dtype())
        else:
            rows = (min(len(value), 64), *value.shape[1:])
            group.create_dataset(name, data=np.ascontiguousarray(value), chunks=rows, compression=1)


def _steps(path: Path) -> int:
    """Number of steps of the episode in the file at `path`; 0 if the file is missing or damaged."""
    try:
        with h5py.File(path, "r") as file:
            return len(file[_GROUP]["rewards"])
    except (OSError, KeyError, TypeError, ValueError):
        return 0
