//! What a server says of its connections: `CLIENT LIST`, `CLIENT INFO`.

use crate::client::Client;

/// The names of the fields, and values, of one connection.
#[derive(Clone, Debug)]
pub struct Listed(String);

impl Listed {
    /// All connections of the server that `direct` is connected to, but for its own.
    ///
    /// # Panics
    ///
    /// If the server does not tell.
    #[track_caller]
    pub fn others(direct: &mut Client) -> Vec<Self> {
        Self::others_named(direct, "CLIENT")
    }

    /// The same, where the server calls the command `CLIENT` something else.
    ///
    /// # Panics
    ///
    /// If the server does not tell.
    #[track_caller]
    pub fn others_named(direct: &mut Client, name: &str) -> Vec<Self> {
        let own = Self::own_named(direct, name);
        let own = own.field("id").to_owned();
        let list = direct.ask(&format!("{name} LIST"));
        assert!(list.starts_with(b"$"), "{list:?}");
        let list = String::from_utf8_lossy(&list);
        list.lines()
            .filter(|line| line.starts_with("id="))
            .map(|line| Self(line.to_owned()))
            .filter(|listed| listed.field("id") != own)
            .collect()
    }

    /// The connection that `client` has to the server, its only one or the one that the proxy has for it.
    ///
    /// # Panics
    ///
    /// If the server does not tell.
    #[track_caller]
    pub fn own(client: &mut Client) -> Self {
        Self::own_named(client, "CLIENT")
    }

    /// The same, where the server calls the command `CLIENT` something else.
    ///
    /// # Panics
    ///
    /// If the server does not tell.
    #[track_caller]
    pub fn own_named(client: &mut Client, name: &str) -> Self {
        let info = client.ask(&format!("{name} INFO"));
        Self::read(&info)
    }

    /// Takes the reply to `CLIENT INFO`, however it is wrapped.
    ///
    /// # Panics
    ///
    /// If it is none.
    #[track_caller]
    pub fn read(reply: &[u8]) -> Self {
        let text = String::from_utf8_lossy(reply);
        let line = text.lines().find(|line| line.starts_with("id=") || line.starts_with("txt:id="));
        Self(
            line.unwrap_or_else(|| panic!("no connection is described: {text:?}"))
                .trim_start_matches("txt:")
                .to_owned(),
        )
    }

    /// What it says of `name`, such as `db`.
    ///
    /// # Panics
    ///
    /// If it says nothing.
    #[track_caller]
    pub fn field(&self, name: &str) -> &str {
        self.find(name).unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }

    /// What it says of `name`, which not every server tells.
    pub fn find(&self, name: &str) -> Option<&str> {
        let mut fields = self.0.split(' ').filter_map(|field| field.split_once('='));
        fields.find(|(found, _)| *found == name).map(|(_, value)| value)
    }
}
