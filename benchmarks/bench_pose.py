"""The pose estimator's time and memory: one figure, the command's first result, a folder, a huge picture, a GPU.

    python -m benchmarks pose
    python -m benchmarks.bench_pose --weights FILE    another network than the one that ships

One figure is timed in turns with the bare network on a crop that is cut already, in all its views, so that load on a
shared machine strikes both. The command's times include the start of Python and the import of torch.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.limits import arithmetic_rate, best_time, print_table
from napa_lib.data import asset_path, load_art_figures
from napa_lib.data.paintings import list_paintings
from napa_lib.pose import PoseEstimator, open_picture

THREADS, ROUNDS, FOLDER = 2, 15, 64
HUGE = (12_000, 9_000)
LIMIT_MS, LIMIT_RATIO, LIMIT_FIRST, LIMIT_BYTES = 150, 1.3, 5.0, 1.5e9

# Runs in a process of its own. `ru_maxrss` of a child begins with its parent's pages on Linux, VmHWM with its own.
CHILD = """
import json, resource, sys, time
start = time.perf_counter()
from napa_lib.cli import main
status = main(json.loads(sys.argv[1]))
try:
    line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    peak = 1024 * int(line.split()[1])
except OSError:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print("\\n" + json.dumps({"status": status, "peak": peak}))
"""


def one_figure(estimator: PoseEstimator) -> list[dict[str, object]]:
    """`predict` on a decoded picture with a box, and the network's forward pass on a crop."""
    figure = load_art_figures()[0]
    picture = open_picture(asset_path(figure.asset))
    network, size = estimator.network, estimator.size
    device = next(network.parameters()).device
    crop = torch.rand(1, 3, size, size, device=device).contiguous(memory_format=torch.channels_last)

    @torch.no_grad()
    def alone() -> None:
        network(crop, mirror=True)

    def predict() -> None:
        estimator.predict(picture, [figure.box])

    best = interleaved({"predict": predict, "network": alone})
    with FlopCounterMode(display=False) as counter:
        alone()
    best["limit"] = counter.get_total_flops() / arithmetic_rate()
    labels = {"predict": "predict, picture decoded, box given", "network": "  of which the network, all views",
              "limit": "its arithmetic, as a matrix product"}  # fmt: skip
    return [
        {"what": labels[name], "ms": 1e3 * seconds, "x network": seconds / best["network"]}
        for name, seconds in best.items()
    ]


def interleaved(calls: dict[str, Callable[[], None]]) -> dict[str, float]:
    """Seconds of the best of `ROUNDS` runs of each, taken in turns, after one to warm up."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS + 1):
        for name, call in calls.items():
            times[name].append(best_time(call, repeats=1, warmup=0))
    return {name: min(values[1:]) for name, values in times.items()}


def folder(estimator: PoseEstimator) -> list[dict[str, object]]:
    """Sixty-four files through `predict` one at a time, then through `predict_many`; no boxes."""
    names = [asset_path(painting.asset) for painting in list_paintings()]
    paths = [names[i % len(names)] for i in range(FOLDER)]
    start = time.perf_counter()
    for path in paths:
        estimator.predict(path)
    single = (time.perf_counter() - start) / FOLDER
    start = time.perf_counter()
    many = sum(1 for _ in estimator.predict_many(paths))
    together = (time.perf_counter() - start) / many
    return [
        {"what": "predict, one at a time", "ms a picture": 1e3 * single, "x": 1.0},
        {"what": "predict_many", "ms a picture": 1e3 * together, "x": together / single},
    ]


def command(picture: Path, weights: list[str]) -> dict[str, float]:
    """Run `napa pose` on one picture: seconds to its first `pose.json`, to its end, and its peak memory in bytes."""
    with tempfile.TemporaryDirectory() as scratch:
        arguments = ["pose", str(picture), "--out", scratch, "--device", "cpu", *weights]
        start = time.perf_counter()
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, json.dumps(arguments)], stdout=subprocess.PIPE, text=True
        )  # fmt: skip
        first = None
        while child.poll() is None:
            if first is None and any(Path(scratch).glob("*/pose.json")):
                first = time.perf_counter() - start
            time.sleep(0.005)
        end = time.perf_counter() - start
        assert child.stdout is not None
        result = json.loads(child.stdout.read().strip().splitlines()[-1])
        if result["status"] != 0:
            raise RuntimeError(f"napa pose failed on {picture}")
        return {"first": end if first is None else first, "end": end, "peak": result["peak"]}


def huge_picture(file: Path) -> None:
    """Write a painting enlarged to 12,000 x 9,000 pixels."""
    with Image.open(asset_path("paintings/renoir_filles_piano.jpg")) as painting:
        painting.convert("RGB").resize(HUGE, Image.Resampling.BILINEAR).save(file, compress_level=1)


def commands(weights: list[str]) -> list[dict[str, object]]:
    """The command on an ordinary picture, and on a huge one as JPEG and as PNG."""
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as scratch:
        files = {"a painting": asset_path("paintings/renoir_filles_piano.jpg")}
        for kind in ("jpg", "png"):
            files[f"{HUGE[0]} x {HUGE[1]}, {kind}"] = Path(scratch) / f"huge.{kind}"
            huge_picture(files[f"{HUGE[0]} x {HUGE[1]}, {kind}"])
        for name, file in files.items():
            took = command(file, weights)
            rows.append({"picture": name, "first result, s": took["first"], "end, s": took["end"],
                         "peak memory, MB": took["peak"] / 1e6})  # fmt: skip
    return rows


def gpu(estimator: PoseEstimator, batch: int = 64) -> list[dict[str, object]]:
    """Crops a second on a GPU, in float32 and bfloat16, and their share of what a matrix product of that type does."""
    network = estimator.network.cuda()
    crops = torch.rand(batch, 3, estimator.size, estimator.size).cuda().contiguous(memory_format=torch.channels_last)
    rows: list[dict[str, object]] = []
    for dtype in (torch.float32, torch.bfloat16):

        @torch.no_grad()
        def forward(dtype: torch.dtype = dtype) -> None:
            with torch.autocast("cuda", dtype, enabled=dtype != torch.float32):
                network(crops)
            torch.cuda.synchronize()

        with FlopCounterMode(display=False) as counter:
            forward()
        a = torch.rand(8192, 8192, device="cuda", dtype=dtype)

        def product(a: torch.Tensor = a) -> None:
            torch.mm(a, a)
            torch.cuda.synchronize()

        rate = 2 * 8192**3 / best_time(product, repeats=20, warmup=3)
        seconds = best_time(forward, repeats=30, warmup=3)
        rows.append({"type": str(dtype).removeprefix("torch."), "crops a second": batch / seconds,
                     "Tflop/s": counter.get_total_flops() / seconds / 1e12,
                     "share of a matrix product's": counter.get_total_flops() / seconds / rate})  # fmt: skip
    return rows


def main(arguments: list[str] | None = None) -> None:
    """Measure and print everything."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_pose", description=__doc__)
    parser.add_argument("--weights", type=Path, help="a pose network instead of the one that ships")
    options = parser.parse_args([] if arguments is None else arguments)
    weights = [f"--weights={options.weights}"] if options.weights else []
    torch.set_num_threads(THREADS)
    estimator = PoseEstimator.from_pretrained(options.weights, "cpu")
    print_table(f"One figure, crops of {estimator.size}², float32, {THREADS} threads", one_figure(estimator))
    print(f"  largest allowed: {LIMIT_MS} ms and {LIMIT_RATIO} times the network")
    print_table(f"{FOLDER} picture files without boxes, {THREADS} threads", folder(estimator))
    print("  predict_many must be the faster")
    print_table("napa pose, one picture, from the start of the process", commands(weights))
    print(f"  largest allowed: {LIMIT_FIRST} s to the first result of a painting, {LIMIT_BYTES / 1e6:.0f} MB")
    if torch.cuda.is_available():
        print_table(f"{torch.cuda.get_device_name()}, batches of 64 crops", gpu(estimator))


if __name__ == "__main__":
    main(sys.argv[1:])
