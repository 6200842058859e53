"""Each output format, on the sample account and on hostile names."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from emulator import binaries
from emulator.launcher import ACCOUNT
from processes import shown_on
from remediation import with_codes
from saved import NOW, SEVERITIES, Ended, account, as_json, joined_fixes

Run = Callable[..., Ended]
SCHEMA = binaries.ROOT / "functions" / "cli" / "findings.schema.json"
# Each would be interpreted somewhere: in a page, a terminal, a spreadsheet or a shell.
HOSTILE = [
    "<script>alert(1)",
    "=cmd|' C calc'!A0",
    "+1",
    "-rf",
    "@SUM(A1)",
    "$(touch x)",
    "a`id`b",
    "o'neil\"x",
    "rtl\u202egnp",
    "zero\u200bwidth",
    "filler\u3164",
    "{{7*7}}",
    "<b>",
    "%s%n",
    "＝1",
]


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A report whose users have hostile names, paths, services and regions, and fail several checks."""
    columns = account().report(ACCOUNT).split("\n")[0].split(",")
    values = {
        "user_creation_time": "2020-01-02T03:04:05Z",
        "password_enabled": "true",
        "password_last_used": "no_information",
        "password_last_changed": "2020-01-02T03:04:05Z",
        "password_next_rotation": "N/A",
        "mfa_active": "false",
        "access_key_1_active": "true",
        "access_key_1_last_rotated": "2020-01-02T03:04:05Z",
        "access_key_1_last_used_date": "2021-01-02T03:04:05Z",
        "access_key_2_active": "false",
        "cert_1_active": "true",
        "cert_1_last_rotated": "2020-01-02T03:04:05Z",
        "cert_2_active": "false",
    }
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for name in ["<root_account>", *HOSTILE]:
        arn = (
            f"arn:aws:iam::{ACCOUNT}:root"
            if name.startswith("<root")
            else f"arn:aws:iam::{ACCOUNT}:user/</script>/{name}"
        )
        own = {
            "user": name,
            "arn": arn,
            "access_key_1_last_used_region": f"</script><b>{name}",
            "access_key_1_last_used_service": f'"><img src=x onerror=alert(1)>{name}',
        }
        writer.writerow([own.get(column) or values.get(column, "N/A") for column in columns])
    path = tmp_path / "hostile.csv"
    path.write_text(text.getvalue(), newline="")
    return path


def checked(run: Run, report: Path, *options: str | Path) -> str:
    done = run("check", "--credential-report", report, "--now", NOW, *options)
    notes = []
    if report.stem == "hostile":
        lines = "lines 3, 4 and 7 to 17"
        notes.append(f"{report}: {lines}: IAM does not allow such a user name; each row is judged all the same")
        if "--account-summary" in options:
            notes.append("the credential report has 15 users, and the account 20")
    assert (done.status, done.errors) == (1, "".join(f"credwarden: {note}\n" for note in notes))
    return done.output


def in_json(run: Run, report: Path, *options: str | Path) -> dict:
    return json.loads(checked(run, report, "--format", "json", *options))


@pytest.mark.parametrize("which", ["report", "hostile"])
def test_json_conforms_to_the_schema(
    credwarden: Run, summary: Path, which: str, request: pytest.FixtureRequest
) -> None:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    for options in ([], ["--account-summary", summary]):
        assert list(validator.iter_errors(in_json(credwarden, request.getfixturevalue(which), *options))) == []


def test_json_has_the_contracts_order_and_the_same_bytes_each_time(credwarden: Run, report: Path) -> None:
    text = checked(credwarden, report, "--format", "json")
    assert text == checked(credwarden, report, "--format", "json")
    answer = json.loads(text)
    assert list(answer) == ["account_id", "partition", "evaluated_at", "report_generated_at", "counts", "findings"]
    assert list(answer["counts"]) == ["FAILED", "PASSED", "NOT_APPLICABLE", "UNKNOWN"]
    first = answer["findings"][0]
    assert list(first) == [
        "id",
        "check",
        "status",
        "severity",
        "title",
        "message",
        "subject",
        "evidence",
        "remediation",
        "requirements",
    ]
    assert list(first["subject"]) == ["type", "user", "arn", "slot", "access_key_id", "created"]


def test_json_has_every_check_on_every_subject_of_its_kind(credwarden: Run, report: Path) -> None:
    answer = in_json(credwarden, report)
    rows = list(csv.DictReader(io.StringIO(report.read_text())))
    users = [row["user"] for row in rows if row["user"] != "<root_account>"]
    keys = [
        (row["user"], slot)
        for row in rows
        if row["user"] in users
        for slot in (1, 2)
        if row[f"access_key_{slot}_last_rotated"] != "N/A"
    ]
    pages = [page.read_text() for page in (binaries.ROOT / "functions" / "hygiene" / "docs").glob("*.md")]
    on = {
        kind: sum(f"- On: {words}\n" in page for page in pages)
        for kind, words in (
            ("root", "the root user"),
            ("user", "each IAM user"),
            ("access_key", "each access key of each IAM user"),
            ("account", "each service-specific credential of each IAM user"),
            ("all", "the root user, each IAM user, the account"),
        )
    }
    assert sum(on.values()) == len(pages) == 23
    found = [one["subject"]["type"] for one in answer["findings"]]
    assert {kind: found.count(kind) for kind in set(found)} == {
        "root": on["root"] + on["all"],
        "user": (on["user"] + on["all"]) * len(users),
        "access_key": on["access_key"] * len(keys),
        "account": on["account"] + on["all"],
    }, "without a list of service-specific credentials their checks apply to the account"
    assert len({one["id"] for one in answer["findings"]}) == len(answer["findings"]) == sum(answer["counts"].values())
    for status, count in answer["counts"].items():
        assert sum(one["status"] == status for one in answer["findings"]) == count


def test_a_failed_finding_has_evidence_a_message_and_a_remediation(credwarden: Run, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(as_json(account().report(ACCOUNT)))
    for one in in_json(credwarden, path)["findings"]:
        assert one["message"].endswith(".")
        if one["status"] == "FAILED":
            assert one["remediation"] and one["evidence"]["GeneratedTime"] == "2026-11-20T05:59:00Z"
        else:
            assert one["remediation"] is None


@pytest.mark.parametrize("wanted", [["FAILED"], ["unknown", "PASSED"], ["NOT_APPLICABLE"]], ids=" ".join)
def test_a_status_filters_the_findings_and_nothing_else(credwarden: Run, report: Path, wanted: list[str]) -> None:
    whole = in_json(credwarden, report)
    some = in_json(credwarden, report, *(word for status in wanted for word in ("--status", status)))
    statuses = {status.upper() for status in wanted}
    assert some["findings"] == [one for one in whole["findings"] if one["status"] in statuses]
    assert some["counts"] == whole["counts"]


@pytest.mark.parametrize("which", ["report", "hostile"])
def test_csv_has_the_same_findings_and_no_formulas(credwarden: Run, which: str, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(which)
    rows = list(csv.DictReader(io.StringIO(checked(credwarden, path, "--format", "csv"), newline="")))
    findings = in_json(credwarden, path)["findings"]
    assert [(row["check"], row["status"], row["severity"]) for row in rows] == [
        (one["check"], one["status"], one["severity"]) for one in findings
    ]
    for row, one in zip(rows, findings, strict=True):
        assert row["requirements"].split("; ") == (one["requirements"] or [""])
        assert all(f"{name}=" in row["evidence"] for name in one["evidence"])
        for cell in row.values():
            assert not cell.lstrip().startswith(("=", "+", "-", "@", "＝")), cell
            assert not any(ord(character) < 32 and character != "\n" for character in cell), cell


def test_asff_has_the_failed_findings_as_imported(credwarden: Run, report: Path, summary: Path) -> None:
    options = ["--account-summary", summary, "--format", "asff", "--region", "eu-central-1"]
    findings = json.loads(checked(credwarden, report, *options))
    failed = [
        one
        for one in in_json(credwarden, report, "--account-summary", summary)["findings"]
        if one["status"] == "FAILED"
    ]
    assert sorted(one["Id"] for one in findings) == sorted(one["id"] for one in failed)
    severities = {one["id"]: one["severity"] for one in failed}
    for one in findings:
        assert one["ProductArn"] == f"arn:aws:securityhub:eu-central-1:{ACCOUNT}:product/{ACCOUNT}/default"
        assert one["FindingProviderFields"]["Severity"]["Label"] == severities[one["Id"]]
        assert one["CreatedAt"] == one["UpdatedAt"] == "2026-11-20T06:00:00.000Z"
    assert json.loads(checked(credwarden, report, *options, "--status", "PASSED")) == []


def test_asff_needs_the_account_and_notes_the_default_region(credwarden: Run, report: Path, summary: Path) -> None:
    done = credwarden("check", "--account-summary", summary, "--now", NOW, "--format", "asff")
    assert (done.status, done.output) == (2, "") and done.errors.count("\n") == 1
    assert "root user's row" in done.errors
    for partition, home in (("aws", "us-east-1"), ("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1")):
        report.write_text(account().report(ACCOUNT).replace("arn:aws:", f"arn:{partition}:"))
        done = credwarden("check", "--credential-report", report, "--now", NOW, "--format", "asff")
        assert done.errors == f"credwarden: no --region was given, so the findings are for the Security Hub of {home}\n"
        assert {one["ProductArn"].split(":")[3] for one in json.loads(done.output)} == {home}


def on_a_terminal(binary: Path, width: int, *arguments: str | Path, **environment: str) -> str:
    """Returns the output of `credwarden` on a terminal of that width."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    with subprocess.Popen(
        [binary, *arguments],
        stdout=follower,
        stderr=follower,
        stdin=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "TERM": "xterm-256color", **environment},
    ) as process:
        os.close(follower)
        written = shown_on(leader)
        process.wait(timeout=60)
    return written.replace("\r\n", "\n")


def test_retries_are_shown_on_a_terminal(binary: Path, tmp_path: Path) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "none"}
    text = on_a_terminal(
        binary,
        200,
        "check",
        HOME=str(tmp_path),
        AWS_EC2_METADATA_DISABLED="true",
        AWS_ENDPOINT_URL="http://127.0.0.1:9",
        **keys,
    )
    assert "Reading the account" in text
    assert " failed: could not connect: tcp connect error: " in text and "; trying again …" in text


ESCAPE = re.compile(r"\033\[[0-9;]*m")


@pytest.mark.parametrize("width", [40, 60, 80, 120, 300])
def test_the_table_is_as_wide_as_the_terminal(binary: Path, credwarden: Run, report: Path, width: int) -> None:
    text = on_a_terminal(binary, width, "check", "--credential-report", report, "--now", NOW)
    assert ESCAPE.search(text)
    shown = ESCAPE.sub("", text).split("\n")
    # A wrapped command could not be copied.
    fixes = joined_fixes(in_json(credwarden, report)["findings"]).values()
    commands = {f"    {line}" for fix in fixes if "aws iam" in fix for line in fix.split("\n")}
    lines = [line for line in shown if line not in commands]
    assert commands <= set(shown) and len(lines) > len(commands)
    # Words are not broken: an id or a name can be longer than a narrow terminal.
    assert [line for line in lines if len(line) > max(width, 40) and len(line.split()) > 4] == []
    assert max(map(len, lines)) <= 140
    assert width < 60 or max(map(len, lines)) > min(width, 140) - 25


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["NO_COLOR", "dumb"])
def test_colour_can_be_turned_off(binary: Path, report: Path, environment: dict[str, str]) -> None:
    text = on_a_terminal(binary, 80, "check", "--credential-report", report, "--now", NOW, **environment)
    assert "\033" not in text and "CRITICAL" in text


def test_the_table_has_a_paragraph_for_each_subject_root_first_and_then_the_worst(
    credwarden: Run, report: Path, summary: Path, credentials: Path
) -> None:
    files = ["--account-summary", summary, "--service-credentials", credentials]
    text = checked(credwarden, report, *files)
    assert "\033" not in text
    findings = in_json(credwarden, report, *files)["findings"]
    failed = [one for one in findings if one["status"] == "FAILED"]
    paragraphs = {}
    for block in text.split("\n\n")[1:]:
        title, *lines = block.split("\n")
        if not title.startswith(("User ", "Root user")):
            break
        assert title not in paragraphs
        # The findings, then what fixes them.
        paragraphs[title] = [line[2:] for line in lines if line.startswith("  ") and line.split()[0] in SEVERITIES]
        fixes = lines[len(paragraphs[title]) :]
        assert fixes[0].startswith("  To fix ") and all(line.startswith(("    ", "  To fix ")) for line in fixes)
    owners = {f"User {one['subject']['user']}" if one["subject"]["user"] else "Root user" for one in failed}
    assert {title.rpartition(": ")[0] for title in paragraphs} == owners
    worst = [SEVERITIES.index(title.rpartition(": ")[2]) for title in paragraphs]
    assert next(iter(paragraphs)) == "Root user: CRITICAL" and worst[1:] == sorted(worst[1:])
    for title, lines in paragraphs.items():
        ranks = [SEVERITIES.index(line.split(" ")[0]) for line in lines]
        assert ranks == sorted(ranks) and title.endswith(SEVERITIES[ranks[0]])
    for one in failed:
        name = one["subject"]["user"]
        lines = next(
            lines
            for title, lines in paragraphs.items()
            if title.startswith(f"User {name}: " if name else "Root user: ")
        )
        # The root user's paragraph has the details of a key once.
        assert f"{one['severity']} {one['message']} ({one['check']})" in lines or any(
            line.startswith(f"{one['severity']} ") and line.endswith(f" ({one['check']})")
            for line in lines
            if name is None
        )
    assert sum(map(len, paragraphs.values())) == len(failed)
    assert text.count("created 2022-10-29 06:00 UTC") == 1
    assert "Account summary read." in text and "its newest date is 2026-11-20 05:55 UTC" in text


def test_hostile_names_are_escaped_on_a_terminal(binary: Path, hostile: Path) -> None:
    for text in (
        on_a_terminal(binary, 100, "check", "--credential-report", hostile, "--now", NOW),
        on_a_terminal(binary, 100, "check", "--credential-report", hostile, "--now", NOW, "--status", "PASSED"),
    ):
        left = ESCAPE.sub("", text)
        assert all(character == "\n" or character.isprintable() for character in left)
        assert r"rtl\u{202e}gnp" in left and r"filler\u{3164}" in left and "\u3164" not in left


def test_a_hostile_name_is_one_word_of_the_commands(credwarden: Run, hostile: Path, tmp_path: Path) -> None:
    """The shell passes the name unchanged, and runs nothing in it."""
    shim = tmp_path / "bin" / "aws"
    shim.parent.mkdir()
    shim.write_text("#!/bin/sh\nfor argument; do printf '%s\\0' \"$argument\"; done\n")
    shim.chmod(0o755)
    for one in in_json(credwarden, hostile, "--status", "FAILED")["findings"]:
        if one["subject"]["user"] is None:
            continue
        done = subprocess.run(
            ["bash", "-c", with_codes(one["remediation"])],
            capture_output=True,
            cwd=tmp_path,
            timeout=60,
            check=False,
            env={"PATH": f"{shim.parent}:/usr/bin:/bin"},
        )
        words = done.stdout.decode().split("\0")
        name = one["subject"]["user"]
        assert name in words or f"--user-name={name}" in words, (name, one["remediation"], done.stderr)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin", "hostile.csv"]


def test_the_name_of_the_account_is_shown_beside_its_number(credwarden: Run, report: Path, tmp_path: Path) -> None:
    name = "Zahlungen <b>K\u00f6ln\u202e"
    shown = "AWS account 111122223333 (Zahlungen <b>K\u00f6ln\\u{202e})"
    assert shown in checked(credwarden, report, "--account-name", f" {name} ")
    document = in_json(credwarden, report, "--account-name", name)
    assert document["account_name"] == name
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    assert "account_name" not in in_json(credwarden, report)
    page = checked(credwarden, report, "--account-name", name, "--format", "html")
    assert f"<h1>{shown.replace('<', '&#60;').replace('>', '&#62;')}</h1>" in page
