"""The deploy role: it has every permission that SAM and CloudFormation need, no other, and cannot extend them.

CloudFormation uses the permissions of the principal that deploys. The handlers in the public schema of a resource type
list the permissions it needs; `HANDLERS` has those that the template's properties can require.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from ministack.core.iam_evaluator import EvalContext, evaluate, parse_policy_document

from render import ACCOUNT, DEPLOY_ROLE, ENDING, REGIONS, TEMPLATE, Rendered, parse

TRUSTED = f"arn:aws:iam::{ACCOUNT}:role/admin"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
SUBJECT = "repo:owner/name:environment:production"
KEY = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
TOPIC = f"arn:aws:sns:eu-central-1:{ACCOUNT}:security"
ALARM_TOPIC = f"arn:aws:sns:eu-central-1:{ACCOUNT}:operations"

# The topics that can be given to the credwarden stack, as parameters of both templates.
TOPICS = [{}, {"TopicArn": TOPIC}, {"AlarmTopicArn": ALARM_TOPIC}, {"TopicArn": TOPIC, "AlarmTopicArn": ALARM_TOPIC}]

ARTIFACT_BUCKET = f"arn:aws:s3:::credwarden-deployment-artifactbucket-{ENDING.lower()}"

LONGEST_NAME = 24

HANDLERS = {
    "AWS::Lambda::Function": (
        "lambda:CreateFunction lambda:GetFunction lambda:TagResource lambda:UntagResource lambda:ListTags "
        "lambda:UpdateFunctionCode lambda:UpdateFunctionConfiguration lambda:DeleteFunction "
        "lambda:GetFunctionCodeSigningConfig lambda:GetFunctionRecursionConfig lambda:GetFunctionScalingConfig "
        "lambda:GetRuntimeManagementConfig lambda:PutFunctionEventInvokeConfig lambda:GetFunctionEventInvokeConfig "
        "lambda:UpdateFunctionEventInvokeConfig lambda:DeleteFunctionEventInvokeConfig"
    ),
    "AWS::IAM::Role": (
        "iam:CreateRole iam:GetRole iam:PutRolePolicy iam:GetRolePolicy iam:DeleteRolePolicy iam:ListRolePolicies "
        "iam:ListAttachedRolePolicies iam:PutRolePermissionsBoundary iam:UpdateRole iam:UpdateRoleDescription "
        "iam:UpdateAssumeRolePolicy iam:TagRole iam:UntagRole iam:DeleteRole"
    ),
    "AWS::Logs::LogGroup": (
        "logs:CreateLogGroup logs:DescribeLogGroups logs:PutRetentionPolicy logs:DeleteRetentionPolicy logs:TagResource "
        "logs:UntagResource logs:ListTagsForResource logs:GetDataProtectionPolicy logs:DescribeIndexPolicies "
        "logs:DescribeResourcePolicies logs:DeleteLogGroup"
    ),
    "AWS::SQS::Queue": (
        "sqs:CreateQueue sqs:GetQueueUrl sqs:GetQueueAttributes sqs:SetQueueAttributes sqs:ListQueueTags sqs:TagQueue "
        "sqs:UntagQueue sqs:DeleteQueue"
    ),
    "AWS::SNS::Topic": (
        "sns:CreateTopic sns:GetTopicAttributes sns:SetTopicAttributes sns:ListTagsForResource sns:TagResource "
        "sns:UntagResource sns:ListSubscriptionsByTopic sns:GetDataProtectionPolicy sns:Subscribe sns:DeleteTopic"
    ),
    "AWS::SNS::Subscription": "sns:GetSubscriptionAttributes sns:SetSubscriptionAttributes sns:Unsubscribe",
    "AWS::CloudWatch::Alarm": (
        "cloudwatch:PutMetricAlarm cloudwatch:DescribeAlarms cloudwatch:ListTagsForResource cloudwatch:TagResource "
        "cloudwatch:UntagResource cloudwatch:DeleteAlarms"
    ),
    "AWS::Scheduler::Schedule": "scheduler:CreateSchedule scheduler:GetSchedule scheduler:UpdateSchedule scheduler:DeleteSchedule",
    # Their handlers make calls on the function, the queue and the topic.
    "AWS::Lambda::EventInvokeConfig": "",
    "AWS::SQS::QueuePolicy": "",
    "AWS::SNS::TopicPolicy": "",
}

# Actions of "sam deploy" and "sam delete" themselves, on the stack and on the bucket for artifacts.
ON_STACK = (
    "cloudformation:CreateChangeSet cloudformation:DescribeChangeSet cloudformation:ExecuteChangeSet "
    "cloudformation:DescribeStacks cloudformation:DescribeStackEvents cloudformation:GetTemplateSummary "
    "cloudformation:GetTemplate cloudformation:DeleteStack cloudformation:TagResource cloudformation:UntagResource"
)
ON_BUCKET = "s3:ListBucket"
ON_ARTIFACTS = "s3:GetObject s3:PutObject s3:DeleteObject"

# Actions without a resource in IAM.
WITHOUT_RESOURCE = {
    "logs:DescribeIndexPolicies",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "sns:GetSubscriptionAttributes",
    "sns:SetSubscriptionAttributes",
    "sns:Unsubscribe",
}

# Actions on any resource that change something: only CloudFormation may call them.
ONLY_BY_CLOUDFORMATION = set(HANDLERS["AWS::SNS::Subscription"].split())
CLOUDFORMATION = {"aws:calledvia": ["cloudformation.amazonaws.com"]}

# IAM checks some actions on the resource itself, some on one of its versions or on its log streams.
FORMS = {"AWS::Lambda::Function": ["", ":$LATEST"], "AWS::Logs::LogGroup": ["", ":*"]}

# CloudFormation ends names with 12 or 13 letters and digits.
ENDINGS = [ENDING, ENDING[:12]]

# Actions whose request can have a permissions boundary, or that are on a role which has one.
ABOUT_BOUNDARY = {"iam:CreateRole", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"}


class Need(NamedTuple):
    """One call that a deployment makes."""

    action: str
    resource: str
    context: dict[str, Any] = {}


class Role:
    """The deploy role, and its stack."""

    def __init__(
        self,
        partition: str = "aws",
        name: str = "credwarden",
        *,
        ending: str = ENDING,
        template: Path = TEMPLATE,
        topics: dict[str, str] | None = None,
        **parameters: str,
    ) -> None:
        topics = topics or {}
        self.setup = Rendered(
            DEPLOY_ROLE,
            {"StackName": name, "TrustedPrincipalArn": TRUSTED, **topics, **parameters},
            stack=f"{name}-deployment",
            partition=partition,
        )
        self.boundary = self.setup.resources["RoleBoundary"].arn
        mail = {} if "TopicArn" in topics else {"EmailAddress": "a@example.com"}
        self.stack = Rendered(
            template,
            {"PermissionsBoundaryArn": self.boundary, **mail, **topics},
            stack=name,
            partition=partition,
            ending=ending,
        )
        self._policies = [
            parse_policy_document(policy["PolicyDocument"])
            for policy in self.setup.resources["DeployRole"].properties["Policies"]
        ]
        self._boundary = parse_policy_document(self.setup.resources["RoleBoundary"].properties["PolicyDocument"])

    def may(self, action: str, resource: str, **context: Any) -> str | None:
        """Returns the Sid of the statement that allows the action, if any."""
        result = evaluate(_context(action, resource, self.setup.region, context), self._policies)
        return result.matched_sid if result.decision == "Allow" else None

    def permits(self, need: Need) -> str | None:
        return self.may(need.action, need.resource, **need.context)

    def bounds(self, action: str, resource: str) -> bool:
        """Whether the boundary denies the action to the stack's roles."""
        return evaluate(_context(action, resource, self.setup.region, {}), [self._boundary]).decision != "Allow"

    def missing(self) -> list[str]:
        """Returns the calls of a deployment that the role may not make."""
        return [f"{need.action} on {need.resource}" for need in self.needs() if not self.permits(need)]

    def needs(self) -> Iterator[Need]:
        partition, region = self.setup.partition, self.setup.region
        for name, resource in self.stack.resources.items():
            assert resource.type in HANDLERS, f"{name}: which permissions does {resource.type} need?"
            for action in HANDLERS[resource.type].split():
                context = {"iam:permissionsboundary": self.boundary} if action in ABOUT_BOUNDARY else {}
                context |= CLOUDFORMATION if action in ONLY_BY_CLOUDFORMATION else {}
                context |= alarm_actions(resource.properties) if action == "cloudwatch:PutMetricAlarm" else {}
                arns = (
                    ["*"]
                    if action in WITHOUT_RESOURCE
                    else [resource.arn + end for end in FORMS.get(resource.type, [""])]
                )
                yield from (Need(action, arn, context) for arn in arns)
        for role, service in (("CheckerRole", "lambda"), ("ScheduleRole", "scheduler")):
            yield Need(
                "iam:PassRole", self.stack.resources[role].arn, {"iam:passedtoservice": f"{service}.amazonaws.com"}
            )
        stacks = f"arn:{partition}:cloudformation:{region}:{ACCOUNT}:stack"
        name, bucket = self.stack.stack, self.setup.resources["ArtifactBucket"].arn
        calls = {
            f"{stacks}/{name}/1a2b": ON_STACK,
            f"{stacks}/{name}-1a2b3c4d-CompanionStack/*": "cloudformation:DescribeStacks",
            f"{stacks}/{name}-1a2b3c4d-WebFunctionCode/*": "cloudformation:DescribeStacks",
            f"arn:{partition}:cloudformation:{region}:aws:transform/Serverless-2016-10-31": "cloudformation:CreateChangeSet",
            bucket: ON_BUCKET,
            f"{bucket}/{name}/1a2b3c.template": ON_ARTIFACTS,
        }
        yield from (Need(action, resource) for resource, actions in calls.items() for action in actions.split())


def alarm_actions(alarm: dict) -> dict[str, list[str]]:
    """Returns the condition key: the actions of every state; absent if there are none."""
    actions = [
        arn for state in ("AlarmActions", "OKActions", "InsufficientDataActions") for arn in alarm.get(state, [])
    ]
    return {"cloudwatch:alarmactions": actions} if actions else {}


def _context(action: str, resource: str, region: str, context: dict[str, Any]) -> EvalContext:
    return EvalContext(
        principal_arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/me",
        principal_type="AssumedRole",
        principal_account=ACCOUNT,
        action=action,
        resource_arn=resource,
        region=region,
        service_context=context,
    )


@pytest.mark.parametrize("partition", REGIONS)
@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("topics", TOPICS)
def test_the_role_is_enough(topics: dict[str, str], partition: str, ending: str) -> None:
    """Fails with the name of a resource in the template that infra/deploy-role.yaml does not cover."""
    topics = {
        name: arn.replace("arn:aws:", f"arn:{partition}:").replace("eu-central-1", REGIONS[partition])
        for name, arn in topics.items()
    }
    assert Role(partition, ending=ending, topics=topics).missing() == []


def test_a_resource_without_permissions_is_named(tmp_path: Path) -> None:
    changed = parse(TEMPLATE)
    changed["Resources"]["AnotherQueue"] = changed["Resources"]["UndeliveredQueue"]
    template = tmp_path / "template.yaml"
    template.write_text(json.dumps(changed))
    arn = f"arn:aws:sqs:eu-central-1:{ACCOUNT}:credwarden-AnotherQueue-{ENDING}"
    assert Role(template=template).missing() == [f"{action} on {arn}" for action in HANDLERS["AWS::SQS::Queue"].split()]


def test_every_permission_is_needed() -> None:
    role = Role()
    granted = {
        (sid, action)
        for sid, statement in role.setup.statements("DeployRole").items()
        if statement["Effect"] == "Allow"
        for action in statement["Action"]
    }
    assert granted - {(role.permits(need), need.action) for need in role.needs()} == set()


def test_no_action_is_a_wildcard() -> None:
    for statement in Role().setup.statements("DeployRole").values():
        assert not [action for action in statement["Action"] if "*" in action]
        if statement["Effect"] == "Allow" and statement["Resource"] == ["*"]:
            assert set(statement["Action"]) <= WITHOUT_RESOURCE


# Stacks whose names begin with this stack's name, or with the beginning of the name of one of its resources.
OTHERS = [
    "payroll",
    "credwardens",
    "credwarden-prod",
    "credwarden-x",
    *(f"credwarden-{logical_id}" for logical_id in Rendered(TEMPLATE).resources),
]


@pytest.mark.parametrize("name", OTHERS)
def test_other_stacks_and_their_resources_are_out_of_reach(name: str) -> None:
    role = Role()
    for ending in ENDINGS:
        other = Role(name=name, ending=ending)
        shared = {(need.action, need.resource) for need in role.needs()} & {
            (need.action, need.resource) for need in other.needs()
        }
        assert {resource.rpartition(":")[2].partition("/")[0] for _, resource in shared} == {"*", "transform"}
        reached = [
            need
            for need in other.needs()
            if (need.action, need.resource) not in shared
            and role.may(need.action, need.resource, **need.context | {"iam:permissionsboundary": role.boundary})
        ]
        assert reached == []


def test_the_shortest_logical_id_of_another_stack_is_out_of_reach() -> None:
    role = Role()
    for need in role.needs():
        if ENDING in need.resource:
            for ending in ENDINGS:
                foreign = need.resource.replace(ENDING, f"X-{ending}")
                assert ":role/" in foreign or not role.permits(need._replace(resource=foreign)), foreign


@pytest.mark.parametrize("name", OTHERS)
def test_the_boundary_keeps_the_stacks_roles_from_other_stacks(name: str) -> None:
    role = Role()
    actions = {
        "CheckerFunction": "lambda:InvokeFunction",
        "AlertTopic": "sns:Publish",
        "CheckerLogGroup": "logs:PutLogEvents",
        "FailedRunQueue": "sqs:SendMessage",
        "UndeliveredQueue": "sqs:SendMessage",
    }
    for ending in ENDINGS:
        own, other = (Rendered(TEMPLATE, stack=stack, ending=ending) for stack in ("credwarden", name))
        for logical_id, action in actions.items():
            stream = ":log-stream:2026/11/20/[$LATEST]1a2b" if action.startswith("logs:") else ""
            assert not role.bounds(action, own.resources[logical_id].arn + stream)
            assert role.bounds(action, other.resources[logical_id].arn + stream), (logical_id, ending)


@pytest.mark.parametrize("partition", REGIONS)
def test_the_policies_are_within_iams_limits(partition: str) -> None:
    """IAM counts all characters but white space, with the parameters as long as they can be."""

    def size(document: dict) -> int:
        return len("".join(json.dumps(document, separators=(",", ":")).split()))

    region = REGIONS[partition]
    role = Role(
        partition,
        "a" * LONGEST_NAME,
        TopicArn=f"arn:{partition}:sns:{region}:{ACCOUNT}:{'t' * 256}",
        AlarmTopicArn=f"arn:{partition}:sns:{region}:{ACCOUNT}:{'a' * 256}",
        KmsKeyArn=f"arn:{partition}:kms:{region}:{ACCOUNT}:key/{'k' * 128}",
    )
    inline = [policy["PolicyDocument"] for policy in role.setup.resources["DeployRole"].properties["Policies"]]
    assert sum(map(size, inline)) <= 10240
    assert size(role.setup.resources["RoleBoundary"].properties["PolicyDocument"]) <= 6144
    for function_role in role.stack.of_type("AWS::IAM::Role"):
        assert sum(size(policy["PolicyDocument"]) for policy in function_role.properties["Policies"]) <= 10240


@pytest.mark.parametrize("caller", [{}, {"aws:calledvia": ["athena.amazonaws.com"]}])
@pytest.mark.parametrize("action", sorted(ONLY_BY_CLOUDFORMATION))
def test_subscriptions_are_in_reach_of_cloudformation_only(action: str, caller: dict[str, list[str]]) -> None:
    """These actions have no resource: called directly, they would reach every subscription of the account."""
    subscription = f"arn:aws:sns:eu-central-1:{ACCOUNT}:payroll:1234abcd-12ab-34cd-56ef-1234567890ab"
    for resource in ("*", subscription):
        assert Role().may(action, resource, **caller) is None
    assert Role().may(action, "*", **CLOUDFORMATION)


# CloudWatch runs an alarm's actions with its own permissions. The role must not be able to use these.
OTHER_ALARM_ACTIONS = [
    *(f"arn:aws:automate:eu-central-1:ec2:{operation}" for operation in ("stop", "terminate", "reboot", "recover")),
    *(
        f"arn:aws:swf:eu-central-1:{ACCOUNT}:action/actions/AWS_EC2.InstanceId.{operation}/1.0"
        for operation in ("Stop", "Terminate", "Reboot")
    ),
    f"arn:aws:ssm:eu-central-1:{ACCOUNT}:opsitem:1#CATEGORY=Security",
    f"arn:aws:ssm-incidents::{ACCOUNT}:response-plan/payroll",
    f"arn:aws:lambda:eu-central-1:{ACCOUNT}:function:payroll",
    f"arn:aws:autoscaling:eu-central-1:{ACCOUNT}:scalingPolicy:1a2b:autoScalingGroupName/payroll:policyName/none",
    f"arn:aws:aiops:eu-central-1:{ACCOUNT}:investigation-group/payroll",
    TOPIC,
    ALARM_TOPIC,
    f"arn:aws:sns:us-east-1:{ACCOUNT}:credwarden-AlertTopic-{ENDING}",
    f"arn:aws:sns:eu-central-1:999988887777:credwarden-AlertTopic-{ENDING}",
    *(f"arn:aws:sns:eu-central-1:{ACCOUNT}:{name}-AlertTopic-{ENDING}" for name in OTHERS),
]

ALARMS = ["RunFailedAlarm", "RunNotStartedAlarm", "NoSuccessfulRunAlarm", "AlertNotDeliveredAlarm"]


def put_alarm(role: Role, alarm: str, *actions: str) -> str | None:
    context = alarm_actions({"AlarmActions": list(actions)})
    return role.may("cloudwatch:PutMetricAlarm", role.stack.resources[alarm].arn, **context)


@pytest.mark.parametrize("action", OTHER_ALARM_ACTIONS)
def test_alarms_of_the_stack_cannot_have_other_actions(action: str) -> None:
    """With arn:aws:automate:<region>:ec2:terminate an alarm would terminate any instance of the account."""
    role = Role()
    topic = role.stack.resources["AlertTopic"].arn
    for alarm in ALARMS:
        assert put_alarm(role, alarm, topic)
        assert put_alarm(role, alarm, action) is None
        assert put_alarm(role, alarm, topic, action) is None


@pytest.mark.parametrize("topics", TOPICS)
def test_alarms_of_the_stack_notify_its_own_topic_and_the_given_topics(topics: dict[str, str]) -> None:
    role = Role(**topics)
    own = [Rendered(TEMPLATE, ending=ending).resources["AlertTopic"].arn for ending in ENDINGS]
    for alarm in ALARMS:
        assert [arn for arn in (*own, TOPIC, ALARM_TOPIC) if put_alarm(role, alarm, arn)] == [*own, *topics.values()]
        assert put_alarm(role, alarm, *own, *topics.values())


def test_an_alarm_without_actions_is_refused() -> None:
    """ForAllValues is also true for a request without the key; then the actions would not be checked."""
    role = Role()
    for alarm in ALARMS:
        assert role.stack.resources[alarm].properties["AlarmActions"]
        assert put_alarm(role, alarm) is None


def test_resources_of_others_cannot_be_imported_into_the_stack() -> None:
    """A stack that has imported a subscription can change and delete it through CloudFormation."""
    stack = f"arn:aws:cloudformation:eu-central-1:{ACCOUNT}:stack/credwarden/1a2b"
    assert Role().may("cloudformation:CreateChangeSet", stack)
    imported = {"cloudformation:importresourcetypes": ["AWS::SNS::Subscription"]}
    assert Role().may("cloudformation:CreateChangeSet", stack, **imported) is None


def test_other_accounts_and_regions_are_out_of_reach() -> None:
    """IAM has no Regions: a stack of the same name in another Region has roles too, perhaps without the boundary."""
    role = Role()
    for need in role.needs():
        if need.resource != "*" and ":s3:::" not in need.resource:
            for here, there in (("eu-central-1", "us-east-1"), (ACCOUNT, "999988887777")):
                elsewhere = need.resource.replace(here, there)
                assert ":transform/" in elsewhere or elsewhere != need.resource, need
                assert elsewhere == need.resource or not role.permits(need._replace(resource=elsewhere)), need


OWN_ROLE = "role/credwarden/eu-central-1/credwarden/credwarden-x"


@pytest.mark.parametrize(
    ("action", "resource", "context"),
    [
        # A role without the boundary, or with another one, could be given every permission.
        ("iam:CreateRole", OWN_ROLE, {}),
        ("iam:CreateRole", OWN_ROLE, {"iam:permissionsboundary": f"arn:aws:iam::{ACCOUNT}:policy/mine"}),
        ("iam:PutRolePolicy", OWN_ROLE, {}),
        (
            "iam:PutRolePermissionsBoundary",
            OWN_ROLE,
            {"iam:permissionsboundary": "arn:aws:iam::aws:policy/AdministratorAccess"},
        ),
        ("iam:DeleteRolePermissionsBoundary", OWN_ROLE, {"iam:permissionsboundary": "the boundary"}),
        ("iam:AttachRolePolicy", OWN_ROLE, {"iam:permissionsboundary": "the boundary"}),
        # A role that a machine or a task uses.
        ("iam:PassRole", OWN_ROLE, {"iam:passedtoservice": "ec2.amazonaws.com"}),
        ("iam:PassRole", "role/admin", {"iam:passedtoservice": "lambda.amazonaws.com"}),
        # Itself, and its boundary.
        ("iam:PutRolePolicy", "the role itself", {"iam:permissionsboundary": "the boundary"}),
        ("iam:DeleteRolePolicy", "the role itself", {}),
        ("iam:UpdateAssumeRolePolicy", "the role itself", {}),
        ("iam:CreatePolicyVersion", "the boundary", {}),
        ("iam:DeletePolicy", "the boundary", {}),
        # Credentials.
        ("iam:CreateUser", "user/credwarden-x", {}),
        ("iam:CreateAccessKey", "user/credwarden-x", {}),
        ("iam:GetCredentialReport", "*", {}),
    ],
)
def test_the_role_cannot_raise_itself(action: str, resource: str, context: dict[str, str]) -> None:
    role = Role()
    arns = {"*": "*", "the boundary": role.boundary, "the role itself": role.setup.resources["DeployRole"].arn}
    context = {key: arns.get(value, value) for key, value in context.items()}
    assert role.may(action, arns.get(resource, f"arn:aws:iam::{ACCOUNT}:{resource}"), **context) is None


@pytest.mark.parametrize(
    "name",
    [
        "credwarden-admin",
        "credwarden/credwarden-admin",
        "credwarden/eu-central-1/credwarden-admin",
        "credwarden/eu-central-1/credwarden-prod/credwarden-prod-x",
        "credwarden/us-east-1/credwarden/credwarden-x",
        "team/credwarden/eu-central-1/credwarden/credwarden-x",
    ],
)
def test_only_roles_in_the_stacks_path_are_in_reach(name: str) -> None:
    """A role made by others may have no boundary, even if its name begins with the stack's."""
    role = Role()
    context = {"iam:permissionsboundary": role.boundary, "iam:passedtoservice": "lambda.amazonaws.com"}
    actions = [*HANDLERS["AWS::IAM::Role"].split(), "iam:PassRole"]
    assert [action for action in actions if role.may(action, f"arn:aws:iam::{ACCOUNT}:role/{name}", **context)] == []


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("s3:PutObject", "arn:aws:s3:::payroll/credwarden/1a2b"),
        # The bucket and the stack that all deployments of the account by "sam deploy --guided" share.
        *(
            (action, "arn:aws:s3:::aws-sam-cli-managed-default-samclisourcebucket-1a2b")
            for action in (
                "s3:CreateBucket",
                "s3:DeleteBucket",
                "s3:ListBucket",
                "s3:PutBucketPolicy",
                "s3:PutBucketVersioning",
            )
        ),
        *(
            (action, "arn:aws:s3:::aws-sam-cli-managed-default-samclisourcebucket-1a2b/credwarden/1a2b")
            for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject")
        ),
        *(
            (action, f"arn:aws:cloudformation:eu-central-1:{ACCOUNT}:stack/aws-sam-cli-managed-default/1a2b")
            for action in ON_STACK.split()
        ),
        # The stack's own bucket: artifacts, but neither settings nor the permanent deletion of a version.
        *(
            (action, ARTIFACT_BUCKET)
            for action in (
                "s3:DeleteBucket",
                "s3:DeleteBucketPolicy",
                "s3:PutBucketPolicy",
                "s3:PutBucketPublicAccessBlock",
                "s3:PutBucketVersioning",
                "s3:PutEncryptionConfiguration",
                "s3:PutLifecycleConfiguration",
            )
        ),
        *((action, f"{ARTIFACT_BUCKET}/credwarden/1a2b") for action in ("s3:DeleteObjectVersion", "s3:PutObjectAcl")),
        ("cloudformation:DeleteStack", f"arn:aws:cloudformation:eu-central-1:{ACCOUNT}:stack/credwarden-two/1a2b"),
        ("cloudformation:DescribeStacks", f"arn:aws:cloudformation:eu-central-1:{ACCOUNT}:stack/credwarden-two/1a2b"),
        ("lambda:InvokeFunction", f"arn:aws:lambda:eu-central-1:{ACCOUNT}:function:credwarden-CheckerFunction-1A2B"),
        ("sqs:ReceiveMessage", f"arn:aws:sqs:eu-central-1:{ACCOUNT}:credwarden-FailedRunQueue-1A2B"),
        (
            "logs:GetLogEvents",
            f"arn:aws:logs:eu-central-1:{ACCOUNT}:log-group:credwarden-CheckerLogGroup-1A2B:log-stream:x",
        ),
        ("sns:Publish", f"arn:aws:sns:eu-central-1:{ACCOUNT}:credwarden-AlertTopic-1A2B"),
        ("securityhub:GetFindings", f"arn:aws:securityhub:eu-central-1:{ACCOUNT}:hub/default"),
        ("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/admin"),
    ],
)
def test_the_role_deploys_and_does_nothing_else(action: str, resource: str) -> None:
    assert Role().may(action, resource) is None


def test_the_artifact_bucket_is_private_encrypted_and_keeps_versions() -> None:
    setup = Role().setup
    bucket = setup.resources["ArtifactBucket"]
    assert set(bucket.properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket.properties["PublicAccessBlockConfiguration"]) == 4
    assert bucket.properties["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    (encryption,) = bucket.properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    assert bucket.properties["VersioningConfiguration"] == {"Status": "Enabled"}
    # No rule deletes a current version: a rollback needs the artifacts of the last deployment.
    (rule,) = bucket.properties["LifecycleConfiguration"]["Rules"]
    assert rule == {
        "Status": "Enabled",
        "NoncurrentVersionExpiration": {"NoncurrentDays": 90},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
    }
    (statement,) = setup.resources["ArtifactBucketPolicy"].properties["PolicyDocument"]["Statement"]
    assert statement == {
        "Sid": "OnlyTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [bucket.arn, f"{bucket.arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    assert parse(DEPLOY_ROLE)["Resources"]["ArtifactBucket"]["DeletionPolicy"] == "Retain"


def test_the_deploy_command_uses_the_bucket_and_the_boundary() -> None:
    role = Role(name="credwarden-prod")
    command = shlex.split(role.setup.outputs["DeployCommand"])
    assert command == [
        "sam",
        "deploy",
        "--region",
        "eu-central-1",
        "--stack-name",
        "credwarden-prod",
        "--no-resolve-s3",
        "--s3-bucket",
        role.setup.resources["ArtifactBucket"].name,
        "--s3-prefix",
        "credwarden-prod",
        "--parameter-overrides",
        f"PermissionsBoundaryArn={role.boundary}",
    ]


# The boundary

OPTIONS = [{}, {"KmsKeyArn": KEY}, {"TopicArn": TOPIC}, {"TopicArn": TOPIC, "KmsKeyArn": KEY}]


def boundary_statements(setup: Rendered) -> dict[str, dict]:
    return {
        statement["Sid"]: statement
        for statement in setup.resources["RoleBoundary"].properties["PolicyDocument"]["Statement"]
    }


@pytest.mark.parametrize("options", OPTIONS)
def test_the_boundary_allows_what_the_stacks_roles_need_and_nothing_else(options: dict[str, str]) -> None:
    setup = Role(**options).setup
    policy = parse_policy_document(setup.resources["RoleBoundary"].properties["PolicyDocument"])
    deployed = Rendered(TEMPLATE, options)
    used = set()
    for role in deployed.of_type("AWS::IAM::Role"):
        for statement in deployed.statements(role.name.split("-")[1]).values():
            for action in statement["Action"] if statement["Effect"] == "Allow" else []:
                for resource in statement["Resource"]:
                    # A wildcard is tested with one action of that name.
                    result = evaluate(_context(action.rstrip("*"), resource, setup.region, {}), [policy])
                    assert result.decision == "Allow", (action, resource)
                    used.add((result.matched_sid, action))
    granted = {
        (sid, action)
        for sid, statement in boundary_statements(setup).items()
        if statement["Effect"] == "Allow"
        for action in (statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]])
    }
    assert granted == used


def test_the_boundary_names_an_existing_topic_and_key_only_when_they_are_given() -> None:
    own = [f"arn:aws:sns:eu-central-1:{ACCOUNT}:credwarden-AlertTopic-{'?' * length}" for length in (12, 13)]
    assert boundary_statements(Role().setup)["Alert"]["Resource"] == own
    assert boundary_statements(Role(TopicArn=TOPIC).setup)["Alert"]["Resource"] == [*own, TOPIC]
    assert "EncryptAlert" not in boundary_statements(Role().setup)
    assert boundary_statements(Role(KmsKeyArn=KEY).setup)["EncryptAlert"]["Resource"] == KEY


# Who may assume the role


def trust(**parameters: str) -> list[dict]:
    setup = Rendered(DEPLOY_ROLE, parameters)
    return setup.resources["DeployRole"].properties["AssumeRolePolicyDocument"]["Statement"]


def test_trust_in_a_person() -> None:
    assert trust(TrustedPrincipalArn=TRUSTED) == [
        {"Effect": "Allow", "Principal": {"AWS": TRUSTED}, "Action": "sts:AssumeRole"}
    ]


def test_trust_in_a_workflow() -> None:
    (statement,) = trust(GitHubProviderArn=PROVIDER, GitHubSubject=SUBJECT)
    assert statement["Principal"] == {"Federated": PROVIDER}
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert statement["Condition"] == {
        "StringEquals": {"token.actions.githubusercontent.com:aud": "sts.amazonaws.com"},
        "StringLike": {"token.actions.githubusercontent.com:sub": SUBJECT},
    }


def test_trust_in_both() -> None:
    assert len(trust(TrustedPrincipalArn=TRUSTED, GitHubProviderArn=PROVIDER, GitHubSubject=SUBJECT)) == 2


@pytest.mark.parametrize(
    ("parameters", "refused"),
    [
        ({"TrustedPrincipalArn": TRUSTED}, set()),
        ({"GitHubProviderArn": PROVIDER, "GitHubSubject": SUBJECT}, set()),
        ({}, {"SomebodyIsTrusted"}),
        ({"GitHubProviderArn": PROVIDER}, {"GitHubNeedsSubject"}),
        ({"TrustedPrincipalArn": TRUSTED, "GitHubProviderArn": PROVIDER}, {"GitHubNeedsSubject"}),
    ],
)
def test_a_principal_or_a_complete_workflow_is_required(parameters: dict[str, str], refused: set[str]) -> None:
    setup = Rendered(DEPLOY_ROLE, parameters)
    assert {name for name, rule in parse(DEPLOY_ROLE)["Rules"].items() if not setup.holds(rule)} == refused


def test_no_stack_name_is_cut_to_another_one_in_the_names_of_resources() -> None:
    """CloudFormation truncates the name of a stack if it is too long for the name of a resource. The rest must be longer than
    every stack name that this role allows, or two stacks could have resources of the same name."""
    # These names have at most 64 characters; the others have more room. Roles have the whole name in their path.
    for logical_id, resource in Rendered(TEMPLATE).resources.items():
        if resource.type in ("AWS::Lambda::Function", "AWS::Scheduler::Schedule"):
            assert 64 - len(f"-{logical_id}-{ENDING}") > LONGEST_NAME, logical_id
    pattern = parse(DEPLOY_ROLE)["Parameters"]["StackName"]["AllowedPattern"]
    assert re.fullmatch(pattern, "a" * LONGEST_NAME) and not re.fullmatch(pattern, "a" * (LONGEST_NAME + 1))
