//! What a configuration may be, what it shows, and how the environment describes it.

use sealmq_crypto_core::KeyErrorKind;

use sealmq_settings::Settings;

use super::*;

const PIN: &str = "a PIN that must not be seen";

fn config() -> Pkcs11Config {
    let token = TokenName::Label("orders".into());
    Pkcs11Config::new("/lib/module.so", token, Pin::new(PIN.into()).unwrap())
}

fn field<T>(outcome: Result<T, KeyError>) -> &'static str {
    match outcome.err().map(|error| error.kind().clone()) {
        Some(KeyErrorKind::InvalidInput { field }) => field,
        other => panic!("this names a field, but: {other:?}"),
    }
}

#[test]
fn the_field_to_mend_is_named() {
    assert!(config().validate().is_ok());
    let mut relative = config();
    relative.module = "module.so".into();
    let mut unnamed = config();
    unnamed.token = TokenName::Label(String::new());
    let mut long = config();
    long.token = TokenName::Serial("1".repeat(17));
    let refused = [
        (relative, "module"),
        (unnamed, "token_label"),
        (long, "token_serial"),
        (config().with_key_prefix(""), "key_prefix"),
        (config().with_key_prefix("a/b"), "key_prefix"),
        (config().with_max_sessions(0), "max_sessions"),
        (config().with_max_sessions(65), "max_sessions"),
        (config().with_call_timeout(Duration::ZERO), "call_timeout"),
    ];
    for (config, name) in refused {
        assert_eq!(field(config.validate()), name);
    }
}

#[test]
fn the_pin_is_not_shown() {
    assert!(!format!("{:?}", config()).contains(PIN));
}

#[test]
fn the_environment_describes_it() {
    let good = [("MODULE", "/lib/module.so"), ("TOKEN_LABEL", "orders"), ("PIN", PIN)];
    let of = |changes: &[(&str, &str)]| {
        Pkcs11Config::from_settings(&Settings::from_lookup(|name| {
            let name = name.strip_prefix("SEALMQ_PKCS11_")?;
            let found = changes.iter().chain(&good).find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        }))
    };
    let config = of(&[]).unwrap();
    assert_eq!(format!("{config:?}"), format!("{:?}", self::config()));
    let config = of(&[("READ_ONLY", "true"), ("NONCE_SOURCE", "token"), ("MAX_SESSIONS", "9")]);
    let config = config.unwrap();
    assert_eq!(
        (config.read_only, config.nonce_source, config.max_sessions),
        (true, NonceSource::Token, 9)
    );
    let refused = [
        (("MODULE", ""), "SEALMQ_PKCS11_MODULE"),
        (("TOKEN_LABEL", ""), "SEALMQ_PKCS11_TOKEN_LABEL"),
        (("TOKEN_SERIAL", "1"), "SEALMQ_PKCS11_TOKEN_LABEL"),
        (("PIN", ""), "SEALMQ_PKCS11_PIN_FILE"),
        (("PIN_FILE", "/x"), "SEALMQ_PKCS11_PIN_FILE"),
        (("AUTO_CREATE", "yes"), "SEALMQ_PKCS11_AUTO_CREATE"),
        (("NONCE_SOURCE", "dice"), "SEALMQ_PKCS11_NONCE_SOURCE"),
        (("MAX_SESSIONS", "many"), "SEALMQ_PKCS11_MAX_SESSIONS"),
        (("CALL_TIMEOUT_MS", "1 s"), "SEALMQ_PKCS11_CALL_TIMEOUT_MS"),
        (("CALL_TIMEOUT_MS", "0"), "call_timeout"),
        (("KEY_PREFIX", "a b"), "key_prefix"),
    ];
    for (change, name) in refused {
        assert_eq!(field(of(&[change])), name, "{change:?}");
    }
}
