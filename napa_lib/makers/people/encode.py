"""Clips to bytes: what `shards` stores."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save

from napa_lib.data.shards import LOOKS, MOVEMENTS, RawClip
from napa_lib.makers.people.clips import Clip


def encode_clip(clip: Clip, name: str, quality: int) -> RawClip:
    """One clip as WebP strip, mask strip and labels; `quality` is WebP's, 0 to 100."""
    strip, mask = np.concatenate(list(clip.images), 1), np.concatenate(list(clip.masks), 1)
    webp, png = io.BytesIO(), io.BytesIO()
    Image.fromarray(strip).save(webp, "WEBP", quality=quality, method=6)
    Image.fromarray(mask).save(png, "PNG", optimize=True)
    pelvis = clip.poses[:, :, 0]
    offsets = np.round((clip.poses - pelvis[:, :, None]) * 10)
    movement = MOVEMENTS.index(clip.movement) if clip.movement in MOVEMENTS else -1
    camera = np.stack([clip.K[:, 0, 0], clip.K[:, 0, 2], clip.K[:, 1, 2]], -1)
    arrays = {
        "offsets": offsets.astype(np.int16), "pelvis": pelvis.astype(np.float32),
        "visible": clip.visible.astype(np.uint8),
        "boxes": clip.boxes.astype(np.float32), "camera": camera.astype(np.float32),
        "ids": np.array([clip.person, movement, LOOKS.index(clip.look)], np.int64),
    }  # fmt: skip
    labels = save({key: torch.from_numpy(np.ascontiguousarray(value)) for key, value in arrays.items()})
    return RawClip(name, webp.getvalue(), png.getvalue(), labels)
