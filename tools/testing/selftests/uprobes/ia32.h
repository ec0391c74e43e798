/* SPDX-License-Identifier: GPL-2.0 */
#ifndef UPROBES_IA32_H
#define UPROBES_IA32_H

#define IA32_ROUNDS	200

#endif /* UPROBES_IA32_H */
