"""Section 3.3's schedule: the optimizer, the defaults, the sizes, and a rate that falls where the loss does not."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
import torch
from test_napa import CHEAP, CONFIG, quick, small_figures, small_model, small_styles  # noqa: F401

from napa_lib.lifting import lift
from napa_lib.loop import HERE
from napa_lib.networks.heatmaps import STRIDE
from napa_lib.networks.pose_net import PoseNet2D, PosePrediction
from napa_lib.rendering import render_bone_map
from napa_lib.skeletons import NAPA18
from napa_lib.style import StylizationLoss
from napa_lib.training import run as stages_run
from napa_lib.training.figures import FigureSet
from napa_lib.training.objective import NapaLosses
from napa_lib.training.plateau import Plateau
from napa_lib.training.run import draw, run_stage
from napa_lib.training.stages import SIZES, Ratios, TrainingConfig, stage_of, trained_in
from napa_lib.training.system import NapaModel

FULL_SIZES = dict(SIZES)  # before a fixture puts smaller ones in their place


def test_the_defaults_are_section_3_3_s():
    """A learning rate of 0.0001, weight decay of 0.00001, momentum of 0.9, 224 x 224 pixels, batches from 2 up.

    What the paper leaves open is ours and stands here, too, so that nobody changes it by accident.
    """
    assert FULL_SIZES == {"paper": 224, "tiny": 96}
    config = asdict(TrainingConfig())
    assert {name: config[name] for name in ("learning_rate", "weight_decay", "momentum")} == {
        "learning_rate": 1e-4, "weight_decay": 1e-5, "momentum": 0.9,
    }  # fmt: skip
    assert config["batch"] == 2  # "2, 3 or 22 depending on the stage"
    ours = {"preset": "tiny", "steps": 150, "passes": 1, "next_stage": 0.5, "plateau": 0.5, "patience": 500,
            "real": 0.0, "features_rate": 0.01, "fixed_features": False, "seed": 0}  # fmt: skip
    assert {name: config[name] for name in ours} == ours and TrainingConfig().ratios == Ratios()


def test_of_a_resnet_all_learns_and_batch_norm_keeps_its_statistics():
    """The paper trains all of G; only the VGG-19 that is embedded in ours stays as it is, but for what is tuned."""
    for pose, fixed in (
        (PoseNet2D("resnet50", 32), ("resnet.bn1.running_mean", "resnet.bn1.num_batches_tracked")),
        (PoseNet2D(width=32, tuned=("conv4_4",)), ("vgg.convolutions.conv4_3.weight",)),
    ):
        model = small_model()
        model.pose = pose
        before = {name: weight.clone() for name, weight in pose.state_dict().items()}
        run_stage(2, replace(CONFIG, steps=1), model, small_figures(2), HERE, 1, small_styles())
        stayed = {name for name, weight in pose.state_dict().items() if torch.equal(weight, before[name])}
        learned = {name for name, _ in pose.named_parameters() if name in pose.trained_state()}
        assert not stayed & learned and stayed >= set(fixed) and len(learned) > len(list(pose.head.parameters()))


def test_without_a_3d_label_the_depth_network_stays_as_it_is():
    """L_depth would be 0, and what weight decay leaves of a gradient is scaled up to full steps by RMSprop."""
    model, figures = small_model(), small_figures(2)
    before = {name: weight.clone() for name, weight in model.depth.state_dict().items()}
    blind = FigureSet(figures.images, figures.keypoints, torch.full_like(figures.poses, torch.nan))
    record = run_stage(2, replace(CONFIG, steps=2), model, blind, HERE, 1, small_styles())
    assert all(torch.equal(weight, before[name]) for name, weight in model.depth.state_dict().items())
    assert "depth" not in record[-1] and record[-1]["keypoints"] > 0
    with pytest.raises(ValueError, match="every ratio of stage 2 is 0"):
        run_stage(2, replace(CONFIG, ratios=Ratios(keypoints=0)), model, blind, HERE, 1, small_styles())


def constant(monkeypatch) -> list[torch.optim.Optimizer]:
    """Every loss 1 with a gradient of 0; the optimizer of each step, as it is when the step is due."""
    seen = []

    def losses(model, stage, config, *_rest):
        parameter = next(p for own in map(model.networks.get, trained_in(stage, config)) for p in own.parameters()
                         if p.requires_grad)  # fmt: skip
        return NapaLosses({"style": 1.0 + 0.0 * parameter.sum()}, {"style": 1.0})

    monkeypatch.setattr(stages_run, "stage_losses", losses)
    monkeypatch.setattr(stages_run, "style_target", lambda *_: lambda rows: rows)
    monkeypatch.setattr(stages_run, "take_step", lambda optimizer, clip: seen.append(
        [dict(group) for group in optimizer.param_groups]))  # fmt: skip
    return seen


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_each_stage_descends_by_the_papers_rmsprop(number, monkeypatch):
    seen, model = constant(monkeypatch), small_model()
    run_stage(number, replace(CONFIG, steps=1), model, small_figures(2), HERE, 1, small_styles())
    rate = {1: 1e-4, 2: 5e-5, 3: 2.5e-5, 4: 1.25e-5}[number]
    names = stage_of(number).trained
    assert len(seen[0]) == len(names)
    for name, group in zip(names, seen[0], strict=True):
        network = model.pose.head if name == "G" else model.networks[name]
        assert {id(p) for p in group["params"]} == {id(p) for p in network.parameters()}
        assert (group["momentum"], group["weight_decay"], group["alpha"]) == (0.9, 1e-5, 0.99)
        assert group["initial_lr"] == pytest.approx(rate * (0.01 if name in ("VGG", "VGG'") else 1.0))


def test_the_bone_map_is_as_wide_and_as_soft_for_its_size_at_every_size():
    points = small_figures(2).keypoints
    for size in (56, 112):
        expected = render_bone_map(points, NAPA18, size, 20.0 * size / 224, size / 96)
        assert torch.equal(NapaModel.bone_map(None, points, size), expected)


def test_keypoints_are_the_expectation_over_the_whole_map():
    """Two equal peaks: the joint is in their middle, not on one of them."""
    maps = torch.full((1, 18, 8, 8), -1e4)
    maps[..., 2, 1] = maps[..., 2, 5] = 0.0
    found = NapaModel.keypoints_of(PosePrediction(torch.zeros(1, 18, 2), torch.zeros(1, 18), maps))
    middle = (torch.tensor([3.0, 2.0]) + 0.5) * STRIDE - 0.5
    torch.testing.assert_close(found, middle.expand(1, 18, 2))


def test_processes_share_a_steps_draw_in_all_it_tells():
    config = TrainingConfig(batch=6, real=0.5, seed=3)
    whole, parts = draw(7, config, 99, 24), [draw(7, config, 99, 24, rank, 3) for rank in range(3)]
    for name in ("figures", "styles", "real"):
        dealt = torch.stack([getattr(part, name) for part in parts], 1).flatten()
        assert torch.equal(dealt, getattr(whole, name))
    assert 0 < int(whole.real.sum()) < 6


@pytest.mark.parametrize("number", [1, 3])
def test_a_step_descends_the_drawn_figures_in_the_drawn_styles(number):
    """By hand: each picture in its style, its content kept, each term what lesson 01's loss says, and their means."""
    config = replace(CONFIG, steps=1, batch=4, passes=2, real=0.0)
    record = run_stage(number, config, small_model(), small_figures(), HERE, 1, small_styles())[0]
    drawn, styles, model = draw(0, config, 6, 3), small_styles(), small_model()
    assert len(drawn.styles.unique()) > 1
    content = small_figures().images[drawn.figures].float() / 255
    with torch.no_grad():
        output = model.stylizer(content, model.stylizer.style(styles.statistics[drawn.styles]))
        terms = StylizationLoss(model.features, CHEAP)(output, styles.pictures[drawn.styles], content).terms
    for name, value in terms.items():
        assert record[name] == pytest.approx(float(value.mean()), rel=1e-3), name


def test_fixed_vggs_are_not_trained_along():
    fixed = replace(CONFIG, fixed_features=True)
    assert [trained_in(stage_of(number), fixed) for number in (1, 4)] == [("F",), ("F", "G", "G'", "F'")]


def test_the_depth_network_learns_on_the_map_that_it_is_used_on():
    """The one of `lift`, to the pixel, also where a joint is missing; and L_depth has no say in the keypoints."""
    model, seen = small_model(), []
    points = small_figures(2).keypoints.requires_grad_()
    missing = torch.zeros_like(points, dtype=torch.bool)
    missing[0, [NAPA18.index("nose"), NAPA18.index("l_wrist")]] = True
    model.depth.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model.depths_of(points.masked_fill(missing, torch.nan))
    lift(points.masked_fill(missing, torch.nan), model.depth, model.standardizer)
    torch.testing.assert_close(seen[0], seen[1], rtol=0, atol=0)
    assert seen[0].any() and not seen[0].requires_grad


def test_the_rate_falls_where_the_loss_does_not(monkeypatch):
    """A constant loss: after `patience` steps without a fall the rate is halved, again and again, and on record."""
    seen = constant(monkeypatch)
    config = replace(CONFIG, steps=13, patience=5)
    record = run_stage(2, config, small_model(), small_figures(2), HERE, 1, small_styles())
    factors = [1.0] * 6 + [0.5] * 5 + [0.25] * 2  # of the 7th step and the 12th on: the first one is the best so far
    for step, (groups, factor) in enumerate(zip(seen, factors, strict=True)):
        corrected = groups[0]["lr"] / (1 - 0.99 ** (step + 1)) ** 0.5
        assert corrected == pytest.approx(5e-5 * factor), step
    assert [entry["rate"] for entry in record] == [*factors[1:], 0.25]  # as it is after the step


@pytest.mark.parametrize(("fall", "rate"), [(0.02, 1.0), (0.001, 0.25)])
def test_a_fall_of_less_than_one_per_cent_is_none(fall, rate):
    plateau = Plateau(0.5, 5)
    for step in range(11):
        plateau.see(torch.tensor((1 - fall) ** step))
    assert plateau.rate == rate


def test_the_loss_is_looked_at_in_windows_of_a_fifth_of_the_patience():
    """Noise that cancels within four steps is no fall: 20 steps after the first window the rate is lowered."""
    plateau, rates = Plateau(0.5, 20), []
    for step in range(24):
        plateau.see(torch.tensor((1.8, 0.2, 1.5, 0.5)[step % 4]))
        rates.append(plateau.rate)
    assert rates == [1.0] * 23 + [0.5]
