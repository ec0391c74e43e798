// SPDX-License-Identifier: GPL-2.0
/*
 * What a process can do to its [uprobes] mapping, and what others can do to it
 * while it steps. The process may harm itself, and then sees a signal; it must
 * not hang, and other processes' probes go on.
 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "blocked.h"
#include "functions.h"
#include "kernel_log.h"
#include "probe.h"
#include "registers.h"
#include "slots.h"
#include "threads.h"

#define NUMBER		21
#define PATIENCE	60
#define TIME_LIMIT	120

static unsigned int wrong_results;

static void call(unsigned int number)
{
	if (call_numbered(number) != number)
		__atomic_add_fetch(&wrong_results, 1, __ATOMIC_RELAXED);
}

static void call_times(unsigned int times)
{
	while (times--)
		call(NUMBER);
}

static sigjmp_buf jump;
#if defined(__aarch64__)
/* The address that the last signal reported, and the one in its frame */
static uintptr_t reported_address, frame_address;
#endif

static void leave_call(int signal, siginfo_t *info, void *context)
{
#if defined(__aarch64__)
	reported_address = (uintptr_t)info->si_addr;
	frame_address = context_fault_address(context);
#endif
	siglongjmp(jump, signal);
}

/* Calls that function, which is probed; returns the signal that it raised, or 0. */
static int call_and_catch_in(unsigned int number)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGTRAP };
	const struct sigaction action = {
		.sa_sigaction = leave_call,
		.sa_flags = SA_SIGINFO,
	};
	int caught;

	for (unsigned int i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &action, NULL);
	caught = sigsetjmp(jump, 1);
	if (!caught)
		call(number);
	return caught;
}

static int call_and_catch(void)
{
	return call_and_catch_in(NUMBER);
}

FIXTURE(area) {
	int counters;
	int probe;
	char *start;
	size_t size;
	bool boosts;
};

/* The mapping of stepped slots, and one of boosted slots */
FIXTURE_VARIANT(area) {
	bool boosted;
};

FIXTURE_VARIANT_ADD(area, stepped) { .boosted = false };
FIXTURE_VARIANT_ADD(area, boosted) { .boosted = true };

FIXTURE_SETUP(area)
{
	uintptr_t start, end;

	self->boosts = boost_is_on();
	if (!boost_switch(variant->boosted))
		SKIP(return, "nothing is boosted here");
	self->counters = counters_create(1);
	self->probe = probe_attach(numbered_function(NUMBER),
				   program_count(self->counters, 0));
	call_times(1);
	ASSERT_TRUE(xol_area_range(getpid(), &start, &end));
	self->start = (char *)start;
	self->size = end - start;
}

static int other_process(const void *argument)
{
	call_times(10);
	return wrong_results || !xol_area_mapped() ? KSFT_FAIL : KSFT_PASS;
}

/* Whatever happened: it concerns this process alone. */
FIXTURE_TEARDOWN(area)
{
	EXPECT_EQ(wrong_results, 0);
	EXPECT_EQ(run_isolated(other_process, NULL, PATIENCE), KSFT_PASS);
	close(self->probe);
	boost_switch(self->boosts);
}

TEST_F_TIMEOUT(area, munmap, TIME_LIMIT)
{
	int caught;

	if (munmap(self->start, self->size)) {
		/* CONFIG_MSEAL_SYSTEM_MAPPINGS */
		EXPECT_EQ(errno, EPERM);
		EXPECT_EQ(call_and_catch(), 0);
		return;
	}
	caught = call_and_catch();
	EXPECT_EQ(caught, SIGSEGV);
	EXPECT_EQ(counters_read(self->counters, 0), 2);
}

#if defined(__aarch64__)
/*
 * Checks that the fault of a slot that cannot be executed is reported at the address of
 * the program.
 */
TEST_F_TIMEOUT(area, reports_the_program, TIME_LIMIT)
{
	if (munmap(self->start, self->size))
		SKIP(return, "the mapping cannot be unmapped");
	EXPECT_EQ(call_and_catch(), SIGSEGV);
	EXPECT_EQ(reported_address, (uintptr_t)numbered_function(NUMBER));
	EXPECT_EQ(frame_address, (uintptr_t)numbered_function(NUMBER));
}
#endif

/* Something else is where the slots were. */
TEST_F_TIMEOUT(area, mapped_over, TIME_LIMIT)
{
	void *mapping = mmap(self->start, self->size, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	int other;

	if (mapping == MAP_FAILED) {
		EXPECT_EQ(errno, EPERM);
		EXPECT_EQ(call_and_catch(), 0);
		return;
	}
	EXPECT_EQ(call_and_catch(), SIGSEGV);
	/* the kernel writes a slot into its own page, not into this one */
	other = probe_attach(numbered_function(NUMBER + 1),
			     program_count(self->counters, 0));
	EXPECT_EQ(call_and_catch_in(NUMBER + 1), SIGSEGV);
	EXPECT_EQ(counters_read(self->counters, 0), 3);
	for (size_t i = 0; i < self->size; i++)
		EXPECT_EQ(self->start[i], 0);
	close(other);
}

TEST_F_TIMEOUT(area, mremap, TIME_LIMIT)
{
	EXPECT_EQ(mremap(self->start, self->size, self->size,
			 MREMAP_MAYMOVE | MREMAP_FIXED, self->start - (1 << 30)),
		  MAP_FAILED);
	EXPECT_EQ(mremap(self->start, self->size, 2 * self->size, MREMAP_MAYMOVE),
		  MAP_FAILED);
	EXPECT_EQ(call_and_catch(), 0);
	EXPECT_EQ(counters_read(self->counters, 0), 2);
}

/* The kernel relies on the mapping being whole. */
TEST_F_TIMEOUT(area, in_parts, TIME_LIMIT)
{
	size_t page_size = sysconf(_SC_PAGESIZE);

	if (self->size < 2 * page_size)
		SKIP(return, "one page has no parts");
	EXPECT_NE(munmap(self->start, page_size), 0);
	EXPECT_NE(munmap(self->start + page_size, self->size - page_size), 0);
	EXPECT_NE(mprotect(self->start, page_size, PROT_READ), 0);
	EXPECT_NE(madvise(self->start, page_size, MADV_RANDOM), 0);
	EXPECT_EQ(call_and_catch(), 0);
	EXPECT_EQ(counters_read(self->counters, 0), 2);
}

TEST_F_TIMEOUT(area, mprotect, TIME_LIMIT)
{
	uintptr_t start, end;

	EXPECT_NE(mprotect(self->start, self->size, PROT_READ | PROT_WRITE), 0);
	EXPECT_NE(mprotect(self->start, self->size, PROT_WRITE | PROT_EXEC), 0);
	if (!mprotect(self->start, self->size, PROT_NONE)) {
		EXPECT_EQ(call_and_catch(), SIGSEGV);
		EXPECT_EQ(mprotect(self->start, self->size, PROT_EXEC), 0);
	}
	/* execute-only where the CPU has protection keys */
	EXPECT_EQ(call_and_catch(), 0);
	EXPECT_TRUE(xol_area_range(getpid(), &start, &end));
	EXPECT_EQ((char *)start, self->start);
}

TEST_F_TIMEOUT(area, madvise, TIME_LIMIT)
{
	static const int advices[] = {
		MADV_DONTNEED, MADV_FREE, MADV_REMOVE, MADV_COLD, MADV_PAGEOUT,
		MADV_DONTFORK, MADV_DOFORK, MADV_MERGEABLE, MADV_HUGEPAGE,
		MADV_WIPEONFORK, MADV_DONTDUMP, MADV_DODUMP,
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(advices); i++) {
		int result = madvise(self->start, self->size, advices[i]);

		EXPECT_EQ(call_and_catch(), 0)
			TH_LOG("after madvise(%d), which returned %d", advices[i],
			       result);
	}
	/* a child has an area of its own, whatever MADV_DOFORK did */
	EXPECT_EQ(run_isolated(other_process, NULL, PATIENCE), KSFT_PASS);
}

TEST_F_TIMEOUT(area, mlock, TIME_LIMIT)
{
	mlock(self->start, self->size);
	EXPECT_EQ(call_and_catch(), 0);
	munlock(self->start, self->size);
	EXPECT_EQ(mlockall(MCL_CURRENT | MCL_FUTURE), 0);
	EXPECT_EQ(call_and_catch(), 0);
	munlockall();
}

TEST_F_TIMEOUT(area, written_to, TIME_LIMIT)
{
	char trap[16];
	struct iovec local = { .iov_base = trap, .iov_len = sizeof(trap) };
	struct iovec remote = { .iov_base = self->start, .iov_len = sizeof(trap) };
	int memory = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

	memset(trap, 0xcc, sizeof(trap));
	ASSERT_GE(memory, 0);
	EXPECT_EQ(pwrite(memory, trap, sizeof(trap), (off_t)self->start), -1);
	EXPECT_EQ(errno, EIO);
	EXPECT_EQ(process_vm_writev(getpid(), &local, 1, &remote, 1, 0), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(call_and_catch(), 0);
	EXPECT_EQ(counters_read(self->counters, 0), 2);
	close(memory);
}

FIXTURE(attack) {
	int counters;
	int probe;
};

FIXTURE_SETUP(attack)
{
	self->counters = counters_create(1);
	self->probe = probe_attach(numbered_function(NUMBER),
				   program_count(self->counters, 0));
}

FIXTURE_TEARDOWN(attack)
{
	EXPECT_EQ(wrong_results, 0);
	close(self->probe);
}

/* A second process shows the address, and the first one takes it. */
TEST_F_TIMEOUT(attack, wanted_address_is_taken, TIME_LIMIT)
{
	size_t page_size = sysconf(_SC_PAGESIZE);
	uintptr_t where[2];
	int result[2];
	void *mapping;
	pid_t pid;

	ASSERT_EQ(pipe(result), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		call_times(1);
		if (!xol_area_range(getpid(), &where[0], &where[1]) ||
		    write(result[1], where, sizeof(where)) != sizeof(where))
			_exit(KSFT_FAIL);
		_exit(KSFT_PASS);
	}
	ASSERT_EQ(read(result[0], where, sizeof(where)), sizeof(where));
	ASSERT_EQ(waitpid(pid, NULL, 0), pid);

	mapping = mmap((void *)where[0], page_size, PROT_READ,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	ASSERT_EQ(mapping, (void *)where[0]);
	call_times(3);
	EXPECT_TRUE(xol_area_range(getpid(), &where[0], &where[1]));
	EXPECT_NE(mapping, (void *)where[0]);
	EXPECT_EQ(counters_read(self->counters, 0), 4);
}

/* Limits are for what a process asks for, not for what its debugger needs. */
TEST_F_TIMEOUT(attack, address_space_limited, TIME_LIMIT)
{
	struct rlimit none = { .rlim_cur = 0, .rlim_max = RLIM_INFINITY };

	ASSERT_EQ(setrlimit(RLIMIT_AS, &none), 0);
	call_times(3);
	EXPECT_EQ(counters_read(self->counters, 0), 3);
	none.rlim_cur = RLIM_INFINITY;
	ASSERT_EQ(setrlimit(RLIMIT_AS, &none), 0);
	EXPECT_TRUE(xol_area_mapped());
}

/* Bytes in which any area fits. */
#define ROOM	(1UL << 24)

/*
 * Maps all that is free; returns where ROOM of it begins. With a hint as high as
 * this, the kernel also uses what it normally leaves alone (beyond 47 or 48
 * bits), as it does for the area.
 */
static void *fill_address_space(void)
{
	void *hint = (void *)(-1UL << 16);
	size_t page_size = sysconf(_SC_PAGESIZE), size;
	void *mapping, *room = NULL;

	for (size = 1UL << 56; size >= page_size; size /= 2) {
		while ((mapping = mmap(hint, size, PROT_NONE, MAP_PRIVATE |
				       MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) !=
		       MAP_FAILED) {
			if (size >= ROOM)
				room = mapping;
		}
	}
	return room;
}

static bool room_is_gone;

static void call_without_room(unsigned int index)
{
	while (!__atomic_load_n(&room_is_gone, __ATOMIC_ACQUIRE))
		give_way();
	call_times(1);
}

static int call_then_make_room(const void *argument)
{
	int counters = *(const int *)argument;
	/* the thread has its stack, but no area before there is room */
	struct threads *threads = threads_start(1, call_without_room);
	void *room = fill_address_space();

	__atomic_store_n(&room_is_gone, true, __ATOMIC_RELEASE);
	counters_wait_for(counters, 0, 3);
	if (munmap(room, ROOM))
		return KSFT_FAIL;
	threads_join(threads);
	return wrong_results ? KSFT_FAIL : KSFT_PASS;
}

/*
 * There is no room for the area: the instruction cannot be executed, and is
 * tried again until it can.
 */
TEST_F_TIMEOUT(attack, no_address_space, TIME_LIMIT)
{
	EXPECT_EQ(run_isolated(call_then_make_room, &self->counters, PATIENCE),
		  KSFT_PASS);
	EXPECT_GE(counters_read(self->counters, 0), 3);
}

/* And as long as it is tried again, it can be killed. */
TEST_F_TIMEOUT(attack, no_address_space_and_killed, TIME_LIMIT)
{
	int status;
	pid_t pid;

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		fill_address_space();
		call_times(1);
		_exit(KSFT_FAIL);
	}
	ASSERT_FALSE(ends_within(pid, self->counters, 1, 3, &status));
	EXPECT_TRUE(WIFSIGNALED(status));
}

/* More instructions than a page has slots, where the architecture has large ones */
#define IN_HOLE		100
/* Hits of instructions that cannot be executed, and are tried again and again */
#define ENDLESS		(100 * IN_HOLE)

static int call_in_hole(size_t pages)
{
	size_t page_size = sysconf(_SC_PAGESIZE);
	char *room = fill_address_space();

	if (munmap(room + ROOM / 2, pages * page_size))
		return KSFT_FAIL;
	for (unsigned int i = 0; i < IN_HOLE; i++)
		call(i);
	/* what follows may allocate memory */
	if (munmap(room, ROOM / 2))
		return KSFT_FAIL;
	return wrong_results || !xol_area_mapped() ? KSFT_FAIL : KSFT_PASS;
}

FIXTURE(hole) {
	int counters;
	int probes;
};

FIXTURE_VARIANT(hole) {
	size_t pages;
};

FIXTURE_VARIANT_ADD(hole, of_1_page) { .pages = 1 };
FIXTURE_VARIANT_ADD(hole, of_2_pages) { .pages = 2 };
FIXTURE_VARIANT_ADD(hole, of_15_pages) { .pages = 15 };
FIXTURE_VARIANT_ADD(hole, of_63_pages) { .pages = 63 };
FIXTURE_VARIANT_ADD(hole, of_64_pages) { .pages = 64 };

FIXTURE_SETUP(hole)
{
	const void *addresses[IN_HOLE];

	for (unsigned int i = 0; i < IN_HOLE; i++)
		addresses[i] = numbered_function(i);
	self->counters = counters_create(1);
	self->probes = probe_attach_many(addresses, IN_HOLE, self->counters, 0);
}

FIXTURE_TEARDOWN(hole)
{
	close(self->probes);
}

/*
 * Checks that probed instructions are executed, once for each hit, when all that is
 * free of the address space is a hole of a few pages.
 */
TEST_F_TIMEOUT(hole, is_enough, TIME_LIMIT)
{
	int status;
	pid_t pid;

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(call_in_hole(variant->pages));
	EXPECT_TRUE(ends_within(pid, self->counters, 1, ENDLESS, &status))
		TH_LOG("the first hit is repeated without end");
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(WEXITSTATUS(status), KSFT_PASS);
	EXPECT_EQ(counters_read(self->counters, 0), IN_HOLE);
}

/* The area goes while a thread is in the middle of a step. */

static void exit_if_at_load(int signal, siginfo_t *info, void *context)
{
	uintptr_t ip = *context_ip(context);

	_exit(ip == (uintptr_t)numbered_load(0) ? KSFT_PASS : KSFT_FAIL);
}

static int lose_area_in_a_step(const void *argument)
{
	int (*const *lose)(void *start, size_t size) = argument;
	struct sigaction action = {
		.sa_sigaction = exit_if_at_load,
		.sa_flags = SA_SIGINFO,
	};
	struct blocked *blocked;
	uintptr_t start, end;
	bool lost;

	if (sigaction(SIGSEGV, &action, NULL) ||
	    !blocked_start(&blocked, 1, 1, PATIENCE) ||
	    !xol_area_range(getpid(), &start, &end))
		return KSFT_FAIL;
	lost = !(*lose)((void *)start, end - start);
	if (!lost && errno != EPERM)
		return KSFT_FAIL;
	blocked_serve(blocked);
	/* only if the area could not go */
	return blocked_join(blocked) || lost ? KSFT_FAIL : KSFT_PASS;
}

static int forbid(void *start, size_t size)
{
	return mprotect(start, size, PROT_NONE);
}

FIXTURE(in_a_step) {
	int counters;
	int probe;
};

FIXTURE_VARIANT(in_a_step) {
	int (*lose)(void *start, size_t size);
};

FIXTURE_VARIANT_ADD(in_a_step, munmap) { .lose = munmap };
FIXTURE_VARIANT_ADD(in_a_step, mprotect) { .lose = forbid };

FIXTURE_SETUP(in_a_step)
{
	self->counters = counters_create(1);
	self->probe = blocked_attach(1, self->counters, 0);
}

FIXTURE_TEARDOWN(in_a_step)
{
	close(self->probe);
}

/* It is told where it was without a probe, as of any fault of the instruction. */
TEST_F_TIMEOUT(in_a_step, loses_the_area, TIME_LIMIT)
{
	EXPECT_EQ(run_isolated(lose_area_in_a_step, &variant->lose, PATIENCE),
		  KSFT_PASS);
	EXPECT_EQ(counters_read(self->counters, 0), 1);
}

#if defined(__x86_64__)
/*
 * Other code comes over the slot in the middle of a step that has no trap: a copy of
 * bytes, whose source is missing and then interrupted by a signal.
 */

static struct blocked *server;
static struct xol_mappings areas;
static sigjmp_buf over;
/* The signal by which the thread leaves the other code, and whether it was there then */
static int over_signal;
static bool seen_there;
static char copied[16];

static void leave_thread(int signal, siginfo_t *info, void *context)
{
	over_signal = signal;
	seen_there = xol_mappings_hold(&areas, *context_ip(context));
	siglongjmp(over, 1);
}

static void ignore(int signal)
{
}

static void *copy_blocked(void *unused)
{
	if (!sigsetjmp(over, 1))
		copy_function(copied, blocked_page(server), sizeof(copied));
	return NULL;
}

struct other_code {
	uint8_t fill;			/* up to the last bytes of each mapping */
	uint8_t last[16];
	unsigned int size;
	int send;			/* a signal to the thread, or 0 */
	int expected;			/* the signal that it leaves the code by, or 0 */
};

static bool map_over(const struct other_code *code)
{
	xol_mappings_find(getpid(), &areas);
	for (unsigned int i = 0; i < areas.number; i++) {
		size_t size = areas.of[i].end - areas.of[i].start;
		uint8_t *start = (uint8_t *)areas.of[i].start;

		if (mmap(start, size, PROT_READ | PROT_WRITE | PROT_EXEC,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
			return false;
		memset(start, code->fill, size);
		memcpy(start + size - code->size, code->last, code->size);
	}
	return areas.number;
}

static int run_other_code(const void *argument)
{
	const struct other_code *code = argument;
	struct sigaction action = { .sa_sigaction = leave_thread, .sa_flags = SA_SIGINFO };
	struct sigaction ignored = { .sa_handler = ignore };
	pthread_t copier;

	/* SIGUSR2 must not interrupt the other handler. */
	sigaddset(&ignored.sa_mask, SIGUSR2);
	sigaction(SIGUSR1, &ignored, NULL);
	sigaction(SIGUSR2, &action, NULL);
	sigaction(SIGTRAP, &action, NULL);
	sigaction(SIGILL, &action, NULL);
	if (!blocked_start(&server, 0, 1, PATIENCE) ||
	    pthread_create(&copier, NULL, copy_blocked, NULL) ||
	    !blocked_wait(server, PATIENCE))
		return KSFT_FAIL;
	/* The step begins, and comes to the page again. */
	pthread_kill(copier, SIGUSR1);
	if (!blocked_wait(server, PATIENCE))
		return KSFT_FAIL;
	if (!map_over(code))
		return errno == EPERM ? KSFT_SKIP : KSFT_FAIL;
	blocked_serve(server);
	if (code->send) {
		usleep(100000);
		pthread_kill(copier, code->send);
	}
	pthread_join(copier, NULL);
	if (over_signal != code->expected || seen_there != !!code->expected)
		ksft_print_msg("signal %d instead of %d, %s the code\n", over_signal,
			       code->expected, seen_there ? "in" : "not in");
	return over_signal == code->expected && seen_there == !!code->expected ? KSFT_PASS :
										 KSFT_FAIL;
}

FIXTURE(other_code) {
	int counters;
	int probe;
	int log;
};

FIXTURE_VARIANT(other_code) {
	struct other_code code;
};

/* int3 everywhere */
FIXTURE_VARIANT_ADD(other_code, breaks) {
	.code = { .fill = 0xcc, .expected = SIGTRAP },
};

/* nops and ud2 */
FIXTURE_VARIANT_ADD(other_code, faults) {
	.code = { .fill = 0x90, .last = { 0x0f, 0x0b }, .size = 2, .expected = SIGILL },
};

/* nops and a jump to itself */
FIXTURE_VARIANT_ADD(other_code, loops) {
	.code = { .fill = 0x90, .last = { 0xeb, 0xfe }, .size = 2, .send = SIGUSR2,
		  .expected = SIGUSR2 },
};

/* nops; mov $60, %eax; xor %edi, %edi; syscall: the thread exits */
FIXTURE_VARIANT_ADD(other_code, exits) {
	.code = { .fill = 0x90, .last = { 0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05 }, .size = 9 },
};

/* nops; mov $59, %eax; xor %esi, %esi; xor %edx, %edx; syscall; ud2: nothing to execute */
FIXTURE_VARIANT_ADD(other_code, calls_the_kernel) {
	.code = { .fill = 0x90, .last = { 0xb8, 59, 0, 0, 0, 0x31, 0xf6, 0x31, 0xd2, 0x0f, 0x05,
					  0x0f, 0x0b }, .size = 13, .expected = SIGILL },
};

FIXTURE_SETUP(other_code)
{
	if (!boost_is_on())
		SKIP(return, "all steps have a trap: needs CONFIG_UPROBES_XOL_BOOST");
	self->counters = counters_create(1);
	self->probe = probe_attach(copy_site, program_count(self->counters, 0));
	self->log = kernel_log_open();
}

FIXTURE_TEARDOWN(other_code)
{
	close(self->probe);
	close(self->log);
}

/* Checks that the thread goes on where the code goes, and that the kernel does not warn. */
TEST_F_TIMEOUT(other_code, is_mapped_over_a_step, TIME_LIMIT)
{
	struct kernel_log told;
	int result = run_isolated(run_other_code, &variant->code, PATIENCE);

	if (result == KSFT_SKIP)
		SKIP(return, "nothing can be mapped over [uprobes]");
	EXPECT_EQ(result, KSFT_PASS);
	EXPECT_EQ(counters_read(self->counters, 0), 1);
	kernel_log_read(self->log, &told);
	EXPECT_EQ(told.splats, 0)
		TH_LOG("%s", told.splat);
}
#endif

/* Ends this process by a system call that stands where the slot of a step was. */
static int exit_in_a_step(const void *unused)
{
#if defined(__x86_64__)
	static const uint8_t system_call[] = { 0x0f, 0x05 };
#elif defined(__aarch64__)
	static const uint8_t system_call[] = { 0x01, 0x00, 0x00, 0xd4 };
#elif defined(__riscv)
	static const uint8_t system_call[] = { 0x73, 0x00, 0x00, 0x00 };
#endif
	uintptr_t start, end;

	call_times(1);
	if (!xol_area_range(getpid(), &start, &end))
		return KSFT_FAIL;
	if (mmap((void *)start, end - start, PROT_READ | PROT_WRITE | PROT_EXEC,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		return errno == EPERM ? KSFT_SKIP : KSFT_FAIL;
	for (uintptr_t at = start; at < end; at += sizeof(system_call))
		memcpy((void *)at, system_call, sizeof(system_call));
	__builtin___clear_cache((char *)start, (char *)end);
#if defined(__x86_64__)
	asm volatile("call *%0"
		     : : "r"(numbered_function(NUMBER)), "a"(SYS_exit), "D"(KSFT_PASS)
		     : "memory", "cc", "rcx", "r11");
#elif defined(__aarch64__)
	register long number asm("x8") = SYS_exit;
	register long status asm("x0") = KSFT_PASS;

	asm volatile("blr %0"
		     : : "r"(numbered_function(NUMBER)), "r"(number), "r"(status)
		     : "memory", "cc", "x30");
#elif defined(__riscv)
	register long number asm("a7") = SYS_exit;
	register long status asm("a0") = KSFT_PASS;

	asm volatile("jalr %0"
		     : : "r"(numbered_function(NUMBER)), "r"(number), "r"(status)
		     : "memory", "ra");
#endif
	return KSFT_FAIL;
}

/* Checks that the kernel does not warn of a step in which a process ends. */
TEST_F_TIMEOUT(attack, exits_in_a_step, TIME_LIMIT)
{
	bool boosts = boost_is_on();
	struct kernel_log told;
	int log, result;

	if (!xol_tells())
		SKIP(return, "upstream's kernel warns of it");
	boost_switch(false);
	log = kernel_log_open();
	result = run_isolated(exit_in_a_step, NULL, PATIENCE);
	boost_switch(boosts);
	if (result == KSFT_SKIP)
		SKIP(return, "nothing can be mapped over [uprobes]");
	EXPECT_EQ(result, KSFT_PASS);
	EXPECT_EQ(counters_read(self->counters, 0), 2);
	kernel_log_read(log, &told);
	EXPECT_EQ(told.splats, 0)
		TH_LOG("%s", told.splat);
	close(log);
}

static pid_t start_traced(void)
{
	pid_t pid = fork();

	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		call_times(1);
		raise(SIGSTOP);
		call_times(1);
		_exit(wrong_results ? KSFT_FAIL : KSFT_PASS);
	}
	return pid;
}

/* A debugger's step over a probed instruction is one step. */
TEST_F_TIMEOUT(attack, single_stepped, TIME_LIMIT)
{
	uintptr_t site = (uintptr_t)numbered_function(NUMBER), ip, previous = 0;
	bool stepped = false;
	int status;
	pid_t pid;

	if (steps_lack())
		SKIP(return, "debuggers' steps need %s", steps_lack());
	pid = start_traced();
	ASSERT_GE(pid, 0);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT_TRUE(WIFSTOPPED(status));
	EXPECT_EQ(WSTOPSIG(status), SIGSTOP);
	for (unsigned int i = 0; i < 100000 && !stepped; i++) {
		ASSERT_EQ(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
		ASSERT_EQ(waitpid(pid, &status, 0), pid);
		ASSERT_TRUE(WIFSTOPPED(status));
		EXPECT_EQ(WSTOPSIG(status), SIGTRAP);
		ip = traced_ip(pid);
		stepped = previous == site;
		previous = ip;
	}
	ASSERT_TRUE(stepped);
	/* on to the instruction after it, which is not in a slot */
	EXPECT_GT(ip, site);
	EXPECT_LT(ip, site + NUMBERED_FUNCTION_SIZE);
	EXPECT_EQ(counters_read(self->counters, 0), 2);
	ASSERT_EQ(ptrace(PTRACE_CONT, pid, NULL, NULL), 0);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(WEXITSTATUS(status), KSFT_PASS);
}

TEST_F_TIMEOUT(attack, poked, TIME_LIMIT)
{
	uintptr_t start, end;
	int status;
	pid_t pid;

	pid = start_traced();
	ASSERT_GE(pid, 0);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT_TRUE(WIFSTOPPED(status));
	ASSERT_TRUE(xol_area_range(pid, &start, &end));
	EXPECT_EQ(ptrace(PTRACE_POKETEXT, pid, (void *)start, (void *)-1L), -1);
	ASSERT_EQ(ptrace(PTRACE_CONT, pid, NULL, NULL), 0);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(WEXITSTATUS(status), KSFT_PASS);
	EXPECT_EQ(counters_read(self->counters, 0), 2);
}

TEST_HARNESS_MAIN
