//! Bounds, variants and turns.

use std::thread;
use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::*;
use crate::directives::cache::entry::Selector;
use crate::directives::cache::policy::{Asked, Defaults, Exchange, judge};

/// A response for requests with this value of Accept.
fn entry(accept: &str, control: &str) -> Arc<Entry> {
    let now = SystemTime::now();
    let mut headers = HeaderMap::new();
    headers.insert("cache-control", control.parse().unwrap());
    headers.insert("etag", "\"a\"".parse().unwrap());
    let exchange = Exchange { sent: now, received: now };
    let asked = Asked::default();
    let freshness = judge(&asked, StatusCode::OK, &headers, Defaults::default(), exchange).unwrap();
    let fields = vec![("accept".parse().unwrap(), accept.to_owned())];
    let selector = Selector { target: "/".into(), fields, overrides: Vec::new(), is_raw: false };
    let content = Content::Memory(Bytes::new());
    Arc::new(Entry { status: StatusCode::OK, headers, content, freshness, selector })
}

fn accepting(value: &str) -> HeaderMap {
    HeaderMap::from_iter([("accept".parse().unwrap(), value.parse().unwrap())])
}

fn wanted(fields: &HeaderMap) -> Wanted<'_> {
    Wanted { target: "/", fields, is_raw: false }
}

fn put(store: &Store, key: &str, accept: &str, bytes: usize) -> bool {
    let Some(room) = store.reserve(bytes) else { return false };
    store.insert(key, entry(accept, "max-age=60"), room);
    true
}

fn used(store: &Store) -> usize {
    store.bytes.load(Ordering::Relaxed)
}

#[test]
fn memory_is_bounded_and_what_is_used_stays() {
    let (store, any) = (Store::new(100_000, None), accepting("a"));
    for number in 0..1000 {
        assert!(put(&store, &format!("/{number}"), "a", 1000));
        assert!(store.find("/0", wanted(&any)).is_some(), "{number}");
        assert!(used(&store) <= 100_000);
    }
    let kept = (0..1000).filter(|n| store.find(&format!("/{n}"), wanted(&any)).is_some()).count();
    assert!((50..100).contains(&kept), "{kept}");
    assert!(!put(&store, "/large", "a", 100_001));
    assert_eq!(store.remove_below("/"), kept);
    assert_eq!(used(&store), 0);
}

#[test]
fn what_is_under_way_counts() {
    let store = Store::new(1000, None);
    let first = store.reserve(600).unwrap();
    assert!(store.reserve(600).is_none(), "nothing can be removed for it");
    drop(first);
    let mut second = store.reserve(600).unwrap();
    second.shrink(100);
    second.join(store.reserve(50).unwrap());
    assert_eq!(used(&store), 150);
}

#[test]
fn variants_are_told_apart_and_bounded() {
    let store = Store::new(1 << 20, None);
    for number in 0..2 * CACHE_VARIANTS {
        assert!(put(&store, "/", &format!("a{number}"), 100));
    }
    let found = |number: usize| {
        store
            .find("/", wanted(&accepting(&format!("a{number}"))))
            .map(|entry| entry.selector.clone())
    };
    assert_eq!(found(CACHE_VARIANTS - 1), None);
    assert_eq!(found(CACHE_VARIANTS).unwrap().fields[0].1, format!("a{CACHE_VARIANTS}"));
    let fields = accepting("a20");
    let elsewhere = Wanted { target: "/other", fields: &fields, is_raw: false };
    assert!(store.find("/", elsewhere).is_none());
    store.part("/", wanted(&fields));
    assert!(found(20).is_none() && found(21).is_some());
    assert_eq!(store.remove("/"), CACHE_VARIANTS - 1);
}

#[test]
fn removals_do_not_let_the_queue_grow() {
    let store = Store::new(1 << 20, None);
    for _ in 0..10_000 {
        assert!(put(&store, "/", "a", 100));
        assert_eq!(store.remove("/"), 1);
    }
    let queued = (0..SHARDS).map(|at| store.lock(at).queue.len()).sum::<usize>();
    assert!(queued < 200, "{queued}");
}

#[test]
fn one_asks_and_others_wait() {
    let (store, any) = (Arc::new(Store::new(1 << 20, None)), accepting("a"));
    let turn = |seen| store.turn("/", wanted(&any), seen);
    let Turn::Lead(lead) = turn(None) else { panic!("the first asks") };
    let Turn::Wait(landing) = turn(None) else { panic!("the second waits") };
    drop(lead);
    assert!(landing.has_changed().is_err(), "nobody asks any more");
    let Turn::Lead(lead) = turn(None) else { panic!("one of those that waited asks") };
    let Turn::Wait(landing) = turn(None) else { panic!("the others wait") };
    assert!(put(&store, "/", "a", 100));
    lead.land(Landed::Stored);
    assert_eq!(*landing.borrow(), Landed::Stored);
    assert!(matches!(turn(None), Turn::Changed));
    let known = store.find("/", wanted(&any));
    let Turn::Lead(_lead) = turn(known.as_ref()) else { panic!("to confirm it") };
    let other = accepting("b");
    let Turn::Lead(_) = store.turn("/", wanted(&other), None) else { panic!("another variant") };
    store.part("/", wanted(&any));
    assert!(matches!(turn(None), Turn::Alone));
    let room = store.reserve(100).unwrap();
    store.insert("/", entry("a", "no-cache"), room);
    let known = store.find("/", wanted(&any));
    assert!(matches!(turn(known.as_ref()), Turn::Alone), "it is confirmed for each");
}

#[test]
fn threads_share_it() {
    let store = Arc::new(Store::new(50_000, None));
    thread::scope(|scope| {
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for number in 0..2000 {
                    let key = format!("/{}", number % 97 + thread);
                    assert!(put(store, &key, "a", 700));
                    assert!(used(store) <= 50_000);
                    if number % 5 == 0 {
                        store.remove(&key);
                    }
                }
            });
        }
    });
    store.remove_below("/");
    assert_eq!(used(&store), 0);
}
