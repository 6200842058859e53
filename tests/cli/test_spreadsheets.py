"""A report that a spreadsheet or PowerShell saved again gives the verdicts of the report that IAM served."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Callable

import pytest

from emulator.launcher import ACCOUNT
from saved import NOW, Ended, account

Run = Callable[..., Ended]
Rows = list[list[str]]
SAMPLE = account().report(ACCOUNT)
ROWS = list(csv.reader(io.StringIO(SAMPLE)))
COLUMNS = ROWS[0]


def written(rows: Rows, **format: object) -> str:
    text = io.StringIO()
    csv.writer(text, **{"lineterminator": "\n", **format}).writerows(rows)
    return text.getvalue()


def quoted_lines(separator: str) -> str:
    """Each line as one cell, as a spreadsheet saves lines that it did not split."""
    return "".join(f'"{line}"{separator}{separator}\n' for line in written(ROWS).replace('"', '""').splitlines())


def at(rows: Rows, line: int, column: str, cell: str) -> Rows:
    """The rows with one cell changed."""
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
    "empty rows between semicolons": written([ROWS[0], *[row for one in ROWS[1:] for row in ([""] * 22, one)]],
                                             delimiter=";"),
    "blank lines before the header": "\n  \n\r\n" + SAMPLE,
    "Export-Csv": "#TYPE System.Management.Automation.PSCustomObject\r\n"
                  + written(ROWS, quoting=csv.QUOTE_ALL, lineterminator="\r\n"),
    "a line that names the separator": "sep=;\r\n" + written(ROWS, delimiter=";", lineterminator="\r\n"),
    "a quoted line that names the separator": '"sep=,"\r\n\r\n' + SAMPLE,
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_every_form_gives_the_verdicts_of_the_served_report(credwarden: Run, tmp_path: Path, text: str, encoding: str) -> None:
    expected = checked(credwarden, tmp_path, SAMPLE)
    assert checked(credwarden, tmp_path, text, encoding) == expected


def test_user_and_arn_are_trimmed(credwarden: Run, tmp_path: Path) -> None:
    rows = [[f" {row[0]} ", f"  {row[1]} ", *row[2:]] for row in ROWS]
    assert checked(credwarden, tmp_path, written(rows)) == checked(credwarden, tmp_path, SAMPLE)


def test_line_numbers_are_those_of_the_file(credwarden: Run, tmp_path: Path) -> None:
    rows = written(ROWS[1:3], delimiter=";")
    text = "sep=;\n\n" + written(ROWS[:1], delimiter=";") + ";;;\n" + rows + "bob;short\n"
    told = refusal(checked(credwarden, tmp_path, text))
    assert told == "line 7 is damaged: it has 2 fields for 22 columns and ends in `arn`"
    told = refusal(checked(credwarden, tmp_path, "\n#TYPE x\nDear auditor\n"))
    assert told == "not a credential report: line 3 is `Dear auditor`, not a header with `user` and `arn`"


def test_another_first_line_is_quoted_escaped_and_cut(credwarden: Run, tmp_path: Path) -> None:
    told = refusal(checked(credwarden, tmp_path, "a\u202eb" + "c" * 90 + "\n"))
    assert told == f"not a credential report: line 1 is `a\\u{{202e}}b{'c' * 53}…`, not a header with `user` and `arn`"


def test_a_word_of_another_language_is_that_cells_unknown(credwarden: Run, tmp_path: Path) -> None:
    rows = at(ROWS, 3, "mfa_active", "WAHR")
    (mfa,) = [one for one in findings(checked(credwarden, tmp_path, written(rows)))
              if one["check"] == "console-user-mfa-disabled" and one["subject"]["user"] == "alice"]
    assert mfa["status"] == "UNKNOWN"
