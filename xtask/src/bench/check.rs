//! The ratios that were measured against those that the documentation states.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

use super::Ratios;
use crate::tools::Workspace;

const DOCUMENT: &str = "docs/performance.md";
/// How far a ratio may be off, either way: one that became better makes the document wrong too.
const TOLERANCE: f64 = 0.25;

/// Compares the ratios of the bench of this name.
pub(super) fn run(workspace: &Workspace, name: &str, measured: &Ratios) -> Result<String> {
    let text = std::fs::read_to_string(workspace.root().join(DOCUMENT)).context(DOCUMENT)?;
    let stated = stated(&text, name)?;
    let deviations = deviations(&stated, measured);
    if !deviations.is_empty() {
        bail!("ratios are not those of {DOCUMENT}:\n  {}", deviations.join("\n  "));
    }
    Ok(format!("{} ratios are within 25 % of {DOCUMENT}", stated.len()))
}

/// The ratios of one bench: the first fenced JSON block is an object of such objects.
fn stated(document: &str, name: &str) -> Result<Ratios> {
    let block = document.split("```json\n").nth(1).and_then(|rest| rest.split("```").next());
    let block = block.with_context(|| format!("{DOCUMENT} has no fenced JSON block"))?;
    let mut benches: BTreeMap<String, Ratios> =
        serde_json::from_str(block).with_context(|| format!("the JSON block of {DOCUMENT}"))?;
    benches.remove(name).with_context(|| format!("{DOCUMENT} states no ratios of `{name}`"))
}

fn deviations(stated: &Ratios, measured: &Ratios) -> Vec<String> {
    let mut deviations = Vec::new();
    for (name, expected) in stated {
        match measured.get(name) {
            None => deviations.push(format!("{name}: stated, and not measured")),
            Some(found) if (found / expected - 1.0).abs() > TOLERANCE => {
                let percent = (found / expected - 1.0) * 100.0;
                let line = format!("{name}: {found:.2}, stated {expected:.2} ({percent:+.0} %)");
                deviations.push(line);
            }
            Some(_) => {}
        }
    }
    let unstated = measured.keys().filter(|name| !stated.contains_key(*name));
    deviations.extend(unstated.map(|name| format!("{name}: measured, and not stated")));
    deviations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratios(list: &[(&str, f64)]) -> Ratios {
        list.iter().map(|(name, ratio)| ((*name).to_owned(), *ratio)).collect()
    }

    #[test]
    fn the_stated_ratios_are_read_by_the_name_of_the_bench() {
        let document = "# Speed\n```json\n{\"seal\": {\"a\": 1.5}, \"client\": {\"b\": 2}}\n```\n";
        assert_eq!(stated(document, "seal").unwrap(), ratios(&[("a", 1.5)]));
        assert!(stated(document, "other").is_err());
        assert!(stated("# Speed\n", "seal").is_err());
    }

    #[test]
    fn a_ratio_may_be_off_by_a_quarter_either_way() {
        let stated = ratios(&[("a", 2.0)]);
        for close in [1.6, 2.0, 2.4] {
            assert!(deviations(&stated, &ratios(&[("a", close)])).is_empty(), "{close}");
        }
        for far in [1.4, 2.6] {
            assert_eq!(deviations(&stated, &ratios(&[("a", far)])).len(), 1, "{far}");
        }
    }

    #[test]
    fn ratios_on_one_side_only_are_deviations() {
        let found = deviations(&ratios(&[("a", 1.0)]), &ratios(&[("b", 1.0)]));
        assert_eq!(found, ["a: stated, and not measured", "b: measured, and not stated"]);
    }
}
