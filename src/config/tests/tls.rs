//! `[tls]` and `proxy_protocol`: what they become, and what they refuse.

use super::*;
use crate::config::tls::{Ask, Certificate, Clients, MinVersion, UnknownName};

/// Line 3 on.
const SMALLEST: &str = "[tls]\nlisten = '0.0.0.0:443'\n";
/// Behind it, whatever stands between them.
const PAIR: &str = "\n[[tls.certificates]]\ncert = 'a.pem'\nkey = 'a.key'\n";

#[test]
fn a_listener_and_a_certificate_are_enough() {
    let text = format!("upstream = 'http://a'\n{SMALLEST}{PAIR}");
    let expected = Tls {
        listen: vec!["0.0.0.0:443".parse().unwrap()],
        redirect: Vec::new(),
        redirect_port: 443,
        min_version: MinVersion::Tls12,
        unknown_name: UnknownName::Default,
        hsts: None,
        clients: Clients { lines: (2, 2), ..Clients::default() },
        certificates: vec![Certificate {
            cert: "a.pem".into(),
            key: "a.key".into(),
            lines: (6, 7),
        }],
    };
    let config = compile(&text).unwrap();
    assert_eq!(config.tls, Some(expected));
    assert_eq!(config.listen, [], "the clear is not needed");
    assert_eq!(with("").unwrap().tls, None);
}

#[test]
fn what_is_asked_of_clients_tells_their_answers_apart() {
    let text = "redirect = ['127.0.0.1:81', 'unix:/r']\nredirect_port = 8443\nmin_version = '1.3'\n\
                unknown_name = 'refuse'\nhsts = 'max-age=60; includeSubDomains'\n\
                client_certificates = 'request'\nclient_ca = 'ca.pem'\nclient_crl = 'crl.pem'\n\
                client_subject = 'X-Subject'";
    let route = "[[routes]]\nmatch.path = '/a'\ncache.key.headers = ['X-Tenant']\n";
    let config = with(&format!("{SMALLEST}{text}{PAIR}{route}")).unwrap();
    let tls = config.tls.unwrap();
    assert_eq!((tls.redirect.len(), tls.redirect_port), (2, 8443));
    assert_eq!((tls.min_version, tls.unknown_name), (MinVersion::Tls13, UnknownName::Refuse));
    assert_eq!(tls.hsts.unwrap(), "max-age=60; includeSubDomains");
    assert_eq!((tls.clients.ask, tls.clients.lines), (Ask::Request, (11, 12)));
    for (route, names) in config.routes.iter().zip([&["x-subject", "x-tenant"][..], &["x-subject"]])
    {
        assert_eq!(route.cache.rules.key.headers, names, "{}", route.name);
    }
}

#[test]
fn what_does_not_go_together_is_said() {
    for (text, expected) in [
        (
            "[tls]\nhsts = 'off'".to_owned(),
            "p:4: tls.hsts: does nothing without tls.listen: add listen = \"0.0.0.0:443\"",
        ),
        (
            SMALLEST.to_owned(),
            "p:3: tls.certificates: is missing: write [[tls.certificates]] with cert = \"site.pem\" \
             and key = \"site.key\"",
        ),
        (
            format!("[tls]\nlisten = '127.0.0.1:80'{PAIR}"),
            "p:4: tls.listen: \"127.0.0.1:80\" is listened at already: remove one of the two",
        ),
        (
            format!("{SMALLEST}redirect = '0.0.0.0:443'{PAIR}"),
            "p:5: tls.redirect: \"0.0.0.0:443\" is listened at already: remove one of the two",
        ),
        (
            format!("{SMALLEST}{PAIR}[admin]\nlisten = '0.0.0.0:443'"),
            "p:10: admin.listen: \"0.0.0.0:443\" is where clients connect: choose another, which \
             they cannot reach",
        ),
        (
            format!("{SMALLEST}hsts = 'includeSubDomains'{PAIR}"),
            "p:5: tls.hsts: \"includeSubDomains\" is no such value: write max-age= and seconds, and \
             includeSubDomains or preload behind a semicolon, as in \"max-age=31536000; \
             includeSubDomains\"",
        ),
        (
            format!("{SMALLEST}client_certificates = 'require'{PAIR}"),
            "p:5: tls.client_certificates: needs a client_ca: write the file with the roots of \
             clients' certificates",
        ),
        (
            format!("{SMALLEST}client_subject = 'X-S'{PAIR}"),
            "p:5: tls.client_subject: does nothing unless they are asked for: add \
             client_certificates = \"require\"",
        ),
        (
            format!(
                "{SMALLEST}client_certificates = 'require'\nclient_ca = 'x'\n\
                 client_subject = 'X-Forwarded-For'{PAIR}"
            ),
            "p:7: tls.client_subject: \"X-Forwarded-For\" may mean something else to somebody: \
             write a name that begins with X-, Client- or SSL-, as in \"X-Client-Subject\"",
        ),
        (
            format!("{SMALLEST}[[tls.certificates]]\ncert = 'a'"),
            "p:5: tls.certificates.key: is missing: write the PEM file with its private key",
        ),
        (
            "proxy_protocol = true".to_owned(),
            "p:3: proxy_protocol: expected an array of addresses and ranges such as \
             [\"10.0.0.0/8\"], found a boolean",
        ),
    ] {
        assert_eq!(with(&text).unwrap_err(), [expected], "{text}");
    }
}
