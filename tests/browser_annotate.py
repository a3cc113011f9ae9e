"""Annotate a figure in a browser as a user would: guess, drag, keys, undo, depth, a second tab, a crash, the files.

    pip install playwright; apt-get install chromium
    python -m tests.browser_annotate [screenshot.png]

Not part of `make test`, because it needs a browser. Exit status 0 if everything was kept.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from napa_lib.data import asset_path

FLAGS = ["--no-sandbox", "--disable-gpu"]
PATIENCE = 60  # seconds
FIGURE = "all.get(key(name(), number))"


def start(folder: Path) -> tuple[subprocess.Popen, str]:
    """The command on a folder, and the address that it prints."""
    command = [sys.executable, "-m", "napa_lib.cli", "annotate", str(folder), "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().rpartition(" ")[2].strip()


def wait(page: Page, condition: str, value: object = None) -> None:
    """Until the condition, a function of the value in JavaScript, holds. (Playwright's own waiting needs `eval`, which
    the page's policy forbids.)"""
    end = time.monotonic() + PATIENCE
    while not page.evaluate(condition, value):
        assert time.monotonic() < end, f"{condition} does not come true for {value}"
        time.sleep(0.1)


def settled(page: Page, words: str) -> None:
    """Wait until the page says so."""
    wait(page, "words => document.getElementById('said').textContent.includes(words)", words)


def joint(page: Page, name: str) -> list[float]:
    """x, y and flag of a joint as the page has them."""
    return page.evaluate(f"which => {FIGURE}.joints[which]", name)


def drag(page: Page, name: str, by: tuple[float, float]) -> None:
    """Drag a joint with the mouse, in pixels of the screen."""
    x, y = page.evaluate(f"which => toScreen(...{FIGURE}.joints[which])", name)
    box = page.locator("#picture").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + x, box["y"] + y)
    page.mouse.down()
    page.mouse.move(box["x"] + x + by[0], box["y"] + y + by[1], steps=4)
    page.mouse.up()
    settled(page, "kept")


def main() -> None:
    """Do it, and say what was seen."""
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as browsers:
        folder = Path(scratch)
        shutil.copy(asset_path("paintings/monalisa.jpg"), folder / "lisa.jpg")
        process, address = start(folder)
        browser = browsers.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(address)
        settled(page, "a guess")
        before = joint(page, "nose")
        drag(page, "nose", (40, 25))
        after = joint(page, "nose")
        assert after[0] > before[0] and after[1] > before[1], (before, after)
        page.keyboard.press("ArrowLeft")
        wait(page, f"x => {FIGURE}.joints.nose[0] === x", round(after[0] - 1, 1))
        page.keyboard.press("h")
        wait(page, f"() => {FIGURE}.joints.nose[2] === 1")
        page.keyboard.press("u")
        wait(page, f"() => {FIGURE}.joints.nose[2] === 2")
        page.keyboard.press("x")
        wait(page, f"() => {FIGURE}.joints.nose[2] === 0")
        page.click("#picture", position={"x": 40, "y": 40})
        wait(page, f"() => {FIGURE}.joints.nose[2] === 2")
        page.click("#fit")
        wait(page, f"() => Object.keys({FIGURE}.depths).length > 10")
        page.click("#joints button:has-text('l_wrist')")
        wrist, elbow = page.evaluate(f"[{FIGURE}.depths.l_wrist, {FIGURE}.depths.l_elbow]")
        page.keyboard.press("f")
        wait(page, f"z => Math.abs({FIGURE}.depths.l_wrist - z) < .2", 2 * elbow - wrist)
        other = browser.new_page()
        other.goto(address)
        wait(other, f"() => image && all.size && {FIGURE} && {FIGURE}.joints.nose[2] === 2")
        assert joint(other, "nose") == joint(page, "nose")
        drag(other, "r_shoulder", (-15, 10))
        moved = joint(other, "r_shoulder")
        wait(page, f"x => {FIGURE}.joints.r_shoulder[0] === x", moved[0])
        if len(sys.argv) > 1:
            page.screenshot(path=sys.argv[1])
        kept = joint(page, "nose")
        process.kill()
        process.wait()
        process, address = start(folder)
        page.goto(address)
        wait(page, f"() => image && all.size && {FIGURE}")
        assert joint(page, "nose") == kept and joint(page, "r_shoulder") == moved
        page.click("#write")
        settled(page, "annotations.json")
        annotation = json.loads((folder / "annotations.json").read_text())["annotations"][0]
        assert abs(annotation["keypoints"][0] - kept[0]) < 0.11
        assert (folder / "poses" / "lisa.jpg-1.json").is_file()
        browser.close()
        process.terminate()
        process.wait(60)
        assert not problems, problems
    print("guess, drag, keys, undo, depth, turned bone, second tab, crash and files: all kept")


if __name__ == "__main__":
    main()
