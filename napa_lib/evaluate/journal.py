"""What a long measurement has seen so far, so that one that was stopped goes on: a line of JSON for each picture."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

Seen = tuple[Tensor, Tensor]  # keypoints (K, J, 2) and mean confidence (K,) of the K people of a picture


class Journal:
    """The pictures that are done, in a file whose first line says of which measurement.

    Args:
        path: the file; it is made with the first picture.
        measurement: what decides the results, such as the weights and whether boxes are given, as JSON has it.

    Raises:
        ValueError: if the file is of another measurement, or no such file.
    """

    def __init__(self, path: Path, measurement: dict[str, Any]) -> None:
        self.path, self._head = path, json.dumps(measurement)
        self._seen: dict[str, Seen] = {}
        if not path.exists():
            return
        *whole, unfinished = path.read_bytes().split(b"\n")
        head, *lines = whole or [self._head.encode()]  # a process that was killed may leave but a part of the first
        if head != self._head.encode() or not (whole or head.startswith(unfinished)):
            raise ValueError(f"{path} is of another measurement than this one: remove it, or write to another file")
        try:
            for line in map(json.loads, lines):
                self._seen[line["picture"]] = torch.tensor(line["keypoints"]), torch.tensor(line["confidence"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is damaged, remove it: {error}") from None
        os.truncate(path, path.stat().st_size - len(unfinished))

    def get(self, picture: str) -> Seen | None:
        """What was seen in a picture; None where it has not been looked at."""
        return self._seen.get(picture)

    def add(self, picture: str, keypoints: Tensor, confidence: Tensor) -> None:
        """Write down one picture more."""
        line = {"picture": picture, "keypoints": keypoints.tolist(), "confidence": confidence.tolist()}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{'' if file.tell() else self._head + chr(10)}{json.dumps(line)}\n")
