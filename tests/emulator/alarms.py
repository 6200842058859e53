"""Alarms on metric math, which MiniStack refuses to create, and the condition key for the actions of an alarm.

It never evaluates an alarm (`set_alarm_state` runs its actions), so the alarm is created with its actions and the
expression's name instead of a metric.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

TYPE = "AWS::CloudWatch::Alarm"
STATES = ("AlarmActions", "OKActions", "InsufficientDataActions")


def with_condition_key(tag_context: Callable[..., dict]) -> Callable[..., dict]:
    """Extends MiniStack's condition context by the actions of an alarm that is put."""

    def context(service: str, action: str, body: bytes, parameters: dict) -> dict:
        found = tag_context(service, action, body, parameters)
        return found | _actions(body) if action == "cloudwatch:PutMetricAlarm" else found

    return context


def _actions(body: bytes) -> dict[str, list[str]]:
    """Returns CloudWatch's condition key: the actions of every state. A request without actions does not have the key, nor
    does one in another encoding than the SDK's JSON, so that a policy which needs the key denies it."""
    try:
        request = json.loads(body)
        actions = [str(arn) for state in STATES for arn in request.get(state) or []]
    except (ValueError, AttributeError, TypeError):
        return {}
    return {"cloudwatch:AlarmActions": actions} if actions else {}


def with_metric_math(handler: dict[str, Any]) -> dict[str, Any]:
    """Extends CloudFormation's handler for alarms to accept `Metrics`."""
    return {**handler, **{name: _translated(handler[name]) for name in ("create", "update")}}


def _translated(function: Callable) -> Callable:
    def called(*arguments: Any, **more: Any) -> Any:
        return function(
            *(_one_metric(one) if isinstance(one, dict) and "Metrics" in one else one for one in arguments), **more
        )

    return called


def _one_metric(properties: dict) -> dict:
    known = {query["Id"] for query in properties["Metrics"]}
    returned = [query for query in properties["Metrics"] if query.get("ReturnData", True)]
    if len(returned) != 1 or len(known) != len(properties["Metrics"]):
        raise ValueError("an alarm needs metrics with ids of their own, and exactly one that returns data")
    plain = {name: value for name, value in properties.items() if name != "Metrics"}
    return {**plain, "Namespace": "metric-math", "MetricName": returned[0].get("Label") or returned[0]["Id"]}
