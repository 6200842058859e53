"""The member role, made by the emulator from its template: a run needs each action, and gets no other.

Who may assume the role is tested beside the template.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest

from emulator import binaries
from emulator.launcher import ACCOUNT, REGION, SECRET
from emulator.process import Emulator, wait_for
from emulator.stack import granted_actions, without_action
from render import MEMBER_ROLE, Rendered
from roles import READING, environment

ROLE = "credwarden-member"
AUDIT = "999988887777"
OTHER = "444455556666"

GIVEN = {
    "AuditAccountId": AUDIT,
    "OrganizationId": "o-a1b2c3d4e5",
    "AuditorArns": f"arn:aws:iam::{AUDIT}:role/security/Auditor,arn:aws:iam::{AUDIT}:role/Security*",
}

READS = sorted(READING)
HUB = ["securityhub:BatchImportFindings", "securityhub:BatchUpdateFindings", "securityhub:GetFindings"]


class Member:
    """An account with the role."""

    def __init__(self, emulator: Emulator, account: str = ACCOUNT, **parameters: str) -> None:
        self.emulator, self.account = emulator, account
        # The secret of every account's root user.
        self._root = {"AccessKeyId": account, "SecretAccessKey": SECRET, "SessionToken": None}
        formation = self.client("cloudformation")
        formation.create_stack(
            StackName="member",
            TemplateBody=MEMBER_ROLE.read_text(),
            Capabilities=["CAPABILITY_NAMED_IAM"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in (GIVEN | parameters).items()],
        )
        stack = wait_for(lambda: self._finished(formation), 30, "member role")
        assert stack["StackStatus"] == "CREATE_COMPLETE", stack
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def _finished(self, formation: Any) -> dict | None:
        stack = formation.describe_stacks(StackName="member")["Stacks"][0]
        return None if stack["StackStatus"].endswith("_IN_PROGRESS") else stack

    def client(self, service: str) -> Any:
        return self.emulator.client(service, role=self._root)

    def policies(self) -> dict[str, dict]:
        iam = self.client("iam")
        names = iam.list_role_policies(RoleName=ROLE)["PolicyNames"]
        return {name: iam.get_role_policy(RoleName=ROLE, PolicyName=name)["PolicyDocument"] for name in names}

    def revoke(self, action: str) -> None:
        for name, policy in self.policies().items():
            document = json.dumps(without_action(policy, action))
            self.client("iam").put_role_policy(RoleName=ROLE, PolicyName=name, PolicyDocument=document)

    def session(self) -> dict:
        """Returns temporary credentials of the role. This replaces its trust policy, not its permissions."""
        everybody = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [everybody]})
        self.client("iam").update_assume_role_policy(RoleName=ROLE, PolicyDocument=trust)
        arn = self.outputs["RoleArn"]
        return self.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]


@pytest.fixture
def member(emulator: Emulator) -> Callable[..., Member]:
    def made(*accounts: str, **parameters: str) -> Member:
        return Member(emulator, *accounts, **parameters)

    return made


def check(member: Member, folder: Path) -> subprocess.CompletedProcess:
    """Runs `credwarden check` on the live account with the role, in an account in which it calls every operation."""
    member.emulator.change_account("root-mfa", kind="virtual")
    session = member.session()
    member.emulator.forget_calls()
    credentials = {
        "AWS_ACCESS_KEY_ID": session["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
        "AWS_SESSION_TOKEN": session["SessionToken"],
        "AWS_REGION": REGION,
    }
    return subprocess.run(
        [binaries.command_line(), "check", "--format", "json"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        stdin=subprocess.DEVNULL,
        env=environment(member.emulator, folder, **credentials),
    )


@pytest.mark.parametrize("publish", ["false", "true"])
@pytest.mark.parametrize("account", [ACCOUNT, OTHER, AUDIT])
def test_the_emulator_makes_the_role_that_the_other_tests_render(
    member: Callable[..., Member], account: str, publish: str
) -> None:
    made = member(account, PublishFindings=publish)
    rendered = Rendered(MEMBER_ROLE, GIVEN | {"PublishFindings": publish}, account=account)
    expected = rendered.resources["MemberRole"].properties
    assert made.outputs == rendered.outputs
    assert made.policies() == {one["PolicyName"]: one["PolicyDocument"] for one in expected["Policies"]}
    role = made.client("iam").get_role(RoleName=ROLE)["Role"]
    assert role["AssumeRolePolicyDocument"] == expected["AssumeRolePolicyDocument"]
    assert role["MaxSessionDuration"] == expected["MaxSessionDuration"]


def test_an_audit_with_the_role_reads_everything(member: Callable[..., Member], tmp_path: Path) -> None:
    made = member()
    done = check(made, tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    calls = made.emulator.calls()
    assert set(calls) - {"sts:GetCallerIdentity"} == set(READS)
    assert [action for action, counted in calls.items() if counted["errors"]] == []


@pytest.mark.parametrize("action", READS)
def test_an_action_that_is_taken_away_is_named(member: Callable[..., Member], tmp_path: Path, action: str) -> None:
    made = member()
    made.revoke(action)
    done = check(made, tmp_path)
    assert done.returncode in (1, 3)
    operations = {one.partition(":")[2] for one in READS}
    assert {one for one in operations if one in done.stdout + done.stderr} == {action.partition(":")[2]}


def attempts(hub: Any) -> dict[str, Callable[[], Any]]:
    """A call for each action on Security Hub."""
    product = f"arn:aws:securityhub:{REGION}:{ACCOUNT}:product/{ACCOUNT}/default"
    one = {"Id": "x", "ProductArn": product}
    return {
        "securityhub:BatchImportFindings": lambda: hub.batch_import_findings(Findings=[finding(product)]),
        "securityhub:BatchUpdateFindings": lambda: hub.batch_update_findings(
            FindingIdentifiers=[one], Workflow={"Status": "NOTIFIED"}
        ),
        "securityhub:GetFindings": lambda: hub.get_findings(MaxResults=1),
    }


def finding(product: str) -> dict[str, Any]:
    now = "2026-11-20T06:00:00Z"
    return {
        "SchemaVersion": "2018-10-08",
        "Id": "x",
        "ProductArn": product,
        "GeneratorId": "credwarden/x",
        "AwsAccountId": ACCOUNT,
        "CreatedAt": now,
        "UpdatedAt": now,
        "Severity": {"Label": "LOW"},
        "Title": "x",
        "Description": "x",
        "Resources": [{"Type": "AwsAccount", "Id": f"AWS::::Account:{ACCOUNT}"}],
    }


def denied(member: Member) -> list[str]:
    """Returns the actions on Security Hub that the role may not do."""
    found = []
    for action, attempt in attempts(member.emulator.client("securityhub", role=member.session())).items():
        try:
            attempt()
        except botocore.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == "AccessDeniedException"
            found.append(action)
    return found


@pytest.mark.usefixtures("hub")
def test_the_role_reaches_security_hub_only_if_it_is_to_publish(member: Callable[..., Member]) -> None:
    assert denied(member()) == HUB


@pytest.mark.usefixtures("hub")
def test_a_role_that_publishes_reaches_security_hub(member: Callable[..., Member]) -> None:
    made = member(PublishFindings="true")
    assert granted_actions(made.policies()) == READS + HUB
    assert denied(made) == []


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("action", HUB)
def test_an_action_on_security_hub_that_is_taken_away_is_denied(member: Callable[..., Member], action: str) -> None:
    made = member(PublishFindings="true")
    made.revoke(action)
    assert denied(made) == [action]
