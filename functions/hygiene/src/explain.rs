//! The documentation page of a check, in Markdown that is readable as text: on a terminal and in the repository.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use chrono::DateTime;

use crate::check::{Check, Rule, Target};
use crate::policy::Policy;
use crate::remediation::Remediation;
use crate::requirements::{Catalogue, Mapping, Source};
use crate::subject::{AccessKeySubject, KeyTag, ServiceCredentialSubject, Subject, UserSubject};
use crate::text::paragraph;

/// The page.
pub fn page(check: &Check) -> String {
    let mut page = format!("# {}\n\n{}\n\n", check.id, check.title);
    let on = match check.rule {
        Rule::Root(_) => "the root user",
        Rule::User(_) => "each IAM user",
        Rule::AccessKey(_) => "each access key of each IAM user",
        Rule::ServiceCredential(_) => "each service-specific credential of each IAM user",
        Rule::BlindSpots(_) => "the root user, each IAM user, the account",
    };
    let _ = writeln!(page, "- Severity: {}\n- On: {on}", check.severity);

    heading(&mut page, "It fails when");
    paragraph(&mut page, "", check.fails_when);
    for (name, limit) in Policy::LIMITS.iter().filter(|(name, _)| check.fails_when.contains(name)) {
        let (option, days) = (option(name), limit(&Policy::cis()).num_days());
        let limit =
            format!("`{name}` is a parameter of the template, `{option}` on the command line; {days} by default.");
        page.push('\n');
        paragraph(&mut page, "", &limit);
    }

    heading(&mut page, "Why it matters");
    paragraph(&mut page, "", check.rationale);

    heading(&mut page, "How to fix it");
    paragraph(&mut page, "", check.recommendation);
    page.push('\n');
    let subject = example(check);
    let access_key_id = subject.access_key().map(|_| "AKIAIOSFODNN7EXAMPLE");
    match (check.remediation)(&Target { subject: &subject, access_key_id }) {
        Remediation::Console { steps, note } => {
            for (number, step) in (1..).zip(steps) {
                paragraph(&mut page, &format!("{number}. "), step);
            }
            if let Some(note) = note {
                page.push('\n');
                paragraph(&mut page, "", note);
            }
        }
        script @ Remediation::Shell(_) => {
            let _ = writeln!(page, "```sh\n{script}\n```");
        }
    }

    heading(&mut page, "What it maps to");
    let mappings = mappings(check);
    if mappings.is_empty() {
        let none = "No benchmark, control or framework that we know of asks for this. It is still worth doing.";
        paragraph(&mut page, "", none);
    }
    for mapping in mappings {
        paragraph(&mut page, "- ", &mapping);
    }

    heading(&mut page, "More");
    let _ = writeln!(page, "- [AWS's documentation]({})", check.documentation);
    page
}

fn heading(page: &mut String, text: &str) {
    let _ = write!(page, "\n## {text}\n\n");
}

/// `AccessKeyMaxAgeDays` is `--access-key-max-age-days`.
fn option(parameter: &str) -> String {
    let mut option = "-".to_owned();
    for letter in parameter.chars() {
        if letter.is_ascii_uppercase() {
            option.push('-');
        }
        option.push(letter.to_ascii_lowercase());
    }
    option
}

/// The subject in the example commands.
fn example(check: &Check) -> Subject {
    let user = UserSubject { name: "alice".to_owned(), arn: None, created: None };
    match check.rule {
        Rule::Root(_) => Subject::Root { arn: None },
        Rule::User(_) | Rule::BlindSpots(_) => Subject::User(user),
        Rule::AccessKey(_) => {
            let created = DateTime::from_timestamp(1_624_166_210, 0);
            Subject::AccessKey(AccessKeySubject { user, slot: 1, created, active: Some(true), tag: KeyTag::Slot(1) })
        }
        Rule::ServiceCredential(_) => Subject::ServiceCredential(ServiceCredentialSubject {
            user,
            id: "ACCAEXAMPLE123EXAMPLE".to_owned(),
            service: "bedrock.amazonaws.com".to_owned(),
            created: DateTime::UNIX_EPOCH,
        }),
    }
}

/// The check's mappings, one line per catalogue, benchmarks first. Each line has its source: a number from AWS's
/// documentation weighs more than an interpretation.
pub fn mappings(check: &Check) -> Vec<String> {
    // NIST's and PCI's are from AWS's mapping of its own control or, without one, of the nearest control.
    let control = |mapping: &Mapping| mapping.catalogue == Catalogue::SecurityHub && mapping.source == Source::Aws;
    let by_control = if check.mappings.iter().any(control) { Source::Aws.name() } else { SIMILAR };
    let families = [
        ("CIS AWS Foundations Benchmark ", "/", "CIS AWS Foundations Benchmark", CIS_SOURCE),
        ("NIST.800-53.r5", " ", "NIST SP 800-53 Rev. 5", by_control),
        ("PCI DSS ", "/", "PCI DSS", by_control),
    ];
    let family = |(prefix, separator, name, source): (&str, &str, &str, &str)| {
        let own = check.requirements.iter().filter_map(|requirement| requirement.strip_prefix(prefix));
        let list = grouped(own.filter_map(|requirement| requirement.split_once(separator)));
        (!list.is_empty()).then(|| format!("{name}: {list} ({source})"))
    };
    let mapping = |Mapping { catalogue, ids, source }: &Mapping| {
        format!("{}: {} ({})", catalogue.name(), ids.join(", "), source.name())
    };
    families.into_iter().filter_map(family).chain(check.mappings.iter().map(mapping)).collect()
}

const SIMILAR: &str = "interpretation: ours, from AWS's mapping of a similar control";
const CIS_SOURCE: &str =
    "the benchmark's own numbers: of v1.2.0 from AWS's documentation, of later ones from Prowler's files";

/// `1.12 in v1.2.0; 1.4 in v1.4.0, v1.5.0`: the numbers in order, with the versions that have them.
fn grouped<'a>(items: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let items: Vec<_> = items.collect();
    if items.iter().all(|(version, _)| version.is_empty()) {
        return items.iter().map(|(_, number)| *number).collect::<Vec<_>>().join(", ");
    }
    let mut seen = BTreeSet::new();
    let mut groups: Vec<(Vec<&str>, Vec<&str>)> = Vec::new();
    for (_, number) in items.iter().filter(|(_, number)| seen.insert(*number)) {
        let versions = items.iter().filter(|(_, other)| other == number).map(|(version, _)| *version).collect();
        match groups.iter_mut().find(|(_, known)| *known == versions) {
            Some((numbers, _)) => numbers.push(number),
            None => groups.push((vec![number], versions)),
        }
    }
    let group = |(numbers, versions): &(Vec<_>, Vec<_>)| format!("{} in {}", numbers.join(", "), versions.join(", "));
    groups.iter().map(group).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::{CHECKS, find};
    use crate::remediation::Step;

    /// An interactive zsh (macOS) does not support comments: it runs such a line as a command, also runs the text after
    /// a `;`, and parses quotes in it.
    #[test]
    fn comments_in_scripts_do_nothing_where_the_shell_has_none() {
        for check in CHECKS {
            for access_key_id in [None, Some("AKIAIOSFODNN7EXAMPLE")] {
                let target = Target { subject: &example(check), access_key_id };
                let Remediation::Shell(steps) = (check.remediation)(&target) else { continue };
                for step in steps {
                    let Step::Comment(comment) = step else { continue };
                    assert!(
                        !comment.contains([';', '&', '|', '<', '>', '$', '`', '\\', '"', '\'', '!']),
                        "{}: {comment}",
                        check.id
                    );
                }
            }
        }
    }

    #[test]
    fn a_page_has_all_that_an_auditor_asks() {
        insta::assert_snapshot!(page(find("access-key-unused").unwrap()));
    }

    #[test]
    fn a_page_on_root_has_steps() {
        insta::assert_snapshot!(page(find("root-access-key-present").unwrap()));
    }

    #[test]
    fn every_requirement_is_on_its_page() {
        for check in CHECKS {
            let page = page(check);
            let numbers = check.requirements.iter().filter_map(|requirement| requirement.rsplit(['/', ' ']).next());
            for number in numbers.chain(check.mappings.iter().flat_map(|mapping| mapping.ids.iter().copied())) {
                let unwrapped = page.split_whitespace().collect::<Vec<_>>().join(" ");
                assert!(unwrapped.contains(number), "{}: {number}", check.id);
            }
        }
    }

    #[test]
    fn every_limit_in_a_text_is_explained() {
        for check in CHECKS {
            let named = check.fails_when.split('`').filter(|word| word.ends_with("Days"));
            for name in named {
                assert!(Policy::LIMITS.iter().any(|(known, _)| *known == name), "{}: {name}", check.id);
            }
        }
    }
}
