"""Tampered and incomplete files: each is refused with the record and the reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from natural_mujoco.errors import ResultsError
from natural_mujoco.evaluation.checking import check_results, load_entry
from natural_mujoco.evaluation.conditions import TASK_NAMES
from natural_mujoco.evaluation.curves import Setting, setting_of
from natural_mujoco.evaluation.records import Results, write_results
from natural_mujoco.evaluation.scores import summarise

from .made_up import make_results


@pytest.fixture(scope="module")
def entry() -> Results:
    return make_results(tasks=("walker-walk", "cheetah-run"), training_seeds=2)


def edited(results: Results, index: int, **fields: Any) -> Results:
    """`results` with some fields of one record replaced."""
    episodes = list(results.episodes)
    episodes[index] = episodes[index].model_copy(update=fields)
    return results.model_copy(update={"episodes": tuple(episodes), "summary": {}})


def test_a_faithful_file_passes(entry: Results) -> None:
    verdict = check_results(entry)
    assert verdict.faults == ()
    assert any(f"2 of {len(TASK_NAMES)} tasks" in remark for remark in verdict.remarks)


def test_a_whole_file_passes_without_remark() -> None:
    verdict = check_results(make_results(training_seeds=1))
    assert verdict == type(verdict)((), ())


def _natural(results: Results) -> int:
    return next(k for k, e in enumerate(results.episodes) if e.condition == "natural-test")


def _double(results: Results) -> Results:
    return results.model_copy(update={"episodes": (*results.episodes, results.episodes[5]), "summary": {}})


def _without_task(results: Results) -> Results:
    kept = tuple(e for e in results.episodes if e.task != "cheetah-run")
    return results.model_copy(update={"episodes": kept, "summary": {}})


def _without_one(results: Results) -> Results:
    return results.model_copy(
        update={"episodes": (*results.episodes[:7], *results.episodes[8:]), "summary": {}}
    )


def _other_aggregate(results: Results) -> Results:
    summary = dict(results.summary)
    summary["natural-test"] = summary["natural-test"].model_copy(
        update={"tasks": {**summary["natural-test"].tasks, "walker-walk": 999.0}}
    )
    return results.model_copy(update={"summary": summary})


def _missing_aggregate(results: Results) -> Results:
    return results.model_copy(update={"summary": {"standard": results.summary["standard"]}})


def _other_hash(results: Results) -> Results:
    assert results.video_set is not None
    return results.model_copy(
        update={"video_set": results.video_set.model_copy(update={"manifest_hash": "ab" * 32})}
    )


def _claimed_twice(results: Results) -> Results:
    return results.model_copy(update={"runs": (*results.runs, results.runs[0])})


def _unknown_task(results: Results) -> Results:
    run = results.runs[0].model_copy(update={"tasks": ("walker-fly",)})
    return results.model_copy(update={"runs": (*results.runs, run)})


def _reserved_name(results: Results) -> Results:
    return results.model_copy(update={"entry": results.entry.model_copy(update={"name": "zero"})})


@pytest.mark.parametrize(
    ("tamper", "fault"),
    [
        (_other_aggregate, r"summary of natural-test, walker-walk: says 999.0, the records' mean is \d"),
        (_missing_aggregate, "summary of natural-train: it is missing"),
        (_double, r"walker-walk, standard, training seed 0, episode seed 1000005: this episode is there 2 times"),
        (_without_task, "cheetah-run, standard, training seed 0: 10 of 10 episodes are missing"),
        (_without_one, "walker-walk, standard, training seed 0: 1 of 10 episodes are missing, the first is episode "
                       "seed 1000007"),
        (_other_hash, r"embedded: manifest hash abababababab… is not that of the set \(\w{12}…\)"),
        (_claimed_twice, r"run 2 \(runs/0\): walker-walk, standard, training seed 0 is claimed by run 0"),
        (_unknown_task, "unknown task 'walker-fly'; valid: walker-walk"),
        (_reserved_name, "'zero' is reserved"),
        (lambda r: edited(r, 4, task="walker-run"), r"episode record 4 \(walker-run.*no run in the header claims it"),
        (lambda r: edited(r, 4, episode_seed=4), r"episode record 4 \(.*episode seed 4\): not one of the protocol's"),
        (lambda r: edited(r, 4, return_=800.0, length=600), "record 4 .* return 800 is out of range for 600 control"),
        (lambda r: edited(r, 4, machine=3), r"episode record 4 \(.*machine 3 is not in the header"),
        (lambda r: edited(r, 4, video="train-00", frame=1), r"record 4 \(.*a video in the standard condition"),
        (lambda r: edited(r, _natural(r), video=None), "no video or frame"),
        (lambda r: edited(r, _natural(r), frame=0), "shows .* from frame 0, but this seed leads to .* from frame"),
        (lambda r: edited(r, _natural(r), video="train-00"), "shows train-00 .* but this seed leads to"),
    ],
)  # fmt: skip
def test_tampering_is_refused(
    entry: Results, tmp_path: Path, tamper: Callable[[Results], Results], fault: str
) -> None:
    tampered = tamper(entry)
    assert any(_matches(fault, found) for found in check_results(tampered).faults), check_results(
        tampered
    ).faults
    write_results(tmp_path / "tampered.json", tampered)
    with pytest.raises(ResultsError, match=r"tampered\.json: "):
        load_entry(tmp_path / "tampered.json")


def _matches(pattern: str, text: str) -> bool:
    import re

    return re.search(pattern, text) is not None


def test_an_edited_return_contradicts_the_summary(entry: Results) -> None:
    episodes = list(entry.episodes)
    episodes[0] = episodes[0].model_copy(update={"return_": 1000.0})
    faults = check_results(entry.model_copy(update={"episodes": tuple(episodes)})).faults
    assert any(fault.startswith("summary of standard, walker-walk") for fault in faults)


@pytest.mark.parametrize(("factor", "faults"), [(1.0, 0), (1.1, 3)])
def test_a_file_from_before_the_table_grew_keeps_its_own_aggregate(
    entry: Results, factor: float, faults: int
) -> None:
    summary = summarise(entry, ("walker-walk", "cheetah-run"))
    for condition, said in summary.items():
        assert said.iqm
        summary[condition] = said.model_copy(update={"iqm": said.iqm * factor})
    assert len(check_results(entry.model_copy(update={"summary": summary})).faults) == faults


def test_an_edited_interquartile_mean_is_refused() -> None:
    whole = make_results(training_seeds=1)
    summary = dict(whole.summary)
    summary["standard"] = summary["standard"].model_copy(update={"iqm": 999.0})
    faults = check_results(whole.model_copy(update={"summary": summary})).faults
    assert len(faults) == 1
    assert "says interquartile mean 999.0" in faults[0]


def test_sets_that_do_not_ship_cannot_be_checked_and_that_is_said(entry: Results) -> None:
    assert entry.video_set is not None
    own = entry.model_copy(
        update={"video_set": entry.video_set.model_copy(update={"name": "../../etc/passwd"})}
    )
    verdict = check_results(own)
    assert verdict.faults == ()
    assert any("does not ship with this package" in remark for remark in verdict.remarks)


def test_a_flood_of_faults_is_cut_off(entry: Results) -> None:
    alien = tuple(e.model_copy(update={"task": "walker-fly"}) for e in entry.episodes)
    assert len(check_results(entry.model_copy(update={"episodes": alien})).faults) == 20


def test_curves_must_belong_to_a_run_and_advance() -> None:
    entry = make_results(tasks=("walker-walk",), training_seeds=1, curves=True)
    curve = entry.curves[0]
    for update, fault in (
        ({"training_seed": 9}, "no run in the header claims it"),
        ({"steps": curve.steps[::-1]}, "steps must increase"),
        ({"steps": curve.steps[:-1]}, "19 steps but 20 returns"),
        (
            {"setting": setting_of(True, videos="embedded", matte="paper")},
            "was not played by the protocol (rendering reference, matte paper)",
        ),
        (
            {"setting": setting_of(True, videos="ilsvrc-vid-mini")},
            "was not played by the protocol (videos ilsvrc",
        ),
        ({"departures": ("matte paper",), "setting": Setting()}, "was not played by the protocol"),
        ({"condition": "as trained"}, "does not say in what it differs"),
        (
            {"condition": "as trained", "departures": ("matte paper",), "training_seed": 9},
            "no run in the header claims",
        ),
    ):
        faults = check_results(entry.model_copy(update={"curves": (curve.model_copy(update=update),)})).faults
        assert any(fault in found for found in faults)
