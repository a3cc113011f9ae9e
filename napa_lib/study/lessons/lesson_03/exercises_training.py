"""Lesson 03: the two exercises that are the method itself, the forward pass and its training."""

from __future__ import annotations

from napa_lib.study.exercises import Exercise, WrongAnswer
from napa_lib.study.lessons.lesson_03 import checks_training as checks


def _wired(body: str) -> str:
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return f"def my_forward(phi, eta, beta, psi, x, x_prime):\n{lines}"


FORWARD = Exercise(
    id="03.7",
    title="Wire it",
    kind="code",
    difficulty=2,
    minutes=8,
    task="""
        Wire eq. 4. `phi`, `eta`, `beta` and `psi` are functions of tensors of float32: `phi` takes frames (B, 3, H, W)
        and gives skeleton images (B, 1, H, W), `eta` takes those and gives keypoints (B, K, 2), `beta` draws keypoints,
        and `psi(seen, style)` takes a skeleton image and a frame and gives a frame. `x` and `x_prime` are frames of the
        same people. Return two tensors: `y`, which the critic judges, and `x_hat`, the frame drawn again.
    """,
    stub="""
        def my_forward(phi, eta, beta, psi, x, x_prime):
            ...
            return None  # y (B, 1, H, W), x_hat (B, 3, H, W)
    """,
    answer="my_forward",
    hints=(
        "Read the diagram from left to right; each arrow is a call. What does the critic look at: the drawing by "
        "$\\Phi$ or the clean one?",
        "`y = phi(x)`; the clean drawing is `beta(eta(y))`; `psi` takes it and `x_prime`.",
    ),
    if_you_see="`psi takes a skeleton image, then a frame`: its two arguments have changed places.",
    solution=_wired("y = phi(x)\nseen = beta(eta(y))\nreturn y, psi(seen, x_prime)"),
    why="""
        `KeypointGAN.forward` is this. Take `beta(eta(·))` out and it is eq. 3, the conditional generator with the hole
        still open.
    """,
    check=checks.check_forward,
    other_answers=(
        _wired("return [phi(x), psi(style=x_prime, seen=beta(eta(phi(x))))]"),
        _wired("skeleton = phi(x)\nkeypoints = eta(skeleton)\ndrawn = psi(beta(keypoints), x_prime)\n"
               "return (skeleton, drawn)"),
    ),
    wrong_answers=(
        WrongAnswer("no bottleneck", _wired("y = phi(x)\nreturn y, psi(y, x_prime)"), "That is eq. 3"),
        WrongAnswer("x to copy", _wired("y = phi(x)\nreturn y, psi(beta(eta(y)), x)"), "it could copy it"),
        WrongAnswer("the other's pose", _wired("y = phi(x_prime)\nreturn y, psi(beta(eta(y)), x_prime)"),
                    "Φ reads x, and x′ is for Ψ alone"),
        WrongAnswer("frames swapped", _wired("y = phi(x_prime)\nreturn y, psi(beta(eta(y)), x)"),
                    "x and x′ have changed places"),
        WrongAnswer("cleaned twice", _wired("y = phi(x)\nz = beta(eta(y))\nreturn y, psi(beta(eta(z)), x_prime)"),
                    "once too often"),
        WrongAnswer("the clean one judged", _wired("z = beta(eta(phi(x)))\nreturn z, psi(z, x_prime)"),
                    "the critic has to judge y"),
        WrongAnswer("keypoints judged", _wired("y = phi(x)\np = eta(y)\nreturn p, psi(beta(p), x_prime)"),
                    "the first of the two has to be"),
        WrongAnswer("no way back", _wired("y = phi(x)\nwith torch.no_grad():\n    p = eta(y)\n"
                                          "return y, psi(beta(p), x_prime)"), "no gradient gets from the frame"),
        WrongAnswer("y cut off", _wired("y = phi(x)\nreturn y.detach(), psi(beta(eta(y)), x_prime)"),
                    "no gradient gets from y"),
        WrongAnswer("order", _wired("y = phi(x)\nreturn psi(beta(eta(y)), x_prime), y"), "the other way round"),
        WrongAnswer("the frame alone", _wired("return psi(beta(eta(phi(x))), x_prime)"), "return two pictures"),
        WrongAnswer("psi's arguments", _wired("y = phi(x)\nreturn y, psi(x_prime, beta(eta(y)))"),
                    "psi takes a skeleton image, then a frame"),
        WrongAnswer("half a chain", _wired("y = phi(x)\nreturn y, x"), "follow the chain"),
    ),
)  # fmt: skip

_LOOP = """
def my_training(phi, eta, psi, critic, forward, batches):
    adam = torch.optim.Adam([*phi.parameters(), *psi.parameters()], lr=0.01)
    adam_critic = torch.optim.Adam(critic.parameters(), lr=0.01)
    losses = []
    for x, x_prime, real in batches:
        y, x_hat = forward(x, x_prime)
        drawn, fooled = (x_hat - x).square().mean(), (1 - critic(y)).square().mean()
        adam.zero_grad()
        (drawn + fooled).backward()
        adam.step()
        judged = (1 - critic(real)).square().mean() + critic(y.detach()).square().mean()
        adam_critic.zero_grad()
        judged.backward()
        adam_critic.step()
        losses.append(drawn.item())
    return losses
"""


def _trained(*changes: tuple[str, str]) -> str:
    """The loop with some of its lines written otherwise."""
    code = _LOOP
    for old, new in changes:
        if old not in code:
            raise ValueError(f"changes must name parts of the solution, got {old!r}")
        code = code.replace(old, new)
    return code


def _slip(name: str, old: str, new: str, hint: str) -> WrongAnswer:
    return WrongAnswer(name, _trained((old, new)), hint)


TRAINING = Exercise(
    id="03.8",
    title="One training step, and the next",
    kind="code",
    difficulty=3,
    minutes=15,
    task="""
        Write the training. `phi`, `eta`, `psi` and `critic` are `torch.nn.Module`s. `forward(x, x_prime)` is exercise
        03.7, wired from them: it gives `y` and `x_hat`. `batches` is a list of three tensors of float32 each: `x`,
        `x_prime`, and `real`, drawings of unpaired poses. For every batch in turn:

        1. $\\Phi$ and $\\Psi$ take a step of `torch.optim.Adam` at the rate 0.01 down the mean of $(\\hat x - x)^2$
           plus the forger's loss of exercise 03.4 on `critic(y)`;
        2. the critic takes a step of an Adam of its own, at the same rate, down its loss of exercise 03.4.

        $\\eta$ stays as it is. Return a list of numbers: the mean of $(\\hat x - x)^2$ of each batch, before its step.
    """,
    stub="""
        def my_training(phi, eta, psi, critic, forward, batches):
            losses = []
            ...
            return None  # losses, a number a batch
    """,
    answer="my_training",
    hints=(
        "Who learns is decided by the parameters that an Adam is given: `[*phi.parameters(), *psi.parameters()]` for "
        "one, `critic.parameters()` for the other. Both live longer than a batch.",
        "The critic's loss must end at the picture: `critic(y.detach())`. Empty each Adam's gradients right before the "
        "`backward` that belongs to it.",
    ),
    if_you_see="""
        `Trying to backward through the graph a second time`: the first `backward` has used up the graph behind `y`,
        and the critic's loss goes there again. It has no business there: `y.detach()`.
    """,
    solution=_LOOP,
    why="""
        `bottleneck.ladder.adversarial_step` is this step with VGG-19's features in the place of the squared
        difference, the gradient's length limited, and, on lower rungs, the second cycle.
    """,
    check=checks.check_training,
    other_answers=(
        """
        def my_training(phi, eta, psi, critic, forward, batches):
            mse = torch.nn.functional.mse_loss
            for p in eta.parameters():
                p.requires_grad_(False)
            forgers = torch.optim.Adam(list(phi.parameters()) + list(psi.parameters()), lr=0.01)
            judge = torch.optim.Adam(critic.parameters(), lr=0.01)
            found = []
            for x, x_prime, real in batches:
                y, x_hat = forward(x, x_prime)
                fake = y.detach()
                judge.zero_grad()
                one, zero = critic(real), critic(fake)
                (mse(one, torch.ones_like(one)) + mse(zero, torch.zeros_like(zero))).backward()
                judge.step()
                forgers.zero_grad()
                score = critic(y)
                drawn = mse(x_hat, x)
                (drawn + mse(score, torch.ones_like(score))).backward()
                forgers.step()
                found.append(drawn)
            return torch.stack(found)
        """,
        """
        def my_training(phi, eta, psi, critic, forward, batches):
            both = [*phi.parameters(), *psi.parameters()]
            adams = [torch.optim.Adam(p, lr=0.01) for p in (both, critic.parameters())]

            def step(adam, loss):
                adam.zero_grad()
                loss.backward()
                adam.step()
                return loss

            def one(x, x_prime, real):
                y, x_hat = forward(x, x_prime)
                drawn = torch.mean((x_hat - x) ** 2)
                step(adams[0], drawn + torch.mean((critic(y) - 1) ** 2))
                step(adams[1], torch.mean((critic(real) - 1) ** 2) + torch.mean(critic(y.detach()) ** 2))
                return drawn.detach().numpy()

            return np.array([one(*batch) for batch in batches])
        """,
    ),
    wrong_answers=(
        _slip("forgotten detach", "critic(y.detach())", "critic(y)", "whose graph is used up"),
        WrongAnswer("forgotten detach, graph kept",
                    _trained(("critic(y.detach())", "critic(forward(x, x_prime)[0])"),
                             ("        adam.step()\n", ""),
                             ("        adam_critic.step()\n", "        adam_critic.step()\n        adam.step()\n")),
                    "is added to what Φ steps along"),
        _slip("y recomputed", "critic(y.detach())", "critic(forward(x, x_prime)[0].detach())", "a new y"),
        _slip("unfrozen eta", "*phi.parameters(), *psi", "*phi.parameters(), *eta.parameters(), *psi", "η has moved"),
        _slip("Psi forgotten", "[*phi.parameters(), *psi.parameters()]", "phi.parameters()", "Ψ has not moved"),
        _slip("Phi forgotten", "[*phi.parameters(), *psi.parameters()]", "psi.parameters()", "Φ has not moved"),
        _slip("no critic's step", "        adam_critic.step()\n", "", "the critic has not moved"),
        _slip("gradients pile up", "        adam.zero_grad()\n", "", "pile up"),
        WrongAnswer("the critic's not emptied in time",
                    _trained(("        adam_critic.zero_grad()\n", ""),
                             ("        adam.zero_grad()\n",
                              "        adam.zero_grad()\n        adam_critic.zero_grad()\n")),
                    "it helps the forger"),
        _slip("aims for 0", "(1 - critic(y)).square()", "critic(y).square()", "nobody is fooled"),
        _slip("labels", "(1 - critic(real)).square().mean() + critic(y.detach()).square().mean()",
              "critic(real).square().mean() + (1 - critic(y.detach())).square().mean()", "the critic's labels"),
        WrongAnswer("an Adam a batch",
                    "def my_training(phi, eta, psi, critic, forward, batches):\n    losses = []\n"
                    "    for batch in batches:\n        losses += one(phi, eta, psi, critic, forward, [batch])\n"
                    "    return losses\n\n\n" + _LOOP.strip().replace("my_training", "one"),
                    "forgets its running means"),
        _slip("no forger", "(drawn + fooled).backward()", "drawn.backward()", "no critic tells Φ"),
        _slip("no reconstruction", "(drawn + fooled).backward()", "fooled.backward()",
              "the reconstruction is missing"),
        _slip("compared with x'", "(x_hat - x)", "(x_hat - x_prime)", "is compared with x′"),
        _slip("critic in both", "*psi.parameters()]", "*psi.parameters(), *critic.parameters()]",
              "learns to be fooled"),
        _slip("one batch", "        losses.append(drawn.item())\n    return losses",
              "        losses.append(drawn.item())\n        return losses", "after the first batch"),
        _slip("half", "(drawn + fooled).backward()", "((drawn + 2 * fooled) / 2).backward()", "both have the weight 1"),
        _slip("another rate", "psi.parameters()], lr=0.01", "psi.parameters()], lr=0.1", "not as they should"),
        _slip("the total returned", "losses.append(drawn.item())", "losses.append((drawn + fooled).item())",
              "return the reconstruction's loss"),
        _slip("nothing collected", "losses.append(drawn.item())", "losses = drawn.item()",
              "list of the reconstruction"),
    ),
)  # fmt: skip
