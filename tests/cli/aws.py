"""The AWS APIs that `credwarden check` calls, on loopback: the access key gives the account, and requests are recorded."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qs

import trustme

from emulator.background import Server, read_request
from saved import account

LATER = "2099-01-01T00:00:00Z"


@dataclass
class Request:
    """One request, as received."""

    action: str
    access_key: str
    region: str
    token: str | None
    parameters: dict[str, str] = field(repr=False)


class Aws(Server):
    """IAM, STS and IAM Identity Center. `accounts` has the account of each access key; other keys are refused. `age`
    is that of the credential reports. A context manager."""

    def __init__(self, **accounts: str) -> None:
        self.accounts = accounts
        self.requests: list[Request] = []
        self.refusals: dict[str, tuple[int, str, str]] = {}
        self.age = timedelta(0)
        super().__init__(self.connected, limit=1 << 20)

    def actions(self) -> list[str]:
        return [request.action for request in self.requests]

    def assumed(self) -> list[dict[str, str]]:
        """Returns the parameters of each AssumeRole."""
        return [request.parameters for request in self.requests if request.action.startswith("AssumeRole")]

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                _, path, headers, body = await read_request(reader)
                # Clients send the whole URL to a proxy.
                status, kind, answer = self._answer(path.removeprefix(self.url), headers, body.decode())
                reply = (
                    f"HTTP/1.1 {status} OK\r\ncontent-type: {kind}\r\ncontent-length: {len(answer.encode())}\r\n\r\n"
                )
                writer.write(reply.encode() + answer.encode())
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _answer(self, path: str, headers: dict[str, str], body: str) -> tuple[int, str, str]:
        parameters = {name: values[0] for name, values in parse_qs(body, keep_blank_values=True).items()}
        action = parameters.get("Action", path.partition("?")[0])
        # Credential=AKIA…/20261121/us-east-1/iam/aws4_request
        scope = headers.get("authorization", "").partition("Credential=")[2].split("/")
        access_key, region = (scope[0], scope[2]) if len(scope) > 3 else ("", "")
        token = headers.get("x-amz-security-token")
        self.requests.append(Request(action, access_key, region, token, parameters))
        if action in self.refusals:
            return _refused(*self.refusals[action])
        if action == "/federation/credentials":
            if headers.get("x-amz-sso_bearer_token") != "signed-in":
                return (
                    401,
                    "application/json",
                    '{"__type": "UnauthorizedException", "message": "Session token not found or invalid"}',
                )
            return (
                200,
                "application/json",
                json.dumps(
                    {
                        "roleCredentials": {
                            "accessKeyId": "ASIASSO",
                            "secretAccessKey": "s",
                            "sessionToken": "t",
                            "expiration": 4070908800000,
                        }
                    }
                ),
            )
        if action == "/container":
            return (
                200,
                "application/json",
                json.dumps({"AccessKeyId": "AKIAOTHER", "SecretAccessKey": "s", "Token": "t", "Expiration": LATER}),
            )
        if action == "AssumeRoleWithWebIdentity":
            return self._assume(parameters["RoleArn"], action)
        if access_key not in self.accounts:
            return _refused(403, "InvalidClientTokenId", "The security token included in the request is invalid.")
        if action == "AssumeRole":
            return self._assume(parameters["RoleArn"], action)
        return 200, "text/xml", self._iam(action, self.accounts[access_key])

    def _assume(self, role: str, action: str) -> tuple[int, str, str]:
        """Returns a session whose access key is made of the role's name."""
        key = "ASIA" + role.rpartition("/")[2].upper()
        self.accounts.setdefault(key, role.split(":")[4])
        return (
            200,
            "text/xml",
            _result(
                action,
                f"""<Credentials><AccessKeyId>{key}</AccessKeyId>
            <SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>{LATER}</Expiration></Credentials>
            <AssumedRoleUser><Arn>{role}/session</Arn><AssumedRoleId>AROA:session</AssumedRoleId></AssumedRoleUser>""",
            ),
        )

    def _iam(self, action: str, number: str) -> str:
        clean = account("clean")
        match action:
            case "GenerateCredentialReport":
                return _result(action, "<State>COMPLETE</State>")
            case "GetCredentialReport":
                generated = (datetime.now(timezone.utc) - self.age).strftime("%Y-%m-%dT%H:%M:%SZ")
                report = base64.b64encode(clean.report(number).encode()).decode()
                return _result(
                    action,
                    f"<Content>{report}</Content><ReportFormat>text/csv</ReportFormat>"
                    f"<GeneratedTime>{generated}</GeneratedTime>",
                )
            case "GetAccountSummary":
                entries = "".join(
                    f"<entry><key>{key}</key><value>{value}</value></entry>"
                    for key, value in clean.summary_map(number).items()
                )
                return _result(action, f"<SummaryMap>{entries}</SummaryMap>")
            case "ListVirtualMFADevices":
                return _result(action, "<IsTruncated>false</IsTruncated><VirtualMFADevices/>")
            case "ListServiceSpecificCredentials":
                return _result(action, "<IsTruncated>false</IsTruncated><ServiceSpecificCredentials/>")
        raise AssertionError(f"unexpected action {action}")


def _result(action: str, body: str) -> str:
    return (
        f"<{action}Response><{action}Result>{body}</{action}Result>"
        f"<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></{action}Response>"
    )


def _refused(status: int, code: str, message: str) -> tuple[int, str, str]:
    return (
        status,
        "text/xml",
        (
            f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
            "<RequestId>1</RequestId></ErrorResponse>"
        ),
    )


class Secured(Server):
    """That AWS by TLS, with these host names and its own certificate `authority`. A context manager."""

    def __init__(self, aws: Aws, *names: str) -> None:
        authority = trustme.CA()
        self.authority = authority.cert_pem.bytes().decode()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*names).configure_cert(context)
        super().__init__(aws.connected, ssl=context, limit=1 << 20)


def config(**sections: dict[str, Any]) -> str:
    """Returns a configuration file with these profiles; `sso_session__name` is an sso-session section."""

    def header(name: str) -> str:
        kind, separator, rest = name.partition("__")
        return (
            f"[{kind.replace('_', '-')} {rest}]"
            if separator
            else "[default]"
            if name == "default"
            else f"[profile {name}]"
        )

    return (
        "\n".join(
            "\n".join([header(name), *(f"{key} = {value}" for key, value in values.items())])
            for name, values in sections.items()
        )
        + "\n"
    )
