"""`credwarden check` without files: it reads the live account, and reports errors with AWS's own message."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emulator import binaries
from emulator.account import key_id
from emulator.launcher import ACCOUNT, REGION, SECRET
from emulator.process import Emulator
from processes import shown_on
from roles import READING, environment, session_with
from sample_findings import expected

Run = Callable[..., subprocess.CompletedProcess]


@pytest.fixture
def auditor(emulator: Emulator) -> dict[str, str]:
    """The credentials of a role with the permissions of the command line, and no others."""
    return session_with(emulator, sorted(READING))


@pytest.fixture
def check(emulator: Emulator, tmp_path: Path, auditor: dict[str, str]) -> Run:
    def run(*options: str, **variables: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [binaries.command_line(), "check", *options],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            stdin=subprocess.DEVNULL,
            env=environment(emulator, tmp_path, **(variables or auditor)),
        )

    return run


def failed(done: subprocess.CompletedProcess) -> dict[str, dict]:
    return {one["id"]: one for one in json.loads(done.stdout)["findings"] if one["status"] == "FAILED"}


def test_the_live_account_is_judged_as_by_the_function(emulator: Emulator, check: Run) -> None:
    done = check("--format", "json")
    assert (done.returncode, done.stderr) == (1, "")
    findings = failed(done)
    assert {one: finding["severity"] for one, finding in findings.items()} == expected(emulator)
    for finding in findings.values():
        subject = finding["subject"]
        if subject["type"] == "access_key" and subject["user"] != "twins":
            assert subject["access_key_id"] == key_id(ACCOUNT, subject["user"], subject["slot"] - 1)
            assert subject["access_key_id"] in finding["remediation"]
    answer = json.loads(done.stdout)
    assert answer["account_id"] == ACCOUNT and answer["report_generated_at"] and answer["counts"]["UNKNOWN"] == 0
    assert set(emulator.calls()) == READING


def test_a_now_before_the_reports_newest_date_is_refused(check: Run) -> None:
    done = check("--format", "json", "--now", "2020-01-01T00:00:00Z")
    assert (done.returncode, done.stdout) == (2, "")
    start = "credwarden: --now is 2020-01-01T00:00:00Z, more than five minutes before the newest date in the credential report, "
    assert done.stderr.startswith(start) and done.stderr.count("\n") == 1


def test_a_refused_source_is_reported_with_the_message_of_aws(emulator: Emulator, check: Run) -> None:
    emulator.change_account("load", name="clean")
    assert check("--format", "json").returncode == 0
    emulator.fail(
        {
            "action": "iam:GetAccountSummary",
            "code": "AccessDenied",
            "status": 403,
            "message": "User is not authorized to perform: iam:GetAccountSummary",
            "times": 1000,
        }
    )
    done = check("--format", "json")
    assert done.returncode == 3
    assert done.stderr == (
        "credwarden: could not read the account summary: GetAccountSummary failed: AccessDenied: "
        "User is not authorized to perform: iam:GetAccountSummary\n"
    )
    unknown = [one for one in json.loads(done.stdout)["findings"] if one["status"] == "UNKNOWN"]
    assert unknown and all("iam:GetAccountSummary" in one["message"] for one in unknown)
    assert check("--fail-on", "never").returncode == 0


def test_throttled_calls_are_retried(emulator: Emulator, check: Run) -> None:
    emulator.fail(
        {
            "action": "iam:GenerateCredentialReport",
            "code": "Throttling",
            "status": 400,
            "message": "Rate exceeded",
            "times": 2,
        }
    )
    done = check("--format", "json")
    assert (done.returncode, done.stderr) == (1, "")
    assert len(failed(done)) == len(expected(emulator))


def test_if_generation_is_refused_the_existing_report_is_evaluated(emulator: Emulator, check: Run) -> None:
    assert check("--format", "json").returncode == 1
    refusal = {
        "action": "iam:GenerateCredentialReport",
        "code": "AccessDenied",
        "status": 403,
        "message": "User is not authorized to perform: iam:GenerateCredentialReport",
        "times": 1000,
    }
    emulator.fail(refusal)
    done = check("--format", "json")
    assert done.returncode == 1 and failed(done).keys() == expected(emulator).keys()
    assert json.loads(done.stdout)["counts"]["UNKNOWN"] == 0
    assert done.stderr.startswith("credwarden: could not generate a credential report, and read the one from ")
    assert done.stderr.endswith(f" old: GenerateCredentialReport failed: AccessDenied: {refusal['message']}\n")
    # After the account is loaded again it has no report.
    emulator.change_account("load", name="clean")
    done = check("--format", "json")
    assert (done.returncode, done.stderr) == (
        3,
        "credwarden: could not read the credential report: GenerateCredentialReport "
        f"failed: AccessDenied: {refusal['message']}\n",
    )


def test_a_row_of_another_account_is_reported_and_the_report_counts_as_not_read(emulator: Emulator, check: Run) -> None:
    emulator.change_account("load", name="clean")
    lines = emulator.report().splitlines()
    emulator.change_account(
        "report", text="\n".join([*lines[:2], lines[2].replace(ACCOUNT, "999988887777"), *lines[3:]])
    )
    done = check("--format", "json")
    assert done.returncode == 3
    assert done.stderr == (
        "credwarden: the credential report has 1 row of another account, the first in line 3\n"
        "credwarden: the credential report has 1 user, and the account 2\n"
    )
    assert {one["status"] for one in json.loads(done.stdout)["findings"]} <= {"PASSED", "NOT_APPLICABLE"}
    assert check("--fail-on", "never").returncode == 0


def test_keys_without_ids_are_reported(emulator: Emulator, check: Run) -> None:
    emulator.fail(
        {"action": "iam:ListAccessKeys", "code": "AccessDenied", "status": 403, "message": "no", "times": 1000}
    )
    done = check("--format", "json")
    assert done.returncode == 1 and done.stderr.startswith("credwarden: could not list the access keys of ")
    assert done.stderr.count("\n") == 1
    assert {one["subject"]["access_key_id"] for one in failed(done).values()} == {None}
    emulator.change_account("load", name="clean")
    assert check().returncode == 0, "missing key ids do not fail the run"


def test_a_profile_is_taken_from_the_configuration(emulator: Emulator, check: Run, tmp_path: Path) -> None:
    folder = tmp_path / ".aws"
    folder.mkdir()
    (folder / "config").write_text(
        f"[profile audit]\nregion = {REGION}\naws_access_key_id = {ACCOUNT}\naws_secret_access_key = {SECRET}\n"
    )
    done = check("--profile", "audit", "--format", "json", AWS_MAX_ATTEMPTS="1")
    assert (done.returncode, done.stderr) == (1, "")
    assert json.loads(done.stdout)["account_id"] == ACCOUNT


def test_without_a_region_the_account_is_read_too(check: Run, auditor: dict[str, str]) -> None:
    variables = {name: value for name, value in auditor.items() if name != "AWS_REGION"}
    assert check("--fail-on", "never", **variables).returncode == 0


def test_missing_credentials_are_reported_once(check: Run) -> None:
    done = check("--format", "json", AWS_REGION=REGION)
    assert done.returncode == 3
    assert done.stderr.startswith("credwarden: There are no AWS credentials: ") and done.stderr.count("\n") == 1
    answer = json.loads(done.stdout)
    assert {one["status"] for one in answer["findings"]} == {"UNKNOWN"} and answer["account_id"] is None


def test_progress_is_shown_on_a_terminal(emulator: Emulator, tmp_path: Path, auditor: dict[str, str]) -> None:
    emulator.fail(
        {
            "action": "iam:GenerateCredentialReport",
            "code": "Throttling",
            "status": 400,
            "message": "Rate exceeded",
            "times": 1,
        }
    )
    leader, follower = pty.openpty()
    # Into a file: a pipe without a reader would fill up.
    command = [binaries.command_line(), "check", "--format", "json", "--output", tmp_path / "out.json"]
    with subprocess.Popen(
        command, stderr=follower, stdin=subprocess.DEVNULL, env=environment(emulator, tmp_path, TERM="xterm", **auditor)
    ) as process:
        os.close(follower)
        seen = shown_on(leader)
        assert process.wait(60) == 1
    assert "IAM is making the credential report" in seen
    # It is removed from the screen at the end.
    assert seen.rstrip().endswith("\x1b[2K")


def test_the_asff_output_can_be_imported(emulator: Emulator, hub: Any, check: Run) -> None:
    done = check("--format", "asff")
    findings = json.loads(done.stdout)
    assert done.stderr == "credwarden: no --region was given, so the findings are for the Security Hub of us-east-1\n"
    findings = json.loads(check("--format", "asff", "--region", REGION).stdout)
    for place in range(0, len(findings), 100):
        answer = hub.batch_import_findings(Findings=findings[place : place + 100])
        assert (answer["FailedCount"], answer["FailedFindings"]) == (0, [])
    assert emulator.own_findings().keys() == expected(emulator).keys()
