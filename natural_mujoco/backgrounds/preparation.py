"""The former place of `natural_mujoco.backgrounds.obtain.preparation`; importing this gives that module."""

import sys

from natural_mujoco.backgrounds.obtain import preparation

sys.modules[__name__] = preparation
