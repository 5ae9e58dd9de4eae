"""A real Ray cluster for tests: `ray start --head` with two CPUs, so two workers at a time.

- `Cluster`: where it is, and who works in it.
- `running_cluster`: one that is ready, and gone afterwards.

It lives on the loopback interface and on ports that nobody is given by chance, and a head that dies while it starts is
replaced: whether it comes up depends neither on the network nor on what else the machine does.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]

# Ray reads 127.0.0.1 as "the address under which others see this machine" and then works over that one, which a
# firewall or a missing network may keep from being reached even from here. Any other loopback address it takes as it
# is. (macOS has only 127.0.0.1, but there Ray stays on it.)
LOOPBACK = "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"

STARTS = 5
"""How many heads are started before the test gives up: Ray allows its own processes only 30 s to find each other."""

PATIENCE_S = 900.0
"""Ends a test that would hang for ever. Nothing that works comes near it."""


def without_ray() -> dict[str, str]:
    """This process' environment without what it tells Ray."""
    return {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}


def wait_for(condition: Callable[[], bool]) -> None:
    """Returns once `condition` holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.1)


@dataclass(frozen=True)
class Cluster:
    """A running head. Its workers see `gate`, a file that is not there yet, as `$GATE`."""

    address: str
    pid: int
    gate: Path

    def workers(self, task: str) -> list[psutil.Process]:
        """The worker processes that are running `task`."""
        found = []
        for process in psutil.Process(self.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if any(f"ray::{task}" in part for part in process.cmdline()):
                    found.append(process)
        return found


@contextlib.contextmanager
def running_cluster(**environ: str) -> Iterator[Cluster]:
    """A cluster of one head with two CPUs, ready for work; `environ` is added to its environment.

    Fails with the heads' own words if none comes up.
    """
    logs = []
    for _ in range(STARTS):
        # Ray's sockets lie in this folder, and the names of sockets must be short.
        folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
        log = folder / "head.log"
        port, client_port = _quiet_ports()
        head = _start_head(folder, log, port, client_port, environ)
        try:
            wait_for(lambda: head.poll() is not None or _is_ready(log, client_port))  # noqa: B023 (called at once)
            if head.poll() is None:
                yield Cluster(f"{LOOPBACK}:{port}", head.pid, folder / "gate")
                return
            logs.append(log.read_text(errors="replace")[-3000:])
        finally:
            _end(head)
            shutil.rmtree(folder, ignore_errors=True)
    raise AssertionError(f"{STARTS} Ray heads died while they started. They said:\n" + "\n---\n".join(logs))


def _start_head(
    folder: Path, log: Path, port: int, client_port: int, environ: dict[str, str]
) -> subprocess.Popen[bytes]:
    # One of Ray's processes is started by a shell, without quotes: a checkout may lie in a folder with spaces.
    (folder / "python").symlink_to(sys.prefix)
    python = folder / "python" / Path(sys.executable).relative_to(sys.prefix)
    environ = without_ray() | {"GATE": str(folder / "gate"), "PYTHONPATH": str(ROOT)} | environ
    with log.open("wb") as out:
        return subprocess.Popen(
            [python, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--num-cpus=2",
             f"--node-ip-address={LOOPBACK}", f"--port={port}", f"--ray-client-server-port={client_port}",
             "--include-dashboard=false", "--disable-usage-stats", "--object-store-memory=100000000",
             f"--temp-dir={folder}"],
            cwd=ROOT, env=environ, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip


def _quiet_ports() -> tuple[int, int]:
    """Two free ports below those that the kernel hands out, so that they still are free when the head gets to them."""
    free = []
    for port in random.sample(range(20_000, 32_000), 1000):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((LOOPBACK, port))
            free.append(port)
        if len(free) == 2:
            return free[0], free[1]
    raise AssertionError("Not two free ports between 20000 and 32000.")


def _is_ready(log: Path, client_port: int) -> bool:
    """Whether all of the head's processes are there: it says so itself, but does not wait for the one for clients."""
    said = re.sub(r"\x1b\[\d*m", "", log.read_text(errors="replace"))
    if "will now block forever" not in said:
        return False
    with contextlib.suppress(OSError):
        socket.create_connection((LOOPBACK, client_port), timeout=10).close()
        return True
    return False


def _end(head: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(psutil.Error):  # a head that died has taken its processes with it
        for process in psutil.Process(head.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                process.kill()
    head.kill()
    head.wait()
