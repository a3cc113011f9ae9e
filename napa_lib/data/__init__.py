"""The data that ships with the course: paintings, figures in art, motion capture, poses and calibrated video."""

from napa_lib.data.assets import AssetError, asset_path, list_assets, read_manifest
from napa_lib.data.images import PictureError, crop_square, load_image, resize, save_image
from napa_lib.data.paintings import Painting, list_paintings, load_paintings

__all__ = [
    "AssetError",
    "Painting",
    "PictureError",
    "asset_path",
    "crop_square",
    "list_assets",
    "list_paintings",
    "load_image",
    "load_paintings",
    "read_manifest",
    "resize",
    "save_image",
]
