//! Security Hub's rate limits, in paused time.

use std::collections::VecDeque;
use std::time::Duration;

use aws::rate::RateLimit;
use tokio::time::Instant;

/// Returns the largest number of turns in any second.
async fn busiest_second(limit: RateLimit, turns: usize) -> usize {
    let mut recent: VecDeque<Instant> = VecDeque::new();
    let mut most = 0;
    for _ in 0..turns {
        limit.turn().await;
        let now = Instant::now();
        while recent.front().is_some_and(|turn| Duration::from_secs(1) <= now - *turn) {
            recent.pop_front();
        }
        recent.push_back(now);
        most = most.max(recent.len());
    }
    most
}

#[tokio::test(start_paused = true)]
async fn writes_are_limited_to_ten_per_second() {
    assert_eq!(busiest_second(RateLimit::write(), 50).await, 10);
}

#[tokio::test(start_paused = true)]
async fn reads_are_limited_to_six_at_once_and_then_three_per_second() {
    assert!(busiest_second(RateLimit::read(), 30).await <= 9);
    let limit = RateLimit::read();
    let before = Instant::now();
    for _ in 0..6 {
        limit.turn().await;
    }
    assert_eq!(before.elapsed(), Duration::ZERO);
    limit.turn().await;
    assert!(Duration::from_millis(330) <= before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_pause_allows_no_more_than_the_burst() {
    let limit = RateLimit::read();
    limit.turn().await;
    tokio::time::advance(Duration::from_mins(10)).await;
    let before = Instant::now();
    for _ in 0..7 {
        limit.turn().await;
    }
    assert!(Duration::from_millis(330) <= before.elapsed());
}
