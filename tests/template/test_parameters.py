"""The valid and invalid values of each parameter, and its description."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from render import ACCOUNT, DEPLOY_ROLE, MEMBER_ROLE, MEMBER_STACKSET, ROOT, TEMPLATE, parse

BOTH = [TEMPLATE, DEPLOY_ROLE]

DAYS = (["1", "7", "45", "90", "9999"], ["", "0", "00", "-1", "1.5", "1e3", "ninety", " 90", "90 ", "10000", "٣"])
HOURS = (["1", "9", "26", "99", "100", "168"], ["", "0", "169", "170", "200", "1000", "26.5", "-26"])
TOPICS = (
    [
        "",
        f"arn:aws:sns:eu-central-1:{ACCOUNT}:alerts",
        f"arn:aws-us-gov:sns:us-gov-west-1:{ACCOUNT}:Security_1-x",
        f"arn:aws-cn:sns:cn-north-1:{ACCOUNT}:a",
    ],
    [
        "alerts",
        f"arn:aws:sns:eu-central-1:{ACCOUNT}:alerts.fifo",
        f"arn:aws:sqs:eu-central-1:{ACCOUNT}:alerts",
        "arn:aws:sns:eu-central-1:1111:alerts",
        f"arn:aws:sns:eu-central-1:{ACCOUNT}:*",
        f"arn:aws:sns:eu-central-1:{ACCOUNT}:alerts:1234",
        f"arn:aws:sns::{ACCOUNT}:alerts",
    ],
)
KEYS = (
    [
        "",
        f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        f"arn:aws-cn:kms:cn-north-1:{ACCOUNT}:key/mrk-1234abcd12ab34cd56ef1234567890ab",
    ],
    [
        "alias/aws/sns",
        "1234abcd-12ab-34cd-56ef-1234567890ab",
        f"arn:aws:kms:eu-central-1:{ACCOUNT}:alias/sns",
        f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/*",
    ],
)

# Of both templates of the member role.
MEMBER = {
    "AuditAccountId": ([ACCOUNT], ["", "1111", f"{ACCOUNT}1", "*", f"arn:aws:iam::{ACCOUNT}:root"]),
    "OrganizationId": (["o-a1b2c3d4e5", f"o-{'a' * 32}"], ["", "*", "o-*", "o-a1b2", "r-ab12", "O-A1B2C3D4E5"]),
    "AuditorArns": (
        [
            "",
            f"arn:aws:iam::{ACCOUNT}:role/Auditor",
            f"arn:aws-cn:iam::{ACCOUNT}:role/security/Auditor",
            f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/eu-central-1/AWSReservedSSO_Audit_{'?' * 16}",
            f"arn:aws:iam::{ACCOUNT}:role/security/Audit*",
        ],
        [
            "*",
            "Auditor",
            ACCOUNT,
            f"arn:aws:iam::{ACCOUNT}:root",
            f"arn:aws:iam::{ACCOUNT}:user/alice",
            f"arn:aws:iam::{ACCOUNT}:role/*",
            f"arn:aws:iam::{ACCOUNT}:role/security/*",
            f"arn:aws:iam::{ACCOUNT}:role/*/Auditor",
            f"arn:aws:iam::{ACCOUNT}:role/A*r",
            "arn:aws:iam::*:role/Auditor",
            "arn:*:iam::111122223333:role/Auditor",
            f"arn:aws:sts::{ACCOUNT}:assumed-role/Auditor/alice",
            f"arn:aws:iam::{ACCOUNT}:role/${{aws:username}}",
        ],
    ),
    "PublishFindings": (["true", "false"], ["", "True", "yes"]),
    "PermissionsBoundaryName": (
        ["", "boundary", "team/boundary"],
        ["/boundary", "team/", "team//boundary", "*", f"arn:aws:iam::{ACCOUNT}:policy/boundary", "b" * 129],
    ),
}

# Accepted and refused values.
VALUES = {
    TEMPLATE: {
        "EmailAddress": (
            ["", "security@example.com", "first.last+aws@mail.example.co.uk"],
            [
                "security",
                "@example.com",
                "a@b",
                "a b@example.com",
                "a@example.com,b@example.com",
                "a@example.com,b.org",
                "a@example.com\n",
            ],
        ),
        "AccountName": (["", "payroll", "Zahlungen Köln", "a" * 64], ["a" * 65]),
        "TopicArn": TOPICS,
        "AlarmTopicArn": TOPICS,
        "KmsKeyArn": KEYS,
        "AlertOn": (["changes", "failures", "always"], ["", "Changes", "never"]),
        "AlertMinSeverity": (["CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL"], ["", "low", "NONE"]),
        "SecurityHub": (["true", "false"], ["", "True", "yes", "1"]),
        "AccessKeyMaxAgeDays": DAYS,
        "CredentialUnusedDays": DAYS,
        "RootUsedWithinDays": DAYS,
        "NewCredentialGraceDays": DAYS,
        "DisabledChecks": (
            ["", "root-mfa-disabled", "root-mfa-disabled,access-key-inactive,user-without-credentials"],
            [
                ",",
                "root-mfa-disabled,",
                "root-mfa-disabled, access-key-inactive",
                "Root-MFA",
                "root--mfa",
                "root_mfa",
                "*",
            ],
        ),
        "ScheduleExpression": (
            [
                "cron(0 6 * * ? *)",
                "cron(15 10 ? * MON-FRI *)",
                "cron(0/30 8,20 ? * 6L 2026-2030)",
                "rate(1 day)",
                "rate(12 hours)",
                "rate(30 minutes)",
            ],
            [
                "",
                "0 6 * * ? *",
                "cron(0 6 * * ?)",
                "cron(0 6 * * ? * *)",
                "rate(0 days)",
                "rate(1 week)",
                "rate(day)",
                "at(2026-11-20T13:00:00)",
                "every day",
            ],
        ),
        "ScheduleTimezone": (
            ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "America/Port-au-Prince"],
            ["", "Europe/", "/Berlin", "Europe Berlin", "+01:00", "a" * 51],
        ),
        "SuccessWithinHours": HOURS,
        "Architecture": (["arm64", "x86_64"], ["", "aarch64", "x86"]),
        "MemorySize": (["128", "256", "10240"], ["0", "127", "10241"]),
        "Timeout": (["180", "300", "900"], ["0", "120", "179", "901"]),
        "MaximumRetryAttempts": (["0", "1", "2"], ["-1", "3"]),
        "LogRetentionDays": (["1", "365", "3653"], ["0", "2", "364"]),
        "PermissionsBoundaryArn": (
            [
                "",
                f"arn:aws:iam::{ACCOUNT}:policy/boundary",
                "arn:aws-cn:iam::aws:policy/ReadOnlyAccess",
                f"arn:aws:iam::{ACCOUNT}:policy/deploy/some-RoleBoundary-1A2B",
            ],
            ["boundary", f"arn:aws:iam::{ACCOUNT}:role/boundary", f"arn:aws:iam::{ACCOUNT}:policy/*"],
        ),
    },
    DEPLOY_ROLE: {
        "StackName": (["credwarden", "C", "c-1", "a" * 24], ["", "1c", "-c", "c_1", "c*", "c/d", "a" * 25]),
        "TopicArn": TOPICS,
        "AlarmTopicArn": TOPICS,
        "KmsKeyArn": KEYS,
        "TrustedPrincipalArn": (
            [
                "",
                f"arn:aws:iam::{ACCOUNT}:role/admin",
                f"arn:aws:iam::{ACCOUNT}:user/team/some.one@example.com",
                f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_1a2b",
            ],
            [
                "*",
                ACCOUNT,
                f"arn:aws:iam::{ACCOUNT}:root",
                f"arn:aws:iam::{ACCOUNT}:role/*",
                f"arn:aws:sts::{ACCOUNT}:assumed-role/admin/me",
            ],
        ),
        "GitHubProviderArn": (
            ["", f"arn:aws-us-gov:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"],
            [
                f"arn:aws:iam::{ACCOUNT}:oidc-provider/gitlab.com",
                f"arn:aws:iam::{ACCOUNT}:oidc-provider/tokenXactions.githubusercontent.com",
                "token.actions.githubusercontent.com",
            ],
        ),
        "GitHubAudience": (["sts.amazonaws.com", "https://github.com/owner"], ["", "*", "a b"]),
        "GitHubSubject": (
            [
                "",
                "repo:owner/name:environment:production",
                "repo:owner/name:ref:refs/heads/main",
                "repo:owner/name:ref:refs/tags/v*",
                "repo:owner@123/name@456:pull_request",
            ],
            [
                "*",
                "repo:*",
                "repo:owner/*:ref:refs/heads/main",
                "repo:owner/name",
                "repo:owner/name:",
                "owner/name:ref:refs/heads/main",
            ],
        ),
    },
    MEMBER_ROLE: MEMBER,
    MEMBER_STACKSET: MEMBER
    | {
        "TargetIds": (
            ["r-ab12", "ou-ab12-11111111"],
            ["", "*", ACCOUNT, "o-a1b2c3d4e5", "ou-ab12", "r-ab12,ou-ab12-11111111", "r-ab12 "],
        ),
        "CallAs": (["SELF", "DELEGATED_ADMIN"], ["", "self", "DELEGATE"]),
    },
}


def accepts(declared: dict, value: str) -> bool:
    """Checks a value as CloudFormation does before it makes a change."""
    if "AllowedValues" in declared and value not in map(str, declared["AllowedValues"]):
        return False
    # CloudFormation matches the whole value; the patterns are anchored too.
    if "AllowedPattern" in declared and not re.fullmatch(declared["AllowedPattern"], value, re.ASCII):
        return False
    if declared["Type"] == "Number":
        return declared.get("MinValue", 0) <= float(value) <= declared.get("MaxValue", float("inf"))
    return len(value) <= declared.get("MaxLength", 4096)


@pytest.mark.parametrize("path", VALUES)
def test_every_parameter_is_listed_here(path: Path) -> None:
    assert set(VALUES[path]) == set(parse(path)["Parameters"])


@pytest.mark.parametrize(("path", "name"), [(path, name) for path in VALUES for name in VALUES[path]])
def test_values(path: Path, name: str) -> None:
    declared = parse(path)["Parameters"][name]
    accepted, refused = VALUES[path][name]
    for value in [*([str(declared["Default"])] if "Default" in declared else []), *accepted]:
        assert accepts(declared, value), value
    for value in refused:
        assert not accepts(declared, value), value


def test_the_texts_of_timeout_name_its_limits() -> None:
    declared = parse(TEMPLATE)["Parameters"]["Timeout"]
    least, most = declared["MinValue"], declared["MaxValue"]
    assert declared["ConstraintDescription"] == f"must be from {least} to {most}"
    assert (
        f"{least} seconds are enough for 15,000 findings of credwarden, {most} for 140,000" in declared["Description"]
    )
    guide = " ".join((ROOT / "functions" / "checker" / "README.md").read_text().split())
    assert f"the minimum of {least} seconds" in guide and f"the default of {declared['Default']} " in guide


@pytest.mark.parametrize("name", ["TopicArn", "AlarmTopicArn", "KmsKeyArn"])
def test_a_parameter_of_both_templates_takes_the_same_values(name: str) -> None:
    ours, theirs = (
        {key: value for key, value in parse(path)["Parameters"][name].items() if key != "Description"} for path in BOTH
    )
    assert ours == theirs


@pytest.mark.parametrize("path", VALUES)
def test_patterns_are_anchored(path: Path) -> None:
    for name, declared in parse(path)["Parameters"].items():
        pattern = declared.get("AllowedPattern")
        if pattern:
            # Anchored patterns, after the one for an empty value if there is one.
            whole = pattern.removeprefix("^$|")
            assert whole.endswith("$") and all(one.startswith("^") for one in whole.split("$|")), name


@pytest.mark.parametrize("path", VALUES)
def test_each_parameter_has_a_description(path: Path) -> None:
    template = parse(path)
    interface = template["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = [name for group in interface["ParameterGroups"] for name in group["Parameters"]]
    assert sorted(grouped) == sorted(template["Parameters"])
    assert sorted(interface["ParameterLabels"]) == sorted(template["Parameters"])
    for name, declared in template["Parameters"].items():
        assert declared["Description"] and declared["ConstraintDescription"].startswith("must "), name
        assert {"AllowedPattern", "AllowedValues", "MaxLength", "MinValue"} & set(declared), name
