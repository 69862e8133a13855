//! A reply's frame in the notation of case files.

use serde_yaml::Value;

use super::reply::Reply;
use super::scalar::yaml;
use crate::resp::escapes::{escape, is_shown};
use crate::resp::{encode, reply};
use crate::yaml::node::Node;
use crate::yaml::path::Path;
use crate::yaml::problem::Problems;

/// How many brackets the notation of a reply may have around each other. YAML reads 128 at most,
/// those around the reply included.
const DEEPEST: usize = 64;

/// A frame in the notation: what is read as this very frame again, for a session that speaks this
/// protocol.
pub(super) fn show(frame: &[u8], protocol: u8) -> String {
    if is_deep(frame) { raw_notation(frame) } else { shallow(frame, protocol) }
}

/// As [`show`], for a frame that is not deep: this recurses.
fn shallow(frame: &[u8], protocol: u8) -> String {
    // What an aggregate is made of is exact by itself.
    let is_exact = |text: &String| has_plain_header(frame, protocol).unwrap_or_else(|| is_same(text, frame, protocol));
    notation(frame, protocol).filter(is_exact).unwrap_or_else(|| raw_notation(frame))
}

fn raw_notation(frame: &[u8]) -> String {
    format!("{{ raw: {} }}", yaml(&escape(frame)))
}

/// Whether the notation would have more brackets around each other than [`DEEPEST`]. This needs no
/// recursion: a component decides how deep its replies are.
fn is_deep(frame: &[u8]) -> bool {
    // How many elements are still to come in each aggregate that is open, and how many brackets it
    // is written with.
    let mut open: Vec<(u64, usize)> = Vec::new();
    let (mut brackets, mut rest) = (0, frame);
    while let Some(&kind) = rest.first() {
        while let Some((0, own)) = open.last() {
            brackets -= own;
            open.pop();
        }
        if let Some((left, _)) = open.last_mut() {
            *left -= 1;
        }
        let Some(end) = rest.iter().position(|&byte| byte == b'\n').map(|at| at + 1) else { break };
        let (header, behind) = rest.split_at(end);
        let elements = || std::str::from_utf8(header.get(1..)?).ok()?.trim_end().parse::<u64>().ok();
        let own = match kind {
            b'*' => 1,
            b'~' | b'>' => 2,
            b'%' | b'|' => 3,
            _ => {
                let Ok(Some(length)) = reply::frame_length(rest) else { break };
                rest = rest.get(length..).unwrap_or_default();
                continue;
            }
        };
        brackets += own;
        if brackets > DEEPEST {
            return true;
        }
        let elements = elements().unwrap_or_default();
        open.push((
            match kind {
                b'%' => 2 * elements,
                // An attribute has the element behind it, too.
                b'|' => 2 * elements + 1,
                _ => elements,
            },
            own,
        ));
        rest = behind;
    }
    false
}

/// Of an aggregate: whether its header is as it is written for a session that speaks this protocol.
/// `None`: it is none.
fn has_plain_header(frame: &[u8], protocol: u8) -> Option<bool> {
    let kind = *frame.first().filter(|kind| b"*~>%".contains(kind))?;
    let count = reply::elements(frame).count();
    let mut header = Vec::new();
    encode::header(&mut header, kind, if kind == b'%' { count / 2 } else { count });
    Some(frame.starts_with(&header) && (kind == b'*' || protocol >= 3))
}

/// Whether what is written reads as this frame.
fn is_same(text: &str, frame: &[u8], protocol: u8) -> bool {
    let Ok(value) = serde_yaml::from_str::<Value>(text) else { return false };
    let node = Node { value: &value, path: Path::default() };
    Reply::read(&node, &mut Problems::default()).is_some_and(|reply| reply.frame(protocol) == frame)
}

fn notation(frame: &[u8], protocol: u8) -> Option<String> {
    let (&kind, rest) = frame.split_first()?;
    let end = rest.iter().position(|&byte| byte == b'\r')?;
    let line = std::str::from_utf8(rest.get(..end)?).ok()?;
    let elements = || reply::elements(frame).map(|element| shallow(element, protocol)).collect::<Vec<_>>();
    let list = || format!("[{}]", elements().join(", "));
    let content = || rest.get(end + 2..)?.strip_suffix(b"\r\n");
    Some(match kind {
        b'+' => format!("{{ simple: {} }}", yaml(line)),
        b'-' => format!("{{ error: {} }}", yaml(line)),
        b':' => line.to_owned(),
        b'#' => (line == "t").to_string(),
        b',' => double(line.parse().ok()?),
        b'(' => format!("{{ big_number: {} }}", yaml(line)),
        b'_' => "null".to_owned(),
        b'$' if line == "-1" => "null".to_owned(),
        b'$' => match std::str::from_utf8(content()?) {
            Ok(text) if text.chars().all(|c| is_shown(c) || c == '\n') => yaml(text),
            _ => format!("{{ bytes: {} }}", yaml(&escape(content()?))),
        },
        b'=' => format!("{{ verbatim: {} }}", yaml(std::str::from_utf8(content()?).ok()?)),
        b'!' => format!("{{ bulk_error: {} }}", yaml(std::str::from_utf8(content()?).ok()?)),
        b'*' => list(),
        b'~' => format!("{{ set: {} }}", list()),
        b'>' => format!("{{ push: {} }}", list()),
        b'%' => {
            let pairs: Vec<String> = elements().chunks(2).map(|pair| format!("[{}]", pair.join(", "))).collect();
            format!("{{ map: [{}] }}", pairs.join(", "))
        }
        _ => return None,
    })
}

/// A number with a point, so that it is none without.
fn double(number: f64) -> String {
    match number {
        number if number.is_nan() => ".nan".to_owned(),
        f64::INFINITY => ".inf".to_owned(),
        f64::NEG_INFINITY => "-.inf".to_owned(),
        number => format!("{number:?}"),
    }
}
