//! What is never written down, whatever the operator asked for.

use sluice_commands::{self as row, Categories, CommandId, table};

use super::plan::Values;

/// What a line may say of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Discretion {
    pub(super) arguments: Values,
    pub(super) error: Detail,
}

/// How much of the text of an error is written down: servers quote arguments in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Detail {
    /// Its first word, if that is a code.
    Code,
    /// All but what it quotes.
    Unquoted,
    /// All.
    Whole,
}

/// Knows which commands to be discreet about: each command's reason, by its position in the table.
#[derive(Debug)]
pub(super) struct Secrets(Vec<Reason>);

/// Why to be discreet about a command, from the least to the most.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Reason {
    /// There is none but the operator's wish.
    None,
    /// It runs a script, which may say in its errors what it likes.
    Script,
    /// It is not known what it is: it may be one of the next with a typing error.
    Unsure,
    /// Its arguments may be passwords.
    Secretive,
}

impl Secrets {
    pub(super) fn new() -> Self {
        let ids = (0..).map_while(CommandId::from_index);
        Self(ids.map(reason).collect())
    }

    /// What may be written of a request with this command where the operator asked for `values`.
    pub(super) fn discretion(&self, command: CommandId, values: Values) -> Discretion {
        let reason = self.0.get(usize::from(command.index())).copied().unwrap_or(Reason::Unsure);
        let (arguments, error) = match (reason, values) {
            (Reason::Secretive, _) => (Values::Redacted, Detail::Code),
            (Reason::Unsure, _) => (Values::Redacted, Detail::Unquoted),
            (_, Values::Shown) => (values, Detail::Whole),
            (Reason::Script, _) => (values, Detail::Code),
            (Reason::None, _) => (values, Detail::Unquoted),
        };
        Discretion { arguments, error }
    }
}

fn reason(id: CommandId) -> Reason {
    let Some(command) = id.get() else { return Reason::Unsure };
    if table().family(id).count() > 1 {
        // A request is of a container itself where the table lacks its subcommand: CONFIG SETT requirepass …
        Reason::Unsure
    } else if id.effect().secrets != row::Secrets::None {
        Reason::Secretive
    } else if command.category_set().contains(Categories::SCRIPTING) {
        Reason::Script
    } else {
        Reason::None
    }
}

/// As much of an error (without its `-`) as may be written down.
pub(super) fn error_text(text: &str, detail: Detail) -> String {
    match detail {
        Detail::Whole => text.to_owned(),
        Detail::Code => code(text).to_owned(),
        Detail::Unquoted => unquoted(text),
    }
}

/// The word in capitals that an error begins with.
fn code(text: &str) -> &str {
    let word = text.split(' ').next().unwrap_or_default();
    if word.bytes().all(|byte| byte.is_ascii_uppercase()) { word } else { "" }
}

/// An error without what it quotes, but for the names of commands. What follows
/// `with args beginning with` is in quotes as well, but may hold quotes itself.
fn unquoted(text: &str) -> String {
    let text = text.split(", with args beginning with").next().unwrap_or_default();
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find(['\'', '"', '`']) {
        let (before, quoted) = rest.split_at(open);
        out.push_str(before);
        let quote = if quoted.starts_with('"') { '"' } else { '\'' };
        let inside = &quoted[1..];
        let Some(end) = inside.find(quote) else {
            out.push('…');
            return out;
        };
        let word = &inside[..end];
        out.push('\'');
        out.push_str(if table().by_name(word).is_some() { word } else { "…" });
        out.push('\'');
        rest = &inside[end + 1..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(name: &str, values: Values) -> Discretion {
        Secrets::new().discretion(table().by_name(name).unwrap(), values)
    }

    #[test]
    fn commands_that_carry_passwords_are_never_shown() {
        for name in ["auth", "hello", "migrate", "config|set", "acl|setuser", "module|load", "module|loadex"] {
            assert_eq!(
                of(name, Values::Shown),
                Discretion { arguments: Values::Redacted, error: Detail::Code },
                "{name}"
            );
        }
        assert_eq!(of("config|get", Values::Shown).arguments, Values::Shown);
    }

    #[test]
    fn what_may_be_a_password_command_with_a_typing_error_is_not_shown() {
        let unknown = Secrets::new().discretion(CommandId::UNKNOWN, Values::Shown);
        assert_eq!(unknown, Discretion { arguments: Values::Redacted, error: Detail::Unquoted });
        // CONFIG SETT requirepass …
        assert_eq!(of("config", Values::Shown), unknown);
    }

    #[test]
    fn the_error_of_a_script_is_its_own_to_word() {
        assert_eq!(of("eval", Values::Redacted).error, Detail::Code);
        assert_eq!(of("get", Values::Keys).error, Detail::Unquoted);
        assert_eq!(of("get", Values::Shown).error, Detail::Whole);
    }

    #[test]
    fn an_error_keeps_its_sense_without_what_it_quotes() {
        for (text, expected) in [
            ("WRONGTYPE Operation against a key holding the wrong kind of value", None),
            ("ERR wrong number of arguments for 'get' command", None),
            ("NOPERM User x has no permissions to run the 'config|set' command", None),
            ("ERR unknown command 'AUHT', with args beginning with: 'secret' ", Some("ERR unknown command '…'")),
            ("ERR unknown command `AUHT', with args beginning with: `it's secret`", Some("ERR unknown command '…'")),
            ("ERR the key \"a'b\" is denied", Some("ERR the key '…' is denied")),
            ("ERR an open 'quote", Some("ERR an open …")),
        ] {
            assert_eq!(error_text(text, Detail::Unquoted), expected.unwrap_or(text));
        }
    }

    #[test]
    fn a_code_is_a_word_in_capitals() {
        assert_eq!(error_text("WRONGPASS invalid username-password pair", Detail::Code), "WRONGPASS");
        assert_eq!(error_text("my secret", Detail::Code), "");
    }
}
