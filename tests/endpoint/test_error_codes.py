"""The one table of error codes, error_codes.py: what others say agrees with it."""

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.support.guides import section
from tests.test_house import MODULES
from tracker.endpoint.error_codes import ErrorCode
from tracker.endpoint.openapi import PATH
from tracker.endpoint.problem import Problem

DOCUMENT: dict[str, Any] = json.loads(PATH.read_bytes())


def written_status(code: ErrorCode) -> str:
    """`bad_request` stands for every 4xx without a code of its own."""
    return "4xx" if code is ErrorCode.BAD_REQUEST else str(code.status)


def problems(node: Any) -> Iterator[dict[str, Any]]:
    """Yield every example of a problem document."""
    if isinstance(node, dict) and {"status", "errors"} <= node.keys():
        yield node
    elif isinstance(node, dict | list):
        for each in node.values() if isinstance(node, dict) else node:
            yield from problems(each)


def test_the_description_of_the_api_has_the_table() -> None:
    """R31: codes are fixed words, and part of the interface."""
    described = DOCUMENT["components"]["schemas"]["Code"]
    assert described["enum"] == list(ErrorCode)
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.+) \|$", described["description"], re.MULTILINE)
    assert rows == [(code, written_status(code), code.meaning) for code in ErrorCode]


def test_the_examples_of_the_api_have_the_statuses_of_the_table() -> None:
    examples = [each for each in problems(DOCUMENT) if isinstance(each["status"], int)]
    assert len(examples) == 10
    statuses = {code.value: code.status for code in ErrorCode}
    for each in examples:
        assert {statuses[fault["code"]] for fault in each["errors"]} == {each["status"]}


def test_the_integration_guide_has_the_table() -> None:
    text = section("What an error means")
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.+) \| (.+) \|$", text, re.MULTILINE)
    assert rows == [(c, written_status(c), c.meaning, c.remedy) for c in ErrorCode]


def test_every_code_is_used() -> None:
    used = set().union(
        *(re.findall(r"\bErrorCode\.([A-Z_]+)", f.read_text()) for f in MODULES.values())
    )
    assert used == set(ErrorCode.__members__)


def test_a_code_decides_the_status_unless_the_status_is_known() -> None:
    assert Problem.one(ErrorCode.BODY_TOO_LARGE, "Too large.").status == 413
    assert Problem.one(ErrorCode.BAD_REQUEST, "What?", status=421).status == 421


def test_meaning_and_remedy_are_short() -> None:
    """They stand in one row of a table, and a pipe would end its cell."""
    for code in ErrorCode:
        for text in (code.meaning, code.remedy):
            assert text.endswith(".")
            assert len(text) <= 110
            assert "|" not in text
