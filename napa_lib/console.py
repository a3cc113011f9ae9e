"""Words for the terminal: they survive its encoding, a closed pipe, Ctrl-C and a request to end."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

INTERRUPTED = 128 + signal.SIGINT  # exit statuses, as shells give them
CLOSED = 141  # 128 + SIGPIPE, which Windows does not have


def forgive_encoding() -> None:
    """Have standard output and error write what their encoding lacks as escapes, rather than fail.

    Redirected on Windows they are in cp1252, which has neither tick marks nor most of the world's names of files.
    Where the program that starts this one has closed them, what is said goes nowhere.
    """
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def can_show(text: str) -> bool:
    """Whether standard output has these characters."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def say(line: str, error: bool = False) -> None:
    """A line to standard output or error that leaves a progress bar whole. Where nobody reads any more, nothing."""
    from tqdm.auto import tqdm

    stream = sys.stderr if error else sys.stdout
    try:
        tqdm.write(line, file=stream)
        stream.flush()
    except BrokenPipeError:
        close_quietly()


def close_quietly() -> None:
    """After a closed pipe: let what is still in the buffers go nowhere, so that Python ends without a complaint."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run_command(name: str, command: Callable[[], int]) -> int:
    """Run a command so that what comes from outside is one line: Ctrl-C, a closed pipe, a full disk, a missing package.

    Returns:
        its exit status; 130 after Ctrl-C, 141 where standard output was closed.
    """
    try:
        status = command()
        sys.stdout.flush()
    except BrokenPipeError:
        close_quietly()
        return CLOSED
    except OSError as error:  # a full disk, below standard output perhaps
        try:
            sys.stdout.flush()
        except OSError:
            close_quietly()
        say(f"{name}: {error}", error=True)
        return 1
    except KeyboardInterrupt as stopped:  # a training's says what is kept
        say(f"{name}: {str(stopped) or 'interrupted'}", error=True)
        return INTERRUPTED
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("napa_lib"):
            raise
        say(f"{name}: {describe_missing(missing)}", error=True)
        return 1
    return status


def describe_missing(missing: ModuleNotFoundError) -> str:
    """Which package is missing and how to install it, in one sentence."""
    package = (missing.name or str(missing)).partition(".")[0]
    wanted = EXTRAS.get(package)
    what = f"'napa_lib[{wanted}]'" if wanted else package
    return f"the package {package} is missing: pip install {what}"


EXTRAS = {  # package that is imported -> the extra of napa_lib that brings it
    **dict.fromkeys(("ipywidgets", "nbformat", "nbconvert", "nbclient", "papermill", "IPython", "jupyter_client",
                     "latex2mathml", "ipykernel", "plotly"), "course"),
    **dict.fromkeys(("onnx", "onnxscript", "onnxruntime"), "onnx"),
    "pycocotools": "coco", "pillow_heif": "heic", "scipy": "datasets", "torchvision": "vision", "anny": "synthesis",
    "tensorboard": "tensorboard",
}  # fmt: skip


def end_as_asked() -> None:
    """Have SIGTERM end this process as an exception does, so that temporary files and folders are cleared away."""

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, end)
