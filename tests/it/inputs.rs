//! Whatever bytes come in: nothing panics, and what goes out is harmless. The fuzzers run these functions on bytes that they
//! make up, the tests on the corpus that the fuzzers left, and on what proptest makes up.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use cli::table::Screen;
use cli::view::View;
use cli::{input, json, page, spreadsheet, table};
use hygiene::account::{Account, AccountSummary, Report};
use hygiene::alert::Alert;
use hygiene::decide::decide;
use hygiene::decision::{AlertOn, AlertRules, Decision};
use hygiene::enrichment::Enrichment;
use hygiene::evaluate::{Evaluation, Scope, evaluate};
use hygiene::mail;
use hygiene::memory::Memory;
use hygiene::outcome::{Outcome, Receipts};
use hygiene::policy::Policy;
use hygiene::report::CredentialReport;
use hygiene::source::Unavailable;
use hygiene::text::escape;
use hygiene::verdict::{Severity, Status};

/// What IAM serves the function as a credential report.
#[allow(dead_code, reason = "each fuzzer has the others' too")]
pub(crate) fn served(bytes: &[u8]) {
    let report = CredentialReport::parse(bytes);
    let report = report.map_err(|error| {
        assert_escaped(&error.to_string());
        Unavailable::Unreadable(error.to_string())
    });
    let report = report.map(|credentials| Report { generated_time: None, credentials });
    judged(&snapshot(report, Ok(AccountSummary::of(|_| Some(1)))));
}

/// A file for the command line: an account summary where it begins like one, otherwise a credential report.
#[allow(dead_code, reason = "each fuzzer has the others' too")]
pub(crate) fn saved(bytes: &[u8]) {
    judged(&account(bytes));
}

/// A file for the command line, of which everything is shown that there is to show.
#[allow(dead_code, reason = "each fuzzer has the others' too")]
pub(crate) fn shown(bytes: &[u8]) {
    render_all(&account(bytes));
}

/// The same, of which the first byte chooses one thing to show: a fuzzer has no time for all. The page, which takes three times
/// as long as any other, is chosen half as often.
#[allow(dead_code, reason = "each fuzzer has the others' too")]
pub(crate) fn rendered(bytes: &[u8]) {
    if let Some((choice, bytes)) = bytes.split_first() {
        OUTPUTS[usize::from(*choice) % (2 * OUTPUTS.len() - 1) / 2](&account(bytes));
    }
}

fn account(bytes: &[u8]) -> Account {
    let message = |error: input::InputError| {
        let text = aws::error::chain(&error);
        assert_escaped(&text);
        Unavailable::Unreadable(text)
    };
    let not_given = Unavailable::NotAsked("It was not given.".to_owned());
    if bytes.starts_with(b"{\"SummaryMap\"") {
        return snapshot(Err(not_given), input::summary("file", bytes).map_err(message));
    }
    let report = input::report("file", bytes).map_err(message);
    if let Ok(report) = &report {
        report.credentials.notes().iter().for_each(|note| assert_escaped(note));
    }
    snapshot(report, Err(not_given))
}

fn snapshot(report: Result<Report, Unavailable>, summary: Result<AccountSummary, Unavailable>) -> Account {
    let account = report.as_ref().ok().and_then(|report| report.credentials.account());
    let account = account.map(|(account, partition)| (account.to_owned(), partition.to_owned()));
    let (id, partition) = account.unzip();
    Account { id, partition, report, summary, virtual_mfa_users: Ok(Vec::new()), service_credentials: Ok(Vec::new()) }
}

fn judged(account: &Account) -> Evaluation {
    let now = DateTime::<Utc>::UNIX_EPOCH + chrono::TimeDelta::days(20_000);
    let evaluation = evaluate(account, &Policy::cis(), &Scope::All, now);
    let account = evaluation.account_id.as_deref();
    let ids: HashSet<String> = evaluation.findings.iter().map(|finding| finding.id(account).to_string()).collect();
    assert_eq!(ids.len(), evaluation.findings.len(), "two findings have one identity");
    evaluation
}

/// Everything that is shown of an account, the page last.
const OUTPUTS: [fn(&Account); 6] = [decision, message, text_table, json_document, sheet, html_page];

/// Renders everything that is shown of the account, and stores what is decided.
pub(crate) fn render_all(account: &Account) {
    for output in OUTPUTS {
        output(account);
    }
    let decision = decided(account);
    let text = serde_json::to_string(&decision).expect("it is data");
    assert_eq!(serde_json::from_str::<Decision>(&text).expect("it is data"), decision);
}

fn decided(account: &Account) -> Decision {
    let rules = AlertRules { on: AlertOn::Always, min_severity: Severity::Informational };
    decide(judged(account), Memory::Off, &Enrichment::default(), rules)
}

fn decision(account: &Account) {
    assert_escaped(&decided(account).to_string());
}

fn message(account: &Account) {
    let mut outcome = Outcome { decision: decided(account), receipts: Receipts::default() };
    // Whatever a report calls a user, somebody may have called the account.
    outcome.decision.account_name = outcome
        .decision
        .failing
        .iter()
        .find_map(|failing| failing.finding.subject.owner().map(|user| user.name.chars().take(64).collect()));
    let alert = [Alert::of(&outcome)];
    let subject = mail::subject(&alert);
    assert!(subject.len() < 100 && subject.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{subject:?}");
    assert_escaped(&mail::text(&alert, 60_000));
}

fn text_table(account: &Account) {
    for screen in [Screen { width: Some(80), colour: false }, Screen::NONE] {
        assert_escaped(&viewed(account, |view, to| table::write(view, screen, to)).0);
    }
}

fn json_document(account: &Account) {
    let (json, findings) = viewed(account, |view, to| json::write(view, to));
    let json: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
    assert_eq!(json["findings"].as_array().map(Vec::len), Some(findings));
}

fn sheet(account: &Account) {
    for row in csv::Reader::from_reader(viewed(account, |view, to| spreadsheet::write(view, to)).0.as_bytes()).records()
    {
        for cell in &row.expect("it is CSV") {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "a spreadsheet would run {cell:?}");
        }
    }
}

fn html_page(account: &Account) {
    let page = viewed(account, |view, to| page::write(view, to)).0;
    assert_eq!(page.matches("<script").count(), 1, "there is one script, and it is ours");
    assert_escaped(&page);
}

/// What is written of all findings, and how many there are.
fn viewed(account: &Account, write: impl Fn(&View<'_>, &mut Vec<u8>) -> std::io::Result<()>) -> (String, usize) {
    let statuses = [Status::Failed, Status::Unknown, Status::Passed, Status::NotApplicable];
    let (evaluation, policy, enrichment) = (judged(account), Policy::cis(), Enrichment::default());
    let mut bytes = Vec::new();
    write(&View::new(account, &evaluation, &enrichment, &policy, &statuses), &mut bytes)
        .expect("memory takes everything");
    (String::from_utf8(bytes).expect("what is written is UTF-8"), evaluation.findings.len())
}

/// Nothing in it acts on a terminal, or turns a line around; line breaks are ours.
#[track_caller]
pub(crate) fn assert_escaped(text: &str) {
    // Nearly all of a page is this, and most of a fuzzer's time would be spent on it.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')) {
        return;
    }
    for line in text.lines() {
        assert_eq!(escape(line), line);
    }
}
