//! Who a client is, as far as a limit goes: a number that says nothing of what it was made of.

use std::{
    hash::{BuildHasher, Hash, Hasher, RandomState},
    net::IpAddr,
};

use http::{HeaderMap, header};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::config::throttle::{Part, Prefixes};

/// What stands for a client: a keyed hash. The key is the process's own and random, so that
/// neither memory nor a log holds a credential, and nobody can choose whose bucket to share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) id: u64,
    /// Its address, where that alone tells it from others.
    address: Option<IpAddr>,
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
}

impl Telling {
    /// Who sent a request.
    pub(super) fn client(&self, sender: Sender<'_>) -> Client {
        let mut hasher = self.seed.build_hasher();
        for part in &self.key {
            let found = match part {
                Part::ClientIp => false,
                Part::Header(name) => hash_field(sender.fields, name, &mut hasher),
                Part::Cookie(name) => hash_cookie(sender.fields, name, &mut hasher),
            };
            // Who sends none is not everybody who sends none.
            if !found {
                self.network(sender.address).hash(&mut hasher);
            }
        }
        let alone = self.key == [Part::ClientIp];
        Client { id: hasher.finish(), address: sender.address.filter(|_| alone) }
    }

    fn network(&self, address: Option<IpAddr>) -> Option<IpNet> {
        let Prefixes { v4, v6 } = self.prefixes;
        within(address?, v4, v6)
    }
}

impl Client {
    /// Its neighbourhood.
    pub(super) fn network(&self) -> Option<IpNet> {
        within(self.address?, 24, 48)
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

fn hash_field(fields: &HeaderMap, name: &header::HeaderName, hasher: &mut impl Hasher) -> bool {
    let mut lines = fields.get_all(name).iter().peekable();
    if lines.peek().is_none() {
        return false;
    }
    // Before it stands the number of a kind: no header looks like a cookie, or like no header.
    hasher.write_u8(2);
    lines.for_each(|line| line.as_bytes().hash(hasher));
    true
}

fn hash_cookie(fields: &HeaderMap, name: &str, hasher: &mut impl Hasher) -> bool {
    let lines = fields.get_all(header::COOKIE).iter();
    let mut pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    let value = pairs.find_map(|pair| {
        let pair = pair.trim_ascii();
        pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")
    });
    let Some(value) = value else { return false };
    hasher.write_u8(3);
    value.hash(hasher);
    true
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn telling(key: &[Part]) -> Telling {
        let prefixes = Prefixes::default();
        Telling { key: key.to_vec(), prefixes, seed: RandomState::new() }
    }

    fn fields(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (header::HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    fn id(telling: &Telling, address: &str, pairs: &[(&'static str, &'static str)]) -> u64 {
        let fields = fields(pairs);
        telling.client(Sender { address: address.parse().ok(), fields: &fields }).id
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
        assert_ne!(with("192.0.2.1", ""), id(&telling, "192.0.2.1", &[]));
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
    fn several_parts_count_together() {
        let key = Part::Header(header::HeaderName::from_static("x-api-key"));
        let telling = telling(&[Part::ClientIp, key]);
        let with = |address, key| id(&telling, address, &[("x-api-key", key)]);
        assert_ne!(with("192.0.2.1", "a"), with("192.0.2.2", "a"));
        assert_ne!(with("192.0.2.1", "a"), with("192.0.2.1", "b"));
        assert_eq!(with("192.0.2.1", "a"), with("192.0.2.1", "a"));
    }
}
