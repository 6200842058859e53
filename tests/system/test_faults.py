"""Every call of a run fails in every way, and the function dies before and after each of its writes.

Each test starts from the same day: since the last run a key was made, a user deleted, the root user's MFA device
replaced and the root user used. Every run with faults must end with the findings of a run without faults.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from emulator import binaries
from emulator.process import Emulator
from emulator.stack import FUNCTION, Answer, Stack
from sample_findings import alerted

Deploy = Callable[..., Stack]

SECONDS = 8
"""The time limit of an invocation: shorter than the template's parameter allows, as some faults last until it is reached."""

CALLS = [
    "iam:GenerateCredentialReport",
    "iam:GetCredentialReport",
    "iam:GetAccountSummary",
    "iam:ListVirtualMFADevices",
    "iam:ListServiceSpecificCredentials",
    "iam:ListAccessKeys",
    "securityhub:GetFindings",
    "securityhub:BatchImportFindings",
    "securityhub:BatchUpdateFindings",
    "sns:Publish",
]

REFUSED = {
    "iam": ("AccessDenied", "Throttling", "ServiceFailure"),
    "sns": ("AuthorizationError", "Throttled", "InternalError"),
    "securityhub": ("AccessDeniedException", "TooManyRequestsException", "InternalException"),
}

ALWAYS = 100_000


@dataclass(frozen=True)
class Way:
    """A failure mode: its fault for each service, and whether the run recovers by itself."""

    fault: Callable[[str], dict]
    recovers: bool = False
    response_lost: bool = False
    """The call has its effect, but its response is lost."""


WAYS = {
    "denied": Way(lambda service: {"code": REFUSED[service][0], "status": 403, "times": ALWAYS}),
    "throttled twice": Way(lambda service: {"code": REFUSED[service][1], "status": 429, "times": 2}, recovers=True),
    "throttled": Way(lambda service: {"code": REFUSED[service][1], "status": 429, "times": ALWAYS}),
    "broken": Way(lambda service: {"code": REFUSED[service][2], "status": 500, "times": ALWAYS}),
    "cut once": Way(lambda _: {"how": "cut"}, recovers=True),
    "cut": Way(lambda _: {"how": "cut", "times": ALWAYS}),
    "cut after it was done": Way(lambda _: {"how": "cut", "done": True}, recovers=True, response_lost=True),
    "no answer": Way(lambda _: {"how": "silence", "times": ALWAYS}),
    "garbage": Way(lambda _: {"how": "garbage", "times": ALWAYS}),
    "slow": Way(lambda _: {"how": "slow", "done": True, "seconds": 0.5, "times": ALWAYS}, recovers=True),
    "endless": Way(lambda _: {"how": "slow", "done": True, "seconds": 600, "times": ALWAYS}, response_lost=True),
}


@dataclass
class Day:
    """The stack after the changes of that day, and the findings before them."""

    stack: Stack
    emulator: Emulator
    before: dict[str, tuple]

    def states(self) -> dict[str, tuple]:
        return states(self.emulator)

    def reported(self, what: str = "new") -> list[set[str]]:
        """Returns the Ids of the findings in each message; or the number of those that it reports as resolved."""
        results = [json.loads(message["variants"]["sqs"]) for message in self.emulator.published()[1:]]
        if what == "resolved":
            return [result["resolved"] for result in results]
        return [{finding["id"] for finding in result["findings"]} for result in results]


def states(emulator: Emulator) -> dict[str, tuple]:
    return {
        one: (finding["RecordState"], finding["Compliance"]["Status"], finding["Workflow"]["Status"])
        for one, finding in emulator.own_findings().items()
    }


def is_open(state: tuple) -> bool:
    return state[0] == "ACTIVE"


def with_short_timeout(template: dict) -> None:
    template["Resources"][FUNCTION]["Properties"]["Timeout"] = SECONDS


def begin(deploy: Deploy, emulator: Emulator) -> Day:
    """Deploys the stack, runs it, and makes the changes of that day."""
    stack = deploy(edit=with_short_timeout)
    assert not stack.invoke().failed
    before = states(emulator)
    emulator.change_account("use-root", when="-1m", service="sts")
    emulator.change_account("root-mfa", kind="virtual")
    emulator.change_account("delete-user", name="etl")
    emulator.change_account("add-key", name="newcomer", created="-300d")
    emulator.forget_calls()
    return Day(stack, emulator, before)


@pytest.fixture
def day(deploy: Deploy, emulator: Emulator) -> Day:
    return begin(deploy, emulator)


@pytest.fixture(scope="session")
def undisturbed() -> Iterator[dict[str, tuple]]:
    """The findings after a run without faults."""
    with Emulator() as emulator:
        emulator.client("securityhub").enable_security_hub()
        day = begin(lambda **arguments: Stack(emulator, binaries.function(), **arguments), emulator)
        assert not day.stack.invoke().failed
        yield named(day.states())


def abstract(found: Iterable[str]) -> dict[str, str]:
    """Returns a name for each Id that is the same in every account: keys are numbered, not dated."""
    keys: dict[str, set[str]] = {}
    for one in found:
        user, _, created = one.partition("/key/")
        if created:
            keys.setdefault(user.split("/", 3)[3], set()).add(created)
    names = {}
    for one in found:
        user, _, created = one.partition("/key/")
        number = sorted(keys[user.split("/", 3)[3]]).index(created) if created else None
        names[one] = user if number is None else f"{user}/key/{number}"
    return names


def named(found: dict[str, tuple]) -> dict[str, tuple]:
    names = abstract(found)
    return {names[one]: state for one, state in found.items()}


def invoke_in_time(stack: Stack) -> Answer:
    started = time.monotonic()
    answer = stack.invoke()
    assert answer.error_type != "Sandbox.Timedout", f"not in time: {time.monotonic() - started:.1f} s"
    return answer


def assert_all_is_published(day: Day, undisturbed: dict[str, tuple]) -> None:
    """Security Hub has the findings of a run without faults, and every change was reported."""
    assert named(day.states()) == undisturbed
    after, reported = day.states(), set().union(*day.reported())
    opened = {one for one, state in after.items() if is_open(state) and one not in day.before}
    severities = {one: finding["Severity"]["Label"] for one, finding in day.emulator.own_findings().items()}
    uses = {one for one in after if one.startswith("credwarden/root-user-recently-used/")}
    assert alerted({one: severities[one] for one in opened | uses}) <= reported
    closed = [one for one, state in after.items() if not is_open(state) and severities[one] != "INFORMATIONAL"]
    assert closed and sum(day.reported("resolved")) >= len(closed)


def assert_nothing_is_closed_early(day: Day, undisturbed: dict[str, tuple]) -> None:
    """A finding is closed only if a run without faults closes it."""
    assert day.before.keys() <= day.states().keys()
    for name, state in named(day.states()).items():
        assert is_open(state) or not is_open(undisturbed[name])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("action", CALLS)
def test_a_call_that_fails(day: Day, undisturbed: dict[str, tuple], action: str, way: str) -> None:
    service, _, operation = action.partition(":")
    way = WAYS[way]
    day.emulator.fail({"action": action, **way.fault(service)})
    answer = invoke_in_time(day.stack)
    assert day.emulator.calls()[action]["errors"], "the fault did not occur"

    assert_nothing_is_closed_early(day, undisturbed)
    errors = answer.error_message if answer.failed else str(answer.payload["errors"])
    if way.recovers:
        assert not answer.failed and errors == "[]", errors
        assert_all_is_published(day, undisturbed)
    else:
        assert operation in errors
        # Key ids and marks do not fail the run. A generated report can be read even if the response was lost.
        generated = operation == "GenerateCredentialReport" and way.response_lost
        assert answer.failed == (operation not in ("ListAccessKeys", "BatchUpdateFindings") and not generated)
    first = day.reported()

    day.emulator.fail()
    answer = day.stack.invoke()
    assert not answer.failed, answer.payload
    assert_all_is_published(day, undisturbed)
    # Only findings that the first run could not mark as reported are reported again.
    again = set().union(*first) & set().union(*day.reported()[len(first) :])
    unmarked = operation in ("GetFindings", "BatchImportFindings", "BatchUpdateFindings")
    assert not again or (not way.recovers and (unmarked or (operation == "Publish" and way.response_lost)))
    # A third run reports nothing.
    mails = len(day.reported())
    assert not day.stack.invoke().failed
    assert len(day.reported()) == mails
    assert named(day.states()) == undisturbed


@pytest.mark.parametrize("way", ["denied", "throttled", "broken", "cut", "no answer", "garbage"])
def test_an_unknown_account_changes_no_finding(day: Day, undisturbed: dict[str, tuple], way: str) -> None:
    day.emulator.fail(
        {"action": "iam:GetCredentialReport", **WAYS["denied"].fault("iam")},
        {"action": "sts:GetCallerIdentity", **WAYS[way].fault("iam")},
    )
    before = day.emulator.own_findings()
    answer = invoke_in_time(day.stack)
    assert answer.error_type == "Collect"
    for operation in ("GetCredentialReport", "GetCallerIdentity"):
        assert f"{operation} failed" in answer.error_message
    # The account's own findings are not known, so none is changed; the summary's findings and the errors are reported.
    assert day.emulator.own_findings() == before
    assert len(day.reported()) == 1
    day.emulator.fail()
    assert not day.stack.invoke().failed
    assert_all_is_published(day, undisturbed)


WRITES = {
    "findings with new evidence are set to NEW": ("securityhub:BatchUpdateFindings", 0),
    "failed findings are imported": ("securityhub:BatchImportFindings", 0),
    "the alert is sent": ("sns:Publish", 0),
    "reported findings are marked": ("securityhub:BatchUpdateFindings", 1),
    "resolved findings are closed": ("securityhub:BatchImportFindings", 1),
}


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("write", WRITES)
def test_a_run_that_dies(day: Day, undisturbed: dict[str, tuple], write: str, done: bool) -> None:
    action, after = WRITES[write]
    day.emulator.fail({"action": action, "how": "kill", "done": done, "after": after})
    assert day.stack.invoke().error_type == "Runtime.ExitError"
    assert day.emulator.calls()[action]["errors"] == {"kill": 1}
    assert_nothing_is_closed_early(day, undisturbed)
    assert not day.stack.invoke().failed
    assert_all_is_published(day, undisturbed)


def test_every_write_is_in_the_table(day: Day) -> None:
    assert not day.stack.invoke().failed
    calls = day.emulator.calls()
    for action in ("securityhub:BatchUpdateFindings", "securityhub:BatchImportFindings", "sns:Publish"):
        assert calls[action]["count"] == sum(action == written for written, _ in WRITES.values())
    assert set(calls) == set(CALLS)


def test_two_deliveries_of_one_event_at_once(day: Day, undisturbed: dict[str, tuple]) -> None:
    answers: list[Answer] = []
    runs = [threading.Thread(target=lambda: answers.append(day.stack.invoke())) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert [answer.failed for answer in answers] == [False, False], answers
    assert_all_is_published(day, undisturbed)
    assert 1 <= len(day.reported()) <= 2
    assert not day.stack.invoke().failed
    assert named(day.states()) == undisturbed


def test_two_deliveries_of_one_event_in_turn(day: Day, undisturbed: dict[str, tuple]) -> None:
    for _ in range(2):
        assert not day.stack.invoke().failed
        assert_all_is_published(day, undisturbed)
    assert len(day.reported()) == 1


def test_findings_of_another_tool_are_not_changed(day: Day, hub: Any) -> None:
    def others() -> list[dict]:
        return [
            finding
            for finding in day.emulator.stored_findings()
            if not finding["GeneratorId"].startswith("credwarden/")
        ]

    before = others()
    assert before
    day.emulator.fail({"action": "sns:Publish", "how": "kill"})
    day.stack.invoke()
    day.stack.invoke()
    assert others() == before
