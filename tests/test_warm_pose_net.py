"""The warm-started pose network: its backbone answers as the original does, its head begins with nothing to say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d, max_pool2d

from napa_lib.data import load_paintings
from napa_lib.data.paintings import list_paintings
from napa_lib.engine import save_tensors
from napa_lib.networks.blazepose import BlazeBlock, BlazePose
from napa_lib.networks.pose_net import MIRRORED
from napa_lib.networks.warm_pose_net import (
    FORMAT,
    SIZE,
    VIEWS,
    WARM_JOINTS,
    WarmPoseNet,
    load_warm_backbone,
    load_warm_pose_net,
    save_warm_pose_net,
)
from napa_lib.pose import PoseEstimator
from napa_lib.skeletons import BLAZEPOSE33, NAPA18
from napa_lib.training import warm_start
from napa_lib.training.agree import NEAR, agreed_joints, main, moved, read_agreed
from napa_lib.training.pictures import PictureSet
from napa_lib.training.warm_start import WarmConfig, WarmSource, labelled, start_head, train_warm_head, warm_batch
from tests.descents import hear_descents

REFERENCE = Path(__file__).parent / "blazepose_reference.npz"
TINY = (16, 16, 16, 16)


@pytest.fixture(scope="module")
def warm() -> WarmPoseNet:
    return load_warm_backbone().eval()


def test_the_backbone_answers_as_the_original_program(warm):
    """`tools/reference_blazepose.py` ran that program; in full precision the largest difference is 0.002.

    As stored, 11 % of the maxima on whole paintings move by more than a cell: most of joints that nobody there has.
    """
    reference = np.load(REFERENCE)
    names = [painting.name for painting in list_paintings()][:10]
    pictures = torch.stack([(p * 255).round() / 255 for p in load_paintings(256, names)])
    with torch.no_grad():
        maps = torch.cat([warm.backbone(part).heatmaps for part in pictures.split(2)])
    assert np.abs(maps[:, :, ::8, ::8].numpy() - reference["cells"]).mean() < 0.35  # of a range of 110
    peaks, expected = maps.flatten(2).argmax(-1).numpy(), reference["peaks"]
    moved = np.hypot(peaks % 64 - expected % 64, peaks // 64 - expected // 64)
    assert (moved <= 1).mean() > 0.87


def test_every_layer_takes_part():
    torch.manual_seed(0)
    network = BlazePose()
    found = network(torch.rand(1, 3, 64, 64))
    (found.heatmaps.sum() + sum(tap.sum() for tap in found.taps)).backward()
    assert all(p.grad is not None for p in network.parameters())


def test_a_halving_block_pads_at_the_bottom_and_right():
    torch.manual_seed(0)
    block = BlazeBlock(4, 6, stride=2).double()
    x = torch.randn(1, 4, 8, 8, dtype=torch.float64)
    padded = torch.zeros(1, 4, 9, 9, dtype=torch.float64)
    padded[:, :, :8, :8] = x
    with torch.no_grad():
        each = conv2d(padded, block.each.weight, block.each.bias, stride=2, groups=4).clamp(0, 6)
        other = conv2d(each, block.across.weight, block.across.bias)
        other[:, :4] += max_pool2d(x, 2)
        np.testing.assert_allclose(block(x), other.clamp(0, 6), atol=1e-12)


def test_an_untrained_head_leaves_the_backbones_answer_alone(warm):
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        maps, theirs = warm(images).heatmaps, warm.backbone(images).heatmaps
    for name in WARM_JOINTS:
        expected = theirs[:, BLAZEPOSE33.index(name)].flatten(1).log_softmax(-1)
        np.testing.assert_allclose(maps[:, NAPA18.index(name)].flatten(1), expected, atol=1e-4)
    assert len(WARM_JOINTS) == 13
    np.testing.assert_allclose(maps[:, NAPA18.index("pelvis")], -np.log(16 * 16), atol=1e-4)  # says nothing


def test_an_opinion_of_the_mirror_image_is_that_of_the_picture():
    torch.manual_seed(0)
    network = WarmPoseNet(TINY).eval()
    torch.nn.init.normal_(network.head.correction.weight, std=0.3)
    images = torch.rand(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        plain = network.opinion(images, 192, False)
        turned = network.opinion(images.flip(-1), 192, True)
    np.testing.assert_allclose(turned[0].flip(-1)[:, MIRRORED], plain[0], atol=1e-3)
    np.testing.assert_allclose(turned[1][:, MIRRORED], plain[1], atol=1e-3)
    assert {mirrored for _, mirrored in VIEWS} == {False, True}


def test_the_confidence_is_a_weighted_sum():
    network = WarmPoseNet(TINY)
    network.calibration.copy_(torch.tensor([2.0, 0.5, -1.0]))
    start = torch.full((1, 13, 4, 4), -9.0)
    start[0, :, 1, 2] = torch.arange(13.0)  # its mean is 6
    assert network.calibrated(torch.ones(1, 18), start).tolist() == [[2.0 + 0.5 * 6.0 - 1.0] * 18]


def test_only_the_head_learns(warm):
    trained = {name for name, p in warm.named_parameters() if p.requires_grad}
    assert trained and all(name.startswith("head.") for name in trained)
    assert trained | {"calibration"} == set(warm.trained_state())


def test_saved_and_loaded(tmp_path):
    torch.manual_seed(0)
    network = load_warm_backbone(TINY).eval()
    torch.nn.init.normal_(network.head.correction.weight, std=0.1)
    network.calibration.copy_(torch.tensor([0.5, 0.25, 1.0]))
    save_warm_pose_net(tmp_path / "n.safetensors", network)
    again = load_warm_pose_net(tmp_path / "n.safetensors")
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        np.testing.assert_allclose(again(images).heatmaps, network(images).heatmaps, atol=0.05)
    assert again.calibration.tolist() == [0.5, 0.25, 1.0]
    estimator = PoseEstimator.from_pretrained(tmp_path / "n.safetensors", "cpu")
    assert isinstance(estimator.network, WarmPoseNet) and estimator.size == SIZE


def test_foreign_files_and_wrong_shapes_are_refused(tmp_path, warm):
    save_tensors(tmp_path / "other.safetensors", {"x": torch.zeros(1)})
    with pytest.raises(ValueError, match="no pose network"):
        load_warm_pose_net(tmp_path / "other.safetensors")
    for widths in ({}, {"widths": "64,96"}, {"widths": "wide"}):
        save_tensors(tmp_path / "other.safetensors", {"x": torch.zeros(1)}, {"format": FORMAT, **widths})
        with pytest.raises(ValueError, match="the four widths of its head"):
            load_warm_pose_net(tmp_path / "other.safetensors")
    for shape in ((1, 3, 64, 96), (1, 3, 60, 60), (3, 64, 64), (1, 1, 64, 64)):
        with pytest.raises(ValueError, match="images must be"):
            warm(torch.zeros(shape))


@pytest.fixture(scope="module")
def pictures() -> PictureSet:
    """Twelve grounds with a figure of eighteen bright points."""
    generator = torch.Generator().manual_seed(0)
    keypoints = 12 + 40 * torch.rand(12, 18, 2, generator=generator)
    images = torch.randint(0, 80, (12, 3, 64, 64), generator=generator, dtype=torch.uint8)
    rows = torch.arange(12)[:, None].expand(12, 18)
    images.permute(0, 2, 3, 1)[rows, keypoints[..., 1].long(), keypoints[..., 0].long()] = 255
    return PictureSet(images, keypoints)


def test_what_nobody_knows_is_no_loss(pictures):
    """Labels that are not complete: a missing one says nothing, in a batch and in the losses."""
    half = PictureSet(pictures.images, pictures.keypoints.clone())
    half.keypoints[:, :9] = torch.nan
    boxes = labelled(pictures, 1.0).boxes
    config = WarmConfig(batch=8, empty=0.0)

    def drawn(complete: bool) -> torch.Tensor:
        generator = torch.Generator().manual_seed(0)
        source = WarmSource(half, boxes, 1.0, complete)
        return warm_batch([source], config, 64, lambda x: x, generator)[1]

    sure, unsure = drawn(True), drawn(False)
    assert sure.isnan().any(-1).sum() >= 8 * 9 and not sure.isinf().any()
    assert (unsure.isinf().any(-1) == sure.isnan().any(-1)).all()
    np.testing.assert_allclose(unsure[~unsure.isinf()], sure[~sure.isnan()])


def test_taps_begin_on_one_scale(pictures):
    network = load_warm_backbone(TINY)
    crops = pictures.images[:4].float() / 255
    start_head(network, crops)
    with torch.no_grad():
        for lateral, tap in zip(network.head.laterals, network.features(crops)[1:], strict=True):
            out = lateral[0](tap)
            assert float(out.mean((0, 2, 3)).abs().max()) < 0.2
            assert 0.2 < float(out.std()) < 2


def test_training_lowers_its_loss(pictures):
    config = WarmConfig(widths=TINY, sizes=(64,), steps=60, batch=4, learning_rate=3e-3, kept=12)
    network, record = train_warm_head(config, [labelled(pictures, 1.0)], every=20)
    assert (
        record[-1]["heatmaps"] < record[0]["heatmaps"] - 0.2
        and record[-1]["confidence"] < record[0]["confidence"] - 0.1
    )
    assert record[-1]["step"] == 60 and not network.training
    assert not torch.equal(network.head.correction.weight, torch.zeros(18, 16, 1, 1))


def test_a_step_descends_the_heat_maps_and_twice_more_by_their_weights(pictures, monkeypatch):
    seen = hear_descents(monkeypatch, warm_start)
    config = WarmConfig(widths=TINY, sizes=(64,), steps=2, batch=4, kept=12, integral=3.0, confidence=0.7)
    train_warm_head(config, [labelled(pictures, 1.0)])
    assert len(seen) == 2
    for total, _, clip, losses in seen:
        expected = losses["heatmaps"] + 3 * losses["integral"] + 0.7 * losses["confidence"]
        assert total == pytest.approx(expected, rel=1e-5) and clip == 1.0 and min(losses.values()) > 0


class Says:
    """An estimator that says one thing of every picture."""

    def __init__(self, shift: float, sure: float) -> None:
        self.shift, self.sure = shift, sure

    def result(self):
        keypoints, confidence = torch.full((18, 2), 50.0), torch.ones(18)
        keypoints[:9] += self.shift
        confidence[12:] = self.sure
        parts = {"keypoints": keypoints, "confidence": confidence, "box": (0.0, 0.0, 100.0, 100.0)}
        return type("Result", (), parts)()


def test_agreement_is_a_small_distance_of_a_sure_joint():
    kept = agreed_joints(Says(0.0, 0.4).result(), Says(100 * NEAR + 1, 1.0).result())
    assert kept[:9].isnan().all() and kept[9:12].eq(50.0).all() and kept[12:].isnan().all()
    near = agreed_joints(Says(0.0, 1.0).result(), Says(1.0, 0.0).result())
    assert near[:9].eq(50.0).all() and near[12:].eq(50.0).all()  # the first look's place, and its confidence


class Sees:
    """An estimator that sees a figure in every picture, its joints in a row, and counts how often it is asked."""

    def __init__(self) -> None:
        self.boxes: list = []

    def predict(self, image, boxes=None):
        self.boxes.append(boxes)
        keypoints = torch.stack([torch.arange(18.0) + 20, torch.full((18,), 40.0)], 1)
        parts = {"keypoints": keypoints, "confidence": torch.ones(18), "box": (10.0, 10.0, 60.0, 60.0)}
        return [type("Result", (), parts)()]


def test_pictures_without_labels_get_some(tmp_path, monkeypatch):
    """Two looks at one figure; a picture to be left out is left out."""
    figure = (load_paintings(96, ["monalisa"])[0] * 255).round().byte().permute(1, 2, 0).numpy()
    from PIL import Image

    for name in ("one.png", "two.png"):
        Image.fromarray(figure).save(tmp_path / name)
    (tmp_path / "names.txt").write_text("two.png\n", encoding="utf-8")
    one, other = Sees(), Sees()
    networks = iter((one, other))
    monkeypatch.setattr(PoseEstimator, "from_pretrained", lambda file, device: next(networks))
    out = tmp_path / "agreed.safetensors"
    main(["--pictures", str(tmp_path), "--leave-out", str(tmp_path / "names.txt"), "--out", str(out)])
    found = read_agreed(out)
    assert found.images.shape == (1, 3, 320, 320)
    factor = 320 / (1.5 * 50)  # the picture shows one and a half times the box, whose middle is its own
    torch.testing.assert_close(found.keypoints[0, 15], torch.tensor([160.0, 160 + 5 * factor]) - 0.5, atol=1, rtol=0)
    torch.testing.assert_close(found.boxes[0, 2] - found.boxes[0, 0], torch.tensor(50 * factor), atol=0.1, rtol=0)
    assert one.boxes == [None] and other.boxes[0] == [moved((10.0, 10.0, 60.0, 60.0))]
    save_tensors(out, {"x": torch.zeros(1)})
    with pytest.raises(ValueError, match="holds no agreed figures"):
        read_agreed(out)
