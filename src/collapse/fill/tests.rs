//! Bodies that arrive, spill, tear, and are read at every pace.

use http_body_util::BodyExt;

use super::*;
use crate::collapse::budget::Budget;

const HELLO: Bytes = Bytes::from_static(b"hello ");
const WORLD: Bytes = Bytes::from_static(b"world");

fn fill(limit: u64) -> (Fill, Filling) {
    let clock = Clock::manual(0).0;
    let claim = Budget::new(u64::MAX).claim(0).unwrap();
    Fill::new(Terms { limit, declared: None, claim, clock })
}

async fn read(reader: Reader) -> Result<Bytes, Aborted> {
    reader.collect().await.map(|whole| whole.to_bytes())
}

fn finish(fill: Fill) -> Option<Bytes> {
    fill.finish(None).map(|(body, _)| body).ok()
}

#[tokio::test]
async fn a_late_reader_sees_the_first_byte() {
    let (mut fill, filling) = fill(64);
    let early = tokio::spawn(read(filling.reader().unwrap()));
    assert_eq!(fill.push(HELLO).await, Pushed::Kept);
    let late = tokio::spawn(read(filling.reader().unwrap()));
    assert_eq!(fill.push(WORLD).await, Pushed::Kept);
    assert_eq!(finish(fill).unwrap(), "hello world");
    assert_eq!(early.await.unwrap().unwrap(), "hello world");
    assert_eq!(late.await.unwrap().unwrap(), "hello world");
    assert_eq!(read(filling.reader().unwrap()).await.unwrap(), "hello world");
}

#[tokio::test]
async fn small_chunks_are_joined_and_read_from_where_the_reader_stood() {
    let (mut fill, filling) = fill(64 << 10);
    let mut reader = filling.reader().unwrap();
    let mut expected = Vec::new();
    let mut seen = Vec::new();
    for n in 0..10_000u32 {
        let byte = u8::try_from(n % 251).unwrap();
        expected.push(byte);
        fill.push(Bytes::copy_from_slice(&[byte])).await;
        if n % 7 == 0 {
            let frame = reader.frame().await.unwrap().unwrap();
            seen.extend_from_slice(&frame.into_data().unwrap());
        }
    }
    assert!(filling.0.state.lock().chunks.len() < 10, "a byte each would cost 40 bytes each");
    let whole = finish(fill).unwrap();
    seen.extend_from_slice(&read(reader).await.unwrap());
    assert_eq!(seen, expected);
    assert_eq!(whole, expected);
}

#[tokio::test]
async fn a_fill_outlives_its_readers_while_it_can_still_be_stored() {
    let (mut fill, filling) = fill(64);
    drop(filling.reader());
    assert_eq!(fill.push(HELLO).await, Pushed::Kept);
    assert!(!fill.has_readers());
    assert_eq!(finish(fill).unwrap(), "hello ");
}

#[tokio::test]
async fn a_spilled_fill_reaches_its_reader_but_not_the_store() {
    let (mut fill, filling) = fill(8);
    let reader = tokio::spawn(read(filling.reader().unwrap()));
    assert_eq!(fill.push(HELLO).await, Pushed::Kept);
    assert_eq!(fill.push(WORLD).await, Pushed::Spilled);
    assert!(filling.reader().is_none(), "the first byte may be forgotten");
    assert_eq!(finish(fill), None);
    assert_eq!(reader.await.unwrap().unwrap(), "hello world");
}

#[tokio::test]
async fn a_spilled_fill_stops_when_deserted() {
    let (mut fill, filling) = fill(8);
    let reader = filling.reader().unwrap();
    assert_eq!(fill.push(HELLO).await, Pushed::Kept);
    drop(reader);
    assert_eq!(fill.push(WORLD).await, Pushed::Deserted);
}

#[tokio::test]
async fn a_fill_past_the_budget_spills_and_gives_the_rest_back() {
    let budget = Budget::new(WINDOW + 10);
    let terms = Terms {
        limit: u64::MAX,
        declared: None,
        claim: budget.claim(0).unwrap(),
        clock: Clock::manual(0).0,
    };
    let (mut fill, filling) = Fill::new(terms);
    let reader = tokio::spawn(read(filling.reader().unwrap()));
    let chunk = Bytes::from(vec![7; usize::try_from(WINDOW).unwrap()]);
    assert_eq!(fill.push(chunk.clone()).await, Pushed::Kept);
    assert_eq!(fill.push(chunk.clone()).await, Pushed::Spilled);
    assert_eq!(fill.push(chunk).await, Pushed::Spilled);
    assert_eq!(budget.used(), WINDOW, "a window is all that a spilled body holds");
    assert_eq!(fill.finish(None).unwrap_err(), Spilled::NoRoom);
    assert_eq!(reader.await.unwrap().unwrap().len() as u64, 3 * WINDOW);
    drop(filling);
    assert_eq!(budget.used(), 0);
}

#[tokio::test]
async fn a_dropped_fill_aborts_its_readers() {
    let (mut fill, filling) = fill(64);
    let reader = filling.reader().unwrap();
    fill.push(HELLO).await;
    drop(fill);
    assert_eq!(read(reader).await, Err(Aborted), "a torn body must not look whole");
}

#[tokio::test]
async fn the_slowest_of_several_readers_is_cut_and_the_others_go_on() {
    let (clock, time) = Clock::manual(0);
    let claim = Budget::new(u64::MAX).claim(0).unwrap();
    let (mut fill, filling) = Fill::new(Terms { limit: 0, declared: None, claim, clock });
    let stalled = filling.reader().unwrap();
    let brisk = tokio::spawn(read(filling.reader().unwrap()));
    let chunk = Bytes::from(vec![0; usize::try_from(WINDOW).unwrap()]);
    let writer = tokio::spawn(async move {
        for _ in 0..4 {
            assert_eq!(fill.push(chunk.clone()).await, Pushed::Spilled);
        }
        finish(fill)
    });
    time.until_sleeping(STALL).await;
    time.advance(STALL);
    assert_eq!(writer.await.unwrap(), None);
    assert_eq!(brisk.await.unwrap().unwrap().len() as u64, 4 * WINDOW);
    assert_eq!(read(stalled).await, Err(Aborted));
}

#[tokio::test]
async fn the_size_of_a_declared_body_is_known_from_the_start() {
    let claim = Budget::new(u64::MAX).claim(0).unwrap();
    let clock = Clock::manual(0).0;
    let terms = Terms { limit: 64, declared: Some(11), claim, clock };
    let (mut fill, filling) = Fill::new(terms);
    let mut reader = filling.reader().unwrap();
    assert_eq!(reader.size_hint().exact(), Some(11));
    fill.push(HELLO).await;
    reader.frame().await.unwrap().unwrap();
    assert_eq!(reader.size_hint().exact(), Some(5));
}
