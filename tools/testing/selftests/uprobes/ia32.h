/* SPDX-License-Identifier: GPL-2.0 */
#ifndef UPROBES_IA32_H
#define UPROBES_IA32_H

#define IA32_ROUNDS	200

/* What ia32_memory is told to do by its first argument */
#define IA32_IN_HOLE	"hole"	/* and the number of pages by its second one */

/* Executions of each probed instruction in a hole */
#define IA32_HITS	10

#endif /* UPROBES_IA32_H */
