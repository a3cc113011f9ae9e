"""The runs of chapter 1: the networks that ship, and what is measured; `make results ONLY=01` repeats them."""

from __future__ import annotations

from napa_lib.experiments import Experiment

TRAIN = "napa_lib.style.train --bfloat16 --device cpu"
STROKES = "--ratio style=20 total_variation=0.2 content=2 style_entropy=0 content_entropy=0 cosine=0"


def measured(what: str, seconds: float, after: tuple[str, ...] = ()) -> Experiment:
    """One of `napa_lib.style.evaluate`'s measurements."""
    makes = f"runs/style/{what.replace('-', '_')}.json"
    return Experiment(f"napa_lib.style.evaluate {what} --results runs/style", makes, seconds, after=after)


def trained(name: str, options: str, seconds: float, after: tuple[str, ...] = ()) -> Experiment:
    """A network in a folder of its own."""
    out = f"runs/{name}"
    return Experiment(f"{TRAIN} {options} --out {out}", f"{out}/network.safetensors", seconds, after=after)


EXPERIMENTS = {
    "pool": trained("pool", "--styles pool --steps 1600", 6400),
    "pool_style3": trained(
        "pool_style3", "--style-ratio 3 --styles pool --steps 300 --start runs/pool/network.safetensors",
        1200, ("pool",),
    ),
    "greatwave_style3": trained(
        "greatwave_style3", "--style-ratio 3 --styles greatwave --start pool --steps 90", 360
    ),
    "greatwave_windows": trained(
        "greatwave_windows", "--styles greatwave --start runs/greatwave_style3/network.safetensors --windows 2 "
        f"--batch 2 --steps 120 {STROKES}", 90, ("greatwave_style3",),
    ),
    "greatwave": trained(
        "greatwave", "--styles greatwave --start runs/greatwave_windows/network.safetensors --size 256 --batch 1 "
        f"--steps 400 {STROKES} srgb=0 hsv=0", 360, ("greatwave_windows",),
    ),
    "kandinky_style3": trained("kandinky_style3", "--style-ratio 3 --styles kandinky --start pool --steps 90", 360),
    "kandinky": trained(
        "kandinky", "--styles kandinky --start runs/kandinky_style3/network.safetensors --size 256 --batch 1 "
        f"--steps 400 {STROKES} srgb=0 hsv=0", 360, ("kandinky_style3",),
    ),
    "gatys": measured("gatys", 2500),
    "strokes": measured("strokes --half", 800),
    "held-out": measured("held-out", 60, ("gatys", "strokes")),
    "without-places": measured("without-places --half", 100, ("gatys",)),
    "added-losses": measured("added-losses", 1050),
    "norms": measured("norms", 1170),
}  # fmt: skip
