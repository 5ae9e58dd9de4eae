"""Probes of what a world model represents: `python -m agents.probe`; the code is in studies/probe.py."""

import sys

from .studies.probe import main

if __name__ == "__main__":
    sys.exit(main())
