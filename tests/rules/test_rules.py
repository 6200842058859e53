"""infra/rules: cfn-guard and checkov reject long-lived credentials, and accept an exemption only with a reason.

The rules for plans of Terraform are tested by tests/it/plans.rs.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from render import DEPLOY_ROLE, MEMBER_ROLE, MEMBER_STACKSET, PREVENT, ROOT, TEMPLATE

RULES = ROOT / "infra" / "rules"
GUARD = ROOT / ".venv" / "tools" / "bin" / "cfn-guard"
CHECKOV = ROOT / ".venv" / "checkov" / "bin" / "checkov"

KEYS = "no_access_keys"
USERS = "no_iam_users"
PASSWORDS = "no_console_passwords"
LOOPS = "no_credentials_in_loops"
OUTPUTS = "no_secrets_in_outputs"
LOOPED_OUTPUTS = "no_secrets_in_looped_outputs"

REASON = "The vendor supports no roles"

KEY = "{Type: AWS::IAM::AccessKey, Properties: {UserName: alice}"
USER = "{Type: AWS::IAM::User"
PASSWORD = USER + ", Properties: {LoginProfile: {Password: !Ref Initial}}"


def template(resource: str = "{Type: AWS::SNS::Topic}", output: str = "{Value: !Ref One}", head: str = "") -> str:
    return f"{head}\nResources:\n  One: {resource}\nOutputs:\n  Shown: {output}\n"


def exempt(resource: str, reason: str, name: str = "exempt") -> str:
    return f"{resource}, Metadata: {{credwarden: {{{name}: {reason}}}}}}}"


def looped(resources: str) -> str:
    return f"Transform: AWS::LanguageExtensions\nResources:\n  Fn::ForEach::Users: [Name, [alice, bob], {resources}]\n"


def shown(value: str, description: str = "") -> str:
    return template(output=f"{{Description: '{description}', Value: {value}}}")


SECRET = "!GetAtt Key.SecretAccessKey"

# What each template breaks.
TEMPLATES: dict[str, tuple[str, set[str]]] = {
    "a topic": (template(), set()),
    "an access key": (template(KEY + "}"), {KEYS}),
    "a user": (template(USER + "}"), {USERS}),
    "a user with a password": (template(PASSWORD + "}"), {USERS, PASSWORDS}),
    "a role": (template("{Type: AWS::IAM::Role, Properties: {AssumeRolePolicyDocument: {}}}"), set()),
    "under a condition": (template(KEY + ", Condition: Never}"), {KEYS}),
    "in JSON": (json.dumps({"Resources": {"One": {"Type": "AWS::IAM::AccessKey"}}}), {KEYS}),
    "in a SAM template": (template(KEY + "}", head="Transform: AWS::Serverless-2016-10-31"), {KEYS}),
    "without outputs": (f"Resources:\n  One: {USER}}}\n", {USERS}),
    # Exemptions.
    "an exempt access key": (template(exempt(KEY, REASON)), set()),
    "an exempt user": (template(exempt(USER, REASON)), set()),
    "an exempt user with a password": (template(exempt(PASSWORD, REASON)), set()),
    "a reason in other letters": (template(exempt(KEY, "'Anbieter: nötig'")), set()),
    "a quoted reason": (template(exempt(KEY, f"'{REASON}'")), set()),
    "no reason": (template(exempt(KEY, "")), {KEYS}),
    "an empty reason": (template(exempt(PASSWORD, "''")), {USERS, PASSWORDS}),
    "blanks": (template(exempt(KEY, "'  '")), {KEYS}),
    "other blanks": (template(exempt(KEY, '"\\u00a0 \\u200b \\t"')), {KEYS}),
    "dashes": (template(exempt(KEY, "'- -'")), {KEYS}),
    "true": (template(exempt(KEY, "true")), {KEYS}),
    "'true'": (template(exempt(KEY, "'true'")), {KEYS}),
    "one word": (template(exempt(KEY, "legacy")), {KEYS}),
    "null": (template(exempt(KEY, "null")), {KEYS}),
    "a number": (template(exempt(KEY, "1")), {KEYS}),
    "an empty list": (template(exempt(KEY, "[]")), {KEYS}),
    "an empty list for a user": (template(exempt(USER, "[]")), {USERS}),
    "an empty list for a user with a password": (template(exempt(PASSWORD, "[]")), {USERS, PASSWORDS}),
    "a list": (template(exempt(KEY, f"[{REASON}]")), {KEYS}),
    "a map": (template(exempt(KEY, f"{{reason: {REASON}}}")), {KEYS}),
    "a function": (template(exempt(KEY, "!Ref Reason")), {KEYS}),
    "another name": (template(exempt(KEY, REASON, "exempted")), {KEYS}),
    "in capitals": (template(exempt(KEY, REASON, "EXEMPT")), {KEYS}),
    # cfn-guard finds a key in camel case and in Pascal case.
    "in Pascal case": (template(exempt(KEY, REASON, "Exempt")), set()),
    "no map": (template(KEY + f", Metadata: {{credwarden: {REASON}}}}}"), {KEYS}),
    "in the template's metadata": (template(KEY + "}", head=f"Metadata: {{credwarden: {{exempt: {REASON}}}}}"), {KEYS}),
    "in the properties": (
        template("{Type: AWS::IAM::AccessKey, Properties: {UserName: a, Metadata: {credwarden: {exempt: a b}}}}"),
        {KEYS},
    ),
    "an exemption of another resource": (
        f"Resources:\n  One: {exempt(KEY, REASON)}\n  Two: {KEY}}}\n",
        {KEYS},
    ),
    "a skip for checkov": (
        template(KEY + f", Metadata: {{checkov: {{skip: [{{id: CKV2_CREDWARDEN_1, comment: {REASON}}}]}}}}}}"),
        {KEYS},
    ),
    # Loops.
    "a loop with topics": (looped("{'Topic${Name}': {Type: AWS::SNS::Topic}}"), set()),
    "a loop with keys": (looped(f"{{'Key${{Name}}': {KEY}}}}}"), {LOOPS}),
    "a loop with users": (looped(f"{{'User${{Name}}': {USER}}}}}"), {LOOPS}),
    "a loop with exempt keys": (looped(f"{{'Key${{Name}}': {exempt(KEY, REASON)}}}"), set()),
    "a loop with a blank reason": (looped(f"{{'Key${{Name}}': {exempt(KEY, ' ')}}}"), {LOOPS}),
    "a loop with an empty list": (looped(f"{{'Key${{Name}}': {exempt(KEY, '[]')}}}"), {LOOPS}),
    "a loop with one exempt key of two": (
        looped(f"{{'Key${{Name}}': {exempt(KEY, REASON)}, 'Other${{Name}}': {KEY}}}}}"),
        {LOOPS},
    ),
    "a loop in a loop": (looped(f"{{Fn::ForEach::Keys: [Two, [a], {{'Key${{Name}}${{Two}}': {KEY}}}}}]}}"), {LOOPS}),
    "an exempt key in a loop in a loop": (
        looped(f"{{Fn::ForEach::Keys: [Two, [a], {{'Key${{Name}}${{Two}}': {exempt(KEY, REASON)}}}]}}"),
        set(),
    ),
    "a loop beside a key": (looped("{'Topic${Name}': {Type: AWS::SNS::Topic}}") + f"  One: {KEY}}}\n", {KEYS}),
    # Outputs.
    "the secret": (shown(SECRET), {OUTPUTS}),
    "the secret by a list": (shown("!GetAtt [Key, SecretAccessKey]"), {OUTPUTS}),
    "the secret by the long form": (shown("{'Fn::GetAtt': [Key, SecretAccessKey]}"), {OUTPUTS}),
    "the secret by the long form and a string": (shown("{'Fn::GetAtt': Key.SecretAccessKey}"), {OUTPUTS}),
    "the secret by Sub": (shown("!Sub 'key: ${Key.SecretAccessKey}'"), {OUTPUTS}),
    "the secret by Sub with a blank": (shown("!Sub '${ Key.SecretAccessKey }'"), {OUTPUTS}),
    "the secret by Sub with a map": (shown(f"!Sub ['${{Secret}}', {{Secret: {SECRET}}}]"), {OUTPUTS}),
    "the secret joined": (shown(f"!Join [':', [!Ref Key, {SECRET}]]"), {OUTPUTS}),
    "the secret under a condition": (
        shown("!If [Yes, !Join ['', [a, {'Fn::Base64': !Sub '${Key.SecretAccessKey}'}]], '']"),
        {OUTPUTS},
    ),
    "the secret of a nested stack": (shown("!GetAtt Stack.Outputs.SecretAccessKey"), {OUTPUTS}),
    "an exported secret": (template(output=f"{{Value: {SECRET}, Export: {{Name: secret}}}}"), {OUTPUTS}),
    "the key's id": (shown("!Ref Key"), set()),
    "a literal": (shown("!Sub '${!Key.SecretAccessKey} is in Secrets Manager'"), set()),
    "a number as output": (shown("1"), set()),
    "an exempt secret": (shown(SECRET, f"credwarden-exempt: {REASON}"), set()),
    "a secret with an empty reason": (shown(SECRET, "credwarden-exempt:"), {OUTPUTS}),
    "a secret with one word": (shown(SECRET, "credwarden-exempt: yes"), {OUTPUTS}),
    "a secret with a description": (shown(SECRET, REASON), {OUTPUTS}),
    "a secret with the exemption at the end": (shown(SECRET, f"Key. credwarden-exempt: {REASON}"), {OUTPUTS}),
    "a secret with an empty list": (template(output=f"{{Description: [], Value: {SECRET}}}"), {OUTPUTS}),
    "an exempt secret beside another": (
        shown(SECRET, f"credwarden-exempt: {REASON}") + f"  Other: {{Value: {SECRET}}}\n",
        {OUTPUTS},
    ),
    "secrets in a loop": (
        template() + f"  Fn::ForEach::Secrets: [Name, [alice], {{'Secret${{Name}}': {{Value: {SECRET}}}}}]\n",
        {LOOPED_OUTPUTS},
    ),
    "exempt secrets in a loop": (
        template()
        + f"  Fn::ForEach::S: [N, [a], {{'S${{N}}': {{Description: 'credwarden-exempt: {REASON}', Value: {SECRET}}}}}]\n",
        set(),
    ),
    "a secret in a loop with a description": (
        template() + f"  Fn::ForEach::S: [N, [a], {{'S${{N}}': {{Description: {REASON}, Value: {SECRET}}}}}]\n",
        {LOOPED_OUTPUTS},
    ),
    "a secret in a loop with an empty list": (
        template() + f"  Fn::ForEach::S: [N, [a], {{'S${{N}}': {{Description: [], Value: {SECRET}}}}}]\n",
        {LOOPED_OUTPUTS},
    ),
    "no secrets in a loop": (
        template() + "  Fn::ForEach::Ids: [Name, [alice], {'Id${Name}': {Value: !Ref One}}]\n",
        set(),
    ),
    # What README.md says that the rules do not see.
    "a third loop": (
        looped(f"{{Fn::ForEach::B: [B, [b], {{Fn::ForEach::C: [C, [c], {{'Key${{C}}': {KEY}}}}}]}}]}}"),
        set(),
    ),
    "a custom resource": (template("{Type: Custom::AccessKey, Properties: {ServiceToken: !Ref Function}}"), set()),
}


def guard(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    assert GUARD.exists(), "`make check` installs cfn-guard"
    command = [GUARD, "validate", "--rules", RULES / "credentials.guard", "--data", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@functools.cache
def broken_rules() -> dict[str, set[str]]:
    """The rules of cfn-guard that each template breaks."""
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for number, (name, (text, _)) in enumerate(TEMPLATES.items()):
            files[name] = Path(folder) / f"{number}.yaml"
            files[name].write_text(text, encoding="utf-8")
        done = guard(*files.values(), "--structured", "--output-format", "json", "--show-summary", "none")
        assert done.returncode == 19, done.stderr
        reports = {report["name"]: report for report in json.loads(done.stdout)}
        return {
            name: {one["Rule"]["name"] for one in reports[str(file)]["not_compliant"]} for name, file in files.items()
        }


@pytest.mark.parametrize("name", TEMPLATES)
def test_guard_rejects_credentials_without_a_reason(name: str) -> None:
    assert broken_rules()[name] == TEMPLATES[name][1]


def test_every_rule_of_guard_rejects_something() -> None:
    rules = re.findall(r"^rule (\w+)", (RULES / "credentials.guard").read_text(), re.MULTILINE)
    assert set(rules) == set.union(*(broken for _, broken in TEMPLATES.values()))


@pytest.mark.parametrize("name", ["an access key", "a loop with keys", "the secret", "secrets in a loop", "a topic"])
def test_guard_fails_with_its_report_for_people(name: str, tmp_path: Path) -> None:
    """Its default report panics on some paths, which is another exit code."""
    text, broken = TEMPLATES[name]
    data = tmp_path / "template.yaml"
    data.write_text(text)
    done = guard(data)
    assert done.returncode == (19 if broken else 0), done.stderr
    assert all(f"{rule} " in done.stdout for rule in broken)


def test_guard_does_not_pass_a_file_that_it_cannot_read(tmp_path: Path) -> None:
    for text in ["", "Resources: {", "Resources: {One: {Type: AWS::IAM::AccessKey}"]:
        data = tmp_path / "template.yaml"
        data.write_text(text)
        assert guard(data).returncode not in (0, 19)


# checkov.


def checkov(folder: Path, *arguments: str | Path, framework: str = "terraform") -> dict[str, Any]:
    assert CHECKOV.exists(), "`make check` installs checkov"
    command = [CHECKOV, "--directory", folder, "--framework", framework, "--skip-download", "--output", "json"]
    own = ["--external-checks-dir", RULES / "checkov", "--check", "CKV2_CREDWARDEN*"]
    done = subprocess.run([*command, *own, *arguments], capture_output=True, text=True, timeout=120)
    report = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0
    assert done.returncode == (1 if report["results"]["failed_checks"] else 0)
    return report["results"]


def checks(results: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(one["resource"], one["check_id"].removeprefix("CKV2_CREDWARDEN_")) for one in results}


TERRAFORM = {
    "main.tf": """
resource "aws_iam_role" "deploy" {
  assume_role_policy = "{}"
}
resource "aws_iam_access_key" "ci" {
  user = "alice"
}
resource "aws_iam_access_key" "each" {
  for_each = toset(["a"])
  user     = each.key
}
resource "aws_iam_access_key" "none" {
  count = 0
  user  = "alice"
}
resource "aws_iam_user" "ci" {
  name = "ci"
}
resource "awscc_iam_user" "ci" {
  user_name = "ci"
}
resource "aws_iam_user_login_profile" "ci" {
  user = "alice"
}
resource "aws_iam_service_specific_credential" "ci" {
  service_name = "codecommit.amazonaws.com"
  user_name    = "alice"
}
resource "aws_iam_user_ssh_key" "ci" {
  username = "alice"
}
resource "aws_iam_signing_certificate" "ci" {
  user_name = "alice"
}
resource "aws_iam_access_key" "exempt" {
  # checkov:skip=CKV2_CREDWARDEN_1: The vendor supports no roles
  user = "alice"
}
resource "aws_iam_user" "other_exempt" {
  # checkov:skip=CKV2_CREDWARDEN_1: The vendor supports no roles
  name = "other"
}
resource "aws_iam_access_key" "lower_case" {
  # checkov:skip=ckv2_credwarden_1: The vendor supports no roles
  user = "alice"
}
resource "aws_iam_access_key" "no_reason" {
  # checkov:skip=CKV2_CREDWARDEN_1
  user = "alice"
}
resource "aws_iam_access_key" "blank_reason" {
  #checkov:skip=CKV2_CREDWARDEN_1:  \t
  user = "alice"
}
resource "aws_iam_access_key" "one_word" {
  #bridgecrew:skip=CKV2_CREDWARDEN_1:legacy
  user = "alice"
}
module "vendor" {
  source = "./vendor"
}
""",
    "vendor/main.tf": """
resource "aws_iam_access_key" "nested" {
  user = "bob"
}
""",
    # README.md says that checkov does not read this one.
    "more.tf.json": '{"resource": {"aws_iam_access_key": {"json": {"user": "alice"}}}}',
}


@functools.cache
def terraform() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), TERRAFORM)
        return checkov(Path(folder))


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


def test_checkov_rejects_credentials_in_terraform() -> None:
    assert checks(terraform()["failed_checks"]) == {
        ("aws_iam_access_key.ci", "1"),
        ('aws_iam_access_key.each["a"]', "1"),
        ("aws_iam_access_key.none", "1"),
        ("aws_iam_access_key.lower_case", "1"),
        ("module.vendor.aws_iam_access_key.nested", "1"),
        ("aws_iam_user.ci", "2"),
        ("aws_iam_user.other_exempt", "2"),
        ("awscc_iam_user.ci", "2"),
        ("aws_iam_user_login_profile.ci", "3"),
        ("aws_iam_service_specific_credential.ci", "4"),
        ("aws_iam_user_ssh_key.ci", "4"),
        ("aws_iam_signing_certificate.ci", "4"),
    }


def test_checkov_skips_without_a_reason() -> None:
    """That is what checkov does; the search for such comments in README.md is the check."""
    assert checks(terraform()["skipped_checks"]) == {
        ("aws_iam_access_key.exempt", "1"),
        ("aws_iam_user.other_exempt", "1"),
        ("aws_iam_access_key.no_reason", "1"),
        ("aws_iam_access_key.blank_reason", "1"),
        ("aws_iam_access_key.one_word", "1"),
    }


def test_checkov_rejects_credentials_in_templates(tmp_path: Path) -> None:
    names = ["a topic", "an access key", "a user", "a user with a password", "a role", "in a SAM template", "in JSON"]
    kinds = {name: "json" if name == "in JSON" else "yaml" for name in names}
    files = {f"{name.replace(' ', '-')}.{kind}": TEMPLATES[name][0] for name, kind in kinds.items()}
    skip = KEY + f", Metadata: {{checkov: {{skip: [{{id: CKV2_CREDWARDEN_1, comment: {REASON}}}]}}}}}}"
    write(tmp_path, files | {"skipped.yaml": template(skip)})
    results = checkov(tmp_path, framework="cloudformation")
    failed = {(Path(one["file_path"]).stem, one["check_id"][-1]) for one in results["failed_checks"]}
    assert failed == {
        ("an-access-key", "1"),
        ("in-JSON", "1"),
        ("in-a-SAM-template", "1"),
        ("a-user", "2"),
        ("a-user-with-a-password", "2"),
        ("a-user-with-a-password", "5"),
    }
    assert [Path(one["file_path"]).stem for one in results["skipped_checks"]] == ["skipped"]


def test_every_check_of_checkov_rejects_something() -> None:
    ids = {yaml.safe_load(file.read_text())["metadata"]["id"] for file in (RULES / "checkov").iterdir()}
    assert ids == {f"CKV2_CREDWARDEN_{number}" for number in range(1, 6)}


# The commands of infra/rules/README.md.

README = (RULES / "README.md").read_text()

BAD_CODE = """
resource "aws_iam_access_key" "ci" {
  # checkov:skip=CKV2_CREDWARDEN_1
  user = "alice"
}
resource "aws_iam_user" "ci" {
  name = "ci"
}
"""
GOOD_CODE = """
resource "aws_iam_access_key" "ci" {
  # checkov:skip=CKV2_CREDWARDEN_1: The vendor supports no roles
  user = "alice"
}
"""


def block(language: str) -> str:
    (text,) = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return text


def project(folder: Path, code: str, name: str) -> dict[str, str]:
    """A folder with code and a template; returns the environment with the tools in its path."""
    write(folder, {"main.tf": code, "template.yaml": TEMPLATES[name][0]})
    (folder / "rules").symlink_to(RULES)
    return os.environ | {"PATH": f"{GUARD.parent}:{CHECKOV.parent}:{os.environ['PATH']}"}


@pytest.mark.parametrize("line", range(3))
def test_the_commands_for_ci_reject_and_accept(line: int, tmp_path: Path) -> None:
    commands = block("sh").splitlines()
    assert len(commands) == 3
    codes = []
    for number, (code, name) in enumerate([(GOOD_CODE, "an exempt user"), (BAD_CODE, "a user")]):
        folder = tmp_path / str(number)
        folder.mkdir()
        environment = project(folder, code, name)
        shell = ["bash", "-euo", "pipefail", "-c", commands[line]]
        codes.append(subprocess.run(shell, cwd=folder, env=environment, capture_output=True, timeout=120).returncode)
    assert codes == [0, [19, 1, 1][line]]


# checkov passes over a file that it cannot parse; Terraform accepts each of these.
UNPARSED = ["1e3", '"${replace(var.x, "\\"", "")}"']


@pytest.mark.parametrize("value", UNPARSED)
def test_a_file_that_checkov_cannot_parse_is_rejected(value: str, tmp_path: Path) -> None:
    environment = project(tmp_path, f"locals {{\n  a = {value}\n}}\n" + BAD_CODE, "an exempt user")
    shell = ["bash", "-euo", "pipefail", "-c", block("sh").splitlines()[1]]
    assert subprocess.run(shell, cwd=tmp_path, env=environment, capture_output=True, timeout=120).returncode != 0
    hooks = {one["id"]: one for one in yaml.safe_load(block("yaml"))["repos"][0]["hooks"]}
    assert not run_hook(hooks["checkov"], tmp_path, environment)


@pytest.mark.parametrize("hook", ["guard", "checkov", "reasons"])
def test_the_hooks_for_pre_commit_reject_and_accept(hook: str, tmp_path: Path) -> None:
    hooks = {one["id"]: one for one in yaml.safe_load(block("yaml"))["repos"][0]["hooks"]}
    assert set(hooks) == {"guard", "checkov", "reasons"}
    passed = []
    for number, (code, name) in enumerate([(GOOD_CODE, "an exempt user"), (BAD_CODE, "a user")]):
        folder = tmp_path / str(number)
        folder.mkdir()
        passed.append(run_hook(hooks[hook], folder, project(folder, code, name)))
    assert passed == [True, False]


def run_hook(hook: dict[str, Any], folder: Path, environment: dict[str, str]) -> bool:
    """Whether a hook passes, as pre-commit runs it."""
    files = [name for name in ("main.tf", "template.yaml") if re.search(hook["files"], name)]
    assert len(files) == 1
    if hook["language"] == "pygrep":
        lines = [line for name in files for line in (folder / name).read_text().splitlines()]
        return not any(re.search(hook["entry"], line) for line in lines)
    command = shlex.split(hook["entry"]) + (files if hook.get("pass_filenames", True) else [])
    return not subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=120).returncode


@pytest.mark.parametrize(
    ("comment", "is_found"),
    [
        ("#checkov:skip=CKV2_CREDWARDEN_1", True),
        ("# checkov:skip=CKV2_CREDWARDEN_1:", True),
        ("# checkov:skip=CKV2_CREDWARDEN_1: \t ", True),
        ("# checkov:skip=CKV2_CREDWARDEN_1:legacy", True),
        ("# checkov:skip=CKV2_CREDWARDEN_1,CKV2_CREDWARDEN_2: legacy ", True),
        ("# bridgecrew:skip=CKV2_CREDWARDEN_1", True),
        ("# cortex:skip=CKV2_CREDWARDEN_1", True),
        ("# checkov:skip=CKV2_CREDWARDEN_1: The vendor supports no roles", False),
        ("# checkov:skip=CKV2_CREDWARDEN_1:The vendor: no roles", False),
        ("# a comment", False),
    ],
)
def test_a_skip_without_a_reason_is_found(comment: str, is_found: bool, tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(f'resource "aws_iam_user" "ci" {{\n  {comment}\n}}\n')
    search = ["bash", "-c", block("sh").splitlines()[2]]
    assert subprocess.run(search, cwd=tmp_path, capture_output=True).returncode == is_found
    pattern = yaml.safe_load(block("yaml"))["repos"][0]["hooks"][2]["entry"]
    assert bool(re.search(pattern, comment)) == is_found


# This repository.

OWN = [TEMPLATE, DEPLOY_ROLE, PREVENT, MEMBER_ROLE, MEMBER_STACKSET]


def test_the_own_templates_are_all_of_them() -> None:
    templates = {
        file for file in [*ROOT.glob("*.y*ml"), *(ROOT / "infra").rglob("*.y*ml")] if "Resources:" in file.read_text()
    }
    assert templates == set(OWN)


def test_the_own_templates_pass_guard() -> None:
    done = guard(*OWN)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_own_templates_pass_checkov(tmp_path: Path) -> None:
    own = {file.name: file.read_text() for file in OWN}
    # That the checks look at anything in the folder.
    write(tmp_path, own | {"control.yaml": TEMPLATES["an access key"][0]})
    failed = checkov(tmp_path, framework="cloudformation")["failed_checks"]
    assert [Path(one["file_path"]).name for one in failed] == ["control.yaml"]
