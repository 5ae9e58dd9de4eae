#!/bin/sh
# Builds the wheel, installs it in a fresh environment and uses it there, away from the checkout: the suite, the
# command line and one agent. usage: CONSTRAINTS=FILE tools/check_wheel.sh PYTHON
set -eu

python=$1
here=$(pwd)
constraints=$(cd "$(dirname "$CONSTRAINTS")" && pwd)/$(basename "$CONSTRAINTS")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export NATURAL_MUJOCO_HOME="$work/cache"

# From a copy in which files lie about that nobody means to publish.
mkdir "$work/copy"
cp -R pyproject.toml README.md LICENSE natural_mujoco agents video_manifests "$work/copy"
for folder in natural_mujoco natural_mujoco/evaluation/entries agents agents/training video_manifests; do
    touch "$work/copy/$folder/secret.env" "$work/copy/$folder/notes.txt" "$work/copy/$folder/.netrc"
done
"$python" -m build --wheel --outdir "$work" "$work/copy" >"$work/build.log" 2>&1 || { cat "$work/build.log" >&2; exit 1; }
wheel=$(ls "$work"/natural_mujoco-*.whl)
"$python" - "$wheel" <<'PY'
import sys, zipfile
names = zipfile.ZipFile(sys.argv[1]).namelist()
top = {name.split("/")[0] for name in names}
packages = {name for name in top if not name.endswith(".dist-info")}
assert packages == {"natural_mujoco"}, f"the wheel installs {packages}"
strays = [name for name in names if name.endswith((".env", ".txt", ".netrc")) and ".dist-info/" not in name]
assert not strays, f"the wheel takes along what lies about: {strays}"
for needed in ("natural_mujoco/agents/__init__.py", "natural_mujoco/evaluation/entries/random-repeat-8.json",
               "natural_mujoco/leaderboard/templates/page.js", "natural_mujoco/video_manifests/embedded.json", "natural_mujoco/py.typed"):
    assert needed in names, f"{needed} is not in the wheel"
PY
echo "Installing $(basename "$wheel") in a fresh environment"
"$python" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check -c "$constraints" "$wheel[agents]"
cd "$work"
"$work/venv/bin/python" - "$here" <<'PY'
import sys
import gymnasium as gym, natural_mujoco
assert not natural_mujoco.__file__.startswith(sys.argv[1]), "the checkout was imported, not the wheel"
for task in natural_mujoco.TASKS.values():
    env = gym.make(task.natural_id, videos="embedded")
    env.reset(seed=0)
    observation, *_ = env.step(env.action_space.sample())
    assert observation.shape == (64, 64, 3)
    env.close()
envs = gym.make_vec(natural_mujoco.TASKS["WalkerWalk"].natural_id, num_envs=2, videos="embedded", split="test")
envs.reset(seed=0)
envs.step(envs.action_space.sample())
envs.close()
print("the suite works from the wheel")
PY
"$work/venv/bin/natural-mujoco" doctor
# One agent, for as long as it takes to collect, update, act, evaluate and write a checkpoint.
"$work/venv/bin/python" -m natural_mujoco.agents.cvrl --task cartpole-swingup --variant natural --videos embedded \
    --preset laptop --num-envs 1 --replay.capacity 1000 --steps 1000 --training.prefill 500 --training.warmup-updates 1 \
    --training.updates-per-1000-steps 4 --training.batch-size 4 --training.batch-length 10 --training.evaluation-episodes 1 --planning.when never \
    --training.no-fast --logdir "$work/run"
test -s "$work/run/metrics.jsonl"
"$work/venv/bin/natural-mujoco" evaluate --policy "$work/run" --conditions natural-test --episodes 1 --videos embedded \
    --out "$work/results.json"
echo "an agent trains and is evaluated from the wheel"
