"""`credwarden trace` and `credwarden plan` on saved files."""

from __future__ import annotations

import base64
import csv
import gzip
import io
import itertools
import json
import os
import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from referencing import Registry, Resource

from emulator import binaries
from emulator.launcher import ACCOUNT
from emulator.regions import DEFAULT
from saved import NOW, Ended
from traces import AWS_CLI, BOTO3, GITHUB, HOME, Traces, ago, instance, looked_up, nat_gateway, record

Run = Callable[..., Ended]
PUBLISHED = binaries.ROOT / "tests" / "published"
SCHEMAS = {
    name: json.loads((binaries.ROOT / "functions" / "cli" / f"{name}.schema.json").read_text())
    for name in ("trace", "plan")
}
REGISTRY = Registry().with_resources(
    (f"{name}.schema.json", Resource.from_contents(schema)) for name, schema in SCHEMAS.items()
)
RECENT = "2026-11-18T06:00:00+00:00"
OLD = "2026-03-01T06:00:00+00:00"


@pytest.fixture
def traces(tmp_path: Path) -> Traces:
    return Traces(tmp_path)


def read(run: Run, command: str, traces: Traces, *options: str) -> tuple[int, dict[str, Any]]:
    """Returns the exit status, and the document, which has to follow the schema."""
    done = run(command, *traces.saved(), "--format", "json", *options)
    assert done.errors == "", done.errors
    document = json.loads(done.output)
    jsonschema.Draft202012Validator(SCHEMAS[command], registry=REGISTRY).validate(document)
    assert (document["account_id"], document["evaluated_at"]) == (ACCOUNT, NOW)
    return done.status, document


def traced(run: Run, traces: Traces, *options: str) -> tuple[int, dict[str, dict]]:
    """Returns the exit status, and the keys by id, or by user if it is not known."""
    status, document = read(run, "trace", traces, *options)
    return status, {one["access_key_id"] or one["user"]: one for one in document["keys"]}


def only(run: Run, traces: Traces, *options: str) -> dict:
    _, keys = traced(run, traces, *options)
    (key,) = keys.values()
    return key


def sample(traces: Traces) -> dict[str, str]:
    """An account with a key for each plan; returns the plans by id."""
    plans = {}
    key = traces.key("etl", used=RECENT)
    traces.interfaces = [instance("i-1", "198.51.100.7"), nat_gateway("nat-1", "198.51.100.9")]
    traces.use(key, "198.51.100.7", BOTO3)
    plans[key] = "replace-by-role"
    key = traces.key("behind-nat", used=RECENT)
    traces.use(key, "198.51.100.9", BOTO3, region="us-east-1", eventSource="iam.amazonaws.com", eventName="ListUsers")
    plans[key] = "replace-by-role"
    key = traces.key("person", used=RECENT)
    traces.use(key, "203.0.113.9", AWS_CLI)
    plans[key] = "sign-in"
    key = traces.key("pipeline", used=RECENT, service="sts")
    traces.use(key, "203.0.113.50", GITHUB, eventSource="sts.amazonaws.com", eventName="GetCallerIdentity")
    plans[key] = "replace-by-role"
    key = traces.key("leaked", used=RECENT)
    traces.use(key, "203.0.113.66", "TruffleHog", eventSource="sts.amazonaws.com", eventName="GetCallerIdentity")
    plans[key] = "incident"
    plans[traces.key("backup", used=OLD, service="s3")] = "ask-owner"
    plans[traces.key("unused", used=OLD)] = "remove"
    plans[traces.key("never-used")] = "remove"
    plans[traces.key("inactive", active=False)] = "remove"
    return plans


def test_each_key_has_its_plan(credwarden: Run, traces: Traces) -> None:
    plans = sample(traces)
    status, keys = traced(credwarden, traces)
    assert {id: one["plan"] for id, one in keys.items()} == plans
    assert status == 1, "a key has leaked"
    kinds = {one["user"]: [place["kind"] for place in one["used_from"]] for one in keys.values() if one["used_from"]}
    assert kinds == {
        **{"etl": ["own-instance"], "behind-nat": ["own-network"], "person": ["outside"], "pipeline": ["ci"]},
        "leaked": ["outside"],
    }
    (place,) = keys[traces.keys[0].id]["used_from"]
    assert place == {
        **{"kind": "own-instance", "what": "i-1", "account": ACCOUNT, "region": HOME, "address": "198.51.100.7"},
        **{"client": "Boto3/1.39.7", "key_stored_in": "environment", "services": ["ec2"]},
        **{"first": "2026-11-18T06:00:00Z", "last": "2026-11-18T06:00:00Z", "events": 1},
    }


def test_the_order_of_the_files_does_not_matter(credwarden: Run, traces: Traces) -> None:
    sample(traces)
    arguments = traces.saved()
    pairs = [arguments[at : at + 2] for at in range(0, len(arguments), 2)]
    first = credwarden("trace", *arguments, "--format", "json")
    random.Random(1).shuffle(pairs)
    again = credwarden("trace", *itertools.chain.from_iterable(pairs), "--format", "json")
    assert first.output == again.output and first.output


@pytest.mark.parametrize("gone", ["eu-west-1", HOME, "us-east-1"])
def test_without_a_regions_events_no_active_key_is_removed(credwarden: Run, traces: Traces, gone: str) -> None:
    sample(traces)
    del traces.events[gone]
    _, keys = traced(credwarden, traces)
    removed = {one["user"] for one in keys.values() if one["plan"] == "remove"}
    assert removed == {"inactive"}
    unused = next(one for one in keys.values() if one["user"] == "unused")
    assert [(one["what"], one["region"]) for one in unused["not_looked_at"]] == [("events", gone)]


def test_an_opted_in_region_has_to_be_looked_at(credwarden: Run, traces: Traces) -> None:
    traces.key("never-used")
    traces.documents["regions"] = {"Regions": [{"RegionName": "af-south-1", "OptInStatus": "opted-in"}]}
    assert only(credwarden, traces)["plan"] == "ask-owner"
    traces.events["af-south-1"] = []
    assert only(credwarden, traces)["plan"] == "remove"


def test_without_its_id_no_key_is_removed_not_even_an_inactive_one(credwarden: Run, traces: Traces) -> None:
    traces.key("never-used")
    traces.key("inactive", active=False)
    for key in traces.keys:
        key.has_id = False
    status, keys = traced(credwarden, traces)
    assert status == 0
    for one in keys.values():
        assert (one["plan"], one["access_key_id"]) == ("ask-owner", None)
        assert [gap["what"] for gap in one["not_looked_at"]] == ["access key id"]


def test_the_id_of_twins_is_not_guessed(credwarden: Run, traces: Traces) -> None:
    traces.key("twins")
    traces.key("twins")
    _, document = read(credwarden, "trace", traces)
    assert [one["access_key_id"] for one in document["keys"]] == [None, None]
    traces.keys[1].active = False
    _, document = read(credwarden, "trace", traces)
    assert [one["access_key_id"] for one in document["keys"]] == [key.id for key in traces.keys]
    # One of them was deleted since the report.
    traces.keys[0].has_id = False
    _, document = read(credwarden, "trace", traces)
    assert [one["access_key_id"] for one in document["keys"]] == [None, None]


def test_without_the_networks_nothing_is_outside(credwarden: Run, traces: Traces) -> None:
    key = traces.key("person", used=RECENT)
    traces.use(key, "203.0.113.9", AWS_CLI)
    assert only(credwarden, traces)["plan"] == "sign-in"
    traces.interfaces = None
    one = only(credwarden, traces)
    assert (one["plan"], one["used_from"][0]["kind"]) == ("ask-owner", "unknown")
    assert [gap["what"] for gap in one["not_looked_at"]] == ["network interfaces"]


@pytest.mark.parametrize("missing", ["eventTime", "sourceIPAddress"])
def test_an_event_without_time_or_address_is_unknown(credwarden: Run, traces: Traces, missing: str) -> None:
    key = traces.key("etl", used=RECENT)
    traces.interfaces = [instance("i-1", "198.51.100.7")]
    del traces.use(key, "198.51.100.7", BOTO3)[missing]
    one = only(credwarden, traces)
    assert (one["plan"], [place["kind"] for place in one["used_from"]]) == ("ask-owner", ["unknown"])
    assert "events" in [gap["what"] for gap in one["not_looked_at"]]


def test_the_days_before_the_period_are_not_looked_at(credwarden: Run, traces: Traces) -> None:
    key = traces.key("etl", used=OLD)
    traces.use(key, "203.0.113.9", BOTO3, eventTime="2026-10-01T06:00:00Z")
    assert only(credwarden, traces)["events"] == 1
    one = only(credwarden, traces, "--days", "30")
    assert (one["events"], one["plan"]) == (0, "ask-owner")
    assert [gap["what"] for gap in one["not_looked_at"]] == ["earlier events"]


def test_log_files_cover_only_the_days_of_their_events(credwarden: Run, traces: Traces, tmp_path: Path) -> None:
    traces.key("never-used")
    del traces.events[HOME]
    days = [
        record("AKIAOTHER", "other", "203.0.113.9", BOTO3, eventID=str(day), eventTime=ago(days=day))
        for day in range(90)
    ]
    for records, plan in ((days, "remove"), (days[1:], "ask-owner"), ([], "ask-owner")):
        (tmp_path / "log.json").write_text(json.dumps({"Records": records}))
        one = only(credwarden, traces, "--events", f"{HOME}=log.json")
        assert (one["plan"], one["events"]) == (plan, 0)
        assert [(gap["what"], gap["region"]) for gap in one["not_looked_at"]] == [("events", HOME)] * (plan != "remove")


def test_an_event_that_cloudtrail_no_longer_has_shows_that_the_file_is_old(credwarden: Run, traces: Traces) -> None:
    key = traces.key("unused", used=OLD)
    traces.use(key, "203.0.113.9", BOTO3, eventTime=ago(days=91))
    one = only(credwarden, traces)
    assert (one["plan"], one["events"]) == ("ask-owner", 0)
    assert [(gap["what"], gap["region"]) for gap in one["not_looked_at"]] == [("events", HOME)]


def test_what_is_later_than_the_report_is_not_looked_at(credwarden: Run, traces: Traces, tmp_path: Path) -> None:
    traces.key("unused", used=OLD)
    arguments = traces.saved()
    content = base64.b64encode((tmp_path / "report.csv").read_bytes()).decode()
    for hours, plan in ((4, "remove"), (6, "ask-owner")):
        report = {"Content": content, "GeneratedTime": ago(hours=hours)}
        (tmp_path / "report.json").write_text(json.dumps(report))
        done = credwarden("trace", "--credential-report", "report.json", *arguments[2:], "--format", "json")
        (one,) = json.loads(done.output)["keys"]
        assert one["plan"] == plan and [gap["what"] for gap in one["not_looked_at"]] == ["later uses"] * (hours > 5)


def test_regions_without_an_interface_in_the_files_are_named(credwarden: Run, traces: Traces, tmp_path: Path) -> None:
    key = traces.key("person", used=RECENT)
    traces.use(key, "203.0.113.9", AWS_CLI)
    traces.interfaces = [instance("i-1", "198.51.100.7")]
    one = only(credwarden, traces)
    regions = {gap["region"] for gap in one["not_looked_at"] if gap["what"].startswith("network interfaces")}
    assert regions == set(DEFAULT) - {HOME}
    # An empty list is that of another Region.
    (tmp_path / "none.json").write_text('{"NetworkInterfaces": []}')
    one = only(credwarden, traces, *["--network-interfaces", "none.json"] * 16)
    assert one["not_looked_at"] == [] and one["plan"] == "sign-in"


def test_the_key_of_an_event_is_that_of_the_look_up_if_its_record_has_none(
    credwarden: Run, traces: Traces, tmp_path: Path
) -> None:
    key = traces.key("unused", used=OLD)
    made = record("", "unused", "203.0.113.9", BOTO3, eventID="e-1")
    answer = {"Events": [{"EventId": "e-1", "AccessKeyId": key, "CloudTrailEvent": json.dumps(made)}]}
    (tmp_path / "more.json").write_text(json.dumps(answer))
    assert only(credwarden, traces, "--events", f"{HOME}=more.json")["events"] == 1


def test_log_files_are_read_too_and_an_event_counts_once(credwarden: Run, traces: Traces, tmp_path: Path) -> None:
    key = traces.key("etl", used=RECENT)
    made = traces.use(key, "203.0.113.9", BOTO3, eventVersion="2.99", future={"a": [1, None]})
    data = record(
        key, "etl", "203.0.113.9", BOTO3, eventID="d-1", eventSource="s3.amazonaws.com", managementEvent=False
    )
    (tmp_path / "log.json.gz").write_bytes(gzip.compress(json.dumps({"Records": [made, data]}).encode()))
    one = only(credwarden, traces, "--events", f"{HOME}=log.json.gz")
    assert (one["events"], one["used_from"][0]["services"]) == (2, ["ec2", "s3"])


def test_users_and_keys_are_chosen(credwarden: Run, traces: Traces) -> None:
    sample(traces)
    young = traces.key("etl", created=RECENT)
    _, keys = traced(credwarden, traces, "--user", "etl")
    assert list(keys) == [traces.keys[0].id, young]
    assert keys[young]["plan"] == "ask-owner"
    _, keys = traced(credwarden, traces, "--key", young)
    assert list(keys) == [young]
    for options, error in [
        (["--user", "nobody"], "credwarden: the credential report has no user `nobody`\n"),
        (
            ["--key", "AKIAIOSFODNN7EXAMPLE"],
            "credwarden: no access key in the credential report is known to have the id AKIAIOSFODNN7EXAMPLE\n",
        ),
    ]:
        done = credwarden("trace", *traces.saved(), *options)
        assert (done.status, done.output, done.errors) == (2, "", error)


@pytest.mark.parametrize(
    "options", [["--days", "0"], ["--days", "91"], ["--key", "AKIA"], ["--user", "a", "--key", "A" * 20]]
)
def test_nonsense_is_refused(credwarden: Run, traces: Traces, options: list[str]) -> None:
    done = credwarden("trace", *traces.saved(), *options)
    assert (done.status, done.output) == (2, "")
    assert len(done.errors.splitlines()) == 1


@pytest.mark.parametrize(
    ("option", "text", "error"),
    [
        (f"--events={HOME}=x", "", "credwarden: x: the file is empty"),
        (
            f"--events={HOME}=x",
            '{"Events": [\n{"CloudTrailEvent": "{}"},\n{"CloudTrailEvent": "no JSON"}]}',
            "credwarden: x: the record of event 2 cannot be read as JSON: expected ident at line 1 column 2",
        ),
        (
            f"--events={HOME}=x",
            '{"Events": [],\n"NextToken": "more"}',
            'credwarden: x: the list is not whole ("NextToken"); `aws cloudtrail lookup-events` without --max-items is',
        ),
        (
            f"--events={HOME}=x",
            '{"Events": [\n{"CloudTrailEvent": ',
            "credwarden: x: cannot be read as JSON: EOF while parsing a value at line 2 column 20",
        ),
        (
            f"--events={HOME}=x",
            json.dumps(looked_up([record("A", "a", "203.0.113.9", BOTO3, recipientAccountId="999999999999")])),
            "credwarden: x: not what `aws cloudtrail lookup-events` prints: it has an event of account 999999999999, "
            f"and the report is of {ACCOUNT}",
        ),
        (
            "--network-interfaces=x",
            "{}",
            'credwarden: x: not what `aws ec2 describe-network-interfaces` prints: it has no "NetworkInterfaces"',
        ),
        (
            "--addresses=x",
            '{"Addresses": [{"PublicIp": "here"}]}',
            "credwarden: x: not what `aws ec2 describe-addresses` prints: `here` is not an address",
        ),
        (
            "--access-keys=x",
            '{"AccessKeyMetadata": [], "IsTruncated": true}',
            'credwarden: x: the list is not whole ("NextToken"); `aws iam list-access-keys` without --max-items is',
        ),
        (
            "--access-keys=x",
            '{"AccessKeyMetadata": [{"UserName": "a"}]}',
            "credwarden: x: cannot be read as JSON: missing field `AccessKeyId` at line 1 column 40",
        ),
        (
            "--regions=x",
            "{}",
            'credwarden: x: not what `aws ec2 describe-regions` prints: it has no "Regions"',
        ),
    ],
)
def test_damaged_files_are_refused(
    credwarden: Run, traces: Traces, tmp_path: Path, option: str, text: str, error: str
) -> None:
    traces.key("etl")
    (tmp_path / "x").write_text(text)
    done = credwarden("trace", *traces.saved(), option)
    assert (done.status, done.output, done.errors) == (2, "", error + "\n")


def test_an_input_file_is_not_overwritten(credwarden: Run, traces: Traces, tmp_path: Path) -> None:
    traces.key("etl")
    done = credwarden("trace", *traces.saved(), "--output", f"{HOME}.json")
    assert (done.status, done.output) == (2, "")
    assert json.loads((tmp_path / f"{HOME}.json").read_text()) == {"Events": []}


def test_the_plan_groups_keys_and_the_users_that_can_go(credwarden: Run, traces: Traces) -> None:
    plans = sample(traces)
    status, document = read(credwarden, "plan", traces)
    assert status == 1
    groups = {one["plan"]: one for one in document["groups"]}
    assert list(groups) == ["incident", "remove", "remove-user", "sign-in", "replace-by-role", "ask-owner"]
    of_keys = {plan: {key["access_key_id"] for key in one["keys"]} for plan, one in groups.items() if "keys" in one}
    assert of_keys == {plan: {id for id, of in plans.items() if of == plan} for plan in of_keys}
    assert all(one["count"] == len(one.get("keys") or one["users"]) for one in groups.values())
    users = [one["user"] for one in groups["remove-user"]["users"]]
    assert users == ["inactive", "never-used", "unused"]
    # A service-specific credential, or one that may be there, keeps its user.
    del traces.documents["service-credentials"]
    _, document = read(credwarden, "plan", traces)
    (group,) = [one for one in document["groups"] if one["plan"] == "remove-user"]
    assert [one["user"] for one in group["users"]] == ["inactive"], "its finding says what was not looked at"


def test_a_second_key_that_is_not_removed_keeps_its_user(credwarden: Run, traces: Traces) -> None:
    traces.key("unused", used=OLD)
    _, document = read(credwarden, "plan", traces)
    assert [one["plan"] for one in document["groups"]] == ["remove", "remove-user"]
    traces.key("unused", used=RECENT, created=RECENT)
    _, document = read(credwarden, "plan", traces)
    assert [one["plan"] for one in document["groups"]] == ["remove"]


def test_no_user_is_removed_whose_key_is_to_be_asked_about(credwarden: Run, traces: Traces) -> None:
    key = traces.key("inactive", active=False)
    traces.key("other", active=False)
    traces.use(key, "203.0.113.9", BOTO3)
    _, document = read(credwarden, "plan", traces)
    (users,) = [one["users"] for one in document["groups"] if one["plan"] == "remove-user"]
    assert [one["user"] for one in users] == ["other"]
    _, document = read(credwarden, "plan", traces, "--user", "inactive")
    assert [one["plan"] for one in document["groups"]] == ["ask-owner"]


def test_the_spreadsheet_has_a_safe_row_for_each(credwarden: Run, traces: Traces) -> None:
    key = traces.key("=cmd", used=RECENT)
    traces.use(key, "203.0.113.9", "=HYPERLINK(1) x")
    traces.key("inactive", active=False)
    done = credwarden("plan", *traces.saved(), "--format", "csv")
    assert (done.status, done.errors) == (0, "")
    rows = list(csv.DictReader(io.StringIO(done.output)))
    assert [(row["plan"], row["user"]) for row in rows] == [
        ("remove", "inactive"),
        ("remove-user", "inactive"),
        ("ask-owner", "'=cmd"),
    ]
    assert "delete-access-key" in rows[0]["remediation"] and "delete-user" in rows[1]["remediation"]
    assert all(cell[:1] not in "=+-@" for row in rows for cell in row.values() if cell)


@pytest.mark.parametrize("command", ["trace", "plan"])
def test_the_table_escapes_what_is_hostile(credwarden: Run, traces: Traces, command: str) -> None:
    key = traces.key("a\u202eb", used=RECENT)
    traces.use(key, "203.0.113.9\u001b[2J", "x\u001b[31m\u202e/1", eventName="Describe\u001b]0;x\u0007")
    done = credwarden(command, *traces.saved())
    assert done.status == 0
    assert "\\u{202e}" in done.output
    assert not {"\u001b", "\u202e", "\u0007"} & set(done.output)


@pytest.mark.parametrize("name", sorted(path.name for path in PUBLISHED.glob("describe-network-interfaces-*.json")))
def test_published_interfaces_are_read(credwarden: Run, traces: Traces, name: str) -> None:
    key = traces.key("etl", used=RECENT)
    addresses = {
        "describe-network-interfaces-ec2-instance.json": ("203.0.113.12", "organization-network"),
        "describe-network-interfaces-fargate.json": ("3.80.3.41", "organization-network"),
        "describe-network-interfaces-nat-gateway-and-fargate.json": ("18.194.71.107", "organization-network"),
        "describe-network-interfaces-unattached.json": ("203.0.113.12", "outside"),
    }
    address, kind = addresses[name]
    traces.use(key, address, BOTO3)
    traces.interfaces = None
    one = only(credwarden, traces, "--network-interfaces", str(PUBLISHED / name))
    assert [place["kind"] for place in one["used_from"]] == [kind], one["verdict"]


@pytest.mark.parametrize("name", sorted(path.name for path in PUBLISHED.glob("describe-addresses-*.json")))
def test_published_addresses_are_read(credwarden: Run, traces: Traces, name: str) -> None:
    key = traces.key("etl", used=RECENT)
    (first, *_) = json.loads((PUBLISHED / name).read_text())["Addresses"]
    traces.use(key, first["PublicIp"], BOTO3)
    traces.addresses = None
    one = only(credwarden, traces, "--addresses", str(PUBLISHED / name))
    # A classic address has no owner: it may be ours, on no interface that was read.
    kind = "organization-network" if "NetworkInterfaceOwnerId" in first else "unknown"
    assert [place["kind"] for place in one["used_from"]] == [kind], one["verdict"]


def test_published_records_are_read(credwarden: Run, traces: Traces) -> None:
    kms = json.loads((PUBLISHED / "kms-vpc-endpoint-iam-user.json").read_text())
    session = json.loads((PUBLISHED / "assume-role-iam-user.json").read_text())
    key = traces.key("Alice", used=RECENT)
    now = {"eventTime": "2026-11-18T06:00:00Z", "recipientAccountId": ACCOUNT, "awsRegion": HOME}
    for one in (kms, session):
        one["userIdentity"] |= {"accessKeyId": key, "userName": "Alice", "accountId": ACCOUNT}
        traces.events[HOME].append({**one, **now})
    one = only(credwarden, traces)
    assert [(place["kind"], place["what"]) for place in one["used_from"]] == [
        ("role-session", "sessions of arn:aws:iam::111122223333:role/EC2-dev"),
        ("unknown", "unknown place"),
    ], "the endpoint's account is in neither the record nor the files"
    owned = {**kms, **now, "vpcEndpointAccountId": ACCOUNT}
    traces.events[HOME] = [owned]
    assert only(credwarden, traces)["used_from"][0]["kind"] == "own-network"


def test_memory_does_not_grow_with_the_number_of_events(binary: Path, traces: Traces, tmp_path: Path) -> None:
    key = traces.key("busy", used=RECENT)
    arguments = traces.saved()
    peaks = {}
    for count in (1_000, 100_000):
        start = json.dumps(record(key, "busy", "198.51.100.7", BOTO3, eventID="ID"))
        with (tmp_path / "busy.json").open("w") as file:
            file.write('{"Records": [')
            for number in range(count):
                file.write(("," if number else "") + start.replace('"ID"', f'"{number:032x}"'))
            file.write("]}")
        output = tmp_path / f"{count}.json"
        options = ["--events", f"{HOME}=busy.json", "--format", "json", "--output", output]
        process = subprocess.Popen([binary, "trace", *arguments, *options], cwd=tmp_path, env={"HOME": str(tmp_path)})
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        (one,) = json.loads(output.read_text())["keys"]
        assert one["events"] == count
        peaks[count] = usage.ru_maxrss / 1024
    # The ids of 100,000 events, as hashes.
    assert peaks[100_000] - peaks[1_000] < 8, f"MiB: {peaks}"


def test_every_region_is_a_default_one(credwarden: Run, traces: Traces) -> None:
    traces.key("never-used")
    traces.events = {}
    one = only(credwarden, traces)
    assert sorted(gap["region"] for gap in one["not_looked_at"]) == sorted(DEFAULT)
