"""A run's folder: its configuration, where it ran, every entry of its record as a line of JSON, and its pictures."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from napa_lib import __version__
from napa_lib.checkpoints import settings_in
from napa_lib.engine import CheckpointError, load_metadata
from napa_lib.files import sha256, write_text
from napa_lib.results import hardware, to_json
from napa_lib.style.content import list_styles
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
        self._writer = _summary_writer() if tensorboard else None

    @cached_property
    def board(self) -> Any:
        """What writes for TensorBoard, made when it is first needed; None where it is not asked for."""
        return None if self._writer is None else self._writer(str(self.path / "tensorboard"))

    def checkpoint(self, stage: int) -> Path:
        """Where a stage's state is kept."""
        return self.path / f"stage_{stage}.safetensors"

    def step(self, stage: int) -> int:
        """Steps that a stage has done, by its checkpoint; 0 without one.

        Raises:
            CheckpointError: if the file is no checkpoint.
        """
        file = self.checkpoint(stage)
        if not file.exists():
            return 0
        header = load_metadata(file)
        settings_in(file, header)  # a checkpoint has some
        return int(header.get("step", "0"))

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

    def check(self, stage: int, matters: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """What `config.json` says of each stage.

        Args:
            stage: the one to train, or to go on with.
            matters: what it is trained with beside its configuration, by the options' names: a checkpoint that was made
                with other data, figures or networks is another training's.

        Raises:
            CheckpointError: if the folder holds the stage with others, or a `config.json` of something else.
        """
        known = _stages(self.path / "config.json")
        if self.checkpoint(stage).exists():
            self._compare(known, stage, matters, "choose another folder")
        return known

    def check_order(self, stages: Sequence[int], steps: int) -> None:
        """Whether each stage that is there has started from where the one before it ends.

        Args:
            stages: those to train, one after the other.
            steps: of each of them.

        Raises:
            CheckpointError: if a stage has gone on from an earlier state of its start.
        """
        known = _stages(self.path / "config.json")
        for number in (*stages, stages[-1] + 1):
            if number == 1 or not self.checkpoint(number).exists():
                continue
            before = number - 1
            now = self.step(before)
            end = steps if before in stages else now
            start = known.get(str(number), {}).get("start", now or end)
            if start != end:
                raise CheckpointError(
                    f"{self.checkpoint(number)} started from stage {before} at step {start}, and would keep that "
                    f"stage's networks with stage {before} at step {end}: go on with the last stage alone, or choose "
                    "another folder"
                )

    def check_start(self, first: int, before: int, matters: Mapping[str, Any]) -> None:
        """Whether a stage can start from one of this folder: it is there, finished, and of the same networks.

        Args:
            first: the stage that starts.
            before: the one that it starts from.
            matters: as in `check`, of the stage that starts.

        Raises:
            CheckpointError: if it is missing, was stopped on its way, or began with other networks than are named now.
        """
        known = _stages(self.path / "config.json")
        start = f"stage {first} starts from {self.checkpoint(before)}, which"
        if not self.checkpoint(before).exists():
            raise CheckpointError(f"{start} is not there: run stage {before} first")
        steps, done = known.get(str(before), {}).get("steps", 0), self.step(before)
        if done < steps:
            raise CheckpointError(
                f"{start} was stopped at step {done} of {steps}: finish stage {before} first, or end it there with "
                f"--stage {before} --steps {done}"
            )
        networks = {name: matters[name] for name in ("pose", "depth") if name in matters}
        self._compare(known, before, networks, f"stage {first} goes on with that: name the same file")

    def _compare(self, known: dict[str, dict[str, Any]], stage: int, wanted: Mapping[str, Any], advice: str) -> None:
        before = known.get(str(stage), {})
        for name, value in wanted.items():
            if _essence(before.get(name, value)) != _essence(value):
                was, now = _said(name, before[name]), _said(name, value)
                raise CheckpointError(f"{self.path} trained stage {stage} with {was}, not with {now}; {advice}")

    def describe(
        self, stage: int, config: TrainingConfig, matters: Mapping[str, Any], device: torch.device, **more: Any
    ) -> None:
        """Write what a stage is trained with, the step of the stage before it that it starts from, and where.

        Args:
            stage: its number.
            config: how.
            matters: as in `check`.
            device: where it is computed.
            more: what else to keep, such as the data that it is measured on.

        Raises:
            CheckpointError: as `check`; nothing is written then.
        """
        known = self.check(stage, matters)
        start = {"start": self.step(stage - 1)} if stage > 1 else {}
        known[str(stage)] = {**asdict(config), **matters, **start, **more}
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


def file_mark(path: Path | None) -> dict[str, str] | None:
    """A file by its name and SHA-256, as `config.json` has it; None for None: what ships.

    Raises:
        OSError: if it cannot be read.
    """
    return None if path is None else {"file": path.name, "sha256": sha256(path)}


def styles_mark(names: Sequence[str]) -> dict[str, str]:
    """Style pictures by what names them, and by what is in them and their order.

    Raises:
        ValueError: for a folder without pictures.
        OSError: if one cannot be read.
    """
    marks = [sha256(Path(name)) if Path(name).is_file() else name for name in list_styles(names)]
    return {"file": " ".join(names), "sha256": hashlib.sha256("\n".join(marks).encode()).hexdigest()}


def _essence(value: Any) -> Any:
    """What must agree: of a file what is in it, whatever it is called; of data its name, wherever it lies."""
    if isinstance(value, list):
        return [re.sub(r"^(\w\w[\w-]*:)?.*[/\\]", r"\1", name.rstrip("/\\")) for name in value]
    return value.get("sha256") if isinstance(value, dict) else value


def _said(name: str, value: Any) -> str:
    """An option and its value, for a message."""
    option = name.replace("_", "-")
    if value is None:
        return f"no --{option}"
    if name == "figures":
        return f"{value} figures"
    if isinstance(value, dict):
        return f"--{option} {value['file']} (SHA-256 {value['sha256'][:12]}…)"
    return f"--{option} {' '.join(value) if isinstance(value, list) else value}"


def _summary_writer() -> Any:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter
