/* SPDX-License-Identifier: GPL-2.0 */
#ifndef UPROBES_SLOTS_H
#define UPROBES_SLOTS_H

/*
 * Slots that an XOL area has for instructions when it has grown as far as it
 * can, one being the trampoline's. A process of its own finds that out, so that
 * this one gets no area.
 */
unsigned int xol_slots(void);

#endif /* UPROBES_SLOTS_H */
