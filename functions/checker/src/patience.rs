//! How long a call is tried again: with growing, jittered waits, until a moment that leaves time for the rest of the run.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::cause::CallError;

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Until when the parts of a run may take.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// Reading is given up then: what is known is still published.
    pub read: Instant,
    /// Writing to Security Hub is given up then: people are still told.
    pub publish: Instant,
    /// The alert and the marks are given up then: the run can still answer.
    pub finish: Instant,
}

impl Deadlines {
    /// Shares out what is left of an invocation.
    pub fn within(left: Duration) -> Self {
        let now = Instant::now();
        Self { read: now + left / 2, publish: now + left * 7 / 10, finish: now + left * 9 / 10 }
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

/// Calls until it succeeds, fails for good, or the time is up. The SDK has tried three times by then, within seconds; this
/// is for throttling that lasts.
pub async fn persist<T>(until: Instant, call: impl AsyncFn() -> Result<T, CallError>) -> Result<T, CallError> {
    let mut waits = Waits::until(until);
    loop {
        match call().await {
            Err(error) if error.cause.transient && waits.wait().await => {
                tracing::debug!(error = crate::cause::chain(&error), "Trying again.");
            }
            result => return result,
        }
    }
}
