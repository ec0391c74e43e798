// SPDX-License-Identifier: GPL-2.0
//! Builds upstream's own tests of uprobes, from the kernels' source and by the
//! Makefiles of the selftests: this project has no copy of them.
//!
//! Some Makefiles write beside their sources, so they work on a copy of the tools. The
//! BPF selftests have hundreds of programs that uprobes do not need; some variables of
//! their Makefile are set so that only the wanted ones are built.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{
    BUILD_LIMIT, Guest, PACK_LIMIT, Places, compiler, copy, copy_below, foreign, make_root, pack,
    replace,
};
use crate::arch::Arch;
use crate::flavour::Flavour;
use crate::kernel::{self, Make};
use crate::source::Source;
use crate::stage::{Fingerprint, Progress, Runner, read_text, write_file};

/// Debian's packages for the guest.
const PACKAGES: &[&str] = &[
    "busybox-static",
    "bash",
    "coreutils",
    // readelf, for a test of tracefs
    "binutils",
    // libraries of test_progs and of seccomp's tests
    "libcap2",
    "libelf1t64",
    "libzstd1",
    "zlib1g",
];

/// The kernel whose types BPF programs are compiled with. A kernel that loads them
/// relocates them to its own types.
const TYPES: Flavour = Flavour::UpstreamC;

/// The module that comes with test_progs.
const MODULE: &str = "bpf_testmod.ko";

/// The directories of the selftests, and of BPF's, in a kernel tree.
const SELFTESTS: &str = "tools/testing/selftests";
const BPF: &str = "tools/testing/selftests/bpf";

/// test_progs, and the files that it needs beside it.
const BPF_FILES: [&str; 4] = [
    "test_progs",
    "uprobe_multi",
    "urandom_read",
    "liburandom_read.so",
];

fn stage_name(what: &str, arch: Arch) -> String {
    format!("upstream {what} {arch}")
}

/// Builds what is missing, and returns the image: that of `guest`, with upstream's
/// tests. The kernels must have been built.
pub fn build(runner: &Runner, arch: Arch, source: &Source, guest: &Guest) -> Result<PathBuf> {
    let modules = Flavour::UPSTREAM.map(|flavour| format!("module {}", flavour.name()));
    let [c, rust] = &modules;
    runner.plan(["root", "tests", c, rust, "image"].map(|what| stage_name(what, arch)));
    let upstream = Upstream {
        places: Places::new(runner, arch)?,
        runner,
        source,
    };
    let stage = |what: &str, inputs: &Fingerprint, output: &Path, work: &dyn Fn(&Progress) -> _| {
        runner.stage(&stage_name(what, arch), inputs, &[output], work)
    };
    let at = |name: &str| upstream.places.folder.join(name);

    let root = at("upstream-root");
    let root_inputs = Fingerprint::new("upstream root 1").text(&PACKAGES.join(" "));
    stage("root", &root_inputs, &root, &|progress| {
        make_root(arch, PACKAGES, &root, progress)
    })?;

    // The patches change types, but none that a test uses.
    let list = runner.paths.checkout.join("scripts/guest/test-progs");
    let listed = read_text(&list)?;
    let tests = at("upstream");
    let mut tests_inputs = Fingerprint::new("upstream tests 1")
        .text(&compiler(arch).hex())
        .text(&source.identity)
        .file(&list)?;
    for fragment in &kernel::fragments(runner, arch, TYPES) {
        tests_inputs = tests_inputs.file(fragment)?;
    }
    stage("tests", &tests_inputs, &tests, &|progress| {
        upstream.make_tests(&wanted(&listed), &tests, progress)
    })?;

    let mut image_inputs = Fingerprint::new("upstream image 1")
        .text(&guest.hash)
        .text(&root_inputs.hex())
        .text(&tests_inputs.hex());
    let module_folder = at("upstream-modules");
    for (flavour, what) in Flavour::UPSTREAM.into_iter().zip(&modules) {
        let module = module_folder.join(flavour.name()).join(MODULE);
        let inputs = kernel::inputs(runner, source, arch, flavour)?;
        stage(what, &inputs, &module, &|progress| {
            upstream.make_module(flavour, &module, progress)
        })?;
        image_inputs = image_inputs.text(&inputs.hex());
    }

    let image = at("upstream.cpio");
    stage("image", &image_inputs, &image, &|progress| {
        let parts = [&root, &tests, &module_folder].map(PathBuf::as_path);
        upstream.make_image(parts, &guest.base, &image, progress)
    })?;
    Ok(image)
}

/// The tests of a list in the format of test_progs: the names before `/` and `,`.
fn wanted(list: &str) -> Vec<&str> {
    list.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['/', ',']).next())
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect()
}

/// The skeletons of BPF programs that a test includes.
fn skeletons(test: &str) -> impl Iterator<Item = &str> {
    test.lines().filter_map(|line| {
        let file = line.strip_prefix("#include \"")?;
        file.trim_end().strip_suffix(".skel.h\"")
    })
}

struct Upstream<'a> {
    places: Places,
    runner: &'a Runner,
    source: &'a Source,
}

impl Upstream<'_> {
    fn make_tests(&self, wanted: &[&str], tests: &Path, progress: &Progress) -> Result<()> {
        let build = self.places.folder.join("build-upstream");
        let tree = build.join("tree");
        let headers = build.join("headers");
        fs::create_dir_all(&headers)?;
        self.copy_tree(&tree, progress)?;
        progress.run(
            self.places
                .make(&self.source.tree, self.runner.jobs)
                .arg(format!("O={}", headers.display()))
                .arg("headers"),
            "make headers",
            BUILD_LIMIT,
        )?;
        let includes = format!("KHDR_INCLUDES=-isystem {}/usr/include", headers.display());
        let make = |folder: &str, target: &str, more: &[String]| -> Result<PathBuf> {
            let output = build.join(folder);
            fs::create_dir_all(&output)?;
            let file = output.join(target);
            let mut make = self
                .places
                .make(&tree.join(SELFTESTS).join(folder), self.runner.jobs);
            make.arg(format!("OUTPUT={}", output.display()))
                .arg(&includes)
                .args(more);
            // BPF's Makefile names its target without the path.
            match folder {
                "bpf" => make.arg(target),
                _ => make.arg(&file),
            };
            progress.run(&mut make, &format!("make {target}"), BUILD_LIMIT)?;
            Ok(file)
        };

        let mut files = vec![
            (make("seccomp", "seccomp_bpf", &[])?, "seccomp"),
            (make("mm", "merge", &[])?, "mm"),
        ];
        if self.places.arch == Arch::X86_64 {
            files.push((make("x86", "test_shadow_stack_64", &[])?, "x86"));
        }
        let skeletons = choose_bpf_tests(&tree.join(BPF), wanted)?;
        make("bpf", "test_progs", &self.bpf_variables(&skeletons))?;
        let built = build.join("bpf");
        files.extend(BPF_FILES.map(|file| (built.join(file), "bpf")));

        replace(tests, |part| {
            let part = part.join("upstream");
            for (file, folder) in &files {
                let folder = part.join(folder);
                fs::create_dir_all(&folder)?;
                copy(file, &folder.join(file.file_name().expect("it has a name")))?;
            }
            // Scripts, which are only copied.
            let ftrace = self.source.tree.join(SELFTESTS).join("ftrace");
            copy_below(&ftrace.join("test.d"), &part.join("ftrace/test.d"))?;
            copy(&ftrace.join("ftracetest"), &part.join("ftrace/ftracetest"))
        })
    }

    /// Copies the tree's tools into a tree of links to everything else.
    fn copy_tree(&self, tree: &Path, progress: &Progress) -> Result<()> {
        let script = r#"rm -rf "$2" && mkdir -p "$2" && ln -s "$1"/* "$2" && rm "$2"/tools &&
            cp -a --reflink=auto "$1"/tools "$2""#;
        progress.run(
            Command::new("sh")
                .args(["-ec", script, "sh"])
                .args([&self.source.tree, tree]),
            "copying the sources of the tests",
            PACK_LIMIT,
        )
    }

    /// The variables that make the BPF selftests' Makefile build one flavour of
    /// test_progs, with the programs whose skeletons are wanted.
    fn bpf_variables(&self, skeletons: &[String]) -> Vec<String> {
        let kernel = self.runner.paths.kernel(self.places.arch, TYPES);
        let clang = match foreign(self.places.arch) {
            true => format!("clang {}", self.places.sysroot_flag()),
            false => "clang".into(),
        };
        let mut variables = vec![
            format!("VMLINUX_BTF={}", kernel.join("vmlinux").display()),
            format!("CLANG={clang}"),
            format!("XOL_SKELETONS={}", skeletons.join(" ")),
        ];
        variables.extend(
            [
                // A skeleton is made from the programs that the Makefile names, or from
                // the one of its name.
                "LINKED_SKELS=$(foreach s,$(XOL_SKELETONS),$(if $($(s).skel.h-deps),$(s).skel.h))",
                "TRUNNER_BPF_SRCS=$(patsubst %.bpf.o,%.c,\
                 $(foreach s,$(XOL_SKELETONS),$(or $($(s).skel.h-deps),$(s).bpf.o)))",
                "LSKELS=",
                "LSKELS_EXTRA=",
                "LSKELS_SIGNED=",
                "LIBARENA_SKEL=",
                "LIBARENA_ASAN_SKEL=",
                // The programs that the tests start, without tools of the guest's
                // architecture.
                "TRUNNER_EXTRA_FILES=$(OUTPUT)/urandom_read $(OUTPUT)/liburandom_read.so \
                 $(OUTPUT)/uprobe_multi",
                "TRUNNER_BPFTOOL=$(BPFTOOL)",
                "SKIP_LLVM=1",
                "SKIP_LIBBFD=1",
                "SKIP_CRYPTO=1",
            ]
            .map(str::to_owned),
        );
        variables
    }

    fn make_module(&self, flavour: Flavour, module: &Path, progress: &Progress) -> Result<()> {
        let build = self.places.folder.join("build-module").join(flavour.name());
        fs::create_dir_all(&build)?;
        let make = Make::new(self.runner, self.source, self.places.arch, flavour);
        let sources = self.source.tree.join(BPF).join("test_kmods");
        make.build_module(&sources, MODULE, &build, progress)?;
        fs::create_dir_all(module.parent().expect("it has one"))?;
        replace(module, |part| copy(&build.join(MODULE), part))
    }

    fn make_image(
        &self,
        [root, tests, modules]: [&Path; 3],
        base: &Path,
        image: &Path,
        progress: &Progress,
    ) -> Result<()> {
        let staging = self.places.folder.join("upstream-staging");
        let _ = fs::remove_dir_all(&staging);
        copy_below(modules, &staging.join("upstream/modules"))?;
        replace(image, |part| {
            pack(&[root, tests, &staging], part, progress)?;
            let append = OpenOptions::new().append(true).open(part);
            let mut part = append.context("cannot write the image")?;
            std::io::copy(&mut File::open(base)?, &mut part)?;
            Ok(())
        })?;
        fs::remove_dir_all(&staging)?;
        Ok(())
    }
}

/// Leaves only the wanted tests in a copy of the BPF selftests, and returns the
/// skeletons that they include. The guest reports a test that this source lacks.
fn choose_bpf_tests(bpf: &Path, wanted: &[&str]) -> Result<Vec<String>> {
    let tests = bpf.join("prog_tests");
    let mut there = String::new();
    let mut needed = Vec::new();
    let entries = fs::read_dir(&tests).with_context(|| format!("no {}", tests.display()))?;
    for entry in entries {
        let file = entry?.path();
        if file.extension().is_none_or(|extension| extension != "c") {
            continue;
        }
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        if wanted.contains(&&*name) {
            needed.extend(skeletons(&read_text(&file)?).map(str::to_owned));
            there += &format!("DEFINE_TEST({name})\n");
        } else {
            fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
        }
    }
    // The Makefile would write the list, but misses a test whose definition begins with
    // __weak, such as uretprobe_stack.
    write_file(&tests.join("tests.h"), there.as_bytes())?;
    needed.sort();
    needed.dedup();
    Ok(needed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_before_subtests() {
        let list = "# words\nuprobe\n\nattach_probe/auto,attach_probe/manual*\nusdt\n";
        assert_eq!(wanted(list), ["uprobe", "attach_probe", "usdt"]);
    }

    #[test]
    fn only_wanted_tests_are_left() {
        let bpf = tempfile::tempdir().unwrap();
        let tests = bpf.path().join("prog_tests");
        fs::create_dir(&tests).unwrap();
        let write = |name: &str, text: &str| fs::write(tests.join(name), text).unwrap();
        write(
            "usdt.c",
            "#include <x.h>\n#include \"test_usdt.skel.h\"\n#include \"usdt.h\"\n",
        );
        write(
            "uprobe.c",
            "#include \"test_uprobe.skel.h\"\n#include \"test_usdt.skel.h\"\n",
        );
        write("other.c", "#include \"other.skel.h\"\n");
        write("shared.h", "");
        let needed = choose_bpf_tests(bpf.path(), &["uprobe", "usdt", "gone"]).unwrap();
        assert_eq!(needed, ["test_uprobe", "test_usdt"]);
        assert!(!tests.join("other.c").exists() && tests.join("shared.h").exists());
        let header = fs::read_to_string(tests.join("tests.h")).unwrap();
        let mut lines: Vec<_> = header.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["DEFINE_TEST(uprobe)", "DEFINE_TEST(usdt)"]);
    }
}
