"""The data that ships with the course: paintings, figures in art, motion capture, poses and calibrated video."""

from napa_lib.data.art_figures import ArtFigure, load_art_figures
from napa_lib.data.assets import AssetError, asset_path, list_assets, read_manifest
from napa_lib.data.body25 import Body25Poses, load_body25_poses
from napa_lib.data.images import PictureError, crop_square, load_image, resize, save_image
from napa_lib.data.mocap import (
    MocapClip,
    list_mocap_clips,
    load_mocap,
    load_mocap_poses,
    mocap_to_joints,
)
from napa_lib.data.paintings import Painting, list_paintings, load_paintings
from napa_lib.data.video import list_cameras, load_cameras, load_video_frames, load_video_poses
from napa_lib.data.views import to_camera

__all__ = [
    "ArtFigure",
    "AssetError",
    "Body25Poses",
    "MocapClip",
    "Painting",
    "PictureError",
    "asset_path",
    "crop_square",
    "list_assets",
    "list_cameras",
    "list_mocap_clips",
    "list_paintings",
    "load_art_figures",
    "load_body25_poses",
    "load_cameras",
    "load_image",
    "load_mocap",
    "load_mocap_poses",
    "load_paintings",
    "load_video_frames",
    "load_video_poses",
    "mocap_to_joints",
    "read_manifest",
    "resize",
    "save_image",
    "to_camera",
]
