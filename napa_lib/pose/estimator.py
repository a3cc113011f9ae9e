"""The pretrained estimator: from a picture to the 2D and 3D poses of its figures."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from napa_lib.data.crops import square_boxes
from napa_lib.engine import CheckpointError, choose_device, config_in, load_metadata, made_on_cpu
from napa_lib.lifting import BoneStandardizer, DepthNet, lift, load_depth_net
from napa_lib.networks.drawn_pose_net import THRESHOLD as DRAWN_THRESHOLD
from napa_lib.networks.drawn_pose_net import load_drawn_pose_net
from napa_lib.networks.movenet import PeopleDetector, load_movenet
from napa_lib.networks.pose_ensemble import PoseEnsemble, load_pose_ensemble
from napa_lib.networks.pose_net import load_pose_net
from napa_lib.networks.warm_pose_net import FORMAT, SIZE, load_warm_pose_net
from napa_lib.pose.finding import find_figures
from napa_lib.pose.people import proposed, refine
from napa_lib.pose.pictures import ImageLike, Picture, open_picture, opened
from napa_lib.pose.views import fuse, look, shifted
from napa_lib.skeletons import NAPA18, Skeleton, convert, get_skeleton


@dataclass(frozen=True, eq=False)
class PoseResult:
    """The pose of one figure, J joints in the order of `skeleton`. A joint that cannot be had is NaN, confidence 0.

    `napa_lib.pose.record.describe` makes of it what `pose.json` holds, `napa_lib.pose.drawing.draw_figures` draws it.
    """

    keypoints: Tensor  # (J, 2) pixels of the picture
    pose: Tensor  # (J, 3) mm, camera axes (x right, y down, z away), the pelvis at the origin
    confidence: Tensor  # (J,) in [0, 1]: how likely the joint is in the picture and about where `keypoints` says
    box: tuple[float, float, float, float]  # x0, y0, x1, y1 in pixels: as given, or as found
    skeleton: Skeleton

    @property
    def mean_confidence(self) -> float:
        """Mean over the joints that the joint set has; low where no person is likely."""
        return float(self.confidence[~self.keypoints.isnan().any(-1)].mean())


class PoseEstimator:
    """Finds figures in pictures of any style, and their 2D and 3D poses.

    Threads may share one. A process makes its own: one that is forked from a process in which torch has computed waits
    forever, so start processes by `multiprocessing.get_context("spawn")`.

    Args:
        network: from crops (B, 3, size, size), and whether to look at their mirror images, too, to a
            `PosePrediction`, as `PoseEnsemble`, `WarmPoseNet` and `PoseNet2D`.
        depth_net, standardizer: what `napa_lib.lifting.lift` needs.
        size: side of the crops in pixels.
        device: where `network` computes: "auto", "cpu", "cuda" …

    >>> estimator = PoseEstimator.from_pretrained(device="cpu")  # doctest: +SKIP
    >>> estimator.predict("painting.jpg")[0].keypoints.shape  # doctest: +SKIP
    torch.Size([18, 2])
    """

    def __init__(
        self,
        network: nn.Module,
        depth_net: DepthNet,
        standardizer: BoneStandardizer,
        size: int = 128,
        device: str = "auto",
    ) -> None:
        self._detectors: list[PeopleDetector] | None = None
        place = choose_device(device)
        self.network = network.to(place, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self.depth_net, self.standardizer, self.size = depth_net.eval(), standardizer, size

    @classmethod
    @made_on_cpu
    def from_pretrained(
        cls, path: str | Path | None = None, device: str = "auto", depth: str | Path | None = None
    ) -> PoseEstimator:
        """The estimator that ships, or one with networks of one's own training.

        Args:
            path: a pose network that `save_warm_pose_net` or `save_pose_net` wrote, such as `napa train` leaves.
            device: as for the class.
            depth: a depth network that `napa_lib.lifting.train` or `napa train` wrote.

        Raises:
            ValueError: if the file is missing, corrupt or holds something else, or the device is not on this machine.
        """
        lifting = load_depth_net(depth)  # first, as it is small: what is wrong with it is said at once
        if path is None:
            return cls(load_pose_ensemble(), *lifting, SIZE, device)
        file = Path(path)
        metadata = load_metadata(file)
        if metadata.get("format") == FORMAT:
            return cls(load_warm_pose_net(file), *lifting, SIZE, device)
        size = config_in(file, metadata).get("size", 128)
        if not isinstance(size, int) or size < 32 or size % 32:
            raise CheckpointError(f"{file} does not tell the side of its crops, a multiple of 32, but {size!r:.80}")
        return cls(load_pose_net(file), *lifting, size, device)

    @property
    def detectors(self) -> list[PeopleDetector]:
        """What proposes figures, MoveNet and the network of drawn figures, loaded at its first use."""
        if self._detectors is None:
            if isinstance(self.network, PoseEnsemble):
                third, second = self.network.third, self.network.second
            else:
                third, second = load_movenet(), load_drawn_pose_net()
            place = next(self.network.parameters()).device
            found = PeopleDetector(third), PeopleDetector(second.trunk, DRAWN_THRESHOLD)
            self._detectors = [detector.to(place).eval() for detector in found]
        return self._detectors

    @made_on_cpu
    def predict(
        self,
        image: ImageLike,
        boxes: Tensor | Sequence[Sequence[float]] | None = None,
        joint_set: str | Skeleton = NAPA18,
        crops: int = 1,
        many: bool = False,
    ) -> list[PoseResult]:
        """The figures of one picture.

        The network looks at each crop and at its mirror image.

        Args:
            image: a path; a PIL picture; an array (H, W, 3) uint8 or floating in [0, 1]; a tensor (3, H, W), the same.
            boxes: (N, 4) as (x0, y0, x1, y1) in the picture's pixels, one round each figure with an eighth of its size
                to spare on every side; they may reach over the edge. Without boxes the most likely single figure is
                looked for (`find_figures`).
            joint_set: joints to give back; see `napa_lib.skeletons.convert`.
            crops: from 1 to 5: look at so many slightly shifted and scaled crops, too; it takes so many times as long.
            many: where no boxes are given, look for every figure (`find_people`), not for one.

        Returns:
            one result a box, or one; with `many` one a figure that is found, the likeliest first. Where nobody is, the
            confidences are low.

        Raises:
            ValueError: for a picture that cannot be read (`PictureError`), a box that is not finite, is inverted, has
                no area or lies outside the picture, and an unknown joint set.
        """
        skeleton = check_joint_set(joint_set)
        wanted = None if boxes is None else check_boxes(boxes)
        picture = open_picture(image, None if wanted is None else wanted.tolist())
        return self.estimate([picture], [wanted], skeleton, crops, many)[0]

    @made_on_cpu
    def predict_many(
        self, images: Iterable[ImageLike], joint_set: str | Skeleton = NAPA18, crops: int = 1, batch: int = 8
    ) -> Iterator[list[PoseResult]]:
        """The most likely figure of each of many pictures, `batch` at a time, while the next are read.

        Args and errors are those of `predict`; results come in the pictures' order. At a picture that cannot be read
        `PictureError` is raised, after the results of those before it; `next` goes on behind it.

        Raises:
            ValueError: for one picture where several are expected, and as `predict`.
        """
        if isinstance(images, (str, os.PathLike, Image.Image)) or getattr(images, "ndim", 4) == 3:
            raise ValueError(f"images must be several pictures, got one, a {type(images).__name__}; put it in a list")
        return _Results(self._results_or_errors(images, check_joint_set(joint_set), crops, check_batch(batch)))

    def _results_or_errors(
        self, images: Iterable[ImageLike], skeleton: Skeleton, crops: int, batch: int
    ) -> Iterator[list[PoseResult] | ValueError]:
        pictures = opened(images, ahead=batch)
        while group := list(islice(pictures, batch)):
            good = [picture for picture in group if isinstance(picture, Picture)]
            results = iter(self.estimate(good, [None] * len(good), skeleton, crops) if good else ())
            yield from (next(results) if isinstance(picture, Picture) else picture for picture in group)

    @made_on_cpu
    def estimate(
        self,
        pictures: Sequence[Picture],
        boxes: Sequence[Tensor | None],
        skeleton: Skeleton,
        crops: int = 1,
        many: bool = False,
    ) -> list[list[PoseResult]]:
        """What `predict` does, for several opened pictures in one batch.

        Args:
            pictures: from `open_picture`.
            boxes: for each (N, 4), or None to look for a figure.
            skeleton: from `check_joint_set`.
            crops, many: as in `predict`.
        """
        given = [check_boxes(b, picture) for b, picture in zip(boxes, pictures, strict=True) if b is not None]
        lost = [picture for b, picture in zip(boxes, pictures, strict=True) if b is None]
        found, known = iter(self.find(lost, many)), iter(given)
        all_boxes = [next(found) if b is None else next(known) for b in boxes]
        views = [shifted(square_boxes(b), crops).flatten(0, 1) for b in all_boxes]
        seen = look(self.network, pictures, views, self.size, mirror=True)
        return [self._results(b, *s, skeleton) if len(b) else [] for b, s in zip(all_boxes, seen, strict=True)]

    @made_on_cpu
    def find(self, pictures: Sequence[Picture], many: bool = False) -> list[Tensor]:
        """Boxes round the figures of each picture, with room to spare, (N, 4), N at least 1, the likeliest first.

        Args:
            pictures: opened pictures.
            many: every figure, and not one.
        """
        if not pictures:
            return []
        found = [proposed(detector, pictures, closely=many) for detector in self.detectors]
        candidates = [torch.cat(boxes) for boxes in zip(*found, strict=True)]
        if not many:
            return find_figures(self.network, pictures, self.size, candidates)
        people = refine(self.network, pictures, candidates, self.size)
        lost = [picture for picture, boxes in zip(pictures, people, strict=True) if not len(boxes)]
        likeliest = iter(find_figures(self.network, lost, self.size))
        return [boxes if len(boxes) else next(likeliest) for boxes in people]

    def _results(self, boxes: Tensor, keypoints: Tensor, confidence: Tensor, skeleton: Skeleton) -> list[PoseResult]:
        """Fuse (crops * N, 18, 2) views of N figures, lift them and convert them."""
        points, sure = (x.unflatten(0, (-1, len(boxes))) for x in (keypoints, confidence))
        points, sure = fuse(points, sure)
        with torch.no_grad():
            poses = lift(points, self.depth_net, self.standardizer)
        parts = convert(points, NAPA18, skeleton), convert(poses, NAPA18, skeleton), least_sure(sure, skeleton)
        return [
            PoseResult(k, p, c, tuple(box), skeleton)  # type: ignore[arg-type]
            for k, p, c, box in zip(*parts, boxes.tolist(), strict=True)
        ]


class _Results(Iterator[list[PoseResult]]):
    """Results of many pictures. An error is raised in its picture's place, and the next call goes on, as a generator
    could not."""

    def __init__(self, results: Iterator[list[PoseResult] | ValueError]) -> None:
        self._results = results

    def __next__(self) -> list[PoseResult]:
        result = next(self._results)
        if isinstance(result, ValueError):
            raise result
        return result


def check_joint_set(joint_set: str | Skeleton) -> Skeleton:
    """The joint set of that name; ValueError if it is unknown, or has no joint that a body gives."""
    skeleton = get_skeleton(joint_set)
    if bool(least_sure(torch.ones(1, NAPA18.num_joints), skeleton).sum() == 0):
        raise ValueError(f"joint_set must have a joint in common with NAPA18, got {skeleton.name}")
    return skeleton


def check_batch(batch: int) -> int:
    """The number of pictures in a batch; ValueError unless it is positive."""
    if batch < 1:
        raise ValueError(f"batch must be at least 1, got {batch}")
    return batch


def check_boxes(boxes: Tensor | Sequence[Sequence[float]], picture: Picture | None = None) -> Tensor:
    """(N, 4) boxes in float32, or ValueError: not of that shape, not finite, inverted, empty, outside the picture."""
    try:
        tensor = torch.as_tensor(boxes, dtype=torch.float32).detach().cpu()
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise ValueError(f"boxes must be (N, 4) numbers as x0, y0, x1, y1, got {boxes!r}: {error}") from None
    if tensor.shape == (0,):
        tensor = tensor.reshape(0, 4)
    if tensor.ndim != 2 or tensor.shape[1] != 4:
        raise ValueError(f"boxes must be (N, 4) as x0, y0, x1, y1, got {tuple(tensor.shape)}")
    square_boxes(tensor)  # finite, not inverted, not empty
    if picture is not None:
        width, height = picture.size
        x0, y0, x1, y1 = tensor.T
        outside = (x1 <= 0) | (y1 <= 0) | (x0 >= width) | (y0 >= height)
        if bool(outside.any()):
            bad = tensor[outside][0].tolist()
            raise ValueError(f"boxes must overlap the picture of {width} x {height} pixels, got {bad}")
    return tensor


def least_sure(confidence: Tensor, skeleton: Skeleton) -> Tensor:
    """Confidences of NAPA18's joints to another set's: a derived joint is as sure as the least sure of its sources.

    Args:
        confidence: (..., 18).
        skeleton: the other set, of J joints.

    Returns:
        (..., J); 0 for a joint that cannot be had.

    >>> from napa_lib.skeletons import COCO17
    >>> least_sure(torch.ones(18), COCO17)[:6].tolist()  # nose, eyes and ears, left shoulder
    [1.0, 0.0, 0.0, 0.0, 0.0, 1.0]
    """
    nothing = torch.zeros(NAPA18.num_joints, NAPA18.num_joints, 2)
    one_missing = nothing.masked_fill(torch.eye(NAPA18.num_joints, dtype=torch.bool)[..., None], torch.nan)
    needs = convert(one_missing, NAPA18, skeleton)[..., 0].isnan().T  # (J, 18)
    unknown = convert(nothing[0], NAPA18, skeleton)[:, 0].isnan()
    least = confidence[..., None, :].expand(*confidence.shape[:-1], len(needs), -1).masked_fill(~needs, 1.0).amin(-1)
    return least.masked_fill(unknown, 0.0)
