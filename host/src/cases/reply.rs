//! A reply in the notation of case files.

use serde_yaml::Value;

use super::words::{bytes, unescaped};
use crate::resp::{downgrade, encode, reply};
use crate::yaml::node::{Key, Node};
use crate::yaml::problem::Problems;

/// One whole reply, as RESP3 has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply(Vec<u8>);

const A_REPLY: &str = "a reply: text, a whole number, null, a list, or one of { simple: OK }, { error: ERR no }, { bytes: 'a\\xff' }, \
                       { map: [[key, value]] }, { set: [] }, { push: [] }, { verbatim: 'txt:text' }, { big_number: '1' }, \
                       { bulk_error: ERR no } and { raw: '+OK\\r\\n' }";

/// Appends the reply of one kind.
type Read = fn(&Node<'_>, &mut Vec<u8>, &mut Problems) -> Option<()>;

/// Replies that are no plain YAML value, by the only key of their map.
const KINDS: [(Key, Read); 10] = [
    (Key::read("simple"), |node, out, problems| line(b'+', node, out, problems)),
    (Key::read("error"), |node, out, problems| line(b'-', node, out, problems)),
    (Key::read("bytes"), |node, out, problems| {
        encode::bulk(out, &unescaped(node, problems)?);
        Some(())
    }),
    (Key::read("map"), |node, out, problems| map(node, out, problems)),
    (Key::read("set"), |node, out, problems| aggregate(b'~', node, out, problems)),
    (Key::read("push"), |node, out, problems| aggregate(b'>', node, out, problems)),
    (Key::read("verbatim"), |node, out, problems| verbatim(node, out, problems)),
    (Key::read("big_number"), |node, out, problems| big_number(node, out, problems)),
    (Key::read("bulk_error"), |node, out, problems| blob(b'!', &bytes(node, "an error", problems)?, out)),
    (Key::read("raw"), |node, out, problems| raw(node, out, problems)),
];

impl Reply {
    pub(super) fn read(node: &Node<'_>, problems: &mut Problems) -> Option<Self> {
        let mut out = Vec::new();
        read(node, &mut out, problems)?;
        Some(Self(out))
    }

    /// The frame for a session that speaks this protocol (2 or 3).
    pub(super) fn frame(&self, protocol: u8) -> Vec<u8> {
        match protocol {
            3.. => self.0.clone(),
            _ => downgrade::to_resp2(&self.0).unwrap_or_else(|| self.0.clone()),
        }
    }
}

fn read(node: &Node<'_>, out: &mut Vec<u8>, problems: &mut Problems) -> Option<()> {
    match node.value {
        Value::Null => out.extend_from_slice(b"_\r\n"),
        Value::Bool(yes) => out.extend_from_slice(if *yes { b"#t\r\n" } else { b"#f\r\n" }),
        Value::String(text) => encode::bulk(out, text.as_bytes()),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => simple(b':', &integer.to_string(), out),
            (None, Some(double)) if number.is_f64() => simple(b',', &encode::double(double), out),
            _ => return node.unexpected("a 64-bit integer", problems),
        },
        Value::Sequence(_) => aggregate(b'*', node, out, problems)?,
        Value::Mapping(_) => {
            let keys = KINDS.map(|(key, _)| key);
            let (name, inner) = node.choice(&keys, A_REPLY, problems)?;
            let (_, read) = KINDS.iter().find(|(key, _)| key.name() == name)?;
            read(&inner, out, problems)?;
        }
        Value::Tagged(_) => return node.unexpected(A_REPLY, problems),
    }
    Some(())
}

fn simple(kind: u8, text: &str, out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn line(kind: u8, node: &Node<'_>, out: &mut Vec<u8>, problems: &mut Problems) -> Option<()> {
    let text = node.text("one line of text", problems)?;
    if text.contains(['\r', '\n']) {
        return node.unexpected("one line of text", problems);
    }
    simple(kind, text, out);
    Some(())
}

fn blob(kind: u8, bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
    encode::header(out, kind, bytes.len());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
    Some(())
}

/// A list that is there: nothing at all is no empty one.
fn list<'a>(node: &Node<'a>, what: &str, problems: &mut Problems) -> Option<Vec<Node<'a>>> {
    if node.value.is_null() {
        return node.unexpected(what, problems);
    }
    node.list(what, problems)
}

fn aggregate(kind: u8, node: &Node<'_>, out: &mut Vec<u8>, problems: &mut Problems) -> Option<()> {
    let entries = list(node, "a list of replies", problems)?;
    encode::header(out, kind, entries.len());
    let read: Vec<_> = entries.iter().map(|entry| read(entry, out, problems)).collect();
    read.into_iter().collect()
}

fn map(node: &Node<'_>, out: &mut Vec<u8>, problems: &mut Problems) -> Option<()> {
    let what = "a list of entries, each a list of a key and its value: { map: [[key, value]] }";
    let entries = list(node, what, problems)?;
    encode::header(out, b'%', entries.len());
    for entry in &entries {
        let pair = entry.list(what, problems)?;
        if pair.len() != 2 {
            return entry.unexpected("a list of two: a key and its value", problems);
        }
        for half in &pair {
            read(half, out, problems)?;
        }
    }
    Some(())
}

fn verbatim(node: &Node<'_>, out: &mut Vec<u8>, problems: &mut Problems) -> Option<()> {
    let what = "text that begins with its format, three letters and a colon, such as 'txt:text'";
    let bytes = bytes(node, what, problems)?;
    if !matches!(bytes.as_slice(), [a, b, c, b':', ..] if [a, b, c].iter().all(|byte| byte.is_ascii_graphic())) {
        return node.unexpected(what, problems);
    }
    blob(b'=', &bytes, out)
}

fn big_number(node: &Node<'_>, out: &mut Vec<u8>, problems: &mut Problems) -> Option<()> {
    let what = "decimal digits in quotes";
    let text = node.text(what, problems)?;
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return node.unexpected(what, problems);
    }
    simple(b'(', text, out);
    Some(())
}

fn raw(node: &Node<'_>, out: &mut Vec<u8>, problems: &mut Problems) -> Option<()> {
    let frame = unescaped(node, problems)?;
    let found = match reply::frame_length(&frame) {
        Ok(Some(length)) if length == frame.len() => {
            out.extend_from_slice(&frame);
            return Some(());
        }
        Ok(Some(length)) => format!("{} more bytes behind the first", frame.len() - length),
        Ok(None) if frame.is_empty() => "nothing".to_owned(),
        Ok(None) => "one that goes on after the last byte".to_owned(),
        Err(error) => error.to_string(),
    };
    problems.value(&node.path, format!("expected exactly one whole reply, found {found}"));
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use proptest::prelude::*;

    use super::super::notation::show;
    use super::*;
    use crate::yaml::path::Path;

    fn parse(text: &str) -> Result<Reply, String> {
        let value: Value = serde_yaml::from_str(text).unwrap();
        let mut problems = Problems::default();
        let reply = Reply::read(&Node { value: &value, path: Path::default() }, &mut problems);
        let origin = crate::yaml::problem::Origin { file: "c.yaml".as_ref(), text };
        problems.into_result(reply, origin).map_err(|error| error.to_string())
    }

    #[test]
    fn every_kind_of_reply_is_written_and_shown_as_it_is_read() {
        for (text, resp3, resp2) in [
            ("text", "$4\r\ntext\r\n", "$4\r\ntext\r\n"),
            ("'12'", "$2\r\n12\r\n", "$2\r\n12\r\n"),
            ("''", "$0\r\n\r\n", "$0\r\n\r\n"),
            ("-12", ":-12\r\n", ":-12\r\n"),
            ("null", "_\r\n", "$-1\r\n"),
            ("true", "#t\r\n", ":1\r\n"),
            ("1.5", ",1.5\r\n", "$3\r\n1.5\r\n"),
            ("1.0", ",1\r\n", "$1\r\n1\r\n"),
            ("-.inf", ",-inf\r\n", "$4\r\n-inf\r\n"),
            ("[a, [1, null]]", "*2\r\n$1\r\na\r\n*2\r\n:1\r\n_\r\n", "*2\r\n$1\r\na\r\n*2\r\n:1\r\n$-1\r\n"),
            ("[]", "*0\r\n", "*0\r\n"),
            ("{ simple: OK }", "+OK\r\n", "+OK\r\n"),
            ("{ error: ERR no }", "-ERR no\r\n", "-ERR no\r\n"),
            ("{ bytes: a\\xff\\x00 }", "$3\r\na\u{fffd}\0\r\n", "$3\r\na\u{fffd}\0\r\n"),
            ("{ map: [[a, 1]] }", "%1\r\n$1\r\na\r\n:1\r\n", "*2\r\n$1\r\na\r\n:1\r\n"),
            ("{ set: [a] }", "~1\r\n$1\r\na\r\n", "*1\r\n$1\r\na\r\n"),
            ("{ push: [a] }", ">1\r\n$1\r\na\r\n", "*1\r\n$1\r\na\r\n"),
            ("{ verbatim: txt:a }", "=5\r\ntxt:a\r\n", "$1\r\na\r\n"),
            ("{ big_number: '12' }", "(12\r\n", "$2\r\n12\r\n"),
            ("{ bulk_error: ERR a }", "!5\r\nERR a\r\n", "-ERR a\r\n"),
            ("{ raw: '*-1\\r\\n' }", "*-1\r\n", "*-1\r\n"),
        ] {
            let reply = parse(text).unwrap();
            let shown = |protocol| String::from_utf8_lossy(&reply.frame(protocol)).into_owned();
            assert_eq!(shown(3), resp3, "{text}");
            assert_eq!(shown(2), resp2, "{text}");
            assert_eq!(show(&reply.frame(3), 3), text);
            assert_eq!(parse(&show(&reply.frame(2), 2)).unwrap().frame(2), reply.frame(2), "{text}");
        }
        assert_eq!(show(b"$-1\r\n", 3), "{ raw: $-1\\r\\n }", "it is another frame than RESP3's null");
        assert_eq!(show(b"*1\r\n*-1\r\n", 2), "[{ raw: '*-1\\r\\n' }]");
    }

    #[test]
    fn a_deep_reply_is_shown_by_its_bytes_and_none_is_too_deep() {
        let nested = |kind: &str, levels: usize| format!("{}:1\r\n", kind.repeat(levels)).into_bytes();
        assert_eq!(show(&nested("*1\r\n", 64), 3), format!("{}1{}", "[".repeat(64), "]".repeat(64)));
        // A set is written with two brackets, a map with three.
        for (kind, levels) in [("*1\r\n", 64), ("~1\r\n", 32), (">1\r\n", 32), ("%1\r\n+k\r\n", 21)] {
            for (levels, is_raw) in [(levels, false), (levels + 1, true), (5_000, true), (20_000, true)] {
                let frame = nested(kind, levels);
                let text = show(&frame, 3);
                assert_eq!(text.starts_with("{ raw: "), is_raw, "{levels} levels of {kind:?}");
                // As it stands in a case file.
                let read: Vec<Vec<Value>> = serde_yaml::from_str(&format!("[[{text}]]")).unwrap();
                let node = Node { value: &read[0][0], path: Path::default() };
                assert_eq!(Reply::read(&node, &mut Problems::default()).unwrap().frame(3), frame);
            }
        }
        let wide = format!("*1000\r\n{}", "*1\r\n:1\r\n".repeat(1000));
        assert!(show(wide.as_bytes(), 3).starts_with("[[1], [1], "), "what is wide is not deep");
        let attributed = format!("{}:1\r\n", "|1\r\n+a\r\n:1\r\n".repeat(5_000)).into_bytes();
        assert_eq!(parse(&show(&attributed, 3)).unwrap().frame(3), attributed);
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for (text, words) in [
            ("{ simpel: OK }", "simpel: unknown key (did you mean `simple`?)"),
            ("{ simple: OK, error: ERR no }", "found both `simple` and `error`"),
            ("{}", "expected a reply"),
            ("{ simple: \"a\\nb\" }", "expected one line of text"),
            ("{ raw: '+OK' }", "goes on after the last byte"),
            ("{ raw: '+OK\\r\\n+OK\\r\\n' }", "5 more bytes"),
            ("{ raw: 'OK\\r\\n' }", "no reply type begins with 'O'"),
            ("{ raw: '\\q' }", "`\\q` is no escape"),
            ("{ map: [a] }", "a list of entries"),
            ("{ map: }", "a list of entries"),
            ("{ set: }", "expected a list of replies"),
            ("{ map: [[a]] }", "a list of two"),
            ("{ verbatim: text }", "begins with its format"),
            ("{ big_number: 1x }", "decimal digits"),
            ("18446744073709551615", "a 64-bit integer"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    fn frame() -> impl Strategy<Value = Vec<u8>> {
        let leaf = prop_oneof![
            "[ -~]{0,12}".prop_map(|text| format!("+{text}\r\n").into_bytes()),
            "[A-Z]{1,4} [ -~]{0,12}".prop_map(|text| format!("-{text}\r\n").into_bytes()),
            any::<i64>().prop_map(|number| format!(":{number}\r\n").into_bytes()),
            any::<f64>().prop_map(|number| format!(",{}\r\n", encode::double(number)).into_bytes()),
            Just(b"_\r\n".to_vec()),
            Just(b"$-1\r\n".to_vec()),
            Just(b"*-1\r\n".to_vec()),
            prop::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| {
                let mut out = Vec::new();
                encode::bulk(&mut out, &bytes);
                out
            }),
            ".{0,12}".prop_map(|text| {
                let mut out = Vec::new();
                encode::bulk(&mut out, text.as_bytes());
                out
            }),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            (prop::collection::vec(inner, 0..4), prop::sample::select(&b"*~%|"[..])).prop_map(|(mut elements, kind)| {
                let mut out = Vec::new();
                if kind == b'%' && elements.len() % 2 == 1 {
                    elements.pop();
                }
                if kind == b'|' {
                    out.extend_from_slice(b"|1\r\n+a\r\n:1\r\n");
                }
                let length = if kind == b'%' { elements.len() / 2 } else { elements.len() };
                encode::header(&mut out, if kind == b'|' { b'*' } else { kind }, length);
                elements.iter().for_each(|element| out.extend_from_slice(element));
                out
            })
        })
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_as_the_same_frame(frame in frame()) {
            prop_assert_eq!(parse(&show(&frame, 3)).unwrap().frame(3), frame.clone());
            let plain = downgrade::to_resp2(&frame).unwrap_or(frame);
            prop_assert_eq!(parse(&show(&plain, 2)).unwrap().frame(2), plain);
        }
    }
}
