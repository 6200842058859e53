//! Parts of the documentation are rendered from the code. The tests compare; `make docs` writes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::iter;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use checker::permissions::permissions;
use cli::input::not_in_files;
use cli::table::{self, Screen};
use cli::view::View;
use cli::{organization, readiness, trace};
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
use serde_json::json;

use crate::account::{ROOT, decided_with, key_ids, now, outcome, snapshot, user};
use crate::asff::wire_with;
use crate::template::parameter;

/// The project's folder.
const ROOT_FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Set by `make docs`: stale text is written instead of failing a test.
const WRITE: &str = "CREDWARDEN_WRITE_DOCS";

#[test]
fn every_check_is_documented() {
    let mut table = "| check | severity | it fails when |\n|---|---|---|\n".to_owned();
    for check in CHECKS {
        let (id, severity, fails) = (check.id, check.severity, check.fails_when);
        let _ = writeln!(table, "| [`{id}`](docs/{id}.md) | {severity} | {fails} |");
    }
    compare_block("functions/hygiene/README.md", "checks", &table);
    let readme = read(&at("README.md"));
    assert!(readme.contains(&format!("\n{} checks. ", CHECKS.len())), "README.md has another number of checks");
}

/// The folder of the checks' pages, from the project's root.
const PAGES: &str = "functions/hygiene/docs";

/// The guide to the function.
const GUIDE: &str = "functions/checker/README.md";

#[test]
fn every_check_has_its_page_and_no_page_is_left_over() {
    let folder = at(PAGES);
    let pages: BTreeMap<String, String> =
        CHECKS.iter().map(|check| (format!("{}.md", check.id), page(check))).collect();
    let there = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let left_over: Vec<_> = there.filter(|name| !pages.contains_key(name)).collect();
    assert!(left_over.is_empty(), "{left_over:?} belong to no check");
    for (name, text) in &pages {
        compare(&format!("{PAGES}/{name}"), text);
    }
}

/// The guide to the command line.
const COMMAND_LINE: &str = "functions/cli/README.md";

#[test]
fn the_policies_for_readiness_and_tracing_have_the_permissions_of_their_calls() {
    for (block, role) in [("readiness-policy", readiness::ROLE), ("trace-policy", trace::ROLE)] {
        let actions: BTreeSet<&str> = role.iter().copied().flatten().map(|permission| permission.action).collect();
        let statement = json!({"Effect": "Allow", "Action": actions, "Resource": "*"});
        let policy = json!({"Version": "2012-10-17", "Statement": [statement]});
        let policy = serde_json::to_string_pretty(&policy).unwrap();
        compare_block(COMMAND_LINE, block, &format!("```json\n{policy}\n```\n"));
    }
}

#[test]
fn the_policy_for_an_organization_has_the_permissions_of_its_calls() {
    let mut actions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for permission in organization::ROLE.iter().copied().flatten() {
        let resource = match permission.resource {
            "*" => "*",
            "the member role of each account" => "arn:aws:iam::*:role/credwarden/credwarden-member",
            "the StackSet of the member role" => "arn:aws:cloudformation:*:*:stackset/credwarden-member:*",
            other => panic!("{other} has no ARN"),
        };
        actions.entry(resource).or_default().insert(permission.action);
    }
    let statement = |(resource, actions)| json!({"Effect": "Allow", "Action": actions, "Resource": resource});
    let statements: Vec<_> = actions.iter().map(statement).collect();
    let policy = json!({"Version": "2012-10-17", "Statement": statements});
    let policy = serde_json::to_string_pretty(&policy).unwrap();
    compare_block(COMMAND_LINE, "organization-policy", &format!("```json\n{policy}\n```\n"));
}

#[test]
fn every_setting_is_documented() {
    let mut table = "| parameter | variable | default | meaning |\n|---|---|---|---|\n".to_owned();
    for variable in VARIABLES {
        let default = if variable.default.is_empty() { "empty".to_owned() } else { format!("`{}`", variable.default) };
        let (name, meaning) = (variable.name, variable.meaning);
        let _ = writeln!(table, "| `{}` | `{name}` | {default} | {meaning} |", parameter(name));
    }
    compare_block(GUIDE, "settings", &table);
}

#[test]
fn every_permission_is_documented() {
    let mut table = "| action | on | what for |\n|---|---|---|\n".to_owned();
    for permission in permissions() {
        let when = permission.condition.map_or_else(String::new, |condition| format!(" (when {condition})"));
        let _ = writeln!(table, "| `{}` | {} | {}{when} |", permission.action, permission.resource, permission.purpose);
    }
    compare_block(GUIDE, "permissions", &table);
}

/// A forgotten root key, and a user whose only key was never used: short enough to show a whole mail.
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
fn the_documented_mail_is_rendered() {
    let evaluation = judged(&example());
    let enrichment = key_ids(&evaluation);
    let outcome = outcome(decided_with(evaluation, &BTreeMap::new(), &enrichment));
    let alert = [Alert::of(&outcome)];
    let mail = format!("Subject: {}\n\n{}", mail::subject(&alert), mail::text(&alert, 60_000));
    compare_block(GUIDE, "mail", &format!("```text\n{}\n```\n", mail.trim_end()));
    compare_block("README.md", "mail-excerpt", &format!("```text\n{}\n```\n", excerpt(&mail)));
}

/// Returns the subject, and the first lines about new findings.
fn excerpt(mail: &str) -> String {
    let (head, rest) = mail.split_once("\nIn Security Hub: ").expect("the mail links to Security Hub");
    let (_, new) = rest.split_once("\nNEW\n").expect("the mail has a section with new findings");
    let shown = new.lines().take(11).collect::<Vec<_>>().join("\n");
    format!("{}\n\n[…]\n\nNEW\n{}\n\n[…]", head.trim_end(), shown.trim_end())
}

#[test]
fn the_documented_table_is_rendered() {
    let (mut account, policy, enrichment) = (example(), Policy::cis(), Enrichment::default());
    account.virtual_mfa_users = Err(not_in_files());
    let evaluation = judged(&account);
    let view = View::new(&account, &evaluation, &enrichment, &policy, &[Status::Failed, Status::Unknown]);
    let mut table = Vec::new();
    table::write(&view, Screen { width: Some(100), colour: false }, &mut table).unwrap();
    compare_block(COMMAND_LINE, "table", &format!("```text\n{}```\n", String::from_utf8(table).unwrap()));
}

#[tokio::test(start_paused = true)]
async fn the_documented_finding_is_rendered() {
    let evaluation = judged(&example());
    let enrichment = key_ids(&evaluation);
    let findings = wire_with(evaluation, &BTreeMap::new(), &enrichment).await;
    let generator = "credwarden/access-key-never-used";
    let finding = findings.iter().find(|finding| finding["GeneratorId"] == generator).unwrap();
    let json = serde_json::to_string_pretty(finding).unwrap();
    compare_block(GUIDE, "finding", &format!("```json\n{json}\n```\n"));
}

/// Each guarantee names existing tests that verify it.
#[test]
fn every_guarantee_is_verified_by_a_test() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(tests.join("RELIABILITY.md")).unwrap();
    let guarantees = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| guarantee |"));
    let mut count = 0;
    for guarantee in guarantees {
        let (_, verified_by) = guarantee.trim_end_matches('|').rsplit_once('|').unwrap();
        let named: Vec<(&str, &str)> = verified_by.split('`').filter_map(|word| word.split_once("::")).collect();
        assert!(!named.is_empty(), "no test verifies {guarantee}");
        for (file, test) in named {
            let source = std::fs::read_to_string(tests.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
            let is_there = [format!("fn {test}("), format!("def {test}(")].iter().any(|head| source.contains(head));
            assert!(is_there, "{file} has no test {test}");
        }
        count += 1;
    }
    assert!(count > 20, "{count} guarantees");
}

/// The reproducible build needs one toolchain, the minimum version of the code.
#[test]
fn the_toolchain_is_the_rust_version() {
    let toolchain = read(&at(".ci/toolchain"));
    let manifest = read(&at("Cargo.toml"));
    let (_, after) = manifest.split_once("\nrust-version = \"").unwrap();
    let (least, _) = after.split_once('"').unwrap();
    assert!(toolchain.starts_with(least), "{toolchain} is not {least}");
}

#[test]
fn links_lead_to_files_and_headings() {
    let pages = markdown();
    assert!(30 < pages.len(), "{} pages", pages.len());
    let mut broken = Vec::new();
    let mut count = 0;
    for page in &pages {
        for link in links(&read(page)) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            count += 1;
            let (path, heading) = link.split_once('#').map_or((link.as_str(), None), |(path, part)| (path, Some(part)));
            let target = if path.is_empty() { page.clone() } else { page.parent().unwrap().join(path) };
            let found = target.exists() && heading.is_none_or(|heading| anchors(&read(&target)).contains(heading));
            if !found {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links without a target:\n{}", broken.join("\n"));
    assert!(50 < count, "{count} links");
}

#[test]
fn links_and_anchors_are_read_as_github_does() {
    let page = "# A `name`, and more\n\nSee [one](a.md#b), [`two`](<c d.md>) and `[no](link)`.\n\n```sh\n# no heading\n[no](x)\n```\n\
        ## Twice\n## Twice\n[three]: e.md\n";
    assert_eq!(links(page), ["a.md#b", "c d.md", "e.md"]);
    assert_eq!(anchors(page), ["a-name-and-more", "twice", "twice-1"].map(str::to_owned).into());
}

/// Returns every page of the project, without build output and dependencies.
fn markdown() -> Vec<PathBuf> {
    const NOT_OURS: [&str; 6] = [".git", ".venv", ".aws-sam", ".pytest_cache", "target", "local"];
    let mut pages = Vec::new();
    let mut folders = vec![PathBuf::from(ROOT_FOLDER)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() && !NOT_OURS.contains(&name) {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    pages
}

/// Returns the lines outside of code blocks.
fn prose(page: &str) -> impl Iterator<Item = &str> {
    let mut code = false;
    page.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    })
}

/// Returns the targets of `[text](target)` and of `[text]: target`.
fn links(page: &str) -> Vec<String> {
    let mut links = Vec::new();
    // A link's text may contain a line break.
    let text: String = prose(page).flat_map(|line| [line, "\n"]).collect();
    let mut from = 0;
    while let Some(found) = text[from..].find("](") {
        let open = from + found;
        let start = open + 2;
        from = text[start..].find(')').map_or(text.len(), |length| start + length);
        // A code span has no links; a link's text may be a code span.
        let paragraph = text[..open].rfind("\n\n").unwrap_or(0);
        if text[paragraph..open].matches('`').count().is_multiple_of(2) {
            links.push(text[start..from].trim_matches(['<', '>']).to_owned());
        }
    }
    let defined = prose(page).filter_map(|line| line.strip_prefix('[')?.split_once("]: "));
    links.extend(defined.map(|(_, target)| target.trim().to_owned()));
    links
}

/// Returns the anchors that GitHub makes from the headings.
fn anchors(page: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for heading in prose(page).filter(|line| line.starts_with('#')) {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = text.chars().filter(|char| char.is_alphanumeric() || " -_".contains(*char));
        let anchor: String = kept.map(|char| if char == ' ' { '-' } else { char }).collect();
        let numbered = (1..).map(|number| format!("{anchor}-{number}"));
        let free = iter::once(anchor.clone()).chain(numbered).find(|anchor| !anchors.contains(anchor));
        anchors.extend(free);
    }
    anchors
}

fn at(path: &str) -> PathBuf {
    Path::new(ROOT_FOLDER).join(path)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Compares the file's block between `<!-- name -->` and `<!-- /name -->` with this text.
#[track_caller]
fn compare_block(file: &str, name: &str, text: &str) {
    // The tests of a binary run in parallel, and several may write the file.
    static FILE: Mutex<()> = Mutex::new(());
    let _alone = FILE.lock().unwrap_or_else(PoisonError::into_inner);
    let page = read(&at(file));
    let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let start = page.find(&open).unwrap_or_else(|| panic!("{file} has no {open}")) + open.len();
    let end = start + page[start..].find(&close).unwrap_or_else(|| panic!("{file} has no {close}"));
    compare(file, &format!("{}{text}{}", &page[..start], &page[end..]));
}

/// Compares the file with this text.
#[track_caller]
fn compare(file: &str, text: &str) {
    let path = at(file);
    if std::fs::read_to_string(&path).ok().as_deref() == Some(text) {
        return;
    }
    assert!(std::env::var_os(WRITE).is_some(), "{file} is stale: `make docs` writes it");
    std::fs::write(&path, text).unwrap();
}
