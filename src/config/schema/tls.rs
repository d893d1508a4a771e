//! `[tls]`: listeners by TLS, and what they prove and ask for.

use std::path::PathBuf;

use http::{HeaderName, HeaderValue};

use super::{addresses, list::field, upstreams::pem};
use crate::{
    config::{
        Listen, Route, Tls,
        reader::Section,
        tls::{Ask, Certificate, Clients, MinVersion, UnknownName},
        units::count,
    },
    fields,
};

/// Far more than an operator has; all of them are read again and again.
const MOST: usize = 1000;

/// What is written; `None` without `listen`.
pub(super) fn read(mut section: Section<'_>, plain: &[Listen]) -> Option<Tls> {
    let takes = "an address such as \"0.0.0.0:443\", or an array of them";
    let listen = section.texts("listen", takes, None);
    let written = section.has("listen");
    let listen = addresses(listen.unwrap_or_default(), plain);
    let takes = "an address such as \"0.0.0.0:80\", or an array of them";
    let redirect = section.texts("redirect", takes, None).unwrap_or_default();
    let others: Vec<Listen> = plain.iter().chain(&listen).cloned().collect();
    let tls = Tls {
        redirect: addresses(redirect, &others),
        listen,
        redirect_port: port(&mut section),
        min_version: section.word(
            "min_version",
            &[("1.2", MinVersion::Tls12), ("1.3", MinVersion::Tls13)],
            MinVersion::default(),
        ),
        unknown_name: section.word(
            "unknown_name",
            &[("default", UnknownName::Default), ("refuse", UnknownName::Refuse)],
            UnknownName::default(),
        ),
        hsts: hsts(&mut section),
        clients: clients(&mut section),
        certificates: certificates(&mut section, written),
    };
    let other = ["redirect", "client_certificates", "hsts", "certificates"];
    if let Some(first) = other.into_iter().find(|key| section.has(key)).filter(|_| !written) {
        let example = "listen = \"0.0.0.0:443\"";
        section.report(first, format!("does nothing without tls.listen: add {example}"));
    }
    section.finish();
    written.then_some(tls)
}

/// All addresses at which clients are listened for.
pub(super) fn public<'a>(
    plain: &'a [Listen],
    tls: Option<&'a Tls>,
) -> impl Iterator<Item = &'a Listen> {
    plain.iter().chain(tls.into_iter().flat_map(|tls| tls.listen.iter().chain(&tls.redirect)))
}

/// Keeps what an upstream answers to one client from all others: it knows them by `field`.
pub(super) fn tell_apart(route: &mut Route, field: &HeaderName) {
    let names = &mut route.cache.rules.key.headers;
    if !names.contains(field) {
        names.push(field.clone());
        names.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
    }
}

fn port(section: &mut Section<'_>) -> u16 {
    u16::try_from(section.number("redirect_port", &count(1, 65_535), 443)).unwrap_or(443)
}

/// The value as it is sent (RFC 6797 §6.1).
fn hsts(section: &mut Section<'_>) -> Option<HeaderValue> {
    let takes = "\"off\", or a value such as \"max-age=31536000\"";
    let text = section.text("hsts", takes, Some("off"))?;
    if text.value() == "off" {
        return None;
    }
    text.read(|text| {
        let known = |directive: &str| {
            let directive = directive.trim().to_ascii_lowercase();
            let seconds = directive.strip_prefix("max-age=");
            seconds.is_some_and(|it| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit()))
                || matches!(&*directive, "includesubdomains" | "preload")
        };
        let aged = text.to_ascii_lowercase().matches("max-age=").count() == 1;
        let value = HeaderValue::from_str(text).ok();
        value.filter(|_| aged && text.split(';').all(known)).ok_or_else(|| {
            "is no such value: write max-age= and seconds, and includeSubDomains or preload behind \
             a semicolon, as in \"max-age=31536000; includeSubDomains\""
                .to_owned()
        })
    })
}

fn clients(section: &mut Section<'_>) -> Clients {
    let asked = section.text("client_certificates", "\"request\" or \"require\"", None);
    let ask = asked.and_then(|text| text.read(ask)).unwrap_or_default();
    let ca = section.text("client_ca", "the path of a PEM file", None);
    let ca = ca.and_then(|text| text.read(pem));
    let crl = section.text("client_crl", "the path of a PEM file", None);
    let crl = crl.and_then(|text| text.read(pem));
    let subject = section.text("client_subject", "a name such as \"X-Client-Subject\"", None);
    let subject = subject.and_then(|text| text.read(told_by));
    if ask != Ask::Off && !section.has("client_ca") {
        let why = "needs a client_ca: write the file with the roots of clients' certificates";
        section.report("client_certificates", why);
    }
    for key in ["client_ca", "client_crl", "client_subject"] {
        if ask == Ask::Off && section.has(key) {
            let example = "client_certificates = \"require\"";
            section.report(key, format!("does nothing unless they are asked for: add {example}"));
        }
    }
    let lines = (section.line_of("client_ca"), section.line_of("client_crl"));
    Clients { ask, ca, crl, lines, subject }
}

fn ask(text: &str) -> Result<Ask, String> {
    match text {
        "off" => Ok(Ask::Off),
        "request" => Ok(Ask::Request),
        "require" => Ok(Ask::Require),
        _ => Err("is not a value that it has: write \"request\", \"require\" or \"off\"".into()),
    }
}

/// A field that nobody else has a use for.
fn told_by(name: &str) -> Result<HeaderName, String> {
    let name = field(name)?;
    let text = name.as_str();
    let own = text.starts_with("x-") && !text.starts_with("x-forwarded-") && !text.contains('_');
    let free = own || text.starts_with("client-") || text.starts_with("ssl-");
    match free && !fields::is_set_by_us(&name) {
        true => Ok(name),
        false => Err("may mean something else to somebody: write a name that begins with X-, \
                      Client- or SSL-, as in \"X-Client-Subject\""
            .to_owned()),
    }
}

fn certificates(section: &mut Section<'_>, wanted: bool) -> Vec<Certificate> {
    let tables = section.list("certificates").unwrap_or_default();
    if wanted && !section.has("certificates") {
        let example = "[[tls.certificates]] with cert = \"site.pem\" and key = \"site.key\"";
        section.report("certificates", format!("is missing: write {example}"));
    } else if tables.len() > MOST {
        section.report("certificates", format!("has too many entries: write at most {MOST}"));
    }
    tables.into_iter().filter_map(certificate).collect()
}

fn certificate(mut table: Section<'_>) -> Option<Certificate> {
    let mut path = |key: &'static str, what: &str| -> Option<PathBuf> {
        let text = table.text(key, "the path of a PEM file", None);
        if !table.has(key) {
            table.report(key, format!("is missing: write the PEM file with {what}"));
        }
        text.and_then(|text| text.read(pem))
    };
    let cert = path("cert", "the certificate and its chain");
    let key = path("key", "its private key");
    let lines = (table.line_of("cert"), table.line_of("key"));
    table.finish();
    Some(Certificate { cert: cert?, key: key?, lines })
}
