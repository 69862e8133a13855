//! What went wrong with a TLS connection, in the operator's words.

use rustls::{AlertDescription, CertificateError, Connection, Error, InvalidMessage};

/// Which side of the proxy a connection is on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Side {
    /// To a client.
    Client,
    /// To a server.
    Server,
}

impl Side {
    /// Which one `connection` is on.
    pub(super) fn of(connection: &Connection) -> Self {
        match connection {
            Connection::Server(_) => Self::Client,
            Connection::Client(_) => Self::Server,
        }
    }

    /// Who is on the other end.
    pub(super) fn other(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }

    /// The sentence about an error.
    pub(super) fn explain(self, error: &Error) -> String {
        let other = self.other();
        match error {
            Error::NoCertificatesPresented => format!("{other} certificate is required and none was sent"),
            Error::InvalidCertificate(error) => format!("the {other}'s certificate {}", certificate(error)),
            Error::AlertReceived(alert) => self.alert(*alert),
            // What a client of plain RESP sends, or a server that answers it.
            Error::InvalidMessage(InvalidMessage::InvalidContentType) => format!("the {other} does not speak TLS"),
            Error::PeerIncompatible(why) => format!("the {other} and the proxy have no TLS in common: {why:?}"),
            error => format!("the {other} breaks the TLS protocol: {error}"),
        }
    }

    /// The other side has refused something.
    fn alert(self, alert: AlertDescription) -> String {
        let other = self.other();
        match alert {
            AlertDescription::UnknownCA => {
                format!("the {other} does not know the authority of the proxy's certificate (alert UnknownCA)")
            }
            AlertDescription::CertificateRequired => {
                format!("the {other} requires a certificate and the proxy has none to send (alert CertificateRequired)")
            }
            AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::UnsupportedCertificate => {
                format!("the {other} refuses the proxy's certificate (alert {alert:?})")
            }
            alert => format!("the {other} has refused (alert {alert:?})"),
        }
    }
}

fn certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "is not signed by an authority of `certificate_authority_path`".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "is not valid yet".to_owned(),
        CertificateError::NotValidForName => "is for another name".to_owned(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names: Vec<&str> = presented.iter().map(|name| bare(name)).collect();
            let presented = if names.is_empty() { "no name".to_owned() } else { names.join(", ") };
            format!("is not for {}: it is for {presented}", expected.to_str())
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "is not meant for this (extended key usage)".to_owned()
        }
        error => format!("cannot be accepted: {error}"),
    }
}

/// `valkey.example` of `DnsName("valkey.example")`.
fn bare(name: &str) -> &str {
    name.split_once('(').map_or(name, |(_, name)| name.trim_end_matches(')').trim_matches('"'))
}
