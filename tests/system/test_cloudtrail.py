"""The emulated account's CloudTrail events are looked up as in AWS: by Region, attribute and time, in pages, at a rate."""

from __future__ import annotations

import csv
import io
import json
import random
import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import boto3
import botocore.exceptions
import pytest
from botocore.config import Config

from emulator import clock
from emulator.account import ROOT, key_id
from emulator.launcher import ACCOUNT, REGION, SECRET
from emulator.process import Emulator, EmulatorFailed, wait_for
from emulator.records import (
    FARGATE,
    GITHUB,
    assume_role,
    assumed_root,
    console_login,
    data_event,
    from_address,
    from_endpoint,
    iam_user,
    on_behalf,
    record,
    refused_with,
    role_session,
    root,
    root_session,
    series,
    service,
    sso_session,
)
from refusals import refusal
from roles import assumed

ACTION = "cloudtrail:LookupEvents"
HOME = "us-east-1"
IAM = "iam.amazonaws.com"
OTHER_ACCOUNT = {"AccessKeyId": "222233334444", "SecretAccessKey": SECRET, "SessionToken": None}


@pytest.fixture
def history(emulator: Emulator) -> Emulator:
    """The emulator without the events of its account."""
    emulator.forget_events()
    return emulator


def lookup(emulator: Emulator, region: str = HOME, role: dict | None = None, **parameters: Any) -> dict:
    """Looks up events, again until the rate limit allows it."""
    client = emulator.client("cloudtrail", region=region, role=role)

    def answer() -> dict | None:
        try:
            return client.lookup_events(**parameters)
        except client.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "ThrottlingException":
                raise
            return None

    return wait_for(answer, 60, "lookup below the rate limit")


def pages(emulator: Emulator, **parameters: Any) -> list[list[dict]]:
    found, token = [], {}
    while True:
        answer = lookup(emulator, **parameters, **token)
        found.append(answer["Events"])
        if "NextToken" not in answer:
            return found
        token = {"NextToken": answer["NextToken"]}


def names(emulator: Emulator, **parameters: Any) -> list[str]:
    return [event["EventName"] for event in lookup(emulator, **parameters)["Events"]]


def by(key: str, value: str) -> list[dict]:
    return [{"AttributeKey": key, "AttributeValue": value}]


def refused(emulator: Emulator, **parameters: Any) -> tuple[str, int]:
    """Returns the error of a request that botocore itself would refuse."""
    return refusal(emulator.client("cloudtrail", region=HOME, checked=False).lookup_events, **parameters)[:2]


# Events


def test_an_event_is_made_of_its_record(history: Emulator) -> None:
    made = record(
        "CreateAccessKey",
        iam_user("alice"),
        "-2d",
        parameters={"userName": "bob"},
        response={"accessKey": {"userName": "bob", "accessKeyId": "AKIAIOSFODNN7EXAMPLE", "status": "Active"}},
    )
    history.add_events(HOME, [made])
    (event,) = lookup(history)["Events"]
    assert json.loads(event.pop("CloudTrailEvent")) == made
    assert clock.stamp(event.pop("EventTime")) == made["eventTime"]
    assert event == {
        "EventId": made["eventID"],
        "EventName": "CreateAccessKey",
        "ReadOnly": "false",
        "AccessKeyId": key_id(ACCOUNT, "alice", 0),
        "EventSource": "iam.amazonaws.com",
        "Username": "alice",
        "Resources": [
            {"ResourceType": "AWS::IAM::AccessKey", "ResourceName": "AKIAIOSFODNN7EXAMPLE"},
            {"ResourceType": "AWS::IAM::User", "ResourceName": "bob"},
        ],
    }


@pytest.mark.parametrize(
    ("who", "username"),
    [
        (iam_user("alice"), "alice"),
        (root(key_id(ACCOUNT, ROOT, 0)), "root"),
        (root_session(mfa=True), "root"),
        (assumed_root(), "root"),
        (assumed_root(marked=False), "root"),
        (role_session("Admin", "ops"), "ops"),
        (sso_session("AdministratorAccess", "dave@example.com"), "dave@example.com"),
        (on_behalf(role_session("Admin", "ops"), "cloudformation.amazonaws.com"), "ops"),
        (service("ec2.amazonaws.com"), None),
    ],
)
def test_a_record_says_who_made_the_call(history: Emulator, who: dict, username: str | None) -> None:
    history.add_events(HOME, [record("GetUser", who)])
    (event,) = lookup(history)["Events"]
    assert (event.get("Username"), event.get("AccessKeyId")) == (username, who.get("accessKeyId"))
    assert event["ReadOnly"] == "true"
    stored = json.loads(event["CloudTrailEvent"])
    assert stored["userIdentity"] == who
    if "invokedBy" in who:
        assert (stored["sourceIPAddress"], stored["userAgent"]) == (who["invokedBy"], who["invokedBy"])


def test_identities_have_the_fields_of_aws() -> None:
    assert assumed_root()["sessionContext"]["assumedRoot"] == "true"
    assert "assumedRoot" not in assumed_root(marked=False)["sessionContext"]
    assert root_session(mfa=True)["sessionContext"]["attributes"]["mfaAuthenticated"] == "true"
    session = sso_session("AdministratorAccess", "dave@example.com")
    role = "AWSReservedSSO_AdministratorAccess_0123456789abcdef"
    assert session["arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/dave@example.com"
    issuer = session["sessionContext"]["sessionIssuer"]
    assert issuer["arn"] == f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/eu-central-1/{role}"


@pytest.mark.parametrize(("success", "mfa"), [(True, True), (True, False), (False, False)])
def test_a_sign_in_has_no_access_key(history: Emulator, success: bool, mfa: bool) -> None:
    history.add_events(HOME, [console_login(root(), mfa=mfa, success=success)])
    (event,) = lookup(history, LookupAttributes=by("EventName", "ConsoleLogin"))["Events"]
    assert (event["Username"], event["EventSource"], event["ReadOnly"]) == ("root", "signin.amazonaws.com", "false")
    assert "AccessKeyId" not in event
    stored = json.loads(event["CloudTrailEvent"])
    assert stored["eventType"] == "AwsConsoleSignIn"
    assert stored["additionalEventData"]["MFAUsed"] == ("Yes" if mfa else "No")
    assert stored["responseElements"] == {"ConsoleLogin": "Success" if success else "Failure"}
    assert ("errorMessage" in stored) is not success


def test_regions_have_their_own_events(history: Emulator) -> None:
    history.add_events(HOME, [record("CreateUser", root())])
    history.add_events("eu-west-1", [record("RunInstances", root(), region="eu-west-1", source="ec2.amazonaws.com")])
    assert names(history) == ["CreateUser"]
    assert names(history, region="eu-west-1") == ["RunInstances"]
    assert names(history, region="eu-west-2") == []
    assert names(history, role=OTHER_ACCOUNT) == []


def test_a_record_belongs_to_its_region(history: Emulator) -> None:
    with pytest.raises(EmulatorFailed, match="a record of us-east-1 is not in the history of eu-west-1"):
        history.add_events("eu-west-1", [record("CreateUser", root())])
    with pytest.raises(EmulatorFailed, match="lacks eventID, userIdentity"):
        history.add_events(HOME, [{"eventName": "x", "eventSource": "y", "eventTime": "z"}])
    with pytest.raises(EmulatorFailed, match="no Region mars-north-1"):
        history.add_events("mars-north-1", [])


def test_events_are_kept_for_90_days(history: Emulator) -> None:
    history.add_events(HOME, [record(f"Create{age}", root(), f"-{age}") for age in ("90d1m", "89d23h", "1d", "91d")])
    assert names(history) == ["Create1d", "Create89d23h"]
    assert names(history, StartTime=clock.now() - timedelta(days=365)) == ["Create1d", "Create89d23h"]


def test_another_account_has_its_own_events(emulator: Emulator) -> None:
    emulator.change_account("load", name="clean")
    assert names(emulator) == []
    emulator.change_account("load", name="sample")
    assert names(emulator, LookupAttributes=by("EventSource", IAM)) == ["CreateAccessKey", "CreateUser"]


def test_only_management_events_are_found(history: Emulator) -> None:
    data = record("GetObject", root(), source="s3.amazonaws.com", managementEvent=False, eventCategory="Data")
    insight = record("RunInstances", root(), eventCategory="Insight")
    history.add_events(HOME, [data, insight, record("CreateUser", root())])
    assert names(history) == ["CreateUser"]
    assert names(history, EventCategory="insight") == []


def test_a_record_says_where_the_call_came_from(history: Emulator) -> None:
    user, ec2 = iam_user("etl", slot=1), {"region": REGION, "source": "ec2.amazonaws.com"}
    history.add_events(
        REGION,
        [
            record("Describe1", user, "-4h", **ec2, **from_address("203.0.113.12", GITHUB)),
            record(
                "Describe2", user, "-3h", **ec2, **from_address("2001:db8::1", FARGATE), **refused_with("Forbidden")
            ),
            record("Describe3", user, "-2h", **ec2, **from_endpoint("vpce-0a1b", "10.0.1.17", "222233334444")),
            record("Describe4", on_behalf(user, "cloudformation.amazonaws.com"), "-1h", **ec2),
        ],
    )
    key = by("AccessKeyId", key_id(ACCOUNT, "etl", 1))
    found = lookup(history, region=REGION, LookupAttributes=key)["Events"]
    last, endpoint, rejected, first = (json.loads(event["CloudTrailEvent"]) for event in found)
    assert (first["sourceIPAddress"], first["userAgent"]) == ("203.0.113.12", GITHUB)
    assert (rejected["sourceIPAddress"], rejected["errorCode"]) == ("2001:db8::1", "Forbidden")
    assert (endpoint["vpcEndpointId"], endpoint["vpcEndpointAccountId"]) == ("vpce-0a1b", "222233334444")
    assert endpoint["sourceIPAddress"] == "10.0.1.17"
    assert last["sourceIPAddress"] == last["userIdentity"]["invokedBy"] == "cloudformation.amazonaws.com"
    assert "vpcEndpointId" not in first and "errorCode" not in first


def test_an_assumed_role_is_named_by_its_arn(history: Emulator) -> None:
    role = "arn:aws:iam::222233334444:role/ci/Deploy"
    history.add_events(HOME, [assume_role(iam_user("bob"), role, "-1h")])
    (event,) = lookup(history, LookupAttributes=by("ResourceName", role))["Events"]
    assert (event["EventName"], event["EventSource"], event["ReadOnly"]) == ("AssumeRole", "sts.amazonaws.com", "true")
    stored = json.loads(event["CloudTrailEvent"])
    assert stored["requestParameters"] == {"roleArn": role, "roleSessionName": "deploy"}
    assert stored["responseElements"]["credentials"]["accessKeyId"].startswith("ASIA")
    assert event["AccessKeyId"] == key_id(ACCOUNT, "bob", 0)


def test_data_events_are_not_in_the_history(history: Emulator) -> None:
    history.add_events(HOME, [data_event("GetObject", iam_user("backup"), "-1h"), record("ListUsers", root())])
    assert names(history) == ["ListUsers"]
    assert names(history, LookupAttributes=by("AccessKeyId", key_id(ACCOUNT, "backup", 0))) == []


def test_a_series_ends_with_its_last_record(history: Emulator) -> None:
    last = record("ListUsers", iam_user("bob"), "-1h")
    made = series(last, every="6h", over="2d")
    assert len({one["eventID"] for one in made}) == len(made) == 8
    times = [clock.moment(one["eventTime"], clock.now()) for one in made]
    assert clock.stamp(times[-1]) == last["eventTime"]
    assert {later - earlier for earlier, later in zip(times, times[1:], strict=False)} == {timedelta(hours=6)}
    history.add_events(HOME, made)
    assert len(names(history)) == 8


def test_many_records_in_any_order_are_found_fast(history: Emulator) -> None:
    key = by("AccessKeyId", key_id(ACCOUNT, "bob", 0))
    others = series(record("ListRoles", iam_user("etl"), "-1h"), every="5m", over="60d")
    made = series(record("ListUsers", iam_user("bob"), "-2h"), every="1h", over="8d")
    mixed = others + made
    random.Random(18).shuffle(mixed)
    history.add_events(HOME, mixed[:9000])
    assert len(names(history)) == 50
    history.add_events(HOME, mixed[9000:])
    lookup(history, LookupAttributes=key)
    began = time.monotonic()
    events = [event for page in pages(history, LookupAttributes=key) for event in page]
    # The rate limit allows 2 lookups a second, and there are 4 pages.
    assert time.monotonic() - began < 20
    assert [event["EventId"] for event in events] == [one["eventID"] for one in reversed(made)]
    oldest = clock.moment(others[0]["eventTime"], clock.now())
    assert len(lookup(history, EndTime=oldest + timedelta(minutes=10))["Events"]) == 3


def test_a_member_account_has_its_own_events(history: Emulator) -> None:
    other = OTHER_ACCOUNT["AccessKeyId"]
    history.add_events(HOME, [record("ListUsers", root(account=other), account=other)], account=other)
    assert names(history, role=OTHER_ACCOUNT) == ["ListUsers"]
    assert names(history) == []


def test_the_sample_account_has_events(emulator: Emulator) -> None:
    key = key_id(ACCOUNT, ROOT, 0)
    events = lookup(emulator, region=REGION, LookupAttributes=by("AccessKeyId", key))["Events"]
    assert [event["EventName"] for event in events] == ["DescribeInstances", "RunInstances"]
    (row,) = [row for row in csv.DictReader(io.StringIO(emulator.report())) if row["user"] == ROOT]
    assert (row["access_key_1_last_used_region"], row["access_key_1_last_used_service"]) == (REGION, "ec2")
    used = clock.moment(row["access_key_1_last_used_date"], clock.now())
    # The events are made a moment before the account.
    assert abs(used - events[0]["EventTime"]) < timedelta(seconds=10)
    found = lookup(emulator, LookupAttributes=by("EventSource", IAM))["Events"]
    made = {event["EventName"]: event["Username"] for event in found}
    assert made == {"CreateAccessKey": "ops", "CreateUser": "dave@example.com"}
    keys = emulator.client("iam").list_access_keys(UserName="fresh")["AccessKeyMetadata"]
    assert names(emulator, LookupAttributes=by("ResourceName", keys[0]["AccessKeyId"])) == ["CreateAccessKey"]


# Requests


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("EventName", "CreateUser", ["CreateUser"]),
        ("EventName", "createuser", []),
        ("Username", "root", ["CreateUser"]),
        ("Username", "alice", ["GetUser", "CreateBucket"]),
        ("AccessKeyId", key_id(ACCOUNT, "alice", 0), ["GetUser", "CreateBucket"]),
        ("EventSource", "s3.amazonaws.com", ["CreateBucket"]),
        ("ReadOnly", "true", ["GetUser"]),
        ("ReadOnly", "false", ["CreateUser", "CreateBucket"]),
        ("ResourceName", "bob", ["GetUser", "CreateUser"]),
        ("ResourceName", "arn:aws:s3:::bucket", ["CreateBucket"]),
        ("ResourceType", "AWS::S3::Bucket", ["CreateBucket"]),
    ],
)
def test_events_are_selected_by_an_attribute(history: Emulator, key: str, value: str, found: list[str]) -> None:
    bucket = [{"type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::bucket", "accountId": ACCOUNT}]
    alice, bob = iam_user("alice"), {"userName": "bob"}
    history.add_events(
        HOME,
        [
            record("CreateBucket", alice, "-3h", source="s3.amazonaws.com", resources=bucket),
            record("CreateUser", root(), "-2h", parameters=bob),
            record("GetUser", alice, "-1h", parameters=bob),
        ],
    )
    assert names(history, LookupAttributes=by(key, value)) == found


def test_an_event_is_found_by_its_id(history: Emulator) -> None:
    made = [record("CreateUser", root()) for _ in range(3)]
    history.add_events(HOME, made)
    (event,) = lookup(history, LookupAttributes=by("EventId", made[1]["eventID"]))["Events"]
    assert event["EventId"] == made[1]["eventID"]


def test_events_are_selected_by_time_with_both_ends_included(history: Emulator) -> None:
    made = [record(f"Create{hours}", root(), f"-{hours}h") for hours in (1, 2, 3, 4)]
    times = {one["eventName"]: clock.moment(one["eventTime"], clock.now()) for one in made}
    history.add_events(HOME, made)
    assert names(history, StartTime=times["Create3"], EndTime=times["Create2"]) == ["Create2", "Create3"]
    assert names(history, StartTime=times["Create2"]) == ["Create1", "Create2"]
    assert names(history, EndTime=times["Create3"]) == ["Create3", "Create4"]
    assert names(history, StartTime=times["Create3"], EndTime=times["Create3"]) == ["Create3"]


def test_pages_are_whole_and_newest_first(history: Emulator) -> None:
    # Groups of 7 events have the same time.
    made = [record("CreateUser", root(), f"-{number // 7}m") for number in range(120)]
    history.add_events(HOME, made[60:])
    history.add_events(HOME, made[:60])
    found = pages(history)
    assert [len(page) for page in found] == [50, 50, 20]
    events = [event for page in found for event in page]
    assert {event["EventId"] for event in events} == {one["eventID"] for one in made}
    assert [event["EventTime"] for event in events] == sorted((event["EventTime"] for event in events), reverse=True)
    small = [event for page in pages(history, MaxResults=40) for event in page]
    assert small == events


def test_a_new_event_does_not_change_the_next_page(history: Emulator) -> None:
    history.add_events(HOME, [record(f"Create{hours}", root(), f"-{hours}h") for hours in (2, 3, 4)])
    first = lookup(history, MaxResults=2)
    history.add_events(HOME, [record("CreateNow", root(), "-1h")])
    assert names(history, MaxResults=2, NextToken=first["NextToken"]) == ["Create4"]


def test_a_token_belongs_to_its_request(history: Emulator) -> None:
    for region in (HOME, "eu-west-1"):
        history.add_events(region, [record("CreateUser", root(), region=region) for _ in range(3)])
    same = {"MaxResults": 1, "LookupAttributes": by("Username", "root")}
    token = lookup(history, **same)["NextToken"]
    assert len(lookup(history, **same, NextToken=token)["Events"]) == 1
    others: Iterable[dict] = (
        {**same, "MaxResults": 2},
        {**same, "LookupAttributes": by("EventName", "CreateUser")},
        {**same, "StartTime": clock.now() - timedelta(days=1)},
        {**same, "region": "eu-west-1"},
        {**same, "NextToken": "bm9uZQ=="},
        {**same, "NextToken": "%"},
    )
    for other in others:
        assert refusal(lookup, emulator=history, **{"NextToken": token, **other})[:2] == (
            "InvalidNextTokenException",
            400,
        )


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"LookupAttributes": by("Username", "a") + by("EventName", "b")}, "InvalidLookupAttributesException"),
        ({"LookupAttributes": by("SourceIPAddress", "a")}, "InvalidLookupAttributesException"),
        ({"LookupAttributes": by("Username", "")}, "InvalidLookupAttributesException"),
        ({"StartTime": 1_700_000_001, "EndTime": 1_700_000_000}, "InvalidTimeRangeException"),
        ({"MaxResults": 0}, "InvalidMaxResultsException"),
        ({"MaxResults": 51}, "InvalidMaxResultsException"),
        ({"EventCategory": "management"}, "InvalidEventCategoryException"),
    ],
)
def test_an_invalid_request_is_refused(emulator: Emulator, parameters: dict, code: str) -> None:
    assert refused(emulator, **parameters) == (code, 400)


# Limits and failures


def test_lookups_are_limited_in_each_region(history: Emulator) -> None:
    client = history.client("cloudtrail", region=HOME)

    def throttled() -> dict | None:
        try:
            client.lookup_events()
        except botocore.exceptions.ClientError as error:
            return error.response
        return None

    response = wait_for(throttled, 60, "throttled lookup")
    assert response["Error"] == {"Code": "ThrottlingException", "Message": "Rate exceeded"}
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400
    history.client("cloudtrail", region="eu-west-1").lookup_events()
    history.client("cloudtrail", region=HOME, role=OTHER_ACCOUNT).lookup_events()
    assert names(history) == []


def test_two_lookups_at_once_are_allowed(history: Emulator) -> None:
    client = history.client("cloudtrail", region=HOME)
    assert [client.lookup_events()["Events"] for _ in range(2)] == [[], []]


def test_a_policy_can_deny_lookups_in_a_region(history: Emulator) -> None:
    condition = {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}
    role = assumed(history, {"Action": ACTION, "Condition": condition})
    assert names(history, role=role) == []
    denied = refusal(lookup, emulator=history, region="eu-west-1", role=role)
    assert denied[0] == "AccessDeniedException" and f"is not authorized to perform: {ACTION}" in denied[2]


def test_a_disabled_region_knows_no_credentials(history: Emulator) -> None:
    disabled = refusal(lookup, emulator=history, region="af-south-1")
    assert disabled[:2] == ("UnrecognizedClientException", 400)
    history.set_regions("af-south-1")
    history.add_events("af-south-1", [record("CreateKey", root(), region="af-south-1", source="kms.amazonaws.com")])
    assert names(history, region="af-south-1") == ["CreateKey"]


def test_one_region_can_be_made_to_fail(history: Emulator) -> None:
    role = assumed(history)
    refusing = {"action": ACTION, "region": "eu-west-1", "code": "AccessDeniedException", "message": "no", "times": 9}
    silent = {"action": ACTION, "region": "eu-west-2", "how": "silence", "times": 9}
    history.fail(refusing, silent)
    assert refusal(lookup, emulator=history, region="eu-west-1", role=role) == ("AccessDeniedException", 400, "no")
    waiting = boto3.client(
        "cloudtrail",
        endpoint_url=history.url,
        region_name="eu-west-2",
        aws_access_key_id=role["AccessKeyId"],
        aws_secret_access_key=role["SecretAccessKey"],
        aws_session_token=role["SessionToken"],
        config=Config(retries={"total_max_attempts": 1}, read_timeout=0.2),
    )
    with pytest.raises(botocore.exceptions.ReadTimeoutError):
        waiting.lookup_events()
    assert names(history, role=role) == []
    assert history.calls()[ACTION]["regions"] == {"eu-west-1": 1, "eu-west-2": 1, HOME: 1}
    assert history.calls()[ACTION]["errors"] == {"AccessDeniedException": 1, "silence": 1}


@pytest.mark.parametrize("region", [HOME, REGION, "ap-southeast-2", "il-central-1"])
def test_an_sdk_finds_every_service_by_its_endpoint_url(
    history: Emulator, monkeypatch: pytest.MonkeyPatch, region: str
) -> None:
    history.set_regions("il-central-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", history.url)
    session = boto3.Session(aws_access_key_id=ACCOUNT, aws_secret_access_key=SECRET, region_name=region)
    assert session.client("cloudtrail").lookup_events()["Events"] == []
    assert len(session.client("ec2").describe_regions()["Regions"]) == 18
    assert session.client("organizations").describe_organization()["Organization"]["Id"] == "o-exampleorgid"
    assert session.client("iam").list_ssh_public_keys(UserName="bob")["SSHPublicKeys"] == []
