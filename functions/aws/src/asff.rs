//! Findings in the AWS Security Finding Format, with every string within its limit. The same type is serialized and parsed;
//! parsing keeps only the members that the next run needs.
//!
//! <https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub-findings-format-syntax.html>

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use hygiene::check::Kind;
use hygiene::checks::find;
use hygiene::decision::{Closing, Failing, Record};
use hygiene::memory::{Stored, Workflow};
use hygiene::subject::{AccessKeySubject, KeyTag, ServiceCredentialSubject, Subject, SubjectId};
use hygiene::text::{cut, escape};
use hygiene::time::{rfc3339, to_last_digit, to_milliseconds, to_seconds};
use hygiene::uses::Uses;
use hygiene::verdict::{Evidence, Fact, ReportedEvidence, Severity};
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::product::{GENERATOR, Product};

/// The product field with the ARN of the user or of root.
const ARN: &str = "credwarden/arn";
/// The product field with the access key's id.
const ACCESS_KEY_ID: &str = "credwarden/access-key-id";
/// The product field with the latest use of root that was reported.
const LAST_USED: &str = "credwarden/root-last-used";
/// The product field with the latest use of each of root's credentials.
const USES: &str = "credwarden/root-uses";
/// The product field with the time of the credential report that the finding rests on.
const GENERATED_TIME: &str = "credwarden/GeneratedTime";
/// The product field with the time at which the user was created that the finding is on.
const USER_CREATED: &str = "credwarden/user-created";
/// The product field with the root keys that were reported, by when they were created.
const ROOT_KEYS: &str = "credwarden/root-keys";
/// The product field with the remediation: complete, or absent if it is too long.
const REMEDIATION: &str = "credwarden/remediation";

const TITLE: usize = 256;
const DESCRIPTION: usize = 1024;
const ID: usize = 512;
const RECOMMENDATION: usize = 512;
const PRODUCT_FIELD_NAME: usize = 128;
const PRODUCT_FIELD: usize = 2048;
const PRODUCT_FIELDS: usize = 50;
const NAME: usize = 128;

/// The compliance status of a finding that is no longer evaluated.
const NOT_CHECKED: &str = "NOT_AVAILABLE";

const BEST_PRACTICES: &str = "Software and Configuration Checks/AWS Security Best Practices";
const CIS: &str = "Software and Configuration Checks/Industry and Regulatory Standards/CIS AWS Foundations Benchmark";

/// A finding, its members in the order of the format's documentation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(missing_docs, reason = "the format's own names")]
pub struct Asff<'a> {
    #[serde(skip_deserializing)]
    pub schema_version: &'static str,
    pub id: Option<Cow<'a, str>>,
    pub product_arn: Option<Cow<'a, str>>,
    #[serde(skip_deserializing)]
    pub product_name: &'static str,
    #[serde(skip_deserializing)]
    pub company_name: &'static str,
    pub generator_id: Option<Cow<'a, str>>,
    pub aws_account_id: Option<Cow<'a, str>>,
    #[serde(skip_deserializing)]
    pub types: Vec<&'static str>,
    pub first_observed_at: Option<Cow<'a, str>>,
    #[serde(skip_deserializing)]
    pub last_observed_at: Cow<'a, str>,
    pub created_at: Option<Cow<'a, str>>,
    pub updated_at: Option<Cow<'a, str>>,
    pub severity: Option<SeverityLabel<'a>>,
    pub title: Option<Cow<'a, str>>,
    #[serde(skip_deserializing)]
    pub description: Cow<'a, str>,
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub remediation: Option<Remediation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product_fields: Option<ProductFields<'a>>,
    #[serde(skip_deserializing)]
    pub resources: Vec<Resource<'a>>,
    pub compliance: Option<Compliance<'a>>,
    pub record_state: Option<Cow<'a, str>>,
    pub finding_provider_fields: Option<FindingProviderFields<'a>>,
    /// Only parsed: it is set with `BatchUpdateFindings`.
    #[serde(skip_serializing)]
    pub workflow: Option<WorkflowStatus<'a>>,
}

/// Severity and types as the provider sets them. Security Hub keeps a customer's changes of the members at the top level.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(missing_docs, reason = "the format's own names")]
pub struct FindingProviderFields<'a> {
    pub severity: Option<SeverityLabel<'a>>,
    #[serde(skip_deserializing)]
    pub types: Vec<&'static str>,
}

/// A severity.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(missing_docs, reason = "the format's own names")]
pub struct SeverityLabel<'a> {
    pub label: Option<Cow<'a, str>>,
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub original: Option<&'static str>,
}

/// The workflow status of a finding.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(missing_docs, reason = "the format's own names")]
pub struct WorkflowStatus<'a> {
    pub status: Option<Cow<'a, str>>,
}

/// The compliance status, with the requirements of benchmarks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(missing_docs, reason = "the format's own names")]
pub struct Compliance<'a> {
    pub status: Cow<'a, str>,
    /// An empty list is not serialized: the format requires at least one item.
    #[serde(skip_deserializing, skip_serializing_if = "<[_]>::is_empty")]
    pub related_requirements: &'static [&'static str],
}

/// What to do about it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the format's own names")]
pub struct Remediation {
    pub recommendation: Recommendation,
}

/// What to do about it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the format's own names")]
pub struct Recommendation {
    pub text: String,
    pub url: &'static str,
}

/// The resource of a finding.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the format's own names")]
pub struct Resource<'a> {
    pub r#type: &'static str,
    pub id: String,
    pub partition: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Details<'a>>,
}

/// The details of a resource.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the format's own names")]
pub enum Details<'a> {
    #[serde(rename_all = "PascalCase")]
    AwsIamAccessKey {
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        created_at: Option<String>,
        principal_type: &'static str,
        principal_name: String,
        account_id: Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        access_key_id: Option<&'a str>,
    },
    #[serde(rename_all = "PascalCase")]
    AwsIamUser { user_name: String },
}

/// credwarden's own fields. Parsing keeps only those that the next run needs.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct ProductFields<'a>(BTreeMap<Cow<'a, str>, Cow<'a, str>>);

/// The product fields that the next run needs.
const RECALLED: [&str; 7] = [ARN, ACCESS_KEY_ID, LAST_USED, USES, ROOT_KEYS, GENERATED_TIME, USER_CREATED];
/// The prefix of the product fields with evidence.
const EVIDENCE: &str = "credwarden/";
/// The evidence of root's use, which the next run needs: it is imported again when the report no longer shows the use.
const RECALLED_EVIDENCE: [&str; 7] = [
    "password_last_used",
    "access_key_1_last_used_date",
    "access_key_1_last_used_service",
    "access_key_1_last_used_region",
    "access_key_2_last_used_date",
    "access_key_2_last_used_service",
    "access_key_2_last_used_region",
];

impl<'a> Asff<'a> {
    /// A failing finding, with the evidence that was reported.
    pub fn failing(failing: &'a Failing, record: &Record, product: &'a Product, now: DateTime<Utc>) -> Self {
        let finding = &failing.finding;
        let check = finding.check;
        let recommendation = format!("{} The steps or commands: product field {REMEDIATION}.", check.recommendation);
        Self {
            description: fit(&format!("{} {}", finding.message(), check.rationale), DESCRIPTION).into(),
            compliance: Some(Compliance { status: "FAILED".into(), related_requirements: check.requirements }),
            record_state: Some("ACTIVE".into()),
            remediation: Some(Remediation {
                recommendation: Recommendation { text: fit(&recommendation, RECOMMENDATION), url: check.documentation },
            }),
            product_fields: product_fields(failing, record),
            resources: resources(&finding.subject, failing.access_key_id.as_deref(), product),
            ..base(
                product,
                &Envelope {
                    id: &failing.id,
                    check: check.id,
                    title: check.title,
                    severity: record.severity,
                    created_at: failing.created_at,
                    first_observed_at: failing.first_observed_at,
                    updated_at: failing.updated_at,
                    now,
                },
            )
        }
    }

    /// A finding to close: the same identity and resources, PASSED (or no longer evaluated) and ARCHIVED.
    pub fn closing(closing: &'a Closing, product: &'a Product, now: DateTime<Utc>) -> Self {
        let stored = &closing.stored;
        let status = if closing.is_resolved() { "PASSED" } else { NOT_CHECKED };
        let mut fields = ProductFields::default();
        fields.insert(ARN, stored.arn.as_deref());
        fields.insert(ACCESS_KEY_ID, stored.access_key_id.as_deref());
        fields.insert(USER_CREATED, stored.user_created_at.map(to_last_digit).as_deref());
        fields.insert(GENERATED_TIME, closing.generated_at.max(stored.generated_at).map(to_seconds).as_deref());
        Self {
            description: fit(&closing.reason.to_string(), DESCRIPTION).into(),
            compliance: Some(Compliance { status: status.into(), related_requirements: &[] }),
            record_state: Some("ARCHIVED".into()),
            product_fields: fields.if_any(),
            resources: resources_of_stored(stored, product),
            ..base(
                product,
                &Envelope {
                    id: &stored.id,
                    check: &stored.check,
                    title: &stored.title,
                    severity: stored.severity,
                    created_at: stored.created_at,
                    first_observed_at: stored.open_since(),
                    updated_at: closing.updated_at,
                    now,
                },
            )
        }
    }

    /// Whether it is a finding of the product that credwarden wrote.
    pub fn is_of(&self, product: &Product) -> bool {
        self.product_arn.as_deref() == Some(&product.arn())
            && self.aws_account_id.as_deref() == Some(&product.account_id)
            && self.generator_id.as_deref().is_some_and(|generator| generator.starts_with(GENERATOR))
    }

    /// Whether its workflow status is SUPPRESSED.
    pub fn is_suppressed(&self) -> bool {
        let status = self.workflow.as_ref().and_then(|workflow| workflow.status.as_deref());
        workflow(status) == Workflow::Suppressed
    }

    /// The data that a run at the given time needs. A finding with an unreadable date is kept: any tool can write findings with
    /// our generator's name.
    ///
    /// # Errors
    ///
    /// The name of a missing member without which findings cannot be distinguished.
    pub fn stored(self, now: DateTime<Utc>) -> Result<Stored, &'static str> {
        let provided = self.finding_provider_fields.and_then(|fields| fields.severity?.label);
        let label = provided.or_else(|| self.severity?.label);
        let fields = self.product_fields.unwrap_or_default();
        let check = self.generator_id.as_deref().and_then(|id| id.strip_prefix(GENERATOR)).unwrap_or_default();
        let is_event = find(check).is_some_and(|check| check.kind == Kind::Event);
        let [created_at, first_observed_at, updated_at] =
            [&self.created_at, &self.first_observed_at, &self.updated_at].map(|text| time(text.as_deref()));
        let before = first_observed_at.or(updated_at).filter(|time| *time <= now);
        let keys = fields.get(ROOT_KEYS).map(|stamps| stamps.split(',').map(str::to_owned).collect());
        Ok(Stored {
            id: self.id.ok_or("Id")?.into_owned(),
            check: check.to_owned(),
            title: self.title.unwrap_or_default().into_owned(),
            active: self.record_state.as_deref() != Some("ARCHIVED"),
            workflow: workflow(self.workflow.and_then(|workflow| workflow.status).as_deref()),
            severity: label.and_then(|label| Severity::from_label(&label)).unwrap_or(Severity::Informational),
            created_at: created_at.or(before).unwrap_or(now),
            first_observed_at,
            updated_at,
            arn: fields.get(ARN).map(str::to_owned),
            access_key_id: fields.get(ACCESS_KEY_ID).map(str::to_owned),
            reported: ReportedEvidence { uses: uses(&fields), keys: keys.unwrap_or_default(), keys_whole: false },
            closed_unchecked: self.compliance.is_some_and(|compliance| compliance.status == NOT_CHECKED),
            user_created_at: time(fields.get(USER_CREATED)),
            generated_at: time(fields.get(GENERATED_TIME)),
            evidence: if is_event { fields.evidence() } else { Vec::new() },
        })
    }
}

/// The finding's `Id` in Security Hub: the identity with control characters escaped.
pub fn sent_id(id: &str) -> String {
    fit(id, ID)
}

/// An unknown status (`ASSIGNED` was one once) must not suppress an alert.
fn workflow(status: Option<&str>) -> Workflow {
    let Some(status) = status else { return Workflow::New };
    Workflow::from_label(status).unwrap_or_else(|| {
        tracing::debug!(status, "One of credwarden's findings has an unknown workflow status.");
        Workflow::New
    })
}

struct Envelope<'a> {
    id: &'a str,
    check: &'a str,
    title: &'a str,
    severity: Severity,
    created_at: DateTime<Utc>,
    first_observed_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    now: DateTime<Utc>,
}

/// The members that every finding has.
fn base<'a>(product: &'a Product, envelope: &Envelope<'_>) -> Asff<'a> {
    let &Envelope { id, check, title, severity, created_at, first_observed_at, updated_at, now } = envelope;
    let is_in_cis = |requirements: &[&str]| requirements.iter().any(|requirement| requirement.starts_with("CIS AWS"));
    let mut types = vec![BEST_PRACTICES];
    if find(check).is_some_and(|check| is_in_cis(check.requirements)) {
        types.push(CIS);
    }
    let label = || Some(Cow::Borrowed(severity.label()));
    let provided = SeverityLabel { label: label(), original: Some(severity.label()) };
    Asff {
        schema_version: "2018-10-08",
        id: Some(sent_id(id).into()),
        product_arn: Some(product.arn().into()),
        product_name: "credwarden",
        company_name: "credwarden",
        generator_id: Some(fit(&format!("{GENERATOR}{check}"), ID).into()),
        aws_account_id: Some(Cow::Borrowed(&product.account_id)),
        created_at: Some(to_milliseconds(created_at).into()),
        first_observed_at: Some(to_milliseconds(first_observed_at).into()),
        last_observed_at: to_milliseconds(now).into(),
        updated_at: Some(to_milliseconds(updated_at).into()),
        severity: Some(SeverityLabel { label: label(), original: None }),
        finding_provider_fields: Some(FindingProviderFields { severity: Some(provided), types: types.clone() }),
        types,
        title: Some(fit(title, TITLE).into()),
        ..Asff::default()
    }
}

fn product_fields<'a>(failing: &'a Failing, record: &Record) -> Option<ProductFields<'a>> {
    let mut fields = ProductFields::default();
    fields.insert(ARN, failing.finding.subject.arn());
    fields.insert(ACCESS_KEY_ID, record.access_key_id.as_deref());
    let uses = &record.evidence.uses;
    fields.insert(LAST_USED, uses.latest().map(to_last_digit).as_deref());
    let uses = uses.by_credential.iter().map(|(credential, time)| format!("{credential}={}", to_last_digit(*time)));
    fields.insert(USES, Some(&uses.collect::<Vec<_>>().join(",")));
    let keys = record.evidence.keys.iter().map(String::as_str).collect::<Vec<_>>().join(",");
    fields.insert(ROOT_KEYS, Some(&keys));
    let remediation = failing.remediation().to_string();
    if remediation.chars().count() <= PRODUCT_FIELD {
        fields.insert(REMEDIATION, Some(&remediation));
    }
    fields.insert(GENERATED_TIME, record.generated_at.map(to_seconds).as_deref());
    fields.insert(USER_CREATED, record.user_created_at.map(to_last_digit).as_deref());
    for fact in failing.finding.evidence().iter().filter(|fact| fact.name != "GeneratedTime") {
        fields.insert(&format!("{EVIDENCE}{}", fact.name), Some(&fact.value));
    }
    fields.if_any()
}

fn resources<'a>(subject: &'a Subject, access_key_id: Option<&'a str>, product: &'a Product) -> Vec<Resource<'a>> {
    let of = Of { product, arn: subject.arn() };
    match subject {
        Subject::Root { .. } | Subject::Account => vec![of.account()],
        Subject::User(user) => vec![of.user(&user.name)],
        Subject::AccessKey(AccessKeySubject { user, created, active, tag, .. }) => {
            let status = active.map(|active| if active { "Active" } else { "Inactive" });
            vec![
                of.access_key(&user.name, *tag, access_key_id, created.map(to_milliseconds), status),
                of.user(&user.name),
            ]
        }
        Subject::ServiceCredential(ServiceCredentialSubject { user, id, .. }) => {
            vec![of.service_credential(&user.name, id), of.user(&user.name)]
        }
    }
}

fn resources_of_stored<'a>(stored: &'a Stored, product: &'a Product) -> Vec<Resource<'a>> {
    let of = Of { product, arn: stored.arn.as_deref() };
    match stored.subject() {
        SubjectId::Root | SubjectId::Account => vec![of.account()],
        SubjectId::User(name) | SubjectId::Other(name) => vec![of.user(&name)],
        SubjectId::AccessKey { user, key } => {
            vec![of.access_key(&user, key, stored.access_key_id.as_deref(), None, None), of.user(&user)]
        }
        SubjectId::ServiceCredential { user, id } => vec![of.service_credential(&user, &id), of.user(&user)],
    }
}

/// The partition and region of a resource.
#[derive(Clone, Copy)]
struct Of<'a> {
    product: &'a Product,
    /// The ARN of the user.
    arn: Option<&'a str>,
}

impl<'a> Of<'a> {
    fn resource(self, r#type: &'static str, id: String, details: Option<Details<'a>>) -> Resource<'a> {
        Resource { r#type, id, partition: Cow::Borrowed(&self.product.partition), details }
    }

    fn account(self) -> Resource<'a> {
        self.resource("AwsAccount", format!("AWS::::Account:{}", self.product.account_id), None)
    }

    /// A pseudonymized row has no ARN, and an ARN made from its name would not exist.
    fn user_id(self, name: &str) -> String {
        self.arn.map_or_else(|| format!("AWS::IAM::User:{}", escape(name)), str::to_owned)
    }

    fn user(self, name: &str) -> Resource<'a> {
        let details = Details::AwsIamUser { user_name: fit(name, NAME) };
        self.resource("AwsIamUser", fit(&self.user_id(name), ID), Some(details))
    }

    fn access_key(
        self,
        user: &str,
        tag: KeyTag,
        access_key_id: Option<&'a str>,
        created_at: Option<String>,
        status: Option<&'static str>,
    ) -> Resource<'a> {
        let id = match access_key_id {
            Some(id) => format!("AWS::IAM::AccessKey:{id}"),
            None => format!("{}/key/{tag}", self.user_id(user)),
        };
        let details = Details::AwsIamAccessKey {
            access_key_id,
            account_id: Cow::Borrowed(&self.product.account_id),
            created_at,
            principal_name: fit(user, NAME),
            principal_type: "User",
            status,
        };
        self.resource("AwsIamAccessKey", fit(&id, ID), Some(details))
    }

    /// The format has no resource type for it.
    fn service_credential(self, user: &str, id: &str) -> Resource<'a> {
        self.resource("Other", fit(&format!("{}/credential/{id}", self.user_id(user)), ID), None)
    }
}

/// The last use of each of root's credentials. Earlier versions stored one date for all.
fn uses(fields: &ProductFields<'_>) -> Uses {
    let use_in = |text: &str| {
        let (credential, used) = text.split_once('=')?;
        Some((credential.to_owned(), time(Some(used))?))
    };
    let list = fields.get(USES).unwrap_or_default();
    let by_credential: BTreeMap<_, _> = list.split(',').filter_map(use_in).collect();
    let of_any = if by_credential.is_empty() { time(fields.get(LAST_USED)) } else { None };
    Uses { by_credential, of_any }
}

impl ProductFields<'_> {
    /// The stored evidence, as facts of the report.
    fn evidence(&self) -> Evidence {
        let fact = |name: &'static str| {
            let value = self.get(&format!("{EVIDENCE}{name}"))?;
            Some(Fact::of_report(name, value))
        };
        RECALLED_EVIDENCE.into_iter().filter_map(fact).collect()
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| &**value)
    }

    fn if_any(self) -> Option<Self> {
        Some(self).filter(|fields| !fields.0.is_empty())
    }

    /// Security Hub rejects a blank value, so it is left out.
    fn insert(&mut self, name: &str, value: Option<&str>) {
        let value = value.map(str::trim).filter(|value| !value.is_empty());
        if let Some(value) = value.filter(|_| self.0.len() < PRODUCT_FIELDS) {
            let value = if name == REMEDIATION { value.to_owned() } else { fit(value, PRODUCT_FIELD) };
            self.0.insert(fit(name, PRODUCT_FIELD_NAME).into(), value.into());
        }
    }
}

impl<'de> Deserialize<'de> for ProductFields<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = ProductFields<'static>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a map of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = ProductFields::default();
                while let Some(name) = map.next_key::<Cow<'de, str>>()? {
                    let is_evidence =
                        |name: &str| name.strip_prefix(EVIDENCE).is_some_and(|name| RECALLED_EVIDENCE.contains(&name));
                    if RECALLED.contains(&&*name) || is_evidence(&name) {
                        fields.0.insert(Cow::Owned(name.into_owned()), Cow::Owned(map.next_value()?));
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// Escapes and truncates the text; a blank text is replaced.
fn fit(text: &str, limit: usize) -> String {
    let shown = escape(text);
    match cut(&shown, limit).trim() {
        "" => "-".to_owned(),
        text => text.to_owned(),
    }
}

fn time(text: Option<&str>) -> Option<DateTime<Utc>> {
    rfc3339(text?)
}
