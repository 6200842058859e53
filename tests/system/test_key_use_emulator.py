"""The emulated account says who uses its access keys, as AWS does: last use, network interfaces and addresses."""

from __future__ import annotations

import csv
import io
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import botocore.exceptions
import pytest
from botocore.config import Config

from emulator import audit, clock
from emulator.account import key_id
from emulator.launcher import ACCOUNT, REGION, SECRET
from emulator.networks import (
    address,
    elastic_address,
    interface,
    managed,
    of_function,
    of_instance,
    of_nat_gateway,
    of_task,
    of_vpc_endpoint,
)
from emulator.process import Emulator, EmulatorFailed, wait_for
from emulator.sample_key_use import TERRAFORM
from refusals import refusal
from roles import assumed

OTHER = "222233334444"
OTHER_ACCOUNT = {"AccessKeyId": OTHER, "SecretAccessKey": SECRET, "SessionToken": None}


# Network interfaces and addresses


@pytest.fixture
def networks(emulator: Emulator) -> Emulator:
    """The emulator without the networks of its account."""
    emulator.forget_networks()
    return emulator


def interfaces(emulator: Emulator, region: str = REGION, role: dict | None = None, **parameters: Any) -> list[dict]:
    client = emulator.client("ec2", region=region, role=role)
    return client.describe_network_interfaces(**parameters)["NetworkInterfaces"]


def test_an_interface_is_returned_as_it_was_added(networks: Emulator) -> None:
    added = of_instance(
        "i-1234567890abcdef0",
        address("10.0.1.17", "203.0.113.12", elastic=True),
        address("10.0.1.18", "198.51.100.7", primary=False),
        "10.0.1.19",
        ipv6=["2001:db8::1", "2001:db8::2"],
        attached="-40d",
        TagSet=[{"Key": "Name", "Value": "a & <b>"}],
    )
    networks.add_network_interfaces("us-east-1", [added])
    (found,) = interfaces(networks, "us-east-1")
    attached = found["Attachment"].pop("AttachTime")
    assert clock.stamp(attached) == added["Attachment"].pop("AttachTime")
    assert clock.offset("+40d") <= clock.now() - attached < clock.offset("+40d1m")
    assert found.pop("AvailabilityZone") == "us-east-1a"
    assert found.pop("PrivateDnsName") == "ip-10-0-1-17.ec2.internal"
    assert found["Association"].pop("PublicDnsName") == "ec2-203-0-113-12.compute-1.amazonaws.com"
    for one in found["PrivateIpAddresses"]:
        one.pop("PrivateDnsName")
        one.get("Association", {}).pop("PublicDnsName", None)
    assert found == added
    assert [one.get("Association", {}).get("IpOwnerId") for one in found["PrivateIpAddresses"]] == [
        ACCOUNT,
        "amazon",
        None,
    ]
    assert [one["Primary"] for one in found["PrivateIpAddresses"]] == [True, False, False]


def test_the_interfaces_of_services_have_their_types_and_descriptions(networks: Emulator) -> None:
    networks.add_network_interfaces(
        REGION,
        [
            of_nat_gateway("nat-0a1b", address("10.0.0.4", "198.51.100.20", elastic=True)),
            of_nat_gateway("nat-0a1c", "10.0.0.5", kind="natGateway"),
            of_task("web", address("10.0.0.6", "198.51.100.21")),
            of_function("report", "10.0.0.7"),
            of_vpc_endpoint("vpce-0a1b", "10.0.0.8"),
            interface("10.0.0.9", description="RDSNetworkInterface", requester="amazon-rds"),
        ],
    )
    found = interfaces(networks)
    assert [one["InterfaceType"] for one in found] == [
        "nat_gateway",
        "natGateway",
        "interface",
        "lambda",
        "vpc_endpoint",
        "interface",
    ]
    assert all(one["RequesterManaged"] and "InstanceId" not in one.get("Attachment", {}) for one in found)
    descriptions = [one["Description"] for one in found]
    assert descriptions[0] == "Interface for NAT Gateway nat-0a1b"
    assert descriptions[2].startswith(f"arn:aws:ecs:{REGION}:{ACCOUNT}:attachment/")
    assert descriptions[3].startswith("AWS Lambda VPC ENI-report-")
    assert descriptions[4] == "VPC Endpoint Interface vpce-0a1b"
    assert found[5]["Status"] == "available" and "Attachment" not in found[5]


def test_a_shared_network_has_interfaces_of_another_owner(networks: Emulator) -> None:
    networks.add_network_interfaces(REGION, [of_instance("i-0a1b", "10.0.0.4", owner=OTHER), interface("10.0.0.5")])
    found = interfaces(networks)
    assert [one["OwnerId"] for one in found] == [OTHER, ACCOUNT]
    assert found[0]["Attachment"]["InstanceOwnerId"] == OTHER


def test_hidden_managed_interfaces_are_listed_only_on_request(networks: Emulator) -> None:
    plain = interface("10.0.0.4")
    hidden = managed(of_instance("i-0a1b", "10.0.0.5"))
    shown = managed(of_instance("i-0a1c", "10.0.0.6"), hidden=False)
    networks.add_network_interfaces(REGION, [plain, hidden, shown])

    def addresses(**parameters: Any) -> list[str]:
        return [one["PrivateIpAddress"] for one in interfaces(networks, **parameters)]

    assert addresses() == addresses(IncludeManagedResources=False) == ["10.0.0.4", "10.0.0.6"]
    assert addresses(IncludeManagedResources=True) == ["10.0.0.4", "10.0.0.5", "10.0.0.6"]
    (found,) = interfaces(networks, IncludeManagedResources=True)[1:2]
    assert found["Operator"] == {"Managed": True, "Principal": "eks.amazonaws.com", "HiddenByDefault": True}


def test_interfaces_come_in_pages(networks: Emulator) -> None:
    networks.add_network_interfaces(REGION, [interface(f"10.0.{n // 200}.{n % 200 + 4}") for n in range(1012)])
    whole = interfaces(networks)
    assert len({one["NetworkInterfaceId"] for one in whole}) == 1012
    client = networks.client("ec2")
    found, token, sizes = [], {}, []
    while True:
        page = client.describe_network_interfaces(MaxResults=500, **token)
        found += page["NetworkInterfaces"]
        sizes.append(len(page["NetworkInterfaces"]))
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert (sizes, found) == ([500, 500, 12], whole)
    assert len(interfaces(networks, MaxResults=5)) == 5


def test_a_page_token_belongs_to_its_request(networks: Emulator) -> None:
    for region in (REGION, "eu-west-1"):
        networks.add_network_interfaces(region, [interface(f"10.0.0.{n}") for n in range(4, 24)])
    same = {"MaxResults": 5, "IncludeManagedResources": True}
    token = networks.client("ec2").describe_network_interfaces(**same)["NextToken"]
    assert len(interfaces(networks, **same, NextToken=token)) == 5
    for other in (
        {"MaxResults": 6},
        {"IncludeManagedResources": False},
        {"region": "eu-west-1"},
        {"role": OTHER_ACCOUNT},
        {"NextToken": "bm9uZQ=="},
        {"NextToken": "%"},
    ):
        refused = refusal(interfaces, emulator=networks, **{**same, "NextToken": token, **other})
        assert refused[:2] == ("InvalidPaginationToken", 400)


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"MaxResults": 4}, "InvalidParameterValue"),
        ({"MaxResults": 1001}, "InvalidParameterValue"),
        ({"NetworkInterfaceIds": ["eni-0000"]}, "InvalidNetworkInterfaceID.NotFound"),
        ({"Filters": [{"Name": "vpc-id", "Values": ["vpc-1"]}]}, "InvalidParameterValue"),
    ],
)
def test_an_invalid_request_for_interfaces_is_refused(networks: Emulator, parameters: dict, code: str) -> None:
    client = networks.client("ec2", checked=False)
    assert refusal(client.describe_network_interfaces, **parameters)[:2] == (code, 400)


def test_interfaces_can_be_selected_by_id(networks: Emulator) -> None:
    wanted = interface("10.0.0.5")
    networks.add_network_interfaces(REGION, [interface("10.0.0.4"), wanted])
    (found,) = interfaces(networks, NetworkInterfaceIds=[wanted["NetworkInterfaceId"]])
    assert found["PrivateIpAddress"] == "10.0.0.5"
    both = {"NetworkInterfaceIds": [wanted["NetworkInterfaceId"]], "MaxResults": 5}
    assert refusal(interfaces, emulator=networks, **both)[0] == "InvalidParameterCombination"


def test_elastic_addresses_name_what_has_them(networks: Emulator) -> None:
    server = of_instance("i-0a1b", address("10.0.0.4", "203.0.113.12", elastic=True))
    gateway = of_nat_gateway("nat-0a1b", address("10.0.0.5", "203.0.113.13", elastic=True))
    networks.add_addresses(
        REGION,
        [
            elastic_address("203.0.113.12", of=server),
            elastic_address("203.0.113.13", of=gateway),
            elastic_address("203.0.113.14", Tags=[{"Key": "Name", "Value": "spare"}]),
            elastic_address("203.0.113.15", ServiceManaged="rnat"),
        ],
    )
    client = networks.client("ec2")
    found = {one["PublicIp"]: one for one in client.describe_addresses()["Addresses"]}
    assert found["203.0.113.12"] == {
        "AllocationId": server["Association"]["AllocationId"],
        "AssociationId": server["Association"]["AssociationId"],
        "Domain": "vpc",
        "InstanceId": "i-0a1b",
        "NetworkBorderGroup": REGION,
        "NetworkInterfaceId": server["NetworkInterfaceId"],
        "NetworkInterfaceOwnerId": ACCOUNT,
        "PrivateIpAddress": "10.0.0.4",
        "PublicIp": "203.0.113.12",
        "PublicIpv4Pool": "amazon",
    }
    assert "InstanceId" not in found["203.0.113.13"] and "NetworkInterfaceId" not in found["203.0.113.14"]
    assert found["203.0.113.14"]["Tags"] == [{"Key": "Name", "Value": "spare"}]
    assert found["203.0.113.15"]["ServiceManaged"] == "rnat"
    assert len(client.describe_addresses(PublicIps=["203.0.113.14"])["Addresses"]) == 1
    assert refusal(client.describe_addresses, PublicIps=["203.0.113.99"])[0] == "InvalidAddress.NotFound"


def test_regions_and_accounts_have_their_own_networks(networks: Emulator) -> None:
    networks.add_network_interfaces("eu-west-1", [interface("10.0.0.4")])
    networks.add_network_interfaces("eu-west-1", [interface("10.0.0.5", owner=OTHER)], account=OTHER)
    networks.add_addresses("eu-west-1", [elastic_address("203.0.113.14")])
    assert [one["PrivateIpAddress"] for one in interfaces(networks, "eu-west-1")] == ["10.0.0.4"]
    assert [one["PrivateIpAddress"] for one in interfaces(networks, "eu-west-1", OTHER_ACCOUNT)] == ["10.0.0.5"]
    assert interfaces(networks) == interfaces(networks, role=OTHER_ACCOUNT) == []
    assert networks.client("ec2").describe_addresses()["Addresses"] == []
    assert networks.client("ec2", region="eu-west-1").describe_addresses()["Addresses"]
    networks.forget_networks()
    assert interfaces(networks, "eu-west-1") == []
    networks.reset()
    assert interfaces(networks, "eu-west-1", OTHER_ACCOUNT) == []


def test_a_wrong_network_is_reported(networks: Emulator) -> None:
    with pytest.raises(EmulatorFailed, match="no Region mars-north-1"):
        networks.add_network_interfaces("mars-north-1", [])
    with pytest.raises(EmulatorFailed, match="lacks PrivateIpAddresses"):
        networks.add_network_interfaces(REGION, [{"NetworkInterfaceId": "eni-0a1b"}])
    with pytest.raises(EmulatorFailed, match="lacks PublicIp"):
        networks.add_addresses(REGION, [{}])


@pytest.mark.parametrize("operation", ["DescribeNetworkInterfaces", "DescribeAddresses"])
def test_a_policy_can_deny_networks_in_a_region(networks: Emulator, operation: str) -> None:
    method = {"DescribeAddresses": "describe_addresses"}.get(operation, "describe_network_interfaces")
    condition = {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}
    role = assumed(networks, {"Action": f"ec2:{operation}", "Condition": condition})
    getattr(networks.client("ec2", role=role), method)()
    code, status, message = refusal(getattr(networks.client("ec2", region="eu-west-1", role=role), method))
    assert (code, status) == ("UnauthorizedOperation", 403)
    assert f"is not authorized to perform: ec2:{operation}" in message


def test_a_disabled_region_knows_no_credentials_of_ec2(networks: Emulator) -> None:
    client = networks.client("ec2", region="af-south-1")
    assert refusal(client.describe_network_interfaces)[:2] == ("AuthFailure", 401)
    assert refusal(client.describe_addresses)[:2] == ("AuthFailure", 401)
    networks.set_regions("af-south-1")
    assert client.describe_network_interfaces()["NetworkInterfaces"] == []


# The last use of access keys


def last_used(emulator: Emulator, user: str, slot: int = 0) -> tuple[str, dict]:
    found = emulator.client("iam").get_access_key_last_used(AccessKeyId=key_id(ACCOUNT, user, slot))
    return found["UserName"], found["AccessKeyLastUsed"]


def test_the_last_use_of_every_key_is_that_of_the_report(emulator: Emulator) -> None:
    keys = 0
    for row in csv.DictReader(io.StringIO(emulator.report())):
        for slot in (0, 1):
            column = f"access_key_{slot + 1}"
            if row["user"] == "<root_account>" or row[f"{column}_last_rotated"] == "N/A":
                continue
            user, used = last_used(emulator, row["user"], slot)
            assert user == row["user"]
            assert (used["Region"], used["ServiceName"]) == (
                row[f"{column}_last_used_region"],
                row[f"{column}_last_used_service"],
            )
            date = used.get("LastUsedDate")
            assert (clock.stamp(date) if date else "N/A") == row[f"{column}_last_used_date"]
            keys += 1
    assert keys >= 15


def test_a_key_that_was_never_used_has_no_date(emulator: Emulator) -> None:
    assert last_used(emulator, "unused") == ("unused", {"Region": "N/A", "ServiceName": "N/A"})
    made = emulator.client("iam").create_access_key(UserName="alice")["AccessKey"]
    found = emulator.client("iam").get_access_key_last_used(AccessKeyId=made["AccessKeyId"])
    assert (found["UserName"], found["AccessKeyLastUsed"]) == ("alice", {"Region": "N/A", "ServiceName": "N/A"})


def test_a_key_is_used_while_the_emulator_runs(emulator: Emulator) -> None:
    emulator.change_account("use-key", name="twins", slot=1, when="-5m", service="ec2", region="eu-west-1")
    user, used = last_used(emulator, "twins", 1)
    assert (user, used["ServiceName"], used["Region"]) == ("twins", "ec2", "eu-west-1")
    assert clock.now() - used["LastUsedDate"] < clock.offset("+6m")
    with pytest.raises(EmulatorFailed, match="no access key in slot 1"):
        emulator.change_account("use-key", name="bob", slot=1)


def test_an_unknown_key_is_denied(emulator: Emulator) -> None:
    client = emulator.client("iam")

    def denied(identity: str) -> None:
        code, status, message = refusal(client.get_access_key_last_used, AccessKeyId=identity)
        assert (code, status) == ("AccessDenied", 403)
        assert message.endswith(f"iam:GetAccessKeyLastUsed on resource: access key {identity}")

    denied("AKIAIOSFODNN7EXAMPLE")
    client.delete_access_key(UserName="bob", AccessKeyId=key_id(ACCOUNT, "bob", 0))
    denied(key_id(ACCOUNT, "bob", 0))


def test_a_member_account_has_the_last_uses_of_its_own_keys(emulator: Emulator) -> None:
    emulator.make_organization()
    iam = emulator.client("iam", role=audit.root("666677778888"))
    identity = key_id("666677778888", "user-0001", 0)
    found = iam.get_access_key_last_used(AccessKeyId=identity)
    assert (found["UserName"], found["AccessKeyLastUsed"]["ServiceName"]) == ("user-0001", "s3")
    assert refusal(emulator.client("iam").get_access_key_last_used, AccessKeyId=identity)[0] == "AccessDenied"


# The services that a user has accessed


def arn(user: str, path: str = "/") -> str:
    return f"arn:aws:iam::{ACCOUNT}:user{path}{user}"


def accessed(emulator: Emulator, user: str, path: str = "/") -> list[dict]:
    iam = emulator.client("iam")
    job = iam.generate_service_last_accessed_details(Arn=arn(user, path), Granularity="SERVICE_LEVEL")["JobId"]
    while True:
        found = iam.get_service_last_accessed_details(JobId=job)
        if found["JobStatus"] != "IN_PROGRESS":
            return found["ServicesLastAccessed"]


def test_the_services_of_a_user_are_those_of_its_keys_and_of_the_model(emulator: Emulator) -> None:
    for namespace, when in (("dynamodb", "-5d"), ("dynamodb", "-8d"), ("sqs", None), ("glue", "-500d")):
        emulator.change_account("use-service", name="etl", namespace=namespace, when=when, region="eu-west-1")
    found = {one["ServiceNamespace"]: one for one in accessed(emulator, "etl")}
    assert list(found) == ["dynamodb", "glue", "s3", "sqs"]
    assert found["sqs"] == {"ServiceName": "sqs", "ServiceNamespace": "sqs", "TotalAuthenticatedEntities": 0}
    dynamodb = found["dynamodb"]
    age = clock.now() - dynamodb["LastAuthenticated"]
    assert clock.offset("+5d") <= age < clock.offset("+5d1m")
    assert (dynamodb["LastAuthenticatedRegion"], dynamodb["TotalAuthenticatedEntities"]) == ("eu-west-1", 1)
    assert dynamodb["LastAuthenticatedEntity"] == arn("etl")
    assert found["glue"]["LastAuthenticatedRegion"] == "us-east-1"
    assert [one["ServiceNamespace"] for one in accessed(emulator, "metrics")] == ["cloudwatch"]
    assert [one["ServiceNamespace"] for one in accessed(emulator, "ci-deploy", "/ci/github/")] == ["ecr"]
    assert accessed(emulator, "unused") == []


def test_a_job_is_in_progress_before_it_is_completed(emulator: Emulator) -> None:
    iam = emulator.client("iam")
    emulator.change_account("last-accessed", polls=2)
    job = iam.generate_service_last_accessed_details(Arn=arn("backup"))["JobId"]
    assert len(job) == 36
    answers = [iam.get_service_last_accessed_details(JobId=job) for _ in range(4)]
    assert [one["JobStatus"] for one in answers] == ["IN_PROGRESS", "IN_PROGRESS", "COMPLETED", "COMPLETED"]
    assert "JobCompletionDate" not in answers[0] and "ServicesLastAccessed" not in answers[0]
    assert answers[2]["JobCreationDate"] <= answers[2]["JobCompletionDate"] == answers[3]["JobCompletionDate"]
    assert (answers[2]["JobType"], answers[2]["IsTruncated"]) == ("SERVICE_LEVEL", False)


def test_a_job_can_fail(emulator: Emulator) -> None:
    iam = emulator.client("iam")
    emulator.change_account("last-accessed", polls=0, failure="no report today")
    job = iam.generate_service_last_accessed_details(Arn=arn("backup"))["JobId"]
    found = iam.get_service_last_accessed_details(JobId=job)
    assert (found["JobStatus"], found["Error"]["Message"]) == ("FAILED", "no report today")


def test_accessed_services_come_in_pages(emulator: Emulator) -> None:
    for number in range(250):
        emulator.change_account("use-service", name="backup", namespace=f"service-{number:03d}", when=None)
    emulator.change_account("last-accessed", polls=0)
    iam = emulator.client("iam")
    job = iam.generate_service_last_accessed_details(Arn=arn("backup"))["JobId"]
    found, marker, sizes = [], {}, []
    while True:
        page = iam.get_service_last_accessed_details(JobId=job, **marker)
        found += [one["ServiceNamespace"] for one in page["ServicesLastAccessed"]]
        sizes.append(len(page["ServicesLastAccessed"]))
        if not page["IsTruncated"]:
            break
        marker = {"Marker": page["Marker"]}
    assert sizes == [100, 100, 51]
    assert found == sorted(found) and len(set(found)) == 251
    assert len(iam.get_service_last_accessed_details(JobId=job, MaxItems=7)["ServicesLastAccessed"]) == 7


def test_a_job_is_known_only_to_its_caller(emulator: Emulator) -> None:
    iam = emulator.client("iam")
    job = iam.generate_service_last_accessed_details(Arn=arn("backup"))["JobId"]
    for other in (emulator.client("iam", role=assumed(emulator)), emulator.client("iam", role=OTHER_ACCOUNT)):
        assert refusal(other.get_service_last_accessed_details, JobId=job)[:2] == ("NoSuchEntity", 404)
    assert iam.get_service_last_accessed_details(JobId=job)["JobStatus"] == "IN_PROGRESS"
    unknown = "00000000-0000-0000-0000-000000000000"
    assert refusal(iam.get_service_last_accessed_details, JobId=unknown)[:2] == ("NoSuchEntity", 404)


def test_a_job_needs_a_user_of_the_account(emulator: Emulator) -> None:
    iam = emulator.client("iam", checked=False)
    for wrong in (arn("missing"), arn("backup").replace(ACCOUNT, OTHER), arn("ci-deploy")):
        assert refusal(iam.generate_service_last_accessed_details, Arn=wrong)[:2] == ("NoSuchEntity", 404)
    invalid = refusal(iam.generate_service_last_accessed_details, Arn=arn("backup"), Granularity="DAILY")
    assert invalid[:2] == ("InvalidInput", 400)


@pytest.mark.parametrize("operation", ["GetAccessKeyLastUsed", "GenerateServiceLastAccessedDetails"])
def test_a_policy_can_deny_the_last_uses(emulator: Emulator, operation: str) -> None:
    iam = emulator.client("iam", role=assumed(emulator, {"Action": f"iam:{operation}"}))
    call, arguments = {
        "GetAccessKeyLastUsed": (iam.get_access_key_last_used, {"AccessKeyId": key_id(ACCOUNT, "bob", 0)}),
        "GenerateServiceLastAccessedDetails": (iam.generate_service_last_accessed_details, {"Arn": arn("bob")}),
    }[operation]
    code, status, message = refusal(call, **arguments)
    assert (code, status) == ("AccessDenied", 403)
    assert f"is not authorized to perform: iam:{operation}" in message


# The sample account


def uses(emulator: Emulator, user: str, slot: int = 0) -> list[dict]:
    """Returns the records of a key in the event histories of the sample account, the newest first."""
    attribute = {"AttributeKey": "AccessKeyId", "AttributeValue": key_id(ACCOUNT, user, slot)}
    found = [
        json.loads(event["CloudTrailEvent"])
        for region in ("us-east-1", "eu-central-1", "eu-west-1")
        for event in wait_for(lambda region=region: answer(emulator, region, attribute), 30, "lookup")["Events"]
    ]
    return sorted(found, key=lambda one: one["eventTime"], reverse=True)


def answer(emulator: Emulator, region: str, attribute: dict) -> dict | None:
    client = emulator.client("cloudtrail", region=region)
    try:
        return client.lookup_events(LookupAttributes=[attribute])
    except client.exceptions.ClientError:  # Two a second are allowed.
        return None


@pytest.mark.parametrize(
    ("user", "slot", "address", "agent"),
    [
        ("etl", 1, "198.51.100.24", "m/b,n"),
        (TERRAFORM, 0, "198.51.100.61", "Terraform"),
        ("rotating", 0, "203.0.113.77", "aws-cli/"),
        ("ci-deploy", 0, "192.0.2.50", None),
    ],
)
def test_the_latest_event_of_a_sample_key_is_its_last_use(
    emulator: Emulator, user: str, slot: int, address: str, agent: str | None
) -> None:
    found = uses(emulator, user, slot)
    latest = found[0]
    _, used = last_used(emulator, user, slot)
    assert abs(clock.moment(latest["eventTime"], clock.now()) - used["LastUsedDate"]) < clock.offset("+1m")
    assert latest["eventSource"] == f"{used['ServiceName']}.amazonaws.com"
    assert used["Region"] in ("N/A", latest["awsRegion"])
    assert {one["sourceIPAddress"] for one in found} == {address}
    assert agent is None or agent in latest["userAgent"]
    keys = emulator.client("iam").list_access_keys(UserName=user)["AccessKeyMetadata"]
    created = next(key["CreateDate"] for key in keys if key["AccessKeyId"] == key_id(ACCOUNT, user, slot))
    assert all(clock.moment(one["eventTime"], clock.now()) > created for one in found)
    assert {one["userIdentity"]["arn"] for one in found} == {
        emulator.client("iam").get_user(UserName=user)["User"]["Arn"]
    }


def test_sample_keys_without_management_events(emulator: Emulator) -> None:
    for user in ("backup", "unused", "legacy-mailer"):
        assert uses(emulator, user) == [], user


def test_the_sample_networks_have_the_addresses_of_keys(emulator: Emulator) -> None:
    (server,) = interfaces(emulator, "us-east-1")
    assert (server["Association"]["PublicIp"], server["Attachment"]["InstanceId"]) == (
        "198.51.100.24",
        "i-0e71a5b2c3d4f6071",
    )
    oldest = clock.moment(uses(emulator, "etl", 1)[-1]["eventTime"], clock.now())
    assert server["Attachment"]["AttachTime"] < oldest
    gateway = interfaces(emulator, "eu-west-1")[0]
    assert (gateway["Association"]["PublicIp"], gateway["InterfaceType"]) == ("198.51.100.61", "nat_gateway")
    elastic = [
        one["PublicIp"]
        for region in ("us-east-1", "eu-west-1")
        for one in emulator.client("ec2", region=region).describe_addresses()["Addresses"]
    ]
    assert elastic == ["198.51.100.24", "198.51.100.61", "198.51.100.62"]
    assert len(interfaces(emulator)) == 2 and len(interfaces(emulator, IncludeManagedResources=True)) == 3
    emulator.change_account("load", name="clean")
    assert interfaces(emulator, "us-east-1") == []


def test_a_sample_key_has_leaked(emulator: Emulator) -> None:
    found = uses(emulator, "metrics")
    assert {(one["sourceIPAddress"], one["userAgent"]) for one in found} == {("192.0.2.199", "TruffleHog")}
    _, used = last_used(emulator, "metrics")
    assert all(clock.moment(one["eventTime"], clock.now()) < used["LastUsedDate"] for one in found)


def test_a_sample_key_is_used_from_github(emulator: Emulator) -> None:
    agents = {one["userAgent"] for one in uses(emulator, "ci-deploy")}
    assert any("configure-aws-credentials-for-github-actions" in one for one in agents)


# Failures of one Region


CALLS = {
    "cloudtrail:LookupEvents": "lookup_events",
    "ec2:DescribeNetworkInterfaces": "describe_network_interfaces",
    "ec2:DescribeAddresses": "describe_addresses",
}


def call(emulator: Emulator, action: str, role: dict, region: str = "eu-west-1") -> Any:
    return getattr(emulator.client(action.partition(":")[0], region=region, role=role), CALLS[action])


@pytest.mark.parametrize("action", CALLS)
def test_a_region_can_be_denied_by_a_service_control_policy(emulator: Emulator, action: str) -> None:
    role = assumed(emulator)
    emulator.fail({"action": action, "region": "eu-west-1", "how": "denied-by-scp", "times": 9})
    code, status, message = refusal(call(emulator, action, role))
    expected = (
        f"User: arn:aws:sts::{ACCOUNT}:assumed-role/tester/test is not authorized to perform: {action} "
        "with an explicit deny in a service control policy"
    )
    if action.startswith("ec2:"):
        assert (code, status) == ("UnauthorizedOperation", 403)
        assert message == f"You are not authorized to perform this operation. {expected}"
    else:
        assert (code, message) == ("AccessDeniedException", expected)
    call(emulator, action, role, REGION)()
    assert emulator.calls()[action]["regions"] == {"eu-west-1": 1, REGION: 1}
    assert [one["error"] is None for one in emulator.call_log(action)] == [False, True]


@pytest.mark.parametrize("action", CALLS)
def test_a_region_can_be_denied_for_want_of_a_permission(emulator: Emulator, action: str) -> None:
    role = assumed(emulator)
    emulator.fail({"action": action, "region": "eu-west-1", "how": "denied"})
    message = refusal(call(emulator, action, role))[2]
    assert message.endswith(f"perform: {action} because no identity-based policy allows the {action} action")
    call(emulator, action, role)()


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("cloudtrail:LookupEvents", ("ThrottlingException", 400)),
        ("ec2:DescribeNetworkInterfaces", ("RequestLimitExceeded", 503)),
        ("ec2:DescribeAddresses", ("RequestLimitExceeded", 503)),
    ],
)
def test_a_region_can_be_throttled(emulator: Emulator, action: str, expected: tuple[str, int]) -> None:
    role = assumed(emulator)
    emulator.fail({"action": action, "region": "eu-west-1", "how": "throttled", "times": 2})
    throttled = call(emulator, action, role)
    assert [refusal(throttled)[:2] for _ in range(2)] == [expected] * 2
    throttled()
    assert emulator.calls()[action]["errors"] == {expected[0]: 2}


def test_the_last_use_of_a_key_can_be_throttled(emulator: Emulator) -> None:
    iam = emulator.client("iam", role=assumed(emulator))
    emulator.fail({"action": "iam:GetAccessKeyLastUsed", "how": "throttled"})
    identity = key_id(ACCOUNT, "bob", 0)
    assert refusal(iam.get_access_key_last_used, AccessKeyId=identity) == ("Throttling", 400, "Rate exceeded")
    assert iam.get_access_key_last_used(AccessKeyId=identity)["UserName"] == "bob"


@pytest.mark.parametrize("action", CALLS)
@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("silence", botocore.exceptions.ReadTimeoutError),
        ("cut", botocore.exceptions.ConnectionClosedError),
    ],
)
def test_a_region_can_stay_silent_or_cut_the_connection(
    emulator: Emulator, action: str, how: str, error: type[Exception]
) -> None:
    role, service = assumed(emulator), action.partition(":")[0]
    emulator.fail({"action": action, "region": "eu-west-1", "how": how, "times": 9})
    client = boto3.client(
        service,
        endpoint_url=emulator.url,
        region_name="eu-west-1",
        aws_access_key_id=role["AccessKeyId"],
        aws_secret_access_key=role["SecretAccessKey"],
        aws_session_token=role["SessionToken"],
        config=Config(retries={"total_max_attempts": 1}, read_timeout=0.3),
    )
    with pytest.raises(error):
        getattr(client, CALLS[action])()
    call(emulator, action, role, REGION)()
    assert emulator.calls()[action]["errors"] == {how: 1}


@pytest.mark.parametrize("action", CALLS)
def test_a_region_can_return_garbage(emulator: Emulator, action: str) -> None:
    role = assumed(emulator)
    emulator.fail({"action": action, "region": "eu-west-1", "how": "garbage"})
    client = emulator.client(action.partition(":")[0], region="eu-west-1", role=role)
    bodies = []
    client.meta.events.register("before-parse", lambda response_dict, **_: bodies.append(response_dict["body"]))
    # botocore takes it for an answer without content.
    list_of = {"LookupEvents": "Events", "DescribeAddresses": "Addresses"}.get(action.partition(":")[2])
    assert not getattr(client, CALLS[action])().get(list_of or "NetworkInterfaces")
    assert bodies == [b"<html>down for maintenance</html>"]


def test_an_action_can_take_longer_in_every_region(emulator: Emulator) -> None:
    role, action = assumed(emulator), "ec2:DescribeNetworkInterfaces"
    regions = (REGION, "eu-west-1", "us-east-1", "us-west-2")
    calls = [call(emulator, action, role, region) for region in regions]
    emulator.delay({action: 1})
    with ThreadPoolExecutor(len(calls)) as pool:
        list(pool.map(lambda one: one(), calls))
    log = emulator.call_log(action)
    assert {one["region"] for one in log} == set(regions)
    assert all(one["end"] - one["start"] >= 1 for one in log)
    # They are answered at the same time.
    assert max(one["start"] for one in log) < min(one["end"] for one in log)
    call(emulator, "ec2:DescribeAddresses", role)()
    (other,) = emulator.call_log("ec2:DescribeAddresses")
    assert other["end"] - other["start"] < 1
    emulator.delay({})
    calls[0]()
    assert (last := emulator.call_log(action)[-1])["end"] - last["start"] < 1


def test_a_delayed_region_can_also_fail(emulator: Emulator) -> None:
    role, action = assumed(emulator), "cloudtrail:LookupEvents"
    emulator.delay({action: 0.3})
    emulator.fail({"action": action, "region": "eu-west-1", "how": "denied-by-scp"})
    began = time.monotonic()
    assert refusal(call(emulator, action, role))[0] == "AccessDeniedException"
    assert time.monotonic() - began >= 0.3
