//! The ways in which a secret is wrong, and where it is looked for each time.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealmq_config::{Config, ConfigError, schema};
use serde_json::Value;
use tempfile::TempDir;
use tracing_subscriber::fmt::MakeWriter;

use crate::cases::Case;

/// All that was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

pub(crate) struct Scan {
    log: Log,
    folder: TempDir,
    logged: usize,
    refused: usize,
}

impl Scan {
    /// Everything of ours is logged from here on, as far down as it goes.
    pub(crate) fn begin() -> Self {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt().with_env_filter("sealmq=trace");
        subscriber.with_writer(log.clone()).with_ansi(false).init();
        Self { log, folder: tempfile::tempdir().unwrap(), logged: 0, refused: 0 }
    }

    /// In the file itself: refused, of the wrong type, no TOML; allowed.
    pub(crate) fn in_the_file(&mut self, case: &Case) {
        let inline = format!("{:?}", case.value);
        for (allowed, value) in [
            (false, inline.clone()),
            (true, inline.clone()),
            (true, format!("[{inline}]")),
            (true, format!("{{ inline = {inline} }}")),
            (true, format!("{{ env = {inline} }}")),
            (true, format!("{{ file = {inline} }}")),
            (true, format!("{{ file = {inline}, env = {inline} }}")),
            (true, format!("[{inline}")),
            (true, inline.trim_end_matches('"').to_owned()),
        ] {
            let text = file(case, &value, allowed, "", None);
            let said = match Config::parse(&text) {
                Err(error) => said(&error),
                Ok(config) => shown(&config),
            };
            self.look(case, &said);
        }
    }

    /// By reference, with another setting of the table that is wrong, missing or unknown.
    pub(crate) async fn beside_what_is_wrong(&mut self, case: &Case) {
        let value = self.reference(case);
        let mut wrong = vec!["no_such_setting = 1\n".to_owned()];
        for line in ["root_ca", "client_cert", "request_timeout_ms", "connect_timeout_ms"] {
            let path = ["root_ca", "client_cert"].contains(&line);
            let bad = if path { "'/no/such/file'" } else { "0" };
            wrong.push(format!("{line} = {bad}\n"));
            wrong.push(format!("{line} = {{ env = 'SEALMQ_NEVER_SET' }}\n"));
            wrong.push(format!("{line} = {{ file = '/no/such/file' }}\n"));
        }
        for line in &wrong {
            self.connect(case, &file(case, &value, true, line, None)).await;
        }
        for line in case.more.lines() {
            let without = file(case, &value, true, "", None).replacen(&format!("{line}\n"), "", 1);
            self.connect(case, &without).await;
        }
    }

    /// A server that is not there.
    pub(crate) async fn away(&mut self, case: &Case) {
        let text = file(case, &self.reference(case), true, "", Some(()));
        self.connect(case, &text).await;
    }

    /// The real server, which refuses it.
    pub(crate) async fn refused(&mut self, case: &Case) {
        let text = file(case, &self.reference(case), true, "", None);
        let failed = self.connect(case, &text).await;
        assert!(failed || !case.refuses, "{} was taken", case.setting());
        self.refused += usize::from(failed);
    }

    /// Whether a part failed: while it was connected, or in its self-test.
    async fn connect(&mut self, case: &Case, text: &str) -> bool {
        let (mut said, mut failed) = (String::new(), true);
        match Config::parse(text) {
            Err(error) => said += &self::said(&error),
            Ok(config) => {
                said += &shown(&config);
                match config.connect_each().await {
                    Err(error) => said += &self::said(&error),
                    Ok((parts, service)) => {
                        write!(said, "{parts:?} {parts:#?}").unwrap();
                        for error in parts.iter().filter_map(|part| part.error.as_ref()) {
                            said += &self::said(error);
                        }
                        if let Some(service) = service {
                            let report = service.queue("leaks").unwrap().self_test().await;
                            failed = !report.passed();
                            write!(said, "{service:?} {report} {report:?}").unwrap();
                            let ended = service.shutdown(Duration::from_secs(10)).await;
                            write!(said, "{ended:?}").unwrap();
                        }
                    }
                }
            }
        }
        self.look(case, &said);
        failed
    }

    fn look(&mut self, case: &Case, said: &str) {
        let logged = std::mem::take(&mut *self.log.0.lock().unwrap());
        self.logged += logged.len();
        for text in [said, &*String::from_utf8_lossy(&logged)] {
            let found = case.needles.iter().any(|needle| text.contains(needle.as_str()));
            assert!(!found, "{}: {text}", case.setting());
        }
    }

    fn reference(&self, case: &Case) -> String {
        let path = self.folder.path().join("value");
        std::fs::write(&path, &case.value).unwrap();
        format!("{{ file = {path:?} }}")
    }

    pub(crate) fn end(self, cases: usize) {
        assert!(self.logged > 0, "the control: there are logs to look into");
        assert!(self.refused + 2 >= cases, "{} of {cases} were refused", self.refused);
    }
}

/// The file of a case; at a server that is not there if it is to be.
fn file(case: &Case, value: &str, allowed: bool, extra: &str, away: Option<()>) -> String {
    let mut value = value.to_owned();
    let mut more = case.more.clone();
    let (here, there) = &case.server;
    if away.is_some() && !here.is_empty() {
        more = more.replace(here.as_str(), there);
        if case.value.contains(here.as_str()) {
            value = format!("{:?}", case.value.replace(here.as_str(), there));
        }
    }
    let head = format!(
        "allow_inline_secrets = {allowed}\nenvironment = 'test'\ntenant = 'acme'\n\
         [crypto]\npolicy = 'opt-in'\nnonce_tracking = true\nenabled = {}\n",
        case.table == "keys" // the self-test asks for a key then
    );
    let transport = "[transport]\nkind = 'memory'\n";
    let (before, table) = match case.table {
        "transport" => ("", format!("[transport]\nkind = '{}'\n", case.kind)),
        "vault" => (transport, format!("[vault.{}]\n", case.kind)),
        "keys" => (transport, format!("[[keys]]\nkind = '{}'\n", case.kind)),
        other => (transport, format!("[{other}]\nkind = '{}'\n", case.kind)),
    };
    format!("{head}{before}{}{table}{more}{} = {value}\n{extra}", case.others, case.key)
}

/// Everything that a configuration says of itself.
fn shown(config: &Config) -> String {
    let mut shown = format!("{config:?} {config:#?} {:?}", config.parts());
    if let Err(error) = config.validate() {
        shown += &said(&error);
    }
    shown
}

/// Everything that an error says, and what is behind it.
fn said(error: &ConfigError) -> String {
    let mut said = format!("{error} {error:?} {error:#?} {} {}", error.path(), error.reason());
    let mut next = error.source();
    while let Some(cause) = next {
        write!(said, " {cause} {cause:?} {cause:#?}").unwrap();
        next = cause.source();
    }
    said
}

/// Every secret of every table, by the schema: `TABLE KIND KEY`.
pub(crate) fn secrets_of_the_schema() -> BTreeSet<String> {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    let tables = &schema["properties"];
    let mut found = BTreeSet::new();
    let mut collect = |table: &str, kind: &str, properties: &Value| {
        for (key, property) in properties.as_object().unwrap() {
            if property["description"].as_str().is_some_and(|about| about.ends_with(". A secret")) {
                found.insert(format!("{table} {kind} {key}"));
            }
        }
    };
    for (table, kinds) in [
        ("transport", &tables["transport"]["oneOf"]),
        ("keys", &tables["keys"]["items"]["oneOf"]),
        ("replay_guard", &tables["replay_guard"]["oneOf"]),
    ] {
        for kind in kinds.as_array().unwrap() {
            let name = kind["properties"]["kind"]["const"].as_str().unwrap();
            collect(table, name, &kind["properties"]);
        }
    }
    collect("vault", "main", &tables["vault"]["additionalProperties"]["properties"]);
    found
}
