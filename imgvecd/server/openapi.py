"""Describes the API as an OpenAPI 3.1 document, made from the structs that the code uses.

`openapi.json` beside this module is the document, kept so that every change of the API is seen in
review. `make openapi` (`python -m imgvecd.server.openapi`) writes it anew.
"""

from __future__ import annotations

import http
import pathlib
import re
from collections.abc import Iterable, Sequence
from typing import Any, cast

import msgspec

import imgvecd
from imgvecd import api
from imgvecd.server import problems
from imgvecd.server.client_connection import slots_to_begin
from imgvecd.server.route import EVENTS, JSON, NDJSON, Route
from imgvecd.server.routes import Routes
from imgvecd.server.services import Service

_REFERENCE = "#/components/schemas/{name}"
_PATH_PARAMETER = re.compile(r"\{(\w+)\}")
_PATH_SCHEMAS: dict[str, dict[str, Any]] = {
    "id": {"type": "integer", "minimum": 0, "maximum": 2**63 - 1},
}
_NAME_SCHEMA = {"type": "string", "minLength": 1}
_DESCRIPTION = """\
Served on a Unix socket to its owner only. Within `/v1` fields and routes are added but not removed
or given another meaning; clients ignore fields that they do not know. Every error is a problem
(RFC 9457) whose `code` is stable. Where `x-members` is true, members of
`server.group` may ask, too."""
# What `__post_init__` asks for, which the types cannot say.
_TERM_PARTS = ("text", "path", "path_base64", "id", "data", "url")
_RULES: dict[str, dict[str, Any]] = {
    "SearchRequest": {
        "anyOf": [
            {"required": ["text"], "properties": {"text": {"type": "string"}}},
            {"required": ["image"], "properties": {"image": {"type": "object"}}},
            {"required": ["terms"], "properties": {"terms": {"type": "array", "minItems": 1}}},
        ]
    },
    "Term": {
        "oneOf": [
            {"required": [part], "properties": {part: {"not": {"type": "null"}}}}
            for part in _TERM_PARTS
        ]
    },
}
_JSON_TYPES = {str: "string", int: "integer"}
_EACH = {NDJSON: "one such object a line", EVENTS: "events, whose `data` is such an object"}


def document() -> bytes:
    """Return the document that the table of routes makes, as JSON."""
    table = Routes(cast("Service", _Anything()), slots_to_begin()).table()
    shapes = {shape for route in table for shape in _shapes(route)}
    _, components = msgspec.json.schema_components(
        [*sorted(shapes, key=lambda shape: shape.__name__), api.Problem],
        ref_template=_REFERENCE,
    )
    paths: dict[str, dict[str, Any]] = {}
    for route in table:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    whole = {
        "openapi": "3.1.0",
        "info": {
            "title": "imgvecd",
            "version": imgvecd.__version__,
            "description": _DESCRIPTION,
        },
        "servers": [{"url": "http://localhost"}],
        "security": [{}, {"token": []}],
        "paths": paths,
        "components": {
            "schemas": {
                name: {**_common(schema), **_rule(name)} for name, schema in components.items()
            },
            "responses": {
                _error_name(status, codes): _error(status, codes)
                for route in table
                for status, codes in _errors(route)
            },
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Asked for over TCP only; the socket knows its peers.",
                }
            },
        },
    }
    return msgspec.json.format(msgspec.json.encode(whole), indent=2) + b"\n"


def _rule(name: str) -> dict[str, Any]:
    """Return a rule as generators leave it alone: alternatives they take for several types."""
    rule = _RULES.get(name)
    return {} if rule is None else {"if": {"type": "object"}, "then": rule}


def _common(schema: Any) -> Any:  # noqa: ANN401  # any part of a schema
    """Return a schema in the words that common generators know, meaning the same.

    Tuples have as many items as are described, which their length says without `items: false`.
    What has a default may be left out, of answers too; generators take `default` for a promise that
    it is there, or send it along. A choice has a type.
    """
    if isinstance(schema, list):
        return [_common(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    common = {key: _common(value) for key, value in schema.items() if key != "default"}
    if common.get("items") is False:
        del common["items"]
    if schema.get("default") not in (None, {}, []):
        common["x-default"] = schema["default"]
    if "enum" in common:
        common["type"] = _JSON_TYPES[type(common["enum"][0])]
    return common


class _Anything:
    """Stands for the service where only the table is wanted, and nobody asks."""

    def __getattr__(self, _name: str) -> _Anything:
        return self


def _shapes(route: Route) -> Iterable[type[msgspec.Struct | dict[str, Any]]]:
    return filter(None, [route.answer, route.body, *route.other.values()])


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": _operation_id(route),
        "x-members": route.members,
        "parameters": [*_path_parameters(route.path), *_query_parameters(route.query)],
        "responses": _responses(route),
    }
    if route.body is not None:
        content: dict[str, Any] = {JSON: {"schema": _reference(route.body)}}
        if route.uploads:
            content |= _uploads(route.query)
        operation["requestBody"] = {"content": content, "required": _is_required(route.body)}
    return operation


def _is_required(body: type[msgspec.Struct | dict[str, Any]]) -> bool:
    """Return whether an empty body, which stands for an empty object, does not do."""
    try:
        msgspec.json.decode(b"{}", type=body)
    except msgspec.ValidationError:
        return True
    return False


def _operation_id(route: Route) -> str:
    words = [word for word in re.split(r"\W+", route.path) if word and word != "v1"]
    return "_".join([route.method.lower(), *words])


def _path_parameters(path: str) -> Iterable[dict[str, Any]]:
    for name in _PATH_PARAMETER.findall(path):
        schema = _PATH_SCHEMAS.get(name, _NAME_SCHEMA)
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(query: type[msgspec.Struct] | None) -> Iterable[dict[str, Any]]:
    for name, schema in _properties(query).items():
        yield {"name": name, "in": "query", "schema": schema}


def _responses(route: Route) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if route.answer is not None:
        content[JSON] = {"schema": _reference(route.answer)}
    content |= {kind: _other(kind, shape) for kind, shape in route.other.items()}
    done: dict[str, Any] = {"description": "Done", "content": content}
    responses: dict[str, Any] = {"200": done}
    if route.conditional:
        done["headers"] = {"ETag": {"schema": {"type": "string"}}}
        responses["304"] = {"description": "Still the same as `If-None-Match` says"}
    for status, codes in _errors(route):
        responses[str(status)] = {"$ref": f"#/components/responses/{_error_name(status, codes)}"}
    return responses


def _errors(route: Route) -> Iterable[tuple[int, list[str]]]:
    """Yield each status of an error that a route may answer, with the codes it stands for."""
    by_status: dict[int, set[str]] = {}
    for error in route.all_errors:
        by_status.setdefault(error.http_status, set()).add(error.code)
    return ((status, sorted(codes)) for status, codes in sorted(by_status.items()))


def _error_name(status: int, codes: Sequence[str]) -> str:
    return ".".join([str(status), *codes])


def _other(kind: str, shape: type[msgspec.Struct] | None) -> dict[str, Any]:
    """Describe a media type that is not one JSON object; OpenAPI 3.1 cannot say "a sequence"."""
    if kind == JSON:
        return {"schema": {"type": "object"}}
    if shape is None:
        return {"schema": _binary(kind) if _is_picture(kind) else {"type": "string"}}
    text = {"type": "string", "contentMediaType": kind, "description": _EACH[kind]}
    return {"schema": text, "x-itemSchema": _reference(shape)}


def _is_picture(kind: str) -> bool:
    return kind.startswith(("image/", "video/"))


def _binary(kind: str) -> dict[str, Any]:
    """Describe bytes: in the words of OpenAPI 3.1, and in those that generators go by."""
    return {"type": "string", "format": "binary", "contentMediaType": kind}


def _error(status: int, codes: Sequence[str]) -> dict[str, Any]:
    code = {"properties": {"code": {"type": "string", "enum": codes}}}
    schema = {"allOf": [_reference(api.Problem), code]}
    return {
        "description": http.HTTPStatus(status).phrase,
        "content": {problems.CONTENT_TYPE: {"schema": schema}},
    }


def _uploads(fields: type[msgspec.Struct] | None) -> dict[str, Any]:
    binary = _binary("image/*")
    form = {"type": "object", "properties": {**_properties(fields), "image": binary}}
    return {"image/*": {"schema": binary}, "multipart/form-data": {"schema": form}}


def _properties(shape: type[msgspec.Struct] | None) -> dict[str, Any]:
    if shape is None:
        return {}
    schema = msgspec.json.schema(shape)
    properties: dict[str, Any] = schema["$defs"][shape.__name__]["properties"]
    return {name: _common(each) for name, each in properties.items()}


def _reference(shape: type[msgspec.Struct | dict[str, Any]]) -> dict[str, Any]:
    if not isinstance(shape, type):  # any object
        return msgspec.json.schema(shape)
    return {"$ref": _REFERENCE.format(name=shape.__name__)}


if __name__ == "__main__":
    pathlib.Path(__file__).with_name("openapi.json").write_bytes(document())
