"""Chapter 1's networks and their training: what they are told, what they are trained on, and what ships."""

from __future__ import annotations

import colorsys
import json

import numpy as np
import pytest
import torch
from PIL import Image
from test_data_known import mine  # noqa: F401

from napa_lib import results, style
from napa_lib.data import list_paintings, load_paintings
from napa_lib.engine import load_tensors
from napa_lib.loop import Setup
from napa_lib.networks import VGG19Features
from napa_lib.style import (
    StylizerConfig,
    TransformNet,
    comparison,
    content,
    evaluate,
    load_stylizer,
    stylize,
    train,
    training,
)
from napa_lib.style.networks import CODE_LAYERS, style_statistics


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    return torch.stack(load_paintings(64, ["greatwave", "monalisa", "cassat_summertime"]))


# --- terms -----------------------------------------------------------------------------------------------------------


def test_hsv_loss_is_the_mean_of_three_differences():
    ours = torch.rand(1, 3, 4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    other = torch.rand(1, 3, 4, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    ours[..., 0, 0], other[..., 1, 1] = 0.3, 0.6  # a grey pixel in either
    apart = []
    for a, b in zip(ours[0].flatten(1).T.tolist(), other[0].flatten(1).T.tolist(), strict=True):
        (h, s, v), (k, t, w) = colorsys.rgb_to_hsv(*a), colorsys.rgb_to_hsv(*b)
        turned = min(abs(h - k), 1 - abs(h - k)) if s and t else 0.0
        apart.append(turned + abs(s - t) + abs(v - w))
    assert style.hsv_loss(ours, other).item() == pytest.approx(np.mean(apart), abs=1e-9)


def test_gradient_norms_are_means_over_the_batch(vgg, pictures):
    loss = style.StylizationLoss(vgg, style.JOHNSON)
    outputs, targets, contents = pictures[:2], pictures[[2, 0]], pictures[[1, 2]]
    both = style.gradient_norms(loss, outputs, targets, contents)
    one, other = (style.gradient_norms(loss, outputs[i], targets[i], contents[i]) for i in ([0], [1]))
    for name, norm in both.items():
        assert norm == pytest.approx((one[name] + other[name]) / 2, rel=1e-3)


def test_at_the_paper_s_size_content_pulls_most(vgg):
    """At 96 px, where lesson 01 measures, it is L_style; the lesson says so."""
    target, picture = torch.stack(load_paintings(224, ["greatwave"])), content.held_out_pictures(224)[:1]
    output = stylize(picture, load_stylizer("pool"), target, vgg)
    norms = style.gradient_norms(style.StylizationLoss(vgg), output, target, picture)
    assert max(norms, key=lambda name: norms[name]) == "content"


# --- networks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["greatwave", "kandinky"])
def test_the_networks_that_ship_do_as_well_as_the_results_say(name):
    stored = [row for row in results.shipped("style/held_out")["rows"] if row["style"] == name][-3:]
    pair = {key: stored[0][key] for key in ("content", "style", "before", "gatys")}
    networks = {kind: load_stylizer(kind) for kind in ("pool", name)}
    for found, row in zip(comparison.compare(networks, [pair], 128), stored, strict=True):
        assert found["network"] == row["network"]
        assert found["stylized"] == pytest.approx(row["stylized"], rel=2e-3, abs=0.5)


def test_statistics_are_mean_and_deviation_of_each_channel(vgg, pictures, monkeypatch):
    found = vgg(pictures)
    parts = [np.log1p(part) for layer in CODE_LAYERS for part in (found[layer].numpy().mean((2, 3)),
             found[layer].numpy().std((2, 3)))]  # fmt: skip
    looks = []
    monkeypatch.setattr(vgg, "forward", lambda *given: (looks.append(1), VGG19Features.forward(vgg, *given))[1])
    np.testing.assert_allclose(style_statistics(pictures, vgg), np.concatenate(parts, 1), rtol=1e-3, atol=1e-4)
    assert len(looks) == 1


@pytest.mark.parametrize(("height", "width"), [(16, 16), (17, 30), (19, 21)])
def test_what_is_padded_is_cut_off_again(height, width, monkeypatch):
    network = TransformNet()
    monkeypatch.setattr(network, "forward", lambda image, code: image)
    image = torch.rand(2, 3, height, width)
    assert torch.equal(stylize(image, network), image)


def test_what_is_padded_mirrors_the_picture(monkeypatch):
    seen = []
    network = TransformNet()
    monkeypatch.setattr(network, "forward", lambda image, code: seen.append(image) or image)
    image = torch.rand(1, 3, 18, 21)
    stylize(image, network)
    expected = np.pad(image.numpy(), ((0, 0), (0, 0), (0, 2), (0, 3)), mode="reflect")
    np.testing.assert_array_equal(seen[0].numpy(), expected)


def test_style_pictures_that_do_not_fit_are_refused(vgg, pictures):
    network = TransformNet("pool").eval()
    with pytest.raises(ValueError, match=r"style must lie in \[0, 1\]"):
        stylize(pictures[:1], network, 255 * pictures[:1], vgg)
    for picture, styles in ((pictures[:1], pictures), (pictures[:2], pictures), (pictures[:1], pictures[0])):
        with pytest.raises(ValueError, match=f"style must be one picture or {len(picture)}"):
            stylize(picture, network, styles, vgg)


# --- training --------------------------------------------------------------------------------------------------------

POOL_OF_THREE = StylizerConfig(("greatwave", "monalisa", "kandinky"), steps=2, batch=4, size=16)


def test_the_network_is_told_the_style_that_it_is_judged_by(monkeypatch):
    told, judged = [], []

    def note(self, output, style_, content_):
        judged.append(style_.picture)
        return genuine(self, output, style_, content_)

    genuine, encode = style.StylizationLoss.forward, training.TransformNet.forward
    monkeypatch.setattr(style.StylizationLoss, "forward", note)
    monkeypatch.setattr(TransformNet, "forward", lambda self, *given: (told.append(given[1]), encode(self, *given))[1])
    network, _ = training.run_training(
        StylizerConfig(POOL_OF_THREE.styles, steps=1, batch=8, size=16, learning_rate=1e-9)
    )
    scale, shift = network.encode_style(judged[0], VGG19Features())
    assert len(torch.unique(judged[0], dim=0)) > 1
    torch.testing.assert_close(told[0], (scale, shift), rtol=1e-3, atol=1e-4)


def test_a_style_set_whose_maps_are_too_many_to_keep_trains_as_one_whose_maps_are_kept(monkeypatch):
    kept, _ = training.run_training(POOL_OF_THREE)
    monkeypatch.setattr(training, "KEPT", 0)
    afresh, _ = training.run_training(POOL_OF_THREE)
    torch.testing.assert_close(kept.state_dict(), afresh.state_dict(), rtol=0, atol=1e-4)


def test_the_rate_falls_over_the_last_quarter(monkeypatch):
    rates = {}
    monkeypatch.setattr(training, "run", lambda *given, rate: rates.update({n: rate(n) for n in range(9)}) or [])
    training.run_training(StylizerConfig(("greatwave",), "instance", steps=8, size=16))
    assert list(rates.values()) == [1, 1, 1, 1, 1, 1, 1, 0.5, 0]


def test_a_gradient_is_a_thousand_long_at_most(monkeypatch):
    found, descend = [], training.descend

    def noted(loss, optimizer, *rest):
        descend(loss, optimizer, *rest)
        gradients = [weight.grad for group in optimizer.param_groups for weight in group["params"]]
        found.append(torch.cat([gradient.flatten() for gradient in gradients]).norm())

    monkeypatch.setattr(training, "descend", noted)
    ratios = style.LossRatios(style=1e4)
    training.run_training(StylizerConfig(("greatwave",), "instance", steps=1, size=16, ratios=ratios))
    assert found[0].item() == pytest.approx(1000, rel=1e-3)


def test_half_computes_in_bfloat16_and_what_comes_out_is_ready_to_use(monkeypatch):
    kinds, forward = [], TransformNet.forward

    def noted(network, image, code=None):
        kinds.append((network.last(torch.zeros(1, 32, 16, 16)).dtype, network.training))
        return forward(network, image, code)

    monkeypatch.setattr(TransformNet, "forward", noted)
    for half, kind in ((True, torch.bfloat16), (False, torch.float32)):
        config = StylizerConfig(("greatwave",), "batch", steps=1, size=16)
        network, _ = training.run_training(config, Setup(half=half))
        assert kinds.pop() == (kind, True) and not network.training


def test_a_pool_network_is_a_start_for_one_style_and_for_nothing_else():
    config = StylizerConfig(("monalisa",), "instance", size=32, windows=2, start="pool")
    picture = torch.stack(load_paintings(64, ["monalisa"]))
    wanted = load_stylizer("pool").for_style(picture, VGG19Features()).state_dict()
    torch.testing.assert_close(training._initial_network(config, VGG19Features()).state_dict(), wanted)
    with pytest.raises(ValueError, match="pool has norm='pool', the training wants 'batch'"):
        training._initial_network(StylizerConfig(("monalisa",), "batch", start="pool"), VGG19Features())


@pytest.mark.parametrize(
    "wrong", [{"windows": 0}, {"size": 30}, {"size": 12}, {"learning_rate": 0.0}, {"learning_rate": float("nan")}]
)
def test_a_configuration_that_cannot_be_trained_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        StylizerConfig(**wrong)


# --- what is trained on ----------------------------------------------------------------------------------------------


def test_nothing_that_is_measured_on_is_trained_on(monkeypatch):
    read = []
    monkeypatch.setattr(
        content, "load_video_frames", lambda *names: (read.append(names[0]), torch.rand(48, 3, 20, 30))[1]
    )
    trained = content.training_pictures()
    learned = set(read)
    held = content.held_out_pictures(16)
    assert learned.isdisjoint(read[len(learned) :]) and len(held) == 12
    aside = [painting.name for painting in list_paintings() if painting.in_art_figures]
    for picture in load_paintings(names=aside):
        assert not any(torch.equal(picture, other) for other in trained)


def test_crops_lie_anywhere_in_the_picture_and_keep_its_shape():
    y, x = torch.meshgrid(torch.linspace(0, 1, 60), torch.linspace(0, 1, 120), indexing="ij")
    crops = content.random_crops([torch.stack([x, y, 0 * x])], 300, 16, torch.Generator().manual_seed(0))
    across, down = crops[:, 0].flatten(1), crops[:, 1].flatten(1)
    wide, high = 120 * (across.amax(1) - across.amin(1)), 60 * (down.amax(1) - down.amin(1))
    torch.testing.assert_close(wide, high, rtol=0, atol=2.0)
    assert 20 < high.min() < 26 and 54 < high.max() < 60
    assert across.min() < 0.03 and across.max() > 0.97 and down.min() < 0.03 and down.max() > 0.97
    mirrored = (crops[:, 0, 0, 0] > crops[:, 0, 0, -1]).float().mean()
    assert 0.4 < mirrored < 0.6


@pytest.fixture
def own(tmp_path):
    """A folder of three pictures, with a white stripe on grey of 10, 20 and 30."""
    folder = tmp_path / "own"
    folder.mkdir()
    for grey in (10, 20, 30):
        picture = np.full((30, 40, 3), grey, np.uint8)
        picture[12:18] = 255
        Image.fromarray(picture).save(folder / f"{grey}.png")
    (folder / "notes.txt").write_text("not a picture")
    return folder


def test_content_of_one_s_own_is_squares_of_a_folder_s_pictures_and_figures_of_a_data_set(own, mine):  # noqa: F811
    Image.new("RGB", (40, 30), "red").save(own / "plain.png")  # of a single colour
    draw, generator = content.open_content([str(own)], 30), torch.Generator().manual_seed(0)
    batch = draw(60, generator)
    assert batch.shape == (60, 3, 30, 30)
    (own / "cut.png").write_bytes((own / "10.png").read_bytes()[:60])
    with pytest.warns(UserWarning, match="left out: .*cut.png"):  # it does not take the others along
        assert torch.equal(content.open_content([str(own)], 30)(60, torch.Generator().manual_seed(0)), batch)
    (own / "cut.png").unlink()
    assert set((batch * 255).round().unique().tolist()) == {10, 20, 30, 255}
    with pytest.warns(UserWarning, match="left out"):  # one of its pictures is damaged
        figures = content.open_content([f"coco:{mine}", str(own)], 32)(40, generator)
    assert figures.shape == (40, 3, 32, 32) and figures.max() == 1
    for wrong in (own / "10.png", own / "nowhere"):
        with pytest.raises(ValueError, match="must be a folder of pictures"):
            content.open_content([str(wrong)], 16)
    for file in own.glob("?0.png"):
        file.unlink()
    with pytest.raises(ValueError, match="more than one colour"):
        content.open_content([str(own)], 16)


def test_styles_are_paintings_files_and_folders(own):
    names = ["monalisa", str(own / "20.png")]
    found = content.load_styles(names, 16)
    assert torch.equal(found[0], load_paintings(16, ["monalisa"])[0]) and (found[1] * 255).round().min() == 20
    with pytest.raises(ValueError, match="no such painting"):
        content.load_styles(["nowhere.jpg"], 16)


def test_a_stylizer_of_one_s_own_pictures_by_command(own, tmp_path):
    asked = ["--styles", str(own), "--data", str(own), "--steps", "1", "--batch", "1", "--size", "16"]
    train.main([*asked, "--out", str(tmp_path / "run")])
    saved = tmp_path / "run/network.safetensors"
    assert load_stylizer(saved).norm == "pool" and load_tensors(saved)[1]["styles"] == "10,20,30"
    assert len(json.loads((tmp_path / "run/record.json").read_text())) == 1
    with pytest.raises(SystemExit, match="belongs to another training"):
        train.main([*asked[:2], *asked[4:], "--out", str(tmp_path / "run")])


# --- what is measured ------------------------------------------------------------------------------------------------


def test_each_set_of_losses_has_one_term_more():
    sets = [{n for n, ratio in vars(ratios).items() if ratio} for ratios in evaluate.ADDED_LOSSES.values()]
    new = [after - before for before, after in zip(sets, sets[1:], strict=False)]
    assert sets[0] == {"style", "content"} and evaluate.ADDED_LOSSES["Johnson"] == style.JOHNSON
    assert new == [{"total_variation"}, {"hsv"}, {"cosine"}, {"srgb"}, {"style_entropy", "content_entropy"}]
    assert list(evaluate.ADDED_LOSSES) == list(results.shipped("style/added_losses")["terms_before_their_ratios"])
    whole = vars(evaluate.ADDED_LOSSES["all (table 2)"])
    assert whole == vars(style.LossRatios())
    for ratios in evaluate.ADDED_LOSSES.values():
        assert all(ratio in (0, whole[name]) for name, ratio in vars(ratios).items())


def test_without_places_the_style_picture_moves_at_every_step(vgg, monkeypatch):
    pair, size, steps = {"content": 1, "style": "greatwave"}, 32, 8
    (moved,) = comparison.without_places([pair], size, steps)
    monkeypatch.setattr(comparison, "MOVES", comparison.MOVES[:1])
    (unmoved,) = comparison.without_places([pair], size, steps)
    picture, target = content.held_out_pictures(size)[1:2], torch.stack(load_paintings(size, ["greatwave"]))
    *_, (_, losses) = style.optimise_picture(picture, target, style.StylizationLoss(vgg), steps)
    assert unmoved["reached"]["total"] == pytest.approx(float(losses.total), rel=0.01)
    assert moved["reached"]["style_entropy"] > 1.1 * unmoved["reached"]["style_entropy"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("held-out --steps 3", "takes no --steps"),
        ("gatys --half", "takes no --half"),
        ("norms --steps 0", "at least 1"),
    ],
)
def test_options_that_would_do_nothing_are_refused(words, message, tmp_path, capsys):
    with pytest.raises(SystemExit):
        evaluate.main([*words.split(), "--results", str(tmp_path)])
    assert message in capsys.readouterr().err and not list(tmp_path.iterdir())
