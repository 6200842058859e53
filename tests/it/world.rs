//! AWS in memory, behind the real clients: an account, a Security Hub that is as strict as AWS's, and a topic. Calls can be
//! made to fail in every way, and the calling process to die before or after a call.
//!
//! Time is paused except for waits: each call takes a little of the paused time, so that two concurrent runs interleave.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aws::clients::loader;
use aws::tls::http_client;
use aws_smithy_http_client::tls::TrustStore;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use aws_types::region::Region;
use base64::Engine as _;
use checker::clients::{Clients, Configurations};
use checker::config::{Config, TopicArn};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use hygiene::decision::{AlertOn, AlertRules};
use hygiene::policy::Policy;
use hygiene::service_credential::ServiceCredential;
use hygiene::verdict::Severity;
use serde_json::{Value, json};
use tokio::sync::{Notify, OnceCell};

use crate::account::ACCOUNT;
use crate::clients::credentials;
use crate::hub_shapes;

pub(crate) const REGION: &str = "eu-central-1";
/// IAM returns a report that it generated less than four hours ago.
const REPORT_LIFETIME: TimeDelta = TimeDelta::hours(4);
/// Small, so that a recall has pages.
const PAGE: usize = 7;
/// Small, so that the list has pages.
const CREDENTIALS_PAGE: usize = 2;
/// Findings or identifiers in one call to Security Hub.
const BATCH: usize = 100;
/// Values of one filter of `GetFindings`.
const MOST_VALUES: usize = 20;

/// The state that all processes share.
#[derive(Clone)]
pub(crate) struct World(Arc<Mutex<State>>);

pub(crate) struct State {
    pub(crate) now: DateTime<Utc>,
    pub(crate) account: Account,
    /// Security Hub's findings by `Id`, credwarden's and others under the same product ARN.
    pub(crate) hub: BTreeMap<String, Value>,
    pub(crate) hub_enabled: bool,
    /// The findings that `GetFindings` returns while it lags.
    pub(crate) lagging: Option<BTreeMap<String, Value>>,
    /// The messages that the topic accepted, one text per protocol.
    pub(crate) messages: Vec<Value>,
    /// The finding that is suppressed after an import, if that is before the next message.
    pub(crate) suppresses: Option<u8>,
    /// The finding that was suppressed then.
    pub(crate) suppressed: Option<String>,
    /// AWS's message when it denies a call.
    pub(crate) refusal: String,
    report: Option<(DateTime<Utc>, String)>,
    /// The first report.
    earliest: Option<(DateTime<Utc>, String)>,
    /// Damages the served report.
    pub(crate) damage: Option<Damage>,
    random: fastrand::Rng,
}

/// The account in IAM.
#[derive(Debug, Clone, Default)]
pub(crate) struct Account {
    pub(crate) root_keys: [Option<Key>; 2],
    pub(crate) root_mfa: bool,
    pub(crate) users: BTreeMap<u8, User>,
    /// Whether IAM lists the service-specific credentials of all users.
    pub(crate) lists_credentials: bool,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct User {
    pub(crate) created: DateTime<Utc>,
    pub(crate) password: bool,
    pub(crate) mfa: bool,
    pub(crate) keys: [Option<Key>; 2],
    pub(crate) credentials: Vec<ServiceCredential>,
}

#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) created: DateTime<Utc>,
    pub(crate) used: Option<DateTime<Utc>>,
    pub(crate) active: bool,
}

/// Damage of a served report.
#[derive(Debug, Clone)]
pub(crate) enum Damage {
    NoRootRow,
    NoReport,
    ShortRow(u8),
    UnreadableDate(u8),
    /// The user's `mfa_active` is no truth value.
    UnreadableMfa(u8),
    /// The user's row has a name that IAM does not allow.
    ForbiddenName(u8),
    /// A column has another name.
    NoColumn,
    /// A row of another account's user.
    ForeignRow,
    /// The first report that was generated.
    Earliest,
    /// A report from the future.
    Future,
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    Denied,
    Throttled,
    Broken,
    /// The connection is cut: the call has had its effect, or not.
    Cut(Effect),
    /// There is no response.
    Silent(Effect),
    Garbage,
    /// The response is truncated, and the connection ends as after a complete one.
    Shortened,
    /// Security Hub responds with success, but refuses the first finding.
    Refused,
    /// The process dies.
    Crash(Effect),
}

/// Whether a call has its effect before it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    None,
    Done,
}

/// A call that fails the next `times` times, after letting `after` calls through.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) operation: &'static str,
    pub(crate) failure: Failure,
    pub(crate) after: u8,
    pub(crate) times: u16,
}

/// One process of the function: its own faults, and the data it was served.
#[derive(Clone)]
pub(crate) struct Process(Arc<Inner>);

struct Inner {
    world: World,
    crash: Notify,
    own: Mutex<Own>,
}

#[derive(Default)]
pub(crate) struct Own {
    faults: Vec<Fault>,
    /// Faults that occurred.
    pub(crate) met: Vec<Fault>,
    /// The sources that were served completely: `report`, `summary`, `devices`, `credentials`.
    pub(crate) served: BTreeSet<&'static str>,
    /// The number of calls of each operation.
    pub(crate) calls: BTreeMap<String, usize>,
}

impl fmt::Debug for Process {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Process")
    }
}

/// Every call that a run makes, by its API's name.
pub(crate) const OPERATIONS: [&str; 11] = [
    "GenerateCredentialReport",
    "GetCredentialReport",
    "GetAccountSummary",
    "ListVirtualMFADevices",
    "ListServiceSpecificCredentials",
    "ListAccessKeys",
    "GetCallerIdentity",
    "GetFindings",
    "BatchImportFindings",
    "BatchUpdateFindings",
    "Publish",
];

/// The default settings, with a topic.
pub(crate) fn config() -> Config {
    Config {
        topic_arn: Some(topic()),
        security_hub: true,
        alert: AlertRules { on: AlertOn::Changes, min_severity: Severity::Low },
        policy: Policy::cis(),
        account_name: None,
    }
}

fn topic() -> TopicArn {
    TopicArn { arn: format!("arn:aws:sns:{REGION}:{ACCOUNT}:alerts"), region: REGION.to_owned() }
}

pub(crate) fn product_arn() -> String {
    format!("arn:aws:securityhub:{REGION}:{ACCOUNT}:product/{ACCOUNT}/default")
}

/// Whether the finding in Security Hub is credwarden's.
pub(crate) fn is_ours(finding: &Value) -> bool {
    finding["GeneratorId"].as_str().is_some_and(|generator| generator.starts_with("credwarden/"))
}

impl World {
    pub(crate) fn new(now: DateTime<Utc>, account: Account, seed: u64) -> Self {
        let foreign = |name: &str, generator: &str| {
            let finding = json!({
                "Id": name, "GeneratorId": generator, "ProductArn": product_arn(), "AwsAccountId": ACCOUNT,
                "RecordState": "ACTIVE", "Workflow": {"Status": "NEW"}, "UpdatedAt": "2026-01-01T00:00:00Z",
            });
            (name.to_owned(), finding)
        };
        let hub = BTreeMap::from([
            foreign("prowler-iam_root_hardware_mfa_enabled", "prowler-iam_root_hardware_mfa_enabled"),
            foreign("credwardenish/1", "credwardenish/root-mfa-disabled"),
        ]);
        Self(Arc::new(Mutex::new(State {
            now,
            account,
            hub,
            hub_enabled: true,
            lagging: None,
            messages: Vec::new(),
            suppresses: None,
            suppressed: None,
            refusal: "you may not".to_owned(),
            report: None,
            earliest: None,
            damage: None,
            random: fastrand::Rng::with_seed(seed),
        })))
    }

    /// The machine-readable results of the messages.
    pub(crate) fn results(&self) -> Vec<Value> {
        let state = self.state();
        let results = state.messages.iter().map(|message| message["sqs"].as_str().unwrap());
        results.map(|result| serde_json::from_str(result).unwrap()).collect()
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Returns a process in which these faults occur.
    pub(crate) fn process(&self, faults: Vec<Fault>) -> Process {
        let own = Mutex::new(Own { faults, ..Own::default() });
        Process(Arc::new(Inner { world: self.clone(), crash: Notify::new(), own }))
    }
}

impl Process {
    pub(crate) fn own(&self) -> MutexGuard<'_, Own> {
        self.0.own.lock().unwrap()
    }

    /// Waits until the process dies.
    pub(crate) async fn crashed(&self) {
        self.0.crash.notified().await;
    }

    /// The function's clients, with its own timeouts and retries, on this wire.
    pub(crate) async fn clients(&self) -> Clients {
        static LOADED: OnceCell<aws_types::SdkConfig> = OnceCell::const_new();
        let loading = || loader(http_client(TrustStore::default())).region(Region::from_static(REGION)).load();
        let loaded = LOADED.get_or_init(loading).await;
        let connector = SharedHttpConnector::new(self.clone());
        let sdk = loaded
            .to_builder()
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(credentials()));
        Clients::new(&Configurations::all(&sdk.build()), Some(&topic()))
    }

    /// Returns the fault of this call, if any.
    fn fault(&self, operation: &str) -> Option<Failure> {
        let mut own = self.own();
        *own.calls.entry(operation.to_owned()).or_default() += 1;
        let fault = own.faults.iter_mut().find(|fault| fault.operation == operation && fault.times > 0)?;
        if fault.after > 0 {
            fault.after -= 1;
            return None;
        }
        fault.times -= 1;
        let fault = fault.clone();
        let failure = fault.failure;
        own.met.push(fault);
        Some(failure)
    }

    async fn answer(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let (operation, body) = Operation::of(&request);
        if let Service::SecurityHub = operation.service {
            hub_shapes::assert_known(operation.name, &body.json());
        }
        let fault = self.fault(operation.name);
        let delay = Duration::from_millis(self.0.world.state().random.u64(1..80));
        tokio::time::sleep(delay).await;
        let service = operation.service;
        match fault {
            Some(Failure::Denied) => return Ok(service.error(403, "AccessDenied", &self.0.world.state().refusal)),
            Some(Failure::Throttled) => return Ok(service.error(400, "Throttling", "Rate exceeded")),
            Some(Failure::Broken) => return Ok(service.error(500, "InternalFailure", "a bad day")),
            Some(Failure::Cut(Effect::None)) => return Err(cut()),
            Some(Failure::Silent(Effect::None)) => return pending().await,
            Some(Failure::Crash(Effect::None)) => return self.die().await,
            Some(Failure::Garbage) => {
                self.serve(operation.name, &body, false, false);
                return Ok(response(200, "<html>maintenance"));
            }
            _ => {}
        }
        let refuse = fault == Some(Failure::Refused);
        let whole = !matches!(fault, Some(Failure::Cut(_) | Failure::Silent(_) | Failure::Shortened));
        let answer = self.serve(operation.name, &body, refuse, whole);
        match fault {
            Some(Failure::Cut(Effect::Done)) => Err(cut()),
            Some(Failure::Silent(Effect::Done)) => pending().await,
            Some(Failure::Crash(Effect::Done)) => self.die().await,
            // Only an error's code is read, so that half of it fails like the whole.
            Some(Failure::Shortened) if !answer.status().is_success() => {
                let is_this = |met: &Fault| met.operation == operation.name && met.failure == Failure::Shortened;
                self.own().met.retain(|met| !is_this(met));
                Ok(answer)
            }
            Some(Failure::Shortened) => Ok(shortened(&answer)),
            _ => Ok(answer),
        }
    }

    /// Returns Security Hub's response to any request: the status, the error's code and the body.
    pub(crate) fn ask(&self, operation: &str, request: &Value) -> (u16, Option<String>, Value) {
        let answer = self.serve(operation, &Body(request.to_string().into_bytes()), false, true);
        let code = answer.headers().get("x-amzn-errortype").map(str::to_owned);
        (answer.status().as_u16(), code, serde_json::from_slice(answer.body().bytes().unwrap()).unwrap())
    }

    async fn die(&self) -> Result<HttpResponse, ConnectorError> {
        self.0.crash.notify_one();
        pending().await
    }

    /// Executes the call. `whole`: the caller receives the response.
    fn serve(&self, operation: &str, body: &Body, refuse: bool, whole: bool) -> HttpResponse {
        let mut world = self.0.world.state();
        let note = |source| {
            if whole {
                self.own().served.insert(source);
            }
        };
        match operation {
            "GenerateCredentialReport" => {
                world.report();
                xml(operation, "<State>COMPLETE</State>")
            }
            "GetCredentialReport" => {
                note("report");
                let (generated, text) = world.served();
                let content = base64::engine::general_purpose::STANDARD.encode(text);
                let generated = generated.to_rfc3339_opts(SecondsFormat::Secs, true);
                xml(
                    operation,
                    &format!(
                        "<Content>{content}</Content><ReportFormat>text/csv</ReportFormat>\
                         <GeneratedTime>{generated}</GeneratedTime>"
                    ),
                )
            }
            "GetAccountSummary" => {
                note("summary");
                let entries = world.account.summary().into_iter();
                let entries =
                    entries.map(|(key, value)| format!("<entry><key>{key}</key><value>{value}</value></entry>"));
                xml(operation, &format!("<SummaryMap>{}</SummaryMap>", entries.collect::<String>()))
            }
            "ListVirtualMFADevices" => {
                note("devices");
                let devices = world.account.virtual_mfa_users().into_iter().map(|arn| {
                    format!(
                        "<member><SerialNumber>arn:aws:iam::{ACCOUNT}:mfa/device</SerialNumber><User><Path>/</Path>\
                         <UserName>root</UserName><UserId>{ACCOUNT}</UserId><Arn>{arn}</Arn>\
                         <CreateDate>2019-01-02T03:04:05Z</CreateDate></User></member>"
                    )
                });
                let devices: String = devices.collect();
                xml(
                    operation,
                    &format!("<IsTruncated>false</IsTruncated><VirtualMFADevices>{devices}</VirtualMFADevices>"),
                )
            }
            "ListServiceSpecificCredentials" if !world.account.lists_credentials => Service::Iam.error(
                400,
                "ValidationError",
                "Must specify userName when calling with non-User credentials",
            ),
            "ListServiceSpecificCredentials" => {
                assert_eq!(body.parameter("AllUsers"), "true");
                let credentials = world.account.service_credentials();
                let start: usize = body.parameter("Marker").parse().unwrap_or_default();
                // The list may be shorter than at the page before.
                let start = start.min(credentials.len());
                let end = (start + CREDENTIALS_PAGE).min(credentials.len());
                let is_last = end == credentials.len();
                if is_last {
                    note("credentials");
                }
                let members: String = credentials[start..end].iter().map(listed).collect();
                let marker = if is_last { String::new() } else { format!("<Marker>{end}</Marker>") };
                xml(
                    operation,
                    &format!(
                        "<ServiceSpecificCredentials>{members}</ServiceSpecificCredentials>\
                         <IsTruncated>{}</IsTruncated>{marker}",
                        !is_last
                    ),
                )
            }
            "ListAccessKeys" => world.list_access_keys(&body.parameter("UserName")),
            "GetCallerIdentity" => xml(
                operation,
                &format!(
                    "<Arn>arn:aws:sts::{ACCOUNT}:assumed-role/checker/run</Arn><UserId>AROA:run</UserId>\
                     <Account>{ACCOUNT}</Account>"
                ),
            ),
            "Publish" => {
                world.suppresses = None;
                world.messages.push(serde_json::from_str(&body.parameter("Message")).unwrap());
                xml(operation, "<MessageId>1</MessageId>")
            }
            _ if !world.hub_enabled => {
                Service::SecurityHub.error(401, "InvalidAccessException", "not subscribed to AWS Security Hub")
            }
            "GetFindings" => world.get_findings(&body.json()),
            "BatchImportFindings" => world.import(&body.json(), refuse),
            "BatchUpdateFindings" => world.update(&body.json(), refuse),
            other => panic!("the world has no {other}"),
        }
    }
}

impl HttpConnector for Process {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().answer(request))
    }
}

impl State {
    /// Returns IAM's report, a new one or one of the last four hours.
    pub(crate) fn report(&mut self) -> (DateTime<Utc>, String) {
        let now = self.now;
        let fresh = |(made, _): &(DateTime<Utc>, String)| now - *made < REPORT_LIFETIME;
        if !self.report.as_ref().is_some_and(fresh) {
            self.report = Some((now, self.account.report()));
            self.earliest.get_or_insert_with(|| self.report.clone().unwrap());
        }
        self.report.clone().unwrap()
    }

    /// Returns the report as it is served.
    pub(crate) fn served(&mut self) -> (DateTime<Utc>, String) {
        let damage = self.damage.clone();
        let (made, text) = self.report();
        let (made, text) = match damage {
            Some(Damage::Earliest) => self.earliest.clone().unwrap(),
            Some(Damage::Future) => (self.now + TimeDelta::hours(1), text),
            _ => (made, text),
        };
        let of = |user: u8| format!("user-{user},");
        let changed = |change: &dyn Fn(&str) -> Option<String>| {
            let lines: Vec<String> = text.lines().filter_map(change).collect();
            lines.join("\n")
        };
        let text = match damage {
            None | Some(Damage::Earliest | Damage::Future) => text,
            Some(Damage::NoColumn) => text.replacen(",mfa_active,", ",mfa,", 1),
            Some(Damage::ForeignRow) => {
                let row = text.lines().last().unwrap().replace(ACCOUNT, "210987654321").replace("user-", "guest-");
                format!("{text}\n{}", row.replace("<root_account>", "guest").replace(":root", ":user/guest"))
            }
            Some(Damage::ForbiddenName(user)) => text.replace(&format!("user-{user}"), &format!("user {user}")),
            Some(Damage::UnreadableMfa(user)) => changed(&|line| {
                let mut cells: Vec<&str> = line.split(',').collect();
                if line.starts_with(&of(user)) {
                    cells[7] = "perhaps";
                }
                Some(cells.join(","))
            }),
            Some(Damage::NoReport) => "<html>maintenance</html>".to_owned(),
            Some(Damage::NoRootRow) => changed(&|line| (!line.starts_with("<root_account>,")).then(|| line.to_owned())),
            Some(Damage::ShortRow(user)) => changed(&|line| {
                let short = line.starts_with(&of(user));
                Some(if short { format!("user-{user},what,is,this") } else { line.to_owned() })
            }),
            Some(Damage::UnreadableDate(user)) => changed(&|line| {
                let mut cells: Vec<&str> = line.split(',').collect();
                if line.starts_with(&of(user)) {
                    cells[9] = "long ago";
                }
                Some(cells.join(","))
            }),
        };
        (made, text)
    }

    fn list_access_keys(&self, user: &str) -> HttpResponse {
        let number: u8 = user.strip_prefix("user-").unwrap().parse().unwrap();
        let Some(found) = self.account.users.get(&number) else {
            return Service::Iam.error(404, "NoSuchEntity", "The user cannot be found.");
        };
        let keys = found.keys.iter().flatten().map(|key| {
            let status = if key.active { "Active" } else { "Inactive" };
            let created = key.created.to_rfc3339_opts(SecondsFormat::Secs, true);
            format!(
                "<member><UserName>{user}</UserName><AccessKeyId>{}</AccessKeyId><Status>{status}</Status>\
                 <CreateDate>{created}</CreateDate></member>",
                key.id
            )
        });
        let keys: String = keys.collect();
        xml("ListAccessKeys", &format!("<IsTruncated>false</IsTruncated><AccessKeyMetadata>{keys}</AccessKeyMetadata>"))
    }

    fn get_findings(&self, request: &Value) -> HttpResponse {
        let filters = request["Filters"].as_object().unwrap();
        if filters.values().any(|values| values.as_array().unwrap().len() > MOST_VALUES) {
            return Service::SecurityHub.error(400, "InvalidInputException", "a filter has too many values");
        }
        let shown = self.lagging.as_ref().unwrap_or(&self.hub).values();
        let found: Vec<&Value> = shown.filter(|finding| filters.iter().all(|filter| passes(finding, filter))).collect();
        let start: usize = request["NextToken"].as_str().map_or(0, |token| token.parse().unwrap());
        // Another run may have closed findings since the page before.
        let start = start.min(found.len());
        let end = (start + PAGE).min(found.len());
        let mut answer = json!({"Findings": found[start..end]});
        if end < found.len() {
            answer["NextToken"] = end.to_string().into();
        }
        response(200, &answer.to_string())
    }

    /// An import replaces a known finding if it is newer; the fields that people set are kept, but the workflow of a returning
    /// problem is NEW again.
    fn import(&mut self, request: &Value, refuse: bool) -> HttpResponse {
        let findings = request["Findings"].as_array().unwrap();
        if !(1..=BATCH).contains(&findings.len()) {
            return Service::SecurityHub.error(400, "InvalidInputException", "1 to 100 findings");
        }
        let product = product_arn();
        if findings.iter().any(|one| one["ProductArn"] != product || one["AwsAccountId"] != ACCOUNT) {
            return Service::SecurityHub.error(403, "AccessDeniedException", "not this account's finding");
        }
        let mut failed = Vec::new();
        for (place, finding) in findings.iter().enumerate() {
            let id = finding["Id"].as_str().unwrap();
            if refuse && place == 0 {
                failed.push(json!({"Id": id, "ErrorCode": "InternalFailure", "ErrorMessage": "a bad day"}));
                continue;
            }
            let mut given = finding.clone();
            given["Workflow"] = json!({"Status": "NEW"});
            if let Some(stored) = self.hub.get(id) {
                if moment(finding, "UpdatedAt") <= moment(stored, "UpdatedAt") {
                    continue;
                }
                let compliance = finding["Compliance"]["Status"].as_str();
                let back = stored["RecordState"] == "ARCHIVED" && finding["RecordState"] == "ACTIVE"
                    || stored["Compliance"]["Status"] == "PASSED"
                        && compliance.is_some_and(|status| status != "PASSED");
                let done = stored["Workflow"]["Status"] == "NOTIFIED" || stored["Workflow"]["Status"] == "RESOLVED";
                if !(back && done) {
                    given["Workflow"] = stored["Workflow"].clone();
                }
            }
            self.hub.insert(id.to_owned(), given);
        }
        if let Some(place) = self.suppresses.take() {
            self.suppressed = self.set_workflow(place, "SUPPRESSED");
        }
        let done = findings.len() - failed.len();
        let answer = json!({"SuccessCount": done, "FailedCount": failed.len(), "FailedFindings": failed});
        response(200, &answer.to_string())
    }

    /// Sets the workflow status of one of credwarden's findings; returns its id, if there are any.
    pub(crate) fn set_workflow(&mut self, place: u8, status: &str) -> Option<String> {
        let ours: Vec<&mut Value> = self.hub.values_mut().filter(|finding| is_ours(finding)).collect();
        let count = ours.len();
        let finding = ours.into_iter().nth(usize::from(place).checked_rem(count)?)?;
        finding["Workflow"] = json!({"Status": status});
        finding["Id"].as_str().map(str::to_owned)
    }

    fn update(&mut self, request: &Value, refuse: bool) -> HttpResponse {
        let identifiers = request["FindingIdentifiers"].as_array().unwrap();
        if !(1..=BATCH).contains(&identifiers.len()) {
            return Service::SecurityHub.error(400, "InvalidInputException", "1 to 100 identifiers");
        }
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        for (place, identifier) in identifiers.iter().enumerate() {
            let found = self.hub.get_mut(identifier["Id"].as_str().unwrap());
            let refused = match found.filter(|finding| finding["ProductArn"] == identifier["ProductArn"]) {
                _ if identifiers.iter().filter(|one| *one == identifier).count() > 1 => {
                    Some("DuplicatedFindingIdentifier")
                }
                None => Some("FindingNotFound"),
                Some(_) if refuse && place == 0 => Some("ConcurrentUpdateError"),
                Some(finding) => {
                    finding["Workflow"] = request["Workflow"].clone();
                    None
                }
            };
            match refused {
                None => done.push(identifier.clone()),
                Some(code) => {
                    failed.push(json!({"FindingIdentifier": identifier, "ErrorCode": code, "ErrorMessage": "no"}));
                }
            }
        }
        response(200, &json!({"ProcessedFindings": done, "UnprocessedFindings": failed}).to_string())
    }
}

/// Whether the finding has one of the values of a filter of `GetFindings`.
fn passes(finding: &Value, (name, values): (&String, &Value)) -> bool {
    let field = if name == "WorkflowStatus" { &finding["Workflow"]["Status"] } else { &finding[name] };
    values.as_array().unwrap().iter().any(|value| match value["Comparison"].as_str() {
        Some("EQUALS") => *field == value["Value"],
        Some("PREFIX") => field.as_str().unwrap().starts_with(value["Value"].as_str().unwrap()),
        None => (moment(value, "Start")..=moment(value, "End")).contains(&moment(finding, name)),
        Some(other) => panic!("the world does not compare by {other}"),
    })
}

pub(crate) fn moment(finding: &Value, field: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(finding[field].as_str().unwrap()).unwrap().to_utc()
}

impl Account {
    fn report(&self) -> String {
        let row =
            |name: &str, arn: &str, created: DateTime<Utc>, password: &str, mfa: bool, keys: &[Option<Key>; 2]| {
                let keys = keys.iter().map(|key| match key {
                    None => "false,N/A,N/A,N/A,N/A".to_owned(),
                    Some(key) => {
                        let used =
                            key.used.map_or("N/A,N/A,N/A".to_owned(), |used| format!("{},{REGION},iam", stamp(used)));
                        format!("{},{},{used}", key.active, stamp(key.created))
                    }
                });
                let keys = keys.collect::<Vec<_>>().join(",");
                let created = stamp(created);
                format!("{name},{arn},{created},{password},{mfa},{keys},false,N/A,false,N/A")
            };
        let root = "true,no_information,2020-01-01T00:00:00Z,not_supported";
        let root_arn = format!("arn:aws:iam::{ACCOUNT}:root");
        let mut rows =
            vec![row("<root_account>", &root_arn, DateTime::UNIX_EPOCH, root, self.root_mfa, &self.root_keys)];
        rows.extend(self.users.iter().map(|(number, user)| {
            let password =
                if user.password { "true,no_information,2020-01-01T00:00:00Z,N/A" } else { "false,N/A,N/A,N/A" };
            let arn = format!("arn:aws:iam::{ACCOUNT}:user/user-{number}");
            row(&format!("user-{number}"), &arn, user.created, password, user.mfa, &user.keys)
        }));
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        crate::account::csv(&rows)
    }

    pub(crate) fn summary(&self) -> BTreeMap<&'static str, i32> {
        BTreeMap::from([
            ("AccountAccessKeysPresent", i32::from(self.root_keys.iter().any(Option::is_some))),
            ("AccountMFAEnabled", i32::from(self.root_mfa)),
            ("AccountPasswordPresent", 1),
            ("AccountSigningCertificatesPresent", 0),
            ("Users", i32::try_from(self.users.len()).unwrap()),
        ])
    }

    /// Returns the service-specific credentials of all users.
    pub(crate) fn service_credentials(&self) -> Vec<ServiceCredential> {
        self.users.values().flat_map(|user| user.credentials.clone()).collect()
    }

    pub(crate) fn virtual_mfa_users(&self) -> Vec<String> {
        self.root_mfa.then(|| format!("arn:aws:iam::{ACCOUNT}:root")).into_iter().collect()
    }
}

/// Returns a member of the list of service-specific credentials.
fn listed(credential: &ServiceCredential) -> String {
    let ServiceCredential { id, user, service, status, created, expires } = credential;
    let expires = expires.map(|expires| format!("<ExpirationDate>{}</ExpirationDate>", stamp(expires)));
    format!(
        "<member><UserName>{user}</UserName><Status>{status}</Status><ServiceUserName>{user}-at-1</ServiceUserName>\
         <CreateDate>{}</CreateDate>{}<ServiceSpecificCredentialId>{id}</ServiceSpecificCredentialId>\
         <ServiceName>{service}</ServiceName></member>",
        stamp(*created),
        expires.unwrap_or_default()
    )
}

fn stamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The service, which determines the format of errors.
#[derive(Clone, Copy)]
enum Service {
    Iam,
    SecurityHub,
}

impl Service {
    fn error(self, status: u16, code: &str, message: &str) -> HttpResponse {
        match self {
            Self::Iam => {
                let message = message.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
                let (status, body) = crate::clients::xml_error(status, code, &message);
                response(status, &body.unwrap_or_default())
            }
            Self::SecurityHub => {
                let code = match code {
                    "AccessDenied" => "AccessDeniedException",
                    "Throttling" => "TooManyRequestsException",
                    "InternalFailure" => "InternalException",
                    code => code,
                };
                let mut answer = response(status, &json!({"Message": message}).to_string());
                answer.headers_mut().insert("x-amzn-errortype", code.to_owned());
                answer
            }
        }
    }
}

struct Operation {
    name: &'static str,
    service: Service,
}

struct Body(Vec<u8>);

impl Operation {
    fn of(request: &HttpRequest) -> (Self, Body) {
        let body = Body(request.body().bytes().unwrap_or_default().to_vec());
        let path = request.uri().split("amazonaws.com").nth(1).unwrap_or_default();
        let name = match path {
            "/findings" => "GetFindings",
            "/findings/import" => "BatchImportFindings",
            "/findings/batchupdate" => "BatchUpdateFindings",
            _ => {
                let action = body.parameter("Action");
                OPERATIONS.into_iter().find(|name| *name == action).unwrap_or_else(|| panic!("{path} {action}"))
            }
        };
        let service = if path.starts_with("/findings") { Service::SecurityHub } else { Service::Iam };
        (Self { name, service }, body)
    }
}

impl Body {
    /// Returns a parameter of the form.
    fn parameter(&self, name: &str) -> String {
        let mut parameters = form_urlencoded::parse(&self.0);
        parameters.find(|(known, _)| known == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.0).unwrap()
    }
}

fn xml(operation: &str, result: &str) -> HttpResponse {
    response(
        200,
        &format!("<{operation}Response><{operation}Result>{result}</{operation}Result></{operation}Response>"),
    )
}

fn response(status: u16, body: &str) -> HttpResponse {
    HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body))
}

/// Returns the first half of a response.
fn shortened(answer: &HttpResponse) -> HttpResponse {
    let body = answer.body().bytes().unwrap();
    HttpResponse::new(answer.status(), SdkBody::from(&body[..body.len() / 2]))
}

fn cut() -> ConnectorError {
    ConnectorError::io("connection reset by peer".into())
}
