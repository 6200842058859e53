"""The resources of the template, and their parameters."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import tomllib
from cfnlint.api import lint_file
from cfnlint.config import ManualArgs

from render import (
    ACCOUNT,
    DEPLOY_ROLE,
    ENDING,
    MEMBER_ROLE,
    MEMBER_STACKSET,
    REGIONS,
    ROOT,
    TEMPLATE,
    Rendered,
    parse,
    strings,
)

KEY = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
TOPIC = f"arn:aws:sns:eu-central-1:{ACCOUNT}:security"
ALARM_TOPIC = f"arn:aws:sns:eu-central-1:{ACCOUNT}:operations"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/boundary"

# The function's variables: the parameter of each, and its default.
VARIABLES = {
    "CREDWARDEN_SECURITY_HUB": ("SecurityHub", "true"),
    "CREDWARDEN_ALERT_ON": ("AlertOn", "changes"),
    "CREDWARDEN_ALERT_MIN_SEVERITY": ("AlertMinSeverity", "LOW"),
    "CREDWARDEN_ACCESS_KEY_MAX_AGE_DAYS": ("AccessKeyMaxAgeDays", "90"),
    "CREDWARDEN_CREDENTIAL_UNUSED_DAYS": ("CredentialUnusedDays", "45"),
    "CREDWARDEN_ROOT_USED_WITHIN_DAYS": ("RootUsedWithinDays", "30"),
    "CREDWARDEN_NEW_CREDENTIAL_GRACE_DAYS": ("NewCredentialGraceDays", "7"),
    "CREDWARDEN_ACCOUNT_NAME": ("AccountName", ""),
    "CREDWARDEN_DISABLED_CHECKS": ("DisabledChecks", ""),
}

OTHER_DEFAULTS = {
    "EmailAddress": "",
    "TopicArn": "",
    "AlarmTopicArn": "",
    "KmsKeyArn": "",
    "ScheduleExpression": "cron(0 6 * * ? *)",
    "ScheduleTimezone": "UTC",
    "SuccessWithinHours": "26",
    "Architecture": "arm64",
    "MemorySize": 256,
    "Timeout": 900,
    "MaximumRetryAttempts": 0,
    "LogRetentionDays": 365,
    "PermissionsBoundaryArn": "",
}


def stack(partition: str = "aws", **parameters: str) -> Rendered:
    return Rendered(TEMPLATE, parameters, partition=partition)


def test_defaults_are_the_documented_ones() -> None:
    defaults = {name: declared["Default"] for name, declared in parse(TEMPLATE)["Parameters"].items()}
    assert defaults == dict(VARIABLES.values()) | OTHER_DEFAULTS


# The function


def test_the_function_is_configured_only_by_its_variables() -> None:
    deployed = stack()
    variables = deployed.resources["CheckerFunction"].properties["Environment"]["Variables"]
    topic = {"CREDWARDEN_TOPIC_ARN": deployed.resources["AlertTopic"].arn}
    assert variables == topic | {name: default for name, (_, default) in VARIABLES.items()}


@pytest.mark.parametrize(
    ("variable", "parameter", "value"),
    [
        ("CREDWARDEN_SECURITY_HUB", "SecurityHub", "false"),
        ("CREDWARDEN_ALERT_ON", "AlertOn", "always"),
        ("CREDWARDEN_ALERT_MIN_SEVERITY", "AlertMinSeverity", "HIGH"),
        ("CREDWARDEN_ACCESS_KEY_MAX_AGE_DAYS", "AccessKeyMaxAgeDays", "30"),
        ("CREDWARDEN_CREDENTIAL_UNUSED_DAYS", "CredentialUnusedDays", "20"),
        ("CREDWARDEN_ROOT_USED_WITHIN_DAYS", "RootUsedWithinDays", "10"),
        ("CREDWARDEN_NEW_CREDENTIAL_GRACE_DAYS", "NewCredentialGraceDays", "3"),
        ("CREDWARDEN_ACCOUNT_NAME", "AccountName", "Zahlungen Köln"),
        ("CREDWARDEN_DISABLED_CHECKS", "DisabledChecks", "access-key-inactive,root-mfa-disabled"),
        ("CREDWARDEN_TOPIC_ARN", "TopicArn", TOPIC),
    ],
)
def test_each_parameter_reaches_its_variable(variable: str, parameter: str, value: str) -> None:
    function = stack(**{parameter: value}).resources["CheckerFunction"]
    assert function.properties["Environment"]["Variables"][variable] == value


@pytest.mark.parametrize("architecture", ["arm64", "x86_64"])
def test_function(architecture: str) -> None:
    deployed = stack(Architecture=architecture, MemorySize="512", Timeout="600")
    properties = deployed.resources["CheckerFunction"].properties
    assert properties["Architectures"] == [architecture]
    assert properties["Runtime"] == "provided.al2023"
    assert (properties["MemorySize"], properties["Timeout"]) == ("512", "600")
    assert properties["Role"] == deployed.resources["CheckerRole"].arn
    assert properties["LoggingConfig"] == {"LogFormat": "JSON", "LogGroup": deployed.resources["CheckerLogGroup"].name}
    assert "ReservedConcurrentExecutions" not in properties
    written = parse(TEMPLATE)["Resources"]["CheckerFunction"]
    assert written["Metadata"] == {"BuildMethod": "rust-cargolambda", "BuildProperties": {"Binary": "checker"}}
    assert (ROOT / written["Properties"]["CodeUri"] / "Cargo.toml").is_file()


@pytest.mark.parametrize("attempts", ["0", "2"])
def test_a_failed_run_is_kept_and_not_repeated_unless_wanted(attempts: str) -> None:
    deployed = stack(MaximumRetryAttempts=attempts)
    (config,) = deployed.of_type("AWS::Lambda::EventInvokeConfig")
    assert str(config.properties["MaximumRetryAttempts"]) == attempts
    queue = deployed.resources["FailedRunQueue"].arn
    assert config.properties["DestinationConfig"] == {"OnFailure": {"Destination": queue}}


def test_the_log_group_has_a_retention() -> None:
    (group,) = stack(LogRetentionDays="90").of_type("AWS::Logs::LogGroup")
    assert group.properties == {"RetentionInDays": "90"}


def test_schedule() -> None:
    deployed = stack(ScheduleExpression="rate(12 hours)", ScheduleTimezone="Europe/Berlin")
    (schedule,) = deployed.of_type("AWS::Scheduler::Schedule")
    assert schedule.properties["ScheduleExpression"] == "rate(12 hours)"
    assert schedule.properties["ScheduleExpressionTimezone"] == "Europe/Berlin"
    assert schedule.properties["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert schedule.properties["Target"] == {
        "Arn": deployed.resources["CheckerFunction"].arn,
        "RoleArn": deployed.resources["ScheduleRole"].arn,
        "RetryPolicy": {"MaximumRetryAttempts": 20, "MaximumEventAgeInSeconds": 7200},
        "DeadLetterConfig": {"Arn": deployed.resources["UndeliveredQueue"].arn},
    }


# Permissions


def granted(deployed: Rendered, role: str) -> dict[str, tuple[list[str], list[str]]]:
    return {
        sid: (statement["Action"], statement["Resource"])
        for sid, statement in deployed.statements(role).items()
        if statement["Effect"] == "Allow"
    }


def function_permissions(deployed: Rendered) -> dict[str, tuple[list[str], list[str]]]:
    """Returns the permissions that the function needs with the default parameters."""
    partition, here = deployed.partition, f"{deployed.region}:{ACCOUNT}"
    hub = f"arn:{partition}:securityhub:{here}"
    return {
        "ReadAccount": (
            [
                "iam:GenerateCredentialReport",
                "iam:GetCredentialReport",
                "iam:GetAccountSummary",
                "iam:ListVirtualMFADevices",
                "iam:ListServiceSpecificCredentials",
            ],
            ["*"],
        ),
        "FindAccessKeyIds": (["iam:ListAccessKeys"], [f"arn:{partition}:iam::{ACCOUNT}:user/*"]),
        "ImportFindings": (["securityhub:BatchImportFindings"], [f"{hub}:product/{ACCOUNT}/default"]),
        "RecallAndMarkFindings": (
            ["securityhub:GetFindings", "securityhub:BatchUpdateFindings"],
            [f"{hub}:hub/default"],
        ),
        "Alert": (["sns:Publish"], [f"arn:{partition}:sns:{here}:{deployed.resources['AlertTopic'].name}"]),
        "WriteLogs": (
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            [f"arn:{partition}:logs:{here}:log-group:{deployed.resources['CheckerLogGroup'].name}:*"],
        ),
        "KeepFailedRuns": (
            ["sqs:SendMessage"],
            [f"arn:{partition}:sqs:{here}:{deployed.resources['FailedRunQueue'].name}"],
        ),
    }


@pytest.mark.parametrize("partition", REGIONS)
def test_the_function_has_the_permissions_it_needs_and_no_others(partition: str) -> None:
    deployed = stack(partition)
    assert granted(deployed, "CheckerRole") == function_permissions(deployed)


def test_without_security_hub_the_function_has_no_permission_for_it() -> None:
    deployed = stack(SecurityHub="false")
    expected = function_permissions(deployed)
    del expected["ImportFindings"], expected["RecallAndMarkFindings"]
    assert granted(deployed, "CheckerRole") == expected


def test_a_topic_for_alarms_changes_nothing_else() -> None:
    """The function does not publish to it, and CloudWatch requires no permission on it to create an alarm."""
    with_topic = stack(AlarmTopicArn=ALARM_TOPIC)
    changed = {name for name, resource in stack().resources.items() if resource != with_topic.resources[name]}
    assert changed == {resource.name.split("-")[1] for resource in with_topic.of_type("AWS::CloudWatch::Alarm")}


def test_an_existing_topic_is_the_only_one_that_the_function_may_publish_to() -> None:
    assert granted(stack(TopicArn=TOPIC), "CheckerRole")["Alert"] == (["sns:Publish"], [TOPIC])


def test_a_key_is_used_for_the_topic_and_only_when_it_is_given() -> None:
    deployed = stack(KmsKeyArn=KEY)
    expected = function_permissions(deployed) | {"EncryptAlert": (["kms:GenerateDataKey*", "kms:Decrypt"], [KEY])}
    assert granted(deployed, "CheckerRole") == expected
    assert deployed.resources["AlertTopic"].properties["KmsMasterKeyId"] == KEY
    assert "KmsMasterKeyId" not in stack().resources["AlertTopic"].properties


def test_the_scheduler_may_start_the_function_and_keep_what_it_cannot_deliver() -> None:
    deployed = stack()
    assert granted(deployed, "ScheduleRole") == {
        "StartRun": (["lambda:InvokeFunction"], [deployed.resources["CheckerFunction"].arn]),
        "KeepUndelivered": (["sqs:SendMessage"], [deployed.resources["UndeliveredQueue"].arn]),
    }
    (trust,) = deployed.resources["ScheduleRole"].properties["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "scheduler.amazonaws.com"}
    assert trust["Condition"] == {
        "StringEquals": {
            "aws:SourceAccount": ACCOUNT,
            "aws:SourceArn": f"arn:aws:scheduler:{deployed.region}:{ACCOUNT}:schedule-group/default",
        }
    }


def test_the_stack_has_two_roles_without_managed_policies() -> None:
    roles = stack(PermissionsBoundaryArn=BOUNDARY).of_type("AWS::IAM::Role")
    assert len(roles) == 2
    assert not any("ManagedPolicyArns" in role.properties for role in roles)
    assert [role.properties["PermissionsBoundary"] for role in roles] == [BOUNDARY, BOUNDARY]
    assert not any("PermissionsBoundary" in role.properties for role in stack().of_type("AWS::IAM::Role"))


@pytest.mark.parametrize("name", ["credwarden", "credwarden-prod"])
def test_the_stacks_roles_have_a_path_of_their_own(name: str) -> None:
    deployed = Rendered(TEMPLATE, stack=name)
    path = f"/credwarden/eu-central-1/{name}/"
    assert {role.properties["Path"] for role in deployed.of_type("AWS::IAM::Role")} == {path}
    assert deployed.outputs["FunctionRoleArn"] == f"arn:aws:iam::{ACCOUNT}:role{path}{name}-CheckerRole-{ENDING}"


# The topic and the queues


def test_the_topic_accepts_alarms_of_this_account_and_requires_tls() -> None:
    deployed = stack()
    topic = deployed.resources["AlertTopic"].arn
    policy = deployed.resources["AlertTopicPolicy"].properties
    assert policy["Topics"] == [topic]
    allow, deny = policy["PolicyDocument"]["Statement"]
    assert (allow["Effect"], allow["Principal"]) == ("Allow", {"Service": "cloudwatch.amazonaws.com"})
    assert (allow["Action"], allow["Resource"]) == ("sns:Publish", topic)
    assert allow["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    assert (deny["Effect"], deny["Principal"], deny["Action"]) == ("Deny", "*", "sns:Publish")
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_an_existing_topic_is_not_changed() -> None:
    deployed = stack(TopicArn=TOPIC)
    assert not {kind for kind in (resource.type for resource in deployed.resources.values()) if "SNS" in kind}
    assert deployed.outputs["TopicArn"] == TOPIC


def test_a_mail_address_is_subscribed_when_it_is_given() -> None:
    assert "AlertSubscription" not in stack().resources
    deployed = stack(EmailAddress="security@example.com")
    assert deployed.resources["AlertSubscription"].properties == {
        "TopicArn": deployed.resources["AlertTopic"].arn,
        "Protocol": "email",
        "Endpoint": "security@example.com",
    }


def test_a_mail_address_for_an_existing_topic_is_refused() -> None:
    rule = parse(TEMPLATE)["Rules"]["EmailAddressNeedsOwnTopic"]
    assert stack().holds(rule)
    assert stack(EmailAddress="security@example.com").holds(rule)
    assert stack(TopicArn=TOPIC).holds(rule)
    assert not stack(TopicArn=TOPIC, EmailAddress="security@example.com").holds(rule)


@pytest.mark.parametrize(("queue", "sender"), [("FailedRunQueue", "CheckerRole"), ("UndeliveredQueue", "ScheduleRole")])
def test_a_queue_keeps_encrypted_messages_for_14_days_and_accepts_them_from_one_role(queue: str, sender: str) -> None:
    deployed = stack()
    assert deployed.resources[queue].properties == {
        "MessageRetentionPeriod": 14 * 24 * 3600,
        "SqsManagedSseEnabled": True,
    }
    policy = deployed.resources[f"{queue}Policy"].properties["PolicyDocument"]
    without_tls, others = policy["Statement"]
    arn = deployed.resources[queue].arn
    for statement in policy["Statement"]:
        assert (statement["Effect"], statement["Principal"], statement["Resource"]) == ("Deny", "*", arn)
    assert (without_tls["Action"], without_tls["Condition"]) == ("sqs:*", {"Bool": {"aws:SecureTransport": "false"}})
    assert others["Action"] == "sqs:SendMessage"
    assert others["Condition"] == {"ArnNotEquals": {"aws:PrincipalArn": deployed.resources[sender].arn}}


# The alarms


@pytest.mark.parametrize("topic", ["", TOPIC])
@pytest.mark.parametrize("alarm_topic", ["", ALARM_TOPIC])
def test_every_alarm_notifies_its_topic_and_has_instructions(topic: str, alarm_topic: str) -> None:
    deployed = stack(TopicArn=topic, AlarmTopicArn=alarm_topic)
    alarms = deployed.of_type("AWS::CloudWatch::Alarm")
    alert_topic = topic or deployed.resources["AlertTopic"].arn
    assert len(alarms) == (3 if topic else 4)
    assert (deployed.outputs["TopicArn"], deployed.outputs["AlarmTopicArn"]) == (
        alert_topic,
        alarm_topic or alert_topic,
    )
    for alarm in alarms:
        assert alarm.properties["AlarmActions"] == [alarm_topic or alert_topic]
        assert alarm.properties.get("OKActions", alarm.properties["AlarmActions"]) == alarm.properties["AlarmActions"]
        assert "(stack credwarden)" in alarm.properties["AlarmDescription"]
        assert len(alarm.properties["AlarmDescription"]) < 1024


def test_alarm_on_a_failed_run() -> None:
    alarm = stack().resources["RunFailedAlarm"].properties
    assert (alarm["Namespace"], alarm["MetricName"], alarm["Statistic"]) == ("AWS/Lambda", "Errors", "Sum")
    assert alarm["Dimensions"] == [{"Name": "FunctionName", "Value": stack().resources["CheckerFunction"].name}]
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanOrEqualToThreshold", 1)
    assert alarm["TreatMissingData"] == "notBreaching"
    # The metric's time is the run's beginning; the period must hold the longest run.
    assert alarm["Period"] >= 2 * parse(TEMPLATE)["Parameters"]["Timeout"]["MaxValue"]
    assert "OKActions" not in alarm


def test_alarm_on_a_run_that_was_not_started() -> None:
    alarm = stack().resources["RunNotStartedAlarm"].properties
    assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/SQS", "ApproximateNumberOfMessagesVisible")
    assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": stack().resources["UndeliveredQueue"].name}]
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanOrEqualToThreshold", 1)


def test_alarm_on_no_successful_run() -> None:
    deployed = stack(SuccessWithinHours="50")
    alarm = deployed.resources["NoSuccessfulRunAlarm"].properties
    # Only a successful normal run writes this metric; a dry run is an invocation without an error too.
    expression, metric = alarm["Metrics"]
    assert (expression["Expression"], expression["ReturnData"]) == ("FILL(runs, 0)", True)
    function = [{"Name": "FunctionName", "Value": deployed.resources["CheckerFunction"].name}]
    assert metric == {
        "Id": "runs",
        "ReturnData": False,
        "MetricStat": {
            "Metric": {"Namespace": "credwarden", "MetricName": "SuccessfulRuns", "Dimensions": function},
            "Stat": "Sum",
            "Period": 3600,
        },
    }
    assert alarm["EvaluationPeriods"] == "50"
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("LessThanThreshold", 1)
    assert alarm["TreatMissingData"] == "breaching"
    assert (
        alarm["WarmUpConfiguration"]["WarmUpPeriodDurationInMinutes"] == int(OTHER_DEFAULTS["SuccessWithinHours"]) * 60
    )
    assert alarm["OKActions"] == alarm["AlarmActions"]
    assert "for 50 hours" in alarm["AlarmDescription"]


@pytest.mark.parametrize(
    ("published", "delivered", "filtered", "alarm"),
    [(0, 0, 0, 0), (1, 0, 0, 1), (1, 1, 0, 0), (2, 1, 0, 0), (0, 3, 0, 0), (1, 0, 1, 0)],
)
def test_alarm_on_an_alert_without_a_delivery(published: int, delivered: int, filtered: int, alarm: int) -> None:
    deployed = stack()
    properties = deployed.resources["AlertNotDeliveredAlarm"].properties
    expression, *metrics = properties["Metrics"]
    names = ("NumberOfMessagesPublished", "NumberOfNotificationsDelivered", "NumberOfNotificationsFilteredOut")
    for metric, name in zip(metrics, names, strict=True):
        topic = [{"Name": "TopicName", "Value": deployed.resources["AlertTopic"].name}]
        assert metric["MetricStat"] == {
            "Metric": {"Namespace": "AWS/SNS", "MetricName": name, "Dimensions": topic},
            "Stat": "Sum",
            "Period": 3600,
        }
    assert [metric["ReturnData"] for metric in properties["Metrics"]] == [True, False, False, False]
    condition = re.fullmatch(r"IF\((.*), 1, 0\)", expression["Expression"])[1]
    # A metric without data points is filled with 0.
    values = {"published": published, "delivered": delivered, "filtered": filtered}
    parts = [re.fullmatch(r"FILL\((\w+), 0\) ([<>]) (\d)", part).groups() for part in condition.split(" AND ")]
    holds = [values[name] < int(limit) if sign == "<" else values[name] > int(limit) for name, sign, limit in parts]
    assert len(parts) == 3 and int(all(holds)) == alarm
    assert (properties["ComparisonOperator"], properties["Threshold"]) == ("GreaterThanOrEqualToThreshold", 1)


def test_the_topic_of_others_has_no_alarm_on_deliveries() -> None:
    """Its metrics are in its own account and Region, and its other messages would count."""
    assert "AlertNotDeliveredAlarm" not in stack(TopicArn=TOPIC).resources


# The whole template

ALL_OPTIONS = {"EmailAddress": "security@example.com", "KmsKeyArn": KEY, "PermissionsBoundaryArn": BOUNDARY}


@pytest.mark.parametrize("partition", REGIONS)
def test_no_partition_is_hard_coded(partition: str) -> None:
    for path in (TEMPLATE, DEPLOY_ROLE):
        deployed = Rendered(path, partition=partition)
        texts = [text for resource in deployed.resources.values() for text in strings(resource.properties)]
        arns = [arn for text in texts for arn in re.findall(r"arn:([^:]*):", text)]
        assert set(arns) == {partition}
        # Service principals have this ending in every partition; no other value may have it.
        endings = {text for text in texts if "amazonaws.com" in text and not text.startswith("https://sqs.")}
        assert endings <= {
            f"{service}.amazonaws.com" for service in ("cloudformation", "cloudwatch", "lambda", "scheduler", "sts")
        }


@pytest.mark.parametrize("path", [TEMPLATE, DEPLOY_ROLE])
def test_no_resource_has_a_name_of_its_own(path: Path) -> None:
    names = {
        "FunctionName",
        "RoleName",
        "ManagedPolicyName",
        "TopicName",
        "QueueName",
        "LogGroupName",
        "AlarmName",
        "Name",
    }
    deployed = Rendered(path, ALL_OPTIONS if path == TEMPLATE else {})
    for logical_id, resource in deployed.resources.items():
        if resource.type != "AWS::Lambda::EventInvokeConfig":  # there FunctionName refers to the function
            assert not names & set(resource.properties), logical_id


def test_two_stacks_share_only_what_belongs_to_the_account() -> None:
    def texts(name: str) -> set[str]:
        deployed = Rendered(TEMPLATE, ALL_OPTIONS, stack=name)
        return {
            text for resource in deployed.resources.values() for text in strings(resource.properties) if "arn:" in text
        }

    assert texts("one") & texts("two") == {
        KEY,
        BOUNDARY,
        f"arn:aws:iam::{ACCOUNT}:user/*",
        f"arn:aws:scheduler:eu-central-1:{ACCOUNT}:schedule-group/default",
        f"arn:aws:securityhub:eu-central-1:{ACCOUNT}:hub/default",
        f"arn:aws:securityhub:eu-central-1:{ACCOUNT}:product/{ACCOUNT}/default",
    }


def test_outputs() -> None:
    outputs = stack().outputs
    assert set(outputs) == {
        "FunctionName",
        "FunctionArn",
        "FunctionRoleArn",
        "TopicArn",
        "AlarmTopicArn",
        "LogGroupName",
        "FailedRunQueueUrl",
        "UndeliveredQueueUrl",
        "DryRunCommand",
        "RunCommand",
    }
    assert outputs["FunctionName"] in outputs["DryRunCommand"]
    assert json.loads(outputs["DryRunCommand"].split("'")[1]) == {"dry_run": True}


@pytest.mark.parametrize("path", [TEMPLATE, DEPLOY_ROLE, MEMBER_ROLE, MEMBER_STACKSET])
def test_cfn_lint_finds_nothing(path: Path) -> None:
    everything = ManualArgs(regions=list(REGIONS.values()), include_checks=["I"])
    assert [f"{match.linenumber}: {match.rule.id} {match.message}" for match in lint_file(path, everything)] == []


# Files beside the template


def test_sam_configuration() -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())
    assert config["version"] == 0.1
    deploy = config["default"]["deploy"]["parameters"]
    assert deploy["capabilities"] == "CAPABILITY_IAM"
    assert deploy["stack_name"] == deploy["s3_prefix"] == "credwarden"
    assert deploy["resolve_s3"] and deploy["confirm_changeset"] and not deploy["fail_on_empty_changeset"]
    assert "region" not in strings(config)


def test_local_invocation_overrides_only_what_the_template_declares() -> None:
    local = ROOT / "infra" / "local"
    assert json.loads((local / "event.json").read_text()) == {"dry_run": True}
    ((function, variables),) = json.loads((local / "env.json").read_text()).items()
    declared = parse(TEMPLATE)["Resources"][function]["Properties"]["Environment"]["Variables"]
    assert set(variables) <= set(declared)
    assert variables["CREDWARDEN_SECURITY_HUB"] == "false" and not variables["CREDWARDEN_TOPIC_ARN"]


def test_tools_are_pinned() -> None:
    lines = (ROOT / "infra" / "requirements.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert {"aws-sam-cli", "cargo-lambda", "ziglang"} <= set(pins)
    assert all(re.fullmatch(r"[0-9][0-9A-Za-z.]*", version) for version in pins.values())
