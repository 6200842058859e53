//! The checks: one file for each, with the check's name, metadata, rule and tests. The list is [`CHECKS`].
//!
//! To add a check, write the file, and add its `mod` line and its entry in the list. Documentation and Security Hub use
//! the list.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};

use crate::check::Check;

mod access_key_inactive;
mod access_key_never_used;
mod access_key_not_rotated;
mod access_key_unused;
mod console_password_unused;
mod console_user_mfa_disabled;
mod console_user_not_federated;
mod console_user_with_access_keys;
mod credential_report_incomplete;
mod credential_report_unreadable;
mod root_access_key_active;
mod root_access_key_not_rotated;
mod root_access_key_present;
mod root_hardware_mfa_missing;
mod root_mfa_disabled;
mod root_signing_certificate_present;
mod root_user_recently_used;
mod service_credential_inactive;
mod service_credential_not_rotated;
mod service_credential_without_expiry;
mod user_multiple_active_access_keys;
mod user_signing_certificate_active;
mod user_without_credentials;

/// All checks, in the order of the documentation.
pub static CHECKS: &[&Check] = &[
    &root_access_key_active::CHECK,
    &root_access_key_present::CHECK,
    &root_access_key_not_rotated::CHECK,
    &root_user_recently_used::CHECK,
    &root_mfa_disabled::CHECK,
    &root_hardware_mfa_missing::CHECK,
    &root_signing_certificate_present::CHECK,
    &access_key_not_rotated::CHECK,
    &access_key_unused::CHECK,
    &access_key_never_used::CHECK,
    &access_key_inactive::CHECK,
    &user_multiple_active_access_keys::CHECK,
    &console_user_mfa_disabled::CHECK,
    &console_password_unused::CHECK,
    &console_user_with_access_keys::CHECK,
    &console_user_not_federated::CHECK,
    &user_without_credentials::CHECK,
    &user_signing_certificate_active::CHECK,
    &service_credential_without_expiry::CHECK,
    &service_credential_not_rotated::CHECK,
    &service_credential_inactive::CHECK,
    &credential_report_incomplete::CHECK,
    &credential_report_unreadable::CHECK,
];

/// The check with the id.
pub fn find(id: &str) -> Option<&'static Check> {
    CHECKS.iter().copied().find(|check| check.id == id)
}

impl<'de> Deserialize<'de> for &'static Check {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = Cow::<str>::deserialize(deserializer)?;
        find(&id).ok_or_else(|| serde::de::Error::custom(format!("this version has no check `{id}`")))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Write as _;
    use std::path::Path;

    use super::*;
    use crate::check::{Kind, Rule};
    use crate::requirements::Mapping;

    #[test]
    fn ids_are_unique_and_kebab_case() {
        let ids: BTreeSet<_> = CHECKS.iter().map(|check| check.id).collect();
        assert_eq!(ids.len(), CHECKS.len());
        for id in ids {
            assert!(id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{id}");
        }
    }

    #[test]
    fn every_file_has_the_name_of_its_check() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/checks");
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        let files: BTreeSet<_> =
            files.filter(|name| Path::new(name).extension().is_some_and(|kind| kind == "rs")).collect();
        let checks: BTreeSet<_> = CHECKS.iter().map(|check| format!("{}.rs", check.id.replace('-', "_"))).collect();
        assert_eq!(files, checks);
    }

    #[test]
    fn texts_fit_the_finding_format() {
        for check in CHECKS {
            assert!(check.title.chars().count() <= 256, "{}", check.id);
            assert!(
                !check.title.starts_with("Ensure") && !check.title.ends_with('.'),
                "{}: a state, not a command",
                check.id
            );
            assert!((1..=512).contains(&check.recommendation.chars().count()), "{}", check.id);
            assert!(check.requirements.len() <= 32, "{}", check.id);
            assert!(check.requirements.iter().all(|requirement| requirement.len() <= 64), "{}", check.id);
            assert!(check.documentation.starts_with("https://docs.aws.amazon.com/"), "{}", check.id);
            for text in [check.fails_when, check.rationale, check.recommendation] {
                assert!(text.ends_with('.'), "{}: {text}", check.id);
            }
        }
    }

    #[test]
    fn public_names_and_severities_do_not_change() {
        let list: Vec<_> = CHECKS.iter().map(|check| format!("{:13} {}", check.severity, check.id)).collect();
        insta::assert_snapshot!(list.join("\n"), @"
        CRITICAL      root-access-key-active
        CRITICAL      root-access-key-present
        HIGH          root-access-key-not-rotated
        HIGH          root-user-recently-used
        CRITICAL      root-mfa-disabled
        MEDIUM        root-hardware-mfa-missing
        HIGH          root-signing-certificate-present
        MEDIUM        access-key-not-rotated
        MEDIUM        access-key-unused
        MEDIUM        access-key-never-used
        INFORMATIONAL access-key-inactive
        LOW           user-multiple-active-access-keys
        HIGH          console-user-mfa-disabled
        MEDIUM        console-password-unused
        LOW           console-user-with-access-keys
        INFORMATIONAL console-user-not-federated
        LOW           user-without-credentials
        LOW           user-signing-certificate-active
        MEDIUM        service-credential-without-expiry
        MEDIUM        service-credential-not-rotated
        INFORMATIONAL service-credential-inactive
        INFORMATIONAL credential-report-incomplete
        MEDIUM        credential-report-unreadable
        ");
    }

    #[test]
    fn only_the_use_of_root_is_an_event() {
        let events: Vec<_> = CHECKS.iter().filter(|check| check.kind == Kind::Event).map(|check| check.id).collect();
        assert_eq!(events, ["root-user-recently-used"]);
    }

    #[test]
    fn every_check_but_those_on_root_has_a_source_that_lists_its_subjects() {
        for check in CHECKS {
            assert_eq!(check.listed_by.is_none(), matches!(check.rule, Rule::Root(_)), "{}", check.id);
        }
    }

    #[test]
    fn mappings_stay() {
        let mut list = String::new();
        for check in CHECKS {
            let _ = writeln!(list, "{}", check.id);
            check.requirements.iter().for_each(|requirement| _ = writeln!(list, "  {requirement}"));
            for Mapping { catalogue, ids, source } in check.mappings {
                let _ = writeln!(list, "  {}: {} ({})", catalogue.name(), ids.join(", "), source.name());
            }
        }
        insta::assert_snapshot!(list);
    }
}
