"""Open a lesson in JupyterLab in a browser, run it, move its first slider by keyboard, and see the picture change.

Every picture has to load, in JupyterLab as `make lab` serves it and on the course's page where there is one; a key that
is pressed on a control must not change the notebook.

    pip install playwright; apt-get install chromium
    python -m tests.browser_check notebooks/00_start_here.ipynb [screenshot.png]

Not part of `make test`, because it needs a browser. Exit status 0 if the picture followed the slider.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

PATIENCE = 600  # seconds, for a busy machine
IDLE = """() => [...document.querySelectorAll('#jp-main-statusbar .jp-StatusBar-TextItem')]
              .some(item => item.innerText.trim().endsWith('| Idle'))"""
NUMBERED = """() => [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')]
                  .every(prompt => /\\d/.test(prompt.innerText))"""
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@contextmanager
def jupyter_lab(notebook: Path) -> Iterator[str]:
    """JupyterLab on a copy of the repository's notebooks, on a free port of this machine: the notebook's address."""
    with socket.socket() as probe, tempfile.TemporaryDirectory() as scratch:
        probe.bind(("127.0.0.1", 0))
        port, token, root = probe.getsockname()[1], secrets.token_hex(16), Path(scratch) / "repository"
        probe.close()
        (root / "notebooks").mkdir(parents=True)
        shutil.copy(notebook, root / "notebooks" / notebook.name)
        shutil.copytree(notebook.parents[1] / "assets" / "figures", root / "assets" / "figures")
        settings = Path(scratch) / "settings" / "@jupyterlab" / "notebook-extension" / "tracker.jupyterlab-settings"
        settings.parent.mkdir(parents=True)
        settings.write_text('{"windowingMode": "none"}')  # render every cell, also those out of sight
        options = {"ServerApp.port": port, "ServerApp.ip": "127.0.0.1", "ServerApp.root_dir": root}
        options |= {"IdentityProvider.token": token}
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
        command += [f"--{name}={value}" for name, value in options.items()]
        env = os.environ | {"JUPYTERLAB_SETTINGS_DIR": str(Path(scratch) / "settings"), "NAPA_PROGRESS": "off"}
        server = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda: answers(f"http://127.0.0.1:{port}/api?token={token}"), "the server to start")
            yield f"http://127.0.0.1:{port}/lab/tree/notebooks/{notebook.name}?reset&token={token}"
        finally:
            server.terminate()
            server.wait(30)


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as reply:
            return reply.status == 200
    except OSError:
        return False


def wait_for(condition, what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {PATIENCE} s for {what}")
        time.sleep(0.5)


def run_all(page: Page) -> None:
    """Run every cell once the kernel is idle: what is asked earlier is dropped."""
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell")
    page.wait_for_function(IDLE)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.wait_for_function(NUMBERED)
    errors = page.locator("[data-mime-type='application/vnd.jupyter.error']")
    assert errors.count() == 0, errors.first.inner_text()


def move_slider(page: Page) -> tuple[str, str]:
    """Press an arrow key on the first slider; the picture's alt text before and after."""
    cell = page.locator(".jp-CodeCell", has=page.locator(".widget-slider")).first
    handle, picture = cell.locator(".noUi-handle").first, cell.locator(".widget-html img").first
    handle.scroll_into_view_if_needed()
    source, before = picture.get_attribute("src"), picture.get_attribute("alt") or ""
    handle.focus()
    page.keyboard.press("ArrowRight")
    wait_for(lambda: picture.get_attribute("src") != source, "the picture to change")
    return before, picture.get_attribute("alt") or ""


def check_pictures(page: Page, where: str) -> None:
    """Every picture of the page has loaded."""
    broken = """() => [...document.images].filter(i => i.getAttribute('src') && i.complete && !i.naturalWidth)
                      .map(i => i.alt || i.outerHTML.slice(0, 120))"""
    assert page.evaluate("() => document.images.length") > 3, f"hardly a picture {where}"
    assert page.evaluate(broken) == [], f"{where} these did not load: {page.evaluate(broken)}"


def type_on_a_button(page: Page) -> None:
    """Press r on a choice, where there is one: the cell must stay code (JupyterLab's r makes it raw text)."""
    buttons = page.locator(".widget-toggle-button")
    if not buttons.count():
        return
    cells = page.locator(".jp-CodeCell").count()
    buttons.last.click()
    page.keyboard.press("r")
    time.sleep(1)
    assert page.locator(".jp-CodeCell").count() == cells, "a key on a button went to the notebook"


def check_site(page: Page, notebook: Path) -> None:
    """The lesson's page in build/course, if it has been made: pictures load, headings have ids, no request."""
    path = notebook.parents[1] / "build" / "course" / "pages" / f"{notebook.stem}.html"
    if path.is_file():
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        check_pictures(page, "on the site")
        assert page.evaluate("() => [...document.querySelectorAll('h1, h2, h3')].every(h => h.id)")
        assert [url for url in asked if url.startswith("http")] == []


def main(notebook: str, screenshot: str = "") -> None:
    with jupyter_lab(Path(notebook).resolve()) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": 1300, "height": 1500})
        page.set_default_timeout(1000 * PATIENCE)
        page.goto(address)
        run_all(page)
        check_pictures(page, "in JupyterLab")
        before, after = move_slider(page)
        type_on_a_button(page)
        if screenshot:
            page.screenshot(path=screenshot)
        check_site(browser.new_page(), Path(notebook).resolve())
        browser.close()
    print(f"before: {before}\nafter:  {after}")


if __name__ == "__main__":
    main(*sys.argv[1:])
