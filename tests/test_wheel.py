"""The wheel, built and used outside the repository: an empty folder, no network, no assets but its own."""

from __future__ import annotations

import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from napa_lib.data import asset_path, read_manifest
from napa_lib.networks.warm_pose_net import WEIGHTS

ROOT = Path(__file__).parents[1]
COURSE_ONLY = "paintings/monalisa.jpg"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built without a network from what is in the repository, in a copy: building leaves folders behind."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT / "napa_lib", source / "napa_lib", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "assets" / "weights", source / "assets" / "weights")
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "assets/manifest.json"):
        shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", str(out), str(source)], check=True, timeout=120)
    (built,) = out.glob("napa_lib-*.whl")
    return built


@pytest.fixture(scope="module")
def site(wheel, tmp_path_factory) -> Path:
    """The wheel unpacked, as pip does it."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(folder)
    return folder


def test_a_source_distribution_holds_what_the_wheel_needs():
    packaged = set(re.findall(r'"(weights/[^"]+)"', (ROOT / "setup.py").read_text(encoding="utf-8")))
    _, folder, *patterns = (ROOT / "MANIFEST.in").read_text(encoding="utf-8").splitlines()[-1].split()
    assert {f"{folder}/{pattern}" for pattern in patterns} == {f"assets/{pattern}" for pattern in packaged}


def run(site: Path, folder: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """A Python that takes napa_lib from the wheel, in `folder`, at home there, without a way to the network."""
    home = {"HOME": str(folder / "home"), "XDG_CACHE_HOME": str(folder / "home" / "cache")}
    dead = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "SYSTEMROOT", "LD_LIBRARY_PATH") if name in os.environ}
    quiet = {"PYTHONPATH": str(site), "OMP_NUM_THREADS": "1", "no_proxy": "127.0.0.1"}
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env={**kept, **home, **dead, **quiet, **settings},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_the_wheel_holds_what_inference_needs_with_its_licences(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    packed = {name.removeprefix("napa_lib/assets/") for name in names if name.startswith("napa_lib/assets/")}
    manifest = read_manifest()
    assert {"manifest.json", "weights/pose_net.md", WEIGHTS} <= packed
    assert any("LICENSE" in name for name in packed) and any(n.endswith("LICENSE") for n in names)
    assert packed - {"manifest.json"} <= manifest.keys() and not [name for name in packed if "painting" in name]
    assert {"napa_lib/pose/schema.json", "napa_lib/pose/page.html", "napa_lib/cli/__init__.py"} <= set(names)
    assert "napa_lib/data/datasets/README.md" in names  # which a reader's error sends people to
    assert wheel.stat().st_size < 60e6


def test_napa_pose_in_an_empty_folder(site, tmp_path):
    shutil.copy(asset_path(COURSE_ONLY), tmp_path / "x.jpg")
    done = run(site, tmp_path, "-m", "napa_lib.cli", "pose", "x.jpg", "--format", "coco,openpose,csv")
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "poses" / "x" / "pose.json").read_text("utf-8"))
    assert record["picture"]["file"] == "x.jpg" and record["mean_confidence"] > 0.3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["poses", "x.jpg"]
    where = run(site, tmp_path, "-c", "import napa_lib; print(napa_lib.__file__)").stdout
    assert Path(where.strip()).is_relative_to(site)


def test_the_doctor_of_an_installed_package(site, tmp_path):
    done = run(site, tmp_path, "-m", "napa_lib.cli", "doctor")
    assert done.returncode == 0 and done.stdout.endswith("Ready.\n"), done.stdout + done.stderr
    assert "more, which only the course uses, lie in a checkout" in done.stdout and "kernel" not in done.stdout
    elsewhere = run(site, tmp_path, "-m", "napa_lib.cli", "doctor", NAPA_ASSETS=str(ROOT / "assets"))
    assert elsewhere.returncode == 0 and f"{len(read_manifest())} files of data" in elsewhere.stdout
    damaged = tmp_path / "site"
    shutil.copytree(site, damaged)
    (damaged / "napa_lib/assets" / WEIGHTS).write_bytes(b"x")
    found = run(damaged, tmp_path, "-m", "napa_lib.cli", "doctor")
    assert found.returncode == 1 and f"'{WEIGHTS}' has changed" in found.stdout
    assert "git checkout" not in found.stdout


def test_the_course_needs_a_checkout_and_says_so(site, tmp_path):
    done = run(site, tmp_path, "-m", "napa_lib.cli", "course")
    assert done.returncode == 2 and "checkout" in done.stderr and "Traceback" not in done.stderr


@pytest.fixture
def server(tmp_path_factory) -> Iterator[tuple[str, list[str]]]:
    """A copy of `assets/` on this machine: its address, and what was asked for."""
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_request(self, *words: object) -> None:
            asked.append(self.path)

        def log_message(self, *words: object) -> None:
            pass

    handler = functools.partial(Handler, directory=str(ROOT / "assets"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{web.server_port}", asked
        web.shutdown()


FETCH = """
from napa_lib.data import assets
for address in {addresses}:
    assets.ADDRESS = address
    assets._fetch.cache_clear()  # as in a new process
    try:
        print(assets.asset_path({name!r}))
    except assets.AssetError as error:
        print(error)
"""


def test_the_rest_is_fetched_once_and_verified(site, tmp_path, server):
    address, asked = server
    code = FETCH.format(addresses=["", f"{address}/nowhere", address, address], name=COURSE_ONLY)
    done = run(site, tmp_path, "-c", code)
    assert done.stderr == "", done.stderr
    unknown, failed, first, second = done.stdout.splitlines()
    assert f"'{COURSE_ONLY}' is not part of the installed package" in unknown and "NAPA_ASSETS" in unknown
    assert f"'{COURSE_ONLY}' could not be fetched from {address}/nowhere" in failed
    assert first == second and asked == [f"/nowhere/{COURSE_ONLY}", f"/{COURSE_ONLY}"]
    path = Path(first)
    assert path.is_relative_to(tmp_path / "home") and path.read_bytes() == asset_path(COURSE_ONLY).read_bytes()
    path.write_bytes(b"damaged")
    done = run(site, tmp_path, "-c", FETCH.format(addresses=[address], name=COURSE_ONLY))
    assert done.stdout.strip() == first and len(asked) == 3 and path.stat().st_size > 1000
