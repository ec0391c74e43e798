// SPDX-License-Identifier: GPL-2.0
/*
 * Instructions that need not be stepped, in tight loops: very many of them, probes
 * that are replaced by others under the threads that hit them, several consumers,
 * what ends, stops and copies processes, and the switch of kernels that boost.
 * Every execution is counted once and has its effect.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "functions.h"
#include "groups.h"
#include "probe.h"
#include "rounds.h"
#include "slots.h"
#include "threads.h"

#define NUMBER		3
#define THREADS		8
#define ROUNDS		500
#define PATIENCE	60
#define TIME_LIMIT	600
/* Rounds made by this program when it is executed with this argument */
#define EXEC_ARGUMENT	"round-and-exit"
#define EXEC_ROUNDS	10

/* Shared with all processes */
static struct tally {
	unsigned long rounds;
	unsigned int wrong;
	bool stop;
} *tally;

static struct tally *make_tally(void)
{
	struct tally *new = mmap(NULL, sizeof(*new), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (new == MAP_FAILED)
		ksft_exit_fail_perror("mmap");
	return new;
}

static void note_wrong(void)
{
	__atomic_add_fetch(&tally->wrong, 1, __ATOMIC_RELAXED);
}

static bool stopped(void)
{
	return __atomic_load_n(&tally->stop, __ATOMIC_RELAXED);
}

static void stop(struct threads *threads)
{
	__atomic_store_n(&tally->stop, true, __ATOMIC_RELAXED);
	threads_join(threads);
}

/* Counts each round as it is done: who is killed has one that is not counted. */
static void do_round(unsigned long argument)
{
	if (round_function(argument) != round_result(argument))
		note_wrong();
	__atomic_add_fetch(&tally->rounds, 1, __ATOMIC_RELAXED);
}

static void do_rounds(unsigned int index)
{
	for (unsigned int i = 0; i < ROUNDS; i++)
		do_round(index + i);
}

static void do_rounds_until_stopped(unsigned int index)
{
	for (unsigned long i = index; !stopped(); i++)
		do_round(i);
}

/* Very many probes in one process */

/* Enough where nothing is boosted: many times the slots of a page */
#define MANY_STEPPED	1000
#define MANY_ROUNDS	5
#define MANY_THREADS	4

FIXTURE(many) {
	int counters;
};

/* Functions that are called */
static unsigned int many = MANY_FUNCTIONS;

static int attach_to_many(unsigned int number, int counters)
{
	static const void *addresses[MANY_FUNCTIONS];

	for (unsigned int i = 0; i < number; i++)
		addresses[i] = many_function(i);
	return probe_attach_each(addresses, number, counters);
}

FIXTURE_SETUP(many)
{
	tally = make_tally();
	self->counters = counters_create(MANY_FUNCTIONS);
}

FIXTURE_TEARDOWN(many)
{
	EXPECT_EQ(tally->wrong, 0);
}

static void call_each(unsigned int index)
{
	for (unsigned int i = 0; i < many; i++) {
		unsigned int number = (i + index * many / MANY_THREADS) % many;

		if (call_many_function(number) != number)
			note_wrong();
	}
}

static void call_each_often(unsigned int index)
{
	for (unsigned int i = 0; i < MANY_ROUNDS; i++)
		call_each(index);
}

TEST_F_TIMEOUT(many, each_counted, TIME_LIMIT)
{
	int probes;

	if (!boost_is_on())
		many = MANY_STEPPED;
	probes = attach_to_many(many, self->counters);
	threads_run(MANY_THREADS, call_each_often);
	for (unsigned int i = 0; i < many; i++) {
		EXPECT_EQ(counters_read(self->counters, i), MANY_THREADS * MANY_ROUNDS)
			TH_LOG("function %u", i);
	}
	EXPECT_TRUE(xol_area_mapped());
	close(probes);
}

/* Other probes, and other instructions, under threads that run on */

#define RUNNERS		64
#define WINDOWS		5
#define WINDOW		20
#define VERSIONS	40

FIXTURE(replaced) {
	int counters;
};

FIXTURE_SETUP(replaced)
{
	tally = make_tally();
	self->counters = counters_create(WINDOWS * WINDOW);
}

FIXTURE_TEARDOWN(replaced)
{
	EXPECT_EQ(tally->wrong, 0);
}

static void call_windows_until_stopped(unsigned int index)
{
	unsigned int number = index * (WINDOWS * WINDOW / RUNNERS);

	for (unsigned long round = 0; !stopped(); round++) {
		if (call_many_function(number) != number)
			note_wrong();
		number = (number + 1) % (WINDOWS * WINDOW);
		give_way_at_times(round);
	}
}

TEST_F_TIMEOUT(replaced, by_other_probes, TIME_LIMIT)
{
	struct threads *threads = threads_start(RUNNERS, call_windows_until_stopped);
	/* boosted: twice, as slots of the first ones may be there yet */
	unsigned int passes = boost_is_on() ? 2 : 1;
	const void *addresses[WINDOW];
	int probes;

	for (unsigned int i = 0; i < passes * WINDOWS; i++) {
		unsigned int window = i % WINDOWS;
		uint64_t before = counters_read(self->counters, 0);

		for (unsigned int j = 0; j < WINDOW; j++)
			addresses[j] = many_function(window * WINDOW + j);
		probes = probe_attach_many(addresses, WINDOW, self->counters, 0);
		counters_wait_for(self->counters, 0, before + 4 * RUNNERS);
		close(probes);
	}
	stop(threads);

	self->counters = counters_create(WINDOWS * WINDOW);
	probes = attach_to_many(WINDOWS * WINDOW, self->counters);
	for (unsigned int i = 0; i < WINDOWS * WINDOW; i++) {
		EXPECT_EQ(call_many_function(i), i);
		EXPECT_EQ(counters_read(self->counters, i), 1);
	}
	close(probes);
}

/*
 * Two files with another instruction at the same place, which are mapped in turn at
 * the same address. Odd versions are on their way.
 */
static const char *code;
static unsigned int version;

static unsigned int result_of_version(unsigned int of)
{
	return NUMBER + of / 2 % 2;
}

static void call_version_until_stopped(unsigned int index)
{
	for (unsigned long round = 0; !stopped(); round++) {
		unsigned int before = __atomic_load_n(&version, __ATOMIC_SEQ_CST), result, after;

		result = call_numbered_at(code);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		after = __atomic_load_n(&version, __ATOMIC_SEQ_CST);
		if (result != NUMBER && result != NUMBER + 1)
			note_wrong();
		if (before == after && !(before % 2) && result != result_of_version(before))
			note_wrong();
		give_way_at_times(round);
	}
}

/* A file of one page, with functions from @number on; @path: for mkstemp() */
static int make_file(char *path, unsigned int number)
{
	size_t size = sysconf(_SC_PAGESIZE);
	int file = mkstemp(path);

	if (file < 0 || ftruncate(file, size) ||
	    pwrite(file, numbered_function(number), NUMBERED_FUNCTION_SIZE, 0) !=
	    NUMBERED_FUNCTION_SIZE)
		ksft_exit_fail_perror(path);
	return file;
}

TEST_F_TIMEOUT(replaced, by_other_code, TIME_LIMIT)
{
	char paths[2][32] = { "/tmp/uprobes-XXXXXX", "/tmp/uprobes-XXXXXX" };
	size_t size = sysconf(_SC_PAGESIZE);
	struct threads *threads;
	int files[2], probes[2];
	void *at = NULL;

	for (unsigned int i = 0; i < 2; i++) {
		struct probe_at probe = { .path = paths[i] };

		files[i] = make_file(paths[i], NUMBER + i);
		probes[i] = probe_attach_at(&probe, program_count(self->counters, i));
	}
	at = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_PRIVATE, files[0], 0);
	ASSERT_NE(at, MAP_FAILED);
	code = at;
	threads = threads_start(RUNNERS, call_version_until_stopped);
	for (unsigned int i = 1; i <= VERSIONS; i++) {
		uint64_t before;

		__atomic_add_fetch(&version, 1, __ATOMIC_SEQ_CST);
		ASSERT_EQ(mmap(at, size, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED,
			       files[i % 2], 0), at);
		__atomic_add_fetch(&version, 1, __ATOMIC_SEQ_CST);
		before = counters_read(self->counters, i % 2);
		counters_wait_for(self->counters, i % 2, before + RUNNERS);
	}
	stop(threads);
	for (unsigned int i = 0; i < 2; i++) {
		close(probes[i]);
		close(files[i]);
		unlink(paths[i]);
	}
}

/* Several consumers at the same place */

/* Counters behind those of the instructions */
enum { ENTRIES, MORE_ENTRIES, RETURNS, MORE_RETURNS, CONSUMERS };

FIXTURE(consumers) {
	int counters;
	unsigned int sites;
};

FIXTURE_SETUP(consumers)
{
	tally = make_tally();
	self->sites = round_sites();
	self->counters = counters_create(self->sites + CONSUMERS);
}

FIXTURE_TEARDOWN(consumers)
{
	EXPECT_EQ(tally->wrong, 0);
}

TEST_F_TIMEOUT(consumers, entries_and_returns, TIME_LIMIT)
{
	int probes[CONSUMERS + 1];

	for (unsigned int i = 0; i < CONSUMERS; i++) {
		int program = program_count(self->counters, self->sites + i);

		probes[i] = i < RETURNS ? probe_attach(round_function, program) :
					  probe_attach_return(round_function, program);
	}
	probes[CONSUMERS] = probe_attach_each(__start_round_sites, self->sites,
					      self->counters);
	threads_run(THREADS, do_rounds);
	for (unsigned int i = 0; i < self->sites + CONSUMERS; i++) {
		EXPECT_EQ(counters_read(self->counters, i), tally->rounds)
			TH_LOG("counter %u", i);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(probes); i++)
		close(probes[i]);
}

static void call_next(unsigned int index)
{
	for (unsigned int i = 0; i < ROUNDS; i++)
		if (call_numbered(NUMBER) != NUMBER + 1)
			note_wrong();
}

/* A consumer has the thread go on elsewhere: the instruction is not executed. */
TEST_F_TIMEOUT(consumers, one_changes_the_ip, TIME_LIMIT)
{
	int other, jump;

	other = probe_attach(numbered_function(NUMBER),
			     program_count(self->counters, MORE_ENTRIES));
	EXPECT_EQ(call_numbered(NUMBER), NUMBER);
	jump = probe_attach(numbered_function(NUMBER),
			    program_jump(self->counters, ENTRIES, NUMBERED_FUNCTION_SIZE));
	ASSERT_EQ(call_numbered(NUMBER), NUMBER + 1);
	threads_run(THREADS, call_next);
	close(jump);
	EXPECT_EQ(call_numbered(NUMBER), NUMBER);
	EXPECT_EQ(counters_read(self->counters, ENTRIES), 1 + THREADS * ROUNDS);
	EXPECT_EQ(counters_read(self->counters, MORE_ENTRIES), 3 + THREADS * ROUNDS);
	close(other);
}

/* What happens to the process while its threads are in the loop */

#define EVENTS		20
#define STOPS		200

FIXTURE(process) {
	int counters;
	int probes;
	unsigned int sites;
};

FIXTURE_SETUP(process)
{
	tally = make_tally();
	self->sites = round_sites();
	self->counters = counters_create(self->sites);
	self->probes = probe_attach_each(__start_round_sites, self->sites,
					 self->counters);
}

/* As many as there were; of threads that were killed, the last round is not known. */
#define EXPECT_COUNTED(killed) do {					\
	for (unsigned int site = 0; site < self->sites; site++) {	\
		uint64_t counted = counters_read(self->counters, site);	\
									\
		EXPECT_GE(counted, tally->rounds)			\
			TH_LOG("instruction %u of round_function", site); \
		EXPECT_LE(counted, tally->rounds + (killed))		\
			TH_LOG("instruction %u of round_function", site); \
	}								\
} while (0)

FIXTURE_TEARDOWN(process)
{
	EXPECT_EQ(tally->wrong, 0);
	close(self->probes);
}

TEST_F_TIMEOUT(process, stopped_and_continued, TIME_LIMIT)
{
	unsigned int stops = 0;
	int status = 0;
	pid_t pid;

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		threads_run(THREADS, do_rounds);
		_exit(KSFT_PASS);
	}
	counters_wait_for(self->counters, 0, THREADS);
	/* then it runs freely: a stop may leave it time for a single hit */
	do {
		if (stops < STOPS)
			ASSERT_EQ(kill(pid, SIGSTOP), 0);
		ASSERT_EQ(waitpid(pid, &status, WUNTRACED), pid);
		if (WIFSTOPPED(status)) {
			stops++;
			ASSERT_EQ(kill(pid, SIGCONT), 0);
		}
	} while (WIFSTOPPED(status));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(WEXITSTATUS(status), KSFT_PASS);
	EXPECT_GE(stops, 1);
	EXPECT_EQ(tally->rounds, THREADS * ROUNDS);
	EXPECT_COUNTED(0);
}

static bool group_is_frozen(void)
{
	unsigned long frozen;

	return group_number("group/cgroup.events", "frozen", &frozen) && frozen;
}

TEST_F_TIMEOUT(process, frozen_and_thawed, TIME_LIMIT)
{
	unsigned int freezes = 0, i;
	int status = 0;
	pid_t pid, ended = 0;

	if (!groups_enter())
		SKIP(return, "no cgroup2: needs CONFIG_CGROUPS");
	ASSERT_EQ(mkdir("group", 0700), 0);

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		threads_run(THREADS, do_rounds);
		_exit(KSFT_PASS);
	}
	EXPECT_TRUE(group_move("group/cgroup.procs", pid));
	counters_wait_for(self->counters, 0, THREADS);
	while (freezes < STOPS && !ended) {
		uint64_t before;

		ASSERT_TRUE(group_write("group/cgroup.freeze", "1"));
		while (!group_is_frozen() && !ended) {
			ended = waitpid(pid, &status, WNOHANG);
			give_way();
		}
		freezes += !ended;
		before = counters_read(self->counters, 0);
		for (i = 0; i < 10; i++)
			give_way();
		EXPECT_EQ(counters_read(self->counters, 0), before);
		ASSERT_TRUE(group_write("group/cgroup.freeze", "0"));
	}
	if (!ended)
		ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(WEXITSTATUS(status), KSFT_PASS);
	EXPECT_GE(freezes, 1);
	EXPECT_EQ(tally->rounds, THREADS * ROUNDS);
	EXPECT_COUNTED(0);
	EXPECT_EQ(rmdir("group"), 0);
	groups_leave();
}

TEST_F_TIMEOUT(process, copied, TIME_LIMIT)
{
	struct threads *threads = threads_start(THREADS, do_rounds_until_stopped);

	for (unsigned int i = 0; i < EVENTS; i++) {
		pid_t pid;

		counters_wait_for(self->counters, 0, (i + 1) * THREADS);
		pid = fork();
		ASSERT_GE(pid, 0);
		if (!pid) {
			/* the area is not inherited */
			if (xol_area_mapped())
				_exit(KSFT_FAIL);
			do_round(i);
			_exit(xol_area_mapped() ? KSFT_PASS : KSFT_FAIL);
		}
		EXPECT_TRUE(exits_with(pid, KSFT_PASS));
	}
	stop(threads);
	EXPECT_COUNTED(0);
}

/* A process whose main thread goes on when the others are in the loop */
static pid_t start_threads(int counters)
{
	uint64_t before = counters_read(counters, 0);
	pid_t pid = fork();

	if (pid < 0)
		ksft_exit_fail_perror("fork");
	if (!pid) {
		threads_start(THREADS, do_rounds_until_stopped);
		counters_wait_for(counters, 0, before + 4 * THREADS);
	}
	return pid;
}

static void execute(unsigned int index)
{
	execl("/proc/self/exe", "boosted", EXEC_ARGUMENT, NULL);
	note_wrong();
}

TEST_F_TIMEOUT(process, replaced, TIME_LIMIT)
{
	for (unsigned int i = 0; i < EVENTS; i++) {
		pid_t pid = start_threads(self->counters);

		if (!pid) {
			/* by the main thread and by another one */
			if (i % 2)
				threads_run(1, execute);
			execute(0);
			_exit(KSFT_FAIL);
		}
		EXPECT_TRUE(exits_with(pid, KSFT_PASS));
	}
	tally->rounds += EVENTS * EXEC_ROUNDS;
	EXPECT_COUNTED(EVENTS * THREADS);
}

TEST_F_TIMEOUT(process, killed, TIME_LIMIT)
{
	for (unsigned int i = 0; i < EVENTS; i++) {
		uint64_t before = counters_read(self->counters, 0);
		pid_t pid = start_threads(self->counters);
		int status;

		if (!pid)
			for (;;)
				pause();
		counters_wait_for(self->counters, 0, before + 4 * THREADS);
		ASSERT_EQ(kill(pid, SIGKILL), 0);
		ASSERT_EQ(waitpid(pid, &status, 0), pid);
		EXPECT_TRUE(WIFSIGNALED(status));
	}
	EXPECT_COUNTED(EVENTS * THREADS);
	do_round(0);
	EXPECT_TRUE(xol_area_mapped());
}

/* The switch */

#define SWITCHES	200

FIXTURE(switched) {
	int counters;
	int probes;
	unsigned int sites;
	bool before;
};

FIXTURE_SETUP(switched)
{
	self->before = boost_is_on();
	if (!boost_switch(true))
		SKIP(return, "nothing to switch: needs CONFIG_UPROBES_XOL_BOOST");
	tally = make_tally();
	self->sites = round_sites();
	self->counters = counters_create(self->sites);
	self->probes = probe_attach_each(__start_round_sites, self->sites,
					 self->counters);
}

FIXTURE_TEARDOWN(switched)
{
	boost_switch(self->before);
	EXPECT_EQ(tally->wrong, 0);
	close(self->probes);
}

TEST_F_TIMEOUT(switched, while_hit, TIME_LIMIT)
{
	struct threads *threads = threads_start(THREADS, do_rounds_until_stopped);

	for (unsigned int i = 0; i < SWITCHES; i++) {
		uint64_t before = counters_read(self->counters, 0);

		boost_switch(i % 2);
		EXPECT_EQ(boost_is_on(), i % 2);
		counters_wait_for(self->counters, 0, before + THREADS);
	}
	stop(threads);
	EXPECT_COUNTED(0);
}

/* Whether the rounds of a new process get as many slots boosted as wanted */
static int count_boosted(const void *argument)
{
	unsigned long wanted = *(const unsigned long *)argument, before, after, unboosted;

	boost_counts(&before, &unboosted);
	for (unsigned int i = 0; i < ROUNDS; i++)
		do_round(i);
	boost_counts(&after, &unboosted);
	if (after - before != wanted)
		ksft_print_msg("%lu slots are boosted, not %lu\n", after - before, wanted);
	return after - before == wanted ? KSFT_PASS : KSFT_FAIL;
}

/* Checks what the other tests rely on: these instructions are boosted, or none is. */
TEST_F_TIMEOUT(switched, boosts_or_not, TIME_LIMIT)
{
	unsigned long boosted, unboosted, all = round_sites_boosted(), none = 0;

	if (!boost_counts(&boosted, &unboosted))
		SKIP(return, "no boosted slots are counted in " XOL_COUNTS);
	EXPECT_EQ(run_isolated(count_boosted, &all, PATIENCE), KSFT_PASS);
	boost_switch(false);
	EXPECT_EQ(run_isolated(count_boosted, &none, PATIENCE), KSFT_PASS);
	EXPECT_COUNTED(0);
}

#if defined(__x86_64__)
/* An instruction that faults, and what the kernel logs of it if there is no handler */

static void load_from_nowhere(void)
{
	call_load(0, (void *)8);
}

static void divide_by_zero(void)
{
	divide_function(0);
}

FIXTURE(logged) {
};

FIXTURE_VARIANT(logged) {
	const void *site;
	void (*fault)(void);
	int signal;
};

FIXTURE_VARIANT_ADD(logged, page_fault) {
	.site = numbered_loads, .fault = load_from_nowhere, .signal = SIGSEGV,
};

FIXTURE_VARIANT_ADD(logged, division_by_zero) {
	.site = divide_site, .fault = divide_by_zero, .signal = SIGFPE,
};

FIXTURE_SETUP(logged)
{
	if (!boost_is_on())
		SKIP(return, "the log shows the slot of an instruction that is stepped");
}

FIXTURE_TEARDOWN(logged)
{
}

/* The ip in the line about that process: "name[pid]: segfault at 8 ip 401000 sp ..." */
static bool find_logged_ip(int log, pid_t pid, unsigned long *ip)
{
	char record[4096], name[16];

	snprintf(name, sizeof(name), "[%d]", pid);
	for (;;) {
		ssize_t size = read(log, record, sizeof(record) - 1);
		const char *found;

		if (size < 0 && errno == EPIPE)
			continue;	/* overwritten: on with the oldest left */
		if (size <= 0)
			return false;
		record[size] = 0;
		found = strstr(record, name);
		found = found ? strstr(found, " ip") : NULL;
		if (found && (sscanf(found, " ip %lx", ip) == 1 ||
			      sscanf(found, " ip:%lx", ip) == 1))
			return true;
	}
}

/* Checks that the log shows the ip of the program, not that of a slot. */
TEST_F_TIMEOUT(logged, with_the_programs_ip, TIME_LIMIT)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC), status;
	int counters = counters_create(1), probe;
	struct rlimit no_core = {};
	unsigned long ip;
	pid_t pid;

	ASSERT_GE(log, 0);
	ASSERT_GE(lseek(log, 0, SEEK_END), 0);
	probe = probe_attach(variant->site, program_count(counters, 0));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		signal(variant->signal, SIG_DFL);
		setrlimit(RLIMIT_CORE, &no_core);
		variant->fault();
		_exit(KSFT_FAIL);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(counters_read(counters, 0), 1);
	if (!find_logged_ip(log, pid, &ip))
		SKIP(return, "nothing is logged: needs debug.exception-trace=1");
	EXPECT_EQ(ip, (uintptr_t)variant->site);
	close(probe);
	close(log);
}
#endif

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], EXEC_ARGUMENT)) {
		tally = make_tally();
		for (unsigned int i = 0; i < EXEC_ROUNDS; i++)
			do_round(i);
		return tally->wrong ? KSFT_FAIL : KSFT_PASS;
	}
	return test_harness_run(argc, argv);
}
