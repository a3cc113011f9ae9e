"""What `napa annotate` writes beside the pictures: nothing that nobody marks any more, nothing over other files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from napa_lib import cli
from napa_lib.annotate import Edit, Journal, JournalError
from napa_lib.annotate.desk import Desk
from napa_lib.annotate.journal import ABSENT, HIDDEN, SEEN
from napa_lib.annotate.server import annotate, finish
from napa_lib.skeletons import NAPA18

WHOLE = {name: (20.0 + 7 * i, 30.0 + 11 * (i % 7), SEEN) for i, name in enumerate(NAPA18.joints)}
DEPTHS = {name: float(i) for i, name in enumerate(NAPA18.joints)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.new("RGB", (320, 240), "white").save(tmp_path / "a.png")
    return tmp_path


def read(folder: Path, name: str, part: str) -> list:
    return json.loads((folder / name).read_text("utf-8"))[part]


def test_a_figure_that_is_gone_goes_from_all_files(folder):
    desk = Desk(folder)
    desk.keep(Edit("a.png", 0, WHOLE, DEPTHS))
    desk.keep(Edit("a.png", 1, WHOLE, DEPTHS))
    desk.write()
    (folder / "poses" / "mine.json").write_text("{}")
    desk.keep(Edit("a.png", 1, removed=True))
    desk.write()
    assert len(read(folder, "annotations.json", "annotations")) == len(read(folder, "figures.json", "figures")) == 1
    assert sorted(p.name for p in (folder / "poses").iterdir()) == ["a.png-1.json", "mine.json"]
    desk.keep(Edit("a.png", 0, removed=True))
    desk.write()
    assert read(folder, "annotations.json", "annotations") == read(folder, "figures.json", "figures") == []
    assert sorted(p.name for p in (folder / "poses").iterdir()) == ["mine.json"]
    desk.journal.close()
    Desk(folder).journal.close()  # and the empty files are known as its own


def test_what_was_marked_outlives_its_journal(folder):
    """A folder that came without its journal: what its files hold is taken in before they are written anew."""
    desk = Desk(folder)
    assert desk.write() == []
    desk.keep(Edit("a.png", 0, {**WHOLE, "l_wrist": (3.0, 4.5, HIDDEN)}, DEPTHS, ambiguous=True))
    desk.write()
    desk.journal.close()
    before = [(folder / name).read_bytes() for name in ("annotations.json", "figures.json")]
    (folder / "annotations.jsonl").unlink()
    again = Desk(folder)
    again.write()
    assert [(folder / name).read_bytes() for name in ("annotations.json", "figures.json")] == before
    again.keep(Edit("a.png", 1, WHOLE))
    again.write()
    assert len(read(folder, "annotations.json", "annotations")) == 2
    again.journal.close()
    for name in ("annotations.jsonl", "annotations.json"):
        (folder / name).unlink()
    with pytest.raises(JournalError, match="without annotations.json"):
        Desk(folder)


def test_a_figure_that_cannot_be_measured_is_named(folder, capsys):
    desk = Desk(folder)
    desk.keep(Edit("a.png", 0, WHOLE))
    desk.keep(Edit("a.png", 1, {**WHOLE, "l_wrist": (0.0, 0.0, ABSENT)}))
    assert desk.left_out() == [
        "a.png, figure 2 is left out of figures.json: it lacks l_wrist (put a joint that cannot be seen where it must "
        "be, and call it hidden)"
    ]
    assert finish(desk) == 0
    assert "figure 2 is left out of figures.json: it lacks l_wrist" in capsys.readouterr().err
    assert len(read(folder, "figures.json", "figures")) == 1


@pytest.mark.parametrize("name", ["annotations.json", "figures.json"])
@pytest.mark.parametrize("text", ['{"images": [], "categories": [], "annotations": [{"id": 1}]}', "[1]", "no JSON"])
def test_other_programs_files_are_not_written_over(folder, capsys, name, text):
    (folder / name).write_text(text)
    assert annotate(folder, browser=False) == 1
    assert f"{name} is not of napa annotate's making" in capsys.readouterr().err
    assert (folder / name).read_text() == text and not (folder / "annotations.jsonl").exists()
    Journal(folder).close()  # one in which nothing is marked changes nothing
    with pytest.raises(JournalError, match="move it"):
        Desk(folder)


def test_an_empty_name_is_no_folder(capsys):
    with pytest.raises(SystemExit):
        cli.main(["annotate", ""])
    assert "FOLDER" in capsys.readouterr().err


def test_pictures_that_are_left_out_are_named_with_advice(folder, capsys, monkeypatch):
    """As `napa pose` does, and without letting a file's name write to the terminal."""
    (folder / "b.png").write_bytes(b"")
    (folder / "c.svg").write_text("<svg/>")
    Image.new("RGB", (32, 24)).save(folder / "d\u202e.png")
    desk = Desk(folder)
    assert len(desk.unread) == 2 and "it is empty or holds no picture" in desk.unread[0]
    assert "the format .svg is not read; save it as JPEG or PNG" in desk.unread[1]
    desk.keep(Edit("d\u202e.png", 0, {"nose": (1.0, 2.0, SEEN)}))
    assert finish(desk) == 0 and "d�.png, figure 1 is left out" in capsys.readouterr().err
