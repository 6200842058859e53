//! How to fix a finding, as data, rendered as numbered steps for the console or as a script for bash and zsh. Values
//! are quoted only here, so no check can forget it.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use crate::text::is_escaped;

/// How to fix a finding. [`Display`](fmt::Display) renders it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remediation {
    /// Steps in the console. All text is constant, so it cannot contain a name from the account.
    Console {
        /// The steps, in order; the renderer numbers them.
        steps: &'static [&'static str],
        /// A note, on a line without a number.
        note: Option<&'static str>,
    },
    /// A script to paste into bash or zsh.
    Shell(Vec<Step>),
}

/// A step of a script. Comments and the names of variables, files and functions are constant; data is only in commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Notes for the reader, each line commented out.
    Comment(&'static str),
    /// Runs the command.
    Run(Command),
    /// Shows the command, commented out: a person decides whether to run it.
    Offer(Command),
    /// Assigns the command's output to the variable.
    Assign(&'static str, Command),
    /// Writes the command's output to the file.
    Save(&'static str, Command),
    /// Runs a command for each id that another command lists; the id is the variable `id`.
    ForEach {
        /// Lists the ids.
        list: Command,
        /// The command to run for each id.
        run: Command,
    },
    /// Defines a function that runs the command; the function's arguments are the variables `1`, `2` and so on.
    Define(&'static str, Command),
    /// Defines a function that runs a command for each id that another command lists: a person decides whether to call it. A loop
    /// that is commented out would run in a zsh without comments.
    DefineEach {
        /// The name of the function.
        name: &'static str,
        /// Lists the ids.
        list: Command,
        /// The command to run for each id.
        run: Command,
    },
}

/// A command of the AWS CLI v2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The service and its command: `iam delete-access-key`.
    pub operation: &'static str,
    /// The arguments, in order.
    pub arguments: Vec<Argument>,
}

/// An argument of a command, with raw values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument {
    /// An option and its value, which can be any text.
    Value(&'static str, Cow<'static, str>),
    /// An option and the shell variable that has its value.
    Variable(&'static str, &'static str),
    /// A `JMESPath` query whose result is printed as text.
    Query(Cow<'static, str>),
    /// Continues the command on the next line, for readability.
    NextLine,
}

impl fmt::Display for Remediation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&match self {
            Self::Console { steps, note } => console(steps, *note),
            Self::Shell(steps) => script(steps),
        })
    }
}

fn console(steps: &[&str], note: Option<&str>) -> String {
    let steps = (1..).zip(steps).map(|(number, step)| format!("{number}. {step}"));
    steps.chain(note.map(str::to_owned)).collect::<Vec<_>>().join("\n")
}

fn script(steps: &[Step]) -> String {
    // Most scripts fit, so the string is not reallocated.
    let mut script = String::with_capacity(1024);
    for step in steps {
        match step {
            Step::Comment(text) => script.extend(["# ", &text.replace('\n', "\n# ")]),
            Step::Run(command) => push(&mut script, "", command),
            Step::Offer(command) => push(&mut script, "# ", command),
            Step::Assign(variable, command) => {
                script.extend([variable, "=$("]);
                push(&mut script, "", command);
                script.push(')');
            }
            Step::Save(file, command) => {
                push(&mut script, "", command);
                script.extend([" > ", &word(file)]);
            }
            Step::ForEach { list, run } => {
                script.push_str("for id in $(");
                push(&mut script, "", list);
                script.push_str("); do\n");
                push(&mut script, "  ", run);
                script.push_str("\ndone");
            }
            Step::DefineEach { name, list, run } => {
                script.extend([name, "() {\n  for id in $("]);
                push(&mut script, "", list);
                script.push_str("); do\n");
                push(&mut script, "    ", run);
                script.push_str("\n  done\n}");
            }
            Step::Define(name, command) => {
                script.extend([name, "() {\n"]);
                push(&mut script, "  ", command);
                script.push_str("\n}");
            }
        }
        script.push('\n');
    }
    script.pop();
    script
}

/// Appends the command, with the prefix before each line. Values have no line breaks: [`word`] escapes them as `\x0a`.
fn push(script: &mut String, prefix: &str, command: &Command) {
    script.extend([prefix, "aws ", command.operation]);
    for argument in &command.arguments {
        match argument {
            // IAM allows names that begin with `-`. The AWS CLI accepts such a value only after `=`.
            Argument::Value(option, value) if value.starts_with('-') => script.extend([" ", option, "=", &word(value)]),
            Argument::Value(option, value) => script.extend([" ", option, " ", &word(value)]),
            Argument::Variable(option, variable) => script.extend([" ", option, " \"$", variable, "\""]),
            Argument::Query(query) => script.extend([" --query ", &query_word(query), " --output text"]),
            Argument::NextLine => script.extend([" \\\n", prefix, " "]),
        }
    }
}

/// Quotes any value as one word of the shell.
fn word(value: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-/:".contains(&byte);
    // zsh expands a word that begins with `=`.
    if !value.is_empty() && !value.starts_with('=') && value.bytes().all(plain) {
        return Cow::Borrowed(value);
    }
    if !value.contains(is_escaped) {
        return Cow::Owned(format!("'{}'", value.replace('\'', r"'\''")));
    }
    // The terminal would interpret a raw control character when it is pasted; `$'…'` escapes bytes (bash, zsh, ksh).
    let mut word = String::from("$'");
    for byte in value.bytes() {
        if plain(byte) {
            word.push(char::from(byte));
        } else {
            let _ = write!(word, "\\x{byte:02x}");
        }
    }
    word.push('\'');
    Cow::Owned(word)
}

/// Quotes a query as one word of the shell: in double quotes if its strings have single quotes, for readability.
fn query_word(query: &str) -> Cow<'_, str> {
    // An interactive shell expands `!` in double quotes, but not before `=`.
    let is_interpreted = query.contains(['"', '$', '`', '\\']) || query.replace("!=", "").contains('!');
    if query.contains('\'') && !is_interpreted && !query.contains(is_escaped) {
        return Cow::Owned(format!("\"{query}\""));
    }
    word(query)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn console_steps_are_numbered_and_the_note_is_not() {
        let of = |note| Remediation::Console { steps: &["Sign in.", "Sign out."], note }.to_string();
        assert_eq!(of(None), "1. Sign in.\n2. Sign out.");
        assert_eq!(of(Some("Or not.")), "1. Sign in.\n2. Sign out.\nOr not.");
    }

    /// A script with the name in every place for data.
    fn script_on(name: &str) -> String {
        let user = || Argument::Value("--user-name", name.to_owned().into());
        let command = |argument| Command { operation: "iam do", arguments: vec![user(), Argument::NextLine, argument] };
        let keys = || Argument::Query("Keys[?Status=='Active'].Id".into());
        Remediation::Shell(vec![
            Step::Comment("One.\nTwo:"),
            Step::Run(command(user())),
            Step::Offer(command(user())),
            Step::Assign("KEY_ID", command(keys())),
            Step::Save("report.json", command(user())),
            Step::ForEach { list: command(keys()), run: command(Argument::Variable("--id", "id")) },
            Step::Define("enable", command(Argument::Variable("--code", "1"))),
        ])
        .to_string()
    }

    #[test]
    fn values_are_quoted_in_every_step_and_variables_are_expanded() {
        insta::assert_snapshot!(script_on("$(id)'"), @r#"
        # One.
        # Two:
        aws iam do --user-name '$(id)'\''' \
          --user-name '$(id)'\'''
        # aws iam do --user-name '$(id)'\''' \
        #   --user-name '$(id)'\'''
        KEY_ID=$(aws iam do --user-name '$(id)'\''' \
          --query "Keys[?Status=='Active'].Id" --output text)
        aws iam do --user-name '$(id)'\''' \
          --user-name '$(id)'\''' > report.json
        for id in $(aws iam do --user-name '$(id)'\''' \
          --query "Keys[?Status=='Active'].Id" --output text); do
          aws iam do --user-name '$(id)'\''' \
            --id "$id"
        done
        enable() {
          aws iam do --user-name '$(id)'\''' \
            --code "$1"
        }
        "#);
    }

    proptest! {
        /// The lines are the same for any name, up to the first value of each: no value ends a comment or command.
        #[test]
        fn a_value_stays_in_its_line(name in "(?s).{0,12}|[-#='\"$`\\\\\r\n;]{0,12}") {
            let start = |line: &str| line.split(" --user-name").next().map(str::to_owned);
            let starts = |name| script_on(name).split('\n').map(start).collect::<Vec<_>>();
            prop_assert_eq!(starts(&name), starts("alice"));
        }
    }

    #[test]
    fn a_value_is_one_word_to_the_shell() {
        let words = [
            ("alice", " alice"),
            ("a+b=c,d.e@f-g_h", " a+b=c,d.e@f-g_h"),
            ("-alice", "=-alice"),
            ("-o'neil", r"='-o'\''neil'"),
            ("=ls", " '=ls'"),
            ("", " ''"),
            ("o'neil; rm -rf ~", r" 'o'\''neil; rm -rf ~'"),
            ("$(id)", " '$(id)'"),
            ("a\\", r" 'a\'"),
            ("žofie", " 'žofie'"),
            ("a\nb'", r" $'a\x0ab\x27'"),
            ("a\u{3164}b", r" $'a\xe3\x85\xa4b'"),
        ];
        for (name, word) in words {
            let arguments = vec![Argument::Value("--user-name", name.into())];
            let remediation = Remediation::Shell(vec![Step::Run(Command { operation: "iam get-user", arguments })]);
            assert_eq!(remediation.to_string(), format!("aws iam get-user --user-name{word}"));
        }
    }

    #[test]
    fn a_query_is_in_double_quotes_only_if_the_shell_leaves_it_as_it_is() {
        let words = [
            ("User.Arn", "User.Arn"),
            ("Keys[].Id", "'Keys[].Id'"),
            ("Keys[?Status!='']", "\"Keys[?Status!='']\""),
            ("Keys[?!(Id=='a')]", r"'Keys[?!(Id=='\''a'\'')]'"),
            ("[?Id=='$HOME']", r"'[?Id=='\''$HOME'\'']'"),
            ("[?Id=='`a`']", r"'[?Id=='\''`a`'\'']'"),
            ("[?Id=='\"']", r#"'[?Id=='\''"'\'']'"#),
            (r"[?Id=='\']", r"'[?Id=='\''\'\'']'"),
            ("['\n']", r"$'\x5b\x27\x0a\x27\x5d'"),
        ];
        for (query, word) in words {
            assert_eq!(query_word(query), word);
        }
    }
}
