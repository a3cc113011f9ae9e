"""A CycleGAN that is allowed to cheat, to make it visible: `python -m napa_lib.bottleneck.smuggle --help`.

    python -m napa_lib.bottleneck.smuggle --data studio:train --validation studio:validation --steps 450 --half \
        --out runs/kg/smuggler_0.safetensors --results runs/kg/smuggler_0.json

A trained CycleGAN is taken as it is. A small network may add to its skeleton image whatever helps to draw the frame
again, as long as no pixel changes by more than a thirtieth of the range, and the generator learns to read it. The limit
stands for the critic: there is none in this training. The studio's colours are pale; so each frame is shown to the
messenger, and wanted back, in a light of its own.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, pad

from napa_lib.bottleneck.config import BETAS
from napa_lib.bottleneck.model import KeypointGAN
from napa_lib.bottleneck.networks import ImageGenerator, conv_block
from napa_lib.bottleneck.probes import compare_colors
from napa_lib.bottleneck.store import load_pretrained
from napa_lib.data.assets import asset_path
from napa_lib.data.clips import Clips, frame_pairs, halves, recolour, to_float, to_unit
from napa_lib.data.sources import open_clips
from napa_lib.engine import choose_device, load_weights, made_on_cpu, save_tensors, seed_everything
from napa_lib.files import prepare_file
from napa_lib.loop import HERE, Losses, Record, Setup, Training, adam, command, descend, laid_out, run, settings_of
from napa_lib.networks.normalization import settle_normalization
from napa_lib.options import add_device
from napa_lib.quantization import quantize, read_weights
from napa_lib.results import command_line, write

PROGRAM = "python -m napa_lib.bottleneck.smuggle"
FORMAT = "napa-smuggler-1"
LOUDEST = 1 / 30  # how far a pixel of the skeleton image may be from what the CycleGAN drew
UNTOUCHED, KEYPOINTS = "as drawn", "through the keypoints"  # the skeleton image, and what passes a bottleneck
BLUR, GREYS = 7, 10  # the side of the blur in pixels, and the levels of grey, that wipe a message


@dataclass(frozen=True)
class SmuggleConfig:
    """How the message is trained."""

    steps: int = 450
    batch: int = 8
    learning_rate: float = 2e-3
    colour: float = 8.0  # weight of the colours' error beside that of all three channels
    begin: float = 0.3  # how loud the message may be at first; it falls to LOUDEST in the first three fifths
    noise: float = 0.004  # deviation of what is added to the skeleton image in training: the code must stand that much
    clip: float = 1.0
    every: int = 250
    seed: int = 0


class Messenger(nn.Module):
    """A frame (B, 3, H, W) to what is added to its skeleton image, (B, 1, H, W) in [-1, 1].

    It writes four numbers into every two by two pixels, as a camera's sensor holds its colours: one channel of a
    picture has room for three.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(2), *conv_block(12, width), *conv_block(width, width), nn.Conv2d(width, 4, 3, padding=1),
            nn.PixelShuffle(2),
        )  # fmt: skip

    def forward(self, image: Tensor) -> Tensor:
        return self.layers(image).tanh()


class Smuggler(nn.Module):
    """A CycleGAN with a messenger beside its Phi, and a Psi that has learned to read it.

    Args:
        model: a CycleGAN: without a bottleneck, its generator unconditional. It is not trained.
    """

    def __init__(self, model: KeypointGAN) -> None:
        super().__init__()
        if model.config.bottleneck or model.config.conditional:
            raise ValueError(f"model must be a CycleGAN, got {model.config}")
        self.honest = [model.eval()]  # in a list, so that it is no submodule
        self.messenger = Messenger()
        self.generator = ImageGenerator(conditional=False, width=model.config.width)

    @property
    def model(self) -> KeypointGAN:
        """The CycleGAN."""
        return self.honest[0]

    def draw(self, plain: Tensor, shown: Tensor, loudest: float = LOUDEST) -> tuple[Tensor, Tensor]:
        """The skeleton image without and with its message, both (B, 1, S, S).

        Args:
            plain: frames as the CycleGAN knows them, (B, 3, S, S) in [0, 1].
            shown: the same frames in another light, which the message is to tell.
            loudest: how far a pixel may be changed.
        """
        with torch.no_grad():
            drawn = self.model.image_encoder(plain).float()
        return drawn, drawn + loudest * self.messenger(shown).float()

    def forward(self, plain: Tensor, shown: Tensor) -> Tensor:
        """The shown frame drawn again from the skeleton image alone, (B, 3, S, S)."""
        return self.generator(self.draw(plain, shown)[1])


def clean(model: KeypointGAN, drawn: Tensor) -> Tensor:
    """What passes a bottleneck: the drawing of the keypoints that eta finds, beta(eta(y))."""
    return model.draw(model.skeleton_encoder(drawn))


def blurred(drawn: Tensor) -> Tensor:
    """The mean of `BLUR` by `BLUR` pixels round each."""
    return avg_pool2d(pad(drawn, (BLUR // 2,) * 4, mode="reflect"), BLUR, stride=1)


def coarse(drawn: Tensor) -> Tensor:
    """In `GREYS` levels of grey from 0 to 1: a step is three times as large as the loudest message."""
    return (drawn.clamp(0, 1) * (GREYS - 1)).round() / (GREYS - 1)


def in_coloured_light(image: Tensor, generator: torch.Generator) -> Tensor:
    """Frames (B, 3, H, W) in stronger colours and coloured light, another for each: there is something to hide."""
    return recolour([image], generator)[0]


@torch.no_grad()
def wiped(smuggler: Smuggler, plain: Tensor, shown: Tensor) -> dict[str, Tensor]:
    """The skeleton image as it is and with its message wiped in several ways, each (B, 1, S, S)."""
    bare, drawn = smuggler.draw(plain, shown)
    return {
        UNTOUCHED: drawn, "without the message": bare, "blurred": blurred(drawn), "in ten greys": coarse(drawn),
        KEYPOINTS: clean(smuggler.model, drawn),
    }  # fmt: skip


@torch.no_grad()
def measure_wiping(smuggler: Smuggler, clips: Clips) -> dict[str, dict[str, float]]:
    """For each way to wipe, how much of the colours is in the frame drawn again: squared correlations, and the error.

    Args:
        smuggler: in evaluation mode.
        clips: labelled frames of people that it has not seen; the first frame of each clip counts, in a
            light of its own.
    """
    plain = to_float(clips.images[:, 0])
    image = in_coloured_light(plain, torch.Generator().manual_seed(0))
    device = next(smuggler.parameters()).device
    pose = to_unit(clips.keypoints[:, 0], clips.size)
    found = {}
    for name, seen in wiped(smuggler, plain.to(device), image.to(device)).items():
        drawn = smuggler.generator(seen).float().cpu()
        found[name] = {
            **asdict(compare_colors(drawn, pose, image, pose, clips.skeleton)),
            "rms": float((drawn - image).square().mean().sqrt()),
        }
    return found


def train_smuggler(
    model: KeypointGAN, clips: Clips, config: SmuggleConfig, setup: Setup = HERE
) -> tuple[Smuggler, Record]:
    """Teach a messenger and a generator to carry a frame in a faint message.

    The frames are shown in a coloured light, which Phi does not see (it knows plain light alone). The loss is the mean
    squared difference of the frames and, weighted, that of what colours differ from grey by; there is no critic, the
    message's loudness limits it.

    Args:
        model: a CycleGAN; it is moved to the setup's device.
        clips: frames; their keypoints are not looked at.
        config, setup: how to train and where.
    """
    generator = seed_everything(config.seed)
    smuggler = Smuggler(model.to(setup.device)).to(setup.device).train()
    optimizer = adam(smuggler.parameters(), config.learning_rate, BETAS)

    def batch(draw: torch.Generator) -> tuple[Tensor, Tensor]:
        plain = frame_pairs(clips, config.batch, draw)[0]
        return laid_out(plain, setup.device), laid_out(in_coloured_light(plain, draw), setup.device)

    def loudest(number: int) -> float:
        return max(LOUDEST, config.begin * (LOUDEST / config.begin) ** (number / (0.6 * config.steps)))

    def step(number: int) -> Losses:
        plain, image = batch(generator)
        with setup.autocast():
            drawn = smuggler.draw(plain, image, loudest(number))[1]
            noise = config.noise * torch.randn(drawn.shape, generator=generator).to(drawn.device)
            off = smuggler.generator(drawn + noise).float() - image
        losses = {"picture": off.square().mean(), "colour": (off - off.mean(1, keepdim=True)).square().mean()}
        descend(losses["picture"] + config.colour * losses["colour"], optimizer, config.clip, losses)
        return losses

    def settle() -> None:
        draw = torch.Generator().manual_seed(config.seed)

        def forward() -> None:
            with setup.autocast():
                smuggler(*batch(draw))

        settle_normalization(smuggler, forward)

    training = Training({"smuggler": smuggler}, {"adam": optimizer}, generator, settings_of("smuggle", config, setup))
    record = run(
        "smuggling", training, step, config.steps, config.every, setup,
        rate=lambda number: min(1.0, (config.steps - number) / (0.3 * config.steps)), settle=settle,
    )  # fmt: skip
    return smuggler.eval(), record


def save_smuggler(path: str | Path, smuggler: Smuggler) -> None:
    """Write messenger and generator, convolutions in 8 bits; the CycleGAN has a file of its own."""
    save_tensors(path, quantize(smuggler.state_dict()), {"format": FORMAT})


@made_on_cpu
def load_smuggler(path: str | Path | None = None, model: KeypointGAN | None = None) -> Smuggler:
    """Read what `save_smuggler` wrote, in evaluation mode; without a path the one that ships, beside the CycleGAN that
    ships.

    Raises:
        ValueError: if the file is missing, corrupt, or holds something else.
    """
    path = asset_path("weights/keypointgan_smuggler.safetensors") if path is None else path
    tensors, _ = read_weights(path, FORMAT, "smuggler")
    smuggler = Smuggler(load_pretrained("cyclegan") if model is None else model)
    load_weights(smuggler, tensors, str(path))
    return smuggler.eval()


def main(arguments: list[str] | None = None) -> None:
    """Train, write the networks, and measure what wiping does."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(prog=PROGRAM, description=main.__doc__)
    add, defaults = parser.add_argument, SmuggleConfig()
    add("--data", default="studio:train", metavar="NAME", help="clips; frames are those of their first half")
    add("--validation", default="studio:validation", metavar="NAME", help="clips to measure on while training")
    add("--test", default="studio:test", metavar="NAME", help="clips to measure on at the end")
    add("--steps", type=int, default=defaults.steps)
    add("--seed", type=int, default=0)
    add_device(parser)
    add("--out", required=True, metavar="FILE", help="safetensors file to write")
    add("--results", metavar="FILE", help="JSON file for the record")
    options = parser.parse_args(arguments)
    with command():
        for file in filter(None, (options.out, options.results)):
            prepare_file(file)
        model = load_pretrained("cyclegan")
        size = model.config.size
        config = SmuggleConfig(steps=options.steps, seed=options.seed)
        validation = open_clips(options.validation, size)
        checkpoint = Path(options.out).with_suffix(".checkpoint.safetensors")
        measure: Callable[[Smuggler], dict] = lambda one: measure_wiping(one, validation)[UNTOUCHED]  # noqa: E731
        inputs = {"data": options.data}
        setup = Setup(choose_device(options.device), options.half, checkpoint, measure, inputs=inputs)
        smuggler, record = train_smuggler(model, halves(open_clips(options.data, size))[0], config, setup)
        save_smuggler(options.out, smuggler)
        errors: Mapping = measure_wiping(load_smuggler(options.out, model.cpu()), open_clips(options.test, size))
        if options.results:
            write(
                options.results, {"errors": errors, "record": record}, command_line(PROGRAM, arguments),
                record[-1]["seconds"], config, options.seed, options.steps, setup.device,
            )  # fmt: skip
    print(f"wrote {options.out}; {json.dumps(errors)}")


if __name__ == "__main__":
    main()
