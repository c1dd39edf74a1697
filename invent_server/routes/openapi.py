"""The OpenAPI 3.1 document, made from the table of routes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from invent_server.routes.table import Route
from shared import models as m
from shared.commands import ERRORS

REF = "#/components/schemas/{model}"


def document(routes: Sequence[Route], version: str) -> dict[str, Any]:
    """The whole API as OpenAPI 3.1."""
    bodies = {(route.body, "validation") for route in routes if route.body is not None}
    answers = {(route.answer, "serialization") for route in routes if route.answer is not None}
    wanted: list[Any] = sorted(bodies | answers | {(m.Error, "serialization")}, key=lambda pair: pair[0].__name__)
    names, schemas = models_json_schema(wanted, ref_template=REF)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        if route.method == "OPTIONS":
            continue
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, names)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Invent", "version": version},
        "paths": paths,
        "components": {
            "schemas": schemas.get("$defs", {}),
            "securitySchemes": {
                "agent": {"type": "http", "scheme": "bearer", "description": "an agent's token"},
                "visitor": {"type": "http", "scheme": "bearer", "description": "a web session's token"},
            },
        },
    }


def _operation(route: Route, names: Any) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": route.method.lower() + re.sub(r"[^a-z0-9]+", "_", route.path.lower()).rstrip("_"),
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in re.findall(r"{(\w+)}", route.path)
        ],
        "responses": {str(route.status): _answer(route, names)},
    }
    if route.who not in ("public",):
        operation["security"] = [{"visitor" if route.who == "visitor" else "agent": []}]
        operation["x-role"] = route.who
    if route.query is not None:
        operation["parameters"] += _query(route.query)
    if route.body is not None:
        schema = names[(route.body, "validation")]
        operation["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    always = () if route.who == "public" else ("unauthorized", "forbidden")
    for code in dict.fromkeys((*always, *route.errors)):
        error = names[(m.Error, "serialization")]
        operation["responses"].setdefault(
            str(ERRORS[code]), {"description": code, "content": {"application/json": {"schema": error}}}
        )
    return operation


def _answer(route: Route, names: Any) -> dict[str, Any]:
    if route.answer is None:
        return {"description": "done"}
    schema = names[(route.answer, "serialization")]
    return {"description": "done", "content": {"application/json": {"schema": schema}}}


def _query(model: type[BaseModel]) -> list[dict[str, Any]]:
    schema = model.model_json_schema()
    return [
        {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": value}
        for name, value in schema.get("properties", {}).items()
    ]
