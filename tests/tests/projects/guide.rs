//! The guide, `docs/plugins.md`, followed to the letter: what it says to put into files is put there, and built, tested and run.

use std::fs;
use std::path::Path;

use sluice_tests::programs;

use crate::desk::{self, Desk};

/// What the guide says to put into a file: the block behind the line that names it.
fn block(file: &str) -> String {
    let guide = fs::read_to_string(programs::repository().join("docs/plugins.md")).unwrap();
    let (_, rest) = guide.split_once(&format!("<!-- file: {file} -->\n```")).unwrap_or_else(|| panic!("no {file}"));
    let (_, text) = rest.split_once('\n').unwrap();
    text.split_once("```").unwrap().0.to_owned()
}

fn put(project: &Path, file: &str, text: &str) {
    fs::write(project.join(file), text).unwrap();
}

fn build_test_and_run(desk: &Desk, project: &Path) {
    desk.type_in(project, "sluice plugin build");
    let printed = desk.type_in(project, "sluice plugin test size_limit.wasm cases.yaml");
    assert!(printed.contains("3 cases"), "{printed}");
    desk::run(project, "sluice run topology.yaml", |client| {
        assert_eq!(client.ask("SET k small"), "+OK\r\n");
        let large = "x".repeat(1025);
        assert_eq!(client.ask(&format!("SET k {large}")), "-ERR an argument has 1025 bytes, and 1024 are allowed\r\n");
        assert_eq!(client.ask("GET k"), "$5\r\nsmall\r\n");
    });
}

#[test]
fn the_transform_of_the_guide_works_in_python() {
    let desk = Desk::new();
    let project = desk.new_project("size-limit", "python");
    put(&project, "transform.py", &block("python/transform.py"));
    put(&project, "world.wit", &block("python/world.wit"));
    put(&project, "cases.yaml", &block("cases.yaml"));
    put(&project, "topology.yaml", &block("topology.yaml"));
    build_test_and_run(&desk, &project);
}

#[test]
fn the_transform_of_the_guide_works_in_rust() {
    let desk = Desk::new();
    let project = desk.new_project("size-limit", "rust");
    put(&project, "src/lib.rs", &block("rust/src/lib.rs"));
    let limits = "limits: { memory: 64MiB, crossing: 250ms }\n";
    let cases = block("cases.yaml").replace(limits, "");
    put(
        &project,
        "cases.yaml",
        &cases.replace("max: found null, expected a number of bytes, at least 1", "missing field `max`"),
    );
    put(&project, "topology.yaml", &block("topology.yaml").replace(limits, "").replace("    sources", "sources"));
    build_test_and_run(&desk, &project);
}
