//! Content codings, and which of them a client takes (RFC 9110 §8.4.1, §12.5.3).
//!
//! There is always an answer: who takes nothing that there is gets the bytes as they are, never
//! a 406.

use http::{HeaderMap, header};

use super::{field, selecting::weighted};

/// A coding that bodies are packed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    /// `zstd` (RFC 8878).
    Zstd,
    /// `br` (RFC 7932).
    Brotli,
    /// `gzip` (RFC 1952).
    Gzip,
}

/// The weight of a coding that nothing is said of (§12.5.3): without a field, and beside others,
/// the plain bytes are wanted least, but not refused.
const LEAST: u16 = 1;

/// `q=1`, in thousandths (§12.4.2).
const FULL: u16 = 1000;

/// What a request's Accept-Encoding says of each coding, in thousandths; 0 is a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepts {
    identity: u16,
    codings: [u16; Coding::ALL.len()],
}

impl Coding {
    /// All of them.
    pub const ALL: [Coding; 3] = [Coding::Zstd, Coding::Brotli, Coding::Gzip];

    /// Its name in Content-Encoding and Accept-Encoding.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Coding::Zstd => "zstd",
            Coding::Brotli => "br",
            Coding::Gzip => "gzip",
        }
    }

    /// The coding of that name, in any case; `x-gzip` is one, too (§8.4.1.3).
    #[must_use]
    pub fn named(name: &[u8]) -> Option<Coding> {
        if name.eq_ignore_ascii_case(b"x-gzip") {
            return Some(Coding::Gzip);
        }
        Coding::ALL.into_iter().find(|it| name.eq_ignore_ascii_case(it.token().as_bytes()))
    }
}

impl Accepts {
    /// Nothing but the bytes as they are: what a request without the field gets. It would allow
    /// any coding, but who does not ask for one can often not unpack it.
    pub const PLAIN: Accepts = Accepts { identity: FULL, codings: [0; Coding::ALL.len()] };

    /// Reads a request's field. A malformed member counts for nothing; of a coding that is
    /// weighted twice, the lower weight counts.
    #[must_use]
    pub fn of(request: &HeaderMap) -> Accepts {
        let (mut identity, mut codings, mut rest) = (None, [None; Coding::ALL.len()], None);
        for member in field::members(request, header::ACCEPT_ENCODING) {
            let Some((name, weight)) = weighted(member) else { continue };
            let known = match name {
                b"*" => &mut rest,
                name if name.eq_ignore_ascii_case(b"identity") => &mut identity,
                name => match Coding::named(name) {
                    Some(coding) => &mut codings[coding as usize],
                    None => continue,
                },
            };
            *known = Some(known.map_or(weight, |it: u16| it.min(weight)));
        }
        let unnamed = rest.unwrap_or(0);
        Accepts {
            identity: identity.unwrap_or(if rest == Some(0) { 0 } else { LEAST }),
            codings: codings.map(|weight| weight.unwrap_or(unnamed)),
        }
    }

    /// Whether it takes a coding.
    #[must_use]
    pub fn takes(self, coding: Coding) -> bool {
        self.weight(coding) > 0
    }

    /// How much it likes a coding, in thousandths; 0 is a refusal.
    #[must_use]
    pub fn weight(self, coding: Coding) -> u16 {
        self.codings[coding as usize]
    }

    /// Whether it takes a coding, and likes it as well as the plain bytes.
    #[must_use]
    pub fn likes(self, coding: Coding) -> bool {
        self.takes(coding) && self.weight(coding) >= self.identity
    }

    /// How much it likes the plain bytes. Who refuses everything gets them all the same.
    #[must_use]
    pub fn plain(self) -> u16 {
        match self.codings {
            [0, 0, 0] => self.identity.max(LEAST),
            _ => self.identity,
        }
    }

    /// The coding that it likes best among those offered, the first among equals; `None` where
    /// that is the bytes as they are.
    #[must_use]
    pub fn choose(self, offered: &[Coding]) -> Option<Coding> {
        let mut best: Option<(Coding, u16)> = None;
        for coding in offered {
            let weight = self.weight(*coding);
            let least = best.map_or(self.identity.max(LEAST), |(_, best)| best + 1);
            if weight >= least {
                best = Some((*coding, weight));
            }
        }
        best.map(|(coding, _)| coding)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::any, proptest};

    use super::{Accepts, Coding, Coding::Brotli, Coding::Gzip, Coding::Zstd};
    use crate::policy::fixtures::headers;

    fn chosen(accept: &str) -> Option<Coding> {
        Accepts::of(&headers(&[("accept-encoding", accept)])).choose(&Coding::ALL)
    }

    #[test]
    fn a_client_gets_what_it_likes_best() {
        let rows = [
            ("gzip", Some(Gzip), "the one that it names"),
            ("gzip, deflate, br, zstd", Some(Zstd), "among equals the operator's first"),
            ("gzip;q=1.0, br;q=0.9", Some(Gzip), "§12.4.2: the heavier"),
            ("br;q=0.001", Some(Brotli), "a little is enough beside nothing"),
            ("GZIP", Some(Gzip), "§8.4.1: case does not matter"),
            ("x-gzip", Some(Gzip), "§8.4.1.3: an old name"),
            ("deflate", None, "one that there is not"),
            ("", None, "§12.5.3: an empty field wants none"),
            ("identity", None, "the plain bytes by name"),
            ("identity, gzip;q=0.5", None, "rather the plain bytes"),
            ("identity;q=0.5, gzip;q=0.5", Some(Gzip), "as well the one as the other: the smaller"),
            ("gzip;q=0", None, "a refusal"),
            ("*", Some(Zstd), "any"),
            ("*;q=0", None, "nothing at all: never 406"),
            ("identity;q=0", None, "nothing that there is: never 406"),
            ("identity;q=0, gzip;q=0.1", Some(Gzip), "all but the plain bytes"),
            ("gzip;q=0, *", Some(Zstd), "any other"),
            ("zstd;q=0, br;q=0, *;q=0.2", Some(Gzip), "what is left of any"),
            ("*;q=0.5, gzip", Some(Gzip), "one more than the rest"),
            ("gzip;q=2", None, "§12.4.2: no weight, so nothing is said"),
            ("gzip;q=0.1234, br", Some(Brotli), "§12.4.2: three digits at most"),
            ("gzip;level=9, br", Some(Brotli), "no parameter but q"),
            ("gzip, gzip;q=0", None, "twice: the lower counts"),
            (",, br ,", Some(Brotli), "§5.6.1.2: empty members"),
            ("g zip, br;q=0.3", Some(Brotli), "what is no token counts for nothing"),
        ];
        for (accept, expected, why) in rows {
            assert_eq!(chosen(accept), expected, "RFC 9110 §12.5.3: {accept:?}: {why}");
        }
    }

    #[test]
    fn who_does_not_ask_gets_the_plain_bytes() {
        let asked = Accepts::of(&headers(&[]));
        assert_eq!(asked.choose(&Coding::ALL), None);
        assert!(Coding::ALL.into_iter().all(|coding| !asked.takes(coding)));
    }

    #[test]
    fn several_lines_are_one_list() {
        let asked = headers(&[("accept-encoding", "gzip;q=0.5"), ("accept-encoding", "br")]);
        assert_eq!(Accepts::of(&asked).choose(&Coding::ALL), Some(Brotli), "RFC 9110 §5.3");
        assert_eq!(Accepts::of(&asked).choose(&[Gzip]), Some(Gzip), "only gzip is on offer");
        assert_eq!(Accepts::of(&asked).choose(&[]), None, "nothing is on offer");
    }

    proptest! {
        #[test]
        fn what_is_chosen_is_on_offer_and_taken(line in vec(any::<u8>(), 0..64)) {
            let Ok(value) = http::HeaderValue::from_bytes(&line) else { return Ok(()) };
            let asked = std::iter::once((http::header::ACCEPT_ENCODING, value)).collect();
            let accepts = Accepts::of(&asked);
            if let Some(coding) = accepts.choose(&[Gzip, Zstd]) {
                assert!(accepts.takes(coding) && coding != Brotli);
            }
        }
    }
}
