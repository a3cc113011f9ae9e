"""Training of transformation networks: one style, or a pool of styles.

python -m napa_lib.style.train --styles pool --steps 4000 --out runs/pool
python -m napa_lib.style.train --styles greatwave --start pool --steps 200 --style-ratio 3 --out runs/greatwave
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

import torch
from torch import Tensor

from napa_lib.data import load_paintings
from napa_lib.engine import choose_device, load_checkpoint, load_tensors, progress, save_checkpoint, seed_everything
from napa_lib.networks import VGG19Features
from napa_lib.style.content import random_crops, training_pictures
from napa_lib.style.losses import LossRatios, Measured, StylizationLoss
from napa_lib.style.networks import Norm, TransformNet, style_statistics
from napa_lib.style.pretrained import POOL, load_stylizer, save_stylizer


@dataclass(frozen=True)
class StylizerConfig:
    """One training. The paper's per-style baseline has size 256, batch 4, Adam at 1e-3 and two passes over MPII."""

    styles: tuple[str, ...] = POOL  # names of paintings; several need norm="pool"
    norm: Norm = "pool"
    steps: int = 4000
    batch: int = 4
    size: int = 128  # pixels, the side of content crops and of style pictures, or of their windows
    windows: int = 1  # style pictures of windows x size pixels are cut into so many windows a side, each a style
    learning_rate: float = 1e-3  # Adam's; falls linearly to 0 over the last quarter of the steps
    seed: int = 0
    bfloat16: bool = False  # autocast; for processors and GPUs with bfloat16 arithmetic
    start: str = ""  # network to begin with: "pool" or a file; a pool network is set to a single style
    ratios: LossRatios = field(default_factory=LossRatios)

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1 or not self.styles:
            raise ValueError(f"steps, batch and the number of styles must be at least 1, got {self}")
        if len(self.styles) > 1 and self.norm != "pool":
            raise ValueError(f"{len(self.styles)} styles need norm='pool', got {self.norm!r}")


def train_stylizer(
    config: StylizerConfig, out: str | Path, device: str = "auto", save_every: int = 100
) -> TransformNet:
    """Train a transformation network, resuming where an earlier run in `out` stopped.

    Args:
        config: what to train. A run in `out` with another configuration is an error, unless only `steps` differs: a
            run may be made longer or shorter.
        out: folder for `checkpoint.safetensors`, `log.jsonl` (one line every ten steps) and `network.safetensors`.
        save_every: steps between checkpoints.

    Returns:
        the trained network, on the device, in evaluation mode.

    Source: NAPA, section 4.1 (per style) and stage 1 of section 3.3 (pool).
    """
    out, place = Path(out), choose_device(device)
    generator = seed_everything(config.seed)
    features = VGG19Features()
    network = _initial_network(config, features).to(place)
    features = features.to(place)
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    loss = StylizationLoss(features, config.ratios)
    styles = style_windows(config).to(place)
    targets = loss.measure_style(styles)
    statistics = style_statistics(styles, features) if config.norm == "pool" else None
    pictures = training_pictures()

    checkpoint = out / "checkpoint.safetensors"
    first = _resume(checkpoint, config, network, optimizer, generator)
    log = [json.loads(line) for line in _read_lines(out / "log.jsonl")][: first // 10]
    started = time.monotonic() - (log[-1]["seconds"] if log else 0.0)
    network.train()
    for step in progress(range(first, config.steps), "training the stylizer"):
        content = random_crops(pictures, config.batch, config.size, generator).to(place)
        chosen = torch.randint(len(styles), (config.batch,), generator=generator).to(place)
        _set_learning_rate(optimizer, config, step)
        value = _step(network, optimizer, loss, content, targets[chosen], statistics, chosen, config)
        if (step + 1) % 10 == 0:
            log.append({"step": step + 1, "total": value, "seconds": round(time.monotonic() - started, 1)})
        if (step + 1) % save_every == 0 or step + 1 == config.steps:
            save_checkpoint(checkpoint, step + 1, {"network": network}, {"adam": optimizer}, generator, _header(config))
            (out / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
    network.eval()
    save_stylizer(out / "network.safetensors", network, config.styles)
    return network


def style_windows(config: StylizerConfig) -> Tensor:
    """The style pictures, (styles x windows^2, 3, size, size): whole ones, or windows of larger ones.

    A window shows strokes as large as they are in a picture of windows x size pixels, at the price of a small one.
    """
    pictures = torch.stack(load_paintings(config.size * config.windows, config.styles))
    rows = pictures.unflatten(3, (config.windows, config.size)).unflatten(2, (config.windows, config.size))
    return rows.permute(0, 2, 4, 1, 3, 5).flatten(0, 2)


def _step(
    network: TransformNet,
    optimizer: torch.optim.Optimizer,
    loss: StylizationLoss,
    content: Tensor,
    style: Measured,
    statistics: Tensor | None,
    chosen: Tensor,
    config: StylizerConfig,
) -> float:
    """One step of Adam; returns the mean total loss of the batch."""
    with torch.autocast(content.device.type, torch.bfloat16, enabled=config.bfloat16):
        code = network.style(statistics[chosen]) if network.style is not None and statistics is not None else None
        total = loss(network(content, code), style, content).total.mean()
    optimizer.zero_grad()
    total.backward()
    # The style term is of fourth order in the features: early steps would otherwise throw the network far off.
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1000.0)
    optimizer.step()
    return float(total.detach())


def _set_learning_rate(optimizer: torch.optim.Optimizer, config: StylizerConfig, step: int) -> None:
    rate = config.learning_rate * min(1.0, 4 * (1 - step / config.steps))
    for group in optimizer.param_groups:
        group["lr"] = rate


def _initial_network(config: StylizerConfig, features: VGG19Features) -> TransformNet:
    if not config.start:
        return TransformNet(config.norm)
    network = load_stylizer(config.start)
    if network.norm == "pool" and config.norm == "instance":
        return network.for_style(torch.stack(load_paintings(config.size * config.windows, config.styles)), features)
    if network.norm != config.norm:
        raise ValueError(f"{config.start} has norm={network.norm!r}, the training wants {config.norm!r}")
    return network


def _header(config: StylizerConfig) -> dict[str, str]:
    return {"config": json.dumps(asdict(config))}


def _resume(
    checkpoint: Path,
    config: StylizerConfig,
    network: TransformNet,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
) -> int:
    if not checkpoint.exists():
        return 0
    written = json.loads(load_tensors(checkpoint)[1].get("config", "{}"))
    wanted = json.loads(_header(config)["config"])
    other = [f"{name} {written.get(name)}" for name in wanted if name != "steps" and written.get(name) != wanted[name]]
    if other:
        raise ValueError(f"{checkpoint} belongs to another training ({', '.join(other)}); choose another folder")
    return load_checkpoint(checkpoint, {"network": network}, {"adam": optimizer}, generator)


def _read_lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def parse_ratios(settings: Sequence[str]) -> LossRatios:
    """Table 2's ratios but for those given as "name=value".

    >>> parse_ratios(["style=5", "content_entropy=0"]).style
    5.0
    """
    pairs = dict(setting.split("=", 1) if "=" in setting else (setting, "") for setting in settings)
    known = [ratio.name for ratio in fields(LossRatios)]
    try:
        return replace(LossRatios(), **{name: float(value) for name, value in pairs.items()})
    except (TypeError, ValueError):
        raise ValueError(f"--ratio must be NAME=NUMBER, NAME one of {', '.join(known)}, got {settings}") from None


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m napa_lib.style.train", description=__doc__)
    parser.add_argument("--styles", nargs="+", default=["pool"], help="names of paintings, or 'pool'")
    parser.add_argument("--norm", choices=("instance", "batch", "pool"), help="default: pool for several styles")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--bfloat16", action="store_true")
    parser.add_argument("--start", default="", help="network to begin with: 'pool' or a safetensors file")
    parser.add_argument("--windows", type=int, default=1, help="cut larger style pictures into so many windows a side")
    parser.add_argument("--ratio", nargs="*", default=[], metavar="NAME=VALUE", help="ratios other than table 2's")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    styles = POOL if options.styles == ["pool"] else tuple(options.styles)
    config = StylizerConfig(
        styles=styles, norm=options.norm or ("pool" if len(styles) > 1 else "instance"), steps=options.steps,
        batch=options.batch, size=options.size, seed=options.seed, bfloat16=options.bfloat16,
        start=options.start, windows=options.windows,
        ratios=parse_ratios(options.ratio),
    )  # fmt: skip
    options.out.mkdir(parents=True, exist_ok=True)
    train_stylizer(config, options.out, options.device)


if __name__ == "__main__":
    main()
