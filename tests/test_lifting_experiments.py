"""What lesson 02's measurements count: a network's errors, what a map hides, fits, and how far a descent reaches."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
import torch

from napa_lib import results
from napa_lib.data import list_mocap_clips, load_mocap
from napa_lib.data.views import random_views
from napa_lib.lifting import DepthNet, Fit, TrainingConfig, experiments
from napa_lib.lifting import evaluate as scoring
from napa_lib.lifting.experiments import hidden_share, measure_fit, measure_reach, measure_why, random_maps
from napa_lib.lifting.fitting import FINE
from napa_lib.rendering import render_bone_map
from napa_lib.skeletons import NAPA18

HEAD = NAPA18.index("head")


def keypoints_seen(monkeypatch, **how) -> list[torch.Tensor]:
    """What `evaluate` shows a network of the two validation clips, (N, 18, 2) each."""
    seen: list[torch.Tensor] = []

    def look(network, standardizer, config, keypoints):
        seen.append(keypoints)
        return torch.zeros(len(keypoints), 18, 3)

    monkeypatch.setattr(scoring, "estimate_poses", look)
    scoring.evaluate(torch.nn.Identity(), None, TrainingConfig(), "validation", **how)
    return seen


def test_noise_is_in_hundredths_of_the_figure_and_the_pelvis_is_never_missing(monkeypatch):
    clean, noisy, incomplete = (
        keypoints_seen(monkeypatch, **how) for how in ({"views": 3}, {"views": 3, "jitter": 2.0}, {"missing": 4})
    )
    assert [len(k) for k in clean] == [3 * len(load_mocap(clip).poses) for clip in list_mocap_clips("validation")]
    for before, after in zip(clean, noisy, strict=True):
        side = np.ptp(before.numpy(), axis=1).max(-1)[:, None, None]
        assert ((after - before).numpy() / side).std() == pytest.approx(0.02, rel=0.05)
    missing = torch.cat(incomplete).isnan().any(-1)
    assert (missing.sum(1) == 4).all() and not missing[:, 0].any() and missing[:, 1:].any(0).all()


def test_each_frame_of_a_split_weighs_the_same(monkeypatch):
    monkeypatch.setattr(scoring, "estimate_poses", lambda n, s, c, keypoints: torch.zeros(len(keypoints), 18, 3))
    *clips, whole = scoring.evaluate(torch.nn.Identity(), None, TrainingConfig(), "validation", 1).values()
    frames = [clip["frames"] for clip in clips]
    assert frames[0] != frames[1] and whole["frames"] == sum(frames)
    for name in ("mpjpe", "pa_mpjpe"):
        assert whole[name] == pytest.approx(np.average([clip[name] for clip in clips], weights=frames))


def test_the_cases_that_are_scored(monkeypatch):
    monkeypatch.setattr(experiments, "evaluate", lambda *given, **how: how)
    assert experiments.score_depth(None, None, None) == {
        "clean": {}, "noisy": {"jitter": 2.0}, "incomplete": {"missing": 4},
        "training_clips": {"split": "train", "views": 1},
    }  # fmt: skip


def test_stored_trainings_are_those_that_the_commands_make():
    stored = results.shipped("lifting/depth")["inputs"]
    for sees, entry in stored.items():
        assert asdict(experiments.depth_config(sees, 4000, 2)) == entry["config"]
    for name, runs in results.shipped_runs("lifting").items():
        for run in runs:
            assert asdict(experiments.depth_config(seed=run["seed"], **experiments.LONGER[name])) == run["config"]


def test_a_fit_arrives_below_a_pixel_and_may_be_as_good_elsewhere(monkeypatch):
    truth, _ = random_maps(4, 0)
    target = render_bone_map(truth, NAPA18, 224, 20.0)
    least = (render_bone_map(truth, NAPA18, 224, 20.0, FINE[-1].softness) - target).square().mean((1, 2, 3))

    def fit(given, begin, skeleton, width):
        assert torch.equal(given, target) and width == 20.0
        torch.testing.assert_close((begin - truth).norm(dim=-1), torch.full((4, 18), 15.0), atol=1e-3, rtol=0)
        there = truth + torch.tensor([0.8, 1.1, 2.9, 2.9])[:, None, None] * torch.tensor([0.0, 1.0])
        there[:, HEAD] = truth[:, HEAD] + torch.tensor([3.1, 0.0])
        return Fit(there, there[None], least * torch.tensor([9.0, 1.05, 0.5, 1.3]))

    monkeypatch.setattr(experiments, "fit_pose_to_bone_map", fit)
    found = measure_fit([0], 4)
    (run,) = found["runs"]
    assert [run[name] for name in ("under_1_px", "not_arrived_map_as_good", "not_arrived_map_worse")] == [1, 2, 1]
    assert run["joints_astray"] == {"head": 3} and found["share_under_1_px"]["values"] == [0.25]


def test_a_joint_is_found_within_3_px_and_the_thorax_does_not_count(monkeypatch):
    truth, _ = random_maps(2, 0)
    off = torch.tensor([2.9] * 10 + [3.1] * 7 + [0.0])[:, None] * torch.tensor([1.0, 0.0])

    def descend(target, begin, draw, width, level):
        torch.testing.assert_close((begin - truth).norm(dim=-1), torch.full((2, 18), 7.0), atol=1e-3, rtol=0)
        targets.append(target)
        return (truth + off)[None], torch.zeros(2)

    targets: list[torch.Tensor] = []
    monkeypatch.setattr(experiments, "descend", descend)
    found = measure_reach([0], 2, [7.0])
    for name in ("bones", "points", "white bones", "white points"):
        assert found[name][0]["share_found"]["values"] == [pytest.approx(10 / 17)]
    bones, points, white_bones, white_points = targets
    for colored, white in ((bones, white_bones), (points, white_points)):
        assert torch.equal(white, (colored.amax(1, keepdim=True) > 0).float().expand_as(white))
    assert (points.amax(1) > 0).sum() < (bones.amax(1) > 0).sum()


def test_why_parts_the_views_by_what_is_hidden(monkeypatch, tmp_path):
    """Bones are made to err by 100 mm x what is hidden, points by 1 mm, coordinates by 2 mm."""
    poses = torch.cat([load_mocap(clip).poses for clip in list_mocap_clips("test")])
    _, truth = random_views(poses, TrainingConfig(), torch.Generator().manual_seed(7))
    hidden = torch.linspace(0, 1, len(poses))[torch.randperm(len(poses), generator=torch.Generator().manual_seed(0))]
    shown = []

    def estimate(network, standardizer, config, points):
        shown.append(points)
        off = {"bones": 100 * hidden, "points": torch.ones(len(points)), "coordinates": 2 * torch.ones(len(points))}
        return truth + off[config.sees][:, None, None] * torch.tensor([0.0, 0.0, 1.0])

    class Trained:
        network = standardizer = None

    monkeypatch.setattr(experiments, "train_depth_net", lambda config, setup: Trained)
    monkeypatch.setattr(experiments, "estimate_poses", estimate)
    monkeypatch.setattr(experiments, "hidden_share", lambda points, size, width: hidden)
    found = measure_why([0], 1, tmp_path, torch.device("cpu"), views=1)
    share = np.array(found["hidden_share"])
    np.testing.assert_allclose(share, [0.125, 0.375, 0.625, 0.875], atol=0.01)
    for name, expected in (("bones", 100 * share), ("points", [1.0] * 4), ("coordinates rounded", [2.0] * 4)):
        np.testing.assert_allclose([entry["mean"] for entry in found["mpjpe"][name]], expected, atol=0.01)
    np.testing.assert_allclose([entry["mean"] for entry in found["bones_minus_points"]], 100 * share - 1, atol=0.01)
    *plain, rounded = shown
    assert torch.equal(rounded, rounded.round()) and not any(torch.equal(p, p.round()) for p in plain)


def test_hidden_share_of_sixteen_ovals_on_top_of_each_other():
    """Joints an even number of bones from the pelvis at one place, the others at another: 15 of 16 ovals are hidden."""
    place = {0: 0}
    for _ in NAPA18.bones:
        for a, b in NAPA18.bones:
            if a in place:
                place[b] = 1 - place[a]
            elif b in place:
                place[a] = 1 - place[b]
    ends = torch.tensor([[20.0, 30.0], [45.0, 30.0]])
    keypoints = torch.stack([ends[place.get(joint, 0)] for joint in range(18)])[None]
    assert hidden_share(keypoints, 64, 9.0).item() == pytest.approx(15 / 16)


def test_the_inputs_are_compared_by_a_command(tmp_path):
    path, folder = tmp_path / "depth.json", tmp_path / "runs"
    arguments = ["--steps", "1", "--inputs", "coordinates", "--seeds", "0", "1", "--runs", str(folder)]
    experiments.main(["depth", *arguments, "--out", str(path)])
    found = results.read(path)
    assert found["seed"] == [0, 1] and found["steps"] == 1 and len(list(folder.iterdir())) == 2
    assert found["command"].startswith("python -m napa_lib.lifting.experiments depth --steps 1")
    errors = found["inputs"]["coordinates"]["summary"]["clean"]["mpjpe"]
    expected = results.interval(errors["values"])
    assert (errors["mean"], errors["half_width_95"]) == expected and len(errors["values"]) == 2


def test_a_longer_training_is_scored_likewise(tmp_path, monkeypatch):
    monkeypatch.setitem(experiments.LONGER, "bones_longer_wider", {"sees": "bones", "steps": 1, "preset": "wide"})
    path = tmp_path / "wider.json"
    arguments = ["longer", "--training", "bones_longer_wider", "--seeds", "3", "--half", "--runs", str(tmp_path)]
    experiments.main([*arguments, "--out", str(path)])
    found = results.read(path)
    assert (found["seed"], found["steps"], found["config"]["preset"]) == (3, 1, "wide")
    wide, tiny = (sum(p.numel() for p in DepthNet(preset).parameters()) for preset in ("wide", "tiny"))
    assert found["parameters"] == wide > 3.5 * tiny
    assert found["clean"]["all"]["frames"] == 287 and found["noisy"]["all"]["mpjpe"] > 0


def test_a_longer_training_takes_one_seed(tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        experiments.main(["longer", "--seeds", "0", "1", "--out", str(tmp_path / "two.json")])
    assert "takes one seed, got [0, 1]" in capsys.readouterr().err
    monkeypatch.setattr(experiments, "measure_longer", lambda training, seed, runs, setup: {"trained": seed})
    experiments.main(["longer", "--out", str(tmp_path / "one.json")])
    found = results.read(tmp_path / "one.json")
    assert (found["seed"], found["trained"]) == (0, 0)


def test_a_fit_is_made_on_the_cpu_and_says_so(tmp_path, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(experiments, "measure_fit", lambda seeds, poses: {"poses": poses})
    monkeypatch.setattr(experiments, "choose_device", lambda name: asked.append(name) or torch.device("cpu"))
    experiments.main(["fit", "--device", "cuda", "--out", str(tmp_path / "fit.json")])
    assert asked == ["cpu"] and results.read(tmp_path / "fit.json")["seed"] == [0, 1, 2]
    with pytest.raises(SystemExit):
        experiments.main(["fit", "--poses", "0", "--out", str(tmp_path / "none.json")])
    assert "--poses must be at least 1, got 0" in capsys.readouterr().err
