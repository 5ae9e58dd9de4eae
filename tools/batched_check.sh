#!/bin/sh
# For the day on which a GPU is there: whether the batched environment runs on it, how fast, what PPO learns on it in ten
# minutes, and how near it is to OpenGL and to the CPU.
#   tools/batched_check.sh [PYTHON [SECONDS]]
# Prints what doctor says, steps a second, PPO's returns by seconds of training on natural walker-walk, what the trained
# policy earns under both renderers, and how far CUDA graphs, single launches and the CPU differ.
set -eu
cd "$(dirname "$0")/.."
python=${1:-.venv/bin/python}
seconds=${2:-600}
[ -x "$python" ] || python=python3
export WARP_CACHE_PATH="${WARP_CACHE_PATH:-${XDG_CACHE_HOME:-$HOME/.cache}/natural-mujoco-warp}"
"$python" -m natural_mujoco doctor | grep -E "^(ok|FAIL) +(versions|batched)"
"$python" -m benchmarks.batched --device cuda --num-envs 256 1024 4096

run=$(mktemp -d)
trap 'rm -rf "$run"' EXIT
# An interrupted run saves itself; that it was cut short is no failure.
timeout -s INT "$seconds" "$python" -m agents.ppo --task walker-walk --videos embedded --vector warp --device cuda \
    --num-envs 1024 --rollout 32 --minibatch 2048 --replay.capacity 70000 --steps 50000000 \
    --training.evaluate-every 1000000 --logdir "$run/ppo" || [ $? -eq 124 ]
"$python" - "$run/ppo/metrics.jsonl" <<'PYTHON'
import json
import sys

seconds = 0.0
for line in open(sys.argv[1]):
    found = json.loads(line)
    seconds = found.get("train/seconds", seconds)
    if "evaluation/return" in found:
        steps, mean = found["control_steps"], found["evaluation/return"]
        print(f"PPO, natural walker-walk: {mean:.0f} after {steps:,} control steps, {seconds:.0f} s")
PYTHON
for renderer in opengl warp; do
    "$python" -m natural_mujoco evaluate --policy "$run/ppo" --conditions natural-test --episodes 20 --videos embedded \
        --workers 1 --renderer "$renderer" --out "$run/$renderer.json"
done
# Last, since it compiles the kernels for the processor too, which takes minutes.
"$python" - <<'PYTHON'
import torch
from natural_mujoco import TASKS, batched
from natural_mujoco.batched.launching import Kernels


def played(task, device, as_graphs):
    """State and picture after five steps by the same seeds and actions."""
    Kernels.as_graphs = as_graphs
    envs = batched.make(task.name, num_envs=4, device=device, videos="embedded")
    envs.reset(seed=0)
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        picture = envs.step(torch.rand(envs.action_space.shape, generator=generator) * 2 - 1)[0]
    state, picture = envs.state_observation().cpu(), picture.cpu().float()
    envs.close()
    return state, picture


for task in TASKS.values():
    ours = played(task, "cuda", True)
    for name, device in (("cuda one by one", "cuda"), ("cpu", "cpu")):
        state, picture = played(task, device, False)
        print(
            f"{task.name:<20} cuda beside {name}: state {(ours[0] - state).abs().max():.1e}, "
            f"picture {(ours[1] - picture).abs().mean():.2f} grey levels"
        )
PYTHON
