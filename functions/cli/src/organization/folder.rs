//! Audits accounts by saved files: `<account>.report.json` or `.csv`, `<account>.summary.json` and
//! `<account>.service-credentials.json` in one folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use aws::error::chain;
use chrono::{DateTime, Utc};
use hygiene::enrichment::Enrichment;
use hygiene::evaluate::{Scope, evaluate};
use hygiene::organization::{Audit, Listed, Organization, is_account_id};
use hygiene::policy::Policy;
use hygiene::source::Unavailable;
use hygiene::text::{counted, cut, escape, sentence};

use crate::arguments::AuditArguments;
use crate::check::{CheckError, not_before, not_over_input, present};
use crate::input::{Files, What, name, regular};
use crate::interrupt::Interrupt;
use crate::live::{StartError, runtime};
use crate::output::place;

/// The number of ignored files that are named.
const NAMED: usize = 3;

/// The kinds of an account's files.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Report,
    Summary,
    ServiceCredentials,
}

/// The account in the name of a file, and its kind; `None`: it is not an account's file.
fn account_file(name: &str) -> Option<(&str, Kind)> {
    let (account, kind) = name.split_once('.').filter(|(account, _)| is_account_id(account))?;
    let kind = match kind {
        "report.json" | "report.csv" => Kind::Report,
        "summary.json" => Kind::Summary,
        "service-credentials.json" => Kind::ServiceCredentials,
        _ => return None,
    };
    Some((account, kind))
}

/// The files of one account.
#[derive(Debug, Default)]
struct Saved {
    /// More than one is an error: which is the account's is not known.
    reports: Vec<PathBuf>,
    summary: Option<PathBuf>,
    service_credentials: Option<PathBuf>,
}

/// The files of a folder.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    accounts: BTreeMap<String, Saved>,
    /// The names of other files.
    others: BTreeSet<String>,
}

impl Folder {
    /// Finds the files of accounts in a folder.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read, or has no such file.
    pub(crate) fn of(folder: &Path) -> Result<Self, CheckError> {
        let failed = |what: What| what.of(&name(folder));
        let mut accounts: BTreeMap<String, Saved> = BTreeMap::new();
        let mut others = BTreeSet::new();
        for entry in fs::read_dir(folder).map_err(|error| failed(error.into()))? {
            let path = entry.map_err(|error| failed(error.into()))?.path();
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let Some((account, kind)) = account_file(&file) else {
                others.insert(file);
                continue;
            };
            let saved = accounts.entry(account.to_owned()).or_default();
            match kind {
                Kind::Report => saved.reports.push(path),
                Kind::Summary => saved.summary = Some(path),
                Kind::ServiceCredentials => saved.service_credentials = Some(path),
            }
        }
        if accounts.is_empty() {
            return Err(failed(What::NoAccounts).into());
        }
        Ok(Self { path: folder.to_owned(), accounts, others })
    }

    /// Rejects an output that would overwrite a file of an account, or would be read as one by the next run.
    ///
    /// # Errors
    ///
    /// When the output, with links followed or not, is such a file.
    pub(crate) fn not_over_accounts(&self, output: Option<&Path>) -> Result<(), CheckError> {
        not_over_input(output, self.paths())?;
        let Some(output) = output else { return Ok(()) };
        let folder = self.path.canonicalize().ok();
        let is_here = |path: &Path| {
            let is_account = path.file_name().is_some_and(|name| account_file(&name.to_string_lossy()).is_some());
            is_account && path.parent().and_then(|parent| parent.canonicalize().ok()) == folder
        };
        let places = [std::path::absolute(output).ok(), place(output)];
        if places.iter().flatten().any(|place| is_here(place)) {
            return Err(CheckError::AccountsFile(name(output)));
        }
        Ok(())
    }

    fn paths(&self) -> impl Iterator<Item = &Path> {
        self.accounts.values().flat_map(|Saved { reports, summary, service_credentials }| {
            reports.iter().chain(summary).chain(service_credentials).map(PathBuf::as_path)
        })
    }

    /// Audits the accounts in scope, until there is a signal.
    ///
    /// # Errors
    ///
    /// When a selected account has no file. A file that cannot be used affects only its account.
    pub(crate) fn audited(
        &self,
        arguments: &AuditArguments,
        clock: DateTime<Utc>,
        note: &mut dyn FnMut(&str),
    ) -> Result<Organization, CheckError> {
        if let Some(line) = self.ignored() {
            note(&line);
        }
        let listed = |id: &String| Listed { id: id.clone(), ..Listed::default() };
        let listed: Vec<Listed> = self.accounts.keys().map(listed).collect();
        let why_not = arguments.scope.selection().apply(&listed, &BTreeSet::new())?;
        if why_not.iter().all(Option::is_some) {
            return Err(CheckError::NoAccountInScope("every account with files is excluded".to_owned()));
        }
        let policy = arguments.rules.policy();
        let runtime = runtime().map_err(StartError::from)?;
        let mut interrupt = Interrupt::listen(&runtime).map_err(StartError::from)?;
        let mut partial = false;
        let mut results = BTreeMap::new();
        let in_scope = self.accounts.iter().zip(&why_not).filter(|(_, why_not)| why_not.is_none());
        for ((id, saved), _) in in_scope {
            if runtime.block_on(interrupt.is_received()) {
                partial = true;
                break;
            }
            let audit = saved.audit(id, &policy, arguments.now, clock);
            audit.iter().flat_map(|audit| &audit.errors).for_each(|error| note(error));
            results.insert(id.clone(), audit);
        }
        // The latest, so that the same files give the same bytes.
        let latest = results.values().flatten().map(|audit| audit.evaluated_at).max();
        let evaluated_at = arguments.now.or(latest).unwrap_or(clock);
        let listed = listed.into_iter().zip(why_not).collect();
        Ok(Organization::assembled(None, evaluated_at, partial, listed, &BTreeMap::new(), results))
    }

    fn ignored(&self) -> Option<String> {
        let count = self.others.len();
        let mut named: Vec<_> =
            self.others.iter().take(NAMED).map(|file| cut(&escape(file), 64).into_owned()).collect();
        if NAMED < count {
            named.push("…".to_owned());
        }
        (count != 0)
            .then(|| format!("{} not named after an account: {}", counted(count as u64, "file"), named.join(", ")))
    }
}

impl Saved {
    fn audit(
        &self,
        id: &str,
        policy: &Policy,
        now: Option<DateTime<Utc>>,
        clock: DateTime<Utc>,
    ) -> Result<Audit, String> {
        let report = match &self.reports[..] {
            [one, other, ..] => {
                return Err(format!("there are two reports, {} and {}; keep one of them", name(one), name(other)));
            }
            reports => reports.first().map(PathBuf::as_path),
        };
        if report.is_none() && self.summary.is_none() {
            return Err("there is neither a credential report nor an account summary".to_owned());
        }
        let files = Files {
            credential_report: report,
            account_summary: self.summary.as_deref(),
            service_credentials: self.service_credentials.as_deref(),
        };
        let mut errors = Vec::new();
        let read = files.read_each(regular, |error| {
            if error.accounts_differ() {
                return Err(error);
            }
            let error = chain(&error);
            let reason = sentence(&format!("a file could not be used: {error}"));
            errors.push(error);
            Ok(Unavailable::Unreadable(reason))
        });
        let mut account = read.map_err(|error| chain(&error))?;
        let other = account.report.as_ref().ok().and_then(|report| report.credentials.account_other_than(id));
        if let (Some(other), Some(report)) = (other, report) {
            return Err(format!("{} is the credential report of account {other}", name(report)));
        }
        account.id = Some(id.to_owned());
        not_before(now, &account).map_err(|error| chain(&error))?;
        let mut notes = files.notes(&account);
        let now = now.unwrap_or_else(|| present(&account, clock, &mut |line| notes.push(line.to_owned())));
        let account = account.as_of(now);
        let evaluation = evaluate(&account, policy, &Scope::All, now);
        Audit::of(&account, evaluation, Enrichment::default(), errors, notes)
    }
}
