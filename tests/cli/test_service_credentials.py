"""Service-specific credentials from a file: their findings, and files that are refused."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from emulator import binaries
from emulator.launcher import ACCOUNT
from saved import NOW, Ended, account

Run = Callable[..., Ended]
SCHEMA = json.loads((binaries.ROOT / "functions" / "cli" / "findings.schema.json").read_text())
ID = "ACCAEXAMPLE123EXAMPLE"
ARN = f"arn:aws:iam::{ACCOUNT}:user/newcomer"


def saved(path: Path, *changes: dict[str, Any], **members: Any) -> Path:
    """Writes a list with a Bedrock API key of newcomer for each of the changes."""
    one = {
        "UserName": "newcomer",
        "Status": "Active",
        "ServiceUserName": "newcomer-at-1",
        "CreateDate": "2026-11-18T06:00:00+00:00",
        "ServiceSpecificCredentialId": ID,
        "ServiceName": "bedrock.amazonaws.com",
    }
    members = {"IsTruncated": False, **members}
    path.write_text(json.dumps({"ServiceSpecificCredentials": [{**one, **change} for change in changes], **members}))
    return path


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    """The report of an account that passes every check."""
    path = tmp_path / "clean.csv"
    path.write_text(account("clean").report(ACCOUNT), newline="")
    return path


def verdicts(done: Ended) -> dict[str, dict]:
    """Returns the verdicts on the service-specific credentials, by check."""
    answer = json.loads(done.output)
    jsonschema.validate(answer, SCHEMA)
    return {one["check"]: one for one in answer["findings"] if one["check"].startswith("service-credential-")}


def test_a_credential_is_judged(credwarden: Run, clean: Path, tmp_path: Path) -> None:
    arguments = [
        "check",
        "--credential-report",
        clean,
        "--now",
        NOW,
        "--service-credentials",
        saved(tmp_path / "credentials.json", {}),
    ]
    done = credwarden(*arguments, "--format", "json")
    assert (done.status, done.errors) == (1, "")
    found = verdicts(done)
    assert {check: one["status"] for check, one in found.items()} == {
        "service-credential-without-expiry": "FAILED",
        "service-credential-not-rotated": "PASSED",
        "service-credential-inactive": "PASSED",
    }
    one = found["service-credential-without-expiry"]
    assert one["id"] == f"credwarden/{one['check']}/{ACCOUNT}/user/newcomer/credential/{ID}"
    assert one["subject"] == {
        "type": "service_credential",
        "user": "newcomer",
        "arn": ARN,
        "slot": None,
        "access_key_id": None,
        "created": "2026-11-18T06:00:00Z",
        "credential_id": ID,
        "service": "bedrock.amazonaws.com",
    }
    assert one["severity"] == "HIGH" and one["evidence"]["CreateDate"] == "2026-11-18T06:00:00Z"
    commands = one["remediation"].splitlines()
    assert [line.split()[2] for line in commands if not line.startswith("#")] == [
        "create-service-specific-credential",
        "update-service-specific-credential",
        "delete-service-specific-credential",
    ]
    row = next(csv.DictReader(io.StringIO(credwarden(*arguments, "--format", "csv", "--status", "FAILED").output)))
    assert (row["subject"], row["user"], row["created"]) == ("service_credential", "newcomer", "2026-11-18T06:00:00Z")
    (asff,) = json.loads(credwarden(*arguments, "--format", "asff", "--region", "eu-central-1").output)
    assert [resource["Id"] for resource in asff["Resources"]] == [f"{ARN}/credential/{ID}", ARN]
    for format in ("table", "html"):
        assert ID in credwarden(*arguments, "--format", format).output


def test_without_the_file_their_checks_are_unknown(credwarden: Run, clean: Path) -> None:
    done = credwarden("check", "--credential-report", clean, "--now", NOW, "--format", "json")
    assert (done.status, done.errors) == (0, "")
    found = verdicts(done)
    assert len(found) == 3
    for one in found.values():
        assert (one["status"], one["subject"]["type"]) == ("UNKNOWN", "account")
        assert one["message"] == "The service-specific credentials were not given."


def test_the_file_alone_can_be_evaluated(credwarden: Run, tmp_path: Path) -> None:
    path = saved(tmp_path / "credentials.json", {"Status": "Inactive"})
    done = credwarden(
        "check", "--service-credentials", path, "--now", NOW, "--format", "json", "--fail-on", "INFORMATIONAL"
    )
    one = verdicts(done)["service-credential-inactive"]
    assert (done.status, one["status"], one["subject"]["arn"]) == (1, "FAILED", None)
    assert one["id"] == f"credwarden/{one['check']}/unknown/user/newcomer/credential/{ID}"


def test_an_active_credential_is_a_credential_of_its_user(credwarden: Run, report: Path, tmp_path: Path) -> None:
    def verdict(*options: str | Path) -> dict:
        done = credwarden("check", "--credential-report", report, "--now", NOW, "--format", "json", *options)
        (one,) = [
            one
            for one in json.loads(done.output)["findings"]
            if one["check"] == "user-without-credentials" and one["subject"]["user"] == "intern-2021"
        ]
        return one

    path = tmp_path / "credentials.json"
    without = verdict()
    assert without["status"] == "FAILED" and "Service-specific credentials were not looked at" in without["message"]
    assert verdict("--service-credentials", saved(path, {"UserName": "intern-2021"}))["status"] == "PASSED"
    expired = verdict("--service-credentials", saved(path, {"UserName": "intern-2021", "ExpirationDate": NOW}))
    assert expired["status"] == "FAILED" and "no active service-specific credential" in expired["message"]


@pytest.mark.parametrize(
    "members, words",
    [
        ({"IsTruncated": True}, 'the list is not whole ("IsTruncated")'),
        ({"NextToken": "x"}, 'the list is not whole ("NextToken")'),
    ],
)
def test_an_incomplete_list_is_refused(credwarden: Run, tmp_path: Path, members: dict, words: str) -> None:
    path = saved(tmp_path / "credentials.json", {}, **members)
    done = credwarden("check", "--service-credentials", path)
    assert (done.status, done.output) == (2, "")
    assert done.errors.startswith(f"credwarden: {path}: {words}"), done.errors


def test_a_file_of_another_kind_is_refused(credwarden: Run, clean: Path, summary: Path, credentials: Path) -> None:
    for option, path, words in [
        ("--service-credentials", clean, "looks like a credential report (--credential-report)"),
        ("--service-credentials", summary, "looks like an account summary (--account-summary)"),
        ("--account-summary", credentials, "looks like service-specific credentials (--service-credentials)"),
        ("--credential-report", credentials, "looks like service-specific credentials (--service-credentials)"),
    ]:
        done = credwarden("check", option, path)
        assert (done.status, done.output) == (2, "") and words in done.errors, done.errors


def test_the_file_can_be_standard_input(credwarden: Run, credentials: Path) -> None:
    done = credwarden("check", "--service-credentials", "-", input=credentials.read_bytes())
    assert done.status == 0, done.errors
    done = credwarden("check", "--service-credentials", "-", "--account-summary", "-", input=credentials.read_bytes())
    assert (done.status, done.output) == (2, "")
