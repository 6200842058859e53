"""Secrets in no output, and no access for others."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions
import pytest

from emulator.launcher import ACCOUNT, REGION
from emulator.process import Emulator
from emulator.stack import FUNCTION, Stack
from processes import descendants

Deploy = Callable[..., Stack]
STRANGER = "444455556666"


def log_at_trace_level(template: dict) -> None:
    variables = template["Resources"][FUNCTION]["Properties"]["Environment"]["Variables"]
    variables.update({"AWS_LAMBDA_LOG_LEVEL": "TRACE", "RUST_LOG": "trace"})


def secrets(emulator: Emulator) -> dict[str, str]:
    """Returns the credentials in the running function's environment."""
    (process,) = descendants(emulator.pid)
    environment = Path(f"/proc/{process}/environ").read_text().split("\0")
    values = dict(line.split("=", 1) for line in environment if "=" in line)
    return {name: values[name] for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")}


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="the function's environment is read from /proc")
def test_credentials_are_in_no_output_even_at_trace(deploy: Deploy, emulator: Emulator) -> None:
    stack = deploy(edit=log_at_trace_level)
    answers = [stack.invoke()]
    for action, how in (
        ("iam:GetAccountSummary", {"code": "SignatureDoesNotMatch", "status": 403}),
        ("securityhub:GetFindings", {"how": "garbage"}),
        ("securityhub:BatchImportFindings", {"how": "cut", "times": 2}),
        ("sns:Publish", {"code": "InvalidClientTokenId", "status": 403}),
    ):
        emulator.fail({"action": action, **how})
        answers.append(stack.invoke())
    assert [answer.error_type for answer in answers][:2] == [None, "Collect"]
    log = stack.log_lines()
    # The log does have more than the default level.
    assert any('"level":"DEBUG"' in line for line in log)
    output = "\n".join(
        [
            *log,
            *(json.dumps(answer.payload) for answer in answers),
            json.dumps(emulator.mails()),
            json.dumps(emulator.published()),
            json.dumps(emulator.stored_findings()),
        ]
    )
    held = secrets(emulator)
    assert all(len(secret) > 10 for secret in held.values())
    assert [name for name, secret in held.items() if secret in output] == []


def test_names_of_users_are_not_in_the_log(deploy: Deploy, emulator: Emulator) -> None:
    stack = deploy(edit=log_at_trace_level)
    refused = "User: x is not authorized to perform: iam:ListAccessKeys on resource: "
    arn = f"arn:aws:iam::{ACCOUNT}:user/mail/legacy-mailer"
    # One call is retried, which is logged too.
    emulator.fail(
        *(
            {"action": "iam:ListAccessKeys", "code": code, "status": status, "message": message, "times": 1}
            for code, status, message in (
                ("Throttling", 400, f"Rate exceeded for {arn}"),
                ("AccessDenied", 403, f"{refused}user legacy-mailer"),
                ("AccessDenied", 403, f"{refused}{arn} because no identity-based policy allows it"),
                ("InvalidInput", 400, "The user with name legacy-mailer cannot be found."),
            )
        ),
        {
            "action": "securityhub:BatchImportFindings",
            "code": "AccessDeniedException",
            "status": 403,
            "message": f"not authorized: {arn}",
            "times": 100,
        },
    )
    assert stack.invoke().error_type == "Import"
    log = stack.log_lines()
    assert any("Trying again" in line for line in log) and any("did not take a finding" in line for line in log)
    # One user name is also a word in the id of a check.
    names = {user["UserName"] for user in emulator.client("iam").list_users()["Users"]} - {"unused"}
    assert len(names) > 5
    assert [(name, line) for name in names for line in log if name in line] == []


def stranger(emulator: Emulator, service: str) -> Any:
    """Returns a client of another account's root user, who has all permissions there."""
    return boto3.client(
        service, endpoint_url=emulator.url, region_name=REGION, aws_access_key_id=STRANGER, aws_secret_access_key="test"
    )


def colleague(emulator: Emulator, service: str) -> Any:
    """Returns a client of a role of the same account with all permissions on topics and queues."""
    iam = emulator.client("iam")
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
        ],
    }
    role = iam.create_role(RoleName="colleague", AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    allowed = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["sqs:*"], "Resource": "*"}]}
    iam.put_role_policy(RoleName="colleague", PolicyName="all", PolicyDocument=json.dumps(allowed))
    assumed = emulator.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="test")["Credentials"]
    return emulator.client(service, role=assumed)


def refused(call: Callable[[], Any]) -> bool:
    try:
        call()
    except botocore.exceptions.ClientError as error:
        return error.response["Error"]["Code"] in (
            "AuthorizationError",
            "AccessDenied",
            "AccessDeniedException",
            "AWS.SimpleQueueService.NonExistentQueue",
            "NotFound",
            "QueueDoesNotExist",
        )
    return False


def test_the_topic_accepts_no_message_from_others(deploy: Deploy, emulator: Emulator) -> None:
    topic = deploy().outputs["TopicArn"]
    assert refused(lambda: stranger(emulator, "sns").publish(TopicArn=topic, Message="Please sign in here"))
    assert refused(lambda: colleague(emulator, "sns").publish(TopicArn=topic, Message="Please sign in here"))
    assert emulator.published() == [] and emulator.mails() == []


@pytest.mark.parametrize("queue", ["FailedRunQueueUrl", "UndeliveredQueueUrl"])
def test_the_queues_accept_no_message_from_others(deploy: Deploy, emulator: Emulator, queue: str) -> None:
    stack = deploy()
    url = stack.outputs[queue]
    assert refused(lambda: stranger(emulator, "sqs").send_message(QueueUrl=url, MessageBody="{}"))
    assert refused(lambda: colleague(emulator, "sqs").send_message(QueueUrl=url, MessageBody="{}"))
    assert stack.receive(url) == []
