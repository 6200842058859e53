"""`credwarden organization`: the accounts of an organization are listed, and each of them is audited by its member role."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from emulator import audit, binaries
from emulator.account import ACCOUNT
from emulator.launcher import REGION
from emulator.process import Emulator, wait_for
from emulator.sample import AUDIT, MANAGEMENT
from organizations import Auditor, Checked, lister
from roles import READING

PAYMENTS, BILLING, SEARCH, LEGACY, LOCKED, OLD, SANDBOX, READY, LOGS = (
    *("222233334444", "333344445555", "666677778888", "777788889999", "888899990000"),
    *("123456789012", "210987654321", "345678901234", "555566667777"),
)
LIST, ROOTS, UNITS, UNIT, ASSUME, INSTANCES = audit.ACTIONS
DOCUMENT = ["organization_id", "evaluated_at", "partial", "accounts", "findings"]
LISTED = ["account_id", "name", "state", "path", "organizational_unit", "in_scope", "why"]
MEMBER = [*LISTED, "audited", "reason", "counts"]
ALWAYS = 100_000


def now() -> str:
    """Returns a time at which every run of a test is to be evaluated, so that ages are the same."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def refused_in_one_line(done: subprocess.CompletedProcess, status: int) -> str:
    """Returns the line on standard error of a run that printed nothing."""
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith("credwarden: ") and done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def report_of(emulator: Emulator, account: str) -> list[str]:
    """Returns the lines of an account's credential report."""
    iam = emulator.client("iam", role=audit.root(account))
    iam.generate_credential_report()
    return iam.get_credential_report()["Content"].decode().splitlines()


# The whole organization


def test_every_account_is_listed_with_its_result(auditor: Auditor) -> None:
    checked = auditor.check()
    assert (checked.status, checked.errors) == (3, "")
    document = checked.document
    assert list(document) == DOCUMENT and all(list(one) == MEMBER for one in document["accounts"])
    assert document["organization_id"] == "o-a1b2c3d4e5" and document["partial"] is False
    assert list(checked.accounts) == sorted(checked.accounts) and len(checked.accounts) == 12
    assert checked.with_state(audited=False) == {LEGACY, LOCKED}
    for id, one in checked.accounts.items():
        assert one["in_scope"] is (one["why"] is None)
        assert (one["counts"] is not None) is one["audited"]
        assert (one["reason"] is None) is (id not in {LEGACY, LOCKED})
    assert (checked.accounts[OLD]["in_scope"], checked.accounts[OLD]["why"]) == (False, "SUSPENDED")
    assert {one["organizational_unit"] for one in checked.accounts.values()} == {
        *("Root", "Security", "Workloads", "Prod", "Sandbox")
    }
    reason = checked.accounts[LEGACY]["reason"]
    assert "sts:AssumeRole" in reason and "OUTDATED, FAILED" in reason and "credwarden-member already exists" in reason
    reason = checked.accounts[LOCKED]["reason"]
    assert "iam:GenerateCredentialReport" in reason and "service control policy" in reason
    assert LOCKED not in reason and LEGACY not in checked.accounts[LEGACY]["reason"]


def test_findings_have_their_account_and_are_failed_or_unknown(audited: Emulator, auditor: Auditor) -> None:
    checked = auditor.check()
    findings = checked.document["findings"]
    assert findings and {one["status"] for one in findings} <= {"FAILED", "UNKNOWN"}
    for id, account in checked.accounts.items():
        of_account = checked.findings(id)
        assert all(one["account_name"] == account["name"] for one in of_account)
        assert all(one["organizational_unit"] == account["organizational_unit"] for one in of_account)
        counted = Counter(one["status"] for one in of_account)
        assert account["counts"] is None or counted["FAILED"] == account["counts"]["FAILED"]
    assert list(dict.fromkeys(one["account_id"] for one in findings)) == sorted({one["account_id"] for one in findings})
    paths = {one["id"]: one["path"] for one in audited.organization()["accounts"]}
    assert {id: one["path"] for id, one in checked.accounts.items()} == paths


@pytest.mark.parametrize("account", [ACCOUNT, PAYMENTS, READY, LOGS, MANAGEMENT])
def test_an_account_is_judged_as_by_check_with_its_member_role(
    audited: Emulator, auditor: Auditor, account: str
) -> None:
    at = now()
    checked = auditor.check("--account", account, "--now", at)
    session = audit.session(audited, auditor.caller, account)
    done = subprocess.run(
        [binaries.command_line(), "check", "--format", "json", "--now", at],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={
            "HOME": str(auditor.folder),
            "PATH": os.environ["PATH"],
            **audit.environment(audited, session),
        },
    )
    alone = json.loads(done.stdout)
    assert (checked.status, checked.errors) == (done.returncode, done.stderr)
    assert checked.accounts[account]["counts"] == alone["counts"] and alone["account_id"] == account
    kept = [one for one in alone["findings"] if one["status"] in ("FAILED", "UNKNOWN")]
    of_organization = ("account_id", "account_name", "organizational_unit")
    findings = [
        {name: value for name, value in one.items() if name not in of_organization} for one in checked.findings(account)
    ]
    assert findings == [{name: value for name, value in one.items() if name not in of_organization} for one in kept]


def test_coverage_is_first_in_a_table(auditor: Auditor) -> None:
    done = auditor.run("check")
    assert (done.returncode, done.stderr) == (3, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "Organization o-a1b2c3d4e5: 12 accounts. 9 audited, 2 not audited, 1 out of scope."
    places = [
        done.stdout.index(text) for text in ("\nNOT AUDITED 2", "\nOUT OF SCOPE 1", "worst first:", "(shop), Prod")
    ]
    assert places == sorted(places)
    assert all(f"  {id} (" in done.stdout for id in (LEGACY, LOCKED, OLD))
    worst = [line.split()[0] for line in lines if line.endswith("credentials") or "; oldest key: " in line]
    assert worst == [ACCOUNT, PAYMENTS, SANDBOX, SEARCH, BILLING, READY]
    assert "Nothing fails in 3 other accounts." in lines
    assert f"export AWS_PROFILE={PAYMENTS}" in done.stdout


def test_coverage_is_first_in_csv(auditor: Auditor) -> None:
    at = now()
    done = auditor.run("check", "--format", "csv", "--now", at)
    found, checked = rows(done.stdout), auditor.check("--now", at)
    assert (done.returncode, done.stderr) == (3, "")
    assert len(set(found[0])) == len(found[0]), "a column twice"
    first, others = found[:2], found[2:]
    assert [(one["account_id"], one["audited"]) for one in first] == [(LEGACY, "false"), (LOCKED, "false")]
    for one in first:
        assert one["reason"] == checked.accounts[one["account_id"]]["reason"]
        assert {name for name, cell in one.items() if cell} == {
            *("account_id", "account_name", "organizational_unit", "audited", "reason")
        }
    same = ("account_id", "account_name", "organizational_unit", "id", "status", "severity", "message")
    shown = [tuple(one[name] for name in same) for one in others]
    assert shown == [tuple(one[name] for name in same) for one in checked.document["findings"]]
    assert {one["audited"] for one in others} == {"true"}


def test_calls_are_those_of_the_documented_actions(audited: Emulator, auditor: Auditor) -> None:
    checked = auditor.check()
    calls = audited.calls()
    # Anyone may call GetCallerIdentity.
    assert calls.keys() <= {*audit.ACTIONS, *READING, "sts:GetCallerIdentity"}
    in_scope = set(checked.accounts) - {OLD}
    assert calls[ASSUME]["accounts"] == dict.fromkeys(in_scope, 1)
    assert all(action.startswith("iam:") is (action in READING) for action in calls)
    for action in READING - {"iam:ListAccessKeys"}:
        assert calls[action]["accounts"] == dict.fromkeys(in_scope - {LEGACY}, 1), action
    assert calls[LIST]["accounts"] == calls[ROOTS]["accounts"] == {AUDIT: 1}


# The list


def test_accounts_are_listed_in_each_format(audited: Emulator, auditor: Auditor) -> None:
    done = auditor.run("accounts", "--format", "json", "--exclude", BILLING)
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert list(document) == ["organization_id", "accounts"]
    assert all(list(one) == LISTED for one in document["accounts"]) and len(document["accounts"]) == 12
    out = {one["account_id"]: one["why"] for one in document["accounts"] if not one["in_scope"]}
    assert out == {OLD: "SUSPENDED", BILLING: "excluded"}
    found = rows(auditor.run("accounts", "--format", "csv", "--exclude", BILLING).stdout)
    shown = [{name: (cell or None) for name, cell in one.items()} for one in found]
    assert shown == [{**one, "in_scope": str(one["in_scope"]).lower()} for one in document["accounts"]]
    table = auditor.run("accounts", "--exclude", BILLING)
    lines = table.stdout.splitlines()
    assert table.returncode == 0 and lines[0] == "Organization o-a1b2c3d4e5: 12 accounts, 10 in scope"
    listed = [line.split() for line in lines[2:]]
    paths = {id: path for path, id in audited.organization()["units"].items()}
    for line, one in zip(listed, document["accounts"], strict=True):
        path = paths.get(one["path"].split("/")[-3], "Root")
        assert line[:4] == [one["account_id"], one["name"], one["state"], path]
    assert "out of scope: SUSPENDED" in table.stdout and "out of scope: excluded" in table.stdout
    auditor.run("accounts", "--format", "json", "--exclude", BILLING, "--output", "list.json")
    assert (auditor.folder / "list.json").read_text() == done.stdout


def test_units_of_one_name_are_distinguished_by_their_path(emulator: Emulator, tmp_path: Path) -> None:
    units = ["A", "A/Prod", "B", "B/Prod"]
    accounts = [
        {"id": MANAGEMENT, "name": "management", "model": "clean"},
        {"id": AUDIT, "name": "audit", "unit": "A", "model": "clean"},
        {"id": PAYMENTS, "name": "payments", "unit": "A/Prod", "model": "clean"},
        {"id": BILLING, "name": "billing", "unit": "B/Prod", "model": "clean"},
    ]
    described = {
        "accounts": accounts,
        "units": units,
        "management": MANAGEMENT,
        "delegated": {AUDIT: ["sso.amazonaws.com"]},
    }
    made = emulator.make_organization(described)
    listed = {
        line.split()[0]: line.split()[3] for line in Auditor(emulator, tmp_path).run("accounts").stdout.splitlines()[2:]
    }
    assert listed == {MANAGEMENT: "Root", AUDIT: "A", PAYMENTS: "A/Prod", BILLING: "B/Prod"}
    without = Auditor(emulator, tmp_path, role="security/Other", without=UNITS).run("accounts").stdout.splitlines()[2:]
    ids = made["units"]
    assert {line.split()[0]: line.split()[3] for line in without} == {
        **{MANAGEMENT: "Root", AUDIT: ids["A"]},
        **{PAYMENTS: f"{ids['A']}/{ids['A/Prod']}", BILLING: f"{ids['B']}/{ids['B/Prod']}"},
    }


def test_listing_calls_no_account(audited: Emulator, auditor: Auditor) -> None:
    auditor.run("accounts")
    assert audited.calls().keys() == {LIST, ROOTS, UNITS}


@pytest.mark.parametrize("command", ["accounts", "check"])
def test_an_ordinary_member_may_not_list(audited: Emulator, tmp_path: Path, command: str) -> None:
    member = Auditor(audited, tmp_path, account=BILLING)
    line = refused_in_one_line(member.run(command, "--output", "out"), 3)
    assert "management account and delegated administrators" in line and "AccessDeniedException" in line
    assert not (tmp_path / "out").exists()
    assert audited.calls().keys() == {LIST}


@pytest.mark.parametrize("command", ["accounts", "check"])
def test_without_an_organization_a_single_account_is_advised(audited: Emulator, tmp_path: Path, command: str) -> None:
    alone = Auditor(audited, tmp_path, account="101010101010")
    assert "`credwarden check` checks a single account" in refused_in_one_line(alone.run(command), 3)


@pytest.mark.parametrize("command", ["accounts", "check"])
@pytest.mark.parametrize("code", ["AccessDeniedException", "InvalidInputException"])
def test_a_list_that_ends_early_is_no_list(emulator: Emulator, tmp_path: Path, command: str, code: str) -> None:
    emulator.make_organization("organization:50")
    auditor = Auditor(emulator, tmp_path)
    emulator.fail({"action": LIST, "code": code, "status": 400, "after": 1, "times": ALWAYS})
    line = refused_in_one_line(auditor.run(command, "--format", "json"), 3)
    assert code in line and emulator.calls().keys() == {LIST}


def account(id: str, management: str = MANAGEMENT, state: str = "ACTIVE", unit: str = "ou-ab12-11111111") -> dict:
    arn = f"arn:aws:organizations::{management}:account/o-a1b2c3d4e5/{id}"
    paths = [f"o-a1b2c3d4e5/r-ab12/{unit}/{id}/"]
    return {"Id": id, "Arn": arn, "Name": "name", "Status": "ACTIVE", "State": state, "Paths": paths}


WRONG_LISTS: dict[str, tuple[list[dict], str]] = {
    "a token twice": ([{"Accounts": [account(MANAGEMENT)], "NextToken": "again"}], "ListAccounts"),
    "no management account": ([{"Accounts": [account(BILLING)]}], f"it lacks the management account, {MANAGEMENT}"),
    "no list": ([{}], "no list"),
    "no account": ([{"Accounts": []}], "ListAccounts"),
    "an account without id": ([{"Accounts": [{"Name": "name"}]}], "no id"),
    "two organizations": (
        [{"Accounts": [account(MANAGEMENT), account(BILLING, management=AUDIT)]}],
        "not those of one organization",
    ),
}


@pytest.mark.parametrize("command", ["accounts", "check"])
@pytest.mark.parametrize(("answers", "reason"), WRONG_LISTS.values(), ids=WRONG_LISTS)
def test_a_wrong_list_is_refused(audited: Emulator, auditor: Auditor, command: str, answers: list, reason: str) -> None:
    with lister(*answers) as service:
        done = auditor.run(command, AWS_ENDPOINT_URL_ORGANIZATIONS=service.url)
    assert reason in refused_in_one_line(done, 3)
    assert not audited.calls()


@pytest.mark.parametrize(("first", "second"), [("ACTIVE", "SUSPENDED"), ("SUSPENDED", "ACTIVE")])
def test_an_account_that_changes_while_it_is_listed_is_audited(
    audited: Emulator, auditor: Auditor, first: str, second: str
) -> None:
    pages = [account(MANAGEMENT), account(PAYMENTS, state=first)], [account(PAYMENTS, state=second, unit="ou-ab12-2")]
    with lister({"Accounts": pages[0], "NextToken": "next"}, {"Accounts": pages[1]}) as service:
        checked = auditor.check(AWS_ENDPOINT_URL_ORGANIZATIONS=service.url)
    assert checked.status == 1 and checked.with_state(audited=True) == {MANAGEMENT, PAYMENTS}
    assert (checked.accounts[PAYMENTS]["state"], checked.accounts[PAYMENTS]["path"]) == (
        "ACTIVE",
        pages[1][0]["Paths"][0],
    )
    (line,) = [line for line in checked.errors.splitlines() if "listed twice" in line]
    assert PAYMENTS in line and f"{first} in {pages[0][1]['Paths'][0]}" in line and "it counts as ACTIVE" in line


def test_the_same_entry_twice_is_one_account(audited: Emulator, auditor: Auditor) -> None:
    accounts = [account(MANAGEMENT), account(PAYMENTS)]
    with lister({"Accounts": accounts, "NextToken": "next"}, {"Accounts": accounts[::-1]}) as service:
        done = auditor.run("accounts", "--format", "json", AWS_ENDPOINT_URL_ORGANIZATIONS=service.url)
    assert done.returncode == 0 and "listed twice" not in done.stderr
    assert [one["account_id"] for one in json.loads(done.stdout)["accounts"]] == [PAYMENTS, MANAGEMENT]


def test_empty_pages_the_older_status_and_throttling_do_not_change_the_list(emulator: Emulator, tmp_path: Path) -> None:
    emulator.make_organization("organization:50")
    auditor = Auditor(emulator, tmp_path)
    expected = auditor.run("accounts", "--format", "json")
    assert (expected.returncode, len(json.loads(expected.stdout)["accounts"])) == (0, 50)
    emulator.answer_accounts(omitted=["State"], empty_pages=1)
    emulator.throttle()
    emulator.fail({"action": LIST, "code": "TooManyRequestsException", "status": 400, "times": 2})
    done = auditor.run("accounts", "--format", "json")
    assert (done.returncode, done.stderr, done.stdout) == (0, "", expected.stdout)


def test_units_cannot_be_selected_if_accounts_have_no_path(audited: Emulator, auditor: Auditor) -> None:
    audited.answer_accounts(omitted=["Paths"])
    line = refused_in_one_line(auditor.run("check", "--ou", audited.organization()["units"]["Sandbox"]), 2)
    assert "select accounts instead" in line or "is not in the organization" in line
    checked = auditor.check("--account", PAYMENTS)
    assert checked.status == 1 and checked.with_state(audited=True) == {PAYMENTS}
    assert checked.accounts[PAYMENTS]["path"] is checked.accounts[PAYMENTS]["organizational_unit"] is None


# Selection


def test_accounts_and_units_are_a_union_and_excluding_wins(audited: Emulator, auditor: Auditor) -> None:
    units = audited.organization()["units"]

    def in_scope(*options: str) -> set[str]:
        done = auditor.run("accounts", "--format", "json", *options)
        assert done.returncode == 0, done.stderr
        return {one["account_id"] for one in json.loads(done.stdout)["accounts"] if one["in_scope"]}

    prod, workloads = {ACCOUNT, PAYMENTS, BILLING, LOCKED}, {ACCOUNT, PAYMENTS, BILLING, LOCKED, SEARCH, LEGACY}
    assert in_scope("--ou", units["Workloads/Prod"]) == prod
    assert in_scope("--ou", units["Workloads"]) == workloads, "nested units are included"
    assert in_scope("--ou", units["Workloads/Prod"], "--account", AUDIT, "--account", READY) == {*prod, AUDIT, READY}
    assert in_scope("--ou", units["Workloads"], "--exclude", units["Workloads/Prod"]) == {SEARCH, LEGACY}
    assert in_scope("--account", PAYMENTS, "--account", AUDIT, "--exclude", PAYMENTS) == {AUDIT}
    assert len(in_scope("--ou", audited.organization()["root"])) == 11
    audited.forget_calls()
    checked = auditor.check("--ou", units["Workloads/Prod"], "--exclude", LOCKED)
    assert checked.with_state(audited=True) == prod - {LOCKED}
    assert checked.accounts[LOCKED]["why"] == "excluded" and checked.accounts[AUDIT]["why"] == "not selected"
    assert audited.calls()[ASSUME]["accounts"] == dict.fromkeys(prod - {LOCKED}, 1)


@pytest.mark.parametrize("command", ["accounts", "check"])
@pytest.mark.parametrize(
    ("option", "id"),
    [
        ("--account", "101010101010"),
        ("--exclude", "101010101010"),
        ("--ou", "ou-ab12-zzzzzzzz"),
        ("--exclude", "ou-ab12-zzzzzzzz"),
        ("--ou", "r-zzzz"),
    ],
)
def test_an_id_that_is_not_in_the_organization_is_wrong_input(
    audited: Emulator, auditor: Auditor, command: str, option: str, id: str
) -> None:
    line = refused_in_one_line(auditor.run(command, option, id), 2)
    assert f"{id} is not in the organization" in line
    assert ASSUME not in audited.calls()


@pytest.mark.parametrize(
    "arguments",
    [["--account", "12345"], ["--ou", "Sandbox"], ["--exclude", "x"], ["--concurrency", "51"], ["--role", "/"]],
)
def test_what_cannot_be_an_id_is_refused_without_a_call(
    audited: Emulator, auditor: Auditor, arguments: list[str]
) -> None:
    assert arguments[0] in refused_in_one_line(auditor.run("check", *arguments), 2)
    assert not audited.calls()


def test_a_unit_without_accounts_is_known(emulator: Emulator, tmp_path: Path) -> None:
    accounts = [{"id": MANAGEMENT, "name": "management", "model": "clean"}, {"id": AUDIT, "name": "audit"}]
    delegated = {AUDIT: ["member.org.stacksets.cloudformation.amazonaws.com"]}
    made = emulator.make_organization({"accounts": accounts, "units": ["Empty"], "delegated": delegated})
    audit.deploy_member_role(emulator)
    auditor, empty = Auditor(emulator, tmp_path), made["units"]["Empty"]
    assert "no account is in scope" in refused_in_one_line(auditor.run("check", "--ou", empty), 2)
    checked = auditor.check("--ou", empty, "--account", AUDIT)
    assert checked.status == 0 and checked.with_state(audited=True) == {AUDIT}
    done = auditor.run("accounts", "--ou", empty)
    assert done.returncode == 0 and "0 in scope" in done.stdout
    assert "no account is in scope" in refused_in_one_line(auditor.run("check", "--exclude", made["root"]), 2)


# The exit status

ENDINGS: list[tuple[list[str], int]] = [
    (["--account", AUDIT, "--account", MANAGEMENT], 0),
    (["--account", PAYMENTS], 1),
    (["--account", PAYMENTS, "--fail-on", "never"], 0),
    (["--account", BILLING, "--fail-on", "HIGH"], 0),
    (["--account", PAYMENTS, "--account", LEGACY], 3),
    (["--account", PAYMENTS, "--account", LEGACY, "--fail-on", "never"], 3),
    (["--account", PAYMENTS, "--account", OLD], 1),
    (["--account", PAYMENTS, "--status", "UNKNOWN"], 1),
    (["--account", READY, "--disable", "root-mfa-disabled", "--fail-on", "CRITICAL"], 0),
]


@pytest.mark.parametrize(
    ("options", "status"), ENDINGS, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_the_exit_status_shows_the_outcome(auditor: Auditor, options: list[str], status: int) -> None:
    checked = auditor.check(*options)
    assert (checked.status, checked.errors) == (status, "")
    if "--status" in options:
        assert checked.document["findings"] == [] and checked.accounts[PAYMENTS]["counts"]["FAILED"]


def test_only_kept_statuses_can_be_shown(auditor: Auditor) -> None:
    assert "--status" in refused_in_one_line(auditor.run("check", "--status", "PASSED"), 2)


def test_a_source_that_was_not_read_is_the_accounts_reason(audited: Emulator, auditor: Auditor) -> None:
    audited.fail({"action": "iam:GetAccountSummary", "account": MANAGEMENT, "how": "denied", "times": ALWAYS})
    checked = auditor.check("--account", MANAGEMENT, "--account", AUDIT)
    assert checked.status == 3 and checked.with_state(audited=True) == {MANAGEMENT, AUDIT}
    assert "iam:GetAccountSummary" in checked.accounts[MANAGEMENT]["reason"]
    assert {one["status"] for one in checked.findings(MANAGEMENT)} == {"UNKNOWN"} and not checked.findings(AUDIT)
    assert auditor.check("--account", MANAGEMENT, "--fail-on", "never").status == 0
    assert auditor.check("--account", MANAGEMENT, "--account", PAYMENTS).status == 1


def foreign_row(audited: Emulator) -> dict:
    """A report of the management account with one row of another account."""
    lines = report_of(audited, MANAGEMENT)
    return {"text": "\n".join([*lines[:2], lines[2].replace(MANAGEMENT, BILLING), *lines[3:]])}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (foreign_row, "the credential report has 1 row of another account, the first in line 3"),
        (lambda _: {"wrong": "-732h"}, ", 30 days before this run"),
        (lambda _: {"wrong": "+365d"}, ", which is later than this run"),
    ],
    ids=["a row of another account", "old", "future"],
)
def test_a_report_that_cannot_be_trusted_is_the_accounts_reason(
    audited: Emulator, auditor: Auditor, change: Callable[[Emulator], dict], words: str
) -> None:
    audited.change_account("report", account=MANAGEMENT, **change(audited))
    checked = auditor.check("--account", MANAGEMENT, "--account", AUDIT)
    assert checked.status == 3 and checked.with_state(audited=True) == {MANAGEMENT, AUDIT}
    reason = checked.accounts[MANAGEMENT]["reason"]
    assert reason.count("the credential report") <= 2 and words in reason.split("; ")[0]
    assert checked.accounts[AUDIT]["reason"] is None
    assert auditor.check("--account", MANAGEMENT, "--fail-on", "never").status == 0


# Faults of single accounts


def member(number: int) -> str:
    """The id of an account of `organization:50`."""
    return f"2{number:011d}"


(
    MISSING,
    DENIED,
    STS_OFF,
    BUSY,
    OTHERS_REPORT,
    KEYLESS,  # It has a key whose id is looked up.
    NO_REPORT,
    CUT,
    GARBAGE,
    SUSPENDED,
    CLOSED,
    PENDING,
    NO_REGION,
) = (member(number) for number in range(13))
THROTTLED, NO_NEW_REPORT, SILENT_REPORT, SILENT_SUMMARY, SILENT_ROLE, ALWAYS_CUT, ALWAYS_GARBAGE, NO_CREDENTIALS = (
    member(number) for number in range(20, 28)
)
"""Accounts whose fault lasts: their audit ends with a deadline."""


def break_accounts(emulator: Emulator) -> list[dict]:
    """Breaks accounts in ways that end at once; returns the faults of calls."""
    emulator.change_member(DENIED, denied=["iam:*"])
    emulator.change_member(STS_OFF, sts_off=[REGION])
    emulator.change_member(SUSPENDED, state="SUSPENDED")
    emulator.change_member(CLOSED, state="CLOSED")
    emulator.change_member(PENDING, state="PENDING_ACTIVATION")
    emulator.change_account("report", account=OTHERS_REPORT, text="\n".join(report_of(emulator, NO_REPORT)))
    busy = {"account": BUSY, "code": "Throttling", "status": 400, "message": "Rate exceeded", "times": 2}
    return [
        {"action": ASSUME, **busy},
        {"action": "iam:GenerateCredentialReport", **busy},
        {"action": "iam:GetAccountSummary", **busy},
        {"action": "iam:GenerateCredentialReport", "account": NO_REPORT, "how": "denied", "times": ALWAYS},
        {"action": "iam:GetCredentialReport", "account": NO_REPORT, "how": "denied", "times": ALWAYS},
        {"action": "iam:ListAccessKeys", "account": KEYLESS, "how": "denied", "times": ALWAYS},
        {"action": "iam:GetCredentialReport", "account": CUT, "how": "cut", "times": 2},
        {"action": ASSUME, "account": CUT, "how": "cut", "times": 2},
        {"action": "iam:GetAccountSummary", "account": GARBAGE, "how": "garbage", "times": 2},
        *(
            {"action": action, "account": NO_REGION, "code": "InvalidClientTokenId", "status": 403, "times": ALWAYS}
            for action in READING
        ),
    ]


LASTING = [
    {"action": ASSUME, "account": THROTTLED, "code": "Throttling", "status": 400, "message": "Rate exceeded"},
    {"action": "iam:GenerateCredentialReport", "account": NO_NEW_REPORT, "code": "Throttling", "status": 400},
    {"action": "iam:GetCredentialReport", "account": SILENT_REPORT, "how": "silence"},
    {"action": "iam:GetAccountSummary", "account": SILENT_SUMMARY, "how": "silence"},
    {"action": ASSUME, "account": SILENT_ROLE, "how": "silence"},
    {"action": ASSUME, "account": ALWAYS_CUT, "how": "cut"},
    *({"action": action, "account": ALWAYS_GARBAGE, "how": "garbage"} for action in READING),
    {"action": ASSUME, "account": NO_CREDENTIALS, "how": "garbage"},
]


@pytest.fixture
def fifty(emulator: Emulator) -> Emulator:
    """50 accounts with the member role, except for one."""
    emulator.make_organization("organization:50")
    failed = {"status": "OUTDATED", "detailed": "FAILED", "reason": "credwarden-member already exists."}
    emulator.change_member(MISSING, instance=failed)
    audit.deploy_member_role(emulator)
    return emulator


def has_only_its_own_faults(emulator: Emulator, before: Checked, after: Checked) -> None:
    """Asserts what became of the accounts that `break_accounts` broke, and that it changed nothing of the others."""
    broken = {MISSING, DENIED, STS_OFF, OTHERS_REPORT, NO_REPORT, KEYLESS, SUSPENDED, CLOSED, PENDING, NO_REGION}
    lasting = {one["account"] for one in LASTING}
    for id in set(before.accounts) - broken - lasting:
        assert after.result(id) == before.result(id), id
        assert after.accounts[id]["audited"] and after.accounts[id]["reason"] is None
    why = {id: one["why"] for id, one in after.accounts.items() if not one["in_scope"]}
    assert why == {SUSPENDED: "SUSPENDED", CLOSED: "CLOSED", PENDING: "PENDING_ACTIVATION"}
    reasons = {
        MISSING: "the StackSet could not make the role",
        DENIED: "service control policy",
        STS_OFF: f"STS is off in {REGION}",
        NO_REGION: f"{REGION} may be off in this account",
        OTHERS_REPORT: f"the credential report is of account {NO_REPORT}",
    }
    for id, reason in reasons.items():
        assert not after.accounts[id]["audited"] and reason in after.accounts[id]["reason"], after.accounts[id]
    assert not after.findings(OTHERS_REPORT)
    account, findings = after.result(NO_REPORT)
    assert account["audited"] and account["counts"]["UNKNOWN"] and "credential report" in account["reason"]
    assert all(one["status"] == "UNKNOWN" or one["subject"]["type"] in ("root", "account") for one in findings)
    assert after.accounts[KEYLESS]["audited"] and "could not list the access keys" in after.accounts[KEYLESS]["reason"]
    assert {one["id"] for one in after.findings(KEYLESS)} == {one["id"] for one in before.findings(KEYLESS)}
    calls = emulator.calls()
    out_of_scope = {SUSPENDED, CLOSED, PENDING}
    assert not any(out_of_scope & entry["accounts"].keys() for entry in calls.values())
    assert set(calls[ASSUME]["accounts"]) == set(after.accounts) - out_of_scope
    more_than_once = {id for id, count in calls[ASSUME]["accounts"].items() if count > 1}
    assert more_than_once - lasting == {BUSY, CUT}


def test_the_faults_of_accounts_do_not_change_the_others(fifty: Emulator, tmp_path: Path) -> None:
    auditor, at = Auditor(fifty, tmp_path), now()
    before = auditor.check("--now", at)
    assert before.with_state(audited=False) == {MISSING} and len(before.accounts) == 50
    fifty.forget_calls()
    fifty.fail(*break_accounts(fifty))
    after = auditor.check("--now", at)
    assert (after.status, after.errors) == (3, "")
    assert after.with_state(audited=False) == {MISSING, DENIED, STS_OFF, NO_REGION, OTHERS_REPORT}
    has_only_its_own_faults(fifty, before, after)


@pytest.mark.takes_minutes
def test_an_account_that_does_not_respond_ends_with_a_deadline(fifty: Emulator, tmp_path: Path) -> None:
    auditor, at = Auditor(fifty, tmp_path), now()
    before = auditor.check("--now", at)
    fifty.forget_calls()
    fifty.fail(*break_accounts(fifty), *({**fault, "times": ALWAYS} for fault in LASTING))
    start = time.monotonic()
    after = auditor.check("--now", at, "--concurrency", "50", timeout=180)
    took = time.monotonic() - start
    assert (after.status, after.errors) == (3, "") and took < 150
    has_only_its_own_faults(fifty, before, after)
    reasons = {id: after.accounts[id]["reason"] for id in {one["account"] for one in LASTING}}
    not_audited = {id for id in reasons if not after.accounts[id]["audited"]}
    assert not_audited == {THROTTLED, SILENT_ROLE, ALWAYS_CUT, ALWAYS_GARBAGE, NO_CREDENTIALS}
    # The report of the run before is there.
    assert after.accounts[NO_NEW_REPORT]["audited"] and "could not generate" in reasons[NO_NEW_REPORT]
    assert after.findings(NO_NEW_REPORT) == before.findings(NO_NEW_REPORT)
    assert all(reasons.values())
    assert "Rate exceeded" in reasons[THROTTLED] and "AssumeRole" in reasons[SILENT_ROLE]
    assert "credential report" in reasons[SILENT_REPORT] and "account summary" in reasons[SILENT_SUMMARY]
    # What was read beside the silent source is judged as before.
    passed_over = {one["id"] for one in after.findings(SILENT_SUMMARY) if one["status"] == "FAILED"}
    assert passed_over <= {one["id"] for one in before.findings(SILENT_SUMMARY)}


# Concurrency


def most_at_once(emulator: Emulator) -> int:
    """Returns the most accounts that were audited at the same time."""
    spans: dict[str, tuple[float, float]] = {}
    for call in emulator.call_log():
        if call["action"].startswith(("sts:", "iam:")):
            start, end = spans.get(call["account"], (call["start"], call["end"]))
            spans[call["account"]] = min(start, call["start"]), max(end, call["end"])
    return max(sum(start <= at < end for start, end in spans.values()) for at, _ in spans.values())


@pytest.mark.parametrize(
    ("options", "fewest", "most"), [(["--concurrency", "1"], 1, 1), ([], 11, 20), (["--concurrency", "50"], 21, 50)]
)
def test_no_more_accounts_are_audited_at_once(
    fifty: Emulator, tmp_path: Path, options: list[str], fewest: int, most: int
) -> None:
    auditor = Auditor(fifty, tmp_path)
    if most > 1:
        fifty.fail({"action": ASSUME, "how": "late", "seconds": 0.5, "times": ALWAYS})
    assert auditor.check(*options).with_state(audited=False) == {MISSING}
    assert fewest <= most_at_once(fifty) <= most


# Ctrl-C and SIGTERM

UNNAMED = "credwarden: the organizational units have no names here: the run was interrupted\n"
SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)


def silent(emulator: Emulator, account: str) -> None:
    emulator.fail({"action": "iam:GetCredentialReport", "account": account, "how": "silence", "times": ALWAYS})


def interrupted_at(
    emulator: Emulator, auditor: Auditor, action: str, *arguments: str, number: int = signal.SIGINT, **where: str
) -> subprocess.CompletedProcess:
    """Runs a command, and sends the signal when this call does not return."""
    with auditor.start(*arguments) as process:
        try:
            wait_for(lambda: emulator.call_log(action, **where), 30, "silent call")
            process.send_signal(number)
            output, errors = process.communicate(timeout=20)
        finally:
            process.kill()
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def interrupted(
    emulator: Emulator, auditor: Auditor, account: str, *options: str, number: int = signal.SIGINT
) -> subprocess.CompletedProcess:
    """Runs `organization check` one account at a time, and sends the signal when this account does not respond."""
    silent(emulator, account)
    arguments = ["iam:GetCredentialReport", "check", "--concurrency", "1", *options]
    return interrupted_at(emulator, auditor, *arguments, number=number, account=account)


@pytest.mark.parametrize("format", ["json", "csv", "table"])
@pytest.mark.parametrize("to_file", [False, True], ids=["standard output", "file"])
def test_an_interrupted_run_prints_what_is_there(
    audited: Emulator, auditor: Auditor, format: str, to_file: bool
) -> None:
    options = ["--output", "out"] if to_file else []
    done = interrupted(audited, auditor, SEARCH, "--format", format, *options)
    # The names of the organizational units are read meanwhile.
    assert done.returncode == 3 and done.stderr in ("", UNNAMED)
    assert os.listdir(auditor.folder) == (["out"] if to_file else [])
    text = (auditor.folder / "out").read_text() if to_file else done.stdout
    assert (done.stdout == "") is to_file
    ended = {ACCOUNT, SANDBOX, PAYMENTS, BILLING, READY, MANAGEMENT, LOGS}
    not_audited = {SEARCH, LEGACY, LOCKED, AUDIT}
    if format == "json":
        document = json.loads(text)
        assert document["partial"] is True and list(document) == DOCUMENT
        assert {one["account_id"] for one in document["accounts"] if one["audited"]} == ended
        missed = [one for one in document["accounts"] if one["in_scope"] and not one["audited"]]
        assert {one["account_id"] for one in missed} == not_audited
        assert all("interrupted" in one["reason"] for one in missed)
    elif format == "csv":
        found = rows(text)
        assert {one["account_id"] for one in found if one["audited"] == "false"} == not_audited
        assert all("interrupted" in one["reason"] for one in found if one["audited"] == "false")
        assert {ACCOUNT, PAYMENTS} <= {one["account_id"] for one in found if one["audited"] == "true"}
    else:
        lines = text.splitlines()
        assert lines[0].endswith("12 accounts. 7 audited, 4 not audited, 1 out of scope.")
        assert lines[1].startswith("PARTIAL: the run was interrupted")


@pytest.mark.parametrize("format", ["json", "csv", "table"])
def test_an_interrupt_while_the_stack_set_is_asked_keeps_the_audits(
    audited: Emulator, auditor: Auditor, format: str
) -> None:
    audited.fail({"action": INSTANCES, "how": "silence", "times": ALWAYS})
    done = interrupted_at(audited, auditor, INSTANCES, "check", "--format", format)
    assert (done.returncode, done.stderr) == (3, "")
    if format == "table":
        lines = done.stdout.splitlines()
        assert lines[0].endswith("12 accounts. 9 audited, 2 not audited, 1 out of scope.")
        assert lines[1] == "PARTIAL: the run was interrupted."
        return
    if format == "json":
        checked = Checked(done)
        assert checked.document["partial"] is True
        missed = [one for one in checked.accounts.values() if one["in_scope"] and not one["audited"]]
    else:
        missed = [one for one in rows(done.stdout) if one["audited"] == "false"]
    reasons = {one["account_id"]: one["reason"] for one in missed}
    assert reasons.keys() == {LEGACY, LOCKED} and "AccessDenied" in reasons[LEGACY]
    assert reasons[LEGACY].endswith("the run was interrupted before the StackSet said why")
    assert "interrupted" not in reasons[LOCKED]


def test_a_role_that_is_missing_before_an_interrupt_says_so(audited: Emulator, auditor: Auditor) -> None:
    done = interrupted(audited, auditor, AUDIT, "--format", "csv")
    reasons = {one["account_id"]: one["reason"] for one in rows(done.stdout) if one["audited"] == "false"}
    assert "AccessDenied" in reasons[LEGACY] and "interrupted before the StackSet" in reasons[LEGACY]
    assert reasons[AUDIT] == "the run was interrupted before it was audited"


def test_an_interrupted_run_makes_no_more_calls(audited: Emulator, auditor: Auditor) -> None:
    interrupted(audited, auditor, PAYMENTS)
    assert audited.calls()[ASSUME]["accounts"] == dict.fromkeys([ACCOUNT, SANDBOX, PAYMENTS], 1)
    assert INSTANCES not in audited.calls()


def test_sigterm_interrupts_as_well(audited: Emulator, auditor: Auditor) -> None:
    done = interrupted(audited, auditor, SEARCH, "--format", "json", number=signal.SIGTERM)
    checked = Checked(done)
    assert (checked.status, checked.document["partial"]) == (3, True)
    assert PAYMENTS in checked.with_state(audited=True) and SEARCH in checked.with_state(audited=False)


@SIGNALS
def test_a_second_interrupt_ends_the_run(audited: Emulator, auditor: Auditor, number: int) -> None:
    silent(audited, SEARCH)
    with auditor.start("check", "--concurrency", "1", "--format", "json") as process:
        try:
            wait_for(lambda: audited.call_log("iam:GetCredentialReport", account=SEARCH), 30, "silent call")
            process.send_signal(number)
            # It is printing: the rest does not fit into the pipe.
            assert process.stdout.read(1)
            process.send_signal(number)
            assert process.wait(20) == -number
        finally:
            process.kill()


@SIGNALS
@pytest.mark.parametrize("command", ["accounts", "check"])
def test_an_interrupt_while_listing_prints_nothing(
    audited: Emulator, auditor: Auditor, command: str, number: int
) -> None:
    audited.fail({"action": LIST, "how": "silence", "times": ALWAYS})
    done = interrupted_at(audited, auditor, LIST, command, "--output", "out", number=number)
    assert "the run was interrupted" in refused_in_one_line(done, 3) and os.listdir(auditor.folder) == []


def test_an_interrupt_while_names_are_read_prints_no_list(audited: Emulator, auditor: Auditor) -> None:
    audited.fail({"action": ROOTS, "how": "silence", "times": ALWAYS})
    done = interrupted_at(audited, auditor, ROOTS, "accounts", "--output", "out")
    assert "the run was interrupted" in refused_in_one_line(done, 3) and os.listdir(auditor.folder) == []


class Rest:
    """Whether a process has waited for something since ten questions ago: it has nothing left to do but that."""

    def __init__(self, process: int) -> None:
        self._status, self._seen = Path(f"/proc/{process}/status"), []

    def __call__(self) -> bool:
        # The numbers of switches change whenever it wakes.
        self._seen.append([line for line in self._status.read_text().splitlines() if "ctxt_switches" in line])
        last = self._seen[-10:]
        return len(last) == 10 and all(one == last[0] for one in last)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_an_interrupt_while_only_names_are_read_keeps_the_audits(audited: Emulator, auditor: Auditor) -> None:
    audited.fail({"action": ROOTS, "how": "silence", "times": ALWAYS})
    with auditor.start("check", "--account", BILLING, "--format", "json") as process:
        try:
            keys = "iam:ListAccessKeys"
            wait_for(lambda: any(call["end"] for call in audited.call_log(keys, account=BILLING)), 30, "last call")
            wait_for(Rest(process.pid), 30, "rest after the last answer")
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=20)
        finally:
            process.kill()
    checked = Checked(subprocess.CompletedProcess(process.args, process.returncode, output, errors))
    assert checked.status == 3 and checked.document["partial"] and checked.with_state(audited=True) == {BILLING}
    assert checked.errors == UNNAMED


# Permissions of the caller


@pytest.mark.parametrize("action", [ROOTS, UNITS])
def test_names_that_cannot_be_read_are_noted(audited: Emulator, tmp_path: Path, action: str) -> None:
    checked = Auditor(audited, tmp_path, without=action).check("--exclude", LEGACY, "--exclude", LOCKED)
    assert checked.status == 1 and checked.errors.count("\n") == 1
    assert (
        checked.errors.startswith("credwarden: the organizational units have no names here: ")
        and action in checked.errors
    )
    assert checked.with_state(audited=False) == set() and len(checked.with_state(audited=True)) == 9
    name = checked.accounts[MANAGEMENT if action == ROOTS else READY]["organizational_unit"]
    assert name is None and all(one["path"] for one in checked.accounts.values())


def test_without_list_accounts_nothing_is_audited(audited: Emulator, tmp_path: Path) -> None:
    line = refused_in_one_line(Auditor(audited, tmp_path, without=LIST).run("check"), 3)
    assert LIST in line and audited.calls().keys() == {LIST}


def test_describing_a_unit_is_needed_only_for_one_without_accounts(audited: Emulator, tmp_path: Path) -> None:
    auditor, units = Auditor(audited, tmp_path, without=UNIT), audited.organization()["units"]
    assert auditor.check("--ou", units["Sandbox"]).with_state(audited=True) == {SANDBOX, READY}
    assert UNIT not in audited.calls()
    audited.forget_calls()
    line = refused_in_one_line(auditor.run("check", "--account", AUDIT, "--ou", "ou-ab12-zzzzzzzz"), 3)
    assert UNIT in line and audited.calls().keys() == {LIST, UNIT}


def test_without_assume_role_no_account_is_audited(audited: Emulator, tmp_path: Path) -> None:
    checked = Auditor(audited, tmp_path, without=ASSUME).check()
    assert checked.status == 3 and not checked.with_state(audited=True) and checked.document["findings"] == []
    reasons = {id: checked.accounts[id]["reason"] for id in checked.with_state(audited=False)}
    assert len(reasons) == 11 and all("AccessDenied" in reason and ASSUME in reason for reason in reasons.values())
    assert "the StackSet made the role" in reasons[PAYMENTS] and "sts:AssumeRole" in reasons[PAYMENTS]


def test_without_the_stack_set_the_reason_lacks_its_state(audited: Emulator, tmp_path: Path) -> None:
    checked = Auditor(audited, tmp_path, without=INSTANCES).check()
    assert (checked.status, checked.errors) == (3, "") and checked.with_state(audited=False) == {LEGACY, LOCKED}
    reason = checked.accounts[LEGACY]["reason"]
    assert "OUTDATED" not in reason and "is missing, or does not trust this caller" in reason


def test_an_account_without_an_instance_is_said_to_have_none(emulator: Emulator, tmp_path: Path) -> None:
    made = emulator.make_organization()
    audit.deploy_member_role(emulator, targets=[made["units"]["Workloads"]])
    checked = Auditor(emulator, tmp_path).check("--account", SANDBOX, "--account", PAYMENTS)
    assert checked.status == 3 and checked.with_state(audited=True) == {PAYMENTS}
    assert "the StackSet has no instance in this account" in checked.accounts[SANDBOX]["reason"]


def test_the_management_account_audits_too(emulator: Emulator, tmp_path: Path) -> None:
    emulator.make_organization()
    arn = f"arn:aws:iam::{MANAGEMENT}:role/{audit.AUDITOR}"
    audit.deploy_member_role(emulator, AuditAccountId=MANAGEMENT, AuditorArns=arn)
    checked = Auditor(emulator, tmp_path, account=MANAGEMENT).check()
    assert (checked.status, checked.errors) == (3, "") and checked.with_state(audited=False) == {LEGACY, LOCKED}
    assert "OUTDATED, FAILED" in checked.accounts[LEGACY]["reason"]


def test_of_another_role_the_stack_set_says_nothing(audited: Emulator, auditor: Auditor) -> None:
    audited.forget_calls()
    checked = auditor.check("--role", "credwarden-member", "--account", PAYMENTS, "--account", LEGACY)
    assert checked.status == 3 and not checked.with_state(audited=True)
    for id in (PAYMENTS, LEGACY):
        reason = checked.accounts[id]["reason"]
        assert "StackSet" not in reason and reason.endswith(
            "the role credwarden-member is missing, or does not trust this caller: check --role, which needs the role's path, "
            "and the role's trust policy"
        )
    assert INSTANCES not in audited.calls()


def test_another_role_is_assumed_by_its_name(audited: Emulator, auditor: Auditor) -> None:
    checked = auditor.check("--account", PAYMENTS, "--role", "elsewhere/reader")
    assert checked.status == 3 and "elsewhere/reader" in checked.accounts[PAYMENTS]["reason"]
    assert auditor.check("--account", PAYMENTS, "--role", f"/{audit.ROLE}").status == 1


# Secrets, and text that others wrote


@pytest.mark.parametrize("format", ["json", "csv", "table"])
def test_no_secret_is_printed(audited: Emulator, auditor: Auditor, format: str) -> None:
    audited.fail({"action": "iam:GetAccountSummary", "account": PAYMENTS, "how": "denied", "times": ALWAYS})
    done = auditor.run("check", "--format", format, RUST_LOG="trace")
    secrets = [auditor.caller[name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")]
    assert done.stdout and not any(secret in done.stdout + done.stderr for secret in secrets)
    # Temporary keys are those of sessions.
    assert "ASIA" not in done.stdout + done.stderr and "SessionToken" not in done.stdout + done.stderr


HOSTILE = [
    "\x1b[2J\x1b]0;title\x07red",
    "\u202egnp.exe\u2066",
    '=cmd("calc")',
    "@SUM(1)\r\nnext",
    "</script><b>",
    "\u009b31m",
]


def hostile(emulator: Emulator) -> None:
    """Makes an organization in which names and messages are hostile."""
    names = {f"1000000000{number:02d}": name for number, name in enumerate(HOSTILE)}
    accounts: list[dict] = [
        {"id": MANAGEMENT, "name": "management", "model": "clean"},
        {"id": AUDIT, "name": HOSTILE[1], "model": "rooted:1"},
    ]
    accounts += [
        {"id": id, "name": name, "unit": name.replace("/", ""), "model": "users:1"} for id, name in names.items()
    ]
    units = [one["unit"] for one in accounts[2:]]
    delegated = {AUDIT: ["member.org.stacksets.cloudformation.amazonaws.com"]}
    instance = {"status": "OUTDATED", "detailed": "FAILED", "reason": "\u202e=1\u2066"}
    accounts[2]["instance"] = accounts[4]["instance"] = instance
    emulator.make_organization({"accounts": accounts, "units": units, "delegated": delegated})
    audit.deploy_member_role(emulator)
    emulator.fail(
        {
            "action": ASSUME,
            "account": "100000000001",
            "code": "ValidationError",
            "status": 400,
            "message": "=1\u202e\u009b31m",
            "times": ALWAYS,
        }
    )


def has_only_text(text: str) -> bool:
    """Whether a terminal would show all characters, except for ends of lines."""
    return not any(
        ord(one) < 32 and one != "\n" or 127 <= ord(one) < 160 or one in "\u202e\u2066\u200b" for one in text
    )


def test_hostile_names_are_escaped(emulator: Emulator, tmp_path: Path) -> None:
    hostile(emulator)
    auditor = Auditor(emulator, tmp_path)
    checked = auditor.check()
    assert [checked.accounts[f"1000000000{number:02d}"]["name"] for number in range(6)] == HOSTILE
    for command in ("accounts", "check"):
        table = auditor.run(command)
        assert has_only_text(table.stdout) and has_only_text(table.stderr), command
        done = auditor.run(command, "--format", "csv")
        assert has_only_text(done.stdout) and has_only_text(done.stderr), command
        found = rows(done.stdout)
        assert len(found) >= 6
        for row in found:
            assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for cell in row.values()), row
    assert checked.status == 3


# The network


def test_an_unreachable_endpoint_is_reported_soon(audited: Emulator, auditor: Auditor) -> None:
    for command in ("accounts", "check"):
        done = auditor.run(command, timeout=20, AWS_ENDPOINT_URL="http://127.0.0.1:9")
        assert "could not connect" in refused_in_one_line(done, 3)
    assert not audited.calls()


@pytest.mark.parametrize("service", ["STS", "IAM"])
def test_an_unreachable_service_is_the_reason_of_every_account(auditor: Auditor, service: str) -> None:
    variables = {f"AWS_ENDPOINT_URL_{service}": "http://127.0.0.1:9"}
    checked = auditor.check(timeout=30, **variables)
    assert checked.status == 3 and len(checked.with_state(audited=False)) == 11
    reasons = [checked.accounts[id]["reason"] for id in checked.with_state(audited=False) - {LEGACY}]
    assert all("could not connect" in reason for reason in reasons), reasons


def test_missing_credentials_are_reported_once(audited: Emulator, auditor: Auditor) -> None:
    without = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": ""}
    assert "There are no AWS credentials" in refused_in_one_line(auditor.run("check", **without), 3)
    assert not audited.calls()
