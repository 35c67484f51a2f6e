"""JSON Schemas as tables: a row for each member, with its type and limits in words."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString

from tracker.reference.text import blocks, joined

Node = dict[str, Any]

# What is counted, from where, to where.
_RANGES = [
    ("characters", "minLength", "maxLength"),
    ("value", "minimum", "maximum"),
    ("entries", "minItems", "maxItems"),
]
_BOUNDS = {bound for _, *both in _RANGES for bound in both}
# How other limits read. Those that are not here are shown as they are: none can be overlooked.
_PHRASES = {"format": "format: {}", "pattern": "matches {}", "const": "always {}"}
_NOT_LIMITS = {
    "$ref", "title", "type", "description", "example", "examples", "properties", "required",
    "items", "oneOf", "anyOf",
}  # fmt: skip
_OTHER_MEMBERS = {True: "other members may come", False: "no other members"}


class Row(NamedTuple):
    """A member, a parameter or a header. `place` is where a parameter stands, or nothing."""

    name: str
    type: SafeString
    limits: list[SafeString]
    required: bool
    text: SafeString
    examples: list[str]
    place: str = ""


def name_of(schema: Node) -> str | None:
    """A schema that has a name is described once, under that name."""
    reference: str | None = schema.get("$ref")
    return reference.rpartition("/")[2] if reference else None


def type_of(schema: Node) -> SafeString:
    """In words; names of schemas are links to where they are described."""
    if name := name_of(schema):
        return format_html('<a href="#schema-{}">{}</a>', name, name)
    if choices := schema.get("oneOf") or schema.get("anyOf"):
        return joined(map(type_of, choices), " or ")
    types = schema.get("type", "anything")
    named = [types] if isinstance(types, str) else types
    return joined((_of_its_parts(each, schema) for each in named), " or ")


def limits_of(schema: Node) -> list[SafeString]:
    ranges = [_range(*each, schema) for each in _RANGES if schema.keys() & set(each[1:])]
    return ranges + [_limit(word, schema[word]) for word in schema if _is_limit(word, schema)]


def row(name: str, schema: Node, *, required: bool, place: str = "") -> Row:
    examples = [schema["example"]] if "example" in schema else schema.get("examples", [])
    return Row(
        name,
        type_of(schema),
        limits_of(schema),
        required,
        blocks(schema.get("description", "")),
        [each if isinstance(each, str) else as_json(each) for each in examples],
        place,
    )


def members(schema: Node, prefix: str = "") -> Iterator[Row]:
    """Of this object, and of objects within it that have no name of their own."""
    for name, member in schema.get("properties", {}).items():
        yield row(prefix + name, member, required=name in schema.get("required", []))
        yield from members(member, f"{prefix}{name}.")
    entry = schema.get("items", {})
    if limits_of(entry) or "description" in entry:
        yield row(f"{prefix.removesuffix('.')}[]", entry, required=False)
    if entry:
        yield from members(entry, f"{prefix.removesuffix('.')}[].")


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _of_its_parts(word: str, schema: Node) -> SafeString:
    inner = {"array": schema.get("items"), "object": schema.get("additionalProperties")}.get(word)
    if isinstance(inner, dict):
        return format_html("{} of {}", word, type_of(inner))
    return conditional_escape(word)


def _range(what: str, low: str, high: str, schema: Node) -> SafeString:
    if low not in schema:
        return format_html("{}: up to {}", what, schema[high])
    if high not in schema:
        return format_html("{}: {} or more", what, schema[low])
    return format_html("{}: {} to {}", what, schema[low], schema[high])


def _is_limit(word: str, schema: Node) -> bool:
    in_the_type = word == "additionalProperties" and isinstance(schema[word], dict)
    return word not in _NOT_LIMITS | _BOUNDS and not in_the_type


def _limit(word: str, value: Any) -> SafeString:
    if word == "enum":
        shown = (format_html("<code>{}</code>", as_json(each)) for each in value)
        return format_html("one of {}", joined(shown, ", "))
    if word == "additionalProperties":
        return conditional_escape(_OTHER_MEMBERS[value])
    if word in ("pattern", "const"):
        value = format_html("<code>{}</code>", value if word == "pattern" else as_json(value))
    if phrase := _PHRASES.get(word):
        return format_html(phrase, value)
    return format_html("{}: <code>{}</code>", word, as_json(value))
