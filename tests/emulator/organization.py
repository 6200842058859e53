"""The organization of the emulated account: DescribeOrganization.

https://docs.aws.amazon.com/organizations/latest/APIReference/API_DescribeOrganization.html
"""

from __future__ import annotations

from emulator.answers import Answer, Refused, target_answer

SERVICE = "organizations"
ID = "o-exampleorgid"
MANAGEMENT = "444455556666"
"""The management account while the emulated account is a member."""


class Organization:
    """The emulated account is a `member`, it is the `management` account, or it is in no organization: None."""

    def __init__(self) -> None:
        self._membership: str | None = "member"

    def reset(self) -> None:
        self._membership = "member"

    def set(self, membership: str | None) -> None:
        if membership not in ("member", "management", None):
            raise ValueError("an account is a member, or the management account, or in no organization: null")
        self._membership = membership

    def describe_organization(self, account: str, _region: str, _body: bytes) -> Answer:
        if self._membership is None:
            raise Refused(400, "AWSOrganizationsNotInUseException", "Your account is not a member of an organization.")
        management = account if self._membership == "management" else MANAGEMENT
        return target_answer(
            200,
            {
                "Organization": {
                    "Id": ID,
                    "Arn": f"arn:aws:organizations::{management}:organization/{ID}",
                    "FeatureSet": "ALL",
                    "MasterAccountArn": f"arn:aws:organizations::{management}:account/{ID}/{management}",
                    "MasterAccountId": management,
                    "MasterAccountEmail": "management@example.com",
                    "AvailablePolicyTypes": [{"Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED"}],
                }
            },
        )
