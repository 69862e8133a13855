//! A new project, from the templates of its language.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::files::{self, COMMON};
use crate::language::Language;
use crate::name::Name;
use crate::project::Project;

/// Writes a new project into `directory`, which is made; its last component is the project's name.
///
/// # Errors
///
/// The name will not do, the directory has something in it, or cannot be written.
pub fn new(directory: &Path, language: Language) -> Result<Project> {
    let name = directory.file_name().and_then(|name| name.to_str());
    let name = Name::parse(name.with_context(|| format!("{} does not end with a name", directory.display()))?)?;
    match fs::read_dir(directory).map(|mut entries| entries.next().is_some()) {
        Ok(true) => bail!("{} has something in it: choose another name, or another place", directory.display()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot make a project in {}", directory.display()));
        }
        _ => {}
    }
    for files in [COMMON].iter().chain(language.traits().templates) {
        files::write(directory, files, |text| fill(text, &name, language))?;
    }
    let project = Project::open(directory)?;
    project.support()?;
    Ok(project)
}

/// Puts what is particular to a project in the place of `{{…}}`.
fn fill(text: &str, name: &Name, language: Language) -> String {
    let traits = language.traits();
    let limits = match traits.limits {
        "" => String::new(),
        limits => format!("limits: {limits}"),
    };
    let words = [
        ("{{name}}", name.kebab()),
        ("{{snake}}", &name.snake()),
        ("{{camel}}", &name.camel()),
        ("{{language}}", language.name()),
        ("{{Language}}", traits.title),
        ("{{source}}", traits.source),
        ("{{needs}}", traits.needs),
        ("{{limits}}", &limits),
        ("{{unknown_setting}}", traits.unknown_setting),
        ("{{version}}", env!("CARGO_PKG_VERSION")),
    ];
    let filled = words.iter().fold(text.to_owned(), |text, (word, value)| text.replace(word, value));
    // A line that held nothing but an empty value would leave a hole.
    filled.lines().filter(|line| line.is_empty() || !line.trim().is_empty()).map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_new_project_of_every_language_is_whole_and_has_no_gaps() {
        for &language in Language::ALL {
            let place = tempfile::tempdir().unwrap();
            let project = new(&place.path().join("key-guard"), language).unwrap();
            assert_eq!(project.language, language);
            for file in ["README.md", "cases.yaml", "topology.yaml", ".gitignore", "sluice/wit/lifecycle.wit"] {
                assert!(project.directory.join(file).is_file(), "{file}");
            }
            no_gaps(&project.directory);
        }
    }

    fn no_gaps(directory: &Path) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !path.ends_with("sluice") {
                    no_gaps(&path);
                }
            } else {
                let text = fs::read_to_string(&path).unwrap();
                assert!(!text.contains("{{"), "{}: {text}", path.display());
                assert!(path.extension().is_none_or(|extension| extension != "in"), "{}", path.display());
            }
        }
    }

    #[test]
    fn a_directory_that_is_in_use_is_left_alone() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("mine"), "").unwrap();
        let directory = place.path().join("x");
        fs::create_dir(&directory).unwrap();
        new(&directory, Language::Rust).unwrap();
        let error = new(&directory, Language::Rust).unwrap_err().to_string();
        assert!(error.ends_with("has something in it: choose another name, or another place"), "{error}");
        assert!(new(&place.path().join("mine"), Language::Rust).is_err());
    }
}
