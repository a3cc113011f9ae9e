"""The estimator: right places in every kind of picture, and clear words for every kind of mistake.

The networks of these tests know white dots on black: they are exact, so every pixel of error is the code's.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

import napa_lib.pose
from napa_lib.data import PictureError
from napa_lib.lifting import DepthNet, load_depth_net
from napa_lib.lifting.lift import save_depth_net
from napa_lib.networks.movenet import MoveNet
from napa_lib.networks.pose_net import PoseNet2D, PosePrediction, save_pose_net
from napa_lib.pose import PoseEstimator, PoseResult, finding, open_picture, people
from napa_lib.pose import estimator as pose_estimator
from napa_lib.pose.estimator import least_sure
from napa_lib.pose.finding import find_figures, search_windows
from napa_lib.pose.views import look
from napa_lib.skeletons import COCO17, NAPA18, flip

SIDES = [{"l_": 1, "r_": -1}.get(name[:2], 0) for name in NAPA18.joints]
LEFT, RIGHT = [NAPA18.index(f"{side}_wrist") for side in "lr"]


class TwoDots(nn.Module):
    """Left joints are the dot farther right in the crop, right ones the other; the surer, the more white it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, images: torch.Tensor, mirror: bool = False) -> PosePrediction:
        if mirror:
            plain, turned = self(images), self(images.flip(-1))
            back = flip(turned.keypoints, NAPA18, images.shape[-1])
            return PosePrediction((plain.keypoints + back) / 2, plain.confidence, plain.heatmaps)
        white = ((images.mean(1) - 0.1) / 0.8).clamp(0, 1)  # without what JPEG adds to black
        x = torch.arange(images.shape[-1], dtype=torch.float)
        mass = white.sum((1, 2)).clamp(min=1e-6)
        middle = (white.sum(1) @ x) / mass
        places = []
        for side in SIDES:
            part = white * (1.0 if side == 0 else (side * (x - middle[:, None, None]) > 0).float())
            total = part.sum((1, 2)).clamp(min=1e-6)
            places.append(torch.stack([(part.sum(1) @ x) / total, (part.sum(2) @ x) / total], -1))
        sure = 8 * (mass / white[0].numel() / 0.05).clamp(max=1.0) - 4
        one = places[LEFT][:, 0] - places[RIGHT][:, 0] < 0.2 * len(x)  # a single dot, cut in two
        clipped = (white[:, [0, -1]].sum((1, 2)) + white[:, :, [0, -1]].sum((1, 2))) > 0
        sure = sure.where(~(one | clipped), -4.0)[:, None].expand(-1, len(SIDES))
        return PosePrediction(torch.stack(places, 1), sure, images.new_zeros(len(images), len(SIDES), 1, 1))


@pytest.fixture(scope="module")
def estimator() -> PoseEstimator:
    return PoseEstimator(TwoDots(), *load_depth_net(), size=64, device="cpu")


def dots(width: int, height: int, left: tuple[int, int], right: tuple[int, int], radius: int = 3) -> np.ndarray:
    """(H, W, 3) uint8: white squares round the two places; the figure faces us, so its left is on our right."""
    image = np.zeros((height, width, 3), np.uint8)
    for x, y in (left, right):
        image[y - radius : y + radius + 1, x - radius : x + radius + 1] = 255
    return image


IMAGE = dots(200, 150, left=(120, 60), right=(80, 90))
BOX = [50.0, 25.0, 150.0, 125.0]


def wrists(result: PoseResult) -> np.ndarray:
    return result.keypoints[[LEFT, RIGHT]].numpy()


# Places


@pytest.mark.parametrize("kind", ["uint8", "float64", "tensor", "half", "PIL", "grey", "alpha", "png", "str"])
def test_every_kind_of_picture_gives_the_same_pose(estimator, tmp_path, kind):
    Image.fromarray(IMAGE).save(tmp_path / "a.png")
    alpha = Image.new("RGBA", (200, 150), (255, 255, 255, 0))
    alpha.paste((0, 0, 0, 255), mask=Image.fromarray(255 - IMAGE[:, :, 0]))
    image = {
        "uint8": IMAGE, "float64": IMAGE / 255, "tensor": torch.tensor(IMAGE).permute(2, 0, 1) / 255,
        "half": torch.tensor(IMAGE).permute(2, 0, 1).half() / 255, "PIL": Image.fromarray(IMAGE),
        "grey": Image.fromarray(IMAGE[:, :, 0]), "alpha": alpha, "png": tmp_path / "a.png",
        "str": str(tmp_path / "a.png"),
    }[kind]  # fmt: skip
    (result,) = estimator.predict(image, [BOX])
    np.testing.assert_allclose(wrists(result), [[120, 60], [80, 90]], atol=0.3)
    assert result.pose.shape == (18, 3) and result.pose.isfinite().all() and result.box == tuple(BOX)
    assert float(result.confidence.min()) >= 0.0 and float(result.confidence.max()) <= 1.0


@pytest.mark.parametrize("box", [[70, 45, 135, 100], [-60, -30, 200, 140], [60, 40, 140, 110]])
@pytest.mark.parametrize("crops", [1, 5])
def test_the_box_does_not_move_the_joints(estimator, box, crops):
    (result,) = estimator.predict(IMAGE, [box], crops=crops)
    np.testing.assert_allclose(wrists(result), [[120, 60], [80, 90]], atol=0.7)


def test_several_boxes_and_none(estimator):
    image = np.concatenate([IMAGE, IMAGE], 1)
    moved = [BOX[0] + 200, BOX[1], BOX[2] + 200, BOX[3]]
    first, second = estimator.predict(image, torch.tensor([BOX, moved]))
    np.testing.assert_allclose(wrists(second) - wrists(first), [[200, 0]] * 2, atol=1e-3)
    torch.testing.assert_close(first.pose, second.pose, atol=0.5, rtol=0)
    assert estimator.predict(image, []) == [] and estimator.predict(image, torch.zeros(0, 4)) == []


@pytest.mark.parametrize("orientation", range(1, 9))
def test_phone_pictures_are_turned(estimator, tmp_path, orientation):
    picture = Image.fromarray(IMAGE)
    turn = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}.get(orientation)  # how the camera held it, as PIL's Transpose
    stored = picture if turn is None else picture.transpose(Image.Transpose(turn))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "phone.jpg", exif=exif, quality=95)
    opened = open_picture(tmp_path / "phone.jpg")
    assert opened.size == (200, 150)
    np.testing.assert_allclose(wrists(estimator.predict(opened, [BOX])[0]), [[120, 60], [80, 90]], atol=0.5)


@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_a_large_picture_is_reduced_and_its_joints_are_not(estimator, tmp_path, ending):
    image = dots(4800, 3000, left=(3000, 1200), right=(1800, 1900), radius=100)
    Image.fromarray(image[:, :, 0]).save(tmp_path / f"large.{ending}")
    opened = open_picture(tmp_path / f"large.{ending}")
    assert opened.factor == 2 and opened.pixels.size == (2400, 1500) and opened.size == (4800, 3000)
    for boxes in (None, [[1200, 300, 3600, 2700]]):
        (result,) = estimator.predict(tmp_path / f"large.{ending}", boxes)
        np.testing.assert_allclose(wrists(result), [[3000, 1200], [1800, 1900]], atol=8)
    assert open_picture(tmp_path / f"large.{ending}", [[0, 0, 300, 100]]).factor == 1  # a small figure keeps its pixels


@pytest.mark.parametrize(
    ("mode", "top"), [("I;16", 65535), ("I", 65535), ("F", 1.0), ("L", 255), ("1", 255), ("P", 255), ("CMYK", 255)]
)
def test_odd_modes_are_read(mode, top):
    grey = IMAGE[:, :, 0] / 255
    kinds = {"I;16": np.uint16, "I": np.int32, "F": np.float32}
    if mode in kinds:
        picture = Image.fromarray((grey * top).astype(kinds[mode]))
    else:
        picture = Image.fromarray(IMAGE).convert(mode)
    for boxes in (None, [[0, 0, 600, 600]]):
        np.testing.assert_array_equal(np.asarray(open_picture(picture, boxes).pixels), IMAGE)


def test_mirroring_mends_a_network_that_leans_to_one_side(estimator):
    class Leaning(TwoDots):
        def forward(self, images, mirror=False):
            found = super().forward(images, mirror)
            if mirror:
                return found
            return PosePrediction(found.keypoints + torch.tensor([3.0, 0.0]), found.confidence, found.heatmaps)

    leaning = PoseEstimator(Leaning(), *load_depth_net(), size=64, device="cpu")
    np.testing.assert_allclose(
        wrists(leaning.predict(IMAGE, [BOX])[0]), wrists(estimator.predict(IMAGE, [BOX])[0]), atol=1e-3
    )


# Without a box


@pytest.mark.parametrize(("width", "height"), [(400, 300), (300, 400), (300, 300), (2000, 250), (250, 2000)])
@pytest.mark.parametrize("where", [0.15, 0.5, 0.8])
def test_the_figure_is_found(estimator, width, height, where):
    short, x, y = min(width, height), int(where * (width - 160)) + 80, int((1 - where) * (height - 160)) + 80
    left, right = (x + short // 5, y), (x - short // 5, y + short // 8)
    image = dots(width, height, left, right, radius=short // 25)
    (result,) = estimator.predict(image)
    np.testing.assert_allclose(wrists(result), [left, right], atol=1.5)
    x0, y0, x1, y1 = result.box
    assert x0 < x < x1 and y0 < y < y1 and x1 - x0 == pytest.approx(y1 - y0) and x1 - x0 <= short


@given(width=st.integers(1, 30000), height=st.integers(1, 30000))
@settings(max_examples=60, deadline=None)
def test_windows_are_few_square_and_leave_nothing_out(width, height):
    windows = search_windows(width, height).double()
    assert 1 <= len(windows) <= 32
    sides = windows[:, 2:] - windows[:, :2]
    torch.testing.assert_close(sides[:, 0], sides[:, 1], rtol=1e-3, atol=1e-2)
    for side in sides[:, 0].round(decimals=-1).unique():
        scale = windows[(sides[:, 0] - side).abs() <= 10]
        for axis, length in ((0, width), (1, height)):
            low, high = scale[:, axis].sort().values, scale[:, axis + 2].sort().values
            assert low[0] <= 0.01 and high[-1] >= length - 0.01 * (1 + length / 100)
            assert (low[1:] <= high[:-1]).all()


def test_many_pictures_are_as_one_by_one(estimator):
    images = [dots(200, 150, (120 + 4 * i, 60), (80, 90 + 3 * i)) for i in range(5)]
    many = list(estimator.predict_many(images, batch=2))
    for image, (result,) in zip(images, many, strict=True):
        (alone,) = estimator.predict(image)
        torch.testing.assert_close(result.keypoints, alone.keypoints, atol=1e-3, rtol=0)
        assert result.box == pytest.approx(alone.box, abs=1e-3)
    boxes = find_figures(estimator.network, [open_picture(i) for i in images], 64)
    torch.testing.assert_close(torch.cat(boxes), torch.tensor([r[0].box for r in many]))


def heard_looks(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> list[list[int]]:
    """How many boxes of each picture a module's looks are at."""
    heard: list[list[int]] = []
    real = module.look

    def listen(network, pictures, boxes, size):
        heard.append([len(b) for b in boxes])
        return real(network, pictures, boxes, size)

    monkeypatch.setattr(module, "look", listen)
    return heard


def test_windows_are_searched_where_nothing_is_proposed(estimator, monkeypatch):
    images = [dots(200, 150, left=(120, 60), right=(80, 90)), dots(200, 200, left=(60, 40), right=(40, 60))]
    offers = [torch.zeros(0, 4), torch.tensor([[25.0, 25, 75, 75], [100, 100, 200, 200]])]
    heard = heard_looks(monkeypatch, finding)
    boxes = find_figures(estimator.network, [open_picture(i) for i in images], 64, offers)
    assert heard == [[len(search_windows(200, 150)), 3], [1, 1], [1, 1]] and len(search_windows(200, 150)) == 9
    for (x0, y0, x1, y1), (x, y) in zip(torch.cat(boxes).tolist(), ((100, 75), (50, 50)), strict=True):
        assert x0 < x < x1 and y0 < y < y1 and x1 - x0 < 150


def test_every_figure_or_the_likeliest_one(estimator, monkeypatch):
    """Of several pictures: where the network is sure of no proposal, or has none, one figure is searched for."""
    image = dots(200, 150, left=(120, 60), right=(80, 90), radius=12)
    good, bad = torch.tensor([[50.0, 25, 150, 125]]), torch.tensor([[0.0, 0, 30, 30]])
    offers = {True: [good, bad, torch.zeros(0, 4)], False: [torch.zeros(0, 4)] * 3}

    def propose(detector, pictures, closely):
        assert closely
        return offers[detector is estimator.detectors[0]]

    monkeypatch.setattr(pose_estimator, "proposed", propose)
    heard, refined = heard_looks(monkeypatch, finding), heard_looks(monkeypatch, people)
    found = estimator.find([open_picture(image)] * 3, many=True)
    assert refined == [[1, 1, 0], [1, 0, 0]] and heard[0] == [9, 9] and [len(b) for b in found] == [1, 1, 1]
    torch.testing.assert_close(found[1], found[2])
    for boxes in found:
        x0, y0, x1, y1 = boxes[0].tolist()
        assert x0 < 80 and x1 > 120 and y0 < 60 and y1 > 90


def test_a_picture_without_boxes_is_not_looked_at(estimator):
    picture = open_picture(IMAGE)
    (nothing, some) = look(estimator.network, [picture] * 2, [torch.zeros(0, 4), torch.tensor([BOX])], 64)
    assert nothing[0].shape == (0, 18, 2) and nothing[1].shape == (0, 18) and some[0].shape == (1, 18, 2)
    ((points, sure),) = look(estimator.network, [picture], [torch.zeros(0, 4)], 64)
    assert points.shape == (0, 18, 2) and sure.shape == (0, 18)
    assert estimator.predict(IMAGE, torch.zeros(0, 4)) == []


def test_whatever_the_pose_network_two_networks_propose_each_from_its_own_score_on(estimator):
    photographs, drawings = estimator.detectors
    assert isinstance(photographs.network, MoveNet) and photographs.network.heatmap[1].out_channels == 17
    assert drawings.network.heatmap[1].out_channels == 18 and drawings.threshold < photographs.threshold
    shipped = PoseEstimator.from_pretrained(device="cpu")
    assert [d.network for d in shipped.detectors] == [shipped.network.third, shipped.network.second.trunk]
    assert [d.threshold for d in shipped.detectors] == [photographs.threshold, drawings.threshold]


def test_nobody_is_low_confidence_and_no_error(estimator):
    for image in (np.zeros((150, 200, 3), np.uint8), np.zeros((1, 1, 3), np.uint8), np.zeros((1, 500, 3), np.uint8)):
        (result,) = estimator.predict(image)
        assert result.mean_confidence < 0.1 and result.keypoints.isfinite().all()


# Joint sets


def test_joint_sets_are_converted(estimator):
    (all18,) = estimator.predict(IMAGE, [BOX])
    (coco,) = estimator.predict(IMAGE, [BOX], "coco17")
    for j, name in enumerate(COCO17.joints):
        if name in NAPA18.joints:
            i = NAPA18.index(name)
            assert torch.equal(coco.keypoints[j], all18.keypoints[i]) and torch.equal(coco.pose[j], all18.pose[i])
        else:
            assert coco.keypoints[j].isnan().all() and coco.pose[j].isnan().all() and coco.confidence[j] == 0
    assert coco.mean_confidence == pytest.approx(float(coco.confidence[coco.confidence > 0].mean()))


def test_a_derived_joint_is_as_sure_as_its_least_sure_source(rng):
    sure = torch.tensor(rng.uniform(size=(3, 18)), dtype=torch.float)
    upper = least_sure(sure, napa_lib.skeletons.MPII16)[:, napa_lib.skeletons.MPII16.index("upper_neck")]
    torch.testing.assert_close(upper, torch.minimum(sure[:, NAPA18.index("neck")], sure[:, NAPA18.index("nose")]))


@pytest.mark.parametrize("name", ["face68", "octopus", 3])
def test_useless_joint_sets_are_refused(estimator, name):
    with pytest.raises(ValueError, match="must"):
        estimator.predict(IMAGE, joint_set=name)


# Mistakes


@pytest.mark.parametrize(
    ("boxes", "words"),
    [
        ([[50, 25, 20, 125]], "x1 > x0"), ([[50, 25, 50, 125]], "x1 > x0"), ([[float("nan"), 0, 9, 9]], "finite"),
        ([[0, 0, float("inf"), 9]], "finite"), ([[300, 10, 400, 90]], "overlap"), ([[-90, -90, -1, -1]], "overlap"),
        ([1, 2, 3, 4], "N, 4"), ([[1, 2, 3]], "N, 4"), ("no", "N, 4"), ([[1, 2, 3, "x"]], "N, 4"),
        ([[0, 0, 9, 10**400]], "N, 4"),
    ],
)  # fmt: skip
def test_bad_boxes(estimator, boxes, words):
    with pytest.raises(ValueError, match=words):
        estimator.predict(IMAGE, boxes)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.full((9, 9, 3), np.nan), "NaN|nan"), (np.full((9, 9, 3), 1.5), "1.5"), (torch.zeros(9, 9, 3), "3, H, W"),
        (np.zeros((9, 9)), "H, W, 3"), (np.zeros((0, 9, 3)), "H, W > 0"), (np.zeros((9, 9, 3), np.int64), "int64"),
        (torch.zeros(3, 9, 9, dtype=torch.complex64), "complex"), (7, "int"), (None, "NoneType"),
        (torch.zeros(2, 3, 9, 9), "3, H, W.*predict_many"), (["a.jpg"], "got list; .*predict_many"),
        ("https://example.org/a.jpg", "fetch it first"), ("", "cannot read"), ("/no/such.jpg", "no/such.jpg"),
        (".", "cannot"),
    ],
)  # fmt: skip
def test_bad_pictures(estimator, image, words):
    with pytest.raises(ValueError, match=words):
        estimator.predict(image)


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"])
def test_damaged_files(estimator, tmp_path, content):
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(PictureError, match="x.png"):
        list(estimator.predict_many([IMAGE, tmp_path / "x.png"]))


def test_truncated_files(tmp_path, rng):
    Image.fromarray(rng.integers(0, 255, (90, 90, 3), dtype=np.uint8)).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:9000])
    with pytest.raises(PictureError, match="cut.png"):
        open_picture(tmp_path / "cut.png")


def bomb(path: Path, width: int, height: int) -> Path:
    """A PNG of a few bytes that claims to be huge."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = b"IDAT" + zlib.compress(bytes(1000))
    pieces = [struct.pack(">I", len(p) - 4) + p + struct.pack(">I", zlib.crc32(p)) for p in (header, body, b"IEND")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(pieces))
    return path


@pytest.mark.parametrize("size", [(100_000, 100_000), (2**31 - 1, 1), (13_000, 12_000)])
def test_bombs_are_refused_before_they_are_decoded(tmp_path, size):
    with pytest.raises(PictureError, match="bomb.png.*(more than max_pixels|Bomb)"):
        open_picture(bomb(tmp_path / "bomb.png", *size))


@pytest.mark.parametrize("arguments", [{"crops": 0}, {"crops": 6}])
def test_bad_numbers(estimator, arguments):
    with pytest.raises(ValueError, match="crops"):
        estimator.predict(IMAGE, [BOX], **arguments)
    with pytest.raises(ValueError, match="batch"):
        list(estimator.predict_many([IMAGE], batch=0))


def test_weights_and_devices_are_checked(tmp_path):
    with pytest.raises(ValueError, match="nowhere"):
        PoseEstimator.from_pretrained(tmp_path / "nowhere.safetensors")
    with pytest.raises(ValueError, match="device"):
        PoseEstimator(TwoDots(), *load_depth_net(), device="abacus")


def test_a_depth_network_of_ones_own_is_used(tmp_path):
    _, standardizer = load_depth_net()
    torch.manual_seed(0)
    save_depth_net(tmp_path / "own.safetensors", DepthNet("tiny"), standardizer, {"sees": "bones", "preset": "tiny"})
    own = PoseEstimator.from_pretrained(device="cpu", depth=tmp_path / "own.safetensors").predict(IMAGE, [BOX])[0]
    shipped = PoseEstimator.from_pretrained(device="cpu").predict(IMAGE, [BOX])[0]
    assert torch.equal(own.keypoints, shipped.keypoints) and not torch.equal(own.pose[:, 2], shipped.pose[:, 2])


def test_a_network_of_ones_own_is_loaded(tmp_path):
    network = PoseNet2D(width=32)
    save_pose_net(tmp_path / "own.safetensors", network, {"config": '{"size": 64}'})
    loaded = PoseEstimator.from_pretrained(tmp_path / "own.safetensors", device="cpu")
    assert loaded.size == 64 and loaded.predict(IMAGE, [BOX])[0].keypoints.isfinite().all()


def test_one_picture_for_many_is_refused():
    """A name's letters, and a picture's colours, are no pictures."""
    estimator = PoseEstimator.from_pretrained(device="cpu")
    for one in ("a.png", Path("a.png"), Image.new("RGB", (9, 9)), torch.zeros(3, 9, 9)):
        with pytest.raises(ValueError, match="images must be several pictures, got one"):
            estimator.predict_many(one)
