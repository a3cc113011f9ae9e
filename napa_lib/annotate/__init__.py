"""Mark the joints of figures in pictures of one's own, and give them depth: what `napa annotate` is made of."""

from __future__ import annotations

from napa_lib.annotate.journal import Edit, Figure, Journal, JournalError
from napa_lib.annotate.outputs import as_art, as_coco
from napa_lib.annotate.pseudo_depth import PseudoDepth, pseudo_depth

__all__ = ["Edit", "Figure", "Journal", "JournalError", "PseudoDepth", "as_art", "as_coco", "pseudo_depth"]
