//! Lists the accounts of the live organization, and audits each of them with the member role.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws::accounts::{self, Accounts};
use aws::clients::Clients;
use aws::collect::{AccountOf, Expected, collect};
use aws::error::{CallError, chain};
use aws::stack_set::{self, Instance};
use aws::{access_keys, member};
use aws_config::SdkConfig;
use chrono::{DateTime, Utc};
use futures_util::{StreamExt, stream};
use hygiene::evaluate::{Scope, evaluate};
use hygiene::memory::Memory;
use hygiene::organization::{Audit, Listed, Organization, Selection};
use hygiene::policy::Policy;
use hygiene::verdict::Severity;
use indicatif::ProgressBar;
use tokio::time::{Instant, timeout_at};

use crate::arguments::{AuditArguments, FailOn};
use crate::check::{CheckError, not_before};
use crate::interrupt::Interrupt;
use crate::live::{Live, call_of, counter, errors, retry, spinner};
use crate::organization::reason::{Deployment, STACK_SET_ROLE, not_assumed, not_read};

/// The timeout of one account.
const AUDIT: Duration = Duration::from_mins(2);
/// The share of it for assuming the role.
const ASSUME: Duration = Duration::from_secs(30);
/// The share of it for assuming the role and reading the sources.
const READ: Duration = Duration::from_secs(90);
/// The share of it that ends before the ids of access keys are looked up.
const IDENTIFY: Duration = Duration::from_secs(100);
/// The timeout of finding out why roles are missing.
const EXPLAIN: Duration = Duration::from_mins(1);

/// The name of the `StackSet`, as the documentation deploys it.
const STACK_SET: &str = "credwarden-member";

/// The listed accounts, with the reason for each that is out of scope.
#[derive(Debug)]
pub(crate) struct InScope {
    pub(crate) accounts: Accounts,
    /// In the order of the accounts.
    pub(crate) why_not: Vec<Option<String>>,
}

impl InScope {
    /// The accounts, each with the reason if it is out of scope.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&Listed, Option<&str>)> {
        self.accounts.listed.iter().zip(self.why_not.iter().map(Option::as_deref))
    }
}

/// The reason of what was not done because of a signal.
const INTERRUPTED: &str = "the run was interrupted";

/// Lists the accounts. `None`: the list could not be read whole, which is noted.
pub(crate) fn list(
    live: &Live,
    selection: &Selection,
    interrupt: &mut Interrupt,
    note: &mut dyn FnMut(&str),
) -> Result<Option<InScope>, CheckError> {
    let (runtime, sdk) = match live.parts() {
        Ok(parts) => parts,
        Err(reason) => {
            note(&reason.to_string());
            return Ok(None);
        }
    };
    let progress = spinner("Listing the accounts of the organization …");
    // Each page has a deadline of its own.
    let retry = retry(Instant::now(), &progress);
    let listed = runtime.block_on(interrupt.until(async {
        let on_page = |count| progress.set_message(format!("Listing the accounts of the organization: {count} …"));
        let accounts = accounts::list(sdk, &retry, on_page).await?;
        let in_use: BTreeSet<&str> = accounts.listed.iter().flat_map(Listed::ancestors).collect();
        let others: Vec<&str> = selection.selected_units().filter(|unit| !in_use.contains(unit)).collect();
        let others = accounts::existing_units(sdk, others, &retry).await?;
        Ok((accounts, others))
    }));
    progress.finish_and_clear();
    let reason = match listed {
        Some(Ok((accounts, others))) => {
            accounts.notes.iter().for_each(|line| note(line));
            let why_not = selection.apply(&accounts.listed, &others)?;
            return Ok(Some(InScope { accounts, why_not }));
        }
        Some(Err(error)) => refusal(&error),
        None => INTERRUPTED.to_owned(),
    };
    note(&format!("the accounts could not be listed, so nothing is audited: {reason}"));
    Ok(None)
}

fn refusal(error: &CallError) -> String {
    let advice = match error.code() {
        Some("AWSOrganizationsNotInUseException") => "; `credwarden check` checks a single account",
        Some("AccessDeniedException") => {
            "; only the management account and delegated administrators may list the accounts, with organizations:ListAccounts"
        }
        _ => "",
    };
    format!("{}{advice}", chain(error).trim_end_matches('.'))
}

/// Returns the names of the organizational units by id. What could not be read is noted. `None`: the run was interrupted.
pub(crate) fn names(
    live: &Live,
    listed: &InScope,
    interrupt: &mut Interrupt,
    note: &mut dyn FnMut(&str),
) -> Option<BTreeMap<String, String>> {
    let (runtime, sdk) = live.parts().ok()?;
    let progress = spinner("Reading the names of the organizational units …");
    let retry = retry(Instant::now(), &progress);
    let read = runtime.block_on(interrupt.until(accounts::names(sdk, &listed.accounts, &retry)));
    progress.finish_and_clear();
    let Some((names, error)) = read else {
        note(INTERRUPTED);
        return None;
    };
    note_names(error.map(|error| chain(&error)), note);
    Some(names)
}

fn note_names(reason: Option<String>, note: &mut dyn FnMut(&str)) {
    if let Some(reason) = reason {
        note(&format!("the organizational units have no names here: {reason}"));
    }
}

/// Audits the accounts in scope. `None`: the accounts could not be listed, which is noted.
pub(crate) fn audited(
    live: &Live,
    arguments: &AuditArguments,
    clock: DateTime<Utc>,
    note: &mut dyn FnMut(&str),
) -> Result<Option<Organization>, CheckError> {
    let mut interrupt = live.interrupt()?;
    let Some(listed) = list(live, &arguments.scope.selection(), &mut interrupt, note)? else { return Ok(None) };
    let Ok((runtime, sdk)) = live.parts() else { return Ok(None) };
    let in_scope: Vec<&str> =
        listed.all().filter(|(_, why_not)| why_not.is_none()).map(|(account, _)| account.id.as_str()).collect();
    if in_scope.is_empty() {
        return Err(CheckError::NoAccountInScope(format!(
            "{} listed, and none of them is selected and in use",
            hygiene::text::counted(listed.accounts.listed.len() as u64, "account")
        )));
    }
    let auditor = Auditor {
        sdk,
        partition: &listed.accounts.partition,
        role: &arguments.role,
        policy: &arguments.rules.policy(),
        now: arguments.now,
        clock,
    };
    let progress = counter(in_scope.len() as u64);
    let Audits { mut results, refused, instances, names, partial } =
        runtime.block_on(auditor.all(&listed.accounts, &in_scope, arguments, &mut interrupt, &progress));
    progress.finish_and_clear();
    let (names, unnamed) = match names {
        Some((names, error)) => (names, error.map(|error| chain(&error))),
        None => (BTreeMap::new(), Some(INTERRUPTED.to_owned())),
    };
    note_names(unnamed, note);
    for (id, error) in &refused {
        let deployment = match &instances {
            None if partial => Deployment::Interrupted,
            None => Deployment::Unknown,
            Some(instances) => instances.get(id).map_or(Deployment::Missing, Deployment::Instance),
        };
        results.insert(id.clone(), Err(not_assumed(error, &arguments.role, live.region(), deployment)));
    }
    let organization = listed.accounts.organization;
    let accounts = listed.accounts.listed.into_iter().zip(listed.why_not).collect();
    let evaluated_at = arguments.now.unwrap_or(clock);
    Ok(Some(Organization::assembled(Some(organization), evaluated_at, partial, accounts, &names, results)))
}

/// The results of the accounts.
#[derive(Default)]
struct Audits {
    results: BTreeMap<String, Result<Audit, String>>,
    /// The accounts whose role could not be assumed.
    refused: BTreeMap<String, CallError>,
    /// The `StackSet`'s instances by account; `None`: they were not or could not be listed.
    instances: Option<BTreeMap<String, Instance>>,
    /// The names of the organizational units, and why some are missing; `None`: they were not read.
    names: Option<(BTreeMap<String, String>, Option<CallError>)>,
    partial: bool,
}

/// The reason of an account that was not audited.
enum NotAudited {
    /// The role could not be assumed.
    Refused(CallError),
    /// Another reason.
    Other(String),
}

struct Auditor<'a> {
    sdk: &'a SdkConfig,
    partition: &'a str,
    role: &'a str,
    policy: &'a Policy,
    now: Option<DateTime<Utc>>,
    clock: DateTime<Utc>,
}

impl Auditor<'_> {
    /// Audits the accounts, and reads the names of their organizational units meanwhile, until there is a signal.
    async fn all(
        &self,
        accounts: &Accounts,
        in_scope: &[&str],
        arguments: &AuditArguments,
        interrupt: &mut Interrupt,
        progress: &ProgressBar,
    ) -> Audits {
        let names_retry = retry(Instant::now(), &ProgressBar::hidden());
        let mut names = std::pin::pin!(accounts::names(self.sdk, accounts, &names_retry));
        let mut running = stream::iter(in_scope)
            .map(|id| async { ((*id).to_owned(), self.one(id).await) })
            .buffer_unordered(arguments.concurrency.into());
        let mut audits = Audits::default();
        let (mut failing, mut not_audited) = (0_u64, 0_u64);
        let mut is_running = true;
        while is_running || audits.names.is_none() {
            tokio::select! {
                biased;
                () = interrupt.wait() => {
                    audits.partial = true;
                    break;
                }
                next = running.next(), if is_running => match next {
                    Some((id, result)) => {
                        failing += u64::from(result.as_ref().is_ok_and(|audit| fails(audit, arguments.fail_on)));
                        not_audited += u64::from(result.is_err());
                        match result {
                            Ok(audit) => _ = audits.results.insert(id, Ok(audit)),
                            Err(NotAudited::Other(reason)) => _ = audits.results.insert(id, Err(reason)),
                            Err(NotAudited::Refused(error)) => _ = audits.refused.insert(id, error),
                        }
                        progress.set_message(format!("{not_audited} not audited, {failing} failing"));
                        progress.inc(1);
                    }
                    None => is_running = false,
                },
                read = &mut names, if audits.names.is_none() => audits.names = Some(read),
            }
        }
        drop(running);
        let is_denied = |error: &CallError| error.code().is_some_and(|code| code.starts_with("AccessDenied"));
        let asks = self.role == STACK_SET_ROLE && audits.refused.values().any(is_denied);
        if !audits.partial && asks {
            progress.set_message("asking the StackSet why roles are missing …");
            let retry = retry(Instant::now() + EXPLAIN, &ProgressBar::hidden());
            match interrupt.until(stack_set::instances(self.sdk, STACK_SET, retry)).await {
                Some(instances) => audits.instances = instances.ok(),
                None => audits.partial = true,
            }
        }
        audits
    }

    /// Audits one account.
    async fn one(&self, id: &str) -> Result<Audit, NotAudited> {
        let start = Instant::now();
        let audit = timeout_at(start + AUDIT, self.read(id, start)).await;
        audit.unwrap_or_else(|_| Err(NotAudited::Other("the account did not answer within two minutes".to_owned())))
    }

    async fn read(&self, id: &str, start: Instant) -> Result<Audit, NotAudited> {
        let arn = format!("arn:{}:iam::{id}:role/{}", self.partition, self.role);
        let quietly = |until| retry(until, &ProgressBar::hidden());
        let session = member::assume(self.sdk, &arn, quietly(start + ASSUME)).await.map_err(NotAudited::Refused)?;
        let clients = Clients::new(&session);
        let expected = Expected::Given(AccountOf { account_id: id.to_owned(), partition: self.partition.to_owned() });
        let collected = collect(&clients, &expected, self.clock, quietly(start + READ), start + IDENTIFY).await;
        let errors = errors(&collected, self.clock);
        let account = collected.account;
        not_before(self.now, &account).map_err(|error| NotAudited::Other(chain(&error)))?;
        let evaluation = evaluate(&account, self.policy, &Scope::All, self.now.unwrap_or(self.clock));
        let (enrichment, unnamed) = match account.report {
            Ok(_) => {
                access_keys::look_up(
                    &clients.iam,
                    &evaluation,
                    &Memory::Off,
                    quietly(start + AUDIT - Duration::from_secs(2)),
                )
                .await
            }
            Err(_) => Default::default(),
        };
        let notes = collected.notes.iter().map(|note| chain(note)).chain(unnamed).collect();
        let region = self.sdk.region().map_or("", |region| region.as_ref());
        let code = collected.errors.first().and_then(call_of).and_then(CallError::code);
        let unread = not_read(&errors, code, region);
        Audit::of(&account, evaluation, enrichment, errors, notes).map_err(|_| NotAudited::Other(unread))
    }
}

fn fails(audit: &Audit, FailOn(threshold): FailOn) -> bool {
    let fail_on = FailOn(threshold.or(Some(Severity::Informational)));
    audit.findings.iter().any(|finding| fail_on.includes(finding))
}
