//! Compliance requirements that checks map to, in Security Hub's spelling. CIS renumbers its recommendations with every
//! version, so check names have no numbers.

/// Makes a constant from each row: the recommendation in each version, or an empty string for a version without it.
macro_rules! cis {
    (@row [$($version:literal)+] [$($number:tt)+]) => { [$(cis!(@cell $version $number)),+] };
    (@cell $version:literal -) => { "" };
    (@cell $version:literal $number:literal) => { concat!("CIS AWS Foundations Benchmark ", $version, "/", $number) };
    ($versions:tt $($recommendation:ident $numbers:tt)+) => {
        mod cis { $(pub(super) const $recommendation: &[&str] = &cis!(@row $versions $numbers);)+ }
    };
}

// The numbers of the recommendations by version. A new version is a new column.
cis! {
                      ["v1.2.0" "v1.4.0" "v1.5.0" "v2.0.0" "v3.0.0" "v4.0.1" "v5.0.0" "v6.0.0" "v7.0.0"]
    ROOT_ACCESS_KEY   ["1.12"   "1.4"    "1.4"    "1.4"    "1.4"    "1.4"    "1.3"    "2.3"    "2.4"]
    ROOT_USE          ["1.1"    "1.7"    "1.7"    "1.7"    "1.7"    "1.7"    "1.6"    "2.6"    "2.7"]
    ROOT_MFA          ["1.13"   "1.5"    "1.5"    "1.5"    "1.5"    "1.5"    "1.4"    "2.4"    "2.5"]
    ROOT_HARDWARE_MFA ["1.14"   "1.6"    "1.6"    "1.6"    "1.6"    "1.6"    "1.5"    "2.5"    "2.6"]
    KEY_ROTATION      ["1.4"    "1.14"   "1.14"   "1.14"   "1.14"   "1.14"   "1.13"   "2.13"   "2.12"]
    UNUSED_CREDENTIAL ["1.3"    "1.12"   "1.12"   "1.12"   "1.12"   "1.12"   "1.11"   "2.11"   "2.11"]
    TWO_KEYS          [-        "1.13"   "1.13"   "1.13"   "1.13"   "1.13"   "1.12"   "2.12"   -]
    CONSOLE_MFA       ["1.2"    "1.10"   "1.10"   "1.10"   "1.10"   "1.10"   "1.9"    "2.9"    "2.10"]
    FEDERATION        [-        "1.21"   "1.21"   "1.21"   "1.21"   "1.21"   "1.20"   "2.20"   "2.19"]
}

/// The maximum number of requirements of a finding in Security Hub.
const MOST: usize = 32;

/// Joins two lists without empty strings. Also returns the number of requirements.
const fn joined(cis: &[&'static str], others: &[&'static str]) -> ([&'static str; MOST], usize) {
    let (mut joined, mut count, mut place) = ([""; MOST], 0, 0);
    while place < cis.len() + others.len() {
        let requirement = if place < cis.len() { cis[place] } else { others[place - cis.len()] };
        if !requirement.is_empty() {
            joined[count] = requirement;
            count += 1;
        }
        place += 1;
    }
    (joined, count)
}

/// The recommendations of the row, then the other requirements.
macro_rules! requirements {
    ($cis:expr $(, $other:literal)* $(,)?) => {{
        const JOINED: ([&str; MOST], usize) = joined($cis, &[$($other),*]);
        JOINED.0.split_at(JOINED.1).0
    }};
}

/// No root access key: Security Hub IAM.4.
pub(crate) const ROOT_ACCESS_KEY: &[&str] = requirements!(
    cis::ROOT_ACCESS_KEY,
    "NIST.800-53.r5 AC-2(1)",
    "NIST.800-53.r5 AC-3(15)",
    "NIST.800-53.r5 AC-3(7)",
    "NIST.800-53.r5 AC-6",
    "NIST.800-53.r5 AC-6(10)",
    "NIST.800-53.r5 AC-6(2)",
    "PCI DSS v3.2.1/2.1",
    "PCI DSS v3.2.1/2.2",
    "PCI DSS v3.2.1/7.2.1",
);

/// No use of root.
pub(crate) const ROOT_USE: &[&str] = requirements!(cis::ROOT_USE);

/// Root with MFA: Security Hub IAM.9.
pub(crate) const ROOT_MFA: &[&str] = requirements!(
    cis::ROOT_MFA,
    "NIST.800-53.r5 AC-2(1)",
    "NIST.800-53.r5 AC-3(15)",
    "NIST.800-53.r5 IA-2(1)",
    "NIST.800-53.r5 IA-2(2)",
    "NIST.800-53.r5 IA-2(6)",
    "NIST.800-53.r5 IA-2(8)",
    "PCI DSS v3.2.1/8.3.1",
    "PCI DSS v4.0.1/8.4.2",
);

/// Root with hardware MFA: Security Hub IAM.6.
pub(crate) const ROOT_HARDWARE_MFA: &[&str] = requirements!(
    cis::ROOT_HARDWARE_MFA,
    "NIST.800-53.r5 AC-2(1)",
    "NIST.800-53.r5 AC-3(15)",
    "NIST.800-53.r5 IA-2(1)",
    "NIST.800-53.r5 IA-2(2)",
    "NIST.800-53.r5 IA-2(6)",
    "NIST.800-53.r5 IA-2(8)",
    "PCI DSS v3.2.1/8.3.1",
    "PCI DSS v4.0.1/8.4.2",
);

/// Access keys rotated within 90 days: Security Hub IAM.3.
pub(crate) const KEY_ROTATION: &[&str] = requirements!(
    cis::KEY_ROTATION,
    "NIST.800-53.r5 AC-2(1)",
    "NIST.800-53.r5 AC-2(3)",
    "NIST.800-53.r5 AC-3(15)",
    "PCI DSS v4.0.1/8.3.9",
    "PCI DSS v4.0.1/8.6.3",
);

/// Credentials unused for 45 days (v1.2: 90) disabled; a key or password that was never used counts from its creation.
/// Security Hub IAM.8 and IAM.22.
pub(crate) const UNUSED_CREDENTIAL: &[&str] = requirements!(
    cis::UNUSED_CREDENTIAL,
    "NIST.800-53.r5 AC-2",
    "NIST.800-53.r5 AC-2(1)",
    "NIST.800-53.r5 AC-2(3)",
    "NIST.800-53.r5 AC-3",
    "NIST.800-53.r5 AC-3(15)",
    "NIST.800-53.r5 AC-3(7)",
    "NIST.800-53.r5 AC-6",
    "PCI DSS v3.2.1/8.1.4",
    "PCI DSS v4.0.1/8.2.6",
);

/// One active access key per user.
pub(crate) const TWO_KEYS: &[&str] = requirements!(cis::TWO_KEYS);

/// MFA for console users: Security Hub IAM.5.
pub(crate) const CONSOLE_MFA: &[&str] = requirements!(
    cis::CONSOLE_MFA,
    "NIST.800-53.r5 AC-2(1)",
    "NIST.800-53.r5 AC-3(15)",
    "NIST.800-53.r5 IA-2(1)",
    "NIST.800-53.r5 IA-2(2)",
    "NIST.800-53.r5 IA-2(6)",
    "NIST.800-53.r5 IA-2(8)",
    "PCI DSS v4.0.1/8.4.2",
);

/// Federated users.
pub(crate) const FEDERATION: &[&str] = requirements!(cis::FEDERATION);

/// The same problem in another catalogue than those of [`Check::requirements`](crate::check::Check::requirements).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapping {
    /// The catalogue.
    pub catalogue: Catalogue,
    /// The ids in the catalogue.
    pub ids: &'static [&'static str],
    /// The author of the mapping.
    pub source: Source,
}

/// A catalogue of controls or requirements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "`Catalogue::name` has the names")]
pub enum Catalogue {
    SecurityHub,
    Config,
    WellArchitected,
    FoundationalTechnicalReview,
    Soc2,
    Hipaa,
    Iso27001,
}

impl Catalogue {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::SecurityHub => "AWS Security Hub control",
            Self::Config => "AWS Config rule",
            Self::WellArchitected => "AWS Well-Architected",
            Self::FoundationalTechnicalReview => "AWS Foundational Technical Review",
            Self::Soc2 => "SOC 2",
            Self::Hipaa => "HIPAA Security Rule (45 CFR)",
            Self::Iso27001 => "ISO/IEC 27001:2022",
        }
    }
}

/// The author of a mapping. Auditors ask for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// AWS: the Security Hub user guide has the mapping of AWS's own control for the same problem.
    Aws,
    /// Prowler: the mapping is an interpretation in its compliance files (5.46).
    Prowler,
    /// credwarden: no one else has a mapping, or our interpretation differs.
    Ours,
}

impl Source {
    /// A short name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aws => "official: AWS's own mapping",
            Self::Prowler => "interpretation: Prowler's",
            Self::Ours => "interpretation: ours",
        }
    }
}

const fn mapping(catalogue: Catalogue, source: Source, ids: &'static [&'static str]) -> Mapping {
    Mapping { catalogue, ids, source }
}

/// A root access key, active or not.
pub(crate) const ROOT_ACCESS_KEY_ELSEWHERE: &[Mapping] = &[
    mapping(Catalogue::SecurityHub, Source::Aws, &["IAM.4"]),
    mapping(Catalogue::Config, Source::Aws, &["iam-root-access-key-check"]),
    mapping(Catalogue::WellArchitected, Source::Prowler, &["SEC01-BP02"]),
    mapping(Catalogue::FoundationalTechnicalReview, Source::Prowler, &["ARC-004"]),
    mapping(
        Catalogue::Hipaa,
        Source::Prowler,
        &["164.308(a)(1)(ii)(B)", "164.308(a)(3)(i)", "164.308(a)(3)(ii)(B)", "164.312(a)(2)(i)"],
    ),
    mapping(Catalogue::Iso27001, Source::Prowler, &["A.5.15"]),
];

/// An old root access key: AWS's control for old keys excludes root.
pub(crate) const OLD_ROOT_ACCESS_KEY_ELSEWHERE: &[Mapping] = &[
    mapping(Catalogue::WellArchitected, Source::Ours, &["SEC01-BP02"]),
    mapping(Catalogue::FoundationalTechnicalReview, Source::Ours, &["ARC-004"]),
];

/// A use of root. AWS retired its control for it in April 2024.
pub(crate) const ROOT_USE_ELSEWHERE: &[Mapping] = &[
    mapping(Catalogue::SecurityHub, Source::Aws, &["IAM.20 (retired in 2024)"]),
    mapping(Catalogue::WellArchitected, Source::Prowler, &["SEC02-BP01"]),
    mapping(Catalogue::WellArchitected, Source::Ours, &["SEC01-BP02"]),
    mapping(Catalogue::Iso27001, Source::Prowler, &["A.5.15"]),
];

/// Root without MFA.
pub(crate) const ROOT_MFA_ELSEWHERE: &[Mapping] = &[
    mapping(Catalogue::SecurityHub, Source::Aws, &["IAM.9"]),
    mapping(Catalogue::Config, Source::Aws, &["root-account-mfa-enabled"]),
    mapping(Catalogue::WellArchitected, Source::Prowler, &["SEC01-BP02"]),
    mapping(Catalogue::FoundationalTechnicalReview, Source::Prowler, &["ARC-003", "IAM-001", "IAM-0012"]),
    mapping(Catalogue::Hipaa, Source::Prowler, &["164.308(a)(3)(ii)(A)", "164.312(d)"]),
    mapping(Catalogue::Iso27001, Source::Prowler, &["A.5.15", "A.5.17", "A.8.5"]),
];

/// Root with a virtual MFA device.
pub(crate) const ROOT_HARDWARE_MFA_ELSEWHERE: &[Mapping] = &[
    mapping(Catalogue::SecurityHub, Source::Aws, &["IAM.6"]),
    mapping(Catalogue::Config, Source::Aws, &["root-account-hardware-mfa-enabled"]),
    mapping(Catalogue::WellArchitected, Source::Prowler, &["SEC01-BP02"]),
    mapping(Catalogue::FoundationalTechnicalReview, Source::Prowler, &["ARC-003", "IAM-001", "IAM-0012"]),
    mapping(Catalogue::Hipaa, Source::Prowler, &["164.308(a)(3)(ii)(A)", "164.312(d)"]),
];

/// A root signing certificate: no catalogue has this root credential.
pub(crate) const ROOT_CERTIFICATE_ELSEWHERE: &[Mapping] =
    &[mapping(Catalogue::WellArchitected, Source::Ours, &["SEC01-BP02"])];

/// An old access key of a user.
pub(crate) const KEY_ROTATION_ELSEWHERE: &[Mapping] = &[
    mapping(Catalogue::SecurityHub, Source::Aws, &["IAM.3"]),
    mapping(Catalogue::Config, Source::Aws, &["access-keys-rotated"]),
    mapping(Catalogue::WellArchitected, Source::Prowler, &["SEC02-BP02", "SEC02-BP05"]),
    mapping(Catalogue::FoundationalTechnicalReview, Source::Prowler, &["IAM-002", "IAM-0012"]),
    mapping(Catalogue::Hipaa, Source::Prowler, &["164.308(a)(3)(ii)(C)", "164.308(a)(5)(ii)(D)"]),
    mapping(Catalogue::Iso27001, Source::Prowler, &["A.5.15"]),
];

/// A key or a password that is no longer used.
pub(crate) const UNUSED_CREDENTIAL_ELSEWHERE: &[Mapping] = &[
    mapping(Catalogue::SecurityHub, Source::Aws, &["IAM.8 (90 days)", "IAM.22 (45 days)"]),
    mapping(Catalogue::Config, Source::Aws, &["iam-user-unused-credentials-check"]),
    mapping(Catalogue::WellArchitected, Source::Ours, &["SEC03-BP04"]),
    mapping(Catalogue::FoundationalTechnicalReview, Source::Prowler, &["IAM-002", "IAM-0012"]),
    mapping(Catalogue::Soc2, Source::Prowler, &["CC1.3"]),
    mapping(Catalogue::Soc2, Source::Ours, &["CC6.2", "CC6.3"]),
    mapping(Catalogue::Hipaa, Source::Prowler, &["164.308(a)(3)(ii)(B)", "164.308(a)(5)(ii)(D)"]),
    mapping(Catalogue::Iso27001, Source::Prowler, &["A.5.15"]),
];

/// A key that was never used: AWS's control for unused keys does not distinguish it.
pub(crate) const NEVER_USED_KEY_ELSEWHERE: &[Mapping] = &[
    mapping(Catalogue::SecurityHub, Source::Ours, &["IAM.8 (90 days)", "IAM.22 (45 days)"]),
    mapping(Catalogue::Config, Source::Ours, &["iam-user-unused-credentials-check"]),
    mapping(Catalogue::WellArchitected, Source::Prowler, &["SEC02-BP01"]),
];

/// A long-term credential instead of a temporary one: AWS has no control for it.
pub(crate) const LONG_TERM_CREDENTIAL_ELSEWHERE: &[Mapping] =
    &[mapping(Catalogue::WellArchitected, Source::Ours, &["SEC02-BP02", "SEC02-BP05"])];

/// Two active keys.
pub(crate) const TWO_KEYS_ELSEWHERE: &[Mapping] =
    &[mapping(Catalogue::WellArchitected, Source::Prowler, &["SEC02-BP01"])];

/// A console user without MFA.
pub(crate) const CONSOLE_MFA_ELSEWHERE: &[Mapping] = &[
    mapping(Catalogue::SecurityHub, Source::Aws, &["IAM.5", "IAM.19"]),
    mapping(Catalogue::Config, Source::Aws, &["mfa-enabled-for-iam-console-access", "iam-user-mfa-enabled"]),
    mapping(Catalogue::WellArchitected, Source::Prowler, &["SEC02-BP01"]),
    mapping(Catalogue::FoundationalTechnicalReview, Source::Prowler, &["IAM-001", "IAM-0012"]),
    mapping(Catalogue::Hipaa, Source::Prowler, &["164.308(a)(3)(ii)(A)", "164.312(a)(1)", "164.312(d)"]),
    mapping(Catalogue::Iso27001, Source::Prowler, &["A.5.15", "A.5.17", "A.8.5"]),
];

/// A person with an IAM password.
pub(crate) const FEDERATION_ELSEWHERE: &[Mapping] = &[
    mapping(Catalogue::WellArchitected, Source::Ours, &["SEC02-BP04"]),
    mapping(Catalogue::FoundationalTechnicalReview, Source::Prowler, &["IAM-0012"]),
];
