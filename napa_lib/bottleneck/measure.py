"""Measure a trained model on clips that it was not trained on: `python -m napa_lib.bottleneck.measure --help`.

python -m napa_lib.bottleneck.measure ours.safetensors --data video:test --poses studio:train --results video.json
"""

from __future__ import annotations

import argparse
import sys
import time

from napa_lib.bottleneck.evaluate import errors_by_motion, mean_pose, predict_clips
from napa_lib.bottleneck.store import load_model
from napa_lib.data.clips import halves, to_pixels, unpaired_poses
from napa_lib.data.sources import open_clips
from napa_lib.networks.hourglass import HourglassNet
from napa_lib.results import command_line, write

PROGRAM = "python -m napa_lib.bottleneck.measure"


def main(arguments: list[str] | None = None) -> None:
    """Print the errors on some clips, beside those of always answering the mean of some poses; store them if asked."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=main.__doc__)
    parser.add_argument("model", help="safetensors file that python -m napa_lib.bottleneck.train wrote")
    parser.add_argument("--data", required=True, metavar="NAME", help='clips to measure on, such as "video:test"')
    parser.add_argument(
        "--poses", default="studio:train", metavar="NAME", help="clips; the mean pose is their 2nd half's"
    )
    parser.add_argument("--size", type=int, default=64, help="side of an hourglass's pictures; others know theirs")
    parser.add_argument("--seed", type=int, default=0, help="of the model's training, for the record")
    parser.add_argument("--results", metavar="FILE", help="JSON file for the errors")
    arguments = sys.argv[1:] if arguments is None else arguments
    options, start = parser.parse_args(arguments), time.monotonic()
    model = load_model(options.model)
    size = options.size if isinstance(model, HourglassNet) else model.config.size
    clips = open_clips(options.data, size)
    guess = mean_pose(unpaired_poses(halves(open_clips(options.poses, size))[1]), clips.images.shape[:2].numel())
    errors = errors_by_motion(predict_clips(model.predict, clips), clips)
    errors["mean pose"] = errors_by_motion(to_pixels(guess, size), clips)["all"]
    for name in ("all", "mean pose"):
        print(
            f"{name}: {errors[name]['percent']:.2f} % of the picture, {errors[name]['percent_flips']:.2f} % with flips"
        )
    if options.results:
        command, seconds = command_line(PROGRAM, arguments), time.monotonic() - start
        write(options.results, {"errors": errors, "record": []}, command, seconds, vars(options), options.seed)


if __name__ == "__main__":
    main()
