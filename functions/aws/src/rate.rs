//! Rate limits of AWS's services, which are per account and Region.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// A token bucket that holds `burst` calls and gains one per `interval`.
#[derive(Debug)]
pub struct RateLimit {
    interval: Duration,
    burst: u32,
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

    /// `LookupEvents`: 2 per second.
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
        Self { interval, burst, full_at: Mutex::new(None) }
    }

    /// Waits until the call may be made.
    pub async fn turn(&self) {
        let turn = {
            let mut full_at = self.full_at.lock().await;
            let now = Instant::now();
            let full = full_at.map_or(now, |full_at| full_at.max(now)) + self.interval;
            *full_at = Some(full);
            full.checked_sub(self.interval * self.burst).unwrap_or(now)
        };
        sleep_until(turn).await;
    }
}
