"""Write `assets/figures/styles_contact_sheet.jpg`: the pool's 24 paintings, with the numbers that lesson 01 offers.

python tools/make_styles_sheet.py
python -m napa_lib.data.manifest
"""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFont

from napa_lib.data import load_paintings
from napa_lib.data.assets import assets_root
from napa_lib.study.figures import to_picture
from napa_lib.style import POOL

COLUMNS, SIDE = 6, 180  # px


def main() -> None:
    sheet = Image.new("RGB", (COLUMNS * SIDE, -(-len(POOL) // COLUMNS) * SIDE))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(24)
    for place, painting in enumerate(load_paintings(SIDE, POOL)):
        left, top = place % COLUMNS * SIDE, place // COLUMNS * SIDE
        sheet.paste(to_picture(painting), (left, top))
        draw.rectangle((left, top, left + 36, top + 30), fill="black")
        draw.text((left + 18, top + 15), str(place + 1), fill="white", font=font, anchor="mm")
    sheet.save(assets_root() / "figures/styles_contact_sheet.jpg", quality=80, optimize=True)


if __name__ == "__main__":
    main()
