//! Cases that the server's own table gives: what every command says to too few and too many arguments.

use super::case::{Action, Family, Step};
use super::reply::{Compare, Reply};
use super::target::{Came, Target};

/// A command or subcommand as `COMMAND` describes it.
struct Command {
    /// One word, or two.
    words: Vec<String>,
    /// How many arguments it has with its name; negative where that is the least.
    arity: i64,
    container: bool,
}

/// Every command with too few arguments and with too many, and with a subcommand that it does not have; outside a transaction
/// and within one.
pub(super) fn arity(target: &Target) -> Family {
    let mut steps = Vec::new();
    for command in commands(target) {
        for wrong in command.wrong() {
            steps.push(step(&wrong));
            for words in [vec!["MULTI".to_owned()], wrong, vec!["EXEC".to_owned()]] {
                steps.push(step(&words));
            }
        }
    }
    Family { name: "arity".to_owned(), poison: None, steps }
}

impl Command {
    fn wrong(&self) -> Vec<Vec<String>> {
        let of_length = |length: usize| -> Vec<String> {
            let filler = std::iter::repeat_n("1".to_owned(), length.saturating_sub(self.words.len()));
            self.words.iter().cloned().chain(filler).collect()
        };
        let least = usize::try_from(self.arity.unsigned_abs()).expect("an arity is small");
        let mut wrong = Vec::new();
        if self.container {
            wrong.push(self.words.clone());
            wrong.push([self.words.clone(), vec!["nosuch".to_owned()]].concat());
            wrong.push([self.words.clone(), vec!["nosuch".to_owned(), "1".to_owned()]].concat());
            return wrong;
        }
        if least > self.words.len() {
            wrong.extend((self.words.len()..least).map(of_length));
        }
        if self.arity > 0 {
            wrong.push(of_length(least + 1));
        }
        wrong
    }
}

fn step(words: &[String]) -> Step {
    Step {
        line: words.join(" "),
        connection: 1,
        only: None,
        action: Action::Request(words.iter().map(|word| word.clone().into_bytes()).collect()),
        replies: 1,
        compare: Compare::Bytes,
        keep: None,
    }
}

fn commands(target: &Target) -> Vec<Command> {
    let mut wire = target.connect();
    wire.send_request(&[b"COMMAND".to_vec()]);
    let Came::Reply(Reply { elements: Some(rows), .. }, _) = wire.reply() else {
        panic!("the server does not describe its commands");
    };
    let mut commands = Vec::new();
    for row in &rows {
        let (command, subcommands) = described(row);
        commands.push(command);
        commands.extend(subcommands.iter().map(|row| described(row).0));
    }
    commands.sort_by(|a, b| a.words.cmp(&b.words));
    commands
}

fn described(row: &Reply) -> (Command, &[Reply]) {
    let cells = row.elements.as_deref().expect("a description is an array");
    let text = |at: usize| String::from_utf8_lossy(&cells[at].text).into_owned();
    let subcommands = cells.last().and_then(|last| last.elements.as_deref()).unwrap_or_default();
    let command = Command {
        words: text(0).split('|').map(str::to_owned).collect(),
        arity: text(1).parse().expect("an arity is a number"),
        // COMMAND itself answers without a subcommand.
        container: !subcommands.is_empty() && text(0) != "command",
    };
    (command, subcommands)
}
