"""Roles for tests of the emulator."""

from __future__ import annotations

import json

from emulator.launcher import ACCOUNT, REGION
from emulator.process import Emulator

READING = {
    "iam:GenerateCredentialReport",
    "iam:GetCredentialReport",
    "iam:GetAccountSummary",
    "iam:ListVirtualMFADevices",
    "iam:ListServiceSpecificCredentials",
    "iam:ListAccessKeys",
}
"""The actions that read an account."""


def assumed(emulator: Emulator, *denied: dict) -> dict:
    """Returns temporary credentials of a role with all permissions, except what the statements deny."""
    iam = emulator.client("iam")
    everybody = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    trust = [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": everybody}]
    allowed = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    iam.create_role(RoleName="tester", AssumeRolePolicyDocument=_policy(trust))
    iam.put_role_policy(
        RoleName="tester",
        PolicyName="all",
        PolicyDocument=_policy([allowed, *({"Effect": "Deny", "Resource": "*", **one} for one in denied)]),
    )
    role = f"arn:aws:iam::{ACCOUNT}:role/tester"
    return emulator.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]


def session_with(emulator: Emulator, actions: list[str], name: str = "auditor") -> dict[str, str]:
    """Returns the environment of a new role with these permissions. Forgets the calls that make it."""
    iam = emulator.client("iam")
    everybody = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    allowed = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy([everybody]))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="reading", PolicyDocument=_policy([allowed]))
    session = emulator.client("sts").assume_role(RoleArn=arn, RoleSessionName="audit")["Credentials"]
    emulator.forget_calls()
    return {
        "AWS_ACCESS_KEY_ID": session["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
        "AWS_SESSION_TOKEN": session["SessionToken"],
        "AWS_REGION": REGION,
    }


def _policy(statements: list[dict]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
