"""With BatchUpdateFindings the function may only set the workflow statuses NEW and NOTIFIED, and no other field.

No policy can limit this to its own findings: Security Hub has no condition key for that.
"""

from __future__ import annotations

import pytest
from ministack.core.iam_evaluator import EvalContext, evaluate, parse_policy_document

from render import ACCOUNT, DEPLOY_ROLE, MEMBER_ROLE, TEMPLATE, Rendered
from update_fields import CONDITION_KEY, SET, STATUS, fields, statuses

ACTION = "securityhub:BatchUpdateFindings"


def documents() -> dict[str, list[dict]]:
    """The policies that limit the function: those of its role, of the boundary of the deploy role, and of the member role."""
    role = Rendered(TEMPLATE).resources["CheckerRole"].properties["Policies"]
    given = {"AuditAccountId": "999988887777", "OrganizationId": "o-a1b2c3d4e5", "PublishFindings": "true"}
    member = Rendered(MEMBER_ROLE, given).resources["MemberRole"].properties["Policies"]
    return {
        "role": [policy["PolicyDocument"] for policy in role],
        "boundary": [Rendered(DEPLOY_ROLE).resources["RoleBoundary"].properties["PolicyDocument"]],
        "member role": [policy["PolicyDocument"] for policy in member],
    }


def decision(policy: str, context: dict[str, str]) -> str:
    request = EvalContext(
        principal_arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/checker/run",
        principal_type="AssumedRole",
        principal_account=ACCOUNT,
        action=ACTION,
        region="eu-central-1",
        resource_arn=f"arn:aws:securityhub:eu-central-1:{ACCOUNT}:hub/default",
        service_context={f"{CONDITION_KEY}{path}".lower(): value for path, value in context.items()},
    )
    return evaluate(request, list(map(parse_policy_document, documents()[policy]))).decision


EACH = pytest.mark.parametrize("policy", documents())


@EACH
@pytest.mark.parametrize("status", statuses())
def test_only_new_and_notified_can_be_set(policy: str, status: str) -> None:
    assert decision(policy, {STATUS: status}) == ("Allow" if status in SET else "Deny")


@EACH
@pytest.mark.parametrize("field", fields())
def test_no_other_field_can_be_set(policy: str, field: str) -> None:
    """A field that a new version of the API adds fails here."""
    assert decision(policy, {field: "1"}) == "Deny"
    assert decision(policy, {STATUS: "NOTIFIED", field: "1"}) == "Deny"


@EACH
def test_the_denies_apply_to_all_resources_and_name_existing_fields(policy: str) -> None:
    """A condition on a misspelt field denies nothing; two keys in one condition deny only both together."""
    denies = [
        statement
        for document in documents()[policy]
        for statement in document["Statement"]
        if statement["Effect"] == "Deny"
    ]
    assert {(statement["Action"], statement["Resource"]) for statement in denies} == {(ACTION, "*")}
    conditions = [statement["Condition"] for statement in denies]
    assert all(len(condition) == 1 and len(keys) == 1 for condition in conditions for keys in condition.values())
    assert {"StringEquals": {f"{CONDITION_KEY}{STATUS}": [one for one in statuses() if one not in SET]}} in conditions
    denied = [key for condition in conditions for key in condition.get("Null", {})]
    assert sorted(denied) == [CONDITION_KEY + field for field in fields()]
    assert {value for condition in conditions for value in condition.get("Null", {}).values()} == {"false"}


def test_without_security_hub_nothing_is_granted_or_denied() -> None:
    statements = Rendered(TEMPLATE, {"SecurityHub": "false"}).statements("CheckerRole").values()
    assert not [
        action for statement in statements for action in statement["Action"] if action.startswith("securityhub:")
    ]
