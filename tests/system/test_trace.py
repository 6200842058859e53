"""`credwarden trace` and `plan` without files: they read the live account, CloudTrail's history and the networks."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from emulator import binaries, records
from emulator.account import key_id
from emulator.launcher import ACCOUNT, REGION
from emulator.process import Emulator
from emulator.records import from_address, iam_user, record, series
from roles import READING, caller

Run = Callable[..., subprocess.CompletedProcess]
SCHEMA = json.loads((binaries.ROOT / "functions" / "cli" / "trace.schema.json").read_text())
GUIDE = (binaries.ROOT / "functions" / "cli" / "README.md").read_text()
POLICY = json.loads(GUIDE.split("<!-- trace-policy -->\n```json\n")[1].split("```")[0])
ACTIONS = POLICY["Statement"][0]["Action"]
LOOK_UP, INTERFACES = "cloudtrail:LookupEvents", "ec2:DescribeNetworkInterfaces"
EVERY = ("--access-key-max-age-days", "20")
"""With it, all keys of the sample account that are used have a finding."""
ALWAYS = 10_000
EU, US = "eu-west-1", "us-east-1"
LAPTOP = from_address("203.0.113.77", records.LAPTOP)


@pytest.fixture
def command(emulator: Emulator, tmp_path: Path) -> Run:
    """Runs the command line with a role that has the documented policy, but for the action that is `without`."""
    return caller(emulator, tmp_path, ACTIONS)


@pytest.fixture
def tracing(command: Run) -> Run:
    """Runs `credwarden trace` so."""
    return partial(command, "trace")


def keys(done: subprocess.CompletedProcess) -> dict[str, dict]:
    """Returns what is printed of each key, by its id."""
    document = json.loads(done.stdout)
    jsonschema.validate(document, SCHEMA)
    assert document["account_id"] == ACCOUNT
    return {one["access_key_id"]: one for one in document["keys"]}


def gaps(key: dict) -> set[tuple[str, str | None]]:
    return {(one["what"], one["region"]) for one in key["not_looked_at"]}


def of(user: str, slot: int = 0) -> str:
    return key_id(ACCOUNT, user, slot)


ETL, LAPTOP_KEY, GITHUB, LEAKED, UNUSED = of("etl", 1), of("rotating"), of("ci-deploy"), of("metrics"), of("unused")


def test_each_key_of_the_sample_account_has_its_plan(emulator: Emulator, tracing: Run) -> None:
    done = tracing(*EVERY, "--format", "json")
    traced = keys(done)
    terraform = of("terraform+prod=eu,team.a@example.com")
    plans = {
        **{ETL: ("replace-by-role", ["own-instance"]), terraform: ("replace-by-role", ["own-network"])},
        **{LAPTOP_KEY: ("sign-in", ["outside"]), LEAKED: ("incident", ["outside"])},
        **{of("backup"): ("ask-owner", []), UNUSED: ("remove", []), of("legacy-mailer"): ("remove", [])},
    }
    for id, (plan, kinds) in plans.items():
        assert (traced[id]["plan"], [one["kind"] for one in traced[id]["used_from"]]) == (plan, kinds), traced[id]
    assert traced[GITHUB]["plan"] == "replace-by-role" and traced[GITHUB]["used_from"][0]["what"] == "GitHub Actions"
    assert done.returncode == 1
    assert gaps(traced[of("backup")]) == {("data events", None)}, "the key was used for S3 only"
    # Exactly what the documentation grants: of S3, its user's services; networks once in each Region.
    calls = emulator.calls()
    assert set(calls) == set(ACTIONS)
    assert calls[INTERFACES]["count"] == calls["ec2:DescribeAddresses"]["count"] == 17
    assert calls[LOOK_UP]["count"] == 17 * sum(id is not None for id in traced)


def test_without_events_the_networks_are_not_read(emulator: Emulator, tracing: Run) -> None:
    emulator.forget_events()
    done = tracing("--user", "unused", "--format", "json")
    assert (done.returncode, done.stderr, keys(done)[UNUSED]["plan"]) == (0, "", "remove")
    assert INTERFACES not in emulator.calls() and "ec2:DescribeAddresses" not in emulator.calls()


@pytest.mark.parametrize("action", sorted(set(ACTIONS) - {"iam:ListVirtualMFADevices", "iam:GetAccountSummary"}))
def test_each_action_is_needed(emulator: Emulator, tracing: Run, action: str) -> None:
    """Nothing is removed for want of a permission, except what does not rest on it."""
    options = ["--format", "json"]
    is_of_report = action in ("iam:GenerateCredentialReport", "iam:GetCredentialReport")
    complete = {} if is_of_report else keys(tracing(*options))
    done = tracing(*options, without=action)
    assert done.returncode in (1, 3)
    traced = keys(done)
    if is_of_report:
        assert (done.returncode, traced) == (3, {}) and action.split(":")[1] in done.stderr
    elif action == "iam:ListServiceSpecificCredentials":
        assert "ListServiceSpecificCredentials" in done.stderr and traced.keys() == complete.keys()
    elif action == "iam:ListAccessKeys":
        assert set(traced) == {None} and {one["plan"] for one in json.loads(done.stdout)["keys"]} == {"ask-owner"}
        assert done.returncode == 3
    elif action in ("iam:GenerateServiceLastAccessedDetails", "iam:GetServiceLastAccessedDetails"):
        assert ("services last accessed", None) in gaps(traced[of("backup")])
    elif action == "iam:GetAccessKeyLastUsed":
        assert ("last use", None) in gaps(traced[UNUSED]) and traced[UNUSED]["plan"] == "ask-owner"
    elif action == LOOK_UP:
        assert {region for _, region in gaps(traced[UNUSED])} > {EU, US}
        assert traced[UNUSED]["plan"] == "ask-owner" and traced[LEAKED]["events"] == 0
    elif action == "ec2:DescribeRegions":
        assert ("Regions", None) in gaps(traced[UNUSED]) and traced[UNUSED]["plan"] == "ask-owner"
    else:
        what = {INTERFACES: "network interfaces", "ec2:DescribeAddresses": "Elastic IP addresses"}[action]
        assert (what, EU) in gaps(traced[LAPTOP_KEY])
        place = "unknown" if action == INTERFACES else "outside"
        assert traced[LAPTOP_KEY]["used_from"][0]["kind"] == place


@pytest.mark.parametrize("how", ["throttled", "silence", "garbage", "cut"])
def test_a_look_up_that_fails_for_a_while_is_tried_again(emulator: Emulator, tracing: Run, how: str) -> None:
    emulator.fail({"action": LOOK_UP, "region": EU, "how": how, "times": 1})
    done = tracing("--user", "unused", "--format", "json")
    assert (done.returncode, keys(done)[UNUSED]["plan"]) == (0, "remove"), done.stderr
    assert [one["region"] for one in emulator.call_log(LOOK_UP)].count(EU) == 2


def test_a_region_that_refuses_is_asked_once(emulator: Emulator, tracing: Run) -> None:
    emulator.fail({"action": LOOK_UP, "region": EU, "how": "denied-by-scp", "times": ALWAYS})
    done = tracing("--format", "json")
    traced = keys(done)
    assert ("events", EU) in gaps(traced[UNUSED]) and traced[UNUSED]["plan"] == "ask-owner"
    assert "service control policy" in next(one["reason"] for one in traced[UNUSED]["not_looked_at"])
    assert [one["region"] for one in emulator.call_log(LOOK_UP)].count(EU) == 1


def test_a_throttle_is_waited_for(emulator: Emulator, tracing: Run) -> None:
    emulator.fail({"action": LOOK_UP, "region": EU, "how": "throttled", "times": 2})
    done = tracing("--user", "unused", "--format", "json")
    assert (done.returncode, keys(done)[UNUSED]["plan"]) == (0, "remove")
    assert EU in done.stderr and len(done.stderr.splitlines()) == 1


def test_interfaces_of_a_region_that_refuses_keep_places_unknown(emulator: Emulator, tracing: Run) -> None:
    emulator.fail({"action": INTERFACES, "region": "ap-south-1", "how": "denied-by-scp", "times": ALWAYS})
    done = tracing("--user", "rotating", "--format", "json")
    one = keys(done)[LAPTOP_KEY]
    assert (one["plan"], one["used_from"][0]["kind"]) == ("ask-owner", "unknown")
    assert ("network interfaces", "ap-south-1") in gaps(one) and done.returncode == 3


def test_a_page_of_html_is_not_an_empty_list(emulator: Emulator, tracing: Run) -> None:
    emulator.fail(
        {"action": INTERFACES, "region": "ap-south-1", "how": "garbage", "times": 1},
        {"action": INTERFACES, "region": "ap-south-1", "how": "denied", "times": ALWAYS},
    )
    done = tracing("--user", "rotating", "--format", "json")
    assert keys(done)[LAPTOP_KEY]["used_from"][0]["kind"] == "unknown" and done.returncode == 3


def test_a_busy_key_is_sampled_and_its_second_place_is_found(emulator: Emulator, tracing: Run) -> None:
    """10,000 events from one place, and one each day at the same hour from another."""
    user = iam_user("rotating")
    here = record(
        "DescribeInstances", user, "-1d", EU, "ec2.amazonaws.com", **from_address("192.0.2.7", records.PYTHON)
    )
    there = record("DescribeKeyPairs", user, "-1d3h", EU, "ec2.amazonaws.com", **LAPTOP)
    emulator.forget_events()
    emulator.add_events(EU, series(here, "12m", "84d") + series(there, "1d", "84d"))
    done = tracing("--user", "rotating", "--format", "json")
    one = keys(done)[LAPTOP_KEY]
    assert one["sampled"] and {place["address"] for place in one["used_from"]} == {"192.0.2.7", "203.0.113.77"}
    looked_up = [call["region"] for call in emulator.call_log(LOOK_UP)].count(EU)
    assert one["events"] <= 50 * looked_up and looked_up <= 92 + 2 * 2, looked_up


def test_a_key_is_traced_by_its_id(emulator: Emulator, tracing: Run) -> None:
    done = tracing("--key", ETL, "--format", "json")
    assert (done.returncode, list(keys(done))) == (0, [ETL])
    unknown = tracing("--key", "AKIAIOSFODNN7EXAMPLE", "--format", "json")
    assert unknown.returncode in (2, 3) and "AKIAIOSFODNN7EXAMPLE" in unknown.stderr + unknown.stdout


def test_a_later_use_than_the_reports_counts(emulator: Emulator, tracing: Run) -> None:
    assert keys(tracing("--user", "unused", "--format", "json"))[UNUSED]["plan"] == "remove"
    emulator.change_account("use-key", name="unused", slot=0, when="-5m", service="ec2", region=EU)
    one = keys(tracing("--user", "unused", "--format", "json"))[UNUSED]
    assert one["plan"] == "ask-owner" and one["last_used"]["service"] == "ec2"


def test_a_row_of_another_account_may_be_a_key_that_is_not_traced(emulator: Emulator, tracing: Run) -> None:
    rows = emulator.report().replace(f"{ACCOUNT}:user/metrics", "999988887777:user/metrics")
    emulator.change_account("report", text=rows)
    done = tracing("--user", "unused", "--format", "json")
    assert done.returncode == 3 and keys(done).keys() == {UNUSED}
    assert "credwarden: the credential report has 1 row of another account, the first in line " in done.stderr


def test_files_and_the_live_account_give_the_same_trace(emulator: Emulator, tracing: Run, tmp_path: Path) -> None:
    live = keys(tracing(*EVERY, "--format", "json"))
    iam = emulator.client("iam")
    report = iam.get_credential_report()
    now = report["GeneratedTime"].isoformat()
    arguments = ["--now", now]

    def save(option: str, name: str, document: Any) -> None:
        (tmp_path / name).write_text(json.dumps(document, default=lambda time: time.isoformat()))
        arguments.extend([option, name])

    content = base64.b64encode(report["Content"]).decode()
    save("--credential-report", "report.json", {"Content": content, "GeneratedTime": now})
    for number, user in enumerate(iam.get_paginator("list_users").paginate().search("Users[].UserName")):
        listed = iam.list_access_keys(UserName=user)["AccessKeyMetadata"]
        save("--access-keys", f"keys-{number}.json", {"AccessKeyMetadata": listed})
    regions = emulator.client("ec2").describe_regions()["Regions"]
    save("--regions", "regions.json", {"Regions": regions})
    for region in (one["RegionName"] for one in regions):
        pages = emulator.client("cloudtrail", region=region).get_paginator("lookup_events").paginate()
        found = [one for page in pages for one in page["Events"]]
        (tmp_path / f"{region}.json").write_text(json.dumps({"Events": found}, default=str))
        arguments.extend(["--events", f"{region}={region}.json"])
        ec2 = emulator.client("ec2", region=region)
        interfaces = ec2.describe_network_interfaces(IncludeManagedResources=True)["NetworkInterfaces"]
        save("--network-interfaces", f"interfaces-{region}.json", {"NetworkInterfaces": interfaces})
        save("--addresses", f"addresses-{region}.json", {"Addresses": ec2.describe_addresses()["Addresses"]})
    done = subprocess.run(
        [binaries.command_line(), "trace", *arguments, *EVERY, "--format", "json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    assert done.stderr == ""
    saved = keys(done)
    assert saved.keys() == live.keys()
    for id, one in live.items():
        same = ("user", "created", "last_used", "plan", "used_from", "events", "sampled")
        assert {name: saved[id][name] for name in same} == {name: one[name] for name in same}


def test_the_checkers_role_has_none_of_it() -> None:
    assert set(ACTIONS) - READING == {
        *(LOOK_UP, INTERFACES, "ec2:DescribeAddresses", "ec2:DescribeRegions", "iam:GetAccessKeyLastUsed"),
        *("iam:GenerateServiceLastAccessedDetails", "iam:GetServiceLastAccessedDetails"),
    }
    template = (binaries.ROOT / "template.yaml").read_text()
    assert all(action not in template for action in set(ACTIONS) - READING)


def test_the_plan_is_printed_of_the_live_account(emulator: Emulator, command: Run) -> None:
    done = command("plan", *EVERY)
    assert done.returncode == 1
    titles = [line.split(": ")[0] for line in done.stdout.splitlines() if line[:1].isdigit()]
    assert titles == [
        *("1. incident", "2. remove", "3. remove-user", "4. sign-in", "5. replace-by-role", "6. ask-owner"),
    ]


def test_without_credentials_nothing_is_traced(emulator: Emulator, tmp_path: Path) -> None:
    done = subprocess.run(
        [binaries.command_line(), "trace", "--format", "json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": REGION},
    )
    assert done.returncode == 3 and json.loads(done.stdout)["keys"] == []
    assert "no AWS credentials" in done.stderr
