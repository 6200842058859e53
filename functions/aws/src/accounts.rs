//! Lists the accounts of an organization. Only its management account and delegated administrators (of any service) may do that.

use std::collections::{BTreeMap, BTreeSet};

use aws_config::SdkConfig;
use aws_sdk_organizations::Client;
use aws_sdk_organizations::config::http::HttpResponse;
use aws_sdk_organizations::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_organizations::operation::list_organizational_units_for_parent::ListOrganizationalUnitsForParentOutput;
use aws_sdk_organizations::operation::list_roots::ListRootsOutput;
use aws_sdk_organizations::types::{Account, AccountState, AccountStatus};
use hygiene::organization::{Listed, is_account_id, units};
use tokio::time::{Duration, Instant};

use crate::error::{CallError, Kind};
use crate::permission::Permission;
use crate::rate::RateLimit;
use crate::retry::{Retry, with_retry};

/// The permissions to list the accounts, and to name their organizational units.
pub const PERMISSIONS: &[Permission] = &[
    Permission {
        action: "organizations:ListAccounts",
        resource: "*",
        purpose: "lists the accounts to audit",
        condition: None,
    },
    Permission { action: "organizations:ListRoots", resource: "*", purpose: "names the root", condition: None },
    Permission {
        action: "organizations:ListOrganizationalUnitsForParent",
        resource: "*",
        purpose: "names the organizational units",
        condition: None,
    },
    Permission {
        action: "organizations:DescribeOrganizationalUnit",
        resource: "*",
        purpose: "distinguishes an organizational unit without accounts from a wrong id",
        condition: None,
    },
];

const LIST: &str = "ListAccounts";
const ROOTS: &str = "ListRoots";
const UNITS: &str = "ListOrganizationalUnitsForParent";
const DESCRIBE: &str = "DescribeOrganizationalUnit";

/// The timeout of one page, with all tries.
const PAGE: Duration = Duration::from_mins(1);

/// The accounts of an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accounts {
    /// The organization's id.
    pub organization: String,
    /// The partition of the accounts.
    pub partition: String,
    /// The accounts by id.
    pub listed: Vec<Listed>,
    /// The accounts whose state or path changed while they were listed, one line each.
    pub notes: Vec<String>,
}

/// Lists all accounts, at most four pages a second. `on_page` is called with the number of accounts so far.
///
/// # Errors
///
/// When a page cannot be read, or the list cannot be whole: it lacks the management account, or contradicts itself.
pub async fn list(sdk: &SdkConfig, retry: &Retry, on_page: impl Fn(usize)) -> Result<Accounts, CallError> {
    let calls = Calls::new(sdk, retry);
    let mut accounts: BTreeMap<String, Listed> = BTreeMap::new();
    let mut places: BTreeSet<Place> = BTreeSet::new();
    let mut notes = Vec::new();
    let page = async |token| calls.client.list_accounts().set_next_token(token).send().await;
    calls
        .pages(LIST, page, |page| {
            // Without the check, an answer that says nothing would be an empty page, which is possible.
            let listed = page.accounts.as_ref().ok_or_else(|| CallError::unexpected(LIST, "the answer has no list"))?;
            for account in listed {
                let (listed, place) = read(account)?;
                places.insert(place);
                let listed = match accounts.remove(&listed.id) {
                    Some(earlier) => joined(earlier, listed, &mut notes),
                    None => listed,
                };
                accounts.insert(listed.id.clone(), listed);
            }
            on_page(accounts.len());
            Ok(page.next_token)
        })
        .await?;
    let mut places = places.into_iter();
    let (Some(Place { organization, management, partition }), None) = (places.next(), places.next()) else {
        return Err(CallError::unexpected(LIST, "the accounts are not those of one organization"));
    };
    if !accounts.contains_key(&management) {
        let message = format!("the list is not whole: it lacks the management account, {management}");
        return Err(CallError::unexpected(LIST, message));
    }
    Ok(Accounts { organization, partition, listed: accounts.into_values().collect(), notes })
}

/// Joins two entries of the same account, and notes a difference.
fn joined(earlier: Listed, later: Listed, notes: &mut Vec<String>) -> Listed {
    if (&earlier.state, &earlier.paths) == (&later.state, &later.paths) {
        return later;
    }
    let shown = |entry: &Listed| {
        let state = entry.state.as_deref().unwrap_or("without state");
        format!("{state} in {}", entry.path().unwrap_or("no path"))
    };
    let both = format!("account {} is listed twice, {} and then {}", later.id, shown(&earlier), shown(&later));
    let joined = earlier.joined(later);
    notes.push(format!("{both}; it counts as {}", shown(&joined)));
    joined
}

/// What an account's ARN says of its organization.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    organization: String,
    management: String,
    partition: String,
}

/// `arn:aws:organizations::<management account>:account/<organization>/<account>`
fn place(arn: &str) -> Option<(Place, &str)> {
    let [_, partition, "organizations", _, management, resource] = arn.split(':').collect::<Vec<_>>()[..] else {
        return None;
    };
    let ["account", organization, account] = resource.split('/').collect::<Vec<_>>()[..] else { return None };
    let owned = str::to_owned;
    let place = Place { organization: owned(organization), management: owned(management), partition: owned(partition) };
    Some((place, account))
}

fn read(account: &Account) -> Result<(Listed, Place), CallError> {
    let id = account.id().filter(|id| is_account_id(id));
    let id = id.ok_or_else(|| CallError::unexpected(LIST, "an account has no id"))?;
    let place = account.arn().and_then(place).filter(|(_, account)| *account == id);
    let (place, _) = place
        .ok_or_else(|| CallError::unexpected(LIST, format!("the ARN of account {id} is not one of Organizations")))?;
    // `Status` is replaced by `State`.
    let state = account.state().map(AccountState::as_str).or_else(|| account.status().map(AccountStatus::as_str));
    let listed = Listed {
        id: id.to_owned(),
        name: account.name().map(str::to_owned),
        state: state.map(str::to_owned),
        paths: account.paths().to_vec(),
    };
    Ok((listed, place))
}

/// Returns the names of the organizational units and of the root that the accounts are in, and of the units above as far as the same
/// lists have them, by id: those whose parents' lists could be read, and why the others could not.
pub async fn names(
    sdk: &SdkConfig,
    accounts: &Accounts,
    retry: &Retry,
) -> (BTreeMap<String, String>, Option<CallError>) {
    let calls = Calls::new(sdk, retry);
    let used: BTreeSet<&str> = accounts.listed.iter().filter_map(Listed::parent).collect();
    let mut names = BTreeMap::new();
    let mut error = None;
    if used.iter().any(|id| id.starts_with("r-")) {
        error = roots(&calls, &mut names).await.err();
    }
    let above = |path| units(path).collect::<Vec<_>>().into_iter().nth_back(1);
    let parents: BTreeSet<&str> = accounts.listed.iter().filter_map(Listed::path).filter_map(above).collect();
    for parent in parents {
        if let Err(failed) = children(&calls, parent, &mut names).await {
            let is_last = failed.kind == Kind::Denied;
            error = error.or(Some(failed));
            // The others are denied, too.
            if is_last {
                break;
            }
        }
    }
    let ancestors: BTreeSet<&str> = accounts.listed.iter().flat_map(Listed::ancestors).collect();
    names.retain(|id: &String, _| ancestors.contains(id.as_str()));
    (names, error)
}

async fn roots(calls: &Calls<'_>, names: &mut BTreeMap<String, String>) -> Result<(), CallError> {
    let page = async |token| calls.client.list_roots().set_next_token(token).send().await;
    let read = |page: ListRootsOutput| {
        names.extend(page.roots().iter().filter_map(|root| Some((root.id()?.to_owned(), root.name()?.to_owned()))));
        Ok(page.next_token)
    };
    calls.pages(ROOTS, page, read).await
}

async fn children(calls: &Calls<'_>, parent: &str, names: &mut BTreeMap<String, String>) -> Result<(), CallError> {
    let page = async |token| {
        let request = calls.client.list_organizational_units_for_parent().parent_id(parent);
        request.set_next_token(token).send().await
    };
    let read = |page: ListOrganizationalUnitsForParentOutput| {
        let units = page.organizational_units().iter();
        names.extend(units.filter_map(|unit| Some((unit.id()?.to_owned(), unit.name()?.to_owned()))));
        Ok(page.next_token)
    };
    calls.pages(UNITS, page, read).await
}

/// Returns the organizational units among the ids that exist.
///
/// # Errors
///
/// When a call fails for another reason than that there is no such organizational unit.
pub async fn existing_units<'a>(
    sdk: &SdkConfig,
    ids: impl IntoIterator<Item = &'a str>,
    retry: &Retry,
) -> Result<BTreeSet<String>, CallError> {
    let calls = Calls::new(sdk, retry);
    let mut existing = BTreeSet::new();
    for id in ids {
        let described = async || calls.client.describe_organizational_unit().organizational_unit_id(id).send().await;
        match calls.call(DESCRIBE, described).await {
            Ok(_) => _ = existing.insert(id.to_owned()),
            // `InvalidInputException`: it is not the id of an organizational unit.
            Err(error)
                if matches!(error.code(), Some("OrganizationalUnitNotFoundException" | "InvalidInputException")) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(existing)
}

/// The calls of Organizations, with their rate and retries.
struct Calls<'a> {
    client: Client,
    rate: RateLimit,
    retry: &'a Retry,
}

impl<'a> Calls<'a> {
    fn new(sdk: &SdkConfig, retry: &'a Retry) -> Self {
        Self { client: Client::new(sdk), rate: RateLimit::organizations(), retry }
    }

    /// Calls until the call succeeds, fails permanently, or the time of a page is over.
    async fn call<T, E>(
        &self,
        operation: &'static str,
        call: impl AsyncFn() -> Result<T, SdkError<E, HttpResponse>>,
    ) -> Result<T, CallError>
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        with_retry(operation, self.retry.until(Instant::now() + PAGE), async || {
            self.rate.turn().await;
            call().await.map_err(|error| CallError::new(operation, &error))
        })
        .await
    }

    /// Calls for each page of a list. `page` gets its token, and `read` returns that of the next page.
    async fn pages<T, E>(
        &self,
        operation: &'static str,
        page: impl AsyncFn(Option<String>) -> Result<T, SdkError<E, HttpResponse>>,
        mut read: impl FnMut(T) -> Result<Option<String>, CallError>,
    ) -> Result<(), CallError>
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        let mut tokens = Tokens::of(operation);
        loop {
            let answer = self.call(operation, async || page(tokens.current.clone()).await).await?;
            if !tokens.next(read(answer)?.as_deref())? {
                return Ok(());
            }
        }
    }
}

/// The tokens of a list's pages.
struct Tokens {
    operation: &'static str,
    seen: BTreeSet<String>,
    current: Option<String>,
}

impl Tokens {
    fn of(operation: &'static str) -> Self {
        Self { operation, seen: BTreeSet::new(), current: None }
    }

    /// Continues with the next page; `false`: it was the last one.
    fn next(&mut self, token: Option<&str>) -> Result<bool, CallError> {
        self.current = token.filter(|token| !token.is_empty()).map(str::to_owned);
        match &self.current {
            Some(next) if !self.seen.insert(next.clone()) => {
                Err(CallError::unexpected(self.operation, "AWS returned the same page again"))
            }
            Some(_) => Ok(true),
            None => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:organizations::111111111111:account/o-exampleorgid/222222222222";

    #[test]
    fn an_account_is_read() {
        let account = Account::builder().id("222222222222").arn(ARN).status(AccountStatus::Suspended);
        let (listed, place) = read(&account.clone().state(AccountState::Closed).build()).unwrap();
        assert_eq!(listed.state.as_deref(), Some("CLOSED"));
        assert_eq!((place.organization.as_str(), place.partition.as_str()), ("o-exampleorgid", "aws"));
        assert_eq!(place.management, "111111111111");
        assert_eq!(read(&account.build()).unwrap().0.state.as_deref(), Some("SUSPENDED"));
    }

    #[test]
    fn an_account_without_its_own_id_is_an_error() {
        for (id, arn) in [
            ("22222222222", ARN),
            ("333333333333", ARN),
            ("222222222222", "arn:aws:iam::222222222222:root"),
            ("222222222222", "arn:aws:organizations::111111111111:organization/o-exampleorgid"),
        ] {
            assert!(read(&Account::builder().id(id).arn(arn).build()).is_err(), "{id} {arn}");
        }
    }

    #[test]
    fn a_token_that_was_used_ends_the_list_with_an_error() {
        let mut tokens = Tokens::of(LIST);
        assert_eq!(tokens.next(Some("a")).ok(), Some(true));
        assert_eq!(tokens.next(Some("b")).ok(), Some(true));
        assert!(tokens.next(Some("a")).is_err());
        assert_eq!(tokens.next(Some("")).ok(), Some(false));
        assert_eq!(tokens.next(None).ok(), Some(false));
    }
}
