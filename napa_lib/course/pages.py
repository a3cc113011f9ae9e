"""A notebook as one HTML page that reads offline: formulas as MathML, pictures inside, no script, no request.

nbconvert's own pages fetch MathJax and require.js from the network; these need nothing but a browser.
"""

from __future__ import annotations

import base64
import html
import mimetypes
import re
from collections import Counter
from pathlib import Path

from latex2mathml.converter import convert
from nbconvert.filters import strip_ansi
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

CONTENTS = "<!-- contents -->"
PAPERMILL_MARK = "papermill-error-cell-tag"  # its notes on an error; the page has its own


def to_mathml(tex: str, display: bool) -> str:
    """A formula as MathML, which every current browser and screen reader knows; as its source where that fails.

    >>> "<mfrac>" in to_mathml(r"\\frac{1}{2}", display=False)
    True
    """
    plain = tex.replace("{aligned}", "{align*}")
    plain = re.sub(r"\\(?:mathrm|operatorname)\{([A-Za-z ,\\-]{2,})\}", lambda m: rf"\text{{{_words(m[1])}}}", plain)
    try:
        return convert(plain.strip(), display="block" if display else "inline")
    except Exception:  # the converter raises many kinds of error for TeX that it does not know
        return f"<code>{html.escape(tex)}</code>"


def _words(text: str) -> str:
    return re.sub(r"\\[,; ]", " ", text)


class PageRenderer(IPythonRenderer):
    """Markdown to HTML with MathML and with the pictures that it links to built in."""

    def __init__(self, folder: Path) -> None:
        super().__init__(escape=False, exclude_anchor_links=True)
        self.folder = folder

    def block_math(self, body: str) -> str:
        return f'<div class="formula" tabindex="0">{to_mathml(body, display=True)}</div>'

    def inline_math(self, body: str) -> str:
        return to_mathml(body, display=False)

    def latex_environment(self, name: str, body: str) -> str:
        return self.block_math(rf"\begin{{{name}}}{body}\end{{{name}}}")

    def image(self, text: str, url: str, title: str | None = None) -> str:
        return super().image(text, self.embed(url), title)

    def block_html(self, html: str) -> str:
        return super().block_html(self._embed_sources(html))

    def inline_html(self, html: str) -> str:
        return super().inline_html(self._embed_sources(html))

    def _embed_sources(self, text: str) -> str:
        return re.sub(r'(<img\b[^>]*\bsrc=")([^"]+)"', lambda m: f'{m[1]}{self.embed(m[2])}"', text)

    def embed(self, url: str) -> str:
        """A picture beside the notebook as a data address; other addresses stay as they are."""
        path = self.folder / url
        kind = mimetypes.guess_type(path.name)[0]
        if ":" in url or kind is None or not path.is_file():
            return url
        return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


def to_html(text: str) -> str:
    """A line or a paragraph of Markdown as HTML without a paragraph of its own.

    >>> to_html("a *b* at `c`")
    'a <em>b</em> at <code>c</code>'
    """
    body = MarkdownWithMath(renderer=PageRenderer(Path())).render(text).strip()
    return body.removeprefix("<p>").removesuffix("</p>")


def notebook_body(notebook: NotebookNode, folder: Path) -> str:
    """The cells of an executed notebook as HTML: every heading has an id, a list of sections follows the card.

    Args:
        notebook: executed.
        folder: where the notebook lies in the repository: pictures in its text are found from there.
    """
    cells = [cell for cell in notebook.cells if PAPERMILL_MARK not in cell.metadata.get("tags", [])]
    parts = []
    for cell in cells:
        if cell.source.strip():
            parts.append(_cell(cell, folder))
        if cell.get("id") == "card":
            parts.append(CONTENTS)
    body = with_ids("\n".join(parts))
    return body.replace(CONTENTS, _contents(body))


def _contents(body: str) -> str:
    """Links to the sections of a page whose headings have ids; nothing for a page of one section."""
    sections = re.findall(r'<h2 id="([^"]+)">(.*?)</h2>', body, flags=re.DOTALL)
    items = "".join(f'<li><a href="#{name}">{words}</a></li>' for name, words in sections)
    return f'<nav class="contents" aria-label="Sections of this lesson"><ol>{items}</ol></nav>' if items else ""


def with_ids(body: str) -> str:
    """Every heading with an id made of its words; where two say the same, the second one's is numbered."""
    taken: Counter[str] = Counter()

    def named(match: re.Match) -> str:
        words = html.unescape(re.sub(r"<[^>]+>", "", match[2])).lower()
        name = "-".join(re.findall(r"\w+", words)) or "section"
        taken[name] += 1
        number = f"-{taken[name]}" if taken[name] > 1 else ""
        return f'<h{match[1]} id="{name}{number}">{match[2]}</h{match[1]}>'

    return re.sub(r"<h([1-6])>(.*?)</h\1>", named, body, flags=re.DOTALL)


def _cell(cell: NotebookNode, folder: Path) -> str:
    if cell.cell_type == "markdown":
        text = MarkdownWithMath(renderer=PageRenderer(folder)).render(cell.source)
        return f'<section class="text">{_wrap_tables(text)}</section>'
    if cell.cell_type != "code":
        return ""
    code = highlight(cell.source, PythonLexer(), HtmlFormatter(nowrap=True)).rstrip()
    outputs = "".join(_output(output) for output in cell.outputs)
    block = f'<pre class="code" tabindex="0"><code>{code}</code></pre>'
    tags = cell.metadata.get("tags", [])
    if "injected-parameters" in tags:
        block = f'<p class="run">This page was made with {html.escape(cell.source.splitlines()[-1])}.</p>'
    elif "setup" in tags:
        block = f"<details><summary>Set-up</summary>{block}</details>"
    below = f'<div class="output">{outputs}</div>' if outputs else ""
    return f'<section class="cell">{block}{below}</section>'


def _wrap_tables(text: str) -> str:
    """Tables scroll on their own on a narrow screen."""
    text = text.replace("<th></th>", "<td></td>")  # a corner without words heads nothing
    return text.replace("<table>", '<div class="table" tabindex="0"><table>').replace("</table>", "</table></div>")


def _output(output: NotebookNode) -> str:
    if output.output_type == "stream":
        return f"<pre>{html.escape(strip_ansi(_last_states(output.text)))}</pre>"
    if output.output_type == "error":
        return f'<pre class="error" role="alert">{html.escape(strip_ansi(chr(10).join(output.traceback)))}</pre>'
    data = output.get("data", {})
    if "text/html" in data:
        return data["text/html"]
    for kind in ("image/png", "image/jpeg"):
        if kind in data:
            text = html.escape(data.get("text/plain", ""), quote=True)
            return f'<img src="data:{kind};base64,{data[kind].strip()}" alt="{text}">'
    return f"<pre>{html.escape(data['text/plain'])}</pre>" if "text/plain" in data else ""


def _last_states(text: str) -> str:
    """What a terminal would show in the end: a carriage return writes a line anew."""
    return "\n".join(line.rsplit("\r", 1)[-1] for line in text.replace("\r\n", "\n").split("\n"))


def first_picture(notebook: NotebookNode) -> tuple[str, bytes, str] | None:
    """The first picture among the outputs: MIME type, bytes and alt text; None if there is none."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            found = re.search(
                r'<img src="data:(image/\w+);base64,([^"]+)" alt="([^"]*)"', output.get("data", {}).get("text/html", "")
            )
            if found:
                return found[1], base64.b64decode(found[2]), html.unescape(found[3])
    return None
