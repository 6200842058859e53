"""The requests of table.csv, and the answers of two evaluators under a policy."""

from __future__ import annotations

import csv
import functools
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ministack.core.iam_evaluator import EvalContext, evaluate, parse_policy_document

from principals import ACCOUNT, STACK_SET, caller, context
from render import PREVENT, ROOT, Rendered

HERE = Path(__file__).parent
SIMULATOR = ROOT / ".venv" / "simulator"

# The columns of the table, and the parameters that they stand for.
SETTINGS: dict[str, dict[str, str]] = {
    "off": {},
    "root": {"DenyRootUser": "true"},
    "new": {"DenyNewLongLivedCredentials": "true"},
    "bound": {"BoundApiKeys": "true"},
    "new+bound": {"DenyNewLongLivedCredentials": "true", "BoundApiKeys": "true"},
    "without-mfa": {"DenyUseOfLongLivedKeys": "without-mfa"},
    "always": {"DenyUseOfLongLivedKeys": "always"},
}
# The context keys of actions, as the table abbreviates them.
OF_ACTIONS = {
    "service": "iam:ServiceSpecificCredentialServiceName",
    "days": "iam:ServiceSpecificCredentialAgeDays",
    "tag": "iam:ResourceTag/ServiceSpecificCredentialAllowed",
}

# The answers of an evaluator: for each policy and each row the statements that deny.
Answers = dict[str, dict[str, list[str]]]


@dataclass(frozen=True)
class Row:
    """One request, and the settings that deny it."""

    name: str
    principal: str
    credential: str
    action: str
    resource: str
    context: dict[str, str]
    denied: frozenset[str]
    reason: str

    def request(self, partition: str) -> dict[str, Any]:
        """The request as AWS evaluates it in a partition."""
        resource = self.resource.format(stack_set=STACK_SET, account=ACCOUNT)
        # The simulator knows no actions of IAM on the root user, whose name AWS leaves out of AssumeRoot's requests. The
        # statements about these actions are on every resource.
        resource = {"root": "user/root"}.get(resource, resource)
        if resource.startswith(("user/", "role/", "mfa/")):
            resource = f"iam::{ACCOUNT}:{resource}"
        return {
            "principal": caller(self.principal, partition),
            "action": self.action,
            "resource": resource if resource == "*" else f"arn:{partition}:{resource}",
            "account": ACCOUNT,
            "context": context(self.principal, self.credential, partition) | self.context,
        }


@functools.cache
def rows() -> tuple[Row, ...]:
    """The table."""
    with (HERE / "table.csv").open(newline="") as file:
        return tuple(_row(fields) for fields in csv.DictReader(file, skipinitialspace=True))


def _row(fields: dict[str, str]) -> Row:
    answers = {setting: fields[setting] for setting in SETTINGS}
    assert set(answers.values()) <= {"deny", "-"}, fields["row"]
    given = dict(one.split("=") for one in fields["context"].split())
    return Row(
        name=fields["row"],
        principal=fields["principal"],
        credential=fields["credential"],
        action=fields["action"],
        resource=fields["resource"],
        context={OF_ACTIONS[name]: value for name, value in given.items()},
        denied=frozenset(setting for setting, answer in answers.items() if answer == "deny"),
        reason=fields["reason"],
    )


def policy(parameters: dict[str, str], partition: str = "aws") -> dict[str, Any]:
    """The service control policy that the template makes."""
    return Rendered(PREVENT, parameters, partition=partition).resources["Policy"].properties["Content"]


def simulated(policies: dict[str, dict], partition: str = "aws", asked: dict[str, list[str]] | None = None) -> Answers:
    """The answers of IAM Simulate to all rows, or for each policy to the rows in `asked`."""
    assert (SIMULATOR / "ready").exists(), "`make test` installs the simulator"
    requests = {row.name: row.request(partition) for row in rows()}
    asked = dict.fromkeys(policies, list(requests)) if asked is None else asked
    done = subprocess.run(
        ["node", HERE / "simulate.mjs", SIMULATOR],
        input=json.dumps({"policies": policies, "requests": requests, "asked": asked}),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def emulated(policies: dict[str, dict], partition: str = "aws") -> Answers:
    """The answers of MiniStack's evaluator, which another author wrote from the same documentation."""
    return {
        name: {row.name: _denying(document, row.request(partition)) for row in rows()}
        for name, document in policies.items()
    }


def _denying(document: dict, request: dict[str, Any]) -> list[str]:
    keys = request["context"]
    asked = EvalContext(
        principal_arn=keys["aws:PrincipalArn"],
        principal_type=keys["aws:PrincipalType"],
        principal_account=ACCOUNT,
        action=request["action"],
        resource_arn=request["resource"],
        region="",
        service_context={key.lower(): value for key, value in keys.items()},
    )
    denials = [[one] for one in parse_policy_document(document) if evaluate(asked, [[one]]).decision == "Deny"]
    return [one.sid for (one,) in denials]
