"""The pose network for other programs: as ONNX, checked against the network itself before it is kept."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from napa_lib.console import say
from napa_lib.pose.estimator import PoseEstimator

OUTPUTS = ("keypoints", "confidence", "heatmaps")
TOLERANCE = 1e-3  # pixels of the crop
TRIALS = 10  # random crops on which the two must agree


def write_onnx(network: nn.Module, size: int, path: Path) -> float:
    """Write a pose network as ONNX: crops (B, 3, S, S) in [0, 1], sRGB, to `OUTPUTS` as in `PosePrediction`.

    Args:
        network: such as `PoseNet2D`, in `eval()` mode, on the CPU.
        size: S, side of the crops in pixels.
        path: the file.

    Returns:
        the largest distance in pixels between the keypoints of the network and those of ONNX Runtime, on `TRIALS`
        random crops.

    Raises:
        ValueError: if that is more than `TOLERANCE`; then nothing is written.
        OSError: if the file cannot be written.
    """
    crops = torch.rand(TRIALS, 3, size, size, generator=torch.Generator().manual_seed(0))
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".saving") as folder, torch.no_grad():
        trial = Path(folder) / "network.onnx"
        batch = torch.export.Dim("batch", min=1, max=4096)
        with _quiet():
            torch.onnx.export(
                network, (crops[:2],), trial, input_names=["crops"], output_names=list(OUTPUTS), dynamo=True,
                external_data=False, dynamic_shapes=({0: batch},), verbose=False,
            )  # fmt: skip
        apart = max(distance(network, trial, crop[None]) for crop in crops)
        if not apart <= TOLERANCE:
            raise ValueError(f"ONNX Runtime's keypoints are {apart:.2g} px from the network's; nothing is written")
        os.replace(trial, path)
    return apart


def distance(network: nn.Module, path: Path, crops: Tensor) -> float:
    """The largest distance in pixels between a network's keypoints and those of its ONNX file."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    keypoints = session.run(["keypoints"], {"crops": crops.numpy()})[0]
    return float(np.linalg.norm(keypoints - network(crops).keypoints.numpy(), axis=-1).max())


def export_onnx(path: Path, weights: Path | None) -> int:
    """`napa export --onnx`: write the network that ships, or another; the process's exit status."""
    import onnxruntime  # noqa: F401  # what is missing is found before the work
    import onnxscript  # noqa: F401

    try:
        if not path.parent.is_dir() or path.is_dir():
            raise OSError(f"{path} cannot be written: name a file in a folder that there is")
        estimator = PoseEstimator.from_pretrained(weights, "cpu")
        size = estimator.size
        apart = write_onnx(estimator.network, size, path)
    except (OSError, ValueError) as error:
        say(f"napa export: {error}", error=True)
        return 1
    say(f"{path}: {path.stat().st_size / 1e6:.0f} MB, crops (B, 3, {size}, {size}) in [0, 1] to {', '.join(OUTPUTS)};")
    say(f"keypoints within {apart:.1g} px of the network's on {TRIALS} random crops")
    return 0


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's own chatter away."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
