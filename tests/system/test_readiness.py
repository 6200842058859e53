"""`credwarden readiness` without files: it reads the live account, its organization, its Regions and CloudTrail's history."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from emulator import binaries
from emulator.launcher import ACCOUNT
from emulator.process import Emulator
from emulator.records import assumed_root, iam_user, record, role_session, root
from roles import caller

Run = Callable[..., subprocess.CompletedProcess]
SCHEMA = json.loads((binaries.ROOT / "functions" / "cli" / "readiness.schema.json").read_text())
GUIDE = (binaries.ROOT / "functions" / "cli" / "README.md").read_text()
POLICY = json.loads(GUIDE.split("<!-- readiness-policy -->\n```json\n")[1].split("```")[0])
ACTIONS = POLICY["Statement"][0]["Action"]
NAMES = ["DenyRootUser", "DenyNewLongLivedCredentials", "BoundApiKeys", "DenyUseOfLongLivedKeys"]


@pytest.fixture
def readiness(emulator: Emulator, tmp_path: Path) -> Run:
    """Runs `credwarden readiness` with a role that has the documented policy, but for the actions that are `without`."""
    return partial(caller(emulator, tmp_path, ACTIONS), "readiness")


def policies(done: subprocess.CompletedProcess) -> dict[str, dict]:
    document = json.loads(done.stdout)
    jsonschema.validate(document, SCHEMA)
    assert document["account_id"] == ACCOUNT
    return {one["policy"]: one for one in document["policies"]}


def verdicts(done: subprocess.CompletedProcess) -> list[str]:
    return [one["verdict"] for one in policies(done).values()]


def unknown(policy: dict) -> list[str]:
    return sorted({one["what"] for one in policy["unknown"]})


@pytest.fixture
def ready(emulator: Emulator) -> Emulator:
    """An account with one user, who has no credentials, and without events."""
    emulator.change_account("load", name="ready")
    return emulator


def test_an_account_without_long_lived_credentials_is_ready(ready: Emulator, readiness: Run) -> None:
    done = readiness("--format", "json")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert verdicts(done) == ["READY"] * 4
    calls = ready.calls()
    # Exactly what the documentation grants; the root user in 17 Regions, seven operations in one of them.
    assert set(calls) == set(ACTIONS)
    assert calls["cloudtrail:LookupEvents"]["count"] == 17 + 7
    assert calls["cloudtrail:LookupEvents"]["beyond_quota"] == 0


def test_the_sample_account_says_what_stands_in_the_way(emulator: Emulator, readiness: Run) -> None:
    done = readiness("--format", "json")
    assert (done.returncode, done.stderr) == (1, "")
    assert verdicts(done) == ["NOT_READY", "NOT_READY", "READY", "NOT_READY"]
    root_user, new, _, use = policies(done).values()
    assert root_user["would_have_stopped"] and new["would_have_stopped"]
    assert all(call["who"] == f"arn:aws:iam::{ACCOUNT}:root" for call in root_user["would_have_stopped"])
    assert use["would_have_stopped"] == []
    # Something else blocks, so no user is asked for SSH public keys.
    assert "iam:ListSSHPublicKeys" not in emulator.calls()


@pytest.mark.parametrize("action", ACTIONS)
def test_without_a_permission_what_rests_on_it_is_unknown(ready: Emulator, readiness: Run, action: str) -> None:
    done = readiness("--format", "json", without=action)
    assert done.returncode in (0, 3), done.stderr
    found = policies(done)
    assert "NOT_READY" not in verdicts(done)
    match action:
        case "iam:GenerateCredentialReport":
            # There is no report: nobody ever had one made.
            assert verdicts(done) == ["UNKNOWN", "UNKNOWN", "READY", "UNKNOWN"]
        case "iam:GetCredentialReport" | "iam:GetAccountSummary":
            assert verdicts(done) == ["UNKNOWN", "UNKNOWN", "READY", "UNKNOWN"]
        case "iam:ListServiceSpecificCredentials":
            assert verdicts(done) == ["READY", "UNKNOWN", "READY", "UNKNOWN"]
        case "iam:ListSSHPublicKeys":
            assert verdicts(done) == ["READY", "UNKNOWN", "READY", "READY"]
            assert "AccessDenied" in found["DenyNewLongLivedCredentials"]["unknown"][0]["reason"]
        case "iam:ListVirtualMFADevices":
            assert verdicts(done) == ["READY"] * 4
        case "organizations:DescribeOrganization":
            assert verdicts(done) == ["UNKNOWN"] * 4
            assert all(unknown(policy) == ["organization"] for policy in found.values())
        case "ec2:DescribeRegions":
            assert verdicts(done) == ["UNKNOWN", "READY", "READY", "READY"]
            assert unknown(found["DenyRootUser"]) == ["Regions"]
            assert "UnauthorizedOperation" in found["DenyRootUser"]["unknown"][0]["reason"]
        case "cloudtrail:LookupEvents":
            assert verdicts(done) == ["UNKNOWN", "UNKNOWN", "READY", "READY"]
            assert len(unknown(found["DenyRootUser"])) == 17
        case _:
            raise AssertionError(f"nothing is expected without {action}")
    assert done.returncode == (3 if "UNKNOWN" in verdicts(done) else 0)


def test_a_region_that_refuses_is_unknown_and_others_still_block(ready: Emulator, readiness: Run) -> None:
    refused = {"action": "cloudtrail:LookupEvents", "code": "AccessDeniedException", "status": 400, "times": 9}
    ready.fail({**refused, "region": "eu-north-1"})
    found = policies(readiness("--format", "json"))
    assert found["DenyRootUser"]["verdict"] == "UNKNOWN"
    assert unknown(found["DenyRootUser"]) == ["events in eu-north-1"]
    ready.add_events("eu-west-1", [record("RunInstances", root("AKIAROOT"), "-1d", "eu-west-1", "ec2.amazonaws.com")])
    found = policies(readiness("--format", "json"))
    assert found["DenyRootUser"]["verdict"] == "NOT_READY"
    assert unknown(found["DenyRootUser"]) == ["events in eu-north-1"]


def test_the_root_users_events_are_found_in_every_enabled_region(ready: Emulator, readiness: Run) -> None:
    ready.set_regions("af-south-1")
    ready.add_events(
        "af-south-1", [record("RunInstances", root("AKIAROOT"), "-80d", "af-south-1", "ec2.amazonaws.com")]
    )
    ready.add_events("us-east-1", [record("CreateLoginProfile", assumed_root(), "-1d")])
    done = readiness("--format", "json")
    assert (done.returncode, verdicts(done)) == (1, ["NOT_READY", "READY", "READY", "READY"])
    (call,) = policies(done)["DenyRootUser"]["would_have_stopped"]
    assert (call["event"], call["who"]) == ("RunInstances", f"arn:aws:iam::{ACCOUNT}:root")


def test_all_pages_of_the_history_are_read(ready: Emulator, readiness: Run) -> None:
    who = role_session("Admin", "alice")
    ready.add_events("us-east-1", [record("CreateUser", who, f"-{day}d") for day in range(1, 71)])
    ready.add_events("us-east-1", [record("CreateUser", who, "-2d", errorCode="AccessDenied")])
    done = readiness("--format", "json")
    calls = policies(done)["DenyNewLongLivedCredentials"]["would_have_stopped"]
    assert (done.returncode, len(calls)) == (0, 70)
    assert [call["when"] for call in calls] == sorted((call["when"] for call in calls), reverse=True)


@pytest.mark.parametrize("membership", ["management", None])
def test_nothing_applies_without_service_control_policies(
    emulator: Emulator, readiness: Run, membership: str | None
) -> None:
    emulator.set_organization(membership)
    done = readiness("--format", "json")
    assert (done.returncode, verdicts(done)) == (0, ["NOT_APPLICABLE"] * 4)


def test_ssh_keys_block_new_credentials(ready: Emulator, readiness: Run) -> None:
    ready.change_account("add-ssh-key", name="retired")
    done = readiness("--format", "json")
    assert (done.returncode, verdicts(done)) == (1, ["READY", "NOT_READY", "READY", "READY"])
    (blocker,) = policies(done)["DenyNewLongLivedCredentials"]["blockers"]
    assert blocker["subject"] == "user/retired"
    assert [command.split(" ")[2] for command in blocker["commands"] if not command.startswith("#")] == [
        "update-ssh-public-key",
        "delete-ssh-public-key",
    ]


def test_files_and_the_live_account_give_the_same_verdicts(emulator: Emulator, readiness: Run, tmp_path: Path) -> None:
    emulator.add_events("eu-west-1", [record("ConsoleLogin", root(), "-3d", "eu-west-1", "signin.amazonaws.com")])
    emulator.add_events("us-east-1", [record("CreateUser", iam_user("alice"), "-4d")])
    live = policies(readiness("--format", "json"))
    iam, arguments = emulator.client("iam"), []

    def save(option: str, name: str, document: Any) -> None:
        (tmp_path / name).write_text(json.dumps(document, default=str))
        arguments.extend([option, f"{name}"])

    answer = iam.get_credential_report()
    report = {
        "Content": base64.b64encode(answer["Content"]).decode(),
        "GeneratedTime": answer["GeneratedTime"].isoformat(),
    }
    save("--credential-report", "report.json", report)
    save("--account-summary", "summary.json", {"SummaryMap": iam.get_account_summary()["SummaryMap"]})
    listed = iam.list_service_specific_credentials(AllUsers=True)["ServiceSpecificCredentials"]
    listed = [{**one, "CreateDate": one["CreateDate"].isoformat()} for one in listed]
    save("--service-credentials", "credentials.json", {"ServiceSpecificCredentials": listed})
    organization = emulator.client("organizations").describe_organization()
    save("--organization", "organization.json", {"Organization": organization["Organization"]})
    regions = emulator.client("ec2").describe_regions()["Regions"]
    save("--regions", "regions.json", {"Regions": regions})
    for region in (one["RegionName"] for one in regions):
        pages = emulator.client("cloudtrail", region=region).get_paginator("lookup_events").paginate()
        (tmp_path / f"{region}.json").write_text(
            json.dumps({"Events": [one for page in pages for one in page["Events"]]}, default=str)
        )
        arguments.extend(["--events", f"{region}={region}.json"])
    done = subprocess.run(
        [binaries.command_line(), "readiness", *arguments, "--format", "json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    saved = policies(done)
    for name in NAMES:
        assert saved[name]["verdict"] == live[name]["verdict"]
        assert [one["subject"] for one in saved[name]["blockers"]] == [one["subject"] for one in live[name]["blockers"]]
        assert saved[name]["would_have_stopped"] == live[name]["would_have_stopped"]
