"""`napa pose`: what is refused before anything is done, what is not written over, and pictures of one name."""

from __future__ import annotations

import csv
import json
import socket
import threading
from pathlib import Path

import pytest
from test_pose_command import napa_pose, picture, web  # noqa: F401  # fixtures

from napa_lib.pose import PoseEstimator, fetch


@pytest.mark.parametrize("name", ["poses.json", "coco.json", "openpose.json", "poses.csv"])
def test_other_programs_files_are_not_written_over(napa_pose, name):  # noqa: F811
    picture("in/a.png"), picture("in/b.png", "red")
    texts = {"coco.json": ['{"images": [], "annotations": []}', '[{"image_id": 1, "score": 0.5}]'],
             "poses.json": ['{"mine": 1}', "[]", "no JSON"], "openpose.json": ['{"people": []}'],
             "poses.csv": ["name,x,y\n"]}  # fmt: skip
    for text in texts[name]:
        Path("in", name).write_text(text)
        status, _, complaints = napa_pose("in", "--out", "in", "--format", "coco,openpose,csv")
        assert status == 2 and f"{name} there is not of napa pose's making" in complaints
        assert Path("in", name).read_text() == text and not Path("in/a").exists()
    assert napa_pose("in/a.png", "--out", "in", "--format", "coco")[0] == 0  # writes no file of all
    Path("in", name).unlink()
    for _ in range(2):  # its own files are written anew
        assert napa_pose("in", "--out", "in", "--format", "coco,openpose,csv")[0] == 0


@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_folder_for_results_is_refused(napa_pose, name):  # noqa: F811
    picture("a.png")
    status, _, complaints = napa_pose("a.png", "--out", name)
    assert status == 2 and "--out" in complaints and not Path("a").exists()


@pytest.mark.parametrize(("words", "said"), [
    (("--box", "1,2,3"), "argument --box: must be x0,y0,x1,y1, four numbers in pixels, got '1,2,3'"),
    (("--box", "1,2,x,4"), "four numbers"), (("--batch", "two"), "whole number"),
    (("--batch", "0"), "argument --batch: must be a whole number from 1, got '0'"),
    (("--out", ""), "argument --out: must name a folder, got ''"),
    (("--box", "1,1,5,5", "--people", "many"), "--people many goes without --box"),
])  # fmt: skip
def test_a_wrong_option_is_told_what_is_right(napa_pose, words, said):  # noqa: F811
    picture("a.png")
    status, _, complaints = napa_pose("a.png", *words)
    assert status == 2 and said in complaints and not Path("poses").exists()


def test_nothing_is_fetched_for_a_command_that_cannot_be_run(napa_pose, monkeypatch):  # noqa: F811
    def fetched(*words: object) -> None:
        raise AssertionError("fetched")

    def wrong(*words: object) -> None:
        raise ValueError("no such weights")

    monkeypatch.setattr(fetch, "fetch", fetched)
    picture("a.png"), Path("file").write_text("")
    for words in (("--box", "5,5,1,1"), ("--out", "file"), ("a.png", "--box", "1,1,5,5")):
        assert napa_pose("http://a.example/a.png", *words)[0] == 2
    monkeypatch.setattr(PoseEstimator, "from_pretrained", wrong)
    assert napa_pose("-", "--weights", "gone")[0] == 2


def test_pictures_of_one_number_keep_apart(napa_pose):  # noqa: F811
    picture("a/001.png"), picture("b/001.png", "red"), picture("c/1.png", "blue"), picture("d/002.png")
    picture("e/002.png")  # the same picture as d's
    status, _, complaints = napa_pose("a", "b", "c", "d", "--format", "coco,csv")
    assert status == 0 and "3 different pictures (001.png, 001.png, 1.png) would have the image_id 1" in complaints
    results = json.loads(Path("poses/coco.json").read_text("utf-8"))
    numbers = [r["image_id"] for r in results]
    assert len(set(numbers)) == 4 and 1 not in numbers and 2 in numbers
    rows = list(csv.DictReader(Path("poses/poses.csv").read_text("utf-8").splitlines()))
    assert {(row["file"], row["folder"]) for row in rows} == {
        ("001.png", "001"), ("001.png", "001-2"), ("1.png", "1"), ("002.png", "002")
    }  # fmt: skip


@pytest.mark.parametrize("answer", [b"banana\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc"])  # fmt: skip
def test_what_does_not_speak_http_leaves_the_other_pictures(napa_pose, answer):  # noqa: F811
    picture("a.png")
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            connection.recv(4096)
            connection.sendall(answer)
            connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}/b.png"
        status, said, complaints = napa_pose(address, "a.png")
        thread.join()
    assert status == 1 and "a.png: mean confidence" in said and complaints.startswith(f"napa pose: {address}: ")
    status, said, complaints = napa_pose("http://127.0.0.1:banana/b.png", "a.png")
    assert status == 1 and "a.png: mean confidence" in said and "http://127.0.0.1:banana/b.png" in complaints


def test_a_picture_named_like_the_file_of_all_poses(napa_pose):  # noqa: F811
    picture("in/poses.json.png"), picture("in/Coco.json.png", "red")
    status, said, complaints = napa_pose("in", "--format", "coco")
    assert (status, complaints) == (0, "") and "poses.json.png: mean confidence" in said
    assert len(json.loads(Path("poses/poses.json").read_text("utf-8"))["figures"]) == 2
    assert len(json.loads(Path("poses/coco.json").read_text("utf-8"))) == 2 and Path("poses/poses.json-2").is_dir()


def test_addresses_in_any_script(napa_pose, web):  # noqa: F811
    for name in ("名画 Lisa.png", "Dürer_Lisa.png"):
        status, said, complaints = napa_pose(f"{web}/bilder/{name}?größe=1")
        assert (status, complaints) == (0, "") and Path("poses", name.replace(" ", "_")[:-4], "pose.json").exists()
