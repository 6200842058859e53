//! Retries with exponential backoff and jitter, until a deadline that leaves time for the rest of the run.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::error::{CallError, Kind, chain};

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Where tries of unreachable endpoints are limited, an endpoint is given up after this time.
const UNREACHABLE: Duration = Duration::from_secs(20);

/// A function that is called with the error before each retry.
pub type OnRetry = Arc<dyn Fn(&CallError) + Send + Sync>;

/// The retry policy of a call.
#[derive(Clone)]
pub struct Retry {
    /// The deadline of all tries.
    pub until: Instant,
    /// The maximum number of tries, within 20 seconds, while the endpoint cannot be reached; `None`: until the deadline.
    pub unreachable: Option<u32>,
    /// The maximum number of retries after a try whose outcome is unknown; `None`: until the deadline.
    pub after_ambiguous: Option<u32>,
    /// Called with the error before each retry.
    pub on_retry: Option<OnRetry>,
}

impl Retry {
    /// The same policy with another deadline.
    #[must_use]
    pub fn until(&self, until: Instant) -> Self {
        Self { until, ..self.clone() }
    }
}

impl From<Instant> for Retry {
    /// Retries every error that can be temporary until the deadline.
    fn from(until: Instant) -> Self {
        Self { until, unreachable: None, after_ambiguous: None, on_retry: None }
    }
}

impl fmt::Debug for Retry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Retry").field("until", &self.until).finish_non_exhaustive()
    }
}

/// The tries of one call.
#[derive(Debug)]
pub struct Tries {
    retry: Retry,
    backoff: Backoff,
    unreachable: u32,
    unreachable_since: Option<Instant>,
    /// The retries that are left, once they are limited.
    left: Option<u32>,
}

impl Tries {
    /// A call that was not tried yet.
    pub fn of(retry: Retry) -> Self {
        Self { backoff: Backoff::until(retry.until), retry, unreachable: 0, unreachable_since: None, left: None }
    }

    /// Waits before the next try. Returns `false` immediately if there is none.
    pub async fn again(&mut self, error: &CallError) -> bool {
        if self.is_last(error.kind) || !self.wait().await {
            return false;
        }
        tracing::debug!(error = chain(error), "Trying again.");
        if let Some(on_retry) = &self.retry.on_retry {
            on_retry(error);
        }
        true
    }

    /// Waits for an operation that is in progress. Returns `false` immediately if there is not enough time.
    pub async fn wait(&mut self) -> bool {
        self.backoff.wait().await
    }

    fn is_last(&mut self, kind: Kind) -> bool {
        if kind == Kind::Unreachable {
            self.unreachable += 1;
            let since = *self.unreachable_since.get_or_insert_with(Instant::now);
            let is_enough = |most| most <= self.unreachable || since.elapsed() >= UNREACHABLE;
            if self.retry.unreachable.is_some_and(is_enough) {
                return true;
            }
        } else {
            (self.unreachable, self.unreachable_since) = (0, None);
        }
        if self.left.is_none() && kind.is_ambiguous() {
            self.left = self.retry.after_ambiguous;
        }
        match &mut self.left {
            None => false,
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
        }
    }
}

/// Exponential backoff. Each wait is between half of and the whole current interval, at random, so that many accounts do not
/// call at the same time.
#[derive(Debug)]
pub struct Backoff {
    next: Duration,
    until: Instant,
}

impl Backoff {
    /// Backoff until the deadline.
    pub fn until(until: Instant) -> Self {
        Self { next: FIRST_WAIT, until }
    }

    /// Waits. Returns `false` immediately if the wait would exceed the deadline.
    pub async fn wait(&mut self) -> bool {
        let wait = self.next.mul_f64(0.5 + fastrand::f64() / 2.0);
        if self.until < Instant::now() + wait {
            return false;
        }
        sleep(wait).await;
        self.next = (self.next * 2).min(LONGEST_WAIT);
        true
    }
}

/// Calls until the call succeeds, fails permanently, or the deadline passes; then returns the last error. The SDK's own retries
/// are off: at a deadline they would hide the last error.
pub async fn with_retry<T>(
    operation: &'static str,
    retry: impl Into<Retry>,
    call: impl AsyncFn() -> Result<T, CallError>,
) -> Result<T, CallError> {
    let retry = retry.into();
    let until = retry.until;
    let mut tries = Tries::of(retry);
    let mut last = None;
    loop {
        match within(operation, until, last.as_ref(), call()).await {
            Err(error) if error.kind.may_pass() && tries.again(&error).await => last = Some(error),
            result => return result,
        }
    }
}

/// One call with a deadline: an endpoint that accepts the connection and never answers must not cost the whole run. `last` is
/// the error of the previous try, which is more useful than a timeout.
pub async fn within<T>(
    operation: &'static str,
    until: Instant,
    last: Option<&CallError>,
    call: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    let over = |message| Err(last.cloned().unwrap_or_else(|| CallError::timeout(operation, message)));
    if until <= Instant::now() {
        return over("there was no time left");
    }
    timeout_at(until, call).await.unwrap_or_else(|_| over("there was no answer in time"))
}
