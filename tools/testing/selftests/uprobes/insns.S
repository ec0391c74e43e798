/* SPDX-License-Identifier: GPL-2.0 */
#if defined(__x86_64__)
#include "insns_x86_64.S"
#elif defined(__aarch64__)
#include "insns_arm64.S"
#else
#error "The uprobes selftests have instruction tables for x86-64 and arm64 only"
#endif

	.section .note.GNU-stack, "", %progbits
