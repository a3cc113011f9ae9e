"""NAPA's style-transfer losses, one function a term (NAPA, section 3.2).

The paper gives each term and its ratio (appendix table 2), not the reduction: sum, mean or norm. The reductions here
are those under which the paper's ratios balance the terms' gradients; each docstring states its own and lesson 01
shows the balance. Every loss returns one number a sample, (B,), so that a batch can be weighed or averaged at will; it
is float32 where float16 came.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from napa_lib.geometry.precision import check_floating

# Below this chroma (one step of an 8-bit picture) a pixel is grey and its hue is undefined.
LEAST_CHROMA = 0.999 / 255  # one 8-bit step, less what rounding may take from it


def gram_matrix(features: Tensor) -> Tensor:
    """Which channels fire together, with the positions summed out: the texture of a picture at one layer.

        G_ij = sum_hw F_ihw F_jhw / (C H W)

    Args:
        features: (B, C, H, W).

    Returns:
        (B, C, C), symmetric and positive semidefinite.

    Raises:
        ValueError: if `features` is not four-dimensional or has an empty side.

    Source: Gatys et al., 2016, eq. 3; normalised as in Johnson et al., 2016, eq. 3.

    >>> gram_matrix(torch.ones(1, 2, 4, 4)).tolist()
    [[[0.5, 0.5], [0.5, 0.5]]]
    """
    f = _maps("features", features).flatten(2)
    return _Gram.apply(f) / (f.shape[1] * f.shape[2])


def style_loss(output_features: Sequence[Tensor], style_features: Sequence[Tensor]) -> Tensor:
    """L_style: squared Frobenius norm of the difference of Gram matrices, summed over layers.

    The two pictures may differ in size; style has no position.

    Args:
        output_features, style_features: for each layer (B, C, H, W); H and W may differ between the two.

    Returns:
        (B,) non-negative.

    Source: NAPA, section 3.2, L_style (after Johnson et al., 2016, eq. 4).
    """
    pairs = _pairs("output_features", output_features, "style_features", style_features)
    return sum_layers([(gram_matrix(o) - gram_matrix(s)).square().sum((1, 2)) for o, s in pairs])


def feature_loss(a: Tensor, b: Tensor) -> Tensor:
    """L_feat: mean squared difference of two feature maps of one layer, ||a - b||^2 / (C H W).

    Returns:
        (B,) non-negative.

    Source: NAPA, section 3.2, L_feat (Johnson et al., 2016, eq. 2).
    """
    a, b = _alike("a", a, "b", b)
    return (a - b).square().mean((1, 2, 3))


def content_loss(a: Tensor, b: Tensor) -> Tensor:
    """L_content: Euclidean (L2) distance between two feature maps of one layer, ||a - b||_2.

    Unlike L_feat it is not squared: its gradient keeps its length however close the two come, and is taken as 0
    where they are equal. The authors' released code squares it and takes the mean, which is L_feat: about ten at the
    paper's ratio of 1, where L_style is hundreds (results/style/added_losses.json).

    Returns:
        (B,) non-negative.

    Source: NAPA, section 3.2, L_content at relu4_2.

    >>> content_loss(torch.zeros(1, 1, 1, 2), torch.tensor([[[[3.0, 4.0]]]])).tolist()
    [5.0]
    """
    a, b = _alike("a", a, "b", b)
    return torch.linalg.vector_norm(a - b, dim=(1, 2, 3))


def cosine_loss(a: Tensor, b: Tensor) -> Tensor:
    """L_cos: one minus the cosine of the angle between two feature maps of one layer, each taken as one long vector.

    A similarity must be subtracted: minimising the cosine itself, as the authors' released code does, would push the
    pictures apart. Where one of the maps is all zero the angle is undefined and the loss is 1.

    Returns:
        (B,) in [0, 2].

    Source: NAPA, section 3.2, L_cos at relu4_2.

    >>> cosine_loss(torch.ones(1, 1, 2, 2), 7 * torch.ones(1, 1, 2, 2)).tolist()
    [0.0]
    """
    a, b = _alike("a", a, "b", b)
    return 1 - torch.cosine_similarity(a.flatten(1), b.flatten(1), dim=1)


def jensen_shannon(a: Tensor, b: Tensor) -> Tensor:
    """Jensen-Shannon divergence of two non-negative feature maps, each divided by its sum, in nats.

        JS(p, q) = 1/2 sum p log(p / m) + 1/2 sum q log(q / m),  m = (p + q) / 2

    A softmax, the other way to make a distribution, puts nearly all mass on the one strongest activation of a layer,
    and its gradient vanishes everywhere else.

    Args:
        a, b: (B, C, H, W), not negative: else the result is NaN. A map that is zero everywhere is taken as the uniform
            distribution.

    Returns:
        (B,) in [0, log 2].
    """
    a, b = _alike("a", a, "b", b)
    order = (0, 2, 3, 1) if a.stride(1) == 1 else (0, 1, 2, 3)  # as they lie in memory, so that nothing is copied
    return _JensenShannon.apply(a.permute(order).flatten(1), b.permute(order).flatten(1))[0]


def style_entropy_loss(output_features: Sequence[Tensor], style_features: Sequence[Tensor]) -> Tensor:
    """L_sent: Jensen-Shannon divergence between output and style at relu1_1, relu1_2, relu2_1.

    Each layer's divergence is averaged over its C H W elements, which makes numbers of about 1e-7: a reading under
    which the paper's ratios of 1e9 here and 1e6 for L_cent balance the other terms. The authors' released code does
    otherwise (a softmax over the positions of each channel, the mean over channels), which gives some tenths a layer.

    Args:
        output_features, style_features: for each layer (B, C, H, W), of one size in both, and not negative, as behind a
            ReLU: of what is negative the loss is NaN.

    Returns:
        (B,) non-negative.

    Source: NAPA, section 3.2, L_sent.
    """
    pairs = _pairs("output_features", output_features, "style_features", style_features)
    return sum_layers([jensen_shannon(o, s) / o[0].numel() for o, s in pairs])


def content_entropy_loss(output_features: Sequence[Tensor], content_features: Sequence[Tensor]) -> Tensor:
    """L_cent: as `style_entropy_loss`, between output and content at relu5_2, relu5_3, relu5_4 (NAPA, section 3.2)."""
    pairs = _pairs("output_features", output_features, "content_features", content_features)
    return sum_layers([jensen_shannon(o, c) / o[0].numel() for o, c in pairs])


def total_variation_loss(image: Tensor) -> Tensor:
    """L_tv: squared differences of neighbouring pixels, down and to the right, summed. A 1 x 1 picture has none.

    Args:
        image: (B, 3, H, W) in [0, 1].

    Returns:
        (B,) non-negative.

    Source: NAPA, section 3.2, L_tv (Johnson et al., 2016, section 3.2).

    >>> total_variation_loss(torch.tensor([0.0, 1.0, 1.0]).expand(1, 3, 2, 3)).tolist()
    [6.0]
    """
    image = _picture("image", image)
    right = (image[..., :, 1:] - image[..., :, :-1]).square().sum((1, 2, 3))
    down = (image[..., 1:, :] - image[..., :-1, :]).square().sum((1, 2, 3))
    return right + down


def srgb_loss(output: Tensor, style: Tensor) -> Tensor:
    """L_srgb: one minus the cosine between two pictures, each taken as one vector of sRGB values.

    Pictures in napa are sRGB-encoded throughout, so no conversion is needed (the authors' released code encodes them a
    second time, and then compares those that were not).

    Returns:
        (B,) in [0, 1] for pictures in [0, 1]; 1 where one of the pictures is black.

    Source: NAPA, section 3.2, L_srgb.
    """
    output, style = _alike("output", _picture("output", output), "style", style)
    return 1 - torch.cosine_similarity(output.flatten(1), style.flatten(1), dim=1)


def rgb_to_hsv(image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Hue in turns [0, 1), saturation, value, and a mask of the pixels whose hue is defined.

    Where the chroma max - min is below one 8-bit step the pixel is grey: its hue is undefined, its mask False.

    Args:
        image: (B, 3, H, W) in [0, 1].

    Returns:
        four tensors (B, H, W).

    >>> hue, saturation, value, coloured = rgb_to_hsv(torch.tensor([0.0, 0.5, 0.0]).view(1, 3, 1, 1))
    >>> round(hue.item(), 3), saturation.item(), value.item(), coloured.item()
    (0.333, 1.0, 0.5, True)
    """
    image = _picture("image", image)
    red, green, blue = image.unbind(1)
    value, strongest = image.max(1)
    chroma = value - image.min(1).values
    coloured = chroma >= LEAST_CHROMA
    safe = torch.where(coloured, chroma, torch.ones_like(chroma))
    first, second, offset = _hue_sector(red, green, blue, strongest)
    hue = ((first - second) / safe + offset) / 6 % 1.0
    saturation = chroma / value.clamp_min(LEAST_CHROMA)
    return hue, saturation, value, coloured


def hsv_loss(output: Tensor, style: Tensor) -> Tensor:
    """L_hsv: mean absolute difference of hue, saturation and value, pixel by pixel, the three summed.

        L_hsv = |h_s - h_o| + |s_s - s_o| + |v_s - v_o|

    Hue is an angle: 0.95 and 0.05 of a turn are 0.1 apart, not 0.9. A pixel that is grey in either picture has no
    hue and counts as no hue difference. (The authors' released code compares with the style's mean hue, saturation and
    value alone.)

    Returns:
        (B,) in [0, 2.5].

    Source: NAPA, section 3.2, L_hsv.
    """
    output, style = _alike("output", output, "style", style)
    hue_o, saturation_o, value_o, coloured_o = rgb_to_hsv(output)
    hue_s, saturation_s, value_s, coloured_s = rgb_to_hsv(style)
    apart = (hue_o - hue_s).abs()
    hue = torch.where(coloured_o & coloured_s, torch.minimum(apart, 1 - apart), torch.zeros_like(apart))
    return (hue + (saturation_o - saturation_s).abs() + (value_o - value_s).abs()).mean((1, 2))


def sum_layers(losses: Sequence[Tensor]) -> Tensor:
    """Sum of the layers' losses, (B,)."""
    return torch.stack(list(losses)).sum(0)


class _Gram(torch.autograd.Function):
    """F F^T with the gradient (G + G^T) F in one product; autograd would take two and a transposition."""

    generate_vmap_rule = True

    @staticmethod
    def forward(f: Tensor) -> Tensor:  # type: ignore[override]
        return f @ f.transpose(1, 2)

    @staticmethod
    def setup_context(ctx, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:  # type: ignore[override]
        (f,) = ctx.saved_tensors
        both = gradient + gradient.mT
        return (f.mT @ both).mT if f.stride(1) == 1 else both @ f  # as f lies in memory: what takes it copies nothing


class _JensenShannon(torch.autograd.Function):
    """JS of two non-negative vectors divided by their sums, (B, N) each, and its gradient in closed form.

    With p = a / sum(a): dJS/dp = 1/2 log(p / m), and dJS/da = 1/2 (log(p / m) - sum p log(p / m)) / sum(a).
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(a: Tensor, b: Tensor) -> tuple[Tensor, list[Tensor]]:  # type: ignore[override]
        """(B,), and what the gradient is made of."""
        # The small constant keeps log and gradient finite at the many exact zeros behind a ReLU.
        p, q = a + 1e-6, b + 1e-6
        sums = [x.sum(1, keepdim=True) for x in (p, q)]
        p.div_(sums[0]), q.div_(sums[1])
        middle = (p + q).mul_(0.5)
        logs = [torch.div(x, middle).log_() for x in (p, q)]
        parts = [torch.linalg.vecdot(x, log)[:, None] for x, log in zip((p, q), logs, strict=True)]
        return 0.5 * (parts[0] + parts[1])[:, 0].clamp_min(0), [*sums, *logs, *parts]

    @staticmethod
    def setup_context(ctx, inputs: tuple[Tensor, Tensor], output: tuple[Tensor, list[Tensor]]) -> None:
        ctx.save_for_backward(*output[1])

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor, _: None):  # type: ignore[override]
        saved = ctx.saved_tensors
        half = 0.5 * gradient[:, None]
        return tuple(
            (log - part).mul_(half / total) if needed else None
            for needed, total, log, part in zip(ctx.needs_input_grad, saved[:2], saved[2:4], saved[4:], strict=True)
        )


def _hue_sector(red: Tensor, green: Tensor, blue: Tensor, strongest: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The two channels whose difference gives the hue within its third of the circle, and the third's offset."""
    is_red, is_green = strongest == 0, strongest == 1
    first = torch.where(is_red, green, torch.where(is_green, blue, red))
    second = torch.where(is_red, blue, torch.where(is_green, red, green))
    return first, second, 2.0 * strongest


def _maps(name: str, features: Tensor) -> Tensor:
    """The maps, once checked; float16 as float32, since sums over a layer are beyond 65504, where float16 ends."""
    check_floating(name, features)
    if features.ndim != 4 or features.numel() == 0:
        raise ValueError(f"{name} must be (B, C, H, W) with no empty side, got {tuple(features.shape)}")
    return features.float() if features.dtype == torch.float16 else features


def _picture(name: str, image: Tensor) -> Tensor:
    check_floating(name, image)
    if image.ndim != 4 or image.shape[1] != 3:
        raise ValueError(f"{name} must be (B, 3, H, W) with no empty side, got {tuple(image.shape)}")
    return _maps(name, image)


def check_range(name: str, image: Tensor) -> None:
    """Raise ValueError unless a picture's values lie in [0, 1], but for rounding."""
    if not ((image >= -1e-3) & (image <= 1 + 1e-3)).all():  # NaN compares false
        raise ValueError(f"{name} must lie in [0, 1], got {image.min().item():.4g} to {image.max().item():.4g}")


def _alike(name_a: str, a: Tensor, name_b: str, b: Tensor) -> tuple[Tensor, Tensor]:
    """Both maps, once checked."""
    a, b = _maps(name_a, a), _maps(name_b, b)
    if a.shape != b.shape:
        raise ValueError(f"{name_a} and {name_b} must have one shape, got {tuple(a.shape)} and {tuple(b.shape)}")
    return a, b


def _pairs(name_a: str, a: Sequence[Tensor], name_b: str, b: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    for name, maps in ((name_a, a), (name_b, b)):
        if isinstance(maps, (Tensor, Mapping)):  # VGG19Features gives a dictionary
            raise ValueError(f"{name} must be a list of maps, one a layer, got a {type(maps).__name__}")
    if not a or len(a) != len(b):
        raise ValueError(f"{name_a} and {name_b} must list the same layers, got {len(a)} and {len(b)}")
    return list(zip(a, b, strict=True))
