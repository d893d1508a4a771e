//! Which certificate a client gets: by the name that it asks for (RFC 6066 §3).

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::pair::Pair;
use crate::config::tls::UnknownName;

/// The certificates by name. Swapped as a whole, while handshakes go on.
#[derive(Debug)]
pub(super) struct Names(ArcSwap<Table>);

#[derive(Debug)]
struct Table {
    /// As certificates spell them, in lower case; of one name, in the order of the file.
    by_name: HashMap<String, Vec<Arc<CertifiedKey>>>,
    /// For a name that is not there, and for none.
    default: Option<Arc<CertifiedKey>>,
}

impl Names {
    pub(super) fn new<'a>(
        pairs: impl Iterator<Item = &'a Pair>,
        unknown: UnknownName,
    ) -> Arc<Names> {
        Arc::new(Names(ArcSwap::from_pointee(Table::new(pairs, unknown))))
    }

    /// Handshakes that begin from now on get these.
    pub(super) fn swap<'a>(&self, pairs: impl Iterator<Item = &'a Pair>, unknown: UnknownName) {
        self.0.store(Arc::new(Table::new(pairs, unknown)));
    }
}

impl Table {
    fn new<'a>(pairs: impl Iterator<Item = &'a Pair>, unknown: UnknownName) -> Table {
        let mut table = Table { by_name: HashMap::new(), default: None };
        for pair in pairs {
            for name in &pair.names {
                table.by_name.entry(name.clone()).or_default().push(pair.key.clone());
            }
            if unknown == UnknownName::Default {
                table.default.get_or_insert_with(|| pair.key.clone());
            }
        }
        table
    }

    /// The certificates for a name: its own, or those of the wildcard in place of its first label
    /// (RFC 9525 §6.3), which stands for no other.
    fn find(&self, name: &str) -> Option<&[Arc<CertifiedKey>]> {
        let name = name.to_ascii_lowercase();
        let own = self.by_name.get(&name);
        let wild = || self.by_name.get(&format!("*.{}", name.split_once('.')?.1));
        own.or_else(wild).map(Vec::as_slice)
    }
}

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let table = self.0.load();
        let Some(found) = hello.server_name().and_then(|name| table.find(name)) else {
            return table.default.clone();
        };
        let schemes = hello.signature_schemes();
        let mut fit = found.iter().filter(|it| it.key.choose_scheme(schemes).is_some());
        fit.next().or(found.first()).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::pair::tests::made, *};

    #[test]
    fn a_wildcard_stands_for_one_label() {
        let pairs = [made(&["a.test", "*.b.test"]), made(&["x.b.test"])];
        let table = Table::new(pairs.iter(), UnknownName::Default);
        let found = |name: &str| {
            let found = table.find(name)?;
            pairs.iter().position(|pair| Arc::ptr_eq(&pair.key, &found[0]))
        };
        for (name, pair) in [
            ("a.test", Some(0)),
            ("A.Test", Some(0)),
            ("y.b.test", Some(0)),
            ("x.b.test", Some(1)),
            ("b.test", None),
            ("y.x.b.test", None),
            ("test", None),
            ("*.b.test", Some(0)),
        ] {
            assert_eq!(found(name), pair, "{name}");
        }
        assert!(Arc::ptr_eq(table.default.as_ref().unwrap(), &pairs[0].key), "the first one");
        assert!(Table::new(pairs.iter(), UnknownName::Refuse).default.is_none());
    }
}
