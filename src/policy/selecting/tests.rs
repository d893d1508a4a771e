use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::{collection::vec, prop_assert_eq, proptest, sample::select};

use super::{compare_as_it_is, normalise};

fn form(name: &'static str, lines: &[&str]) -> Vec<u8> {
    let name = HeaderName::from_static(name);
    let mut asked = HeaderMap::new();
    for line in lines {
        asked.append(name.clone(), HeaderValue::from_str(line).expect("a field value"));
    }
    let mut form = Vec::new();
    normalise(&asked, &name, |piece| form.extend_from_slice(piece));
    form
}

type Row = (&'static str, &'static [&'static str], &'static [&'static str], &'static str);

#[test]
fn what_means_the_same_has_one_form() {
    let rows: [Row; 18] = [
        ("foo", &["1,2"], &["1, 2"], "§4.1: whitespace"),
        ("foo", &["1,2"], &[" 1 ,\t2 "], "§4.1: whitespace"),
        ("foo", &["1, 2"], &["1", "2"], "§4.1: lines combine"),
        ("foo", &["(1", "2)"], &["(1,2)"], "§4.1: lines combine"),
        ("accept", &["a/b;c=\"d, e\" , f"], &["a/b;c=\"d, e\",f"], "§4.1: outside of quotes"),
        ("accept", &["a;b=\"\\\"\" , c"], &["a;b=\"\\\"\",c"], "RFC 9110 §5.6.4: an escaped quote"),
        ("accept", &["a;q=\"1\" , c"], &["a;q=\"1\",c"], "a quote within a member"),
        ("accept-language", &["en, de"], &["eN,De"], "RFC 4647 §2: in any case"),
        ("accept-language", &["en, de"], &[" en ,   de"], "§4.1: whitespace"),
        ("accept-language", &["en, de"], &["en", "de"], "§4.1: lines combine"),
        ("accept-language", &["en, de"], &[",en,, de,"], "RFC 9110 §5.6.1.2: empty members"),
        ("accept-language", &["de;q=0.5, en"], &["en, de;q=0.5"], "§4.1: weights tell the order"),
        ("accept-language", &["en;q=1, de;q=0.5"], &["en, de ; Q=0.500"], "RFC 9110 §12.4.2"),
        ("accept-language", &["en;q=0"], &["en;q=0.000"], "RFC 9110 §12.4.2"),
        ("accept-encoding", &["gzip, br"], &["GZIP,br"], "RFC 9110 §8.4.1: in any case"),
        ("accept-encoding", &["br;q=0.1, gzip"], &["gzip,br;q=0.1"], "§4.1: weights"),
        ("accept-charset", &["utf-8"], &["UTF-8"], "RFC 9110 §8.3.2: in any case"),
        ("accept", &["a/b,c/d"], &["a/b , c/d"], "§4.1: whitespace"),
    ];
    for (name, one, other, why) in rows {
        assert_eq!(form(name, one), form(name, other), "{why}: {name} {one:?} {other:?}");
    }
}

#[test]
fn what_may_mean_another_thing_keeps_a_form_of_its_own() {
    let rows: [Row; 34] = [
        ("foo", &["\"a\" , b"], &["\"a\",b"], "§4.1: what quotes mean is not known"),
        ("foo", &["M (X, Y)"], &["M (X,Y)"], "§4.1: nor what parentheses do"),
        ("foo", &["a; b, c"], &["a; b,c"], "§4.1: nor parameters"),
        ("foo", &["(x", "a, b", ")"], &["(x,a,b,)"], "one line may hold another together"),
        ("accept", &["\"a, b\""], &["\"a,b\""], "RFC 9110 §5.6.4: within quotes"),
        ("accept", &["\"a\\\", b\""], &["\"a\\\",b\""], "RFC 9110 §5.6.4: an escaped quote"),
        ("accept", &["\"a, b"], &["\"a,b"], "a quote that is never closed"),
        ("accept", &["a\"", "b"], &["a\",b"], "a quote ends with its line, for some"),
        ("accept-encoding", &["a\"", "b"], &["a\",b"], "a quote ends with its line, for some"),
        ("foo", &["a\"", "b"], &["a\",b"], "a quote ends with its line, for some"),
        ("foo", &["1,2"], &["2,1"], "§4.1: what order means is not known"),
        ("foo", &["a"], &["A"], "§4.1: nor what case means"),
        ("foo", &["1,2"], &["1,,2"], "nor what nothing means"),
        ("foo", &["1 2"], &["12"], "whitespace within a member"),
        ("foo", &["1 2"], &["1  2"], "whitespace within a member"),
        ("foo", &["\"a, b\""], &["\"a,b\""], "RFC 9110 §5.6.4: within quotes"),
        ("foo", &["\"a\\\", b\""], &["\"a\\\",b\""], "RFC 9110 §5.6.4: an escaped quote"),
        ("foo", &["\"a\\\\\" , b"], &["\"a\\\" , b"], "RFC 9110 §5.6.4: an escaped backslash"),
        ("foo", &["\"a, b"], &["\"a,b"], "a quote that is never closed"),
        ("cookie", &["a=1, 2"], &["a=1,2"], "RFC 6265 §4.2: not a list, and somebody's"),
        ("cookie", &["a=1,2"], &["a=1", "2"], "RFC 6265 §4.2: not a list, and somebody's"),
        ("authorization", &["A b, c"], &["A b,c"], "somebody's"),
        ("accept", &["a/b"], &["A/b"], "parameters may be case-sensitive"),
        ("accept-language", &["en, de"], &["de, en"], "RFC 9110 §12.5.4: some take the first"),
        ("accept-language", &["en"], &["en-GB"], "another tag"),
        ("accept-language", &["en"], &["en;q=0.999"], "another weight"),
        ("accept-language", &["en;q=0.5"], &["en;q=0.05"], "another weight"),
        ("accept-language", &["en;q=2"], &["en"], "no weight"),
        ("accept-language", &["en;q=1.1"], &["en;q=1"], "no weight"),
        ("accept-language", &["en;q=0.0001"], &["en;q=0"], "no weight"),
        ("accept-language", &["en;x=1"], &["en"], "no parameter"),
        ("accept-language", &["en, en;q=0"], &["en;q=0, en"], "one of the two, but which"),
        ("accept-language", &["en de"], &["en, de"], "no tag"),
        ("accept-encoding", &["gzip;q=0"], &["identity"], "RFC 9110 §12.5.3"),
    ];
    for (name, one, other, why) in rows {
        assert_ne!(form(name, one), form(name, other), "{why}: {name} {one:?} {other:?}");
    }
}

#[test]
fn a_field_of_the_key_stays_as_it_is_where_its_syntax_is_not_known() {
    let form = |name: &'static str, value: &'static str| {
        let name = HeaderName::from_static(name);
        let mut asked = HeaderMap::from_iter([(name.clone(), HeaderValue::from_static(value))]);
        compare_as_it_is(&mut asked, &name);
        let mut form = Vec::new();
        normalise(&asked, &name, |piece| form.extend_from_slice(piece));
        form
    };
    assert_eq!(form("x-tenant", " A,  B "), b"A,  B");
    assert_eq!(form("x-tenant", "A,B"), b"A,B");
    let name = HeaderName::from_static("x-tenant");
    let lines = ["A", "B"].map(|line| (name.clone(), HeaderValue::from_static(line)));
    let mut asked = HeaderMap::from_iter(lines);
    compare_as_it_is(&mut asked, &name);
    let mut two = Vec::new();
    normalise(&asked, &name, |piece| two.extend_from_slice(piece));
    assert_ne!(two, b"A,B", "two lines, and one: RFC 9110 §5.3 joins those of lists");
    assert_eq!(form("accept-language", "EN , de"), b"en,de", "§4.1: its syntax is known");
    assert_eq!(form("accept", "a/b , c/d"), b"a/b,c/d", "§4.1: its syntax is known");
}

#[test]
fn a_list_beyond_measure_is_compared_as_it_is() {
    let many: Vec<_> = (0..33).map(|n| format!("en-{n}")).collect();
    let many = many.join(",");
    assert_ne!(form("accept-language", &[&many]), form("accept-language", &[&many.to_uppercase()]));
}

proptest! {
    /// RFC 9111 §4.1: nothing but whitespace around commas is lost of a field that is not known.
    #[test]
    fn an_unknown_field_loses_only_whitespace(
        pieces in vec(select(vec!["a", "b", ",", " ", "\t", "\"", "\\"]), 0..16),
    ) {
        let value = pieces.concat();
        let without = |text: &[u8]| -> Vec<u8> {
            text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect()
        };
        let normal = form("foo", &[&value]);
        prop_assert_eq!(without(&normal), without(value.as_bytes()));
        let again = String::from_utf8(normal.clone()).expect("it was text");
        prop_assert_eq!(form("foo", &[&again]), normal, "the form is its own");
    }
}
