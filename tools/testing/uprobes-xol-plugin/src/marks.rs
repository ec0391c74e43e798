// SPDX-License-Identifier: GPL-2.0

//! The instructions by which a guest tells what it measures, as in
//! `tools/testing/selftests/uprobes/marks.h`.

use crate::arch::Arch;

/// What a guest says by a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A measurement with so many probes is about to come.
    Prepare,
    /// This processor executes so many hits from here on.
    Begin,
    End,
    /// The page with this number holds slots.
    Slots,
    /// So many processors have taken part.
    Finish,
}

impl Mark {
    /// Reads an instruction.
    pub fn decode(arch: Arch, instruction: &[u8]) -> Option<Self> {
        let operation = match (arch, instruction) {
            // nopl disp32(%rax)
            (Arch::X86_64, &[0x0f, 0x1f, 0x80, operation, b'L', b'O', b'X']) => operation,
            // movz xzr, #imm16
            (Arch::Arm64, &[a, b, c, d]) => {
                let word = u32::from_le_bytes([a, b, c, d]);
                if word & 0xffe0_001f != 0xd280_001f || (word >> 13) & 0xff != u32::from(b'X') {
                    return None;
                }
                (word >> 5) as u8
            }
            _ => return None,
        };
        Self::of_number(operation.into())
    }

    pub fn of_number(number: usize) -> Option<Self> {
        match number {
            1 => Some(Self::Prepare),
            2 => Some(Self::Begin),
            3 => Some(Self::End),
            4 => Some(Self::Slots),
            5 => Some(Self::Finish),
            _ => None,
        }
    }

    pub fn number(self) -> usize {
        match self {
            Self::Prepare => 1,
            Self::Begin => 2,
            Self::End => 3,
            Self::Slots => 4,
            Self::Finish => 5,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKS: [Mark; 5] = [
        Mark::Prepare,
        Mark::Begin,
        Mark::End,
        Mark::Slots,
        Mark::Finish,
    ];

    #[test]
    fn marks_are_read() {
        for mark in MARKS {
            let number = mark.number();
            assert_eq!(Mark::of_number(number), Some(mark));
            let nopl = [0x0f, 0x1f, 0x80, number as u8, 0x4c, 0x4f, 0x58];
            assert_eq!(Mark::decode(Arch::X86_64, &nopl), Some(mark));
            let movz = 0xd280_001f_u32 | ((0x5800 | number as u32) << 5);
            assert_eq!(Mark::decode(Arch::Arm64, &movz.to_le_bytes()), Some(mark));
        }
    }

    #[test]
    fn other_instructions_are_none() {
        let decode = Mark::decode;
        assert_eq!(decode(Arch::X86_64, &[0x0f, 0x1f, 0x80, 0, 0, 0, 0]), None);
        assert_eq!(
            decode(Arch::X86_64, &[0x0f, 0x1f, 0x80, 9, 0x4c, 0x4f, 0x58]),
            None
        );
        assert_eq!(decode(Arch::X86_64, &[0x0f, 0x1f, 0x00]), None);
        assert_eq!(decode(Arch::X86_64, &[]), None);
        // nop, and movz x0, #0x5801
        for word in [0xd503_201f_u32, 0xd280_0000 | (0x5801 << 5)] {
            assert_eq!(decode(Arch::Arm64, &word.to_le_bytes()), None);
        }
    }
}
