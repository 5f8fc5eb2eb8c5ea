//! A broker that restarts under load: nothing is lost, and what comes twice has a reason.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use sealmq_queue_core::{Certainty, Delivery, Message, SettleError, Settlement};
use tokio::time::{Instant, timeout};

use crate::outcome::{CaseResult, Stop};
use crate::transport::case::case_table;
use crate::transport::{Case, Ctx, Queue, Reader};

pub(super) const CASES: &[Case] = case_table! { "resilience":
    broker_restart_mid_stream_at_1_3_and_1_2 [Settlement] alone slow;
};

/// Messages sent, and received, with one call.
const BATCH: usize = 100;

/// A broker that restarts twice in the middle of a stream of messages loses none that it accepted,
/// and every second delivery of a message has a reason.
async fn broker_restart_mid_stream_at_1_3_and_1_2(ctx: Ctx) -> CaseResult {
    let queue = ctx.short_lock_queue().await?;
    let reader = queue.reader().await?;
    let sent = queue.messages(ctx.harness().many());
    let ledger = Mutex::new(Ledger::of(&sent));
    let send = async {
        let mut restarts = [sent.len() / 3, sent.len() / 2].into_iter().peekable();
        let mut count = 0;
        for batch in sent.chunks(BATCH) {
            count += batch.len();
            let sending = send_persistently(&ctx, &queue, batch.to_vec(), &ledger);
            if restarts.next_if(|at| count > *at).is_some() {
                open(&ledger).restarts += 1;
                tokio::try_join!(ctx.harness().restart_broker(), sending)?;
                open(&ledger).restarts += 1;
            } else {
                sending.await?;
            }
        }
        Ok(())
    };
    tokio::try_join!(send, receive_persistently(&ctx, &reader, &ledger))?;
    stay_complete(&ctx, &reader, &ledger).await?;
    let ledger = open(&ledger);
    check_eq!(ledger.unexplained, 0, "every second delivery has a reason: {ledger}");
    Ok(())
}

/// Longer than the broker is away.
fn patience(ctx: &Ctx) -> Duration {
    3 * ctx.timing().patience
}

/// Sends until each message is accepted, as the client does: only what may be retried is retried.
async fn send_persistently(
    ctx: &Ctx,
    queue: &Queue,
    mut batch: Vec<Message>,
    ledger: &Mutex<Ledger>,
) -> CaseResult {
    let sending = async {
        while !batch.is_empty() {
            let report = queue.try_send_all(std::mem::take(&mut batch)).await?;
            for failure in report.into_iter().filter_map(Result::err) {
                if !failure.error.is_retryable() {
                    return Err(Stop::from(failure.error));
                }
                open(ledger).sent_again(&failure.message.id)?;
                batch.push(*failure.message);
            }
            if !batch.is_empty() {
                ctx.sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    };
    let late = |_| Stop::broken("messages are accepted once the broker is back");
    timeout(patience(ctx), sending).await.map_err(late)?
}

/// Receives and completes, over broken connections, until each message has come.
async fn receive_persistently(ctx: &Ctx, reader: &Reader, ledger: &Mutex<Ledger>) -> CaseResult {
    let mut progress = Instant::now();
    while open(ledger).missing > 0 {
        let left = patience(ctx).saturating_sub(progress.elapsed());
        check!(!left.is_zero(), "no accepted message is lost, but: {}", open(ledger));
        if take(ctx, reader, left.min(ctx.timing().patience), ledger).await? > 0 {
            progress = Instant::now();
        }
    }
    Ok(())
}

/// Once everything has come and was completed, only what could not be completed comes again.
async fn stay_complete(ctx: &Ctx, reader: &Reader, ledger: &Mutex<Ledger>) -> CaseResult {
    let quiet = ctx.timing().short_lock + ctx.timing().slack;
    let since = Instant::now();
    while take(ctx, reader, quiet, ledger).await? > 0 {
        let ends = since.elapsed() < patience(ctx);
        check!(ends, "what was completed stays completed, but: {}", open(ledger));
    }
    Ok(())
}

/// Receives once and completes what comes; gives how many came.
async fn take(
    ctx: &Ctx,
    reader: &Reader,
    wait: Duration,
    ledger: &Mutex<Ledger>,
) -> CaseResult<usize> {
    let batch = match reader.receiver().recv(BATCH, wait).await {
        Ok(batch) => batch,
        Err(error) if error.is_retryable() => {
            ctx.sleep(Duration::from_millis(200)).await;
            return Ok(0);
        }
        Err(error) => return Err(error.into()),
    };
    let received = Instant::now();
    let mut ids = Vec::with_capacity(batch.len());
    let mut settlements = Vec::with_capacity(batch.len());
    for delivery in batch {
        open(ledger).delivered(&delivery)?;
        ids.push(delivery.message.id);
        settlements.push((delivery.receipt, Settlement::Complete));
    }
    let outcomes = reader.receiver().settle_batch(settlements).await;
    let in_time = received.elapsed() < ctx.timing().short_lock / 2;
    for (id, outcome) in ids.iter().zip(outcomes) {
        open(ledger).settled(id, outcome, in_time)?;
    }
    Ok(ids.len())
}

/// What happened to the messages so far.
struct Ledger {
    accounts: BTreeMap<String, Account>,
    missing: usize,
    /// Counts the beginnings and the ends of restarts.
    restarts: usize,
    reasons: BTreeMap<Reason, usize>,
    unexplained: usize,
}

/// What happened to one message so far.
#[derive(Default)]
struct Account {
    deliveries: usize,
    /// Why it may come again, whatever the broker says.
    reason: Option<Reason>,
    /// How many restarts had begun or ended when it was last handed out.
    restarts: usize,
}

/// Why a message may come a second time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    /// Sending it was reported as failed, and repeated.
    SentAgain,
    /// An earlier delivery of it could not be completed, or not for certain.
    NotCompleted,
    /// An earlier delivery of it was completed when its lock may have run out.
    CompletedLate,
    /// It was completed, and the broker restarted since and says that it delivers it again.
    ForgottenInRestart,
}

impl Ledger {
    fn of(sent: &[Message]) -> Self {
        let accounts = sent.iter().map(|message| (message.id.clone(), Account::default()));
        Self {
            accounts: accounts.collect(),
            missing: sent.len(),
            restarts: 0,
            reasons: BTreeMap::new(),
            unexplained: 0,
        }
    }

    fn account(&mut self, id: &str) -> CaseResult<&mut Account> {
        let account = self.accounts.get_mut(id);
        account.ok_or_else(|| Stop::broken(format!("nobody sent the message {id}")))
    }

    fn sent_again(&mut self, id: &str) -> CaseResult {
        self.account(id)?.reason = Some(Reason::SentAgain);
        Ok(())
    }

    fn delivered(&mut self, delivery: &Delivery) -> CaseResult {
        let restarts = self.restarts;
        let account = self.account(&delivery.message.id)?;
        let is_new = account.deliveries == 0;
        let restarted = account.restarts != restarts;
        let says_again = delivery.receipt.metadata().delivery_count > 1;
        let forgotten = (restarted && says_again).then_some(Reason::ForgottenInRestart);
        let reason = account.reason.or(forgotten);
        account.deliveries += 1;
        account.restarts = restarts;
        match reason {
            _ if is_new => self.missing -= 1,
            Some(reason) => *self.reasons.entry(reason).or_default() += 1,
            None => self.unexplained += 1,
        }
        Ok(())
    }

    fn settled(
        &mut self,
        id: &str,
        outcome: Result<Certainty, SettleError>,
        in_time: bool,
    ) -> CaseResult {
        let reason = match outcome {
            Ok(Certainty::Confirmed) if in_time => return Ok(()),
            Ok(Certainty::Confirmed) => Reason::CompletedLate,
            _ => Reason::NotCompleted, // then it may come again, and is completed then
        };
        self.account(id)?.reason.get_or_insert(reason);
        Ok(())
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sent, missing) = (self.accounts.len(), self.missing);
        write!(f, "of {sent} messages {missing} did not come; second deliveries: ")?;
        for (reason, count) in &self.reasons {
            write!(f, "{count} × {reason:?}, ")?;
        }
        write!(f, "{} without a reason", self.unexplained)
    }
}

fn open(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap()
}
