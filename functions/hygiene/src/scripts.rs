//! The remediation of all findings on one user, root or the account, each command once. Only the ends of scripts are
//! joined: the parts that name a check contain its complete script, unchanged and in order.

use std::collections::BTreeSet;

use crate::check::Target;
use crate::commands;
use crate::finding::Finding;
use crate::remediation::{Argument, Command, Remediation, Step};
use crate::subject::{Subject, SubjectId};
use crate::text::escape;

/// A part of the remediation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The checks of the part, each with the access key or credential if several of them have findings.
    pub checks: Vec<String>,
    /// Whether a later part continues it.
    pub continues: bool,
    /// The steps or commands.
    pub remediation: Remediation,
}

impl Part {
    /// `To fix access-key-unused, access-key-not-rotated:`
    pub fn heading(&self) -> String {
        let checks = self.checks.join(", ");
        if self.continues { format!("To fix {checks}, first:") } else { format!("To fix {checks}:") }
    }
}

/// The access keys that nobody uses, by the failing findings of an account.
pub fn unused_keys<'a>(failing: impl IntoIterator<Item = &'a Finding>) -> BTreeSet<SubjectId<'a>> {
    let is_unused = |finding: &&Finding| ["access-key-unused", "access-key-never-used"].contains(&finding.check.id);
    failing.into_iter().filter(is_unused).map(|finding| finding.subject.id()).collect()
}

/// The remediation of findings on one owner, in the order to run it: scripts without deletions, deletions, creation of
/// a credential (which needs a free slot), deletion of the user. Each finding has its access key's id if it is known.
/// A key among the `unused` ones, or the older of two, is deleted and not replaced.
pub fn parts<'a>(
    findings: impl IntoIterator<Item = (&'a Finding, Option<&'a str>)>,
    unused: &BTreeSet<SubjectId<'_>>,
) -> Vec<Part> {
    let findings: Vec<_> = findings.into_iter().collect();
    let credentials: Vec<&Subject> =
        findings.iter().map(|(finding, _)| &*finding.subject).filter(|subject| label(subject).is_some()).collect();
    let are_several = credentials.windows(2).any(|pair| pair[0] != pair[1]);
    let surplus = surplus_key(&findings, unused);
    let wanted = findings.iter().map(|(finding, access_key_id)| {
        let label = label(&finding.subject);
        let check = match label.as_ref().filter(|_| are_several) {
            Some(label) => format!("{} ({label})", finding.check.id),
            None => finding.check.id.to_owned(),
        };
        let is_surplus = surplus.is_some_and(|(key, _)| *key == *finding.subject);
        match (finding.check.id, surplus) {
            (NOT_ROTATED, _) if is_surplus || unused.contains(&finding.subject.id()) => {
                Wanted { check, credential: label, remediation: retired(&finding.subject, *access_key_id, unused) }
            }
            (TWO_KEYS, Some((key, id))) => {
                Wanted { check, credential: self::label(key), remediation: retired(key, id, unused) }
            }
            _ => Wanted { check, credential: label, remediation: finding.remediation(*access_key_id) },
        }
    });
    joined(wanted)
}

const NOT_ROTATED: &str = "access-key-not-rotated";
const TWO_KEYS: &str = "user-multiple-active-access-keys";

/// The key that a user with two active keys gives up, with its id: one that nobody uses, or else the older one. `None` if that
/// cannot be decided by the findings.
fn surplus_key<'a>(
    findings: &[(&'a Finding, Option<&'a str>)],
    unused: &BTreeSet<SubjectId<'_>>,
) -> Option<(&'a Subject, Option<&'a str>)> {
    findings.iter().find(|(finding, _)| finding.check.id == TWO_KEYS)?;
    let keys = || {
        let keys = findings.iter().map(|(finding, id)| (finding, &*finding.subject, *id));
        keys.filter(|(_, subject, _)| subject.access_key().is_some_and(|key| key.active == Some(true)))
    };
    if let Some((_, key, id)) = keys().find(|(_, subject, _)| unused.contains(&subject.id())) {
        return Some((key, id));
    }
    let old = || keys().filter(|(finding, ..)| finding.check.id == NOT_ROTATED).map(|(_, key, id)| (key, id));
    let oldest = old().min_by_key(|(key, _)| key.created())?;
    let is_alone = old().filter(|(key, _)| key.created() == oldest.0.created()).count() == 1;
    (is_alone && oldest.0.created().is_some()).then_some(oldest)
}

/// Deletes the key instead of replacing it.
fn retired(key: &Subject, access_key_id: Option<&str>, unused: &BTreeSet<SubjectId<'_>>) -> Remediation {
    let mut steps = commands::retire_key(&Target { subject: key, access_key_id });
    if !unused.contains(&key.id()) {
        steps.insert(
            0,
            Step::Comment("The user has two active keys. When everything that uses this one uses the other:"),
        );
    }
    Remediation::Shell(steps)
}

/// The remediation of a check.
struct Wanted {
    /// The check, with the credential if several of them have findings.
    check: String,
    /// The access key or credential: equal text can find another one of the same second.
    credential: Option<String>,
    remediation: Remediation,
}

/// The label that distinguishes a credential from the user's others.
fn label(subject: &Subject) -> Option<String> {
    match subject {
        Subject::Root { .. } | Subject::Account | Subject::User(_) => None,
        Subject::AccessKey(key) => Some(format!("key {}", key.slot)),
        Subject::ServiceCredential(credential) => Some(escape(&credential.id).into_owned()),
    }
}

fn joined(wanted: impl IntoIterator<Item = Wanted>) -> Vec<Part> {
    let mut console: Vec<Part> = Vec::new();
    let mut scripts: Vec<Script> = Vec::new();
    for Wanted { check, credential, remediation } in wanted {
        let same = console.iter_mut().find(|part| part.remediation == remediation);
        match (remediation, same) {
            (Remediation::Shell(steps), _) => insert(&mut scripts, &check, credential, steps),
            (Remediation::Console { .. }, Some(part)) => add(&mut part.checks, &check),
            (remediation @ Remediation::Console { .. }, None) => {
                console.push(Part { checks: vec![check], continues: false, remediation });
            }
        }
    }
    scripts.sort_by_key(Script::place);
    let mut parts = console;
    for script in scripts {
        script.flatten(false, &mut parts);
    }
    parts
}

/// A script, or the common end of several.
struct Script {
    checks: Vec<String>,
    /// The access key or credential that it is about.
    credential: Option<String>,
    steps: Vec<Step>,
    /// Steps that only some of the checks need, to run before.
    before: Vec<Script>,
}

fn add(checks: &mut Vec<String>, check: &str) {
    if !checks.iter().any(|known| known == check) {
        checks.push(check.to_owned());
    }
}

fn insert(scripts: &mut Vec<Script>, check: &str, credential: Option<String>, mut steps: Vec<Step>) {
    for script in scripts.iter_mut().filter(|script| script.credential == credential) {
        let length = common_end(&script.steps, &steps);
        if length == 0 {
            continue;
        }
        let start = script.steps.len() - length;
        if start != 0 {
            let end = script.steps.split_off(start);
            let head = std::mem::replace(&mut script.steps, end);
            let before = std::mem::take(&mut script.before);
            let (checks, credential) = (script.checks.clone(), script.credential.clone());
            script.before.push(Script { checks, credential, steps: head, before });
        }
        add(&mut script.checks, check);
        steps.truncate(steps.len() - length);
        if !steps.is_empty() {
            insert(&mut script.before, check, credential, steps);
        }
        return;
    }
    scripts.push(Script { checks: vec![check.to_owned()], credential, steps, before: Vec::new() });
}

/// The number of steps at the end of both scripts that are equal and have the same effect.
fn common_end(one: &[Step], other: &[Step]) -> usize {
    let same = one.iter().rev().zip(other.iter().rev()).take_while(|(one, other)| one == other).count();
    let is_whole = |length: usize| length == one.len() && length == other.len();
    let is_joined = |length: &usize| {
        let end = &one[one.len() - length..];
        is_closed(end) && (is_whole(*length) || end.iter().any(is_run))
    };
    (1..=same).rev().find(is_joined).unwrap_or(0)
}

/// Whether the step runs. An offered command is one of several alternatives in its own script.
fn is_run(step: &Step) -> bool {
    !matches!(step, Step::Comment(_) | Step::Offer(_))
}

/// Whether the steps assign every variable that they use: equal text with a variable of an earlier step can affect
/// another credential.
fn is_closed(steps: &[Step]) -> bool {
    let mut assigned: BTreeSet<&str> = BTreeSet::new();
    for step in steps {
        let (commands, bound): (Vec<&Command>, fn(&str) -> bool) = match step {
            Step::Comment(_) => (Vec::new(), |_| false),
            Step::Run(command) | Step::Offer(command) | Step::Assign(_, command) | Step::Save(_, command) => {
                (vec![command], |_| false)
            }
            Step::ForEach { list, run } | Step::DefineEach { list, run, .. } => {
                (vec![list, run], |variable| variable == "id")
            }
            Step::Define(_, command) => (vec![command], |variable| variable.bytes().all(|byte| byte.is_ascii_digit())),
        };
        let is_unknown = |variable: &str| !assigned.contains(variable) && !bound(variable);
        if commands.iter().flat_map(|command| variables(command)).any(is_unknown) {
            return false;
        }
        if let Step::Assign(variable, _) = step {
            assigned.insert(variable);
        }
    }
    true
}

fn variables(command: &Command) -> impl Iterator<Item = &'static str> {
    command.arguments.iter().filter_map(|argument| match argument {
        Argument::Variable(_, variable) => Some(*variable),
        Argument::Value(..) | Argument::Query(_) | Argument::NextLine => None,
    })
}

impl Script {
    /// The sort key among one user's scripts: whether it deletes the user, deletes anything, creates anything.
    fn place(&self) -> (bool, bool, bool) {
        let own = (
            self.runs(|operation| operation == "iam delete-user"),
            self.runs(|operation| operation.starts_with("iam delete-")),
            self.runs(|operation| operation.starts_with("iam create-")),
        );
        self.before.iter().map(Self::place).fold(own, |one, other| (one.0 | other.0, one.1 | other.1, one.2 | other.2))
    }

    fn runs(&self, is_so: impl Fn(&str) -> bool) -> bool {
        self.steps.iter().any(|step| match step {
            Step::Run(command) | Step::Assign(_, command) | Step::Save(_, command) | Step::Define(_, command) => {
                is_so(command.operation)
            }
            Step::ForEach { run, .. } | Step::DefineEach { run, .. } => is_so(run.operation),
            Step::Comment(_) | Step::Offer(_) => false,
        })
    }

    fn flatten(self, continues: bool, parts: &mut Vec<Part>) {
        for script in self.before {
            script.flatten(true, parts);
        }
        parts.push(Part { checks: self.checks, continues, remediation: Remediation::Shell(self.steps) });
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;
    use crate::by_subject::grouped;
    use crate::service_credential::ServiceCredential;
    use crate::testing::{account, evaluated, service_credential, time};
    use crate::verdict::Status;

    /// The parts for each user of the table.
    fn of(table: &str) -> String {
        let mut account = account(table);
        if table.contains("carol") {
            let created = time("2021-06-20T05:16:50Z");
            account.service_credentials =
                Ok(vec![ServiceCredential { created, ..service_credential("carol", "ACCAEXAMPLE") }]);
        }
        let evaluation = evaluated(&account);
        let failing = || evaluation.findings.iter().filter(|finding| finding.status() == Status::Failed);
        let unused = unused_keys(failing());
        let mut text = String::new();
        for group in grouped(failing(), |finding| finding) {
            for part in parts(group.findings.iter().map(|finding| (*finding, None)), &unused) {
                let _ = writeln!(text, "{}\n{}", part.heading(), part.remediation);
            }
        }
        text
    }

    const HEAD: &str = "user | password_enabled | mfa_active | access_key_1_active | access_key_1_last_rotated | \
        access_key_1_last_used_date | access_key_2_active | access_key_2_last_rotated | access_key_2_last_used_date\n\
        <root_account> | false | false | false | N/A | N/A | false | N/A | N/A\n";

    #[test]
    fn an_old_and_unused_key_is_deleted_and_not_replaced() {
        let key = "alice | false | false | true | 2021-06-20T05:16:50Z | 2022-01-02T03:04:05Z | false | N/A | N/A";
        insta::assert_snapshot!(of(&format!("{HEAD}{key}")), @r#"
        To fix access-key-not-rotated, access-key-unused:
        # The credential report has no key ids. This finds it by its date. Two ids: choose one, by get-access-key-last-used.
        KEY_ID=$(aws iam list-access-keys --user-name alice --query "AccessKeyMetadata[?Status=='Active' && starts_with(CreateDate, '2021-06-20T05:16:50')].AccessKeyId" --output text)
        aws iam update-access-key --user-name alice --access-key-id "$KEY_ID" --status Inactive
        # When nothing has missed it for two weeks:
        KEY_ID=$(aws iam list-access-keys --user-name alice --query "AccessKeyMetadata[?Status=='Inactive' && starts_with(CreateDate, '2021-06-20T05:16:50')].AccessKeyId" --output text)
        aws iam delete-access-key --user-name alice --access-key-id "$KEY_ID"
        "#);
    }

    #[test]
    fn the_older_of_two_keys_in_use_is_deleted_and_the_younger_is_replaced() {
        let keys = "alice | false | false | true | 2021-06-20T05:16:50Z | 2026-11-19T06:00:00Z | true | \
            2022-06-20T05:16:50Z | 2026-11-19T06:00:00Z";
        insta::assert_snapshot!(of(&format!("{HEAD}{keys}")), @r#"
        To fix access-key-not-rotated (key 1), user-multiple-active-access-keys:
        # The user has two active keys. When everything that uses this one uses the other:
        # The credential report has no key ids. This finds it by its date. Two ids: choose one, by get-access-key-last-used.
        KEY_ID=$(aws iam list-access-keys --user-name alice --query "AccessKeyMetadata[?Status=='Active' && starts_with(CreateDate, '2021-06-20T05:16:50')].AccessKeyId" --output text)
        aws iam update-access-key --user-name alice --access-key-id "$KEY_ID" --status Inactive
        # When nothing has missed it for two weeks:
        KEY_ID=$(aws iam list-access-keys --user-name alice --query "AccessKeyMetadata[?Status=='Inactive' && starts_with(CreateDate, '2021-06-20T05:16:50')].AccessKeyId" --output text)
        aws iam delete-access-key --user-name alice --access-key-id "$KEY_ID"
        To fix access-key-not-rotated (key 2):
        # Better than a new key: a role. If it must be a key (delete an unused one first, two are the limit):
        aws iam create-access-key --user-name alice
        # When everything uses the new key:
        # The credential report has no key ids. This finds it by its date. Two ids: choose one, by get-access-key-last-used.
        KEY_ID=$(aws iam list-access-keys --user-name alice --query "AccessKeyMetadata[?Status=='Active' && starts_with(CreateDate, '2022-06-20T05:16:50')].AccessKeyId" --output text)
        aws iam update-access-key --user-name alice --access-key-id "$KEY_ID" --status Inactive
        # When nothing has missed it for two weeks:
        KEY_ID=$(aws iam list-access-keys --user-name alice --query "AccessKeyMetadata[?Status=='Inactive' && starts_with(CreateDate, '2022-06-20T05:16:50')].AccessKeyId" --output text)
        aws iam delete-access-key --user-name alice --access-key-id "$KEY_ID"
        "#);
    }

    #[test]
    fn of_two_keys_the_one_that_nobody_uses_is_deleted() {
        let keys = "alice | false | false | true | 2021-06-20T05:16:50Z | 2026-11-19T06:00:00Z | true | \
            2022-06-20T05:16:50Z | N/A";
        let text = of(&format!("{HEAD}{keys}"));
        assert!(text.contains("access-key-never-used (key 2), user-multiple-active-access-keys:\n"), "{text}");
        assert_eq!(text.matches("sort_by").count(), 0, "{text}");
        assert_eq!(text.matches("create-access-key").count(), 1, "{text}");
    }

    #[test]
    fn equal_commands_on_two_keys_of_one_second_are_not_joined() {
        let keys = "alice | false | false | false | 2021-06-20T05:16:50Z | N/A | false | 2021-06-20T05:16:50Z | N/A";
        let text = of(&format!("{HEAD}{keys}"));
        assert!(
            text.contains("To fix access-key-inactive (key 1):\n") && text.contains("access-key-inactive (key 2):\n"),
            "{text}"
        );
        assert_eq!(text.matches("delete-access-key").count(), 2, "{text}");
    }

    #[test]
    fn a_key_known_to_be_unused_is_deleted_although_only_its_age_is_new() {
        let key = "alice | false | false | true | 2021-06-20T05:16:50Z | 2022-01-02T03:04:05Z | false | N/A | N/A";
        let evaluation = evaluated(&account(&format!("{HEAD}{key}")));
        let failing = || evaluation.findings.iter().filter(|finding| finding.status() == Status::Failed);
        let new = || failing().filter(|finding| finding.check.id == NOT_ROTATED).map(|finding| (finding, None));
        let text = |parts: Vec<Part>| parts.iter().map(|part| part.remediation.to_string()).collect::<String>();
        assert!(!text(parts(new(), &unused_keys(failing()))).contains("create-access-key"));
        assert!(text(parts(new(), &BTreeSet::new())).contains("create-access-key"));
    }

    #[test]
    fn what_two_checks_create_is_created_once() {
        let user = "carol | false | false | false | N/A | N/A | false | N/A | N/A";
        insta::assert_snapshot!(of(&format!("{HEAD}{user}")), @"
        To fix service-credential-without-expiry, first:
        # Better than a new credential: a role, or a short-term API key. If it must be one (two for each service are the limit):
        To fix service-credential-not-rotated, first:
        # Better than a new credential: a role. If it must be one (two for each service are the limit):
        To fix service-credential-without-expiry, service-credential-not-rotated:
        aws iam create-service-specific-credential --user-name carol --service-name bedrock.amazonaws.com --credential-age-days 90
        # When everything uses the new one:
        aws iam update-service-specific-credential --user-name carol --service-specific-credential-id ACCAEXAMPLE --status Inactive
        # When nothing has missed it for two weeks:
        aws iam delete-service-specific-credential --user-name carol --service-specific-credential-id ACCAEXAMPLE
        ");
    }

    #[test]
    fn what_deletes_the_password_comes_after_what_deletes_nothing() {
        let user = "dave | true | false | false | N/A | N/A | false | N/A | N/A";
        insta::assert_snapshot!(of(&format!("{HEAD}{user}")), @r#"
        To fix console-user-mfa-disabled:
        # The user adds a passkey or an authenticator app under Security credentials in the console. Or you do:
        SERIAL=$(aws iam create-virtual-mfa-device --virtual-mfa-device-name dave --outfile mfa-qr.png --bootstrap-method QRCodePNG \
          --query VirtualMFADevice.SerialNumber --output text)
        enable_mfa() {
          aws iam enable-mfa-device --user-name dave --serial-number "$SERIAL" \
            --authentication-code1 "$1" --authentication-code2 "$2"
        }
        # Scan mfa-qr.png with the app, then type, with two codes in a row from it: enable_mfa CODE1 CODE2
        # Or, until then, no console:
        # aws iam delete-login-profile --user-name dave
        To fix console-user-not-federated, first:
        # When the person can sign in through IAM Identity Center or your identity provider:
        To fix console-password-unused, console-user-not-federated:
        aws iam delete-login-profile --user-name dave
        "#);
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let command = |operation, variable: Option<&'static str>| Command {
            operation,
            arguments: variable.map(|variable| Argument::Variable("--id", variable)).into_iter().collect(),
        };
        let step = prop_oneof![
            Just(Step::Comment("When it is over:")),
            Just(Step::Assign("KEY_ID", command("iam list-access-keys", None))),
            Just(Step::Run(command("iam delete-access-key", Some("KEY_ID")))),
            Just(Step::Run(command("iam delete-user", None))),
            Just(Step::ForEach { list: command("iam list-ids", None), run: command("iam delete-id", Some("id")) }),
        ];
        prop::collection::vec(step, 1..6)
    }

    proptest! {
        /// No step is dropped, reordered or moved below an assignment of another script.
        #[test]
        fn each_checks_script_is_in_the_parts_that_name_it(scripts in prop::collection::vec(steps(), 1..6)) {
            let wanted = scripts.iter().enumerate().map(|(check, steps)| Wanted {
                check: check.to_string(),
                credential: None,
                remediation: Remediation::Shell(steps.clone()),
            });
            let parts = joined(wanted);
            for (check, steps) in scripts.iter().enumerate() {
                let named = parts.iter().filter(|part| part.checks.contains(&check.to_string()));
                let of_part = |part: &Part| match &part.remediation {
                    Remediation::Shell(steps) => steps.clone(),
                    Remediation::Console { .. } => Vec::new(),
                };
                prop_assert_eq!(&named.clone().flat_map(of_part).collect::<Vec<_>>(), steps);
                let continues: Vec<bool> = named.map(|part| part.continues).collect();
                prop_assert_eq!(continues.iter().position(|continues| !continues), Some(continues.len() - 1));
            }
            for part in parts.iter().filter(|part| part.checks.len() > 1) {
                let Remediation::Shell(steps) = &part.remediation else { unreachable!() };
                prop_assert!(is_closed(steps));
            }
        }
    }
}
