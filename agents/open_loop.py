"""Figure 3 of the paper for a run: `python -m agents.open_loop`; the work is in studies/open_loop.py."""

import sys

from .studies.open_loop import main

if __name__ == "__main__":
    sys.exit(main())
