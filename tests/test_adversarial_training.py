"""Chapter 4's worlds, trainings and measurements: labels stay where they belong, steps do what eq. 3 and 5 say."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import pytest
import torch

from napa_lib import adversarial as a
from napa_lib import results
from napa_lib.adversarial import experiments
from napa_lib.adversarial.evaluate import _bone
from napa_lib.adversarial.train import CollapseWatch
from napa_lib.data import load_art_figures, load_mocap_poses, to_camera
from napa_lib.data.clips import to_unit
from napa_lib.data.crops import crop_matrices, to_crop
from napa_lib.data.synthetic import load_synthetic
from napa_lib.engine import load_tensors
from napa_lib.experiments import chain
from napa_lib.loop import Setup, adam
from napa_lib.metrics import mpjpe
from napa_lib.rendering import render_skeleton
from napa_lib.skeletons import ART14, H36M17, convert, flip

SMALL = a.ModelConfig(size=64, channels=8, critic_channels=4, embedding=16)
CONFIG = a.TrainingConfig(SMALL, steps=4, batch=8, every=2, learning_rate=2e-3)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Statistics of normalisation from two batches: their passes are most of a short training."""
    monkeypatch.setattr("napa_lib.adversarial.train.SETTLING", 2)


def world(count: int = 12, seed: int = 0, size: int = 64) -> a.Domain:
    """White stick figures from motion capture, seen by a camera of focal length 2 sides, 3 to 6 m away."""
    generator = torch.Generator().manual_seed(seed)
    poses = load_mocap_poses("validation")
    poses = poses[torch.randint(len(poses), (count,), generator=generator)]
    seen = convert(to_camera(poses, 6.28 * torch.rand(count, generator=generator)), "NAPA18", "H36M17")
    seen = seen + torch.tensor([0.0, 0.0, 1.0]) * (4500 + 1500 * torch.rand(count, 1, 1, generator=generator))
    camera = torch.tensor([1.7 * size, 0.52 * size, 0.49 * size]).expand(count, 3)
    pixels = camera[:, None, :1] * seen[..., :2] / seen[..., 2:] + camera[:, None, 1:]
    keypoints = to_unit(pixels, size)
    drawn = render_skeleton(keypoints, H36M17.bones, size, 150.0).expand(-1, 3, -1, -1)
    return a.Domain((255 * drawn).round().to(torch.uint8), keypoints, "H36M17", seen, camera)


# --- worlds -----------------------------------------------------------------------------------------------------------


def test_true_keypoints_and_depths_are_the_true_pose():
    domain = world()
    pose = torch.cat([domain.keypoints, domain.depths[..., None]], -1)
    torch.testing.assert_close(domain.to_millimetres(pose), domain.poses, atol=0.05, rtol=1e-5)
    assert not domain.depths[:, H36M17.root].any()
    further = domain.poses[0, 3, 2] - domain.poses[0, 0, 2]  # mm
    pixels = further * domain.cameras[0, 0] / domain.poses[0, 0, 2]
    assert float(domain.depths[0, 3]) == pytest.approx(float(pixels) / 31.5, rel=1e-4)


def test_protocol_1_aligns_the_depth_of_the_root_and_nothing_else():
    domain, away = world(6), torch.tensor([0.1, -0.05])
    pose = torch.cat([domain.keypoints, domain.depths[..., None]], -1)
    nearer = pose - torch.tensor([0.0, 0.0, 0.4])  # the whole body, estimated root included
    torch.testing.assert_close(domain.to_millimetres(nearer), domain.poses, atol=0.05, rtol=1e-5)
    assert a.measure(nearer, domain)["mpjpe"]["all"] < 0.1
    beside = torch.cat([domain.keypoints + away, domain.depths[..., None]], -1)
    off = float((float(away.norm()) * 31.5 * domain.poses[..., 2] / domain.cameras[:, :1]).mean())  # mm, root included
    assert a.measure(beside, domain)["mpjpe"]["all"] == pytest.approx(off, rel=1e-3)


def test_protocol_2_turns_and_moves_a_pose_and_does_not_scale_it():
    domain = world(6)
    pose = torch.cat([domain.keypoints, domain.depths[..., None]], -1)
    found = a.measure(pose, domain)
    assert found["rigid_mpjpe"]["all"] < 0.1 and found["pa_mpjpe"]["all"] < 0.1
    middle = domain.poses.mean(1, keepdim=True)
    seen = domain.poses + 0.3 * (domain.poses - middle)  # 1.3 times as large, round the same place
    root = seen[:, :1, 2]
    xy = to_unit(domain.cameras[:, None, :1] * seen[..., :2] / seen[..., 2:] + domain.cameras[:, None, 1:], 64)
    moved = replace(
        domain, poses=domain.poses + torch.tensor([0.0, 0.0, 1.0]) * (root - domain.poses[:, :1, 2])[..., None]
    )
    z = (seen[..., 2] - root) * (domain.cameras[:, 0] / root[:, 0] / 31.5)[:, None]
    found = a.measure(torch.cat([xy, z[..., None]], -1), moved)
    assert found["pa_mpjpe"]["all"] < 0.5
    size = float((domain.poses - middle).norm(dim=-1).mean())
    assert found["rigid_mpjpe"]["all"] == pytest.approx(0.3 * size, rel=0.01)


def test_the_head_and_the_trunk_are_no_part_of_pckh():
    domain = world(6)
    pose = torch.cat([domain.keypoints, domain.depths[..., None]], -1)
    pose[:, [H36M17.index(name) for name in ("head", "nose", "neck", "torso", "pelvis")], :2] += 5.0
    assert a.measure(pose, domain)["pckh"] == 100
    pose[:, H36M17.index("l_wrist"), :2] += 5.0
    assert a.keypoint_rate(pose[..., :2], domain) == pytest.approx(100 * 11 / 12)


def test_a_world_without_3d_labels_says_so():
    domain = world(2).without_3d()
    assert domain.depths.isnan().all()
    for ask in (lambda: domain.head_sizes, lambda: domain.to_millimetres(torch.zeros(2, 17, 3))):
        with pytest.raises(ValueError, match="3D|cameras"):
            ask()
    with pytest.raises(ValueError, match="lab must have 3D labels"):
        a.train_estimator(CONFIG, domain, domain)


@pytest.mark.parametrize(
    "change",
    [{"images": torch.zeros(0, 3, 64, 64, dtype=torch.uint8)}, {"images": torch.zeros(2, 3, 64, 64)},
     {"keypoints": torch.zeros(2, 16, 2)}, {"cameras": None}, {"poses": torch.zeros(3, 17, 3)}],
)  # fmt: skip
def test_worlds_that_are_empty_or_do_not_fit_are_refused(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        replace(world(2), **change)


def test_the_worlds_that_ship():
    lab, unseen = a.open_domain("lab:validation", 64), a.open_domain("unseen:validation", 64)
    assert len(lab) == 639 and len(unseen) == 232 and not lab.keypoints.isnan().any()
    for world in (lab, unseen):  # of 64 pixels, and of 128 made smaller
        truth = torch.cat([world.keypoints, world.depths[..., None]], -1)
        assert float(mpjpe(world.to_millimetres(truth), world.poses).total) < 0.2
    for name in ("unseen:train", "lab", "lab:all", "forest:test"):
        with pytest.raises(ValueError, match="name must be one of lab:train"):
            a.open_domain(name, 64)


def test_nothing_in_the_wild_is_labelled_in_3d(monkeypatch):
    monkeypatch.setattr(
        "napa_lib.adversarial.domains.load_synthetic", lambda split, setting: load_synthetic("validation", setting)
    )  # the training split takes seconds to unpack
    assert a.open_domain("wild:train", 64).poses is None and a.open_domain("lab:train", 64).poses is not None


def test_a_batch_is_half_from_the_lab_and_labels_follow_their_mirrored_pictures():
    lab, wild = world(6), world(6, seed=1).without_3d()
    batch = next(a.batches([lab, wild], 12, torch.Generator().manual_seed(3)))
    assert batch.depths[:6].isfinite().all() and batch.depths[6:].isnan().all()
    x, y = ((batch.keypoints + 1) * 31.5).round().long().clamp(0, 63).unbind(-1)
    at_joints = batch.image[torch.arange(12)[:, None], 0, y, x]
    assert at_joints.min() > 0.6  # bones are white, and joints lie on them
    right = H36M17.index("r_wrist"), H36M17.index("l_wrist")
    original = torch.cat([lab.keypoints, wild.keypoints])
    mirrored = 0
    for pose in batch.keypoints:
        as_is = (original - pose).abs().amax((1, 2)).min() < 1e-6
        other = (original[:, right[1]] * torch.tensor([-1.0, 1.0]) - pose[right[0]]).abs().amax(1).min() < 1e-6
        assert as_is != other
        mirrored += int(other)
    assert 0 < mirrored < 12


@pytest.mark.parametrize("domains, count, word", [([], 8, "domains"), ([0, 1], 7, "count"), ([0, 2], 8, "one size")])
def test_batches_need_domains_that_fit(domains, count, word):
    made = world(2), world(2, seed=1), world(2, size=128)
    with pytest.raises(ValueError, match=word):
        next(a.batches([made[i] for i in domains], count, torch.Generator()))


# --- training ---------------------------------------------------------------------------------------------------------


def parts(sources=a.SOURCES, seed: int = 0):
    torch.manual_seed(seed)
    model, critic = a.Generator(SMALL).train(), a.MultiSourceDiscriminator(sources, SMALL)
    adams = {"generator": adam(model.parameters(), 1e-3, (0.9, 0.999)),
             "critic": adam(critic.parameters(), 1e-3, (0.5, 0.999))}  # fmt: skip
    batch = next(a.batches([world(8), world(8, seed=1).without_3d()], 8, torch.Generator().manual_seed(1)))
    return model, critic, adams, batch


def test_without_lambda_the_adversarial_step_is_the_supervised_one():
    model, critic, adams, batch = parts()
    other, _, others, _ = parts()
    a.adversarial_step(model, critic, adams, batch, replace(CONFIG, adversarial=0.0))
    a.supervised_step(other, others, batch, CONFIG)
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=0)


def test_the_estimator_goes_down_eq_5_and_the_discriminator_down_eq_3():
    config = replace(CONFIG, adversarial=0.7, clip=1e9)
    model, critic, adams, batch = parts()
    twin, judge = copy.deepcopy(model), copy.deepcopy(critic)
    found = twin(batch.image)
    shown = a.evidence_of_estimate(batch.image, found)
    p = judge(shown).sigmoid()
    heatmaps, depths = a.pose_losses(found, batch.keypoints, batch.depths)
    (heatmaps + config.depth * depths - 0.7 * p.log().mean()).backward()
    half = a.evidence_of_pose(batch.image[:4], batch.pose[:4])
    fakes = a.Evidence(*(getattr(shown, name)[::2].detach() for name in a.SOURCES))
    spread = torch.cat([judge(half), judge(fakes)]).std()
    judge.zero_grad()
    (-judge(half).sigmoid().log().mean() - (1 - judge(fakes).sigmoid()).log().mean()).backward()

    losses = a.adversarial_step(model, critic, adams, batch, config)
    for mine, expected in ((model, twin), (critic, judge)):
        for (name, one), two in zip(mine.named_parameters(), expected.parameters(), strict=True):
            scale = float(two.grad.abs().max())
            torch.testing.assert_close(one.grad, two.grad, rtol=1e-3, atol=1e-5 + 1e-3 * scale, msg=name)
    assert float(losses["fooling"].detach()) == pytest.approx(-float(p.log().mean().detach()), rel=1e-4)
    assert float(losses["spread"]) == pytest.approx(float(spread.detach()), rel=1e-3)


def test_the_discriminator_learns_to_tell_and_the_estimator_to_fool():
    model, critic, adams, batch = parts(("descriptor",))
    adams["critic"].param_groups[0]["lr"] = 5e-3
    for _ in range(20):
        losses = a.adversarial_step(model, critic, adams, batch, replace(CONFIG, adversarial=0.0))
    assert losses["true"] > 0.9 > 0.1 > losses["estimated"]
    adams["critic"].param_groups[0]["lr"] = 0.0
    before = float(losses["fooling"].detach())
    for _ in range(20):
        losses = a.adversarial_step(model, critic, adams, batch, replace(CONFIG, adversarial=1.0))
    assert float(losses["fooling"].detach()) < 0.8 * before


def test_trainings_learn_and_the_2d_module_can_be_kept():
    lab, wild = world(12), world(12, seed=1).without_3d()
    model, record = a.pretrain_2d(replace(CONFIG, steps=16, every=8, learning_rate=5e-3), wild)
    assert record[-1]["heatmaps"] < 0.7 * record[0]["heatmaps"]
    kept, critic, record = a.train_estimator(
        replace(CONFIG, steps=16, every=8, fix_2d=True, sources=(), learning_rate=5e-3), lab, wild, start=model
    )
    assert critic is None and record[-1]["depths"] < record[0]["depths"]
    for one, two in zip(kept.hourglass.parameters(), model.hourglass.parameters(), strict=True):
        assert torch.equal(one, two)
    with pytest.raises(ValueError, match="start must be"):
        a.train_estimator(replace(CONFIG, model=replace(SMALL, channels=4)), lab, wild, start=model)
    with pytest.raises(ValueError, match="wild must be of 64 px"):
        a.train_estimator(CONFIG, lab, world(2, size=128))


@pytest.mark.parametrize("sources", [(), ("picture", "descriptor")])
def test_an_interrupted_training_ends_the_same(tmp_path, sources):
    lab, wild = world(8), world(8, seed=1).without_3d()
    config = replace(CONFIG, sources=sources, every=1, batch=4, steps=3)
    whole, judge, _ = a.train_estimator(config, lab, wild)
    setup = Setup(checkpoint=tmp_path / "c.safetensors", tell=Stop(2))
    with pytest.raises(KeyboardInterrupt):
        a.train_estimator(config, lab, wild, setup)
    again, critic, record = a.train_estimator(config, lab, wild, replace(setup, tell=lambda entry: None))
    assert [entry["step"] for entry in record] == [1, 2, 3]
    for one, two in zip(whole.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(one, two)
    for one, two in zip(judge.parameters() if judge else (), critic.parameters() if critic else (), strict=True):
        assert torch.equal(one, two)


class Stop:
    """Somebody who presses Ctrl-C at a certain step, once the entry before it is in the checkpoint."""

    def __init__(self, step: int) -> None:
        self.step = step

    def __call__(self, entry: dict) -> None:
        if entry["step"] == self.step:
            raise KeyboardInterrupt


def test_a_collapsed_discriminator_is_reported_and_the_training_can_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr("napa_lib.adversarial.train.CollapseWatch", lambda: CollapseWatch(3))
    lab, wild, file = world(4), world(4, seed=1).without_3d(), tmp_path / "c.safetensors"
    config = replace(CONFIG, steps=4, batch=4, every=1)
    silent = a.MultiSourceDiscriminator.forward
    monkeypatch.setattr(a.MultiSourceDiscriminator, "forward", lambda self, shown: 0.0 * silent(self, shown))
    with pytest.raises(FloatingPointError, match="has collapsed.*at step 2.*keeps step 2"):
        a.train_estimator(config, lab, wild, Setup(checkpoint=file))
    monkeypatch.setattr(a.MultiSourceDiscriminator, "forward", silent)
    _, _, record = a.train_estimator(config, lab, wild, Setup(checkpoint=file))
    assert record[-1]["step"] == 4 and load_tensors(file)[1]["step"] == "4"


def test_the_watch_starts_anew_when_poses_are_told_apart():
    watch = CollapseWatch(2)
    for spread in (0.0, 1.0, 0.0, 1.0, 0.0):
        watch({"spread": torch.tensor(spread)})
    with pytest.raises(a.CollapseError):
        watch({"spread": torch.tensor(0.0)})


def test_the_command_trains_a_row_and_what_it_shares(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(experiments, "open_domain", lambda name, size, most=None: world(8, seed=len(name)))
    monkeypatch.setitem(experiments.PRESETS, "tiny", SMALL)
    common = [f"--runs={tmp_path}", "--steps-2d=2", "--steps-pretraining=2", "--steps=2", "--batch=4", "--every=2",
              "--split=validation", "--seeds", "0", "--rows"]  # fmt: skip
    experiments.main([*common, "geo", f"--results={tmp_path}", f"--models={tmp_path}"])
    found = results.read(tmp_path / "geo_0.json")
    assert found["row"] == "Geo" and found["errors"]["wild"]["mpjpe"]["lower legs"] > 0
    assert [entry["step"] for entry in found["record"]] == [2, 4] and found["record"][-1]["mpjpe_lab"] > 0
    assert a.load_model(tmp_path / "geo_0.safetensors")[1].sources == ("picture", "descriptor")
    times = {p.name: p.stat().st_mtime_ns for p in tmp_path.glob("*.checkpoint.safetensors")}
    experiments.main([*common, "baseline", "full_without_pretraining", f"--models={tmp_path}"])
    later = {p.name: p.stat().st_mtime_ns for p in tmp_path.glob("*.checkpoint.safetensors")}
    assert all(later[name] == time for name, time in times.items())
    parts = ("baseline_0", "full_without_pretraining_first_0", "full_without_pretraining_0")
    assert set(later) - set(times) == {f"{name}.checkpoint.safetensors" for name in parts}
    for name in parts:
        assert load_tensors(tmp_path / f"{name}.checkpoint.safetensors")[1]["step"] == "2"
    assert a.load_model(tmp_path / "full_without_pretraining_0.safetensors")[1].sources == a.SOURCES
    assert "Geo, seed 0: lab" in capsys.readouterr().out


def test_what_rows_share_has_results_of_its_own(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(experiments, "open_domain", lambda name, size, most=None: world(8, seed=len(name)))
    monkeypatch.setitem(experiments.PRESETS, "tiny", SMALL)
    experiments.main([
        f"--runs={tmp_path}", "--steps-2d=3", "--steps-pretraining=2", "--steps=2", "--batch=4", "--every=2",
        "--split=validation", f"--results={tmp_path}", "--seeds", "1", "2", "--rows", "pretrained", "module_2d",
    ])  # fmt: skip
    assert {p.name for p in tmp_path.glob("*.json")} == {"module_2d.json", "pretrained_1.json", "pretrained_2.json"}
    module, depths = results.read(tmp_path / "module_2d.json"), results.read(tmp_path / "pretrained_2.json")
    assert (module["seed"], module["steps"], depths["seed"], depths["steps"]) == (0, 3, 2, 2)
    assert (
        module["record"][-1]["pckh_wild"] == module["errors"]["wild"]["pckh"] and "mpjpe" not in module["errors"]["lab"]
    )
    assert depths["errors"]["lab"]["rigid_mpjpe"]["all"] > 0 and "mpjpe_lab" in depths["record"][-1]
    assert capsys.readouterr().out.count("2D module, seed 0: lab PCKh") == 1


def test_what_a_run_starts_from_is_listed_before_it():
    runs = [run.name for run in chain(experiments.EXPERIMENTS)]
    assert runs[0] == "module_2d" and runs.index("pretrained_fix_2d 2") < runs.index("baseline_fix_2d 0")
    for name, row in experiments.ALL_ROWS.items():
        expected = "pretrained_fix_2d" if row.fix_2d else "pretrained" if row.pretrained else "module_2d"
        assert experiments.EXPERIMENTS[name].after == (expected,)
    assert "--seeds 0 --results" in experiments.EXPERIMENTS["module_2d"].command


def test_a_judge_can_go_on_if_it_sees_the_same():
    lab, wild = world(8), world(8, seed=1)
    torch.manual_seed(5)
    judge = a.MultiSourceDiscriminator(("descriptor",), SMALL)
    config = replace(CONFIG, sources=("descriptor",), steps=1, every=1, critic_learning_rate=1e-9)
    _, critic, _ = a.train_estimator(config, lab, wild, judge=judge)
    for one, two in zip(critic.parameters(), judge.parameters(), strict=True):
        torch.testing.assert_close(one, two, atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match="judge must see the config's sources"):
        a.train_estimator(replace(config, sources=("picture",)), lab, wild, judge=judge)


# --- measurements -----------------------------------------------------------------------------------------------------


def test_errors_are_told_action_by_action_and_every_action_counts_alike():
    some = replace(world(4), actions=("Sitting", "Walking", "Walking", "Walking"))
    truth = torch.cat([some.keypoints, some.depths[..., None]], -1)
    off = truth.clone()
    off[0, 5, 2] += 0.3  # one joint of the one who sits
    errors = a.measure(off, some)
    sits, walks = a.measure(off[:1], some.take(slice(1))), a.measure(off[1:], some.take(torch.tensor([1, 2, 3])))
    assert set(errors["actions"]) == {"Sitting", "Walking", "mean"} and "actions" not in a.measure(off, world(4))
    for protocol in ("mpjpe", "rigid_mpjpe"):
        one, other = (errors["actions"][name][protocol] for name in ("Sitting", "Walking"))
        assert (one, other) == pytest.approx((sits[protocol]["all"], walks[protocol]["all"]), abs=1e-3)
        assert errors["actions"]["mean"][protocol] == pytest.approx((one + other) / 2)
    sitting, mean, walking = (errors["actions"][name]["mpjpe"] for name in ("Sitting", "mean", "Walking"))
    assert sitting > mean > errors["mpjpe"]["all"] > walking  # three in four walk


def test_pck_counts_what_is_within_150_mm_of_poses_whose_roots_lie_together(monkeypatch):
    """Table 4, as Mehta et al. count."""
    some = world(3)
    flat = torch.cat([some.keypoints, some.depths[..., None]], -1)

    def measured(found: torch.Tensor) -> dict:
        monkeypatch.setattr(a.Domain, "to_millimetres", lambda domain, pose: found)
        return a.measure(flat, some)

    beside = measured(some.poses + torch.tensor([500.0, 0.0, -300.0]))
    assert (beside["pck"], beside["auc"]) == pytest.approx((100, 100 * 30 / 31))  # nothing is nearer than 0 mm
    off = some.poses.clone()
    off[:, 5, 0] += 140
    off[:, 6, 1] += 160
    assert measured(off)["pck"] == pytest.approx(100 * 16 / 17)


def test_statistics_are_settled_before_each_measurement(monkeypatch):
    settled, lab, wild = [], world(12), world(12, seed=1)
    monkeypatch.setattr(
        "napa_lib.adversarial.train.settle_normalization",
        lambda network, forward, count: settled.append(type(network).__name__),
    )
    a.pretrain_2d(CONFIG, wild)
    a.train_estimator(CONFIG, lab, wild)
    assert settled == ["StackedHourglass"] * 3 + ["Generator"] * 3  # at two entries, and at the end


def test_a_lab_that_never_labels_a_joint_is_refused():
    lab = world()
    lab.poses[:, [3, 9]] = torch.nan
    with pytest.raises(ValueError, match="none of its poses has r_ankle, nose"):
        a.train_estimator(CONFIG, lab, world(seed=1))


def test_errors_are_counted_limb_by_limb():
    domain = world(6)
    pose = torch.cat([domain.keypoints, domain.depths[..., None]], -1)
    wrist = H36M17.index("l_wrist")
    distance = domain.poses[:, H36M17.root, 2]
    pose[:, wrist, 2] += 60.0 * domain.cameras[:, 0] / distance / 31.5  # 60 mm further away along its ray
    found = a.measure(pose, domain)
    ray = torch.cat([domain.poses[:, wrist, :2] / domain.poses[:, wrist, 2:], torch.ones(6, 1)], -1).norm(dim=-1)
    off = float((60.0 * ray).mean())
    assert found["mpjpe"]["all"] == pytest.approx(off / 17, rel=1e-3)
    assert found["mpjpe"]["lower arms"] == pytest.approx(off / 4, rel=1e-3)
    assert found["mpjpe"]["upper legs"] == pytest.approx(0.0, abs=0.05)
    assert found["pa_mpjpe"]["all"] > 1 and found["pck"] == 100 and found["pckh"] == 100
    pose[:, wrist, 2] += 140.0 * domain.cameras[:, 0] / distance / 31.5
    assert a.measure(pose, domain)["pck"] == pytest.approx(100 * 16 / 17)


def standing() -> torch.Tensor:
    """(1, 17, 3) mm, somebody who stands and faces the camera: right is to the left of the picture."""
    at = {
        "pelvis": (0, 0, 0), "r_hip": (-100, 0, 0), "l_hip": (100, 0, 0), "r_knee": (-100, 400, 0),
        "l_knee": (100, 400, 0), "r_ankle": (-100, 800, 0), "l_ankle": (100, 800, 0), "torso": (0, -250, 0),
        "neck": (0, -500, 0), "nose": (0, -600, -80), "head": (0, -700, 0), "l_shoulder": (180, -480, 0),
        "r_shoulder": (-180, -480, 0), "l_elbow": (180, -200, 0), "r_elbow": (-180, -200, 0),
        "l_wrist": (180, 50, 0), "r_wrist": (-180, 50, 0),
    }  # fmt: skip
    return torch.tensor([at[name] for name in H36M17.joints]).float()[None]


def test_angles_of_a_body_that_stands_and_of_knees_that_bend_the_wrong_way():
    pose = standing()
    angles = a.joint_angles(pose, H36M17)
    assert all(float(value.abs().max()) < 0.1 for value in angles.values())
    assert a.plausibility(pose, "H36M17") == a.Plausibility(0.0, 1.0)
    for knee in (15, 90, 150, 164, 170, 175, -15, -25, -90, -120, -150, -165, -175):  # negative: to the front
        bent, turn = pose.clone(), math.radians(knee)
        shank = torch.tensor([0.0, 400 * math.cos(turn), 400 * math.sin(turn)])
        bent[:, H36M17.index("l_ankle")] = torch.tensor([100.0, 400.0, 0.0]) + shank
        assert float(a.joint_angles(bent, H36M17)["knee"][0, 0]) == pytest.approx(knee, abs=0.05)
        assert a.plausibility(bent, "H36M17").impossible == pytest.approx(0 if -20 <= knee <= 165 else 100 / 7)
    for z in (-1.0, -0.01, 0.0, 0.01, 1.0):  # a shank along the line of the hips has no turn about it
        sideways = pose.clone()
        sideways[:, H36M17.index("l_ankle")] = torch.tensor([500.0, 400.0, z])
        assert float(a.joint_angles(sideways, H36M17)["knee"][0, 0]) == pytest.approx(90.0, abs=0.05)
        assert a.plausibility(sideways, "H36M17").impossible == 0
    for degrees, expected in ((29.0, 90.0), (31.0, -90.0)):  # the shank that far from the line of the hips, forwards
        aslant, turn = pose.clone(), math.radians(degrees)
        shank = torch.tensor([400 * math.cos(turn), 0.0, -400 * math.sin(turn)])
        aslant[:, H36M17.index("l_ankle")] = torch.tensor([100.0, 400.0, 0.0]) + shank
        assert float(a.joint_angles(aslant, H36M17)["knee"][0, 0]) == pytest.approx(expected, abs=0.05)
    astride, turn = pose.clone(), math.radians(40)  # thigh and shank lean outwards alike, the knee is bent by 40
    knee = torch.tensor([100.0, 0.0, 0.0]) + torch.tensor([200.0, 350.0, 0.0])
    astride[:, H36M17.index("l_knee")] = knee
    shank = torch.tensor([200.0, 350 * math.cos(turn), 350 * math.sin(turn)])
    astride[:, H36M17.index("l_ankle")] = knee + shank
    assert float(a.joint_angles(astride, H36M17)["knee"][0, 0]) == pytest.approx(40.0, abs=0.05)
    lotus = pose.clone()  # a thigh along the line of the hips
    lotus[:, H36M17.index("l_knee")] = torch.tensor([500.0, 0.0, 1.0])
    lotus[:, H36M17.index("l_ankle")] = torch.tensor([500.0, 0.0, -400.0])
    assert float(a.joint_angles(lotus, H36M17)["knee"][0, 0]) == pytest.approx(90.0, abs=0.5)
    short = pose.clone()
    short[:, H36M17.index("l_ankle")] = pose[:, H36M17.index("l_knee")]
    assert a.joint_angles(short, H36M17)["knee"][0].isnan().tolist() == [True, False]
    seated = pose.clone()
    seated[:, H36M17.index("r_elbow")] = pose[:, H36M17.index("r_shoulder")] + torch.tensor([-280.0, 0.0, 0.0])
    seated[:, H36M17.index("r_wrist")] = seated[:, H36M17.index("r_elbow")] + torch.tensor([0.0, 250.0, 0.0])
    assert float(a.joint_angles(seated, H36M17)["elbow"][0, 1]) == pytest.approx(90.0, abs=1e-3)


def test_a_stretched_limb_is_lopsided():
    for side in "lr":
        pose = standing()
        pose[:, H36M17.index(f"{side}_ankle"), 1] = 1200.0  # a shank twice as long as the other
        assert a.plausibility(pose, "H36M17").lopsided == pytest.approx((1 + 1 + 1 + 2) / 4)
    with pytest.raises(ValueError, match="known angle"):
        a.plausibility(torch.full((2, 17, 3), torch.nan), "H36M17")


def test_angles_do_not_depend_on_where_one_looks_from():
    poses = convert(load_mocap_poses("test")[::20], "NAPA18", "H36M17")
    turned = convert(to_camera(load_mocap_poses("test")[::20], 1.1, 0.4), "NAPA18", "H36M17")
    for one, other in zip(a.joint_angles(poses, H36M17).values(), a.joint_angles(turned, H36M17).values(), strict=True):
        torch.testing.assert_close(one, other, atol=0.2, rtol=0)
    assert _bone(poses, H36M17, "pelvis", "neck").shape == (len(poses), 3)


def test_figures_in_art_are_scored_in_their_own_pixels(monkeypatch):
    figures = load_art_figures()
    matrices = crop_matrices(torch.tensor([figure.box for figure in figures]), 64)
    truth = convert(torch.stack([figure.keypoints for figure in figures]), ART14, "H36M17")
    perfect = to_unit(to_crop(truth, matrices), 64)

    def estimates(model, images):
        assert images.shape == (60, 3, 64, 64)
        return torch.cat([perfect.nan_to_num(), torch.zeros(60, 17, 1)], -1)

    monkeypatch.setattr("napa_lib.adversarial.evaluate.estimate_poses", estimates)
    assert a.art_rate(a.Generator(SMALL)) == pytest.approx(100.0)
    perfect[:] = flip(perfect, "H36M17", None) * torch.tensor([-1.0, 1.0])  # no more than some may exchange sides
    assert a.art_rate(a.Generator(SMALL)) < 60.0
    perfect += 2.0
    assert a.art_rate(a.Generator(SMALL)) < 5.0


def test_poses_are_estimated_in_batches():
    torch.manual_seed(0)
    model, domain = a.Generator(SMALL).eval(), world(5)
    one, other = a.estimate_poses(model, domain.images, batch=2), a.estimate_poses(model, domain.images / 255)
    torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
    with pytest.raises(ValueError, match="at least one picture"):
        a.estimate_poses(model, domain.images[:0])
