"""Draw what imports what, from the imports themselves: `python -m tools.draw_house` writes `assets/figures/house.svg`.

A line leads from a part down to one that it imports. What it also reaches through another part is left out.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path

from napa_lib.data.assets import assets_root
from napa_lib.data.manifest import update_manifest
from tests.test_floors import FLOORS, floor, imports

PICTURE = "figures/house.svg"
STOREYS = ("ground", "tools", "shared", "chapters", "system", "course")
WIDTH, BOX, ROW = 1240, (96, 30), 104  # px


def direct(edges: Mapping[str, set[str]]) -> set[tuple[str, str]]:
    """The imports less those that follow from others: a -> c where a -> b -> c.

    >>> sorted(direct({"a": {"b", "c"}, "b": {"c"}, "c": set()}))
    [('a', 'b'), ('b', 'c')]
    """

    def below(part: str) -> set[str]:
        found: set[str] = set()
        for other in edges.get(part, ()):
            found |= {other} | below(other)
        return found

    return {
        (part, other)
        for part, others in edges.items()
        for other in others
        if not any(other in below(between) for between in others - {other})
    }


def draw(edges: Mapping[str, set[str]]) -> str:
    """The house as SVG, its ground at the bottom."""
    height = ROW * len(FLOORS) + 20
    places = _places(edges)
    lines = [_line(places[part], places[other]) for part, other in sorted(direct(edges))]
    boxes = [_box(name, *place) for name, place in sorted(places.items())]
    names = [
        f'<text x="8" y="{_height(storey) + 4}" fill="#5d554a">{html.escape(name)}</text>'
        for storey, name in enumerate(STOREYS)
    ]
    words = "; ".join(f"{part} imports {', '.join(sorted(others))}" for part, others in sorted(edges.items()) if others)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        f'font-size="13" role="img"><title>What imports what in napa_lib</title><desc>{html.escape(words)}.</desc>'
        f'<rect width="100%" height="100%" fill="#fbf8f2"/>{"".join(lines + boxes + names)}</svg>\n'
    )


def _places(edges: Mapping[str, set[str]]) -> dict[str, tuple[float, float]]:
    """The middle of each part's box; within a storey a part that imports its neighbour stands higher."""
    places = {}
    for storey, names in enumerate(FLOORS):
        present = sorted(name for name in names if name in edges or any(name in others for others in edges.values()))
        for index, name in enumerate(present):
            x = 90 + (index + 0.5) * (WIDTH - 100) / len(present)
            upper = any(floor(other) == storey for other in edges.get(name, ()))
            places[name] = (x, _height(storey) - (26 if upper else -10))
    return places


def _height(storey: int) -> float:
    return ROW * (len(FLOORS) - storey) - 40


def _box(name: str, x: float, y: float) -> str:
    width, height = BOX
    return (
        f'<rect x="{x - width / 2:.0f}" y="{y - height / 2:.0f}" width="{width}" height="{height}" rx="5" fill="#fff" '
        f'stroke="#8a3413"/><text x="{x:.0f}" y="{y + 4:.0f}" text-anchor="middle" fill="#231f1a">'
        f"{html.escape(name)}</text>"
    )


def _line(start: tuple[float, float], end: tuple[float, float]) -> str:
    (x0, y0), (x1, y1) = start, end
    middle = (y0 + y1) / 2
    curve = f"M{x0:.0f} {y0:.0f}C{x0:.0f} {middle:.0f} {x1:.0f} {middle:.0f} {x1:.0f} {y1:.0f}"
    return f'<path d="{curve}" fill="none" stroke="#b8a98f"/>'


def main() -> None:
    path: Path = assets_root() / PICTURE
    house = set().union(*FLOORS)  # without what stands aside
    edges = {part: others & house for part, others in imports().items() if part in house}
    path.write_text(draw(edges), encoding="utf-8")
    update_manifest([PICTURE], source="drawn by python -m tools.draw_house from the library's imports", licence="MIT")
    print(path)


if __name__ == "__main__":
    main()
