"""The pose network as ONNX: the same numbers from another program, or no file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from napa_lib import cli
from napa_lib.data import load_paintings
from napa_lib.networks import PosePrediction
from napa_lib.pose import PoseEstimator, export


def test_a_prediction_is_a_tree_to_torch():
    prediction = PosePrediction(torch.zeros(1, 18, 2), torch.ones(1, 18), torch.rand(1, 18, 4, 4))
    leaves, form = torch.utils._pytree.tree_flatten(prediction)
    assert [leaf.shape for leaf in leaves] == [(1, 18, 2), (1, 18), (1, 18, 4, 4)]
    again = torch.utils._pytree.tree_unflatten(leaves, form)
    assert isinstance(again, PosePrediction) and again.heatmaps is prediction.heatmaps


def test_the_shipped_network_on_ten_pictures(tmp_path, capsys):
    """What `napa export` writes, on ten paintings in one batch, within a thousandth of a pixel."""
    file = tmp_path / "pose.onnx"
    assert cli.main(["export", "--onnx", str(file)]) == 0
    said = capsys.readouterr()
    assert "within" in said.out and "crops (B, 3" in said.out and said.err == ""
    assert [p.name for p in tmp_path.iterdir()] == ["pose.onnx"]
    estimator = PoseEstimator.from_pretrained(device="cpu")
    crops = torch.stack(load_paintings(estimator.size)[:10])
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    assert [output.name for output in session.get_outputs()] == list(export.OUTPUTS)
    keypoints, confidence, _ = session.run(None, {"crops": crops.numpy()})
    with torch.no_grad():
        expected = estimator.network(crops)
    assert np.linalg.norm(keypoints - expected.keypoints.numpy(), axis=-1).max() < 1e-3
    np.testing.assert_allclose(confidence, expected.confidence, atol=1e-3)


class Unsteady(nn.Module):
    """Answers differently in another program: it looks at whether it is being exported."""

    def forward(self, images: torch.Tensor) -> PosePrediction:
        shift = 0.01 if torch.compiler.is_exporting() else 0.0
        points = images.mean((2, 3))[:, None, :2].expand(-1, 18, -1) + shift
        return PosePrediction(points, points[..., 0], images[:, :1].expand(-1, 18, -1, -1))


def test_a_file_that_differs_is_not_kept(tmp_path):
    with pytest.raises(ValueError, match="0.01[0-9]* px from the network's; nothing is written"):
        export.write_onnx(Unsteady(), 8, tmp_path / "x.onnx")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_exported_is_said(tmp_path, capsys):
    for file, weights in ((tmp_path, None), (tmp_path / "no" / "x.onnx", None), (tmp_path / "x.onnx", "none")):
        words = ["export", "--onnx", str(file), *(["--weights", str(Path(weights))] if weights else [])]
        assert cli.main(words) == 1
        assert capsys.readouterr().err.startswith("napa export: ")
