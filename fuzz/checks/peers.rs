//! What stands before a request, or beside it: the PROXY header of a connection, ids and traces.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue};
use larder::{
    ids::{Naming, Tracing},
    server::proxy_protocol,
};

use super::lines;

/// The first bytes of a connection, beside a second reader of the PROXY protocol.
pub(crate) fn proxy_header(data: &[u8]) {
    let mut rest = data;
    // A slice never waits.
    let read = proxy_protocol::read(&mut rest).now_or_never().expect("it does not wait");
    let expected = if data.first() == Some(&b'P') { first(data) } else { second(data) };
    match (read, expected) {
        (Ok(read), Some((client, length))) => {
            assert_eq!((read, data.len() - rest.len()), (client, length), "not a byte more");
        }
        (Err(_), None) => {}
        (read, expected) => panic!("{read:?}, expected {expected:?}"),
    }
}

/// Version 1: whom it names, and how long it is.
fn first(data: &[u8]) -> Option<(Option<IpAddr>, usize)> {
    let end = data.windows(2).position(|two| two == b"\r\n")?;
    let line = std::str::from_utf8(&data[..end]).ok().filter(|line| line.len() <= 105)?;
    let words: Vec<&str> = line.split(' ').collect();
    let client: Option<IpAddr> = match *words {
        ["PROXY", "UNKNOWN", ..] => None,
        ["PROXY", kind, from, to, here, there] => {
            let port = |it: &str| it.parse::<u16>().is_ok_and(|port| port.to_string() == it);
            let (from, to): (IpAddr, IpAddr) = (from.parse().ok()?, to.parse().ok()?);
            let four = from.is_ipv4() && to.is_ipv4() && kind == "TCP4";
            let six = from.is_ipv6() && to.is_ipv6() && kind == "TCP6";
            Some(from).filter(|_| (four || six) && port(here) && port(there)).map(Some)?
        }
        _ => return None,
    };
    Some((client.map(|it| it.to_canonical()), end + 2))
}

/// Version 2.
fn second(data: &[u8]) -> Option<(Option<IpAddr>, usize)> {
    let behind = data.strip_prefix(b"\r\n\r\n\0\r\nQUIT\n")?;
    let (&[command, family, high, low], behind) = behind.split_first_chunk::<4>()?;
    let length = usize::from(high) * 256 + usize::from(low);
    let told = behind.get(..length).filter(|_| length <= 4096)?;
    let client = match (command, family) {
        (0x20, _) => None,
        (0x21, 0x00..=0x02 | 0x30..=0x32) => None,
        (0x21, 0x11 | 0x12) if length >= 12 => {
            Some(IpAddr::V4(Ipv4Addr::new(told[0], told[1], told[2], told[3])))
        }
        (0x21, 0x21 | 0x22) if length >= 36 => {
            let bytes: [u8; 16] = told[..16].try_into().ok()?;
            Some(Ipv6Addr::from(bytes).to_canonical())
        }
        _ => return None,
    };
    let short = matches!((command, family), (0x20, 0x11 | 0x12) if length < 12)
        || matches!((command, family), (0x20, 0x21 | 0x22) if length < 36);
    (!short).then_some((client, 16 + length))
}

/// X-Request-Id and traceparent: a line each, the first of them the id. What is sent to the API is
/// well formed, whatever came (W3C Trace Context §3.2).
pub(crate) fn trace(data: &[u8]) {
    let mut asked = HeaderMap::new();
    let names = ["x-request-id", "traceparent", "tracestate", "traceparent", "x-request-id"];
    for (name, value) in names.into_iter().zip(lines(data)) {
        let Ok(value) = HeaderValue::from_bytes(value) else { return };
        if !value.is_empty() {
            asked.append(HeaderName::from_static(name), value);
        }
    }
    let (mut told, mut kept) = (asked.clone(), asked.clone());
    let begin = Naming { request: true, trace: Tracing::Begin };
    begin.of(&asked).expect("it is asked for").tell(&mut told);
    let text = |fields: &HeaderMap, name| {
        let mut lines = fields.get_all(name).iter();
        let (line, None) = (lines.next()?, lines.next()) else { return None };
        line.to_str().ok().map(str::to_owned)
    };
    let id = text(&told, "x-request-id").expect("one id, in ASCII");
    assert!((1..=128).contains(&id.len()) && !id.contains([' ', ',', ';', '"']), "{id}");
    let parent = text(&told, "traceparent").expect("one parent, in ASCII");
    let pieces: Vec<&str> = parent.split('-').collect();
    assert_eq!(pieces.iter().map(|it| it.len()).collect::<Vec<_>>(), [2, 32, 16, 2], "{parent}");
    let low = |it: &&str| it.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
    assert!(pieces.iter().all(low) && pieces[0] == "00", "{parent}");
    assert!(pieces[1..3].iter().all(|it| !it.trim_matches('0').is_empty()), "§3.2.2: nothing is 0");
    let came = asked.get("traceparent").map(HeaderValue::as_bytes);
    let goes_on = came.is_some_and(|it| it.get(3..35) == Some(pieces[1].as_bytes()));
    assert!(goes_on || told.get("tracestate").is_none(), "§3.4: it is of another trace");
    Naming { request: false, trace: Tracing::Keep }
        .of(&asked)
        .expect("it is asked for")
        .tell(&mut kept);
    assert_eq!(
        kept.get_all("x-request-id").iter().count(),
        asked.get_all("x-request-id").iter().count()
    );
}
