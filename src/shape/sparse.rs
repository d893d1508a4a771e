//! JSON:API's sparse fieldsets: `fields[articles]=title,body` leaves of each resource object of
//! that type these attributes and relationships; `type`, `id`, links and metadata stay, and so do
//! resource objects of other types.

use super::{
    mask::Mask,
    query::Wrong,
    scan::{Fault, Scanner, decoded, is_name},
};

/// The most types that one request names.
const MAX_TYPES: usize = 32;

/// The fields wanted of each type, in the order of names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sparse(Vec<(String, Mask)>);

impl Sparse {
    /// Adds the fields of a type; none at all is a list, too.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub(super) fn add(&mut self, of: &str, fields: &str) -> Result<(), Wrong> {
        let place = match self.0.binary_search_by(|(known, _)| known.as_str().cmp(of)) {
            Ok(_) => return Err(Wrong { at: 1, why: "is of a type that is there twice" }),
            Err(_) if self.0.len() == MAX_TYPES => {
                return Err(Wrong { at: 1, why: "is of the 33rd type" });
            }
            Err(place) => place,
        };
        let mask = match fields {
            "" => Mask::default(),
            fields => Mask::parse(fields)?,
        };
        if let Some(at) = fields.chars().position(|letter| letter == '(') {
            return Err(Wrong { at: at + 1, why: "has no place in a list of fields" });
        }
        self.0.insert(place, (of.to_owned(), mask));
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In its normal form.
    pub(super) fn words(&self) -> impl Iterator<Item = String> {
        self.0.iter().flat_map(|(of, mask)| [of.clone(), mask.to_string()])
    }

    /// What is wanted of the resource object that comes, if anything is said of its type; nothing
    /// is passed.
    pub(super) fn of_resource(&self, mut object: Scanner<'_>) -> Result<Option<&Mask>, Fault> {
        let mut named = None;
        object.object(|inner, name| {
            let value = inner.value()?;
            if is_name(name, "type") {
                named = value.starts_with('"').then(|| decoded(value)).flatten();
            }
            Ok(())
        })?;
        let Some(named) = named else { return Ok(None) };
        let found = self.0.binary_search_by(|(known, _)| known.as_str().cmp(&named));
        Ok(found.ok().and_then(|found| self.0.get(found)).map(|(_, mask)| mask))
    }
}
