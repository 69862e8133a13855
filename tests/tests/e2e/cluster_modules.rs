//! Commands that the table does not know, because a module brings them, go where their keys are.

use std::process::Command;

use sluice_tests::process::output_of;
use sluice_tests::wait::SOON;
use sluice_tests::{Client, ClusterOptions, RedisCluster, Topology, programs, wait_until};

const KEYS: usize = 60;

/// The module, compiled.
fn module(directory: &tempfile::TempDir) -> String {
    let source = programs::repository().join("tests/tests/e2e/cluster_modules/strange.c");
    let module = directory.path().join("strange.so");
    output_of(Command::new("cc").args(["-shared", "-fPIC", "-Wall", "-Werror", "-o"]).arg(&module).arg(source));
    module.display().to_string()
}

fn use_it(client: &mut Client) {
    for number in 0..KEYS {
        assert_eq!(client.ask(&format!("strange.set key:{number} {number}")), "+OK\r\n");
        let value = number.to_string();
        assert_eq!(client.ask(&format!("STRANGE.GET key:{number}")), format!("${}\r\n{value}\r\n", value.len()));
        assert_eq!(client.ask("Strange.Size"), ":42\r\n");
    }
}

#[test]
fn commands_of_modules_are_learnt_from_the_cluster() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let module = module(&directory);
    let cluster = RedisCluster::start_with(3, 0, &ClusterOptions::new().server(&["--loadmodule", &module]));
    let proxy = Topology::three_components(&cluster).start();
    let mut client = Client::connect(proxy.addr());
    // The map may be known before the commands are.
    client.ask("strange.get a");
    wait_until("the commands are learnt", SOON, || proxy.output().contains("commands=3").then_some(()));
    let before = cluster.refusals("MOVED");
    use_it(&mut client);
    assert_eq!(cluster.refusals("MOVED"), before, "nothing had to be sent elsewhere");
    for line in ["MULTI", "strange.set {b}1 x", "strange.get {b}1"] {
        client.ask(line);
    }
    assert_eq!(client.ask("EXEC"), "*2\r\n+OK\r\n$1\r\nx\r\n");
    assert!(client.ask("strange.no a").starts_with(b"-ERR unknown command 'strange.no'"));
}

#[test]
fn a_module_that_is_loaded_later_is_used_at_once() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let module = module(&directory);
    let options = ["--enable-module-command", "yes"];
    let cluster = RedisCluster::start_with(3, 0, &ClusterOptions::new().server(&options));
    let proxy = Topology::three_components(&cluster).start();
    let mut client = Client::connect(proxy.addr());
    wait_until("the cluster is known", SOON, || (client.ask("GET a") == "$-1\r\n").then_some(()));
    assert_eq!(client.ask(&format!("MODULE LOAD {module}")), "+OK\r\n");
    use_it(&mut client);
}
