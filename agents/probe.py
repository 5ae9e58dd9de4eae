"""What a world model knows: `python -m agents.probe`; the work is in studies/probe.py."""

import sys

from .studies.probe import main

if __name__ == "__main__":
    sys.exit(main())
