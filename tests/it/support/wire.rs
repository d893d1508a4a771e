//! HTTP/1.1 as it lies on the wire, read without hyper: the tests must not share the mistakes of
//! what they test. Strict: what a sender must not send is an error here.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Header fields in order, repeated ones as often as they came. Names as written.
pub(crate) type Fields = Vec<(String, String)>;

/// The values of `name`, in order.
pub(crate) fn values<'a>(fields: &'a Fields, name: &str) -> Vec<&'a str> {
    let named = fields.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
    named.map(|(_, value)| value.as_str()).collect()
}

/// How much of a body is still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Nothing.
    Ended,
    /// So many bytes.
    Length(u64),
    /// Chunks; so many bytes of the present one.
    Chunked(u64),
    /// All that comes until the connection is closed.
    Close,
}

impl Framing {
    /// What the fields say; `otherwise` where they say nothing.
    pub(crate) fn of(fields: &Fields, otherwise: Framing) -> io::Result<Framing> {
        let codings = values(fields, "transfer-encoding");
        let lengths = values(fields, "content-length");
        match (codings.as_slice(), lengths.as_slice()) {
            ([], []) => Ok(otherwise),
            ([coding], []) if coding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked(0)),
            ([], [length]) => match length.parse() {
                Ok(0) => Ok(Framing::Ended),
                Ok(length) => Ok(Framing::Length(length)),
                Err(_) => Err(bad(format!("Content-Length: {length}"))),
            },
            _ => Err(bad(format!("framed by {codings:?} and {lengths:?}"))),
        }
    }
}

/// What comes from one end of a connection.
#[derive(Debug)]
pub(crate) struct Wire<R> {
    io: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> Wire<R> {
    /// Reads from `io`.
    pub(crate) fn new(io: R) -> Wire<R> {
        Wire { io, buffer: BytesMut::new() }
    }

    /// The next head, start line and fields; `None` where the connection ended before it.
    pub(crate) async fn head(&mut self) -> io::Result<Option<(String, Fields)>> {
        if self.buffer.is_empty() && self.fill().await? == 0 {
            return Ok(None);
        }
        let start = self.line().await?;
        Ok(Some((start, self.fields().await?)))
    }

    /// The next piece of a body, as long as what came; `None` at its end. Trailers are appended
    /// to `trailers`.
    pub(crate) async fn piece(
        &mut self,
        framing: &mut Framing,
        trailers: &mut Fields,
    ) -> io::Result<Option<Bytes>> {
        match framing {
            Framing::Ended => Ok(None),
            Framing::Close => self.some(u64::MAX).await,
            Framing::Length(left) => {
                let piece = self.some(*left).await?.ok_or_else(|| cut("in a body"))?;
                *left -= piece.len() as u64;
                if *left == 0 {
                    *framing = Framing::Ended;
                }
                Ok(Some(piece))
            }
            Framing::Chunked(left) => {
                if *left == 0 && !self.next_chunk(left).await? {
                    *framing = Framing::Ended;
                    trailers.extend(self.fields().await?);
                    return Ok(None);
                }
                let piece = self.some(*left).await?.ok_or_else(|| cut("in a chunk"))?;
                *left -= piece.len() as u64;
                if *left == 0 && !self.line().await?.is_empty() {
                    return Err(bad("a chunk is longer than it says".into()));
                }
                Ok(Some(piece))
            }
        }
    }

    /// Whatever has come, at most `most` bytes; `None` where the connection has ended.
    pub(crate) async fn some(&mut self, most: u64) -> io::Result<Option<Bytes>> {
        if self.buffer.is_empty() && self.fill().await? == 0 {
            return Ok(None);
        }
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(self.buffer.len());
        Ok(Some(self.buffer.split_to(most).freeze()))
    }

    /// Reads the size of the next chunk; whether there is one.
    async fn next_chunk(&mut self, left: &mut u64) -> io::Result<bool> {
        let line = self.line().await?;
        let size = line.split(';').next().unwrap_or_default().trim();
        *left = u64::from_str_radix(size, 16).map_err(|_| bad(format!("chunk size {line:?}")))?;
        Ok(*left > 0)
    }

    async fn fields(&mut self) -> io::Result<Fields> {
        let mut fields = Fields::new();
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Ok(fields);
            }
            let (name, value) =
                line.split_once(':').ok_or_else(|| bad(format!("field {line:?}")))?;
            if name.is_empty() || name.contains([' ', '\t']) {
                return Err(bad(format!("field name {name:?}")));
            }
            fields.push((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()));
        }
    }

    /// One line, without its CRLF. A bare LF or CR is an error.
    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(end);
                self.buffer.advance(1);
                let text = String::from_utf8_lossy(&line).into_owned();
                return match text.strip_suffix('\r') {
                    Some(text) if !text.contains('\r') => Ok(text.to_owned()),
                    _ => Err(bad(format!("line end of {text:?}"))),
                };
            }
            if self.fill().await? == 0 {
                return Err(cut(&format!("in a line: {:?}", self.buffer)));
            }
        }
    }

    async fn fill(&mut self) -> io::Result<usize> {
        self.buffer.reserve(16 << 10);
        self.io.read_buf(&mut self.buffer).await
    }
}

fn bad(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn cut(place: &str) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, format!("the connection ended {place}"))
}
