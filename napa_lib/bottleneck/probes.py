"""Linear probes: a supervised regressor on top of found keypoints, and how much appearance a skeleton image leaks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, grid_sample

from napa_lib.bottleneck.functional import local_contrast_normalize
from napa_lib.bottleneck.model import KeypointGAN
from napa_lib.data.clips import Clips, to_float, to_unit
from napa_lib.geometry.precision import in_full_precision, widened
from napa_lib.skeletons import Skeleton, get_skeleton

ROUNDING = 1e-9  # share of the variance below which float32 has only rounding to tell
LEAK_FRAMES = 2000  # that the leak's probe learns from at most: its cost grows with them
SIDE = 16  # that contrast is averaged down to: fewer features than pictures make a better probe
LEAST = 3  # samples of a regression
PENALTIES = tuple(10.0**k for k in range(-6, 5))  # of ridge regression, relative to the features' mean square


@dataclass(frozen=True, eq=False)
class Ridge:
    """A linear map with an offset: y = (x - x_mean) W + y_mean.

    `weights` (D, E), `x_mean` (D,), `y_mean` (E,), and the `penalty` that leave-one-out chose.
    """

    weights: Tensor
    x_mean: Tensor
    y_mean: Tensor
    penalty: float

    @in_full_precision
    def __call__(self, x: Tensor) -> Tensor:
        return ((widened(x) - self.x_mean) @ self.weights + self.y_mean).to(x.dtype)


@in_full_precision
def fit_ridge(x: Tensor, y: Tensor, penalties: Sequence[float] = PENALTIES) -> Ridge:
    """Ridge regression whose penalty is chosen by the leave-one-out error, in closed form.

        W = argmin |Y - X W|² + penalty mean(x²) N |W|²,  all about their means

    Args:
        x: (N, D) features.
        y: (N, E) what to predict.
        penalties: to choose among.

    Raises:
        ValueError: if the shapes do not fit, there are fewer than 3 samples, or a value is missing.

    Source: Hoerl and Kennard, 1970; leave-one-out as in Golub et al., 1979. KeypointGAN, table 3 ("+ supervised
    regression").
    """
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or len(x) < LEAST:
        raise ValueError(
            f"x and y must be (N, D) and (N, E) with N >= {LEAST}, got {tuple(x.shape)} and {tuple(y.shape)}"
        )
    if bool(x.isnan().any()) or bool(y.isnan().any()):
        raise ValueError("x and y must have no missing values")
    x, y = widened(x), widened(y)
    x_mean, y_mean = x.mean(0), y.mean(0)
    x, y = x - x_mean, y - y_mean
    left, values, right = torch.linalg.svd(x, full_matrices=False)
    inside = left.mT @ y  # (R, E)
    unit = max(float(x.square().mean()) * len(x), 1e-300)
    best, chosen = torch.inf, penalties[0]
    for penalty in penalties:
        shrink = values.square() / (values.square() + penalty * unit)
        residual = y - left @ (shrink[:, None] * inside)
        leverage = left.square() @ shrink + 1 / len(x)  # 1 / N for the offset
        error = float((residual / (1 - leverage)[:, None].clamp_min(1e-12)).square().mean())
        if error < best:
            best, chosen = error, penalty
    weights = right.mT @ ((values / (values.square() + chosen * unit))[:, None] * inside)
    return Ridge(weights, x_mean, y_mean, chosen)


def whole_poses(keypoints: Tensor) -> Tensor:
    """Which poses (..., K, 2) have all their joints, (...) bool."""
    return ~keypoints.isnan().flatten(-2).any(-1)


def regress_keypoints(found: Tensor, labels: Tensor) -> Callable[[Tensor], Tensor]:
    """The supervised linear regressor on top: from found keypoints to labelled ones.

    Args:
        found: (B, K, 2) keypoints that a model found in labelled pictures.
        labels: (B, L, 2); poses with a missing joint are left out.

    Returns:
        a function from (B, K, 2) to (B, L, 2).

    Raises:
        ValueError: if fewer than `LEAST` poses are whole.

    Source: KeypointGAN, section 5.2 and table 3.
    """
    whole = whole_poses(labels)
    if int(whole.sum()) < LEAST:
        raise ValueError(f"labels must hold at least {LEAST} poses without a missing joint, got {int(whole.sum())}")
    ridge = fit_ridge(found[whole].flatten(1), labels[whole].flatten(1))
    return lambda keypoints: ridge(keypoints.flatten(1)).unflatten(1, labels.shape[1:])


def figure_colors(images: Tensor, keypoints: Tensor, skeleton: str | Skeleton) -> Tensor:
    """The person's colours: mean over three points on each bone, above and below the pelvis apart.

    Args:
        images: (B, 3, S, S) in [0, 1].
        keypoints: (B, K, 2) in [-1, 1], the true ones; a bone with a missing end is left out.
        skeleton: joint set of the keypoints.

    Returns:
        (B, 6): RGB of trunk, arms and head, then RGB of the legs; NaN where no bone of a part is visible.

    Raises:
        ValueError: for an unknown joint set or one without legs.
    """
    body = get_skeleton(skeleton)
    leg = torch.tensor([any(p in body.joints[end] for p in ("knee", "ankle")) for _, end in body.bones])
    if not bool(leg.any()) or bool(leg.all()):
        raise ValueError(f"skeleton must have bones of legs and others, got {body.name}")
    start, end = (keypoints[:, [bone[i] for bone in body.bones]] for i in (0, 1))
    share = torch.tensor([0.25, 0.5, 0.75])[:, None]
    points = start[:, :, None] * (1 - share) + end[:, :, None] * share  # (B, E, 3, 2)
    seen = ~points.isnan().any(-1)
    colors = grid_sample(images, points.nan_to_num(0.0), align_corners=True).movedim(1, -1)  # (B, E, 3, 3)
    colors = colors.masked_fill(~seen[..., None], torch.nan)
    return torch.cat([colors[:, part].flatten(1, 2).nanmean(1) for part in (~leg, leg)], 1)


@dataclass(frozen=True)
class Leak:
    """How well a linear probe reads the person's colours: `r2` (1 all, 0 or less nothing), of each part and channel
    in `r2_each`, and the rms error of a colour, `rms`, beside that of guessing the mean, `rms_mean`."""

    r2: float
    r2_each: tuple[float, ...]
    rms: float
    rms_mean: float


def appearance_leak(skeletons: Tensor, colors: Tensor, held_out: Tensor) -> Leak:
    """Whether a skeleton image tells how the person looks: a ridge probe from its pixels to the person's colours.

    The probe looks at the locally normalised contrast, as the reader does in fig. 2: beside the bones, a leak of a
    hundredth is lost on a linear probe. A pose tells nothing of colours but what the two have in common by chance:
    drawings of true poses give about 0 (`napa_lib.bottleneck.leak`). Found ones may give more, even behind a
    bottleneck: a network can move keypoints a little for the generator's sake.

    Args:
        skeletons: (B, C, S, S), what the generator sees.
        colors: (B, E) of the same pictures, such as `figure_colors`; rows with a missing value are left out.
        held_out: (B,) bool, pictures to test on; they should show other people than the rest.

    Raises:
        ValueError: if the shapes do not fit, or fewer than 3 pictures are on a side.

    Source: a number for KeypointGAN's fig. 2; ours.
    """
    if len(skeletons) != len(colors) or held_out.shape != (len(colors),):
        raise ValueError(
            f"skeletons, colors and held_out must have one length, got {len(skeletons)}, {len(colors)} and "
            f"{tuple(held_out.shape)}"
        )
    features = adaptive_avg_pool2d(local_contrast_normalize(skeletons.float()), SIDE).flatten(1)
    return linear_leak(features, colors, held_out)


def linear_leak(features: Tensor, colors: Tensor, held_out: Tensor) -> Leak:
    """How well a ridge probe reads colours off features (B, D) of any kind; rows with a missing one are left out. Other
    arguments and errors are those of `appearance_leak`."""
    known = ~(colors.isnan().any(1) | features.isnan().any(1))
    train, test = known & ~held_out, known & held_out
    if int(test.sum()) < 3:
        raise ValueError(f"held_out must name at least 3 pictures with colours, got {int(test.sum())}")
    probe = fit_ridge(features[train], colors[train])
    error = (probe(features[test]) - colors[test]).square().mean(0)
    guess = (colors[train].mean(0) - colors[test]).square().mean(0)
    each = tuple((1 - error / guess).tolist())
    return Leak(float(1 - error.sum() / guess.sum()), each, float(error.mean().sqrt()), float(guess.mean().sqrt()))


@torch.no_grad()
def skeleton_images(model: KeypointGAN, clips: Clips, device: torch.device | str = "cpu") -> Tensor:
    """What the generator is given of each frame's pose, drawn: y* behind the bottleneck, y without it, (N T, 1, S, S).

    Args:
        model: in evaluation mode.
        clips: what to look at.
        device: where the model is.
    """
    found = []
    for part in clips.images.flatten(0, 1).split(64):
        skeleton = model.image_encoder(to_float(part.to(device)))
        if model.config.bottleneck:
            skeleton = model.draw(model.skeleton_encoder(skeleton))
        found.append(skeleton.float().cpu())
    return torch.cat(found)


def clip_colors(clips: Clips) -> Tensor:
    """`figure_colors` of every frame, (N T, 6)."""
    images, keypoints = clips.images.flatten(0, 1), clips.keypoints.flatten(0, 1)
    return figure_colors(to_float(images), to_unit(keypoints, clips.size), clips.skeleton)


def measure_leak(model: KeypointGAN, clips: Clips, others: Clips, device: torch.device | str = "cpu") -> Leak:
    """`appearance_leak` of a trained model: the probe learns on some people and is tested on others.

    Args:
        model: in evaluation mode.
        clips: labelled frames for the probe to learn from; the first `LEAK_FRAMES` are taken.
        others: frames of other people, of which as many are taken, evenly spread: all of a large set are gigabytes.
        device: where the model is.
    """
    clips = clips.take(slice(None, -(-LEAK_FRAMES // clips.images.shape[1])))
    sides = clips, others.take(slice(None, None, -(-others.images.shape[:2].numel() // LEAK_FRAMES)))
    skeletons = torch.cat([skeleton_images(model, side, device=device) for side in sides])
    colors = torch.cat([clip_colors(side) for side in sides])
    held_out = torch.arange(len(colors)) >= clips.images.shape[:2].numel()
    return appearance_leak(skeletons, colors, held_out)


@dataclass(frozen=True)
class Carried:
    """How far the generator takes looks from the other frame: squared correlations from 0 (not at all) to 1, of light
    and dark and of hue, for the person's clothes and skin and for the wall."""

    person_light: float
    person_hue: float
    wall_light: float
    wall_hue: float


@torch.no_grad()
def carried_colors(model: KeypointGAN, clips: Clips, device: torch.device | str = "cpu") -> Carried:
    """Draw each person in the next one's pose, and compare the colours with those of the person.

    Args:
        model: a conditional one, in evaluation mode.
        clips: labelled frames; the first of each clip gives the looks, the last of the next one the pose.
        device: where the model is.

    Raises:
        ValueError: if the model's generator is not conditional, or there are fewer than 3 clips.

    Source: a number for KeypointGAN's figs. 8 and 9; ours.
    """
    if not model.config.conditional or len(clips) < LEAST:
        raise ValueError(f"model must be conditional and clips at least 3, got {model.config} and {len(clips)} clips")
    looks, last = to_float(clips.images[:, 0]), to_float(clips.images[:, -1]).roll(-1, 0)
    poses, drawn = [], []
    for image, style in zip(last.split(64), looks.split(64), strict=True):
        skeleton = model.image_encoder(image.to(device))
        found = model.skeleton_encoder(skeleton)
        seen = model.draw_for_generator(found) if model.config.bottleneck else skeleton
        poses.append(found.float().cpu())
        drawn.append(model.generate(seen, style.to(device)).float().cpu())
    true = to_unit(clips.keypoints[:, 0], clips.size)
    return compare_colors(torch.cat(drawn), torch.cat(poses), looks, true, clips.skeleton)


def compare_colors(drawn: Tensor, pose: Tensor, looks: Tensor, their_pose: Tensor, skeleton: str | Skeleton) -> Carried:
    """How far the colours of drawn people are those of the people that they should be, over the whole batch.

    Args:
        drawn: (B, 3, S, S).
        pose: (B, K, 2) in [-1, 1], where the drawn people have their joints.
        looks: (B, 3, S, S), the people as they should look.
        their_pose: (B, K, 2), where those have theirs.
        skeleton: joint set of both.
    """
    wanted = figure_colors(looks, their_pose, skeleton)
    person = _light_and_hue(figure_colors(drawn, pose, skeleton), wanted)
    return Carried(*person, *_light_and_hue(_corners(drawn), _corners(looks)))


def _corners(images: Tensor) -> Tensor:
    """Mean colour of an eighth of the picture in each upper corner, (B, 6): a wall, where it is not a person."""
    side = images.shape[-1] // 8
    return torch.cat([images[..., :side, :side].mean((2, 3)), images[..., :side, -side:].mean((2, 3))], 1)


def _light_and_hue(drawn: Tensor, wanted: Tensor) -> tuple[float, float]:
    """Squared correlations of brightness, and of the two differences of colours that grey lacks; both (B, 6)."""
    known = ~(drawn.isnan() | wanted.isnan()).any(1)
    axes = torch.tensor([[1.0, 1, 1], [1, -1, 0], [1, 1, -2]])
    pairs = [
        c[known].unflatten(1, (2, 3)).flatten(0, 1) @ (axes / axes.norm(dim=1, keepdim=True)).T for c in (drawn, wanted)
    ]
    a, b = (p - p.mean(0) for p in pairs)  # (2 B, 3)

    def squared_correlation(part: slice) -> float:
        spread = [float(x[:, part].square().sum()) for x in (a, b)]
        if any(s <= ROUNDING * float(x.square().sum()) for s, x in zip(spread, (a, b), strict=True)):
            return 0.0  # all alike but for rounding
        return float((a[:, part] * b[:, part]).sum()) ** 2 / (spread[0] * spread[1])

    return squared_correlation(slice(0, 1)), squared_correlation(slice(1, 3))
