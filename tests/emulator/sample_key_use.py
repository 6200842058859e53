"""Who uses the access keys of the sample account: CloudTrail records, and the networks that they come from.

The latest record of a key is its last use in the credential report. A key whose last use is in a data plane has none in the
event history. Every Region has one page of events.
"""

from __future__ import annotations

from emulator import records
from emulator.account import ACCOUNT
from emulator.networks import (
    Item,
    address,
    elastic_address,
    managed,
    of_function,
    of_instance,
    of_nat_gateway,
    of_vpc_endpoint,
)
from emulator.records import assume_role, data_event, from_address, iam_user, record, series

TERRAFORM = "terraform+prod=eu,team.a@example.com"

_NAT_GATEWAY = of_nat_gateway(
    "nat-0a4b8c2d6e1f35790", address("10.40.0.9", "198.51.100.61", elastic=True), vpc="vpc-0c0ffee0c0ffee000"
)
_LAPTOP, _RUNNER, _STRANGER = "203.0.113.77", "192.0.2.50", "192.0.2.199"


def _server() -> Item:
    return of_instance(
        "i-0e71a5b2c3d4f6071",
        address("10.20.1.24", "198.51.100.24", elastic=True),
        attached="-75d",
        ipv6=["2001:db8:20:1::24"],
        TagSet=[{"Key": "Name", "Value": "etl"}],
    )


def interfaces() -> dict[str, list[Item]]:
    """Returns the network interfaces by Region."""
    return {
        "us-east-1": [_server()],
        "eu-west-1": [_NAT_GATEWAY, of_instance("i-0b1a2c3d4e5f60718", "10.40.1.30", vpc=_NAT_GATEWAY["VpcId"])],
        "eu-central-1": [
            of_function("thumbnails", "10.0.3.11"),
            of_vpc_endpoint("vpce-0d9c8b7a6f5e41302", "10.0.3.12"),
            managed(of_instance("i-0f9e8d7c6b5a43210", address("10.0.3.13", "198.51.100.90"), attached="-4d")),
        ],
    }


def addresses() -> dict[str, list[Item]]:
    """Returns the Elastic IP addresses by Region."""
    return {
        "us-east-1": [elastic_address("198.51.100.24", of=_server())],
        "eu-west-1": [elastic_address("198.51.100.61", of=_NAT_GATEWAY), elastic_address("198.51.100.62")],
    }


def events() -> list[dict]:
    """Returns the records of all Regions."""
    return [*_etl(), *_terraform(), *_rotating(), *_ci_deploy(), *_metrics(), *_backup()]


def _etl() -> list[dict]:
    """The second key: from an instance of the account."""
    user = iam_user("etl", slot=1)
    client = from_address("198.51.100.24", records.PYTHON)
    return [
        *series(record("StartJobRun", user, "-1h5m", source="glue.amazonaws.com", **client), "5d", "45d"),
        *series(record("GetJobRun", user, "-1h", source="glue.amazonaws.com", **client), "5d", "45d"),
    ]


def _terraform() -> list[dict]:
    """From a private subnet, through its NAT gateway."""
    user, region = iam_user(TERRAFORM, path="/teams/a/"), "eu-west-1"
    client = from_address("198.51.100.61", records.TERRAFORM)
    role = f"arn:aws:iam::{ACCOUNT}:role/TerraformProduction"
    identified = record("GetCallerIdentity", user, "-70d", region, "sts.amazonaws.com", **client)
    described = record("DescribeVpcs", user, "-70d2m", region, "ec2.amazonaws.com", **client)
    return [
        *series(described, "2d", "16d"),
        assume_role(user, role, "-70d1m", region, session="terraform", **client),
        *series(identified, "2d", "16d"),
    ]


def _rotating() -> list[dict]:
    """The first key: by a person with the AWS CLI."""
    user, client = iam_user("rotating"), from_address(_LAPTOP, records.LAPTOP)
    listed = from_address(_LAPTOP, records.LAPTOP.replace("ec2.describe-instances", "s3.ls"))
    return [
        *series(
            record("DescribeInstances", user, "-1d10m", "eu-central-1", "ec2.amazonaws.com", **client), "3d", "60d"
        ),
        record("ListBuckets", user, "-1d", source="s3.amazonaws.com", **listed),
    ]


def _ci_deploy() -> list[dict]:
    """From GitHub Actions."""
    user = iam_user("ci-deploy", path="/ci/github/")
    step = from_address(_RUNNER, records.GITHUB)
    docker = from_address(_RUNNER, records.COMMAND_LINE)
    identified = record("GetCallerIdentity", user, "-6m", source="sts.amazonaws.com", **step)
    token = record("GetAuthorizationToken", user, "-5m", source="ecr.amazonaws.com", **docker)
    return [*series(identified, "3d", "27d"), *series(token, "3d", "27d")]


def _metrics() -> list[dict]:
    """The first key: it puts metrics, which the event history does not show, and somebody who looks for leaked keys has found it."""
    user, client = iam_user("metrics"), from_address(_STRANGER, records.LEAK_SCANNER)
    return [
        record("GetCallerIdentity", user, "-46d2m", source="sts.amazonaws.com", **client),
        record("ListBuckets", user, "-46d1m", source="s3.amazonaws.com", **client),
    ]


def _backup() -> list[dict]:
    """Only objects of S3, which the event history does not show."""
    user = iam_user("backup")
    return series(data_event("PutObject", user, "-20m", **from_address("203.0.113.80", records.PYTHON)), "1h", "1d")
