"""What the children of `test_processes` do."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any

from natural_mujoco.processes import off_the_clock


class Unprintable(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


class Ledger:
    """Keeps a sum: whether a command was carried out shows in it."""

    def __init__(self) -> None:
        self._sum = 0

    def pay(self, amount: int) -> int:
        self._sum += amount
        return self._sum

    def pay_one(self) -> int:
        return self.pay(1)

    def balance(self) -> int:
        return self._sum

    def echo(self, value: Any) -> Any:
        return value

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def unpicklable(self) -> Any:
        return threading.Lock()

    def fail(self, error: Exception) -> None:
        raise error

    def fail_unprintably(self) -> None:
        raise Unprintable

    def leave(self) -> None:
        sys.exit(0)

    def exit_at_once(self, status: int) -> None:
        os._exit(status)

    def hold_the_interpreter(self) -> int:
        return 3 ** (3**50)

    def work_off_the_clock(self, seconds: float) -> None:
        with off_the_clock():
            time.sleep(seconds)
