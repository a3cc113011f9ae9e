"""Chapter 7 on chapter 3's studio: poses made of fifty, where they are put, and who can tell them apart."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace

import numpy as np
import pytest
import torch

from napa_lib import results
from napa_lib.adaptation import StyleTransfer, energy_distance, fit_square, measure, neighbours, reading, studio
from napa_lib.adaptation.detector import DetectorConfig
from napa_lib.adaptation.functional import told_apart
from napa_lib.adaptation.reading import ReadingConfig
from napa_lib.adaptation.store import load_pretrained, load_regressor
from napa_lib.bottleneck.train import choose_poses, parser
from napa_lib.data.clips import halves, unpaired_poses
from napa_lib.data.pose_files import read_poses, save_poses
from napa_lib.data.sources import open_clips
from napa_lib.engine import CheckpointError, save_tensors
from napa_lib.skeletons import NAPA18, SHARED15, convert
from napa_lib.study.lessons.lesson_07.reading import SMEARED, STEPS


@pytest.fixture(scope="module")
def clips():
    return open_clips("studio:train", studio.SIZE)


@pytest.fixture(scope="module")
def few(clips):
    return studio.chosen_poses(50, 0)[0]


def asked(*options: str) -> Namespace:
    return parser().parse_args(["--stage", "pretrain", "--data", "x", "--out", "y", *options])


def test_the_fifty_are_those_of_chapter_3(clips, few):
    images, rest = halves(clips)
    generator = torch.Generator().manual_seed(0)
    theirs = choose_poses(asked("--pose-count", "50"), images, unpaired_poses(rest), generator)
    torch.testing.assert_close(few, theirs)
    others = studio.chosen_poses(50, 0)[1]
    every = unpaired_poses(halves(clips)[1])
    whole = int((~every.isnan().flatten(1).any(1)).sum())
    for count in (0, len(every)):
        with pytest.raises(ValueError, match="shots must be from 1"):
            studio.chosen_poses(count, 0)
    assert len(few) + len(others) == whole and bool((torch.cdist(few.flatten(1), others.flatten(1)) > 0).all())


def test_a_head_that_is_linear_in_its_leads_is_found_exactly():
    drawn = torch.Generator().manual_seed(1)
    weights = torch.randn(4, 3, generator=drawn, dtype=torch.float64)

    def with_head(count):
        poses = torch.randn(count, 18, 2, generator=drawn, dtype=torch.float64)
        for _ in range(60):  # the head's centre, a lead, is the mean of points that are told: a fixed point
            shared = convert(poses, NAPA18, SHARED15).numpy()
            at = {name: shared[:, SHARED15.index(name)] for name in (*studio.LEADS, "thorax")}
            leads = np.stack([at[name] - at["thorax"] for name in studio.LEADS], 1)
            told = np.einsum("nkc,kt->ntc", leads, 0.2 * weights.numpy()) + at["thorax"][:, None]
            poses[:, studio.OF_TOLD] = torch.from_numpy(told)
        return poses

    layout, fresh = studio.fit_layout(with_head(40)), with_head(5)
    completed = studio.complete(convert(fresh, NAPA18, SHARED15), layout)
    heads = completed[:, studio.OF_TOLD] - fresh[:, studio.OF_TOLD]
    assert float(heads.abs().max()) < 1e-8
    assert float((fresh[:, studio.OF_TOLD] - fresh[:, None, NAPA18.index("thorax")]).abs().max()) > 0.1


def test_of_the_studios_poses_nothing_but_the_head_and_the_torso_changes(few):
    layout, others = studio.fit_layout(few), studio.chosen_poses(50, 0)[1][:200]
    found = studio.complete(convert(others, NAPA18, SHARED15), layout)
    change = (found - others).norm(dim=-1).mean(0) / 2  # of the picture's side
    guessed = [*studio.OF_TOLD, NAPA18.index("torso")]
    same = [joint for joint in range(18) if joint not in guessed]
    assert float(change[same].max()) < 1e-6 and 1e-4 < float(change[guessed].max()) < 0.03


def test_placed_poses_lie_as_the_examples_do(few):
    layout, generator = studio.fit_layout(few), torch.Generator().manual_seed(0)
    poses = few.repeat(40, 1, 1) * 3 + 7
    placed = studio.place(poses, layout, generator)
    torch.testing.assert_close(  # moved and scaled, and nothing else
        fit_square(convert(placed, NAPA18, SHARED15)), fit_square(convert(poses, NAPA18, SHARED15)), atol=1e-4, rtol=0
    )
    assert float(placed.abs().max()) <= 1 + 1e-5
    box = [(p.max(0) + p.min(0)) / 2 for p in few.numpy()], [(p.max(0) - p.min(0)).max() for p in few.numpy()]
    centre, side = studio.boxes_of(placed)
    assert min(box[1]) - 1e-5 <= float(side.min()) and float(side.max()) <= max(box[1]) + 1e-5
    np.testing.assert_allclose(side.log().mean(), np.log(box[1]).mean(), atol=0.05)
    np.testing.assert_allclose(centre.mean(0), np.mean(box[0], 0), atol=0.05)
    np.testing.assert_allclose(centre.std(0), np.std(box[0], 0), rtol=0.3)
    assert not torch.equal(placed[:50], placed[50:100])


@pytest.mark.parametrize("examples, words", [
    (torch.zeros(9, 18, 2), "M >= 10"), (torch.zeros(20, 15, 2), "18"), (torch.full((20, 18, 2), torch.nan), "missing"),
])  # fmt: skip
def test_examples_that_say_nothing(examples, words):
    with pytest.raises(ValueError, match=words):
        studio.fit_layout(examples)


def test_poses_go_through_a_file_to_chapter_3(tmp_path, clips, few):
    path = tmp_path / "poses.safetensors"
    save_poses(path, few, NAPA18.name)
    torch.testing.assert_close(read_poses(path, NAPA18.name), few)
    generator = torch.Generator().manual_seed(0)
    torch.testing.assert_close(choose_poses(asked("--pose-file", str(path)), clips, None, generator), few)
    with pytest.raises(ValueError, match="FACE68"):
        read_poses(path, "FACE68")
    with pytest.raises(ValueError, match="None|18"):
        save_poses(path, few[:, :15], NAPA18.name)
    save_tensors(path, {"poses": few}, {"format": "other", "skeleton": NAPA18.name})
    with pytest.raises(CheckpointError, match="other"):
        read_poses(path, NAPA18.name)
    with pytest.raises(ValueError, match="nowhere"):
        read_poses(tmp_path / "nowhere.safetensors", NAPA18.name)


def test_told_apart_is_a_count_of_nearest_neighbours():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(12, 3, 2)), rng.normal(0.7, 1, size=(30, 3, 2))
    rows = np.round(np.linspace(0, 29, 12)).astype(int)
    both = [*first, *second[rows]]
    right = 0
    for i, pose in enumerate(both):
        others = [(np.sqrt(((pose - other) ** 2).sum()), j) for j, other in enumerate(both) if j != i]
        right += (min(others)[1] < 12) == (i < 12)
    assert told_apart(torch.from_numpy(first), torch.from_numpy(second)) == pytest.approx(right / 24, abs=1e-12)
    alike = [torch.from_numpy(rng.normal(size=(400, 3, 2))) for _ in range(2)]
    assert told_apart(*alike) == pytest.approx(0.5, abs=0.07)
    with pytest.raises(ValueError, match="at least 2"):
        told_apart(alike[0][:1], alike[1])


def test_main_directions_are_those_of_the_covariance():
    poses = np.random.default_rng(0).normal(size=(60, 3, 2)) * np.array([3.0, 1.0])
    size, vectors = np.linalg.eigh(np.cov(poses.reshape(60, 6).T, bias=True))
    mean, directions, share = neighbours.main_directions(torch.from_numpy(poses))
    np.testing.assert_allclose(mean, poses.reshape(60, 6).mean(0))
    np.testing.assert_allclose(np.abs((directions.numpy() * vectors[:, [5, 4]].T).sum(1)), 1.0, atol=1e-9)
    assert share == pytest.approx(size[-2:].sum() / size.sum())


def test_direct_and_ours_differ_in_what_stands_beside_the_same_mixed_poses(few, monkeypatch):
    monkeypatch.setattr(studio, "ADAPTATION", replace(measure.ADAPTATION, mixed=25, steps=2, batch=4))
    monkeypatch.setattr(studio, "COUNT", 40)
    monkeypatch.setattr(studio, "POOL", 30)
    shots = fit_square(convert(few, NAPA18, SHARED15))
    made = studio.make_poses(shots, 0)
    same = (made["direct"] == made["ours"]).flatten(1).all(1)
    assert int(same.sum()) == 25 and not bool(same[:25].all())  # they are not all in one place
    mixed = studio.pose_mixup(shots, 25, torch.Generator().manual_seed(0))

    def count(poses, among):
        return int((poses[:, None] == among[None]).flatten(2).all(2).any(1).sum())

    assert count(mixed, made["direct"]) == count(mixed, made["ours"]) == 25
    assert count(made["flexpose"], made["ours"]) == 15 and count(made["flexpose"], made["direct"]) == 0
    source = energy_distance(made["direct"][~same], made["source"])  # the other fifteen are the source's
    assert source < energy_distance(made["direct"][~same], mixed)


def test_commands_write_poses_and_what_they_are_worth(tmp_path, monkeypatch):
    small = replace(measure.ADAPTATION, mixed=25, steps=2, batch=4)
    for module in (studio, neighbours, reading, measure):
        for name, value in (("ADAPTATION", small), ("POOL", 30), ("COUNT", 40), ("SAMPLES", 20), ("ANNOTATIONS", 20),
                            ("MEASURED_ON", ("T",))):  # fmt: skip
            if hasattr(module, name):
                monkeypatch.setattr(module, name, value)
    studio.main(["--seed", "1", "--out", str(tmp_path / "made")])
    found = results.read(tmp_path / "made.json")
    assert set(found["distances"]) == {*studio.KINDS, "source", "shots"} and 0 < found["head"] < 0.05
    for kind in studio.KINDS:
        poses = read_poses(tmp_path / f"made_{kind}.safetensors", NAPA18.name)
        assert tuple(poses.shape) == (40, 18, 2) and float(poses.abs().max()) <= 1 + 1e-5
    neighbours.main(["--out", str(tmp_path / "judged_0.json")])
    judged = results.read(tmp_path / "judged_0.json")["neighbours"]["T"]
    assert set(judged["told_apart"]) == {"source", "mixup", "adapted", "pool"} == set(judged["energy"])
    assert all(0 <= share <= 1 for share in judged["told_apart"].values()) and 0 < judged["plane"] < 1
    monkeypatch.setattr(reading, "ReadingConfig", lambda seed: ReadingConfig(2, 4, seed=seed))
    monkeypatch.setattr(reading, "KEPT", 20)
    monkeypatch.setattr(reading, "DETECTOR", DetectorConfig(size=16, width=8, steps=2, batch=4))
    learned, train = [], reading.train_detector
    monkeypatch.setattr(reading, "train_detector", lambda config, poses: learned.append(poses) or train(config, poses))
    reading.main(["--target", "T", "--out", str(tmp_path / "reading_T_0.json")])
    parts = reading.open_shipped(0)
    mixed = reading.pose_mixup(reading.shots_of(measure.recorded_target("T"), 0), 25, torch.Generator().manual_seed(0))
    torch.testing.assert_close(learned[0], torch.cat([parts.pool.poses[:20], mixed]))  # Direct's
    torch.testing.assert_close(learned[1][-25:], mixed)
    wide, shots = learned[1][:-25], reading.shots_of(measure.recorded_target("T"), 0)
    assert len(wide) == 18  # nine tenths of twenty, as wide as the shots
    torch.testing.assert_close(wide.var(0).sum(), shots.var(0).sum(), rtol=1e-4, atol=0)
    found = results.read(tmp_path / "reading_T_0.json")
    assert set(found["distances"]) == set(STEPS)
    assert set(found["moved"]) == {"read", "fitted", "taught"} and all(
        0 < share < 1 for share in found["moved"].values()
    )
    assert set(found["detector"]) == {"direct", "wide"} and found["config"]["steps"] == 2
    given, smear = [], reading.smeared
    monkeypatch.setattr(reading, "smeared", lambda *parts: given.append(parts[:3]) or smear(*parts))
    reading.main(["--target", "T", "--smear", "--out", str(tmp_path / "smeared_T_0.json")])
    smeared = results.read(tmp_path / "smeared_T_0.json")
    assert set(smeared["distances"]) == set(SMEARED) and smeared["layers"] == [1, 2, 3, 4]
    for kind in ("source", "mixup", "mixup wide", "pool"):  # these do not depend on layers
        assert smeared["distances"][kind] == found["distances"][kind]
    assert set(smeared["detector"]) == {"smeared"}
    for _, fitted, residuals in given:  # what an answer lacks of its mixed pose
        torch.testing.assert_close(fitted + residuals, mixed)
    torch.testing.assert_close(given[1][0], mixed)
    torch.testing.assert_close(learned[2][-25:], mixed)
    monkeypatch.setattr(reading, "load_pretrained_transfer", lambda name: StyleTransfer(load_pretrained()[0].widths))
    reading.main(["--target", "T", "--ship", "--out", str(tmp_path / "taught.json")])
    assert set(results.read(tmp_path / "taught.json")["shipped"]) == {"adapted", "taught"}
    assert load_regressor(tmp_path / "taught.safetensors").planes == 3
