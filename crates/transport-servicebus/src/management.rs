//! Requests to the `$management` node of an entity: asked, bounded, and read.
//!
//! "AMQP 1.0 in Azure Service Bus: request-response-based operations" lists them all.

use fe2o3_amqp::types::primitives::{Array, OrderedMap, SimpleValue, Uuid, Value};
use sealmq_queue_core::{TransportError, TransportErrorKind as Kind};
use tokio::time::Duration;

use crate::entity::Entity;
use crate::hub::Hub;
use crate::request_link::{Reply, Request};
use crate::sending_link::Interrupted;

/// The body of a request: keys and values.
pub(crate) type Fields = Vec<(&'static str, Value)>;

/// One request about an entity.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    /// The name of the operation, without its prefix.
    pub(crate) name: &'static str,
    pub(crate) body: Fields,
    /// The receiver it is for: what keeps its session alive, and what its locks belong to.
    pub(crate) link: Option<String>,
}

impl Operation {
    pub(crate) fn new(name: &'static str, body: Fields) -> Self {
        Self { name, body, link: None }
    }

    #[must_use]
    pub(crate) fn of_link(mut self, link: Option<&str>) -> Self {
        self.link = link.map(str::to_owned);
        self
    }

    fn request(&self, entity: &Entity, timeout: Duration) -> Request {
        let timeout_ms = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
        let mut properties = vec![
            ("operation", SimpleValue::String(format!("com.microsoft:{}", self.name))),
            ("com.microsoft:server-timeout", SimpleValue::Uint(timeout_ms)),
        ];
        if let Some(link) = &self.link {
            properties.push(("associated-link-name", SimpleValue::String(link.clone())));
        }
        let body = self.body.iter().cloned();
        let body: OrderedMap<Value, Value> =
            body.map(|(key, value)| (Value::String(key.to_owned()), value)).collect();
        let context = format!("{} of {entity}", self.name);
        Request { context, properties, body: Value::Map(body) }
    }
}

impl Hub {
    /// Asks, and gives the reply whatever its status.
    ///
    /// What the broker cannot have seen is asked once more: a link that ended meanwhile, or a
    /// token that the broker takes no more, is nobody's concern.
    pub(crate) async fn ask(
        &self,
        entity: &Entity,
        operation: &Operation,
    ) -> Result<Reply, TransportError> {
        let request = operation.request(entity, self.config.operation_timeout);
        let context = request.context.clone();
        self.in_time(&context, self.ask_unbounded(entity, request)).await
    }

    async fn ask_unbounded(
        &self,
        entity: &Entity,
        request: Request,
    ) -> Result<Reply, TransportError> {
        let mut is_second_try = false;
        loop {
            self.check_open()?;
            let link = self.management(entity).await?;
            match link.ask(request.clone()).await {
                Ok(reply) if reply.status == 401 && !is_second_try => {
                    self.renew_token(entity).await?;
                }
                Ok(reply) => return Ok(reply),
                Err(Interrupted { error, maybe_done: false })
                    if !is_second_try && *error.kind() == Kind::Unavailable => {}
                Err(Interrupted { error, .. }) => return Err(error),
            }
            is_second_try = true;
        }
    }

    /// Asks, and gives the body of a reply that says it was done.
    pub(crate) async fn request(
        &self,
        entity: &Entity,
        operation: &Operation,
    ) -> Result<Reply, TransportError> {
        let reply = self.ask(entity, operation).await?;
        if (200..300).contains(&reply.status) {
            Ok(reply)
        } else {
            Err(reply.to_error(&format!("{} of {entity}", operation.name)))
        }
    }
}

impl Reply {
    /// The value under a key of the body.
    pub(crate) fn take(&mut self, key: &str) -> Option<Value> {
        match &mut self.body {
            Value::Map(body) => body.swap_remove(&Value::String(key.to_owned())),
            _ => None,
        }
    }

    /// The values of the list or array under a key of the body.
    pub(crate) fn take_list(&mut self, key: &str) -> Vec<Value> {
        match self.take(key) {
            Some(Value::List(values)) => values,
            Some(Value::Array(values)) => values.0,
            _ => Vec::new(),
        }
    }
}

/// Numbers of messages, as requests take them.
pub(crate) fn sequence_numbers(numbers: &[u64]) -> Value {
    Value::Array(Array(numbers.iter().map(|n| Value::Long(n.cast_signed())).collect()))
}

/// Lock tokens, as requests take them.
pub(crate) fn lock_tokens(tokens: impl IntoIterator<Item = Uuid>) -> Value {
    Value::Array(Array(tokens.into_iter().map(Value::Uuid).collect()))
}

/// A map with text for keys.
pub(crate) fn map(entries: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    Value::Map(entries.into_iter().map(|(k, v)| (Value::String(k.to_owned()), v)).collect())
}

/// What a condition is called in a reply.
pub(crate) fn is_condition(reply: &Reply, condition: &str) -> bool {
    reply.condition.as_deref() == Some(condition)
}
