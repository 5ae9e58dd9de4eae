"""The means of metrics.jsonl, where a GPU's losses stand beside the processor's learning rate."""

from __future__ import annotations

import torch

from agents.training.running_means import RunningMeans, together


def test_means_are_over_the_values_of_each_metric_and_are_taken_once() -> None:
    means = RunningMeans()
    means.add({"loss": torch.tensor(1.0), "rate": torch.tensor(0.5)})
    means.add({"loss": torch.tensor(4.0)})
    assert means.take() == {"loss": 2.5, "rate": 0.5}
    assert means.take() == {}


def test_values_of_two_devices_come_together_on_the_accelerator() -> None:
    # PyTorch's other device that every machine has, whose values cannot be read.
    loss, rate = torch.zeros((), device="meta"), torch.zeros(())
    for values in ([loss, rate], [rate, loss]):
        assert together(values).device.type == "meta"
    assert together([rate]).device.type == "cpu"
