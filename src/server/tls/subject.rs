//! A distinguished name as text (RFC 4514): whom a client's certificate is for.
//!
//! The certificate was verified, but its issuer may have let anything be written into it. So all
//! that could mean something in a field of HTTP, or to who splits at commas, is escaped; what is
//! not understood is shown as its bytes.

use std::fmt::Write;

use super::der::{OID, SEQUENCE, SET, any, element};

/// Longer names are hardly for people or programs: they are not told.
const LONGEST: usize = 2048;

/// The names of RFC 4514 §3, by the encoding of their object identifiers.
const TYPES: [(&[u8], &str); 9] = [
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 9], "STREET"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25], "DC"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1], "UID"),
];

/// The text of a name, given the contents of its RDNSequence; `None` where it is none.
pub(super) fn text(name: &[u8]) -> Option<String> {
    let mut sets = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        sets.push(relative(element(&mut rest, SET)?)?);
    }
    // The last one first (§2.1).
    sets.reverse();
    Some(sets.join(",")).filter(|text| !text.is_empty() && text.len() <= LONGEST)
}

/// One RelativeDistinguishedName: a set of types and values.
fn relative(mut set: &[u8]) -> Option<String> {
    let mut parts = Vec::new();
    while !set.is_empty() {
        let mut pair = element(&mut set, SEQUENCE)?;
        let oid = element(&mut pair, OID)?;
        let whole = pair;
        let (tag, value) = any(&mut pair)?;
        let known = TYPES.iter().find(|(bytes, _)| *bytes == oid);
        let text = known.and_then(|_| string(tag, value));
        parts.push(match (known, text) {
            (Some((_, name)), Some(text)) => format!("{name}={}", escaped(&text)),
            _ => format!("{}=#{}", dotted(oid)?, hex(whole)),
        });
    }
    (!parts.is_empty()).then(|| parts.join("+"))
}

/// A string of the kinds that certificates have.
fn string(tag: u8, bytes: &[u8]) -> Option<String> {
    match tag {
        // UTF8String, PrintableString, IA5String
        0x0c | 0x13 | 0x16 => String::from_utf8(bytes.to_vec()).ok(),
        // BMPString
        0x1e if bytes.len().is_multiple_of(2) => {
            let units = bytes.chunks_exact(2).map(|it| u16::from_be_bytes([it[0], it[1]]));
            char::decode_utf16(units).collect::<Result<_, _>>().ok()
        }
        _ => None,
    }
}

/// §2.4, with everything that is not plain ASCII as its bytes.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let last = text.len().saturating_sub(1);
    for (at, byte) in text.bytes().enumerate() {
        let at_an_end = (byte == b' ' && (at == 0 || at == last)) || (byte == b'#' && at == 0);
        match byte {
            b'"' | b'+' | b',' | b';' | b'<' | b'>' | b'\\' => {
                escaped.extend(['\\', char::from(byte)]);
            }
            b' ' | b'#' if at_an_end => escaped.extend(['\\', char::from(byte)]),
            b' '..=b'~' => escaped.push(char::from(byte)),
            // A String takes everything.
            _ => {
                let _ = write!(escaped, "\\{byte:02X}");
            }
        }
    }
    escaped
}

/// An object identifier in numbers (X.690 §8.19).
fn dotted(oid: &[u8]) -> Option<String> {
    let mut numbers = Vec::new();
    let mut number: u64 = 0;
    for byte in oid {
        number = number.checked_mul(128)?.checked_add(u64::from(byte & 0x7f))?;
        if byte & 0x80 == 0 {
            numbers.push(std::mem::take(&mut number));
        }
    }
    let whole = oid.last().is_some_and(|byte| byte & 0x80 == 0);
    let first = numbers.first().copied().filter(|_| whole)?;
    let root = (first / 40).min(2);
    let mut text = format!("{root}.{}", first - root * 40);
    for number in &numbers[1..] {
        let _ = write!(text, ".{number}");
    }
    Some(text)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair};

    use super::*;

    /// The text of a subject as a certificate has it.
    fn subject(parts: Vec<(DnType, DnValue)>) -> Option<String> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in parts {
            params.distinguished_name.push(kind, value);
        }
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let parsed = webpki::EndEntityCert::try_from(certificate.der()).unwrap();
        text(parsed.subject())
    }

    fn utf8(text: &str) -> DnValue {
        DnValue::Utf8String(text.to_owned())
    }

    #[test]
    fn a_name_is_told_as_rfc_4514_says() {
        let example = vec![
            (DnType::CountryName, DnValue::PrintableString("DE".try_into().unwrap())),
            (DnType::OrganizationName, utf8("Example, Inc.")),
            (DnType::CommonName, utf8("alice")),
        ];
        assert_eq!(subject(example).unwrap(), "CN=alice,O=Example\\, Inc.,C=DE");
        let bmp = DnValue::BmpString("Lučić".try_into().unwrap());
        assert_eq!(subject(vec![(DnType::CommonName, bmp)]).unwrap(), "CN=Lu\\C4\\8Di\\C4\\87");
        let other = DnType::CustomDnType(vec![1, 3, 6, 1, 4, 1, 99_999, 1]);
        let told = subject(vec![(other, utf8("x"))]).unwrap();
        assert_eq!(told, "1.3.6.1.4.1.99999.1=#0c0178");
    }

    #[test]
    fn nothing_in_it_can_pass_for_something_else() {
        let told = subject(vec![(DnType::CommonName, utf8(" a+b,CN=root\r\n#\u{0}; "))]).unwrap();
        assert_eq!(told, "CN=\\ a\\+b\\,CN=root\\0D\\0A#\\00\\;\\ ");
        let long = subject(vec![(DnType::CommonName, utf8(&"x".repeat(3000)))]);
        assert_eq!(long, None, "it would be a field that upstreams refuse");
        assert_eq!(subject(vec![]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes in proptest::collection::vec(0..=255u8, 0..80)) {
            if let Some(text) = text(&bytes) {
                prop_assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{text}");
            }
        }
    }
}
