//! Forwarded fields that are those of a moment ago.
//!
//! A client mostly sends the same few fields with each request, and each time the same fields for
//! the upstream are made of them. So each thread remembers some of what it made, with what it was
//! made of: that is compared byte by byte, so that whatever comes gets what would be made of it.
//!
//! Only what tells no secret and is of no request alone is remembered: [`of_the_client`].

use std::{
    cell::{Cell, RefCell},
    net::IpAddr,
};

use http::{HeaderMap, HeaderName, HeaderValue, Version};

use super::{Forwarding, Upgrade};
use crate::{policy::encoding::UpstreamEncoding, server::PeerAddr, target::Scheme};

/// How many heads each thread remembers.
const REMEMBERED: usize = 64;

/// The longest head that is remembered, in bytes of its values and of the names of the host.
const MAX_LENGTH: usize = 1 << 10;

/// Of so many that another has the place of, one takes it: clients that share a place, or that
/// differ each time, cost little.
const TURN: u8 = 8;

thread_local! {
    static KNOWN: RefCell<Vec<Option<Known>>> = const { RefCell::new(Vec::new()) };
    static TURNS: Cell<u8> = const { Cell::new(0) };
}

/// A client's fields, and what is forwarded of them.
#[derive(Debug)]
struct Known {
    about: About,
    came: HeaderMap,
    sent: HeaderMap,
}

/// What else the forwarded fields are made of.
#[derive(Debug)]
struct About {
    peer: PeerAddr,
    scheme: Scheme,
    version: Version,
    encoding: UpstreamEncoding,
    authority: Box<str>,
    host: Box<str>,
}

/// What is forwarded of these fields, where this thread remembers it.
#[must_use]
pub fn known(
    came: &HeaderMap,
    forwarding: Forwarding<'_>,
    encoding: UpstreamEncoding,
) -> Option<HeaderMap> {
    let look = |known: &RefCell<Vec<Option<Known>>>| {
        let known = known.borrow();
        let known = known.get(place(came, forwarding))?.as_ref()?;
        let is_it = known.about.is(forwarding, encoding) && known.came.iter().eq(came);
        is_it.then(|| known.sent.clone())
    };
    // A thread that ends remembers nothing any more.
    KNOWN.try_with(look).ok().flatten()
}

/// Remembers what is forwarded of these fields, if it may be.
pub fn remember(
    came: &HeaderMap,
    forwarding: Forwarding<'_>,
    encoding: UpstreamEncoding,
    sent: &HeaderMap,
) {
    let asked_of = forwarding.authority.len() + forwarding.host.len();
    let length = sent.values().fold(asked_of, |sum, value| sum + value.len());
    let ours = forwarding.believed.trusted || forwarding.upgrade != Upgrade::No;
    if ours || length > MAX_LENGTH || !came.keys().all(of_the_client) {
        return;
    }
    let put = |known: &RefCell<Vec<Option<Known>>>| {
        let mut known = known.borrow_mut();
        if known.is_empty() {
            known.resize_with(REMEMBERED, || None);
        }
        let Some(place) = known.get_mut(place(came, forwarding)) else { return };
        if place.is_none() || is_its_turn() {
            let about = About::of(forwarding, encoding);
            *place = Some(Known { about, came: own(came), sent: own(sent) });
        }
    };
    let _ = KNOWN.try_with(put);
}

/// Whether a field tells of the client and of what it takes, and so is the same each time.
fn of_the_client(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "host" | "accept" | "accept-charset" | "accept-encoding" | "accept-language" | "user-agent"
    )
}

impl About {
    fn of(forwarding: Forwarding<'_>, encoding: UpstreamEncoding) -> About {
        let Forwarding { peer, believed, authority, host, version, .. } = forwarding;
        let (authority, host) = (authority.into(), host.into());
        About { peer, scheme: believed.scheme, version, encoding, authority, host }
    }

    /// Whether this is what is told of a request whose peer is not believed.
    fn is(&self, forwarding: Forwarding<'_>, encoding: UpstreamEncoding) -> bool {
        let Forwarding { peer, believed, authority, host, version, upgrade } = forwarding;
        let is_plain = !believed.trusted && upgrade == Upgrade::No;
        is_plain
            && self.peer == peer
            && self.scheme == believed.scheme
            && self.version == version
            && self.encoding == encoding
            && *self.authority == *authority
            && *self.host == *host
    }
}

/// By the last bytes of the client's address, and by how much it sent.
fn place(came: &HeaderMap, forwarding: Forwarding<'_>) -> usize {
    let low = match forwarding.peer {
        PeerAddr::Ip(IpAddr::V4(address)) => address.octets()[3],
        PeerAddr::Ip(IpAddr::V6(address)) => address.octets()[7] ^ address.octets()[15],
        PeerAddr::Unix => 0,
    };
    (usize::from(low) + 7 * came.len() + forwarding.authority.len()) % REMEMBERED
}

fn is_its_turn() -> bool {
    TURNS.try_with(|turns| turns.replace((turns.get() + 1) % TURN)).is_ok_and(|turn| turn == 0)
}

/// The same fields in memory of their own: what hyper read is a slice of a large buffer.
fn own(fields: &HeaderMap) -> HeaderMap {
    let mut own = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields {
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            own.append(name.clone(), value);
        }
    }
    own
}

#[cfg(test)]
mod tests {
    use http::header;

    use super::*;
    use crate::fields::{Believed, forward};

    const AGENT: (&str, &str) = ("user-agent", "test/1");

    fn fields(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let line = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        lines.iter().map(line).collect()
    }

    fn peer(last: u8) -> PeerAddr {
        PeerAddr::Ip([192, 0, 2, last].into())
    }

    fn forwarding(believed: &Believed) -> Forwarding<'_> {
        let (authority, host, version) = ("api.example.org", "api.example.org", Version::HTTP_11);
        Forwarding { peer: peer(1), believed, authority, host, version, upgrade: Upgrade::No }
    }

    fn made(came: &HeaderMap, by: Forwarding<'_>) -> HeaderMap {
        let mut sent = came.clone();
        forward(&mut sent, by);
        sent
    }

    const IDENTITY: UpstreamEncoding = UpstreamEncoding::Identity;

    #[test]
    fn what_was_made_of_the_same_is_known_and_of_nothing_else() {
        let believed = Believed::default();
        let by = forwarding(&believed);
        let came = fields(&[("host", "api.example.org"), AGENT]);
        assert_eq!(known(&came, by, IDENTITY), None, "nothing was made yet");
        let sent = made(&came, by);
        remember(&came, by, IDENTITY, &sent);
        assert_eq!(known(&came, by, IDENTITY), Some(sent), "the same again");
        let https = Believed { scheme: Scheme::Https, ..Believed::default() };
        let trusted = Believed { trusted: true, ..Believed::default() };
        let others = [
            (Forwarding { peer: peer(65), ..by }, "another client at the same place"),
            (Forwarding { authority: "api.example.com", ..by }, "another host was asked"),
            (Forwarding { host: "api.example.com", ..by }, "another Host is sent"),
            (Forwarding { version: Version::HTTP_2, ..by }, "Via says another version"),
            (Forwarding { upgrade: Upgrade::WebSocket, ..by }, "it asks for another protocol"),
            (Forwarding { believed: &https, ..by }, "it came by TLS"),
            (Forwarding { believed: &trusted, ..by }, "its peer is believed"),
        ];
        for (other, why) in others {
            assert_eq!(known(&came, other, IDENTITY), None, "{why}");
        }
        assert_eq!(known(&came, by, UpstreamEncoding::Gzip), None, "another coding is asked for");
        let rows = [
            fields(&[("host", "api.example.org"), ("user-agent", "test/2")]),
            fields(&[("host", "api.example.org"), ("accept", "test/1")]),
            fields(&[AGENT, ("host", "api.example.org")]),
        ];
        for other in rows {
            assert_eq!(known(&other, by, IDENTITY), None, "{other:?}");
        }
    }

    #[test]
    fn nothing_is_remembered_that_may_be_secret_or_long() {
        let believed = Believed::default();
        let by = forwarding(&believed);
        for name in ["authorization", "cookie", "x-api-key", "range", "if-none-match"] {
            let came = fields(&[("host", "api.example.org"), (name, "1")]);
            remember(&came, by, IDENTITY, &made(&came, by));
            assert_eq!(known(&came, by, IDENTITY), None, "{name}");
        }
        let mut long = fields(&[("host", "api.example.org")]);
        let agent = HeaderValue::from_bytes(&[b'x'; MAX_LENGTH]).unwrap();
        long.insert(header::USER_AGENT, agent);
        remember(&long, by, IDENTITY, &made(&long, by));
        assert_eq!(known(&long, by, IDENTITY), None, "it is too long");
    }

    #[test]
    fn of_those_that_share_a_place_each_gets_a_turn() {
        let believed = Believed::default();
        let by = forwarding(&believed);
        let agents = ["a", "b", "c"].map(|agent| fields(&[("user-agent", agent)]));
        let mut found = 0;
        for came in agents.iter().cycle().take(90) {
            match known(came, by, IDENTITY) {
                Some(sent) => {
                    assert_eq!(sent, made(came, by), "what is found is right");
                    found += 1;
                }
                None => remember(came, by, IDENTITY, &made(came, by)),
            }
        }
        assert!(found >= 20, "one of three is remembered at any time: {found}");
    }
}
