//! Measures parsing, evaluating and deciding for a report of a small account and of the largest possible one.

#![allow(clippy::unwrap_used, missing_docs, reason = "a failing benchmark panics; criterion's macros have no docs")]

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hygiene::decide::decide;
use hygiene::decision::{AlertOn, AlertRules};
use hygiene::enrichment::Enrichment;
use hygiene::evaluate::{Evaluation, Scope, evaluate};
use hygiene::memory::{Memory, Stored, Workflow};
use hygiene::policy::Policy;
use hygiene::report::CredentialReport;
use hygiene::verdict::{ReportedEvidence, Severity, Status};

mod account;

use account::{USERS, account, csv, now};

fn bench_parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    for users in USERS {
        let text = csv(users);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(users), &text, |bencher, text| {
            bencher.iter(|| CredentialReport::parse(black_box(text.as_bytes())));
        });
    }
}

fn bench_evaluate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("evaluate");
    let policy = Policy::cis();
    for users in USERS {
        let account = account(users);
        group.throughput(Throughput::Elements(users as u64));
        group.bench_with_input(BenchmarkId::from_parameter(users), &account, |bencher, account| {
            bencher.iter(|| evaluate(black_box(account), &policy, &Scope::All, now()));
        });
    }
}

/// Every failing finding is stored and was reported.
fn bench_decide(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decide");
    let rules = AlertRules { on: AlertOn::Changes, min_severity: Severity::Low };
    for users in USERS {
        let account = account(users);
        let evaluated = || evaluate(&account, &Policy::cis(), &Scope::All, now());
        let memory = memory(&evaluated());
        group.throughput(Throughput::Elements(users as u64));
        group.bench_function(BenchmarkId::from_parameter(users), |bencher| {
            bencher.iter_batched(
                || (evaluated(), memory.clone()),
                |(evaluation, memory)| decide(evaluation, memory, &Enrichment::default(), rules),
                BatchSize::LargeInput,
            );
        });
    }
}

fn memory(evaluation: &Evaluation) -> Memory {
    let failing = evaluation.findings.iter().filter(|finding| finding.status() == Status::Failed);
    let stored = failing.map(|finding| {
        let id = finding.id(Some("123456789012")).to_string();
        let stored = Stored {
            id: id.clone(),
            check: finding.check.id.to_owned(),
            title: finding.check.title.to_owned(),
            active: true,
            workflow: Workflow::Notified,
            severity: finding.severity(),
            created_at: now(),
            first_observed_at: Some(now()),
            updated_at: Some(now()),
            arn: finding.subject.arn().map(str::to_owned),
            access_key_id: None,
            reported: ReportedEvidence::default(),
            closed_unchecked: false,
            user_created_at: None,
            generated_at: None,
            evidence: Vec::new(),
        };
        (id, stored)
    });
    Memory::Recalled { region: "eu-central-1".to_owned(), findings: stored.collect() }
}

criterion_group!(benches, bench_parse, bench_evaluate, bench_decide);
criterion_main!(benches);
