//! How long a call is tried again: with growing, jittered waits, until a moment that leaves time for the rest of the run.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::error::{CallError, Kind, chain};

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// An endpoint that cannot be reached for so long is not tried again, where the tries are limited.
const UNREACHABLE: Duration = Duration::from_secs(20);

/// Called with the error, before each further try.
pub type OnRetry = Arc<dyn Fn(&CallError) + Send + Sync>;

/// How a call is tried again.
#[derive(Clone)]
pub struct Retry {
    /// No try lasts longer.
    pub until: Instant,
    /// How often an endpoint is tried that cannot be reached, for 20 seconds at the most; none: as long as there is time.
    pub unreachable: Option<u32>,
    /// How many tries there are after one of which it is not known whether the call was done; none: as many as there is time for.
    pub after_ambiguous: Option<u32>,
    /// Called with the error, before each further try.
    pub on_retry: Option<OnRetry>,
}

impl Retry {
    /// The same until another moment.
    #[must_use]
    pub fn until(&self, until: Instant) -> Self {
        Self { until, ..self.clone() }
    }
}

impl From<Instant> for Retry {
    /// Whatever may pass is tried until then.
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
    waits: Waits,
    unreachable: u32,
    unreachable_since: Option<Instant>,
    /// How many are left, once that is limited.
    left: Option<u32>,
}

impl Tries {
    /// None so far.
    pub fn of(retry: Retry) -> Self {
        Self { waits: Waits::until(retry.until), retry, unreachable: 0, unreachable_since: None, left: None }
    }

    /// Waits for the next try after that failure; says `false`, at once, where there is none.
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

    /// Waits for what takes its time; says `false`, at once, where there is not enough of it.
    pub async fn wait(&mut self) -> bool {
        self.waits.wait().await
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

/// Waits that double, each cut at random to between a half and the whole, so that many accounts do not call in step.
#[derive(Debug)]
pub struct Waits {
    next: Duration,
    until: Instant,
}

impl Waits {
    /// Waits until then.
    pub fn until(until: Instant) -> Self {
        Self { next: FIRST_WAIT, until }
    }

    /// Waits; says `false`, at once, where that would take too long.
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

/// Calls until it succeeds, fails for good, or the time is up; then it says what went wrong last. The SDK's own retries are
/// off: they would keep the reason to themselves when the time is up in the middle of them.
pub async fn persist<T>(
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

/// One call, given up when the time is up: an endpoint that accepts and says nothing must not cost the whole run. `last` is
/// what went wrong the time before, which says more than that there was no answer this time.
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
