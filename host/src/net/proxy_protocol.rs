//! The PROXY protocol, versions 1 and 2: what a load balancer says of the client that it passes on.
//!
//! Specification: `proxy-protocol.txt` of HAProxy, sections 2.1 and 2.2. A header is read to its
//! last byte and not a byte further: what follows is the client's.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt};

/// What version 2 begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// What version 1 begins with.
const LINE: &[u8] = b"PROXY ";

/// The longest header of version 1, with its line end, in bytes.
const LONGEST_LINE: usize = 107;

/// The longest that may follow the 16 bytes of version 2: addresses of 216 bytes at most, and
/// extensions that are of no use here.
const LONGEST_BLOCK: usize = 4096;

/// Why a header is none.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// The connection has ended or failed.
    #[error("the connection ended in the middle of the header: {0}")]
    System(#[from] io::Error),
    /// It has ended without a byte.
    #[error("the connection ended without a header")]
    Silent,
    /// It begins with something else: most likely a client that comes without the load balancer.
    #[error("the client does not begin with a header of the PROXY protocol")]
    Missing,
    /// It breaks the specification.
    #[error("the header is malformed: {0}")]
    Malformed(&'static str),
}

/// Reads a header. Returns the address of the client; `None` where the sender speaks for itself
/// (LOCAL) or does not know (UNKNOWN).
///
/// # Errors
///
/// See [`HeaderError`]; the connection is of no use then. The caller bounds the time.
pub(super) async fn read_header(from: &mut (impl AsyncRead + Unpin)) -> Result<Option<SocketAddr>, HeaderError> {
    let mut start = [0; SIGNATURE.len()];
    // Both versions are longer than this.
    for at in 0..start.len() {
        start[at] = match from.read_u8().await {
            Ok(byte) => byte,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && at == 0 => return Err(HeaderError::Silent),
            Err(error) => return Err(error.into()),
        };
        let so_far = &start[..=at];
        if !SIGNATURE.starts_with(so_far) && !so_far.starts_with(LINE) && !LINE.starts_with(so_far) {
            return Err(HeaderError::Missing);
        }
    }
    if start == SIGNATURE {
        return read_block(from).await;
    }
    let mut line = start.to_vec();
    while !line.ends_with(b"\r\n") {
        if line.len() == LONGEST_LINE {
            return Err(HeaderError::Malformed("its line does not end"));
        }
        line.push(from.read_u8().await?);
    }
    parse_line(&line[..line.len() - 2])
}

/// Version 1 without its line end: `PROXY TCP4 192.0.2.1 192.0.2.2 56324 443`.
fn parse_line(line: &[u8]) -> Result<Option<SocketAddr>, HeaderError> {
    let text = std::str::from_utf8(line).map_err(|_| HeaderError::Malformed("its line is no text"))?;
    let words: Vec<&str> = text.split(' ').collect();
    let (family, source, destination, source_port, destination_port) = match words[..] {
        ["PROXY", "UNKNOWN", ..] => return Ok(None),
        ["PROXY", family, source, destination, source_port, destination_port] => {
            (family, source, destination, source_port, destination_port)
        }
        _ => return Err(HeaderError::Malformed("its line has not six words")),
    };
    let address = |text: &str| -> Result<IpAddr, HeaderError> {
        match (family, text.parse()) {
            ("TCP4", Ok(address @ IpAddr::V4(_))) | ("TCP6", Ok(address @ IpAddr::V6(_))) => Ok(address),
            ("TCP4" | "TCP6", _) => Err(HeaderError::Malformed("an address is not of its family")),
            _ => Err(HeaderError::Malformed("its family is neither TCP4, TCP6 nor UNKNOWN")),
        }
    };
    let port = |text: &str| -> Result<u16, HeaderError> {
        let digits = text.bytes().all(|c| c.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        text.parse().ok().filter(|_| digits).ok_or(HeaderError::Malformed("a port is no number below 65536"))
    };
    address(destination)?;
    port(destination_port)?;
    Ok(Some(SocketAddr::new(address(source)?, port(source_port)?)))
}

/// Version 2, behind its signature.
async fn read_block(from: &mut (impl AsyncRead + Unpin)) -> Result<Option<SocketAddr>, HeaderError> {
    let [command, family] = [from.read_u8().await?, from.read_u8().await?];
    let len = usize::from(from.read_u16().await?);
    if command >> 4 != 2 {
        return Err(HeaderError::Malformed("its version is not 2"));
    }
    if len > LONGEST_BLOCK {
        return Err(HeaderError::Malformed("it is longer than 4096 bytes"));
    }
    let mut block = vec![0; len];
    from.read_exact(&mut block).await?;
    match (command & 0xf, family) {
        // The sender speaks for itself, whatever else it says.
        (0, _) => Ok(None),
        (1, 0x11) => match block[..] {
            [a, b, c, d, _, _, _, _, high, low, _, _, ..] => {
                Ok(Some(SocketAddr::new([a, b, c, d].into(), u16::from_be_bytes([high, low]))))
            }
            _ => Err(HeaderError::Malformed("its addresses are cut off")),
        },
        (1, 0x21) => match (block.first_chunk::<16>(), block.get(32..36)) {
            (Some(source), Some(&[high, low, _, _])) => {
                Ok(Some(SocketAddr::new(Ipv6Addr::from(*source).into(), u16::from_be_bytes([high, low]))))
            }
            _ => Err(HeaderError::Malformed("its addresses are cut off")),
        },
        // Unspecified, or a Unix socket: as if it did not know.
        (1, 0x00 | 0x31) => Ok(None),
        (1, _) => Err(HeaderError::Malformed("its family is neither TCP over IP, a Unix socket nor unspecified")),
        _ => Err(HeaderError::Malformed("its command is neither LOCAL nor PROXY")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// What is read of `bytes`, and what is left.
    async fn read(bytes: &[u8]) -> (Result<Option<SocketAddr>, HeaderError>, Vec<u8>) {
        let mut rest = bytes;
        let result = read_header(&mut rest).await;
        (result, rest.to_vec())
    }

    /// A header of version 2.
    fn block(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let len = (addresses.len() as u16).to_be_bytes();
        [&SIGNATURE[..], &[command, family], &len, addresses].concat()
    }

    const V4: [u8; 12] = [192, 0, 2, 1, 192, 0, 2, 2, 0xdc, 0x04, 0x18, 0xeb];

    #[tokio::test]
    async fn a_header_says_who_the_client_is_and_leaves_what_he_sends() {
        let v6: Vec<u8> =
            [&"2001:db8::1".parse::<Ipv6Addr>().unwrap().octets()[..], &[0; 16], &[0xdc, 0x04, 0x18, 0xeb]].concat();
        let extended: Vec<u8> = [&V4[..], &[0x03, 0, 4, 1, 2, 3, 4]].concat();
        let cases: &[(Vec<u8>, Option<&str>)] = &[
            (b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 6379\r\n".to_vec(), Some("192.0.2.1:56324")),
            (b"PROXY TCP6 2001:db8::1 ::1 56324 6379\r\n".to_vec(), Some("[2001:db8::1]:56324")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n".to_vec(), None),
            (block(0x21, 0x11, &V4), Some("192.0.2.1:56324")),
            (block(0x21, 0x11, &extended), Some("192.0.2.1:56324")),
            (block(0x21, 0x21, &v6), Some("[2001:db8::1]:56324")),
            (block(0x20, 0x00, &[]), None),
            (block(0x20, 0x11, &V4), None),
            (block(0x21, 0x00, &[]), None),
            (block(0x21, 0x31, &[0; 216]), None),
        ];
        for (header, expected) in cases {
            let (found, rest) = read(&[header, &b"PING\r\n"[..]].concat()).await;
            assert_eq!(found.unwrap(), expected.map(|text| text.parse().unwrap()), "{header:?}");
            assert_eq!(rest, b"PING\r\n", "{header:?}");
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused() {
        for bytes in [&b"*1\r\n$4\r\nPING\r\n"[..], b"PING\r\n", b"\x16\x03\x01\x02\0\x01", b"PROXY\r\n"] {
            assert!(matches!(read(bytes).await.0, Err(HeaderError::Missing)), "{bytes:?}");
        }
        let longest = format!("PROXY UNKNOWN {}", "x".repeat(LONGEST_LINE));
        let malformed: &[Vec<u8>] = &[
            b"PROXY TCP4 192.0.2.1 192.0.2.2 56324\r\n".to_vec(),
            b"PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n".to_vec(),
            b"PROXY TCP4 ::1 192.0.2.2 1 2\r\n".to_vec(),
            b"PROXY TCP6 192.0.2.1 ::1 1 2\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n".to_vec(),
            b"PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n".to_vec(),
            b"PROXY TCP4 \xff 192.0.2.2 1 2\r\n".to_vec(),
            longest.into_bytes(),
            block(0x31, 0x11, &V4),
            block(0x22, 0x11, &V4),
            block(0x21, 0x12, &V4),
            block(0x21, 0x11, &V4[..11]),
            block(0x21, 0x21, &[0; 35]),
            block(0x20, 0, &[0; LONGEST_BLOCK + 1]),
        ];
        for bytes in malformed {
            assert!(matches!(read(bytes).await.0, Err(HeaderError::Malformed(_))), "{bytes:?}");
        }
        let whole = block(0x21, 0x11, &V4);
        for end in 1..whole.len() {
            assert!(matches!(read(&whole[..end]).await.0, Err(HeaderError::System(_))), "{end}");
        }
        assert!(matches!(read(b"").await.0, Err(HeaderError::Silent)));
    }
}
