//! Servers on this machine that stand in for AWS: what they want to be told.

use std::env;

/// Whether a URL leads to this machine.
pub(crate) fn is_on_this_machine(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    ["127.0.0.1", "localhost", "[::1]"].into_iter().any(|name| {
        host.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
    })
}

/// A stand-in wants some region and some credentials and checks neither: nobody should have to make
/// them up, nor send real ones there. This is the region, unless somebody has chosen one.
pub(crate) fn region(none_is_configured: bool) -> Option<&'static str> {
    let chosen = is_set("AWS_REGION") || is_set("AWS_PROFILE");
    (none_is_configured && !chosen).then_some("us-east-1")
}

/// Key id and secret, unless somebody has chosen credentials.
pub(crate) fn credentials() -> Option<(&'static str, &'static str)> {
    let chosen = is_set("AWS_ACCESS_KEY_ID") || is_set("AWS_PROFILE");
    (!chosen).then_some(("stand-in", "stand-in"))
}

fn is_set(name: &str) -> bool {
    env::var_os(name).is_some_and(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_taken_for_a_stand_in() {
        for url in ["http://127.0.0.1:4566", "http://localhost", "http://[::1]:1/x"] {
            assert!(is_on_this_machine(url), "{url}");
        }
        for url in ["https://sqs.eu-central-1.amazonaws.com", "http://localhost.example:1"] {
            assert!(!is_on_this_machine(url), "{url}");
        }
    }
}
