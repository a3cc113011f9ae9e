"""What the command `napa pose` does: pictures in, a folder a figure out."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from torch import Tensor

from napa_lib.console import say
from napa_lib.data import PictureError
from napa_lib.engine import progress
from napa_lib.pose.estimator import PoseEstimator, PoseResult, check_boxes, check_joint_set
from napa_lib.pose.fetch import Source, find, gather
from napa_lib.pose.files import ResultFolders, prepare, shown, why_unread
from napa_lib.pose.formats import TOGETHER, is_combined, names_together
from napa_lib.pose.pictures import Picture, open_picture, opened
from napa_lib.pose.write import Written, write_all, write_picture
from napa_lib.skeletons import NAPA18, SKELETONS, Skeleton, get_skeleton

UNLIKELY = 0.2  # mean confidence below which no person is likely; chosen with the calibration, see the weights' card

Opened = tuple[Source, Picture | ValueError]


class WrongCommandError(ValueError):
    """The command cannot be run as it was given; nothing has been done."""


@dataclass(frozen=True)
class PoseCommand:
    """What `napa pose` was asked for."""

    pictures: Sequence[str]  # files, folders, globs, addresses, "-"
    out: Path = Path("poses")
    boxes: list[list[float]] | None = None  # x0, y0, x1, y1 in pixels, one a figure of the only picture
    many: bool = False  # where no boxes are given: every figure of a picture, and not one
    joint_set: str = NAPA18.name
    formats: Sequence[str] = ()  # of `napa_lib.pose.formats.NAMES`
    device: str = "auto"
    batch: int = 8
    weights: Path | None = None
    depth: Path | None = None
    quiet: bool = False  # nothing on standard output, no progress bar
    json_lines: bool = False  # a record a line on standard output


def pose_pictures(command: PoseCommand) -> int:
    """Run `napa pose`; the process's exit status: 1 if a picture could not be found, read or written.

    Raises:
        WrongCommandError: before anything is done, if that cannot be.
    """
    skeleton = joint_set_named(command.joint_set)
    found, problems = find(command.pictures)
    boxes, estimator = made_ready(command, len(found))
    with tempfile.TemporaryDirectory(prefix="napa-pose") as fetched:
        sources, failed = gather(found, Path(fetched))
        problems += failed
        for problem in problems:
            complain(problem)
        failures = len(problems)
        if estimator is not None and sources:
            failures += work_through(estimator, sources, boxes, skeleton, command)
    if several(command, len(sources)):
        failures += not write_together(command)
    return 1 if failures else 0


def made_ready(command: PoseCommand, pictures: int) -> tuple[Tensor | None, PoseEstimator | None]:
    """The boxes, and the estimator if there are pictures, before anything is fetched or standard input is read.

    Raises:
        WrongCommandError: if one of them cannot be had, or results cannot be written.
    """
    try:
        boxes = check_boxes(command.boxes) if command.boxes else None
        if boxes is not None and pictures > 1:
            raise ValueError(f"--box needs exactly one picture, got {pictures}")
        prepare(command.out)
        if several(command, pictures):
            refuse_foreign(command)
        networks = command.weights, command.device, command.depth
        return boxes, PoseEstimator.from_pretrained(*networks) if pictures else None
    except OSError as error:
        reason = f"results cannot be written there: {error.strerror or error}"
        raise WrongCommandError(f"--out {shown(command.out)}: {reason}") from None
    except ValueError as error:
        raise WrongCommandError(str(error)) from None


def several(command: PoseCommand, pictures: int) -> bool:
    """Whether one file of all poses is wanted: for several pictures, and for a folder whatever it holds."""
    return pictures > 1 or pictures == 1 and any(Path(name).is_dir() for name in command.pictures if name)


def refuse_foreign(command: PoseCommand) -> None:
    """ValueError where the folder for results holds somebody else's file of a name that will be written."""
    for name in names_together(command.formats):
        file = command.out / name
        if file.exists() and not is_combined(file):
            raise ValueError(
                f"--out {shown(command.out)}: {name} there is not of napa pose's making and would be written over; "
                "move it or choose another folder"
            )


def joint_set_named(name: str) -> Skeleton:
    """The joint set; WrongCommandError names those that there are."""
    try:
        return check_joint_set(get_skeleton(name))
    except ValueError:
        raise WrongCommandError(f"--joint-set must be one of {', '.join(usable_joint_sets())}, got {name!r}") from None


def usable_joint_sets() -> list[str]:
    """Names of the joint sets that have a joint of a body."""

    def usable(skeleton: Skeleton) -> bool:
        try:
            check_joint_set(skeleton)
        except ValueError:
            return False
        return True

    return [skeleton.name for skeleton in SKELETONS if usable(skeleton)]


def work_through(
    estimator: PoseEstimator, sources: Sequence[Source], boxes: Tensor | None, skeleton: Skeleton, command: PoseCommand
) -> int:
    """Estimate and write batch after batch, one being written while the next is estimated; how many pictures failed."""
    folders, failures = ResultFolders(command.out, names_together(TOGETHER)), 0
    written: list[tuple[Source, Future]] = []
    writer = ThreadPoolExecutor(1, thread_name_prefix="write")
    try:
        for batch in groups(sources, boxes, command):
            results = estimate(estimator, [picture for _, picture in batch], boxes, command.many)
            failures += sum(not report(*pair, command) for pair in written)
            written = []
            for (source, picture), figures in zip(batch, results, strict=True):
                if isinstance(picture, ValueError) or isinstance(figures, Exception):
                    complain(describe_failure(source, picture, figures))
                    failures += 1
                else:
                    job = partial(write_picture, source, picture, figures, folders, skeleton, command.formats)
                    written.append((source, writer.submit(job, found=boxes is None)))
        return failures + sum(not report(*pair, command) for pair in written)
    finally:
        writer.shutdown(wait=True, cancel_futures=True)  # after Ctrl-C: what is being written is finished, no more


def groups(sources: Sequence[Source], boxes: Tensor | None, command: PoseCommand) -> Iterator[list[Opened]]:
    """The pictures, read in the background, `batch` at a time; one that cannot be read comes as its error."""
    if len(sources) == 1:
        try:
            yield [(sources[0], open_picture(sources[0].path, None if boxes is None else boxes.tolist()))]
        except PictureError as error:
            yield [(sources[0], error)]
        return
    listed = sources if command.quiet else progress(sources, "pictures", len(sources))
    both = zip(listed, opened([source.path for source in sources], ahead=command.batch), strict=True)
    while group := list(islice(both, command.batch)):
        yield group


def estimate(
    estimator: PoseEstimator, pictures: Sequence[Picture | ValueError], boxes: Tensor | None, many: bool
) -> list[list[PoseResult] | Exception]:
    """The figures of each picture of a batch. A picture that cannot be estimated gives its error and leaves the others
    alone, one that could not be read gives that."""
    good = [picture for picture in pictures if isinstance(picture, Picture)]
    run: Callable[[list[Picture]], list] = lambda some: estimator.estimate(some, [boxes] * len(some), NAPA18, many=many)  # noqa: E731
    found: list[list[PoseResult] | Exception] = []
    try:
        found = run(good) if good else []
    except (ValueError, RuntimeError):
        for picture in good:
            try:
                found += run([picture])
            except (ValueError, RuntimeError) as error:
                found.append(error)
    rest = iter(found)
    return [next(rest) if isinstance(picture, Picture) else picture for picture in pictures]


def describe_failure(source: Source, picture: Picture | ValueError, figures: list[PoseResult] | Exception) -> str:
    """Which picture could not be read or estimated, why, and what to do."""
    if not isinstance(picture, PictureError):
        return shown(f"{source.name}: {figures}")
    return shown(why_unread(source.path, picture).replace(repr(str(source.path)), repr(source.name)))


def report(source: Source, job: Future, command: PoseCommand) -> bool:
    """Say what was written of a picture, or that it could not be; whether it was."""
    try:
        written: list[Written] = job.result()
    except OSError as error:
        complain(f"{shown(source.name)}: the results could not be written: {error.strerror or error}")
        return False
    for figure in written:
        sure = figure.record["mean_confidence"]
        if command.json_lines:
            say(json.dumps({"folder": str(figure.folder), **figure.record}))
        elif not command.quiet:
            doubtful = ", ".join(figure.record["doubtful"])
            words = f"mean confidence {sure:.2f}" + (f", doubtful: {doubtful}" if doubtful else "")
            say(f"{shown(source.name)}: {words} -> {shown(figure.folder)}")
        if sure < UNLIKELY:
            complain(f"{shown(source.name)}: no person is likely here; the pose is a guess")
    return True


def write_together(command: PoseCommand) -> bool:
    """Write the files of all poses; whether that worked."""
    try:
        files, notes = write_all(command.out, command.formats)
    except (OSError, ValueError) as error:
        complain(f"the file of all poses could not be written: {error}")
        return False
    for note in notes:
        complain(shown(note))
    if not command.quiet:
        say(f"all poses -> {', '.join(shown(file) for file in files)}")
    return True


def complain(line: str) -> None:
    """A line to standard error."""
    say(f"napa pose: {line}", error=True)
