"""Two people in four calibrated views: who agrees about a point, and how estimates are scored."""

from __future__ import annotations

import pytest
import torch

from napa_lib import results
from napa_lib.data import load_cameras
from napa_lib.data.assets import asset_path
from napa_lib.data.two_people import (
    AGREE,
    TwoPeople,
    agreeing_points,
    load_two_people,
    median_bones,
    without_odd_bones,
)
from napa_lib.evaluate import two_people, video_rows
from napa_lib.evaluate.student import load_chapter
from napa_lib.evaluate.two_people import Seen, score, true_people, whole_length
from napa_lib.geometry import project_perspective
from napa_lib.multiperson.experiments import pictures
from napa_lib.sampling import BONE_LENGTHS, SKELETON
from napa_lib.skeletons import NAPA18, convert


@pytest.fixture(scope="module")
def cameras():
    found = load_cameras("multi")
    return [found[name] for name in sorted(found)]


@pytest.fixture(scope="module")
def shipped():
    return load_two_people()


def some_points(cameras, shape) -> torch.Tensor:
    """Points about the middle of what the cameras look at."""
    centre = load_two_people().points().nanmean((0, 1, 2))
    return centre + 300 * torch.randn(*shape, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_a_point_is_that_of_the_views_that_agree(cameras):
    points = some_points(cameras, (5,))
    seen = torch.stack([project_perspective(points, camera) for camera in cameras])
    seen[2, 0] += 40  # one view is wrong about the first
    seen[1, 1] += 40
    seen[3, 1] -= 60  # two about the second
    seen[0, 2] = torch.nan  # and one does not see the third
    found = agreeing_points(seen, cameras, 3)
    torch.testing.assert_close(found[[0, 2, 3, 4]], points[[0, 2, 3, 4]], atol=1e-3, rtol=0)
    assert bool(found[1].isnan().all())
    two = agreeing_points(seen, cameras, 2)[1:2]
    back = torch.stack([project_perspective(two, camera) for camera in cameras])
    assert int(((back - seen[:, 1:2]).norm(dim=-1) < AGREE).sum()) >= 2
    with pytest.raises(ValueError, match="least from 2"):
        agreeing_points(seen, cameras, 1)
    with pytest.raises(ValueError, match="as many as views"):
        agreeing_points(seen, cameras[:3], 2)


def test_a_bone_that_grows_loses_its_far_end():
    frame = torch.randn(2, 18, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 300
    points = frame.expand(7, 2, 18, 3).clone()
    wrist, elbow = NAPA18.index("l_wrist"), NAPA18.index("l_elbow")
    points[3, 1, wrist] += 0.3 * (points[3, 1, wrist] - points[3, 1, elbow])
    points[4, 1, wrist] += 0.1 * (points[4, 1, wrist] - points[4, 1, elbow])
    lengths = median_bones(points)
    torch.testing.assert_close(lengths[0, 0], (frame[0, NAPA18.bones[0][0]] - frame[0, NAPA18.bones[0][1]]).norm())
    assert without_odd_bones(points, lengths).isnan().any(-1).nonzero().tolist() == [[3, 1, wrist]]


def test_what_ships_meets_in_space_and_keeps_its_bones(shipped):
    points = shipped.points()
    known = ~points.isnan().any(-1)
    assert float(known[:, 0].float().mean()) > 0.7 and float(known[:, 1].float().mean()) > 0.9
    back = torch.stack([project_perspective(points, camera) for camera in shipped.cameras], 1)
    assert float((back - shipped.keypoints).norm(dim=-1).nanmedian()) < 4
    thighs = (points[:, :, NAPA18.index("l_hip")] - points[:, :, NAPA18.index("l_knee")]).norm(dim=-1)
    assert float((thighs / thighs.nanmedian(0).values - 1).abs().nan_to_num(0).max()) < 0.25


def test_a_view_is_judged_by_the_others_alone(shipped):
    spoilt = shipped.keypoints.clone()
    spoilt[:, 1] = torch.nan
    other = TwoPeople(shipped.names, shipped.cameras, spoilt)
    kept = [0, 2, 3]
    expected = agreeing_points(spoilt[:, kept].transpose(0, 1), [shipped.cameras[v] for v in kept], 2)
    lengths = median_bones(shipped.points())
    torch.testing.assert_close(shipped.points_without(1), without_odd_bones(expected, lengths), equal_nan=True)
    assert not torch.equal(other.points().isnan(), shipped.points().isnan())


def test_the_truth_of_a_view_has_one_size_and_lies_in_its_frames(shipped):
    people = true_people(shipped, 2)
    world, camera = shipped.points_without(2), shipped.cameras[2]
    number = next(i for i, one in enumerate(people) if len(one.poses) == 2 and not one.poses[1].isnan().any())
    ends = torch.tensor(SKELETON.bones)
    own = convert(world[number, 1].float(), NAPA18, SKELETON)
    lengths = [(p[ends[:, 0]] - p[ends[:, 1]]).norm(dim=-1).sum() for p in (own, people[number].poses[1])]
    size = float(BONE_LENGTHS.sum() / whole_length(shipped.points())[1])
    assert float(lengths[1] / lengths[0]) == pytest.approx(size, rel=1e-4)
    deeper = own @ camera.R.float().T + camera.t.float()
    order = deeper[:, 2].argsort()
    assert bool((people[number].poses[1][order, 2].diff() >= -1e-2).all())  # z goes away from the camera
    flat = project_perspective(world[number, 1], camera).float()
    torch.testing.assert_close(people[number].keypoints[1, 0], flat[NAPA18.index("pelvis")])


def test_known_joints_are_scored_and_the_missed_are_wrong():
    generator = torch.Generator().manual_seed(2)
    truth = Seen(torch.rand(2, 15, 2, generator=generator) * 100 + torch.tensor([[[0.0, 0]], [[300, 0]]]),
                 torch.randn(2, 17, 3, generator=generator) * 300)  # fmt: skip
    truth.poses[:, 0] = 0
    truth.poses[0, 3], truth.keypoints[0, 3] = torch.nan, torch.nan
    found = Seen(truth.keypoints[:1].nan_to_num(0).clone(), truth.poses[:1].nan_to_num(0).clone())
    found.poses[0, 1] += torch.tensor([0, 0, 151.0])
    found.poses[0, 2] += torch.tensor([0, 0, 149.0])
    found.keypoints[0, 1] += torch.tensor([54.0, 0])  # of 480: 25.2 of 224
    found.keypoints[0, 2] += torch.tensor([53.0, 0])
    result = score([found], [truth], 480)
    assert result["people"] == 2 and result["matched"] == 1
    assert result["pck"] == pytest.approx(100 * 15 / 33) and result["pck_matched"] == pytest.approx(100 * 15 / 16)
    assert result["pck_2d"] == pytest.approx(100 * 13 / 29) and result["pck_2d_matched"] == pytest.approx(100 * 13 / 14)
    nobody = Seen(torch.zeros(0, 15, 2), torch.zeros(0, 17, 3))
    assert score([nobody], [truth], 480)["pck"] == 0 and score([nobody], [truth], 480)["matched"] == 0


def test_results_that_ship_are_of_what_ships(shipped):
    found = results.read(asset_path("results/multiperson/video.json"))
    assert found["agreement"] == two_people.agreement(shipped)
    people = sum(len(one.poses) for view in range(4) for one in true_people(shipped, view))
    assert found["student"]["people"] == found["estimator"]["people"] == people


# Table 2's rows ------------------------------------------------------------------------------------------------------


def test_students_of_a_folder_are_named_by_row_and_seed(tmp_path):
    for name in ("adapt_1", "adapt_0", "distl_10", "distl_2", "distl_many_0"):
        (tmp_path / f"{name}_lifter.safetensors").touch()
    found = video_rows.stored_students(tmp_path)
    assert list(found) == ["distl", "adapt"]
    assert [path.name.split("_")[1] for path in found["distl"]] == ["2", "10"]
    with pytest.raises(ValueError, match="without any"):
        video_rows.stored_students(tmp_path / "nothing")


def test_rows_are_read_as_the_student_that_ships_is(tmp_path, monkeypatch, shipped):
    """One frame a view, the network that ships in a row's place: the same people at the same places."""
    whole = video_rows.load_video_frames
    monkeypatch.setattr(video_rows, "load_video_frames", lambda clip, view: whole(clip, view)[:1])
    true = video_rows.true_people
    monkeypatch.setattr(video_rows, "true_people", lambda people, view: true(people, view)[:1])
    for name, asset in (("teacher", "multiperson_teacher"), ("adapt_0_lifter", "multiperson_lifter")):
        (tmp_path / f"{name}.safetensors").write_bytes(asset_path(f"weights/{asset}.safetensors").read_bytes())
    monkeypatch.setattr(video_rows, "pictures", lambda split, count: pictures(split, 4))
    found = video_rows.measure(tmp_path, shipped)
    chapter = load_chapter()
    frames = [whole("multi", view)[0] for view in shipped.names]
    truth = [one for view in range(4) for one in true(shipped, view)[:1]]
    alone = score([two_people.from_student(chapter, frame) for frame in frames], truth, max(frames[0].shape))
    assert found["adapt"] == [pytest.approx(alone, rel=1e-4)] and alone["matched"] > 2
    assert found["mean_pose"][0]["people"] == alone["people"] and found["mean_pose"][0] != found["adapt"][0]
