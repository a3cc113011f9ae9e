"""A yardstick: BlazePose-heavy through the same scoring as our own estimator.

    python -m benchmarks.blazepose --teacher DIR [--results assets/results/pose]

DIR holds MediaPipe's `pose_landmark_heavy.tflite`. It needs two packages that the project does not:
`pip install ai-edge-litert opencv-python-headless`.

The model looks at an upright square crop first: the figure's box. It answers with 33 landmarks and two points more,
from which MediaPipe frames the next crop of a video: the middle of the hips, and a point as far from it as the body
reaches, in the body's upward direction. Up to two such turned crops of the same picture follow, as long as the model
believes that it sees a person; the last answer that is no less sure counts.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from napa_lib.data import list_cameras, load_art_figures, load_video_frames
from napa_lib.engine import progress
from napa_lib.evaluate import ArtScore, art_rates, score_art
from napa_lib.evaluate.art import art_record, format_rates
from napa_lib.evaluate.video import BOXES, VIDEO, format_video, score_single, video_record
from napa_lib.results import write
from napa_lib.skeletons import ART14, BLAZEPOSE33, convert

SIZE = 256  # pixels of the model's crops
POINTS = 39  # landmarks in its output: 33 of the body, two that frame the next crop, four more
MARGIN = 1.25  # a crop's side as a multiple of the circle's diameter
PRESENT, SLACK = 0.3, 0.05  # a person is there; a turned crop may be so much less sure


class Landmarks(NamedTuple):
    """The model's answer to one crop."""

    points: np.ndarray  # (39, 2) pixels of the picture
    visibility: np.ndarray  # (39,) in [0, 1]
    presence: float  # in [0, 1]: how sure it is of a person


class BlazePose:
    """BlazePose's landmark model.

    Args:
        model: path of `pose_landmark_heavy.tflite`.
    """

    def __init__(self, model: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self.interpreter = Interpreter(model_path=str(model), num_threads=2)
        self.interpreter.allocate_tensors()
        self.input = self.interpreter.get_input_details()[0]["index"]
        self.outputs = [output["index"] for output in self.interpreter.get_output_details()]

    def predict(self, picture: Tensor, box: Sequence[float]) -> tuple[Tensor, Tensor]:
        """Keypoints (14, 2) in pixels, NaN where the model has no such joint, and confidence (14,), in `ART14`'s order.

        Args:
            picture: (3, H, W) in [0, 1].
            box: the figure's square box in pixels.
        """
        pixels = (picture.permute(1, 2, 0) * 255).round().byte().numpy()
        middle = np.array([box[0] + box[2], box[1] + box[3]]) / 2
        best = answer = self.look(pixels, middle, box[2] - box[0], 0.0)
        for _ in range(2):
            if answer.presence < PRESENT:
                break
            hips, top = answer.points[33:35]
            x, y = top - hips
            answer = self.look(pixels, hips, 2 * MARGIN * math.hypot(x, y), math.atan2(x, -y))
            if answer.presence > best.presence - SLACK:
                best = answer
        body = torch.from_numpy(np.column_stack([best.points, best.visibility])[: BLAZEPOSE33.num_joints])
        keypoints = convert(body[:, :2], BLAZEPOSE33, ART14).float()
        visibility = convert(body[:, 2:].expand(-1, 2), BLAZEPOSE33, ART14)[:, 0].nan_to_num().float()
        return keypoints, visibility

    def look(self, pixels: np.ndarray, middle: np.ndarray, side: float, angle: float) -> Landmarks:
        """The answer to a square crop of `side` pixels about `middle`, turned clockwise by `angle`."""
        import cv2

        to_picture = crop_map(middle, side, angle)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        crop = cv2.warpAffine(pixels, to_picture, (SIZE, SIZE), flags=flags, borderValue=(255, 255, 255))
        self.interpreter.set_tensor(self.input, crop[None].astype(np.float32) / 255)
        self.interpreter.invoke()
        by_size = {value.size: value for value in map(self.interpreter.get_tensor, self.outputs)}
        found = by_size[5 * POINTS].reshape(POINTS, 5)  # x, y, z, visibility, presence
        points = found[:, :2] @ to_picture[:, :2].T + to_picture[:, 2]
        return Landmarks(points, 1 / (1 + np.exp(-found[:, 3])), float(by_size[1].item()))


def crop_map(middle: np.ndarray, side: float, angle: float) -> np.ndarray:
    """(2, 3) from a crop's pixels to the picture's: MediaPipe puts the crop's pixel (128, 128) at `middle`."""
    turn = side / SIZE * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return np.column_stack([turn, middle - turn @ np.full(2, SIZE / 2)])


def measure_art(model: BlazePose) -> ArtScore:
    """Score it on the figures in art, with their boxes."""
    figures = load_art_figures()
    found = {f.name: model.predict(f.load(), f.box)[0] for f in progress(figures, "figures in art")}
    return score_art(found, figures)


def measure_video(model: BlazePose) -> tuple[Tensor, Tensor]:
    """Keypoints (4, 20, 14, 2) and confidence (4, 20, 14) with one fixed box a camera."""
    answers = [
        [model.predict(frame, BOXES[camera]) for frame in load_video_frames(VIDEO, camera)]
        for camera in progress(list_cameras(VIDEO), "cameras")
    ]
    points, sure = (torch.stack([torch.stack([a[i] for a in row]) for row in answers]) for i in (0, 1))
    return points, sure


def main(arguments: list[str] | None = None) -> None:
    """Print both tables, and store them where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.blazepose", description="BlazePose-heavy, scored.")
    parser.add_argument("--teacher", type=Path, required=True, metavar="DIR", help="holds pose_landmark_heavy.tflite")
    parser.add_argument("--results", type=Path, metavar="DIR", help="write blazepose_art.json and blazepose_video.json")
    options = parser.parse_args(arguments)
    model = BlazePose(options.teacher / "pose_landmark_heavy.tflite")
    start = time.monotonic()
    score = measure_art(model)
    rates = art_rates(score, torch.Generator().manual_seed(0))
    print(format_rates(rates))
    middle = time.monotonic()
    video = score_single(*measure_video(model))
    print(format_video(video))
    if options.results:
        command = f"python -m benchmarks.blazepose --teacher DIR --results {options.results}"
        about = {"model": "BlazePose-heavy (pose_landmark_heavy.tflite of MediaPipe)", "packages": packages()}
        end = time.monotonic()
        write(options.results / "blazepose_art.json", about | art_record(score, rates), command, middle - start)
        write(options.results / "blazepose_video.json", about | video_record(video), command, end - middle)


def packages() -> dict[str, str]:
    """Versions of the packages that only this needs."""
    from importlib.metadata import version

    return {name: version(name) for name in ("ai-edge-litert", "opencv-python-headless", "numpy")}


if __name__ == "__main__":
    main()
