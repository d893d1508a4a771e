//! Cache-Control (RFC 9111 §5.2), as requests and responses have it.

use larder::policy::cache_control::{RequestDirectives, ResponseDirectives};

use super::{MAX_SECONDS, contains, lines};

/// Request Cache-Control (RFC 9111 §5.2.1), a line of input a line of the field.
pub(crate) fn request_cache_control(data: &[u8]) {
    let read = |data: &[u8]| RequestDirectives::parse(lines(data));
    let once = read(data);
    assert_eq!(once, read(&data.to_ascii_uppercase()), "§5.2: names in any case");
    // Behind a quote that is never closed it permits less.
    let twice = read(&[data, b"\n", data].concat());
    assert!(contains(data, b"\"") || once == twice, "what is repeated says nothing new");
    let more = read(&[data, b"\nno-store, only-if-cached"].concat());
    assert!(more.no_store && more.only_if_cached, "a line does not depend on the ones before");
    let bounded = [once.max_age, once.min_fresh, once.stale_if_error];
    assert!(bounded.into_iter().flatten().all(|seconds| seconds <= MAX_SECONDS));
    if !contains(data, b"no-store") {
        assert!(!once.no_store, "nothing is read that is not there");
    }
    if !contains(data, b"max-stale") {
        assert_eq!(once.max_stale, None);
    }
}

/// Response Cache-Control (RFC 9111 §5.2.2), a line of input a line of the field.
pub(crate) fn response_cache_control(data: &[u8]) {
    let read = |data: &[u8]| ResponseDirectives::parse(lines(data));
    let once = read(data);
    assert_eq!(once, read(&data.to_ascii_uppercase()), "§5.2: names in any case");
    // Behind a quote that is never closed it says less.
    let open = contains(data, b"\"");
    let twice = read(&[data, b"\n", data].concat());
    assert!(open || once == twice, "what is repeated says nothing new");
    let more = read(&[data, b"\nprivate, no-store, max-age=0, s-maxage=0"].concat());
    assert!(more.private && more.no_store, "what forbids is never lost");
    let counts = more.s_maxage == Some(0) || (open && more.s_maxage.is_none());
    assert!(counts && more.max_age == Some(0), "the most restrictive counts");
    let windows = [once.stale_while_revalidate, once.stale_if_error];
    let lifetimes = [once.max_age, once.s_maxage];
    assert!(windows.iter().chain(&lifetimes).flatten().all(|it| *it <= MAX_SECONDS));
    if lifetimes.into_iter().flatten().any(|it| it > 0) {
        assert!(data.iter().any(u8::is_ascii_digit), "no freshness out of nothing");
    }
    for (name, said) in [("public", once.public), ("immutable", once.immutable)] {
        assert!(!said || contains(data, name.as_bytes()), "nothing is permitted that is not said");
    }
    an_argument_of_no_names_is_none(data);
    plain_words_are_read(data, once);
}

/// §5.2.2.7
fn an_argument_of_no_names_is_none(data: &[u8]) {
    let argument: Vec<u8> = data.iter().copied().filter(|it| !b"\"\\\n".contains(it)).collect();
    let named = ResponseDirectives::parse(
        [&[b"private=\"", &argument[..], b"\""].concat()[..]].into_iter(),
    );
    assert!(named.private || named.withholds, "what forbids is never lost");
}

/// Well-formed and simple: then a plain reader must see the same.
fn plain_words_are_read(data: &[u8], once: ResponseDirectives) {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-, \n".contains(byte);
    if data.iter().all(plain) {
        let text = String::from_utf8_lossy(data).to_ascii_lowercase();
        let has = |name: &str| text.split([',', '\n', ' ']).any(|it| it == name);
        assert_eq!(once.private, has("private"), "§5.2.2.7");
        assert_eq!(once.no_cache, has("no-cache"), "§5.2.2.4");
        assert_eq!(once.no_store, has("no-store"), "§5.2.2.5");
        assert_eq!(once.must_revalidate, has("must-revalidate"), "§5.2.2.2");
    }
}
