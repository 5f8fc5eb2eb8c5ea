//! Futures that wait for a network, awaited side by side.

use futures_util::future::join_all;

/// What all of them come to, in their order. One alone costs nothing but itself.
pub(crate) async fn together<F: Future>(
    mut futures: impl ExactSizeIterator<Item = F>,
) -> Vec<F::Output> {
    match (futures.len(), futures.next()) {
        (1, Some(only)) => vec![only.await],
        (_, first) => join_all(first.into_iter().chain(futures)).await,
    }
}
