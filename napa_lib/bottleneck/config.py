"""What a KeypointGAN is made of and how it is trained: presets, and the four rungs of the paper's ablation."""

from __future__ import annotations

from dataclasses import dataclass, replace

from napa_lib.skeletons import Skeleton, get_skeleton, skeleton_from, skeleton_text

RENDERERS = ("skeleton", "blobs")
BETAS = (0.5, 0.999)  # of Adam, section 4


@dataclass(frozen=True)
class ModelConfig:
    """The networks of one KeypointGAN. The defaults are the paper's final model ("ours")."""

    skeleton: str | Skeleton = "NAPA18"  # of the poses: how many keypoints, and which of them the drawing connects
    size: int = 128  # side of the pictures in pixels; a multiple of 8
    width: int = 32  # channels of the first convolution; doubled at each halving of the picture
    discriminator_width: int = 64  # the same for the skeleton discriminators
    picture_width: int = 64  # and for the image discriminator
    discriminator_layers: int = 3  # convolutions of stride 2 in the skeleton discriminator
    renderer: str = "skeleton"  # beta: "skeleton" (eq. 1) for bodies, "blobs" (eq. 2) for faces
    gamma: float = 25.0  # 1 / 0.04 of eq. 1, in the units of [-1, 1]
    sigma: float = 0.02  # of eq. 2, in the same units
    conditional: bool = True  # the image generator also sees a second frame of the same person
    bottleneck: bool = True  # the image generator sees beta(eta(y)) and not y itself
    second_cycle: bool = False  # skeleton -> image -> skeleton, and the image discriminator
    limb_masks: bool = False  # the networks of appendix F

    def __post_init__(self) -> None:
        object.__setattr__(self, "skeleton", skeleton_from(skeleton_text(self.skeleton)))  # the library's by name
        if self.renderer not in RENDERERS:
            raise ValueError(f"renderer must be one of {RENDERERS}, got {self.renderer!r}")
        if self.size < 32 or self.size % 8:
            raise ValueError(f"size must be a multiple of 8 and at least 32, got {self.size}")
        if min(self.width, self.discriminator_width, self.picture_width, self.discriminator_layers) < 1:
            raise ValueError(f"widths and layers must be at least 1, got {self}")
        if self.size // 4 < 3 * 2**self.discriminator_layers:
            raise ValueError(
                f"size must be at least {12 * 2**self.discriminator_layers} for discriminator_layers "
                f"{self.discriminator_layers}, which also look at the picture at a quarter of its size, got {self.size}"
            )
        if min(self.gamma, self.sigma) <= 0:
            raise ValueError(f"gamma and sigma must be positive, got {self.gamma} and {self.sigma}")
        if self.limb_masks and not (self.conditional and self.bottleneck and self.renderer == "skeleton"):
            raise ValueError("limb_masks need conditional=True, bottleneck=True and renderer='skeleton'")

    @property
    def num_keypoints(self) -> int:
        """K of the paper."""
        return get_skeleton(self.skeleton).num_joints

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """E of eq. 1: the pairs of keypoints that the drawing connects."""
        return get_skeleton(self.skeleton).bones


# "tiny" is not only half the paper's: its skeleton discriminators have one halving less than fig. 20's three, so that
# their three scales still see a picture of a quarter of the size, and its image discriminator is a quarter as wide.
PRESETS = {
    "paper": ModelConfig(),
    "tiny": ModelConfig(size=64, width=16, discriminator_width=32, picture_width=16, discriminator_layers=2),
}

# KeypointGAN, table 5: each rung changes one thing.
RUNGS = {
    "cyclegan": {"conditional": False, "bottleneck": False, "second_cycle": True},
    "conditional": {"conditional": True, "bottleneck": False, "second_cycle": True},
    "bottleneck": {"conditional": True, "bottleneck": True, "second_cycle": True},
    "ours": {"conditional": True, "bottleneck": True, "second_cycle": False},
}


def model_config(preset: str = "paper", rung: str = "ours", skeleton: str | Skeleton = "NAPA18") -> ModelConfig:
    """One rung of table 5 in one size, for a joint set by its name, or for a `Skeleton` of one's own.

    Faces (FACE68) are drawn as blobs of eq. 2, bodies as bones of eq. 1. The blobs are as wide in pixels as the
    paper's, whose sigma of 0.02 in the units of [-1, 1] is 1.3 pixels of 128: at 64 pixels sigma is 0.04. With 0.02
    there, a blob is hardly wider than a pixel, and the training collapsed to one face for all.

    Raises:
        ValueError: for a preset, a rung or a joint set that does not exist.

    >>> model_config("tiny", "cyclegan").bottleneck
    False
    """
    if preset not in PRESETS:
        raise ValueError(f"preset must be one of {tuple(PRESETS)}, got {preset!r}")
    if rung not in RUNGS:
        raise ValueError(f"rung must be one of {tuple(RUNGS)}, got {rung!r}")
    config = replace(PRESETS[preset], skeleton=skeleton, **RUNGS[rung])  # type: ignore[arg-type]
    return replace(config, renderer="blobs", sigma=2.56 / config.size) if config.skeleton == "FACE68" else config


@dataclass(frozen=True)
class TrainingConfig:
    """One training. The defaults are section 4's, except `steps`: the paper takes 3 million for bodies."""

    model: ModelConfig = ModelConfig()
    steps: int = 10_000
    batch: int = 16
    learning_rate: float = 2e-4  # Adam's, with betas 0.5 and 0.999
    clip: float = 1.0  # largest norm of a network's gradient
    adversarial: float = 10.0  # lambda of eq. 6; the authors' released configuration amounts to 1
    second_cycle: float = 10.0  # weight of the mean |Phi(Psi(y, x')) - y|; the paper gives none, this is CycleGAN's
    perceptual_size: int = 128  # side of the pictures that VGG-19 compares
    recolour: bool = False  # show each pair of frames in colours of its own; see `data.recolour`
    stir: bool = False  # show the critic the poses mirrored, moved and scaled, too; see `data.stir_poses`
    every: int = 250  # steps between two checkpoints, and two records
    plateau: int = 1000  # steps without progress after which the learning rate of eta's pre-training falls
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.steps, self.plateau, self.every) < 1 or self.batch < 2:
            raise ValueError(f"steps, plateau and every must be >= 1 and batch >= 2, got {self}")
        if min(self.learning_rate, self.clip) <= 0 or min(self.adversarial, self.second_cycle) < 0:
            raise ValueError(f"learning_rate and clip must be positive and weights not negative, got {self}")
        if not 16 <= self.perceptual_size <= self.model.size or self.model.size % self.perceptual_size:
            raise ValueError(
                f"perceptual_size must divide the pictures' {self.model.size} and be at least 16, "
                f"got {self.perceptual_size}"
            )
