//! Structured fields as RFC 9651 §4.2 tells them, step by step: slow, obvious, and written without
//! a look at the parser that it is compared with.

/// A bare item, as far as the fields that we read tell them apart.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Item {
    Integer(i64),
    Text(String),
    Boolean(bool),
    /// A Decimal, a Token, bytes, a Date, a Display String or an Inner List.
    Other,
}

/// Why there is no value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum No {
    /// It fails to parse.
    Fails,
    /// Base64 that parsers may or may not take (§4.2.7).
    Unsure,
}

/// What is left of the input.
struct Input<'a>(&'a [u8]);

/// §4.2.2, of equal keys the last value.
pub(crate) fn dictionary(bytes: &[u8]) -> Result<Vec<(String, Item)>, No> {
    let mut input = Input(bytes);
    input.skip(b" ");
    let mut members: Vec<(String, Item)> = Vec::new();
    while !input.is_empty() {
        let key = input.key()?;
        let value = match input.take(b'=') {
            true => input.item_or_inner_list()?,
            false => input.parameters().map(|()| Item::Boolean(true))?,
        };
        members.retain(|(known, _)| *known != key);
        members.push((key, value));
        input.next_member()?;
    }
    Ok(members)
}

/// §4.2.1
pub(crate) fn list(bytes: &[u8]) -> Result<Vec<Item>, No> {
    let mut input = Input(bytes);
    input.skip(b" ");
    let mut members = Vec::new();
    while !input.is_empty() {
        members.push(input.item_or_inner_list()?);
        input.next_member()?;
    }
    Ok(members)
}

impl Input<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn peek(&self) -> u8 {
        // NUL is in no structured field.
        self.0.first().copied().unwrap_or(0)
    }

    fn next(&mut self) -> Result<u8, No> {
        let (first, rest) = self.0.split_first().ok_or(No::Fails)?;
        self.0 = rest;
        Ok(*first)
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_it = self.peek() == byte;
        if is_it {
            self.0 = &self.0[1..];
        }
        is_it
    }

    fn skip(&mut self, bytes: &[u8]) {
        while !self.is_empty() && bytes.contains(&self.peek()) {
            self.0 = &self.0[1..];
        }
    }

    /// The end, or a comma and no end.
    fn next_member(&mut self) -> Result<(), No> {
        self.skip(b" \t");
        if self.is_empty() {
            return Ok(());
        }
        let comma = self.take(b',');
        self.skip(b" \t");
        if comma && !self.is_empty() { Ok(()) } else { Err(No::Fails) }
    }

    fn while_in(&mut self, is_in: impl Fn(u8) -> bool) -> String {
        let mut text = String::new();
        while !self.is_empty() && is_in(self.peek()) {
            text.push(char::from(self.peek()));
            self.0 = &self.0[1..];
        }
        text
    }

    /// §4.2.3.3
    fn key(&mut self) -> Result<String, No> {
        let first = self.peek();
        if !first.is_ascii_lowercase() && first != b'*' {
            return Err(No::Fails);
        }
        Ok(self
            .while_in(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || b"_-.*".contains(&it)))
    }

    /// §4.2.1.1
    fn item_or_inner_list(&mut self) -> Result<Item, No> {
        if !self.take(b'(') {
            let item = self.bare_item()?;
            return self.parameters().map(|()| item);
        }
        loop {
            self.skip(b" ");
            if self.take(b')') {
                return self.parameters().map(|()| Item::Other);
            }
            self.bare_item()?;
            self.parameters()?;
            if !b" )".contains(&self.peek()) {
                return Err(No::Fails);
            }
        }
    }

    /// §4.2.3.2
    fn parameters(&mut self) -> Result<(), No> {
        while self.take(b';') {
            self.skip(b" ");
            self.key()?;
            if self.take(b'=') {
                self.bare_item()?;
            }
        }
        Ok(())
    }

    /// §4.2.3.1
    fn bare_item(&mut self) -> Result<Item, No> {
        match self.peek() {
            b'-' | b'0'..=b'9' => self.number(),
            b'"' => self.string(),
            b'*' | b'a'..=b'z' | b'A'..=b'Z' => {
                self.while_in(|it| {
                    it.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&it)
                });
                Ok(Item::Other)
            }
            b':' => self.bytes(),
            b'?' => self.boolean(),
            b'@' => {
                self.next()?;
                match self.number()? {
                    Item::Integer(_) => Ok(Item::Other),
                    _ => Err(No::Fails),
                }
            }
            b'%' => self.display_string(),
            _ => Err(No::Fails),
        }
    }

    /// §4.2.4
    fn number(&mut self) -> Result<Item, No> {
        let sign = if self.take(b'-') { -1 } else { 1 };
        let whole = self.while_in(|it| it.is_ascii_digit());
        if whole.is_empty() || whole.len() > 15 {
            return Err(No::Fails);
        }
        if !self.take(b'.') {
            return Ok(Item::Integer(sign * whole.parse::<i64>().expect("at most 15 digits")));
        }
        let fraction = self.while_in(|it| it.is_ascii_digit());
        match whole.len() <= 12 && (1..=3).contains(&fraction.len()) {
            true => Ok(Item::Other),
            false => Err(No::Fails),
        }
    }

    /// §4.2.5
    fn string(&mut self) -> Result<Item, No> {
        self.next()?;
        let mut text = String::new();
        loop {
            match self.next()? {
                b'"' => return Ok(Item::Text(text)),
                b'\\' => match self.next()? {
                    escaped @ (b'"' | b'\\') => text.push(char::from(escaped)),
                    _ => return Err(No::Fails),
                },
                plain @ b' '..=b'~' => text.push(char::from(plain)),
                _ => return Err(No::Fails),
            }
        }
    }

    /// §4.2.7
    fn bytes(&mut self) -> Result<Item, No> {
        self.next()?;
        let text = self.while_in(|it| it.is_ascii_alphanumeric() || b"+/=".contains(&it));
        if !self.take(b':') {
            return Err(No::Fails);
        }
        match text.contains('=') || !text.len().is_multiple_of(4) {
            true => Err(No::Unsure),
            false => Ok(Item::Other),
        }
    }

    /// §4.2.8
    fn boolean(&mut self) -> Result<Item, No> {
        self.next()?;
        match self.next()? {
            b'0' => Ok(Item::Boolean(false)),
            b'1' => Ok(Item::Boolean(true)),
            _ => Err(No::Fails),
        }
    }

    /// §4.2.10
    fn display_string(&mut self) -> Result<Item, No> {
        self.next()?;
        if !self.take(b'"') {
            return Err(No::Fails);
        }
        let mut bytes = Vec::new();
        loop {
            match self.next()? {
                b'"' => {
                    let valid = std::str::from_utf8(&bytes).is_ok();
                    return if valid { Ok(Item::Other) } else { Err(No::Fails) };
                }
                b'%' => {
                    let digits = [self.next()?, self.next()?];
                    if !digits.iter().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f')) {
                        return Err(No::Fails);
                    }
                    let digits = std::str::from_utf8(&digits).expect("hexadecimal digits");
                    bytes.push(u8::from_str_radix(digits, 16).expect("hexadecimal digits"));
                }
                plain @ b' '..=b'~' => bytes.push(plain),
                _ => return Err(No::Fails),
            }
        }
    }
}
