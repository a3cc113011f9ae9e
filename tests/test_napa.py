"""NAPA as one system: what reaches what, the joint loss, four stages that follow and resume, one or two processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napa_lib.engine import CheckpointError, load_tensors, save_tensors
from napa_lib.lifting import BoneStandardizer, DepthNet
from napa_lib.loop import HERE, Setup
from napa_lib.networks import VGG19Features
from napa_lib.networks.pose_net import PoseNet2D
from napa_lib.rendering import render_bone_map
from napa_lib.skeletons import NAPA18, REGRESSION_BONES
from napa_lib.style import LossRatios, TransformNet, cosine_loss, gram_matrix
from napa_lib.style.losses import CONTENT_LAYER, STYLE_LAYERS
from napa_lib.training import run as stages_run
from napa_lib.training import supervision
from napa_lib.training.figures import FigureSet
from napa_lib.training.objective import COORDINATES, GROUPS, SYMBOLS, NapaLosses, ratio_table
from napa_lib.training.plateau import Plateau
from napa_lib.training.reach import balance, gradient_lengths, gradient_reach
from napa_lib.training.run import draw, load_stage, run_stage, stage_losses, style_target
from napa_lib.training.stages import STAGES, Ratios, TrainingConfig, stage_of, trained_in
from napa_lib.training.system import NapaModel, Styles

ROOT = Path(__file__).parents[1]
SIZE = 32
CHEAP = LossRatios(style_entropy=0, srgb=0, hsv=0, content_entropy=0)  # what does not need the VGG's last block
CONFIG = TrainingConfig(steps=3, batch=2, ratios=Ratios(CHEAP))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Small pictures, one thread (another number may sum in another order)."""
    monkeypatch.setattr("napa_lib.training.stages.SIZES", {"paper": 224, "tiny": SIZE})
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def small_model() -> NapaModel:
    torch.manual_seed(0)
    spread = torch.ones(15, 3)
    return NapaModel(
        TransformNet("pool"), PoseNet2D(width=32), DepthNet("tiny"),
        BoneStandardizer(20 * spread, 100 * spread, spread[:, 0]),
    )  # fmt: skip


def small_figures(count: int = 6) -> FigureSet:
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(256, (count, 3, SIZE, SIZE), generator=generator, dtype=torch.uint8)
    keypoints = 4 + (SIZE - 8) * torch.rand(count, 18, 2, generator=generator)
    return FigureSet(images, keypoints, 300 * torch.randn(count, 18, 3, generator=generator))


def small_styles() -> Styles:
    generator = torch.Generator().manual_seed(2)
    return Styles(torch.rand(3, 3, SIZE, SIZE, generator=generator), torch.rand(3, 1920, generator=generator))


def losses_of(model: NapaModel, number: int, config: TrainingConfig = CONFIG, **kept) -> NapaLosses:
    """A stage's losses on two figures, with what is trained in it."""
    stage, styles = stage_of(number), small_styles()
    model.train_only(trained_in(stage, config))
    rows = torch.tensor([0, 2])
    target = style_target(model, styles, stage, config)(rows)
    return stage_losses(model, stage, config, small_figures().take(rows), target, styles.statistics[rows], **kept)


@pytest.fixture(scope="module")
def model():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield small_model()
    torch.set_num_threads(before)


# --- what reaches what -----------------------------------------------------------------------------------------------

REACHED = {  # NAPA, section 3.3: by stage and group, the networks that learn from a group's losses
    1: {"style": {"F", "VGG"}},
    2: {"keypoints": {"G"}, "depth": {"G'"}},
    3: {"style": {"F"}, "keypoints": {"F", "G"}, "depth": {"G'"}},
    4: {"style": {"F"}, "keypoints": {"F", "G"}, "depth": {"G'"}, "supervision": {"F", "G", "F'", "VGG'"}},
}


@pytest.mark.parametrize("number", REACHED)
def test_each_loss_reaches_what_it_must_and_nothing_else(model, number):
    reach = gradient_reach(losses_of(model, number), model.networks)
    groups = {term: group for group, terms in GROUPS.items() for term in terms if group != "pose"}
    for term, lengths in reach.items():
        expected = set(REACHED[number][groups.get(term, term)])
        if term == "total_variation":
            expected -= {"VGG"}  # it looks at the picture itself
        assert {name for name, length in lengths.items() if length > 0} == expected, term
        assert all(np.isfinite(list(lengths.values())))


def test_self_supervision_corrects_keypoints_through_reconstructor_and_bone_map(model):
    """Its gradient arrives at Y_2d, is gone where the bone map is cut off, and never enters O as its target."""
    stage, config, styles = stage_of(4), CONFIG, small_styles()
    model.train_only(stage.trained)
    rows = torch.tensor([0, 1])
    content = small_figures().images[rows].float() / 255
    passed = model(content, styles.statistics[rows], reconstruct=True)
    terms = supervision.supervision_losses(model.own_features, passed.reconstruction, passed.output)
    losses = NapaLosses(terms, ratio_table(config.ratios))
    for lengths in gradient_lengths(losses, {"keypoints": passed.keypoints, "map": passed.bone_map}).values():
        assert lengths["keypoints"] > 0 and lengths["map"] > 0
    cut = model.reconstructor(passed.bone_map.detach(), model.reconstructor.style(styles.statistics[rows]))
    terms = supervision.supervision_losses(model.own_features, cut, passed.output)
    places = {"keypoints": passed.keypoints, "O": passed.output}
    for lengths in gradient_lengths(NapaLosses(terms, ratio_table(config.ratios)), places).values():
        assert lengths == {"keypoints": 0.0, "O": 0.0}


def test_the_gradient_on_the_keypoints_is_the_slope(model):
    """Move all keypoints a little: the self supervision changes as its gradient says (float64, central difference)."""
    features = VGG19Features().double()
    reconstructor = TransformNet("pool").double()
    styles, points = small_styles().statistics[:1].double(), small_figures().keypoints[:1].double()
    output = torch.rand(1, 3, SIZE, SIZE, dtype=torch.float64, generator=torch.Generator().manual_seed(3))

    def loss(at):
        again = reconstructor(model.bone_map(at, SIZE), reconstructor.style(styles))
        return supervision.supervision_losses(features, again, output)["feature_sup"]

    at = points.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(at), at)
    way = torch.randn(points.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    slope = (loss(points + 1e-7 * way) - loss(points - 1e-7 * way)) / 2e-7
    np.testing.assert_allclose(float((gradient * way).sum()), float(slope.detach()), rtol=1e-4)


def test_bones_are_as_wide_as_in_the_released_code(model):
    points = 7 * small_figures(2).keypoints
    assert torch.equal(model.bone_map(points, 224), render_bone_map(points, NAPA18, 224, 20.0, 224 / 96))


def test_fixed_networks_stay_and_trained_ones_move():
    """After a step of each stage, weights have changed in what the stage trains and nowhere else, by the rate at most.

    Uncorrected, RMSprop's first step is ten times as long as its learning rate.
    """
    for stage in STAGES:
        model = small_model()
        before = {name: {n: t.clone() for n, t in net.state_dict().items()} for name, net in model.networks.items()}
        if stage.number == 4:
            before["F'"] = {n: t.clone() for n, t in model.stylizer.state_dict().items()}
        config = replace(CONFIG, steps=1, weight_decay=0.0)
        run_stage(stage.number, config, model, small_figures(), styles=small_styles())
        furthest = max(
            float((t - before[name][n]).abs().max()) for name in stage.trained
            for n, t in model.networks[name].state_dict().items()
        )  # fmt: skip
        assert furthest == pytest.approx(1e-4 * 0.5 ** (stage.number - 1), rel=0.1)
        moved = {
            name for name, net in model.networks.items()
            if any(not torch.equal(t, before[name][n]) for n, t in net.state_dict().items())
        }  # fmt: skip
        assert moved == set(stage.trained)
        backbone = {n: t for n, t in model.pose.state_dict().items() if n.startswith("vgg.")}
        assert all(torch.equal(t, before["G"][n]) for n, t in backbone.items())


# --- the losses ------------------------------------------------------------------------------------------------------


def test_self_supervision_in_numpy():
    features = VGG19Features()
    one, other = torch.rand(2, 2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    found = supervision.supervision_losses(features, one, other)
    a, b = (features(x, (*STYLE_LAYERS, CONTENT_LAYER)) for x in (one, other))
    style = np.zeros(2)
    for layer in STYLE_LAYERS:
        x, y = (m[layer].double().flatten(2).numpy() for m in (a, b))
        gram_x, gram_y = (np.einsum("bip,bjp->bij", m, m) / (m.shape[1] * m.shape[2]) for m in (x, y))
        style += ((gram_x - gram_y) ** 2).sum((1, 2))
    x, y = (m[CONTENT_LAYER].double().flatten(1).numpy() for m in (a, b))
    cosine = 1 - (x * y).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)
    np.testing.assert_allclose(float(found["style_sup"]), style.mean(), rtol=1e-4)
    np.testing.assert_allclose(float(found["cosine_sup"]), cosine.mean(), rtol=1e-4)
    np.testing.assert_allclose(float(found["feature_sup"]), ((x - y) ** 2).mean(1).mean(), rtol=1e-4)
    assert all(float(v) < 1e-3 for v in supervision.supervision_losses(features, one, one).values())
    with pytest.raises(ValueError, match="one shape"):
        supervision.supervision_losses(features, one, other[:1])


def test_the_joint_loss_is_table_2(model):
    """Ratios as printed in appendix table 2, and the total their weighted sum; L_2d in pixels over all coordinates, and
    L_depth the mean over all bones of what is missing in z, in standard deviations (100 mm here, about 20)."""
    printed = {"L_style": 1.0, "L_tv": 1.0, "L_sent": 1e9, "L_srgb": 200, "L_hsv": 300, "L_cos": 1000, "L_content": 1.0,
               "L_cent": 1e6, "L_2d": 1.0, "L_depth": 1000, "L_style_sup": 0.0035, "L_cos_sup": 0.0035,
               "L_feat_sup": 0.0035}  # fmt: skip
    table = {SYMBOLS[name]: ratio for name, ratio in ratio_table(Ratios()).items() if name != "feature"}
    assert table == printed
    losses = losses_of(model, 4, replace(CONFIG, ratios=Ratios()))
    assert {SYMBOLS[name] for name in losses.terms} == set(printed)
    expected = sum(ratio_table(Ratios())[name] * float(value.detach()) for name, value in losses.terms.items())
    np.testing.assert_allclose(float(losses.total.detach()), expected, rtol=1e-5)

    rows, styles = torch.tensor([0, 2]), small_styles()
    with torch.no_grad():
        passed = model(small_figures().images[rows].float() / 255, styles.statistics[rows])
    distance = (passed.keypoints - small_figures().keypoints[rows]).abs().numpy()
    np.testing.assert_allclose(float(losses.terms["keypoints"].detach()), distance.sum((1, 2)).mean(), rtol=1e-4)
    assert COORDINATES == 36
    ends, starts = (list(side) for side in zip(*REGRESSION_BONES, strict=True))
    z = small_figures().poses[rows, :, 2].numpy()
    missing = passed.depths.numpy() - (z[:, ends] - z[:, starts] - 20) / 100
    np.testing.assert_allclose(float(losses.terms["depth"].detach()), np.abs(missing).mean(), rtol=1e-4)


def test_terms_without_ratio_are_not_computed(model, monkeypatch):
    monkeypatch.setattr(VGG19Features, "forward", lambda *_: pytest.fail("nothing here needs a VGG"))
    config = replace(CONFIG, ratios=Ratios(CHEAP, supervision=0))
    sides = ((256, SIZE // 4), (512, SIZE // 8), (512, SIZE // 16))
    monkeypatch.setattr(model.pose, "features", lambda x: tuple(x.new_zeros(len(x), c, s, s) for c, s in sides))
    assert set(losses_of(model, 2, config).terms) == {"keypoints", "depth"}
    with pytest.raises(ValueError, match="ratio supervision"):
        Ratios(supervision=-1)


def test_pictures_without_3d_labels_have_no_depth_loss(model):
    figures, styles, stage = small_figures(), small_styles(), stage_of(2)
    blind = FigureSet(figures.images, figures.keypoints, torch.full_like(figures.poses, torch.nan))
    model.train_only(stage.trained)
    rows = torch.tensor([0, 1])
    losses = stage_losses(model, stage, CONFIG, blind.take(rows), styles.pictures[rows], styles.statistics[rows])
    assert float(losses.terms["depth"].detach()) == 0.0 and float(losses.terms["keypoints"].detach()) > 0


def test_real_pictures_take_the_place_of_stylised_ones(model):
    """Section 4.5: where a picture is to stay real, G sees I, and its loss says nothing to F."""
    both = losses_of(model, 3, real=torch.tensor([True, True]))
    assert gradient_reach(both, model.networks)["keypoints"]["F"] == 0.0
    one = losses_of(model, 3, real=torch.tensor([True, False]))
    assert gradient_reach(one, model.networks)["keypoints"]["F"] > 0.0
    shares = [draw(step, TrainingConfig(batch=10, real=0.3), 5, 3).real.float().mean() for step in range(200)]
    assert abs(float(torch.stack(shares).mean()) - 0.3) < 0.03


def test_the_balance_board(model):
    rows, stage, styles = torch.tensor([0, 1]), stage_of(3), small_styles()
    model.train_only(stage.trained)
    content = small_figures().images[rows].float() / 255
    passed = model(content, styles.statistics[rows])
    gram = sum((gram_matrix(m) ** 2).sum() for m in model.features(passed.output, ("relu1_1",)).values())
    losses = NapaLosses(
        {"style": gram, "cosine": cosine_loss(passed.output, content).mean()}, {"style": 2.0, "cosine": 5.0}
    )
    board = {row[0]: row[1:] for row in balance(losses, passed.output)}
    (gradient,) = torch.autograd.grad(2 * gram, passed.output)
    np.testing.assert_allclose(board["style"], [gram.item(), 2.0, 2 * gram.item(), float(gradient.norm())], rtol=1e-5)


# --- the stages ------------------------------------------------------------------------------------------------------


def test_stages_follow_one_another(tmp_path):
    """Each starts from the last one's checkpoint; others are refused before the first step, and nothing is changed."""
    model, figures, styles = small_model(), small_figures(), small_styles()
    config = replace(CONFIG, steps=1)
    for number in (1, 2):
        path = tmp_path / f"{number}.safetensors"
        record = run_stage(number, config, model, figures, Setup(checkpoint=path), styles=styles)
        assert record[-1]["step"] == 1 and record[-1]["total"] > 0
    fresh = small_model()
    load_stage(fresh, tmp_path / "2.safetensors", 2)
    for name in ("F", "VGG", "G", "G'"):
        own, trained = fresh.networks[name].state_dict(), model.networks[name].state_dict()
        assert all(torch.equal(own[n], trained[n]) for n in own)
    fresh = small_model()
    before = {n: t.clone() for n, t in fresh.state_dict().items()}
    with pytest.raises(CheckpointError, match="of stage 1, expected stage 2"):
        load_stage(fresh, tmp_path / "1.safetensors", 2)
    tensors, header = load_tensors(tmp_path / "2.safetensors")
    settings = json.loads(header["settings"])
    save_tensors(tmp_path / "old.safetensors", tensors, {**header, "settings": json.dumps({**settings, "version": 0})})
    with pytest.raises(CheckpointError, match="has version 0"):
        load_stage(fresh, tmp_path / "old.safetensors", 2)
    save_tensors(tmp_path / "other.safetensors", {"x": torch.ones(1)})
    for path in ("other.safetensors", "none.safetensors"):
        with pytest.raises(CheckpointError, match="no checkpoint of a training|readable"):
            load_stage(fresh, tmp_path / path, 2)
    assert all(torch.equal(t, before[n]) for n, t in fresh.state_dict().items())
    with pytest.raises(CheckpointError, match="stage is napa 2, expected napa 3"):
        run_stage(3, config, model, figures, Setup(checkpoint=tmp_path / "2.safetensors"), styles=styles)


def test_bad_settings_are_refused_before_the_first_step(model):
    with pytest.raises(ValueError, match="stage must be 1, 2, 3 or 4, got 5"):
        run_stage(5, CONFIG, model, small_figures())
    with pytest.raises(ValueError, match="32 pixels wide"):
        images = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
        run_stage(1, CONFIG, model, FigureSet(images, torch.zeros(1, 18, 2), torch.zeros(1, 18, 3)))
    with pytest.raises(ValueError, match="multiple of the 2 processes"):
        draw(0, TrainingConfig(batch=3), 5, 3, 0, 2)
    for change in ({"preset": "huge"}, {"batch": 0}, {"learning_rate": 2.0}, {"real": 1.5}):
        with pytest.raises(ValueError):
            replace(CONFIG, **change)
    with pytest.raises(ValueError, match="style code"):
        NapaModel(TransformNet("instance"), model.pose, model.depth, model.standardizer)


def test_the_reconstructor_starts_as_the_stylizer():
    model = small_model()
    with torch.no_grad():
        model.stylizer.last.weight.add_(1.0)
    config = replace(CONFIG, steps=1, ratios=Ratios(CHEAP, supervision=0))  # so that nothing moves it
    style = {n: t.clone() for n, t in model.stylizer.state_dict().items()}
    run_stage(4, config, model, small_figures(), styles=small_styles())
    assert all(torch.equal(t, style[n]) for n, t in model.reconstructor.state_dict().items())


def test_the_learning_rate_falls_by_stage_and_on_a_plateau(monkeypatch):
    rates = {}
    for number in (1, 2):
        seen = []
        monkeypatch.setattr(stages_run, "take_step", lambda optimizer, *_, seen=seen: seen.append(
            optimizer.param_groups[0]["lr"]))  # fmt: skip
        run_stage(number, replace(CONFIG, steps=7, patience=5), small_model(), small_figures(2), styles=small_styles())
        rates[number] = [lr / (1 - 0.99 ** (i + 1)) ** 0.5 for i, lr in enumerate(seen)]
    assert rates[1][0] == pytest.approx(1e-4) and rates[2][0] == pytest.approx(5e-5)
    plateau = Plateau(0.5, 5)
    for loss in (9.0, 8.0, 7.0, 7.0, 7.0, 7.0, 7.0, 7.0, 6.0):
        plateau.see(torch.tensor(loss))
    assert plateau.rate == 0.5  # five steps without a fall, once
    assert int(plateau.waited) == 0 and float(plateau.best) == 6.0


def test_a_broken_loss_or_a_full_disk_stops_the_stage(tmp_path, monkeypatch):
    model, figures, styles, path = small_model(), small_figures(), small_styles(), tmp_path / "c.safetensors"
    run_stage(2, replace(CONFIG, steps=1), model, figures, Setup(checkpoint=path), styles=styles)
    with monkeypatch.context() as patch, pytest.raises(FloatingPointError, match="keeps step 1"):
        patch.setattr("napa_lib.training.objective.integral_loss", lambda *_: torch.tensor(torch.nan))
        run_stage(2, CONFIG, model, figures, Setup(checkpoint=path), styles=styles)

    def full(*_args, **_more):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="it keeps step 1"):
        patch.setattr("napa_lib.checkpoints.save_checkpoint", full)
        run_stage(2, CONFIG, small_model(), figures, Setup(checkpoint=path), styles=styles)
    record = run_stage(2, CONFIG, small_model(), figures, Setup(checkpoint=path), styles=styles)
    assert [entry["step"] for entry in record] == [1, 3]


def train_and_die(checkpoint: str) -> None:
    """Stage 3, killed at step 2 before its checkpoint: what is left is that of step 1."""
    import napa_lib.training.stages as stages

    def die(entry: dict) -> None:
        if entry["step"] == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    torch.set_num_threads(1)
    stages.SIZES["tiny"] = SIZE
    setup = Setup(checkpoint=Path(checkpoint), tell=die)
    run_stage(3, CONFIG, small_model(), small_figures(), setup, 1, small_styles())


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is Unix's")
def test_a_killed_stage_goes_on_bit_for_bit(tmp_path):
    path = tmp_path / "c.safetensors"
    code = "import sys; sys.path.insert(0, 'tests'); import test_napa; test_napa.train_and_die(sys.argv[1])"
    killed = subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, timeout=300)
    assert killed.returncode == -signal.SIGKILL and load_tensors(path)[1]["step"] == "1"
    (tmp_path / ".c.0a_z9xyz.safetensors").touch()  # as a kill in the middle of a checkpoint leaves it
    other = tmp_path / "c.0a_z9xyz.safetensors"
    other.touch()
    resumed, whole = small_model(), small_model()
    record = run_stage(3, CONFIG, resumed, small_figures(), Setup(checkpoint=path), 1, small_styles())
    assert sorted(tmp_path.iterdir()) == [other, path]
    expected = run_stage(3, CONFIG, whole, small_figures(), HERE, 1, small_styles())
    for name, tensor in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], tensor), name
    for found, entry in zip(record, expected, strict=True):
        assert all(found[n] == entry[n] for n in entry if n != "seconds")


def train_together(out: str) -> None:
    """Stage 3 in as many processes as there are; the first one writes its record."""
    import napa_lib.training.stages as stages

    torch.set_num_threads(1)
    stages.SIZES["tiny"] = SIZE
    record = run_stage(3, CONFIG, small_model(), small_figures(), HERE, 1, small_styles())
    if os.environ.get("RANK", "0") == "0":
        Path(out).write_text(json.dumps(record))


def test_two_passes_get_one_pass_s_losses(tmp_path):
    """Gradients add up: a batch in two passes is the batch in one, and a run may go on with another number of them."""
    alone = run_stage(3, CONFIG, small_model(), small_figures(), HERE, 1, small_styles())
    kept = Setup(checkpoint=tmp_path / "c.safetensors")
    run_stage(3, replace(CONFIG, steps=1), small_model(), small_figures(), kept, 1, small_styles())
    parts = run_stage(3, replace(CONFIG, passes=2), small_model(), small_figures(), kept, 1, small_styles())
    for found, entry in zip(parts, alone, strict=True):
        for name in entry.keys() - {"seconds"}:
            assert found[name] == pytest.approx(entry[name], rel=2e-3), name
    with pytest.raises(ValueError, match="evenly"):
        run_stage(3, replace(CONFIG, passes=3), small_model(), small_figures(), styles=small_styles())


LAUNCHERS = {  # `--multi_gpu` makes processes where there is no GPU, too; with `--cpu` Accelerate starts only one
    "torchrun": "torch.distributed.run --standalone --nproc-per-node 2",
    "accelerate": "accelerate.commands.launch --multi_gpu --num_processes 2 --num_machines 1 --mixed_precision no "
    "--dynamo_backend no --main_process_port 0",
}


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_two_processes_get_one_process_s_losses(tmp_path, launcher):
    script, out = tmp_path / "go.py", tmp_path / "record.json"
    script.write_text("import sys; import test_napa; test_napa.train_together(sys.argv[1])")
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths, "NAPA_PROGRESS_BAR": "off"}
    command = [sys.executable, "-m", *LAUNCHERS[launcher].split(), str(script)]
    done = subprocess.run([*command, str(out)], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    together = json.loads(out.read_text())
    alone = run_stage(3, CONFIG, small_model(), small_figures(), HERE, 1, small_styles())
    assert [entry["step"] for entry in together] == [1, 2, 3]
    for found, entry in zip(together, alone, strict=True):
        for name in entry.keys() - {"seconds"}:
            assert found[name] == pytest.approx(entry[name], rel=2e-3), name
