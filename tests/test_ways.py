"""The ways from a picture to people side by side: times, sizes, a second stage, and their scores."""

from __future__ import annotations

import time

import pytest
import torch

from napa_lib import results
from napa_lib.data import load_art_figures
from napa_lib.data.assets import asset_path
from napa_lib.evaluate import composed, proposals, speed
from napa_lib.evaluate.student import CAMERA, load_chapter, read_squares, whole_square
from napa_lib.multiperson import Found
from napa_lib.multiperson.experiments import MEASURED, pictures
from napa_lib.multiperson.refine import refine, single_person
from napa_lib.multiperson.targets import SHARED
from napa_lib.pose import PoseEstimator
from napa_lib.pose.estimator import PoseResult
from napa_lib.sampling import BONE_LENGTHS, SKELETON
from napa_lib.skeletons import NAPA18


@pytest.fixture(scope="module")
def chapter():
    return load_chapter()


@pytest.fixture(scope="module")
def drawn():
    return pictures("test", MEASURED["test"]).rows(slice(0, 3))


def person(scale: float, middle: tuple[float, float], seed: int = 0) -> PoseResult:
    """A figure in weak perspective: `scale` mm a pixel."""
    pose = 300 * torch.randn(18, 3, generator=torch.Generator().manual_seed(seed))
    pose = pose - pose[NAPA18.root]
    return PoseResult(pose[:, :2] / scale + torch.tensor(middle), pose, torch.ones(18), (0, 0, 1, 1), NAPA18)


class Fixed:
    """An estimator that always gives the same figures back."""

    def __init__(self, *people: PoseResult) -> None:
        self.people, self.shown = list(people), []

    def predict(self, picture, boxes=None, many=False):
        self.shown.append((picture, boxes, many))
        return self.people


def test_a_square_is_read_as_the_picture_it_shows(chapter, drawn):
    """Twice as large in a larger picture, the same square gives the same people."""
    image = drawn.images[0].float() / 255
    (one,), (grouped,), matrices = read_squares(chapter, image, whole_square(image))
    torch.testing.assert_close(matrices[0], torch.tensor([[1.0, 0, 0], [0, 1, 0]]))
    wide = torch.cat([torch.zeros(3, 112, 50), image, torch.zeros(3, 112, 50)], 2)
    (other,), (again,), _ = read_squares(chapter, wide, torch.tensor([[49.5, -0.5, 161.5, 111.5]]))
    torch.testing.assert_close(other.poses, one.poses, atol=0.05, rtol=0)
    torch.testing.assert_close(again, grouped, equal_nan=True)


def test_a_second_look_keeps_the_places_and_gives_whole_bodies(chapter, drawn):
    image = drawn.images[1].float() / 255
    (student,), _, _ = read_squares(chapter, image, whole_square(image))
    second = single_person(chapter.teacher.encoder, chapter.lifter, chapter.model, CAMERA)
    refined = refine(image, student, CAMERA, second)
    torch.testing.assert_close(refined.poses[:, 0], student.poses[:, 0])
    ends = torch.tensor(SKELETON.bones)
    lengths = (refined.poses[:, ends[:, 0]] - refined.poses[:, ends[:, 1]]).norm(dim=-1)
    torch.testing.assert_close(lengths, BONE_LENGTHS[ends[:, 1]].expand_as(lengths), atol=0.1, rtol=0)


def busy(seconds: float) -> None:
    start = time.process_time()
    while time.process_time() - start < seconds:
        pass


def test_computing_is_timed_in_turns_and_waiting_is_not():
    calls: list[str] = []

    def slow(pictures):
        calls.append("slow")
        time.sleep(0.2)
        busy(0.02 if calls.count("slow") > 3 else 0.05)

    parts = torch.zeros(4, 3, 4, 4).split(2)
    found = speed.timed_rounds({"slow": slow, "fast": lambda pictures: calls.append("fast")}, parts, 2)
    assert calls == ["slow", "fast"] + 4 * ["slow", "fast"]
    assert 0.025 <= found["slow"][0] < 0.1 and 0.01 <= found["slow"][1] < found["slow"][0]  # of two pictures a call
    assert max(found["fast"]) < 0.005


def test_the_student_is_compared_round_by_round():
    found = speed.compared({"student": [0.9, 1.8, 2.9], "teacher": [1.0, 2.0, 2.0]})
    assert found["faster"] == 2 and found["rounds"] == 3
    assert found["per cent"] == pytest.approx(100 * (0.9 + 0.9 + 1.45) / 3, abs=0.01) and found["half_width_95"] > 5


def test_operations_are_those_of_the_layers():
    layer = torch.nn.Linear(48, 5)
    calls = {
        "one": lambda pictures: layer(pictures.view(1, 48)),
        "two": lambda pictures: [layer(pictures.view(1, 48)) for _ in range(2)],
    }
    found = speed.operations(calls, torch.rand(3, 3, 4, 4))
    assert found == {"one": 2 * 48 * 5, "two": 4 * 48 * 5}


def test_the_steps_together_are_the_ways(chapter, drawn):
    picture = drawn.images[:1].float() / 255
    parts, whole = speed.steps(chapter, picture), speed.ways(chapter, Fixed())
    torch.testing.assert_close(parts["grouping"](picture), whole["teacher"](picture), equal_nan=True)
    (one,), (other,) = parts["M"](picture), whole["student"](picture)
    torch.testing.assert_close(one.poses, other.poses)
    assert parts["F"](picture).shape == (1, 43, 28, 28) and parts["F, heat alone"](picture).shape == (1, 15, 28, 28)


def test_what_does_not_compute_is_not_counted(chapter):
    class Parts:
        network, depth_net = torch.nn.Linear(3, 2), torch.nn.Linear(1, 1)

    found = speed.numbers_in_use(chapter, Parts())
    assert found["single"] == found["many"] == 10
    fields = sum(p.numel() for p in chapter.teacher.decoder.second[1].parameters())
    decoder = sum(p.numel() for p in chapter.model.decoder.parameters())
    lifter = sum(p.numel() for p in chapter.lifter.parameters())
    assert found["student"] == found["teacher"] - fields + lifter + decoder
    assert found["student, second stage"] == found["student"] + lifter


def test_a_body_of_one_size_has_a_distance():
    near, far = person(20.0, (40, 50)), person(40.0, (70, 60))
    flat, relative, scale = composed.universal([near, far])
    torch.testing.assert_close(relative[0], relative[1])
    assert float(scale[1] / scale[0]) == pytest.approx(2, rel=1e-4)
    ends = torch.tensor(SKELETON.bones)
    lengths = (relative[:, ends[:, 0]] - relative[:, ends[:, 1]]).norm(dim=-1).sum(1)
    torch.testing.assert_close(lengths, BONE_LENGTHS.sum().expand(2))
    found = composed.from_estimator(Fixed(near, far), torch.zeros(3, 112, 112))
    roots = found.poses[:, 0]
    assert float(roots[1, 2] / roots[0, 2]) == pytest.approx(2, rel=1e-4)
    torch.testing.assert_close(CAMERA.project_weakly(found.poses, roots)[:, SHARED], flat[:, SHARED], atol=0.01, rtol=0)


def test_the_single_figure_network_is_shown_each_cut_whole():
    estimator = Fixed(person(20.0, (50, 50)))
    poses = composed.single_figure(estimator)(torch.rand(2, 3, 112, 112), torch.zeros(2, 2))
    assert poses.shape == (2, 17, 3) and len(estimator.shown) == 2
    assert estimator.shown[0][1] == [[-0.5, -0.5, 111.5, 111.5]]


def test_who_answers_with_the_truth_is_right(chapter, drawn, monkeypatch):
    monkeypatch.setattr(composed, "pictures", lambda split, count: drawn)
    truth = iter(zip(drawn.poses, drawn.present, strict=True))

    def true(estimator, picture):
        pose, there = next(truth)
        people = pose[there]
        return Found(people, CAMERA.project_weakly(people, people[:, 0])[:, SHARED])

    monkeypatch.setattr(composed, "from_estimator", true)
    found = composed.measure(Fixed(person(20.0, (50, 50))), chapter, 3)["ways"]
    assert found["estimator"]["pck"] == found["estimator"]["pck_absolute"] == 100 and found["estimator"]["false"] == 0
    assert found["student"]["gain"]["mean"] == 0 and found["estimator"]["gain"]["mean"] > 0
    assert found["second stage"]["matched"] <= found["student"]["people"] == int(drawn.present.sum())


def test_the_student_that_ships_computes_less_than_its_teacher_and_times_are_whole():
    found = results.read(asset_path("results/multiperson/speed.json"))
    ways = found["ways"]
    assert ways["student"]["operations"] < ways["teacher"]["operations"]
    for share in found["student to teacher"].values():
        assert share["per cent"] + share["half_width_95"] < 100
    assert all(way["fps"] == pytest.approx(1e3 / way["ms"], rel=0.02) for way in ways.values())


# The student's people as candidates of `napa pose` -------------------------------------------------------------------


def test_the_first_way_is_napa_pose_and_the_students_people_are_candidates(chapter, drawn):
    estimator = PoseEstimator.from_pretrained(device="cpu")
    picture = drawn.images[0].float() / 255
    whole = estimator.predict(picture, many=True)
    found = proposals.read(estimator, chapter, picture)
    assert [one.box for one in found["detector"]] == [one.box for one in whole]
    torch.testing.assert_close(found["detector"][0].keypoints, whole[0].keypoints)
    boxes = proposals.candidates(estimator, chapter, picture, proposals.open_picture(picture))
    (student,), _, _ = read_squares(chapter, picture, whole_square(picture))
    assert len(boxes["and student"]) == len(boxes["detector"]) + len(student.keypoints)
    inside = boxes["student alone"][: len(student.keypoints)]
    assert bool((student.keypoints > inside[:, None, :2]).all() & (student.keypoints < inside[:, None, 2:]).all())


def test_an_order_of_depth_is_judged_where_both_tell_it(drawn):
    def people(change) -> list[Found]:
        found = []
        for pose, there in zip(drawn.poses, drawn.present, strict=True):
            poses = pose[there] + change(pose[there])
            found.append(Found(poses, CAMERA.project_weakly(pose[there], pose[there][:, 0])[:, SHARED]))
        return found

    true = proposals.order(people(torch.zeros_like), drawn)
    turned = proposals.order(people(lambda pose: torch.tensor([0.0, 0.0, -2.0]) * pose[:, :1]), drawn)
    pairs = sum(len(one) for one in true)
    counts = [int(there.sum()) for there in drawn.present]
    assert pairs == sum(n * (n - 1) // 2 for n in counts) > 0
    assert proposals.same_pairs(true, turned) == (pairs, pairs, 0)
    assert proposals.same_pairs([{(0, 1): True, (0, 2): False}], [{(0, 1): False, (1, 2): True}]) == (1, 1, 0)


def test_what_the_students_people_bring_is_stored_for_every_way():
    found = results.read(asset_path("results/multiperson/proposals.json"))
    ways = found["composed"]["ways"]
    assert set(ways) == set(found["scenes"]) == set(proposals.WAYS) and ways["detector"]["gain"]["mean"] == 0
    assert all(way["matched"] <= way["people"] for way in ways.values())
    assert all(scene["found"] <= scene["there"] == 4 * found["config"]["scenes"] for scene in found["scenes"].values())
    art = results.read(asset_path("results/multiperson/proposals_art.json"))["annotated"]
    assert set(art) == set(proposals.WAYS) and all(way["found"] <= way["there"] == 30 for way in art.values())


def test_ways_are_counted_on_annotated_figures(chapter, tmp_path, monkeypatch):
    few = load_art_figures()[:1]
    monkeypatch.setattr(proposals, "load_art_figures", lambda path: few)
    monkeypatch.setattr(proposals, "load_chapter", lambda: chapter)
    written = tmp_path / "found.json"
    proposals.main(["--composed", "0", "--scenes", "0", "--annotations", "mine.json", "--results", str(written)])
    found = results.read(written)
    assert set(found["annotated"]) == set(proposals.WAYS) and not {"composed", "scenes"} & found.keys()
    assert all(way["there"] == 1 for way in found["annotated"].values())
