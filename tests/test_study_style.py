"""Lesson 01's exercises beyond their usual mistakes: other right answers, other wrong ones; and its pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napa_lib import results
from napa_lib.data import asset_path, list_paintings, load_image, load_paintings, resize
from napa_lib.study.exercises import Verdict, judge
from napa_lib.study.lessons.lesson_01 import PLAN, pictures
from napa_lib.style import JOHNSON, POOL, StyleLosses


def verdict_on(number: str, code: str) -> Verdict:
    exercise = PLAN.exercise(number)
    names: dict = {}
    exec(PLAN.prelude, names)
    exec(code, names)
    return judge(exercise, names[exercise.answer])


RIGHT = {
    "01.1": ("gram_factors = (1, 4.0, 1)", "gram_factors = torch.tensor([1, 4, 1])", "gram_factors = [1, 2**2, 1]"),
    "01.2": (
        "def my_gram(features):\n    return torch.einsum('chw,dhw->cd', features, features) / features.numel()",
        "def my_gram(f):\n    c, h, w = f.shape\n    return [[float((f[i] * f[j]).sum() / c / h / w) for j in range(c)]"
        " for i in range(c)]",
        "def my_gram(features):\n    return nst.gram_matrix(features[None])[0].numpy()",
    ),
    "01.3": (
        # gradients by hand, no optimizer's zero_grad, maps of the style taken anew each step
        """
def my_gatys(content, style, features, steps):
    picture = content.detach().clone().requires_grad_(True)
    adam = torch.optim.Adam([picture], lr=0.05)
    for _ in range(steps):
        maps = features(picture)
        loss = nst.style_loss(maps, features(style)) + nst.content_loss(maps[-1], features(content)[-1])
        (picture.grad,) = torch.autograd.grad(loss.sum(), picture)
        adam.step()
        picture.data.clamp_(0, 1)
    return picture
""",
        # the losses written out, the result without its batch axis
        """
def my_gatys(content, style, features, steps):
    def gram(f):
        rows = f[0].flatten(1)
        return rows @ rows.T / rows.numel()
    picture = torch.nn.Parameter(content.clone())
    adam = torch.optim.Adam([picture], lr=5e-2)
    while steps:
        adam.zero_grad()
        loss = sum(((gram(a) - gram(b)) ** 2).sum() for a, b in zip(features(picture), features(style)))
        (loss + (features(picture)[-1] - features(content)[-1]).norm()).backward()
        adam.step()
        with torch.no_grad():
            picture.copy_(picture.clamp(0, 1))
        steps -= 1
    return picture.detach()[0]
""",
        # L_content squared at a like strength is another valley, but a good Adam of one's own is not
        """
def my_gatys(content, style, features, steps):
    wanted, kept = features(style), features(content)[-1]
    x, m, v = content.clone(), 0, 0
    for t in range(1, steps + 1):
        x.requires_grad_()
        maps = features(x)
        (g,) = torch.autograd.grad((nst.style_loss(maps, wanted) + nst.content_loss(maps[-1], kept)).sum(), x)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        step = 0.05 * (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)).sqrt() + 1e-8)
        x = (x - step).detach().clamp(0, 1)
    return x
""",
    ),
    "01.4": (
        "def my_instance_norm(x, scale, shift):\n    normal = torch.nn.functional.instance_norm(x)\n"
        "    return normal * scale[..., None, None] + shift[..., None, None]",
        """
def my_instance_norm(x, scale, shift):
    rows = x.flatten(2)
    centred = rows - rows.mean(2, keepdim=True)
    normal = centred / torch.sqrt((centred**2).mean(2, keepdim=True) + 1e-5)
    return (normal * scale.unsqueeze(2) + shift.unsqueeze(2)).view(x.shape)
""",
        """
def my_instance_norm(x, scale, shift):
    x, out = x.numpy(), x.numpy().copy()
    for b in range(x.shape[0]):
        for c in range(x.shape[1]):
            channel = x[b, c]
            out[b, c] = (channel - channel.mean()) / (channel.std() + 1e-5) * float(scale[b, c]) + float(shift[b, c])
    return out
""",
    ),
    "01.5": (
        "def my_cosine_loss(a, b):\n    return nst.cosine_loss(a[None], b[None])",
        "def my_cosine_loss(a, b):\n    return 1 - torch.nn.functional.cosine_similarity(a.reshape(1, -1), "
        "b.reshape(1, -1))",
        "def my_cosine_loss(a, b):\n    u, v = (x.flatten() / x.norm() for x in (a, b))\n"
        "    return 0.5 * float((u - v).square().sum())",
    ),
    "01.6": (
        "def hue_difference(a, b):\n    return 0.5 - ((a - b).abs() - 0.5).abs()",
        "def hue_difference(a, b):\n    return ((a - b + 0.5) % 1 - 0.5).abs()",
        "def hue_difference(a, b):\n    return torch.stack([(a - b) % 1, (b - a) % 1]).amin(0).numpy()",
    ),
    "01.7": (
        "def at_scale(ratios, activation):\n    g = activation / 3\n    return LossRatios(**{**vars(ratios), "
        "'style': ratios.style * g**4, 'feature': ratios.feature * g * g, 'content': g * ratios.content})",
        "def at_scale(ratios, activation):\n    return replace(ratios, style=ratios.style * activation**4 / 81, "
        "feature=ratios.feature * activation**2 / 9, content=ratios.content * activation / 3)",
        "def at_scale(r, activation):\n    powers = {'style': 4, 'feature': 2, 'content': 1}\n"
        "    return replace(r, **{k: getattr(r, k) * (activation / 3) ** p for k, p in powers.items()})",
    ),
    "01.8": (
        "def fool(style):\n    return style / 4",
        "def fool(style):\n    return (0.5 * style)[None]",
        "def fool(style):\n    return (style.numpy() * 0.2).tolist()",
    ),
}  # fmt: skip

WRONG = {
    "01.1": ("gram_factors = ['same', 'x4', 'same']", "gram_factors = [1, 4]", "gram_factors = 1, 16, 1"),
    "01.2": (
        "def my_gram(features):\n    rows = features.flatten(1)\n    return torch.cdist(rows, rows)",
        "def my_gram(features):\n    rows = features.flatten(1)\n    return (rows @ rows.T / rows.numel()).triu()",
        "def my_gram(features):\n    return features.mean((1, 2)).outer(features.mean((1, 2)))",
    ),
    "01.3": (
        # begun with noise
        "def my_gatys(content, style, features, steps):\n    return torch.rand_like(content)",
        # the network is asked for nothing, the style picture is handed back
        "def my_gatys(content, style, features, steps):\n    return style if steps else content",
        # L_content between the picture and itself holds nothing
        PLAN.exercise("01.3").solution.replace("maps[-1], kept", "maps[-1], maps[-1]"),
    ),
    "01.4": (
        "def my_instance_norm(x, scale, shift):\n    return x",
        "def my_instance_norm(x, scale, shift):\n    normal = torch.nn.functional.instance_norm(x)\n"
        "    return normal + scale[..., None, None]",
        "def my_instance_norm(x, scale, shift):\n    low, high = x.amin((2, 3), True), x.amax((2, 3), True)\n"
        "    return (x - low) / (high - low) * scale[..., None, None] + shift[..., None, None]",
    ),
    "01.5": (
        "def my_cosine_loss(a, b):\n    return 1 - (a * b).sum() / (a.norm() * b.norm()) ** 2",
        "def my_cosine_loss(a, b):\n    return 1 + torch.cosine_similarity(a.flatten(), b.flatten(), dim=0)",
        "def my_cosine_loss(a, b):\n    s = torch.cosine_similarity(a.flatten(), b.flatten(), dim=0)\n"
        "    return (1 - s**2) ** 0.5",
    ),
    "01.6": (
        "def hue_difference(a, b):\n    return torch.maximum((a - b).abs(), 1 - (a - b).abs())",
        "def hue_difference(a, b):\n    return (a - b).abs().clamp(max=0.5)",
        "def hue_difference(a, b):\n    return torch.minimum((a - b).abs(), 1 - (a - b).abs()).mean()",
    ),
    "01.7": (
        "def at_scale(ratios, activation):\n    return ratios",
        "def at_scale(ratios, activation):\n    return replace(ratios, style=ratios.style * activation**4)",
        "def at_scale(ratios, activation):\n    g = activation / 3\n"
        "    return replace(ratios, style=ratios.style * g**3, feature=ratios.feature * g**2)",
    ),
    "01.8": (
        "def fool(style):\n    return style.flip(2)",
        "def fool(style):\n    return style + 0.2",
        "def fool(style):\n    return style[0]",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("number", "code"), [(n, code) for n, codes in RIGHT.items() for code in codes])
def test_right_in_other_styles(number, code):
    verdict = verdict_on(number, code)
    assert verdict.status == "right", verdict.message


@pytest.mark.parametrize(("number", "code"), [(n, code) for n, codes in WRONG.items() for code in codes])
def test_wrong_in_other_ways(number, code):
    verdict = verdict_on(number, code)
    assert verdict.status == "wrong" and len(verdict.message) > 20


def test_every_exercise_was_tried_in_three_styles_and_three_ways():
    numbers = [exercise.id for exercise in PLAN.exercises]
    assert list(RIGHT) == numbers == list(WRONG)
    assert all(len(codes) == 3 for codes in (*RIGHT.values(), *WRONG.values()))


def test_painters_are_called_by_their_names():
    titles = [pictures.short_title(painting) for painting in list_paintings()]
    assert len(set(titles)) == len(titles)
    assert {title.split(",")[0] for title in titles}.isdisjoint({"Gogh", "Vinci", "Elder"})
    assert "Leonardo, Mona Lisa" in titles


def bars(axis):
    return {label.get_text(): bar.get_width() for label, bar in zip(axis.get_yticklabels(), axis.patches, strict=True)}


def test_a_prediction_is_drawn_beside_what_came():
    distance = 1 + torch.rand(3, 3)
    for guess in (None, 2):
        page = pictures.halves_figure(distance, ["a", "b", "c"], {"L_style": 3, "pixels": 1}, guess)
        legends = [axis.get_legend() for axis in page.axes if axis.get_legend() is not None]
        said = [legend.get_texts()[0].get_text() for legend in legends]
        assert said == ([] if guess is None else ["your prediction"])
        assert bars(page.axes[1]) == {"L_style": 3, "pixels": 1}


def film(steps: int = 4):
    def losses(value):
        return StyleLosses({n: torch.tensor([value]) for n in ("style", "content", "total_variation")}, JOHNSON)

    return [(torch.rand(1, 3, 8, 8), losses(float(step))) for step in range(steps)]


@pytest.mark.parametrize("guess", [None, "rises", "falls", "stays", "no idea"])
def test_the_film_shows_its_moments_and_the_guess(guess):
    page = pictures.film_figure(film(), [0, 3], guess)
    assert [axis.get_title() for axis in page.axes[:2]] == ["step 0", "step 3"]
    said = [line.get_label() for line in page.axes[2].lines[3:]]
    assert said == ([f"your prediction: it {guess}"] if guess in ("rises", "falls", "stays") else [])


def test_a_grown_texture_is_compared_with_its_print_place_by_place():
    picture = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))
    light = picture.mean(0).unfold(0, 2, 2).unfold(1, 2, 2).mean((-2, -1)).flatten().double().numpy()
    other = np.roll(light.reshape(8, 8), 3, 1).flatten()
    assert pictures.placed(picture, 0.5 * picture + 0.2) == pytest.approx(1.0, abs=1e-5)
    assert pictures.placed(picture, 1 - picture) == pytest.approx(-1.0, abs=1e-5)
    assert pictures.placed(picture, picture.roll(6, 2)) == pytest.approx(np.corrcoef(light, other)[0, 1], abs=1e-5)
    for guess in (None, 0.3):
        page = pictures.grown_figure([picture, picture], picture, [2.0, 1.0], [0, 1], guess)
        lines = {line.get_label(): list(line.get_ydata()) for line in page.axes[-1].lines}
        assert lines["L_style (1 at step 0)"] == [1.0, 0.5]
        assert lines.get("your prediction") == (None if guess is None else [0.3, 0.3])


def test_the_balance_marks_the_term_that_was_named():
    values = {"style": 3.0, "cosine": 2.0, "srgb": 0.1}
    page = pictures.balance_figure(values, {"style": 9.0, "cosine": 4.0, "srgb": 0.5}, "cos")
    colors = {label.get_text(): bar.get_facecolor() for label, bar in
              zip(page.axes[0].get_yticklabels(), page.axes[0].patches, strict=True)}  # fmt: skip
    assert colors["cos"] != colors["style"] == colors["srgb"]


def test_the_product_of_two_channels_sums_to_their_gram_entry():
    maps = torch.rand(3, 4, 4)
    page = pictures.two_channels_figure(torch.rand(3, 8, 8), maps, [(0, 2)])
    assert page.axes[3].get_title() == f"product: G = {(maps[0] * maps[2]).sum() / maps.numel():.3f}"


def test_the_stored_comparison_is_shown_as_it_stands():
    held, places = results.shipped("style/held_out"), results.shipped("style/without_places")
    rows = pictures.closed_rows(held, places)
    assert rows["pool network"][0] == pytest.approx(100 * held["closed"]["pool"]["mean"])
    page = pictures.closed_figure(rows, 40.0)
    assert [label.get_text() for label in page.axes[0].get_yticklabels()] == list(rows)
    table = pictures.held_out_table(held).splitlines()
    copies = [row["stylized"]["content"] for row in held["rows"] if row["network"] == "copy"]
    content = next(line.split() for line in table if line.startswith("content "))
    assert content[1] == "0" and content[2] == f"{sum(copies) / len(copies):.0f}"


def test_both_normalisations_are_compared_at_the_thirds_of_their_training():
    norms = results.shipped("style/norms")
    head, instance, batch = pictures.norms_table(norms).splitlines()
    assert head.split("  ")[-5:] == ["step 10", "step 60", "step 110", "step 150", "held out, 95 %"]
    sixth = {kind: np.mean([curve[5] for curve in norms["training_total"][kind]]) for kind in ("instance", "batch")}
    assert instance.split()[2] == f"{sixth['instance']:.0f}" and batch.split()[2] == f"{sixth['batch']:.0f}"


def test_the_sheet_of_styles_has_the_paintings_in_the_order_of_their_numbers():
    sheet, columns = load_image(asset_path("figures/styles_contact_sheet.jpg")), 6
    side = sheet.shape[2] // columns
    tiles = sheet.unfold(1, side, side).unfold(2, side, side).flatten(1, 2).transpose(0, 1)  # (24, 3, side, side)
    shown = torch.stack([resize(tile[:, side // 4 :, side // 4 :], 24).flatten() for tile in tiles])  # without numbers
    paintings = load_paintings(side, [p.name for p in list_paintings() if p.name in POOL])
    meant = torch.stack([resize(p[:, side // 4 :, side // 4 :], 24).flatten() for p in paintings])
    assert torch.cdist(shown, meant).argmin(1).tolist() == list(range(24))
