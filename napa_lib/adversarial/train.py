"""The three trainings: of the 2D module, of the whole estimator, and of the estimator against the discriminator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import nn

from napa_lib.adversarial.config import TrainingConfig
from napa_lib.adversarial.discriminator import MultiSourceDiscriminator, evidence_of_estimate, evidence_of_pose
from napa_lib.adversarial.domains import Batch, Domain, batches
from napa_lib.adversarial.losses import adversarial_losses, pose_losses
from napa_lib.adversarial.networks import Generator
from napa_lib.engine import learning_rate_factor, seed_everything
from napa_lib.loop import HERE, Losses, Record, Setup, Training, adam, descend, on_device, run, settings_of
from napa_lib.networks.gan import bce_generator_loss
from napa_lib.networks.hourglass import stacks_loss
from napa_lib.networks.normalization import settle_normalization

GENERATOR_BETAS, CRITIC_BETAS = (0.9, 0.999), (0.5, 0.999)
SAME = 1e-4  # scores of a batch that differ by less say the same of every pose
PATIENCE = 50  # steps for which a discriminator may do so
SETTLING = 10  # batches over which batch normalisation's statistics are taken anew before a measurement


class CollapseError(FloatingPointError):
    """A discriminator that says the same of every pose: it teaches nothing any more."""


def pretrain_2d(config: TrainingConfig, wild: Domain, setup: Setup = HERE) -> tuple[Generator, Record]:
    """Train the 2D module alone, on the 2D labels of pictures in the wild; the depth regressor stays random.

    Args:
        config: what to train; `sources` and `fix_2d` are not looked at.
        wild: pictures with 2D labels.
        setup: where and how to compute.

    Returns:
        the generator and the record.

    Raises:
        ValueError: if domain or checkpoint do not fit the config.
        FloatingPointError: if a loss is not finite; the last checkpoint is kept.

    Source: AdvPose, section 5 ("we first pretrain the 2D pose estimator on the MPII dataset").
    """
    _check_domain("wild", wild, config)
    generator = seed_everything(config.seed)
    model = on_device(setup.device, Generator(config.model))
    adams = {"hourglass": adam(model.hourglass.parameters(), config.learning_rate, GENERATOR_BETAS)}
    drawn = _draw([wild], config, generator, setup)

    def step(number: int) -> Losses:
        batch = next(drawn)
        with setup.autocast():
            found = model.hourglass(batch.image)
        losses = {"heatmaps": stacks_loss(found.heatmaps, batch.keypoints)}
        descend(losses["heatmaps"], adams["hourglass"], config.clip, losses)
        return losses

    training = Training({"model": model}, adams, generator, settings_of("2d", config, setup))
    settle = _settle(model.hourglass, [wild], config, setup)
    record = run(
        "2D module", training, step, config.steps, config.every, setup, model, rate=_rate(config), settle=settle
    )
    return model.eval(), record


def train_estimator(
    config: TrainingConfig,
    lab: Domain,
    wild: Domain,
    setup: Setup = HERE,
    start: Generator | None = None,
    judge: MultiSourceDiscriminator | None = None,
) -> tuple[Generator, MultiSourceDiscriminator | None, Record]:
    """Train the whole estimator on both domains, with a discriminator where `config.sources` names what it sees.

    Args:
        config: what to train.
        lab: pictures with 3D labels.
        wild: pictures with 2D labels; 3D labels are not looked at.
        setup: where and how to compute.
        start: a generator to go on from; None to begin at random.
        judge: a discriminator to go on from, which sees `config.sources`; None to begin at random.

    Returns:
        the generator, the discriminator if there is one, and the record. Besides the losses, the record holds the mean
        probability that the discriminator gives true and estimated poses, `true` and `estimated`.

    Raises:
        ValueError: if domains, start, judge or checkpoint do not fit the config.
        FloatingPointError: if a loss is not finite, or the discriminator collapses; the last checkpoint is kept.

    Source: AdvPose, section 4 (eq. 2 without a discriminator, eq. 3 and 5 with one).
    """
    if lab.poses is None:
        raise ValueError("lab must have 3D labels, got none")
    _check_domain("lab", lab, config)
    _check_domain("wild", wild, config)
    seen = (~lab.depths.isnan()).any(0).tolist()  # by holes in all true poses a discriminator would know estimates
    if missing := [joint for joint, known in zip(config.model.body.joints, seen, strict=True) if not known]:
        raise ValueError(f"lab must label each joint in 3D, none of its poses has {', '.join(missing)}")
    domains = [lab, wild.without_3d()]
    generator = seed_everything(config.seed)
    model = on_device(setup.device, Generator(config.model))
    if start is not None:
        if start.config != config.model:
            raise ValueError(f"start must be of the config's model {config.model}, got {start.config}")
        model.load_state_dict(start.state_dict())
    if config.fix_2d:
        model.freeze_2d()
    trained = [p for p in model.parameters() if p.requires_grad]
    adams = {"generator": adam(trained, config.learning_rate, GENERATOR_BETAS)}
    models: dict[str, nn.Module] = {"model": model}
    critic = None
    if judge is not None and judge.sources != config.sources:
        raise ValueError(f"judge must see the config's sources {config.sources}, got one that sees {judge.sources}")
    if config.sources:
        critic = on_device(setup.device, MultiSourceDiscriminator(config.sources, config.model))
        if judge is not None:
            critic.load_state_dict(judge.state_dict())
        adams["critic"] = adam(critic.parameters(), config.critic_learning_rate, CRITIC_BETAS)
        models["critic"] = critic
    drawn, watch = _draw(domains, config, generator, setup), CollapseWatch()

    def step(number: int) -> Losses:
        if critic is None:
            return supervised_step(model, adams, next(drawn), config, setup)
        losses = adversarial_step(model, critic, adams, next(drawn), config, setup)
        watch(losses)
        return losses

    training = Training(models, adams, generator, settings_of("estimator", config, setup))
    settle = _settle(model, domains, config, setup)
    record = run(
        "estimator", training, step, config.steps, config.every, setup, model, rate=_rate(config), settle=settle
    )
    return model.eval(), None if critic is None else critic.eval(), record


def supervised_step(
    model: Generator,
    adams: Mapping[str, torch.optim.Optimizer],
    batch: Batch,
    config: TrainingConfig,
    setup: Setup = HERE,
) -> Losses:
    """One step down eq. 2."""
    with setup.autocast():
        found = model(batch.image)
    heatmaps, depths = pose_losses(found, batch.keypoints, batch.depths)
    losses = {"heatmaps": heatmaps, "depths": depths}
    descend(heatmaps + config.depth * depths, adams["generator"], config.clip, losses)
    return losses


def adversarial_step(
    model: Generator,
    critic: MultiSourceDiscriminator,
    adams: Mapping[str, torch.optim.Optimizer],
    batch: Batch,
    config: TrainingConfig,
    setup: Setup = HERE,
) -> Losses:
    """One step of the estimator down eq. 5, then one of the discriminator down eq. 3.

    The estimator answers for all pictures of the batch. The discriminator sees as many true poses as estimated ones:
    those of the lab's pictures, which are the first half, and every second estimate, from the lab and the wild alike.

    Args:
        model, critic, adams: what is trained; `adams` has "generator" and "critic".
        batch: half from the lab, half from the wild.
        config: weights of the losses.
        setup: where and how to compute.

    Returns:
        the losses, unweighted, and what the discriminator said: the means of its probabilities, and the spread of its
        scores.

    Source: AdvPose, section 4.2.
    """
    critic.requires_grad_(False)
    with setup.autocast():
        found = model(batch.image)
        fake = evidence_of_estimate(batch.image, found)
        fooling = bce_generator_loss(critic(fake))
    heatmaps, depths = pose_losses(found, batch.keypoints, batch.depths)
    losses = {"heatmaps": heatmaps, "depths": depths, "fooling": fooling}
    total = heatmaps + config.depth * depths + config.adversarial * fooling
    descend(total, adams["generator"], config.clip, losses)

    critic.requires_grad_(True)
    half = len(batch.image) // 2
    real = evidence_of_pose(batch.image[:half], batch.pose[:half])
    with setup.autocast():
        on_real, on_fake = critic(real).float(), critic(fake.take(slice(None, None, 2)).detach()).float()
    losses["discriminator"] = adversarial_losses(on_real, on_fake).discriminator
    descend(losses["discriminator"], adams["critic"], config.clip, losses)
    with torch.no_grad():
        spread = torch.cat([on_real, on_fake]).std()
        losses |= {"true": on_real.sigmoid().mean(), "estimated": on_fake.sigmoid().mean(), "spread": spread}
    return losses


class CollapseWatch:
    """Counts the steps since the discriminator last told two poses apart."""

    def __init__(self, patience: int = PATIENCE) -> None:
        self.patience, self.steps = patience, 0

    def __call__(self, losses: Losses) -> None:
        """Look at the `spread` of a step's scores.

        Raises:
            CollapseError: after `patience` steps with one score for all.
        """
        self.steps = self.steps + 1 if float(losses["spread"]) < SAME else 0
        if self.steps >= self.patience:
            raise CollapseError(
                f"the discriminator has said the same of every pose for {self.patience} steps: it has collapsed. "
                f"Start it anew with a smaller critic_learning_rate or other sources"
            )


def _rate(config: TrainingConfig) -> Callable[[int], float]:
    """Learning rates rise over the first tenth of the steps, then fall along half a cosine; the paper gives none."""
    return lambda step: learning_rate_factor(step, config.steps)


def _check_domain(name: str, domain: Domain, config: TrainingConfig) -> None:
    if domain.size != config.model.size or domain.skeleton != config.model.body.name:
        wanted, got = f"{config.model.size} px, {config.model.body.name}", f"{domain.size} px, {domain.skeleton}"
        raise ValueError(f"{name} must be of {wanted} as the model, got {got}")


def _draw(
    domains: Sequence[Domain], config: TrainingConfig, generator: torch.Generator, setup: Setup
) -> Iterator[Batch]:
    return (batch.to(setup.device) for batch in batches(domains, config.batch, generator))


def _settle(network: nn.Module, domains: Sequence[Domain], config: TrainingConfig, setup: Setup) -> Callable[[], None]:
    """What takes batch normalisation's statistics anew, over batches of the domains."""

    def settle() -> None:
        drawn = _draw(domains, config, torch.Generator().manual_seed(config.seed), setup)

        def forward() -> None:
            with setup.autocast():
                network(next(drawn).image)

        settle_normalization(network, forward, SETTLING)

    return settle
