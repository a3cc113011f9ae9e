"""Lesson 06: what is right, what is wrong and why."""

from __future__ import annotations

import numpy as np
import torch

from napa_lib.multiperson import Scene, decode_scene, encode_scene
from napa_lib.multiperson.config import CAMERAS
from napa_lib.multiperson.moves import OTHER_SIDE
from napa_lib.study.exercises import Verdict, close, number, numbers, right, wrong

CAMERA = CAMERAS["tiny"]


def read_cells(maps, pixels):
    """What exercise 06.1 asks for, in NumPy: angles (P, 3) and places (P, 3)."""
    maps, pixels = np.asarray(maps, dtype=float), np.asarray(pixels, dtype=float)
    cell = ((pixels + 0.5) * 14 / CAMERA.size - 0.5).round().astype(int)
    values = maps[:, cell[:, 1], cell[:, 0]].T
    depth = CAMERA.nearest + (values[:, 38:] + 1) / 2 * (CAMERA.farthest - CAMERA.nearest)
    place = np.concatenate([(pixels - CAMERA.centre) * depth / CAMERA.focal, depth], 1)
    return np.arctan2(values[:, 32:35], values[:, 35:38]), place


def _example():
    generator = torch.Generator().manual_seed(0)
    maps = 2 * torch.rand(39, 14, 14, generator=generator) - 1
    return maps, torch.tensor([[20.3, 71.6], [80.9, 33.2], [55.0, 100.4], [97.6, 12.1]])


def _sines(maps, pixels):
    cell = ((np.asarray(pixels) + 0.5) / 8 - 0.5).round().astype(int)
    return np.asarray(maps)[32:35, cell[:, 1], cell[:, 0]].T


def check_read(my_read) -> Verdict:
    maps, pixels = _example()
    found = my_read(maps.clone(), pixels.clone())
    if not (isinstance(found, (list, tuple)) or getattr(found, "ndim", 0) == 3) or len(found) != 2:
        return wrong("return two things: the angles and the places.")
    angles, places = numbers(found[0], (4, 3), "the angles"), numbers(found[1], (4, 3), "the places")
    expected, where = read_cells(maps, pixels)
    turns = (angles - expected) / (2 * np.pi)
    if close(turns, turns.round(), 1e-4):  # an angle from 0 to 2 pi is as good as one from -pi to pi
        angles = expected
    swapped, _ = read_cells(maps.transpose(1, 2), pixels)
    for value, hint in (
        (swapped, "row and column are exchanged: maps[:, row, column], and y is the row."),
        (np.pi / 2 - expected, "sine and cosine are exchanged: channels 32 to 34 are the sines, 35 to 37 the cosines."),
        (np.remainder(np.pi / 2 - expected + np.pi, 2 * np.pi) - np.pi, "sine and cosine are exchanged: channels 32 to "
         "34 are the sines, 35 to 37 the cosines."),
        (np.degrees(expected), "the angles are in degrees: radians are asked for."),
        (where, "angles and places have changed places: the angles come first."),
        (np.arctan(np.tan(expected)), "sine over cosine alone cannot tell front from back: take atan2 of both."),
        (np.arcsin(_sines(maps, pixels)), "the sine alone knows half a turn: take atan2 of sine and cosine."),
    ):  # fmt: skip
        if close(angles, value, 1e-3) and not close(expected, value, 1e-3):
            return wrong(hint)
    if not close(angles, expected, 1e-3):
        return wrong("the angles are others: the cell of a pixel is round((pixel + 0.5) / 8 - 0.5), then atan2.")
    depth = where[:, 2:]
    raw = (2 * (depth - CAMERA.nearest) / (CAMERA.farthest - CAMERA.nearest)) - 1
    centred, flat = pixels.numpy() - CAMERA.centre, places[:, :2]
    if close(places[:, 2:], raw, 1e-2):
        return wrong("the depth is still between -1 and 1: -1 is the room's front, 2500 mm, and 1 its back, 5500 mm.")
    if close(places, where[:, [2, 0, 1]], 0.5):
        return wrong("the depth comes last: x, y and depth.")
    if not close(places[:, 2:], depth, 0.5):
        return wrong("the depth is another: 2500 + (value + 1) / 2 * 3000.")
    if close(flat, centred * CAMERA.focal / depth, 0.5):
        return wrong("that is the projection once more; the way back multiplies by the depth and divides by the focal.")
    if close(flat, pixels.numpy() * depth / CAMERA.focal, 0.5):
        return wrong("pixels are counted from the corner, the camera's axis goes through (55.5, 55.5): take it away.")
    if not close(flat, where[:, :2], 0.5):
        return wrong("x and y are others: (pixel - 55.5) * depth / 150.")
    return right("39 numbers and a place in the picture are a person: all that is left to do is Psi and a rotation.")


def check_support(my_support) -> Verdict:
    generator = torch.Generator().manual_seed(1)
    vectors = torch.randn(12, 2, generator=generator, dtype=torch.float64)
    start, end = torch.tensor([2.0, 3.0]).double(), torch.tensor([8.0, 11.0]).double()
    got = number(my_support(vectors.clone(), start, end), "the support")
    bone = (end - start).numpy()
    unit = bone / np.linalg.norm(bone)
    dots = vectors.numpy() @ unit
    if close(got, dots.mean()):
        back = number(my_support(vectors, end, start), "the support")
        if not close(back, -dots.mean()):
            return wrong("from end to start the support must be the opposite: do not take absolute values.")
        return right("1 where the field runs along the bone all the way, 0 across it or beside it, -1 against it.")
    usual = (
        (dots.sum(), "that is the sum: a long bone would win over a short one; take the mean."),
        ((vectors.numpy() @ bone).mean(), "the bone is not of length 1: divide it by its length."),
        ((vectors.numpy() @ bone).sum(), "the bone is not of length 1, and a mean is wanted."),
        (abs(dots).mean(), "do not take absolute values: against the bone counts against it."),
        (np.linalg.norm(vectors.numpy(), axis=1).mean(), "that is how strong the field is, whichever way it points."),
        (dots.mean() / 2, "that is the mean of 2 N products: add those of x and y of a point first."),
        (
            (dots / np.linalg.norm(vectors.numpy(), axis=1)).mean(),
            "you made the field's vectors 1 long: where the field is weak it must count less.",
        ),
        (-dots.mean(), "the bone runs from start to end, end - start."),
    )
    for value, hint in usual:
        if close(got, value):
            return wrong(hint)
    return wrong("unit = (end - start) / |end - start|; then the mean over the samples of vector · unit.")


def check_distillation(my_loss) -> Verdict:
    generator = torch.Generator().manual_seed(2)
    student = torch.rand(2, 15, 2, generator=generator, dtype=torch.float64) * 50
    teacher = student + torch.randn(2, 15, 2, generator=generator, dtype=torch.float64)
    whole = number(my_loss(student.clone(), teacher.clone()), "the loss")
    off = (student - teacher).abs()
    if close(whole, off.square().mean()) or close(whole, off.square().mean().sqrt()):
        return wrong("the paper's |.| is the absolute value: squares let the teacher's worst guesses rule.")
    if close(whole, off.sum()):
        return wrong("that is the sum: take the mean.")
    if close(whole, (student - teacher).norm(dim=-1).mean()):
        return wrong("that is the mean distance of joints; |.| takes the differences in x and y apart.")
    if not close(whole, off.mean()):
        return wrong("with all joints known it is the mean of |student - teacher| over all numbers.")
    teacher[0, 3:9] = torch.nan
    teacher[1, 2] = torch.nan
    known = ~teacher.isnan()
    free = student.clone().requires_grad_()
    loss = my_loss(free, teacher.clone())
    got = number(loss.detach() if hasattr(loss, "detach") else loss, "the loss")
    expected = float(off[known].mean())
    if np.isnan(got):
        return wrong("NaN: the teacher's missing joints got into the mean. Leave them out before you average.")
    if close(got, float(off[known].sum() / off.numel())):
        return wrong("missing joints count as if the student were right: divide by the number of known ones.")
    zeros = (student - teacher.nan_to_num(0)).abs().mean()
    if close(got, float(zeros)):
        return wrong("missing joints are taken for (0, 0), the picture's corner: leave them out.")
    if not close(got, expected):
        return wrong("of the joints that the teacher found, the mean of |student - teacher|.")
    if not hasattr(loss, "backward") or not loss.requires_grad:
        return wrong("the value is right, and it has no gradient: stay in torch, nobody can learn from a plain number.")
    loss.backward()
    if free.grad is None or not bool(free.grad.isfinite().all()):
        return wrong("the value is right and its gradient NaN: 0 times NaN is NaN. Select first, then subtract.")
    return right("the student is asked only where its teacher has an answer; for the rest it must use what a body is.")


def check_mirror(my_mirror) -> Verdict:
    generator = torch.Generator().manual_seed(3)
    pose = torch.rand(15, 2, generator=generator, dtype=torch.float64) * 111
    given = pose.clone()
    got = numbers(my_mirror(given, 112, list(OTHER_SIDE)), (15, 2), "the mirrored pose")
    moved = pose.numpy() * [-1, 1] + [111, 0]
    if close(got, moved[OTHER_SIDE]):
        wider = numbers(my_mirror(pose.clone(), 200, list(OTHER_SIDE)), (15, 2), "the mirrored pose")
        if not close(wider, (moved + [88, 0])[OTHER_SIDE]):
            return wrong("right for a picture of 112 pixels, and wrong for one of 200: use `width`.")
        if not close(given, pose):
            return wrong("the answer is right, but `pose` itself has changed: work on `pose.clone()`.")
        return right("x is mirrored and the sides trade names: what is on the right of the mirror is somebody's left.")
    usual = (
        (moved, "the sides keep their names: in a mirror the left hand becomes a right one."),
        (pose.numpy()[OTHER_SIDE], "the sides trade names and nothing moves: mirror x as well."),
        ((pose.numpy() * [-1, 1] + [112, 0])[OTHER_SIDE], "off by one pixel: with centres from 0 to 111 the mirror of "
         "0 is 111."),
        ((pose.numpy() * [-1, 1])[OTHER_SIDE], "x is negative now, outside of the picture: 111 - x."),
        ((pose.numpy() * [1, -1] + [0, 111])[OTHER_SIDE], "that is upside down: mirror x, not y."),
        ((111 - pose.numpy())[OTHER_SIDE], "y is mirrored as well: a mirror leaves heads above feet."),
    )  # fmt: skip
    for value, hint in usual:
        if close(got, value):
            return wrong(hint)
    return wrong("x -> 111 - x for every joint, then the rows in the order of `other_side`.")


GAINS = {"recon": "L_recon", "adapt": "L_adapt", "ss": "L_ss"}


def check_guess(answer) -> Verdict:
    """Which added loss gains most: the stored results decide, the guess is accepted."""
    from napa_lib.study.lessons.lesson_06.tables import gains

    if isinstance(answer, str) and answer.strip().lower() in ("distl", "l_distl"):
        return wrong("L_distl is where all of them begin: choose among those that are added.")
    if not isinstance(answer, str) or answer.strip().lower().removeprefix("l_") not in GAINS:
        return wrong("answer with one of three words: 'recon', 'adapt' or 'ss'.")
    guess = answer.strip().lower().removeprefix("l_")
    found = gains()
    best = max(found, key=lambda name: found[name].mean)
    words = ", ".join(f"{GAINS[name]} {value.mean:+.1f}" for name, value in found.items())
    said = "As you said" if guess == best else f"You said {GAINS[guess]}"
    return right(f"committed. {said}: in points of 3DPCK, {words}. The next cell has the intervals.")


def check_hide(answer) -> Verdict:
    """Two pelvises that the maps cannot hold both."""
    where = numbers(answer, (2, 3), "two people as x, y in pixels and depth in mm")
    pixels, depth = torch.tensor(where[:, :2]).float(), torch.tensor(where[:, 2]).float()
    if not bool(((pixels > -0.5) & (pixels < 111.5)).all()):
        return wrong("both pelvises must lie in the picture, from 0 to 111 pixels.")
    if not bool(((depth >= CAMERA.nearest) & (depth <= CAMERA.farthest)).all()):
        return wrong("both must stand in the room: depths from 2500 to 5500 mm.")
    roots = CAMERA.unproject(pixels, depth)
    apart = float((roots[0] - roots[1]).norm())
    if apart < 500:
        return wrong(f"they stand {apart:.0f} mm apart, in one another: make it at least half a metre.")
    scene = two_people(roots)
    back = decode_scene(encode_scene(scene, CAMERA), CAMERA, pixels[None])
    lost = (back.embeddings[0] - scene.embeddings[0]).abs().amax(-1) > 0.5
    if not bool(lost.any()):
        return wrong("both come back: their pelvises lie in two cells. A cell is 8 pixels wide and high.")
    who = "first" if lost[0] else "second"
    return right(
        f"{apart / 1000:.1f} m apart, and the {who} comes back as the other: a cell has room for one, the nearer."
    )


def two_people(roots: torch.Tensor) -> Scene:
    """Two people, one all -0.9 and one all 0.9, at places (2, 3) mm."""
    embeddings = torch.tensor([-0.9, 0.9])[:, None].expand(2, 32)
    return Scene(embeddings[None], torch.zeros(1, 2, 3), roots[None], torch.ones(1, 2).bool())
