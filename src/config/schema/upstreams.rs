//! `[upstreams.<name>]`, and the upstreams that are only a URL.

use std::{path::PathBuf, time::Duration};

use crate::config::{
    Address, Host, Upstream,
    address::host_field,
    reader::Section,
    suggest::nearest,
    throttle::Quota,
    units::{TIMEOUT, count, rate},
    value::Text,
};

impl Upstream {
    /// An upstream with every default.
    #[must_use]
    pub fn new(name: impl Into<String>, address: Address) -> Upstream {
        Upstream {
            name: name.into(),
            address,
            host: Host::default(),
            ca: None,
            connect: Duration::from_secs(3),
            first_byte: Duration::from_secs(30),
            between_bytes: Duration::from_secs(30),
            max_concurrent: 512,
            quota: None,
        }
    }
}

/// The upstreams of a file.
#[derive(Default)]
pub(super) struct Upstreams {
    pub(super) list: Vec<Upstream>,
    /// The names that the operator gave, those of faulty upstreams too.
    names: Vec<String>,
}

impl Upstreams {
    /// Reads `[upstreams.<name>]`.
    pub(super) fn read(&mut self, name: &str, mut section: Section<'_>) {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if name.is_empty() || !name.bytes().all(allowed) {
            section.report_whole("is not a name: write letters, digits, _, - and . alone");
        }
        let url = section.text("url", "a URL such as \"http://127.0.0.1:3000\"", None);
        if !section.has("url") {
            let example = "url = \"http://127.0.0.1:3000\"";
            section.report("url", format!("is missing: write where the API is, as in {example}"));
        }
        let address = url.and_then(|text| text.read(str::parse::<Address>));
        let known = address.is_some();
        let upstream = Upstream::new(name, address.unwrap_or(Address::Unix(PathBuf::new())));
        let upstream = settings(&mut section, upstream);
        if known {
            agree(&section, &upstream);
        }
        section.finish();
        self.names.push(name.to_owned());
        self.list.push(upstream);
    }

    /// The name of the upstream that a URL or a name means.
    pub(super) fn resolve(&mut self, text: &Text<'_>) -> Option<String> {
        let value = text.value();
        if value.contains("://") || value.starts_with("unix:") {
            return text.read(str::parse::<Address>).map(|address| self.plain(value, address));
        }
        if self.names.iter().any(|name| name == value) {
            return Some(value.to_owned());
        }
        text.refuse(match nearest(value, self.names.iter().map(String::as_str)) {
            Some(near) => format!("is no upstream: did you mean {near:?}?"),
            None if self.names.is_empty() => "is not a URL: put http://, https:// or unix: before \
                                              it, or add an [upstreams.<name>] of that name"
                .to_owned(),
            None => format!("is neither a URL nor one of {}", self.names.join(", ")),
        });
        None
    }

    /// The upstream that is only a URL: one for each address.
    fn plain(&mut self, url: &str, address: Address) -> String {
        let named = |upstream: &Upstream| self.names.contains(&upstream.name);
        let same = |upstream: &&Upstream| !named(upstream) && upstream.address == address;
        if let Some(upstream) = self.list.iter().find(same) {
            return upstream.name.clone();
        }
        self.list.push(Upstream::new(url, address));
        url.to_owned()
    }
}

fn settings(section: &mut Section<'_>, default: Upstream) -> Upstream {
    let host = section.text("host", "\"preserve\", \"upstream\", or a host name", Some("preserve"));
    let host = host.and_then(|text| text.read(host_field)).unwrap_or_default();
    let ca = section.text("ca", "the path of a PEM file", None);
    let ca = ca.and_then(|text| text.read(pem));
    let max_concurrent =
        section.number("max_concurrent", &count(1, 1_000_000), default.max_concurrent);
    let mut timeouts = section.table("timeouts");
    let connect = timeouts.number("connect", &TIMEOUT, default.connect);
    let first_byte = timeouts.number("first_byte", &TIMEOUT, default.first_byte);
    let between_bytes = timeouts.number("between_bytes", &TIMEOUT, default.between_bytes);
    timeouts.finish();
    let has_quota = section.has("quota");
    let quota = quota(section.table("quota"), has_quota);
    Upstream { host, ca, connect, first_byte, between_bytes, max_concurrent, quota, ..default }
}

fn quota(mut section: Section<'_>, written: bool) -> Option<Quota> {
    let rate = section.text("rate", "a rate such as \"100/min\"", None);
    if written && !section.has("rate") {
        section.report("rate", "is missing: write how often, as in rate = \"100/min\"");
    }
    let rate = rate.and_then(|text| text.read(self::rate));
    let follow_headers = section.flag("follow_headers", true);
    section.finish();
    Some(Quota { rate: rate?, follow_headers })
}

/// Reports settings that do not go with the URL.
fn agree(section: &Section<'_>, upstream: &Upstream) {
    if upstream.ca.is_some() && !matches!(upstream.address, Address::Https { .. }) {
        section.report("ca", "is for https alone: remove it, or write an https:// URL");
    }
    if upstream.host == Host::Upstream && matches!(upstream.address, Address::Unix(_)) {
        let message = "cannot be \"upstream\", a unix socket has no name: write the name that the \
                       API expects, or \"preserve\"";
        section.report("host", message);
    }
}

pub(super) fn pem(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() || text.contains('\0') {
        return Err("is not a path: write that of a PEM file with certificates".into());
    }
    Ok(PathBuf::from(text))
}
