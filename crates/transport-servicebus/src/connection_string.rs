//! Connection strings: `Endpoint=sb://…;SharedAccessKeyName=…;SharedAccessKey=…`.

use sealmq_queue_core::TransportError;

use crate::credential::Credential;

/// What a connection string says ("Get started with Azure Service Bus", connection strings).
pub(crate) struct ConnectionString {
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    pub(crate) credential: Credential,
    pub(crate) entity_path: Option<String>,
    /// Plain AMQP: the emulator speaks no TLS.
    pub(crate) emulator: bool,
}

impl ConnectionString {
    /// Reads a connection string. The error names the part and never shows a value.
    pub(crate) fn parse(text: &str) -> Result<Self, TransportError> {
        let fields = Fields::read(text)?;
        let (host, port) = endpoint(fields.endpoint.ok_or_else(|| missing("Endpoint"))?)?;
        let credential = match (fields.key_name, fields.key, fields.signature) {
            (None, None, Some(signature)) => Credential::shared_access_signature(signature),
            (Some(name), Some(key), None) => Credential::shared_access_key(name, key),
            (_, None, None) => return Err(missing("SharedAccessKey")),
            (None, Some(_), _) => return Err(missing("SharedAccessKeyName")),
            (_, _, Some(_)) => {
                return Err(invalid("SharedAccessSignature does not go with a key"));
            }
        };
        credential.validate()?;
        let entity_path = fields.entity_path.filter(|path| !path.is_empty()).map(str::to_owned);
        Ok(Self { host, port, credential, entity_path, emulator: fields.emulator })
    }
}

#[derive(Default)]
struct Fields<'a> {
    endpoint: Option<&'a str>,
    key_name: Option<&'a str>,
    key: Option<&'a str>,
    signature: Option<&'a str>,
    entity_path: Option<&'a str>,
    emulator: bool,
}

impl<'a> Fields<'a> {
    fn read(text: &'a str) -> Result<Self, TransportError> {
        let mut fields = Self::default();
        let parts = text.trim().split(';').map(str::trim).filter(|part| !part.is_empty());
        for part in parts {
            let (name, value) = part.split_once('=').ok_or_else(|| invalid("a part has no `=`"))?;
            let slot = match name.trim().to_ascii_lowercase().as_str() {
                "endpoint" => &mut fields.endpoint,
                "sharedaccesskeyname" => &mut fields.key_name,
                "sharedaccesskey" => &mut fields.key,
                "sharedaccesssignature" => &mut fields.signature,
                "entitypath" => &mut fields.entity_path,
                "usedevelopmentemulator" => {
                    fields.emulator = match value.trim().to_ascii_lowercase().as_str() {
                        "true" => true,
                        "false" => false,
                        _ => return Err(invalid("UseDevelopmentEmulator is true or false")),
                    };
                    continue;
                }
                // The name may be a value that lost its own: it is not shown.
                _ => return Err(invalid("holds a part that is not known")),
            };
            if slot.replace(value.trim()).is_some() {
                return Err(invalid("holds a part twice"));
            }
        }
        Ok(fields)
    }
}

/// Host and port of `sb://host:port/`.
fn endpoint(text: &str) -> Result<(String, Option<u16>), TransportError> {
    let rest = text
        .strip_prefix("sb://")
        .or_else(|| text.strip_prefix("amqps://"))
        .ok_or_else(|| invalid("Endpoint must begin with sb://"))?;
    let authority = rest.trim_end_matches('/');
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => {
            let port = port.parse().map_err(|_| invalid("the port of Endpoint is no number"))?;
            (host, Some(port))
        }
        None => (authority, None),
    };
    Ok((host.to_owned(), port))
}

fn missing(part: &str) -> TransportError {
    invalid(&format!("{part} is missing"))
}

fn invalid(reason: &str) -> TransportError {
    TransportError::invalid_input("connection_string", reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "SharedAccessKeyName=root;SharedAccessKey=c2VjcmV0=";

    fn reason(text: &str) -> String {
        match ConnectionString::parse(text) {
            Ok(_) => panic!("{text} is no connection string"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn every_part_is_read() {
        let text = format!("Endpoint=sb://ns.servicebus.windows.net/;{KEY};EntityPath=orders");
        let read = ConnectionString::parse(&text).unwrap();
        assert_eq!(read.host, "ns.servicebus.windows.net");
        assert_eq!((read.port, read.emulator), (None, false));
        assert_eq!(read.entity_path.as_deref(), Some("orders"));
    }

    #[test]
    fn the_emulator_is_plain_and_keeps_its_port() {
        let text = format!("Endpoint=sb://localhost:15673;{KEY};UseDevelopmentEmulator=true;");
        let read = ConnectionString::parse(&text).unwrap();
        assert_eq!((read.host.as_str(), read.port), ("localhost", Some(15673)));
        assert!(read.emulator);
    }

    #[test]
    fn what_is_wrong_is_named_and_no_secret_is_shown() {
        let table = [
            (KEY.to_owned(), "Endpoint is missing"),
            (format!("Endpoint=http://ns;{KEY}"), "must begin with sb://"),
            (format!("Endpoint=sb://ns:x;{KEY}"), "no number"),
            ("Endpoint=sb://ns".to_owned(), "SharedAccessKey is missing"),
            ("Endpoint=sb://ns;SharedAccessKey=c2VjcmV0=".to_owned(), "KeyName is missing"),
            (format!("Endpoint=sb://ns;{KEY};Colour=c2VjcmV0"), "not known"),
            (format!("Endpoint=sb://ns;{KEY};{KEY}"), "twice"),
            (format!("Endpoint=sb://ns;{KEY};UseDevelopmentEmulator=yes"), "true or false"),
            (format!("Endpoint=sb://ns;{KEY};SharedAccessSignature=c2VjcmV0"), "does not go with"),
            ("c2VjcmV0".to_owned(), "no `=`"),
        ];
        for (text, expected) in table {
            let reason = reason(&text);
            assert!(reason.starts_with("invalid connection_string: "), "{reason}");
            assert!(reason.contains(expected), "{reason}");
            assert!(!reason.contains("c2VjcmV0"), "{reason}");
        }
    }
}
