"""Every format in which people save a report is read; other files are refused in one line with the error's place."""

from __future__ import annotations

import base64
import csv
import io
import json
import random
import re
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from emulator.launcher import ACCOUNT
from saved import NOW, Ended, account, as_json

Run = Callable[..., Ended]
SAMPLE = account().report(ACCOUNT)
HEADER, *ROWS = SAMPLE.split("\n")
COLUMNS = HEADER.split(",")
# More memory than a run needs, and far less than the files below.
MEMORY = 500 * 1024 * 1024


def verdicts(run: Run, path: Path | str, input: bytes = b"") -> dict:
    done = run("check", "--credential-report", path, "--now", NOW, "--format", "json", input=input)
    assert (done.status, done.errors) == (1, "")
    return json.loads(done.output)


def rewritten(change: Callable[[list[list[str]]], list[list[str]]], **format: object) -> str:
    """Returns the sample with its cells changed, written by `csv` in that format."""
    text = io.StringIO()
    csv.writer(text, **{"lineterminator": "\n", **format}).writerows(change(list(csv.reader(io.StringIO(SAMPLE)))))
    return text.getvalue()


def shuffled(rows: list[list[str]]) -> list[list[str]]:
    order = random.Random(7).sample(range(len(COLUMNS)), len(COLUMNS))
    return [[row[place] for place in order] for row in rows]


def saved_by_a_spreadsheet(rows: list[list[str]]) -> list[list[str]]:
    return [[{"true": "TRUE", "false": "FALSE"}.get(cell, cell) for cell in row] + ["", ""] for row in rows]


FORMS = {
    "as served": SAMPLE.encode(),
    "with a last newline": SAMPLE.encode() + b"\n",
    "CRLF": SAMPLE.replace("\n", "\r\n").encode(),
    "CRLF, with a last newline and a byte order mark": b"\xef\xbb\xbf"
    + SAMPLE.replace("\n", "\r\n").encode()
    + b"\r\n",
    "UTF-16, as > of Windows PowerShell": SAMPLE.encode("utf-16"),
    "UTF-16, big end first": b"\xfe\xff" + SAMPLE.encode("utf-16-be"),
    "columns in another order": rewritten(shuffled).encode(),
    "header in upper case": (HEADER.upper() + SAMPLE.removeprefix(HEADER)).encode(),
    "one column more": rewritten(lambda rows: [[*row, "x"] for row in rows]).encode(),
    "every field quoted": rewritten(lambda rows: rows, quoting=csv.QUOTE_ALL).encode(),
    "no field quoted": SAMPLE.replace('"', "").encode(),
    "saved again by a spreadsheet": rewritten(saved_by_a_spreadsheet, lineterminator="\r\n").encode(),
    "blank lines at the end": SAMPLE.encode() + b"\n\n\n",
    "the AWS CLI's JSON": as_json(SAMPLE).encode(),
    "the AWS CLI's JSON, on one line": json.dumps(json.loads(as_json(SAMPLE))).encode(),
    "the AWS CLI's JSON in UTF-16": as_json(SAMPLE).encode("utf-16"),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("from_file", [True, False], ids=["file", "standard input"])
def test_every_form_gives_the_same_verdicts(
    credwarden: Run, report: Path, tmp_path: Path, form: bytes, from_file: bool
) -> None:
    expected = verdicts(credwarden, report)
    path = tmp_path / "form"
    path.write_bytes(form)
    found = verdicts(credwarden, path) if from_file else verdicts(credwarden, "-", form)
    for finding in found["findings"]:
        finding["evidence"] = {
            name: value.lower() if value in ("TRUE", "FALSE") else value for name, value in finding["evidence"].items()
        }
    if form.replace(b"\0", b"").lstrip(b"\xff\xfe").startswith(b"{"):
        assert found.pop("report_generated_at") == "2026-11-20T05:59:00Z"
        expected.pop("report_generated_at")
        for finding in found["findings"]:
            finding["evidence"].pop("GeneratedTime", None)
            finding["message"] = re.sub(r"credential report of 1 minute ago", "credential report", finding["message"])
    assert found == expected


def test_the_old_format_gives_the_same_verdicts_on_users(credwarden: Run, report: Path, tmp_path: Path) -> None:
    old = SAMPLE.replace("Z,", "+00:00,").replace("Z\n", "+00:00\n")
    rows = old.split("\n")
    root = rows[1].split(",")
    for column in ("password_enabled", "password_last_changed", "password_next_rotation"):
        root[COLUMNS.index(column)] = "not_supported"
    path = tmp_path / "old.csv"
    path.write_text("\n".join([rows[0], ",".join(root), *rows[2:]]))

    def of_users(answer: dict) -> list[tuple]:
        return [
            (one["id"], one["status"], one["message"]) for one in answer["findings"] if one["subject"]["type"] != "root"
        ]

    found = verdicts(credwarden, path)
    assert of_users(found) == of_users(verdicts(credwarden, report))
    (mfa,) = [one for one in found["findings"] if one["check"] == "root-mfa-disabled"]
    # The report does not say whether there is a password, but it has the date of its last use.
    assert mfa["status"] == "FAILED" and "has a password and an active access key" in mfa["message"]


def test_an_account_id_keeps_its_zeros(credwarden: Run, tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    path.write_text(account().report("001234567890"))
    answer = verdicts(credwarden, path)
    assert answer["account_id"] == "001234567890"
    assert all(one["id"].split("/")[2] == "001234567890" for one in answer["findings"])


@pytest.mark.parametrize("quote", ['"{}"', "{}"], ids=["quoted", "unquoted"])
def test_a_comma_in_a_name_is_part_of_it(credwarden: Run, tmp_path: Path, quote: str) -> None:
    name, arn = "ops,eu", f"arn:aws:iam::{ACCOUNT}:user/a,b/ops,eu"
    rest = ROWS[-1].split(",", 2)[2]
    path = tmp_path / "report.csv"
    path.write_text("\n".join([HEADER, ROWS[0], f"{quote.format(name)},{quote.format(arn)},{rest}"]))
    users = {(one["subject"]["user"], one["subject"]["arn"]) for one in verdicts(credwarden, path)["findings"]}
    assert users == {(None, f"arn:aws:iam::{ACCOUNT}:root"), (name, arn), (None, None)}


def test_a_missing_column_makes_its_checks_unknown(credwarden: Run, tmp_path: Path) -> None:
    place = COLUMNS.index("mfa_active")
    path = tmp_path / "report.csv"
    path.write_text(rewritten(lambda rows: [row[:place] + row[place + 1 :] for row in rows]))
    statuses: dict[str, set[str]] = {}
    for one in verdicts(credwarden, path)["findings"]:
        statuses.setdefault(one["check"], set()).add(one["status"])
        if one["status"] == "UNKNOWN" and one["check"] == "console-user-mfa-disabled":
            assert one["message"] == "The credential report has no column mfa_active."
    assert statuses["console-user-mfa-disabled"] == {"UNKNOWN", "NOT_APPLICABLE"}
    assert "UNKNOWN" not in statuses["access-key-not-rotated"]


def test_without_the_root_row_the_users_keep_their_verdicts(credwarden: Run, report: Path, tmp_path: Path) -> None:
    path = tmp_path / "rootless.csv"
    path.write_text("\n".join([HEADER, *ROWS[1:]]))
    answer = verdicts(credwarden, path)
    assert (answer["account_id"], answer["partition"]) == (None, "aws")
    of_root = {one["check"]: one["status"] for one in answer["findings"] if one["subject"]["type"] == "root"}
    assert of_root.pop("credential-report-unreadable") == "FAILED"
    assert set(of_root.values()) == {"UNKNOWN"}
    assert all(one["id"].split("/")[2] == "unknown" for one in answer["findings"])

    def of_users(answer: dict) -> list[tuple]:
        return [
            (one["check"], one["subject"]["user"], one["status"], one["message"])
            for one in answer["findings"]
            if one["subject"]["type"] != "root"
        ]

    assert of_users(answer) == of_users(verdicts(credwarden, report))


def test_only_an_account_summary_judges_root(credwarden: Run, summary: Path) -> None:
    done = credwarden("check", "--account-summary", summary, "--now", NOW, "--format", "json")
    assert (done.status, done.errors) == (1, "")
    answer = json.loads(done.output)
    by_check = {one["check"]: one for one in answer["findings"]}
    assert by_check["root-access-key-present"]["status"] == "FAILED"
    assert by_check["access-key-unused"]["subject"]["type"] == "account"
    assert by_check["access-key-unused"]["message"] == "The credential report was not given."
    assert answer["account_id"] is None


def refused(run: Run, content: bytes, folder: Path, *options: str) -> str:
    """Returns the error for this content, without the file's name; it is the same for a file and for standard input."""
    path = folder / "saved"
    path.write_bytes(content)
    errors = set()
    for name, source, given in (("saved", "saved", b""), ("standard input", "-", content)):
        done = run("check", "--credential-report", source, "--now", NOW, *options, input=given)
        assert (done.status, done.output) == (2, "")
        start = f"credwarden: {name}: "
        assert done.errors.startswith(start) and done.errors.endswith("\n") and done.errors.count("\n") == 1
        errors.add(done.errors.removeprefix(start)[:-1])
    (line,) = errors
    return line


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


SHORT = SAMPLE.replace(ROWS[3], ",".join(ROWS[3].split(",")[:9]))
BAD = {
    "empty": (b"", "the file is empty"),
    "white space": (b" \n\t\r\n", "the file is empty"),
    "prose": (
        b"Dear auditor,\nhere is the report.\n",
        "not a credential report: line 1 is `Dear auditor,`, not a header with `user` and `arn`",
    ),
    "another CSV": (
        b"user,email\nalice,a@example.com\n",
        "not a credential report: line 1 is `user,email`, not a header with `user` and `arn`",
    ),
    "binary": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not a credential report: line 1 is damaged in column 1"),
    "header only": (HEADER.encode(), "the credential report has no rows"),
    "a column twice": (
        SAMPLE.replace("password_last_used", "mfa_active").encode(),
        "not a credential report: line 1 has the column `mfa_active` twice",
    ),
    "a row cut short": (
        SHORT.encode(),
        "line 5 is damaged: it has 9 fields for 22 columns and ends in `access_key_1_active`",
    ),
    "a row too long": (
        SAMPLE.replace(ROWS[3], ROWS[3] + ",x").encode(),
        "line 5 is damaged: it has 23 fields for 22 columns",
    ),
    "a row cut short in quotation marks": (
        SAMPLE.replace(ROWS[3], f'"{",".join(ROWS[3].split(",")[:9])}"').encode(),
        "line 5 is damaged: it has 9 fields for 22 columns",
    ),
    "a user's ARN at root": (
        SAMPLE.replace(f"{ACCOUNT}:root", f"{ACCOUNT}:user/bob").encode(),
        "line 2: the user is `<root_account>`, but the ARN",
    ),
    "not UTF-8": (
        SAMPLE.encode().replace(b"true,2026", b"tr\xffe,2026", 1),
        "line 2 is damaged: what is in `password_enabled` is not UTF-8",
    ),
    "a control character": (
        SAMPLE.replace("true,2026", "tr\x02e,2026", 1).encode(),
        "line 2 is damaged: what is in `password_enabled` cannot be there",
    ),
    "two reports": (
        f"{SAMPLE}\n{SAMPLE}".encode(),
        "not one credential report: line 24 has the user `<root_account>` again",
    ),
    "truncated JSON": (
        as_json(SAMPLE)[:-200].encode(),
        "cannot be read as JSON: EOF while parsing a string at line 2 column ",
    ),
    "two answers": ((as_json(SAMPLE) * 2).encode(), "cannot be read as JSON: trailing characters at line 6 column 1"),
    "another answer": (
        b'{"State": "COMPLETE"}',
        "the file looks like the output of `aws iam generate-credential-report`; save "
        "the output of `aws iam get-credential-report --output json`",
    ),
    "Content of another type": (
        b'{"Content": 7}',
        "cannot be read as JSON: invalid type: integer `7`, expected a string",
    ),
    "broken base64": (
        as_json(SAMPLE).replace("dXNl", "d%Nl").encode(),
        '"Content" is not base64: Invalid symbol 37, offset 1.',
    ),
    "base64 of something else": (
        b'{"Content": "aGVsbG8="}',
        '"Content": not a credential report: line 1 has no column `user`',
    ),
    "base64 of a damaged report": (
        json.dumps({"Content": base64_of(SHORT)}).encode(),
        '"Content": line 5 is damaged: it has 9 fields for 22 columns',
    ),
    "GeneratedTime of nothing": (
        as_json(SAMPLE, "yesterday").encode(),
        'not what `aws iam get-credential-report` prints: "GeneratedTime" is `yesterday`, not a date',
    ),
}


@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD)
def test_a_file_that_is_no_report_is_refused_in_one_line(
    credwarden: Run, tmp_path: Path, content: bytes, message: str
) -> None:
    assert refused(credwarden, content, tmp_path).startswith(message)


def test_two_concatenated_reports_are_refused(credwarden: Run, tmp_path: Path) -> None:
    message = refused(credwarden, (SAMPLE * 2).encode(), tmp_path)
    assert message == "not one credential report: line 23 has the user `<root_account>` again"


def test_a_report_truncated_within_a_row_is_refused(credwarden: Run, tmp_path: Path) -> None:
    """A cut between two rows cannot be detected, nor one in a row's last cell, which no check on users needs."""
    path = tmp_path / "report.csv"
    for cut in random.Random(11).sample(range(1, len(SAMPLE)), 60):
        path.write_text(SAMPLE[:cut])
        done = credwarden(
            "check", "--credential-report", path, "--now", NOW, "--format", "json", "--fail-on", "CRITICAL"
        )
        if done.status == 2:
            assert done.output == "" and done.errors.count("\n") == 1
        else:
            lines = SAMPLE[:cut].split("\n")
            assert lines[-1] == "" or lines[-1].count(",") == len(COLUMNS) - 1, cut


@pytest.mark.parametrize("change", ["removed", "replaced", "doubled"])
def test_damaged_base64_that_still_decodes_is_refused(credwarden: Run, tmp_path: Path, change: str) -> None:
    content = base64.b64encode(SAMPLE.encode()).decode()
    path = tmp_path / "report.json"
    generator = random.Random(5)
    statuses = []
    for place in generator.sample(range(len(content)), 60):
        if change == "removed":
            length = generator.choice([1, 2, 3, 4, 8])
            damaged = content[:place] + content[place + length :]
        elif change == "replaced":
            damaged = content[:place] + generator.choice("AZaz09") + content[place + 1 :]
        else:
            damaged = content[:place] + content[place : place + 4] + content[place:]
        path.write_text(json.dumps({"Content": damaged}))
        done = credwarden(
            "check", "--credential-report", path, "--now", NOW, "--format", "json", "--fail-on", "CRITICAL"
        )
        statuses.append(done.status)
        if done.status == 2:
            assert done.output == "" and done.errors.count("\n") == 1
            # A damaged date can be later than --now.
            assert done.errors.startswith((f'credwarden: {path}: "Content"', "credwarden: --now is "))
    # A changed letter can make another valid name, and a changed digit another valid date; other damage is detected.
    assert statuses.count(2) > len(statuses) * {"removed": 0.8, "replaced": 0.5, "doubled": 0.7}[change]


HUGE = {
    "rows": lambda: (HEADER + "\n" + (ROWS[3] + "\n")).encode(),
    "one line": lambda: b"user,arn," + b"x" * 1024,
    "JSON": lambda: b'{"Content": "' + b"QUFB" * 256,
}


@pytest.mark.parametrize("start", HUGE.values(), ids=HUGE)
@pytest.mark.parametrize("from_file", [True, False], ids=["file", "standard input"])
def test_a_huge_file_is_refused_in_little_memory(
    binary: Path, tmp_path: Path, start: Callable[[], bytes], from_file: bool
) -> None:
    path = tmp_path / "huge"
    block = start()
    with path.open("wb") as file:
        file.write(block)
        filler = (b"A" * 1023 + b"\n") if b"\n" in block else b"A" * 1024
        while file.tell() < 100 * 1024 * 1024:
            file.write(filler * 1024)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    with path.open("rb") as file:
        done = subprocess.run(
            [binary, "check", "--credential-report", path if from_file else "-"],
            stdin=file,
            check=False,
            capture_output=True,
            preexec_fn=limit,
            timeout=120,
        )
    path.unlink()
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"larger than 32 MiB" in done.stderr and done.stderr.count(b"\n") == 1


SUMMARIES = {
    "not JSON": ("AccountMFAEnabled: 1", "cannot be read as JSON: "),
    "a list": ("[]", "cannot be read as JSON: "),
    "without SummaryMap": (
        '{"AccountMFAEnabled": 1}',
        'not what `aws iam get-account-summary` prints: it has no "SummaryMap"',
    ),
    "a word for a number": (
        '{"SummaryMap": {"AccountMFAEnabled": "1"}}',
        'not what `aws iam get-account-summary` prints: `AccountMFAEnabled` is "1", not a whole number of 0 or more',
    ),
    "too large a number": (
        '{"SummaryMap": {"Users": 5000000000}}',
        "not what `aws iam get-account-summary` prints: `Users` is",
    ),
    "empty": ("", "the file is empty"),
}


@pytest.mark.parametrize(("content", "message"), SUMMARIES.values(), ids=SUMMARIES)
def test_a_file_that_is_no_account_summary_is_refused(
    credwarden: Run, report: Path, tmp_path: Path, content: str, message: str
) -> None:
    path = tmp_path / "summary.json"
    path.write_text(content)
    done = credwarden("check", "--credential-report", report, "--account-summary", path, "--output", "out.json")
    assert (done.status, done.output) == (2, "")
    assert done.errors.startswith(f"credwarden: {path}: {message}") and done.errors.count("\n") == 1
    assert not (tmp_path / "out.json").exists()


def test_a_path_that_is_no_file_is_refused(credwarden: Run, tmp_path: Path) -> None:
    for path, message in ((tmp_path, "Is a directory"), (tmp_path / "no\nwhere", "No such file or directory")):
        done = credwarden("check", "--credential-report", path)
        assert (done.status, done.output) == (2, "")
        assert message in done.errors and done.errors.count("\n") == 1


def test_standard_input_can_be_only_one_file(credwarden: Run) -> None:
    done = credwarden("check", "--credential-report", "-", "--account-summary", "-", input=SAMPLE.encode())
    assert (done.status, done.output) == (2, "")
    assert done.errors == "credwarden: standard input: standard input can be only one of the files\n"


def test_a_report_with_fewer_users_than_the_account_is_noted(
    credwarden: Run, report: Path, summary: Path, tmp_path: Path
) -> None:
    shorter = tmp_path / "shorter.csv"
    shorter.write_text("".join(report.read_text().splitlines(keepends=True)[:-1]), newline="")
    whole = credwarden("check", "--credential-report", report, "--account-summary", summary, "--now", NOW)
    assert "and the account" not in whole.errors
    done = credwarden("check", "--credential-report", shorter, "--account-summary", summary, "--now", NOW)
    users = len(shorter.read_text().splitlines()) - 2
    assert done.errors == f"credwarden: the credential report has {users} users, and the account {users + 1}\n"
