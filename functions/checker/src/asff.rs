//! Findings as Security Hub takes them: the AWS Security Finding Format, every string within its limit.
//!
//! <https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub-findings-format-syntax.html>

use std::collections::HashMap;

use aws_sdk_securityhub::types::{
    AwsIamAccessKeyDetails, AwsIamAccessKeyStatus, AwsIamUserDetails, AwsSecurityFinding, Compliance, ComplianceStatus,
    FindingProviderFields, FindingProviderSeverity, Partition, Recommendation, RecordState, Remediation, Resource,
    ResourceDetails, Severity as AsffSeverity, SeverityLabel,
};
use chrono::{DateTime, SecondsFormat, Utc};
use hygiene::checks::find;
use hygiene::finding::{Severity, Subject, SubjectKind};
use hygiene::reconcile::{Because, Closing, Failing, kind_of, subject_of, user_of};
use hygiene::text::{cut, inert};

use crate::recall::Scope;

/// What our `GeneratorId`s begin with; the check's id follows.
pub const GENERATOR: &str = "credwarden/";

/// The product field with the ARN of the user or of root.
pub const ARN: &str = "credwarden/arn";
/// The product field with the access key's id.
pub const ACCESS_KEY_ID: &str = "credwarden/access-key-id";
/// The product field with the latest use of root that was told.
pub const LAST_USED: &str = "credwarden/root-last-used";
/// The product field with the root keys that were told, by when they were created.
pub const ROOT_KEYS: &str = "credwarden/root-keys";
/// The product field with the commands that fix it: whole, or not there.
pub const REMEDIATION: &str = "credwarden/remediation";

const TITLE: usize = 256;
const DESCRIPTION: usize = 1024;
const ID: usize = 512;
const RECOMMENDATION: usize = 512;
const PRODUCT_FIELD_NAME: usize = 128;
const PRODUCT_FIELD: usize = 2048;
const PRODUCT_FIELDS: usize = 50;

const BEST_PRACTICES: &str = "Software and Configuration Checks/AWS Security Best Practices";
const CIS: &str = "Software and Configuration Checks/Industry and Regulatory Standards/CIS AWS Foundations Benchmark";

/// A failing finding, as it is sent on every run.
pub fn failing(failing: &Failing<'_>, scope: &Scope, now: DateTime<Utc>) -> AwsSecurityFinding {
    let finding = failing.finding;
    let check = finding.check;
    let mut fields = ProductFields::default();
    fields.insert(ARN, finding.subject.arn.as_deref());
    fields.insert(ACCESS_KEY_ID, finding.subject.access_key_id.as_deref());
    // To the last digit: it is compared with the report's.
    let last_used = failing.novelties.last_used.map(|used| used.to_rfc3339_opts(SecondsFormat::AutoSi, true));
    fields.insert(LAST_USED, last_used.as_deref());
    let keys = failing.novelties.keys.iter().map(String::as_str).collect::<Vec<_>>().join(",");
    fields.insert(ROOT_KEYS, Some(&keys));
    let remediation = finding.remediation();
    if remediation.chars().count() <= PRODUCT_FIELD {
        fields.insert(REMEDIATION, Some(&remediation));
    }
    for (name, value) in &finding.evidence {
        fields.insert(&format!("credwarden/{name}"), Some(value));
    }

    let recommendation = Recommendation::builder()
        .text(fit(
            &format!("{} The steps or commands: product field {REMEDIATION}.", check.recommendation),
            RECOMMENDATION,
        ))
        .url(check.documentation);
    // An empty list is not sent: the format wants one item at least.
    let requirements = Some(check.requirements).filter(|requirements| !requirements.is_empty());
    let requirements = requirements.map(|list| list.iter().map(|requirement| (*requirement).to_owned()).collect());
    let compliance = Compliance::builder().status(ComplianceStatus::Failed).set_related_requirements(requirements);
    let times = Times {
        created_at: failing.created_at,
        first_observed_at: failing.first_observed_at,
        updated_at: failing.updated_at,
        now,
    };
    let envelope =
        Envelope { id: &failing.id, check: check.id, title: check.title, severity: failing.severity, times: &times };
    base(scope, &envelope)
        .description(fit(&format!("{} {}", finding.message, check.rationale), DESCRIPTION))
        .record_state(RecordState::Active)
        .compliance(compliance.build())
        .remediation(Remediation::builder().recommendation(recommendation.build()).build())
        .set_product_fields(fields.list())
        .set_resources(Some(resources(&finding.subject, scope)))
        .build()
}

/// A finding to close: the same identity and resources, PASSED (or no longer evaluated) and ARCHIVED.
pub fn closing(closing: &Closing<'_>, scope: &Scope, now: DateTime<Utc>) -> AwsSecurityFinding {
    let stored = closing.stored;
    let path = subject_of(&stored.id);
    let subject = match kind_of(path) {
        SubjectKind::Root => Subject::account(SubjectKind::Root, stored.arn.clone()),
        SubjectKind::Account => Subject::account(SubjectKind::Account, None),
        kind @ (SubjectKind::User | SubjectKind::AccessKey) => Subject {
            kind,
            access_key_id: stored.access_key_id.clone(),
            path: path.to_owned(),
            ..Subject::user(user_of(path), stored.arn.clone())
        },
    };
    let status = match closing.because {
        Because::Passed(_) | Because::Gone => ComplianceStatus::Passed,
        Because::NotChecked => ComplianceStatus::NotAvailable,
    };
    let mut fields = ProductFields::default();
    fields.insert(ARN, stored.arn.as_deref());
    fields.insert(ACCESS_KEY_ID, stored.access_key_id.as_deref());
    let times = Times {
        created_at: stored.created_at,
        first_observed_at: stored.first_observed_at.unwrap_or(stored.created_at),
        updated_at: closing.updated_at,
        now,
    };
    let envelope = Envelope {
        id: &stored.id,
        check: &stored.check,
        title: &stored.title,
        severity: stored.severity,
        times: &times,
    };
    base(scope, &envelope)
        .description(fit(&closing.because.to_string(), DESCRIPTION))
        .record_state(RecordState::Archived)
        .compliance(Compliance::builder().status(status).build())
        .set_product_fields(fields.list())
        .set_resources(Some(resources(&subject, scope)))
        .build()
}

/// How many bytes of JSON the finding takes at the most: every character of what varies may need an escape.
pub fn size_bound(finding: &AwsSecurityFinding) -> usize {
    const FIXED: usize = 6 * 1024;
    let fields = finding.product_fields().into_iter().flatten().map(|(name, value)| name.len() + value.len() + 6);
    let resources = finding.resources().iter().filter_map(Resource::id).map(|id| 3 * id.len());
    let texts = [finding.id(), finding.title(), finding.description()].into_iter().flatten().map(str::len);
    FIXED + 2 * (fields.sum::<usize>() + resources.sum::<usize>() + texts.sum::<usize>())
}

struct Envelope<'a> {
    id: &'a str,
    check: &'a str,
    title: &'a str,
    severity: Severity,
    times: &'a Times,
}

struct Times {
    created_at: DateTime<Utc>,
    first_observed_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    now: DateTime<Utc>,
}

/// What every finding of ours has. Severity and types go into `FindingProviderFields`, which are the provider's, and to the
/// top level, which Security Hub leaves alone once a customer has changed it there.
fn base(scope: &Scope, envelope: &Envelope<'_>) -> aws_sdk_securityhub::types::builders::AwsSecurityFindingBuilder {
    let &Envelope { id, check, title, severity, times } = envelope;
    let label = SeverityLabel::from(severity.label());
    let mut types = vec![BEST_PRACTICES.to_owned()];
    if find(check).is_some_and(|check| check.requirements.iter().any(|requirement| requirement.starts_with("CIS AWS")))
    {
        types.push(CIS.to_owned());
    }
    let provided = FindingProviderSeverity::builder().label(label.clone()).original(severity.label());
    AwsSecurityFinding::builder()
        .schema_version("2018-10-08")
        .id(fit(id, ID))
        .product_arn(scope.product_arn())
        .product_name("credwarden")
        .company_name("credwarden")
        .generator_id(fit(&format!("{GENERATOR}{check}"), ID))
        .aws_account_id(&scope.account_id)
        .set_types(Some(types.clone()))
        .created_at(timestamp(times.created_at))
        .first_observed_at(timestamp(times.first_observed_at))
        .last_observed_at(timestamp(times.now))
        .updated_at(timestamp(times.updated_at))
        .severity(AsffSeverity::builder().label(label).build())
        .finding_provider_fields(
            FindingProviderFields::builder().severity(provided.build()).set_types(Some(types)).build(),
        )
        .title(fit(title, TITLE))
}

fn resources(subject: &Subject, scope: &Scope) -> Vec<Resource> {
    let mut resources = Vec::with_capacity(2);
    if let SubjectKind::Root | SubjectKind::Account = subject.kind {
        add(&mut resources, "AwsAccount", format!("AWS::::Account:{}", scope.account_id), scope);
        return resources;
    }
    let name = subject.shown_user();
    // A pseudonymised row has no ARN, and an ARN made from its name would not exist.
    let arn = subject.arn.clone().unwrap_or_else(|| format!("AWS::IAM::User:{name}"));
    if subject.kind == SubjectKind::AccessKey {
        let created = subject.path.rsplit('/').next().unwrap_or_default();
        let id = match &subject.access_key_id {
            Some(id) => format!("AWS::IAM::AccessKey:{id}"),
            None => format!("{arn}/key/{created}"),
        };
        let status = subject
            .active
            .map(|active| if active { AwsIamAccessKeyStatus::Active } else { AwsIamAccessKeyStatus::Inactive });
        let key = AwsIamAccessKeyDetails::builder()
            .set_access_key_id(subject.access_key_id.clone())
            .account_id(&scope.account_id)
            .set_created_at(subject.created.map(timestamp))
            .principal_name(fit(&name, 128))
            .principal_type("User")
            .set_status(status)
            .build();
        described(add(&mut resources, "AwsIamAccessKey", fit(&id, ID), scope)).aws_iam_access_key = Some(key);
    }
    let user = AwsIamUserDetails::builder().user_name(fit(&name, 128)).build();
    described(add(&mut resources, "AwsIamUser", fit(&arn, ID), scope)).aws_iam_user = Some(user);
    resources
}

/// One more resource, filled in where it lies: it has 31 KB, which each call of its builder would move.
fn add<'r>(resources: &'r mut Vec<Resource>, kind: &str, id: String, scope: &Scope) -> &'r mut Resource {
    let resource = resources.push_mut(Resource::builder().build());
    resource.r#type = Some(kind.to_owned());
    resource.id = Some(id);
    resource.partition = Some(Partition::from(scope.partition.as_str()));
    resource
}

fn described(resource: &mut Resource) -> &mut ResourceDetails {
    resource.details.insert(ResourceDetails::builder().build())
}

#[derive(Default)]
struct ProductFields(HashMap<String, String>);

impl ProductFields {
    fn list(self) -> Option<HashMap<String, String>> {
        Some(self.0).filter(|fields| !fields.is_empty())
    }

    /// A blank value is refused by Security Hub, so it is none.
    fn insert(&mut self, name: &str, value: Option<&str>) {
        let value = value.map(str::trim).filter(|value| !value.is_empty());
        if let Some(value) = value.filter(|_| self.0.len() < PRODUCT_FIELDS) {
            let value = if name == REMEDIATION { value.to_owned() } else { fit(value, PRODUCT_FIELD) };
            self.0.insert(fit(name, PRODUCT_FIELD_NAME), value);
        }
    }
}

/// Within the limit, harmless wherever it is shown, and not blank.
fn fit(text: &str, limit: usize) -> String {
    let shown = inert(text);
    match cut(&shown, limit).trim() {
        "" => "-".to_owned(),
        text => text.to_owned(),
    }
}

fn timestamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}
