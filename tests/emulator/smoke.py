"""What AWS answers beside what the emulator does: `make smoke`, with the caller's own credentials, by hand and never in CI.

Every call reads, but for one: GenerateCredentialReport has IAM make the report that it makes for anybody, every four hours at
the most. Of the answers only the form is kept and printed: which members there are, and of what kind their values are. No name,
number or date of the account is shown."""

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
_NOBODY = "credwarden-smoke-nobody"
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
    """The form of an answer: each member by its path, with the kinds of its values."""

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
        # A map: what matters is which keys it has.
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
    """An account that is asked, AWS's or the emulator's."""

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
        self._call("ListAccessKeys of nobody", iam, "list_access_keys", UserName=_NOBODY)
        nothing = {"GeneratorId": [{"Comparison": "EQUALS", "Value": _NOBODY}]}
        self._call("GetFindings, none", hub, "get_findings", Filters=nothing, MaxResults=100)
        own = {"GeneratorId": [{"Comparison": "PREFIX", "Value": "credwarden/"}]}
        self._call("GetFindings, a page", hub, "get_findings", Filters=own, MaxResults=1)
        self._call("GetFindings, a token that is none", hub, "get_findings", Filters=own, NextToken=_NOBODY)
        return self.forms

    def _call(self, name: str, client: Any, method: str, **arguments: Any) -> dict | None:
        """The answer, whose form is kept under that name; none where it is a refusal."""

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
        """Keeps the form of the report; answers the names of its users, which are not printed."""
        rows = list(csv.DictReader(io.StringIO(text)))
        for whose, own in (("root", rows[:1]), ("users", rows[1:])):
            form = self.forms[f"The report's row of {whose}"] = Form(200, "")
            for row in own:
                for column, cell in row.items():
                    form.add(column, cell if column not in ("user", "arn") else None)
        return [row["user"] for row in rows[1:]]


def differences(aws: Forms, emulator: Forms) -> Iterable[str]:
    """What AWS does otherwise than the emulator, a line each."""
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
        # What an account does not have says nothing of its form: where AWS has no such list, it has no members of one.
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
