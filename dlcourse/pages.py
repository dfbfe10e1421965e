"""HTML pages that open from disk, with what lies beside them; nothing is fetched from elsewhere.

Every text is escaped here and every file name percent-encoded, so that callers put elements
together and never write a tag around a value by hand. Nothing here needs JavaScript. A page may
carry a script of its own, inside the file and without libraries; it has to show everything
without it as well.
"""

import html
import os
from collections.abc import Iterable, Mapping, Sequence
from numbers import Number
from urllib.parse import quote

STYLE = """
:root { color-scheme: light dark; --paper: #fbfbf9; --card: #fff; --ink: #1b1d1f; --quiet: #55595e;
  --line: #d6d8da; --link: #0a55a0; --alert: #fff1cf; --alert-ink: #543600; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #141618; --card: #1d2023; --ink: #e9eaeb; --quiet: #aeb3b8;
    --line: #3b4045; --link: #8fbdff; --alert: #392b08; --alert-ink: #ffe0a0; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif;
  overflow-wrap: anywhere; }
main { max-width: 74rem; margin: 0 auto; padding: 1rem clamp(0.75rem, 3vw, 2rem) 3rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0.5rem 0 1rem; }
h2 { font-size: 1.2rem; line-height: 1.3; margin: 0 0 0.75rem; }
a { color: var(--link); }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.notice { background: var(--alert); color: var(--alert-ink); border-left: 4px solid #b4790f;
  padding: 0.5rem 0.75rem; margin: 0 0 1rem; border-radius: 4px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: 1rem; margin: 0 0 1.5rem; }
.card > :last-child, figure > :last-child { margin-bottom: 0; }
.card > a { display: inline-block; margin: 0 1.25rem 0.75rem 0; }
.scroll { overflow-x: auto; overflow-wrap: normal; margin: 0 0 1rem; }
audio { display: block; width: 100%; margin: 0 0 0.75rem; }
figure { margin: 0 0 1rem; }
figure .scroll { margin: 0; }
figure img { display: block; width: 100%; min-width: 56rem; background: #fff; border-radius: 4px; }
figcaption, caption { color: var(--quiet); font-size: 0.9rem; text-align: left; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: 0.3rem 0.9rem 0.3rem 0;
  border-bottom: 1px solid var(--line); }
.number { text-align: right; }
dl { display: grid; grid-template-columns: minmax(6rem, max-content) 1fr; margin: 0; }
dt, dd { margin: 0; padding: 0.2rem 1.25rem 0.2rem 0; border-bottom: 1px solid var(--line); }
dt { color: var(--quiet); }
pre { margin: 0; padding: 0.75rem; border: 1px solid var(--line); border-radius: 4px;
  background: var(--card); font-size: 0.9rem; }
"""

_VOID_TAGS = ("br", "hr", "img", "input")


def page(title: str, body: str, *, notice: str = "", style: str = "", script: str = "") -> str:
    """A complete HTML document: light or dark as the reader's system asks, readable on a phone.

    Args:
        title: Plain text, the document's title and its first heading.
        body: HTML, taken as it is; build it from the other functions of this file.
        notice: Plain text that has to be seen before anything else; "" for none.
        style: CSS after `STYLE`, a constant of the caller's; values have no place in it.
        script: JavaScript that runs when the body is there, likewise a constant.

    Raises:
        ValueError: Style or script would end before their end.
    """
    if "</" in style or "</script" in script.lower() or "<!--" in script:
        raise ValueError("style and script must not hold what closes or hides their own element")
    last = f"<script>{script}</script>\n" if script else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}{style}</style>\n</head>\n<body>\n"
        f"<main>\n<h1>{escape(title)}</h1>\n{alert(notice)}{body}\n</main>\n{last}</body>\n"
        "</html>\n"
    )


def element(tag: str, *inner: str, **attributes: str | float | bool | None) -> str:
    """One element around HTML, with attributes that are safe whatever their values.

    Args:
        inner: HTML, taken as it is; `escape` texts before.
        attributes: A trailing underscore is dropped and others become hyphens (`class_`,
            `data_score`). True is the bare name; False and None leave the attribute out.
    """
    written = ""
    for name, value in attributes.items():
        if value is not None and value is not False:
            name = name.rstrip("_").replace("_", "-")
            written += f" {name}" if value is True else f' {name}="{escape(value)}"'
    return f"<{tag}{written}>" + ("" if tag in _VOID_TAGS else f"{''.join(inner)}</{tag}>")


def escape(value: object) -> str:
    """Text that is safe between tags and inside a quoted attribute.

    File names that are not UTF-8 reach Python as lone surrogates, which no page can hold: they
    become question marks.
    """
    return html.escape(str(value).encode("utf-8", "replace").decode("utf-8"))


def url(file: str) -> str:
    """The link to a file, given relative to the page: every special character percent-encoded."""
    # Two slashes at the beginning would be another host.
    return quote(os.fsencode(f"./{file}" if file.startswith("/") else file))


def alert(text: str) -> str:
    """A paragraph that stands out; nothing for an empty text."""
    return f'<p class="notice" role="note">{escape(text)}</p>\n' if text else ""


def figure(file: str, description: str, *, caption: str = "") -> str:
    """A picture that is loaded when it comes into view and opens in full size when followed.

    Args:
        file: The picture, relative to the page.
        description: What is in it, for readers who do not see it.
    """
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    image = f'<img src="{url(file)}" alt="{escape(description)}" loading="lazy">'
    return f'<figure><div class="scroll"><a href="{url(file)}">{image}</a></div>{below}</figure>\n'


def audio(file: str, label: str) -> str:
    """A player that fetches nothing before it is started."""
    return (
        f'<audio controls preload="none" src="{url(file)}" aria-label="{escape(label)}"></audio>\n'
    )


def download(file: str, text: str) -> str:
    """A link that saves a file."""
    return f'<a href="{url(file)}" download>{escape(text)}</a>\n'


def card(title: str, *elements: str) -> str:
    """One item of a page under its own heading; the elements are HTML, the title is plain text."""
    return f'<article class="card">\n<h2>{escape(title)}</h2>\n{"".join(elements)}</article>\n'


def code(text: str, *, label: str = "Command") -> str:
    """Preformatted text, as a command to copy; it scrolls sideways rather than wraps."""
    return scrolling("pre", f"<code>{escape(text)}</code>", label)


def facts(values: Mapping[str, object]) -> str:
    """Names and their values, one to a line; nothing when there are none."""
    pairs = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in values.items())
    return f"<dl>{pairs}</dl>\n" if pairs else ""


def table(header: Sequence[str], rows: Iterable[Sequence[object]], *, caption: str = "") -> str:
    """A table that scrolls sideways on a phone; numbers to the right, floats in six digits.

    Raises:
        ValueError: A row has not as many cells as the header.
    """
    rows = [list(row) for row in rows]
    if any(len(row) != len(header) for row in rows):
        raise ValueError(f"every row needs {len(header)} cells, as {list(header)}")
    head = ""
    for name, *cells in zip(header, *rows, strict=True):
        numeric = bool(cells) and all(map(_is_number, cells))
        head += f'<th scope="col"{_aligned(numeric)}>{escape(name)}</th>'
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>\n" for row in rows)
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    inner = f"<table>{title}<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table>"
    return scrolling("div", inner, caption or "Table")


def scrolling(tag: str, inner: str, label: str) -> str:
    """An element that scrolls by itself where it is wider than the page; `inner` is HTML."""
    # Without a tab stop the part beyond the edge cannot be reached from the keyboard.
    attributes = f'class="scroll" tabindex="0" role="region" aria-label="{escape(label)}"'
    return f"<{tag} {attributes}>{inner}</{tag}>\n"


def _cell(value: object) -> str:
    text = f"{value:.6g}" if _is_number(value) and not isinstance(value, int) else value
    return f"<td{_aligned(_is_number(value))}>{escape(text)}</td>"


def _is_number(value: object) -> bool:
    return isinstance(value, Number) and not isinstance(value, bool)


def _aligned(number: bool) -> str:
    return ' class="number"' if number else ""
