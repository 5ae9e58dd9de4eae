"""Results files from strangers: read within bounds, or refused with the record and the reason."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from natural_mujoco.errors import ResultsError
from natural_mujoco.evaluation.checking import check_results
from natural_mujoco.evaluation.records import Results, read_results, write_results

from .made_up import make_results


@pytest.fixture(scope="module")
def small() -> Results:
    return make_results(tasks=("walker-walk", "cheetah-run"), episodes=2, training_seeds=1)


@pytest.fixture
def refused(tmp_path: Path, small: Results) -> Any:
    """Edits the file's data and returns the message with which it is refused."""

    def edit_and_read(edit: Any) -> str:
        data = json.loads(small.to_json())
        edit(data)
        path = tmp_path / "entry.json"
        path.write_text(json.dumps(data))
        with pytest.raises(ResultsError) as caught:
            read_results(path)
        return str(caught.value)

    return edit_and_read


def test_a_file_is_read_as_it_was_written(tmp_path: Path, small: Results) -> None:
    write_results(tmp_path / "entry.json", small)
    assert read_results(tmp_path / "entry.json") == small


def test_the_file_has_one_record_a_line(small: Results) -> None:
    lines = [line for line in small.to_json().splitlines() if line.startswith('{"task"')]
    assert len(lines) == len(small.episodes) == 12
    assert json.loads(lines[0].rstrip(","))["return"] == small.episodes[0].return_


def test_rows_hold_all_that_a_record_means(small: Results) -> None:
    rows = list(small.rows())
    assert rows[0] == {
        "entry": "made up",
        "task": "walker-walk",
        "condition": "standard",
        "training_seed": 0,
        "episode_seed": 1_000_000,
        "return": small.episodes[0].return_,
        "length": 1000,
        "video": None,
        "frame": None,
        "frames_sha256": None,
        "video_set": None,
        "manifest_hash": None,
        "renderer": "opengl",
        "versions": {"natural-mujoco": "0.1.0", "mujoco": "3.17.0"},
        "gl_renderer": "llvmpipe",
        "commit": None,
    }
    natural = next(row for row in rows if row["condition"] == "natural-test")
    assert natural["video_set"] == "embedded"
    assert natural["video"]


def test_a_file_says_what_drew_it_where_that_was_not_opengl(tmp_path: Path, small: Results) -> None:
    """Files of versions that knew no other renderer do not say it, and are written as they were."""
    assert "renderer" not in json.loads(small.to_json())["protocol"]
    warp = small.model_copy(update={"protocol": small.protocol.model_copy(update={"renderer": "warp"})})
    write_results(tmp_path / "entry.json", warp)
    assert read_results(tmp_path / "entry.json") == warp
    assert {row["renderer"] for row in warp.rows()} == {"warp"}
    assert "drawn by MuJoCo Warp and not by OpenGL, so it gets no rank" in check_results(warp).remarks


RECORD = "episode record 3"
NAME = "walker-walk, natural-train, training seed 0, episode seed 1000001"


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("return", float("nan"), "finite number"),
        ("return", float("inf"), "finite number"),
        ("return", -0.5, "greater than or equal to 0"),
        ("return", 1000.5, "less than or equal to 1000"),
        ("return", "900", "valid number, not '900'"),
        ("return", None, "valid number"),
        ("return", True, "valid number"),
        ("length", 0, "greater than or equal to 1"),
        ("length", 1.5, "valid integer"),
        ("episode_seed", -1, "greater than or equal to 0"),
        ("condition", "natural", "must be standard, natural-train, natural-test"),
        ("condition", "natural-test@0.50", "must be standard, natural-train, natural-test"),
        ("condition", "standard@0.5", "must be standard, natural-train, natural-test"),
        ("video", "x" * 301, "at most 300 characters"),
        ("machine", 1000, "less than 1000"),
        ("bonus", 1, "unknown field 'bonus'"),
    ],
)
def test_a_bad_field_is_refused_with_its_record(refused: Any, field: str, value: Any, reason: str) -> None:
    message = refused(lambda data: data["episodes"][3].update({field: value}))
    assert "entry.json" in message
    assert RECORD in message
    assert field in message
    assert reason in message
    if field not in ("condition", "episode_seed"):
        assert NAME in message


def test_a_missing_field_is_refused_with_its_record(refused: Any) -> None:
    message = refused(lambda data: data["episodes"][3].pop("return"))
    assert f"{RECORD} → return ({NAME}): field required" in message


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda d: d.update(format="other"), "format"),
        (lambda d: d.update(version=2), "version"),
        (lambda d: d.update(surprise={}), "header: unknown field 'surprise'"),
        (lambda d: d["entry"].update(name=""), "at least 1 character"),
        (lambda d: d["entry"].update(name="a\nb"), "one line of printable text"),
        (lambda d: d["entry"].update(name="evil\u202etxt"), "one line of printable text"),
        (lambda d: d["entry"].update(link="javascript:alert(1)"), "http:// or https://"),
        (lambda d: d["entry"].update(link='https://x/" onclick="alert(1)'), "http:// or https://"),
        (lambda d: d["protocol"].update(size=128), "protocol → size"),
        (lambda d: d["video_set"].update(manifest_hash="00"), "64 hexadecimal digits"),
        (lambda d: d.update(runs=[]), "runs"),
        (
            lambda d: d.update(media=[{"task": "a", "condition": "standard", "file": "../x.png"}]),
            "plain relative",
        ),
        (
            lambda d: d.update(media=[{"task": "a", "condition": "standard", "file": "/etc/x"}]),
            "plain relative",
        ),
        (lambda d: d.update(episodes={}), "valid array"),
    ],
)
def test_a_bad_header_is_refused(refused: Any, edit: Any, reason: str) -> None:
    assert reason in refused(edit)


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 100, b"[]", b"null", b"{" * 100_000, b"[" * 100_000, b'{"a":' * 5000, b"\xff\xfe{}"],
)
def test_junk_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "junk.json"
    path.write_bytes(content)
    with pytest.raises(ResultsError, match=r"junk\.json: no valid results file"):
        read_results(path)


def test_deep_nesting_inside_a_record_is_refused(tmp_path: Path, small: Results) -> None:
    path = tmp_path / "deep.json"
    nested = '{"x":' * 4000 + "1" + "}" * 4000
    path.write_text(small.to_json().replace('"frame":null', f'"frame":{nested}', 1))
    with pytest.raises(ResultsError, match="recursion limit"):
        read_results(path)


def test_a_gigabyte_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "big.json"
    with open(path, "wb") as file:
        file.truncate(2**30)
    with pytest.raises(ResultsError, match=r"big\.json is larger than the 67,108,864 bytes"):
        read_results(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    for path, reason in (
        (tmp_path, "Is a directory"),
        (tmp_path / "missing.json", "No such file"),
        (tmp_path / "pipe.json", "is no plain file"),
    ):
        with pytest.raises(ResultsError, match=reason):
            read_results(path)


def test_a_key_that_is_there_twice_is_refused(tmp_path: Path, small: Results) -> None:
    path = tmp_path / "twice.json"
    path.write_text(small.to_json().replace('"return":', '"return":1000.0,"return":', 1))
    with pytest.raises(ResultsError, match=r"twice\.json: the key 'return' appears twice"):
        read_results(path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_edit_makes_reading_crash(tmp_path: Path, small: Results, data: st.DataObject) -> None:
    """Any value anywhere in the file: it is read, or refused with a sentence."""
    content = json.loads(small.to_json())
    junk = st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
        ),
        max_leaves=5,
    )
    place: Any = content
    while True:
        keys = list(place) if isinstance(place, dict) else range(len(place))
        if not keys:
            return
        key = data.draw(st.sampled_from(keys))
        if isinstance(place[key], (dict, list)) and place[key] and data.draw(st.booleans()):
            place = place[key]
            continue
        place[key] = data.draw(junk)
        break
    path = tmp_path / "fuzzed.json"
    path.write_text(json.dumps(content))
    with contextlib.suppress(ResultsError):
        read_results(path)


def test_a_failed_write_keeps_the_old_file(
    tmp_path: Path, small: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "entry.json"
    write_results(path, small)
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResultsError, match="The disk is full: free some space, or give --out"):
        write_results(path, make_results("other", tasks=("walker-run",), episodes=1))
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["entry.json"]
