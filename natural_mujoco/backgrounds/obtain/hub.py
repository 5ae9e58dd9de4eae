"""Files of a Hugging Face dataset as seekable files, read by range requests.

- `HubArchives`: the zip files of a dataset at one resolved commit, opened with the user's own token.
- `RangeReader`: a file-like view of bytes that are fetched when they are read.
- `HubUnreachable`: the Hub cannot be reached or stopped answering; trying again later may help.
"""

from __future__ import annotations

import importlib
import io
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeVar

import huggingface_hub
from huggingface_hub import constants
from huggingface_hub import errors as hub_errors
from huggingface_hub.utils import (  # type: ignore[attr-defined]
    build_hf_headers,
    get_session,
    hf_raise_for_status,
)

from natural_mujoco.backgrounds.manifest import HubSource
from natural_mujoco.errors import VideoSetError

Answer = TypeVar("Answer")

LARGEST_READ = 64 * 2**20
TRIES = 4
AGAIN = "The same command goes on where it was."


class HubUnreachable(VideoSetError):
    """The Hub, or the way to it, failed. What was fetched so far is kept."""


class RangeReader(io.RawIOBase):
    """A read-only, seekable file of `size` bytes over `fetch(start, stop)`.

    The end, where a zip file keeps its directory, is fetched once in one piece; other reads fetch exactly what
    they ask for. A read of more than 64 MiB is refused, for no zip directory is that large.
    """

    TAIL_BYTES = 2**16

    def __init__(self, size: int, fetch: Callable[[int, int], bytes]) -> None:
        self.size = size
        self._fetch = fetch
        self._position = 0
        self._tail_start = max(0, size - self.TAIL_BYTES)
        self._tail: bytes | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise OSError("seek before the start of the file")
        self._position = base + offset
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        stop = self.size if size is None or size < 0 else min(self.size, self._position + size)
        if stop - self._position > LARGEST_READ:
            raise VideoSetError("The archive's directory claims to be larger than any: it is damaged.")
        data = self.fetch(self._position, stop) if stop > self._position else b""
        self._position += len(data)
        return data

    def fetch(self, start: int, stop: int) -> bytes:
        """The bytes from `start` up to `stop`, wherever the file's position is; safe from any thread."""
        if start < self._tail_start:
            return self._fetch(start, stop)
        if self._tail is None:
            self._tail = self._fetch(self._tail_start, self.size)
        return self._tail[start - self._tail_start : stop - self._tail_start]


class HubArchives:
    """The zip files of a dataset on the Hub (or a mirror of it: `HF_ENDPOINT`) at the commit that its revision names.

    Each is read by ranges if the server answers those; else it is downloaded whole into the Hugging Face
    cache, where it is also found when `HF_HUB_OFFLINE` is set. `token` None uses the token that `hf auth login` or
    `HF_TOKEN` left. `note` is told what takes long. Use as a context manager; `read` may be called from any thread.

    Raises `VideoSetError` if there is no such dataset or revision, or the user may not read it, and
    `HubUnreachable` if the Hub does not answer.
    """

    def __init__(self, source: HubSource, token: str | None, note: Callable[[str], None]) -> None:
        self.repo = source.repo
        self.commit = source.revision
        self.fetched_bytes = 0
        self._source = source
        self._token = token
        self._note = note
        self._readers: dict[str, RangeReader] = {}
        self._whole: list[BinaryIO] = []
        self._local = threading.local()
        self._counting = threading.Lock()
        if not constants.HF_HUB_OFFLINE:
            self.commit = patiently(self._resolve)

    def __enter__(self) -> HubArchives:
        return self

    def __exit__(self, *error: object) -> None:
        for file in self._whole:
            file.close()

    def open_all(self) -> Mapping[str, RangeReader]:
        """All archives of the set, each as a seekable file. Raises `VideoSetError` if one is not in the dataset."""
        for archive in self._source.archives:
            if not constants.HF_HUB_OFFLINE and patiently(partial(self._serves_ranges, archive)):
                with self._errors(archive):
                    size = self._remote_file(archive).size  # type: ignore[attr-defined]
                self._readers[archive] = RangeReader(size, partial(self._read_remote, archive))
            else:
                self._readers[archive] = self._open_whole(archive)
        return self._readers

    def read(self, archive: str, start: int, stop: int) -> bytes:
        """The bytes from `start` up to `stop` of an open archive."""
        return self._readers[archive].fetch(start, stop)

    def _errors(self, archive: str = "") -> AbstractContextManager[None]:
        return translated_errors(self.repo, self._source.revision, archive)

    def _resolve(self) -> str:
        with self._errors():
            api = huggingface_hub.HfApi(token=self._token)
            return api.dataset_info(self.repo, revision=self._source.revision).sha or self._source.revision

    def _serves_ranges(self, archive: str) -> bool:
        with self._errors(archive):
            url = huggingface_hub.hf_hub_url(self.repo, archive, repo_type="dataset", revision=self.commit)
            headers = {**build_hf_headers(token=self._token), "Range": "bytes=0-0"}
            # Asked without reading the answer's body: a server that knows no ranges would send all of the file.
            with get_session().stream("GET", url, headers=headers, follow_redirects=True) as response:
                hf_raise_for_status(response)
                return bool(response.status_code == 206)

    def _open_whole(self, archive: str) -> RangeReader:
        if not constants.HF_HUB_OFFLINE:
            self._note(f"The server does not answer range requests: fetching all of {archive}.")
        with self._errors(archive):
            path = Path(
                huggingface_hub.hf_hub_download(
                    self.repo,
                    archive,
                    repo_type="dataset",
                    # Its name, not its commit: under its name the file is found again without a network.
                    revision=self._source.revision,
                    token=self._token,
                )
            )
        self.commit = (
            path.parts[path.parts.index("snapshots") + 1] if "snapshots" in path.parts else self.commit
        )
        file = open(path, "rb")  # noqa: SIM115 closed with the archives
        self._whole.append(file)
        reading = threading.Lock()

        def fetch(start: int, stop: int) -> bytes:
            with reading:
                file.seek(start)
                return file.read(stop - start)

        size = path.stat().st_size
        self.fetched_bytes += 0 if constants.HF_HUB_OFFLINE else size
        return RangeReader(size, fetch)

    def _read_remote(self, archive: str, start: int, stop: int) -> bytes:
        for attempt in range(TRIES):
            with self._errors(archive):
                file = self._remote_file(archive)
                file.seek(start)
                data = file.read(stop - start)
            with self._counting:
                self.fetched_bytes += len(data)
            if len(data) == stop - start:
                return data
            time.sleep(2.0**attempt)
        raise HubUnreachable(
            f"The server of {self.repo} sent {len(data)} bytes where {stop - start} were asked for. {AGAIN}"
        )

    def _remote_file(self, archive: str) -> BinaryIO:
        # One open file a thread and archive: fsspec's files keep a position.
        files: dict[str, BinaryIO] = self._local.__dict__.setdefault("files", {})
        if archive not in files:
            system = huggingface_hub.HfFileSystem(token=self._token)
            path = f"datasets/{self.repo}@{self.commit}/{archive}"
            files[archive] = system.open(path, "rb", block_size=2**20, cache_type="none")
        return files[archive]


def patiently(ask: Callable[[], Answer]) -> Answer:
    """What `ask` returns, asked again a few times, ever later, while the Hub is unreachable."""
    for attempt in range(TRIES - 1):
        try:
            return ask()
        except HubUnreachable:
            time.sleep(2.0**attempt)
    return ask()


@contextmanager
def translated_errors(repo: str, revision: str, file: str = "") -> Iterator[None]:
    """Turn what the Hub's client raises into `VideoSetError` and `HubUnreachable` that say what to do."""
    page = f"{os.environ.get('HF_ENDPOINT', 'https://huggingface.co')}/datasets/{repo}"
    try:
        yield
    except VideoSetError:
        raise
    except hub_errors.GatedRepoError as error:
        raise VideoSetError(
            f"The dataset {repo} is gated: accept its terms on {page}, then run `hf auth login` or set HF_TOKEN."
        ) from error
    except hub_errors.RevisionNotFoundError as error:
        raise VideoSetError(
            f"The dataset {repo} has no revision {revision!r}: give --revision a branch, tag or commit of it."
        ) from error
    except hub_errors.RepositoryNotFoundError as error:
        raise VideoSetError(
            f"There is no dataset {repo} that you may read. If it is private, run `hf auth login` or set HF_TOKEN; "
            "if it has moved, name the copy with --repo."
        ) from error
    except hub_errors.OfflineModeIsEnabled as error:
        raise VideoSetError(_offline(repo)) from error
    except hub_errors.LocalEntryNotFoundError as error:
        if constants.HF_HUB_OFFLINE:
            raise VideoSetError(_offline(repo)) from error
        raise HubUnreachable(f"Cannot fetch {file} of {repo} from the Hub. {AGAIN}") from error
    except (hub_errors.EntryNotFoundError, FileNotFoundError) as error:
        raise VideoSetError(
            f"The dataset {repo} at {revision} has no file {file}: name a complete copy with --repo and --revision."
        ) from error
    except hub_errors.HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "an error"
        if status in (401, 403):
            raise VideoSetError(
                f"The Hub refuses {repo} ({status}): run `hf auth login` or set HF_TOKEN to a valid token."
            ) from error
        raise HubUnreachable(f"The Hub answers {status} for {repo}. Wait a little. {AGAIN}") from error
    except hub_errors.HFValidationError as error:
        raise VideoSetError(f"{repo} is no name of a dataset on the Hub: {error}") from error
    except (_transport_error(), ConnectionError, TimeoutError) as error:
        raise HubUnreachable(f"Lost the connection to {page} ({type(error).__name__}). {AGAIN}") from error
    except (
        ValueError,
        LookupError,
        TypeError,
    ) as error:  # no JSON, or not what the Hub's client looks for in it
        raise HubUnreachable(
            f"What answers for {page} is not the Hub: is a login page in between, or HF_ENDPOINT wrong? {AGAIN}"
        ) from error


def _offline(repo: str) -> str:
    return (
        f"{repo} is not in the Hugging Face cache, and HF_HUB_OFFLINE forbids fetching it. "
        "Unset it, or use `natural-mujoco videos import`."
    )


def _transport_error() -> type[Exception]:
    # The client's HTTP library has changed its name between releases (httpx, httpx2); its session knows which it is.
    library = importlib.import_module(type(get_session()).__module__.partition(".")[0])
    error: type[Exception] = library.HTTPError
    return error
