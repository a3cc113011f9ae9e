"""Write `assets/figures/faces_contact_sheet.jpg`: ten training clips, every other picture with its landmarks drawn.

python tools/make_faces_sheet.py
"""

from __future__ import annotations

import torch
from PIL import Image, ImageDraw

from napa_lib.data.assets import assets_root
from napa_lib.data.faces import load_faces

PEOPLE, SIDE = 10, 128


def main() -> None:
    clips = load_faces("train")
    frames = clips.images.shape[1]
    sheet = Image.new("RGB", (frames * SIDE, PEOPLE * SIDE))
    for row, clip in enumerate(torch.linspace(0, len(clips) - 1, PEOPLE).round().long().tolist()):
        for column in range(frames):
            picture = clips.images[clip, column].permute(1, 2, 0).numpy()
            tile = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            if column % 2:
                draw = ImageDraw.Draw(tile)
                for x, y in ((clips.landmarks[clip, column] + 0.5) * SIDE / clips.size).tolist():
                    draw.ellipse((x - 1, y - 1, x + 1, y + 1), fill=(0, 255, 0))
            sheet.paste(tile, (column * SIDE, row * SIDE))
    sheet.save(assets_root() / "figures/faces_contact_sheet.jpg", quality=70, optimize=True)


if __name__ == "__main__":
    main()
