"""Measure a trained model on clips that it was not trained on: `python -m napa_lib.bottleneck.measure --help`.

python -m napa_lib.bottleneck.measure ours.safetensors --data video:test --results video.json
"""

from __future__ import annotations

import argparse
import sys
import time

from napa_lib.bottleneck.evaluate import errors_by_motion, mean_pose, predict_clips
from napa_lib.bottleneck.probes import regress_keypoints
from napa_lib.bottleneck.store import load_model
from napa_lib.data.clips import to_pixels
from napa_lib.data.sources import open_clips, open_poses
from napa_lib.files import prepare_file
from napa_lib.loop import command
from napa_lib.networks.hourglass import HourglassNet
from napa_lib.results import command_line, write

PROGRAM = "python -m napa_lib.bottleneck.measure"


def main(arguments: list[str] | None = None) -> None:
    """Print the errors on some clips, beside those of always answering the mean of some poses; store them if asked."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=main.__doc__)
    parser.add_argument("model", help="safetensors file that python -m napa_lib.bottleneck.train wrote")
    parser.add_argument("--data", required=True, metavar="NAME", help='clips to measure on, such as "video:test"')
    parser.add_argument(
        "--poses",
        default="rest:studio:train",
        metavar="NAME",
        help='clips whose mean pose to compare with; "rest:NAME" is the half of NAME that gives trainings no pictures',
    )
    parser.add_argument("--regress", metavar="NAME", help="labelled clips for a linear regressor on top")
    parser.add_argument(
        "--scored", metavar="NAME", help="joint set to score instead, such as H36M17 of H36M32's joints"
    )
    parser.add_argument("--size", type=int, default=64, help="side of an hourglass's pictures; others know theirs")
    parser.add_argument("--seed", type=int, default=0, help="of the model's training, for the record")
    parser.add_argument("--results", metavar="FILE", help="JSON file for the errors")
    arguments = sys.argv[1:] if arguments is None else arguments
    options, start = parser.parse_args(arguments), time.monotonic()
    with command():
        if options.results:
            prepare_file(options.results)
        model = load_model(options.model)
        if isinstance(model, HourglassNet):
            size, skeleton = options.size, None
        else:
            size, skeleton = model.config.size, model.config.skeleton
        clips = open_clips(options.data, size, skeleton=skeleton)
        others = open_poses(options.poses, size, skeleton=skeleton)
        found = predict_clips(model.predict, clips)
        errors = errors_by_motion(found, clips, options.scored)
        guess = to_pixels(mean_pose(others, len(found)), size)
        shown = {"all": errors["all"], "mean pose": errors_by_motion(guess, clips, options.scored)["all"]}
        if options.regress:
            labelled = open_clips(options.regress, size, skeleton=skeleton)
            regress = regress_keypoints(predict_clips(model.predict, labelled), labelled.keypoints.flatten(0, 1))
            shown["regressor on top"] = errors_by_motion(regress(found), clips, options.scored)["all"]
        errors |= shown
        for name, error in shown.items():
            print(f"{name}: {error['percent']:.2f} % of the picture, {error['percent_flips']:.2f} % with flips")
        if options.results:
            made_by, seconds = command_line(PROGRAM, arguments), time.monotonic() - start
            write(options.results, {"errors": errors, "record": []}, made_by, seconds, vars(options), options.seed)


if __name__ == "__main__":
    main()
