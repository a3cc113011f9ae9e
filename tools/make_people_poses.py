"""Make `assets/two_people/keypoints.json`: the joints of the two people of the video "multi", found in its four views.

    python -m tools.make_people_poses [assets]

The boxes of the first frame were drawn by hand. From then on each person is looked for where the joints that were
triangulated in the frame before are seen by each camera, so that who is whom across cameras is known by construction;
whether it is right is checked by projecting back. Nobody annotated the joints.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from napa_lib.data import list_cameras, load_cameras, load_video_frames
from napa_lib.data.assets import assets_root
from napa_lib.data.manifest import update_manifest
from napa_lib.data.two_people import PEOPLE, agreeing_points
from napa_lib.engine import progress
from napa_lib.geometry import project_perspective
from napa_lib.pose import PoseEstimator
from napa_lib.pose.people import with_margin

FIRST = {  # x0, y0, x1, y1 round man and woman in the first frame
    "cam01": ((60, 80, 142, 292), (118, 195, 242, 438)),
    "cam02": ((100, 98, 188, 282), (8, 158, 92, 370)),
    "cam03": ((118, 100, 202, 334), (40, 124, 94, 262)),
    "cam04": ((40, 118, 168, 360), (160, 100, 240, 236)),
}  # fmt: skip


def main(root: Path) -> None:
    estimator = PoseEstimator.from_pretrained(device="cpu")
    names = list_cameras("multi")
    cameras = [load_cameras("multi")[name] for name in names]
    frames = [load_video_frames("multi", name) for name in names]
    boxes = [torch.tensor(FIRST[name], dtype=torch.float32) for name in names]
    keypoints = []
    for number in progress(range(len(frames[0])), "frames"):
        seen = [estimator.predict(view[number], with_margin(b)) for view, b in zip(frames, boxes, strict=True)]
        keypoints.append(torch.stack([torch.stack([one.keypoints for one in people]) for people in seen]))
        points = agreeing_points(keypoints[-1], cameras, 2)
        for view, camera in enumerate(cameras):
            flat = project_perspective(points, camera)  # (2, 18, 2)
            low, high = flat.nan_to_num(torch.inf).amin(1), flat.nan_to_num(-torch.inf).amax(1)
            boxes[view] = torch.cat([low, high], 1).float()
    document = {
        "video": "multi",
        "source": "napa pose in four calibrated views, each person in a box of its own; not annotated by hand",
        "people": list(PEOPLE),
        "cameras": names,
        "keypoints in pixels": [[[[[round(v, 1) for v in joint] for joint in person] for person in view]
                                 for view in frame] for frame in torch.stack(keypoints).tolist()],
    }  # fmt: skip
    path = root / "two_people" / "keypoints.json"
    path.write_text(json.dumps(document) + "\n", encoding="utf-8")
    source = "python -m tools.make_people_poses: napa pose in the four views of video/multi"
    update_manifest(["two_people/keypoints.json"], source, "MIT", root)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else assets_root())
