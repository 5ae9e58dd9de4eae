"""Manifests: what the shipped ones hold, what is refused, and what the content hash stands for."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from natural_mujoco.backgrounds.manifest import Manifest, load_manifest, read_manifest, shipped_names
from natural_mujoco.errors import InvalidArgument, VideoSetError

from .sets import write_manifest

REPOSITORY = Path(__file__).resolve().parents[2]
LOCAL = {"kind": "local", "obtain": "Ask."}


def test_the_shipped_sets_have_the_promised_sizes() -> None:
    sizes = {
        name: tuple(len(load_manifest(name).ids(split)) for split in ("train", "test"))
        for name in ("embedded", "embedded-256", "ilsvrc-vid", "ilsvrc-vid-mini", "davis-2017")
    }
    assert sizes == {
        "embedded": (32, 16),
        "embedded-256": (256, 16),
        "ilsvrc-vid": (202, 78),
        "ilsvrc-vid-mini": (16, 8),
        "davis-2017": (60, 30),
    }


def test_no_ilsvrc_source_video_is_in_both_splits_or_twice() -> None:
    sources: dict[tuple[str, str], str] = {}
    for video in load_manifest("ilsvrc-vid").videos:
        half, source = re.fullmatch(r"ILSVRC2015_(train|val)_(\d{5})\d{3}", video.id).groups()
        assert (half, source) not in sources
        sources[half, source] = video.split
        assert video.frames is not None
        assert video.frames >= 200
    assert len(sources) == 280


def test_the_mini_set_is_a_part_of_the_full_one_and_shares_its_clips() -> None:
    full, mini = load_manifest("ilsvrc-vid"), load_manifest("ilsvrc-vid-mini")
    assert all(video in full.videos for video in mini.videos)
    assert mini.collection == full.collection
    assert mini.content_hash != full.content_hash


def test_davis_is_split_as_in_the_distracting_control_suite() -> None:
    davis = load_manifest("davis-2017")
    assert {"bear", "dog-agility", "tuk-tuk"} <= set(davis.ids("train"))
    assert {"bike-packing", "blackswan", "soapbox"} <= set(davis.ids("test"))


def test_manifests_are_rebuilt_from_tables_by_the_shipped_tool(tmp_path: Path) -> None:
    # Five sources: 1 is in both lists (its test clip decides), 2 has two shots, 3 is too short, 4 is test only,
    # 5 is in train, but a short test clip shows the same source.
    rows = {
        "ILSVRC2015_train_00001000": ("train", 300),
        "ILSVRC2015_train_00001001": ("test", 250),
        "ILSVRC2015_train_00002000": ("train", 220),
        "ILSVRC2015_train_00002001": ("train", 400),
        "ILSVRC2015_train_00003000": ("train", 199),
        "ILSVRC2015_val_00001000": ("test", 200),
        "ILSVRC2015_train_00005000": ("train", 500),
        "ILSVRC2015_train_00005001": ("test", 20),
    }
    rows |= {f"ILSVRC2015_train_1{k:04}000": ("train" if k % 2 else "test", 300) for k in range(40)}

    def table(name: str, header: list[str], content: list[list[object]]) -> Path:
        with open(tmp_path / name, "w", newline="") as file:
            csv.writer(file).writerows([header, *content])
        return tmp_path / name

    vidvrd = table("v.csv", ["split", "video_id", "n_frames"], [[s, i, n] for i, (s, n) in rows.items()])
    snippets = table(
        "s.csv", ["split", "snippet_id", "n_frames"], [["train", f"a/{i}", n] for i, (_, n) in rows.items()]
    )
    davis = table(
        "d.csv", ["split", "name", "n_frames"], [["train", "b", 80], ["val", "a", 70], ["test-dev", "c", 60]]
    )
    tool = [sys.executable, str(REPOSITORY / "tools" / "build_manifests.py"), "--out", str(tmp_path)]
    subprocess.run(
        [*tool, "--snippets", str(snippets), "--vidvrd", str(vidvrd), "--davis", str(davis)], check=True
    )
    ilsvrc = read_manifest(tmp_path / "ilsvrc-vid.json")
    by_hand = {i for i in ilsvrc.ids("train") if not i.startswith("ILSVRC2015_train_1")}
    assert by_hand == {"ILSVRC2015_train_00002001"}
    by_hand = {i for i in ilsvrc.ids("test") if not i.startswith("ILSVRC2015_train_1")}
    assert by_hand == {"ILSVRC2015_train_00001001", "ILSVRC2015_val_00001000"}
    mini = read_manifest(tmp_path / "ilsvrc-vid-mini.json")
    assert (len(mini.ids("train")), len(mini.ids("test"))) == (16, 8)
    assert read_manifest(tmp_path / "davis-2017.json").ids("train") == ("b",)
    assert read_manifest(tmp_path / "davis-2017.json").ids("test") == ("a",)


def test_the_content_hash_follows_what_decides_the_frames_and_nothing_else(tmp_path: Path) -> None:
    def manifest(**more: object) -> Manifest:
        return read_manifest(write_manifest(tmp_path / "m.json", ["a", "b", "c"], LOCAL, frames=30, **more))

    first = manifest()
    same = [
        manifest(name="other", collection="street"),
        manifest(licence="Another."),
        manifest(version=7),
        manifest(description="Another."),
        first.model_copy(update={"source": load_manifest("ilsvrc-vid").source}),
    ]
    assert {m.content_hash for m in same} == {first.content_hash}
    video = first.videos[0]
    changed = [
        {"split": "test"},
        {"frames": 31},
        {"id": "d"},
        {"sha256": {64: "0" * 64}},
        {"file_sha256": "0" * 64},
    ]
    others = [
        first.model_copy(update={"videos": (video.model_copy(update=change), *first.videos[1:])})
        for change in changed
    ]
    others.append(first.model_copy(update={"videos": first.videos[1:]}))
    others.append(manifest(collection="elsewhere"))
    hashes = {m.content_hash for m in others}
    assert len(hashes) == len(others)
    assert first.content_hash not in hashes


def test_a_manifest_survives_writing_and_reading(tmp_path: Path) -> None:
    for name in shipped_names():
        manifest = load_manifest(name)
        (tmp_path / "again.json").write_text(manifest.to_json())
        assert read_manifest(tmp_path / "again.json") == manifest


def test_an_unknown_set_lists_the_known_ones(home: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"'imagenet'.*davis-2017, embedded, embedded-256, ilsvrc-vid"):
        load_manifest("imagenet")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"videos": []}, "videos"),
        ({"videos": [{"id": "../x", "split": "train"}]}, "no slashes"),
        ({"videos": [{"id": "/etc/passwd", "split": "train"}]}, "no slashes"),
        ({"videos": [{"id": "a\\b", "split": "train"}]}, "no slashes"),
        ({"videos": [{"id": ".hidden", "split": "train"}]}, "leading dot"),
        ({"videos": [{"id": "a\nb", "split": "train"}]}, "control"),
        ({"videos": [{"id": "a", "split": "val"}]}, "videos.0.split"),
        ({"videos": [{"id": "a", "split": "train", "frames": 1}]}, "frames"),
        ({"videos": [{"id": "a", "split": "train", "frames": 10**9}]}, "frames"),
        ({"videos": [{"id": "a", "split": "train", "sha256": {"64": "abc"}}]}, "sha256"),
        ({"videos": [{"id": "b", "split": "train"}, {"id": "a", "split": "train"}]}, "sorted"),
        ({"videos": [{"id": "a", "split": "train"}, {"id": "a", "split": "test"}]}, "twice"),
        ({"name": "../up"}, "name"),
        ({"collection": "../../up"}, "collection"),
        ({"colour": "blue"}, "colour"),
        ({"source": {"kind": "hub", "repo": "a/b", "archives": ["../x.zip"]}}, "archives"),
        ({"source": {"kind": "hub", "repo": "../../b", "archives": ["x.zip"]}}, "repo"),
        ({"source": {"kind": "ftp"}}, "source"),
    ],
)
def test_a_faulty_manifest_is_refused_by_name_and_place(
    tmp_path: Path, change: dict[str, object], told: str
) -> None:
    content = {"name": "mine", "source": LOCAL, "videos": [{"id": "a", "split": "train"}], **change}
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(content))
    with pytest.raises(VideoSetError, match=rf"mine\.json is no valid manifest: .*{told}"):
        read_manifest(path)


def test_a_file_too_large_for_a_manifest_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.json"
    with open(path, "wb") as file:
        file.truncate(40 * 2**20)
    with pytest.raises(VideoSetError, match=r"huge\.json is too large"):
        read_manifest(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
VIDEO = st.fixed_dictionaries(
    {},
    optional={
        "id": st.text(max_size=12) | JSON,
        "split": st.sampled_from(["train", "test"]) | JSON,
        "frames": st.integers() | JSON,
        "sha256": st.dictionaries(st.sampled_from(["64", "0", "x"]), st.text(max_size=4)) | JSON,
        "file_sha256": JSON,
    },
)
MANIFEST = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["mine", "..", "a/b", ""]) | JSON,
        "collection": st.sampled_from(["mine", "..", "a/b"]) | JSON,
        "source": st.sampled_from([LOCAL, {"kind": "generated"}, {"kind": "folder", "path": ".."}]) | JSON,
        "videos": st.lists(VIDEO, max_size=3) | JSON,
        "version": JSON,
    },
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(content=MANIFEST | JSON | st.binary(max_size=60))
def test_whatever_a_manifest_holds_it_is_valid_or_refused_in_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, content: object
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.json"
    path.write_bytes(
        content if isinstance(content, bytes) else json.dumps(content).encode("utf-8", "replace")
    )
    told = ""
    try:
        manifest = read_manifest(path)
    except VideoSetError as error:
        told = str(error)
    if told:
        assert "fuzzed.json" in told
        assert "\n" not in told
        return
    for name in (manifest.name, manifest.collection, *(video.id for video in manifest.videos)):
        assert not name.startswith(".")
        assert not set(name) & set("/\\\0")
