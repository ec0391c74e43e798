// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kselftest.h"
#include "functions.h"
#include "probe.h"
#include "slots.h"

#define BOOST		"/sys/module/uprobes/parameters/boost"
#define SLOTS_LIMIT	60
/* Seconds for which a count is waited for */
#define COUNT_LIMIT	60
/* Milliseconds after which counts that did not change will not; slots are reclaimed sooner */
#define SETTLED		1000
#define PAUSE		10

static int slots_pipe[2];

bool boost_is_on(void)
{
	int fd = open(BOOST, O_RDONLY | O_CLOEXEC);
	char value = 'N';

	if (fd < 0)
		return false;
	if (read(fd, &value, 1) != 1)
		give_up(KSFT_FAIL, BOOST ": %s: cannot be read", strerror(errno));
	close(fd);
	return value == 'Y';
}

bool boost_switch(bool on)
{
	int fd = open(BOOST, O_WRONLY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return !on;
	if (fd < 0 || write(fd, on ? "Y" : "N", 1) != 1)
		give_up(KSFT_FAIL, BOOST ": %s: needs root", strerror(errno));
	close(fd);
	return true;
}

static pid_t boost_switcher;

static void boost_restore(void)
{
	/* children that exit leave it alone */
	if (getpid() == boost_switcher)
		boost_switch(true);
}

void boost_leave_off(void)
{
	if (!boost_is_on())
		return;
	boost_switcher = getpid();
	if (atexit(boost_restore))
		give_up(KSFT_FAIL, "atexit: no memory");
	boost_switch(false);
}

bool xol_count(const char *count, unsigned long *value)
{
	FILE *file = fopen(XOL_COUNTS, "re");
	bool found = false;
	char name[16];

	if (!file)
		return false;
	while (!found && fscanf(file, "%15s %lu\n", name, value) == 2)
		found = !strcmp(name, count);
	fclose(file);
	return found;
}

static void pause_for_a_moment(void)
{
	const struct timespec moment = { .tv_nsec = PAUSE * 1000000 };

	nanosleep(&moment, NULL);
}

unsigned long xol_count_wait(const char *count, unsigned long value)
{
	time_t end = time(NULL) + COUNT_LIMIT;
	unsigned long now;

	for (;;) {
		if (!xol_count(count, &now))
			give_up(KSFT_FAIL, XOL_COUNTS ": no count \"%s\"", count);
		if (now == value || time(NULL) > end)
			return now;
		pause_for_a_moment();
	}
}

void xol_counts_settle(void)
{
	static const char * const counts[] = {
		"boosted", "boost_pages", "boost_areas", "reclaims",
	};
	unsigned long seen[ARRAY_SIZE(counts)] = {};
	time_t end = time(NULL) + COUNT_LIMIT;

	for (unsigned int quiet = 0; quiet < SETTLED && time(NULL) <= end; quiet += PAUSE) {
		for (unsigned int i = 0; i < ARRAY_SIZE(counts); i++) {
			unsigned long now = 0;

			xol_count(counts[i], &now);
			if (now != seen[i])
				quiet = 0;
			seen[i] = now;
		}
		pause_for_a_moment();
	}
}

bool boost_counts(unsigned long *boosted, unsigned long *unboosted)
{
	return xol_count("boosted", boosted) && xol_count("unboosted", unboosted);
}

bool xol_tells(void)
{
	return !access(TRACEFS "/" XOL_EVENTS, F_OK) || !access(XOL_COUNTS, F_OK);
}

/* Slots for instructions, of as many as there is room for: kernels may use less. */
static unsigned int usable(unsigned int room)
{
	unsigned long limit;

	return xol_count("limit", &limit) && limit < room ? limit : room - 1;
}

/* The area's mapping is as large as it can grow. */
static int tell_xol_slots(const void *unused)
{
	int probe = probe_attach(numbered_function(0), program_empty());
	bool boosts = boost_is_on();
	uintptr_t start, end;
	unsigned int slots;

	if (boosts)
		boost_switch(false);
	call_numbered(0);
	if (boosts)
		boost_switch(true);
	if (!xol_area_range(getpid(), &start, &end))
		return KSFT_FAIL;
	slots = usable((end - start) / XOL_SLOT_SIZE);
	close(probe);
	return write(slots_pipe[1], &slots, sizeof(slots)) == sizeof(slots) ?
	       KSFT_PASS : KSFT_FAIL;
}

unsigned int xol_slots(void)
{
	static unsigned int slots;

	if (slots)
		return slots;
	if (pipe(slots_pipe) ||
	    run_isolated(tell_xol_slots, NULL, SLOTS_LIMIT) != KSFT_PASS ||
	    read(slots_pipe[0], &slots, sizeof(slots)) != sizeof(slots))
		ksft_exit_fail_msg("no [uprobes] after a hit: is the probe attached?\n");
	close(slots_pipe[0]);
	close(slots_pipe[1]);
	return slots;
}

unsigned int xol_slots_of_page(void)
{
	return usable(sysconf(_SC_PAGESIZE) / XOL_SLOT_SIZE);
}
