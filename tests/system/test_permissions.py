"""The function's role grants what the function needs, and nothing else.

Each action that the template grants is revoked in turn: the run must then name exactly that operation. An action
that is not needed fails here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import botocore.exceptions
import pytest

from emulator.launcher import ACCOUNT, REGION
from emulator.process import Emulator
from emulator.stack import ROLE, SCHEDULE_ROLE, Stack, granted_actions, template
from update_fields import SET, fields, statuses, updates

Deploy = Callable[..., Stack]

# Granted, but not enforced by the emulator, each with the reason.
NOT_ENFORCED = {
    "kms:GenerateDataKey*": "the emulator's topics are not encrypted, whatever key they name",
    "kms:Decrypt": "the emulator's topics are not encrypted, whatever key they name",
    "logs:CreateLogStream": "the emulator writes the function's logs itself",
    "logs:PutLogEvents": "the emulator writes the function's logs itself",
    "sqs:SendMessage": "the emulator puts failed runs into the destination itself",
}


def role_policies(logical_id: str) -> dict[str, dict]:
    """Returns the inline policies of a role in the template, with every condition true."""
    policies = resolved(template()["Resources"][logical_id]["Properties"]["Policies"])
    return {policy["PolicyName"]: policy["PolicyDocument"] for policy in policies}


def resolved(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"Fn::If"}:
            return resolved(value["Fn::If"][1])
        return {name: resolved(below) for name, below in value.items()}
    return [resolved(below) for below in value] if isinstance(value, list) else value


GRANTED = granted_actions(role_policies(ROLE))
ENFORCED = [action for action in GRANTED if action not in NOT_ENFORCED]


def prepare(emulator: Emulator) -> None:
    """Prepares an account in which a run calls every operation: it lists virtual MFA devices only if root has a device."""
    emulator.change_account("root-mfa", kind="virtual")


def outcome(stack: Stack) -> tuple[bool, str]:
    """Invokes the function; returns whether the run failed, and its errors."""
    answer = stack.invoke()
    return answer.failed, answer.error_message if answer.failed else json.dumps(answer.payload["errors"])


def test_with_all_permissions_no_call_is_denied(deploy: Deploy, emulator: Emulator) -> None:
    stack = deploy()
    prepare(emulator)
    assert outcome(stack) == (False, "[]")
    denied = {action: counted["errors"] for action, counted in emulator.calls().items() if counted["errors"]}
    assert denied == {}


@pytest.mark.parametrize("action", ENFORCED)
def test_a_missing_permission_is_named(deploy: Deploy, emulator: Emulator, action: str) -> None:
    stack = deploy()
    prepare(emulator)
    stack.revoke(action)
    _, message = outcome(stack)
    operation = action.partition(":")[2]
    assert operation in message
    others = {other.partition(":")[2] for other in ENFORCED} - {operation}
    assert not {other for other in others if other in message}


def test_every_action_that_is_not_enforced_is_granted() -> None:
    assert NOT_ENFORCED.keys() <= set(GRANTED)
    assert ENFORCED


def test_every_call_of_a_run_is_granted_by_name(deploy: Deploy, emulator: Emulator) -> None:
    stack = deploy()
    prepare(emulator)
    stack.invoke()
    assert set(emulator.calls()) - {"sts:GetCallerIdentity"} == set(ENFORCED)


def test_no_statement_grants_more_than_named_actions() -> None:
    for policy in (*role_policies(ROLE).values(), *role_policies(SCHEDULE_ROLE).values()):
        for statement in policy["Statement"]:
            if statement["Effect"] == "Deny":
                continue
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            assert not [action for action in actions if "*" in action and action != "kms:GenerateDataKey*"]
            if statement["Resource"] == "*":
                assert {action.partition(":")[0] for action in actions} == {"iam"}


def test_without_security_hub_its_permissions_are_not_granted(deploy: Deploy) -> None:
    stack = deploy(SecurityHub="false")
    assert not [action for action in stack.granted_actions() if action.startswith("securityhub:")]


def test_with_a_key_its_permissions_are_granted_on_that_key_only(deploy: Deploy) -> None:
    key = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"
    stack = deploy(KmsKeyArn=key)
    (statement,) = [
        statement
        for policy in stack.policies().values()
        for statement in policy["Statement"]
        if "kms:Decrypt" in statement["Action"]
    ]
    assert statement["Resource"] == key


def test_the_function_can_set_new_and_notified_and_nothing_else(deploy: Deploy, hub: Any, emulator: Emulator) -> None:
    """Tried with the role's own credentials: every field and every status of the API."""
    stack = deploy()
    stack.invoke()
    one = hub.get_findings(MaxResults=1)["Findings"][0]
    client = emulator.client("securityhub", role=stack.role_credentials())

    def update(**fields: Any) -> str:
        try:
            answer = client.batch_update_findings(
                FindingIdentifiers=[{"Id": one["Id"], "ProductArn": one["ProductArn"]}], **fields
            )
        except botocore.exceptions.ClientError as error:
            return error.response["Error"]["Code"]
        return "updated" if answer["ProcessedFindings"] else "unprocessed"

    assert {status: update(Workflow={"Status": status}) for status in statuses()} == {
        status: "updated" if status in SET else "AccessDeniedException" for status in statuses()
    }
    refused = {
        field: [update(**fields), update(**fields, Workflow={"Status": "NOTIFIED"})]
        for field, fields in updates().items()
    }
    assert refused == {field: ["AccessDeniedException"] * 2 for field in fields()}


@pytest.mark.parametrize(
    ("action", "resource", "decision"),
    [
        ("lambda:InvokeFunction", "function", "allowed"),
        ("lambda:InvokeFunction", "another", "implicitDeny"),
        ("sqs:SendMessage", "undelivered", "allowed"),
        ("sqs:SendMessage", "failed", "implicitDeny"),
    ],
)
def test_the_schedules_role_may_start_the_function_and_nothing_else(
    deploy: Deploy, emulator: Emulator, action: str, resource: str, decision: str
) -> None:
    stack = deploy()
    queues = {
        name: stack.outputs[output].rsplit("/", 1)[-1]
        for name, output in (("undelivered", "UndeliveredQueueUrl"), ("failed", "FailedRunQueueUrl"))
    }
    arns = {
        "function": stack.outputs["FunctionArn"],
        "another": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:another",
        **{name: f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}" for name, queue in queues.items()},
    }
    role = stack.physical_id(SCHEDULE_ROLE)
    # Without the role's path: the emulator's simulation looks roles up by name.
    (result,) = emulator.client("iam").simulate_principal_policy(
        PolicySourceArn=f"arn:aws:iam::{ACCOUNT}:role/{role}", ActionNames=[action], ResourceArns=[arns[resource]]
    )["EvaluationResults"]
    assert result["EvalDecision"] == decision
