"""Runs in which one step fails: the others are done, nothing is closed without evidence, and the failure is reported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from emulator.account import HEADER
from emulator.launcher import ACCOUNT
from emulator.process import Emulator, wait_for
from emulator.stack import FUNCTION, Answer, Stack
from mails import ended, numbers, section
from sample_findings import RESOLVED_WITH_ROOT_KEYS, ROOT_CHECKS, alerted, expected, identity

Deploy = Callable[..., Stack]


def run(stack: Stack) -> Answer:
    return stack.invoke()


def states(emulator: Emulator) -> dict[str, tuple]:
    return {
        one: (finding["RecordState"], finding["Compliance"]["Status"], finding["Workflow"]["Status"])
        for one, finding in emulator.own_findings().items()
    }


OPEN = ("ACTIVE", "FAILED", "NOTIFIED")

REFUSALS = {"iam": "AccessDenied", "sns": "AuthorizationError", "securityhub": "AccessDeniedException"}


def denied(action: str, after: int = 0) -> dict:
    """A fault: AWS denies an action, after so many calls. A retry cannot succeed."""
    return {
        "action": action,
        "code": REFUSALS[action.partition(":")[0]],
        "status": 403,
        "message": f"User is not authorized to perform: {action}",
        "times": 1000,
        "after": after,
    }


def broken(action: str) -> dict:
    """A fault: the action fails with an error that is retried, permanently."""
    return {
        "action": action,
        "code": "InternalException",
        "status": 500,
        "message": "the service has a bad day",
        "times": 1000,
    }


def with_short_timeout(template: dict) -> None:
    """Sets a shorter time limit than the template's parameter allows: retries last for a share of it."""
    template["Resources"][FUNCTION]["Properties"]["Timeout"] = 10


def test_without_the_report_nothing_is_closed_and_the_alert_has_the_error(deploy: Deploy, emulator: Emulator) -> None:
    stack = deploy()
    assert not run(stack).failed
    before = states(emulator)
    emulator.forget_mails()
    emulator.change_account("load", name="clean")
    emulator.fail(denied("iam:GetCredentialReport"))
    answer = run(stack)
    assert answer.error_type == "Collect"
    assert "GetCredentialReport failed: AccessDenied" in answer.error_message
    # The summary alone shows that root has MFA now; that needs no report.
    by_summary = identity("root-mfa-disabled", "root")
    after = states(emulator)
    assert after.pop(by_summary)[:2] == ("ARCHIVED", "PASSED")
    assert after == {one: state for one, state in before.items() if one != by_summary}
    (mail,) = emulator.mails()
    assert "GetCredentialReport failed" in section(mail, "WHAT WENT WRONG")
    unknown = section(mail, "COULD NOT BE EVALUATED")
    assert "GetCredentialReport failed" in unknown and "access-key-not-rotated" in unknown
    # The finding on the use of root is kept as it is stored.
    assert f"{len(after) - 1} open findings could not be evaluated again" in unknown
    assert numbers(mail)["resolved"] == 1 and "(root-mfa-disabled)" in section(mail, "RESOLVED")
    attributes = emulator.published()[-1]["attributes"]
    assert (attributes["errors"], attributes["account_id"]) == (("Number", "1"), ("String", ACCOUNT))
    # The next run can read the report, and it shows no problem.
    emulator.fail()
    assert not run(stack).failed
    still_open = {one for one, state in states(emulator).items() if state[0] == "ACTIVE"}
    assert still_open == {identity("root-user-recently-used", "root")}


def test_if_generation_is_refused_the_existing_report_is_used(deploy: Deploy, emulator: Emulator) -> None:
    emulator.change_account("load", name="clean")
    stack = deploy()
    assert not run(stack).failed
    emulator.fail(denied("iam:GenerateCredentialReport"))
    answer = run(stack)
    (error,) = answer.payload["errors"]
    assert error.startswith("could not generate a credential report, and read the one from ")
    assert " old: GenerateCredentialReport failed: AccessDenied: " in error
    assert (answer.payload["counts"]["UNKNOWN"], answer.payload["alert"]) == (0, "not_needed")
    assert emulator.mails() == []
    # If there is another finding to report, the refusal is reported too.
    emulator.change_account("summary", keep_report=True, AccountMFAEnabled=0)
    answer = run(stack)
    assert (answer.failed, answer.payload["alert"], answer.payload["errors"]) == (False, "sent", [error])
    (mail,) = emulator.mails()
    assert "(root-mfa-disabled)" in section(mail, "NEW")
    assert "could not generate a credential report" in section(mail, "WHAT WENT WRONG")
    # It fails the run only if there is no report.
    emulator.change_account("load", name="clean")
    answer = run(stack)
    assert answer.error_type == "Collect"
    assert answer.error_message.startswith("could not read the credential report: GenerateCredentialReport failed: ")


@pytest.mark.parametrize(
    "fault", [{"how": "silence"}, {"code": "ServiceFailure", "status": 500}], ids=["silent", "broken"]
)
def test_generation_until_its_deadline_leaves_time_to_read_the_report(
    deploy: Deploy, emulator: Emulator, fault: dict
) -> None:
    stack = deploy(edit=with_short_timeout)
    assert not run(stack).failed
    before = states(emulator)
    emulator.fail({"action": "iam:GenerateCredentialReport", "times": 1000, **fault})
    answer = run(stack)
    assert not answer.failed
    (error,) = answer.payload["errors"]
    assert error.startswith("could not generate a credential report, and read the one from ")
    assert states(emulator) == before


def test_without_the_summary_the_report_is_evaluated(deploy: Deploy, emulator: Emulator) -> None:
    stack, should = deploy(), expected(emulator)
    assert not run(stack).failed
    before = states(emulator)
    emulator.forget_mails()
    emulator.fail(denied("iam:GetAccountSummary"))
    answer = run(stack)
    assert answer.error_type == "Collect"
    assert "GetAccountSummary failed: AccessDenied" in answer.error_message
    # The report shows the same, so nothing is new; the failed source is reported.
    assert states(emulator) == before and before.keys() == should.keys()
    (mail,) = emulator.mails()
    assert numbers(mail)["new"] == numbers(mail)["resolved"] == 0
    assert "GetAccountSummary failed" in section(mail, "WHAT WENT WRONG")


def test_a_finding_that_only_the_summary_could_close_stays_open_without_it(deploy: Deploy, emulator: Emulator) -> None:
    stack = deploy()
    run(stack)
    emulator.change_account("delete-root-keys")
    emulator.fail(denied("iam:GetAccountSummary"))
    emulator.forget_mails()
    run(stack)
    assert states(emulator)[identity("root-access-key-present", "root")] == ("ACTIVE", "FAILED", "NOTIFIED")
    assert states(emulator)[identity("root-access-key-active", "root")][:2] == ("ARCHIVED", "PASSED")
    (mail,) = emulator.mails()
    assert "root-access-key-present" in section(mail, "COULD NOT BE EVALUATED")
    assert "root-access-key-present" not in ended(mail)


@pytest.mark.parametrize(
    "text",
    ["", "user,arn", "<html>maintenance</html>", "user,arn,user,arn\na,b,c,d"],
    ids=["empty", "no rows", "no CSV", "repeated header"],
)
def test_a_report_that_cannot_be_parsed_closes_nothing(deploy: Deploy, emulator: Emulator, text: str) -> None:
    stack = deploy()
    run(stack)
    before = states(emulator)
    emulator.forget_mails()
    emulator.change_account("report", text=text)
    assert run(stack).error_type == "Collect"
    assert states(emulator) == before
    (mail,) = emulator.mails()
    assert numbers(mail)["resolved"] == 0 and numbers(mail)["could not be evaluated"] > 0
    assert "access-key-not-rotated" in section(mail, "COULD NOT BE EVALUATED")


def test_a_report_without_the_root_user_closes_nothing(deploy: Deploy, emulator: Emulator) -> None:
    stack = deploy()
    run(stack)
    before = states(emulator)
    header, _root, user = emulator.report().split("\n")[:3]
    emulator.forget_mails()
    emulator.change_account("report", text=f"{header}\n{user}")
    run(stack)
    after = states(emulator)
    assert after.pop(identity("credential-report-unreadable", "root")) == OPEN and after == before
    (mail,) = emulator.mails()
    assert "root-access-key-active" in section(mail, "COULD NOT BE EVALUATED")


def test_a_report_without_the_root_user_is_reported_if_nothing_was_open(deploy: Deploy, emulator: Emulator) -> None:
    emulator.change_account("load", name="clean")
    stack = deploy()
    run(stack)
    assert emulator.mails() == []
    header, _root, user = emulator.report().split("\n")[:3]
    emulator.change_account("report", text=f"{header}\n{user}")
    run(stack)
    (mail,) = emulator.mails()
    assert "root-access-key-active" in section(mail, "COULD NOT BE EVALUATED")


def test_a_row_that_cannot_be_assigned_closes_nothing_of_its_user(deploy: Deploy, emulator: Emulator) -> None:
    stack = deploy()
    run(stack)
    before = states(emulator)
    lines = emulator.report().split("\n")
    lines = ["etl,what,is,this" if line.startswith("etl,") else line for line in lines]
    emulator.forget_mails()
    emulator.change_account("report", text="\n".join(lines))
    run(stack)
    after = states(emulator)
    blind = identity("credential-report-unreadable", "user/etl")
    assert after.pop(blind) == OPEN and after == before
    (mail,) = emulator.mails()
    assert "User etl" in section(mail, "NEW") and "user/etl" in section(mail, "COULD NOT BE EVALUATED")
    emulator.forget_mails()
    run(stack)
    assert emulator.mails() == [], "an unreadable row is reported once"


def test_a_row_without_a_valid_name_is_reported_on_the_account(deploy: Deploy, emulator: Emulator) -> None:
    stack = deploy()
    run(stack)
    before = states(emulator)
    emulator.change_account("report", text=emulator.report().replace("\netl,", "\netl\x07\u00e9,"))
    run(stack)
    after = states(emulator)
    assert after.pop(identity("credential-report-unreadable", "account")) == OPEN and after == before
    emulator.forget_mails()
    run(stack)
    assert emulator.mails() == []
    emulator.change_account("report", text=None)
    run(stack)
    after = states(emulator)
    assert after.pop(identity("credential-report-unreadable", "account"))[0] == "ARCHIVED" and after == before


def test_a_column_that_cannot_be_read_fails_every_run(deploy: Deploy, emulator: Emulator) -> None:
    stack = deploy()
    run(stack)
    before = states(emulator)
    emulator.change_account("report", text=emulator.report().replace(",mfa_active,", ",mfa,"))
    for _ in range(2):
        emulator.forget_mails()
        answer = run(stack)
        assert (answer.error_type, answer.error_message) == (
            "Collect",
            "the credential report has no column mfa_active",
        )
        (mail,) = emulator.mails()
        assert "no column mfa_active" in section(mail, "WHAT WENT WRONG IN THIS RUN")
    after = states(emulator)
    assert after.pop(identity("credential-report-unreadable", "account")) == OPEN and after == before
    assert numbers(mail)["new"] == 0


def test_a_key_whose_date_cannot_be_read_closes_nothing_of_its_user(deploy: Deploy, emulator: Emulator) -> None:
    stack = deploy()
    run(stack)
    before = {one: state for one, state in states(emulator).items() if "/user/etl" in one}
    assert len(before) == 3
    rows = emulator.report().split("\n")
    (place,) = [place for place, row in enumerate(rows) if row.startswith("etl,")]
    cells = rows[place].split(",")
    cells[HEADER.split(",").index("access_key_1_last_rotated")] = "long ago"
    rows[place] = ",".join(cells)
    emulator.change_account("report", text="\n".join(rows))
    run(stack)
    assert before.items() <= states(emulator).items()


def test_a_name_with_an_unquoted_comma_closes_nothing(deploy: Deploy, emulator: Emulator) -> None:
    stack = deploy()
    run(stack)
    before = states(emulator)
    assert '"' in emulator.report()
    emulator.change_account("report", text=emulator.report().replace('"', ""))
    run(stack)
    assert states(emulator) == before


def test_while_the_hub_is_off_the_alert_is_sent_as_without_security_hub(
    deploy: Deploy, emulator: Emulator, hub: Any
) -> None:
    stack, should = deploy(), expected(emulator)
    hub.disable_security_hub()
    for _ in range(2):
        emulator.forget_mails()
        answer = run(stack)
        assert answer.error_type == "Recall"
        assert "GetFindings failed: InvalidAccessException" in answer.error_message
        (mail,) = emulator.mails()
        assert "GetFindings failed" in section(mail, "WHAT WENT WRONG")
        assert numbers(mail)["new"] == len(alerted(should))
        assert emulator.published()[-1]["attributes"]["new_findings"] == ("Number", str(len(alerted(should))))
    assert not {"securityhub:BatchImportFindings", "securityhub:BatchUpdateFindings"} & emulator.calls().keys()


def test_while_the_hub_is_off_a_clean_account_is_alerted_too(deploy: Deploy, emulator: Emulator, hub: Any) -> None:
    emulator.change_account("load", name="clean")
    stack = deploy()
    hub.disable_security_hub()
    assert run(stack).error_type == "Recall"
    (mail,) = emulator.mails()
    assert numbers(mail)["new"] == 0
    assert "GetFindings failed" in section(mail, "WHAT WENT WRONG")


def test_an_incomplete_recall_changes_nothing(deploy: Deploy, emulator: Emulator) -> None:
    emulator.change_account("load", name="failing:120")
    stack = deploy()
    assert not run(stack).failed
    before = emulator.own_findings()
    assert len(before) > 100
    emulator.forget_mails()
    emulator.forget_calls()
    emulator.change_account("delete-user", name="user-0000")
    emulator.fail(denied("securityhub:GetFindings", after=1))
    answer = run(stack)
    assert answer.error_type == "Recall"
    assert emulator.own_findings() == before
    assert len(emulator.mails()) == 1
    assert not {"securityhub:BatchImportFindings", "securityhub:BatchUpdateFindings"} & emulator.calls().keys()


def test_findings_that_were_not_imported_are_in_the_alert_and_stay_unmarked(deploy: Deploy, emulator: Emulator) -> None:
    stack, should = deploy(), expected(emulator)
    emulator.fail(denied("securityhub:BatchImportFindings"))
    answer = run(stack)
    assert answer.error_type == "Import"
    assert "BatchImportFindings failed: AccessDeniedException" in answer.error_message
    assert emulator.own_findings() == {}
    assert "securityhub:BatchUpdateFindings" not in emulator.calls()
    (mail,) = emulator.mails()
    assert "AccessDeniedException" in section(mail, "NOT WRITTEN TO SECURITY HUB")
    assert numbers(mail)["new"] == len(alerted(should))
    assert emulator.published()[-1]["attributes"]["new_findings"] == ("Number", str(len(alerted(should))))
    emulator.fail()
    emulator.forget_mails()
    assert not run(stack).failed
    assert states(emulator).keys() == should.keys()
    assert len(emulator.mails()) == 1


def test_findings_that_were_not_written_are_reported_even_if_not_new(deploy: Deploy, emulator: Emulator) -> None:
    stack, should = deploy(), expected(emulator)
    run(stack)
    before = emulator.own_findings()
    emulator.forget_mails()
    emulator.fail(denied("securityhub:BatchImportFindings"))
    assert run(stack).error_type == "Import"
    assert emulator.own_findings() == before
    (mail,) = emulator.mails()
    assert numbers(mail) == {"new": 0, "resolved": 0, "still open": len(should)}
    assert "root-mfa-disabled" in section(mail, "NOT WRITTEN TO SECURITY HUB")


def test_a_failed_alert_is_sent_by_the_next_run(deploy: Deploy, emulator: Emulator) -> None:
    stack = deploy()
    run(stack)
    emulator.forget_mails()
    emulator.change_account("delete-root-keys")
    emulator.change_account("root-mfa", kind="virtual")
    emulator.fail(denied("sns:Publish"))
    answer = run(stack)
    assert answer.error_type == "Alert"
    assert "Publish failed: AuthorizationError" in answer.error_message
    assert emulator.mails() == []
    after = states(emulator)
    for check in ROOT_CHECKS:
        assert after[identity(check, "root")] == ("ACTIVE", "FAILED", "NOTIFIED")
    assert after[identity("root-hardware-mfa-missing", "root")] == ("ACTIVE", "FAILED", "NEW")
    emulator.fail()
    assert not run(stack).failed
    after = states(emulator)
    assert after[identity("root-access-key-active", "root")][:2] == ("ARCHIVED", "PASSED")
    assert after[identity("root-hardware-mfa-missing", "root")] == ("ACTIVE", "FAILED", "NOTIFIED")
    (mail,) = emulator.mails()
    assert numbers(mail)["new"] == 1 and "(root-hardware-mfa-missing)" in section(mail, "NEW")
    assert numbers(mail)["resolved"] == len(RESOLVED_WITH_ROOT_KEYS) + 1
    for check in (*RESOLVED_WITH_ROOT_KEYS, "root-mfa-disabled"):
        assert f"({check})" in ended(mail)


def test_findings_that_were_not_marked_are_alerted_again(deploy: Deploy, emulator: Emulator) -> None:
    stack, should = deploy(), expected(emulator)
    emulator.fail(denied("securityhub:BatchUpdateFindings"))
    answer = run(stack)
    assert not answer.failed
    assert answer.payload["alert"] == "sent"
    assert "BatchUpdateFindings failed: AccessDeniedException" in str(answer.payload["errors"])
    assert {status for _, _, status in states(emulator).values()} == {"NEW"}
    emulator.fail()
    emulator.forget_mails()
    run(stack)
    (mail,) = emulator.mails()
    assert numbers(mail)["new"] == len(alerted(should))
    assert {one for one, (_, _, status) in states(emulator).items() if status == "NOTIFIED"} == alerted(should)


def test_if_suppressions_cannot_be_read_all_is_reported_and_nothing_marked(deploy: Deploy, emulator: Emulator) -> None:
    stack = deploy()
    run(stack)
    before = states(emulator)
    emulator.change_account("add-key", name="newcomer", created="-300d")
    emulator.suppress({"GeneratorId": [{"Value": "credwarden/access-key-never-used", "Comparison": "EQUALS"}]})
    # The first two calls read the open and the closed findings.
    emulator.fail(denied("securityhub:GetFindings", after=2))
    emulator.forget_mails()
    answer = run(stack)
    (error,) = answer.payload["errors"]
    assert error.startswith(
        "could not read what was suppressed meanwhile, so that nothing is marked as reported: "
        "GetFindings failed: AccessDeniedException"
    )
    assert (answer.failed, answer.payload["alert"]) == (False, "sent")
    new = {one: state[2] for one, state in states(emulator).items() if one not in before}
    ruled = {one for one in new if "/access-key-never-used/" in one}
    assert ruled and new == {one: "SUPPRESSED" if one in ruled else "NEW" for one in new}
    (mail,) = emulator.mails()
    assert numbers(mail)["new"] == answer.payload["new"] == len(new)
    assert "GetFindings failed" in section(mail, "WHAT WENT WRONG")
    emulator.fail()
    emulator.forget_mails()
    answer = run(stack)
    (mail,) = emulator.mails()
    assert numbers(mail)["new"] == answer.payload["new"] == len(new) - len(ruled)
    after = {one: state[2] for one, state in states(emulator).items() if one in new}
    assert after == {one: "SUPPRESSED" if one in ruled else "NOTIFIED" for one in new}


def test_new_evidence_that_cannot_be_marked_is_kept_for_the_next_run(deploy: Deploy, emulator: Emulator) -> None:
    stack, used = deploy(), identity("root-user-recently-used", "root")
    run(stack)
    before = emulator.own_findings()[used]["ProductFields"]["credwarden/root-last-used"]
    emulator.change_account("use-root", when="-1m", service="sts")
    emulator.fail(denied("securityhub:BatchUpdateFindings"))
    for _ in range(2):
        emulator.forget_mails()
        assert not run(stack).failed
        (mail,) = emulator.mails()
        assert numbers(mail)["new"] == 1 and "(root-user-recently-used)" in section(mail, "NEW")
        # If the new evidence were stored, a run that dies here would never report it.
        assert emulator.own_findings()[used]["ProductFields"]["credwarden/root-last-used"] == before
    emulator.fail()
    emulator.forget_mails()
    run(stack)
    assert numbers(emulator.mails()[0])["new"] == 1
    assert states(emulator)[used] == ("ACTIVE", "FAILED", "NOTIFIED")
    assert "sts" in emulator.own_findings()[used]["Description"]
    run(stack)
    assert len(emulator.mails()) == 1


@pytest.mark.parametrize(
    ("action", "error_type"),
    [
        ("securityhub:GetFindings", "Recall"),
        ("securityhub:BatchImportFindings", "Import"),
        ("sns:Publish", "Alert"),
        ("securityhub:BatchUpdateFindings", None),
    ],
)
def test_a_permanent_failure_leaves_time_for_the_other_steps(
    deploy: Deploy, emulator: Emulator, action: str, error_type: str | None
) -> None:
    stack, should = deploy(edit=with_short_timeout), expected(emulator)
    emulator.fail(broken(action))
    answer = run(stack)
    assert answer.error_type == error_type
    assert "the service has a bad day" in (answer.error_message or str(answer.payload["errors"]))
    assert emulator.calls()[action]["count"] > 1
    assert len(emulator.mails()) == (action != "sns:Publish")
    written = action not in ("securityhub:GetFindings", "securityhub:BatchImportFindings")
    assert states(emulator).keys() == (should.keys() if written else set())


def test_missing_key_ids_do_not_fail_the_run(deploy: Deploy, emulator: Emulator) -> None:
    stack, should = deploy(), expected(emulator)
    emulator.fail(denied("iam:ListAccessKeys"))
    answer = run(stack)
    assert not answer.failed
    assert "ListAccessKeys failed: AccessDenied" in str(answer.payload["errors"])
    assert states(emulator).keys() == should.keys()
    assert "ListAccessKeys failed" in section(emulator.mails()[0], "WHAT WENT WRONG")
    emulator.forget_mails()
    run(stack)
    assert emulator.mails() == []


def test_all_failures_are_named(deploy: Deploy, emulator: Emulator, hub: Any) -> None:
    stack = deploy()
    hub.disable_security_hub()
    emulator.fail(denied("iam:GetAccountSummary"), denied("iam:GetCredentialReport"))
    answer = run(stack)
    assert answer.error_type == "Collect"
    lines = answer.error_message.split("\n")
    for line, operation in zip(lines, ("GetCredentialReport", "GetAccountSummary", "GetFindings"), strict=True):
        assert f"{operation} failed: " in line


def test_a_dry_run_succeeds_without_the_report(deploy: Deploy, emulator: Emulator) -> None:
    stack = deploy()
    emulator.fail(denied("iam:GetCredentialReport"))
    answer = stack.invoke({"dry_run": True})
    assert not answer.failed
    assert "GetCredentialReport" in str(answer.payload["errors"])
    assert answer.payload["counts"]["UNKNOWN"] > 0


@pytest.mark.parametrize("scheduled", [False, True], ids=["asynchronous", "scheduled"])
@pytest.mark.parametrize("retries", [0, 1])
def test_a_failed_run_is_kept_in_the_queue(deploy: Deploy, emulator: Emulator, scheduled: bool, retries: int) -> None:
    stack = deploy(MaximumRetryAttempts=str(retries)) if retries else deploy()
    emulator.fail(denied("iam:GetCredentialReport"))
    if scheduled:
        emulator.fire_schedules()
    else:
        stack.invoke_asynchronously()
    (kept,) = wait_for(lambda: stack.receive(stack.outputs["FailedRunQueueUrl"]), 60, "message of the failed run")
    assert kept["responsePayload"]["errorType"] == "Collect"
    assert "GetCredentialReport" in kept["responsePayload"]["errorMessage"]
    assert kept["requestContext"]["condition"] == "RetriesExhausted"
    assert stack.finished_runs() == len(emulator.mails()) == 1 + retries


def test_invalid_settings_stop_the_function_at_the_start(deploy: Deploy, emulator: Emulator) -> None:
    def set_invalid(template: dict) -> None:
        variables = template["Resources"]["CheckerFunction"]["Properties"]["Environment"]["Variables"]
        variables["CREDWARDEN_ACCESS_KEY_MAX_AGE_DAYS"] = "ninety"
        variables["CREDWARDEN_DISABLED_CHECKS"] = "root-moon-phase"
        variables["CREDWARDEN_ACCOUNT_NAME"] = "x" * 65

    stack = deploy(edit=set_invalid)
    answer = run(stack)
    assert answer.failed
    output = str(answer.payload) + "\n".join(stack.log_lines())
    for part in (
        "CREDWARDEN_ACCESS_KEY_MAX_AGE_DAYS",
        "ninety",
        "CREDWARDEN_DISABLED_CHECKS",
        "root-moon-phase",
        "CREDWARDEN_ACCOUNT_NAME",
        "at most 64 characters",
    ):
        assert part in output
    assert emulator.own_findings() == {}


def test_empty_settings_are_treated_as_unset(deploy: Deploy, emulator: Emulator) -> None:
    def empty(template: dict) -> None:
        variables = template["Resources"]["CheckerFunction"]["Properties"]["Environment"]["Variables"]
        for name in variables:
            if name.startswith("CREDWARDEN_") and name != "CREDWARDEN_TOPIC_ARN":
                variables[name] = ""

    stack, should = deploy(edit=empty), expected(emulator)
    assert not run(stack).failed
    assert states(emulator).keys() == should.keys()


def test_without_a_topic_there_are_findings_and_no_alert(deploy: Deploy, emulator: Emulator) -> None:
    def no_topic(template: dict) -> None:
        template["Resources"]["CheckerFunction"]["Properties"]["Environment"]["Variables"]["CREDWARDEN_TOPIC_ARN"] = ""

    stack = deploy(edit=no_topic)
    answer = run(stack)
    assert (answer.failed, answer.payload["alert"]) == (False, "off")
    assert "sns:Publish" not in emulator.calls()
    assert {status for _, _, status in states(emulator).values()} == {"NEW"}
