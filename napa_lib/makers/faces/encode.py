"""Clips of faces to bytes: what shards store."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save

from napa_lib.data.faces import STEP
from napa_lib.data.shards import RawClip
from napa_lib.makers.faces.clips import FaceClip


def encode_clip(clip: FaceClip, name: str, quality: int) -> RawClip:
    """One clip as WebP strip, mask strip and labels; `quality` is WebP's, 0 to 100."""
    webp, png = io.BytesIO(), io.BytesIO()
    Image.fromarray(np.concatenate(list(clip.images), 1)).save(webp, "WEBP", quality=quality, method=6)
    Image.fromarray(np.concatenate(list(clip.masks), 1)).save(png, "PNG", optimize=True)
    labels = {
        "landmarks": torch.from_numpy(np.round(clip.landmarks / STEP).astype(np.int16)),
        "turns": torch.from_numpy(clip.turns.astype(np.float32)),
        "person": torch.tensor([clip.person]),
    }
    return RawClip(name, webp.getvalue(), png.getvalue(), save(labels))
