"""CloudFormation's templates where MiniStack differs: SAM's transform, and Fn::Join in conditions.

SAM itself resolves the parameters in properties that it translates, such as a function's EventInvokeConfig. MiniStack
passes none, so those properties would always have the parameters' defaults.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import Any

_given: contextvars.ContextVar[dict] = contextvars.ContextVar("parameters given", default={})  # noqa: B039 (never changed)


def with_parameters(engine: Any) -> Callable[..., dict]:
    """Wraps MiniStack's `_apply_transforms` to pass the parameters to SAM. `engine` is the module that has it."""
    original = engine._apply_transforms

    def applied(template: dict, provided: Any = None, previous: Any = None) -> dict:
        _patch_sam()
        before = _given.set(engine._transform_parameters(template, provided, previous))
        try:
            return original(template, provided, previous)
        finally:
            _given.reset(before)

    return applied


def with_joins(engine: Any) -> Callable[[dict, dict], dict]:
    """Wraps MiniStack's `_evaluate_conditions`, which takes every Fn::Join for a text that is not empty."""
    original = engine._evaluate_conditions

    def evaluated(template: dict, parameters: dict) -> dict:
        return original({**template, "Conditions": _joined(template.get("Conditions", {}), parameters)}, parameters)

    return evaluated


def _joined(value: Any, parameters: dict) -> Any:
    if isinstance(value, list):
        return [_joined(one, parameters) for one in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"Fn::Join"}:
        delimiter, items = value["Fn::Join"]
        if isinstance(items, dict) and items.keys() == {"Ref"} and items["Ref"] in parameters:
            # A list parameter is kept as one text.
            items = [one.strip() for one in parameters[items["Ref"]]["Value"].split(",")]
        if isinstance(items, list) and all(isinstance(one, str) for one in items):
            return delimiter.join(items)
        raise ValueError("an Fn::Join of anything but texts or one list parameter is not modelled in conditions")
    return {name: _joined(one, parameters) for name, one in value.items()}


def _patch_sam() -> None:
    # Imported only when needed: importing SAM takes longer than the rest of the start.
    from samtranslator.translator import transform as sam

    if getattr(sam.transform, "sees_parameters", False):
        return
    original = sam.transform

    def transform(template: dict, values: dict, *more: Any) -> dict:
        return original(template, {**_given.get(), **values}, *more)

    transform.sees_parameters = True
    sam.transform = transform
