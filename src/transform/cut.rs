//! What a cut makes of a body, as one memo: what came out, or why nothing did.

use std::io::{Error, ErrorKind};

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::{
    reason::Unshaped,
    shape::{Cut, Fault, Shaped},
};

/// The number of its recipe among those of a body.
pub const RECIPE: u8 = 0x21;

/// Before the bytes: how it went, whether there is a total, and the total.
const HEAD: usize = 10;

/// How it can go.
const MADE: u8 = 0;
const NOT_JSON: u8 = 1;
const TOO_DEEP: u8 = 2;
const TOO_LARGE: u8 = 3;
const CODING: u8 = 4;

/// Cuts a text, or tells why there is none to be cut.
#[must_use]
pub fn make(cut: &Cut, text: Result<Bytes, Error>) -> Bytes {
    let made = match text {
        Ok(text) => cut.of(&text).map_err(|fault| match fault {
            Fault::NotJson => NOT_JSON,
            Fault::TooDeep => TOO_DEEP,
        }),
        Err(error) if error.kind() == ErrorKind::FileTooLarge => Err(TOO_LARGE),
        Err(_) => Err(CODING),
    };
    let (how, shaped) = match made {
        Ok(shaped) => (MADE, shaped),
        Err(how) => (how, Shaped { body: Bytes::new(), total: None }),
    };
    let mut bytes = BytesMut::with_capacity(HEAD + shaped.body.len());
    bytes.put_u8(how);
    bytes.put_u8(shaped.total.is_some().into());
    bytes.put_u64_le(shaped.total.unwrap_or_default());
    bytes.put(shaped.body);
    bytes.freeze()
}

/// What [`make`] made.
///
/// # Errors
/// Why it made nothing.
pub fn read(made: &Bytes) -> Result<Shaped, Unshaped> {
    let mut rest = made.clone();
    if rest.len() < HEAD {
        return Err(Unshaped::NotJson);
    }
    let (how, has_total, total) = (rest.get_u8(), rest.get_u8() == 1, rest.get_u64_le());
    match how {
        MADE => Ok(Shaped { body: rest, total: has_total.then_some(total) }),
        TOO_DEEP => Err(Unshaped::TooDeep),
        TOO_LARGE => Err(Unshaped::TooLarge),
        CODING => Err(Unshaped::Coding),
        _ => Err(Unshaped::NotJson),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use bytes::Bytes;

    use super::{make, read};
    use crate::{
        reason::Unshaped,
        shape::{Offer, Paging, Pointer, Shaped, TooLarge},
    };

    #[test]
    fn what_is_made_is_read_as_it_was() {
        let offer = Offer {
            fields: None,
            paging: Paging::OffsetLimit,
            at: Pointer::default(),
            filter: Vec::new(),
            page_size: 1,
            max_page_size: 1,
            max_size: 1024,
            too_large: TooLarge::Pass,
        };
        let cut = offer.take("limit=1").unwrap().cut.unwrap();
        let read = |text| read(&make(&cut, text));
        let text = |text: &'static str| Ok(Bytes::from_static(text.as_bytes()));
        let shaped = |text: &'static str, total| {
            Ok(Shaped { body: Bytes::from_static(text.as_bytes()), total })
        };
        assert_eq!(read(text("[1,2]")), shaped("[1]", Some(2)));
        assert_eq!(read(text("{}")), shaped("{}", None));
        assert_eq!(read(text("[1,")), Err(Unshaped::NotJson));
        let deep: &'static str = "[".repeat(200).leak();
        assert_eq!(read(text(deep)), Err(Unshaped::TooDeep));
        let failed = |kind: ErrorKind| read(Err(Error::from(kind)));
        assert_eq!(failed(ErrorKind::FileTooLarge), Err(Unshaped::TooLarge));
        assert_eq!(failed(ErrorKind::InvalidData), Err(Unshaped::Coding));
        assert_eq!(super::read(&Bytes::from_static(b"short")), Err(Unshaped::NotJson));
    }
}
