//! A stored response as the model sees it: the chain of exchanges that it is made of.

use super::{
    read::{Directives, Fields, date, line, opaque},
    world::Exchange,
};

/// A stored response after each exchange of its chain.
pub(super) struct Stored<'a> {
    pub(super) base: &'a Exchange,
    pub(super) last: &'a Exchange,
    /// The head after the last of them.
    pub(super) head: Fields,
    pub(super) directives: Directives,
    /// That of the whole.
    pub(super) status: u16,
}

impl<'a> Stored<'a> {
    /// §4.3.4, §3.2, §3.4: the later fields take the place of the earlier.
    pub(super) fn of(chain: &[&'a Exchange]) -> Stored<'a> {
        let mut head = chain[0].head.clone();
        for link in &chain[1..] {
            // What is withheld was not stored, and what tells of a message is of that one alone.
            let withheld = Directives::of_response(&head).withheld();
            head.retain(|it| !withheld.iter().any(|name| it.0.eq_ignore_ascii_case(name)));
            for name in ["date", "age"] {
                head.retain(|it| !it.0.eq_ignore_ascii_case(name));
            }
            let before = head.clone();
            let taken = link.head.iter().filter(|(name, value)| {
                let same = line(&before, "etag").is_some_and(|it| opaque(it) == opaque(value));
                !name.eq_ignore_ascii_case("etag") || !same
            });
            let taken: Fields = taken.cloned().collect();
            head.retain(|it| !taken.iter().any(|new| new.0.eq_ignore_ascii_case(&it.0)));
            head.extend(taken);
        }
        let directives = Directives::of_response(&head);
        let withheld = directives.withheld();
        head.retain(|it| !withheld.iter().any(|name| it.0.eq_ignore_ascii_case(name)));
        let status = match chain[0].status {
            Some(206) => 200,
            status => status.unwrap_or(0),
        };
        Stored { base: chain[0], last: chain[chain.len() - 1], head, directives, status }
    }
}

/// The strong validator of a head that was received at `received`, in milliseconds (RFC 9110
/// §8.8.1, §8.8.2.2): the cache puts a Date where there is none (§6.6.1).
pub(super) fn strong(head: &Fields, received: i64) -> Option<&str> {
    if let Some(etag) = line(head, "etag") {
        return (!etag.starts_with("W/")).then_some(etag);
    }
    let modified = line(head, "last-modified")?;
    let dated = line(head, "date").and_then(date).unwrap_or(received / 1000);
    (date(modified)? < dated).then_some(modified)
}
