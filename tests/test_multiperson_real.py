"""Pictures of one's own in chapter 6: data sets of several people, folders without labels, and the command on both."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from napa_lib import results
from napa_lib.data.assets import asset_path
from napa_lib.data.datasets import Annotations
from napa_lib.multiperson import experiments, real
from napa_lib.multiperson.config import CAMERAS
from napa_lib.multiperson.scenes import sample_scenes
from napa_lib.sampling import BONE_LENGTHS, SKELETON, load_pretrained

CAMERA = CAMERAS["tiny"]
FOCAL, CENTRE = 700.0, torch.tensor([239.5, 159.5])  # of a camera with pictures of 480 x 320 pixels


def filmed(count: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """People nine tenths as large as all bodies of the chapter: joints (N, 17, 2) px and poses (N, 17, 3) mm."""
    model = load_pretrained()
    with torch.no_grad():
        scene = sample_scenes(count, model, torch.Generator().manual_seed(2), 1, CAMERA)
        relative = 0.9 * scene.relative_poses(model)[:, 0]
    roots = torch.tensor([[-400.0, 100, 4000], [500, 0, 5000], [0, -200, 3500]])
    poses = relative + roots[:, None]
    return FOCAL * poses[..., :2] / poses[..., 2:] + CENTRE, poses


def annotations(folder) -> Annotations:
    """Two pictures: two people in the first, one, of whom a joint is missing, in the second."""
    keypoints, poses = filmed()
    keypoints[2, 5], poses[2, 5] = torch.nan, torch.nan
    for name, shade in (("a.png", 90), ("b.png", 200)):
        Image.new("RGB", (480, 320), (shade, 0, 0)).save(folder / name)
    seen = keypoints.isfinite().all(-1)
    return Annotations(folder, ("a.png", "a.png", "b.png"), keypoints, seen, SKELETON, poses=poses,
                       actions=("walk", "walk", "sit"))  # fmt: skip


def test_people_of_a_picture_stand_in_the_fixed_cameras_room_as_large_as_they_are_seen(tmp_path):
    drawn, names = real.from_annotations(annotations(tmp_path), CAMERA, 10)
    assert drawn.images.shape == (2, 3, 112, 112) and names == ("walk", "sit")
    assert drawn.present.tolist() == [[True, True], [True, False]]
    assert drawn.images[1, 0, 56, 56] == 200
    keypoints, poses = filmed()
    shrunk = 112 / 480  # the whole width is seen, with bands above and below
    for place, row in (((0, 0), 0), ((0, 1), 1), ((1, 0), 2)):
        expected = (keypoints[row] - CENTRE) * shrunk + 55.5
        known = [joint for joint in range(17) if (row, joint) != (2, 5)]
        torch.testing.assert_close(drawn.keypoints[place][known], expected[known], atol=1e-3, rtol=0)
        own = drawn.poses[place]
        scale = 150 / own[0, 2]  # of the fixed camera, px a mm
        torch.testing.assert_close(scale * 0.9, FOCAL * shrunk / poses[row, 0, 2] * 0.81, atol=0, rtol=2e-3)
        torch.testing.assert_close(CAMERA.project(own[:1])[0], expected[0], atol=1e-2, rtol=0)
        grown = (poses[row] - poses[row, :1]) / 0.9
        torch.testing.assert_close((own - own[:1])[known], grown[known], atol=2.0, rtol=0)
    assert drawn.poses[1, 0, 5].isnan().all() and drawn.keypoints[1, 0, 5].isnan().all()


def test_a_damaged_picture_is_left_out_with_a_warning(tmp_path):
    own = annotations(tmp_path)
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.warns(UserWarning, match=r"1 of 2 pictures are left out: cannot read picture .*a\.png"):
        drawn, names = real.from_annotations(own, CAMERA, 10)
    assert drawn.keypoints.shape == (1, 1, 17, 2) and names == ("sit",) and drawn.images[0, 0, 56, 56] == 200
    with pytest.warns(UserWarning, match="1 of 2 pictures"):
        assert len(real.open_pictures(str(tmp_path), CAMERA, 10)[0]) == 1
    (tmp_path / "b.png").write_bytes(b"")
    with pytest.raises(ValueError, match="no picture can be read"):
        real.open_pictures(str(tmp_path), CAMERA, 10)


def test_large_pictures_are_made_smaller_while_they_are_decoded(tmp_path, monkeypatch):
    ramp = np.linspace(0, 255, 1801)[None, :] * np.ones((1205, 1))
    Image.fromarray(np.stack([ramp, 255 - ramp, ramp], -1).astype(np.uint8)).save(tmp_path / "a.jpg", quality=95)
    keypoints = torch.rand(1, 17, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([1800.0, 1204.0])
    own = Annotations(tmp_path, ("a.jpg",), keypoints, torch.ones(1, 17).bool(), SKELETON)
    factors, load = [], Annotations.load
    kept = lambda self, row, factor=1: factors.append(factor) or load(self, row, factor)  # noqa: E731
    monkeypatch.setattr(Annotations, "load", kept)
    drawn, _ = real.from_annotations(own, CAMERA, 1)
    assert factors == [16]
    expected = (keypoints[0] - torch.tensor([900.0, 602.0])) * 112 / 1801 + 55.5
    torch.testing.assert_close(drawn.keypoints[0, 0], expected, atol=0.5, rtol=0)  # half of a reduced pixel
    folder, _ = real.open_pictures(str(tmp_path), CAMERA, 1)
    assert torch.equal(folder.images, drawn.images)
    x = (torch.arange(112) - 55.5) * 1801 / 112 + 900
    torch.testing.assert_close(drawn.images[0, 0, 56].float(), (255 * x / 1800).clamp(0, 255), atol=3, rtol=0)


def test_the_focal_length_is_what_joints_and_poses_say():
    keypoints, poses = filmed()
    keypoints[0, 3] = torch.nan
    assert float(real.focal_length(keypoints, poses)) == pytest.approx(FOCAL, rel=1e-4)
    assert float(real.focal_length(2 * keypoints[1], poses[1])) == pytest.approx(2 * FOCAL, rel=1e-4)


def test_pictures_are_spread_over_the_set_and_those_without_labels_are_taken(tmp_path):
    drawn, names = real.from_annotations(annotations(tmp_path), CAMERA, 1)
    assert len(drawn) == 1 and names == ("walk",) and real._spread(list(range(10)), 3) == [0, 3, 6]
    drawn, names = real.open_pictures(str(tmp_path), CAMERA, 10)
    assert len(drawn) == 2 and not drawn.present.any() and drawn.images[0, 0, 56, 56] == 90
    for bad in (str(tmp_path / "none"), "coco:", str(tmp_path / "a.png")):
        with pytest.raises(ValueError, match="must be"):
            real.open_pictures(bad, CAMERA, 3)
    with pytest.raises(ValueError, match="most must be at least 1 picture"):
        real.open_pictures(str(tmp_path), CAMERA, 0)


def mupots(folder) -> None:
    """Two sequences of two pictures in 3DMPPE's form, the composed pictures' own people in them."""
    drawn = experiments.pictures("test", 4)
    pictures, people = [], []
    for number, (image, keypoints, poses) in enumerate(zip(drawn.images, drawn.keypoints, drawn.poses, strict=True)):
        name = f"TS{1 + number // 2}/img_{number % 2:06d}.png"
        place = folder / "MultiPersonTestSet" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(place)
        pictures.append({"id": number, "file_name": name, "width": 112, "height": 112})
        for flat, pose in zip(keypoints[drawn.present[number]], poses[drawn.present[number]], strict=True):
            names = ("head", "neck", "r_shoulder", "r_elbow", "r_wrist", "l_shoulder", "l_elbow", "l_wrist", "r_hip",
                     "r_knee", "r_ankle", "l_hip", "l_knee", "l_ankle", "pelvis", "thorax", "nose")  # fmt: skip
            rows = [SKELETON.index(joint) for joint in names]
            people.append({"image_id": number, "is_valid": 1, "keypoints_img": flat[rows].tolist(),
                           "keypoints_cam": pose[rows].tolist()})  # fmt: skip
    (folder / "MuPoTS-3D.json").write_text(json.dumps({"images": pictures, "annotations": people}))


def test_a_row_learns_on_a_folder_and_is_measured_on_mupots(tmp_path, monkeypatch):
    mupots(tmp_path)
    loose = tmp_path / "loose"
    loose.mkdir()
    for i, image in enumerate(experiments.pictures("validation", 3).images):
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(loose / f"{i}.png")
    row = experiments.StudentConfig(pretraining=1, first=2, steps=4, batch=2, pictures=8)
    monkeypatch.setitem(experiments.ROWS, "unsupervised", row)
    place = ["--teacher", str(asset_path("weights/multiperson_teacher.safetensors")), "--runs", str(tmp_path / "runs"),
             "--results", str(tmp_path / "out"), "--train", str(loose), "--test", f"mupots:{tmp_path}"]  # fmt: skip
    experiments.main(["--row", "unsupervised", "--steps", "8", "--farthest", "9000", *place])
    found = results.read(tmp_path / "out/unsupervised_0.json")
    assert (found["steps"], found["config"]["steps"], found["config"]["first"]) == (8, 8, 4)
    assert found["camera"]["farthest"] == 9000 and found["beyond_room"] == 0
    assert set(found["sequences"]) == {"TS1", "TS2"} and "validation" not in found["record"][-1]
    people = sum(part["people"] for part in found["sequences"].values())
    assert found["3d"]["people"] == people == int(experiments.pictures("test", 4).present.sum())
    (loose / "0.png").unlink()  # what is gone on with are pictures of a folder, and these may be others by now
    with pytest.raises(SystemExit, match="belongs to another training .train_pictures is 3, expected 2"):
        experiments.main(["--row", "unsupervised", "--steps", "8", "--farthest", "9000", *place])
    with pytest.raises(SystemExit, match="must have 2D labels"):
        experiments.main(["--row", "weak", *place])
    with pytest.raises(SystemExit, match="sizes be positive"):
        experiments.main(["--row", "unsupervised", "--steps", "0", *place])


def test_bones_that_are_not_known_are_left_out_of_the_size():
    _, poses = filmed()
    poses[0, 5] = torch.nan
    torch.testing.assert_close(real.universal_factor(poses), torch.full((3,), 1 / 0.9), atol=1e-3, rtol=0)
    assert float(BONE_LENGTHS.sum()) > 0 and np.isfinite(poses[1:].numpy()).all()
