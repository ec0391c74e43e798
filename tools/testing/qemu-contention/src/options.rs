// SPDX-License-Identifier: GPL-2.0

//! The arguments of the plugin.

use std::path::PathBuf;

use crate::symbols::Group;

/// The default of `threshold`.
const THRESHOLD: f64 = 0.01;

/// What the plugin is told on QEMU's command line.
#[derive(Debug)]
pub struct Options {
    /// The ELF file with the guest's symbols.
    pub symbols: PathBuf,
    /// The file to be written.
    pub output: PathBuf,
    /// Accesses per operation from which on a processor uses a line.
    pub threshold: f64,
    /// The label of the number that `PREPARE` gives.
    pub label: String,
    /// The name of marked pages.
    pub pages: String,
    /// Instruments all code, instead of the upper half of addresses only.
    pub all_code: bool,
    pub groups: Groups,
}

/// The groups of functions, and which functions belong to them.
#[derive(Debug, Default)]
pub struct Groups {
    names: Vec<String>,
    /// Object files, all of whose functions belong to the group.
    pub objects: Vec<(Group, PathBuf)>,
    patterns: Vec<(Group, String)>,
}

impl Options {
    pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut symbols, mut output, mut threshold) = (None, None, THRESHOLD);
        let (mut label, mut pages) = ("run".to_owned(), "(marked page)".to_owned());
        let mut all_code = false;
        let mut groups = Groups::default();
        for argument in arguments {
            let parts = argument.split_once('=');
            let (name, value) = parts.ok_or(format!("{argument}: is not NAME=VALUE"))?;
            match name {
                "symbols" => symbols = Some(value.into()),
                "output" => output = Some(value.into()),
                "threshold" => {
                    let number = value.parse();
                    threshold = number.map_err(|_| format!("{argument}: is not a number"))?;
                }
                "label" => label = value.to_owned(),
                "pages" => pages = value.to_owned(),
                "code" => {
                    all_code = match value {
                        "all" => true,
                        "kernel" => false,
                        _ => return Err(format!("{argument}: must be kernel or all")),
                    }
                }
                "objects" | "functions" => {
                    let mut words = value.split(':');
                    let group = groups.add(words.next().unwrap_or_default());
                    match name {
                        "objects" => groups.objects.extend(words.map(|of| (group, of.into()))),
                        _ => groups
                            .patterns
                            .extend(words.map(|of| (group, of.to_owned()))),
                    }
                }
                _ => return Err(format!("{name}: no such argument, see README.md")),
            }
        }
        Ok(Self {
            symbols: symbols.ok_or("symbols= is missing, the guest's ELF file")?,
            output: output.ok_or("output= is missing, the file to be written")?,
            threshold,
            label,
            pages,
            all_code,
            groups,
        })
    }
}

impl Groups {
    fn add(&mut self, name: &str) -> Group {
        let at = self.names.iter().position(|known| known == name);
        let at = at.unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        });
        Group(at as u16)
    }

    pub fn name(&self, group: Group) -> &str {
        &self.names[usize::from(group.0)]
    }

    pub fn all(&self) -> impl Iterator<Item = Group> {
        (0..self.names.len()).map(|at| Group(at as u16))
    }

    /// Finds the group of a function by its name.
    pub fn by_name(&self, name: &str) -> Option<Group> {
        let found = self.patterns.iter();
        let mut found = found.filter(|(_, pattern)| matches(pattern, name));
        found.next().map(|(group, _)| *group)
    }
}

/// Compares with a name, or with a part of one between `*`.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, open_start) = match pattern.strip_prefix('*') {
        Some(rest) => (rest, true),
        None => (pattern, false),
    };
    let (pattern, open_end) = match pattern.strip_suffix('*') {
        Some(rest) => (rest, true),
        None => (pattern, false),
    };
    match (open_start, open_end) {
        (true, true) => name.contains(pattern),
        (true, false) => name.ends_with(pattern),
        (false, true) => name.starts_with(pattern),
        (false, false) => name == pattern,
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, String> {
        Options::parse(arguments.iter().map(|of| (*of).to_owned()))
    }

    /// The groups of the example kernel.
    pub fn groups() -> Groups {
        let groups = [
            "functions=work:put_uprobe",
            "functions=callback:*_dispatcher",
        ];
        let interrupt = "functions=interrupt:irq:*sysvec_*";
        let groups = [groups[0], groups[1], interrupt, "symbols=a", "output=b"];
        parse(&groups).unwrap().groups
    }

    /// Checks that functions belong to the group of the first pattern that matches.
    #[test]
    fn functions_are_found_by_patterns() {
        let groups = groups();
        let name = |function| Some(groups.name(groups.by_name(function)?).to_owned());
        assert_eq!(name("put_uprobe").as_deref(), Some("work"));
        assert_eq!(name("put_uprobes"), None);
        assert_eq!(name("uprobe_dispatcher").as_deref(), Some("callback"));
        assert_eq!(name("asm_sysvec_call").as_deref(), Some("interrupt"));
        assert_eq!(groups.all().count(), 3);
    }

    /// Checks defaults, values and repeated arguments.
    #[test]
    fn arguments_have_defaults() {
        let options = parse(&["symbols=vmlinux", "output=o"]).unwrap();
        assert_eq!((options.threshold, options.all_code), (0.01, false));
        assert_eq!((&*options.label, &*options.pages), ("run", "(marked page)"));
        let more = [
            "threshold=0.5",
            "code=all",
            "objects=a:x.o:y.o",
            "objects=a:z.o",
        ];
        let options = parse(&[&["symbols=vmlinux", "output=o"], &more[..]].concat()).unwrap();
        assert_eq!((options.threshold, options.all_code), (0.5, true));
        assert_eq!(options.groups.objects.len(), 3);
        assert_eq!(options.groups.all().count(), 1);
    }

    /// Checks that mistakes are reported with the argument.
    #[test]
    fn mistakes_are_reported() {
        for (argument, part) in [
            ("build", "build: is not"),
            ("threshold=x", "threshold=x: "),
            ("code=user", "code=user: "),
            ("size=1", "size: "),
            ("output=b", "symbols= is missing"),
            ("symbols=b", "output= is missing"),
        ] {
            let why = parse(&[argument]).unwrap_err();
            assert!(why.contains(part), "{why}");
        }
    }
}
