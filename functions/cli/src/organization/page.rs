//! One HTML page on an organization: the coverage, the accounts, and the findings of each. It loads nothing from elsewhere, and all
//! data is escaped.
//!
//! The coverage is HTML. A script makes the rows from the index; the findings are compressed, and are decompressed when a person
//! opens an account: a browser cannot lay out fifty thousand findings at once.

mod details;
mod index;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use askama::Template;
use hygiene::check::Check;
use hygiene::checks::CHECKS;
use hygiene::evaluate::Counts;
use hygiene::finding::Finding;
use hygiene::organization::{Coverage, Member, Organization, Outcome};
use hygiene::text::{capitalized, counted, escape, grouped};
use hygiene::verdict::{Severity, Status};

use crate::page;
use details::Details;
use index::Index;

const STYLE: &str = concat!(include_str!("../../templates/page.css"), include_str!("../../templates/organization.css"));
const SCRIPT: &str = concat!(
    include_str!("../../templates/element.js"),
    include_str!("../../templates/copy.js"),
    include_str!("../../templates/print.js"),
    include_str!("../../templates/organization.js")
);
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The columns of accounts: sort key and heading.
const COLUMNS: [(&str, &str); 11] = [
    ("worst", "Worst"),
    ("account", "Account"),
    ("unit", "Organizational unit"),
    ("critical", "Critical"),
    ("high", "High"),
    ("medium", "Medium"),
    ("low", "Low"),
    ("informational", "Info"),
    ("unknown", "Unknown"),
    ("root", "Root user"),
    ("key", "Oldest active key"),
];

/// Lists of more accounts than this are collapsed.
const LONGEST_OPEN_LIST: usize = 12;

/// Writes the page. The same input gives the same bytes.
pub fn write(organization: &Organization, to: &mut dyn Write) -> io::Result<()> {
    let mut to = io::BufWriter::with_capacity(64 * 1024, to);
    Page::new(organization).write_into(&mut to)?;
    to.flush()
}

#[derive(Template)]
#[template(path = "organization.html")]
struct Page<'a> {
    organization: &'a Organization,
    style_hash: String,
    script_hash: String,
    coverage: Coverage,
    incomplete: usize,
    not_audited: Vec<Reason<'a>>,
    out_of_scope: Vec<Reason<'a>>,
    counts: Counts,
    severities: Vec<Tile>,
    members: Vec<&'a Member>,
    details: Details,
    checks: Vec<&'static Check>,
}

/// Accounts of which nothing was found out, for the same reason.
struct Reason<'a> {
    text: String,
    members: Vec<&'a Member>,
}

/// The number of findings of a severity, or of UNKNOWN findings, and of the accounts that have one.
struct Tile {
    label: &'static str,
    count: usize,
    accounts: usize,
}

impl<'a> Page<'a> {
    fn new(organization: &'a Organization) -> Self {
        let audits = || organization.members.iter().filter_map(Member::audit);
        let tile = |label, is: &dyn Fn(&Finding) -> bool| {
            let counts = audits().map(|audit| audit.findings.iter().filter(|finding| is(finding)).count());
            let (count, accounts) = counts.fold((0, 0), |sum, count| (sum.0 + count, sum.1 + usize::from(count != 0)));
            Tile { label, count, accounts }
        };
        let severities = Severity::ALL.into_iter().rev().map(|severity| {
            tile(severity.label(), &|finding| finding.status() == Status::Failed && finding.severity() == severity)
        });
        let unknown = tile(Status::Unknown.label(), &|finding| finding.status() == Status::Unknown);
        let shown: BTreeSet<&str> =
            audits().flat_map(|audit| &audit.findings).map(|finding| finding.check.id).collect();
        let members = worst_first(organization);
        Self {
            organization,
            style_hash: page::hash(STYLE),
            script_hash: page::hash(SCRIPT),
            coverage: organization.coverage(),
            incomplete: audits().filter(|audit| audit.is_incomplete).count(),
            not_audited: reasons(organization, Outcome::not_audited),
            out_of_scope: reasons(organization, Outcome::out_of_scope),
            counts: audits().fold(Counts::default(), |sum, audit| sum + audit.counts),
            severities: severities.chain([unknown]).collect(),
            details: Details::of(&members),
            members,
            checks: CHECKS.iter().copied().filter(|check| shown.contains(check.id)).collect(),
        }
    }

    fn name(&self) -> String {
        match &self.organization.id {
            Some(id) => format!("Organization {}", escape(id)),
            None => format!("{} from saved files", counted(self.organization.members.len() as u64, "AWS account")),
        }
    }

    /// How many of the accounts in scope were audited.
    fn audited(&self) -> String {
        let Coverage { audited, not_audited, .. } = self.coverage;
        let accounts = |count: usize| counted(count as u64, "account");
        match (audited, not_audited) {
            (0, 0) => "No account is in scope, so nothing was audited.".to_owned(),
            (1, 0) => "The account in scope was audited.".to_owned(),
            (audited, 0) => format!("All {} in scope were audited.", accounts(audited)),
            (0, 1) => "The account in scope was not audited, and nothing is known about it.".to_owned(),
            (0, not_audited) => {
                format!("None of the {} in scope was audited, and nothing is known about them.", accounts(not_audited))
            }
            (audited, not_audited) => format!(
                "{} of {} in scope {} audited. {}, and nothing is known about {}.",
                grouped(audited as u64),
                accounts(audited + not_audited),
                if audited == 1 { "was" } else { "were" },
                if not_audited == 1 {
                    "1 was not".to_owned()
                } else {
                    format!("{} were not", grouped(not_audited as u64))
                },
                if not_audited == 1 { "it" } else { "them" },
            ),
        }
    }

    /// The accounts of which nothing was found out, by heading.
    fn lists(&self) -> [(&'static str, &[Reason<'a>]); 2] {
        [("Not audited", &self.not_audited), ("Out of scope", &self.out_of_scope)]
    }

    /// Whether the accounts of the reasons are shown without a click.
    #[expect(clippy::unused_self, reason = "the template calls it")]
    fn are_open(&self, reasons: &[Reason<'_>]) -> bool {
        reasons.iter().map(|reason| reason.members.len()).sum::<usize>() <= LONGEST_OPEN_LIST
    }

    /// The index, as JSON that cannot end the element that it is in.
    fn index(&self) -> String {
        Index::of(&self.members, &self.details, &self.checks).to_json()
    }

    /// The compressed findings, one chunk at a time.
    fn chunks(&self) -> impl Iterator<Item = String> {
        self.details.chunks(&self.members, &self.checks)
    }

    #[expect(clippy::unused_self, reason = "the template calls it")]
    fn marked<'t>(&self, text: &'t str) -> Vec<(&'t str, bool)> {
        page::marked(text)
    }

    #[expect(clippy::unused_self, reason = "the template calls it")]
    fn mappings(&self, check: &Check) -> Vec<String> {
        hygiene::explain::mappings(check)
    }

    #[expect(clippy::unused_self, reason = "the template calls it")]
    fn escape<'t>(&self, text: &'t str) -> Cow<'t, str> {
        escape(text)
    }

    #[expect(
        clippy::unused_self,
        clippy::trivially_copy_pass_by_ref,
        reason = "the template calls it, with a reference"
    )]
    fn number(&self, count: &usize) -> String {
        grouped(*count as u64)
    }

    #[expect(clippy::unused_self, reason = "the template calls it")]
    fn accounts(&self, count: usize) -> String {
        counted(count as u64, "account")
    }
}

/// The accounts in the order of the page: those with failures, worst first; those that were not audited, which can be worse than
/// all others; those in which nothing fails; those out of scope.
fn worst_first(organization: &Organization) -> Vec<&Member> {
    let (fails, rest): (Vec<_>, Vec<_>) =
        organization.worst_first().into_iter().partition(|(_, audit)| audit.worst().is_some());
    let is = |what: fn(&Outcome) -> bool| organization.members.iter().filter(move |member| what(&member.outcome));
    let not_audited = is(|outcome| matches!(outcome, Outcome::NotAudited(_)));
    let out_of_scope = is(|outcome| matches!(outcome, Outcome::OutOfScope(_)));
    let fails = fails.into_iter().map(|(member, _)| member);
    let rest = rest.into_iter().map(|(member, _)| member);
    fails.chain(not_audited).chain(rest).chain(out_of_scope).collect()
}

/// The reasons, the one of most accounts first. The message of a refusal has the account's id, so reasons that differ only in that
/// are equal.
fn reasons(organization: &Organization, reason: fn(&Outcome) -> Option<&str>) -> Vec<Reason<'_>> {
    let mut groups: BTreeMap<String, Vec<(&Member, &str)>> = BTreeMap::new();
    for member in &organization.members {
        if let Some(text) = reason(&member.outcome) {
            groups.entry(text.replace(&member.listed.id, "<account>")).or_default().push((member, text));
        }
    }
    let mut reasons: Vec<_> = groups
        .into_iter()
        .map(|(general, accounts)| {
            let text = if let [(_, own)] = accounts[..] { own } else { &general };
            Reason { text: capitalized(&escape(text)), members: accounts.iter().map(|(member, _)| *member).collect() }
        })
        .collect();
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.members.len()));
    reasons
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io::Read as _;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use chrono::{DateTime, Utc};
    use flate2::read::GzDecoder;
    use hygiene::account::{Account, AccountSummary, Report};
    use hygiene::enrichment::Enrichment;
    use hygiene::evaluate::{Scope, evaluate};
    use hygiene::organization::{Audit, Listed, select_account};
    use hygiene::policy::Policy;
    use hygiene::report::CredentialReport;
    use hygiene::source::Unavailable;
    use serde_json::Value;

    use super::*;

    const HOSTILE: &str = "</script><img src=x onerror=alert(1)>\u{202e}gnp";

    fn now() -> DateTime<Utc> {
        "2026-11-20T06:00:00Z".parse().unwrap()
    }

    fn id(number: usize) -> String {
        format!("{number:012}")
    }

    /// The audit of an account with a root user without MFA, and users with an old key and a password each.
    fn audit(id: &str, users: &[&str]) -> Audit {
        let columns = "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,mfa_active,\
            access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_2_active,\
            access_key_2_last_rotated,access_key_2_last_used_date,cert_1_active,cert_1_last_rotated,cert_2_active,\
            cert_2_last_rotated\n";
        let row = |user: &str, arn: &str, key: bool| {
            let created = if key { "2021-06-20T05:16:50Z" } else { "N/A" };
            format!(
                "\"{user}\",\"arn:aws:iam::{id}:{arn}\",2019-01-02T03:04:05Z,true,2026-01-02T03:04:05Z,\
                 2019-01-02T03:04:05Z,false,{key},{created},N/A,false,N/A,N/A,false,N/A,false,N/A\n"
            )
        };
        let users = users.iter().map(|user| row(user, &format!("user/{user}"), true));
        let report: String =
            [columns.to_owned(), row("<root_account>", "root", false)].into_iter().chain(users).collect();
        let credentials = CredentialReport::parse(report.as_bytes()).unwrap();
        let account = Account {
            id: Some(id.to_owned()),
            partition: Some("aws".to_owned()),
            report: Ok(Report { generated_time: Some(now()), credentials }),
            summary: Ok(AccountSummary { account_mfa_enabled: Some(0), ..AccountSummary::default() }),
            virtual_mfa_users: Ok(Vec::new()),
            service_credentials: Err(Unavailable::Unreadable(format!("No list: {HOSTILE}"))),
        };
        let evaluation = evaluate(&account, &Policy::cis(), &Scope::All, now());
        Audit::of(&account, evaluation, Enrichment::default(), vec![format!("no list: {HOSTILE}")], Vec::new()).unwrap()
    }

    /// 250 accounts: of every ten the first is out of scope, the second is refused, the third has no result, and one has a hostile
    /// name.
    fn organization(partial: bool) -> Organization {
        let listed = |number: usize| Listed {
            id: id(number),
            name: Some(if number == 7 { HOSTILE.to_owned() } else { format!("account-{number}") }),
            state: Some("ACTIVE".to_owned()),
            paths: vec![format!("o-1/r-1/ou-1-prod/{}/", id(number))],
        };
        let accounts = (1..=250).map(|number| (listed(number), (number % 10 == 0).then(|| "excluded".to_owned())));
        let result = |number: usize| match number % 10 {
            0 | 2 => None,
            1 => Some((id(number), Err(format!("{} is refused: {HOSTILE}", id(number))))),
            _ => Some((id(number), Ok(audit(&id(number), &["alice", HOSTILE, "bob"][..number % 4])))),
        };
        let results = (1..=250).filter_map(result).collect();
        let names = [("ou-1-prod".to_owned(), HOSTILE.to_owned())].into();
        Organization::assembled(Some("o-1".to_owned()), now(), partial, accounts.collect(), &names, results)
    }

    fn page(organization: &Organization) -> String {
        let mut page = Vec::new();
        write(organization, &mut page).unwrap();
        String::from_utf8(page).unwrap()
    }

    fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
        text.split_once(start).unwrap().1.split_once(end).unwrap().0
    }

    fn index(page: &str) -> Value {
        serde_json::from_str(between(page, "<script type=\"application/json\" id=\"index\">", "</script>")).unwrap()
    }

    /// The lines of each chunk.
    fn chunks(page: &str) -> Vec<Vec<Value>> {
        let lines = |part: &str| {
            let compressed = STANDARD.decode(part.split_once('<').unwrap().0).unwrap();
            let mut text = String::new();
            GzDecoder::new(&*compressed).read_to_string(&mut text).unwrap();
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        };
        page.split("<script type=\"text/plain\" class=\"chunk\">").skip(1).map(lines).collect()
    }

    fn strings(value: &Value) -> Vec<&str> {
        match value {
            Value::String(text) => vec![text],
            Value::Array(items) => items.iter().flat_map(strings).collect(),
            Value::Object(items) => items.values().flat_map(strings).collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
        }
    }

    #[test]
    fn the_same_input_gives_the_same_bytes() {
        assert_eq!(page(&organization(false)), page(&organization(false)));
    }

    #[test]
    fn every_finding_is_in_the_lines_of_its_account_and_nowhere_else() {
        let organization = organization(false);
        let page = page(&organization);
        let (index, chunks) = (index(&page), chunks(&page));
        assert!(chunks.len() > 2, "{}", chunks.len());
        let accounts = &index["accounts"];
        let mut lines = 0;
        let mut shown = Vec::new();
        for (place, details) in accounts["details"].as_array().unwrap().iter().enumerate() {
            let at = |place: usize| usize::try_from(details[place].as_u64().unwrap()).unwrap();
            let own = &chunks[at(0)][at(1)..=at(1) + at(2)];
            lines += own.len();
            let id = accounts["id"][place].as_str().unwrap();
            assert!(own[0]["paths"][0].as_str().unwrap().contains(id));
            for finding in own[1..].iter().flat_map(|subject| subject["findings"].as_array().unwrap()) {
                let check = usize::try_from(finding["check"].as_u64().unwrap()).unwrap();
                let severity =
                    index["severities"][usize::try_from(finding["severity"].as_u64().unwrap()).unwrap()].clone();
                let check = index["checks"][check][0].as_str().unwrap().to_owned();
                let text = |name: &str| finding[name].as_str().unwrap().to_owned();
                shown.push((id.to_owned(), check, severity.as_str().unwrap().to_owned(), text("id"), text("message")));
            }
        }
        assert_eq!(lines, chunks.iter().map(Vec::len).sum::<usize>(), "no line is unused");
        let expected = organization.members.iter().flat_map(|member| {
            let findings = member.audit().into_iter().flat_map(|audit| &audit.findings);
            findings.map(|finding| {
                let severity = match finding.status() {
                    Status::Failed => finding.severity().label(),
                    status => status.label(),
                };
                let id = escape(&finding.id(Some(&member.listed.id)).to_string()).into_owned();
                let message = escape(finding.message()).into_owned();
                (member.listed.id.clone(), finding.check.id.to_owned(), severity.to_owned(), id, message)
            })
        });
        let mut expected: Vec<_> = expected.collect();
        expected.sort();
        shown.sort();
        assert_eq!(shown, expected);
    }

    #[test]
    fn the_index_counts_what_the_details_have() {
        let page = page(&organization(false));
        let (index, chunks) = (index(&page), chunks(&page));
        let accounts = &index["accounts"];
        let severities = index["severities"].as_array().unwrap().len();
        for place in 0..250 {
            let number = |name: &str, at: usize| usize::try_from(accounts[name][place][at].as_u64().unwrap()).unwrap();
            let [chunk, line, subjects] = [0, 1, 2].map(|at| number("details", at));
            let own = &chunks[chunk][line + 1..=line + subjects];
            let mut counts = vec![0; severities];
            let mut found = BTreeSet::new();
            for finding in own.iter().flat_map(|subject| subject["findings"].as_array().unwrap()) {
                let of = |name: &str| usize::try_from(finding[name].as_u64().unwrap()).unwrap();
                counts[of("severity")] += 1;
                found.insert(of("check") * severities + of("severity"));
            }
            let of_index: Vec<usize> = (0..severities).map(|at| number("counts", at)).collect();
            assert_eq!(of_index, counts);
            let pairs = accounts["found"][place].as_array().unwrap();
            let pairs: BTreeSet<_> =
                pairs.iter().map(|pair| usize::try_from(pair.as_u64().unwrap()).unwrap()).collect();
            assert_eq!(pairs, found);
        }
    }

    #[test]
    fn accounts_are_worst_first_and_an_account_without_an_audit_is_never_among_the_clean_ones() {
        let index = index(&page(&organization(false)));
        let coverage: Vec<_> = strings(&index["accounts"]["coverage"]);
        let first = |state: &str| coverage.iter().position(|one| *one == state).unwrap();
        assert!(first("incomplete") < first("not_audited") && first("not_audited") < first("out_of_scope"));
        assert_eq!(coverage.iter().filter(|state| **state == "out_of_scope").count(), 25);
        assert_eq!(coverage.iter().filter(|state| **state == "not_audited").count(), 50);
        assert!(coverage[225..].iter().all(|state| *state == "out_of_scope"));
    }

    #[test]
    fn names_and_messages_are_data_and_nothing_else() {
        let page = page(&organization(false));
        assert!(!page.contains("<img") && !page.contains('\u{202e}'));
        let json = between(&page, "id=\"index\">", "</script>");
        assert!(!json.contains('<') && json.contains(r"\u003c/script>\u003cimg"));
        let shown = HOSTILE.replace('\u{202e}', r"\u{202e}");
        let index = index(&page);
        assert_eq!(index["units"][0], *shown);
        assert!(strings(&index["accounts"]["name"]).contains(&&*shown));
        for text in chunks(&page).iter().flatten().flat_map(strings) {
            assert!(text.lines().all(|line| !line.contains(hygiene_escapes)), "{text:?}");
        }
        assert_eq!(page.matches("<script").count(), 2 + chunks(&page).len());
    }

    fn hygiene_escapes(character: char) -> bool {
        escape(character.encode_utf8(&mut [0; 4])) != *character.encode_utf8(&mut [0; 4])
    }

    #[test]
    fn commands_and_steps_begin_with_their_account() {
        let page = page(&organization(false));
        let (index, chunks) = (index(&page), chunks(&page));
        let mut begins = BTreeSet::new();
        for (place, details) in index["accounts"]["details"].as_array().unwrap().iter().enumerate() {
            let id = index["accounts"]["id"][place].as_str().unwrap();
            let at = |place: usize| usize::try_from(details[place].as_u64().unwrap()).unwrap();
            for fix in
                chunks[at(0)][at(1) + 1..=at(1) + at(2)].iter().flat_map(|subject| subject["fixes"].as_array().unwrap())
            {
                let text = fix["text"].as_str().unwrap();
                let is_shell = text.starts_with(&(select_account(id) + "\n"));
                assert!(is_shell || text.starts_with(&format!("Sign in to account {id}.\n")), "{text}");
                begins.insert(is_shell);
            }
        }
        assert_eq!(begins, [false, true].into());
    }

    #[test]
    fn the_coverage_names_every_account_without_an_audit_with_its_reason() {
        let page = page(&organization(false));
        let coverage = between(&page, "<h2 id=\"coverage\">", "</section>");
        assert!(
            coverage
                .contains("175 of 225 accounts in scope were audited. 50 were not, and nothing is known about them.")
        );
        assert!(
            coverage.contains("&#60;account&#62; is refused: &#60;/script&#62;"),
            "reasons that differ only in the id"
        );
        assert_eq!(coverage.matches("(25 accounts)").count(), 3);
        for number in 1..=250 {
            let is_named = coverage.contains(&format!("<code>{}</code>", id(number)));
            assert_eq!(is_named, number % 10 <= 2, "{number}");
        }
    }

    #[test]
    fn coverage_is_a_sentence() {
        let of = |audited: usize, not_audited: usize| {
            let listed =
                (1..=audited + not_audited).map(|number| (Listed { id: id(number), ..Listed::default() }, None));
            let results = (1..=audited).map(|number| (id(number), Ok(audit(&id(number), &[])))).collect();
            let organization = Organization::assembled(None, now(), false, listed.collect(), &BTreeMap::new(), results);
            Page::new(&organization).audited()
        };
        assert_eq!(of(0, 0), "No account is in scope, so nothing was audited.");
        assert_eq!(of(1, 0), "The account in scope was audited.");
        assert_eq!(of(2, 0), "All 2 accounts in scope were audited.");
        assert_eq!(of(0, 1), "The account in scope was not audited, and nothing is known about it.");
        assert_eq!(of(0, 2), "None of the 2 accounts in scope was audited, and nothing is known about them.");
        assert_eq!(of(1, 1), "1 of 2 accounts in scope was audited. 1 was not, and nothing is known about it.");
    }

    #[test]
    fn an_interrupted_run_is_said_at_the_top() {
        assert!(!page(&organization(false)).contains("interrupted."));
        let page = page(&organization(true));
        assert!(between(&page, "<h1>", "<h2").contains("The run was interrupted."));
        assert!(!page.contains("<p class=\"clean\">All"));
    }
}
