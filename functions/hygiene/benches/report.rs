//! How long a report takes to be read, judged and compared with what is known: a small account's, and the largest there can be.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark that cannot go on stops; criterion's macros have no docs"
)]

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hygiene::evaluate::evaluate;
use hygiene::finding::{Novelties, Status};
use hygiene::policy::Policy;
use hygiene::reconcile::{Stored, Workflow, reconcile};
use hygiene::report::CredentialReport;

mod account;

use account::{USERS, csv, now, snapshot};

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    for users in USERS {
        let text = csv(users);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(users), &text, |bencher, text| {
            bencher.iter(|| CredentialReport::parse(black_box(text.as_bytes())));
        });
    }
}

fn judge(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("evaluate");
    let policy = Policy::cis();
    for users in USERS {
        let snapshot = snapshot(users);
        group.throughput(Throughput::Elements(users as u64));
        group.bench_with_input(BenchmarkId::from_parameter(users), &snapshot, |bencher, snapshot| {
            bencher.iter(|| evaluate(black_box(snapshot), &policy, &[], now()));
        });
    }
}

/// Every failing finding is known, and was told.
fn compare(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("reconcile");
    for users in USERS {
        let evaluation = evaluate(&snapshot(users), &Policy::cis(), &[], now());
        let failing = evaluation.findings.iter().filter(|finding| finding.status == Status::Failed);
        let stored = failing.map(|finding| {
            let id = finding.id(Some("123456789012"));
            let stored = Stored {
                id: id.clone(),
                check: finding.check.id.to_owned(),
                title: finding.check.title.to_owned(),
                active: true,
                workflow: Workflow::Notified,
                severity: finding.severity,
                created_at: now(),
                first_observed_at: Some(now()),
                updated_at: now(),
                arn: finding.subject.arn.clone(),
                access_key_id: None,
                novelties: Novelties::default(),
            };
            (id, stored)
        });
        let stored: BTreeMap<String, Stored> = stored.collect();
        group.throughput(Throughput::Elements(users as u64));
        group.bench_with_input(BenchmarkId::from_parameter(users), &stored, |bencher, stored| {
            bencher.iter(|| black_box(reconcile(black_box(&evaluation), stored, &[])).open());
        });
    }
}

criterion_group!(benches, parse, judge, compare);
criterion_main!(benches);
