// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "kselftest.h"
#include "groups.h"

#define FOLDER	"/tmp/uprobes-cgroups-XXXXXX"

static char folder[] = FOLDER;

bool groups_enter(void)
{
	strcpy(folder, FOLDER);
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		ksft_exit_fail_perror("unshare");
	if (!mkdtemp(folder))
		ksft_exit_fail_perror(folder);
	if (mount("none", folder, "cgroup2", 0, NULL)) {
		rmdir(folder);
		return false;
	}
	if (chdir(folder))
		ksft_exit_fail_perror(folder);
	return true;
}

void groups_leave(void)
{
	if (chdir("/") || umount(folder) || rmdir(folder))
		ksft_exit_fail_perror(folder);
}

bool group_write(const char *path, const char *text)
{
	ssize_t size = strlen(text);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool written = fd >= 0 && write(fd, text, size) == size;

	close(fd);
	return written;
}

bool group_move(const char *path, pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	return group_write(path, text);
}

bool group_number(const char *path, const char *key, unsigned long *number)
{
	FILE *file = fopen(path, "re");
	bool found = false;
	char name[64];

	if (!file)
		return false;
	if (!key)
		found = fscanf(file, "%lu", number) == 1;
	while (key && !found && fscanf(file, "%63s %lu", name, number) == 2)
		found = !strcmp(name, key);
	fclose(file);
	return found;
}

bool group_has_word(const char *path, const char *word)
{
	FILE *file = fopen(path, "re");
	bool found = false;
	char name[64];

	if (!file)
		return false;
	while (!found && fscanf(file, "%63s", name) == 1)
		found = !strcmp(name, word);
	fclose(file);
	return found;
}
