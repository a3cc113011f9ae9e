"""Lesson 01: the two exercises that are the method itself, Gatys' loop and conditional normalisation."""

from __future__ import annotations

from napa_lib.study.exercises import Exercise, WrongAnswer
from napa_lib.study.lessons.lesson_01 import checks_painting as checks

_LOOP = """
def my_gatys(content, style, features, steps):
    wanted, kept = features(style), features(content)[-1]
    picture = content.clone().requires_grad_()
    adam = torch.optim.Adam([picture], lr=0.05)
    for _ in range(steps):
        maps = features(picture)
        loss = nst.style_loss(maps, wanted) + nst.content_loss(maps[-1], kept)
        adam.zero_grad()
        loss.sum().backward()
        adam.step()
        with torch.no_grad():
            picture.clamp_(0, 1)
    return picture.detach()
"""


def _slip(name: str, right: str, instead: str, hint: str) -> WrongAnswer:
    """The loop with one line written otherwise."""
    if right not in _LOOP:
        raise ValueError(f"right must be a part of the solution, got {right!r}")
    return WrongAnswer(name, _LOOP.replace(right, instead), hint)


GATYS = Exercise(
    id="01.3",
    title="Gatys' loop",
    kind="code",
    difficulty=3,
    minutes=15,
    task="""
        Write the whole method. `content` and `style` are float32 tensors (1, 3, H, W) in [0, 1]; `features(picture)`
        gives a list of feature maps, the deepest last, each (1, C, H', W'). Begin with a copy of the content; for
        `steps` steps, let `torch.optim.Adam` with a learning rate of 0.05 lower

        $$L = L_{\\mathrm{style}} + L_{\\mathrm{content}},$$

        L_style between all maps of the picture and of the style, L_content between the last maps of the picture and of
        the content. Put the pixels back into [0, 1] after each step. Return the picture. `nst.style_loss` takes two
        lists of maps, `nst.content_loss` two maps; each gives one number per picture, here of shape (1,).
    """,
    stub="""
        def my_gatys(content, style, features, steps):
            picture = content.clone()
            ...
            return None  # (1, 3, H, W) in [0, 1]
    """,
    answer="my_gatys",
    hints=(
        "The maps of the style and of the content never change: compute them once, before the loop. What Adam "
        "trains is handed over as a list, here of one tensor, and that tensor must require a gradient.",
        "In the loop: maps of the picture, loss, `adam.zero_grad()`, `loss.sum().backward()`, `adam.step()`, and "
        "`picture.clamp_(0, 1)` under `torch.no_grad()`.",
    ),
    if_you_see="""
        `element 0 of tensors does not require grad`: the copy needs `.requires_grad_()`. `Trying to backward through
        the graph a second time`: take the maps of the picture inside the loop, they belong to one step. `a leaf
        Variable that requires grad is being used in an in-place operation`: clamp under `torch.no_grad()`.
    """,
    solution=_LOOP,
    why="""
        `optimise_picture` is this loop with all of NAPA's terms. Nothing in it knows what a painting is: a fixed
        network looks, and a gradient goes all the way back to the pixels.
    """,
    check=checks.check_gatys,
    other_answers=(
        """
        def my_gatys(content, style, features, steps):
            picture = torch.nn.Parameter(content.detach().clone())
            with torch.no_grad():
                targets, content_map = [m.clone() for m in features(style)], features(content)[-1].clone()
            optimizer = torch.optim.Adam(params=(picture,), lr=5e-2)
            for _ in range(steps):
                optimizer.zero_grad(set_to_none=False)
                found = features(picture)
                total = nst.content_loss(found[-1], content_map).mean() + nst.style_loss(found, targets).mean()
                total.backward()
                optimizer.step()
                picture.data.clamp_(min=0.0, max=1.0)
            return picture
        """,
        """
        def my_gatys(content, style, features, steps):
            picture, step = content.clone().requires_grad_(True), 0
            adam = torch.optim.Adam([picture], 0.05)
            while step < steps:
                maps = features(picture)
                loss = nst.style_loss(maps, features(style)) + nst.content_loss(maps[-1], features(content)[-1])
                (picture.grad,) = torch.autograd.grad(loss.sum(), picture)
                adam.step()
                picture.data = picture.data.clip(0, 1)
                step += 1
            return picture.detach().numpy()
        """,
    ),
    wrong_answers=(
        _slip("gradients add up", "        adam.zero_grad()\n", "", "adds to the gradients"),
        _slip("uphill", "loss.sum().backward()", "(-loss).sum().backward()", "walk up the gradient"),
        _slip("style alone", " + nst.content_loss(maps[-1], kept)", "", "nothing holds the content"),
        _slip("content alone", "features(style), features", "features(content), features", "never measured the style"),
        _slip("no step", "        adam.step()\n", "", "has not moved"),
        _slip(
            "pixels run away",
            "        with torch.no_grad():\n            picture.clamp_(0, 1)\n",
            "",
            "put the pixels back",
        ),
        _slip(
            "clamped into another tensor",
            "        with torch.no_grad():\n            picture.clamp_(0, 1)\n",
            "        picture = picture.detach().clamp(0, 1).requires_grad_()\n",
            "only the first step",
        ),
        _slip("the content itself", "content.clone()", "content", "changed the picture that was handed in"),
        _slip("always ten steps", "range(steps)", "range(10)", "how often go"),
        _slip(
            "clamped at the end",
            "        with torch.no_grad():\n            picture.clamp_(0, 1)\n    return picture.detach()",
            "    return picture.detach().clamp(0, 1)",
            "at the end only",
        ),
        _slip(
            "style of the last maps",
            "nst.style_loss(maps, wanted)",
            "nst.style_loss(maps[-1:], wanted[-1:])",
            "in the last maps alone",
        ),
        _slip(
            "content of the first maps",
            "nst.content_loss(maps[-1], kept)",
            "nst.content_loss(maps[0], features(content)[0])",
            "compares the first maps",
        ),
        _slip("L_feat", "nst.content_loss", "nst.feature_loss", "that is L_feat"),
        _slip("small steps", "lr=0.05", "lr=0.001", "Are both terms in it"),
    ),
)

NORMALISE = Exercise(
    id="01.4",
    title="One network, many styles",
    kind="code",
    difficulty=2,
    minutes=8,
    task="""
        Write conditional instance normalisation, the one layer in which the styles of a pool network differ. `x` is a
        float32 tensor (B, C, H, W); `scale` and `shift` are (B, C), a row for each picture. Bring every channel of
        every picture to mean 0 and deviation 1 over its H W positions (the variance divides by H W; add 1e-5 to it
        before the root), then multiply by `scale` and add `shift`.
    """,
    stub="""
        def my_instance_norm(x, scale, shift):
            ...
            return None  # (B, C, H, W)
    """,
    answer="my_instance_norm",
    hints=(
        "`x.mean((2, 3), keepdim=True)` is (B, C, 1, 1): one number for each channel of each picture.",
        "`x.var((2, 3), keepdim=True, correction=0)` is the variance; `scale[..., None, None]` fits beside it.",
    ),
    if_you_see="`The size of tensor a (5) must match the size of tensor b (3)`: (B, C) has to become (B, C, 1, 1).",
    solution="""
        def my_instance_norm(x, scale, shift):
            mean = x.mean((2, 3), keepdim=True)
            variance = x.var((2, 3), keepdim=True, correction=0)
            normal = (x - mean) / (variance + 1e-5).sqrt()
            return normal * scale[..., None, None] + shift[..., None, None]
    """,
    why="""
        The mean and the spread of a channel are two numbers of a picture's style; here they are taken away from the
        content and given by the style. All convolutions are shared.
    """,
    check=checks.check_instance_norm,
    other_answers=(
        """
        def my_instance_norm(x, scale, shift):
            b, c, h, w = x.shape
            flat = x.view(b, c, h * w)
            flat = flat - flat.mean(2)[:, :, None]
            flat = flat / torch.sqrt((flat**2).mean(2)[:, :, None] + 1e-5)
            return (flat * scale[:, :, None] + shift[:, :, None]).view(b, c, h, w)
        """,
        """
        def my_instance_norm(x, scale, shift):
            normal = torch.nn.functional.instance_norm(x, eps=1e-5)
            return torch.einsum("bchw,bc->bchw", normal, scale).numpy() + shift.numpy()[:, :, None, None]
        """,
    ),
    wrong_answers=(
        WrongAnswer(
            "over the batch",
            """
            def my_instance_norm(x, scale, shift):
                normal = (x - x.mean((0, 2, 3), keepdim=True)) / x.std((0, 2, 3), keepdim=True, correction=0)
                return normal * scale[..., None, None] + shift[..., None, None]
            """,
            "whole batch",
        ),
        WrongAnswer(
            "over the channels",
            """
            def my_instance_norm(x, scale, shift):
                normal = (x - x.mean((1, 2, 3), keepdim=True)) / x.std((1, 2, 3), keepdim=True, correction=0)
                return normal * scale[..., None, None] + shift[..., None, None]
            """,
            "over the channels as well",
        ),
        WrongAnswer(
            "H W - 1",
            """
            def my_instance_norm(x, scale, shift):
                normal = (x - x.mean((2, 3), keepdim=True)) / (x.std((2, 3), keepdim=True) + 1e-5)
                return normal * scale[..., None, None] + shift[..., None, None]
            """,
            "correction=0",
        ),
        WrongAnswer(
            "by the variance",
            """
            def my_instance_norm(x, scale, shift):
                normal = (x - x.mean((2, 3), keepdim=True)) / (x.var((2, 3), keepdim=True, correction=0) + 1e-5)
                return normal * scale[..., None, None] + shift[..., None, None]
            """,
            "its root is the deviation",
        ),
        WrongAnswer(
            "the mean alone",
            """
            def my_instance_norm(x, scale, shift):
                return (x - x.mean((2, 3), keepdim=True)) * scale[..., None, None] + shift[..., None, None]
            """,
            "not the spread",
        ),
        WrongAnswer(
            "no style",
            "def my_instance_norm(x, scale, shift):\n    return torch.nn.functional.instance_norm(x)",
            "and then",
        ),
        WrongAnswer(
            "shifted first",
            """
            def my_instance_norm(x, scale, shift):
                normal = torch.nn.functional.instance_norm(x)
                return (normal + shift[..., None, None]) * scale[..., None, None]
            """,
            "scales the shift",
        ),
        WrongAnswer(
            "changed places",
            """
            def my_instance_norm(x, scale, shift):
                normal = torch.nn.functional.instance_norm(x)
                return normal * shift[..., None, None] + scale[..., None, None]
            """,
            "changed places",
        ),
        WrongAnswer(
            "one style for all",
            """
            def my_instance_norm(x, scale, shift):
                return torch.nn.functional.instance_norm(x, weight=scale[0], bias=shift[0])
            """,
            "first picture's style",
        ),
        WrongAnswer(
            "nothing in the way of a 0",
            """
            def my_instance_norm(x, scale, shift):
                normal = (x - x.mean((2, 3), keepdim=True)) / x.std((2, 3), keepdim=True, correction=0)
                return normal * scale[..., None, None] + shift[..., None, None]
            """,
            "the same everywhere",
        ),
        WrongAnswer(
            "scale and shift alone",
            "def my_instance_norm(x, scale, shift):\n    return x * scale[..., None, None] + shift[..., None, None]",
            "for one channel of one picture",
        ),
    ),
)
