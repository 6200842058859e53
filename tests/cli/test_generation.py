"""If no new report can be generated, the existing one is evaluated; an old one counts as not read."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from aws import Aws
from saved import NOW, Ended

ACCOUNT = "111122223333"
REFUSED = "GenerateCredentialReport failed: AccessDenied: not authorized"


@pytest.fixture
def check(credwarden: Callable[..., Ended]) -> Callable[..., Ended]:
    """Evaluates a report of that age as of `NOW`, if generation is refused, or if IAM says that it is complete."""

    def run(age: timedelta, *options: str, is_refused: bool = True) -> Ended:
        with Aws(AKIAMINE=ACCOUNT) as aws:
            if is_refused:
                aws.refusals["GenerateCredentialReport"] = (403, "AccessDenied", "not authorized")
            aws.age = age
            ended = credwarden(
                "check",
                "--now",
                NOW,
                "--format",
                "json",
                *options,
                AWS_ENDPOINT_URL=aws.url,
                AWS_ACCESS_KEY_ID="AKIAMINE",
                AWS_SECRET_ACCESS_KEY="secret",
            )
            assert aws.actions().count("GetCredentialReport") == 1
            return ended

    return run


def test_a_recent_report_counts_as_read_and_a_note_says_why_it_is_not_new(check: Callable[..., Ended]) -> None:
    ended = check(timedelta(hours=4, minutes=59))
    assert ended.status == 0, ended.errors
    assert json.loads(ended.output)["counts"]["UNKNOWN"] == 0
    assert ended.errors.startswith("credwarden: could not generate a credential report, and read the one from ")
    assert ended.errors.endswith(f", 4 hours old: {REFUSED}\n") and ended.errors.count("\n") == 1


@pytest.mark.parametrize(("options", "status"), [([], 3), (["--fail-on", "never"], 0)])
def test_an_old_report_is_judged_and_counts_as_not_read(
    check: Callable[..., Ended], options: list[str], status: int
) -> None:
    ended = check(timedelta(hours=5, minutes=30), *options)
    assert ended.status == status, ended.errors
    counts = json.loads(ended.output)["counts"]
    assert counts["UNKNOWN"] == 0 and counts["PASSED"] > 0
    assert f", 5 hours and 30 minutes old; the limit is 5 hours: {REFUSED}\n" in ended.errors
    assert ended.errors.count("\n") == 1


@pytest.mark.parametrize(("options", "status"), [([], 3), (["--fail-on", "never"], 0)])
@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(hours=5, minutes=1), "5 hours before this run"),
        (timedelta(days=-365), "which is later than this run"),
    ],
    ids=["old", "future"],
)
def test_a_report_of_another_time_counts_as_not_read_even_if_iam_calls_it_complete(
    check: Callable[..., Ended], age: timedelta, words: str, options: list[str], status: int
) -> None:
    ended = check(age, *options, is_refused=False)
    assert ended.status == status, ended.errors
    assert json.loads(ended.output)["counts"]["PASSED"] > 0
    assert ended.errors.startswith("credwarden: the credential report is of ") and ended.errors.endswith(f", {words}\n")
    assert ended.errors.count("\n") == 1


def test_a_recent_report_is_trusted(check: Callable[..., Ended]) -> None:
    ended = check(timedelta(hours=4, minutes=59), is_refused=False)
    assert (ended.status, ended.errors) == (0, "")
