//! Security Hub's rates, in the tests' own time.

use std::collections::VecDeque;
use std::time::Duration;

use checker::pace::Pace;
use tokio::time::Instant;

/// The most turns in any second.
async fn busiest_second(pace: Pace, turns: usize) -> usize {
    let mut recent: VecDeque<Instant> = VecDeque::new();
    let mut most = 0;
    for _ in 0..turns {
        pace.turn().await;
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
async fn writes_are_ten_a_second_at_the_most() {
    assert_eq!(busiest_second(Pace::write(), 50).await, 10);
}

#[tokio::test(start_paused = true)]
async fn reads_are_six_at_once_and_then_three_a_second() {
    assert!(busiest_second(Pace::read(), 30).await <= 9);
    let pace = Pace::read();
    let before = Instant::now();
    for _ in 0..6 {
        pace.turn().await;
    }
    assert_eq!(before.elapsed(), Duration::ZERO);
    pace.turn().await;
    assert!(Duration::from_millis(330) <= before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_not_saved_up_beyond_the_burst() {
    let pace = Pace::read();
    pace.turn().await;
    tokio::time::advance(Duration::from_mins(10)).await;
    let before = Instant::now();
    for _ in 0..7 {
        pace.turn().await;
    }
    assert!(Duration::from_millis(330) <= before.elapsed());
}
