"""SAM's transform with the stack's parameters.

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
