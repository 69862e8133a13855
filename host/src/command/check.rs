//! `sluice check`.

use std::io::Write;
use std::path::Path;

use sluice::routing::SinkPlan;
use sluice::topology::Topology;
use sluice::upstream::SinglePlan;
use sluice::worker::SourcePlan;

use super::cache::CacheChoice;

/// Checks a topology as far as that goes without opening a port: plugins are loaded and configured.
/// Prints what would run.
pub(crate) fn check(file: &Path, cache: &CacheChoice) -> anyhow::Result<()> {
    let topology = Topology::load(file)?;
    let sources = topology.assemble(&cache.runtime()?)?;
    let lines = sources.iter().map(route).collect::<Vec<_>>().join("\n");
    writeln!(std::io::stdout(), "{} is sound\n{lines}", file.display())?;
    Ok(())
}

/// The way of a request: `valkey 127.0.0.1:6380 → KeyPrefix → ValkeySinkSingle 127.0.0.1:6379`.
fn route(source: &SourcePlan) -> String {
    let mut route = format!("  {} {}", source.name, source.listen.address);
    for link in &source.chain {
        route = format!("{route} → {}", link.name);
    }
    match &source.sink {
        SinkPlan::Single(plan) => format!("{route} → ValkeySinkSingle {}", servers(plan)),
        SinkPlan::Direct(plan) => format!("{route} → ValkeySinkCluster {}", servers(plan)),
        SinkPlan::Cluster(plan) => format!("{route} → ValkeySinkCluster {}", servers(&plan.node)),
        SinkPlan::Null => format!("{route} → NullSink"),
    }
}

fn servers(plan: &SinglePlan) -> String {
    plan.servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
}
