"""`credwarden organization`: the accounts of an organization are listed, and each of them is audited by its member role."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from emulator import audit, binaries
from emulator.account import ACCOUNT
from emulator.process import Emulator
from emulator.sample import AUDIT, MANAGEMENT
from organizations import Auditor, lister

PAYMENTS, BILLING, SEARCH, LEGACY, LOCKED, OLD, SANDBOX, READY, LOGS = (
    *("222233334444", "333344445555", "666677778888", "777788889999", "888899990000"),
    *("123456789012", "210987654321", "345678901234", "555566667777"),
)
READING = {
    "iam:GenerateCredentialReport",
    "iam:GetCredentialReport",
    "iam:GetAccountSummary",
    "iam:ListVirtualMFADevices",
    "iam:ListServiceSpecificCredentials",
    "iam:ListAccessKeys",
}
"""The actions of the member role."""
LIST, ROOTS, UNITS, UNIT, ASSUME, INSTANCES = audit.ACTIONS
DOCUMENT = ["organization_id", "evaluated_at", "partial", "accounts", "findings"]
LISTED = ["account_id", "name", "state", "path", "organizational_unit", "in_scope", "why"]
MEMBER = [*LISTED, "audited", "reason", "counts"]
ALWAYS = 100_000


@pytest.fixture
def audited(emulator: Emulator) -> Emulator:
    """The sample organization with the member role."""
    emulator.make_organization()
    audit.deploy_member_role(emulator)
    return emulator


@pytest.fixture
def auditor(audited: Emulator, tmp_path: Path) -> Auditor:
    return Auditor(audited, tmp_path)


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


def test_accounts_are_listed_in_each_format(auditor: Auditor) -> None:
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
    assert [line[0] for line in listed] == [one["account_id"] for one in document["accounts"]]
    assert "out of scope: SUSPENDED" in table.stdout and "out of scope: excluded" in table.stdout
    auditor.run("accounts", "--format", "json", "--exclude", BILLING, "--output", "list.json")
    assert (auditor.folder / "list.json").read_text() == done.stdout


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


def account(id: str, management: str = MANAGEMENT) -> dict:
    arn = f"arn:aws:organizations::{management}:account/o-a1b2c3d4e5/{id}"
    return {"Id": id, "Arn": arn, "Name": "name", "Status": "ACTIVE", "State": "ACTIVE", "Paths": []}


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
