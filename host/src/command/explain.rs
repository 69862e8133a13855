//! An error, as the operator sees it.

use std::fmt::Write;

/// The error on a line of its own, then each line of detail and each cause indented, ending with a
/// line feed. No backtrace.
pub(crate) fn explain(error: &anyhow::Error) -> String {
    let messages: Vec<String> = error.chain().map(ToString::to_string).collect();
    let mut lines = messages.iter().flat_map(|message| message.lines());
    let mut text = format!("error: {}\n", lines.next().unwrap_or("unknown"));
    for line in lines {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {line}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_and_further_lines_are_indented() {
        let cause = anyhow::anyhow!("No such file");
        let error = cause.context("two problems\none\ntwo");
        assert_eq!(explain(&error), "error: two problems\n  one\n  two\n  No such file\n");
    }
}
