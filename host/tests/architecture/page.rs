//! What `docs/architecture.md` says of the code: its tables, and whether they are true.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::tokens::{Token, tokens};

/// The page.
pub(crate) const PAGE: &str = "../docs/architecture.md";

/// A row of a table that names a function in a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Row {
    /// The first cell: a number, or what to change.
    pub(crate) first: String,
    pub(crate) file: String,
    pub(crate) function: String,
}

/// A table that names functions in files.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Table {
    /// The heading that it stands under.
    pub(crate) heading: String,
    /// Whether its rows are numbered: its first column is `#`.
    pub(crate) is_numbered: bool,
    pub(crate) rows: Vec<Row>,
}

impl Table {
    /// The files that it names, each once.
    pub(crate) fn files(&self) -> BTreeSet<&str> {
        self.rows.iter().map(|row| row.file.as_str()).collect()
    }
}

/// The tables of a page that have a column `file` and a column `function`.
pub(crate) fn tables(page: &str) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    let mut heading = "";
    let mut columns = None;
    for line in page.lines() {
        if let Some(title) = line.strip_prefix('#') {
            heading = title.trim_start_matches('#').trim();
        }
        let Some(inner) = line.strip_prefix('|').and_then(|line| line.strip_suffix('|')) else {
            columns = None;
            continue;
        };
        let cells: Vec<&str> = inner.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let place = |name: &str| cells.iter().position(|cell| *cell == name);
        match columns {
            None => {
                columns = Some((place("file"), place("function")));
                if let Some((Some(_), Some(_))) = columns {
                    let is_numbered = place("#") == Some(0);
                    tables.push(Table { heading: heading.to_owned(), is_numbered, rows: Vec::new() });
                }
            }
            Some((Some(file), Some(function))) if !inner.trim_start().starts_with("---") => {
                let cell = |at: usize| cells.get(at).copied().unwrap_or_default().to_owned();
                let row = Row { first: cell(0), file: cell(file), function: cell(function) };
                if let Some(table) = tables.last_mut() {
                    table.rows.push(row);
                }
            }
            Some(_) => {}
        }
    }
    tables
}

/// The rows whose function is not in its file, a line each. `read` gives the text of a file.
pub(crate) fn astray(tables: &[Table], read: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let mut known: BTreeMap<&str, Option<Vec<Token>>> = BTreeMap::new();
    let mut astray = Vec::new();
    for row in tables.iter().flat_map(|table| &table.rows) {
        let tokens = known.entry(&row.file).or_insert_with(|| Some(tokens(&read(&row.file)?)));
        let missing = match tokens {
            None => "there is no such file",
            Some(tokens) if !defines(tokens, &row.function) => "it does not define that",
            Some(_) => continue,
        };
        astray.push(format!("{}: `{}`: {missing}", row.file, row.function));
    }
    astray
}

/// Whether code has a function of this name, or a table, whose name is in capital letters.
fn defines(code: &[Token], name: &str) -> bool {
    let is_table = name.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_');
    let words: &[&str] = if is_table { &["const", "static"] } else { &["fn"] };
    code.windows(2).any(|pair| words.contains(&pair[0].as_str()) && pair[1] == name)
}

/// The text of a file: its path begins in `host/src`.
pub(crate) fn source(file: &str) -> Option<String> {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file)).ok()
}

/// The text of the page.
pub(crate) fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rooms of the table that says what each imports, from the top layer to the bottom one.
pub(crate) fn rooms(page: &str) -> Vec<(String, Vec<String>)> {
    let table = page.lines().skip_while(|line| *line != "| room | imports |").skip(2);
    let rows = table.map_while(|line| line.strip_prefix("| `")?.split_once("` |"));
    let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    rows.map(|(room, imports)| (room.to_owned(), names(imports))).collect()
}

/// The most hops of a plain GET, and the most files that they are in.
const MOST: (usize, usize) = (45, 20);

/// What "Where to change what" has a row for, at least, by the words that it begins with.
const CHANGES: [&str; 7] = [
    "the retry rule for TRYAGAIN",
    "the merging of RANDOMKEY",
    "the idle timeout",
    "a command's effect on its connection",
    "the order of replies",
    "adding a sink",
    "a special cluster command",
];

/// The table under this heading that has numbered rows, or the only one that has not.
fn under<'a>(tables: &'a [Table], heading: &str, is_numbered: bool) -> &'a Table {
    let mut found = tables.iter().filter(|table| table.heading == heading && table.is_numbered == is_numbered);
    found.next().unwrap_or_else(|| panic!("{PAGE} has no table of functions under \"{heading}\""))
}

#[test]
fn every_function_that_the_page_names_is_in_the_file_that_it_names() {
    let tables = tables(&page());
    assert!(tables.iter().map(|table| table.rows.len()).sum::<usize>() > 100, "the tables of {PAGE} are not found");
    let astray = astray(&tables, &source);
    assert!(astray.is_empty(), "{PAGE} is not true:\n{}", astray.join("\n"));
}

#[test]
fn a_plain_get_takes_few_hops_over_few_files() {
    let page = page();
    let tables = tables(&page);
    let hops = under(&tables, "A plain GET", true);
    let (count, files) = (hops.rows.len(), hops.files().len());
    assert!(count <= MOST.0 && files <= MOST.1, "{count} hops over {files} files are more than {MOST:?}");
    let said = format!("{count} hops over {files} files:");
    assert!(page.contains(&said), "{PAGE} does not say \"{said}\"");
}

#[test]
fn hops_are_numbered_one_after_the_other() {
    for table in tables(&page()).iter().filter(|table| table.is_numbered) {
        let numbers: Vec<&str> = table.rows.iter().map(|row| row.first.as_str()).collect();
        let expected: Vec<String> = (1..=numbers.len()).map(|number| number.to_string()).collect();
        assert_eq!(numbers, expected, "under \"{}\"", table.heading);
    }
}

#[test]
fn the_page_says_how_many_functions_a_plain_get_takes_in_all() {
    let page = page();
    let tables = tables(&page);
    let all = tables.iter().filter(|table| table.heading == "A plain GET");
    let rows: Vec<&Row> = all.flat_map(|table| &table.rows).collect();
    let functions: BTreeSet<(&str, &str)> = rows.iter().map(|row| (&*row.file, &*row.function)).collect();
    let files: BTreeSet<&str> = rows.iter().map(|row| &*row.file).collect();
    assert_eq!(functions.len(), rows.len(), "a function stands there twice");
    let said = format!("{} functions in {} files", functions.len(), files.len());
    assert!(page.contains(&said), "{PAGE} does not say \"{said}\"");
}

#[test]
fn the_page_has_the_rooms_and_what_they_import() {
    let expected: Vec<(String, Vec<String>)> = crate::ROOMS
        .iter()
        .map(|(room, imports)| ((*room).to_owned(), imports.iter().map(|&import| import.to_owned()).collect()))
        .collect();
    assert_eq!(rooms(&page()), expected, "{PAGE} has other rooms");
}

#[test]
fn the_page_says_how_a_get_goes_through_a_cluster() {
    let tables = tables(&page());
    for heading in ["The fast path", "The general path"] {
        assert!(under(&tables, heading, true).rows.len() > 10, "\"{heading}\" is no list of hops");
    }
}

#[test]
fn the_page_says_where_to_change_what() {
    let tables = tables(&page());
    let rows = &under(&tables, "Where to change what", false).rows;
    for change in CHANGES {
        assert!(rows.iter().any(|row| row.first.starts_with(change)), "{PAGE} does not say where to change {change}");
    }
}

const EXAMPLE: &str = "## A way\n\n| # | file | function | why |\n| --- | --- | --- | --- |\n| 1 | `a.rs` | `go` | x |\n\
                       | 2 | `a.rs` | `TABLE` | y |\n\n| a | b |\n| --- | --- |\n| `a.rs` | `no` |\n";

#[test]
fn only_tables_that_name_files_and_functions_are_read() {
    let tables = tables(EXAMPLE);
    let row = |first: &str, function: &str| Row { first: first.into(), file: "a.rs".into(), function: function.into() };
    let rows = vec![row("1", "go"), row("2", "TABLE")];
    assert_eq!(tables, [Table { heading: "A way".into(), is_numbered: true, rows }]);
    assert_eq!(tables[0].files().len(), 1);
}

#[test]
fn a_function_counts_only_where_it_is_defined() {
    let found = |text: &str| astray(&tables(EXAMPLE), &|_| Some(text.to_owned()));
    assert_eq!(found("static TABLE: u8 = 0; pub(super) fn go<T>() {}"), [""; 0]);
    assert_eq!(found("const TABLE: u8 = go(); // fn go() {}"), ["a.rs: `go`: it does not define that"]);
    assert_eq!(found("fn go() { TABLE }"), ["a.rs: `TABLE`: it does not define that"]);
    assert_eq!(found("const TABLE: u8 = 0; #[cfg(test)] mod tests { fn go() {} }").len(), 1);
    assert_eq!(astray(&tables(EXAMPLE), &|_| None).len(), 2);
}
