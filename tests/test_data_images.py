"""Pictures in every odd format, damaged pictures, saving and resizing."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageFile

from napa_lib.data import PictureError, crop_square, load_image, resize, save_image
from napa_lib.data.decoding import decode, picture_endings, stored_size
from napa_lib.files import sha256, write_atomically, write_text

RGB = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3) * 14  # 2 rows, 3 columns, all values differ


def written(tmp_path, picture: Image.Image, name: str, **options) -> str:
    picture.save(tmp_path / name, **options)
    return tmp_path / name


def png_bytes(width: int, height: int, depth: int, colour_type: int, rows: bytes) -> bytes:
    """A PNG written by hand, for what Pillow cannot write; each row starts with a filter byte 0."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def check(path, expected, atol=1e-6) -> None:
    """`expected` is (H, W, 3) in [0, 1]."""
    image = load_image(path)
    assert image.dtype == torch.float32 and image.is_contiguous()
    np.testing.assert_allclose(image.permute(1, 2, 0), expected, atol=atol)


# ---- formats: each test writes the file and states the colours in numbers


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tiff", "a.ppm", "a.gif", "a.webp"])
def test_lossless_formats_are_read_exactly(tmp_path, name):
    check(written(tmp_path, Image.fromarray(RGB), name, **({"lossless": True} if "webp" in name else {})), RGB / 255)


def test_jpeg_keeps_a_flat_colour(tmp_path):
    colour = np.full((8, 8, 3), (200, 40, 90), dtype=np.uint8)
    check(written(tmp_path, Image.fromarray(colour), "a.jpg", quality=95), colour / 255, atol=3 / 255)


def test_one_pixel(tmp_path):
    check(written(tmp_path, Image.new("RGB", (1, 1), (255, 0, 51)), "a.png"), [[[1.0, 0.0, 0.2]]])


@pytest.mark.parametrize("name", ["a.tiff", "a.jpg"])
def test_cmyk_inks_subtract(tmp_path, name):
    inks = {(0, 0, 0, 0): (1, 1, 1), (255, 0, 0, 0): (0, 1, 1), (0, 255, 0, 0): (1, 0, 1), (0, 0, 0, 255): (0, 0, 0)}
    for ink, colour in inks.items():
        path = written(tmp_path, Image.new("CMYK", (8, 8), ink), name)
        check(path, np.broadcast_to(colour, (8, 8, 3)), atol=3 / 255)


@pytest.mark.parametrize("name", ["a.png", "a.tiff"])
def test_sixteen_bits_are_divided_by_65535(tmp_path, name):
    values = np.array([[0, 257, 32768], [65535, 1, 40000]], dtype=np.uint16)
    check(written(tmp_path, Image.fromarray(values), name), np.repeat(values[:, :, None] / 65535, 3, 2))


def test_sixteen_bits_in_which_zero_is_white(tmp_path):
    values = (np.arange(24, dtype=np.uint16) * 2000).reshape(4, 6)
    Image.fromarray(values).save(tmp_path / "a.tif")
    content = (tmp_path / "a.tif").read_bytes()
    tag = struct.pack("<HHI", 262, 3, 1)  # PhotometricInterpretation, one short
    assert content.count(tag + b"\1\0") == 1
    (tmp_path / "b.tif").write_bytes(content.replace(tag + b"\1\0", tag + b"\0\0"))
    torch.testing.assert_close(load_image(tmp_path / "b.tif"), 1 - load_image(tmp_path / "a.tif"))
    assert decode(tmp_path / "b.tif", 10**6, lambda size: 2).pixels.getpixel((0, 0))[0] > 200


def test_sixteen_bit_colour_and_alpha_keep_at_least_eight_bits(tmp_path):
    colour = np.array([[[0, 30000, 65535], [12345, 50000, 1]]], dtype=">u2")
    (tmp_path / "a.png").write_bytes(png_bytes(2, 1, 16, 2, b"\0" + colour.tobytes()))
    check(tmp_path / "a.png", colour / 65535, atol=1 / 255)
    grey_alpha = np.array([[[0, 65535], [20000, 0]]], dtype=">u2")
    (tmp_path / "b.png").write_bytes(png_bytes(2, 1, 16, 4, b"\0" + grey_alpha.tobytes()))
    check(tmp_path / "b.png", [[[0] * 3, [1] * 3]], atol=1 / 255)


def test_sixteen_bit_grey_with_a_transparent_value_is_white_there_alone(tmp_path):
    values = np.array([[0, 257], [32768, 40000]], dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png", transparency=257)
    expected = values.copy()
    expected[0, 1] = 65535
    check(tmp_path / "a.png", np.repeat(expected[:, :, None] / 65535, 3, 2))


def test_float_grey_is_taken_as_it_is_and_refused_out_of_range(tmp_path):
    values = np.array([[0.0, 0.25], [0.5, 1.0]], dtype=np.float32)
    check(written(tmp_path, Image.fromarray(values), "a.tiff"), np.repeat(values[:, :, None], 3, 2))
    for bad in (values * 255, values * np.nan):
        with pytest.raises(PictureError, match=r"bad\.tiff.*mode F"):
            load_image(written(tmp_path, Image.fromarray(bad), "bad.tiff"))


def test_grey_and_black_and_white(tmp_path):
    grey = np.array([[0, 100, 255]], dtype=np.uint8)
    check(written(tmp_path, Image.fromarray(grey), "a.png"), np.repeat(grey[:, :, None] / 255, 3, 2))
    bits = Image.fromarray(grey > 50).convert("1")
    check(written(tmp_path, bits, "b.png"), [[[0, 0, 0], [1, 1, 1], [1, 1, 1]]])


def test_palette_colours_are_looked_up(tmp_path):
    picture = Image.new("P", (3, 1))
    picture.putdata([2, 0, 1])
    picture.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    check(written(tmp_path, picture, "a.png"), [[[0, 0, 1], [1, 0, 0], [0, 1, 0]]])
    path = written(tmp_path, picture, "b.png", transparency=0)  # entry 0 is see-through: white shows
    check(path, [[[0, 0, 1], [1, 1, 1], [0, 1, 0]]])


def test_alpha_lies_on_white(tmp_path):
    rgba = np.array([[[255, 0, 0, 255], [255, 0, 0, 0], [0, 0, 255, 51]]], dtype=np.uint8)
    check(written(tmp_path, Image.fromarray(rgba), "a.png"), [[[1, 0, 0], [1, 1, 1], [0.8, 0.8, 1]]])
    alpha = Image.fromarray(np.array([[255, 0, 51]], dtype=np.uint8))
    black = Image.merge("LA", (Image.new("L", (3, 1)), alpha))
    check(written(tmp_path, black, "b.png"), [[[0] * 3, [1] * 3, [0.8] * 3]])


def test_a_colour_declared_transparent_is_white(tmp_path):
    picture = Image.new("RGB", (2, 1), (10, 20, 30))
    picture.putpixel((1, 0), (51, 102, 153))
    check(written(tmp_path, picture, "a.png", transparency=(10, 20, 30)), [[[1, 1, 1], [0.2, 0.4, 0.6]]])


# What the EXIF standard says of row 0 and column 0 of the file: where they belong in the upright picture.
UPRIGHT = {
    1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud, 5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1), 7: lambda a: np.rot90(a, 2).swapaxes(0, 1), 8: np.rot90,
}  # fmt: skip


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation_is_applied(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = written(tmp_path, Image.fromarray(RGB), "a.png", exif=exif)
    check(path, UPRIGHT[orientation](RGB) / 255)


@pytest.mark.parametrize(
    "entry",
    [struct.pack("<HHI4s", 0x0112, kind, count, value) for kind, count, value in (
        (3, 1, b"\0\0"), (3, 1, b"\x09\0"), (1, 1, b"\x06"), (2, 2, b"6"), (5, 1, b"\x08"), (6, 1, b"\xfa"),
    )] + [b""],
)  # fmt: skip
@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp"])
def test_an_exif_orientation_that_is_none_is_passed_over(tmp_path, entry, ending):
    tiff = b"II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 0) if entry else b"damaged"
    path = written(tmp_path, Image.fromarray(RGB), f"a{ending}", exif=b"Exif\0\0" + tiff)
    plain = written(tmp_path, Image.fromarray(RGB), f"b{ending}")
    torch.testing.assert_close(load_image(path), load_image(plain), rtol=0, atol=0)
    assert stored_size(path) == ((RGB.shape[1], RGB.shape[0]), 1)


def test_the_first_frame_of_an_animation_is_read(tmp_path):
    frames = [Image.new("RGB", (2, 2), color) for color in ((255, 0, 0), (0, 0, 255))]
    check(written(tmp_path, frames[0], "a.gif", save_all=True, append_images=frames[1:]), np.full((2, 2, 3), (1, 0, 0)))


# ---- damaged files


def noisy_file(fmt: str) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (40, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, fmt)
    return file.getvalue()


FILES = {fmt: noisy_file(fmt) for fmt in ("PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP")}


@pytest.mark.parametrize("fmt", FILES)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.95])
def test_truncated_pictures_are_named(tmp_path, fmt, share):
    path = tmp_path / f"cut.{fmt.lower()}"
    path.write_bytes(FILES[fmt][: int(len(FILES[fmt]) * share)])
    with pytest.raises(PictureError, match=r"cut\."):
        load_image(path)
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", bytes(1000), b"GIF89a"])
def test_files_that_are_no_pictures_are_named(tmp_path, content):
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.png"):
        load_image(tmp_path / "x.png")


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"gone\.png.*No such file"):
        load_image(tmp_path / "gone.png")
    with pytest.raises(ValueError, match="cannot read picture"):
        load_image(tmp_path)


@pytest.mark.parametrize("side", [8000, 12000, 60000])
def test_decompression_bombs_are_refused_before_decoding(tmp_path, side):
    (tmp_path / "bomb.png").write_bytes(png_bytes(side, side, 8, 2, bytes(99)))  # it claims to be huge
    with pytest.raises(PictureError, match=r"bomb\.png.*(max_pixels|Decompression)"):
        load_image(tmp_path / "bomb.png")


def test_max_pixels_is_the_callers_choice(tmp_path):
    path = written(tmp_path, Image.new("RGB", (30, 20)), "a.png")
    assert load_image(path, max_pixels=600).shape == (3, 20, 30)
    with pytest.raises(PictureError, match="30 x 20.*599"):
        load_image(path, max_pixels=599)


@settings(max_examples=30, deadline=None)
@given(fmt=st.sampled_from(sorted(FILES)), where=st.floats(0, 0.999), junk=st.binary(min_size=1, max_size=8))
def test_flipped_bytes_give_a_picture_or_a_clear_error(tmp_path_factory, fmt, where, junk):
    content = bytearray(FILES[fmt])
    start = int(where * len(content))
    content[start : start + len(junk)] = junk
    path = tmp_path_factory.mktemp("damaged") / f"x.{fmt.lower()}"
    path.write_bytes(content)
    try:
        image = load_image(path)
    except PictureError as error:
        assert path.name in str(error)
    else:
        assert image.shape[0] == 3 and ((image >= 0) & (image <= 1)).all()


# ---- saving


@settings(max_examples=10, deadline=None)
@given(height=st.integers(1, 9), width=st.integers(1, 9), seed=st.integers(0, 99))
def test_a_saved_png_comes_back_to_the_nearest_8_bit_value(tmp_path_factory, height, width, seed):
    image = torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))
    path = tmp_path_factory.mktemp("saved") / "a.png"
    save_image(image, path)
    assert (load_image(path) - image).abs().max() <= 0.5 / 255 + 1e-6
    assert [p.name for p in path.parent.iterdir()] == ["a.png"]


def test_a_save_that_fails_leaves_the_old_picture(tmp_path, monkeypatch):
    save_image(torch.zeros(3, 4, 4), tmp_path / "a.png")

    def half_written(self, path, **options):
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", half_written)
    with pytest.raises(OSError, match="disk full"):
        save_image(torch.ones(3, 4, 4), tmp_path / "a.png")
    assert load_image(tmp_path / "a.png").max() == 0 and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("image", "name", "message"),
    [
        (torch.zeros(1, 4, 4), "a.png", r"\(3, H, W\)"),
        (torch.zeros(3, 0, 4), "a.png", r"H, W > 0"),
        (torch.full((3, 2, 2), 1.01), "a.png", r"\[0, 1\].*1.01"),
        (torch.full((3, 2, 2), torch.nan), "a.png", r"\[0, 1\]"),
        (torch.zeros(3, 4, 4), "a.docx", r"a\.docx"),
    ],
)
def test_pictures_that_cannot_be_saved_are_refused(tmp_path, image, name, message):
    with pytest.raises(ValueError, match=message):
        save_image(image, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


# ---- resizing


def test_shrinking_does_not_alias():
    board = (torch.arange(64)[:, None] + torch.arange(64)) % 2 * torch.ones(3, 1, 1)
    small = resize(board, 16)
    assert (small - 0.5).abs().max() < 0.05  # a sampler without a filter would give only 0 or only 1


@settings(max_examples=20, deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), size=st.integers(1, 40), value=st.floats(0, 1))
def test_resizing_keeps_flat_colours_and_proportions(height, width, size, value):
    flat = torch.full((2, 3, height, width), value)
    resized = resize(flat, size)
    assert min(resized.shape[-2:]) == size and resized.shape[:2] == (2, 3)
    assert resized.shape[2] == pytest.approx(max(size, size * height / min(height, width)), abs=0.5)
    torch.testing.assert_close(resized, torch.full_like(resized, value))
    square = crop_square(flat, size)
    assert square.shape == (2, 3, size, size)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_resized_as_single_and_rounded(dtype):
    image = torch.rand(3, 12, 9, generator=torch.Generator().manual_seed(0)).to(dtype)
    torch.testing.assert_close(resize(image, 4), resize(image.float(), 4).to(dtype), rtol=0, atol=0)


@pytest.mark.parametrize("factor", [0, -2, 3, 1.5])
def test_a_picture_is_reduced_by_a_power_of_two(tmp_path, factor):
    path = written(tmp_path, Image.new("RGB", (24, 12)), "a.jpg")
    assert load_image(path, factor=4).shape == (3, 3, 6)
    with pytest.raises(ValueError, match="factor must be a power of two"):
        load_image(path, factor=factor)


def test_the_centre_is_cropped():
    image = torch.arange(7.0).expand(3, 3, 7)
    torch.testing.assert_close(crop_square(image, 3), image[:, :, 2:5])
    torch.testing.assert_close(crop_square(image.transpose(1, 2), 3), image.transpose(1, 2)[:, 2:5])


@pytest.mark.parametrize("function", [resize, crop_square])
def test_impossible_sizes_are_refused(function):
    for size in (0, -3):
        with pytest.raises(ValueError, match="size must be at least 1"):
            function(torch.zeros(3, 4, 4), size)
    with pytest.raises(ValueError, match=r"image.*\(4, 4\)"):
        function(torch.zeros(4, 4), 2)
    with pytest.raises(ValueError, match="not empty"):
        function(torch.zeros(3, 0, 4), 2)


# ---- one decoder: sizes after reduced decoding, colour profiles, formats


def photograph(width: int, height: int, orientation: int = 1) -> tuple[Image.Image, bytes]:
    """A picture that brightens to the right and is red below, and EXIF that says how the camera was held."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    exif = Image.Exif()
    exif[0x0112] = orientation
    return Image.fromarray(np.stack([y, x, 0 * x], -1).astype(np.uint8)), exif.tobytes()


@pytest.mark.parametrize("kind", ["JPEG", "MPO", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("size", [(640, 481), (641, 480)])
def test_a_reduced_picture_knows_the_size_it_had(tmp_path, kind, orientation, size):
    picture, exif = photograph(*size, orientation)
    more = {"save_all": True, "append_images": [picture.resize((64, 48))]} if kind == "MPO" else {}
    picture.save(tmp_path / "photo", format=kind, exif=exif, **more)
    found = decode(tmp_path / "photo", 10**6, lambda stored: 4)
    upright = size if orientation == 1 else size[::-1]
    assert found.size == upright and found.factor == 4
    assert found.pixels.size == (-(-upright[0] // 4), -(-upright[1] // 4))
    corners = [found.pixels.getpixel((x, y)) for x in (0, found.pixels.width - 1) for y in (0, found.pixels.height - 1)]
    red, green = [c[0] > 128 for c in corners], [c[1] > 128 for c in corners]
    if orientation == 1:
        assert red == [False, True] * 2 and green == [False, False, True, True]
    else:  # row 0 is the right-hand side: red to the left, green below
        assert red == [True, True, False, False] and green == [False, True] * 2


@pytest.mark.parametrize("kind", ["JPEG", "MPO", "TIFF", "PNG", "GIF"])
def test_the_callers_picture_stays_as_it_is(kind):
    picture, exif = photograph(64, 48, 6)
    buffer = io.BytesIO()
    more = {"save_all": True, "append_images": [picture]} if kind == "MPO" else {}
    picture.save(buffer, format=kind, **({} if kind == "GIF" else {"exif": exif}), **more)
    mine, untouched = Image.open(buffer), Image.open(io.BytesIO(buffer.getvalue()))
    first = decode(mine, 10**6, lambda size: 4)
    assert (mine.size, mine.mode, mine.format) == (untouched.size, untouched.mode, untouched.format)
    np.testing.assert_array_equal(np.asarray(mine), np.asarray(untouched))
    again = decode(mine, 10**6, lambda size: 4)
    assert again.size == first.size and again.pixels.tobytes() == first.pixels.tobytes()


def profile(gamma: float, swapped: bool = False) -> bytes:
    """A display profile written by hand: sRGB's primaries, or red and green exchanged; its curve is a power."""
    red, green, blue = (0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.7141)
    columns = dict(zip((b"rXYZ", b"gXYZ", b"bXYZ"), (green, red, blue) if swapped else (red, green, blue), strict=True))

    def fixed(values) -> bytes:
        return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(v * 65536) for v in values))

    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    text = b"desc" + bytes(4) + struct.pack(">I", 5) + b"mine\0" + bytes(78)
    tags = [(b"desc", text + bytes(-len(text) % 4)), (b"wtpt", fixed((0.9642, 1.0, 0.82491)))]
    tags += [(name, fixed(column)) for name, column in columns.items()]
    tags += [(name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")]
    place, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, data in tags:
        table += name + struct.pack(">II", place + len(body), len(data))
        body += data
    header = struct.pack(">I4sI4s4s4s", place + len(body), bytes(4), 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return header + bytes(128 - len(header)) + struct.pack(">I", len(tags)) + table + body


def srgb(linear: np.ndarray) -> np.ndarray:
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("name", ["a.png", "a.tiff", "a.webp"])
def test_colour_profiles_are_applied(tmp_path, name):
    levels = np.tile(np.arange(0, 256, 15, dtype=np.uint8)[None, :, None], (2, 1, 3))
    more = {"lossless": True} if "webp" in name else {}
    path = written(tmp_path, Image.fromarray(levels), name, icc_profile=profile(1.8), **more)
    check(path, srgb((levels / 255) ** 1.8), atol=2.5 / 255)
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], dtype=np.uint8)
    path = written(tmp_path, Image.fromarray(colours), name, icc_profile=profile(2.2, swapped=True), **more)
    check(path, colours[:, [1, 0, 2, 3]] / 255, atol=3 / 255)  # what the file calls red is the screen's green


def test_colour_profiles_reach_transparent_pictures(tmp_path):
    rgba = np.full((2, 2, 4), (100, 100, 100, 255), np.uint8)
    rgba[0, 0, 3] = 0
    path = written(tmp_path, Image.fromarray(rgba), "a.png", icc_profile=profile(1.8))
    expected = np.full((2, 2, 3), srgb(np.array((100 / 255) ** 1.8)))
    expected[0, 0] = 1
    check(path, expected, atol=2.5 / 255)


def test_srgb_profiles_change_nothing_and_foreign_ones_are_passed_over(tmp_path):
    plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    check(written(tmp_path, Image.fromarray(RGB), "a.png", icc_profile=plain), RGB / 255)
    check(written(tmp_path, Image.fromarray(RGB), "b.png", icc_profile=b"no profile"), RGB / 255)
    check(written(tmp_path, Image.fromarray(RGB), "c.png", icc_profile=profile(1.8)[:200]), RGB / 255)
    grey = Image.fromarray(RGB[..., 0])
    check(written(tmp_path, grey, "d.png", icc_profile=profile(1.8)), np.repeat(RGB[..., :1] / 255, 3, 2))


@pytest.mark.parametrize(
    ("ending", "content"),
    [
        ("h5", b"\x89HDF\r\n\x1a\n" + bytes(99)),
        ("mpg", b"\0\0\1\xb3" * 9),
        ("eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
    ],
)
def test_what_pillow_registers_is_no_picture_by_that(tmp_path, ending, content):
    (tmp_path / f"x.{ending}").write_bytes(content)
    with pytest.raises(PictureError, match=f"x.{ending}"):
        load_image(tmp_path / f"x.{ending}")
    assert f".{ending}" not in picture_endings()
    for wrong in (ending, "psd", "docx", ""):
        with pytest.raises(ValueError, match="path must end"):
            save_image(torch.zeros(3, 8, 8), tmp_path / f"y.{wrong}")


@pytest.mark.parametrize("ending", picture_endings(writable=True))
def test_every_ending_that_is_offered_can_be_written_and_read(tmp_path, ending):
    save_image(torch.full((3, 16, 16), 0.5), tmp_path / f"x{ending}")
    assert (load_image(tmp_path / f"x{ending}") - 0.5).abs().max() < 0.03


def test_open_files_are_read():
    buffer = io.BytesIO()
    Image.fromarray(RGB).save(buffer, "PNG")
    buffer.seek(0)
    assert np.asarray(decode(buffer, 99).pixels).tolist() == RGB.tolist()


def test_a_file_is_whole_or_as_it_was(tmp_path):
    write_text(tmp_path / "deep/a.txt", "ä\n")
    assert (tmp_path / "deep/a.txt").read_bytes() == b"\xc3\xa4\n"
    assert sha256(tmp_path / "deep/a.txt") == hashlib.sha256(b"\xc3\xa4\n").hexdigest()

    def half(path):
        path.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match=r"cannot write .*a\.txt: No space left") as caught:
        write_atomically(tmp_path / "deep/a.txt", half)
    assert caught.value.errno == 28
    assert (tmp_path / "deep/a.txt").read_text("utf-8") == "ä\n" and len(list((tmp_path / "deep").iterdir())) == 1


def test_a_reason_that_ends_in_a_zero_byte(monkeypatch):
    """libheif's do, of a photograph that is cut short."""

    def fails(*words, **more):
        raise ValueError("Unexpected end of file\0")

    monkeypatch.setattr(Image, "open", fails)
    with pytest.raises(PictureError, match=r"'a\.heic': Unexpected end of file$"):
        load_image("a.heic")
