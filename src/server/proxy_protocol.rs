//! The header of the PROXY protocol (HAProxy's, versions 1 and 2): before a connection's first
//! byte, a proxy says whom it passes the connection on for.
//!
//! Read only from peers in `proxy_protocol`, who must send it: nothing is guessed. Not a byte
//! more is read than it has, and it is bounded. What it says of itself, or of no address that we
//! know, leaves the socket's own peer standing.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest line of version 1, with its end.
const LINE: usize = 107;
/// What version 2 begins with; version 1 begins with `P`.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The most that version 2 may have behind its first 16 bytes: addresses, and what else the proxy
/// tells, which we do not read.
const MOST: usize = 4096;

/// Reads the header. `None`: it names nobody.
///
/// # Errors
///
/// What reading gives; [`io::ErrorKind::InvalidData`] where it is no header.
pub async fn read(mut io: impl AsyncRead + Unpin) -> io::Result<Option<IpAddr>> {
    match io.read_u8().await? {
        b'P' => {
            let mut line = vec![b'P'];
            while !line.ends_with(b"\r\n") {
                if line.len() == LINE {
                    return Err(malformed());
                }
                line.push(io.read_u8().await?);
            }
            first(&line)
        }
        b'\r' => {
            let mut head = [b'\r'; 16];
            io.read_exact(&mut head[1..]).await?;
            let [.., high, low] = head;
            let length = usize::from(u16::from_be_bytes([high, low]));
            if !head.starts_with(SIGNATURE) || length > MOST {
                return Err(malformed());
            }
            let mut rest = vec![0; length];
            io.read_exact(&mut rest).await?;
            second((head[12], head[13]), &rest)
        }
        _ => Err(malformed()),
    }
}

/// Version 1: `PROXY TCP4 192.0.2.1 192.0.2.2 51000 443`, or `PROXY UNKNOWN` and anything.
fn first(line: &[u8]) -> io::Result<Option<IpAddr>> {
    let line = std::str::from_utf8(line).ok().and_then(|line| line.strip_suffix("\r\n"));
    let mut words = line.ok_or_else(malformed)?.split(' ');
    let mut next = || words.next().unwrap_or_default();
    if next() != "PROXY" {
        return Err(malformed());
    }
    let family = next();
    if family == "UNKNOWN" {
        return Ok(None);
    }
    let (from, to, ports) = (next(), next(), [next(), next()]);
    let known = match family {
        "TCP4" => both::<Ipv4Addr>(from, to),
        "TCP6" => both::<Ipv6Addr>(from, to),
        _ => None,
    };
    let whole = ports.into_iter().all(is_port) && words.next().is_none();
    known.filter(|_| whole).map(|it| Some(it.to_canonical())).ok_or_else(malformed)
}

/// The first of two addresses, if both are of this kind.
fn both<T: std::str::FromStr + Into<IpAddr>>(from: &str, to: &str) -> Option<IpAddr> {
    to.parse::<T>().ok()?;
    from.parse::<T>().ok().map(Into::into)
}

fn is_port(text: &str) -> bool {
    let plain = text == "0" || !text.starts_with(['0', '+']);
    plain && text.parse::<u16>().is_ok()
}

/// Version 2: version and command, family and transport, then the addresses.
fn second((command, family): (u8, u8), rest: &[u8]) -> io::Result<Option<IpAddr>> {
    let own = match command {
        0x20 => true,
        0x21 => false,
        _ => return Err(malformed()),
    };
    let address = match (family >> 4, family & 0x0f) {
        // No address, or that of a unix socket.
        (0 | 3, 0..=2) => None,
        (1, 1 | 2) => {
            let bytes = rest.first_chunk::<12>().ok_or_else(malformed)?;
            bytes.first_chunk::<4>().map(|it| IpAddr::from(*it))
        }
        (2, 1 | 2) => {
            let bytes = rest.first_chunk::<36>().ok_or_else(malformed)?;
            bytes.first_chunk::<16>().map(|it| IpAddr::from(*it))
        }
        // A proxy that speaks for itself need not say more.
        _ if own => None,
        _ => return Err(malformed()),
    };
    Ok(address.filter(|_| !own).map(|it| it.to_canonical()))
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "no PROXY header, or a malformed one")
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use proptest::prelude::*;

    use super::*;

    /// What is read of some bytes, and how many are left.
    fn reads(bytes: &[u8]) -> (Result<Option<String>, io::ErrorKind>, usize) {
        let mut rest = bytes;
        // A slice never waits.
        let read = super::read(&mut rest).now_or_never().unwrap();
        (read.map(|it| it.map(|it| it.to_string())).map_err(|it| it.kind()), rest.len())
    }

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest, b"GET"].concat()
    }

    #[test]
    fn the_client_is_read_and_not_a_byte_more() {
        let four = [192, 0, 2, 1, 10, 0, 0, 1, 1, 2, 3, 4];
        let mut six = [0; 36];
        (six[0], six[1], six[15]) = (0x20, 0x01, 7);
        let mut mapped = [0; 36];
        mapped[10..16].copy_from_slice(&[0xff, 0xff, 192, 0, 2, 9]);
        let long = [&four[..], &[4; 200]].concat();
        for (bytes, expected) in [
            (b"PROXY TCP4 192.0.2.1 10.0.0.1 51000 443\r\nGET".to_vec(), Some("192.0.2.1")),
            (b"PROXY TCP6 2001:db8::1 ::1 0 65535\r\nGET".to_vec(), Some("2001:db8::1")),
            (b"PROXY TCP6 ::ffff:192.0.2.9 ::1 1 2\r\nGET".to_vec(), Some("192.0.2.9")),
            (b"PROXY UNKNOWN\r\nGET".to_vec(), None),
            (b"PROXY UNKNOWN ffff:f whatever\r\nGET".to_vec(), None),
            (v2(0x21, 0x11, &four), Some("192.0.2.1")),
            (v2(0x21, 0x11, &long), Some("192.0.2.1")),
            (v2(0x21, 0x21, &six), Some("2001::7")),
            (v2(0x21, 0x21, &mapped), Some("192.0.2.9")),
            (v2(0x20, 0x11, &four), None),
            (v2(0x20, 0x00, &[]), None),
            (v2(0x20, 0xff, &[]), None),
            (v2(0x21, 0x00, &[]), None),
            (v2(0x21, 0x31, &[0; 216]), None),
        ] {
            let told = bytes.escape_ascii().to_string();
            assert_eq!(reads(&bytes), (Ok(expected.map(str::to_owned)), 3), "{told}");
        }
    }

    #[test]
    fn what_is_malformed_is_refused() {
        let long = [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 100]].concat();
        for bytes in [
            b"GET / HTTP/1.1\r\n".to_vec(),
            b"PROXY\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 10.0.0.1 51000\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 10.0.0.1 51000 443 \r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 10.0.0.1 051000 443\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 10.0.0.1 +1 443\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 10.0.0.1 65536 443\r\n".to_vec(),
            b"PROXY TCP4 ::1 10.0.0.1 1 443\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 ::1 1 443\r\n".to_vec(),
            b"PROXY TCP6 192.0.2.1 ::1 1 443\r\n".to_vec(),
            b"PROXY  TCP4 192.0.2.1 10.0.0.1 1 443\r\n".to_vec(),
            b"PROXY UDP4 192.0.2.1 10.0.0.1 1 443\r\n".to_vec(),
            b"PROXX TCP4 192.0.2.1 10.0.0.1 1 443\r\n".to_vec(),
            b"PROXY TCP4 \xff 10.0.0.1 1 443\r\n".to_vec(),
            long,
            b"\r\n\r\n\0\r\nQUIT\r\x21\x11\0\0".to_vec(),
            v2(0x11, 0x11, &[0; 12]),
            v2(0x22, 0x11, &[0; 12]),
            v2(0x21, 0x11, &[0; 11]),
            v2(0x21, 0x21, &[0; 35]),
            v2(0x21, 0x41, &[0; 36]),
            v2(0x21, 0x13, &[0; 36]),
            v2(0x21, 0x11, &[0; MOST + 1]),
        ] {
            let (read, _) = reads(&bytes);
            assert_eq!(read, Err(io::ErrorKind::InvalidData), "{}", bytes.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(
            bytes in proptest::collection::vec(0..=255u8, 0..64),
            command in 0x1e..0x24u8,
            family in 0..=255u8,
        ) {
            let _ = reads(&bytes);
            let _ = reads(&[b"PROXY TCP4 ", &bytes[..], b"\r\n"].concat());
            let (read, left) = reads(&v2(command, family, &bytes));
            prop_assert!(left == 3 || read.is_err());
        }
    }

    #[test]
    fn what_breaks_off_is_no_header() {
        let whole = v2(0x21, 0x11, &[0; 12]);
        for end in 0..whole.len() - 3 {
            assert_eq!(reads(&whole[..end]).0, Err(io::ErrorKind::UnexpectedEof), "{end}");
        }
    }
}
