"""What surrounds the lessons: the address, the site, the workflows' small programs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from pygments.styles import get_style_by_name

from napa_lib.course import address, bounds, pages, site, site_style
from napa_lib.course.notebook_check import with_links
from napa_lib.study.plans import available, load_plan

ROOT = Path(__file__).parents[1]
HERE = "https://github.com/somebody/somewhere"


# The address


def test_readme_and_notebooks_follow_the_address():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert address.with_badges(text, address.repository()) == text
    for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"):
        title, _, setup, *_ = nbformat.read(path, as_version=4).cells
        assert title.source.endswith(address.launch_line(path.name, address.repository()))
        assert setup.source == address.setup_code(address.repository())


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (f'Repository = "{HERE}"', HERE),
        (f'Repository = "{HERE}.git"', HERE),
        (f'Repository = "{HERE}/"', HERE),
        ('Repository = "https://github.com/OWNER/napa"', None),
        ("", None),
    ],
)
def test_one_line_holds_the_address(line, found, tmp_path):
    project = tmp_path / "pyproject.toml"
    project.write_text(f"[project.urls]\n{line}\n")
    assert address.repository(project) == found


def test_an_address_that_nobody_could_launch_is_refused(tmp_path):
    (tmp_path / "pyproject.toml").write_text('Repository = "ftp://example.org/napa"')
    with pytest.raises(ValueError, match="ftp://example.org"):
        address.repository(tmp_path / "pyproject.toml")


def test_buttons_and_badges_lead_to_the_address():
    line = address.launch_line("02_x.ipynb", HERE)
    assert "colab.research.google.com/github/somebody/somewhere/blob/HEAD/notebooks/02_x.ipynb" in line
    assert "mybinder.org/v2/gh/somebody/somewhere/HEAD?labpath=notebooks%2F02_x.ipynb" in line
    shown = address.with_badges("a\n<!-- badges -->\nold\n<!-- /badges -->\nb\n", HERE)
    assert shown.startswith("a\n") and shown.endswith("b\n") and "old" not in shown
    assert f"{HERE}/actions/workflows/tests.yml/badge.svg" in shown
    workflows = {path.name for path in (ROOT / ".github" / "workflows").iterdir()}
    assert set(re.findall(r"workflows/([\w.]+)/badge", shown)) == workflows
    with pytest.raises(ValueError, match="badges"):
        address.with_badges("no marks", HERE)


@pytest.mark.parametrize("found", [None, HERE])
def test_the_set_up_cell_runs_where_the_library_is(found):
    code = address.setup_code(found)
    assert len(code.splitlines()) <= 15
    plain = re.sub(r"^(\s+)[!%].*", r"\1pass", code, flags=re.MULTILINE)  # what only IPython understands
    exec(compile(plain, "setup", "exec"), {})
    assert (HERE in code) == (found is not None)
    kept = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    spins = f"{plain}\nimport os\nprint(os.environ['GOMP_SPINCOUNT'], 'torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", spins], env=kept, capture_output=True, text=True, check=True)
    assert told.stdout == "5000 False\n"  # torch, which the next cells import, reads it when it is loaded


# The site


def contrast(one: str, other: str) -> float:
    """WCAG 2.2's ratio of two colours written as six hexadecimal digits."""

    def luminance(color: str) -> float:
        parts = [int(color[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, bright = sorted((luminance(one), luminance(other)))
    return (bright + 0.05) / (dark + 0.05)


def test_contrast_of_known_colours():
    assert contrast("000000", "ffffff") == pytest.approx(21) and contrast("777777", "ffffff") == pytest.approx(
        4.48, abs=0.01
    )
    greens = {token: shade["color"] for token, shade in get_style_by_name("default") if shade["color"] == "008000"}
    assert greens and contrast("008000", "f2ece1") < 4.5  # why code has colours of our own


@pytest.mark.parametrize("style", [site_style.Light, site_style.Dark])
def test_code_can_be_read(style):
    ground = style.background_color.removeprefix("#")
    assert f"--raised: #{ground}" in site_style.CSS
    faint = {str(token): shade["color"] for token, shade in style if contrast(shade["color"], ground) < 4.5}
    assert faint == {}


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_words_can_be_read(scheme):
    colors = {
        name: re.findall(rf"--{name}: #(\w{{6}})", site_style.CSS)[scheme]
        for name in ["ground", "raised", "ink", "soft", "accent", "good", "bad"]
    }
    for paper in ("ground", "raised"):
        assert all(contrast(colors[name], colors[paper]) >= 4.5 for name in ("ink", "soft", "accent", "good", "bad"))


def small_notebook(*markdown: str) -> nbformat.NotebookNode:
    cells = [nbformat.v4.new_markdown_cell(text, id=f"m{place}") for place, text in enumerate(markdown)]
    cells[1].id = "card"
    return nbformat.v4.new_notebook(cells=cells)


def test_headings_have_ids_and_a_page_its_contents(tmp_path):
    body = pages.notebook_body(
        small_notebook("# Top", "card", "## One $x$ & more\n\n### Deep", "## One $x$ & more"), tmp_path
    )
    ids = re.findall(r'<h\d id="([^"]+)">', body)
    assert len(ids) == len(set(ids)) == 4 and ids[0] == "top" and ids[3] == f"{ids[1]}-2"
    contents = re.search(r'<nav class="contents".*?</nav>', body, re.DOTALL)[0]
    assert re.findall(r'href="#([^"]+)"', contents) == [ids[1], ids[3]]
    assert body.index("card") < body.index("contents") < body.index('<h2 id="')


def test_wide_things_scroll_by_keyboard(tmp_path):
    body = pages.notebook_body(small_notebook("# T", "$$a = b$$", "| a |\n|---|\n| 1 |"), tmp_path)
    assert '<div class="formula" tabindex="0"><math' in body and '<div class="table" tabindex="0"><table>' in body


def test_a_tables_empty_corner_is_no_heading(tmp_path):
    body = pages.notebook_body(small_notebook("# T", "card", "| | b |\n|---|---|\n| 1 | 2 |"), tmp_path)
    assert "<th></th>" not in body and "<td></td>" in body and "<th>b</th>" in body


class Text(HTMLParser):
    def __init__(self):
        super().__init__()
        self.said = ""

    def handle_data(self, data):
        self.said += data


def test_the_index_says_what_a_lesson_promises_and_asks_for():
    for number in available():
        plan, text = load_plan(number), Text()
        text.feed(site._plan_html(number))
        assert f"{plan.minutes} minutes to read" in text.said and f"{len(plan.exercises)} exercises" in text.said
        assert re.sub(r"[*`$]", "", plan.prerequisites)[:20] in text.said
        assert re.sub(r"[*`$]", "", plan.promise)[:30] in text.said
    assert site._plan_html("98") == ""


def test_the_indexs_headings_can_be_linked(tmp_path):
    headings = re.findall(r"<h\d[^>]*>", site.write_site([], tmp_path).read_text())
    assert headings and all(" id=" in heading for heading in headings)


# Sources


@pytest.mark.parametrize(
    "text",
    [
        "[arXiv:1234.56789](https://arxiv.org/abs/1234.56789)",
        "`arXiv:1234.56789`",
        "see https://doi.org/10.1000/1",
        "10.1000/1",
    ],
)
def test_what_is_linked_already_stays(text):
    assert with_links(text) == text


def test_linking_twice_is_linking_once():
    text = "J. Doe. 2020. doi:10.1109/CVPR.2014.471 (the size), arXiv:2012.08501."
    once = with_links(text)
    assert once.count("](https://") == 2 and with_links(once) == once and once.endswith(").")


# The workflows' programs


def test_lower_bounds_become_constraints():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line for line in lines if line and not line.startswith("#")]
    assert len(bounds.exact(lines)) == len(wanted) and "torch==2.4" in bounds.exact(lines)


def test_the_works_with_table_is_written_without_the_course(tmp_path):
    for place, line in enumerate(("macos-latest,3.12,newest,success", "ubuntu-latest,3.9,tested,cancelled")):
        (tmp_path / f"{place}.csv").write_text(line + "\n")
    program = ROOT / "napa_lib" / "course" / "works_with.py"
    subprocess.run([sys.executable, "-S", program, tmp_path, tmp_path / "W.md"], check=True)
    text = (tmp_path / "W.md").read_text(encoding="utf-8")
    assert "| macos | newest | – | ✓ |" in text and "| ubuntu | tested | – | – |" in text
