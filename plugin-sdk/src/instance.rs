//! An instance of a transform, as the host drives it: a configuration, then batches. The same code in a component and in a native test.

use crate::request::{RequestColumns, Requests};
use crate::response::{Changes, ResponseColumns, Responses};
use crate::verdict::Verdicts;
use crate::{Interest, Transform};

/// A transform and the buffers of its answers.
#[derive(Debug)]
pub(crate) struct Instance<T> {
    transform: T,
    verdicts: Verdicts,
    changes: Changes,
}

impl<T: Transform> Instance<T> {
    /// Make the transform from its map in the topology, as JSON. The error is a sentence for the operator.
    pub(crate) fn configure(config: &str) -> Result<(Self, Interest), String> {
        let transform = T::new(parse(config)?)?;
        let interest = transform.interest();
        Ok((Self { transform, verdicts: Verdicts::default(), changes: Changes::default() }, interest))
    }

    #[inline]
    pub(crate) fn requests(&mut self, columns: RequestColumns<'_>) -> &Verdicts {
        self.verdicts.clear();
        self.transform.requests(&mut Requests::new(columns, &mut self.verdicts));
        &self.verdicts
    }

    #[inline]
    pub(crate) fn responses(&mut self, columns: ResponseColumns<'_>) -> &Changes {
        self.changes.clear();
        self.transform.responses(&mut Responses::new(columns, &mut self.changes));
        &self.changes
    }
}

/// The operator wrote YAML, so an error says the path of the key, not the line and column of the JSON that was made of it.
fn parse<C: serde::de::DeserializeOwned>(config: &str) -> Result<C, String> {
    let mut json = serde_json::Deserializer::from_str(config);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let (path, error) = (error.path().to_string(), error.into_inner());
        let text = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        let text = text.strip_suffix(&place).unwrap_or(&text);
        if path == "." { text.to_owned() } else { format!("{path}: {text}") }
    })
}
