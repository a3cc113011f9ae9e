"""Lesson 03: checks of the two exercises that are the method itself, the forward pass and its training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from napa_lib.engine import seed_everything
from napa_lib.rendering import render_skeleton
from napa_lib.study.exercises import Verdict, Wrong, close, numbers, right, wrong

SIZE, RATE = 16, 0.01
EDGES = ((0, 1), (1, 2))  # of three joints
Batch = tuple[Tensor, Tensor, Tensor]  # x, x', drawings of unpaired poses


class ToyGenerator(nn.Module):
    """A Psi of one convolution; it says so where its arguments change places."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 3, 3, padding=1)

    def forward(self, seen: Tensor, style: Tensor) -> Tensor:
        if seen.ndim == 3:
            raise ValueError("psi was given keypoints: beta has to draw them first")
        if seen.shape[1] != 1 or style.shape[1] != 3:
            raise ValueError(f"psi takes a skeleton image, then a frame; got {tuple(seen.shape)}, {tuple(style.shape)}")
        return self.conv(torch.cat([seen, style], 1)).sigmoid()


@dataclass(frozen=True)
class Toys:
    """Small networks of every kind that the lesson names, always with the same weights at first."""

    phi: nn.Module
    eta: nn.Module
    psi: nn.Module
    critic: nn.Module

    def beta(self, p: Tensor) -> Tensor:
        """Eq. 1 for three joints, (B, 1, 16, 16)."""
        return render_skeleton(p, EDGES, SIZE, gamma=8.0)

    def forward(self, x: Tensor, x_prime: Tensor) -> tuple[Tensor, Tensor]:
        """Eq. 4: y and the frame drawn again."""
        y = self.phi(x)
        return y, self.psi(self.beta(self.eta(y)), x_prime)

    def weights(self, name: str) -> Tensor:
        """All weights of one network in a row."""
        return torch.cat([p.detach().flatten() for p in getattr(self, name).parameters()])


def toys() -> Toys:
    """The toy networks as they are before anybody trains them."""
    with torch.random.fork_rng(devices=[]):
        seed_everything(3)
        phi = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 1, 3, padding=1))
        eta = nn.Sequential(nn.Flatten(), nn.Linear(SIZE * SIZE, 6), nn.Tanh(), nn.Unflatten(1, (3, 2)))
        critic = nn.Sequential(nn.Conv2d(1, 4, 4, 3), nn.Tanh(), nn.Conv2d(4, 1, 1))
        return Toys(phi, eta, ToyGenerator(), critic)


def batches(count: int = 3) -> list[Batch]:
    """Some batches of two frames each, with drawings of poses."""
    draw = torch.Generator().manual_seed(5)
    frames = torch.rand(count, 2, 2, 3, SIZE, SIZE, generator=draw)
    poses = torch.rand(count, 2, 3, 2, generator=draw) * 1.6 - 0.8
    return [(x, other, render_skeleton(p, EDGES, SIZE, 8.0)) for (x, other), p in zip(frames, poses, strict=True)]


def check_forward(my_forward: Callable[..., Sequence[Tensor]]) -> Verdict:
    one, (x, other, _) = toys(), batches(1)[0]
    got = my_forward(one.phi, one.eta, one.beta, one.psi, x.clone(), other.clone())
    if not isinstance(got, (tuple, list)) or len(got) != 2:
        return wrong("return two pictures: y, then the frame drawn again.")
    with torch.no_grad():
        y, again = one.forward(x, other)
        clean = one.beta(one.eta(y))
        usual = (
            (one.psi(y, other), "Ψ is given y itself. That is eq. 3, and the hole is open: it has to be drawn anew "
             "from the keypoints, β(η(y))."),
            (one.psi(clean, x), "Ψ is given x, the very picture that it has to draw: it could copy it, and the pose "
             "would not matter. The looks come from x′."),
            (one.forward(other, other)[1], "the pose must be that of x: Φ reads x, and x′ is for Ψ alone."),
            (one.forward(other, x)[1], "x and x′ have changed places: the pose comes from x, the looks from x′."),
            (one.psi(one.beta(one.eta(one.beta(one.eta(y)))), other), "drawn and read once too often: y, keypoints, "
             "drawing, and then Ψ."),
        )  # fmt: skip
    if _same(got[0], again) and _same(got[1], y):
        return wrong("the other way round: first y, then the frame drawn again.")
    for value, hint in usual:
        if _same(got[1], value):
            return wrong(hint)
    if not _same(got[1], again):
        return wrong("follow the chain x → Φ → y → η → p → β → y* → Ψ; x′ goes into Ψ, beside y*.")
    if _same(got[0], clean):
        return wrong("the critic has to judge y, as Φ drew it. y* is a drawing whatever Φ does, so nobody would teach "
                     "Φ to draw.")  # fmt: skip
    if not _same(got[0], y):
        return wrong("the first of the two has to be y = Φ(x), of shape (B, 1, H, W).")
    return _gradient_arrives(one, got)


def _gradient_arrives(one: Toys, got: Sequence[Tensor]) -> Verdict:
    """Whether what the reconstruction and the critic say comes through to Phi."""
    for value, what in zip(got, ("y", "the frame drawn again"), strict=True):
        for p in one.phi.parameters():
            p.grad = None
        if isinstance(value, Tensor) and value.requires_grad:
            value.square().sum().backward(retain_graph=True)
        if all(p.grad is None or not p.grad.any() for p in one.phi.parameters()):
            return wrong(f"the numbers are right, but no gradient gets from {what} back to Φ: it would learn nothing "
                         "from it. A frozen η keeps its weights; what flows through it must not be cut off (no "
                         "`detach`, no `no_grad`).")  # fmt: skip
    return right("everything that Ψ learns of x passes through the keypoints, and its gradient comes back the same "
                 "way.")  # fmt: skip


def _same(value: object, expected: Tensor) -> bool:
    try:
        return close(value, expected.numpy(), 1e-5)
    except Wrong:
        return False


SLIPS = {
    "not emptied": "Φ's and Ψ's gradients pile up: `backward` adds to what is there. `adam.zero_grad()` each time.",
    "the critic keeps": "the forger's `backward` leaves a gradient in the critic, too. Empty the critic's right before "
    "its own `backward`, or it helps the forger.",
    "the critic piles": "the critic's gradients are never emptied: its own of the last batch and what the forger's "
    "`backward` leaves in it pile up. `zero_grad()` right before its own `backward`.",
    "swapped frames": "x and x′ have changed places in `forward`.",
    "plain descent": "those are plain gradient steps; `torch.optim.Adam` was asked for.",
    "no detach": "the critic's loss pulls at Φ, too, and against the forger's: without `y.detach()` its gradient goes "
    "on into Φ and is added to what Φ steps along.",
    "aims for 0": "your forger wants the score 0, as the critic wants it: nobody is fooled. It is (1 - critic(y))².",
    "labels": "the critic's labels are swapped: 1 for real drawings, 0 for y.",
    "anew": "a new Adam for each batch forgets its running means: make both before the loop.",
    "reconstruction alone": "no critic tells Φ what a drawing looks like: the forger's loss is missing.",
    "forger alone": "the reconstruction is missing: any drawing would do, whoever is in the frame.",
    "the other frame": "the frame drawn again is compared with x′. It has to be x.",
    "critic joins": "the critic's weights are in the forgers' Adam, too: it learns to be fooled.",
    "y anew": "the critic judges a new y, which Φ drew after its step. One `forward` a batch: the critic gets that y, "
    "detached.",
    "first batch": "you stop after the first batch.",
    "half": "your reconstruction's loss counts only half, or the forger's twice: both have the weight 1.",
}


def train_toys(one: Toys, rounds: Sequence[Batch], slip: str = "", critic_first: bool = False) -> list[float]:
    """Train the toys as the solution does, or with one of `SLIPS`; the reconstruction's loss of each batch."""
    generators = [*one.phi.parameters(), *one.psi.parameters()]
    generators += list(one.critic.parameters()) if slip == "critic joins" else []
    descent = torch.optim.SGD if slip == "plain descent" else torch.optim.Adam
    adam, judge = (descent(p, lr=RATE) for p in (generators, one.critic.parameters()))
    found = []
    for x, other, real in rounds[:1] if slip == "first batch" else rounds:
        if slip == "anew":
            adam, judge = (torch.optim.Adam(p, lr=RATE) for p in (generators, one.critic.parameters()))
        y, again = one.forward(*((other, x) if slip == "swapped frames" else (x, other)))
        if critic_first and slip != "no detach":
            _critic_step(one, judge, real, y, slip)
        score = one.critic(y)
        drawn = (again - (other if slip == "the other frame" else x)).square().mean()
        fooled = (score if slip == "aims for 0" else 1 - score).square().mean()
        weights = {"reconstruction alone": (1, 0), "forger alone": (0, 1), "half": (0.5, 1)}.get(slip, (1, 1))
        if slip != "not emptied":
            adam.zero_grad()
        if slip != "the critic piles":
            judge.zero_grad()
        (weights[0] * drawn + weights[1] * fooled).backward()
        if slip == "no detach":
            _critic_step(one, judge, real, one.phi(x), slip)
        adam.step()
        if slip != "no detach" and not critic_first:
            _critic_step(one, judge, real, one.phi(x) if slip == "y anew" else y, slip)
        found.append(drawn.item())
    return found


def _critic_step(one: Toys, judge: torch.optim.Optimizer, real: Tensor, y: Tensor, slip: str) -> None:
    scores = one.critic(real), one.critic(y if slip == "no detach" else y.detach())
    good, bad = scores[::-1] if slip == "labels" else scores
    if slip not in ("the critic keeps", "the critic piles"):
        judge.zero_grad()
    ((1 - good).square().mean() + bad.square().mean()).backward()
    judge.step()


def check_training(my_training: Callable[..., Sequence[float]]) -> Verdict:
    mine, rounds = toys(), batches()
    try:
        losses = my_training(mine.phi, mine.eta, mine.psi, mine.critic, mine.forward, rounds)
    except Wrong as error:
        if "second time" in str(error) or "inplace operation" in str(error):
            return wrong("the critic's loss went back through Φ, whose graph is used up: hand the critic "
                         "`y.detach()`, the same picture without its past.")  # fmt: skip
        raise
    begin = toys()
    if not torch.equal(mine.weights("eta"), begin.weights("eta")):
        return wrong("η has moved. Unfrozen, it agrees with Φ on a code of their own, and the keypoints are no "
                     "keypoints any more: leave its weights out of Adam.")  # fmt: skip
    for critic_first in (False, True):
        reference = toys()
        wanted = train_toys(reference, rounds, critic_first=critic_first)
        if _moved_alike(mine, reference):
            return _last_words(mine, reference, losses, wanted)
        for slip, hint in SLIPS.items():
            slipped = toys()
            train_toys(slipped, rounds, slip, critic_first)
            if _moved_alike(mine, slipped):
                return wrong(hint)
    for name, symbol in (("psi", "Ψ"), ("critic", "the critic"), ("phi", "Φ")):
        if torch.equal(mine.weights(name), begin.weights(name)):
            return wrong(f"{symbol} has not moved: its weights are in no Adam, or that Adam makes no step.")
    return wrong("all three have moved, but not as they should. Each batch: y and x̂ from `forward`; a step of Φ and "
                 f"Ψ on the sum of both losses; a step of the critic on its own. Both Adams have the rate "
                 f"{RATE}.")  # fmt: skip


def _last_words(mine: Toys, reference: Toys, losses: object, wanted: list[float]) -> Verdict:
    """The weights are right; whether nothing of the critic's loss is left in Phi, and what was returned."""
    pairs = zip(mine.phi.parameters(), reference.phi.parameters(), strict=True)
    if any(p.grad is not None and p.grad.any() and not _same(p.grad, q.grad) for p, q in pairs if q.grad is not None):
        return wrong("the weights are right, but the critic's loss has also left a gradient in Φ, which the next step "
                     "throws away: half of the work is for nothing. `y.detach()` stops it.")  # fmt: skip
    got = numbers(losses, (len(wanted),), "the list of the reconstruction's losses")
    if not close(got, wanted, 1e-4):
        return wrong("the networks are trained as they should be; return the reconstruction's loss of each batch, "
                     f"here {', '.join(f'{value:.4f}' for value in wanted)}.")  # fmt: skip
    return right("Φ and Ψ against the critic, η as it was: this is KeypointGAN's training.")


def _moved_alike(one: Toys, other: Toys) -> bool:
    return all(_same(one.weights(name), other.weights(name)) for name in ("phi", "psi", "critic"))
