//! The error of a call, rendered as one line with AWS's error code and message.

use std::error::Error;
use std::fmt;
use std::iter::successors;

use aws_smithy_types::error::metadata::{ErrorMetadata, ProvideErrorMetadata};
use hygiene::text;

use aws_sdk_iam::config::http::HttpResponse;
use aws_sdk_iam::error::SdkError;

/// AWS's message is truncated to this many characters.
const LONGEST: usize = 600;

/// A call that failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{operation} failed")]
pub struct CallError {
    /// The name of the operation in AWS's API.
    pub operation: &'static str,
    /// The kind of failure. Retries and handling depend on it, and never on text.
    pub kind: Kind,
    /// The cause.
    #[source]
    pub cause: Cause,
}

/// The kind of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// AWS throttles the caller.
    Throttled,
    /// Access is denied, or the credentials are not valid.
    Denied,
    /// The resource does not exist.
    NotFound,
    /// AWS rejects the call for another reason.
    Refused,
    /// An internal error of AWS (HTTP 5xx).
    Unavailable,
    /// The connection could not be established: DNS, network, TLS or proxy.
    Unreachable,
    /// The connection ended before the response was complete.
    Interrupted,
    /// There was no response before the deadline.
    Timeout,
    /// The response cannot be parsed.
    Malformed,
    /// The response is valid but contradicts the API's documentation, or the call was not made.
    Unexpected,
}

impl Kind {
    /// Whether a retry can succeed.
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

    /// Whether it is unknown if the call had its effect.
    pub fn is_ambiguous(self) -> bool {
        matches!(self, Self::Unavailable | Self::Interrupted | Self::Timeout | Self::Malformed)
    }
}

/// What AWS or the network reported. The SDK's error is not kept: some of them contain the request with its session token.
#[derive(Debug, Clone)]
pub struct Cause {
    /// The error code, such as `AccessDenied`, if AWS responded.
    pub code: Option<String>,
    message: String,
}

impl CallError {
    /// Converts the error of an SDK call.
    pub fn new<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        let (kind, cause) = match error {
            SdkError::ServiceError(context) if context.raw().status().is_success() => {
                // The SDK reports it as an unhandled service error.
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

    /// A response that contradicts the API's documentation.
    pub fn unexpected(operation: &'static str, message: impl Into<String>) -> Self {
        Self::of_kind(Kind::Unexpected, operation, message)
    }

    /// A call that was abandoned at its deadline.
    pub fn timeout(operation: &'static str, message: impl Into<String>) -> Self {
        Self::of_kind(Kind::Timeout, operation, message)
    }

    fn of_kind(kind: Kind, operation: &'static str, message: impl Into<String>) -> Self {
        Self { operation, kind, cause: Cause { code: None, message: message.into() } }
    }

    /// AWS's error code, if AWS responded.
    pub fn code(&self) -> Option<&str> {
        self.cause.code.as_deref()
    }
}

/// The error that AWS returned.
fn answered(status: u16, error: &impl ProvideErrorMetadata) -> (Kind, Cause) {
    let code = error.code().map(str::to_owned);
    let said = error.message().filter(|message| !message.is_empty());
    let message = said.map_or_else(|| format!("HTTP {status}"), |message| shown(message).into_owned());
    let kind = match (status, code.as_deref()) {
        (_, Some(code)) if is_throttling(code) => Kind::Throttled,
        (429, _) => Kind::Throttled,
        (500.., _) => Kind::Unavailable,
        // CloudTrail and Organizations deny with HTTP 400.
        (_, Some("AccessDeniedException")) | (401 | 403, _) => Kind::Denied,
        (404, _) => Kind::NotFound,
        (_, _) => Kind::Refused,
    };
    (kind, Cause { code, message })
}

/// An error without a valid response from AWS.
fn kind_of<E>(error: &SdkError<E, HttpResponse>) -> Kind
where
    E: Error + 'static,
{
    match error {
        SdkError::TimeoutError(_) => Kind::Timeout,
        SdkError::DispatchFailure(failure) if failure.is_timeout() => Kind::Timeout,
        SdkError::DispatchFailure(_) => Kind::Interrupted,
        SdkError::ResponseError(_) => Kind::Malformed,
        // The request was not sent.
        _ => Kind::Unexpected,
    }
}

/// Why the connection could not be established, if that is the error: DNS, network, TLS and proxy are part of it.
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

/// The first line: a signature error has the request with its session token in the following lines.
fn shown(message: &str) -> std::borrow::Cow<'_, str> {
    let line = message.lines().next().unwrap_or_default();
    let shown = text::escape(line);
    match text::cut(&shown, LONGEST) {
        std::borrow::Cow::Borrowed(_) => shown,
        std::borrow::Cow::Owned(cut) => std::borrow::Cow::Owned(cut),
    }
}

/// An error and its causes, joined by colons. For an error from AWS: its code and message, since the SDK renders it as a Rust
/// value below two errors that have no information.
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
