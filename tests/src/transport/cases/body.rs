//! Bodies: opaque bytes that arrive as they were sent, up to the declared limit.

use sealmq_queue_core::{Bytes, Message, TransportErrorKind};

use crate::outcome::{CaseResult, Stop};
use crate::transport::case::case_table;
use crate::transport::queue::refused;
use crate::transport::{Case, Ctx};

use super::support::check_body;

pub(super) const CASES: &[Case] = case_table! { "body":
    binary_body_all_256_bytes [];
    non_utf8_body [];
    empty_body [];
    body_of_one_byte [];
    body_looks_like_base64_is_not_decoded [];
    body_with_forbidden_xml_chars_u0000_uFFFE [];
    max_body_exact_ok [] slow;
    max_body_plus_one_too_large_before_io [];
};

/// The largest body a test of a limit sends; a transport that takes more counts as unlimited.
const LARGEST_BODY_TESTED: usize = 64 << 20;

/// Each body arrives byte for byte.
async fn arrive_unchanged(
    ctx: &Ctx,
    bodies: impl IntoIterator<Item = impl Into<Bytes>>,
) -> CaseResult {
    let queue = ctx.queue().await?;
    let reader = queue.reader().await?;
    for body in bodies {
        let sent = queue.message(body);
        queue.send(sent.clone()).await?;
        let delivery = reader.one().await?;
        check_body(&delivery.message.body, &sent.body)?;
        reader.complete(delivery).await?;
    }
    Ok(())
}

/// Every byte value survives, alone and beside every other.
async fn binary_body_all_256_bytes(ctx: Ctx) -> CaseResult {
    let upwards: Vec<u8> = (0..=255).collect();
    let downwards: Vec<u8> = (0..=255).rev().collect();
    arrive_unchanged(&ctx, [upwards, downwards]).await
}

/// Bytes that are no UTF-8 survive.
async fn non_utf8_body(ctx: Ctx) -> CaseResult {
    let cut_off = &b"\xe6\x97"[..];
    let lone_continuation = &b"a\x80b"[..];
    let surrogate = &b"\xed\xa0\x80"[..];
    arrive_unchanged(&ctx, [cut_off, lone_continuation, surrogate]).await
}

/// A body may be empty.
async fn empty_body(ctx: Ctx) -> CaseResult {
    arrive_unchanged(&ctx, [&b""[..]]).await
}

/// A body may be a single byte, whichever.
async fn body_of_one_byte(ctx: Ctx) -> CaseResult {
    arrive_unchanged(&ctx, [&b"a"[..], b"\0", b"\n", b"\xff"]).await
}

/// A body that happens to be base64 or JSON is neither decoded nor formatted anew.
async fn body_looks_like_base64_is_not_decoded(ctx: Ctx) -> CaseResult {
    let lookalikes = ["aGVsbG8=", "aGVsbG8", "AAAA", "====", "{ \"a\" : 1 }", "%41+%20"];
    arrive_unchanged(&ctx, lookalikes).await
}

/// Characters that XML forbids survive.
#[allow(non_snake_case)] // the name is the catalogue's
async fn body_with_forbidden_xml_chars_u0000_uFFFE(ctx: Ctx) -> CaseResult {
    let forbidden = ["\u{0}", "a\u{1}b", "\u{b}\u{1f}", "\u{fffe}\u{ffff}", "]]>&<\r"];
    arrive_unchanged(&ctx, forbidden).await
}

/// A message whose body is the largest that fits, or one byte larger.
fn message_at_limit(ctx: &Ctx, bytes_over: usize) -> CaseResult<(Message, usize)> {
    let mut message = ctx.message("").with_attribute("tenant", "acme");
    let limits = &ctx.capabilities().limits;
    let limit = limits.max_body_bytes(message.metadata_bytes());
    if limit > LARGEST_BODY_TESTED {
        return Err(Stop::skip("bodies are not limited, or not by a size to test"));
    }
    message.body = vec![0xa5; limit + bytes_over].into();
    Ok((message, limit))
}

/// The largest body that is declared to fit does fit.
async fn max_body_exact_ok(ctx: Ctx) -> CaseResult {
    let (sent, _) = message_at_limit(&ctx, 0)?;
    let queue = ctx.queue().await?;
    let reader = queue.reader().await?;
    queue.send(sent.clone()).await?;
    let delivery = reader.one().await?;
    check_body(&delivery.message.body, &sent.body)?;
    reader.complete(delivery).await?;
    Ok(())
}

/// One byte more is refused before any I/O: even a queue that does not exist does not matter.
async fn max_body_plus_one_too_large_before_io(ctx: Ctx) -> CaseResult {
    let (sent, limit) = message_at_limit(&ctx, 1)?;
    let missing = ctx.missing_queue()?;
    let mut report = ctx.transport().send(&missing, vec![sent.clone()]).await;
    let failure = refused(report.remove(0))?;
    check_matches!(
        failure.error.kind(),
        TransportErrorKind::TooLarge { size_bytes, limit_bytes }
            if *size_bytes == limit + 1 && *limit_bytes == limit,
        "a body over the limit of {limit} bytes is refused with size and limit, before any I/O"
    );
    check!(!failure.error.is_retryable(), "a large body does not shrink by retrying");
    check_body(&failure.message.body, &sent.body)
}
