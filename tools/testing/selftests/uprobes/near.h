/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Instructions with an operand relative to ip, in text between two pages of data that
 * they reach. The whole is to be copied into a file, of which the text is mapped.
 */
#ifndef UPROBES_NEAR_H
#define UPROBES_NEAR_H

#define NEAR_PAGE	4096

#if !defined(__ASSEMBLER__) && defined(__x86_64__)
#include <stdint.h>

/* The first page is data, as is the last one. */
extern const char near_text[], near_text_end[];

/**
 * struct near_operand - an instruction
 * @function: to be called with a value; the result depends on all that it changes but memory
 * @site: the instruction in it
 * @next: the instruction behind it
 * @emulated: without a slot
 * @text: as the assembler reads it
 */
struct near_operand {
	const char *function;
	const char *site, *next;
	uint64_t emulated;
	const char *text;
};

/* The linker's names for the ends of the section that holds the table */
extern const struct near_operand __start_near_operands[], __stop_near_operands[];
#endif

#endif /* UPROBES_NEAR_H */
