"""Where torch's default device is another, as a notebook's first cell may set it, nothing lands there by accident."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from napa_lib import adaptation, adversarial, bottleneck, sampling
from napa_lib.adaptation.functional import nearest_pairs, smeared, told_apart
from napa_lib.adaptation.targets import artificial_poses, source_poses
from napa_lib.bottleneck.smuggle import load_smuggler
from napa_lib.data import asset_path, load_art_figures, load_mocap_poses
from napa_lib.data.painted_people import load_painted_people
from napa_lib.data.two_people import load_two_people
from napa_lib.data.video import load_cameras, load_video_poses
from napa_lib.geometry.cameras import look_at
from napa_lib.lifting import lift, load_depth_net
from napa_lib.multiperson.store import load_encoder
from napa_lib.multiperson.whole import CrossModalNet
from napa_lib.networks import load_drawn_pose_net
from napa_lib.networks.movenet import load_movenet
from napa_lib.networks.pose_ensemble import load_pose_ensemble
from napa_lib.networks.pose_net import load_pose_net
from napa_lib.networks.pose_tree import load_pose_tree
from napa_lib.networks.warm_pose_net import load_warm_backbone
from napa_lib.pose import PoseEstimator
from napa_lib.rendering import (
    render_blobs,
    render_bone_map,
    render_depth_maps,
    render_heatmaps,
    render_part_affinity_fields,
    render_skeleton,
    render_stick_figure,
)
from napa_lib.skeletons import COCO17, NAPA18, convert
from napa_lib.style import load_stylizer, stylize

STICK_MAN = "stick_men/sm_022.webp"


@pytest.fixture(autouse=True)
def elsewhere():
    """`meta` stands in for a GPU: its tensors hold no numbers, so that any use of one is an error."""
    with torch.device("meta"):
        yield


@pytest.fixture
def points():
    return 40 * torch.rand(2, 18, 2, device="cpu", generator=torch.Generator("cpu").manual_seed(0))


def test_the_estimator_looks_where_it_was_told_to():
    estimator = PoseEstimator.from_pretrained(device="cpu")
    picture = asset_path(STICK_MAN)
    found = [*estimator.predict(picture, [[10.0, 10.0, 400.0, 460.0]]), *next(estimator.predict_many([picture]))]
    found += estimator.predict(picture, joint_set="COCO17", many=True)
    assert {part.device.type for one in found for part in (one.keypoints, one.pose, one.confidence)} == {"cpu"}
    assert all(module.device.type == "cpu" for network in estimator.detectors for module in network.parameters())


def test_lifting(points):
    poses = lift(points, *load_depth_net())
    assert poses.device.type == "cpu" and bool(poses.isfinite().all())


def test_stylising():
    styled = stylize(torch.rand(1, 3, 64, 64, device="cpu"), load_stylizer("kandinky"))
    assert styled.device.type == "cpu" and bool(styled.isfinite().all())


@pytest.mark.parametrize(
    "draw",
    [
        lambda x: render_bone_map(x, NAPA18, 48, 4.0),
        lambda x: render_skeleton(x / 20 - 1, NAPA18.bones, 32),
        lambda x: render_heatmaps(x, 48, 2.0),
        lambda x: render_blobs(x / 20 - 1, 32),
        lambda x: render_part_affinity_fields(x, NAPA18, 48, 2.0),
        lambda x: render_depth_maps(x, x[..., 0], 48, 0.05),
        lambda x: render_stick_figure(x, NAPA18, 48, 2.0),
        lambda x: convert(x, NAPA18, COCO17).nan_to_num(),
        lambda x: look_at(*(x[0, j].repeat(2)[:3] for j in range(3)), 500.0, (20, 20)).K,
    ],
    ids=["bone map", "skeleton", "heat maps", "blobs", "fields", "depth maps", "stick figure", "convert", "look_at"],
)
def test_what_is_drawn_is_where_its_points_are(points, draw):
    drawn = draw(points.requires_grad_())
    assert drawn.device.type == "cpu"
    if drawn.requires_grad:
        drawn.sum().backward()
        assert bool(points.grad.isfinite().all())


def places(found) -> set[str]:
    """Where all tensors are that a loader handed on, in networks, in dataclasses, and in collections of them."""
    if isinstance(found, torch.Tensor):
        return {found.device.type}
    if isinstance(found, torch.nn.Module):
        return {part.device.type for part in found.state_dict().values()}
    if isinstance(found, dict) or hasattr(found, "__dict__"):
        found = list((found if isinstance(found, dict) else vars(found)).values())
    return set().union(*map(places, found)) if isinstance(found, list | tuple) else set()


@pytest.mark.parametrize(
    "load",
    [
        adaptation.load_pretrained,
        adaptation.load_pretrained_transfer,
        adversarial.load_pretrained,
        bottleneck.load_pretrained,
        load_smuggler,
        CrossModalNet.from_pretrained,
        load_encoder,
        sampling.load_pretrained,
        load_drawn_pose_net,
        load_movenet,
        load_pose_ensemble,
        load_pose_net,
        load_pose_tree,
        load_warm_backbone,
        load_art_figures,
        partial(load_cameras, "single"),
        partial(load_mocap_poses, "train"),
        load_painted_people,
        load_two_people,
        load_video_poses,
    ],
    ids=lambda load: getattr(load, "func", load).__module__ + "." + getattr(load, "func", load).__name__,
)
def test_what_ships_is_on_the_cpu(load):
    assert places(load()) == {"cpu"}


@pytest.mark.parametrize(
    "draw",
    [
        lambda g: sampling.sample_poses(3, generator=g, conditioned=True),
        lambda g: sampling.random_directions(3, g),
        lambda g: sampling.anatomical_poses(3, g),
        lambda g: sampling.load_pretrained().sample(3, g),
        lambda g: source_poses(3, g),
        lambda g: artificial_poses(3, g),
        lambda g: adaptation.pose_mixup(source_poses(3, g), 3, g),
        lambda g: adaptation.sample_poses(*adaptation.load_pretrained(), 3, g),
    ],
    ids=["limits", "directions", "anatomical", "autoencoder", "mocap", "artificial", "mixup", "FlexPose"],
)
def test_poses_are_drawn_where_their_generator_is(draw):
    poses = draw(torch.Generator("cpu").manual_seed(0))
    assert poses.device.type == "cpu" and bool(poses.isfinite().all())


def test_sets_of_poses_are_compared_where_they_are(points):
    shown = smeared(points, points, 0 * points, 1, torch.Generator("cpu").manual_seed(0))
    assert torch.equal(shown, points) and nearest_pairs(points, points).tolist() == [0, 1]
    assert told_apart(points, points) == 0
