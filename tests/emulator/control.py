"""The test-only endpoint under `/_credwarden/`: inspect the emulator and change the account while it runs.

GET    /_credwarden/health                  {"ready": true, ...}
POST   /_credwarden/reset                   reset everything: MiniStack, hub, account, counters, mails
GET    /_credwarden/calls                   calls by action, the function's and others'; DELETE sets them to zero
GET    /_credwarden/calls/log               the function's calls in order: action, account, Region, start, end, error
GET    /_credwarden/mails                   the e-mails sent; DELETE empties the mailbox
GET    /_credwarden/published               the messages published since the start: variants, attributes, size
GET    /_credwarden/findings                all findings in the hub, of every account; without rate limits and permissions
POST   /_credwarden/findings                store one finding in the hub unchanged, of any account and product
GET    /_credwarden/report                  the credential report as it would be generated now
POST   /_credwarden/account/<operation>     see `OPERATIONS`; arguments as a JSON object; `account`: another one's id
POST   /_credwarden/events                  {"region", "records"}: add CloudTrail records; DELETE removes all of every Region
POST   /_credwarden/interfaces              {"region", "interfaces"}: add network interfaces; see networks.py
POST   /_credwarden/addresses               {"region", "addresses"}: add Elastic IP addresses
DELETE /_credwarden/networks                remove the interfaces and addresses of every Region
PUT    /_credwarden/regions                 ["af-south-1", ...]: the Regions that the account has opted in to
PUT    /_credwarden/organization            "member", "management", or null: the account is in no organization; or an
                                            organization: its name in sample.py, or {"accounts", "units", ...}, see
                                            `organization.Organization.make`; GET returns it
POST   /_credwarden/organization/account    {"id", ...}: create an account, or change it; see `organization.Member`
PUT    /_credwarden/organization/answers    {"omitted", "empty_pages"}: how ListAccounts answers
PUT    /_credwarden/faults                  [{"action", "how", ...}, ...]; see `traffic.Fault`
PUT    /_credwarden/latencies               {"action": seconds}: the least duration of the function's calls of these actions
PUT    /_credwarden/throttling              true or false
PUT    /_credwarden/rules                   [filters, ...]: a finding that matches one of them is suppressed at import
PUT    /_credwarden/settling                seconds after an import in which updates do not find the finding
POST   /_credwarden/schedules/fire          make every schedule due now, and run the scheduler once
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from emulator import clock, filters, sample
from emulator.account import ROOT, Key, ServiceCredential, ServiceUse, SshKey, credential_id, ssh_key_id
from emulator.answers import Answer, json_answer
from emulator.identity import REPORT_LIFETIME, Identity
from emulator.securityhub import Hub
from emulator.traffic import Fault

PREFIX = "/_credwarden/"


class Control:
    """The control endpoint. `emulator` is the running `launcher.Emulator`."""

    def __init__(self, emulator: Any) -> None:
        self._emulator = emulator
        self._routes: dict[tuple[str, str], Callable[[Any], Any]] = {
            ("GET", "health"): lambda _: {
                "ready": True,
                "account": emulator.identity.account_id,
                "region": emulator.identity.region,
            },
            ("GET", "calls"): lambda _: emulator.traffic.as_json(),
            ("GET", "calls/log"): lambda _: emulator.traffic.log(),
            ("DELETE", "calls"): lambda _: emulator.traffic.reset_counts(),
            ("GET", "mails"): lambda _: emulator.mailbox.as_json(),
            ("DELETE", "mails"): lambda _: emulator.mailbox.empty(),
            ("GET", "published"): lambda _: emulator.mailbox.published,
            ("GET", "findings"): lambda _: self._hub().findings.all(),
            ("POST", "findings"): lambda finding: self._hub().findings.put(finding),
            ("GET", "report"): lambda _: emulator.identity.account.report(emulator.identity.account_id),
            ("POST", "events"): lambda events: emulator.history.add(**events),
            ("DELETE", "events"): lambda _: emulator.history.forget(),
            ("POST", "interfaces"): lambda added: emulator.networks.add_interfaces(**added),
            ("POST", "addresses"): lambda added: emulator.networks.add_addresses(**added),
            ("DELETE", "networks"): lambda _: emulator.networks.forget(),
            ("PUT", "regions"): lambda names: emulator.regions.opt_in(names),
            ("PUT", "organization"): self._organization,
            ("GET", "organization"): lambda _: emulator.organization.as_json(),
            ("POST", "organization/account"): self._change_member,
            ("PUT", "organization/answers"): lambda how: emulator.organization.answer_with(**how),
            ("PUT", "faults"): self._faults,
            ("PUT", "latencies"): self._latencies,
            ("PUT", "throttling"): self._throttling,
            ("PUT", "rules"): self._rules,
            ("PUT", "settling"): self._settling,
        }

    async def handle(self, method: str, path: str, body: bytes) -> Answer:
        name = path[len(PREFIX) :].strip("/")
        try:
            argument = json.loads(body) if body else None
            if (method, name) == ("POST", "reset"):
                result = await self._emulator.reset_alone()
            elif (method, name) == ("POST", "schedules/fire"):
                result = await asyncio.to_thread(self._emulator.fire_schedules)
            elif method == "POST" and name.startswith("account/"):
                arguments = dict(argument or {})
                identity = self._emulator.identities.of(arguments.pop("account", self._emulator.identity.account_id))
                result = change(identity, name[len("account/") :], **arguments)
            elif (method, name) in self._routes:
                result = self._routes[method, name](argument)
            else:
                return json_answer(404, {"error": f"there is no {method} {path}", "help": __doc__})
        except (LookupError, TypeError, ValueError) as error:
            return json_answer(400, {"error": str(error)})
        return json_answer(200, result)

    def _organization(self, argument: Any) -> dict:
        if isinstance(argument, str) and argument.startswith("organization"):
            argument = sample.organization(argument)
        if not isinstance(argument, dict):
            self._emulator.organization.set(argument)
            self._emulator.stacksets.reset()
            return self._emulator.organization.as_json()
        self._emulator.organization.make(**argument)
        self._emulator.stacksets.reset()
        self._emulator.identities.reset()
        self._emulator.identities.source = self._emulator.organization.model
        return self._emulator.organization.as_json()

    def _change_member(self, argument: dict) -> None:
        # What the StackSet made before stays when the account cannot be used.
        self._emulator.stacksets.settle(argument["id"])
        self._emulator.organization.change(**argument)

    def _faults(self, argument: Any) -> None:
        self._emulator.traffic.faults = [Fault(**one) for one in argument]

    def _latencies(self, argument: Any) -> None:
        self._emulator.traffic.latencies = {action: float(seconds) for action, seconds in argument.items()}

    def _rules(self, argument: Any) -> None:
        for rule in argument:
            filters.check(rule)
        self._hub().rules = argument

    def _settling(self, argument: Any) -> None:
        self._hub().findings.settling = float(argument)

    def _hub(self) -> Hub:
        identity = self._emulator.identity
        return self._emulator.hub.hub(identity.account_id, identity.region)

    def _throttling(self, argument: Any) -> None:
        self._emulator.traffic.throttling = bool(argument)


def change(identity: Identity, operation: str, keep_report: bool = False, **arguments: Any) -> None:
    """Change the account. With `keep_report` the report from before is served, as by AWS for 4 hours."""
    if operation not in OPERATIONS:
        raise LookupError(f"no operation {operation!r}; there are {', '.join(OPERATIONS)}")
    identity.follow()
    identity.keep()
    OPERATIONS[operation](identity, **arguments)
    identity.changed(keep_report)


def _load(identity: Identity, name: str) -> None:
    identity.load(sample.named(name))


def _delete_root_keys(identity: Identity) -> None:
    identity.account.root.keys = []


def _deactivate_root_keys(identity: Identity) -> None:
    for key in filter(None, identity.account.root.keys):
        key.active = False


def _add_root_key(identity: Identity, created: str = "-1h", used: str | None = None) -> None:
    _add_key(identity, ROOT, created, used)


def _add_key(identity: Identity, name: str, created: str = "-1h", used: str | None = None) -> None:
    keys = identity.account.user(name).keys
    at = clock.now()
    key = Key(clock.stamp(clock.moment(created, at)), used and clock.stamp(clock.moment(used, at)))
    if None in keys:
        keys[keys.index(None)] = key
    elif len(keys) < 2:
        keys.append(key)
    else:
        keys[1] = key


def _add_credential(
    identity: Identity,
    name: str,
    created: str = "-1h",
    service: str = "bedrock.amazonaws.com",
    status: str = "Active",
    expires: str | None = None,
) -> None:
    at, credentials = clock.now(), identity.account.user(name).credentials
    identity.credentials_made += 1
    credentials.append(
        ServiceCredential(
            clock.stamp(clock.moment(created, at)),
            service,
            status,
            expires and clock.stamp(clock.moment(expires, at)),
            credential_id(identity.account_id, name, identity.credentials_made),
        )
    )


def _expire_credentials(identity: Identity, name: str) -> None:
    for one in identity.account.user(name).credentials:
        one.expires = clock.stamp(clock.now())


def _delete_credentials(identity: Identity, name: str) -> None:
    identity.account.user(name).credentials = []


def _list_all_credentials(identity: Identity, known: bool) -> None:
    """If false, IAM does not know `AllUsers`, as in some partitions."""
    identity.lists_all_credentials = known


def _add_ssh_key(identity: Identity, name: str, uploaded: str = "-1h", status: str = "Active") -> None:
    user = identity.account.user(name)
    if user.is_root:
        raise LookupError("the root user has no SSH keys")
    identity.ssh_keys_made += 1
    number = ssh_key_id(identity.account_id, name, identity.ssh_keys_made)
    user.ssh_keys.append(SshKey(clock.stamp(clock.moment(uploaded, clock.now())), status, number))


def _delete_ssh_keys(identity: Identity, name: str) -> None:
    identity.account.user(name).ssh_keys = []


def _use_root(identity: Identity, when: str = "-1m", service: str = "iam") -> None:
    key = next((key for key in identity.account.root.keys if key is not None), None)
    if key is None:
        raise LookupError("the root user has no access key to use")
    key.used, key.service = clock.stamp(clock.moment(when, clock.now())), service


def _use_key(
    identity: Identity, name: str, slot: int = 0, when: str = "-1m", service: str = "iam", region: str = "us-east-1"
) -> None:
    """Sets the last use of a user's key."""
    key = identity.account.user(name).key(slot)
    if key is None:
        raise LookupError(f"{name} has no access key in slot {slot}")
    key.used, key.service, key.region = clock.stamp(clock.moment(when, clock.now())), service, region


def _use_service(
    identity: Identity, name: str, namespace: str, when: str | None = "-1h", region: str = "us-east-1"
) -> None:
    """Adds a service to those that a user has accessed; without `when` the user may access it, and never did."""
    used = when and clock.stamp(clock.moment(when, clock.now()))
    identity.account.user(name).services.append(ServiceUse(namespace, used, region))


def _last_accessed(identity: Identity, polls: int | None = None, failure: str | None = None) -> None:
    """Makes jobs on accessed services be in progress so many times, and then fail if there is a message."""
    identity.last_accessed.failure = failure
    if polls is not None:
        identity.last_accessed.polls = polls


def _root_mfa(identity: Identity, kind: str | None) -> None:
    if kind not in (None, "virtual", "hardware"):
        raise ValueError("an MFA device is virtual or hardware, or there is none: null")
    identity.account.root.mfa = kind


def _delete_user(identity: Identity, name: str) -> None:
    identity.account.users.remove(identity.account.user(name))


def _summary(identity: Identity, **entries: int) -> None:
    identity.account.summary = entries


def _report(
    identity: Identity,
    text: str | None = None,
    age: str | None = None,
    polls: int | None = None,
    wrong: str = "+0s",
) -> None:
    """Serves `text` as the report, with this age, and complete only after `polls` more calls of Generate. Its GeneratedTime is
    `wrong` by this duration."""
    identity.report_override = text
    if age is not None:
        identity.report_age = -clock.offset(age)
        if not clock.offset("+0s") <= identity.report_age < REPORT_LIFETIME:
            raise ValueError("a report is at most 4 hours old: AWS makes a new one then")
    identity.report_error = clock.offset(wrong)
    if polls is not None:
        identity.polls = polls


OPERATIONS: dict[str, Callable[..., None]] = {
    "load": _load,
    "delete-root-keys": _delete_root_keys,
    "deactivate-root-keys": _deactivate_root_keys,
    "add-key": _add_key,
    "add-root-key": _add_root_key,
    "add-credential": _add_credential,
    "expire-credentials": _expire_credentials,
    "delete-credentials": _delete_credentials,
    "list-all-credentials": _list_all_credentials,
    "add-ssh-key": _add_ssh_key,
    "delete-ssh-keys": _delete_ssh_keys,
    "use-root": _use_root,
    "use-key": _use_key,
    "use-service": _use_service,
    "last-accessed": _last_accessed,
    "root-mfa": _root_mfa,
    "delete-user": _delete_user,
    "summary": _summary,
    "report": _report,
}
