"""Who may assume the member role: callers, and the answers of two evaluators to them."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ministack.core.iam_evaluator import EvalContext, evaluate_trust_policy

from render import ROOT

SIMULATOR = ROOT / ".venv" / "simulator"

AUDIT = "999988887777"
MEMBER = "123456789012"
OTHER = "444455556666"
ORGANIZATION = "o-a1b2c3d4e5"

SSO = "aws-reserved/sso.amazonaws.com/eu-central-1/AWSReservedSSO_Audit"
# The roles of people that the tests trust, without the account.
BY_HAND = ["role/security/Auditor", f"role/{SSO}_{'?' * 16}"]


@dataclass(frozen=True)
class Caller:
    """A principal as AWS describes it in a request; `organization` is None for an account in none."""

    principal: str
    account: str = AUDIT
    organization: str | None = ORGANIZATION

    def arn(self, partition: str) -> str:
        """The value of aws:PrincipalArn: for the session of a role the role's ARN, with its path.

        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn
        """
        service = "sts" if self.principal.startswith("federated-user/") else "iam"
        return f"arn:{partition}:{service}::{self.account}:{self.principal}"

    def signer(self, partition: str) -> str:
        """The ARN that signs the request: for a role that of its session, which has no path."""
        if not self.principal.startswith("role/"):
            return self.arn(partition)
        return f"arn:{partition}:sts::{self.account}:assumed-role/{self.principal.rsplit('/', 1)[1]}/session"

    def context(self, partition: str) -> dict[str, str]:
        organization = {"aws:PrincipalOrgID": self.organization} if self.organization else {}
        return {"aws:PrincipalArn": self.arn(partition), "aws:PrincipalAccount": self.account} | organization


# Those that may assume the role, with or without findings and auditors.
DAILY = {"audit": Caller("role/credwarden/credwarden-audit")}
FINISH = {"finish": Caller("role/credwarden/credwarden-finish")}
PEOPLE = {
    "auditor": Caller("role/security/Auditor"),
    "permission set": Caller(f"role/{SSO}_0123456789abcdef"),
}

# Names and paths that only look like those of the daily run.
LOOKALIKES = {
    "another name": "role/credwarden/credwarden-{step}2",
    "the end of a name": "role/credwarden/my-credwarden-{step}",
    "another case": "role/credwarden/Credwarden-{step}",
    "no path": "role/credwarden-{step}",
    "a longer path": "role/credwarden/team/credwarden-{step}",
    "a path before it": "role/team/credwarden/credwarden-{step}",
    "a user": "user/credwarden/credwarden-{step}",
    "a federated user": "federated-user/credwarden-{step}",
}

STRANGERS = {
    f"{step}: {name}": Caller(principal.format(step=step))
    for step in ("audit", "finish")
    for name, principal in LOOKALIKES.items()
} | {
    "another step": Caller("role/credwarden/credwarden-digest"),
    "the checker": Caller("role/credwarden/eu-central-1/credwarden/credwarden-CheckerRole-1A2B3C4D5E6FG"),
    "the member role": Caller("role/credwarden/credwarden-member"),
    "an administrator": Caller("role/Admin"),
    "an auditor in another path": Caller("role/Auditor"),
    "an auditor of another name": Caller("role/security/Auditors"),
    "another permission set": Caller(f"role/{SSO}_All_0123456789abcdef"),
    "a role named as a permission set": Caller("role/AWSReservedSSO_Audit_0123456789abcdef"),
    "root": Caller("root"),
    "a user": Caller("user/alice"),
    "the role of another account": Caller("role/credwarden/credwarden-audit", OTHER),
    "the auditor of another account": Caller("role/security/Auditor", OTHER),
    "the role of the account itself": Caller("role/credwarden/credwarden-audit", MEMBER),
    "an audit account in no organization": Caller("role/credwarden/credwarden-audit", organization=None),
    "an audit account in another organization": Caller("role/credwarden/credwarden-audit", organization="o-zzzzzzzzzz"),
    "an auditor in another organization": Caller("role/security/Auditor", organization="o-zzzzzzzzzz"),
}

CALLERS = DAILY | FINISH | PEOPLE | STRANGERS

# The answers of an evaluator: for each trust policy the callers that it allows.
Answers = dict[str, set[str]]


def simulated(policies: dict[str, dict], partition: str = "aws") -> Answers:
    """The answers of IAM Simulate."""
    assert (SIMULATOR / "ready").exists(), "`make test` installs the simulator"
    requests = {
        name: {
            "principal": caller.signer(partition),
            "resource": f"arn:{partition}:iam::{MEMBER}:role/credwarden/credwarden-member",
            "account": MEMBER,
            "context": caller.context(partition),
        }
        for name, caller in CALLERS.items()
    }
    done = subprocess.run(
        ["node", Path(__file__).with_name("trust.mjs"), SIMULATOR],
        input=json.dumps({"policies": policies, "requests": requests}),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return {name: set(callers) for name, callers in json.loads(done.stdout).items()}


def emulated(policies: dict[str, dict], partition: str = "aws") -> Answers:
    """The answers of MiniStack's evaluator, which another author wrote from the same documentation."""
    return {
        name: {
            caller
            for caller, one in CALLERS.items()
            if evaluate_trust_policy(policy, one.signer(partition), _request(one, partition))
        }
        for name, policy in policies.items()
    }


def _request(caller: Caller, partition: str) -> EvalContext:
    return EvalContext(
        principal_arn=caller.arn(partition),
        principal_type="",
        principal_account=caller.account,
        action="sts:AssumeRole",
        resource_arn="*",
        region="",
        principal_keys={key.lower(): value for key, value in caller.context(partition).items()},
    )
