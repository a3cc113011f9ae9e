"""All style-transfer terms of NAPA together, with one VGG pass a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from napa_lib.networks import VGG19Features
from napa_lib.style import functional as F

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
STYLE_ENTROPY_LAYERS = ("relu1_1", "relu1_2", "relu2_1")
CONTENT_ENTROPY_LAYERS = ("relu5_2", "relu5_3", "relu5_4")
CONTENT_LAYER = "relu4_2"


@dataclass(frozen=True)
class LossRatios:
    """Weight of each term; the defaults are NAPA's appendix table 2.

    That table has no row for L_feat, which the paper takes over from Johnson et al. beside L_content at the same layer:
    its default is 0. A term with ratio 0 is not computed.
    """

    style: float = 1.0
    feature: float = 0.0
    total_variation: float = 1.0
    style_entropy: float = 1e9
    srgb: float = 200.0
    hsv: float = 300.0
    cosine: float = 1000.0
    content: float = 1.0
    content_entropy: float = 1e6

    def __post_init__(self) -> None:
        for field in fields(self):
            ratio = getattr(self, field.name)
            if not 0 <= ratio < float("inf"):
                raise ValueError(f"ratio {field.name} must be a finite number >= 0, got {ratio}")


# Johnson et al.'s three terms, the per-style baseline of NAPA, section 4.1, with L_content as the feature term so that
# each added loss (NAPA, figure 8) is one ratio more.
JOHNSON = LossRatios(style_entropy=0, srgb=0, hsv=0, cosine=0, content_entropy=0)


@dataclass(frozen=True)
class StyleLosses:
    """The value of each term before its ratio, (B,), and the weighted total, (B,). A term with ratio 0 is missing."""

    terms: dict[str, Tensor]
    ratios: LossRatios

    @property
    def total(self) -> Tensor:
        return torch.stack(list(self.weighted().values())).sum(0)

    def weighted(self) -> dict[str, Tensor]:
        """Each term times its ratio."""
        return {name: getattr(self.ratios, name) * value for name, value in self.terms.items()}


@dataclass(frozen=True)
class Measured:
    """A picture and its feature maps, for a style or content picture that is compared more than once."""

    picture: Tensor  # (B, 3, H, W)
    maps: dict[str, Tensor]

    def at(self, layers: Sequence[str]) -> list[Tensor]:
        return [self.maps[layer] for layer in layers]

    def __getitem__(self, index: Tensor) -> Measured:
        return Measured(self.picture[index], {layer: maps[index] for layer, maps in self.maps.items()})


class StylizationLoss(nn.Module):
    """NAPA's whole style-transfer objective: every term, and their sum weighted by the ratios.

    Apart from L_style, the terms compare pictures pixel by pixel or map by map, so output, style and content must have
    one size, as in the paper, where all pictures are 224 x 224. The balance of the terms belongs to that size: L_sent
    and L_cent are means over a layer's elements, so at a quarter of the pixels they weigh four times as much. At
    128 x 128 this still does; at 64 x 64 L_sent rules, and an optimised picture becomes a copy of the style picture.

    >>> loss = StylizationLoss(VGG19Features(), JOHNSON)
    >>> output, style, content = torch.rand(3, 1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    >>> sorted(loss(output, style, content).terms)
    ['content', 'style', 'total_variation']

    Source: NAPA, section 3.2 and appendix table 2.
    """

    def __init__(self, features: VGG19Features, ratios: LossRatios | None = None) -> None:
        super().__init__()
        self.features = features
        self.ratios = ratios if ratios is not None else LossRatios()

    def style_layers(self) -> tuple[str, ...]:
        """Layers at which output and style are compared."""
        r = self.ratios
        return (
            (STYLE_LAYERS if r.style else ())
            + (STYLE_ENTROPY_LAYERS if r.style_entropy else ())
            + ((CONTENT_LAYER,) if r.cosine else ())
        )

    def content_layers(self) -> tuple[str, ...]:
        """Layers at which output and content are compared."""
        r = self.ratios
        return ((CONTENT_LAYER,) if r.content or r.feature else ()) + (
            CONTENT_ENTROPY_LAYERS if r.content_entropy else ()
        )

    @torch.no_grad()
    def measure_style(self, style: Tensor) -> Measured:
        """Feature maps of a style picture, to be passed in its place as often as wanted."""
        return Measured(style, self.features(style, self.style_layers()))

    @torch.no_grad()
    def measure_content(self, content: Tensor) -> Measured:
        """Feature maps of a content picture, to be passed in its place as often as wanted."""
        return Measured(content, self.features(content, self.content_layers()))

    def forward(self, output: Tensor, style: Tensor | Measured, content: Tensor | Measured) -> StyleLosses:
        """Compare a stylised picture with its style and its content.

        Args:
            output: (B, 3, H, W) in [0, 1].
            style, content: pictures of the same shape, or what `measure_style` and `measure_content` made of them.

        Returns:
            every term with a ratio above 0, and the weighted total.

        Raises:
            ValueError: if the three shapes differ, or every ratio is 0.
        """
        style = self.measure_style(style) if isinstance(style, Tensor) else style
        content = self.measure_content(content) if isinstance(content, Tensor) else content
        if not output.shape == style.picture.shape == content.picture.shape:
            raise ValueError(
                "output, style and content must have one shape, got "
                f"{tuple(output.shape)}, {tuple(style.picture.shape)}, {tuple(content.picture.shape)}"
            )
        maps = self.features(output, self.style_layers() + self.content_layers())
        with torch.autocast(output.device.type, enabled=False):  # sums over millions of elements need full precision
            terms = self._terms(Measured(output, maps), style, content)
        if not terms:
            raise ValueError("every loss ratio is 0: there is nothing to compare")
        return StyleLosses(terms, self.ratios)

    def _terms(self, output: Measured, style: Measured, content: Measured) -> dict[str, Tensor]:
        o, s, c = output, style, content
        compute = {
            "style": lambda: F.style_loss(o.at(STYLE_LAYERS), s.at(STYLE_LAYERS)),
            "feature": lambda: F.feature_loss(o.maps[CONTENT_LAYER], c.maps[CONTENT_LAYER]),
            "total_variation": lambda: F.total_variation_loss(o.picture),
            "style_entropy": lambda: F.style_entropy_loss(o.at(STYLE_ENTROPY_LAYERS), s.at(STYLE_ENTROPY_LAYERS)),
            "srgb": lambda: F.srgb_loss(o.picture, s.picture),
            "hsv": lambda: F.hsv_loss(o.picture, s.picture),
            "cosine": lambda: F.cosine_loss(o.maps[CONTENT_LAYER], s.maps[CONTENT_LAYER]),
            "content": lambda: F.content_loss(o.maps[CONTENT_LAYER], c.maps[CONTENT_LAYER]),
            "content_entropy": lambda: F.content_entropy_loss(
                o.at(CONTENT_ENTROPY_LAYERS), c.at(CONTENT_ENTROPY_LAYERS)
            ),
        }
        return {name: term() for name, term in compute.items() if getattr(self.ratios, name) > 0}


def gradient_norms(loss: StylizationLoss, output: Tensor, style: Tensor, content: Tensor) -> dict[str, float]:
    """Length of each weighted term's gradient with respect to the output picture, averaged over the batch.

    The values of two losses say little about which of them moves the picture; their gradients do.
    """
    output = output.detach().requires_grad_()
    weighted = loss(output, style, content).weighted()
    norms = {}
    for name, value in weighted.items():
        (gradient,) = torch.autograd.grad(value.sum(), output, retain_graph=True)
        norms[name] = float(gradient.flatten(1).norm(dim=1).mean())
    return norms
