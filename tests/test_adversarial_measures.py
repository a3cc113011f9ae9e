"""Chapter 4's measurements: errors by action and limb, angles of bodies, figures in art."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from napa_lib import adversarial as a
from napa_lib.adversarial.evaluate import _bone
from napa_lib.data import load_art_figures, load_mocap_poses, to_camera
from napa_lib.data.clips import to_unit
from napa_lib.data.crops import crop_matrices, to_crop
from napa_lib.skeletons import ART14, H36M17, convert, flip
from tests.adversarial_world import CONFIG, SMALL, world


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Statistics of normalisation from two batches: their passes are most of a short training."""
    monkeypatch.setattr("napa_lib.adversarial.train.SETTLING", 2)


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


@pytest.mark.parametrize("degrees", [40, 100, 110, 145, 155])
def test_a_thigh_is_lifted_from_the_line_of_neck_and_pelvis_and_a_back_bent_at_the_torso(degrees):
    turn = math.radians(degrees)
    along = torch.tensor([0.0, math.cos(turn), -math.sin(turn)])
    lifted, bent = standing(), standing()
    for joint, reach in (("l_knee", 400), ("l_ankle", 800)):
        lifted[:, H36M17.index(joint)] = torch.tensor([100.0, 0.0, 0.0]) + reach * along
    lifted[:, H36M17.index("torso"), 2] = 90.0  # a hollow back does not lift a thigh
    assert float(a.joint_angles(lifted, H36M17)["thigh"][0, 0]) == pytest.approx(degrees, abs=0.05)
    assert a.plausibility(lifted, "H36M17").impossible == pytest.approx(100 / 7 if degrees > 150 else 0)
    bent[:, H36M17.index("neck")] = bent[:, H36M17.index("torso")] - 250 * along
    assert float(a.joint_angles(bent, H36M17)["trunk"][0, 0]) == pytest.approx(degrees, abs=0.05)


def test_depths_are_judged_at_the_true_keypoints_and_keypoints_at_their_own():
    some = world(4)
    truth = torch.cat([some.keypoints, some.depths[..., None]], -1)
    beside = a.measure(truth + torch.tensor([0.2, -0.1, 0.0]), some)
    assert beside["mpjpe"]["all"] > 50 and beside["mpjpe_true_2d"]["all"] < 0.1
    flat = a.measure(truth * torch.tensor([1.0, 1.0, 0.0]), some)
    assert flat["mpjpe"] == flat["mpjpe_true_2d"] and flat["mpjpe"]["all"] > 50


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
