"""AWS Organizations: one organization with its units and accounts, or only DescribeOrganization.

https://docs.aws.amazon.com/organizations/latest/APIReference/Welcome.html

Modelled: the listings of accounts, roots and organizational units with their pages; who may call them; the states of an
account; service control policies as denied actions; Regions in which STS is off. `stacksets.py` has the StackSets,
`trust.py` the roles. Other operations are refused while an organization is made.

What only real AWS can show:

- the message of an AssumeRole that a service control policy denies, and whether it names the policy;
- what a suspended or closed account answers to sessions from before;
- whether ListAccounts still returns `Status`, and after how long a new account, state or delegate is seen there;
- how Organizations, IAM and STS throttle: the rates are documented, the bursts only for Organizations;
- how long reports take, and the shared capacity for generating them (`LimitExceeded`);
- how long a StackSet takes for a new account, and the reasons that it gives for a failed instance;
- whether a service control policy with conditions, a resource control policy or a VPC endpoint policy denies a call;
- partitions other than `aws`.
"""

from __future__ import annotations

import base64
import dataclasses
import fnmatch
import hashlib
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from emulator import clock, sample
from emulator.account import Account
from emulator.answers import Answer, Refused, target_answer

SERVICE = "organizations"
ID = "o-exampleorgid"
MANAGEMENT = "444455556666"
"""The management account while the emulated account is a member."""

STATES = ("PENDING_ACTIVATION", "ACTIVE", "SUSPENDED", "PENDING_CLOSURE", "CLOSED")
UNUSABLE = ("PENDING_ACTIVATION", "SUSPENDED", "CLOSED")
# The older field knows fewer states.
_STATUS = {"CLOSED": "SUSPENDED", "PENDING_ACTIVATION": "SUSPENDED"}
_PAGE = 20


@dataclass
class Unit:
    """An organizational unit, or the root when it has no parent."""

    id: str
    name: str
    parent: str | None


@dataclass
class Member:
    """An account of the organization.

    `unit` is a path of names such as `Workloads/Prod`, empty for the root. `model` names the IAM account that it has, see
    `sample.of_account`. `denied` are the actions that a service control policy denies. `instance` is the outcome of the
    StackSet there, if it is not a success: {"status", "detailed", "reason"}.
    """

    id: str
    name: str
    unit: str = ""
    state: str = "ACTIVE"
    model: str = "bare"
    email: str = ""
    joined: str = "-400d"
    denied: list[str] = field(default_factory=list)
    sts_off: list[str] = field(default_factory=list)
    instance: dict | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\d{12}", self.id):
            raise ValueError(f"{self.id!r} is no account id: 12 digits")
        if self.state not in STATES:
            raise ValueError(f"no state {self.state!r}; there are {', '.join(STATES)}")
        sample.of_account(self.model, self.id)
        self.email = self.email or f"{self.name}@example.com"


class Organization:
    """Before `make`, the emulated account is a `member`, it is the `management` account, or it is in no organization: None;
    then only DescribeOrganization is served."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._membership: str | None = "member"
        self.made = False
        self.id, self.management = ID, MANAGEMENT
        self.members: dict[str, Member] = {}
        self.units: dict[str, Unit] = {}
        self.delegated: dict[str, list[str]] = {}
        self._omitted: list[str] = []
        self._empty_pages = 0

    def set(self, membership: str | None) -> None:
        if membership not in ("member", "management", None):
            raise ValueError("an account is a member, or the management account, or in no organization: null")
        self.reset()
        self._membership = membership

    def make(
        self,
        accounts: list[dict],
        units: Iterable[str] = (),
        id: str = "o-a1b2c3d4e5",
        management: str = MANAGEMENT,
        root: str = "r-ab12",
        delegated: dict[str, list[str]] | None = None,
        omitted: Iterable[str] = (),
        empty_pages: int = 0,
    ) -> None:
        """Makes the organization. `units` are paths of names, parents first; `delegated` has the services by account."""
        members = {one["id"]: Member(**one) for one in accounts}
        if len(members) != len(accounts):
            raise ValueError("two accounts have the same id")
        for account in (management, *(delegated or {})):
            if account not in members:
                raise ValueError(f"the account {account} is not in the organization")
        self.reset()
        self.id, self.management, self.delegated = id, management, dict(delegated or {})
        self.units = {"": Unit(root, "Root", None)}
        for path in units:
            self._add_unit(path)
        for member in members.values():
            self._unit(member.unit)
        self.members, self.made = members, True
        self.answer_with(omitted, empty_pages)

    def answer_with(self, omitted: Iterable[str] = (), empty_pages: int = 0) -> None:
        """Leaves fields out of the accounts, such as `State`; lists so many empty pages before each page."""
        self._omitted, self._empty_pages = list(omitted), empty_pages

    def change(self, id: str, **changes: Any) -> None:
        """Creates an account, or changes it: its state, unit, denied actions."""
        before = self.members.get(id)
        member = (
            dataclasses.replace(before, **changes) if before else Member(id, **{"name": f"account-{id}", **changes})
        )
        self._unit(member.unit)
        self.members[id] = member

    def as_json(self) -> dict:
        return {
            "id": self.id,
            "management": self.management,
            "root": self.units[""].id if self.made else None,
            "units": {path: unit.id for path, unit in self.units.items() if path},
            "delegated": self.delegated,
            "accounts": [
                {**dataclasses.asdict(member), "path": self.path(member.id)} for member in self.members.values()
            ],
        }

    def _add_unit(self, path: str) -> None:
        parent, _, name = path.rpartition("/")
        suffix = hashlib.sha256(path.encode()).hexdigest()[:8]
        root = self.units[""].id.removeprefix("r-")
        self.units[path] = Unit(f"ou-{root}-{suffix}", name, self._unit(parent).id)

    def _unit(self, path: str) -> Unit:
        if path not in self.units:
            raise ValueError(f"the organization has no unit {path!r}; there are {', '.join(self.units)}")
        return self.units[path]

    def parents(self, account: str) -> list[str]:
        """Returns the ids of the root and the units above an account, the root first."""
        return self._chain(self.members[account].unit)

    def _chain(self, path: str) -> list[str]:
        parts = path.split("/") if path else []
        return [self.units["/".join(parts[:depth])].id for depth in range(len(parts) + 1)]

    def path(self, account: str) -> str:
        return "/".join((self.id, *self.parents(account), account, ""))

    def model(self, account: str) -> Account:
        """Returns the IAM account of a member; an account outside has no users."""
        member = self.members.get(account)
        return sample.of_account(member.model, account) if member else sample.bare()

    def organization_of(self, account: str) -> str | None:
        return self.id if account in self.members else None

    def is_unusable(self, account: str) -> bool:
        return account in self.members and self.members[account].state in UNUSABLE

    def denies(self, account: str, action: str) -> bool:
        """Whether a service control policy denies the action. None applies to the management account."""
        if account == self.management or account not in self.members:
            return False
        return any(fnmatch.fnmatchcase(action.lower(), one.lower()) for one in self.members[account].denied)

    def is_sts_off(self, account: str, region: str) -> bool:
        return account in self.members and region in self.members[account].sts_off

    def operations(self) -> dict[str, Callable[[str, dict], Answer]]:
        """Returns the operations of an organization that is made."""
        return {
            "DescribeOrganization": self._describe_organization,
            "ListAccounts": self._list_accounts,
            "ListRoots": self._list_roots,
            "ListOrganizationalUnitsForParent": self._list_units,
            "DescribeOrganizationalUnit": self._describe_unit,
        }

    def call(self, operation: str, account: str, body: bytes) -> Answer | None:
        """Returns the response; None if it is MiniStack's own."""
        if not self.made:
            return self.describe_organization(account) if operation == "DescribeOrganization" else None
        if operation not in self.operations():
            raise Refused(400, "NotModelled", f"the emulated organization has no {operation}")
        try:
            request = json.loads(body or b"{}")
        except ValueError:
            raise Refused(400, "SerializationException", "the request is not JSON") from None
        if account not in self.members:
            raise Refused(400, "AWSOrganizationsNotInUseException", "Your account is not a member of an organization.")
        if operation != "DescribeOrganization" and account != self.management and account not in self.delegated:
            raise Refused(400, "AccessDeniedException", "You don't have permissions to access this resource.")
        return self.operations()[operation](account, request)

    def describe_organization(self, account: str) -> Answer:
        """DescribeOrganization while no organization is made."""
        if self._membership is None:
            raise Refused(400, "AWSOrganizationsNotInUseException", "Your account is not a member of an organization.")
        return self._description(account if self._membership == "management" else MANAGEMENT)

    def _describe_organization(self, _account: str, request: dict) -> Answer:
        _check(request)
        return self._description(self.management)

    def _description(self, management: str) -> Answer:
        return target_answer(
            200,
            {
                "Organization": {
                    "Id": self.id,
                    "Arn": f"arn:aws:organizations::{management}:organization/{self.id}",
                    "FeatureSet": "ALL",
                    "MasterAccountArn": f"arn:aws:organizations::{management}:account/{self.id}/{management}",
                    "MasterAccountId": management,
                    "MasterAccountEmail": "management@example.com",
                    "AvailablePolicyTypes": [{"Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED"}],
                }
            },
        )

    def _list_accounts(self, _account: str, request: dict) -> Answer:
        _check(request, "MaxResults", "NextToken")
        return self._page("Accounts", request, list(self.members.values()), self._account)

    def _list_roots(self, _account: str, request: dict) -> Answer:
        _check(request, "MaxResults", "NextToken")
        return self._page("Roots", request, [self.units[""]], self._root)

    def _list_units(self, _account: str, request: dict) -> Answer:
        _check(request, "ParentId", "MaxResults", "NextToken")
        parent = request.get("ParentId")
        if parent not in {unit.id for unit in self.units.values()}:
            raise Refused(400, "ParentNotFoundException", "You specified parent that doesn't exist.")
        return self._page(
            "OrganizationalUnits", request, [unit for unit in self.units.values() if unit.parent == parent], self._ou
        )

    def _describe_unit(self, _account: str, request: dict) -> Answer:
        _check(request, "OrganizationalUnitId")
        wanted = request.get("OrganizationalUnitId")
        found = next((unit for unit in self.units.values() if unit.id == wanted and unit.parent), None)
        if found is None:
            raise Refused(
                400,
                "OrganizationalUnitNotFoundException",
                "You specified an organizational unit that doesn't exist.",
            )
        return target_answer(200, {"OrganizationalUnit": self._ou(found)})

    def _page(self, name: str, request: dict, found: list, shown: Callable[[Any], dict]) -> Answer:
        most = request.get("MaxResults", _PAGE)
        if type(most) is not int or not 1 <= most <= _PAGE:
            raise Refused(400, "InvalidInputException", f"MaxResults must be between 1 and {_PAGE}.")
        signature = f"{name}|{request.get('ParentId')}"
        start, empty = _read_token(request.get("NextToken"), signature)
        answer: dict[str, Any] = {name: []}
        if name == "Accounts" and empty < self._empty_pages:
            answer["NextToken"] = _token(signature, start, empty + 1)
            return target_answer(200, answer)
        answer[name] = [shown(one) for one in found[start : start + most]]
        if start + most < len(found):
            answer["NextToken"] = _token(signature, start + most, 0)
        return target_answer(200, answer)

    def _account(self, member: Member) -> dict[str, Any]:
        shown = {
            "Id": member.id,
            "Arn": f"arn:aws:organizations::{self.management}:account/{self.id}/{member.id}",
            "Email": member.email,
            "Name": member.name,
            "Status": _STATUS.get(member.state, member.state),
            "State": member.state,
            "Paths": [self.path(member.id)],
            "JoinedMethod": "INVITED" if member.id == self.management else "CREATED",
            "JoinedTimestamp": clock.moment(member.joined, clock.now()).timestamp(),
        }
        return {name: value for name, value in shown.items() if name not in self._omitted}

    def _root(self, unit: Unit) -> dict[str, Any]:
        return {
            "Id": unit.id,
            "Arn": f"arn:aws:organizations::{self.management}:root/{self.id}/{unit.id}",
            "Name": unit.name,
            "PolicyTypes": [{"Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED"}],
        }

    def _ou(self, unit: Unit) -> dict[str, Any]:
        path = next(path for path, one in self.units.items() if one is unit)
        return {
            "Id": unit.id,
            "Arn": f"arn:aws:organizations::{self.management}:ou/{self.id}/{unit.id}",
            "Name": unit.name,
            "Path": "/".join((self.id, *self._chain(path), "")),
        }


def _check(request: dict, *known: str) -> None:
    unknown = request.keys() - set(known)
    if unknown:
        raise Refused(400, "NotModelled", f"the emulated organization does not know {', '.join(sorted(unknown))}")


def _token(signature: str, start: int, empty: int) -> str:
    return base64.b64encode(f"{signature}|{start}|{empty}".encode()).decode()


def _read_token(token: str | None, signature: str) -> tuple[int, int]:
    if token is None:
        return 0, 0
    try:
        found, start, empty = base64.b64decode(token, validate=True).decode().rsplit("|", 2)
        if found == signature:
            return int(start), int(empty)
    except ValueError:
        pass
    raise Refused(400, "InvalidInputException", "You provided a value for NextToken that is not valid.")
