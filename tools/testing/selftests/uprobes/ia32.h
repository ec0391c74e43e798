/* SPDX-License-Identifier: GPL-2.0 */
#ifndef UPROBES_IA32_H
#define UPROBES_IA32_H

#define IA32_ROUNDS	200

/* What ia32_memory is told to do by its first argument */
#define IA32_IN_HOLE	"hole"	/* and the number of pages by its second one */
#define IA32_IN_FILE	"file"	/* and the file by its second one */

/* Executions of each probed instruction in a hole */
#define IA32_HITS	10

/*
 * The file's instruction, as 64-bit and as 32-bit code: it is shorter as 64-bit code.
 *
 *	67 8d 06	lea (%esi), %eax	67 8d 06 34 12	lea 0x1234, %eax
 *	34 12		xor $0x12, %al		c3		ret
 *	c3		ret
 */
#define IA32_FILE_BYTES		{ 0x67, 0x8d, 0x06, 0x34, 0x12, 0xc3 }
#define IA32_FILE_ESI		0x5600
/* What the file's code returns in eax, given that in esi */
#define IA32_FILE_RESULT	0x1234
#define IA32_FILE_RESULT_64	0x5612

#endif /* UPROBES_IA32_H */
