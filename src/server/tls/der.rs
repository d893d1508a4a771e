//! The encoding of certificates (X.690), as far as it is read here: one element after the other.
//!
//! Everything is given by somebody else: what does not fit is `None`.

pub(super) const INTEGER: u8 = 0x02;
pub(super) const OID: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// The contents of the next element, which must have this tag.
pub(super) fn element<'a>(rest: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let (found, contents) = any(rest)?;
    (found == tag).then_some(contents)
}

/// The tag and the contents of the next element (X.690 §8.1), with a length below 65,536.
pub(super) fn any<'a>(rest: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (length, after) = match **rest {
        [_, 0x81, length, ref after @ ..] => (usize::from(length), after),
        [_, 0x82, high, low, ref after @ ..] => (usize::from(high) << 8 | usize::from(low), after),
        [_, length @ 0..=0x7f, ref after @ ..] => (usize::from(length), after),
        _ => return None,
    };
    let tag = rest.first()?;
    let (contents, left) = after.split_at_checked(length)?;
    *rest = left;
    Some((*tag, contents))
}
