//! A fault that a case expects.

use super::scalar::yaml;
use crate::plugin::Fault;
use crate::yaml::node::{Key, Node};
use crate::yaml::problem::Problems;
use crate::yaml::suggest::did_you_mean;

/// A kind of fault, and maybe a part of what is said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ExpectedFault {
    kind: &'static str,
    text: Option<String>,
}

impl ExpectedFault {
    /// `trap`, or `{ trap: unreachable }`.
    pub(super) fn read(node: &Node<'_>, problems: &mut Problems) -> Option<Self> {
        let what = format!(
            "a kind of fault: {}; or with a part of its text: {{ trap: unreachable }}",
            Fault::KINDS.join(", ")
        );
        if let Some(name) = node.value.as_str() {
            let Some(kind) = Fault::KINDS.into_iter().find(|kind| *kind == name) else {
                let hint = did_you_mean(name, Fault::KINDS.into_iter());
                problems.value(&node.path, format!("expected {what}, found {name:?}{hint}"));
                return None;
            };
            return Some(Self { kind, text: None });
        }
        if !node.value.is_mapping() {
            return node.unexpected(&what, problems);
        }
        let (kind, text) = node.choice(&Fault::KINDS.map(Key::read), &what, problems)?;
        let text = text.text("a part of the fault's text", problems)?;
        Some(Self { kind, text: Some(text.to_owned()) })
    }

    pub(super) fn is(&self, fault: &Fault) -> bool {
        self.kind == fault.kind() && self.text.as_ref().is_none_or(|text| fault.to_string().contains(text))
    }

    /// In the notation.
    pub(super) fn show(&self) -> String {
        match &self.text {
            None => self.kind.to_owned(),
            Some(text) => format!("{{ {}: {} }}", self.kind, yaml(text)),
        }
    }
}

/// A fault in the notation, with all of its text.
pub(super) fn show(fault: &Fault) -> String {
    format!("{{ {}: {} }}", fault.kind(), yaml(&fault.to_string()))
}
