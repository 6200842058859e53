"""The emulator's Security Hub is as strict as AWS's: the system tests rely on it."""

from __future__ import annotations

import concurrent.futures
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session

from emulator.launcher import ACCOUNT, REGION, SECRET
from emulator.neighbours import MEMBER, neighbours
from emulator.process import Emulator

PRODUCT = f"arn:aws:securityhub:{REGION}:{ACCOUNT}:product/{ACCOUNT}/default"
T0, T1, T2 = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00.5Z", "2026-01-03T00:00:00+00:00"


def finding(identity: str = "credwarden/x", **changes: Any) -> dict:
    """Returns a valid finding with these changes; the value ... leaves the field out."""
    whole = {
        "SchemaVersion": "2018-10-08",
        "Id": identity,
        "ProductArn": PRODUCT,
        "GeneratorId": "credwarden/root-access-key-active",
        "AwsAccountId": ACCOUNT,
        "CreatedAt": T0,
        "UpdatedAt": T0,
        "Title": "The root user has an active access key",
        "Description": "It was last used yesterday.",
        "Resources": [{"Type": "AwsAccount", "Id": f"AWS::::Account:{ACCOUNT}"}],
        "FindingProviderFields": {"Severity": {"Label": "CRITICAL"}, "Types": ["TTPs/Persistence"]},
        "Compliance": {"Status": "FAILED"},
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not ...}


def changed(path: str, value: Any) -> dict:
    """Returns the valid finding with one value placed at `path`, where a number is a list's index."""
    whole = finding()
    place: Any = whole
    names = [int(name) if name.isdigit() else name for name in path.split(".")]
    for name, following in zip(names, names[1:]):
        if isinstance(place, list):
            while len(place) <= name:
                place.append([] if isinstance(following, int) else {})
            place = place[name]
        else:
            place = place.setdefault(name, [] if isinstance(following, int) else {})
    if isinstance(place, list):
        place[:] = [value]
    else:
        place[names[-1]] = value
    return whole


def text(length: int) -> str:
    return "x" * length


def resource(**more: Any) -> dict:
    return {"Type": "AwsIamUser", "Id": f"arn:aws:iam::{ACCOUNT}:user/a", **more}


def imported(hub: Any, *findings: dict) -> list[dict]:
    return hub.batch_import_findings(Findings=list(findings))["FailedFindings"]


def stored(hub: Any, identity: str = "credwarden/x") -> dict:
    (found,) = hub.get_findings(Filters={"Id": [{"Value": identity, "Comparison": "EQUALS"}]})["Findings"]
    return found


def mark(hub: Any, status: str, *identities: str) -> dict:
    return hub.batch_update_findings(
        FindingIdentifiers=[{"Id": one, "ProductArn": PRODUCT} for one in identities or ["credwarden/x"]],
        Workflow={"Status": status},
    )


def error_code(call: Any, **arguments: Any) -> tuple[str, int]:
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


# The table of requests and responses; the hub in memory, it/world.rs, must return the same responses.


def _table() -> dict:
    text = (Path(__file__).resolve().parent.parent / "security_hub.json").read_text()
    for name, value in {"account": ACCOUNT, "region": REGION, "product": PRODUCT}.items():
        text = text.replace(f"{{{name}}}", value)
    return json.loads(text)


TABLE = _table()


def expanded(value: Any) -> Any:
    """Returns a value of the table with every `like` and every `times` expanded."""
    if isinstance(value, list):
        return [item for one in value for item in repeated(one)]
    if not isinstance(value, dict):
        return value
    base = expanded(TABLE["values"][value["like"]]) if "like" in value else {}
    return {**base, **{name: expanded(member) for name, member in value.items() if name != "like"}}


def repeated(item: Any) -> list:
    if not isinstance(item, dict) or "times" not in item:
        return [expanded(item)]
    text = json.dumps({name: member for name, member in item.items() if name != "times"})
    return [expanded(json.loads(text.replace("{n}", str(number + 1)))) for number in range(item["times"])]


def without_nulls(value: Any) -> Any:
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    if isinstance(value, dict):
        return {name: without_nulls(member) for name, member in value.items() if member is not None}
    return value


def differences(expected: Any, actual: Any, path: str) -> Iterator[str]:
    """Yields the differences between a response and the table."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        for name, member in expected.items():
            yield from differences(member, actual.get(name), f"{path}.{name}")
    elif isinstance(expected, list) and isinstance(actual, list) and any(isinstance(item, dict) for item in expected):
        wanted, given = (sorted(items, key=identity) for items in (expected, actual))
        if [identity(item) for item in wanted] != [identity(item) for item in given]:
            yield f"{path}: expected {[identity(item) for item in wanted]}, got {[identity(item) for item in given]}"
            return
        for one, other in zip(wanted, given):
            yield from differences(one, other, f"{path}[{identity(one)}]")
    elif expected != actual:
        yield f"{path}: expected {expected!r}, got {actual!r}"


def identity(item: dict) -> str:
    return item["Id"] if "Id" in item else item["FindingIdentifier"]["Id"]


def answered(hub: Any, operation: str, request: dict) -> tuple[int, str | None, dict, int]:
    """Returns the response with the findings of all its pages, and the number of pages."""
    status, code, answer = call(hub, operation, request)
    pages, token, findings = 1, answer.get("NextToken"), answer.get("Findings", [])
    assert len(findings) <= request.get("MaxResults", 0)
    while token:
        _, _, page = call(hub, operation, {**request, "NextToken": token})
        assert 0 < len(page["Findings"]) <= request["MaxResults"]
        findings += page["Findings"]
        pages, token = pages + 1, page.get("NextToken")
    return status, code, {**answer, "NextToken": token}, pages


@pytest.mark.parametrize("case", [pytest.param(case, id=case["rule"]) for case in TABLE["cases"]])
def test_responses_match_the_table(hub: Any, emulator: Emulator, case: dict) -> None:
    for placed in without_nulls(expanded(case.get("before", []))):
        emulator.control("POST", "findings", placed)
    for number, step in enumerate(case["steps"], start=1):
        where = f"step {number}, {step['call']}"
        request = without_nulls(expanded(step.get("request", {})))
        status, code, answer, pages = answered(hub, step["call"], request)
        error = expanded(step.get("error", {"status": 200, "code": None}))
        assert (status, code) == (error["status"], error["code"]), where
        assert list(differences(expanded(step.get("answer", {})), answer, where)) == []
        assert step.get("pages") != "several" or pages > 1, where


# The last value within a limit, and the first one outside it.
LIMITS = [
    ("Id", text(512), text(513)),
    ("GeneratorId", text(512), text(513)),
    ("Title", text(256), text(257)),
    ("Title", "ü" * 256, "ü" * 257),
    ("Title", "x", "   "),
    ("Title", "x", ""),
    ("Description", text(1024), text(1025)),
    ("ProductName", text(128), text(129)),
    ("CompanyName", text(128), text(129)),
    ("AwsAccountName", text(50), text(51)),
    ("Region", text(16), text(17)),
    ("SchemaVersion", "2018-10-08", "2018-10-09"),
    ("CreatedAt", "2026-01-01T00:00:00Z", "2026-01-01"),
    ("CreatedAt", "2026-01-01T00:00:00.123456789Z", "2026-01-01T00:00:00.1234567890Z"),
    ("CreatedAt", "2026-01-01T00:00:00+18:00", "2026-01-01T00:00:00+18:01"),
    ("UpdatedAt", "2026-02-28T00:00:00Z", "2026-02-30T00:00:00Z"),
    ("FirstObservedAt", "2026-01-01T00:00:00-0500", "2026-01-01 00:00:00Z"),
    ("LastObservedAt", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00"),
    ("Severity.Original", text(64), text(65)),
    ("FindingProviderFields.Severity.Original", text(64), text(65)),
    ("FindingProviderFields.Severity.Label", "LOW", "low"),
    ("FindingProviderFields.Types", ["a/b/c"] * 50, ["a/b/c"] * 51),
    ("FindingProviderFields.Types", ["a/b/c"], ["a/b/c/d"]),
    ("FindingProviderFields.Confidence", 100, 101),
    ("FindingProviderFields.Criticality", 0, -1),
    ("Remediation.Recommendation.Text", text(512), text(513)),
    ("Remediation.Recommendation.Text", "x", ""),
    ("ProductFields", {f"k{n}": "v" for n in range(50)}, {f"k{n}": "v" for n in range(51)}),
    ("ProductFields", {text(128): "v"}, {text(129): "v"}),
    ("ProductFields", {"k": text(2048)}, {"k": text(2049)}),
    ("ProductFields", {"k": "v"}, {"k": ""}),
    ("ProductFields", {"k": "1"}, {"k": 1}),
    ("UserDefinedFields", {"k": text(1024)}, {"k": text(1025)}),
    ("UserDefinedFields", {f"k{n}": "v" for n in range(50)}, {f"k{n}": "v" for n in range(51)}),
    ("Resources", [resource()] * 32, [resource()] * 33),
    ("Resources", [resource()], []),
    ("Resources", [resource(Type=text(256))], [resource(Type=text(257))]),
    ("Resources", [resource(Region=text(16))], [resource(Region=text(17))]),
    ("Resources", [resource(Partition="aws-cn")], [resource(Partition="aws-moon")]),
    ("Resources", [resource()], [{"Type": "AwsIamUser"}]),
    (
        "Resources",
        [resource(Details={"AwsIamAccessKey": {"Status": "Inactive"}})],
        [resource(Details={"AwsIamAccessKey": {"Status": "Expired"}})],
    ),
    (
        "Resources",
        [resource(Details={"AwsIamAccessKey": {"CreatedAt": T0}})],
        [resource(Details={"AwsIamAccessKey": {"CreatedAt": "20260101T000000Z"}})],
    ),
    (
        "Resources",
        [resource(Details={"AwsIamUser": {"CreateDate": T0}})],
        [resource(Details={"AwsIamUser": {"Created": T0}})],
    ),
    (
        "Resources",
        [resource(Details={"AwsIamUser": {"UserName": "a"}})],
        [resource(Details={"AwsIamUser": {"UserName": ""}})],
    ),
    ("Compliance.Status", "NOT_AVAILABLE", "UNKNOWN"),
    ("Compliance.RelatedRequirements", ["x"] * 32, ["x"] * 33),
    ("Compliance.RelatedRequirements", [text(64)], [text(65)]),
    ("Compliance.AssociatedStandards", [{"StandardsId": "x"}] * 20, [{"StandardsId": "x"}] * 21),
    ("Compliance.StatusReasons", [{"ReasonCode": "x"}], [{"Description": "x"}]),
    ("RelatedFindings", [{"ProductArn": PRODUCT, "Id": "x"}] * 10, [{"ProductArn": PRODUCT, "Id": "x"}] * 11),
    (
        "Note",
        {"Text": text(512), "UpdatedBy": "a", "UpdatedAt": T0},
        {"Text": text(513), "UpdatedBy": "a", "UpdatedAt": T0},
    ),
    ("RecordState", "ARCHIVED", "CLOSED"),
    ("Workflow.Status", "NOTIFIED", "ASSIGNED"),
    ("VerificationState", "TRUE_POSITIVE", "true"),
    ("Confidence", 5, "5"),
    ("Sample", True, "true"),
]


@pytest.fixture(scope="module")
def open_hub(running: Emulator) -> Any:
    """A hub that the tests of single findings share; they need no new one."""
    running.reset()
    client = running.client("securityhub", checked=False)
    client.enable_security_hub()
    return client


ROUTES = {
    "EnableSecurityHub": ("POST", "/accounts"),
    "DisableSecurityHub": ("DELETE", "/accounts"),
    "BatchImportFindings": ("POST", "/findings/import"),
    "BatchUpdateFindings": ("PATCH", "/findings/batchupdate"),
    "GetFindings": ("POST", "/findings"),
}


def call(hub: Any, operation: str, argument: dict) -> tuple[int, str | None, dict]:
    """Returns the status, the error's code and the response. The request is sent directly: botocore drops members that its
    model does not have."""
    method, path = ROUTES[operation]
    request = AWSRequest(
        method,
        hub.meta.endpoint_url + path,
        data=json.dumps(argument).encode(),
        headers={"Content-Type": "application/json"},
    )
    SigV4Auth(Credentials(ACCOUNT, SECRET), "securityhub", REGION).add_auth(request)
    answer = URLLib3Session().send(request.prepare())
    return answer.status_code, answer.headers.get("x-amzn-errortype"), json.loads(answer.content)


def post(hub: Any, findings: Any) -> tuple[int, dict]:
    status, _, answer = call(hub, "BatchImportFindings", {"Findings": findings})
    return status, answer


@pytest.mark.parametrize(("path", "inside", "outside"), LIMITS)
def test_a_field_is_accepted_up_to_its_limit_only(open_hub: Any, path: str, inside: Any, outside: Any) -> None:
    status, answer = post(open_hub, [changed(path, inside)])
    assert (status, answer["FailedFindings"]) == (200, [])
    status, answer = post(open_hub, [changed(path, outside)])
    assert status == 200
    (failure,) = answer["FailedFindings"]
    assert failure["ErrorCode"] == "InvalidInput"
    assert "does not adhere to Amazon Finding Format" in failure["ErrorMessage"]
    assert path.split(".")[0] in failure["ErrorMessage"]


@pytest.mark.parametrize(
    "name",
    [
        "SchemaVersion",
        "Id",
        "GeneratorId",
        "CreatedAt",
        "UpdatedAt",
        "Title",
        "Description",
        "Resources",
        "FindingProviderFields",
    ],
)
def test_a_required_field_may_not_be_missing(open_hub: Any, name: str) -> None:
    status, answer = post(open_hub, [finding(**{name: ...})])
    assert status == 200
    assert name in answer["FailedFindings"][0]["ErrorMessage"]


@pytest.mark.parametrize("provider", [{"Severity": {"Label": "LOW"}}, {"Types": ["TTPs"]}])
def test_severity_and_types_are_both_required(open_hub: Any, provider: dict) -> None:
    _, answer = post(open_hub, [finding(FindingProviderFields=provider)])
    assert answer["FailedFindings"][0]["ErrorCode"] == "InvalidInput"


def test_severity_and_types_at_the_top_level_are_enough(open_hub: Any) -> None:
    top = finding("credwarden/old-style", FindingProviderFields=..., Severity={"Normalized": 45}, Types=["TTPs"])
    _, answer = post(open_hub, [top])
    assert answer["FailedCount"] == 0
    assert stored(open_hub, "credwarden/old-style")["Severity"]["Label"] == "MEDIUM"


def test_an_unknown_field_is_refused(open_hub: Any) -> None:
    _, answer = post(open_hub, [finding(Verdict="FAILED")])
    assert "Verdict" in answer["FailedFindings"][0]["ErrorMessage"]


def test_a_finding_of_more_than_240_kilobytes_is_refused(open_hub: Any) -> None:
    def big(padding: int) -> dict:
        # 25 resources, each with some 9,600 bytes of tags.
        whole = finding(
            "credwarden/big", Resources=[resource(Tags={f"t{n}": text(300) for n in range(31)}) for _ in range(25)]
        )
        whole["Resources"][0]["Tags"]["pad"] = text(padding)
        return whole

    room = 240 * 1024 - len(json.dumps(big(1))) + 1
    _, answer = post(open_hub, [big(room)])
    assert answer["FailedFindings"] == []
    _, answer = post(open_hub, [big(room + 1)])
    assert "larger" in answer["FailedFindings"][0]["ErrorMessage"]


def test_one_wrong_finding_fails_alone(hub: Any) -> None:
    failed = imported(hub, finding("credwarden/a"), finding("credwarden/b", Title=text(257)), finding("credwarden/c"))
    assert [failure["Id"] for failure in failed] == ["credwarden/b"]
    assert stored(hub, "credwarden/a") and stored(hub, "credwarden/c")


@pytest.mark.parametrize(
    ("findings", "accepted"),
    [
        ([], False),
        ([finding(f"credwarden/{n}") for n in range(100)], True),
        ([finding(f"credwarden/{n}") for n in range(101)], False),
    ],
)
def test_a_call_takes_1_to_100_findings(open_hub: Any, findings: list, accepted: bool) -> None:
    assert (post(open_hub, findings)[0] == 200) is accepted


def test_a_call_takes_6_megabytes(open_hub: Any) -> None:
    tags = {f"t{n}": text(2000) for n in range(100)}
    heavy = [finding(f"credwarden/heavy-{n}", Resources=[resource(Tags=tags)]) for n in range(30)]
    assert post(open_hub, heavy[:30])[0] == 200
    assert (
        post(
            open_hub, [*heavy, *(finding(f"credwarden/heavier-{n}", Resources=[resource(Tags=tags)]) for n in range(5))]
        )[0]
        == 400
    )


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ProductArn": "arn:aws:securityhub"}, "InvalidInputException"),
        ({"AwsAccountId": MEMBER}, "AccessDeniedException"),
        ({"ProductArn": PRODUCT.replace(ACCOUNT, MEMBER)}, "AccessDeniedException"),
        ({"ProductArn": PRODUCT.replace(REGION, "us-east-1")}, "AccessDeniedException"),
    ],
)
def test_a_foreign_finding_fails_the_whole_call(hub: Any, changes: dict, code: str) -> None:
    assert error_code(hub.batch_import_findings, Findings=[finding(), finding("credwarden/y", **changes)])[0] == code
    assert hub.get_findings(Filters={"Id": [{"Value": "credwarden/x", "Comparison": "EQUALS"}]})["Findings"] == []


def test_an_integration_that_is_not_enabled_fails_the_finding(hub: Any) -> None:
    (failure,) = imported(hub, finding(ProductArn=f"arn:aws:securityhub:{REGION}::product/prowler/prowler"))
    assert failure["ErrorCode"] == "InvalidAccess"


def test_nothing_works_while_the_hub_is_off(emulator: Emulator) -> None:
    hub = emulator.client("securityhub")
    off = ("InvalidAccessException", 401)
    assert error_code(hub.describe_hub) == off
    assert error_code(hub.get_findings) == off
    assert error_code(hub.batch_import_findings, Findings=[finding()]) == off
    assert error_code(mark, hub=hub, status="NOTIFIED") == off
    hub.enable_security_hub()
    assert hub.describe_hub()["HubArn"] == f"arn:aws:securityhub:{REGION}:{ACCOUNT}:hub/default"
    assert error_code(hub.enable_security_hub) == ("ResourceConflictException", 409)
    hub.disable_security_hub()
    assert error_code(hub.describe_hub) == off


@pytest.mark.parametrize(
    ("updated", "title"),
    [(T0, "first"), ("2025-12-31T23:59:59Z", "first"), (T1, "second"), ("2026-01-01T00:00:00.000000001Z", "second")],
)
def test_an_import_is_ignored_unless_it_is_newer(hub: Any, updated: str, title: str) -> None:
    imported(hub, finding(Title="first"))
    assert imported(hub, finding(Title="second", UpdatedAt=updated)) == []
    assert stored(hub)["Title"] == title


def test_an_import_replaces_the_finding_except_peoples_fields(hub: Any) -> None:
    imported(hub, finding(SourceUrl="https://example.com/", ProductFields={"credwarden/a": "1"}))
    hub.batch_update_findings(
        FindingIdentifiers=[{"Id": "credwarden/x", "ProductArn": PRODUCT}],
        VerificationState="TRUE_POSITIVE",
        Note={"Text": "known", "UpdatedBy": "a"},
        UserDefinedFields={"ticket": "7"},
        Workflow={"Status": "NOTIFIED"},
    )
    imported(
        hub,
        finding(
            UpdatedAt=T1,
            CreatedAt=T1,
            ProductFields={"credwarden/b": "2"},
            Workflow={"Status": "NEW"},
            Note={"Text": "mine", "UpdatedBy": "tool", "UpdatedAt": T1},
            VerificationState="UNKNOWN",
        ),
    )
    after = stored(hub)
    assert after["Workflow"] == {"Status": "NOTIFIED"}
    assert (after["Note"]["Text"], after["UserDefinedFields"], after["VerificationState"]) == (
        "known",
        {"ticket": "7"},
        "TRUE_POSITIVE",
    )
    assert "SourceUrl" not in after
    assert "credwarden/a" not in after["ProductFields"] and after["ProductFields"]["credwarden/b"] == "2"
    assert (after["CreatedAt"], after["UpdatedAt"]) == (T1, T1)


def test_severity_and_types_set_by_people_are_kept(hub: Any) -> None:
    imported(hub, finding())
    assert (stored(hub)["Severity"]["Label"], stored(hub)["Severity"]["Normalized"]) == ("CRITICAL", 90)
    hub.batch_update_findings(
        FindingIdentifiers=[{"Id": "credwarden/x", "ProductArn": PRODUCT}], Severity={"Label": "LOW"}, Types=["Effects"]
    )
    imported(hub, finding(UpdatedAt=T1))
    after = stored(hub)
    assert (after["Severity"]["Label"], after["Types"]) == ("LOW", ["Effects"])
    assert after["FindingProviderFields"] == {"Severity": {"Label": "CRITICAL"}, "Types": ["TTPs/Persistence"]}


def test_an_update_does_not_change_the_time_of_the_last_import(hub: Any) -> None:
    imported(hub, finding())
    mark(hub, "NOTIFIED")
    assert stored(hub)["UpdatedAt"] == T0


@pytest.mark.parametrize(
    ("status", "before", "after", "expected"),
    [
        ("NOTIFIED", {"RecordState": "ARCHIVED"}, {"RecordState": "ACTIVE"}, "NEW"),
        ("RESOLVED", {"RecordState": "ARCHIVED"}, {"RecordState": "ACTIVE"}, "NEW"),
        ("SUPPRESSED", {"RecordState": "ARCHIVED"}, {"RecordState": "ACTIVE"}, "SUPPRESSED"),
        ("NOTIFIED", {"Compliance": {"Status": "PASSED"}}, {"Compliance": {"Status": "FAILED"}}, "NEW"),
        ("RESOLVED", {"Compliance": {"Status": "PASSED"}}, {"Compliance": {"Status": "WARNING"}}, "NEW"),
        ("NOTIFIED", {"Compliance": {"Status": "PASSED"}}, {"Compliance": {"Status": "NOT_AVAILABLE"}}, "NEW"),
        ("SUPPRESSED", {"Compliance": {"Status": "PASSED"}}, {"Compliance": {"Status": "FAILED"}}, "SUPPRESSED"),
        ("NOTIFIED", {}, {}, "NOTIFIED"),
        ("RESOLVED", {}, {}, "RESOLVED"),
        ("NOTIFIED", {}, {"RecordState": "ARCHIVED", "Compliance": {"Status": "PASSED"}}, "NOTIFIED"),
    ],
)
def test_a_workflow_is_reset_when_the_problem_returns(
    hub: Any, status: str, before: dict, after: dict, expected: str
) -> None:
    imported(hub, finding(**before))
    mark(hub, status)
    imported(hub, finding(UpdatedAt=T1, **after))
    assert stored(hub)["Workflow"]["Status"] == expected


def test_an_update_returns_what_it_could_not_process(hub: Any) -> None:
    imported(hub, finding("credwarden/a"), finding("credwarden/b"))
    answer = mark(hub, "NOTIFIED", "credwarden/a", "credwarden/none", "credwarden/b", "credwarden/b")
    assert [one["Id"] for one in answer["ProcessedFindings"]] == ["credwarden/a"]
    assert [(one["FindingIdentifier"]["Id"], one["ErrorCode"]) for one in answer["UnprocessedFindings"]] == [
        ("credwarden/none", "FindingNotFound"),
        ("credwarden/b", "DuplicatedFindingIdentifier"),
        ("credwarden/b", "DuplicatedFindingIdentifier"),
    ]


def test_an_update_takes_1_to_100_findings_and_something_to_change(hub: Any) -> None:
    many = [{"Id": f"credwarden/{n}", "ProductArn": PRODUCT} for n in range(101)]
    assert error_code(hub.batch_update_findings, FindingIdentifiers=many, Workflow={"Status": "NEW"})[1] == 400
    assert error_code(hub.batch_update_findings, FindingIdentifiers=[], Workflow={"Status": "NEW"})[1] == 400
    assert error_code(hub.batch_update_findings, FindingIdentifiers=many[:1])[1] == 400
    assert error_code(hub.batch_update_findings, FindingIdentifiers=many[:1], Workflow={"Status": "DONE"})[1] == 400


def test_concurrent_marks_and_imports_conflict(hub: Any, emulator: Emulator) -> None:
    batch = [finding(f"credwarden/{n}") for n in range(100)]
    imported(hub, *batch)
    codes: set[str] = set()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for _ in range(40):
            importing = pool.submit(imported, hub, *batch)
            marking = pool.submit(mark, hub, "NOTIFIED", *[one["Id"] for one in batch])
            importing.result()
            codes |= {one["ErrorCode"] for one in marking.result()["UnprocessedFindings"]}
            if codes:
                break
    assert codes == {"ConcurrentUpdateError"}


FILTERS = [
    ({}, 7 + 3),
    ({"ProductArn": [{"Value": PRODUCT, "Comparison": "EQUALS"}]}, 3 + 3),
    ({"GeneratorId": [{"Value": "credwarden/", "Comparison": "PREFIX"}]}, 2 + 3),
    ({"GeneratorId": [{"Value": "credwarden", "Comparison": "PREFIX"}]}, 4 + 3),
    (
        {
            "ProductArn": [{"Value": PRODUCT, "Comparison": "EQUALS"}],
            "GeneratorId": [{"Value": "credwarden/", "Comparison": "PREFIX"}],
        },
        3,
    ),
    ({"AwsAccountId": [{"Value": ACCOUNT, "Comparison": "NOT_EQUALS"}]}, 3),
    ({"AwsAccountId": [{"Value": MEMBER, "Comparison": "EQUALS"}, {"Value": ACCOUNT, "Comparison": "EQUALS"}]}, 10),
    ({"RecordState": [{"Value": "ARCHIVED", "Comparison": "EQUALS"}]}, 2),
    ({"WorkflowStatus": [{"Value": "NOTIFIED", "Comparison": "EQUALS"}]}, 1),
    ({"ComplianceStatus": [{"Value": "PASSED", "Comparison": "EQUALS"}]}, 1),
    ({"SeverityLabel": [{"Value": "CRITICAL", "Comparison": "EQUALS"}]}, 3),
    (
        {
            "Id": [
                {"Value": "credwarden/", "Comparison": "PREFIX"},
                {"Value": "credwarden/c", "Comparison": "NOT_EQUALS"},
            ]
        },
        4,
    ),
    ({"GeneratorId": [{"Value": "credwarden", "Comparison": "PREFIX_NOT_EQUALS"}]}, 3),
    ({"ProductFields": [{"Key": "credwarden/k", "Value": "v", "Comparison": "EQUALS"}]}, 1),
    ({"ResourceType": [{"Value": "AwsIamUser", "Comparison": "EQUALS"}]}, 1),
    ({"UpdatedAt": [{"Start": "2025-12-31T00:00:00Z", "End": T1}]}, 3),
    ({"SeverityNormalized": [{"Gte": 80}]}, 3),
]


@pytest.mark.parametrize(("filters", "expected"), FILTERS)
def test_filters_select(hub: Any, filters: dict, expected: int) -> None:
    imported(
        hub,
        finding("credwarden/a", ProductFields={"credwarden/k": "v"}),
        finding("credwarden/b", RecordState="ARCHIVED"),
        finding("credwarden/c", Resources=[resource()]),
    )
    mark(hub, "NOTIFIED", "credwarden/a")
    assert len(hub.get_findings(Filters=filters)["Findings"]) == expected


TEN_FIELDS = (
    "ProductArn",
    "AwsAccountId",
    "Id",
    "GeneratorId",
    "Region",
    "Type",
    "Title",
    "Description",
    "RecordState",
    "ProductName",
)


def string(value: str = "x", comparison: str = "EQUALS") -> dict:
    return {"Value": value, "Comparison": comparison}


@pytest.mark.parametrize(
    ("filters", "accepted"),
    [
        ({"Id": [string()] * 20}, True),
        ({"Id": [string()] * 21}, False),
        ({name: [string()] for name in TEN_FIELDS}, True),
        ({name: [string()] for name in (*TEN_FIELDS, "CompanyName")}, False),
        ({"Id": [string(), string("y", "NOT_EQUALS")]}, False),
        ({"Id": [string("y", "PREFIX"), string("y", "NOT_EQUALS")]}, True),
        ({"Title": [string("x", "CONTAINS")]}, False),
        ({"Id": [string("", "EQUALS")]}, False),
        ({"Id": [string("x", "MATCHES")]}, False),
    ],
)
def test_filters_have_limits(hub: Any, filters: dict, accepted: bool) -> None:
    if accepted:
        hub.get_findings(Filters=filters)
    else:
        assert error_code(hub.get_findings, Filters=filters) == ("InvalidInputException", 400)


def test_pages_are_complete_and_belong_to_their_filters(hub: Any) -> None:
    for start in range(0, 250, 50):
        imported(hub, *(finding(f"credwarden/{n}") for n in range(start, start + 50)))
    own = {"ProductArn": [string(PRODUCT)], "GeneratorId": [string("credwarden/", "PREFIX")]}
    first = hub.get_findings(Filters=own, MaxResults=100)
    assert len(first["Findings"]) == 100
    second = hub.get_findings(Filters=own, MaxResults=100, NextToken=first["NextToken"])
    third = hub.get_findings(Filters=own, MaxResults=100, NextToken=second["NextToken"])
    assert "NextToken" not in third
    assert len({one["Id"] for page in (first, second, third) for one in page["Findings"]}) == 250
    assert error_code(hub.get_findings, Filters={}, NextToken=first["NextToken"])[0] == "InvalidInputException"
    assert error_code(hub.get_findings, NextToken="x")[0] == "InvalidInputException"


@pytest.mark.parametrize(("most", "accepted"), [(1, True), (100, True), (0, False), (101, False)])
def test_a_page_has_1_to_100_findings(open_hub: Any, most: int, accepted: bool) -> None:
    if accepted:
        open_hub.get_findings(MaxResults=most)
    else:
        assert error_code(open_hub.get_findings, MaxResults=most) == ("InvalidInputException", 400)


def test_an_administrator_sees_findings_of_members_and_other_tools(hub: Any) -> None:
    seen = hub.get_findings()["Findings"]
    assert {one["Id"] for one in seen} == {one["Id"] for one in neighbours(ACCOUNT, REGION)}
    assert {one["AwsAccountId"] for one in seen} == {ACCOUNT, MEMBER}


# The role's permissions: action and resource, by AWS's service authorization reference.


def role_client(emulator: Emulator, statements: list[dict]) -> Any:
    """A hub client with the credentials of a role that has this policy alone."""
    iam = emulator.client("iam")
    iam.create_role(
        RoleName="tester",
        AssumeRolePolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": "sts:AssumeRole",
                        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
                    }
                ],
            }
        ),
    )
    iam.put_role_policy(
        RoleName="tester",
        PolicyName="tester",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}),
    )
    session = emulator.client("sts").assume_role(RoleArn=f"arn:aws:iam::{ACCOUNT}:role/tester", RoleSessionName="test")[
        "Credentials"
    ]
    return emulator.client("securityhub", role=session)


def allow(action: str, resource_arn: str, **condition: Any) -> dict:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource_arn}
    return {**statement, "Condition": condition} if condition else statement


HUB = f"arn:aws:securityhub:{REGION}:{ACCOUNT}:hub/default"


@pytest.mark.parametrize(
    ("statement", "permitted"),
    [
        (allow("securityhub:BatchImportFindings", PRODUCT), True),
        (allow("securityhub:BatchImportFindings", HUB), False),
        (allow("securityhub:BatchImportFindings", PRODUCT, StringEquals={"securityhub:TargetAccount": ACCOUNT}), True),
        (allow("securityhub:BatchImportFindings", PRODUCT, StringEquals={"securityhub:TargetAccount": MEMBER}), False),
        (allow("securityhub:BatchUpdateFindings", "*"), False),
    ],
)
def test_importing_is_permitted_on_the_product(hub: Any, emulator: Emulator, statement: dict, permitted: bool) -> None:
    client = role_client(emulator, [statement])
    if permitted:
        assert imported(client, finding()) == []
    else:
        assert error_code(client.batch_import_findings, Findings=[finding()]) == ("AccessDeniedException", 403)


@pytest.mark.parametrize(("resource_arn", "permitted"), [(HUB, True), (PRODUCT, False)])
def test_reading_and_marking_are_permitted_on_the_hub(
    hub: Any, emulator: Emulator, resource_arn: str, permitted: bool
) -> None:
    imported(hub, finding())
    client = role_client(
        emulator,
        [allow(f"securityhub:{name}", resource_arn) for name in ("GetFindings", "BatchUpdateFindings", "DescribeHub")],
    )
    if permitted:
        client.describe_hub()
        assert client.get_findings()["Findings"]
        assert mark(client, "NOTIFIED")["UnprocessedFindings"] == []
    else:
        for call in (client.describe_hub, client.get_findings):
            assert error_code(call) == ("AccessDeniedException", 403)
        assert error_code(mark, hub=client, status="NOTIFIED") == ("AccessDeniedException", 403)


def test_a_policy_can_forbid_to_suppress(hub: Any, emulator: Emulator) -> None:
    imported(hub, finding())
    client = role_client(
        emulator,
        [
            allow("securityhub:BatchUpdateFindings", HUB),
            {
                "Effect": "Deny",
                "Action": "securityhub:BatchUpdateFindings",
                "Resource": "*",
                "Condition": {"StringEquals": {"securityhub:ASFFSyntaxPath/Workflow.Status": "SUPPRESSED"}},
            },
        ],
    )
    mark(client, "NOTIFIED")
    assert error_code(mark, hub=client, status="SUPPRESSED") == ("AccessDeniedException", 403)


def test_updates_may_not_find_a_recent_import(hub: Any, emulator: Emulator) -> None:
    emulator.control("PUT", "settling", 3600)
    imported(hub, finding())
    (refused,) = mark(hub, "NOTIFIED")["UnprocessedFindings"]
    assert refused["ErrorCode"] == "FindingNotFound"
    emulator.control("PUT", "settling", 0)
    assert mark(hub, "NOTIFIED")["UnprocessedFindings"] == []


def test_calls_are_counted_and_throttled_far_beyond_the_rate(hub: Any, emulator: Emulator) -> None:
    client = role_client(emulator, [allow("securityhub:GetFindings", HUB)])
    for _ in range(6):
        client.get_findings()
    counted = emulator.calls()["securityhub:GetFindings"]
    assert (counted["count"], counted["beyond_quota"]) == (6, 0)
    emulator.control("PUT", "throttling", True)
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        for _ in range(60):
            client.get_findings()
    assert caught.value.response["Error"]["Code"] == "TooManyRequestsException"
    assert emulator.calls()["securityhub:GetFindings"]["beyond_quota"] > 0
