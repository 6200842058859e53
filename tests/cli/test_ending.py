"""The result of a run: its exit status, its notes and its output file."""

from __future__ import annotations

import csv
import io
import json
import os
import socket
import stat
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emulator.launcher import ACCOUNT
from saved import NOW, SEVERITIES, Ended, account, as_json

Run = Callable[..., Ended]
FORMATS = ["table", "json", "csv", "asff", "html"]


def changed(cells: dict[tuple[str, str], str], name: str = "clean") -> str:
    """Returns the account's report with some cells changed, by user and column."""
    rows = list(csv.reader(io.StringIO(account(name).report(ACCOUNT))))
    for (user, column), cell in cells.items():
        (row,) = [row for row in rows if row[0] == user]
        row[rows[0].index(column)] = cell
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


NO_MFA = {
    ("newcomer", "password_enabled"): "true",
    ("newcomer", "password_last_changed"): "2026-11-18T06:00:00Z",
}  # HIGH
CERTIFICATE = {("ci-deploy", "cert_1_active"): "true"}  # LOW
PASSWORD = {**NO_MFA, ("newcomer", "mfa_active"): "true"}  # INFORMATIONAL
UNREADABLE = {("ci-deploy", "access_key_1_last_used_date"): "a while ago"}

ENDINGS = [
    ("nothing fails", {}, [], 0),
    ("HIGH fails", NO_MFA, [], 1),
    ("HIGH fails with --fail-on HIGH", NO_MFA, ["--fail-on", "HIGH"], 1),
    ("HIGH fails with --fail-on CRITICAL", NO_MFA, ["--fail-on", "CRITICAL"], 0),
    ("HIGH fails with --fail-on never", NO_MFA, ["--fail-on", "never"], 0),
    ("LOW fails", CERTIFICATE, [], 1),
    ("LOW fails with --fail-on medium", CERTIFICATE, ["--fail-on", "medium"], 0),
    ("INFORMATIONAL fails", PASSWORD, [], 0),
    ("INFORMATIONAL fails with --fail-on INFORMATIONAL", PASSWORD, ["--fail-on", "INFORMATIONAL"], 1),
    ("the failing check is disabled", CERTIFICATE, ["--disable", "user-signing-certificate-active"], 0),
    ("the failed finding is not shown", CERTIFICATE, ["--status", "PASSED"], 1),
    ("an unreadable cell", UNREADABLE, [], 3),
    ("an unreadable cell with --fail-on CRITICAL", UNREADABLE, ["--fail-on", "CRITICAL"], 3),
    ("an unreadable cell with --fail-on never", UNREADABLE, ["--fail-on", "never"], 0),
    ("an unreadable cell, and LOW fails", {**UNREADABLE, **CERTIFICATE}, [], 1),
    (
        "an unreadable cell, and LOW fails with --fail-on HIGH",
        {**UNREADABLE, **CERTIFICATE},
        ["--fail-on", "HIGH"],
        3,
    ),
    (
        "the checks on the unreadable cell are disabled",
        UNREADABLE,
        ["--disable", "access-key-unused,access-key-never-used"],
        0,
    ),
    ("an unreadable cell of root", {("<root_account>", "access_key_2_active"): "perhaps"}, [], 3),
]


@pytest.mark.parametrize(
    ("cells", "options", "status"), [ending[1:] for ending in ENDINGS], ids=[one[0] for one in ENDINGS]
)
@pytest.mark.parametrize("format", ["json", "table"])
def test_the_exit_status_shows_the_outcome(
    credwarden: Run, tmp_path: Path, cells: dict, options: list[str], status: int, format: str
) -> None:
    path = tmp_path / "report.csv"
    path.write_text(changed(cells))
    done = credwarden("check", "--credential-report", path, "--now", NOW, "--format", format, *options)
    assert (done.status, done.errors) == (status, "")
    assert done.output


def test_a_source_that_is_not_given_does_not_fail_the_run(credwarden: Run, tmp_path: Path) -> None:
    report, summary = tmp_path / "report.csv", tmp_path / "summary.json"
    report.write_text(changed({}))
    summary.write_text(json.dumps({"SummaryMap": account("clean").summary_map(ACCOUNT)}))
    for options in (
        ["--credential-report", report],
        ["--account-summary", summary],
        ["--credential-report", report, "--account-summary", summary],
    ):
        done = credwarden("check", *options, "--now", NOW, "--format", "json")
        assert (done.status, done.errors) == (0, "")
        assert json.loads(done.output)["counts"]["UNKNOWN"] > 0
    summary.write_text('{"SummaryMap": {"Users": 2}}')
    assert credwarden("check", "--account-summary", summary).status == 3, "a given summary lacks its entries"


def test_limits_are_inclusive_to_the_second(credwarden: Run, tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    for created, status in (("2026-11-13T06:00:00Z", 0), ("2026-11-13T05:59:59Z", 1)):
        path.write_text(changed({("ci-deploy", "access_key_1_last_rotated"): created}))
        done = credwarden("check", "--credential-report", path, "--now", NOW, "--access-key-max-age-days", "7")
        assert done.status == status
    path.write_text(changed({("ci-deploy", "access_key_1_last_rotated"): "2026-11-20T06:05:00Z"}))
    assert credwarden("check", "--credential-report", path, "--now", NOW).status == 0, (
        "a date up to five minutes ahead has age 0"
    )


def test_a_report_with_generated_time_is_evaluated_as_of_that_time(credwarden: Run, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(as_json(changed({}), "2026-11-20T05:59:00+00:00"))
    done = credwarden("check", "--credential-report", path, "--format", "json")
    assert (done.status, done.errors) == (0, "")
    assert (
        json.loads(done.output)["evaluated_at"]
        == json.loads(done.output)["report_generated_at"]
        == "2026-11-20T05:59:00Z"
    )
    later = credwarden("check", "--credential-report", path, "--format", "json", "--now", "2027-11-20T05:59:00+02:00")
    assert json.loads(later.output)["evaluated_at"] == "2027-11-20T03:59:00Z" and later.status == 1


def test_an_old_report_without_generated_time_is_noted(credwarden: Run, tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    path.write_text(changed({}).replace("2026-", "2020-"))
    done = credwarden("check", "--credential-report", path, "--format", "json")
    assert done.errors.startswith("credwarden: the newest date in the credential report is 2025-09-26 06:00 UTC, ")
    assert done.errors.endswith(" ago; if the file is as old, say --now\n") and json.loads(done.output)
    assert credwarden("check", "--credential-report", path, "--now", NOW).errors == ""


WRONG = {
    "no command": ([], "requires a subcommand"),
    "an unknown command": (["scan"], "unrecognized subcommand 'scan'"),
    "an unknown option": (["check", "--report", "x.csv"], "unexpected argument '--report'"),
    "an unknown check": (["check", "--disable", "root-mfa"], "a similar value exists: 'root-mfa-disabled'"),
    "an unknown check to explain": (["explain", "iam-9"], "invalid value 'iam-9'"),
    "an unknown severity": (
        ["check", "--fail-on", "SEVERE"],
        "[possible values: CRITICAL, HIGH, MEDIUM, LOW, INFORMATIONAL, never]",
    ),
    "a day without time": (["check", "--now", "2026-11-20"], "such as 2026-11-20T06:00:00Z"),
    "a time after the year 9999": (["check", "--now", "9999-12-31T23:59:59-18:00"], "such as 2026-11-20T06:00:00Z"),
    "a time before the year 0": (["check", "--now", "0000-01-01T00:00:00+18:00"], "such as 2026-11-20T06:00:00Z"),
    "no days": (["check", "--access-key-max-age-days", "0"], "0 is not in 1..=65535"),
    "half days": (["check", "--credential-unused-days", "7.5"], "invalid value '7.5'"),
    "a profile of a file": (["check", "--credential-report", "r.csv", "--profile", "audit"], "cannot be used with"),
    "no region": (["check", "--region", "eu central"], "a region such as eu-central-1"),
}


@pytest.mark.parametrize(("arguments", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_command_line_is_refused_in_one_line(credwarden: Run, arguments: list[str], message: str) -> None:
    done = credwarden(*arguments)
    assert (done.status, done.output) == (2, "")
    assert done.errors.startswith("credwarden: ") and message in done.errors
    assert done.errors.count("\n") == 1 and done.errors.endswith("\n")


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_has_the_content_of_standard_output(credwarden: Run, report: Path, tmp_path: Path, format: str) -> None:
    options = ["check", "--credential-report", report, "--now", NOW, "--format", format, "--region", "eu-central-1"]
    expected = credwarden(*options).output
    assert expected
    path = tmp_path / "out"
    for old in (None, "something longer than nothing" * 100000):
        if old:
            path.write_text(old)
        done = credwarden(*options, "--output", "out")
        assert (done.status, done.output, done.errors) == (1, "", "")
        assert path.read_text() == expected
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~current_umask()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["out", "report.csv"]
    assert credwarden(*options, "--output", "/dev/stdout").output == expected


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_the_output_can_be_a_named_pipe(binary: Path, report: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    subprocess.run(
        [binary, "check", "--credential-report", report, "--output", pipe, "--now", NOW], check=False, timeout=60
    )
    reader.join(60)
    assert "CRITICAL" in read[0]


def test_a_write_error_is_reported(credwarden: Run, report: Path, tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "no" / "out", "No such file or directory"), (tmp_path, "Is a directory")):
        done = credwarden("check", "--credential-report", report, "--output", path)
        assert (done.status, done.output) == (2, "")
        assert (
            done.errors.splitlines()[-1].startswith(f"credwarden: could not write {path}: ") and reason in done.errors
        )
    done = credwarden("check", "--credential-report", report, "--now", NOW, "--output", "/dev/full")
    assert done.status == 2 and "No space left on device" in done.errors


def test_wrong_input_leaves_an_old_file_unchanged(credwarden: Run, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("last year's")
    (tmp_path / "report.csv").write_text("no report")
    assert credwarden("check", "--credential-report", "report.csv", "--output", "out").status == 2
    assert (tmp_path / "out").read_text() == "last year's"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "report.csv"]


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the largest possible account, in which every user fails."""
    path = tmp_path_factory.mktemp("crowd") / "report.csv"
    path.write_text(account("failing:5000").report(ACCOUNT))
    return path


@pytest.mark.parametrize("format", FORMATS)
def test_a_reader_that_closes_the_pipe_is_no_error(binary: Path, crowd: Path, format: str) -> None:
    with subprocess.Popen(
        [binary, "check", "--credential-report", crowd, "--now", NOW, "--format", format, "--region", "eu-central-1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 1


def test_the_largest_account_is_evaluated_completely(credwarden: Run, crowd: Path) -> None:
    options = [
        "check",
        "--credential-report",
        crowd,
        "--now",
        NOW,
        "--region",
        "eu-central-1",
        "--status",
        "FAILED",
        "--format",
    ]
    findings = json.loads(credwarden(*options, "json").output)["findings"]
    assert len({one["subject"]["user"] for one in findings} - {None}) == 5000
    assert len(list(csv.DictReader(io.StringIO(credwarden(*options, "csv").output)))) == len(findings)
    assert len(json.loads(credwarden(*options, "asff").output)) == len(findings)
    lines = credwarden(*options, "table").output.split("\n")
    assert sum(line.startswith("  ") and line.split()[0] in SEVERITIES for line in lines) == len(findings)


def test_a_saved_report_needs_neither_network_nor_configuration(credwarden: Run, report: Path, tmp_path: Path) -> None:
    """These files and this endpoint block anyone who opens or calls them."""
    config, credentials = tmp_path / "config", tmp_path / "credentials"
    for path in (config, credentials):
        os.mkfifo(path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        environment: dict[str, Any] = {
            "AWS_CONFIG_FILE": str(config),
            "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
            "AWS_PROFILE": "none",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.getsockname()[1]}",
        }
        for format in FORMATS:
            done = credwarden(
                "check",
                "--credential-report",
                report,
                "--now",
                NOW,
                "--format",
                format,
                "--region",
                "eu-central-1",
                **environment,
            )
            assert (done.status, done.errors) == (1, "")
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize("form", ["CSV", "JSON"])
def test_a_now_before_the_newest_date_is_refused(credwarden: Run, tmp_path: Path, form: str) -> None:
    path = tmp_path / "report"
    text = changed({("ci-deploy", "access_key_1_last_used_date"): "2026-11-20T05:55:00Z"})
    path.write_text(as_json(text) if form == "JSON" else text)
    options = ["check", "--credential-report", path, "--format", "json", "--output", "out"]
    assert credwarden(*options, "--now", "2026-11-20T05:50:00Z").status == 0, "clocks may differ by five minutes"
    (tmp_path / "out").unlink()
    done = credwarden(*options, "--now", "2026-11-20T07:49:59+02:00")
    assert (done.status, done.output) == (2, "") and not (tmp_path / "out").exists()
    assert done.errors == (
        "credwarden: --now is 2026-11-20T05:49:59Z, more than five minutes before the newest date in the "
        "credential report, 2026-11-20T05:55:00Z\n"
    )


def test_a_date_after_generated_time_is_not_the_newest_date(credwarden: Run, tmp_path: Path) -> None:
    path = tmp_path / "report"
    cells = {("ci-deploy", "access_key_1_last_used_date"): "2036-01-01T00:00:00Z"}
    path.write_text(as_json(changed(cells)))
    assert credwarden("check", "--credential-report", path, "--now", NOW).status != 2
    path.write_text(changed(cells))
    done = credwarden("check", "--credential-report", path, "--now", NOW)
    assert done.status == 2 and "2036-01-01T00:00:00Z" in done.errors, "without GeneratedTime every date counts"


def test_the_next_rotation_is_not_the_newest_date(credwarden: Run, tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    path.write_text(changed({("ci-deploy", "password_next_rotation"): "2027-01-01T00:00:00Z"}))
    assert credwarden("check", "--credential-report", path, "--now", NOW).status == 0


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ({"AWS_ENDPOINT_URL": "http://nowhere.invalid"}, "dns error: "),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "tcp connect error: "),
        ({"HTTPS_PROXY": "http://127.0.0.1:9"}, "tunnel error: "),
    ],
    ids=["a name", "a port", "a proxy"],
)
def test_an_unreachable_endpoint_is_retried_only_briefly(credwarden: Run, setting: dict[str, str], why: str) -> None:
    """It fails long before the two minutes that IAM may take to generate a report."""
    done = credwarden("check", AWS_ACCESS_KEY_ID="AKIAIOSFODNN7EXAMPLE", AWS_SECRET_ACCESS_KEY="none", **setting)
    assert done.status == 3
    lines = done.errors.splitlines()
    assert len(lines) == 5 and all(f" failed: could not connect: {why}" in line for line in lines)
