"""A pseudonymised report is evaluated by its user names, with a note; possible damage is refused."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from emulator.launcher import ACCOUNT
from saved import NOW, Ended, account, as_json

Run = Callable[..., Ended]
ROWS = list(csv.reader(io.StringIO(account().report(ACCOUNT))))
COLUMNS = ROWS[0]
ROOT = f"arn:aws:iam::{ACCOUNT}:root"


def written(rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def with_names(names: dict[str, str]) -> list[list[str]]:
    return [[names.get(row[0], row[0]), *row[1:]] for row in ROWS]


def at(rows: list[list[str]], line: int, column: str, cell: str) -> list[list[str]]:
    changed = [list(row) for row in rows]
    changed[line - 1][COLUMNS.index(column)] = cell
    return changed


def checked(run: Run, folder: Path, text: str, *options: str) -> Ended:
    (folder / "saved.csv").write_text(text)
    return run("check", "--credential-report", "saved.csv", "--now", NOW, *(options or ("--format", "json")))


def refusal(done: Ended) -> str:
    assert (done.status, done.output) == (2, "")
    assert done.errors.startswith("credwarden: saved.csv: ") and done.errors.count("\n") == 1
    return done.errors.removeprefix("credwarden: saved.csv: ").rstrip("\n")


PSEUDONYMS = with_names({"alice": "user-1", "bob": "user-2", "carol": "user-3", "etl": "user-4"})
NOTE = (
    "saved.csv: lines 3, 5, 6 and 10: `user` and `arn` name different users; each row is judged under its `user`, "
    "without an ARN"
)


@pytest.mark.parametrize("text", [written(PSEUDONYMS), as_json(written(PSEUDONYMS))], ids=["CSV", "JSON"])
def test_a_pseudonymised_row_is_the_users_without_an_arn(credwarden: Run, tmp_path: Path, text: str) -> None:
    done = checked(credwarden, tmp_path, text)
    assert (done.status, done.errors) == (1, f"credwarden: {NOTE}\n")
    of_etl = [one for one in json.loads(done.output)["findings"] if one["subject"]["user"] == "user-4"]
    assert {one["subject"]["arn"] for one in of_etl} == {None}
    assert {one["subject"]["type"] for one in of_etl} == {"user", "access_key"}
    assert not any("etl" in json.dumps(one) for one in of_etl)
    assert all(one["id"].split("/")[2:5] == [ACCOUNT, "user", "user-4"] for one in of_etl)
    (own,) = {
        one["subject"]["arn"] for one in json.loads(done.output)["findings"] if one["subject"]["user"] == "backup"
    }
    assert own == f"arn:aws:iam::{ACCOUNT}:user/backup"


def test_the_verdicts_are_those_of_the_served_report(credwarden: Run, tmp_path: Path) -> None:
    def verdicts(text: str) -> list[tuple]:
        return [
            (one["check"], one["status"], one["subject"]["slot"], one["evidence"])
            for one in json.loads(checked(credwarden, tmp_path, text).output)["findings"]
        ]

    assert verdicts(written(PSEUDONYMS)) == verdicts(written(ROWS))


def test_asff_has_no_made_up_arn(credwarden: Run, tmp_path: Path) -> None:
    done = checked(credwarden, tmp_path, written(PSEUDONYMS), "--format", "asff", "--region", "eu-central-1")
    of_etl = [one for one in json.loads(done.output) if "/user/user-4" in one["Id"]]
    ids = {resource["Id"] for one in of_etl for resource in one["Resources"]}
    assert "AWS::IAM::User:user-4" in ids and all(one.startswith("AWS::IAM::User:user-4") for one in ids)
    assert not any("credwarden/arn" in one["ProductFields"] for one in of_etl)


@pytest.mark.parametrize("format", ["table", "csv", "html"])
def test_every_format_shows_only_the_pseudonym(credwarden: Run, tmp_path: Path, format: str) -> None:
    done = checked(credwarden, tmp_path, written(PSEUDONYMS), "--format", format)
    assert done.status == 1 and "user-4" in done.output and "user/etl" not in done.output


def test_the_note_names_the_lines_and_is_short(credwarden: Run, tmp_path: Path) -> None:
    names = {row[0]: f"p{place}" for place, row in enumerate(ROWS) if place > 1}
    done = checked(credwarden, tmp_path, written(with_names(names)))
    assert done.errors.startswith("credwarden: saved.csv: lines 3 to 22: `user` and `arn` name different users; ")
    every_other = [
        ROWS[0],
        *(
            row
            for number in range(4000)
            for row in (
                [f"u{number}", f"arn:aws:iam::{ACCOUNT}:user/u{number}", *ROWS[2][2:]],
                [f"p{number}", f"arn:aws:iam::{ACCOUNT}:user/q{number}", *ROWS[2][2:]],
            )
        ),
    ]
    done = checked(credwarden, tmp_path, written(every_other))
    assert done.errors.startswith(
        "credwarden: saved.csv: lines 3, 5, 7, 9, 11, 13, 15, 17 and 3,992 more: `user` and `arn` name"
    )
    assert done.errors.count("\n") == 1


OTHERS = f"arn:aws:iam::{ACCOUNT}:user/bob"
WRONG = {
    "a cell that cannot be there": (
        at(PSEUDONYMS, 5, "mfa_active", "perhaps"),
        f"line 5: the user is `user-2`, the ARN `{OTHERS}` is another user's, and what is in "
        "`mfa_active` cannot be there",
    ),
    "not a date": (
        at(PSEUDONYMS, 5, "password_next_rotation", "soon"),
        f"line 5: the user is `user-2`, the ARN `{OTHERS}` is another user's, and what is in "
        "`password_next_rotation` cannot be there",
    ),
    "not a region": (
        at(PSEUDONYMS, 5, "access_key_1_last_used_region", "true"),
        f"line 5: the user is `user-2`, the ARN `{OTHERS}` is another user's, and what is in "
        "`access_key_1_last_used_region` cannot be there",
    ),
    "ARNs of two accounts": (
        [
            row
            for row in at(PSEUDONYMS, 7, "arn", "arn:aws:iam::999988887777:user/ci-deploy")
            if row[0] != "<root_account>"
        ],
        f"line 2: the user is `user-1`, the ARN `arn:aws:iam::{ACCOUNT}:user/alice` is another user's, "
        "and the ARN in line 6, `arn:aws:iam::999988887777:user/ci-deploy`, is of another account",
    ),
    "root's ARN at a user": (
        at(ROWS, 5, "arn", ROOT),
        f"line 5: the user is `bob`, but the ARN `{ROOT}` is the root user's",
    ),
    "a user's ARN at root": (
        at(ROWS, 2, "arn", OTHERS),
        f"line 2: the user is `<root_account>`, but the ARN `{OTHERS}` is not the root user's",
    ),
    "root under a pseudonym": (
        with_names({"<root_account>": "user-0"}),
        f"line 2: the user is `user-0`, but the ARN `{ROOT}` is the root user's",
    ),
    "another account than root's": (
        at(ROWS, 5, "arn", "arn:aws:iam::999988887777:user/bob"),
        f"line 5: the ARN `arn:aws:iam::999988887777:user/bob` is of another account than the root user's, `{ROOT}`",
    ),
    "another account than the first row's, without root": (
        [row for row in at(ROWS, 5, "arn", "arn:aws:iam::999988887777:user/bob") if row[0] != "<root_account>"],
        "line 4: the ARN `arn:aws:iam::999988887777:user/bob` is of another account than that in line 2, "
        f"`arn:aws:iam::{ACCOUNT}:user/alice`",
    ),
    "a slash in a name": (
        at(at(ROWS, 5, "user", "teams/bob"), 5, "arn", ""),
        "line 5: the user name `teams/bob` contains a `/`, which IAM does not allow",
    ),
}


@pytest.mark.parametrize(("rows", "message"), WRONG.values(), ids=WRONG)
def test_possible_damage_is_refused(credwarden: Run, tmp_path: Path, rows: list[list[str]], message: str) -> None:
    assert refusal(checked(credwarden, tmp_path, written(rows))) == message
    assert refusal(checked(credwarden, tmp_path, as_json(written(rows)))) == f'"Content": {message}'


@pytest.mark.parametrize("name", ["Mitarbeiter 17", "žofie", "p" * 65, "a;b"])
def test_a_name_that_iam_does_not_allow_is_judged_with_a_note(credwarden: Run, tmp_path: Path, name: str) -> None:
    rows = at(at(ROWS, 5, "user", name), 5, "arn", f"arn:aws:iam::{ACCOUNT}:user/{name}")
    for text in (written(rows), as_json(written(rows))):
        done = checked(credwarden, tmp_path, text)
        assert (
            done.errors
            == "credwarden: saved.csv: line 5: IAM does not allow such a user name; each row is judged all the same\n"
        )
        by_user = [one for one in json.loads(done.output)["findings"] if one["subject"]["user"] == name]
        assert by_user and "UNKNOWN" not in {one["status"] for one in by_user}
