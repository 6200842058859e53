//! Measures the serialization of findings into Security Hub's format.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark that cannot go on stops; criterion's macros have no docs"
)]

use std::hint::black_box;

use aws::asff::Asff;
use aws::hub::calls::import_body;
use aws::product::Product;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hygiene::decide::decide;
use hygiene::decision::{AlertOn, AlertRules};
use hygiene::enrichment::Enrichment;
use hygiene::evaluate::{Scope, evaluate};
use hygiene::memory::Memory;
use hygiene::policy::Policy;
use hygiene::verdict::Severity;

#[path = "../../hygiene/benches/account/mod.rs"]
#[allow(dead_code, reason = "reports are read elsewhere")]
mod account;

use account::{USERS, now};

fn serialize(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("asff");
    let product = Product {
        account_id: "123456789012".to_owned(),
        partition: "aws".to_owned(),
        region: "eu-central-1".to_owned(),
    };
    let rules = AlertRules { on: AlertOn::Changes, min_severity: Severity::Low };
    for users in USERS {
        let evaluation = evaluate(&account::account(users), &Policy::cis(), &Scope::All, now());
        let decision = decide(evaluation, Memory::Off, &Enrichment::default(), rules);
        group.throughput(Throughput::Elements(decision.failing.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(users), &decision, |bencher, decision| {
            bencher.iter(|| {
                for batch in decision.failing.chunks(100) {
                    let findings = batch.iter().map(|failing| Asff::failing(failing, &failing.record, &product, now()));
                    black_box(import_body(&findings.collect::<Vec<_>>()).unwrap());
                }
            });
        });
    }
}

criterion_group!(benches, serialize);
criterion_main!(benches);
