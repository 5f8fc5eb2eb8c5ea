//! The one message attribute that carries our metadata: many fields in few broker attributes.
//!
//! SQS takes ten attributes per message, refuses empty ones, and counts names and types towards
//! the size. So everything of ours stands in [`NAME`], as text:
//!
//! ```text
//! marker = "1" *field
//! field  = tag length ":" value     ; each tag at most once, in the order of the table
//! tag    = "i"   ; message id
//!        / "s"   ; session id
//!        / "c"   ; correlation id
//!        / "r"   ; reply-to
//!        / "t"   ; message type
//!        / "y"   ; content type
//!        / "d"   ; dead-letter reason
//!        / "e"   ; dead-letter description
//! length = 1*DIGIT                  ; of the value in UTF-8, in bytes, without leading zeros
//! ```
//!
//! `1i2:42t11:OrderPlaced` is message 42, an `OrderPlaced`. A message whose marker has an id was
//! sent by this adapter and its body is base64; any other was not, and its body is what it is.

/// The attribute's name; sealmq's client refuses user attributes that begin with `sealmq-`.
pub(crate) const NAME: &str = "sealmq-meta";

const VERSION: &str = "1";
const TAGS: [char; 8] = ['i', 's', 'c', 'r', 't', 'y', 'd', 'e'];

/// The most bytes that tags, lengths and the version add to the values.
pub(crate) const MAX_OVERHEAD_BYTES: usize = VERSION.len() + TAGS.len() * 9;

/// What the marker attribute says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Marker {
    pub(crate) id: Option<String>,
    pub(crate) session_id: Option<String>,
    pub(crate) correlation_id: Option<String>,
    pub(crate) reply_to: Option<String>,
    pub(crate) message_type: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) description: Option<String>,
}

impl Marker {
    fn fields(&self) -> [&Option<String>; TAGS.len()] {
        [
            &self.id,
            &self.session_id,
            &self.correlation_id,
            &self.reply_to,
            &self.message_type,
            &self.content_type,
            &self.reason,
            &self.description,
        ]
    }

    pub(crate) fn encode(&self) -> String {
        let mut text = String::from(VERSION);
        for (tag, value) in TAGS.into_iter().zip(self.fields()) {
            if let Some(value) = value {
                text.push(tag);
                text.push_str(&value.len().to_string());
                text.push(':');
                text.push_str(value);
            }
        }
        text
    }

    /// Reads what [`Marker::encode`] wrote, and nothing else.
    pub(crate) fn decode(text: &str) -> Option<Self> {
        let mut rest = text.strip_prefix(VERSION)?;
        let mut values: [Option<String>; TAGS.len()] = Default::default();
        for (tag, slot) in TAGS.into_iter().zip(&mut values) {
            if let Some(field) = rest.strip_prefix(tag) {
                let (length, after) = field.split_once(':')?;
                let (value, after) = after.split_at_checked(length.parse().ok()?)?;
                *slot = Some(value.to_owned());
                rest = after;
            }
        }
        let [
            id,
            session_id,
            correlation_id,
            reply_to,
            message_type,
            content_type,
            reason,
            description,
        ] = values;
        let marker = Self {
            id,
            session_id,
            correlation_id,
            reply_to,
            message_type,
            content_type,
            reason,
            description,
        };
        // One form only: also refuses `+3`, leading zeros and whatever follows the last field.
        (marker.encode() == text).then_some(marker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Marker {
        Marker {
            id: Some("42".into()),
            session_id: Some("s:1".into()),
            correlation_id: Some(String::new()),
            reply_to: Some("antworten-für-ä".into()),
            message_type: Some("t5:fake".into()),
            content_type: Some("application/json".into()),
            reason: Some("Unreadable".into()),
            description: Some("日本語 🦀".into()),
        }
    }

    #[test]
    fn every_combination_of_fields_comes_back() {
        for present in 0..1_u32 << TAGS.len() {
            let mut marker = full();
            let fields = [
                &mut marker.id,
                &mut marker.session_id,
                &mut marker.correlation_id,
                &mut marker.reply_to,
                &mut marker.message_type,
                &mut marker.content_type,
                &mut marker.reason,
                &mut marker.description,
            ];
            for (bit, field) in fields.into_iter().enumerate() {
                if present & (1 << bit) == 0 {
                    *field = None;
                }
            }
            assert_eq!(Marker::decode(&marker.encode()), Some(marker));
        }
    }

    #[test]
    fn the_documented_example_is_what_is_written() {
        let (id, message_type) = (Some("42".into()), Some("OrderPlaced".into()));
        let marker = Marker { id, message_type, ..Marker::default() };
        assert_eq!(marker.encode(), "1i2:42t11:OrderPlaced");
    }

    #[test]
    fn what_was_not_written_here_is_no_marker() {
        let forged = [
            "",
            "2i2:42",
            "1i2:4",
            "1i2:42x",
            "1t1:ai1:b",
            "1i1:ai1:b",
            "1i+2:42",
            "1i02:42",
            "1i:",
            "1i1:ä",
            "1i99999999999999999999:a",
            "1z1:a",
            "i2:42",
        ];
        for text in forged {
            assert_eq!(Marker::decode(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_overhead_is_bounded() {
        let marker = full();
        let values: usize = marker.fields().into_iter().flatten().map(String::len).sum();
        assert!(marker.encode().len() <= values + MAX_OVERHEAD_BYTES);
    }
}
