"""The accounts that the emulator can serve, by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from emulator import sample_key_use
from emulator.account import ACCOUNT, ROOT, Account, Certificate, Key, Password, User, key_id
from emulator.records import record, role_session, root, sso_session


def named(name: str) -> Account:
    """Returns `sample`, `clean`, `bare`, `ready`, `users:N` (N users, one in ten fails), `failing:N` (all fail), `failing3:N` (all
    fail three times) or `rooted:N` (only the root user fails)."""
    kind, _, count = name.partition(":")
    if kind == "failing3" and count.isdigit():
        return crowd(int(count), every=1, second_key=True)
    if kind == "rooted" and count.isdigit():
        return crowd(int(count), every=None, root_keys=[Key("-700d", used="-90d")])
    if kind in ("users", "failing") and count.isdigit():
        return crowd(int(count), every=1 if kind == "failing" else 10)
    accounts = {"sample": sample, "clean": clean, "bare": bare, "ready": ready}
    if name not in accounts:
        raise LookupError(
            f"no account {name!r}; there are {', '.join(accounts)}, users:N, failing:N, failing3:N and rooted:N"
        )
    return accounts[name]()


def sample() -> Account:
    """An account that has grown for years: for every check it has a subject that fails and one that passes."""
    return Account(
        root=User(
            ROOT,
            created="-2300d",
            password=Password(used="-61d", changed="-1500d"),
            keys=[Key("-1483d", used="-1d2h", service="ec2", region="eu-central-1"), Key("-2100d", active=False)],
            certificates=[Certificate("-2000d", active=False)],
        ),
        users=[
            # People who sign in to the console.
            User("alice", created="-700d", password=Password("-2h", "-80d"), mfa="virtual"),
            User("bob", created="-820d", password=Password("-1d", "-200d"), keys=[Key("-40d", used="-3h")]),
            User("carol", created="-640d", password=Password("-190d", "-400d"), mfa="hardware"),
            User("Dave", created="-300d", password=Password(None, "-300d"), mfa="virtual"),
            User("erin", created="-2d", password=Password(None, "-2d"), mfa="virtual"),
            User("root-helper", created="-500d", password=Password("-4d", "-30d"), mfa="virtual"),
            # Machines and scripts, with keys of every age and use.
            User("backup", created="-1200d", keys=[Key("-1100d", used="-20m")]),
            User("ci-deploy", created="-420d", path="/ci/github/", keys=[Key("-30d", used="-5m", service="ecr")]),
            User("etl", created="-620d", keys=[Key("-400d", used="-300d"), Key("-60d", used="-1h", service="glue")]),
            User("exporter", created="-410d", keys=[None, Key("-410d", used="-70d", active=False)]),
            User("fresh", created="-1d", keys=[Key("-1d")]),
            User("legacy-mailer", created="-4400d", keys=[Key("-4380d")]),
            User(
                "metrics",
                created="-260d",
                keys=[Key("-260d", used="-46d", service="monitoring"), Key("-25d", active=False)],
            ),
            User("rotating", created="-200d", keys=[Key("-95d", used="-1d"), Key("-3d")]),
            User("signer", created="-1900d", certificates=[Certificate("-1800d")]),
            User(
                sample_key_use.TERRAFORM,
                created="-350d",
                path="/teams/a/",
                keys=[Key("-180d", used="-70d", service="sts", region="eu-west-1")],
            ),
            User("twins", created="-100d", keys=[Key("-50d", used="-2d"), Key("-50d", used="-47d")]),
            User("unused", created="-500d", keys=[Key("-200d")]),
            # Users without credentials.
            User("intern-2021", created="-1600d"),
            User("newcomer", created="-3d"),
        ],
        events=_by_region([*_events(), *sample_key_use.events()]),
        interfaces=sample_key_use.interfaces(),
        addresses=sample_key_use.addresses(),
    )


def _by_region(events: list[dict]) -> dict[str, list[dict]]:
    found: dict[str, list[dict]] = {}
    for event in events:
        found.setdefault(event["awsRegion"], []).append(event)
    return found


def _events() -> list[dict]:
    """The events of the root user and of administrators: the root key's last use is that of the credential report."""
    root_user, ec2 = root(key_id(ACCOUNT, ROOT, 0)), "ec2.amazonaws.com"
    administrator, person = role_session("Admin", "ops"), sso_session("AdministratorAccess", "dave@example.com")
    new_user = {"path": "/", "userName": "newcomer", "arn": f"arn:aws:iam::{ACCOUNT}:user/newcomer"}
    new_key = {"userName": "fresh", "accessKeyId": key_id(ACCOUNT, "fresh", 0), "status": "Active"}
    return [
        record("RunInstances", root_user, "-2d", "eu-central-1", ec2),
        record("DescribeInstances", root_user, "-1d2h", "eu-central-1", ec2),
        # IAM's events are in us-east-1 only.
        record("CreateUser", person, "-3d", parameters={"userName": "newcomer"}, response={"user": new_user}),
        record(
            "CreateAccessKey", administrator, "-1d", parameters={"userName": "fresh"}, response={"accessKey": new_key}
        ),
    ]


def clean() -> Account:
    """An account that passes every check: a hardware device for root, workloads with a fresh key that is in use."""
    return Account(
        root=User(ROOT, created="-2300d", password=Password("-200d", "-1500d"), mfa="hardware"),
        users=[
            User("ci-deploy", created="-420d", path="/ci/", keys=[Key("-30d", used="-5m", service="ecr")]),
            User("newcomer", created="-3d"),
        ],
    )


def bare() -> Account:
    """A member account of an organization that has no root credentials, and no users."""
    return Account(root=User(ROOT, created="-90d"))


def ready() -> Account:
    """A member account whose long-lived credentials were removed: one user is left, who has none."""
    return Account(root=User(ROOT, created="-900d"), users=[User("retired", created="-800d")])


def crowd(count: int, every: int | None, root_keys: Sequence[Key] = (), second_key: bool = False) -> Account:
    """`count` users with a key each; one in `every` has an old unused key, and with `second_key` an inactive one."""
    users = []
    for number in range(count):
        key = Key("-700d", "-90d") if every and number % every == 0 else Key("-60d", used="-1h")
        keys = [key, Key("-900d", active=False)] if second_key else [key]
        users.append(User(f"user-{number:04d}", created="-800d", keys=keys))
    root = User(ROOT, created="-2300d", password=Password("-200d", "-1500d"), mfa="hardware", keys=list(root_keys))
    return Account(root=root, users=users)


MANAGEMENT, AUDIT = "444455556666", "999988887777"
"""The management account of the organizations below, and the account that audits them."""

_DELEGATED = {AUDIT: ["member.org.stacksets.cloudformation.amazonaws.com"]}
_UNITS = ["Security", "Workloads", "Workloads/Prod", "Sandbox"]


def of_account(model: str, account: str) -> Account:
    """Returns `staff:N` (N users whose keys depend on the account's id), or an account by the name of `named`."""
    kind, _, count = model.partition(":")
    return staff(int(account), int(count)) if kind == "staff" and count.isdigit() else named(model)


def staff(account: int, count: int) -> Account:
    """A member account: in one of five a key is old and unused, in one of fifty the root user has a key."""
    users = [
        User(f"user-{number}", created="-800d", keys=[Key(f"-{20 + (account + number) % 60}d", used="-1h")])
        for number in range(count)
    ]
    if users and account % 5 == 0:
        users[0].keys = [Key("-700d", used="-200d")]
    root_keys = [Key("-900d", used="-300d")] if account % 50 == 7 else []
    return Account(root=User(ROOT, created="-900d", mfa="virtual", keys=root_keys), users=users)


def organization(name: str) -> dict[str, Any]:
    """Returns `organization` (12 accounts), or `organization:N` (N accounts with 3 users each), as `Organization.make` takes it."""
    kind, _, count = name.partition(":")
    if kind == "organization" and count.isdigit() and int(count) >= 2:
        return _large(int(count))
    if name != "organization":
        raise LookupError(f"no organization {name!r}; there are organization and organization:N, N at least 2")
    failed = "ResourceLogicalId:MemberRole, ResourceType:AWS::IAM::Role, ResourceStatusReason:credwarden-member already exists."
    accounts = [
        {"id": MANAGEMENT, "name": "management", "model": "clean"},
        {"id": AUDIT, "name": "audit", "unit": "Security", "model": "clean"},
        {"id": "555566667777", "name": "log-archive", "unit": "Security", "model": "bare"},
        # This one has the model that the emulator was started with.
        {"id": ACCOUNT, "name": "shop", "unit": "Workloads/Prod", "model": "sample"},
        {"id": "222233334444", "name": "payments", "unit": "Workloads/Prod", "model": "rooted:2"},
        {"id": "333344445555", "name": "billing", "unit": "Workloads/Prod", "model": "users:4"},
        {"id": "666677778888", "name": "search", "unit": "Workloads", "model": "users:12"},
        {
            "id": "777788889999",
            "name": "legacy",
            "unit": "Workloads",
            "model": "failing:2",
            "instance": {"status": "OUTDATED", "detailed": "FAILED", "reason": failed},
        },
        {"id": "888899990000", "name": "locked", "unit": "Workloads/Prod", "model": "users:3", "denied": ["iam:*"]},
        {"id": "123456789012", "name": "old-shop", "unit": "Workloads", "model": "rooted:1", "state": "SUSPENDED"},
        {"id": "210987654321", "name": "sandbox-a", "unit": "Sandbox", "model": "failing:3"},
        {"id": "345678901234", "name": "sandbox-b", "unit": "Sandbox", "model": "ready"},
    ]
    return {"accounts": accounts, "units": _UNITS, "management": MANAGEMENT, "delegated": _DELEGATED}


def _large(count: int) -> dict[str, Any]:
    accounts = [
        {"id": MANAGEMENT, "name": "management", "model": "clean"},
        {"id": AUDIT, "name": "audit", "unit": "Security", "model": "clean"},
    ]
    for number in range(count - 2):
        unit = _UNITS[1 + number % 3]
        accounts.append({"id": f"2{number:011d}", "name": f"team-{number}", "unit": unit, "model": "staff:3"})
    return {"accounts": accounts, "units": _UNITS, "management": MANAGEMENT, "delegated": _DELEGATED}
