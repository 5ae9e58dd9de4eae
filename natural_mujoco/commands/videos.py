"""`natural-mujoco videos list | download | prepare | import | verify | preview`: the video sets and the cache."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from natural_mujoco.errors import InvalidArgument, VideoSetError

if TYPE_CHECKING:
    from natural_mujoco.backgrounds.library import VideoLibrary

DEFAULT_SIZE = 64


def add_parser(subparsers: Any) -> None:
    """Declares `videos` and its subcommands."""
    parser = subparsers.add_parser(
        "videos",
        help="list, download, prepare, import, verify and preview video sets",
        description="Shows which video sets there are, and gets, checks and shows their clips.",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    action = actions.add_parser(
        "list",
        help="list the video sets with clips, disk space and licence",
        description="Prints every video set with its clips, how many of them are prepared here, their size on disk and "
        "their licence.",
    )
    action.set_defaults(run=run_list)

    action = actions.add_parser(
        "download",
        help="fetch a set's clips from the Hub and prepare them",
        description="Fetches a set's clips from the Hub and prepares them. Rerun the command to resume.",
    )
    _add_set(action)
    _add_sizes(action)
    action.add_argument("--accept-licence", action="store_true", help="accept the terms that are shown")
    action.add_argument("--repo", help="a mirror: another dataset on the Hub with the same clips")
    action.add_argument("--revision", help="a branch, tag or commit of the dataset (default: the set's)")
    action.add_argument("--connections", type=int, default=4, help="clips fetched at once (default: 4)")
    action.set_defaults(run=run_download)

    action = actions.add_parser(
        "prepare",
        help="prepare a set's clips now instead of when they are first played",
        description="Prepares all clips of a set that are on this machine, on all cores. Fetches nothing.",
    )
    _add_set(action)
    _add_sizes(action)
    action.set_defaults(run=run_prepare)

    action = actions.add_parser(
        "import",
        help="use clips that are already on this disk, and prepare them",
        description="Finds the clips of a set in a folder on this disk, links and prepares them.",
    )
    _add_set(action)
    action.add_argument(
        "--from", dest="tree", type=Path, required=True, metavar="DIR", help="folder with the clips"
    )
    action.add_argument(
        "--allow-missing",
        action="store_true",
        help="use the clips found, as a set with another name and hash",
    )
    _add_sizes(action)
    action.set_defaults(run=run_import)

    action = actions.add_parser(
        "verify",
        help="hash all clips again, and repair those that differ",
        description="Hashes the prepared clips and downloaded videos of a set again, names those that differ and "
        "prepares the clips again.",
    )
    _add_set(action)
    action.add_argument("--check", action="store_true", help="only report, repair nothing")
    action.set_defaults(run=run_verify)

    action = actions.add_parser(
        "preview",
        help="write a contact sheet (PNG) and a GIF of a set's clips",
        description="Writes pictures of a set's clips: one sheet with three frames of each, and all of them in motion.",
    )
    _add_set(action)
    action.add_argument(
        "--out", type=Path, metavar="FILE", help="FILE.png or FILE.gif (default: both, SET.*)"
    )
    action.add_argument(
        "--split",
        choices=("train", "test"),
        default="train",
        help="split of the set to show (default: train)",
    )
    action.add_argument("--clips", type=int, default=12, help="how many clips to show (default: 12)")
    action.add_argument("--size", type=int, default=DEFAULT_SIZE, help="pixels of a frame (default: 64)")
    action.set_defaults(run=run_preview)


def _add_set(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("set", metavar="SET", help="a set's name, a manifest file, or a folder of videos")


def _add_sizes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--size",
        type=int,
        action="append",
        metavar="N",
        help="frame size in pixels to prepare; may be given several times (default: 64)",
    )
    parser.add_argument("--workers", type=int, help="clips prepared at once (default: one per core)")


def run_list(args: argparse.Namespace) -> int:
    """Prints one row for each set."""
    from rich.console import Console
    from rich.table import Table

    from natural_mujoco.backgrounds.cache import cache_home
    from natural_mujoco.backgrounds.library import open_videos
    from natural_mujoco.backgrounds.manifest import shipped_names
    from natural_mujoco.backgrounds.obtain.verify import disk_use

    table = Table(box=None, pad_edge=False)
    for column in ("set", "train", "test", "here", "prepared", "disk", "licence"):
        table.add_column(column, justify="right" if column in ("train", "test", "disk") else "left")
    for name in shipped_names():
        library = open_videos(name)
        use = disk_use(library)
        total = len(library.manifest.videos)
        missing = len(library.missing())
        sizes = ", ".join(f"{size} px: {count}" for size, count in use.prepared.items() if count)
        table.add_row(
            name,
            str(len(library.manifest.ids("train"))),
            str(len(library.manifest.ids("test"))),
            "all" if not missing else f"{total - missing} of {total}" if missing < total else "none",
            sizes or "–",
            f"{use.bytes / 1e6:,.0f} MB",
            library.manifest.licence.partition(". ")[0].rstrip("."),
        )
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(table)
    console.print(f"Cache: {cache_home()}", highlight=False, soft_wrap=True)
    return 0


def run_download(args: argparse.Namespace) -> int:
    """Fetches missing clips and prepares all; after an interruption, running it again continues."""
    from natural_mujoco.backgrounds.library import open_videos
    from natural_mujoco.backgrounds.obtain.download import download
    from natural_mujoco.commands.video_progress import download_display

    sizes = _sizes(args)
    if not 1 <= args.connections <= 32:
        raise InvalidArgument(f"--connections {args.connections}: give 1 to 32.")
    library = open_videos(args.set)
    _settle_licence(library, args.accept_licence)
    clips = len(library.manifest.videos)
    try:
        with download_display(f"{library.name}: {clips} clips", clips * len(sizes)) as events:
            summary = download(
                library,
                sizes,
                repo=args.repo,
                revision=args.revision,
                connections=args.connections,
                workers=args.workers,
                events=events,
            )
    except KeyboardInterrupt:
        print("Stopped. The same command goes on where it was.", file=sys.stderr)
        raise
    if summary.fetched_clips:
        print(
            f"Fetched {summary.fetched_clips} clips, {summary.fetched_bytes / 1e6:.1f} MB, "
            f"at commit {summary.commit}; {summary.present_clips} were here."
        )
    return _report(library, sizes, dict(summary.failed))


def run_prepare(args: argparse.Namespace) -> int:
    """Prepares all clips of a set that are on this machine, without fetching anything."""
    from natural_mujoco.backgrounds.library import open_videos
    from natural_mujoco.backgrounds.obtain.download import download
    from natural_mujoco.backgrounds.obtain.preparation import missing_clips_message
    from natural_mujoco.commands.video_progress import download_display

    sizes = _sizes(args)
    library = open_videos(args.set)
    if missing := library.missing():
        raise VideoSetError(missing_clips_message(library, missing))
    clips = len(library.manifest.videos)
    with download_display(f"{library.name}: {clips} clips", clips * len(sizes)) as events:
        summary = download(library, sizes, workers=args.workers, events=events, fetch=False)
    return _report(library, sizes, dict(summary.failed))


def run_import(args: argparse.Namespace) -> int:
    """Links the clips under a folder and prepares them."""
    from natural_mujoco.backgrounds.cache import Cache
    from natural_mujoco.backgrounds.library import VideoLibrary, open_videos
    from natural_mujoco.backgrounds.obtain.download import download
    from natural_mujoco.backgrounds.obtain.importing import ClipsMissing, import_clips
    from natural_mujoco.commands.video_progress import download_display

    sizes = _sizes(args)
    library = open_videos(args.set)
    try:
        done = import_clips(library.manifest, args.tree, Cache(), args.allow_missing)
    except ClipsMissing as error:
        print(f"Missing: {', '.join(error.clip_ids)}.")
        raise
    print(f"Terms of {library.name}: {library.manifest.licence}")
    print(f"Found {len(done.linked)} of {len(library.manifest.videos)} clips under {args.tree}.")
    if done.missing:
        print(f"Missing: {', '.join(done.missing)}.")
        library = VideoLibrary(done.manifest)
        print(f"The others are the set {library.name}, content hash {library.content_hash[:12]}….")
    clips = len(library.manifest.videos)
    with download_display(f"{library.name}: {clips} clips", clips * len(sizes)) as events:
        summary = download(library, sizes, workers=args.workers, events=events)
    return _report(library, sizes, dict(summary.failed))


def run_verify(args: argparse.Namespace) -> int:
    """Hashes everything again; returns 1 if something differs from the record and was not repaired."""
    from natural_mujoco.backgrounds.library import open_videos
    from natural_mujoco.backgrounds.obtain.verify import count_files, verify
    from natural_mujoco.commands.video_progress import counting_display

    library = open_videos(args.set)
    with counting_display(f"Verifying {library.name}", count_files(library)) as advance:
        findings = verify(library, mend=not args.check, on_finding=lambda finding: advance())
    for finding in findings:
        if finding.state != "good":
            what = "video" if finding.what == "video" else f"{finding.what} px"
            print(f"{finding.state}: {finding.clip_id} ({what}): {finding.detail}")
    count = {
        state: sum(f.state == state for f in findings) for state in ("good", "mended", "damaged", "lost")
    }
    told = ", ".join(f"{number} {state}" for state, number in count.items() if number or state == "good")
    print(f"{library.name}: {len(findings)} files hashed: {told}.")
    if not findings:
        print("Nothing of it is prepared yet.")
    return 1 if count["damaged"] or count["lost"] else 0


def run_preview(args: argparse.Namespace) -> int:
    """Writes a contact sheet or a GIF (by default both) of a set's clips."""
    import imageio.v3 as iio
    import numpy as np

    from natural_mujoco.backgrounds.library import check_size, open_videos
    from natural_mujoco.backgrounds.obtain.preparation import prepare
    from natural_mujoco.pictures.clip_sheet import contact_sheet, moving_sheet, spread

    library = open_videos(args.set)
    check_size(args.size)
    outs = [args.out] if args.out else [Path(f"{library.name}.png"), Path(f"{library.name}.gif")]
    for out in outs:
        if out.suffix.lower() not in (".png", ".gif"):
            raise InvalidArgument(f"--out {out}: give a file that ends in .png or .gif.")
    prepare(library, spread(library.ids(args.split), args.clips), args.size)
    for out in outs:
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.suffix.lower() == ".png":
            iio.imwrite(out, contact_sheet(library, args.split, args.clips, args.size))
        else:
            fps = 12.5
            frames = moving_sheet(library, args.split, args.clips, args.size, fps=fps)
            iio.imwrite(out, np.stack(frames), duration=round(1000 / fps), loop=0)
        print(f"{out}: {library.name}, {args.split}")
    return 0


def _sizes(args: argparse.Namespace) -> tuple[int, ...]:
    from natural_mujoco.backgrounds.library import check_size

    sizes = tuple(dict.fromkeys(args.size or [DEFAULT_SIZE]))
    for size in sizes:
        check_size(size)
    if args.workers is not None and not 1 <= args.workers <= 256:
        raise InvalidArgument(f"--workers {args.workers}: give 1 to 256.")
    return sizes


def _settle_licence(library: VideoLibrary, accepted: bool) -> None:
    """Shows a set's terms once and asks for `--accept-licence`, unless they were accepted on this machine."""
    from natural_mujoco.backgrounds.cache import replacing
    from natural_mujoco.backgrounds.manifest import HubSource

    manifest = library.manifest
    if not isinstance(manifest.source, HubSource) or not manifest.licence:
        return
    path = library.cache.home / "licences" / f"{manifest.collection}.json"
    try:
        if json.loads(path.read_bytes())["terms"] == manifest.licence:
            return
    except (OSError, ValueError, KeyError, TypeError):
        pass  # never accepted on this machine
    print(f"Terms of {library.name}: {manifest.licence}")
    if not accepted:
        raise InvalidArgument("If you accept these terms, run the command again with --accept-licence.")
    with library.cache.lock("licences", manifest.collection), replacing(path) as file:
        file.write(json.dumps({"terms": manifest.licence}).encode())


def _report(library: VideoLibrary, sizes: tuple[int, ...], failed: dict[str, str]) -> int:
    clips = len(library.manifest.videos)
    prepared = min(sum(library.is_prepared(v.id, size) for v in library.manifest.videos) for size in sizes)
    told = ", ".join(f"{size} px" for size in sizes)
    print(
        f"{library.name}: {prepared} of {clips} clips prepared at {told}. Use it as videos={library.argument!r}."
    )
    for clip_id, reason in sorted(failed.items()):
        print(f"{clip_id}: {reason}", file=sys.stderr)
    if failed:
        raise VideoSetError(f"{len(failed)} of {clips} clips of {library.name} are not usable; see above.")
    return 0
