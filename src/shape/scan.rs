//! JSON text, read where it lies (RFC 8259): each value is checked as it is passed, none is built.
//!
//! Strict: what another parser would refuse, this refuses, too. Depth is bounded, so is the stack.

/// The deepest nesting that is read.
pub(super) const MAX_NESTING: usize = 128;

/// Why a text cannot be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not JSON.
    NotJson,
    /// It is nested too deeply.
    TooDeep,
}

/// A place in a text, before a value or after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    /// Bytes passed so far.
    pub(super) at: usize,
    depth: usize,
}

impl<'a> Scanner<'a> {
    /// Before the one value of a text.
    ///
    /// # Errors
    /// Where it is not UTF-8.
    pub(super) fn new(text: &'a [u8]) -> Result<Scanner<'a>, Fault> {
        let text = std::str::from_utf8(text).map_err(|_| Fault::NotJson)?;
        let mut scanner = Scanner { text, at: 0, depth: 0 };
        scanner.space();
        Ok(scanner)
    }

    /// The same text, at a place where a value was seen to begin.
    pub(super) fn moved_to(self, at: usize) -> Scanner<'a> {
        Scanner { at, ..self }
    }

    /// Whether nothing but whitespace follows.
    pub(super) fn end(&mut self) -> Result<(), Fault> {
        self.space();
        if self.at == self.text.len() { Ok(()) } else { Err(Fault::NotJson) }
    }

    /// The first byte of the value that comes.
    pub(super) fn kind(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Passes one value, and gives its text.
    pub(super) fn value(&mut self) -> Result<&'a str, Fault> {
        let start = self.at;
        match self.kind() {
            Some(b'{') => self.object(|inner, _| inner.value().map(drop))?,
            Some(b'[') => self.array(|inner| inner.value().map(drop))?,
            Some(b'"') => self.string()?,
            Some(b't') => self.word("true")?,
            Some(b'f') => self.word("false")?,
            Some(b'n') => self.word("null")?,
            Some(_) => self.number()?,
            None => return Err(Fault::NotJson),
        }
        Ok(&self.text[start..self.at])
    }

    /// Passes an object; `each` gets every member's name, with its quotes, and has to pass its
    /// value.
    pub(super) fn object(
        &mut self,
        mut each: impl FnMut(&mut Scanner<'a>, &'a str) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.open(b'{')?;
        if self.closes(b'}') {
            return Ok(());
        }
        loop {
            let start = self.at;
            self.string()?;
            let name = &self.text[start..self.at];
            self.space();
            self.byte(b':')?;
            self.space();
            each(self, name)?;
            self.space();
            if self.closes(b'}') {
                return Ok(());
            }
            self.byte(b',')?;
            self.space();
        }
    }

    /// Passes an array; `each` has to pass every element.
    pub(super) fn array(
        &mut self,
        mut each: impl FnMut(&mut Scanner<'a>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.open(b'[')?;
        if self.closes(b']') {
            return Ok(());
        }
        loop {
            each(self)?;
            self.space();
            if self.closes(b']') {
                return Ok(());
            }
            self.byte(b',')?;
            self.space();
        }
    }

    fn open(&mut self, bracket: u8) -> Result<(), Fault> {
        self.byte(bracket)?;
        self.depth += 1;
        if self.depth > MAX_NESTING {
            return Err(Fault::TooDeep);
        }
        self.space();
        Ok(())
    }

    fn closes(&mut self, bracket: u8) -> bool {
        let closes = self.kind() == Some(bracket);
        if closes {
            self.at += 1;
            self.depth -= 1;
        }
        closes
    }

    fn byte(&mut self, byte: u8) -> Result<(), Fault> {
        if self.kind() != Some(byte) {
            return Err(Fault::NotJson);
        }
        self.at += 1;
        Ok(())
    }

    fn word(&mut self, word: &str) -> Result<(), Fault> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        if !rest.starts_with(word.as_bytes()) {
            return Err(Fault::NotJson);
        }
        self.at += word.len();
        Ok(())
    }

    fn space(&mut self) {
        while matches!(self.kind(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// §7; a lone surrogate's escape is grammar enough.
    fn string(&mut self) -> Result<(), Fault> {
        self.byte(b'"')?;
        loop {
            let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
            self.at += plain_length(rest);
            match self.kind() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                Some(_) | None => return Err(Fault::NotJson),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        let rest = self.text.as_bytes().get(self.at + 1..).unwrap_or_default();
        let length = match rest.first() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
            Some(b'u') if rest.get(1..5).is_some_and(|it| it.iter().all(u8::is_ascii_hexdigit)) => {
                6
            }
            Some(_) | None => return Err(Fault::NotJson),
        };
        self.at += length;
        Ok(())
    }

    /// §6
    fn number(&mut self) -> Result<(), Fault> {
        if self.kind() == Some(b'-') {
            self.at += 1;
        }
        match self.kind() {
            Some(b'0') => self.at += 1,
            Some(_) | None => self.digits()?,
        }
        if self.kind() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.kind(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.kind(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while self.kind().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(Fault::NotJson) }
    }
}

/// How many bytes come before the first that ends a string or means something in it; eight at a
/// time where they mean nothing.
fn plain_length(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = ONES << 7;
    let is_plain = |word: u64| {
        let below = |limit: u64, word: u64| word.wrapping_sub(ONES * limit) & !word & HIGH;
        let (quote, slash) = (word ^ (ONES * 0x22), word ^ (ONES * 0x5c));
        below(0x20, word) | below(1, quote) | below(1, slash) == 0
    };
    let words = bytes.chunks_exact(8).map_while(|chunk| chunk.first_chunk::<8>());
    let words = words.map(|chunk| u64::from_le_bytes(*chunk));
    let plain = words.take_while(|word| is_plain(*word)).count() * 8;
    let rest = bytes.get(plain..).unwrap_or_default();
    plain + rest.iter().take_while(|it| **it >= b' ' && !matches!(it, b'"' | b'\\')).count()
}

/// Whether a member's name, as it is written with its quotes, is this one.
pub(super) fn is_name(written: &str, name: &str) -> bool {
    match written.contains('\\') {
        true => decoded(written).is_some_and(|it| it == name),
        false => written.get(1..written.len() - 1) == Some(name),
    }
}

/// What a string with its quotes says; `None` where it says no characters.
pub(super) fn decoded(written: &str) -> Option<std::borrow::Cow<'_, str>> {
    match written.contains('\\') {
        true => serde_json::from_str::<String>(written).ok().map(Into::into),
        false => written.get(1..written.len() - 1).map(Into::into),
    }
}

#[cfg(test)]
mod tests {
    use super::plain_length;

    #[test]
    fn eight_bytes_at_a_time_are_the_same_as_one() {
        for length in 0..20 {
            for at in 0..length {
                for byte in 0..=255_u8 {
                    let mut bytes = vec![b'a'; length];
                    bytes[at] = byte;
                    bytes.extend([0xc3, 0xa9, 0x7f, 0xff, b' ', b'!', b'#', b'[', b']']);
                    let stops = byte < b' ' || byte == b'"' || byte == b'\\';
                    let expected = if stops { at } else { bytes.len() };
                    assert_eq!(plain_length(&bytes), expected, "{byte} at {at} of {length}");
                }
            }
        }
    }
}
