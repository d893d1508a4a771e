//! Cuts, byte for byte.

use bytes::Bytes;
use proptest::prelude::*;

use super::{Fault, Offer, Paging, Pointer, TooLarge};

/// Everything that there is.
pub(super) fn offer(paging: Paging) -> Offer {
    Offer {
        fields: Some("fields".to_owned()),
        paging,
        at: Pointer::default(),
        filter: vec!["status".to_owned(), "type".to_owned()],
        page_size: 20,
        max_page_size: 100,
        max_size: 8 << 20,
        too_large: TooLarge::Pass,
    }
}

fn at(pointer: &str) -> Offer {
    Offer { at: Pointer::parse(pointer).unwrap(), ..offer(Paging::OffsetLimit) }
}

/// What comes out, and the total before it where there is one.
fn made(offer: &Offer, query: &str, text: &str) -> String {
    let cut = offer.take(query).unwrap().cut.unwrap();
    match cut.of(&Bytes::copy_from_slice(text.as_bytes())) {
        Ok(shaped) => {
            let total = shaped.total.map_or_else(String::new, |total| format!("{total}: "));
            format!("{total}{}", str::from_utf8(&shaped.body).unwrap())
        }
        Err(Fault::NotJson) => "not JSON".to_owned(),
        Err(Fault::TooDeep) => "too deep".to_owned(),
    }
}

#[test]
fn fields_are_copied_as_the_origin_wrote_them() {
    let rows = [
        ("a", r#"{"a":1,"b":2}"#, r#"{"a":1}"#, "what is not wanted is left out"),
        ("b,a", r#"{"a":1,"b":2}"#, r#"{"a":1,"b":2}"#, "the order is the origin's"),
        ("x", r#"{"a":1}"#, "{}", "what is missing is left out"),
        ("a", r#"[{"a":1},{"b":2},{"a":3}]"#, r#"[{"a":1},{},{"a":3}]"#, "arrays are mapped"),
        ("a", r#"[[{"a":1,"b":2}],[]]"#, r#"[[{"a":1}],[]]"#, "however deep"),
        ("a(b)", r#"{"a":{"b":1,"c":2},"b":3}"#, r#"{"a":{"b":1}}"#, "members of members"),
        ("a(b)", r#"{"a":[{"b":1},{"c":2}]}"#, r#"{"a":[{"b":1},{}]}"#, "and of their elements"),
        ("a(b)", r#"{"a":null}"#, r#"{"a":null}"#, "what has no members stays"),
        ("a(b)", r#"{"a":[1,"b",null,{}]}"#, r#"{"a":[1,"b",null,{}]}"#, "elements keep places"),
        ("a", "42", "42", "a scalar is itself"),
        ("a", r#"{"a":1,"b":2,"a":3}"#, r#"{"a":1,"a":3}"#, "repeated members stay"),
        ("a", r#"{"\u0061":1}"#, r#"{"\u0061":1}"#, "names are compared unescaped, kept escaped"),
        ("ä", r#"{"\u00e4":1,"ä":2}"#, r#"{"\u00e4":1,"ä":2}"#, "both spellings"),
        ("a\"b", r#"{"a\"b":1}"#, r#"{"a\"b":1}"#, "a quote in a name"),
        ("a", r#"{"\ud800":1,"a":2}"#, r#"{"a":2}"#, "half a character is no name"),
        ("a", r#"{"a":"\u00e9\/\ud800\n"}"#, r#"{"a":"\u00e9\/\ud800\n"}"#, "escapes stay"),
        (
            "a",
            r#"{"a":[1.0,1e2,-0,0.10E+3,12345678901234567890.123456789012345678901]}"#,
            r#"{"a":[1.0,1e2,-0,0.10E+3,12345678901234567890.123456789012345678901]}"#,
            "numbers stay as they are written",
        ),
        (
            "a",
            " {\t\"a\" :\r\n [ 1 , 2 ] , \"b\":3 } \n",
            "{\"a\":[ 1 , 2 ]}",
            "space within stays",
        ),
        ("a", "{}", "{}", "nothing of nothing"),
        ("a", "[]", "[]", "nothing of nothing"),
    ];
    for (mask, text, expected, why) in rows {
        let query = format!("fields={}", mask.replace('"', "%22"));
        assert_eq!(made(&at(""), &query, text), expected, "{why}: {mask} of {text}");
    }
}

#[test]
fn what_is_not_json_is_not_cut() {
    let rows = [
        "",
        " ",
        "nul",
        "truex",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "{a:1}",
        "{'a':1}",
        "[1 2]",
        "01",
        "1.",
        ".5",
        "-",
        "+1",
        "1e",
        "0x1",
        "NaN",
        "\"a",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\n\"",
        "{} {}",
        "[}",
        "{\"a\" 1}",
        "{\"a\"}",
        "\u{feff}{}",
        "// c\n{}",
        "[1]]",
    ];
    for text in rows {
        assert_eq!(made(&at(""), "fields=a", text), "not JSON", "RFC 8259: {text:?}");
        assert_eq!(made(&at(""), "limit=1", text), "not JSON", "RFC 8259: {text:?}");
        assert!(serde_json::from_str::<serde_json::Value>(text).is_err(), "another parser agrees");
    }
    let cut = at("").take("fields=a").unwrap().cut.unwrap();
    assert_eq!(cut.of(&Bytes::from_static(b"\"\xff\"")), Err(Fault::NotJson), "§8.1: UTF-8");
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(made(&at(""), "fields=a", &nested(128)), nested(128));
    assert_eq!(made(&at(""), "fields=a", &nested(129)), "too deep");
    let within = format!("{{\"b\":{}}}", "[".repeat(100_000));
    assert_eq!(made(&at(""), "fields=a", &within), "too deep", "where nothing is copied, too");
}

#[test]
fn pages_are_slices_of_the_array() {
    let ten = "[0,1,2,3,4,5,6,7,8,9]";
    let rows = [
        ("", "limit=3", ten, "10: [0,1,2]"),
        ("", "offset=8", ten, "10: [8,9]"),
        ("", "offset=10", ten, "10: []"),
        ("", "offset=99999999999999999999999", ten, "10: []"),
        ("", "limit=1", "[]", "0: []"),
        (
            "/items",
            "offset=1&limit=1",
            r#"{"n":1,"items":[{"a":1}, {"a":2},3],"z":2}"#,
            r#"3: {"n":1,"items":[{"a":2}],"z":2}"#,
        ),
        ("/a/b", "limit=1", r#"{"a":{"c":[1,2],"b":[3,4]}}"#, r#"2: {"a":{"c":[1,2],"b":[3]}}"#),
        ("/0", "limit=1", "[[1,2],[3,4]]", "2: [[1],[3,4]]"),
        (
            "/items",
            "limit=1",
            r#"{"items":[1,2],"items":[3,4]}"#,
            r#"2: {"items":[1,2],"items":[3]}"#,
        ),
        ("/items", "limit=1", r#"{"items":{"a":[1,2]}}"#, r#"{"items":{"a":[1,2]}}"#),
        ("/items", "limit=1", "[1,2]", "[1,2]"),
        ("/items", "limit=1", "7", "7"),
        (
            "/items",
            "limit=1&fields=items(b)",
            r#"{"n":1,"items":[{"a":1,"b":2},{"b":3}]}"#,
            r#"2: {"items":[{"b":2}]}"#,
        ),
        ("/items", "limit=1&fields=n", r#"{"n":1,"items":[{"a":1},{"b":3}]}"#, r#"2: {"n":1}"#),
    ];
    for (pointer, query, text, expected) in rows {
        assert_eq!(made(&at(pointer), query, text), expected, "{query} at {pointer:?} of {text}");
    }
}

#[test]
fn filters_let_equal_scalars_through_before_the_page_is_cut() {
    let text = r#"[{"id":1,"status":"open","type":1},{"id":2,"status":"done","type":1.0},
        {"id":3,"status":"open","type":null},{"id":4,"type":true},7,
        {"id":5,"status":["open"]},{"id":6,"status":"\u006fpen","type":"1"},
        {"id":7,"status":"x","status":"open"},{"id":8,"status":"open","status":"x"}]"#;
    let ids = |query: &str| made(&at(""), &format!("{query}&fields=id"), text);
    let id = |ids: &[u8]| {
        let all: Vec<String> = ids.iter().map(|id| format!("{{\"id\":{id}}}")).collect();
        format!("[{}]", all.join(","))
    };
    assert_eq!(ids("status=open"), format!("4: {}", id(&[1, 3, 6, 7])), "the last of two counts");
    assert_eq!(ids("type=1"), format!("3: {}", id(&[1, 2, 6])), "numbers by value, texts by text");
    assert_eq!(ids("type=null"), format!("1: {}", id(&[3])));
    assert_eq!(ids("type=true"), format!("1: {}", id(&[4])));
    assert_eq!(ids("status=open&type=1"), format!("2: {}", id(&[1, 6])), "all of them");
    assert_eq!(ids("status="), "0: []");
    assert_eq!(ids("status=open&offset=1&limit=2"), format!("4: {}", id(&[3, 6])), "then the page");
}

#[test]
fn sparse_fieldsets_are_those_of_json_api() {
    let text = r#"{"data":[{"type":"post","id":"1","attributes":{"title":"a","body":"b"},"relationships":{"author":{},"tags":{}},"links":{}},
        {"attributes":{"title":"c"},"type":"page"}],"included":[{"type":"user","id":"9","attributes":{"name":"n","age":1}}],"meta":{"title":1}}"#;
    assert_eq!(
        made(&at("/data"), "fields[post]=title,author&fields[user]=&limit=1", text),
        r#"2: {"data":[{"type":"post","id":"1","attributes":{"title":"a"},"relationships":{"author":{}},"links":{}}],"included":[{"type":"user","id":"9","attributes":{}}],"meta":{"title":1}}"#
    );
    let one = r#"{"data":{"attributes":{"a":1,"b":2},"type":"po\u0073t"}}"#;
    assert_eq!(
        made(&at(""), "fields[post]=b", one),
        r#"{"data":{"attributes":{"b":2},"type":"po\u0073t"}}"#
    );
    let none = r#"{"data":{"attributes":{"a":1},"type":5},"included":null}"#;
    assert_eq!(made(&at(""), "fields[5]=b", none), none, "a type is a string");
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-e\"\\\\é\n]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map("[a-d]", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// What a mask of one level means, on a tree.
fn masked(value: &serde_json::Value, names: &[&str]) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Array(all) => all.iter().map(|it| masked(it, names)).collect(),
        Value::Object(map) => {
            let kept = map.iter().filter(|(name, _)| names.contains(&name.as_str()));
            Value::Object(kept.map(|(name, it)| (name.clone(), it.clone())).collect())
        }
        scalar => scalar.clone(),
    }
}

proptest! {
    #[test]
    fn a_cut_is_what_a_tree_would_give(value in json(), pretty in any::<bool>()) {
        let text = match pretty {
            true => serde_json::to_string_pretty(&value).unwrap(),
            false => value.to_string(),
        };
        let made = made(&at(""), "fields=a,c", &text);
        prop_assert!(made.len() <= text.len(), "never longer");
        let read: serde_json::Value = serde_json::from_str(&made).unwrap();
        prop_assert_eq!(read, masked(&value, &["a", "c"]));
    }

    #[test]
    fn bytes_of_any_kind_are_cut_or_refused_as_another_parser_does(
        text in "[\\[\\]{}:,\"\\\\u0ad1e.\\- tr]{0,16}",
    ) {
        let cut = at("").take("fields=a&limit=2").unwrap().cut.unwrap();
        let ours = cut.of(&Bytes::from(text.clone().into_bytes()));
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{:?} {:?}", ours, text);
    }
}
