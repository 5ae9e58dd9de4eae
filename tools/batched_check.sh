#!/bin/sh
# For the day on which a GPU is there: whether the batched environment runs on it, how fast, what PPO learns on it in ten
# minutes, and how near it is to OpenGL and to the CPU.
#   tools/batched_check.sh [PYTHON [SECONDS]]
# Prints what doctor says, steps a second, PPO's returns by seconds of training on natural walker-walk, what the trained
# policy earns under both renderers, and how far GPU and CPU differ.
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
