"""Open a `pose3d.html` in a browser, drag a joint and move another by keyboard, save, and read what was saved.

    pip install playwright; apt-get install chromium
    python -m tests.pose_page_check poses/NAME/pose3d.html [screenshot.png]

Not part of `make test`, because it needs a browser. Exit status 0 if the saved file is the pose beside the page, with
these two joints moved.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
DRAGGED, STEPPED, FAR = "l_wrist", "r_ankle", 40  # joints, and pixels of the screen


def drag(page: Page, joint: str) -> float:
    """Drag a joint to the right; how many of the picture's pixels `FAR` is."""
    handle = page.locator(f'[data-joint="{joint}"]')
    box = handle.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + FAR / 2, y)
    page.mouse.move(x + FAR, y)
    page.mouse.up()
    scale = page.evaluate("() => document.getElementById('board').getScreenCTM().a")
    return FAR / scale


def saved(page: Page) -> dict:
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Save corrected").click()
    assert waiting.value.suggested_filename == "pose.json"
    return json.loads(Path(waiting.value.path()).read_text("utf-8"))


def main(name: str, screenshot: str = "") -> None:
    path = Path(name).resolve()
    before = json.loads(path.with_name("pose.json").read_text("utf-8"))
    places = {joint["name"]: joint for joint in before["joints"]}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": 1300, "height": 1000})
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.goto(path.as_uri())
        assert saved(page) == before, "untouched, the pose that is saved is not the one that was written"
        moved = drag(page, DRAGGED)
        page.locator(f'[data-joint="{STEPPED}"]').focus()
        for key in ("ArrowDown", "ArrowDown", "Shift+ArrowLeft"):
            page.keyboard.press(key)
        after = saved(page)
        if screenshot:
            page.screenshot(path=screenshot)
        page.get_by_role("button", name="Undo").click()
        assert saved(page) == before, "undone, the pose is not as it was"
        browser.close()
    assert problems == [], problems
    found = {joint["name"]: joint for joint in after["joints"]}
    wanted = {DRAGGED: (moved, 0.0), STEPPED: (-10.0, 2.0)}
    for joint, (right, down) in wanted.items():
        (x, y), (x0, y0) = found[joint]["keypoint_px"], places[joint]["keypoint_px"]
        assert abs(x - x0 - right) < 1 and abs(y - y0 - down) < 1, (joint, x - x0, y - y0, right, down)
        assert found[joint]["position_mm"] is None and found[joint]["confidence"] == 1
    assert set(after["corrected"]) == set(wanted) and not set(after["doubtful"]) & set(wanted)
    assert all(found[joint] == places[joint] for joint in places if joint not in wanted)
    print(f"{DRAGGED} dragged by {moved:.1f} px, {STEPPED} moved by keyboard, saved and undone")


if __name__ == "__main__":
    main(*sys.argv[1:])
