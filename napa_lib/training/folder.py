"""A run's folder: its configuration, where it ran, every entry of its record as a line of JSON, and its pictures."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from napa_lib import __version__
from napa_lib.engine import CheckpointError
from napa_lib.files import write_text
from napa_lib.results import hardware, to_json
from napa_lib.training.measure import flat
from napa_lib.training.stages import TrainingConfig


class RunFolder:
    """The files of one run: `config.json`, `environment.json`, `metrics.jsonl`, `pictures/`, a checkpoint a stage.

    Args:
        path: the folder, made where it is missing.
        tensorboard: write scalars and pictures for TensorBoard, too.

    Raises:
        ModuleNotFoundError: if `tensorboard` is asked for and not installed.
    """

    def __init__(self, path: str | Path, tensorboard: bool = False) -> None:
        self.path = Path(path)
        self.metrics = self.path / "metrics.jsonl"
        self.board: Any = _board(self.path / "tensorboard") if tensorboard else None

    def checkpoint(self, stage: int) -> Path:
        """Where a stage's state is kept."""
        return self.path / f"stage_{stage}.safetensors"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the folder, made where it is missing, for this process: two would write into each other's record.

        Windows, and file systems without locks, leave that to whoever starts them.

        Raises:
            CheckpointError: if another process has it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        if os.name == "nt":
            yield
            return
        import fcntl

        folder = os.open(self.path, os.O_RDONLY)
        try:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CheckpointError(f"{self.path} is in use: another napa train works there") from None
            except OSError:  # a file system without locks
                pass
            yield
        finally:
            os.close(folder)

    def check(self, stage: int, data: list[str]) -> dict[str, dict[str, Any]]:
        """What `config.json` says of each stage.

        Raises:
            CheckpointError: if the folder holds the stage with other data, or a `config.json` of something else.
        """
        known = _stages(self.path / "config.json")
        before = known.get(str(stage), {}).get("data", data)
        if before != data and self.checkpoint(stage).exists():
            raise CheckpointError(
                f"{self.path} trained stage {stage} on {before}, not on {data}; choose another folder"
            )
        return known

    def describe(self, stage: int, config: TrainingConfig, data: list[str], device: torch.device) -> None:
        """Write what a stage is trained with, and where.

        Raises:
            CheckpointError: as `check`; nothing is written then.
        """
        known = self.check(stage, data)
        known[str(stage)] = {**asdict(config), "data": data}
        write_text(self.path / "config.json", to_json(known) + "\n")
        versions = {"napa_lib": __version__, "torch": torch.__version__, "python": platform.python_version()}
        found = {"hardware": hardware(device), "threads": torch.get_num_threads(), "processes":
                 int(os.environ.get("WORLD_SIZE", "1")), "platform": platform.platform(), **versions}  # fmt: skip
        write_text(self.path / "environment.json", to_json(found) + "\n")

    def begin(self, stage: int, step: int) -> Callable[[dict], None]:
        """Forget what was written of a stage behind a step (a killed run wrote it, and will again).

        Returns:
            what adds an entry of the loop's record.
        """
        entries = [entry for entry in read_metrics(self.metrics) if entry["stage"] != stage or entry["step"] <= step]
        write_text(self.metrics, "".join(json.dumps(entry) + "\n" for entry in entries))

        def tell(entry: dict) -> None:
            values = flat(entry)
            with self.metrics.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"stage": stage, **values}) + "\n")
            if self.board is not None:
                for name, value in values.items():
                    self.board.add_scalar(f"stage {stage}/{name}", value, entry["step"])
                self.board.flush()

        return tell

    def picture(self, stage: int, step: int, strip: Tensor) -> None:
        """Keep a picture (3, H, W) in [0, 1]."""
        file = self.path / "pictures" / f"stage_{stage}_{step:06d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((strip.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()).save(file)
        if self.board is not None:
            self.board.add_image(f"stage {stage}", strip.clamp(0, 1).cpu(), step)


def _stages(file: Path) -> dict[str, dict[str, Any]]:
    """The configuration of each stage that is on record; none where there is no file."""
    try:
        known = json.loads(file.read_text("utf-8")) if file.exists() else {}
    except ValueError:
        known = None
    if not isinstance(known, dict) or not all(isinstance(stage, dict) for stage in known.values()):
        raise CheckpointError(f"{file} is not of napa train; choose another folder")
    return known


def read_metrics(path: str | Path) -> list[dict[str, Any]]:
    """The entries of a `metrics.jsonl`; a last line that a killed run left half-written is left out.

    Raises:
        CheckpointError: if another line is no entry.
    """
    entries: list[dict[str, Any]] = []
    if not Path(path).exists():
        return entries
    text = Path(path).read_text("utf-8")
    for number, line in enumerate(text[: text.rfind("\n") + 1].splitlines(), 1):
        try:
            entry = json.loads(line)
            entries.append({"stage": entry["stage"], "step": entry["step"], **entry})
        except (ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{path}, line {number}, is no entry of a run: {error!r}") from None
    return entries


def _board(path: Path) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(path))
