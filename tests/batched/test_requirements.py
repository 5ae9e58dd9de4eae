"""What is missing on a machine is said in one sentence with the remedy; no kernel is compiled to find out."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError

import pytest
import torch

from natural_mujoco import InvalidArgument, batched
from natural_mujoco.batched import requirements
from natural_mujoco.commands.doctor import batched as finding
from natural_mujoco.errors import BatchedError

INSTALLED = {"mujoco": "3.17.0", "mujoco-warp": "3.17.2", "warp-lang": "1.19.0", "torch": "2.13.0"}


def pretend(monkeypatch: pytest.MonkeyPatch, **changed: str | None) -> None:
    """Lets these versions be installed, `None` for none."""
    versions = INSTALLED | {name.replace("_", "-"): version for name, version in changed.items()}

    def version(package: str) -> str:
        found = versions[package]
        if found is None:
            raise PackageNotFoundError(package)
        return found

    monkeypatch.setattr(requirements, "version", version)


def test_what_fits_together_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch)
    requirements.require_packages()


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (
            {"mujoco_warp": None},
            r"mujoco-warp is not installed. `pip install 'natural-mujoco\[gpu\]'` installs",
        ),
        ({"torch": None, "warp_lang": None}, "torch and warp-lang are not installed. `pip install"),
        (
            {"mujoco_warp": "3.18.0"},
            r"mujoco-warp 3.18.0 is not made for mujoco 3.17.0. .*'mujoco-warp==3.17.\*'",
        ),
        ({"mujoco": "4.0.0"}, r"mujoco-warp 3.17.2 is not made for mujoco 4.0.0. .*'mujoco-warp==4.0.\*'"),
    ],
)
def test_what_does_not_is_refused_with_the_remedy(
    changed: dict[str, str | None], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, **changed)
    with pytest.raises(BatchedError, match=sentence):
        batched.make("walker-walk", num_envs=2, device="cpu")
    (found,) = finding()
    assert not found.broken
    assert found.seen.startswith("not available: ")


@pytest.mark.batched
@pytest.mark.parametrize("device", ["gpu", "mps", "cuda:x", None, 0.5])
def test_unknown_devices_are_refused(device: object) -> None:
    with pytest.raises(InvalidArgument, match=r"Unknown device .* Valid: 'cuda'"):
        batched.make("walker-walk", device=device)


@pytest.mark.batched
def test_without_a_gpu_the_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(
        BatchedError, match=r"finds no GPU that it can use .* pass device='cpu', which is slow"
    ):
        batched.make("walker-walk")
    (found,) = finding()
    assert found.seen.startswith("runs on the CPU, slowly")


@pytest.mark.batched
def test_a_driver_that_is_too_old_for_warp_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import warp

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(warp, "is_cuda_available", lambda: False)
    with pytest.raises(BatchedError, match=r"its CUDA \d+\.\d+ needs a newer NVIDIA driver"):
        batched.make("walker-walk")


@pytest.mark.parametrize(
    ("kwargs", "sentence"),
    [
        ({"task": "hopper-hop"}, "Unknown task 'hopper-hop'. Valid: walker-walk"),
        ({"variant": "video"}, "Unknown variant 'video'. Valid: natural, standard."),
        ({"size": 0}, "size is 0; it must be a whole number from 1 to 1024"),
        ({"split": "validation"}, "Unknown split 'validation'. Valid: train, test."),
        ({"variant": "standard", "split": "test"}, "split='test' means nothing on a standard environment"),
        ({"matting": "paper"}, "Unknown keyword argument 'matting'. Valid: split, videos"),
    ],
)
def test_arguments_are_refused_as_for_one_environment(kwargs: dict[str, object], sentence: str) -> None:
    with pytest.raises(InvalidArgument, match=sentence):
        batched.make(**{"task": "walker-walk", "device": "cpu", **kwargs})  # type: ignore[arg-type]
