"""The real `sam deploy` and `sam delete` with only the deploy role's permissions.

The emulator enforces the permissions for SAM's own calls. Its CloudFormation needs no permissions to make resources;
those that AWS requires are tested beside the template, and for alarms also here.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
import yaml

from emulator.launcher import REGION
from emulator.process import Emulator, wait_for
from emulator.stack import FUNCTION, ROOT, architecture, template

NAME = "credwarden"
DEPLOY_ROLE = ROOT / "infra" / "deploy-role.yaml"
ALARMS = ["RunFailedAlarm", "RunNotStartedAlarm", "NoSuccessfulRunAlarm", "AlertNotDeliveredAlarm"]

# Granted, but used only for stack tags, which these deployments do not have.
NOT_USED = {"cloudformation:TagResource", "cloudformation:UntagResource"}


def sam() -> str:
    beside = ROOT / ".venv" / "sam" / "bin" / "sam"
    found = shutil.which("sam") or (str(beside) if beside.is_file() else None)
    # A failure, not a skip: otherwise the deploy role could stay untested without notice.
    assert found, "the SAM CLI is missing: `make test` installs it, and so does `pip install -r infra/requirements.txt`"
    return found


class Deployer:
    """A person who may assume the deploy role of one stack, and nothing else."""

    def __init__(self, emulator: Emulator, bootstrap: Path, folder: Path, **parameters: str) -> None:
        self.emulator, self.folder = emulator, folder
        iam = emulator.client("iam")
        person = iam.create_user(UserName="deployer")["User"]["Arn"]
        self.outputs = self._make_role(TrustedPrincipalArn=person, **parameters)
        iam.put_user_policy(
            UserName="deployer",
            PolicyName="deploy",
            PolicyDocument=json.dumps(
                {
                    "Version": "2012-10-17",
                    "Statement": [
                        {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": self.outputs["DeployRoleArn"]}
                    ],
                }
            ),
        )
        key = iam.create_access_key(UserName="deployer")["AccessKey"]
        own = emulator.client("sts", role={**key, "SessionToken": None})
        self.credentials = own.assume_role(RoleArn=self.outputs["DeployRoleArn"], RoleSessionName="deploy")[
            "Credentials"
        ]
        self._build(bootstrap)

    def _make_role(self, **parameters: str) -> dict[str, str]:
        formation = self.emulator.client("cloudformation")
        formation.create_stack(
            StackName="deployment",
            TemplateBody=DEPLOY_ROLE.read_text(),
            Capabilities=["CAPABILITY_IAM"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        )
        stack = wait_for(lambda: self._finished("deployment"), 30, "deploy role")
        assert stack["StackStatus"] == "CREATE_COMPLETE"
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def _build(self, bootstrap: Path) -> None:
        """Makes the output of `sam build`: a folder with the function's program, and the template that names the folder."""
        package = self.folder / FUNCTION
        package.mkdir()
        shutil.copy(bootstrap, package / "bootstrap")
        body = template()
        body["Resources"][FUNCTION]["Properties"]["CodeUri"] = FUNCTION
        (self.folder / "template.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(body))))

    def _finished(self, name: str) -> dict | None:
        stack = self.emulator.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
        return None if stack["StackStatus"].endswith("_IN_PROGRESS") else stack

    def sam(self, *arguments: str) -> subprocess.CompletedProcess:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "AWS_ACCESS_KEY_ID": self.credentials["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": self.credentials["SecretAccessKey"],
            "AWS_SESSION_TOKEN": self.credentials["SessionToken"],
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.emulator.url,
            "SAM_CLI_TELEMETRY": "0",
            "SAM_CLI_POLL_DELAY": "0.2",
        }
        return subprocess.run(
            [sam(), *arguments, "--config-file", str(ROOT / "samconfig.toml")],
            env=environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def deploy(self, name: str = NAME, **parameters: str) -> subprocess.CompletedProcess:
        """Runs the command in the role's outputs, with more parameters, and for another stack if `name` is given."""
        program, *command = shlex.split(self.outputs["DeployCommand"])
        assert program == "sam" and command[-2] == "--parameter-overrides"
        command[command.index("--stack-name") + 1] = name
        given = {"Architecture": architecture(), **parameters}
        return self.sam(
            *command,
            *(f"{key}={value}" for key, value in given.items()),
            "--no-confirm-changeset",
            "--template-file",
            "template.yaml",
        )

    def delete(self) -> subprocess.CompletedProcess:
        return self.sam("delete", "--no-prompts", "--stack-name", NAME, "--region", REGION)

    def alarms(self) -> list[dict[str, Any]]:
        """Returns the alarms of the deployed stack, as requests of PutMetricAlarm."""
        formation = self.emulator.client("cloudformation")
        names = [
            formation.describe_stack_resource(StackName=NAME, LogicalResourceId=alarm)["StackResourceDetail"][
                "PhysicalResourceId"
            ]
            for alarm in ALARMS
        ]
        described = self.emulator.client("cloudwatch").describe_alarms(AlarmNames=names)["MetricAlarms"]
        assert len(described) == len(ALARMS)
        kept = (
            "AlarmName",
            "Namespace",
            "MetricName",
            "Statistic",
            "Period",
            "EvaluationPeriods",
            "Threshold",
            "ComparisonOperator",
            "AlarmActions",
            "OKActions",
        )
        return [{name: alarm[name] for name in kept if name in alarm} for alarm in described]

    def granted(self) -> dict[str, list[str]]:
        """Returns the role's actions by Sid."""
        iam, role = self.emulator.client("iam"), self.outputs["DeployRoleArn"].rpartition("/")[2]
        statements: list[dict] = []
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            statements += iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]["Statement"]
        return {one["Sid"]: one["Action"] if isinstance(one["Action"], list) else [one["Action"]] for one in statements}


@pytest.fixture
def deployer(emulator: Emulator, hub: Any, bootstrap: Path, tmp_path: Path) -> Deployer:
    return Deployer(emulator, bootstrap, tmp_path)


def refused(call: Callable, **arguments: Any) -> None:
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**arguments)
    assert caught.value.response["Error"]["Code"] in ("AccessDenied", "AccessDeniedException", "AuthorizationError"), (
        call
    )


def succeeded(result: subprocess.CompletedProcess) -> bool:
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr
    return True


def test_the_role_deploys_updates_and_deletes_the_stack(deployer: Deployer, emulator: Emulator) -> None:
    emulator.forget_calls()
    assert succeeded(deployer.deploy())
    assert succeeded(deployer.deploy(AlertOn="always"))
    function = emulator.client("cloudformation").describe_stack_resource(StackName=NAME, LogicalResourceId=FUNCTION)
    name = function["StackResourceDetail"]["PhysicalResourceId"]
    configuration = emulator.client("lambda").get_function_configuration(FunctionName=name)
    assert configuration["Environment"]["Variables"]["CREDWARDEN_ALERT_ON"] == "always"
    artifacts = emulator.client("s3").list_objects_v2(Bucket=deployer.outputs["ArtifactBucketName"])["Contents"]
    assert len(artifacts) > 1 and all(one["Key"].startswith(f"{NAME}/") for one in artifacts)
    assert [bucket["Name"] for bucket in emulator.client("s3").list_buckets()["Buckets"]] == [
        deployer.outputs["ArtifactBucketName"]
    ]
    assert succeeded(deployer.delete())
    assert all(stack["StackName"] != NAME for stack in emulator.client("cloudformation").describe_stacks()["Stacks"])

    called = set(emulator.calls())
    granted = deployer.granted()
    direct = {action for sid in ("Stack", "Artifacts") for action in granted[sid]}
    assert direct - called == NOT_USED
    assert {action for action in called if action != "sts:GetCallerIdentity"} <= set().union(*granted.values())


def test_the_function_works_within_the_boundary(deployer: Deployer, emulator: Emulator) -> None:
    assert succeeded(deployer.deploy())
    stack = emulator.client("cloudformation").describe_stacks(StackName=NAME)["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    answer = emulator.client("lambda").invoke(FunctionName=outputs["FunctionName"], Payload=b"{}")
    body = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, body
    assert (body["errors"], body["alert"]) == ([], "sent")


def test_the_role_cannot_leave_its_stack_by_direct_calls(deployer: Deployer, emulator: Emulator) -> None:
    topic = emulator.client("sns").create_topic(Name="payroll")["TopicArn"]
    subscription = emulator.client("sns").subscribe(
        TopicArn=topic, Protocol="email", Endpoint="payroll@example.com", ReturnSubscriptionArn=True
    )["SubscriptionArn"]
    trust_all = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
        }
    )
    emulator.client("iam").create_role(RoleName=f"{NAME}-admin", AssumeRolePolicyDocument=trust_all)
    bucket = deployer.outputs["ArtifactBucketName"]
    iam, sns, s3 = (emulator.client(service, role=deployer.credentials) for service in ("iam", "sns", "s3"))
    s3.put_object(Bucket=bucket, Key=f"{NAME}/1a2b", Body=b"")
    for call, arguments in (
        (iam.update_assume_role_policy, {"RoleName": f"{NAME}-admin", "PolicyDocument": trust_all}),
        (iam.delete_role, {"RoleName": f"{NAME}-admin"}),
        (sns.unsubscribe, {"SubscriptionArn": subscription}),
        (s3.put_bucket_policy, {"Bucket": bucket, "Policy": trust_all}),
        (s3.put_object, {"Bucket": bucket, "Key": "payroll/1a2b", "Body": b""}),
    ):
        refused(call, **arguments)


def test_the_role_puts_alarms_whose_only_action_is_the_stacks_topic(deployer: Deployer, emulator: Emulator) -> None:
    """CloudFormation uses the role's permissions for that."""
    assert succeeded(deployer.deploy())
    (topic,) = {arn for alarm in deployer.alarms() for arn in alarm["AlarmActions"]}
    cloudwatch = emulator.client("cloudwatch", role=deployer.credentials)
    other = emulator.client("sns").create_topic(Name="payroll")["TopicArn"]
    for alarm in deployer.alarms():
        cloudwatch.put_metric_alarm(**alarm)
        for action in (f"arn:aws:automate:{REGION}:ec2:terminate", other):
            for state in ("AlarmActions", "OKActions", "InsufficientDataActions"):
                refused(cloudwatch.put_metric_alarm, **alarm | {state: [topic, action]})
        without = {name: value for name, value in alarm.items() if not name.endswith("Actions")}
        refused(cloudwatch.put_metric_alarm, **without)


def test_the_role_puts_alarms_that_notify_the_given_topic(
    emulator: Emulator, hub: Any, bootstrap: Path, tmp_path: Path
) -> None:
    topic = emulator.client("sns").create_topic(Name="operations")["TopicArn"]
    deployer = Deployer(emulator, bootstrap, tmp_path, AlarmTopicArn=topic)
    assert succeeded(deployer.deploy(AlarmTopicArn=topic))
    cloudwatch = emulator.client("cloudwatch", role=deployer.credentials)
    for alarm in deployer.alarms():
        assert alarm["AlarmActions"] == [topic]
        cloudwatch.put_metric_alarm(**alarm)


def test_a_missing_sam_cli_fails_and_names_the_install_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    with pytest.raises(AssertionError, match="`make test` installs it"):
        sam()


def test_the_role_cannot_touch_another_stack(deployer: Deployer) -> None:
    result = deployer.deploy("payroll")
    assert result.returncode == 1
    assert "AccessDenied" in result.stderr and "cloudformation:" in result.stderr
