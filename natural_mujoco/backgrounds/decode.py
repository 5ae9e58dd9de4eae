"""The former place of `natural_mujoco.backgrounds.obtain.decode`; importing this gives that module."""

import sys

from natural_mujoco.backgrounds.obtain import decode

sys.modules[__name__] = decode
