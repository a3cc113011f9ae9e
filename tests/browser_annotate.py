"""Annotate figures in a browser as a user would: guess, drag, keys, undo, depth, a second tab, a crash, the files; then
what goes wrong: a held key, pictures turned quickly, a picture that is gone, a phone.

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

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from napa_lib.data import asset_path

FLAGS = ["--no-sandbox", "--disable-gpu"]
PATIENCE = 60  # seconds
PROBLEMS: list[str] = []  # errors of the pages
STARTED: list[subprocess.Popen] = []
FIGURE = "all.get(key(name(), number))"


def start(folder: Path) -> tuple[subprocess.Popen, str]:
    """The command on a folder, and the address that it prints."""
    command = [sys.executable, "-m", "napa_lib.cli", "annotate", str(folder), "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    STARTED.append(process)
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


def annotate_one(browser: Browser, folder: Path, screenshot: str) -> None:
    """A figure from the guess to the files, with a second tab and a crash."""
    process, address = start(folder)
    page = watched(browser.new_page(viewport={"width": 1280, "height": 800}))
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
    page.keyboard.press("Shift+U")
    wait(page, f"() => {FIGURE}.joints.nose[2] === 1")
    page.keyboard.press("Control+z")
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
    if screenshot:
        page.screenshot(path=screenshot)
    kept = joint(page, "nose")
    process.kill()
    process.wait()
    page.keyboard.press("ArrowUp")
    settled(page, "NOT kept")
    assert joint(page, "l_wrist") == joint(other, "l_wrist")  # what is not kept is not shown either
    process, address = start(folder)
    page.goto(address)
    wait(page, f"() => image && all.size && {FIGURE}")
    assert joint(page, "nose") == kept and joint(page, "r_shoulder") == moved
    page.keyboard.press("u")  # the last change of before the crash
    wait(page, f"x => {FIGURE}.joints.r_shoulder[0] !== x", moved[0])
    page.keyboard.press("Shift+U")
    wait(page, f"x => {FIGURE}.joints.r_shoulder[0] === x", moved[0])
    page.click("#write")
    settled(page, "annotations.json")
    annotation = json.loads((folder / "annotations.json").read_text())["annotations"][0]
    assert abs(annotation["keypoints"][0] - kept[0]) < 0.11
    assert (folder / "poses" / "a lisa.jpg-1.json").is_file()
    end(process)


def go_wrong(browser: Browser, folder: Path) -> None:
    """Several pictures and figures, one of them large, one with a name that could be a script, one that goes away."""
    large = Image.open(asset_path("paintings/monalisa.jpg")).convert("RGB").resize((4000, 6200))
    large.save(folder / "b large.png", compress_level=1)
    shutil.copy(asset_path("paintings/renoir_moulin_de_la_galette.jpg"), folder / "c several.jpg")
    for name in ("d gone.jpg", "e \"'<img src=x onerror=alert(1)> é 猫 $known.jpg"):
        shutil.copy(asset_path("paintings/monalisa.jpg"), folder / name)
    (folder / "f broken.png").write_bytes(b"no picture")
    process, address = start(folder)
    page = watched(browser.new_page(viewport={"width": 1280, "height": 800}))
    page.goto(address)
    settled(page, "a guess")
    page.keyboard.press("n")  # to the large one, and on before it is there
    page.keyboard.press("n")
    settled(page, "a guess")
    size = page.evaluate("[image.naturalWidth, image.naturalHeight, pictures[place].width, pictures[place].height]")
    assert size[:2] == size[2:] and page.evaluate("name()") == "c several.jpg", size
    assert "f broken.png" in page.inner_text("#unread")
    assert page.evaluate("[...all.keys()].every(k => !k.startsWith('b large'))")  # nobody looked at it

    page.keyboard.press("g")
    wait(page, "() => numbers().length === 2")
    wait(page, "() => number === 1")
    noses = page.evaluate("numbers().map(n => all.get(key(name(), n)).joints.nose)")
    assert noses[0][:2] != noses[1][:2], noses
    x, y = page.evaluate("""() => {  // a joint of the first figure, away from those of the second
        const [one, other] = [0, 1].map(n => placed(all.get(key(name(), n))).filter(p => p));
        return one.sort((p, q) => far(q) - far(p))[0];
        function far(p) { return Math.min(...other.map(q => Math.hypot(p[0] - q[0], p[1] - q[1]))); }
    }""")
    page.click("#picture", position={"x": x, "y": y})
    assert page.evaluate("number") == 0
    page.click("#joints button:has-text('nose')")

    before = joint(page, "nose")
    step = 1 if before[0] < page.evaluate("pictures[place].width / 2") else -1  # to where there is room
    for _ in range(40):  # a held key, faster than answers come
        page.keyboard.press("ArrowRight" if step > 0 else "ArrowLeft")
    wait(page, "() => !waiting.length")
    lines = [json.loads(line) for line in (folder / "annotations.jsonl").read_text().splitlines()]
    steps = [line["joints"]["nose"][0] for line in lines if set(line["joints"]) == {"nose"}]
    assert joint(page, "nose")[0] == round(before[0] + 40 * step, 1) and len(steps) == 40, steps
    assert steps == sorted(steps, reverse=step < 0), steps

    x, y = page.evaluate(f"toScreen(...{FIGURE}.joints.nose)")
    box = page.locator("#picture").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + x, box["y"] + y)
    page.mouse.down()
    page.mouse.move(box["x"] + x + 30, box["y"] + y + 30, steps=3)
    page.keyboard.press("n")  # no picture is turned with a joint in the hand
    page.keyboard.press("Escape")
    page.mouse.up()
    assert page.evaluate("name()") == "c several.jpg" and joint(page, "nose")[0] == steps[-1]

    page.click("#remove")
    wait(page, "() => numbers().length === 1 && !waiting.length")
    page.keyboard.press("p")
    settled(page, "a guess")
    page.keyboard.press("n")
    wait(page, "() => image && name() === 'c several.jpg'")
    page.keyboard.press("u")  # after another picture
    wait(page, "() => numbers().length === 2 && !waiting.length")
    page.reload()
    wait(page, "() => image && all.size")
    page.click("#pictures button:has-text('c several')")
    wait(page, "() => image && numbers().length === 2")
    for _ in range(40):  # and after a reload: all steps of the key
        page.keyboard.press("u")
    wait(page, "x => all.get(key(name(), 0)).joints.nose[0] === x && !waiting.length", before[0])

    (folder / "d gone.jpg").unlink()
    page.keyboard.press("n")
    settled(page, "cannot read picture")
    page.keyboard.press("n")
    settled(page, "a guess")
    page.click("#write")
    settled(page, "guesses left out until somebody changes or confirms them")
    page.keyboard.press("a")
    settled(page, "confirmed")
    page.click("#write")
    settled(page, "wrote annotations.json")
    document = json.loads((folder / "annotations.json").read_text())
    of = {image["id"]: image["file_name"] for image in document["images"]}
    marked = {of[annotation["image_id"]] for annotation in document["annotations"]}
    assert any("onerror" in name for name in marked) and "b large.png" not in marked, marked
    page.click("#remove")
    wait(page, "() => !numbers().length && !waiting.length")
    page.keyboard.press("n")
    page.keyboard.press("p")
    time.sleep(1)
    assert not page.evaluate("numbers().length")  # where somebody took the guess away none is made again
    end(process)


def use_a_phone(browser: Browser, folder: Path) -> None:
    """Fingers alone, in the dark: two tabs open at once, a box, a hidden joint, zoom."""
    process, address = start(folder)
    phone = browser.new_context(viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True,
                                device_scale_factor=2, color_scheme="dark")  # fmt: skip
    page, other = watched(phone.new_page()), watched(phone.new_page())
    for tab in (page, other):
        tab.goto(address, wait_until="commit")
    for tab in (page, other):
        wait(tab, "() => image && numbers().length")
    time.sleep(2)
    assert page.evaluate("numbers()") == [0] == other.evaluate("numbers()")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.tap("#joints button:has-text('nose')")
    page.tap("#hidden")
    wait(page, f"() => {FIGURE}.joints.nose[2] === 1")
    page.tap("#nearer")
    assert page.evaluate("view.zoom") > 1
    page.tap("#whole")
    page.tap("#boxing")
    settled(page, "drag a box")
    area = page.evaluate("[...toScreen(80, 60), ...toScreen(280, 480)]")
    page.locator("#picture").scroll_into_view_if_needed()
    box = page.locator("#picture").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + area[0], box["y"] + area[1])
    page.mouse.down()
    page.mouse.move(box["x"] + area[2], box["y"] + area[3], steps=4)
    page.mouse.up()
    wait(page, "() => numbers().length === 2")
    end(process)


def watched(page: Page) -> Page:
    """A page whose errors and dialogs fail the test."""
    page.on("pageerror", lambda error: PROBLEMS.append(str(error)))
    page.on("dialog", lambda dialog: (PROBLEMS.append(dialog.message), dialog.dismiss()))
    return page


def end(process: subprocess.Popen) -> None:
    """Stop the command."""
    process.terminate()
    process.wait(PATIENCE)


def main() -> None:
    """Do it, and say what was seen."""
    screenshot = sys.argv[1] if len(sys.argv) > 1 else ""
    with sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for act in (lambda b, f: annotate_one(b, f, screenshot), go_wrong, use_a_phone):
            with tempfile.TemporaryDirectory() as scratch:
                shutil.copy(asset_path("paintings/monalisa.jpg"), Path(scratch) / "a lisa.jpg")
                act(browser, Path(scratch))
        browser.close()
    assert not PROBLEMS, PROBLEMS
    print("guess, drag, keys, undo, depth, turned bone, second tab, crash, files, haste and a phone: all kept")


if __name__ == "__main__":
    try:
        main()
    finally:
        for process in STARTED:
            process.kill()
