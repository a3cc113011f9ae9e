"""Sizes of the networks: the paper's, and a small one that a processor trains in minutes."""

from __future__ import annotations

from dataclasses import dataclass

from napa_lib.multiperson.scenes import Camera

CELLS = 28  # cells a side of the teacher's maps
GRID = 14  # and of the neural representation


@dataclass(frozen=True)
class NetworkConfig:
    """Widths in channels, lengths in pixels.

    The paper gives the pictures' size, the 28 x 28 x 1024 of V, the 28 x 28 x 43 of the maps, the 14 x 14 x 39 of H,
    its 7 x 7 x 128 channel-wise layer and the kernels of G; its E and F are those of Cao et al. (2017), whose widths
    are these. Its text gives neither the widths inside G and H nor H's kernels: those are ours.
    """

    size: int = 224  # side of a picture
    layer: str = "relu4_2"  # of VGG-19, where its map has 28 x 28 cells
    backbone: int = 512  # channels there
    shared: tuple[int, int] = (256, 128)  # two layers after it, for both branches
    branch: int = 128  # three 3 x 3 layers of each branch of E
    embedding: int = 512  # channels of each branch's half of V
    stage: int = 128  # seven layers of each branch of F
    encoder: int = 128  # the first four layers of G
    lifter: int = 128  # layers of H, and its channel-wise one

    def __post_init__(self) -> None:
        if self.size % CELLS:
            raise ValueError(f"size must be a multiple of {CELLS}, got {self.size}")

    @property
    def latent(self) -> int:
        """Channels of V."""
        return 2 * self.embedding

    @property
    def stride(self) -> int:
        """Pixels of a picture a cell of V."""
        return self.size // CELLS


PAPER = NetworkConfig()
TINY = NetworkConfig(112, "relu3_4", 256, (128, 64), 48, 64, 48, 32, 64)
PRESETS = {"paper": PAPER, "tiny": TINY}
CAMERAS = {  # of each preset's scenes; on small pictures the room is shorter, for far people would be a few cells high
    "paper": Camera(),
    "tiny": Camera(size=112, focal=150.0, nearest=2500.0, farthest=5500.0),
}
