"""Builds CloudTrail records: who made a call, when, in which Region.

The identities and the special records follow AWS's published examples, which each function names.
"""

from __future__ import annotations

import base64
import hashlib
import uuid
from typing import Any

from emulator import clock
from emulator.account import ACCOUNT, key_id

_READING = ("Describe", "Generate", "Get", "Head", "List", "Lookup", "Simulate")
_BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
_ADDRESS = "203.0.113.4"

# User agents as they occur in the field. `m/` lists the features that the SDK used: `g` is a key from the environment, `n` one
# from the credentials file, `e` one from code.
# https://github.com/boto/botocore/blob/develop/botocore/useragent.py
COMMAND_LINE = "aws-cli/2.17.0 md/awscrt#0.20.11 ua/2.0 os/linux lang/python#3.11.8"
LAPTOP = (
    "aws-cli/2.32.10 md/awscrt#0.29.1 ua/2.1 os/macos#24.6.0 md/arch#arm64 lang/python#3.13.9 md/pyimpl#CPython "
    "m/Z,b,n,E md/prompt#off md/command#ec2.describe-instances"
)
GITHUB = (
    "aws-sdk-js/3.901.0 ua/2.1 os/linux#6.11.0-1018-azure lang/js md/nodejs#20.19.5 api/sts#3.901.0 m/E,g "
    "configure-aws-credentials-for-github-actions"
)
TERRAFORM = (
    "APN/1.0 HashiCorp/1.0 Terraform/1.9.8 (+https://www.terraform.io) terraform-provider-aws/5.72.1 "
    "(+https://registry.terraform.io/providers/hashicorp/aws) aws-sdk-go-v2/1.32.2 ua/2.1 os/linux lang/go#1.23.2 m/E,g"
)
PYTHON = (
    "Boto3/1.39.7 md/Botocore#1.39.17 ua/2.1 os/linux#6.1.141-155.222.amzn2023.x86_64 md/arch#x86_64 lang/python#3.12.12 "
    "md/pyimpl#CPython m/b,n,Z cfg/retry-mode#legacy"
)
LAMBDA = (
    "Boto3/1.39.7 md/Botocore#1.39.17 ua/2.1 os/linux#5.10.245-241.978.amzn2.aarch64 md/arch#aarch64 lang/python#3.12.12 "
    "md/pyimpl#CPython exec-env/AWS_Lambda_python3.12 m/b,e,Z cfg/retry-mode#legacy"
)
FARGATE = "aws-sdk-go/1.44.0 (go1.20.3; linux; amd64) exec-env/AWS_ECS_FARGATE"
CLOUD_SHELL = (
    "aws-cli/2.31.13 md/awscrt#0.27.6 ua/2.1 os/linux#6.1.153-175.280.amzn2023.x86_64 md/arch#x86_64 lang/python#3.13.7 "
    "md/pyimpl#CPython exec-env/CloudShell m/Z,E,b,n md/command#sts.get-caller-identity"
)
LEAK_SCANNER = "TruffleHog"

# Who: the values of `userIdentity`.
# https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html


def iam_user(
    name: str, key: str | None = None, account: str = ACCOUNT, *, slot: int = 0, path: str = "/"
) -> dict[str, Any]:
    """An IAM user with an access key; by default the first key of that user in the emulated account, or that of `slot`."""
    return {
        "type": "IAMUser",
        "principalId": _id("AIDA", name),
        "arn": f"arn:aws:iam::{account}:user{path}{name}",
        "accountId": account,
        "accessKeyId": key_id(account, name, slot) if key is None else key,
        "userName": name,
    }


def root(key: str = "", account: str = ACCOUNT) -> dict[str, Any]:
    """The root user with an access key, or without one at a sign-in."""
    return {
        "type": "Root",
        "principalId": account,
        "arn": f"arn:aws:iam::{account}:root",
        "accountId": account,
        "accessKeyId": key,
    }


def root_session(started: str = "-2h", mfa: bool = False, account: str = ACCOUNT) -> dict[str, Any]:
    """The root user in a session of the console."""
    return {**root(_id("ASIA", "console"), account), "sessionContext": {"attributes": _attributes(started, mfa)}}


def assumed_root(started: str = "-2h", marked: bool = True, account: str = ACCOUNT) -> dict[str, Any]:
    """The root user in a session of `sts:AssumeRoot`, which the management account has in a member account.

    AWS's reference defines `assumedRoot` for these sessions; in AWS's example of such a call it is missing: `marked` false.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/cloudtrail-track-privileged-tasks.html
    """
    context = {"attributes": _attributes(started, mfa=False), **({"assumedRoot": "true"} if marked else {})}
    return {**root(_id("ASIA", "assumed-root"), account), "sessionContext": context}


def role_session(
    role: str,
    session: str,
    path: str = "/",
    started: str = "-2h",
    mfa: bool = False,
    account: str = ACCOUNT,
) -> dict[str, Any]:
    """A session of a role."""
    return {
        "type": "AssumedRole",
        "principalId": f"{_id('AROA', role)}:{session}",
        "arn": f"arn:aws:sts::{account}:assumed-role/{role}/{session}",
        "accountId": account,
        "accessKeyId": _id("ASIA", f"{role}/{session}"),
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": _id("AROA", role),
                "arn": f"arn:aws:iam::{account}:role{path}{role}",
                "accountId": account,
                "userName": role,
            },
            "attributes": _attributes(started, mfa),
        },
    }


def sso_session(permission_set: str, person: str, home: str = "eu-central-1", **options: Any) -> dict[str, Any]:
    """A person who signs in by IAM Identity Center.

    https://docs.aws.amazon.com/singlesignon/latest/userguide/referencingpermissionsets.html
    """
    path = "/aws-reserved/sso.amazonaws.com/" + ("" if home == "us-east-1" else f"{home}/")
    return role_session(f"AWSReservedSSO_{permission_set}_0123456789abcdef", person, path, **options)


def service(name: str) -> dict[str, Any]:
    """An AWS service on its own behalf, such as `ec2.amazonaws.com`."""
    return {"type": "AWSService", "invokedBy": name}


def on_behalf(who: dict[str, Any], name: str) -> dict[str, Any]:
    """An AWS service on behalf of `who`, such as `cloudformation.amazonaws.com`."""
    return {**who, "invokedBy": name}


# From where: fields of a record, for its keyword arguments.


def from_address(address: str, agent: str = COMMAND_LINE) -> dict[str, Any]:
    """A call from an address, by a client with this user agent."""
    return {"sourceIPAddress": address, "userAgent": agent}


def from_endpoint(
    endpoint: str, address: str = "10.0.1.17", account: str = ACCOUNT, agent: str = COMMAND_LINE
) -> dict[str, Any]:
    """A call from a private address through a VPC endpoint of an account.

    https://docs.aws.amazon.com/kms/latest/developerguide/vpce-logging.html
    """
    return {**from_address(address, agent), "vpcEndpointId": endpoint, "vpcEndpointAccountId": account}


def refused_with(code: str = "AccessDenied", message: str = "") -> dict[str, Any]:
    """A call that was refused."""
    return {"errorCode": code, "errorMessage": message or f"The call was refused: {code}"}


# Records.
# https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html


def record(
    event_name: str,
    who: dict[str, Any],
    when: str = "-1h",
    region: str = "us-east-1",
    source: str = "iam.amazonaws.com",
    parameters: dict[str, Any] | None = None,
    response: dict[str, Any] | None = None,
    read_only: bool | None = None,
    account: str = ACCOUNT,
    **more: Any,
) -> dict[str, Any]:
    """Returns the record of an API call. `when` is relative to now or absolute; `more` adds or replaces fields, such as
    `errorCode` or `managementEvent`."""
    return {
        "eventVersion": "1.10",
        "userIdentity": who,
        "eventTime": clock.stamp(clock.moment(when, clock.now())),
        "eventSource": source,
        "eventName": event_name,
        "awsRegion": region,
        # The call comes from the service: its name is the address and the program.
        "sourceIPAddress": who.get("invokedBy", _ADDRESS),
        "userAgent": who.get("invokedBy", COMMAND_LINE),
        "requestParameters": parameters,
        "responseElements": response,
        "requestID": str(uuid.uuid4()),
        "eventID": str(uuid.uuid4()),
        "readOnly": event_name.startswith(_READING) if read_only is None else read_only,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": account,
        "eventCategory": "Management",
        **more,
    }


def data_event(
    event_name: str, who: dict[str, Any], *arguments: Any, source: str = "s3.amazonaws.com", **more: Any
) -> dict[str, Any]:
    """Returns the record of a data event, which the event history leaves out. The arguments are those of `record`.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-data-events-with-cloudtrail.html
    """
    return record(
        event_name, who, *arguments, source=source, **{"managementEvent": False, "eventCategory": "Data", **more}
    )


def assume_role(
    who: dict[str, Any], role: str, when: str = "-1h", region: str = "us-east-1", session: str = "deploy", **more: Any
) -> dict[str, Any]:
    """Returns the record of AssumeRole of a role, by its ARN.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/cloudtrail-integration.html
    """
    account, name = role.split(":")[4], role.rpartition("/")[2]
    response = {
        "credentials": {
            "accessKeyId": _id("ASIA", f"{name}/{session}"),
            "expiration": (clock.moment(when, clock.now()) + clock.offset("+1h")).strftime("%b %d, %Y, %I:%M:%S %p"),
            "sessionToken": "<encoded session token blob>",
        },
        "assumedRoleUser": {
            "assumedRoleId": f"{_id('AROA', name)}:{session}",
            "arn": f"arn:aws:sts::{account}:assumed-role/{name}/{session}",
        },
    }
    options = {
        "source": "sts.amazonaws.com",
        "parameters": {"roleArn": role, "roleSessionName": session},
        "response": response,
        "read_only": True,
        "resources": [{"accountId": account, "type": "AWS::IAM::Role", "ARN": role}],
    }
    return record("AssumeRole", who, when, region, **{**options, **more})


def series(last: dict[str, Any], every: str, over: str) -> list[dict[str, Any]]:
    """Returns records like `last`, which has the latest time, one `every` such time `over` such a time: `10m`, `30d`."""
    step, end = clock.offset(f"+{every}"), clock.moment(last["eventTime"], clock.now())
    count = clock.offset(f"+{over}") // step
    return [
        {
            **last,
            "eventTime": clock.stamp(end - number * step),
            "eventID": str(uuid.uuid4()),
            "requestID": str(uuid.uuid4()),
        }
        for number in reversed(range(count))
    ]


def console_login(
    who: dict[str, Any], when: str = "-1h", region: str = "us-east-1", mfa: bool = False, success: bool = True
) -> dict[str, Any]:
    """Returns the record of a sign-in to the console.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-aws-console-sign-in-events.html
    """
    return record(
        "ConsoleLogin",
        {**who, "accessKeyId": ""},
        when,
        region,
        source="signin.amazonaws.com",
        response={"ConsoleLogin": "Success" if success else "Failure"},
        userAgent=_BROWSER,
        additionalEventData={
            "LoginTo": "https://console.aws.amazon.com/console/home?state=hashArgs%23&isauthcode=true",
            "MobileVersion": "No",
            "MFAUsed": "Yes" if mfa else "No",
        },
        eventType="AwsConsoleSignIn",
        **({} if success else {"errorMessage": "Failed authentication"}),
    )


def _attributes(started: str, mfa: bool) -> dict[str, str]:
    """The attributes of a session; like all of `userIdentity`, its values are strings."""
    creation = clock.stamp(clock.moment(started, clock.now()))
    return {"creationDate": creation, "mfaAuthenticated": str(mfa).lower()}


def _id(prefix: str, name: str) -> str:
    digest = hashlib.sha256(f"{prefix}/{name}".encode()).digest()
    return prefix + base64.b32encode(digest).decode()[: 16 if prefix == "ASIA" else 17]
