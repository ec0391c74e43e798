// SPDX-License-Identifier: GPL-2.0
//! Puts the feature on a kernel tree: new files at their kernel paths, and
//! patches to existing files.
//!
//! Everything is first done in a staging directory with the few files concerned,
//! and then installed in the tree. A tree that a patch does not fit is left as it
//! was, and a file that does not change keeps its mtime.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::stage::{Fingerprint, Runner, files_below, read_text};

/// Directories of the checkout whose files are new files at the same path of the
/// kernel tree.
pub const OVERLAY: [&str; 8] = [
    "Documentation",
    "arch",
    "include",
    "kernel",
    "rust",
    "tools/testing/selftests",
    "tools/testing/uprobes-xol/litmus",
    "tools/tracing",
];

/// The feature as the checkout has it.
#[derive(Clone)]
pub struct Feature {
    /// Where a new file is, and its path in the kernel tree.
    pub overlay: Vec<(PathBuf, PathBuf)>,
    pub patches: Vec<Patch>,
    /// Patches that cause a defect, applied last and to new files too; see
    /// [`crate::jobs::test_mutations`].
    pub mutation: Vec<Patch>,
}

/// One of `patches/*.patch`, or of the mutations.
#[derive(Clone)]
pub struct Patch {
    /// Its file name.
    pub name: String,
    pub text: String,
    /// The files it changes.
    pub files: BTreeSet<PathBuf>,
}

impl Patch {
    pub fn new(name: &str, text: String) -> Self {
        let files = text
            .lines()
            .filter_map(|line| {
                let side = line
                    .strip_prefix("--- a/")
                    .or(line.strip_prefix("+++ b/"))?;
                Some(side.split('\t').next()?.into())
            })
            .collect();
        Self {
            name: name.to_owned(),
            text,
            files,
        }
    }

    /// The patch without its changes of files that `wanted` does not accept.
    pub fn only(&self, wanted: impl Fn(&Path) -> bool) -> Self {
        let start = "\ndiff --git ";
        let mut sections = self.text.split(start);
        let mut text = sections.next().unwrap_or_default().to_owned();
        for section in sections {
            let files = Self::new("", section.to_owned()).files;
            if files.iter().all(|file| wanted(file)) {
                text += start;
                text += section;
            }
        }
        // A section's last line ends where the next one starts.
        Self::new(&self.name, text + "\n")
    }

    /// Applies the patch without fuzz. An error names file and hunk; the tree is then
    /// patched in part.
    pub fn apply(&self, tree: &Path, reverse: bool) -> Result<()> {
        if self.files.is_empty() {
            return Ok(());
        }
        let file = tempfile::NamedTempFile::new()?;
        fs::write(&file, &self.text)?;
        let output = Command::new("patch")
            .args(["-p1", "-F0", "--batch", "--no-backup-if-mismatch"])
            .args(["--reject-file=-", "-i"])
            .arg(file.path())
            .args(reverse.then_some("--reverse"))
            .args((!reverse).then_some("--forward"))
            .current_dir(tree)
            .stdin(Stdio::null())
            .output()
            .context("cannot start patch")?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stdout);
        bail!(
            "the patch {} does not apply: {}",
            self.name,
            failed_hunk(&said).unwrap_or_else(|| said.trim().to_owned())
        )
    }
}

/// Finds the file and the hunk in the output of patch(1).
fn failed_hunk(said: &str) -> Option<String> {
    let mut file = "";
    for line in said.lines() {
        if let Some(name) = line.strip_prefix("patching file ") {
            file = name;
        } else if let Some(name) = line.strip_prefix("|--- a/") {
            return Some(format!("there is no file {}", name.split('\t').next()?));
        } else if let Some((hunk, at)) = line.split_once(" FAILED at ") {
            return Some(format!(
                "{file}: {hunk} fails at line {}",
                at.trim_end_matches('.')
            ));
        } else if line.contains("previously applied") {
            return Some(format!("{file}: it is applied already"));
        }
    }
    None
}

impl Feature {
    /// Reads the feature for a tree of `series` ("7.2"). Where the lines of such a tree
    /// differ, `patches/<series>/` holds the diff for the patch of the same name.
    pub fn read(checkout: &Path, series: &str) -> Result<Self> {
        let mut overlay = Vec::new();
        for folder in OVERLAY {
            for file in files_below(&checkout.join(folder))? {
                let path = file.strip_prefix(checkout)?.to_owned();
                overlay.push((file, path));
            }
        }
        let folder = checkout.join("patches");
        let patches = patch_files(&folder)?
            .iter()
            .map(|file| {
                let name = file.file_name().unwrap_or_default();
                let mut text = read_text(file)?;
                let other = folder.join(series).join(name);
                if other.exists() {
                    text = format!("{}\n---\n{}", message(&text), read_text(&other)?);
                }
                Ok(Patch::new(&name.to_string_lossy(), text))
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            overlay,
            patches,
            mutation: Vec::new(),
        })
    }

    /// The patches without what they change in new files, which the overlay has in their
    /// last version.
    fn patches_of_old_files(&self) -> impl DoubleEndedIterator<Item = Patch> {
        self.patches
            .iter()
            .map(|patch| patch.only(|path| !self.is_new(path)))
    }

    pub fn is_new(&self, path: &Path) -> bool {
        self.overlay.iter().any(|(_, new)| new == path)
    }

    /// Every path of the kernel tree that is added or changed.
    pub fn paths(&self) -> BTreeSet<PathBuf> {
        let new = self.overlay.iter().map(|(_, path)| path);
        let changed = self.all_patches().flat_map(|patch| &patch.files);
        new.chain(changed).cloned().collect()
    }

    fn all_patches(&self) -> impl Iterator<Item = &Patch> {
        self.patches.iter().chain(&self.mutation)
    }

    pub fn fingerprint(&self, start: Fingerprint) -> Result<Fingerprint> {
        let mut print = start;
        for (file, path) in &self.overlay {
            print = print.text(&path.to_string_lossy()).file(file)?;
        }
        for patch in self.all_patches() {
            print = print.text(&patch.name).text(&patch.text);
        }
        Ok(print)
    }

    /// Whether `tree` has the whole feature already, as an earlier `make apply` left
    /// it. Mutations do not count.
    pub fn is_in(&self, tree: &Path) -> Result<bool> {
        for (file, path) in &self.overlay {
            if fs::read(tree.join(path)).ok() != Some(fs::read(file)?) {
                return Ok(false);
            }
        }
        let staging = self.copy_patched_files(tree)?;
        let mut reversed = self.patches_of_old_files().rev();
        Ok(reversed.all(|patch| patch.apply(staging.path(), true).is_ok()))
    }

    /// A temporary directory with all added and changed files.
    pub fn stage(&self, pristine: &Path) -> Result<TempDir> {
        for (_, path) in &self.overlay {
            if pristine.join(path).exists() {
                bail!(
                    "{} exists in the kernel tree, and is not overwritten; if it is from an \
                     earlier `make apply`, give a tree without that",
                    path.display()
                );
            }
        }
        let staging = self.copy_patched_files(pristine)?;
        for patch in self.patches_of_old_files() {
            patch.apply(staging.path(), false)?;
        }
        for (file, path) in &self.overlay {
            install(file, &staging.path().join(path))?;
        }
        for patch in &self.mutation {
            patch.apply(staging.path(), false)?;
        }
        Ok(staging)
    }

    fn copy_patched_files(&self, tree: &Path) -> Result<TempDir> {
        let copy = tempfile::tempdir()?;
        for path in self.all_patches().flat_map(|patch| &patch.files) {
            let from = tree.join(path);
            if from.exists() {
                install(&from, &copy.path().join(path))?;
            }
        }
        Ok(copy)
    }
}

/// The text of a patch before its diff.
pub fn message(text: &str) -> &str {
    let head = text.split("\n---\n").next().unwrap_or_default();
    head.split("\ndiff --git ").next().unwrap_or_default()
}

/// The patches in a directory, in order, without its subdirectories.
pub fn patch_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = files_below(folder)?;
    files.retain(|file| file.parent() == Some(folder));
    files.retain(|file| file.extension().is_some_and(|e| e == "patch"));
    Ok(files)
}

/// Makes the file `to` a copy of `from`, or removes it if there is no `from`. A file that
/// is right keeps its mtime. Returns whether anything changed.
pub fn update(from: &Path, to: &Path) -> Result<bool> {
    if !from.exists() {
        let changed = to.exists();
        if changed {
            fs::remove_file(to).with_context(|| format!("cannot remove {}", to.display()))?;
        }
        return Ok(changed);
    }
    let same = fs::read(to).is_ok_and(|have| fs::read(from).is_ok_and(|want| have == want));
    if !same {
        install(from, to)?;
    }
    Ok(!same)
}

/// Copies a file with its mode under a temporary name, and renames it: a hard link is
/// replaced, and no reader sees half a file.
pub fn install(from: &Path, to: &Path) -> Result<()> {
    let folder = to.parent().context("a file without a directory")?;
    let copy = || -> std::io::Result<()> {
        fs::create_dir_all(folder)?;
        let file = tempfile::NamedTempFile::new_in(folder)?;
        fs::copy(from, file.path())?;
        file.persist(to)?;
        Ok(())
    };
    copy().with_context(|| format!("cannot write {}", to.display()))
}

/// `make apply KSRC=DIR`: the only command that writes to the user's tree.
pub fn run(runner: &Runner) -> Result<()> {
    let Some(tree) = &runner.paths.ksrc else {
        bail!("name the tree: make apply KSRC=/path/to/linux");
    };
    let series = crate::source::series(tree)?;
    let feature = Feature::read(&runner.paths.checkout, series)?;
    let name = runner.paths.outside(tree);
    if feature.is_in(tree)? {
        println!("{} has the feature already", name.display());
        return Ok(());
    }
    let staging = feature
        .stage(tree)
        .with_context(|| format!("{} is left as it was", name.display()))?;
    let paths = feature.paths();
    for path in &paths {
        update(&staging.path().join(path), &tree.join(path))?;
    }
    println!(
        "{}: {} files added, {} changed; enable CONFIG_UPROBES_XOL_RUST in it",
        name.display(),
        feature.overlay.len(),
        paths.len() - feature.overlay.len()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &str = "Subject: x\n\n---\ndiff --git a/d/old b/d/old\n--- a/d/old\n\
        +++ b/d/old\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n";

    /// A checkout with one new file and one patch, and a kernel tree for it.
    fn example() -> (TempDir, TempDir) {
        let checkout = tempfile::tempdir().unwrap();
        let tree = tempfile::tempdir().unwrap();
        for (folder, path, text) in [
            (&checkout, "kernel/new", "new\n"),
            (&checkout, "patches/0001-x.patch", PATCH),
            (&tree, "d/old", "one\ntwo\nthree\n"),
        ] {
            crate::stage::write_file(&folder.path().join(path), text.as_bytes()).unwrap();
        }
        (checkout, tree)
    }

    fn apply(checkout: &TempDir, tree: &TempDir) -> Result<()> {
        let feature = Feature::read(checkout.path(), "7.3")?;
        let staging = feature.stage(tree.path())?;
        for path in feature.paths() {
            update(&staging.path().join(&path), &tree.path().join(&path))?;
        }
        Ok(())
    }

    #[test]
    fn applies_and_knows_it() {
        let (checkout, tree) = example();
        let feature = Feature::read(checkout.path(), "7.3").unwrap();
        assert!(!feature.is_in(tree.path()).unwrap());
        apply(&checkout, &tree).unwrap();
        let read = |path: &str| fs::read_to_string(tree.path().join(path)).unwrap();
        assert_eq!(read("d/old"), "one\n2\nthree\n");
        assert_eq!(read("kernel/new"), "new\n");
        assert!(feature.is_in(tree.path()).unwrap());
    }

    /// Checks that a new file has its last version in the checkout.
    #[test]
    fn changes_of_new_files_are_not_applied_again() {
        let (checkout, tree) = example();
        let grows = "diff --git a/kernel/new b/kernel/new\n--- a/kernel/new\n+++ b/kernel/new\n\
            @@ -0,0 +1 @@\n+new\n";
        let patch = checkout.path().join("patches/0001-x.patch");
        fs::write(patch, PATCH.to_owned() + grows).unwrap();
        apply(&checkout, &tree).unwrap();
        let read = |path: &str| fs::read_to_string(tree.path().join(path)).unwrap();
        assert_eq!(read("kernel/new"), "new\n");
        assert_eq!(read("d/old"), "one\n2\nthree\n");
        let feature = Feature::read(checkout.path(), "7.3").unwrap();
        assert!(feature.is_in(tree.path()).unwrap());
    }

    #[test]
    fn mutations_are_last_and_in_the_fingerprint() {
        let (checkout, tree) = example();
        let mut feature = Feature::read(checkout.path(), "7.3").unwrap();
        let print = |feature: &Feature| feature.fingerprint(Fingerprint::new("t")).unwrap().hex();
        let unmutated = print(&feature);
        let diff = "--- a/kernel/new\n+++ b/kernel/new\n@@ -1 +1 @@\n-new\n+wrong\n\
            --- a/d/old\n+++ b/d/old\n@@ -1,3 +1,3 @@\n one\n-2\n+II\n three\n";
        feature.mutation = vec![Patch::new("m", diff.to_owned())];
        assert_ne!(print(&feature), unmutated);
        let staging = feature.stage(tree.path()).unwrap();
        let read = |path: &str| fs::read_to_string(staging.path().join(path)).unwrap();
        assert_eq!(read("kernel/new"), "wrong\n");
        assert_eq!(read("d/old"), "one\nII\nthree\n");
        // What does not fit any more is no mutant of another kind.
        feature.mutation.push(feature.mutation[0].clone());
        let error = feature.stage(tree.path()).unwrap_err().to_string();
        assert!(error.contains("the patch m does not apply"), "{error}");
    }

    #[test]
    fn refuses_to_overwrite() {
        let (checkout, tree) = example();
        fs::create_dir(tree.path().join("kernel")).unwrap();
        fs::write(tree.path().join("kernel/new"), "theirs").unwrap();
        let error = apply(&checkout, &tree).unwrap_err().to_string();
        assert!(error.contains("kernel/new exists"), "{error}");
    }

    #[test]
    fn names_file_and_hunk_and_takes_no_fuzz() {
        let (checkout, tree) = example();
        // With fuzz, patch(1) would ignore the changed context line.
        fs::write(tree.path().join("d/old"), "ONE\ntwo\nthree\n").unwrap();
        let error = apply(&checkout, &tree).unwrap_err().to_string();
        assert!(
            error.contains("0001-x.patch") && error.contains("d/old: Hunk #1"),
            "{error}"
        );
        assert!(!tree.path().join("kernel/new").exists());

        fs::remove_file(tree.path().join("d/old")).unwrap();
        let error = apply(&checkout, &tree).unwrap_err().to_string();
        assert!(error.contains("no file d/old"), "{error}");
    }

    #[test]
    fn other_series_have_diffs_of_their_own() {
        let (checkout, tree) = example();
        fs::write(tree.path().join("d/old"), "ONE\ntwo\nthree\n").unwrap();
        let (_, diff) = PATCH.split_once("---\n").unwrap();
        crate::stage::write_file(
            &checkout.path().join("patches/7.2/0001-x.patch"),
            diff.replace(" one", " ONE").as_bytes(),
        )
        .unwrap();
        assert!(apply(&checkout, &tree).is_err());
        let feature = Feature::read(checkout.path(), "7.2").unwrap();
        assert_eq!(feature.patches.len(), 1);
        assert!(feature.patches[0].text.starts_with("Subject: x\n"));
        let staging = feature.stage(tree.path()).unwrap();
        let old = fs::read_to_string(staging.path().join("d/old")).unwrap();
        assert_eq!(old, "ONE\n2\nthree\n");
    }

    #[test]
    fn update_keeps_what_is_right() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = Path::new("f");
        fs::write(a.path().join(path), "1").unwrap();
        assert!(update(&a.path().join(path), &b.path().join(path)).unwrap());
        assert!(!update(&a.path().join(path), &b.path().join(path)).unwrap());
        fs::remove_file(a.path().join(path)).unwrap();
        assert!(update(&a.path().join(path), &b.path().join(path)).unwrap());
        assert!(!b.path().join(path).exists());
    }
}
