//! An authority of our own, and certificates that it has signed, as files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;

/// A certificate authority in a directory of its own.
#[derive(Debug)]
pub struct Authority {
    directory: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its private key.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate's file.
    pub certificate: PathBuf,
    /// The private key's file.
    pub key: PathBuf,
}

impl Authority {
    /// A new one.
    ///
    /// # Panics
    ///
    /// If it cannot be made.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Two authorities have two names, or they would be taken for one whose signatures are wrong.
        params.distinguished_name.push(DnType::CommonName, directory.path().display().to_string());
        let certificate = params.self_signed(&key).expect("a certificate of its own");
        write(&directory.path().join("authority.pem"), &certificate.pem());
        Self { directory, issuer: Issuer::new(params, key) }
    }

    /// The file of its own certificate.
    pub fn file(&self) -> PathBuf {
        self.directory.path().join("authority.pem")
    }

    /// Signs a certificate for a client of this name, or a server under 127.0.0.1; a second one of the same name replaces the first.
    ///
    /// # Panics
    ///
    /// If that fails.
    pub fn sign(&self, name: &str) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("a sound name");
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let file = |suffix| self.directory.path().join(format!("{name}.{suffix}"));
        let identity = Identity { certificate: file("pem"), key: file("key") };
        write(&identity.certificate, &certificate.pem());
        write(&identity.key, &key.serialize_pem());
        identity
    }

    /// What a client needs that trusts this authority, and shows a certificate of its own if it is given one.
    ///
    /// # Panics
    ///
    /// If the files cannot be used.
    pub fn client(&self, identity: Option<&Identity>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.file()).expect("a certificate")).expect("a sound certificate");
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("a provider that knows them")
            .with_root_certificates(roots);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some(Identity { certificate, key }) => {
                let chain = vec![CertificateDer::from_pem_file(certificate).expect("a certificate")];
                let key = PrivateKeyDer::from_pem_file(key).expect("a key");
                builder.with_client_auth_cert(chain, key).expect("a certificate with its key")
            }
        };
        Arc::new(config)
    }

    /// The options of a `redis-server` that speaks TLS on this port as `server`; `mutual`: with clients of this authority only.
    pub fn redis_options(&self, port: u16, server: &Identity, mutual: bool) -> Vec<String> {
        let path = |path: &Path| path.display().to_string();
        let clients = if mutual { "yes" } else { "no" };
        let options = [
            ("--tls-port", port.to_string()),
            ("--tls-cert-file", path(&server.certificate)),
            ("--tls-key-file", path(&server.key)),
            ("--tls-ca-cert-file", path(&self.file())),
            ("--tls-auth-clients", clients.to_owned()),
        ];
        options.into_iter().flat_map(|(option, value)| [option.to_owned(), value]).collect()
    }

    /// A sink that reaches `addr` by TLS; `identity`: what it shows there; `more`: further keys, such as `, verify_hostname: false`.
    pub fn sink(&self, addr: &str, identity: Option<&Identity>, more: &str) -> String {
        let identity = identity.map_or_else(String::new, |Identity { certificate, key }| {
            format!(", certificate_path: \"{}\", private_key_path: \"{}\"", certificate.display(), key.display())
        });
        format!(
            "ValkeySinkSingle: {{ remote_address: \"{addr}\", tls: {{ certificate_authority_path: \"{}\"{identity}{more} }} }}",
            self.file().display()
        )
    }

    /// The line of a source that makes it speak TLS as `server`; `mutual`: with clients of this authority only.
    pub fn source(&self, server: &Identity, mutual: bool) -> String {
        let authority =
            if mutual { format!(", certificate_authority_path: \"{}\"", self.file().display()) } else { String::new() };
        format!(
            "tls: {{ certificate_path: \"{}\", private_key_path: \"{}\"{authority} }}",
            server.certificate.display(),
            server.key.display()
        )
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

fn write(file: &Path, text: &str) {
    std::fs::write(file, text).expect("a temporary directory can be written to");
}
