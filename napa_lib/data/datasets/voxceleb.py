"""VoxCeleb: videos of speaking faces as folders of frames, without labels."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from napa_lib.data.datasets.files import PICTURES, dataset_root, files_in, once_each, picture_path
from napa_lib.data.images import load_image

_LAYOUT = "PERSON/VIDEO/FRAME.jpg (or deeper, as PERSON/1.6/VIDEO/FRAME.jpg in VoxCeleb1's unzippedFaces)"
_SOURCE = "https://www.robots.ox.ac.uk/~vgg/data/voxceleb/"


@dataclass(frozen=True, eq=False)
class FrameClips:
    """Clips of one person each, as paths of their frames.

    Attributes:
        root: the dataset's folder.
        clips: for each clip the paths of its frames below root, in order of time.
        subjects: for each clip the person's name.
    """

    root: Path
    clips: tuple[tuple[str, ...], ...]
    subjects: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.clips)

    def load(self, path: str) -> Tensor:
        """A frame as (3, H, W) float in [0, 1].

        Raises:
            ValueError: if it is missing, damaged, or lies outside of root.
        """
        return load_image(picture_path(self.root, path))

    def draw_pairs(self, count: int, generator: torch.Generator) -> list[tuple[str, str]]:
        """Paths of `count` pairs of different frames of one clip; every clip is as likely as any other.

        Raises:
            ValueError: if count is not positive.

        Source: KeypointGAN, section 3.3 (pairs (x, x') of one video).
        """
        if count < 1:
            raise ValueError(f"count must be positive, got {count}")
        clip = torch.randint(len(self.clips), (count,), generator=generator)
        length = torch.tensor([len(frames) for frames in self.clips])[clip]
        uniform = torch.rand(2, count, generator=generator, dtype=torch.float64)
        first = (uniform[0] * length).long()
        second = (first + 1 + (uniform[1] * (length - 1)).long()) % length
        rows = zip(clip.tolist(), first.tolist(), second.tolist(), strict=True)
        return [(self.clips[c][i], self.clips[c][j]) for c, i, j in rows]


def read_frame_clips(root: str | os.PathLike) -> FrameClips:
    """Clips from folders of frames: each folder that holds at least two pictures, two levels or more below root.

    The first folder names the person. Frames are sorted by number: by the name's length, then the name. Hidden files
    and folders are left out; of a frame in two forms, `1.jpg` and `1.png`, the first is taken.

    Raises:
        ValueError: for a missing folder, or one without such clips.

    Source: Nagrani et al., VoxCeleb (Interspeech 2017).
    """
    base = dataset_root(root, "VoxCeleb", _LAYOUT, _SOURCE, ())
    clips, subjects = [], []
    for folder, inner, _ in os.walk(base):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        place = Path(folder).relative_to(base)
        files = once_each(files_in(Path(folder), *PICTURES), PICTURES)
        frames = sorted((file.name for file in files), key=lambda name: (len(Path(name).stem), name))
        if len(place.parts) >= 2 and len(frames) >= 2:
            clips.append(tuple((place / name).as_posix() for name in frames))
            subjects.append(place.parts[0])
    if not clips:
        raise ValueError(f"root {str(root)!r} has no clip of two frames; expected {_LAYOUT}; ask for it at {_SOURCE}")
    return FrameClips(base, tuple(clips), tuple(subjects))
