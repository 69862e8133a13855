//! `tls` of a source and of a sink. The files are read at once: what is wrong with them is a
//! problem of the topology.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::ServerName;

use crate::net::tls::{IdentityFiles, Inbound, InboundFiles, OutboundFiles, Part, ReloadingFiles, TlsError};
use crate::net::{Endpoint, Remote, RemoteTls};
use crate::yaml::node::{Fields, Key, Node};
use crate::yaml::path::Path;
use crate::yaml::problem::{Origin, Problems};

const CERTIFICATE: &str = "certificate_path";
const PRIVATE_KEY: &str = "private_key_path";
const AUTHORITY: &str = "certificate_authority_path";

const INBOUND: &[Key] = &[Key::read(CERTIFICATE), Key::read(PRIVATE_KEY), Key::read(AUTHORITY)];

const OUTBOUND: &[Key] = &[
    Key::read(AUTHORITY),
    Key::read(CERTIFICATE),
    Key::read(PRIVATE_KEY),
    Key::read("verify_hostname"),
    Key::read("server_name"),
];

/// `tls` of a source.
pub(super) fn inbound(node: &Node<'_>, origin: Origin<'_>, problems: &mut Problems) -> Option<Arc<Inbound>> {
    let fields = node.fields(INBOUND, problems)?;
    let mut required = |key, what| fields.require(key, what, problems).and_then(|node| file(&node, origin, problems));
    let certificate = required(CERTIFICATE, "the certificate that clients are shown, in PEM");
    let private_key = required(PRIVATE_KEY, "the private key of the certificate, in PEM");
    let authority = optional(&fields, AUTHORITY, origin, problems);
    let identity = IdentityFiles { certificate: certificate?, private_key: private_key? };
    let loaded = ReloadingFiles::load(InboundFiles { identity, authority: authority? });
    loaded.map_err(|error| unusable(&fields.path, &error, problems)).ok().map(Arc::new)
}

/// How a sink reaches its servers, with `tls` of its configuration if there is any.
pub(super) fn remotes(
    endpoints: Option<Vec<Endpoint>>,
    sink: &Fields<'_>,
    origin: Origin<'_>,
    problems: &mut Problems,
) -> Option<Vec<Remote>> {
    let tls = match sink.get("tls") {
        None => None,
        Some(node) => Some(outbound(&node, endpoints.as_deref().unwrap_or_default(), origin, problems)?),
    };
    let remote = |endpoint| Remote { endpoint, tls: tls.clone() };
    Some(endpoints?.into_iter().map(remote).collect())
}

fn outbound(node: &Node<'_>, endpoints: &[Endpoint], origin: Origin<'_>, problems: &mut Problems) -> Option<RemoteTls> {
    let fields = node.fields(OUTBOUND, problems)?;
    let authority = fields
        .require(AUTHORITY, "the authorities whose signature on the server's certificate counts, in PEM", problems)
        .and_then(|node| file(&node, origin, problems));
    let certificate = optional(&fields, CERTIFICATE, origin, problems);
    let private_key = optional(&fields, PRIVATE_KEY, origin, problems);
    let verify_hostname = fields.get("verify_hostname").map_or(Some(true), |node| node.flag(problems));
    let server_name = fields.get("server_name").map(|node| server_name(&node, problems));
    if server_name.is_none() && endpoints.iter().any(|endpoint| matches!(endpoint, Endpoint::Unix(_))) {
        problems
            .value(&fields.path, "`server_name` is missing: the path of a Unix socket is no name for a certificate");
    }
    let server_name = match server_name {
        None => None,
        Some(name) => Some(name?),
    };
    let identity = match (certificate?, private_key?) {
        (None, None) => None,
        (Some(certificate), Some(private_key)) => Some(IdentityFiles { certificate, private_key }),
        _ => {
            let message = format!("`{CERTIFICATE}` and `{PRIVATE_KEY}` belong together: give both or none");
            problems.value(&fields.path, message);
            return None;
        }
    };
    let files = OutboundFiles { authority: authority?, identity, verify_hostname: verify_hostname? };
    let config = ReloadingFiles::load(files).map_err(|error| unusable(&fields.path, &error, problems)).ok()?;
    Some(RemoteTls { config: Arc::new(config), server_name })
}

fn server_name(node: &Node<'_>, problems: &mut Problems) -> Option<ServerName<'static>> {
    let what = "the name that the server's certificate is for, such as \"valkey.example\"";
    match ServerName::try_from(node.text(what, problems)?.to_owned()) {
        Ok(name) => Some(name),
        Err(_) => node.unexpected(what, problems),
    }
}

/// A file's path, relative to the topology's own directory.
fn file(node: &Node<'_>, origin: Origin<'_>, problems: &mut Problems) -> Option<PathBuf> {
    node.text("the path of a file in PEM", problems).map(|path| origin.beside(path))
}

/// The outer `None`: it was given, and is no path.
fn optional(fields: &Fields<'_>, key: &str, origin: Origin<'_>, problems: &mut Problems) -> Option<Option<PathBuf>> {
    match fields.get(key) {
        None => Some(None),
        Some(node) => file(&node, origin, problems).map(Some),
    }
}

fn unusable(tls: &Path, error: &TlsError, problems: &mut Problems) {
    let key = match error.part {
        Part::Certificate => CERTIFICATE,
        Part::PrivateKey => PRIVATE_KEY,
        Part::Authority => AUTHORITY,
    };
    problems.value(&tls.key(key), error.to_string());
}
