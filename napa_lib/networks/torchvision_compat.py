"""torchvision beside a CPU build of torch, and the ImageNet weights that come through it.

Why this module exists: torchvision's wheel on PyPI carries an extension linked against libraries which only a CUDA
build of torch has. Beside a CPU build the extension cannot load, the two operators it would have brought do not exist,
and `import torchvision` dies with "operator torchvision::nms does not exist". `import_torchvision` declares exactly
those two operators first, `nms` with a kernel in plain torch and `qnms` without one, and then imports torchvision.
Where the extension loads, nothing is declared and nothing is changed.

What works then: models and their weights, transforms v1 and v2, box operations with `nms`, `roi_align`, drawing, grids.
What does not: `io.read_image`, `io.decode_jpeg` (use `napa_lib.data.load_image`), `roi_pool`, `deform_conv2d`.

Nothing else in `napa_lib` imports torchvision: training's colour changes go through here, and ImageNet weights.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import pickle
from types import ModuleType

import torch
from torch import Tensor

_declared: torch.library.Library | None = None  # torch forgets the operators when this object is collected


def import_torchvision() -> ModuleType:
    """Import torchvision, also beside a torch that its extension cannot load with.

    Call it before anything else imports torchvision, or a package built on it (torchmetrics, lightning).

    Returns:
        the module `torchvision`.

    Raises:
        ImportError: if torchvision is not installed.
    """
    spec = importlib.util.find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(
            "torchvision is not installed; install the release that pairs with your torch: pip install torchvision"
        )
    if _extension_loads(spec.submodule_search_locations[0]):
        return importlib.import_module("torchvision")
    _declare_operators()
    torchvision = importlib.import_module("torchvision")
    # its Python function nms() asks for the extension before it calls the operator, which is there now
    torchvision.ops.boxes._assert_has_ops = lambda: None
    return torchvision


def non_maximum_suppression(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Keep the best box, drop those that overlap it by more than `iou_threshold`, go on with the next best.

    Args:
        boxes: (N, 4) as (x0, y0, x1, y1).
        scores: (N,); equal scores are taken in the order given.
        iou_threshold: largest intersection over union that two kept boxes may have.

    Returns:
        (K,) int64: indices of the kept boxes, best first.

    Raises:
        ValueError: if the shapes do not fit.

    >>> boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 1.9], [5.0, 5.0, 6.0, 6.0]])
    >>> non_maximum_suppression(boxes, torch.tensor([0.5, 0.9, 0.1]), 0.5).tolist()
    [1, 2]
    """
    if boxes.ndim != 2 or boxes.shape[1] != 4 or scores.shape != boxes.shape[:1]:
        raise ValueError(f"boxes must be (N, 4) and scores (N,), got {tuple(boxes.shape)} and {tuple(scores.shape)}")
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    rest = scores.argsort(descending=True, stable=True)
    kept = []
    while len(rest):
        best, rest = rest[0], rest[1:]
        kept.append(best)
        corner = torch.maximum(boxes[best, :2], boxes[rest, :2])
        sides = (torch.minimum(boxes[best, 2:], boxes[rest, 2:]) - corner).clamp(min=0)
        shared = sides.prod(1)
        rest = rest[~(shared / (area[best] + area[rest] - shared) > iou_threshold)]
    return torch.stack(kept) if kept else rest


def imagenet_resnet50() -> dict[str, Tensor]:
    """ImageNet weights for `napa_lib.networks.resnet50()`, fetched once and kept in torch's cache (98 MB).

    Returns:
        state dict with torchvision's names, which are ours.

    Raises:
        ImportError: if torchvision is not installed.
        ConnectionError: if the file is not in the cache and cannot be fetched.
        ValueError: if the file in the cache is not a state dict.
    """
    return _fetch(import_torchvision().models.ResNet50_Weights.IMAGENET1K_V2)


def imagenet_vgg19() -> dict[str, Tensor]:
    """ImageNet weights of VGG-19's 16 convolutions, fetched once and kept in torch's cache (548 MB).

    The course ships an 8-bit copy of the original VGG-19, so that this is only for comparison. Note that torchvision's
    network wants RGB in [0, 1] less (0.485, 0.456, 0.406), divided by (0.229, 0.224, 0.225).

    Returns:
        {"features.0.weight": (64, 3, 3, 3), "features.0.bias": (64,), ...}, torchvision's names.

    Raises:
        ImportError: if torchvision is not installed.
        ConnectionError: if the file is not in the cache and cannot be fetched.
        ValueError: if the file in the cache is not a state dict.
    """
    weights = _fetch(import_torchvision().models.VGG19_Weights.IMAGENET1K_V1)
    return {name: tensor for name, tensor in weights.items() if name.startswith("features.")}


def _extension_loads(package_folder: str) -> bool:
    """Whether torchvision's extension loads beside this torch; loading it twice does no harm."""
    loaders = (importlib.machinery.ExtensionFileLoader, importlib.machinery.EXTENSION_SUFFIXES)
    spec = importlib.machinery.FileFinder(package_folder, loaders).find_spec("_C")
    if spec is None or spec.origin is None:
        return False
    try:
        torch.ops.load_library(spec.origin)
    except OSError:
        return False
    return True


def _declare_operators() -> None:
    global _declared
    if hasattr(torch.ops.torchvision, "nms"):  # by us in an earlier call, or by the reader
        return
    library = torch.library.Library("torchvision", "FRAGMENT")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.impl("nms", non_maximum_suppression, "CompositeExplicitAutograd")
    _declared = library


def _fetch(weights) -> dict[str, Tensor]:
    name = weights.url.rsplit("/", 1)[-1]
    folder = f"{torch.hub.get_dir()}/checkpoints"
    try:
        return dict(weights.get_state_dict(progress=True, check_hash=True))
    except OSError as error:  # URLError and HTTPError are kinds of it
        raise ConnectionError(
            f"could not fetch the ImageNet weights {name} ({error}). With a network, call again; without one, put a "
            f"copy of {name} into the folder {folder}. The lessons do not need them: they run on the weights that "
            f"ship in assets/."
        ) from error
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise ValueError(f"{folder}/{name} is not the state dict it should be ({error}); delete it") from error
