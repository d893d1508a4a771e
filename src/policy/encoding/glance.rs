//! What of a response tells of its form, at a glance.

use http::HeaderMap;

use crate::policy::cache_control;

/// What of a response tells of its form, found in one walk: most tell little of it, and to look for
/// each name would cost more.
#[derive(Default)]
pub(super) struct Glance<'a> {
    /// A field may say `no-transform`.
    pub(super) may_bind: bool,
    /// Content-Encoding is there.
    pub(super) coded: bool,
    /// Trailer is there.
    pub(super) trailer: bool,
    /// Content-Type; nothing where its lines differ.
    pub(super) media_type: &'a [u8],
    /// ETag.
    pub(super) tag: Option<&'a [u8]>,
}

impl<'a> Glance<'a> {
    /// Shows `look` each name on the way.
    pub(super) fn of(response: &'a HeaderMap, mut look: impl FnMut(&str)) -> Glance<'a> {
        let (mut glance, mut typed) = (Glance::default(), false);
        for (name, value) in response {
            let (name, value) = (name.as_str(), value.as_bytes());
            look(name);
            match name {
                "content-encoding" => glance.coded = true,
                "trailer" => glance.trailer = true,
                "etag" => glance.tag = glance.tag.or(Some(value)),
                "content-type" => {
                    let differs = typed && glance.media_type != value;
                    glance.media_type = if differs { b"" } else { value };
                    typed = true;
                }
                name => glance.may_bind |= cache_control::may_forbid_transform(name, value),
            }
        }
        glance
    }
}
