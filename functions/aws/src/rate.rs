//! Rate limits of AWS's services, which are per account and Region.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// A token bucket that holds `burst` calls and gains one per `interval`.
#[derive(Debug)]
pub struct RateLimit {
    interval: Duration,
    burst: u32,
    /// Whether the rate is halved.
    is_slow: AtomicBool,
    /// When the bucket would be full again without further calls.
    full_at: Mutex<Option<Instant>>,
}

/// The interval of `GetFindings`: 3 calls per second.
const READ: Duration = Duration::from_nanos(1_000_000_000 / 3);

impl RateLimit {
    /// `BatchImportFindings` and `BatchUpdateFindings`: 10 per second. The service allows a burst of 30, which is left to
    /// other tools in the account.
    pub fn write() -> Self {
        Self::new(Duration::from_millis(100), 1)
    }

    /// `GetFindings`: 3 per second, after a burst of 6.
    pub fn read() -> Self {
        Self::new(READ, 6)
    }

    /// `GetFindings` later in a run, when the burst may be used up.
    pub fn read_again() -> Self {
        Self::new(READ, 1)
    }

    /// `LookupEvents`: 2 per second, in each account and Region.
    /// See <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/WhatIsCloudTrail-Limits.html>.
    pub fn look_up_events() -> Self {
        Self::new(Duration::from_millis(500), 1)
    }

    /// Organizations: 4 per second. An account may list 8 pages of accounts or 5 of organizational units in a second, and shares
    /// that with every other tool.
    /// See <https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html>.
    pub fn organizations() -> Self {
        Self::new(Duration::from_millis(250), 1)
    }

    fn new(interval: Duration, burst: u32) -> Self {
        Self { interval, burst, is_slow: AtomicBool::new(false), full_at: Mutex::new(None) }
    }

    /// Halves the rate from now on: somebody else in the account uses the other half.
    pub fn slow_down(&self) {
        self.is_slow.store(true, Ordering::Relaxed);
    }

    /// Whether the rate is halved.
    pub fn is_slow(&self) -> bool {
        self.is_slow.load(Ordering::Relaxed)
    }

    /// Waits until the call may be made.
    pub async fn turn(&self) {
        self.turn_if(|| true).await;
    }

    /// Waits until the call may be made. Returns `false`, without using up a turn, if it is not needed any more.
    pub async fn turn_if(&self, is_needed: impl Fn() -> bool) -> bool {
        // Those who wait get the lock in their order, each with the rate of its own turn.
        let mut full_at = self.full_at.lock().await;
        if !is_needed() {
            return false;
        }
        let interval = if self.is_slow() { self.interval * 2 } else { self.interval };
        let now = Instant::now();
        let full = full_at.map_or(now, |full_at| full_at.max(now)) + interval;
        if let Some(turn) = full.checked_sub(interval * self.burst) {
            sleep_until(turn).await;
        }
        let is_needed = is_needed();
        if is_needed {
            *full_at = Some(full);
        }
        is_needed
    }
}
