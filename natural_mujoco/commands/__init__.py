"""One module per command of `natural-mujoco`.

Each module has `add_parser(subparsers)`, which declares the command's arguments and sets `run` as the default
to call, and `run(args) -> int`, which does the work and returns the exit status.
"""
