//! Histograms with fixed buckets, cheap enough for every turn of a worker.
//!
//! The exporter's own keep each sample, with the time that it was taken, until they are sorted into
//! buckets: tens of nanoseconds and 16 bytes for each, and `record_many` is a loop. Here a sample,
//! or a thousand equal ones, is two additions.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use metrics::{HistogramFn, Key};
use metrics_exporter_prometheus::formatting;

/// Seconds: from what a crossing takes to what a stalled server takes.
const SECONDS: &[f64] = &[
    0.000_001, 0.000_002, 0.000_005, 0.000_01, 0.000_02, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005,
    0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0,
];

/// Bytes: powers of four from 64 B to 1 GiB.
const BYTES: &[f64] = &[
    64.0,
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
    268_435_456.0,
    1_073_741_824.0,
];

/// Everything else, such as requests in a vector: powers of two.
const COUNTS: &[f64] = &[
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0, 2_048.0, 4_096.0, 8_192.0, 16_384.0, 32_768.0,
    65_536.0,
];

/// The upper bounds of the buckets by the unit in which a name ends; the last one fits all.
const BOUNDS: &[(&str, &[f64])] = &[("_seconds", SECONDS), ("_bytes", BYTES), ("", COUNTS)];

/// One series: how many samples fell into each bucket, and their sum.
#[derive(Debug)]
pub(super) struct Series {
    bounds: &'static [f64],
    /// One more than there are bounds: the last holds what exceeds them all.
    counts: Box<[AtomicU64]>,
    /// The bits of a float.
    sum: AtomicU64,
}

impl Series {
    fn new(name: &str) -> Self {
        let bounds = BOUNDS.iter().find(|(unit, _)| name.ends_with(unit)).map_or(COUNTS, |(_, bounds)| *bounds);
        let counts = std::iter::repeat_with(AtomicU64::default).take(bounds.len() + 1).collect();
        Self { bounds, counts, sum: AtomicU64::new(0f64.to_bits()) }
    }
}

impl HistogramFn for Series {
    fn record(&self, value: f64) {
        self.record_many(value, 1);
    }

    fn record_many(&self, value: f64, count: usize) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        if let Some(bucket) = self.counts.get(bucket) {
            bucket.fetch_add(count as u64, Relaxed);
        }
        let add = |bits| Some((f64::from_bits(bits) + value * count as f64).to_bits());
        // Cannot fail: `add` always gives a value.
        let _ = self.sum.fetch_update(Relaxed, Relaxed, add);
    }
}

/// All histograms of a process.
#[derive(Debug, Default)]
pub(super) struct Histograms {
    families: Mutex<BTreeMap<String, Family>>,
}

/// The series of one name.
#[derive(Debug, Default)]
struct Family {
    help: Option<String>,
    series: BTreeMap<Key, Arc<Series>>,
}

impl Histograms {
    /// Explains a name.
    pub(super) fn describe(&self, name: &str, help: &str) {
        self.with_family(name, |family| family.help = Some(help.to_owned()));
    }

    /// Explains a name that has no explanation yet.
    pub(super) fn describe_if_nobody_has(&self, name: &str, help: &str) {
        self.with_family(name, |family| _ = family.help.get_or_insert_with(|| help.to_owned()));
    }

    /// Finds or makes a series.
    pub(super) fn register(&self, key: &Key) -> Arc<Series> {
        self.with_family(key.name(), |family| {
            let make = || Arc::new(Series::new(key.name()));
            family.series.entry(key.clone()).or_insert_with(make).clone()
        })
    }

    fn with_family<T>(&self, name: &str, work: impl FnOnce(&mut Family) -> T) -> T {
        let mut families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        work(families.entry(name.to_owned()).or_default())
    }

    /// Appends all of them as Prometheus text.
    pub(super) fn render(&self, text: &mut String) {
        let families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, family) in families.iter().filter(|(_, family)| !family.series.is_empty()) {
            if let Some(help) = &family.help {
                formatting::write_help_line(text, name, None, None, help);
            }
            formatting::write_type_line(text, name, None, None, "histogram");
            for (key, series) in &family.series {
                render_series(text, key, series);
            }
            text.push('\n');
        }
    }
}

fn render_series(text: &mut String, key: &Key, series: &Series) {
    let name = key.name();
    let mut labels = String::new();
    for label in key.labels() {
        let value = formatting::sanitize_label_value(label.value());
        let _ = write!(labels, "{}=\"{value}\",", formatting::sanitize_label_key(label.key()));
    }
    let bounds = series.bounds.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
    // Buckets are cumulative. The count is the sum of the buckets as they were read, so that the
    // two agree.
    let mut count = 0;
    for (bound, bucket) in bounds.zip(&series.counts) {
        count += bucket.load(Relaxed);
        let _ = writeln!(text, "{name}_bucket{{{labels}le=\"{bound}\"}} {count}");
    }
    let labels = match labels.trim_end_matches(',') {
        "" => String::new(),
        labels => format!("{{{labels}}}"),
    };
    let sum = f64::from_bits(series.sum.load(Relaxed));
    let _ = writeln!(text, "{name}_sum{labels} {sum}\n{name}_count{labels} {count}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(key: &Key, samples: &[(f64, usize)]) -> String {
        let histograms = Histograms::default();
        for (value, count) in samples {
            histograms.register(key).record_many(*value, *count);
        }
        let mut text = String::new();
        histograms.render(&mut text);
        text
    }

    #[test]
    fn buckets_are_cumulative_and_their_bounds_belong_to_them() {
        let text = rendered(&Key::from_name("c_frames"), &[(1.0, 2), (1.5, 1), (2.0, 1), (1e9, 3)]);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "# TYPE c_frames histogram");
        assert_eq!(lines[1], r#"c_frames_bucket{le="1"} 2"#);
        assert_eq!(lines[2], r#"c_frames_bucket{le="2"} 4"#);
        assert_eq!(lines[17], r#"c_frames_bucket{le="65536"} 4"#);
        assert_eq!(lines[18], r#"c_frames_bucket{le="+Inf"} 7"#);
        assert_eq!(lines[19], "c_frames_sum 3000000005.5");
        assert_eq!(lines[20], "c_frames_count 7");
    }

    #[test]
    fn the_unit_in_a_name_decides_the_buckets() {
        let seconds = rendered(&Key::from_name("a_seconds"), &[(0.000_03, 1)]);
        assert!(seconds.contains(r#"a_seconds_bucket{le="0.00002"} 0"#), "{seconds}");
        assert!(seconds.contains(r#"a_seconds_bucket{le="0.00005"} 1"#), "{seconds}");
        let bytes = rendered(&Key::from_name("b_bytes"), &[(300.0, 1)]);
        assert!(bytes.contains(r#"b_bytes_bucket{le="1024"} 1"#), "{bytes}");
    }

    #[test]
    fn labels_are_kept_and_escaped() {
        let labels = [("source", "a\"b"), ("worker", "0")];
        let text = rendered(&Key::from_parts("c_frames", &labels), &[(1.0, 1)]);
        assert!(text.contains(r#"c_frames_bucket{source="a\"b",worker="0",le="1"} 1"#), "{text}");
        assert!(text.contains(r#"c_frames_count{source="a\"b",worker="0"} 1"#), "{text}");
    }

    #[test]
    fn samples_of_many_threads_are_all_counted() {
        let histograms = Histograms::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let series = histograms.register(&Key::from_name("c_frames"));
                scope.spawn(move || (0..1000).for_each(|_| series.record(3.0)));
            }
        });
        let mut text = String::new();
        histograms.render(&mut text);
        assert!(text.contains("c_frames_sum 12000\nc_frames_count 4000\n"), "{text}");
    }
}
