"""Joint limits, artificial poses, what a body cannot do, and the pose autoencoder."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from napa_lib import sampling
from napa_lib.engine import load_tensors
from napa_lib.geometry import assemble_bones, canonical_to_local, local_to_canonical
from napa_lib.loop import Setup
from napa_lib.sampling import JOINT_LIMITS, SKELETON, JointLimits
from napa_lib.sampling.derivation import _smallest_arc
from napa_lib.sampling.networks import EMBEDDING, TreeEncoder, place_directions
from napa_lib.sampling.train import TrainingConfig, main, mirror, train_autoencoder, training_step

SEEDS = st.integers(0, 10_000)
ANGLE = st.floats(-179, 180)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def joint(name: str) -> int:
    return SKELETON.index(name)


def local_poses(n: int, limits=None) -> torch.Tensor:
    return sampling.local_directions(sampling.sample_canonical(n, limits, generator()))


# The four coordinate systems ---------------------------------------------------------------------------------------


@given(SEEDS)
@settings(max_examples=25, deadline=None)
def test_all_coordinates_down_and_up_again(seed):
    pose = 300 * normal(seed, 6, 17, 3) + 3000
    pose[:, joint("thorax")] = (pose[:, joint("l_shoulder")] + pose[:, joint("r_shoulder")]) / 2
    pose[:, joint("pelvis")] = (pose[:, joint("l_hip")] + pose[:, joint("r_hip")]) / 2
    local, lengths, rotation, root = sampling.global_to_local(pose)
    assert (sampling.local_to_global(local, lengths, rotation, root) - pose).abs().max() < 1e-4
    torch.testing.assert_close(local[:, 1:].norm(dim=-1), torch.ones(6, 16, dtype=torch.float64))
    # two joints have no freedom, two follow from others, one has a single angle
    torch.testing.assert_close(local[:, joint("thorax")], torch.tensor([0.0, 0, 1]).double().expand(6, 3))
    for part in ("hip", "shoulder"):
        torch.testing.assert_close(local[:, joint(f"l_{part}")], -local[:, joint(f"r_{part}")])
    theta, _ = sampling.angles_of(local[:, joint("r_hip")])
    np.testing.assert_allclose(theta.abs(), 180, atol=1e-6)


@given(SEEDS)
@settings(max_examples=15, deadline=None)
def test_local_poses_see_neither_view_nor_size(seed):
    pose = 300 * normal(seed, 3, 17, 3)
    view = torch.tensor(Rotation.random(random_state=seed).as_matrix())
    seen = 1.7 * pose @ view.T + 1000 * normal(seed + 1, 3, 1, 3)
    torch.testing.assert_close(sampling.global_to_local(seen)[0], sampling.global_to_local(pose)[0], atol=1e-7, rtol=0)


def test_steps_between_neighbours_and_their_gradients():
    pose = 3 * normal(1, 2, 17, 3)
    relative, root = sampling.global_to_relative(pose)
    assert torch.equal(relative[:, 0], torch.zeros(2, 3).double()) and torch.equal(root, pose[:, 0])
    canonical, rotation = sampling.relative_to_canonical(relative)
    torch.testing.assert_close(sampling.canonical_to_relative(canonical, rotation), relative)
    torch.testing.assert_close(sampling.relative_to_global(relative, root), pose)

    def there_and_back(p):
        return sampling.local_to_global(*sampling.global_to_local(p))

    assert torch.autograd.gradcheck(there_and_back, pose.requires_grad_())


def test_poses_without_a_frame_are_refused():
    line = torch.zeros(2, 17, 3)
    line[..., 2] = torch.arange(17)
    with pytest.raises(ValueError, match="2 pose.* neck and hips|neck and hips that span a plane, which 2"):
        sampling.relative_to_canonical(line)
    flat = sampling.sample_poses(1, generator=generator())
    flat[:, joint("r_wrist")] = flat[:, joint("r_elbow")]
    with pytest.raises(ValueError, match="positive length"):
        sampling.global_to_local(flat)
    with pytest.raises(ValueError, match=r"pose must be floating \(\.\.\., 17, 3\), got torch.float32 \(4, 3\)"):
        sampling.global_to_relative(torch.zeros(4, 3))


def test_batch_last_is_the_same_tree():
    bones = normal(0, 5, 17, 3)
    expected = local_to_canonical(bones, SKELETON)
    torch.testing.assert_close(assemble_bones(bones.permute(2, 1, 0), SKELETON).permute(2, 1, 0), expected)


# Limits ------------------------------------------------------------------------------------------------------------


@given(ANGLE, st.floats(0.5, 179.5), st.floats(0.1, 900))
def test_directions_and_angles(theta, gamma, length):
    t, g = np.radians(theta), np.radians(gamma)
    # gamma tips the parent's direction towards the person's left, theta then turns it about the parent
    expected = Rotation.from_rotvec([0, 0, t]).apply(Rotation.from_rotvec([-g, 0, 0]).apply([0, 0, 1]))
    found = sampling.direction_of(*torch.tensor([theta, gamma], dtype=torch.float64))
    np.testing.assert_allclose(found, expected, atol=1e-12)
    again = sampling.angles_of(length * found)
    np.testing.assert_allclose([(float(again[0]) - theta + 180) % 360 - 180, float(again[1]) - gamma], 0, atol=1e-6)


@given(ANGLE, st.floats(0, 360), st.floats(0, 180), st.floats(0, 180), SEEDS)
@settings(max_examples=60, deadline=None)
def test_limits_contain_what_is_drawn_from_them_and_mirror(theta1, width, a, b, seed):
    limits = JointLimits(theta1, theta1 + width, min(a, b), max(a, b))
    draw = torch.rand(2, 50, generator=generator(seed)).double()
    drawn = sampling.direction_of(limits.theta1 + width * draw[0], limits.gamma1 + abs(a - b) * draw[1])
    assert limits.contain(drawn).all()
    assert limits.mirrored().contain(drawn * torch.tensor([1.0, -1.0, 1.0])).all()
    again = limits.mirrored().mirrored()
    assert (again.gamma1, again.gamma2) == (limits.gamma1, limits.gamma2)
    assert (again.theta1 - limits.theta1 + 180) % 360 - 180 == pytest.approx(0, abs=1e-9)


def test_a_full_circle_from_anywhere_is_mirrored():
    assert JointLimits(0.224, 360.224, 0, 10).mirrored().mirrored().theta2 == pytest.approx(360.224)


def test_limits_across_180_degrees():
    shoulder = JointLimits(120, 240, 60, 120)
    thetas = torch.tensor([119.0, 121.0, 180.0, -179.0, -121.0, -119.0, 0.0])
    inside = shoulder.contain(sampling.direction_of(thetas, torch.full((7,), 90.0)))
    assert inside.tolist() == [False, True, True, True, True, False, False]
    assert not shoulder.contain(torch.full((3,), torch.nan))
    along = JointLimits(120, 240, 0, 180)  # on or against its parent's line a bone has no azimuth
    assert along.contain(torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]])).all()


@pytest.mark.parametrize(
    ("values", "name"),
    [((120, -120, 0, 90), "theta2 must lie"), ((0, 361, 0, 90), "theta2"), ((-180, 0, 0, 90), "theta1"),
     ((181, 190, 0, 90), "theta1"), ((0, 90, 100, 90), "gamma1"), ((0, 90, -1, 90), "gamma1"),
     ((0, 90, 0, 181), "gamma")],
)  # fmt: skip
def test_limits_that_make_no_sense_are_refused(values, name):
    with pytest.raises(ValueError, match=name):
        JointLimits(*values)


def test_sets_of_limits_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="got thorax"):
        sampling.complete_limits(JOINT_LIMITS | {"thorax": JOINT_LIMITS["neck"]})
    with pytest.raises(ValueError, match="l_knee or r_knee|r_knee"):
        sampling.complete_limits({name: value for name, value in JOINT_LIMITS.items() if name != "r_knee"})
    with pytest.raises(ValueError, match=r"that of r_knee is \(130, 330, 30, 120\)"):
        sampling.complete_limits({**JOINT_LIMITS, "r_knee": (130, 330, 30, 120)})
    with pytest.raises(ValueError, match="theta 180 to 180"):
        sampling.complete_limits(JOINT_LIMITS | {"r_hip": JointLimits(170, 180, 60, 120)})
    one_sided = sampling.complete_limits(JOINT_LIMITS | {"l_knee": JointLimits(0, 10, 80, 90)})
    assert one_sided["l_knee"] == JointLimits(0, 10, 80, 90) and one_sided["r_knee"] == JOINT_LIMITS["r_knee"]


def test_limits_follow_from_the_body_models_and_the_paper():
    assert sampling.derive_limits() == dict(JOINT_LIMITS)
    assert JOINT_LIMITS["r_hip"] == JointLimits(180, 180, 60, 120)  # theta = pi, gamma in [pi/3, 2 pi/3]
    assert (JOINT_LIMITS["r_shoulder"].theta1, JOINT_LIMITS["r_shoulder"].theta2) == (120, 240)


@pytest.mark.parametrize(("n", "seed"), [(50, 5), (500, 0), (500, 4)])
def test_limits_from_a_few_poses_are_symmetric_in_the_middle(n, seed):
    """Arcs from so few lie crooked: widened to both sides they are more than the circle, or begin beyond 180."""
    limits = sampling.derive_limits(n, seed)
    bones = sampling.direction_of(torch.arange(-179.5, 180.0), torch.full((360,), 90.0))
    for name in ("neck", "head", "nose"):
        around = JointLimits(limits[name].theta1, limits[name].theta2, 0, 180)
        inside, mirrored = (around.contain(bones * bones.new_tensor([1.0, side, 1.0])) for side in (1, -1))
        assert bool((inside == mirrored).all() and inside.any())


def test_smallest_arc_by_brute_force(rng):
    thetas = torch.tensor([171.0, 175.0, -178.0, -172.0, 10.0])  # four of five within 20 degrees across 180
    limits = sampling.enclosing_limits(sampling.direction_of(thetas, torch.full((5,), 92.0)).double(), share=0.8)
    assert limits == JointLimits(170, 190, 90, 95)
    edge = sampling.direction_of(torch.tensor([-179.0, -172.0]), torch.full((2,), 92.0)).double()
    assert sampling.enclosing_limits(edge, share=1.0) == JointLimits(180, 190, 90, 95)  # and not from -180
    for share in (0.3, 0.8, 1.0):
        angles = rng.uniform(-180, 180, 17)
        needed = math.ceil(share * len(angles))
        after = (angles[None] - angles[:, None]) % 360  # how far each lies beyond each
        widths = np.sort(after, 1)[:, needed - 1]
        start, width = _smallest_arc(torch.tensor(angles), share)
        assert width == pytest.approx(widths.min()) and start == pytest.approx(angles[widths.argmin()])


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_motion_capture_keeps_the_limits(split):
    shares = sampling.share_inside(sampling.mocap_poses(split))
    assert min(shares[name] for name in SKELETON.joints[1:]) >= 0.97


# Samples -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("conditioned", [False, True])
def test_samples_keep_limits_and_lengths_whatever_their_rotation(conditioned):
    poses = sampling.sample_poses(400, generator=generator(1), conditioned=conditioned).double()
    local, lengths, rotation, root = sampling.global_to_local(poses)
    assert sampling.inside_limits(local).all()
    torch.testing.assert_close(lengths, sampling.BONE_LENGTHS.double().expand(400, -1), atol=1e-3, rtol=0)
    assert torch.equal(root, torch.zeros(400, 3).double())
    canonical = sampling.relative_to_canonical(poses)[0]
    if conditioned:
        assert sampling.limbs_allowed(canonical).all() and not sampling.intersects_itself(canonical).any()
    # uniform over all rotations: the mean of R is 0, with standard deviation 1 / sqrt(3 n) an entry
    assert rotation.mean(0).abs().max() < 5 / (3 * 400) ** 0.5


def test_samples_are_uniform_in_the_limits():
    limits = JOINT_LIMITS | {"r_elbow": JointLimits(150, 210, 30, 90)}
    theta, gamma = sampling.angles_of(local_poses(20_000, limits)[:, joint("r_elbow")])
    for values, start in ((theta % 360, 150), (gamma, 30)):
        assert values.min() >= start - 1e-2 and values.max() <= start + 60 + 1e-2
        counts = torch.histc(values, 6, start, start + 60) / 20_000
        assert (counts - 1 / 6).abs().max() < 0.015


def test_the_same_seed_gives_the_same_poses_and_bones_may_be_chosen():
    first, second = (sampling.sample_poses(5000, generator=generator(3)) for _ in range(2))
    assert torch.equal(first, second) and first.dtype == torch.float32
    taller = sampling.sample_canonical(10, generator=generator(), bone_lengths=2 * sampling.BONE_LENGTHS)
    torch.testing.assert_close(taller, 2 * sampling.sample_canonical(10, generator=generator()))
    assert sampling.sample_poses(0).shape == (0, 17, 3) and sampling.sample_poses(0, conditioned=True).shape == (
        0,
        17,
        3,
    )


def test_samples_of_bad_input():
    with pytest.raises(ValueError, match="n must be at least 0, got -1"):
        sampling.sample_poses(-1)
    zero = sampling.BONE_LENGTHS.clone()
    zero[joint("r_knee")] = 0
    with pytest.raises(ValueError, match="bone_lengths must be 17 numbers"):
        sampling.sample_poses(1, bone_lengths=zero)
    # a shank that can only fold forwards over a hanging thigh
    broken = JOINT_LIMITS | {"r_knee": JointLimits(180, 180, 90, 90), "r_ankle": JointLimits(-90, -90, 90, 90)}
    with pytest.raises(ValueError, match="a body could take"):
        sampling.sample_poses(3, broken, generator(), conditioned=True)


# What a body cannot do ---------------------------------------------------------------------------------------------


def limb_by_scipy(angles, limb, side):
    f, a, r, k = np.radians(angles)
    hip = Rotation.from_euler("Y", -f) * Rotation.from_euler("X", -a)
    bend = Rotation.from_euler("Y", k if limb == "leg" else -k)  # about y: a hanging bone swings back or forward
    upper = hip.apply([0, 0, -1])
    lower = (hip * Rotation.from_euler("Z", r) * bend).apply([0, 0, -1])
    mirror_y = np.array([1, 1 if side == "r" else -1, 1])
    return upper * mirror_y, lower * mirror_y


@given(st.floats(-89, 170), st.floats(-85, 85), st.floats(-90, 90), st.floats(1, 150), st.sampled_from(["leg", "arm"]),
       st.sampled_from("lr"))  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_limbs_from_four_angles_and_back(f, a, r, k, limb, side):
    angles = torch.tensor([f, a, r, k], dtype=torch.float64)
    upper, lower = sampling.limb_directions(angles, limb, side)
    for found, expected in zip((upper, lower), limb_by_scipy((f, a, r, k), limb, side), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_allclose(sampling.limb_angles(upper, lower, limb, side), angles, atol=1e-4)
    second = torch.tensor([f + 180, 180 - a, r + 180, k], dtype=torch.float64)  # the other way to write the same pose
    for found, expected in zip(sampling.limb_directions(second, limb, side), (upper, lower), strict=True):
        torch.testing.assert_close(found, expected)


def test_knees_bend_backwards_and_elbows_forwards():
    down, forward, back = (torch.tensor(v) for v in ([0.0, 0, -1], [1.0, 0, 0], [-1.0, 0, 0]))
    for side in "lr":
        assert sampling.limb_allowed(down, back, "leg", side) and not sampling.limb_allowed(down, forward, "leg", side)
        assert sampling.limb_allowed(down, forward, "arm", side)
        assert sampling.limb_allowed(forward, down, "leg", side)  # sitting
        assert not sampling.limb_allowed(forward, -down, "leg", side)  # and the shank up in the air
        assert not sampling.limb_allowed(down, -down, "leg", side)  # folded flat


def test_motion_capture_is_what_a_body_can_do_and_independent_angles_are_not():
    mocap = sampling.implausible_share(sampling.mocap_poses("train"))
    artificial = sampling.implausible_share(sampling.sample_canonical(4000, generator=generator()))
    assert mocap["either"] < 0.05 and artificial["limbs"] > 0.9


@given(SEEDS)
@settings(max_examples=25, deadline=None)
def test_segment_distance_by_a_bounded_search(seed):
    a, b, c, d = normal(seed, 4, 3).numpy()

    def gap(x):
        return np.linalg.norm(a + x[0] * (b - a) - c - x[1] * (d - c))

    best = min(minimize(gap, start, bounds=[(0, 1)] * 2).fun for start in itertools.product((0.1, 0.9), repeat=2))
    found = sampling.segment_distance(*(torch.tensor(p) for p in (a, b, c, d)))
    assert float(found) == pytest.approx(best, abs=1e-5) and float(found) <= best + 1e-9


def test_segments_that_are_parallel_or_cross():
    def distance(*points):
        return float(sampling.segment_distance(*(torch.tensor(p, dtype=torch.float64) for p in points)))

    assert distance([0, 0, 0], [1, 0, 0], [0, 2, 0], [1, 2, 0]) == pytest.approx(2)
    assert distance([0, 0, 0], [1, 0, 0], [3, 2, 0], [4, 2, 0]) == pytest.approx(8**0.5)
    assert distance([-1, 0, 0], [1, 0, 0], [0, -1, 0], [0, 1, 0]) == pytest.approx(0)


def test_a_forearm_through_the_chest_intersects():
    pose = sampling.join_local(sampling.local_directions(sampling.mocap_poses("train")[:1]))
    standing = sampling.mocap_poses("test")[:1]
    assert not sampling.intersects_itself(standing).any()
    through = pose.clone()
    through[:, joint("r_elbow")] = torch.tensor([0.0, -100, 250])
    through[:, joint("r_wrist")] = torch.tensor([0.0, 150, 250])
    assert sampling.intersects_itself(through).all()


# Measures ----------------------------------------------------------------------------------------------------------


def test_nearest_distances_by_hand():
    poses, samples = normal(0, 4, 17, 3), normal(1, 9, 17, 3)
    gaps = (poses[:, None] - samples[None]).square().sum(-1).mean(-1).sqrt()
    torch.testing.assert_close(sampling.nearest_distances(poses, samples, chunk=4), gaps.amin(1))
    with pytest.raises(ValueError, match="M > 0"):
        sampling.nearest_distances(poses, samples[:0])


def test_random_directions_are_poses_in_the_canonical_frame_that_know_no_limits():
    poses = sampling.random_directions(300, generator())
    torch.testing.assert_close(sampling.relative_to_canonical(poses)[0], poses, atol=1e-2, rtol=0)
    assert sampling.share_inside(poses)["pose"] < 0.01


# The autoencoder ---------------------------------------------------------------------------------------------------


def test_whatever_the_embedding_the_decoder_gives_a_pose():
    torch.manual_seed(0)
    model = sampling.PoseAutoencoder()
    local = model.decoder(10 * torch.randn(2, 5, EMBEDDING))
    torch.testing.assert_close(local[..., 1:, :].norm(dim=-1), torch.ones(2, 5, 16))
    poses = model.sample(20, generator())
    torch.testing.assert_close(sampling.relative_to_canonical(poses)[0], poses, atol=1e-2, rtol=0)
    found = sampling.local_directions(poses)
    torch.testing.assert_close(found, model.decoder(sampling.draw_embeddings(20, generator())), atol=1e-4, rtol=0)
    assert model.encode(local).abs().max() <= 1
    with pytest.raises(ValueError, match=r"embedding must be \(\.\.\., 32\)"):
        model.decode(torch.zeros(31))
    with pytest.raises(ValueError, match=r"local must be \(\.\.\., 17, 3\)"):
        model.encode(torch.zeros(18, 3))
    with pytest.raises(ValueError, match="n must be at least 0"):
        model.sample(-1)


def test_free_joints_point_as_the_decoder_says_and_hips_are_tilted_in_their_plane():
    vectors = torch.randn(5, 13, 3, generator=generator(3))
    found = place_directions(vectors).numpy()
    order = ["r_hip", "neck", "head", "nose", "r_shoulder", "r_knee", "r_ankle", "l_knee", "l_ankle"]
    order += ["r_elbow", "r_wrist", "l_elbow", "l_wrist"]
    wanted = vectors.numpy()
    wanted[:, 0, :2] = [0, -1]  # to the right, as far up or down as it says
    wanted = wanted / np.linalg.norm(wanted, axis=-1, keepdims=True)
    np.testing.assert_allclose(found[:, [joint(name) for name in order]], wanted, atol=1e-6)
    for name in ("hip", "shoulder"):
        right, left = (found[:, joint(f"{side}_{name}")] for side in "rl")
        np.testing.assert_array_equal(left, -right)


def test_the_encoder_sees_every_free_bone_and_no_other():
    torch.manual_seed(0)
    local = local_poses(3).requires_grad_()
    sampling.PoseAutoencoder().encode(local).square().sum().backward()
    seen = {SKELETON.joints[j] for j in local.grad.abs().sum((0, 2)).nonzero().flatten().tolist()}
    assert seen == set(sampling.FREE)


def test_limbs_meet_only_where_the_tree_says():
    """The knees' layers feed the lower half; the upper half's features do not see them."""
    torch.manual_seed(0)
    encoder = TreeEncoder()
    local = local_poses(1)
    changed = local.clone()
    changed[:, [joint("r_knee"), joint("l_knee")]] *= -1
    outputs: list[list[torch.Tensor]] = [[]]
    for half in encoder.halves:
        half.register_forward_hook(lambda module, inputs, output: outputs[-1].append(output))
    encoder(local)
    outputs.append([])
    encoder(changed)
    assert not torch.equal(outputs[0][0], outputs[1][0]) and torch.equal(outputs[0][1], outputs[1][1])


def test_gradients_through_the_decoder_are_finite():
    torch.manual_seed(0)
    embedding = sampling.draw_embeddings(4, generator()).requires_grad_()
    sampling.PoseAutoencoder().decode(embedding).square().sum().backward()
    assert embedding.grad.isfinite().all() and (embedding.grad != 0).any()


def test_the_encoder_gets_no_adversarial_gradient():
    """With and without L_adv one step leaves Phi the same, and Psi not."""
    states = []
    for weight in (0.0, 5.0):
        torch.manual_seed(0)
        model, critic = sampling.PoseAutoencoder(), TreeEncoder(1)
        sgd = {n: torch.optim.SGD(m.parameters(), lr=0.1) for n, m in (("model", model), ("critic", critic))}
        canonical = sampling.sample_canonical(8, generator=generator())
        prior = sampling.draw_embeddings(8, generator())
        config = TrainingConfig(batch=8, adversarial=weight, clip=1e9)
        losses = training_step(model, critic, canonical, sampling.local_directions(canonical), prior, sgd, config)
        assert set(losses) == {"pose", "embedding", "adversarial", "critic"}
        states.append(model)
    for (name, a), b in zip(states[0].named_parameters(), states[1].parameters(), strict=True):
        assert torch.equal(a, b) == name.startswith("encoder"), name


def test_training_lowers_the_cycle_and_is_measured():
    poses = sampling.sample_canonical(500, generator=generator())
    model, record = train_autoencoder(TrainingConfig(steps=60, batch=32, every=30), poses=poses)
    assert record[-1]["pose"] < record[0]["pose"]
    found = sampling.measure_autoencoder(model, poses[:50], 100)
    local = sampling.local_directions(poses[:50])
    gaps = (model.decode(model.encode(local)) - poses[:50]).detach().norm(dim=-1)[:, 1:]
    assert found["reconstruction_mm"] == pytest.approx(float(gaps.mean()), rel=1e-5)


def test_an_interrupted_training_ends_the_same(tmp_path):
    config, poses = TrainingConfig(steps=6, batch=8, every=2), sampling.sample_canonical(50, generator=generator())
    whole, _ = train_autoencoder(config, poses=poses)

    def stop(entry: dict) -> None:
        """Ctrl-C at step 4, once step 2 is in the checkpoint."""
        if entry["step"] == 4:
            raise KeyboardInterrupt

    setup = Setup(checkpoint=tmp_path / "c.safetensors", tell=stop)
    with pytest.raises(KeyboardInterrupt):
        train_autoencoder(config, setup, poses)
    assert load_tensors(tmp_path / "c.safetensors")[1]["step"] == "2"
    again, record = train_autoencoder(config, replace(setup, tell=lambda entry: None), poses)
    assert [entry["step"] for entry in record] == [2, 4, 6]
    for a, b in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


def test_autoencoders_in_files(tmp_path):
    torch.manual_seed(0)
    model = sampling.PoseAutoencoder()
    path = tmp_path / "model.safetensors"
    sampling.save_autoencoder(path, model)
    assert path.stat().st_size < 2e6
    again = sampling.load_autoencoder(path)
    local = local_poses(3)
    torch.testing.assert_close(again.encode(local), model.encode(local), atol=5e-3, rtol=0)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="not a readable safetensors"):
        sampling.load_autoencoder(path)
    with pytest.raises(ValueError, match="poses must be one of"):
        sampling.load_pretrained("marionettes")


def test_configurations_that_make_no_sense_are_refused():
    for bad in ({"poses": "dance"}, {"steps": 0}, {"batch": 1}, {"learning_rate": 0.0}, {"adversarial": -1.0}):
        with pytest.raises(ValueError, match="must be"):
            TrainingConfig(**bad)


def test_a_mirrored_pose_is_a_pose():
    poses = sampling.sample_canonical(50, generator=generator())
    torch.testing.assert_close(mirror(mirror(poses)), poses)
    assert sampling.inside_limits(sampling.local_directions(mirror(poses))).all()
    assert torch.equal(sampling.limbs_allowed(mirror(poses)), sampling.limbs_allowed(poses)[:, [1, 0, 3, 2]])
    assert torch.equal(canonical_to_local(poses, SKELETON)[:, 0], torch.zeros(50, 3))


def test_the_command_trains_and_writes_a_result(tmp_path, capsys):
    out = tmp_path / "m.safetensors"
    main(["--poses", "mocap", "--steps", "2", "--out", str(out), "--results", str(tmp_path / "m_0.json")])
    assert "wrote" in capsys.readouterr().out and out.exists() and (tmp_path / "m_0.json").exists()
