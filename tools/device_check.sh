#!/bin/sh
# For the day on which a GPU is there: what the agents do on it, in under ten minutes.
#   tools/device_check.sh [PYTHON] [OUT.json] [MINUTES]
# Writes one JSON file: a short run of every agent, one update beside the CPU's, recorded updates beside others, updates a second, and
# after that MINUTES of training (0 by default; 15 show whether it learns).
set -eu
cd "$(dirname "$0")/.."
python=${1:-.venv/bin/python}
[ -x "$python" ] || python=python3
exec "$python" -m tools.device_check --out "${2:-device.json}" --train "${3:-0}"
