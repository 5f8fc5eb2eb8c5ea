//! Checks that read as the promise they hold an adapter to.

/// Breaks the case unless the condition holds: `check!(condition, "the promise")`.
macro_rules! check {
    ($condition:expr, $($promise:tt)+) => {
        if !$condition {
            return Err($crate::outcome::Stop::broken(format!($($promise)+)));
        }
    };
}

/// Breaks the case unless both are equal: `check_eq!(what_is, what_should_be, "the promise")`.
macro_rules! check_eq {
    ($actual:expr, $expected:expr, $($promise:tt)+) => {
        // A match keeps temporaries of both alive, as in `assert_eq!`.
        match (&$actual, &$expected) {
            (actual, expected) => {
                if actual != expected {
                    let promise = format!($($promise)+);
                    return Err($crate::outcome::Stop::broken(format!(
                        "{promise}\n    expected {expected:?}\n    found    {actual:?}"
                    )));
                }
            }
        }
    };
}

/// Breaks the case unless the value is of the shape: `check_matches!(value, pattern, "the promise")`.
macro_rules! check_matches {
    ($actual:expr, $pattern:pat $(if $guard:expr)?, $($promise:tt)+) => {
        match &$actual {
            $pattern $(if $guard)? => {}
            actual => {
                let promise = format!($($promise)+);
                return Err($crate::outcome::Stop::broken(format!(
                    "{promise}\n    expected {}\n    found    {actual:?}",
                    stringify!($pattern $(if $guard)?),
                )));
            }
        }
    };
}
