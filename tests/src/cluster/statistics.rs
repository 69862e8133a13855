//! What the nodes have executed and refused.

use super::RedisCluster;
use super::node::Node;

impl RedisCluster {
    /// How often each primary has executed a command (its name in lower case).
    #[track_caller]
    pub fn calls(&self, command: &str) -> Vec<u64> {
        self.count("commandstats", &format!("cmdstat_{command}:calls="))
    }

    /// How often the primaries have answered with an error that begins with this word, such as `MOVED`.
    #[track_caller]
    pub fn refusals(&self, error: &str) -> u64 {
        self.count("errorstats", &format!("errorstat_{error}:count=")).into_iter().sum()
    }

    #[track_caller]
    fn count(&self, section: &str, prefix: &str) -> Vec<u64> {
        let of = |node: &Node| {
            let info = node.ask(&format!("INFO {section}"));
            let info = String::from_utf8_lossy(&info);
            let count = info.lines().find_map(|line| line.strip_prefix(prefix)?.split(',').next());
            count.map_or(0, |count| count.parse().unwrap_or_else(|_| panic!("{prefix} no number: {count}")))
        };
        self.shards.iter().map(|shard| of(&shard[0])).collect()
    }
}
