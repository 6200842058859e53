"""Compares AWS's responses with the emulator's: `make smoke`, with the caller's own credentials, by hand and never in CI.

Every call only reads, except GenerateCredentialReport: IAM generates the report, at most every four hours. Only the
form of a response is kept and printed: its members, and the kinds of their values. No name, number or date is shown."""

from __future__ import annotations

import argparse
import csv
import io
import json
import re
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from emulator.process import Emulator

_REPORT_SECONDS = 120
_MISSING = "credwarden-smoke-missing"
_KINDS = (
    ("truth value", r"(?i)true|false"),
    ("number", r"-?\d+"),
    ("date with Z", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
    ("date with Z and fractions", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z"),
    ("date with an offset", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d:\d\d"),
    ("ARN", r"arn:[\w-]+:.+"),
    ("nothing", r""),
    ("N/A", r"N/A"),
    ("no_information", r"no_information"),
    ("not_supported", r"not_supported"),
)


@dataclass
class Form:
    """The form of a response: each member by its path, with the kinds of its values."""

    status: int
    content_type: str
    code: str = ""
    members: dict[str, set[str]] = field(default_factory=dict)

    def add(self, path: str, value: str | None) -> None:
        self.members.setdefault(path, set()).update(() if value is None else (kind(value),))


Forms = dict[str, Form]


def kind(value: str) -> str:
    return next((name for name, form in _KINDS if re.fullmatch(form, value)), "text")


def form_of(status: int, headers: dict, body: bytes) -> Form:
    content_type = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    form = Form(status, content_type.split(";")[0])
    text = body.decode()
    if text.lstrip().startswith("<"):
        _add_xml(form, "", ElementTree.fromstring(text))
    elif text.strip():
        _add_json(form, "", json.loads(text))
    return form


def _add_xml(form: Form, path: str, element: ElementTree.Element) -> None:
    path = f"{path}/{element.tag.split('}')[-1]}"
    if len(element) == 0:
        form.add(path, (element.text or "").strip())
        return
    form.add(path, None)
    children = {child.tag.split("}")[-1]: child for child in element}
    if set(children) == {"key", "value"}:
        # A map: only its keys matter.
        form.add(f"{path}[{children['key'].text}]", (children["value"].text or "").strip())
        return
    for child in element:
        _add_xml(form, path, child)


def _add_json(form: Form, path: str, value: Any) -> None:
    match value:
        case dict():
            form.add(path or "/", None)
            for name, member in value.items():
                _add_json(form, f"{path}/{name}", member)
        case list():
            form.add(f"{path}[]", None)
            for member in value:
                _add_json(form, f"{path}[]", member)
        case str():
            form.add(path, value)
        case _:
            form.add(path, json.dumps(value))


class Account:
    """An account, AWS's or the emulator's, and the forms of its responses."""

    def __init__(self, client: Callable[[str], Any]) -> None:
        self._client, self.forms = client, Forms()

    def observe(self) -> Forms:
        iam, hub = self._client("iam"), self._client("securityhub")
        self._call("GetCallerIdentity", self._client("sts"), "get_caller_identity")
        deadline = time.monotonic() + _REPORT_SECONDS
        while (self._call("GenerateCredentialReport", iam, "generate_credential_report") or {}).get(
            "State"
        ) != "COMPLETE":
            if deadline < time.monotonic() or self.forms["GenerateCredentialReport"].status != 200:
                break
            time.sleep(2)
        report = self._call("GetCredentialReport", iam, "get_credential_report") or {}
        users = self._report(report.get("Content", b"").decode())
        self._call("GetAccountSummary", iam, "get_account_summary")
        self._call(
            "ListVirtualMFADevices, a page", iam, "list_virtual_mfa_devices", AssignmentStatus="Assigned", MaxItems=1
        )
        self._call(
            "ListServiceSpecificCredentials, a page",
            iam,
            "list_service_specific_credentials",
            AllUsers=True,
            MaxItems=1,
        )
        for user in users[:1]:
            self._call("ListAccessKeys", iam, "list_access_keys", UserName=user)
        self._call("ListAccessKeys, unknown user", iam, "list_access_keys", UserName=_MISSING)
        nothing = {"GeneratorId": [{"Comparison": "EQUALS", "Value": _MISSING}]}
        self._call("GetFindings, none", hub, "get_findings", Filters=nothing, MaxResults=100)
        own = {"GeneratorId": [{"Comparison": "PREFIX", "Value": "credwarden/"}]}
        self._call("GetFindings, a page", hub, "get_findings", Filters=own, MaxResults=1)
        self._call("GetFindings, invalid token", hub, "get_findings", Filters=own, NextToken=_MISSING)
        return self.forms

    def _call(self, name: str, client: Any, method: str, **arguments: Any) -> dict | None:
        """Calls the method and keeps the response's form under that name; returns None for an error."""

        def received(response_dict: dict, **_: Any) -> None:
            self.forms[name] = form_of(response_dict["status_code"], response_dict["headers"], response_dict["body"])

        client.meta.events.register("response-received", received, unique_id="smoke")
        try:
            return getattr(client, method)(**arguments)
        except ClientError as error:
            self.forms[name].code = error.response["Error"]["Code"]
            return None
        finally:
            client.meta.events.unregister("response-received", unique_id="smoke")

    def _report(self, text: str) -> list[str]:
        """Keeps the form of the report; returns the names of its users, which are not printed."""
        rows = list(csv.DictReader(io.StringIO(text)))
        for whose, own in (("root", rows[:1]), ("users", rows[1:])):
            form = self.forms[f"The report's row of {whose}"] = Form(200, "")
            for row in own:
                for column, cell in row.items():
                    form.add(column, cell if column not in ("user", "arn") else None)
        return [row["user"] for row in rows[1:]]


def differences(aws: Forms, emulator: Forms) -> Iterable[str]:
    """Yields a line for each difference between AWS and the emulator."""
    for name, theirs in aws.items():
        ours = emulator.get(name)
        if ours is None:
            continue
        for what, one, other in (
            ("the status", theirs.status, ours.status),
            ("the code", theirs.code, ours.code),
            ("the content type", theirs.content_type, ours.content_type),
        ):
            if one != other:
                yield f"{name}: {what} is {one or 'none'}, and {other or 'none'} in the emulator"
        if theirs.status != ours.status:
            continue
        yield from (
            f"{name}: AWS has {path}, and the emulator has not" for path in theirs.members if path not in ours.members
        )
        # A member without values in the account has no form: where AWS has no such list, its members are not compared.
        parents = {path.rpartition("/")[0] for path in theirs.members}
        for path in ours.members:
            if path not in theirs.members and path.rpartition("/")[0] in parents:
                yield f"{name}: AWS has no {path}, and the emulator has"
        for path, kinds in theirs.members.items():
            unknown = kinds - ours.members.get(path, kinds)
            if unknown:
                known = ", ".join(sorted(ours.members[path])) or "nothing"
                yield f"{name}: {path} is {', '.join(sorted(unknown))}; in the emulator {known}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make smoke", description=__doc__)
    parser.add_argument("--profile", help="of the AWS CLI")
    parser.add_argument("--region", help="of Security Hub")
    arguments = parser.parse_args()
    try:
        session = boto3.Session(profile_name=arguments.profile, region_name=arguments.region)
        config = Config(retries={"total_max_attempts": 3})
        aws = Account(lambda service: session.client(service, config=config)).observe()
    except BotoCoreError as error:
        print(f"smoke: {error}", file=sys.stderr)
        return 2
    with Emulator() as emulator:
        emulator.client("securityhub").enable_security_hub()
        ours = Account(emulator.client).observe()
    found = list(differences(aws, ours))
    print("\n".join(found) or "AWS answers as the emulator does.")
    print(
        f"\n{len(aws)} answers compared, {len(found)} differences. Members that only one account has are differences too."
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
