"""The teacher's maps and their grouping into people, and the networks of CrossModal in both sizes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from torch.nn.functional import interpolate

from napa_lib.engine import CheckpointError
from napa_lib.multiperson import CrossModalNet, compose, grouping, load_cutouts, read_pictures, targets
from napa_lib.multiperson.config import CAMERAS, PRESETS, NetworkConfig
from napa_lib.multiperson.networks import (
    ChannelwiseLinear,
    Lifter,
    MapDecoder,
    MapEncoder,
    Teacher,
    parameters_in_use,
)
from napa_lib.multiperson.store import load_network, save_network
from napa_lib.multiperson.targets import JOINTS
from napa_lib.sampling import SKELETON

CAMERA = CAMERAS["tiny"]


def standing(x: float, y: float, height: float) -> torch.Tensor:
    """A person who stands upright, (15, 2) pixels: hips, knees and arms by hand."""
    places = {
        "pelvis": (0, 0), "r_hip": (-0.05, 0), "l_hip": (0.05, 0), "r_knee": (-0.06, 0.25), "l_knee": (0.06, 0.25),
        "r_ankle": (-0.07, 0.5), "l_ankle": (0.07, 0.5), "thorax": (0, -0.3), "head": (0, -0.45),
        "r_shoulder": (-0.12, -0.3), "l_shoulder": (0.12, -0.3), "r_elbow": (-0.2, -0.15), "l_elbow": (0.2, -0.15),
        "r_wrist": (-0.25, 0.05), "l_wrist": (0.25, 0.05),
    }  # fmt: skip
    return torch.tensor([x, y]) + height * torch.tensor([places[name] for name in JOINTS.joints])


def test_the_maps_are_15_of_heat_and_28_of_fields():
    people = torch.stack([standing(35, 60, 70), standing(80, 55, 60)])[None]
    maps = targets.render_targets(people, CAMERA)
    assert maps.shape == (1, 43, 28, 28)
    for joint in range(15):  # a second statement: the greater of two bumps, at every cell
        cells = (people[0, :, joint].double().numpy() + 0.5) / 4 - 0.5
        ys, xs = np.mgrid[:28, :28]
        bumps = [np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / 2) for x, y in cells]
        np.testing.assert_allclose(maps[0, joint], np.maximum(*bumps), atol=1e-5)
    lengths = maps[0, 15:].unflatten(0, (14, 2)).norm(dim=1)
    assert ((lengths < 1e-5) | (lengths > 0.2)).all() and lengths.max() < 1 + 1e-5
    assert [SKELETON.joints[i] for i in targets.SHARED] == list(JOINTS.joints)
    with pytest.raises(ValueError, match="keypoints must be"):
        targets.render_targets(people[..., :14, :], CAMERA)


@pytest.mark.parametrize(("y", "rows"), [(14.6, [14, 15]), (14.9, [15])])
def test_a_limb_is_a_cell_and_a_half_wide(y, rows):
    people = torch.full((1, 1, 15, 2), torch.nan)
    ends = torch.tensor([[5.0, y], [20.0, y]])  # cells: of rows within 0.75 of it
    for joint, end in zip(JOINTS.bones[3], ends, strict=True):
        people[0, 0, joint] = (end + 0.5) * 4 - 0.5
    field = targets.render_targets(people, CAMERA)[0, 15 + 2 * 3]
    assert field[:, 12].nonzero().flatten().tolist() == rows


def test_a_field_supports_the_bone_it_runs_along():
    field = torch.zeros(1, 2, 9, 9)
    field[0, 0, 4] = 1.0  # to the right along the row 4
    at = lambda *points: torch.tensor([points], dtype=torch.float32)  # noqa: E731
    support = grouping.field_support(field, at([0, 4], [0, 0]), at([8, 4], [0, 4.001]))
    assert support[0, 0, 0] == pytest.approx(1) and support[0, 1, 0] < 0.5
    assert grouping.field_support(field, at([8, 4]), at([0, 4]))[0, 0, 0] == pytest.approx(-1)
    assert grouping.field_support(field, at([4, 1]), at([4, 7]))[0, 0, 0] == pytest.approx(0)  # across
    assert grouping.field_support(field, at([3, 4]), at([3, 4]))[0, 0, 0] == 0  # one point
    assert grouping.field_support(field, at([0, 0]), at([8, 0]))[0, 0, 0] == 0  # beside
    with pytest.raises(ValueError, match="field must be"):
        grouping.field_support(field[:, :1], at([0, 0]), at([1, 1]))


def test_the_line_integral_is_a_mean_over_points_of_the_bone(rng):
    field, start, end = rng.normal(size=(2, 6, 6)), np.array([1.2, 0.7]), np.array([3.9, 4.4])
    unit, total = (end - start) / np.linalg.norm(end - start), 0.0
    for share in np.linspace(0, 1, 10):  # bilinear by hand
        x, y = start + share * (end - start)
        c, r, fx, fy = int(x), int(y), x - int(x), y - int(y)
        value = (field[:, r, c] * (1 - fx) * (1 - fy) + field[:, r, c + 1] * fx * (1 - fy)
                 + field[:, r + 1, c] * (1 - fx) * fy + field[:, r + 1, c + 1] * fx * fy)  # fmt: skip
        total += value @ unit / 10
    found = grouping.field_support(*(torch.tensor(a)[None] for a in (field, start[None], end[None])))
    assert float(found) == pytest.approx(total, abs=1e-12)


def test_matching_is_greedy_and_one_to_one():
    scores = torch.tensor([[0.9, 0.8], [0.85, 0.1], [0.3, 0.25]])
    assert grouping.match_greedily(scores, 0.2) == [(0, 0), (2, 1)]  # greedy: the best sum would be 0.8 + 0.85
    rows, columns = linear_sum_assignment(-scores.numpy())
    assert scores[rows, columns].sum() > 0.9 + 0.25
    assert grouping.match_greedily(scores, 0.5) == [(0, 0)] and grouping.match_greedily(scores[:0], 0.5) == []


@given(st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_people_who_stand_apart_are_found_whole(seed):
    draw = np.random.default_rng(seed)
    people = torch.stack([standing(x, 56 + draw.uniform(-6, 6), draw.uniform(60, 80)) for x in (30, 82)])
    (found,) = grouping.group_people(targets.render_targets(people[None], CAMERA), CAMERA)
    assert found.shape == (2, 15, 2)
    order = [int((found[:, 0] - person[0]).norm(dim=-1).argmin()) for person in people]
    assert sorted(order) == [0, 1] and not found.isnan().any()
    assert (found[order] - people).norm(dim=-1).max() < 2.0  # half a cell


def test_grouping_tells_whose_arm_it_is():
    """One reaches over the other: the nearest wrist is not one's own; the field knows."""
    people = torch.stack([standing(35, 56, 70), standing(80, 56, 70)])
    elbow, wrist = JOINTS.index("l_elbow"), JOINTS.index("l_wrist")
    people[0, elbow], people[0, wrist] = torch.tensor([58.0, 35]), torch.tensor([96.0, 24])
    maps = targets.render_targets(people[None], CAMERA)
    (found,) = grouping.group_people(maps, CAMERA)
    first = int(found[:, 0, 0].argmin())
    assert (found[first, wrist] - people[0, wrist]).norm() < 3 and (
        found[1 - first, wrist] - people[1, wrist]
    ).norm() < 3
    faint = maps.clone()
    faint[:, 15:] *= 0.15  # too little agrees for a bone, and at twice as much enough
    assert grouping.group_people(faint, CAMERA)[0][:, wrist].isnan().all()
    faint[:, 15:] *= 2
    assert not grouping.group_people(faint, CAMERA)[0][:, wrist].isnan().any()
    faint = maps.clone()
    faint[:, :15] *= 0.25  # too little heat for a joint, and at half as much again enough
    assert len(grouping.group_people(faint, CAMERA)[0]) == 0
    faint[:, :15] *= 1.5
    assert len(grouping.group_people(faint, CAMERA)[0]) == 2
    without = maps.clone()
    without[:, 15:] = 0  # no field, no bone: only the pelvises are left, and the hips beside them
    (alone,) = grouping.group_people(without, CAMERA)
    hips = [JOINTS.index(name) for name in ("pelvis", "r_hip", "l_hip")]
    assert len(alone) == 2 and alone[:, [j for j in range(15) if j not in hips]].isnan().all()
    (nobody,) = grouping.group_people(torch.zeros(1, 43, 28, 28), CAMERA)
    assert nobody.shape == (0, 15, 2)


# Networks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
def test_the_networks_have_the_shapes_of_the_supplement(preset):
    config = PRESETS[preset]
    with torch.no_grad():
        teacher, lifter = Teacher(config).eval(), Lifter(config)
        latent = teacher.encoder(torch.rand(1, 3, config.size, config.size))
        maps = teacher.decoder(latent)
        imitated = MapEncoder(config)(maps)
        out = lifter(latent)
    assert latent.shape == imitated.shape == (1, {"paper": 1024, "tiny": 128}[preset], 28, 28)
    assert maps.shape == (1, 43, 28, 28) and out.shape == (1, 39, 14, 14) and out.abs().max() < 1
    assert latent.min() >= 0 and imitated.min() >= 0
    if preset == "paper":
        assert lifter.across.weight.shape == (128, 49, 49)
        kernels = [m.kernel_size for m in MapEncoder(config).layers if isinstance(m, torch.nn.Conv2d)]
        assert kernels == [(7, 7)] * 5
        for branch in range(2):  # eight convolutions from V to the maps
            count = 1 + sum(isinstance(m, torch.nn.Conv2d) for m in teacher.decoder.second[branch])
            assert count == 8


def test_h_begins_with_people_who_face_the_camera_and_sees_its_fine_cells():
    torch.manual_seed(0)
    lifter = Lifter(PRESETS["tiny"]).requires_grad_(False)
    maps = lifter(torch.zeros(1, 128, 28, 28))[0]
    assert maps[32:35].abs().max() < 0.2 and maps[35:38].min() > 0.3
    lifter.enlarged.weight.zero_()  # what comes back from 7 x 7 cells is silent: the skip connection is left
    one, other = lifter(torch.rand(2, 128, 28, 28))
    assert (one - other).abs().mean() > 0.01


def test_the_backbone_is_never_trained():
    teacher = Teacher(PRESETS["tiny"])
    teacher(torch.rand(1, 3, 112, 112)).sum().backward()
    assert all(p.grad is None for p in teacher.encoder.backbone.parameters())
    assert all(p.grad is not None for p in teacher.encoder.shared.parameters())


def test_e_looks_at_activations_of_mean_one():
    teacher, read = Teacher(PRESETS["tiny"]), []
    teacher.encoder.shared.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0]))
    figures = load_cutouts("validation", "photo")
    teacher.encoder(interpolate(figures.images[:4].float() / 255, size=(112, 112)))
    assert 0.4 < float(read[0].mean()) < 1.3


def test_a_channelwise_layer_is_one_matrix_a_channel():
    torch.manual_seed(0)
    layer = ChannelwiseLinear(3, 2).double()
    x = torch.rand(5, 3, 2, 2, dtype=torch.float64)
    y = layer(x)
    for c in range(3):
        expected = x[:, c].flatten(1).numpy() @ layer.weight[c].detach().numpy().T + layer.bias[c].detach().numpy()
        np.testing.assert_allclose(y[:, c].detach().flatten(1), expected, atol=1e-12)
    changed = x.clone()
    changed[:, 1] += 1
    assert torch.equal(layer(changed)[:, [0, 2]], y[:, [0, 2]])  # channels do not mix
    assert torch.autograd.gradcheck(layer, (x.requires_grad_(),))
    with pytest.raises(ValueError, match="x must be"):
        layer(torch.rand(1, 3, 3, 3).double())


def test_wrong_shapes_are_refused():
    tiny = PRESETS["tiny"]
    for network, bad in ((Lifter(tiny), (1, 64, 28, 28)), (MapDecoder(tiny), (1, 128, 14, 14)),
                         (MapEncoder(tiny), (1, 44, 28, 28))):  # fmt: skip
        with pytest.raises(ValueError, match="must be"):
            network(torch.zeros(bad))
    with pytest.raises(ValueError, match="image must be"):
        Teacher(tiny).encoder(torch.zeros(1, 3, 224, 224))
    with pytest.raises(ValueError, match="multiple of 28"):
        NetworkConfig(size=100)


def test_networks_are_stored_without_the_backbone_and_read_again(tmp_path):
    torch.manual_seed(0)
    teacher, file = Teacher(PRESETS["tiny"]).eval(), tmp_path / "teacher.safetensors"
    save_network(file, "teacher", teacher, {"config": '{"preset": "tiny"}'})
    assert file.stat().st_size < 4e6
    image = torch.rand(1, 3, 112, 112)
    with torch.no_grad():
        found, expected = load_network(file, "teacher")(image), teacher(image)
    assert (found - expected).norm() < 0.05 * expected.norm()  # 8 bits a weight
    with pytest.raises(CheckpointError, match="holds no lifter"):
        load_network(file, "lifter")


def test_heat_alone_is_the_heat_of_all_maps():
    torch.manual_seed(0)
    decoder, latent = MapDecoder(PRESETS["tiny"]), torch.rand(2, 128, 28, 28)
    torch.testing.assert_close(decoder.heat(latent), decoder(latent)[:, :15])


def test_parameters_are_those_of_the_layers_in_use():
    teacher = Teacher(PRESETS["tiny"])
    vgg = 3 * 64 + 64 * 64 + 64 * 128 + 128 * 128 + 128 * 256 + 3 * 256 * 256  # up to relu3_4
    expected = 9 * vgg + 64 * 2 + 128 * 2 + 256 * 4
    for part in (teacher.encoder.shared, teacher.encoder.heat, teacher.encoder.fields, teacher.decoder):
        expected += sum(p.numel() for p in part.parameters())
    assert parameters_in_use(teacher) == expected


def test_the_whole_network_reads_pictures_as_its_parts_do():
    net = CrossModalNet.from_pretrained()
    drawn = compose(load_cutouts("validation", "drawn"), 2, net.camera, torch.Generator().manual_seed(0))
    pictures = drawn.images.float() / 255
    people = net(pictures)
    parts = read_pictures(net.teacher.encoder(pictures), net.teacher.decoder, net.lifter, net.model, net.camera)
    assert sum(len(one.poses) for one in people) > 0 and not net.training
    for one, same in zip(people, parts, strict=True):
        torch.testing.assert_close(one.poses, same.poses)
        torch.testing.assert_close(one.keypoints, same.keypoints)
    with pytest.raises(ValueError, match="image must be"):
        net(pictures[:, :, 1:])
