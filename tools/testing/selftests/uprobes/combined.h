/* SPDX-License-Identifier: GPL-2.0 */
/* Functions of combined_sites.S, and the instructions with probes in them */
#ifndef UPROBES_COMBINED_H
#define UPROBES_COMBINED_H

/* Calls the kernel, without arguments that matter; both neighbours of the call have probes. */
long call_kernel(long number);
extern const char number_site[], called_site[], call_kernel_end[];

/* Adds 1 to @value while the protection keys are @keys, and touches no memory meanwhile. */
unsigned long add_with_keys(unsigned long value, unsigned int keys);
extern const char add_site[];

#endif /* UPROBES_COMBINED_H */
