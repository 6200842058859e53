"""`credwarden organization check --accounts-from`: a folder of saved files of several accounts."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emulator.process import wait_for
from saved import NOW, Ended, account, as_json

Run = Callable[..., Ended]
ONE, TWO, THREE, FOUR = "111122223333", "222233334444", "333344445555", "444455556666"
GENERATED = "2026-11-20T05:59:00+00:00"


class Folder:
    """A folder of saved files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()

    def report(self, id: str, model: str = "clean", *, of: str | None = None, generated: str = GENERATED) -> Path:
        return self.write(f"{id}.report.json", as_json(account(model).report(of or id), generated))

    def table(self, id: str, model: str = "clean") -> Path:
        return self.write(f"{id}.report.csv", account(model).report(id))

    def summary(self, id: str, model: str = "clean") -> Path:
        return self.write(f"{id}.summary.json", json.dumps({"SummaryMap": account(model).summary_map(id)}))

    def credentials(self, id: str, *credentials: dict) -> Path:
        document = {"ServiceSpecificCredentials": list(credentials), "IsTruncated": False}
        return self.write(f"{id}.service-credentials.json", json.dumps(document))

    def write(self, name: str, text: str) -> Path:
        path = self.path / name
        path.write_text(text, newline="")
        return path


class Judged:
    """What is printed as JSON."""

    def __init__(self, done: Ended) -> None:
        self.status, self.errors, self.text = done.status, done.errors, done.output
        assert done.output, done.errors
        self.document = json.loads(done.output)
        self.accounts = {one["account_id"]: one for one in self.document["accounts"]}
        self.audited = {id for id, one in self.accounts.items() if one["audited"]}

    def findings(self, id: str) -> list[dict]:
        """Returns the findings of an account, without what an organization adds to them."""
        added = ("account_id", "account_name", "organizational_unit")
        return [
            {name: value for name, value in one.items() if name not in added}
            for one in self.document["findings"]
            if one["account_id"] == id
        ]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "reports")


@pytest.fixture
def judge(credwarden: Run, folder: Folder) -> Callable[..., Judged]:
    def run(*options: str) -> Judged:
        arguments = ["organization", "check", "--accounts-from", folder.path, "--format", "json", *options]
        return Judged(credwarden(*arguments))

    return run


def refused_in_one_line(done: Ended) -> str:
    assert (done.status, done.output) == (2, "")
    assert done.errors.startswith("credwarden: ") and done.errors.count("\n") == 1, done.errors
    return done.errors


def test_each_account_is_judged_by_its_files(folder: Folder, judge: Callable[..., Judged]) -> None:
    folder.report(ONE, "sample")
    folder.summary(ONE, "sample")
    folder.credentials(ONE)
    folder.report(TWO, "rooted:2")
    folder.summary(TWO, "rooted:2")
    folder.table(THREE)
    judged = judge("--now", NOW)
    assert (judged.status, judged.errors) == (1, "") and list(judged.accounts) == [ONE, TWO, THREE]
    document = judged.document
    assert list(document) == ["organization_id", "evaluated_at", "partial", "accounts", "findings"]
    assert (document["organization_id"], document["evaluated_at"], document["partial"]) == (None, NOW, False)
    for one in judged.accounts.values():
        assert (one["in_scope"], one["audited"], one["reason"], one["why"]) == (True, True, None, None)
        assert [one[name] for name in ("name", "state", "path", "organizational_unit")] == [None] * 4
    assert {one["status"] for one in document["findings"]} == {"FAILED", "UNKNOWN"}


@pytest.mark.parametrize("model", ["sample", "clean", "bare", "rooted:2", "failing:3"])
@pytest.mark.parametrize("beside", ["report", "report and summary", "summary", "all"])
def test_an_account_is_judged_as_by_check(
    credwarden: Run, folder: Folder, judge: Callable[..., Judged], model: str, beside: str
) -> None:
    options: list[Any] = []
    if beside != "summary":
        options += ["--credential-report", folder.report(ONE, model)]
    if beside != "report":
        options += ["--account-summary", folder.summary(ONE, model)]
    if beside == "all":
        options += ["--service-credentials", folder.credentials(ONE)]
    folder.report(TWO, "failing:1")
    judged, alone = (
        judge("--account", ONE, "--now", NOW),
        credwarden("check", *options, "--format", "json", "--now", NOW),
    )
    document = json.loads(alone.output)
    kept = [one for one in document["findings"] if one["status"] in ("FAILED", "UNKNOWN")]
    expected = [{name: value for name, value in one.items() if name != "account_id"} for one in kept]
    found = judged.findings(ONE)
    if beside == "summary":
        # A summary alone does not say whose it is; the file's name does.
        same = ("check", "status", "severity", "message")
        expected, found = ([{name: one[name] for name in same} for one in some] for some in (expected, found))
        assert f"/{ONE}/" in judged.text
    assert found == expected and judged.accounts[ONE]["counts"] == document["counts"]
    assert judged.status == alone.status and judged.accounts[TWO]["why"] == "not selected"


def test_each_account_is_judged_as_of_its_own_report(folder: Folder, judge: Callable[..., Judged]) -> None:
    folder.report(ONE, "rooted:1", generated="2026-11-20T05:59:00+00:00")
    folder.report(TWO, "rooted:1", generated="2026-11-25T05:59:00+00:00")
    judged = judge()
    assert judged.errors == "" and judged.document["evaluated_at"] == "2026-11-25T05:59:00Z"

    def age(id: str) -> int:
        (one,) = [one for one in judged.findings(id) if one["check"] == "root-access-key-active"]
        return int(one["message"].split(" days ago")[0].split("(")[1])

    assert age(TWO) - age(ONE) == 5


def test_no_account_is_said_to_be_judged_as_of_the_report_of_another_one(credwarden: Run, folder: Folder) -> None:
    folder.report(ONE, "rooted:1", generated="2026-11-20T05:59:00+00:00")
    folder.report(TWO, "rooted:1", generated="2026-11-25T05:59:00+00:00")
    options = ["organization", "check", "--accounts-from", folder.path]
    first = "Each account is judged as of the time of its own report; the oldest is of 2026-11-20 05:59 UTC."
    lines = credwarden(*options).output.splitlines()
    assert lines[1] == first
    judged = {id: lines[lines.index(f"AWS account {id}") + 1] for id in (ONE, TWO)}
    assert judged == {ONE: "Judged as of 2026-11-20 05:59 UTC.", TWO: "Judged as of 2026-11-25 05:59 UTC."}
    assert f"<p>{first}</p>" in credwarden(*options, "--format", "html").output
    # A time that is given, or that is the same for all, is said once.
    at = credwarden(*options, "--now", "2026-11-26T06:00:00Z").output
    alone = credwarden(*options, "--account", ONE).output
    assert at.splitlines()[1] == "Judged as of 2026-11-26 06:00 UTC." and at.count("udged as of") == 1
    assert alone.splitlines()[1] == "Judged as of 2026-11-20 05:59 UTC." and alone.count("udged as of") == 1


def test_the_same_files_give_the_same_bytes(credwarden: Run, folder: Folder) -> None:
    for id, model in ((ONE, "sample"), (TWO, "failing:3"), (THREE, "clean")):
        folder.report(id, model)
        folder.summary(id, model)
    folder.write(f"{FOUR}.report.json", "{")
    for format in ("json", "csv", "table"):
        options = ["organization", "check", "--accounts-from", folder.path, "--format", format]
        first = credwarden(*options)
        assert first.status == 3 and first.output and credwarden(*options) == first


DAMAGED = {
    "not JSON": ("report.json", "{"),
    "empty": ("report.json", ""),
    "a page": ("report.csv", "<html>"),
    "half a report": ("report.json", as_json("user,arn\n")),
    "a list": ("report.json", "[]"),
    "a summary without map": ("summary.json", "{}"),
    "an output of another command": ("report.json", '{"Users": []}'),
}


@pytest.mark.parametrize(("name", "text"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_costs_only_its_account(
    folder: Folder, judge: Callable[..., Judged], name: str, text: str
) -> None:
    folder.report(ONE, "sample")
    before = judge("--now", NOW)
    path = folder.write(f"{TWO}.{name}", text)
    judged = judge("--now", NOW)
    assert (judged.status, judged.errors) == (3, "") and judged.audited == {ONE}
    assert path.name in judged.accounts[TWO]["reason"] and "\n" not in judged.accounts[TWO]["reason"]
    assert judged.findings(ONE) == before.findings(ONE) and not judged.findings(TWO)


BESIDE_A_SOURCE = {
    "a damaged summary": ("report", "summary.json", "no JSON"),
    "damaged service-specific credentials": ("report", "service-credentials.json", "{}"),
    "service-specific credentials beside a summary": ("summary", "service-credentials.json", ""),
    "a damaged report": ("summary", "report.json", "{"),
    "a damaged table": ("summary", "report.csv", "user,arn\n<root_account>"),
}


@pytest.mark.parametrize(("read", "name", "text"), BESIDE_A_SOURCE.values(), ids=BESIDE_A_SOURCE)
def test_a_damaged_file_is_a_source_that_could_not_be_read(
    folder: Folder, judge: Callable[..., Judged], read: str, name: str, text: str
) -> None:
    getattr(folder, read)(ONE)
    folder.report(TWO)
    path = folder.write(f"{ONE}.{name}", text)
    judged = judge("--now", NOW)
    assert judged.status == 3 and judged.audited == {ONE, TWO}
    reason = judged.accounts[ONE]["reason"]
    assert path.name in reason and judged.errors == f"credwarden: {reason}\n"
    unknown = [one for one in judged.findings(ONE) if path.name in one["message"]]
    assert {one["status"] for one in unknown} <= {"UNKNOWN"} and all(reason in one["message"] for one in unknown)
    assert unknown and {one["status"] for one in judged.findings(ONE)} == {"UNKNOWN"}
    assert judge("--now", NOW, "--fail-on", "never").status == 0
    assert judge("--now", NOW, "--account", TWO).status == 0


def test_a_finding_counts_more_than_a_damaged_file(folder: Folder, judge: Callable[..., Judged]) -> None:
    folder.report(ONE, "sample")
    alone = judge()
    folder.write(f"{ONE}.summary.json", "{}")
    judged = judge()
    assert judged.status == 1 and judged.audited == {ONE} and "summary.json" in judged.errors

    def failing(judged: Judged) -> list[str]:
        return [one["id"] for one in judged.findings(ONE) if one["status"] == "FAILED"]

    assert failing(judged) == failing(alone)


def test_an_account_without_a_readable_source_is_not_audited(folder: Folder, judge: Callable[..., Judged]) -> None:
    folder.write(f"{ONE}.report.json", "{")
    folder.write(f"{ONE}.summary.json", "{}")
    folder.credentials(ONE)
    folder.report(TWO)
    judged = judge("--fail-on", "never")
    assert (judged.status, judged.errors) == (3, "") and judged.audited == {TWO}
    assert f"{ONE}.report.json" in judged.accounts[ONE]["reason"] and not judged.findings(ONE)


@pytest.mark.parametrize(
    "make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "folder", "device"]
)
def test_what_is_no_regular_file_is_not_opened(
    folder: Folder, judge: Callable[..., Judged], make: Callable[[Path], None]
) -> None:
    folder.report(ONE)
    folder.report(THREE)
    (folder.path / f"{FOUR}.summary.json").symlink_to(folder.summary(THREE))
    for name in (f"{ONE}.summary.json", f"{TWO}.report.json"):
        make(folder.path / name)
    judged = judge("--now", NOW)
    assert judged.status == 3 and judged.audited == {ONE, THREE, FOUR}
    for id, name in ((ONE, "summary.json"), (TWO, "report.json")):
        assert judged.accounts[id]["reason"] == f"{folder.path / f'{id}.{name}'}: not a regular file"
    assert [judged.accounts[id]["reason"] for id in (THREE, FOUR)] == [None, None]


def test_two_reports_of_an_account_are_refused(folder: Folder, judge: Callable[..., Judged]) -> None:
    folder.report(ONE, "clean")
    folder.table(ONE, "sample")
    folder.report(TWO)
    judged = judge()
    assert judged.status == 3 and judged.audited == {TWO}
    reason = judged.accounts[ONE]["reason"]
    assert f"{ONE}.report.csv" in reason and f"{ONE}.report.json" in reason and "two reports" in reason


def without_root(report: str) -> str:
    return "".join(line for line in report.splitlines(keepends=True) if not line.startswith("<root_account>"))


def with_user_of(report: str, id: str) -> str:
    cells = report.splitlines()[-1].split(",")
    return report + "\n" + ",".join(["other", f"arn:aws:iam::{id}:user/other", *cells[2:]])


OF_ANOTHER_ACCOUNT = {
    "report": account("sample").report(THREE),
    "report without root": without_root(account("sample").report(THREE)),
    "rows of two accounts": with_user_of(account("sample").report(ONE), THREE),
}


@pytest.mark.parametrize("form", ["json", "csv"])
@pytest.mark.parametrize("report", OF_ANOTHER_ACCOUNT.values(), ids=OF_ANOTHER_ACCOUNT)
def test_a_report_of_another_account_is_refused(
    folder: Folder, judge: Callable[..., Judged], report: str, form: str
) -> None:
    path = folder.write(f"{ONE}.report.{form}", as_json(report, GENERATED) if form == "json" else report)
    folder.summary(ONE)
    folder.report(TWO)
    judged = judge("--now", NOW)
    assert (judged.status, judged.errors) == (3, "") and judged.audited == {TWO} and not judged.findings(ONE)
    reason = judged.accounts[ONE]["reason"]
    assert path.name in reason and THREE in reason and THREE not in judged.accounts


def test_a_summary_alone_is_an_audit(folder: Folder, judge: Callable[..., Judged]) -> None:
    folder.summary(ONE, "clean")
    judged = judge("--now", NOW)
    assert (judged.status, judged.errors) == (0, "") and judged.audited == {ONE}
    assert judged.accounts[ONE]["counts"]["UNKNOWN"] > 0
    assert {one["status"] for one in judged.findings(ONE)} == {"UNKNOWN"}


def test_the_table_lists_what_was_not_judged(credwarden: Run, folder: Folder) -> None:
    folder.summary(ONE)
    done = credwarden("organization", "check", "--accounts-from", folder.path)
    assert done.status == 0 and "Nothing fails" not in done.output
    assert "UNKNOWN" in done.output and "The credential report was not given." in done.output


def test_service_credentials_alone_are_no_audit(folder: Folder, judge: Callable[..., Judged]) -> None:
    folder.credentials(ONE)
    folder.report(TWO)
    judged = judge()
    assert judged.status == 3 and judged.audited == {TWO}
    assert judged.accounts[ONE]["reason"] == "there is neither a credential report nor an account summary"


def test_other_files_are_noted(folder: Folder, judge: Callable[..., Judged]) -> None:
    folder.report(ONE)
    expected = judge()
    assert expected.errors == ""
    for name in ("README.md", f"{TWO}.report.xml", "12345.report.json", f"{THREE}.report.json.bak", "\x1b[2J\u202e"):
        folder.write(name, "{}")
    (folder.path / "old").mkdir()
    judged = judge()
    assert judged.errors.count("\n") == 1 and judged.errors.startswith(
        "credwarden: 6 files not named after an account: "
    )
    assert "\x1b" not in judged.errors and "\u202e" not in judged.errors and "…" in judged.errors
    assert (judged.status, judged.text) == (expected.status, expected.text)


def test_a_folder_that_cannot_be_used_is_wrong_input(credwarden: Run, folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    def line(path: Path) -> str:
        return refused_in_one_line(
            credwarden("organization", "check", "--accounts-from", path, "--output", tmp_path / "out")
        )

    assert "No such file or directory" in line(tmp_path / "missing")
    assert "Not a directory" in line(tmp_path / "file")
    assert "no file named after an account" in line(folder.path)
    folder.write("notes.txt", "")
    assert "no file named after an account" in line(folder.path)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["report", "summary", "credentials"])
def test_an_input_file_is_not_overwritten(credwarden: Run, folder: Folder, kind: str, tmp_path: Path) -> None:
    folder.report(TWO)
    path = getattr(folder, kind)(ONE)
    before = path.read_bytes()
    link = tmp_path / "link"
    link.symlink_to(path)
    for output in (path, link):
        line = refused_in_one_line(
            credwarden("organization", "check", "--accounts-from", folder.path, "--output", output)
        )
        assert "--output" in line and path.read_bytes() == before


@pytest.mark.parametrize("name", [f"{ONE}.report.json", f"{TWO}.report.csv", f"{TWO}.summary.json"])
@pytest.mark.parametrize("way", ["path", "dots", "link to the folder", "link to the file", "link in the folder"])
def test_the_output_is_not_a_file_of_an_account(
    credwarden: Run, folder: Folder, tmp_path: Path, name: str, way: str
) -> None:
    """Else it would be read as input next time."""
    folder.report(TWO)
    output = folder.path / name
    if way == "dots":
        output = folder.path / ".." / folder.path.name / name
    elif way == "link to the folder":
        (tmp_path / "link").symlink_to(folder.path)
        output = tmp_path / "link" / name
    elif way == "link to the file":
        output = tmp_path / "link"
        output.symlink_to(folder.path / name)
    elif way == "link in the folder":
        output.symlink_to(tmp_path / "elsewhere")
    before = sorted(folder.path.iterdir())
    line = refused_in_one_line(
        credwarden("organization", "check", "--accounts-from", folder.path, "--format", "json", "--output", output)
    )
    assert "--output" in line and "an account's file" in line
    assert sorted(folder.path.iterdir()) == before and not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("name", ["out.json", f"{ONE}.html", f"{ONE}.report.xml"])
def test_the_output_may_be_another_file_in_the_folder(credwarden: Run, folder: Folder, name: str) -> None:
    folder.report(TWO)
    options = ["organization", "check", "--accounts-from", folder.path, "--format", "json"]
    done = credwarden(*options, "--output", folder.path / name)
    assert (done.status, done.errors) == (0, "") and json.loads((folder.path / name).read_text())
    assert name in credwarden(*options).errors


def test_the_output_may_have_an_accounts_name_elsewhere(credwarden: Run, folder: Folder, tmp_path: Path) -> None:
    folder.report(TWO)
    output = tmp_path / f"{ONE}.report.json"
    assert credwarden("organization", "check", "--accounts-from", folder.path, "--output", output).status == 0
    assert output.exists()


def test_the_output_is_written_to_a_file(credwarden: Run, folder: Folder, tmp_path: Path) -> None:
    folder.report(ONE, "sample")
    options = ["organization", "check", "--accounts-from", folder.path, "--format", "csv"]
    expected = credwarden(*options)
    done = credwarden(*options, "--output", tmp_path / "out.csv")
    assert (done.status, done.output) == (1, "") and (tmp_path / "out.csv").read_bytes() == expected.output.encode()


@pytest.mark.parametrize(
    "options",
    [
        ["--ou", "ou-ab12-11111111"],
        ["--profile", "audit"],
        ["--region", "eu-central-1"],
        ["--role", "reader"],
        ["--concurrency", "3"],
    ],
    ids=" ".join,
)
def test_options_of_the_live_organization_do_not_go_with_files(
    credwarden: Run, folder: Folder, options: list[str]
) -> None:
    folder.report(ONE)
    line = refused_in_one_line(credwarden("organization", "check", "--accounts-from", folder.path, *options))
    assert options[0] in line and "cannot be used with" in line


def test_accounts_are_selected_by_their_ids(credwarden: Run, folder: Folder, judge: Callable[..., Judged]) -> None:
    for id in (ONE, TWO, THREE):
        folder.report(id, "failing:1")
    folder.write(f"{FOUR}.report.json", "{")
    judged = judge("--account", ONE, "--account", TWO, "--exclude", TWO)
    assert judged.status == 1 and judged.audited == {ONE}
    why = {id: one["why"] for id, one in judged.accounts.items() if not one["in_scope"]}
    assert why == {TWO: "excluded", THREE: "not selected", FOUR: "not selected"}
    start = ["organization", "check", "--accounts-from", folder.path]
    assert "101010101010" in refused_in_one_line(credwarden(*start, "--account", "101010101010"))
    everything = [part for id in (ONE, TWO, THREE, FOUR) for part in ("--exclude", id)]
    assert "no account is in scope" in refused_in_one_line(credwarden(*start, *everything))


def test_excluding_a_unit_is_wrong_input(credwarden: Run, folder: Folder) -> None:
    folder.report(ONE)
    options = ["organization", "check", "--accounts-from", folder.path, "--exclude", "ou-ab12-11111111"]
    assert "ou-ab12-11111111" in refused_in_one_line(credwarden(*options))


def test_a_now_before_the_newest_date_costs_only_its_account(folder: Folder, judge: Callable[..., Judged]) -> None:
    folder.report(ONE, "clean")
    folder.summary(TWO, "clean")
    judged = judge("--now", "2020-01-01T00:00:00Z")
    assert judged.status == 3 and judged.audited == {TWO}
    assert "before the newest date in the credential report" in judged.accounts[ONE]["reason"]
    later = judge("--now", "2027-11-20T06:00:00Z")
    assert later.status == 1 and later.document["evaluated_at"] == "2027-11-20T06:00:00Z"


def test_what_was_not_saved_does_not_fail_the_run(folder: Folder, judge: Callable[..., Judged]) -> None:
    folder.report(ONE, "clean")
    judged = judge()
    assert judged.status == 0 and judged.accounts[ONE]["counts"]["UNKNOWN"] > 0


@pytest.mark.parametrize(
    ("options", "status"),
    [([], 1), (["--fail-on", "CRITICAL"], 0), (["--fail-on", "never"], 0), (["--status", "UNKNOWN"], 1)],
    ids=str,
)
def test_the_exit_status_shows_the_outcome(
    folder: Folder, judge: Callable[..., Judged], options: list[str], status: int
) -> None:
    folder.report(ONE, "failing:1")
    judged = judge(*options)
    assert judged.status == status
    assert bool([one for one in judged.findings(ONE) if one["status"] == "FAILED"]) is ("--status" not in options)


def test_an_account_that_was_not_judged_decides_the_exit_status(folder: Folder, judge: Callable[..., Judged]) -> None:
    folder.report(ONE, "sample")
    folder.write(f"{TWO}.report.json", "{")
    assert judge("--fail-on", "never").status == 3
    assert judge("--exclude", TWO, "--fail-on", "never").status == 0


def catches(process: subprocess.Popen, number: int) -> bool:
    status = Path(f"/proc/{process.pid}/status").read_text()
    (mask,) = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")]
    return bool(int(mask, 16) >> (number - 1) & 1)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_an_interrupted_run_prints_what_was_judged(binary: Path, folder: Folder, number: int) -> None:
    path = folder.summary(ONE)
    for later in range(20_000):
        (folder.path / f"2{later:011d}.summary.json").symlink_to(path)
    command = [binary, "organization", "check", "--accounts-from", folder.path, "--format", "json"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    ) as process:
        wait_for(lambda: catches(process, number), 30, "handler")
        process.send_signal(number)
        output, errors = process.communicate(timeout=60)
    judged = Judged(Ended(process.returncode, output, errors))
    assert (judged.status, judged.errors, judged.document["partial"]) == (3, "", True)
    assert len(judged.accounts) == 20_001 and len(judged.audited) < 20_001
    missed = {one["reason"] for id, one in judged.accounts.items() if id not in judged.audited}
    assert missed == {"the run was interrupted before it was audited"}


def test_coverage_is_first_in_csv_and_table(credwarden: Run, folder: Folder) -> None:
    folder.report(ONE, "sample")
    folder.write(f"{TWO}.report.json", "{")
    options = ["organization", "check", "--accounts-from", folder.path]
    rows = list(csv.DictReader(io.StringIO(credwarden(*options, "--format", "csv").output)))
    assert [(one["account_id"], one["audited"], one["id"]) for one in rows[:1]] == [(TWO, "false", "")]
    assert {one["account_id"] for one in rows[1:]} == {ONE} and all(one["id"] for one in rows[1:])
    lines = credwarden(*options).output.splitlines()
    assert lines[0] == "Saved files: 2 accounts. 1 audited, 1 not audited, 0 out of scope."


def test_saved_files_need_neither_network_nor_configuration(credwarden: Run, folder: Folder, tmp_path: Path) -> None:
    """These files and this endpoint block anyone who opens or calls them."""
    folder.report(ONE, "sample")
    folder.summary(ONE, "sample")
    for name in ("config", "credentials"):
        os.mkfifo(tmp_path / name)
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = credwarden(
            *("organization", "check", "--accounts-from", folder.path),
            AWS_CONFIG_FILE=str(tmp_path / "config"),
            AWS_SHARED_CREDENTIALS_FILE=str(tmp_path / "credentials"),
            AWS_PROFILE="none",
            AWS_ENDPOINT_URL=f"http://127.0.0.1:{server.getsockname()[1]}",
        )
        assert (done.status, done.errors) == (1, "")
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
