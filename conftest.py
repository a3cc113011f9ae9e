"""What every test runs under, also the cells of the notebooks: no trace in anybody's record, no progress bars."""

from __future__ import annotations

import os

os.environ.setdefault("NAPA_PROGRESS", "off")
os.environ.setdefault("NAPA_PROGRESS_BAR", "off")
