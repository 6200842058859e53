"""Other findings in an administrator's Security Hub, which credwarden must not change.

Each resembles its own in one respect: the same product ARN, a generator with the same beginning, the same generator
in a member account, or the same subject from AWS's own control.
"""

from __future__ import annotations

from emulator import clock

MEMBER = "222233334444"


def neighbours(account: str, region: str) -> list[dict]:
    own = f"arn:aws:securityhub:{region}:{account}:product/{account}/default"
    member = f"arn:aws:securityhub:{region}:{MEMBER}:product/{MEMBER}/default"
    control = f"arn:aws:securityhub:{region}::product/aws/securityhub"
    return [
        _finding(own, account, "inventory-script/42", "inventory-script/stale-tags", "Tags are stale"),
        _finding(own, account, "credwarden-exceptions/1", "credwarden-exceptions/review", "An exception is due"),
        _finding(own, account, "credwarden", "credwarden", "A tool whose generator has no check"),
        _finding(
            member,
            MEMBER,
            f"credwarden/root-access-key-active/{MEMBER}/root",
            "credwarden/root-access-key-active",
            "The member's root user has an active access key",
        ),
        _finding(
            member,
            MEMBER,
            f"credwarden/root-mfa-disabled/{MEMBER}/root",
            "credwarden/root-mfa-disabled",
            "The member's root user has no MFA",
            RecordState="ARCHIVED",
            Compliance={"Status": "PASSED"},
        ),
        _finding(
            control,
            account,
            f"arn:aws:securityhub:{region}:{account}:security-control/IAM.4/finding/1",
            "security-control/IAM.4",
            "IAM root user access key should not exist",
        ),
        _finding(
            control,
            MEMBER,
            f"arn:aws:securityhub:{region}:{MEMBER}:security-control/IAM.9/finding/2",
            "security-control/IAM.9",
            "MFA should be enabled for the root user",
        ),
    ]


def _finding(product: str, account: str, identity: str, generator: str, title: str, **more: object) -> dict:
    at = clock.stamp_millis(clock.now() + clock.offset("-30d"))
    severity = {"Label": "HIGH"}
    types = ["Software and Configuration Checks/AWS Security Best Practices"]
    return {
        "SchemaVersion": "2018-10-08",
        "Id": identity,
        "ProductArn": product,
        "ProductName": "Default",
        "CompanyName": "Personal",
        "GeneratorId": generator,
        "AwsAccountId": account,
        "CreatedAt": at,
        "UpdatedAt": at,
        "FirstObservedAt": at,
        "LastObservedAt": at,
        "ProcessedAt": at,
        "Region": product.split(":")[3],
        "Title": title,
        "Description": title + ".",
        "Severity": {**severity, "Normalized": 70},
        "Types": types,
        "FindingProviderFields": {"Severity": severity, "Types": types},
        "ProductFields": {},
        "Resources": [{"Type": "AwsAccount", "Id": f"AWS::::Account:{account}"}],
        "Compliance": {"Status": "FAILED"},
        "RecordState": "ACTIVE",
        "Workflow": {"Status": "NEW"},
        "WorkflowState": "NEW",
        **more,
    }
