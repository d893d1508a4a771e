//! Values by their kind: what each kind of key makes of what is written.

use std::borrow::Cow;

use toml::de::{DeInteger, DeTable, DeValue};

use super::{
    reader::{Context, Section, Values, join},
    text::{expand, quote},
    units::Kind,
};

/// One value of the file, and where it stands.
#[derive(Clone)]
pub(super) struct Item<'a> {
    pub(super) context: &'a Context<'a>,
    /// Its dotted path.
    pub(super) key: String,
    pub(super) line: usize,
    pub(super) value: &'a DeValue<'a>,
}

impl<'a> Item<'a> {
    pub(super) fn report(&self, message: impl Into<String>) {
        self.context.report(self.line, &self.key, message);
    }

    fn mistyped(&self, takes: &str) {
        let kind = self.value.type_str();
        let article = if kind.starts_with(['a', 'i']) { "an" } else { "a" };
        self.report(format!("expected {takes}, found {article} {kind}"));
    }

    /// The table that it is.
    pub(super) fn table(&self) -> Option<&'a DeTable<'a>> {
        let table = self.value.as_table();
        if table.is_none() {
            self.mistyped("a table, that is [a header] with keys below it or { key = value }");
        }
        table
    }

    /// What the table that it is holds, by name.
    pub(super) fn entries(&self) -> Vec<(&'a str, Item<'a>)> {
        let entry = |(name, value): (&'a toml::Spanned<Cow<'a, str>>, &'a toml::Spanned<_>)| {
            let line = self.context.line(name.span().start);
            let (context, key) = (self.context, join(&self.key, name.get_ref()));
            (&**name.get_ref(), Item { context, key, line, value: value.get_ref() })
        };
        self.table().into_iter().flat_map(|table| table.iter()).map(entry).collect()
    }

    /// One value of the array that it is.
    pub(super) fn element(&self, value: &'a toml::Spanned<DeValue<'a>>) -> Item<'a> {
        let line = self.context.line(value.span().start);
        Item { line, value: value.get_ref(), ..self.clone() }
    }

    /// A string, the environment taken in.
    fn text(&self, takes: &str) -> Option<Text<'a>> {
        let DeValue::String(raw) = self.value else {
            self.mistyped(takes);
            return None;
        };
        match expand(raw, self.context.env) {
            Ok(value) => Some(Text { item: self.clone(), raw: Cow::Borrowed(raw), value }),
            Err(problems) => {
                problems.into_iter().for_each(|problem| self.report(problem));
                None
            }
        }
    }

    /// A string, or a whole number as if it were one: so that a number may come from the
    /// environment, and one without its unit is told what it lacks.
    fn scalar(&self, takes: &str) -> Option<Text<'a>> {
        let DeValue::Integer(number) = self.value else { return self.text(takes) };
        let raw: Cow<'a, str> = Cow::Owned(digits(number));
        Some(Text { item: self.clone(), value: raw.clone(), raw })
    }

    /// A number of some kind.
    pub(super) fn number<T: Copy + PartialOrd>(&self, kind: &Kind<T>) -> Option<T> {
        self.scalar(kind.what)?.read(|text| kind.read(text))
    }
}

fn digits(number: &DeInteger<'_>) -> String {
    let value = i128::from_str_radix(number.as_str(), number.radix());
    value.map_or_else(|_| number.to_string(), |value| value.to_string())
}

/// A string of the file: as written for problems, as expanded for use.
pub(super) struct Text<'a> {
    item: Item<'a>,
    raw: Cow<'a, str>,
    value: Cow<'a, str>,
}

impl Text<'_> {
    /// With the environment's values: not for problems.
    pub(super) fn value(&self) -> &str {
        &self.value
    }

    /// As a problem may show it.
    pub(super) fn quoted(&self) -> String {
        quote(&self.raw)
    }

    /// Reports what is wrong with it; `why` follows the text as written.
    pub(super) fn refuse(&self, why: impl AsRef<str>) {
        self.item.report(format!("{} {}", self.quoted(), why.as_ref()));
    }

    /// What `reader` makes of it; an error is reported and must not repeat the text.
    pub(super) fn read<T>(&self, reader: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        reader(&self.value).map_err(|why| self.refuse(why)).ok()
    }
}

impl<'a> Section<'a> {
    /// A number that has a default.
    pub(super) fn number<T: Copy + PartialOrd>(
        &mut self,
        key: &'static str,
        kind: &Kind<T>,
        default: T,
    ) -> T {
        let item = self.take(key, kind.what, Some(kind.show(default)));
        self.takes(|| Values::Number);
        item.and_then(|item| item.number(kind)).unwrap_or(default)
    }

    /// A number, or `"off"`.
    pub(super) fn optional<T: Copy + PartialOrd>(
        &mut self,
        key: &'static str,
        kind: &Kind<T>,
        default: Option<T>,
    ) -> Option<T> {
        let takes = format!("{} or \"off\"", kind.what);
        let shown = default.map_or_else(|| "off".to_owned(), |value| kind.show(value));
        let item = self.take(key, &takes, Some(shown));
        self.takes(|| Values::Number);
        let Some(item) = item else { return default };
        let Some(text) = item.scalar(&takes) else { return default };
        if text.value() == "off" {
            return None;
        }
        text.read(|text| kind.read(text)).or(default)
    }

    /// One of some words.
    pub(super) fn word<T: Copy + PartialEq>(
        &mut self,
        key: &'static str,
        words: &[(&str, T)],
        default: T,
    ) -> T {
        let list: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        let list = list.join(" or ");
        let shown = words.iter().find(|(_, value)| *value == default);
        let item = self.take(key, &list, shown.map(|(word, _)| (*word).to_owned()));
        self.takes(|| Values::Words(words.iter().map(|(word, _)| (*word).to_owned()).collect()));
        let Some(text) = item.and_then(|item| item.text(&list)) else { return default };
        let found = words.iter().find(|(word, _)| *word == text.value());
        if found.is_none() {
            text.refuse(format!("is not a value that it has: write {list}"));
        }
        found.map_or(default, |(_, value)| *value)
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, key: &'static str, default: bool) -> bool {
        let item = self.take(key, "true or false", Some(default.to_string()));
        self.takes(|| Values::Flag);
        let Some(item) = item else { return default };
        item.value.as_bool().unwrap_or_else(|| {
            item.mistyped("true or false (without quotes)");
            default
        })
    }

    /// A string.
    pub(super) fn text(
        &mut self,
        key: &'static str,
        takes: &str,
        default: Option<&str>,
    ) -> Option<Text<'a>> {
        let item = self.take(key, takes, default.map(str::to_owned));
        self.takes(|| Values::Text);
        item?.text(takes)
    }

    /// A string or an array of them; `None` where there is no such thing.
    pub(super) fn texts(
        &mut self,
        key: &'static str,
        takes: &str,
        default: Option<&str>,
    ) -> Option<Vec<Text<'a>>> {
        let item = self.take(key, takes, default.map(str::to_owned));
        self.takes(|| Values::Texts);
        let item = item?;
        let DeValue::Array(array) = item.value else {
            return item.text(takes).map(|text| vec![text]);
        };
        let element = |value| item.element(value).text(takes);
        let texts: Vec<Text<'a>> = array.iter().filter_map(element).collect();
        (array.is_empty() || !texts.is_empty()).then_some(texts)
    }
}
