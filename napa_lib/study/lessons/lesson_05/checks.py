"""Lesson 05: what is right, what is wrong and why."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from napa_lib.sampling import JOINT_LIMITS, SKELETON, direction_of, join_local, limbs_allowed, sample_canonical
from napa_lib.sampling.limits import JointLimits
from napa_lib.study.exercises import Verdict, close, number, numbers, right, wrong


def check_direction(my_direction) -> Verdict:
    rng = np.random.default_rng(0)
    theta, gamma = rng.uniform(-180, 180, 40), rng.uniform(0, 180, 40)
    theta[0], gamma[0] = 180.0, 90.0
    got = numbers(my_direction(torch.tensor(theta), torch.tensor(gamma)), (40, 3), "the directions")
    t, g = np.radians(theta), np.radians(gamma)
    x, y, z = -np.sin(g) * np.sin(t), np.sin(g) * np.cos(t), np.cos(g)
    if close(got, np.stack([x, y, z], 1)):
        return right("gamma tips the bone out of its parent's line, theta says to which side.")
    st, ct, sg, cg = np.sin(theta), np.cos(theta), np.sin(gamma), np.cos(gamma)
    h = np.radians(90) - g
    usual = (
        (np.stack([-sg * st, sg * ct, cg], 1), "the angles are in degrees, sin and cos want radians."),
        (np.stack([np.sin(g) * np.cos(t), np.sin(g) * np.sin(t), z], 1), "your theta starts at x: here 0 is the y "
         "axis, the person's left, and 90 is -x, the back."),
        (np.stack([-x, y, z], 1), "theta runs the wrong way round: 90 degrees is the back, -x."),
        (np.stack([-np.sin(h) * np.sin(t), np.sin(h) * np.cos(t), np.cos(h)], 1), "your gamma is counted from the "
         "equator: 0 is straight on, along z."),
        (np.stack([-np.sin(t), np.cos(t), z], 1), "not of length 1: x and y shrink with sin(gamma)."),
        (np.stack([x, y, -z], 1), "gamma = 0 goes straight on, +z; yours folds back."),
        (np.stack([-np.sin(t) * np.sin(g), np.sin(t) * np.cos(g), np.cos(t)], 1), "theta and gamma have changed "
         "places: gamma tips the bone away from z."),
    )  # fmt: skip
    for value, hint in usual:
        if close(got, value):
            return wrong(hint)
    return wrong("z is cos(gamma); the rest, sin(gamma), is shared between y (theta = 0) and -x (theta = 90).")


def _frame(parent):
    z = parent / np.linalg.norm(parent, axis=1, keepdims=True)
    x = np.array([1.0, 0, 0]) - z[:, :1] * z
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    return x, np.cross(z, x), z


def _frame_of_all(parent):
    """Axes of somebody who divides all parents by one length."""
    z = parent / np.linalg.norm(parent)
    x = np.array([1.0, 0, 0]) - z[:, :1] * z
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    return x, np.cross(z, x), z


def _project(bone, axes):
    return np.stack([(bone * axis).sum(1) for axis in axes], 1)


def check_local(my_local) -> Verdict:
    rng = np.random.default_rng(1)
    parent, bone = rng.normal(size=(2, 30, 3)) * 300
    got = numbers(my_local(torch.tensor(parent), torch.tensor(bone)), (30, 3), "the local vectors")
    x, y, z = _frame(parent)
    if close(got, _project(bone, (x, y, z)), 1e-3):
        return right("the same vector, written in axes that the parent bone carries along.")
    e = np.broadcast_to([1.0, 0, 0], bone.shape)
    raw = e - z[:, :1] * z
    one_length = raw / np.linalg.norm(raw)
    far = e - parent[:, :1] * parent
    far = far / np.linalg.norm(far, axis=1, keepdims=True)
    stacked = np.stack([x, y, z], 2)
    usual = (
        (_project(bone, (e, np.cross(z, e), z)), "x is not orthogonal to z: take away the part of (1, 0, 0) that lies "
         "along z."),
        (_project(bone, (raw, np.cross(z, raw), z)), "x is orthogonal to z but not of length 1."),
        (_project(bone, (one_length, np.cross(z, one_length), z)), "you divided all x axes by one length: take each "
         "row's own, `norm(dim=1, keepdim=True)`."),
        (_project(bone, (far, np.cross(z, far), z)), "not orthogonal yet: what lies along z takes its share from "
         "z, of length 1, not from the parent bone."),
        (_project(bone, (x, -y, z)), "y points the other way: y = z cross x, a right-handed frame."),
        (np.einsum("nij,nj->ni", stacked, bone), "that is the way back, from local to canonical: take dot products "
         "with the axes."),
        (_project(bone, _frame(parent)[:2] + (parent,)), "z is not of length 1: divide the parent bone by its length."),
        (_project(bone, _frame(bone)), "those are the axes of the bone itself: z runs along its parent."),
        (_project(bone, (z, x, y)), "the axes are right and in another order: first x, then y, then z."),
        (_project(bone, _frame_of_all(parent)), "you divided all parents by one length: take that of each row, "
         "`norm(dim=1)`."),
        (_project(bone, (x, y, z)) / np.linalg.norm(bone, axis=1, keepdims=True), "you divided by the bone's length: "
         "keep it here."),
    )  # fmt: skip
    for value, hint in usual:
        if close(got, value, 1e-3):
            return wrong(hint)
    return wrong("z = parent / |parent|; x = (1, 0, 0) - z1 z, normalised; y = z cross x; then three dot products.")


def check_chain(my_chain) -> Verdict:
    generator = torch.Generator().manual_seed(2)
    local = torch.randn(5, 3, generator=generator, dtype=torch.float64)
    local = local / local.norm(dim=1, keepdim=True)
    lengths = torch.tensor([180.0, 270.0, 250.0, 90.0, 60.0], dtype=torch.float64)
    got = numbers(my_chain(local.clone(), lengths.clone()), (5, 3), "the joints")
    expected = _walk(local.numpy(), lengths.numpy())
    if close(got, expected, 1e-2):
        return right("each bone takes its frame from the one before it, and starts where that one ended.")
    usual = (
        (np.cumsum(local.numpy() * lengths.numpy()[:, None], 0), "you added the local vectors up in the trunk's frame: "
         "each has the frame of the bone just placed."),
        (_walk(local.numpy(), np.ones(5)), "all bones have length 1: multiply by the lengths."),
        (_walk(local.numpy(), lengths.numpy(), add=False), "those are the bones, not the joints: each starts where the "
         "last one ended."),
        (_walk(local.numpy(), lengths.numpy(), transpose=True), "the frame is used the wrong way round: the local "
         "vector holds how much of x, of y and of z to take."),
        (np.concatenate([np.zeros((1, 3)), expected[:-1]]), "that is where each bone starts; the joint is its end."),
    )  # fmt: skip
    for value, hint in usual:
        if close(got, value, 1e-2):
            return wrong(hint)
    if close(got, np.broadcast_to(expected[-1], got.shape), 1e-2):
        return wrong(
            "all joints are one: `joint += bone` changes what was appended before. Write joint = joint + bone."
        )
    return wrong("bone = l1 x + l2 y + l3 z with the axes of the bone before; joint = joint before + length * bone.")


def _walk(local, lengths, add=True, transpose=False):
    bone, joint, out = np.array([[0.0, 0, 1]]), np.zeros((1, 3)), []
    for direction, length in zip(local, lengths, strict=True):
        axes = np.stack(_frame(bone))[:, 0]  # rows x, y, z
        vector = length * (axes @ direction if transpose else direction @ axes)
        joint = joint + vector if add else vector[None]
        bone = vector[None]
        out.append(joint[0])
    return np.array(out)


def check_sample(my_angles) -> Verdict:
    for limits in (JointLimits(120, 240, 30, 90), JointLimits(150, 220, 40, 70)):
        verdict = _judge_draw(my_angles, limits, 4000)
        if verdict is not None:
            return verdict
    return right("every bone on its own, uniform in its range: that is all of the paper's sampling.")


def _judge_draw(my_angles, limits: JointLimits, n: int) -> Verdict | None:
    """What is wrong with n draws from some limits across 180 degrees; None if nothing is."""
    draw = np.array([np.asarray(part, dtype=float) for part in my_angles(limits, n)])
    theta, gamma = numbers(draw, (2, n), "theta and gamma, stacked,")
    turned = theta % 360
    if not (np.isfinite(theta).all() and np.isfinite(gamma).all()):
        return wrong("some angles are not finite.")
    low, high = limits.theta1, limits.theta2
    if gamma.min() < limits.gamma1 - 1e-3 or gamma.max() > limits.gamma2 + 1e-3:
        return wrong("gamma leaves its range: gamma1 + (gamma2 - gamma1) * u with u from 0 to 1.")
    if turned.min() < low - 1e-3 or turned.max() > high + 1e-3:
        if ((theta >= high - 360) & (theta <= low)).mean() > 0.9:
            return wrong(
                f"you took the other arc, from {high - 360} to {low}: this range runs across 180, from {low} to {high}."
            )
        return wrong("theta leaves its range: theta1 + (theta2 - theta1) * u with u from 0 to 1.")
    for values in (theta, gamma):
        if np.unique(values).size == 1:
            return wrong("all poses have the same angles: draw n numbers, not one.")
        if np.unique(values).size < n / 2:
            return wrong("some angles come up again and again: whole degrees are too coarse, draw real numbers.")
        if abs(np.corrcoef(values, np.arange(n))[0, 1]) > 0.9:
            return wrong("the angles are in order: evenly spaced numbers are no draw.")
    if abs(np.corrcoef(turned, gamma)[0, 1]) > 0.9:
        return wrong("theta and gamma move together: each needs random numbers of its own.")
    for values, start, end in ((turned, low, high), (gamma, limits.gamma1, limits.gamma2)):
        share = np.histogram(values, 4, (start, end))[0] / n
        if abs(share - 0.25).max() > 0.04:
            return wrong("the angles are not uniform in their range: some quarter of it gets too many.")
    return None


def check_guess(answer) -> Verdict:
    value = number(answer, "your guess")
    if not 0 <= value <= 100:
        return wrong("a share in per cent lies between 0 and 100.")
    if value < 1 and value != 0:
        return wrong("in per cent, please: a half is 50.")
    truth = 100 * float(limbs_allowed(_drawn()).all(-1).float().mean())
    words = f"you said {value:.0f} %, it is {truth:.1f} %"
    if abs(value - truth) <= 15:
        return right(f"well guessed: {words}. The next section shows why so few.")
    return right(f"committed: {words}. Surprised? The next section shows why.")


def _drawn():
    return sample_canonical(2000, generator=torch.Generator().manual_seed(0))


class _Tiny(nn.Module):
    """Phi and Psi of three numbers each, small enough to differentiate by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(3, 2, bias=False), nn.Linear(2, 3, bias=False)


def _gradients(step) -> dict[str, np.ndarray | None]:
    torch.manual_seed(0)
    model, critic = _Tiny().double(), nn.Linear(3, 1).double()
    generator = torch.Generator().manual_seed(1)
    poses = torch.randn(6, 3, generator=generator, dtype=torch.float64)
    prior = 2 * torch.rand(6, 2, generator=generator, dtype=torch.float64) - 1
    losses = step(model.encoder, model.decoder, critic, poses, prior)
    if not (isinstance(losses, (list, tuple)) or getattr(losses, "ndim", 0) == 1) or len(losses) != 2:
        return {}
    if not all(hasattr(loss, "backward") and loss.requires_grad for loss in losses):
        return {}
    found: dict[str, np.ndarray | None] = {
        "model loss": losses[0].detach().numpy(),
        "critic loss": losses[1].detach().numpy(),
    }
    for loss, name in zip(losses, ("model", "critic"), strict=True):
        model.zero_grad(set_to_none=True)
        critic.zero_grad(set_to_none=True)
        loss.backward(retain_graph=True)
        for part, network in (("Phi", model.encoder), ("Psi", model.decoder), ("D", critic)):
            gradient = network.weight.grad
            found[f"{name}: {part}"] = None if gradient is None else gradient.numpy().copy()
    return found


def reference_step(encoder, decoder, critic, poses, prior):
    """What exercise 05.7 asks for."""
    drawn = decoder(prior)
    cycle = (decoder(encoder(poses)) - poses).abs().mean() + (encoder(drawn) - prior).abs().mean()
    model_loss = cycle + (1 - critic(drawn)).square().mean()
    critic_loss = (1 - critic(poses)).square().mean() + critic(drawn.detach()).square().mean()
    return model_loss, critic_loss


_LOSSES = ("model loss", "critic loss")


def check_step(my_step) -> Verdict:
    got, expected = _gradients(my_step), _gradients(reference_step)
    if not got:
        return wrong("return two losses that can be differentiated: the model's and the critic's.")
    if all(_same(got[one], expected[other]) for one, other in (_LOSSES, _LOSSES[::-1])):
        return wrong("the two have changed places: the model's loss comes first.")
    touched = got["critic: Psi"]
    if touched is not None and np.abs(touched).max() > 1e-12:
        return wrong("the critic's loss changes the decoder, too: detach the drawn poses where the critic learns.")
    same = {name: _same(got[name], expected[name]) for name in expected}
    if same["model loss"] and same["model: Psi"] and same["model: Phi"] and same["critic loss"] and same["critic: D"]:
        return right("the cycle holds pose and embedding together, the critic fills the cube with poses.")
    for name, (alternative, hint) in _STEPS.items():
        other = _gradients(alternative)
        part = "critic" if name.startswith("critic") else "model"
        keys = [key for key in expected if key.startswith(part)]
        if all(_same(got[key], other[key]) for key in keys):
            return wrong(hint)
    if not same["model loss"] or not same["model: Psi"] or not same["model: Phi"]:
        return wrong(
            "the model's loss is |pose there and back| + |embedding there and back| + (1 - D(drawn))^2, means."
        )
    return wrong("the critic's loss is (1 - D(real))^2 + D(drawn)^2, two means.")


def _same(a, b) -> bool:
    if a is None or b is None:
        return a is None and b is None
    return a.shape == b.shape and bool(np.allclose(a, b, atol=1e-9))


def _variant(
    pose=1.0, embedding=1.0, sign=1, detached=False, swapped=False, squares=False, held=False, own=False, again=False,
    share=1.0,
):  # fmt: skip
    def step(encoder, decoder, critic, poses, prior):
        drawn = decoder(prior)
        power = torch.square if squares else torch.abs
        score = critic(drawn.detach() if detached else drawn)
        fooled = {1: (1 - score).square().mean(), -1: score.square().mean(), 0: 0.0}[sign]
        start = encoder(poses) if own else prior
        back = encoder(decoder(start) if own else drawn.detach() if held else drawn)
        cycle = pose * power(decoder(encoder(poses)) - poses).mean() + embedding * power(back - start).mean()
        real, fake = critic(poses), critic((decoder(encoder(poses)) if again else drawn).detach())
        real, fake = (fake, real) if swapped else (real, fake)
        return cycle + share * fooled, share * ((1 - real).square().mean() + fake.square().mean())

    return step


_STEPS = {
    "model: detached": (_variant(detached=True), "the decoder gets no gradient from the critic: detach only where the "
                        "critic learns, not where the decoder does."),
    "model: no pose": (_variant(pose=0.0), "the pose is not held: |Psi(Phi(pose)) - pose| is missing."),
    "model: no embedding": (_variant(embedding=0.0), "the embedding is not held: |Phi(Psi(prior)) - prior| is missing, "
                            "and parts of the cube may stay unused."),
    "model: sign": (_variant(sign=-1), "the decoder helps the critic: it wants its poses scored 1, not 0."),
    "model: silent": (_variant(sign=0), "the critic's word is missing in the model's loss: (1 - D(drawn))^2."),
    "model: halves": (_variant(share=0.5), "your game has a factor 1/2, as in some papers; this one has none."),
    "model: own": (_variant(own=True), "you start from the poses' own embeddings: take |Phi(Psi(prior)) - prior|, so "
                   "that all of the cube is held."),
    "model: squares": (_variant(squares=True), "L_cyc has absolute differences, yours are squared."),
    "model: held": (_variant(held=True), "the decoder hears nothing of the embedding there and back: in the model's "
                    "loss nothing is detached."),
    "critic: again": (_variant(again=True), "your critic is shown poses there and back: show it those decoded from the "
                      "prior."),
    "critic: swapped": (_variant(swapped=True), "the critic's labels are swapped: real poses are scored 1, drawn ones "
                        "0."),
}  # fmt: skip


def check_break(answer) -> Verdict:
    theta, gamma = numbers(answer, (2,), "the ankle's theta and gamma")
    limits = JOINT_LIMITS["r_ankle"]
    if not 0 <= gamma <= 180:
        return wrong("gamma is an elevation: it lies between 0 and 180 degrees.")
    direction = direction_of(torch.tensor(theta), torch.tensor(gamma))
    if not limits.contain(direction):
        return wrong(f"this ankle breaks its own limits, {limits}: stay inside them.")
    pose = standing((float(theta), float(gamma)))
    if limbs_allowed(pose)[0]:
        if gamma < 15:
            return wrong("the leg is nearly straight: bend it, gamma is the knee's bend.")
        return wrong("a body can do that: for a thigh that hangs down, theta = 90 is to the back. Which way does no "
                     "knee bend?")  # fmt: skip
    return right("inside the limits, and no knee can do it: limits of one joint do not know where the thigh points.")


def standing(ankle: tuple[float, float] = (90.0, 10.0)) -> torch.Tensor:
    """A person who stands, (17, 3) canonical in mm, whose right shank leaves the thigh as asked (degrees)."""
    angles = {
        "r_hip": (180, 90), "l_hip": (0, 90), "thorax": (0, 0), "neck": (-90, 25), "head": (90, 15), "nose": (-90, 135),
        "r_shoulder": (180, 90), "l_shoulder": (0, 90), "r_knee": (180, 88), "l_knee": (0, 88), "r_ankle": ankle,
        "l_ankle": (90, 5), "r_elbow": (180, 75), "l_elbow": (0, 75), "r_wrist": (-90, 20), "l_wrist": (-90, 20),
    }  # fmt: skip
    local = torch.zeros(SKELETON.num_joints, 3)
    for name, (theta, gamma) in angles.items():
        local[SKELETON.index(name)] = direction_of(torch.tensor(float(theta)), torch.tensor(float(gamma)))
    return join_local(local)
