//! Steps in order: what runs, how long it took, what came of it, as a table and as JSON.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::StepArguments;

/// One step of a command.
pub(crate) struct Step<'a> {
    /// What `--only` calls it.
    pub(crate) name: String,
    /// What it does, in one line.
    pub(crate) about: &'static str,
    /// Does it, and says in a few words what was done.
    pub(crate) run: Box<dyn Fn() -> Result<String> + 'a>,
}

impl<'a> Step<'a> {
    /// A step of this name.
    pub(crate) fn new(
        name: impl Into<String>,
        about: &'static str,
        run: impl Fn() -> Result<String> + 'a,
    ) -> Self {
        Self { name: name.into(), about, run: Box::new(run) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    Passed,
    Failed,
    NotRun,
}

#[derive(Debug, Serialize)]
struct Row {
    step: String,
    result: Verdict,
    seconds: f64,
    detail: String,
}

#[derive(Serialize)]
struct Summary<'a> {
    command: &'a str,
    passed: bool,
    seconds: f64,
    steps: &'a [Row],
}

/// Runs the steps until the first that fails, then shows what came of each.
pub(crate) fn run(command: &str, steps: Vec<Step<'_>>, arguments: &StepArguments) -> Result<()> {
    if arguments.list {
        for step in &steps {
            println!("{:<18} {}", step.name, step.about);
        }
        return Ok(());
    }
    let steps = chosen(steps, &arguments.only)?;
    let began = Instant::now();
    let (rows, failure) = run_each(&steps);
    let seconds = tenths(began.elapsed());
    println!("\n{}", table(&rows, seconds));
    if let Some(path) = &arguments.json {
        let passed = failure.is_none();
        write_json(path, &Summary { command, passed, seconds, steps: &rows })?;
    }
    failure.map_or(Ok(()), Err)
}

/// Writes `value` as indented JSON with a final line break.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

fn chosen<'a>(mut steps: Vec<Step<'a>>, only: &[String]) -> Result<Vec<Step<'a>>> {
    if let Some(unknown) = only.iter().find(|name| steps.iter().all(|step| step.name != **name)) {
        let names: Vec<_> = steps.iter().map(|step| step.name.as_str()).collect();
        bail!("no step `{unknown}`; there are: {}", names.join(", "));
    }
    if !only.is_empty() {
        steps.retain(|step| only.contains(&step.name));
    }
    Ok(steps)
}

fn run_each(steps: &[Step<'_>]) -> (Vec<Row>, Option<anyhow::Error>) {
    let mut rows = Vec::new();
    let mut failure = None;
    for (index, step) in steps.iter().enumerate() {
        let name = &step.name;
        if failure.is_some() {
            let (step, detail) = (name.clone(), String::new());
            rows.push(Row { step, result: Verdict::NotRun, seconds: 0.0, detail });
            continue;
        }
        println!("\n[{}/{}] {name}: {}", index + 1, steps.len(), step.about);
        let began = Instant::now();
        let done = (step.run)();
        let seconds = tenths(began.elapsed());
        let (result, detail) = match done {
            Ok(detail) => (Verdict::Passed, detail),
            Err(error) => {
                let detail = format!("{error:#}");
                failure = Some(error.context(format!("step `{name}` failed")));
                (Verdict::Failed, detail)
            }
        };
        println!("[{}/{}] {name}: {} in {seconds:.1} s", index + 1, steps.len(), word(result));
        rows.push(Row { step: name.clone(), result, seconds, detail });
    }
    (rows, failure)
}

fn table(rows: &[Row], seconds: f64) -> String {
    let width = rows.iter().map(|row| row.step.len()).max().unwrap_or(0).max("step".len());
    let mut text = format!("{:<width$}  result  seconds\n", "step");
    for row in rows {
        let detail = row.detail.lines().next().unwrap_or_default();
        let line =
            format!("{:<width$}  {:<7} {:>7.1}  {detail}", row.step, word(row.result), row.seconds);
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text + &format!("{:<width$}  {:<7} {seconds:>7.1}", "all", "")
}

fn word(result: Verdict) -> &'static str {
    match result {
        Verdict::Passed => "passed",
        Verdict::Failed => "FAILED",
        Verdict::NotRun => "not run",
    }
}

fn tenths(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn nothing_runs_after_the_first_failure() {
        let ran = Cell::new(0);
        let count = || {
            ran.set(ran.get() + 1);
            Ok("fine".to_owned())
        };
        let steps = [
            Step::new("first", "", count),
            Step::new("second", "", || bail!("broken")),
            Step::new("third", "", count),
        ];
        let (rows, failure) = run_each(&steps);
        let results: Vec<_> = rows.iter().map(|row| row.result).collect();
        assert_eq!(results, [Verdict::Passed, Verdict::Failed, Verdict::NotRun]);
        assert_eq!(ran.get(), 1);
        assert_eq!(format!("{:#}", failure.unwrap()), "step `second` failed: broken");
    }

    #[test]
    fn the_table_names_step_result_and_seconds() {
        let (rows, _) = run_each(&[Step::new("alone", "", || Ok("3 passed".to_owned()))]);
        let text = table(&rows, 0.0);
        assert!(text.contains("alone  passed      0.0  3 passed"), "{text}");
    }

    #[test]
    fn an_unknown_step_is_refused_with_those_that_exist() {
        let steps = vec![Step::new("alone", "", || Ok(String::new()))];
        let error = chosen(steps, &["other".to_owned()]).err().unwrap().to_string();
        assert_eq!(error, "no step `other`; there are: alone");
    }
}
