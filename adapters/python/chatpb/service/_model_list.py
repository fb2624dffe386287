"""The list of models: the JSON that GET /v1/models answers with."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from chatpb.service._error_table import ServiceError, parse_body

__all__ = ["find_model", "list_models"]


def list_models(names: Iterable[str]) -> bytes:
    """Return the JSON text that lists models with these names."""
    models = [{"id": name, "object": "model", "created": 0, "owned_by": "chatpb"} for name in names]
    return json.dumps({"object": "list", "data": models}).encode()


def find_model(listed: bytes, name: str) -> dict[str, Any]:
    """Return the model of that name in the JSON text of a list. Raises ServiceError 404 if the list lacks it."""
    found = (parse_body(listed) or {}).get("data")
    for model in found if isinstance(found, list) else []:
        if isinstance(model, dict) and model.get("id") == name:
            return model
    raise ServiceError.of(404, "The model does not exist.", param="model", code="model_not_found")
