//! The promises that are broken, one at a time.

use sealmq_queue_core::Feature;

/// One way to break the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// None: the wrapper itself keeps the contract.
    Nothing,
    /// Declares that it lacks a feature which it has.
    Undeclared(Feature),
    /// Never returns from `send`.
    Hangs,
    /// Panics in `send`.
    Panics,

    // Messages as they are sent.
    LosesCorrelationId,
    LosesEveryTenth,
    DoublesEveryTenth,
    SwapsBytes,
    CutsOffLastByte,
    MakesUtf8,
    DecodesBase64,
    StripsControlCharacters,
    FillsEmptyBodies,
    TrimsValues,
    MakesValuesAscii,
    LosesEmptyValues,
    KeepsNineAttributes,
    LowercasesNames,
    IgnoresSendDelay,
    TakesZeroDelayForAMinute,
    IgnoresTimeToLive,
    ExpiresAtOnce,
    PutsAllInOneGroup,
    AcceptsMissingGroup,
    IgnoresMessageId,
    DeduplicatesByBody,

    // Batches and their reports.
    ReversesBatches,
    ReportsInReverse,
    SendsFirstTenOnly,
    RefusesLargeBatches,
    SendsTheRestOfAnInvalidBatch,
    RefusesEmptyBatches,
    RefusesLargestBody,
    AsksBrokerBeforeChecking,
    SwallowsForMissingQueues,
    SendsOneLate,
    PutsAllInOneQueue,
    ReversesSettlementResults,

    // Receiving.
    IgnoresWait,
    LooksOnceThenWaits,
    WaitsForFullBatch,
    ReturnsMoreThanMax,
    TakesMissingQueuesForEmpty,
    NeedsToHaveSent,
    IgnoresReceiveMode,
    DeletesOnReceive,
    LosesCancelledReceives,
    PrefetchesBlindly,
    CountsAlwaysOne,
    CountsFromZero,
    GivesFreshIds,
    GivesFreshBrokerIds,

    // Settling and locks.
    CompletesNothing,
    ClaimsOtherCertainty,
    AbandonsNothing,
    IgnoresAbandonDelay,
    SendsRetriesToTheBack,
    TakesLostLockForOutage,
    ConfirmsLostLock,
    LetsStaleHolderSettle,
    SettlesBehindReceive,
    ForgetsReceiptsOnClose,
    ConfirmsWhileDown,
    GivesUpReceiptAfterOutage,
    MisstatesLockDuration,
    IgnoresLockOption,
    ExtendsNothing,
    ExtendsWithoutLimit,

    // Dead letters and deferral.
    LosesReason,
    LosesAttributesOfDeadLetters,
    IgnoresMaxDeliveries,
    DropsDeadLetters,
    CompletesBeforeMoving,
    RedrivesCopies,
    RedrivesEverything,
    RedrivesIntoDeduplication,
    AbandonsInsteadOfDeferring,

    // Scheduling, peeking, depth.
    CancelsNothing,
    PeekLocks,
    PeekIgnoresFrom,
    PeekSeesGhosts,
    MiscountsDepth,

    // Groups and sessions.
    IgnoresGroups,
    TakesLockedSessionForNone,
    NextFindsNothing,
    AcceptsTooLong,
    RenewsNothing,
    LosesSessionState,

    // Connections.
    ClosesNothing,
    FailsSecondClose,
    DiesWhenIdle,
    ForgetsOnRestart,
    ConfirmsLostAnswer,
    TakesOutageForDenial,
    StaysDown,
    TakesDenialForOutage,
    TrustsAnyAuthority,
    NeedsNoCertificate,
    ShowsAttributesInErrors,
}
