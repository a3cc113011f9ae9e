"""The options of `napa export`."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add `export` to the commands of `napa`."""
    parser = commands.add_parser(
        "export", help="write the pose network for other programs",
        description="Write the pose network as ONNX: from crops (B, 3, S, S) in [0, 1] to keypoints (B, 18, 2) in the "
        "crop's pixels, confidence logits (B, 18) and heat maps.",
        epilog="example:\n  napa export --onnx pose.onnx",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--onnx", type=Path, required=True, metavar="FILE", help="the file to write")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="a pose network of your own training")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, words: list[str]) -> int:
    """Export; the process's exit status."""
    from napa_lib.pose.export import export_onnx

    return export_onnx(options.onnx, options.weights)
