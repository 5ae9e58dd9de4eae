"""Files of a Hugging Face dataset as seekable files, read by range requests.

- `HubArchives`: the zip files of a dataset at one resolved commit, opened with the user's own token.
- `RangeReader`: a file-like object whose bytes are fetched when they are read.
- `HubUnreachable`: the Hub cannot be reached or stopped answering; trying again later may help.
"""

from __future__ import annotations

import importlib
import io
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import huggingface_hub
from huggingface_hub import constants
from huggingface_hub import errors as hub_errors
from huggingface_hub.utils import (  # type: ignore[attr-defined]
    build_hf_headers,
    get_session,
    hf_raise_for_status,
    tqdm,
)

from natural_mujoco.backgrounds.manifest import HubSource
from natural_mujoco.errors import VideoSetError

Answer = TypeVar("Answer")

LARGEST_READ = 64 * 2**20
TRIES = 4
LEAST_RATE = 1000
"""Bytes per second. A download that is still slower after `PATIENCE_S` seconds is given up."""
PATIENCE_S = 20.0
SILENCE_S = 10.0
AGAIN = "The same command goes on where it was."


class HubUnreachable(VideoSetError):
    """The Hub or the connection to it failed. Everything fetched so far is kept."""


class RangeReader(io.RawIOBase):
    """A read-only, seekable file of `size` bytes, which `fetch(start, stop)` returns piece by piece.

    The end, where a zip file has its directory, is fetched once as a whole; other reads fetch exactly the bytes that
    they ask for. Reads of more than 64 MiB raise `VideoSetError`, as no zip directory is that large.
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
        """The bytes from `start` up to `stop`, independent of the file's position; safe from any thread."""
        if start < self._tail_start:
            return self._fetch(start, stop)
        if self._tail is None:
            self._tail = self._fetch(self._tail_start, self.size)
        return self._tail[start - self._tail_start : stop - self._tail_start]


class HubArchives:
    """The zip files of a dataset on the Hub (or on a mirror, `HF_ENDPOINT`) at the commit that its revision names.

    An archive is read by range requests if the server supports them; else it is downloaded whole into the Hugging Face
    cache, where it is also found if `HF_HUB_OFFLINE` is set. If `token` is `None`, the token of `hf auth login` or
    `HF_TOKEN` is used. `hold_to` maps the commit that the revision names now to the commit to use. `note` is called
    with a sentence about anything that takes long. Use it as a context manager; `read` may be called from any thread.

    Raises `VideoSetError` if the dataset or revision does not exist or the user may not read it, and `HubUnreachable`
    if the Hub does not answer.
    """

    def __init__(
        self,
        source: HubSource,
        token: str | None,
        note: Callable[[str], None],
        hold_to: Callable[[str], str] = lambda commit: commit,
    ) -> None:
        self.repo = source.repo
        self.commit = source.revision
        self.fetched_bytes = 0
        self._source = source
        # Whole archives are requested by the revision's name, under which they are found again without a network.
        self._asked = source.revision
        self._token = token
        self._note = note
        self._readers: dict[str, RangeReader] = {}
        self._whole: list[BinaryIO] = []
        self._counting = threading.Lock()
        if not constants.HF_HUB_OFFLINE:
            now = patiently(self._resolve)
            self.commit = hold_to(now)
            if self.commit != now:
                self._asked = self.commit
                note(
                    f"{self.repo}: {source.revision} has moved from {self.commit[:12]} to {now[:12]} since this set "
                    f"was first fetched here. Using {self.commit[:12]}; --revision {now} takes the new one."
                )

    def __enter__(self) -> HubArchives:
        return self

    def __exit__(self, *error: object) -> None:
        for file in self._whole:
            file.close()

    def open_all(self) -> Mapping[str, RangeReader]:
        """All archives of the set as seekable files, by name. Raises `VideoSetError` if the dataset lacks one."""
        for archive in self._source.archives:
            size = None if constants.HF_HUB_OFFLINE else patiently(partial(self._size_by_range, archive))
            if size is not None:
                self._readers[archive] = RangeReader(size, partial(self._read_remote, archive))
            else:
                self._readers[archive] = self._open_whole(archive)
        return self._readers

    def read(self, archive: str, start: int, stop: int) -> bytes:
        """The bytes from `start` up to `stop` of an open archive."""
        return self._readers[archive].fetch(start, stop)

    def _errors(self, archive: str = "") -> AbstractContextManager[None]:
        return translated_errors(self.repo, self._asked, archive)

    def _resolve(self) -> str:
        with self._errors():
            api = huggingface_hub.HfApi(token=self._token)
            return api.dataset_info(self.repo, revision=self._source.revision).sha or self._source.revision

    @contextmanager
    def _asking(self, archive: str, start: int, stop: int) -> Iterator[Any]:
        """The server's answer to a request for the bytes from `start` up to `stop`, before its body is read."""
        url = huggingface_hub.hf_hub_url(self.repo, archive, repo_type="dataset", revision=self.commit)
        headers = build_hf_headers(token=self._token)
        headers |= {"Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"}
        # The client does not send the token along when it is redirected to another host.
        ask = get_session().stream("GET", url, headers=headers, follow_redirects=True, timeout=SILENCE_S)
        with self._errors(archive), ask as answer:
            hf_raise_for_status(answer)
            yield answer

    def _size_by_range(self, archive: str) -> int | None:
        """The archive's size in bytes, if the server answers a request for its first byte with only that byte."""
        with self._asking(archive, 0, 1) as answer:
            told = re.fullmatch(r"bytes 0-0/(\d{1,18})", answer.headers.get("Content-Range", ""))
            return int(told[1]) if answer.status_code == 206 and told else None

    def _read_remote(self, archive: str, start: int, stop: int) -> bytes:
        return patiently(partial(self._read_once, archive, start, stop))

    def _read_once(self, archive: str, start: int, stop: int) -> bytes:
        with self._asking(archive, start, stop) as answer:
            data = self._body(answer, start, stop - start)
        with self._counting:
            self.fetched_bytes += len(data)
        if len(data) == stop - start:
            return data
        raise HubUnreachable(
            f"The server of {self.repo} sent {len(data)} bytes where {stop - start} were asked for. {AGAIN}"
        )

    def _body(self, answer: Any, start: int, size: int) -> bytes:
        """The `size` bytes that were asked for, or fewer if the answer ends early; never reads more."""
        as_they_are = answer.headers.get("Content-Encoding", "identity") == "identity"
        if answer.status_code != 206 or not as_they_are:
            raise HubUnreachable(
                f"The server of {self.repo} answers range requests with other than bytes. {AGAIN}"
            )
        if not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            raise HubUnreachable(f"The server of {self.repo} sends other bytes than were asked for. {AGAIN}")
        # An answer of the right length is read to its end, so that the connection can be reused.
        exact = answer.headers.get("Content-Length") == str(size)
        data = bytearray()
        began = time.monotonic()
        for piece in answer.iter_raw():
            data += piece[: size - len(data)]
            if len(data) == size and not exact:
                break
            if (time.monotonic() - began) * LEAST_RATE > len(data) + LEAST_RATE * PATIENCE_S:
                raise HubUnreachable(
                    f"The server of {self.repo} sends less than {LEAST_RATE} bytes a second. {AGAIN}"
                )
        return bytes(data)

    def _open_whole(self, archive: str) -> RangeReader:
        if not constants.HF_HUB_OFFLINE:
            self._note(f"The server does not answer range requests: fetching all of {archive}.")
        with self._errors(archive):
            path = Path(
                huggingface_hub.hf_hub_download(
                    self.repo,
                    archive,
                    repo_type="dataset",
                    revision=self._asked,
                    token=self._token,
                    tqdm_class=_Bounded,
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


class _Bounded(tqdm):
    """Takes the place of the client's progress bar, to stop a download that gets larger than was announced."""

    seen = 0

    def update(self, n: float | None = 1) -> bool | None:
        self.seen += int(n or 0)
        if self.total is not None and self.seen > self.total:
            raise VideoSetError("The server sends more than it announced: use another copy with --repo.")
        shown: bool | None = super().update(n)
        return shown


def patiently(ask: Callable[[], Answer]) -> Answer:
    """The result of `ask()`, which is retried a few times, with growing delays, while the Hub is unreachable."""
    for attempt in range(TRIES - 1):
        try:
            return ask()
        except HubUnreachable:
            time.sleep(2.0**attempt)
    return ask()


@contextmanager
def translated_errors(repo: str, revision: str, file: str = "") -> Iterator[None]:
    """Turns errors of the Hub's client into `VideoSetError` and `HubUnreachable` that say what to do."""
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
    # The client's HTTP library differs between releases (httpx, httpx2); the session's class tells which it is.
    library = importlib.import_module(type(get_session()).__module__.partition(".")[0])
    error: type[Exception] = library.HTTPError
    return error
