"""Chapter 7 on faces: 68 points are drawn, read and told apart as 15 joints are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napa_lib.adaptation import KeypointRegressor, SourceConfig, alpha, fit_square, source_poses
from napa_lib.adaptation.config import GeneratorConfig
from napa_lib.adaptation.faces import AHEAD, TURNED, face_target, source_faces
from napa_lib.adaptation.sticks import FACE
from napa_lib.adaptation.store import load_regressor, save_regressor
from napa_lib.adaptation.targets import artificial_poses, union_poses
from napa_lib.adaptation.train import known_poses, train_regressor
from napa_lib.data.faces import load_faces
from napa_lib.skeletons import FACE68

LEFT, RIGHT = FACE68.index("l_eye_outer"), FACE68.index("r_eye_outer")


@pytest.fixture(scope="module")
def faces():
    return source_faces(400, torch.Generator().manual_seed(0))


def test_every_line_of_a_face_has_a_colour_of_its_own():
    assert len(set(FACE.colors)) == len(FACE.bones) == len(FACE68.bones)


def test_a_face_is_drawn_in_thin_lines(faces):
    """A pixel is dark where all lines are farther from it than half a stroke and a pixel's corner."""
    picture = alpha(faces[:1], 64)[0].amax(0).double().numpy()
    points = (faces[0].double().numpy() + 1) * 63 / 2
    y, x = np.mgrid[:64, :64].astype(float)
    distance = np.full((64, 64), np.inf)
    for a, b in FACE68.bones:
        start, along = points[a], points[b] - points[a]
        t = np.clip(((x - start[0]) * along[0] + (y - start[1]) * along[1]) / max(along @ along, 1e-12), 0, 1)
        distance = np.minimum(distance, np.hypot(x - start[0] - t * along[0], y - start[1] - t * along[1]))
    half = 64 / 40 / 2
    assert (picture[distance > half + 0.71] == 0).all() and (picture[distance < half - 0.36] > 0.2).all()


def test_the_source_looks_ahead_and_keeps_left_and_right_in_the_mirror(faces):
    clips = load_faces("train")
    turns, landmarks = clips.turns.flatten(0, 1), clips.landmarks.flatten(0, 1)
    ahead = fit_square(landmarks[(turns[:, 0].abs() <= AHEAD[0]) & (turns[:, 1].abs() <= AHEAD[1])
                                 & (turns[:, 2].abs() <= AHEAD[2])])  # fmt: skip
    nearest = torch.cdist(faces.flatten(1).double(), ahead.flatten(1).double()).amin(1)
    assert 0.3 < float((nearest < 1e-4).double().mean()) < 0.7  # the others are mirror images
    assert bool((faces[:, LEFT, 0] > faces[:, RIGHT, 0]).all())  # the left eye is on the picture's right
    assert float(faces.abs().max()) <= 0.8 + 1e-6


@pytest.mark.parametrize("name", TURNED)
def test_targets_look_elsewhere_and_hold_out_other_people(name):
    target = face_target(name)
    angle, sign, least = TURNED[name]
    counts = {}
    for split in ("train", "validation", "test"):
        turns = load_faces(split).turns.flatten(0, 1)[:, angle].numpy()
        counts[split] = int((turns > least).sum() if sign > 0 else (turns < -least).sum())
    assert len(target.pool) == counts["train"]
    assert len(target.held_out) == counts["validation"] + counts["test"] >= 40


def test_turned_heads_show_more_of_one_side():
    """The nose's tip lies nearer to the left eye where the head is turned to its left."""
    tip = FACE68.index("nose_tip")
    for name, nearer in (("face_left", LEFT), ("face_right", RIGHT)):
        poses = face_target(name).pool
        left, right = ((poses[:, tip, 0] - poses[:, eye, 0]).abs() for eye in (LEFT, RIGHT))
        closer = left < right if nearer == LEFT else right < left
        assert float(closer.double().mean()) > 0.95


def test_bad_names_and_other_sets_of_points():
    with pytest.raises(ValueError, match="face_left"):
        face_target("face_behind")
    with pytest.raises(ValueError, match=r"\(N, 15, 2\) or \(N, 68, 2\), got \(1, 17, 2\)"):
        alpha(torch.zeros(1, 17, 2), 32)


def test_beta_learns_to_read_faces_and_is_kept_in_a_file(faces, tmp_path):
    model = GeneratorConfig(size=32, latent=8, mapping_layers=2, channels=(8, 8, 8, 8))
    network, record = train_regressor(SourceConfig(model, 60, 8, 3e-3, every=20, seed=0), faces)
    assert network.joints == 68 and record[-1]["distance"] < 0.6 * record[0]["distance"]
    save_regressor(tmp_path / "beta.safetensors", network)
    read = load_regressor(tmp_path / "beta.safetensors")
    assert read(alpha(faces[:2], 32)).shape == (2, 68, 2)


def test_a_beta_knows_poses_of_its_own_source():
    generator = torch.Generator().manual_seed(0)
    assert known_poses(KeypointRegressor(3, 8, 1, 68), 3, generator).shape == (3, 68, 2)
    assert known_poses(KeypointRegressor(3, 8, 1), 3, generator).shape == (3, 15, 2)


def test_a_union_is_half_of_each_source():
    first, second, union = (torch.Generator().manual_seed(2) for _ in range(3))
    found = union_poses(21, union)
    assert torch.equal(found[:11], source_poses(11, first))
    source_poses(11, second)
    assert torch.equal(found[11:], artificial_poses(10, second))
