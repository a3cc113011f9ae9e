"""The estimator and `napa pose`: right places in every kind of picture, and clear words for every kind of mistake.

The networks of these tests know white dots on black: they are exact, so every pixel of error is the code's.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from PIL import Image
from torch import nn

import napa_lib.pose
from napa_lib import cli
from napa_lib.data import PictureError, asset_path
from napa_lib.lifting import load_depth_net
from napa_lib.networks.pose_net import PoseNet2D, PosePrediction, save_pose_net
from napa_lib.pose import PoseEstimator, PoseResult, command, drawing, files, open_picture, page, record, write
from napa_lib.pose.estimator import least_sure
from napa_lib.pose.finding import find_figures, search_windows
from napa_lib.skeletons import COCO17, NAPA18, flip

SCHEMA = json.loads((Path(napa_lib.pose.__file__).parent / "schema.json").read_text("utf-8"))
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
        (torch.zeros(2, 3, 9, 9), "3, H, W"), ("", "cannot read"), ("/no/such.jpg", "no/such.jpg"), (".", "cannot"),
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


def test_a_network_of_ones_own_is_loaded(tmp_path):
    network = PoseNet2D(width=32)
    save_pose_net(tmp_path / "own.safetensors", network, {"config": '{"size": 64}'})
    loaded = PoseEstimator.from_pretrained(tmp_path / "own.safetensors", device="cpu")
    assert loaded.size == 64 and loaded.predict(IMAGE, [BOX])[0].keypoints.isfinite().all()


# What is drawn and written


@pytest.fixture(scope="module")
def figure(estimator) -> tuple[PoseResult, napa_lib.pose.Picture]:
    points = torch.tensor([[200.0 + 40 * side, 60.0 + 15 * j] for j, side in enumerate(SIDES)])
    pose = torch.cat([points * 5, torch.arange(18.0)[:, None] * 20], 1)
    picture = open_picture(np.full((400, 400, 3), 128, np.uint8))
    return PoseResult(points, pose, torch.full((18,), 0.9), (100.0, 0.0, 400.0, 400.0), NAPA18), picture


def test_an_overlay_colours_the_figure_and_nothing_else(figure):
    result, picture = figure
    cut = drawing.cut_round(result, picture)
    drawn = np.asarray(drawing.draw_overlay(result, picture, cut)).astype(int)
    assert drawn.shape == (640, 640, 3)  # small pictures are enlarged
    changed = np.abs(drawn - 128).max(2) > 8
    assert not changed[:, :150].any() and 0.005 < changed.mean() < 0.2
    x, y = cut.place(result.keypoints)[LEFT].round().int().tolist()
    assert drawn[y, x, 2] > drawn[y, x, 0] + 50  # blue at the left wrist
    x, y = cut.place(result.keypoints)[RIGHT].round().int().tolist()
    assert drawn[y, x, 0] > drawn[y, x, 2] + 50  # orange at the right


def test_what_is_unsure_is_faint(figure):
    result, picture = figure
    unsure = PoseResult(result.keypoints, result.pose, torch.full((18,), 0.05), result.box, NAPA18)
    cut = drawing.cut_round(result, picture)
    strong, weak = (
        np.abs(np.asarray(drawing.draw_overlay(r, picture, cut)).astype(int) - 128).sum() for r in (result, unsure)
    )
    assert 0 < weak < 0.6 * strong


def test_a_small_figure_is_cut_out(figure):
    result, _ = figure
    picture = open_picture(np.zeros((600, 9000, 3), np.uint8))
    cut = drawing.cut_round(result, picture)
    assert cut.low[0] == 0.0 and cut.high[0] < 1000 and cut.high[1] == 600.0
    back = cut.place(torch.tensor([[*cut.low], [*cut.high]]) - 0.5)
    np.testing.assert_allclose(back, [[-0.5, -0.5], [cut.size[0] - 0.5, cut.size[1] - 0.5]], atol=1e-3)
    assert drawing.draw_bone_map(result, cut).size == cut.size == drawing.draw_overlay(result, picture, cut).size


def document(result: PoseResult) -> dict:
    source = {"file": "</script><b>.jpg", "sha256": "0" * 64, "width": 400, "height": 400}
    return record.describe(result, source, found=True)


@pytest.mark.parametrize("joint_set", ["napa18", "coco17", "mpii16", "openpose15"])
def test_the_document_follows_its_schema(estimator, joint_set):
    Draft202012Validator.check_schema(SCHEMA)
    (result,) = estimator.predict(IMAGE, joint_set=joint_set)
    text = json.dumps(document(result), allow_nan=False)
    Draft202012Validator(SCHEMA).validate(json.loads(text))
    wrist = next(joint for joint in json.loads(text)["joints"] if joint["name"] == "l_wrist")
    np.testing.assert_allclose(wrist["keypoint_px"], [120, 60], atol=0.7)
    assert json.loads(text)["joint_set"].lower() == joint_set


def test_unsure_bones_are_faint_in_the_bone_map(figure):
    result, picture = figure
    cut = drawing.cut_round(result, picture)
    wrist = NAPA18.index("l_wrist")
    sure = torch.full((18,), 0.9)
    sure[wrist] = 0.2
    full, some = (
        np.asarray(drawing.draw_bone_map(replace(result, confidence=c), cut)).astype(float)
        for c in (sure * 0 + 1, sure)
    )
    missing = result.keypoints.clone()
    missing[wrist] = torch.nan
    others = np.asarray(drawing.draw_bone_map(replace(result, keypoints=missing), cut)).astype(float)
    lone = (others.max(2) == 0) & (full.max(2) > 0)  # the forearm, where nothing else is
    assert lone.sum() > 50
    np.testing.assert_allclose(some[lone], drawing.FAINT * full[lone], atol=1.0)
    np.testing.assert_array_equal(some[others.max(2) > 0], others[others.max(2) > 0])


def test_the_page_asks_nothing_of_the_network_and_escapes_names(figure):
    result, picture = figure
    cut = drawing.cut_round(result, picture)
    text = page.pose_page(document(result), NAPA18, drawing.cut_out(picture, cut), cut)
    found: list[tuple[str, dict]] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            found.append((tag, dict(attrs)))

    Reader().feed(text)
    assert "http:" not in text and "https:" not in text and len(text) < 150_000
    assert [tag for tag, _ in found].count("script") == 1 and "b" not in [tag for tag, _ in found]
    assert all(
        a.get("src", "data:").startswith("data:") and a.get("href", "data:").startswith("data:") for _, a in found
    )
    (canvas,) = [a for tag, a in found if tag == "canvas"]
    (board,) = [a for tag, a in found if tag == "svg"]
    assert canvas["aria-label"] and canvas["tabindex"] == "0" and board["aria-label"] and "<title>Pose of &lt;" in text
    data = json.loads(text.split("const data = ")[1].split(";\n")[0])
    assert len(data["joints"]) == 18 and len(data["bones"]) == len(NAPA18.bones)


def test_the_page_lies_over_the_picture_in_its_own_pixels_and_holds_the_whole_record(figure):
    """A joint is dragged and saved in the pixels of pose.json; `tests/pose_page_check.py` does it in a browser."""
    result, picture = figure
    cut, entry = drawing.cut_round(result, picture), document(result)
    text = page.pose_page(entry, NAPA18, drawing.cut_out(picture, cut), cut)
    x, y, width, height = map(float, text.split('viewBox="')[1].split('"')[0].split())
    corners = torch.tensor(
        [[x, y], [x + width, y + height]]
    )  # edges of the picture's pixels, half outside their centres
    edge = torch.tensor([[-0.5, -0.5], [cut.size[0] - 0.5, cut.size[1] - 0.5]])
    torch.testing.assert_close(cut.place(corners), edge, atol=1e-3, rtol=0)
    data = json.loads(text.split("const data = ")[1].split(";\n")[0])
    assert (
        data["record"] == json.loads(json.dumps(entry))
        and 'id="save"' in text
        and 'link.download = "pose.json"' in text
    )


def test_doubtful_joints_are_those_of_less_than_half_confidence(figure):
    result, _ = figure
    sure = torch.full((18,), 0.5)
    sure[[NAPA18.index("l_wrist"), NAPA18.index("r_ankle")]] = torch.tensor([0.49, 0.0])
    points = result.keypoints.clone()
    points[NAPA18.index("nose")] = torch.nan
    sure[NAPA18.index("nose")] = 0.0  # cannot be had, which is no doubt
    entry = document(replace(result, keypoints=points, confidence=sure))
    assert entry["doubtful"] == ["r_ankle", "l_wrist"]
    Draft202012Validator(SCHEMA).validate(json.loads(json.dumps(entry)))
    entry["corrected"] = ["l_wrist"]
    Draft202012Validator(SCHEMA).validate(json.loads(json.dumps(entry)))


# The command


@pytest.fixture
def napa_pose(estimator, monkeypatch, tmp_path, capsys):
    """Run `napa pose` with the estimator of these tests; exit status, standard output, standard error."""
    monkeypatch.setattr(PoseEstimator, "from_pretrained", lambda path, device: estimator)
    monkeypatch.setenv("NAPA_PROGRESS_BAR", "off")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        try:
            status = cli.main(["pose", *arguments, *([] if "--out" in arguments else ["--out", "out"])])
        except SystemExit as stop:
            status = int(stop.code or 0)
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def picture(path: str, image: np.ndarray = IMAGE) -> Path:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return Path(path)


def folders() -> list[str]:
    return sorted(p.name for p in Path("out").iterdir() if p.is_dir())


def test_the_command_writes_everything(napa_pose):
    picture("Mona Lisa.png")
    status, said, complaints = napa_pose("Mona Lisa.png", "--joint-set", "coco17")
    assert (status, complaints) == (0, "") and "Mona Lisa.png" in said and "confidence" in said
    assert folders() == ["Mona_Lisa"]
    written = sorted(p.name for p in Path("out/Mona_Lisa").iterdir())
    assert written == sorted(write.FILES)
    data = json.loads(Path("out/Mona_Lisa/pose.json").read_text("utf-8"))
    Draft202012Validator(SCHEMA).validate(data)
    assert data["picture"]["width"] == 200 and data["box"]["source"] == "found" and data["joint_set"] == "COCO17"
    for name in ("overlay.png", "bones.png"):
        with Image.open(f"out/Mona_Lisa/{name}") as image:
            image.load()


def test_folders_and_globs_and_a_bad_one_among_them(napa_pose):
    picture("in/a.png"), picture("in/b.JPG"), picture("in/deeper/no.png"), picture("more/c1.png")
    Path("in/bad.jpg").write_text("no picture")
    Path("in/notes.txt").write_text("no picture at all")
    status, said, complaints = napa_pose("in", "more/c*.png", "in/a.png", "x*.png", "gone.png", "--batch", "2")
    assert status == 1 and folders() == ["a", "b", "c1"] and said.count(" -> out/") == 3 + 1
    assert sorted(line.split(": ")[1] for line in complaints.splitlines()) == [
        "cannot read picture 'in/bad.jpg'",
        "gone.png",
        "x*.png",
    ]


def test_pictures_of_one_name_keep_apart(napa_pose):
    other = dots(200, 150, (140, 60), (60, 90))
    picture("x/a.png"), picture("y/a.png", other), picture("y/A.png", other)
    assert napa_pose("x/a.png", "y")[0] == 0
    assert folders() == ["A-2", "a", "a-3"]  # folders that differ in case alone would be one on some disks
    before = Path("out/a/pose.json").read_bytes()
    assert napa_pose("y/a.png")[0] == 0  # another picture than the one in out/a
    assert Path("out/a/pose.json").read_bytes() == before and napa_pose("x/a.png")[0] == 0
    assert len(folders()) in (3, 4) and not [name for name in folders() if name.startswith(".")]


@pytest.mark.parametrize("name", ["..evil", "-rf", "con", "a\tb", "ünï;$(x)", "x" * 200])
def test_names_of_files_lead_nowhere(napa_pose, name):
    picture(f"in/{name}.png")
    status, said, _ = napa_pose(f"in/{name}.png")
    (folder,) = folders()
    assert status == 0 and folder.strip("._-") and len(folder) <= 90 and "\t" not in said
    assert sorted(p.name for p in Path().iterdir()) == ["in", "out"]
    assert files.safe_name(Path(folder)) == folder or folder.startswith("_con")


def test_a_name_that_is_no_text(napa_pose):
    os.rename(picture("in/a.png"), os.path.join(b"in", b"a\xff.png"))
    assert napa_pose("in")[0] == 0 and folders() == ["a"]
    assert json.loads(Path("out/a/pose.json").read_text("utf-8"))["picture"]["file"] == "a?.png"


def test_boxes_of_the_command(napa_pose):
    image = np.concatenate([IMAGE, IMAGE], 1)
    picture("two.png", image)
    status, said, _ = napa_pose("two.png", "--box", "50,25,150,125", "--box", "-250,-225,350,325")
    assert status == 0 and folders() == ["two", "two-figure1", "two-figure2"]
    together = json.loads(Path("out/two/figures.json").read_text("utf-8"))
    assert [figure["box"]["px"] for figure in together["figures"]] == [[50, 25, 150, 125], [-250, -225, 350, 325]]
    assert Image.open("out/two/overlay.png").size[0] >= 640
    data = json.loads(Path("out/two-figure2/pose.json").read_text("utf-8"))
    assert data["box"] == {"px": [-250, -225, 350, 325], "source": "given"}
    picture("one.png")
    for wrong in (["one.png", "two.png", "--box", "1,2,3,4"], ["one.png", "--box", "4,4,1,1"],
                  ["one.png", "--box", "1,2,3"], ["one.png", "--box", "a,b,c,d"], ["one.png", "--box", "nan,0,1,1"],
                  ["one.png", "--joint-set", "octopus"], ["one.png", "--batch", "0"], []):  # fmt: skip
        status, _, complaints = napa_pose(*wrong)
        assert status == 2 and "napa pose: error:" in complaints, wrong
    status, _, complaints = napa_pose("one.png", "--box", "900,900,950,950")
    assert status == 1 and "overlap" in complaints and "one.png" in complaints


def test_results_that_cannot_be_written(napa_pose, monkeypatch):
    picture("a.png"), picture("b.png")
    Path("file").write_text("mine")
    for out in ("file", "file/below"):
        status, _, complaints = napa_pose("a.png", "--out", out)
        assert status == 2 and "cannot be written" in complaints and Path("file").read_text() == "mine"
    Path("out").mkdir()
    Path("out/a").write_text("mine")  # a file where the folder would go
    assert napa_pose("a.png", "b.png")[0] == 0 and folders() == ["a-2", "b"] and Path("out/a").read_text() == "mine"
    full = OSError(28, "No space left on device")
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(full))
    status, _, complaints = napa_pose("b.png")
    assert status == 1 and "No space left" in complaints and json.loads(Path("out/b/pose.json").read_text("utf-8"))


def test_nothing_to_do_is_said(napa_pose):
    Path("empty").mkdir()
    for argument in ("empty", "gone.png", "*.png", "x" * 5000, "\0"):
        status, said, complaints = napa_pose(argument)
        assert status == 1 and said == "" and files.shown(argument) in complaints


def test_a_picture_without_a_person_is_warned_of(napa_pose):
    picture("dark.png", np.zeros((90, 90, 3), np.uint8))
    status, _, complaints = napa_pose("dark.png")
    assert status == 0 and "no person is likely" in complaints and folders() == ["dark"]


def test_the_command_imports_little():
    slow = {"matplotlib", "scipy", "IPython", "torchvision"}
    code = f"import sys, napa_lib.pose.command; print(sorted({slow} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert run.stdout.strip() == "[]", run.stdout + run.stderr


def test_the_shipped_estimator_knows_a_face_from_a_wall():
    shipped = PoseEstimator.from_pretrained(device="cpu")
    (lisa,) = shipped.predict(asset_path("paintings/monalisa.jpg"), [[-89, 0, 411, 500]])
    face = lisa.keypoints[[NAPA18.index("nose"), NAPA18.index("head")]]
    assert 110 < float(face[0, 0]) < 190 and 0 < float(face[1, 1]) < float(face[0, 1]) < 200
    (wall,) = shipped.predict(np.full((300, 400, 3), 150, np.uint8))
    assert wall.mean_confidence < min(command.UNLIKELY, lisa.mean_confidence)
