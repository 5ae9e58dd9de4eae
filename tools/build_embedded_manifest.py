"""Build the manifests of the embedded video sets: generate every clip and pin the hash of its frames.

    python tools/build_embedded_manifest.py                  # writes video_manifests/embedded*.json
    python tools/build_embedded_manifest.py --check          # writes nothing, exits 1 if a file would change

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
    EMBEDDED_SETS,
    embedded_ids,
    generate_clip,
    generate_frames,
    resize,
)
from natural_mujoco.backgrounds.embedded.scene import RASTER
from natural_mujoco.backgrounds.manifest import SPLITS, GeneratedSource, Manifest, Video

VERSION = 1
SIZES = (64, 84, 128)
OUT = Path(__file__).resolve().parents[1] / "video_manifests"
KINDS = "dead leaves with occlusion, parallax and moving figures in eight kinds of scene."
DESCRIPTIONS = {
    "embedded": f"Procedural clips with the statistics of natural video: {KINDS} Generated on first use, the same "
    "bytes everywhere; needs no network.",
    "embedded-256": "The clips of `embedded` and 224 more to train on, by the same program; the test clips are the "
    "same. For runs long enough to learn 32 clips by heart.",
}


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


def build(processes: int) -> list[Manifest]:
    """The manifests, with every hash computed anew."""
    ids = sorted({i for name in EMBEDDED_SETS for split in SPLITS for i in embedded_ids(split, name)})
    with ProcessPoolExecutor(processes) as pool:
        hashes = dict(zip(ids, pool.map(clip_hashes, ids), strict=True))

    def video(clip_id: str, split: str) -> Video:
        content = {"id": clip_id, "split": split, "frames": EMBEDDED_FRAMES, "sha256": hashes[clip_id]}
        return Video.model_validate(content)

    return [
        Manifest(
            name=name,
            version=VERSION,
            description=DESCRIPTIONS[name],
            licence="Apache-2.0, as the program that draws them.",
            collection="embedded",
            source=GeneratedSource(),
            videos=tuple(
                video(*clip)
                for clip in sorted((i, split) for split in SPLITS for i in embedded_ids(split, name))
            ),
        )
        for name in EMBEDDED_SETS
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the manifests of the embedded video sets.")
    parser.add_argument(
        "--out", type=Path, default=OUT, help="the folder to write them into (default: %(default)s)"
    )
    parser.add_argument(
        "--processes", type=int, default=2, help="clips generated at once (default: %(default)s)"
    )
    parser.add_argument("--check", action="store_true", help="compare with the files instead of writing them")
    arguments = parser.parse_args()
    status = 0
    for manifest in build(arguments.processes):
        path, text = arguments.out / f"{manifest.name}.json", manifest.to_json()
        if arguments.check:
            same = path.is_file() and path.read_text(encoding="utf-8") == text
            status = status if same else 1
            print(f"{path} is {'up to date' if same else 'out of date'}")
        else:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path}")
    return status


if __name__ == "__main__":
    sys.exit(main())
