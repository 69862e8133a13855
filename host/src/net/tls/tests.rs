//! The promises of TLS connections.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use rustls::pki_types::ServerName;
use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio_util::io::poll_read_buf;

use super::*;
use crate::net::socket::Socket;
use crate::net::{ReadHalf, Stream, WriteHalf};

/// An authority, and the files of those whom it vouches for.
struct Authority {
    directory: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, directory.path().display().to_string());
        fs::write(directory.path().join("authority.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { directory, issuer: Issuer::new(params, key) }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a certificate and its key.
    fn vouch(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> IdentityFiles {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        change(&mut params);
        let files = IdentityFiles { certificate: self.file(name), private_key: self.file(&format!("{name}.key")) };
        fs::write(&files.certificate, params.signed_by(&key, &self.issuer).unwrap().pem()).unwrap();
        fs::write(&files.private_key, key.serialize_pem()).unwrap();
        files
    }

    fn inbound(&self, mutual: bool) -> Inbound {
        let authority = mutual.then(|| self.file("authority.pem"));
        ReloadingFiles::load(InboundFiles { identity: self.vouch("server", |_| {}), authority }).unwrap()
    }

    fn outbound(&self, identity: Option<IdentityFiles>, verify_hostname: bool) -> Outbound {
        ReloadingFiles::load(OutboundFiles { authority: self.file("authority.pem"), identity, verify_hostname })
            .unwrap()
    }
}

type Accepted = Result<(Secure, Option<Arc<str>>), Failure>;

async fn meet(inbound: &Inbound, outbound: Outbound, name: &str) -> (Accepted, Result<Secure, Failure>) {
    let (a, b) = UnixStream::pair().unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let address = "127.0.0.1:1".parse().unwrap();
    let identity = ServerIdentity { tls: Arc::new(outbound), address, name };
    tokio::join!(inbound.accept(Socket::Unix(a)), identity.connect(Socket::Unix(b)))
}

/// The two ends of a connection: the server's, and the client's.
async fn pair() -> [(ReadHalf, WriteHalf); 2] {
    let authority = Authority::new();
    let (a, b) = meet(&authority.inbound(false), authority.outbound(None, true), "server").await;
    [Stream::from(a.unwrap().0).split(), Stream::from(b.unwrap()).split()]
}

async fn read(half: &mut ReadHalf, to: &mut BytesMut) -> io::Result<usize> {
    let read = poll_fn(|context| poll_read_buf(Pin::new(&mut *half), context, to));
    tokio::time::timeout(Duration::from_secs(10), read).await.unwrap_or_else(|_| panic!("nothing came"))
}

/// Read until the other end can write again.
async fn drain_until_writable(reader: &mut ReadHalf, to: &mut BytesMut, far: &ReadHalf) {
    poll_fn(|context| {
        while poll_read_buf(Pin::new(&mut *reader), context, to).is_ready() {}
        far.poll_write_ready(context)
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn what_a_full_socket_does_not_take_is_reported_as_blocked_and_arrives_once() {
    let [(mut reader, _writer), (far, writer)] = pair().await;
    let all: Vec<u8> = (0..3_000_000u32).map(|at| (at % 251) as u8).collect();
    let mut rest = &all[..];
    let mut came = BytesMut::new();
    let mut blocked = 0;
    while !rest.is_empty() {
        let (first, second) = rest.split_at(rest.len() / 2);
        match writer.try_write_vectored(&[IoSlice::new(first), IoSlice::new(second)]) {
            Ok(count) => rest = &rest[count..],
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                blocked += 1;
                drain_until_writable(&mut reader, &mut came, &far).await;
            }
        }
    }
    // Nothing was left behind: without another write, all of it comes.
    while came.len() < all.len() {
        read(&mut reader, &mut came).await.unwrap();
    }
    assert!(blocked > 10, "the socket was never full: {blocked}");
    assert!(came == all);
}

#[tokio::test]
async fn one_byte_that_is_blocked_is_written_once() {
    let [(mut reader, _writer), (far, writer)] = pair().await;
    let mut sent = 0;
    while writer.try_write(b"x").is_ok() {
        sent += 1;
    }
    // The byte that was refused was taken nevertheless: it is to be written again, and comes once.
    let mut came = BytesMut::new();
    while came.len() < sent {
        drain_until_writable(&mut reader, &mut came, &far).await;
    }
    assert_eq!(writer.try_write(b"x!").unwrap(), 1);
    assert_eq!(writer.try_write(b"!").unwrap(), 1);
    drop(writer);
    while read(&mut reader, &mut came).await.unwrap() > 0 {}
    assert_eq!(came.len(), sent + 2);
    assert!(came.ends_with(b"xx!"));
}

#[tokio::test]
async fn plaintext_without_room_is_not_lost_and_makes_the_stream_ready() {
    let [(mut reader, _writer), (_far, writer)] = pair().await;
    assert_eq!(writer.try_write(&[7; 40_000]).unwrap(), 40_000);
    let mut total = 0;
    while total < 40_000 {
        let mut small = [0; 1_000];
        let mut buffer = tokio::io::ReadBuf::new(&mut small);
        let read = async {
            poll_fn(|context| reader.poll_read_ready(context)).await?;
            poll_fn(|context| tokio::io::AsyncRead::poll_read(Pin::new(&mut reader), context, &mut buffer)).await
        };
        tokio::time::timeout(Duration::from_secs(10), read).await.unwrap().unwrap();
        assert!(!buffer.filled().is_empty() && buffer.filled().iter().all(|byte| *byte == 7));
        total += buffer.filled().len();
    }
    assert_eq!(total, 40_000);
}

#[tokio::test]
async fn an_orderly_end_is_said_and_seen() {
    let authority = Authority::new();
    let (a, b) = meet(&authority.inbound(false), authority.outbound(None, true), "server").await;
    let (_reader, writer) = Stream::from(b.unwrap()).split();
    let mut secure = a.unwrap().0;
    drop(writer);
    let mut bytes = [0; 10];
    let mut buffer = tokio::io::ReadBuf::new(&mut bytes);
    poll_fn(|context| secure.poll_read(context, &mut buffer)).await.unwrap();
    assert!(buffer.filled().is_empty());
    assert!(secure.said_farewell(), "close_notify was not sent");
}

#[tokio::test]
async fn a_client_is_known_by_its_common_name_or_its_first_alternative_name() {
    let authority = Authority::new();
    let inbound = authority.inbound(true);
    let named = authority.vouch("alice", |params| params.distinguished_name.push(DnType::OrganizationName, "Example"));
    let uri = authority.vouch("x", |params| {
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.subject_alt_names = vec![SanType::URI("spiffe://example/alice".try_into().unwrap())];
    });
    for (files, expected) in [(named, "alice"), (uri, "spiffe://example/alice")] {
        let (accepted, _) = meet(&inbound, authority.outbound(Some(files), true), "server").await;
        assert_eq!(accepted.unwrap().1.as_deref(), Some(expected));
    }
    let (accepted, _) = meet(&authority.inbound(false), authority.outbound(None, true), "server").await;
    assert_eq!(accepted.unwrap().1, None);
}

#[tokio::test]
async fn a_failed_handshake_is_told_in_the_operator_s_words() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let expired = |params: &mut CertificateParams| params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    let reason = |result: Result<(), Failure>| result.unwrap_err().reason;

    let mutual = ours.inbound(true);
    for (identity, words) in [
        (None, "client certificate is required and none was sent"),
        (Some(theirs.vouch("eve", |_| {})), "the client's certificate is not signed by an authority"),
        (Some(ours.vouch("old", expired)), "the client's certificate has expired"),
    ] {
        let (accepted, _) = meet(&mutual, ours.outbound(identity, true), "server").await;
        let reason = reason(accepted.map(drop));
        assert!(reason.contains(words), "{reason}");
    }

    let plain = ours.inbound(false);
    let (accepted, connected) = meet(&plain, theirs.outbound(None, true), "server").await;
    assert!(reason(connected.map(drop)).contains("the server's certificate is not signed by an authority"));
    let refused = reason(accepted.map(drop));
    assert!(refused.contains("the client does not know the authority of the proxy's certificate"), "{refused}");
    let (_, connected) = meet(&plain, ours.outbound(None, true), "another").await;
    assert_eq!(reason(connected.map(drop)), "the server's certificate is not for another: it is for server");
    let (_, connected) = meet(&plain, ours.outbound(None, false), "another").await;
    connected.unwrap();
    // Without the name, the signature counts still.
    let (_, connected) = meet(&plain, theirs.outbound(None, false), "server").await;
    assert!(reason(connected.map(drop)).contains("not signed by an authority"));

    for (sent, words, silent) in [
        (&b"*1\r\n$4\r\nPING\r\n"[..], "the client does not speak TLS", false),
        (b"\x16\x03\x01", "the client has closed the connection before its end", false),
        (b"", "the client has closed the connection before its end", true),
    ] {
        let (a, b) = UnixStream::pair().unwrap();
        b.try_write(sent).unwrap();
        b.shutdown_now();
        let failure = plain.accept(Socket::Unix(a)).await.map(drop).unwrap_err();
        assert!(failure.reason.contains(words), "{failure}");
        assert_eq!(failure.silent, silent);
    }
}

/// Says that nothing more will come, without waiting.
trait ShutdownNow {
    fn shutdown_now(&self);
}

impl ShutdownNow for UnixStream {
    fn shutdown_now(&self) {
        socket2::SockRef::from(self).shutdown(std::net::Shutdown::Write).unwrap();
    }
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_given_up() {
    let (a, _b) = UnixStream::pair().unwrap();
    let inbound = Authority::new().inbound(false);
    let failure = inbound.accept_within(Duration::from_millis(20), Socket::Unix(a)).await.map(drop).unwrap_err();
    assert_eq!(failure.reason, "the client has not finished it within 20ms");
}

#[tokio::test]
async fn renewed_files_are_used_and_broken_ones_are_not() {
    let authority = Authority::new();
    let inbound = authority.inbound(false);
    let first = inbound.current();
    inbound.look(false);
    assert!(Arc::ptr_eq(&first, &inbound.current()), "nothing has changed");

    authority.vouch("server", |_| {});
    inbound.look(false);
    assert!(Arc::ptr_eq(&first, &inbound.current()), "more files may be about to change");
    inbound.look(false);
    let second = inbound.current();
    assert!(!Arc::ptr_eq(&first, &second));

    fs::write(authority.file("server"), "no certificate").unwrap();
    inbound.look(true);
    assert!(Arc::ptr_eq(&second, &inbound.current()), "a broken file is not used");
    authority.vouch("server", |_| {});
    inbound.look(true);
    assert!(!Arc::ptr_eq(&second, &inbound.current()), "at SIGHUP there is nothing to wait for");
    let (accepted, _) = meet(&inbound, authority.outbound(None, true), "server").await;
    accepted.unwrap();
}

#[test]
fn a_file_that_is_of_no_use_is_named_with_the_reason() {
    let authority = Authority::new();
    let mut files = InboundFiles { identity: authority.vouch("a", |_| {}), authority: None };
    let other = authority.vouch("b", |_| {});
    let error = |files: &InboundFiles| {
        let error = ReloadingFiles::load(files.clone()).unwrap_err();
        (error.part, error.to_string())
    };
    files.identity.private_key = other.private_key;
    let (part, message) = error(&files);
    assert_eq!(part, Part::PrivateKey);
    assert!(message.contains("b.key: this is not the private key of") && message.ends_with("/a"), "{message}");
    files.identity.private_key = other.certificate;
    assert!(error(&files).1.contains("b: there is no private key in PEM in it"), "{:?}", error(&files));
    files.identity.certificate = authority.file("a.key");
    assert!(error(&files).1.contains("a.key: there is no certificate in PEM in it"), "{:?}", error(&files));
    files.authority = Some(authority.file("missing"));
    let (part, message) = error(&files);
    assert_eq!(part, Part::Authority);
    assert!(message.contains("missing: cannot be read: No such file"), "{message}");
}
