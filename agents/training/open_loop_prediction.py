"""Figure 3 of the paper: a generative model's open-loop prediction beside the truth; drawn at every evaluation."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import torch
from numpy.typing import NDArray

from ..agent import Agent
from ..behaviour.actor_critic import follow
from ..latent_agent import LatentAgent
from ..model.rssm import Latent
from ..model.world_model import reconstruct
from .batch import Batch, on_device
from .event_file import encode_gif
from .replay import Replay

CONTEXT, STEPS = 5, 40  # frames that are shown to the model; steps that it then imagines
SHOWN = (0, 1, 2, 3, 4, 5, 10, 15, 20, 25, 30, 35, 40, 44)  # columns of the picture


def open_loop(agent: LatentAgent, batch: Batch, context: int = CONTEXT) -> NDArray[np.uint8]:
    """Truth, prediction and error, one above the other: [B, T, 3·height, width, 3].

    The model sees the first `context` frames of each sequence and follows the recorded actions from there.
    The error is grey where they agree. Raises ValueError for an agent without a decoder.
    """
    model = agent.world_model
    generator = torch.Generator(agent.device).manual_seed(0)
    b, t = batch.rewards.shape
    noise = torch.randn(b, t, model.rssm.stochastic_size, generator=generator, device=agent.device)
    with torch.no_grad(), agent.autocast():
        seen = Batch(*(x[:, :context] for x in batch))
        posterior, _, _ = model.infer(seen, noise[:, :context])
        start = Latent(*(x[:, -1] for x in posterior))
        imagined = follow(
            model, start, batch.actions[:, context:].transpose(0, 1), noise[:, context:].transpose(0, 1)
        )
        features = torch.cat([posterior.features, imagined[1:].transpose(0, 1)], 1)
        believed = reconstruct(model, features).cpu().numpy()
    truth = batch.frames.cpu().numpy()
    error = ((believed.astype(int) - truth + 255) // 2).astype(np.uint8)
    return np.concatenate([truth, believed, error], 2)


def write_open_loop(agent: Agent, replay: Replay, directory: Path) -> NDArray[np.uint8] | None:
    """Writes open_loop.png and .gif into `directory`, from recent episodes of the replay.

    Returns the picture [height, width, 3], or None, without writing files, if the agent has no decoder or no episode is
    long enough.
    """
    length = CONTEXT + STEPS
    if not isinstance(agent, LatentAgent) or agent.world_model.decoder is None or not replay.windows(length):
        return None
    batch = on_device(replay.sample(4, length, np.random.default_rng(0)), agent.device)
    films = open_loop(agent, batch)  # B T height width 3
    picture = np.concatenate([np.concatenate(list(film[list(SHOWN)]), 1) for film in films[:2]], 0)
    imageio.imwrite(directory / "open_loop.png", picture)
    (directory / "open_loop.gif").write_bytes(encode_gif(np.concatenate(list(films), 2), fps=10))
    return picture
