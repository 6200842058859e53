"""Every call of a run fails in every way, and the function dies before and after each of its writes.

The same day is lived again and again: an account that is known, in which a key was made, a user deleted, the root user's
MFA device replaced and the root user used. What an undisturbed run makes of it is what every disturbed one has to end in.
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
"""What an invocation may take: shorter than the template's parameter allows, as some faults last until the time is up."""

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
    """A way to fail: what of it differs by service, and whether the run gets over it by itself."""

    fault: Callable[[str], dict]
    passes: bool = False
    unheard: bool = False
    """The call has its effect, and nobody hears of it."""


WAYS = {
    "denied": Way(lambda service: {"code": REFUSED[service][0], "status": 403, "times": ALWAYS}),
    "throttled twice": Way(lambda service: {"code": REFUSED[service][1], "status": 429, "times": 2}, passes=True),
    "throttled": Way(lambda service: {"code": REFUSED[service][1], "status": 429, "times": ALWAYS}),
    "broken": Way(lambda service: {"code": REFUSED[service][2], "status": 500, "times": ALWAYS}),
    "cut once": Way(lambda _: {"how": "cut"}, passes=True),
    "cut": Way(lambda _: {"how": "cut", "times": ALWAYS}),
    "cut after it was done": Way(lambda _: {"how": "cut", "done": True}, passes=True, unheard=True),
    "no answer": Way(lambda _: {"how": "silence", "times": ALWAYS}),
    "garbage": Way(lambda _: {"how": "garbage", "times": ALWAYS}),
    "slow": Way(lambda _: {"how": "slow", "done": True, "seconds": 0.5, "times": ALWAYS}, passes=True),
    "endless": Way(lambda _: {"how": "slow", "done": True, "seconds": 600, "times": ALWAYS}, unheard=True),
}


@dataclass
class Day:
    """The stack on the day when it all happens, and how it was the evening before."""

    stack: Stack
    emulator: Emulator
    before: dict[str, tuple]

    def states(self) -> dict[str, tuple]:
        return states(self.emulator)

    def told(self, what: str = "new") -> list[set[str]]:
        """The findings of each message that was sent, by Id; or of those that it tells as resolved, their number."""
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


def in_a_hurry(template: dict) -> None:
    template["Resources"][FUNCTION]["Properties"]["Timeout"] = SECONDS


def begin(deploy: Deploy, emulator: Emulator) -> Day:
    """A day after which everything has changed a little."""
    stack = deploy(edit=in_a_hurry)
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
    """The findings after a day on which nothing goes wrong."""
    with Emulator() as emulator:
        emulator.client("securityhub").enable_security_hub()
        day = begin(lambda **arguments: Stack(emulator, binaries.function(), **arguments), emulator)
        assert not day.stack.invoke().failed
        yield named(day.states())


def abstract(found: Iterable[str]) -> dict[str, str]:
    """The findings by Id, each with a name that is the same in every account: the keys numbered, not dated."""
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


def everything_is_right(day: Day, undisturbed: dict[str, tuple]) -> None:
    """What the account is like is what Security Hub says, and people were told of all that changed."""
    assert named(day.states()) == undisturbed
    after, told = day.states(), set().union(*day.told())
    opened = {one for one, state in after.items() if is_open(state) and one not in day.before}
    severities = {one: finding["Severity"]["Label"] for one, finding in day.emulator.own_findings().items()}
    news = {one for one in after if one.startswith("credwarden/root-user-recently-used/")}
    assert alerted({one: severities[one] for one in opened | news}) <= told
    closed = [one for one, state in after.items() if not is_open(state) and severities[one] != "INFORMATIONAL"]
    assert closed and sum(day.told("resolved")) >= len(closed)


def nothing_is_closed_too_soon(day: Day, undisturbed: dict[str, tuple]) -> None:
    """What is closed is closed on an undisturbed day too."""
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
    assert day.emulator.calls()[action]["errors"], "the fault was not met"

    nothing_is_closed_too_soon(day, undisturbed)
    told = answer.error_message if answer.failed else str(answer.payload["errors"])
    if way.passes:
        assert not answer.failed and told == "[]", told
        everything_is_right(day, undisturbed)
    else:
        assert operation in told
        # Key ids are no source, and marks no error. A report that was generated is there to read, though nobody heard of it.
        there = operation == "GenerateCredentialReport" and way.unheard
        assert answer.failed == (operation not in ("ListAccessKeys", "BatchUpdateFindings") and not there)
    first = day.told()

    day.emulator.fail()
    answer = day.stack.invoke()
    assert not answer.failed, answer.payload
    everything_is_right(day, undisturbed)
    # Told again is only what the first run could not mark as told.
    again = set().union(*first) & set().union(*day.told()[len(first) :])
    unmarked = operation in ("GetFindings", "BatchImportFindings", "BatchUpdateFindings")
    assert not again or (not way.passes and (unmarked or (operation == "Publish" and way.unheard)))
    # And that is the end of it.
    mails = len(day.told())
    assert not day.stack.invoke().failed
    assert len(day.told()) == mails
    assert named(day.states()) == undisturbed


@pytest.mark.parametrize("way", ["denied", "throttled", "broken", "cut", "no answer", "garbage"])
def test_nobody_says_whose_account_it_is(day: Day, undisturbed: dict[str, tuple], way: str) -> None:
    day.emulator.fail(
        {"action": "iam:GetCredentialReport", **WAYS["denied"].fault("iam")},
        {"action": "sts:GetCallerIdentity", **WAYS[way].fault("iam")},
    )
    before = day.emulator.own_findings()
    answer = invoke_in_time(day.stack)
    assert answer.error_type == "Collect"
    for operation in ("GetCredentialReport", "GetCallerIdentity"):
        assert f"{operation} failed" in answer.error_message
    # Nobody knows which findings are ours, so none is touched; people are told what the summary shows, and why no more.
    assert day.emulator.own_findings() == before
    assert len(day.told()) == 1
    day.emulator.fail()
    assert not day.stack.invoke().failed
    everything_is_right(day, undisturbed)


WRITES = {
    "what has news is set to NEW": ("securityhub:BatchUpdateFindings", 0),
    "what fails is imported": ("securityhub:BatchImportFindings", 0),
    "the alert is sent": ("sns:Publish", 0),
    "what was told is marked": ("securityhub:BatchUpdateFindings", 1),
    "what is resolved is closed": ("securityhub:BatchImportFindings", 1),
}


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("write", WRITES)
def test_a_run_that_dies(day: Day, undisturbed: dict[str, tuple], write: str, done: bool) -> None:
    action, after = WRITES[write]
    day.emulator.fail({"action": action, "how": "kill", "done": done, "after": after})
    assert day.stack.invoke().error_type == "Runtime.ExitError"
    assert day.emulator.calls()[action]["errors"] == {"kill": 1}
    nothing_is_closed_too_soon(day, undisturbed)
    assert not day.stack.invoke().failed
    everything_is_right(day, undisturbed)


def test_the_writes_are_all_there_are(day: Day) -> None:
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
    everything_is_right(day, undisturbed)
    assert 1 <= len(day.told()) <= 2
    assert not day.stack.invoke().failed
    assert named(day.states()) == undisturbed


def test_two_deliveries_of_one_event_in_turn(day: Day, undisturbed: dict[str, tuple]) -> None:
    for _ in range(2):
        assert not day.stack.invoke().failed
        everything_is_right(day, undisturbed)
    assert len(day.told()) == 1


def test_nothing_of_another_tool_is_touched(day: Day, hub: Any) -> None:
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
