"""The emulator's responses have the shape of those that AWS publishes; see emulator/aws_examples.json."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import botocore
import pytest

from emulator import audit
from emulator.account import ACCOUNT, key_id
from emulator.process import Emulator
from emulator.records import assume_role, console_login, from_endpoint, iam_user, record, role_session
from emulator.sample import MANAGEMENT

PUBLISHED = json.loads((Path(__file__).resolve().parent.parent / "emulator" / "aws_examples.json").read_text())
EXAMPLES = PUBLISHED["operations"]
BILLING = "333344445555"


@pytest.fixture
def organization(emulator: Emulator) -> Emulator:
    emulator.make_organization()
    audit.deploy_member_role(emulator)
    emulator.change_account("root-mfa", account=BILLING, kind="virtual")
    emulator.change_account("report", account=BILLING, polls=1)
    emulator.change_account("add-credential", account=BILLING, name="user-0000")
    return emulator


def calls(emulator: Emulator, operation: str) -> tuple[Any, dict]:
    """Returns the client and the request for an operation."""
    service, _, name = operation.partition(":")
    units = emulator.organization()
    requests = {
        "ListOrganizationalUnitsForParent": {"ParentId": units["root"]},
        "DescribeOrganizationalUnit": {"OrganizationalUnitId": units["units"]["Sandbox"]},
        "AssumeRole": {"RoleArn": f"arn:aws:iam::{BILLING}:role/{audit.ROLE}", "RoleSessionName": "credwarden"},
        "ListAccessKeys": {"UserName": "user-0000"},
        "ListServiceSpecificCredentials": {"AllUsers": True},
        "ListStackInstances": {"StackSetName": audit.STACK},
        "GetAccessKeyLastUsed": {"AccessKeyId": key_id(BILLING, "user-0000", 0)},
        "GenerateServiceLastAccessedDetails": {"Arn": f"arn:aws:iam::{BILLING}:user/user-0000"},
    }
    if service in ("ec2", "cloudtrail"):
        return emulator.client(service, region="us-east-1"), {}
    if "LastUsed" in name or "LastAccessed" in name:
        caller = audit.root(BILLING)
    elif service == "iam":
        caller = audit.session(emulator, audit.auditor(emulator), BILLING)
    elif service == "sts":
        caller = audit.auditor(emulator)
    else:
        caller = audit.root(MANAGEMENT)
    client = emulator.client(service, role=caller)
    if name == "GetCredentialReport":
        while client.generate_credential_report()["State"] != "COMPLETE":
            continue
    if name == "GetServiceLastAccessedDetails":
        emulator.change_account("last-accessed", account=BILLING, polls=0)
        job = client.generate_service_last_accessed_details(**requests["GenerateServiceLastAccessedDetails"])
        return client, {"JobId": job["JobId"]}
    return client, requests.get(name, {})


def answered(client: Any, name: str, request: dict) -> tuple[dict, Any, Any]:
    """Returns the parsed response, the response as it was sent, and the shape in the API's model."""
    sent = []
    client.meta.events.register("before-parse", lambda response_dict, **_: sent.append(response_dict["body"]), name)
    try:
        parsed = getattr(client, botocore.xform_name(name))(**request)
    finally:
        client.meta.events.unregister("before-parse", unique_id=name)
    parsed.pop("ResponseMetadata")
    shape = client.meta.service_model.operation_model(name).output_shape
    body = sent[0].decode()
    raw = json.loads(body) if body.startswith("{") else ElementTree.fromstring(body)
    if not isinstance(raw, dict):
        # EC2 has no element for the result.
        results = [one for one in raw if one.tag.endswith("Result")]
        raw = results[0] if results else [one for one in raw if not one.tag.endswith("}requestId")]
    return parsed, raw, shape


def strangers(raw: Any, shape: Any, place: str = "") -> Iterator[str]:
    """Returns the fields of a response that the API's model does not have."""
    if shape.type_name == "structure":
        members = {member.serialization.get("name", name): member for name, member in shape.members.items()}
        for name, value in _fields(raw):
            if name not in members:
                yield f"{place}.{name}"
            else:
                yield from strangers(value, members[name], f"{place}.{name}")
    elif shape.type_name == "list":
        for one in raw:
            yield from strangers(one, shape.member, f"{place}[]")


def _fields(raw: Any) -> list[tuple[str, Any]]:
    return list(raw.items()) if isinstance(raw, dict) else [(one.tag.rpartition("}")[2], one) for one in raw]


def missing(example: Any, ours: Any, place: str = "") -> Iterator[str]:
    """Returns the fields of an example that our response lacks, or has with another type."""
    if isinstance(example, dict):
        for name, value in example.items():
            if not isinstance(ours, dict) or name not in ours:
                yield f"{place}.{name}"
            else:
                yield from missing(value, ours[name], f"{place}.{name}")
    elif isinstance(example, list):
        if not isinstance(ours, list) or (example and not ours):
            yield f"{place}[]"
        for one in example[:1]:
            for mine in ours[:1]:
                yield from missing(one, mine, f"{place}[]")
    elif isinstance(example, bool | int) and type(example) is not type(ours):
        yield f"{place}: {type(ours).__name__}"


@pytest.mark.parametrize("operation", EXAMPLES)
def test_a_response_has_the_shape_of_the_published_one(organization: Emulator, operation: str) -> None:
    example = EXAMPLES[operation]
    client, request = calls(organization, operation)
    parsed, raw, shape = answered(client, operation.partition(":")[2], request)
    assert list(strangers(raw, shape)) == []
    assert set(missing(example["output"], parsed)) == set(example.get("absent", ()))


@pytest.mark.parametrize("kind", PUBLISHED["records"])
def test_a_record_has_the_fields_of_the_published_one(kind: str) -> None:
    key = {"type": "AWS::KMS::Key", "ARN": "arn:aws:kms:eu-west-1:111122223333:key/1234abcd", "accountId": ACCOUNT}
    ours = {
        "sign-in": console_login(role_session("Admin", "ops")),
        "VPC endpoint": record(
            "GenerateDataKey",
            iam_user("alice"),
            region="eu-west-1",
            source="kms.amazonaws.com",
            parameters={"keyId": "1234abcd", "numberOfBytes": 128},
            read_only=True,
            resources=[key],
            **from_endpoint("vpce-0a1b", "172.31.0.4"),
        ),
        "assumed role": assume_role(iam_user("alice"), f"arn:aws:iam::{ACCOUNT}:role/Deploy"),
    }[kind]
    assert list(missing(PUBLISHED["records"][kind]["output"], ours)) == []


def test_a_difference_is_found() -> None:
    assert list(missing({"A": [{"B": 1, "C": True}]}, {"A": [{"B": "1"}]})) == [".A[].B: str", ".A[].C"]
    assert list(missing({"A": [1]}, {"A": []})) == [".A[]"]
