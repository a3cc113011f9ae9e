"""Training of transformation networks: one style, or a pool of styles. The command is `napa_lib.style.train`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from napa_lib.engine import choose_device, seed_everything
from napa_lib.files import write_text
from napa_lib.loop import HERE, Losses, Record, Setup, Training, descend, run, settings_of
from napa_lib.networks import VGG19Features
from napa_lib.results import to_json
from napa_lib.style.content import load_styles, open_content
from napa_lib.style.losses import LossRatios, StylizationLoss
from napa_lib.style.networks import Norm, TransformNet, style_statistics
from napa_lib.style.pretrained import POOL, load_stylizer, save_stylizer

KEPT = 64 * 128 * 128  # pixels of style pictures whose feature maps are kept, which take 0.8 GB; of more, they are not


@dataclass(frozen=True)
class StylizerConfig:
    """One training. The paper's per-style baseline has size 256, batch 4 and Adam at 1e-3 on MPII; how long, it does
    not say, and its released code makes two passes."""

    styles: tuple[str, ...] = POOL  # names of paintings, or picture files; several need norm="pool"
    norm: Norm = "pool"
    steps: int = 4000
    batch: int = 4
    size: int = 128  # pixels, the side of content crops and of style pictures, or of their windows
    windows: int = 1  # style pictures of windows x size pixels are cut into so many windows a side, each a style
    learning_rate: float = 1e-3  # Adam's; falls linearly to 0 over the last quarter of the steps
    seed: int = 0
    start: str = ""  # network to begin with: "pool" or a file; a pool network is set to a single style
    ratios: LossRatios = field(default_factory=LossRatios)

    def __post_init__(self) -> None:
        if min(self.steps, self.batch, self.windows, len(self.styles)) < 1:
            raise ValueError(f"steps, batch, windows and the number of styles must be at least 1, got {self}")
        if self.size < 16 or self.size % 4:
            raise ValueError(f"size must be at least 16 and a multiple of 4, got {self.size}")
        if not 0 < self.learning_rate < float("inf"):
            raise ValueError(f"learning_rate must be above 0 and finite, got {self.learning_rate}")
        if len(self.styles) > 1 and self.norm != "pool":
            raise ValueError(f"{len(self.styles)} styles need norm='pool', got {self.norm!r}")


def train_stylizer(
    config: StylizerConfig,
    out: str | Path,
    device: str = "auto",
    every: int = 50,
    half: bool = False,
    data: Sequence[str] = (),
) -> TransformNet:
    """Train a transformation network, resuming where an earlier run in `out` stopped.

    Args:
        config: what to train. A run in `out` with another configuration is an error; it may be made longer.
        out: folder for `checkpoint.safetensors`, `record.json` and `network.safetensors`.
        device: where to compute.
        every: steps between two checkpoints and entries of the record.
        half: compute in bfloat16 where that is safe.
        data: sources of content pictures, as `napa_lib.style.content.open_content` takes them.

    Returns:
        the trained network, on the device, in evaluation mode.

    Source: NAPA, section 4.1 (per style) and stage 1 of section 3.3 (pool).
    """
    out = Path(out)
    inputs = {"data": list(data)} if data else {}
    setup = Setup(choose_device(device), half, out / "checkpoint.safetensors", inputs=inputs)
    network, record = run_training(config, setup, every, data)
    save_stylizer(out / "network.safetensors", network, [Path(name).stem for name in config.styles])
    write_text(out / "record.json", to_json(record) + "\n")
    return network


def run_training(
    config: StylizerConfig, setup: Setup = HERE, every: int = 50, data: Sequence[str] = ()
) -> tuple[TransformNet, Record]:
    """Train a network as `train_stylizer` does; returns it and the record, in which the loss is called `total`."""
    generator = seed_everything(config.seed)
    features = VGG19Features()
    network = _initial_network(config, features).to(setup.device).train()
    features = features.to(setup.device)
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    loss = StylizationLoss(features, config.ratios)
    styles = style_windows(config).to(setup.device)
    targets = loss.measure_style(styles) if styles[:, 0].numel() <= KEPT else None
    statistics = torch.cat([style_statistics(part, features) for part in styles.split(32)])
    draw = open_content(data, config.size)

    def step(number: int) -> Losses:
        content = draw(config.batch, generator).to(setup.device)
        chosen = torch.randint(len(styles), (config.batch,), generator=generator).to(setup.device)
        style = loss.measure_style(styles[chosen]) if targets is None else targets[chosen]
        with setup.autocast():
            code = network.style(statistics[chosen]) if network.style is not None else None
            losses = {"total": loss(network(content, code), style, content).total.mean()}
        # The style term is of fourth order in the features: early steps would otherwise throw the network far off.
        descend(losses["total"], optimizer, 1000.0, losses)
        return losses

    training = Training({"network": network}, {"adam": optimizer}, generator, settings_of("stylizer", config, setup))
    record = run(
        "training the stylizer", training, step, config.steps, every, setup,
        rate=lambda number: min(1.0, 4 * (1 - number / config.steps)),
    )  # fmt: skip
    return network.eval(), record


def style_windows(config: StylizerConfig) -> Tensor:
    """The style pictures, (styles x windows^2, 3, size, size): whole ones, or windows of larger ones.

    A window shows strokes as large as they are in a picture of windows x size pixels, at the price of a small one.
    """
    pictures = load_styles(config.styles, config.size * config.windows)
    rows = pictures.unflatten(3, (config.windows, config.size)).unflatten(2, (config.windows, config.size))
    return rows.permute(0, 2, 4, 1, 3, 5).flatten(0, 2)


def _initial_network(config: StylizerConfig, features: VGG19Features) -> TransformNet:
    if not config.start:
        return TransformNet(config.norm)
    network = load_stylizer(config.start)
    if network.norm == "pool" and config.norm == "instance":
        return network.for_style(load_styles(config.styles, config.size * config.windows), features)
    if network.norm != config.norm:
        raise ValueError(f"{config.start} has norm={network.norm!r}, the training wants {config.norm!r}")
    return network
