"""The emulated account behaves like AWS in the APIs that credwarden uses. Start and stop of the emulator."""

from __future__ import annotations

import csv
import io
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from emulator import clock, launcher, sample
from emulator.account import HEADER
from emulator.launcher import ACCOUNT
from emulator.process import Emulator, EmulatorFailed, wait_for
from emulator.stack import Stack
from emulator.traffic import Bucket
from processes import descendants, is_alive
from refusals import refusal
from roles import assumed

TESTS = Path(__file__).resolve().parent.parent


def report(emulator: Emulator) -> str:
    iam = emulator.client("iam")
    assert iam.generate_credential_report()["State"] == "COMPLETE"
    return iam.get_credential_report()["Content"].decode()


def rows(emulator: Emulator) -> dict[str, dict[str, str]]:
    return {row["user"]: row for row in csv.DictReader(io.StringIO(report(emulator)))}


def summary(emulator: Emulator) -> dict[str, int]:
    return emulator.client("iam").get_account_summary()["SummaryMap"]


# The credential report


def test_the_report_has_the_format_of_aws(emulator: Emulator) -> None:
    text = report(emulator)
    lines = text.split("\n")
    assert lines[0] == HEADER and len(HEADER.split(",")) == 22
    assert "\r" not in text and not text.endswith("\n")
    assert lines[1].startswith(f"<root_account>,arn:aws:iam::{ACCOUNT}:root,")
    names = [row[0] for row in csv.reader(lines)][2:]
    assert names == sorted(names, key=str.lower) and names != sorted(names)
    values = {value for row in csv.reader(lines[1:]) for value in row[2:]}
    timestamps = {value for value in values if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value)}
    regions_and_services = {
        value
        for row in rows(emulator).values()
        for name, value in row.items()
        if name.endswith(("_region", "_service"))
    } - {"N/A"}
    assert values - timestamps - regions_and_services == {"true", "false", "N/A", "no_information", "not_supported"}


def test_an_inactive_key_keeps_its_date(emulator: Emulator) -> None:
    row = rows(emulator)["exporter"]
    assert (row["access_key_1_active"], row["access_key_1_last_rotated"]) == ("false", "N/A")
    assert row["access_key_2_active"] == "false"
    assert row["access_key_2_last_rotated"] != "N/A"


def test_a_report_is_reused_until_the_account_is_changed_or_4_hours_have_passed(emulator: Emulator) -> None:
    iam = emulator.client("iam")
    before = report(emulator)
    emulator.change_account("delete-user", name="bob", keep_report=True)
    assert report(emulator) == before
    assert summary(emulator)["Users"] == len(before.split("\n")) - 3
    emulator.change_account("delete-user", name="alice")
    assert not {"alice", "bob"} & rows(emulator).keys()
    emulator.change_account("report", age="-3h")
    report(emulator)
    age = clock.now() - iam.get_credential_report()["GeneratedTime"]
    assert clock.offset("+3h") <= age < clock.offset("+3h1m")
    with pytest.raises(EmulatorFailed, match="4 hours"):
        emulator.change_account("report", age="-4h")


def test_generating_a_report_takes_several_calls(emulator: Emulator) -> None:
    iam = emulator.client("iam")
    assert refusal(iam.get_credential_report) == ("ReportNotPresent", 410, "Unknown")
    emulator.change_account("report", polls=3)
    first = iam.generate_credential_report()
    assert (first["State"], first["Description"]) == (
        "STARTED",
        "No report exists. Starting a new report generation task",
    )
    assert refusal(iam.get_credential_report) == ("ReportInProgress", 404, "Unknown")
    states = [iam.generate_credential_report()["State"] for _ in range(4)]
    assert states == ["INPROGRESS", "INPROGRESS", "COMPLETE", "COMPLETE"]
    assert iam.get_credential_report()["ReportFormat"] == "text/csv"


def test_another_report_can_be_served(emulator: Emulator) -> None:
    emulator.change_account("report", text="user,arn\nnobody,x")
    assert report(emulator) == "user,arn\nnobody,x"
    emulator.change_account("report")
    assert "alice" in rows(emulator)


@pytest.mark.parametrize("name", ["sample", "clean", "bare", "users:30", "failing:30"])
def test_summary_and_report_agree(emulator: Emulator, name: str) -> None:
    emulator.change_account("load", name=name)
    root = rows(emulator)["<root_account>"]
    found = summary(emulator)
    slots = [root["access_key_1_last_rotated"], root["access_key_2_last_rotated"]]
    assert found["AccountAccessKeysPresent"] == int(slots != ["N/A", "N/A"])
    assert found["AccountMFAEnabled"] == int(root["mfa_active"] == "true")
    assert found["AccountPasswordPresent"] == int(root["password_enabled"] == "true")
    assert found["AccountSigningCertificatesPresent"] == int(
        {root["cert_1_last_rotated"], root["cert_2_last_rotated"]} != {"N/A"}
    )
    assert found["Users"] == len(rows(emulator)) - 1


def test_the_summary_can_disagree_and_can_lack_an_entry(emulator: Emulator) -> None:
    emulator.change_account("summary", AccountAccessKeysPresent=0, AccountPasswordPresent=-1)
    found = summary(emulator)
    assert found["AccountAccessKeysPresent"] == 0
    assert "AccountPasswordPresent" not in found


def test_the_root_user_changes(emulator: Emulator) -> None:
    def root() -> dict[str, str]:
        return rows(emulator)["<root_account>"]

    emulator.change_account("deactivate-root-keys")
    assert (root()["access_key_1_active"], root()["access_key_1_last_rotated"] != "N/A") == ("false", True)
    assert summary(emulator)["AccountAccessKeysPresent"] == 1
    emulator.change_account("delete-root-keys")
    assert root()["access_key_1_last_rotated"] == root()["access_key_2_last_rotated"] == "N/A"
    assert summary(emulator)["AccountAccessKeysPresent"] == 0
    emulator.change_account("add-root-key", created="-2h")
    emulator.change_account("use-root", when="-5m", service="sts")
    assert (root()["access_key_1_active"], root()["access_key_1_last_used_service"]) == ("true", "sts")
    for kind, virtual in (("virtual", True), ("hardware", False)):
        emulator.change_account("root-mfa", kind=kind)
        devices = emulator.client("iam").list_virtual_mfa_devices(AssignmentStatus="Assigned")["VirtualMFADevices"]
        assert any(device["User"]["Arn"].endswith(":root") for device in devices) is virtual
        assert (root()["mfa_active"], summary(emulator)["AccountMFAEnabled"]) == ("true", 1)


def test_virtual_devices_come_in_pages(emulator: Emulator) -> None:
    iam = emulator.client("iam")
    whole = iam.list_virtual_mfa_devices(AssignmentStatus="Assigned")
    pages = list(iam.get_paginator("list_virtual_mfa_devices").paginate(PaginationConfig={"PageSize": 1}))
    assert len(pages) == len(whole["VirtualMFADevices"]) > 1 and not whole["IsTruncated"]
    assert iam.list_virtual_mfa_devices(AssignmentStatus="Unassigned")["VirtualMFADevices"] == []


def test_the_keys_of_the_report_are_those_of_iam(emulator: Emulator) -> None:
    iam = emulator.client("iam")
    for name, row in rows(emulator).items():
        if name == "<root_account>":
            continue
        reported = {(row[f"access_key_{slot}_last_rotated"], row[f"access_key_{slot}_active"]) for slot in (1, 2)}
        listed = {
            (clock.stamp(key["CreateDate"]), str(key["Status"] == "Active").lower())
            for key in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]
        }
        assert listed == reported - {("N/A", "false")}
    assert refusal(iam.list_access_keys, UserName="missing")[:2] == ("NoSuchEntity", 404)


def test_ssh_keys_come_in_pages(emulator: Emulator) -> None:
    iam, before = emulator.client("iam"), report(emulator)
    assert iam.list_ssh_public_keys(UserName="bob")["SSHPublicKeys"] == []
    for uploaded, status in (("-300d", "Inactive"), ("-2d", "Active"), ("-1h", "Active")):
        emulator.change_account("add-ssh-key", name="bob", uploaded=uploaded, status=status)
    whole = iam.list_ssh_public_keys(UserName="bob")
    keys = whole["SSHPublicKeys"]
    assert not whole["IsTruncated"] and "Marker" not in whole
    assert [key["Status"] for key in keys] == ["Inactive", "Active", "Active"]
    assert {key["UserName"] for key in keys} == {"bob"}
    assert len({key["SSHPublicKeyId"] for key in keys}) == 3
    assert all(re.fullmatch(r"APKA\w{17}", key["SSHPublicKeyId"]) for key in keys)
    assert clock.now() - keys[0]["UploadDate"] >= clock.offset("+300d")
    first = iam.list_ssh_public_keys(UserName="bob", MaxItems=2)
    assert first["IsTruncated"] and first["SSHPublicKeys"] == keys[:2]
    second = iam.list_ssh_public_keys(UserName="bob", MaxItems=2, Marker=first["Marker"])
    assert not second["IsTruncated"] and second["SSHPublicKeys"] == keys[2:]
    assert iam.list_ssh_public_keys(UserName="alice")["SSHPublicKeys"] == []
    assert refusal(iam.list_ssh_public_keys, UserName="missing")[:2] == ("NoSuchEntity", 404)
    assert report(emulator) == before
    emulator.change_account("delete-ssh-keys", name="bob")
    assert iam.list_ssh_public_keys(UserName="bob")["SSHPublicKeys"] == []


def test_changes_through_iam_are_in_the_next_report(emulator: Emulator) -> None:
    iam = emulator.client("iam")
    (key,) = iam.list_access_keys(UserName="bob")["AccessKeyMetadata"]
    iam.update_access_key(UserName="bob", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    assert rows(emulator)["bob"]["access_key_1_active"] == "false"
    iam.delete_access_key(UserName="bob", AccessKeyId=key["AccessKeyId"])
    iam.delete_login_profile(UserName="bob")
    iam.delete_user(UserName="newcomer")
    emulator.change_account("report")
    after = rows(emulator)
    assert (after["bob"]["access_key_1_last_rotated"], after["bob"]["password_enabled"]) == ("N/A", "false")
    assert "newcomer" not in after


@pytest.mark.parametrize("count", [1000, 5000])
def test_an_account_can_be_large(emulator: Emulator, count: int) -> None:
    emulator.change_account("load", name=f"failing:{count}")
    assert len(report(emulator).split("\n")) == count + 2


def test_an_unknown_account_is_refused_with_the_known_names(emulator: Emulator) -> None:
    with pytest.raises(EmulatorFailed, match="failing:N"):
        emulator.change_account("load", name="simple")


# Regions and the organization


def regions(emulator: Emulator, **parameters: Any) -> dict[str, str]:
    answer = emulator.client("ec2").describe_regions(**parameters)["Regions"]
    assert all(one["Endpoint"] == f"ec2.{one['RegionName']}.amazonaws.com" for one in answer)
    return {one["RegionName"]: one["OptInStatus"] for one in answer}


def test_the_enabled_regions_are_the_default_ones_and_those_opted_in_to(emulator: Emulator) -> None:
    default = regions(emulator)
    assert len(default) == 17 and set(default.values()) == {"opt-in-not-required"}
    emulator.set_regions("af-south-1", "eu-south-2")
    opted_in = {"af-south-1": "opted-in", "eu-south-2": "opted-in"}
    assert regions(emulator) == default | opted_in
    everything = regions(emulator, AllRegions=True)
    assert everything.items() >= (default | opted_in).items()
    others = {name: status for name, status in everything.items() if name not in default | opted_in}
    assert set(others.values()) == {"not-opted-in"} and "il-central-1" in others
    emulator.set_regions()
    assert regions(emulator) == default
    with pytest.raises(EmulatorFailed, match="no Region mars-north-1"):
        emulator.set_regions("mars-north-1")


def test_regions_can_be_selected(emulator: Emulator) -> None:
    assert regions(emulator, RegionNames=["eu-west-1", "il-central-1"]) == {
        "eu-west-1": "opt-in-not-required",
        "il-central-1": "not-opted-in",
    }
    status = {"Name": "opt-in-status", "Values": ["opted-in", "not-opted-in"]}
    assert regions(emulator, Filters=[status]) == {}
    assert len(regions(emulator, AllRegions=True, Filters=[status])) == 17
    assert regions(emulator, Filters=[{"Name": "endpoint", "Values": ["*us-east-?.*"]}]).keys() == {
        "us-east-1",
        "us-east-2",
    }
    ec2 = emulator.client("ec2")
    assert refusal(ec2.describe_regions, RegionNames=["mars-north-1"])[:2] == ("InvalidParameterValue", 400)
    assert refusal(ec2.describe_regions, Filters=[{"Name": "x", "Values": ["y"]}])[:2] == ("InvalidParameterValue", 400)


def test_the_account_is_a_member_of_an_organization_or_manages_it_or_is_in_none(emulator: Emulator) -> None:
    organizations = emulator.client("organizations")

    def management() -> str:
        found = organizations.describe_organization()["Organization"]
        manager, number = found["MasterAccountId"], found["Id"]
        assert found["Arn"] == f"arn:aws:organizations::{manager}:organization/{number}"
        assert found["MasterAccountArn"] == f"arn:aws:organizations::{manager}:account/{number}/{manager}"
        assert (found["FeatureSet"], found["MasterAccountEmail"]) == ("ALL", "management@example.com")
        assert found["AvailablePolicyTypes"] == [{"Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED"}]
        return manager

    assert management() == "444455556666"
    emulator.set_organization("management")
    assert management() == ACCOUNT
    emulator.set_organization(None)
    refused = refusal(organizations.describe_organization)
    assert refused == (
        "AWSOrganizationsNotInUseException",
        400,
        "Your account is not a member of an organization.",
    )
    emulator.set_organization("member")
    assert management() == "444455556666"
    with pytest.raises(EmulatorFailed, match="null"):
        emulator.set_organization("guest")


@pytest.mark.parametrize(
    ("action", "code"),
    [("ec2:DescribeRegions", "UnauthorizedOperation"), ("organizations:DescribeOrganization", "AccessDeniedException")],
)
def test_the_account_can_be_kept_from_its_regions_and_organization(emulator: Emulator, action: str, code: str) -> None:
    service, _, operation = action.partition(":")
    client = emulator.client(service, role=assumed(emulator, {"Action": action}))
    call = getattr(client, re.sub(r"(?<!^)([A-Z])", r"_\1", operation).lower())
    assert refusal(call)[0] == code
    emulator.fail({"action": action, "code": "Unavailable", "status": 503, "message": "later"})
    assert refusal(call) == ("Unavailable", 503, "later")
    assert emulator.calls()[action]["regions"] == {client.meta.region_name: 2}


def test_other_operations_are_those_of_ministack(emulator: Emulator) -> None:
    assert emulator.client("ec2").describe_vpcs()["Vpcs"]
    assert emulator.client("organizations").list_accounts()["Accounts"]
    assert emulator.client("cloudtrail").describe_trails()["trailList"] == []


# SNS


@pytest.fixture
def topic(emulator: Emulator) -> str:
    sns = emulator.client("sns")
    arn = sns.create_topic(Name="alerts")["TopicArn"]
    sns.subscribe(TopicArn=arn, Protocol="email", Endpoint="a@example.com")
    return arn


def test_a_mail_arrives_as_sns_sends_it(emulator: Emulator, topic: str) -> None:
    emulator.client("sns").publish(
        TopicArn=topic,
        Subject="Three new",
        MessageStructure="json",
        Message='{"default": "d", "email": "Dear all,\\n\\u00fc", "sqs": "{}"}',
    )
    (mail,) = emulator.mails()
    assert (mail["to"], mail["subject"]) == ("a@example.com", "Three new")
    assert mail["body"].startswith("Dear all,\nü\n\n--\nIf you wish to stop receiving notifications")
    assert "https://sns.eu-central-1.amazonaws.com/unsubscribe.html?SubscriptionArn=" in mail["body"]


def test_a_filter_policy_applies_to_mail(emulator: Emulator, topic: str) -> None:
    sns = emulator.client("sns")
    (subscription,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    sns.set_subscription_attributes(
        SubscriptionArn=subscription["SubscriptionArn"],
        AttributeName="FilterPolicy",
        AttributeValue='{"max_severity": ["CRITICAL"]}',
    )
    for severity in ("LOW", "CRITICAL"):
        sns.publish(
            TopicArn=topic,
            Message=severity,
            MessageAttributes={"max_severity": {"DataType": "String", "StringValue": severity}},
        )
    assert [mail["body"].split("\n")[0] for mail in emulator.mails()] == ["CRITICAL"]


@pytest.mark.parametrize(
    ("arguments", "accepted"),
    [
        ({"Message": "x", "Subject": "s" * 99}, True),
        ({"Message": "x", "Subject": "s" * 100}, False),
        ({"Message": "x", "Subject": "a\nb"}, False),
        ({"Message": "x", "Subject": "caf\u00e9"}, False),
        ({"Message": "x" * 262_144}, True),
        ({"Message": "x" * 262_145}, False),
        ({"Message": "\u00fc" * 131_073}, False),
        ({"Message": '{"default": "x"}', "MessageStructure": "json"}, True),
        ({"Message": '{"email": "x"}', "MessageStructure": "json"}, False),
        ({"Message": '{"default": 1}', "MessageStructure": "json"}, False),
        ({"Message": "x", "MessageStructure": "json"}, False),
    ],
)
def test_sns_refuses_what_it_cannot_send(emulator: Emulator, topic: str, arguments: dict, accepted: bool) -> None:
    sns = emulator.client("sns")
    if accepted:
        sns.publish(TopicArn=topic, **arguments)
    else:
        assert refusal(sns.publish, TopicArn=topic, **arguments)[:2] == ("InvalidParameter", 400)
    assert len(emulator.mails()) == accepted


# Start and stop


def start(*arguments: str, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "emulator", *arguments],
        cwd=TESTS,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_quietly(signal_number: int) -> None:
    process = start("--port", "0")
    assert process.stdout.readline().startswith("ready http://127.0.0.1:")
    process.send_signal(signal_number)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output, errors) == (0, "", "")


def test_it_ends_with_its_parent() -> None:
    process = start("--port", "0", "--exit-with-parent")
    assert process.stdout.readline().startswith("ready ")
    process.stdin.close()
    assert process.wait(60) == 0
    process.stdout.close()
    process.stderr.close()


def test_a_port_in_use_is_reported() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = start("--port", str(port))
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (1, "")
    assert errors == (
        f"emulator: port {port} is taken; end what uses it, or choose another with --port (0: any free one)\n"
    )


@pytest.mark.parametrize("port", ["65536", "-1", "http"])
def test_an_invalid_port_is_reported(port: str) -> None:
    process = start("--port", port)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert f"{port!r} is no port" in errors


def test_it_ends_at_once_while_the_function_runs(bootstrap: Path) -> None:
    with Emulator() as emulator:
        emulator.client("securityhub").enable_security_hub()
        stack = Stack(emulator, bootstrap)
        # It waits for minutes for a report that is never complete.
        emulator.change_account("report", polls=1000)
        stack.invoke_asynchronously()
        wait_for(lambda: emulator.calls().get("iam:GenerateCredentialReport"), 60, "call of the function")
        family = descendants(emulator.pid)
        assert len(family) == 1
        began = time.monotonic()
    assert time.monotonic() - began < 30
    assert [pid for pid in (emulator.pid, *family) if is_alive(pid)] == []


def test_an_unknown_account_is_reported() -> None:
    process = start("--account", "missing")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "no account 'missing'" in errors and "Traceback" not in errors


def test_another_ministack_version_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "_NEEDED", {"ministack.core.responses": ("get_moon_phase",)})
    with pytest.raises(launcher.WrongVersion, match=r"not MiniStack 1\.5\.33: it lacks .*get_moon_phase"):
        launcher._modules()


def test_it_listens_on_loopback_only(running: Emulator) -> None:
    port = int(running.url.rsplit(":", 1)[1])
    for address in {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}:
        if not address.startswith("127."):
            with pytest.raises(OSError), socket.create_connection((address, port), 1):
                pass


def test_the_function_inherits_nothing_of_the_callers_environment() -> None:
    mine = {"HOME": "/home/a", "AWS_PROFILE": "x", "HTTPS_PROXY": "p", "PATH": "/bin"}
    settings = launcher.environment(1, mine, "ERROR")
    assert settings["PATH"] == "/bin"
    assert not {"HOME", "AWS_PROFILE", "HTTPS_PROXY"} & settings.keys()


def test_times_are_relative() -> None:
    at = clock.moment("2026-03-01T12:00:00Z", clock.now())
    assert clock.stamp(clock.moment("-1d2h", at)) == "2026-02-28T10:00:00Z"
    assert clock.stamp(clock.moment("+90m", at)) == "2026-03-01T13:30:00Z"
    for wrong in ("1d", "-1w", "-", "yesterday"):
        with pytest.raises(ValueError):
            clock.moment(wrong, at)


def test_every_named_account_can_be_served() -> None:
    for name in ("sample", "clean", "bare", "users:3", "failing:3"):
        text = sample.named(name).anchored(clock.now()).report(ACCOUNT)
        assert {len(row) for row in csv.reader(text.split("\n"))} == {22}


def test_a_bucket_measures_calls_above_the_rate() -> None:
    bucket = Bucket(rate=10, burst=30)
    assert [round(bucket.burst - bucket.take(at)) for at in (0.0, 0.0, 0.1, 0.2, 0.2, 5.0)] == [1, 2, 2, 2, 3, 1]
    assert [bucket.take(6.0) for _ in range(32)][-1] == -2


def test_faults_occur_as_configured(emulator: Emulator) -> None:
    role = assumed(emulator)
    iam = emulator.client("iam", role=role)
    emulator.fail({"action": "iam:GetAccountSummary", "code": "Throttling", "status": 400, "times": 2, "after": 1})
    iam.get_account_summary()
    assert [refusal(iam.get_account_summary)[:2] for _ in range(2)] == [("Throttling", 400)] * 2
    iam.get_account_summary()
    assert emulator.calls()["iam:GetAccountSummary"]["errors"] == {"Throttling": 2}
    summary(emulator)
    assert emulator.calls()["iam:GetAccountSummary"]["count"] == 4


def test_plain_http_from_outside_is_denied_by_policies_that_require_tls(emulator: Emulator, topic: str) -> None:
    sns = emulator.client("sns")
    sns.set_topic_attributes(
        TopicArn=topic,
        AttributeName="Policy",
        AttributeValue=(
            '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "sns:Publish", '
            '"Resource": "' + topic + '", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]}'
        ),
    )
    role = assumed(emulator)
    client = emulator.client("sns", role=role)
    client.publish(TopicArn=topic, Message="x")

    def plain(request: Any, **_: Any) -> None:
        request.headers["x-forwarded-proto"] = "http"

    client.meta.events.register("before-send.sns.Publish", plain)
    assert refusal(client.publish, TopicArn=topic, Message="x")[1] == 403
    client.meta.events.unregister("before-send.sns.Publish", plain)
