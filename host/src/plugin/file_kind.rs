//! What a file is that is not a component, told by its first bytes, and what to do about it.

use wasmparser::{Chunk, Parser, Payload};

/// The first bytes of WebAssembly, of a component, and of a core module.
const MAGIC: &[u8] = b"\0asm";
const COMPONENT: &[u8] = &[0x0d, 0x00, 0x01, 0x00];
const MODULE: &[u8] = &[0x01, 0x00, 0x00, 0x00];

/// The kinds of files that are known by how they begin: their first bytes, what they are, and what
/// to do.
const BEGINNINGS: &[(&[u8], &str)] = &[
    (b"\x1f\x8b", "is compressed (gzip); expected the component itself. Unpack it with `gunzip`"),
    (b"\x28\xb5\x2f\xfd", "is compressed (zstd); expected the component itself. Unpack it with `unzstd`"),
    (b"\xfd7zXZ\0", "is compressed (xz); expected the component itself. Unpack it with `unxz`"),
    (b"BZh", "is compressed (bzip2); expected the component itself. Unpack it with `bunzip2`"),
    (b"PK\x03\x04", "is a zip archive; expected the component itself. Unpack it with `unzip`"),
    (b"\x7fELF", NATIVE),
    (b"\xcf\xfa\xed\xfe", NATIVE),
    (b"\xca\xfe\xba\xbe", NATIVE),
    (b"MZ", NATIVE),
    (
        b"!<arch>",
        "is a static library; expected a component. Build the transform for a wasm32 target, as a `cdylib` where it is Rust",
    ),
    (
        b"version https://git-lfs",
        "is a pointer of Git LFS, not the file that it stands for; fetch that with `git lfs pull`",
    ),
];

const NATIVE: &str =
    "is a native program or library, not WebAssembly; expected a component. Build the transform for a wasm32 target";

/// ELF's byte for the system that a file is made for, and what wasmtime writes there.
const OF_WASMTIME: (usize, u8) = (7, 200);

/// How text begins that is known by that, in lower case and after white space and comments.
const TEXTS: &[(&str, &str)] = &[
    (
        "(component",
        "is WebAssembly text; expected a component in its binary form. Make that with `wasm-tools parse FILE -o FILE.wasm`",
    ),
    (
        "(module",
        "is the text of a core WebAssembly module; expected a component in its binary form. Build the transform's project with \
         `sluice plugin build`, which makes one",
    ),
    ("<!doctype html", HTML),
    ("<html", HTML),
    ("<?xml", HTML),
    (
        "{",
        "is JSON, not WebAssembly; expected a component. Where it was downloaded, it may be an error message: look into it",
    ),
];

const HTML: &str = "is a web page, not WebAssembly; expected a component. It may come from a download that failed: look into it, and fetch it again";

/// What bytes are that do not begin as a component does, and what to do; completes the sentence
/// "the file …". `None` for a component.
pub(super) fn other_than_a_component(bytes: &[u8]) -> Option<&'static str> {
    match bytes.split_at_checked(MAGIC.len()) {
        None if bytes.is_empty() => Some("is empty; expected a component. Build it again, or fetch it again"),
        Some((MAGIC, rest)) if rest.starts_with(COMPONENT) => None,
        Some((MAGIC, rest)) if rest.starts_with(MODULE) => Some(module(bytes)),
        Some((MAGIC, rest)) if rest.len() < COMPONENT.len() => {
            Some("ends within its header; expected a component. Build it again, or fetch it again")
        }
        Some((MAGIC, _)) => Some(
            "is WebAssembly of a kind or version that this host does not know; expected a component of the component model's \
             first version (`00 61 73 6d 0d 00 01 00`). Build it with newer tools",
        ),
        _ => Some(not_webassembly(bytes)),
    }
}

fn not_webassembly(bytes: &[u8]) -> &'static str {
    if bytes.starts_with(b"\x7fELF") && bytes.get(OF_WASMTIME.0) == Some(&OF_WASMTIME.1) {
        return "was compiled by wasmtime already; expected a component as the tools of its language make it. This host compiles it \
                itself, and keeps what it compiled";
    }
    let known = BEGINNINGS.iter().find(|(beginning, _)| bytes.starts_with(beginning));
    if let Some((_, what)) = known {
        return what;
    }
    // A character may be cut in two where the beginning ends.
    let beginning = bytes.get(..4096).unwrap_or(bytes);
    let text = match std::str::from_utf8(beginning) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&beginning[..error.valid_up_to()]).ok(),
        Err(_) => None,
    };
    match text.filter(|text| !text.contains('\0')) {
        None => "is not WebAssembly; expected a component, which begins with `00 61 73 6d 0d 00 01 00`",
        Some(text) => {
            let text = after_comments(text).to_ascii_lowercase();
            TEXTS.iter().find(|(beginning, _)| text.starts_with(beginning)).map_or(
                "is text, not WebAssembly; expected a component. Where it is a transform's source, build its project with `sluice \
                 plugin build` and give the component that comes out",
                |(_, what)| what,
            )
        }
    }
}

/// What follows white space and WebAssembly text's comments.
fn after_comments(mut text: &str) -> &str {
    loop {
        text = text.trim_start_matches('\u{feff}').trim_start();
        let rest = if text.starts_with(";;") {
            text.split_once('\n').map(|(_, rest)| rest)
        } else if text.starts_with("(;") {
            text.split_once(";)").map(|(_, rest)| rest)
        } else {
            return text;
        };
        let Some(rest) = rest else { return "" };
        text = rest;
    }
}

/// What a core module lacks to be a component.
fn module(bytes: &[u8]) -> &'static str {
    let (mut has_interface, mut wants_wasi) = (false, false);
    let mut parser = Parser::new(0);
    let mut rest = bytes;
    // What cannot be read ends the search: it says nothing about why this is no component.
    while let Ok(Chunk::Parsed { consumed, payload }) = parser.parse(rest, true) {
        rest = rest.get(consumed..).unwrap_or_default();
        match payload {
            Payload::CustomSection(section) => has_interface |= section.name().starts_with("component-type"),
            Payload::ImportSection(section) => {
                let of_wasi = |import: wasmparser::Import<'_>| import.module == "wasi_snapshot_preview1";
                wants_wasi |= section.into_imports().flatten().any(of_wasi);
            }
            Payload::CodeSectionStart { size, .. } => {
                parser.skip_section();
                rest = rest.get(size as usize..).unwrap_or_default();
            }
            Payload::End(_) => break,
            _ => {}
        }
    }
    match (has_interface, wants_wasi) {
        (true, false) => {
            "is a core WebAssembly module that carries the interface of a component; expected the component. Make it with `sluice \
             plugin build` in the transform's project, or with `wasm-tools component new FILE -o FILE.component.wasm`"
        }
        (true, true) => {
            "is a core WebAssembly module that carries the interface of a component and imports `wasi_snapshot_preview1`; expected \
             the component. Make it with `sluice plugin build` in the transform's project, or with `wasm-tools component new FILE \
             --adapt wasi_snapshot_preview1.reactor.wasm -o FILE.component.wasm`, and declare the plugin with `wasi: stub`"
        }
        (false, false) => {
            "is a core WebAssembly module without the interface of a component, so it was not built against the contract; expected \
             a component. `sluice plugin new` writes a project that is, and `sluice plugin build` makes the component; by hand: \
             `wasm-tools component embed wit --world rows FILE`, then `wasm-tools component new`"
        }
        (false, true) => {
            "is a core WebAssembly module for `wasi_snapshot_preview1` without the interface of a component, so it was not built \
             against the contract; expected a component. `sluice plugin new` writes a project that is, and `sluice plugin build` \
             makes the component"
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// What is said of these bytes, which must say what was expected or what to do.
    fn said(bytes: &[u8]) -> &'static str {
        other_than_a_component(bytes).unwrap()
    }

    #[test]
    fn every_file_is_called_by_its_name() {
        let cases: [(&[u8], &str); 16] = [
            (b"", "is empty"),
            (b"\0asm\x0d", "ends within its header"),
            (b"\0asm\x0d\0\x02\0", "of a kind or version"),
            (b"\x1f\x8b\x08\0", "gzip"),
            (b"\x28\xb5\x2f\xfd\0", "zstd"),
            (b"PK\x03\x04", "zip archive"),
            (b"\x7fELF\x02\x01\x01\0", "native program"),
            (b"\x7fELF\x02\x01\x01\xc8", "compiled by wasmtime"),
            (b"  <!DOCTYPE html><title>404</title>", "web page"),
            (b"{\"message\":\"Not Found\"}", "JSON"),
            (b";; made by hand\n(; and\n more ;)\n  (component)", "WebAssembly text"),
            (b"(module (func))", "text of a core WebAssembly module"),
            (b"def handle(batch):\n    return []\n", "is text"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "Git LFS"),
            (b"\x80\x81\x82\x83\x84", "is not WebAssembly"),
            (b";; nothing but a comment", "is text"),
        ];
        for (bytes, expected) in cases {
            assert!(said(bytes).contains(expected), "{}: {}", bytes.escape_ascii(), said(bytes));
        }
    }

    #[test]
    fn text_that_is_cut_within_a_character_is_text_all_the_same() {
        let mut text = vec![b'x'; 4095];
        text.extend_from_slice("éé".as_bytes());
        assert!(said(&text).starts_with("is text"));
    }

    #[test]
    fn a_component_is_nothing_else() {
        assert_eq!(other_than_a_component(&wat::parse_str("(component)").unwrap()), None);
    }

    #[test]
    fn a_core_module_is_told_what_it_lacks() {
        let wasi = r#"(import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))"#;
        let interface = r#"(@custom "component-type:rows" "")"#;
        let body = "(func (export \"f\") (drop (i32.const 1)))";
        for (parts, expected) in [
            ([body, ""], "without the interface of a component, so"),
            ([wasi, body], "for `wasi_snapshot_preview1` without the interface"),
            ([body, interface], "carries the interface of a component; expected"),
            ([wasi, &[body, interface].concat()], "and imports `wasi_snapshot_preview1`; expected"),
        ] {
            let module = wat::parse_str(format!("(module {})", parts.concat())).unwrap();
            assert!(said(&module).contains(expected), "{}", said(&module));
            assert!(said(&module).contains("`sluice plugin build`"), "{}", said(&module));
        }
    }
}
