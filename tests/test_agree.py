"""Which pictures `napa_lib.training.agree` labels, and what it says before it begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from napa_lib.training import agree


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for name in ("Mona Lisa.jpg", "Lisa.jpg", "b.png", "notes.txt"):
        (tmp_path / "in" / name).write_bytes(b"")
    return tmp_path / "in"


def test_names_with_spaces_are_left_out(pictures, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("Mona Lisa.jpg\n\nb.png\n", "utf-8")
    assert [file.name for file in agree.chosen_pictures([pictures], names)] == ["Lisa.jpg"]
    assert len(agree.chosen_pictures([pictures], None)) == 3


def test_a_name_of_no_picture_is_an_error(pictures, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("Mona Liza.jpg\nb.png\n", "utf-8")
    with pytest.raises(ValueError, match="1 that are of no picture, such as 'Mona Liza.jpg'"):
        agree.chosen_pictures([pictures], names)


def test_what_is_mistyped_is_one_sentence(pictures, tmp_path):
    out = tmp_path / "a.safetensors"
    for words, said in (
        (["--pictures", str(pictures), "--leave-out", str(tmp_path / "no.txt"), "--out", str(out)], "no.txt"),
        (["--pictures", str(tmp_path / "gone"), "--out", str(out)], "no folder"),
        (["--pictures", str(pictures), "--out", str(tmp_path)], "cannot write"),
        (["--pictures", str(pictures), "--one", str(tmp_path / "no"), "--out", str(out)], "no"),
    ):  # fmt: skip
        with pytest.raises(SystemExit, match=said):
            agree.main(words)
    assert not out.exists()
