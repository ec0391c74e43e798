// SPDX-License-Identifier: GPL-2.0

//! The properties of a guest's architecture.

/// The architecture of a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arch {
    X86_64,
    Arm64,
    Riscv64,
}

impl Arch {
    /// Finds an architecture by QEMU's name for it.
    pub fn of_target(name: &str) -> Option<Self> {
        match name {
            "x86_64" => Some(Self::X86_64),
            "aarch64" => Some(Self::Arm64),
            "riscv64" => Some(Self::Riscv64),
            _ => None,
        }
    }

    /// The register with a mark's number: that of a function's first argument.
    pub fn argument_register(self) -> &'static str {
        match self {
            Self::X86_64 => "rdi",
            Self::Arm64 => "x0",
            Self::Riscv64 => "a0",
        }
    }

    pub fn stack_register(self) -> &'static str {
        match self {
            Self::X86_64 => "rsp",
            Self::Arm64 | Self::Riscv64 => "sp",
        }
    }

    /// Returns whether an instruction that stores is an atomic read-modify-write.
    pub fn is_atomic(self, instruction: &[u8]) -> bool {
        match self {
            Self::X86_64 => x86_64_is_atomic(instruction),
            Self::Arm64 => match *instruction {
                [a, b, c, d] => arm64_is_atomic(u32::from_le_bytes([a, b, c, d])),
                _ => false,
            },
            // sc, and amo of all kinds; lr, which stores nothing, has the same opcode
            Self::Riscv64 => matches!(*instruction, [first, _, _, _] if first & 0x7f == 0x2f),
        }
    }
}

/// Finds a `lock` prefix, or `xchg` with memory, which needs no `lock`.
fn x86_64_is_atomic(instruction: &[u8]) -> bool {
    let is_prefix = |byte: u8| {
        matches!(
            byte,
            0x26 | 0x2e | 0x36 | 0x3e | 0x64..=0x67 | 0xf0 | 0xf2 | 0xf3
        )
    };
    let prefixes = instruction.iter().take_while(|byte| is_prefix(**byte));
    let (prefixes, rest) = instruction.split_at(prefixes.count());
    if prefixes.contains(&0xf0) {
        return true;
    }
    let rest = match rest {
        [0x40..=0x4f, rest @ ..] => rest,
        rest => rest,
    };
    // Without a memory operand it exchanges registers.
    matches!(rest, [0x86 | 0x87, operands, ..] if *operands < 0xc0)
}

fn arm64_is_atomic(word: u32) -> bool {
    let is = |mask, value| word & mask == value;
    // ldadd and similar ones, swp; cas; casp; stxr, stlxr; stxp, stlxp
    is(0x3b20_0c00, 0x3820_0000)
        || is(0x3fa0_7c00, 0x08a0_7c00)
        || is(0xbfa0_7c00, 0x0820_7c00)
        || is(0x3fe0_0000, 0x0800_0000)
        || is(0xbfe0_0000, 0x8820_0000)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks instructions of x86-64 as the assembler writes them.
    #[test]
    fn atomics_of_x86_64() {
        let is_atomic = |bytes: &[u8]| Arch::X86_64.is_atomic(bytes);
        // lock cmpxchg %ecx, (%rdi); data16 lock xadd; xchg %rax, (%rdi); xchg %al, (%rdi)
        assert!(is_atomic(&[0xf0, 0x0f, 0xb1, 0x0f]));
        assert!(is_atomic(&[0x66, 0xf0, 0x0f, 0xc1, 0x07]));
        assert!(is_atomic(&[0x48, 0x87, 0x07]));
        assert!(is_atomic(&[0x86, 0x07]));
        // xchg %rax, %rdi; mov %rax, (%rdi); add %eax, %gs:(%rdi); rep movsb
        assert!(!is_atomic(&[0x48, 0x87, 0xc7]));
        assert!(!is_atomic(&[0x48, 0x89, 0x07]));
        assert!(!is_atomic(&[0x65, 0x01, 0x07]));
        assert!(!is_atomic(&[0xf3, 0xa4]));
        assert!(!is_atomic(&[]));
    }

    /// Checks instructions of arm64 as the assembler writes them.
    #[test]
    fn atomics_of_arm64() {
        let is_atomic = |word: u32| Arch::Arm64.is_atomic(&word.to_le_bytes());
        for word in [
            0xb8e2_0065, // ldaddal w2, w5, [x3]
            0xf822_307f, // stset x2, [x3]
            0xf8e2_8065, // swpal x2, x5, [x3]
            0xc8a0_7c62, // cas x0, x2, [x3]
            0x88e0_fc62, // casal w0, w2, [x3]
            0x4820_7c62, // casp x0, x1, x2, x3, [x3]
            0xc805_7c62, // stxr w5, x2, [x3]
            0x8805_fc62, // stlxr w5, w2, [x3]
            0xc825_0c62, // stxp w5, x2, x3, [x3]
        ] {
            assert!(is_atomic(word), "{word:#x}");
        }
        for word in [
            0xf900_0462, // str x2, [x3, 8]
            0xc89f_fc62, // stlr x2, [x3]
            0xc85f_7c62, // ldxr x2, [x3]
            0xa9bf_7bfd, // stp x29, x30, [sp, -16]!
            0xf822_6862, // str x2, [x3, x2]
            0x3d80_0461, // str q1, [x3, 16]
        ] {
            assert!(!is_atomic(word), "{word:#x}");
        }
    }

    /// Checks instructions of riscv64 as the assembler writes them.
    #[test]
    fn atomics_of_riscv64() {
        let is_atomic = |bytes: &[u8]| Arch::Riscv64.is_atomic(bytes);
        // amoadd.d.aqrl a5, a2, (a3); sc.w a5, a2, (a3)
        assert!(is_atomic(&0x06c6_b7af_u32.to_le_bytes()));
        assert!(is_atomic(&0x18c6_a7af_u32.to_le_bytes()));
        // sd a2, 16(a3); fsd fa4, 8(a3); c.sd a5, 8(a3)
        assert!(!is_atomic(&0x00c6_b823_u32.to_le_bytes()));
        assert!(!is_atomic(&0x00e6_b427_u32.to_le_bytes()));
        assert!(!is_atomic(&0xe69c_u16.to_le_bytes()));
    }
}
