use std::fmt::Write as _;

use crate::blind_spots::BlindSpots;
use crate::check::{Check, Kind, Rule, Target};
use crate::commands::{self, aws};
use crate::remediation::{Argument, Remediation, Step};
use crate::source::SourceId;
use crate::subject::Subject;
use crate::text::grouped;
use crate::verdict::{Evidence, Failure, ReportedEvidence, Severity, Verdict};

pub(super) static CHECK: Check = Check {
    id: "credential-report-unreadable",
    title: "A part of the credential report cannot be read",
    severity: Severity::Medium,
    kind: Kind::State,
    sources: &[SourceId::CredentialReport],
    listed_by: Some(SourceId::CredentialReport),
    columns: &[],
    fails_when: "The row of a user or of root is damaged or root's is missing, or a check on them has no verdict because \
        of a cell. Of the account: a column is missing, or at least two users have a value in it and none can be read, or \
        a damaged row has no valid user name. HIGH for root and the account.",
    rationale: "What cannot be read is not judged: the problems of these users, old and new, are not seen.",
    recommendation: "Make a new report, and look at what it has there. Until it can be read, look at the user's \
        credentials themselves.",
    remediation,
    documentation: "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html",
    requirements: &[],
    mappings: &[],
    rule: Rule::BlindSpots(rule),
};

/// The maximum number of reasons in a message.
const SHOWN: usize = 5;

fn rule(blind: &BlindSpots<'_>) -> Verdict {
    if blind.spots.is_empty() {
        return match &blind.of_account {
            Some(reason) => Verdict::Unknown(reason.clone()),
            None => Verdict::passed("Whatever a check needed of the credential report could be read."),
        };
    }
    let (whom, severity) = match blind.subject {
        Subject::Account => ("Users of the account".to_owned(), Some(Severity::High)),
        Subject::Root { .. } => ("The root user".to_owned(), Some(Severity::High)),
        user => (user.called(), None),
    };
    let reasons = blind.spots.iter().take(SHOWN).map(|spot| spot.reason.as_str());
    let mut message = format!("{whom} cannot be judged in full. {}", reasons.collect::<Vec<_>>().join(" "));
    if let Some(rest) = blind.spots.len().checked_sub(SHOWN).filter(|rest| *rest != 0) {
        let _ = write!(message, " And {} more.", grouped(rest as u64));
    }
    let evidence: Evidence = blind.spots.iter().filter_map(|spot| spot.fact.clone()).collect();
    Verdict::Failed(Failure {
        severity,
        message,
        details: Vec::new(),
        evidence,
        reportable: ReportedEvidence::default(),
        is_live: false,
    })
}

fn remediation(target: &Target<'_>) -> Remediation {
    if target.subject.is_root() {
        return ROOT;
    }
    let mut steps = vec![
        Step::Comment(
            "Make a new report (IAM does every four hours), and look at what it has there, for example with\n\
             credwarden check --credential-report report.json. If it is no better, open a case with AWS Support.",
        ),
        Step::Run(aws("iam generate-credential-report", [])),
        Step::Save("report.json", aws("iam get-credential-report", [Argument::Value("--output", "json".into())])),
    ];
    if target.subject.owner().is_some() {
        steps.extend([
            Step::Comment("Until then, what the user has:"),
            commands::of_user(target, "iam get-login-profile"),
            commands::of_user(target, "iam list-mfa-devices"),
            commands::of_user(target, "iam list-access-keys"),
            commands::of_user(target, "iam list-signing-certificates"),
        ]);
    }
    Remediation::Shell(steps)
}

const ROOT: Remediation = Remediation::Console {
    steps: &[
        "In the IAM console choose Credential report and download it: after four hours it is a new one. Look at the row of \
         <root_account>.",
        "If it is no better, sign in as the root user, open Security credentials, and look at the password, MFA devices, \
         access keys and certificates there. Open a case with AWS Support.",
    ],
    note: None,
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::CHECK;
    use crate::account::Account;
    use crate::checks::CHECKS;
    use crate::finding::Finding;
    use crate::report::{COLUMNS, Column, CredentialReport};
    use crate::testing::{account, csv, evaluated, observe, observe_in, unavailable};
    use crate::verdict::Status;

    /// All kinds of users: each column decides the verdict on at least one of them.
    const USERS: &str = "
user           | user_creation_time   | password_enabled | password_last_used   | password_last_changed | mfa_active | access_key_1_active | access_key_1_last_rotated | access_key_1_last_used_date | access_key_2_active | access_key_2_last_rotated | access_key_2_last_used_date | cert_1_active
alice          | 2019-01-02T03:04:05Z | true             | no_information       | N/A                   | false      | true                | 2021-06-20T05:16:50Z      | N/A                         | true                | 2021-06-20T05:16:50Z      | N/A                         | false
bob            | 2019-01-02T03:04:05Z | false            | N/A                  | N/A                   | false      | false               | 2021-06-20T05:16:50Z      | N/A                         | false               | 2021-06-20T05:16:50Z      | N/A                         | true
carol          | 2019-01-02T03:04:05Z | false            | N/A                  | N/A                   | false      | false               | N/A                       | N/A                         | false               | N/A                       | N/A                         | false
dave           | 2019-01-02T03:04:05Z | true             | 2020-01-02T03:04:05Z | 2020-01-02T03:04:05Z  | true       | false               | N/A                       | N/A                         | false               | N/A                       | N/A                         | false
";
    /// The same for root users.
    const ROOTS: [&str; 3] = [
        "<root_account> | 2019-01-02T03:04:05Z | true  | 2020-01-02T03:04:05Z | N/A | false | true  | 2026-11-19T05:16:50Z | 2020-01-02T03:04:05Z | true  | 2026-11-19T05:16:50Z | N/A | false",
        "<root_account> | 2019-01-02T03:04:05Z | true  | N/A                  | N/A | false | false | N/A                  | N/A                  | false | N/A                  | N/A | false",
        "<root_account> | 2019-01-02T03:04:05Z | false | N/A                  | N/A | false | false | N/A                  | N/A                  | false | N/A                  | N/A | false",
    ];

    fn report(text: &str) -> CredentialReport {
        CredentialReport::parse(text.as_bytes()).unwrap()
    }

    /// The accounts without the column of the report, with and without an account summary.
    fn without(column: &str) -> Vec<Account> {
        let of = |root: &str| {
            let table = format!("{USERS}{root}");
            let text = csv(&table);
            let place = text.lines().next().unwrap().split(',').position(|name| name == column);
            let kept = |line: &str| {
                let cells = line.split(',').enumerate().filter(|(at, _)| Some(*at) != place).map(|(_, cell)| cell);
                cells.collect::<Vec<_>>().join(",")
            };
            let mut account = account(&table);
            account.report.as_mut().unwrap().credentials =
                report(&text.lines().map(kept).collect::<Vec<_>>().join("\n"));
            let summary = unavailable("GetAccountSummary failed.");
            [Account { summary, ..account.clone() }, account]
        };
        ROOTS.into_iter().flat_map(of).collect()
    }

    /// The checks and subjects without a verdict, by account.
    fn without_verdict(column: &str) -> BTreeSet<(usize, &'static str, String)> {
        let is_unknown = |one: &Finding| one.status() == Status::Unknown && one.check.id != CHECK.id;
        let of = |(number, account): (usize, &Account)| {
            let findings = evaluated(account).findings.into_iter().filter(is_unknown);
            findings.map(move |one| (number, one.check.id, one.subject.called())).collect::<Vec<_>>()
        };
        without(column).iter().enumerate().flat_map(of).collect()
    }

    #[test]
    fn the_columns_of_a_check_are_those_that_its_verdict_needs() {
        let whole = without_verdict("none");
        let lost = COLUMNS.map(|column| (column, without_verdict(column.name())));
        for check in CHECKS {
            let is_needed =
                |(_, lost): &&(Column, BTreeSet<_>)| lost.difference(&whole).any(|(_, id, _)| *id == check.id);
            let needed: Vec<Column> = lost.iter().filter(is_needed).map(|(column, _)| *column).collect();
            assert_eq!(check.columns, needed, "{}", check.id);
        }
    }

    #[test]
    fn only_cells_that_a_check_needs_are_reported() {
        insta::assert_snapshot!(observe(&CHECK, "
user           | password_enabled | mfa_active | access_key_1_active | access_key_1_last_rotated | access_key_1_last_used_date
<root_account> | false            | false      | false               | N/A                       | tomorrow
alice          | true             | perhaps    | true                | ?                         | 2026-11-19T06:00:00Z
bob            | false            | perhaps    | false               | N/A                       | ?
carol          | false            | true       | true                | N/A                       | N/A
"), @"
        FAILED HIGH root: The root user cannot be judged in full. access_key_1_last_used_date is `tomorrow` in the credential report, not a date.
        FAILED user/alice: alice cannot be judged in full. access_key_1_last_rotated is `?` in the credential report, not a date. mfa_active is `perhaps` in the credential report, not true or false.
        PASSED user/bob: Whatever a check needed of the credential report could be read.
        FAILED user/carol: carol cannot be judged in full. access_key_1_last_rotated is N/A though the key is there.
        PASSED account: Whatever a check needed of the credential report could be read.
        ");
    }

    #[test]
    fn an_unreadable_column_is_reported_on_the_account() {
        let of = |cells: [&str; 3]| {
            let [one, two, three] = cells;
            observe(
                &CHECK,
                &format!(
                    "user | password_enabled | mfa_active\n<root_account> | true | maybe\nalice | true | {one}\n\
                     bob | true | {two}\ncarol | true | {three}"
                ),
            )
        };
        insta::assert_snapshot!(of(["maybe", "maybe", "N/A"]), @"
        PASSED root: Whatever a check needed of the credential report could be read.
        UNKNOWN user/alice: None of the 2 values of mfa_active in the credential report can be read: line 3 has `maybe`.
        UNKNOWN user/bob: None of the 2 values of mfa_active in the credential report can be read: line 3 has `maybe`.
        UNKNOWN user/carol: None of the 2 values of mfa_active in the credential report can be read: line 3 has `maybe`.
        FAILED HIGH account: Users of the account cannot be judged in full. None of the 2 values of mfa_active in the credential report can be read: line 3 has `maybe`.
        ");
        insta::assert_snapshot!(of(["maybe", "true", "maybe"]), @"
        PASSED root: Whatever a check needed of the credential report could be read.
        FAILED user/alice: alice cannot be judged in full. mfa_active is `maybe` in the credential report, not true or false.
        PASSED user/bob: Whatever a check needed of the credential report could be read.
        FAILED user/carol: carol cannot be judged in full. mfa_active is `maybe` in the credential report, not true or false.
        PASSED account: Whatever a check needed of the credential report could be read.
        ");
        insta::assert_snapshot!(of(["maybe", "not_supported", ""]), @"
        PASSED root: Whatever a check needed of the credential report could be read.
        FAILED user/alice: alice cannot be judged in full. mfa_active is `maybe` in the credential report, not true or false.
        FAILED user/bob: bob cannot be judged in full. mfa_active is `not_supported` in the credential report, not true or false.
        FAILED user/carol: carol cannot be judged in full. mfa_active is `` in the credential report, not true or false.
        PASSED account: Whatever a check needed of the credential report could be read.
        ");
        let [_, of_second, ..] = &without("mfa_active")[..] else { panic!() };
        insta::assert_snapshot!(observe_in(&CHECK, of_second), @"
        PASSED root: Whatever a check needed of the credential report could be read.
        UNKNOWN user/alice: The credential report has no column mfa_active.
        PASSED user/bob: Whatever a check needed of the credential report could be read.
        PASSED user/carol: Whatever a check needed of the credential report could be read.
        UNKNOWN user/dave: The credential report has no column mfa_active.
        FAILED HIGH account: Users of the account cannot be judged in full. The credential report has no column mfa_active.
        ");
    }

    #[test]
    fn a_damaged_row_is_reported_on_its_user_or_the_account() {
        let damaged = |rows: &[&str]| {
            let mut account = account(USERS);
            let text = csv(&format!("{USERS}{}", ROOTS[0]));
            account.report.as_mut().unwrap().credentials = report(&format!("{text}\n{}", rows.join("\n")));
            let lines = observe_in(&CHECK, &account);
            lines.lines().filter(|line| !line.starts_with("PASSED")).collect::<Vec<_>>().join("\n")
        };
        insta::assert_snapshot!(damaged(&["erin"]), @"FAILED user/erin: erin cannot be judged in full. Line 7 of the credential report is damaged: it has 1 field for 22 columns and ends in `user`.");
        insta::assert_snapshot!(damaged(&["alice", "eve\u{7}", "\u{fffd}"]), @"
        UNKNOWN user/line 7: Line 7 of the credential report is damaged: it has 1 field for 22 columns and ends in `user`.
        UNKNOWN user/line 8: Line 8 of the credential report is damaged: it has 1 field for 22 columns and ends in `user`.
        UNKNOWN user/line 9: Line 9 of the credential report is damaged: it has 1 field for 22 columns and ends in `user`.
        FAILED HIGH account: Users of the account cannot be judged in full. Line 7 of the credential report is damaged: it has 1 field for 22 columns and ends in `user`. Line 8 of the credential report is damaged: it has 1 field for 22 columns and ends in `user`. Line 9 of the credential report is damaged: it has 1 field for 22 columns and ends in `user`.
        ");
        let named = |name: &str| {
            format!("{name},{}", csv(USERS).lines().nth(1).unwrap().split_once(',').unwrap().1.replace("alice", name))
        };
        insta::assert_snapshot!(damaged(&[&named("eve/key"), &named("e\u{301}ve"), &named(&"e".repeat(65))]), @"
        UNKNOWN user/line 7: Line 7 of the credential report is damaged: IAM does not allow its user name.
        UNKNOWN user/line 8: Line 8 of the credential report is damaged: IAM does not allow its user name.
        UNKNOWN user/line 9: Line 9 of the credential report is damaged: IAM does not allow its user name.
        FAILED HIGH account: Users of the account cannot be judged in full. Line 7 of the credential report is damaged: IAM does not allow its user name. Line 8 of the credential report is damaged: IAM does not allow its user name. Line 9 of the credential report is damaged: IAM does not allow its user name.
        ");
    }

    #[test]
    fn a_missing_or_damaged_root_row_is_reported_on_root_and_a_missing_report_is_unknown() {
        insta::assert_snapshot!(observe(&CHECK, "user\nalice"), @"
        FAILED HIGH root: The root user cannot be judged in full. The credential report has no row for the root user.
        PASSED user/alice: Whatever a check needed of the credential report could be read.
        PASSED account: Whatever a check needed of the credential report could be read.
        ");
        let mut account = account("user\n<root_account>\nalice");
        let text = csv("user\nalice");
        account.report.as_mut().unwrap().credentials = report(&format!("{text}\n<root_account>"));
        insta::assert_snapshot!(observe_in(&CHECK, &account), @"
        FAILED HIGH root: The root user cannot be judged in full. Line 3 of the credential report is damaged: it has 1 field for 22 columns and ends in `user`.
        PASSED user/alice: Whatever a check needed of the credential report could be read.
        PASSED account: Whatever a check needed of the credential report could be read.
        ");
        account.report = unavailable("GetCredentialReport failed.");
        insta::assert_snapshot!(observe_in(&CHECK, &account), @"UNKNOWN account: GetCredentialReport failed.");
    }
}
