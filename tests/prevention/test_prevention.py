"""infra/prevent.yaml: the policy agrees with table.csv, keeps to the limits of Organizations, and no part of it is untested."""

from __future__ import annotations

import copy
import functools
import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from principals import BREAK_GLASS, CREDENTIALS, PRINCIPALS, STACK_SET
from render import PREVENT, REGIONS, Rendered, as_list, parse
from samples import CREATE, SAMPLES, WITH_COMMENT, Sample
from table import SETTINGS, Row, emulated, policy, rows, simulated

ROLES = {"BreakGlassRoleName": BREAK_GLASS, "StackSetExecutionRoleName": STACK_SET}
SWITCHES = {
    "DenyRootUser": ("true", "false"),
    "DenyNewLongLivedCredentials": ("true", "false"),
    "BoundApiKeys": ("true", "false"),
    "DenyUseOfLongLivedKeys": ("off", "without-mfa", "always"),
}
COMBINATIONS = [dict(zip(SWITCHES, values)) for values in itertools.product(*SWITCHES.values())]

# https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html
MAX_CHARACTERS = 5_120


@functools.cache
def policies(partition: str = "aws") -> dict[str, dict]:
    """The policy of each column of the table."""
    return {setting: policy(ROLES | parameters, partition) for setting, parameters in SETTINGS.items()}


def differing(denying: dict[str, list[str]], setting: str) -> list[str]:
    """The rows whose answer is not that of the table."""
    return [row.name for row in rows() if bool(denying[row.name]) != (setting in row.denied)]


def columns(parameters: dict[str, str]) -> set[str]:
    """The columns whose denials a combination of switches has."""
    new, bound = parameters["DenyNewLongLivedCredentials"] == "true", parameters["BoundApiKeys"] == "true"
    found = {"off", parameters["DenyUseOfLongLivedKeys"]}
    if parameters["DenyRootUser"] == "true":
        found.add("root")
    if new and bound:
        found.add("new+bound")
    elif new:
        found.add("new")
    elif bound:
        found.add("bound")
    return found


# The table.


def test_the_table_is_large_and_uses_every_principal_and_credential() -> None:
    assert len(rows()) >= 60
    assert len({row.name for row in rows()}) == len(rows())
    assert {row.principal for row in rows()} == set(PRINCIPALS)
    assert {row.credential for row in rows()} == set(CREDENTIALS)
    assert all(row.reason for row in rows())


def test_no_two_rows_are_the_same_request() -> None:
    requests = [(row.principal, row.credential, row.action, row.resource, str(row.context)) for row in rows()]
    assert len(set(requests)) == len(requests)


@pytest.mark.parametrize("partition", REGIONS)
def test_the_policy_means_what_the_table_says(partition: str) -> None:
    answers = simulated(policies(partition), partition)
    assert {setting: differing(denying, setting) for setting, denying in answers.items()} == dict.fromkeys(SETTINGS, [])
    # The second evaluator names the same statements.
    assert emulated(policies(partition), partition) == answers


def test_switches_do_not_change_what_other_switches_deny() -> None:
    combined = {json.dumps(one): policy(ROLES | one) for one in COMBINATIONS}
    assert len(combined) == 24
    answers = simulated(combined)
    for name, denying in answers.items():
        expected = columns(json.loads(name))
        assert [row.name for row in rows() if bool(denying[row.name]) != bool(expected & row.denied)] == [], name


# The table sees what is missing.


def mutants(document: dict, untouched: set[str]) -> Iterator[tuple[str, dict]]:
    """The policy without one statement, action, condition or value, or with one that matches more or less."""
    for index, statement in enumerate(document["Statement"]):
        if statement["Sid"] in untouched:
            continue
        sid = statement["Sid"]
        without = copy.deepcopy(document)
        del without["Statement"][index]
        yield sid, without
        for name, changed in _changed(statement):
            mutant = copy.deepcopy(document)
            mutant["Statement"][index] = changed
            yield f"{sid} {name}", mutant


def _changed(statement: dict) -> Iterator[tuple[str, dict]]:
    for element in {"Action", "NotAction"} & set(statement):
        actions = as_list(statement[element])
        for action in actions if len(actions) > 1 else []:
            yield f"without {action}", statement | {element: [one for one in actions if one != action]}
    if statement["Resource"] != "*":
        yield "on every resource", statement | {"Resource": "*"}
    for operator, keys in statement["Condition"].items():
        for key, value in keys.items():
            others = {name: one for name, one in keys.items() if name != key}
            yield f"without {operator} {key}", _with(statement, operator, others)
            values = as_list(value)
            for one in values if len(values) > 1 else []:
                fewer = [other for other in values if other != one]
                yield f"without {one}", _with(statement, operator, keys | {key: fewer})
            if operator.endswith("IfExists"):
                exact = _with(statement, operator, others)
                exact["Condition"][operator.removesuffix("IfExists")] = {key: value}
                yield f"{key} without IfExists", exact
            if operator == "ArnNotLike":
                # A name that is only begun, or has a path, is another role's.
                yield "names as patterns", _with(statement, operator, {key: [f"{one}*" for one in values]})
                nested = [one.replace("role/", "role/*") for one in values]
                yield "names in any path", _with(statement, operator, {key: nested})
            if operator.startswith("Numeric"):
                for limit in (int(value) - 1, int(value) + 1):
                    yield f"limit {limit}", _with(statement, operator, {key: str(limit)})


def _with(statement: dict, operator: str, keys: dict) -> dict:
    conditions = {name: body for name, body in statement["Condition"].items() if name != operator}
    return statement | {"Condition": conditions | ({operator: keys} if keys else {})}


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_part_of_the_policy_is_seen_by_the_table(setting: str) -> None:
    always = {statement["Sid"] for statement in policies()["off"]["Statement"]} if setting != "off" else set()
    changed = dict(mutants(policies()[setting], always))
    assert changed
    # The fast evaluator finds the rows that fail; the simulator has to agree.
    failing = {name: differing(denying, setting) for name, denying in emulated(changed).items()}
    assert [name for name in changed if not failing[name]] == []
    answers = simulated(changed, asked=failing)
    agreeing = {name: [row for row in rows() if row.name in failing[name]] for name in changed}
    for name, expected in agreeing.items():
        assert [row.name for row in expected if bool(answers[name][row.name]) == (setting in row.denied)] == [], name


def test_every_statement_is_changed_in_some_setting() -> None:
    always = {statement["Sid"] for statement in policies()["off"]["Statement"]}
    named = {statement["Sid"] for one in policies().values() for statement in one["Statement"]}
    assert always < named
    assert len(named) == 8


# What others publish.


def concerned(sample: Sample) -> list[Row]:
    """The rows about a sample's purpose; no sample protects the break-glass role."""
    return [row for row in rows() if (row.action in sample.about or not sample.about) and "off" not in row.denied]


@pytest.mark.parametrize("partition", REGIONS)
def test_the_table_sees_the_faults_of_published_policies(partition: str) -> None:
    answers = simulated({name: sample.policy for name, sample in SAMPLES.items()}, partition)
    for name, sample in SAMPLES.items():
        elsewhere = partition != "aws"
        allows = sample.allows | (sample.allows_elsewhere if elsewhere else {})
        denies = sample.denies | (sample.denies_elsewhere if elsewhere else {})
        allowed = {
            one.name for one in concerned(sample) if not answers[name][one.name] and sample.purpose in one.denied
        }
        denied = {one.name for one in concerned(sample) if answers[name][one.name] and sample.purpose not in one.denied}
        assert (name, allowed, denied) == (name, set(allows), set(denies))


def test_an_exception_beside_a_statement_without_one_is_dead() -> None:
    sample = SAMPLES["any service-specific credential"]
    first, second = ({"Version": "2012-10-17", "Statement": [one]} for one in sample.statements)
    answers = simulated({"both": sample.policy, "first": first, "second": second})
    # The second statement alone lets the tagged user have a credential; with the first one it changes no answer.
    assert not answers["second"]["api-key-tagged-user"]
    assert {name for name, by in answers["both"].items() if by} == {name for name, by in answers["first"].items() if by}


def test_a_policy_with_a_comment_is_not_json() -> None:
    with pytest.raises(json.JSONDecodeError):
        json.loads(WITH_COMMENT)
    kept = "\n".join(line for line in WITH_COMMENT.splitlines() if not line.strip().startswith("//"))
    (condition,) = (one["Condition"] for one in SAMPLES["service-specific credential by type"].statements)
    assert json.loads(kept) == condition


# The template.


@pytest.mark.parametrize("partition", REGIONS)
@pytest.mark.parametrize("parameters", COMBINATIONS, ids=lambda one: "-".join(one.values()))
def test_the_policy_is_within_the_limit(parameters: dict[str, str], partition: str) -> None:
    longest = {"BreakGlassRoleName": "b" * 64, "StackSetExecutionRoleName": "s" * 64}
    document = policy(longest | parameters, partition)
    # With the white space of a serializer that adds some.
    assert len(json.dumps(document)) < MAX_CHARACTERS
    assert all(statement["Effect"] == "Deny" for statement in document["Statement"])
    sids = [statement["Sid"] for statement in document["Statement"]]
    assert len(set(sids)) == len(sids) and all(re.fullmatch("[A-Za-z0-9]+", sid) for sid in sids)


def test_names_have_no_more_than_64_characters_and_no_wildcard() -> None:
    for parameter in ROLES:
        pattern = parse(PREVENT)["Parameters"][parameter]["AllowedPattern"]
        for name in ("Break+Glass=,.@-_", "b" * 64):
            assert re.search(pattern, name), name
        for name in (
            "b" * 65,
            "Break*",
            "Break?lass",
            "team/BreakGlass",
            "${aws:username}",
            "Break Glass",
            "B\n",
            "role:B",
        ):
            assert not re.fullmatch(pattern, name), name


def test_targets_are_accounts_units_and_roots() -> None:
    pattern = parse(PREVENT)["Parameters"]["TargetIds"]["AllowedPattern"]
    for target in ("123456789012", "ou-ab12-11111111", "r-ab12", ""):
        assert re.fullmatch(pattern, target), target
    for target in ("12345678901", "o-a1b2c3d4e5", "ou-ab12", "arn:aws:iam::123456789012:root", "*", " 123456789012"):
        assert not re.fullmatch(pattern, target), target


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", None),
        ("ou-ab12-11111111", ["ou-ab12-11111111"]),
        ("123456789012,ou-ab12-11111111", ["123456789012", "ou-ab12-11111111"]),
    ],
)
def test_a_policy_without_targets_applies_to_nothing(given: str, expected: list[str] | None) -> None:
    assert Rendered(PREVENT, ROLES | {"TargetIds": given}).resources["Policy"].properties.get("TargetIds") == expected


def test_everything_is_off_by_default_but_the_protection_of_the_roles() -> None:
    assert [one["Sid"] for one in policy(ROLES)["Statement"]] == [
        "ProtectBreakGlassRole",
        "ProtectStackSetExecutionRole",
    ]


def test_without_a_stack_set_only_the_break_glass_role_is_exempt() -> None:
    (statement,) = policy({"BreakGlassRoleName": BREAK_GLASS})["Statement"]
    assert statement["Sid"] == "ProtectBreakGlassRole"
    assert statement["Condition"] == {"ArnNotLike": {"aws:PrincipalArn": [f"arn:*:iam::*:role/{BREAK_GLASS}"]}}


def test_the_two_roles_have_two_names() -> None:
    (rule,) = parse(PREVENT)["Rules"].values()
    assert Rendered(PREVENT, ROLES).holds(rule)
    assert not Rendered(PREVENT, ROLES | {"StackSetExecutionRoleName": BREAK_GLASS}).holds(rule)


def test_no_exemption_is_a_tag_or_a_pattern_and_no_use_is_judged_by_its_time_of_issue() -> None:
    for parameters in COMBINATIONS:
        for statement in policy(ROLES | parameters)["Statement"]:
            keys = {key for operator in statement["Condition"].values() for key in operator}
            assert not any("tag" in key.lower() or key == "aws:TokenIssueTime" for key in keys)
            exempt = statement["Condition"].get("ArnNotLike", {}).get("aws:PrincipalArn", [])
            assert set(as_list(exempt)) <= {f"arn:*:iam::*:role/{name}" for name in (BREAK_GLASS, STACK_SET)}


@pytest.mark.parametrize("partition", REGIONS)
def test_resources_are_in_the_partition(partition: str) -> None:
    for one in policies(partition).values():
        resources = [resource for statement in one["Statement"] for resource in as_list(statement["Resource"])]
        assert {resource.split(":")[1] for resource in resources if resource != "*"} == {partition}


def test_deleting_the_stack_detaches_the_policy() -> None:
    body: dict[str, Any] = parse(PREVENT)["Resources"]["Policy"]
    assert (body["DeletionPolicy"], body["UpdateReplacePolicy"]) == ("Delete", "Delete")
    rendered = Rendered(PREVENT, ROLES)
    assert rendered.resources["Policy"].properties["Type"] == "SERVICE_CONTROL_POLICY"
    assert set(rendered.outputs) == {"PolicyId", "PolicyArn"}


def test_api_keys_are_the_same_services_in_both_statements() -> None:
    statements = {one["Sid"]: one["Condition"] for one in policies()["new+bound"]["Statement"]}
    key = "iam:ServiceSpecificCredentialServiceName"
    assert (
        statements["DenyNewServicePasswords"]["StringNotEquals"][key] == statements["BoundApiKeys"]["StringEquals"][key]
    )
    assert {row.action for row in rows() if row.context} >= {CREATE}
