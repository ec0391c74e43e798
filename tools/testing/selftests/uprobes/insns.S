/* SPDX-License-Identifier: GPL-2.0 */
#include "insns.h"

#if defined(__x86_64__)
#define JUMP	jmp
#elif defined(__aarch64__)
#define JUMP	b
#elif defined(__riscv) && __riscv_xlen == 64
#define JUMP	j
#else
#error "The uprobes selftests have instruction tables for x86-64, arm64 and riscv64 only"
#endif

	.macro insn flags:req, text:vararg
	.text
	.balign 16
901:	\text
	JUMP	landed_next
2:	JUMP	landed_jump
	.section .rodata
902:	.asciz	"\text"
	.section insns, "aw"
	.balign 8
	.quad	0, 902b, 901b, 0, 0, \flags
	.endm

	/* As insn, and as a function that undoes what would disturb C */
	.macro timed key:req, flags:req, text:req, before, after
	.text
	.balign 16
901:	\text
	JUMP	landed_next
2:	JUMP	landed_jump
	.balign 16
903:	\before
904:	\text
	\after
	ret
	.section .rodata
902:	.asciz	"\text"
905:	.asciz	"\key"
	.section insns, "aw"
	.balign 8
	.quad	905b, 902b, 901b, 903b, 904b, \flags
	.endm

#if defined(__x86_64__)
#include "insns_x86_64.S"
#elif defined(__aarch64__)
#include "insns_arm64.S"
#elif defined(__riscv)
#include "insns_riscv64.S"
#endif

	.section .note.GNU-stack, "", %progbits
