"""/docs shows all that openapi.json says, and runs nothing of it."""

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from django.test import Client

from tests.shown import Shown
from tests.test_console_headers import Inline
from tracker.openapi import PATH
from tracker.reference import render

pytestmark = pytest.mark.once
DOCUMENT: dict[str, Any] = json.loads(PATH.read_bytes())
OPERATIONS = {
    node["operationId"]: (path, method, node)
    for path, item in DOCUMENT["paths"].items()
    for method, node in item.items()
    if isinstance(node, dict)
}
HOSTILE = (
    "</td></pre></option><script>alert(1)</script><img src=x onerror='alert(2)'>\" onclick=\"x"
)


@pytest.fixture(scope="module")
def shown() -> Shown:
    return Shown(Client().get("/docs").content)


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    """All objects within this one, and itself."""
    if isinstance(node, dict):
        yield node
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else []:
        yield from nodes(each)


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    kind, name = node["$ref"].split("/")[2:] if "$ref" in node else (None, None)
    return DOCUMENT["components"][kind][name] if kind else node


def values(word: str) -> list[Any]:
    """What stands under this keyword, all over the document."""
    return [node[word] for node in nodes(DOCUMENT) if word in node]


def sentences(markdown: str) -> list[str]:
    """As they are seen: paragraphs, and the cells of tables."""
    plain = re.sub(r"[`]|\*\*", "", markdown)
    parts = re.split(r"\n\n|\n?\|\n?", plain)
    return [" ".join(part.split()) for part in parts if part.strip("-| \n")]


def assert_says(text: str, markdown: str) -> None:
    for sentence in sentences(markdown):
        assert sentence in text


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_has_a_place_with_all_that_is_about_it(shown: Shown, name: str) -> None:
    path, method, node = OPERATIONS[name]
    text = shown.texts[name]
    assert f"{method.upper()} {path}" in text
    assert_says(text, node["summary"])
    assert_says(text, node.get("description", ""))
    for parameter in map(resolved, node.get("parameters", [])):
        assert f"{parameter['name']} {parameter['in']}" in text
        assert_says(text, parameter["description"])
    for content_type in node.get("requestBody", {}).get("content", {}):
        assert content_type in text
    assert f"#{name}" in shown.links


ANSWERS = [(name, status) for name in OPERATIONS for status in OPERATIONS[name][2]["responses"]]


@pytest.mark.parametrize(("name", "status"), ANSWERS)
def test_an_answer_has_a_place_with_its_headers_and_body(
    shown: Shown, name: str, status: str
) -> None:
    node = resolved(OPERATIONS[name][2]["responses"][status])
    text = shown.texts[f"{name}-{status}"]
    assert text.startswith(status)
    assert_says(text, node["description"])
    for header, about in node.get("headers", {}).items():
        assert f"{header} {'always' if resolved(about).get('required') else 'sometimes'}" in text
        assert_says(text, resolved(about).get("description", ""))
    for content_type, media in node.get("content", {}).items():
        assert content_type in text
        assert media["schema"].get("$ref", "").rpartition("/")[2] in text


def test_a_member_of_a_schema_is_shown_with_its_limits(shown: Shown) -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        text = shown.texts[f"schema-{name}"]
        assert_says(text, schema.get("description", ""))
        for member, about in schema.get("properties", {}).items():
            required = member in schema.get("required", [])
            assert f"{member} {'required' if required else 'optional'}" in text
            assert_says(text, about.get("description", ""))
            for word in ("maxLength", "minimum", "maximum", "pattern", "const", "format"):
                assert str(about.get(word, "")) in text
            for example in about.get("examples", []):
                assert str(example) in text


def test_a_code_has_a_place_and_examples_lead_there(shown: Shown) -> None:
    about = DOCUMENT["components"]["schemas"]["Code"]
    table = dict(re.findall(r"^\| `(\w+)` \| \w+ \| (.+) \|$", about["description"], re.MULTILINE))
    for code in about["enum"]:
        text = shown.texts[f"code-{code}"]
        assert text.startswith(code)
        assert_says(text, table[code])
    assert "#code-not_an_integer" in shown.links


def test_every_example_is_there(shown: Shown) -> None:
    media = [each for content in values("content") for each in content.values()]
    examples = [each["example"] for each in media if "example" in each]
    examples += [named["value"] for each in media for named in each.get("examples", {}).values()]
    assert len(examples) > 12
    for example in examples:
        text = example if isinstance(example, str) else json.dumps(example, indent=2)
        assert text in shown.examples


def test_every_description_and_summary_is_there(shown: Shown) -> None:
    """Also of what has no test of its own: servers, tags, paths."""
    texts = [text for word in ("description", "summary", "title", "url") for text in values(word)]
    for text in texts:
        if isinstance(text, str):  # A member may be called so, too.
            assert_says(shown.texts[""], text)


def test_every_link_leads_somewhere(shown: Shown) -> None:
    assert "/openapi.json" in shown.links
    for link in shown.links:
        assert not link.startswith("#") or link[1:] in shown.texts


def test_no_text_has_markup_that_would_be_shown_as_it_is() -> None:
    """tracker/reference/text.py knows paragraphs, lists, tables, `code` and **bold**."""
    for text in [*values("description"), *values("summary")]:
        rest = re.sub(r"`[^`]+`|\*\*.+?\*\*", "", str(text))
        assert not re.search(r"[`*_\\<>]|\]\(|^ *(#|\d+[.)] |\+ |=+$|    )", rest, re.MULTILINE)


def test_what_is_new_in_the_document_shows_up() -> None:
    document = deepcopy(DOCUMENT)
    document["paths"]["/carts"] = {"get": {"responses": {"418": {"description": "- one\n- two"}}}}
    document["components"]["schemas"]["Code"]["enum"].append("brand_new")
    document["components"]["schemas"]["Item"]["properties"]["colours"] = {
        "type": ["array", "null"],
        "maxItems": 3,
        "items": {"type": "string", "multipleOf": 7},
    }
    shown = Shown(render(document))
    assert "GET /carts" in shown.texts["get-carts"]
    assert shown.texts["get-carts-418"] == "418 onetwo"
    assert shown.texts["code-brand_new"] == "brand_new"
    item = shown.texts["schema-Item"]
    assert "colours optional array of string or null entries: up to 3" in item
    assert "colours[] optional string multipleOf: 7" in item


def hostile(node: Any) -> Any:
    """With markup in every text, and in the name of everything that is named."""
    if isinstance(node, list):
        return [hostile(each) for each in node]
    if isinstance(node, dict):
        return {_hostile_name(key, node): _hostile_value(key, node[key]) for key in node}
    return node + HOSTILE if isinstance(node, str) else node


def _hostile_name(key: str, node: dict[str, Any]) -> str:
    named = (
        key.startswith("/") or "/" in key or key in ("product_id", "Set-Cookie", "not_an_integer")
    )
    return key + HOSTILE if named else key


def _hostile_value(key: str, value: Any) -> Any:
    return value if key in ("$ref", "in", "type") and isinstance(value, str) else hostile(value)


def test_what_a_text_says_is_never_markup() -> None:
    page = render(hostile(DOCUMENT))
    shown = Shown(page)
    assert set(shown.tags) == set(Shown(render(DOCUMENT)).tags)
    assert Inline(page.decode()).found == []
    for place in ("product_id", "Set-Cookie", "/items", "again does no harm.", "Wool socks"):
        assert f"{place}{HOSTILE}" in shown.texts[""], place


@pytest.mark.parametrize("mark", ["{}", "`{}`", "**{}**", "- {}", "| {} |\n|---|\n| `{}` |"])
def test_markup_within_any_mark_is_text(mark: str) -> None:
    info = {"title": "x", "version": "1", "description": mark.format(HOSTILE, HOSTILE)}
    shown = Shown(render({"openapi": "3.1.0", "info": info, "paths": {}}))
    assert shown.texts[""].count(HOSTILE) == mark.count("{}")
    assert not {"script", "img"} & set(shown.tags)
