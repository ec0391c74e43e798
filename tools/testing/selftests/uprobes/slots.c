// SPDX-License-Identifier: GPL-2.0
#include <unistd.h>

#include "kselftest.h"
#include "functions.h"
#include "probe.h"
#include "slots.h"

#define SLOTS_LIMIT	60

static int slots_pipe[2];

/* The area's mapping is as large as it can grow. */
static int tell_xol_slots(const void *unused)
{
	int probe = probe_attach(numbered_function(0), program_empty());
	uintptr_t start, end;
	unsigned int slots;

	call_numbered(0);
	if (!xol_area_range(getpid(), &start, &end))
		return KSFT_FAIL;
	slots = (end - start) / XOL_SLOT_SIZE - 1;
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
