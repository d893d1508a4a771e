//! Tables read key by key, so that every problem is found and every key that the code knows is
//! known by name, too.
//!
//! A [`Section`] is one table, present or not. Each key is taken once; [`Section::finish`]
//! remembers what nobody took. Reading never stops: what is wrong is reported to the
//! [`Context`], and the default stands in.

use std::cell::{Cell, RefCell};

use toml::de::{DeTable, DeValue};

use super::{
    Overrides, Problem,
    suggest::{self, Unknown},
    text::quote,
    value::Item,
};

/// A key that `proxy.toml` may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Dotted: `cache.memory.max_size`, `upstreams.<name>.url`, `routes.match.path`.
    pub path: String,
    /// What it takes, with an example.
    pub takes: String,
    /// As it would be written, without quotes; `None` where there is no default.
    pub default: Option<String>,
    /// How its value is written.
    pub values: Values,
}

/// How a value is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Values {
    /// In a way of its own.
    Own,
    /// A string.
    Text,
    /// A string, or an array of them.
    Texts,
    /// One of these words.
    Words(Vec<String>),
    /// A number, or a string with its unit.
    Number,
    /// `true` or `false`.
    Flag,
}

/// A table of which there may be many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// Dotted, as keys are.
    pub(super) path: String,
    /// How there may be many.
    pub(super) many: Many,
}

/// How there may be many of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Many {
    /// `[path.<name>]`
    Named,
    /// `[[path]]`
    Listed,
    /// `[path]` or `[[path]]`
    OneOrListed,
}

/// What all sections of a file share.
pub(super) struct Context<'a> {
    file: &'a str,
    /// Where each line but the first begins.
    lines: Vec<usize>,
    pub(super) env: &'a dyn Fn(&str) -> Option<String>,
    /// Top-level keys that the command line has in place of the file.
    given: Vec<(&'static str, DeValue<'a>)>,
    problems: RefCell<Vec<Problem>>,
    unknown: RefCell<Vec<Unknown>>,
    /// Whether keys are wanted rather than values.
    listing: Cell<bool>,
    keys: RefCell<Vec<Key>>,
    groups: RefCell<Vec<Group>>,
}

impl<'a> Context<'a> {
    pub(super) fn new(
        file: &'a str,
        text: &str,
        env: &'a dyn Fn(&str) -> Option<String>,
    ) -> Context<'a> {
        Context {
            file,
            lines: text.match_indices('\n').map(|(at, _)| at + 1).collect(),
            env,
            given: Vec::new(),
            problems: RefCell::default(),
            unknown: RefCell::default(),
            listing: Cell::new(false),
            keys: RefCell::default(),
            groups: RefCell::default(),
        }
    }

    /// With what the command line says in place of the file.
    pub(super) fn with(mut self, overrides: &'a Overrides) -> Context<'a> {
        let Overrides { listen, upstream } = overrides;
        let given = [("listen", listen), ("upstream", upstream)];
        let value = |text: &'a str| DeValue::String(text.into());
        let given = given.into_iter().filter_map(|(key, text)| Some((key, value(text.as_ref()?))));
        self.given = given.collect();
        self
    }

    fn given(&self, key: &str) -> Option<&DeValue<'a>> {
        self.given.iter().find(|(given, _)| *given == key).map(|(_, value)| value)
    }

    /// A context in which sections only declare, one of each that may have many.
    pub(super) fn listing(env: &'a dyn Fn(&str) -> Option<String>) -> Context<'a> {
        let context = Context::new("", "", env);
        context.listing.set(true);
        context
    }

    /// The line of a position, from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at) + 1
    }

    pub(super) fn report(&self, line: usize, key: &str, message: impl Into<String>) {
        let (file, key) = (self.file.to_owned(), key.to_owned());
        self.problems.borrow_mut().push(Problem { file, line, key, message: message.into() });
    }

    /// The keys that were declared, and the tables of which there may be many.
    pub(super) fn into_declared(self) -> (Vec<Key>, Vec<Group>) {
        (self.keys.into_inner(), self.groups.into_inner())
    }

    fn declare(&self, path: &str, many: Many) {
        self.groups.borrow_mut().push(Group { path: path.to_owned(), many });
    }

    /// Every problem in the order of lines; `keys` helps to explain unknown ones.
    pub(super) fn into_problems(self, keys: fn() -> Vec<Key>) -> Vec<Problem> {
        let unknown = self.unknown.take();
        if !unknown.is_empty() {
            let keys = keys();
            for unknown in unknown {
                self.report(unknown.line, &unknown.name, suggest::explain(&unknown, &keys));
            }
        }
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| problem.line);
        problems
    }
}

/// One table of the file, present or not.
pub(super) struct Section<'a> {
    pub(super) context: &'a Context<'a>,
    /// Its dotted path as problems show it; empty for the top of the file.
    path: String,
    /// Its dotted path as keys are declared: names given by the operator are `<name>`.
    family: String,
    line: usize,
    table: Option<&'a DeTable<'a>>,
    known: Vec<&'static str>,
    /// Keys that only the whole process can have.
    process: &'static [&'static str],
}

impl<'a> Section<'a> {
    /// The top of the file.
    pub(super) fn top(context: &'a Context<'a>, table: Option<&'a DeTable<'a>>) -> Section<'a> {
        Section::at(context, String::new(), 0, table)
    }

    fn at(
        context: &'a Context<'a>,
        path: String,
        line: usize,
        table: Option<&'a DeTable<'a>>,
    ) -> Section<'a> {
        let family = path.clone();
        Section { context, path, family, line, table, known: Vec::new(), process: &[] }
    }

    /// Makes `keys` problems that say that they are for the whole process.
    pub(super) fn refuse(&mut self, keys: &'static [&'static str]) {
        self.process = keys;
    }

    /// The line of its header; 0 where it has none.
    pub(super) fn line(&self) -> usize {
        self.line
    }

    /// The line of one of its keys; its own where that is not written.
    pub(super) fn line_of(&self, key: &str) -> usize {
        let found = self.table.and_then(|table| table.get_key_value(key));
        found.map_or(self.line, |(name, _)| self.context.line(name.span().start))
    }

    /// Whether the key is written.
    pub(super) fn has(&self, key: &str) -> bool {
        let given = self.path.is_empty() && self.context.given(key).is_some();
        given || self.table.is_some_and(|table| table.contains_key(key))
    }

    /// Whether it is there, and nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.table.is_some_and(DeTable::is_empty)
    }

    /// Takes a key that is a table.
    pub(super) fn table(&mut self, key: &'static str) -> Section<'a> {
        let found = self.known(key);
        let (path, family) = (join(&self.path, key), join(&self.family, key));
        let line = found.as_ref().map_or(self.line, |item| item.line);
        let table = found.and_then(|item| item.table());
        Section { family, ..Section::at(self.context, path, line, table) }
    }

    /// Takes a key that is a table of tables with names of the operator's choice.
    pub(super) fn named(&mut self, key: &'static str) -> Vec<(&'a str, Section<'a>)> {
        let context = self.context;
        let family = format!("{}.<name>", join(&self.family, key));
        if context.listing.get() {
            context.declare(&join(&self.family, key), Many::Named);
            return vec![("", Section::at(context, family, 0, None))];
        }
        let tables = self.known(key).map(|item| item.entries()).unwrap_or_default();
        let section = |(name, item): (&'a str, Item<'a>)| {
            let table = Some(item.table()?);
            let section = Section::at(context, item.key, item.line, table);
            Some((name, Section { family: family.clone(), ..section }))
        };
        tables.into_iter().filter_map(section).collect()
    }

    /// Takes a key that is an array of tables; `None` where it holds something else.
    pub(super) fn list(&mut self, key: &'static str) -> Option<Vec<Section<'a>>> {
        if self.context.listing.get() {
            self.context.declare(&join(&self.family, key), Many::Listed);
            return Some(vec![Section::at(self.context, join(&self.family, key), 0, None)]);
        }
        let Some(item) = self.known(key) else { return Some(Vec::new()) };
        let DeValue::Array(tables) = item.value else {
            item.report(format!("expected an array of tables: write [[{key}]] for each of them"));
            return None;
        };
        let section = |table| {
            let item = item.element(table);
            let table = Some(item.table()?);
            Some(Section::at(self.context, item.key, item.line, table))
        };
        let sections: Vec<Section<'a>> = tables.iter().filter_map(section).collect();
        (tables.is_empty() || !sections.is_empty()).then_some(sections)
    }

    /// Takes a key that is a table or an array of tables; `None` where it is not there.
    pub(super) fn tables(&mut self, key: &'static str) -> Option<Vec<Section<'a>>> {
        if self.context.listing.get() {
            self.context.declare(&join(&self.family, key), Many::OneOrListed);
            return Some(vec![Section::at(self.context, join(&self.family, key), 0, None)]);
        }
        let item = self.known(key)?;
        let section = |item: Item<'a>| {
            let table = Some(item.table()?);
            Some(Section::at(self.context, item.key, item.line, table))
        };
        Some(match item.value {
            DeValue::Array(tables) => {
                tables.iter().filter_map(|table| section(item.element(table))).collect()
            }
            _ => section(item).into_iter().collect(),
        })
    }

    /// Takes a key with a value, and declares it.
    pub(super) fn take(
        &mut self,
        key: &'static str,
        takes: &str,
        default: Option<String>,
    ) -> Option<Item<'a>> {
        if self.context.listing.get() {
            let (path, takes) = (join(&self.family, key), takes.to_owned());
            let key = Key { path, takes, default, values: Values::Own };
            self.context.keys.borrow_mut().push(key);
        }
        self.known(key)
    }

    /// Says how the value of the key that was taken last is written.
    pub(super) fn takes(&self, values: impl FnOnce() -> Values) {
        if self.context.listing.get()
            && let Some(last) = self.context.keys.borrow_mut().last_mut()
        {
            last.values = values();
        }
    }

    fn known(&mut self, key: &'static str) -> Option<Item<'a>> {
        self.known.push(key);
        let context = self.context;
        if let Some(value) = context.given(key).filter(|_| self.path.is_empty()) {
            return Some(Item { context, key: format!("--{key}"), line: 0, value });
        }
        let (name, value) = self.table?.get_key_value(key)?;
        let (key, line) = (join(&self.path, key), context.line(name.span().start));
        Some(Item { context, key, line, value: value.get_ref() })
    }

    /// Reports a problem of one of its keys, at that key's line, or at its own.
    pub(super) fn report(&self, key: &str, message: impl Into<String>) {
        self.context.report(self.line_of(key), &join(&self.path, key), message);
    }

    /// Reports a problem of the table itself.
    pub(super) fn report_whole(&self, message: impl Into<String>) {
        self.context.report(self.line, &self.path, message);
    }

    /// Reports the keys that nobody took.
    pub(super) fn finish(self) {
        let mut unknown = self.context.unknown.borrow_mut();
        for (name, _) in self.table.into_iter().flat_map(|table| table.iter()) {
            let key: &str = name.get_ref();
            if self.known.contains(&key) {
                continue;
            }
            unknown.push(Unknown {
                line: self.context.line(name.span().start),
                name: join(&self.path, key),
                key: key.to_owned(),
                section: self.family.clone(),
                known: self.known.clone(),
                process: self.process.contains(&key),
            });
        }
    }
}

/// A dotted path; a key that is not bare is quoted, so that a problem stays one line.
pub(super) fn join(path: &str, key: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let bare = !key.is_empty() && key.len() <= 64 && key.bytes().all(is_bare);
    let key = if bare { key.to_owned() } else { quote(key) };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}
