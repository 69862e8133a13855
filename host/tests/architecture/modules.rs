//! The modules of a crate: which file each is in, and which paths its code names.

use std::collections::{BTreeMap, BTreeSet};

use crate::tokens::{Token, block, tokens};

/// A path as it is written: `crate::plugin::Fault`. A leading empty name stands for `::`.
type Path = Vec<String>;

/// What a `use` brings into a module.
#[derive(Debug)]
struct Import {
    path: Path,
    /// The name by which it is known; `None` for all that the path has (`*`).
    name: Option<String>,
}

#[derive(Debug, Default)]
struct Module {
    file: String,
    children: BTreeSet<String>,
    /// The names of its types, functions and constants.
    defined: BTreeSet<String>,
    imports: Vec<Import>,
    /// Paths of more than one name, anywhere else in its code.
    paths: Vec<Path>,
}

/// The modules of the crates, each by its path: the root's name first.
#[derive(Debug, Default)]
pub(crate) struct Modules(BTreeMap<Path, Module>);

/// The arrows between files: who imports, whom, and what.
pub(crate) type Arrows = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

impl Modules {
    /// Reads the modules of a crate, beginning with its root, such as `lib.rs`. `read` gives a file's text.
    pub(crate) fn add(&mut self, root: &str, read: &dyn Fn(&str) -> Option<String>) {
        let text = read(root).unwrap_or_else(|| panic!("there is no {root}"));
        let name = root.trim_end_matches(".rs").to_owned();
        self.module(vec![name], root, &tokens(&text), read);
    }

    fn module(&mut self, path: Path, file: &str, tokens: &[Token], read: &dyn Fn(&str) -> Option<String>) {
        let mut module = Module { file: file.to_owned(), ..Module::default() };
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let next = |ahead: usize| tokens.get(at + ahead).map_or("", String::as_str);
            at += match token.as_str() {
                "mod" if next(2) == ";" || next(2) == "{" => {
                    let child = [&path[..], &[next(1).to_owned()]].concat();
                    module.children.insert(next(1).to_owned());
                    if next(2) == ";" {
                        self.child(child, read);
                        3
                    } else {
                        let length = block(&tokens[at + 2..]);
                        let body = &tokens[at + 3..(at + 1 + length).max(at + 3)];
                        self.module(child, file, body, read);
                        2 + length
                    }
                }
                "use" if next(1) != "<" => 1 + use_tree(&tokens[at + 1..], &[], &mut module.imports),
                "::" => 1 + path_at(&tokens[at + 1..]).1,
                "struct" | "enum" | "trait" | "type" | "fn" | "const" | "static" => {
                    module.defined.insert(next(1).to_owned());
                    1
                }
                "$" => 1 + path_at(&tokens[at + 1..]).1.max(1),
                _ => {
                    let (named, length) = path_at(&tokens[at..]);
                    if named.len() > 1 {
                        module.paths.push(named);
                    }
                    length.max(1)
                }
            };
        }
        self.0.insert(path, module);
    }

    /// A module in a file of its own: below the folder that has its parents' names.
    fn child(&mut self, path: Path, read: &dyn Fn(&str) -> Option<String>) {
        let place = path[1..].join("/");
        let files = [format!("{place}.rs"), format!("{place}/mod.rs")];
        let found = files.iter().find_map(|file| Some((file, read(file)?)));
        let (file, text) = found.unwrap_or_else(|| panic!("there is neither of {}", files.join(" and ")));
        self.module(path, file, &tokens(&text), read);
    }

    /// Which file imports what from which other file. A name that a module passes on counts for the file
    /// that defines it.
    pub(crate) fn arrows(&self) -> Arrows {
        let mut arrows = Arrows::new();
        for (at, module) in &self.0 {
            let imported = module.imports.iter().map(|import| match &import.name {
                Some(_) => import.path.clone(),
                None => [&import.path[..], &["*".to_owned()]].concat(),
            });
            for path in imported.chain(module.paths.iter().cloned()) {
                let Some(file) = self.file_of(at, &path, true, 0).filter(|file| *file != module.file) else { continue };
                let names = arrows.entry(module.file.clone()).or_default().entry(file.to_owned()).or_default();
                names.extend(path.last().cloned());
            }
        }
        arrows
    }

    /// The file that defines what a path names in a module. `None`: it is not ours, or a module as such,
    /// which draws no arrow before something in it is named.
    fn file_of(&self, from: &[String], path: &[String], mut first: bool, depth: usize) -> Option<&str> {
        let mut at = from.to_vec();
        let mut rest = path;
        while let Some((name, after)) = rest.split_first() {
            let module = self.0.get(&at)?;
            match name.as_str() {
                "crate" => at.truncate(1),
                "sluice" if first && at[0] == "main" => at = vec!["lib".to_owned()],
                "super" => drop(at.pop()),
                "self" => {}
                _ if module.children.contains(name) => at.push(name.clone()),
                _ => return self.passed_on(&at, name, after, first, depth),
            }
            first = false;
            rest = after;
        }
        None
    }

    /// The file of a name that is no module of the module `at`: it is imported there, or defined there.
    fn passed_on(&self, at: &[String], name: &str, after: &[String], first: bool, depth: usize) -> Option<&str> {
        let module = self.0.get(at)?;
        if !first && module.defined.contains(name) {
            return Some(&module.file);
        }
        // Imports that lead in a circle, as `use x::x` may seem to, lead to no file.
        if depth > 16 {
            return None;
        }
        let named = module.imports.iter().find(|import| import.name.as_deref() == Some(name));
        if let Some(import) = named.filter(|import| import.path != [name]) {
            return self.file_of(at, &[&import.path[..], after].concat(), true, depth + 1);
        }
        if first {
            return None;
        }
        let globs = module.imports.iter().filter(|import| import.name.is_none());
        let behind = |import: &Import| [&import.path[..], &[name.to_owned()], after].concat();
        let found =
            globs.filter(|glob| glob.path.len() > 1).find_map(|glob| self.file_of(at, &behind(glob), true, depth + 1));
        found.or(Some(&module.file))
    }
}

/// The path that stands first, and how many tokens it has.
fn path_at(tokens: &[Token]) -> (Path, usize) {
    let mut path = Path::new();
    let is_name = |token: &Token| token.starts_with(|first: char| first.is_alphabetic() || first == '_');
    let mut at = 0;
    while let Some(name) = tokens.get(at).filter(|token| is_name(token)) {
        path.push(name.clone());
        at += 1;
        if tokens.get(at).is_none_or(|token| token != "::") || !tokens.get(at + 1).is_some_and(is_name) {
            break;
        }
        at += 1;
    }
    (path, at)
}

/// Reads what a `use` imports, behind the names that lead to it; gives how many tokens that is.
fn use_tree(tokens: &[Token], prefix: &[String], imports: &mut Vec<Import>) -> usize {
    let mut path = prefix.to_vec();
    let mut name = None;
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token.as_str() {
            "::" if path.is_empty() => path.push(String::new()),
            "::" => {}
            "{" => {
                while tokens.get(at).is_some_and(|token| token != "}") {
                    at += use_tree(&tokens[at..], &path, imports);
                    at += usize::from(tokens.get(at).is_some_and(|token| token == ","));
                }
                return at + 1;
            }
            "*" => {
                imports.push(Import { path, name: None });
                return at;
            }
            "as" => name = tokens.get(at).cloned(),
            ";" | "," | "}" => {
                at -= 1;
                break;
            }
            _ if name.is_some() => {}
            word => path.push(word.to_owned()),
        }
    }
    if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    let name = name.or_else(|| path.last().cloned());
    imports.push(Import { path, name });
    at
}
