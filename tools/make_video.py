"""Make `assets/video/`: small JPEG frames and the cameras that match them. Needs the PyPI package av (18.1.0 used).

    python tools/make_video.py RAW/video [assets]

Calibration file: position c in mm, K = values / 64, rotation M with its z axis towards the viewer, so that
R = diag(1, -1, -1) M and t = -R c. Two things are put right, both measured in pixels of the source videos:

- `PLACED`: some videos are scaled copies of the 1088 x 1920 originals (x_video = scale x + offset at pixel corners):
  black borders show it in "single" cam01 and cam02 (1080 / 1088, 7 rows above); the "multi" videos were compared with
  the "single" ones patch by patch (0.3 to 0.5 pixels rms).
- `SHIFT`: the calibration's principal point and the videos differ by a constant for each camera. Nine points (four
  screws of the treadmill, two rims of tubes, three markers of the standing foot), picked by hand in frame 50 of
  "single" in every view that shows them, give the smallest shifts that explain them: 10.5 pixels rms without, 0.55
  with; 9.9 and 0.9 on two screws that were left out.
"""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import av
import numpy as np
from PIL import Image

from napa_lib.data.manifest import update_manifest

LONGER_SIDE, EVERY = 480, {"single": 5, "multi": 5, "street": 23}
FILES = {"single": "pose2sim_single/{}.mp4", "multi": "pose2sim_multi/{}.mp4", "street": "sports2d_demo.mp4"}
CAMERAS = ("cam01", "cam02", "cam03", "cam04")
LETTERBOX, AS_IS = (1080 / 1088, 0.0, 7.0), (1.0, 0.0, 0.0)  # scale, x offset, y offset
PLACED = {"cam01": LETTERBOX, "cam02": LETTERBOX, "cam03": AS_IS, "cam04": AS_IS}  # "single" from the original
SHIFT = {"cam01": (20.4, -1.3), "cam02": (-1.8, -8.1), "cam03": (1.0, 7.0), "cam04": (0.8, -10.7)}
MULTI = {  # "multi" from "single"
    "cam01": (1.0035, 0.54, -6.71), "cam02": (0.9993, -0.66, 0.42),
    "cam03": (1.0037, -1.81, -11.96), "cam04": (1.0, -0.65, 0.40),
}  # fmt: skip


def scaling(scale: float, x: float, y: float) -> np.ndarray:
    """Pixel-centre coordinates under x' = scale x + offset at pixel corners, as a 3 x 3 matrix."""
    return np.array([[scale, 0, x + (scale - 1) / 2], [0, scale, y + (scale - 1) / 2], [0, 0, 1]])


def read_calibration(path: Path) -> dict[str, dict]:
    cameras = {}
    for camera in ET.parse(path).getroot().iter("camera"):
        pose = {key: float(value) for key, value in camera.find("transform").attrib.items()}
        lens = {key: float(value) for key, value in camera.find("intrinsic").attrib.items()}
        rotation = np.diag([1.0, -1.0, -1.0]) @ [[pose[f"r{i}{j}"] for j in (1, 2, 3)] for i in (1, 2, 3)]
        intrinsics = np.diag([lens["focalLengthU"] / 64, lens["focalLengthV"] / 64, 1.0])
        intrinsics[:2, 2] = lens["centerPointU"] / 64, lens["centerPointV"] / 64
        cameras[camera.get("serial")] = {
            "K": intrinsics,
            "R": rotation.tolist(),
            "t": (-rotation @ [pose["x"], pose["y"], pose["z"]]).tolist(),
            "distortion": [lens[f"{kind}Distortion{i}"] for kind in ("radial", "tangental") for i in (1, 2)],
        }
    return cameras


def matched_camera(camera: dict, video: str, name: str, size: tuple[int, int], scale: float) -> dict:
    """The calibrated camera for a video's frames, after `PLACED`, `SHIFT` and scaling down."""
    intrinsics = scaling(1.0, *SHIFT[name]) @ scaling(*PLACED[name]) @ camera["K"]
    if video == "multi":
        intrinsics = scaling(*MULTI[name]) @ intrinsics
    return {"size": size, "K": (scaling(scale, 0, 0) @ intrinsics).tolist()} | {
        key: camera[key] for key in ("R", "t", "distortion")
    }


def write_frames(source: Path, folder: Path, every: int) -> tuple[tuple[int, int], float]:
    """Every so many frames as JPEG; returns their (width, height) and the factor to the source's pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    with av.open(str(source)) as video:
        for index, frame in enumerate(video.decode(video=0)):
            if index % every == 0:
                scale = LONGER_SIDE / max(frame.width, frame.height)
                size = (round(frame.width * scale), round(frame.height * scale))
                picture = frame.to_image().resize(size, Image.Resampling.LANCZOS)
                picture.save(folder / f"{index:03}.jpg", quality=80, optimize=True)
    return size, scale


def main(raw: Path, assets: Path) -> None:
    calibration = read_calibration(raw / "pose2sim_single/Calib.qca.txt")  # the same file as in pose2sim_multi
    cameras: dict[str, dict] = {"single": {}, "multi": {}}
    for video, file in FILES.items():
        for name in CAMERAS if video in cameras else CAMERAS[:1]:
            size, scale = write_frames(raw / file.format(name), assets / "video" / video / name, EVERY[video])
            if video in cameras:
                cameras[video][name] = matched_camera(calibration[name], video, name, size, scale)
    (assets / "video/cameras.json").write_text(json.dumps(cameras, indent=1) + "\n")
    licence = (raw / "LICENSE.pose2sim_sports2d").read_text()
    (assets / "video/LICENSE.pose2sim_sports2d.txt").write_text(licence)
    bsd = "BSD-3-Clause (video/LICENSE.pose2sim_sports2d.txt)"
    update_manifest(["video"], "PyPI package pose2sim 0.10.49, frames scaled to 480 px", bsd, assets)
    update_manifest(["video/street"], "PyPI package sports2d 0.8.34, frames scaled to 480 px", bsd, assets)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parents[1] / "assets")
