//! Why a call failed, in one line, with AWS's own code and words.

use std::error::Error;
use std::fmt;
use std::iter::successors;

use aws_smithy_types::error::metadata::{ErrorMetadata, ProvideErrorMetadata};
use hygiene::text;

use aws_sdk_iam::config::http::HttpResponse;
use aws_sdk_iam::error::SdkError;

/// AWS's words are cut at so many characters.
const LONGEST: usize = 600;

/// A call that failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{operation} failed")]
pub struct CallError {
    /// The API's name for it.
    pub operation: &'static str,
    /// Why.
    #[source]
    pub cause: Cause,
}

/// What AWS or the network said.
#[derive(Debug, Clone)]
pub struct Cause {
    /// The error code, such as `AccessDenied`, where AWS answered at all.
    pub code: Option<String>,
    /// Whether the same call may succeed later.
    pub transient: bool,
    message: String,
}

impl CallError {
    /// The error of an SDK call.
    pub fn new<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        Self { operation, cause: Cause::of(error) }
    }

    /// An answer that AWS should not have given, or a call that was given up.
    pub fn other(operation: &'static str, message: impl Into<String>) -> Self {
        Self { operation, cause: Cause { code: None, transient: false, message: message.into() } }
    }
}

impl Cause {
    fn of<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        if let SdkError::ServiceError(context) = error {
            let status = context.raw().status().as_u16();
            let code = context.err().code().map(str::to_owned);
            let said = context.err().message().filter(|message| !message.is_empty());
            return Self {
                transient: status == 429 || 500 <= status || code.as_deref().is_some_and(is_throttling),
                message: said.map_or_else(|| format!("HTTP {status}"), |message| shown(message).into_owned()),
                code,
            };
        }
        let never_sent = matches!(error, SdkError::ConstructionFailure(_));
        Self { code: None, transient: !never_sent, message: shown(&chain(error)).into_owned() }
    }
}

/// AWS throttles IAM with `Throttling`, and refuses to generate reports too often with `LimitExceeded`, which the SDK does
/// not take for throttling. Security Hub says `TooManyRequestsException` or `LimitExceededException`.
fn is_throttling(code: &str) -> bool {
    let codes = [
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "LimitExceeded",
        "LimitExceededException",
        "ServiceUnavailable",
        "RequestTimeout",
        "KMSThrottling",
    ];
    codes.contains(&code)
}

/// The first line: after it, a signature error repeats the request, session token and all.
fn shown(message: &str) -> std::borrow::Cow<'_, str> {
    let line = message.lines().next().unwrap_or_default();
    let shown = text::inert(line);
    match text::cut(&shown, LONGEST) {
        std::borrow::Cow::Borrowed(_) => shown,
        std::borrow::Cow::Owned(cut) => std::borrow::Cow::Owned(cut),
    }
}

/// An error and all its causes, joined by colons. What AWS answered is its code and its words: the SDK shows it as a Rust value,
/// below two errors that say no more than that it is one.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    for error in successors(Some(error), |error| (*error).source()) {
        let mut next = error.to_string();
        if let Some(answer) = error.downcast_ref::<ErrorMetadata>() {
            parts.pop_if(|part| part.starts_with("unhandled error"));
            parts.pop_if(|part| part == "service error");
            let said = [answer.code(), answer.message()].into_iter().flatten();
            next = said.collect::<Vec<_>>().join(": ");
        }
        if !parts.last().is_some_and(|last| last.ends_with(&next)) {
            parts.push(next);
        }
    }
    parts.join(": ")
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.code {
            Some(code) => write!(formatter, "{code}: {}", self.message),
            None => formatter.write_str(&self.message),
        }
    }
}

impl Error for Cause {}
