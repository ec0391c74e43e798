// SPDX-License-Identifier: GPL-2.0
/*
 * Decodes code as one kernel does.
 *
 * Standard input has pieces of code: the address as a 64-bit number, the number of
 * bytes as a 32-bit one, and the bytes, with PROBED_BYTES more behind them that are
 * not decoded. Standard output has three bytes for each instruction: the treatment,
 * whether it is a return, and the length. A piece ends with an instruction of length
 * 0 if the kernel cannot decode the rest of it.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "coverage.h"

static void report_piece(const unsigned char *code, uint32_t size, uint64_t vaddr)
{
	struct insn_report report;

	for (uint32_t at = 0; at < size; at += report.length) {
		report_insn(code + at, vaddr + at, &report);
		putchar(report.treatment);
		putchar(report.is_return);
		putchar(report.length);
		if (!report.length)
			break;
	}
}

int main(void)
{
	uint64_t vaddr;
	uint32_t size;

	while (fread(&vaddr, sizeof(vaddr), 1, stdin) == 1 &&
	       fread(&size, sizeof(size), 1, stdin) == 1) {
		unsigned char *code = malloc((size_t)size + PROBED_BYTES);

		if (!code || fread(code, (size_t)size + PROBED_BYTES, 1, stdin) != 1)
			return 1;
		report_piece(code, size, vaddr);
		free(code);
	}
	return fflush(stdout) ? 1 : 0;
}
