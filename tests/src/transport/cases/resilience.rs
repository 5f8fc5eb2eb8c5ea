//! Trouble: connections that break, consumers that are slow, secrets that must not show.

use std::error::Error;
use std::fmt::Debug;
use std::time::Duration;

use sealmq_queue_core::{Message, Source, TransportError};

use crate::outcome::{CaseResult, chain};
use crate::transport::case::case_table;
use crate::transport::queue::refused;
use crate::transport::{Case, Ctx, Queue, SlowConsumer};

use super::support::check_same;

pub(super) const CASES: &[Case] = case_table! { "resilience":
    connection_cut_between_send_and_ack_no_silent_loss [] alone;
    idle_10_minutes_then_send [] nightly;
    slow_consumer_does_not_drop_or_declares [] slow;
    error_and_debug_output_redacts_secrets_and_bodies [];
    queue_depth_initially_zero [Depth];
};

/// Sends until the message is accepted, as the client does: only what may be retried is retried.
async fn send_persistently(ctx: &Ctx, queue: &Queue, message: Message) -> CaseResult {
    let sending = async {
        loop {
            match queue.try_send(message.clone()).await? {
                Ok(_) => return Ok(()),
                Err(failure) if failure.error.is_retryable() => {
                    ctx.sleep(Duration::from_millis(50)).await;
                }
                Err(failure) => return Err(failure.error.into()),
            }
        }
    };
    ctx.soon("a message is accepted once the broker is back", sending).await?
}

/// When the answer to a send is lost the message is reported as not sent, and sending it again
/// leaves one copy at least.
async fn connection_cut_between_send_and_ack_no_silent_loss(ctx: Ctx) -> CaseResult {
    let proxy = ctx.harness().faulty_proxy().await?;
    let queue = ctx.queue().await?;
    let reader = queue.reader().await?;
    let sending = queue.through(&proxy.connect().await?);
    let message = queue.message("perhaps twice, never not at all");
    proxy.swallow_next_answer(queue.address()).await;
    if let Err(failure) = sending.try_send(message.clone()).await? {
        check!(
            failure.error.is_retryable(),
            "a send whose answer was lost may be retried, but: {}",
            failure.error
        );
        check_eq!(*failure.message, message, "the message is given back");
        proxy.restore().await;
        send_persistently(&ctx, &sending, message.clone()).await?;
    }
    let delivery = reader.one().await?;
    check_same(&delivery.message, &message)?;
    reader.complete(delivery).await?;
    for copy in reader.recv(10, ctx.timing().quiet).await? {
        check_same(&copy.message, &message)?;
    }
    Ok(())
}

/// A connection that was idle for ten minutes still sends and receives.
async fn idle_10_minutes_then_send(ctx: Ctx) -> CaseResult {
    let queue = ctx.queue().await?;
    let reader = queue.reader().await?;
    ctx.sleep(Duration::from_secs(600)).await;
    send_persistently(&ctx, &queue, queue.message("still there")).await?;
    reader.take_all(1).await?;
    Ok(())
}

/// Messages wait for a consumer that is slow, unless the transport declares that they may not.
async fn slow_consumer_does_not_drop_or_declares(ctx: Ctx) -> CaseResult {
    let queue = ctx.queue().await?;
    let reader = queue.reader_with(ctx.options().with_prefetch(10)).await?;
    let sent = queue.messages(ctx.harness().many() / 10);
    for batch in sent.chunks(100) {
        queue.send_all(batch.to_vec()).await?;
    }
    ctx.sleep(ctx.timing().quiet).await;
    match ctx.expectations().slow_consumer {
        SlowConsumer::Keeps => {
            reader.take_all(sent.len()).await?;
        }
        SlowConsumer::MayDrop => {
            reader.one().await?;
        }
    }
    Ok(())
}

/// No error and no debug output shows a body, an attribute's value or a credential.
async fn error_and_debug_output_redacts_secrets_and_bodies(ctx: Ctx) -> CaseResult {
    let queue = ctx.queue().await?;
    let reader = queue.reader().await?;
    let sent =
        queue.message("secret-body-text").with_attribute("account", "secret-attribute-value");
    let mut shown = vec![show(&sent)];

    let missing = ctx.missing_queue()?;
    let mut spoilt = sent.clone();
    spoilt.attributes.insert("bad name".into(), "secret-attribute-value".into());
    for (queue, message) in [(missing.as_str(), &sent), (queue.address(), &spoilt)] {
        let mut report = ctx.transport().send(queue, vec![message.clone()]).await;
        let failure = refused(report.remove(0))?;
        shown.push(show(&failure));
        shown.push(show_error(&failure.error));
    }
    if let Err(error) = ctx.transport().open(&Source::queue(missing), ctx.options()).await {
        shown.push(show_error(&error));
    }
    shown.push(show(&queue.send(sent).await?));
    let delivery = reader.one().await?;
    shown.push(show(&delivery));
    shown.push(show(&delivery.receipt));
    reader.complete(delivery).await?;

    let mut secrets = ctx.harness().secrets();
    secrets.extend(["secret-body-text".into(), "secret-attribute-value".into()]);
    let body_as_numbers = format!("{:?}", b"secret-body-text");
    secrets.push(body_as_numbers.trim_matches(['[', ']']).to_owned());
    for text in shown {
        let leak = secrets.iter().find(|secret| text.contains(secret.as_str()));
        check!(leak.is_none(), "no output shows a secret, but: {text}");
    }
    Ok(())
}

fn show(value: &impl Debug) -> String {
    format!("{value:?} {value:#?}")
}

fn show_error(error: &(impl Error + 'static)) -> String {
    format!("{} {error:?}", chain(error))
}

/// The depth of a queue is zero before and after its messages.
async fn queue_depth_initially_zero(ctx: Ctx) -> CaseResult {
    let queue = ctx.queue().await?;
    let reader = queue.reader().await?;
    let depth = async || ctx.transport().depth(&queue.source()).await;
    check_eq!(depth().await?, 0, "a new queue is empty");
    queue.send_all(queue.messages(3)).await?;
    let counted = async {
        while depth().await? != 3 {
            ctx.sleep(Duration::from_millis(100)).await;
        }
        Ok::<_, TransportError>(())
    };
    ctx.soon("the depth shows the messages that wait", counted).await??;
    reader.take_all(3).await?;
    let emptied = async {
        while depth().await? != 0 {
            ctx.sleep(Duration::from_millis(100)).await;
        }
        Ok::<_, TransportError>(())
    };
    ctx.soon("the depth shows that no message waits", emptied).await??;
    Ok(())
}
