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
