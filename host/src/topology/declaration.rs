//! A plugin as `plugins` declares it.

use super::terms::{self, Terms, one_of};
use crate::yaml::node::{Key, Node};
use crate::yaml::path::Path;
use crate::yaml::problem::Problems;

/// What the operator says of a plugin; what he does not say is `None`.
#[derive(Clone, Debug)]
pub(super) struct Declaration {
    pub(super) name: String,
    pub(super) path: Path,
    /// Relative to the topology file. `None`: the standard plugin of this name.
    pub(super) component: Option<String>,
    pub(super) sha256: Option<[u8; 32]>,
    pub(super) terms: Terms,
}

const OWN: [Key; 3] = [Key::read("component"), Key::read("sha256"), Key::read("instances")];

/// Whether instances are made for each session.
const INSTANCES: &[(&str, bool)] = &[("worker", false), ("session", true)];

pub(super) fn read(name: &str, node: &Node<'_>, problems: &mut Problems) -> Option<Declaration> {
    if !is_name(name) {
        let message = "a plugin's name must consist of 1 to 64 letters, digits, `_` and `-`";
        problems.key(&node.path, message);
    }
    let fields = node.fields(&[&OWN[..], &terms::KEYS].concat(), problems)?;
    let component = fields.get("component").and_then(|node| node.text("the path of a component", problems));
    let sha256 = fields.get("sha256").and_then(|node| sha256(&node, problems));
    let terms = Terms::read(&fields, problems);
    if let Some(node) = fields.get("instances")
        && one_of(INSTANCES, &node, problems) == Some(true)
    {
        let message = "an instance for each session is not supported yet: leave it out, or say `worker`";
        problems.value(&node.path, message);
    }
    Some(Declaration {
        name: name.to_owned(),
        path: fields.path,
        component: component.map(str::to_owned),
        sha256,
        terms,
    })
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    (1..=64).contains(&name.len()) && name.chars().all(plain)
}

/// The 32 bytes that 64 hexadecimal digits stand for.
fn sha256(node: &Node<'_>, problems: &mut Problems) -> Option<[u8; 32]> {
    let what = "a SHA-256: 64 hexadecimal digits in quotes, as `sha256sum` prints them";
    let text = node.text(what, problems)?;
    let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
    let mut bytes = [0; 32];
    match digits {
        Some(digits) if digits.len() == 64 => {
            for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
                // Two hexadecimal digits always fit.
                *byte = u8::try_from((pair[0] << 4) | pair[1]).unwrap_or_default();
            }
            Some(bytes)
        }
        Some(digits) => {
            let message = format!("expected {what}, found {} digits", digits.len());
            problems.value(&node.path, message);
            None
        }
        None => node.unexpected(what, problems),
    }
}
