//! Parts of representations: Content-Range, and the answers to Range that we write ourselves.

use std::{
    pin::Pin,
    sync::LazyLock,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body::Body as _;
use larder::{
    body::Body,
    cache_status::CacheStatus,
    policy::{
        Meta, Now, Rules, Unstorable,
        encoding::Forms,
        partial::{self, ContentRange},
        ranges::{self, Selected, Span},
        storing::Context as Judged,
        validation::Validators,
    },
    reply,
    server::{PeerAddr, Way},
    snapshot::Snapshot,
    store::{Block, BodyHasher, Entry, Head, Named, Part, Turn},
    visit::{Arrived, Visit},
};

use super::{field, number, snapshot};

/// Content-Range (RFC 9110 §14.4): the field of two 206 of the same representation, a line each.
pub(crate) fn content_range(data: &[u8]) {
    let mut lines = data.splitn(2, |byte| *byte == b'\n');
    let mut read = || {
        let headers = field(header::CONTENT_RANGE, lines.next().unwrap_or_default());
        (ContentRange::of(&headers), headers)
    };
    let ((one, headers), (other, _)) = (read(), read());
    if let Some(value) = headers.get(header::CONTENT_RANGE) {
        assert_eq!(one, plain(value.as_bytes()), "§14.4: {value:?}");
    }
    let Some(one) = one else { return };
    let Span { first, last } = one.span;
    assert!(first <= last && last < one.total, "{one:?} lies within");
    let printed = format!("bytes {first}-{last}/{}", one.total);
    let again = field(header::CONTENT_RANGE, printed.as_bytes());
    assert_eq!(ContentRange::of(&again), Some(one), "{printed}: written and read again");
    assert_eq!(one.is_whole(), first == 0 && one.total - last == 1, "{printed}");
    a_part_is_as_long_as_it_says(&one, &headers);
    the_rest_is_asked_for(&one);
    if let Some(other) = other {
        let apart = last.checked_add(1).is_some_and(|next| next < other.span.first)
            || other.span.last + 1 < first;
        assert_eq!(one.meets(&other), one.total == other.total && !apart, "{one:?} {other:?}");
        assert_eq!(one.meets(&other), other.meets(&one), "{one:?} {other:?}");
    }
}

/// Content-Range by its grammar, numbers that are too great for any body as the greatest.
fn plain(value: &[u8]) -> Option<ContentRange> {
    let text = std::str::from_utf8(value).ok()?;
    let text = text.trim_matches([' ', '\t']).to_ascii_lowercase();
    let (span, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = span.split_once('-')?;
    let read = |text: &str| {
        let digits = !text.is_empty() && text.chars().all(|it| it.is_ascii_digit());
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let (first, last, total) = (read(first)?, read(last)?, read(total)?);
    (first <= last && last < total).then_some(ContentRange { span: Span { first, last }, total })
}

fn a_part_is_as_long_as_it_says(part: &ContentRange, headers: &HeaderMap) {
    let request = Request::get("/").body(()).expect("a request").into_parts().0;
    let rules = Rules::default();
    let asked = larder::policy::Asked::new(&request, false, &rules);
    let exchange = larder::policy::Exchange::default();
    let context = Judged { asked: &asked, rules: &rules, validating: None, exchange };
    let mut headers = headers.clone();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=60"));
    let judge = |length| partial::receive_part(context, &headers, length).map(|(_, range)| range);
    let length = part.span.length();
    assert_eq!(judge(Some(length)), Ok(*part), "RFC 9111 §3.3");
    for other in [None, Some(length - 1), length.checked_add(1)] {
        if other.is_none() || other != Some(length) {
            assert_eq!(judge(other), Err(Unstorable::Partial), "§3.3: {other:?} of {length}");
        }
    }
}

/// RFC 9111 §3.4: what is asked for and what is there are the whole, and do not overlap.
fn the_rest_is_asked_for(part: &ContentRange) {
    let validators = Validators { etag: Some(b"\"a\""), last_modified: None, date: None };
    let mut request = HeaderMap::new();
    partial::ask_for_rest(&mut request, part, validators);
    let Some(rest) = part.rest() else {
        assert!(request.is_empty(), "nothing, or more than one range, is missing");
        return;
    };
    let selected = ranges::select(&request, validators, part.total);
    assert_eq!(selected, Selected::Part(rest), "{request:?} asks for the rest of {part:?}");
    let changed = Validators { etag: Some(b"\"b\""), ..validators };
    assert_eq!(ranges::select(&request, changed, part.total), Selected::Whole, "§13.1.5");
    assert_eq!(rest.length() + part.span.length(), part.total, "no byte twice, none missing");
    assert!(part.meets(&ContentRange { span: rest, total: part.total }));
}

/// Answers to Range from stored bytes: the body's length, where its stored part begins and ends,
/// then Range, then Content-Type, a line each.
pub(crate) fn multipart(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let length = usize::try_from(number(line()) % 300).unwrap_or(0);
    let (first, last) = (number(line()), number(line()));
    let asked = field(header::RANGE, line());
    let mut fields = field(header::CONTENT_TYPE, line());
    fields.insert(header::ETAG, HeaderValue::from_static("\"a\""));
    // What the content itself may try: lines of a multipart message.
    let text = b"\r\n--\r\nContent-Range: bytes 0-0/1\r\n\r\n".iter().copied().cycle();
    let body: Bytes = text.take(length).collect();
    let head = Head {
        meta: Meta::default(),
        status: StatusCode::OK,
        fields: Block::new(&fields),
        named: Named::default(),
        forms: Forms::default(),
    };
    let visit = visit(&asked);
    let (now, hit) = (Now::default(), CacheStatus::Hit { ttl: 1, detail: None });
    let mut hasher = BodyHasher::default();
    hasher.update(&body);
    let entry = Entry::new(head.clone(), (body.clone(), hasher.finish(None)), Turn::default());
    let answer = reply::stored(&visit, &entry, now, hit).response;
    let whole = ranges::select(&asked, head.validators(), body.len() as u64);
    told(answer, &whole, &body, fields.get(header::CONTENT_TYPE));
    // Of a part the same comes, or nothing.
    let total = body.len() as u64;
    let (first, last) = (first.min(last), first.max(last));
    if last >= total {
        return;
    }
    let slice = |it: u64| usize::try_from(it).expect("within a body");
    let held = body.slice(slice(first)..=slice(last));
    let range = ContentRange { span: Span { first, last }, total };
    let part = Part::new(head, held, range, Turn::default());
    let answer = reply::from_part(&visit, &part, now, hit).map(|it| it.response);
    let holds = |span: &Span| first <= span.first && span.last <= last;
    let expected = match &whole {
        Selected::Whole => false,
        Selected::Part(span) => holds(span),
        Selected::Parts(spans) => spans.iter().all(holds),
        Selected::Unsatisfiable => true,
    };
    assert_eq!(answer.is_some(), expected, "a part answers what lies within it, and no more");
    if let Some(answer) = answer {
        told(answer, &whole, &body, fields.get(header::CONTENT_TYPE));
    }
}

fn visit(asked: &HeaderMap) -> Visit {
    static SNAPSHOT: LazyLock<Snapshot> = LazyLock::new(|| snapshot(""));
    let mut head = Request::get("/").body(()).expect("a request").into_parts().0;
    head.headers = asked.clone();
    head.headers.insert(header::HOST, HeaderValue::from_static("api.test"));
    let peer = PeerAddr::Unix;
    let (way, at) = (Way::Plain, Now::default());
    let arrived = Arrived { head, content: false, peer, way, at, ids: None };
    Visit::new(&SNAPSHOT, arrived).expect("nothing is wrong with it")
}

/// RFC 9110 §15.3.7: reads an answer as a client would, and compares it with the body.
fn told(answer: Response<Body>, selected: &Selected, body: &[u8], kind: Option<&HeaderValue>) {
    let (head, sent) = answer.into_parts();
    let exact = sent.size_hint().exact();
    let bytes = collected(sent);
    assert_eq!(exact, Some(bytes.len() as u64), "Content-Length is what comes");
    let total = body.len() as u64;
    let told = head.headers.get(header::CONTENT_RANGE);
    match selected {
        Selected::Whole => assert_eq!((head.status, &*bytes), (StatusCode::OK, body)),
        Selected::Unsatisfiable => {
            assert_eq!(head.status, StatusCode::RANGE_NOT_SATISFIABLE);
            assert_eq!(
                told.map(HeaderValue::as_bytes),
                Some(format!("bytes */{total}").as_bytes())
            );
        }
        Selected::Part(span) => {
            assert_eq!(head.status, StatusCode::PARTIAL_CONTENT);
            let range = ContentRange::of(&head.headers).expect("it says which part it is");
            assert_eq!((range.span, range.total), (*span, total));
            assert_eq!(&*bytes, cut(body, *span));
        }
        Selected::Parts(spans) => {
            assert_eq!(head.status, StatusCode::PARTIAL_CONTENT);
            assert_eq!(told, None, "§15.3.7.2: it stands in each part");
            several(&head.headers, &bytes, (spans, body), kind);
        }
    }
}

fn several(
    head: &HeaderMap,
    bytes: &[u8],
    (spans, body): (&[Span], &[u8]),
    kind: Option<&HeaderValue>,
) {
    let of = head.get(header::CONTENT_TYPE).expect("multipart has a type");
    let boundary = of.to_str().expect("ours").split_once("boundary=").expect("it is named");
    let parts = read(bytes, boundary.1);
    assert_eq!(parts.len(), spans.len(), "a part for each range");
    for ((head, content), span) in parts.iter().zip(spans) {
        let range = ContentRange::of(head).expect("each says which part it is");
        assert_eq!((range.span, range.total), (*span, body.len() as u64));
        assert_eq!(*content, cut(body, *span), "{span:?}");
        assert_eq!(head.get(header::CONTENT_TYPE), kind, "the whole's own type");
    }
}

fn cut(body: &[u8], span: Span) -> &[u8] {
    let offset = |it: u64| usize::try_from(it).expect("within a body");
    &body[offset(span.first)..=offset(span.last)]
}

fn collected(mut body: Body) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut context = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(frame)) = Pin::new(&mut body).poll_frame(&mut context) {
        let frame = frame.expect("it is at hand");
        bytes.extend_from_slice(&frame.into_data().expect("no trailers"));
    }
    bytes
}

/// The parts of a multipart body (RFC 2046 §5.1.1).
fn read<'a>(bytes: &'a [u8], boundary: &str) -> Vec<(HeaderMap, &'a [u8])> {
    let delimiter = format!("\r\n--{boundary}");
    let mut rest = bytes;
    let mut parts = Vec::new();
    let find = |text: &[u8], what: &[u8]| text.windows(what.len()).position(|it| it == what);
    let end = find(rest, delimiter.as_bytes()).expect("it begins");
    assert_eq!(end, 0, "no preamble");
    rest = &rest[delimiter.len()..];
    while !rest.starts_with(b"--") {
        rest = rest.strip_prefix(b"\r\n").expect("a line ends");
        let blank = find(rest, b"\r\n\r\n").expect("a head ends");
        let mut head = HeaderMap::new();
        for line in rest[..blank].split(|byte| *byte == b'\n') {
            let colon = find(line, b": ").expect("a field");
            let name = http::HeaderName::from_bytes(&line[..colon]).expect("a name");
            let value = line[colon + 2..].strip_suffix(b"\r").unwrap_or(&line[colon + 2..]);
            head.append(name, HeaderValue::from_bytes(value).expect("a value"));
        }
        rest = &rest[blank + 4..];
        let end = find(rest, delimiter.as_bytes()).expect("a part ends");
        parts.push((head, &rest[..end]));
        rest = &rest[end + delimiter.len()..];
    }
    assert_eq!(rest, b"--\r\n", "no epilogue");
    parts
}
