"""Service-specific credentials, which are not in the credential report: found, stored, closed, and not listed by IAM."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from command_line import CommandLine
from emulator import asff
from emulator.launcher import ACCOUNT
from emulator.process import Emulator
from emulator.stack import Stack
from mails import numbers, section

Deploy = Callable[..., Stack]
CHECK = f"credwarden/service-credential-without-expiry/{ACCOUNT}/user/newcomer/credential/"
UNKNOWN = {"action": "iam:ListServiceSpecificCredentials", "code": "InvalidAction", "status": 400, "times": 1000}
DENIED = {**UNKNOWN, "code": "AccessDenied", "status": 403}


def stack_with_a_credential(deploy: Deploy, emulator: Emulator) -> tuple[Stack, str]:
    """Returns a stack after a run that found only one Bedrock API key, and the finding's identity."""
    stack = deploy()
    emulator.change_account("load", name="clean")
    emulator.change_account("add-credential", name="newcomer", created="-2d")
    summary = stack.invoke()
    assert not summary.failed and summary.payload["new"] == 1, summary.payload
    (one,) = emulator.own_findings()
    return stack, one


def test_an_api_key_that_never_expires_is_found_once(deploy: Deploy, emulator: Emulator) -> None:
    stack, one = stack_with_a_credential(deploy, emulator)
    finding = emulator.own_findings()[one]
    assert one.startswith(CHECK) and finding["Severity"]["Label"] == "HIGH"
    assert list(asff.problems({name: value for name, value in finding.items() if name != "Workflow"})) == []
    credential, user = finding["Resources"]
    assert (credential["Type"], credential["Id"]) == ("Other", f"{user['Id']}/credential/{one.removeprefix(CHECK)}")
    assert (user["Type"], user["Id"]) == ("AwsIamUser", f"arn:aws:iam::{ACCOUNT}:user/newcomer")
    assert finding["ProductFields"]["credwarden/ServiceName"] == "bedrock.amazonaws.com"
    (mail,) = emulator.mails()
    assert numbers(mail)["new"] == 1 and one.removeprefix(CHECK) in mail["body"]
    emulator.forget_mails()
    assert stack.invoke().payload["open"] == 1 and emulator.mails() == []


def test_the_commands_of_the_finding_resolve_it(deploy: Deploy, emulator: Emulator, tmp_path: Path) -> None:
    stack, one = stack_with_a_credential(deploy, emulator)
    emulator.forget_mails()
    commands = emulator.own_findings()[one]["ProductFields"]["credwarden/remediation"].splitlines()
    # The emulator's IAM creates no such credentials.
    with CommandLine(emulator, tmp_path) as shell:
        result = shell.run("\n".join(line for line in commands if "create-service" not in line))
        assert result.returncode == 0, result.stderr
    assert stack.invoke().payload["resolved"] == 1
    assert emulator.own_findings()[one]["RecordState"] == "ARCHIVED"
    (mail,) = emulator.mails()
    assert "newcomer" in section(mail, "RESOLVED")


def test_an_expired_key_is_reported_by_another_check(deploy: Deploy, emulator: Emulator) -> None:
    stack, one = stack_with_a_credential(deploy, emulator)
    emulator.change_account("expire-credentials", name="newcomer")
    assert stack.invoke().payload["resolved"] == 1
    records = {one.split("/")[1]: finding["RecordState"] for one, finding in emulator.own_findings().items()}
    assert records == {"service-credential-without-expiry": "ARCHIVED", "service-credential-inactive": "ACTIVE"}


def test_credentials_that_iam_does_not_list_stay_open(deploy: Deploy, emulator: Emulator) -> None:
    stack, one = stack_with_a_credential(deploy, emulator)
    before = emulator.own_findings()
    emulator.forget_mails()
    emulator.change_account("delete-credentials", name="newcomer")
    emulator.change_account("list-all-credentials", known=False)
    for fault in ([], [UNKNOWN]):
        emulator.fail(*fault)
        answer = stack.invoke()
        assert not answer.failed and answer.payload["errors"] == [] and answer.payload["open"] == 1, answer.payload
        assert emulator.own_findings() == before and emulator.mails() == []
    findings = stack.invoke({"dry_run": True}).payload["findings"]
    (unknown,) = [entry for entry in findings if entry["check"] == "service-credential-without-expiry"]
    assert (unknown["status"], unknown["subject"]["type"]) == ("UNKNOWN", "account")
    assert unknown["message"].startswith("IAM does not list the service-specific credentials of all users here.")


def test_a_refusal_fails_the_run_and_closes_nothing(deploy: Deploy, emulator: Emulator) -> None:
    stack, one = stack_with_a_credential(deploy, emulator)
    emulator.forget_mails()
    emulator.change_account("delete-credentials", name="newcomer")
    emulator.fail(DENIED)
    answer = stack.invoke()
    assert answer.failed and answer.payload["errorType"] == "Collect", answer.payload
    assert "ListServiceSpecificCredentials failed: AccessDenied" in answer.payload["errorMessage"]
    assert emulator.own_findings()[one]["RecordState"] == "ACTIVE"
    (mail,) = emulator.mails()
    assert "ListServiceSpecificCredentials" in section(mail, "COULD NOT BE EVALUATED")
    emulator.fail()
    assert stack.invoke().payload["resolved"] == 1


def test_credentials_are_listed_in_pages(emulator: Emulator) -> None:
    for _ in range(3):
        emulator.change_account("add-credential", name="alice")
    iam = emulator.client("iam")
    first = iam.list_service_specific_credentials(AllUsers=True, MaxItems=2)
    assert first["IsTruncated"] and len(first["ServiceSpecificCredentials"]) == 2
    last = iam.list_service_specific_credentials(AllUsers=True, MaxItems=2, Marker=first["Marker"])
    assert not last["IsTruncated"] and "Marker" not in last and len(last["ServiceSpecificCredentials"]) == 1
