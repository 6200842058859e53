"""Who makes a request, with which credential, and which condition keys AWS then puts into the request.

The presence of a key is what the policy rests on, so each one names its source. All of them are sections of
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
"""

from __future__ import annotations

from dataclasses import dataclass, field

ACCOUNT = "111122223333"

# The parameters of the template in all tests, and names that only look like them.
BREAK_GLASS = "BreakGlass"
STACK_SET = "stacksets-exec-0123456789abcdef0123456789abcdef"

SSO_ROLE = "aws-reserved/sso.amazonaws.com/eu-central-1/AWSReservedSSO_AdministratorAccess_0123456789abcdef"
LINKED_ROLE = "aws-service-role/rds.amazonaws.com/AWSServiceRoleForRDS"

# The resource part of aws:PrincipalArn. It is the ARN of the role and not that of its session, with the role's path
# (#condition-keys-principalarn).
PRINCIPALS = {
    "root": "iam:root",
    "user": "iam:user/alice",
    "user in a path": "iam:user/team/alice",
    "user BreakGlass": f"iam:user/{BREAK_GLASS}",
    "federated user": "sts:federated-user/alice",
    "admin": "iam:role/Admin",
    "tagged admin": "iam:role/Admin",
    "SSO admin": f"iam:role/{SSO_ROLE}",
    "GitHub": "iam:role/GitHubDeploy",
    "break-glass": f"iam:role/{BREAK_GLASS}",
    "BreakGlass2": f"iam:role/{BREAK_GLASS}2",
    "MyBreakGlass": f"iam:role/My{BREAK_GLASS}",
    "breakglass": f"iam:role/{BREAK_GLASS.lower()}",
    "team/BreakGlass": f"iam:role/team/{BREAK_GLASS}",
    "StackSet": f"iam:role/{STACK_SET}",
    "StackSet2": f"iam:role/{STACK_SET}2",
    "team/StackSet": f"iam:role/team/{STACK_SET}",
    "Control Tower": "iam:role/AWSControlTowerExecution",
    "Organizations": "iam:role/OrganizationAccountAccessRole",
    "RDS": f"iam:role/{LINKED_ROLE}",
}

# Included for a principal with tags (#condition-keys-principaltag).
TAGS = {"tagged admin": {"aws:PrincipalTag/IAMUserManagementException": "true"}}

SESSION = {
    # Only with temporary credentials, and not with access keys (#condition-keys-tokenissuetime).
    "aws:TokenIssueTime": "2026-11-25T08:00:00Z",
}
WITHOUT_MFA = {
    # Temporary credentials of users without MFA, in the console too: present and false (#condition-keys-multifactorauthpresent).
    "aws:MultiFactorAuthPresent": "false",
}
WITH_MFA = {
    "aws:MultiFactorAuthPresent": "true",
    # Only after MFA (#condition-keys-multifactorauthage).
    "aws:MultiFactorAuthAge": "60",
}


@dataclass(frozen=True)
class Credential:
    """The condition keys that depend on the credential; `without` are keys that other requests have."""

    keys: dict[str, str | list[str]] = field(default_factory=dict)
    without: tuple[str, ...] = ()


CREDENTIALS = {
    # Neither a time of issue nor MFA (#condition-keys-tokenissuetime, #condition-keys-multifactorauthpresent).
    "key": Credential(),
    # Some services do not send aws:ViaAWSService (#condition-keys-viaawsservice names EC2, Glue and Lake Formation).
    "key-no-via": Credential(without=("aws:ViaAWSService",)),
    # A bearer token of a service-specific credential is as long-lived as a key, and no session.
    "API key": Credential(),
    "session": Credential({**SESSION, **WITHOUT_MFA}),
    "session+MFA": Credential({**SESSION, **WITH_MFA}),
    "console": Credential({**SESSION, **WITHOUT_MFA}),
    "console+MFA": Credential({**SESSION, **WITH_MFA}),
    # From a console sign-in. Their aws:SignInSessionArn is left out: the simulator does not know the key, and no policy here
    # reads it.
    "aws login+MFA": Credential({**SESSION, **WITH_MFA}),
    # A service that calls another one for a user has a session without MFA, however the user signed in
    # (#condition-keys-multifactorauthpresent, #condition-keys-viaawsservice, #condition-keys-calledvia).
    "service": Credential(
        {
            **SESSION,
            **WITHOUT_MFA,
            "aws:ViaAWSService": "true",
            "aws:CalledVia": ["cloudformation.amazonaws.com"],
        }
    ),
    # Only in sessions of sts:AssumeRoot (#condition-keys-assumedroot, #condition-keys-sourceidentity).
    "AssumeRoot": Credential(
        {**SESSION, **WITHOUT_MFA, "aws:AssumedRoot": "true", "aws:SourceIdentity": "alice@example.com"}
    ),
    # Of a role that a user, a role or a service assumed.
    "role": Credential({**SESSION, **WITHOUT_MFA}),
    # MFA of an identity provider is not in the request (#condition-keys-multifactorauthpresent).
    "federation": Credential(SESSION),
}


def context(principal: str, credential: str, partition: str) -> dict[str, str | list[str]]:
    """The condition keys of a request, without those of the action."""
    service, resource = PRINCIPALS[principal].split(":")
    keys: dict[str, str | list[str]] = {
        "aws:PrincipalArn": f"arn:{partition}:{service}::{ACCOUNT}:{resource}",
        "aws:PrincipalAccount": ACCOUNT,
        "aws:PrincipalType": {"root": "Account", "user": "User", "federated-user": "FederatedUser"}.get(
            resource.split("/")[0], "AssumedRole"
        ),
        # In every signed request; true only if a service calls by itself (#condition-keys-principalisawsservice).
        "aws:PrincipalIsAWSService": "false",
        # False if the principal calls by itself (#condition-keys-viaawsservice).
        "aws:ViaAWSService": "false",
    }
    if resource.startswith("user/"):
        # For IAM users only (#condition-keys-username).
        keys["aws:username"] = resource.rsplit("/", 1)[1]
    kind = CREDENTIALS[credential]
    keys |= TAGS.get(principal, {}) | kind.keys
    return {key: value for key, value in keys.items() if key not in kind.without}


def caller(principal: str, partition: str) -> str:
    """The ARN that the request is signed by: for a role, that of its session."""
    service, resource = PRINCIPALS[principal].split(":")
    if resource.startswith("role/"):
        name = resource.rsplit("/", 1)[1]
        return f"arn:{partition}:sts::{ACCOUNT}:assumed-role/{name}/session"
    return f"arn:{partition}:{service}::{ACCOUNT}:{resource}"
