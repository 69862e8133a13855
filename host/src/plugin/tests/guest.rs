//! Components for tests, written as core WebAssembly text and made into components in-process.
//!
//! The allocator only moves forward and starts again after each answer. `0x100` is always an empty
//! record, and data that a test brings along begins at [`DATA`].

use std::fs;
use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{PackageId, Resolve, SourceMap};

/// Where a test's own data begins.
pub(crate) const DATA: u32 = 0x1000;

/// The address of zeroes: an empty answer of either lane.
pub(crate) const EMPTY: u32 = 0x100;

/// The version of the contract in `wit/`.
const SPOKEN: &str = "0.2.0";

/// A component in the making.
#[derive(Clone)]
pub(crate) struct Guest {
    world: &'static str,
    imports: String,
    configure: String,
    describe: String,
    requests: String,
    responses: String,
    items: String,
    foreign: Option<(&'static str, &'static str)>,
    data: Vec<u8>,
    /// The versions of the contract that its imports and its exports are of.
    versions: [&'static str; 2],
    /// What is written otherwise in its copy of the contract: from, to.
    altered: Option<(&'static str, &'static str)>,
}

impl Guest {
    fn new(world: &'static str) -> Guest {
        Guest {
            world,
            imports: String::new(),
            describe: "i32.const 0x200".to_owned(),
            configure: "i32.const 0x220".to_owned(),
            requests: format!("i32.const {EMPTY}"),
            responses: format!("i32.const {EMPTY}"),
            items: String::new(),
            foreign: None,
            data: Vec::new(),
            versions: [SPOKEN; 2],
            altered: None,
        }
    }

    /// A transform in the columns lane that forwards everything and keeps all responses.
    pub(crate) fn columns() -> Guest {
        Guest::new("columns")
    }

    /// In the columns lane: answers the first request of each batch with the number of batches that
    /// the instance has had, up to 9.
    pub(crate) fn counting() -> Guest {
        let mut guest = Guest::columns();
        let indices = guest.put(&0u32.to_le_bytes());
        let kinds = guest.put(&[2]);
        let tags = guest.put(&0u64.to_le_bytes());
        let numbers = guest.put(&4u32.to_le_bytes());
        let bytes = guest.put(b":0\r\n");
        let record: Vec<u8> = [(indices, 1), (kinds, 1), (tags, 1), (numbers, 1), (bytes, 4u32)]
            .iter()
            .flat_map(|&(address, count)| [address.to_le_bytes(), count.to_le_bytes()].concat())
            .collect();
        let record = guest.put(&record);
        let digit = bytes + 1;
        guest.requests(&format!(
            "(i32.store8 (i32.const {digit}) (i32.add (i32.load8_u (i32.const {digit})) (i32.const 1))) (i32.const {record})"
        ))
    }

    /// The same without a handler for responses.
    pub(crate) fn columns_requests() -> Guest {
        Guest::new("columns-requests")
    }

    /// A transform in the rows lane that forwards everything and keeps all responses.
    pub(crate) fn rows() -> Guest {
        Guest::new("rows")
    }

    /// The body of the handler for requests. In the columns lane its parameters are
    /// `$ids $ids_len $sessions …`, in the rows lane `$batch $batch_len`; it leaves the address of
    /// the answer on the stack.
    pub(crate) fn requests(mut self, body: &str) -> Guest {
        self.requests = body.to_owned();
        self
    }

    /// The body of the handler for responses.
    pub(crate) fn responses(mut self, body: &str) -> Guest {
        self.responses = body.to_owned();
        self
    }

    /// The body of `configure`, which has the parameters `$config $config_len`. `0x220` is an
    /// interest in all commands with the view `all`.
    pub(crate) fn configure(mut self, body: &str) -> Guest {
        self.configure = body.to_owned();
        self
    }

    /// The body of `describe`.
    pub(crate) fn describe(mut self, body: &str) -> Guest {
        self.describe = body.to_owned();
        self
    }

    /// An import: interface, function, and the rest of its type after `$name`.
    pub(crate) fn import(mut self, interface: &str, function: &str, ty: &str) -> Guest {
        self.imports += &format!(
            "(import \"sluice:transform/{interface}@VERSION\" \"{function}\" (func ${} {ty}))\n",
            function.replace('-', "_")
        );
        self
    }

    /// The same component, made for another version of the contract, as if that had all that this
    /// one has.
    pub(crate) fn of_version(mut self, version: &'static str) -> Guest {
        self.versions = [version; 2];
        self
    }

    /// The same component with its imports from another version of the contract.
    pub(crate) fn importing_from(mut self, version: &'static str) -> Guest {
        self.versions[0] = version;
        self
    }

    /// The same component, made for a contract in which this is written otherwise.
    pub(crate) fn altering(mut self, from: &'static str, to: &'static str) -> Guest {
        self.altered = Some((from, to));
        self
    }

    /// An import from outside the contract: the package that declares its interface, in WIT, and
    /// the interface's full name. The function is imported with the core type `ty`.
    pub(crate) fn foreign(mut self, package: &'static str, interface: &'static str, function: &str, ty: &str) -> Guest {
        self.foreign = Some((package, interface));
        self.imports +=
            &format!("(import \"{interface}\" \"{function}\" (func ${} {ty}))\n", function.replace('-', "_"));
        self
    }

    /// More module items: functions, globals, tables.
    pub(crate) fn items(mut self, items: &str) -> Guest {
        self.items += items;
        self
    }

    /// Put bytes into the memory, aligned to 8; gives their address.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> u32 {
        self.data.resize(self.data.len().next_multiple_of(8), 0);
        let address = DATA + u32::try_from(self.data.len()).unwrap();
        self.data.extend_from_slice(bytes);
        address
    }

    /// Put a record of lists into the memory, each given as its bytes and its number of elements;
    /// gives its address.
    pub(crate) fn put_lists(&mut self, lists: &[(&[u8], usize)]) -> u32 {
        let mut record = Vec::new();
        for &(bytes, elements) in lists {
            let address = self.put(bytes);
            record.extend(address.to_le_bytes());
            record.extend(u32::try_from(elements).unwrap().to_le_bytes());
        }
        self.put(&record)
    }

    fn text(&self) -> String {
        let rows = self.world.starts_with("rows");
        let lane = if rows { "rows" } else { "columns" };
        let parameters = |names: &[&str]| -> String {
            let each = |name: &&str| format!("(param ${name} i32) (param ${name}_len i32)");
            names.iter().map(each).collect()
        };
        let requests: &[&str] = match lane {
            "rows" => &["batch"],
            _ => &["ids", "sessions", "commands", "counts", "offsets", "lengths", "bytes"],
        };
        let responses: &[&str] = match lane {
            "rows" => &["batch"],
            _ => &["ids", "sessions", "tags", "lengths", "bytes"],
        };
        let [imports, exports] = self.versions;
        let handler = |phase, parameters: &str, body: &str| handler(phase, lane, exports, parameters, body);
        let mut handlers = handler("requests", &parameters(requests), &self.requests);
        if !self.world.ends_with("-requests") {
            handlers += &handler("responses", &parameters(responses), &self.responses);
        }
        let data: String = self.data.iter().map(|byte| format!("\\{byte:02x}")).collect();
        let heap = (DATA as usize + self.data.len()).next_multiple_of(64);
        let pages = heap.div_ceil(1 << 16) + 1;
        format!(
            r#"(module
                {imports}
                (memory (export "memory") {pages})
                (global $start i32 (i32.const {heap}))
                (global $heap (mut i32) (i32.const {heap}))
                (data (i32.const 0x200) "\20\03\00\00\04\00\00\00\30\03\00\00\05\00\00\00\40\03\00\00\08\00\00\00")
                (data (i32.const 0x220) "\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\02\00")
                (data (i32.const 0x320) "Test")
                (data (i32.const 0x330) "1.2.3")
                (data (i32.const 0x340) "Is tried")
                (data (i32.const {DATA}) "{data}")
                (func $cabi_realloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                    (local $at i32) (local $end i32)
                    (local.set $at (i32.and
                        (i32.add (global.get $heap) (i32.sub (local.get 2) (i32.const 1)))
                        (i32.sub (i32.const 0) (local.get 2))))
                    (local.set $end (i32.add (local.get $at) (local.get 3)))
                    (block $fits
                        (br_if $fits (i32.le_u (local.get $end) (i32.mul (memory.size) (i32.const 0x10000))))
                        (br_if $fits (i32.ne (i32.const -1) (memory.grow (i32.add (i32.const 1)
                            (i32.div_u (i32.sub (local.get $end) (i32.mul (memory.size) (i32.const 0x10000))) (i32.const 0x10000))))))
                        unreachable)
                    (global.set $heap (local.get $end))
                    (local.get $at))
                (func (export "sluice:transform/lifecycle@{exports}#describe") (result i32)
                    {describe})
                (func (export "sluice:transform/lifecycle@{exports}#configure") (param $config i32) (param $config_len i32) (result i32)
                    {configure})
                {handlers}
                {items})"#,
            imports = self.imports.replace("@VERSION", &format!("@{imports}")),
            describe = self.describe,
            configure = self.configure,
            items = self.items,
        )
    }

    /// The core module, before it becomes a component.
    pub(crate) fn module(&self) -> Vec<u8> {
        wat::parse_str(self.text()).unwrap_or_else(|error| panic!("{error}\n{}", self.text()))
    }

    /// The component.
    pub(crate) fn build(&self) -> Vec<u8> {
        ComponentEncoder::default().validate(true).module(&self.embedded()).unwrap().encode().unwrap()
    }

    /// The core module with the section that says what its interface is.
    pub(crate) fn embedded(&self) -> Vec<u8> {
        let mut module = self.module();
        let mut resolve = Resolve::default();
        let [imports, exports] = self.versions.map(|version| self.contract(&mut resolve, version));
        let world = if self.foreign.is_none() && imports == exports {
            resolve.select_world(&[exports], Some(self.world)).unwrap()
        } else {
            let foreign = self.foreign.map_or(String::new(), |(foreign, interface)| {
                resolve.push_str("foreign.wit", foreign).unwrap();
                format!("import {interface};")
            });
            let [from, to] = self.versions;
            let composed = format!(
                "package test:test; world all {{
                    include sluice:transform/host@{from}; include sluice:transform/{}@{to}; {foreign}
                }}",
                self.world
            );
            let package = resolve.push_str("test.wit", &composed).unwrap();
            resolve.select_world(&[package], Some("all")).unwrap()
        };
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
        module
    }

    /// The contract, as if it had this version.
    fn contract(&self, resolve: &mut Resolve, version: &str) -> PackageId {
        let named = |package: &wit_parser::Package| package.name.to_string() == format!("sluice:transform@{version}");
        if let Some((known, _)) = resolve.packages.iter().find(|(_, package)| named(package)) {
            return known;
        }
        let mut sources = SourceMap::new();
        for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit")).unwrap() {
            let path = file.unwrap().path();
            let text = fs::read_to_string(&path).unwrap().replace(&format!("@{SPOKEN};"), &format!("@{version};"));
            let text = self.altered.map_or(text.clone(), |(from, to)| text.replace(from, to));
            // What an older version is given beyond its own it need not know the age of.
            let lines = text.lines().filter(|line| !line.trim_start().starts_with("@since"));
            sources.push_str(&path.display().to_string(), lines.collect::<Vec<_>>().join("\n"));
        }
        resolve.push_group(sources.parse().map_err(|(_, error)| error).unwrap()).unwrap()
    }
}

fn handler(phase: &str, lane: &str, version: &str, parameters: &str, body: &str) -> String {
    let name = format!("sluice:transform/{phase}-{lane}@{version}#handle");
    format!(
        r#"(func (export "{name}") {parameters} (result i32) {body})
           (func (export "cabi_post_{name}") (param i32)
               (global.set $heap (global.get $start)))"#
    )
}
