//! Where something listens, and who connects: an IP address and a port, or a Unix socket.

use std::fmt;
use std::net::{SocketAddr, SocketAddrV6};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

/// What a Unix socket's address begins with.
const UNIX: &str = "unix:";

/// The longest path of a Unix socket, in bytes: the system keeps it with a zero byte in 108.
const LONGEST_PATH: usize = 107;

/// Where a listener listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Address {
    /// `127.0.0.1:6379`. Port 0: any free one.
    Tcp(SocketAddr),
    /// `unix:/run/sluice.sock`: an absolute path.
    Unix(Arc<Path>),
}

/// Where a server is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Endpoint {
    /// `host:port`; a name is looked up for each connection.
    Tcp(Arc<str>),
    /// `unix:/run/valkey.sock`: an absolute path.
    Unix(Arc<Path>),
}

/// Who has connected.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Peer {
    /// From an address.
    Tcp(SocketAddr),
    /// Through the Unix socket of a listener.
    Unix(Arc<Path>),
}

/// Why a text is no address.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AddressError {
    /// It begins with `unix:`, and what follows is not absolute.
    #[error("the path of a Unix socket must be absolute, such as \"unix:/run/sluice.sock\"")]
    Relative,
    /// The system knows no such long one.
    #[error("the path of a Unix socket may have at most {LONGEST_PATH} bytes")]
    Long,
    /// It is neither.
    #[error("neither an address with its port nor a Unix socket")]
    Neither,
}

/// The path of a Unix socket; `None` where the text is about none.
fn unix(text: &str) -> Option<Result<Arc<Path>, AddressError>> {
    let path = text.strip_prefix(UNIX)?;
    Some(match path {
        path if !path.starts_with('/') || path.ends_with('/') => Err(AddressError::Relative),
        path if path.len() > LONGEST_PATH => Err(AddressError::Long),
        path => Ok(Path::new(path).into()),
    })
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        match unix(text) {
            Some(path) => path.map(Self::Unix),
            None => text.parse().map(Self::Tcp).map_err(|_| AddressError::Neither),
        }
    }
}

impl FromStr for Endpoint {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        match unix(text) {
            Some(path) => path.map(Self::Unix),
            None if is_host_and_port(text) => Ok(Self::Tcp(text.into())),
            None => Err(AddressError::Neither),
        }
    }
}

impl Endpoint {
    /// The name or IP address, without brackets; `None` for a Unix socket.
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Tcp(address) => host_and_port(address).map(|(host, _)| host),
            Self::Unix(_) => None,
        }
    }
}

/// The host of `host:port`, without the brackets that an IPv6 address may be in, and the port.
pub(crate) fn host_and_port(address: &str) -> Option<(&str, &str)> {
    let (host, port) = address.rsplit_once(':')?;
    Some((host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host), port))
}

/// `host:port`, with an IPv6 address in brackets: what [`host_and_port`] takes apart.
pub(crate) fn with_port(host: &str, port: impl fmt::Display) -> Arc<str> {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }.into()
}

/// The host may be a name, an IPv4 address, or an IPv6 address in brackets.
fn is_host_and_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let is_port = port.bytes().all(|c| c.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_host = !host.is_empty() && host.chars().all(is_name);
    is_port && (is_host || text.parse::<SocketAddrV6>().is_ok())
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_server_is_a_host_and_a_port_or_a_unix_socket() {
        for text in
            ["127.0.0.1:6379", "localhost:1", "a-b.c_d:65535", "[::1]:6379", "unix:/run/valkey.sock", "unix:/a b:1"]
        {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        for (text, host) in [("a.b:1", Some("a.b")), ("[::1]:1", Some("::1")), ("unix:/s:1", None)] {
            assert_eq!(text.parse::<Endpoint>().unwrap().host(), host);
        }
        for text in [
            "",
            ":6379",
            "localhost",
            "localhost:",
            "localhost:0",
            "localhost:65536",
            "a b:1",
            "::1:6379",
            "redis://localhost:6379",
            "localhost:+1",
            "[::1]",
            "[::g]:1",
            "/run/valkey.sock",
        ] {
            assert_eq!(text.parse::<Endpoint>(), Err(AddressError::Neither), "{text}");
        }
    }

    #[test]
    fn a_listener_has_an_ip_address_and_a_port_or_a_unix_socket() {
        for text in ["127.0.0.1:0", "[::1]:6379", "unix:/run/sluice.sock"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for text in ["localhost:1", "127.0.0.1", "", "/run/sluice.sock"] {
            assert_eq!(text.parse::<Address>(), Err(AddressError::Neither), "{text}");
        }
        for text in ["unix:", "unix:sluice.sock", "unix:/run/", "unix:./sluice.sock"] {
            assert_eq!(text.parse::<Address>(), Err(AddressError::Relative), "{text}");
        }
        let long = format!("unix:/{}", "x".repeat(LONGEST_PATH));
        assert_eq!(long.parse::<Address>(), Err(AddressError::Long));
        assert!(long[..long.len() - 1].parse::<Address>().is_ok());
    }
}
