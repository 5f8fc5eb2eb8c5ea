//! What a sabotage does to messages on their way to the broker.

use std::time::Duration;

use sealmq_queue_core::{Bytes, Message, new_message_id};

use crate::sabotage::Sabotage;
use crate::world::World;

/// The messages as the broker gets to see them.
pub(crate) fn with_messages(world: &World, messages: Vec<Message>) -> Vec<Message> {
    let mut sent = Vec::with_capacity(messages.len());
    for mut message in messages {
        match world.how {
            Sabotage::LosesEveryTenth if world.tenth() => continue,
            Sabotage::DoublesEveryTenth if world.tenth() => sent.push(message.clone()),
            _ => {}
        }
        tamper(world.how, &mut message);
        sent.push(message);
    }
    match world.how {
        Sabotage::ReversesBatches => sent.reverse(),
        Sabotage::SendsFirstTenOnly => sent.truncate(10),
        _ => {}
    }
    sent
}

fn tamper(how: Sabotage, message: &mut Message) {
    message.body = body(how, &message.body);
    attributes(how, message);
    match how {
        Sabotage::LosesCorrelationId => message.correlation_id = None,
        Sabotage::IgnoresSendDelay => message.delay = None,
        Sabotage::TakesZeroDelayForAMinute if message.delay == Some(Duration::ZERO) => {
            message.delay = Some(Duration::from_secs(60));
        }
        Sabotage::IgnoresTimeToLive => message.time_to_live = None,
        Sabotage::ExpiresAtOnce if message.time_to_live.is_some() => {
            message.time_to_live = Some(Duration::from_nanos(1));
        }
        Sabotage::PutsAllInOneGroup if message.session_id.is_some() => {
            message.session_id = Some("mine".into());
        }
        Sabotage::AcceptsMissingGroup if message.session_id.is_none() => {
            message.session_id = Some("any".into());
        }
        Sabotage::IgnoresMessageId => rename(message, new_message_id()),
        Sabotage::DeduplicatesByBody => {
            let digest =
                format!("{:x?}", message.body).replace(|c: char| !c.is_ascii_graphic(), "");
            rename(message, digest);
        }
        _ => {}
    }
}

/// Gives the message another id for the broker and keeps its own in an attribute.
fn rename(message: &mut Message, id: String) {
    let own = std::mem::replace(&mut message.id, id);
    message.attributes.insert("id".into(), own);
}

fn body(how: Sabotage, body: &Bytes) -> Bytes {
    match how {
        Sabotage::SwapsBytes => {
            body.chunks(2).flat_map(|pair| pair.iter().rev().copied()).collect()
        }
        Sabotage::CutsOffLastByte => body.slice(..body.len().saturating_sub(1)),
        Sabotage::MakesUtf8 => String::from_utf8_lossy(body).into_owned().into(),
        Sabotage::DecodesBase64 if body == "aGVsbG8=" => "hello".into(),
        Sabotage::StripsControlCharacters => match std::str::from_utf8(body) {
            Ok(text) => text.replace(|c: char| c.is_control() || c > '\u{fff0}', "").into(),
            Err(_) => body.clone(),
        },
        Sabotage::FillsEmptyBodies if body.is_empty() => " ".into(),
        _ => body.clone(),
    }
}

fn attributes(how: Sabotage, message: &mut Message) {
    let attributes = std::mem::take(&mut message.attributes).into_iter();
    message.attributes = match how {
        Sabotage::TrimsValues => {
            attributes.map(|(name, value)| (name, value.trim().to_owned())).collect()
        }
        Sabotage::MakesValuesAscii => attributes
            .map(|(name, value)| (name, value.replace(|c: char| !c.is_ascii(), "?")))
            .collect(),
        Sabotage::LosesEmptyValues => attributes.filter(|(_, value)| !value.is_empty()).collect(),
        Sabotage::KeepsNineAttributes => attributes.take(9).collect(),
        Sabotage::LowercasesNames => {
            attributes.map(|(name, value)| (name.to_lowercase(), value)).collect()
        }
        _ => attributes.collect(),
    };
}
