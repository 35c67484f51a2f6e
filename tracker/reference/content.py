"""What the API's reference shows, in the order of the page, taken from the OpenAPI document."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString

from tracker.reference.schemas import Node, Row, limits_of, members, name_of, row, type_of
from tracker.reference.text import blocks, coloured, indented, inline

# The other members of a path item are about all of them (OpenAPI 3.1, 4.8.9).
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


class Schema(NamedTuple):
    """`id` is where links to it lead; empty for a schema without a name, to which there are none.

    `others` are the values that its text does not explain, each with its id.
    """

    id: str
    name: str
    title: str
    type: SafeString
    limits: list[SafeString]
    text: SafeString
    rows: list[Row]
    others: list[tuple[str, str]]


class Example(NamedTuple):
    """`plain` is what a request sends; `text` the same for people."""

    title: str
    text: SafeString
    plain: str


class Media(NamedTuple):
    """A body. `type` names its schema, which `schema` describes if it belongs here."""

    names: list[str]
    type: SafeString
    schema: Schema | None
    examples: list[Example]


class Response(NamedTuple):
    id: str
    status: str
    text: SafeString
    headers: list[Row]
    media: list[Media]

    @property
    def is_success(self) -> bool:
        return self.status.startswith("2")


class Body(NamedTuple):
    required: bool
    text: SafeString
    media: list[Media]


class Operation(NamedTuple):
    id: str
    method: str
    path: str
    path_text: SafeString
    title: SafeString
    text: SafeString
    parameters: list[Row]
    body: Body | None
    responses: list[Response]

    @property
    def header_names(self) -> list[str]:
        """Of all its answers."""
        return sorted({row.name for response in self.responses for row in response.headers})


class Group(NamedTuple):
    id: str
    name: str
    text: SafeString
    operations: list[Operation]


class Reference:
    """Reads one document, from its beginning to its end."""

    def __init__(self, document: Node) -> None:
        self.document = document
        self.info = document["info"]
        self.servers = document.get("servers", [])
        self.summary = inline(self.info.get("summary", ""))
        self.text = blocks(self.info.get("description", ""))
        self._schemas: Node = document.get("components", {}).get("schemas", {})
        self._values = {
            name: {each: f"{name.lower()}-{each}" for each in schema["enum"]}
            for name, schema in self._schemas.items()
            if schema.get("type") == "string" and "enum" in schema
        }
        self._anchors = {key: at for ids in self._values.values() for key, at in ids.items()}
        self._placed: set[str] = set()
        self.groups = list(self._groups())
        self.schemas = [self._named(name) for name in self._schemas if name not in self._placed]

    def _groups(self) -> Iterator[Group]:
        """A tag and its operations. What has no tag, or one that is not declared, comes last."""
        texts = {tag["name"]: tag.get("description", "") for tag in self.document.get("tags", [])}
        by_tag: dict[str, list[Operation]] = {name: [] for name in texts}
        for path, item in self.document["paths"].items():
            for method in (word for word in item if word in METHODS):
                tag = item[method].get("tags", ["other"])[0]
                by_tag.setdefault(tag, []).append(self._operation(path, item, method))
        for name, operations in by_tag.items():
            yield Group(f"tag-{name}", name, blocks(texts.get(name, "")), operations)

    def _operation(self, path: str, item: Node, method: str) -> Operation:
        node: Node = item[method]
        name = node.get("operationId", f"{method}{path.replace('/', '-')}")
        is_first = method == next(word for word in item if word in METHODS)
        parameters = item.get("parameters", []) + node.get("parameters", [])
        return Operation(
            name,
            method.upper(),
            path,
            blocks(item.get("summary", "") if is_first else ""),
            inline(node.get("summary", path)),
            blocks(node.get("description", "")),
            [self._parameter(each) for each in parameters],
            self._body(node["requestBody"]) if "requestBody" in node else None,
            [self._response(name, *each) for each in node.get("responses", {}).items()],
        )

    def _parameter(self, node: Node) -> Row:
        node = self._resolved(node)
        return _row(node["name"], node, place=node["in"])

    def _body(self, node: Node) -> Body:
        node = self._resolved(node)
        text = blocks(node.get("description", ""))
        return Body(node.get("required", False), text, self._media(node["content"], here=True))

    def _response(self, operation: str, status: str, node: Node) -> Response:
        node = self._resolved(node)
        return Response(
            f"{operation}-{status}",
            status,
            blocks(node["description"]),
            [self._header(*each) for each in node.get("headers", {}).items()],
            self._media(node.get("content", {}), here=status.startswith("2")),
        )

    def _header(self, name: str, node: Node) -> Row:
        return _row(name, self._resolved(node))

    def _media(self, content: Node, *, here: bool) -> list[Media]:
        """Types that have all in common are one.

        With `here`, a schema is described in this place unless it was before. Without, at the end:
        errors have one schema for all.
        """
        alike: list[tuple[list[str], Node]] = []
        for name, node in content.items():
            if alike and alike[-1][1] == node:
                alike[-1][0].append(name)
            else:
                alike.append(([name], node))
        return [self._medium(names, node, here=here) for names, node in alike]

    def _medium(self, names: list[str], node: Node, *, here: bool) -> Media:
        schema = node.get("schema", {})
        name = name_of(schema)
        described = None
        if name is None:
            described = self._schema("", schema)
        elif here and name not in self._placed:
            described = self._named(name)
        return Media(names, type_of(schema), described, list(self._examples(node)))

    def _examples(self, node: Node) -> Iterator[Example]:
        if "example" in node:
            yield self._example("Example", node["example"])
        for name, example in node.get("examples", {}).items():
            each = self._resolved(example)
            yield self._example(each.get("summary", name), each["value"])

    def _example(self, title: str, value: Any) -> Example:
        if isinstance(value, str):
            return Example(title, conditional_escape(value), value)
        plain = indented(value)
        return Example(title, coloured(plain, self._anchors), plain)

    def _named(self, name: str) -> Schema:
        self._placed.add(name)
        return self._schema(name, self._schemas[name])

    def _schema(self, name: str, schema: Node) -> Schema:
        anchors = self._values.get(name, {})
        text = blocks(schema.get("description", ""), anchors)
        return Schema(
            f"schema-{name}" if name else "",
            name,
            schema.get("title", name),
            type_of(schema),
            [] if anchors else limits_of(schema),
            text,
            list(members(schema)),
            [each for each in anchors.items() if format_html('id="{}"', each[1]) not in text],
        )

    def _resolved(self, node: Node) -> Node:
        """What a reference to a place in this document stands for."""
        place: Any = self.document
        if "$ref" not in node:
            return node
        for part in node["$ref"].removeprefix("#/").split("/"):
            place = place[part.replace("~1", "/").replace("~0", "~")]
        return {**place, **{key: value for key, value in node.items() if key != "$ref"}}


def _row(name: str, node: Node, place: str = "") -> Row:
    """A header or a parameter. What it says of itself goes before what its schema says."""
    own = {key: node[key] for key in ("description", "example") if key in node}
    schema = {**node.get("schema", {}), **own}
    return row(name, schema, required=node.get("required", False), place=place)
