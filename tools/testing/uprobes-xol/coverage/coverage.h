/* SPDX-License-Identifier: GPL-2.0 */
#ifndef COVERAGE_H
#define COVERAGE_H

#include <stdbool.h>

/* Bytes that a kernel reads of a probed instruction */
#define PROBED_BYTES	16

enum treatment { EMULATED, BOOSTED, STEPPED, REFUSED };

struct insn_report {
	unsigned int length;	/* 0 if the kernel cannot decode the instruction */
	enum treatment treatment;
	bool is_return;
};

/*
 * Reports what the kernel does with a probe on the instruction in the PROBED_BYTES
 * bytes at @bytes, which the program has at @vaddr.
 */
void report_insn(const unsigned char *bytes, unsigned long vaddr, struct insn_report *report);

#endif /* COVERAGE_H */
