//! What the README shows of the code is rendered from it. A stale block is rewritten, and the test fails once.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use checker::permissions::permissions;
use cli::input::not_in_files;
use cli::table::{self, Screen};
use cli::view::View;
use hygiene::account::Account;
use hygiene::alert::Alert;
use hygiene::checks::CHECKS;
use hygiene::enrichment::Enrichment;
use hygiene::evaluate::{Evaluation, Scope, evaluate};
use hygiene::explain::page;
use hygiene::mail;
use hygiene::policy::Policy;
use hygiene::settings::VARIABLES;
use hygiene::verdict::Status;

use crate::account::{ROOT, decided_with, key_ids, now, outcome, snapshot, user};
use crate::asff::wire_with;
use crate::template::parameter;

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");

#[test]
fn the_checks_are_all_there() {
    let mut table = "| check | severity | it fails when |\n|---|---|---|\n".to_owned();
    for check in CHECKS {
        let (id, severity, fails) = (check.id, check.severity, check.fails_when);
        let _ = writeln!(table, "| [`{id}`]({PAGES}/{id}.md) | {severity} | {fails} |");
    }
    fresh("checks", &table);
}

/// Where each check has its page, from the project's root.
const PAGES: &str = "functions/hygiene/docs";

#[test]
fn every_check_has_its_page_and_no_page_is_left_over() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(PAGES);
    std::fs::create_dir_all(&folder).unwrap();
    let pages: BTreeMap<String, String> =
        CHECKS.iter().map(|check| (format!("{}.md", check.id), page(check))).collect();
    let there = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let left_over: Vec<_> = there.filter(|name| !pages.contains_key(name)).collect();
    assert!(left_over.is_empty(), "{left_over:?} are no check's");
    let old =
        |(name, text): &(&String, &String)| std::fs::read_to_string(folder.join(name)).ok().as_ref() != Some(*text);
    let rewritten: Vec<_> = pages.iter().filter(old).collect();
    for (name, text) in &rewritten {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let names: Vec<_> = rewritten.iter().map(|(name, _)| name).collect();
    assert!(names.is_empty(), "{names:?} were old. They are new now: look at them and commit them.");
}

#[test]
fn the_settings_are_all_there() {
    let mut table = "| parameter | variable | default | meaning |\n|---|---|---|---|\n".to_owned();
    for variable in VARIABLES {
        let default = if variable.default.is_empty() { "empty".to_owned() } else { format!("`{}`", variable.default) };
        let (name, meaning) = (variable.name, variable.meaning);
        let _ = writeln!(table, "| `{}` | `{name}` | {default} | {meaning} |", parameter(name));
    }
    fresh("settings", &table);
}

#[test]
fn the_permissions_are_all_there() {
    let mut table = "| action | on | what for |\n|---|---|---|\n".to_owned();
    for permission in permissions() {
        let when = permission.condition.map_or_else(String::new, |condition| format!(" (when {condition})"));
        let _ = writeln!(table, "| `{}` | {} | {}{when} |", permission.action, permission.resource, permission.purpose);
    }
    fresh("permissions", &table);
}

/// A forgotten root key, and a user whose one key was never used: short enough to show a whole mail.
fn example() -> Account {
    let bot = user("deploy-bot").replace(",true,2026-11-18T06:00:00Z,2020-01-01T00:00:00Z,", ",false,N/A,N/A,");
    let bot = bot.replace("2026-11-19T06:00:00Z,eu-central-1,s3,false,2020-02-03T04:05:06Z", "N/A,N/A,N/A,false,N/A");
    let root = ROOT.replace(
        "true,2019-01-02T03:04:05Z,2026-11-19T06:00:00Z,us-east-1,iam",
        "false,2019-01-02T03:04:05Z,N/A,N/A,N/A",
    );
    snapshot(&[&root, &bot])
}

fn judged(example: &Account) -> Evaluation {
    evaluate(example, &Policy::cis(), &Scope::All, now())
}

#[test]
fn the_mail_is_a_real_one() {
    let evaluation = judged(&example());
    let enrichment = key_ids(&evaluation);
    let outcome = outcome(decided_with(evaluation, &BTreeMap::new(), &enrichment));
    let alert = [Alert::of(&outcome)];
    let mail = format!("Subject: {}\n\n{}", mail::subject(&alert), mail::text(&alert, 60_000));
    fresh("mail", &format!("```text\n{}\n```\n", mail.trim_end()));
}

#[test]
fn the_table_is_a_real_one() {
    let (mut account, policy, enrichment) = (example(), Policy::cis(), Enrichment::default());
    account.virtual_mfa_users = Err(not_in_files());
    let evaluation = judged(&account);
    let view = View::new(&account, &evaluation, &enrichment, &policy, &[Status::Failed, Status::Unknown]);
    let mut table = Vec::new();
    table::write(&view, Screen { width: Some(100), colour: false }, &mut table).unwrap();
    fresh("table", &format!("```text\n{}```\n", String::from_utf8(table).unwrap()));
}

#[tokio::test(start_paused = true)]
async fn the_finding_is_a_real_one() {
    let evaluation = judged(&example());
    let enrichment = key_ids(&evaluation);
    let findings = wire_with(evaluation, &BTreeMap::new(), &enrichment).await;
    let generator = "credwarden/access-key-never-used";
    let finding = findings.iter().find(|finding| finding["GeneratorId"] == generator).unwrap();
    fresh("finding", &format!("```json\n{}\n```\n", serde_json::to_string_pretty(finding).unwrap()));
}

/// Each promise names the tests that keep it, and they are there.
#[test]
fn every_promise_is_kept_by_a_test() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(tests.join("RELIABILITY.md")).unwrap();
    let promises = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| promise |"));
    let mut count = 0;
    for promise in promises {
        let (_, kept_by) = promise.trim_end_matches('|').rsplit_once('|').unwrap();
        let named: Vec<(&str, &str)> = kept_by.split('`').filter_map(|word| word.split_once("::")).collect();
        assert!(!named.is_empty(), "nothing keeps {promise}");
        for (file, test) in named {
            let source = std::fs::read_to_string(tests.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
            let is_there = [format!("fn {test}("), format!("def {test}(")].iter().any(|head| source.contains(head));
            assert!(is_there, "{file} has no test {test}");
        }
        count += 1;
    }
    assert!(count > 20, "{count} promises");
}

/// The block between `<!-- name -->` and `<!-- /name -->` is this text.
#[track_caller]
fn fresh(name: &str, text: &str) {
    // The tests of one binary run side by side, and more than one may rewrite the file.
    static FILE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _alone = FILE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let readme = std::fs::read_to_string(README).unwrap();
    let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let start = readme.find(&open).unwrap_or_else(|| panic!("README.md has no {open}")) + open.len();
    let end = start + readme[start..].find(&close).unwrap_or_else(|| panic!("README.md has no {close}"));
    if readme[start..end] != *text {
        std::fs::write(README, format!("{}{text}{}", &readme[..start], &readme[end..])).unwrap();
        panic!("README.md had an old table of {name}. It is new now: look at it and commit it.");
    }
}
