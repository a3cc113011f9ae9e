"""The four stages of NAPA's training: which networks learn in each, from which losses, and with what settings."""

from __future__ import annotations

from dataclasses import dataclass, field

from napa_lib.style import LossRatios


@dataclass(frozen=True)
class Stage:
    """One of the four stages.

    Attributes:
        number: 1 to 4.
        title: what it is about.
        networks: those that take part, by the paper's symbols; all of them are in the stage's checkpoint.
        trained: those of them whose weights change.
        losses: the groups of losses that it descends: "style", "pose", "supervision".
    """

    number: int
    title: str
    networks: tuple[str, ...]
    trained: tuple[str, ...]
    losses: tuple[str, ...]


# NAPA, section 3.3. Stage 4 goes on with all that stage 3 trains and adds F' and its VGG.
STAGES = (
    Stage(1, "style transfer", ("F", "VGG"), ("F", "VGG"), ("style",)),
    Stage(2, "pose", ("F", "VGG", "G", "G'"), ("G", "G'"), ("pose",)),
    Stage(3, "joint", ("F", "VGG", "G", "G'"), ("F", "G", "G'"), ("style", "pose")),
    Stage(
        4, "self supervision", ("F", "VGG", "G", "G'", "F'", "VGG'"), ("F", "G", "G'", "F'", "VGG'"),
        ("style", "pose", "supervision"),
    ),
)  # fmt: skip

SIZES = {"paper": 224, "tiny": 96}  # side of all pictures, in pixels


@dataclass(frozen=True)
class Ratios:
    """Weights of all losses: NAPA, appendix table 2. A term whose ratio is 0 is not computed."""

    style: LossRatios = field(default_factory=LossRatios)
    keypoints: float = 1.0  # of L_2d
    depth: float = 1000.0  # of L_depth
    supervision: float = 0.0035  # of each of the three self-supervision losses

    def __post_init__(self) -> None:
        for name in ("keypoints", "depth", "supervision"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"ratio {name} must be a finite number >= 0, got {getattr(self, name)}")


@dataclass(frozen=True)
class TrainingConfig:
    """How one stage is trained.

    Section 3.3 gives RMSprop, its momentum, weight decay and learning rate, and batches of 2, 3 or 22 pictures; by how
    much the rate falls it does not say. Each stage descends another sum of losses, so what a plateau took from the rate
    of one is not taken from that of the next. At the full rate a VGG that is trained along breaks within ten steps:
    each of its thousands of weights a channel moves by up to ten times the rate, all one way. Hence `features_rate`.
    """

    preset: str = "tiny"  # of SIZES: the pictures' side
    steps: int = 150
    batch: int = 2  # pictures a step, of all processes together
    passes: int = 1  # in which each process takes its share of them: more need less memory (gradient accumulation)
    learning_rate: float = 1e-4
    momentum: float = 0.9
    weight_decay: float = 1e-5
    next_stage: float = 0.5  # the learning rate's factor from one stage to the next
    plateau: float = 0.5  # and where the loss has stopped falling
    patience: int = 500  # steps for which it may do so
    real: float = 0.0  # share of stylised pictures that are replaced by the real ones (section 4.5)
    features_rate: float = 0.01  # times the learning rate, for VGG and VGG' where they are trained along
    fixed_features: bool = False  # do not train them along, as the paper does
    ratios: Ratios = field(default_factory=Ratios)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.preset not in SIZES:
            raise ValueError(f"preset must be one of {sorted(SIZES)}, got {self.preset!r}")
        for name in ("steps", "batch", "passes", "patience"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed must be an integer from 0 to 2**63 - 1, got {self.seed}")
        fits = {
            "learning_rate above 0 and below 1": 0 < self.learning_rate < 1,
            "momentum from 0 and below 1": 0 <= self.momentum < 1,
            "weight_decay at least 0": self.weight_decay >= 0,
            "next_stage above 0 and at most 1": 0 < self.next_stage <= 1,
            "plateau above 0 and at most 1": 0 < self.plateau <= 1,
            "real from 0 to 1": 0 <= self.real <= 1,
            "features_rate above 0": self.features_rate > 0,
        }
        for rule in (rule for rule, good in fits.items() if not good):
            name, _, rest = rule.partition(" ")
            raise ValueError(f"{name} must be {rest}, got {getattr(self, name)}")

    @property
    def size(self) -> int:
        """Side of all pictures in pixels."""
        return SIZES[self.preset]


def stage_of(number: int) -> Stage:
    """The stage with a number.

    Raises:
        ValueError: unless the number is 1, 2, 3 or 4.
    """
    if number not in range(1, len(STAGES) + 1):
        raise ValueError(f"stage must be 1, 2, 3 or 4, got {number}")
    return STAGES[number - 1]


def trained_in(stage: Stage, config: TrainingConfig) -> tuple[str, ...]:
    """The networks that a stage changes, given its settings."""
    if config.fixed_features:
        return tuple(name for name in stage.trained if not name.startswith("VGG"))
    return stage.trained
