//! Findings that Security Hub rejected in a batch, and whether a retry can succeed.

use std::collections::BTreeMap;

use hygiene::text::{cut, escape};

/// A finding that Security Hub did not import or update, with its reason.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    /// The finding's `Id` as it was sent; empty if the response lacks it.
    id: String,
    code: String,
    message: String,
}

/// Whether a retry can succeed, by error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prospect {
    /// A retry can succeed.
    Later,
    /// The finding is invalid or a permission is missing: a retry cannot succeed.
    Never,
    /// Unknown. The codes are not documented.
    Unsaid,
}

impl Prospect {
    fn of(code: &str) -> Self {
        match code.strip_suffix("Exception").unwrap_or(code) {
            "FindingNotFound"
            | "ConcurrentUpdateError"
            | "InternalFailure"
            | "Internal"
            | "ServiceUnavailable"
            | "Throttling"
            | "Throttled"
            | "TooManyRequests"
            | "LimitExceeded"
            | "RequestLimitExceeded" => Self::Later,
            "AccessDenied" | "DuplicatedFindingIdentifier" | "Validation" | "ValidationError" => Self::Never,
            code if code.starts_with("Invalid") => Self::Never,
            _ => Self::Unsaid,
        }
    }
}

impl Refusal {
    pub(crate) fn new(id: Option<&str>, code: Option<&str>, message: Option<&str>) -> Self {
        Self {
            id: id.unwrap_or_default().to_owned(),
            code: code.unwrap_or_default().to_owned(),
            message: cut(&escape(message.unwrap_or_default()), 400).into_owned(),
        }
    }

    /// A number of findings that were rejected without their identifiers.
    pub(crate) fn unnamed(count: usize) -> Self {
        let were = if count == 1 { "was" } else { "were" };
        let message = format!("{count} of the findings {were} refused, and it is not said which");
        Self { id: String::new(), code: String::new(), message }
    }

    /// The reason, as one line.
    pub(crate) fn reason(&self) -> String {
        let said = [&self.code, &self.message].into_iter().filter(|said| !said.is_empty());
        said.map(String::as_str).collect::<Vec<_>>().join(": ")
    }

    pub(crate) fn prospect(&self) -> Prospect {
        Prospect::of(&self.code)
    }
}

/// The refusals of a call by position in the request. A refusal without identifier can be of any finding that has none of its
/// own, so all of those count as rejected.
pub(crate) fn by_place(sent: &[String], refusals: Vec<Refusal>) -> BTreeMap<usize, Refusal> {
    let places: BTreeMap<&str, usize> = sent.iter().map(String::as_str).zip(0..).collect();
    let mut refused = BTreeMap::new();
    let mut unnamed = None;
    for refusal in refusals {
        match places.get(refusal.id.as_str()) {
            Some(place) => _ = refused.insert(*place, refusal),
            None => unnamed = unnamed.or(Some(refusal)),
        }
    }
    if let Some(unnamed) = unnamed {
        for place in 0..sent.len() {
            refused.entry(place).or_insert_with(|| unnamed.clone());
        }
    }
    refused
}
