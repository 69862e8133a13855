//! Some of the tests: they are looked for in every program of tests, and only those that have one of them run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::process;
use crate::workspace::Workspace;

/// A program that cargo has made of tests.
#[derive(Debug, PartialEq)]
struct Program {
    executable: PathBuf,
    /// That of its package: where cargo would start it.
    directory: PathBuf,
}

/// Run those tests whose name contains `name`, of the programs that cargo makes of each of these arguments.
pub(super) fn run(
    workspace: &Workspace,
    arguments: &[&[&str]],
    name: &str,
    prepare: &dyn Fn(&mut Command),
) -> Result<()> {
    let start = |program: &Program, arguments: &[&str]| {
        let mut command = Command::new(&program.executable);
        command.args(arguments).current_dir(&program.directory);
        // As under cargo.
        command.env("CARGO_MANIFEST_DIR", &program.directory);
        prepare(&mut command);
        command
    };
    let mut found = Vec::new();
    for arguments in arguments {
        for program in build(workspace, arguments)? {
            let list = process::output(&mut start(&program, &["--list", "--format", "terse", name]))?;
            let count = list.lines().filter(|line| line.ends_with(": test")).count();
            if count > 0 {
                found.push((program, count));
            }
        }
    }
    ensure!(!found.is_empty(), "no test's name contains {name:?}");
    let failed: Vec<_> = found
        .iter()
        .filter(|(program, count)| {
            eprintln!("xtask: {count} of {}", program.executable.display());
            process::run(&mut start(program, &[name])).is_err()
        })
        .map(|(program, _)| program.executable.display().to_string())
        .collect();
    ensure!(failed.is_empty(), "tests have failed, of {}", failed.join(", "));
    Ok(())
}

/// Compile tests without running them. What the compiler has to say is shown as ever.
fn build(workspace: &Workspace, arguments: &[&str]) -> Result<Vec<Program>> {
    let mut cargo = workspace.cargo();
    cargo.args(arguments).args(["--no-run", "--quiet", "--message-format=json-render-diagnostics"]);
    let output = cargo.stderr(Stdio::inherit()).output().context("cannot start cargo")?;
    ensure!(output.status.success(), "the tests could not be compiled ({})", output.status);
    let messages = String::from_utf8(output.stdout).context("cargo has printed something that is not UTF-8")?;
    let programs = messages.lines().map(|line| program(line).context("cargo has printed something that is not JSON"));
    programs.filter_map(Result::transpose).collect()
}

/// The program that a message of cargo's is about, if it is about one of tests.
fn program(message: &str) -> Result<Option<Program>> {
    let message: Value = serde_json::from_str(message)?;
    let text = |value: &Value| value.as_str().map(PathBuf::from);
    let is_test = message.pointer("/profile/test") == Some(&Value::Bool(true));
    let found = is_test.then(|| (text(&message["executable"]), text(&message["manifest_path"])));
    let Some((Some(executable), Some(manifest))) = found else { return Ok(None) };
    let directory = manifest.parent().map_or_else(PathBuf::new, Path::to_path_buf);
    Ok(Some(Program { executable, directory }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn programs_of_tests_are_told_from_what_else_cargo_makes() {
        let message = |test: bool, executable: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"/w/a/Cargo.toml","profile":{{"test":{test}}},"executable":{executable}}}"#
            )
        };
        let tests = Program { executable: "/w/target/a-1".into(), directory: "/w/a".into() };
        assert_eq!(program(&message(true, r#""/w/target/a-1""#)).unwrap(), Some(tests));
        assert_eq!(program(&message(false, r#""/w/target/a""#)).unwrap(), None);
        assert_eq!(program(&message(true, "null")).unwrap(), None);
        assert_eq!(program(r#"{"reason":"build-finished","success":true}"#).unwrap(), None);
        assert!(program("running 3 tests").is_err());
    }
}
