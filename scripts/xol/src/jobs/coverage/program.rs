// SPDX-License-Identifier: GPL-2.0
//! The code of an ELF program, and where people put probes in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use gimli::UnwindSection;
use object::elf::NoteType;
use object::read::elf::{ElfFile64, FileHeader, SectionHeader};
use object::{
    Architecture, FileKind, Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind,
};

use crate::arch::Arch;

/// Bytes that a kernel reads of a probed instruction: PROBED_BYTES of the decoders.
const PROBED_BYTES: usize = 16;

/// The type of a note that describes a USDT site.
const STAPSDT: NoteType = NoteType(3);

pub struct Program {
    pub arch: Arch,
    pub functions: Vec<Piece>,
    /// The sites of USDT probes: an instruction each.
    pub usdt: Vec<Piece>,
}

/// Consecutive instructions.
#[derive(Debug, PartialEq)]
pub struct Piece {
    pub vaddr: u64,
    pub size: usize,
    /// The code, and what follows it: [`PROBED_BYTES`] more.
    pub bytes: Vec<u8>,
}

/// An executable section.
struct Section<'data> {
    vaddr: u64,
    data: &'data [u8],
}

impl Section<'_> {
    fn end(&self) -> u64 {
        self.vaddr + self.data.len() as u64
    }

    fn piece(&self, vaddr: u64, end: u64) -> Piece {
        let size = (end - vaddr) as usize;
        let code = &self.data[(vaddr - self.vaddr) as usize..];
        let mut bytes = code[..code.len().min(size + PROBED_BYTES)].to_vec();
        bytes.resize(size + PROBED_BYTES, 0);
        Piece { vaddr, size, bytes }
    }
}

impl Program {
    /// Reads a 64-bit program or library. Functions are those that have a symbol or an
    /// entry in .eh_frame, which stripped programs have as well.
    pub fn read(path: &Path) -> Result<Self> {
        let data = fs::read(path)?;
        match FileKind::parse(&*data) {
            Ok(FileKind::Elf64) => {}
            Ok(FileKind::Elf32) => bail!("it is a 32-bit program; only 64-bit ones are analyzed"),
            _ => bail!("it is not an ELF program"),
        }
        Self::parse(&data)
    }

    fn parse(data: &[u8]) -> Result<Self> {
        let file = ElfFile64::<object::Endianness>::parse(data)
            .context("it is not a valid ELF program")?;
        let arch = match file.architecture() {
            Architecture::X86_64 => Arch::X86_64,
            Architecture::Aarch64 => Arch::Arm64,
            other => bail!("it is for {other:?}; x86-64 and arm64 programs are analyzed"),
        };
        ensure!(
            file.is_little_endian() && file.kind() != object::ObjectKind::Relocatable,
            "it is not a program that Linux executes"
        );

        let sections = executable_sections(&file)?;
        let mut ends = BTreeMap::new();
        let mut add = |vaddr: u64, size: u64| {
            if size > 0 {
                let end = ends.entry(vaddr).or_insert(0);
                *end = (*end).max(vaddr.saturating_add(size));
            }
        };
        for symbol in file.symbols().chain(file.dynamic_symbols()) {
            if symbol.kind() == SymbolKind::Text && symbol.is_definition() {
                add(symbol.address(), symbol.size());
            }
        }
        frames(&file, &mut add)?;

        let find = |vaddr| {
            let holds = |section: &&Section| (section.vaddr..section.end()).contains(&vaddr);
            sections.iter().find(holds)
        };
        // No instruction is counted twice.
        let nexts = ends.keys().skip(1).copied().chain([u64::MAX]);
        let functions: Vec<_> = ends
            .iter()
            .zip(nexts)
            .filter_map(|((&vaddr, &end), next)| {
                let section = find(vaddr)?;
                Some(section.piece(vaddr, end.min(next).min(section.end())))
            })
            .collect();
        ensure!(
            !functions.is_empty(),
            "it has no functions with a symbol or an entry in .eh_frame"
        );
        let usdt = usdt_sites(&file, data)?;
        let usdt = usdt
            .iter()
            .filter_map(|&vaddr| Some(find(vaddr)?.piece(vaddr, vaddr + 1)));
        Ok(Self {
            arch,
            usdt: usdt.collect(),
            functions,
        })
    }
}

type Elf<'data> = ElfFile64<'data, object::Endianness>;

/// The sections with code, except those of stubs that the linker makes.
fn executable_sections<'data>(file: &Elf<'data>) -> Result<Vec<Section<'data>>> {
    let mut sections = Vec::new();
    for section in file.sections() {
        if section.kind() == SectionKind::Text && !section.name()?.starts_with(".plt") {
            sections.push(Section {
                vaddr: section.address(),
                data: section.data()?,
            });
        }
    }
    Ok(sections)
}

/// Calls `add` with address and size of each function in .eh_frame.
fn frames(file: &Elf, add: &mut impl FnMut(u64, u64)) -> Result<()> {
    let Some(section) = file.section_by_name(".eh_frame") else {
        return Ok(());
    };
    let mut frames = gimli::EhFrame::new(section.data()?, gimli::LittleEndian);
    frames.set_address_size(8);
    let mut bases = gimli::BaseAddresses::default().set_eh_frame(section.address());
    if let Some(text) = file.section_by_name(".text") {
        bases = bases.set_text(text.address());
    }
    let mut entries = frames.entries(&bases);
    while let Some(entry) = entries.next().context("its .eh_frame is not valid")? {
        if let gimli::CieOrFde::Fde(partial) = entry {
            let frame = partial
                .parse(gimli::EhFrame::cie_from_offset)
                .context("its .eh_frame is not valid")?;
            add(frame.initial_address(), frame.len());
        }
    }
    Ok(())
}

/// The addresses of USDT sites.
fn usdt_sites(file: &Elf, data: &[u8]) -> Result<Vec<u64>> {
    let endian = file.endian();
    let sections = file.elf_header().sections(endian, data)?;
    let base = file.section_by_name(".stapsdt.base").map(|it| it.address());
    let mut sites = Vec::new();
    for section in sections.iter() {
        if sections.section_name(endian, section)? != b".note.stapsdt" {
            continue;
        }
        let Some(mut notes) = section.notes(endian, data)? else {
            continue;
        };
        while let Some(note) = notes.next()? {
            if note.name() != b"stapsdt" || note.n_type(endian) != STAPSDT {
                continue;
            }
            let number = |at| {
                let bytes = note.desc().get(at..at + 8)?;
                Some(u64::from_le_bytes(bytes.try_into().ok()?))
            };
            if let (Some(site), Some(linked_base)) = (number(0), number(8)) {
                // Prelinked programs have another base.
                let base = base.unwrap_or(linked_base);
                sites.push(site.wrapping_add(base).wrapping_sub(linked_base));
            }
        }
    }
    sites.sort_unstable();
    sites.dedup();
    Ok(sites)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const SOURCE: &str = "\
        .globl f, g, _start
        .type f, %function
        .type g, %function
        .type _start, %function
        .text
        _start: nop
        nop
        .size _start, . - _start
        f: nop
        g:
        site: nop
        .size g, . - g
        .size f, . - f
        unknown: .cfi_startproc
        nop
        nop
        .cfi_endproc
        .section .note.stapsdt, \"\", %note
        .balign 4
        .long 8, 3f - 2f, 3
        .asciz \"stapsdt\"
        2: .quad site - 16, base - 16, 0
        .asciz \"provider\"
        .asciz \"name\"
        .asciz \"\"
        3: .balign 4
        .section .stapsdt.base, \"aG\", %progbits, .stapsdt.base, comdat
        base: .space 1
        ";

    fn assemble(source: &str) -> Result<Program> {
        let folder = tempfile::tempdir().unwrap();
        let (text, program) = (folder.path().join("a.s"), folder.path().join("a"));
        fs::write(&text, source).unwrap();
        let linked = Command::new("cc")
            .args(["-nostdlib", "-static", "-o"])
            .args([&program, &text])
            .status();
        assert!(linked.unwrap().success());
        Program::read(&program)
    }

    /// Checks that functions are found by symbols and .eh_frame, and share no instruction.
    #[test]
    fn functions_and_usdt_sites_are_found() {
        let program = assemble(SOURCE).unwrap();
        assert_eq!(Some(program.arch), Arch::host());
        let nop = program.functions[1].size;
        let sizes: Vec<_> = program.functions.iter().map(|it| it.size / nop).collect();
        assert_eq!(sizes, [2, 1, 1, 2]);
        let sites: Vec<_> = program.usdt.iter().map(|it| it.vaddr).collect();
        assert_eq!(sites, [program.functions[2].vaddr]);
        let last = program.functions.last().unwrap();
        assert_eq!(last.bytes.len(), last.size + PROBED_BYTES);
        assert_eq!(last.bytes[2 * nop..], [0; PROBED_BYTES]);
    }

    /// Checks that the reason is given why a file cannot be analyzed.
    #[test]
    fn other_files_are_refused() {
        let refusal = |data: &[u8]| {
            let file = tempfile::NamedTempFile::new().unwrap();
            fs::write(&file, data).unwrap();
            format!("{:#}", Program::read(file.path()).err().unwrap())
        };
        assert!(refusal(b"#!/bin/sh\n").contains("not an ELF program"));
        assert!(refusal(b"\x7fELF\x01\x01\x01").contains("not an ELF program"));
        let truncated = [&b"\x7fELF\x02\x01\x01"[..], &[0; 16]].concat();
        assert!(refusal(&truncated).contains("not a valid ELF program"));
        let error = assemble(".globl _start\n_start: nop\n").err().unwrap();
        assert!(error.to_string().contains("no functions"), "{error}");
    }
}
