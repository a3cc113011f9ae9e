"""The look of the course's pages: light and dark, readable at any width, contrast at least 4.5 to 1."""

from __future__ import annotations

from pygments.formatters import HtmlFormatter
from pygments.style import Style
from pygments.token import Comment, Error, Keyword, Name, Number, Operator, String, Token

CSS = """
:root { color-scheme: light dark; --ground: #fbf8f2; --raised: #f2ece1; --ink: #231f1a; --soft: #5d554a;
  --line: #d8cfbf; --accent: #8a3413; --good: #1d6b3a; --bad: #a3211b }
@media (prefers-color-scheme: dark) { :root { --ground: #191714; --raised: #24211d; --ink: #ece6da; --soft: #b3a999;
  --line: #423c33; --accent: #f2a679; --good: #7fd39b; --bad: #ff9c92 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--ground); color: var(--ink); line-height: 1.55;
  font-family: ui-serif, Charter, "Bitstream Charter", Cambria, Georgia, serif; font-size: 1.06rem }
a { color: var(--accent); text-underline-offset: .15em }
a:focus-visible, summary:focus-visible, [tabindex]:focus-visible {
  outline: 3px solid var(--accent); outline-offset: 2px }
h1, h2, h3, h4 { line-height: 1.2; text-wrap: balance }
.top, .lessons, nav, .lesson { max-width: 68rem; margin-inline: auto; padding-inline: 1.25rem }
.top { padding-block: 3rem 1rem }
.top h1 { font-size: clamp(2.4rem, 6vw, 3.6rem); margin: 0 }
.top p { max-width: 44rem; margin: .6rem 0 }
.kicker { text-transform: uppercase; letter-spacing: .18em; font-size: .85rem; color: var(--accent); margin: 0 }
.run, .lessons p { color: var(--soft); font-family: ui-sans-serif, system-ui, sans-serif; font-size: .92rem }
.lessons { list-style: none; display: grid; gap: 1.75rem 1.5rem; padding-block: 1rem 2rem;
  grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)) }
.lessons h2 { font-size: 1.2rem; margin: .6rem 0 .1rem }
.lessons p { margin: 0 }
.lessons .promise { color: var(--ink); margin-bottom: .4rem }
.frame { aspect-ratio: 16 / 10; background: var(--raised); border: 1px solid var(--line); border-radius: .5rem;
  overflow: hidden }
.frame img { width: 100%; height: 100%; object-fit: contain; display: block; background: #fff }
.other { max-width: 68rem; margin-inline: auto; padding: 0 1.25rem 2rem }
.other h2 { font-size: 1.1rem; border-top: 1px solid var(--line); padding-top: 1.2rem }
.other ul { list-style: none; padding: 0; margin: 0; columns: 17rem auto; column-gap: 1.5rem; color: var(--soft) }
.passed .status { color: var(--good) }
.failed .status, p.failed { color: var(--bad); font-weight: bold }
nav { display: flex; flex-wrap: wrap; gap: .4rem 1.5rem; padding-block: 1rem; border-bottom: 1px solid var(--line);
  font-family: ui-sans-serif, system-ui, sans-serif; font-size: .92rem }
.lesson { max-width: 62rem; padding-bottom: 5rem }
.lesson .text { max-width: 48rem }
.output pre { white-space: pre-wrap }
.text img { max-width: 100%; height: auto }
.text { overflow-wrap: break-word }
pre { font: .86rem/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; overflow-x: auto; margin: 0 }
pre.code { background: var(--raised); border: 1px solid var(--line); border-radius: .4rem; padding: .7rem .9rem }
.text .highlight pre { background: var(--raised); padding: .7rem .9rem; border-radius: .4rem }
.cell { margin-block: 1.1rem }
.output { padding: .6rem .9rem 0; border-left: 3px solid var(--line); margin-top: .5rem }
.error { color: var(--bad) }
figure { margin: .4rem 0 .8rem }
figure img { background: #fff; border-radius: .3rem; height: auto }
figcaption { color: var(--soft); font-size: .92rem }
.table { overflow-x: auto }
table { border-collapse: collapse; font-size: .95rem }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .8rem .3rem 0; text-align: left; vertical-align: top }
details { border: 1px solid var(--line); border-radius: .4rem; padding: .35rem .8rem; margin-block: .4rem }
summary { cursor: pointer; color: var(--accent) }
.formula { margin-block: .8rem; overflow-x: auto; overflow-y: hidden }
.contents { display: block; border: 0; padding: 0 }
.contents ol { columns: 16rem auto; margin: 0; padding-left: 1.4rem }
code { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: .92em }
"""


class Light(Style):
    """Code on light paper. Pygments' own light styles have greens and greys that are too faint there."""

    background_color = "#f2ece1"
    styles = {
        Token: "#231f1a",
        Comment: "italic #5d554a",
        Keyword: "bold #8a3413",
        Operator.Word: "bold #8a3413",
        Name.Builtin: "#6b2f7a",
        Name.Function: "#1a4f8b",
        Name.Class: "bold #1a4f8b",
        Name.Decorator: "#6b2f7a",
        Number: "#1a4f8b",
        String: "#1d6138",
        Error: "#a3211b",
    }


class Dark(Style):
    """Code on dark paper."""

    background_color = "#24211d"
    styles = {
        Token: "#ece6da",
        Comment: "italic #b3a999",
        Keyword: "bold #f2a679",
        Operator.Word: "bold #f2a679",
        Name.Builtin: "#d9aeea",
        Name.Function: "#9cc7f5",
        Name.Class: "bold #9cc7f5",
        Name.Decorator: "#d9aeea",
        Number: "#9cc7f5",
        String: "#8fd6a8",
        Error: "#ff9c92",
    }


def code_css() -> str:
    """The colours of code, in cells and between the text, for light and dark paper."""
    light, dark = (HtmlFormatter(style=s).get_style_defs([".code", ".highlight"]) for s in (Light, Dark))
    plain = ".code, .highlight { background: var(--raised) }"
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n{plain}"
