"""The runs of a plan file: `python -m agents.plan results/plan.toml`; the work is in studies/plan.py."""

import os
import sys

from .studies.plan import main

if __name__ == "__main__":
    os.environ.setdefault(
        "OMP_WAIT_POLICY", "passive"
    )  # runs that share cores should not spin while they wait
    sys.exit(main())
