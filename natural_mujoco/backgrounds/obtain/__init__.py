"""Obtains clips: finds, fetches, decodes and hashes them before an environment plays them.

Nothing here runs during a step. `backgrounds` imports it late, when a clip is not prepared or a folder is new, and
calls only the two functions named here.
"""

from natural_mujoco.backgrounds.obtain.folder import folder_manifest
from natural_mujoco.backgrounds.obtain.preparation import obtain_frames

__all__ = ["folder_manifest", "obtain_frames"]
