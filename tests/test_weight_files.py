"""Weights of the right format whose metadata lack something, or say something else than a network."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

import napa_lib.adversarial.store as adversarial
from napa_lib.adaptation.store import load_regressor, load_source, load_transfer
from napa_lib.bottleneck.store import load_model
from napa_lib.data import asset_path
from napa_lib.engine import CheckpointError, load_tensors, save_tensors
from napa_lib.lifting import load_depth_net
from napa_lib.multiperson.store import load_network
from napa_lib.networks.pose_net import load_pose_net
from napa_lib.pose import PoseEstimator
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


@pytest.mark.parametrize("name", LOADERS)
def test_what_the_metadata_lack_is_named(name, tmp_path):
    load, needed = LOADERS[name]
    tensors, metadata = load_tensors(asset_path(f"weights/{name}.safetensors"))
    file = tmp_path / "m.safetensors"
    save_tensors(file, tensors, {key: value for key, value in metadata.items() if key != needed})
    with pytest.raises(CheckpointError, match=f"m.safetensors does not tell the '{needed}'"):
        load(file)


@pytest.mark.parametrize("name", CONFIGURED)
@pytest.mark.parametrize("config", ['{"banana": 1}', "{}", "[]", "banana"])
def test_an_odd_configuration_is_named(name, config, tmp_path: Path):
    tensors, metadata = load_tensors(asset_path(f"weights/{name}.safetensors"))
    save_tensors(tmp_path / "m.safetensors", tensors, {**metadata, "config": config})
    with pytest.raises(ValueError):
        LOADERS[name][0](tmp_path / "m.safetensors")


@pytest.mark.parametrize("name", ["pose_net", "depthnet_tiny"])
@pytest.mark.parametrize("config", ["null", "[]", "{", '"x"', '{"size": "x", "sees": "bones", "preset": []}'])
def test_a_configuration_that_is_none_is_named(name, config, tmp_path):
    tensors, metadata = load_tensors(asset_path(f"weights/{name}.safetensors"))
    file = tmp_path / "m.safetensors"
    save_tensors(file, tensors, {**metadata, "config": config})
    with pytest.raises(CheckpointError, match="m.safetensors does not tell"):
        PoseEstimator.from_pretrained(file, "cpu") if name == "pose_net" else load_depth_net(file)
