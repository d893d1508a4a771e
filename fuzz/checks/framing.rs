//! Where a response ends (RFC 9112 §6.3), beside a plain reader.

use http::{HeaderValue, Response, StatusCode, header};
use larder::upstream::framing::{self, Reuse};

use super::lines;

/// A status, then the lines of Transfer-Encoding (`t` first) and Content-Length (`c` first).
pub(crate) fn framing(data: &[u8]) {
    let mut rest = lines(data);
    let status = super::number(rest.next().unwrap_or_default());
    let status = u16::try_from(status).ok().and_then(|it| StatusCode::from_u16(it).ok());
    let mut head = Response::new(()).into_parts().0;
    head.status = status.unwrap_or(StatusCode::OK);
    for line in rest {
        let Some((which, value)) = line.split_first() else { continue };
        let name = if *which == b't' { header::TRANSFER_ENCODING } else { header::CONTENT_LENGTH };
        if let Ok(value) = HeaderValue::from_bytes(value) {
            head.headers.append(name, value);
        }
    }
    let sent = head.headers.clone();
    let judged = framing::check(&mut head);
    let values = |name| -> Vec<String> {
        let lines = sent.get_all(name).iter().map(|it| it.as_bytes().to_ascii_lowercase());
        lines.map(|it| it.iter().map(|byte| char::from(*byte)).collect()).collect()
    };
    let (codings, lengths) =
        (values(header::TRANSFER_ENCODING), values(header::CONTENT_LENGTH).join(","));
    let bodiless = head.status.as_u16() == 204 || head.status.as_u16() < 200;
    let length = match sent.contains_key(header::CONTENT_LENGTH) {
        true => agreed(&lengths).map(Some),
        false => Some(None),
    };
    let Some(length) = length else {
        assert!(judged.is_err(), "§6.3: {lengths:?} is no length");
        return;
    };
    let left: Vec<&HeaderValue> = head.headers.get_all(header::CONTENT_LENGTH).iter().collect();
    match (codings.as_slice(), &judged) {
        ([], Ok(reuse)) => {
            let expected = length.filter(|_| !bodiless).map(|it| it.to_string());
            assert_eq!(
                left.first().map(|it| it.as_bytes()),
                expected.as_deref().map(str::as_bytes)
            );
            let odd = bodiless && length.is_some_and(|it| it > 0);
            assert_eq!(*reuse == Reuse::Refused, odd, "RFC 9110 §8.6: {sent:?}");
        }
        ([one], Ok(reuse)) if one == "chunked" => {
            assert!(left.is_empty() || length.is_none(), "§6.3: chunked outdoes {lengths:?}");
            assert_eq!(*reuse == Reuse::Refused, length.is_some() || bodiless, "{sent:?}");
        }
        // Nobody takes it for chunked: the bytes are taken as they come, to the connection's end.
        ([one], Ok(reuse)) => {
            let word = |it: char| it.is_ascii_alphanumeric() || it == '-';
            assert!(one.chars().all(word) && !one.contains("chunk"), "{one:?} may be chunked");
            assert!(
                !["gzip", "deflate", "compress", "identity"].contains(&one.as_str()),
                "{one:?}"
            );
            assert!(length.is_none() && !bodiless, "{sent:?}: two answers to where it ends");
            assert_eq!(*reuse, Reuse::Refused, "what follows is no other answer");
        }
        ([], Err(_)) => panic!("{sent:?} is refused, and nothing is wrong with it"),
        ([one], Err(_)) => assert_ne!(one, "chunked", "{sent:?} is as it should be"),
        (_, judged) => assert!(judged.is_err(), "§6.1: {codings:?} are several codings"),
    }
    if judged.is_ok() {
        let once = head.headers.clone();
        assert!(framing::check(&mut head).is_ok() && head.headers == once, "idempotent: {once:?}");
    }
}

/// The one length that all members name; `None` where one is no number, or another one.
fn agreed(lengths: &str) -> Option<u64> {
    let members: Option<Vec<u64>> = lengths
        .split(',')
        .map(|it| it.trim_matches([' ', '\t']))
        .map(|it| it.parse().ok().filter(|_| it.chars().all(|digit| digit.is_ascii_digit())))
        .collect();
    let members = members?;
    members.iter().all(|it| *it == members[0]).then_some(members[0])
}
