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
    /// What is done about it depends on this, and never on words.
    pub kind: Kind,
    /// Why.
    #[source]
    pub cause: Cause,
}

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// AWS refuses for a while: too many calls.
    Throttled,
    /// AWS refuses the caller: a permission, or the credentials.
    Denied,
    /// What is asked for is not there.
    NotFound,
    /// AWS refuses the call for another reason.
    Refused,
    /// AWS could not do it, and says so (HTTP 5xx).
    Unavailable,
    /// There was no connection: the name, the address, TLS or the proxy.
    Unreachable,
    /// There was a connection, and it ended before the answer did.
    Interrupted,
    /// There was no answer in time.
    Timeout,
    /// The answer cannot be read.
    Malformed,
    /// The answer can be read, and makes no sense; or there was no call.
    Unexpected,
}

impl Kind {
    /// Whether the same call may succeed later.
    pub fn may_pass(self) -> bool {
        match self {
            Self::Throttled
            | Self::Unavailable
            | Self::Unreachable
            | Self::Interrupted
            | Self::Timeout
            | Self::Malformed => true,
            Self::Denied | Self::NotFound | Self::Refused | Self::Unexpected => false,
        }
    }

    /// Whether it is not known if the call was done.
    pub fn is_ambiguous(self) -> bool {
        matches!(self, Self::Interrupted | Self::Timeout | Self::Malformed)
    }
}

/// What AWS or the network said. Not the error itself, of which some repeat the request, session token and all.
#[derive(Debug, Clone)]
pub struct Cause {
    /// The error code, such as `AccessDenied`, where AWS answered at all.
    pub code: Option<String>,
    message: String,
}

impl CallError {
    /// The error of an SDK call.
    pub fn new<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        let (kind, cause) = match error {
            SdkError::ServiceError(context) if context.raw().status().is_success() => {
                // The SDK calls it an unhandled error of the service.
                let why = context.err().source().map(|why| format!(": {}", shown(&chain(why)))).unwrap_or_default();
                (Kind::Malformed, Cause { code: None, message: format!("the answer cannot be read{why}") })
            }
            SdkError::ServiceError(context) => answered(context.raw().status().as_u16(), context.err()),
            _ => match connecting(error) {
                Some(why) => {
                    let message = format!("could not connect: {}", shown(&chain(why)));
                    (Kind::Unreachable, Cause { code: None, message })
                }
                None => (kind_of(error), Cause { code: None, message: shown(&chain(error)).into_owned() }),
            },
        };
        Self { operation, kind, cause }
    }

    /// An answer that AWS should not have given.
    pub fn unexpected(operation: &'static str, message: impl Into<String>) -> Self {
        Self::of_kind(Kind::Unexpected, operation, message)
    }

    /// A call that was given up.
    pub fn timeout(operation: &'static str, message: impl Into<String>) -> Self {
        Self::of_kind(Kind::Timeout, operation, message)
    }

    fn of_kind(kind: Kind, operation: &'static str, message: impl Into<String>) -> Self {
        Self { operation, kind, cause: Cause { code: None, message: message.into() } }
    }

    /// AWS's code for it, where AWS answered at all.
    pub fn code(&self) -> Option<&str> {
        self.cause.code.as_deref()
    }
}

/// AWS's own error.
fn answered(status: u16, error: &impl ProvideErrorMetadata) -> (Kind, Cause) {
    let code = error.code().map(str::to_owned);
    let said = error.message().filter(|message| !message.is_empty());
    let message = said.map_or_else(|| format!("HTTP {status}"), |message| shown(message).into_owned());
    let kind = match (status, code.as_deref()) {
        (_, Some(code)) if is_throttling(code) => Kind::Throttled,
        (429, _) => Kind::Throttled,
        (500.., _) => Kind::Unavailable,
        (401 | 403, _) => Kind::Denied,
        (404, _) => Kind::NotFound,
        (_, _) => Kind::Refused,
    };
    (kind, Cause { code, message })
}

/// Where there was a connection and AWS did not answer, or what it answered cannot be read.
fn kind_of<E>(error: &SdkError<E, HttpResponse>) -> Kind
where
    E: Error + 'static,
{
    match error {
        SdkError::TimeoutError(_) => Kind::Timeout,
        SdkError::DispatchFailure(failure) if failure.is_timeout() => Kind::Timeout,
        SdkError::DispatchFailure(_) => Kind::Interrupted,
        SdkError::ResponseError(_) => Kind::Malformed,
        // It was never sent.
        _ => Kind::Unexpected,
    }
}

/// Why there never was a connection, if that is it: name, address, TLS and proxy are all part of connecting.
fn connecting<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let mut causes = successors(Some(error), |error| (*error).source());
    let client = causes.find_map(|cause| cause.downcast_ref::<hyper_util::client::legacy::Error>())?;
    client.source().filter(|_| client.is_connect())
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
