"""Build the manifest of the `embedded` video set: generate every clip and pin the hash of its frames.

    python tools/build_embedded_manifest.py                  # writes video_manifests/embedded.json
    python tools/build_embedded_manifest.py --check          # writes nothing, exits 1 if the file would change

A hash is the sha256 of a clip's frames, uint8 [500, size, size, 3] in C order, at 64 pixels (the suite's default),
84 and 128. Run it after any change to what `natural_mujoco.backgrounds.embedded` draws, and raise VERSION: other frames
are another video set, and results on the two do not belong in one column.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from natural_mujoco.backgrounds.embedded.generate import (
    EMBEDDED_FRAMES,
    embedded_ids,
    generate_clip,
    generate_frames,
    resize,
)
from natural_mujoco.backgrounds.embedded.scene import RASTER
from natural_mujoco.backgrounds.manifest import SPLITS, GeneratedSource, Manifest, Video

VERSION = 1
SIZES = (64, 84, 128)
OUT = Path(__file__).resolve().parents[1] / "video_manifests" / "embedded.json"


def clip_hashes(clip_id: str) -> dict[int, str]:
    """sha256 (hex) of a clip's frames by size."""
    hashes = {size: hashlib.sha256() for size in SIZES}
    native = generate_clip(clip_id, RASTER)
    for size, digest in hashes.items():
        # Resized from one rendering to save time; one frame is rendered at the size, to see that this is the same.
        frames = [resize(frame, size) for frame in native]
        if (generate_frames(clip_id, size, [EMBEDDED_FRAMES // 2])[0] != frames[EMBEDDED_FRAMES // 2]).any():
            raise SystemExit(f"{clip_id} at {size} pixels is not what resizing its native frames gives")
        for frame in frames:
            digest.update(frame.tobytes())
    return {size: digest.hexdigest() for size, digest in hashes.items()}


def build(processes: int) -> Manifest:
    """The manifest, with every hash computed anew."""
    ids = sorted((clip_id, split) for split in SPLITS for clip_id in embedded_ids(split))
    with ProcessPoolExecutor(processes) as pool:
        hashes = list(pool.map(clip_hashes, [clip_id for clip_id, _ in ids]))
    videos = tuple(
        Video.model_validate({"id": clip_id, "split": split, "frames": EMBEDDED_FRAMES, "sha256": pinned})
        for (clip_id, split), pinned in zip(ids, hashes, strict=True)
    )
    return Manifest(
        name="embedded",
        version=VERSION,
        description="Procedural clips with the statistics of natural video: dead leaves with occlusion, parallax and "
        "moving figures in eight kinds of scene. Generated on first use, the same bytes everywhere; needs no network.",
        licence="Apache-2.0, as the program that draws them.",
        collection="embedded",
        source=GeneratedSource(),
        videos=videos,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the manifest of the embedded video set.")
    parser.add_argument("--out", type=Path, default=OUT, help="where to write it (default: %(default)s)")
    parser.add_argument(
        "--processes", type=int, default=2, help="clips generated at once (default: %(default)s)"
    )
    parser.add_argument("--check", action="store_true", help="compare with the file instead of writing it")
    arguments = parser.parse_args()
    text = build(arguments.processes).to_json()
    if arguments.check:
        same = arguments.out.is_file() and arguments.out.read_text(encoding="utf-8") == text
        print(f"{arguments.out} is {'up to date' if same else 'out of date'}")
        return 0 if same else 1
    arguments.out.write_text(text, encoding="utf-8")
    print(f"wrote {arguments.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
