//! How long findings take to be put into Security Hub's format.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark that cannot go on stops; criterion's macros have no docs"
)]

use std::collections::BTreeMap;
use std::hint::black_box;

use checker::asff;
use checker::recall::Scope;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hygiene::evaluate::evaluate;
use hygiene::policy::Policy;
use hygiene::reconcile::reconcile;

#[path = "../../hygiene/benches/account/mod.rs"]
#[allow(dead_code, reason = "reports are read elsewhere")]
mod account;

use account::{USERS, now, snapshot};

fn word(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("asff");
    let scope =
        Scope { account_id: "123456789012".to_owned(), partition: "aws".to_owned(), region: "eu-central-1".to_owned() };
    for users in USERS {
        let evaluation = evaluate(&snapshot(users), &Policy::cis(), &[], now());
        let nothing = BTreeMap::new();
        let plan = reconcile(&evaluation, &nothing, &[]);
        group.throughput(Throughput::Elements(plan.failing.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(users), &plan, |bencher, plan| {
            bencher.iter(|| {
                for failing in &plan.failing {
                    black_box(asff::failing(failing, &scope, now()));
                }
            });
        });
    }
}

criterion_group!(benches, word);
criterion_main!(benches);
