//! Every command that a new server knows has a row.

use std::collections::BTreeSet;

use sluice_commands::table;

use crate::redis::Redis;

/// Every command and subcommand that the server documents, and every command that it lists.
fn names(server: &mut Redis) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for command in server.call(&["COMMAND", "DOCS"]).array().chunks_exact(2) {
        names.insert(command[0].text().to_owned());
        let fields = command[1].array().chunks_exact(2);
        let subcommands = fields.filter(|field| field[0].text() == "subcommands").map(|field| &field[1]);
        names.extend(subcommands.flat_map(|all| all.array().chunks_exact(2)).map(|one| one[0].text().to_owned()));
    }
    names.extend(server.call(&["COMMAND", "LIST"]).array().iter().map(|name| name.text().to_owned()));
    names
}

#[test]
fn every_command_that_a_server_documents_has_a_row() {
    for (name, mut server) in [("redis-server", Redis::start()), ("valkey-server", Redis::valkey())] {
        let names = names(&mut server);
        assert!(names.len() > 350, "{name} documents only {} commands", names.len());
        let missing: Vec<_> = names.iter().filter(|command| table().by_name(command).is_none()).collect();
        assert!(missing.is_empty(), "{name} knows commands that the table gives no row for: {missing:?}");
    }
}
