//! `[admin]`.

use crate::config::{
    Admin, Listen, Secret,
    address::{host, range},
    reader::Section,
};

/// Bytes that a secret has at least: one that could be guessed is none.
const MIN_SECRET: usize = 16;
const MAX_SECRET: usize = 256;

/// What `[admin]` says; `public` are the addresses that clients connect to.
pub(super) fn read(mut section: Section<'_>, public: &[Listen]) -> Admin {
    let listen = listen(&mut section, public);
    let token = secret(&mut section, "token");
    let hosts =
        section.texts("hosts", "an array of names such as [\"larder.internal\"]", Some("[]"));
    let hosts = hosts.unwrap_or_default();
    let takes = "an array of addresses and ranges such as [\"10.0.0.0/8\"]";
    let purge_from = section.texts("purge_from", takes, Some("[]")).unwrap_or_default();
    let webhook_secret = secret(&mut section, "webhook_secret");
    for key in ["token", "hosts", "webhook_secret"] {
        if section.has(key) && !section.has("listen") {
            section.report(key, "does nothing without admin.listen: write an address there");
        }
    }
    section.finish();
    Admin {
        listen,
        token,
        hosts: hosts.iter().filter_map(|text| text.read(host)).collect(),
        purge_from: purge_from.iter().filter_map(|text| text.read(range)).collect(),
        webhook_secret,
    }
}

fn listen(section: &mut Section<'_>, public: &[Listen]) -> Option<Listen> {
    let takes = "an address such as \"127.0.0.1:9901\", or \"unix:/path\"";
    let text = section.text("listen", takes, None)?;
    let listen = text.read(str::parse::<Listen>)?;
    if public.iter().any(|other| other.collides(&listen)) {
        text.refuse("is where clients connect: choose another, which they cannot reach");
    }
    Some(listen)
}

/// Its problems do not show it.
fn secret(section: &mut Section<'_>, key: &'static str) -> Option<Secret> {
    let text = section.text(key, "a secret such as \"${LARDER_TOKEN}\"", None)?;
    let secret = text.value();
    let valid = (MIN_SECRET..=MAX_SECRET).contains(&secret.len())
        && secret.bytes().all(|byte| byte.is_ascii_graphic());
    if !valid {
        let message = format!(
            "is no secret: write {MIN_SECRET} to {MAX_SECRET} visible ASCII characters, as \
             `openssl rand -hex 32` makes them"
        );
        section.report(key, message);
    }
    valid.then(|| Secret::new(secret))
}
