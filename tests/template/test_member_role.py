"""The member role and its StackSet: who may assume the role, what it may do, and where it is made."""

from __future__ import annotations

import copy
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ministack.core.iam_evaluator import EvalContext, evaluate, parse_policy_document

from copies import with_copies
from render import MEMBER_ROLE, MEMBER_STACKSET, REGIONS, ROOT, TEMPLATE, Rendered, as_list, parse
from test_deploy_role import Role
from test_parameters import accepts
from trust import AUDIT, BY_HAND, DAILY, FINISH, MEMBER, ORGANIZATION, OTHER, PEOPLE, Answers, emulated, simulated

MANAGEMENT = "444455556666"
ROOT_ID, UNIT = "r-ab12", "ou-ab12-11111111"

# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
MAX_TEMPLATE = 51_200
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
MAX_TRUST, MAX_INLINE = 2_048, 10_240


def parameters(partition: str = "aws", *, publish: bool = False, by_hand: bool = False) -> dict[str, str]:
    """The parameters of both templates. One of the auditors is of an account that is not the audit account."""
    auditors = [f"arn:{partition}:iam::{AUDIT}:{one}" for one in BY_HAND]
    auditors.append(f"arn:{partition}:iam::{OTHER}:{BY_HAND[0]}")
    return {
        "AuditAccountId": AUDIT,
        "OrganizationId": ORGANIZATION,
        "PublishFindings": str(publish).lower(),
        "AuditorArns": ",".join(auditors) if by_hand else "",
    }


def role(partition: str = "aws", path: Path = MEMBER_ROLE, *, account: str = MEMBER, **options: bool) -> Rendered:
    return Rendered(path, parameters(partition, **options), partition=partition, account=account)


def properties(rendered: Rendered) -> dict[str, Any]:
    """The properties of the only role of the stack."""
    (one,) = rendered.of_type("AWS::IAM::Role")
    return one.properties


def stack_set(partition: str = "aws", call_as: str = "SELF", targets: str = ROOT_ID, **options: bool) -> Rendered:
    given = parameters(partition, **options) | {"CallAs": call_as, "TargetIds": targets}
    return Rendered(MEMBER_STACKSET, given, stack="credwarden-member", partition=partition, account=MANAGEMENT)


# Who may assume the role.


def trust(**options: Any) -> dict[str, Any]:
    return properties(role(**options))["AssumeRolePolicyDocument"]


@pytest.mark.parametrize("partition", REGIONS)
def test_the_listed_roles_of_the_audit_account_may_assume_the_role_and_nobody_else(partition: str) -> None:
    expected: Answers = {}
    policies = {}
    for publish in (False, True):
        for by_hand in (False, True):
            name = f"{publish} {by_hand}"
            policies[name] = trust(partition=partition, publish=publish, by_hand=by_hand)
            expected[name] = set(DAILY | (FINISH if publish else {}) | (PEOPLE if by_hand else {}))
    assert simulated(policies, partition) == expected
    # The second evaluator gives the same answers.
    assert emulated(policies, partition) == expected


def trust_mutants(document: dict) -> Iterator[tuple[str, dict]]:
    """The trust policy without one statement, condition or role, or with a pattern in place of a role."""
    for index, statement in enumerate(document["Statement"]):
        sid = statement["Sid"]
        without = copy.deepcopy(document)
        del without["Statement"][index]
        yield f"without {sid}", without
        for name, changed in _changed(statement):
            mutant = copy.deepcopy(document)
            mutant["Statement"][index] = changed
            yield f"{sid} {name}", mutant


def _changed(statement: dict) -> Iterator[tuple[str, dict]]:
    conditions = statement["Condition"]
    for operator in conditions:
        others = {name: keys for name, keys in conditions.items() if name != operator}
        yield f"without {operator}", statement | {"Condition": others}
    (operator,) = (name for name in conditions if name.startswith("Arn"))
    arns = conditions[operator]["aws:PrincipalArn"]
    for number, arn in enumerate(arns):
        others = arns[:number] + arns[number + 1 :]
        if f"::{OTHER}:" in arn:
            # That no other account gets in by it is a matter of the principal.
            yield "for everybody", statement | {"Principal": {"AWS": "*"}}
            continue
        wider = {
            f"without {arn}": others,
            f"{arn} as a prefix": [*others, f"{arn.rstrip('?')}*"],
            f"{arn} in any path": [*others, re.sub("role/.*/", "role/*", arn)],
        }
        for name, values in wider.items():
            changed = conditions | {operator: {"aws:PrincipalArn": values}}
            yield name, statement | {"Condition": changed}


def test_every_part_of_the_trust_policy_is_seen_by_the_callers() -> None:
    document = trust(publish=True, by_hand=True)
    mutants = dict(trust_mutants(document))
    assert len(mutants) == 2 + 2 * 2 + 4 * 3 + 1
    right = set(DAILY | FINISH | PEOPLE)
    assert [name for name, callers in simulated(mutants).items() if callers == right] == []


@pytest.mark.parametrize("partition", REGIONS)
def test_the_principal_is_the_audit_account(partition: str) -> None:
    for statement in trust(partition=partition, publish=True, by_hand=True)["Statement"]:
        assert statement["Principal"] == {"AWS": f"arn:{partition}:iam::{AUDIT}:root"}
        assert statement["Action"] == "sts:AssumeRole"
        assert statement["Condition"]["StringEquals"] == {"aws:PrincipalOrgID": ORGANIZATION}


def test_the_roles_of_the_daily_run_are_out_of_reach_of_the_deploy_role() -> None:
    """Whoever deploys the checker of one account must not be able to make a role that every account trusts."""
    deployer = Role()
    (statement,) = trust(publish=True)["Statement"]
    for arn in statement["Condition"]["ArnEquals"]["aws:PrincipalArn"]:
        own = arn.replace(AUDIT, deployer.setup.account)
        for action in ("iam:CreateRole", "iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy"):
            assert deployer.may(action, own, **{"iam:permissionsboundary": deployer.boundary}) is None


# What the role may do.


def documented() -> dict[str, bool]:
    """The actions that a run needs in the account, from the guide to the function, and whether they are for Security Hub.

    The code states them, and a test compares the guide with the code."""
    guide = (ROOT / "functions" / "checker" / "README.md").read_text()
    table = guide.split("<!-- permissions -->")[1].split("<!-- /permissions -->")[0]
    rows = [line.split("|")[1:4] for line in table.splitlines() if line.startswith("| `")]
    actions = {action.strip(" `"): purpose for action, _, purpose in rows}
    return {
        action: "when `SecurityHub` is `true`" in purpose
        for action, purpose in actions.items()
        if action.partition(":")[0] in ("iam", "securityhub")
    }


def resource(action: str, partition: str = "aws", account: str = MEMBER, region: str = "") -> str:
    """The resource on which a run needs an action."""
    hub = f"arn:{partition}:securityhub:{region or REGIONS[partition]}:{account}"
    return {
        "iam:ListAccessKeys": f"arn:{partition}:iam::{account}:user/team/alice",
        "securityhub:BatchImportFindings": f"{hub}:product/{account}/default",
        "securityhub:GetFindings": f"{hub}:hub/default",
        "securityhub:BatchUpdateFindings": f"{hub}:hub/default",
    }.get(action, "*")


def may(rendered: Rendered, action: str, on: str) -> bool:
    policies = [parse_policy_document(one["PolicyDocument"]) for one in properties(rendered)["Policies"]]
    request = EvalContext(
        principal_arn=f"arn:aws:sts::{MEMBER}:assumed-role/credwarden-member/run",
        principal_type="AssumedRole",
        principal_account=MEMBER,
        action=action,
        resource_arn=on,
        region=rendered.region,
        service_context={"securityhub:asffsyntaxpath/workflow.status": "NOTIFIED"},
    )
    return evaluate(request, policies).decision == "Allow"


def missing(rendered: Rendered) -> list[str]:
    return [action for action in documented() if not may(rendered, action, resource(action, rendered.partition))]


def allowed(rendered: Rendered) -> list[str]:
    return [
        action
        for policy in properties(rendered)["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        for action in as_list(statement["Action"])
        if statement["Effect"] == "Allow"
    ]


@pytest.mark.parametrize("partition", REGIONS)
def test_the_role_has_the_permissions_of_a_run_and_no_others(partition: str) -> None:
    for_hub = [action for action, is_for_hub in documented().items() if is_for_hub]
    assert len(documented()) == 9 and len(for_hub) == 3
    assert missing(role(partition, publish=True)) == []
    assert sorted(allowed(role(partition, publish=True))) == sorted(documented())
    assert missing(role(partition)) == for_hub
    assert sorted(allowed(role(partition))) == sorted(set(documented()) - set(for_hub))


@pytest.mark.parametrize("action", documented())
def test_an_action_that_is_taken_away_is_missing(action: str, tmp_path: Path) -> None:
    template = tmp_path / "member-role.yaml"
    template.write_text(json.dumps(without(parse(MEMBER_ROLE), action)))
    assert missing(role(path=template, publish=True)) == [action]


def without(body: Any, action: str) -> Any:
    """The template without an action that it allows, and without its statement if that allows nothing else."""
    if isinstance(body, list):
        return [one for one in (without(one, action) for one in body) if one != {}]
    if not isinstance(body, dict):
        return body
    if body.get("Effect") == "Allow" and action in as_list(body["Action"]):
        left = [one for one in as_list(body["Action"]) if one != action]
        return body | {"Action": left} if left else {}
    return {name: without(below, action) for name, below in body.items()}


def test_the_statements_are_those_of_the_checkers_role() -> None:
    """As for the checker, BatchUpdateFindings sets NEW and NOTIFIED and nothing else: test_finding_updates.py."""
    partition = "aws-us-gov"
    mine = role(partition, publish=True, account=MEMBER).statements("MemberRole")
    theirs = Rendered(TEMPLATE, partition=partition, account=MEMBER).statements("CheckerRole")
    for sid in ("Alert", "WriteLogs", "KeepFailedRuns"):
        del theirs[sid]
    assert mine == theirs


@pytest.mark.parametrize("action", documented())
def test_other_resources_are_out_of_reach(action: str) -> None:
    rendered, own = role(publish=True), resource(action)
    of_others = [resource(action, account=AUDIT), resource(action, region="us-east-1"), resource(action, "aws-cn")]
    of_other_types = [own.replace(":user/", ":group/"), own.replace("/default", "/another")]
    others = {*of_others, *of_other_types} - {own}
    assert bool(others) == (own != "*")
    assert [one for one in others if may(rendered, action, one)] == []


@pytest.mark.parametrize("partition", REGIONS)
def test_the_role_has_a_fixed_name_and_short_sessions(partition: str) -> None:
    rendered = role(partition)
    name = f"arn:{partition}:iam::{MEMBER}:role/credwarden/credwarden-member"
    assert rendered.outputs == {"RoleArn": name}
    assert (properties(rendered)["Path"], properties(rendered)["MaxSessionDuration"]) == ("/credwarden/", 3600)
    assert "ManagedPolicyArns" not in properties(rendered)


def test_the_boundary_is_a_policy_of_the_account_of_the_role() -> None:
    bounded = Rendered(MEMBER_ROLE, parameters() | {"PermissionsBoundaryName": "team/boundary"}, account=MEMBER)
    assert properties(bounded)["PermissionsBoundary"] == f"arn:aws:iam::{MEMBER}:policy/team/boundary"
    assert "PermissionsBoundary" not in properties(role())


# The StackSet.


def test_the_stack_set_has_the_role_of_the_other_template() -> None:
    """`make docs` writes it."""
    written = MEMBER_STACKSET.read_text()
    assert with_copies(written, MEMBER_ROLE.read_text()) == written
    assert parse(MEMBER_STACKSET)["Resources"]["MemberRoles"]["Properties"]["TemplateBody"] == MEMBER_ROLE.read_text()


@pytest.mark.parametrize("text", ["^[0-9]{12}$", "Publish: !Equals", "MaxSessionDuration: 3600", "Version: "])
def test_a_change_of_the_role_is_a_change_of_its_copies(text: str) -> None:
    role_text, written = MEMBER_ROLE.read_text(), MEMBER_STACKSET.read_text()
    assert text in role_text
    assert with_copies(written, role_text.replace(text, "changed")) != written


@pytest.mark.parametrize("partition", REGIONS)
@pytest.mark.parametrize("options", [{}, {"publish": True, "by_hand": True}])
def test_every_account_gets_the_role(options: dict[str, bool], partition: str, tmp_path: Path) -> None:
    deployed = stack_set(partition, **options)
    (instances,) = deployed.of_type("AWS::CloudFormation::StackSet")
    template = tmp_path / "member-role.yaml"
    template.write_text(instances.properties["TemplateBody"])
    given = {one["ParameterKey"]: one["ParameterValue"] for one in instances.properties["Parameters"]}
    assert set(given) == set(parse(MEMBER_ROLE)["Parameters"])
    for account in (MEMBER, AUDIT):
        made = Rendered(template, given, partition=partition, account=account)
        assert properties(made) == properties(role(partition, account=account, **options))
        assert made.outputs["RoleArn"] == f"arn:{partition}:iam::{account}:role/credwarden/credwarden-member"
    # No instance of a service-managed StackSet is in the management account.
    assert properties(deployed) == properties(role(partition, account=MANAGEMENT, **options))
    assert deployed.outputs["ManagementRoleArn"] == made.outputs["RoleArn"].replace(AUDIT, MANAGEMENT)


def test_a_delegate_makes_no_role_of_its_own() -> None:
    """As a member account it gets the role by the StackSet; a second one of that name could not be made."""
    deployed = stack_set(call_as="DELEGATED_ADMIN")
    assert set(deployed.resources) == {"MemberRoles"}
    assert deployed.resources["MemberRoles"].properties["CallAs"] == "DELEGATED_ADMIN"
    assert set(deployed.outputs) == {"StackSetId"}
    assert "Warning: " in parse(MEMBER_STACKSET)["Parameters"]["CallAs"]["Description"]


@pytest.mark.parametrize(
    ("given", "targets"), [(ROOT_ID, [ROOT_ID]), (f"{UNIT},ou-ab12-22222222", [UNIT, "ou-ab12-22222222"])]
)
@pytest.mark.parametrize("partition", REGIONS)
def test_the_stack_set_is_service_managed_in_one_region(partition: str, given: str, targets: list[str]) -> None:
    stack = stack_set(partition, targets=given).resources["MemberRoles"].properties
    del stack["Parameters"], stack["TemplateBody"], stack["Description"]
    assert stack == {
        "StackSetName": "credwarden-member",
        "PermissionModel": "SERVICE_MANAGED",
        "CallAs": "SELF",
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
        "AutoDeployment": {"Enabled": True, "RetainStacksOnAccountRemoval": False},
        "ManagedExecution": {"Active": True},
        "OperationPreferences": {
            "ConcurrencyMode": "SOFT_FAILURE_TOLERANCE",
            "FailureTolerancePercentage": 100,
            "MaxConcurrentPercentage": 100,
        },
        "StackInstancesGroup": [
            {"DeploymentTargets": {"OrganizationalUnitIds": targets}, "Regions": [REGIONS[partition]]}
        ],
    }


def test_the_template_of_the_instances_has_nothing_that_stack_sets_refuse() -> None:
    template = parse(MEMBER_ROLE)
    assert {one["Type"] for one in template["Resources"].values()} == {"AWS::IAM::Role"}
    assert set(template) == {
        "AWSTemplateFormatVersion",
        "Description",
        "Metadata",
        "Parameters",
        "Conditions",
        "Resources",
        "Outputs",
    }
    assert "Fn::Transform" not in json.dumps(template)


# Both templates.


@pytest.mark.parametrize("path", [MEMBER_ROLE, MEMBER_STACKSET], ids=lambda path: path.stem)
def test_the_templates_need_no_bucket(path: Path) -> None:
    assert len(path.read_bytes()) <= MAX_TEMPLATE


COMMAND = re.compile(r"^aws cloudformation deploy (?:.*\\\n)*.*$", re.MULTILINE)
GUIDE = (MEMBER_ROLE.parent / "README.md").read_text()
COMMAND_LINE = (ROOT / "functions" / "cli" / "README.md").read_text()


@pytest.mark.parametrize("command", COMMAND.findall(GUIDE + COMMAND_LINE))
def test_the_documented_commands_deploy(command: str) -> None:
    words = shlex.split(command.replace("\\\n", " "))
    template = ROOT / words[words.index("--template-file") + 1]
    overrides = dict(one.split("=", 1) for one in words[words.index("--parameter-overrides") + 1 :])
    declared = parse(template)["Parameters"]
    assert all(accepts(declared[name], value) for name, value in overrides.items())
    rendered = Rendered(template, overrides, stack=words[words.index("--stack-name") + 1])
    # A role with a name needs this capability.
    assert words[words.index("--capabilities") + 1] == "CAPABILITY_NAMED_IAM"
    assert ("MemberRoles" in rendered.resources) == (template == MEMBER_STACKSET)


def test_the_guide_has_a_command_for_each_way() -> None:
    ways = [("member-stackset", False), ("member-role", False), ("member-stackset", True)]
    commands = COMMAND.findall(GUIDE)
    assert [
        (re.search(r"(\S+)\.yaml", one)[1].rpartition("/")[2], "CallAs=DELEGATED_ADMIN" in one) for one in commands
    ] == ways


def test_the_guide_has_every_parameter_and_action() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", GUIDE, re.MULTILINE)) == set(parse(MEMBER_STACKSET)["Parameters"])
    rows = "".join(line for line in GUIDE.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`((?:iam|securityhub):\w+)`", rows)) == set(documented())


def test_the_policies_are_within_iams_limits() -> None:
    """IAM counts all characters but white space. Three permission sets with the longest names fit beside the daily run."""

    def size(document: dict) -> int:
        return len("".join(json.dumps(document, separators=(",", ":")).split()))

    partition = "aws-us-gov"
    longest = f"arn:{partition}:iam::{AUDIT}:role/{BY_HAND[1].replace('eu-central-1/', 'us-gov-west-1/')}"
    longest = longest.replace("SSO_Audit_", f"SSO_{'n' * 32}_")
    given = parameters(partition, publish=True) | {"AuditorArns": ",".join([longest] * 3)}
    made = properties(Rendered(MEMBER_ROLE, given, partition=partition))
    assert size(made["AssumeRolePolicyDocument"]) <= MAX_TRUST
    assert sum(size(policy["PolicyDocument"]) for policy in made["Policies"]) <= MAX_INLINE
