//! What an operator would see: every event of this thread, and every metric.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

use metrics_util::MetricKind;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

/// One event, with its fields as text.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) level: Level,
    pub(crate) target: String,
    pub(crate) name: String,
    pub(crate) fields: BTreeMap<&'static str, String>,
}

impl Event {
    /// A field as text; empty when it is not there.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

impl Visit for Event {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.name),
            name => drop(self.fields.insert(name, value.to_owned())),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

/// Everything that is logged on this thread, at every level, while this lives.
pub(crate) struct Events {
    seen: Arc<Mutex<Vec<Event>>>,
    _guard: DefaultGuard,
}

impl Events {
    pub(crate) fn record() -> Self {
        // While there is but one subscriber, tracing asks the present thread's whether an event is
        // wanted, and remembers a "no" of other tests' threads for all. So there are always two.
        static ANOTHER: OnceLock<Dispatch> = OnceLock::new();
        ANOTHER.get_or_init(|| Dispatch::new(tracing_subscriber::registry()));
        let seen = Arc::default();
        let layer = Recording { seen: Arc::clone(&seen) };
        let subscriber = tracing_subscriber::registry().with(layer);
        Self { seen, _guard: tracing::subscriber::set_default(subscriber) }
    }

    pub(crate) fn all(&self) -> Vec<Event> {
        self.seen.lock().unwrap().clone()
    }

    /// The events of the client that bear this name.
    pub(crate) fn named(&self, name: &str) -> Vec<Event> {
        self.all().into_iter().filter(|e| e.target == "sealmq" && e.name == name).collect()
    }

    /// The only event of this name.
    pub(crate) fn the(&self, name: &str) -> Event {
        let mut events = self.named(name);
        assert_eq!(events.len(), 1, "one event {name:?}: {:?}", self.all());
        events.remove(0)
    }
}

struct Recording {
    seen: Arc<Mutex<Vec<Event>>>,
}

impl<S: Subscriber> Layer<S> for Recording {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let (level, target) = (*event.metadata().level(), event.metadata().target().to_owned());
        let mut seen = Event { level, target, name: String::new(), fields: BTreeMap::new() };
        event.record(&mut seen);
        self.seen.lock().unwrap().push(seen);
    }
}

/// What was measured, by kind, name and labels.
#[derive(Debug)]
pub(crate) struct Metrics(Vec<Metric>);

#[derive(Debug)]
pub(crate) struct Metric {
    pub(crate) kind: MetricKind,
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: DebugValue,
}

impl Metrics {
    /// Runs the test with a recorder on this thread, which is to be its only one, and gives what
    /// it recorded.
    pub(crate) async fn of<T>(work: impl Future<Output = T>) -> (T, Self) {
        let recorder = DebuggingRecorder::new();
        let out = {
            let _guard = metrics::set_default_local_recorder(&recorder);
            work.await
        };
        let snapshot = recorder.snapshotter().snapshot().into_vec();
        let metrics = snapshot.into_iter().map(|(key, _, _, value)| {
            let (kind, key) = key.into_parts();
            let labels = key.labels().map(|l| (l.key().to_owned(), l.value().to_owned()));
            Metric { kind, name: key.name().to_owned(), labels: labels.collect(), value }
        });
        (out, Self(metrics.collect()))
    }

    pub(crate) fn all(&self) -> &[Metric] {
        &self.0
    }

    fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<&DebugValue> {
        let labels: BTreeMap<_, _> =
            labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        self.0.iter().find(|m| m.name == name && m.labels == labels).map(|m| &m.value)
    }

    /// The counter of exactly these labels; zero when it was never touched.
    pub(crate) fn counter(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        match self.value(name, labels) {
            None => 0,
            Some(DebugValue::Counter(count)) => *count,
            Some(other) => panic!("{name} is no counter: {other:?}"),
        }
    }

    /// The gauge of exactly these labels.
    pub(crate) fn gauge(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        match self.value(name, labels)? {
            DebugValue::Gauge(value) => Some(value.into_inner()),
            other => panic!("{name} is no gauge: {other:?}"),
        }
    }

    /// How many values the histogram of exactly these labels holds.
    pub(crate) fn samples(&self, name: &str, labels: &[(&str, &str)]) -> usize {
        match self.value(name, labels) {
            None => 0,
            Some(DebugValue::Histogram(values)) => values.len(),
            Some(other) => panic!("{name} is no histogram: {other:?}"),
        }
    }
}
