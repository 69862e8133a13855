//! Requests that carry patterns of keys: `KEYS`, `SCAN`, `SORT` with `BY` and `GET`, and `CLIENT TRACKING` with its prefixes.

use sluice_plugin::{Request, Rewrite, Verdict};

/// The commands whose arguments are to be seen whole.
pub(crate) const COMMANDS: [&str; 5] = ["keys", "scan", "sort", "sort_ro", "client|tracking"];

/// What a command takes besides keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Keys alone.
    #[default]
    Keys,
    /// Argument 1 is a glob pattern.
    Glob,
    /// Options after the cursor, `MATCH` with a glob pattern among them.
    Match,
    /// Options after the key, `BY` and `GET` with a pattern whose first `*` stands for an element.
    ByAndGet,
    /// Options, `PREFIX` with the beginning of keys among them.
    Prefixes,
}

impl Takes {
    pub(crate) fn of(command: &str) -> Self {
        match command {
            "keys" => Takes::Glob,
            "scan" => Takes::Match,
            "sort" | "sort_ro" => Takes::ByAndGet,
            "client|tracking" => Takes::Prefixes,
            _ => Takes::Keys,
        }
    }
}

/// The prefix as a glob pattern that matches nothing else.
pub(crate) fn literal(prefix: &[u8]) -> Vec<u8> {
    let escaped = |&byte: &u8| {
        let special = matches!(byte, b'*' | b'?' | b'[' | b']' | b'\\');
        special.then_some(b'\\').into_iter().chain([byte])
    };
    prefix.iter().flat_map(escaped).collect()
}

/// Prefix the patterns of a request, and its keys. `None`: not all of it is to be seen.
pub(crate) fn rewrite(
    takes: Takes,
    request: &Request<'_>,
    prefix: &[u8],
    glob: &[u8],
    verdict: &mut Verdict<'_>,
) -> Option<()> {
    let mut rewrite = verdict.rewrite();
    match takes {
        Takes::Keys => {}
        Takes::Glob => {
            for arg in request.args() {
                if arg.position() == 1 {
                    rewrite.push_parts(&[glob, arg.bytes()?]);
                } else {
                    rewrite.keep(&arg);
                }
            }
        }
        Takes::Match => options_of_scan(request, glob, &mut rewrite)?,
        Takes::ByAndGet => options_of_sort(request, prefix, &mut rewrite)?,
        Takes::Prefixes => options_of_tracking(request, prefix, &mut rewrite)?,
    }
    Some(())
}

/// `SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]`: without a pattern, one that matches the prefix is added.
fn options_of_scan(request: &Request<'_>, glob: &[u8], rewrite: &mut Rewrite<'_>) -> Option<()> {
    let mut narrowed = false;
    let mut pattern_next = false;
    for arg in request.args() {
        let bytes = arg.bytes()?;
        if pattern_next {
            rewrite.push_parts(&[glob, bytes]);
            narrowed = true;
        } else {
            rewrite.keep(&arg);
        }
        // Options begin at argument 2, and each has a value.
        let is_option = arg.position() >= 2 && arg.position() % 2 == 0;
        pattern_next = is_option && bytes.eq_ignore_ascii_case(b"match");
    }
    // Without a cursor, or with an option that has no value, it is the server's to refuse.
    if !narrowed && request.len() >= 2 && request.len().is_multiple_of(2) {
        rewrite.push("MATCH").push_parts(&[glob, b"*"]);
    }
    Some(())
}

/// `SORT key [BY pattern] [LIMIT offset count] [GET pattern …] [ASC | DESC] [ALPHA] [STORE destination]`
fn options_of_sort(request: &Request<'_>, prefix: &[u8], rewrite: &mut Rewrite<'_>) -> Option<()> {
    /// How many arguments belong to an option, and whether the first of them is a pattern.
    const OPTIONS: [(&[u8], usize, bool); 4] =
        [(b"by", 1, true), (b"get", 1, true), (b"limit", 2, false), (b"store", 1, false)];
    let mut values = 0;
    let mut pattern_next = false;
    for arg in request.args() {
        let bytes = arg.bytes()?;
        // Without a `*` it names no key: `BY nosort`, `GET #`.
        if arg.is_key() || (pattern_next && bytes.contains(&b'*')) {
            rewrite.push_parts(&[prefix, bytes]);
        } else {
            rewrite.keep(&arg);
        }
        pattern_next = false;
        if values > 0 {
            values -= 1;
        } else if arg.position() >= 2
            && let Some((_, count, pattern)) = OPTIONS.iter().find(|(name, ..)| bytes.eq_ignore_ascii_case(name))
        {
            values = *count;
            pattern_next = *pattern;
        }
    }
    Some(())
}

/// `CLIENT TRACKING ON [PREFIX prefix …] [BCAST] …`: what is broadcast without a prefix is narrowed to the tenant's keys.
fn options_of_tracking(request: &Request<'_>, prefix: &[u8], rewrite: &mut Rewrite<'_>) -> Option<()> {
    let (mut broadcast, mut narrowed, mut prefix_next) = (false, false, false);
    for arg in request.args() {
        let bytes = arg.bytes()?;
        if prefix_next {
            rewrite.push_parts(&[prefix, bytes]);
            narrowed = true;
        } else {
            rewrite.keep(&arg);
        }
        broadcast |= !prefix_next && bytes.eq_ignore_ascii_case(b"bcast");
        prefix_next = !prefix_next && arg.position() > 2 && bytes.eq_ignore_ascii_case(b"prefix");
    }
    if broadcast && !narrowed {
        rewrite.push("PREFIX").push(prefix);
    }
    Some(())
}
