"""What the estimator and its discriminator are made of, how they are trained, and the rows of the paper's table 2."""

from __future__ import annotations

from dataclasses import dataclass

from napa_lib.skeletons import Skeleton, get_skeleton

SOURCES = ("picture", "descriptor", "maps")  # what a discriminator may be shown, in the order of figure 2


@dataclass(frozen=True)
class ModelConfig:
    """The sizes of the networks. The defaults are the paper's of its ablations (two stacks)."""

    skeleton: str = "H36M17"  # joint set: P of the paper
    size: int = 256  # side of the pictures in pixels; heat maps are a quarter of it
    channels: int = 256  # of the hourglasses and the depth regressor
    stacks: int = 2  # hourglasses one after the other; 4 for table 1
    critic_channels: int = 64  # of the discriminator's first convolutions; the paper gives none of its sizes
    embedding: int = 512  # what each source is embedded to, and the width of the fully connected layers

    def __post_init__(self) -> None:
        get_skeleton(self.skeleton)
        if self.size < 64 or self.size % 64:
            raise ValueError(f"size must be a multiple of 64, got {self.size}")
        if min(self.stacks, self.critic_channels, self.embedding) < 1 or self.channels < 4 or self.channels % 4:
            raise ValueError(f"stacks and widths must be at least 1 and channels a multiple of 4, got {self}")

    @property
    def body(self) -> Skeleton:
        """The joint set."""
        return get_skeleton(self.skeleton)


PRESETS = {
    "paper": ModelConfig(),
    "paper-4": ModelConfig(stacks=4),
    "tiny": ModelConfig(size=64, channels=64, stacks=1, critic_channels=16, embedding=128),
}


@dataclass(frozen=True)
class Row:
    """A line of table 2: what the discriminator sees (nothing: no adversarial training), and how it is trained."""

    label: str
    sources: tuple[str, ...] = SOURCES
    fix_2d: bool = False  # the 2D module stays as its pre-training left it
    pretrained: bool = True  # the depth regressor is trained before the discriminator comes in


ROWS = {
    "baseline_fix_2d": Row("Baseline (fix 2D)", (), fix_2d=True),
    "baseline": Row("Baseline", ()),
    "map": Row("Map", ("picture", "maps")),
    "geo": Row("Geo", ("picture", "descriptor")),
    "full_fix_2d": Row("Full (fix 2D)", fix_2d=True),
    "full_without_pretraining": Row("Full (w/o pretrain)", pretrained=False),
    "full": Row("Full"),
}  # AdvPose, table 2
FIXED_ROWS = {
    "map_fix_2d": Row("Map (fix 2D)", ("picture", "maps"), fix_2d=True),
    "geo_fix_2d": Row("Geo (fix 2D)", ("picture", "descriptor"), fix_2d=True),
    "descriptor_fix_2d": Row("Descriptor alone (fix 2D)", ("descriptor",), fix_2d=True),
}  # not in the paper: the same sources with a fixed 2D module, and a discriminator that sees no picture


@dataclass(frozen=True)
class TrainingConfig:
    """One training. The defaults are section 5's, where the paper gives them."""

    model: ModelConfig = ModelConfig()
    sources: tuple[str, ...] = SOURCES  # of the discriminator; () trains without one
    fix_2d: bool = False
    steps: int = 120_000
    batch: int = 12  # pictures a step, half of them from the lab
    learning_rate: float = 5e-4  # Adam's, of the estimator; the paper gives none
    critic_learning_rate: float = 2e-4  # Adam's, of the discriminator
    adversarial: float = 1e-4  # lambda of eq. 5: the paper's number, but beside means, not sums; see `pose_losses`
    depth: float = 0.1  # weight of the depths' squared error beside the maps'; the paper's backbone has 0.1
    clip: float = 1.0  # largest norm of a network's gradient
    every: int = 1000  # steps between two checkpoints, and two records
    seed: int = 0

    def __post_init__(self) -> None:
        check_sources(self.sources, allow_none=True)
        if min(self.steps, self.every) < 1 or self.batch < 4 or self.batch % 4:
            raise ValueError(f"steps and every must be >= 1 and batch a multiple of 4, got {self}")
        if min(self.learning_rate, self.critic_learning_rate, self.clip) <= 0 or min(self.adversarial, self.depth) < 0:
            raise ValueError(f"learning rates and clip must be positive and weights not negative, got {self}")


def check_sources(sources: tuple[str, ...], allow_none: bool = False) -> tuple[str, ...]:
    """The sources in the order of `SOURCES`.

    Raises:
        ValueError: if one does not exist or stands twice, or there is none where one is needed.

    >>> check_sources(("maps", "picture"))
    ('picture', 'maps')
    """
    if len(set(sources)) != len(sources) or not set(sources) <= set(SOURCES) or not (sources or allow_none):
        raise ValueError(f"sources must be some of {SOURCES}, each once, got {sources}")
    return tuple(name for name in SOURCES if name in sources)
