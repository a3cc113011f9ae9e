"""Annotating one's own pictures: the journal, what comes out, and the page's server."""

from __future__ import annotations

import http.client
import json
import math
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from napa_lib import cli
from napa_lib.annotate import Edit, Journal, JournalError, as_art, as_coco
from napa_lib.annotate.desk import Desk
from napa_lib.annotate.journal import ABSENT, HIDDEN, SEEN, fold
from napa_lib.annotate.server import annotate, make_server
from napa_lib.data import load_art_figures
from napa_lib.data.datasets import read_coco
from napa_lib.lifting import load_depth_net
from napa_lib.pose.estimator import PoseResult
from napa_lib.skeletons import NAPA18

JOINTS = NAPA18.joints


def whole(picture: str = "a.png", number: int = 0, flag: int = SEEN) -> Edit:
    """A figure with all joints apart from each other."""
    return Edit(picture, number, {n: (40.0 + 7 * i, 30.0 + 11 * (i % 7), flag) for i, n in enumerate(JOINTS)})


@pytest.fixture
def folder(tmp_path):
    for name, size in (("a.png", (320, 240)), ("b.jpg", (100, 200))):
        Image.new("RGB", size, "white").save(tmp_path / name)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    return tmp_path


class Guesser:
    """Stands for the estimator: all joints on a slope, the first of them in doubt."""

    def __init__(self) -> None:
        self.depth_net, self.standardizer = load_depth_net()
        self.boxes: list = []

    def predict(self, image, boxes=None, many=False):
        self.boxes.append(boxes)
        points = torch.arange(18.0)[:, None] * torch.tensor([5.0, 3.0]) + 20
        sure = torch.full((18,), 0.9)
        sure[:2] = torch.tensor([0.3, 0.1])
        places = (points, points + 100) if many else (points,)
        return [PoseResult(place, torch.zeros(18, 3), sure, (0, 0, 1, 1), NAPA18) for place in places]


# ---- the journal


def test_the_journal_keeps_every_change_and_folds_them(tmp_path):
    journal = Journal(tmp_path)
    assert journal.add(whole()) == 1
    journal.add(Edit("a.png", 0, {"nose": (1.5, 2.5, HIDDEN)}, {"nose": -4.0}))
    journal.add(Edit("a.png", 1, {"nose": (9.0, 9.0, SEEN)}))
    journal.add(Edit("a.png", 1, removed=True))
    journal.close()
    (figure,) = Journal(tmp_path).figures()
    nose = JOINTS.index("nose")
    assert figure.keypoints[nose].tolist() == [1.5, 2.5] and figure.flags[nose] == HIDDEN and figure.depths[nose] == -4
    assert int((figure.flags == SEEN).sum()) == 17


def test_a_figure_comes_back_when_its_removal_is_undone_and_joints_go_one_by_one():
    edits = [whole(), Edit("a.png", 0, removed=True), Edit("a.png", 0, removed=False)]
    assert fold(edits[:2]) == [] and len(fold(edits)) == 1
    (figure,) = fold([whole(), Edit("a.png", 0, {"head": (0.0, 0.0, ABSENT)}, {"head": 3.0})])
    head = JOINTS.index("head")
    assert bool(figure.keypoints[head].isnan().all()) and math.isnan(figure.depths[head])


def test_a_change_is_on_the_disk_when_it_is_kept(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append((tmp_path / "annotations.jsonl").read_bytes()))
    Journal(tmp_path).add(whole())
    assert synced[0].endswith(b"\n") and json.loads(synced[0])["picture"] == "a.png"


def test_depths_of_several_changes_add_up():
    (figure,) = fold([whole(), Edit("a.png", 0, {}, {"nose": 1.0}), Edit("a.png", 0, {}, {"head": 2.0})])
    assert figure.depths[[JOINTS.index("nose"), JOINTS.index("head")]].tolist() == [1.0, 2.0]


def test_a_line_that_a_crash_cut_short_is_left_out(tmp_path):
    journal = Journal(tmp_path)
    journal.add(whole())
    journal.close()
    with journal.path.open("ab") as file:
        file.write(b'{"picture": "a.png", "fig')
    again = Journal(tmp_path)
    assert len(again.edits) == 1
    again.add(whole(number=1))
    again.close()
    assert len(Journal(tmp_path).edits) == 2


def test_a_whole_last_line_without_its_end_is_kept(tmp_path):
    line = json.dumps(whole().record()).encode()
    (tmp_path / "annotations.jsonl").write_bytes(line)  # as an editor may leave it
    journal = Journal(tmp_path)
    assert len(journal.edits) == 1
    journal.add(whole(number=1))
    journal.close()
    again = Journal(tmp_path)
    assert again.path.read_bytes().startswith(line + b"\n") and len(again.edits) == 2
    again.close()


def test_a_damaged_line_is_named_and_nothing_is_lost(tmp_path):
    journal = Journal(tmp_path)
    journal.add(whole())
    journal.close()
    content = journal.path.read_bytes()
    journal.path.write_bytes(b"{broken}\n" + content)
    with pytest.raises(JournalError, match="line 1"):
        Journal(tmp_path)
    assert journal.path.read_bytes() == b"{broken}\n" + content


def test_one_process_at_a_time(tmp_path):
    first = Journal(tmp_path)
    with pytest.raises(JournalError, match="in use"):
        Journal(tmp_path)
    first.close()
    Journal(tmp_path).close()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], "object"),
        ({"figure": 0}, "names its picture"),
        ({"picture": "a", "figure": -1}, "figure must be"),
        ({"picture": "a", "figure": True}, "figure must be"),
        ({"picture": "a", "figure": 0, "joints": {"tail": [0, 0, 1]}}, "NAPA18"),
        ({"picture": "a", "figure": 0, "joints": [1]}, r"object of joints of NAPA18, got \[1\]"),
        ({"picture": "a", "figure": 0, "joints": {"nose": [0, 0]}}, "nose must be"),
        ({"picture": "a", "figure": 0, "joints": {"nose": [0, 0, 3]}}, "nose must be"),
        ({"picture": "a", "figure": 0, "joints": {"nose": ["1", 0, 1]}}, "x of nose"),
        ({"picture": "a", "figure": 0, "joints": {"nose": [0, 1e9, 1]}}, "y of nose"),
        ({"picture": "a", "figure": 0, "joints": {"nose": [10**400, 0, 1]}}, "x of nose"),
        ({"picture": "a", "figure": 0, "depths": {"nose": float("nan")}}, "depth of nose"),
        ({"picture": "a", "figure": 0, "removed": 3}, "removed"),
    ],
)
def test_changes_that_cannot_be_one(value, words):
    with pytest.raises(JournalError, match=words):
        Edit.read(value)


@given(st.floats(-1e5, 1e5), st.floats(-1e5, 1e5), st.integers(0, 2))
@settings(max_examples=20, deadline=None)
def test_a_change_survives_json(x, y, flag):
    edit = Edit("é.png", 3, {"nose": (x, y, flag)}, {"nose": x}, None)
    assert Edit.read(json.loads(json.dumps(edit.record()))) == edit


def test_coco_reads_what_comes_out(folder):
    sizes = {"a.png": (320, 240), "b.jpg": (100, 200)}
    figures = fold([whole(), Edit("a.png", 0, {"l_wrist": (5.0, 6.0, HIDDEN)}), whole("b.jpg")])
    (folder / "annotations.json").write_text(as_coco(figures, sizes))
    people = read_coco(folder, "annotations.json")
    assert people.images == ("a.png", "b.jpg")
    left = people.skeleton.index("l_wrist")
    assert people.keypoints[0, left].tolist() == [5.0, 6.0]
    assert not people.visible[0, left] and people.visible[1, left]
    assert people.load(1).shape == (3, 200, 100)
    eyes = people.skeleton.index("l_eye")
    assert bool(people.keypoints[0, eyes].isnan().all())


def test_the_evaluation_reads_what_comes_out(folder):
    sizes = {"a.png": (320, 240)}
    (folder / "figures.json").write_text(
        as_art(fold([whole(), Edit("a.png", 0, {"l_knee": (5.0, 6.0, HIDDEN)})]), sizes)
    )
    (figure,) = load_art_figures(folder / "figures.json")
    knee = 4
    assert figure.keypoints[knee].tolist() == [5.0, 6.0] and not figure.visible[knee] and figure.visible.sum() == 13
    top, neck = figure.keypoints[13], figure.keypoints[12]
    assert figure.head_size == pytest.approx(0.6 * 1.2 * math.sqrt(2) * float((top - neck).norm()), rel=0.02)
    assert json.loads(as_art(fold([Edit("a.png", 0, {"nose": (1.0, 1.0, SEEN)})]), sizes))["figures"] == []


# ---- the server


@pytest.fixture
def served(folder):
    desk = Desk(folder, Guesser())
    server, address = make_server(desk)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield desk, server.server_address[1], address.partition("token=")[2]
    server.shutdown()
    server.server_close()
    desk.journal.close()


def ask(
    port: int, path: str, token: str | None, body: object = None, host: str | None = None, length: int | None = None,
    origin: str | None = None,
):  # fmt: skip
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Host": host or f"127.0.0.1:{port}"} | ({"X-Token": token} if token else {})
    headers |= {"Origin": origin} if origin else {}
    content = None if body is None else json.dumps(body).encode()
    if length is not None:
        headers["Content-Length"] = str(length)
    connection.request("GET" if body is None else "POST", path, content, headers)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    is_json = answer.getheader("Content-Type") == "application/json"
    return answer.status, json.loads(data) if is_json else data


def test_only_the_printed_address_opens_it(served):
    _, port, token = served
    assert ask(port, f"/?token={token}", None)[0] == 200
    for path, sent, host in (
        ("/", None, None), ("/?token=x", None, None), ("/pictures", None, None),
        (f"/pictures?token={token}", None, None),
        ("/pictures", token, "evil.example"), ("/pictures", token[:-1], None),
    ):  # fmt: skip
        assert ask(port, path, sent, host=host)[0] == 403, (path, host)


def test_what_another_page_asks_for_is_refused(served, capsys):
    _, port, token = served
    assert ask(port, "/write", token, {}, origin=f"http://127.0.0.1:{port}")[0] == 200
    for origin in ("http://evil.example", "null"):
        assert ask(port, "/write", token, {}, origin=origin)[0] == 403
    assert ask(port, "http://[/pictures", token)[0] == 403
    assert "Traceback" not in capsys.readouterr().err


def test_pictures_by_number_and_nothing_else(served):
    _, port, token = served
    status, found = ask(port, "/pictures", token)
    assert status == 200 and [p["name"] for p in found["pictures"]] == ["a.png", "b.jpg"]
    assert "broken.png" in found["unread"][0]
    assert ask(port, "/picture/0", token)[1][:2] == b"\xff\xd8"
    for path in ("/picture/2", "/picture/../a.png", "/picture/a.png", "/etc/passwd", "/annotations.jsonl"):
        assert ask(port, path, token)[0] == 400, path


def test_a_guess_a_drag_a_fit_and_the_files(served, folder):
    desk, port, token = served
    assert ask(port, "/guess", token, {"picture": 0, "first": True})[1] == {"last": 1, "figure": 0}
    assert ask(port, "/guess", token, {"picture": 0, "first": True})[1] == {"last": 1, "figure": None}  # a second tab
    assert ask(port, "/guess", token, {"picture": 0, "box": [10, 10, 50, 90]})[1] == {"last": 2, "figure": 1}
    torch.testing.assert_close(desk.estimator.boxes[1], torch.tensor([[0.0, 0.0, 60.0, 100.0]]))
    edits = ask(port, "/edits/0", token)[1]["edits"]
    assert [e["figure"] for e in edits] == [0, 1] and edits[0]["joints"]["pelvis"][2] == HIDDEN
    assert "r_hip" not in edits[0]["joints"] and len(edits[0]["joints"]) == 17
    moved = {"picture": "a.png", "figure": 0, "joints": {"l_wrist": [11, 12, 2], "r_hip": [30, 90, 1]}}
    assert ask(port, "/edit", token, moved)[1] == {"last": 3, "strained": []}
    fitted = ask(port, "/fit", token, {"picture": "a.png", "figure": 0})[1]
    assert fitted["last"] == 4
    assert set(ask(port, "/write", token, {})[1]["files"]) == {"annotations.json", "figures.json", "a.png-1.json"}
    record = json.loads((folder / "poses/a.png-1.json").read_text())
    wrist = next(j for j in record["joints"] if j["name"] == "l_wrist")
    assert wrist["keypoint_px"] == [11.0, 12.0] and wrist["position_mm"] is not None
    assert read_coco(folder, "annotations.json").images == ("a.png",)  # nobody has looked at the other guess
    said = ask(port, "/write", token, {})[1]["left_out"]
    assert said == ["guesses left out until somebody changes or confirms them: 1"]
    ask(port, "/edit", token, {"picture": "a.png", "figure": 1, "checked": True})
    ask(port, "/write", token, {})
    assert read_coco(folder, "annotations.json").images == ("a.png", "a.png")


def test_two_tabs_lose_nothing(served):
    desk, port, token = served
    names = list(JOINTS[:6])

    def tab(joint: str) -> None:
        for x in range(5):
            ask(port, "/edit", token, {"picture": "a.png", "figure": 0, "joints": {joint: [x, 1, 2]}})

    threads = [threading.Thread(target=tab, args=(name,)) for name in names]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert len(desk.journal.edits) == 30 and len(desk.journal.path.read_text().splitlines()) == 30
    (figure,) = desk.journal.figures()
    assert figure.keypoints[:6, 0].tolist() == [4.0] * 6


def test_bad_requests_are_sentences(served):
    _, port, token = served
    for path, body, words in (
        ("/edit", {"picture": "c.png", "figure": 0}, "no picture"), ("/edit", [1], "JSON object"),
        ("/edit", {"picture": "a.png", "figure": 0, "joints": {"nose": [0, "x", 1]}}, "y of nose"),
        ("/guess", {"picture": 9}, "pictures 0 to 1"), ("/guess", {}, "picture"),
        ("/fit", {"picture": "a.png", "figure": 7}, "no figure 7"), ("/nowhere", {}, "nothing at"),
        ("/guess", {"picture": math.inf}, "infinity"), ("/guess", {"picture": 0, "box": {}}, "box must be"),
        ("/edit", {"picture": "a.png", "figure": 0, "joints": [1]}, "object of joints"),
    ):  # fmt: skip
        status, answer = ask(port, path, token, body)
        assert status == 400 and words in answer["error"], (path, answer)
    assert ask(port, "/edit", token, {}, length=1 << 24)[0] == 413


def test_a_guess_is_kept_only_if_the_journal_can_be_read_again(folder):
    desk = Desk(folder, Guesser())
    desk.keep(whole(number=99))
    with pytest.raises(JournalError, match="figure must be a number from 0 to 99"):
        desk.guess(0)
    far = Edit("a.png", 1, {"nose": (2e5, 1.0, SEEN)})  # in a panorama
    with pytest.raises(JournalError, match="within 100000 pixels"):
        desk.keep(far)
    desk.journal.close()
    again = Desk(folder)
    assert len(again.journal.edits) == 1
    again.journal.close()


def test_a_marked_picture_that_is_gone_leaves_the_others(folder):
    desk = Desk(folder)
    for edit in (whole(), whole("b.jpg")):
        desk.keep(edit)
    desk.journal.close()
    (folder / "b.jpg").rename(folder / "away")
    again = Desk(folder)
    assert any("'b.jpg' was marked" in line for line in again.unread)
    again.write()
    again.journal.close()
    assert read_coco(folder, "annotations.json").images == ("a.png",)
    (folder / "away").rename(folder / "b.jpg")
    back = Desk(folder)
    back.write()
    back.journal.close()
    assert read_coco(folder, "annotations.json").images == ("a.png", "b.jpg")


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are text there")
def test_a_name_that_is_no_text_is_said_and_costs_no_annotation(folder):
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.png")).write_bytes((folder / "a.png").read_bytes())
    desk = Desk(folder)
    assert list(desk.sizes) == ["a.png", "b.jpg"] and any("not UTF-8" in line for line in desk.unread)
    desk.keep(whole())
    assert (folder / "annotations.json") in desk.write()
    desk.journal.close()


def test_what_keeps_the_command_from_starting_is_one_line(folder, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        assert annotate(folder, number, browser=False) == 1
    assert f"--port {number}: Address already in use" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["annotate", str(folder), "--port", "65536"])
    assert "argument --port: must be a number from 0 to 65535, got '65536'" in capsys.readouterr().err
    (folder / "annotations.jsonl").unlink()
    (folder / "annotations.jsonl").mkdir()  # as good as a folder that may not be written to
    assert annotate(folder, browser=False) == 1
    assert "annotations.jsonl" in capsys.readouterr().err


def test_a_page_that_is_closed_early_is_no_error(served, capsys):
    server, _ = make_server(served[0])
    said = []
    for error in (BrokenPipeError(), ZeroDivisionError()):
        try:
            raise error
        except (OSError, ArithmeticError):
            server.handle_error(None, ("127.0.0.1", 1))
        said.append(capsys.readouterr().err)
    server.server_close()
    assert not said[0] and "ZeroDivisionError" in said[1]


def test_folders_without_pictures(tmp_path, capsys):
    with pytest.raises(JournalError, match="is no folder"):
        Desk(tmp_path / "nowhere")
    with pytest.raises(JournalError, match="no picture"):
        Desk(tmp_path)
    assert not (tmp_path / "annotations.jsonl").exists()


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_the_command_writes_what_was_marked_when_it_is_stopped(folder):
    journal = Journal(folder)
    journal.add(whole())
    journal.close()
    command = [sys.executable, "-m", "napa_lib.cli", "annotate", str(folder), "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # fmt: skip
    line = process.stdout.readline()
    assert "2 pictures. Open http://127.0.0.1:" in line
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=60)
    assert process.returncode == 0 and "annotations.json" in rest and "Traceback" not in errors, errors
    assert "broken.png" in errors
    assert json.loads(Path(folder / "annotations.json").read_text())["annotations"][0]["num_keypoints"] == 13
