"""The package's version: `natural_mujoco.__version__`."""

__version__ = "0.1.0"
