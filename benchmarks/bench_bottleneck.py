"""A training step of the paper's KeypointGAN beside the bare passes of its networks, and the renderer's share of it.

A step cannot do without: Phi, Psi and eta forward and backward, the VGG-19 on the picture and, forward and backward, on
its reconstruction, the skeleton discriminator forward and backward once for the generators and twice for itself. Each
is timed alone; what the whole step takes above their sum is the renderer, losses, clipping and Adam. What a step does
not need is not counted: a frozen eta and the discriminator in the generators' turn give the gradient of their input
alone. Times are the process's CPU seconds, the least of several interleaved rounds: on a shared machine,
others' work then counts less. On a GPU they are seconds of the clock.

Besides: the share of the step's arithmetic in what matrix products reach on the machine, and how many pictures a second
Phi and eta find poses in, beside the hourglass.

    python -m benchmarks bottleneck
    python -m benchmarks.bench_bottleneck cuda tiny float32    # a GPU, the small networks, no mixed precision
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.limits import arithmetic_rate, best_time, print_table, seconds, waiting
from napa_lib.bottleneck import (
    PRESETS,
    Critics,
    HourglassNet,
    KeypointGAN,
    PerceptualLoss,
    Setup,
    TrainingConfig,
    mocap_poses,
)
from napa_lib.bottleneck.config import BETAS
from napa_lib.bottleneck.ladder import adversarial_step
from napa_lib.engine import keep_freed_memory
from napa_lib.loop import adam, laid_out, on_device
from napa_lib.networks import VGG19Features

BATCH = 16


def passes(
    preset: str, half: bool, device: torch.device, batch: int = BATCH
) -> tuple[dict[str, Callable[[], object]], Callable[[], object]]:
    """The bare passes of one step by name, the renderer among them, and the whole step."""
    config = replace(TrainingConfig(), model=PRESETS[preset], perceptual_size=128 if preset == "paper" else 32)
    size, generator, setup = config.model.size, torch.Generator().manual_seed(0), Setup(device, half)
    model, critics = on_device(device, KeypointGAN(config.model)), on_device(device, Critics(config.model))
    model.freeze_encoder()
    perceptual = PerceptualLoss(on_device(device, VGG19Features()), config.perceptual_size).to(device)
    rate = config.learning_rate
    adams = {
        "generators": adam([*model.image_encoder.parameters(), *model.image_generator.parameters()], rate, BETAS),
        "critics": adam(critics.parameters(), rate, BETAS),
    }
    image, style = (laid_out(torch.rand(batch, 3, size, size, generator=generator), device) for _ in range(2))
    pose = mocap_poses(batch, generator).to(device)
    drawn = model.draw(pose)

    def both_ways(call: Callable[[Tensor], Tensor], x: Tensor, wants_input: bool, frozen: bool = False) -> None:
        x = x.detach().requires_grad_(wants_input)
        critics.requires_grad_(not frozen)
        with setup.autocast():
            found = call(x)
        (found.float().square().mean()).backward()

    def critic(x: Tensor) -> Tensor:
        return torch.cat([score.flatten() for score in critics.skeletons(x)])

    networks: dict[str, Callable[[], object]] = {
        "Phi": lambda: both_ways(model.image_encoder, image, False),
        "eta": lambda: both_ways(model.skeleton_encoder, drawn, True),
        "Psi": lambda: both_ways(lambda y: model.image_generator(y, style), drawn, True),
        "VGG-19": lambda: both_ways(lambda x: perceptual(x, image), style, True),
        "discriminator, for the generators": lambda: both_ways(critic, drawn, True, frozen=True),
        "discriminator, real": lambda: both_ways(critic, drawn, False),
        "discriminator, generated": lambda: both_ways(critic, drawn, False),
        "renderer": lambda: (both_ways(model.draw, pose, True), model.draw(pose)),
    }
    batch_ = image, style, pose
    return networks, lambda: adversarial_step(model, critics, perceptual, adams, batch_, config, setup)


def pictures_a_second(preset: str, half: bool, device: torch.device, rounds: int) -> dict[str, float]:
    """How many pictures a second each detector finds a pose in, in batches."""
    config, setup = PRESETS[preset], Setup(device, half)
    images = laid_out(torch.rand(BATCH, 3, config.size, config.size), device)
    found = {}
    for name, network in (
        ("Phi and eta", KeypointGAN(config)),
        ("hourglass", HourglassNet(config.num_keypoints, 8 * config.width)),
    ):
        model = on_device(device, network).eval()

        def predict(model=model) -> None:
            with torch.no_grad(), setup.autocast():
                model.predict(images)

        found[name] = BATCH / best_time(waiting(predict, device), rounds)
    return found


def main(preset: str = "paper", half: bool = True, device: str = "cpu", rounds: int = 2) -> None:
    """Time the passes and the step in turns; print the two ratios that the project limits, and the rates."""
    keep_freed_memory()  # as the command that trains does
    where = torch.device(device)
    networks, step = passes(preset, half, where)
    best = dict.fromkeys([*networks, "step"], float("inf"))
    for _ in range(rounds + 1):
        for name, call in [*networks.items(), ("step", step)]:
            best[name] = min(best[name], seconds(call, where))
    bare = sum(spent for name, spent in best.items() if name not in ("step", "renderer"))
    rows: list[dict[str, object]] = [
        {"what": name, "seconds": spent, "share of the step": spent / best["step"]} for name, spent in best.items()
    ]
    rows.append({"what": "sum of the networks' passes", "seconds": bare, "share of the step": bare / best["step"]})
    kind = torch.bfloat16 if half else torch.float32
    print_table(f"KeypointGAN, {preset}, batch {BATCH}, {kind}, {where}, {torch.get_num_threads()} threads", rows)
    print(f"  step / networks: {best['step'] / bare:.3f} (largest allowed 1.1)")
    print(f"  renderer / step: {best['renderer'] / best['step']:.4f} (largest allowed 0.03)")
    with FlopCounterMode(display=False) as counter:
        step()
    operations, spent = counter.get_total_flops(), best_time(waiting(step, where), rounds)
    reached, limit = operations / spent, arithmetic_rate(dtype=kind, device=where)
    share = f"{reached / limit:.0%} of a matrix product's rate"
    print(f"  a step's {operations / 1e9:.0f} G operations in {spent:.2f} s: {share}")
    rates = pictures_a_second(preset, half, where, rounds + 1)
    ratio = rates["Phi and eta"] / rates["hourglass"]
    print(
        "  pictures a second: " + ", ".join(f"{name} {rate:.1f}" for name, rate in rates.items()) + f" (x {ratio:.2f})"
    )


if __name__ == "__main__":
    given = sys.argv[1:]
    main("tiny" if "tiny" in given else "paper", "float32" not in given, "cuda" if "cuda" in given else "cpu")
