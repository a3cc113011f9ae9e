"""Joint sets: which points of a body a pose lists, in which order, and how to go from one list to another.

A joint's name says what the point *is*, in every set alike, so that two joints may be copied onto each other when, and
only when, their names agree. Sets that call different points by one word are told apart here (the word in the set's
own documentation stands in brackets):

| name | the point |
|---|---|
| `pelvis` | midpoint of the hip joints [BODY25: MidHip; Human3.6M: Hips] |
| `thorax` | midpoint of the shoulder joints [MPII: thorax; BODY25: Neck; CrossModal and FlexPose: neck] |
| `neck` | base of the neck, a few centimetres above `thorax` [Human3.6M, NAPA, 3DHP: neck] |
| `upper_neck` | where neck and head meet, level with the chin [MPII: upper neck; art figures, OpenPose-MPI: neck] |
| `nose` | tip of the nose; in Human3.6M's 3D model a joint inside the head, behind the nose [Neck/Nose, Head] |
| `head_joint` | joint between the neck and the head, inside the skull's base [3DHP: head] |
| `head_center` | centre of the head, between the ears [FlexPose: head] |
| `head` | upper end of Human3.6M's head bone, inside the skull just below its top [Human3.6M: Site; NAPA: head] |
| `head_top` | highest point of the skull along the neck's line, without hair or hat [MPII, OpenPose-MPI, 3DHP] |
| `torso` | the marker in the middle of Human3.6M's spine [Spine1; NAPA: torso] |
| `chest` | midpoint of `pelvis` and `thorax` [OpenPose-MPI: Chest] |

`l_` and `r_` are the person's own left and right.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from operator import index
from typing import Any

Color = tuple[int, int, int]


@dataclass(frozen=True)
class Skeleton:
    """A joint set with its kinematic tree, its mirror and the way to draw it.

    A set of your own goes wherever one of the library's does; `convert` knows its joints if they are named as in the
    table at the top of `napa_lib.skeletons.sets`.

    Attributes:
        name: of the library's sets what `get_skeleton` calls them, of your own any word.
        joints: the joints' names, in the order in which a pose lists them.
        parents: index of each joint's parent in the tree; -1 for the one root, the pelvis where there is one.
        flip_pairs: (left, right) indices that trade places in a mirror.
        bones: (start, end) joints of each drawn bone, in drawing order: a later bone lies over an earlier one.
        colors: 8-bit RGB of each bone.

    Raises:
        ValueError: if two joints have one name, the parents are no tree, an index is that of no joint, or a bone has no
            colour of three integers from 0 to 255.

    >>> arm = Skeleton("arm", ["l_shoulder", "l_elbow"], [-1, 0], [], bones=[(0, 1)], colors=[(0, 114, 178)])
    >>> arm.num_joints, arm.root
    (2, 0)
    """

    name: str
    joints: tuple[str, ...]
    parents: tuple[int, ...] = field(repr=False)
    flip_pairs: tuple[tuple[int, int], ...] = field(repr=False)
    bones: tuple[tuple[int, int], ...] = field(repr=False)
    colors: tuple[Color, ...] = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "joints", tuple(self.joints))
        number = len(self.joints)
        if not all(isinstance(word, str) for word in (self.name, *self.joints)) or len({*self.joints}) < number:
            raise ValueError(f"name and joints must be words, no two joints the same, got {self.name!r}, {self.joints}")
        (parents,) = _rows("parents", [self.parents], number, -1, number)
        object.__setattr__(self, "parents", parents)
        for name in ("flip_pairs", "bones"):
            object.__setattr__(self, name, _rows(name, getattr(self, name), 2, 0, number))
        object.__setattr__(self, "colors", _rows("colors", self.colors, 3, 0, 256))
        if len(self.colors) != len(self.bones):
            raise ValueError(f"colors must be one a bone, got {len(self.colors)} for {len(self.bones)} bones")
        reached = {-1}
        for _ in range(number):
            reached |= {joint for joint, parent in enumerate(parents) if parent in reached}
        if parents.count(-1) != 1 or len(reached) <= number:
            raise ValueError(f"parents must be a tree with one root, whose parent is -1, got {parents}")

    @property
    def num_joints(self) -> int:
        """How many joints a pose of this set lists."""
        return len(self.joints)

    @property
    def root(self) -> int:
        """Index of the root of the kinematic tree."""
        return self.parents.index(-1)

    def index(self, joint_name: str) -> int:
        """Index of a joint by its name.

        Raises:
            ValueError: if the set has no such joint; the message lists those it has.

        >>> NAPA18.index("thorax")
        17
        """
        if joint_name not in self.joints:
            raise ValueError(f"joint_name must be a joint of {self.name}, got {joint_name!r}; it has {self.joints}")
        return self.joints.index(joint_name)


def _rows(name: str, rows: Iterable[Iterable[Any]], length: int, low: int, high: int) -> tuple[tuple[Any, ...], ...]:
    """Rows of so many integers, each at least `low` and below `high`, as tuples; else ValueError."""
    found = tuple(map(tuple, rows))
    try:
        exact = tuple(tuple(index(value) for value in row) for row in found)
    except TypeError:
        exact = ()
    good = len(exact) == len(found) and all(len(r) == length and all(low <= v < high for v in r) for r in exact)
    if not good:
        raise ValueError(f"{name} must be {length} integers from {low} to {high - 1} each, got {found!r:.200}")
    return exact


# One colour a part, told apart by readers with any kind of colour vision (Okabe and Ito's palette).
_ARM = ("shoulder", "elbow", "wrist", "hand", "pinky", "index", "thumb", "collar", "clavicle")
_LEG = ("hip", "knee", "ankle", "foot", "toe", "heel")
_PART_COLORS = {"l_arm": (0, 114, 178), "r_arm": (213, 94, 0), "l_leg": (86, 180, 233), "r_leg": (230, 159, 0)}
_MIDDLE_COLOR = (0, 158, 115)


def _part_color(joint: str) -> Color:
    side, words = joint[:2], joint[2:].split("_")
    part = "leg" if any(word in _LEG for word in words) else "arm" if any(word in _ARM for word in words) else "head"
    return _PART_COLORS.get(side + part, _MIDDLE_COLOR)


def _skeleton(
    name: str,
    joints: str,
    parents: Iterable[int],
    bones: Iterable[tuple[int, int]] | None = None,
    colors: Iterable[Color] | None = None,
) -> Skeleton:
    """Build a set: mirror pairs from the l_/r_ names; bones (by default the tree's) coloured by body part."""
    names, tree = tuple(joints.split()), tuple(parents)
    pairs = tuple((i, names.index("r_" + n[2:])) for i, n in enumerate(names) if n.startswith("l_"))
    edges = tuple(bones) if bones is not None else tuple((p, i) for i, p in enumerate(tree) if p >= 0)
    paint = tuple(colors) if colors is not None else tuple(_part_color(names[end]) for _, end in edges)
    return Skeleton(name, names, tree, pairs, edges, paint)


_H36M17_JOINTS = (
    "pelvis r_hip r_knee r_ankle l_hip l_knee l_ankle torso neck nose head "
    "l_shoulder l_elbow l_wrist r_shoulder r_elbow r_wrist"
)
_H36M17_PARENTS = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15)

# NAPA's 18 joints: Human3.6M's 17 and the thorax. Bones and colours as released with the paper.
NAPA18 = _skeleton(
    "NAPA18",
    _H36M17_JOINTS + " thorax",
    (*_H36M17_PARENTS, 8),
    bones=((0, 7), (7, 8), (8, 9), (9, 10), (8, 11), (11, 12), (12, 13), (8, 14), (14, 15), (15, 16),
           (0, 1), (1, 2), (2, 3), (0, 4), (4, 5), (5, 6)),
    colors=((85, 152, 188), (199, 153, 96), (191, 141, 113), (119, 165, 232), (140, 139, 66), (84, 83, 232),
            (234, 218, 188), (178, 179, 252), (234, 235, 84), (84, 100, 130), (230, 30, 210), (60, 200, 155),
            (180, 20, 60), (128, 128, 128), (238, 190, 77), (40, 169, 35)),
)  # fmt: skip

# (child, parent) of the 15 bone vectors that NAPA's depth network regresses; their root is the thorax (17).
REGRESSION_BONES = ((3, 2), (2, 1), (1, 0), (4, 0), (5, 4), (6, 5), (0, 17), (8, 17), (10, 8), (16, 15), (15, 14),
                    (14, 17), (11, 17), (12, 11), (13, 12))  # fmt: skip

# The 17 of Human3.6M's 32 joints that papers score.
H36M17 = _skeleton("H36M17", _H36M17_JOINTS, _H36M17_PARENTS)

# Human3.6M's raw 32 joints. Several coincide: spine_base = pelvis, l_collar = r_collar = neck, l_thumb = l_wrist,
# l_hand_tip = l_hand_end, and the same on the right.
H36M32 = _skeleton(
    "H36M32",
    "pelvis r_hip r_knee r_ankle r_toe_base r_toe_end l_hip l_knee l_ankle l_toe_base l_toe_end "
    "spine_base torso neck nose head l_collar l_shoulder l_elbow l_wrist l_thumb l_thumb_end l_hand_tip l_hand_end "
    "r_collar r_shoulder r_elbow r_wrist r_thumb r_thumb_end r_hand_tip r_hand_end",
    (-1, 0, 1, 2, 3, 4, 0, 6, 7, 8, 9, 0, 11, 12, 13, 14, 12, 16, 17, 18, 19, 20, 19, 22, 12, 24, 25, 26, 27, 28, 27,
     30),
)  # fmt: skip

MPII16 = _skeleton(
    "MPII16",
    "r_ankle r_knee r_hip l_hip l_knee l_ankle pelvis thorax upper_neck head_top "
    "r_wrist r_elbow r_shoulder l_shoulder l_elbow l_wrist",
    (1, 2, 6, 6, 3, 4, -1, 6, 7, 8, 11, 12, 7, 7, 13, 14),
)

# COCO has no pelvis: the tree hangs from the nose. The bones are COCO's own 19.
COCO17 = _skeleton(
    "COCO17",
    "nose l_eye r_eye l_ear r_ear l_shoulder r_shoulder l_elbow r_elbow l_wrist r_wrist "
    "l_hip r_hip l_knee r_knee l_ankle r_ankle",
    (-1, 0, 0, 1, 2, 0, 0, 5, 6, 7, 8, 5, 6, 11, 12, 13, 14),
    bones=((15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8), (7, 9), (8, 10),
           (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6)),
)  # fmt: skip

# FlexPose's 15: "three for each limb in addition to the head, neck, and pelvis". The paper does not say which point of
# the head and the neck; we take those that every other body set here can give: the head's centre and the midpoint
# of the shoulders.
SHARED15 = _skeleton(
    "SHARED15",
    "pelvis r_hip r_knee r_ankle l_hip l_knee l_ankle thorax head_center "
    "l_shoulder l_elbow l_wrist r_shoulder r_elbow r_wrist",
    (-1, 0, 1, 2, 0, 4, 5, 0, 7, 7, 9, 10, 7, 12, 13),
)

# All 28 joints of MPI-INF-3DHP; its 17 "Human3.6M-compatible" ones take `spine` for torso and `head_joint` for nose.
MPI3DHP28 = _skeleton(
    "MPI3DHP28",
    "spine3 spine4 spine2 spine pelvis neck head_joint head_top l_clavicle l_shoulder l_elbow l_wrist l_hand "
    "r_clavicle r_shoulder r_elbow r_wrist r_hand l_hip l_knee l_ankle l_foot l_toe r_hip r_knee r_ankle r_foot r_toe",
    (2, 0, 3, 4, -1, 1, 5, 6, 5, 8, 9, 10, 11, 5, 13, 14, 15, 16, 4, 18, 19, 20, 21, 4, 23, 24, 25, 26),
)

# OpenPose's MPI model: CrossModal's supplement gives its 2D network 15 joint channels and 28 = 2 x 14 of part affinity,
# as this set with its 14 limbs has. It has no pelvis: the tree hangs from the chest. Trained on MPII: its "head" is the
# top of the head, its "neck" MPII's upper neck.
OPENPOSE15 = _skeleton(
    "OPENPOSE15",
    "head_top upper_neck r_shoulder r_elbow r_wrist l_shoulder l_elbow l_wrist "
    "r_hip r_knee r_ankle l_hip l_knee l_ankle chest",
    (1, 14, 1, 2, 3, 1, 5, 6, 14, 8, 9, 14, 11, 12, -1),
)

# CrossModal's 17 joints, which the paper does not list: the usual 15 and the two ends of the head. Its "neck" is the
# midpoint of the shoulders, `thorax` here. The nose hangs from the top of the head, so that turning the head is one
# angle of one bone.
CROSSMODAL17 = _skeleton(
    "CROSSMODAL17",
    "pelvis r_hip r_knee r_ankle l_hip l_knee l_ankle thorax neck head nose "
    "l_shoulder l_elbow l_wrist r_shoulder r_elbow r_wrist",
    (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 7, 11, 12, 7, 14, 15),
)

# The 15 of them that CrossModal's teacher marks in a picture, whose 14 bones are its part affinity fields.
CROSSMODAL15 = _skeleton(
    "CROSSMODAL15",
    "pelvis r_hip r_knee r_ankle l_hip l_knee l_ankle thorax head "
    "l_shoulder l_elbow l_wrist r_shoulder r_elbow r_wrist",
    (-1, 0, 1, 2, 0, 4, 5, 0, 7, 7, 9, 10, 7, 12, 13),
)

BODY25 = _skeleton(
    "BODY25",
    "nose thorax r_shoulder r_elbow r_wrist l_shoulder l_elbow l_wrist pelvis r_hip r_knee r_ankle l_hip l_knee "
    "l_ankle r_eye l_eye r_ear l_ear l_big_toe l_small_toe l_heel r_big_toe r_small_toe r_heel",
    (1, 8, 1, 2, 3, 1, 5, 6, -1, 8, 9, 10, 8, 12, 13, 0, 0, 15, 16, 14, 19, 14, 11, 22, 11),
)

# BlazePose has no pelvis: the tree hangs from the nose. The bones are MediaPipe's own 35.
BLAZEPOSE33 = _skeleton(
    "BlazePose33",
    "nose l_eye_inner l_eye l_eye_outer r_eye_inner r_eye r_eye_outer l_ear r_ear l_mouth r_mouth l_shoulder "
    "r_shoulder l_elbow r_elbow l_wrist r_wrist l_pinky r_pinky l_index r_index l_thumb_tip r_thumb_tip l_hip r_hip "
    "l_knee r_knee l_ankle r_ankle l_heel r_heel l_foot_index r_foot_index",
    (-1, 0, 1, 2, 0, 4, 5, 3, 6, 0, 0, 0, 0, 11, 12, 13, 14, 15, 16, 15, 16, 15, 16, 11, 12, 23, 24, 25, 26, 27, 28,
     29, 30),
    bones=((0, 1), (1, 2), (2, 3), (3, 7), (0, 4), (4, 5), (5, 6), (6, 8), (9, 10), (11, 12), (11, 13), (13, 15),
           (15, 17), (15, 19), (15, 21), (17, 19), (12, 14), (14, 16), (16, 18), (16, 20), (16, 22), (18, 20),
           (11, 23), (12, 24), (23, 24), (23, 25), (24, 26), (25, 27), (26, 28), (27, 29), (28, 30), (29, 31),
           (30, 32), (27, 31), (28, 32)),
)  # fmt: skip

# The art figures' 14, in the order of their annotations. Their "neck" is the upper neck: over the 51 figures that show
# it and both shoulders, it lies 0.40 (median) of the way from the shoulders' midpoint to the head box's centre.
ART14 = _skeleton(
    "ART14",
    "r_ankle r_knee r_hip l_hip l_knee l_ankle r_wrist r_elbow r_shoulder l_shoulder l_elbow l_wrist "
    "upper_neck head_top",
    (1, 2, 8, 9, 3, 4, 7, 8, 12, 12, 9, 10, -1, 12),
    bones=((12, 13), (12, 8), (12, 9), (8, 2), (9, 3), (2, 3), (2, 1), (1, 0), (3, 4), (4, 5), (8, 7), (7, 6), (9, 10),
           (10, 11)),
)  # fmt: skip

# iBUG's 68 face landmarks (300-W). Points on the left carry the names of their mirror images on the right.
FACE68 = _skeleton(
    "FACE68",
    "r_jaw_0 r_jaw_1 r_jaw_2 r_jaw_3 r_jaw_4 r_jaw_5 r_jaw_6 r_jaw_7 chin "
    "l_jaw_7 l_jaw_6 l_jaw_5 l_jaw_4 l_jaw_3 l_jaw_2 l_jaw_1 l_jaw_0 "
    "r_brow_0 r_brow_1 r_brow_2 r_brow_3 r_brow_4 l_brow_4 l_brow_3 l_brow_2 l_brow_1 l_brow_0 "
    "nose_bridge_0 nose_bridge_1 nose_bridge_2 nose_tip r_nostril_0 r_nostril_1 nose_base l_nostril_1 l_nostril_0 "
    "r_eye_outer r_eye_lid_0 r_eye_lid_1 r_eye_inner r_eye_lid_2 r_eye_lid_3 "
    "l_eye_inner l_eye_lid_1 l_eye_lid_0 l_eye_outer l_eye_lid_3 l_eye_lid_2 "
    "r_mouth r_lip_0 r_lip_1 lip_top l_lip_1 l_lip_0 l_mouth l_lip_2 l_lip_3 lip_bottom r_lip_3 r_lip_2 "
    "r_mouth_inner r_lip_inner_0 lip_inner_top l_lip_inner_0 l_mouth_inner l_lip_inner_1 lip_inner_bottom "
    "r_lip_inner_1",
    (1, 2, 3, 4, 5, 6, 7, 8, 57, 8, 9, 10, 11, 12, 13, 14, 15, 18, 19, 20, 21, 27, 27, 22, 23, 24, 25,
     -1, 27, 28, 29, 32, 33, 30, 33, 34, 37, 38, 39, 27, 39, 40, 27, 42, 43, 44, 47, 42,
     49, 50, 51, 33, 51, 52, 53, 56, 57, 66, 57, 58, 61, 62, 51, 62, 63, 66, 62, 66),
    bones=(*((i, i + 1) for i in (*range(16), *range(17, 21), *range(22, 26), *range(27, 30), *range(31, 35))),
           *((i, i + 1) for i in (*range(36, 41), *range(42, 47), *range(48, 59), *range(60, 67))),
           (41, 36), (47, 42), (59, 48), (67, 60)),
)  # fmt: skip

SKELETONS = (NAPA18, H36M17, H36M32, MPII16, COCO17, SHARED15, MPI3DHP28, OPENPOSE15, CROSSMODAL17,
              CROSSMODAL15, BODY25, BLAZEPOSE33, FACE68, ART14)  # fmt: skip


def get_skeleton(name: str | Skeleton) -> Skeleton:
    """The joint set of that name, in any case; a `Skeleton` is handed back.

    Raises:
        ValueError: if no set has that name; the message lists those known.

    >>> get_skeleton("coco17").num_joints
    17
    """
    if isinstance(name, Skeleton):
        return name
    for skeleton in SKELETONS:
        if isinstance(name, str) and skeleton.name.lower() == name.lower():
            return skeleton
    raise ValueError(f"name must be one of {', '.join(s.name for s in SKELETONS)}, got {name!r}")


def skeleton_text(skeleton: str | Skeleton) -> str:
    """A joint set as a file's metadata holds it: the name of one of the library's, all of one of your own as JSON."""
    found = get_skeleton(skeleton)
    return found.name if found in SKELETONS else json.dumps(asdict(found))


def skeleton_from(text: str) -> str | Skeleton:
    """What `skeleton_text` wrote: a name, or a set of one's own.

    Raises:
        TypeError, ValueError: if it is neither, or no joint set.

    >>> arm = Skeleton("arm", ["l_shoulder", "l_elbow"], [-1, 0], [], bones=[(0, 1)], colors=[(0, 114, 178)])
    >>> skeleton_from(skeleton_text(arm)) == arm, skeleton_from("coco17")
    (True, 'COCO17')
    """
    return Skeleton(**json.loads(text)) if text.startswith("{") else get_skeleton(text).name
