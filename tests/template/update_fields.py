"""The fields that BatchUpdateFindings can set, from botocore's model of the operation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import botocore.session

CONDITION_KEY = "securityhub:ASFFSyntaxPath/"
STATUS = "Workflow.Status"
# The two statuses that credwarden sets.
SET = ["NEW", "NOTIFIED"]

_REQUEST = (
    botocore.session.get_session().get_service_model("securityhub").operation_model("BatchUpdateFindings").input_shape
)


def statuses() -> list[str]:
    return list(_REQUEST.members["Workflow"].members["Status"].enum)


def fields() -> list[str]:
    """Returns the fields' paths in a policy, without the workflow's status.

    As in AWS's own AWSSystemsManagerOpsDataSyncServiceRolePolicy: a list is one field, a map has `key` and `value`.
    """
    members = {name: shape for name, shape in _REQUEST.members.items() if name != "FindingIdentifiers"}
    return sorted(path for name, shape in members.items() for path in _paths(name, shape) if path != STATUS)


def _paths(path: str, shape: Any) -> Iterator[str]:
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            yield from _paths(f"{path}.{name}", member)
    elif shape.type_name == "map":
        yield from (f"{path}.key", f"{path}.value")
    else:
        yield path


def updates() -> dict[str, dict]:
    """Returns a request for each field that sets it and as little else as the model allows."""
    return {path: _update(path) for path in fields()}


def _update(path: str) -> dict:
    name, _, member = path.partition(".")
    shape = _REQUEST.members[name]
    if shape.type_name != "structure":
        return {name: _sample(shape)}
    return {name: {one: _sample(shape.members[one]) for one in {member, *shape.required_members}}}


def _sample(shape: Any) -> Any:
    match shape.type_name:
        case "string":
            return shape.enum[0] if shape.enum else "x"
        case "list":
            return [_sample(shape.member)]
        case "map":
            return {"x": _sample(shape.value)}
        case "structure":
            return {name: _sample(member) for name, member in shape.members.items()}
    return 1
