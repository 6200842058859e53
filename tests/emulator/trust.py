"""Roles across the accounts of an organization, where MiniStack differs from AWS: AssumeRole, and the context of policies.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
"""

from __future__ import annotations

import contextvars
import time
from collections.abc import Callable
from typing import Any

from emulator.answers import Answer, Refused
from emulator.organization import Organization

_EVICTION_SECONDS = 10
POLICY = "with an explicit deny in a service control policy"
_reason: contextvars.ContextVar[str | None] = contextvars.ContextVar("reason of a denial", default=None)


def role_account(arn: str) -> str:
    """Returns the account of a role's ARN, or an empty text."""
    parts = arn.split(":")
    return parts[4] if len(parts) == 6 else ""


def with_role_arns(
    resolve: Callable[[str, Any], Any], roles: Any, organization: Organization
) -> Callable[[str, Any], Any]:
    """Wraps MiniStack's condition keys: of a session `aws:PrincipalArn` is the role's ARN with its path, and
    `aws:PrincipalOrgID` is the emulated organization's."""

    def resolved(key: str, context: Any) -> Any:
        if key.lower() == "aws:principalarn" and ":assumed-role/" in context.principal_arn:
            name = context.principal_arn.split(":assumed-role/")[1].partition("/")[0]
            role = roles.get_scoped(context.principal_account, None, name)
            return role["Arn"] if role else context.principal_arn
        if key.lower() == "aws:principalorgid" and organization.made:
            return organization.organization_of(context.principal_account)
        return resolve(key, context)

    return resolved


def with_organization(
    enforce: Callable[..., Any], evaluator: Any, responses: Any, organization: Organization
) -> Callable:
    """Wraps MiniStack's check of permissions: an account that cannot be used refuses everything, and a service control policy
    prevails over the account's own policies."""

    def enforced(access_key: str, action: str, *arguments: Any, **more: Any) -> Any:
        result = enforce(access_key, action, *arguments, **more)
        account = responses.get_account_id()
        unusable, denied = organization.is_unusable(account), organization.denies(account, action)
        if isinstance(result, evaluator.AuthError) or not (unusable or denied):
            return result
        _reason.set("" if unusable else f" {POLICY}")
        principal = evaluator.resolve_principal(access_key or "", account)
        return evaluator.EvalResult("Deny", principal_arn=principal.arn)

    return enforced


def with_reason(response: Callable[..., Answer]) -> Callable[..., Answer]:
    """Wraps MiniStack's denials: those of `with_organization` have words of their own."""

    def responded(service: str, action: str, principal: str, request_id: str, **more: Any) -> Answer:
        reason = _reason.get()
        if reason is not None:
            _reason.set(None)
            more["message"] = denial(principal, action, more.get("resource_arn", "*")) + reason
        return response(service, action, principal, request_id, **more)

    return responded


def at_intervals(evict: Callable[[], None]) -> Callable[[], None]:
    """Wraps MiniStack's removal of expired sessions, which looks at all sessions whenever one is made: with 10,000 accounts that
    takes longer than all the rest."""
    last = 0.0

    def evicted() -> None:
        nonlocal last
        if time.monotonic() - last >= _EVICTION_SECONDS:
            evict()
            last = time.monotonic()

    return evicted


def denial(principal: str, action: str, resource: str) -> str:
    return f"User: {principal} is not authorized to perform: {action} on resource: {resource}"


class AssumeRole:
    """What AWS checks of an AssumeRole and MiniStack does not."""

    def __init__(self, sts: Any, roles: Any, organization: Organization) -> None:
        self._sts, self._roles, self._organization = sts, roles, organization

    def check(self, headers: dict, query: dict, parameters: dict, region: str) -> None:
        """Raises Refused for a call that AWS refuses; the trust policy is left to MiniStack."""
        caller = self._sts._caller_identity(headers, query)
        if not isinstance(caller, dict):
            return
        arn = _value(parameters, "RoleArn")
        account = role_account(arn)
        _check_duration(_value(parameters, "DurationSeconds"), caller)
        if self._organization.is_sts_off(account, region):
            raise Refused(
                403,
                "RegionDisabledException",
                f"STS is not activated in this region for account:{account}. Your account administrator can activate STS in "
                "this region using the IAM Console.",
            )
        role = self._roles.get_scoped(account, None, arn.rpartition("/")[2])
        if role is None or role["Arn"] != arn or self._organization.is_unusable(account):
            raise Refused(403, "AccessDenied", denial(caller["userArn"], "sts:AssumeRole", arn))
        if int(_value(parameters, "DurationSeconds") or 0) > role.get("MaxSessionDuration", 3600):
            raise _invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")


def _check_duration(text: str, caller: dict) -> None:
    if text and int(text) < 900:
        raise _invalid(
            f"1 validation error detected: Value '{text}' at 'durationSeconds' failed to satisfy constraint: Member must have "
            "value greater than or equal to 900"
        )
    if text and int(text) > 3600 and caller["principalType"] == "AssumedRole":
        raise _invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
        )


def _invalid(message: str) -> Refused:
    return Refused(400, "ValidationError", message)


def _value(parameters: dict, name: str) -> str:
    value = parameters.get(name) or ""
    return value[0] if isinstance(value, list) else str(value)
