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
_COMMAND_LINE = "aws-cli/2.17.0 md/awscrt#0.20.11 ua/2.0 os/linux lang/python#3.11.8"
_ADDRESS = "203.0.113.4"

# Who: the values of `userIdentity`.
# https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html


def iam_user(name: str, key: str | None = None, account: str = ACCOUNT) -> dict[str, Any]:
    """An IAM user with an access key; by default the first key of that user in the emulated account."""
    return {
        "type": "IAMUser",
        "principalId": _id("AIDA", name),
        "arn": f"arn:aws:iam::{account}:user/{name}",
        "accountId": account,
        "accessKeyId": key_id(account, name, 0) if key is None else key,
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
        "userAgent": who.get("invokedBy", _COMMAND_LINE),
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
