"""Content and style pictures: what the stylizers are trained on and, apart from it, what they are measured on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from napa_lib.data import crop_square, list_paintings, load_image, load_paintings, load_video_frames, resize
from napa_lib.data.crops import is_varied
from napa_lib.data.datasets import Annotations, FrameClips
from napa_lib.data.datasets.files import folder_of_pictures
from napa_lib.data.known import from_annotations, from_frames, is_known, open_known
from napa_lib.style.pretrained import POOL

CAMERAS = ("cam01", "cam02", "cam03")


def training_pictures() -> list[Tensor]:
    """Pictures to cut content crops from: the 24 paintings that hold no test figure, and the first frame of a film of
    two people in a street, which is not among the held-out ones."""
    paintings = load_paintings(names=[painting.name for painting in list_paintings() if not painting.in_art_figures])
    return paintings + [load_video_frames("street", "cam01")[0]]


def held_out_pictures(size: int) -> Tensor:
    """Content that no stylizer was trained on, (12, 3, size, size): six frames of real video and six paintings."""
    names = [painting.name for painting in list_paintings() if painting.in_art_figures]
    frames = [load_video_frames(sequence, camera)[10] for sequence in ("single", "multi") for camera in CAMERAS]
    return torch.stack([crop_square(frame, size) for frame in frames] + load_paintings(size, names))


def open_content(sources: Sequence[str], size: int) -> Callable[[int, torch.Generator], Tensor]:
    """What draws batches of content, (count, 3, size, size) in [0, 1], given their number and a generator.

    Args:
        sources: data sets as `napa_lib.data.known.open_known` takes them ("mpii:FOLDER", "coco:FOLDER" …), of which
            each figure is cut out as in NAPA, section 4.1; folders of pictures, of which each gives its centred square;
            none for random crops of `training_pictures`. Pictures of a single colour are left out, and with a warning
            those that cannot be read.
        size: pixels.

    Raises:
        ValueError: for a source that is not there, or holds no picture that can be read.
    """
    if not sources:
        pictures = training_pictures()
        return lambda count, generator: random_crops(pictures, count, size, generator)
    images = torch.cat([_content_of(source, size) for source in sources])
    images = images[is_varied(images)]
    if len(images) == 0:
        raise ValueError(f"data must hold pictures of more than one colour, got {', '.join(sources)}")
    return lambda count, generator: images[torch.randint(len(images), (count,), generator=generator)].float() / 255


def _content_of(source: str, size: int) -> Tensor:
    """The pictures of a source, (N, 3, size, size) uint8, as many as two gigabytes hold."""
    if is_known(source):
        found = open_known(source)
    else:
        names = [file.name for file in folder_of_pictures(source)]
        found = FrameClips(Path(source), tuple((name,) for name in names), tuple(names))
    clips = from_annotations(found, size) if isinstance(found, Annotations) else from_frames(found, size)
    return clips.images.flatten(0, 1)


def list_styles(names: Sequence[str]) -> tuple[str, ...]:
    """The styles that arguments name: "pool" for the pool's, a folder for each picture in it, or one.

    Raises:
        ValueError: for a folder without pictures.
    """
    found: list[str] = []
    for name in names:
        if name == "pool":
            found += POOL
        else:
            found += map(str, folder_of_pictures(name)) if Path(name).is_dir() else [name]
    return tuple(found)


def load_styles(names: Sequence[str], size: int) -> Tensor:
    """Style pictures as squares, (N, 3, size, size): paintings that ship by name, and picture files.

    Raises:
        ValueError: for what is neither, or a file that cannot be read.
    """
    own = {name for name in names if Path(name).is_file()}
    return torch.stack([
        crop_square(load_image(name), size) if name in own else load_paintings(size, [name])[0] for name in names
    ])  # fmt: skip


def random_crops(pictures: Sequence[Tensor], count: int, size: int, generator: torch.Generator) -> Tensor:
    """Square crops of random pictures, places, scales (from 0.4 of the shorter side to all of it) and sides.

    Returns:
        (count, 3, size, size) in [0, 1].
    """
    crops = []
    for _ in range(count):  # pictures differ in size, so each crop is cut by itself
        picture = pictures[int(torch.randint(len(pictures), (1,), generator=generator))]
        u = torch.rand(4, generator=generator)
        side = max(1, round(min(picture.shape[1:]) * float(0.4 + 0.6 * u[0])))
        top = int(u[1] * (picture.shape[1] - side + 1))
        left = int(u[2] * (picture.shape[2] - side + 1))
        crop = resize(picture[:, top : top + side, left : left + side], size)
        crops.append(crop.flip(-1) if u[3] < 0.5 else crop)
    return torch.stack(crops)
