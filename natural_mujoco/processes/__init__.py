"""Child processes: one home for starting, asking, watching, ending and reaping them.

- `ChildProcess`: a process that builds an object of ours and carries out its methods (`child`).
- `Exchange`: numbered commands to one or several of them, whole or not at all (`exchange`).
- `Stopwatch`: time in which this process itself ran, so that a suspended machine hangs nothing (`exchange`).
- `report`, `off_the_clock`: what a child says while it works (`serving`); both do nothing in any other process.
- `usable_cores`: how many of them make sense (`cores`).
- `shared_file`: memory for parent and children (`mailbox`).
- `stop_on_signals`, `follow_parent`: TERM, HUP and the parent's death (`signals`).

A child never imports the user's main module, is not a fork, leaves INT, TERM and HUP to its parent, and is gone when
its parent is gone, however that ended. A forked copy of the parent has no power over it.

    child = ChildProcess(Decoder, folder, name="decoder")     # Decoder(folder), over there
    exchange = Exchange([child], timeout=120)
    [count] = exchange.ask("count_frames", path)              # Decoder.count_frames(path); raises what it raises
    child.end()
"""

from .child import ChildProcess
from .cores import usable_cores
from .exchange import ChildDied, ChildHung, Exchange, RemoteTraceback, Stopwatch
from .mailbox import shared_file
from .serving import Failure, off_the_clock, report
from .signals import Stopped, follow_parent, stop_on_signals

__all__ = [
    "ChildDied",
    "ChildHung",
    "ChildProcess",
    "Exchange",
    "Failure",
    "RemoteTraceback",
    "Stopped",
    "Stopwatch",
    "follow_parent",
    "off_the_clock",
    "report",
    "shared_file",
    "stop_on_signals",
    "usable_cores",
]
