"""KeypointGAN: its networks and renderer put together, and the two critics that train them."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from napa_lib.bottleneck.config import ModelConfig
from napa_lib.bottleneck.discriminators import ImageDiscriminator, SkeletonDiscriminator
from napa_lib.bottleneck.limb_masks import LimbImageGenerator, SkipImageEncoder, draw_limbs
from napa_lib.bottleneck.networks import (
    ImageEncoder,
    ImageGenerator,
    SkeletonEncoder,
    check_same_size,
)
from napa_lib.networks.checks import check_image
from napa_lib.rendering import render_blobs, render_skeleton


@dataclass(frozen=True)
class Reconstruction:
    """One pass from a picture to its reconstruction.

    Attributes:
        skeleton: (B, 1, S, S), y = Phi(x).
        keypoints: (B, K, 2) in [-1, 1], eta(y); None without the bottleneck, where nothing passes through them.
        seen: what the generator was given: (B, 1, S, S), y* = beta(eta(y)) behind the bottleneck and y without it; with
            limb masks (B, L, S, S).
        image: (B, 3, S, S), Psi(seen, x').
    """

    skeleton: Tensor
    keypoints: Tensor | None
    seen: Tensor
    image: Tensor


class KeypointGAN(nn.Module):
    """Landmarks from unlabelled frames and unpaired poses: Phi, Psi, eta and beta. `Critics` has the discriminators.

    Args:
        config: sizes, and which of the paper's three innovations are in.

    Source: KeypointGAN, fig. 3 and section 3.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.frozen = False
        width = config.width
        self.skeleton_encoder = SkeletonEncoder(config.num_keypoints, width)
        self.image_encoder = SkipImageEncoder(width) if config.limb_masks else ImageEncoder(width)
        if config.limb_masks:
            self.image_generator: nn.Module = LimbImageGenerator(len(config.edges), width)
        else:
            self.image_generator = ImageGenerator(config.conditional, width)

    def draw(self, keypoints: Tensor) -> Tensor:
        """beta: keypoints (B, K, 2) in [-1, 1] to a skeleton image (B, 1, S, S)."""
        if self.config.renderer == "blobs":
            return render_blobs(keypoints, self.config.size, self.config.sigma)
        return render_skeleton(keypoints, self.config.edges, self.config.size, self.config.gamma)

    def draw_for_generator(self, keypoints: Tensor) -> Tensor:
        """What Psi takes for a pose: its drawing, or with limb masks each limb's, (B, 1 or L, S, S)."""
        if self.config.limb_masks:
            return draw_limbs(keypoints, self.config.edges, self.config.size, self.config.gamma)
        return self.draw(keypoints)

    def generate(self, seen: Tensor, style: Tensor | None) -> Tensor:
        """Psi: a picture (B, 3, S, S) in that pose; an unconditional generator leaves `style` aside."""
        return self.image_generator(seen, style if self.config.conditional else None)

    def predict(self, image: Tensor) -> Tensor:
        """The keypoints of a picture: eta(Phi(x)), (B, K, 2) as (x, y) in [-1, 1].

        Raises:
            ValueError: if `image` is not (B, 3, S, S) of the config's size.
        """
        return self.skeleton_encoder(self.image_encoder(self._of_size("image", image)))

    def forward(self, image: Tensor, style: Tensor) -> Reconstruction:
        """Reconstruct a picture from its pose and another picture of the same person (eq. 4).

        Args:
            image: x, (B, 3, S, S) in [0, 1].
            style: x', the same shape; not looked at where the generator is unconditional.

        Raises:
            ValueError: if the pictures are not of one and the config's size.
        """
        check_same_size("image", image, "style", style)
        skeleton = self.image_encoder(self._of_size("image", image))
        if not self.config.bottleneck:
            return Reconstruction(skeleton, None, skeleton, self.generate(skeleton, style))
        keypoints = self.skeleton_encoder(skeleton)
        seen = self.draw_for_generator(keypoints)
        return Reconstruction(skeleton, keypoints, seen, self.generate(seen, style))

    def _of_size(self, name: str, image: Tensor) -> Tensor:
        size = self.config.size
        if check_image(name, image, 3).shape[2:] != (size, size):
            raise ValueError(f"{name} must be (B, 3, {size}, {size}), got {tuple(image.shape)}")
        return image

    def freeze_encoder(self) -> None:
        """Fix eta: no gradients to its weights, and batch normalisation by what its pre-training saw."""
        self.skeleton_encoder.requires_grad_(False)
        self.frozen = True
        self.train(self.training)

    def train(self, mode: bool = True) -> KeypointGAN:
        """Training or evaluation mode; a frozen eta stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.skeleton_encoder.eval()
        return self


class Critics(nn.Module):
    """The discriminators of one KeypointGAN: D_Y for skeleton images, and with a second cycle D_X for pictures."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        wide = config.discriminator_width
        self.skeletons = SkeletonDiscriminator(wide, config.discriminator_layers)
        self.pictures = ImageDiscriminator(config.conditional, config.picture_width) if config.second_cycle else None

    def judge_pictures(self, image: Tensor, style: Tensor) -> list[Tensor]:
        """Scores of pictures, beside the other frame where the generator is conditional.

        Raises:
            ValueError: if this model has no second cycle, and so no image discriminator.
        """
        if self.pictures is None:
            raise ValueError("config must have second_cycle=True for an image discriminator")
        return self.pictures(image, style if self.config.conditional else None)
