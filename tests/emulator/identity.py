"""IAM's APIs that credwarden reads: the credential report, the account summary, virtual MFA devices, service-specific
credentials, and the listings of access keys and SSH keys. The last uses are in last_accessed.py.

MiniStack's own report has a constant root row and no last-used dates; these handlers serve the account model instead.
The model's users and keys are copied to MiniStack's stores, for policies, other IAM calls and sign-in; those of the other
accounts of an organization only when such a call is made.
"""

from __future__ import annotations

import base64
from collections import OrderedDict
from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

from emulator import account as accounts
from emulator import clock, sample
from emulator.account import Account, Key, ServiceCredential, SshKey, User
from emulator.answers import Answer
from emulator.last_accessed import LastAccessed

REPORT_LIFETIME = clock.offset("+4h")


class Identities:
    """The IAM of every account. `main` is the account whose model is loaded by name; the others are made when they are first
    called, from `source` or as accounts without users."""

    _LOADED = 256
    """Models of other accounts that are kept in memory; an unchanged one is made again when it is needed."""

    def __init__(self, iam: Any, responses: Any, main: str, region: str) -> None:
        self._iam, self._responses = iam, responses
        self.main = Identity(iam, responses, main, region)
        self._others: dict[str, Identity] = {}
        self._loaded: OrderedDict[str, Identity] = OrderedDict()
        self.source: Callable[[str], Account] = lambda _account: sample.bare()

    def reset(self) -> None:
        self._others.clear()
        self._loaded.clear()
        self.source = lambda _account: sample.bare()

    def of(self, account_id: str) -> Identity:
        if account_id == self.main.account_id:
            return self.main
        found = self._others.get(account_id)
        if found is None:
            found = Identity(self._iam, self._responses, account_id, self.main.region)
            found.make_later(lambda: self.source(account_id))
            self._others[account_id] = found
        self._loaded[account_id] = found
        self._loaded.move_to_end(account_id)
        if len(self._loaded) > self._LOADED:
            self._loaded.popitem(last=False)[1].shed()
        return found

    def handlers(self) -> dict[str, Any]:
        """Returns the operations; each is that of the account which is called."""
        return {name: self._operation(name) for name in self.main.handlers()}

    def _operation(self, name: str) -> Callable[[dict], Answer]:
        return lambda parameters: self.of(self._responses.get_account_id()).handlers()[name](parameters)


class Identity:
    """One account's IAM. `iam` is MiniStack's module."""

    def __init__(self, iam: Any, responses: Any, account_id: str, region: str) -> None:
        self._iam, self._responses = iam, responses
        self.account_id, self.region = account_id, region
        self._account: Account | None = Account(accounts.User(accounts.ROOT))
        self._source: Callable[[], Account] | None = None
        self._anchor = clock.now()
        self.copied = True
        """Whether the users are in MiniStack's stores. A large organization's are only in the model, for speed."""
        self.report_override: str | None = None
        self.report_age = clock.offset("+0s")
        self.report_error = clock.offset("+0s")
        self.polls = 0
        self.lists_all_credentials = True
        self.credentials_made = 0
        self.ssh_keys_made = 0
        self._polls_left = 0
        self._report: tuple[str | None, Any] | None = None
        self._owners: tuple[tuple, dict[str, list]] | None = None
        self.last_accessed = LastAccessed(iam, account_id, lambda: self.account, self._has_key)

    @property
    def account(self) -> Account:
        if self._account is None:
            self._account = self._source().anchored(self._anchor)
        return self._account

    def make_later(self, source: Callable[[], Account]) -> None:
        """Makes the model from `source` when it is needed. It is the same each time."""
        self._source, self._account, self.copied = source, None, False

    def shed(self) -> None:
        """Drops a model that can be made again."""
        if self._source is not None:
            self._account = None
            self.last_accessed.changed()

    def keep(self) -> None:
        """Keeps the model, since it is about to be changed, and the report from before."""
        if self._source is None:
            return
        made = self.account
        if self._report is not None and self._report[0] is None:
            self._report = made.report(self.account_id), self._report[1]
        self._source = None

    def copy(self) -> None:
        """Copies the model to MiniStack's stores, for operations that are MiniStack's."""
        if not self.copied:
            self.keep()
            self.copied = True
            self._copy()

    def handlers(self) -> dict[str, Any]:
        return {
            "GenerateCredentialReport": self._generate,
            "GetCredentialReport": self._get,
            "GetAccountSummary": self._summary,
            "ListAccessKeys": self._list_access_keys,
            "ListSSHPublicKeys": self._list_ssh_public_keys,
            "ListVirtualMFADevices": self._list_virtual_mfa_devices,
            "ListServiceSpecificCredentials": self._list_service_credentials,
            "UpdateServiceSpecificCredential": self._update_service_credential,
            "DeleteServiceSpecificCredential": self._delete_service_credential,
            **self.last_accessed.handlers(),
        }

    def load(self, account: Account) -> None:
        """Serves another account, and drops all state of the last one."""
        self._source, self._account, self.copied = None, account.anchored(clock.now()), True
        self.report_override = None
        self.report_age = clock.offset("+0s")
        self.report_error = clock.offset("+0s")
        self.polls = 0
        self.lists_all_credentials = True
        self.last_accessed.reset()
        self.changed()

    def changed(self, keep_report: bool = False) -> None:
        """Copies the model to MiniStack's stores. With `keep_report` the report is kept, as by AWS for 4 hours."""
        if not keep_report:
            self._report = None
            self._polls_left = 0
        self._owners = None
        self.last_accessed.changed()
        if self.copied:
            self._copy()

    def _copy(self) -> None:
        iam = self._iam
        with self._responses.request_scope(self.account_id, self.region):
            for store in (iam._users, iam._access_keys, iam._login_profiles):
                for name in store.keys():
                    del store[name]
            for user in self.account.users:
                self._store(user)

    def _store(self, user: User) -> None:
        iam = self._iam
        iam._users[user.name] = {
            "UserName": user.name,
            "Arn": user.arn(self.account_id),
            "UserId": self._user_id(user),
            "CreateDate": user.created,
            "Path": user.path,
            "PermissionsBoundary": "",
            "AttachedPolicies": [],
            "Tags": [],
        }
        if user.password:
            iam._login_profiles[user.name] = {
                "UserName": user.name,
                "CreateDate": user.password.changed,
                "PasswordResetRequired": False,
            }
        for slot, key in enumerate(user.keys):
            if key is not None:
                stored = self._key(user.name, slot, key)
                iam._access_keys[stored["AccessKeyId"]] = stored

    def _user_id(self, user: User) -> str:
        return "AIDA" + accounts.key_id(self.account_id, user.name, 9)[4:]

    def _key(self, name: str, slot: int, key: Key) -> dict[str, str]:
        """Returns an access key as MiniStack stores it."""
        identity = accounts.key_id(self.account_id, name, slot)
        return {
            "UserName": name,
            "AccessKeyId": identity,
            "SecretAccessKey": f"secret-of-{identity}",
            "Status": "Active" if key.active else "Inactive",
            "CreateDate": key.created,
        }

    def follow(self) -> None:
        """Copies changes by IAM calls to the model: users and passwords deleted, keys deleted or disabled."""
        if not self.copied:
            return
        with self._responses.request_scope(self.account_id, self.region):
            self._follow()

    def _follow(self) -> None:
        iam = self._iam
        self.account.users = [user for user in self.account.users if user.name in iam._users]
        for user in self.account.users:
            if user.name not in iam._login_profiles:
                user.password = None
            for slot, key in enumerate(user.keys):
                stored = iam._access_keys.get(accounts.key_id(self.account_id, user.name, slot))
                if key is not None:
                    user.keys[slot] = key if stored else None
                    key.active = bool(stored) and stored["Status"] == "Active"

    def _generate(self, _parameters: dict) -> Answer:
        if self._report is not None and clock.now() - self._report[1] < REPORT_LIFETIME:
            if self._polls_left <= 0:
                return self._answer("GenerateCredentialReport", "<State>COMPLETE</State>")
            self._polls_left -= 1
            state = "COMPLETE" if self._polls_left <= 0 else "INPROGRESS"
            return self._answer("GenerateCredentialReport", f"<State>{state}</State>")
        content = self.report_override
        self.follow()
        if content is None and self._source is None:
            content = self.account.report(self.account_id)
        self._report = content, clock.now() - self.report_age
        self._polls_left = self.polls
        if self._polls_left <= 0:
            return self._answer("GenerateCredentialReport", "<State>COMPLETE</State>")
        return self._answer(
            "GenerateCredentialReport",
            "<State>STARTED</State><Description>No report exists. Starting a new report generation task</Description>",
        )

    def _get(self, _parameters: dict) -> Answer:
        # AWS's message for these is literally "Unknown".
        if self._report is None:
            return self._iam._error(410, "ReportNotPresent", "Unknown")
        if self._polls_left > 0:
            return self._iam._error(404, "ReportInProgress", "Unknown")
        content, generated = self._report
        if clock.now() - generated >= REPORT_LIFETIME:
            return self._iam._error(410, "ReportExpired", "Unknown")
        if content is None:
            content = self.account.report(self.account_id)
        return self._answer(
            "GetCredentialReport",
            f"<Content>{base64.b64encode(content.encode()).decode()}</Content>"
            "<ReportFormat>text/csv</ReportFormat>"
            f"<GeneratedTime>{clock.stamp(generated + self.report_error)}</GeneratedTime>",
        )

    def _summary(self, _parameters: dict) -> Answer:
        self.follow()
        iam = self._iam
        summary = {
            **self.account.summary_map(self.account_id),
            **_QUOTAS,
            "Roles": len(iam._roles),
            "Groups": len(iam._groups),
            "Policies": len(iam._policies),
        }
        # A negative number: some partitions do not return this entry.
        entries = "".join(
            f"<entry><key>{name}</key><value>{value}</value></entry>" for name, value in summary.items() if value >= 0
        )
        return self._answer("GetAccountSummary", f"<SummaryMap>{entries}</SummaryMap>")

    def _list_access_keys(self, parameters: dict) -> Answer:
        name = self._iam._p(parameters, "UserName")
        if refusal := self._user_refusal(name):
            return refusal
        members = "".join(
            f"<member><UserName>{escape(name)}</UserName><AccessKeyId>{key['AccessKeyId']}</AccessKeyId>"
            f"<Status>{key['Status']}</Status><CreateDate>{key['CreateDate']}</CreateDate></member>"
            for key in self._keys_of(name)
        )
        return self._answer(
            "ListAccessKeys", f"<IsTruncated>false</IsTruncated><AccessKeyMetadata>{members}</AccessKeyMetadata>"
        )

    def _list_ssh_public_keys(self, parameters: dict) -> Answer:
        name = self._iam._p(parameters, "UserName")
        if refusal := self._user_refusal(name):
            return refusal
        # A user that IAM's own API created is not in the model, and has no SSH keys.
        keys = [(user, key) for user in self.account.users if user.name == name for key in user.ssh_keys]
        return self._page("ListSSHPublicKeys", "SSHPublicKeys", parameters, keys, _ssh_public_key)

    def _user_refusal(self, name: str) -> Answer | None:
        """Returns the error for a call without a user, or for an unknown one."""
        if not name:
            return self._iam._error(
                400, "ValidationError", "Must specify userName when calling with non-User credentials"
            )
        known = name in self._iam._users if self.copied else any(user.name == name for user in self.account.users)
        if not known:
            return self._iam._error(404, "NoSuchEntity", f"The user with name {escape(name)} cannot be found.")
        return None

    def _page(
        self, action: str, element: str, parameters: dict, found: list[Any], member: Callable[[Any], str]
    ) -> Answer:
        """Returns the part of a listing that `Marker` and `MaxItems` select."""
        most = int(self._iam._p(parameters, "MaxItems") or 100)
        start = int(self._iam._p(parameters, "Marker") or 0)
        more = start + most < len(found)
        marker = f"<Marker>{start + most}</Marker>" if more else ""
        members = "".join(map(member, found[start : start + most]))
        return self._answer(
            action,
            f"<{element}>{members}</{element}><IsTruncated>{'true' if more else 'false'}</IsTruncated>{marker}",
        )

    def _keys_of(self, name: str) -> list[dict]:
        """Returns a user's keys in MiniStack's store, which is searched once for all users: 5,000 searches are slow."""
        if not self.copied:
            slots = enumerate(self.account.user(name).keys)
            return [self._key(name, slot, key) for slot, key in slots if key is not None]
        keys = self._iam._access_keys._data
        # A new key is the last one, a deleted key lowers the number.
        state = len(keys), next(reversed(keys), None)
        if self._owners is None or self._owners[0] != state:
            owners: dict[str, list] = {}
            for place, key in list(keys.items()):
                if place[0] == self.account_id:
                    owners.setdefault(key["UserName"], []).append(place)
            self._owners = state, owners
        return [keys[place] for place in self._owners[1].get(name, ()) if place in keys]

    def _has_key(self, identity: str) -> bool:
        """Returns whether a key was not deleted by IAM's API; without a copy there is no such call."""
        return not self.copied or identity in self._iam._access_keys

    def _list_virtual_mfa_devices(self, parameters: dict) -> Answer:
        status = self._iam._p(parameters, "AssignmentStatus") or "Any"
        devices = [] if status == "Unassigned" else list(self.account.virtual_devices(self.account_id))
        return self._page("ListVirtualMFADevices", "VirtualMFADevices", parameters, devices, self._device)

    def _list_service_credentials(self, parameters: dict) -> Answer:
        name, service = self._iam._p(parameters, "UserName"), self._iam._p(parameters, "ServiceName")
        all_users = self._iam._p(parameters, "AllUsers") == "true" and self.lists_all_credentials
        if all_users and name:
            return self._iam._error(400, "InvalidInput", "UserName and AllUsers exclude each other")
        if not all_users and (refusal := self._user_refusal(name)):
            return refusal
        self.follow()
        found = [
            (user, one)
            for user in self.account.users
            for one in user.credentials
            if name in ("", user.name) and service in ("", one.service)
        ]
        return self._page(
            "ListServiceSpecificCredentials", "ServiceSpecificCredentials", parameters, found, _service_credential
        )

    def _update_service_credential(self, parameters: dict) -> Answer:
        return self._change_service_credential(
            "UpdateServiceSpecificCredential",
            parameters,
            lambda _, one: setattr(one, "status", self._iam._p(parameters, "Status")),
        )

    def _delete_service_credential(self, parameters: dict) -> Answer:
        return self._change_service_credential(
            "DeleteServiceSpecificCredential", parameters, lambda user, one: user.credentials.remove(one)
        )

    def _change_service_credential(
        self, action: str, parameters: dict, change: Callable[[User, ServiceCredential], None]
    ) -> Answer:
        name, identity = self._iam._p(parameters, "UserName"), self._iam._p(parameters, "ServiceSpecificCredentialId")
        self.keep()
        for user in self.account.users:
            for one in user.credentials:
                if (user.name, one.id) == (name, identity):
                    change(user, one)
                    return self._iam._xml(200, f"{action}Response", "")
        return self._iam._error(404, "NoSuchEntity", f"No such credential {escape(identity)} exists")

    def _device(self, found: tuple[str, User]) -> str:
        serial, user = found
        return (
            f"<member><SerialNumber>{serial}</SerialNumber><EnableDate>{user.created}</EnableDate>"
            f"<User>{self._device_owner(user)}</User></member>"
        )

    def _device_owner(self, user: User) -> str:
        arn = f"<Arn>{escape(user.arn(self.account_id))}</Arn><CreateDate>{user.created}</CreateDate>"
        if user.is_root:  # AWS leaves out the root user's name and path.
            return f"<UserId>{self.account_id}</UserId>{arn}"
        identity = self._user_id(user)
        return f"<Path>{user.path}</Path><UserName>{escape(user.name)}</UserName><UserId>{identity}</UserId>{arn}"

    def _answer(self, action: str, result: str) -> Answer:
        return self._iam._xml(200, f"{action}Response", f"<{action}Result>{result}</{action}Result>")


def _service_credential(found: tuple[User, ServiceCredential]) -> str:
    user, one = found
    status = one.status
    if one.expires is not None and clock.moment(one.expires, clock.now()) <= clock.now():
        status = "Expired"
    expires = f"<ExpirationDate>{one.expires}</ExpirationDate>" if one.expires else ""
    return (
        f"<member><UserName>{escape(user.name)}</UserName><Status>{status}</Status>"
        f"<ServiceUserName>{escape(user.name)}-at-1</ServiceUserName><CreateDate>{one.created}</CreateDate>{expires}"
        f"<ServiceSpecificCredentialId>{one.id}</ServiceSpecificCredentialId>"
        f"<ServiceName>{one.service}</ServiceName></member>"
    )


def _ssh_public_key(found: tuple[User, SshKey]) -> str:
    user, key = found
    return (
        f"<member><UserName>{escape(user.name)}</UserName><SSHPublicKeyId>{key.id}</SSHPublicKeyId>"
        f"<Status>{key.status}</Status><UploadDate>{key.uploaded}</UploadDate></member>"
    )


_QUOTAS = {
    "UsersQuota": 5000,
    "GroupsQuota": 300,
    "GroupsPerUserQuota": 10,
    "RolesQuota": 1000,
    "AccessKeysPerUserQuota": 2,
    "SigningCertificatesPerUserQuota": 2,
    "AttachedPoliciesPerGroupQuota": 10,
    "AttachedPoliciesPerRoleQuota": 10,
    "AttachedPoliciesPerUserQuota": 10,
    "GroupPolicySizeQuota": 5120,
    "UserPolicySizeQuota": 2048,
    "ServerCertificates": 0,
    "ServerCertificatesQuota": 20,
    "Providers": 0,
    "InstanceProfiles": 0,
    "InstanceProfilesQuota": 1000,
    "PoliciesQuota": 1500,
    "PolicySizeQuota": 6144,
    "PolicyVersionsInUse": 0,
    "PolicyVersionsInUseQuota": 10000,
    "VersionsPerPolicyQuota": 5,
    "GlobalEndpointTokenVersion": 1,
}
