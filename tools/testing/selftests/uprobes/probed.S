/* SPDX-License-Identifier: GPL-2.0 */
#ifdef __riscv
	/* Before the first alignment, which the linker would redo after all others */
	.option	norelax
#endif

	/* For assembler: an instruction to be probed, whose address is entered in @table */
	.macro	probed table:req, text:vararg
901:	\text
	.pushsection \table, "aw"
	.balign	8
	.quad	901b
	.popsection
	.endm
