"""What `napa evaluate` does: measure, print, and write down what was asked for."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from napa_lib import __version__
from napa_lib.data import load_art_figures
from napa_lib.engine import choose_device
from napa_lib.evaluate.art import ArtScore, art_rates, art_record, format_rates, predict_art, score_art
from napa_lib.evaluate.journal import Journal
from napa_lib.evaluate.page import page_file, write_page
from napa_lib.evaluate.people import format_coco, format_mpii, measure_coco, measure_mpii
from napa_lib.evaluate.record import check_writable, write_record
from napa_lib.evaluate.video import format_video, predict_video, score_single, video_record
from napa_lib.files import sha256
from napa_lib.pose import PoseEstimator
from napa_lib.skeletons import MPII16


@dataclass(frozen=True)
class Measurement:
    """What is measured how, and where the results go."""

    weights: Path | None = None  # a trained network; None for the one that ships
    depth: Path | None = None  # a trained depth network, likewise
    device: str = "auto"
    boxes: bool = True  # give the estimator the figures' boxes, or let it look for the figure
    crops: int = 1  # from 1 to 5, to average over
    json: Path | None = None
    page: Path | None = None
    command: tuple[str, ...] = ("napa", "evaluate")


@dataclass(frozen=True, eq=False)
class Result:
    """What a measurement says."""

    text: str
    record: dict
    score: ArtScore | None = None  # for the page


def measure_art(measurement: Measurement, annotations: Path | None = None) -> int:
    """`napa evaluate --art`, or on the figures of a file of annotations; the process's exit status."""

    def measure(estimator: PoseEstimator) -> Result:
        figures = load_art_figures(annotations)
        score = score_art(predict_art(estimator, figures, measurement.boxes, measurement.crops), figures)
        rates = art_rates(score, torch.Generator().manual_seed(0))
        how = "with their boxes" if measurement.boxes else "found without boxes"
        where = "in art" if annotations is None else f"of {annotations}"
        text = f"{len(figures)} figures {where}, {how}\n{format_rates(rates)}"
        return Result(text, art_record(score, rates), score)

    return _run(measurement, measure)


def measure_people_of_coco(measurement: Measurement, file: Path, pictures: Path) -> int:
    """`napa evaluate --coco FILE --pictures FOLDER`; the process's exit status."""

    def measure(estimator: PoseEstimator) -> Result:
        journal = _journal(measurement, [file], pictures)
        scores = measure_coco(estimator, file, pictures, measurement.boxes, journal)
        record = {label: {n: None if v != v else round(v, 4) for n, v in row.items()} for label, row in scores.items()}
        return Result(format_coco(scores), {"boxes": measurement.boxes, "oks": record})

    return _run(measurement, measure)


def measure_people_of_mpii(measurement: Measurement, root: Path, split: str) -> int:
    """`napa evaluate --mpii FOLDER`; the process's exit status."""

    def measure(estimator: PoseEstimator) -> Result:
        files = sorted((root / "annot").glob(f"*{split}*"))
        result = measure_mpii(estimator, root, split, measurement.boxes, _journal(measurement, files, root))
        rates = {name: None if r != r else round(r, 4) for name, r in zip(MPII16.joints, result.per_joint.tolist(),
                                                                         strict=True)}  # fmt: skip
        record = {"boxes": measurement.boxes, "PCKh@0.5": round(result.total.item(), 4), "joints": result.counted}
        return Result(format_mpii(result), {**record, "per_joint": rates})

    return _run(measurement, measure)


def measure_video(measurement: Measurement) -> int:
    """`napa evaluate --video`; the process's exit status."""

    def measure(estimator: PoseEstimator) -> Result:
        score = score_single(*predict_video(estimator, measurement.boxes))
        return Result(format_video(score), video_record(score))

    return _run(measurement, measure)


def journal_file(measurement: Measurement) -> Path | None:
    """Where a measurement of many pictures keeps what it has seen, so that the same command goes on after a stop:
    beside the result, `result.json.part`; None where that is no file."""
    path = measurement.json
    if path is None or (path.exists() and not path.is_file()):
        return None
    return path.with_name(f"{path.name}.part")


def _journal(measurement: Measurement, annotations: Sequence[Path], pictures: Path) -> Journal | None:
    path = journal_file(measurement)
    if path is None:
        return None
    files = [*annotations, *([measurement.weights] if measurement.weights else [])]
    read = {file.name: sha256(file) for file in files if file.is_file()}
    decides = {"napa_lib": __version__, "boxes": measurement.boxes, "pictures": str(pictures.resolve()), "read": read}
    return Journal(path, decides)


def _run(measurement: Measurement, measure: Callable[[PoseEstimator], Result]) -> int:
    """See that the results can be written, measure, write; print last, so that a closed pipe costs no result."""
    start = time.monotonic()
    try:
        check_writable(measurement.json, measurement.page and page_file(measurement.page))
        networks = measurement.weights, measurement.device, measurement.depth
        result = measure(PoseEstimator.from_pretrained(*networks))
    except (ValueError, OSError) as error:
        print(f"napa evaluate: {error}", file=sys.stderr)
        return 1
    said, status = [result.text], 0
    try:
        if measurement.json:
            device = choose_device(measurement.device)
            write_record(measurement.json, measurement.command, result.record, start, device)
            if journal := journal_file(measurement):
                journal.unlink(missing_ok=True)
        if measurement.page and result.score:
            said.append(f"overlays: {write_page(measurement.page, result.score)}")
    except (ValueError, OSError) as error:  # a disk that has filled up meanwhile costs the files, not the result
        print(f"napa evaluate: {error}", file=sys.stderr)
        status = 1
    print(*said, sep="\n")
    return status
