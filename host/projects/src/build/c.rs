//! C and C++: any clang with WASI's C library, or else one from PyPI (`ziglang`), and `sluice.h`.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::encode::{Remedy, encode_in_world};
use crate::project::Project;
use crate::tools::Tools;
use crate::wasi_adapter::Start;
use crate::{process, world};

const ZIG: (&str, &str) = ("ziglang", "0.14.1");

/// Names a wasi-sdk, whose compiler is used then.
const WASI_SDK: &str = "WASI_SDK_PATH";

/// Names a compiler. Only a clang can compile for wasm, and this often is something else.
const CC: &str = "CC";

/// `-s`, because the debug information of the C library alone is 700 kB. The stack is at the bottom
/// of the memory, so that an overflow of it is a fault.
const FLAGS: [&str; 6] = ["-mexec-model=reactor", "-O2", "-Wall", "-Wextra", "-s", "-Wl,-z,stack-size=131072"];

/// Nothing catches an exception, and nobody asks for the type of an object.
const CXX_FLAGS: [&str; 3] = ["-std=c++20", "-fno-exceptions", "-fno-rtti"];

/// How sources in C++ end.
const CXX: [&str; 4] = ["cc", "cpp", "cxx", "c++"];

/// What to write in a source for what the world exports.
const REMEDIES: [Remedy; 3] = [
    (
        "lifecycle",
        "define `sluice_description describe(void)` and\n\
         `bool configure(sluice_bytes config, sluice_interest *interest, sluice_bytes *refusal)`,\n\
         and write SLUICE_LIFECYCLE(describe, configure) below them",
    ),
    (
        "requests-rows",
        "define `void on_request(const sluice_request *request, sluice_verdict *verdict)`,\n\
         and write SLUICE_REQUESTS(on_request) below it",
    ),
    (
        "responses-rows",
        "define `void on_response(const sluice_response *response, sluice_change *change)`,\n\
         and write SLUICE_RESPONSES(on_response) below it",
    ),
];

/// Makes the component of a project.
pub(crate) fn build(project: &Project, tools: &Tools) -> Result<Vec<u8>> {
    let wit = world::assemble(project)?;
    let draft = project.derived()?.join("module.wasm");
    let cxx = project.source.extension().is_some_and(|extension| CXX.iter().any(|name| extension == *name));
    let mut compiler = compiler(tools, cxx)?;
    compiler.current_dir(&project.directory).args(FLAGS);
    if cxx {
        compiler.args(CXX_FLAGS);
    }
    compiler.arg("-I").arg(project.near(&project.support()?)).arg(project.near(&project.source));
    process::show_and_run(compiler.arg("-o").arg(project.near(&draft)))?;
    let module = fs::read(&draft).with_context(|| format!("cannot read {}", draft.display()))?;
    encode_in_world(&module, &wit, Start::Bare, &REMEDIES)
}

/// The compiler, made to compile for wasm: of the wasi-sdk that is named, the clang that is named,
/// or the pinned one.
fn compiler(tools: &Tools, cxx: bool) -> Result<Command> {
    if let Some(sdk) = env::var_os(WASI_SDK).filter(|sdk| !sdk.is_empty()) {
        let clang = PathBuf::from(sdk).join(if cxx { "bin/clang++" } else { "bin/clang" });
        ensure!(clang.is_file(), "{WASI_SDK} names no wasi-sdk: there is no file {}", clang.display());
        return Ok(clang_for_wasm(clang.as_os_str()));
    }
    let named = env::var_os(if cxx { "CXX" } else { CC });
    if let Some(named) = named.filter(|named| named.to_string_lossy().contains("clang")) {
        return Ok(clang_for_wasm(&named));
    }
    let (name, version) = ZIG;
    let mut python = process::python()?;
    python.env("PYTHONPATH", tools.python_package(name, version)?);
    // What it compiles of the C library, once: about half a minute.
    python.env("ZIG_GLOBAL_CACHE_DIR", tools.directory().join("zig-cache"));
    python.args(["-m", "ziglang", if cxx { "c++" } else { "cc" }, "-target", "wasm32-wasi"]);
    Ok(python)
}

fn clang_for_wasm(clang: &OsStr) -> Command {
    let mut command = Command::new(clang);
    command.args(["--target=wasm32-wasi", "-Wl,--stack-first"]);
    command
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use wit_parser::{Resolve, SizeAlign, Type};

    use crate::files::C_SUPPORT;
    use crate::world::contract;

    /// The records of the contract that the header mirrors: interface, type, and its name in C.
    const MIRRORED: [(&str, &str, &str); 9] = [
        ("lifecycle", "description", "sluice_description"),
        ("lifecycle", "interest", "sluice_interest"),
        ("replies", "node", "sluice_node"),
        ("requests-rows", "request", "sluice_request"),
        ("requests-rows", "verdict", "sluice_verdict"),
        ("responses-rows", "response", "sluice_response"),
        ("responses-rows", "change", "sluice_change"),
        ("commands", "command", "sluice_command"),
        ("sessions", "session", "sluice_session"),
    ];

    #[test]
    fn the_header_has_the_version_the_layouts_and_the_functions_of_the_contract() {
        let header = C_SUPPORT.iter().find(|file| file.path == "sluice.h").unwrap().text;
        let mut resolve = Resolve::default();
        let contract = contract(&mut resolve).unwrap();
        let version = resolve.packages[contract].name.version.as_ref().unwrap();
        assert!(header.contains(&format!("#define SLUICE_CONTRACT \"{version}\"\n")), "{version}");

        // A compiler checks the header against these numbers.
        let mut sizes = SizeAlign::default();
        sizes.fill(&resolve).unwrap();
        for (interface, name, in_c) in MIRRORED {
            let interface = resolve.packages[contract].interfaces[interface];
            let size = sizes.size(&Type::Id(resolve.interfaces[interface].types[name])).size_wasm32();
            assert!(header.contains(&format!("sizeof({in_c}) == {size}")), "{name}: {size}");
        }

        for (name, &interface) in &resolve.packages[contract].interfaces {
            for function in resolve.interfaces[interface].functions.keys().filter(|_| !name.ends_with("-columns")) {
                let told = ["SLUICE_IMPORT", "SLUICE_OF"].map(|way| format!("{way}(\"{name}\", \"{function}\")"));
                assert!(told.iter().any(|told| header.contains(told)), "{name}.{function}");
            }
        }
    }
}
