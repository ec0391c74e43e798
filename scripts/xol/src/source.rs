// SPDX-License-Identifier: GPL-2.0
//! Fetches the kernel source and keeps a patched tree up to date.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::apply::{Feature, Patch, update};
use crate::flavour::{Flavour, Tree};
use crate::stage::{Fingerprint, Progress, Runner, write_file};

/// The package that holds the source. The series is pinned, but not its Debian
/// revision: the archive keeps only the newest one.
const PACKAGE: &str = "linux-source-7.3";

/// The series that a user's tree may be of.
const VERSIONS: [&str; 2] = ["7.2", "7.3"];

const MINUTES: Duration = Duration::from_secs(60);

/// A patched kernel tree.
#[derive(Clone, Debug)]
pub struct Source {
    /// The patched tree. Its path stays the same when the patches change.
    pub tree: PathBuf,
    /// The unpatched tree; never changed.
    pub pristine: PathBuf,
    /// Identifies the pristine tree, for fingerprints.
    pub identity: String,
    /// Changes with any file of the patched tree, for fingerprints.
    pub hash: String,
}

impl Source {
    /// The tree that this kernel is built from, and a text that changes with that tree.
    pub fn of(&self, flavour: Flavour) -> (&Path, &str) {
        match flavour.row().tree {
            Tree::Pristine => (&self.pristine, &self.identity),
            Tree::Patched => (&self.tree, &self.hash),
        }
    }

    /// The pristine tree and its version: within one version, an edit gives a new mtime.
    pub fn origin(&self) -> Result<String> {
        Ok(format!(
            "{} {}",
            self.pristine.display(),
            version(&self.pristine)?
        ))
    }
}

/// Fetches, unpacks and patches what is missing.
pub fn prepare(runner: &Runner) -> Result<Source> {
    prepare_mutated(runner, &[])
}

/// Prepares the source with patches on top that cause a defect. The next call without
/// them restores it.
pub fn prepare_mutated(runner: &Runner, mutation: &[Patch]) -> Result<Source> {
    let pristine = pristine(runner)?;
    let mut feature = Feature::read(&runner.paths.checkout, series(&pristine.path)?)?;
    feature.mutation = mutation.to_vec();
    prepare_with(runner, &pristine, &feature)
}

/// Makes the patched tree hold this feature, which may be a part of the checkout's.
pub fn prepare_with(runner: &Runner, pristine: &Pristine, feature: &Feature) -> Result<Source> {
    let tree = pristine.patched();
    let print = apply_inputs(pristine, feature)?;
    let files: Vec<_> = feature.paths().iter().map(|path| tree.join(path)).collect();
    let files: Vec<_> = files.iter().map(PathBuf::as_path).collect();
    runner.stage(APPLY, &print, &files, |progress| {
        patch(pristine, feature, &tree, progress)
    })?;
    // What is built must be what the hash stands for.
    refuse_edits(&tree, |_| None)?;
    Ok(Source {
        tree,
        pristine: pristine.path.clone(),
        identity: pristine.identity.clone(),
        hash: print.hex(),
    })
}

/// The stage that patches.
const APPLY: &str = "apply";

/// The stages of [`prepare`].
pub const STAGES: [&str; 2] = ["source", APPLY];

fn apply_inputs(pristine: &Pristine, feature: &Feature) -> Result<Fingerprint> {
    // The number counts the ways in which a tree is made.
    feature.fingerprint(Fingerprint::new("apply 2").text(&pristine.identity))
}

/// Whether the patched tree was made from this feature.
pub fn is_prepared(runner: &Runner, pristine: &Pristine, feature: &Feature) -> Result<bool> {
    let inputs = apply_inputs(pristine, feature)?;
    Ok(runner.is_done(APPLY, &inputs, &[&pristine.patched()]))
}

/// A kernel tree without the patches.
pub struct Pristine {
    pub path: PathBuf,
    /// Changes with any file of the user's tree, or with the version of Debian's.
    pub identity: String,
}

impl Pristine {
    /// Where the patched tree is.
    pub fn patched(&self) -> PathBuf {
        self.path.with_file_name("linux")
    }
}

/// Fetches Debian's source, or copies the user's tree.
pub fn pristine(runner: &Runner) -> Result<Pristine> {
    match &runner.paths.ksrc {
        None => debian(runner),
        Some(ksrc) => copy(runner, ksrc),
    }
}

fn debian(runner: &Runner) -> Result<Pristine> {
    let path = runner.paths.source().join(PACKAGE).join("pristine");
    let print = Fingerprint::new("source").text(PACKAGE);
    runner.stage("source", &print, &[&path], |progress| {
        fetch(&path, progress)
    })?;
    Ok(Pristine {
        identity: format!("{PACKAGE} {}", version(&path)?),
        path,
    })
}

fn fetch(path: &Path, progress: &Progress) -> Result<()> {
    let folder = path.parent().context("no directory for the source")?;
    let part = folder.join("part");
    remove(&part, progress)?;
    remove(path, progress)?;
    fs::create_dir_all(&part).with_context(|| format!("cannot make {}", part.display()))?;
    let hint = || {
        format!(
            "{PACKAGE} cannot be fetched: without network, or if Debian has dropped it, \
             give a 7.2 or 7.3 tree with KSRC=/path/to/linux"
        )
    };
    // An ordinary user's namespace may have no _apt to switch to.
    let apt = |arguments: &[&str]| {
        let mut apt = Command::new("apt-get");
        apt.args([
            "-q",
            "-o",
            "APT::Sandbox::User=root",
            "-o",
            "Acquire::Retries=3",
        ])
        .args(arguments)
        .current_dir(&part);
        apt
    };
    let update = ["update", "--error-on=any"];
    progress
        .run(&mut apt(&update), "apt-get update", 5 * MINUTES)
        .with_context(hint)?;
    progress
        .run(
            &mut apt(&["download", PACKAGE]),
            "apt-get download",
            20 * MINUTES,
        )
        .with_context(hint)?;
    let unpack = format!(
        "dpkg-deb -x *.deb . && rm *.deb && tar -xJf usr/src/{PACKAGE}.tar.xz && rm -r usr"
    );
    progress.run(
        Command::new("sh").arg("-ec").arg(unpack).current_dir(&part),
        "unpacking the source",
        15 * MINUTES,
    )?;
    fs::rename(part.join(PACKAGE), path).context("the package has another layout")?;
    remove(&part, progress)
}

/// Copies the user's tree, which is only read; an earlier copy is brought up to date.
fn copy(runner: &Runner, ksrc: &Path) -> Result<Pristine> {
    series(ksrc)?;
    let name = runner.paths.outside(ksrc);
    let key = Fingerprint::new("ksrc").text(&name.to_string_lossy()).hex();
    let folder = runner.paths.source().join(format!("ksrc-{}", &key[..12]));
    let path = folder.join("pristine");
    let files = runner.always("source", |progress| {
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        progress.run(
            Command::new("rsync")
                .args(["-a", "--omit-dir-times", "--delete", "--out-format=%n"])
                .args(["--8-bit-output", "--exclude=/.git"])
                .args(["--exclude=*.o", "--exclude=*.o.d", "--exclude=.*.cmd"])
                .arg(ksrc.join(""))
                .arg(path.join("")),
            &format!("copying {}", name.display()),
            30 * MINUTES,
        )?;
        if path.join(".config").exists() || path.join("include/config").exists() {
            // A tree that was built in place refuses to be built elsewhere.
            progress.run(
                Command::new("make").arg("mrproper").current_dir(&path),
                "make mrproper in the copy",
                10 * MINUTES,
            )?;
        }
        // Contents change with the size or the mtime, as for rsync.
        let script = r"find . ! -type d -printf '%p %s %T@ %l\n' | LC_ALL=C sort | sha256sum";
        let mut list = Command::new("sh");
        list.args(["-ec", script]).current_dir(&path);
        progress.output(&mut list, "listing the copy", 5 * MINUTES)
    })?;
    Ok(Pristine {
        identity: format!("{key} {files}"),
        path,
    })
}

/// Makes `tree` the patched one. It shares no file with the pristine tree: an editor may
/// write in place.
fn patch(pristine: &Pristine, feature: &Feature, tree: &Path, progress: &Progress) -> Result<()> {
    let applied = feature.is_in(&pristine.path)?;
    let staging = if applied && !feature.mutation.is_empty() {
        bail!("KSRC has the feature already; give a tree without it, to put mutations into");
    } else if applied {
        progress.say("the tree has the feature already");
        None
    } else {
        Some(feature.stage(&pristine.path)?)
    };
    let new = if applied {
        BTreeSet::new()
    } else {
        feature.paths()
    };
    let wanted = |path: &Path| match &staging {
        Some(staging) if new.contains(path) => staging.path().join(path),
        _ => pristine.path.join(path),
    };

    refuse_edits(tree, |path| hash(&wanted(path)))?;
    let list = tree.with_file_name("applied");
    let old = read_list(&list);

    // Never too short; contents are unknown until the end.
    let both: BTreeSet<_> = old.into_keys().chain(new.iter().cloned()).collect();
    write_file(&list, lines(&both).as_bytes())?;

    let mark = tree.with_file_name("copied");
    let copied = fs::read_to_string(&mark).ok();
    if copied.as_ref() != Some(&pristine.identity) {
        let _ = fs::remove_file(&mark);
        let exclude = tree.with_file_name("exclude");
        let anchored: BTreeSet<_> = both.iter().map(|path| Path::new("/").join(path)).collect();
        write_file(&exclude, lines(&anchored).as_bytes())?;
        progress.run(
            Command::new("rsync")
                .args(["-a", "--delete"])
                // Replaces hard links to the pristine tree, which an older driver made.
                .args(copied.is_none().then_some("--ignore-times"))
                .arg(format!("--exclude-from={}", exclude.display()))
                .arg(pristine.path.join(""))
                .arg(tree.join("")),
            "copying the pristine tree",
            30 * MINUTES,
        )?;
        write_file(&mark, pristine.identity.as_bytes())?;
    }

    let mut changed = 0;
    for path in &both {
        changed += u32::from(update(&wanted(path), &tree.join(path))?);
    }
    let written = new.iter().map(|path| {
        let hash = hash(&tree.join(path)).unwrap_or_default();
        format!("{} {hash}\n", path.display())
    });
    write_file(&list, written.collect::<String>().as_bytes())?;
    progress.say(&format!("{changed} of {} files changed", new.len()));
    Ok(())
}

/// An error if a file is neither what the last patching wrote nor what is `wanted`.
fn refuse_edits(tree: &Path, wanted: impl Fn(&Path) -> Option<String>) -> Result<()> {
    for (path, written) in read_list(&tree.with_file_name("applied")) {
        let have = hash(&tree.join(&path));
        if !written.is_empty() && ![None, Some(written), wanted(&path)].contains(&have) {
            bail!(
                "{} was edited in the patched tree: `make refresh` takes edits into the \
                 checkout; remove the file to drop the edit",
                path.display()
            );
        }
    }
    Ok(())
}

/// Reads the list of the files that differ from the pristine tree, each with the hash of
/// what was written, if that is known.
fn read_list(list: &Path) -> BTreeMap<PathBuf, String> {
    let text = fs::read_to_string(list).unwrap_or_default();
    let entries = text.lines().map(|line| {
        let (path, hash) = line.split_once(' ').unwrap_or((line, ""));
        (path.into(), hash.to_owned())
    });
    entries.collect()
}

fn hash(file: &Path) -> Option<String> {
    let contents = fs::read(file).ok()?;
    Some(Fingerprint::new("").bytes(&contents).hex())
}

fn lines(paths: &BTreeSet<PathBuf>) -> String {
    let line = |path: &PathBuf| format!("{}\n", path.display());
    paths.iter().map(line).collect()
}

fn remove(path: &Path, progress: &Progress) -> Result<()> {
    let mut rm = Command::new("rm");
    progress.run(
        rm.arg("-rf").arg(path),
        "removing an old directory",
        10 * MINUTES,
    )
}

/// The series of a tree; an error unless the patches are for it.
pub fn series(tree: &Path) -> Result<&'static str> {
    let version = version(tree)?;
    let belongs = |series: &&str| {
        let rest = version.strip_prefix(series);
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    VERSIONS.into_iter().find(belongs).with_context(|| {
        format!(
            "KSRC is a Linux {version} tree, and the feature is for {}; give one of these",
            VERSIONS.join(" and ")
        )
    })
}

/// `7.3.4`, or `7.3-rc1`.
fn version(tree: &Path) -> Result<String> {
    let makefile = fs::read_to_string(tree.join("Makefile")).unwrap_or_default();
    parse_version(&makefile).context("KSRC is not a kernel tree: no version in its Makefile")
}

fn parse_version(makefile: &str) -> Option<String> {
    let value = |name: &str| {
        let mut lines = makefile.lines().take(10);
        lines.find_map(|line| Some(line.strip_prefix(name)?.trim().strip_prefix('=')?.trim()))
    };
    let mut version = format!("{}.{}", value("VERSION")?, value("PATCHLEVEL")?);
    if let Some(sublevel) = value("SUBLEVEL").filter(|&sublevel| sublevel != "0") {
        version = format!("{version}.{sublevel}");
    }
    Some(version + value("EXTRAVERSION").unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::tests::runner;

    fn makefile(sublevel: &str, extra: &str) -> String {
        format!(
            "# SPDX-License-Identifier: GPL-2.0\nVERSION = 7\nPATCHLEVEL = 3\n\
             SUBLEVEL = {sublevel}\nEXTRAVERSION ={extra}\nNAME = Baby\n"
        )
    }

    #[test]
    fn versions_are_read() {
        let read = |text: &str| parse_version(text);
        assert_eq!(read(&makefile("4", "")).as_deref(), Some("7.3.4"));
        assert_eq!(read(&makefile("0", " -rc1")).as_deref(), Some("7.3-rc1"));
        assert_eq!(read("all:\n\tcc x.c\n"), None);
    }

    #[test]
    fn wrong_versions_are_refused() {
        let tree = tempfile::tempdir().unwrap();
        let check = |major_minor: (u32, u32)| {
            let text = format!(
                "VERSION = {}\nPATCHLEVEL = {}\n",
                major_minor.0, major_minor.1
            );
            fs::write(tree.path().join("Makefile"), text).unwrap();
            series(tree.path()).ok()
        };
        assert_eq!(check((7, 2)), Some("7.2"));
        assert_eq!(check((7, 3)), Some("7.3"));
        for refused in [(7, 1), (7, 30), (6, 12)] {
            assert_eq!(check(refused), None);
        }
    }

    #[test]
    fn copies_of_other_trees_are_other_trees() {
        let folder = tempfile::tempdir().unwrap();
        let runner = runner(folder.path());
        let tree = |name: &str, line: &str| {
            let tree = folder.path().join(name);
            fs::create_dir(&tree).unwrap();
            fs::write(tree.join("Makefile"), makefile("4", "") + line).unwrap();
            tree
        };
        let identity = |ksrc: &Path| copy(&runner, ksrc).unwrap().identity;
        let (one, other) = (tree("one", "# 1\n"), tree("other", "# 2\n"));
        let first = identity(&one);
        assert_ne!(identity(&other), first);
        assert_eq!(identity(&one), first);
        fs::write(one.join("Makefile"), makefile("4", "") + "# longer\n").unwrap();
        assert_ne!(identity(&one), first);
    }

    #[test]
    fn patched_tree_follows_patches_and_keeps_mtimes() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        let write = |path: &str, text: &str| write_file(&at(path), text.as_bytes()).unwrap();
        write("src/pristine/untouched", "0\n");
        write("src/pristine/old", "one\n");
        write("checkout/kernel/new", "new\n");
        let diff = "--- a/old\n+++ b/old\n@@ -1 +1 @@\n-one\n+1\n";
        write("checkout/patches/0001.patch", diff);
        let runner = runner(folder.path());
        let pristine = Pristine {
            path: at("src/pristine"),
            identity: "1".into(),
        };
        let tree = at("src/linux");
        let try_to_apply = || {
            let feature = Feature::read(&at("checkout"), "7.3").unwrap();
            runner.always("apply", |progress| {
                patch(&pristine, &feature, &tree, progress)
            })
        };
        let apply = || try_to_apply().unwrap();
        let read = |path: &str| fs::read_to_string(tree.join(path)).ok();

        apply();
        assert_eq!(read("untouched").as_deref(), Some("0\n"));
        assert_eq!(read("old").as_deref(), Some("1\n"));
        assert_eq!(read("kernel/new").as_deref(), Some("new\n"));
        assert_eq!(fs::read_to_string(at("src/pristine/old")).unwrap(), "one\n");

        // A changed overlay leaves the patched file's mtime alone.
        let mtime = |path: &str| fs::metadata(tree.join(path)).unwrap().modified().unwrap();
        let before = mtime("old");
        write("checkout/kernel/new", "newer\n");
        apply();
        assert_eq!(read("kernel/new").as_deref(), Some("newer\n"));
        assert_eq!(mtime("old"), before);

        // An edit is not lost.
        fs::write(tree.join("kernel/new"), "edited\n").unwrap();
        write("checkout/kernel/new", "newest\n");
        let error = format!("{:#}", try_to_apply().unwrap_err());
        assert!(error.contains("kernel/new was edited"), "{error}");
        write("checkout/kernel/new", "edited\n");
        apply();

        // Without them, all is as it was; the restored file is newer than any object.
        fs::remove_dir_all(at("checkout")).unwrap();
        apply();
        assert_eq!(read("old").as_deref(), Some("one\n"));
        assert_eq!(read("kernel/new"), None);
        assert!(mtime("old") >= before);
    }
}
