"""`torch.func` through every gradient that the library writes by hand, against ordinary autograd."""

from __future__ import annotations

import pytest
import torch
from torch.func import grad, vmap

from napa_lib.adversarial.functional import geometric_descriptor
from napa_lib.rendering import render_bone_map, render_skeleton
from napa_lib.skeletons import NAPA18
from napa_lib.style.functional import gram_matrix, jensen_shannon


def poses() -> torch.Tensor:
    found = 40 * torch.rand(2, 18, 2, generator=torch.Generator().manual_seed(0))
    found[0, 3] = torch.nan
    return found


def weighed(picture: torch.Tensor) -> torch.Tensor:
    return (picture * torch.arange(picture[0].numel()).view(picture.shape[1:]).sin()).sum()


def features(channels_last: bool = False) -> torch.Tensor:
    found = torch.rand(2, 4, 5, 6, generator=torch.Generator().manual_seed(2))
    return found.to(memory_format=torch.channels_last) if channels_last else found


FUNCTIONS = {
    "bone map": (lambda x: weighed(render_bone_map(x, NAPA18, 48, 6.0, 1.0)), poses),
    "skeleton": (lambda x: weighed(render_skeleton(x / 20 - 1, NAPA18.bones, 30)), poses),
    "Gram matrix": (lambda x: weighed(gram_matrix(x)), features),
    "Gram matrix of NHWC": (lambda x: weighed(gram_matrix(x)), lambda: features(channels_last=True)),
    "Jensen-Shannon": (lambda x: jensen_shannon(x, x.flip(0) + 0.1).sum(), features),
    "descriptor": (lambda x: weighed(geometric_descriptor(x.flatten(2).mT)), lambda: features()[:, :3]),
}
SEVERAL = [name for name in FUNCTIONS if name not in ("bone map", "descriptor")]  # those take one batch axis alone


def by_autograd(loss, x: torch.Tensor) -> torch.Tensor:
    x = x.clone().requires_grad_()
    return torch.autograd.grad(loss(x), x)[0]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_func_grad_is_the_gradient(name):
    loss, inputs = FUNCTIONS[name]
    expected = by_autograd(loss, inputs())
    assert expected.any()
    torch.testing.assert_close(grad(loss)(inputs()), expected, rtol=0, atol=0)


@pytest.mark.parametrize("name", SEVERAL)
def test_vmap_is_a_loop(name):
    loss, inputs = FUNCTIONS[name]
    several = torch.stack([inputs(), 0.9 * inputs().flip(0), 0.5 * inputs()])
    gradients = torch.stack([by_autograd(loss, x) for x in several])
    torch.testing.assert_close(vmap(loss)(several), torch.stack([loss(x) for x in several]))
    torch.testing.assert_close(vmap(grad(loss))(several), gradients)
    torch.testing.assert_close(grad(lambda x: vmap(loss)(x).sum())(several), gradients)
    torch.testing.assert_close(vmap(loss, in_dims=1)(several.movedim(0, 1)), vmap(loss)(several))
