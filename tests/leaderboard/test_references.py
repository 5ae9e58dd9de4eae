"""What stands beside an entry: zero and random at its own action repeat, and own files that are called so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from natural_mujoco.cli import main
from natural_mujoco.errors import InvalidArgument
from natural_mujoco.evaluation.conditions import TASK_NAMES
from natural_mujoco.evaluation.records import Results, write_results
from natural_mujoco.evaluation.references import (
    PROTOCOL_PACE,
    pace_of,
    reference_entries,
    reference_means,
    steady,
)
from natural_mujoco.experts import EXPERTS
from natural_mujoco.leaderboard.board import make_board
from natural_mujoco.leaderboard.entry_page import entry_page
from natural_mujoco.leaderboard.site import build_site
from tests.evaluation.made_up import make_results


def at_repeat(results: Results, *repeats: int) -> Results:
    """`results` as if its tasks had been played at these action repeats, by turns."""
    runs = tuple(
        run.model_copy(update={"tasks": tuple(run.tasks[k :: len(repeats)]), "action_repeat": repeat})
        for run in results.runs
        for k, repeat in enumerate(repeats)
    )
    return results.model_copy(update={"runs": runs})


@pytest.mark.parametrize("repeat", [1, 2, 4, 8])
def test_references_stand_beside_entries_of_the_same_action_repeat(repeat: int) -> None:
    board = make_board([at_repeat(make_results("mine"), repeat)])
    tab = board.tabs[0]
    own = next(row for row in tab.rows if row.name == "mine")
    zero, random, *experts = tab.beside(own)
    assert (zero.name, random.name) == ("zero", "random")
    # The expert is measured at the protocol's action repeat, 2. What is done at 4 or 8 can be done at 2, and not at 1.
    assert [(row.name, row.privileged) for row in experts] == [("expert", "state")] * (repeat != 1)
    means = reference_means(steady(repeat))["random"]
    assert {task: round(e.mean.point, 6) for task, e in random.tasks.items()} == {
        task: round(mean, 6) for task, mean in means.items()
    }
    # Held actions push further: this is why repeats are kept apart.
    swingup = {1: 34, 2: 29, 4: 95, 8: 164}[repeat]
    assert random.tasks["cartpole-swingup"].mean.point == pytest.approx(swingup, abs=1)
    assert [row.pace for row in tab.beside(None)] == [PROTOCOL_PACE] * 3


def test_an_entry_with_a_repeat_for_each_task_has_references_with_the_same(tmp_path: Path) -> None:
    entry = at_repeat(make_results("planet", training_seeds=1), 4, 8, 2)
    board = make_board([entry, make_results("plain")])
    tab = board.tabs[0]
    own = next(row for row in tab.rows if row.name == "planet")
    _, random, expert = tab.beside(own)
    assert random.summary is not None
    assert expert.slug == "expert"
    [half, *_] = make_board([at_repeat(make_results("half", training_seeds=1), 1, 2)]).tabs
    [_, _, at_two] = half.beside(next(row for row in half.rows if row.name == "half"))
    assert set(at_two.tasks) == set(TASK_NAMES[1::2])
    for task, repeat in pace_of(entry.runs):
        assert random.tasks[task].mean.point == pytest.approx(reference_means(steady(repeat))["random"][task])
    build_site([(Path("a"), entry), (Path("b"), make_results("plain"))], tmp_path / "site")
    source = (tmp_path / "site" / "index.html").read_text()
    assert "random (action repeat 2, 4, 8)" in source
    for link in re.findall(r'href="(entries/[^"]+)"', source):
        assert (tmp_path / "site" / link).is_file()


def test_a_repeat_that_was_not_measured_is_said() -> None:
    [tab, *_] = make_board([at_repeat(make_results("mine"), 3)]).tabs
    own = next(row for row in tab.rows if row.name == "mine")
    assert tab.beside(own) == ()
    assert own.remarks == ("action repeat 3", "no zero, random, expert at this action repeat")


def test_the_protocols_references_did_not_change() -> None:
    means = reference_means()
    assert means["random"]["cartpole-swingup"] == pytest.approx(29.053738)
    assert means["random"]["cartpole-balance"] == pytest.approx(345.337211)
    assert means["zero"]["walker-walk"] == pytest.approx(19.145114)
    assert set(means["zero"]) == set(TASK_NAMES)


def test_an_own_measurement_of_random_is_shown(tmp_path: Path) -> None:
    own = reference_entries()[1]
    [tab, *_] = make_board([own]).tabs
    assert [(row.name, row.kind, row.remarks) for row in tab.rows if row.name == "random"] == [
        ("random", "measured", ("own measurement",)),
        ("random", "reference", ()),
    ]
    write_results(tmp_path / "random.json", own)
    assert main(["leaderboard", "build", str(tmp_path / "random.json"), "--out", str(tmp_path / "site")]) == 0
    assert "own measurement" in (tmp_path / "site" / "index.html").read_text()


@pytest.mark.parametrize(
    ("first", "second"),
    [("SAC", "\u0405\u0410\u0421"), ("Mine", "mine"), ("agent 1", "agent l"), ("\u00e9", "e\u0301")],
)
def test_two_names_that_look_alike_are_refused(first: str, second: str) -> None:
    with pytest.raises(InvalidArgument, match="look alike"):
        make_board([make_results(first), make_results(second)])


ELEVENTH = """
import sys
from pathlib import Path
from natural_mujoco.tasks import TASKS, Task
TASKS["HopperHop"] = Task("HopperHop", "hopper-hop", "hopper", "hop", frozenset({"floor"}))
from natural_mujoco.cli import main
from natural_mujoco.commands.evaluation_progress import print_results
from natural_mujoco.evaluation.records import write_results
from tests.evaluation.made_up import make_results
mine, old = make_results("mine", curves=True), make_results("old", tasks=["walker-walk"])
for results in (mine, old):
    write_results(f"{results.entry.name}.json", results)
assert main(["leaderboard", "check", "mine.json", "old.json"]) == 0
assert main(["leaderboard", "build", "mine.json", "old.json", "--out", "site"]) == 0
assert main(["leaderboard", "build", "--out", "empty"]) == 0
assert main(["leaderboard", "table", "mine.json"]) == 0
print_results(mine, Path("mine.json"))
"""


def test_an_eleventh_task_needs_no_edit_here(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", ELEVENTH],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "hopper-hop" in done.stdout
    assert "nan" not in done.stdout
    source = (tmp_path / "site" / "index.html").read_text()
    assert "hopper-hop" in source
    assert "nan" not in re.sub(r"[a-z]*nan[a-z]+|[a-z]+nan[a-z]*", "", source)


def test_an_entrys_page_says_how_far_it_gets_from_random_to_expert(tmp_path: Path) -> None:
    entry = at_repeat(make_results("mine", tasks=tuple(EXPERTS)), 2)
    own = next(one for one in make_board([entry]).entries if one.results.entry.name == "mine")
    page = entry_page(make_board([entry]), own)
    means = reference_means()
    for line in page["numbers"]:
        random, expert = means["random"][line["task"]], means["expert"][line["task"]]
        value = page["conditions"].index(page["main"])
        assert line["share"] == pytest.approx((line["cells"][value].mean.point - random) / (expert - random))
    build_site([(Path("a"), entry)], tmp_path / "site")
    source = next((tmp_path / "site/entries").glob("mine*.html")).read_text()
    assert f'<th scope="col">share of expert, {page["main"]}</th>' in source
    assert all(f"<td>{line['share']:.2f}</td>".replace("-", "−") in source for line in page["numbers"])
    [away] = make_board([at_repeat(entry, 4)]).entries
    held = reference_means(steady(4))
    for line in entry_page(make_board([at_repeat(entry, 4)]), away)["numbers"]:
        random, expert = held["random"][line["task"]], means["expert"][line["task"]]
        assert line["share"] == pytest.approx((line["cells"][value].mean.point - random) / (expert - random))
    [odd] = make_board([at_repeat(entry, 1)]).entries
    assert all(
        line["share"] is None for line in entry_page(make_board([at_repeat(entry, 1)]), odd)["numbers"]
    )
