"""The OpenAPI 3.1 document, made of the table of operations and of the types in ``chains.web.schemas``.

``chains.web.api`` hands in its table at start; GET /v1/openapi.json answers with what comes out.
"""

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

import msgspec

from chains.web.operations import Operation, Parameter, Shape
from chains.web.problems import KINDS, PROBLEM_JSON
from chains.web.schemas import Problem

_ABOUT = (
    "Record entries on chains, fetch receipts, and read the log. The formats are in docs/spec. Errors are problem "
    "documents (RFC 9457); `code` is stable."
)
_EVERYWHERE = ("bad-request", "parameter-malformed", "storage-failed", "internal-error", "not-possible-now")
_OPEN_KEY = ("key-refused",)
_SECURITY = {"ApiKey": {"type": "http", "scheme": "bearer", "description": "An API key: al_..."}}


def document_of(operations: Iterable[Operation]) -> bytes:
    """Return the document as JSON."""
    table = tuple(operations)
    components = _components(table)
    paths: dict[str, dict[str, Any]] = {}
    for operation in table:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    found = {
        "openapi": "3.1.0",
        "info": {"title": "Anchorline", "version": version("anchorline"), "description": _ABOUT},
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": _SECURITY},
    }
    return msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n"


def _types_of(operation: Operation) -> Iterable[Any]:
    for shape in operation.answers.values():
        yield from shape.media_types.values()
    if operation.body is not None:
        yield from operation.body.media_types.values()


def _components(operations: Iterable[Operation]) -> dict[str, Any]:
    types = [Problem, *(found for operation in operations for found in _types_of(operation) if found not in _PLAIN)]
    _, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    return components


# Bytes as they are, and JSON that a page under docs/spec describes.
_PLAIN: dict[Any, dict[str, Any]] = {bytes: {}, str: {"type": "string"}, dict: {"type": "object"}}


def _schema(found: Any) -> dict[str, Any]:
    if found in _PLAIN:
        return _PLAIN[found]
    (schema,), _ = msgspec.json.schema_components([found], ref_template="#/components/schemas/{name}")
    return dict(schema)


def _operation(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.about,
        "tags": [operation.group],
        "parameters": [_parameter(parameter) for parameter in operation.parameters],
        "responses": _responses(operation),
        "security": [{"ApiKey": []}] if operation.needs_key else [{}, {"ApiKey": []}],
    }
    if operation.body is not None:
        coding = " gzip is taken as Content-Encoding." if operation.body.takes_gzip else ""
        found["requestBody"] = {
            "required": True,
            "description": f"{operation.body.about}.{coding}",
            "content": {name: {"schema": _schema(kind)} for name, kind in operation.body.media_types.items()},
        }
    return found


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place.value,
        "required": parameter.is_required,
        "description": parameter.about,
        "schema": parameter.schema,
    }


def _responses(operation: Operation) -> dict[str, Any]:
    found = {str(status): _response(shape) for status, shape in operation.answers.items()}
    if operation.method == "GET" and operation.has_etag:
        found["304"] = {"description": "The client has it already (If-None-Match)"}
    codes: dict[int, list[str]] = {}
    for code in (*operation.problems, *_EVERYWHERE, *_OPEN_KEY):
        codes.setdefault(KINDS[code].status, []).append(code)
    for status, names in sorted(codes.items()):
        listed = ", ".join(f"`{name}`" for name in dict.fromkeys(names))
        found[str(status)] = {
            "description": f"Problem: {listed}",
            "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    return found


def _response(shape: Shape) -> dict[str, Any]:
    found: dict[str, Any] = {"description": shape.about}
    if shape.media_types:
        found["content"] = {name: {"schema": _schema(kind)} for name, kind in shape.media_types.items()}
    if shape.headers:
        found["headers"] = {name: {"schema": {"type": "string"}} for name in shape.headers}
    return found
