"""No step mixes devices: networks, trainings and the estimator on a GPU that is pretended where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import torch
from pretend_gpu import CUDA, OnGpu, pretended_gpu

from benchmarks import bench_gpu
from napa_lib import adaptation, results
from napa_lib.adaptation import functional, reading, store
from napa_lib.adaptation.adapt import paired_noises
from napa_lib.data import asset_path, load_paintings
from napa_lib.loop import Setup
from napa_lib.multiperson import experiments as students
from napa_lib.multiperson import made_up
from napa_lib.networks import VGG19Features
from napa_lib.pose import PoseEstimator
from napa_lib.sampling import PoseAutoencoder
from napa_lib.sampling.evaluate import measure_autoencoder, random_directions
from napa_lib.study.lessons.lesson_07 import live as lesson_07
from napa_lib.study.lessons.lesson_08 import live
from napa_lib.style import load_stylizer, stylize
from napa_lib.training import FigureSet, Styles, contributions
from napa_lib.training.measure import measure_style
from napa_lib.training.stages import TrainingConfig

BOTTLENECK = "--preset tiny --data studio:train --steps 2 --batch 2"
PRETRAIN = f"{BOTTLENECK} --stage pretrain --out {{out}}_eta"
RUNG = f"{BOTTLENECK} --stage ladder --encoder {{out}}_eta --out {{out}} --rung"
COMMANDS = {  # a command and the options of one run, or of several in a row
    "lifting": ("lifting.train", "--steps 2 --batch 4 --half --out {out}"),
    "autoencoder": ("sampling.train", "--poses limits --steps 2 --out {out}"),
    "one style": ("style.train", "--styles greatwave --norm instance --steps 2 --batch 1 --size 64 --half --out {out}"),
    "pool": ("style.train", "--styles greatwave kandinky --norm pool --steps 2 --batch 1 --size 64 --out {out}"),
    "skeleton bottleneck": ("bottleneck.train", PRETRAIN, f"{RUNG} ours --half"),
    "second cycle": ("bottleneck.train", PRETRAIN, f"{RUNG} cyclegan"),
    "smuggler": (
        "bottleneck.smuggle",
        "--data studio:validation --validation studio:validation --test studio:validation --steps 2 --out {out}",
    ),
    "hourglass": (
        "bottleneck.train", "--stage hourglass --preset tiny --data studio:train --steps 2 --batch 2 --out {out}",
    ),
    "generator of poses": ("adaptation.train", "--stage source --preset thumb --steps 2 --batch 2 --half --out {out}"),
    "regressor": ("adaptation.train", "--stage beta --preset thumb --steps 2 --batch 2 --out {out}"),
    "teacher": ("multiperson.teacher", "--steps 2 --batch 2 --half --out {out}"),
    "warm start": ("training.warm_start", "--data {assets}/synthetic --steps 1 --batch 2 --half --out {out}"),
    "drawn figures": (
        "training.drawn",
        "--data {assets}/synthetic --alone {assets}/synthetic --steps 1 --batch 2 --scenes 1 --size 64 --half "
        "--out {out}",
    ),
    "NAPA's four stages": (
        "cli", "train --preset tiny --steps 1 --batch 2 --most 12 --stage 1 2 3 4 --half --out {out}",
    ),
}  # fmt: skip


@pytest.fixture
def gpu(monkeypatch) -> Iterator[torch.device]:
    with pretended_gpu(monkeypatch) as device:
        yield device


def test_the_pretended_device_goes_by_the_rules_of_one(gpu):
    here, there = torch.ones(3), torch.ones(3, device=gpu)
    assert (here.device.type, there.device, here.to("cuda").device) == ("cpu", CUDA, CUDA)
    assert there.is_cuda and here.to(there).is_cuda and not there.to(here).is_cuda
    assert there[here.long() - 1].is_cuda
    for mixed in (
        lambda: here + there,
        lambda: torch.stack([there, here]),
        lambda: there.lerp_(here, 0.5),
        lambda: here[there > 0],
    ):
        with pytest.raises(RuntimeError, match="same device"):
            mixed()
    with pytest.raises(TypeError, match="cpu"):
        there.numpy()
    assert (there + torch.tensor(1.0)).device == CUDA
    assert there.cpu().device.type == "cpu" and not isinstance(there.cpu(), OnGpu)
    layer = torch.nn.Linear(3, 2).to(gpu)
    with pytest.raises(RuntimeError, match="same device"):
        layer(here)
    layer(there).sum().backward()
    assert layer.weight.device == layer.weight.grad.device == CUDA
    torch.optim.AdamW(layer.parameters()).step()
    assert layer.weight.device == CUDA and all(isinstance(p, torch.nn.Parameter) for p in layer.parameters())


@pytest.mark.parametrize("name", COMMANDS)
def test_a_training_computes_where_it_is_told(gpu, tmp_path: Path, name):
    module, *runs = COMMANDS[name]
    out, assets = tmp_path / "out", Path(__file__).parents[1] / "assets"
    before = OnGpu.operations
    for options in runs:
        import_module(f"napa_lib.{module}").main([*options.format(out=out, assets=assets).split(), "--device", "cuda"])
    assert out.exists() and OnGpu.operations > before + 100


def test_a_student_learns_and_is_measured_where_it_is_told(gpu, tmp_path: Path, monkeypatch):
    """All losses of both phases, with labels, and the measures of pictures and of scenes."""
    for split in ("validation", "test"):
        monkeypatch.setitem(students.MEASURED, split, 2)
    monkeypatch.setattr(made_up, "SCENES", 4)
    row = students.StudentConfig(supervision="3d", pretraining=0, first=1, steps=2, batch=2, pictures=4)
    monkeypatch.setitem(students.ROWS, "full", row)
    before = OnGpu.operations
    for name in ("full", "mean_pose"):
        students.main(
            ["--row", name, "--teacher", str(asset_path("weights/multiperson_teacher.safetensors")), "--half",
             "--pictures", "4", "--runs", str(tmp_path), "--results", str(tmp_path), "--device", "cuda"]
        )  # fmt: skip
    assert OnGpu.operations > before + 1000
    record = results.read(tmp_path / "full_0.json")["record"]
    assert {"distl", "poses", "recon", "adapt", "ss"} <= set(record[-1])


def test_the_estimator_sees_the_same_on_a_gpu(monkeypatch):
    (painting,) = load_paintings(256, ["gogh_harvest"])
    expected = PoseEstimator.from_pretrained(device="cpu").predict(painting)[0]
    with pretended_gpu(monkeypatch):
        estimator = PoseEstimator.from_pretrained(device="auto")
        assert next(estimator.network.parameters()).device == CUDA
        found = estimator.predict(painting)[0]
        many = estimator.predict(painting, many=True)
    assert found.keypoints.device.type == "cpu" and len(many) >= 1
    torch.testing.assert_close(found.keypoints, expected.keypoints)


def test_a_style_frozen_out_of_the_pool_stays_on_its_device(gpu):
    """Lesson 01 stylises with it at once, on whatever the lesson computes."""
    network, features = load_stylizer("pool").to(gpu), VGG19Features().to(gpu)
    style, picture = (torch.rand(1, 3, 32, 32, device=gpu) for _ in range(2))
    single = network.for_style(style, features)
    assert next(single.parameters()).device == CUDA
    torch.testing.assert_close(stylize(picture, single), stylize(picture, network, style, features), atol=1e-4, rtol=0)


def test_poses_are_adapted_where_it_is_told_and_come_back(gpu, tmp_path: Path):
    drawn = torch.Generator().manual_seed(0)
    source, beta = adaptation.load_pretrained()
    shots, pool = adaptation.source_poses(6, drawn).to(gpu), adaptation.draw_pool(source, beta, 24, drawn)
    config = adaptation.AdaptationConfig(layers=(1, 2), mixed=20, steps=2, batch=4)
    before = OnGpu.operations
    adapted = adaptation.adapt(config, source, pool, shots, setup=Setup(gpu))
    noises = paired_noises("nearest", pool, adapted.mixed)
    taught, _ = reading.refine_regressor(reading.ReadingConfig(2, 4), beta, adapted, noises, pool.poses, Setup(gpu))
    assert OnGpu.operations > before + 100
    for regressor in (beta, taught):
        assert not adaptation.sample_poses(adapted.generator, regressor, 3, drawn).is_cuda
    tau = adapted.generator.transfer.to(gpu)
    store.save_transfer(tmp_path / "tau.safetensors", tau)
    kept = store.load_transfer(tmp_path / "tau.safetensors")
    torch.testing.assert_close(kept.matrix(), tau.matrix(), atol=1e-3, rtol=0)
    before = OnGpu.operations
    lesson_07.adapt_here(source, pool, shots.cpu(), 1, 0, gpu)
    assert OnGpu.operations > before + 100
    fitted = pool.poses.to(gpu)
    assert functional.smeared(fitted, fitted, 0 * fitted, 3, drawn).is_cuda


def test_an_autoencoder_is_measured_where_it_is(gpu):
    poses = random_directions(8, torch.Generator().manual_seed(0))
    assert measure_autoencoder(PoseAutoencoder().to(gpu), poses, 16)["reconstruction_mm"] > 0


def test_the_untrained_system_is_measured_where_it_is_told(gpu, tmp_path: Path, monkeypatch):
    places = []

    def measure(model, figures, styles, setup):
        places.extend([next(model.parameters()).device, styles.pictures.device])
        return {"real": {"near": 0.0}, "stylised": {"near": 0.0}}

    monkeypatch.setattr(contributions, "measure", measure)
    contributions.make("start", 0, tmp_path, tmp_path, Setup(gpu), 10, "")
    assert places == [CUDA, CUDA]


def test_style_is_measured_where_the_vgg_is(gpu):
    styles, features = Styles(torch.rand(3, 3, 32, 32, device=gpu), torch.rand(3, 1920)), VGG19Features().to(gpu)
    images = torch.randint(256, (2, 3, 32, 32), dtype=torch.uint8)
    figures = FigureSet(images, torch.zeros(2, 18, 2), torch.zeros(2, 18, 3))
    assert measure_style(torch.rand(2, 3, 32, 32), figures, styles, features)["style"] > 0
    assert next(features.parameters()).device == CUDA


@pytest.mark.parametrize("native", [True, False])
def test_the_lesson_halves_where_the_gpu_does_so_itself(gpu, tmp_path: Path, monkeypatch, native):
    """Where bfloat16 is emulated, as on a T4, full precision is faster."""
    asked = []
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or native)
    monkeypatch.setattr(live, "train", asked.append)
    monkeypatch.setattr(live, "read_metrics", lambda file: [])
    live.train_in_folder(tmp_path, TrainingConfig(), str(gpu))
    live.train_in_folder(tmp_path, TrainingConfig(), "cpu")
    assert [command.half for command in asked] == [native, False]
    live.train_in_folder(tmp_path, TrainingConfig("paper", 2000, 22), str(gpu))
    assert [(command.config.passes, command.every) for command in asked] == [(1, 20), (1, 20), (2, 100)]


def test_a_step_is_measured_on_a_gpu(gpu, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "synchronize", lambda *_: None)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: None)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 2_000_000)
    monkeypatch.setattr(bench_gpu, "LARGE", 64)
    monkeypatch.setattr(bench_gpu, "best_time", lambda call, *_, **__: call() or 0.5)
    before = OnGpu.operations
    bench_gpu.main("tiny", (2,), (bench_gpu.Variant(half=True, last=True),))
    said = capsys.readouterr().out
    assert "bfloat16, channels last" in said and "more pictures a step" in said and OnGpu.operations > before + 100


def test_without_a_gpu_there_is_nothing_to_measure(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    bench_gpu.main()
    assert capsys.readouterr().out == "no GPU here: nothing to measure\n"
