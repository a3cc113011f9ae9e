"""Synthetic faces: landmarks against geometry, shards against damage, and how KeypointGAN sees them."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from napa_lib import bottleneck as b
from napa_lib.bottleneck import train
from napa_lib.bottleneck.evaluate import landmark_errors
from napa_lib.data.assets import asset_path, list_assets
from napa_lib.data.faces import FaceClips, load_faces, read_faces
from napa_lib.data.shards import RawClip, ShardError, read_raw, write_shard
from napa_lib.makers.faces import __main__ as command
from napa_lib.makers.faces.features import _distance, _inside
from napa_lib.makers.faces.head import _island
from napa_lib.metrics import normalized_landmark_error
from napa_lib.skeletons import FACE68

MIRROR = [FACE68.joints.index({"r_": "l_", "l_": "r_"}.get(n[:2], n[:2]) + n[2:]) for n in FACE68.joints]
OPEN_LIPS = [(61, 67), (62, 66), (63, 65)]  # upper and lower inner lip


@pytest.fixture(scope="module")
def shipped() -> FaceClips:
    return load_faces("validation")


# ------------------------------------------------------------------------------------------------- what ships


def test_shipped_faces(shipped: FaceClips) -> None:
    assert shipped.images.shape == (40, 8, 3, 64, 64) and shipped.images.dtype == torch.uint8
    assert shipped.masks.shape == (40, 8, 64, 64) and shipped.masks.dtype == torch.bool
    assert shipped.landmarks.shape == (40, 8, 68, 2) and not shipped.landmarks.isnan().any()
    assert shipped.turns.abs().amax((0, 1)).tolist() <= [35.001, 20.001, 18.001]
    assert shipped.turns[..., 0].min() < -20 and shipped.turns[..., 0].max() > 20


def test_people_of_splits_are_disjoint() -> None:
    people = [set(load_faces(split).person.tolist()) for split in ("train", "validation", "test")]
    assert [len(part) for part in people] == [320, 40, 40]
    assert len(set.union(*people)) == 400


def test_landmarks_lie_on_the_person(shipped: FaceClips) -> None:
    """All points but hidden ones, which the head still covers: on the mask or within a pixel of it."""
    at = shipped.landmarks.round().long().clamp(0, 63)
    near = torch.nn.functional.max_pool2d(shipped.masks.flatten(0, 1)[:, None].float(), 3, 1, 1)[:, 0]
    flat = near.flatten(1).gather(1, (at[..., 1] * 64 + at[..., 0]).flatten(0, 1))
    assert flat.mean() > 0.999


def test_nostrils_are_dark(shipped: FaceClips) -> None:
    """Labels belong to the pictures they lie with: nostrils are darker than the bridge of the nose."""
    luminance = shipped.images.float().mean(2).flatten(0, 1)

    def at(points: torch.Tensor) -> torch.Tensor:
        x, y = points.flatten(0, 1).round().long().clamp(0, 63).unbind(-1)
        return luminance[torch.arange(len(luminance)), y, x]

    nostril = (shipped.landmarks[:, :, 31] + shipped.landmarks[:, :, 33]) / 2
    darker = at(nostril) < at(shipped.landmarks[:, :, 28])
    assert darker.float().mean() > 0.9
    other = at(nostril.roll(1, 0)) < at(shipped.landmarks[:, :, 28].roll(1, 0))
    assert darker.float().mean() > other.float().mean()


def test_yaw_moves_the_nose(shipped: FaceClips) -> None:
    """Turned to the person's left, the nose's tip lies to the right between the eyes' outer corners."""
    points = shipped.landmarks.flatten(0, 1)
    left, right = points[:, 45], points[:, 36]
    axis = left - right
    share = ((points[:, 30] - right) * axis).sum(-1) / axis.square().sum(-1)
    yaw = shipped.turns.flatten(0, 1)[:, 0]
    assert torch.corrcoef(torch.stack([share, yaw]))[0, 1] > 0.9
    assert (share[yaw > 12] > 0.5).all() and (share[yaw < -12] < 0.5).all()


def test_bad_split() -> None:
    with pytest.raises(ValueError, match="split must be one of .* got 'all'"):
        load_faces("all")


# --------------------------------------------------------------------------------------------------- damage


def _shard(tmp_path: Path, change) -> Path:
    raw = next(read_raw(asset_path(_validation())))
    path = tmp_path / "faces-broken.tar.gz"
    write_shard(path, {}, [change(raw)])
    return path


def _validation() -> str:
    return next(name for name in list_assets("faces") if "faces-validation-" in name)


def _labels(raw: RawClip, **changes: torch.Tensor) -> RawClip:
    return dataclasses.replace(raw, labels=save(load(raw.labels) | changes))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: dataclasses.replace(raw, webp=raw.webp[:100]), "pictures of .* are damaged"),
        (lambda raw: dataclasses.replace(raw, mask=raw.webp), "pictures of .* are damaged"),
        (lambda raw: dataclasses.replace(raw, labels=b"{}"), "labels of .* are damaged"),
        (lambda raw: _labels(raw, person=torch.zeros(1)), "person of .* is missing or no torch.int64"),
        (lambda raw: _labels(raw, landmarks=torch.zeros(8, 5, 2, dtype=torch.int16)), "landmarks of .* expected"),
        (lambda raw: _labels(raw, turns=torch.zeros(7, 3)), "differ in their number of pictures"),
        (
            lambda raw: _labels(raw, turns=torch.zeros(4, 3), landmarks=torch.zeros(4, 68, 2, dtype=torch.int16)),
            "expected 4 squares",
        ),
    ],
)
def test_damaged_clips_are_refused(tmp_path: Path, change, message: str) -> None:
    with pytest.raises(ShardError, match=message):
        read_faces([_shard(tmp_path, change)])


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    whole = asset_path(_validation()).read_bytes()
    path = tmp_path / "faces-cut.tar.gz"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ShardError, match="faces-cut"):
        read_faces([path])
    with pytest.raises(ShardError, match="at least one clip"):
        read_faces([])


# ------------------------------------------------------------------------------------------------ KeypointGAN


def test_faces_open_as_clips_of_any_size(shipped: FaceClips, tmp_path: Path) -> None:
    clips = b.open_clips("faces:validation", 64)
    assert clips.skeleton == "FACE68" and torch.equal(clips.images, shipped.images)
    half = b.open_clips("faces:validation", 32)
    assert half.images.shape == (40, 8, 3, 32, 32)
    # A point at the middle of a block of four pixels is the middle of the one that they become.
    torch.testing.assert_close(half.keypoints, (shipped.landmarks - 0.5) / 2)
    (tmp_path / "faces-a.tar.gz").write_bytes(asset_path(_validation()).read_bytes())
    assert torch.equal(b.open_clips(str(tmp_path), 64).images, shipped.images)


def test_faces_are_drawn_as_blobs() -> None:
    config = b.model_config("tiny", "ours", "FACE68")
    assert (config.renderer, config.sigma, config.num_keypoints) == ("blobs", 0.04, 68)
    assert b.model_config("paper", "ours", "FACE68").sigma == 0.02
    assert b.model_config("tiny", "ours", "NAPA18").renderer == "skeleton"
    pose = torch.full((1, 68, 2), torch.nan)
    pose[0, 0] = torch.tensor([1 / 63, -5 / 63])  # the centre of pixel (32, 29)
    drawn = b.KeypointGAN(config).draw(pose)[0, 0]
    y, x = np.mgrid[:64, :64]
    expected = np.exp(-((x - 32.0) ** 2 + (y - 29.0) ** 2) / (2 * (0.04 * 63 / 2) ** 2))  # eq. 2 in pixels
    np.testing.assert_allclose(drawn, expected, atol=1e-6)


def test_a_blob_of_two_thirds_of_a_pixel_tells_where_it_lies() -> None:
    """Its centre of mass is the point, and its mass the same, wherever between pixels it lies."""
    model = b.KeypointGAN(replace(b.model_config("tiny", "ours", "FACE68"), sigma=0.02))
    points = torch.full((50, 68, 2), torch.nan)
    points[:, 0] = torch.linspace(0.1, 0.17, 50)[:, None]  # two pixels' way
    drawn = model.draw(points)[:, 0].double()
    mass = drawn.sum((1, 2))
    assert (mass.max() - mass.min()) / mass.mean() < 0.004
    axis = torch.linspace(-1, 1, 64, dtype=torch.float64)
    torch.testing.assert_close((drawn.sum(1) @ axis) / mass, points[:, 0, 0].double(), atol=1e-4, rtol=0)


def test_interocular_error_in_closed_form() -> None:
    target = torch.rand(3, 68, 2) * 40
    target[:, 36], target[:, 45] = torch.tensor([10.0, 20.0]), torch.tensor([34.0, 27.0])  # 25 apart
    assert b.interocular_error(target + torch.tensor([0.6, 0.8]), target) == pytest.approx(4.0, rel=1e-5)
    again = 100 * float(normalized_landmark_error(target + 2.0, target).total)
    assert b.interocular_error(target + 2.0, target) == pytest.approx(again)
    assert landmark_errors(target + 2.0, target, "FACE68", 64)["interocular"] == pytest.approx(again)
    body = torch.rand(2, 18, 2)
    assert "interocular" not in landmark_errors(body, body, "NAPA18", 64)


def test_the_training_reports_the_error_of_faces_raw_and_with_the_regressor() -> None:
    clips = b.open_clips("faces:validation", 32)
    config = b.ModelConfig(
        "FACE68", 32, width=4, discriminator_width=4, discriminator_layers=1, renderer="blobs", second_cycle=False
    )
    torch.manual_seed(0)
    model = b.KeypointGAN(config).eval()
    errors = train.final_errors(
        model, clips.take(slice(20)), clips.take(slice(20, None)), b.unpaired_poses(clips), torch.device("cpu")
    )
    assert set(errors) == {"all", "mean pose", "regressor on top"}
    found = b.predict_clips(model.predict, clips.take(slice(20, None)))
    target = clips.keypoints[20:].flatten(0, 1)
    between = (target[:, 36] - target[:, 45]).norm(dim=-1)
    expected = 100 * ((found - target).norm(dim=-1) / between[:, None]).mean()
    assert errors["all"]["interocular"] == pytest.approx(float(expected), rel=1e-4)
    assert errors["regressor on top"]["interocular"] < errors["all"]["interocular"]


# -------------------------------------------------------------------------------------------------- small parts


def test_inside_a_polygon_and_distance_from_a_line() -> None:
    square = np.array([[0.0, 0], [4, 0], [4, 4], [0, 4]])
    points = np.array([[1.0, 1], [5, 1], [-1, 2], [3.9, 3.9], [2, 5]])
    assert _inside(points, square).tolist() == [True, False, False, True, False]
    line = np.array([[0.0, 0], [4, 0], [4, 3]])
    np.testing.assert_allclose(_distance(np.array([[2.0, 1], [-3, 4], [7, 7], [4, 2]]), line), [1, 5, 5, 0])


def test_an_island_is_what_hangs_together() -> None:
    corners = np.array([[0, 1, 2], [2, 1, 3], [4, 5, 6], [3, 7, 8], [6, 5, 9]])
    start = np.array([True, False, False, False, False])
    assert _island(corners, start).tolist() == [True, True, False, True, False]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--clips", "0"], "--clips must be at least 1"),
        (["--clips", "4", "--size", "8"], "size must be from 16"),
        (["--clips", "4", "--shard", "5/4"], "--shard must be I/N with"),
        (["--clips", "4", "--seed", "-1"], "seed must be at least 0"),
    ],
)
def test_the_command_refuses(arguments: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=message):
        command.main(["--out", str(tmp_path), *arguments])


# -------------------------------------------------------------------------------------------------- the generator


@pytest.fixture(scope="module")
def head():
    pytest.importorskip("anny")
    from napa_lib.makers.faces.head import Head, head_model
    from napa_lib.makers.people.body import MEAN

    model = head_model()
    bare = model.skin_of(MEAN, _no_traits())
    return model, Head(bare, bare)


class _no_traits(np.random.Generator):
    """Draws the average face."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(0))

    def normal(self, *args, size=None, **kwargs):
        return np.zeros(args[2])

    def uniform(self, *args, **kwargs):
        return 0.0


def test_landmarks_of_a_neutral_face_are_symmetric(head) -> None:
    model, average = head
    points = model.pose(average, np.eye(3), {})[2]
    assert np.linalg.norm(points - points[MIRROR] * [-1, 1, 1], axis=1).max() < 0.5  # mm
    assert 80 < points[45, 0] - points[36, 0] < 100  # the left eye's corner is to the body's left


def test_landmarks_stand_in_the_order_of_the_joint_set(head) -> None:
    model, average = head
    x, y, _ = model.pose(average, np.eye(3), {})[2].T
    for outward in (range(17), range(17, 27), range(31, 36), (36, 37, 38, 39), (41, 40), (48, 49, 50, 51, 52, 53, 54),
                    (59, 58, 57, 56, 55), (60, 61, 62, 63, 64), (67, 66, 65)):  # fmt: skip
        outward = list(outward)
        if outward[0] == 0:
            outward = outward[2:15]  # before the ears the jaw's edge is upright
        assert (np.diff(x[outward]) > 0).all(), outward
    assert (np.diff(y[27:31]) < 0).all() and (np.diff(y[:9]) < 0).all()
    assert y[19] > y[37] > y[41] > y[30] > y[33] > y[51] > y[62] > y[66] > y[57] > y[8]


def test_the_jaw_opens_the_lips_and_a_blink_closes_the_eye(head) -> None:
    model, average = head
    neutral, wide, blink = (model.pose(average, np.eye(3), e)[2] for e in ({}, {"jawOpen": 1.0}, {"eyeBlinkLeft": 0.9}))
    for upper, lower in OPEN_LIPS:
        assert (wide[upper] - wide[lower])[1] > (neutral[upper] - neutral[lower])[1] + 15
    assert wide[8, 1] < neutral[8, 1] - 10 and np.abs(wide[36:48] - neutral[36:48]).max() < 1
    gap = [[(p[a] - p[b])[1] for a, b in ((37, 41), (38, 40), (43, 47), (44, 46))] for p in (neutral, blink)]
    assert min(gap[0]) > 7 and max(gap[1][2:]) < 2
    np.testing.assert_allclose(gap[0][:2], gap[1][:2], atol=0.2)


def test_the_head_turns_rigidly(head) -> None:
    """Distances between points of the face stay when it turns, and the eyes' axis turns as it is told."""
    from napa_lib.makers.people.turns import about

    model, average = head
    still, turned = (model.pose(average, about(1, angle), {})[2] for angle in (0.0, np.radians(30.0)))
    face = [*range(17, 68)]
    pairs = [np.linalg.norm(p[face, None] - p[None, face], axis=-1) for p in (still, turned)]
    np.testing.assert_allclose(pairs[0], pairs[1], atol=1.5)  # skinning shares a little with the neck
    axis = turned[45] - turned[36]
    assert np.degrees(np.arctan2(-axis[2], axis[0])) == pytest.approx(30, abs=1)


def test_landmarks_are_vertices_of_the_skin(head) -> None:
    model, average = head
    vertices, _, points = model.pose(average, np.eye(3), {"mouthSmileLeft": 0.7})
    np.testing.assert_allclose(vertices[model.landmarks], points, atol=1e-3)


def test_features_are_painted_at_their_landmarks(head) -> None:
    from napa_lib.makers.faces.features import CAVITY, IRIS, Features, paint_features
    from napa_lib.makers.faces.head import EYE, MOUTH
    from napa_lib.makers.people.paint import HEAD
    from napa_lib.makers.people.wardrobe import M

    model, _ = head
    lip = (model.canon[[51, 57, 49, 53]] + model.canon[[62, 66, 61, 63]]) / 2
    points = np.concatenate([model.canon[17:27], lip, model.canon[[30, 8, 3, 13]]])
    region = np.full(len(points), HEAD)
    features, skin = Features(2.0, 0.5, 0.5, np.zeros(3)), np.full(len(points), M["skin"])
    ahead = np.array([0.0, 0.0, 1.0])
    found = paint_features(skin, region, points, model, features, ahead)
    assert found.tolist() == [M["brow"]] * 10 + [M["lip"]] * 4 + [M["skin"]] * 4
    # The pupil is where the eye looks, the white on the other side; the eyes have a centre each.
    left = np.array([0.5, 0.0, 0.8660254])
    ball = np.concatenate([model.eyes + 12 * left, model.eyes + 12 * left * [-1, 1, 1], model.eyes + 12 * ahead])
    seen = paint_features(np.full(6, M["skin"]), np.full(6, EYE), ball, model, features, left)
    assert seen[:4].tolist() == [M["dark"]] * 2 + [M["white"]] * 2
    near = paint_features(np.full(6, M["skin"]), np.full(6, EYE), ball, model, features, np.array([0.17, 0.0, 0.9854]))
    assert near[:2].tolist() == [IRIS] * 2  # 20 degrees off: beyond 0.42 of the iris' 29, within it
    assert paint_features(skin, np.full(len(points), MOUTH), points, model, features, ahead).tolist() == [CAVITY] * 18


def test_expressions_are_made_of_known_actions(head) -> None:
    from napa_lib.makers.faces.clips import LIMITS, sample_expression, sample_turns

    random = np.random.default_rng(0)
    drawn = [sample_expression(random) for _ in range(300)]
    assert {name for weights in drawn for name in weights} <= set(head[0].expressions)
    assert all(0 <= weight <= 1 for weights in drawn for weight in weights.values())
    opened = np.mean([weights.get("jawOpen", 0) > 0.2 for weights in drawn])
    assert 0.2 < opened < 0.6
    turns = np.stack([sample_turns(random) for _ in range(100)])
    assert (np.abs(turns) <= LIMITS).all() and turns[..., 0].std() > 0.2


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    pytest.importorskip("anny")
    arguments = ["--clips", "2", "--size", "32", "--split", "test", "--seed", "5"]
    for folder in "ab":
        command.main(["--out", str(tmp_path / folder), *arguments])
    name = "faces-test-00001-of-00001.tar.gz"
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    command.main(["--out", str(tmp_path / "c"), *arguments, "--shard", "2/2"])
    whole, part = read_faces([tmp_path / "a" / name]), read_faces(sorted((tmp_path / "c").glob("*.tar.gz")))
    assert torch.equal(whole.images[1:], part.images) and torch.equal(whole.landmarks[1:], part.landmarks)
    assert not torch.equal(whole.images[0], whole.images[1])
    with pytest.raises(SystemExit, match="was made otherwise"):
        command.main(["--out", str(tmp_path / "a"), *arguments, "--quality", "10"])
