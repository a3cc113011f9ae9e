"""What is found before long work and not after it: results that cannot be written, options that name another run."""

from __future__ import annotations

import importlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from napa_lib import loop
from napa_lib.adaptation import train as adaptation_train
from napa_lib.bottleneck import train as bottleneck_train
from napa_lib.engine import CheckpointError
from napa_lib.files import prepare_file

ROOT = Path(__file__).parents[1]
PROGRAMS = {  # module -> what its long work begins with, and its arguments but for where results go
    "lifting.train": ("train_depth_net", "--out {}"),
    "lifting.experiments": ("_measure", "fit --out {}"),
    "training.pose": ("train_pose_net", "--data x --out {}"),
    "training.warm_start": ("train_warm_head", "--data x --out {}"),
    "training.drawn": ("train_drawn", "--data x --alone x --out {}"),
    "evaluate.painted": ("load_chapter", "--results {}"),
    "evaluate.composed": ("load_chapter", "--results {}"),
    "evaluate.two_people": ("load_chapter", "--results {}"),
    "adversarial.experiments": ("tested", "--results {}"),
    "multiperson.teacher": ("train_teacher", "--out {}"),
    "bottleneck.measure": ("load_model", "x --data x --results {}"),
    "training.claim": ("run_all", "--out {}"),
    "training.contributions": ("make", "--results {}"),
    "evaluate.video_rows": ("load_two_people", "--results {}"),
    "evaluate.speed": ("load_chapter", "--results {}"),
    "evaluate.proposals": ("load_chapter", "--results {}"),
    "training.calibrate": ("load_pose_ensemble", "--annotations x --drawings x --nobody x --out {}"),
    "training.own_art": ("load_art_figures", "--results {}"),
    "training.art_depths": ("compare", "--results {}"),
    "training.pseudo_labels": ("compare", "--results {}"),
    "adversarial.lambdas": ("sweep", "--out {}"),
    "adaptation.reading": ("measure", "--target x --out {}"),
    "adaptation.neighbours": ("open_shipped", "--out {}"),
    "adaptation.studio": ("chosen_poses", "--out {}"),
    "adaptation.experiments": ("open_parts", "--scale --out {}"),
    "adaptation.own": ("labelled_target", "--shots x --out {}"),
    "adaptation.train": ("train_regressor", "--stage beta --out {}"),
    "bottleneck.train": ("train", "--stage pretrain --data x --out {}"),
    "bottleneck.smuggle": ("load_pretrained", "--out {}"),
    "style.evaluate": ("measure_gatys", "gatys --results {}"),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_where_results_go_is_looked_at_first(name, tmp_path, monkeypatch):
    module = importlib.import_module(f"napa_lib.{name}")
    first, words = PROGRAMS[name]
    monkeypatch.setattr(module, first, lambda *given, **named: pytest.fail("it began"))
    if name == "adaptation.reading":
        words = words.replace("--target x", f"--target {module.MEASURED_ON[0]}")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SystemExit, match="cannot write"):
        module.main(words.format(tmp_path / "file" / "r.json").split())
    assert (tmp_path / "file").read_text() == "mine"


def test_a_place_for_a_file_is_made_and_a_bad_one_is_named(tmp_path):
    prepare_file(tmp_path / "new" / "folder" / "r.json")
    assert list((tmp_path / "new" / "folder").iterdir()) == []
    prepare_file("/dev/null")
    (tmp_path / "file").write_text("mine")
    prepare_file(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"
    for bad, words in ((tmp_path, "it is a folder"), (tmp_path / "file" / "r.json", "cannot write .*r.json")):
        with pytest.raises(ValueError, match=words):
            prepare_file(bad)


@dataclass(frozen=True)
class Config:
    steps: int = 2


def run(setup: loop.Setup, began: list[int]) -> None:
    network = torch.nn.Linear(2, 1)
    adam = loop.adam(network.parameters(), 0.01, (0.9, 0.999))
    settings = loop.settings_of("test", Config(), setup)
    training = loop.Training({"network": network}, {"adam": adam}, torch.Generator(), settings)

    def step(number: int) -> loop.Losses:
        began.append(number)
        losses = {"square": network(torch.ones(1, 2)).square().mean()}
        loop.descend(losses["square"], adam, 1.0, losses)
        return losses

    loop.run("test", training, step, 2, 1, setup)


def test_a_checkpoint_that_cannot_be_written_stops_the_run_before_its_first_step(tmp_path):
    (tmp_path / "file").write_text("")
    began: list[int] = []
    with pytest.raises(ValueError, match="cannot write"):
        run(loop.Setup(checkpoint=tmp_path / "file" / "c.safetensors"), began)
    assert began == []


def test_a_checkpoint_of_other_inputs_is_refused(tmp_path):
    file, began = tmp_path / "c.safetensors", []
    run(loop.Setup(checkpoint=file, inputs={"data": "a"}), began)
    run(loop.Setup(checkpoint=file, inputs={"data": "a"}), began)
    assert began == [0, 1]
    with pytest.raises(CheckpointError, match="belongs to another training .data is a, expected b."):
        run(loop.Setup(checkpoint=file, inputs={"data": "b"}), began)
    file.unlink()
    run(loop.Setup(checkpoint=file), [])  # as before inputs were kept
    with pytest.raises(CheckpointError, match="it does not tell data, expected a"):
        run(loop.Setup(checkpoint=file, inputs={"data": "a"}), began)


def test_a_source_of_other_poses_is_another_training(tmp_path):
    words = ["--stage", "beta", "--steps", "1", "--batch", "2", "--out", str(tmp_path / "beta.safetensors")]
    adaptation_train.main(words)
    adaptation_train.main(words)
    with pytest.raises(SystemExit, match="poses is mocap, expected union"):
        adaptation_train.main([*words, "--poses", "union"])


def test_a_model_of_other_poses_is_another_training(tmp_path):
    words = ["--stage", "pretrain", "--data", "studio:test", "--steps", "1", "--batch", "2", "--out",
             str(tmp_path / "eta.safetensors")]  # fmt: skip
    bottleneck_train.main(words)
    with pytest.raises(SystemExit, match="poses is clips, expected mocap"):
        bottleneck_train.main([*words, "--poses", "mocap"])
    with pytest.raises(SystemExit, match="data is studio:test, expected studio:validation"):
        bottleneck_train.main([*words[:3], "studio:validation", *words[4:]])


@pytest.mark.parametrize("name", ["training.pose", "training.warm_start", "training.drawn"])
def test_a_network_of_other_pictures_is_another_training(name, tmp_path, monkeypatch):
    """The checkpoint is told the data and the network that a run begins with."""
    module = importlib.import_module(f"napa_lib.{name}")
    trainer = {"pose": "train_pose_net", "warm_start": "train_warm_head", "drawn": "train_drawn"}
    networks = ("load_warm_pose_net", "load_pose_net", "load_drawn_pose_net")
    for reader in ("read_pictures", "open_sources", "labelled", "load_cutouts", *networks):
        monkeypatch.setattr(module, reader, lambda *words, **named: [None], raising=False)
    seen = []

    def train(*words, **named):
        seen.extend(w for w in (*words, *named.values()) if isinstance(w, loop.Setup))
        raise ValueError("enough")

    monkeypatch.setattr(module, trainer[name.partition(".")[2]], train)
    more = ["--alone", "c:2"] if name == "training.drawn" else []
    with pytest.raises(SystemExit, match="enough"):
        module.main(["--data", "a:0.5", "b", "--start-from", "w", "--out", str(tmp_path / "n.safetensors"), *more])
    (setup,) = seen
    assert setup.inputs["data"] == ["a:0.5", "b"] and setup.inputs["start_from"] == "w"
    assert all(
        setup.inputs[word.strip("-")] in (value, [value]) for word, value in zip(more[::2], more[1::2], strict=True)
    )
    assert loop.settings_of("x", Config(), setup)["data"] == ["a:0.5", "b"]


def test_what_is_mistyped_is_one_sentence(tmp_path):
    from napa_lib.evaluate import finding, video_rows

    with pytest.raises(SystemExit) as stop:
        finding.main(["--scenes", "-1"])
    assert stop.value.code == 2
    with pytest.raises(SystemExit, match="nowhere"):
        finding.main(["--clips", "nowhere"])
    with pytest.raises(SystemExit, match="nowhere"):
        video_rows.main(["--runs", str(tmp_path / "nowhere"), "--results", str(tmp_path / "r.json")])


@pytest.mark.parametrize(("name", "words", "said"), [
    ("drawings", "--count 0", "count must be positive, got 0"), ("drawings", "--size 8 --count 1", "size must be at"),
    ("drawings", "--seed -1", "seed must not be negative, got -1"), ("rock", "--count 0", "count must be positive"),
    ("rock", "--split nowhere", "nowhere"), ("rock", "--size 15", "size at least 16, got 48 and 15"),
])  # fmt: skip
def test_what_cannot_be_drawn_is_one_sentence(name, words, said, tmp_path):
    maker = importlib.import_module(f"napa_lib.makers.{name}.__main__")
    with pytest.raises(SystemExit, match=said):
        maker.main(["--out", str(tmp_path / "new"), *words.split()])
    assert not (tmp_path / "new").exists()


def test_a_broken_manifest_is_one_sentence(monkeypatch):
    from napa_lib.data import manifest

    def broken(*words):
        raise ValueError("the manifest is broken")

    monkeypatch.setattr(manifest, "read_manifest", broken)
    with pytest.raises(SystemExit, match="the manifest is broken"):
        manifest.main([])


@pytest.mark.parametrize(
    "words",
    [["napa_lib/course/works_with.py"], ["napa_lib/course/bounds.py"], ["-m", "benchmarks"],
     ["-m", "napa_lib.style.train"]],
)  # fmt: skip
def test_help_is_help(words):
    process = subprocess.run([sys.executable, *words, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert process.returncode == 0 and process.stdout.startswith("usage: ") and process.stderr == ""


def test_asking_publish_for_help_writes_nothing(monkeypatch, capsys):
    from napa_lib.course import publish

    monkeypatch.setattr(publish, "find_notebooks", lambda folder: pytest.fail("it began"))
    monkeypatch.setattr(publish, "repository", lambda: pytest.fail("it began"))
    with pytest.raises(SystemExit) as stop:
        publish.main(["--help"])
    assert stop.value.code == 0 and capsys.readouterr().out.startswith("usage: ")
