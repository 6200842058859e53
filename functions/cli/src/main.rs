//! `credwarden`. Only this module reads the clock.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::SystemTime;

use anstream::{AutoStream, ColorChoice};
use aws::environment::empty_variables;
use aws::error::chain;
use chrono::{DateTime, SubsecRound as _, Utc};
use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};
use cli::arguments::{Arguments, CheckArguments, Command};
use cli::check::{CheckError, Ending, check};
use cli::configuration::Variables;
use cli::organization::organization;
use cli::output::deliver;
use cli::readiness::readiness;
use cli::trace::{plan, trace};
use hygiene::check::Check;
use hygiene::checks::CHECKS;
use hygiene::text::escape;

fn main() -> ExitCode {
    unset_empty_variables();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return refused(&error),
    };
    let text = match arguments.command {
        Command::Check(arguments) => return checked(&arguments),
        Command::Readiness(arguments) => {
            let done = readiness(&arguments, clock(), Variables(&|name| std::env::var_os(name)), &mut complain);
            return ended(done);
        }
        Command::Trace(arguments) => {
            let done = trace(&arguments, clock(), Variables(&|name| std::env::var_os(name)), &mut complain);
            return ended(done);
        }
        Command::Plan(arguments) => {
            let done = plan(&arguments, clock(), Variables(&|name| std::env::var_os(name)), &mut complain);
            return ended(done);
        }
        Command::Organization(command) => {
            let done = organization(&command, clock(), Variables(&|name| std::env::var_os(name)), &mut complain);
            return ended(done);
        }
        Command::Checks => list(),
        Command::Explain { check } => hygiene::explain::page(check),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "credwarden", &mut script);
            String::from_utf8_lossy(&script).into_owned()
        }
        Command::Man { command } => man(command.as_deref()),
    };
    print(&text)
}

#[expect(unsafe_code, reason = "variables can only be unset so")]
fn unset_empty_variables() {
    for name in empty_variables(std::env::vars_os()) {
        // SAFETY: this is the only thread.
        unsafe { std::env::remove_var(name) };
    }
}

fn checked(arguments: &CheckArguments) -> ExitCode {
    ended(check(arguments, clock(), Variables(&|name| std::env::var_os(name)), &mut complain))
}

fn ended(done: Result<Ending, CheckError>) -> ExitCode {
    match done {
        Ok(ending) => ExitCode::from(ending as u8),
        Err(error) => failed(&chain(&error)),
    }
}

/// Lists every check, one per line.
fn list() -> String {
    let id = CHECKS.iter().map(|check| check.id.len()).max().unwrap_or_default();
    let line = |check: &&Check| format!("{:id$}  {:13}  {}", check.id, check.severity, check.title);
    CHECKS.iter().map(line).collect::<Vec<_>>().join("\n") + "\n"
}

fn man(command: Option<&str>) -> String {
    let mut whole = Arguments::command();
    whole.build();
    let described = command.and_then(|name| whole.find_subcommand(name)).unwrap_or(&whole).clone();
    let mut page = Vec::new();
    match clap_mangen::Man::new(described).render(&mut page) {
        Ok(()) => String::from_utf8_lossy(&page).into_owned(),
        Err(error) => error.to_string(),
    }
}

/// Prints help or version. Other errors of the arguments are reported as one line on standard error.
fn refused(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let is_coloured = AutoStream::choice(&io::stdout()) != ColorChoice::Never;
        let text = error.render();
        return print(&if is_coloured { text.ansi().to_string() } else { text.to_string() });
    }
    let text = error.render().to_string();
    let lines = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let mut lines: Vec<_> =
        lines.filter(|line| !line.is_empty() && !line.starts_with("For more information")).collect();
    // With a tip, the list of possible values is not needed.
    if lines.iter().any(|line| line.starts_with("tip:")) {
        lines.retain(|line| !line.starts_with("[possible values:"));
    }
    failed(&format!("{} (see --help)", lines.join(" ").trim_start_matches("error: ")))
}

/// Prints to standard output, and returns the exit code.
fn print(text: &str) -> ExitCode {
    match deliver(text.as_bytes(), None) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&chain(&error)),
    }
}

fn failed(message: &str) -> ExitCode {
    complain(message);
    ExitCode::from(Ending::Wrong as u8)
}

/// Prints one line to standard error.
fn complain(message: &str) {
    let _ = writeln!(io::stderr(), "credwarden: {}", escape(message));
}

/// The current time, to the second, as in the report.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
fn clock() -> DateTime<Utc> {
    DateTime::from(SystemTime::now()).trunc_subsecs(0)
}
