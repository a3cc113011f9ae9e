"""What a training step changes: which parameters, at which rate."""

from __future__ import annotations

from torch import Tensor, nn

from napa_lib.networks.pose_net import PoseNet2D
from napa_lib.training.config import PoseTrainingConfig


class Trained(nn.Module):
    """A view of a network that shows only what training changes, so that checkpoints hold no embedded weights."""

    def __init__(self, network: PoseNet2D) -> None:
        super().__init__()
        self._network = [network]  # in a list, so that it is no submodule

    def state_dict(self, *args, **kwargs) -> dict[str, Tensor]:  # type: ignore[override]
        return self._network[0].trained_state()

    def load_state_dict(self, state_dict, *args, **kwargs):  # type: ignore[override]
        return self._network[0].load_state_dict(state_dict, strict=False)


def parameter_groups(network: PoseNet2D, config: PoseTrainingConfig) -> list[dict]:
    """The head at the full learning rate, the backbone's trained part at a share of it."""
    head = list(network.head.parameters())
    known = {id(p) for p in head}
    rest = [p for p in network.parameters() if p.requires_grad and id(p) not in known]
    groups = [{"params": head, "lr": config.learning_rate}]
    if rest:
        rate = config.learning_rate * config.backbone_rate
        groups.append({"params": rest, "lr": rate})
    return groups
