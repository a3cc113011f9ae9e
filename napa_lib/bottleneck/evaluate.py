"""How good the landmarks are, with and without flips, and how much appearance leaks through the skeleton image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, grid_sample

from napa_lib.bottleneck.data import Clips, to_float, to_pixels
from napa_lib.bottleneck.functional import local_contrast_normalize
from napa_lib.metrics import better_sides, mpjpe, mse_with_flips
from napa_lib.skeletons import convert, get_skeleton

PENALTIES = tuple(10.0**k for k in range(-6, 5))  # of ridge regression, relative to the features' mean square


@torch.no_grad()
def predict_clips(
    predict: Callable[[Tensor], Tensor], clips: Clips, batch: int = 64, device: torch.device | str = "cpu"
) -> Tensor:
    """Keypoints of every frame, (N T, K, 2) in pixels.

    Args:
        predict: pictures (B, 3, S, S) in [0, 1] to keypoints (B, K, 2) in [-1, 1]; a model in evaluation mode.
        clips: what to look at.
        batch: frames at a time.
        device: where the model is.
    """
    frames = clips.images.flatten(0, 1).split(batch)
    found = [predict(to_float(part.to(device))).float().cpu() for part in frames]
    return to_pixels(torch.cat(found), clips.size)


def landmark_errors(
    prediction: Tensor, target: Tensor, skeleton: str, size: int, scored: str | None = None
) -> dict[str, float]:
    """The paper's errors of some poses, in pixels and in per cent of the picture's side.

    "Flips" lets each pose choose between its two side assignments, by the smaller mean distance. The papers call what
    they print MSE and the mean error in pixels; the authors' released code averages distances, so these are distances,
    and the squared ones stand beside them.

    Args:
        prediction: (B, K, 2) pixels.
        target: the same shape; NaN where missing.
        skeleton: joint set of both.
        size: side of the pictures in pixels.
        scored: joint set to score instead, such as H36M17 for 17 joints of a larger set.

    Returns:
        `px`, `px_flips`, `percent`, `percent_flips`, and in px² `mse`, `mse_flips`; NaN if no joint was counted.

    Raises:
        ValueError: for shapes or joint sets that do not fit.

    Source: KeypointGAN, section 5.1, tables 1 and 2.
    """
    if scored is not None:
        prediction, target = (convert(pose, skeleton, scored) for pose in (prediction, target))
        skeleton = scored
    plain = mpjpe(prediction, target)
    best = mpjpe(better_sides(prediction, target, skeleton), target)
    squared = (prediction - target).square().sum(-1).nanmean()
    return {
        "px": float(plain.total),
        "px_flips": float(best.total),
        "percent": 100 * float(plain.total) / size,
        "percent_flips": 100 * float(best.total) / size,
        "mse": float(squared),
        "mse_flips": float(mse_with_flips(prediction, target, skeleton).total),
    }


def errors_by_motion(prediction: Tensor, clips: Clips, scored: str | None = None) -> dict[str, dict[str, float]]:
    """`landmark_errors` of all frames, under "all", and of each motion's.

    Args:
        prediction: (N T, K, 2) pixels, as `predict_clips` gives them.
        clips: with keypoints, and motions where known.
        scored: as in `landmark_errors`.
    """
    target = clips.keypoints.flatten(0, 1)
    found = {"all": landmark_errors(prediction, target, clips.skeleton, clips.size, scored)}
    frames = clips.images.shape[1]
    for motion in sorted(set(clips.motions)):
        here = torch.tensor([name == motion for name in clips.motions]).repeat_interleave(frames)
        found[motion] = landmark_errors(prediction[here], target[here], clips.skeleton, clips.size, scored)
    return found


def mean_pose(poses: Tensor, count: int) -> Tensor:
    """The baseline that looks at nothing: the mean of the unpaired poses, `count` times, (count, K, 2).

    Raises:
        ValueError: if a keypoint is missing in all poses.
    """
    mean = poses.nanmean(0)
    if bool(mean.isnan().any()):
        raise ValueError("poses must show each keypoint at least once to have a mean")
    return mean.expand(count, -1, -1)


@dataclass(frozen=True, eq=False)
class Ridge:
    """A linear map with an offset: y = (x - x_mean) W + y_mean.

    `weights` (D, E), `x_mean` (D,), `y_mean` (E,), and the `penalty` that leave-one-out chose.
    """

    weights: Tensor
    x_mean: Tensor
    y_mean: Tensor
    penalty: float

    def __call__(self, x: Tensor) -> Tensor:
        return ((x.double() - self.x_mean) @ self.weights + self.y_mean).to(x.dtype)


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
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or len(x) < 3:
        raise ValueError(f"x and y must be (N, D) and (N, E) with N >= 3, got {tuple(x.shape)} and {tuple(y.shape)}")
    if bool(x.isnan().any()) or bool(y.isnan().any()):
        raise ValueError("x and y must have no missing values")
    x, y = x.double(), y.double()
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


def regress_keypoints(found: Tensor, labels: Tensor) -> Callable[[Tensor], Tensor]:
    """The supervised linear regressor on top: from found keypoints to labelled ones.

    Args:
        found: (B, K, 2) keypoints that a model found in labelled pictures.
        labels: (B, L, 2); poses with a missing joint are left out.

    Returns:
        a function from (B, K, 2) to (B, L, 2).

    Source: KeypointGAN, section 5.2 and table 3.
    """
    whole = ~labels.isnan().flatten(1).any(1)
    ridge = fit_ridge(found[whole].flatten(1), labels[whole].flatten(1))
    return lambda keypoints: ridge(keypoints.flatten(1)).unflatten(1, labels.shape[1:])


def figure_colors(images: Tensor, keypoints: Tensor, skeleton: str) -> Tensor:
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


def appearance_leak(
    skeletons: Tensor, colors: Tensor, held_out: Tensor, side: int = 16, penalties: Sequence[float] = PENALTIES
) -> Leak:
    """Whether a skeleton image tells how the person looks: a ridge probe from its pixels to the person's colours.

    The probe looks at the locally normalised contrast, as the reader does in fig. 2: beside the bones, a leak of a
    hundredth is lost on a linear probe. A pose tells nothing of colours but what the two have in common by chance, so a
    tight bottleneck gives about 0.

    Args:
        skeletons: (B, C, S, S), what the generator sees.
        colors: (B, E) of the same pictures, such as `figure_colors`; rows with a missing value are left out.
        held_out: (B,) bool, pictures to test on; they should show other people than the rest.
        side: the contrast is averaged down to this side; fewer features than pictures make a better probe.
        penalties: as in `fit_ridge`.

    Raises:
        ValueError: if the shapes do not fit, or fewer than 3 pictures are on a side.

    Source: a number for KeypointGAN's fig. 2; ours.
    """
    if len(skeletons) != len(colors) or held_out.shape != (len(colors),):
        raise ValueError(
            f"skeletons, colors and held_out must have one length, got {len(skeletons)}, {len(colors)} and "
            f"{tuple(held_out.shape)}"
        )
    features = adaptive_avg_pool2d(local_contrast_normalize(skeletons.float()), side).flatten(1)
    known = ~colors.isnan().any(1)
    train, test = known & ~held_out, known & held_out
    if int(test.sum()) < 3:
        raise ValueError(f"held_out must name at least 3 pictures with colours, got {int(test.sum())}")
    probe = fit_ridge(features[train], colors[train], penalties)
    error = (probe(features[test]) - colors[test]).square().mean(0)
    guess = (colors[train].mean(0) - colors[test]).square().mean(0)
    each = tuple((1 - error / guess).tolist())
    return Leak(float(1 - error.sum() / guess.sum()), each, float(error.mean().sqrt()), float(guess.mean().sqrt()))
