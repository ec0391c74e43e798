/* SPDX-License-Identifier: GPL-2.0 */
/* Control groups of version 2 */
#ifndef UPROBES_GROUPS_H
#define UPROBES_GROUPS_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Mounts the root group where no other process sees it, and makes it the current
 * directory. The mount goes with this process. False if the kernel has no groups.
 */
bool groups_enter(void);
/* Leaves the root group, and removes what groups_enter() made. */
void groups_leave(void);

/* Writes to a file of a group below the current directory. */
bool group_write(const char *path, const char *text);
/* Moves a process into the group that this cgroup.procs is of. */
bool group_move(const char *path, pid_t pid);
/*
 * The number in a file of a group, or the one that follows @key in it. False if it
 * cannot be read.
 */
bool group_number(const char *path, const char *key, unsigned long *number);
/* Whether a file of a group contains a word. */
bool group_has_word(const char *path, const char *word);

#endif /* UPROBES_GROUPS_H */
