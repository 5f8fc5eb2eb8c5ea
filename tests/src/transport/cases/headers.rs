//! Attributes and ids: cleartext that arrives as it was sent, or is refused before any I/O.

use std::time::Duration;

use sealmq_queue_core::{Attributes, Message, TransportErrorKind};

use crate::outcome::{CaseResult, Stop};
use crate::transport::case::case_table;
use crate::transport::queue::refused;
use crate::transport::{Case, Ctx};

use super::support::{check_invalid, check_same};

pub(super) const CASES: &[Case] = case_table! { "headers":
    headers_roundtrip_weird_strings [];
    headers_unicode_values [];
    headers_non_utf8_rejected [];
    headers_empty_values_defined [];
    headers_max_count [];
    headers_max_count_plus_one_rejected [];
    header_case_and_duplicates_defined [];
    reserved_header_names_rejected [];
    message_id_visible_and_stable_across_redelivery [Settlement];
};

/// More attributes than this no test sends; a transport that takes more counts as unlimited.
const MOST_ATTRIBUTES_TESTED: usize = 1_000;
/// The most bytes of attributes that a test of a limit makes.
const MOST_BYTES_TESTED: usize = 64 << 20;

/// Each set of attributes arrives as it was sent.
async fn arrive_unchanged(
    ctx: &Ctx,
    attributes: impl IntoIterator<Item = Attributes>,
) -> CaseResult {
    let queue = ctx.queue().await?;
    let reader = queue.reader().await?;
    for attributes in attributes {
        let mut sent = queue.message("with attributes");
        sent.attributes = attributes;
        queue.send(sent.clone()).await?;
        let delivery = reader.one().await?;
        check_same(&delivery.message, &sent)?;
        reader.complete(delivery).await?;
    }
    Ok(())
}

/// The attributes are refused before any I/O.
async fn are_refused(ctx: &Ctx, attributes: impl IntoIterator<Item = Attributes>) -> CaseResult {
    let missing = ctx.missing_queue()?;
    for attributes in attributes {
        let mut sent = ctx.message("with attributes");
        sent.attributes = attributes;
        let mut report = ctx.transport().send(&missing, vec![sent.clone()]).await;
        let failure = refused(report.remove(0))?;
        check_invalid(&failure.error, "attributes")?;
        check_eq!(
            failure.message.attributes,
            sent.attributes,
            "a refused message is given back as it was"
        );
    }
    Ok(())
}

fn single(name: &str, value: &str) -> Attributes {
    Attributes::from([(name.to_owned(), value.to_owned())])
}

/// Values that look like syntax to somebody on the way arrive as they are.
async fn headers_roundtrip_weird_strings(ctx: Ctx) -> CaseResult {
    let long = "v".repeat(2_000);
    let values = [
        "plain",
        " led and followed by spaces ",
        "a\tb",
        "quotes \" ' `",
        "a=b; c=d, e&f",
        "100%25 %0d%0a",
        "back\\slash \\r\\n",
        "{\"json\": [1, null]}",
        "<xml attr=\"&amp;\"/>",
        "0",
        "-1.5e3",
        "true",
        "null",
        long.as_str(),
    ];
    let weird_values = values.into_iter().map(|value| single("value", value));
    let longest = "n".repeat(64);
    let names = ["a", "A.b-c_9", "_", "9", "-dash", "content-type", longest.as_str()];
    let weird_names = names.into_iter().map(|name| single(name, "value"));
    arrive_unchanged(&ctx, weird_values.chain(weird_names)).await
}

/// Values of any script arrive, composed and decomposed letters apart.
async fn headers_unicode_values(ctx: Ctx) -> CaseResult {
    let values = ["Grüße", "日本語", "שלום", "🦀 𝄞", "e\u{301} \u{e9}", "a\u{a0}b\u{2028}c"];
    arrive_unchanged(&ctx, values.map(|value| single("value", value))).await
}

/// Values are text by type; what of it is no printable text is refused before any I/O.
async fn headers_non_utf8_rejected(ctx: Ctx) -> CaseResult {
    let values = ["\0", "a\nb", "a\r\nInjected: yes", "\u{1b}[31m", "\u{7f}", "\u{85}"];
    are_refused(&ctx, values.map(|value| single("value", value))).await
}

/// An empty value arrives or is refused, as the transport declares.
async fn headers_empty_values_defined(ctx: Ctx) -> CaseResult {
    let empty = [single("empty", "")];
    match ctx.capabilities().limits.empty_attribute_values {
        true => arrive_unchanged(&ctx, empty).await,
        false => are_refused(&ctx, empty).await,
    }
}

/// So many attributes, each with a value of at least so many bytes.
fn numbered(count: usize, value_bytes: usize) -> Attributes {
    let numbered = |n| (format!("attribute-{n}"), format!("value {n:0>value_bytes$}"));
    (0..count).map(numbered).collect()
}

/// As many attributes as are declared to fit do fit.
async fn headers_max_count(ctx: Ctx) -> CaseResult {
    let count = ctx.capabilities().limits.max_attributes.min(MOST_ATTRIBUTES_TESTED);
    arrive_unchanged(&ctx, [numbered(count, 1)]).await
}

/// One attribute more is refused before any I/O. Where their number is not limited, their size is.
async fn headers_max_count_plus_one_rejected(ctx: Ctx) -> CaseResult {
    let limits = &ctx.capabilities().limits;
    if limits.max_attributes <= MOST_ATTRIBUTES_TESTED {
        return are_refused(&ctx, [numbered(limits.max_attributes + 1, 1)]).await;
    }
    if limits.max_message_bytes > MOST_BYTES_TESTED {
        return Err(Stop::skip("attributes are not limited, or not by a size to test"));
    }
    let mut sent = ctx.message("");
    sent.attributes = numbered(MOST_ATTRIBUTES_TESTED, limits.max_message_bytes / 900);
    let mut report = ctx.transport().send(&ctx.missing_queue()?, vec![sent.clone()]).await;
    let failure = refused(report.remove(0))?;
    check_matches!(
        failure.error.kind(),
        TransportErrorKind::TooLarge { .. } | TransportErrorKind::InvalidInput { .. },
        "attributes that do not fit are refused, before any I/O"
    );
    check!(*failure.message == sent, "a refused message is given back as it was");
    Ok(())
}

/// Names that differ in case are two attributes; of one name the last value counts.
async fn header_case_and_duplicates_defined(ctx: Ctx) -> CaseResult {
    let message = Message::new("")
        .with_attribute("Trace-Id", "upper")
        .with_attribute("trace-id", "replaced")
        .with_attribute("trace-id", "lower");
    let defined = Attributes::from([
        ("Trace-Id".into(), "upper".into()),
        ("trace-id".into(), "lower".into()),
    ]);
    check_eq!(message.attributes, defined, "a second value replaces the first");
    arrive_unchanged(&ctx, [defined]).await
}

/// Names that some broker keeps for itself, or cannot carry, are refused everywhere.
async fn reserved_header_names_rejected(ctx: Ctx) -> CaseResult {
    let too_long = "n".repeat(65);
    let names = [
        "AWS.TraceHeader",
        "aws.x",
        "Amazon.Foo",
        "amazon.bar",
        "",
        "has space",
        "has:colon",
        "line\nbreak",
        "schlüssel",
        too_long.as_str(),
    ];
    are_refused(&ctx, names.map(|name| single(name, "value"))).await
}

/// Both ids of a message stay the same when it comes again; the broker's differs for a copy.
async fn message_id_visible_and_stable_across_redelivery(ctx: Ctx) -> CaseResult {
    let queue = ctx.queue().await?;
    let reader = queue.reader().await?;
    let sent = queue.message("the same bytes");
    queue.send(sent.clone()).await?;
    let first = reader.one().await?;
    check_eq!(first.message.id, sent.id, "the sender's id is visible");
    let broker_id = first.receipt.metadata().broker_id.clone();
    check!(!broker_id.is_empty(), "the broker's id is visible");
    first.receipt.abandon(Duration::ZERO).await?;
    let again = reader.one().await?;
    check_eq!(again.message.id, sent.id, "the sender's id is stable");
    check_eq!(
        again.receipt.metadata().broker_id,
        broker_id,
        "the broker's id is stable across redeliveries"
    );
    reader.complete(again).await?;
    queue.send(queue.message("the same bytes")).await?;
    let copy = reader.one().await?;
    check!(
        copy.receipt.metadata().broker_id != broker_id,
        "another copy of the same bytes has another id of the broker"
    );
    reader.complete(copy).await?;
    Ok(())
}
