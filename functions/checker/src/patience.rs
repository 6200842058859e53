//! How long a call is tried again: with growing, jittered waits, until a moment that leaves time for the rest of the run.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::cause::CallError;

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

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
    until: Instant,
    call: impl AsyncFn() -> Result<T, CallError>,
) -> Result<T, CallError> {
    let mut waits = Waits::until(until);
    let mut last = None;
    loop {
        match within(operation, until, last.as_ref(), call()).await {
            Err(error) if error.cause.transient && waits.wait().await => {
                tracing::debug!(error = crate::cause::chain(&error), "Trying again.");
                last = Some(error);
            }
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
    let over = |message| Err(last.cloned().unwrap_or_else(|| CallError::other(operation, message)));
    if until <= Instant::now() {
        return over("there was no time left");
    }
    timeout_at(until, call).await.unwrap_or_else(|_| over("there was no answer in time"))
}
