// SPDX-License-Identifier: GPL-2.0
//! What probes on a program cost: how upstream's kernel and this one treat its
//! instructions.

mod decoder;
mod left;
mod program;
mod table;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::arch::Arch;
use crate::guest;
use crate::source;
use crate::stage::{Runner, write_file};
use decoder::{Decoder, Instruction, Kernel, Treatment};
use left::Leftovers;
use program::Program;

const STAGE: &str = "coverage";

/// How often each treatment was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
struct Counts {
    emulated: u64,
    boosted: u64,
    stepped: u64,
    refused: u64,
}

impl Counts {
    fn add(&mut self, treatment: Treatment) {
        *match treatment {
            Treatment::Emulated => &mut self.emulated,
            Treatment::Boosted => &mut self.boosted,
            Treatment::Stepped => &mut self.stepped,
            Treatment::Refused => &mut self.refused,
        } += 1;
    }

    fn total(&self) -> u64 {
        self.emulated + self.boosted + self.stepped + self.refused
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.emulated += other.emulated;
        self.boosted += other.boosted;
        self.stepped += other.stepped;
        self.refused += other.refused;
    }
}

/// How one kernel treats probes at the places where people put them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
struct Figures {
    entries: Counts,
    returns: Counts,
    usdt: Counts,
    instructions: Counts,
    /// Bytes of functions that the kernel cannot decode: data, as a rule.
    bytes_not_decoded: u64,
}

impl Figures {
    fn new(program: &Program, functions: &[Vec<Instruction>], usdt: &[Vec<Instruction>]) -> Self {
        let mut figures = Self::default();
        for (piece, instructions) in program.functions.iter().zip(functions) {
            let mut decoded = 0;
            for (index, instruction) in instructions.iter().enumerate() {
                decoded += instruction.length;
                figures.instructions.add(instruction.treatment);
                if index == 0 {
                    figures.entries.add(instruction.treatment);
                }
                if instruction.is_return {
                    figures.returns.add(instruction.treatment);
                }
            }
            figures.bytes_not_decoded += piece.size.saturating_sub(decoded) as u64;
        }
        for site in usdt.iter().filter_map(|piece| piece.first()) {
            figures.usdt.add(site.treatment);
        }
        figures
    }
}

impl std::ops::AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        self.entries += other.entries;
        self.returns += other.returns;
        self.usdt += other.usdt;
        self.instructions += other.instructions;
        self.bytes_not_decoded += other.bytes_not_decoded;
    }
}

/// The figures of each kernel.
type Compared = BTreeMap<Kernel, Figures>;

#[derive(Serialize)]
struct Analyzed {
    program: PathBuf,
    kernels: Compared,
}

/// What was found out about the programs of one architecture.
#[derive(Serialize)]
struct Report {
    arch: Arch,
    programs: Vec<Analyzed>,
    /// What this kernel does not execute with one exception.
    left: Vec<left::Left>,
}

/// Analyzes the program or the directory of programs that FILE names, or the programs of the
/// guests. Prints tables, and writes them and all figures to `runner.paths.coverage()`.
pub fn run_coverage(runner: &Runner, archs: &[Arch], file: Option<&Path>) -> Result<()> {
    let mut programs = BTreeMap::<_, Vec<_>>::new();
    if let Some(file) = file {
        for (path, program) in read_programs(runner, file)? {
            programs
                .entry(program.arch)
                .or_default()
                .push((path, program));
        }
        programs.retain(|arch, _| archs.is_empty() || archs.contains(arch));
        if programs.is_empty() {
            bail!("FILE has no program of the architecture that ARCH names");
        }
    }
    runner.plan(source::STAGES);
    let found = match file {
        Some(_) => programs.keys().copied().collect(),
        None => archs.to_vec(),
    };
    for &arch in &found {
        runner.plan(Kernel::ALL.map(|kernel| decoder::stage_name(arch, kernel)));
    }
    runner.plan([STAGE]);

    let source = source::prepare(runner)?;
    let mut reports = Vec::new();
    for arch in found {
        let decoders = Kernel::ALL
            .into_iter()
            .map(|kernel| Ok((kernel, Decoder::build(runner, &source, arch, kernel)?)))
            .collect::<Result<Vec<_>>>()?;
        let programs = match programs.remove(&arch) {
            Some(programs) => programs,
            None => {
                let of_arch = |(_, program): &(_, Program)| program.arch == arch;
                let all = read_programs(runner, &guest::root(runner, arch)?)?;
                all.into_iter().filter(of_arch).collect()
            }
        };
        reports.push(analyze(runner, arch, &decoders, &programs)?);
    }
    publish(runner, &reports)
}

/// Reads a program, or all programs below a directory.
fn read_programs(runner: &Runner, file: &Path) -> Result<Vec<(PathBuf, Program)>> {
    let name = runner.paths.outside(file);
    if !file.is_dir() {
        let program = Program::read(file)
            .with_context(|| format!("{} cannot be analyzed", name.display()))?;
        return Ok(vec![(name, program)]);
    }
    let mut programs = Vec::new();
    for path in elf_files(file)? {
        // Others are for another machine, or have only data.
        if let Ok(program) = Program::read(&path) {
            programs.push((runner.paths.outside(&path), program));
        }
    }
    if programs.is_empty() {
        bail!("there is no 64-bit ELF program below {}", name.display());
    }
    Ok(programs)
}

/// The ELF files below a directory, without those that are only linked there.
fn elf_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in
            fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?
        {
            let entry = entry?;
            let kind = entry.file_type()?;
            let mut magic = [0; 4];
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file()
                && fs::File::open(entry.path())?.read_exact(&mut magic).is_ok()
                && magic == *b"\x7fELF"
            {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

fn analyze(
    runner: &Runner,
    arch: Arch,
    decoders: &[(Kernel, Decoder)],
    programs: &[(PathBuf, Program)],
) -> Result<Report> {
    runner.always(STAGE, |progress| {
        let mut left = Leftovers::default();
        let mut analyzed = Vec::new();
        for (path, program) in programs {
            crate::command::check_interrupted()?;
            progress.message(&path.display().to_string());
            let mut kernels = Compared::new();
            for (kernel, decoder) in decoders {
                let pieces = program.functions.iter().chain(&program.usdt);
                let mut functions = decoder.decode(pieces)?;
                let usdt = functions.split_off(program.functions.len());
                kernels.insert(*kernel, Figures::new(program, &functions, &usdt));
                if *kernel == Kernel::Series {
                    left.add(&program.functions, &functions);
                }
            }
            analyzed.push(Analyzed {
                program: path.clone(),
                kernels,
            });
        }
        Ok(Report {
            arch,
            programs: analyzed,
            left: left.name(arch)?,
        })
    })
}

fn publish(runner: &Runner, reports: &[Report]) -> Result<()> {
    let folder = runner.paths.coverage();
    let text: String = reports.iter().map(table::render).collect();
    println!("\n{text}");
    write_file(&folder.join("coverage.md"), text.as_bytes())?;
    write_file(
        &folder.join("coverage.json"),
        &serde_json::to_vec_pretty(reports)?,
    )?;
    println!(
        "Written: coverage.md and coverage.json in {}",
        runner.paths.outside(&folder).display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::program::Piece;
    use super::*;
    use crate::stage::tests::runner;

    fn piece(size: usize) -> Piece {
        Piece {
            vaddr: 0,
            size,
            bytes: vec![0; size + 16],
        }
    }

    fn instruction(treatment: Treatment, is_return: bool, length: usize) -> Instruction {
        Instruction {
            treatment,
            is_return,
            length,
        }
    }

    /// Checks what counts as an entry, as a return and as a USDT site.
    #[test]
    fn instructions_are_counted() {
        use Treatment::*;
        let program = Program {
            arch: Arch::X86_64,
            functions: vec![piece(3), piece(9)],
            usdt: vec![piece(1)],
        };
        let functions = [
            vec![
                instruction(Boosted, false, 2),
                instruction(Emulated, true, 1),
            ],
            vec![
                instruction(Stepped, false, 4),
                instruction(Refused, false, 0),
            ],
        ];
        let usdt = [vec![instruction(Emulated, false, 1)]];
        let figures = Figures::new(&program, &functions, &usdt);
        let counts = |of: Counts| [of.emulated, of.boosted, of.stepped, of.refused];
        assert_eq!(counts(figures.entries), [0, 1, 1, 0]);
        assert_eq!(counts(figures.returns), [1, 0, 0, 0]);
        assert_eq!(counts(figures.usdt), [1, 0, 0, 0]);
        assert_eq!(counts(figures.instructions), [1, 1, 1, 1]);
        assert_eq!(figures.bytes_not_decoded, 5);
    }

    /// Checks that a bad FILE is reported in one line that names it.
    #[test]
    fn bad_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let runner = runner(folder.path());
        let script = folder.path().join("script");
        fs::write(&script, "#!/bin/sh\n").unwrap();
        for (file, reason) in [
            (&script, "not an ELF program"),
            (&folder.path().join("missing"), "No such file"),
            (&folder.path().to_owned(), "no 64-bit ELF program below"),
        ] {
            let error = read_programs(&runner, file).err().unwrap();
            let line = format!("{error:#}");
            assert!(line.contains(reason), "{line}");
            assert!(line.contains(&file.display().to_string()), "{line}");
            assert!(!line.contains('\n'), "{line}");
        }
    }

    /// Checks that programs below a directory are found once, in spite of links.
    #[test]
    fn directories_are_searched() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("below");
        fs::create_dir(&below).unwrap();
        fs::write(below.join("a"), b"\x7fELF").unwrap();
        fs::write(below.join("short"), b"\x7f").unwrap();
        std::os::unix::fs::symlink(folder.path(), below.join("loop")).unwrap();
        std::os::unix::fs::symlink("a", below.join("b")).unwrap();
        assert_eq!(elf_files(folder.path()).unwrap(), [below.join("a")]);
    }
}
