"""Write `assets/figures/synthetic_contact_sheet.jpg`: two pictures of each of 36 training clips that ship."""

from __future__ import annotations

import torch
from PIL import Image

from napa_lib.data.assets import assets_root
from napa_lib.data.synthetic import read_shards

ROWS, COLUMNS, SIDE = 6, 12, 96


def main() -> None:
    shards = sorted((assets_root() / "synthetic").glob("synthetic-train-*.tar.gz"))
    clips = read_shards(shards)
    chosen = torch.linspace(0, len(clips) - 1, ROWS * COLUMNS // 2).round().long()
    pictures = clips.pictures(chosen)[:, [1, 6]].flatten(0, 1).permute(0, 2, 3, 1).numpy()
    sheet = Image.new("RGB", (COLUMNS * SIDE, ROWS * SIDE))
    for i, picture in enumerate(pictures):
        small = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        sheet.paste(small, (i % COLUMNS * SIDE, i // COLUMNS * SIDE))
    sheet.save(assets_root() / "figures/synthetic_contact_sheet.jpg", quality=82, optimize=True)


if __name__ == "__main__":
    main()
