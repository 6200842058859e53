//! The checks: one file each, named as the check is, with its metadata, its rule and its tests. The list is [`CHECKS`].
//!
//! To add one: write the file, add its `mod` line and its place in the list. The documents and Security Hub follow.

use std::borrow::Cow;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::account::{Account, User};
use crate::policy::Policy;
use crate::report::{AccessKey, Column, Row, Time};
use crate::requirements::Mapping;
use crate::source::{Source, SourceId};
use crate::subject::Subject;
use crate::verdict::{Evidence, Fact, Severity, Verdict};

mod access_key_inactive;
mod access_key_never_used;
mod access_key_not_rotated;
mod access_key_unused;
mod console_password_unused;
mod console_user_mfa_disabled;
mod console_user_not_federated;
mod console_user_with_access_keys;
mod credential_report_incomplete;
mod root_access_key_active;
mod root_access_key_not_rotated;
mod root_access_key_present;
mod root_hardware_mfa_missing;
mod root_mfa_disabled;
mod root_signing_certificate_present;
mod root_user_recently_used;
mod user_multiple_active_access_keys;
mod user_signing_certificate_active;
mod user_without_credentials;

/// Every check, in the order the documents show them.
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
    &credential_report_incomplete::CHECK,
];

/// A rule about credentials: data and one function.
#[derive(Debug)]
pub struct Check {
    /// The public name: the problem that is flagged. It never changes, and no benchmark's number is in it: those move.
    pub id: &'static str,
    /// The problem as a heading, at most 256 characters.
    pub title: &'static str,
    /// How bad it is, unless the evidence says otherwise.
    pub severity: Severity,
    /// Whether it is about what is, or about what happened.
    pub kind: Kind,
    /// The source that lists its subjects: a finding on a subject that is not in it is gone, if it was read. None for the root
    /// user, who is always there.
    pub listed_by: Option<SourceId>,
    /// When it fails, for the documents.
    pub fails_when: &'static str,
    /// Why it matters.
    pub rationale: &'static str,
    /// What to do, in at most 512 characters.
    pub recommendation: &'static str,
    /// The exact way to fix it: console steps for root, AWS CLI commands for users.
    pub remediation: fn(&Target<'_>) -> String,
    /// AWS's documentation of the matter.
    pub documentation: &'static str,
    /// Requirements that it maps to, in Security Hub's spelling: at most 32 of at most 64 characters.
    pub requirements: &'static [&'static str],
    /// What other catalogues call it, with who says so.
    pub mappings: &'static [Mapping],
    /// The rule.
    pub rule: Rule,
}

impl PartialEq for Check {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Check {}

/// A check is data of the program: its id stands for it.
impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id)
    }
}

impl<'de> Deserialize<'de> for &'static Check {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = Cow::<str>::deserialize(deserializer)?;
        find(&id).ok_or_else(|| serde::de::Error::custom(format!("this version has no check `{id}`")))
    }
}

/// What a check looks at, which is what its findings are about.
#[derive(Debug, Clone, Copy)]
pub enum Rule {
    /// The root user, with every source.
    Root(fn(&Account, &Context<'_>) -> Verdict),
    /// Each IAM user; a source or a cell that cannot be read makes the verdict UNKNOWN.
    User(fn(&User<'_>, &Context<'_>) -> Source<Verdict>),
    /// Each access key of each IAM user, in the user's row.
    AccessKey(fn(&Row, &AccessKey, &Context<'_>) -> Source<Verdict>),
}

/// What ends a check's finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The check is about a state: its finding ends when the state does.
    State,
    /// The check is about something that happened, which nothing undoes.
    Event,
}

/// What commands act on.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The subject of the finding.
    pub subject: &'a Subject,
    /// The access key's id, where it is known.
    pub access_key_id: Option<&'a str>,
}

impl Target<'_> {
    /// The name of the IAM user, as it is.
    pub fn user_name(&self) -> &str {
        self.subject.owner().map_or("", |user| &user.name)
    }
}

/// The present and the limits.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The time of the run.
    pub now: DateTime<Utc>,
    /// The limits.
    pub policy: &'a Policy,
}

impl Context<'_> {
    /// How long ago that was; a time in the future counts as now, since clocks differ.
    pub fn age(&self, time: Time) -> TimeDelta {
        (self.now - time).max(TimeDelta::zero())
    }
}

/// The check with that id.
pub fn find(id: &str) -> Option<&'static Check> {
    CHECKS.iter().copied().find(|check| check.id == id)
}

/// What the report says in those columns, as it says it.
fn evidence(row: &Row, columns: &[Column]) -> Evidence {
    let cell = |column: &Column| row.cell(*column).map(|cell| Fact::of_report(column.name(), cell));
    columns.iter().filter_map(cell).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Write as _;
    use std::path::Path;

    use super::*;

    #[test]
    fn ids_are_unique_and_kebab_case() {
        let ids: BTreeSet<_> = CHECKS.iter().map(|check| check.id).collect();
        assert_eq!(ids.len(), CHECKS.len());
        for id in ids {
            assert!(id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{id}");
        }
    }

    #[test]
    fn every_file_is_a_check_of_its_name() {
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
    fn public_names_and_severities_stay() {
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
        INFORMATIONAL credential-report-incomplete
        ");
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
