"""A report that was saved by a spreadsheet or PowerShell gives the same verdicts as the original."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from emulator.launcher import ACCOUNT
from saved import NOW, Ended, account, as_json

Run = Callable[..., Ended]
Rows = list[list[str]]
SAMPLE = account().report(ACCOUNT)
ROWS = list(csv.reader(io.StringIO(SAMPLE)))
COLUMNS = ROWS[0]
DATES = [
    place
    for place, name in enumerate(COLUMNS)
    if name.endswith(("_time", "_date", "_used", "_changed", "_rotated", "_rotation"))
]
ADVICE = "; save the output of `aws iam get-credential-report --output json` as it is"


def written(rows: Rows, **format: object) -> str:
    text = io.StringIO()
    csv.writer(text, **{"lineterminator": "\n", **format}).writerows(rows)
    return text.getvalue()


def quoted_lines(separator: str) -> str:
    """Returns each line as one cell, as a spreadsheet saves lines that it did not split."""
    return "".join(f'"{line}"{separator}{separator}\n' for line in written(ROWS).replace('"', '""').splitlines())


def dated(form: str) -> Rows:
    """Returns the sample with its dates in that format of `strftime`."""

    def local(cell: str) -> str:
        return datetime.fromisoformat(cell.replace("Z", "+00:00")).strftime(form) if cell[:2] == "20" else cell

    return [[local(cell) if place in DATES else cell for place, cell in enumerate(row)] for row in ROWS]


def at(rows: Rows, line: int, column: str, cell: str) -> Rows:
    """Returns the rows with one cell changed."""
    changed = [list(row) for row in rows]
    changed[line - 1][COLUMNS.index(column)] = cell
    return changed


def checked(run: Run, folder: Path, text: str, encoding: str = "utf-8", now: str = NOW) -> Ended:
    (folder / "saved.csv").write_bytes(text.encode(encoding))
    return run("check", "--credential-report", "saved.csv", "--now", now, "--format", "json")


def findings(done: Ended) -> list[dict]:
    assert done.status == 1, done.errors
    return json.loads(done.output)["findings"]


def refusal(done: Ended) -> str:
    assert (done.status, done.output) == (2, "")
    assert done.errors.startswith("credwarden: saved.csv: ") and done.errors.count("\n") == 1
    return done.errors.removeprefix("credwarden: saved.csv: ").rstrip("\n")


FORMS = {
    "semicolons": written(ROWS, delimiter=";"),
    "semicolons, every field quoted": written(ROWS, delimiter=";", quoting=csv.QUOTE_ALL),
    "semicolons, empty columns at the end": written([[*row, "", ""] for row in ROWS], delimiter=";"),
    "tabs": written(ROWS, delimiter="\t"),
    "lines quoted as one cell": quoted_lines(","),
    "lines quoted as one cell of a file with semicolons": quoted_lines(";"),
    "lines in one column of a file with semicolons": written([[line] for line in SAMPLE.split("\n")], delimiter=";"),
    "spaces around every cell": written([[f" {cell}  " for cell in row] for row in ROWS], delimiter=";"),
    "empty rows": written([[""] * 22, *ROWS[:4], [""] * 22, *ROWS[4:], [" "] * 22], lineterminator="\r\n"),
    "empty rows between semicolons": written(
        [ROWS[0], *[row for one in ROWS[1:] for row in ([""] * 22, one)]], delimiter=";"
    ),
    "blank lines before the header": "\n  \n\r\n" + SAMPLE,
    "Export-Csv": "#TYPE System.Management.Automation.PSCustomObject\r\n"
    + written(ROWS, quoting=csv.QUOTE_ALL, lineterminator="\r\n"),
    "a line that names the separator": "sep=;\r\n" + written(ROWS, delimiter=";", lineterminator="\r\n"),
    "a quoted line that names the separator": '"sep=,"\r\n\r\n' + SAMPLE,
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_every_form_gives_the_verdicts_of_the_served_report(
    credwarden: Run, tmp_path: Path, text: str, encoding: str
) -> None:
    expected = checked(credwarden, tmp_path, SAMPLE)
    assert checked(credwarden, tmp_path, text, encoding) == expected


@pytest.mark.parametrize(
    ("true", "false"),
    [
        ("TRUE", "FALSE"),
        ("WAHR", "FALSCH"),
        ("VRAI", "FAUX"),
        ("VERDADERO", "FALSO"),
        ("WAAR", "ONWAAR"),
        ("SANT", "FALSKT"),
    ],
)
def test_truth_values_in_the_language_of_the_spreadsheet(
    credwarden: Run, tmp_path: Path, true: str, false: str
) -> None:
    words = {"true": true, "false": false}
    text = written([[words.get(cell, cell) for cell in row] for row in ROWS], delimiter=";")

    def judged(done: Ended) -> list[tuple[str, str]]:
        return [(one["id"], one["status"]) for one in findings(done)]

    assert judged(checked(credwarden, tmp_path, text)) == judged(checked(credwarden, tmp_path, SAMPLE))


def test_user_and_arn_are_trimmed(credwarden: Run, tmp_path: Path) -> None:
    rows = [[f" {row[0]} ", f"  {row[1]} ", *row[2:]] for row in ROWS]
    assert checked(credwarden, tmp_path, written(rows)) == checked(credwarden, tmp_path, SAMPLE)


def test_line_numbers_are_those_of_the_file(credwarden: Run, tmp_path: Path) -> None:
    rows = written(ROWS[1:3], delimiter=";")
    text = "sep=;\n\n" + written(ROWS[:1], delimiter=";") + ";;;\n" + rows + "bob;short\n"
    message = refusal(checked(credwarden, tmp_path, text))
    assert message == "line 7 is damaged: it has 2 fields for 22 columns and ends in `arn`"
    message = refusal(checked(credwarden, tmp_path, "\n#TYPE x\nDear auditor\n"))
    assert message == "not a credential report: line 3 is `Dear auditor`, not a header with `user` and `arn`"


def test_another_first_line_is_quoted_escaped_and_cut(credwarden: Run, tmp_path: Path) -> None:
    message = refusal(checked(credwarden, tmp_path, "a\u202eb" + "c" * 90 + "\n"))
    assert (
        message == f"not a credential report: line 1 is `a\\u{{202e}}b{'c' * 53}…`, not a header with `user` and `arn`"
    )


SECONDS = [
    ("D.M.Y", "%d.%m.%Y %H:%M:%S"),
    ("D/M/Y", "%d/%m/%Y %H:%M:%S"),
    ("M/D/Y", "%m/%d/%Y %I:%M:%S %p"),
    ("D-M-Y", "%d-%m-%Y %H:%M:%S"),
    ("Y-M-D", "%Y-%m-%d %H:%M:%S"),
    ("Y/M/D", "%Y/%m/%d %H:%M:%S"),
    ("M/D/Y", "%-m/%-d/%Y, %-I:%M:%S %p"),
    ("Y-M-D", "%Y-%m-%dT%H:%M:%S"),
]


@pytest.mark.parametrize(("name", "form"), SECONDS)
def test_local_dates_give_the_verdicts_of_the_served_report(
    credwarden: Run, tmp_path: Path, name: str, form: str
) -> None:
    rows = dated(form)
    served = findings(checked(credwarden, tmp_path, SAMPLE))
    done = checked(credwarden, tmp_path, written(rows, delimiter=";"))
    cells = {(row[0], column): cell for row in rows for column, cell in zip(COLUMNS, row)}
    for local, one in zip(findings(done), served, strict=True):
        for column, value in local["evidence"].items():
            assert value == cells[local["subject"]["user"] or "<root_account>", column], (
                "the evidence is the file's cell"
            )
        assert {**local, "evidence": None} == {**one, "evidence": None}
    assert done.errors == (
        f"credwarden: saved.csv: the dates have a spreadsheet's local form, as `{rows[1][2]}` has; they are "
        f"read as {name} in UTC\n"
    )


@pytest.mark.parametrize("form", ["%d.%m.%Y %H:%M", "%m/%d/%Y %I:%M %p", "%-m/%-d/%Y %-H:%M"])
def test_lost_seconds_change_no_verdict(credwarden: Run, tmp_path: Path, form: str) -> None:
    late = [[cell.replace("06:00:00Z", "05:59:42Z") for cell in row] for row in ROWS]
    kept = [
        (one["check"], one["subject"]["user"], one["subject"]["slot"], one["status"])
        for one in findings(checked(credwarden, tmp_path, written(late)))
    ]
    lost = findings(checked(credwarden, tmp_path, written(dated(form)).replace("06:00", "05:59")))
    assert [(one["check"], one["subject"]["user"], one["subject"]["slot"], one["status"]) for one in lost] == kept
    assert len({one["id"] for one in lost}) == len(lost)


def test_dates_without_a_time_are_midnight_with_a_note(credwarden: Run, tmp_path: Path) -> None:
    midnight = written(
        [
            [cell[:11] + "00:00:00Z" if place in DATES and cell[:2] == "20" else cell for place, cell in enumerate(row)]
            for row in ROWS
        ]
    )
    served = findings(checked(credwarden, tmp_path, midnight))
    done = checked(credwarden, tmp_path, written(dated("%d.%m.%Y")))
    assert [(one["id"], one["status"], one["message"]) for one in findings(done)] == [
        (one["id"], one["status"], one["message"]) for one in served
    ]
    assert done.errors == (
        "credwarden: saved.csv: the dates have a spreadsheet's local form, as `03.08.2020` has; they are read "
        "as D.M.Y in UTC, and as midnight where there is no time of day\n"
    )


def test_ambiguous_local_dates_are_refused(credwarden: Run, tmp_path: Path) -> None:
    text = "user,arn,user_creation_time,password_last_used\nalice,,N/A,05/06/2026 10:00\nbob,,07/08/2025 00:00,no_information\n"
    assert refusal(checked(credwarden, tmp_path, text)) == (
        "line 2: `05/06/2026 10:00` in `password_last_used` is a local date, and no date of the report tells the day from the "
        "month" + ADVICE
    )


ODD = {
    "two separators": ("20.06.2021 05:16", "21/06/2021 05:16", "has another form than `20.06.2021 05:16` in"),
    "day and month swapped": (
        "20/06/2021 05:16",
        "06/21/2021 05:16",
        "has the month first, and `20/06/2021 05:16` in `user_creation_time` of line 2 the day",
    ),
    "a month of 13 with dots": ("20.06.2021 05:16", "06.21.2021 05:16", "has the month first, and"),
    "12 and 24 hours": ("6/20/2021 5:16 PM", "6/21/2021 17:16", "has no AM or PM, unlike `6/20/2021 5:16 PM` in"),
    "no day of the calendar": ("20.06.2021 05:16", "31.02.2021 05:16", "is not a calendar date"),
    "a year of two digits": ("20.06.2021 05:16", "20.06.21 05:16", "has a year of two digits"),
}


@pytest.mark.parametrize(("one", "other", "message"), ODD.values(), ids=ODD)
def test_local_dates_that_contradict_each_other_are_refused(
    credwarden: Run, tmp_path: Path, one: str, other: str, message: str
) -> None:
    text = f"user;arn;user_creation_time;password_last_used\nalice;;{one};N/A\nbob;;{one};{other}\n"
    line = refusal(checked(credwarden, tmp_path, text))
    assert line.startswith(f"line 3: `{other}` in `password_last_used` {message}") and line.endswith(ADVICE)


def test_a_local_date_among_iam_dates_makes_that_cell_unknown(credwarden: Run, tmp_path: Path) -> None:
    rows = at(ROWS, 4, "access_key_1_last_rotated", "16.11.2023 06:00")
    done = checked(credwarden, tmp_path, written(rows))
    unknown = {
        (one["check"], one["subject"]["user"]): one["message"] for one in findings(done) if one["status"] == "UNKNOWN"
    }
    assert (
        unknown["access-key-not-rotated", "backup"]
        == "access_key_1_last_rotated is `16.11.2023 06:00` in the credential report, not a date."
    )
    assert done.errors == "" and all(user in ("backup", None) for _, user in unknown)


def test_a_word_among_local_dates_makes_that_cell_unknown(credwarden: Run, tmp_path: Path) -> None:
    rows = at(dated("%d.%m.%Y %H:%M"), 4, "access_key_1_last_rotated", "a while ago")
    unknown = [one for one in findings(checked(credwarden, tmp_path, written(rows))) if one["status"] == "UNKNOWN"]
    assert {one["subject"]["user"] for one in unknown} == {"backup", None}


def test_local_dates_in_a_served_report_are_damage(credwarden: Run, tmp_path: Path) -> None:
    message = refusal(checked(credwarden, tmp_path, as_json(written(dated("%d.%m.%Y %H:%M")))))
    assert message == '"Content": line 2 is damaged: what is in `user_creation_time` cannot be there'


def test_an_invalid_truth_value_makes_that_cell_unknown(credwarden: Run, tmp_path: Path) -> None:
    rows = at(ROWS, 3, "mfa_active", "YES")
    (mfa,) = [
        one
        for one in findings(checked(credwarden, tmp_path, written(rows)))
        if one["check"] == "console-user-mfa-disabled" and one["subject"]["user"] == "alice"
    ]
    assert mfa["status"] == "UNKNOWN"
