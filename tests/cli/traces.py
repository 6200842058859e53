"""An account's files for `credwarden trace` and `plan`: a report, ids of keys, events, network interfaces."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from emulator.account import HEADER, ROOT
from emulator.launcher import ACCOUNT
from emulator.regions import DEFAULT
from saved import NOW

HOME = "eu-central-1"
CREATED = "2021-06-20T05:16:50+00:00"
AWS_CLI = "aws-cli/2.32.10 md/awscrt#0.29.1 ua/2.1 os/macos#25.5.0 md/command#ec2.describe-instances m/Z,b,n,E"
BOTO3 = "Boto3/1.39.7 md/Botocore#1.39.17 ua/2.1 os/linux#5.10 lang/python#3.12 m/Z,b,g"
TRUFFLEHOG = "TruffleHog"
GITHUB = "aws-sdk-nodejs/2.1396.0 linux/v16.16.0 configure-aws-credentials-for-github-actions promise"
_KEY = ("active", "last_rotated", "last_used_date", "last_used_region", "last_used_service")


def ago(**units: float) -> str:
    """Returns the time so long before NOW: `ago(days=3)`."""
    return (datetime.fromisoformat(NOW.replace("Z", "+00:00")) - timedelta(**units)).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Key:
    """An access key of a user, two years old unless it says otherwise."""

    user: str
    id: str
    used: str | None = None
    service: str = "ec2"
    region: str = HOME
    active: bool = True
    created: str = CREATED
    has_id: bool = True


@dataclass
class Traces:
    """An account's keys, events and networks. Everything was looked at, unless a test takes it away."""

    folder: Path = Path()
    keys: list[Key] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    """Further users, without credentials."""
    events: dict[str, list[dict]] = field(default_factory=lambda: {region: [] for region in DEFAULT})
    interfaces: list[dict] | None = field(default_factory=list)
    addresses: list[dict] | None = field(default_factory=list)
    documents: dict[str, Any] = field(
        default_factory=lambda: {"service-credentials": {"ServiceSpecificCredentials": [], "IsTruncated": False}}
    )
    """Further documents by option, such as `regions`."""

    def key(self, user: str, created: str = CREATED, **members: Any) -> str:
        """Adds a key, and returns its id."""
        id = f"AKIA{len(self.keys):016}".translate(str.maketrans("0189", "ABCD"))
        self.keys.append(Key(user, id, created=created, **members))
        return id

    def use(self, key: str, address: str | None, agent: str, region: str = HOME, **members: Any) -> dict:
        """Adds an event of the key, and returns its record."""
        user = next(one.user for one in self.keys if one.id == key)
        records = self.events.setdefault(region, [])
        made = record(key, user, address, agent, region, **{"eventID": f"{region}-{len(records)}", **members})
        records.append(made)
        return made

    def event(
        self,
        key: str,
        time: str,
        address: str,
        agent: str,
        name: str = "DescribeInstances",
        source: str = "ec2",
        region: str = HOME,
        **members: Any,
    ) -> None:
        """Adds a call of the key at the time."""
        known = {"eventTime": time, "eventName": name, "eventSource": f"{source}.amazonaws.com"}
        self.use(key, address, agent, region, **{**known, **members})

    def saved(self) -> list[str]:
        """Writes the files, and returns the options that name them."""
        folder = self.folder
        (folder / "report.csv").write_text(self._report(), newline="")
        options = ["--credential-report", "report.csv", "--now", NOW]
        documents = {"access-keys": {"AccessKeyMetadata": [_listed(key) for key in self.keys if key.has_id]}}
        if self.interfaces is not None:
            documents["network-interfaces"] = {"NetworkInterfaces": self.interfaces}
        if self.addresses is not None:
            documents["addresses"] = {"Addresses": self.addresses}
        for option, document in {**documents, **self.documents}.items():
            (folder / f"{option}.json").write_text(json.dumps(document))
            options += [f"--{option}", f"{option}.json"]
        for region, records in self.events.items():
            (folder / f"{region}.json").write_text(json.dumps(looked_up(records)))
            options += ["--events", f"{region}={region}.json"]
        return options

    def _report(self) -> str:
        text = io.StringIO()
        writer = csv.DictWriter(text, HEADER.split(","), lineterminator="\n")
        writer.writeheader()
        root = {"user": ROOT, "arn": f"arn:aws:iam::{ACCOUNT}:root", "mfa_active": "true"}
        writer.writerow(_row(root, []))
        for user in dict.fromkeys([*(key.user for key in self.keys), *self.users]):
            named = {"user": user, "arn": f"arn:aws:iam::{ACCOUNT}:user/{user}", "mfa_active": "false"}
            writer.writerow(_row(named, [key for key in self.keys if key.user == user]))
        return text.getvalue()


def _row(known: dict[str, str], keys: list[Key]) -> dict[str, str]:
    row = dict.fromkeys(HEADER.split(","), "N/A")
    row |= {name: "false" for name in row if name.endswith(("_active", "_enabled"))}
    row |= {"user_creation_time": "2019-01-01T06:00:00+00:00", **known}
    for slot, key in enumerate(keys, 1):
        used = (key.used, key.region, key.service) if key.used else ("N/A", "N/A", "N/A")
        cells = dict(zip(_KEY, (str(key.active).lower(), key.created, *used), strict=True))
        row |= {f"access_key_{slot}_{name}": cell for name, cell in cells.items()}
    return row


def _listed(key: Key) -> dict[str, str]:
    status = "Active" if key.active else "Inactive"
    return {"UserName": key.user, "AccessKeyId": key.id, "Status": status, "CreateDate": key.created}


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


def mixed(count: int = 50) -> Traces:
    """Returns an account with that many keys, of every plan, with lives as different as real ones."""
    account = Traces()
    people = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi"]
    machines = ["backup", "billing-export", "ci-deploy", "etl", "legacy-importer", "metrics", "reports", "terraform"]
    account.interfaces = [instance("i-0a1b2c3d4e5f60718", "198.51.100.7", "2026-02-03T08:15:00Z")]
    for number in range(count):
        created = ago(days=100 + number * 67 % 3000, minutes=number)
        suffix = "" if number < 16 else f"-{number // 8}"
        match number % 10:
            case 0 | 5:
                user = machines[number % 8] + suffix
                key = account.key(user, created, used=ago(hours=number + 1))
                for day in range(0, 88 - number, 1 + number // 20):
                    for _ in range(1 + (day * 7 + number * 3) % 23):
                        account.event(key, ago(days=day, hours=1), "198.51.100.7", BOTO3)
            case 1:
                user = people[number % 8] + suffix
                key = account.key(user, created, used=ago(days=3, hours=number))
                for day in (3, 4, 5, 11, 12, 19, 33, 34, 61):
                    account.event(
                        key,
                        ago(days=day + number % 6),
                        f"203.0.113.{number}",
                        AWS_CLI,
                        source="iam",
                        name="ListUsers",
                        region="us-east-1",
                    )
                account.event(key, ago(days=4 + number % 6), f"203.0.113.{number}", AWS_CLI)
            case 2:
                account.key(machines[number % 8] + suffix, created, used=ago(days=120 + number * 9))
            case 3:
                account.key(people[number % 8] + suffix, created)
            case 4:
                user = machines[number % 8] + suffix
                key = account.key(user, created, used=ago(hours=5))
                for day in range(0, 70, 2):
                    account.event(
                        key,
                        ago(days=day, hours=2),
                        f"192.0.2.{1 + day}",
                        GITHUB,
                        source="sts",
                        name="GetCallerIdentity",
                        region="us-east-1",
                    )
            case 6:
                account.key(machines[number % 8] + suffix, created, used=ago(days=1), service="s3", region="us-east-1")
            case 7:
                account.key(people[number % 8] + suffix, created, used=ago(days=200), active=False)
            case 8:
                key = account.key(machines[number % 8] + suffix, created, used=ago(days=2))
                for day in range(2, 40):
                    account.event(key, ago(days=day, hours=3), "192.0.2.200", "Boto3/1.20.1 Python/3.8")
            case 9:
                if number < 20:
                    key = account.key(people[number % 8] + suffix, created, used=ago(days=1))
                    account.event(
                        key,
                        ago(days=1),
                        "192.0.2.66",
                        TRUFFLEHOG,
                        source="sts",
                        name="GetCallerIdentity",
                        region="us-east-1",
                    )
                else:
                    account.key(people[number % 8] + suffix, created, used=ago(days=20), has_id=False)
    account.users.append("intern-2019")
    return account
