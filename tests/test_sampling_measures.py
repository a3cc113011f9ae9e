"""What chapter 5 measures, each number against a second way to find it, and the constants of the body."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch

from napa_lib import sampling
from napa_lib.data import asset_path, list_mocap_clips, load_mocap
from napa_lib.results import read
from napa_lib.sampling import SKELETON, evaluate, experiments, train
from napa_lib.sampling.anatomy import CAPSULES
from napa_lib.sampling.networks import TreeDecoder
from napa_lib.skeletons import convert


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def joint(name: str) -> int:
    return SKELETON.index(name)


def nearest(poses: torch.Tensor, samples: torch.Tensor) -> float:
    gaps = (poses[:, None] - samples[None]).square().sum(-1).mean(-1).sqrt()
    return float(gaps.amin(1).mean())


# The body ----------------------------------------------------------------------------------------------------------


def test_bones_are_as_long_as_motion_captures():
    poses = torch.cat([convert(load_mocap(name).poses, "NAPA18", SKELETON) for name in list_mocap_clips("train")])
    parents = [max(parent, 0) for parent in SKELETON.parents]
    lengths = (poses - poses[:, parents]).norm(dim=-1).mean(0)
    torch.testing.assert_close(sampling.BONE_LENGTHS, lengths, atol=0.06, rtol=0)


def test_limbs_are_as_thick_as_the_models():
    text = asset_path("mocap/humanoid.urdf").read_bytes().rstrip(b"\0").decode()
    for part, link in {"thigh": "hip", "shank": "knee", "upper_arm": "shoulder", "forearm": "elbow"}.items():
        radius = re.search(rf'link name="right_{link}".*?radius="([\d.]+)"', text, re.DOTALL)
        for side in "lr":  # in quarters of a metre
            assert CAPSULES[f"{side}_{part}"][2] == pytest.approx(250 * float(radius[1]))


def spread_out(count: int) -> torch.Tensor:
    """Poses of somebody who stands with the arms to the sides, in mm."""
    pose = torch.zeros(17, 3)
    for side, sign in (("l", 1.0), ("r", -1.0)):
        for name, height in (("hip", 900.0), ("knee", 500.0), ("ankle", 100.0)):
            pose[joint(f"{side}_{name}")] = torch.tensor([0.0, 85.0 * sign, height])
        for name, out in (("shoulder", 180.0), ("elbow", 450.0), ("wrist", 700.0)):
            pose[joint(f"{side}_{name}")] = torch.tensor([0.0, out * sign, 1370.0])
    for name, height in (("pelvis", 900.0), ("thorax", 1370.0), ("neck", 1430.0), ("head", 1640.0)):
        pose[joint(name)] = torch.tensor([0.0, 0.0, height])
    return pose.repeat(count, 1, 1)


def test_parts_may_touch_and_not_run_through_one_another():
    """They meet where 35 % of their radii is pressed in. A shank has 50 mm, a forearm 40, the head 80, trunks 100."""
    shanks, heads, trunks = spread_out(2), spread_out(2), spread_out(2)
    for side, sign in (("l", 0.5), ("r", -0.5)):
        shanks[:, joint(f"{side}_ankle"), 1] = sign * torch.tensor([66.0, 64.0])
    gaps = torch.tensor([79.0, 77.0])
    heads[:, joint("r_elbow")] = torch.stack([torch.full((2,), -150.0), -gaps, torch.full((2,), 1535.0)], -1)
    heads[:, joint("r_wrist")] = heads[:, joint("r_elbow")] * torch.tensor([-1.0, 1.0, 1.0])
    trunks[:, joint("r_knee")] = torch.tensor([400.0, 0.0, 1100.0])
    trunks[:, joint("r_ankle")] = torch.tensor([[98.5, 0.0, 1100.0], [96.5, 0.0, 1100.0]])
    assert not sampling.intersects_itself(spread_out(1)).any()
    for poses in (shanks, heads, trunks):
        assert sampling.intersects_itself(poses).tolist() == [False, True]


def test_a_straight_limb_shows_no_turn_and_an_arm_may_be_raised_sideways():
    for side in "lr":
        nearly, bent = torch.tensor([[0.0, 0.0, 180.0, 14.0], [0.0, 0.0, 180.0, 16.0]])
        assert sampling.limb_allowed(*sampling.limb_directions(nearly, "leg", side), "leg", side)
        assert not sampling.limb_allowed(*sampling.limb_directions(bent, "leg", side), "leg", side)
        raised = torch.tensor([0.0, 120.0, 0.0, 30.0])  # its other notation leaves the ranges
        assert sampling.limb_allowed(*sampling.limb_directions(raised, "arm", side), "arm", side)


def test_poses_of_other_joints_are_refused():
    with pytest.raises(ValueError, match=r"canonical must be floating \(\.\.\., 17"):
        sampling.limbs_allowed(torch.zeros(2, 18, 3))
    with pytest.raises(ValueError, match=r"poses must be floating \(\.\.\., 17"):
        sampling.intersects_itself(torch.zeros(2, 18, 3))
    with pytest.raises(ValueError, match="limb must be one of"):
        sampling.limb_ranges("tail")


# Measures ----------------------------------------------------------------------------------------------------------


def test_shares_of_what_no_body_could_take(monkeypatch):
    allowed = torch.tensor([[0, 1, 1, 1], [0, 0, 1, 1], [1, 1, 1, 1], [1, 1, 1, 0]]).bool()
    monkeypatch.setattr(evaluate, "limbs_allowed", lambda poses: allowed)
    monkeypatch.setattr(evaluate, "intersects_itself", lambda poses: torch.tensor([False, True, True, False]))
    expected = {"leg": 3 / 8, "arm": 1 / 8, "limbs": 3 / 4, "intersection": 1 / 2, "either": 1.0}
    assert sampling.implausible_share(torch.zeros(4, 17, 3)) == expected


def test_an_autoencoder_is_measured_on_poses_and_on_what_the_cube_decodes_to():
    torch.manual_seed(0)
    model, poses = sampling.PoseAutoencoder(), sampling.mocap_poses("test")[::40]
    found = sampling.measure_autoencoder(model, poses, 60, seed=3)
    prior = 2 * torch.rand(60, 32, generator=generator(3)) - 1
    drawn = model.decode(prior).detach()
    back = torch.tanh(model.encoder(model.decoder(prior))).detach()
    assert found["embedding"] == pytest.approx(float((back - prior).abs().mean()), rel=1e-5)
    assert found["nearest_mm"] == pytest.approx(nearest(poses, drawn), rel=1e-4)
    assert found["inside"] == sampling.share_inside(drawn)["pose"]
    assert found["implausible"] == sampling.implausible_share(drawn)


def test_ways_to_draw_are_measured_on_clips_that_none_has_seen(monkeypatch):
    monkeypatch.setattr(experiments, "PART", 25)
    found, real = experiments.measure([0, 5], 40, million=60), sampling.mocap_poses("test")
    row = found["drawn"]["joint limits"]
    for place, seed in enumerate((0, 5)):
        samples = sampling.sample_canonical(40, generator=generator(seed))
        assert row["nearest_mm"][place] == pytest.approx(nearest(real, samples), rel=1e-4)
        g = generator(seed)
        samples = torch.cat([sampling.sample_canonical(n, generator=g) for n in (25, 25, 10)])
        assert found["of_a_million_mm"]["joint limits"][place] == pytest.approx(nearest(real, samples), rel=1e-4)
    share = sampling.implausible_share(experiments.WAYS["random directions"](40, generator(5)))
    other = found["drawn"]["random directions"]
    assert [other[n][1] for n in ("implausible", "limbs", "intersection")] == [
        share[n] for n in ("either", "limbs", "intersection")
    ]
    assert found["mocap"]["test"]["inside"] == sampling.share_inside(real)


def test_principal_components_spread_as_motion_capture_does():
    drawn, real = experiments.principal_poses(4000, generator()), sampling.mocap_poses("train")
    limbs = [joint(f"{s}_{part}") for s in "lr" for part in ("knee", "ankle", "elbow", "wrist")]
    spread, own = (poses[:, limbs].std(0).norm(dim=-1) for poses in (drawn, real))
    assert ((spread / own - 1).abs() < 0.15).all()
    assert ((drawn.mean(0) - real.mean(0))[limbs].norm(dim=-1) < 100).all()


def test_results_that_could_not_be_written_are_found_first(tmp_path, monkeypatch):
    monkeypatch.setattr(experiments, "measure", lambda *words: pytest.fail("it began"))
    monkeypatch.setattr(train, "train_autoencoder", lambda *words: pytest.fail("it began"))
    (tmp_path / "file").write_text("mine")
    bad = str(tmp_path / "file" / "r.json")
    with pytest.raises(SystemExit, match="cannot write"):
        experiments.main(["--out", bad])
    with pytest.raises(SystemExit, match="cannot write"):
        train.main(["--out", str(tmp_path / "m.safetensors"), "--results", bad])
    with pytest.raises(SystemExit, match="--poses must be at least 1, got 0"):
        experiments.main(["--out", str(tmp_path / "r.json"), "--poses", "0"])


# The networks and their training -----------------------------------------------------------------------------------


def test_the_decoder_goes_down_the_same_tree():
    """The lower half of the body decides on legs and, with the upper half, on the trunk; not on the arms."""
    torch.manual_seed(0)
    decoder, embedding = TreeDecoder(), sampling.draw_embeddings(3, generator())
    before = decoder(embedding)
    with torch.no_grad():
        decoder.halves[0][0].bias.add_(0.5)
    moved = (decoder(embedding) - before).abs().sum((0, 2)).nonzero().flatten().tolist()
    arms = {"r_elbow", "r_wrist", "l_elbow", "l_wrist"}
    assert {SKELETON.joints[j] for j in moved} == set(SKELETON.joints) - arms - {"pelvis", "thorax"}


def test_embeddings_to_start_from_fill_the_cube_evenly():
    drawn = sampling.draw_embeddings(2000, generator())
    counts = torch.histc(drawn, 8, -1, 1) / drawn.numel()
    assert drawn.abs().max() <= 1 and (counts - 1 / 8).abs().max() < 0.01


def test_artificial_training_poses_are_as_many_as_asked_for_and_possible_where_that_is_asked():
    for source in ("limits", "conditioned"):
        poses = train.training_poses(source, generator(), 60)
        assert len(poses) == 60 and bool(sampling.limbs_allowed(poses).all()) == (source == "conditioned")
    assert len(train.training_poses("limits", generator())) == 100_000


def test_each_seed_has_poses_of_its_own(monkeypatch):
    seeds = []

    def poses(source, generator, pool):
        seeds.append((source, generator.initial_seed(), pool))
        return sampling.sample_canonical(8, generator=generator)

    monkeypatch.setattr(train, "training_poses", poses)
    for seed in (0, 7):
        train.train_autoencoder(train.TrainingConfig(steps=1, batch=2, pool=9, seed=seed))
    assert seeds == [("limits", 0, 9), ("limits", 7, 9)]


def test_the_papers_cycle_starts_from_the_embeddings_of_the_poses():
    """Eq. 1 as the supplement prints it: |phi - Phi Psi(phi)| with phi = Phi(T_L(p_c))."""
    canonical, prior = sampling.sample_canonical(8, generator=generator()), sampling.draw_embeddings(8, generator(1))
    local, states = sampling.local_directions(canonical), []
    for weight in (1e-12, 0.5):
        torch.manual_seed(0)
        model, critic = sampling.PoseAutoencoder(), sampling.TreeEncoder(1)
        own = torch.tanh(model.encoder(local))
        gap = (torch.tanh(model.encoder(model.decoder(own))) - own).abs().sum() / (8 * 32)
        pose = (sampling.join_local(model.decoder(own)) - canonical).square().sum(-1).add(1e-12).sqrt().mean() / 1000
        gradient = torch.autograd.grad(pose + gap, model.encoder.last.weight)[0]
        sgd = {n: torch.optim.SGD(m.parameters(), lr=0.1) for n, m in (("model", model), ("critic", critic))}
        before = model.encoder.last.weight.detach().clone()
        config = train.TrainingConfig(batch=8, cycle="poses", adversarial=weight, clip=1e9)
        losses = train.training_step(model, critic, canonical, local, prior, sgd, config)
        assert float(losses["embedding"].detach()) == pytest.approx(float(gap.detach()), rel=1e-5)
        torch.testing.assert_close(before - model.encoder.last.weight, 0.1 * gradient, atol=1e-7, rtol=1e-3)
        states.append(model.decoder.whole[0].weight.detach())
    assert not torch.equal(*states)  # L_adv still has its poses from the prior, and moves Psi


def test_a_command_says_what_it_did(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(
        train, "measure_autoencoder", lambda model, poses, samples: shown.append((len(poses), samples)) or {}
    )
    words = ["--poses", "mocap", "--cycle", "poses", "--steps", "2", "--batch", "4", "--learning-rate", "1e-4",
             "--adversarial", "0.5", "--seed", "3", "--out", str(tmp_path / "m.safetensors"), "--results",
             str(tmp_path / "m_3.json")]  # fmt: skip
    train.main(words)
    found = read(tmp_path / "m_3.json")
    expected = {"poses": "mocap", "cycle": "poses", "batch": 4, "learning_rate": 1e-4, "adversarial": 0.5, "seed": 3}
    assert expected.items() <= found["config"].items()
    count = {split: len(sampling.mocap_poses(split)) for split in ("validation", "test")}
    assert shown == [(count["validation"], 2000)] * 2 + [(count["test"], 10_000)]
    assert found["seconds"] >= round(found["record"][-1]["seconds"], 1)


def test_seconds_are_those_of_all_calls(tmp_path, monkeypatch):
    """A training that was finished before its result was written is not told as one of a moment."""
    monkeypatch.setattr(train, "measure_autoencoder", lambda *words: {})
    whole = train.train_autoencoder
    monkeypatch.setattr(train, "train_autoencoder", lambda *words: (whole(*words)[0], [{"step": 2, "seconds": 1371.9}]))
    words = ["--poses", "mocap", "--steps", "2", "--out", str(tmp_path / "m.safetensors"), "--results"]
    train.main([*words, str(tmp_path / "m_0.json")])
    assert read(tmp_path / "m_0.json")["seconds"] == 1371.9


@pytest.mark.parametrize("bad", [{"cycle": "both"}, {"pool": 0}, {"pool": 10, "poses": "mocap"}])
def test_options_that_make_no_sense_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        replace(train.TrainingConfig(), **bad)
