//! Two access keys of one second, of which one is deleted: whole runs, with and without the id from `ListAccessKeys`.

use std::time::Duration;

use checker::run::run;
use chrono::TimeDelta;
use hygiene::verdict::Severity;
use serde_json::Value;

use crate::account::{ACCOUNT, invocation, now};
use crate::world::{Account, Failure, Fault, Key, User, World, config};

const LEFT: Duration = Duration::from_mins(5);

/// One user with two keys of one second. If the second is inactive, their state in `ListAccessKeys` distinguishes them.
fn twins(second_is_active: bool) -> World {
    let key = |id: &str, active| {
        Some(Key { id: id.to_owned(), created: now() - TimeDelta::days(400), used: Some(now()), active })
    };
    let keys = [key("AKIAFIRST", true), key("AKIASECOND", second_is_active)];
    // A user with a password and MFA is not without credentials.
    let user = User { created: now() - TimeDelta::days(500), password: true, mfa: true, keys, ..User::default() };
    let account = Account { root_mfa: true, users: [(0, user)].into(), lists_credentials: true, ..Account::default() };
    World::new(now(), account, 7)
}

async fn a_day_later(world: &World, faults: Vec<Fault>) -> Vec<Value> {
    let mails = world.results().len();
    world.state().now += TimeDelta::days(1);
    let time = world.state().now;
    let mut config = config();
    config.alert.min_severity = Severity::Informational;
    run(&world.process(faults).clients().await, &config, &invocation(time, LEFT)).await.unwrap();
    world.results().split_off(mails)
}

/// The findings on the user's keys: check, key, record state, workflow, access key id.
fn findings(world: &World) -> String {
    let state = world.state();
    let line = |(id, finding): (&String, &Value)| {
        let subject = id.strip_prefix("credwarden/")?.replacen(&format!("{ACCOUNT}/user/user-0/key/"), "", 1);
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let (record, workflow) = (text(&finding["RecordState"]), text(&finding["Workflow"]["Status"]));
        let key = text(&finding["ProductFields"]["credwarden/access-key-id"]);
        id.contains("/key/").then(|| format!("{subject} {record} {workflow} {key}"))
    };
    state.hub.iter().filter_map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test(start_paused = true)]
async fn the_remaining_twin_is_known_by_its_id() {
    let world = twins(false);
    a_day_later(&world, Vec::new()).await;
    insta::assert_snapshot!(findings(&world), @"
    access-key-inactive/20251016T060000Z-2 ACTIVE NOTIFIED AKIASECOND
    access-key-not-rotated/20251016T060000Z ACTIVE NOTIFIED AKIAFIRST
    ");
    world.state().account.users.get_mut(&0).unwrap().keys[0] = None;
    for _ in 0..2 {
        let mails = a_day_later(&world, Vec::new()).await;
        assert!(mails.iter().all(|mail| mail["new"] == 0), "{mails:#?}");
        insta::allow_duplicates! { insta::assert_snapshot!(findings(&world), @"
        access-key-inactive/20251016T060000Z-2 ACTIVE NOTIFIED AKIASECOND
        access-key-not-rotated/20251016T060000Z ARCHIVED NOTIFIED AKIAFIRST
        "); }
    }
}

#[tokio::test(start_paused = true)]
async fn the_remaining_twin_is_new_if_its_id_is_unknown() {
    let world = twins(false);
    a_day_later(&world, Vec::new()).await;
    let suppressed = format!("credwarden/access-key-inactive/{ACCOUNT}/user/user-0/key/20251016T060000Z-2");
    world.state().hub.get_mut(&suppressed).unwrap()["Workflow"]["Status"] = "SUPPRESSED".into();
    world.state().account.users.get_mut(&0).unwrap().keys[0] = None;
    let denied = Fault { operation: "ListAccessKeys", failure: Failure::Denied, after: 0, times: u16::MAX };
    let mails = a_day_later(&world, vec![denied]).await;
    assert_eq!(mails[0]["new"], 1);
    insta::assert_snapshot!(findings(&world), @"
    access-key-inactive/20251016T060000Z ACTIVE NOTIFIED -
    access-key-inactive/20251016T060000Z-2 ARCHIVED SUPPRESSED AKIASECOND
    access-key-not-rotated/20251016T060000Z ARCHIVED NOTIFIED AKIAFIRST
    ");
}

/// Until it can be set to NEW, only the other twin's finding shows that this one has to be reported.
#[tokio::test(start_paused = true)]
async fn the_remaining_twin_is_reported_until_it_can_be_marked() {
    let world = twins(true);
    a_day_later(&world, Vec::new()).await;
    let suppressed = format!("credwarden/access-key-not-rotated/{ACCOUNT}/user/user-0/key/20251016T060000Z");
    world.state().hub.get_mut(&suppressed).unwrap()["Workflow"]["Status"] = "SUPPRESSED".into();
    world.state().account.users.get_mut(&0).unwrap().keys[0] = None;
    let denied = Fault { operation: "BatchUpdateFindings", failure: Failure::Denied, after: 0, times: u16::MAX };
    let new = |mails: &[Value]| mails.iter().map(|mail| mail["new"].as_u64().unwrap()).sum::<u64>();
    assert_eq!(new(&a_day_later(&world, vec![denied]).await), 1);
    assert_eq!(new(&a_day_later(&world, Vec::new()).await), 1);
    insta::assert_snapshot!(findings(&world), @"
    access-key-not-rotated/20251016T060000Z ACTIVE NOTIFIED AKIASECOND
    access-key-not-rotated/20251016T060000Z-2 ARCHIVED NOTIFIED -
    ");
    assert_eq!(new(&a_day_later(&world, Vec::new()).await), 0);
}
