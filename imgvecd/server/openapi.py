"""Describes the API as an OpenAPI 3.1 document, made from the structs that the code uses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp.typedefs import Handler

import imgvecd
from imgvecd import api
from imgvecd.server.problems import CONTENT_TYPE

_REFERENCE = "#/components/schemas/{name}"
_PATH_PARAMETER = re.compile(r"\{(\w+)\}")
_ID = {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}
_DESCRIPTION = """\
Served on a Unix socket to its owner only. Within `/v1` fields and routes are added but not removed
or given another meaning; clients ignore fields that they do not know. Any answer but 200 is a
problem (RFC 9457) whose `code` is stable."""


@dataclass(frozen=True, slots=True)
class Route:
    """One operation.

    Attributes:
        answer: what 200 carries.
        query: struct of the query string.
        body: struct of the JSON body.
        uploads: whether an image may be sent instead, as such or in a form of `query`'s fields.
    """

    method: str
    path: str
    summary: str
    handler: Handler
    answer: type[msgspec.Struct]
    query: type[msgspec.Struct] | None = None
    body: type[msgspec.Struct] | None = None
    uploads: bool = False


def document(routes: Sequence[Route]) -> bytes:
    """Return the document, as JSON."""
    shapes = {route.answer for route in routes} | {route.body for route in routes if route.body}
    _, components = msgspec.json.schema_components(
        [*sorted(shapes, key=lambda shape: shape.__name__), api.Problem],
        ref_template=_REFERENCE,
    )
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "imgvecd",
                "version": imgvecd.__version__,
                "description": _DESCRIPTION,
            },
            "servers": [{"url": "http://localhost"}],
            "paths": paths,
            "components": {"schemas": components},
        }
    )


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": _operation_id(route),
        "parameters": [*_path_parameters(route.path), *_query_parameters(route.query)],
        "responses": {
            "200": {
                "description": "Done",
                "content": {"application/json": {"schema": _reference(route.answer)}},
            },
            "default": {
                "description": "An error",
                "content": {CONTENT_TYPE: {"schema": _reference(api.Problem)}},
            },
        },
    }
    if route.body is not None:
        content: dict[str, Any] = {"application/json": {"schema": _reference(route.body)}}
        if route.uploads:
            content |= _uploads(route.query)
        operation["requestBody"] = {"content": content}
    return operation


def _operation_id(route: Route) -> str:
    words = [word for word in re.split(r"\W+", route.path) if word and word != "v1"]
    return "_".join([route.method.lower(), *words])


def _path_parameters(path: str) -> Iterable[dict[str, Any]]:
    for name in _PATH_PARAMETER.findall(path):
        schema = _ID if name == "id" else {"type": "string"}
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(query: type[msgspec.Struct] | None) -> Iterable[dict[str, Any]]:
    for name, schema in _properties(query).items():
        yield {"name": name, "in": "query", "schema": schema}


def _uploads(fields: type[msgspec.Struct] | None) -> dict[str, Any]:
    binary = {"type": "string", "contentMediaType": "image/*"}
    form = {"type": "object", "properties": {**_properties(fields), "image": binary}}
    return {"image/*": {"schema": binary}, "multipart/form-data": {"schema": form}}


def _properties(shape: type[msgspec.Struct] | None) -> dict[str, Any]:
    if shape is None:
        return {}
    schema = msgspec.json.schema(shape)
    properties: dict[str, Any] = schema["$defs"][shape.__name__]["properties"]
    return properties


def _reference(shape: type[msgspec.Struct]) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(name=shape.__name__)}
