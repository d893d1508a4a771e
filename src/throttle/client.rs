//! Who a client is, as far as a limit goes: a number that says nothing of what it was made of.

use std::{
    hash::{BuildHasher, Hash, Hasher, RandomState},
    net::IpAddr,
};

use http::{HeaderMap, HeaderValue};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::{
    config::throttle::{Part, Prefixes},
    policy::cookies,
};

/// What stands for a client: a keyed hash. The key is the process's own and random, so that
/// neither memory nor a log holds a credential, and nobody can choose whose bucket to share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) id: u64,
    /// Its network, where that alone tells it from others.
    network: Option<IpNet>,
}

/// How clients are told apart.
#[derive(Debug)]
pub(super) struct Telling {
    pub(super) key: Vec<Part>,
    pub(super) prefixes: Prefixes,
    pub(super) seed: RandomState,
}

/// What is known of who sends a request.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    /// As far as is believed; `None` on a unix socket.
    pub address: Option<IpAddr>,
    /// Of its request.
    pub fields: &'a HeaderMap,
    /// Its Cookie, where that is not among the fields: the operator has the API not see it.
    pub unseen: Option<&'a HeaderValue>,
}

impl Telling {
    /// Who sent a request.
    pub(super) fn client(&self, sender: Sender<'_>) -> Client {
        let mut hasher = self.seed.build_hasher();
        let network = self.network(sender.address);
        for part in &self.key {
            let value = match part {
                Part::ClientIp => None,
                Part::Header(name) => {
                    only(sender.fields.get_all(name).iter().map(HeaderValue::as_bytes))
                }
                Part::Cookie(name) => sender.cookie(name),
            };
            match value {
                // Before it stands the number of a kind: no value looks like an address.
                Some(value) => spell(value, &mut hasher),
                // Who sends none is not everybody who sends none; and who sends several may be
                // any of them to the API.
                None => network.hash(&mut hasher),
            }
        }
        let alone = self.key == [Part::ClientIp];
        Client { id: hasher.finish(), network: network.filter(|_| alone) }
    }

    fn network(&self, address: Option<IpAddr>) -> Option<IpNet> {
        let Prefixes { v4, v6 } = self.prefixes;
        within(address?, v4, v6)
    }
}

impl<'a> Sender<'a> {
    fn cookie(self, name: &str) -> Option<&'a [u8]> {
        match self.unseen {
            Some(unseen) => only(cookies::values_of(unseen.as_bytes(), name)),
            None => only(cookies::values(self.fields, name)),
        }
    }
}

impl Client {
    /// Its neighbourhood: never a part of what is one client.
    pub(super) fn network(&self) -> Option<IpNet> {
        // Of the first address of its own network, so that all of that has one.
        within(self.network?.addr(), 24, 48)
    }
}

impl Hash for Client {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

fn within(address: IpAddr, v4: u8, v6: u8) -> Option<IpNet> {
    let network = match address {
        IpAddr::V4(address) => IpNet::from(Ipv4Net::new(address, v4).ok()?),
        IpAddr::V6(address) => IpNet::from(Ipv6Net::new(address, v6).ok()?),
    };
    Some(network.trunc())
}

/// The only value there is, if it says anything.
fn only<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    let value = values.next().filter(|value| !value.is_empty());
    value.filter(|_| values.next().is_none())
}

/// Hashes what a value says, however it is spelled: APIs differ in what they make of case,
/// percent-encoding, quotes and spaces, and who could choose among spellings would be many.
fn spell(value: &[u8], hasher: &mut impl Hasher) {
    let (mut spelled, mut filled, mut rest) = ([0; 64], 0, value);
    let mut length = 0;
    hasher.write_u8(2);
    while let Some((byte, after)) = next_byte(rest) {
        rest = after;
        if matches!(byte, b'"' | b' ' | b'\t') {
            continue;
        }
        spelled[filled] = byte.to_ascii_lowercase();
        filled += 1;
        length += 1;
        if filled == spelled.len() {
            hasher.write(&spelled);
            filled = 0;
        }
    }
    hasher.write(&spelled[..filled]);
    hasher.write_usize(length);
}

/// The first byte, decoded where it is percent-encoded (RFC 3986 §2.1), and what follows it.
fn next_byte(value: &[u8]) -> Option<(u8, &[u8])> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
    if let [b'%', high, low, rest @ ..] = value
        && let (Some(high), Some(low)) = (digit(*high), digit(*low))
    {
        return Some((high << 4 | low, rest));
    }
    value.split_first().map(|(byte, rest)| (*byte, rest))
}

#[cfg(test)]
mod tests {
    use http::header;

    use super::*;

    fn telling(key: &[Part]) -> Telling {
        let prefixes = Prefixes::default();
        Telling { key: key.to_vec(), prefixes, seed: RandomState::new() }
    }

    fn fields(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (header::HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let mut fields = HeaderMap::new();
        for (name, value) in pairs.iter().map(pair) {
            fields.append(name, value);
        }
        fields
    }

    fn id(telling: &Telling, address: &str, pairs: &[(&'static str, &'static str)]) -> u64 {
        let fields = fields(pairs);
        let sender = Sender { address: address.parse().ok(), fields: &fields, unseen: None };
        telling.client(sender).id
    }

    #[test]
    fn an_ipv6_customer_is_one_client() {
        let telling = telling(&[Part::ClientIp]);
        let of = |address| id(&telling, address, &[]);
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::2"), "the same /64");
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_ne!(of("0.0.0.0"), of("::"));
    }

    #[test]
    fn a_key_counts_and_who_has_none_is_told_by_address() {
        let telling = telling(&[Part::Header(header::HeaderName::from_static("x-api-key"))]);
        let with = |address, key| id(&telling, address, &[("x-api-key", key)]);
        assert_eq!(with("192.0.2.1", "a"), with("192.0.2.2", "a"));
        assert_ne!(with("192.0.2.1", "a"), with("192.0.2.1", "b"));
        let none = |address| id(&telling, address, &[]);
        assert_eq!(with("192.0.2.1", ""), none("192.0.2.1"), "an empty one is none");
        assert_ne!(id(&telling, "192.0.2.1", &[]), id(&telling, "192.0.2.2", &[]));
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let telling = telling(&[Part::Cookie("sid".to_owned())]);
        let with = |cookie| id(&telling, "192.0.2.1", &[("cookie", cookie)]);
        assert_eq!(with("sid=1"), with("a=b; sid=1; c=d"));
        assert_ne!(with("sid=1"), with("sid=2"));
        assert_eq!(with("xsid=1"), with("sidx=1"), "neither is it");
    }

    #[test]
    fn who_sends_several_keys_is_told_by_address() {
        let key = telling(&[Part::Header(header::HeaderName::from_static("x-api-key"))]);
        let cookie = telling(&[Part::Cookie("sid".to_owned())]);
        for junk in ["1", "2"] {
            let lines = [("x-api-key", "a"), ("x-api-key", junk)];
            let by_address = id(&key, "192.0.2.1", &[]);
            assert_eq!(id(&key, "192.0.2.1", &lines), by_address, "the API takes either");
            for cookies in
                [vec![("cookie", "sid=a"), ("cookie", "sid=1")], vec![("cookie", "sid=a; sid=1")]]
            {
                assert_eq!(id(&cookie, "192.0.2.1", &cookies), id(&cookie, "192.0.2.1", &[]));
            }
        }
    }

    #[test]
    fn a_key_is_the_same_however_it_is_spelled() {
        let key = telling(&[Part::Header(header::AUTHORIZATION)]);
        let with = |value| id(&key, "192.0.2.1", &[("authorization", value)]);
        for other in ["bearer abc", "Bearer  abc", "BEARER ABC"] {
            assert_eq!(with("Bearer abc"), with(other), "RFC 9110 §11.1: {other}");
        }
        assert_ne!(with("Bearer abc"), with("Bearer abd"));
        let cookie = telling(&[Part::Cookie("sid".to_owned())]);
        let with = |value| id(&cookie, "192.0.2.1", &[("cookie", value)]);
        for other in ["sid=\"abc\"", "sid = abc", "sid=%61b%63", "a=b;sid=abc "] {
            assert_eq!(with("sid=abc"), with(other), "some API takes it for the same: {other}");
        }
        for other in ["sid=%6", "sid=ab", "sid=abcd", "sid=%zzabc"] {
            assert_ne!(with("sid=abc"), with(other), "{other}");
        }
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let part = |name| Part::Header(header::HeaderName::from_static(name));
        let telling = telling(&[part("a"), part("b")]);
        let with = |a, b| id(&telling, "192.0.2.1", &[("a", a), ("b", b)]);
        assert_ne!(with("xy", "z"), with("x", "yz"));
        let long = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        assert_ne!(with(long, "x"), with("x", long), "longer than what is hashed at a time");
    }

    #[test]
    fn a_neighbourhood_is_no_part_of_a_client() {
        let prefixes = Prefixes { v4: 16, v6: 32 };
        let telling = Telling { key: vec![Part::ClientIp], prefixes, seed: RandomState::new() };
        let network = |address: &str| {
            let sender =
                Sender { address: address.parse().ok(), fields: &HeaderMap::new(), unseen: None };
            telling.client(sender).network()
        };
        assert_eq!(network("192.0.2.1"), network("192.0.3.1"), "one client of a /16");
        assert_eq!(network("2001:db8:1::1"), network("2001:db8:2::1"), "one client of a /32");
        assert_ne!(network("192.0.2.1"), network("192.1.2.1"));
    }

    #[test]
    fn a_neighbourhood_is_a_24_or_a_48() {
        let telling = telling(&[Part::ClientIp]);
        let network = |address: &str| {
            let sender =
                Sender { address: address.parse().ok(), fields: &HeaderMap::new(), unseen: None };
            telling.client(sender).network().unwrap().to_string()
        };
        assert_eq!(network("192.0.2.1"), "192.0.2.0/24");
        assert_eq!(network("2001:db8:1:2::1"), "2001:db8:1::/48");
    }

    #[test]
    fn no_key_is_kept_as_it_was_sent() {
        let telling = telling(&[Part::Header(header::HeaderName::from_static("x-api-key"))]);
        let fields = fields(&[("x-api-key", "not-to-be-seen")]);
        let client = telling.client(Sender { address: None, fields: &fields, unseen: None });
        assert!(!format!("{client:?} {telling:?}").contains("not-to-be-seen"));
    }

    #[test]
    fn several_parts_count_together() {
        let key = Part::Header(header::HeaderName::from_static("x-api-key"));
        let telling = telling(&[Part::ClientIp, key]);
        let with = |address, key| id(&telling, address, &[("x-api-key", key)]);
        assert_ne!(with("192.0.2.1", "a"), with("192.0.2.2", "a"));
        assert_ne!(with("192.0.2.1", "a"), with("192.0.2.1", "b"));
        assert_eq!(with("192.0.2.1", "a"), with("192.0.2.1", "a"));
    }
}
