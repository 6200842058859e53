"""Deploys the project's template into an emulator, and gives tests and the demo access to the stack."""

from __future__ import annotations

import copy
import functools
import io
import json
import platform
import shutil
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.exceptions
from samtranslator.yaml_helper import yaml_parse

from emulator.binaries import ROOT
from emulator.process import Emulator, wait_for

TEMPLATE = ROOT / "template.yaml"
FUNCTION = "CheckerFunction"
ROLE = "CheckerRole"
SCHEDULE_ROLE = "ScheduleRole"
MAIL_ADDRESS = "security@example.com"

_BUCKET = "credwarden-code"
_DEPLOY_SECONDS = 60


@dataclass(frozen=True)
class Answer:
    """The response of an invocation: its payload, and whether it was a function error."""

    payload: Any
    failed: bool

    @property
    def error_type(self) -> str | None:
        return self.payload.get("errorType") if self.failed else None

    @property
    def error_message(self) -> str:
        return self.payload.get("errorMessage", "") if self.failed else ""


class Stack:
    """One deployment. `edit` may change the parsed template before it is deployed."""

    def __init__(
        self,
        emulator: Emulator,
        bootstrap: Path,
        *,
        name: str = "credwarden",
        edit: Callable[[dict], None] | None = None,
        **parameters: str,
    ) -> None:
        self.emulator = emulator
        self.name = name
        self.parameters = {"EmailAddress": MAIL_ADDRESS, "Architecture": architecture(), **parameters}
        self._body = self._upload(bootstrap)
        if edit:
            edit(self._body)
        self.outputs = self._deploy("CREATE")

    def update(self, **parameters: str) -> None:
        """Deploys again with other parameters, as a user would."""
        self.parameters.update(parameters)
        self.outputs = self._deploy("UPDATE")

    def _upload(self, bootstrap: Path) -> dict:
        """Uploads the function's package; returns the template that names it."""
        storage = self.emulator.client("s3")
        storage.create_bucket(
            Bucket=_BUCKET, CreateBucketConfiguration={"LocationConstraint": storage.meta.region_name}
        )
        archive = _archive(str(bootstrap), bootstrap.stat().st_mtime_ns)
        storage.put_object(Bucket=_BUCKET, Key="checker.zip", Body=archive)
        body = template()
        body["Resources"][FUNCTION]["Properties"]["CodeUri"] = {"Bucket": _BUCKET, "Key": "checker.zip"}
        return body

    def _deploy(self, kind: str) -> dict[str, str]:
        formation = self.emulator.client("cloudformation")
        change_set = formation.create_change_set(
            StackName=self.name,
            ChangeSetName=f"{kind.lower()}-{time.monotonic_ns()}",
            ChangeSetType=kind,
            TemplateBody=json.dumps(self._body),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in self.parameters.items()],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        )["Id"]
        described = wait_for(
            lambda: _finished(formation.describe_change_set(ChangeSetName=change_set), "Status"),
            _DEPLOY_SECONDS,
            "change set",
        )
        if described["Status"] != "CREATE_COMPLETE":
            raise RuntimeError(f"the change set is {described['Status']}: {described.get('StatusReason')}")
        formation.execute_change_set(ChangeSetName=change_set)
        stack = wait_for(
            lambda: _finished(formation.describe_stacks(StackName=self.name)["Stacks"][0], "StackStatus"),
            _DEPLOY_SECONDS,
            "deployed stack",
        )
        if stack["StackStatus"] != f"{kind}_COMPLETE":
            raise RuntimeError(f"the stack is {stack['StackStatus']}: {self._failure(formation)}")
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def _failure(self, formation: Any) -> str:
        events = formation.describe_stack_events(StackName=self.name)["StackEvents"]
        return "; ".join(
            f"{event['LogicalResourceId']}: {event['ResourceStatusReason']}"
            for event in reversed(events)
            if event["ResourceStatus"].endswith("FAILED") and event.get("ResourceStatusReason")
        )

    def physical_id(self, logical_id: str) -> str:
        resource = self.emulator.client("cloudformation").describe_stack_resource(
            StackName=self.name, LogicalResourceId=logical_id
        )
        return resource["StackResourceDetail"]["PhysicalResourceId"]

    # Running the function

    def invoke(self, event: Any = None) -> Answer:
        """Invokes and waits for the response."""
        result = self.emulator.client("lambda").invoke(
            FunctionName=self.outputs["FunctionName"], Payload=json.dumps({} if event is None else event)
        )
        return Answer(json.loads(result["Payload"].read()), "FunctionError" in result)

    def invoke_asynchronously(self, event: Any = None) -> None:
        self.emulator.client("lambda").invoke(
            FunctionName=self.outputs["FunctionName"],
            InvocationType="Event",
            Payload=json.dumps({} if event is None else event),
        )

    def log_lines(self) -> list[str]:
        """Returns the function's log, oldest line first."""
        logs = self.emulator.client("logs")
        try:
            pages = logs.get_paginator("filter_log_events").paginate(logGroupName=self.outputs["LogGroupName"])
            return [event["message"].rstrip("\n") for page in pages for event in page["events"]]
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return []
            raise

    def finished_runs(self) -> int:
        """Returns the number of ended invocations, failed or not."""
        return sum(line.startswith("END RequestId") for line in self.log_lines())

    # Subscribers of the topic, and queues

    def subscribe_queue(self, name: str = "subscriber", **attributes: str) -> str:
        """Subscribes a queue to the topic; returns its URL."""
        queues = self.emulator.client("sqs")
        url = queues.create_queue(QueueName=name)["QueueUrl"]
        arn = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        policy = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "sns.amazonaws.com"},
                    "Action": "sqs:SendMessage",
                    "Resource": arn,
                    "Condition": {"ArnEquals": {"aws:SourceArn": self.outputs["TopicArn"]}},
                }
            ],
        }
        queues.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
        self.emulator.client("sns").subscribe(
            TopicArn=self.outputs["TopicArn"], Protocol="sqs", Endpoint=arn, Attributes=attributes
        )
        return url

    def receive(self, queue_url: str) -> list[dict]:
        """Receives all messages that are in a queue now; returns their parsed bodies."""
        queues, bodies = self.emulator.client("sqs"), []
        while True:
            messages = queues.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages", [])
            if not messages:
                return bodies
            for message in messages:
                bodies.append(json.loads(message["Body"]))
                queues.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])

    # The function's role

    def policies(self) -> dict[str, dict]:
        """Returns the role's inline policies by name."""
        role, iam = self.physical_id(ROLE), self.emulator.client("iam")
        names = iam.list_role_policies(RoleName=role)["PolicyNames"]
        return {name: iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names}

    def role_credentials(self) -> dict:
        """Returns temporary credentials of the function's role. This extends its trust policy, not its permissions."""
        name, iam = self.physical_id(ROLE), self.emulator.client("iam")
        iam.update_assume_role_policy(
            RoleName=name,
            PolicyDocument=json.dumps(
                {
                    "Version": "2012-10-17",
                    "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
                }
            ),
        )
        role = iam.get_role(RoleName=name)["Role"]["Arn"]
        return self.emulator.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]

    def granted_actions(self) -> list[str]:
        return granted_actions(self.policies())

    def revoke(self, action: str) -> None:
        """Removes one action from the role's policies, and its statement if it was the only one."""
        role, iam = self.physical_id(ROLE), self.emulator.client("iam")
        for name, policy in self.policies().items():
            changed = without_action(policy, action)
            if changed != policy:
                iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(changed))


def template() -> dict:
    """Parses the project's template."""
    return yaml_parse(TEMPLATE.read_text())


def granted_actions(policies: dict[str, dict]) -> list[str]:
    """Returns every action that the policies allow, sorted."""
    return sorted(
        {
            action
            for policy in policies.values()
            for statement in policy["Statement"]
            for action in _as_list(statement["Action"])
            if statement["Effect"] == "Allow"
        }
    )


def without_action(policy: dict, action: str) -> dict:
    """Returns the policy without one action."""
    changed = copy.deepcopy(policy)
    for statement in changed["Statement"]:
        statement["Action"] = [one for one in _as_list(statement["Action"]) if one != action]
    changed["Statement"] = [statement for statement in changed["Statement"] if statement["Action"]]
    return changed


def architecture() -> str:
    """Returns this machine's architecture by Lambda's name."""
    return "arm64" if platform.machine().lower() in ("arm64", "aarch64") else "x86_64"


def _as_list(value: Any) -> list:
    return value if isinstance(value, list) else [value]


def _finished(described: dict, status: str) -> dict | None:
    return None if described[status].endswith(("_PENDING", "_IN_PROGRESS")) else described


@functools.lru_cache(maxsize=1)
def _archive(bootstrap: str, _modified: int) -> bytes:
    """Makes the deployment package, once for a binary: `bootstrap` alone in a zip."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "bootstrap")
        shutil.copyfile(bootstrap, program)
        # A debug build has debug information many times its size (on macOS in other files).
        if platform.system() == "Linux" and shutil.which("strip"):
            subprocess.run(["strip", str(program)], capture_output=True, check=False)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            entry = zipfile.ZipInfo("bootstrap")
            entry.external_attr = 0o755 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, program.read_bytes())
        return buffer.getvalue()
