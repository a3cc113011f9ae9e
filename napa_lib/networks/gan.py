"""What adversarial chapters share: the two usual losses, CycleGAN's patch discriminator and its start."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

Scores = Tensor | Sequence[Tensor]  # what a discriminator says: one tensor, or one a scale


def lsgan_discriminator_loss(real: Scores, fake: Scores) -> Tensor:
    """What a least-squares discriminator minimises: real samples scored 1, generated ones 0.

        L_disc = E[(1 - D(y_real))²] + E[D(y_fake)²],  averaged over the scales

    Args:
        real: scores of real samples, any shape; or one such tensor a scale.
        fake: those of generated samples; equally many scales.

    Raises:
        ValueError: if there are no scales, or not equally many.

    Source: KeypointGAN, eq. 5 (after Mao et al., 2017).

    >>> lsgan_discriminator_loss(torch.ones(1, 1, 2, 2), torch.full((1, 1, 2, 2), 0.5)).item()
    0.25
    """
    real, fake = _check_pair(real, fake)
    return _mean(lambda score: (1 - score).square(), real) + _mean(torch.square, fake)


def lsgan_generator_loss(fake: Scores) -> Tensor:
    """What a generator minimises against a least-squares discriminator: E[(1 - D(y_fake))²], averaged over the scales.

    KeypointGAN's eq. 5 as written would have the generator maximise E[D(y_fake)²]; as in every LSGAN, it aims for the
    score of real samples, 1, instead.

    Source: KeypointGAN, eq. 5; Mao et al., 2017, eq. 2 with c = 1.

    >>> lsgan_generator_loss([torch.full((1, 1, 2, 2), 0.5)]).item()
    0.25
    """
    return _mean(lambda score: (1 - score).square(), _scales("fake", fake))


def bce_discriminator_loss(real: Scores, fake: Scores) -> Tensor:
    """What a discriminator minimises that says how likely a sample is real: binary cross-entropy, from logits.

        L_disc = E[-log s(D(y_real))] + E[-log(1 - s(D(y_fake)))],  s(x) = 1 / (1 + exp(-x)),  averaged over the scales

    AdvPose's eq. 3 sums over a batch whose halves are real and generated; here each half is averaged. From logits it
    stays finite where s rounds to 0 or 1.

    Args:
        real: logits of real samples, any shape; or one such tensor a scale.
        fake: those of generated samples; equally many scales.

    Raises:
        ValueError: if there are no scales, or not equally many.

    Source: AdvPose, eq. 3; Goodfellow et al., 2014.

    >>> round(bce_discriminator_loss(torch.zeros(4, 1), torch.zeros(4, 1)).item(), 4)  # 2 log 2
    1.3863
    """
    real, fake = _check_pair(real, fake)
    return _mean(lambda logit: softplus(-logit), real) + _mean(softplus, fake)


def bce_generator_loss(fake: Scores) -> Tensor:
    """What a generator minimises against `bce_discriminator_loss`: E[-log s(D(y_fake))], averaged over the scales.

    Source: AdvPose, eq. 4; the non-saturating loss of Goodfellow et al., 2014, section 3.

    >>> round(bce_generator_loss(torch.tensor([[-100.0]])).item(), 1)  # no log of 0
    100.0
    """
    return _mean(lambda logit: softplus(-logit), _scales("fake", fake))


def _scales(name: str, scores: Scores) -> list[Tensor]:
    scales = [scores] if isinstance(scores, Tensor) else list(scores)
    if not scales or any(score.numel() == 0 for score in scales):
        shapes = [tuple(score.shape) for score in scales]
        raise ValueError(f"{name} must hold at least one scale, none of them empty, got {shapes}")
    return scales


def _check_pair(real: Scores, fake: Scores) -> tuple[list[Tensor], list[Tensor]]:
    real, fake = _scales("real", real), _scales("fake", fake)
    if len(real) != len(fake):
        raise ValueError(f"real and fake must hold equally many scales, got {len(real)} and {len(fake)}")
    return real, fake


def _mean(loss: Callable[[Tensor], Tensor], scores: Sequence[Tensor]) -> Tensor:
    # in float32: under autocast, bfloat16 scores would round the loss to three digits
    precise = (score.to(torch.promote_types(score.dtype, torch.float32)) for score in scores)
    return torch.stack([loss(score).mean() for score in precise]).mean()


def initialize(network: nn.Module) -> None:
    """CycleGAN's start: weights of convolutions from N(0, 0.02²), of batch normalisation from N(1, 0.02²), no bias."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def leaky_block(channels: int, out: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    """Convolution with padding 1, instance normalisation, leaky ReLU of slope 0.2."""
    conv = nn.Conv2d(channels, out, kernel, stride, 1, bias=False)
    return [conv, nn.InstanceNorm2d(out), nn.LeakyReLU(0.2, inplace=True)]


class PatchDiscriminator(nn.Module):
    """CycleGAN's discriminator: a picture (B, channels, H, W) to a score a patch, (B, 1, h, w).

    `layers` convolutions of stride 2 and two more of stride 1, each of 4 x 4. With three, a score sees 70 x 70 pixels.

    Args:
        channels: of the picture; 1 for a skeleton image.
        width: channels of the first convolution; doubled by each that follows.
        layers: convolutions of stride 2.

    Raises:
        ValueError: if a size is below 1; for a picture of other channels, or one that leaves no patch.

    Source: KeypointGAN, fig. 20; Zhu et al., 2017.
    """

    def __init__(self, channels: int = 1, width: int = 64, layers: int = 3) -> None:
        super().__init__()
        if min(channels, width, layers) < 1:
            raise ValueError(f"channels, width and layers must be at least 1, got {channels}, {width} and {layers}")
        self.channels, self.least = channels, 3 * 2**layers
        widths = [channels, *(width * 2**i for i in range(layers + 1))]
        blocks: list[nn.Module] = []
        for i in range(layers):
            blocks += leaky_block(widths[i], widths[i + 1], 4, 2)
        blocks += leaky_block(widths[-2], widths[-1], 4)
        self.layers = nn.Sequential(*blocks, nn.Conv2d(widths[-1], 1, 4, padding=1))

    def forward(self, image: Tensor) -> Tensor:
        if image.ndim != 4 or image.shape[1] != self.channels or min(image.shape[2:]) < self.least:
            expected = f"(B, {self.channels}, H, W) with H, W >= {self.least}"
            raise ValueError(f"image must be {expected}, got {tuple(image.shape)}")
        return self.layers(image)
