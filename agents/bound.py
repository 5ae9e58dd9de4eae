"""What holds a run back, its sight, model or behaviour: `python -m agents.bound`; the work is in studies/bound.py."""

import sys

from .studies.bound import main

if __name__ == "__main__":
    sys.exit(main())
