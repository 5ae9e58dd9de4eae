"""Child processes: everything that starts, commands, watches, ends and reaps them.

- `ChildProcess`: a process that creates an object and calls its methods on command (`child`).
- `Exchange`: sends numbered commands to one or several children and collects the answers (`exchange`).
- `Stopwatch`: counts only time in which this process ran, so that suspending a machine causes no time-out (`exchange`).
- `report`, `off_the_clock`: how a child reports progress, or stops its time-out (`serving`); no effect elsewhere.
- `usable_cores`: the number of cores, and so of useful processes (`cores`).
- `shared_file`: memory shared by parent and children (`mailbox`).
- `stop_on_signals`, `follow_parent`: handling of TERM, HUP and the parent's death (`signals`).

A child is a new interpreter, not a fork, and never imports the user's main module. It leaves INT, TERM and HUP to its
parent and ends when its parent ends, for whatever reason. A forked copy of the parent cannot command or end it.

    child = ChildProcess(Decoder, folder, name="decoder")     # creates Decoder(folder) in the child
    exchange = Exchange([child], timeout=120)
    [count] = exchange.ask("count_frames", path)              # calls its count_frames(path), raises what that raises
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
