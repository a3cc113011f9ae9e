"""The reference for `tests/test_blazepose.py`: heat maps of the original program on ten paintings.

    pip install ai-edge-litert
    python tools/reference_blazepose.py pose_landmark_heavy.tflite tests/blazepose_reference.npz

Every eighth cell of each map, and the cell of its maximum, are kept.
"""

from __future__ import annotations

import argparse

import numpy as np

from napa_lib.data import load_paintings
from napa_lib.data.paintings import list_paintings

PICTURES, SIZE, EVERY = 10, 256, 8


def reference_pictures() -> np.ndarray:
    """(10, 3, 256, 256) float32 in [0, 1]: the first paintings, cut square, in steps of 1/255."""
    names = [painting.name for painting in list_paintings()][:PICTURES]
    return np.stack([(p * 255).round().numpy() / np.float32(255) for p in load_paintings(SIZE, names)])


def reference_heatmaps(model: str, pictures: np.ndarray) -> np.ndarray:
    """(10, 39, 64, 64) logits as the original program computes them."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=model)
    interpreter.allocate_tensors()
    (place,) = interpreter.get_input_details()
    (heatmaps,) = (o for o in interpreter.get_output_details() if tuple(o["shape"]) == (1, 64, 64, 39))
    found = []
    for picture in pictures:
        interpreter.set_tensor(place["index"], np.ascontiguousarray(picture.transpose(1, 2, 0)[None]))
        interpreter.invoke()
        found.append(interpreter.get_tensor(heatmaps["index"])[0].transpose(2, 0, 1))
    return np.stack(found)


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("out")
    options = parser.parse_args()
    maps = reference_heatmaps(options.model, reference_pictures())
    peaks = maps.reshape(*maps.shape[:2], -1).argmax(-1)
    np.savez_compressed(options.out, cells=maps[:, :, ::EVERY, ::EVERY], peaks=peaks.astype(np.int16))


if __name__ == "__main__":
    main()
