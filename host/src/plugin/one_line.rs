//! What a plugin says, as part of a message of the host.

/// A plugin's text as part of a message of the host: one line of at most a kilobyte.
pub(super) fn one_line(text: &str) -> String {
    text.chars().take(1024).map(|character| if character.is_control() { ' ' } else { character }).collect()
}
