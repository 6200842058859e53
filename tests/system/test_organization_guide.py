"""The guide to `credwarden organization` has the caller's policy, every reason without an audit, and commands that work."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from emulator import audit, binaries
from emulator.account import ACCOUNT
from emulator.process import Emulator
from organizations import Auditor

GUIDE = (binaries.ROOT / "functions" / "cli" / "README.md").read_text()
SECTION = GUIDE.split("\n## Every account of an organization\n")[1].split("\n## ")[0]
POLICY = json.loads(SECTION.split("<!-- organization-policy -->\n```json\n")[1].split("```")[0])
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)
# `aws` of the account that the profile is named after.
AWS = """
import base64, json, os, sys
import boto3
service, operation, *options = sys.argv[1:]
account = options[options.index("--profile") + 1]
session = dict(aws_access_key_id=account, aws_secret_access_key="secret", region_name="us-east-1")
client = boto3.client(service, endpoint_url=os.environ["AWS_ENDPOINT_URL"], **session)
arguments = {"AllUsers": True} if "--all-users" in options else {}
answer = getattr(client, operation.replace("-", "_"))(**arguments)
answer.pop("ResponseMetadata")
if isinstance(answer.get("Content"), bytes):
    answer["Content"] = base64.b64encode(answer["Content"]).decode()
print(json.dumps(answer, default=lambda time: time.isoformat()))
"""


@pytest.fixture
def auditor(emulator: Emulator, tmp_path: Path) -> Auditor:
    emulator.make_organization()
    audit.deploy_member_role(emulator)
    return Auditor(emulator, tmp_path)


def test_the_policy_is_the_one_that_tests_run_with() -> None:
    granted = {action: one["Resource"] for one in POLICY["Statement"] for action in one["Action"]}
    assert granted == audit.ACTIONS


def test_the_first_table_takes_six_commands() -> None:
    commands = re.findall(r"^(?:aws|credwarden) .*", BLOCKS[0], re.MULTILINE)
    assert len(commands) == 6 and commands[-1].startswith("credwarden organization check")


def test_every_reason_is_in_the_table() -> None:
    source = (binaries.ROOT / "functions" / "cli" / "src" / "organization" / "reason.rs").read_text()
    reasons = [
        "is missing, or does not trust this caller",
        "the StackSet has no instance in this account",
        "the StackSet made the role",
        "the StackSet could not make the role",
        "an organization's policy denies it",
        "STS is off in",
        "may be off in this account",
    ]
    table = SECTION.split("| the reason says |")[1].split("\n\n")[0].replace("the Region may", "{region} may")
    for reason in reasons:
        assert reason in source and reason.removesuffix(" in this account") in table


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
def test_the_commands_make_profiles_for_the_accounts_in_scope(auditor: Auditor) -> None:
    (block,) = [one for one in BLOCKS if "[profile " in one]
    program = re.search(r"jq -r '(.*)'", block, re.DOTALL)[1]
    listed = auditor.run("accounts", "--format", "json").stdout
    done = subprocess.run(["jq", "-r", program], input=listed, capture_output=True, text=True, check=True)
    profiles = re.findall(r"^\[profile (\d{12})\]\nrole_arn = arn:aws:iam::(\d{12}):role/", done.stdout, re.MULTILINE)
    expected = {one["account_id"] for one in json.loads(listed)["accounts"] if one["in_scope"]}
    assert {profile for profile, _ in profiles} == expected and all(one == other for one, other in profiles)


def test_the_commands_save_files_that_are_judged(emulator: Emulator, auditor: Auditor, tmp_path: Path) -> None:
    (block,) = [one for one in BLOCKS if "--accounts-from" in one]
    loop = block.split("credwarden ")[0].replace("sleep 15", "sleep 0").replace("222233334444", ACCOUNT)
    path = tmp_path / "bin"
    path.mkdir()
    (path / "aws.py").write_text(AWS)
    (path / "aws").write_text(f'#!/bin/sh\nexec {sys.executable} {path}/aws.py "$@"\n')
    (path / "aws").chmod(0o755)
    environment = {"PATH": f"{path}:/usr/bin:/bin", "AWS_ENDPOINT_URL": emulator.url, "HOME": str(tmp_path)}
    subprocess.run(["sh", "-ec", loop], cwd=tmp_path, env=environment, check=True, capture_output=True)
    checked = auditor.check("--accounts-from", str(tmp_path / "reports"))
    assert (checked.status, checked.errors, checked.with_state(audited=False)) == (1, "", set())
    assert set(checked.accounts) == {ACCOUNT}
    assert checked.accounts[ACCOUNT]["reason"] is None and checked.accounts[ACCOUNT]["counts"]["FAILED"]
