//! What the model has found, in the proxy or in itself: each as short as it could be made, with
//! what it showed. They are played as ordinary tests.

use super::{
    Bench,
    modes::MODES,
    script::{Act, Ask, Fate, Manner},
};

const GET: Ask = Ask {
    method: "GET",
    content: false,
    host: "a.test",
    path: "x",
    cache_control: "",
    selecting: ("", ""),
    identity: ("", ""),
    condition: "",
    range: "",
    shown: ("", ""),
};

const OK: Manner = Manner {
    status: 200,
    cache_control: "max-age=10",
    targeted: "",
    groups: "",
    expires: "",
    dated: ("now", ""),
    vary: "",
    hop: "",
    set_cookie: false,
    validator: "strong",
    new: false,
    fate: Fate::Whole,
    location: "",
    chunked: false,
};

/// What it showed, where, what happens, and how the origin answers.
type Found = (&'static str, &'static str, Vec<Act>, Vec<Manner>);

fn one(ask: Ask) -> Act {
    Act::Ask(vec![ask])
}

#[allow(clippy::too_many_lines, reason = "a table")]
fn found() -> Vec<Found> {
    let in_range = |range| one(Ask { range, ..GET });
    let by = |authorization| one(Ask { identity: (authorization, ""), ..GET });
    vec![
        (
            "the proxy: a 304 that withholds Set-Cookie sent its client the stored one, another's",
            "plain",
            vec![one(GET), Act::Step(9000), one(GET), one(GET)],
            vec![
                Manner { cache_control: "s-maxage=6, max-age=60", set_cookie: true, ..OK },
                Manner { cache_control: "private=\"Set-Cookie\", max-age=10", ..OK },
            ],
        ),
        (
            "the proxy: the same, where the rest completed a stored part",
            "plain",
            vec![in_range("bytes=-4"), one(GET), one(GET)],
            vec![
                Manner { cache_control: "max-age=20, public", set_cookie: true, ..OK },
                Manner { cache_control: "private=\"Set-Cookie\", max-age=10", ..OK },
            ],
        ),
        (
            "the model: what a 304 withholds from others is for the client that it validated for",
            "plain",
            vec![one(GET), Act::Step(30_000), one(GET), one(GET)],
            vec![Manner { cache_control: "private=\"x-private\", max-age=10", ..OK }],
        ),
        (
            "the model: nobody has seen the Location of an answer that came after first_byte",
            "plain",
            vec![
                one(Ask { path: "y", ..GET }),
                one(Ask { method: "DELETE", ..GET }),
                one(Ask { path: "y", ..GET }),
                one(GET),
            ],
            vec![OK, Manner { fate: Fate::Late(40_000), location: "sibling", ..OK }, OK],
        ),
        (
            "the model: what a refresh asked for may have waited while nobody did, and so is older",
            "honor",
            vec![
                one(GET),
                Act::Step(3000),
                Act::Step(1000),
                one(GET),
                Act::Step(5000),
                one(GET),
                Act::Step(1000),
                one(GET),
            ],
            vec![
                Manner { cache_control: "max-age=3, stale-while-revalidate=8", ..OK },
                Manner { fate: Fate::Late(5000), ..OK },
            ],
        ),
        (
            "the model: a 200 to HEAD with the same validators freshens what is stored (§4.3.5)",
            "plain",
            vec![
                one(GET),
                Act::Step(2000),
                one(Ask { method: "HEAD", condition: "match-last", ..GET }),
                one(GET),
            ],
            vec![OK],
        ),
        (
            "the model: whether If-Range holds for what is not stored, the origin says",
            "honor",
            vec![one(GET), Act::Step(4_000_000), one(Ask { range: "if bytes=0-3", ..GET })],
            vec![
                Manner { vary: "accept-language", ..OK },
                Manner { vary: "Accept", validator: "weak", ..OK },
            ],
        ),
        (
            "the model: an entity-tag that a 304 has brought lets the next 304 name that variant",
            "bypass",
            vec![
                one(Ask { selecting: ("json", ""), ..GET }),
                Act::Step(30_000),
                one(Ask { selecting: ("json", ""), ..GET }),
                one(Ask { selecting: ("html", ""), ..GET }),
            ],
            vec![
                Manner { vary: "Accept", validator: "modified", ..OK },
                Manner { vary: "Accept", ..OK },
            ],
        ),
        (
            "the model: several parts in one answer are to be taken apart (RFC 9110 §14.6)",
            "isolate",
            vec![one(GET), in_range("bytes=6-7, 0-1"), in_range("bytes=0-1,900-")],
            vec![OK],
        ),
        (
            "the model: parts grow together, and the rest completes them (§3.4)",
            "plain",
            vec![
                in_range("bytes=0-3"),
                in_range("bytes=4-7"),
                in_range("bytes=0-1,4-5"),
                one(GET),
                one(GET),
            ],
            vec![OK],
        ),
        (
            "the model: the Date that the cache puts makes Last-Modified a strong validator, too",
            "plain",
            vec![in_range("bytes=0-3"), one(GET)],
            vec![
                Manner { validator: "modified", dated: ("yesterday", ""), ..OK },
                Manner { validator: "modified", ..OK },
            ],
        ),
        (
            "the model: a request that is sent again keeps its turn, and its answer is not stored",
            "apart",
            vec![Act::Ask(vec![Ask { condition: "modified-old", ..GET }, GET]), one(GET), one(GET)],
            vec![Manner { fate: Fate::Dropped, ..OK }, Manner { vary: "Accept", ..OK }, OK],
        ),
        (
            "a POST that says so answers a later GET, and ends with the next POST (RFC 9110 §9.3.3)",
            "plain",
            vec![
                one(Ask { method: "POST", content: true, ..GET }),
                one(GET),
                by("Bearer 1"),
                one(Ask { method: "POST", ..GET }),
                one(GET),
            ],
            vec![
                Manner { location: "content target", ..OK },
                Manner { location: "content target", cache_control: "no-store", ..OK },
            ],
        ),
        (
            "what a POST without an answer may have changed is validated (nobody may drop it so)",
            "plain",
            vec![one(GET), one(Ask { method: "POST", ..GET }), one(GET)],
            vec![OK, Manner { fate: Fate::Dropped, ..OK }, OK],
        ),
        (
            "what one tenant is told prolongs nobody else's answer, though both have one tag",
            "keyed",
            vec![
                one(Ask { shown: ("t1", ""), ..GET }),
                one(Ask { shown: ("t2", ""), ..GET }),
                Act::Step(30_000),
                one(Ask { shown: ("t1", ""), ..GET }),
                one(Ask { shown: ("t2", ""), ..GET }),
            ],
            vec![OK],
        ),
        (
            "a group ends in all that bear its name, in one origin alone (RFC 9875 §2.1, §3)",
            "plain",
            vec![
                one(GET),
                one(Ask { host: "b.test", ..GET }),
                one(Ask { method: "POST", path: "y", ..GET }),
                one(GET),
                one(Ask { host: "b.test", ..GET }),
            ],
            vec![
                Manner { groups: "Cache-Groups: \"g\", \"h\"", ..OK },
                Manner { groups: "Cache-Groups: \"g\", \"h\"", ..OK },
                Manner { groups: "Cache-Group-Invalidation: \"h\", \"x\"", ..OK },
                OK,
            ],
        ),
    ]
}

#[test]
fn what_was_found_stays_found() {
    let bench = Bench::new();
    for (showed, mode, acts, manners) in found() {
        let mode = MODES.iter().position(|it| it.name == mode).unwrap();
        let played = bench.play(&(mode, acts, manners));
        played.unwrap_or_else(|why| panic!("{showed}\n{why}"));
    }
}
