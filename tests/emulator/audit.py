"""An organization that is ready to be audited, for tests and demos: the member role in its accounts, and a caller for
`credwarden organization check`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from emulator.launcher import REGION, SECRET
from emulator.process import Emulator, EmulatorFailed, wait_for
from emulator.sample import AUDIT

TEMPLATE = Path(__file__).resolve().parents[2] / "infra" / "organization" / "member-stackset.yaml"
STACK = "credwarden-member"
ROLE = "credwarden/credwarden-member"
AUDITOR = "security/Auditor"

ACTIONS = {
    "organizations:ListAccounts": "*",
    "organizations:ListRoots": "*",
    "organizations:ListOrganizationalUnitsForParent": "*",
    "organizations:DescribeOrganizationalUnit": "*",
    "sts:AssumeRole": f"arn:aws:iam::*:role/{ROLE}",
    "cloudformation:ListStackInstances": f"arn:aws:cloudformation:*:*:stackset/{STACK}:*",
}
"""What the caller may do, with the resource."""


def root(account: str) -> dict[str, Any]:
    """Returns the root user's credentials of any account."""
    return {"AccessKeyId": account, "SecretAccessKey": SECRET, "SessionToken": None}


def deploy_member_role(
    emulator: Emulator,
    *,
    targets: list[str] | None = None,
    account: str | None = None,
    template: str | None = None,
    update: bool = False,
    **parameters: str,
) -> None:
    """Deploys member-stackset.yaml, or another `template`, in the management account, or as a delegate in `account`. `targets`
    are ids, all accounts if there are none; the other arguments are the template's parameters."""
    found = emulator.organization()
    given = {
        "TargetIds": ",".join(targets or [found["root"]]),
        "CallAs": "SELF" if account in (None, found["management"]) else "DELEGATED_ADMIN",
        "AuditAccountId": AUDIT,
        "OrganizationId": found["id"],
        "AuditorArns": f"arn:aws:iam::{AUDIT}:role/{AUDITOR}",
    } | parameters
    formation = emulator.client("cloudformation", role=root(account or found["management"]))
    deploy = formation.update_stack if update else formation.create_stack
    deploy(
        StackName=STACK,
        TemplateBody=template or TEMPLATE.read_text(),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
    )

    def finished() -> dict | None:
        stack = formation.describe_stacks(StackName=STACK)["Stacks"][0]
        return None if stack["StackStatus"].endswith("_IN_PROGRESS") else stack

    stack = wait_for(finished, 30, "member role")
    if stack["StackStatus"] not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        raise EmulatorFailed(f"the member role was not deployed: {stack}")


def auditor(emulator: Emulator, *, account: str = AUDIT, role: str = AUDITOR, without: str | None = None) -> dict:
    """Makes a role with the actions of `organization check`, `without` one of them, and returns a session's credentials."""
    iam, (path, _, name) = emulator.client("iam", role=root(account)), role.rpartition("/")
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "sts:AssumeRole"}
    allowed = [
        {"Effect": "Allow", "Action": action, "Resource": resource}
        for action, resource in ACTIONS.items()
        if action != without
    ]
    made = iam.create_role(RoleName=name, Path=f"/{path}/" if path else "/", AssumeRolePolicyDocument=_policy([trust]))[
        "Role"
    ]
    iam.put_role_policy(RoleName=name, PolicyName="audit", PolicyDocument=_policy(allowed))
    sts = emulator.client("sts", role=root(account))
    session = sts.assume_role(RoleArn=made["Arn"], RoleSessionName="audit")["Credentials"]
    emulator.forget_calls()
    return session


def session(emulator: Emulator, caller: dict, account: str, *, region: str = REGION, role: str = ROLE) -> dict:
    """Returns the credentials of the member role of an account."""
    sts = emulator.client("sts", role=caller, region=region)
    arn = f"arn:aws:iam::{account}:role/{role}"
    return sts.assume_role(RoleArn=arn, RoleSessionName="credwarden", DurationSeconds=900)["Credentials"]


def environment(emulator: Emulator, caller: dict) -> dict[str, str]:
    """Returns the variables with which the command line calls the emulator as this caller; HOME and PATH are the test's."""
    return {
        "AWS_ENDPOINT_URL": emulator.url,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ACCESS_KEY_ID": caller["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": caller["SecretAccessKey"],
        "AWS_SESSION_TOKEN": caller["SessionToken"],
        "AWS_REGION": REGION,
    }


def _policy(statements: list[dict]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
