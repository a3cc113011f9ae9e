"""What the leak's probe finds where nothing can leak: `python -m napa_lib.bottleneck.leak --results FILE`.

The models that ship, measured from their files on the people of "studio:test", and beside them two controls: drawings
of the true poses, of which no network has a say, and the same probe on coordinates in the place of drawings.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict

import torch

from napa_lib.bottleneck.evaluate import errors_by_motion, predict_clips
from napa_lib.bottleneck.model import KeypointGAN
from napa_lib.bottleneck.probes import LEAK_FRAMES, Leak, appearance_leak, clip_colors, linear_leak, measure_leak
from napa_lib.bottleneck.store import PRETRAINED, load_pretrained
from napa_lib.data.clips import Clips, to_unit
from napa_lib.data.sources import open_clips, open_halves
from napa_lib.files import prepare_file
from napa_lib.results import command_line, write

PROGRAM = "python -m napa_lib.bottleneck.leak"


def control_leaks(model: KeypointGAN, clips: Clips, others: Clips) -> dict[str, Leak]:
    """How well the probe reads the person's colours where no message can be.

    Args:
        model: in evaluation mode; behind a bottleneck its generator sees its keypoints and no more.
        clips: labelled frames for the probe to learn from, as in `measure_leak`.
        others: frames of other people.

    Returns:
        the leak of `found keypoints`, `true keypoints` and `true poses` (drawn).
    """
    clips = clips.take(slice(None, -(-LEAK_FRAMES // clips.images.shape[1])))
    sides = clips, others
    colors = torch.cat([clip_colors(side) for side in sides])
    held_out = torch.arange(len(colors)) >= clips.images.shape[:2].numel()
    found = torch.cat([to_unit(predict_clips(model.predict, side), side.size) for side in sides])
    true = torch.cat([to_unit(side.keypoints.flatten(0, 1), side.size) for side in sides])
    return {
        "found keypoints": linear_leak(found.flatten(1), colors, held_out),
        "true keypoints": linear_leak(true.flatten(1), colors, held_out),
        "true poses": appearance_leak(torch.cat([model.draw(part) for part in true.split(64)]), colors, held_out),
    }


def main(arguments: list[str] | None = None) -> None:
    """Measure the models that ship and the controls, print the leaks, store them if asked."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=main.__doc__)
    parser.add_argument("--results", metavar="FILE", help="JSON file for errors and leaks")
    arguments = sys.argv[1:] if arguments is None else arguments
    options, start = parser.parse_args(arguments), time.monotonic()
    if options.results:
        prepare_file(options.results)
    models = {rung: load_pretrained(rung) for rung in PRETRAINED}
    size = models["ours"].config.size
    clips, others = open_halves("studio:train", size)[0], open_clips("studio:test", size)
    errors: dict = {}
    for rung, model in models.items():
        found = errors_by_motion(predict_clips(model.predict, others), others)["all"]
        errors[rung] = {"all": found, "leak": asdict(measure_leak(model, clips, others))}
    for name, leak in control_leaks(models["ours"], clips, others).items():
        errors[name] = {"leak": asdict(leak)}
    for name, error in errors.items():
        print(f"{name}: leak R2 {error['leak']['r2']:.3f}")
    if options.results:
        command, seconds = command_line(PROGRAM, arguments), time.monotonic() - start
        write(options.results, {"errors": errors, "record": []}, command, seconds, seed=0)  # of the models that ship


if __name__ == "__main__":
    main()
