"""Train the teacher on composed pictures with 2D labels: `python -m napa_lib.multiperson.teacher --help`.

The paper takes a network that others trained. Ours sees photograph-like pictures alone, so that there is a world (the
drawn one) that it does not know and its student has to learn without labels.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from napa_lib import loop
from napa_lib.engine import choose_device, learning_rate_factor, seed_everything
from napa_lib.files import prepare_file
from napa_lib.loop import HERE, Losses, Record, Setup, Training, descend, laid_out, on_device, settings_of
from napa_lib.multiperson.composed import Cutouts, compose, load_cutouts
from napa_lib.multiperson.config import CAMERAS, PRESETS
from napa_lib.multiperson.networks import Teacher
from napa_lib.multiperson.store import save_network
from napa_lib.multiperson.targets import SHARED, render_targets
from napa_lib.options import add_config, add_device, read_config, tell


@dataclass(frozen=True)
class TeacherConfig:
    """One training of E and F; VGG-19 is never trained."""

    preset: str = "tiny"
    steps: int = 2600
    batch: int = 8
    learning_rate: float = 1e-3  # Adam's peak
    look: str = "photo"
    people: int = 4  # most in a picture
    clip: float = 10.0  # largest norm of the gradient
    seed: int = 0

    def __post_init__(self) -> None:
        if self.preset not in PRESETS or min(self.steps, self.batch, self.people) < 1 or self.learning_rate <= 0:
            raise ValueError(f"preset must be one of {tuple(PRESETS)} and all numbers positive, got {self}")


def maps_loss(stages: tuple[Tensor, Tensor], target: Tensor) -> Tensor:
    """Squared error of both stages' maps (B, 43, H, W), a sum over maps and the mean over cells and pictures.

    Source: Cao et al. (2017), eq. 5.
    """
    return torch.stack([(stage.float() - target).square().sum(1).mean() for stage in stages]).sum()


def train_teacher(
    config: TeacherConfig, figures: Cutouts, every: int = 200, setup: Setup = HERE
) -> tuple[Teacher, Record]:
    """Train E and F on pictures composed of figures, each step on new ones.

    Returns:
        the teacher in evaluation mode, and the record.

    Raises:
        ValueError: if the checkpoint does not fit.
        FloatingPointError: if the loss is not finite; the last checkpoint is kept.
    """
    generator = seed_everything(config.seed)
    camera = CAMERAS[config.preset]
    model = on_device(setup.device, Teacher(PRESETS[config.preset]))
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = loop.adam(trained, config.learning_rate, (0.9, 0.999))

    def step(number: int) -> Losses:
        drawn = compose(figures, config.batch, camera, generator, config.people)
        target = render_targets(drawn.keypoints[:, :, SHARED], camera).to(setup.device)
        with setup.autocast():
            stages = model.decoder.stages(model.encoder(laid_out(drawn.images.float() / 255, setup.device)))
        losses = {"maps": maps_loss(stages, target)}
        descend(losses["maps"], optimizer, config.clip, losses)
        return losses

    training = Training({"model": model}, {"adam": optimizer}, generator, settings_of("teacher", config, setup))
    record = loop.run(
        "teacher", training, step, config.steps, every, setup, model,
        rate=lambda number: learning_rate_factor(number, config.steps),
    )  # fmt: skip
    return model.eval(), record


def main(arguments: list[str] | None = None) -> None:
    """Train a teacher and write it to a file."""
    parser = argparse.ArgumentParser(prog="python -m napa_lib.multiperson.teacher", description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="safetensors file to write")
    add_device(parser)
    add_config(parser, TeacherConfig)
    options = parser.parse_args(arguments)
    with loop.command():
        prepare_file(options.out)
        config = read_config(options, TeacherConfig)
        checkpoint = options.out.with_suffix(".checkpoint.safetensors")
        setup = Setup(choose_device(options.device), options.half, checkpoint, tell=tell)
        model, _ = train_teacher(config, load_cutouts("train", config.look), setup=setup)
        save_network(options.out, "teacher", model.cpu(), {"config": json.dumps(asdict(config))})
        print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
