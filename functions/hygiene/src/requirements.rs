//! Compliance requirements that more than one check maps to, in Security Hub's spelling. CIS renumbers with every version:
//! that is why no number is in a check's name.

/// No root access key: CIS of every version, Security Hub IAM.4.
pub(crate) const ROOT_ACCESS_KEY: &[&str] = &[
    "CIS AWS Foundations Benchmark v1.2.0/1.12",
    "CIS AWS Foundations Benchmark v1.4.0/1.4",
    "CIS AWS Foundations Benchmark v1.5.0/1.4",
    "CIS AWS Foundations Benchmark v2.0.0/1.4",
    "CIS AWS Foundations Benchmark v3.0.0/1.4",
    "CIS AWS Foundations Benchmark v4.0.1/1.4",
    "CIS AWS Foundations Benchmark v5.0.0/1.3",
    "CIS AWS Foundations Benchmark v6.0.0/2.3",
    "CIS AWS Foundations Benchmark v7.0.0/2.4",
    "NIST.800-53.r5 AC-2(1)",
    "NIST.800-53.r5 AC-3(15)",
    "NIST.800-53.r5 AC-3(7)",
    "NIST.800-53.r5 AC-6",
    "NIST.800-53.r5 AC-6(10)",
    "NIST.800-53.r5 AC-6(2)",
    "PCI DSS v3.2.1/2.1",
    "PCI DSS v3.2.1/2.2",
    "PCI DSS v3.2.1/7.2.1",
];

/// Access keys rotated within 90 days: CIS of every version, Security Hub IAM.3.
pub(crate) const KEY_ROTATION: &[&str] = &[
    "CIS AWS Foundations Benchmark v1.2.0/1.4",
    "CIS AWS Foundations Benchmark v1.4.0/1.14",
    "CIS AWS Foundations Benchmark v1.5.0/1.14",
    "CIS AWS Foundations Benchmark v2.0.0/1.14",
    "CIS AWS Foundations Benchmark v3.0.0/1.14",
    "CIS AWS Foundations Benchmark v4.0.1/1.14",
    "CIS AWS Foundations Benchmark v5.0.0/1.13",
    "CIS AWS Foundations Benchmark v6.0.0/2.13",
    "CIS AWS Foundations Benchmark v7.0.0/2.12",
    "NIST.800-53.r5 AC-2(1)",
    "NIST.800-53.r5 AC-2(3)",
    "NIST.800-53.r5 AC-3(15)",
    "PCI DSS v4.0.1/8.3.9",
    "PCI DSS v4.0.1/8.6.3",
];

/// Credentials unused for 45 days (v1.2: 90) disabled; a key or password that was never used counts from its creation. CIS of
/// every version, Security Hub IAM.8 and IAM.22.
pub(crate) const UNUSED_CREDENTIAL: &[&str] = &[
    "CIS AWS Foundations Benchmark v1.2.0/1.3",
    "CIS AWS Foundations Benchmark v1.4.0/1.12",
    "CIS AWS Foundations Benchmark v1.5.0/1.12",
    "CIS AWS Foundations Benchmark v2.0.0/1.12",
    "CIS AWS Foundations Benchmark v3.0.0/1.12",
    "CIS AWS Foundations Benchmark v4.0.1/1.12",
    "CIS AWS Foundations Benchmark v5.0.0/1.11",
    "CIS AWS Foundations Benchmark v6.0.0/2.11",
    "CIS AWS Foundations Benchmark v7.0.0/2.11",
    "NIST.800-53.r5 AC-2",
    "NIST.800-53.r5 AC-2(1)",
    "NIST.800-53.r5 AC-2(3)",
    "NIST.800-53.r5 AC-3",
    "NIST.800-53.r5 AC-3(15)",
    "NIST.800-53.r5 AC-3(7)",
    "NIST.800-53.r5 AC-6",
    "PCI DSS v3.2.1/8.1.4",
    "PCI DSS v4.0.1/8.2.6",
];
