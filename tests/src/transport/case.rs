//! A case of the catalogue: its name, what it needs of a transport, and the test itself.

use std::sync::Arc;

use futures_util::future::LocalBoxFuture;
use sealmq_queue_core::Feature;

use crate::outcome::{CaseResult, Stop};
use crate::runner::{Threads, Time};
use crate::transport::{Backend, Ctx, cases, refusals};

/// One case of the catalogue.
pub struct Case {
    /// Group in the catalogue.
    pub group: &'static str,
    /// Name in the catalogue.
    pub name: &'static str,
    /// Features it is about. On a transport that lacks some, their refusal is tested instead.
    pub needs: &'static [Feature],
    /// The runtime it needs.
    pub threads: Threads,
    /// Whether it disturbs the broker, so that no other case may run meanwhile.
    pub alone: bool,
    /// Whether it takes so long in real time that only the nightly run does it.
    pub nightly: bool,
    /// How many times the usual timeout it may take.
    pub timeout_factor: u32,
    run: fn(Ctx) -> LocalBoxFuture<'static, CaseResult>,
}

/// The variable that asks for the nightly cases.
const NIGHTLY_VARIABLE: &str = "SEALMQ_CONTRACT_NIGHTLY";

impl Case {
    pub(crate) const fn new(
        group: &'static str,
        name: &'static str,
        needs: &'static [Feature],
        run: fn(Ctx) -> LocalBoxFuture<'static, CaseResult>,
    ) -> Self {
        Self {
            group,
            name,
            needs,
            threads: Threads::One,
            alone: false,
            nightly: false,
            timeout_factor: 1,
            run,
        }
    }

    /// The same case on a runtime with several threads, in real time.
    pub(crate) const fn many_threads(mut self) -> Self {
        self.threads = Threads::Many;
        self
    }

    /// The same case, run while no other case runs.
    pub(crate) const fn alone(mut self) -> Self {
        self.alone = true;
        self
    }

    /// The same case with more time before it counts as hanging.
    pub(crate) const fn slow(mut self) -> Self {
        self.timeout_factor = 4;
        self
    }

    /// The same case, in real time for the nightly run only.
    pub(crate) const fn nightly(mut self) -> Self {
        self.nightly = true;
        self.timeout_factor = 30;
        self
    }

    /// `group::name`.
    pub fn full_name(&self) -> String {
        format!("{}::{}", self.group, self.name)
    }

    /// What the clock does while this case runs on this backend.
    pub(crate) fn time(&self, backend: &dyn Backend) -> Time {
        match self.threads {
            Threads::One => backend.time(),
            Threads::Many => Time::Real,
        }
    }

    /// Runs the case, or the refusals of what the transport lacks for it.
    pub(crate) async fn run_on(
        &self,
        backend: Arc<dyn Backend>,
        time: Time,
    ) -> CaseResult<Option<String>> {
        if self.nightly && time == Time::Real && std::env::var_os(NIGHTLY_VARIABLE).is_none() {
            return Err(Stop::skip(format!("takes long; set {NIGHTLY_VARIABLE}")));
        }
        let ctx = Ctx::connect(self.name, backend.harness(time).await?).await?;
        let outcome = self.run_or_refuse(&ctx).await;
        ctx.clean_up().await;
        outcome
    }

    async fn run_or_refuse(&self, ctx: &Ctx) -> CaseResult<Option<String>> {
        let missing = self.needs.iter().filter(|feature| !ctx.has(**feature));
        let missing: Vec<Feature> = missing.copied().collect();
        if missing.is_empty() {
            return (self.run)(ctx.clone()).await.map(|()| None);
        }
        for feature in &missing {
            refusals::refused(ctx, *feature).await?;
        }
        let names: Vec<_> = missing.iter().map(|feature| feature.name()).collect();
        Ok(Some(format!("refused as declared: {}", names.join(", "))))
    }
}

/// Every case of the suite.
pub fn all_cases() -> impl Iterator<Item = &'static Case> {
    cases::GROUPS.iter().copied().flatten()
}

/// The table of one group: `case_table! { "group": name [Needed, Features] flag flag; … }`, where each
/// name is an `async fn(Ctx) -> CaseResult` and each flag a method of [`Case`].
macro_rules! case_table {
    ($group:literal: $($name:ident [$($need:ident),*] $($flag:ident)*;)+) => {
        &[$(
            $crate::transport::Case::new(
                $group,
                stringify!($name),
                &[$(::sealmq_queue_core::Feature::$need),*],
                |ctx| Box::pin($name(ctx)),
            )$(.$flag())*
        ),+]
    };
}
pub(crate) use case_table;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_case_has_a_name_of_its_own() {
        let names: BTreeSet<_> = all_cases().map(|case| case.name).collect();
        assert_eq!(names.len(), all_cases().count());
    }
}
