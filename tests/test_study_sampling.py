"""Lesson 05: other right and other wrong answers, pictures and tables that show what they say."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
import torch

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from napa_lib import sampling
from napa_lib.geometry import canonical_to_local
from napa_lib.sampling import JOINT_LIMITS, SKELETON, JointLimits
from napa_lib.study.exercises import judge
from napa_lib.study.lessons.lesson_05 import EXERCISES, pictures, tables
from napa_lib.study.lessons.lesson_05.checks import standing
from napa_lib.study.lessons.lesson_05.live import frame_below, losses_figure

RNG = np.random.default_rng(0)
BY_ID = {exercise.id[-1]: exercise for exercise in EXERCISES}


def unit(v):
    return v / v.norm(dim=-1, keepdim=True)


# Right in three styles: a loop, NumPy, the library or another formula ----------------------------------------------


def direction_numpy(theta, gamma):
    t, g = np.radians(theta.numpy()), np.radians(gamma.numpy())
    return np.stack([-np.sin(g) * np.sin(t), np.sin(g) * np.cos(t), np.cos(g)], axis=1)


def direction_loop(theta, gamma):
    import math

    rows = []
    for t, g in zip(theta.tolist(), gamma.tolist(), strict=True):
        t, g = math.radians(t), math.radians(g)
        rows.append([-math.sin(g) * math.sin(t), math.sin(g) * math.cos(t), math.cos(g)])
    return rows


def local_loop(parent, bone):
    rows = []
    for p, b in zip(parent, bone, strict=True):
        x, y, z = frame_below(p)
        rows.append(torch.stack([b @ x, b @ y, b @ z]))
    return torch.stack(rows)


def local_solve(parent, bone):
    z = unit(parent)
    x = torch.eye(3, dtype=z.dtype)[0] - z[:, :1] * z
    axes = torch.stack([unit(x), torch.linalg.cross(z, unit(x)), z], -1)
    return torch.linalg.solve(axes, bone[..., None])[..., 0]


def local_numpy(parent, bone):
    return local_solve(parent, bone).numpy()


def chain_matrices(local, lengths):
    bone, joint, joints = torch.tensor([0.0, 0, 1]).to(local), 0, []
    for direction, length in zip(local, lengths, strict=True):
        bone = torch.stack(frame_below(bone), 1) @ direction * length
        joint = joint + bone
        joints.append(joint)
    return torch.stack(joints)


def chain_cumsum(local, lengths):
    bones = [torch.tensor([0.0, 0, 1]).to(local)]
    for direction in local:
        bones.append(sum(part * axis for part, axis in zip(direction, frame_below(bones[-1]), strict=True)))
    return torch.cumsum(torch.stack(bones[1:]) * lengths[:, None], 0).float()


def step_separate(Phi, Psi, D, poses, prior):
    drawn = Psi(prior)
    there, again = Psi(Phi(poses)), Phi(Psi(prior))
    loss = torch.nn.functional.l1_loss(there, poses) + torch.nn.functional.l1_loss(again, prior)
    critic = torch.mean((D(poses) - 1) ** 2) + torch.mean(D(Psi(prior).detach()) ** 2)
    return [loss + torch.mean((D(drawn) - 1) ** 2), critic]


def step_nograd(Phi, Psi, D, poses, prior):
    with torch.no_grad():
        fixed = Psi(prior)
    drawn = Psi(prior)
    model = (poses - Psi(Phi(poses))).abs().mean() + (prior - Phi(drawn)).abs().mean() + (D(drawn) - 1).pow(2).mean()
    return model, (D(poses) - 1).pow(2).mean() + D(fixed).pow(2).mean()


RIGHT = {
    "1": (direction_numpy, direction_loop, lambda t, g: sampling.direction_of(t.float(), g.float())),
    "2": (local_loop, local_solve, local_numpy),
    "3": (chain_matrices, chain_cumsum, lambda local, lengths: chain_matrices(local, lengths).tolist()),
    "4": (
        lambda limits, n: (RNG.uniform(limits.theta1, limits.theta2, n),
                           RNG.uniform(limits.gamma1, limits.gamma2, n)),
        lambda limits, n: torch.stack([torch.empty(n).uniform_(limits.theta1, limits.theta2),
                                       torch.empty(n).uniform_(limits.gamma1, limits.gamma2)]),
        lambda limits, n: [(torch.empty(n).uniform_(limits.theta1, limits.theta2) + 180) % 360 - 180,
                           torch.empty(n).uniform_(limits.gamma1, limits.gamma2)],
    ),
    "5": (4, 50.0, np.float32(100)),
    "7": (step_separate, step_nograd, lambda *a: tuple(step_separate(*a))),
    "6": ([270, 60], (-90.0, 45.0), torch.tensor([250.0, 100.0])),
}  # fmt: skip

# Wrong in new ways, with a sentence that names what is wrong -------------------------------------------------------
WRONG = {
    "1": ((lambda t, g: sampling.direction_of(g, t), "changed places"),
          (lambda t, g: sampling.direction_of(t, g)[:, [1, 0, 2]], "z is cos"),
          (lambda t, g: sampling.direction_of(t, g).T, "shape")),
    "2": ((lambda p, b: local_solve(p, b)[:, [2, 1, 0]], "z = parent"),
          (lambda p, b: local_solve(p, unit(b)), "divided by the bone's length"),
          (lambda p, b: local_solve(-p, b), "z = parent")),
    "3": ((lambda local, lengths: chain_matrices(local, lengths.flip(0)), "axes of the bone before"),
          (lambda local, lengths: chain_matrices(local, lengths)[-1], "shape"),
          (lambda local, lengths: chain_matrices(local, lengths) / 1000, "axes of the bone before")),
    "4": ((lambda limits, n: (torch.empty(n).uniform_(120, 180), torch.empty(n).uniform_(30, 90)), "not uniform"),
          (lambda limits, n: (torch.empty(n).uniform_(30, 90), torch.empty(n).uniform_(120, 240)), "gamma leaves"),
          (lambda limits, n: torch.deg2rad(torch.stack([torch.empty(n).uniform_(120, 240),
                                                        torch.empty(n).uniform_(30, 90)])), "gamma leaves"),
          # right on the range from 120 to 240 alone, which is as wide as its start is far
          (lambda limits, n: (limits.theta2 - limits.theta1 * torch.rand(n),
                              torch.empty(n).uniform_(limits.gamma1, limits.gamma2)), "theta leaves"),
          (lambda limits, n: (torch.empty(n).uniform_(limits.theta1, limits.theta2),
                              limits.gamma2 - 2 * limits.gamma1 * torch.rand(n)), "gamma leaves")),
    "5": ((-3, "between 0 and 100"), (0.04, "in per cent"), ("few", "should be numbers")),
    "7": ((lambda *a: step_separate(*a)[::-1], "have changed places"),
          (lambda *a: [2 * loss for loss in step_separate(*a)], "model's loss is"),
          (lambda *a: [loss.item() for loss in step_separate(*a)], "two losses that can be differentiated")),
    "6": (([100, 120], "a body can do that"), ([10, 60], "breaks its own limits"), ("back", "should be numbers"),
          ([90, -60], "between 0 and 180")),
}  # fmt: skip


@pytest.mark.parametrize(("number", "place"), [(n, i) for n in RIGHT for i in range(3)])
def test_right_in_other_styles(number, place):
    verdict = judge(BY_ID[number], RIGHT[number][place])
    assert verdict.status == "right", verdict


@pytest.mark.parametrize(("number", "place"), [(n, i) for n in WRONG for i in range(len(WRONG[n]))])
def test_wrong_in_new_ways(number, place):
    answer, words = WRONG[number][place]
    verdict = judge(BY_ID[number], answer)
    assert verdict.status == "wrong" and words in verdict.message, verdict


def test_the_frame_of_the_exercises_is_the_librarys():
    pose = torch.zeros(1, 17, 3, dtype=torch.float64)
    bone, child = torch.randn(2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    knee, ankle = SKELETON.index("r_knee"), SKELETON.index("r_ankle")
    pose[0, SKELETON.index("r_hip")] = torch.tensor([0.0, -1, 0])
    pose[0, knee] = pose[0, SKELETON.index("r_hip")] + bone
    pose[0, ankle] = pose[0, knee] + child
    expected = canonical_to_local(pose, SKELETON)[0, ankle]
    torch.testing.assert_close(torch.stack([child @ axis for axis in frame_below(bone)]), expected)


def test_the_standing_figure_stands_inside_its_limits():
    local = sampling.local_directions(standing())
    assert sampling.inside_limits(local).all() and sampling.limbs_allowed(standing()).all()
    assert standing()[SKELETON.index("l_ankle"), 2] < -800 and not sampling.intersects_itself(standing())


def test_bars_are_what_is_possible():
    drawn = sampling.sample_canonical(2000, generator=torch.Generator().manual_seed(0))
    expected = 100 * sampling.limbs_allowed(drawn).float().mean(0)
    axis = pictures.shares_figure(30.0).axes[0]
    heights = [bar.get_height() for bar in axis.containers[1]]
    np.testing.assert_allclose(heights[:4], expected, atol=1e-3)
    assert axis.lines[-1].get_ydata()[0] == 30.0


def test_a_wider_range_keeps_more_real_poses():
    inside, possible = (line.get_ydata() for line in pictures.trade_figure([90, 360]).axes[0].lines)
    assert inside[1] > 99 > inside[0] and possible[0] > possible[1]


def test_the_frame_below_a_thigh_turns_over_at_a_right_angle():
    dots = [line for line in pictures.flip_figure().axes[1].lines if len(line.get_xdata()) > 1][:2]
    np.testing.assert_allclose([dots[0].get_ydata()[-1], dots[1].get_ydata()[0]], [90, 270], atol=0.1)


def test_pages_of_sliders_take_any_values():
    for values in ((15, 350, 0, 155), (180, 0, 90, 30), (-175, 360, 180, 180)):
        assert pictures.chosen_limits(*values).gamma1 <= pictures.chosen_limits(*values).gamma2
    assert "r_ankle" in pictures.limits_page(15, 350, 155, 0)._suptitle.get_text()
    assert "15 to 365" in pictures.limits_words(15, 350, 0, 155)


def test_directions_of_the_cube_are_those_of_most_spread():
    torch.manual_seed(0)
    model = sampling.PoseAutoencoder()
    axes = pictures.main_directions(model)
    spreads = [float(axis.norm()) for axis in axes.values()]
    assert spreads == sorted(spreads, reverse=True)
    torch.testing.assert_close(axes[0] @ axes[1], torch.tensor(0.0), atol=1e-5, rtol=0)
    assert len(pictures.embedding_page(model, axes, (1.0, 0.0, -1.0)).axes) == 2


def test_spheres_show_what_is_near_and_limits_as_patches():
    _, axis = plt.subplots()
    pictures.draw_sphere(axis, JointLimits(0, 90, 0, 90), torch.eye(3))
    assert sum(len(c.get_paths()) for c in axis.collections) == 48 * 24
    assert JOINT_LIMITS["r_hip"].theta1 == 180


def test_tables_hold_means_and_intervals():
    run = {"test": {"reconstruction_mm": 50.0, "embedding": 0.2, "inside": 0.9, "implausible": {"either": 0.25}}}
    other = {"test": {"reconstruction_mm": 52.0, "embedding": 0.2, "inside": 0.9, "implausible": {"either": 0.25}}}
    assert "50.0 and 52.0" in tables.autoencoder_table({"mocap": [run, other]})  # two are no interval yet
    text = tables.autoencoder_table({"mocap": [run, other, run]})
    *_, mocap, zero = text.splitlines()
    numbers = mocap.removeprefix("motion capture (Psi_mocap)").split()
    assert numbers == ["50.7", "±", "2.9", "0.20", "90.0", "75.0"]  # values that are all equal have no interval
    assert zero.split()[-4:] == ["-", "0.50", "-", "-"]  # the mean of |u|, u uniform in [-1, 1]


def test_a_cross_stands_on_what_no_body_could_take():
    models = {"a": sampling.load_pretrained("limits"), "b": sampling.load_pretrained("mocap")}
    page = pictures.cube_figure(models, 5)
    poses = torch.cat([model.sample(5, torch.Generator().manual_seed(0)).detach() for model in models.values()])
    fine = sampling.limbs_allowed(poses).all(-1) & ~sampling.intersects_itself(poses)
    crosses = [any(line.get_marker() == "X" for line in axis.lines) for axis in page.axes]
    assert crosses == (~fine).tolist() and 0 < sum(crosses) < 10
    assert [axis.texts[0].get_text() for axis in page.axes[::5]] == ["a", "b"]


def test_the_table_of_terms_has_a_line_a_training():
    run = {"test": {"reconstruction_mm": 50.0, "embedding": 0.2, "inside": 0.9, "implausible": {"either": 0.25},
                    "nearest_mm": 120.0}}  # fmt: skip
    runs = {source + end: [run] for source in ("limits", "mocap") for end in tables.TERMS}
    lines = tables.terms_table(runs).splitlines()
    assert len(lines) == 1 + 2 * len(tables.TERMS) and all(
        line.split()[-4:] == ["50.0", "0.20", "75.0", "120"] for line in lines[1:]
    )


def test_the_curve_of_a_training():
    record = [{"step": 1, "pose": 0.2, "embedding": 0.5}, {"step": 2, "pose": 0.1, "embedding": 0.4}]
    page = losses_figure(record)
    np.testing.assert_allclose(page.axes[0].lines[0].get_ydata(), [200, 100])


def test_half_way_between_joints_bones_shrink_as_the_prediction_is_told():
    pose = standing()
    assert pictures.most_shrunken(pose, pose) == pytest.approx(100)
    turned = pose * torch.tensor([-1.0, -1.0, 1.0])  # half a turn about the upright: of a bone its height remains
    up = torch.tensor(SKELETON.bones)
    bones = pose[up[:, 1]] - pose[up[:, 0]]
    assert pictures.most_shrunken((pose + turned) / 2, pose) == pytest.approx(
        100 * float((bones[:, 2].abs() / bones.norm(dim=-1)).min()), abs=1e-3
    )
    page = pictures.interpolation_figure(sampling.load_pretrained("mocap"), pose, turned, 40.0, 3)
    assert "your prediction: 40 %" in page.axes[3].texts[0].get_text()
    assert page.axes[0].texts[0].get_text() == "embeddings; half way the shortest bone has 100 % of its length"
