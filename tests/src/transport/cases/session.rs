//! Sessions: held by one receiver at a time, in order, with a state of their own.

use std::time::Duration;

use sealmq_queue_core::{Bytes, Message, SessionSelector, TransportErrorKind};

use crate::outcome::{CaseResult, Stop};
use crate::transport::case::case_table;
use crate::transport::{Case, Ctx, Queue, QueueKind, QueueSpec, Reader};

use super::support::body_text;

pub(super) const CASES: &[Case] = case_table! { "session":
    session_exclusive_lock [Settlement, Sessions];
    session_accept_next_takes_the_one_with_messages [Settlement, Sessions];
    session_accept_next_times_out_bounded [Sessions];
    session_receives_its_own_messages_in_order [Settlement, Sessions];
    session_renew_keeps_hold [Settlement, Sessions];
    session_lock_lost [Settlement, Sessions];
    session_missing_id_rejected [Sessions];
    session_state_roundtrip [Sessions, SessionState];
};

/// Tries to accept a session within `wait`.
async fn accept(
    ctx: &Ctx,
    queue: &Queue,
    session: SessionSelector,
    wait: Duration,
) -> Result<Option<Reader>, TransportErrorKind> {
    let accepted =
        ctx.transport().accept_session(queue.address(), session, wait, ctx.options()).await;
    match accepted {
        Ok(receiver) => Ok(receiver.map(|receiver| Reader::new(ctx, receiver))),
        Err(error) => Err(error.kind().clone()),
    }
}

async fn send_to(queue: &Queue, session: &str, body: &str) -> CaseResult {
    let message = Message::new(body.to_owned()).with_session_id(session);
    queue.send(message).await?;
    Ok(())
}

/// A session that is held cannot be accepted until it is released.
async fn session_exclusive_lock(ctx: Ctx) -> CaseResult {
    let queue = ctx.session_queue().await?;
    let holder = queue.session("one").await?;
    check_eq!(holder.session()?.id(), "one", "the session knows its id");
    let named = SessionSelector::Named("one".into());
    let (second, took) = ctx.timed(accept(&ctx, &queue, named, ctx.timing().quiet)).await;
    check_eq!(
        second.map(|session| session.is_some()),
        Err(TransportErrorKind::SessionLocked),
        "a session is held by one receiver"
    );
    let latest = ctx.timing().quiet + ctx.timing().slack;
    check!(took <= latest, "waiting for it is bounded, but took {took:?}");
    queue.session("two").await?.close().await?;
    holder.close().await?;
    queue.session("one").await?.close().await?;
    Ok(())
}

/// The next session is one that has messages and that nobody holds.
async fn session_accept_next_takes_the_one_with_messages(ctx: Ctx) -> CaseResult {
    let queue = ctx.session_queue().await?;
    send_to(&queue, "held", "h1").await?;
    send_to(&queue, "free", "f1").await?;
    let holder = queue.session("held").await?;
    let next = accept(&ctx, &queue, SessionSelector::Next, ctx.timing().patience).await;
    let Ok(Some(next)) = next else {
        return Err(Stop::broken("a session with messages is accepted as the next"));
    };
    check_eq!(next.session()?.id(), "free", "the next session is a free one");
    let delivery = next.one().await?;
    check_eq!(body_text(&delivery.message), "f1", "it has its messages");
    next.complete(delivery).await?;
    next.close().await?;
    holder.take_all(1).await?;
    holder.close().await?;
    Ok(())
}

/// Without a session to take, accepting the next one ends after `wait` with none.
async fn session_accept_next_times_out_bounded(ctx: Ctx) -> CaseResult {
    let queue = ctx.session_queue().await?;
    let wait = ctx.timing().short_lock;
    let (next, took) = ctx.timed(accept(&ctx, &queue, SessionSelector::Next, wait)).await;
    check_matches!(next.map(|session| session.is_some()), Ok(false), "there is no session to take");
    let latest = wait + ctx.timing().slack;
    check!(took <= latest, "accepting ends after {wait:?}, but took {took:?}");
    Ok(())
}

/// The holder of a session receives its messages, all and only its own, in order.
async fn session_receives_its_own_messages_in_order(ctx: Ctx) -> CaseResult {
    let queue = ctx.session_queue().await?;
    for number in 0..10 {
        send_to(&queue, "mine", &format!("mine {number}")).await?;
        send_to(&queue, "other", &format!("other {number}")).await?;
    }
    let reader = queue.session("mine").await?;
    for number in 0..10 {
        let delivery = reader.one().await?;
        check_eq!(
            body_text(&delivery.message),
            format!("mine {number}"),
            "a session hands out its own messages in their order"
        );
        reader.complete(delivery).await?;
    }
    reader.nothing("a session hands out no other's messages").await?;
    reader.close().await?;
    Ok(())
}

/// A session queue whose sessions are held for a short while.
async fn short_hold_queue(ctx: &Ctx) -> CaseResult<Queue> {
    let spec = QueueSpec { kind: QueueKind::Sessions, lock: ctx.timing().short_lock, ..ctx.spec() };
    ctx.queue_with(spec).await
}

/// A session that is renewed in time stays held past its first lock.
async fn session_renew_keeps_hold(ctx: Ctx) -> CaseResult {
    let queue = short_hold_queue(&ctx).await?;
    let holder = queue.session("one").await?;
    let lock = ctx.timing().short_lock;
    check_eq!(holder.session()?.lock_duration(), lock, "the session says how long it is held");
    for _ in 0..3 {
        ctx.sleep(lock / 2).await;
        holder.session()?.renew().await?;
    }
    let named = SessionSelector::Named("one".into());
    let second = accept(&ctx, &queue, named, lock / 10).await;
    check_eq!(
        second.map(|session| session.is_some()),
        Err(TransportErrorKind::SessionLocked),
        "a renewed session stays held"
    );
    holder.close().await?;
    Ok(())
}

/// A session whose lock ran out is lost: its receiver learns of it, and another can take it.
async fn session_lock_lost(ctx: Ctx) -> CaseResult {
    let queue = short_hold_queue(&ctx).await?;
    send_to(&queue, "one", "unfinished").await?;
    let holder = queue.session("one").await?;
    let held = holder.one().await?;
    ctx.outlast_short_lock().await;

    let next = queue.session("one").await?;
    let again = next.one().await?;
    check_eq!(again.message.id, held.message.id, "the next holder gets what was not settled");
    let lost = Some(TransportErrorKind::LockLost);
    let kind = |error: sealmq_queue_core::TransportError| error.kind().clone();
    let renewed = holder.session()?.renew().await.map_err(kind);
    check_eq!(renewed.err(), lost, "a lost session cannot be renewed");
    let received = holder.receiver().recv(1, ctx.timing().quiet).await;
    check_eq!(received.map_err(kind).err(), lost, "a lost session receives nothing");
    let settled = held.receipt.complete().await;
    check_eq!(
        settled.map_err(|failed| failed.error.kind().clone()).err(),
        lost,
        "the deliveries of a lost session cannot be settled"
    );
    next.complete(again).await?;
    next.close().await?;
    Ok(())
}

/// A queue of sessions refuses a message without one.
async fn session_missing_id_rejected(ctx: Ctx) -> CaseResult {
    let queue = ctx.session_queue().await?;
    let message = Message::new("belongs nowhere");
    let failure = crate::transport::queue::refused(queue.try_send(message).await?)?;
    super::support::check_invalid(&failure.error, "session_id")
}

/// The state of a session is kept while nobody holds it, apart from that of others.
async fn session_state_roundtrip(ctx: Ctx) -> CaseResult {
    let queue = ctx.session_queue().await?;
    let state: Bytes = (0..=255).collect::<Vec<u8>>().into();
    let first = queue.session("one").await?;
    let session = first.session()?;
    check_eq!(session.state().await?, None, "a new session has no state");
    session.set_state(Some(state.clone())).await?;
    first.close().await?;

    let other = queue.session("two").await?;
    let none = other.session()?.state().await?;
    check_eq!(none, None, "each session has its own state");
    other.close().await?;

    let second = queue.session("one").await?;
    let session = second.session()?;
    let kept = session.state().await?;
    check_eq!(kept, Some(state), "the state is kept byte for byte");
    session.set_state(None).await?;
    check_eq!(session.state().await?, None, "the state can be removed");
    second.close().await?;
    Ok(())
}
