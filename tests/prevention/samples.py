"""Policies that others publish for the same purpose, and what is wrong with them.

Typed in as data from https://github.com/aws-samples/service-control-policy-examples (MIT-0), commit 35a50b0 of 2026-04-09,
and from the IAM User Guide. Placeholders have the values of the tests.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from principals import BREAK_GLASS

REPOSITORY = (
    "https://github.com/aws-samples/service-control-policy-examples/blob/35a50b0948bda5ebeb05ef4c6fc5df4f48cd0682"
)
CREATE = "iam:CreateServiceSpecificCredential"


@dataclass(frozen=True)
class Sample:
    """A policy, the column of the table that has its purpose, and the rows in which it differs, each with the reason."""

    source: str
    purpose: str
    statements: list[dict[str, Any]]
    # Only rows about these actions count; empty: all.
    about: frozenset[str] = frozenset()
    allows: dict[str, str] = field(default_factory=dict)
    denies: dict[str, str] = field(default_factory=dict)
    # Differences that the other partitions add.
    allows_elsewhere: dict[str, str] = field(default_factory=dict)
    denies_elsewhere: dict[str, str] = field(default_factory=dict)

    @property
    def policy(self) -> dict[str, Any]:
        return {"Version": "2012-10-17", "Statement": self.statements}


ROOT_ELSEWHERE = "arn:aws: does not match the root user of another partition"
ROLE_ELSEWHERE = "arn:aws: does not match the privileged role of another partition"
NOT_LISTED = "the action is not in the list"
NO_EXPIRY = "a key without expiry has no age, and the condition does not match"
BEDROCK_ONLY = "only Bedrock is named"

SAMPLES = {
    "root credentials": Sample(
        source=f"{REPOSITORY}/Privileged-access-controls/Prevent-root-credentials-management-in-member-accounts-in-AWS-Organizations.json",
        purpose="root",
        statements=[
            {
                "Effect": "Deny",
                "Action": "*",
                "Resource": "*",
                "Condition": {
                    "ArnLike": {"aws:PrincipalArn": ["arn:aws:iam::*:root"]},
                    "Null": {"aws:AssumedRoot": "true"},
                },
            }
        ],
        allows_elsewhere={
            name: ROOT_ELSEWHERE
            for name in (
                "root-key-s3",
                "root-key-org",
                "root-key-create",
                "root-session",
                "root-console",
                "root-console-mfa",
                "root-profile",
            )
        },
    ),
    "critical actions": Sample(
        source=f"{REPOSITORY}/Privileged-access-controls/Deny-critical-IAM-user-actions.json",
        purpose="new",
        statements=[
            {
                "Effect": "Deny",
                "Action": [
                    "iam:CreateAccessKey",
                    "iam:CreateUser",
                    "iam:UpdateLoginProfile",
                    "iam:CreateLoginProfile",
                    "iam:DeleteLoginProfile",
                    "iam:UpdateAccountPasswordPolicy",
                    "iam:DeleteAccountPasswordPolicy",
                    "iam:CreateServiceSpecificCredential",
                ],
                "Resource": "*",
                "Condition": {
                    "ArnNotLike": {"aws:PrincipalArn": f"arn:aws:iam::*:role/{BREAK_GLASS}"},
                    "StringNotLike": {"aws:PrincipalTag/IAMUserManagementException": "true"},
                },
            }
        ],
        allows={
            "admin-ssh": NOT_LISTED,
            "admin-certificate": NOT_LISTED,
            "reset-api-key": NOT_LISTED,
            "reset-codecommit": NOT_LISTED,
            "tagged-key": "whoever may tag a role exempts it",
        },
        denies={
            "assume-root-password": "it blocks the recovery of root's password by AssumeRoot",
            "assume-root-no-password": "it blocks the removal of root's password by AssumeRoot",
            "console-mfa-reset": "by intention: passwords that exist cannot be reset",
        },
        denies_elsewhere={
            name: ROLE_ELSEWHERE
            for name in (
                "break-glass-user",
                "break-glass-key",
                "break-glass-profile",
                "break-glass-codecommit",
                "break-glass-api-key",
            )
        },
    ),
    "API keys of 30 days": Sample(
        source=f"{REPOSITORY}/Service-specific-controls/Amazon-Bedrock/Deny-Bedrock-api-keys-longer-than-30-days.json",
        purpose="bound",
        statements=[
            {
                "Effect": "Deny",
                "Action": CREATE,
                "Resource": "*",
                "Condition": {
                    "StringEquals": {"iam:ServiceSpecificCredentialServiceName": "bedrock.amazonaws.com"},
                    "NumericGreaterThanEquals": {"iam:ServiceSpecificCredentialAgeDays": "30"},
                },
            }
        ],
        allows={
            "api-key-for-ever": NO_EXPIRY,
            "sso-api-key": NO_EXPIRY,
            "break-glass-api-key": NO_EXPIRY,
            "api-key-logs-for-ever": BEDROCK_ONLY,
            "api-key-cloudwatch-for-ever": BEDROCK_ONLY,
            "api-key-claude-for-ever": BEDROCK_ONLY,
        },
        denies={
            "api-key-30": "30 days are not longer than 30 days",
            "api-key-90": "by intention: the limit is another one",
        },
    ),
    "any service-specific credential": Sample(
        source=f"{REPOSITORY}/Service-specific-controls/AWS-IAM/deny-creating-any-service-specific-credentials.json",
        purpose="new",
        about=frozenset({CREATE}),
        statements=[
            {"Sid": "DenyCreatingAnyServiceSpecificCredential", "Effect": "Deny", "Action": CREATE, "Resource": "*"},
            {
                "Sid": "DenyCreatingAnyServiceSpecificWithExceptionBasedOnTag",
                "Effect": "Deny",
                "Action": CREATE,
                "Resource": "*",
                "Condition": {
                    "StringNotEqualsIfExists": {"iam:ResourceTag/ServiceSpecificCredentialAllowed": "true"},
                },
            },
        ],
        denies={
            "break-glass-codecommit": "nobody is exempt",
            "break-glass-api-key": "nobody is exempt",
        },
    ),
    "service-specific credential by type": Sample(
        source=f"{REPOSITORY}/Service-specific-controls/AWS-IAM/deny-service-specific-credential-by-type.json",
        purpose="new",
        about=frozenset({CREATE}),
        statements=[
            {
                "Sid": "DenyCreatingAnyServiceSpecificWithExceptionBasedOnTag",
                "Effect": "Deny",
                "Action": CREATE,
                "Resource": "*",
                "Condition": {
                    "StringEqualsIfExists": {
                        "iam:ServiceSpecificCredentialServiceName": [
                            "logs.amazonaws.com",
                            "bedrock.amazonaws.com",
                            "cassandra.amazonaws.com",
                        ]
                    }
                },
            }
        ],
        allows={
            "api-key-cloudwatch-for-ever": "the service is not in the list",
            "api-key-cloudwatch-30": "the service is not in the list",
            "api-key-claude-for-ever": "the service is not in the list",
            "api-key-claude-30": "the service is not in the list",
            "codecommit": "the service is not in the list",
            "BreakGlass2-codecommit": "the service is not in the list",
            "team-BreakGlass-codecommit": "the service is not in the list",
        },
        denies={"break-glass-api-key": "nobody is exempt"},
    ),
    # "This combination … is not a reliable way", says the guide.
    "MFA without IfExists": Sample(
        source="https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-multifactorauthpresent",
        purpose="without-mfa",
        statements=[
            {
                "Effect": "Deny",
                "NotAction": [
                    "iam:CreateVirtualMFADevice",
                    "iam:EnableMFADevice",
                    "iam:GetMFADevice",
                    "iam:GetUser",
                    "iam:ListMFADevices",
                    "iam:ListVirtualMFADevices",
                    "iam:ResyncMFADevice",
                ],
                "Resource": "*",
                "Condition": {
                    "ArnLike": {"aws:PrincipalArn": "arn:*:iam::*:user/*"},
                    "Bool": {"aws:MultiFactorAuthPresent": "false"},
                },
            }
        ],
        allows={
            name: "an access key has no aws:MultiFactorAuthPresent"
            for name in (
                "key-s3-list",
                "key-s3-object",
                "key-no-via",
                "key-assume-role",
                "key-federation",
                "key-path",
                "key-rotate",
                "key-create-user",
                "key-named-break-glass",
                "key-athena",
                "key-DeactivateMFADevice",
                "key-DeleteVirtualMFADevice",
                "key-ListUsers",
                "api-key-model",
                "api-key-bearer",
                "api-key-logs",
            )
        },
        denies={
            name: "a service calls for a user without MFA, although the user signed in with it"
            for name in ("service-s3", "service-ec2", "service-key")
        },
    ),
    # Not AWS's: the obvious policy against keys, from which GetSessionToken is a way out.
    "no time of issue": Sample(
        source="https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-tokenissuetime",
        purpose="always",
        statements=[
            {
                "Effect": "Deny",
                "Action": "*",
                "Resource": "*",
                "Condition": {
                    "ArnLike": {"aws:PrincipalArn": "arn:*:iam::*:user/*"},
                    "Null": {"aws:TokenIssueTime": "true"},
                },
            }
        ],
        allows={
            **{
                name: "GetSessionToken makes a session of a key"
                for name in (
                    "session-s3",
                    "session-assume-role",
                    "session-mfa-s3",
                    "session-mfa-assume-role",
                    "session-mfa-rotate",
                )
            },
            **{
                name: "a password is long-lived too"
                for name in (
                    "console-s3",
                    "console-enrol",
                    "console-unenrol",
                    "console-password",
                    "console-login",
                    "console-mfa-s3",
                    "console-mfa-key",
                    "console-mfa-profile",
                    "console-mfa-reset",
                    "login-mfa-s3",
                )
            },
            **{
                name: "a service calls for the user with a session"
                for name in ("service-s3", "service-ec2", "service-key")
            },
        },
    ),
}

# The condition of "service-specific credential by type", as it is published.
WITH_COMMENT = """{"StringEqualsIfExists": {"iam:ServiceSpecificCredentialServiceName": [
    "logs.amazonaws.com",
    "bedrock.amazonaws.com",
    "cassandra.amazonaws.com"
    //add or remove the list of service as you need.
]}}"""
