"""Where clips come from: what is found, fetched, decoded and hashed before any environment plays it.

Nothing here is on the path of a step. `backgrounds` reaches it by one late import, at a clip or a folder that is not
known yet, and calls the two functions named here.
"""

from natural_mujoco.backgrounds.obtain.folder import folder_manifest
from natural_mujoco.backgrounds.obtain.preparation import obtain_frames

__all__ = ["folder_manifest", "obtain_frames"]
