"""Make `assets/video/triangulated.json`: where the man of the video "single" is, from four views of a trained network.

    python -m tools.make_video_poses --teacher DIR

DIR holds MediaPipe's `pose_landmark_heavy.tflite`; needs `pip install ai-edge-litert opencv-python-headless`. Each
camera's limb joints are found by BlazePose, joined in space by weighted least squares, and stored with the error of
projecting them back: nobody annotated the video, so this is the yardstick, and how far it can be trusted.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks.blazepose import BlazePose, measure_video
from napa_lib.data import asset_path
from napa_lib.evaluate.video import JOINTS, score_single
from napa_lib.skeletons import ART14


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--teacher", type=Path, required=True, metavar="DIR", help="holds pose_landmark_heavy.tflite")
    options = parser.parse_args()
    score = score_single(*measure_video(BlazePose(options.teacher / "pose_landmark_heavy.tflite")))
    document = {
        "video": "single",
        "source": "BlazePose-heavy in four calibrated views, triangulated; not annotated by hand",
        "median reprojection error in pixels": round(score.median_error, 2),
        "joints": [ART14.joints[j] for j in JOINTS],
        "points in mm": [[[round(x, 1) for x in point] for point in frame] for frame in score.points.tolist()],
    }
    path = asset_path("video/cameras.json").parent / "triangulated.json"
    path.write_text(json.dumps(document) + "\n", encoding="utf-8")
    print(f"wrote {path.name}: {len(score.points)} frames, {document['median reprojection error in pixels']} pixels")


if __name__ == "__main__":
    main()
