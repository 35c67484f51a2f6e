"""Texts and examples of the API's description as HTML. Everything is escaped where it is put in.

Descriptions are CommonMark (OpenAPI 3.1, 4.4); ours use paragraphs, lists, tables, **bold** and
`code`. For these four a parser of the whole language, as a package on every server, is too much. A
test tells who writes anything else.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.html import conditional_escape, format_html, format_html_join
from django.utils.safestring import SafeString

_BLANK_LINES = re.compile(r"\n[ \t]*\n")
_SPAN = re.compile(r"`(?P<code>[^`]+)`|\*\*(?P<bold>.+?)\*\*", re.DOTALL)
_CODE_ALONE = re.compile(r"`([^`]+)`")
_TOKEN = re.compile(
    r'(?P<text>"(?:[^"\\]|\\.)*")(?P<colon>:)?|(?P<word>-?\d[\d.eE+-]*|true|false|null)'
)

NO_ANCHORS: Mapping[str, str] = {}


def blocks(markdown: str, anchors: Mapping[str, str] = NO_ANCHORS) -> SafeString:
    """Paragraphs, lists and tables.

    `anchors` are ids for words: a table's row that begins with such a word, as `code`, gets its id.
    """
    parts = (part.strip("\n") for part in _BLANK_LINES.split(markdown))
    return joined(_block(part.splitlines(), anchors) for part in parts if part.strip())


def inline(markdown: str) -> SafeString:
    """What may stand within a line."""
    parts, end = [], 0
    for span in _SPAN.finditer(markdown):
        parts += [conditional_escape(markdown[end : span.start()]), _span(span)]
        end = span.end()
    return joined([*parts, conditional_escape(markdown[end:])])


def indented(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def coloured(json_text: str, anchors: Mapping[str, str] = NO_ANCHORS) -> SafeString:
    """Its tokens are marked for the page's colours. A text that is in `anchors` leads there."""
    parts, end = [], 0
    for token in _TOKEN.finditer(json_text):
        parts += [conditional_escape(json_text[end : token.start()]), _token(token, anchors)]
        end = token.end()
    return joined([*parts, conditional_escape(json_text[end:])])


def joined(parts: Iterable[str | SafeString], between: str = "") -> SafeString:
    return format_html_join(between, "{}", ((part,) for part in parts))


def _block(lines: list[str], anchors: Mapping[str, str]) -> SafeString:
    if all(line.startswith("|") for line in lines):
        return _table([_cells(line) for line in lines], anchors)
    if lines[0].startswith("- "):
        items = "\n".join(lines).removeprefix("- ").split("\n- ")
        entries = format_html_join("", "<li>{}</li>", ((inline(item),) for item in items))
        return format_html("<ul>{}</ul>", entries)
    return format_html("<p>{}</p>", inline("\n".join(lines)))


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _table(rows: list[list[str]], anchors: Mapping[str, str]) -> SafeString:
    """The second row only rules a line."""
    names, body = rows[0], rows[2:]
    head = format_html_join("", '<th scope="col">{}</th>', ((inline(name),) for name in names))
    lines = joined(_row(names, cells, anchors) for cells in body)
    return format_html("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>", head, lines)


def _row(names: list[str], cells: list[str], anchors: Mapping[str, str]) -> SafeString:
    """Each cell knows its column's name, for screens on which the cells stand below each other."""
    named = zip(names, map(inline, cells), strict=False)
    line = format_html_join("", '<td data-name="{}">{}</td>', named)
    word = _CODE_ALONE.fullmatch(cells[0])
    anchor = anchors.get(word[1]) if word else None
    if anchor is None:
        return format_html("<tr>{}</tr>", line)
    return format_html('<tr id="{}">{}</tr>', anchor, line)


def _span(span: re.Match[str]) -> SafeString:
    if span["code"]:
        return format_html("<code>{}</code>", span["code"])
    return format_html("<strong>{}</strong>", inline(span["bold"]))


def _token(token: re.Match[str], anchors: Mapping[str, str]) -> SafeString:
    text, colon = token["text"], token["colon"] or ""
    if text is None:
        return format_html('<span class="word">{}</span>', token["word"])
    if colon:
        return format_html('<span class="name">{}</span>{}', text, colon)
    anchor = anchors.get(json.loads(text))
    if anchor is None:
        return format_html('<span class="text">{}</span>', text)
    return format_html('<a class="text" href="#{}">{}</a>', anchor, text)
