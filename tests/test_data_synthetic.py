"""Synthetic people: the rasteriser against float64 NumPy, labels against geometry, shards against damage."""

from __future__ import annotations

import gzip
import io
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napa_lib.data import list_mocap_clips
from napa_lib.data.shards import RawClip, read_raw, read_recipe, write_shard
from napa_lib.data.synthetic import MOVEMENTS, ShardError, load_synthetic, read_shards
from napa_lib.makers.people import __main__ as command
from napa_lib.makers.people.body import BONES, Mesh, vertex_normals
from napa_lib.makers.people.clips import Clip, Recipe, make_clip
from napa_lib.makers.people.encode import encode_clip
from napa_lib.makers.people.paint import ARM, HEAD, LEG, materials
from napa_lib.makers.people.posing import joint_positions, skin
from napa_lib.makers.people.postures import captured, directions_of, sampled
from napa_lib.makers.people.raster import rasterize
from napa_lib.makers.people.turns import frame, part_way, swing, turn, unit
from napa_lib.makers.people.view import frame_points, sample_direction
from napa_lib.makers.people.wardrobe import M, sample_outfit, sample_phenotype


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# ---------------------------------------------------------------------------------------------- rasteriser


def _triangles(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = rng(seed)
    corners = random.uniform(0, 22, (count, 1, 2)) + random.uniform(-16, 16, (count, 3, 2))
    points = np.concatenate([corners, random.uniform(500, 4000, (count, 3, 1))], -1).reshape(-1, 3)
    return points, np.arange(3 * count).reshape(-1, 3)


def _brute_force(points: np.ndarray, faces: np.ndarray, height: int, width: int):
    """Nearest front face a pixel in float64, its depth, and whether the pixel is near any edge or a tie."""
    nearest, depth = np.full((height, width), -1), np.full((height, width), np.inf)
    unsure = np.zeros((height, width), bool)
    for row in range(height):
        for column in range(width):
            for index, (a, b, c) in enumerate(points[faces]):
                matrix = np.array([[a[0], b[0], c[0]], [a[1], b[1], c[1]], [1, 1, 1]], np.float64)
                area = np.linalg.det(matrix)
                share = np.linalg.solve(matrix, [column, row, 1.0])
                unsure[row, column] |= abs(share.min()) < 1e-4
                if area < 0 and share.min() >= 0:
                    z = 1 / (share @ (1 / np.array([a[2], b[2], c[2]])))
                    unsure[row, column] |= abs(z - depth[row, column]) < 0.5
                    if z < depth[row, column]:
                        nearest[row, column], depth[row, column] = index, z
    return nearest, depth, unsure


@pytest.mark.parametrize("seed", range(4))
def test_rasterize_agrees_with_brute_force(seed: int) -> None:
    points, faces = _triangles(14, seed)
    buffers = rasterize(points, faces, (20, 24))
    nearest, depth, unsure = _brute_force(points, faces, 20, 24)
    assert (nearest >= 0).sum() > 40 and unsure.mean() < 0.05
    found = buffers.image(buffers.face, -1)
    np.testing.assert_array_equal(found[~unsure], nearest[~unsure])
    sure = ~unsure & (nearest >= 0)
    np.testing.assert_allclose(buffers.image(buffers.depth, np.inf)[sure], depth[sure], rtol=1e-4)


def test_weights_interpolate_in_perspective() -> None:
    K = np.array([[30.0, 0, 12], [0, 30.0, 10], [0, 0, 1]])
    corners = np.array([[-900.0, -700, 2000], [1400, -500, 4500], [-300, 1200, 3000]])
    seen = corners @ K.T
    points = np.concatenate([seen[:, :2] / seen[:, 2:], corners[:, 2:]], -1)
    buffers = rasterize(points, np.array([[0, 2, 1]]), (20, 24))
    assert len(buffers.pixel) > 50
    inside = np.einsum("pk,kc->pc", buffers.weight.astype(float), corners[[0, 2, 1]])
    normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
    row, column = np.divmod(buffers.pixel, 24)
    rays = np.stack([(column - 12) / 30, (row - 10) / 30, np.ones(len(row))], -1)
    hits = rays * ((corners[0] @ normal) / (rays @ normal))[:, None]  # where the ray meets the triangle's plane
    np.testing.assert_allclose(inside, hits, atol=2.0)
    np.testing.assert_allclose(buffers.depth, hits[:, 2], rtol=1e-4)


def test_backs_are_hidden_unless_asked_for_and_nothing_behind_the_camera_shows() -> None:
    points = np.array([[2.0, 2, 100], [12, 2, 100], [2, 12, 100]])
    front, back = np.array([[0, 2, 1]]), np.array([[0, 1, 2]])
    shown = len(rasterize(points, front, (16, 16)).pixel)
    assert shown == 66  # 11 + 10 + ... + 1 pixel centres, edges included
    assert len(rasterize(points, back, (16, 16)).pixel) == 0
    assert len(rasterize(points, back, (16, 16), np.array([True])).pixel) == shown
    assert len(rasterize(points * [1, 1, -1], front, (16, 16)).pixel) == 0
    assert len(rasterize(points + [50, 0, 0], front, (16, 16)).pixel) == 0


def test_rasterize_rejects_bad_shapes() -> None:
    with pytest.raises(ValueError, match="points"):
        rasterize(np.zeros((3, 2)), np.array([[0, 1, 2]]), (4, 4))
    with pytest.raises(ValueError, match="faces"):
        rasterize(np.zeros((3, 3)), np.array([[0, 1, 3]]), (4, 4))


# ---------------------------------------------------------------------------------------- rotations, poses


def test_turns() -> None:
    a, b = unit(rng(1).normal(size=(50, 3))), unit(rng(2).normal(size=(50, 3)))
    b[0], b[1] = -a[0], a[1]
    turns = swing(a, b)
    np.testing.assert_allclose((turns @ a[..., None])[..., 0], b, atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(turns), 1.0)
    half = part_way(turns[2:], 0.5)
    np.testing.assert_allclose(half @ half, turns[2:], atol=1e-9)
    np.testing.assert_allclose(turn(a, 0.7) @ turn(a, -0.7), np.broadcast_to(np.eye(3), (50, 3, 3)), atol=1e-12)
    frames = frame(a[2:], b[2:])
    np.testing.assert_allclose(frames @ np.swapaxes(frames, 1, 2), np.broadcast_to(np.eye(3), (48, 3, 3)), atol=1e-9)


def test_poses_are_directions_and_movements_keep_to_their_split() -> None:
    for pose in (sampled(64, rng(3)), captured("train", 8, rng(4))[0]):
        for limbs in (pose.upper, pose.lower):
            np.testing.assert_allclose(np.linalg.norm(limbs, axis=-1), 1.0, atol=1e-6)
        for trunk in (pose.pelvis, pose.chest, pose.head):
            np.testing.assert_allclose(
                trunk @ np.swapaxes(trunk, 1, 2), np.broadcast_to(np.eye(3), trunk.shape), atol=1e-5
            )
            np.testing.assert_allclose(np.linalg.det(trunk), 1.0, atol=1e-5)
    for split in ("train", "validation", "test"):
        names = {captured(split, 2, rng(seed))[1] for seed in range(20)}
        assert names <= set(list_mocap_clips(split)) and len(names) > 1


def test_directions_of_turn_with_the_body() -> None:
    joints = np.concatenate([rng(5).normal(0, 300, (6, 18, 3))])
    rotation = turn(unit(np.array([1.0, 2, 3])), 0.8)
    turned, expected = directions_of(joints @ rotation.T), directions_of(joints).turned(rotation)
    for name in ("pelvis", "chest", "head", "upper", "lower"):
        np.testing.assert_allclose(getattr(turned, name), getattr(expected, name), atol=1e-9)


def _block() -> Mesh:
    """A tetrahedron whose corners follow random bones."""
    random = rng(6)
    vertices, faces = (
        random.normal(0, 100, (4, 3)).astype(np.float32),
        np.array([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]]),
    )
    weights = random.dirichlet(np.ones(len(BONES)), 4).astype(np.float32)
    heads = random.normal(0, 300, (len(BONES), 3)).astype(np.float32)
    return Mesh(
        vertices, vertex_normals(vertices, faces), faces, weights, heads, vertices, np.zeros(4, np.float32),
        np.zeros(4, np.int8), np.zeros(4, bool), 0, 1,
    )  # fmt: skip


def test_skinning_is_rigid_where_all_bones_turn_alike_and_blends_where_not() -> None:
    mesh, rotation = _block(), turn(unit(np.array([1.0, -1, 0.5])), 1.2)
    alike = np.tile(rotation, (1, len(BONES), 1, 1))
    heads = joint_positions(mesh, alike)
    np.testing.assert_allclose(heads[0], (mesh.heads - mesh.heads[0]) @ rotation.T, atol=1e-3)
    vertices, normals = skin(mesh, alike[0], heads[0])
    np.testing.assert_allclose(vertices, (mesh.vertices - mesh.heads[0]) @ rotation.T, atol=1e-2)
    np.testing.assert_allclose(normals, mesh.normals @ rotation.T, atol=1e-4)

    mixed = turn(unit(rng(7).normal(size=(len(BONES), 3))), 0.5)
    heads = joint_positions(mesh, mixed[None])[0]
    expected = [
        sum(w * (r @ (v - rest) + head) for w, r, rest, head in zip(row, mixed, mesh.heads, heads, strict=True))
        for row, v in zip(mesh.weights.astype(float), mesh.vertices.astype(float), strict=True)
    ]
    np.testing.assert_allclose(skin(mesh, mixed, heads)[0], expected, atol=2e-2)


def test_sleeves_trousers_and_hair_end_where_the_outfit_says() -> None:
    outfit = replace(
        sample_outfit(rng(8), sample_phenotype(rng(8)), False), sleeve=0.3, legs=0.5, socks=1.1, boots=1.1, hair=10.0,
        hairline=0.0, beard=0.0, hat=0,
    )  # fmt: skip
    points = np.array([[400.0, 450, 0]] * 2 + [[150.0, -300, 0]] * 2 + [[0.0, 1000, 60], [0.0, 900, 150]])
    region = np.array([ARM, ARM, LEG, LEG, HEAD, HEAD])
    found = materials(outfit, region, points, np.array([0.2, 0.4, 0.4, 0.6, 0, 0]))
    assert found.tolist() == [M[n] for n in ("top", "skin", "bottom", "skin", "hair", "skin")]


def test_views_frame_the_points_and_project_by_K() -> None:
    rotation, distance = sample_direction(rng(9))
    points = rng(10).normal(0, 400, (200, 3))
    view = frame_points(rotation, distance, points, 160, 0.8, np.zeros(2))
    camera = view.to_camera(points)
    seen = camera @ view.K.T
    flat = seen[:, :2] / seen[:, 2:]
    np.testing.assert_allclose(view.project(camera)[:, :2], flat)
    np.testing.assert_allclose((flat.max(0) - flat.min(0)).max(), 128.0)
    np.testing.assert_allclose((flat.max(0) + flat.min(0)) / 2, 79.5)


# ---------------------------------------------------------------------------------------------------- shards


def _clip(seed: int, size: int = 16, people: int = 1) -> Clip:
    random = rng(seed)
    poses = random.normal(0, 300, (people, 8, 18, 3)) + [0, 0, 3000]
    K = np.tile(np.array([[size * 2.0, 0, size / 2], [0, size * 2.0, size / 2], [0, 0, 1]]), (8, 1, 1))
    seen = np.einsum("fij,pfkj->pfki", K, poses)
    return Clip(
        np.tile(np.arange(8, dtype=np.uint8)[:, None, None, None] * 30, (1, size, size, 3)),
        random.random((8, size, size)) < 0.5, seen[..., :2] / seen[..., 2:], poses, random.random((people, 8, 18)) <
        0.5,
        random.uniform(0, size, (people, 8, 4)), K, 7 + seed, MOVEMENTS[seed % 3], "drawn" if seed % 2 else "photo",
    )  # fmt: skip


def _shard(path: Path, clips: list[Clip]) -> Path:
    write_shard(path, {"a": 1}, (encode_clip(clip, f"clip-{i:03d}", 90) for i, clip in enumerate(clips)))
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    clips = [_clip(0), _clip(1, people=2), _clip(2)]
    found = read_shards([_shard(tmp_path / "a.tar.gz", clips[:2]), _shard(tmp_path / "b.tar.gz", clips[2:])])
    assert len(found) == 3 and found.size == 16
    for row, clip in enumerate(clips):
        np.testing.assert_allclose(found.poses[row], clip.poses[0], atol=0.06)
        np.testing.assert_allclose(found.K[row], clip.K, rtol=1e-6)
        inside = ((clip.keypoints > -0.5) & (clip.keypoints < 15.5)).all(-1)
        for labels, person in ((found.keypoints, 0), (found.other_keypoints, 1)):
            shown = inside[person] if person < len(inside) else np.zeros((8, 18), bool)
            np.testing.assert_array_equal(~labels[row].isnan().any(-1), shown)
            if shown.any():
                np.testing.assert_allclose(
                    labels[row][torch.from_numpy(shown)], clip.keypoints[person][shown], atol=0.01
                )
        np.testing.assert_array_equal(found.visible[row], clip.visible[0])
        np.testing.assert_allclose(found.boxes[row], clip.boxes[0], rtol=1e-6)
        np.testing.assert_array_equal(found.masks[row], clip.masks)
        assert (found.images[row].float().mean((1, 2, 3)) - torch.arange(8) * 30).abs().max() < 2
    assert (
        found.person.tolist() == [7, 8, 9] and found.movement.tolist() == [0, 1, 2] and found.look.tolist() == [0, 1, 0]
    )
    assert torch.equal(found.pictures([2, 0]), found.images[[2, 0]]) and torch.equal(
        found.masks_of([1]), found.masks[1:2]
    )
    assert found.pictures([]).shape == (0, 8, 3, 16, 16)


def test_the_same_clips_give_the_same_bytes_and_no_half_file_stays(tmp_path: Path) -> None:
    one, two = (_shard(tmp_path / name, [_clip(3)]).read_bytes() for name in ("a.tar.gz", "b.tar.gz"))
    assert one == two and read_recipe(tmp_path / "a.tar.gz") == {"a": 1}

    def broken():
        yield encode_clip(_clip(4), "clip-000", 90)
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        write_shard(tmp_path / "c.tar.gz", {}, broken())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tar.gz", "b.tar.gz"]


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9, 0.999])
def test_truncated_shards_are_refused(tmp_path: Path, keep: float) -> None:
    whole = _shard(tmp_path / "a.tar.gz", [_clip(i) for i in range(3)]).read_bytes()
    path = tmp_path / "cut.tar.gz"
    path.write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(ShardError, match=r"cut\.tar\.gz"):
        read_shards([path])


def test_truncated_tar_within_whole_gzip_is_refused(tmp_path: Path) -> None:
    tar = gzip.decompress(_shard(tmp_path / "a.tar.gz", [_clip(0)]).read_bytes())
    for size in (300, 700, 1600, 2300):
        (tmp_path / "cut.tar.gz").write_bytes(gzip.compress(tar[:size]))
        with pytest.raises(ShardError, match=r"cut\.tar\.gz"):
            read_shards([tmp_path / "cut.tar.gz"])


def test_damaged_bytes_and_missing_files_are_refused(tmp_path: Path) -> None:
    whole = bytearray(_shard(tmp_path / "a.tar.gz", [_clip(0)]).read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    (tmp_path / "bad.tar.gz").write_bytes(whole)
    for path in (tmp_path / "bad.tar.gz", tmp_path / "none.tar.gz"):
        with pytest.raises(ShardError, match=path.name):
            read_shards([path])
    with pytest.raises(ShardError, match="at least one clip"):
        read_shards([])


def _tar(path: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for info, data in members:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize("name", ["../evil.webp", "/etc/evil.webp", "a/b.webp", "clip.exe", "..webp", "clip.webp\n"])
def test_foreign_members_are_refused_and_nothing_is_unpacked(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    path = _tar(folder / "x.tar.gz", [(tarfile.TarInfo(name), b"1234")])
    with pytest.raises(ShardError, match="does not belong"):
        read_shards([path])
    assert [p.name for p in tmp_path.rglob("*")] == ["in", "x.tar.gz"]


def test_links_disorder_and_wrong_labels_are_refused(tmp_path: Path) -> None:
    link = tarfile.TarInfo("clip.webp")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with pytest.raises(ShardError, match="no plain file"):
        list(read_raw(_tar(tmp_path / "x.tar.gz", [(link, b"")])))
    with pytest.raises(ShardError, match="out of order"):
        list(read_raw(_tar(tmp_path / "x.tar.gz", [(tarfile.TarInfo("clip.mask.png"), b"")])))
    with pytest.raises(ShardError, match="ends within"):
        list(read_raw(_tar(tmp_path / "x.tar.gz", [(tarfile.TarInfo("clip.webp"), b"")])))
    with pytest.raises(ShardError, match="first member"):
        read_recipe(_tar(tmp_path / "x.tar.gz", [(tarfile.TarInfo("clip.webp"), b"")]))
    good = encode_clip(_clip(0), "clip", 90)
    for wrong, message in (
        (replace(good, labels=b"\x00" * 40), "labels of 'clip'"),
        (
            replace(good, labels=encode_clip(replace(_clip(0), visible=np.ones((1, 7, 18), bool)), "clip", 90).labels),
            "visible of 'clip'",
        ),
        (replace(good, webp=b"no picture"), "pictures of 'clip'"),
    ):
        write_shard(tmp_path / "y.tar.gz", {}, [wrong])
        with pytest.raises(ShardError, match=message):
            read_shards([tmp_path / "y.tar.gz"])
    write_shard(tmp_path / "z.tar.gz", {}, [replace(good, mask=good.mask[:40])])
    with pytest.raises(ShardError, match="damaged"):
        _ = read_shards([tmp_path / "z.tar.gz"]).masks
    with pytest.raises(ShardError, match="one size"):
        read_shards([_shard(tmp_path / "a.tar.gz", [_clip(0)]), _shard(tmp_path / "b.tar.gz", [_clip(0, 32)])])


def test_raw_clips_come_back_as_they_were(tmp_path: Path) -> None:
    clips = [RawClip(f"c{i}", bytes([i]) * 5, b"m" * i, b"") for i in range(4)]
    write_shard(tmp_path / "a.tar.gz", {}, clips)
    assert list(read_raw(tmp_path / "a.tar.gz")) == clips


# --------------------------------------------------------------------------------------------------- command


@pytest.mark.parametrize(
    "wrong",
    [["--shard", "0/4"], ["--shard", "5/4"], ["--shard", "x"], ["--shard", "3/99"], ["--size", "4"], ["--movement",
    "2"],
     ["--seed", "-1"], ["--quality", "101"], ["--workers", "0"]],
)  # fmt: skip
def test_command_says_what_is_wrong(wrong: list[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=wrong[0].strip("-")):
        command.main(["--out", str(tmp_path), "--clips", "8", *wrong])
    assert not list(tmp_path.iterdir())


def test_recipe_rejects_unknown_names() -> None:
    for field in ("look", "split"):
        with pytest.raises(ValueError, match=field):
            Recipe(**{field: "oil"})


def test_shards_cover_every_clip_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "make_clip", lambda recipe, index: index)
    monkeypatch.setattr(command, "encode_clip", lambda clip, name, quality: clip)
    job = command.Job(Recipe(), clips=23, shards=5, quality=80)
    assert [i for shard in range(1, 6) for i in command._clips(job, shard)] == list(range(23))


def test_resume_makes_only_what_is_missing_and_refuses_another_recipe(monkeypatch, tmp_path: Path) -> None:
    made: list[int] = []

    def fake(recipe: Recipe, index: int) -> Clip:
        made.append(index)
        return _clip(index)

    monkeypatch.setattr(command, "make_clip", fake)
    monkeypatch.setattr(command, "PER_SHARD", 2)
    arguments = ["--out", str(tmp_path), "--clips", "6"]
    command.main(arguments)
    assert made == list(range(6))
    files = sorted(tmp_path.iterdir())
    assert len(files) == 3
    before = files[1].read_bytes()
    files[1].unlink()
    command.main(arguments)
    assert made[6:] == [2, 3]
    assert files[1].read_bytes() == before
    with pytest.raises(SystemExit, match="was made otherwise"):
        command.main([*arguments, "--seed", "1"])
    assert made[8:] == []


# ----------------------------------------------------------------------------------------- with the body model


@pytest.fixture(scope="module")
def clip() -> Clip:
    pytest.importorskip("anny")
    return make_clip(Recipe(size=64, look="photo", company=1.0, movement=0.0, seed=3), 1)


def test_keypoints_are_the_projected_poses(clip: Clip) -> None:
    assert clip.images.shape == (8, 64, 64, 3) and clip.keypoints.shape == (2, 8, 18, 2)
    seen = np.einsum("fij,pfkj->pfki", clip.K, clip.poses)
    np.testing.assert_allclose(clip.keypoints, seen[..., :2] / seen[..., 2:], atol=1e-6)
    thigh = np.linalg.norm(clip.poses[:, :, 1] - clip.poses[:, :, 2], axis=-1)
    assert (thigh > 150).all() and (thigh < 600).all()
    np.testing.assert_allclose(thigh, thigh[:, :1].repeat(8, 1), rtol=0.02)  # a body keeps its bones' lengths
    assert (clip.poses[..., 2] > 0).all()


def test_a_clip_is_its_seed_and_index(clip: Clip) -> None:
    again = make_clip(Recipe(size=64, look="photo", company=1.0, movement=0.0, seed=3), 1)
    other = make_clip(Recipe(size=64, look="photo", company=1.0, movement=0.0, seed=3), 2)
    for name in ("images", "masks", "poses", "visible", "K"):
        np.testing.assert_array_equal(getattr(clip, name), getattr(again, name))
    assert not np.array_equal(clip.images, other.images)


@pytest.mark.parametrize("index", [0, 5])
def test_visibility_agrees_with_rays_through_all_triangles(index: int) -> None:
    pytest.importorskip("anny")
    from napa_lib.makers.people import clips, scene

    random = rng(index)
    actor = clips._actor(random, False)
    figure = clips._placed(actor.act(sampled(1, random), random))[0]
    rotation, distance = sample_direction(random)
    middle = (figure.vertices.min(0) + figure.vertices.max(0)) / 2
    view = clips._recentred(frame_points(rotation, distance, figure.vertices - middle, 96, 0.8, np.zeros(2)), middle)
    joints = view.to_camera(figure.joints)
    surface = scene.render([figure], view, 96)
    found = scene.visible_joints(surface, view, joints, 96)
    corners = view.to_camera(figure.vertices.astype(float))[figure.mesh.faces]
    scale = np.linalg.norm(joints[[2, 5]] - joints[[1, 4]], axis=-1).mean() / 430
    agree = 0
    for joint, expected, deep in zip(joints, found, scene.DEEP * scale, strict=True):
        xy = np.round((joint[:2] / joint[2] * view.K[0, 0] + view.K[:2, 2]) * 2 + 0.5) / 2 - 0.25
        ray = np.array([*((xy - view.K[:2, 2]) / view.K[0, 0]), 1.0])
        matrix = np.stack(
            [corners[:, 0] - corners[:, 1], corners[:, 0] - corners[:, 2], np.broadcast_to(ray, (len(corners), 3))], -1
        )
        good = np.abs(np.linalg.det(matrix)) > 1e-6
        share = np.linalg.solve(matrix[good], corners[good, 0][..., None])[..., 0]  # Moeller and Trumbore's system
        hit = (share[:, 0] >= 0) & (share[:, 1] >= 0) & (share[:, :2].sum(-1) <= 1) & (share[:, 2] > 0)
        nearest = share[hit, 2].min() if hit.any() else np.inf
        agree += (joint[2] - nearest < deep) == expected
    assert agree >= 17 and found.sum() > 3  # a ray may just miss the sample's triangle


def test_limbs_follow_the_pose_and_masks_hold_the_joints() -> None:
    pytest.importorskip("anny")
    from napa_lib.makers.people.body import B, body_model
    from napa_lib.makers.people.posing import bone_rotations

    mesh, random = body_model().person(sample_phenotype(rng(11))), rng(12)
    pose = sampled(40, random)
    heads = joint_positions(mesh, bone_rotations(mesh, pose, random))
    chains = [(f"{a}.{s}", f"{b}.{s}", f"{c}.{s}") for a, b, c in
              (("upperarm01", "lowerarm01", "wrist"), ("upperleg01", "lowerleg01", "foot")) for s in "RL"]  # fmt: skip
    for limb, chain in enumerate(chains):
        start, middle, end = (heads[:, B[name]] for name in chain)
        for part, wanted in ((middle - start, pose.upper[:, limb]), (end - middle, pose.lower[:, limb])):
            cosine = (unit(part) * wanted).sum(-1)
            assert np.degrees(np.arccos(cosine.clip(-1, 1))).max() < 12


# ------------------------------------------------------------------------------------------------ what ships


def test_shipped_clips() -> None:
    splits = {name: load_synthetic(name) for name in ("train", "validation", "test")}
    assert sum(clips.keypoints.shape[0] * clips.keypoints.shape[1] for clips in splits.values()) >= 8000
    people = [set(clips.person.tolist()) for clips in splits.values()]
    assert sum(map(len, people)) == len(set.union(*people)) == sum(map(len, splits.values()))
    for name, clips in splits.items():
        moved = {MOVEMENTS[i] for i in clips.movement.unique().tolist() if i >= 0}
        assert moved and moved <= set(list_mocap_clips(name))
        assert 0.15 < clips.look.float().mean() < 0.45 and clips.size == 128
        chosen = range(0, len(clips), max(1, len(clips) // 12))
        masks, images = clips.masks_of(chosen), clips.pictures(chosen)
        assert images.shape[1:] == (8, 3, 128, 128) and images.float().std() > 10
        near = torch.nn.functional.max_pool2d(masks.float(), 5, 1, 2)
        keypoints, visible = clips.keypoints[list(chosen)], clips.visible[list(chosen)]
        x, y = keypoints.nan_to_num(0).round().long().clamp(0, 127).unbind(-1)
        hit = near.flatten(2).gather(2, y * 128 + x) > 0
        assert hit[visible & ~keypoints.isnan().any(-1)].float().mean() > 0.93
    with pytest.raises(ValueError, match="split"):
        load_synthetic("art")
