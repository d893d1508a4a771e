//! Nothing that is written is a panic.

use proptest::prelude::*;

use super::*;

/// Fragments of configurations, so that random texts get beyond the parser of TOML.
fn fragment() -> impl Strategy<Value = String> {
    const WORDS: &str = "listen upstream upstreams routes match path host methods name url cache ttl \
                         status_ttl 404 key query exclude limits timeouts a";
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let word = proptest::sample::select(words);
    let value = prop_oneof![
        "[-0-9a-zA-Z:/*.%\\[\\]${}@? é]{0,20}".prop_map(|text| format!("'{text}'")),
        any::<i64>().prop_map(|number| number.to_string()),
        Just("[]".to_owned()),
        Just("{}".to_owned()),
        Just("['http://a', '/**', 1]".to_owned()),
        Just("{ path = '/é/**', ttl = '1s', a = { url = 'http://é' } }".to_owned()),
    ];
    let key = proptest::collection::vec(word.clone(), 1..4).prop_map(|words| words.join("."));
    prop_oneof![
        (key.clone(), value).prop_map(|(key, value)| format!("{key} = {value}\n")),
        key.clone().prop_map(|key| format!("[{key}]\n")),
        key.prop_map(|key| format!("[[{key}]]\n")),
    ]
}

proptest! {
    #[test]
    fn no_text_is_a_panic(text in "\\PC{0,200}") {
        for problem in compile(&text).err().unwrap_or_default() {
            prop_assert!(!problem.contains('\n'), "one line each: {problem}");
        }
    }

    #[test]
    fn no_configuration_is_a_panic(lines in proptest::collection::vec(fragment(), 0..12)) {
        let text = lines.concat();
        for problem in compile(&text).err().unwrap_or_default() {
            prop_assert!(!problem.contains('\n'), "one line each: {problem}");
        }
    }
}
