//! The figures, as a table.

use std::fmt;

/// The times of one measurement, by the size of the vector.
pub(super) struct Column {
    title: &'static str,
    /// Nanoseconds of a crossing.
    times: Vec<f64>,
}

impl Column {
    pub(super) fn new(title: &'static str, times: Vec<f64>) -> Self {
        Self { title, times }
    }

    pub(super) fn named(self, title: &'static str) -> Self {
        Self { title, ..self }
    }
}

/// All measurements.
pub(super) struct Table<'a> {
    pub(super) vectors: &'a [usize],
    pub(super) columns: &'a [Column],
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>6}", "")?;
        for column in self.columns {
            write!(f, "  {:>21}", column.title)?;
        }
        write!(f, "\n{:>6}", "vector")?;
        for _ in self.columns {
            write!(f, "  {:>11} {:>9}", "ns/crossing", "ns/frame")?;
        }
        writeln!(f)?;
        for (row, &vector) in self.vectors.iter().enumerate() {
            write!(f, "{vector:>6}")?;
            for time in self.columns.iter().filter_map(|column| column.times.get(row)) {
                write!(f, "  {time:>11.0} {:>9.1}", time / vector as f64)?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_costs_its_share_of_the_crossing() {
        let columns =
            [Column::new("requests", vec![300.0, 1000.0]), Column::new("x", vec![100.0, 100.0]).named("nothing")];
        let table = Table { vectors: &[1, 4], columns: &columns }.to_string();
        let expected = "                     requests                nothing\n\
                        vector  ns/crossing  ns/frame  ns/crossing  ns/frame\n     \
                             1          300     300.0          100     100.0\n     \
                             4         1000     250.0          100      25.0\n";
        assert_eq!(table, expected);
    }
}
