//! `COMMAND`: what clients ask to know the commands that there are.

use sluice_plugin::{Command, Reply};

use crate::failure::Failure;
use crate::strings::length;
use crate::table::{self, Row, row};
use crate::{Call, Outcome};

pub(crate) const ROWS: &[Row] = &[
    row("command", -1, all),
    row("command|count", 2, |_| Ok(length(commands().count()))),
    row("command|info", -2, info),
    row("command|docs", -2, docs),
];

/// Which ACL categories are flags too, and by what name.
const FLAGS: &[(&str, &str)] = &[
    ("read", "readonly"),
    ("write", "write"),
    ("fast", "fast"),
    ("admin", "admin"),
    ("blocking", "blocking"),
    ("pubsub", "pubsub"),
];

/// All commands that are no subcommands, with the name of their group.
fn commands() -> impl Iterator<Item = (&'static str, &'static Row)> {
    table::rows().filter(|(_, row)| !row.name.contains('|'))
}

/// Those that have these names, or `None` for each name that is none; all of them where there are no names.
fn named<'a>(names: &'a [&'a [u8]]) -> Box<dyn Iterator<Item = Option<(&'static str, &'static Row)>> + 'a> {
    if names.is_empty() {
        return Box::new(commands().map(Some));
    }
    Box::new(names.iter().map(|name| table::rows().find(|(_, row)| name.eq_ignore_ascii_case(row.name.as_bytes()))))
}

fn all(call: &mut Call<'_>) -> Outcome {
    match call.args.get(1) {
        // The host takes it for the container where it does not know the subcommand.
        Some(sub) => Err(Failure::unknown_subcommand(call.row.name, sub)),
        None => Ok(Reply::array(commands().map(|(_, row)| entry(row)))),
    }
}

fn info(call: &mut Call<'_>) -> Outcome {
    Ok(Reply::array(named(call.rest(2)).map(|found| found.map_or(Reply::Null, |(_, row)| entry(row)))))
}

fn docs(call: &mut Call<'_>) -> Outcome {
    let docs = named(call.rest(2)).flatten().map(|(group, row)| {
        (
            Reply::bulk(row.name),
            Reply::Map(
                [("summary", "As in Redis 7.0."), ("group", group)]
                    .map(|(name, text)| (Reply::bulk(name), Reply::bulk(text)))
                    .into(),
            ),
        )
    });
    Ok(Reply::Map(docs.collect()))
}

/// Name, arity, flags, first key, last key, step, categories; and no tips, key specifications and subcommands.
fn entry(row: &'static Row) -> Reply<'static> {
    let categories = Command::named(row.name).map_or(&[][..], Command::categories);
    let flags = FLAGS.iter().filter(|(category, _)| categories.iter().any(|other| other == category));
    let [first, last, step] = row.keys.map(Reply::Integer);
    Reply::array([
        Reply::bulk(row.name),
        Reply::Integer(row.arity),
        Reply::Set(flags.map(|(_, flag)| Reply::simple(*flag)).collect()),
        first,
        last,
        step,
        Reply::Set(categories.iter().map(|category| Reply::simple(format!("@{category}"))).collect()),
        Reply::Set(Vec::new()),
        Reply::Set(Vec::new()),
        Reply::Set(Vec::new()),
    ])
}
