"""The examples of docs/integration.md, as a reader copies them."""

import re

from tests.support.live import ROOT

TEXT = (ROOT / "docs" / "integration.md").read_text()
TRACKER = "https://tracker.example"
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def example(language: str, words: str, tracker: str) -> str:
    """Return the block in this language with these words, for a tracker at this address.

    Fails if there are several, or none.
    """
    found: list[str] = [
        code for name, code in _FENCED.findall(TEXT) if name == language and words in code
    ]
    assert len(found) == 1, f"{len(found)} blocks in {language} with {words!r}"
    return found[0].replace(TRACKER, tracker)


def section(title: str) -> str:
    """Return the text from a heading to the next one of its level."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found, f"no section {title!r}"
    return found[1]


def prose(markdown: str) -> str:
    """Return a text without blocks of code, in which `#` begins a comment."""
    return _FENCED.sub("", markdown)
