// SPDX-License-Identifier: GPL-2.0

//! Marks: the instructions of `marks.h` by which a guest tells what it measures.

use crate::arch::Arch;

/// The meaning of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A measurement follows; the number names it.
    Prepare,
    /// This processor is measured from here on.
    Begin,
    /// This processor has executed that many operations since `Begin`.
    End,
    /// Bytes that are written to the page frame with this number are counted.
    Page,
    /// All processors are done; the number is that of the processors that took part.
    Finish,
}

impl Mark {
    /// Reads an instruction.
    pub fn decode(arch: Arch, instruction: &[u8]) -> Option<Self> {
        let operation = match (arch, instruction) {
            // nopl disp32(%rax)
            (Arch::X86_64, &[0x0f, 0x1f, 0x80, operation, b'M', b'E', b'M']) => operation,
            // movz xzr, #imm16
            (Arch::Arm64, &[a, b, c, d]) => {
                let word = u32::from_le_bytes([a, b, c, d]);
                if word & 0xffe0_001f != 0xd280_001f || (word >> 13) & 0xff != u32::from(b'M') {
                    return None;
                }
                (word >> 5) as u8
            }
            // lui zero, imm20
            (Arch::Riscv64, &[a, b, c, d]) => {
                let word = u32::from_le_bytes([a, b, c, d]);
                if word & 0xfff != 0x37 || word >> 20 != u32::from(b'M') {
                    return None;
                }
                (word >> 12) as u8
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
            4 => Some(Self::Page),
            5 => Some(Self::Finish),
            _ => None,
        }
    }

    pub fn number(self) -> usize {
        match self {
            Self::Prepare => 1,
            Self::Begin => 2,
            Self::End => 3,
            Self::Page => 4,
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
        Mark::Page,
        Mark::Finish,
    ];

    /// Checks the encodings of all marks.
    #[test]
    fn marks_are_read() {
        for mark in MARKS {
            let number = mark.number();
            assert_eq!(Mark::of_number(number), Some(mark));
            let nopl = [0x0f, 0x1f, 0x80, number as u8, 0x4d, 0x45, 0x4d];
            assert_eq!(Mark::decode(Arch::X86_64, &nopl), Some(mark));
            let movz = 0xd280_001f_u32 | ((0x4d00 | number as u32) << 5);
            assert_eq!(Mark::decode(Arch::Arm64, &movz.to_le_bytes()), Some(mark));
            let lui = 0x37_u32 | ((0x4d00 | number as u32) << 12);
            assert_eq!(Mark::decode(Arch::Riscv64, &lui.to_le_bytes()), Some(mark));
        }
    }

    /// Checks that instructions which resemble marks are none.
    #[test]
    fn other_instructions_are_none() {
        let decode = Mark::decode;
        assert_eq!(decode(Arch::X86_64, &[0x0f, 0x1f, 0x80, 0, 0, 0, 0]), None);
        assert_eq!(
            decode(Arch::X86_64, &[0x0f, 0x1f, 0x80, 9, 0x4d, 0x45, 0x4d]),
            None
        );
        assert_eq!(decode(Arch::X86_64, &[0x0f, 0x1f, 0x00]), None);
        assert_eq!(decode(Arch::X86_64, &[]), None);
        // nop, and movz x0, #0x4d01
        for word in [0xd503_201f_u32, 0xd280_0000 | (0x4d01 << 5)] {
            assert_eq!(decode(Arch::Arm64, &word.to_le_bytes()), None);
        }
        // nop, and lui a0, 0x4d01
        for word in [0x0000_0013_u32, 0x04d0_1537] {
            assert_eq!(decode(Arch::Riscv64, &word.to_le_bytes()), None);
        }
    }
}
