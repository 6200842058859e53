//! Functions shared by the checks on the root user's access keys.

use crate::account::Account;
use crate::check::{Context, evidence};
use crate::remediation::Remediation;
use crate::report::{AccessKey, Column, Row};
use crate::source::Unavailable;
use crate::subject::{KeyTag, stamp};
use crate::text::{age, cut, escape, moment};
use crate::uses::Uses;
use crate::verdict::{Failure, ReportedEvidence, Verdict};

/// The steps to delete a root access key.
pub(crate) const REMEDIATION: Remediation = Remediation::Console {
    steps: &[
        "Find what uses the key: CloudTrail event history, filtered by user name root, shows its calls of the last 90 \
         days.",
        "Give that a role, or an IAM user with only the permissions it needs.",
        "Sign in as the root user, open Security credentials, choose the access key, Actions, Deactivate.",
        "When nothing has missed it for a few days, delete it there.",
    ],
    note: Some(
        "In a member account of an organization with centralized root access, the management account can delete it \
         without signing in: IAM console, Root access management.",
    ),
};

/// The verdict that these root keys of the report have the problem, with their dates and with a note if the account summary
/// shows no key.
pub(crate) fn failed(
    account: &Account,
    root: &Row,
    keys: &[&AccessKey],
    problem: &str,
    context: &Context<'_>,
) -> Verdict {
    let details: Vec<_> = keys.iter().map(|key| history(root, key, context)).collect();
    let described = keys.iter().zip(&details).map(|(key, history)| format!("key {}, {history}", key.slot));
    let described = described.collect::<Vec<_>>().join("; ");
    let note = not_in_summary(account, context).unwrap_or_default();
    let columns: Vec<_> = keys.iter().flat_map(|key| columns(key)).collect();
    Verdict::Failed(Failure {
        severity: None,
        message: format!("{problem}: {described}.{note}"),
        details,
        evidence: evidence(root, &columns),
        reportable: reportable(root, keys),
        is_live: false,
    })
}

/// Describes the dates of a root key. The report does not have its id, and no call outside a root session returns it.
pub(crate) fn history(root: &Row, key: &AccessKey, context: &Context<'_>) -> String {
    let created = match key.last_rotated {
        Ok(Some(created)) => format!("created {} ({} ago)", moment(created), age(context.age(created))),
        Ok(None) | Err(_) => "created at an unknown time".to_owned(),
    };
    let used = match key.last_used_date {
        Ok(Some(used)) => {
            format!("last used {} ({} ago){}", moment(used), age(context.age(used)), purpose(root, key))
        }
        Ok(None) => "no use recorded".to_owned(),
        Err(_) => "last use unreadable".to_owned(),
    };
    format!("{created}, {used}")
}

/// The service and Region of the key's last use, if the report has them.
pub(crate) fn purpose(root: &Row, key: &AccessKey) -> String {
    let cell = |column| root.cell(column).filter(|cell| !cell.eq_ignore_ascii_case("N/A"));
    let describe = |word: &str, cell: &str| format!(" {word} {}", cut(&escape(cell), 64));
    let service = cell(key.columns().last_used_service).map_or_else(String::new, |service| describe("for", service));
    let region = cell(key.columns().last_used_region).map_or_else(String::new, |region| describe("in", region));
    service + &region
}

/// The keys that the report shows.
pub(crate) fn shown(root: &Row) -> Vec<&AccessKey> {
    root.access_keys.iter().filter(|key| key.active == Ok(true) || matches!(key.last_rotated, Ok(Some(_)))).collect()
}

/// Returns the reason why a key of root is unknown: the account summary, which is live, shows a key that the report,
/// which can be four hours old, does not show.
pub(crate) fn only_in_summary(account: &Account, root: &Row, context: &Context<'_>) -> Option<Unavailable> {
    let in_summary = account.summary.as_ref().is_ok_and(|summary| summary.account_access_keys_present.unwrap_or(0) > 0);
    (in_summary && root.access_keys.iter().all(AccessKey::is_empty)).then(|| {
        Unavailable::Unreadable(format!(
            "The account summary, which is live, shows an access key of the root user that the credential report{} does \
             not show.",
            report_age(account, context)
        ))
    })
}

/// Returns a sentence to add to a message on keys that the report shows and the account summary does not.
fn not_in_summary(account: &Account, context: &Context<'_>) -> Option<String> {
    let none = account.summary.as_ref().is_ok_and(|summary| summary.account_access_keys_present == Some(0));
    none.then(|| {
        format!(
            " The account summary, which is live, shows no access key; the credential report{} does. The key may have been \
             deleted since.",
            report_age(account, context)
        )
    })
}

/// ` of 3 hours ago`; empty if the age is unknown.
pub(crate) fn report_age(account: &Account, context: &Context<'_>) -> String {
    let generated = account.report_generated_at();
    generated.map_or_else(String::new, |time| format!(" of {} ago", age(context.age(time))))
}

/// The columns that are evidence on a root key.
pub(crate) fn columns(key: &AccessKey) -> [Column; 5] {
    let columns = key.columns();
    [columns.active, columns.last_rotated, columns.last_used_date, columns.last_used_region, columns.last_used_service]
}

/// The evidence that can cause a second alert in a finding with those keys: another key. A key with an unreadable date
/// is named by its slot.
pub(crate) fn reportable(root: &Row, named: &[&AccessKey]) -> ReportedEvidence {
    let name = |key: &&AccessKey| key.created().map_or_else(|_| KeyTag::Slot(key.slot).to_string(), stamp);
    let is_known =
        |key: &AccessKey| key.active.is_ok() && key.last_rotated.is_ok() && (key.is_empty() || key.created().is_ok());
    ReportedEvidence {
        uses: Uses::default(),
        keys: named.iter().map(name).collect(),
        keys_whole: root.access_keys.iter().all(is_known),
    }
}
