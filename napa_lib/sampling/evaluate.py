"""How good artificial poses are: do real ones keep the limits, could a body take them, are real ones among them?"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from napa_lib.data.mocap import list_mocap_clips, load_mocap
from napa_lib.engine import made_on_cpu
from napa_lib.geometry import canonical_to_local, to_canonical
from napa_lib.sampling.anatomy import intersects_itself, limbs_allowed
from napa_lib.sampling.limits import SKELETON, JointLimits, inside_limits
from napa_lib.sampling.networks import PoseAutoencoder, draw_embeddings
from napa_lib.sampling.sample import BONE_LENGTHS, join_local
from napa_lib.skeletons import convert


def mocap_poses(split: str) -> Tensor:
    """Canonical motion-capture poses of one part of the split, (N, 17, 3) in mm, with the bones as long as ours.

    The body's own bones vary where its back bends and its head turns; with `BONE_LENGTHS` a pose is its directions.
    """
    return torch.cat([clip_poses(name) for name in list_mocap_clips(split)])


def clip_poses(name: str) -> Tensor:
    """The same for one clip, in the order of its frames."""
    poses = convert(load_mocap(name).poses, "NAPA18", SKELETON)
    return join_local(local_directions(to_canonical(poses, SKELETON)[0]))


def local_directions(canonical: Tensor) -> Tensor:
    """p_l of canonical poses (..., 17, 3): unit vectors in the local frames, the root's zero."""
    return torch.nn.functional.normalize(canonical_to_local(canonical, SKELETON), dim=-1)


def share_inside(canonical: Tensor, limits: Mapping[str, JointLimits] | None = None) -> dict[str, float]:
    """Share of poses (N, 17, 3) inside the limits, by joint and, as "pose", with all joints at once."""
    inside = inside_limits(local_directions(canonical), limits)
    shares = {name: float(inside[:, j].float().mean()) for j, name in enumerate(SKELETON.joints) if j}
    return {**shares, "pose": float(inside.all(-1).float().mean())}


def implausible_share(canonical: Tensor) -> dict[str, float]:
    """Share of poses (N, 17, 3) in mm that a body could not take: by kind of limb, by intersection, by either.

    "leg" and "arm" are shares of limbs, "limbs" of poses with at least one such limb; see `anatomy`.
    """
    refused, clash = ~limbs_allowed(canonical), intersects_itself(canonical)
    return {
        "leg": float(refused[:, :2].float().mean()),
        "arm": float(refused[:, 2:].float().mean()),
        "limbs": float(refused.any(-1).float().mean()),
        "intersection": float(clash.float().mean()),
        "either": float((refused.any(-1) | clash).float().mean()),
    }


def nearest_distances(poses: Tensor, samples: Tensor, chunk: int = 20_000) -> Tensor:
    """How far each pose is from the nearest sample: root mean square over joints, (N,) mm.

    Args:
        poses: (N, J, 3) canonical.
        samples: (M, J, 3) canonical, M at least 1.
        chunk: samples at a time.

    Raises:
        ValueError: if the shapes do not fit, or there is no sample.
    """
    if poses.ndim != 3 or samples.ndim != 3 or poses.shape[1:] != samples.shape[1:] or not len(samples):
        raise ValueError(
            f"poses and samples must be (N, J, 3) and (M, J, 3), M > 0, got {poses.shape} and {samples.shape}"
        )
    flat = poses.flatten(1)
    best = torch.stack([torch.cdist(flat, part.flatten(1)).amin(1) for part in samples.split(chunk)]).amin(0)
    return best / poses.shape[1] ** 0.5


@made_on_cpu
def random_directions(n: int, generator: torch.Generator) -> Tensor:
    """Canonical poses (n, 17, 3) mm whose bones point anywhere, each direction as likely: what knows nothing of limits.

    Hips and shoulders still halve at pelvis and thorax, as the canonical frame demands.
    """
    bones = torch.randn(n, SKELETON.num_joints, 3, generator=generator)
    bones[:, SKELETON.index("r_hip"), 0] = 0.0
    bones[:, SKELETON.index("r_hip"), 1] = -bones[:, SKELETON.index("r_hip"), 1].abs()
    bones[:, SKELETON.index("thorax")] = torch.tensor([0.0, 0.0, 1.0])
    for part in ("hip", "shoulder"):
        bones[:, SKELETON.index(f"l_{part}")] = -bones[:, SKELETON.index(f"r_{part}")]
    bones[:, SKELETON.root] = 0.0
    return join_local(torch.nn.functional.normalize(bones, dim=-1), BONE_LENGTHS)


@torch.no_grad()
def measure_autoencoder(model: PoseAutoencoder, poses: Tensor, samples: int, seed: int = 0) -> dict:
    """What an autoencoder is worth on canonical poses (N, 17, 3) in mm that it has not seen.

    Returns:
        "reconstruction_mm", the mean distance of a joint from its place there and back; "embedding", the mean absolute
        difference of an embedding from the prior there and back; of `samples` embeddings from the prior, decoded, the
        share "inside" the limits and the shares that no body could take; and "nearest_mm", how far the poses are from
        the nearest of them.
    """
    device = next(model.parameters()).device
    prior, poses = draw_embeddings(samples, torch.Generator().manual_seed(seed)).to(device), poses.to(device)
    local = model.decoder(prior)
    drawn = join_local(local)
    found = model(local_directions(poses))
    return {
        "reconstruction_mm": float((found - poses).norm(dim=-1)[:, 1:].mean()),
        "embedding": float((model.encode(local) - prior).abs().mean()),
        "inside": share_inside(drawn)["pose"],
        "implausible": implausible_share(drawn),
        "nearest_mm": float(nearest_distances(poses, drawn).mean()),
    }
