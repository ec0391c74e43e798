// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "kselftest.h"
#include "options.h"

uint64_t number_option(const char *name, const char *text, int base, uint64_t max,
		       char **end)
{
	uint64_t value;
	char *after;

	errno = 0;
	value = strtoull(text, &after, base);
	if (after == text || (*after && !end) || errno || !value || value > max) {
		fprintf(stderr, "%s: not a number from 1 to %" PRIu64 "\n", text, max);
		usage(name);
	}
	if (end)
		*end = after;
	return value;
}

struct number_list number_list_option(const char *name, char *text, unsigned int max)
{
	struct number_list list = {};

	for (;;) {
		if (list.count == MAX_NUMBERS) {
			fprintf(stderr, "%s: more than %d numbers\n", text, MAX_NUMBERS);
			usage(name);
		}
		list.numbers[list.count++] = number_option(name, text, 10, max, &text);
		if (!*text)
			return list;
		if (*text++ != ',')
			usage(name);
	}
}
