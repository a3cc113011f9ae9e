"""Lesson 01: checks of the two exercises that are the method itself, Gatys' loop and conditional normalisation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from napa_lib.study.exercises import Verdict, Wrong, close, numbers, right, wrong
from napa_lib.style import content_loss, feature_loss, style_loss

STEPS, RATE = 12, 0.05


class ToyFeatures:
    """Two fixed layers of random filters in the place of VGG-19; remembers the pictures that it was shown."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(5)
        first, second = (torch.randn(shape, generator=generator) for shape in ((6, 3, 3, 3), (8, 6, 3, 3)))
        self.weights = [0.35 * first, second]  # so that both terms have a say
        self.shown: list[Tensor] = []

    def __call__(self, picture: Tensor) -> list[Tensor]:
        self.shown.append(picture.detach().clone())
        first = nn.functional.conv2d(picture, self.weights[0], padding=1).relu()
        pooled = nn.functional.max_pool2d(first, 2)
        return [first, nn.functional.conv2d(pooled, self.weights[1], padding=1).relu()]


def toy_pictures() -> tuple[Tensor, Tensor]:
    """A ramp and a chequerboard, (1, 3, 12, 12)."""
    y, x = torch.meshgrid(torch.arange(12.0), torch.arange(12.0), indexing="ij")
    content = torch.stack([x / 11, y / 11, (x + y) / 22])[None]
    style = torch.stack([(x + y) % 2, (x // 2) % 2, 0.1 + 0 * x])[None]
    return content, style


def descend(features: Callable[[Tensor], Sequence[Tensor]], steps: int = STEPS, *, slip: str = "") -> Tensor:
    """The loop as it is meant, or with one of its usual slips; (3, 12, 12)."""
    content, style = toy_pictures()
    wanted, kept = features(style), features(content)[-1]
    picture = content.clone().requires_grad_()
    adam = torch.optim.Adam([picture], lr=RATE)
    for _ in range(1 if slip == "cut off" else steps):
        maps = features(picture)
        style_term, content_term = style_loss(maps, wanted).sum(), content_loss(maps[-1], kept).sum()
        if slip == "one style map":
            style_term = style_loss(maps[-1:], wanted[-1:]).sum()
        if slip == "shallow content":
            content_term = content_loss(maps[0], features(content)[0]).sum()
        if slip == "squared content":
            content_term = feature_loss(maps[-1], kept).sum()
        loss = style_term if slip == "style alone" else style_term + content_term
        if slip != "no zero_grad":
            adam.zero_grad()
        (-loss if slip == "uphill" else loss).backward()
        adam.step()
        if slip != "late clamp":
            with torch.no_grad():
                picture.clamp_(0, 1)
    return picture.detach()[0].clamp(0, 1)


def check_gatys(my_gatys: Callable[..., Tensor]) -> Verdict:
    features, (content, style) = ToyFeatures(), toy_pictures()
    shown_content, shown_style = content.clone(), style.clone()
    got = _picture(my_gatys(shown_content, shown_style, features, STEPS))
    if not (torch.equal(shown_content.detach(), content) and torch.equal(shown_style.detach(), style)):
        return wrong("your loop changed the picture that was handed in. Begin with a copy: `content.clone()`.")
    if torch.equal(got, content[0]):
        return wrong(_why_unmoved(features, style))
    if close(got, style[0], 0.02):
        return wrong("that is the style picture itself, and nothing of the content is left in it.")
    if not got.isfinite().all():
        return wrong("there are values in your picture that are not finite numbers.")
    if got.min() < 0 or got.max() > 1:
        return wrong(f"values go from {got.min():.2f} to {got.max():.2f}: put the pixels back into [0, 1] each step.")
    idle = _picture(my_gatys(content.clone(), style.clone(), ToyFeatures(), 0))
    if not close(idle, content[0]):
        return wrong("with `steps` = 0 the picture must still be the content: where does yours begin, how often go?")
    for slip, hint in _SLIPS.items():
        if close(got, descend(ToyFeatures(), slip=slip), 1e-5):
            return wrong(hint)
    reached, best, start = (_total(picture) for picture in (got, descend(ToyFeatures()), content[0]))
    if close(got, descend(ToyFeatures()), 1e-4):  # a low loss alone does not tell: other losses lead as low
        return right(f"the loss fell from {start:.0f} to {reached:.0f}, and only pixels were trained.")
    return wrong(f"the loss went from {start:.0f} to {reached:.0f}; {STEPS} steps of Adam at {RATE} lead to {best:.0f} "
                 "and to another picture. Are both terms in it, each between the right maps? Is there one Adam, made "
                 "before the loop, and as many steps as asked for?")  # fmt: skip


_SLIPS = {
    "no zero_grad": "backward() adds to the gradients that are there: each step also repeats all earlier ones. "
    "Empty them with `zero_grad()`.",
    "uphill": "the loss grows: you walk up the gradient. backward() wants what is to become small.",
    "style alone": "only the style term pulls, nothing holds the content. L_content is missing, or compares the "
    "picture with itself.",
    "one style map": "style was compared in the last maps alone. The fine strokes are in the first ones.",
    "shallow content": "L_content compares the first maps: it holds every pixel's colour. Compare the last ones.",
    "squared content": "that is L_feat, the mean square: next to L_style it hardly holds. L_content is a length.",
    "late clamp": "the pixels went back into [0, 1] at the end only, and ran away until then. Do it after each step.",
    "cut off": "only the first step has moved your picture. Put pixels back in place, `picture.clamp_(0, 1)`: a new "
    "tensor of that name is not the one that Adam moves.",
}


def _picture(value: Tensor) -> Tensor:
    """A learner's picture as (3, 12, 12), with or without an axis for the batch."""
    shape = (1, 3, 12, 12) if np.ndim(getattr(value, "detach", lambda: value)()) == 4 else (3, 12, 12)
    return torch.tensor(numbers(value, shape, "the picture"), dtype=torch.float32).reshape(3, 12, 12)


def _total(picture: Tensor) -> float:
    content, style = toy_pictures()
    features = ToyFeatures()
    maps, kept = features(picture[None]), features(content)[-1]
    return float(style_loss(maps, features(style)) + content_loss(maps[-1], kept))


def _why_unmoved(features: ToyFeatures, style: Tensor) -> str:
    if not any(torch.equal(picture, style) for picture in features.shown):
        return "your loop never measured the style picture, and at the content itself L_content has nothing to pull."
    return "the picture has not moved. Was it the picture that Adam was given, and is there an `adam.step()`?"


def check_instance_norm(my_instance_norm: Callable[..., Tensor]) -> Verdict:
    draw = np.random.default_rng(6)
    x = torch.tensor(draw.normal(2.0, 3.0, (2, 3, 4, 5)), dtype=torch.float32)
    scale, shift = (torch.tensor(draw.normal(1.0, 1.0, (2, 3)), dtype=torch.float32) for _ in range(2))
    got = numbers(my_instance_norm(x.clone(), scale.clone(), shift.clone()), (2, 3, 4, 5), "the normalised map")

    def scaled(y: Tensor) -> Tensor:
        return y * scale[..., None, None] + shift[..., None, None]

    centred = x - x.mean((2, 3), keepdim=True)
    variance = centred.square().mean((2, 3), keepdim=True)
    normal = centred / (variance + 1e-5).sqrt()
    if not close(got, scaled(normal), 1e-3):
        usual = (
            (scaled(nn.functional.batch_norm(x, None, None, training=True)), "mean and deviation were taken over the "
             "whole batch: a picture's contrast leaks into the others. That is batch normalisation."),
            (scaled(nn.functional.layer_norm(x, (3, 4, 5))), "mean and deviation were taken over the channels as well, "
             "so the balance between channels, which makes a style, stays as it was."),
            (scaled(centred / x.std((2, 3), keepdim=True)), "nearly: torch's `std` divides by H W - 1. Say "
             "`correction=0`."),
            (scaled(centred / variance), "you divided by the variance; its root is the deviation."),
            (scaled(centred), "the mean is gone, but not the spread: divide by the deviation."),
            (normal, "normalised, and then? Scale and shift are what makes it one style and not another."),
            ((normal + shift[..., None, None]) * scale[..., None, None], "shifted first, then scaled: that scales "
             "the shift, too."),
            (normal * shift[..., None, None] + scale[..., None, None], "scale and shift have changed places."),
            (normal * scale[0, :, None, None] + shift[0, :, None, None], "every picture got the first picture's style: "
             "scale and shift have a row for each of them."),
        )  # fmt: skip
        for value, hint in usual:
            if close(got, value, 1e-3):
                return wrong(hint)
        return wrong("for one channel of one picture: take its mean away, divide by its deviation, then scale, shift.")
    flat = numbers(my_instance_norm(torch.full((1, 1, 2, 2), 7.0), torch.ones(1, 1), torch.zeros(1, 1)), (1, 1, 2, 2))
    if not np.isfinite(flat).all():
        raise Wrong("a channel that is the same everywhere has a deviation of 0: add 1e-5 to the variance.")
    return right("whatever contrast a picture had, each channel leaves with the style's own mean and spread.")
