//! What Security Hub says of findings that it did not take or mark, and whether trying again is of use.

use std::collections::BTreeMap;

use hygiene::text::{cut, inert};

/// What Security Hub says of a finding that it did not take, or mark.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    /// As it was sent; empty where it is not said.
    id: String,
    code: String,
    message: String,
}

/// What a refusal's code says of trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prospect {
    /// The same may succeed later.
    Later,
    /// The finding or the permission is at fault, so that trying again is no use.
    Never,
    /// The code says neither. Which codes there are is not documented.
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
            message: cut(&inert(message.unwrap_or_default()), 400).into_owned(),
        }
    }

    /// That so many findings were refused, without a word on which ones.
    pub(crate) fn unnamed(count: usize) -> Self {
        let were = if count == 1 { "was" } else { "were" };
        let message = format!("{count} of the findings {were} refused, and it is not said which");
        Self { id: String::new(), code: String::new(), message }
    }

    /// As one line.
    pub(crate) fn reason(&self) -> String {
        let said = [&self.code, &self.message].into_iter().filter(|said| !said.is_empty());
        said.map(String::as_str).collect::<Vec<_>>().join(": ")
    }

    pub(crate) fn prospect(&self) -> Prospect {
        Prospect::of(&self.code)
    }
}

/// The refusals of a call by the place of what was sent. Where it is not said which finding one is about, it may be each that is
/// not named, and none of them counts as taken.
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
