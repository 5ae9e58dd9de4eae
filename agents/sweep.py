"""Many training runs: `python -m agents.sweep`; the work is in studies/sweep.py."""

import os
import sys

from .studies.sweep import main

if __name__ == "__main__":
    os.environ.setdefault(
        "OMP_WAIT_POLICY", "passive"
    )  # runs that share cores should not spin while they wait
    sys.exit(main())
