"""`napa pose` as people call it: from pipes and the web, several at once, into other programs."""

from __future__ import annotations

import csv
import http.server
import io
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from napa_lib import cli, console
from napa_lib.data import asset_path
from napa_lib.pose import PoseEstimator, PoseResult, fetch, files, formats
from napa_lib.pose.pictures import Picture
from napa_lib.skeletons import BODY25, COCO17, NAPA18

POINTS = torch.stack([torch.linspace(20, 90, 18), torch.linspace(10, 60, 18)], -1)


class Everywhere(PoseEstimator):
    """Finds the same pose in every picture, without a network; refuses grey ones."""

    def __init__(self) -> None:
        pass

    def estimate(self, pictures, boxes, skeleton, crops=1, many=False):
        assert skeleton is NAPA18
        if any(picture.pixels.getpixel((0, 0)) == (128, 128, 128) for picture in pictures):
            raise ValueError("this picture is grey")
        sure = torch.linspace(0.5, 0.9, 18)
        pose = torch.cat([POINTS * 10, torch.zeros(18, 1)], 1)
        return [[PoseResult(POINTS, pose, sure, (0.0, 0.0, 100.0, 80.0), NAPA18)] for _ in pictures]


@pytest.fixture
def napa_pose(monkeypatch, tmp_path, capsys):
    """Run `napa pose` in an empty folder; exit status, standard output, standard error."""
    monkeypatch.setattr(PoseEstimator, "from_pretrained", lambda path, device, depth: Everywhere())
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        try:
            status = cli.main(["pose", *words])
        except SystemExit as stop:
            status = int(stop.code or 0)
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def picture(path: str | Path, color: str = "white") -> Path:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (100, 80), color).save(path)
    return Path(path)


def encoded(kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (100, 80), "white").save(buffer, kind)
    return buffer.getvalue()


# What is read


def test_closed_standard_input_is_said(napa_pose, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)  # as Python has it after `<&-`
    status, _, complaints = napa_pose("-")
    assert status == 1 and "-: standard input is closed" in complaints


def test_closed_output_is_no_error(monkeypatch):
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)  # as Python has it after `>&-`, and in programs without a console
    console.forgive_encoding()
    console.say("nobody hears this"), console.say("nor this", error=True)
    assert console.run_command("napa x", lambda: 0) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
def test_a_full_disk_below_standard_output_is_one_line(monkeypatch, capsys):
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert console.run_command("napa x", lambda: print("results") or 0) == 1
        full.write("what is left goes nowhere")
    assert capsys.readouterr().err == "napa x: [Errno 28] No space left on device\n"


def test_results_go_to_poses(napa_pose):
    picture("a.png")
    status, said, complaints = napa_pose("a.png")
    assert (status, complaints) == (0, "") and said.endswith(f"-> {Path('poses/a')}\n")
    assert sorted(p.name for p in Path("poses").iterdir()) == ["a"]


def test_the_line_names_doubtful_joints(napa_pose, monkeypatch):
    Path("a.png").write_bytes(encoded())
    status, said, _ = napa_pose("a.png")
    assert status == 0 and "doubtful" not in said
    monkeypatch.setattr("napa_lib.pose.record.SURE", 1.1)
    status, said, _ = napa_pose("a.png")
    assert status == 0 and f", doubtful: {', '.join(NAPA18.joints)} -> " in said


def test_standard_input_is_read(napa_pose, monkeypatch):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(encoded())))
    status, said, _ = napa_pose("-")
    assert status == 0 and said.startswith("standard input: mean confidence") and Path("poses/stdin/pose.json").exists()
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO()))
    status, _, complaints = napa_pose("-")
    assert status == 1 and complaints == "napa pose: -: it is empty\n"


@pytest.fixture
def web() -> Iterator[str]:
    """A server with a picture, a page, something huge, something slow, and ways that lead elsewhere."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/to/"):
                self.send_response(302)
                self.send_header("Location", self.path.removeprefix("/to/"))
                self.end_headers()
                return
            if self.path.startswith("/gone"):
                self.send_error(404)
                return
            self.send_response(200)
            self.end_headers()
            if self.path.startswith("/slow"):
                time.sleep(1)
            elif self.path.startswith("/huge"):
                self.wfile.write(bytes(300_000))
            elif not self.path.startswith("/empty"):
                self.wfile.write(encoded() if "Lisa" in self.path else b"<html>no picture</html>")

        def log_message(self, *words: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_addresses_are_read_within_bounds(napa_pose, web, monkeypatch):
    monkeypatch.setattr(fetch, "MOST_BYTES", 200_000)
    monkeypatch.setattr(fetch, "PATIENCE", 0.3)
    good = f"{web}/pictures/Mona%20Lisa.png?size=1"
    status, said, complaints = napa_pose(good, f"{web}/to//pictures/Lisa2.png")
    assert (status, complaints) == (0, "") and f"{good}: mean confidence" in said
    assert {p.name for p in Path("poses").iterdir() if p.is_dir()} == {"Mona_Lisa", "Lisa2"}
    record = json.loads(Path("poses/Mona_Lisa/pose.json").read_text("utf-8"))
    assert record["picture"]["file"] == "Mona_Lisa.png"
    for path, words in {
        "/gone.png": "Not Found", "/huge.png": "more than 0 MB", "/slow.png": "timed out", "/empty.png": "empty",
        "/page.html": "not read; save it as JPEG or PNG", "/to/file:///etc/passwd": "not allowed",
    }.items():  # fmt: skip
        status, said, complaints = napa_pose(web + path)
        assert status == 1 and said == "" and complaints.count("\n") == 1, complaints
        assert complaints.startswith(f"napa pose: {web}{path}: ") or f"{web}{path}" in complaints
        assert words in complaints and "napa-pose" not in complaints
    assert napa_pose("http://127.0.0.1:9/a.png")[0] == 1 and napa_pose("http:///")[0] == 1


def test_brackets_in_a_folders_name(napa_pose):
    picture("scans [1503]/a.png"), picture("scans [1503]/b [2].png"), picture("scans 1/c.png")
    for argument in ("scans [1503]", "scans [1503]/*.png", str(Path("scans [1503]").resolve() / "?*.png")):
        status, said, complaints = napa_pose(argument, "--out", "out")
        assert (status, complaints) == (0, "") and said.count("mean confidence") == 2
    assert napa_pose("scans [1503]/b [2].png")[0] == 0
    status, said, _ = napa_pose("scans [0-9]/*.png")
    assert status == 0 and said.count("mean confidence") == 1 and "scans 1" in said


@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_name_is_not_the_current_folder(napa_pose, name):
    picture("a.png")
    status, said, complaints = napa_pose(name)
    assert status == 1 and said == "" and "empty name" in complaints and not Path("poses/a").exists()


def test_what_is_no_picture_is_passed_over_and_what_cannot_be_read_is_named(napa_pose, monkeypatch):
    picture("in/img001.png"), picture("in/._img001.png")
    for name in ("data.h5", "clip.mpg", "notes.txt", "scan.fits", "._phone.heic", "model.eps.txt"):
        Path("in", name).write_bytes(b"\x89HDF\r\n\x1a\n")
    assert napa_pose("in")[0] == 0
    for name in ("phone.HEIC", "drawing.svg", "raw.CR2"):
        Path("in", name).write_bytes(b"whatever")
    monkeypatch.setattr(files, "picture_endings", lambda: (".png", ".jpg"))
    status, said, complaints = napa_pose("in")
    assert status == 1 and said.count("mean confidence") == 1
    named = sorted(complaints.splitlines())
    assert len(named) == 3 and "drawing.svg: the format .svg is not read; save it as JPEG or PNG" in named[0]
    assert "pip install 'napa_lib[heic]'" in named[1] and "raw.CR2" in named[2]


def test_a_picture_of_an_iphone(napa_pose):
    heif = pytest.importorskip("pillow_heif")
    heif.from_pillow(Image.new("RGB", (100, 80), "white")).save("phone.heic")
    assert napa_pose("phone.heic")[0] == 0
    assert json.loads(Path("poses/phone/pose.json").read_text("utf-8"))["picture"]["width"] == 100


# What is said


def test_quiet_and_json(napa_pose):
    picture("a.png"), picture("in/名画.png"), picture("in/c.png")
    assert napa_pose("a.png", "in", "--quiet") == (0, "", "")
    status, said, complaints = napa_pose("a.png", "in", "gone.png", "--json", "--joint-set", "coco17")
    assert status == 1 and complaints == "napa pose: gone.png: no such file\n" and said.isascii()
    records = [json.loads(line) for line in said.splitlines()]
    assert [r["picture"]["file"] for r in records] == ["a.png", "c.png", "名画.png"]
    for record in records:
        folder = record.pop("folder")
        assert json.loads(Path(folder, "pose.json").read_text("utf-8")) == record and record["joint_set"] == "COCO17"


def test_a_depth_network_that_is_none_is_one_line(tmp_path, capsys):
    weights = asset_path("weights/pose_net.safetensors")
    for file, said in ((tmp_path / "none", "not a readable safetensors file"), (weights, "holds no depth network")):
        with pytest.raises(SystemExit) as stop:
            cli.main(["pose", str(picture(tmp_path / "a.png")), "--out", str(tmp_path / "out"), "--depth", str(file)])
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert stop.value.code == 2 and str(file) in error and said in error and len(error) < 300


def test_the_joint_sets_are_named(napa_pose):
    status, _, complaints = napa_pose("a.png", "--joint-set", "foo")
    assert status == 2 and "--joint-set must be one of NAPA18, H36M17" in complaints and "'foo'" in complaints
    assert "FACE68" not in complaints and "COCO17" in complaints
    assert napa_pose("a.png", "--joint-set", "face68")[0] == 2


# One among many


def test_a_picture_that_fails_leaves_its_batch_alone(napa_pose):
    picture("in/a.png"), picture("in/b.png", "#808080"), picture("in/d.png")
    Path("in/c.png").write_bytes(b"damaged")
    status, said, complaints = napa_pose("in", "--batch", "8")
    assert status == 1 and [line.split(":")[0] for line in said.splitlines()[:2]] == ["in/a.png", "in/d.png"]
    assert "in/b.png: this picture is grey" in complaints and "in/c.png" in complaints


@pytest.mark.parametrize("damaged", [Path("damaged.jpg"), np.full((80, 100, 3), np.nan)])
def test_predict_many_goes_on_behind_a_damaged_picture(damaged):
    white, grey = np.full((80, 100, 3), 255, np.uint8), damaged
    results = Everywhere().predict_many([white, white, grey, white, grey, white], batch=4)
    got, errors = [], 0
    while True:
        try:
            got.append(next(results))
        except StopIteration:
            break
        except ValueError as error:
            assert "damaged.jpg" in str(error) if isinstance(damaged, Path) else "must lie in [0, 1]" in str(error)
            errors += 1
            assert len(got) == (2 if errors == 1 else 3)  # raised in its place
    assert len(got) == 4 and errors == 2


def test_runs_at_the_same_time_keep_all_results(tmp_path):
    """Eight threads, each with its own view of one folder, claim for pictures of one name."""
    claims: list[Path] = []
    start = threading.Barrier(8)

    def claim(number: int) -> None:
        start.wait()
        claims.append(files.ResultFolders(tmp_path).claim(Path(f"{number}/1.jpg"), str(number) * 64))

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(claims)) == 8 == len(list(tmp_path.iterdir()))


def test_a_claim_is_given_back_when_nothing_was_written(napa_pose, monkeypatch):
    picture("a.png")
    monkeypatch.setattr("napa_lib.pose.write.write_files", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    status, _, complaints = napa_pose("a.png")
    assert status == 1 and "could not be written: full" in complaints and list(Path("poses").iterdir()) == []


def test_a_link_is_not_followed_out_of_the_folder(tmp_path):
    outside, root = tmp_path / "outside", tmp_path / "poses"
    outside.mkdir(), root.mkdir()
    (outside / "pose.json").write_text(json.dumps({"picture": {"sha256": "0" * 64}}))
    (root / "a").symlink_to(outside)
    assert files.ResultFolders(root).claim(Path("a.png"), "0" * 64) == root / "a-2"


def test_a_folder_name_fits_file_systems():
    """They take 255 bytes, and a number is still to come."""
    for letter in "a名\U00020000":
        name = files.safe_name(Path(letter * 250 + ".jpg"))
        assert 50 <= len(name) <= files.LONGEST_NAME and len(name.encode()) <= files.MOST_BYTES


@pytest.mark.parametrize("content", [b"", b"<html>"])
def test_what_is_a_picture_by_its_name_alone_is_named(napa_pose, content):
    Path("a.jpg").write_bytes(content)
    status, _, complaints = napa_pose("a.jpg")
    assert status == 1 and "'a.jpg': it is empty or holds no picture" in complaints
    assert "or one of a kind that is not read; save it as JPEG or PNG" in complaints  # as TIFFs of colours in floats


@pytest.mark.skipif(os.name == "nt", reason="links need leave there")
def test_a_link_to_nothing_is_said(napa_pose):
    picture("in/a.png")
    Path("in/b.png").symlink_to("gone.png"), Path("in/c.png").symlink_to("c.png")
    status, said, complaints = napa_pose("in")
    assert status == 1 and "in/a.png: mean" in said
    b, c = (line for line in complaints.splitlines() if "cannot read picture" in line)
    assert "in/b.png" in b and "No such file" in b and "in/c.png" in c and "Too many levels" in c


def test_what_an_earlier_run_saw_is_not_counted_with_the_figures_of_this_one(napa_pose, monkeypatch):
    def crowd(self, pictures, boxes, skeleton, crops=1, many=False):
        return [found * (3 if many else 1) for found in alone(self, pictures, boxes, skeleton)]

    alone = Everywhere.estimate
    monkeypatch.setattr(Everywhere, "estimate", crowd)
    picture("in/a.png"), picture("in/b.png", "red")
    Path("poses/a-figure9").mkdir(parents=True)
    Path("poses/a-figure9/mine.txt").write_text("not of napa pose")
    each = sorted(["bones.png", "overlay.png", "pose.json", "pose3d.html"])
    for words, figures, files_of_a in (
        (("--people", "many"), 3, ["figures.json", "overlay.png"]), ((), 1, each),
        (("--people", "many", "--format", "csv"), 3, ["figures.json", "overlay.png"]), (("--format", "csv"), 1, None),
    ):  # fmt: skip
        assert napa_pose("in", *words)[0] == 0
        together = json.loads(Path("poses/poses.json").read_text("utf-8"))["figures"]
        names = [f"{stem}{f'-figure{n}' if figures > 1 else ''}" for stem in "ab" for n in range(1, figures + 1)]
        assert [figure["folder"] for figure in together] == names
        assert sorted(p.name for p in Path("poses/a").iterdir()) == (files_of_a or sorted([*each, "pose.csv"]))
    assert sorted(p.name for p in Path("poses").iterdir() if p.is_dir()) == ["a", "a-figure9", "b"]
    assert [p.name for p in Path("poses/a-figure9").iterdir()] == ["mine.txt"]


def test_a_foreign_file_among_the_results_is_named(napa_pose):
    picture("in/a.png")
    Path("poses/other").mkdir(parents=True)
    Path("poses/other/pose.json").write_text("[]")
    status, _, complaints = napa_pose("in")
    assert status == 1 and str(Path("poses/other/pose.json")) in complaints and Path("poses/a/pose.json").exists()


# Other programs


@pytest.fixture
def figure() -> tuple[PoseResult, dict]:
    (result,) = Everywhere().estimate([Picture(Image.new("RGB", (9, 9)), 1, (9, 9), torch.zeros(3, 1, 1))], [None],
                                      NAPA18)[0]  # fmt: skip
    joints = [{"name": n, "keypoint_px": [1.0, 2.0], "position_mm": None, "confidence": 0.5} for n in ("nose", "neck")]
    return result, {"picture": {"file": "7.jpg", "sha256": "f" * 64}, "joint_set": "NAPA18", "joints": joints}


def test_openpose_and_csv(figure):
    person = json.loads(formats.as_openpose(*figure))["people"][0]
    points = np.reshape(person["pose_keypoints_2d"], (25, 3))
    j, wrist = BODY25.index("l_wrist"), NAPA18.index("l_wrist")
    np.testing.assert_allclose(points[j, :2], POINTS[wrist], atol=1e-3)
    assert points[j, 2] == pytest.approx(float(figure[0].confidence[wrist]), abs=1e-3)
    assert (points[BODY25.index("l_big_toe")] == 0).all()
    rows = list(csv.DictReader(io.StringIO(formats.as_csv(*figure, 2))))
    assert [row["joint"] for row in rows] == ["nose", "neck"] and rows[0]["figure"] == "2"
    assert rows[0]["x_px"] == "1.0" and rows[0]["z_mm"] == "" and rows[0]["file"] == "7.jpg"


def test_coco_results_are_taken_by_pycocotools(napa_pose, capsys):
    coco_tools = pytest.importorskip("pycocotools.coco")
    picture("in/000000000042.png"), picture("in/000000000007.png"), picture("in/lisa.png")
    assert napa_pose("in", "--format", "coco,openpose,csv")[0] == 0
    results = json.loads(Path("poses/coco.json").read_text("utf-8"))
    ids = {r["file_name"]: r["image_id"] for r in results}
    assert ids["000000000042.png"] == 42 and ids["000000000007.png"] == 7 and ids["lisa.png"] > 10**6
    truth = coco_tools.COCO()
    keypoints = [v for x, y, flag in np.reshape(results[0]["keypoints"], (17, 3)) for v in (x, y, 2 * flag)]
    truth.dataset = {
        "images": [{"id": number, "width": 100, "height": 80} for number in ids.values()],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [
            {"id": k, "image_id": number, "category_id": 1, "iscrowd": 0, "area": 4000, "bbox": [0, 0, 99, 79],
             "num_keypoints": 13, "keypoints": keypoints} for k, number in enumerate(ids.values(), 1)
        ],
    }  # fmt: skip
    truth.createIndex()
    from pycocotools.cocoeval import COCOeval

    evaluation = COCOeval(truth, truth.loadRes(str(Path("poses/coco.json"))), "keypoints")
    evaluation.evaluate(), evaluation.accumulate(), evaluation.summarize()
    capsys.readouterr()
    assert evaluation.stats[0] == pytest.approx(1.0)
    wrist = np.reshape(results[0]["keypoints"], (17, 3))[COCO17.index("l_wrist")]
    np.testing.assert_allclose(wrist, [*POINTS[NAPA18.index("l_wrist")], 1], atol=0.06)


def test_one_file_of_all_poses(napa_pose):
    picture("in/a.png"), picture("in/b.png")
    assert napa_pose("in", "--format", "openpose,csv")[0] == 0
    figures = json.loads(Path("poses/poses.json").read_text("utf-8"))["figures"]
    assert [f["folder"] for f in figures] == ["a", "b"] and figures[0]["picture"]["file"] == "a.png"
    rows = list(csv.DictReader(Path("poses/poses.csv").read_text("utf-8").splitlines()))
    assert len(rows) == 2 * 18 and {row["file"] for row in rows} == {"a.png", "b.png"}
    assert [f["folder"] for f in json.loads(Path("poses/openpose.json").read_text("utf-8"))] == ["a", "b"]
    assert napa_pose("in/a.png")[0] == 0  # without formats: those of before would contradict pose.json one day
    assert sorted(p.name for p in Path("poses/a").iterdir()) == ["bones.png", "overlay.png", "pose.json", "pose3d.html"]


# The terminal
