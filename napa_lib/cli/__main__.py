"""`python -m napa_lib.cli`: the command `napa` where it is not installed."""

from __future__ import annotations

import sys

from napa_lib.cli import main

if __name__ == "__main__":
    sys.exit(main())
