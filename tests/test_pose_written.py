"""What is drawn and written of a pose, and the command `napa pose` with a network that knows white dots."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from jsonschema import Draft202012Validator
from PIL import Image
from test_pose import IMAGE, LEFT, RIGHT, SIDES, TwoDots, dots

import napa_lib.pose
from napa_lib import cli
from napa_lib.data import asset_path
from napa_lib.lifting import load_depth_net
from napa_lib.pose import PoseEstimator, PoseResult, command, drawing, files, open_picture, page, record, write
from napa_lib.skeletons import NAPA18

SCHEMA = json.loads((Path(napa_lib.pose.__file__).parent / "schema.json").read_text("utf-8"))


# What is drawn and written


@pytest.fixture(scope="module")
def estimator() -> PoseEstimator:
    return PoseEstimator(TwoDots(), *load_depth_net(), size=64, device="cpu")


@pytest.fixture(scope="module")
def figure(estimator) -> tuple[PoseResult, napa_lib.pose.Picture]:
    points = torch.tensor([[200.0 + 40 * side, 60.0 + 15 * j] for j, side in enumerate(SIDES)])
    pose = torch.cat([points * 5, torch.arange(18.0)[:, None] * 20], 1)
    picture = open_picture(np.full((400, 400, 3), 128, np.uint8))
    return PoseResult(points, pose, torch.full((18,), 0.9), (100.0, 0.0, 400.0, 400.0), NAPA18), picture


def test_an_overlay_colours_the_figure_and_nothing_else(figure):
    result, picture = figure
    cut = drawing.cut_round(result, picture)
    drawn = np.asarray(drawing.draw_overlay(result, picture, cut)).astype(int)
    assert drawn.shape == (640, 640, 3)  # small pictures are enlarged
    changed = np.abs(drawn - 128).max(2) > 8
    assert not changed[:, :150].any() and 0.005 < changed.mean() < 0.2
    x, y = cut.place(result.keypoints)[LEFT].round().int().tolist()
    assert drawn[y, x, 2] > drawn[y, x, 0] + 50  # blue at the left wrist
    x, y = cut.place(result.keypoints)[RIGHT].round().int().tolist()
    assert drawn[y, x, 0] > drawn[y, x, 2] + 50  # orange at the right


def test_what_is_unsure_is_faint(figure):
    result, picture = figure
    unsure = PoseResult(result.keypoints, result.pose, torch.full((18,), 0.05), result.box, NAPA18)
    cut = drawing.cut_round(result, picture)
    strong, weak = (
        np.abs(np.asarray(drawing.draw_overlay(r, picture, cut)).astype(int) - 128).sum() for r in (result, unsure)
    )
    assert 0 < weak < 0.6 * strong


def test_a_small_figure_is_cut_out(figure):
    result, _ = figure
    picture = open_picture(np.zeros((600, 9000, 3), np.uint8))
    cut = drawing.cut_round(result, picture)
    assert cut.low[0] == 0.0 and cut.high[0] < 1000 and cut.high[1] == 600.0
    back = cut.place(torch.tensor([[*cut.low], [*cut.high]]) - 0.5)
    np.testing.assert_allclose(back, [[-0.5, -0.5], [cut.size[0] - 0.5, cut.size[1] - 0.5]], atol=1e-3)
    assert drawing.draw_bone_map(result, cut).size == cut.size == drawing.draw_overlay(result, picture, cut).size


def document(result: PoseResult) -> dict:
    source = {"file": "</script><b>.jpg", "sha256": "0" * 64, "width": 400, "height": 400}
    return record.describe(result, source, found=True)


@pytest.mark.parametrize("joint_set", ["napa18", "coco17", "mpii16", "openpose15"])
def test_the_document_follows_its_schema(estimator, joint_set):
    Draft202012Validator.check_schema(SCHEMA)
    (result,) = estimator.predict(IMAGE, joint_set=joint_set)
    text = json.dumps(document(result), allow_nan=False)
    Draft202012Validator(SCHEMA).validate(json.loads(text))
    wrist = next(joint for joint in json.loads(text)["joints"] if joint["name"] == "l_wrist")
    np.testing.assert_allclose(wrist["keypoint_px"], [120, 60], atol=0.7)
    assert json.loads(text)["joint_set"].lower() == joint_set


def test_unsure_bones_are_faint_in_the_bone_map(figure):
    result, picture = figure
    cut = drawing.cut_round(result, picture)
    wrist = NAPA18.index("l_wrist")
    sure = torch.full((18,), 0.9)
    sure[wrist] = 0.2
    full, some = (
        np.asarray(drawing.draw_bone_map(replace(result, confidence=c), cut)).astype(float)
        for c in (sure * 0 + 1, sure)
    )
    missing = result.keypoints.clone()
    missing[wrist] = torch.nan
    others = np.asarray(drawing.draw_bone_map(replace(result, keypoints=missing), cut)).astype(float)
    lone = (others.max(2) == 0) & (full.max(2) > 0)  # the forearm, where nothing else is
    assert lone.sum() > 50
    np.testing.assert_allclose(some[lone], drawing.FAINT * full[lone], atol=1.0)
    np.testing.assert_array_equal(some[others.max(2) > 0], others[others.max(2) > 0])


def test_the_page_asks_nothing_of_the_network_and_escapes_names(figure):
    result, picture = figure
    cut = drawing.cut_round(result, picture)
    text = page.pose_page(document(result), NAPA18, drawing.cut_out(picture, cut), cut)
    found: list[tuple[str, dict]] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            found.append((tag, dict(attrs)))

    Reader().feed(text)
    assert "http:" not in text and "https:" not in text and len(text) < 150_000
    assert [tag for tag, _ in found].count("script") == 1 and "b" not in [tag for tag, _ in found]
    assert all(
        a.get("src", "data:").startswith("data:") and a.get("href", "data:").startswith("data:") for _, a in found
    )
    (canvas,) = [a for tag, a in found if tag == "canvas"]
    (board,) = [a for tag, a in found if tag == "svg"]
    assert canvas["aria-label"] and canvas["tabindex"] == "0" and board["aria-label"] and "<title>Pose of &lt;" in text
    data = json.loads(text.split("const data = ")[1].split(";\n")[0])
    assert len(data["joints"]) == 18 and len(data["bones"]) == len(NAPA18.bones)


def test_the_page_lies_over_the_picture_in_its_own_pixels_and_holds_the_whole_record(figure):
    """A joint is dragged and saved in the pixels of pose.json; `tests/pose_page_check.py` does it in a browser."""
    result, picture = figure
    cut, entry = drawing.cut_round(result, picture), document(result)
    text = page.pose_page(entry, NAPA18, drawing.cut_out(picture, cut), cut)
    x, y, width, height = map(float, text.split('viewBox="')[1].split('"')[0].split())
    corners = torch.tensor(
        [[x, y], [x + width, y + height]]
    )  # edges of the picture's pixels, half outside their centres
    edge = torch.tensor([[-0.5, -0.5], [cut.size[0] - 0.5, cut.size[1] - 0.5]])
    torch.testing.assert_close(cut.place(corners), edge, atol=1e-3, rtol=0)
    data = json.loads(text.split("const data = ")[1].split(";\n")[0])
    assert (
        data["record"] == json.loads(json.dumps(entry))
        and 'id="save"' in text
        and 'link.download = "pose.json"' in text
    )


def test_doubtful_joints_are_those_of_less_than_half_confidence(figure):
    result, _ = figure
    sure = torch.full((18,), 0.5)
    sure[[NAPA18.index("l_wrist"), NAPA18.index("r_ankle")]] = torch.tensor([0.49, 0.0])
    points = result.keypoints.clone()
    points[NAPA18.index("nose")] = torch.nan
    sure[NAPA18.index("nose")] = 0.0  # cannot be had, which is no doubt
    entry = document(replace(result, keypoints=points, confidence=sure))
    assert entry["doubtful"] == ["r_ankle", "l_wrist"]
    Draft202012Validator(SCHEMA).validate(json.loads(json.dumps(entry)))
    entry["corrected"] = ["l_wrist"]
    Draft202012Validator(SCHEMA).validate(json.loads(json.dumps(entry)))


# The command


@pytest.fixture
def napa_pose(estimator, monkeypatch, tmp_path, capsys):
    """Run `napa pose` with the estimator of these tests; exit status, standard output, standard error."""
    monkeypatch.setattr(PoseEstimator, "from_pretrained", lambda path, device, depth: estimator)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        try:
            status = cli.main(["pose", *arguments, *([] if "--out" in arguments else ["--out", "out"])])
        except SystemExit as stop:
            status = int(stop.code or 0)
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def picture(path: str, image: np.ndarray = IMAGE) -> Path:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return Path(path)


def folders() -> list[str]:
    return sorted(p.name for p in Path("out").iterdir() if p.is_dir())


def test_the_command_writes_everything(napa_pose):
    picture("Mona Lisa.png")
    status, said, complaints = napa_pose("Mona Lisa.png", "--joint-set", "coco17")
    assert (status, complaints) == (0, "") and "Mona Lisa.png" in said and "confidence" in said
    assert folders() == ["Mona_Lisa"]
    written = sorted(p.name for p in Path("out/Mona_Lisa").iterdir())
    assert written == sorted(write.FILES)
    data = json.loads(Path("out/Mona_Lisa/pose.json").read_text("utf-8"))
    Draft202012Validator(SCHEMA).validate(data)
    assert data["picture"]["width"] == 200 and data["box"]["source"] == "found" and data["joint_set"] == "COCO17"
    for name in ("overlay.png", "bones.png"):
        with Image.open(f"out/Mona_Lisa/{name}") as image:
            image.load()


def test_folders_and_globs_and_a_bad_one_among_them(napa_pose):
    picture("in/a.png"), picture("in/b.JPG"), picture("in/deeper/no.png"), picture("more/c1.png")
    Path("in/bad.jpg").write_text("no picture")
    Path("in/notes.txt").write_text("no picture at all")
    status, said, complaints = napa_pose("in", "more/c*.png", "in/a.png", "x*.png", "gone.png", "--batch", "2")
    assert status == 1 and folders() == ["a", "b", "c1"] and said.count(" -> out/") == 3 + 1
    assert sorted(line.split(": ")[1] for line in complaints.splitlines()) == [
        "cannot read picture 'in/bad.jpg'",
        "gone.png",
        "x*.png",
    ]


def test_pictures_of_one_name_keep_apart(napa_pose):
    other = dots(200, 150, (140, 60), (60, 90))
    picture("x/a.png"), picture("y/a.png", other), picture("y/A.png", other)
    assert napa_pose("x/a.png", "y")[0] == 0
    assert folders() == ["A-2", "a", "a-3"]  # folders that differ in case alone would be one on some disks
    before = Path("out/a/pose.json").read_bytes()
    assert napa_pose("y/a.png")[0] == 0  # another picture than the one in out/a
    assert Path("out/a/pose.json").read_bytes() == before and napa_pose("x/a.png")[0] == 0
    assert len(folders()) in (3, 4) and not [name for name in folders() if name.startswith(".")]


@pytest.mark.parametrize("name", ["..evil", "-rf", "con", "a\tb", "ünï;$(x)", "x" * 200])
def test_names_of_files_lead_nowhere(napa_pose, name):
    picture(f"in/{name}.png")
    status, said, _ = napa_pose(f"in/{name}.png")
    (folder,) = folders()
    assert status == 0 and folder.strip("._-") and len(folder) <= 90 and "\t" not in said
    assert sorted(p.name for p in Path().iterdir()) == ["in", "out"]
    assert files.safe_name(Path(folder)) == folder or folder.startswith("_con")


def test_a_name_that_is_no_text(napa_pose):
    os.rename(picture("in/a.png"), os.path.join(b"in", b"a\xff.png"))
    assert napa_pose("in")[0] == 0 and folders() == ["a"]
    assert json.loads(Path("out/a/pose.json").read_text("utf-8"))["picture"]["file"] == "a?.png"


def test_boxes_of_the_command(napa_pose):
    image = np.concatenate([IMAGE, IMAGE], 1)
    picture("two.png", image)
    status, said, _ = napa_pose("two.png", "--box", "50,25,150,125", "--box", "-250,-225,350,325")
    assert status == 0 and folders() == ["two", "two-figure1", "two-figure2"]
    together = json.loads(Path("out/two/figures.json").read_text("utf-8"))
    assert [figure["box"]["px"] for figure in together["figures"]] == [[50, 25, 150, 125], [-250, -225, 350, 325]]
    assert Image.open("out/two/overlay.png").size[0] >= 640
    data = json.loads(Path("out/two-figure2/pose.json").read_text("utf-8"))
    assert data["box"] == {"px": [-250, -225, 350, 325], "source": "given"}
    picture("one.png")
    for wrong in (["one.png", "two.png", "--box", "1,2,3,4"], ["one.png", "--box", "4,4,1,1"],
                  ["one.png", "--box", "1,2,3"], ["one.png", "--box", "a,b,c,d"], ["one.png", "--box", "nan,0,1,1"],
                  ["one.png", "--joint-set", "octopus"], ["one.png", "--batch", "0"], []):  # fmt: skip
        status, _, complaints = napa_pose(*wrong)
        assert status == 2 and "napa pose: error:" in complaints, wrong
    status, _, complaints = napa_pose("one.png", "--box", "900,900,950,950")
    assert status == 1 and "overlap" in complaints and "one.png" in complaints


def test_results_that_cannot_be_written(napa_pose, monkeypatch):
    picture("a.png"), picture("b.png")
    Path("file").write_text("mine")
    for out in ("file", "file/below"):
        status, _, complaints = napa_pose("a.png", "--out", out)
        assert status == 2 and "cannot be written" in complaints and Path("file").read_text() == "mine"
    Path("out").mkdir()
    Path("out/a").write_text("mine")  # a file where the folder would go
    assert napa_pose("a.png", "b.png")[0] == 0 and folders() == ["a-2", "b"] and Path("out/a").read_text() == "mine"
    full = OSError(28, "No space left on device")
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(full))
    status, _, complaints = napa_pose("b.png")
    assert status == 1 and "No space left" in complaints and json.loads(Path("out/b/pose.json").read_text("utf-8"))


def test_nothing_to_do_is_said(napa_pose):
    Path("empty").mkdir()
    for argument in ("empty", "gone.png", "*.png", "x" * 5000, "\0"):
        status, said, complaints = napa_pose(argument)
        assert status == 1 and said == "" and files.shown(argument) in complaints


def test_a_picture_without_a_person_is_warned_of(napa_pose):
    picture("dark.png", np.zeros((90, 90, 3), np.uint8))
    status, _, complaints = napa_pose("dark.png")
    assert status == 0 and "no person is likely" in complaints and folders() == ["dark"]


def test_the_command_imports_little():
    slow = {"matplotlib", "scipy", "IPython", "torchvision"}
    code = f"import sys, napa_lib.pose.command; print(sorted({slow} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert run.stdout.strip() == "[]", run.stdout + run.stderr


def test_the_shipped_estimator_knows_a_face_from_a_wall():
    shipped = PoseEstimator.from_pretrained(device="cpu")
    (lisa,) = shipped.predict(asset_path("paintings/monalisa.jpg"), [[-89, 0, 411, 500]])
    face = lisa.keypoints[[NAPA18.index("nose"), NAPA18.index("head")]]
    assert 110 < float(face[0, 0]) < 190 and 0 < float(face[1, 1]) < float(face[0, 1]) < 200
    (wall,) = shipped.predict(np.full((300, 400, 3), 150, np.uint8))
    assert wall.mean_confidence < min(command.UNLIKELY, lisa.mean_confidence)
