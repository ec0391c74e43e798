// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kselftest.h"
#include "kernel_log.h"
#include "probe.h"

#define INJECTION	"FAULT_INJECTION: forcing a failure."
#define FRAMES		8

static const char * const splats[] = {
	"WARNING: ", "BUG: ", "Oops", "INFO: ", "refcount_t: ", "list_add corruption",
	"list_del corruption", "rust_kernel: panicked",
};

/* Functions that tell nothing: those that inject, and those that print. */
static const char * const dull[] = {
	"dump_stack", "__dump_stack", "show_stack", "dump_backtrace", "should_fail",
	"__should_fail", "fail_dump",
};

static bool begins_with_one_of(const char *text, const char * const *beginnings,
			       unsigned int number)
{
	for (unsigned int i = 0; i < number; i++)
		if (!strncmp(text, beginnings[i], strlen(beginnings[i])))
			return true;
	return false;
}

int kernel_log_open(void)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (log < 0 || lseek(log, 0, SEEK_END) < 0)
		give_up(KSFT_FAIL, "/dev/kmsg: %s: needs root and CONFIG_PRINTK",
			strerror(errno));
	return log;
}

/* A line of a stack trace is " function+0x1/0x2", maybe with more behind. */
static void note_frame(struct kernel_log *told, const char *frame)
{
	size_t used = strlen(told->where), size;

	frame += strspn(frame, " ");
	size = strcspn(frame, "+ ");
	if (frame[size] != '+' || begins_with_one_of(frame, dull, ARRAY_SIZE(dull)))
		return;
	if (used + size + 2 < sizeof(told->where))
		snprintf(told->where + used, sizeof(told->where) - used, "%s%.*s",
			 used ? " " : "", (int)size, frame);
}

static void note_injection(struct kernel_log *told, const char *message)
{
	/* one record of two lines; the line feed comes as "\x0a" */
	const char *name = strstr(message, "name ");

	told->injections++;
	told->where[0] = 0;
	told->kind[0] = 0;
	if (name)
		sscanf(name, "name %31[^, ]", told->kind);
}

void kernel_log_read(int log, struct kernel_log *told)
{
	unsigned int frames = FRAMES;
	char record[4096];

	memset(told, 0, sizeof(*told));
	for (;;) {
		ssize_t size = read(log, record, sizeof(record) - 1);
		char *message;

		if (size < 0 && errno == EPIPE)
			continue;	/* overwritten: on with the oldest left */
		if (size <= 0)
			break;
		record[size] = 0;
		record[strcspn(record, "\n")] = 0;
		message = strchr(record, ';');
		if (!message)
			continue;
		message++;

		if (!strncmp(message, INJECTION, strlen(INJECTION))) {
			note_injection(told, message);
			frames = FRAMES;
		} else if (begins_with_one_of(message, splats, ARRAY_SIZE(splats))) {
			if (!told->splats++)
				snprintf(told->splat, sizeof(told->splat), "%.*s",
					 (int)sizeof(told->splat) - 1, message);
		} else if (!strncmp(message, "uprobe: ", 8)) {
			told->warnings++;
			snprintf(told->warning, sizeof(told->warning), "%.*s",
				 (int)sizeof(told->warning) - 1, message);
		} else if (told->injections && frames && message[0] == ' ') {
			size_t before = strlen(told->where);

			note_frame(told, message);
			frames -= strlen(told->where) != before;
		}
	}
}
