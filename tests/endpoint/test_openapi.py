"""The service does what its description says, and the description says all that it does."""

import json
import os
from collections.abc import Iterator
from typing import Any

import schemathesis
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis.config import SchemathesisConfig

from tests.support.live import Server
from tracker.endpoint.openapi import PATH

DOCUMENT: dict[str, Any] = json.loads(PATH.read_bytes())
COMPONENTS: dict[str, Any] = DOCUMENT["components"]

# The same few requests each time, so that a change breaks the build and chance does not. In CI,
# many more, and others each time; a failure prints the request as a curl command.
IN_CI = bool(os.environ.get("CI"))
described = schemathesis.openapi.from_dict(DOCUMENT, config=SchemathesisConfig())
described.config.generation.update(max_examples=500 if IN_CI else 25, deterministic=not IN_CI)


@described.hook
def map_body(context: schemathesis.HookContext, body: Any) -> Any:
    """To JSON Schema 10.0 is an integer; to R13 it is none, and no schema can say so."""
    price = body.get("price") if isinstance(body, dict) else None
    if isinstance(price, float) and price.is_integer():
        return {**body, "price": int(price)}
    return body


@described.parametrize()
def test_every_answer_is_as_described(live: Server, case: schemathesis.Case[Any]) -> None:
    """R10-R17, R30, R31: with all checks, for valid data, invalid data and unknown methods."""
    case.call_and_validate(base_url=f"http://127.0.0.1:{live.port}")


def test_it_is_served(live: Server) -> None:
    assert live.request("GET", "/openapi.json").json() == DOCUMENT


def test_it_is_a_valid_openapi_document() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_its_examples_are_valid() -> None:
    """A schema is checked on answers that came; some (503) come in other tests only."""
    examples = list(_examples(DOCUMENT))
    assert len(examples) > 20
    for schema, example in examples:
        OAS31Validator({**schema, "components": COMPONENTS}).validate(example)


def _examples(node: Any) -> Iterator[tuple[dict[str, Any], Any]]:
    """All examples beside or inside a schema, each with that schema."""
    if isinstance(node, list):
        for each in node:
            yield from _examples(each)
    if not isinstance(node, dict):
        return
    schema, examples = node.get("schema", node), node.get("examples", [])
    if "example" in node:
        yield schema, node["example"]
    for example in examples.values() if isinstance(examples, dict) else examples:
        yield schema, example["value"] if isinstance(examples, dict) else example
    for name in node.keys() - {"example", "examples"}:
        yield from _examples(node[name])
