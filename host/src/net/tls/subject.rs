//! Who a certificate is for.

use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// The common name; without one, the first alternative name that is a URI, a host or an e-mail
/// address. `None` where it has neither.
pub(super) fn subject(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let common = certificate.subject().iter_common_name().find_map(|name| name.as_str().ok());
    if let Some(name) = common {
        return Some(name.to_owned());
    }
    let names = certificate.subject_alternative_name().ok()??;
    names.value.general_names.iter().find_map(|name| match name {
        GeneralName::URI(name) | GeneralName::DNSName(name) | GeneralName::RFC822Name(name) => Some((*name).to_owned()),
        _ => None,
    })
}
