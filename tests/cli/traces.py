"""An account's files for `credwarden trace` and `plan`: a report, ids of keys, events, network interfaces."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ACCOUNT = "123456789012"
NOW = "2026-11-20T06:00:00Z"
REGIONS = [
    *("ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2"),
    *("ca-central-1", "eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1"),
    *("us-east-1", "us-east-2", "us-west-1", "us-west-2"),
]
HOME = "eu-central-1"
AWS_CLI = "aws-cli/2.32.10 md/awscrt#0.29.1 ua/2.1 os/macos#25.5.0 md/command#ec2.describe-instances m/Z,b,n,E"
BOTO3 = "Boto3/1.39.7 md/Botocore#1.39.17 ua/2.1 os/linux#5.10 lang/python#3.12 m/Z,b,g"
GITHUB = "aws-sdk-nodejs/2.1396.0 linux/v16.16.0 configure-aws-credentials-for-github-actions promise"
_KEY = ("active", "last_rotated", "last_used_date", "last_used_region", "last_used_service")
_COLUMNS = [
    *("user", "arn", "user_creation_time", "password_enabled", "password_last_used", "password_last_changed"),
    *("password_next_rotation", "mfa_active"),
    *(f"access_key_1_{name}" for name in _KEY),
    *(f"access_key_2_{name}" for name in _KEY),
    *("cert_1_active", "cert_1_last_rotated", "cert_2_active", "cert_2_last_rotated"),
]


@dataclass
class Key:
    """An access key of a user, two years old unless it says otherwise."""

    user: str
    id: str
    used: str | None = None
    service: str = "ec2"
    active: bool = True
    created: str = "2024-11-01T06:00:00+00:00"


@dataclass
class Saved:
    """Files in a folder. Everything was looked at, unless a test takes it away."""

    folder: Path
    keys: list[Key] = field(default_factory=list)
    events: dict[str, list[dict]] = field(default_factory=lambda: {region: [] for region in REGIONS})
    interfaces: list[dict] | None = field(default_factory=list)
    addresses: list[dict] | None = field(default_factory=list)
    documents: dict[str, Any] = field(default_factory=dict)
    """Further documents by option, such as `regions`."""
    named: bool = True
    """Whether the keys' ids are known."""

    def key(self, user: str, **members: Any) -> str:
        """Adds a key, and returns its id."""
        id = f"AKIAIOSFODNN7EX{len(self.keys):05}"
        self.keys.append(Key(user, id, **members))
        return id

    def use(self, key: str, address: str | None, agent: str, region: str = HOME, **members: Any) -> dict:
        """Adds an event of the key, and returns its record."""
        user = next(one.user for one in self.keys if one.id == key)
        number = sum(map(len, self.events.values()))
        made = record(key, user, address, agent, region, eventID=f"e-{number}", **members)
        self.events[region].append(made)
        return made

    def arguments(self) -> list[str]:
        """Writes the files, and returns the options that name them."""
        (self.folder / "report.csv").write_text(self._report(), newline="")
        arguments = ["--credential-report", "report.csv", "--now", NOW]
        if self.named:
            for number, key in enumerate(self.keys):
                one = {"UserName": key.user, "AccessKeyId": key.id, "CreateDate": key.created}
                status = "Active" if key.active else "Inactive"
                arguments += self._write("access-keys", number, {"AccessKeyMetadata": [{**one, "Status": status}]})
        for region, records in self.events.items():
            (self.folder / f"{region}.json").write_text(json.dumps(looked_up(records)))
            arguments += ["--events", f"{region}={region}.json"]
        if self.interfaces is not None:
            arguments += self._write("network-interfaces", 0, {"NetworkInterfaces": self.interfaces})
        if self.addresses is not None:
            arguments += self._write("addresses", 0, {"Addresses": self.addresses})
        for name, document in self.documents.items():
            arguments += self._write(name, 0, document)
        return arguments

    def _write(self, option: str, number: int, document: Any) -> list[str]:
        name = f"{option}-{number}.json"
        (self.folder / name).write_text(json.dumps(document))
        return [f"--{option}", name]

    def _report(self) -> str:
        text = io.StringIO()
        writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        root = {"user": "<root_account>", "arn": f"arn:aws:iam::{ACCOUNT}:root", "mfa_active": "true"}
        writer.writerow(_row(root, []))
        for user in dict.fromkeys(key.user for key in self.keys):
            named = {"user": user, "arn": f"arn:aws:iam::{ACCOUNT}:user/{user}", "mfa_active": "false"}
            writer.writerow(_row(named, [key for key in self.keys if key.user == user]))
        return text.getvalue()


def _row(known: dict[str, str], keys: list[Key]) -> dict[str, str]:
    row = dict.fromkeys(_COLUMNS, "N/A")
    row |= {name: "false" for name in _COLUMNS if name.endswith(("_active", "_enabled"))}
    row |= {"user_creation_time": "2019-01-01T06:00:00+00:00", **known}
    for slot, key in enumerate(keys, 1):
        used = (key.used, HOME, key.service) if key.used else ("N/A", "N/A", "N/A")
        cells = dict(zip(_KEY, (str(key.active).lower(), key.created, *used), strict=True))
        row |= {f"access_key_{slot}_{name}": cell for name, cell in cells.items()}
    return row


def record(key: str, user: str, address: str | None, agent: str, region: str = HOME, **members: Any) -> dict:
    """Returns a record of CloudTrail. `None` leaves a member out."""
    identity = {"type": "IAMUser", "userName": user, "accessKeyId": key, "accountId": ACCOUNT}
    known = {
        **{"eventVersion": "1.11", "eventTime": "2026-11-18T06:00:00Z", "eventSource": "ec2.amazonaws.com"},
        **{"eventName": "DescribeInstances", "awsRegion": region, "sourceIPAddress": address, "userAgent": agent},
        **{"userIdentity": identity, "recipientAccountId": ACCOUNT, "requestParameters": {"secret": "x"}},
    }
    return {name: value for name, value in {**known, **members}.items() if value is not None}


def looked_up(records: list[dict]) -> dict:
    """Returns what `aws cloudtrail lookup-events` prints."""
    return {"Events": [{"EventId": one.get("eventID"), "CloudTrailEvent": json.dumps(one)} for one in records]}


def interface(id: str, address: str | None = None, **members: Any) -> dict:
    """Returns an interface as `aws ec2 describe-network-interfaces` prints it."""
    known = {"NetworkInterfaceId": id, "OwnerId": ACCOUNT, "AvailabilityZone": f"{HOME}a", "VpcId": "vpc-1"}
    kind = {"InterfaceType": "interface", "Description": "", "Status": "in-use"}
    association = {"Association": {"PublicIp": address, "IpOwnerId": "amazon"}} if address else {}
    return {**known, **kind, **association, **members}


def instance(id: str, address: str, attached: str = "2026-01-01T00:00:00+00:00", **members: Any) -> dict:
    attachment = {"InstanceId": id, "AttachTime": attached, "Status": "attached"}
    return interface(f"eni-{id}", address, Attachment=attachment, **members)


def nat_gateway(id: str, address: str) -> dict:
    """EC2 does not say when it was attached."""
    attachment = {"AttachmentId": "ela-attach-1", "InstanceOwnerId": "amazon-aws", "Status": "attached"}
    described = {"InterfaceType": "nat_gateway", "Description": f"Interface for NAT Gateway {id}"}
    return interface(f"eni-{id}", address, Attachment=attachment, **described)
