use super::{Check, Context, Rule, evidence};
use crate::finding::{Evidence, Severity, Verdict};
use crate::report::Column;
use crate::requirements;
use crate::snapshot::{Snapshot, Unavailable};

pub(super) static CHECK: Check = Check {
    id: "root-mfa-disabled",
    title: "The root user has no MFA",
    severity: Severity::Critical,
    fails_when: "Root can sign in or call (it has a password or an active access key) and has no MFA. Not \
        applicable where it has neither.",
    rationale: "A root password without a second factor is one phishing mail or one reset e-mail away from the \
        whole account.",
    recommendation: "Add an MFA device to the root user, better two, of which one is a passkey or a security key. \
        In a member account, consider removing the root credentials instead.",
    remediation: |_| STEPS.to_owned(),
    documentation: "https://docs.aws.amazon.com/IAM/latest/UserGuide/enable-mfa-for-root.html",
    requirements: requirements::ROOT_MFA,
    mappings: requirements::ROOT_MFA_ELSEWHERE,
    rule: Rule::Root(rule),
};

fn rule(snapshot: &Snapshot, _: &Context<'_>) -> Verdict {
    let facts = Facts::new(snapshot);
    let can_sign_in_or_call = match (&facts.password, &facts.active_key) {
        (Ok(true), _) | (_, Ok(true)) => Ok(true),
        (Ok(false), Ok(false)) => Ok(false),
        (Err(reason), _) | (_, Err(reason)) => Err(reason),
    };
    match (can_sign_in_or_call, &facts.mfa) {
        (Ok(false), _) => Verdict::not_applicable("The root user has no password and no active access key."),
        (_, Ok(true)) => Verdict::passed("The root user has MFA."),
        (Err(reason), Ok(false)) | (_, Err(reason)) => Verdict::unknown(reason.clone()),
        (Ok(true), Ok(false)) => {
            let password =
                if facts.password_assumed { "a password (assumed: the report does not say)" } else { "a password" };
            let has = match (facts.password == Ok(true), facts.active_key == Ok(true)) {
                (true, true) => format!("{password} and an active access key"),
                (true, false) => password.to_owned(),
                (false, _) => "an active access key".to_owned(),
            };
            Verdict::failed(format!("The root user has {has} and no MFA device."), facts.evidence)
        }
    }
}

/// What is known of root, each fact from the account summary where that was read and has it, otherwise from the report.
struct Facts {
    mfa: Result<bool, Unavailable>,
    password: Result<bool, Unavailable>,
    password_assumed: bool,
    active_key: Result<bool, Unavailable>,
    evidence: Evidence,
}

impl Facts {
    fn new(snapshot: &Snapshot) -> Self {
        let summary = snapshot.summary.as_ref().copied().unwrap_or_default();
        let root = snapshot.root();
        let no_report = |reason: &Unavailable| {
            let summary = snapshot.summary.as_ref().err().cloned();
            Unavailable::graver(summary, Some(reason.clone())).unwrap_or_else(|| reason.clone())
        };
        let mut rests_on = Evidence::new();

        let mfa = match (summary.account_mfa_enabled, &root) {
            (Some(enabled), _) => {
                rests_on.push(("AccountMFAEnabled", enabled.to_string()));
                Ok(0 < enabled)
            }
            (None, Ok(root)) => {
                rests_on.extend(evidence(root, &[Column::MfaActive]));
                root.mfa_active.clone().map_err(Unavailable::from)
            }
            (None, Err(reason)) => Err(no_report(reason)),
        };
        let mut password_assumed = false;
        let password = match (summary.account_password_present, &root) {
            (Some(present), _) => {
                rests_on.push(("AccountPasswordPresent", present.to_string()));
                Ok(0 < present)
            }
            (None, Ok(root)) => {
                rests_on.extend(evidence(root, &[Column::PasswordEnabled]));
                if root.password_unknown() {
                    // The dialect from before centralised root access. GovCloud's root has no console.
                    password_assumed = true;
                    Ok(snapshot.partition.as_deref() != Some("aws-us-gov"))
                } else {
                    root.password_enabled.clone().map_err(Unavailable::from)
                }
            }
            (None, Err(reason)) => Err(no_report(reason)),
        };
        let active_key = match (&root, summary.account_access_keys_present) {
            (Ok(root), _) => {
                rests_on.extend(evidence(root, &[Column::AccessKey1Active, Column::AccessKey2Active]));
                let [one, two] = &root.access_keys;
                match (&one.active, &two.active) {
                    (Ok(true), _) | (_, Ok(true)) => Ok(true),
                    (Ok(false), Ok(false)) => Ok(false),
                    (Err(unreadable), _) | (_, Err(unreadable)) => Err(unreadable.into()),
                }
            }
            (Err(_), Some(present)) => {
                rests_on.push(("AccountAccessKeysPresent", present.to_string()));
                Ok(0 < present)
            }
            (Err(reason), None) => Err(reason.clone()),
        };
        Self { mfa, password, password_assumed, active_key, evidence: rests_on }
    }
}

const STEPS: &str = "1. Sign in as the root user, open Security credentials, Multi-factor authentication, Assign MFA device.\n\
     2. Choose a passkey or security key; add a second one and keep it elsewhere.\n\
     In a member account of an organization with centralized root access, remove the root password and keys instead: IAM console of the management account, Root access management.";

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::snapshot::AccountSummary;
    use crate::testing::{account, observe_in, unavailable};

    const PASSWORD: &str = "
user           | password_enabled | mfa_active
<root_account> | true             | false
";
    const NO_CREDENTIALS: &str = "
user           | password_enabled | mfa_active
<root_account> | false            | false
";
    const OLD_DIALECT: &str = "
user           | password_enabled | mfa_active
<root_account> | not_supported    | false
";

    fn with_summary(table: &str, mfa: Option<i32>, password: Option<i32>) -> String {
        let mut snapshot = account(table);
        snapshot.summary = Ok(AccountSummary {
            account_mfa_enabled: mfa,
            account_password_present: password,
            ..AccountSummary::default()
        });
        observe_in(&CHECK, &snapshot)
    }

    #[test]
    fn the_summary_decides_and_the_report_fills_in() {
        insta::assert_snapshot!(with_summary(PASSWORD, Some(0), Some(1)), @"FAILED root: The root user has a password and no MFA device.");
        insta::assert_snapshot!(with_summary(PASSWORD, Some(1), Some(1)), @"PASSED root: The root user has MFA.");
        insta::assert_snapshot!(with_summary(PASSWORD, None, None), @"FAILED root: The root user has a password and no MFA device.");
        insta::assert_snapshot!(with_summary(PASSWORD, Some(0), Some(0)), @"NOT_APPLICABLE root: The root user has no password and no active access key.");
    }

    #[test]
    fn a_root_user_without_credentials_needs_no_mfa() {
        insta::assert_snapshot!(with_summary(NO_CREDENTIALS, None, None), @"NOT_APPLICABLE root: The root user has no password and no active access key.");
    }

    #[test]
    fn an_active_key_without_mfa_fails_too() {
        insta::assert_snapshot!(with_summary("
user           | access_key_1_active | mfa_active
<root_account> | true                | false
", Some(0), Some(0)), @"FAILED root: The root user has an active access key and no MFA device.");
    }

    #[test]
    fn the_old_dialects_password_is_assumed_but_in_govcloud() {
        insta::assert_snapshot!(with_summary(OLD_DIALECT, Some(0), Some(0)), @"NOT_APPLICABLE root: The root user has no password and no active access key.");
        insta::assert_snapshot!(with_summary(OLD_DIALECT, Some(0), None), @"FAILED root: The root user has a password (assumed: the report does not say) and no MFA device.");
        let mut gov = account(OLD_DIALECT);
        gov.partition = Some("aws-us-gov".to_owned());
        gov.summary = Ok(AccountSummary { account_mfa_enabled: Some(0), ..AccountSummary::default() });
        insta::assert_snapshot!(observe_in(&CHECK, &gov), @"NOT_APPLICABLE root: The root user has no password and no active access key.");
    }

    #[test]
    fn without_the_report_a_key_in_the_summary_counts_as_active() {
        let mut snapshot = account(PASSWORD);
        snapshot.report = unavailable("GetCredentialReport failed: AccessDenied.");
        snapshot.summary = Ok(AccountSummary {
            account_access_keys_present: Some(1),
            account_mfa_enabled: Some(0),
            account_password_present: Some(0),
            account_signing_certificates_present: None,
        });
        insta::assert_snapshot!(observe_in(&CHECK, &snapshot), @"FAILED root: The root user has an active access key and no MFA device.");
        let mut unreadable = account("user | access_key_1_active | mfa_active\n<root_account> | ? | false");
        unreadable.summary = snapshot.summary.clone();
        insta::assert_snapshot!(observe_in(&CHECK, &unreadable), @"UNKNOWN root: access_key_1_active is `?` in the credential report, not true or false.");
        snapshot.summary = unavailable("GetAccountSummary failed: AccessDenied.");
        insta::assert_snapshot!(observe_in(&CHECK, &snapshot), @"UNKNOWN root: GetAccountSummary failed: AccessDenied.");
    }
}
