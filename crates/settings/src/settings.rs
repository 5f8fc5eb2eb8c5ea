//! The values of settings, read as what they have to be.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::InvalidSetting;

type Lookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Where the values of settings are found by the names of their variables. A value that is empty
/// counts as absent.
pub struct Settings<'a> {
    lookup: Box<Lookup<'a>>,
}

impl Settings<'static> {
    /// The environment of this process. A value that is not UTF-8 counts as absent.
    pub fn from_env() -> Self {
        Self::from_lookup(|variable| std::env::var(variable).ok())
    }
}

impl<'a> Settings<'a> {
    /// Values from elsewhere, by the whole names of their variables.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String> + 'a) -> Self {
        Self { lookup: Box::new(lookup) }
    }

    /// The same, with this value of one variable instead of its own; without one, unchanged.
    #[must_use]
    pub fn with(self, variable: &'static str, value: Option<String>) -> Self {
        let Some(value) = value else { return self };
        Self::from_lookup(move |asked| {
            if asked == variable { Some(value.clone()) } else { (self.lookup)(asked) }
        })
    }

    /// The value, if there is one.
    pub fn get(&self, variable: &'static str) -> Option<String> {
        (self.lookup)(variable).filter(|value| !value.is_empty())
    }

    /// The value, which must be there.
    ///
    /// # Errors
    /// [`InvalidSetting`] when it is absent.
    pub fn required(&self, variable: &'static str) -> Result<String, InvalidSetting> {
        self.get(variable).ok_or_else(|| InvalidSetting::new(variable, "is not set"))
    }

    /// A flag.
    ///
    /// # Errors
    /// [`InvalidSetting`] unless it is `true`, `false` or absent.
    pub fn flag(&self, variable: &'static str) -> Result<Option<bool>, InvalidSetting> {
        Ok(self.choice(variable, &[("true", true), ("false", false)])?.copied())
    }

    /// One of several words, and what it stands for.
    ///
    /// # Errors
    /// [`InvalidSetting`] for another word; it names those there are.
    pub fn choice<'t, T>(
        &self,
        variable: &'static str,
        words: &'t [(&str, T)],
    ) -> Result<Option<&'t T>, InvalidSetting> {
        let Some(value) = self.get(variable) else { return Ok(None) };
        let found = words.iter().find(|(word, _)| *word == value);
        found.map(|(_, meaning)| Some(meaning)).ok_or_else(|| {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            InvalidSetting::new(variable, format!("is none of {}", words.join(", ")))
        })
    }

    /// A whole number.
    ///
    /// # Errors
    /// [`InvalidSetting`] when it is none, or does not fit.
    pub fn number<T: FromStr>(&self, variable: &'static str) -> Result<Option<T>, InvalidSetting> {
        let number = self.get(variable).map(|value| value.parse()).transpose();
        number.map_err(|_| InvalidSetting::new(variable, "is no whole number in its range"))
    }

    /// A whole number of milliseconds.
    ///
    /// # Errors
    /// [`InvalidSetting`] when it is none.
    pub fn milliseconds(&self, variable: &'static str) -> Result<Option<Duration>, InvalidSetting> {
        let number = self.get(variable).map(|value| value.parse()).transpose();
        let number =
            number.map_err(|_| InvalidSetting::new(variable, "is no whole number of milliseconds"));
        Ok(number?.map(Duration::from_millis))
    }

    /// A whole number of seconds.
    ///
    /// # Errors
    /// [`InvalidSetting`] when it is none.
    pub fn seconds(&self, variable: &'static str) -> Result<Option<Duration>, InvalidSetting> {
        let number = self.get(variable).map(|value| value.parse()).transpose();
        let number =
            number.map_err(|_| InvalidSetting::new(variable, "is no whole number of seconds"));
        Ok(number?.map(Duration::from_secs))
    }

    /// Two settings that go together.
    ///
    /// # Errors
    /// [`InvalidSetting`] names the one that is absent while the other is there.
    pub fn pair(
        &self,
        first: &'static str,
        second: &'static str,
    ) -> Result<Option<(String, String)>, InvalidSetting> {
        let missing = |absent, there| {
            Err(InvalidSetting::new(
                absent,
                format!("is not set, and {there} is: they go together"),
            ))
        };
        match (self.get(first), self.get(second)) {
            (Some(first), Some(second)) => Ok(Some((first, second))),
            (None, None) => Ok(None),
            (None, Some(_)) => missing(first, second),
            (Some(_), None) => missing(second, first),
        }
    }
}

/// Shows no value.
impl fmt::Debug for Settings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings<'a>(values: &'a [(&str, &str)]) -> Settings<'a> {
        Settings::from_lookup(|variable| {
            let found = values.iter().find(|(known, _)| *known == variable);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn values_are_read_as_what_they_are() {
        let values = settings(&[("TEXT", "a"), ("FLAG", "true"), ("NUMBER", "7"), ("EMPTY", "")]);
        assert_eq!(values.get("TEXT").as_deref(), Some("a"));
        assert_eq!(values.get("EMPTY"), None);
        assert_eq!(values.flag("FLAG"), Ok(Some(true)));
        assert_eq!(values.number::<u8>("NUMBER"), Ok(Some(7)));
        assert_eq!(values.milliseconds("NUMBER"), Ok(Some(Duration::from_millis(7))));
        assert_eq!(values.seconds("NUMBER"), Ok(Some(Duration::from_secs(7))));
        assert_eq!(values.choice("TEXT", &[("a", 1), ("b", 2)]), Ok(Some(&1)));
        assert_eq!(values.pair("TEXT", "FLAG"), Ok(Some(("a".into(), "true".into()))));
        assert_eq!((values.flag("NONE"), values.pair("NONE", "EMPTY")), (Ok(None), Ok(None)));
        let values = values.with("TEXT", Some("b".into())).with("FLAG", None);
        assert_eq!((values.get("TEXT"), values.flag("FLAG")), (Some("b".into()), Ok(Some(true))));
    }

    #[test]
    fn what_is_wrong_is_named_and_its_value_is_not_repeated() {
        const VALUE: &str = "c2VjcmV0";
        let values = settings(&[("A", VALUE), ("BIG", "256")]);
        let errors = [
            values.flag("A").unwrap_err(),
            values.number::<u8>("A").unwrap_err(),
            values.milliseconds("A").unwrap_err(),
            values.seconds("A").unwrap_err(),
            values.choice("A", &[("x", ())]).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.variable, "A");
            assert!(!format!("{error} {error:?}").contains(VALUE));
        }
        assert_eq!(values.number::<u8>("BIG").unwrap_err().variable, "BIG");
        assert_eq!(values.required("B").unwrap_err().variable, "B");
        assert_eq!(values.pair("A", "B").unwrap_err().variable, "B");
        assert_eq!(values.pair("B", "A").unwrap_err().variable, "B");
    }
}
