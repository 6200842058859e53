//! What Security Hub has of ours: all that is open, and what there is of that which fails and is not open. All of it or
//! nothing, since a plan made from a part would close or repeat the rest.

use std::collections::BTreeMap;

use aws_sdk_securityhub::types::builders::AwsSecurityFindingFiltersBuilder;
use aws_sdk_securityhub::types::{
    AwsSecurityFinding, AwsSecurityFindingFilters, DateFilter, RecordState, StringFilter, StringFilterComparison,
    WorkflowStatus,
};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use hygiene::finding::{Novelties, Severity};
use hygiene::reconcile::{Stored, Workflow};
use tokio::time::Instant;

use crate::asff::{ACCESS_KEY_ID, ARN, GENERATOR, LAST_USED, ROOT_KEYS};
use crate::cause::CallError;
use crate::pace::Pace;
use crate::patience::persist;

/// Which findings are ours: those under the account's and region's default product ARN with our `GeneratorId`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The account's 12 digits.
    pub account_id: String,
    /// The partition of its ARNs.
    pub partition: String,
    /// Security Hub's region.
    pub region: String,
}

impl Scope {
    /// The product that an account's own findings belong to; there with Security Hub, without a subscription.
    pub fn product_arn(&self) -> String {
        let Self { account_id, partition, region } = self;
        format!("arn:{partition}:securityhub:{region}:{account_id}:product/{account_id}/default")
    }
}

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
    scope: Scope,
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
    pub fn new(security_hub: &'a aws_sdk_securityhub::Client, scope: Scope) -> Self {
        Self { security_hub, scope, pace: Pace::read() }
    }

    /// Whose findings it reads.
    pub fn scope(&self) -> &Scope {
        &self.scope
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
            let recent = DateFilter::builder().start(timestamp(now - OVERLAP)).end(timestamp(now + OVERLAP)).build();
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
            .product_arn(filter(StringFilterComparison::Equals, &self.scope.product_arn()))
            .aws_account_id(filter(StringFilterComparison::Equals, &self.scope.account_id))
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
        let (filters, product_arn) = (filters.build(), self.scope.product_arn());
        let mut token: Option<String> = None;
        loop {
            let page = persist("GetFindings", until, async || {
                self.pace.turn().await;
                let request = self.security_hub.get_findings().filters(filters.clone()).max_results(100);
                let page = request.set_next_token(token.clone()).send().await;
                page.map_err(|error| CallError::new("GetFindings", &error))
            });
            let page = page.await.map_err(RecallError::Read)?;
            for finding in page.findings() {
                // In an administrator's account the members' findings are there too: what is ours is checked, not believed.
                let ours = finding.product_arn() == Some(&product_arn)
                    && finding.aws_account_id() == Some(&self.scope.account_id)
                    && finding.generator_id().is_some_and(|generator| generator.starts_with(GENERATOR));
                if ours {
                    let stored = stored(finding).map_err(RecallError::Read)?;
                    known.insert(stored.id.clone(), stored);
                }
            }
            let next = page.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
            if next.is_none() {
                return Ok(());
            }
            if next == token {
                return Err(RecallError::Read(CallError::other("GetFindings", "the same page came twice")));
            }
            token = next;
        }
    }
}

fn filter(comparison: StringFilterComparison, value: &str) -> StringFilter {
    StringFilter::builder().comparison(comparison).value(value).build()
}

/// No more of a finding than the next plan needs.
fn stored(finding: &AwsSecurityFinding) -> Result<Stored, CallError> {
    let unreadable =
        |field: &str| CallError::other("GetFindings", format!("one of our findings has no readable {field}"));
    let id = finding.id().ok_or_else(|| unreadable("Id"))?.to_owned();
    let field = |name: &str| finding.product_fields().and_then(|fields| fields.get(name));
    let provided =
        finding.finding_provider_fields().and_then(|fields| fields.severity()).and_then(|severity| severity.label());
    let label = provided.or_else(|| finding.severity().and_then(|severity| severity.label()));
    let workflow = match finding.workflow().and_then(|workflow| workflow.status()) {
        Some(WorkflowStatus::Notified) => Workflow::Notified,
        Some(WorkflowStatus::Suppressed) => Workflow::Suppressed,
        Some(WorkflowStatus::Resolved) => Workflow::Resolved,
        Some(WorkflowStatus::New) | None => Workflow::New,
        Some(other) => {
            // `ASSIGNED` was a status once. A status that is not understood must not silence an alert.
            tracing::debug!(status = other.as_str(), "A finding of ours has an unknown workflow status.");
            Workflow::New
        }
    };
    let keys = field(ROOT_KEYS).map(|stamps| stamps.split(',').map(str::to_owned).collect()).unwrap_or_default();
    Ok(Stored {
        check: finding.generator_id().and_then(|id| id.strip_prefix(GENERATOR)).unwrap_or_default().to_owned(),
        title: finding.title().unwrap_or_default().to_owned(),
        active: finding.record_state() != Some(&RecordState::Archived),
        workflow,
        severity: label.and_then(|label| Severity::from_label(label.as_str())).unwrap_or(Severity::Informational),
        created_at: time(finding.created_at()).ok_or_else(|| unreadable("CreatedAt"))?,
        first_observed_at: time(finding.first_observed_at()),
        updated_at: time(finding.updated_at()).ok_or_else(|| unreadable("UpdatedAt"))?,
        arn: field(ARN).cloned(),
        access_key_id: field(ACCESS_KEY_ID).cloned(),
        novelties: Novelties { last_used: time(field(LAST_USED).map(String::as_str)), keys, keys_whole: false },
        id,
    })
}

fn timestamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn time(text: Option<&str>) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text?).ok().map(|time| time.to_utc())
}
