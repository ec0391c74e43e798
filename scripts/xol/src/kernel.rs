// SPDX-License-Identifier: GPL-2.0
//! Configures and builds the kernels.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::arch::Arch;
use crate::distro;
use crate::flavour::{Flavour, Tree};
use crate::source::Source;
use crate::stage::{Fingerprint, Progress, Runner, read_text, write_file};

pub const CONFIGURE_LIMIT: Duration = Duration::from_secs(10 * 60);
pub const BUILD_LIMIT: Duration = Duration::from_secs(2 * 60 * 60);

/// The stage of [`build`].
pub fn stage_name(arch: Arch, flavour: Flavour) -> String {
    format!("kernel {arch} {}", flavour.name())
}

/// The files of [`Flavour::fragments`].
pub fn fragments(runner: &Runner, arch: Arch, flavour: Flavour) -> Vec<PathBuf> {
    let names = flavour.fragments(arch).into_iter();
    let file = |name| runner.paths.checkout.join(format!("configs/{name}.config"));
    names.map(file).collect()
}

/// Builds one kernel; its image is then at [`crate::paths::Paths::image`]. Returns the
/// fingerprint of everything that it was made from.
pub fn build(
    runner: &Runner,
    source: &Source,
    arch: Arch,
    flavour: Flavour,
) -> Result<Fingerprint> {
    make(runner, source, arch, flavour, true)
}

/// Rebuilds a configured kernel from sources that differ only in what is compiled.
pub fn rebuild(runner: &Runner, source: &Source, arch: Arch, flavour: Flavour) -> Result<()> {
    make(runner, source, arch, flavour, false)?;
    Ok(())
}

fn make(
    runner: &Runner,
    source: &Source,
    arch: Arch,
    flavour: Flavour,
    configure: bool,
) -> Result<Fingerprint> {
    let image = runner.paths.image(arch, flavour);
    let base = distro::configuration(runner, arch, flavour)?;
    let mut inputs = inputs(runner, source, arch, flavour)?;
    if let Some(base) = &base {
        inputs = inputs.file(base)?;
    }
    runner.stage(&stage_name(arch, flavour), &inputs, &[&image], |progress| {
        let make = Make::new(runner, source, arch, flavour);
        if configure {
            if flavour.row().tree == Tree::Pristine {
                empty_unless_made_from(&make.folder, &source.origin()?)?;
            }
            start_from_sibling(runner, arch, flavour, progress)?;
            let fragments = fragments(runner, arch, flavour);
            make.configure(base.as_deref(), &fragments, progress)?;
        }
        let targets = [&[arch.image().0], flavour.row().targets].concat();
        make.build(&targets, progress)
    })?;
    Ok(inputs)
}

/// Everything that one kernel is made from.
pub fn inputs(
    runner: &Runner,
    source: &Source,
    arch: Arch,
    flavour: Flavour,
) -> Result<Fingerprint> {
    let mut inputs = toolchain(runner)?.text(source.of(flavour).1);
    for fragment in &fragments(runner, arch, flavour) {
        inputs = inputs.file(fragment)?;
    }
    Ok(inputs)
}

/// The toolchain: a change rebuilds everything.
pub fn toolchain(runner: &Runner) -> Result<Fingerprint> {
    let packages = runner.paths.checkout.join("scripts/sandbox.packages");
    Fingerprint::new("kernel").file(&packages)
}

/// Removes a build directory that was made from another tree than `origin`. Files of a
/// pristine tree are old, so that make would take any object for current.
fn empty_unless_made_from(folder: &Path, origin: &str) -> Result<()> {
    let mark = folder.with_file_name("source");
    if fs::read_to_string(&mark).is_ok_and(|made_from| made_from == origin) {
        return Ok(());
    }
    if folder.exists() {
        fs::remove_dir_all(folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    write_file(&mark, origin.as_bytes())
}

/// Copies a sibling's build directory, unless there is one; make builds the rest.
fn start_from_sibling(
    runner: &Runner,
    arch: Arch,
    flavour: Flavour,
    progress: &Progress,
) -> Result<()> {
    let folder = runner.paths.kernel(arch, flavour);
    if folder.exists() {
        return Ok(());
    }
    let mut siblings = flavour.row().siblings.iter();
    let Some(sibling) = siblings.find(|&&it| runner.paths.image(arch, it).exists()) else {
        return Ok(());
    };
    let part = folder.with_extension("part");
    let script = r#"mkdir -p "${3%/*}" && rm -rf "$2" && cp -a --reflink=auto "$1" "$2" && rm -f "$2"/"$4" && mv "$2" "$3""#;
    progress.run(
        Command::new("sh")
            .args(["-ec", script, "sh"])
            .arg(runner.paths.kernel(arch, *sibling))
            .args([&part, &folder])
            .arg(arch.image().1),
        &format!(
            "copying the build directory of the {} kernel",
            sibling.name()
        ),
        CONFIGURE_LIMIT,
    )
}

/// `make` in a kernel tree, for one build directory.
pub struct Make<'a> {
    tree: &'a Path,
    /// Where make sees the tree: at the path of the patched one.
    seen_at: &'a Path,
    pub folder: PathBuf,
    arch: Arch,
    jobs: usize,
}

impl<'a> Make<'a> {
    pub fn new(runner: &Runner, source: &'a Source, arch: Arch, flavour: Flavour) -> Self {
        Self {
            tree: source.of(flavour).0,
            seen_at: &source.tree,
            folder: runner.paths.kernel(arch, flavour),
            arch,
            jobs: runner.jobs,
        }
    }

    /// Make sees every build directory at one path, and every tree at another. Commands
    /// hold these paths: if they changed, make would build a copied directory anew, and
    /// ccache would find nothing. bindeb-pkg writes beside the build directory, so that
    /// its parent is bound. All mounts of the sandbox are private.
    pub fn command(&self, targets: &[&str]) -> Command {
        let (holder, name) = self.holder_and_name();
        let path = std::env::var("PATH").unwrap_or_default();
        let script =
            r#"mount --bind "$1" /mnt && mount --bind "$2" "$3" && shift 3 && exec make "$@""#;
        let mut make = Command::new("unshare");
        make.args(["--mount", "--propagation=unchanged", "sh", "-ec", script])
            .arg("make")
            .args([holder, self.tree, self.seen_at])
            .arg("-C")
            .arg(self.seen_at)
            .arg(format!("O=/mnt/{name}"))
            .arg(format!("ARCH={}", self.arch.kernel_arch()))
            .arg("LLVM=1")
            // ccache is found by PATH: as a word of CC or HOSTCC it would be passed on
            // as the name of a linker, and CC would be taken for a cross compiler.
            .env("PATH", format!("/usr/lib/ccache:{path}"))
            // Fixed, so that equal sources give equal kernels and ccache hits.
            .env("KBUILD_BUILD_TIMESTAMP", "Thu Jan  1 00:00:00 UTC 2026")
            .env("KBUILD_BUILD_USER", "xol")
            .env("KBUILD_BUILD_HOST", "sandbox")
            .arg(format!("-j{}", self.jobs))
            .args(targets);
        make
    }

    fn holder_and_name(&self) -> (&Path, std::path::Display<'_>) {
        let holder = self.folder.parent().expect("it is not the root");
        let name = self.folder.file_name().expect("it has a name");
        (holder, Path::new(name).display())
    }

    /// Makes `.config` from `base` and the fragments, and checks that each line of the
    /// fragments took effect: Kconfig drops an option silently if a dependency is missing.
    pub fn configure(
        &self,
        base: Option<&Path>,
        fragments: &[PathBuf],
        progress: &Progress,
    ) -> Result<()> {
        let config = self.merge(base, fragments, progress)?;
        let mut wanted = Vec::new();
        for fragment in fragments {
            let name = fragment.file_name().unwrap_or_default().to_string_lossy();
            wanted.push((name.into_owned(), read_text(fragment)?));
        }
        check_config(&config, &wanted)
    }

    /// Makes `.config` from the fragments, on top of `base` or of the smallest
    /// configuration, and returns it.
    pub fn merge(
        &self,
        base: Option<&Path>,
        fragments: &[PathBuf],
        progress: &Progress,
    ) -> Result<String> {
        fs::create_dir_all(&self.folder)
            .with_context(|| format!("cannot make {}", self.folder.display()))?;
        let run = |command: &mut Command, what| progress.run(command, what, CONFIGURE_LIMIT);
        let config = self.folder.join(".config");
        match base {
            None => run(&mut self.command(&["tinyconfig"]), "make tinyconfig")?,
            Some(base) => {
                fs::copy(base, &config)
                    .with_context(|| format!("cannot copy {}", base.display()))?;
            }
        }
        let mut merge = Command::new("scripts/kconfig/merge_config.sh");
        merge
            .current_dir(self.tree)
            .args(["-m", "-O"])
            .arg(&self.folder)
            .arg(&config)
            .args(fragments);
        run(&mut merge, "merge_config.sh")?;
        run(&mut self.command(&["olddefconfig"]), "make olddefconfig")?;
        read_text(&config)
    }

    /// Builds `targets`, showing what make does.
    pub fn build(&self, targets: &[&str], progress: &Progress) -> Result<()> {
        self.build_lines(targets, progress, |_| ())
    }

    /// As [`Self::build`], with `on_line` called for each line of make's output.
    pub fn build_lines(
        &self,
        targets: &[&str],
        progress: &Progress,
        mut on_line: impl FnMut(&str),
    ) -> Result<()> {
        let mut steps = 0;
        let what = format!("make {}", targets.join(" "));
        progress.message(&what);
        progress.run_lines(&mut self.command(targets), &what, BUILD_LIMIT, |line| {
            on_line(line);
            // Only steps are indented: "  CC      kernel/fork.o".
            if let Some(step) = line.strip_prefix("  ") {
                steps += 1;
                let words: Vec<_> = step.split_whitespace().collect();
                progress.message(&format!("{steps} steps, {}", words.join(" ")));
            }
        })
    }

    /// Builds the module `name` of the directory `sources`, which is only read, in the
    /// directory `output`. The target `modules` must have been built.
    pub fn build_module(
        &self,
        sources: &Path,
        name: &str,
        output: &Path,
        progress: &Progress,
    ) -> Result<()> {
        let from = format!("M={}", sources.display());
        let to = format!("MO={}", output.display());
        self.build(&[&from, &to, name], progress)
    }

    /// Builds Debian packages, beside the build directory, with these options of
    /// dpkg-buildpackage.
    pub fn build_packages(&self, options: &[&str], progress: &Progress) -> Result<()> {
        // The sandbox has the tools, but not the whole of build-essential.
        let flags = format!("DPKG_FLAGS={}", [&["-d"], options].concat().join(" "));
        self.build(&["bindeb-pkg", &flags], progress)
    }
}

/// Checks that `config` has every line of `fragments` (name, text), except those that
/// a later fragment overrides.
fn check_config(config: &str, fragments: &[(String, String)]) -> Result<()> {
    let have: BTreeMap<_, _> = config.lines().filter_map(setting).collect();
    let mut wanted = BTreeMap::new();
    for (fragment, text) in fragments {
        for (option, value) in text.lines().filter_map(setting) {
            wanted.insert(option, (value, fragment));
        }
    }
    let missed: Vec<_> = wanted
        .into_iter()
        .filter_map(|(option, (value, fragment))| {
            let got = have.get(option).copied().unwrap_or("n");
            (got != value).then(|| format!("{option}={value} of {fragment} is {got}"))
        })
        .collect();
    if missed.is_empty() {
        return Ok(());
    }
    bail!(
        "options did not take effect (a dependency?): {}",
        missed.join(", ")
    )
}

/// The option and the value that a line of a config sets.
fn setting(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    match line.strip_prefix("# ") {
        Some(comment) => Some((comment.strip_suffix(" is not set")?, "n")),
        None => line
            .split_once('=')
            .filter(|(option, _)| option.starts_with("CONFIG_")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(config: &str, fragments: &[&str]) -> Result<()> {
        let named: Vec<_> = fragments
            .iter()
            .enumerate()
            .map(|(i, text)| (format!("{i}.config"), (*text).to_owned()))
            .collect();
        check_config(config, &named)
    }

    /// Checks that objects of another tree do not outlive a change of the tree.
    #[test]
    fn build_folders_are_of_one_pristine_tree() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("kernel");
        for (origin, kept) in [("1", false), ("1", true), ("2", false)] {
            write_file(&folder.join("x.o"), b"").unwrap();
            empty_unless_made_from(&folder, origin).unwrap();
            assert_eq!(folder.join("x.o").exists(), kept);
        }
    }

    #[test]
    fn effective_fragments_pass() {
        let config = "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_N=64\nCONFIG_S=\"x=y\"\n";
        check(
            config,
            &["# words\nCONFIG_A=y\nCONFIG_B=n\nCONFIG_C=n", "CONFIG_N=64"],
        )
        .unwrap();
        check(config, &["CONFIG_S=\"x=y\"\n# CONFIG_B is not set"]).unwrap();
    }

    #[test]
    fn dropped_options_are_named() {
        let error = check("CONFIG_A=m\n", &["CONFIG_A=y\nCONFIG_B=y\nCONFIG_C=n"]).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("CONFIG_A=y of 0.config is m"), "{text}");
        assert!(text.contains("CONFIG_B=y of 0.config is n"), "{text}");
        assert!(!text.contains("CONFIG_C"), "{text}");
    }

    #[test]
    fn later_fragments_win() {
        check("CONFIG_A=y\n", &["CONFIG_A=n", "CONFIG_A=y"]).unwrap();
        assert!(check("CONFIG_A=y\n", &["CONFIG_A=y", "CONFIG_A=n"]).is_err());
    }
}
