//! Reads credwarden's findings in Security Hub: all open ones, and stored ones of checks that fail without an open finding.
//! Either all of them are read or the recall fails: a decision on a part would close or repeat the rest.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_securityhub::types::builders::AwsSecurityFindingFiltersBuilder;
use aws_sdk_securityhub::types::{
    AwsSecurityFindingFilters, DateFilter, RecordState, StringFilter, StringFilterComparison,
};
use chrono::{DateTime, TimeDelta, Utc};
use hygiene::memory::{Stored, Workflow};
use hygiene::time::to_milliseconds;
use tokio::time::Instant;

use crate::asff::{Asff, sent_id};
use crate::error::CallError;
use crate::hub::WITH_HUB;
use crate::hub::calls::{GET, PAGE, get_findings};
use crate::permission::Permission;
use crate::product::{GENERATOR, Product};
use crate::rate::RateLimit;
use crate::retry::with_retry;

/// The permissions to read findings.
pub const PERMISSIONS: &[Permission] = &[Permission {
    action: "securityhub:GetFindings",
    resource: "the region's hub",
    purpose: "recalls credwarden's own findings",
    condition: Some(WITH_HUB),
}];

/// Why credwarden's findings could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RecallError {
    /// `GetFindings` failed.
    #[error("could not read our findings in Security Hub")]
    Read(#[source] CallError),
    /// `GetFindings` failed after the import, when suppressed findings were read again.
    #[error("could not read what was suppressed meanwhile, so that nothing is marked as reported")]
    Reread(#[source] CallError),
    /// The account's number is not known, and without it the findings cannot be filtered.
    #[error("credwarden's findings in Security Hub cannot be identified without the account's number")]
    NoAccount,
}

/// Reads credwarden's findings within the rate limit of `GetFindings`.
#[derive(Debug)]
pub struct Recall<'a> {
    security_hub: &'a aws_sdk_securityhub::Client,
    product: Product,
    limit: RateLimit,
}

/// credwarden's findings, by identity.
pub type Recalled = BTreeMap<String, Stored>;

/// The maximum number of findings that are read by identity, 20 per call. More are read as a list, which can have hundreds of
/// pages.
const MOST_BY_ID: usize = 400;
/// A run takes at most 15 minutes, and its findings have the time of its start. The rest is for clock skew.
const OVERLAP: TimeDelta = TimeDelta::minutes(20);
/// The maximum number of values of one field in a filter.
const IDS: usize = 20;

impl<'a> Recall<'a> {
    /// A reader for a run's first recall.
    pub fn new(security_hub: &'a aws_sdk_securityhub::Client, product: Product) -> Self {
        Self { security_hub, product, limit: RateLimit::read() }
    }

    /// A reader for a later recall in the same run.
    pub fn again(security_hub: &'a aws_sdk_securityhub::Client, product: Product) -> Self {
        Self { security_hub, product, limit: RateLimit::read_again() }
    }

    /// The product whose findings are read.
    pub fn product(&self) -> &Product {
        &self.product
    }

    /// Reads all open findings.
    ///
    /// # Errors
    ///
    /// If any page could not be read.
    pub async fn open(&self, now: DateTime<Utc>, until: Instant) -> Result<Recalled, RecallError> {
        let mut open = Recalled::new();
        self.list(self.filters(&[RecordState::Active]), now, until, &mut open).await?;
        Ok(open)
    }

    /// Reads the stored findings, open or closed, with these identities: checks that fail and have no open finding. On a day
    /// without changes there are none.
    ///
    /// # Errors
    ///
    /// If any page could not be read.
    pub async fn reopened(
        &self,
        ids: &[String],
        now: DateTime<Utc>,
        until: Instant,
        known: &mut Recalled,
    ) -> Result<(), RecallError> {
        if ids.len() > MOST_BY_ID {
            self.list(self.filters(&[RecordState::Archived]), now, until, known).await?;
            // A concurrent run may have reopened some of them after the open ones were listed.
            let recent =
                DateFilter::builder().start(to_milliseconds(now - OVERLAP)).end(to_milliseconds(now + OVERLAP)).build();
            return self.list(self.filters(&[RecordState::Active]).updated_at(recent), now, until, known).await;
        }
        let both = [RecordState::Active, RecordState::Archived];
        for ids in ids.chunks(IDS) {
            self.list(self.filters(&both).set_id(Some(by_identity(ids))), now, until, known).await?;
        }
        Ok(())
    }

    /// Returns which of these open findings are suppressed now. They are read by identity, or as a list of all suppressed
    /// ones, whichever takes fewer calls. `before` is the number of findings that were suppressed at the first recall.
    ///
    /// # Errors
    ///
    /// If any page could not be read.
    pub async fn suppressed(
        &self,
        ids: &[&str],
        before: usize,
        until: Instant,
    ) -> Result<BTreeSet<String>, RecallError> {
        let by_sent: BTreeMap<String, &str> = ids.iter().map(|id| (sent_id(id), *id)).collect();
        let sent: Vec<&String> = by_sent.keys().collect();
        // An empty list has one page, too.
        let calls = if ids.len().div_ceil(IDS) <= before / PAGE + 1 {
            sent.chunks(IDS).map(|ids| Some(by_identity(ids))).collect()
        } else {
            vec![None]
        };
        let suppressed = filter(StringFilterComparison::Equals, Workflow::Suppressed.label());
        let filters = self.filters(&[RecordState::Active]).workflow_status(suppressed);
        let mut found = BTreeSet::new();
        for ids in calls {
            let pages = self.pages(filters.clone().set_id(ids), until, |finding| {
                let id = finding.id.as_deref().filter(|_| finding.is_suppressed());
                found.extend(id.and_then(|id| by_sent.get(id)).map(|id| (*id).to_owned()));
                Ok(())
            });
            pages.await.map_err(RecallError::Reread)?;
        }
        Ok(found)
    }

    fn filters(&self, states: &[RecordState]) -> AwsSecurityFindingFiltersBuilder {
        let states = states.iter().map(|state| filter(StringFilterComparison::Equals, state.as_str())).collect();
        AwsSecurityFindingFilters::builder()
            .product_arn(filter(StringFilterComparison::Equals, &self.product.arn()))
            .aws_account_id(filter(StringFilterComparison::Equals, &self.product.account_id))
            .generator_id(filter(StringFilterComparison::Prefix, GENERATOR))
            .set_record_state(Some(states))
    }

    /// Reads all findings that match, and adds them to `known`.
    async fn list(
        &self,
        filters: AwsSecurityFindingFiltersBuilder,
        now: DateTime<Utc>,
        until: Instant,
        known: &mut Recalled,
    ) -> Result<(), RecallError> {
        let pages = self.pages(filters, until, |finding| {
            let stored = finding.stored(now).map_err(unreadable)?;
            known.insert(stored.id.clone(), stored);
            Ok(())
        });
        pages.await.map_err(RecallError::Read)
    }

    /// Reads every page.
    async fn pages(
        &self,
        filters: AwsSecurityFindingFiltersBuilder,
        until: Instant,
        mut read: impl FnMut(Asff<'static>) -> Result<(), CallError>,
    ) -> Result<(), CallError> {
        let filters = filters.build();
        let mut token: Option<String> = None;
        loop {
            let page = with_retry(GET, until, async || {
                self.limit.turn().await;
                get_findings(self.security_hub, filters.clone(), token.clone()).await
            });
            let page = page.await?;
            // Check each finding as well: an administrator's account also has its members' findings.
            page.findings.into_iter().filter(|finding| finding.is_of(&self.product)).try_for_each(&mut read)?;
            let next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(());
            }
            if next == token {
                return Err(CallError::unexpected(GET, "the same page came twice"));
            }
            token = next;
        }
    }
}

fn filter(comparison: StringFilterComparison, value: &str) -> StringFilter {
    StringFilter::builder().comparison(comparison).value(value).build()
}

fn by_identity(ids: &[impl AsRef<str>]) -> Vec<StringFilter> {
    ids.iter().map(|id| filter(StringFilterComparison::Equals, id.as_ref())).collect()
}

fn unreadable(member: &str) -> CallError {
    CallError::unexpected(GET, format!("one of our findings has no readable {member}"))
}
