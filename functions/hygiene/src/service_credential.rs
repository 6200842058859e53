//! Service-specific credentials: an IAM user's API keys and passwords, each for one AWS service. The credential report
//! does not show them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::check::Context;
use crate::source::{Source, SourceId, Unavailable};
use crate::subject::is_credential_id;
use crate::text::{cut, escape};
use crate::time::to_seconds;
use crate::verdict::{Evidence, Fact};

/// An entry of `ListServiceSpecificCredentials`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceCredential {
    /// `ServiceSpecificCredentialId`, such as `ACCAEXAMPLE123EXAMPLE`.
    pub id: String,
    /// `UserName`: untrusted text, to be escaped wherever it is shown.
    pub user: String,
    /// `ServiceName`, such as `bedrock.amazonaws.com`.
    pub service: String,
    /// `Status`: `Active`, `Inactive` or `Expired`.
    pub status: String,
    /// `CreateDate`
    pub created: DateTime<Utc>,
    /// `ExpirationDate`; without one the credential never expires.
    pub expires: Option<DateTime<Utc>>,
}

/// Whether a credential can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It can be used.
    Active,
    /// It was deactivated.
    Inactive,
    /// It expired.
    Expired,
}

/// The reason why a list of service-specific credentials is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidServiceCredentials(String);

/// The services with credentials that are API keys: these can have an expiration date.
///
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_api_keys_for_aws_services.html>
const EXPIRING: [&str; 4] =
    ["bedrock.amazonaws.com", "aws-external-anthropic.amazonaws.com", "logs.amazonaws.com", "cloudwatch.amazonaws.com"];

/// Whether credentials of the service can have an expiration date.
pub(crate) fn can_expire(service: &str) -> bool {
    EXPIRING.contains(&service)
}

/// Checks the names in a list, which become parts of identities, and removes duplicates: a page may begin with an entry
/// of the previous page.
///
/// # Errors
///
/// When an entry has an id or a user's name that IAM does not allow, or when two entries contradict each other.
pub fn checked(list: Vec<ServiceCredential>) -> Result<Vec<ServiceCredential>, InvalidServiceCredentials> {
    let mut unique: Vec<ServiceCredential> = Vec::with_capacity(list.len());
    let mut places: BTreeMap<(String, String), usize> = BTreeMap::new();
    let shown = |text: &str| cut(&escape(text), 64).into_owned();
    for credential in list {
        let ServiceCredential { id, user, .. } = &credential;
        if !is_credential_id(id) {
            let error = format!("`{}` is not the id of a service-specific credential", shown(id));
            return Err(InvalidServiceCredentials(error));
        }
        if user.is_empty() || user.contains('/') {
            return Err(InvalidServiceCredentials(format!("`{}` is not the name of a user", shown(user))));
        }
        match places.get(&(user.clone(), id.clone())) {
            None => {
                places.insert((user.clone(), id.clone()), unique.len());
                unique.push(credential);
            }
            Some(place) if unique[*place] == credential => {}
            Some(_) => {
                let error = format!("the credential `{}` is listed twice, with different values", shown(id));
                return Err(InvalidServiceCredentials(error));
            }
        }
    }
    Ok(unique)
}

impl ServiceCredential {
    /// Whether it can be used at the time of the run.
    ///
    /// # Errors
    ///
    /// When its status is not a known one.
    pub fn state(&self, context: &Context<'_>) -> Source<State> {
        if self.expires.is_some_and(|expires| expires <= context.now) {
            return Ok(State::Expired);
        }
        match self.status.as_str() {
            "Active" => Ok(State::Active),
            "Inactive" => Ok(State::Inactive),
            "Expired" => Ok(State::Expired),
            other => {
                let (id, other) = (escape(&self.id), escape(other));
                let reason = format!("Status of {id} is `{}`, not Active, Inactive or Expired.", cut(&other, 64));
                Err(Unavailable::Unreadable(reason))
            }
        }
    }

    /// Whether credentials of its service can have an expiration date.
    pub fn can_expire(&self) -> bool {
        can_expire(&self.service)
    }

    /// Whether its holder can use models, which the account pays for.
    pub fn is_for_models(&self) -> bool {
        EXPIRING[..2].contains(&self.service.as_str())
    }

    /// Its name in a sentence.
    pub(crate) fn called(&self) -> String {
        format!("Credential {} of {} for {}", escape(&self.id), escape(&self.user), cut(&escape(&self.service), 128))
    }

    /// Its entry in the list, unchanged.
    pub(crate) fn evidence(&self) -> Evidence {
        let facts = [
            ("ServiceName", Some(self.service.clone())),
            ("ServiceSpecificCredentialId", Some(self.id.clone())),
            ("Status", Some(self.status.clone())),
            ("CreateDate", Some(to_seconds(self.created))),
            ("ExpirationDate", self.expires.map(to_seconds)),
        ];
        let source = SourceId::ServiceSpecificCredentials;
        let fact =
            |(name, value): (&'static str, Option<String>)| Some(Fact { source, name: name.into(), value: value? });
        facts.into_iter().filter_map(fact).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::service_credential;

    #[test]
    fn a_list_has_each_credential_once() {
        let alice = service_credential("alice", "ACCA1");
        let bob = service_credential("bob", "ACCA2");
        let list = checked(vec![alice.clone(), bob.clone(), alice.clone()]);
        assert_eq!(list, Ok(vec![alice.clone(), bob]));
        let rejected = |list: Vec<ServiceCredential>| checked(list).unwrap_err().to_string();
        let changed = ServiceCredential { status: "Inactive".to_owned(), ..alice.clone() };
        insta::assert_snapshot!(rejected(vec![alice, changed]), @"the credential `ACCA1` is listed twice, with different values");
    }

    #[test]
    fn names_that_would_be_parsed_as_another_identity_are_rejected() {
        let rejected = |user: &str, id: &str| checked(vec![service_credential(user, id)]).unwrap_err().to_string();
        insta::assert_snapshot!(rejected("alice", "ACCA/1"), @"`ACCA/1` is not the id of a service-specific credential");
        insta::assert_snapshot!(rejected("alice", ""), @"`` is not the id of a service-specific credential");
        insta::assert_snapshot!(rejected("alice/key/slot-1", "ACCA1"), @"`alice/key/slot-1` is not the name of a user");
        insta::assert_snapshot!(rejected("", "ACCA1"), @"`` is not the name of a user");
    }
}
