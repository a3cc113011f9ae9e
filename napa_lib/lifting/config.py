"""Everything that decides what a training of the depth network does."""

from __future__ import annotations

from dataclasses import dataclass

from napa_lib.lifting.networks import PRESETS

INPUTS = ("bones", "points", "coordinates", "white bones", "white points")


@dataclass(frozen=True)
class TrainingConfig:
    """How a depth network is trained on motion capture seen by random cameras."""

    sees: str = "bones"  # one of INPUTS: the bone map, the joints alone, their coordinates, or a map all in white
    preset: str = "tiny"  # of DepthNet; also sets the map's size for "points" and "coordinates"
    steps: int = 4000
    batch: int = 32  # views a step, each of another pose
    learning_rate: float = 3e-3  # of AdamW at its peak; it rises over the first tenth of the steps and falls to 0
    weight_decay: float = 1e-4
    exchange: float = 0.5  # chance that a limb, or the trunk, comes from another frame
    pitch: float = 20.0  # degrees; cameras look up or down by at most this
    roll: float = 10.0  # degrees; cameras are tilted by at most this
    nearest: float = 3000.0  # mm from camera to pelvis
    farthest: float = 8000.0  # mm
    seed: int = 0

    def __post_init__(self) -> None:
        if self.sees not in INPUTS:
            raise ValueError(f"sees must be one of {INPUTS}, got {self.sees!r}")
        if self.preset not in PRESETS:
            raise ValueError(f"preset must be one of {sorted(PRESETS)}, got {self.preset!r}")
        if self.steps < 1 or self.batch < 2:
            raise ValueError(f"steps must be >= 1 and batch >= 2, got {self.steps} and {self.batch}")
        if not 0 <= self.exchange <= 1:
            raise ValueError(f"exchange must be from 0 to 1, got {self.exchange}")
        if not 2000 <= self.nearest <= self.farthest:
            raise ValueError(f"nearest must be >= 2000 mm and <= farthest, got {self.nearest} and {self.farthest}")
