use std::net::Ipv4Addr;

use futures_util::FutureExt;
use http::HeaderMap;
use proptest::prelude::*;

use super::*;
use crate::{
    clock::Manual,
    config::throttle::{Part, Prefixes, Rate, Scope},
};

fn limit(count: u32, per: u64, burst: u32) -> config::Limit {
    config::Limit {
        scope: Scope::Everywhere,
        key: vec![Part::ClientIp],
        prefixes: Prefixes::default(),
        rate: Rate { count, per: Duration::from_secs(per) },
        burst,
        mode: Mode::Reject,
        max_wait: Duration::from_secs(2),
        count: Count::All,
        headers: Headers::On429,
        allow: Vec::new(),
        max_keys: 1_000_000,
    }
}

fn throttle(limits: &[config::Limit]) -> (Throttle, Limiters, Arc<Manual>) {
    let (clock, manual) = Clock::manual(0);
    let mut limiters = Limiters::new(&clock, None);
    let throttle = limiters.throttle(limits, None).unwrap();
    (throttle, limiters, manual)
}

/// One request from an address; `None` while it waits.
fn ask(throttle: &Throttle, address: u32) -> Result<Option<Told>, Refused> {
    let fields = HeaderMap::new();
    let sender =
        Sender { address: Some(Ipv4Addr::from(address).into()), fields: &fields, unseen: None };
    let counters = Counters::default();
    let asking = throttle.admit(Count::All, sender, &counters);
    asking.now_or_never().expect("it does not wait").map(Toll::spend)
}

fn passes(throttle: &Throttle, address: u32) -> bool {
    ask(throttle, address).is_ok()
}

/// A plain model: tokens in whole nanoseconds of a request's interval, refilled as time passes.
struct Model {
    interval: u128,
    full: u128,
    tokens: u128,
}

impl Model {
    fn pass(&mut self, after: Duration) -> bool {
        self.tokens = (self.tokens + after.as_nanos()).min(self.full);
        let passes = self.tokens >= self.interval;
        if passes {
            self.tokens -= self.interval;
        }
        passes
    }
}

proptest! {
    /// Decides like a token bucket, request by request, and over any window lets through no more
    /// than rate × window + burst.
    #[test]
    fn it_is_exact(
        count in 1_u32..2000,
        per in prop::sample::select(vec![1_u64, 60, 3600]),
        burst in 1_u32..20,
        pauses in prop::collection::vec(0_u64..8000, 1..200),
    ) {
        let rule = limit(count, per, burst);
        let interval = rule.rate.interval();
        let (throttle, _limiters, manual) = throttle(std::slice::from_ref(&rule));
        let full = interval.as_nanos() * u128::from(burst);
        let mut model = Model { interval: interval.as_nanos(), full, tokens: full };
        let (mut now, mut passed) = (Duration::ZERO, Vec::new());
        for pause in pauses {
            // From none to eight intervals, in thousandths.
            let pause = Duration::from_nanos(u64::try_from(interval.as_nanos()).unwrap() / 1000 * pause / 4);
            manual.advance(pause);
            now += pause;
            let passes = passes(&throttle, 1);
            prop_assert_eq!(passes, model.pass(pause), "at {:?}", now);
            if passes {
                passed.push(now);
            }
        }
        for (from, start) in passed.iter().enumerate() {
            for (to, end) in passed.iter().enumerate().skip(from) {
                let window = (*end - *start).as_nanos();
                let allowed = window * u128::from(count) / (u128::from(per) * 1_000_000_000);
                let allowed = allowed + u128::from(burst);
                prop_assert!(((to - from + 1) as u128) <= allowed, "{:?} to {:?}", start, end);
            }
        }
    }
}

#[test]
fn a_refusal_says_when_to_come_again() {
    let (throttle, _limiters, manual) = throttle(&[limit(1, 60, 2)]);
    assert!(passes(&throttle, 1) && passes(&throttle, 1));
    let refused = ask(&throttle, 1).unwrap_err();
    assert_eq!((refused.reason, refused.after), (Ended::Throttled, Duration::from_secs(60)));
    let told = refused.told.unwrap();
    assert_eq!(told.limit, "\"default\";r=0;t=60");
    assert_eq!(told.policy, "\"default\";q=2;w=120");
    assert!(passes(&throttle, 2), "another client has a limit of its own");
    manual.advance(Duration::from_millis(59_999));
    assert!(!passes(&throttle, 1));
    manual.advance(Duration::from_millis(1));
    assert!(passes(&throttle, 1), "after the time that it was told");
}

#[test]
fn of_several_limits_none_charges_for_what_another_refuses() {
    let (throttle, _limiters, manual) = throttle(&[limit(2, 1, 2), limit(1, 3600, 3)]);
    assert!(passes(&throttle, 1) && passes(&throttle, 1), "both have room");
    manual.advance(Duration::from_secs(1));
    assert!(passes(&throttle, 1), "the third of the hour");
    for _ in 0..10 {
        assert!(!passes(&throttle, 1), "the hour has no fourth");
    }
    manual.advance(Duration::from_secs(3600));
    assert!(passes(&throttle, 1), "the refused ones have cost nothing");
}

#[test]
fn always_tells_what_is_left() {
    let rule = config::Limit { headers: Headers::Always, ..limit(1, 1, 5) };
    let (throttle, _limiters, _) = throttle(&[rule]);
    let told = ask(&throttle, 1).unwrap().unwrap();
    assert_eq!(told.limit, "\"default\";r=4;t=1");
    assert_eq!(told.policy, "\"default\";q=5;w=5");
    assert_eq!(ask(&throttle, 1).unwrap().unwrap().limit, "\"default\";r=3;t=2");
}

#[test]
fn who_is_allowed_is_not_counted() {
    let allow = vec!["0.0.1.0/24".parse().unwrap()];
    let (throttle, _limiters, _) = throttle(&[config::Limit { allow, ..limit(1, 3600, 1) }]);
    assert!((0..10).all(|_| passes(&throttle, 0x0101)));
    assert!(passes(&throttle, 0x0201) && !passes(&throttle, 0x0201));
}

fn bounded(burst: u32) -> (Throttle, Limiters, Arc<Manual>) {
    throttle(&[config::Limit { max_keys: 1000, ..limit(1, 1, burst) }])
}

fn known(throttle: &Throttle) -> usize {
    throttle.all[0].limiter.known()
}

#[test]
fn no_more_than_max_keys_are_remembered() {
    let (throttle, _limiters, _) = bounded(1);
    // Clients of one /24 after the other.
    for n in 0..5_000_u32 {
        let _ = ask(&throttle, n * 256);
        assert!(known(&throttle) <= 1000, "client {n}");
    }
    assert_eq!(known(&throttle), 1000);
    for n in 0..1000 {
        assert!(!passes(&throttle, n * 256), "the first ones are in debt still: client {n}");
    }
}

#[test]
fn a_flood_of_made_up_keys_is_bounded_too() {
    let key = vec![Part::Header(http::HeaderName::from_static("x-api-key"))];
    let rule = config::Limit { max_keys: 1000, key, ..limit(1, 3600, 1) };
    let (throttle, _limiters, _) = throttle(&[rule]);
    let counters = Counters::default();
    let mut passed = 0;
    for n in 0..6000 {
        let value = http::HeaderValue::from(n);
        let fields = HeaderMap::from_iter([(http::HeaderName::from_static("x-api-key"), value)]);
        let asking = throttle.admit(
            Count::All,
            Sender { address: None, fields: &fields, unseen: None },
            &counters,
        );
        passed += usize::from(asking.now_or_never().unwrap().map(Toll::spend).is_ok());
        assert!(known(&throttle) <= 1000, "key {n}");
    }
    assert!(passed < 1000 + 4096, "those for whom there is no room share 4096 buckets");
}

#[test]
fn who_has_a_full_bucket_is_forgotten_first() {
    let (throttle, _limiters, manual) = bounded(1);
    (0..500).for_each(|n| assert!(passes(&throttle, n)));
    manual.advance(Duration::from_millis(500));
    (500..1000).for_each(|n| assert!(passes(&throttle, n)));
    manual.advance(Duration::from_millis(500));
    (1000..1500).for_each(|n| assert!(passes(&throttle, n), "there is room for {n}"));
    assert_eq!(known(&throttle), 1000);
    for n in 500..1000 {
        assert!(!passes(&throttle, n), "who is in debt is remembered: {n}");
    }
}

#[test]
fn who_finds_no_room_shares_a_limit_with_its_neighbours() {
    let (throttle, _limiters, manual) = bounded(2);
    (0..1000).for_each(|n| assert!(passes(&throttle, n)));
    let (neighbours, others) = (0x0a00_0100, 0x0a00_0200..0x0a00_ff00);
    let passed = (0..256).filter(|n| passes(&throttle, neighbours + n)).count();
    assert_eq!(passed, 2, "a /24 has one bucket of the same size");
    let free = others.step_by(256).filter(|address| passes(&throttle, *address)).count();
    assert!(free > 200, "other networks have buckets of their own: {free}");
    assert_eq!(known(&throttle), 1000);
    manual.advance(Duration::from_secs(1));
    assert!(passes(&throttle, neighbours), "there is room again");
    assert!(!passes(&throttle, neighbours), "but its share of what was shared is not given twice");
}

#[test]
fn a_reload_keeps_what_did_not_change() {
    let (before, limiters, _) = throttle(&[limit(1, 3600, 1)]);
    assert!(passes(&before, 1));
    let again = |rule: config::Limit| {
        let (clock, _) = Clock::manual(0);
        let mut after = Limiters::new(&clock, Some(&limiters));
        let throttle = after.throttle(&[rule], Some(&limiters)).unwrap();
        passes(&throttle, 1)
    };
    let same = limit(1, 3600, 1);
    let other_ways = config::Limit { max_keys: 5, headers: Headers::Off, ..same.clone() };
    assert!(!again(same.clone()), "the same");
    assert!(!again(other_ways), "key, rate and burst are the same");
    assert!(again(limit(2, 3600, 1)), "another rate starts full");
    assert!(again(limit(1, 3600, 2)), "another burst starts full");
    assert!(again(config::Limit { scope: Scope::Route("r".to_owned()), ..same }), "a route's own");
}

mod queue {
    use super::*;

    fn queued(max_wait: u64) -> (Throttle, Limiters, Arc<Manual>) {
        let max_wait = Duration::from_secs(max_wait);
        throttle(&[config::Limit { mode: Mode::Queue, max_wait, ..limit(1, 1, 1) }])
    }

    type Asking<'a> = std::pin::Pin<Box<dyn Future<Output = Result<(), Ended>> + 'a>>;

    fn asking(throttle: &Throttle, address: u32) -> Asking<'_> {
        Box::pin(async move {
            let (fields, counters) = (HeaderMap::new(), Counters::default());
            let address = Some(Ipv4Addr::from(address).into());
            let toll = throttle.admit(
                Count::All,
                Sender { address, fields: &fields, unseen: None },
                &counters,
            );
            toll.await.map(|toll| drop(toll.spend())).map_err(|refused| refused.reason)
        })
    }

    /// Which of them are over by now, and how.
    fn poll(waiting: &mut [Asking<'_>]) -> Vec<Option<Result<(), Ended>>> {
        waiting.iter_mut().map(|it| it.now_or_never()).collect()
    }

    #[test]
    fn first_come_first_served() {
        let (throttle, _limiters, manual) = queued(60);
        let mut line: Vec<_> = (0..4).map(|_| asking(&throttle, 1)).collect();
        assert_eq!(poll(&mut line), [Some(Ok(())), None, None, None]);
        drop(line.remove(0));
        for _ in 0..3 {
            manual.advance(Duration::from_secs(1));
            let over = poll(&mut line);
            assert_eq!(over[0], Some(Ok(())), "the first in line");
            assert!(over[1..].iter().all(Option::is_none), "one a second");
            drop(line.remove(0));
        }
    }

    #[test]
    fn who_leaves_gives_up_the_place() {
        let (throttle, _limiters, manual) = queued(60);
        let mut line: Vec<_> = (0..4).map(|_| asking(&throttle, 1)).collect();
        poll(&mut line);
        drop(line.drain(..3));
        manual.advance(Duration::from_secs(1));
        assert_eq!(poll(&mut line), [Some(Ok(()))], "the two before it have left");
    }

    #[test]
    fn a_turn_that_is_too_far_away_is_refused_at_once() {
        let (throttle, _limiters, _) = queued(2);
        let mut line: Vec<_> = (0..4).map(|_| asking(&throttle, 1)).collect();
        let expected = [Some(Ok(())), None, None, Some(Err(Ended::Throttled))];
        assert_eq!(poll(&mut line), expected, "the third of them would wait 3 s");
    }

    #[test]
    fn a_line_has_a_hundred_places_and_all_have_ten_thousand() {
        let (throttle, _limiters, _) = queued(3600);
        let ask = |address: u32| {
            let mut asking = asking(&throttle, address);
            let over = (&mut asking).now_or_never();
            (asking, over)
        };
        let mut kept = Vec::new();
        for address in 0..100 {
            assert_eq!(ask(address).1, Some(Ok(())), "its burst");
            for n in 0..100 {
                let (asking, over) = ask(address);
                assert_eq!(over, None, "place {n} of {address}");
                kept.push(asking);
            }
            assert_eq!(ask(address).1, Some(Err(Ended::QueueFull)), "100 a key");
        }
        assert_eq!(ask(1000).1, Some(Ok(())), "who need not wait is let in");
        assert_eq!(ask(1000).1, Some(Err(Ended::QueueFull)), "10,000 in all");
        kept.pop();
        assert_eq!(ask(1000).1, None, "one has left");
    }
}

fn api_key(key: &'static str) -> HeaderMap {
    let name = http::HeaderName::from_static("x-api-key");
    HeaderMap::from_iter([(name, http::HeaderValue::from_static(key))])
}

/// One request with a key; whether it passes.
fn passes_with(throttle: &Throttle, address: u32, key: &'static str) -> Option<bool> {
    let fields = api_key(key);
    let address = Some(Ipv4Addr::from(address).into());
    let counters = Counters::default();
    let sender = Sender { address, fields: &fields, unseen: None };
    let asking = throttle.admit(Count::All, sender, &counters);
    asking.now_or_never().map(|toll| toll.map(Toll::spend).is_ok())
}

#[test]
fn what_waited_elsewhere_is_not_given_back_on_top_of_a_full_bucket() {
    let by_address = limit(1, 1, 2);
    let key = vec![Part::Header(http::HeaderName::from_static("x-api-key"))];
    let max_wait = Duration::from_secs(3600);
    let by_key = config::Limit { key, mode: Mode::Queue, max_wait, ..limit(1, 60, 1) };
    let (throttle, _limiters, manual) = throttle(&[by_address, by_key]);
    assert_eq!(passes_with(&throttle, 1, "a"), Some(true), "the key's one of this minute");
    let (fields, counters) = (api_key("a"), Counters::default());
    let address = Some(Ipv4Addr::from(1).into());
    let sender = Sender { address, fields: &fields, unseen: None };
    let mut waiting = Box::pin(throttle.admit(Count::All, sender, &counters));
    assert!((&mut waiting).now_or_never().is_none(), "it has paid by address, and waits by key");
    manual.advance(Duration::from_secs(10));
    for key in ["b", "c"] {
        assert_eq!(passes_with(&throttle, 1, key), Some(true), "a full bucket of two");
    }
    drop(waiting);
    assert_eq!(
        passes_with(&throttle, 1, "d"),
        Some(false),
        "three at once are more than rate × window + burst, whoever left a line"
    );
}

#[test]
fn what_is_given_back_at_once_is_given_back_whole() {
    let key = vec![Part::Header(http::HeaderName::from_static("x-api-key"))];
    let by_key = config::Limit { key, mode: Mode::Queue, ..limit(1, 60, 1) };
    let (throttle, _limiters, _) = throttle(&[limit(1, 60, 2), by_key]);
    assert_eq!(passes_with(&throttle, 1, "a"), Some(true));
    assert_eq!(passes_with(&throttle, 1, "a"), Some(false), "too far away");
    assert_eq!(passes_with(&throttle, 1, "b"), Some(true), "the second by address");
}

#[test]
fn nobody_shares_while_any_bucket_is_full() {
    const CLIENTS: u32 = 20_000;
    let rule = config::Limit { max_keys: CLIENTS as usize, ..limit(1, 1, 1) };
    let (throttle, _limiters, manual) = throttle(&[rule]);
    assert!((0..CLIENTS).all(|n| passes(&throttle, n)));
    assert_eq!(known(&throttle), CLIENTS as usize);
    manual.advance(Duration::from_secs(1));
    assert!((1..CLIENTS).all(|n| passes(&throttle, n)), "all but one are in debt again");
    let newcomer = CLIENTS + 256 * 1000;
    assert!(passes(&throttle, newcomer), "there is one to forget for it");
    assert!(!passes(&throttle, newcomer));
    assert_eq!(known(&throttle), CLIENTS as usize, "it has its place");
    let neighbour = newcomer + 1;
    assert!(passes(&throttle, neighbour), "so its neighbours do not pay for it");
    assert!(!passes(&throttle, neighbour + 1), "but they share what is left");
}

#[test]
fn a_shadow_tells_clients_nothing() {
    let rule = config::Limit { mode: Mode::Shadow, headers: Headers::Always, ..limit(1, 1, 1) };
    let (throttle, _limiters, _) = throttle(&[rule]);
    assert_eq!(ask(&throttle, 1), Ok(None), "it only counts");
    assert_eq!(ask(&throttle, 1), Ok(None));
}
