//! `cargo xtask docs`: the pages that are made from what the code already says.

mod reference;
mod types;

use std::fs;

use anyhow::{Context, Result};

use crate::workspace::Workspace;

/// Where the reference is kept.
const REFERENCE: &str = "docs/contract.md";

/// Write every page that is out of date.
pub(crate) fn write(workspace: &Workspace) -> Result<()> {
    let path = workspace.root.join(REFERENCE);
    let page = reference::page(&workspace.root.join("wit"))?;
    if fs::read_to_string(&path).is_ok_and(|existing| existing == page) {
        println!("{} is up to date", path.display());
        return Ok(());
    }
    fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
    println!("wrote {}", path.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_reference_says_what_the_interfaces_say() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let kept = fs::read_to_string(root.join(REFERENCE)).unwrap();
        let page = reference::page(&root.join("wit")).unwrap();
        assert!(kept == page, "{REFERENCE} is out of date: `cargo xtask docs` writes it");
    }

    #[test]
    fn every_link_within_the_reference_leads_to_a_heading() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let page = reference::page(&root.join("wit")).unwrap();
        let headings = page.lines().filter(|line| line.starts_with('#')).map(|line| {
            let kept = line.trim_start_matches('#').trim().chars().filter(|c| c.is_alphanumeric() || "- ".contains(*c));
            kept.collect::<String>().to_lowercase().replace(' ', "-")
        });
        let headings: std::collections::BTreeSet<_> = headings.collect();
        let links: Vec<_> = page.split("](#").skip(1).filter_map(|rest| rest.split(')').next()).collect();
        assert!(links.len() > 50, "{links:?}");
        for link in links {
            assert!(headings.contains(link), "{link} is none of {headings:?}");
        }
    }
}
