"""Train the pose autoencoder: `python -m napa_lib.sampling.train --help`.

    python -m napa_lib.sampling.train --poses limits --seed 0 --out runs/sampling/limits_0.safetensors

An interrupted run goes on from the checkpoint beside `--out` when the same command is given again.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from napa_lib import loop, results
from napa_lib.engine import choose_device, learning_rate_factor, seed_everything
from napa_lib.files import prepare_file
from napa_lib.loop import HERE, Record, Setup, Training, adam, settings_of
from napa_lib.networks.gan import lsgan_discriminator_loss, lsgan_generator_loss
from napa_lib.sampling.evaluate import local_directions, measure_autoencoder, mocap_poses
from napa_lib.sampling.limits import SKELETON
from napa_lib.sampling.networks import PoseAutoencoder, TreeEncoder, draw_embeddings
from napa_lib.sampling.sample import join_local, sample_canonical
from napa_lib.sampling.store import save_autoencoder

SOURCES = ("limits", "conditioned", "mocap")
CYCLES = ("prior", "poses")
POOL = {"limits": 100_000, "conditioned": 40_000}  # artificial poses drawn once if no number is given
METRE = 1000.0  # poses are compared in metres, so that their error and the embedding's are of one size


@dataclass(frozen=True)
class TrainingConfig:
    """One training of the autoencoder.

    The paper has batches of 32 at a learning rate of 1e-4 "till convergence", a million artificial poses, L_adv with no
    weight of its own and the cycle over the poses' own embeddings. Twice the batch, ten times the rate and its fall to
    zero take a minute.
    """

    poses: str = "limits"  # "limits": drawn from joint limits; "conditioned": those a body could take; "mocap"
    pool: int | None = None  # how many artificial poses steps draw from; None: `POOL`'s
    cycle: str = "prior"  # embeddings that are to come back: "prior", drawn from the cube; "poses", those of the batch
    steps: int = 1500
    batch: int = 64
    learning_rate: float = 1e-3  # Adam's, with betas 0.5 and 0.999
    adversarial: float = 0.01  # weight of L_adv beside L_cyc; the paper gives none
    clip: float = 1.0  # largest norm of a network's gradient
    every: int = 500
    seed: int = 0

    def __post_init__(self) -> None:
        if self.poses not in SOURCES:
            raise ValueError(f"poses must be one of {SOURCES}, got {self.poses!r}")
        if self.cycle not in CYCLES:
            raise ValueError(f"cycle must be one of {CYCLES}, got {self.cycle!r}")
        if self.pool is not None and (self.pool < 1 or self.poses == "mocap"):
            raise ValueError(f"pool must be at least 1, and is of artificial poses alone, got {self}")
        if min(self.steps, self.every) < 1 or self.batch < 2:
            raise ValueError(f"steps and every must be at least 1 and batch at least 2, got {self}")
        if self.learning_rate <= 0 or self.clip <= 0 or self.adversarial < 0:
            raise ValueError(f"learning_rate and clip must be positive, adversarial not negative, got {self}")


def training_poses(source: str, generator: torch.Generator, pool: int | None = None) -> Tensor:
    """Canonical poses to train on, (N, 17, 3) in mm: `pool` artificial ones, or motion capture and its mirror image."""
    if source == "mocap":
        poses = mocap_poses("train")
        return torch.cat([poses, mirror(poses)])
    return sample_canonical(pool or POOL[source], generator=generator, conditioned=source == "conditioned")


def mirror(canonical: Tensor) -> Tensor:
    """Canonical poses as a mirror shows them: left and right trade places, and y its sign."""
    order = list(range(SKELETON.num_joints))
    for left, right in SKELETON.flip_pairs:
        order[left], order[right] = right, left
    return canonical[..., order, :] * canonical.new_tensor([1.0, -1.0, 1.0])


def train_autoencoder(
    config: TrainingConfig, setup: Setup = HERE, poses: Tensor | None = None
) -> tuple[PoseAutoencoder, Record]:
    """Train Phi and Psi on poses: Phi descends L_cyc, Psi L_cyc + L_adv, the discriminator tells poses from samples.

    The supplement's sentence on the discriminator speaks of embeddings and its notation table of poses. As L_adv is
    there to train Psi, and only poses depend on Psi, ours sees poses: real ones, and those decoded from the prior.

    Args:
        config: what to train on and how.
        setup: device, checkpoint, measurement.
        poses: (N, 17, 3) canonical, mm, in place of those that `config.poses` names.
    """
    generator = seed_everything(config.seed)
    model, critic = PoseAutoencoder().to(setup.device), TreeEncoder(1).to(setup.device)
    if poses is None:
        poses = training_poses(config.poses, torch.Generator().manual_seed(config.seed), config.pool)
    local_pool = local_directions(poses)
    optimizers = {
        "model": adam(model.parameters(), config.learning_rate, (0.5, 0.999)),
        "critic": adam(critic.parameters(), config.learning_rate, (0.5, 0.999)),
    }
    training = Training({"model": model, "critic": critic}, optimizers, generator, settings_of("aae", config, setup))

    def step(number: int) -> dict[str, Tensor]:
        rows = torch.randint(len(poses), (config.batch,), generator=generator)
        canonical, local = poses[rows].to(setup.device), local_pool[rows].to(setup.device)
        prior = draw_embeddings(config.batch, generator).to(setup.device)
        return training_step(model, critic, canonical, local, prior, optimizers, config)

    record = loop.run(
        f"autoencoder on {config.poses}", training, step, config.steps, config.every, setup, model,
        rate=lambda number: learning_rate_factor(number, config.steps),
    )  # fmt: skip
    return model.eval(), record


def training_step(
    model: PoseAutoencoder,
    critic: nn.Module,
    canonical: Tensor,
    local: Tensor,
    prior: Tensor,
    optimizers: Mapping[str, torch.optim.Optimizer],
    config: TrainingConfig,
) -> dict[str, Tensor]:
    """One step of the critic, then one of Phi and Psi.

        L_cyc = |p_c - FK Psi Phi T_L(p_c)| + |phi - Phi Psi(phi)|,  L_adv = (1 - D(Psi(phi)))^2

    Phi has no part in L_adv, so that it descends L_cyc alone, and Psi the sum. In the paper the phi of the second term
    is the embedding of a pose, phi_pose, which `cycle="poses"` takes. With "prior" it is drawn from the cube, as that
    of L_adv is: a cycle over embeddings of poses alone says nothing of the rest of the cube, from which
    `PoseAutoencoder.sample` draws, and an encoder that answers the same for every pose brings them back at no cost.

    Args:
        model: Phi and Psi.
        critic: the discriminator D of local poses.
        canonical: (B, 17, 3) real poses p_c in mm.
        local: (B, 17, 3) their local directions T_L(p_c).
        prior: (B, 32) embeddings phi from U[-1, 1]^32.
        optimizers: "model" and "critic".
        config: weights, and which embeddings are to come back.

    Returns:
        the losses: "pose" (mean distance of a joint in metres, the pelvis among them), "embedding" (mean absolute
        difference), "adversarial" and the critic's.

    Source: CrossModal, supplement, eq. 1.
    """
    drawn = model.decoder(prior)
    critic_loss = lsgan_discriminator_loss(critic(local), critic(drawn.detach()))
    loop.descend(critic_loss, optimizers["critic"], config.clip, {"critic": critic_loss})
    own = model.encode(local)
    there = model.decoder(own)
    start, seen = (prior, drawn) if config.cycle == "prior" else (own, there)
    losses = {
        "pose": (join_local(there) - canonical).norm(dim=-1).mean() / METRE,
        "embedding": (model.encode(seen) - start).abs().mean(),
        "adversarial": lsgan_generator_loss(critic(drawn)),
    }
    total = losses["pose"] + losses["embedding"] + config.adversarial * losses["adversarial"]
    loop.descend(total, optimizers["model"], config.clip, losses)
    return {**losses, "critic": critic_loss}


def main(arguments: list[str] | None = None) -> None:
    """Train one autoencoder, write it and what was measured."""
    defaults = TrainingConfig()
    parser = argparse.ArgumentParser(prog="python -m napa_lib.sampling.train", description=main.__doc__)
    parser.add_argument("--poses", choices=SOURCES, default=defaults.poses, help="what to train on")
    parser.add_argument("--pool", type=int, metavar="N", help=f"how many artificial poses to train on ({POOL})")
    parser.add_argument("--cycle", choices=CYCLES, default=defaults.cycle, help="embeddings that are to come back")
    parser.add_argument("--steps", type=int, default=defaults.steps)
    parser.add_argument("--batch", type=int, default=defaults.batch)
    parser.add_argument("--learning-rate", type=float, default=defaults.learning_rate)
    parser.add_argument("--adversarial", type=float, default=defaults.adversarial, help="weight of L_adv")
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--device", default="cpu", help="auto, cpu, cuda or mps")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="safetensors file to write")
    parser.add_argument("--results", type=Path, metavar="FILE", help="JSON file for what was measured")
    options = parser.parse_args(arguments)
    with loop.command():
        for file in filter(None, (options.out, options.results)):
            prepare_file(file)
        config = TrainingConfig(
            poses=options.poses, pool=options.pool, cycle=options.cycle, steps=options.steps, batch=options.batch,
            learning_rate=options.learning_rate, adversarial=options.adversarial, seed=options.seed,
        )  # fmt: skip
        validation = mocap_poses("validation")
        measure: Callable = lambda model: measure_autoencoder(model, validation, 2000)  # noqa: E731
        setup = Setup(choose_device(options.device), checkpoint=options.out.with_suffix(".checkpoint.safetensors"),
                      measure=measure)  # fmt: skip
        started = time.monotonic()
        model, record = train_autoencoder(config, setup)
        model.cpu()
        save_autoencoder(options.out, model)
        found = {"validation": measure(model), "test": measure_autoencoder(model, mocap_poses("test"), 10_000)}
        if options.results:
            command = results.command_line("python -m napa_lib.sampling.train", arguments)
            seconds = max(time.monotonic() - started, record[-1]["seconds"])  # of all calls, where it was interrupted
            results.write(options.results, {**found, "record": record}, command, seconds, config,
                          config.seed, config.steps, setup.device)  # fmt: skip
    print(f"wrote {options.out}; {found['test']}")


if __name__ == "__main__":
    main()
