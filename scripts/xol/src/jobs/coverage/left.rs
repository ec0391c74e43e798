// SPDX-License-Identifier: GPL-2.0
//! The instructions that are left for stepping, or cannot be probed at all.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use serde::Serialize;

use super::decoder::{Instruction, Treatment};
use super::program::Piece;
use crate::arch::Arch;

/// Instructions of one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// As the disassembler names it.
    pub name: String,
    pub refused: bool,
    pub count: u64,
    /// How many of them are the first of a function.
    pub entries: u64,
    /// One of them.
    pub example: String,
}

/// Instructions that are stepped or refused, by their bytes.
#[derive(Default)]
pub struct Leftovers(HashMap<(bool, Vec<u8>), (u64, u64)>);

impl Leftovers {
    pub fn add(&mut self, pieces: &[Piece], decoded: &[Vec<Instruction>]) {
        for (piece, instructions) in pieces.iter().zip(decoded) {
            let mut at = 0;
            for (index, instruction) in instructions.iter().enumerate() {
                let refused = instruction.treatment == Treatment::Refused;
                // What cannot be decoded is no instruction, as a rule.
                let bytes = &piece.bytes[at..at + instruction.length];
                if refused && !bytes.is_empty() || instruction.treatment == Treatment::Stepped {
                    let (count, entries) = self.0.entry((refused, bytes.to_vec())).or_default();
                    *count += 1;
                    *entries += u64::from(index == 0);
                }
                at += instruction.length;
            }
        }
    }

    /// Names the instructions; the most frequent ones come first.
    pub fn name(self, arch: Arch) -> Result<Vec<Left>> {
        let mut found: Vec<_> = self.0.into_iter().collect();
        // The example is always the same one.
        found.sort();
        let names = disassemble(arch, found.iter().map(|((_, bytes), _)| &**bytes))?;
        let mut sums = BTreeMap::new();
        for (((refused, bytes), (count, entries)), name) in found.into_iter().zip(names) {
            let left = sums.entry((refused, name)).or_insert_with_key(|key| Left {
                name: key.1.clone(),
                refused,
                count: 0,
                entries: 0,
                example: hexadecimal(&bytes),
            });
            left.count += count;
            left.entries += entries;
        }
        let mut all: Vec<_> = sums.into_values().collect();
        all.sort_by_key(|left| Reverse(left.count));
        Ok(all)
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let bytes: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(" ")
}

/// Each instruction begins at a multiple of this many bytes.
fn grid(arch: Arch) -> usize {
    match arch {
        Arch::Arm64 => 4,
        _ => 16,
    }
}

/// Returns the name of each instruction.
fn disassemble<'a>(
    arch: Arch,
    instructions: impl Iterator<Item = &'a [u8]>,
) -> Result<Vec<String>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("code");
    let mut code = Vec::new();
    for instruction in instructions {
        code.extend(instruction);
        // One-byte nops, where instructions differ in length
        code.resize(code.len().next_multiple_of(grid(arch)), 0x90);
    }
    let count = code.len() / grid(arch);
    fs::write(&file, code)?;
    let machine = match arch {
        Arch::Arm64 => "aarch64",
        _ => "i386:x86-64",
    };
    let mut objdump = Command::new(format!("{}-objdump", arch.gnu_triplet()));
    objdump
        .args(["-D", "-z", "-w", "-b", "binary", "-m", machine])
        .arg(&file);
    let output = objdump.output().context("cannot start objdump")?;
    Ok(names(
        &String::from_utf8_lossy(&output.stdout),
        grid(arch),
        count,
    ))
}

/// Reads the names from what objdump has written.
fn names(text: &str, grid: usize, count: usize) -> Vec<String> {
    let mut names = vec!["unknown".to_owned(); count];
    for line in text.lines() {
        let mut columns = line.split('\t');
        let (Some(address), Some(_), Some(text)) = (columns.next(), columns.next(), columns.next())
        else {
            continue;
        };
        let address = address.trim().trim_end_matches(':');
        let Ok(address) = usize::from_str_radix(address, 16) else {
            continue;
        };
        if address % grid == 0 && address / grid < count && !text.contains("(bad)") {
            names[address / grid] = name(text);
        }
    }
    names
}

/// Words that objdump puts before the name of an x86 instruction.
const PREFIXES: &[&str] = &[
    "addr32", "bnd", "cs", "data16", "ds", "es", "fs", "gs", "lock", "notrack", "rep", "repnz",
    "repz", "ss", "xacquire", "xrelease",
];

/// The name of an instruction, with its prefixes.
fn name(text: &str) -> String {
    let mut words = Vec::new();
    for word in text.split_whitespace() {
        words.push(word);
        if !PREFIXES.contains(&word) && !word.starts_with("rex") {
            break;
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that names have their prefixes, and no operands.
    #[test]
    fn names_are_read() {
        let text = "\
            \n   0:\tf0 0f b1 11          \tlock cmpxchg %edx,(%rcx)\n   4:\t90 \tnop\n\
            \n  10:\t06                   \t(bad)\n  11:\t90 \tnop\n\
            \n  20:\t0f 05                \tsyscall\n  30:\t0f 05 \tsyscall\n";
        assert_eq!(names(text, 16, 3), ["lock cmpxchg", "unknown", "syscall"]);
        assert_eq!(name("rex.W notrack jmp *%rax"), "rex.W notrack jmp");
    }

    /// Checks that only what is stepped or refused is counted, and what cannot be decoded is
    /// left out.
    #[test]
    fn leftovers_are_counted_by_their_bytes() {
        let piece = Piece {
            vaddr: 0,
            size: 6,
            bytes: vec![1, 2, 1, 3, 4, 5],
        };
        let instruction = |treatment, length| Instruction {
            treatment,
            is_return: false,
            length,
        };
        let decoded = vec![
            instruction(Treatment::Stepped, 1),
            instruction(Treatment::Boosted, 1),
            instruction(Treatment::Stepped, 1),
            instruction(Treatment::Refused, 2),
            instruction(Treatment::Refused, 0),
        ];
        let mut left = Leftovers::default();
        left.add(&[piece], &[decoded]);
        let mut left: Vec<_> = left.0.into_iter().collect();
        left.sort();
        assert_eq!(
            left,
            [((false, vec![1]), (2, 1)), ((true, vec![3, 4]), (1, 0)),]
        );
    }
}
