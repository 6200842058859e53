//! The subject of a verdict, and the identity of a finding, which is stable as long as the problem exists.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, SubsecRound as _, Utc};
use serde::{Deserialize, Serialize};

use crate::text::escape;

/// The subject of a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Subject {
    /// The root user.
    Root {
        /// Its ARN, if the account is known.
        arn: Option<String>,
    },
    /// The account as a whole: the subject of a check on users if no report lists the users.
    Account,
    /// An IAM user.
    User(UserSubject),
    /// One access key of an IAM user.
    AccessKey(AccessKeySubject),
    /// One service-specific credential of an IAM user.
    ServiceCredential(ServiceCredentialSubject),
}

/// An IAM user as a subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserSubject {
    /// The user's name, as in the report: untrusted text, to be escaped wherever it is shown.
    pub name: String,
    /// The user's ARN; `None` if the name is a pseudonym.
    pub arn: Option<String>,
    /// When the user was created, if that is readable.
    pub created: Option<DateTime<Utc>>,
}

/// An access key as a subject. The report does not have its id, so it is not part of the subject; see
/// [`Enrichment`](crate::enrichment::Enrichment).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKeySubject {
    /// The key's user.
    pub user: UserSubject,
    /// Its slot in the report, 1 or 2.
    pub slot: u8,
    /// When it was created, with all digits that the report has.
    pub created: Option<DateTime<Utc>>,
    /// Whether it is active, if that is readable.
    pub active: Option<bool>,
    /// Its tag in identities.
    pub tag: KeyTag,
}

/// A service-specific credential as a subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceCredentialSubject {
    /// The credential's user.
    pub user: UserSubject,
    /// Its id.
    pub id: String,
    /// The service.
    pub service: String,
    /// When it was created.
    pub created: DateTime<Utc>,
}

/// The last part of a finding's identity: `root`, `user/alice`, `user/alice/key/20210620T051650Z`.
///
/// Parsing is unambiguous, since IAM allows no `/` in a name. A user whose name ended in `/key/` and a [`KeyTag`], or
/// in `/credential/` and an id, would be parsed as that key or credential of another user.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubjectId<'a> {
    /// The root user.
    Root,
    /// The account as a whole.
    Account,
    /// The IAM user of that name.
    User(Cow<'a, str>),
    /// An access key.
    AccessKey {
        /// The name of its user.
        user: Cow<'a, str>,
        /// The tag of the key.
        key: KeyTag,
    },
    /// A service-specific credential.
    ServiceCredential {
        /// The name of its user.
        user: Cow<'a, str>,
        /// Its id: letters, digits and `_`.
        id: Cow<'a, str>,
    },
    /// A form that this version does not know, unchanged.
    Other(Cow<'a, str>),
}

/// Identifies one of a user's access keys by creation date, since the report has no key ids and the order of slots has
/// no meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum KeyTag {
    /// `20210620T051650Z`, or `20210620T051650Z-2`.
    Created {
        /// The time without fractions of a second.
        at: DateTime<Utc>,
        /// Whether it is the key in slot 2 of [twins](crate::twins): two keys with the same creation second.
        second: bool,
    },
    /// `slot-1`, `slot-2`: the key's date is missing or unreadable.
    Slot(u8),
}

/// The identity of a finding: `credwarden/<check id>/<account id>/<subject>`. It contains no Region, message or limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingId<'a> {
    /// The check's id.
    pub check: Cow<'a, str>,
    /// The account's 12 digits; if they are not known, the text has `unknown`.
    pub account_id: Option<Cow<'a, str>>,
    /// The subject of the finding.
    pub subject: SubjectId<'a>,
}

/// The reason why a text is not the identity of a finding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the identity of a finding: {0}")]
pub struct InvalidFindingId(String);

const PRODUCT: &str = "credwarden";
const UNKNOWN_ACCOUNT: &str = "unknown";
const USER: &str = "user/";
const KEY: &str = "/key/";
const CREDENTIAL: &str = "/credential/";

impl Subject {
    /// An IAM user.
    pub fn user(name: &str, arn: Option<String>) -> Self {
        Self::User(UserSubject { name: name.to_owned(), arn, created: None })
    }

    /// Its part of an identity.
    pub fn id(&self) -> SubjectId<'_> {
        match self {
            Self::Root { .. } => SubjectId::Root,
            Self::Account => SubjectId::Account,
            Self::User(user) => SubjectId::User(Cow::Borrowed(&user.name)),
            Self::AccessKey(key) => SubjectId::AccessKey { user: Cow::Borrowed(&key.user.name), key: key.tag },
            Self::ServiceCredential(ServiceCredentialSubject { user, id, .. }) => {
                SubjectId::ServiceCredential { user: Cow::Borrowed(&user.name), id: Cow::Borrowed(id) }
            }
        }
    }

    /// The IAM user, or the user of the credential.
    pub fn owner(&self) -> Option<&UserSubject> {
        match self {
            Self::Root { .. } | Self::Account => None,
            Self::User(user) => Some(user),
            Self::AccessKey(key) => Some(&key.user),
            Self::ServiceCredential(credential) => Some(&credential.user),
        }
    }

    /// The ARN of root or of the user.
    pub fn arn(&self) -> Option<&str> {
        match self {
            Self::Root { arn } => arn.as_deref(),
            Self::Account => None,
            Self::User(user)
            | Self::AccessKey(AccessKeySubject { user, .. })
            | Self::ServiceCredential(ServiceCredentialSubject { user, .. }) => user.arn.as_deref(),
        }
    }

    /// The access key, if it is one.
    pub fn access_key(&self) -> Option<&AccessKeySubject> {
        match self {
            Self::AccessKey(key) => Some(key),
            Self::Root { .. } | Self::Account | Self::User(_) | Self::ServiceCredential(_) => None,
        }
    }

    /// The service-specific credential, if it is one.
    pub fn service_credential(&self) -> Option<&ServiceCredentialSubject> {
        match self {
            Self::ServiceCredential(credential) => Some(credential),
            Self::Root { .. } | Self::Account | Self::User(_) | Self::AccessKey(_) => None,
        }
    }

    /// When it was created, if that is known.
    pub fn created(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::AccessKey(key) => key.created,
            Self::ServiceCredential(credential) => Some(credential.created),
            Self::Root { .. } | Self::Account | Self::User(_) => None,
        }
    }

    /// Whether it is the root user.
    pub fn is_root(&self) -> bool {
        matches!(self, Self::Root { .. })
    }

    /// Its name in a sentence: `the root user`, `alice`, `access key 2 of alice`.
    pub fn called(&self) -> String {
        match self {
            Self::Root { .. } => "the root user".to_owned(),
            Self::Account => "the account".to_owned(),
            Self::User(user) => user.shown_name().into_owned(),
            Self::AccessKey(key) => format!("access key {} of {}", key.slot, key.user.shown_name()),
            Self::ServiceCredential(ServiceCredentialSubject { user, id, .. }) => {
                format!("credential {} of {}", escape(id), user.shown_name())
            }
        }
    }

    /// The name of its kind in the JSON contract.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Root { .. } => "root",
            Self::Account => "account",
            Self::User(_) => "user",
            Self::AccessKey(_) => "access_key",
            Self::ServiceCredential(_) => "service_credential",
        }
    }
}

impl UserSubject {
    /// The name, escaped.
    pub fn shown_name(&self) -> Cow<'_, str> {
        escape(&self.name)
    }
}

impl<'a> SubjectId<'a> {
    /// Parses a subject's part of an identity. A text of an unknown form is [`Other`](Self::Other).
    pub fn of(text: &'a str) -> Self {
        match text {
            "root" => return Self::Root,
            "account" => return Self::Account,
            _ => {}
        }
        let Some(user) = text.strip_prefix(USER) else { return Self::Other(Cow::Borrowed(text)) };
        if let Some((user, key)) = user.rsplit_once(KEY)
            && let Ok(key) = key.parse()
        {
            return Self::AccessKey { user: Cow::Borrowed(user), key };
        }
        match user.rsplit_once(CREDENTIAL) {
            Some((user, id)) if is_credential_id(id) => {
                Self::ServiceCredential { user: Cow::Borrowed(user), id: Cow::Borrowed(id) }
            }
            Some(_) | None => Self::User(Cow::Borrowed(user)),
        }
    }

    /// The name of the IAM user, or of the credential's user.
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::User(name) | Self::AccessKey { user: name, .. } | Self::ServiceCredential { user: name, .. } => {
                Some(name)
            }
            Self::Root | Self::Account | Self::Other(_) => None,
        }
    }

    /// Returns an owned copy.
    pub fn into_owned(self) -> SubjectId<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Self::Root => SubjectId::Root,
            Self::Account => SubjectId::Account,
            Self::User(name) => SubjectId::User(owned(name)),
            Self::AccessKey { user, key } => SubjectId::AccessKey { user: owned(user), key },
            Self::ServiceCredential { user, id } => SubjectId::ServiceCredential { user: owned(user), id: owned(id) },
            Self::Other(text) => SubjectId::Other(owned(text)),
        }
    }
}

/// Whether the text can be the id of a service-specific credential.
pub(crate) fn is_credential_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl KeyTag {
    /// The tag of a key with the creation time; `second` is true for the key in slot 2 of twins.
    pub fn created(at: DateTime<Utc>, second: bool) -> Self {
        Self::Created { at: at.trunc_subsecs(0), second }
    }
}

impl<'a> FindingId<'a> {
    /// Parses an identity.
    ///
    /// # Errors
    ///
    /// When the text does not begin like an identity.
    pub fn parse(text: &'a str) -> Result<Self, InvalidFindingId> {
        let mut parts = text.splitn(4, '/');
        let (product, check, account, subject) = (parts.next(), parts.next(), parts.next(), parts.next());
        match (product, check, account, subject) {
            (Some(PRODUCT), Some(check), Some(account), Some(subject)) => Ok(Self {
                check: Cow::Borrowed(check),
                account_id: Some(account).filter(|account| *account != UNKNOWN_ACCOUNT).map(Cow::Borrowed),
                subject: SubjectId::of(subject),
            }),
            _ => Err(InvalidFindingId(escape(text).into_owned())),
        }
    }
}

/// The format of times in identities: `20210620T051650Z`, in UTC, without fractions.
pub fn stamp(time: DateTime<Utc>) -> String {
    time.format(STAMP).to_string()
}

const STAMP: &str = "%Y%m%dT%H%M%SZ";
const SECOND: &str = "-2";

impl fmt::Display for KeyTag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Created { at, second } => {
                write!(formatter, "{}{}", at.format(STAMP), if *second { SECOND } else { "" })
            }
            Self::Slot(slot) => write!(formatter, "slot-{slot}"),
        }
    }
}

impl FromStr for KeyTag {
    type Err = InvalidFindingId;

    fn from_str(text: &str) -> Result<Self, InvalidFindingId> {
        let invalid = || InvalidFindingId(escape(text).into_owned());
        match text {
            "slot-1" => return Ok(Self::Slot(1)),
            "slot-2" => return Ok(Self::Slot(2)),
            _ => {}
        }
        let (time, second) = text.strip_suffix(SECOND).map_or((text, false), |time| (time, true));
        let at = NaiveDateTime::parse_from_str(time, STAMP).map_err(|_| invalid())?.and_utc();
        // chrono also parses forms that are never written, such as one without leading zeros.
        if stamp(at) == time { Ok(Self::Created { at, second }) } else { Err(invalid()) }
    }
}

impl fmt::Display for SubjectId<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => formatter.write_str("root"),
            Self::Account => formatter.write_str("account"),
            Self::User(name) => write!(formatter, "{USER}{name}"),
            Self::AccessKey { user, key } => write!(formatter, "{USER}{user}{KEY}{key}"),
            Self::ServiceCredential { user, id } => write!(formatter, "{USER}{user}{CREDENTIAL}{id}"),
            Self::Other(text) => formatter.write_str(text),
        }
    }
}

impl fmt::Display for FindingId<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let account = self.account_id.as_deref().unwrap_or(UNKNOWN_ACCOUNT);
        write!(formatter, "{PRODUCT}/{}/{account}/{}", self.check, self.subject)
    }
}

impl FromStr for FindingId<'static> {
    type Err = InvalidFindingId;

    fn from_str(text: &str) -> Result<Self, InvalidFindingId> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        FindingId::parse(text).map(|FindingId { check, account_id, subject }| Self {
            check: owned(check),
            account_id: account_id.map(owned),
            subject: subject.into_owned(),
        })
    }
}

impl From<KeyTag> for String {
    fn from(tag: KeyTag) -> Self {
        tag.to_string()
    }
}

impl TryFrom<String> for KeyTag {
    type Error = InvalidFindingId;

    fn try_from(text: String) -> Result<Self, InvalidFindingId> {
        text.parse()
    }
}

/// A subject in the JSON contract.
#[derive(Debug, Serialize)]
pub struct SubjectJson<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    user: Option<&'a str>,
    arn: Option<&'a str>,
    slot: Option<u8>,
    access_key_id: Option<&'a str>,
    created: Option<DateTime<Utc>>,
    /// Only service-specific credentials have this and the next member.
    #[serde(skip_serializing_if = "Option::is_none")]
    credential_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'a str>,
}

impl<'a> SubjectJson<'a> {
    /// The subject, with the access key's id if it is known.
    pub fn new(subject: &'a Subject, access_key_id: Option<&'a str>) -> Self {
        let (key, credential) = (subject.access_key(), subject.service_credential());
        Self {
            kind: subject.kind(),
            user: subject.owner().map(|user| user.name.as_str()),
            arn: subject.arn(),
            slot: key.map(|key| key.slot),
            access_key_id,
            created: subject.created(),
            credential_id: credential.map(|credential| credential.id.as_str()),
            service: credential.map(|credential| credential.service.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::time;

    const KEY_ID: &str = "credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z";

    #[test]
    fn identities_are_parsed() {
        let id = FindingId::parse(KEY_ID).unwrap();
        assert_eq!((&*id.check, id.account_id.as_deref()), ("access-key-not-rotated", Some("123456789012")));
        let key = KeyTag::created(time("2021-06-20T05:16:50.9Z"), false);
        assert_eq!(id.subject, SubjectId::AccessKey { user: "alice".into(), key });
        let second = KeyTag::created(time("2021-06-20T05:16:50Z"), true);
        let twin = SubjectId::of("user/alice/key/20210620T051650Z-2");
        assert_eq!(twin, SubjectId::AccessKey { user: "alice".into(), key: second });
        let credential = SubjectId::ServiceCredential { user: "alice".into(), id: "ACCAEXAMPLE123EXAMPLE".into() };
        assert_eq!(SubjectId::of("user/alice/credential/ACCAEXAMPLE123EXAMPLE"), credential);
        assert_eq!(SubjectId::of("user/credential"), SubjectId::User("credential".into()));
        assert_eq!(SubjectId::of("user/key"), SubjectId::User("key".into()));
        assert_eq!(SubjectId::of("user/root"), SubjectId::User("root".into()));
        assert_eq!(SubjectId::of("root"), SubjectId::Root);
        let slot = SubjectId::AccessKey { user: "root".into(), key: KeyTag::Slot(1) };
        assert_eq!(SubjectId::of("user/root/key/slot-1"), slot);
        assert_eq!(FindingId::parse("credwarden/x/unknown/account").unwrap().account_id, None);
    }

    #[test]
    fn a_slot_is_not_the_second_of_twins() {
        assert_eq!("slot-2".parse(), Ok(KeyTag::Slot(2)));
        for text in
            ["slot-3", "slot", "20210620T051650Z-3", "20210620T051650", "2021620T051650Z", "20211320T051650Z", ""]
        {
            assert!(text.parse::<KeyTag>().is_err(), "{text}");
        }
    }

    #[test]
    fn text_that_does_not_begin_like_an_identity_is_an_error() {
        for text in ["", "credwarden", "credwarden/x/123456789012", "prowler/x/123456789012/root"] {
            assert!(FindingId::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn forms_of_other_versions_are_kept_unchanged() {
        for subject in ["account/123456789012", "", "role/admin", "user"] {
            assert_eq!(SubjectId::of(subject), SubjectId::Other(subject.into()));
        }
        let credential = "user/alice/credential/ACCA-EXAMPLE";
        assert_eq!(SubjectId::of(credential).to_string(), credential);
    }

    fn subjects() -> impl Strategy<Value = SubjectId<'static>> {
        // Names that IAM allows, and others without `/` that a file can have.
        let name = prop_oneof!["[A-Za-z0-9+=,.@_-]{1,64}", "[^/]{1,20}", "key|credential|root|account|slot-1|user|-2"];
        let tag = prop_oneof![
            (0_i64..253_402_300_800, any::<bool>())
                .prop_map(|(seconds, second)| KeyTag::created(DateTime::from_timestamp(seconds, 7).unwrap(), second)),
            (1_u8..3).prop_map(KeyTag::Slot),
        ];
        prop_oneof![
            Just(SubjectId::Root),
            Just(SubjectId::Account),
            name.clone().prop_map(|name| SubjectId::User(name.into())),
            (name.clone(), tag).prop_map(|(name, key)| SubjectId::AccessKey { user: name.into(), key }),
            (name, "[A-Za-z0-9_]{1,40}")
                .prop_map(|(name, id)| SubjectId::ServiceCredential { user: name.into(), id: id.into() }),
        ]
    }

    proptest! {
        #[test]
        fn an_identity_is_parsed_as_it_was_serialized(
            check in "[a-z-]{1,40}",
            account in prop::option::of("[0-9]{12}"),
            subject in subjects(),
        ) {
            let id = FindingId { check: check.into(), account_id: account.map(Cow::Owned), subject };
            prop_assert_eq!(id.to_string().parse::<FindingId<'static>>(), Ok(id));
        }

        #[test]
        fn an_identity_is_serialized_as_it_was_parsed(
            subject in prop_oneof![".*", "user/.*", "user/.*/key/.*", "user/[^/]+/key/[0-9TZ-]{0,18}", "user/.*/credential/.*"],
            account in prop_oneof!["[0-9]{12}", Just("unknown".to_owned()), "[^/]{0,5}"],
        ) {
            let text = format!("credwarden/x/{account}/{subject}");
            prop_assert_eq!(FindingId::parse(&text).unwrap().to_string(), text);
        }
    }
}
