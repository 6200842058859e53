"""Runs without failures: published findings, alerts, and the state kept from run to run."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from typing import Any

import pytest

from emulator import asff
from emulator.launcher import ACCOUNT, REGION
from emulator.neighbours import neighbours
from emulator.process import Emulator, wait_for
from emulator.stack import FUNCTION, MAIL_ADDRESS, Stack, template
from mails import ended, is_new, numbers, section, unwrapped
from sample_findings import KEY_CHECKS, RESOLVED_WITH_ROOT_KEYS, alerted, expected, identity

Deploy = Callable[..., Stack]
PRODUCT = f"arn:aws:securityhub:{REGION}:{ACCOUNT}:product/{ACCOUNT}/default"
ROOT_MFA = identity("root-mfa-disabled", "root")
ROOT_KEY = identity("root-access-key-present", "root")


def run(stack: Stack, event: Any = None) -> dict:
    """Runs the function, which must succeed; returns the summary."""
    answer = stack.invoke(event)
    assert not answer.failed, answer.payload
    return answer.payload


def set_workflow(hub: Any, status: str, *ids: str) -> None:
    answer = hub.batch_update_findings(
        FindingIdentifiers=[{"Id": one, "ProductArn": PRODUCT} for one in ids], Workflow={"Status": status}
    )
    assert answer["UnprocessedFindings"] == []


def workflows(emulator: Emulator) -> dict[str, str]:
    return {one: finding["Workflow"]["Status"] for one, finding in emulator.own_findings().items()}


def new_mail(emulator: Emulator) -> dict:
    """Returns the only mail since the last call."""
    (mail,) = emulator.mails()
    emulator.forget_mails()
    return mail


def without_own(findings: list[dict]) -> list[dict]:
    return [
        one for one in findings if one["AwsAccountId"] != ACCOUNT or not one["GeneratorId"].startswith("credwarden/")
    ]


def test_the_first_run_publishes_all_failures_and_alerts_them_once(deploy: Deploy, emulator: Emulator) -> None:
    stack, should = deploy(), expected(emulator)
    summary = run(stack)
    findings = emulator.own_findings()
    assert {one: finding["Severity"]["Label"] for one, finding in findings.items()} == should
    assert {finding["RecordState"] for finding in findings.values()} == {"ACTIVE"}
    assert {finding["Compliance"]["Status"] for finding in findings.values()} == {"FAILED"}
    assert workflows(emulator) == {one: "NOTIFIED" if one in alerted(should) else "NEW" for one in should}
    mail, reported = new_mail(emulator), alerted(should)
    assert mail["to"] == MAIL_ADDRESS
    assert numbers(mail) == {"new": len(reported), "resolved": 0, "still open": len(should) - len(reported)}
    for one in findings:
        assert is_new(mail, one) == (one in reported)
    assert [
        section(mail, title) for title in ("RESOLVED", "NO LONGER CHECKED", "COULD NOT BE EVALUATED", "WHAT WENT WRONG")
    ] == [""] * 4
    assert (summary["account_id"], summary["partition"]) == (ACCOUNT, "aws")
    assert summary["counts"]["FAILED"] == summary["imported"] == summary["open"] == len(should)
    assert (summary["new"], summary["resolved"]) == (len(reported), 0)
    assert (summary["alert"], summary["errors"]) == ("sent", [])
    assert "findings" not in summary


def test_every_finding_has_the_documented_fields(deploy: Deploy, emulator: Emulator) -> None:
    run(deploy())
    for one, finding in emulator.own_findings().items():
        check = one.split("/")[1]
        assert list(asff.problems(finding)) == []
        assert finding["GeneratorId"] == f"credwarden/{check}"
        assert finding["FindingProviderFields"]["Severity"]["Label"] == finding["Severity"]["Label"]
        assert finding["FindingProviderFields"]["Types"]
        assert finding["Remediation"]["Recommendation"]["Text"].strip()
        assert any(name.startswith("credwarden/") for name in finding["ProductFields"])
        assert finding["CreatedAt"] == finding["FirstObservedAt"]
        types = [resource["Type"] for resource in finding["Resources"]]
        if one.endswith("/root"):
            assert [(resource["Type"], resource["Id"]) for resource in finding["Resources"]] == [
                ("AwsAccount", f"AWS::::Account:{ACCOUNT}")
            ]
        elif "/key/" in one:
            assert types == ["AwsIamAccessKey", "AwsIamUser"]
        else:
            assert types == ["AwsIamUser"]


def test_a_finding_on_a_key_names_the_key(deploy: Deploy, emulator: Emulator) -> None:
    run(deploy())
    iam = emulator.client("iam")
    named = 0
    for one, finding in emulator.own_findings().items():
        if "/key/" not in one or "/twins/" in one:
            continue
        key, user = finding["Resources"]
        name = user["Details"]["AwsIamUser"]["UserName"]
        listed = {listed["AccessKeyId"]: listed for listed in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]}
        details = key["Details"]["AwsIamAccessKey"]
        identifier = key["Id"].removeprefix("AWS::IAM::AccessKey:")
        assert identifier in listed
        assert details["Status"] == listed[identifier]["Status"]
        assert listed[identifier]["CreateDate"].strftime("%Y%m%dT%H%M%SZ") in one
        assert user["Id"].endswith(name)
        named += 1
    assert named == 14


def test_the_first_run_lists_the_keys_of_a_user_once(deploy: Deploy, emulator: Emulator) -> None:
    run(deploy())
    users = {user for _, keys in KEY_CHECKS.values() for user, _ in keys}
    calls = {action: call["count"] for action, call in emulator.calls().items()}
    assert calls.pop("iam:ListAccessKeys") == len(users)
    # Open findings, then closed ones among those that fail, 20 per call, then the suppressed ones after the import.
    assert calls.pop("securityhub:GetFindings") == 1 + math.ceil(len(expected(emulator)) / 20) + 1
    assert set(calls.values()) == {1}


def test_a_second_run_sends_no_alert_and_makes_few_calls(deploy: Deploy, emulator: Emulator) -> None:
    stack = deploy()
    run(stack)
    before = emulator.own_findings()
    new_mail(emulator)
    emulator.forget_calls()
    summary = run(stack)
    after = emulator.own_findings()
    assert (summary["alert"], summary["imported"]) == ("not_needed", len(before))
    assert (summary["new"], summary["resolved"], summary["errors"]) == (0, 0, [])
    assert emulator.mails() == []
    calls = {action: call["count"] for action, call in emulator.calls().items()}
    # Keys of the same second cannot be distinguished, so they are listed again; the others' ids are stored.
    assert calls == {
        action: 1
        for action in (
            "iam:GenerateCredentialReport",
            "iam:GetCredentialReport",
            "iam:GetAccountSummary",
            "iam:ListVirtualMFADevices",
            "iam:ListServiceSpecificCredentials",
            "iam:ListAccessKeys",
            "securityhub:GetFindings",
            "securityhub:BatchImportFindings",
        )
    }
    assert before.keys() == after.keys()
    for one in before:
        assert after[one]["CreatedAt"] == before[one]["CreatedAt"]
        assert after[one]["FirstObservedAt"] == before[one]["FirstObservedAt"]
        assert asff.parse_timestamp(after[one]["UpdatedAt"]) > asff.parse_timestamp(before[one]["UpdatedAt"])
        assert asff.parse_timestamp(after[one]["LastObservedAt"]) > asff.parse_timestamp(before[one]["LastObservedAt"])
        assert after[one]["Resources"] == before[one]["Resources"]


def test_a_resolved_problem_is_closed_and_reported(deploy: Deploy, emulator: Emulator) -> None:
    stack, should = deploy(), expected(emulator)
    run(stack)
    new_mail(emulator)
    emulator.change_account("delete-root-keys")
    summary = run(stack)
    closed = {one for one, finding in emulator.own_findings().items() if finding["RecordState"] == "ARCHIVED"}
    assert closed == {identity(check, "root") for check in RESOLVED_WITH_ROOT_KEYS}
    assert {emulator.own_findings()[one]["Compliance"]["Status"] for one in closed} == {"PASSED"}
    mail = new_mail(emulator)
    assert numbers(mail)["new"] == 0 and numbers(mail)["resolved"] == len(closed)
    for check in RESOLVED_WITH_ROOT_KEYS:
        not_applicable = check == "root-access-key-not-rotated"
        assert f"({check})" in section(mail, "NO LONGER APPLIES" if not_applicable else "RESOLVED")
    assert section(mail, "NEW") == ""
    assert emulator.published()[-1]["attributes"]["resolved_findings"] == ("Number", str(len(closed)))
    assert emulator.published()[-1]["attributes"]["max_severity"] == ("String", "NONE")
    # Deleting the keys does not undo their use: that finding stays open, though the report shows no use.
    assert emulator.own_findings()[identity("root-user-recently-used", "root")]["Workflow"]["Status"] == "NOTIFIED"
    assert summary["counts"]["FAILED"] + 1 == summary["open"] == len(should) - len(closed)
    archived = {one: emulator.own_findings()[one] for one in closed}
    run(stack)
    assert emulator.mails() == []
    assert {one: emulator.own_findings()[one] for one in closed} == archived


def test_a_deleted_users_findings_are_closed(deploy: Deploy, emulator: Emulator) -> None:
    stack = deploy()
    run(stack)
    emulator.forget_mails()
    emulator.change_account("delete-user", name="etl")
    run(stack)
    of_user = {one: finding for one, finding in emulator.own_findings().items() if "/user/etl" in one}
    assert len(of_user) == 3
    assert {(finding["RecordState"], finding["Compliance"]["Status"]) for finding in of_user.values()} == {
        ("ARCHIVED", "PASSED")
    }
    resolved = section(new_mail(emulator), "RESOLVED")
    assert resolved.count("no longer in the credential report") == 3
    assert resolved.count("(etl)") == 1 and resolved.count("(etl, access key AKIA") == 2
    result = json.loads(emulator.published()[-1]["variants"]["sqs"])
    assert {(one["id"], one["reason"], one["title"]) for one in result["closed"]} == {
        (one, "gone", finding["Title"]) for one, finding in of_user.items()
    }
    assert (result["resolved"], result["closed_truncated"], result["findings"]) == (3, 0, [])


def test_a_problem_that_returns_is_reopened_and_alerted_again(deploy: Deploy, emulator: Emulator) -> None:
    stack = deploy()
    run(stack)
    first = emulator.own_findings()[ROOT_KEY]
    emulator.change_account("delete-root-keys")
    run(stack)
    assert emulator.own_findings()[ROOT_KEY]["RecordState"] == "ARCHIVED"
    emulator.forget_mails()
    emulator.change_account("add-root-key", created="-30m")
    run(stack)
    again = emulator.own_findings()[ROOT_KEY]
    assert (again["RecordState"], again["Compliance"]["Status"]) == ("ACTIVE", "FAILED")
    assert again["CreatedAt"] == first["CreatedAt"]
    assert asff.parse_timestamp(again["FirstObservedAt"]) > asff.parse_timestamp(first["FirstObservedAt"])
    assert again["Workflow"]["Status"] == "NOTIFIED"
    assert is_new(new_mail(emulator), ROOT_KEY)
    run(stack)
    assert emulator.mails() == []
    assert emulator.own_findings()[ROOT_KEY]["FirstObservedAt"] == again["FirstObservedAt"]


def test_a_suppressed_finding_is_never_alerted_again(deploy: Deploy, emulator: Emulator, hub: Any) -> None:
    stack = deploy()
    run(stack)
    assert is_new(new_mail(emulator), ROOT_MFA)
    set_workflow(hub, "SUPPRESSED", ROOT_MFA)
    before = emulator.own_findings()[ROOT_MFA]["UpdatedAt"]
    run(stack)
    assert emulator.mails() == []
    # It is still imported: a suppression stops alerts, not updates.
    assert asff.parse_timestamp(emulator.own_findings()[ROOT_MFA]["UpdatedAt"]) > asff.parse_timestamp(before)
    emulator.change_account("root-mfa", kind="hardware")
    run(stack)
    assert emulator.own_findings()[ROOT_MFA]["RecordState"] == "ARCHIVED"
    emulator.change_account("root-mfa", kind=None)
    run(stack)
    assert emulator.own_findings()[ROOT_MFA]["RecordState"] == "ACTIVE"
    assert workflows(emulator)[ROOT_MFA] == "SUPPRESSED"
    assert emulator.mails() == []


def test_a_finding_suppressed_by_a_rule_at_import_is_neither_alerted_nor_marked(
    deploy: Deploy, emulator: Emulator
) -> None:
    stack, should = deploy(), expected(emulator)
    emulator.suppress({"GeneratorId": [{"Value": "credwarden/access-key-unused", "Comparison": "EQUALS"}]})
    ruled = {one for one in should if "/access-key-unused/" in one}
    reported = alerted(should) - ruled
    summary = run(stack)
    assert (summary["new"], summary["open"], summary["errors"]) == (len(reported), len(should), [])
    mail = new_mail(emulator)
    assert numbers(mail) == {"new": len(reported), "resolved": 0, "still open": len(should) - len(reported)}
    assert f"{len(ruled)} suppressed" in mail["body"] and "access-key-unused" not in mail["body"]
    result = json.loads(emulator.published()[-1]["variants"]["sqs"])
    assert result["new"] == len(reported) and {finding["id"] for finding in result["findings"]} == reported
    suppressed = {one: "SUPPRESSED" for one in ruled}
    assert workflows(emulator) == {one: "NOTIFIED" if one in reported else "NEW" for one in should} | suppressed
    # A few new findings are requested by identity.
    emulator.change_account("add-key", name="newcomer", created="-300d")
    emulator.suppress({"ResourceAwsIamUserUserName": [{"Value": "newcomer", "Comparison": "EQUALS"}]})
    summary = run(stack)
    assert (summary["new"], summary["alert"], emulator.mails()) == (0, "not_needed", [])
    new = emulator.own_findings().keys() - should.keys()
    assert new and {workflows(emulator)[one] for one in new} == {"SUPPRESSED"}
    # Suppressed findings stay suppressed without the rule.
    before = workflows(emulator)
    emulator.suppress()
    run(stack)
    assert (workflows(emulator), emulator.mails()) == (before, [])


def test_a_resolved_finding_that_still_fails_is_alerted_again(deploy: Deploy, emulator: Emulator, hub: Any) -> None:
    stack = deploy()
    emulator.change_account("report", age="-3h")
    run(stack)
    active = identity("root-access-key-active", "root")
    emulator.forget_mails()
    set_workflow(hub, "RESOLVED", active)
    run(stack)
    assert emulator.mails() == [], "the same report cannot show whether it was fixed since"
    assert workflows(emulator)[active] == "RESOLVED"
    emulator.change_account("report", age="-0s")
    run(stack)
    mail = new_mail(emulator)
    assert numbers(mail)["new"] == 1 and is_new(mail, active)
    assert workflows(emulator)[active] == "NOTIFIED"
    emulator.forget_mails()
    set_workflow(hub, "RESOLVED", ROOT_MFA)
    run(stack)
    mail = new_mail(emulator)
    assert numbers(mail)["new"] == 1 and is_new(mail, ROOT_MFA), "the summary is live"
    run(stack)
    assert emulator.mails() == []


def test_a_later_use_of_root_is_alerted_again(deploy: Deploy, emulator: Emulator) -> None:
    stack = deploy()
    run(stack)
    emulator.forget_mails()
    emulator.change_account("use-root", when="-2m", service="sts")
    run(stack)
    used = emulator.own_findings()[identity("root-user-recently-used", "root")]
    assert is_new(new_mail(emulator), used["Id"])
    assert "sts" in used["Description"]
    assert emulator.published()[-1]["attributes"]["new_findings"] == ("Number", "1")
    assert used["Workflow"]["Status"] == "NOTIFIED"
    run(stack)
    assert emulator.mails() == []


def test_another_root_key_is_alerted_again(deploy: Deploy, emulator: Emulator) -> None:
    stack = deploy()
    run(stack)
    emulator.forget_mails()
    emulator.change_account("add-root-key", created="-10m")
    run(stack)
    mail = new_mail(emulator)
    for check in ("root-access-key-active", "root-access-key-present"):
        assert f"({check})" in section(mail, "NEW")
    # The third check on root's keys is about the old key only.
    assert numbers(mail)["new"] == 2
    run(stack)
    assert emulator.mails() == []


def test_findings_of_other_tools_and_accounts_are_not_changed(deploy: Deploy, emulator: Emulator, hub: Any) -> None:
    before = without_own(emulator.stored_findings())
    assert len(before) == len(neighbours(ACCOUNT, REGION))
    stack = deploy()
    run(stack)
    emulator.change_account("load", name="clean")
    run(stack)
    emulator.change_account("load", name="sample")
    run(stack)
    stack.update(DisabledChecks="root-mfa-disabled")
    run(stack)
    assert without_own(emulator.stored_findings()) == before


def test_a_dry_run_returns_everything_and_changes_nothing(deploy: Deploy, emulator: Emulator) -> None:
    stack, should = deploy(), expected(emulator)
    summary = run(stack, {"dry_run": True})
    failed = {finding["id"]: finding for finding in summary["findings"] if finding["status"] == "FAILED"}
    assert failed.keys() == should.keys()
    assert {finding["severity"] for finding in failed.values()} == set(should.values())
    assert summary["counts"]["FAILED"] == len(should)
    assert (summary["imported"], emulator.mails(), emulator.own_findings()) == (0, [], {})
    writes = {"securityhub:BatchImportFindings", "securityhub:BatchUpdateFindings", "sns:Publish"}
    assert not writes & emulator.calls().keys()


def test_dry_run_must_be_true(deploy: Deploy, emulator: Emulator) -> None:
    run(deploy(), {"dry_run": "true", "source": "aws.scheduler"})
    assert emulator.own_findings()
    new_mail(emulator)


def test_a_clean_account_has_no_findings_and_no_mail(deploy: Deploy, emulator: Emulator) -> None:
    emulator.change_account("load", name="clean")
    summary = run(deploy())
    assert (summary["counts"].get("FAILED", 0), summary["alert"], summary["errors"]) == (0, "not_needed", [])
    assert (emulator.own_findings(), emulator.mails()) == ({}, [])


def test_an_account_without_root_credentials_is_clean(deploy: Deploy, emulator: Emulator) -> None:
    emulator.change_account("load", name="bare")
    summary = run(deploy())
    assert summary["counts"].get("FAILED", 0) == 0
    assert emulator.mails() == []


def test_a_disabled_checks_findings_are_archived_and_reported_as_unchecked(deploy: Deploy, emulator: Emulator) -> None:
    stack = deploy()
    run(stack)
    emulator.forget_mails()
    stack.update(DisabledChecks="root-mfa-disabled,console-user-not-federated")
    run(stack)
    off = {
        one: finding
        for one, finding in emulator.own_findings().items()
        if one.split("/")[1] in ("root-mfa-disabled", "console-user-not-federated")
    }
    assert len(off) == 7
    assert {(finding["RecordState"], finding["Compliance"]["Status"]) for finding in off.values()} == {
        ("ARCHIVED", "NOT_AVAILABLE")
    }
    mail = new_mail(emulator)
    unchecked = section(mail, "NO LONGER CHECKED")
    # The other check's findings are below the threshold.
    assert "(root-mfa-disabled)" in unchecked and "console-user-not-federated" not in unchecked
    assert (numbers(mail)["resolved"], ended(mail).strip()) == (0, "")
    archived = {one: finding["UpdatedAt"] for one, finding in off.items()}
    run(stack)
    assert {one: emulator.own_findings()[one]["UpdatedAt"] for one in off} == archived
    assert emulator.mails() == []


def test_findings_of_an_unknown_check_are_archived(deploy: Deploy, emulator: Emulator, hub: Any) -> None:
    stack = deploy()
    run(stack)
    emulator.forget_mails()
    template = {
        name: value
        for name, value in emulator.own_findings()[ROOT_MFA].items()
        if name not in ("Workflow", "WorkflowState")
    }
    gone = f"credwarden/moon-phase/{ACCOUNT}/root"
    assert (
        hub.batch_import_findings(Findings=[{**template, "Id": gone, "GeneratorId": "credwarden/moon-phase"}])[
            "FailedCount"
        ]
        == 0
    )
    run(stack)
    assert (emulator.own_findings()[gone]["RecordState"], emulator.own_findings()[gone]["Compliance"]["Status"]) == (
        "ARCHIVED",
        "NOT_AVAILABLE",
    )
    assert "(moon-phase)" in section(new_mail(emulator), "NO LONGER CHECKED")


def test_the_threshold_limits_alerts_not_findings(deploy: Deploy, emulator: Emulator) -> None:
    stack, should = deploy(AlertMinSeverity="CRITICAL"), expected(emulator)
    run(stack)
    assert emulator.own_findings().keys() == should.keys()
    assert {one for one, status in workflows(emulator).items() if status == "NOTIFIED"} == {
        one for one, severity in should.items() if severity == "CRITICAL"
    }
    assert emulator.published()[0]["attributes"]["max_severity"] == ("String", "CRITICAL")
    critical = sum(severity == "CRITICAL" for severity in should.values())
    assert numbers(new_mail(emulator)) == {"new": critical, "resolved": 0, "still open": len(should) - critical}
    emulator.change_account("delete-user", name="etl")
    assert run(stack)["alert"] == "not_needed"
    assert emulator.mails() == []
    # Findings below the threshold are reported once the threshold is lowered.
    stack.update(AlertMinSeverity="HIGH")
    run(stack)
    assert numbers(new_mail(emulator))["new"] == sum(severity == "HIGH" for severity in should.values())


@pytest.mark.parametrize(
    ("parameter", "days", "findings"),
    [
        (
            "AccessKeyMaxAgeDays",
            "1000",
            {"access-key-not-rotated": ["backup", "legacy-mailer"], "root-access-key-not-rotated": ["root"]},
        ),
        ("AccessKeyMaxAgeDays", "1484", {"access-key-not-rotated": ["legacy-mailer"]}),
        ("CredentialUnusedDays", "100", {"access-key-unused": ["etl"], "console-password-unused": ["Dave", "carol"]}),
        ("RootUsedWithinDays", "1", {"root-user-recently-used": []}),
        (
            "NewCredentialGraceDays",
            "300",
            {
                "access-key-never-used": ["legacy-mailer"],
                "user-multiple-active-access-keys": [],
                "user-without-credentials": ["exporter", "intern-2021"],
            },
        ),
        (
            "NewCredentialGraceDays",
            "1",
            {
                "user-multiple-active-access-keys": ["etl", "rotating", "twins"],
                "user-without-credentials": ["exporter", "intern-2021", "newcomer"],
            },
        ),
    ],
)
def test_the_limits_in_days_are_parameters(
    deploy: Deploy, emulator: Emulator, parameter: str, days: str, findings: dict[str, list[str]]
) -> None:
    run(deploy(**{parameter: days}))
    found: dict[str, list[str]] = {check: [] for check in findings}
    for one in sorted(emulator.own_findings()):
        _, check, _, subject = one.split("/", 3)
        if check in found:
            found[check].append(subject.removeprefix("user/").split("/key/")[0])
    assert found == findings


def test_alert_on_failures_sends_an_alert_while_anything_fails(deploy: Deploy, emulator: Emulator, hub: Any) -> None:
    emulator.change_account("load", name="users:10")
    stack = deploy(AlertOn="failures")
    run(stack)
    assert numbers(new_mail(emulator)) == {"new": 2, "resolved": 0, "still open": 0}
    run(stack)
    assert numbers(new_mail(emulator)) == {"new": 0, "resolved": 0, "still open": 2}
    # Suppressed findings and those below the threshold cause no alert.
    stack.update(AlertMinSeverity="HIGH")
    assert run(stack)["alert"] == "not_needed"
    stack.update(AlertMinSeverity="LOW")
    one, other = emulator.own_findings()
    set_workflow(hub, "SUPPRESSED", one)
    run(stack)
    new_mail(emulator)
    set_workflow(hub, "SUPPRESSED", other)
    assert run(stack)["alert"] == "not_needed"
    assert emulator.mails() == []


def test_alert_on_always_sends_an_alert_after_every_run(deploy: Deploy, emulator: Emulator) -> None:
    emulator.change_account("load", name="clean")
    stack = deploy(AlertOn="always")
    for _ in range(2):
        assert run(stack)["alert"] == "sent"
        assert numbers(new_mail(emulator)) == {"new": 0, "resolved": 0, "still open": 0}


def test_without_security_hub_every_alert_has_all_findings(deploy: Deploy, emulator: Emulator) -> None:
    stack, should = deploy(SecurityHub="false"), expected(emulator)
    for _ in range(2):
        summary = run(stack)
        assert summary["errors"] == []
        assert numbers(new_mail(emulator))["new"] == len(alerted(should))
        assert emulator.published()[-1]["attributes"]["new_findings"] == ("Number", str(len(alerted(should))))
    emulator.change_account("load", name="clean")
    assert run(stack)["alert"] == "not_needed"
    assert emulator.mails() == []
    assert emulator.own_findings() == {}
    assert not [action for action in emulator.calls() if action.startswith("securityhub:")]


def test_an_existing_topic_is_used(deploy: Deploy, emulator: Emulator) -> None:
    sns = emulator.client("sns")
    topic = sns.create_topic(Name="existing")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="team@example.com")
    stack = deploy(TopicArn=topic, EmailAddress="")
    run(stack)
    assert stack.outputs["TopicArn"] == topic
    assert new_mail(emulator)["to"] == "team@example.com"


def test_programs_receive_the_result_and_attributes_to_filter_by(deploy: Deploy, emulator: Emulator) -> None:
    stack, should = deploy(), expected(emulator)
    everything = stack.subscribe_queue("everything")
    critical = stack.subscribe_queue("critical", FilterPolicy='{"max_severity": ["CRITICAL"]}')
    nothing = stack.subscribe_queue("other-account", FilterPolicy='{"account_id": ["444455556666"]}')
    run(stack)
    (envelope,) = stack.receive(everything)
    result = json.loads(envelope["Message"])
    assert (result["account_id"], result["truncated"], result["alert"]) == (ACCOUNT, 0, "sent")
    assert {one["id"] for one in result["findings"]} == alerted(should)
    severities = [one["severity"] for one in result["findings"]]
    assert severities == sorted(severities, key=["CRITICAL", "HIGH", "MEDIUM", "LOW"].index)
    assert envelope["MessageAttributes"] == {
        "account_id": {"Type": "String", "Value": ACCOUNT},
        "max_severity": {"Type": "String", "Value": "CRITICAL"},
        "new_findings": {"Type": "Number", "Value": str(len(alerted(should)))},
        "resolved_findings": {"Type": "Number", "Value": "0"},
        "errors": {"Type": "Number", "Value": "0"},
    }
    assert len(stack.receive(critical)) == 1
    assert stack.receive(nothing) == []
    (message,) = emulator.published()
    assert {"default", "email", "sqs", "lambda", "http", "https"} <= message["variants"].keys()
    assert message["variants"]["sqs"] == message["variants"]["lambda"]
    assert message["variants"]["http"] == message["variants"]["https"]
    chat = json.loads(message["variants"]["https"])
    assert (chat.pop("version"), chat.pop("source"), chat.pop("content")["textType"]) == (
        "1.0",
        "custom",
        "client-markdown",
    )
    assert chat == json.loads(message["variants"]["sqs"])


def test_the_mail_is_text_and_its_subject_names_no_user(deploy: Deploy, emulator: Emulator) -> None:
    run(deploy())
    mail = new_mail(emulator)
    assert len(mail["subject"]) < 100 and mail["subject"].isascii()
    for name in ("bob", "etl", "terraform", "twins"):
        assert name not in mail["subject"]
        assert name in mail["body"]
    assert ACCOUNT in mail["body"]
    with pytest.raises(ValueError):
        json.loads(mail["body"])
    (message,) = emulator.published()
    assert message["variants"]["default"] in mail["body"]


def test_the_name_of_the_account_is_in_the_mail_and_in_the_answer(deploy: Deploy, emulator: Emulator) -> None:
    summary, mail = run(deploy(AccountName="Zahlungen Köln")), new_mail(emulator)
    assert summary["account_name"] == "Zahlungen Köln"
    assert mail["subject"].startswith(f"[credwarden] {ACCOUNT} (Zahlungen K?ln): ")
    assert mail["body"].startswith(f"AWS account {ACCOUNT} (Zahlungen Köln), ")


def test_the_schedule_starts_a_run(deploy: Deploy, emulator: Emulator) -> None:
    stack = deploy(ScheduleExpression="rate(1 hour)")
    assert len(emulator.fire_schedules()) == 1
    wait_for(stack.finished_runs, 60, "end of the scheduled run")
    new_mail(emulator)
    assert emulator.own_findings().keys() == expected(emulator).keys()
    assert len(emulator.fire_schedules()) == 1
    wait_for(lambda: stack.finished_runs() == 2, 60, "end of the second scheduled run")
    assert emulator.mails() == []
    assert stack.receive(stack.outputs["FailedRunQueueUrl"]) == []


def test_the_only_log_line_is_the_summary(deploy: Deploy, emulator: Emulator) -> None:
    stack = deploy()
    summary = run(stack)
    (line,) = [line for line in json_lines(stack) if line.get("level") == "INFO"]
    assert {name: line[name] for name in summary} == summary
    text = "\n".join(stack.log_lines())
    for name in ("bob", "intern-2021", "terraform"):
        assert name not in text


def at_level(level: str) -> Callable[[dict], None]:
    def edit(template: dict) -> None:
        template["Resources"][FUNCTION]["Properties"]["Environment"]["Variables"]["AWS_LAMBDA_LOG_LEVEL"] = level

    return edit


def test_every_log_line_of_an_invocation_carries_its_request_id(deploy: Deploy, emulator: Emulator) -> None:
    stack = deploy(edit=at_level("TRACE"))
    emulator.fail({"action": "iam:GetAccountSummary", "code": "Throttling", "status": 400, "times": 1})
    run(stack)
    emulator.fail({"action": "iam:GetCredentialReport", "code": "AccessDenied", "status": 403, "times": 100})
    assert stack.invoke().failed
    lines, started = {}, None
    for text in stack.log_lines():
        if text.startswith("START RequestId: "):
            started = text.split()[2]
        elif text.startswith("{"):
            lines.setdefault(started, []).append(json.loads(text))
    assert len(lines) == 2
    for request, written in lines.items():
        levels = [line["level"] for line in written if "_aws" not in line]
        assert levels.count("INFO") == 1 and len(levels) > 1
        assert [
            line for line in written if line.get("requestId", line.get("span", {}).get("requestId")) != request
        ] == []


def test_at_the_level_fatal_nothing_is_logged(deploy: Deploy, emulator: Emulator) -> None:
    stack = deploy(edit=at_level("FATAL"))
    emulator.fail({"action": "iam:GetAccountSummary", "code": "AccessDenied", "status": 403, "times": 1})
    assert stack.invoke().failed
    run(stack)
    # The metric is not a log line, and is written at every level.
    (line,) = json_lines(stack)
    assert "_aws" in line


def json_lines(stack: Stack) -> list[dict]:
    return [json.loads(line) for line in stack.log_lines() if line.startswith("{")]


def test_only_a_successful_normal_run_writes_the_metric(deploy: Deploy, emulator: Emulator) -> None:
    stack = deploy()

    def metrics() -> list[dict]:
        return [line for line in json_lines(stack) if "_aws" in line]

    assert not stack.invoke({"dry_run": True}).failed
    emulator.fail({"action": "iam:GetAccountSummary", "code": "AccessDenied", "status": 403, "times": 1})
    assert stack.invoke().failed
    assert metrics() == []
    run(stack)
    (line,) = metrics()
    # CloudWatch makes the metric that the alarm watches from the line.
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    (metric,) = directive["Metrics"]
    (dimensions,) = directive["Dimensions"]
    alarm = template()["Resources"]["NoSuccessfulRunAlarm"]["Properties"]
    (watched,) = [one["MetricStat"]["Metric"] for one in alarm["Metrics"] if "MetricStat" in one]
    assert watched == {
        "Namespace": directive["Namespace"],
        "MetricName": metric["Name"],
        "Dimensions": [{"Name": name, "Value": {"Ref": FUNCTION}} for name in dimensions],
    }
    assert [line[name] for name in dimensions] == [stack.outputs["FunctionName"]]
    assert line[metric["Name"]] == 1 and abs(line["_aws"]["Timestamp"] / 1000 - time.time()) < 300
    assert line["requestId"]


def test_a_slow_report_is_awaited(deploy: Deploy, emulator: Emulator) -> None:
    emulator.change_account("report", polls=3)
    assert run(deploy())["errors"] == []
    calls = emulator.calls()
    assert (calls["iam:GenerateCredentialReport"]["count"], calls["iam:GetCredentialReport"]["count"]) == (4, 1)
    assert emulator.own_findings()


def test_a_stale_report_and_a_fresh_summary_that_disagree_are_both_reported(deploy: Deploy, emulator: Emulator) -> None:
    stack = deploy()
    emulator.change_account("report", age="-3h")
    run(stack)
    assert "3 hours before this run" in unwrapped(new_mail(emulator)["body"])
    emulator.change_account("delete-root-keys", keep_report=True)
    run(stack)
    finding = emulator.own_findings()[ROOT_KEY]
    assert finding["RecordState"] == "ACTIVE"
    assert "report of 3 hours ago" in finding["Description"] and "summary" in finding["Description"]
    fields = finding["ProductFields"]
    assert fields["credwarden/AccountAccessKeysPresent"] == "0"
    assert fields["credwarden/access_key_1_last_rotated"] != "N/A"


def test_a_throttled_call_is_retried(deploy: Deploy, emulator: Emulator) -> None:
    emulator.fail(
        {"action": "iam:GenerateCredentialReport", "code": "LimitExceeded", "status": 409, "times": 2},
        {"action": "iam:GetCredentialReport", "code": "Throttling", "status": 400, "times": 1},
        {"action": "securityhub:BatchImportFindings", "code": "LimitExceededException", "status": 429, "times": 4},
    )
    summary = run(deploy())
    assert summary["errors"] == []
    assert len(emulator.own_findings()) == summary["imported"]


def test_marks_are_retried_until_the_import_is_visible(deploy: Deploy, emulator: Emulator) -> None:
    should = expected(emulator)
    emulator.control("PUT", "settling", 1.0)
    assert run(deploy())["errors"] == []
    assert {one for one, status in workflows(emulator).items() if status == "NOTIFIED"} == alerted(should)
    assert emulator.calls()["securityhub:BatchUpdateFindings"]["count"] > 1


@pytest.mark.parametrize(
    "alarm", ["RunFailedAlarm", "RunNotStartedAlarm", "NoSuccessfulRunAlarm", "AlertNotDeliveredAlarm"]
)
def test_an_alarm_is_sent_to_the_same_people(deploy: Deploy, emulator: Emulator, alarm: str) -> None:
    stack = deploy()
    emulator.client("cloudwatch").set_alarm_state(
        AlarmName=stack.physical_id(alarm), StateValue="ALARM", StateReason="a test"
    )
    mail = wait_for(emulator.mails, 30, "mail of the alarm")[0]
    assert mail["to"] == MAIL_ADDRESS
    assert alarm in mail["subject"] + mail["body"]


def test_an_alarm_about_a_broken_alert_topic_goes_to_another_topic(deploy: Deploy, emulator: Emulator) -> None:
    sns = emulator.client("sns")
    topic = sns.create_topic(Name="operations")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="operations@example.com")
    stack = deploy(AlarmTopicArn=topic)
    sns.delete_topic(TopicArn=stack.outputs["TopicArn"])
    assert stack.invoke().error_type == "Alert"
    emulator.client("cloudwatch").set_alarm_state(
        AlarmName=stack.physical_id("RunFailedAlarm"), StateValue="ALARM", StateReason="a test"
    )
    mail = wait_for(emulator.mails, 30, "mail of the alarm")[0]
    assert mail["to"] == "operations@example.com" and "RunFailedAlarm" in mail["subject"] + mail["body"]
