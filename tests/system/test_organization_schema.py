"""What `credwarden organization` prints as JSON conforms to its published schemas."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from emulator import audit, binaries
from emulator.account import ACCOUNT
from emulator.process import Emulator
from emulator.sample import AUDIT
from organizations import Auditor

LEGACY, OLD, BILLING = "777788889999", "123456789012", "333344445555"


def validator(name: str) -> jsonschema.Draft202012Validator:
    schema = json.loads((binaries.ROOT / "functions" / "cli" / f"{name}.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())


ORGANIZATION, ACCOUNTS = validator("organization"), validator("accounts")


@pytest.mark.parametrize(
    "options",
    [[], ["--account", ACCOUNT], ["--exclude", ACCOUNT], ["--status", "UNKNOWN"], ["--disable", "root-mfa-disabled"]],
)
def test_an_audit_conforms_to_the_schema(auditor: Auditor, options: list[str]) -> None:
    ORGANIZATION.validate(auditor.check(*options).document)


def test_a_source_that_was_not_read_conforms_to_the_schema(audited: Emulator, auditor: Auditor) -> None:
    refused = {"how": "denied", "times": 99}
    audited.fail({"action": "iam:GetCredentialReport", "account": BILLING, **refused})
    checked = auditor.check()
    assert checked.accounts[BILLING]["audited"] and checked.accounts[BILLING]["reason"]
    ORGANIZATION.validate(checked.document)


def test_names_that_were_not_read_conform_to_the_schema(audited: Emulator, tmp_path: Path) -> None:
    auditor = Auditor(audited, tmp_path, without="organizations:ListRoots")
    checked = auditor.check()
    assert None in {one["organizational_unit"] for one in checked.accounts.values()}
    ORGANIZATION.validate(checked.document)


def test_saved_files_conform_to_the_schema(audited: Emulator, auditor: Auditor) -> None:
    folder = auditor.folder / "reports"
    folder.mkdir()
    for account in (AUDIT, ACCOUNT, BILLING):
        iam = audited.client("iam", role=audit.session(audited, auditor.caller, account))
        while iam.generate_credential_report()["State"] != "COMPLETE":
            pass
        (folder / f"{account}.report.csv").write_bytes(iam.get_credential_report()["Content"])
        summary = {"SummaryMap": iam.get_account_summary()["SummaryMap"]}
        (folder / f"{account}.summary.json").write_text(json.dumps(summary))
    (folder / f"{OLD}.report.csv").write_text("damaged")
    checked = auditor.check("--accounts-from", str(folder), "--exclude", AUDIT, "--now", "2100-01-01T00:00:00Z")
    assert checked.document["organization_id"] is None
    assert checked.with_state(audited=False) == {OLD} and checked.accounts[AUDIT]["why"] == "excluded"
    ORGANIZATION.validate(checked.document)


@pytest.mark.parametrize("options", [[], ["--account", ACCOUNT], ["--exclude", AUDIT]])
def test_a_list_of_accounts_conforms_to_the_schema(auditor: Auditor, options: list[str]) -> None:
    done = auditor.run("accounts", "--format", "json", *options)
    assert done.returncode == 0, done.stderr
    ACCOUNTS.validate(json.loads(done.stdout))


def drop(name: str) -> Callable[[dict], object]:
    return lambda account: account.pop(name)


def put(**members: object) -> Callable[[dict], object]:
    return lambda account: account.update(members)


@pytest.mark.parametrize(
    "id, change",
    [
        (ACCOUNT, put(why="SUSPENDED")),
        (ACCOUNT, put(counts=None)),
        (ACCOUNT, put(email="root@example.com")),
        (ACCOUNT, put(account_id="42")),
        (ACCOUNT, put(reason="")),
        (LEGACY, put(reason=None)),
        (LEGACY, put(counts={"FAILED": 0, "PASSED": 0, "NOT_APPLICABLE": 0, "UNKNOWN": 0})),
        (OLD, put(why=None)),
        (OLD, put(audited=True)),
        (OLD, put(reason="SUSPENDED")),
        *((ACCOUNT, drop(name)) for name in ("why", "reason", "counts", "audited", "path", "organizational_unit")),
    ],
)
def test_the_schema_rejects_an_account_that_contradicts_itself(
    whole: dict, id: str, change: Callable[[dict], object]
) -> None:
    document = copy.deepcopy(whole)
    change(next(one for one in document["accounts"] if one["account_id"] == id))
    assert not ORGANIZATION.is_valid(document)


@pytest.mark.parametrize("change", [drop("account_name"), put(status="PASSED"), put(id="credwarden/x/unknown/root")])
def test_the_schema_rejects_a_finding_that_is_not_of_an_account(whole: dict, change: Callable[[dict], object]) -> None:
    document = copy.deepcopy(whole)
    change(document["findings"][0])
    assert not ORGANIZATION.is_valid(document)


@pytest.fixture(scope="module")
def whole(running: Emulator, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """The result for the sample organization, which is valid."""
    running.reset()
    running.make_organization()
    audit.deploy_member_role(running)
    document = Auditor(running, tmp_path_factory.mktemp("auditor")).check().document
    ORGANIZATION.validate(document)
    return document


def test_findings_are_described_as_those_of_one_account() -> None:
    """The two schemas differ in a finding's account and statuses only."""
    schema = json.loads((binaries.ROOT / "functions" / "cli" / "findings.schema.json").read_text())
    one, each = schema["$defs"]["finding"], copy.deepcopy(ORGANIZATION.schema["$defs"]["finding"])
    for name in ("account_id", "account_name", "organizational_unit"):
        each["required"].remove(name)
        del each["properties"][name]
    assert each.keys() == one.keys() and each["required"] == one["required"]
    differing = {name for name in one["properties"] if each["properties"][name] != one["properties"][name]}
    assert each["properties"].keys() == one["properties"].keys() and differing <= {"id", "status", "subject"}
