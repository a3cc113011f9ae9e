"""Weights that are damaged, or whose metadata lack something or say something else than a network."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
import torch

import napa_lib.adversarial.store as adversarial
from napa_lib.adaptation.store import load_regressor, load_source, load_transfer
from napa_lib.bottleneck.smuggle import load_smuggler
from napa_lib.bottleneck.store import load_model
from napa_lib.data import asset_path
from napa_lib.engine import CheckpointError, load_tensors, save_tensors
from napa_lib.lifting import BoneStandardizer, load_depth_net
from napa_lib.multiperson.store import load_network
from napa_lib.networks import warm_pose_net
from napa_lib.networks.drawn_pose_net import load_drawn_pose_net
from napa_lib.networks.movenet import load_movenet
from napa_lib.networks.pose_ensemble import load_pose_ensemble
from napa_lib.networks.pose_net import load_pose_net
from napa_lib.pose import PoseEstimator
from napa_lib.sampling.store import load_autoencoder
from napa_lib.style import load_stylizer

LOADERS = {
    "stylizer_pool": (load_stylizer, "norm"),
    "flexpose_source": (load_source, "config"),
    "flexpose_beta": (load_regressor, "config"),
    "flexpose_tau_Yoga_UpwardSalute": (load_transfer, "config"),
    "keypointgan_ours": (load_model, "kind"),
    "adversarial_full": (adversarial.load_model, "sources"),
    "multiperson_lifter": (partial(load_network, kind="lifter"), "config"),
    "pose_net": (load_pose_net, "width"),
}
CONFIGURED = [name for name in LOADERS if name not in ("stylizer_pool", "pose_net")]
EVERY = {name: load for name, (load, _) in LOADERS.items()} | {
    "depthnet_tiny": load_depth_net,
    "keypointgan_smuggler": load_smuggler,
    "pose_autoencoder_limits": load_autoencoder,
    "warm_pose_net": warm_pose_net.load_warm_pose_net,
    "pose_ensemble": load_pose_ensemble,
    "movenet": load_movenet,
    "drawn_pose_net": load_drawn_pose_net,
}


def stored(name: str) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    return load_tensors(asset_path(f"weights/{name}.safetensors"))


@pytest.mark.parametrize("name", LOADERS)
def test_what_the_metadata_lack_is_named(name, tmp_path):
    load, needed = LOADERS[name]
    tensors, metadata = stored(name)
    file = tmp_path / "m.safetensors"
    save_tensors(file, tensors, {key: value for key, value in metadata.items() if key != needed})
    with pytest.raises(CheckpointError, match=f"m.safetensors does not tell the '{needed}'"):
        load(file)


@pytest.mark.parametrize("name", [*CONFIGURED, "depthnet_tiny"])
@pytest.mark.parametrize("config", ['{"banana": 1}', "{}", "[]", "null", "banana"])
def test_an_odd_configuration_is_named(name, config, tmp_path: Path):
    tensors, metadata = stored(name)
    save_tensors(tmp_path / "m.safetensors", tensors, {**metadata, "config": config})
    with pytest.raises(CheckpointError, match="m.safetensors"):
        EVERY[name](tmp_path / "m.safetensors")


@pytest.mark.parametrize(("name", "field", "value"), [
    ("depthnet_tiny", "preset", "banana"), ("depthnet_tiny", "preset", []), ("depthnet_tiny", "sees", 5),
    ("flexpose_source", "size", "x"), ("flexpose_source", "latent", -1), ("flexpose_source", "channels", [-1, 1.5]),
    ("flexpose_source", "color", "x"), ("flexpose_beta", "width", -1), ("flexpose_beta", "halvings", 0),
    ("flexpose_tau_Yoga_UpwardSalute", "widths", "x"), ("keypointgan_ours", "bottleneck", "x"),
    ("keypointgan_ours", "width", -1), ("keypointgan_ours", "gamma", None), ("adversarial_full", "stacks", 1.5),
    ("adversarial_full", "channels", -4), ("adversarial_full", "skeleton", "banana"),
    ("multiperson_lifter", "preset", None),
])  # fmt: skip
def test_a_setting_that_makes_no_network_is_named(name, field, value, tmp_path: Path):
    tensors, metadata = stored(name)
    config = json.dumps({**json.loads(metadata["config"]), field: value})
    save_tensors(tmp_path / "m.safetensors", tensors, {**metadata, "config": config})
    with pytest.raises(CheckpointError, match="m.safetensors"):
        EVERY[name](tmp_path / "m.safetensors")


@pytest.mark.parametrize("name", EVERY)
def test_a_damaged_file_is_named(name, tmp_path: Path):
    """Each loader refuses a file cut in half, one without metadata, and a tensor gone, foreign, or of odd numbers."""
    load, file = EVERY[name], tmp_path / "m.safetensors"
    tensors, metadata = stored(name)
    content = asset_path(f"weights/{name}.safetensors").read_bytes()
    first = next(n for n in tensors if n.endswith(("weight", "calibration", "std", "blocks.1")))
    changes = [
        {n: t for n, t in tensors.items() if n != first},
        {**tensors, first: torch.zeros(3, 3, 3, dtype=tensors[first].dtype)},
    ]
    if (scale := f"{first}.scale") in tensors:  # in 8 bits
        changes += [{n: t for n, t in tensors.items() if n != f"{first}.shape"}, {**tensors, scale: torch.ones(3, 7)},
                    {**tensors, scale: torch.full_like(tensors[scale], torch.inf)}]  # fmt: skip
    elif tensors[first].is_floating_point():
        changes += [{**tensors, first: torch.full_like(tensors[first], number)} for number in (torch.nan, torch.inf)]

    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match="m.safetensors"):
        load(file)
    for some, header in [(tensors, {}), *((changed, metadata) for changed in changes)]:
        save_tensors(file, some, header)
        with pytest.raises(CheckpointError, match="m.safetensors"):
            load(file)


@pytest.mark.parametrize(("name", "value"), [("std", 0.0), ("std", torch.nan), ("mean", torch.inf)])
def test_bone_statistics_that_no_pose_has(name, value, tmp_path):
    tensors, metadata = stored("depthnet_tiny")
    tensors[f"bones/{name}"][3, 1] = value
    save_tensors(tmp_path / "m.safetensors", tensors, metadata)
    with pytest.raises(CheckpointError, match="m.safetensors holds"):
        BoneStandardizer.load(tmp_path / "m.safetensors")


@pytest.mark.parametrize("size", ["x", None, -32, 0, 33])
def test_a_size_that_no_crop_has(size, tmp_path):
    tensors, metadata = stored("pose_net")
    save_tensors(tmp_path / "m.safetensors", tensors, {**metadata, "config": json.dumps({"size": size})})
    with pytest.raises(CheckpointError, match="does not tell the side of its crops, a multiple of 32"):
        PoseEstimator.from_pretrained(tmp_path / "m.safetensors", "cpu")


@pytest.mark.parametrize("name", ["pose_net", "depthnet_tiny"])
@pytest.mark.parametrize("config", ["null", "[]", "{", '"x"', '{"size": "x", "sees": "bones", "preset": []}'])
def test_a_configuration_that_is_none_is_named(name, config, tmp_path):
    tensors, metadata = load_tensors(asset_path(f"weights/{name}.safetensors"))
    file = tmp_path / "m.safetensors"
    save_tensors(file, tensors, {**metadata, "config": config})
    with pytest.raises(CheckpointError, match="m.safetensors does not tell"):
        PoseEstimator.from_pretrained(file, "cpu") if name == "pose_net" else load_depth_net(file)
