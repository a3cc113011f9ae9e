"""Crops: positions map there and back, pixels go where points go, and thin lines survive shrinking."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napa_lib.data.crops import crop, crop_matrices, edge_color, square_boxes, to_crop, to_picture

BOX = torch.tensor([[10.0, 20.0, 74.0, 84.0]])


@settings(max_examples=40, deadline=None)
@given(
    x=st.floats(-50, 50), y=st.floats(-50, 50), side=st.floats(4, 400), angle=st.floats(-4, 4), mirrored=st.booleans()
)
def test_points_go_there_and_back(x, y, side, angle, mirrored):
    box = torch.tensor([[x, y, x + side, y + side]], dtype=torch.float64)
    matrices = crop_matrices(box, 32, torch.tensor([angle]).double(), torch.tensor([mirrored]))
    points = torch.tensor([[[0.0, 0.0], [31.0, 5.0], [torch.nan, torch.nan]]]).double()
    back = to_crop(to_picture(points, matrices), matrices)
    np.testing.assert_allclose(back, points, atol=1e-9)


def test_the_corners_of_a_crop_are_the_corners_of_its_box():
    """A pixel is a square: the crop's outer corner (-0.5, -0.5) is the box's corner, half a pixel off its centre."""
    corners = to_picture(torch.tensor([[[-0.5, -0.5], [31.5, 31.5]]]), crop_matrices(BOX, 32))
    np.testing.assert_allclose(corners[0], [[10.0, 20.0], [74.0, 84.0]], atol=1e-5)


def test_rotation_is_clockwise_and_about_the_centre():
    matrices = crop_matrices(BOX, 64, torch.tensor([math.pi / 2]))
    middle = torch.tensor([42.0, 52.0])
    points = to_crop((middle + torch.tensor([[0.0, 0.0], [10.0, 0.0]]))[None], matrices)[0]
    np.testing.assert_allclose(points, [[31.5, 31.5], [31.5, 21.5]], atol=1e-4)


def test_a_mirrored_crop_is_the_crop_mirrored(generator=None):
    image = torch.rand(3, 90, 120, generator=torch.Generator().manual_seed(0))
    plain = crop(image, crop_matrices(BOX, 64), 64)
    mirrored = crop(image, crop_matrices(BOX, 64, flip=torch.tensor([True])), 64)
    np.testing.assert_allclose(mirrored, plain.flip(-1), atol=1e-5)


def test_a_crop_of_the_same_scale_is_a_cut():
    image = torch.rand(3, 90, 120, generator=torch.Generator().manual_seed(0))
    box = torch.tensor([[9.5, 19.5, 41.5, 51.5]])  # pixel centres lie on pixel centres
    np.testing.assert_allclose(crop(image, crop_matrices(box, 32), 32)[0], image[:, 20:52, 10:42], atol=1e-5)


def test_outside_is_the_edge_colour():
    image = torch.full((3, 40, 40), 0.25)
    image[:, 10:30, 10:30] = 0.9
    box = torch.tensor([[-40.0, -40.0, 0.0, 0.0]])
    np.testing.assert_allclose(crop(image, crop_matrices(box, 32), 32), 0.25, atol=1e-6)
    np.testing.assert_allclose(edge_color(image)[:, 0, 0], [0.25] * 3)


@pytest.mark.parametrize("side", [64, 130, 260, 1000])
def test_pixels_land_where_points_land(side):
    """A blob's centre of mass in the crop is where `to_crop` says, at any scale: no half-pixel shift."""
    size, picture = 32, 1100
    y, x = np.mgrid[:picture, :picture]
    centre, sigma = np.array([500.0, 540.0]), side / 12
    blob = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * sigma**2))
    image = torch.tensor(blob, dtype=torch.float32).expand(3, -1, -1)
    middle = torch.tensor([[510.0, 530.0]])
    matrices = crop_matrices(torch.cat([middle - side / 2, middle + side / 2], 1), size)
    found = crop(image, matrices, size)[0, 0].double().numpy()
    rows, columns = np.mgrid[:size, :size]
    mass = np.array([(found * columns).sum(), (found * rows).sum()]) / found.sum()
    expected = to_crop(torch.tensor(centre, dtype=torch.float32)[None, None], matrices)[0, 0]
    np.testing.assert_allclose(mass, expected, atol=0.03)


def test_one_pixel_lines_do_not_vanish():
    image = torch.ones(3, 640, 640)
    image[:, :, 101] = 0.0
    found = crop(image, crop_matrices(torch.tensor([[0.0, 0.0, 640.0, 640.0]]), 64), 64)[0, 0]
    assert (1 - found).sum(1).min() > 0.05  # a tenth of a crop's pixel; bilinear samples 10 px apart would miss it


def test_many_pictures_one_crop_each():
    images = torch.rand(2, 3, 50, 50, generator=torch.Generator().manual_seed(0))
    boxes = torch.tensor([[0.0, 0.0, 50.0, 50.0], [5.0, 5.0, 25.0, 25.0]])
    matrices = crop_matrices(boxes, 16)
    together = crop(images, matrices, 16)
    for i in range(2):
        np.testing.assert_allclose(together[i], crop(images[i], matrices[i : i + 1], 16)[0], atol=1e-5)


def test_square_boxes_keep_the_centre():
    found = square_boxes(torch.tensor([[0.0, 10.0, 40.0, 20.0]]))
    assert found.tolist() == [[0.0, -5.0, 40.0, 35.0]]


@pytest.mark.parametrize(
    ("boxes", "words"),
    [
        ([[5.0, 0.0, 5.0, 9.0]], "x1 > x0"),
        ([[9.0, 0.0, 5.0, 9.0]], "x1 > x0"),
        ([[torch.nan, 0.0, 5.0, 9.0]], "finite"),
        ([[0.0, 0.0, 5.0]], r"\(B, 4\)"),
    ],
)
def test_bad_boxes(boxes, words):
    with pytest.raises(ValueError, match=words):
        crop_matrices(torch.tensor(boxes), 32)


def test_bad_pictures():
    with pytest.raises(ValueError, match="image must be"):
        crop(torch.rand(1, 20, 20), crop_matrices(BOX, 8), 8)
    with pytest.raises(ValueError, match="one a picture"):
        crop(torch.rand(2, 3, 20, 20), crop_matrices(BOX, 8), 8)
    with pytest.raises(ValueError, match="size"):
        crop_matrices(BOX, 0)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.float16, torch.bfloat16])
def test_boxes_of_any_type_give_maps_that_keep_pixels_apart(dtype):
    boxes = torch.tensor([[8, 8, 4104, 4104]], dtype=dtype)
    found = crop_matrices(boxes, 128)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, crop_matrices(boxes.double(), 128).float(), rtol=1e-6, atol=0)


def test_crops_of_bytes_are_refused_and_one_box_of_many_is_named():
    with pytest.raises(ValueError, match="image must be floating, got torch.uint8"):
        crop(torch.zeros(3, 9, 9, dtype=torch.uint8), crop_matrices(torch.tensor([[0.0, 0.0, 5.0, 5.0]]), 8), 8)
    boxes = torch.tensor([[0.0, 0.0, 5.0, 5.0], [1.0, 1.0, torch.inf, 2.0], [3.0, 3.0, 3.0, 4.0]])
    with pytest.raises(ValueError, match=r"got \[1\.0, 1\.0, inf, 2\.0\]$"):
        square_boxes(boxes)
