"""Video sets: manifests, the cache of prepared frames, playback, and how clips get into the cache."""

from natural_mujoco.backgrounds.clip_file import frames_sha256
from natural_mujoco.backgrounds.library import VideoLibrary, open_videos
from natural_mujoco.backgrounds.manifest import Manifest, Video, load_manifest
from natural_mujoco.errors import EmbeddedVideosWarning

__all__ = [
    "EmbeddedVideosWarning",
    "Manifest",
    "Video",
    "VideoLibrary",
    "frames_sha256",
    "load_manifest",
    "open_videos",
]
