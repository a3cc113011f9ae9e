"""Lesson 04: right answers in other styles, mistakes that no list foresees, the judge, tables and pictures."""

from __future__ import annotations

import textwrap

import numpy as np
import pytest
import torch

from napa_lib import adversarial as a
from napa_lib import results
from napa_lib.skeletons import H36M17
from napa_lib.study.exercises import judge as judge_answer
from napa_lib.study.lessons.lesson_04 import PLAN, judge, tables
from napa_lib.study.lessons.lesson_04 import pictures as shown
from napa_lib.study.lessons.lesson_04.live import train_on

SMALL = a.ModelConfig(size=64, channels=8, critic_channels=4, embedding=16)

RIGHT = {
    "04.1": (
        """
        def my_descriptor(pose):
            p = pose.numpy()
            d = p.T[:, :, None] - p.T[:, None, :]
            return np.concatenate([d, d * d], 0)
        """,
        """
        def my_descriptor(pose):
            out = torch.zeros(6, len(pose), len(pose))
            for i in range(len(pose)):
                for j in range(len(pose)):
                    out[:3, i, j] = pose[i] - pose[j]
                    out[3:, i, j] = (pose[i] - pose[j]) ** 2
            return out
        """,
        """
        def my_descriptor(pose):
            x = pose.mT
            d = x.unsqueeze(-1) - x.unsqueeze(-2)
            return torch.cat((d, d.pow(2))).tolist()
        """,
    ),
    "04.2": (
        "unchanged = (6, 5, 2, 0)",
        "unchanged = np.array([6.0, 5.0, 2.0, 0.0])",
        "unchanged = torch.tensor([6, 5, 2, 0])",
    ),
    "04.4": (
        """
        def my_losses(real, fake):
            bce = torch.nn.BCEWithLogitsLoss()
            d = bce(real, torch.ones_like(real)) + bce(fake, torch.zeros_like(fake))
            return d.item(), bce(fake, torch.ones_like(fake)).item()
        """,
        """
        def my_losses(real, fake):
            soft = torch.nn.functional.softplus
            return [soft(-real).mean() + soft(fake).mean(), soft(-fake).mean()]
        """,
        """
        def my_losses(real, fake):
            real, fake = real.numpy(), fake.numpy()
            return np.logaddexp(0, -real).mean() + np.logaddexp(0, fake).mean(), np.logaddexp(0, -fake).mean()
        """,
        """
        def my_losses(real, fake):
            soft = torch.nn.functional.softplus
            return torch.stack([soft(-real).mean() + soft(fake).mean(), soft(-fake).mean()])
        """,
    ),
    "04.5": ("sure = [2 * np.log(2), np.log(2), 0.99, 0.01]", "sure = (1.386, 0.693, 0.99, 0.01)",
             "sure = torch.tensor([1.39, 0.69, 0.99, 0.01])"),
    "04.6": (
        """
        def my_step(estimator, judge, optimizers, pictures, poses, lam):
            soft = torch.nn.functional.softplus
            found = estimator(pictures)
            kept = found.detach().clone()
            judge.requires_grad_(False)
            loss = torch.nn.functional.mse_loss(found[:4], poses) + lam * soft(-judge(found)).mean()
            optimizers[0].zero_grad()
            loss.backward()
            optimizers[0].step()
            judge.requires_grad_(True)
            optimizers[1].zero_grad()
            (soft(-judge(poses)).mean() + soft(judge(kept)).mean()).backward()
            optimizers[1].step()
            return True
        """,
        """
        def my_step(estimator, judge, optimizers, pictures, poses, lam):
            for optimizer in optimizers:
                optimizer.zero_grad()
            with torch.no_grad():
                fakes = estimator(pictures)
            bce = torch.nn.functional.binary_cross_entropy_with_logits
            half, estimates = len(pictures) // 2, estimator(pictures)
            score = judge(estimates)
            ((estimates[:half] - poses).pow(2).mean() + lam * bce(score, torch.ones_like(score))).backward()
            optimizers[0].step()
            optimizers[1].zero_grad()
            real, fake = judge(poses), judge(fakes)
            (bce(real, torch.ones_like(real)) + bce(fake, torch.zeros_like(fake))).backward()
            optimizers[1].step()
            return "done"
        """,
        """
        def my_step(estimator, judge, optimizers, pictures, poses, lam):
            of_estimator, of_judge = optimizers
            estimates = estimator(pictures)
            p = judge(estimates).sigmoid()
            of_estimator.zero_grad()
            (((estimates[: len(poses)] - poses) ** 2).mean() + lam * (-p.log()).mean()).backward(
                inputs=list(estimator.parameters()))
            of_estimator.step()
            of_judge.zero_grad()
            p, q = judge(poses).sigmoid(), judge(estimates.detach()).sigmoid()
            (-(p.log().mean() + (1 - q).log().mean())).backward()
            of_judge.step()
            return 1
        """,
        """
        def my_step(estimator, judge, optimizers, pictures, poses, lam):
            of_estimator, of_judge = optimizers
            soft, n = torch.nn.functional.softplus, len(poses)
            estimates = estimator(pictures)
            (torch.nn.functional.mse_loss(estimates[:n], poses) + lam * soft(-judge(estimates)).mean()).backward()
            of_estimator.step()
            of_judge.zero_grad()
            logits = judge(torch.cat([poses, estimates.detach()]))
            (soft(-logits[:n]).mean() + soft(logits[n:]).mean()).backward()
            of_judge.step()
            of_estimator.zero_grad()
            of_judge.zero_grad()
            return True
        """,
    ),
    "04.3": (
        "def my_fool(pose):\n    return pose - 0.2",
        "def my_fool(pose):\n    return pose + torch.tensor([0.1, 0.0, 0.0])",
        "def my_fool(pose):\n    return pose.numpy() + np.array([0.0, 0.0, 1.0])",
        "def my_fool(pose):\n    pose[:, 2] += 5\n    return pose",
    ),
}  # fmt: skip

WRONG = {
    "04.1": (
        "def my_descriptor(pose):\n    return torch.cdist(pose, pose)",
        "def my_descriptor(pose):\n    d = pose[:, None] - pose[None]\n    return torch.cat([d, d**2], -1)",
        "def my_descriptor(pose):\n    return pose[:, None] - 'x'",
    ),
    "04.2": ("unchanged = [6, 5, 2]", "unchanged = 'all'", "unchanged = [6, 2, 5, 0]"),
    "04.4": (
        "def my_losses(real, fake):\n    return 1.0, 0.7",
        "def my_losses(real, fake):\n    return real, fake",
        "def my_losses(real, fake):\n    return torch.log(real).mean(), torch.log(fake).mean()",
    ),
    "04.5": ("sure = [0, 0, 0, 0]", "sure = [1.39, 0.69, -0.99, -0.01]", "sure = {'a': 1}"),
    "04.6": (
        "def my_step(estimator, judge, optimizers, pictures, poses, lam):\n    return True",
        "def my_step(estimator, judge):\n    return True",
        "def my_step(estimator, judge, optimizers, pictures, poses, lam):\n"
        "    loss = (estimator(pictures[:4]) - poses).abs().mean()\n    optimizers[0].zero_grad()\n"
        "    loss.backward()\n    optimizers[0].step()\n    return True",
    ),
    "04.3": (
        "def my_fool(pose):\n    return pose + torch.randn(17, 3)",
        "def my_fool(pose):\n    return pose[:5] + 1",
        "def my_fool(pose):\n    return pose.flip(0)",
    ),
}  # fmt: skip


def answer(identifier: str, code: str):
    exercise = PLAN.exercise(identifier)
    names = {"torch": torch, "np": np}
    exec(textwrap.dedent(code), names)
    return judge_answer(exercise, names[exercise.answer])


@pytest.mark.parametrize("identifier, code", [(i, code) for i, codes in RIGHT.items() for code in codes])
def test_right_answers_in_other_styles(identifier, code):
    verdict = answer(identifier, code)
    assert verdict.status == "right", verdict


@pytest.mark.parametrize("identifier, code", [(i, code) for i, codes in WRONG.items() for code in codes])
def test_wrong_answers_that_nobody_foresaw(identifier, code):
    verdict = answer(identifier, code)
    assert verdict.status == "wrong" and len(verdict.message) > 20, verdict


# --- the judge and its pictures ---------------------------------------------------------------------------------------


def poses(count: int = 4) -> torch.Tensor:
    return 0.3 * torch.randn(count, 17, 3, generator=torch.Generator().manual_seed(0))


def test_bending_and_stretching_keep_what_they_should():
    pose = poses()
    knee, ankle, hip = (H36M17.index(name) for name in ("r_knee", "r_ankle", "r_hip"))

    def length(pose, start, end):
        return (pose[:, end] - pose[:, start]).norm(dim=-1)

    bent = judge.bend(pose, "r_knee", 40.0)
    moved = (bent - pose).norm(dim=-1).amax(0) > 1e-6
    assert moved.nonzero().flatten().tolist() == [ankle]
    torch.testing.assert_close(length(bent, knee, ankle), length(pose, knee, ankle))
    torch.testing.assert_close(judge.bend(bent, "r_knee", -40.0), pose)
    hanging = torch.zeros(1, 17, 3)
    hanging[:, ankle, 1] = 1.0
    assert float(judge.bend(hanging, "r_knee", 30.0)[0, ankle, 2]) == pytest.approx(0.5)  # away from the viewer
    longer = judge.stretch(pose, "r_hip", 1.5)
    torch.testing.assert_close(length(longer, hip, knee), 1.5 * length(pose, hip, knee))
    torch.testing.assert_close(length(longer, knee, ankle), length(pose, knee, ankle))


def test_every_spoiling_changes_poses_and_two_undo_themselves():
    pose = poses()
    for spoil in judge.SPOILED.values():
        assert spoil(pose).shape == pose.shape and not torch.allclose(spoil(pose), pose)
    for name in ("arm mirrored in depth", "left and right exchanged"):
        torch.testing.assert_close(judge.SPOILED[name](judge.SPOILED[name](pose)), pose)


def domain(count: int = 6) -> a.Domain:
    return a.open_domain("unseen:validation", 64).take(slice(0, count))


def test_a_judge_of_descriptors_cannot_notice_a_move():
    torch.manual_seed(0)
    critics = {"geo": a.MultiSourceDiscriminator(("picture", "descriptor"), SMALL),
               "map": a.MultiSourceDiscriminator(("picture", "maps"), SMALL)}  # fmt: skip
    found = judge.noticed(critics, domain())
    assert found["moved to the side"]["geo"] == 50 != found["moved to the side"]["map"]
    assert set(found) == set(judge.SPOILED) and "geo" in tables.noticed_table(found)
    marked = [line for line in tables.noticed_table(found, "thigh stretched").splitlines() if "◆" in line]
    assert len(marked) == 1 and marked[0].startswith("thigh stretched") and "◆" not in tables.noticed_table(found)


def test_pictures_are_drawn():
    torch.manual_seed(0)
    model, world = a.Generator(SMALL).eval(), domain()
    critics = {"full": a.MultiSourceDiscriminator(a.SOURCES, SMALL)}
    pages = [
        shown.worlds_figure({"unseen": world}, 3), shown.estimates_figure(model, world, [0, 2]),
        shown.compare_figure({"one": model}, world, [1]), shown.bend_figure(critics, world, 1, "l_hip", 30.0),
        shown.scores_figure(critics["full"], model, {"unseen": world}), shown.judge_figure(critics["full"], world, 0),
        shown.descriptor_figure(poses(1)[0]),
    ]  # fmt: skip
    assert all(page.get_figwidth() <= 7.2 for page in pages)


def test_the_lesson_s_training_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr("napa_lib.adversarial.train.SETTLING", 2)
    torch.manual_seed(0)
    model, world = a.Generator(SMALL), domain()
    config = a.TrainingConfig(SMALL, ("descriptor",), batch=4, every=1)
    arguments = config, world, world.without_3d(), model
    train_on(tmp_path / "s.safetensors", 1, *arguments)
    _, critic, record = train_on(tmp_path / "s.safetensors", 1, *arguments)
    assert [entry["step"] for entry in record] == [1, 2] and critic.sources == ("descriptor",)
    with pytest.raises(ValueError, match="more must be"):
        train_on(tmp_path / "s.safetensors", 0, *arguments)


# --- tables -----------------------------------------------------------------------------------------------------------


def stored(**errors: float) -> dict[str, list[dict]]:
    """Three seeds of every row; a row's error is 100 and its seed, less what is said."""
    found = {}
    for row in tables.ORDER:
        reports = []
        for seed in range(3):
            limbs = dict.fromkeys((*a.LIMBS, "all"), 100.0 + seed - errors.get(row, 0.0) * (1 + seed / 10))
            rigid, turned = {"all": 90.0 + seed}, {"all": 80.0 + seed}
            world = {"mpjpe": limbs, "mpjpe_true_2d": limbs, "rigid_mpjpe": rigid, "pa_mpjpe": turned,
                     "pckh": 50.0 + seed, "pck": 60.0,
                     "auc": 30.0 + seed,
                     "plausibility": {"impossible": 2.0, "lopsided": 1.2}, "truth": {"impossible": 0.5},
                     "flat": {"mpjpe": 130.0, "rigid_mpjpe": 99.0, "pa_mpjpe": 97.0}}  # fmt: skip
            record = [{"step": s, "mpjpe_true_2d_lab": 90.0, "mpjpe_true_2d_wild": 200.0 - s} for s in (50, 100)]
            errors_of = {"lab": world, "wild": world, "unseen": world, "art": {"pckh": 20.0}}
            reports.append({"errors": errors_of, "record": record, "command": "python"})
        found[row] = reports
    return found


def test_a_difference_is_starred_where_its_interval_leaves_zero_out():
    lines = tables.differences(stored(geo_fix_2d=10.0)).splitlines()
    geo = next(line for line in lines if line.startswith("Baseline (fix 2D) - Geo"))
    full = next(line for line in lines if line.startswith("Baseline (fix 2D) - Full"))
    assert geo.count("-11 ± 2 *") == 3
    assert "+0 ± 0" in full and "*" not in full


def test_tables_and_curves_hold_every_row():
    found = stored(geo_fix_2d=10.0)
    labels = [line.split("  ")[0] for line in tables.errors_table(found).splitlines()]
    assert {row.label for row in (*a.ROWS.values(), *a.FIXED_ROWS.values())} <= set(labels)
    assert "101 ± 2" in tables.errors_table(found) and "130" in tables.errors_table(found)
    assert "lower legs" in tables.limbs_table(found, "wild") and "0.5" in tables.plausible(found)
    assert "69.0" in tables.unseen_table(found) and "20.0" in tables.keypoints_table(found)
    assert "pre-trained - Baseline" in tables.keypoints_table(found) and "Baseline - Geo" in tables.keypoints_table(
        found
    )
    assert "Full (w/o pretrain) - Full" in tables.differences(found, tables.JOINT_PAIRS)
    page = tables.curves(found, tables.JOINT, guess=70.0)
    assert any(np.allclose(line.get_ydata(), 70.0) for line in page.axes[1].lines)


def test_the_paper_s_errors_stand_beside_their_own_measure_alone():
    found = stored()
    assert "64.8" in tables.errors_table(found, "mpjpe") and "paper" in tables.errors_table(found, "mpjpe")
    for kind, flat in (("mpjpe_true_2d", "130"), ("rigid_mpjpe", "99"), ("pa_mpjpe", "97")):
        text = tables.errors_table(found, kind)
        assert "paper" not in text and "64.8" not in text
        assert text.splitlines()[-1].split()[-3:] == [flat] * 3
    assert "91 ± 2" in tables.procrustes(found) and "Full (fix 2D) - Full" in tables.procrustes(found)
    assert "81 ± 2" in tables.procrustes(found, "pa_mpjpe") and "37.7" in tables.PROTOCOL_2


def test_what_a_judge_does_to_plausibility_is_compared_seed_by_seed():
    found = stored()
    for seed, report in enumerate(found["geo"]):
        for world in tables.WORLDS:
            bodies = {"impossible": 5.0 + seed / 10, "lopsided": 0.2 + seed}
            report["errors"][world] = {**report["errors"][world], "plausibility": bodies}
    lines = {line.split("  ")[0]: line for line in tables.plausible_changes(found).splitlines()}
    assert lines["Geo: impossible angles (%)"].count("+3.1 ± 0.2 *") == 3
    assert "+0.00 ± 2.48" in lines["Geo: longer / shorter"] and "*" not in lines["Geo: longer / shorter"]
    assert len(lines) == 1 + 2 * (len(tables.FIXED) + len(tables.JOINT) - 2)


def test_lambdas_are_compared_seed_by_seed_with_none():
    none = {"lambda": 0.0, "lab": [100.0, 120.0, 140.0], "wild": [200.0] * 3, "fooling": [1.0] * 3, "depths": [1.0] * 3}
    loud = {"lambda": 0.0016, "lab": [110.0, 130.0, 151.0], "wild": [300.0, 200.0, 200.0],
            "fooling": [2.0, 4.0, 6.0], "depths": [0.02, 0.04, 0.02]}  # fmt: skip
    first, last = tables.lambda_table({"lambdas": [none, loud], "config": {"depth": 0.1}}).splitlines()[1:]
    assert "no advice" in first and "120 ± 50" in first
    assert "the rows above" in last and "+10.3 ± 1.4 *" in last and "+33.3 ± 143.4" in last
    assert last.split()[-1] == "2.7"  # the mean of 1.6, 1.6 and 4.8


def test_what_ships_is_what_the_lesson_asks_for():
    sources = {"baseline": None, "map": ("picture", "maps"), "geo": ("picture", "descriptor"), "full": a.SOURCES}
    for name, wanted in sources.items():
        model, critic = a.load_pretrained(name)
        assert model.config == a.PRESETS["tiny"] and (critic and critic.sources) == wanted
    stored = results.shipped_runs("adversarial")
    shared = ("pretrained", "pretrained_fix_2d")
    assert {name: len(reports) for name, reports in stored.items()} == dict.fromkeys((*tables.ORDER, *shared), 3)
    assert all(report["split"] == "test" for r in stored.values() for report in r)
    assert {r["steps"] for name in tables.ORDER for r in stored[name]} == {500}
    module = results.shipped("adversarial/module_2d")
    assert (
        module["steps"] == 8000
        and module["errors"]["wild"]["pckh"] == stored["baseline_fix_2d"][0]["errors"]["wild"]["pckh"]
    )
