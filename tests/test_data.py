"""Shipped files and their manifest; paintings, figures in art, BODY_25 poses and calibrated video."""

from __future__ import annotations

import json
import math
import os

import numpy as np
import pytest
import torch

from napa_lib.data import (
    AssetError,
    asset_path,
    list_assets,
    list_cameras,
    list_paintings,
    load_art_figures,
    load_body25_poses,
    load_cameras,
    load_paintings,
    load_video_frames,
    load_video_poses,
    read_manifest,
    resize,
)
from napa_lib.data.assets import assets_root, sha256
from napa_lib.data.manifest import main as manifest_command
from napa_lib.data.manifest import unlisted_files, update_manifest
from napa_lib.geometry import project_perspective, triangulate
from napa_lib.skeletons import ART14, BODY25, NAPA18


@pytest.fixture
def small_assets(tmp_path, monkeypatch):
    """An assets folder with one listed file, and NAPA_ASSETS pointing to it."""
    root = tmp_path / "assets"
    (root / "notes").mkdir(parents=True)
    (root / "notes/a.txt").write_text("first")
    update_manifest(["notes"], source="this test", licence="MIT", root=root)
    monkeypatch.setenv("NAPA_ASSETS", str(root))
    return root


# ---- what ships


def test_every_shipped_file_is_listed_with_its_hash_source_and_licence():
    assert unlisted_files() == []
    root, manifest = assets_root(), read_manifest()
    for name, entry in manifest.items():
        assert set(entry) == {"sha256", "bytes", "source", "licence"}, name
        assert entry["source"].strip() and entry["licence"].strip(), name
        assert (root / name).stat().st_size == entry["bytes"], name
        assert sha256(root / name) == entry["sha256"], name
    assert sum(entry["bytes"] for entry in manifest.values()) < 110e6


def test_the_assets_stay_as_small_as_their_card_says():
    assert sum(entry["bytes"] for entry in read_manifest().values()) < 100 * 2**20


def test_licence_texts_that_the_manifest_points_to_are_there():
    for entry in read_manifest().values():
        if "(" in entry["licence"] and "/" in entry["licence"]:
            assert asset_path(entry["licence"].split("(")[1].rstrip(")")).stat().st_size > 500


# ---- asset_path


def test_a_listed_file_is_found(small_assets):
    assert asset_path("notes/a.txt").read_text() == "first"
    assert list_assets("notes") == ["notes/a.txt"]


def test_a_changed_file_is_named(small_assets):
    (small_assets / "notes/a.txt").write_text("First")  # same length
    with pytest.raises(AssetError, match=r"notes/a\.txt.*changed"):
        asset_path("notes/a.txt")
    update_manifest()
    assert asset_path("notes/a.txt").read_text() == "First"


def test_a_missing_file_is_named(small_assets):
    (small_assets / "notes/a.txt").unlink()
    with pytest.raises(ValueError, match=r"notes/a\.txt.*missing"):
        asset_path("notes/a.txt")


def test_an_unlisted_file_is_refused(small_assets):
    (small_assets / "notes/b.txt").write_text("second")
    with pytest.raises(AssetError, match=r"notes/b\.txt.*not listed"):
        asset_path("notes/b.txt")


@pytest.mark.parametrize("name", ["../secret.txt", "notes/../../secret.txt", "/etc/hostname", "notes/../notes/a.txt"])
def test_names_that_leave_the_folder_are_refused(small_assets, name):
    (small_assets.parent / "secret.txt").write_text("secret")
    with pytest.raises(AssetError, match="below assets/"):
        asset_path(name)


def test_a_link_out_of_the_folder_is_refused(small_assets):
    (small_assets.parent / "secret.txt").write_text("first")  # the right content does not help
    (small_assets / "notes/a.txt").unlink()
    os.symlink(small_assets.parent / "secret.txt", small_assets / "notes/a.txt")
    with pytest.raises(AssetError, match=r"notes/a\.txt.*leads out"):
        asset_path("notes/a.txt")


def test_a_file_is_hashed_once_a_process(small_assets, monkeypatch):
    asset_path("notes/a.txt")
    monkeypatch.setattr("napa_lib.data.assets.sha256", lambda path: pytest.fail("hashed again"))
    asset_path("notes/a.txt")


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"a": 1}', '{"a": {}}', '{"a": {"sha256": 5}}', "\x00"])
def test_a_corrupt_manifest_is_named(small_assets, text):
    (small_assets / "manifest.json").write_text(text)
    with pytest.raises(AssetError, match=r"manifest\.json"):
        asset_path("a")


def test_a_folder_without_manifest_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPA_ASSETS", str(tmp_path))
    with pytest.raises(AssetError, match="NAPA_ASSETS"):
        asset_path("a")


# ---- writing the manifest


def test_the_manifest_command_lists_new_files_and_names_those_it_cannot(small_assets, capsys):
    (small_assets / "results").mkdir()
    (small_assets / "results/x.json").write_text("{}")
    assert manifest_command([]) == 1 and "results/x.json" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="results.*source"):
        manifest_command(["results"])
    assert manifest_command(["results", "--source", "a test", "--licence", "MIT"]) == 0
    assert "new: results/x.json" in capsys.readouterr().out
    (small_assets / "notes/a.txt").unlink()
    assert manifest_command([]) == 0 and "gone: notes/a.txt" in capsys.readouterr().out
    assert json.loads((small_assets / "manifest.json").read_text()) == {
        "results/x.json": {
            "sha256": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",  # of the two bytes {}
            "bytes": 2, "source": "a test", "licence": "MIT",
        }
    }  # fmt: skip


def test_the_manifest_command_refuses_names_outside(small_assets):
    with pytest.raises(AssetError, match="does not exist"):
        update_manifest([".."], "a", "b")


# ---- paintings and figures in art


def test_paintings_match_their_records():
    paintings = list_paintings()
    assert len(paintings) == 30 and len({p.name for p in paintings}) == 30
    for painting, picture in zip(paintings, load_paintings(), strict=True):
        assert (picture.shape[2], picture.shape[1]) == painting.size
        assert picture.min() >= 0 and picture.max() <= 1 and picture.std() > 0.05
        assert painting.artist and painting.title and "public domain" in painting.licence
        assert painting.year is None or painting.year[:4].isdigit()
    assert torch.stack(load_paintings(32)).shape == (30, 3, 32, 32)


def test_an_unknown_painting_is_named():
    with pytest.raises(ValueError, match="sunflowers"):
        load_paintings(names=["monalisa", "sunflowers"])


# The seven painted test figures: the painting and the window (x, y, width, height) they were cut from.
CUTS = {
    "bruegel_harvester_left": ("pieterbruegel", 60, 230, 200, 210),
    "gogh_auvers_walker": ("gogh_church_at_auvers", 40, 340, 100, 140),
    "gogh_night_cafe_waiter": ("gogh_night_cafe", 390, 60, 110, 240),
    "gogh_painter_on_road": ("gogh_painter_on_the_road", 0, 0, 439, 500),
    "gogh_pere_tanguy": ("gogh_pere_tanguy", 0, 0, 394, 500),
    "renoir_piano_seated": ("renoir_filles_piano", 0, 140, 356, 343),
    "renoir_piano_standing": ("renoir_filles_piano", 0, 40, 356, 443),
}


def test_paintings_that_test_figures_were_cut_from_are_marked():
    """The windows show the same picture as the figures, so these paintings must stay out of training."""
    figures = {figure.name: figure for figure in load_art_figures() if figure.kind == "painting"}
    assert set(CUTS) == set(figures)
    for name, (painting, x, y, width, height) in CUTS.items():
        window = load_paintings(names=[painting])[0][:, y : y + height, x : x + width]
        shown = resize(figures[name].load(), (height, width))
        assert torch.corrcoef(torch.stack([window.flatten(), shown.flatten()]))[0, 1] > 0.98, name
    assert {p.name for p in list_paintings() if p.in_art_figures} == {cut[0] for cut in CUTS.values()}


def test_figures_keep_to_their_annotation():
    figures = load_art_figures()
    document = json.loads(asset_path("art_figures/annotations.json").read_text())
    records = {record["file"]: record for record in document["figures"]}
    assert [f.asset for f in figures] == sorted(records)
    for figure in figures:
        joints = np.array(records[figure.asset]["joints"], dtype=np.float32)
        np.testing.assert_array_equal(figure.keypoints, joints[:, :2])
        np.testing.assert_array_equal(figure.scored_keypoints.isnan().any(1), joints[:, 2] == 0)
        np.testing.assert_array_equal(figure.scored_keypoints[figure.visible], joints[joints[:, 2] > 0, :2])
        x0, y0, x1, y1 = figure.head_box
        assert abs(figure.head_size - 0.6 * math.hypot(x1 - x0, y1 - y0)) < 0.1
        assert figure.kind in ("painting", "drawing", "stick figure") and figure.licence


def test_the_protocols_box_surrounds_joints_and_head():
    for figure in load_art_figures():
        x0, y0, x1, y1 = figure.box
        points = np.vstack([figure.keypoints[figure.visible].numpy(), np.reshape(figure.head_box, (2, 2))])
        reach = np.abs(points - [(x0 + x1) / 2, (y0 + y1) / 2]).max(0)  # centred: both sides reach equally far
        assert x1 - x0 == pytest.approx(y1 - y0) == pytest.approx(1.25 * 2 * reach.max(), rel=1e-4)


def test_figures_pictures_have_the_stated_size_and_hold_their_head():
    for figure in load_art_figures():
        picture = figure.load()
        assert (picture.shape[2], picture.shape[1]) == figure.size
        x, y = figure.keypoints[ART14.index("head_top")].tolist()
        assert 0 <= x < figure.size[0] and 0 <= y < figure.size[1]


# ---- BODY_25 poses


def test_body25_poses_are_right_way_up_and_not_mirrored():
    poses = load_body25_poses()
    assert poses.labels.bincount(minlength=20).min() >= 500
    missing = poses.keypoints.isnan()
    assert torch.equal(missing[..., 0], missing[..., 1]) and 0.01 < missing.float().mean() < 0.1
    standing = load_body25_poses("Stand").keypoints.nanmedian(0).values
    order = [BODY25.index(name) for name in ("nose", "thorax", "pelvis", "r_knee", "r_ankle")]
    assert (standing[order, 1].diff() > 0).all()  # y grows downwards
    assert standing[BODY25.index("r_shoulder"), 0] < standing[BODY25.index("l_shoulder"), 0]  # they face the camera
    for side, other in (("Left", "r"), ("Right", "l")):
        wrists = load_body25_poses(f"Stand_{side}ArmRaised").keypoints
        raised = wrists[:, BODY25.index(f"{side[0].lower()}_wrist"), 1].nanmedian()
        assert raised < wrists[:, BODY25.index(f"{other}_wrist"), 1].nanmedian() - 0.2


def test_body25_coordinates_are_stored_in_stated_steps():
    keypoints = load_body25_poses().keypoints.double()
    steps = keypoints[~keypoints.isnan()] * 1e4
    assert (steps - steps.round()).abs().max() < 1e-3 and keypoints.nan_to_num().abs().max() < 0.8
    with pytest.raises(ValueError, match="Handstand"):
        load_body25_poses("Handstand")


# ---- video


@pytest.mark.parametrize("video", ["single", "multi"])
def test_frames_fit_their_cameras(video):
    cameras = load_cameras(video)
    assert list(cameras) == list_cameras(video) == ["cam01", "cam02", "cam03", "cam04"]
    for name, camera in cameras.items():
        frames = load_video_frames(video, name)
        assert frames.shape == (20, 3, camera.size[1], camera.size[0]) and max(camera.size) == 480
        assert (frames[1:] - frames[:-1]).abs().mean() > 1e-3  # something moves
        np.testing.assert_allclose(camera.R @ camera.R.T, np.eye(3), atol=1e-5)
        assert torch.linalg.det(camera.R) > 0
        height = (-camera.R.T @ camera.t)[2]
        assert 1500 < height < 2200  # mm above the treadmill, as the pictures look
        x, y = project_perspective(torch.tensor([[-1000.0, 0.0, 0.0]]), camera)[0].tolist()
        assert 0 < x < camera.size[0] and 0 < y < camera.size[1]


# Picked by hand in frame 50 (frame 0 for screws c, d of "single"), source pixels from the top-left corner: screws of
# the treadmill (a to d), the rim of a tube, and markers on the standing foot. NaN: hidden in that view.
N = (math.nan, math.nan)
PICKED = {
    "single": [
        [(518.7, 1064.6), (789.1, 1084.3), (485.3, 1432.1), (386.0, 1396.6)],
        [(766.7, 1291.0), (758.1, 1269.6), (165.0, 1241.0), (520.5, 1117.5)],
        [(947.8, 1425.1), (631.4, 1342.1), (60.1, 1058.1), N],
        [N, (579.5, 1072.4), (545.7, 1201.7), (610.6, 1214.8)],
        [(446.4, 1142.3), (580.6, 1109.7), (501.8, 1210.7), N],
    ],
    "single, not used to correct the cameras": [
        [(318.0, 1335.3), (326.0, 1207.7), (516.9, 1091.8), (890.3, 1069.7)],
        [(109.5, 1060.8), (439.6, 1041.1), (873.1, 1234.2), N],
    ],
    "multi, not used to correct the cameras": [
        [(521.2, 1061.4), (787.7, 1084.0), (485.8, 1425.5), (385.3, 1397.0)],
        [N, (756.9, 1269.0), (164.0, 1233.3), (519.5, 1117.8)],
        [(319.6, 1333.3), (324.7, 1207.4), N, (889.3, 1070.6)],
        [N, (438.3, 1041.0), (876.1, 1227.0), (835.9, 1411.4)],
    ],
}


@pytest.mark.parametrize("case", PICKED)
def test_cameras_explain_points_picked_by_hand(case):
    """A point seen in several views must lie on all its lines of sight: within half a pixel of the shipped frames."""
    cameras = list(load_cameras(case.split(",")[0]).values())
    pixels = torch.tensor(PICKED[case], dtype=torch.float64).transpose(0, 1) / 4 - 0.5
    points = triangulate(pixels, cameras)
    error = torch.stack([project_perspective(points, camera) for camera in cameras]) - pixels
    distance = error.norm(dim=-1)
    assert not points.isnan().any() and distance[~distance.isnan()].max() < 0.5


def test_both_videos_give_the_screws_the_same_place():
    places = {}
    for video in ("single", "multi"):
        picked = [p for case in PICKED if case.startswith(video) for p in PICKED[case]]
        pixels = torch.tensor(picked, dtype=torch.float64).transpose(0, 1) / 4 - 0.5
        places[video] = triangulate(pixels, list(load_cameras(video).values()))
    same = [0, 1, 5, 6]  # screws a, b, c, d among the points of "single"
    assert (places["single"][same] - places["multi"]).norm(dim=-1).max() < 10.0  # mm, at 3 to 5 m


def test_unknown_and_uncalibrated_videos_are_named():
    assert load_video_frames("street").shape == (10, 3, 270, 480)
    with pytest.raises(ValueError, match="street"):
        load_cameras("street")
    with pytest.raises(ValueError, match="double"):
        load_video_frames("double")
    with pytest.raises(ValueError, match="cam09"):
        load_video_frames("single", "cam09")


def test_triangulated_poses_lie_on_the_man_and_keep_their_bones():
    poses = load_video_poses()
    assert poses.shape == (20, 18, 3)
    known = [NAPA18.index(name) for name in NAPA18.joints if name not in ("neck", "head", "nose", "torso")]
    assert not poses[:, known].isnan().any() and poses.isnan().any(-1).sum() == 20 * 4
    shins = (poses[:, NAPA18.index("r_knee")] - poses[:, NAPA18.index("r_ankle")]).norm(dim=-1)
    assert 350 < shins.mean() < 500 and shins.std() / shins.mean() < 0.1
    assert poses[:, NAPA18.index("thorax"), 2].min() > 900  # z is up: shoulders above the treadmill
    for camera in load_cameras("single").values():
        seen = project_perspective(poses[:, known], camera)
        assert bool(((seen > 0) & (seen < torch.tensor([272.0, 480.0]))).all())
    with pytest.raises(ValueError, match="single"):
        load_video_poses("multi")
