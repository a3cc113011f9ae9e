"""Targets of several activities: the paper's protocol, with as many poses and shots of each."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from napa_lib import results
from napa_lib.adaptation import choose_shots, measure, reading, recorded_target, union_target
from napa_lib.adaptation.detector import DetectorConfig
from napa_lib.adaptation.targets import FEWEST, spaced
from napa_lib.data import load_body25_poses
from napa_lib.skeletons import BODY25, SHARED15, convert

LABELS = ("T", "PushUp_Low", "Seated")  # one of them has fewer poses than the others


def same_pose(poses, others):
    """(N, M), whether each of poses (N, 15, 2) is one of the others (M, 15, 2)."""
    return (poses[:, None] == others[None]).flatten(2).all(2)


def rows_of(poses, whole):
    """For each pose its row in `whole`; fails if it is not there."""
    same = same_pose(poses, whole)
    assert bool(same.any(1).all())
    return same.int().argmax(1).tolist()


def test_each_activity_has_as_many_poses_of_its_own_half():
    target, parts = union_target("three", LABELS), [recorded_target(label) for label in LABELS]
    count = min(len(half) for part in parts for half in (part.pool, part.held_out))
    assert target.name == "three" and len(target.pool) == len(target.held_out) == 3 * count
    for number, part in enumerate(parts):
        for half, ours in ((part.pool, target.pool), (part.held_out, target.held_out)):
            rows = rows_of(ours[number * count : (number + 1) * count], half)
            steps = [after - before for before, after in zip(rows, rows[1:], strict=False)]
            assert len(set(rows)) == count and max(steps) - min(steps) <= 1  # spread over the half, in its order
            assert rows[0] == 0 and rows[-1] >= len(half) - len(half) / count - 1


def test_no_pose_is_in_both_halves():
    target = union_target("three", LABELS)
    assert not bool(same_pose(target.pool, target.held_out).any())


@pytest.mark.parametrize("name", measure.UNIONS)
def test_two_shots_of_each_activity(name):
    labels, target = measure.UNIONS[name], measure.open_target(name)
    pools = [recorded_target(label).pool for label in labels]
    for seed in range(3):
        shots = reading.shots_of(target, seed)
        found = [int(same_pose(shots, pool).any(1).sum()) for pool in pools]
        assert found == [2] * len(labels)
    assert len(shots) == {6: 12, 15: 30}[len(labels)]  # the paper's M


def test_unions_are_drawn_from_all_that_nothing_was_chosen_on():
    poses = load_body25_poses()
    whole = ~convert(poses.keypoints, BODY25, SHARED15).isnan().flatten(1).any(1)
    enough = {name for number, name in enumerate(poses.classes) if whole[poses.labels == number].sum() >= FEWEST}
    assert enough - set(measure.SMEARED_ON) == set(measure.ACTIVITIES) == set(measure.UNIONS["fifteen"])
    assert len(measure.SIXES) == len(set(measure.SIXES.values())) == 10
    for labels in measure.SIXES.values():
        assert len(set(labels)) == 6 and set(labels) <= set(measure.ACTIVITIES)
    assert measure.SIXES["six0"] == (  # the draw does not change with the library
        "MilitarySalute", "Seated", "Squat", "Stand_LeftArmRaised", "Yoga_UpwardSalute", "Yoga_Warrior2_right",
    )  # fmt: skip


def test_one_class_alone_has_the_shots_that_it_had():
    target = measure.open_target("T")
    expected = choose_shots(recorded_target("T"), 12, torch.Generator().manual_seed(3))
    torch.testing.assert_close(reading.shots_of(target, 3), expected)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ((), "two or more different classes"),
        (("T",), "two or more different classes"),
        (("T", "Squat", "T"), "two or more different classes"),
        (("T", "Handstand"), "label must be one of"),
        (("T", "Plank"), "at least 40 poses"),
    ],
)
def test_unions_that_cannot_be(labels, message):
    with pytest.raises(ValueError, match=message):
        union_target("none", labels)


def test_some_poses_at_equal_steps():
    poses = torch.arange(10.0).view(10, 1, 1).expand(10, 15, 2)
    assert spaced(poses, 4)[:, 0, 0].tolist() == [0, 2, 5, 7]
    torch.testing.assert_close(spaced(poses, 10), poses)
    torch.testing.assert_close(spaced(poses, 11), poses)


def test_a_union_is_measured_whole(tmp_path, monkeypatch):
    small = replace(measure.ADAPTATION, mixed=25, steps=2, batch=4)
    for module in (reading, measure):
        for name, value in (("ADAPTATION", small), ("POOL", 30), ("SAMPLES", 24), ("ANNOTATIONS", 24)):
            monkeypatch.setattr(module, name, value)
    config = reading.ReadingConfig
    monkeypatch.setattr(reading, "ReadingConfig", lambda seed: config(2, 4, seed=seed))
    monkeypatch.setattr(reading, "KEPT", 20)
    monkeypatch.setattr(reading, "DETECTOR", DetectorConfig(size=16, width=8, steps=2, batch=4))
    mixed, adapt_to = [], measure.adapt_to

    def adapted_to(target, parts, seed, shots, **changes):
        mixed.append(shots)
        return adapt_to(target, parts, seed, shots, **changes)

    monkeypatch.setattr(reading, "adapt_to", adapted_to)
    target = measure.open_target("fifteen")
    some = spaced(target.pool, 24)  # of all activities, where the first 24 rows would be of one
    for words in ([], ["--smear"]):
        out = tmp_path / "found_0.json"
        reading.main(["--target", "fifteen", *words, "--out", str(out)])
        assert results.read(out)["distances"]["pool"] == measure.distances(some, target.held_out)
    assert mixed == [30, 30]
