from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

import agents

# The fewest page faults of several allocations of 200 MB: with 4 KB pages, 50,000 where each is given back.
PROGRAM = """
import resource, sys
import torch
from agents.fast.allocator import keep_freed_memory
assert keep_freed_memory() and (sys.argv[1] == "keep" or keep_freed_memory(False))
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(50_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(min(faults() for _ in range(10)))
"""


@pytest.mark.parametrize("mode", ["keep", "give back"])
def test_freed_memory_is_used_again_without_a_page_fault(mode: str) -> None:
    if sys.platform != "linux":
        assert not agents.fast.allocator.keep_freed_memory()
        return
    output = subprocess.run(
        [sys.executable, "-c", PROGRAM, mode],
        cwd=Path(agents.__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    pages = 200_000_000 / resource.getpagesize()
    assert (int(output) < 0.1 * pages) == (mode == "keep")
