"""Checks whether the batched environment can run on this machine, and on which device.

- `require`: the device asked for; raises an error with the remedy if it cannot be used.
- `best_device`: a GPU where there is one, else the CPU, and its name.
- `describe`: the line that `doctor` prints.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ..errors import BatchedError, InvalidArgument

INSTALL = "`pip install 'natural-mujoco[gpu]'`"
PACKAGES = ("torch", "warp-lang", "mujoco-warp")


def require(device: Any = "cuda") -> Any:
    """The `torch.device` called `device`, on which torch and Warp both work.

    Raises `InvalidArgument` if `device` names no device, `BatchedError` if packages are missing or do not fit together
    or the device cannot be used.
    """
    require_packages()
    import torch
    import warp

    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError):
        chosen = None
    if chosen is None or chosen.type not in ("cuda", "cpu"):
        raise InvalidArgument(f"Unknown device {device!r}. Valid: 'cuda', 'cuda:0', …, 'cpu'.")
    warp.config.log_level = warp.LOG_WARNING  # it names every kernel that it loads
    warp.init()
    if chosen.type == "cpu":
        return chosen
    if not torch.cuda.is_available():
        raise BatchedError(
            f"device={str(device)!r}, but PyTorch finds no GPU that it can use ({_why_not(torch)}). "
            "Run on a machine with an NVIDIA GPU, or pass device='cpu', which is slow."
        )
    if not warp.is_cuda_available():
        raise BatchedError(
            f"device={str(device)!r}, but Warp {version('warp-lang')} finds no GPU that it can use: its CUDA "
            f"{_toolkit(warp)} needs a newer NVIDIA driver. Update the driver, or pass device='cpu', which is slow."
        )
    number = torch.cuda.current_device() if chosen.index is None else chosen.index
    if not 0 <= number < torch.cuda.device_count():
        raise BatchedError(
            f"device={str(device)!r}, but this machine has {torch.cuda.device_count()} GPU(s): cuda:0 is the first."
        )
    return torch.device("cuda", number)


def require_packages() -> None:
    """Raises `BatchedError` unless torch, Warp, and the MuJoCo Warp that belongs to the installed MuJoCo are there."""
    missing = [package for package in PACKAGES if _version(package) is None]
    if missing:
        are = "is" if len(missing) == 1 else "are"
        raise BatchedError(
            f"{' and '.join(missing)} {are} not installed. {INSTALL} installs what is missing."
        )
    mujoco, mujoco_warp = version("mujoco"), version("mujoco-warp")
    if mujoco.split(".")[:2] != mujoco_warp.split(".")[:2]:
        raise BatchedError(
            f"mujoco-warp {mujoco_warp} is not made for mujoco {mujoco}. `pip install 'mujoco-warp=={_like(mujoco)}'` "
            "installs the one that is."
        )


def best_device() -> tuple[Any, str]:
    """The first GPU, or else the CPU, and its name. Raises as `require` does, except for a missing GPU."""
    try:
        device = require("cuda")
    except BatchedError:
        return require("cpu"), "the CPU"
    import torch

    return device, torch.cuda.get_device_name(device)


def describe() -> str:
    """One line with the device and the packages' versions. Raises as `require` does, except for a missing GPU."""
    require_packages()
    import torch

    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    try:
        device = require("cuda")
    except BatchedError as error:
        require("cpu")
        return f"runs on the CPU, slowly ({error}); {versions}"
    return f"runs on {torch.cuda.get_device_name(device)} ({device}); {versions}"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _like(release: str) -> str:
    """A pip version specifier for releases of the same minor version as `release`."""
    return ".".join([*release.split(".")[:2], "*"])


def _why_not(torch: Any) -> str:
    if torch.version.cuda is None:
        return f"PyTorch {torch.__version__} is built without CUDA"
    return f"PyTorch {torch.__version__} needs an NVIDIA driver for CUDA {torch.version.cuda} or newer"


def _toolkit(warp: Any) -> str:
    major, minor = warp.get_cuda_toolkit_version()
    return f"{major}.{minor}"
