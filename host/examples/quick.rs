#![allow(missing_docs, clippy::unwrap_used)]
use sluice::worker::*;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let plan = SourcePlan {
        name: "q".into(),
        listen: args[1].parse().unwrap(),
        connection_limit: 10000,
        limits: SessionLimits::default(),
        chain: vec![],
        sink: SinkPlan::Single {
            address: args[2].clone(),
            connect_timeout: std::time::Duration::from_secs(3),
            connections: 1,
        },
    };
    let _proxy = Proxy::start(vec![plan], args.get(3).map_or(1, |n| n.parse().unwrap())).unwrap();
    std::thread::sleep(std::time::Duration::from_secs(100000));
}
