"""The model of one AWS account's credentials, and IAM's views of it: report, summary, users, keys, devices.

The account's CloudTrail records, network interfaces and Elastic IP addresses are part of it, by Region.

Times are given relative to now and become absolute when the account is built, so an identity that contains a key's
creation date stays the same from run to run.
"""

from __future__ import annotations

import base64
import csv
import dataclasses
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from emulator import clock

HEADER = (
    "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,password_next_rotation,"
    "mfa_active,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,"
    "access_key_1_last_used_region,access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,"
    "access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,"
    "cert_1_last_rotated,cert_2_active,cert_2_last_rotated"
)
ACCOUNT = "111122223333"
"""The emulated account's id."""

ROOT = "<root_account>"


@dataclass
class Key:
    """An access key; `used` is None if it was never used."""

    created: str
    used: str | None = None
    active: bool = True
    region: str = "us-east-1"
    service: str = "s3"

    @property
    def reported_region(self) -> str:
        """The Region that IAM reports: a service without Regions has none."""
        return "N/A" if self.service in ("s3", "iam") else self.region


@dataclass
class Password:
    """A console password; `used` is None if it was never used."""

    used: str | None
    changed: str


@dataclass
class Certificate:
    """An X.509 signing certificate."""

    uploaded: str
    active: bool = True


@dataclass
class ServiceCredential:
    """A service-specific credential; `expires` is None if it never expires."""

    created: str
    service: str = "bedrock.amazonaws.com"
    status: str = "Active"
    expires: str | None = None
    id: str = ""


@dataclass
class SshKey:
    """An SSH public key for CodeCommit, which the credential report does not show."""

    uploaded: str
    status: str = "Active"
    id: str = ""


@dataclass
class ServiceUse:
    """A service that a user may access, by its namespace in IAM; `used` is None if the user never did."""

    namespace: str
    used: str | None = None
    region: str = "us-east-1"


@dataclass
class User:
    """An IAM user, or the root user when the name is ROOT. `mfa` is None, `virtual` or `hardware`. `services` are those that
    the last uses of the keys do not show."""

    name: str
    created: str = "-900d"
    path: str = "/"
    password: Password | None = None
    mfa: str | None = None
    keys: list[Key | None] = field(default_factory=list)
    certificates: list[Certificate | None] = field(default_factory=list)
    credentials: list[ServiceCredential] = field(default_factory=list)
    ssh_keys: list[SshKey] = field(default_factory=list)
    services: list[ServiceUse] = field(default_factory=list)

    @property
    def is_root(self) -> bool:
        return self.name == ROOT

    def key(self, slot: int) -> Key | None:
        return self.keys[slot] if slot < len(self.keys) else None

    def certificate(self, slot: int) -> Certificate | None:
        return self.certificates[slot] if slot < len(self.certificates) else None

    def arn(self, account: str) -> str:
        return f"arn:aws:iam::{account}:root" if self.is_root else f"arn:aws:iam::{account}:user{self.path}{self.name}"


@dataclass
class Account:
    """An account: its root user and its IAM users. `summary` overrides single entries of the account summary; `events` are
    CloudTrail records by Region, `interfaces` and `addresses` those of `networks`."""

    root: User
    users: list[User] = field(default_factory=list)
    summary: dict[str, int] = field(default_factory=dict)
    events: dict[str, list[dict]] = field(default_factory=dict)
    interfaces: dict[str, list[dict]] = field(default_factory=dict)
    addresses: dict[str, list[dict]] = field(default_factory=dict)

    def anchored(self, at: datetime) -> Account:
        """Returns a copy with absolute times, counted from `at`."""
        users = [_anchored(user, at) for user in self.users]
        return dataclasses.replace(
            self,
            root=_anchored(self.root, at),
            users=users,
            summary=dict(self.summary),
            events=dict(self.events),
            interfaces=dict(self.interfaces),
            addresses=dict(self.addresses),
        )

    def user(self, name: str) -> User:
        found = next((user for user in (self.root, *self.users) if user.name == name), None)
        if found is None:
            raise LookupError(f"the account has no user {name!r}")
        return found

    def report(self, account: str) -> str:
        """Returns the credential report in AWS's format: root first, then by name ignoring case, no last newline."""
        users = sorted(self.users, key=lambda user: user.name.lower())
        text = io.StringIO(HEADER + "\n")
        text.seek(0, io.SEEK_END)
        # AWS does not document how it quotes a name with a comma; RFC 4180 is assumed.
        csv.writer(text, lineterminator="\n").writerows(_row(user, account) for user in (self.root, *users))
        return text.getvalue().removesuffix("\n")

    def summary_map(self, account: str) -> dict[str, int]:
        """Returns GetAccountSummary's entries on credentials."""
        root = self.root
        return {
            "Users": len(self.users),
            "MFADevices": len(list(self.virtual_devices(account))),
            "MFADevicesInUse": sum(user.mfa is not None for user in (root, *self.users)),
            "AccountMFAEnabled": int(root.mfa is not None),
            "AccountAccessKeysPresent": int(any(root.keys)),
            "AccountPasswordPresent": int(root.password is not None),
            "AccountSigningCertificatesPresent": int(any(root.certificates)),
            **self.summary,
        }

    def virtual_devices(self, account: str) -> Iterator[tuple[str, User]]:
        """Returns the virtual MFA devices by serial number; hardware devices are not listed."""
        for user in (self.root, *self.users):
            if user.mfa == "virtual":
                name = "root-account-mfa-device" if user.is_root else user.name
                yield f"arn:aws:iam::{account}:mfa/{name}", user


def credential_id(account: str, user: str, number: int) -> str:
    """Returns a credential's id, which is always the same for the same credential of the same account."""
    digest = hashlib.sha256(f"{account}/{user}/credential/{number}".encode()).digest()
    return "ACCA" + base64.b32encode(digest).decode()[:17]


def ssh_key_id(account: str, user: str, number: int) -> str:
    """Returns an SSH public key's id, which is always the same for the same key of the same account."""
    digest = hashlib.sha256(f"{account}/{user}/ssh/{number}".encode()).digest()
    return "APKA" + base64.b32encode(digest).decode()[:17]


def key_id(account: str, user: str, slot: int) -> str:
    """Returns an access key id, which is always the same for the same key of the same account."""
    digest = hashlib.sha256(f"{account}/{user}/{slot}".encode()).digest()
    return "AKIA" + base64.b32encode(digest).decode()[:16]


def _anchored(user: User, at: datetime) -> User:
    def time(text: str | None) -> str | None:
        return None if text is None else clock.stamp(clock.moment(text, at))

    password, keys, certificates = user.password, user.keys, user.certificates
    return dataclasses.replace(
        user,
        created=time(user.created),
        password=password and Password(time(password.used), time(password.changed)),
        keys=[key and dataclasses.replace(key, created=time(key.created), used=time(key.used)) for key in keys],
        certificates=[one and dataclasses.replace(one, uploaded=time(one.uploaded)) for one in certificates],
        credentials=[
            dataclasses.replace(one, created=time(one.created), expires=time(one.expires)) for one in user.credentials
        ],
        ssh_keys=[dataclasses.replace(one, uploaded=time(one.uploaded)) for one in user.ssh_keys],
        services=[dataclasses.replace(one, used=time(one.used)) for one in user.services],
    )


def _row(user: User, account: str) -> list[str]:
    password = user.password
    return [
        user.name,
        user.arn(account),
        user.created,
        _boolean(password),
        (password.used or "no_information") if password else "N/A",
        password.changed if password else "N/A",
        "not_supported" if user.is_root else "N/A",
        _boolean(user.mfa),
        *_key_columns(user.key(0)),
        *_key_columns(user.key(1)),
        *_certificate_columns(user.certificate(0)),
        *_certificate_columns(user.certificate(1)),
    ]


def _key_columns(key: Key | None) -> list[str]:
    if key is None:
        return ["false", "N/A", "N/A", "N/A", "N/A"]
    if key.used is None:
        return [_boolean(key.active), key.created, "N/A", "N/A", "N/A"]
    return [_boolean(key.active), key.created, key.used, key.reported_region, key.service]


def _certificate_columns(certificate: Certificate | None) -> list[str]:
    return [_boolean(certificate and certificate.active), certificate.uploaded if certificate else "N/A"]


def _boolean(value: object) -> str:
    return "true" if value else "false"
