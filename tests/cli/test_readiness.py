"""`credwarden readiness` on saved files: verdicts, what is unknown, the exit status, and files that are refused."""

from __future__ import annotations

import gzip
import itertools
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
SCHEMA = json.loads((binaries.ROOT / "functions" / "cli" / "readiness.schema.json").read_text())
NAMES = ["DenyRootUser", "DenyNewLongLivedCredentials", "BoundApiKeys", "DenyUseOfLongLivedKeys"]
# https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html
REGIONS = [
    *("ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2"),
    *("ca-central-1", "eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1"),
    *("us-east-1", "us-east-2", "us-west-1", "us-west-2"),
]
ROOT = {"type": "Root", "arn": f"arn:aws:iam::{ACCOUNT}:root"}
ROLE = {"type": "AssumedRole", "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/Admin/alice"}


def record(name: str, identity: dict, region: str, when: str = "2026-11-10T06:00:00Z", **members: Any) -> dict:
    known = {"eventVersion": "1.11", "eventID": f"{name}-{when}", "eventSource": "iam.amazonaws.com"}
    where = {"awsRegion": region, "recipientAccountId": ACCOUNT}
    return {**known, **where, "eventName": name, "eventTime": when, "userIdentity": identity, **members}


def looked_up(*records: dict) -> dict:
    """Returns what `aws cloudtrail lookup-events` prints."""
    return {"Events": [{"EventId": one["eventID"], "CloudTrailEvent": json.dumps(one)} for one in records]}


class Files:
    """The files of an account that is ready for everything; each can be changed or left out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.report = "\n".join(account("clean").report(ACCOUNT).split("\n")[:2]) + "\n"
        summary = {**account("clean").summary_map(ACCOUNT), "Users": 0}
        self.documents: dict[str, Any] = {
            "account-summary": {"SummaryMap": summary},
            "service-credentials": {"ServiceSpecificCredentials": [], "IsTruncated": False},
            "organization": {"Organization": {"Id": "o-1", "FeatureSet": "ALL", "MasterAccountId": "999999999999"}},
            "regions": {"Regions": [{"RegionName": name, "OptInStatus": "opt-in-not-required"} for name in REGIONS]},
        }
        self.events: dict[str, Any] = {region: {"Events": []} for region in REGIONS}

    def arguments(self) -> list[str]:
        (self.folder / "report.csv").write_text(self.report, newline="")
        arguments = ["--credential-report", "report.csv", "--now", NOW]
        for name, document in self.documents.items():
            (self.folder / f"{name}.json").write_text(json.dumps(document))
            arguments += [f"--{name}", f"{name}.json"]
        for region, document in self.events.items():
            (self.folder / f"{region}.json").write_text(json.dumps(document))
            arguments += ["--events", f"{region}={region}.json"]
        return arguments


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def judged(run: Run, files: Files) -> tuple[int, dict[str, dict]]:
    """Returns the exit status, and what is printed of each statement."""
    done = run("readiness", *files.arguments(), "--format", "json")
    assert done.errors == ""
    document = json.loads(done.output)
    jsonschema.validate(document, SCHEMA)
    assert document["account_id"] == ACCOUNT and document["evaluated_at"] == NOW
    assert [one["policy"] for one in document["policies"]] == NAMES
    return done.status, {one["policy"]: one for one in document["policies"]}


def verdicts(run: Run, files: Files) -> tuple[int, list[str]]:
    status, policies = judged(run, files)
    return status, [one["verdict"] for one in policies.values()]


def test_an_account_without_users_is_ready_when_everything_is_given(credwarden: Run, files: Files) -> None:
    assert verdicts(credwarden, files) == (0, ["READY"] * 4)
    # Without an IAM user there is no service-specific credential.
    del files.documents["service-credentials"]
    assert verdicts(credwarden, files) == (0, ["READY"] * 4)
    # The Regions that are not given are the default ones.
    del files.documents["regions"]
    assert verdicts(credwarden, files) == (0, ["READY"] * 4)


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ("organization", ["UNKNOWN", "UNKNOWN", "UNKNOWN", "UNKNOWN"]),
        ("account-summary", ["UNKNOWN", "UNKNOWN", "READY", "UNKNOWN"]),
        ("eu-west-1", ["UNKNOWN", "READY", "READY", "READY"]),
        ("us-east-1", ["UNKNOWN", "UNKNOWN", "READY", "READY"]),
    ],
)
def test_without_a_file_what_rests_on_it_is_unknown(
    credwarden: Run, files: Files, missing: str, expected: list[str]
) -> None:
    files.documents.pop(missing, None)
    files.events.pop(missing, None)
    assert verdicts(credwarden, files) == (3, expected)


def test_an_opted_in_region_needs_its_events(credwarden: Run, files: Files) -> None:
    files.documents["regions"]["Regions"] += [
        {"RegionName": "af-south-1", "OptInStatus": "opted-in"},
        {"RegionName": "me-south-1", "OptInStatus": "not-opted-in"},
    ]
    status, policies = judged(credwarden, files)
    assert status == 3
    assert [one["what"] for one in policies["DenyRootUser"]["unknown"]] == ["events in af-south-1"]
    files.events["af-south-1"] = {"Events": []}
    assert verdicts(credwarden, files) == (0, ["READY"] * 4)


def test_nothing_applies_to_the_management_account(credwarden: Run, files: Files) -> None:
    files.report = account().report(ACCOUNT)
    files.documents["organization"]["Organization"]["MasterAccountId"] = ACCOUNT
    assert verdicts(credwarden, files) == (0, ["NOT_APPLICABLE"] * 4)


def test_the_root_users_events_block_and_privileged_tasks_do_not(credwarden: Run, files: Files) -> None:
    task = {**ROOT, "sessionContext": {"assumedRoot": "true"}}
    named_root = {"type": "IAMUser", "userName": "root", "arn": f"arn:aws:iam::{ACCOUNT}:user/root"}
    files.events["us-east-1"] = looked_up(
        record("CreateLoginProfile", task, "us-east-1"), record("ConsoleLogin", named_root, "us-east-1")
    )
    assert verdicts(credwarden, files) == (0, ["READY"] * 4)
    files.events["eu-west-1"] = looked_up(record("RunInstances", ROOT, "eu-west-1"))
    status, policies = judged(credwarden, files)
    assert status == 1 and policies["DenyRootUser"]["verdict"] == "NOT_READY"
    assert policies["DenyRootUser"]["would_have_stopped"] == [
        {"event": "RunInstances", "who": ROOT["arn"], "when": "2026-11-10T06:00:00Z"}
    ]
    assert [one["subject"] for one in policies["DenyRootUser"]["blockers"]] == ["root"]


def test_what_would_have_been_denied_is_information(credwarden: Run, files: Files) -> None:
    files.events["us-east-1"] = looked_up(
        record("CreateUser", ROLE, "us-east-1", "2026-11-01T06:00:00Z"),
        record("CreateAccessKey", ROLE, "us-east-1", "2026-11-02T06:00:00Z"),
        record("CreateAccessKey", ROLE, "us-east-1", "2026-11-03T06:00:00Z", errorCode="AccessDenied"),
        record("CreateAccessKey", ROLE, "us-east-1", "2026-08-01T06:00:00Z"),
    )
    status, policies = judged(credwarden, files)
    assert (status, policies["DenyNewLongLivedCredentials"]["verdict"]) == (0, "READY")
    calls = policies["DenyNewLongLivedCredentials"]["would_have_stopped"]
    assert [(one["event"], one["who"]) for one in calls] == [
        ("CreateAccessKey", ROLE["arn"]),
        ("CreateUser", ROLE["arn"]),
    ]


def test_log_files_are_read_also_compressed_and_several_for_a_region(
    credwarden: Run, files: Files, tmp_path: Path
) -> None:
    arguments = files.arguments()
    log = json.dumps({"Records": [record("RunInstances", ROOT, "eu-west-1")]})
    (tmp_path / "log.json.gz").write_bytes(gzip.compress(log.encode()))
    (tmp_path / "log.json").write_text(log)
    more = ["--events", "eu-west-1=log.json.gz", "--events", "eu-west-1=log.json"]
    done = credwarden("readiness", *arguments, *more, "--format", "json")
    assert done.status == 1
    assert len(json.loads(done.output)["policies"][0]["would_have_stopped"]) == 1


def test_the_order_of_the_files_does_not_matter(credwarden: Run, files: Files) -> None:
    files.report = account().report(ACCOUNT)
    files.documents["account-summary"] = {"SummaryMap": account().summary_map(ACCOUNT)}
    files.events["us-east-1"] = looked_up(
        *(record(name, ROLE, "us-east-1") for name in ("CreateUser", "CreateAccessKey"))
    )
    arguments = files.arguments()
    pairs = [arguments[place : place + 2] for place in range(0, len(arguments), 2)]
    first = credwarden("readiness", *arguments, "--format", "json").output
    assert credwarden("readiness", *itertools.chain(*reversed(pairs)), "--format", "json").output == first


def test_the_sample_account_says_what_stands_in_the_way(credwarden: Run, files: Files) -> None:
    files.report = account().report(ACCOUNT)
    files.documents["account-summary"] = {"SummaryMap": account().summary_map(ACCOUNT)}
    status, policies = judged(credwarden, files)
    assert status == 1
    assert [one["verdict"] for one in policies.values()] == ["NOT_READY", "NOT_READY", "READY", "NOT_READY"]
    new = policies["DenyNewLongLivedCredentials"]
    by_subject = {one["subject"]: one for one in new["blockers"]}
    inactive = next(one for one in by_subject.values() if "Access key 2 of exporter is inactive" in one["why"])
    assert inactive["commands"][-1].startswith("aws iam delete-access-key --user-name exporter --access-key-id ")
    assert not any("update-access-key" in command for command in inactive["commands"])
    use = policies["DenyUseOfLongLivedKeys"]
    assert all("`without-mfa`" in one["why"] for one in use["blockers"])
    # An inactive key and one that is unused for 90 days are no use.
    assert not {one["subject"] for one in use["blockers"]} & {inactive["subject"]}
    table = credwarden("readiness", *files.arguments())
    assert table.status == 1
    for name, policy in policies.items():
        assert f"{name}: {policy['verdict']}" in table.output
        for blocker in policy["blockers"]:
            assert blocker["why"] in table.output
            assert all(f"      {line}" in table.output for line in "\n".join(blocker["commands"]).split("\n"))


def test_a_report_of_unknown_age_is_unknown(credwarden: Run, files: Files) -> None:
    arguments = [one for one in files.arguments() if one not in ("--now", NOW)]
    done = credwarden("readiness", *arguments, "--format", "json")
    policies = json.loads(done.output)["policies"]
    assert (done.status, [one["verdict"] for one in policies]) == (3, ["UNKNOWN", "UNKNOWN", "READY", "UNKNOWN"])
    assert {"The file does not say when the report was made; --now does."} == {
        one["reason"] for policy in policies for one in policy["unknown"]
    }


def test_names_are_escaped_in_the_table(credwarden: Run, files: Files) -> None:
    hostile = "arn:\u202e\u001b[2J"
    files.events["us-east-1"] = looked_up(record("CreateUser", {"type": "IAMUser", "arn": hostile}, "us-east-1"))
    _, policies = judged(credwarden, files)
    assert policies["DenyNewLongLivedCredentials"]["would_have_stopped"][0]["who"] == hostile
    shown = credwarden("readiness", *files.arguments()).output
    assert "\u202e" not in shown and "\u001b" not in shown and "arn:\\u{202e}\\u{1b}[2J" in shown


@pytest.mark.parametrize(
    ("option", "content", "error"),
    [
        ("events", "{}", 'it has no "Events", and is no log file with "Records"'),
        ("events", '{"Events": [], "NextToken": "x"}', 'the list is not whole ("NextToken")'),
        ("events", '{"Events": [{"CloudTrailEvent": "no JSON"}]}', "the record of event 1 cannot be read as JSON"),
        ("events", json.dumps(looked_up(record("CreateUser", ROLE, "eu-west-1"))), "its events are of eu-west-1"),
        (
            "events",
            json.dumps(looked_up(record("CreateUser", ROLE, "us-east-1", recipientAccountId="999999999999"))),
            f"it has an event of account 999999999999, and the report is of {ACCOUNT}",
        ),
        ("regions", '{"Regions": []}', "it has no enabled Region"),
        ("organization", '{"Organization": null}', 'it has no "Organization"'),
        ("organization", "", "the file is empty"),
        (
            "organization",
            '{"Organization": {"MasterAccountId": "999999999999", "FeatureSet": "all"}}',
            '"FeatureSet" is neither ALL nor CONSOLIDATED_BILLING',
        ),
        (
            "service-credentials",
            '{"ServiceSpecificCredentials": [], "Marker": "x"}',
            'the list is not whole ("Marker")',
        ),
    ],
)
def test_a_wrong_file_is_one_line_and_nothing_is_printed(
    credwarden: Run, files: Files, tmp_path: Path, option: str, content: str, error: str
) -> None:
    arguments = files.arguments()
    name = "us-east-1.json" if option == "events" else f"{option}.json"
    (tmp_path / name).write_text(content)
    done = credwarden("readiness", *arguments)
    assert (done.status, done.output) == (2, "")
    assert done.errors.startswith(f"credwarden: {name}: ") and error in done.errors
    assert done.errors.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--events", "us-east-1"],
        ["--events", "us-east-1="],
        ["--events", "Frankfurt=report.csv"],
        ["--organization", "organization.json", "--profile", "audit"],
        ["--format", "csv"],
        ["--organization", "missing.json"],
        ["--organization", "-", "--regions", "-"],
        ["--now", "2026-11-01T00:00:00Z", "--credential-report", "report.csv"],
        ["--organization", "organization.json", "--output", "organization.json"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_refused(credwarden: Run, files: Files, arguments: list[str]) -> None:
    files.report = account().report(ACCOUNT)
    files.arguments()
    done = credwarden("readiness", *arguments)
    assert (done.status, done.output) == (2, "") and done.errors.count("\n") == 1
