// SPDX-License-Identifier: GPL-2.0
/*
 * Executes the cases of a batch in a child process. A case begins and ends with a
 * signal: the handler of the first one puts the case's registers into the signal frame
 * and returns to the instruction. The instruction, or the trap behind it, raises
 * the second one, whose frame holds the results.
 *
 * Meanwhile all registers belong to the case, also the thread pointer. So nothing between
 * cpu_begin() and cpu_end() may use thread-local storage.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "clock.h"
#include "fuzz.h"
#include "probe.h"
#include "registers.h"
#include "threads.h"

/* Of a thread, and what it is aligned to; most of it is the stack of signals. */
#define EXECUTOR_BYTES	(256 * 1024)
/* Seconds without progress: many times what one case takes */
#define PATIENCE	4
/*
 * The time of a run with probes, as a multiple of that without: a kernel that takes each
 * repetition of a string instruction for a hit needs thousands of times as much.
 */
#define PROBED_TIME	2
/* A run that loses more processes ends early. */
#define MOST_LOST	1
#define MOST_PLACES_SEEN 64
/* Bytes, of a cache's line for example */
#define LINE		64
/* Between two stops by the tracer, turns of a loop */
#define DELAYS		4096
#define DELAY_STRIDE	37

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id	_sigev_un._tid
#endif

struct executor {
	unsigned int index;
	struct arena arena;
	/* between the two signals of a case */
	bool running;
	/* what cpu_trap() was called with */
	ucontext_t before;
	unsigned int place;
	bool is_aligned;
	struct random random, delays;
	int timer;
	struct result *result;
	uint8_t *vectors;
	unsigned long interrupted;
	/* where timers interrupted this thread, if that is no known place */
	unsigned int seen_number;
	uintptr_t seen[MOST_PLACES_SEEN];
	char stack[];
};

static size_t page_size;
static int arena_file;

/* Of the child */
static struct batch *batch;
static enum run run;
static enum disturbance disturbance;
static uint64_t began;
static const uint64_t *hits;

uint64_t random_pointer(struct random *random, const struct arena *arena)
{
	uintptr_t base = arena->base;
	size_t page = arena->page;

	if (random->many_lines && one_in(random, 2))
		return base + random_below(random, ARENA_WRITABLE * page) / LINE * LINE;
	switch (random_below(random, 16)) {
	case 0:
		/* begins in front of the pages */
		return base + random_below(random, 64) - 32;
	case 1:
		/* crosses from one page to the next, or ends at a page's end */
		return base + page - random_below(random, 64);
	case 2:
		return base + 2 * page - random_below(random, 64);
	case 3:
		return base + 3 * page - random_below(random, 64);
	case 4:
		return base + 2 * page + random_below(random, page);
	case 5:
		return base + 3 * page + random_below(random, page);
	case 6:
		return UNMAPPED_BASE + random_below(random, page);
	case 7:
		return landing_room(arena) + random_below(random, page);
	case 8 ... 11:
		return base + random_below(random, 2 * page) / LINE * LINE;
	default:
		return base + random_below(random, 2 * page);
	}
}

uint64_t random_value(struct random *random, const struct arena *arena)
{
	if (HAS_SHORT_ADDRESSES && one_in(random, random->many_far_pointers ? 2 : 32))
		return (uint32_t)random_pointer(random, arena) |
		       (one_in(random, 4) ? CODE_SELECTOR_32 : CODE_SELECTOR) << 32;
	switch (random_below(random, 16)) {
	case 0 ... 7:
		return random_pointer(random, arena);
	case 8: case 9:
		return random_below(random, 64);
	case 10: case 11:
		return -random_below(random, 64);
	case 12: case 13:
		return random_next(random) >> random_below(random, 64);
	default:
		return random_next(random);
	}
}

uint64_t random_lanes(struct random *random)
{
	static const uint64_t lanes[] = {
		0, 0x3ff0000000000000, 0xc008000000000000, 0x3f80000040490fdb,
		0x7ff0000000000000, 0x7f800000ff800000, 0x000000017fc00000, ~0ULL,
	};

	return one_in(random, 2) ? random_next(random) :
				   lanes[random_below(random, ARRAY_SIZE(lanes))];
}

static uintptr_t code_of_thread(unsigned int index)
{
	return CODE_BASE + index * THREAD_DISTANCE;
}

static struct arena arena_of_thread(unsigned int index)
{
	return (struct arena){
		.base = code_of_thread(index) + ARENA_OFFSET,
		.page = page_size,
	};
}

struct arena fuzz_arena(unsigned int place)
{
	return arena_of_thread(place % FUZZ_THREADS);
}

uintptr_t fuzz_site(unsigned int place)
{
	return code_of_thread(place % FUZZ_THREADS) + fuzz_offset(place);
}

size_t fuzz_offset(unsigned int place)
{
	return place * PLACE_BYTES + cpu_site(place);
}

void fuzz_write_code(const struct batch *batch, uint8_t *code)
{
	cpu_fill_traps(code, CODE_BYTES);
	for (unsigned int i = batch->first; i < batch->first + batch->number; i++)
		memcpy(code + fuzz_offset(i), batch->insns[i].bytes,
		       batch->insns[i].length);
}

static void map_at(uintptr_t start, size_t size, int protection, int flags, int file,
		   off_t offset)
{
	if (mmap((void *)start, size, protection, flags, file, offset) != (void *)start)
		ksft_exit_fail_msg("cannot map %#lx: %s\n", (unsigned long)start,
				   strerror(errno));
}

static void map_arena(unsigned int index, uintptr_t base)
{
	size_t size = ARENA_MAPPED * page_size, writable = ARENA_WRITABLE * page_size;
	struct arena arena = arena_of_thread(index);
	struct random random = { .state = index };

	map_at(base, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, arena_file,
	       index * size);
	for (size_t offset = writable; offset < size; offset += sizeof(uint64_t))
		*(uint64_t *)(base + offset) = random_value(&random, &arena);
	if (mprotect((void *)(base + writable), size - writable, PROT_READ))
		ksft_exit_fail_perror("mprotect");
}

static void make_arenas(void)
{
	arena_file = memfd_create("arenas", MFD_CLOEXEC);
	if (arena_file < 0 ||
	    ftruncate(arena_file, FUZZ_THREADS * ARENA_MAPPED * page_size))
		ksft_exit_fail_perror("memfd_create");
	for (unsigned int i = 0; i < FUZZ_THREADS; i++) {
		uintptr_t base = arena_of_thread(i).base;

		map_arena(i, base);
		if (HAS_SHORT_ADDRESSES)
			map_arena(i, (uint32_t)base);
	}
}

static void map_surroundings(unsigned int index)
{
	int none = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	uintptr_t code = code_of_thread(index), landing = code + LANDING_OFFSET;
	size_t size = ARENA_OFFSET - LANDING_OFFSET;

	map_at(code - CODE_MARGIN, 2 * CODE_MARGIN, PROT_NONE, none | MAP_FIXED_NOREPLACE,
	       -1, 0);
	if (HAS_SHORT_ADDRESSES)
		map_at((uint32_t)code, CODE_MARGIN, PROT_NONE, none | MAP_FIXED_NOREPLACE,
		       -1, 0);
	map_at(landing, size, PROT_READ | PROT_WRITE, none | MAP_FIXED, -1, 0);
	cpu_fill_traps((uint8_t *)landing, size);
	if (mprotect((void *)landing, size, PROT_READ | PROT_EXEC))
		ksft_exit_fail_perror("mprotect");
}

void fuzz_prepare(void)
{
	page_size = sysconf(_SC_PAGESIZE);
	cpu_prepare();
	for (unsigned int i = 0; i < FUZZ_THREADS; i++)
		map_surroundings(i);
	make_arenas();
}

struct batch *fuzz_batch(void)
{
	struct batch *batch;

	batch = mmap(NULL, sizeof(*batch), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (batch == MAP_FAILED)
		ksft_exit_fail_perror("mmap");
	return batch;
}

/* The places where a thread may be seen: in a case, or in this program */
static bool is_known_place(uintptr_t ip)
{
	for (unsigned int i = 0; i < FUZZ_THREADS; i++)
		if (ip - (code_of_thread(i) - CODE_MARGIN) < 2 * CODE_MARGIN)
			return true;
	return ip >= (uintptr_t)__executable_start && ip < (uintptr_t)etext;
}

static struct executor *this_executor(void)
{
	uintptr_t stack = (uintptr_t)__builtin_frame_address(0);

	return (struct executor *)(stack & ~(uintptr_t)(EXECUTOR_BYTES - 1));
}

static void note_interruption(struct executor *executor, uintptr_t ip)
{
	if (executor->running)
		executor->interrupted++;
	if (!is_known_place(ip) && executor->seen_number < MOST_PLACES_SEEN)
		executor->seen[executor->seen_number++] = ip;
}

void fuzz_signal(int signal, siginfo_t *info, void *argument)
{
	struct executor *executor = this_executor();
	uint64_t *words = executor->result->words;
	ucontext_t *context = argument;

	if (signal == SIGALRM) {
		note_interruption(executor, *context_ip(context));
		return;
	}
	if (!executor->running) {
		executor->before = *context;
		cpu_fill(context, &executor->random, &executor->arena,
			 fuzz_site(executor->place), executor->is_aligned);
		executor->running = true;
		return;
	}
	executor->running = false;
	words[RESULT_SIGNAL] = signal;
	words[RESULT_CODE] = info->si_code;
	words[RESULT_ADDRESS] = (uintptr_t)info->si_addr;
	cpu_record(context, &executor->arena, words, executor->vectors);
	cpu_return(context, &executor->before);
}

static uint64_t hash(const void *data, size_t size)
{
	const uint64_t *words = data;
	uint64_t value = 0;

	for (; size >= sizeof(value); size -= sizeof(value))
		value = ((value ^ *words++) + (value >> 29)) * 0x9e3779b97f4a7c15ULL;
	return value;
}

static void fill_memory(struct executor *executor)
{
	uint64_t *words = (uint64_t *)executor->arena.base;
	struct random *random = &executor->random;

	/* Each line, to which many pointers lead, begins with what is useful. */
	for (size_t i = 0; i < ARENA_WRITABLE * page_size / sizeof(*words); i++)
		words[i] = i % (LINE / sizeof(*words)) ? random_next(random) :
				   random_value(random, &executor->arena);
}

static void arm_timer(struct executor *executor)
{
	struct itimerspec when = {};

	/* from half a microsecond to a millisecond, whatever the machine's speed */
	when.it_value.tv_nsec = (500 + random_below(&executor->delays, 500))
				<< random_below(&executor->delays, 11);
	cpu_syscall(__NR_timer_settime, executor->timer, 0, (long)&when, 0);
}

static void execute_case(struct executor *executor, unsigned int place, unsigned int state)
{
	struct result *result = &batch->results[run][place][state];
	uint64_t seed = batch->states[place][state];
	uintptr_t memory = executor->arena.base;
	const uint64_t *own_hits = hits ? &hits[place - batch->first] : NULL;
	uint64_t hits_before = hits ? *own_hits : 0;

	executor->random.state = seed;
	executor->random.many_far_pointers = seed % STATE_KINDS == STATE_FAR_POINTERS;
	executor->random.many_lines = false;
	executor->place = place;
	executor->is_aligned = seed % STATE_KINDS == STATE_ALIGNED;
	executor->result = result;
	fill_memory(executor);
	/* Registers lead to far pointers, instead of holding some. */
	executor->random.many_lines = executor->random.many_far_pointers;
	executor->random.many_far_pointers = false;
	/* All pages are present, or the first access to each is a page fault. */
	__atomic_load_n((const char *)memory + ARENA_WRITABLE * page_size, __ATOMIC_RELAXED);
	if (one_in(&executor->random, 8))
		cpu_syscall(__NR_madvise, memory, ARENA_MAPPED * page_size, MADV_DONTNEED,
			    0);

	__atomic_store_n(&result->status, CASE_STARTED, __ATOMIC_RELAXED);
	if (disturbance == BY_TIMERS)
		arm_timer(executor);
	cpu_trap();
	result->words[RESULT_HITS] = 1;
	if (hits)
		result->words[RESULT_HITS] =
			__atomic_load_n(own_hits, __ATOMIC_RELAXED) - hits_before;
	result->words[RESULT_MEMORY] = hash((void *)memory, ARENA_WRITABLE * page_size);
	result->words[RESULT_VECTOR] = hash(executor->vectors, VECTOR_BYTES);
	__atomic_store_n(&result->status, CASE_DONE, __ATOMIC_RELAXED);
	__atomic_add_fetch(&batch->done, 1, __ATOMIC_RELAXED);
}

/* Whether the runs before this one have a result that is worth comparing */
static bool is_wanted(unsigned int place, unsigned int state)
{
	struct result (*results)[PLACES][STATES] = batch->results;

	if (results[run][place][state].status != CASE_WANTED)
		return false;
	for (unsigned int i = 0; i < run; i++)
		if (results[i][place][state].status != CASE_DONE)
			return false;
	return run < RUN_PROBED ||
	       !memcmp(results[RUN_UNPROBED][place][state].words,
		       results[RUN_UNPROBED_AGAIN][place][state].words,
		       sizeof(results[0][0][0].words));
}

/* Whether there is no more time; a library function might use thread-local storage. */
static bool is_over(void)
{
	struct timespec time;
	uint64_t limit = batch->time;

	if (run == RUN_UNPROBED_AGAIN || !limit)
		return false;
	if (run == RUN_PROBED)
		limit *= PROBED_TIME;
	cpu_syscall(__NR_clock_gettime, CLOCK_MONOTONIC, (long)&time, 0, 0);
	return time.tv_sec * 1000000000ULL + time.tv_nsec - began >= limit;
}

static void execute_cases(struct executor *executor)
{
	for (unsigned int place = batch->first; place < batch->first + batch->number; place++) {
		for (unsigned int state = 0; state < STATES; state++) {
			if (place % FUZZ_THREADS != executor->index || !is_wanted(place, state))
				continue;
			execute_case(executor, place, state);
			if (is_over())
				return;
		}
	}
}

static struct executor *executor_create(unsigned int index)
{
	struct executor *executor = aligned_alloc(EXECUTOR_BYTES, EXECUTOR_BYTES);
	stack_t stack = { .ss_size = EXECUTOR_BYTES - sizeof(*executor) };

	if (!executor)
		ksft_exit_fail_msg("no memory for a thread\n");
	memset(executor, 0, sizeof(*executor));
	executor->index = index;
	executor->arena = arena_of_thread(index);
	executor->vectors = batch->vectors[run][index];
	executor->delays.state = batch->states[batch->first][0] + index;
	stack.ss_sp = executor->stack;
	if (sigaltstack(&stack, NULL))
		ksft_exit_fail_perror("sigaltstack");
	if (disturbance == BY_TIMERS) {
		struct sigevent event = {
			.sigev_notify = SIGEV_THREAD_ID,
			.sigev_signo = SIGALRM,
			.sigev_notify_thread_id = syscall(__NR_gettid),
		};

		if (syscall(__NR_timer_create, CLOCK_MONOTONIC, &event, &executor->timer))
			ksft_exit_fail_perror("timer_create");
	}
	return executor;
}

static void fuzz_thread(unsigned int index)
{
	struct executor *executor = executor_create(index);
	uintptr_t thread_pointer, start, end;

	thread_pointer = cpu_begin(&executor->arena);
	execute_cases(executor);
	cpu_end(thread_pointer);

	__atomic_add_fetch(&batch->interrupted, executor->interrupted, __ATOMIC_RELAXED);
	if (!executor->seen_number || !xol_area_range(getpid(), &start, &end))
		return;
	for (unsigned int i = 0; i < executor->seen_number; i++)
		if (executor->seen[i] >= start && executor->seen[i] < end)
			__atomic_add_fetch(&batch->seen_in_area, 1, __ATOMIC_RELAXED);
}

static void handle_signals(void)
{
	static const int signals[] = {
		SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGALRM
	};
	struct sigaction action = {
		.sa_sigaction = cpu_signal_entry,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART,
	};

	/* A timer must not interrupt a handler. */
	sigaddset(&action.sa_mask, SIGALRM);
	for (unsigned int i = 0; i < ARRAY_SIZE(signals); i++)
		if (sigaction(signals[i], &action, NULL))
			ksft_exit_fail_perror("sigaction");
}

static void map_code(uintptr_t base, int file)
{
	int private = MAP_PRIVATE | MAP_FIXED;

	if (file >= 0) {
		map_at(base, CODE_BYTES, PROT_READ | PROT_EXEC, private, file, 0);
		return;
	}
	map_at(base, CODE_BYTES, PROT_READ | PROT_WRITE, private | MAP_ANONYMOUS, -1, 0);
	fuzz_write_code(batch, (uint8_t *)base);
	__builtin___clear_cache((char *)base, (char *)base + CODE_BYTES);
	if (mprotect((void *)base, CODE_BYTES, PROT_READ | PROT_EXEC))
		ksft_exit_fail_perror("mprotect");
}

static __noreturn void execute(int file)
{
	while (!__atomic_load_n(&batch->go, __ATOMIC_ACQUIRE))
		give_way();
	for (unsigned int i = 0; i < FUZZ_THREADS; i++)
		map_code(code_of_thread(i), file);
	handle_signals();
	threads_run(FUZZ_THREADS, fuzz_thread);
	_exit(KSFT_PASS);
}

/* Is a thread in the area of its process? Few places need a closer look. */
static bool is_in_area(pid_t pid, pid_t thread)
{
	uintptr_t ip = traced_ip(thread), start, end;

	return !is_known_place(ip) && xol_area_range(pid, &start, &end) && ip >= start &&
	       ip < end;
}

/*
 * Handles what has happened to the traced process, or stops one of its threads if
 * nothing has. Returns whether the process has ended.
 */
static bool trace(pid_t pid, int *status)
{
	static pid_t threads[FUZZ_THREADS];
	static unsigned int delay, turn, created_number;
	pid_t thread = waitpid(-1, status, __WALL | WNOHANG);
	int event = *status >> 16;

	if (!thread) {
		for (unsigned int i = 0; i < delay; i++)
			asm volatile("");
		delay = (delay + DELAY_STRIDE) % DELAYS;
		ptrace(PTRACE_INTERRUPT, threads[turn++ % FUZZ_THREADS], NULL, NULL);
		give_way();
		return false;
	}
	if (!WIFSTOPPED(*status))
		return thread == pid;
	if (event == PTRACE_EVENT_CLONE) {
		unsigned long created;

		ptrace(PTRACE_GETEVENTMSG, thread, NULL, &created);
		threads[created_number++ % FUZZ_THREADS] = created;
	} else if (event == PTRACE_EVENT_STOP && thread != pid) {
		batch->interrupted++;
		batch->seen_in_area += is_in_area(pid, thread);
	}
	ptrace(PTRACE_CONT, thread, NULL, event ? 0 : WSTOPSIG(*status));
	return false;
}

static void begin_tracing(pid_t pid)
{
	if (ptrace(PTRACE_SEIZE, pid, NULL, PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL))
		ksft_exit_fail_perror("ptrace");
}

/* Waits for the child, as long as it makes progress. */
static int wait_for(pid_t pid)
{
	struct pollfd child = { .fd = syscall(__NR_pidfd_open, pid, 0), .events = POLLIN };
	uint64_t since = now();
	unsigned long done = 0;
	int status = 0;
	bool ended;

	if (child.fd < 0)
		ksft_exit_fail_perror("pidfd_open");
	do {
		unsigned long before = done;

		done = __atomic_load_n(&batch->done, __ATOMIC_RELAXED);
		if (done != before)
			since = now();
		if (now() - since > PATIENCE * 1000000000ULL)
			kill(pid, SIGKILL);
		if (disturbance == BY_TRACER)
			ended = trace(pid, &status);
		else
			ended = poll(&child, 1, 1000) == 1 &&
				waitpid(pid, &status, 0) == pid;
	} while (!ended);
	close(child.fd);
	return status;
}

/* Leaves out the cases that were being executed; returns whether there are any. */
static bool leave_out_started(void)
{
	struct result *results = &batch->results[run][0][0];
	bool found = false;

	for (unsigned int i = 0; i < PLACES * STATES; i++) {
		if (results[i].status != CASE_STARTED)
			continue;
		results[i].status = CASE_LOST;
		found = true;
	}
	return found;
}

void fuzz_execute(struct batch *which, enum run which_run, int file,
		  const uint64_t *counters)
{
	unsigned int lost = 0;
	int status;

	batch = which;
	run = which_run;
	disturbance = run == RUN_PROBED ? batch->disturbance : UNDISTURBED;
	hits = counters;
	began = now();
	do {
		pid_t pid;

		fflush(stdout);
		batch->go = false;
		pid = fork();
		if (pid < 0)
			ksft_exit_fail_perror("fork");
		if (!pid)
			execute(file);
		if (disturbance == BY_TRACER)
			begin_tracing(pid);
		__atomic_store_n(&batch->go, true, __ATOMIC_RELEASE);
		status = wait_for(pid);
		if (WIFEXITED(status) && WEXITSTATUS(status))
			give_up(WEXITSTATUS(status), "the process that executes cases fails");
	} while (leave_out_started() && lost++ < MOST_LOST);
}
