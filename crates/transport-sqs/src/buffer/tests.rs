//! One of a group at a time, in order, and nothing kept that is of no use.

use super::*;

const LOCK: Duration = Duration::from_secs(30);
const AT_ONCE: Duration = Duration::ZERO;

fn messages(bodies: &[&str]) -> Vec<SqsMessage> {
    let message = |body: &&str| {
        let group = &body[..1]; // a1 is of group a
        let message = SqsMessage::builder().body(*body);
        message.attributes(SystemAttribute::MessageGroupId, group).build()
    };
    bodies.iter().map(message).collect()
}

fn of(bodies: &[&str], ordered: bool) -> (Buffer, Instant) {
    let (mut buffer, now) = (Buffer::new(LOCK, ordered), Instant::now());
    buffer.add(messages(bodies), now);
    (buffer, now)
}

fn bodies<'a>(fetched: impl IntoIterator<Item = &'a Fetched>) -> Vec<&'a str> {
    fetched.into_iter().filter_map(|fetched| fetched.message.body()).collect()
}

/// What is handed out, and the place of the first.
fn take(buffer: &mut Buffer, now: Instant) -> (Vec<String>, Option<Place>) {
    let (taken, stale) = buffer.take(10, now);
    assert!(stale.is_empty());
    let texts = bodies(taken.iter().map(|(fetched, _)| fetched));
    let texts = texts.into_iter().map(str::to_owned).collect();
    (texts, taken.into_iter().next().and_then(|(_, place)| place))
}

#[test]
fn a_standard_queue_is_not_ordered_by_its_groups() {
    let (mut buffer, now) = of(&["a1", "a2", "b1"], false);
    assert_eq!(buffer.take(2, now).0.len(), 2);
    let (rest, place) = take(&mut buffer, now);
    assert_eq!((rest, place), (vec!["b1".to_owned()], None));
}

#[test]
fn the_first_of_each_group_goes_and_the_next_follows_when_it_is_done() {
    let (mut buffer, now) = of(&["a1", "a2", "b1", "a3"], true);
    let (taken, a1) = take(&mut buffer, now);
    assert_eq!(taken, ["a1", "b1"]);
    buffer.add(messages(&["a4", "c1"]), now);
    assert_eq!(take(&mut buffer, now).0, ["c1"]);
    let a1 = a1.unwrap();
    for expected in ["a2", "a3", "a4"] {
        buffer.pass_on(&a1); // repeating it changes nothing for the next
        let (taken, place) = take(&mut buffer, now);
        assert_eq!(taken, [expected]);
        buffer.pass_on(&place.unwrap());
    }
    assert_eq!(buffer.next_turn(), None);
}

#[test]
fn what_does_not_fit_keeps_its_order() {
    let (mut buffer, now) = of(&["a1", "b1", "a2"], true);
    let (first, _) = buffer.take(1, now);
    assert_eq!(bodies(first.iter().map(|(fetched, _)| fetched)), ["a1"]);
    assert_eq!(take(&mut buffer, now).0, ["b1"]);
    assert_eq!(bodies(&buffer.drain()), ["a2"]);
}

#[test]
fn giving_up_a_turn_gives_its_group_back_and_no_other() {
    let (mut buffer, now) = of(&["a1", "a2", "a3", "b1", "b2"], true);
    let a1 = take(&mut buffer, now).1.unwrap();
    assert_eq!(bodies(&buffer.give_up(&a1, AT_ONCE)), ["a2", "a3"]);
    buffer.add(messages(&["a1", "a2"]), now);
    assert_eq!(take(&mut buffer, now).0, ["a1"]);
    assert!(buffer.give_up(&a1, AT_ONCE).is_empty(), "it is another's turn now");
    assert_eq!(bodies(&buffer.drain()), ["b2", "a2"]);
}

#[test]
fn while_a_group_fails_its_followers_are_not_fetched_again_and_again() {
    let (mut buffer, now) = of(&["a1", "a2"], true);
    assert_eq!(buffer.sensible(10, now), 10);
    let a1 = take(&mut buffer, now).1.unwrap();
    buffer.give_up(&a1, AT_ONCE);
    assert_eq!(buffer.sensible(10, now), 1);
    buffer.add(messages(&["a1"]), now);
    let again = take(&mut buffer, now).1.unwrap();
    buffer.pass_on(&again);
    assert_eq!(buffer.sensible(10, now), 10, "it succeeded");
    buffer.add(messages(&["a2", "a3"]), now);
    let a2 = take(&mut buffer, now).1.unwrap();
    buffer.give_up(&a2, LOCK);
    assert_eq!(buffer.sensible(10, now + LOCK), 1, "it is yet to come again");
    assert_eq!(buffer.sensible(10, now + 3 * LOCK), 10, "somebody else has it");
}

#[test]
fn a_turn_ends_with_its_lock() {
    let (mut buffer, now) = of(&["a1"], true);
    let a1 = take(&mut buffer, now).1.unwrap();
    let (over, longer) = (now + LOCK, now + 2 * LOCK);
    buffer.add(messages(&["a1"]), over);
    assert_eq!(buffer.next_turn(), Some(over));
    buffer.prolong(&a1, longer);
    assert_eq!(take(&mut buffer, over).0, [""; 0]);
    assert_eq!(buffer.next_turn(), Some(longer));
    buffer.prolong(&a1, over);
    let (taken, again) = take(&mut buffer, over);
    assert_eq!(taken, ["a1"]);
    buffer.prolong(&a1, longer + LOCK);
    buffer.pass_on(&a1);
    buffer.add(messages(&["a2"]), over);
    assert_eq!(take(&mut buffer, over).0, [""; 0], "the first has no say any more");
    buffer.pass_on(&again.unwrap());
    assert_eq!(take(&mut buffer, over).0, ["a2"]);
}

#[test]
fn what_stands_behind_a_stale_message_goes_back_with_it() {
    let (mut buffer, now) = of(&["a1", "b1"], true);
    let later = now + LOCK.mul_f32(0.6);
    buffer.add(messages(&["a2", "c1"]), later);
    let (taken, stale) = buffer.take(10, later);
    assert_eq!(bodies(&stale), ["a1", "b1", "a2"]);
    assert_eq!(bodies(taken.iter().map(|(fetched, _)| fetched)), ["c1"]);
}
