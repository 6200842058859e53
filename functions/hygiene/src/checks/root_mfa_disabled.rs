use crate::account::{Account, AccountSummary};
use crate::check::{Check, Context, Kind, Rule, evidence};
use crate::remediation::Remediation;
use crate::report::{AccessKey, Column};
use crate::requirements;
use crate::source::{Source, SourceId, Unavailable};
use crate::verdict::{Evidence, Fact, Failure, ReportedEvidence, Severity, Verdict};

pub(super) static CHECK: Check = Check {
    id: "root-mfa-disabled",
    title: "The root user has no MFA",
    severity: Severity::Critical,
    kind: Kind::State,
    sources: &[SourceId::AccountSummary, SourceId::CredentialReport],
    listed_by: None,
    columns: &[Column::PasswordEnabled, Column::MfaActive, Column::AccessKey1Active, Column::AccessKey2Active],
    fails_when: "Root can sign in or call (it has a password or an active access key) and has no MFA. Not \
        applicable where it has neither.",
    rationale: "A root password without a second factor is one phishing mail or one reset e-mail away from the \
        whole account.",
    recommendation: "Add an MFA device to the root user, better two, of which one is a passkey or a security key. \
        In a member account, consider removing the root credentials instead.",
    remediation: |_| REMEDIATION,
    documentation: "https://docs.aws.amazon.com/IAM/latest/UserGuide/enable-mfa-for-root.html",
    requirements: requirements::ROOT_MFA,
    mappings: requirements::ROOT_MFA_ELSEWHERE,
    rule: Rule::Root(rule),
};

fn rule(account: &Account, _: &Context<'_>) -> Verdict {
    let (mfa, password, active_key) = (mfa(account), password(account), active_key(account));
    let can_sign_in_or_call = match (&password.value, &active_key.value) {
        (Ok(Password::Set | Password::Assumed), _) | (_, Ok(true)) => Ok(true),
        (Ok(Password::None), Ok(false)) => Ok(false),
        (Err(reason), _) | (_, Err(reason)) => Err(reason),
    };
    match (can_sign_in_or_call, &mfa.value) {
        (Ok(false), _) => Verdict::not_applicable("The root user has no password and no active access key."),
        (_, Ok(true)) => Verdict::passed("The root user has MFA."),
        (Err(reason), Ok(false)) | (_, Err(reason)) => Verdict::unknown(reason.clone()),
        (Ok(true), Ok(false)) => Verdict::Failed(Failure {
            severity: None,
            message: message(password.value.as_ref().ok(), active_key.value == Ok(true)),
            details: Vec::new(),
            is_live: mfa.evidence.iter().any(|fact| fact.source == SourceId::AccountSummary),
            evidence: [mfa.evidence, password.evidence, active_key.evidence].concat(),
            reportable: ReportedEvidence::default(),
        }),
    }
}

fn message(password: Option<&Password>, active_key: bool) -> String {
    let password = match password {
        Some(Password::Set) => Some("a password"),
        Some(Password::Assumed) => Some("a password (assumed: nothing that was read says whether)"),
        Some(Password::None) | None => None,
    };
    let key = active_key.then_some("an active access key");
    let has = password.into_iter().chain(key).collect::<Vec<_>>().join(" and ");
    format!("The root user has {has} and no MFA device.")
}

/// A value about root: from the account summary if that was read and has it, otherwise from the report.
struct Known<T> {
    value: Source<T>,
    evidence: Evidence,
}

enum Password {
    None,
    Set,
    /// No source shows it.
    Assumed,
}

fn mfa(account: &Account) -> Known<bool> {
    match (summary(account).account_mfa_enabled, account.root()) {
        (Some(enabled), _) => {
            Known { value: Ok(enabled > 0), evidence: vec![Fact::of_summary("AccountMFAEnabled", enabled)] }
        }
        (None, Ok(root)) => Known {
            value: root.mfa_active.clone().map_err(Unavailable::from),
            evidence: evidence(root, &[Column::MfaActive]),
        },
        (None, Err(reason)) => Known { value: Err(in_neither(account, reason)), evidence: Evidence::new() },
    }
}

fn password(account: &Account) -> Known<Password> {
    let set = |is_set| if is_set { Password::Set } else { Password::None };
    match (summary(account).account_password_present, account.root()) {
        (Some(present), _) => {
            Known { value: Ok(set(present > 0)), evidence: vec![Fact::of_summary("AccountPasswordPresent", present)] }
        }
        (None, Ok(root)) => {
            let used = matches!(root.password_last_used, Ok(Some(_)));
            let value = if root.password_unknown() && used {
                // A sign-in shows that there is a password.
                let columns = [Column::PasswordEnabled, Column::PasswordLastUsed];
                return Known { value: Ok(Password::Set), evidence: evidence(root, &columns) };
            } else if !root.password_unknown() {
                root.password_enabled.clone().map(set).map_err(Unavailable::from)
            } else {
                Ok(assumed(account))
            };
            Known { value, evidence: evidence(root, &[Column::PasswordEnabled]) }
        }
        // Summaries before late 2024 do not show it.
        (None, Err(Unavailable::NotAsked(_))) if account.summary.is_ok() => {
            Known { value: Ok(assumed(account)), evidence: Evidence::new() }
        }
        (None, Err(reason)) => Known { value: Err(in_neither(account, reason)), evidence: Evidence::new() },
    }
}

/// The assumption if no source shows whether root has a password: in reports from before centralized root access, and
/// in summaries without a report. GovCloud's root has no console.
fn assumed(account: &Account) -> Password {
    if account.partition.as_deref() == Some("aws-us-gov") { Password::None } else { Password::Assumed }
}

/// Only the report shows whether a key is active. A key that only the summary shows counts as active.
fn active_key(account: &Account) -> Known<bool> {
    match (account.root(), summary(account).account_access_keys_present) {
        (Ok(root), Some(present)) if present > 0 && root.access_keys.iter().all(AccessKey::is_empty) => {
            Known { value: Ok(true), evidence: vec![Fact::of_summary("AccountAccessKeysPresent", present)] }
        }
        (Ok(root), _) => {
            let [one, two] = &root.access_keys;
            let value = match (&one.active, &two.active) {
                (Ok(true), _) | (_, Ok(true)) => Ok(true),
                (Ok(false), Ok(false)) => Ok(false),
                (Err(unreadable), _) | (_, Err(unreadable)) => Err(unreadable.into()),
            };
            Known { value, evidence: evidence(root, &[Column::AccessKey1Active, Column::AccessKey2Active]) }
        }
        (Err(_), Some(present)) => {
            Known { value: Ok(present > 0), evidence: vec![Fact::of_summary("AccountAccessKeysPresent", present)] }
        }
        (Err(reason), None) => Known { value: Err(reason), evidence: Evidence::new() },
    }
}

/// The account summary; empty if it was not read.
fn summary(account: &Account) -> AccountSummary {
    account.summary.as_ref().copied().unwrap_or_default()
}

/// Returns the reason to report if neither source has a value.
fn in_neither(account: &Account, report: Unavailable) -> Unavailable {
    match account.summary.clone().err() {
        Some(summary) => Unavailable::graver(Some(summary), Some(report.clone())).unwrap_or(report),
        None => report,
    }
}

const REMEDIATION: Remediation = Remediation::Console {
    steps: &[
        "Sign in as the root user, open Security credentials, Multi-factor authentication, Assign MFA device.",
        "Choose a passkey or security key; add a second one and keep it elsewhere.",
    ],
    note: Some(
        "In a member account of an organization with centralized root access, remove the root password and keys \
         instead: IAM console of the management account, Root access management.",
    ),
};

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::account::AccountSummary;
    use crate::source::Unavailable;
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
        let mut account = account(table);
        account.summary = Ok(AccountSummary {
            account_mfa_enabled: mfa,
            account_password_present: password,
            ..AccountSummary::default()
        });
        observe_in(&CHECK, &account)
    }

    #[test]
    fn the_summary_has_priority_over_the_report() {
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
    fn a_password_is_assumed_in_the_old_dialect_except_in_govcloud() {
        insta::assert_snapshot!(with_summary(OLD_DIALECT, Some(0), Some(0)), @"NOT_APPLICABLE root: The root user has no password and no active access key.");
        insta::assert_snapshot!(with_summary(OLD_DIALECT, Some(0), None), @"FAILED root: The root user has a password (assumed: nothing that was read says whether) and no MFA device.");
        let mut gov = account(OLD_DIALECT);
        gov.partition = Some("aws-us-gov".to_owned());
        gov.summary = Ok(AccountSummary { account_mfa_enabled: Some(0), ..AccountSummary::default() });
        insta::assert_snapshot!(observe_in(&CHECK, &gov), @"NOT_APPLICABLE root: The root user has no password and no active access key.");
    }

    #[test]
    fn without_the_report_a_key_in_the_summary_counts_as_active() {
        let mut unread = account(PASSWORD);
        unread.report = unavailable("GetCredentialReport failed: AccessDenied.");
        unread.summary = Ok(AccountSummary {
            account_access_keys_present: Some(1),
            account_mfa_enabled: Some(0),
            account_password_present: Some(0),
            account_signing_certificates_present: None,
            users: None,
        });
        insta::assert_snapshot!(observe_in(&CHECK, &unread), @"FAILED root: The root user has an active access key and no MFA device.");
        let mut unreadable = account("user | access_key_1_active | mfa_active\n<root_account> | ? | false");
        unreadable.summary = unread.summary.clone();
        insta::assert_snapshot!(observe_in(&CHECK, &unreadable), @"UNKNOWN root: access_key_1_active is `?` in the credential report, not true or false.");
        unread.summary = unavailable("GetAccountSummary failed: AccessDenied.");
        insta::assert_snapshot!(observe_in(&CHECK, &unread), @"UNKNOWN root: GetAccountSummary failed: AccessDenied.");
    }

    #[test]
    fn a_key_that_only_the_summary_shows_counts_as_active() {
        let mut account = account("user | password_enabled | mfa_active\n<root_account> | false | false");
        account.summary = Ok(AccountSummary {
            account_access_keys_present: Some(1),
            account_mfa_enabled: Some(0),
            account_password_present: Some(0),
            account_signing_certificates_present: Some(0),
            users: Some(0),
        });
        insta::assert_snapshot!(observe_in(&CHECK, &account), @"FAILED root: The root user has an active access key and no MFA device.");
    }

    #[test]
    fn a_password_is_assumed_without_a_report_unless_the_summary_shows_none() {
        let with = |password, partition: &str| {
            let mut only_summary = account(PASSWORD);
            only_summary.report = Err(Unavailable::NotAsked("The credential report was not given.".to_owned()));
            only_summary.partition = Some(partition.to_owned());
            only_summary.summary = Ok(AccountSummary {
                account_access_keys_present: Some(0),
                account_mfa_enabled: Some(0),
                account_password_present: password,
                ..AccountSummary::default()
            });
            observe_in(&CHECK, &only_summary)
        };
        insta::assert_snapshot!(with(None, "aws"), @"FAILED root: The root user has a password (assumed: nothing that was read says whether) and no MFA device.");
        insta::assert_snapshot!(with(None, "aws-us-gov"), @"NOT_APPLICABLE root: The root user has no password and no active access key.");
        insta::assert_snapshot!(with(Some(1), "aws"), @"FAILED root: The root user has a password and no MFA device.");
        insta::assert_snapshot!(with(Some(0), "aws"), @"NOT_APPLICABLE root: The root user has no password and no active access key.");
    }

    #[test]
    fn a_use_of_the_password_shows_that_root_has_one() {
        let mut old = account(
            &OLD_DIALECT
                .replace("mfa_active", "mfa_active | password_last_used")
                .replace("false", "false | 2026-01-02T03:04:05Z"),
        );
        old.partition = Some("aws-us-gov".to_owned());
        old.summary = Ok(AccountSummary { account_mfa_enabled: Some(0), ..AccountSummary::default() });
        insta::assert_snapshot!(observe_in(&CHECK, &old), @"FAILED root: The root user has a password and no MFA device.");
    }
}
