"""The sample account's report in the formats in which people save it, and the result of the command line."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import datetime

from emulator import sample
from emulator.account import Account

# The default time of the tests.
NOW = "2026-11-20T06:00:00Z"


@dataclass(frozen=True)
class Ended:
    """The result of a run."""

    status: int
    output: str
    errors: str


def account(name: str = "sample") -> Account:
    """Returns one of the emulator's accounts, as of NOW."""
    return sample.named(name).anchored(datetime.fromisoformat(NOW.replace("Z", "+00:00")))


def as_json(csv: str, generated: str = "2026-11-20T05:59:00+00:00") -> str:
    """Returns a report as `aws iam get-credential-report` prints it."""
    content = base64.b64encode(csv.encode()).decode()
    return json.dumps({"Content": content, "ReportFormat": "text/csv", "GeneratedTime": generated}, indent=4) + "\n"


SEVERITIES = ["CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL"]


def joined_fixes(findings: list[dict]) -> dict[str, str]:
    """Returns the remediation of each failing finding as it is shown beside the others of its user: a key that is old and unused
    is deleted, not replaced, and with it goes the surplus of two keys. Which of two used keys is old decides what is shown of them;
    such findings are left out."""
    failing = [one for one in findings if one["status"] == "FAILED"]

    def key(one: dict) -> tuple:
        return tuple(one["subject"][name] for name in ("type", "user", "slot"))

    unused = {key(one): one for one in failing if one["check"] in ("access-key-unused", "access-key-never-used")}
    two_keys = {one["subject"]["user"] for one in failing if one["check"] == "user-multiple-active-access-keys"}
    fixes = {}
    for one in failing:
        user = one["subject"]["user"]
        of_user = [other for (_, name, _), other in unused.items() if name == user]
        if one["check"] == "user-multiple-active-access-keys" and of_user:
            fixes[one["id"]] = of_user[0]["remediation"]
        elif one["check"] == "access-key-not-rotated" and key(one) in unused:
            fixes[one["id"]] = unused[key(one)]["remediation"]
        elif user not in two_keys or one["check"] not in ("access-key-not-rotated", "user-multiple-active-access-keys"):
            fixes[one["id"]] = one["remediation"]
    return fixes
