//! The cut itself: a walk over the text that copies what is wanted.

use bytes::Bytes;

use super::{
    Cut, Fields,
    mask::Mask,
    number,
    pointer::Pointer,
    scan::{Fault, Scanner, decoded, is_name},
    sparse::Sparse,
};

/// What a cut makes of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shaped {
    /// The text.
    pub body: Bytes,
    /// How many elements the filter let through, where there is an array to count.
    pub total: Option<u64>,
}

/// What is wanted of a value.
#[derive(Clone, Copy)]
enum View<'m> {
    Whole,
    /// These members, of it or of each of its elements.
    Masked(&'m Mask),
    /// It is the document of JSON:API.
    Document(&'m Sparse),
    /// It is a resource object, or an array of them.
    Resource(&'m Sparse),
    /// It is a resource object, of a type of which these fields are wanted.
    Typed(&'m Mask),
}

/// Cuts.
struct Cutter<'c> {
    cut: &'c Cut,
    /// Where the values begin that lead to the array, the array's own place last; empty where
    /// there is nothing to choose from.
    path: Vec<usize>,
    out: Vec<u8>,
    total: Option<u64>,
}

/// Makes `cut` of a text.
pub(super) fn cut(cut: &Cut, text: &Bytes) -> Result<Shaped, Fault> {
    let start = Scanner::new(text)?;
    let path = match cut.chooses() {
        true => path_to_array(start, &cut.at)?.unwrap_or_default(),
        false => Vec::new(),
    };
    let mut cutter = Cutter { cut, path, out: Vec::new(), total: None };
    let view = match &cut.fields {
        Fields::All => View::Whole,
        Fields::Masked(mask) => View::Masked(mask),
        Fields::Sparse(sparse) => View::Document(sparse),
    };
    let mut scanner = start;
    cutter.value(&mut scanner, view)?;
    scanner.end()?;
    if let (None, Some(array)) = (cutter.total, cutter.path.last()) {
        // The fields leave the array out; how long it is counts all the same.
        let mut scanner = start.moved_to(*array);
        let length = cutter.out.len();
        cutter.array(&mut scanner, View::Whole)?;
        cutter.out.truncate(length);
    }
    cutter.out.shrink_to_fit();
    Ok(Shaped { body: Bytes::from(cutter.out), total: cutter.total })
}

/// The places of the values on the way to the array that a pointer names; `None` where there is
/// none. Of members with one name the last counts, as it does for parsers.
fn path_to_array(mut scanner: Scanner<'_>, pointer: &Pointer) -> Result<Option<Vec<usize>>, Fault> {
    let mut path = vec![scanner.at];
    for step in pointer.steps() {
        let mut found = None;
        match scanner.kind() {
            Some(b'{') => scanner.object(|inner, name| {
                if is_name(name, step) {
                    found = Some(*inner);
                }
                inner.value().map(drop)
            })?,
            Some(b'[') => {
                let mut index = 0_u64;
                scanner.array(|inner| {
                    if index.to_string() == *step {
                        found = Some(*inner);
                    }
                    index += 1;
                    inner.value().map(drop)
                })?;
            }
            Some(_) | None => {}
        }
        let Some(inner) = found else { return Ok(None) };
        scanner = inner;
        path.push(scanner.at);
    }
    Ok((scanner.kind() == Some(b'[')).then_some(path))
}

impl Cutter<'_> {
    /// Passes a value, and copies what is wanted of it.
    fn value(&mut self, scanner: &mut Scanner<'_>, view: View<'_>) -> Result<(), Fault> {
        if self.path.last() == Some(&scanner.at) {
            return self.array(scanner, view);
        }
        let walks = !matches!(view, View::Whole) || self.path.contains(&scanner.at);
        match scanner.kind() {
            Some(b'{') if walks => {
                let view = view.of_object(*scanner)?;
                self.object(scanner, view)
            }
            Some(b'[') if walks => {
                self.elements(scanner, |cutter, inner| cutter.value(inner, view).map(|()| true))
            }
            Some(_) | None => {
                self.out.extend_from_slice(scanner.value()?.as_bytes());
                Ok(())
            }
        }
    }

    fn object(&mut self, scanner: &mut Scanner<'_>, view: View<'_>) -> Result<(), Fault> {
        self.out.push(b'{');
        let mut first = true;
        scanner.object(|inner, name| {
            let Some(view) = view.of_member(name) else { return inner.value().map(drop) };
            if !std::mem::take(&mut first) {
                self.out.push(b',');
            }
            self.out.extend_from_slice(name.as_bytes());
            self.out.push(b':');
            self.value(inner, view)
        })?;
        self.out.push(b'}');
        Ok(())
    }

    /// Passes the array that pages and filters are of.
    fn array(&mut self, scanner: &mut Scanner<'_>, view: View<'_>) -> Result<(), Fault> {
        let (cut, mut matched) = (self.cut, 0);
        self.elements(scanner, |cutter, inner| {
            let start = *inner;
            if !matches(&cut.filter, inner)? {
                return Ok(false);
            }
            let index = matched;
            matched += 1;
            if cut.page.is_some_and(|page| !page.holds(index)) {
                return Ok(false);
            }
            *inner = start;
            cutter.value(inner, view).map(|()| true)
        })?;
        self.total = Some(matched);
        Ok(())
    }

    /// Passes an array; `each` passes an element, and says whether it has copied it.
    fn elements<'a>(
        &mut self,
        scanner: &mut Scanner<'a>,
        mut each: impl FnMut(&mut Self, &mut Scanner<'a>) -> Result<bool, Fault>,
    ) -> Result<(), Fault> {
        self.out.push(b'[');
        let mut first = true;
        scanner.array(|inner| {
            let before = self.out.len();
            if !first {
                self.out.push(b',');
            }
            match each(self, inner)? {
                true => first = false,
                false => self.out.truncate(before),
            }
            Ok(())
        })?;
        self.out.push(b']');
        Ok(())
    }
}

impl<'m> View<'m> {
    /// What is wanted of the object that comes.
    fn of_object(self, object: Scanner<'_>) -> Result<View<'m>, Fault> {
        let View::Resource(sparse) = self else { return Ok(self) };
        Ok(sparse.of_resource(object)?.map_or(View::Whole, View::Typed))
    }

    /// What is wanted of its member, if that is wanted at all.
    fn of_member(self, name: &str) -> Option<View<'m>> {
        let is = |wanted: &str| is_name(name, wanted);
        match self {
            View::Whole | View::Resource(_) => Some(View::Whole),
            View::Masked(mask) => {
                let inner = mask.get(&decoded(name)?)?;
                Some(inner.map_or(View::Whole, View::Masked))
            }
            View::Document(sparse) if is("data") || is("included") => Some(View::Resource(sparse)),
            View::Typed(mask) if is("attributes") || is("relationships") => {
                Some(View::Masked(mask))
            }
            View::Document(_) | View::Typed(_) => Some(View::Whole),
        }
    }
}

/// Passes an element, and says whether it has all these values.
fn matches(filter: &[(String, String)], scanner: &mut Scanner<'_>) -> Result<bool, Fault> {
    if filter.is_empty() || scanner.kind() != Some(b'{') {
        scanner.value()?;
        return Ok(filter.is_empty());
    }
    let mut has = vec![false; filter.len()];
    scanner.object(|inner, name| {
        let value = inner.value()?;
        for ((member, wanted), has) in filter.iter().zip(&mut has) {
            if is_name(name, member) {
                *has = equals(value, wanted);
            }
        }
        Ok(())
    })?;
    Ok(has.into_iter().all(|has| has))
}

/// Whether a value is the scalar that a parameter says.
fn equals(value: &str, wanted: &str) -> bool {
    match value.as_bytes().first() {
        Some(b'"') => decoded(value).is_some_and(|text| text == wanted),
        Some(b't' | b'f' | b'n') => value == wanted,
        Some(b'-' | b'0'..=b'9') => number::is_same(wanted, value),
        Some(_) | None => false,
    }
}
