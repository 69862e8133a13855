//! What the demo sends, and what must become of it.

/// Commands that are sent in one write.
pub(super) type Step = [Line];

/// One command.
pub(super) struct Line {
    /// Its words.
    pub(super) command: &'static [&'static str],
    /// What must leave the chain.
    pub(super) after: &'static str,
    /// What must come back, as `redis-cli` would show it.
    pub(super) reply: &'static str,
}

const fn line(command: &'static [&'static str], after: &'static str, reply: &'static str) -> Line {
    Line { command, after, reply }
}

/// All of it, in order.
pub(super) const SCRIPT: &[&Step] = &[
    &[line(&["PING"], "ping []", "PONG")],
    &[line(&["SET", "greeting", "hello"], r#"set ["demo:greeting", "hello"]"#, "OK")],
    &[line(&["GET", "greeting"], r#"get ["demo:greeting"]"#, r#""hello""#)],
    &[line(&["INCR", "visits"], r#"incr ["demo:visits"]"#, "(integer) 1")],
    &[
        line(&["INCR", "visits"], r#"incr ["demo:visits"]"#, "(integer) 2"),
        line(
            &["MGET", "greeting", "visits", "nobody"],
            r#"mget ["demo:greeting", "demo:visits", "demo:nobody"]"#,
            r#"1) "hello", 2) "2", 3) (nil)"#,
        ),
        line(&["KEYS", "g*"], r#"keys ["demo:g*"]"#, r#"1) "greeting""#),
    ],
    &[line(&["DEL", "greeting", "nobody"], r#"del ["demo:greeting", "demo:nobody"]"#, "(integer) 1")],
    &[line(&["GET", "greeting"], r#"get ["demo:greeting"]"#, "(nil)")],
];
