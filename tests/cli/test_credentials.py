"""Credentials, Region and endpoints are those that the AWS CLI would use, or one line names the wrong variable, file or
profile."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aws import LATER, Aws, Secured, config
from emulator.proxy import Proxy
from processes import shown_on
from saved import NOW, Ended

MINE, OTHER, THIRD = "111122223333", "444455556666", "777788889999"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAMINE", "AWS_SECRET_ACCESS_KEY": "secret"}
STATIC = {"aws_access_key_id": "AKIAOTHER", "aws_secret_access_key": "secret"}
ROLE = f"arn:aws:iam::{THIRD}:role/auditor"


@pytest.fixture
def aws() -> Iterator[Aws]:
    with Aws(AKIAMINE=MINE, AKIAOTHER=OTHER, ASIASSO=THIRD) as aws:
        yield aws


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the configuration files."""
    folder = tmp_path / ".aws"
    folder.mkdir()
    return folder


@pytest.fixture
def account_id(credwarden: Callable[..., Ended], aws: Aws) -> Callable[..., str]:
    """Returns the account that a run evaluates."""

    def run(*options: str, **environment: str) -> str:
        ended = credwarden(
            "check", "--now", NOW, "--format", "json", *options, **{"AWS_ENDPOINT_URL": aws.url} | environment
        )
        assert (ended.status, ended.errors) == (0, ""), ended.errors
        return json.loads(ended.output)["account_id"]

    return run


@pytest.fixture
def refused(credwarden: Callable[..., Ended], aws: Aws) -> Callable[..., str]:
    """Returns the only line of a run that is refused without output and calls."""

    def run(*options: str, **environment: str) -> str:
        ended = credwarden("check", *options, **{"AWS_ENDPOINT_URL": aws.url} | environment)
        assert (ended.status, ended.output) == (2, ""), ended
        return one_line(ended)

    return run


@pytest.fixture
def failed(credwarden: Callable[..., Ended], aws: Aws) -> Callable[..., str]:
    """Returns the only line of a run without credentials, which evaluated nothing."""

    def run(*options: str, **environment: str) -> str:
        ended = credwarden(
            "check", "--now", NOW, "--format", "json", *options, **{"AWS_ENDPOINT_URL": aws.url} | environment
        )
        assert ended.status == 3, ended
        assert {one["status"] for one in json.loads(ended.output)["findings"]} == {"UNKNOWN"}
        return one_line(ended)

    return run


def one_line(ended: Ended) -> str:
    assert ended.errors.startswith("credwarden: ") and ended.errors.count("\n") == 1, ended.errors
    # Neither a panic nor a Rust value in Debug format.
    assert not re.search(r"panicked|\w \{ |Some\(|Err\(|\\u\{a\}", ended.errors), ended.errors
    return ended.errors.removeprefix("credwarden: ").rstrip("\n")


def test_unknown_verdicts_with_one_reason_share_a_line_of_the_table(credwarden: Callable[..., Ended]) -> None:
    ended = credwarden("check")
    assert ended.status == 3
    checks = json.loads(credwarden("check", "--format", "json").output)["findings"]
    # The first line is about the sources.
    _top, line = [line for line in ended.output.splitlines() if "There are no AWS credentials" in line]
    assert line.startswith("  root user and 1 more  There are no AWS credentials: ")
    ids = line.rpartition("(")[2].removesuffix(")").split(", ")
    assert len(ids) == len(set(ids)) and set(ids) == {one["check"] for one in checks}


# Which credentials


def test_the_environment_comes_before_the_default_profile(account_id: Callable, folder: Path) -> None:
    (folder / "config").write_text(config(default=STATIC))
    assert account_id(**KEYS) == MINE
    assert account_id() == OTHER


def test_an_explicit_profile_comes_before_the_environment(account_id: Callable, folder: Path) -> None:
    (folder / "config").write_text(config(audit=STATIC))
    assert account_id("--profile", "audit", **KEYS) == OTHER
    assert account_id(AWS_PROFILE="audit", **KEYS) == MINE, "as in the AWS CLI, only --profile does"


def test_the_credentials_file_is_read(account_id: Callable, folder: Path) -> None:
    (folder / "credentials").write_text("[audit]\n" + "".join(f"{key} = {value}\n" for key, value in STATIC.items()))
    assert account_id("--profile", "audit") == OTHER


@pytest.mark.parametrize(
    ("options", "environment", "origin"),
    [
        (["--profile", "missing"], {}, "--profile"),
        (["--profile", "missing"], KEYS, "--profile"),
        (["--profile", ""], KEYS, "--profile"),
        ([], {"AWS_PROFILE": "missing"}, "AWS_PROFILE"),
        ([], {"AWS_DEFAULT_PROFILE": "missing", **KEYS}, "AWS_DEFAULT_PROFILE"),
    ],
)
def test_an_unknown_profile_is_refused_by_name(
    refused: Callable, aws: Aws, folder: Path, options: list[str], environment: dict[str, str], origin: str
) -> None:
    (folder / "config").write_text(config(default=STATIC))
    name = "" if "" in options else "missing"
    assert refused(*options, **environment) == (
        f"there is no profile `{name}` ({origin}) in {folder}/config or {folder}/credentials"
    )
    assert aws.requests == []


def test_aws_profile_comes_before_aws_default_profile(account_id: Callable, folder: Path) -> None:
    (folder / "config").write_text(config(audit=STATIC, mine={**STATIC, "aws_access_key_id": "AKIAMINE"}))
    assert account_id(AWS_DEFAULT_PROFILE="audit") == OTHER
    assert account_id(AWS_DEFAULT_PROFILE="audit", AWS_PROFILE="mine") == MINE


def test_files_named_by_variables_are_read(account_id: Callable, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text(config(audit=STATIC))
    assert account_id("--profile", "audit", AWS_CONFIG_FILE=str(tmp_path / "elsewhere")) == OTHER
    assert account_id("--profile", "audit", AWS_CONFIG_FILE="~/elsewhere") == OTHER


def test_an_access_key_without_its_secret_is_refused(refused: Callable, folder: Path) -> None:
    (folder / "config").write_text(config(default=STATIC))
    refusal = "AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY"
    assert (
        refused(AWS_ACCESS_KEY_ID="AKIAMINE") == refused(AWS_ACCESS_KEY_ID="AKIAMINE", SECRET_ACCESS_KEY="s") == refusal
    )


@pytest.mark.parametrize(
    "source", [{"source_profile": "base"}, {"source_profile": "middle"}, {"credential_source": "Environment"}]
)
def test_a_role_is_assumed(account_id: Callable, aws: Aws, folder: Path, source: dict[str, str]) -> None:
    middle = {"role_arn": f"arn:aws:iam::{OTHER}:role/middle", "source_profile": "base"}
    role = {"role_arn": ROLE, "external_id": "x-1", "role_session_name": "me", **source}
    (folder / "config").write_text(config(base=STATIC, middle=middle, audit=role))
    assert account_id("--profile", "audit", **KEYS) == THIRD
    assert aws.assumed()[-1]["RoleArn"] == ROLE
    assert (aws.assumed()[-1]["ExternalId"], aws.assumed()[-1]["RoleSessionName"]) == ("x-1", "me")
    signed = [request.access_key for request in aws.requests if request.action == "AssumeRole"]
    assert signed == {"base": ["AKIAOTHER"], "middle": ["AKIAOTHER", "ASIAMIDDLE"]}.get(
        source.get("source_profile", ""), ["AKIAMINE"]
    )


def test_a_role_s_profile_needs_no_region(account_id: Callable, folder: Path) -> None:
    (folder / "config").write_text(config(audit={"role_arn": ROLE, "source_profile": "base"}, base=STATIC))
    assert account_id("--profile", "audit") == THIRD


def test_a_web_identity_needs_no_region(account_id: Callable, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("jwt")
    assert account_id(AWS_ROLE_ARN=ROLE, AWS_WEB_IDENTITY_TOKEN_FILE=str(tmp_path / "token")) == THIRD


def web_identity(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "token").write_text("a token")
    return {"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token")}


def test_a_web_identity_comes_before_the_profile_s_own_credentials(
    account_id: Callable, aws: Aws, folder: Path, tmp_path: Path
) -> None:
    own = {"role_arn": f"arn:aws:iam::{OTHER}:role/own", "web_identity_token_file": str(tmp_path / "token")}
    assumed = {"role_arn": f"arn:aws:iam::{OTHER}:role/own", "source_profile": "default"}
    (folder / "config").write_text(config(default=STATIC, own=own, assumed=assumed))
    environment = web_identity(tmp_path)
    assert account_id(**environment) == THIRD
    assert account_id(AWS_PROFILE="own", **environment) == THIRD
    assert account_id(**KEYS, **environment) == MINE
    assert account_id("--profile", "default", **environment) == OTHER
    assert account_id("--profile", "own", **environment) == OTHER
    assert account_id(AWS_PROFILE="assumed", **environment) == OTHER, (
        "a role that is assumed comes first, as in the AWS CLI"
    )


def test_a_web_identity_without_its_role_is_refused(refused: Callable, folder: Path, tmp_path: Path) -> None:
    (folder / "config").write_text(config(default=STATIC))
    token = web_identity(tmp_path)["AWS_WEB_IDENTITY_TOKEN_FILE"]
    assert refused(AWS_WEB_IDENTITY_TOKEN_FILE=token) == "AWS_WEB_IDENTITY_TOKEN_FILE is set without AWS_ROLE_ARN"


def process(folder: Path, script: str) -> str:
    program = folder / "process.sh"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(program)


def test_a_credential_process_runs_once(account_id: Callable, tmp_path: Path, folder: Path) -> None:
    answer = json.dumps({"Version": 1, "AccessKeyId": "AKIAOTHER", "SecretAccessKey": "s", "Expiration": LATER})
    program = process(tmp_path, f"echo run >> {tmp_path}/runs\necho '{answer}'")
    (folder / "config").write_text(config(audit={"credential_process": program}))
    assert account_id("--profile", "audit") == OTHER
    assert (tmp_path / "runs").read_text() == "run\n"


def test_a_key_in_the_credentials_file_comes_before_a_process(
    account_id: Callable, tmp_path: Path, folder: Path
) -> None:
    program = process(tmp_path, "exit 3")
    (folder / "config").write_text(config(audit={"credential_process": program}))
    (folder / "credentials").write_text("[audit]\n" + "".join(f"{key} = {value}\n" for key, value in STATIC.items()))
    assert account_id("--profile", "audit") == OTHER


def test_a_role_is_assumed_once(account_id: Callable, aws: Aws, folder: Path) -> None:
    (folder / "config").write_text(config(audit={"role_arn": ROLE, "source_profile": "base"}, base=STATIC))
    account_id("--profile", "audit")
    assert aws.actions().count("AssumeRole") == 1


def test_the_last_line_of_a_credential_process_that_fails_is_shown(
    failed: Callable, tmp_path: Path, folder: Path
) -> None:
    program = process(tmp_path, "echo 'Looking for the vault ...' >&2\necho 'vault: sealed' >&2\necho >&2\nexit 3")
    (folder / "config").write_text(config(audit={"credential_process": program}))
    line = failed("--profile", "audit", **KEYS)
    assert line.endswith("exit status: 3: vault: sealed."), line


@pytest.mark.parametrize("by_profile", [True, False])
def test_a_web_identity_without_its_token_is_named(
    refused: Callable, folder: Path, tmp_path: Path, by_profile: bool
) -> None:
    missing = tmp_path / "token"
    if by_profile:
        (folder / "config").write_text(config(default={"role_arn": ROLE, "web_identity_token_file": missing}))
    environment = {} if by_profile else {"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": str(missing)}
    assert refused(**environment) == f"{missing}: cannot be read: No such file or directory (os error 2)"


def sso(folder: Path, token: str | None, expires: str = LATER) -> dict[str, dict[str, str]]:
    """Writes a profile of IAM Identity Center, and the cached token of `aws sso login`."""
    if token:
        cache = folder / "sso" / "cache"
        cache.mkdir(parents=True)
        name = hashlib.sha1(b"corp").hexdigest()
        (cache / f"{name}.json").write_text(
            json.dumps(
                {
                    "accessToken": token,
                    "expiresAt": expires,
                    "region": "eu-central-1",
                    "startUrl": "https://x.awsapps.com/start",
                }
            )
        )
    return {
        "sso_session__corp": {"sso_start_url": "https://x.awsapps.com/start", "sso_region": "eu-central-1"},
        "audit": {"sso_session": "corp", "sso_account_id": THIRD, "sso_role_name": "auditor"},
    }


def test_a_session_of_identity_center_is_used(account_id: Callable, folder: Path) -> None:
    (folder / "config").write_text(config(**sso(folder, "signed-in")))
    assert account_id("--profile", "audit", **KEYS) == THIRD


@pytest.mark.parametrize(
    ("token", "expires"), [(None, ""), ("signed-in", "2020-01-01T00:00:00Z"), ("signed-out", LATER)]
)
def test_without_a_session_the_sign_in_command_is_shown(
    failed: Callable, folder: Path, token: str | None, expires: str
) -> None:
    (folder / "config").write_text(config(**sso(folder, token, expires)))
    assert "`aws sso login --profile audit`" in failed("--profile", "audit", **KEYS)


def test_a_sign_in_without_an_account_is_refused_and_nothing_else_is_tried(
    refused: Callable, aws: Aws, folder: Path
) -> None:
    (folder / "config").write_text(
        config(audit={"sso_session": "corp"}, sso_session__corp={"sso_region": "eu-central-1"})
    )
    assert refused("--profile", "audit", **KEYS) == "profile `audit` has no sso_account_id"
    assert aws.requests == []


def test_an_incomplete_sign_in_is_ignored_beside_a_key(account_id: Callable, folder: Path) -> None:
    (folder / "config").write_text(
        config(audit={**STATIC, "sso_session": "corp"}, sso_session__corp={"sso_region": "x-y"})
    )
    assert account_id("--profile", "audit") == OTHER


@pytest.mark.parametrize(
    ("profile", "what"),
    [
        ({"credential_source": "Environment"}, "credential_source of profile `audit` is set without role_arn"),
        (
            {"credential_source": "Ec2InstanceMetadata", "role_arn": ""},
            "credential_source of profile `audit` is set without role_arn",
        ),
        (
            {"role_arn": ROLE},
            "invalid credential source in `audit`: profile must contain `source_profile` or "
            "`credential_source` but neither were defined",
        ),
        (
            {"aws_access_key_id": "AKIAOTHER"},
            "invalid credential source in `audit`: profile missing aws_secret_access_key",
        ),
        (
            {"sso_session": "gone", "sso_account_id": THIRD, "sso_role_name": "r"},
            "sso-session named `gone` (referenced by profile `audit`) was not found",
        ),
    ],
)
def test_a_profile_without_credentials_is_refused(
    refused: Callable, aws: Aws, folder: Path, profile: dict[str, str], what: str
) -> None:
    (folder / "config").write_text(config(audit=profile, default=STATIC))
    assert refused("--profile", "audit", **KEYS) == what
    assert aws.requests == []


def test_two_default_profiles_in_one_file_are_refused(refused: Callable, folder: Path) -> None:
    (folder / "config").write_text("[profile default]\n" + config(default=STATIC))
    assert refused() == (
        f"{folder}/config: line 2 begins the default profile again: [default] and [profile default] are two of them"
    )


@pytest.mark.parametrize("header", ['[profile "my prof"]', "[profile my prof]", "[profile 'my prof']"])
def test_an_invalid_profile_name_is_reported(refused: Callable, folder: Path, header: str) -> None:
    (folder / "config").write_text(f"{header}\nregion = eu-north-1\n")
    assert refused("--profile", "my prof") == (
        f"{folder}/config: the profile `my prof` (--profile) can be named with letters, digits and _-/.%@:+ only here"
    )


def test_container_credentials_bypass_the_proxy(account_id: Callable, aws: Aws) -> None:
    # A proxy that does not listen.
    assert (
        account_id(
            AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{aws.url}/container",
            AWS_CONTAINER_AUTHORIZATION_TOKEN="secret",
            HTTP_PROXY="http://127.0.0.1:1",
            NO_PROXY="",
            AWS_ENDPOINT_URL="",
            AWS_ENDPOINT_URL_IAM=aws.url.replace("127.0.0.1", "localhost"),
            no_proxy="localhost",
        )
        == OTHER
    )


def test_a_source_profile_that_is_missing_is_named(refused: Callable, folder: Path) -> None:
    (folder / "config").write_text(config(audit={"role_arn": ROLE, "source_profile": "base"}))
    assert refused("--profile", "audit", **KEYS) == (
        f"there is no profile `base` (source_profile of `audit`) in {folder}/config or {folder}/credentials"
    )


def test_profiles_that_refer_to_each_other_are_refused(refused: Callable, folder: Path) -> None:
    one, two = {"role_arn": ROLE, "source_profile": "two"}, {"role_arn": ROLE, "source_profile": "one"}
    (folder / "config").write_text(config(one=one, two=two))
    assert refused("--profile", "one") == "the profile `one` is its own source_profile by way of `two`"


def test_a_profile_that_is_its_own_source_is_not_a_circle(account_id: Callable, aws: Aws, folder: Path) -> None:
    (folder / "config").write_text(config(audit={**STATIC, "role_arn": ROLE, "source_profile": "audit"}))
    assert account_id("--profile", "audit") == THIRD
    assert aws.requests[0].access_key == "AKIAOTHER"


# MFA

SERIAL = f"arn:aws:iam::{OTHER}:mfa/alice"


def test_without_a_terminal_a_profile_that_requires_mfa_is_reported(failed: Callable, aws: Aws, folder: Path) -> None:
    (folder / "config").write_text(
        config(audit={"role_arn": ROLE, "source_profile": "base", "mfa_serial": SERIAL}, base=STATIC)
    )
    line = failed("--profile", "audit", **KEYS)
    assert f"profile `audit` wants a code of the MFA device {SERIAL}" in line
    assert "aws configure export-credentials --profile audit" in line
    assert aws.requests == []


@pytest.mark.parametrize("source", ["base", "audit"])
def test_on_a_terminal_the_code_is_requested_once(
    aws: Aws, binary: Path, tmp_path: Path, folder: Path, source: str
) -> None:
    role = {"role_arn": ROLE, "source_profile": source, "mfa_serial": SERIAL, "duration_seconds": "900", **STATIC}
    (folder / "config").write_text(config(audit=role, base=STATIC))
    leader, follower = pty.openpty()
    environment = {"HOME": str(tmp_path), "AWS_ENDPOINT_URL": aws.url, "AWS_EC2_METADATA_DISABLED": "true"}
    with subprocess.Popen(
        [binary, "check", "--now", NOW, "--profile", "audit", "--format", "json", "--output", "out.json"],
        cwd=tmp_path,
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env=environment,
    ) as run:
        os.close(follower)
        os.write(leader, b"123456\n")
        shown = shown_on(leader)
        assert run.wait(60) == 0, shown
    assert shown.count(f"MFA code of {SERIAL}: ") == 1
    assert json.loads((tmp_path / "out.json").read_text())["account_id"] == THIRD
    (asked,) = aws.assumed()
    assert (asked["SerialNumber"], asked["TokenCode"], asked["DurationSeconds"]) == (SERIAL, "123456", "900")


# Refusals of AWS


def test_credentials_that_aws_refuses_are_one_line(failed_live: Callable) -> None:
    line = failed_live(AWS_ACCESS_KEY_ID="AKIAGOVCLOUD", AWS_SECRET_ACCESS_KEY="s", AWS_REGION="eu-central-1")
    assert line == (
        "AWS refuses the credentials: InvalidClientTokenId: The security token included in the request is invalid; "
        "the keys of another partition need a Region of theirs (this run used eu-central-1): "
        "--region us-gov-west-1 for GovCloud, --region cn-north-1 for China"
    )


@pytest.fixture
def failed_live(failed: Callable) -> Callable:
    return failed


def test_a_refused_role_is_reported_with_the_message_of_aws(failed: Callable, aws: Aws, folder: Path) -> None:
    aws.refusals["AssumeRole"] = (403, "AccessDenied", "User: alice is not authorized to perform: sts:AssumeRole")
    (folder / "config").write_text(config(audit={"role_arn": ROLE, "source_profile": "base"}, base=STATIC))
    assert "AccessDenied: User: alice is not authorized to perform: sts:AssumeRole" in failed("--profile", "audit")


def test_a_refused_web_identity_is_reported_with_the_message_of_aws(failed: Callable, aws: Aws, tmp_path: Path) -> None:
    aws.refusals["AssumeRoleWithWebIdentity"] = (403, "ExpiredTokenException", "Token expired: current date/time")
    line = failed(**web_identity(tmp_path))
    assert "ExpiredTokenException: Token expired: current date/time" in line
    assert "none in the environment" not in line


# Empty values are treated as unset


@pytest.mark.parametrize("empty", ["", "  "])
def test_empty_variables_are_treated_as_unset(account_id: Callable, folder: Path, empty: str) -> None:
    (folder / "config").write_text(config(default=STATIC))
    names = [
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL_IAM",
        "AWS_ENDPOINT_URL_STS",
        "AWS_SESSION_TOKEN",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_CA_BUNDLE",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_ROLE_ARN",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_USE_FIPS_ENDPOINT",
        "AWS_MAX_ATTEMPTS",
        "SSL_CERT_FILE",
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
    ]
    assert account_id(**dict.fromkeys(names, empty)) == OTHER


def test_an_empty_endpoint_falls_back_to_the_profile(account_id: Callable, aws: Aws, folder: Path) -> None:
    (folder / "config").write_text(config(default={**STATIC, "endpoint_url": aws.url}))
    assert account_id(AWS_ENDPOINT_URL="", AWS_ENDPOINT_URL_IAM="") == OTHER


def test_an_empty_region_is_the_profile_s(account_id: Callable, aws: Aws, folder: Path) -> None:
    (folder / "config").write_text(config(default={**STATIC, "region": "eu-north-1"}))
    account_id(AWS_REGION="")
    assert {request.region for request in aws.requests} == {"eu-north-1"}


def test_an_empty_token_in_a_file_is_treated_as_unset(account_id: Callable, aws: Aws, folder: Path) -> None:
    (folder / "credentials").write_text(
        "[default]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = s\naws_session_token =\n"
    )
    assert account_id() == OTHER
    assert {request.token for request in aws.requests} == {None}


# Invalid values


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("AKIAMINE\r", "has a line end in it"),
        ("AKIA\nMINE", "has a line end in it"),
        ("AKIA MINE", "has a character that no credential has in it"),
        ("klíč", "has a character that no credential has in it"),
    ],
)
def test_a_variable_that_cannot_be_sent_is_named(
    refused: Callable, aws: Aws, folder: Path, account_id: Callable, name: str, value: str, what: str
) -> None:
    environment = {**KEYS, name: value}
    assert refused(**environment) == f"{name} {what}"
    assert aws.requests == []
    (folder / "config").write_text(config(audit=STATIC))
    assert account_id("--profile", "audit", **environment) == OTHER, "the variable is not used"


def test_a_variable_that_is_not_unicode_is_named(binary: Path, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_REGION"):
        variables = {b"HOME": os.fsencode(tmp_path), name.encode(): b"\xff"}
        variables.setdefault(b"AWS_SECRET_ACCESS_KEY", b"s")
        done = subprocess.run([binary, "check"], env=variables, capture_output=True, check=False)
        assert (done.returncode, done.stdout, done.stderr.decode()) == (2, b"", f"credwarden: {name} is not in UTF-8\n")


LINES = [
    ("config", b"[default]\nregion = eu-north-1\nnonsense\n", "line 3: Expected an '=' sign defining a property"),
    ("config", b"region = eu-north-1\n", "line 1: Expected a profile definition"),
    ("config", b"[default\nregion = x\n", "line 1: Profile definition must end with ']'"),
    ("config", "[default]\n# žluť\n".encode("iso8859-2"), "line 2 is not in UTF-8"),
    ("config", "\ufeff[default]\n".encode("utf-16-le"), "line 1 is in UTF-16; save the file as UTF-8"),
    ("credentials", "\ufeff[default]\n".encode("utf-16-be"), "line 1 is in UTF-16; save the file as UTF-8"),
    (
        "credentials",
        b"[default]\naws_access_key_id = AKIA\r\r\naws_secret_access_key = s\n",
        "line 2 has a control character in it, such as a stray carriage return",
    ),
    (
        "credentials",
        b"[default]\naws_access_key_id = AKIA\n  MORE\naws_secret_access_key = s\n",
        "line 3 continues a credential, which has one line",
    ),
    (
        "credentials",
        b"[default]\naws_access_key_id = AKIA MORE\naws_secret_access_key = s\n",
        "line 2 has a credential with a character in it that no credential has",
    ),
]


@pytest.mark.parametrize(("name", "content", "what"), LINES)
def test_a_file_that_cannot_be_used_is_named_with_its_line(
    refused: Callable, aws: Aws, folder: Path, name: str, content: bytes, what: str
) -> None:
    (folder / name).write_bytes(content)
    assert refused() == f"{folder / name}: {what}"
    assert aws.requests == []


def test_a_line_of_another_profile_does_not_matter(account_id: Callable, folder: Path) -> None:
    (folder / "credentials").write_bytes(
        b"[broken]\naws_access_key_id = A\rB\n[default]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = s\n"
    )
    assert account_id() == OTHER


def test_a_file_that_cannot_be_read_is_named(refused: Callable, folder: Path) -> None:
    (folder / "config").mkdir()
    assert refused(**KEYS).startswith(f"{folder}/config: cannot be read: ")


@pytest.mark.parametrize("service", ["EC2", "CLOUDTRAIL", "ORGANIZATIONS", "CLOUDFORMATION"])
def test_the_endpoint_of_a_service_that_is_not_called_does_not_matter(account_id: Callable, service: str) -> None:
    assert account_id(**KEYS, **{f"AWS_ENDPOINT_URL_{service}": "nonsense"}) == MINE


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_byte_order_mark_is_skipped(account_id: Callable, folder: Path, line_end: str) -> None:
    text = "\ufeff" + config(default=STATIC).replace("\n", line_end)
    (folder / "config").write_bytes(text.encode())
    assert account_id() == OTHER


@pytest.mark.parametrize(
    ("options", "environment", "what"),
    [
        ([], {"AWS_REGION": "Frankfurt"}, "AWS_REGION is `Frankfurt`: a region such as eu-central-1 is wanted"),
        ([], {"AWS_DEFAULT_REGION": "eu-central-1\r"}, None),
        (
            [],
            {"AWS_ENDPOINT_URL": "localhost:4566"},
            "the endpoint URL `localhost:4566` is not one such as http://localhost:4566",
        ),
        (
            [],
            {"AWS_ENDPOINT_URL_IAM": "127.0.0.1"},
            "the endpoint URL `127.0.0.1` is not one such as http://localhost:4566",
        ),
        (
            [],
            {"AWS_ENDPOINT_URL_STS": "ftp://x"},
            "the endpoint URL `ftp://x` is not one such as http://localhost:4566",
        ),
        (
            [],
            {"HTTPS_PROXY": "socks5://localhost:1080"},
            "HTTPS_PROXY is not a proxy such as http://proxy.example.com:3128",
        ),
        (
            [],
            {"https_proxy": "http://user:pass word@proxy"},
            "https_proxy is not a proxy such as http://proxy.example.com:3128",
        ),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_at_once(
    refused: Callable,
    account_id: Callable,
    aws: Aws,
    options: list[str],
    environment: dict[str, str],
    what: str | None,
) -> None:
    if what is None:
        assert account_id(**KEYS, **environment) == MINE
    else:
        assert refused(*options, **KEYS, **environment) == what
        assert aws.requests == []


def test_an_invalid_region_in_a_profile_is_refused(refused: Callable, folder: Path) -> None:
    (folder / "config").write_text(config(default={**STATIC, "region": "eu central 1"}))
    assert refused() == "region of profile `default` is `eu central 1`: a region such as eu-central-1 is wanted"


# Regions, endpoints, certificates, proxies


def test_the_region_is_the_option_s_the_environment_s_or_the_profile_s(
    account_id: Callable, aws: Aws, folder: Path
) -> None:
    (folder / "config").write_text(config(default={**STATIC, "region": "eu-north-1"}))
    for options, environment, region in [
        (["--region", "eu-west-3"], {"AWS_REGION": "eu-west-1"}, "eu-west-3"),
        ([], {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-1"),
        ([], {"AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-2"),
        ([], {}, "eu-north-1"),
    ]:
        aws.requests.clear()
        account_id(*options, **environment)
        assert {request.region for request in aws.requests} == {region}


@pytest.fixture
def secured(aws: Aws) -> Iterator[Secured]:
    names = [
        "*.amazonaws.com",
        "*.us-east-1.amazonaws.com",
        "*.us-gov.amazonaws.com",
        "*.cn-north-1.amazonaws.com.cn",
        "*.global.api.aws",
        "localhost",
    ]
    with Secured(aws, *names) as secured:
        yield secured


@pytest.fixture
def proxy(secured: Secured) -> Iterator[Proxy]:
    with Proxy(secured.port) as proxy:
        yield proxy


@pytest.fixture
def run_through_proxy(
    credwarden: Callable[..., Ended], secured: Secured, proxy: Proxy, tmp_path: Path
) -> Callable[..., Ended]:
    """Runs against AWS's own endpoints, through the proxy."""
    (tmp_path / "authority.pem").write_text(secured.authority)

    def run(*options: str, **environment: str) -> Ended:
        by_default = {"HTTPS_PROXY": proxy.url, "AWS_CA_BUNDLE": str(tmp_path / "authority.pem"), **KEYS}
        return credwarden("check", "--now", NOW, "--format", "json", *options, **by_default | environment)

    return run


@pytest.mark.parametrize(
    ("environment", "host"),
    [
        ({}, "iam.amazonaws.com:443"),
        ({"AWS_USE_FIPS_ENDPOINT": "true"}, "iam-fips.amazonaws.com:443"),
        ({"AWS_USE_DUALSTACK_ENDPOINT": "true"}, "iam.global.api.aws:443"),
        ({"AWS_REGION": "us-gov-west-1"}, "iam.us-gov.amazonaws.com:443"),
        ({"AWS_REGION": "cn-north-1"}, "iam.cn-north-1.amazonaws.com.cn:443"),
    ],
)
def test_awss_endpoints_are_reached_through_the_proxy(
    run_through_proxy: Callable[..., Ended], proxy: Proxy, environment: dict[str, str], host: str
) -> None:
    ended = run_through_proxy(**environment)
    assert (ended.status, ended.errors) == (0, "")
    assert set(proxy.hosts) == {host}


def test_the_profile_can_set_fips_and_certificates(
    run_through_proxy: Callable[..., Ended], proxy: Proxy, folder: Path, tmp_path: Path
) -> None:
    profile = {**STATIC, "use_fips_endpoint": "true", "ca_bundle": tmp_path / "authority.pem"}
    (folder / "config").write_text(config(audit=profile))
    ended = run_through_proxy("--profile", "audit", AWS_CA_BUNDLE="")
    assert (ended.status, ended.errors) == (0, "")
    assert set(proxy.hosts) == {"iam-fips.amazonaws.com:443"}


def test_a_role_is_assumed_by_the_fips_endpoint_through_the_proxy(
    run_through_proxy: Callable[..., Ended], proxy: Proxy, folder: Path
) -> None:
    (folder / "config").write_text(config(audit={"role_arn": ROLE, "source_profile": "base"}, base=STATIC))
    ended = run_through_proxy("--profile", "audit", AWS_USE_FIPS_ENDPOINT="true", AWS_REGION="us-east-1")
    assert (ended.status, ended.errors) == (0, "")
    assert set(proxy.hosts) == {"sts-fips.us-east-1.amazonaws.com:443", "iam-fips.amazonaws.com:443"}


def test_the_proxy_password_is_sent(run_through_proxy: Callable[..., Ended], proxy: Proxy) -> None:
    ended = run_through_proxy(HTTPS_PROXY=proxy.url.replace("http://", "http://me:open@"))
    assert ended.status == 0, ended.errors
    assert set(proxy.authorizations) == {"Basic bWU6b3Blbg=="}


def test_hosts_in_no_proxy_bypass_the_proxy(
    run_through_proxy: Callable[..., Ended], secured: Secured, proxy: Proxy
) -> None:
    ended = run_through_proxy(AWS_ENDPOINT_URL=f"https://localhost:{secured.port}", NO_PROXY="localhost")
    assert (ended.status, ended.errors) == (0, "")
    assert proxy.hosts == []


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_certificates_can_be_added_to_the_systems(
    run_through_proxy: Callable[..., Ended], tmp_path: Path, variable: str
) -> None:
    environment = {"AWS_CA_BUNDLE": "", variable: str(tmp_path / "authority.pem")}
    assert run_through_proxy(**environment).status == 0


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (None, "cannot be read: No such file or directory (os error 2)"),
        ("", "has no certificate in PEM format"),
        ("hello\n", "has no certificate in PEM format"),
        ("-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n", "is damaged: it is not in PEM format"),
        ("-----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----\n", "certificate 1 cannot be used: "),
    ],
)
def test_a_bundle_that_cannot_be_used_is_refused(
    refused: Callable, tmp_path: Path, content: str | None, what: str
) -> None:
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_text(content)
    assert refused(**KEYS, AWS_CA_BUNDLE=str(bundle)).startswith(f"{bundle}: {what}")


def test_a_system_without_authorities_is_reported(refused: Callable, tmp_path: Path) -> None:
    assert refused(**KEYS, SSL_CERT_FILE=str(tmp_path / "nothing")).startswith(
        "the system has no certificate authorities ("
    )


def test_files_need_no_configuration(credwarden: Callable[..., Ended], report: Path, folder: Path) -> None:
    (folder / "config").write_bytes(b"\xff\xfe")
    ended = credwarden(
        "check",
        "--credential-report",
        report,
        "--format",
        "json",
        AWS_PROFILE="missing",
        AWS_REGION="x y",
        AWS_ENDPOINT_URL="nonsense",
        AWS_ACCESS_KEY_ID="a\r",
    )
    assert ended.status == 1 and json.loads(ended.output)["account_id"] == MINE
