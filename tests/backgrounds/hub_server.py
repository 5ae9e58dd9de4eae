"""A Hugging Face Hub on the loopback interface: the endpoints that the real client calls, and ways to misbehave."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import itertools
import json
import re
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

REPO = "shangxd/imagenet-vidvrd"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Behaviour:
    """What the server does beside serving; tests change it while it runs."""

    ranges: bool = True
    token: str | None = None
    """If set, only requests with this token are served (a gated dataset)."""
    redirect: bool = False
    """Send every file request elsewhere first, as the Hub does to its content network."""
    redirect_to: str = ""
    """Where: the same server if empty."""
    delay_s: float = 0.0
    """How long each file request takes, so that clients at once get in each other's way."""
    hold_after: int | None = None
    """How many more bodies are sent; later requests for one wait, unanswered, until `let_go`."""
    status: int = 0
    """If set, the error that every request is answered with."""
    login_page: bool = False
    """Answer everything with a page for people, as hotel networks do."""
    dead: bool = False
    """Answer nothing any more on connections that are open."""
    cut_short: int = 0
    """How many of the next file bodies end halfway, connection and all."""
    drop: int = 0
    """How many of the next file requests are not answered at all."""
    hostile: str = ""
    """How range requests of more than a byte are answered: `"whole"` (200 and all), `"endless"`, `"drip"` (a byte now
    and then), `"gzip"` (a bomb) or `"elsewhere"` (another range). With `ranges` off, the same for whole files."""
    shorten_silently: int = 0
    """How many of the next bodies are half as long as asked for, with headers that agree."""


@dataclass
class HubServer:
    """Serves `files` (path in the dataset → path on disk) as `repo` until `close`. Use as a context manager."""

    files: dict[str, Path]
    repo: str = REPO
    commit: str = COMMIT
    former: tuple[str, ...] = ()
    """Commits that `main` named before, of which the files are still there."""
    behaviour: Behaviour = field(default_factory=Behaviour)
    sent_bytes: int = 0
    requests: list[str] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)
    """What requests said in their `Authorization` header."""
    holding: threading.Event = field(default_factory=threading.Event)
    """Set once a request waits because of `hold_after`."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Guards what requests count down and up."""

    def __enter__(self) -> HubServer:
        server = self

        class Handler(_Handler):
            hub = server

        self.released = threading.Event()
        self._http = _Server(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def let_go(self) -> None:
        """Close the connections of the requests that wait, and hold none from now on."""
        self.behaviour.hold_after = None
        self.released.set()

    def die(self) -> None:
        """Hang up on every client and listen no more."""
        self.behaviour.dead = True
        self.let_go()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def __exit__(self, *error: object) -> None:
        self.die()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):  # of clients that were killed
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self) -> None:
        hub = self.hub
        url = urlsplit(self.path)
        path = unquote(url.path)
        hub.requests.append(f"{self.command} {path}")
        hub.tokens.add(self.headers.get("Authorization"))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if hub.behaviour.dead:
            self._hang_up()
            return
        if hub.behaviour.login_page:
            self._send(b"<html>Welcome to our hotel</html>", "text/html")
            return
        if hub.behaviour.status:
            self._error(hub.behaviour.status, "", "not now")
            return
        if hub.behaviour.token and self.headers.get("Authorization") != f"Bearer {hub.behaviour.token}":
            self._error(401, "GatedRepo", f"Access to dataset {hub.repo} is restricted.")
            return
        match = re.fullmatch(
            r"/(?:api/)?datasets/([^/]+/[^/]+)/(revision|tree|paths-info|resolve)/([^/]+)/?(.*)", path
        )
        plain = re.fullmatch(r"/api/datasets/([^/]+/[^/]+)", path)
        if (match or plain) and (match or plain)[1] != hub.repo:
            self._error(404, "RepoNotFound", "Repository not found")
        elif plain:
            self._json(self._info())
        elif match is None:
            self._error(404, "EntryNotFound", "no such page")
        elif match[3] not in ("main", hub.commit, *hub.former):
            self._error(404, "RevisionNotFound", f"Invalid rev id: {match[3]}")
        elif match[2] == "revision":
            self._json(self._info())
        elif match[2] == "tree":
            self._json([self._entry(name) for name in sorted(hub.files)])
        elif match[2] == "paths-info":
            asked = parse_qs(body.decode()).get("paths", [])
            self._json([self._entry(name) for name in asked if name in hub.files])
        else:
            self._file(match[4], moved="moved=1" in url.query)

    def _info(self) -> dict[str, object]:
        siblings = [{"rfilename": name} for name in sorted(self.hub.files)]
        return {"id": self.hub.repo, "sha": self.hub.commit, "private": False, "gated": False,
                "tags": [], "downloads": 0, "likes": 0, "siblings": siblings}  # fmt: skip

    def _entry(self, name: str) -> dict[str, object]:
        size = self.hub.files[name].stat().st_size
        oid = hashlib.sha1(name.encode()).hexdigest()
        return {"type": "file", "path": name, "size": size, "oid": oid}

    def _file(self, name: str, moved: bool) -> None:
        behaviour = self.hub.behaviour
        if name not in self.hub.files:
            self._error(404, "EntryNotFound", f"{name} does not exist")
            return
        data = self.hub.files[name].read_bytes()
        etag = hashlib.sha256(data).hexdigest()
        if behaviour.redirect and not moved:
            self.send_response(302)
            self.send_header("Location", f"{behaviour.redirect_to or self.hub.url}{self.path}?moved=1")
            self.send_header("X-Linked-Etag", f'"{etag}"')
            self.send_header("X-Linked-Size", str(len(data)))
            self.send_header("X-Repo-Commit", self.hub.commit)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.command == "GET" and self._counts_down("drop"):
            self._hang_up()
            return
        total = len(data)
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
        start, stop = 0, total
        if wanted and behaviour.ranges:
            start, stop = int(wanted[1]), min(int(wanted[2]) + 1, total)
        data = data[start:stop]
        if behaviour.hostile and self.command == "GET" and len(data) > 1:
            self._attack(behaviour.hostile, data, start, total)
            return
        is_body = self.command == "GET" and len(data) > 1  # and not the question whether ranges are served
        if is_body and behaviour.hold_after is not None and not self._counts_down("hold_after"):
            self.hub.holding.set()
            self.hub.released.wait()
            self._hang_up()
            return
        if is_body and self._counts_down("shorten_silently"):
            data = data[: len(data) // 2]
        self.send_response(206 if wanted and behaviour.ranges else 200)
        if wanted and behaviour.ranges:
            self.send_header("Content-Range", f"bytes {start}-{start + len(data) - 1}/{total}")
        self.send_header("ETag", f'"{etag}"')
        self.send_header("X-Repo-Commit", self.hub.commit)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if behaviour.delay_s and is_body:
            time.sleep(behaviour.delay_s)
        cut = is_body and self._counts_down("cut_short")
        if cut:
            data = data[: len(data) // 2]
        with self.hub.lock:  # before the client has them, so that a test that saw them finds them counted
            self.hub.sent_bytes += len(data)
        try:
            self.wfile.write(data)
        except OSError:
            return  # the client was killed, which is what some tests are about
        if cut:
            self._hang_up()

    def _attack(self, kind: str, data: bytes, start: int, total: int) -> None:
        self.close_connection = True
        self.send_response(200 if kind == "whole" or not self.hub.behaviour.ranges else 206)
        first = start + (kind == "elsewhere")
        self.send_header("Content-Range", f"bytes {first}-{first + len(data) - 1}/{total}")
        self.send_header("ETag", '"attack"')
        self.send_header("X-Repo-Commit", self.hub.commit)
        if kind in ("elsewhere", "whole"):
            self.send_header("Content-Length", str(len(data)))
        if kind == "gzip":
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        bodies: dict[str, Iterable[bytes]] = {
            "elsewhere": [data],
            "whole": [data],
            "gzip": itertools.repeat(gzip.compress(bytes(2**24)), 8),
            "drip": (time.sleep(0.02) or b"x" for _ in itertools.count()),
            "endless": itertools.repeat(bytes(2**16)),
        }
        try:
            for piece in bodies[kind]:
                with self.hub.lock:
                    self.hub.sent_bytes += len(piece)
                self.wfile.write(piece)
        except OSError:
            return  # the client has had enough

    def _counts_down(self, name: str) -> bool:
        with self.hub.lock:
            left: int = getattr(self.hub.behaviour, name)
            setattr(self.hub.behaviour, name, max(0, left - 1))
            return left > 0

    def _hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):  # the client may have done so
            self.connection.shutdown(2)

    def _json(self, content: object) -> None:
        self._send(json.dumps(content).encode(), "application/json")

    def _send(self, data: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("X-Repo-Commit", self.hub.commit)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _error(self, status: int, code: str, message: str) -> None:
        data = json.dumps({"error": message}).encode()
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", message)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
