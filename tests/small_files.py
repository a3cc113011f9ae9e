"""The small files of which the readers' tests make data sets."""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy.io import savemat


def picture(path, shade=128, size=(6, 4)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (shade, 0, 255)).save(path)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def mat(path, **variables):
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, variables)


def cells(arrays):
    """A MATLAB column of cells."""
    column = np.empty((len(arrays), 1), dtype=object)
    for i, array in enumerate(arrays):
        column[i, 0] = array
    return column


def pts(points):
    """300-W's form."""
    rows = "\n".join(f"{x:.6f} {y:.6f}" for x, y in points)
    return f"version: 1\nn_points:  {len(points)}\n{{\n{rows}\n}}\n"
