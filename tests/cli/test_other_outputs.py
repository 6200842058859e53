"""A file with another output of the AWS CLI is refused in one line, which names that output and the one to save."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from emulator.launcher import ACCOUNT
from saved import NOW, Ended, account, as_json

Run = Callable[..., Ended]
REPORT = account().report(ACCOUNT)
ANSWER = json.loads(as_json(REPORT))
CONTENT = ANSWER["Content"]
SUMMARY = {"SummaryMap": account().summary_map(ACCOUNT)}
GENERATED = {"State": "STARTED", "Description": "No report exists. Starting a new report generation task"}


def as_yaml(answer: object) -> str:
    return yaml.safe_dump(answer, sort_keys=False, width=10**9)


def as_table(title: str, rows: dict[str, object]) -> str:
    left, right = max(map(len, rows)) + 3, max(len(str(value)) for value in rows.values()) + 4
    lines = ["-" * (left + right + 3), f"|{title:^{left + right + 1}}|", f"+{'-' * left}+{'-' * right}+"]
    lines += [f"|  {name:{left - 3}} |  {value!s:{right - 3}} |" for name, value in rows.items()]
    return "\n".join([*lines, lines[2]]) + "\n"


def output_of(operation: str, format: str) -> str:
    return f"the file looks like the output of `aws iam {operation} --output {format}`"


JSON_REPORT = "; save the output of `aws iam get-credential-report --output json`"
JSON_SUMMARY = "; save the output of `aws iam get-account-summary --output json`"
GET_REPORT, GET_SUMMARY = "get-credential-report", "get-account-summary"
UNDECODED = "the file looks like the output of `aws iam get-credential-report --query Content`, in base64"
TEXT_SUMMARY = "SUMMARYMAP\t" + "\t".join(str(value) for value in SUMMARY["SummaryMap"].values()) + "\n"

REPORTS = {
    "text": (f"{CONTENT}\t{ANSWER['GeneratedTime']}\ttext/csv\n", output_of(GET_REPORT, "text")),
    "yaml": (as_yaml(ANSWER), output_of(GET_REPORT, "yaml")),
    "yaml-stream": (as_yaml([ANSWER]), output_of(GET_REPORT, "yaml-stream")),
    "table": (as_table("GetCredentialReport", ANSWER), output_of(GET_REPORT, "table")),
    "text of the time and the content": (f"{ANSWER['GeneratedTime']}\t{CONTENT}\n", output_of(GET_REPORT, "text")),
    "Content as a JSON string": (json.dumps(CONTENT) + "\n", UNDECODED),
    "Content as text": (CONTENT + "\n", UNDECODED),
    "Content as text, in lines": ("\n".join(CONTENT[at : at + 76] for at in range(0, len(CONTENT), 76)), UNDECODED),
    "the answer of GenerateCredentialReport": (
        json.dumps(GENERATED),
        "the file looks like the output of `aws iam generate-credential-report`",
    ),
    "GenerateCredentialReport as yaml": (
        as_yaml({"State": "COMPLETE"}),
        "the file looks like the output of `aws iam generate-credential-report`",
    ),
    "GenerateCredentialReport as a table": (
        as_table("GenerateCredentialReport", GENERATED),
        "the file looks like the output of `aws iam generate-credential-report`",
    ),
    "JSON without Content": (json.dumps({**ANSWER, "Content": None}), 'the file looks like JSON without "Content"'),
    "an account summary": (json.dumps(SUMMARY, indent=4), "the file looks like an account summary (--account-summary)"),
    "an account summary as text": (TEXT_SUMMARY, "the file looks like an account summary (--account-summary)"),
    "an account summary as yaml": (as_yaml(SUMMARY), "the file looks like an account summary (--account-summary)"),
    "an account summary as a table": (
        as_table("GetAccountSummary", SUMMARY["SummaryMap"]),
        "the file looks like an account summary (--account-summary)",
    ),
}
SUMMARIES = {
    "text": (TEXT_SUMMARY, output_of(GET_SUMMARY, "text")),
    "yaml": (as_yaml(SUMMARY), output_of(GET_SUMMARY, "yaml")),
    "yaml-stream": (as_yaml([SUMMARY]), output_of(GET_SUMMARY, "yaml-stream")),
    "table": (as_table("GetAccountSummary", SUMMARY["SummaryMap"]), output_of(GET_SUMMARY, "table")),
    "a report": (REPORT, "the file looks like a credential report (--credential-report)"),
    "a report with semicolons": (
        REPORT.replace(",", ";"),
        "the file looks like a credential report (--credential-report)",
    ),
    "the answer with a report": (as_json(REPORT), "the file looks like a credential report (--credential-report)"),
    "the report as text": (REPORTS["text"][0], "the file looks like a credential report (--credential-report)"),
    "an undecoded report": (CONTENT, "the file looks like a credential report (--credential-report)"),
    "the answer of GenerateCredentialReport": (
        json.dumps(GENERATED),
        "the file looks like the output of `aws iam generate-credential-report`",
    ),
}


def refused(run: Run, option: str, content: bytes, folder: Path) -> str:
    (folder / "saved").write_bytes(content)
    done = run("check", option, "saved", "--now", NOW)
    assert (done.status, done.output) == (2, "")
    assert done.errors.startswith("credwarden: saved: ") and done.errors.count("\n") == 1
    return done.errors.removeprefix("credwarden: saved: ").rstrip("\n")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize(("content", "looks"), REPORTS.values(), ids=REPORTS)
def test_a_file_that_is_no_report_but_an_output_of_the_aws_cli_is_named(
    credwarden: Run, tmp_path: Path, content: str, looks: str, encoding: str
) -> None:
    assert refused(credwarden, "--credential-report", content.encode(encoding), tmp_path) == looks + JSON_REPORT


@pytest.mark.parametrize(("content", "looks"), SUMMARIES.values(), ids=SUMMARIES)
def test_a_file_that_is_no_summary_but_an_output_of_the_aws_cli_is_named(
    credwarden: Run, tmp_path: Path, content: str, looks: str
) -> None:
    assert refused(credwarden, "--account-summary", content.encode(), tmp_path) == looks + JSON_SUMMARY


def test_a_report_of_one_quoted_column_is_not_taken_for_base64(credwarden: Run, tmp_path: Path) -> None:
    message = refused(credwarden, "--credential-report", b'"user"\n"alice"\n', tmp_path)
    assert message == 'not a credential report: line 1 is `"user"`, not a header with `user` and `arn`'
    message = refused(credwarden, "--credential-report", base64.b64encode(b"nothing of the kind"), tmp_path)
    assert message.startswith("not a credential report: line 1 is `bm90aGluZyBvZiB0aGUga2luZA==`, not a header")
