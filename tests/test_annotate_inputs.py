"""What `napa annotate` takes in: COCO's files, `pose.json`, and guesses, which count once somebody confirms them."""

from __future__ import annotations

import json
import math
import resource
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from napa_lib import cli
from napa_lib.annotate import Edit, Journal, JournalError, inputs
from napa_lib.annotate.desk import Desk
from napa_lib.annotate.journal import ABSENT, HIDDEN, SEEN, fold
from napa_lib.annotate.pseudo_depth import strained_limbs
from napa_lib.annotate.server import annotate
from napa_lib.data import load_art_figures
from napa_lib.lifting import bone_vectors, load_depth_net
from napa_lib.pose.estimator import PoseResult
from napa_lib.pose.record import describe
from napa_lib.sampling import mocap_poses
from napa_lib.skeletons import COCO17, NAPA18, convert, get_skeleton

WHOLE = {name: (20.0 + 7 * i, 30.0 + 11 * (i % 7), SEEN) for i, name in enumerate(NAPA18.joints)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.png", "b.png"):
        Image.new("RGB", (320, 240), "white").save(tmp_path / name)
    return tmp_path


@pytest.fixture
def coco(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As another program writes it: two people in a.png, one of b.png at another size, one of a picture not here."""
    joints = [
        v for i in range(17) for v in ((0, 0, 0) if i in (3, 4) else (10 + 10 * i, 20 + i, 1 if i in (6, 9) else 2))
    ]
    pictures = [("sub/a.png", 320, 240), ("b.png", 640, 480), ("c.png", 320, 240)]
    document = {
        "info": {"year": 2020},
        "images": [{"id": n, "file_name": f, "width": w, "height": h} for n, (f, w, h) in enumerate(pictures)],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [
            {"id": i, "image_id": p, "category_id": 1, 
             "keypoints": [v + (i == 1 and k % 3 < 2) for k, v in enumerate(joints)]}
            for i, p in enumerate((0, 0, 1, 2))
        ],
    }  # fmt: skip
    path = tmp_path_factory.mktemp("elsewhere") / "theirs.json"
    path.write_text(json.dumps(document))
    return path


def test_another_programs_figures_are_taken_in(folder, coco, capsys, monkeypatch):
    monkeypatch.setattr("napa_lib.annotate.server._Server.serve_forever", lambda self: None)
    assert annotate(folder, browser=False, marks=[coco]) == 0
    said = capsys.readouterr().out
    assert "took 2 figures of 1 pictures" in said
    assert "'b.png' was left out: it is 320 x 240 upright, there it was 640 x 480" in said
    assert "'c.png' was left out: there is no such picture" in said
    first, second = Journal(folder).figures()
    wrist, knee = NAPA18.index("l_wrist"), NAPA18.index("r_knee")
    assert first.keypoints[wrist].tolist() == [10 + 10 * COCO17.index("l_wrist"), 20 + COCO17.index("l_wrist")]
    assert first.flags[wrist] == HIDDEN and first.flags[knee] == SEEN and first.flags[NAPA18.index("neck")] == ABSENT
    assert (second.keypoints - first.keypoints)[knee].tolist() == [1, 1] and first.checked
    shoulders = [(first.keypoints[NAPA18.index(f"{side}_shoulder")]) for side in "lr"]
    torch.testing.assert_close(first.keypoints[NAPA18.index("thorax")], (shoulders[0] + shoulders[1]) / 2)
    middles = first.flags[[NAPA18.index("thorax"), NAPA18.index("pelvis")]].tolist()
    assert middles == [HIDDEN, SEEN]  # one shoulder is hidden, no hip
    rows = json.loads((folder / "annotations.json").read_text())["annotations"]
    theirs = json.loads(coco.read_text())["annotations"][0]["keypoints"]
    assert rows[0]["keypoints"][15:] == theirs[15:] and rows[0]["keypoints"][:3] == theirs[:3]
    assert annotate(folder, browser=False, marks=[coco]) == 0
    assert "took 0 figures" in (said := capsys.readouterr().out) and "'a.png' was left out: figures were marked" in said


@pytest.mark.parametrize(
    "place", ["/home/her/a.png", "C:\\her\\a.png", "..\\a.png", "../../data/upload/1/a.png", "http://host/1/a.png"]
)
def test_wherever_a_picture_lay_its_name_counts(folder, coco, place):
    coco.write_text(coco.read_text().replace('"sub/a.png"', json.dumps(place)))
    desk = Desk(folder)
    assert desk.take([coco])[0] == "took 2 figures of 1 pictures"
    desk.journal.close()


@pytest.mark.parametrize(("other", "taken"), [("c.png", ["a.png"] * 2), ("A.Png", []), ("a.png", ["a.png"])])
def test_a_name_may_be_in_capitals_where_no_other_picture_has_it(folder, coco, other, taken):
    """Cameras write A.PNG, and programs a.png of it; of two names which case alone tells apart none is guessed."""
    coco.write_text(coco.read_text().replace('"sub/a.png"', '"sub/A.PNG"').replace('"c.png"', json.dumps(other)))
    desk = Desk(folder)
    desk.take([coco])
    assert [edit.picture for edit in desk.journal.edits] == taken
    desk.journal.close()


def test_two_pictures_of_one_name_are_not_taken_for_one(folder, coco):
    coco.write_text(coco.read_text().replace('"c.png"', '"other/a.png"'))
    desk = Desk(folder)
    with pytest.raises(ValueError, match="two pictures of the name 'a.png', 'sub/a.png' and 'other/a.png'"):
        desk.take([coco])
    assert desk.journal.edits == []
    desk.journal.close()


def test_a_figure_that_cannot_be_leaves_the_others(folder, coco, monkeypatch):
    """And all that are taken reach the disk at once: thousands of them in thousands of writes would take minutes."""
    document = json.loads(coco.read_text())
    document["annotations"][0]["keypoints"][0] = 1e9
    coco.write_text(json.dumps(document))
    desk, synced = Desk(folder), []
    monkeypatch.setattr("os.fsync", synced.append)
    said = desk.take([coco])
    assert said[0] == "took 1 figures of 1 pictures" and len(synced) == len(desk.journal.edits) == 1
    assert said[1].startswith("'a.png' was left out: of its figures one could not be taken: x of nose must be within")
    desk.journal.close()
    assert Journal(folder).edits[0].joints["r_knee"][:2] == (
        11 + 10 * COCO17.index("r_knee"),
        21 + COCO17.index("r_knee"),
    )


def test_its_own_file_comes_back_as_it_was(folder):
    depths = {name: 3.5 * i for i, name in enumerate(NAPA18.joints) if name != "head"}
    joints = {**WHOLE, "l_wrist": (5.0, 6.5, HIDDEN), "nose": (0.0, 0.0, ABSENT)}
    desk = Desk(folder)
    desk.keep(Edit("a.png", 4, joints, depths, ambiguous=True))
    desk.write()
    desk.journal.close()
    (mark,) = inputs.read_marks(folder / "annotations.json")
    before, after = fold([Edit("a.png", 4, joints, depths, ambiguous=True), mark.edit("a.png", 9)])
    assert torch.equal(before.flags, after.flags) and after.ambiguous and after.checked
    for part in ("keypoints", "depths"):
        torch.testing.assert_close(getattr(before, part), getattr(after, part), equal_nan=True, atol=0, rtol=0)
    document = json.loads((folder / "annotations.json").read_text())
    (row,), (category,) = document["annotations"], document["categories"]
    x, y = (sorted(v[k] for v in joints.values() if v[2]) for k in (0, 1))
    assert row["bbox"] == [x[0], y[0], x[-1] - x[0], y[-1] - y[0]]
    assert row["area"] == pytest.approx(row["bbox"][2] * row["bbox"][3], abs=0.1)
    assert row["num_keypoints"] == 12 and sum(v > 0 for v in row["keypoints"][2::3]) == 12  # the nose is gone
    bones = [{category["keypoints"][end - 1] for end in bone} for bone in category["skeleton"]]
    assert {"left_shoulder", "left_elbow"} in bones and {"right_knee", "right_ankle"} in bones
    assert all(1 <= end <= 17 for bone in category["skeleton"] for end in bone)


@pytest.mark.parametrize("joint_set", ["NAPA18", "H36M17"])
def test_a_pose_file_is_a_guess_to_be_corrected(folder, joint_set):
    """Its depths are the pose's, in pixels of the picture; a doubtful joint is hidden, one in great doubt not there."""
    skeleton = get_skeleton(joint_set)
    generator = torch.Generator().manual_seed(0)
    pose = 300 * torch.randn(skeleton.num_joints, 3, generator=generator)
    sure = torch.full((skeleton.num_joints,), 0.9)
    sure[skeleton.index("l_wrist")], sure[skeleton.index("r_wrist")] = 0.3, 0.1
    result = PoseResult(pose[:, :2] / 5 + 100, pose, sure, (0, 0, 9, 9), skeleton)
    picture = {"file": "a.png", "sha256": "", "width": 320, "height": 240}
    path = folder / "pose.json"
    path.write_text(json.dumps(describe(result, picture, found=True)))
    desk = Desk(folder)
    assert desk.take([path]) == ["took 1 figures of 1 pictures"]
    (figure,) = desk.journal.figures()
    elbow, own = NAPA18.index("l_elbow"), skeleton.index("l_elbow")
    torch.testing.assert_close(figure.keypoints[elbow], result.keypoints[own], atol=0.06, rtol=0)
    knee, theirs = NAPA18.index("r_knee"), skeleton.index("r_knee")
    away = (pose[own, 2] - pose[theirs, 2]) / 5
    torch.testing.assert_close(figure.depths[elbow] - figure.depths[knee], away, atol=0.12, rtol=1e-3)
    flags = [int(figure.flags[NAPA18.index(f"{side}_wrist")]) for side in "lr"]
    assert flags == [HIDDEN, ABSENT] and not figure.checked and desk.write() == []
    desk.keep(Edit("a.png", 0, checked=True))
    assert (folder / "annotations.json") in desk.write()
    desk.journal.close()


@pytest.mark.parametrize(
    "text", ["no JSON", "[1]", '{"annotations": []}', '{"joint_set": "NAPA18"}', '{"joint_set": 3}']
)
def test_files_that_hold_no_figures(folder, capsys, text):
    (folder / "x.json").write_text(text)
    assert annotate(folder, browser=False, marks=[folder / "x.json"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("napa annotate: --from: ") and "x.json" in error and error.count("\n") == 1
    assert annotate(folder, browser=False, marks=[folder / "none.json"]) == 1
    assert "cannot read" in capsys.readouterr().err


def test_the_command_takes_files(folder, coco, monkeypatch):
    taken = []
    monkeypatch.setattr("napa_lib.annotate.server.annotate", lambda *words: taken.append(words) or 0)
    cli.main(["annotate", str(folder), "--from", str(coco), "p.json", "--no-browser"])
    assert taken == [(folder, 0, False, [coco, Path("p.json")])]


# ---- guesses


class Guesser:
    """Sees two figures, the first of them the likelier."""

    def predict(self, image, boxes=None, many=False):
        points = torch.arange(18.0)[:, None] * torch.tensor([5.0, 3.0]) + 20
        places = (points, points + 100) if many else (points,)
        return [PoseResult(p, torch.zeros(18, 3), torch.full((18,), 0.9), (0, 0, 1, 1), NAPA18) for p in places]


def test_each_guess_is_of_another_figure_and_counts_once_somebody_says_so(folder):
    desk = Desk(folder, Guesser())
    assert [desk.guess(0)["figure"], desk.guess(0)["figure"]] == [0, 1]
    first, second = desk.journal.figures()
    assert (second.keypoints - first.keypoints).unique().tolist() == [100]
    with pytest.raises(JournalError, match="no other figure"):
        desk.guess(0)
    assert desk.write() == [] and "confirms them: 2" in desk.left_out()[0]
    desk.keep(Edit("a.png", 1, {"nose": (9.0, 9.0, SEEN)}))  # a change is a look
    desk.write()
    (row,) = json.loads((folder / "annotations.json").read_text())["annotations"]
    assert row["keypoints"][:2] == [9, 9] and "confirms them: 1" in desk.left_out()[0]
    desk.keep(Edit("a.png", 1, {"nose": (8.0, 8.0, SEEN)}, checked=False, kind="undo"))  # and taken back
    desk.write()
    assert json.loads((folder / "annotations.json").read_text())["annotations"] == []
    desk.journal.close()


def test_a_depth_can_be_taken_away_and_sides_left_open(folder):
    depths = {name: 1.0 for name in NAPA18.joints}
    desk = Desk(folder)
    desk.keep(Edit("a.png", 0, WHOLE, depths, ambiguous=True))
    desk.keep(Edit("a.png", 0, depths={"nose": None}))
    (figure,) = desk.journal.figures()
    assert math.isnan(figure.depths[NAPA18.index("nose")]) and int(figure.depths.isnan().sum()) == 1
    desk.write()
    desk.journal.close()
    assert load_art_figures(folder / "figures.json")[0].sides_ambiguous
    (again,) = Journal(folder).figures()
    assert again.ambiguous and torch.equal(again.depths.isnan(), figure.depths.isnan())
    with pytest.raises(JournalError, match="kind must be"):
        Edit.read({"picture": "a.png", "figure": 0, "kind": "magic"})
    with pytest.raises(JournalError, match="ambiguous must be"):
        Edit.read({"picture": "a.png", "figure": 0, "ambiguous": "no"})


def test_a_pose_file_is_as_large_as_a_body(folder):
    """Fitted, its bones are a body's in mm; a hidden joint is doubtful, and has no full confidence."""
    desk = Desk(folder, None)
    length = load_depth_net()[1].length
    desk.keep(Edit("a.png", 0, {**WHOLE, "l_wrist": (30.0, 60.0, HIDDEN)}))
    desk.fit("a.png", 0)
    desk.write()
    document = json.loads((folder / "poses/a.png-1.json").read_text())
    pose = torch.tensor([joint["position_mm"] for joint in document["joints"]])
    drawn = bone_vectors(pose).norm(dim=-1)
    assert float(drawn.square().sum()) == pytest.approx(float(length.square().sum()), rel=1e-3)
    wrist = document["joints"][NAPA18.index("l_wrist")]
    assert document["doubtful"] == ["l_wrist"] and 0.2 < wrist["confidence"] < 0.5
    desk.journal.close()


def test_the_page_gets_pictures_that_it_can_hold(folder):
    Image.new("RGB", (4000, 1000)).save(folder / "large.png")
    desk = Desk(folder)
    number = list(desk.sizes).index("large.png")
    (folder / "shown.jpg").write_bytes(desk.image(number))
    assert Image.open(folder / "shown.jpg").size == (1600, 400) and desk.sizes["large.png"] == (4000, 1000)
    desk.journal.close()


@pytest.mark.skipif(sys.platform != "linux", reason="a full disk is made by a limit")
def test_a_full_disk_leaves_no_half_line(folder):
    journal = Journal(folder)
    journal.add(Edit("a.png", 0, WHOLE))
    size = journal.path.stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 40, before[1]))
    try:
        with pytest.raises(OSError):
            journal.add(Edit("a.png", 1, WHOLE))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(journal.edits) == 1 and journal.path.stat().st_size == size
    journal.add(Edit("a.png", 2, WHOLE))
    journal.close()
    assert [edit.figure for edit in Journal(folder).edits] == [0, 2]


def test_a_bone_that_no_body_could_turn_so_is_told(folder):
    body = convert(mocap_poses("test")[:60].float(), "CROSSMODAL17", NAPA18)
    knee, ankle = NAPA18.index("l_knee"), NAPA18.index("l_ankle")
    body[:, ankle] = 2 * body[:, knee] - body[:, ankle]  # the lower leg folded back over the knee
    pose = next(pose for pose in body if strained_limbs(pose) == ["left leg"]) / 10
    joints = {name: (x + 100, y + 100, SEEN) for name, (x, y, _) in zip(NAPA18.joints, pose.tolist(), strict=True)}
    turn = Edit("a.png", 0, joints, dict(zip(NAPA18.joints, pose[:, 2].tolist(), strict=True)))
    desk = Desk(folder)
    desk.keep(turn)
    assert desk.strained(turn) == ["left leg"] and desk.strained(Edit("a.png", 0, joints)) == []
    desk.keep(Edit("a.png", 0, removed=True))  # by another tab
    assert desk.strained(turn) == []
    desk.journal.close()
