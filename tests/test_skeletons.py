"""Joint sets against their public definitions, written down here a second time, and the laws of convert and flip."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napa_lib import skeletons
from napa_lib.skeletons import (
    ART14,
    BLAZEPOSE33,
    BODY25,
    COCO17,
    DERIVED_JOINTS,
    FACE68,
    H36M17,
    H36M32,
    MPI3DHP28,
    MPII16,
    NAPA18,
    OPENPOSE15,
    REGRESSION_BONES,
    SHARED15,
    SKELETONS,
    convert,
    flip,
    get_skeleton,
)

BODIES = [s for s in SKELETONS if s is not FACE68]
names = pytest.mark.parametrize("skeleton", SKELETONS, ids=lambda s: s.name)


def random_pose(skeleton, dims: int = 3, seed: int = 0, batch: tuple[int, ...] = (4,)) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*batch, skeleton.num_joints, dims, generator=generator, dtype=torch.float64)


# A set of one's own -------------------------------------------------------------------------------------------------

OWN = {"name": "own", "joints": ["l_hip", "r_hip", "nose"], "parents": np.array([-1, 0, 0]), "flip_pairs": [[0, 1]],
       "bones": np.array([[0, 1], [0, 2]]), "colors": [[255, 0, 0], [0, 0, 255]]}  # fmt: skip


def test_a_set_of_ones_own_may_be_made_of_lists_and_arrays():
    own = skeletons.Skeleton(**OWN)
    assert own == skeletons.Skeleton(
        "own", ("l_hip", "r_hip", "nose"), (-1, 0, 0), ((0, 1),), ((0, 1), (0, 2)), ((255, 0, 0), (0, 0, 255))
    )
    pose = torch.tensor([[0.0, 2.0], [4.0, 4.0], [9.0, 9.0]])
    assert convert(pose, own, NAPA18)[NAPA18.index("pelvis")].tolist() == [2.0, 3.0]
    assert len(repr(own)) < 80  # a result that is printed has a skeleton in it


@pytest.mark.parametrize("argument, value", [
    ("parents", (-1, 0)), ("parents", (-1, 0, 3)), ("parents", (0, 0, 0)), ("parents", (-1, -1, 0)),
    ("parents", (-1, 2, 1)), ("flip_pairs", ((0, 3),)), ("bones", ((0, 1), (1, 3))), ("bones", ((0, 1), (-1, 2))),
    ("bones", ((0, 1, 2), (0, 1, 2))), ("colors", ((255, 0, 0),)), ("colors", ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0))),
    ("colors", ((256, 0, 0), (0, 0, 0))), ("colors", ("red", "tab")),
])  # fmt: skip
def test_a_set_that_cannot_be_is_refused(argument, value):
    with pytest.raises(ValueError, match=f"^{argument} must"):
        skeletons.Skeleton(**{**OWN, argument: value})


# The sets ---------------------------------------------------------------------------------------------------------


@names
def test_a_set_is_a_tree_of_named_joints_with_a_mirror(skeleton):
    assert len(set(skeleton.joints)) == skeleton.num_joints == len(skeleton.parents) == int("".join(
        c for c in skeleton.name.upper().replace("H36M", "").replace("MPI3D", "") if c.isdigit()))  # fmt: skip
    assert skeleton.parents.count(-1) == 1 and skeleton.parents[skeleton.root] == -1
    for joint in range(skeleton.num_joints):
        path = [joint]
        while skeleton.parents[path[-1]] >= 0:
            path.append(skeleton.parents[path[-1]])
            assert len(path) <= skeleton.num_joints, "a cycle"
        assert path[-1] == skeleton.root
    assert len(skeleton.colors) == len(skeleton.bones) == len(set(map(frozenset, skeleton.bones)))
    assert all(0 <= c <= 255 for color in skeleton.colors for c in color)
    assert {j for bone in skeleton.bones for j in bone} <= set(range(skeleton.num_joints))


@names
def test_the_mirror_pairs_each_sided_joint_once_and_keeps_the_tree(skeleton):
    mirror = dict(skeleton.flip_pairs) | {r: left for left, r in skeleton.flip_pairs}
    assert len(mirror) == 2 * len(skeleton.flip_pairs)
    for left, right in skeleton.flip_pairs:
        assert skeleton.joints[left] == "l" + skeleton.joints[right][1:]
    assert not [j for i, j in enumerate(skeleton.joints) if j.startswith(("l_", "r_")) and i not in mirror]
    for joint, parent in enumerate(skeleton.parents):
        assert skeleton.parents[mirror.get(joint, joint)] == mirror.get(parent, parent)
    drawn = {frozenset(bone) for bone in skeleton.bones}
    assert {frozenset(mirror.get(j, j) for j in bone) for bone in drawn} == drawn


def test_the_root_is_the_pelvis_wherever_there_is_one():
    for skeleton in BODIES:
        if "pelvis" in skeleton.joints:
            assert skeleton.joints[skeleton.root] == "pelvis"
    assert NAPA18.root == H36M17.root == 0


def test_napa18_is_the_released_order_bones_and_colours():
    order = ("pelvis, r_hip, r_knee, r_ankle, l_hip, l_knee, l_ankle, torso, neck, nose, head, l_shoulder, l_elbow, "
             "l_wrist, r_shoulder, r_elbow, r_wrist, thorax")  # fmt: skip
    assert ", ".join(NAPA18.joints) == order
    bones = "(0,7) (7,8) (8,9) (9,10) (8,11) (11,12) (12,13) (8,14) (14,15) (15,16) (0,1) (1,2) (2,3) (0,4) (4,5) (5,6)"
    colors = ("(85,152,188) (199,153,96) (191,141,113) (119,165,232) (140,139,66) (84,83,232) (234,218,188) "
              "(178,179,252) (234,235,84) (84,100,130) (230,30,210) (60,200,155) (180,20,60) (128,128,128) "
              "(238,190,77) (40,169,35)")  # fmt: skip
    assert str(NAPA18.bones)[1:-1].replace(", ", ",").replace("),(", ") (") == bones
    assert str(NAPA18.colors)[1:-1].replace(", ", ",").replace("),(", ") (") == colors
    pairs = "3-2 2-1 1-0 4-0 5-4 6-5 0-17 8-17 10-8 16-15 15-14 14-17 11-17 12-11 13-12"
    assert " ".join(f"{c}-{p}" for c, p in REGRESSION_BONES) == pairs


def test_h36m17_lists_the_scored_joints_of_the_raw_32():
    scored = [0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27]
    assert tuple(H36M32.joints[i] for i in scored) == H36M17.joints
    assert H36M17.joints == NAPA18.joints[:17]


@pytest.mark.parametrize(
    ("skeleton", "documented", "same"),
    [
        (
            COCO17,
            "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow left_wrist "
            "right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle",
            {},
        ),
        (
            BODY25,
            "Nose Neck RShoulder RElbow RWrist LShoulder LElbow LWrist MidHip RHip RKnee RAnkle LHip LKnee LAnkle REye "
            "LEye REar LEar LBigToe LSmallToe LHeel RBigToe RSmallToe RHeel",
            {"neck": "thorax", "mid_hip": "pelvis"},
        ),
        (
            OPENPOSE15,
            "Head Neck RShoulder RElbow RWrist LShoulder LElbow LWrist RHip RKnee RAnkle LHip LKnee LAnkle Chest",
            {"head": "head_top", "neck": "upper_neck"},
        ),
        (
            MPII16,
            "r_ankle r_knee r_hip l_hip l_knee l_ankle pelvis thorax upper_neck head_top r_wrist r_elbow r_shoulder "
            "l_shoulder l_elbow l_wrist",
            {},
        ),
        (
            MPI3DHP28,
            "spine3 spine4 spine2 spine pelvis neck head head_top left_clavicle left_shoulder left_elbow left_wrist "
            "left_hand right_clavicle right_shoulder right_elbow right_wrist right_hand left_hip left_knee left_ankle "
            "left_foot left_toe right_hip right_knee right_ankle right_foot right_toe",
            {"head": "head_joint"},
        ),
        (
            BLAZEPOSE33,
            "nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye right_eye_outer left_ear right_ear "
            "mouth_left mouth_right left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist "
            "left_pinky right_pinky left_index right_index left_thumb right_thumb left_hip right_hip left_knee "
            "right_knee left_ankle right_ankle left_heel right_heel left_foot_index right_foot_index",
            {"mouth_left": "l_mouth", "mouth_right": "r_mouth", "l_thumb": "l_thumb_tip", "r_thumb": "r_thumb_tip"},
        ),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_public_joint_orders(skeleton, documented, same):
    def ours(name: str) -> str:
        snake = "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")
        snake = snake.replace("left_", "l_").replace("right_", "r_")
        return same.get(snake, same.get(name, snake))

    assert tuple(ours(name) for name in documented.split()) == skeleton.joints


def test_mpi3dhp_relevant_joints_give_human36m():
    """3DHP's own list of 17 joints "compatible with Human3.6M" (1-based, in its order) is what convert finds."""
    relevant = [8, 6, 15, 16, 17, 10, 11, 12, 24, 25, 26, 19, 20, 21, 5, 4, 7]
    h36m_index = [10, 8, 14, 15, 16, 11, 12, 13, 1, 2, 3, 4, 5, 6, 0, 7, 9]
    pose = random_pose(MPI3DHP28)
    expected = torch.empty(4, 17, 3, dtype=pose.dtype)
    expected[:, h36m_index] = pose[:, [i - 1 for i in relevant]]
    torch.testing.assert_close(convert(pose, MPI3DHP28, H36M17), expected, rtol=0, atol=0)


def test_art14_is_the_order_of_the_annotations():
    file = next(Path(__file__).parents[1].glob("assets/**/annotations.json"))
    order = json.loads(file.read_text())["joint_names"]
    assert tuple("upper_neck" if name == "neck" else name for name in order) == ART14.joints


def test_shared15_is_flexpose_s_sentence():
    """Three joints for each limb in addition to the head, neck and pelvis; every body set can give all of them."""
    limbs = {f"{s}_{j}" for s in "lr" for j in ["shoulder", "elbow", "wrist", "hip", "knee", "ankle"]}
    assert set(SHARED15.joints) == limbs | {"head_center", "thorax", "pelvis"}
    for source in BODIES:
        if source is get_skeleton("CROSSMODAL15"):  # a head's top alone does not say where its centre is
            continue
        assert convert(random_pose(source), source, SHARED15).isfinite().all(), source.name


def test_openpose15_has_the_supplement_s_channels():
    assert (OPENPOSE15.num_joints, 2 * len(OPENPOSE15.bones)) == (15, 28)


def test_face68_mirror_is_the_published_one():
    """300-W's mirror, from its definition: ranges of landmarks that run right to left and are reversed by it."""
    mirror = list(range(68))
    for first, last in [(0, 16), (17, 26), (31, 35), (48, 54), (60, 64)]:
        mirror[first : last + 1] = range(last, first - 1, -1)
    for right, left in [(36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46), (59, 55), (58, 56), (67, 65)]:
        mirror[right], mirror[left] = left, right
    swap = list(range(68))
    for left, right in FACE68.flip_pairs:
        swap[left], swap[right] = right, left
    assert swap == mirror


# get_skeleton -----------------------------------------------------------------------------------------------------


@names
def test_get_skeleton_in_any_case(skeleton):
    assert get_skeleton(skeleton.name.swapcase()) is skeleton is get_skeleton(skeleton)
    assert getattr(skeletons, skeleton.name.upper()) is skeleton


@pytest.mark.parametrize("bad", ["coco", "", 17, None])
def test_unknown_sets_are_named(bad):
    with pytest.raises(ValueError, match="NAPA18, H36M17.*ART14"):
        get_skeleton(bad)


def test_unknown_joints_are_named():
    with pytest.raises(ValueError, match="COCO17, got 'pelvis'"):
        COCO17.index("pelvis")


# convert ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("a", "b"), list(itertools.permutations(BODIES, 2)), ids=lambda s: s.name)
def test_there_and_back_returns_what_both_share(a, b):
    pose = random_pose(a)
    back = convert(convert(pose, a, b), b, a)
    shared = [a.index(j) for j in a.joints if j in b.joints]
    assert torch.equal(back[:, shared], pose[:, shared])
    # Everything else is absent or what the rules derive from the shared joints: the same when the rest is changed.
    changed = random_pose(a, seed=1)
    changed[:, shared] = pose[:, shared]
    derived = [i for i in range(a.num_joints) if i not in shared and set_of_sources(b, a, i) <= set(shared)]
    again = convert(convert(changed, a, b), b, a)
    torch.testing.assert_close(again[:, derived], back[:, derived], equal_nan=True)


def set_of_sources(b, a, joint: int) -> set[int]:
    """Joints of `a` by name that the first fitting rule reads in `b`; -1 for one that `a` lacks."""
    for name, parts, _ in DERIVED_JOINTS:
        if name == a.joints[joint] and all(p in b.joints for p in parts):
            return {a.joints.index(p) if p in a.joints else -1 for p in parts}
    return set()


@pytest.mark.parametrize("dims", [2, 3])
def test_derived_joints_by_hand(dims):
    pose = random_pose(COCO17, dims)[0]
    joint = {name: pose[i].numpy() for i, name in enumerate(COCO17.joints)}
    hips, shoulders = joint["l_hip"] / 2 + joint["r_hip"] / 2, joint["l_shoulder"] / 2 + joint["r_shoulder"] / 2
    ears = joint["l_ear"] / 2 + joint["r_ear"] / 2
    napa = convert(pose, "coco17", "napa18").numpy()
    expected = {
        "pelvis": hips,
        "thorax": shoulders,
        "torso": (hips + shoulders) / 2,
        "neck": shoulders + (ears - shoulders) / 4,
        "nose": joint["nose"],
        "l_wrist": joint["l_wrist"],
        "head": np.full(dims, np.nan),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(napa[NAPA18.index(name)], value, atol=1e-15, err_msg=name)
    np.testing.assert_allclose(convert(pose, COCO17, SHARED15)[SHARED15.index("head_center")], ears, atol=1e-15)
    art = convert(pose, COCO17, ART14)
    np.testing.assert_allclose(art[ART14.index("upper_neck")], (shoulders + ears) / 2, atol=1e-15)
    assert art[ART14.index("head_top")].isnan().all()


def test_points_that_share_a_word_are_not_equated():
    """An MPII upper neck, a BODY25 neck and a NAPA neck are three points."""
    mpii = random_pose(MPII16)
    napa = convert(mpii, MPII16, NAPA18)
    thorax, upper = (mpii[:, MPII16.index(j)] for j in ("thorax", "upper_neck"))
    shoulders = (mpii[:, MPII16.index("l_shoulder")] + mpii[:, MPII16.index("r_shoulder")]) / 2
    torch.testing.assert_close(napa[:, NAPA18.index("neck")], (shoulders + upper) / 2)
    assert torch.equal(napa[:, NAPA18.index("thorax")], thorax)
    assert napa[:, NAPA18.index("nose")].isnan().all()
    body = random_pose(BODY25)
    assert convert(body, BODY25, NAPA18)[:, NAPA18.index("head")].isnan().all()


def test_rules_are_means_of_other_joints_in_steps_of_eighths():
    known = {j for s in SKELETONS for j in s.joints}
    for name, parts, kind in DERIVED_JOINTS:
        assert {name, *parts} <= known and name not in parts and kind in ("is", "near")
        assert 8 % len(parts) == 0


@given(st.sampled_from(BODIES), st.sampled_from(BODIES), st.integers(0, 99), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_a_missing_joint_poisons_only_what_is_derived_from_it(a, b, joint, seed):
    joint %= a.num_joints
    pose = random_pose(a, seed=seed, batch=())
    before = convert(pose, a, b)
    holes = pose.clone()
    holes[joint] = torch.nan
    after = convert(holes, a, b)
    touched = (convert(pose.index_fill(0, torch.tensor([joint]), 1e9), a, b) != before).any(-1) & ~before[:, 0].isnan()
    assert after[touched].isnan().all()
    torch.testing.assert_close(after[~touched], before[~touched], equal_nan=True, rtol=0, atol=0)


@given(st.sampled_from(BODIES), st.sampled_from(BODIES), st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_convert_commutes_with_affine_maps(a, b, seed):
    """Means of joints are the same in any frame: rotate, scale and shift before or after."""
    pose, matrix = random_pose(a, seed=seed), random_pose(a, seed=seed + 1)[0, :3]
    torch.testing.assert_close(
        convert(pose @ matrix + 5.0, a, b), convert(pose, a, b) @ matrix + 5.0, equal_nan=True, rtol=1e-9, atol=1e-9
    )


def test_convert_gradients_are_the_weights():
    pose = random_pose(BODY25).requires_grad_()
    out = convert(pose, BODY25, NAPA18)
    out[:, NAPA18.index("pelvis")].sum().backward()
    assert pose.grad is not None
    assert pose.grad[:, BODY25.index("pelvis")].unique().tolist() == [1.0]
    assert pose.grad.abs().sum() == 4 * 3
    pose = random_pose(COCO17).requires_grad_()
    convert(pose, COCO17, NAPA18).nansum().backward()
    assert pose.grad is not None and pose.grad.isfinite().all()
    assert torch.autograd.gradcheck(lambda p: convert(p, COCO17, SHARED15), random_pose(COCO17).requires_grad_())


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_convert_keeps_dtype_and_batch(dtype):
    out = convert(torch.zeros(2, 5, 17, 2, dtype=dtype), "COCO17", "BODY25")
    assert out.dtype == dtype and out.shape == (2, 5, 25, 2)
    assert convert(torch.zeros(0, 17, 2, dtype=dtype), "COCO17", "BODY25").shape == (0, 25, 2)


def test_all_faces_no_bodies():
    assert convert(random_pose(FACE68), FACE68, NAPA18).isnan().all()
    assert convert(random_pose(NAPA18), NAPA18, FACE68).isnan().all()


@pytest.mark.parametrize(
    "bad", [torch.zeros(17, 2), torch.zeros(18), torch.zeros(18, 4), torch.zeros(18, 2, dtype=torch.int64)]
)
def test_poses_that_do_not_fit_are_named(bad):
    for call in (lambda: convert(bad, NAPA18, COCO17), lambda: flip(bad, NAPA18, 10)):
        with pytest.raises(ValueError, match=r"pose must be floating \(\.\.\., 18, 2 or 3\) for NAPA18, got"):
            call()
    with pytest.raises(ValueError, match="pose must be a floating tensor, got ndarray"):
        convert(np.zeros((18, 2)), NAPA18, COCO17)


# flip -------------------------------------------------------------------------------------------------------------


@given(st.sampled_from(SKELETONS), st.sampled_from([None, 1, 224]), st.sampled_from([2, 3]), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_flip_is_an_involution_that_mirrors_and_swaps(skeleton, width, dims, seed):
    pose = random_pose(skeleton, dims, seed)
    out = flip(pose, skeleton, width)
    torch.testing.assert_close(flip(out, skeleton, width), pose)
    for i, name in enumerate(skeleton.joints):
        other = {"l_": "r_", "r_": "l_"}.get(name[:2], name[:2]) + name[2:]
        expected = pose[:, i].clone()
        expected[:, 0] = -expected[:, 0] if width is None else width - 1 - expected[:, 0]
        torch.testing.assert_close(out[:, skeleton.index(other)], expected)


def test_flip_is_what_happens_to_a_picture():
    """A lit pixel for each joint: mirroring the picture moves the lights to the flipped pose."""
    generator = torch.Generator().manual_seed(0)
    pose = torch.randint(0, 32, (18, 2), generator=generator).float()
    for i, (x, y) in enumerate(pose.long().tolist()):
        picture = torch.zeros(32, 32)
        picture[y, x] = 1.0
        lit = picture.flip(1).nonzero()[0].flip(0).float()
        name = NAPA18.joints[i]
        other = {"l_": "r_", "r_": "l_"}.get(name[:2], name[:2]) + name[2:]
        assert torch.equal(flip(pose, NAPA18, 32)[NAPA18.index(other)], lit)


def test_flip_keeps_missing_joints_missing():
    pose = torch.zeros(18, 2)
    pose[NAPA18.index("l_hip")] = torch.nan
    missing = flip(pose, NAPA18, 224).isnan().all(-1)
    assert missing.nonzero().flatten().tolist() == [NAPA18.index("r_hip")]


@pytest.mark.parametrize("width", [0, -224, float("nan")])
def test_flip_refuses_widths(width):
    with pytest.raises(ValueError, match=f"width must be positive or None, got {width}"):
        flip(torch.zeros(18, 2), NAPA18, width)


@given(st.sampled_from(BODIES), st.sampled_from(BODIES), st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_flip_and_convert_commute(a, b, seed):
    pose = random_pose(a, seed=seed)
    torch.testing.assert_close(
        flip(convert(pose, a, b), b, 100), convert(flip(pose, a, 100), a, b), equal_nan=True, rtol=1e-9, atol=1e-9
    )
