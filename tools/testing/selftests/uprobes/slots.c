// SPDX-License-Identifier: GPL-2.0
#include <unistd.h>

#include "kselftest.h"
#include "functions.h"
#include "probe.h"
#include "slots.h"

#define SLOTS_LIMIT	60
/*
 * Those in Rust leave it at so many, the trampoline's included, whatever room a
 * page has: see Documentation/trace/uprobes-xol.rst.
 */
#define SLOTS_IN_RUST	2048

static int slots_pipe[2];

bool xol_tells(void)
{
	return !access(TRACEFS "/" XOL_EVENTS, F_OK) || !access(XOL_COUNTS, F_OK);
}

/* Slots for instructions, of as many as there is room for */
static unsigned int usable(unsigned int room)
{
	if (room > SLOTS_IN_RUST && xol_tells())
		room = SLOTS_IN_RUST;
	return room - 1;
}

/* The area's mapping is as large as it can grow. */
static int tell_xol_slots(const void *unused)
{
	int probe = probe_attach(numbered_function(0), program_empty());
	uintptr_t start, end;
	unsigned int slots;

	call_numbered(0);
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
