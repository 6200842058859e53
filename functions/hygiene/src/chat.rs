//! The alert in a chat channel: the `content` of a custom notification of Amazon Q Developer in chat applications, which
//! shows it in Slack, Microsoft Teams and Amazon Chime. Without it, Q drops a message without an error.

use std::fmt::Write as _;

use serde::Serialize;

use crate::alert::Alert;
use crate::by_subject::{self, messages};
use crate::mail::{console_link, endings, headline, where_the_rest_is, whose};
use crate::text::{capitalized, counted, cut, escape};

/// The maximum length of the title, in bytes: Q's limit is 250 characters.
const TITLE: usize = 250;
/// The length of the description after which no more findings are listed, in bytes.
const DESCRIPTION: usize = 3_000;
/// The length of the description after which no more errors are listed: Q's limit is 8,000 characters.
const LONGEST: usize = 7_000;
/// The maximum number of findings on one subject.
const FINDINGS: usize = 8;
/// The maximum length of a message or an error, in characters.
const TEXT: usize = 400;
/// The maximum number of errors.
const ERRORS: usize = 5;

/// The text, in the markup that the chat program understands.
/// See <https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html>.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Content {
    text_type: &'static str,
    title: String,
    description: String,
}

/// The new findings by subject, worst first, the resolved ones and the errors, as far as there is room.
pub fn content(alerts: &[Alert<'_>]) -> Content {
    let name = match alerts {
        [alert] => alert.decision.account_name.as_deref(),
        _ => None,
    };
    // A subject of a mail is ASCII; a title need not be.
    let name = name.map_or_else(String::new, |name| format!(" ({})", cut(&escape(name), 64)));
    let subject = headline(alerts, &name).replacen("[credwarden] ", "credwarden, ", 1);
    let mut title = String::new();
    for character in subject.chars() {
        let escaped = escape_markup(character.encode_utf8(&mut [0; 4]));
        if TITLE < title.len() + escaped.len() {
            break;
        }
        title += &escaped;
    }
    let mut description = String::new();
    for alert in alerts {
        new_findings(&mut description, alert);
        if DESCRIPTION < description.len() {
            break;
        }
    }
    for alert in alerts {
        resolved(&mut description, alert);
    }
    let errors: Vec<&String> = alerts.iter().flat_map(|alert| &alert.errors).collect();
    if !errors.is_empty() {
        description += "*Errors in this run*\n";
    }
    let mut listed = 0;
    for error in errors.iter().take(ERRORS) {
        let line = format!("• {}\n", escape_markup(&cut(&escape(error), TEXT)));
        if LONGEST < description.len() + line.len() {
            break;
        }
        description += &line;
        listed += 1;
    }
    if listed < errors.len() {
        let _ = writeln!(description, "And {}.", counted((errors.len() - listed) as u64, "more error"));
    }
    if let Some(link) = alerts.first().filter(|_| alerts.len() == 1).and_then(console_link) {
        let _ = writeln!(description, "In Security Hub: {link}");
    }
    if description.is_empty() {
        description += "Nothing is new.\n";
    }
    Content { text_type: "client-markdown", title, description }
}

fn new_findings(description: &mut String, alert: &Alert<'_>) {
    let groups = by_subject::grouped(alert.new.iter().copied(), |failing| &failing.finding);
    let mut shown = 0;
    for (number, group) in groups.iter().enumerate() {
        let mut text = format!("*{}: {}*\n", escape_markup(&capitalized(&group.owner.to_string())), group.worst);
        let messages = messages(group.findings.iter().map(|failing| &failing.finding));
        for (failing, message) in group.findings.iter().zip(messages).take(FINDINGS) {
            let message = escape_markup(&cut(&escape(&message), TEXT));
            let _ = writeln!(text, "• {} {message} ({})", failing.severity(), failing.finding.check.id);
        }
        more(&mut text, group.findings.len());
        if DESCRIPTION < description.len() + text.len() && !description.is_empty() {
            let findings = counted((alert.new.len() - shown) as u64, "new finding");
            let subjects = counted((groups.len() - number) as u64, "more user");
            let _ = writeln!(description, "And {findings} on {subjects}. {}", where_the_rest_is(alert));
            return;
        }
        *description += &text;
        shown += group.findings.len();
    }
}

fn resolved(description: &mut String, alert: &Alert<'_>) {
    for (title, closings) in endings(alert).iter().filter(|(_, closings)| !closings.is_empty()) {
        let mut text = format!("*{title}*\n");
        for closing in closings.iter().take(FINDINGS) {
            let (title, whose) = (escape_markup(&escape(&closing.stored.title)), escape_markup(&whose(closing)));
            let _ = writeln!(text, "• {} {title} ({whose})", closing.stored.severity);
        }
        more(&mut text, closings.len());
        if description.len() + text.len() <= LONGEST {
            *description += &text;
        }
    }
}

/// Says how many of the findings are not listed.
fn more(text: &mut String, findings: usize) {
    if FINDINGS < findings {
        let _ = writeln!(text, "• and {}", counted((findings - FINDINGS) as u64, "more finding"));
    }
}

/// Escapes markup: no mention, link or formatting remains. Slack has entities for three characters only, so the others are
/// replaced by similar ones. `_` is a valid character of user names, and can at worst make a word italic.
fn escape_markup(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '[' => escaped.push('('),
            ']' => escaped.push(')'),
            '`' => escaped.push('\''),
            '*' => escaped.push('\u{2217}'),
            '~' => escaped.push('\u{223c}'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::account::Account;
    use crate::decide::decide;
    use crate::decision::{AlertOn, AlertRules};
    use crate::enrichment::Enrichment;
    use crate::memory::Memory;
    use crate::outcome::{Outcome, Receipts};
    use crate::problems::Step;
    use crate::testing::{account, evaluated, stored};
    use crate::verdict::Severity;

    fn content_of(account: &Account, name: Option<&str>, errors: &[&str]) -> Content {
        let memory = Memory::Recalled { region: "eu-central-1".to_owned(), findings: BTreeMap::new() };
        let rules = AlertRules { on: AlertOn::Changes, min_severity: Severity::Low };
        let mut decision = decide(evaluated(account), memory, &Enrichment::default(), rules);
        decision.account_name = name.map(str::to_owned);
        for error in errors {
            decision.problems.fail(Step::Collect, (*error).to_owned());
        }
        let outcome = Outcome { decision, receipts: Receipts::default() };
        let content = content(std::slice::from_ref(&Alert::of(&outcome)));
        assert!(content.title.chars().count() <= 250, "{}", content.title);
        assert!(content.description.len() <= 8_000, "{}", content.description.len());
        content
    }

    #[test]
    fn new_findings_are_listed_by_subject_with_errors_and_a_link() {
        let account = account(
            "user | password_enabled | mfa_active | access_key_1_active | access_key_1_last_rotated | access_key_1_last_used_date\n\
             <root_account> | false | true | false | N/A | N/A\n\
             deploy_bot | false | false | true | 2021-06-20T05:16:50Z | 2026-11-19T06:00:00Z\n\
             alice | true | false | false | N/A | N/A",
        );
        let content = content_of(&account, Some("payroll"), &["could not read the account summary: AccessDenied"]);
        insta::assert_snapshot!(format!("{}\n\n{}", content.title, content.description), @"
        credwarden, 123456789012 (payroll): 3 new (worst: HIGH), run incomplete

        *User alice: HIGH*
        • HIGH alice can sign in to the console with a password alone: no MFA device. (console-user-mfa-disabled)
        • MEDIUM The console password of alice has no recorded use; the user was created on 2019-01-02 03:04 UTC, 2,879 days ago; the limit is 45 days. (console-password-unused)
        *User deploy_bot: MEDIUM*
        • MEDIUM Access key 1 of deploy_bot was created on 2021-06-20 05:16 UTC, 1,979 days ago; the limit is 90 days. (access-key-not-rotated)
        *Errors in this run*
        • could not read the account summary: AccessDenied
        In Security Hub: https://eu-central-1.console.aws.amazon.com/securityhub/home?region=eu-central-1#/findings?search=GeneratorId%3D%255Coperator%255C%253APREFIX%255C%253Acredwarden%252F%26RecordState%3D%255Coperator%255C%253AEQUALS%255C%253AACTIVE
        ");
    }

    #[test]
    fn the_name_of_the_account_is_in_the_title_in_any_script() {
        let account = account("user\n<root_account>");
        let title = |name| content_of(&account, Some(name), &[]).title;
        assert_eq!(title("\u{7d4c}\u{7406}"), "credwarden, 123456789012 (\u{7d4c}\u{7406}): nothing open");
    }

    #[test]
    fn resolved_findings_are_listed() {
        let memory = Memory::Recalled {
            region: "eu-central-1".to_owned(),
            findings: [stored("credwarden/root-access-key-active/123456789012/root")]
                .map(|stored| (stored.id.clone(), stored))
                .into(),
        };
        let rules = AlertRules { on: AlertOn::Changes, min_severity: Severity::Low };
        let account = account("user\n<root_account>");
        let decision = decide(evaluated(&account), memory, &Enrichment::default(), rules);
        let outcome = Outcome { decision, receipts: Receipts::default() };
        let Content { title, description, .. } = content(std::slice::from_ref(&Alert::of(&outcome)));
        assert!(title.ends_with(": 1 resolved"), "{title}");
        assert!(description.contains("(the root user)\n"), "{description}");
    }

    #[test]
    fn markup_in_a_name_or_an_error_is_escaped() {
        let account =
            account("user | password_enabled | mfa_active\n<root_account> | false | true\nalice | true | false");
        let hostile = "<!channel> [x](http://e.example) *b* `c` ~d~ &\u{202e}";
        let Content { title, description, .. } = content_of(&account, Some(hostile), &[hostile]);
        for text in [title, description.replace("*User alice: HIGH*", "").replace("*Errors in this run*", "")] {
            assert!(!text.contains(['<', '>', '[', ']', '*', '`', '~', '\u{202e}']), "{text}");
            assert!(text.contains("&lt;!channel&gt; (x)(http"), "{text}");
        }
    }

    #[test]
    fn a_long_list_is_cut_with_a_count() {
        let rows: Vec<_> = (0..5000).map(|number| format!("u{number:04} | true | 2021-06-20T05:16:50Z")).collect();
        let head = "user | access_key_1_active | access_key_1_last_rotated\n<root_account> | false | N/A\n";
        let long = "&".repeat(5000);
        let content =
            content_of(&account(&(head.to_owned() + &rows.join("\n"))), Some(&"<".repeat(64)), &[long.as_str(); 9]);
        let (listed, rest) = content.description.split_once("\nAnd ").unwrap();
        let shown = listed.matches("\u{2022} MEDIUM ").count();
        assert!(
            0 < shown && rest.starts_with(&format!("{} new findings on ", crate::text::grouped(10_000 - shown as u64))),
            "{rest}"
        );
        assert!(rest.contains("And 8 more errors."), "{rest}");
    }
}
