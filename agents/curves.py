"""Learning curves of runs: `python -m agents.curves`; the work is in studies/curves.py."""

import sys

from .studies.curves import main

if __name__ == "__main__":
    sys.exit(main())
