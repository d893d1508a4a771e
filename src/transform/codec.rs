//! Packing and unpacking, by whatever library does it.
//!
//! Levels are a measured choice: brotli's own default packs 0.8 MB/s. Windows are small where a
//! body streams, since each of hundreds of streams keeps one, and never above what RFC 9659 §3
//! lets a browser refuse.

use std::{
    io::{Cursor, Error, ErrorKind},
    pin::Pin,
};

use async_compression::{
    Level,
    brotli::EncoderParams,
    tokio::bufread::{
        BrotliDecoder, BrotliEncoder, GzipDecoder, GzipEncoder, ZstdDecoder, ZstdEncoder,
    },
    zstd::{CParameter, DParameter},
};
use bytes::Bytes;
use futures_util::FutureExt;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncReadExt};

use crate::policy::coding::Coding;

/// Bytes that come out of a codec.
pub type Source = Pin<Box<dyn AsyncRead + Send>>;

/// The binary logarithm of the window in which a stream looks for repetitions: 256 KiB.
const STREAM_WINDOW: u32 = 18;

/// The same, for a body that is packed once and at rest: 8 MiB, the most that RFC 9659 §3 allows.
const WHOLE_WINDOW: u32 = 23;

/// How hard each coding tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels {
    /// 1 to 19.
    pub zstd: u8,
    /// 0 to 11.
    pub brotli: u8,
    /// 1 to 9.
    pub gzip: u8,
}

/// What is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// A body that is at hand, of so many bytes.
    Whole(usize),
    /// One that comes bit by bit; what has come goes on whenever nothing more does.
    Stream,
}

impl Default for Levels {
    fn default() -> Levels {
        Levels { zstd: 3, brotli: 4, gzip: 5 }
    }
}

/// Packs a body that comes bit by bit.
pub fn packed(body: impl AsyncBufRead + Send + 'static, coding: Coding, levels: Levels) -> Source {
    encoder(body, coding, levels, Extent::Stream)
}

/// Unpacks a body that comes bit by bit. An end before its end is an error.
pub fn unpacked(body: impl AsyncBufRead + Send + 'static, coding: Coding) -> Source {
    match coding {
        Coding::Zstd => {
            let mut decoder =
                ZstdDecoder::with_params(body, &[DParameter::window_log_max(WHOLE_WINDOW)]);
            decoder.multiple_members(true);
            Box::pin(decoder)
        }
        Coding::Brotli => Box::pin(BrotliDecoder::new(body)),
        Coding::Gzip => {
            let mut decoder = GzipDecoder::new(body);
            decoder.multiple_members(true);
            Box::pin(decoder)
        }
    }
}

/// Packs a whole body. Takes its time: not for a thread that serves.
///
/// # Errors
/// What the library says; none is known.
pub fn pack(body: &Bytes, coding: Coding, levels: Levels) -> Result<Bytes, Error> {
    let source = encoder(Cursor::new(body.clone()), coding, levels, Extent::Whole(body.len()));
    read_whole(source, u64::MAX)
}

/// Unpacks a whole body, to at most `limit` bytes. Takes its time: not for a thread that serves.
/// Of nothing it is nothing: there are servers that say so of empty bodies, too.
///
/// # Errors
/// It is not packed so, it is cut short, or it is longer than `limit`.
pub fn unpack(body: &Bytes, coding: Coding, limit: u64) -> Result<Bytes, Error> {
    if body.is_empty() {
        return Ok(Bytes::new());
    }
    read_whole(unpacked(Cursor::new(body.clone()), coding), limit)
}

/// How many bytes a whole body unpacks to, of which none is kept. Takes its time, as [`unpack`] does.
///
/// # Errors
/// It is not packed so, it is cut short, or it is longer than `limit`.
pub fn length(body: &Bytes, coding: Coding, limit: u64) -> Result<u64, Error> {
    let mut source = unpacked(Cursor::new(body.clone()), coding);
    let (mut chunk, mut length) = ([0; 8 << 10], 0);
    loop {
        let read = at_hand(source.read(&mut chunk).now_or_never())?;
        length += read as u64;
        match read {
            0 => return Ok(length),
            _ if length > limit => return Err(too_long()),
            _ => {}
        }
    }
}

fn encoder(
    body: impl AsyncBufRead + Send + 'static,
    coding: Coding,
    levels: Levels,
    extent: Extent,
) -> Source {
    let window = match extent {
        Extent::Whole(length) => {
            let needed = usize::BITS - length.leading_zeros();
            needed.clamp(STREAM_WINDOW, WHOLE_WINDOW)
        }
        Extent::Stream => STREAM_WINDOW,
    };
    match coding {
        Coding::Zstd => {
            let params = [CParameter::window_log(window)];
            let level = Level::Precise(levels.zstd.into());
            Box::pin(ZstdEncoder::with_quality_and_params(body, level, &params))
        }
        Coding::Brotli => {
            let params = EncoderParams::default()
                .quality(Level::Precise(levels.brotli.into()))
                .window_size(i32::try_from(window).unwrap_or_default());
            let params = match extent {
                Extent::Whole(length) => params.size_hint(length),
                Extent::Stream => params,
            };
            Box::pin(BrotliEncoder::with_params(body, params))
        }
        Coding::Gzip => {
            Box::pin(GzipEncoder::with_quality(body, Level::Precise(levels.gzip.into())))
        }
    }
}

/// Reads what needs no waiting, into one exact allocation.
fn read_whole(source: Source, limit: u64) -> Result<Bytes, Error> {
    let mut whole = Vec::new();
    let mut source = source.take(limit.saturating_add(1));
    at_hand(source.read_to_end(&mut whole).now_or_never())?;
    if whole.len() as u64 > limit {
        return Err(too_long());
    }
    Ok(Bytes::from(whole.into_boxed_slice()))
}

/// What was read of a body that needs no waiting.
fn at_hand(read: Option<Result<usize, Error>>) -> Result<usize, Error> {
    let waits = || Error::new(ErrorKind::WouldBlock, "a body at hand has to be waited for");
    read.ok_or_else(waits)?
}

fn too_long() -> Error {
    Error::new(ErrorKind::FileTooLarge, "unpacks to more than is allowed")
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, ErrorKind};

    use bytes::Bytes;
    use proptest::{collection::vec, prelude::any, prop_assert_eq, proptest};

    use super::{Levels, length, pack, unpack};
    use crate::policy::coding::Coding;

    #[test]
    fn a_body_comes_back_as_it_was() {
        let body = Bytes::from("{\"name\":\"value\"},".repeat(4000));
        for coding in Coding::ALL {
            let packed = pack(&body, coding, Levels::default()).unwrap();
            assert!(packed.len() < body.len() / 20, "{coding:?}: {} bytes", packed.len());
            assert_eq!(unpack(&packed, coding, 1 << 20).unwrap(), body, "{coding:?}");
        }
    }

    #[test]
    fn brotli_is_never_at_the_default_of_its_library() {
        let numbers = (0..800).map(|it| format!("{{\"id\":{it},\"square\":{}}}", it * it));
        let body = Bytes::from(numbers.collect::<String>());
        let ours = pack(&body, Coding::Brotli, Levels::default()).unwrap();
        let slowest = Levels { brotli: 11, ..Levels::default() };
        let slow = pack(&body, Coding::Brotli, slowest).unwrap();
        assert!(ours.len() > slow.len(), "{} bytes: 11 packs 0.8 MB/s", ours.len());
    }

    /// The window that a frame announces (RFC 8878 §3.1.1.1.2), in bytes.
    fn window(frame: &[u8]) -> u64 {
        assert_eq!(frame[4] & 0x20, 0, "it is no single segment");
        let (exponent, mantissa) = (frame[5] >> 3, frame[5] & 7);
        let base = 1 << (10 + exponent);
        base + base / 8 * u64::from(mantissa)
    }

    #[test]
    fn windows_are_small_where_bodies_stream_and_never_too_large_for_a_browser() {
        let body = Bytes::from(vec![b'7'; 20 << 20]);
        let source = super::packed(Cursor::new(body.clone()), Coding::Zstd, Levels::default());
        let streamed = super::read_whole(source, u64::MAX).unwrap();
        assert!(window(&streamed) <= 256 << 10, "hundreds of streams keep one each");
        let whole = pack(&body, Coding::Zstd, Levels::default()).unwrap();
        assert!(window(&whole) <= 8 << 20, "RFC 9659 §3");
    }

    #[test]
    fn a_body_that_is_cut_short_is_an_error() {
        let body = Bytes::from("abcdefgh".repeat(1000));
        for coding in Coding::ALL {
            let packed = pack(&body, coding, Levels::default()).unwrap();
            let cut = packed.slice(..packed.len() - 1);
            assert!(unpack(&cut, coding, 1 << 20).is_err(), "{coding:?}");
            assert!(unpack(&body, coding, 1 << 20).is_err(), "{coding:?}: what is not packed");
        }
    }

    #[test]
    fn a_bomb_is_cut() {
        let body = Bytes::from(vec![0; 4 << 20]);
        for coding in Coding::ALL {
            let packed = pack(&body, coding, Levels::default()).unwrap();
            assert!(packed.len() < 8 << 10, "{coding:?}: {} bytes", packed.len());
            assert!(unpack(&packed, coding, (4 << 20) - 1).is_err(), "{coding:?}: a byte too many");
            assert!(unpack(&packed, coding, 4 << 20).is_ok(), "{coding:?}: just enough");
            let too_many = length(&packed, coding, (4 << 20) - 1).map_err(|error| error.kind());
            assert_eq!(too_many, Err(ErrorKind::FileTooLarge), "{coding:?}: nothing is kept");
            assert_eq!(length(&packed, coding, 4 << 20).unwrap(), 4 << 20, "{coding:?}");
            let torn = packed.slice(..packed.len() - 1);
            assert!(length(&torn, coding, 4 << 20).is_err(), "{coding:?}: its end is missing");
        }
    }

    #[test]
    fn members_one_after_another_are_one_body() {
        let body = Bytes::from("abcdefgh".repeat(100));
        for coding in [Coding::Gzip, Coding::Zstd] {
            let member = pack(&body, coding, Levels::default()).unwrap();
            let twice = Bytes::from([&member[..], &member[..]].concat());
            let unpacked = unpack(&twice, coding, 1 << 20).unwrap();
            assert_eq!(unpacked.len(), 2 * body.len(), "RFC 1952 §2.2, RFC 8878 §3: {coding:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_the_body_is_it_comes_back(body in vec(any::<u8>(), 0..2000)) {
            let body = Bytes::from(body);
            for coding in Coding::ALL {
                let packed = pack(&body, coding, Levels::default()).unwrap();
                prop_assert_eq!(&unpack(&packed, coding, 1 << 20).unwrap(), &body);
            }
        }
    }
}
