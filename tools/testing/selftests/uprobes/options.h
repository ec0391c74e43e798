/* SPDX-License-Identifier: GPL-2.0 */
#ifndef UPROBES_OPTIONS_H
#define UPROBES_OPTIONS_H

#include <stdint.h>

#include "kselftest.h"

/*
 * The number from 1 to @max that @text is, in @base as strtoull() takes it. If
 * @end is given, @text may go on behind the number, from *@end. Anything else is
 * named, and ends the program with usage(@name).
 */
uint64_t number_option(const char *name, const char *text, int base, uint64_t max,
		       char **end);

#define MAX_NUMBERS	16

struct number_list {
	unsigned int numbers[MAX_NUMBERS];
	unsigned int count;
};

/* As many numbers from 1 to @max, with commas between them; else as number_option(). */
struct number_list number_list_option(const char *name, char *text, unsigned int max);

/* The program's own: says how it is called, and ends it. */
__noreturn void usage(const char *name);

#endif /* UPROBES_OPTIONS_H */
