//! Reads credwarden's findings in Security Hub: all open ones, and of those that fail and are not open the stored ones. All of
//! them or none, since a decision made from a part would close or repeat the rest.

use std::collections::BTreeMap;

use aws_sdk_securityhub::types::builders::AwsSecurityFindingFiltersBuilder;
use aws_sdk_securityhub::types::{
    AwsSecurityFindingFilters, DateFilter, RecordState, StringFilter, StringFilterComparison,
};
use chrono::{DateTime, TimeDelta, Utc};
use hygiene::memory::Stored;
use hygiene::time::to_milliseconds;
use tokio::time::Instant;

use crate::cause::CallError;
use crate::pace::Pace;
use crate::patience::persist;
use crate::product::{GENERATOR, Product};
use crate::security_hub::{GET, get_findings};

/// Why our findings are not known.
#[derive(Debug, thiserror::Error)]
pub enum RecallError {
    /// `GetFindings` failed, or was cut short.
    #[error("could not read our findings in Security Hub")]
    Read(#[source] CallError),
    /// Nobody knows which findings to ask for.
    #[error("our findings in Security Hub cannot be told apart without the account's number")]
    NoAccount,
}

/// Reads our findings, at Security Hub's rate for `GetFindings`.
#[derive(Debug)]
pub struct Recall<'a> {
    security_hub: &'a aws_sdk_securityhub::Client,
    product: Product,
    pace: Pace,
}

/// Our findings, by identity.
pub type Recalled = BTreeMap<String, Stored>;

/// More closed findings than that are read as a list: then there may be hundreds of pages, but a call has only 20 identities.
const MOST_BY_ID: usize = 400;
/// A run takes 15 minutes at the most, and dates what it writes by its own beginning; the rest is for clocks that differ.
const OVERLAP: TimeDelta = TimeDelta::minutes(20);
/// The most values of one field that a filter takes.
const IDS: usize = 20;

impl<'a> Recall<'a> {
    /// A reader of the account's findings.
    pub fn new(security_hub: &'a aws_sdk_securityhub::Client, product: Product) -> Self {
        Self { security_hub, product, pace: Pace::read() }
    }

    /// Whose findings it reads.
    pub fn product(&self) -> &Product {
        &self.product
    }

    /// Our open findings.
    ///
    /// # Errors
    ///
    /// When they could not be read whole.
    pub async fn open(&self, until: Instant) -> Result<Recalled, RecallError> {
        let mut open = Recalled::new();
        self.list(self.filters(&[RecordState::Active]), until, &mut open).await?;
        Ok(open)
    }

    /// Reads what there is, open or closed, of these findings: they fail, and are not open. An unchanged day has none of them.
    ///
    /// # Errors
    ///
    /// When it could not be read whole.
    pub async fn reopened(
        &self,
        ids: &[String],
        now: DateTime<Utc>,
        until: Instant,
        known: &mut Recalled,
    ) -> Result<(), RecallError> {
        if MOST_BY_ID < ids.len() {
            self.list(self.filters(&[RecordState::Archived]), until, known).await?;
            // Another run may have opened some of them again after the open ones were listed.
            let recent =
                DateFilter::builder().start(to_milliseconds(now - OVERLAP)).end(to_milliseconds(now + OVERLAP)).build();
            return self.list(self.filters(&[RecordState::Active]).updated_at(recent), until, known).await;
        }
        let both = [RecordState::Active, RecordState::Archived];
        for ids in ids.chunks(IDS) {
            let ids = ids.iter().map(|id| filter(StringFilterComparison::Equals, id)).collect();
            self.list(self.filters(&both).set_id(Some(ids)), until, known).await?;
        }
        Ok(())
    }

    fn filters(&self, states: &[RecordState]) -> AwsSecurityFindingFiltersBuilder {
        let states = states.iter().map(|state| filter(StringFilterComparison::Equals, state.as_str())).collect();
        AwsSecurityFindingFilters::builder()
            .product_arn(filter(StringFilterComparison::Equals, &self.product.arn()))
            .aws_account_id(filter(StringFilterComparison::Equals, &self.product.account_id))
            .generator_id(filter(StringFilterComparison::Prefix, GENERATOR))
            .set_record_state(Some(states))
    }

    /// Reads every page.
    async fn list(
        &self,
        filters: AwsSecurityFindingFiltersBuilder,
        until: Instant,
        known: &mut Recalled,
    ) -> Result<(), RecallError> {
        let filters = filters.build();
        let mut token: Option<String> = None;
        loop {
            let page = persist(GET, until, async || {
                self.pace.turn().await;
                get_findings(self.security_hub, filters.clone(), token.clone()).await
            });
            let page = page.await.map_err(RecallError::Read)?;
            // In an administrator's account the members' findings are there too: the filter is not relied on.
            for finding in page.findings.into_iter().filter(|finding| finding.is_of(&self.product)) {
                let stored = finding.stored().map_err(unreadable)?;
                known.insert(stored.id.clone(), stored);
            }
            let next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(());
            }
            if next == token {
                return Err(RecallError::Read(CallError::other(GET, "the same page came twice")));
            }
            token = next;
        }
    }
}

fn filter(comparison: StringFilterComparison, value: &str) -> StringFilter {
    StringFilter::builder().comparison(comparison).value(value).build()
}

fn unreadable(member: &str) -> RecallError {
    RecallError::Read(CallError::other(GET, format!("one of our findings has no readable {member}")))
}
