//! Hostile names, paths, cells and AWS messages are escaped in every output: terminal, mail, spreadsheet, browser, log, shell.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use checker::config::Config;
use checker::log::layer;
use checker::run::run;
use hygiene::evaluate::{Scope, evaluate};
use hygiene::policy::Policy;
use hygiene::report::{CredentialReport, Origin};
use hygiene::verdict::Status;
use serde_json::Value;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::account::{ACCOUNT, ROOT, csv, invocation, now, snapshot, user};
use crate::inputs::{assert_escaped, render_all};
use crate::world::{Account, Failure, Fault, World, config};

const HOSTILE: [&str; 14] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "</title><svg/onload=alert(1)>",
    "=HYPERLINK(\"http://evil.example\")",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "-1+1",
    "\u{202e}moc.elpmaxe\u{202c}",
    "\u{1b}[2J\u{1b}]0;owned\u{7}",
    "'; aws iam delete-user --user-name alice; '",
    "$(touch /tmp/owned)`id`",
    "line\u{2028}break\u{85}",
    "{\"level\":\"ERROR\"}",
    "https://evil.example/?q=%0aBcc:everybody@example.com",
    "--generate-cli-skeleton",
];

/// An account with this text everywhere: a user's name, another's path, root's last used service. IAM does not allow such
/// names: in a served report the row is damaged, in a file it is accepted.
fn account(hostile: &str, origin: Origin) -> hygiene::account::Account {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let arn = |path: &str| format!("arn:aws:iam::{ACCOUNT}:user/{path}");
    let named = user("NAME").replace(&arn("NAME"), "").replace("NAME", &quoted(hostile));
    let placed = user("alice").replace(&arn("alice"), &quoted(&arn(&format!("{hostile}/alice"))));
    let root = ROOT.replace("us-east-1,iam", &format!("{0},{0}", quoted(hostile)));
    let mut snapshot = snapshot(&[ROOT]);
    let text = csv(&[&root, &named, &placed]);
    snapshot.report.as_mut().unwrap().credentials = CredentialReport::parse_from(text.as_bytes(), origin).unwrap();
    snapshot
}

#[test]
fn text_of_a_report_is_escaped_everywhere() {
    for hostile in HOSTILE {
        render_all(&account(hostile, Origin::Live));
        let account = account(hostile, Origin::File);
        let evaluation = evaluate(&account, &Policy::cis(), &Scope::All, now());
        for name in [hostile.trim(), "alice"] {
            let named = evaluation
                .findings
                .iter()
                .filter(|finding| finding.subject.owner().is_some_and(|user| user.name == name));
            let failing = named.filter(|finding| finding.status() == Status::Failed).count();
            assert_eq!(failing, 5, "of {name:?}");
        }
        render_all(&account);
    }
}

/// A log in memory.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl io::Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// AWS's errors have the names of users and roles, which may be hostile. So is the account's name.
#[tokio::test(start_paused = true)]
async fn text_of_aws_is_escaped_everywhere() {
    for hostile in HOSTILE {
        let memory = Memory::default();
        let writer = memory.clone();
        let lines = tracing_subscriber::registry().with(layer(move || writer.clone()));
        let _logging = tracing::subscriber::set_default(lines);

        let denied = |operation| Fault { operation, failure: Failure::Denied, after: 0, times: u16::MAX };
        let faults = ["GetAccountSummary", "ListVirtualMFADevices", "BatchImportFindings"].map(denied).to_vec();
        let world = World::new(now(), Account::default(), 7);
        world.state().refusal = format!("User: {hostile} may not\nsecond line with a token");
        let clients = world.process(faults).clients().await;
        let config = Config { account_name: Some(hostile.to_owned()), ..config() };
        let error = run(&clients, &config, &invocation(now(), Duration::from_mins(5))).await.unwrap_err().to_string();
        assert!(error.contains("BatchImportFindings failed: AccessDeniedException: User: "), "{error}");
        assert!(!error.contains("token"), "{error}");
        assert_escaped(&error);

        let messages = world.state().messages.clone();
        let [message] = &messages[..] else { panic!("{} messages", messages.len()) };
        for protocol in ["default", "email"] {
            assert_escaped(message[protocol].as_str().unwrap());
        }
        let chat: Value = serde_json::from_str(message["https"].as_str().unwrap()).unwrap();
        for text in ["title", "description"].map(|name| chat["content"][name].as_str().unwrap()) {
            assert_escaped(text);
            assert!(!text.contains(['<', '>', '[', '`']), "{text}");
        }
        assert_eq!(world.results()[0]["account_name"], hostile, "JSON has it unescaped");
        let errors = &world.results()[0]["errors"];
        errors.as_array().unwrap().iter().for_each(|error| assert_escaped(error.as_str().unwrap()));

        let log = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
        assert!(log.contains("AccessDenied"), "{log}");
        assert_escaped(&log);
        for line in log.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            assert!(line["level"] != "ERROR", "{line}");
        }
    }
}
