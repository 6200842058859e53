//! Findings stored by an earlier version, in an account that has not changed since.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use checker::run::run;
use chrono::TimeDelta;
use serde_json::Value;

use crate::account::{invocation, time};
use crate::world::{Account, Key, User, World, config, is_ours};

/// Security Hub's findings after two runs on [`account`] on 2026-11-19, by the version before events were held; a person
/// suppressed three findings between them.
const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/upgrade/before-held-events.json");

/// The account on the day of the recording and on the next: it has something for every check.
fn account() -> Account {
    let key = |id: &str, created: &str, used: Option<&str>, active: bool| {
        Some(Key { id: id.to_owned(), created: time(created), used: used.map(time), active })
    };
    let twin = "2021-06-20T05:16:50Z";
    Account {
        root_keys: [key("AKIAROOT", "2019-01-02T03:04:05Z", Some("2026-11-10T06:00:00Z"), true), None],
        users: BTreeMap::from([
            (0, User { password: true, ..User::default() }),
            (
                1,
                User {
                    password: true,
                    keys: [key("AKIA1A", twin, Some("2026-11-18T06:00:00Z"), true), key("AKIA1B", twin, None, true)],
                    ..User::default()
                },
            ),
            (2, User { keys: [key("AKIA2A", "2020-02-03T04:05:06Z", None, false), None], ..User::default() }),
            (3, User::default()),
        ]),
        ..Account::default()
    }
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_over_an_unchanged_account_reports_and_closes_nothing() {
    let recorded: Vec<Value> = serde_json::from_slice(&fs::read(RECORDED).unwrap()).unwrap();
    let recorded: BTreeMap<String, Value> =
        recorded.into_iter().map(|finding| (finding["Id"].as_str().unwrap().to_owned(), finding)).collect();
    let suppressed = recorded.values().filter(|finding| finding["Workflow"]["Status"] == "SUPPRESSED").count();
    assert_eq!((recorded.len(), suppressed), (19, 3));
    for lists_credentials in [true, false] {
        let account = Account { lists_credentials, ..account() };
        let world = World::new(time("2026-11-20T06:00:00Z"), account, 1);
        world.state().hub.extend(recorded.clone());
        for _ in 0..3 {
            let clients = world.process(Vec::new()).clients().await;
            let now = world.state().now;
            let summary = run(&clients, &config(), &invocation(now, Duration::from_mins(1))).await.unwrap();
            assert_eq!((summary.new, summary.resolved, summary.open), (0, 0, recorded.len()));
            world.state().now += TimeDelta::days(1);
        }
        let state = world.state();
        assert_eq!(state.messages, Vec::<Value>::new());
        let own = state.hub.iter().filter(|(_, finding)| is_ours(finding));
        let own: BTreeMap<&String, &Value> = own.collect();
        assert!(own.keys().copied().eq(recorded.keys()));
        for (id, after) in own {
            for field in ["Workflow", "RecordState", "CreatedAt", "FirstObservedAt", "Severity", "Compliance"] {
                assert_eq!(after[field], recorded[id][field], "{field} of {id}");
            }
        }
    }
}
