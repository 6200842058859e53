"""The findings of the sample account, written by hand from the table of checks."""

from __future__ import annotations

import csv
import io

from emulator.launcher import ACCOUNT
from emulator.process import Emulator

ROOT_CHECKS = {
    "root-access-key-active": "CRITICAL",
    "root-access-key-present": "CRITICAL",
    "root-mfa-disabled": "CRITICAL",
    "root-access-key-not-rotated": "HIGH",
    "root-user-recently-used": "HIGH",
    "root-signing-certificate-present": "HIGH",
}

# Findings that are resolved by deleting the root user's keys. The finding on their use stays open.
RESOLVED_WITH_ROOT_KEYS = {"root-access-key-active", "root-access-key-present", "root-access-key-not-rotated"}

USER_CHECKS = {
    "console-user-mfa-disabled": ("HIGH", ["bob"]),
    "console-password-unused": ("MEDIUM", ["carol", "Dave"]),
    "console-user-with-access-keys": ("LOW", ["bob"]),
    "console-user-not-federated": ("INFORMATIONAL", ["alice", "bob", "carol", "Dave", "erin", "root-helper"]),
    "user-multiple-active-access-keys": ("LOW", ["etl", "twins"]),
    "user-without-credentials": ("LOW", ["exporter", "intern-2021"]),
    "user-signing-certificate-active": ("LOW", ["signer"]),
}

_TERRAFORM = "terraform+prod=eu,team.a@example.com"
# By user and slot.
KEY_CHECKS = {
    "access-key-not-rotated": (
        "MEDIUM",
        [
            ("backup", 1),
            ("etl", 1),
            ("legacy-mailer", 1),
            ("metrics", 1),
            ("rotating", 1),
            (_TERRAFORM, 1),
            ("unused", 1),
        ],
    ),
    "access-key-unused": ("MEDIUM", [("etl", 1), ("metrics", 1), (_TERRAFORM, 1), ("twins", 2)]),
    "access-key-never-used": ("MEDIUM", [("legacy-mailer", 1), ("unused", 1)]),
    "access-key-inactive": ("INFORMATIONAL", [("exporter", 2), ("metrics", 2)]),
}


def identity(check: str, subject: str) -> str:
    return f"credwarden/{check}/{ACCOUNT}/{subject}"


def expected(emulator: Emulator) -> dict[str, str]:
    """Returns the severity of every finding of the sample account, by the finding's Id."""
    rows = {row["user"]: row for row in csv.DictReader(io.StringIO(emulator.report()))}
    found = {identity(check, "root"): severity for check, severity in ROOT_CHECKS.items()}
    for check, (severity, users) in USER_CHECKS.items():
        found.update({identity(check, f"user/{user}"): severity for user in users})
    for check, (severity, keys) in KEY_CHECKS.items():
        found.update({identity(check, key_subject(rows[user], slot)): severity for user, slot in keys})
    return found


def key_subject(row: dict[str, str], slot: int) -> str:
    """`user/<name>/key/<created>`, with `-2` for the second of two keys of the same second."""
    created = row[f"access_key_{slot}_last_rotated"]
    twin = slot == 2 and created == row["access_key_1_last_rotated"]
    compact = created.replace("-", "").replace(":", "")
    return f"user/{row['user']}/key/{compact}{'-2' if twin else ''}"


def alerted(findings: dict[str, str]) -> set[str]:
    """Returns the Ids at or above the default threshold, LOW."""
    return {one for one, severity in findings.items() if severity != "INFORMATIONAL"}
