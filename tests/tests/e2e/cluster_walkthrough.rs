//! A request's way through a chain of two components to the node of a cluster that has its key, and the reply's way back.

use std::process::Command;

use sluice_tests::ports::free_addr;
use sluice_tests::process::output_of;
use sluice_tests::wait::SOON;
use sluice_tests::{Client, RedisCluster, Sluice, programs, wait_until};

/// The topology, but for the addresses.
const TOPOLOGY: &str = r#"
sources:
  - Valkey:
      name: "valkey"
      listen_addr: "127.0.0.1:6379"
      chain:
        # A made up transform for our example.
        - SomeTransform
        # Another made up transform for our example
        - AnotherTransform
        # The sink transform that routes Valkey requests to the correct node in the cluster
        - ValkeySinkCluster:
            first_contact_points:
              - "172.16.1.2:6379"
              - "172.16.1.3:6379"
              - "172.16.1.4:6379"
            connect_timeout_ms: 3000
"#;

/// Its transforms, which are components, and what they may use.
const COMPONENTS: [(&str, &str, &str); 2] =
    [("SomeTransform", "request_logger.wasm", "clock, sessions"), ("AnotherTransform", "watch_all.wasm", "")];

/// The slot of `foo`.
const SLOT: u16 = 12_182;

fn start(cluster: &RedisCluster) -> Sluice {
    let (listen, admin) = (free_addr(), free_addr());
    let mut text = format!("admin: \"{admin}\"\nplugins:\n");
    for (name, file, grants) in COMPONENTS {
        let path = programs::component(file);
        text += &format!("  {name}: {{ component: \"{}\", grants: [{grants}] }}\n", path.display());
    }
    text += &TOPOLOGY.replace("127.0.0.1:6379", &listen);
    for (shard, point) in ["172.16.1.2:6379", "172.16.1.3:6379", "172.16.1.4:6379"].into_iter().enumerate() {
        text = text.replace(point, &cluster.primary(shard).addr());
    }
    Sluice::start(&text, &listen, Some(&admin))
}

#[test]
fn a_request_goes_through_both_transforms_to_the_node_that_has_its_slot_and_to_no_other() {
    let cluster = RedisCluster::start(3, 0);
    let proxy = start(&cluster);
    assert_eq!(cluster.slot_of("foo"), SLOT);
    let owner = cluster.owner_of_slot(SLOT);
    let at_the_owner = |count: u64| (0..3).map(|shard| if shard == owner { count } else { 0 }).collect::<Vec<u64>>();

    // What `client.set("foo", "bar")` sends, byte by byte.
    let mut client = Client::connect(proxy.addr());
    client.send(b"*3\r\n$3\r\nSET\r\n$3\r\nfoo\r\n$3\r\nbar\r\n");
    assert_eq!(client.reply(), "+OK\r\n");
    assert_eq!(cluster.calls("set"), at_the_owner(1));
    assert_eq!(cluster.client(owner).ask("GET foo"), "$3\r\nbar\r\n");
    assert_eq!(client.ask("GET foo"), "$3\r\nbar\r\n");
    assert_eq!(cluster.calls("get"), at_the_owner(2));

    // And the call itself.
    let script = "import redis, sys; client = redis.Redis(port=int(sys.argv[1])); \
                  print(client.set('foo', 'baz'), client.get('foo'))";
    let printed = output_of(Command::new(programs::python()).args(["-c", script, proxy.port()]));
    assert_eq!(printed, "True b'baz'\n");
    assert_eq!(cluster.calls("set"), at_the_owner(2));
    assert_eq!(cluster.calls("get"), at_the_owner(3));
    assert_eq!(cluster.refusals("MOVED"), 0, "a node was asked for what another one has");

    wait_until("the first transform has seen the request", SOON, || {
        proxy.output().lines().any(|line| line.contains("SomeTransform") && line.contains("command=set")).then_some(())
    });
    for (plugin, phase) in
        [("SomeTransform", "requests"), ("AnotherTransform", "requests"), ("AnotherTransform", "responses")]
    {
        let frames = proxy.metrics().sum("sluice_transform_frames_total", &[("plugin", plugin), ("phase", phase)]);
        assert!(frames.is_some_and(|frames| frames >= 4.0), "{plugin}, {phase}: {frames:?}");
    }
}
