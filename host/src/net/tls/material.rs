//! What TLS needs of the operator: files in PEM, and what is made of them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};

/// Which file something is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Part {
    /// The own certificate, and those between it and its authority.
    Certificate,
    /// The private key of that certificate.
    PrivateKey,
    /// The authorities whose signature on the other side's certificate counts.
    Authority,
}

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", file.display())]
pub struct TlsError {
    /// What the file is for.
    pub part: Part,
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// Files that something can be made of.
pub trait Material: fmt::Debug + Send + Sync {
    /// What is made of them.
    type Config: Send + Sync;

    /// The files.
    fn files(&self) -> Vec<&Path>;

    /// Reads them all.
    ///
    /// # Errors
    ///
    /// The first file that is of no use, and why.
    fn load(&self) -> Result<Self::Config, TlsError>;
}

/// A certificate of our own.
#[derive(Clone, Debug)]
pub struct IdentityFiles {
    /// The certificate, followed by those between it and its authority.
    pub certificate: PathBuf,
    /// Its private key, not encrypted.
    pub private_key: PathBuf,
}

/// For connections from clients.
#[derive(Clone, Debug)]
pub struct InboundFiles {
    /// What is shown to clients.
    pub identity: IdentityFiles,
    /// Whose clients' certificates are accepted; then one is required of every client. `None`:
    /// clients need none.
    pub authority: Option<PathBuf>,
}

/// For connections to servers.
#[derive(Clone, Debug)]
pub struct OutboundFiles {
    /// Whose servers' certificates are accepted.
    pub authority: PathBuf,
    /// What is shown to servers.
    pub identity: Option<IdentityFiles>,
    /// Whether a server's certificate must be for the name that it is reached by.
    pub verify_hostname: bool,
}

impl Material for InboundFiles {
    type Config = ServerConfig;

    fn files(&self) -> Vec<&Path> {
        let identity = [&*self.identity.certificate, &*self.identity.private_key];
        identity.into_iter().chain(self.authority.as_deref()).collect()
    }

    fn load(&self) -> Result<ServerConfig, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| self.identity.unfit(&error))?;
        let builder = match &self.authority {
            None => builder.with_no_client_auth(),
            Some(file) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(authorities(file)?.into(), provider)
                    .build()
                    .map_err(|error| TlsError::new(Part::Authority, file, error))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let (chain, key) = self.identity.load()?;
        builder.with_single_cert(chain, key).map_err(|error| self.identity.unfit(&error))
    }
}

impl Material for OutboundFiles {
    type Config = ClientConfig;

    fn files(&self) -> Vec<&Path> {
        let identity = self.identity.iter().flat_map(|files| [&*files.certificate, &*files.private_key]);
        [&*self.authority].into_iter().chain(identity).collect()
    }

    fn load(&self) -> Result<ClientConfig, TlsError> {
        let unfit = |error: &dyn fmt::Display| TlsError::new(Part::Authority, &self.authority, error);
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| unfit(&error))?;
        let roots = Arc::new(authorities(&self.authority)?);
        let verifier = WebPkiServerVerifier::builder_with_provider(roots.clone(), provider.clone())
            .build()
            .map_err(|error| unfit(&error))?;
        let builder = if self.verify_hostname {
            builder.with_webpki_verifier(verifier)
        } else {
            let any_name = AnyName { roots, provider, signatures: verifier };
            builder.dangerous().with_custom_certificate_verifier(Arc::new(any_name))
        };
        match &self.identity {
            None => Ok(builder.with_no_client_auth()),
            Some(files) => {
                let (chain, key) = files.load()?;
                builder.with_client_auth_cert(chain, key).map_err(|error| files.unfit(&error))
            }
        }
    }
}

impl IdentityFiles {
    fn load(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
        let chain = certificates(Part::Certificate, &self.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&read(Part::PrivateKey, &self.private_key)?).map_err(|error| {
            let reason = match error {
                pem::Error::NoItemsFound => {
                    "there is no private key in PEM in it (an encrypted one is of no use)".to_owned()
                }
                error => format!("it is not valid PEM: {error}"),
            };
            TlsError::new(Part::PrivateKey, &self.private_key, reason)
        })?;
        Ok((chain, key))
    }

    /// Why certificate and key cannot be used together.
    fn unfit(&self, error: &rustls::Error) -> TlsError {
        match error {
            rustls::Error::InconsistentKeys(_) => {
                let reason = format!("this is not the private key of {}", self.certificate.display());
                TlsError::new(Part::PrivateKey, &self.private_key, reason)
            }
            rustls::Error::General(reason) => TlsError::new(Part::PrivateKey, &self.private_key, reason),
            error => TlsError::new(Part::Certificate, &self.certificate, error),
        }
    }
}

impl TlsError {
    fn new(part: Part, file: &Path, reason: impl fmt::Display) -> Self {
        Self { part, file: file.to_owned(), reason: reason.to_string() }
    }
}

fn read(part: Part, file: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(file).map_err(|error| TlsError::new(part, file, format!("cannot be read: {error}")))
}

/// The certificates of a file; at least one.
fn certificates(part: Part, file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read(part, file)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match found {
        Ok(found) if found.is_empty() => Err(TlsError::new(part, file, "there is no certificate in PEM in it")),
        Ok(found) => Ok(found),
        Err(error) => Err(TlsError::new(part, file, format!("it is not valid PEM: {error}"))),
    }
}

fn authorities(file: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for (position, certificate) in certificates(Part::Authority, file)?.into_iter().enumerate() {
        roots.add(certificate).map_err(|error| {
            let reason = format!("certificate {} of it cannot be used: {error}", position + 1);
            TlsError::new(Part::Authority, file, reason)
        })?;
    }
    Ok(roots)
}

/// Accepts a certificate of our authorities whatever name it is for: `verify_hostname: false`.
#[derive(Debug)]
struct AnyName {
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
    signatures: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        rustls::client::verify_server_cert_signed_by_trust_anchor(
            &certificate,
            &self.roots,
            intermediates,
            now,
            algorithms,
        )?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signatures.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signatures.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.supported_verify_schemes()
    }
}
