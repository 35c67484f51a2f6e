"""Read docs/deployment.md and the files in deploy/, for the tests that check them."""

import re
from pathlib import Path

from tests.support.live import ROOT

DEPLOY = ROOT / "deploy"
GUIDE = (ROOT / "docs" / "deployment.md").read_text()


def block(language: str, words: str) -> str:
    """Return the one fenced block of the guide in this language with these words."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    [found] = [each for each in blocks if words in each]
    return str(found)


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
