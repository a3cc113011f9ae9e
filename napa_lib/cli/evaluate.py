"""The options of `napa evaluate`."""

from __future__ import annotations

import argparse
from pathlib import Path

EXAMPLES = """examples:
  napa evaluate --art --page art.html
  napa evaluate --annotations mine/annotations.json --json mine.json
  napa evaluate --coco person_keypoints_val2017.json --pictures val2017
  napa evaluate --mpii mpii --split valid
  napa evaluate --video --weights my_pose_net.safetensors"""


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add `evaluate` to the commands of `napa`."""
    parser = commands.add_parser(
        "evaluate", help="measure the estimator on figures in art and on calibrated video",
        description="Measure how good the pose estimator is.", epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--art", action="store_true", help="PCKh on the sixty figures in art that ship")
    what.add_argument(
        "--annotations", type=Path, metavar="FILE",
        help="PCKh on your own figures, in a file of the form of assets/art_figures/annotations.json",
    )  # fmt: skip
    what.add_argument(
        "--coco", type=Path, metavar="FILE", help="OKS-AP on people, by pycocotools; in COCO's format; with --pictures"
    )
    what.add_argument("--mpii", type=Path, metavar="FOLDER", help="PCKh on MPII's people: annot/ and images/ in FOLDER")
    what.add_argument("--video", action="store_true", help="how well four views of calibrated video agree in space")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="where the pictures of --coco lie")
    parser.add_argument("--split", choices=("train", "valid", "trainval"), help="of --mpii (default: valid)")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="a trained network instead of the one that ships")
    parser.add_argument("--depth", type=Path, metavar="FILE", help="with --video: another depth network")
    parser.add_argument("--no-boxes", action="store_true", help="let the estimator look for the figure itself")
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda, mps (default: auto)")
    parser.add_argument(
        "--json", type=Path, metavar="FILE",
        help="write the result with command and versions; a stopped --coco or --mpii goes on from FILE.part",
    )  # fmt: skip
    parser.add_argument("--crops", type=int, default=1, metavar="N", help="average over N crops a figure (1 to 5)")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write a page of best, median and worst figures")
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace, words: list[str]) -> int:
    """Measure; the process's exit status."""
    of_art = options.art or options.annotations
    if not of_art and (options.page or options.crops != 1):
        options.parser.error("--page and --crops go with --art and --annotations")
    if bool(options.coco) != bool(options.pictures):
        options.parser.error("--coco FILE and --pictures FOLDER go together")
    if options.split and not options.mpii:
        options.parser.error("--split goes with --mpii")
    if options.depth and not options.video:
        options.parser.error("--depth goes with --video: nothing else is measured in depth")
    from napa_lib.evaluate import command

    measurement = command.Measurement(
        weights=options.weights, depth=options.depth, device=options.device, boxes=not options.no_boxes,
        crops=options.crops, json=options.json, page=options.page, command=("napa", *words),
    )  # fmt: skip
    if options.coco:
        return command.measure_people_of_coco(measurement, options.coco, options.pictures)
    if options.mpii:
        return command.measure_people_of_mpii(measurement, options.mpii, options.split or "valid")
    return (
        command.measure_video(measurement) if options.video else command.measure_art(measurement, options.annotations)
    )
