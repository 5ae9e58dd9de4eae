"""The curve of a string that hangs between two points, which MuJoCo draws where a tendon is slack.

- `hang`: points along the curve, for many strings at once.
- `segment_poses`: poses of the capsules between these points.
"""

from __future__ import annotations

import torch
from torch import Tensor


def hang(start: Tensor, end: Tensor, length: float, segments: int) -> Tensor:
    """`segments` + 1 points along strings of `length` metres: `[N, segments + 1, 3]`.

    A string hangs in a catenary between `start` and `end` (`[N, 3]`), with gravity along -z. The points are at equal
    horizontal distances, so that most lie where the string bends. Where the ends are farther apart than `length`, the
    string is straight.
    """
    out = start.dtype
    start, end = start.double(), end.double()
    along = torch.linspace(0, 1, segments + 1, dtype=torch.float64, device=start.device)
    straight = start[:, None] + (end - start)[:, None] * along[None, :, None]  # [N, segments + 1, 3]
    span = (end - start)[:, :2]  # [N, 2]
    rise = (end - start)[:, 2]
    slack = (end - start).norm(dim=1) < 0.9999 * length
    across = span.norm(dim=1).clamp(min=1e-3 * length)  # keeps ends that lie above one another a hair apart
    # sinh(u) / u = √(length² - rise²) / across gives u, and with it the catenary's parameter.
    ratio = ((length**2 - rise**2).clamp(min=1e-12).sqrt() / across).clamp(min=1 + 1e-9)
    u = torch.where(
        ratio < 3, (6 * (ratio - 1)).sqrt(), (2 * ratio).log() + (2 * ratio).log().log().clamp(min=0)
    )
    for _ in range(8):  # Newton's, on the logarithm
        value = u.sinh().log() - u.log() - ratio.log()
        u = (u - value / (1 / u.tanh() - 1 / u)).clamp(min=1e-6)
    parameter = across / (2 * u)
    middle = across / 2 - parameter * torch.atanh((rise / length).clamp(-1 + 1e-9, 1 - 1e-9))
    x = across[:, None] * along  # [N, segments + 1]
    bend = ((x - middle[:, None]) / parameter[:, None]).cosh() - (middle / parameter).cosh()[:, None]
    z = parameter[:, None] * bend
    direction = span / span.norm(dim=1, keepdim=True).clamp(min=1e-9)
    offset = torch.cat([direction[:, None] * x[..., None], z[..., None]], 2)
    curve = start[:, None] + offset
    return torch.where(slack[:, None, None], curve, straight).to(out)


def segment_poses(points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Centres `[N, K, 3]`, rotations `[N, K, 3, 3]` (z along the segment) and half lengths `[N, K]` of K segments."""
    step = points[:, 1:] - points[:, :-1]
    length = step.norm(dim=2)
    z = step / length[..., None].clamp(min=1e-9)
    # Any direction perpendicular to z will do, since a segment is round.
    aside = torch.zeros_like(z)
    aside.scatter_(2, z.abs().argmin(2, keepdim=True), 1.0)
    x = torch.linalg.cross(aside, z)
    x = x / x.norm(dim=2, keepdim=True).clamp(min=1e-9)
    rotation = torch.stack([x, torch.linalg.cross(z, x), z], 3)
    return (points[:, 1:] + points[:, :-1]) / 2, rotation, length / 2
