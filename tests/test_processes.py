"""Child processes: what an interrupted exchange leaves, how children end, and that none is ever left behind."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import resource_tracker
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import psutil
import pytest

from natural_mujoco.errors import InvalidArgument, NaturalMujocoError, WorkerError
from natural_mujoco.processes import ChildDied, ChildHung, ChildProcess, Exchange, Failure, Stopwatch
from natural_mujoco.processes import child as child_module
from natural_mujoco.processes import exchange as exchange_module
from natural_mujoco.processes import mailbox as mailbox_module
from tests.processes_at_work import Ledger


def children() -> list[psutil.Process]:
    """Every child of this process, zombies too."""
    return psutil.Process().children()


@pytest.fixture(autouse=True)
def no_child_is_left() -> Iterator[None]:
    resource_tracker.ensure_running()  # multiprocessing's, which stays
    before = children()
    yield
    gc.collect()
    assert children() == before


@pytest.fixture
def pair() -> Iterator[Exchange]:
    """Two children that keep a ledger each."""
    team = [ChildProcess(Ledger, name=f"ledger {k}") for k in range(2)]
    yield Exchange(team, timeout=60)
    for child in team:
        child.end()


class Interrupt(BaseException):
    """What a signal handler raises."""


def interrupted_at(
    step: int,
    call: Callable[[], Any],
    modules: Iterable[ModuleType] = (exchange_module, child_module, mailbox_module),
) -> bool:
    """Runs `call` and interrupts it before the `step`-th bytecode of `modules`; whether there were so many."""
    ours = {module.__file__ for module in modules}
    left = step

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if frame.f_code.co_filename not in ours:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            left -= 1
            if left == 0:
                raise Interrupt
        return trace

    sys.settrace(trace)
    try:
        call()
    except Interrupt:
        return True
    finally:
        sys.settrace(None)
    return False


@pytest.mark.parametrize("command", ["pay", "pay_one"])
def test_an_exception_at_any_moment_neither_shifts_answers_nor_splits_a_command(
    pair: Exchange, command: str
) -> None:
    """With and without arguments; before every bytecode of the parent's side."""
    total, step, paid = 0, 0, 0
    pair.ask(command, *([1] if command == "pay" else []))
    total += 1
    while True:
        step += 1
        amounts = [1] if command == "pay" else []
        finished = not interrupted_at(step, lambda: pair.ask(command, *amounts))  # noqa: B023
        balances = pair.ask("balance")
        assert balances in ([total, total], [total + 1, total + 1]), f"interrupted before bytecode {step}"
        paid += balances[0] - total
        total = balances[0]
        assert pair.ask("echo", step) == [step, step]
        if finished:
            break
    assert step > 100
    assert 10 < paid < step, "either no interrupted command was carried out, or all were"


def test_arguments_that_do_not_pickle_are_refused_before_anyone_is_asked(pair: Exchange) -> None:
    with pytest.raises(InvalidArgument, match="cannot be pickled"):
        pair.send("pay", [(1,), (lambda: 0,)])
    assert pair.ask("balance") == [0, 0]


def test_results_and_errors_come_as_they_are_or_say_why_not(pair: Exchange) -> None:
    assert pair.ask("echo", bytes(10**6)) == [bytes(10**6)] * 2
    with pytest.raises(InvalidArgument, match="cannot be pickled"):
        pair.ask("unpicklable")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        pair.ask("nothing")
    with pytest.raises(WorkerError, match="ours"):
        pair.ask("fail", WorkerError("ours"))
    with pytest.raises(RuntimeError, match="SystemExit: 0"):
        pair.ask("leave")
    with pytest.raises(RuntimeError, match="Unprintable"):
        pair.ask("fail_unprintably")
    pair.send("fail", [(KeyError("one"),), (ValueError("other"),)])
    answers = pair.collect()
    assert [type(answer.error) for answer in answers if isinstance(answer, Failure)] == [KeyError, ValueError]
    assert "in fail" in answers[0].traceback
    assert pair.ask("echo", 1) == [1, 1]


def test_a_class_that_cannot_be_built_says_so_at_the_first_command() -> None:
    child = ChildProcess(Counter, 5)
    with pytest.raises(TypeError, match="not iterable"):
        Exchange([child]).ask("total")
    child.end()


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGRTMIN + 3])
def test_a_death_is_told_with_its_signal_and_last_words(pair: Exchange, number: int) -> None:
    pair.ask("say", "about to leave")
    os.kill(pair.children[1].pid, number)
    with pytest.raises(ChildDied) as died:
        pair.ask("balance")
    assert died.value.index == 1
    assert died.value.how == (signal.Signals(number).name if number < 32 else f"signal {number}")
    assert "about to leave" in died.value.last_words


def test_a_status_is_told_too(pair: Exchange) -> None:
    with pytest.raises(ChildDied, match="exit status 7"):
        pair.ask("exit_at_once", 7)


def test_a_child_that_does_not_answer_hangs(pair: Exchange) -> None:
    pair.ask("balance")
    pair.timeout = 0.3
    with pytest.raises(ChildHung):
        pair.ask("hold_the_interpreter")


def test_work_off_the_clock_does_not_count(pair: Exchange) -> None:
    pair.ask("balance")
    pair.timeout = 0.2
    assert pair.ask("work_off_the_clock", 1.0) == [None, None]


def test_only_time_in_which_the_watcher_ran_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    watch = Stopwatch()
    for _ in range(5):
        now += 0.1
        watch.look()
    assert watch.seconds == pytest.approx(0.5)
    now += 3600  # stopped, or asleep
    assert watch.look() < 1
    now += 0.1
    assert watch.look(counting=False) < 1


def test_signals_of_the_whole_group_are_the_parents(pair: Exchange) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        for child in pair.children:
            os.kill(child.pid, number)
    assert pair.ask("balance") == [0, 0]


def test_threads_start_children_at_once(tmp_path: Path) -> None:
    """A script without a guard, with modules of the standard library's names beside it."""
    script = tmp_path / "train.py"
    script.write_text(
        textwrap.dedent("""
        print("this line must be printed once", flush=True)
        import threading, sys
        from collections import Counter
        from natural_mujoco.processes import ChildProcess, Exchange
        main = sys.modules["__main__"]
        def start():
            for _ in range(2):
                child = ChildProcess(Counter, "abca")
                totals.append(Exchange([child]).ask("total"))
                child.end()
        totals = []
        threads = [threading.Thread(target=start) for _ in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert totals == [[4]] * 8, totals
        assert main.__file__ == __file__
        """)
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("queue", "pickle", "random", "signal", "types"):
        (elsewhere / f"{name}.py").write_text("raise SystemExit('the wrong module')")
    root = str(Path(__file__).resolve().parents[1])
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "this line must be printed once\n"


def _in_a_daemonic_process() -> None:
    child = ChildProcess(Counter, "abca")
    assert Exchange([child]).ask("total") == [4]
    child.end()


def test_a_daemonic_process_may_have_children() -> None:
    process = multiprocessing.get_context("spawn").Process(target=_in_a_daemonic_process, daemon=True)
    process.start()
    process.join()
    assert process.exitcode == 0


def test_a_thread_that_ends_leaves_its_children_alive() -> None:
    team: list[ChildProcess] = []
    thread = threading.Thread(target=lambda: team.append(ChildProcess(Counter, "abca")))
    thread.start()
    thread.join()
    assert Exchange(team).ask("total") == [4]
    team[0].end()


def test_a_forked_copy_has_no_power(pair: Exchange) -> None:
    pair.ask("pay", 3)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            pair.ask("pay", 1)
        except NaturalMujocoError:
            for child in pair.children:
                child.release()
                child.kill()
                child.end()
                child._finalizer()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0
    assert pair.ask("balance") == [3, 3]


@pytest.mark.parametrize("how", ["end", "collected", "in a cycle", "died", "failed to start"])
def test_no_way_of_ending_leaves_a_zombie(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if how == "failed to start":
        monkeypatch.setattr(sys, "executable", "/nowhere/python")
        descriptors = len(os.listdir("/proc/self/fd"))
        with pytest.raises(WorkerError, match="cannot be started: No such file"):
            ChildProcess(Ledger)
        assert len(os.listdir("/proc/self/fd")) == descriptors
        return
    child = ChildProcess(Ledger)
    process = psutil.Process(child.pid)
    if how == "end":
        child.end()
        child.end()
    elif how == "died":
        process.kill()
        process.wait()  # someone reaps it, without our asking
    elif how == "in a cycle":
        child.itself = child  # type: ignore[attr-defined]
    del child
    gc.collect()
    assert not process.is_running()


def test_what_a_child_last_counted_can_be_asked_for_after_its_end(pair: Exchange) -> None:
    child = pair.children[0]
    child.mailbox.count(2, 7)
    child.end()
    child.end()
    assert child.mailbox.counters == (0, 0, 7, 0)
    with pytest.raises(OSError):
        child.mailbox.put(b"for nobody")  # and not into a file that has the descriptor's number by now


def test_using_up_descriptors_is_one_sentence() -> None:
    program = """
        import resource
        from collections import Counter
        from natural_mujoco.processes import ChildProcess
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
        team = []
        try:
            while True:
                team.append(ChildProcess(Counter))
        except Exception as error:
            print(type(error).__name__, error)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True)
    assert done.stdout.startswith("WorkerError The child process cannot be started: Too many open files."), (
        done.stderr
    )


@pytest.mark.parametrize("end", ["exit", "TERM", "HUP", "INT", "KILL"])
def test_children_end_with_their_parent(end: str) -> None:
    """Even while native code holds the interpreter, and in the middle of starting."""
    program = """
        import sys
        from natural_mujoco.processes import ChildProcess, Exchange
        from tests.processes_at_work import Ledger
        team = [ChildProcess(Ledger) for _ in range(3)]
        busy = Exchange(team[:1])
        busy.ask("balance")
        busy.send("hold_the_interpreter")
        print(*(child.pid for child in team), flush=True)
        sys.stdin.readline()  # until it is told to exit, or gets the signal
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        team = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        assert len(team) == 3
        if end == "exit":
            parent.stdin.write("\n")
            parent.stdin.flush()
        else:
            parent.send_signal(getattr(signal, f"SIG{end}"))
        parent.wait()
    gone, alive = psutil.wait_procs(team, timeout=60)
    assert len(gone) == 3, alive
