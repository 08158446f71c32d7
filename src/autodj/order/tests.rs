use super::*;

fn item(file: &str) -> Item {
    Item {
        file: file.to_owned(),
        path: file.into(),
        version: None,
        tags: None,
        broken: None,
    }
}

fn order(shuffle: bool, repeat: bool, requests: Requests, files: &[&str]) -> Order {
    let seed = rand::random();
    println!("seed {seed}");
    let rules = Rules {
        shuffle,
        repeat,
        requests,
    };
    let mut order = Order::new(rules, seed);
    order.set_items(files.iter().map(|file| item(file)).collect());
    order
}

fn plays(order: &mut Order, count: usize) -> Vec<String> {
    let next = std::iter::from_fn(|| order.take_next());
    next.take(count).map(|pick| pick.file).collect()
}

#[test]
fn files_play_in_order_round_after_round_or_once() {
    let mut looped = order(false, true, Requests::Off, &["a", "b", "c"]);
    assert_eq!(plays(&mut looped, 7), ["a", "b", "c", "a", "b", "c", "a"]);
    let mut once = order(false, false, Requests::Off, &["a", "b"]);
    assert_eq!(plays(&mut once, 7), ["a", "b"]);
    once.rewind();
    assert_eq!(plays(&mut once, 7), ["a", "b"]);
    assert_eq!(
        plays(&mut order(false, true, Requests::Off, &[]), 1),
        [""; 0]
    );
}

#[test]
fn shuffled_rounds_hold_every_file_once_and_none_twice_in_a_row() {
    let files = ["a", "b", "c", "d"];
    let mut order = order(true, true, Requests::Off, &files);
    let played = plays(&mut order, 4_000);
    assert!(played.windows(2).all(|pair| pair[0] != pair[1]));
    let mut firsts = HashSet::new();
    for round in played.chunks(4) {
        let mut sorted = round.to_vec();
        sorted.sort();
        assert_eq!(sorted, files);
        firsts.insert(round[0].clone());
    }
    assert_eq!(firsts.len(), 4, "the order changes");
}

#[test]
fn the_queue_comes_first_and_the_files_go_on_where_they_were() {
    let mut order = order(false, true, Requests::Off, &["a", "b", "c"]);
    assert_eq!(plays(&mut order, 1), ["a"]);
    let c = order.add("c", None, None).unwrap();
    order.add("a", Some(0), None).unwrap();
    let b = order.add("b", Some(99), None).unwrap();
    order.move_to(b.id, 0).unwrap();
    order.remove(c.id).unwrap();
    assert_eq!(order.remove(c.id), Err(Refused::NoEntry));
    assert_eq!(order.move_to(77, 0), Err(Refused::NoEntry));
    assert_eq!(order.add("../secret", None, None), Err(Refused::NoFile));
    assert_eq!(plays(&mut order, 4), ["b", "a", "b", "c"]);
    for _ in 0..QUEUE_MAX {
        order.add("a", None, None).unwrap();
    }
    assert_eq!(order.add("a", None, None), Err(Refused::Full));
}

#[test]
fn broken_files_are_left_out_and_told_once() {
    let mut order = order(true, true, Requests::Off, &["a", "b", "c"]);
    assert!(order.set_broken("b", "no audio"));
    assert!(!order.set_broken("b", "no audio"), "it is no news");
    assert!(!plays(&mut order, 50).contains(&"b".to_owned()));
    order.set_broken("a", "missing");
    order.set_broken("c", "missing");
    assert_eq!(order.take_next(), None, "and no endless search");
    order.forgive();
    assert!(order.take_next().is_some());
    assert!(!order.set_broken("a", "missing"), "told before");
}

#[test]
fn files_that_come_and_go_are_followed() {
    for shuffle in [false, true] {
        let mut order = order(shuffle, true, Requests::Off, &["a", "b", "d"]);
        order.set_broken("d", "no audio");
        let first = plays(&mut order, 1).remove(0);
        let mut changed = item("d");
        changed.version = Some((1, SystemTime::UNIX_EPOCH));
        order.set_items(vec![item("a"), item("c"), changed]);
        let mut rest = plays(&mut order, if first == "b" { 3 } else { 2 });
        rest.sort();
        let expected: &[&str] = if first == "b" {
            &["a", "c", "d"]
        } else {
            &["c", "d"]
        };
        if shuffle || first == "a" {
            assert_eq!(rest, expected, "shuffle {shuffle}");
        }
    }
}

#[test]
fn requests_wait_for_approval_and_are_limited() {
    let start = Instant::now();
    let files: Vec<String> = (0..40).map(|n| format!("f{n}")).collect();
    let names: Vec<&str> = files.iter().map(String::as_str).collect();
    let mut order = order(false, true, Requests::Approval, &names);
    let ann = ("ann", "Ann");
    let (first, queued) = order.request("f1", ann, "::1", start).unwrap();
    assert!(!queued && !order.is_queued());
    assert_eq!(order.request("f1", ann, "::1", start), Err(Refused::Waits));
    assert_eq!(
        order.request("nope", ann, "::1", start),
        Err(Refused::NoFile)
    );
    let (second, _) = order.request("f2", ann, "::1", start).unwrap();
    order.request("f3", ann, "::1", start).unwrap();
    let refused = order.request("f4", ann, "::1", start);
    assert_eq!(refused, Err(Refused::TooMany(EVERY)));
    assert!(order.request("f4", ann, "::1", start + EVERY).is_ok());
    // Guests are many users at one address.
    let mut taken = 0;
    for (n, file) in files.iter().enumerate().skip(5) {
        let guest = format!("guest{n}");
        let request = order.request(file, (&guest, "Guest"), "::1", start + EVERY);
        taken += usize::from(request.is_ok());
    }
    assert!((8..=12).contains(&taken), "{taken}");
    let entry = order.decide(first, true).unwrap().unwrap();
    assert_eq!((&*entry.file, entry.by.as_deref()), ("f1", Some("Ann")));
    assert_eq!(order.decide(second, false), Ok(None));
    assert_eq!(order.decide(second, false), Err(Refused::NoRequest));
    assert_eq!(order.take_next().unwrap().by.as_deref(), Some("Ann"));
    assert_eq!(plays(&mut order, 1), ["f0"]);
}

#[test]
fn requests_are_off_or_open_as_the_station_likes() {
    let now = Instant::now();
    let mut off = order(false, true, Requests::Off, &["a"]);
    assert_eq!(
        off.request("a", ("ann", "Ann"), "::1", now),
        Err(Refused::Off)
    );
    let mut open = order(false, true, Requests::Open, &["a", "b"]);
    let (_, queued) = open.request("b", ("ann", "Ann"), "::1", now).unwrap();
    assert!(queued);
    assert_eq!(plays(&mut open, 2), ["b", "a"]);
}
