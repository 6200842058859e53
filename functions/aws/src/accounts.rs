//! Lists the accounts of an organization. Only its management account and delegated administrators (of any service) may do that.

use std::collections::{BTreeMap, BTreeSet};

use aws_config::SdkConfig;
use aws_sdk_organizations::Client;
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
        purpose: "tells an organizational unit without accounts from a wrong id",
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
}

/// Lists all accounts, at most four pages a second. `on_page` is called with the number of accounts so far.
///
/// # Errors
///
/// When a page cannot be read, or the list cannot be whole: it lacks the management account, or contradicts itself.
pub async fn list(sdk: &SdkConfig, retry: &Retry, on_page: impl Fn(usize)) -> Result<Accounts, CallError> {
    let client = Client::new(sdk);
    let rate = RateLimit::organizations();
    let mut accounts: BTreeMap<String, Listed> = BTreeMap::new();
    let mut places: BTreeSet<Place> = BTreeSet::new();
    let mut tokens = Tokens::of(LIST);
    loop {
        let page = with_retry(LIST, retry.until(Instant::now() + PAGE), async || {
            rate.turn().await;
            let page = client.list_accounts().set_next_token(tokens.current()).send().await;
            page.map_err(|error| CallError::new(LIST, &error))
        })
        .await?;
        // Without the check, an answer that says nothing would be an empty page, which is possible.
        let listed = page.accounts.as_ref().ok_or_else(|| CallError::unexpected(LIST, "the answer has no list"))?;
        for account in listed {
            let (listed, place) = read(account)?;
            places.insert(place);
            accounts.insert(listed.id.clone(), listed);
        }
        on_page(accounts.len());
        if !tokens.next(page.next_token())? {
            break;
        }
    }
    let mut places = places.into_iter();
    let (Some(Place { organization, management, partition }), None) = (places.next(), places.next()) else {
        return Err(CallError::unexpected(LIST, "the accounts are not those of one organization"));
    };
    if !accounts.contains_key(&management) {
        let message = format!("the list is not whole: it lacks the management account, {management}");
        return Err(CallError::unexpected(LIST, message));
    }
    Ok(Accounts { organization, partition, listed: accounts.into_values().collect() })
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

/// Returns the names of the organizational units and of the root that the accounts are in, by id: those whose parents' lists could
/// be read, and why the others could not.
pub async fn names(
    sdk: &SdkConfig,
    accounts: &Accounts,
    retry: &Retry,
) -> (BTreeMap<String, String>, Option<CallError>) {
    let client = Client::new(sdk);
    let rate = RateLimit::organizations();
    let used: BTreeSet<&str> = accounts.listed.iter().filter_map(Listed::parent).collect();
    let mut names = BTreeMap::new();
    let mut error = None;
    if used.iter().any(|id| id.starts_with("r-")) {
        error = roots(&client, &rate, retry, &mut names).await.err();
    }
    let above = |path| units(path).collect::<Vec<_>>().into_iter().nth_back(1);
    let parents: BTreeSet<&str> = accounts.listed.iter().filter_map(Listed::path).filter_map(above).collect();
    for parent in parents {
        if let Err(failed) = children(&client, parent, &rate, retry, &mut names).await {
            let is_last = failed.kind == Kind::Denied;
            error = error.or(Some(failed));
            // The others are denied, too.
            if is_last {
                break;
            }
        }
    }
    names.retain(|id: &String, _| used.contains(id.as_str()));
    (names, error)
}

async fn roots(
    client: &Client,
    rate: &RateLimit,
    retry: &Retry,
    names: &mut BTreeMap<String, String>,
) -> Result<(), CallError> {
    let mut tokens = Tokens::of(ROOTS);
    loop {
        let page = with_retry(ROOTS, retry.until(Instant::now() + PAGE), async || {
            rate.turn().await;
            let page = client.list_roots().set_next_token(tokens.current()).send().await;
            page.map_err(|error| CallError::new(ROOTS, &error))
        })
        .await?;
        let root = |root: &aws_sdk_organizations::types::Root| Some((root.id()?.to_owned(), root.name()?.to_owned()));
        names.extend(page.roots().iter().filter_map(root));
        if !tokens.next(page.next_token())? {
            return Ok(());
        }
    }
}

async fn children(
    client: &Client,
    parent: &str,
    rate: &RateLimit,
    retry: &Retry,
    names: &mut BTreeMap<String, String>,
) -> Result<(), CallError> {
    let mut tokens = Tokens::of(UNITS);
    loop {
        let page = with_retry(UNITS, retry.until(Instant::now() + PAGE), async || {
            rate.turn().await;
            let request = client.list_organizational_units_for_parent().parent_id(parent);
            let page = request.set_next_token(tokens.current()).send().await;
            page.map_err(|error| CallError::new(UNITS, &error))
        })
        .await?;
        let unit = |unit: &aws_sdk_organizations::types::OrganizationalUnit| {
            Some((unit.id()?.to_owned(), unit.name()?.to_owned()))
        };
        names.extend(page.organizational_units().iter().filter_map(unit));
        if !tokens.next(page.next_token())? {
            return Ok(());
        }
    }
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
    let client = Client::new(sdk);
    let rate = RateLimit::organizations();
    let mut existing = BTreeSet::new();
    for id in ids {
        let described = with_retry(DESCRIBE, retry.until(Instant::now() + PAGE), async || {
            rate.turn().await;
            let described = client.describe_organizational_unit().organizational_unit_id(id).send().await;
            described.map_err(|error| CallError::new(DESCRIBE, &error))
        });
        match described.await {
            Ok(_) => _ = existing.insert(id.to_owned()),
            // `InvalidInputException`: the id is none of an organizational unit.
            Err(error)
                if matches!(error.code(), Some("OrganizationalUnitNotFoundException" | "InvalidInputException")) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(existing)
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

    fn current(&self) -> Option<String> {
        self.current.clone()
    }

    /// Continues with the next page; `false`: there is none.
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
