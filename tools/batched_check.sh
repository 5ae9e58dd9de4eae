#!/bin/sh
# For the day on which a GPU is there: whether the batched environment runs on it, how fast, and as near as on the CPU.
#   tools/batched_check.sh [PYTHON]
# Prints what doctor says, how far GPU and CPU differ, and steps a second. Nothing of it has been run on a GPU yet.
set -eu
cd "$(dirname "$0")/.."
python=${1:-.venv/bin/python}
[ -x "$python" ] || python=python3
export WARP_CACHE_PATH="${WARP_CACHE_PATH:-${XDG_CACHE_HOME:-$HOME/.cache}/natural-mujoco-warp}"
"$python" -m natural_mujoco doctor | grep -E "^(ok|FAIL) +(versions|batched)"
"$python" - <<'PYTHON'
import torch
from natural_mujoco import TASKS, batched

for task in TASKS.values():
    # The same seeds and actions on both devices.
    pair = [batched.make(task.name, num_envs=4, device=device, videos="embedded") for device in ("cpu", "cuda")]
    pictures = [envs.reset(seed=0)[0].cpu().float() for envs in pair]
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        actions = torch.rand(pair[0].action_space.shape, generator=generator) * 2 - 1
        pictures = [envs.step(actions)[0].cpu().float() for envs in pair]
    states = [envs.state_observation().cpu() for envs in pair]
    print(
        f"{task.name:<20} cuda beside cpu: state {(states[0] - states[1]).abs().max():.1e}, "
        f"picture {(pictures[0] - pictures[1]).abs().mean():.2f} grey levels"
    )
    for envs in pair:
        envs.close()
PYTHON
"$python" -m benchmarks.batched --device cuda --num-envs 256 1024 4096
