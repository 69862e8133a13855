//! A case file: how its component is loaded, what all cases share, and the cases.

use std::path::Path as FilePath;

use super::case::Case;
use super::defaults::{self, Defaults};
use crate::plugin::Spec;
use crate::topology::terms::{self, Terms};
use crate::yaml::node::{Key, Node};
use crate::yaml::problem::{Origin, Problems};
use crate::yaml::{self, DocumentError};

/// A case file, checked as far as that goes without its component.
#[derive(Clone, Debug)]
pub struct Cases {
    terms: Terms,
    cases: Vec<Case>,
}

const OWN: [Key; 3] = [Key::read("config"), Key::read("sessions"), Key::read("cases")];

impl Cases {
    /// Reads and checks a file.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the file, in one report.
    pub fn load(file: &FilePath) -> Result<Self, DocumentError> {
        Self::parse(file, &yaml::read(file, "case file")?)
    }

    /// Checks a text as if it stood in `file`, which need not exist.
    ///
    /// # Errors
    ///
    /// As for [`Cases::load`].
    pub fn parse(file: &FilePath, text: &str) -> Result<Self, DocumentError> {
        let origin = Origin { file, text };
        let document = yaml::Document::parse(origin)?;
        let mut problems = Problems::default();
        let cases = read(&document.top(), origin, &mut problems);
        problems.into_result(cases, origin)
    }

    /// Changes what is declared of the component to what the file says of it.
    pub fn apply(&self, spec: &mut Spec) {
        self.terms.apply(spec);
    }

    /// The cases, in the order of the file. At least one; no two of the same name.
    pub fn list(&self) -> &[Case] {
        &self.cases
    }
}

fn read(top: &Node<'_>, origin: Origin<'_>, problems: &mut Problems) -> Option<Cases> {
    let fields = top.fields(&[&OWN[..], &terms::KEYS].concat(), problems)?;
    let terms = Terms::read(&fields, problems);
    let config = match fields.get("config") {
        Some(node) => node.json_object(problems),
        None => Some(serde_json::Value::Object(serde_json::Map::new())),
    };
    let sessions = fields.get("sessions").map(|node| defaults::sessions(&node, problems)).unwrap_or_default();
    let node = fields.require("cases", "the list of cases", problems)?;
    let entries = node.list("a list of cases, each beginning with `- name:`", problems)?;
    if entries.is_empty() {
        problems.value(&node.path, "there must be at least one case");
    }
    let defaults = Defaults { config: config?, sessions, bypasses: terms.bypasses() };
    // Each case is looked at, so that the problems of all are found.
    let cases: Vec<_> = entries.iter().map(|entry| Case::read(entry, &defaults, origin, problems)).collect();
    let cases: Vec<Case> = cases.into_iter().collect::<Option<_>>()?;
    for (position, case) in cases.iter().enumerate() {
        if let Some(first) = cases[..position].iter().position(|earlier| earlier.name() == case.name()) {
            let path = node.path.index(position).key("name");
            problems.value(&path, format!("{:?} is also the name of {}", case.name(), node.path.index(first)));
        }
    }
    Some(Cases { terms, cases })
}
