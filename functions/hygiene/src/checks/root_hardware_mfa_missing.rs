use crate::account::Account;
use crate::check::{Check, Context, Kind, Rule};
use crate::remediation::Remediation;
use crate::requirements;
use crate::source::SourceId;
use crate::text::counted;
use crate::verdict::{Fact, Severity, Verdict};

pub(super) static CHECK: Check = Check {
    id: "root-hardware-mfa-missing",
    title: "The root user's MFA is a virtual device",
    severity: Severity::Medium,
    kind: Kind::State,
    sources: &[SourceId::AccountSummary, SourceId::VirtualMfaDevices],
    listed_by: None,
    columns: &[],
    fails_when: "MFA is on and a virtual device is assigned to the ARN that ends in `:root`. Not applicable where \
        MFA is off and outside the partition `aws`.",
    rationale: "A virtual device is a secret that can be copied, and its codes can be phished. A security key or \
        passkey can be neither.",
    recommendation: "Add a security key, passkey or hardware token to the root user, then remove the virtual \
        devices: one virtual device is enough to sign in with.",
    remediation: |_| REMEDIATION,
    documentation: "https://docs.aws.amazon.com/IAM/latest/UserGuide/enable-hw-mfa-for-root.html",
    requirements: requirements::ROOT_HARDWARE_MFA,
    mappings: requirements::ROOT_HARDWARE_MFA_ELSEWHERE,
    rule: Rule::Root(rule),
};

fn rule(account: &Account, _: &Context<'_>) -> Verdict {
    // Root users in GovCloud and China cannot meet the recommendation.
    if account.partition.as_deref().is_some_and(|partition| partition != "aws") {
        return Verdict::not_applicable("The check applies to the partition aws only.");
    }
    let enabled = match account.summary_entry("AccountMFAEnabled", |summary| summary.account_mfa_enabled) {
        Ok(enabled) if enabled <= 0 => return Verdict::not_applicable(without_mfa(account)),
        Ok(enabled) => enabled,
        Err(reason) => return Verdict::unknown(reason),
    };
    let users = match &account.virtual_mfa_users {
        Ok(users) => users,
        Err(reason) => return Verdict::unknown(reason.clone()),
    };
    let devices = users.iter().flatten().filter(|arn| arn.ends_with(":root")).count();
    let without_user = users.iter().filter(|user| user.is_none()).count();
    match (devices, without_user) {
        (0, 0) => return Verdict::passed("No virtual MFA device is assigned to the root user."),
        (0, count) => {
            let which = if count == 1 { "it" } else { "one" };
            let count = counted(count as u64, "assigned device");
            let reason = format!("ListVirtualMFADevices shows {count} without a user: {which} may be the root user's.");
            return Verdict::unknown(reason.as_str());
        }
        _ => {}
    }
    let listed =
        Fact { source: SourceId::VirtualMfaDevices, name: "VirtualMFADevices".into(), value: devices.to_string() };
    Verdict::failed(
        format!("The root user can sign in with {}.", counted(devices as u64, "virtual MFA device")),
        vec![Fact::of_summary("AccountMFAEnabled", enabled), listed],
    )
}

/// The reason for a root user without a device: if root can still sign in, the problem is not fixed.
fn without_mfa(account: &Account) -> &'static str {
    match account.summary.as_ref().map(|summary| summary.account_password_present) {
        Ok(Some(password)) if password <= 0 => {
            "The account summary shows no MFA device of the root user, and no password."
        }
        Ok(Some(_)) => {
            "The account summary shows no MFA device of the root user, who has a password: root-mfa-disabled is about that."
        }
        Ok(None) | Err(_) => "The account summary shows no MFA device of the root user.",
    }
}

const REMEDIATION: Remediation = Remediation::Console {
    steps: &[
        "Sign in as the root user, open Security credentials, Multi-factor authentication.",
        "Assign MFA device: a passkey or security key, or a hardware TOTP token. Try it by signing in once.",
        "Remove every virtual (authenticator app) device from the list.",
    ],
    note: None,
};

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::account::AccountSummary;
    use crate::source::Source;
    use crate::testing::{account, observe_in, unavailable};

    fn with_devices(mfa: i32, devices: Source<Vec<Option<String>>>, partition: &str) -> String {
        let mut account = account("user\n<root_account>");
        account.summary = Ok(AccountSummary { account_mfa_enabled: Some(mfa), ..AccountSummary::default() });
        account.virtual_mfa_users = devices;
        account.partition = Some(partition.to_owned());
        observe_in(&CHECK, &account)
    }

    #[test]
    fn only_a_device_of_the_root_user_itself_counts() {
        let arn = |end: &str| Ok(vec![Some(format!("arn:aws:iam::123456789012:{end}"))]);
        insta::assert_snapshot!(with_devices(1, arn("root"), "aws"), @"FAILED root: The root user can sign in with 1 virtual MFA device.");
        insta::assert_snapshot!(with_devices(1, arn("user/root"), "aws"), @"PASSED root: No virtual MFA device is assigned to the root user.");
        insta::assert_snapshot!(with_devices(0, arn("root"), "aws"), @"NOT_APPLICABLE root: The account summary shows no MFA device of the root user.");
        insta::assert_snapshot!(with_devices(1, arn("root"), "aws-us-gov"), @"NOT_APPLICABLE root: The check applies to the partition aws only.");
    }

    #[test]
    fn without_mfa_the_message_says_whether_root_has_a_password() {
        let with = |password| {
            let mut account = account("user\n<root_account>");
            let summary = account.summary.as_mut().unwrap();
            (summary.account_mfa_enabled, summary.account_password_present) = (Some(0), password);
            observe_in(&CHECK, &account)
        };
        insta::assert_snapshot!(with(Some(0)), @"NOT_APPLICABLE root: The account summary shows no MFA device of the root user, and no password.");
        insta::assert_snapshot!(with(Some(1)), @"NOT_APPLICABLE root: The account summary shows no MFA device of the root user, who has a password: root-mfa-disabled is about that.");
        insta::assert_snapshot!(with(None), @"NOT_APPLICABLE root: The account summary shows no MFA device of the root user.");
    }

    #[test]
    fn a_device_without_a_user_may_be_the_root_users() {
        let of = |end: &str| Some(format!("arn:aws:iam::123456789012:{end}"));
        insta::assert_snapshot!(with_devices(1, Ok(vec![of("user/alice"), None]), "aws"), @"UNKNOWN root: ListVirtualMFADevices shows 1 assigned device without a user: it may be the root user's.");
        insta::assert_snapshot!(with_devices(1, Ok(vec![None, None]), "aws"), @"UNKNOWN root: ListVirtualMFADevices shows 2 assigned devices without a user: one may be the root user's.");
        insta::assert_snapshot!(with_devices(1, Ok(vec![None, of("root")]), "aws"), @"FAILED root: The root user can sign in with 1 virtual MFA device.");
        insta::assert_snapshot!(with_devices(0, Ok(vec![None]), "aws"), @"NOT_APPLICABLE root: The account summary shows no MFA device of the root user.");
    }

    #[test]
    fn both_sources_are_needed() {
        insta::assert_snapshot!(with_devices(1, unavailable("ListVirtualMFADevices failed: AccessDenied."), "aws"), @"UNKNOWN root: ListVirtualMFADevices failed: AccessDenied.");
        let mut account = account("user\n<root_account>");
        account.summary = unavailable("GetAccountSummary failed: AccessDenied.");
        insta::assert_snapshot!(observe_in(&CHECK, &account), @"UNKNOWN root: GetAccountSummary failed: AccessDenied.");
    }
}
