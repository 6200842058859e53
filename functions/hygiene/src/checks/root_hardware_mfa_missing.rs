use super::{Check, Context, Rule};
use crate::finding::{Severity, Verdict};
use crate::requirements;
use crate::snapshot::Snapshot;
use crate::text::counted;

pub(super) static CHECK: Check = Check {
    id: "root-hardware-mfa-missing",
    title: "The root user's MFA is a virtual device",
    severity: Severity::Medium,
    fails_when: "MFA is on and a virtual device is assigned to the ARN that ends in `:root`. Not applicable where \
        MFA is off and outside the partition `aws`.",
    rationale: "A virtual device is a secret that can be copied, and its codes can be phished. A security key or \
        passkey can be neither.",
    recommendation: "Add a security key, passkey or hardware token to the root user, then remove the virtual \
        devices: one virtual device is enough to sign in with.",
    remediation: |_| STEPS.to_owned(),
    documentation: "https://docs.aws.amazon.com/IAM/latest/UserGuide/enable-hw-mfa-for-root.html",
    requirements: requirements::ROOT_HARDWARE_MFA,
    mappings: requirements::ROOT_HARDWARE_MFA_ELSEWHERE,
    rule: Rule::Root(rule),
};

fn rule(snapshot: &Snapshot, _: &Context<'_>) -> Verdict {
    // GovCloud's and China's root users cannot have what the check asks for.
    if snapshot.partition.as_deref().is_some_and(|partition| partition != "aws") {
        return Verdict::not_applicable("The check applies to the partition aws only.");
    }
    let enabled = match &snapshot.summary {
        Ok(summary) => summary.account_mfa_enabled,
        Err(reason) => return Verdict::unknown(reason.clone()),
    };
    match (enabled, &snapshot.virtual_mfa_users) {
        (None, _) => Verdict::unknown("The account summary has no AccountMFAEnabled."),
        (Some(enabled), _) if enabled <= 0 => Verdict::not_applicable("The root user has no MFA."),
        (Some(_), Err(reason)) => Verdict::unknown(reason.clone()),
        (Some(enabled), Ok(users)) => match users.iter().filter(|arn| arn.ends_with(":root")).count() {
            0 => Verdict::passed("No virtual MFA device is assigned to the root user."),
            devices => Verdict::failed(
                format!("The root user can sign in with {}.", counted(devices as u64, "virtual MFA device")),
                vec![("AccountMFAEnabled", enabled.to_string()), ("VirtualMFADevices", devices.to_string())],
            ),
        },
    }
}

const STEPS: &str = "1. Sign in as the root user, open Security credentials, Multi-factor authentication.\n\
     2. Assign MFA device: a passkey or security key, or a hardware TOTP token. Try it by signing in once.\n\
     3. Remove every virtual (authenticator app) device from the list.";

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::snapshot::{AccountSummary, Source};
    use crate::testing::{account, observe_in, unavailable};

    fn with_devices(mfa: i32, devices: Source<Vec<String>>, partition: &str) -> String {
        let mut snapshot = account("user\n<root_account>");
        snapshot.summary = Ok(AccountSummary { account_mfa_enabled: Some(mfa), ..AccountSummary::default() });
        snapshot.virtual_mfa_users = devices;
        snapshot.partition = Some(partition.to_owned());
        observe_in(&CHECK, &snapshot)
    }

    #[test]
    fn only_a_device_of_the_root_user_itself_counts() {
        let arn = |end: &str| Ok(vec![format!("arn:aws:iam::123456789012:{end}")]);
        insta::assert_snapshot!(with_devices(1, arn("root"), "aws"), @"FAILED root: The root user can sign in with 1 virtual MFA device.");
        insta::assert_snapshot!(with_devices(1, arn("user/root"), "aws"), @"PASSED root: No virtual MFA device is assigned to the root user.");
        insta::assert_snapshot!(with_devices(0, arn("root"), "aws"), @"NOT_APPLICABLE root: The root user has no MFA.");
        insta::assert_snapshot!(with_devices(1, arn("root"), "aws-us-gov"), @"NOT_APPLICABLE root: The check applies to the partition aws only.");
    }

    #[test]
    fn both_sources_are_needed() {
        insta::assert_snapshot!(with_devices(1, unavailable("ListVirtualMFADevices failed: AccessDenied."), "aws"), @"UNKNOWN root: ListVirtualMFADevices failed: AccessDenied.");
        let mut snapshot = account("user\n<root_account>");
        snapshot.summary = unavailable("GetAccountSummary failed: AccessDenied.");
        insta::assert_snapshot!(observe_in(&CHECK, &snapshot), @"UNKNOWN root: GetAccountSummary failed: AccessDenied.");
    }
}
