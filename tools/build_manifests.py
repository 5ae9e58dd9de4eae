"""Build the manifests of the video sets that are made of other people's videos, from tables of public facts.

    python tools/build_manifests.py --snippets ilsvrc_vid_snippets.csv --vidvrd imagenet_vidvrd_ids.csv \
        --davis davis2017_sequences.csv --out video_manifests

The tables hold ids and frame counts only: the image-set lists of ILSVRC2015 VID (`split, snippet_id, n_frames`), the
clip list of ImageNet-VidVRD (`split, video_id, n_frames`), and the sequence lists of DAVIS-2017
(`split, name, n_frames`).

How the sets come about:

- `ilsvrc-vid`. A name is `ILSVRC2015_<half>_VVVVVSSS`: V counts source videos, S the shots of one. Candidates are the
  VidVRD clips with at least 200 frames. A source that appears in VidVRD's test list goes to test, every other one to
  train, because 80 sources are in both lists and one seen in training is no test. Of each source the longest
  candidate is taken (the smallest id among equals).
- `ilsvrc-vid-mini`. 16 + 8 clips of the former, evenly spaced through its sorted ids.
- `davis-2017`. DAVIS's own train and val lists, val as test.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections.abc import Iterable
from pathlib import Path

from natural_mujoco.backgrounds.manifest import HubSource, LocalSource, Manifest, Video

MIN_FRAMES = 200
ID = re.compile(r"ILSVRC2015_(?P<half>train|val)_(?P<source>\d{5})(?P<shot>\d{3})")

ILSVRC_LICENCE = (
    "Non-commercial research and education only, no redistribution. These are videos of ILSVRC2015 VID (ImageNet), "
    "as cut by ImageNet-VidVRD; they belong to their makers, and ImageNet gives access to researchers under its "
    "terms: https://image-net.org/download.php. The dataset on the Hub states no licence of its own."
)
DAVIS_LICENCE = (
    "Research use, under the terms of the DAVIS challenge. The frames belong to their makers. Read the terms at "
    "https://davischallenge.org before use."
)
VIDVRD = HubSource(
    repo="shangxd/imagenet-vidvrd", archives=("vidvrd-videos-part1.zip", "vidvrd-videos-part2.zip")
)


def read_table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def source_of(clip_id: str) -> tuple[str, str]:
    """The source video of a clip: (ILSVRC half, number), for numbering restarts in each half."""
    match = ID.fullmatch(clip_id)
    if match is None:
        raise SystemExit(f"{clip_id} is no ILSVRC2015 VID id")
    return match["half"], match["source"]


def ilsvrc_videos(vidvrd: list[dict[str, str]], snippets: list[dict[str, str]]) -> list[Video]:
    lengths = {row["snippet_id"].rsplit("/", 1)[-1]: int(row["n_frames"]) for row in snippets}
    for row in vidvrd:
        if lengths.get(row["video_id"]) != int(row["n_frames"]):
            raise SystemExit(f"the tables disagree about {row['video_id']}")
    long_enough = [row for row in vidvrd if int(row["n_frames"]) >= MIN_FRAMES]
    test = longest_per_source(row for row in long_enough if row["split"] == "test")
    in_test_list = {source_of(row["video_id"]) for row in vidvrd if row["split"] == "test"}
    train = longest_per_source(
        row
        for row in long_enough
        if row["split"] == "train" and source_of(row["video_id"]) not in in_test_list
    )
    videos = [Video(id=i, split="train", frames=n) for i, n in train.items()]
    videos += [Video(id=i, split="test", frames=n) for i, n in test.items()]
    return sorted(videos, key=lambda video: video.id)


def longest_per_source(rows: Iterable[dict[str, str]]) -> dict[str, int]:
    best: dict[tuple[str, str], tuple[int, str]] = {}
    for row in rows:
        candidate = (-int(row["n_frames"]), row["video_id"])
        source = source_of(row["video_id"])
        best[source] = min(best.get(source, candidate), candidate)
    return {clip_id: -negative for negative, clip_id in best.values()}


def evenly_spaced(videos: list[Video], split: str, count: int) -> list[Video]:
    of_split = [video for video in videos if video.split == split]
    return [of_split[(2 * k + 1) * len(of_split) // (2 * count)] for k in range(count)]


def build(snippets: Path, vidvrd: Path, davis: Path) -> list[Manifest]:
    ilsvrc = ilsvrc_videos(read_table(vidvrd), read_table(snippets))
    mini = sorted(
        evenly_spaced(ilsvrc, "train", 16) + evenly_spaced(ilsvrc, "test", 8), key=lambda video: video.id
    )
    sequences = [
        Video(
            id=row["name"], split="train" if row["split"] == "train" else "test", frames=int(row["n_frames"])
        )
        for row in read_table(davis)
        if row["split"] in ("train", "val")
    ]
    return [
        Manifest(
            name="ilsvrc-vid",
            description="One clip of each source video of ImageNet-VidVRD with 200 frames or more, "
            "no source in both train and test.",
            licence=ILSVRC_LICENCE,
            collection="ilsvrc-vid",
            source=VIDVRD,
            videos=tuple(ilsvrc),
        ),
        Manifest(
            name="ilsvrc-vid-mini",
            description="16 + 8 clips of ilsvrc-vid for a quick start.",
            licence=ILSVRC_LICENCE,
            collection="ilsvrc-vid",
            source=VIDVRD,
            videos=tuple(mini),
        ),
        Manifest(
            name="davis-2017",
            description="The train and val sequences of DAVIS-2017, val as test, as in the Distracting Control Suite.",
            licence=DAVIS_LICENCE,
            collection="davis-2017",
            source=LocalSource(
                obtain="Get https://data.vision.ee.ethz.ch/csergi/share/davis/DAVIS-2017-trainval-480p.zip (0.8 GB; "
                "terms at davischallenge.org) and unpack it."
            ),
            videos=tuple(sorted(sequences, key=lambda video: video.id)),
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--snippets", type=Path, required=True)
    parser.add_argument("--vidvrd", type=Path, required=True)
    parser.add_argument("--davis", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    for manifest in build(args.snippets, args.vidvrd, args.davis):
        (args.out / f"{manifest.name}.json").write_text(manifest.to_json(), encoding="utf-8")
        counts = {split: len(manifest.ids(split)) for split in ("train", "test")}
        print(
            f"{manifest.name}: {counts['train']} train, {counts['test']} test, {manifest.content_hash[:12]}"
        )


if __name__ == "__main__":
    main()
