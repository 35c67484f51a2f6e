"""Read docs/integration.md, docs/deployment.md and deploy/, for the tests that check them."""

import re
from pathlib import Path

from tests.support.live import ROOT

DEPLOY = ROOT / "deploy"
GUIDE = (ROOT / "docs" / "deployment.md").read_text()
TEXT = (ROOT / "docs" / "integration.md").read_text()
TRACKER = "https://tracker.example"
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def block(language: str, words: str, text: str = GUIDE) -> str:
    """Return the fenced block in this language with these words. Fails unless there is one."""
    found = [code for name, code in _FENCED.findall(text) if name == language and words in code]
    assert len(found) == 1, f"{len(found)} blocks in {language} with {words!r}"
    return str(found[0])


def example(language: str, words: str, tracker: str) -> str:
    """Return a block of the integration guide, for a tracker at this address."""
    return block(language, words, TEXT).replace(TRACKER, tracker)


def section(title: str) -> str:
    """Return the text from a heading to the next one of its level."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found, f"no section {title!r}"
    return found[1]


def prose(markdown: str) -> str:
    """Return a text without blocks of code, in which `#` begins a comment."""
    return _FENCED.sub("", markdown)


def statements(sql: str) -> list[str]:
    """Return the statements of a block without comments."""
    text = "\n".join(line for line in sql.splitlines() if not line.startswith("--"))
    return [each.strip() for each in text.split(";") if each.strip()]


def units() -> list[Path]:
    return sorted(DEPLOY.glob("*.service"))


def values(unit: Path, name: str) -> list[str]:
    """Return the values of an option of a unit file, in their order."""
    text = unit.read_text().replace("\\\n", " ")
    return re.findall(rf"^{name}=(.*)$", text, re.MULTILINE)
