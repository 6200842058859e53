"""The emulated organization behaves like AWS Organizations, STS, IAM and StackSets where an audit of it calls them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import botocore.config
import botocore.exceptions
import pytest

from emulator import audit, sample
from emulator.account import ACCOUNT
from emulator.launcher import REGION
from emulator.process import Emulator, EmulatorFailed
from emulator.sample import AUDIT, MANAGEMENT
from refusals import refusal

PAYMENTS, BILLING, LEGACY, LOCKED, OLD = (
    *("222233334444", "333344445555", "777788889999"),
    *("888899990000", "123456789012"),
)
LISTING = "organizations:ListAccounts"
REPORT = "iam:GetCredentialReport"


@pytest.fixture
def caller(audited: Emulator) -> dict:
    return audit.auditor(audited)


def iam(emulator: Emulator, caller: dict, account: str) -> Any:
    return emulator.client("iam", role=audit.session(emulator, caller, account))


def pages(client: Any, operation: str, **arguments: Any) -> list[dict]:
    """Returns the pages of a listing, empty ones as well."""
    found = [getattr(client, operation)(**arguments)]
    while "NextToken" in found[-1]:
        found.append(getattr(client, operation)(NextToken=found[-1]["NextToken"], **arguments))
    return found


def users(client: Any) -> list[str]:
    client.generate_credential_report()
    return [line.split(",")[0] for line in client.get_credential_report()["Content"].decode().split("\n")[2:]]


# One IAM per account


def test_every_account_has_its_own_report_summary_keys_and_devices(audited: Emulator, caller: dict) -> None:
    payments, billing, management = (iam(audited, caller, one) for one in (PAYMENTS, BILLING, MANAGEMENT))
    assert users(payments) == ["user-0000", "user-0001"]
    assert users(billing) == [f"user-{number:04d}" for number in range(4)]
    assert users(management) == ["ci-deploy", "newcomer"]
    summaries = [one.get_account_summary()["SummaryMap"] for one in (payments, billing)]
    assert [(one["Users"], one["AccountAccessKeysPresent"]) for one in summaries] == [(2, 1), (4, 0)]
    keys = {
        one.list_access_keys(UserName="user-0000")["AccessKeyMetadata"][0]["AccessKeyId"] for one in (payments, billing)
    }
    assert len(keys) == 2
    assert refusal(payments.list_access_keys, UserName="user-0003")[:2] == ("NoSuchEntity", 404)
    assert payments.list_service_specific_credentials(AllUsers=True)["ServiceSpecificCredentials"] == []


def test_one_account_is_changed_and_has_a_report_of_its_own_age(audited: Emulator, caller: dict) -> None:
    audited.change_account("report", account=PAYMENTS, age="-3h", polls=2)
    audited.change_account("root-mfa", account=PAYMENTS, kind="virtual")
    payments, billing = (iam(audited, caller, one) for one in (PAYMENTS, BILLING))
    assert [payments.generate_credential_report()["State"] for _ in range(3)] == ["STARTED", "INPROGRESS", "COMPLETE"]
    assert billing.generate_credential_report()["State"] == "COMPLETE"
    assert len(payments.list_virtual_mfa_devices()["VirtualMFADevices"]) == 1
    assert billing.list_virtual_mfa_devices()["VirtualMFADevices"] == []
    before = users(payments)
    audited.change_account("delete-user", account=PAYMENTS, name="user-0001", keep_report=True)
    assert users(payments) == before
    assert payments.get_account_summary()["SummaryMap"]["Users"] == 1
    assert len(users(billing)) == 4


def test_other_operations_of_iam_see_the_users_of_the_account(audited: Emulator) -> None:
    owner = audited.client("iam", role=audit.root(PAYMENTS))
    assert [user["UserName"] for user in owner.list_users()["Users"]] == ["user-0000", "user-0001"]
    owner.create_user(UserName="new")
    assert owner.list_access_keys(UserName="new")["AccessKeyMetadata"] == []


# Faults and counts per account


def test_calls_are_counted_and_logged_by_account(audited: Emulator, caller: dict) -> None:
    users(iam(audited, caller, PAYMENTS))
    calls = audited.calls()
    assert calls["sts:AssumeRole"]["accounts"] == {PAYMENTS: 1}
    assert calls[REPORT]["accounts"] == {PAYMENTS: 1}
    log = audited.call_log(account=PAYMENTS)
    assert [call["action"] for call in log] == ["sts:AssumeRole", "iam:GenerateCredentialReport", REPORT]
    assert all(call["start"] <= call["end"] and call["error"] is None and call["region"] == REGION for call in log)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"how": "denied"}, "AccessDenied"),
        ({"code": "Throttling", "status": 400}, "Throttling"),
        ({"code": "ServiceFailure", "status": 503}, "ServiceFailure"),
    ],
)
def test_a_fault_is_aimed_at_one_account(audited: Emulator, caller: dict, fault: dict, code: str) -> None:
    payments, billing = (iam(audited, caller, one) for one in (PAYMENTS, BILLING))
    users(billing), users(payments)
    audited.fail({"action": REPORT, "account": PAYMENTS, "times": 9, **fault})
    assert refusal(payments.get_credential_report)[0] == code
    assert billing.get_credential_report()["Content"]
    assert [call["error"] for call in audited.call_log(REPORT)][-2:] == [code, None]


def test_late_responses_overlap_in_the_log(audited: Emulator, caller: dict) -> None:
    clients = [iam(audited, caller, one) for one in (PAYMENTS, BILLING)]
    audited.fail({"action": "iam:GetAccountSummary", "how": "late", "seconds": 0.3, "times": 9})
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda client: client.get_account_summary(), clients))
    assert [one["SummaryMap"]["Users"] for one in answers] == [2, 4]
    first, second = audited.call_log("iam:GetAccountSummary")
    assert second["start"] < first["end"] and first["error"] is second["error"] is None
    assert audited.calls()["iam:GetAccountSummary"]["errors"] == {}


def test_a_call_of_one_account_never_gets_a_response(audited: Emulator, caller: dict) -> None:
    billing = iam(audited, caller, BILLING)
    impatient = botocore.config.Config(read_timeout=0.2, retries={"total_max_attempts": 1})
    payments = boto3.client(
        "iam",
        endpoint_url=audited.url,
        config=impatient,
        region_name=REGION,
        **_keys(audit.session(audited, caller, PAYMENTS)),
    )
    audited.fail({"action": "iam:GetAccountSummary", "account": PAYMENTS, "how": "silence", "times": 9})
    with pytest.raises(botocore.exceptions.ReadTimeoutError):
        payments.get_account_summary()
    assert billing.get_account_summary()["SummaryMap"]["Users"] == 4
    assert [call["error"] for call in audited.call_log("iam:GetAccountSummary")] == ["silence", None]


def _keys(session: dict) -> dict[str, str]:
    return {
        "aws_access_key_id": session["AccessKeyId"],
        "aws_secret_access_key": session["SecretAccessKey"],
        "aws_session_token": session["SessionToken"],
    }


@pytest.mark.parametrize("how", ["cut", "garbage"])
def test_a_connection_fails_in_one_account(audited: Emulator, caller: dict, how: str) -> None:
    payments, billing = (iam(audited, caller, one) for one in (PAYMENTS, BILLING))
    audited.fail({"action": "iam:GetAccountSummary", "account": PAYMENTS, "how": how, "times": 9})
    # botocore parses a page of HTML as a response without a result: KeyError.
    with pytest.raises((botocore.exceptions.HTTPClientError, KeyError)):
        payments.get_account_summary()
    assert billing.get_account_summary()["SummaryMap"]["Users"] == 4


def test_the_account_of_an_assume_role_is_that_of_the_role(audited: Emulator, caller: dict) -> None:
    audited.fail({"action": "sts:AssumeRole", "account": PAYMENTS, "how": "denied"})
    resource = f"arn:aws:iam::{PAYMENTS}:role/{audit.ROLE}"
    assert refusal(lambda: audit.session(audited, caller, PAYMENTS)) == (
        "AccessDenied",
        403,
        f"User: arn:aws:sts::{AUDIT}:assumed-role/Auditor/audit is not authorized to perform: sts:AssumeRole on resource: "
        f"{resource}",
    )
    assert audit.session(audited, caller, PAYMENTS)


def test_quotas_are_per_account_and_refuse_only_when_throttling_is_on(audited: Emulator, caller: dict) -> None:
    # The client is made before: making it takes longer than the bucket needs to fill.
    one = audited.client("organizations", role=caller)
    other = audited.client("organizations", role=audit.auditor(audited, account=MANAGEMENT))
    for _ in range(40):
        one.list_accounts()
    assert audited.calls()[LISTING]["beyond_quota"] > 0
    audited.throttle()
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        for _ in range(40):
            one.list_accounts()
    assert caught.value.response["Error"]["Code"] == "TooManyRequestsException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert other.list_accounts()["Accounts"]


# Organizations


def test_accounts_are_listed_in_pages_with_state_path_and_arn(emulator: Emulator) -> None:
    made = emulator.make_organization("organization:50")
    client = emulator.client("organizations", role=audit.root(MANAGEMENT))
    found = pages(client, "list_accounts")
    assert [len(page["Accounts"]) for page in found] == [20, 20, 10]
    assert [len(page["Accounts"]) for page in pages(client, "list_accounts", MaxResults=7)] == [7] * 7 + [1]
    accounts = {one["Id"]: one for page in found for one in page["Accounts"]}
    assert len(accounts) == 50
    shown = accounts["200000000001"]
    assert shown["Paths"] == [
        f"{made['id']}/{made['root']}/{made['units']['Workloads']}/{made['units']['Workloads/Prod']}/200000000001/"
    ]
    assert shown["Arn"] == f"arn:aws:organizations::{MANAGEMENT}:account/{made['id']}/200000000001"
    assert (shown["State"], shown["Status"]) == ("ACTIVE", "ACTIVE")
    assert refusal(client.list_accounts, NextToken="x")[:2] == ("InvalidInputException", 400)


def test_states_and_the_older_status(audited: Emulator, caller: dict) -> None:
    client = audited.client("organizations", role=caller)
    for state in ("PENDING_CLOSURE", "CLOSED", "PENDING_ACTIVATION"):
        audited.change_member(LEGACY, state=state)
        shown = {one["Id"]: one for one in client.list_accounts()["Accounts"]}
        assert shown[LEGACY]["State"] == state
        assert shown[OLD]["State"] == shown[OLD]["Status"] == "SUSPENDED"
    audited.answer_accounts(omitted=["State", "Paths"])
    assert all("Status" in one and not {"State", "Paths"} & one.keys() for one in client.list_accounts()["Accounts"])
    with pytest.raises(EmulatorFailed, match="no state"):
        audited.change_member(LEGACY, state="GONE")


def test_empty_pages_have_a_token(audited: Emulator, caller: dict) -> None:
    audited.answer_accounts(empty_pages=2)
    found = pages(audited.client("organizations", role=caller), "list_accounts", MaxResults=10)
    assert [len(page["Accounts"]) for page in found] == [0, 0, 10, 0, 0, 2]


def test_units_are_listed_by_their_parent(audited: Emulator, caller: dict) -> None:
    made, client = audited.organization(), audited.client("organizations", role=caller)
    assert [one["Id"] for one in client.list_roots()["Roots"]] == [made["root"]]

    def names(parent: str) -> list[str]:
        units = client.list_organizational_units_for_parent(ParentId=parent)["OrganizationalUnits"]
        return [one["Name"] for one in units]

    assert names(made["root"]) == ["Security", "Workloads", "Sandbox"]
    assert names(made["units"]["Workloads"]) == ["Prod"]
    assert names(made["units"]["Sandbox"]) == []
    shown = client.describe_organizational_unit(OrganizationalUnitId=made["units"]["Workloads/Prod"])
    assert shown["OrganizationalUnit"]["Name"] == "Prod"
    assert refusal(client.list_organizational_units_for_parent, ParentId="r-zzzz")[0] == "ParentNotFoundException"
    assert refusal(client.describe_organizational_unit, OrganizationalUnitId="ou-ab12-zzzzzzzz")[0] == (
        "OrganizationalUnitNotFoundException"
    )


def test_only_the_management_account_and_delegates_list_accounts(audited: Emulator) -> None:
    for account in (MANAGEMENT, AUDIT):
        client = audited.client("organizations", role=audit.auditor(audited, account=account))
        assert len(client.list_accounts()["Accounts"]) == 12
    member = audited.client("organizations", role=audit.auditor(audited, account=BILLING))
    assert refusal(member.list_accounts) == (
        "AccessDeniedException",
        400,
        "You don't have permissions to access this resource.",
    )
    assert (
        audited.client("organizations", role=audit.root(BILLING)).describe_organization()["Organization"][
            "MasterAccountId"
        ]
        == MANAGEMENT
    )
    stranger = audited.client("organizations", role=audit.root("101010101010"))
    assert refusal(stranger.list_accounts)[0] == "AWSOrganizationsNotInUseException"


def test_what_is_not_modelled_is_refused(audited: Emulator) -> None:
    client = audited.client("organizations", role=audit.root(MANAGEMENT))
    assert refusal(client.list_policies, Filter="SERVICE_CONTROL_POLICY") == (
        "NotModelled",
        400,
        "the emulated organization has no ListPolicies",
    )
    formation = audited.client("cloudformation", role=audit.root(MANAGEMENT))
    assert refusal(formation.list_stack_sets)[0] == "InvalidAction"
    filters = [{"Name": "DETAILED_STATUS", "Values": "FAILED"}]
    assert refusal(formation.list_stack_instances, StackSetName=audit.STACK, Filters=filters)[0] == "NotModelled"
    with pytest.raises(EmulatorFailed, match="no unit 'Elsewhere'"):
        audited.change_member(LEGACY, unit="Elsewhere")
    with pytest.raises(EmulatorFailed, match="no account 'unknown'"):
        audited.change_member(LEGACY, model="unknown")


# AssumeRole across accounts


def test_the_trust_of_the_member_role_is_judged_by_the_callers_role(audited: Emulator, caller: dict) -> None:
    assert audit.session(audited, caller, PAYMENTS)
    other = audit.auditor(audited, role="security/Intern")
    assert refusal(lambda: audit.session(audited, other, PAYMENTS))[:2] == ("AccessDenied", 403)
    # The same name under another path is another role.
    audited.client("iam", role=audit.root(AUDIT)).delete_role_policy(RoleName="Auditor", PolicyName="audit")
    audited.client("iam", role=audit.root(AUDIT)).delete_role(RoleName="Auditor")
    moved = audit.auditor(audited, role="elsewhere/Auditor")
    assert refusal(lambda: audit.session(audited, moved, PAYMENTS))[:2] == ("AccessDenied", 403)


def test_no_auditor_by_hand_is_trusted_if_none_is_given(emulator: Emulator) -> None:
    emulator.make_organization()
    audit.deploy_member_role(emulator, AuditorArns="")
    for account in (MANAGEMENT, PAYMENTS):
        role = emulator.client("iam", role=audit.root(account)).get_role(RoleName="credwarden-member")["Role"]
        assert [one["Sid"] for one in role["AssumeRolePolicyDocument"]["Statement"]] == ["DailyRun"]
    hand, daily = audit.auditor(emulator), audit.auditor(emulator, role="credwarden/credwarden-audit")
    assert refusal(lambda: audit.session(emulator, hand, PAYMENTS))[:2] == ("AccessDenied", 403)
    assert audit.session(emulator, daily, PAYMENTS)


def test_the_callers_organization_is_judged(emulator: Emulator) -> None:
    emulator.make_organization()
    audit.deploy_member_role(emulator, OrganizationId="o-anotherone1")
    caller = audit.auditor(emulator)
    assert refusal(lambda: audit.session(emulator, caller, PAYMENTS))[:2] == ("AccessDenied", 403)


@pytest.mark.parametrize(
    "action", [action for action in audit.ACTIONS if action != "cloudformation:ListStackInstances"]
)
def test_each_action_of_the_caller_is_needed(audited: Emulator, action: str) -> None:
    caller = audit.auditor(audited, without=action)
    made, client = audited.organization(), audited.client("organizations", role=caller)
    attempts = {
        "organizations:ListAccounts": client.list_accounts,
        "organizations:ListRoots": client.list_roots,
        "organizations:ListOrganizationalUnitsForParent": lambda: client.list_organizational_units_for_parent(
            ParentId=made["root"]
        ),
        "organizations:DescribeOrganizationalUnit": lambda: client.describe_organizational_unit(
            OrganizationalUnitId=made["units"]["Sandbox"]
        ),
        "sts:AssumeRole": lambda: audit.session(audited, caller, PAYMENTS),
    }
    assert refusal(attempts.pop(action))[0] in ("AccessDenied", "AccessDeniedException")
    for attempt in attempts.values():
        attempt()


@pytest.mark.parametrize("state", ["SUSPENDED", "CLOSED", "PENDING_ACTIVATION"])
def test_an_account_that_cannot_be_used_refuses_everything(audited: Emulator, caller: dict, state: str) -> None:
    before = iam(audited, caller, PAYMENTS)
    audited.change_member(PAYMENTS, state=state)
    assert refusal(before.get_account_summary)[:2] == ("AccessDenied", 403)
    assert refusal(lambda: audit.session(audited, caller, PAYMENTS))[:2] == ("AccessDenied", 403)
    audited.change_member(PAYMENTS, state="PENDING_CLOSURE")
    assert users(iam(audited, caller, PAYMENTS))


def test_a_missing_role_is_refused_like_one_that_does_not_trust(audited: Emulator, caller: dict) -> None:
    code, status, message = refusal(lambda: audit.session(audited, caller, LEGACY))
    assert (code, status) == ("AccessDenied", 403)
    assert message == (
        f"User: arn:aws:sts::{AUDIT}:assumed-role/Auditor/audit is not authorized to perform: sts:AssumeRole on resource: "
        f"arn:aws:iam::{LEGACY}:role/credwarden/credwarden-member"
    )


def test_sts_is_off_in_a_region_of_one_account(audited: Emulator, caller: dict) -> None:
    audited.change_member(PAYMENTS, sts_off=["eu-west-1"])
    code, status, message = refusal(lambda: audit.session(audited, caller, PAYMENTS, region="eu-west-1"))
    assert (code, status) == ("RegionDisabledException", 403)
    assert message.startswith(f"STS is not activated in this region for account:{PAYMENTS}.")
    assert audit.session(audited, caller, PAYMENTS) and audit.session(audited, caller, BILLING, region="eu-west-1")


def test_a_service_control_policy_denies_in_words_of_its_own(audited: Emulator, caller: dict) -> None:
    locked = iam(audited, caller, LOCKED)
    assert refusal(locked.get_account_summary) == (
        "AccessDenied",
        403,
        f"User: arn:aws:sts::{LOCKED}:assumed-role/credwarden-member/credwarden is not authorized to perform: "
        "iam:GetAccountSummary on resource: * with an explicit deny in a service control policy",
    )
    audited.change_member(LOCKED, denied=["iam:GetCredentialReport"])
    assert locked.get_account_summary()["SummaryMap"]["Users"] == 3
    assert refusal(locked.get_credential_report)[2].endswith("with an explicit deny in a service control policy")
    audited.change_member(MANAGEMENT, denied=["*"])
    assert users(iam(audited, caller, MANAGEMENT))


def test_sessions_are_as_long_as_the_role_and_chaining_allow(audited: Emulator, caller: dict) -> None:
    sts, arn = audited.client("sts", role=caller, checked=False), f"arn:aws:iam::{PAYMENTS}:role/{audit.ROLE}"
    for seconds in (899, 3601):
        refused = refusal(sts.assume_role, RoleArn=arn, RoleSessionName="test", DurationSeconds=seconds)
        assert refused[:2] == ("ValidationError", 400)


# StackSets


def instances(emulator: Emulator, account: str = MANAGEMENT, **arguments: Any) -> dict[str, tuple[str, str]]:
    client = emulator.client("cloudformation", role=audit.root(account))
    found = [
        one
        for page in pages(client, "list_stack_instances", StackSetName=audit.STACK, **arguments)
        for one in page["Summaries"]
    ]
    return {one["Account"]: (one["Status"], one["StackInstanceStatus"]["DetailedStatus"]) for one in found}


def test_a_stackset_reaches_every_account_but_the_management_account(audited: Emulator) -> None:
    found = instances(audited)
    assert found.keys() == {one["id"] for one in audited.organization()["accounts"]} - {MANAGEMENT}
    assert found.pop(LEGACY) == ("OUTDATED", "FAILED")
    assert found.pop(OLD) == ("OUTDATED", "SKIPPED_SUSPENDED_ACCOUNT")
    assert set(found.values()) == {("CURRENT", "SUCCEEDED")}
    assert instances(audited, MaxResults=5) == instances(audited)
    assert instances(audited, StackInstanceAccount=BILLING) == {BILLING: ("CURRENT", "SUCCEEDED")}
    assert instances(audited, StackInstanceAccount=MANAGEMENT) == {}


def test_a_stackset_reaches_nested_units_and_accounts_that_join_later(emulator: Emulator) -> None:
    made = emulator.make_organization()
    audit.deploy_member_role(emulator, targets=[made["units"]["Workloads"]])
    caller = audit.auditor(emulator)
    assert audit.session(emulator, caller, BILLING)
    outside, new = "210987654321", "121212121212"
    assert refusal(lambda: audit.session(emulator, caller, outside))[0] == "AccessDenied"
    emulator.change_member(outside, unit="Workloads/Prod")
    emulator.change_member(new, name="new", unit="Workloads/Prod", model="users:1")
    emulator.change_member(BILLING, unit="Sandbox")
    assert audit.session(emulator, caller, outside) and audit.session(emulator, caller, new)
    assert refusal(lambda: audit.session(emulator, caller, BILLING))[0] == "AccessDenied"
    assert new in instances(emulator) and BILLING not in instances(emulator)


def test_an_instance_fails_with_a_reason(audited: Emulator, caller: dict) -> None:
    assert audit.session(audited, caller, BILLING)
    failure = {"status": "INOPERABLE", "detailed": "INOPERABLE", "reason": "Account <x> & others"}
    audited.change_member(BILLING, instance=failure)
    client = audited.client("cloudformation", role=caller)
    found = client.list_stack_instances(
        StackSetName=audit.STACK, StackInstanceAccount=BILLING, CallAs="DELEGATED_ADMIN"
    )
    assert found["Summaries"][0]["StatusReason"] == "Account <x> & others"
    assert instances(audited)[BILLING] == ("INOPERABLE", "INOPERABLE")
    assert refusal(lambda: audit.session(audited, caller, BILLING))[0] == "AccessDenied"
    audited.change_member(BILLING, instance=None)
    assert audit.session(audited, caller, BILLING)


def test_a_role_of_the_same_name_fails_the_instance(emulator: Emulator) -> None:
    emulator.make_organization()
    trust = '{"Version": "2012-10-17", "Statement": []}'
    owner = emulator.client("iam", role=audit.root(BILLING))
    owner.create_role(RoleName="credwarden-member", AssumeRolePolicyDocument=trust)
    audit.deploy_member_role(emulator)
    assert instances(emulator)[BILLING] == ("OUTDATED", "FAILED")


def test_instances_are_listed_by_the_management_account_or_as_a_delegate(audited: Emulator, caller: dict) -> None:
    client = audited.client("cloudformation", role=caller)
    refused = refusal(client.list_stack_instances, StackSetName=audit.STACK)
    assert refused[:2] == ("ValidationError", 400)
    assert refused[2].startswith("You must be the management account or delegated admin account of an organization")
    assert len(client.list_stack_instances(StackSetName=audit.STACK, CallAs="DELEGATED_ADMIN")["Summaries"]) == 11
    for call_as in ("SELF", "DELEGATED_ADMIN"):
        member = audited.client("cloudformation", role=audit.root(BILLING))
        assert refusal(member.list_stack_instances, StackSetName=audit.STACK, CallAs=call_as)[0] == "ValidationError"
    missing = refusal(client.list_stack_instances, StackSetName="other", CallAs="DELEGATED_ADMIN")
    assert missing[0] == "AccessDenied"
    owner = audited.client("cloudformation", role=audit.root(MANAGEMENT))
    assert refusal(owner.list_stack_instances, StackSetName="other")[:2] == ("StackSetNotFoundException", 404)


def test_a_delegate_deploys_everywhere_but_in_the_management_account(emulator: Emulator) -> None:
    emulator.make_organization()
    audit.deploy_member_role(emulator, account=AUDIT)
    caller = audit.auditor(emulator)
    assert audit.session(emulator, caller, BILLING)
    assert refusal(lambda: audit.session(emulator, caller, MANAGEMENT))[0] == "AccessDenied"
    with pytest.raises(EmulatorFailed, match="ROLLBACK"):
        audit.deploy_member_role(emulator, account=BILLING)


def test_the_roles_go_with_the_stack(audited: Emulator, caller: dict) -> None:
    assert audit.session(audited, caller, BILLING)
    formation = audited.client("cloudformation", role=audit.root(MANAGEMENT))
    formation.delete_stack(StackName=audit.STACK)
    for account in (BILLING, MANAGEMENT, PAYMENTS):
        owner = audited.client("iam", role=audit.root(account))
        assert refusal(owner.get_role, RoleName="credwarden-member")[0] == "NoSuchEntity"


def test_an_update_of_the_stackset_reaches_every_account(audited: Emulator, caller: dict) -> None:
    owner = audited.client("iam", role=audit.root(BILLING))
    assert owner.list_role_policies(RoleName="credwarden-member")["PolicyNames"] == ["read"]
    audit.deploy_member_role(audited, update=True, PublishFindings="true")
    assert owner.list_role_policies(RoleName="credwarden-member")["PolicyNames"] == ["read", "security-hub"]
    assert audit.session(audited, caller, BILLING)


def test_a_role_that_was_deleted_by_hand_stays_away(audited: Emulator, caller: dict) -> None:
    owner = audited.client("iam", role=audit.root(BILLING))
    owner.delete_role_policy(RoleName="credwarden-member", PolicyName="read")
    owner.delete_role(RoleName="credwarden-member")
    assert refusal(lambda: audit.session(audited, caller, BILLING))[0] == "AccessDenied"
    assert instances(audited)[BILLING] == ("CURRENT", "SUCCEEDED")


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("PermissionModel: SERVICE_MANAGED", "PermissionModel: SELF_MANAGED", "service-managed"),
        ("Enabled: true", "Enabled: false", "automatic deployment"),
        ("ManagedExecution: { Active: true }", "Tags: [{ Key: a, Value: b }]", "Tags"),
        ("Capabilities: [CAPABILITY_NAMED_IAM]", "Capabilities: []", "CAPABILITY_NAMED_IAM"),
        ("Regions: [!Ref AWS::Region]", "Regions: [eu-west-1, eu-west-2]", "one Region"),
    ],
)
def test_a_stackset_that_is_not_modelled_fails_its_stack(
    emulator: Emulator, before: str, after: str, reason: str
) -> None:
    emulator.make_organization()
    template = audit.TEMPLATE.read_text()
    assert template.count(before) == 1
    with pytest.raises(EmulatorFailed, match="ROLLBACK"):
        audit.deploy_member_role(emulator, template=template.replace(before, after))
    formation = emulator.client("cloudformation", role=audit.root(MANAGEMENT))
    events = formation.describe_stack_events(StackName=audit.STACK)["StackEvents"]
    assert any(reason in one.get("ResourceStatusReason", "") for one in events)


# Size


def test_an_organization_of_10000_accounts_is_cheap(emulator: Emulator) -> None:
    started, before = time.monotonic(), memory(emulator)
    made = emulator.make_organization("organization:10000")
    audit.deploy_member_role(emulator)
    caller = audit.auditor(emulator)
    found = pages(emulator.client("organizations", role=caller), "list_accounts")
    assert sum(len(page["Accounts"]) for page in found) == len(made["accounts"]) == 10_000
    last = iam(emulator, caller, made["accounts"][-1]["id"])
    assert users(last) == ["user-0", "user-1", "user-2"]
    assert memory(emulator) - before < 60_000
    assert time.monotonic() - started < 60


def memory(emulator: Emulator) -> int:
    """Returns the emulator's memory in kB."""
    lines = Path(f"/proc/{emulator.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def test_accounts_that_are_made_again_are_the_same() -> None:
    one, again, other = (sample.staff(number, 3) for number in (200000000005, 200000000005, 200000000006))
    assert one == again and one != other


def test_the_default_account_keeps_its_model_in_the_organization(audited: Emulator, caller: dict) -> None:
    audited.change_account("delete-user", name="bob")
    assert "alice" in users(iam(audited, caller, ACCOUNT)) and "bob" not in audited.report()
