"""Roles for tests of the emulator."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from emulator import binaries
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
    denials = [{"Effect": "Deny", "Resource": "*", **one} for one in denied]
    return _session(emulator, "tester", [{"Effect": "Allow", "Action": "*", "Resource": "*"}, *denials])


def session_with(emulator: Emulator, actions: list[str], name: str = "auditor") -> dict[str, str]:
    """Returns the environment of a new role with these permissions. Forgets the calls that make it."""
    session = _session(emulator, name, [{"Effect": "Allow", "Action": actions, "Resource": "*"}])
    emulator.forget_calls()
    return {
        "AWS_ACCESS_KEY_ID": session["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
        "AWS_SESSION_TOKEN": session["SessionToken"],
        "AWS_REGION": REGION,
    }


def environment(emulator: Emulator, folder: Path, **more: str) -> dict[str, str]:
    """Returns the environment of the command line, whose endpoint is the emulator."""
    return {
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
        "AWS_ENDPOINT_URL": emulator.url,
        "AWS_EC2_METADATA_DISABLED": "true",
        **more,
    }


def caller(emulator: Emulator, folder: Path, actions: list[str]) -> Callable[..., subprocess.CompletedProcess]:
    """Returns a function that runs the command line with a role that has these permissions, but for the action that is `without`."""
    roles: dict[str | None, dict[str, str]] = {}

    def run(*arguments: str, without: str | None = None) -> subprocess.CompletedProcess:
        if without not in roles:
            left = [action for action in actions if action != without]
            roles[without] = session_with(emulator, left, f"auditor-{len(roles)}")
        return subprocess.run(
            [binaries.command_line(), *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            stdin=subprocess.DEVNULL,
            env=environment(emulator, folder, **roles[without]),
        )

    return run


def _session(emulator: Emulator, name: str, statements: list[dict]) -> dict:
    """Returns temporary credentials of a new role with the statements."""
    iam = emulator.client("iam")
    everybody = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy([everybody]))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="permissions", PolicyDocument=_policy(statements))
    return emulator.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]


def _policy(statements: list[dict]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
