// SPDX-License-Identifier: GPL-2.0
/*
 * Everything at once, at random, for some time: threads that hit probes, change
 * CPUs, make threads and processes, get and raise signals, block in steps and take
 * each other's slots, while other probes come and go, and processes execute others,
 * are stopped, traced, killed, robbed of their area and of memory. In the end, each
 * execution of a counted instruction must have been counted once, instruction by
 * instruction.
 *
 * What is done is drawn from the seed; the order in which it happens is not.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest.h"
#include "blocked.h"
#include "clock.h"
#include "fault_injection.h"
#include "functions.h"
#include "options.h"
#include "probe.h"
#include "registers.h"
#include "slots.h"
#include "threads.h"

/*
 * Functions with probes that stay, more of them than there are slots, and those
 * whose hits nobody counts; of the former, the first have one on their return, too
 */
#define COUNTED		2240
#define RETURNED	8
#define UNCOUNTED	32
/* Functions whose probes come and go */
#define CHANGING	(COUNTED + UNCOUNTED)
#define CHANGING_NUMBER	8
_Static_assert(CHANGING + CHANGING_NUMBER <= NUMBERED_FUNCTIONS,
	       "there are not so many functions");
/* Of the probed loads, the one that blocks and the one that faults */
enum { BLOCKING, FAULTING, LOADS };
/* Counters: those of the functions come first. */
enum { UNCOUNTED_HITS = COUNTED, RETURNS, LOADED, COUNTERS };
/* What threads and processes may take to end, beyond the time wanted */
#define PATIENCE	120
/* What a thread may take to block */
#define BLOCKED		60
/* With this argument, the program does nothing but calls. */
#define CALL_UNCOUNTED	"call-uncounted"
/* Of a process's first hit, one of so many allocations fails, if there are as many. */
#define ALLOCATIONS	16

static struct {
	uint64_t seed;
	unsigned int seconds, threads;
} options = { .seconds = 20, .threads = 48 };

/* Shared with all processes */
static struct tally {
	uint64_t executed[COUNTED];
	uint64_t wrong, threads, processes, executed_others, stopped, traced, killed, robbed;
	uint64_t signals, raised, blocked, registered, failed;
	bool stop;
} *tally;

static pthread_t *workers;
static unsigned int workers_ready;
static bool signals_over;
static bool faults_injectable;
static __thread sigjmp_buf after_fault;

static void add(uint64_t *counter, uint64_t number)
{
	__atomic_add_fetch(counter, number, __ATOMIC_RELAXED);
}

static void wrong(const char *what, int value)
{
	ksft_print_msg("%s: %#x\n", what, value);
	add(&tally->wrong, 1);
}

static bool stopped(void)
{
	return __atomic_load_n(&tally->stop, __ATOMIC_RELAXED);
}

/* splitmix64: any seed will do, neighbouring ones as well */
static uint64_t draw(uint64_t *state, uint64_t below)
{
	uint64_t value = *state += 0x9e3779b97f4a7c15ULL;

	value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
	value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
	return (value ^ (value >> 31)) % below;
}

static void call(unsigned int number)
{
	unsigned int result = call_numbered(number);

	if (result != number)
		wrong("a function returned another number", result);
	if (number < COUNTED)
		add(&tally->executed[number], 1);
}

static void call_some(uint64_t *state)
{
	for (unsigned int i = draw(state, 50) + 1; i; i--)
		call(draw(state, COUNTED));
}

static void *short_thread(void *argument)
{
	call_some(argument);
	return NULL;
}

static void make_thread(uint64_t *state)
{
	uint64_t own_state = draw(state, UINT64_MAX);
	pthread_t thread;

	if (pthread_create(&thread, NULL, short_thread, &own_state))
		return;
	call_some(state);
	pthread_join(thread, NULL);
	add(&tally->threads, 1);
}

static void expect_exit(pid_t pid)
{
	int status = -1;

	if (waitpid(pid, &status, 0) != pid || status)
		wrong("a process did not end as it should", status);
}

static void make_process(uint64_t *state)
{
	uint64_t own_state = draw(state, UINT64_MAX);
	pid_t pid = fork();

	if (pid < 0)
		return;
	if (!pid) {
		call_some(&own_state);
		_exit(0);
	}
	call_some(state);
	expect_exit(pid);
	add(&tally->processes, 1);
}

/* Until the child is done, it has the mm and its parent sleeps. */
static void lend_mm(uint64_t *state)
{
	uint64_t own_state = draw(state, UINT64_MAX);
	pid_t pid = vfork();

	if (pid < 0)
		return;
	if (!pid) {
		call_some(&own_state);
		_exit(0);
	}
	expect_exit(pid);
	add(&tally->processes, 1);
}

static void call_uncounted(uint64_t *state)
{
	call(COUNTED + draw(state, UNCOUNTED));
}

/* A process that hits probes until it is killed; -1 if it cannot be made */
static pid_t start_process(uint64_t *state)
{
	uint64_t own_state = draw(state, UINT64_MAX);
	pid_t pid = fork();

	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!pid)
		call_uncounted(&own_state);
	if (pid > 0)
		call_some(state);
	return pid;
}

static void end_process(pid_t pid)
{
	int status = -1;

	kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status) ||
	    WTERMSIG(status) != SIGKILL)
		wrong("a process ended before it was killed", status);
}

static void expect_stop(pid_t pid)
{
	int status = -1;

	if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status))
		wrong("a process did not stop", status);
}

static void stop_process(uint64_t *state)
{
	pid_t pid = start_process(state);

	if (pid < 0)
		return;
	kill(pid, SIGSTOP);
	expect_stop(pid);
	kill(pid, SIGCONT);
	call_some(state);
	end_process(pid);
	add(&tally->stopped, 1);
}

static void trace_process(uint64_t *state)
{
	pid_t pid = start_process(state);

	if (pid < 0)
		return;
	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) ||
	    ptrace(PTRACE_INTERRUPT, pid, NULL, NULL))
		wrong("a process cannot be traced", errno);
	expect_stop(pid);
	ptrace(PTRACE_DETACH, pid, NULL, NULL);
	call_some(state);
	end_process(pid);
	add(&tally->traced, 1);
}

/* A process that executes this program once more, which does no more than calls then */
static void execute(uint64_t *state)
{
	uint64_t own_state = draw(state, UINT64_MAX);
	pid_t pid = fork();

	if (pid < 0)
		return;
	if (!pid) {
		call_some(&own_state);
		execl("/proc/self/exe", "stress", CALL_UNCOUNTED, NULL);
		_exit(KSFT_FAIL);
	}
	call_some(state);
	expect_exit(pid);
	add(&tally->executed_others, 1);
}

static int call_all_uncounted(void)
{
	for (unsigned int number = COUNTED; number < COUNTED + UNCOUNTED; number++)
		if (call_numbered(number) != number)
			return KSFT_FAIL;
	return xol_area_mapped() ? KSFT_PASS : KSFT_FAIL;
}

static void kill_process(uint64_t *state)
{
	pid_t pid = start_process(state);

	if (pid < 0)
		return;
	end_process(pid);
	add(&tally->killed, 1);
}

/* A process that takes its area from itself dies of that, where it may do so at all. */
static void rob_process(uint64_t *state)
{
	uint64_t own_state = draw(state, UINT64_MAX);
	pid_t pid = fork();
	int status = -1;

	if (pid < 0)
		return;
	if (!pid) {
		uintptr_t start, end;

		signal(SIGSEGV, SIG_DFL);
		call_uncounted(&own_state);
		if (!xol_area_range(getpid(), &start, &end))
			_exit(KSFT_FAIL);
		if (draw(&own_state, 2))
			munmap((void *)start, end - start);
		else
			mprotect((void *)start, end - start, PROT_NONE);
		call_uncounted(&own_state);
		_exit(0);
	}
	call_some(state);
	if (waitpid(pid, &status, 0) != pid ||
	    (status && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV)))
		wrong("a process without an area did not die of that", status);
	add(&tally->robbed, 1);
}

/* A process whose first hit gets some memory, but not all of it at once */
static void refuse_memory(uint64_t *state)
{
	uint64_t own_state = draw(state, UINT64_MAX);
	pid_t pid;

	if (!faults_injectable)
		return;
	pid = fork();
	if (pid < 0)
		return;
	if (!pid) {
		unsigned int number = COUNTED + draw(&own_state, UNCOUNTED);
		unsigned int nth = draw(&own_state, ALLOCATIONS) + 1;
		int fail_nth = fail_nth_open(0);

		fail_nth_arm(fail_nth, nth);
		call(number);
		if (!fail_nth_disarm(fail_nth))
			add(&tally->failed, 1);
		_exit(0);
	}
	call_some(state);
	expect_exit(pid);
	add(&tally->processes, 1);
}

/* A thread that blocks in the middle of a step, and this one's hits meanwhile */
static void block_in_step(uint64_t *state)
{
	struct blocked *blocked;

	if (!blocked_start(&blocked, 1, 1, BLOCKED))
		wrong("a step did not block, in seconds", BLOCKED);
	call_some(state);
	blocked_serve(blocked);
	if (blocked_join(blocked))
		wrong("a step that blocked loaded something else", 0);
	add(&tally->blocked, 1);
}

static void leave_fault(int signal, siginfo_t *info, void *context)
{
	if (*context_ip(context) == (uintptr_t)numbered_load(FAULTING))
		siglongjmp(after_fault, 1);
	/* not what this test raises */
	sigaction(signal, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
}

static void raise_fault(uint64_t *state)
{
	if (!sigsetjmp(after_fault, 1))
		wrong("no fault, but a load", call_load(FAULTING, NULL));
	add(&tally->raised, 1);
}

static void call_changing(uint64_t *state)
{
	call(CHANGING + draw(state, CHANGING_NUMBER));
}

static void change_cpu(uint64_t *state)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(draw(state, sysconf(_SC_NPROCESSORS_ONLN)), &cpus);
	/* the CPU may be one that this process may not use */
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

static void attack_area(uint64_t *state)
{
	static const int advices[] = { MADV_DONTNEED, MADV_COLD, MADV_PAGEOUT };
	struct xol_mappings areas;

	xol_mappings_find(getpid(), &areas);
	for (unsigned int i = 0; i < areas.number; i++) {
		char *start = (char *)areas.of[i].start;
		size_t size = areas.of[i].end - areas.of[i].start;

		madvise(start, size, advices[draw(state, ARRAY_SIZE(advices))]);
#ifndef __riscv
		/* Any page can be read, unless a page can be for execution alone. */
		(void)*(volatile char *)(start + draw(state, size));
#endif
	}
}

static const struct {
	unsigned int weight;
	void (*act)(uint64_t *state);
} actions[] = {
	{ 9000, call_some },	{ 400, call_changing },	{ 300, change_cpu },
	{ 200, make_thread },	{ 100, raise_fault },	{ 40, make_process },
	{ 40, lend_mm },	{ 20, execute },	{ 20, stop_process },
	{ 20, trace_process },	{ 40, kill_process },	{ 20, rob_process },
	{ 20, attack_area },	{ 20, block_in_step },	{ 10, refuse_memory },
};

static void act(uint64_t *state)
{
	unsigned int all = 0, i;
	uint64_t drawn;

	for (i = 0; i < ARRAY_SIZE(actions); i++)
		all += actions[i].weight;
	drawn = draw(state, all);
	for (i = 0; drawn >= actions[i].weight; i++)
		drawn -= actions[i].weight;
	actions[i].act(state);
}

static void work(unsigned int index)
{
	uint64_t state = options.seed + index;

	workers[index] = pthread_self();
	__atomic_add_fetch(&workers_ready, 1, __ATOMIC_RELEASE);
	/* by one thread or another, everything is done once, whatever is drawn */
	for (unsigned int i = index; i < ARRAY_SIZE(actions); i += options.threads)
		actions[i].act(&state);
	while (!stopped())
		act(&state);
	/* a thread that is gone cannot be signalled */
	while (!__atomic_load_n(&signals_over, __ATOMIC_ACQUIRE))
		give_way();
}

static void handle_signal(int signal)
{
	int saved_errno = errno;

	call(tally->signals % COUNTED);
	add(&tally->signals, 1);
	errno = saved_errno;
}

static void *send_signals(void *argument)
{
	uint64_t state = options.seed - 1;

	while (__atomic_load_n(&workers_ready, __ATOMIC_ACQUIRE) < options.threads)
		give_way();
	do {
		struct timespec pause = { .tv_nsec = draw(&state, 2000000) };

		pthread_kill(workers[draw(&state, options.threads)], SIGUSR1);
		nanosleep(&pause, NULL);
	} while (!stopped());
	__atomic_store_n(&signals_over, true, __ATOMIC_RELEASE);
	return NULL;
}

/* Initialized, to be in the file; the kernel counts probes there. */
unsigned short references[CHANGING_NUMBER + 1] = { [CHANGING_NUMBER] = 1 };

static void *change_probes(void *argument)
{
	int program = program_empty();
	uint64_t state = options.seed - 2;

	do {
		unsigned int number = CHANGING + draw(&state, CHANGING_NUMBER);
		struct probe_at at = {
			.path = EXECUTABLE,
			.offset = probe_file_offset(numbered_function(number)),
			.on_return = draw(&state, 2),
			.ref_ctr_offset = probe_file_offset(&references[number - CHANGING]),
		};
		int probe = probe_attach_at(&at, program);

		if (!__atomic_load_n(&references[number - CHANGING], __ATOMIC_RELAXED))
			wrong("a probe was not counted in memory, of function", number);
		for (unsigned int i = draw(&state, 100); i; i--)
			call(number);
		close(probe);
		add(&tally->registered, 1);
	} while (!stopped());
	return NULL;
}

static void *stop_in_time(void *argument)
{
	sleep_milliseconds(options.seconds * 1000);
	__atomic_store_n(&tally->stop, true, __ATOMIC_RELAXED);
	return NULL;
}

/* Probes that stay until the test is over */
static void attach(int counters)
{
	const void *addresses[COUNTED + UNCOUNTED];
	int returns = program_count(counters, RETURNS);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(addresses); i++)
		addresses[i] = numbered_function(i);
	probe_attach_each(addresses, COUNTED, counters);
	probe_attach_many(addresses + COUNTED, UNCOUNTED, counters, UNCOUNTED_HITS);
	for (i = 0; i < RETURNED; i++)
		probe_attach_return(addresses[i], returns);
	blocked_attach(LOADS, counters, LOADED);
}

static uint64_t hits, lost, doubled;

static void compare(uint64_t executed, uint64_t counted)
{
	hits += counted;
	if (executed > counted)
		lost += executed - counted;
	else
		doubled += counted - executed;
}

static void compare_all(int counters)
{
	uint64_t returned = 0;
	unsigned int i;

	for (i = 0; i < RETURNED; i++)
		returned += tally->executed[i];
	for (i = 0; i < COUNTED; i++)
		compare(tally->executed[i], counters_read(counters, i));
	compare(returned, counters_read(counters, RETURNS));
	compare(tally->blocked + tally->raised, counters_read(counters, LOADED));
}

/* Whether everything that is tallied was done */
static bool all_done(void)
{
	const uint64_t done[] = {
		hits, tally->threads, tally->processes, tally->executed_others,
		tally->stopped, tally->traced, tally->killed, tally->robbed,
		tally->signals, tally->raised, tally->blocked, tally->registered,
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(done); i++)
		if (!done[i])
			return false;
	return true;
}

/* How much a count of the kernel has grown; nothing where it does not tell */
static unsigned long grown(const char *count, unsigned long before)
{
	unsigned long now = before;

	xol_count(count, &now);
	return now - before;
}

static int do_everything(const void *argument)
{
	void *(*const helpers[])(void *) = {
		stop_in_time, send_signals, change_probes
	};
	pthread_t threads[ARRAY_SIZE(helpers)];
	struct sigaction sent = {
		.sa_handler = handle_signal,
		.sa_flags = SA_RESTART,
	};
	struct sigaction raised = {
		.sa_sigaction = leave_fault,
		.sa_flags = SA_SIGINFO,
	};
	unsigned long recycles = 0, waits = 0, reclaims = 0;
	int counters = counters_create(COUNTERS);
	unsigned int i;

	workers = calloc(options.threads, sizeof(*workers));
	if (!workers || sigaction(SIGUSR1, &sent, NULL) || sigaction(SIGSEGV, &raised, NULL))
		ksft_exit_fail_perror("stress");
	xol_count("recycles", &recycles);
	xol_count("waits", &waits);
	xol_count("reclaims", &reclaims);
	attach(counters);

	for (i = 0; i < ARRAY_SIZE(helpers); i++)
		if (pthread_create(&threads[i], NULL, helpers[i], NULL))
			ksft_exit_fail_perror("pthread_create");
	threads_run(options.threads, work);
	for (i = 0; i < ARRAY_SIZE(helpers); i++)
		pthread_join(threads[i], NULL);

	compare_all(counters);
	ksft_print_msg("stress: hits %" PRIu64 ", threads %" PRIu64 ", processes %" PRIu64
		       ", executed %" PRIu64 ", stopped %" PRIu64 ", traced %" PRIu64
		       ", killed %" PRIu64 ", robbed %" PRIu64 "\n",
		       hits, tally->threads, tally->processes, tally->executed_others,
		       tally->stopped, tally->traced, tally->killed, tally->robbed);
	ksft_print_msg("stress: signals sent %" PRIu64 ", raised %" PRIu64
		       ", steps blocked %" PRIu64 ", probes registered %" PRIu64
		       ", faults injected %" PRIu64 "\n",
		       tally->signals, tally->raised, tally->blocked, tally->registered,
		       tally->failed);
	ksft_print_msg("stress: slots recycled %lu, reclaimed %lu, waited for %lu\n",
		       grown("recycles", recycles), grown("reclaims", reclaims),
		       grown("waits", waits));
	ksft_print_msg("stress: lost %" PRIu64 ", doubled %" PRIu64 ", wrong %" PRIu64 "\n",
		       lost, doubled, tally->wrong);
	return all_done() && !lost && !doubled && !tally->wrong && xol_area_mapped() ?
		KSFT_PASS : KSFT_FAIL;
}

/* What there is of areas in all processes */
static const char * const counts_of_areas[] = {
	"slots", "pages", "tasks", "boosted", "boost_pages", "boost_areas",
};
#define AREA_COUNTS	ARRAY_SIZE(counts_of_areas)

/* False if the kernel does not tell. */
static bool count_areas(long counts[AREA_COUNTS])
{
	for (unsigned int i = 0; i < AREA_COUNTS; i++) {
		unsigned long count;

		if (!xol_count(counts_of_areas[i], &count))
			return false;
		/* below zero, if something was given back twice */
		counts[i] = count;
	}
	return true;
}

/*
 * How much of this test's areas is left, its processes being gone. The last to use an
 * mm may be a kernel thread, which drops it a little later.
 */
static unsigned long leaked(const long before[AREA_COUNTS])
{
	unsigned long left = 0;
	long now[AREA_COUNTS];

	for (unsigned int tries = PATIENCE * 10; tries && count_areas(now); tries--) {
		left = 0;
		for (unsigned int i = 0; i < AREA_COUNTS; i++)
			left += now[i] > before[i] ? now[i] - before[i] :
				now[i] < 0 ? -now[i] : 0;
		if (!left)
			break;
		sleep_milliseconds(100);
	}
	return left;
}

__noreturn void usage(const char *name)
{
	fprintf(stderr, "Usage: %s [--seconds N] [--threads N] [--seed N]\n", name);
	exit(KSFT_FAIL);
}

int main(int argc, char **argv)
{
	enum { SECONDS = 1, THREADS, SEED };
	static const struct option long_options[] = {
		{ "seconds", required_argument, NULL, SECONDS },
		{ "threads", required_argument, NULL, THREADS },
		{ "seed", required_argument, NULL, SEED },
		{}
	};
	long areas[AREA_COUNTS];
	bool areas_told;
	int option, result;

	if (argc == 2 && !strcmp(argv[1], CALL_UNCOUNTED))
		return call_all_uncounted();
	options.seed = time(NULL) ^ (uint64_t)getpid() << 32;
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (option) {
		case SECONDS:
			options.seconds = number_option(argv[0], optarg, 0, 1000000, NULL);
			break;
		case THREADS:
			options.threads = number_option(argv[0], optarg, 0, 4096, NULL);
			break;
		case SEED:
			options.seed = number_option(argv[0], optarg, 0, UINT64_MAX, NULL);
			break;
		default:
			usage(argv[0]);
		}
	}
	if (optind < argc)
		usage(argv[0]);

	ksft_print_header();
	ksft_set_plan(1);
	ksft_print_msg("seed %" PRIu64 ", %u seconds, %u threads\n", options.seed,
		       options.seconds, options.threads);
	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tally == MAP_FAILED)
		ksft_exit_fail_perror("mmap");
	faults_injectable = !faults_lack();
	if (faults_injectable)
		faults_prepare();
	areas_told = count_areas(areas);
	result = run_isolated(do_everything, NULL, options.seconds + PATIENCE);
	if (faults_injectable)
		faults_restore();
	if (areas_told) {
		unsigned long left = leaked(areas);

		ksft_print_msg("stress: leaked %lu\n", left);
		if (left)
			result = KSFT_FAIL;
	}
	ksft_test_result_report(result, "stress\n");
	ksft_finished();
}
