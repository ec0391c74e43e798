// SPDX-License-Identifier: GPL-2.0
//! Programs that decode instructions as one kernel does: the kernel's own files, compiled
//! for this machine.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;

use super::program::Piece;
use crate::arch::Arch;
use crate::source::Source;
use crate::stage::{Fingerprint, Progress, Runner, read_text, write_file};

/// What the kernel's files are compiled with.
const FOLDER: &str = "tools/testing/uprobes-xol/coverage";

const LIMIT: Duration = Duration::from_secs(5 * 60);

/// A kernel whose treatment of probes is of interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kernel {
    Upstream,
    Series,
}

impl Kernel {
    pub const ALL: [Self; 2] = [Self::Upstream, Self::Series];

    pub fn name(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Series => "this series",
        }
    }
}

/// What a kernel does with a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Treatment {
    Emulated,
    Boosted,
    Stepped,
    Refused,
}

/// An instruction, as a kernel has decoded it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Instruction {
    pub treatment: Treatment,
    pub is_return: bool,
    /// The length in bytes; 0 if the kernel cannot decode the rest of the piece.
    pub length: usize,
}

/// The files of one architecture.
struct Files {
    /// The unit that includes the kernel's files.
    unit: &'static str,
    /// The kernel's files that are compiled, if the kernel has them.
    sources: &'static [&'static str],
    /// Headers of the kernel that are used. All others are empty.
    headers: &'static [&'static str],
    /// A script that writes a generated file, and its name.
    generated: Option<(&'static str, &'static str)>,
}

const X86_64: Files = Files {
    unit: "x86.c",
    sources: &[
        "arch/x86/kernel/uprobes.c",
        "arch/x86/kernel/uprobes_boost.c",
        "arch/x86/lib/inat.c",
        "arch/x86/lib/insn.c",
        "arch/x86/lib/insn-eval.c",
    ],
    headers: &[
        "arch/x86/include/asm/emulate_prefix.h",
        "arch/x86/include/asm/inat.h",
        "arch/x86/include/asm/inat_types.h",
        "arch/x86/include/asm/insn-eval.h",
        "arch/x86/include/asm/insn.h",
        "arch/x86/include/asm/uprobes.h",
        "arch/x86/include/asm/uprobes_boost.h",
        "include/linux/uprobes_boost.h",
        "include/uapi/asm-generic/errno-base.h",
        "include/uapi/asm-generic/errno.h",
    ],
    generated: Some((
        "awk -f arch/x86/tools/gen-insn-attr-x86.awk arch/x86/lib/x86-opcode-map.txt",
        "inat-tables.c",
    )),
};

const ARM64: Files = Files {
    unit: "arm64.c",
    sources: &[
        "arch/arm64/kernel/probes/decode-insn.c",
        "arch/arm64/kernel/probes/decode-insn.h",
        "arch/arm64/kernel/probes/simulate-insn.c",
        "arch/arm64/kernel/probes/simulate-insn.h",
        "arch/arm64/kernel/probes/uprobes.c",
        "arch/arm64/kernel/probes/uprobes_boost.c",
        "arch/arm64/kernel/probes/uprobes_insn.c",
        "arch/arm64/kernel/probes/uprobes_insn.h",
        "arch/arm64/lib/insn.c",
    ],
    headers: &[
        "arch/arm64/include/asm/brk-imm.h",
        "arch/arm64/include/asm/insn-def.h",
        "arch/arm64/include/asm/insn.h",
        "arch/arm64/include/asm/probes.h",
        "arch/arm64/include/asm/uprobes.h",
        "arch/arm64/include/asm/uprobes_boost.h",
        "include/linux/uprobes_boost.h",
        "include/uapi/asm-generic/errno-base.h",
        "include/uapi/asm-generic/errno.h",
    ],
    generated: None,
};

impl Files {
    fn of(arch: Arch) -> Result<&'static Self> {
        match arch {
            Arch::X86_64 => Ok(&X86_64),
            Arch::Arm64 => Ok(&ARM64),
            Arch::Riscv64 => bail!("no decoder is compiled for {arch}"),
        }
    }

    /// Writes the headers, and an empty one for each other that the kernel's files include.
    fn write_headers(&self, tree: &Path, folder: &Path) -> Result<()> {
        let mut headers = BTreeMap::new();
        let exist = |file: &&&str| tree.join(file).exists();
        for file in self.sources.iter().chain(self.headers).filter(exist) {
            let text = read_text(&tree.join(file))?;
            let included = text.lines().filter_map(include);
            headers.extend(included.map(|name| (name.to_owned(), String::new())));
        }
        for file in self.headers.iter().filter(exist) {
            let (_, name) = file.split_once("include/").context("no header")?;
            let name = name.strip_prefix("uapi/").unwrap_or(name);
            headers.insert(name.to_owned(), format!("#include \"{file}\"\n"));
        }
        for (name, text) in headers {
            write_file(&folder.join(name), text.as_bytes())?;
        }
        Ok(())
    }
}

/// The header that a line includes from one of the kernel's include directories.
fn include(line: &str) -> Option<&str> {
    let rest = line.strip_prefix('#')?.trim_start();
    let rest = rest.strip_prefix("include")?.trim_start();
    let (name, _) = match rest.strip_prefix('<') {
        Some(rest) => rest.split_once('>')?,
        None => rest.strip_prefix('"')?.split_once('"')?,
    };
    (name.contains('/') && !name.starts_with('.')).then_some(name)
}

/// The stage of [`Decoder::build`].
pub fn stage_name(arch: Arch, kernel: Kernel) -> String {
    format!("decoder {arch} {}", kernel.name())
}

/// A decoder that has been compiled.
pub struct Decoder {
    program: PathBuf,
}

impl Decoder {
    pub fn build(runner: &Runner, source: &Source, arch: Arch, kernel: Kernel) -> Result<Self> {
        let (tree, identity) = match kernel {
            Kernel::Upstream => (&source.pristine, &source.identity),
            Kernel::Series => (&source.tree, &source.hash),
        };
        let own = runner.paths.checkout.join(FOLDER);
        let name = stage_name(arch, kernel).replace(' ', "-");
        let folder = runner.paths.coverage().join(name);
        let program = folder.join("decode");
        let inputs = Fingerprint::new("decoder 1").text(identity).tree(&own)?;
        runner.stage(
            &stage_name(arch, kernel),
            &inputs,
            &[&program],
            |progress| compile(Files::of(arch)?, tree, &own, &folder, progress),
        )?;
        Ok(Self { program })
    }

    /// Decodes the pieces; returns their instructions.
    pub fn decode<'a>(
        &self,
        pieces: impl Iterator<Item = &'a Piece> + Clone,
    ) -> Result<Vec<Vec<Instruction>>> {
        let mut input = tempfile::tempfile()?;
        let mut buffer = std::io::BufWriter::new(&mut input);
        for piece in pieces.clone() {
            buffer.write_all(&piece.vaddr.to_le_bytes())?;
            buffer.write_all(&u32::try_from(piece.size)?.to_le_bytes())?;
            buffer.write_all(&piece.bytes)?;
        }
        buffer.flush()?;
        drop(buffer);
        input.seek(SeekFrom::Start(0))?;
        let output = Command::new(&self.program)
            .stdin(input)
            .stderr(Stdio::null())
            .output()
            .context("cannot start the decoder")?;
        ensure!(
            output.status.success(),
            "the decoder failed ({}): what the kernel's analysis calls is missing in {FOLDER}",
            output.status
        );
        read_output(&output.stdout, pieces).context("the decoder's output is incomplete")
    }
}

fn compile(
    files: &Files,
    tree: &Path,
    own: &Path,
    folder: &Path,
    progress: &Progress,
) -> Result<()> {
    let include = folder.join("include");
    let _ = fs::remove_dir_all(folder);
    files.write_headers(tree, &include)?;
    if let Some((script, name)) = files.generated {
        let mut shell = Command::new("sh");
        shell
            .args(["-ec", &format!("{script} >\"$1\""), "sh"])
            .arg(include.join(name))
            .current_dir(tree);
        progress.run(&mut shell, "generating tables", LIMIT)?;
    }
    let mut cc = Command::new("cc");
    cc.args(["-std=gnu11", "-O2", "-static"])
        // Functions that are never called need no declarations, and call nothing.
        .args(["-fpermissive", "-w"])
        .arg("-Wl,--unresolved-symbols=ignore-all")
        .arg("-I")
        .arg(&include)
        .arg("-I")
        .arg(tree)
        .args([own.join(files.unit), own.join("main.c")])
        .arg("-o")
        .arg(folder.join("decode"));
    progress.run(&mut cc, "cc", LIMIT)
}

/// Reads three bytes for each instruction.
fn read_output<'a>(
    output: &[u8],
    pieces: impl Iterator<Item = &'a Piece>,
) -> Option<Vec<Vec<Instruction>>> {
    let mut output = output.chunks_exact(3);
    pieces
        .map(|piece| {
            let mut instructions = Vec::new();
            let mut at = 0;
            while at < piece.size {
                let &[treatment, is_return, length] = output.next()? else {
                    return None;
                };
                instructions.push(Instruction {
                    treatment: match treatment {
                        0 => Treatment::Emulated,
                        1 => Treatment::Boosted,
                        2 => Treatment::Stepped,
                        _ => Treatment::Refused,
                    },
                    is_return: is_return != 0,
                    length: length.into(),
                });
                if length == 0 {
                    break;
                }
                at += usize::from(length);
            }
            Some(instructions)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that each included header exists, and that only chosen ones have contents.
    #[test]
    fn headers_are_the_kernels_or_empty() {
        let folder = tempfile::tempdir().unwrap();
        let (tree, out) = (folder.path().join("tree"), folder.path().join("out"));
        let write = |path: &str, text: &str| write_file(&tree.join(path), text.as_bytes());
        write(
            "arch/x86/lib/insn.c",
            "#include <asm/insn.h> /* x */\n# include <linux/new.h>\n#include <string.h>\n",
        )
        .unwrap();
        write("arch/x86/include/asm/insn.h", "#include <asm/other.h>\n").unwrap();
        X86_64.write_headers(&tree, &out).unwrap();
        let read = |name| fs::read_to_string(out.join(name)).ok();
        assert_eq!(
            read("asm/insn.h").as_deref(),
            Some("#include \"arch/x86/include/asm/insn.h\"\n")
        );
        assert_eq!(read("linux/new.h").as_deref(), Some(""));
        assert_eq!(read("asm/other.h").as_deref(), Some(""));
        assert_eq!(read("string.h"), None);
    }

    #[test]
    fn includes_are_read() {
        assert_eq!(include("#include <linux/mm.h>"), Some("linux/mm.h"));
        assert_eq!(include("#include \"asm/gcs.h\""), Some("asm/gcs.h"));
        assert_eq!(include("#include \"decode-insn.h\""), None);
        assert_eq!(include("#if defined(x) <"), None);
    }

    /// Checks that a piece ends with its last byte, or where decoding fails.
    #[test]
    fn output_is_divided_into_pieces() {
        let piece = |size| Piece {
            vaddr: 0,
            size,
            bytes: Vec::new(),
        };
        let pieces = [piece(4), piece(9), piece(1)];
        let output = [0, 0, 3, 2, 1, 1, 1, 0, 2, 3, 0, 0, 0, 0, 5];
        let read = read_output(&output, pieces.iter()).unwrap();
        let lengths: Vec<Vec<_>> = read
            .iter()
            .map(|piece| piece.iter().map(|it| it.length).collect())
            .collect();
        assert_eq!(lengths, [vec![3, 1], vec![2, 0], vec![5]]);
        assert_eq!(
            read[0][1],
            Instruction {
                treatment: Treatment::Stepped,
                is_return: true,
                length: 1
            }
        );
        assert_eq!(read_output(&output[3..], pieces.iter()), None);
    }
}
