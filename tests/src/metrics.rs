//! Reading Prometheus' text format.

/// The samples of one scrape.
#[derive(Debug)]
pub struct Metrics(String);

impl Metrics {
    /// Takes the text of `/metrics`.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The sum of the samples of this name that carry all these labels; `None` if there is none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let wanted: Vec<String> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
        let samples: Vec<f64> = self
            .samples()
            .filter(|(series, _)| {
                let (found, its_labels) = series.split_once('{').unwrap_or((series, ""));
                found == name && wanted.iter().all(|label| its_labels.contains(label.as_str()))
            })
            .map(|(_, value)| value)
            .collect();
        if samples.is_empty() { None } else { Some(samples.iter().sum()) }
    }

    /// Each series (`name{label="value"}`) and its value.
    ///
    /// # Panics
    ///
    /// If a line is neither a comment nor a sample.
    pub fn samples(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("not a sample: {line:?}"));
            let value = value.parse().unwrap_or_else(|_| panic!("not a number: {line:?}"));
            (series, value)
        })
    }

    /// The text itself.
    pub fn text(&self) -> &str {
        &self.0
    }
}
