// SPDX-License-Identifier: GPL-2.0
/*
 * Checks that random instructions do the same with a probe as without: registers, flags,
 * vector state, memory, the signal that ends the case and all that it tells, and one hit
 * for each execution. The instructions are made from opcode maps, or taken from this
 * program and from other ones and mutated. Each is executed in several random states,
 * in which some pointers lead to the ends of pages, to pages that cannot be written or
 * accessed, and nowhere.
 *
 * Each case is executed twice without a probe, to find out whether it is worth
 * comparing. Cases that differ are executed again, alone, and printed as a command line
 * that does the same.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "clock.h"
#include "fuzz.h"
#include "options.h"
#include "probe.h"

/* Per test, by default */
#define CASES		2048
#define SECONDS		2
/* Seconds: many times what one batch takes on the slowest machine */
#define TIME_LIMIT	600
#define MOST_SECONDS	300
/* Differing instructions that are printed; each takes the time of many cases. */
#define MOST_PRINTED	2
#define MOST_TEXTS	16
#define ATTEMPTS	100000

/* Those with instructions that are common */
#if defined(__aarch64__)
#define OTHER_CLASSES	IN(CLASS_MEMORY)
#else
#define OTHER_CLASSES	0
#endif

static struct {
	uint64_t seed;
	unsigned long cases, seconds;
	struct text texts[MOST_TEXTS];
	unsigned int text_number;
	/* one case */
	struct fuzz_insn insn;
	uint64_t state;
	unsigned int place;
} options = { .seed = 1, .cases = CASES, .seconds = SECONDS };

static const char * const result_names[] = {
	"signal", "si_code", "si_addr", "hits", "memory", "vector state"
};

static const char *result_name(unsigned int word)
{
	return word < RESULT_CPU ? result_names[word] : cpu_result_names[word - RESULT_CPU];
}

static unsigned int result_number(void)
{
	unsigned int number = RESULT_CPU;

	while (cpu_result_names[number - RESULT_CPU])
		number++;
	return number;
}

enum attachment {
	/* programs that count */
	COUNTING,
	/* for tests of the comparison itself: no probe, and programs that change a register */
	NOTHING,
	CORRUPTING,
};

/**
 * struct fuzzer - a test
 * @classes: of instructions, one bit for each
 * @strict: DIFFERS_* bits of differences that are not tolerated
 * @state_kind: of the states in which they are executed
 * @disturbance: during the execution
 * @attachment: what is attached
 * @batch: the cases that are executed together
 * @alone: the same, for one case
 * @counters: the BPF map of @hits
 * @hits: counters, one for each place
 * @executed: cases that were executed with a probe
 * @refused: instructions on which the kernel puts no probe
 * @wrong_refusals: refusals with an error that is not one of refusals
 * @faulted: executed cases in which the instruction raised the signal
 * @unsteady: cases that differ, or end the process, without a probe
 * @differing: executed cases that differ with a probe
 * @printed: instructions of which a differing case was printed
 */
struct fuzzer {
	unsigned long classes;
	unsigned int strict;
	unsigned int state_kind;
	enum disturbance disturbance;
	enum attachment attachment;
	struct batch *batch, *alone;
	int counters;
	const uint64_t *hits;
	unsigned long executed, refused, wrong_refusals, faulted, unsteady, differing;
	unsigned int printed;
};

static void fuzzer_create(struct fuzzer *fuzzer)
{
	fuzz_prepare();
	fuzzer->batch = fuzz_batch();
	fuzzer->alone = fuzz_batch();
	fuzzer->batch->disturbance = fuzzer->disturbance;
	fuzzer->alone->disturbance = fuzzer->disturbance;
	fuzzer->counters = counters_create_mapped(PLACES, &fuzzer->hits);
}

/* Makes the instruction of number @index, the same for the same seed. */
static void make_insn(const struct fuzzer *fuzzer, unsigned long index, unsigned int place,
		      struct random *random, struct fuzz_insn *insn)
{
	const struct arena arena = fuzz_arena(place);
	enum insn_class class;

	random->state = options.seed;
	random->state = random_next(random) ^ index ^ fuzzer->classes << 40;
	do
		class = random_below(random, sizeof(fuzzer->classes) * CHAR_BIT);
	while (!(fuzzer->classes >> class & 1));
	if (cpu_known_insn(class, index, insn))
		return;
	for (unsigned int i = 0; i < ATTEMPTS; i++) {
		const struct text *text = one_in(random, 2) ? NULL :
			&options.texts[random_below(random, options.text_number)];

		if (cpu_make_insn(random, class, text, fuzz_site(place), &arena, insn))
			return;
	}
	ksft_exit_fail_msg("cannot make instructions of class %u\n", class);
}

static void fill_batch(const struct fuzzer *fuzzer, unsigned long first)
{
	struct batch *batch = fuzzer->batch;
	struct random random;

	memset(batch->results, 0, sizeof(batch->results));
	batch->first = 0;
	batch->number = PLACES;
	for (unsigned int place = 0; place < PLACES; place++) {
		make_insn(fuzzer, first + place, place, &random, &batch->insns[place]);
		for (unsigned int state = 0; state < STATES; state++) {
			uint64_t seed = random_next(&random);

			batch->states[place][state] = seed - seed % STATE_KINDS +
						      fuzzer->state_kind;
		}
	}
}

static void leave_out(struct batch *batch, unsigned int place)
{
	for (unsigned int run = 0; run < RUNS; run++)
		for (unsigned int state = 0; state < STATES; state++)
			batch->results[run][place][state].status = CASE_LEFT_OUT;
}

static int code_file(const struct batch *batch)
{
	static uint8_t code[CODE_BYTES];
	int file = memfd_create("code", MFD_CLOEXEC);

	fuzz_write_code(batch, code);
	if (file < 0 || write(file, code, sizeof(code)) != sizeof(code))
		ksft_exit_fail_perror("memfd_create");
	return file;
}

/* The kernel reports an error only to those who attach while the file is mapped. */
static bool is_refused_at(const char *path, unsigned int place)
{
	struct probe_at at = {
		.path = path,
		.offset = fuzz_offset(place),
	};
	int error = probe_refusal_at(&at);

	if (!cpu_refuses_with(error))
		ksft_print_msg("place %u is refused with error %d\n", place, error);
	return cpu_refuses_with(error);
}

/*
 * Leaves out the instructions without a breakpoint in a mapping of @file. When a file is
 * mapped that has probes, the kernel ignores those that it refuses.
 */
static void leave_out_refused(struct fuzzer *fuzzer, struct batch *batch, int file,
			      const char *path)
{
	uint8_t *code = mmap(NULL, CODE_BYTES, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);

	if (code == MAP_FAILED)
		ksft_exit_fail_perror("mmap");
	for (unsigned int i = 0; i < batch->number; i++) {
		unsigned int place = batch->first + i;
		const struct fuzz_insn *insn = &batch->insns[place];

		if (memcmp(code + fuzz_offset(place), insn->bytes, insn->length))
			continue;
		leave_out(batch, place);
		fuzzer->refused += batch == fuzzer->batch;
		/* A reported refusal takes the kernel as long as many cases. */
		if (fuzzer->refused == 1)
			fuzzer->wrong_refusals += !is_refused_at(path, place);
	}
	munmap(code, CODE_BYTES);
}

static int attach(const struct fuzzer *fuzzer, const struct batch *batch, const char *path)
{
	struct probe_at first = { .path = path };
	uint64_t offsets[PLACES];

	for (unsigned int i = 0; i < batch->number; i++)
		offsets[i] = fuzz_offset(batch->first + i);
	first.offset = offsets[0];
	if (fuzzer->attachment == CORRUPTING)
		return probe_attach_at(&first, program_corrupt(fuzzer->counters, 0));
	return probe_attach_each_at(path, offsets, batch->number, fuzzer->counters);
}

/* Executes a batch without and with probes. */
static void execute_batch(struct fuzzer *fuzzer, struct batch *batch, void (*unprobed)(void))
{
	int file = code_file(batch), probes = -1;
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	if (fuzzer->attachment != NOTHING) {
		probes = attach(fuzzer, batch, path);
		leave_out_refused(fuzzer, batch, file, path);
	}
	fuzz_execute(batch, RUN_UNPROBED, -1, NULL);
	fuzz_execute(batch, RUN_UNPROBED_AGAIN, -1, NULL);
	if (unprobed)
		unprobed();
	fuzz_execute(batch, RUN_PROBED, file, fuzzer->hits);
	if (probes >= 0)
		close(probes);
	close(file);
}

/* Whether a case was executed, and is the same in both runs without a probe */
static bool is_steady(const struct batch *batch, unsigned int place, unsigned int state)
{
	const struct result *first = &batch->results[RUN_UNPROBED][place][state];
	const struct result *again = &batch->results[RUN_UNPROBED_AGAIN][place][state];

	return first->status == CASE_DONE && again->status == CASE_DONE &&
	       !memcmp(first->words, again->words, sizeof(first->words));
}

static bool word_differs(const struct fuzzer *fuzzer, unsigned int word,
			 const struct result *unprobed, const struct result *probed)
{
	unsigned int kind = cpu_difference(word, unprobed->words, probed->words);

	return unprobed->words[word] != probed->words[word] &&
	       (!kind || fuzzer->strict & kind);
}

static bool differs(const struct fuzzer *fuzzer, const struct batch *batch,
		    unsigned int place, unsigned int state)
{
	const struct result *unprobed = &batch->results[RUN_UNPROBED][place][state];
	const struct result *probed = &batch->results[RUN_PROBED][place][state];

	if (probed->status != CASE_DONE)
		return true;
	for (unsigned int word = 0; word < result_number(); word++)
		if (word_differs(fuzzer, word, unprobed, probed))
			return true;
	return false;
}

/* The writable memory of the case that is executed alone, after each run */
static uint8_t *memory_unprobed;

static uint8_t *copy_memory(unsigned int place)
{
	struct arena arena = fuzz_arena(place);
	size_t size = ARENA_WRITABLE * arena.page;
	uint8_t *copy = malloc(size);

	if (!copy)
		ksft_exit_fail_msg("no memory\n");
	return memcpy(copy, (void *)arena.base, size);
}

static unsigned int place_alone;

static void keep_memory(void)
{
	free(memory_unprobed);
	memory_unprobed = copy_memory(place_alone);
}

static void print_bytes(const char *what, const uint8_t *unprobed, const uint8_t *probed,
			size_t size, uintptr_t base)
{
	for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
		uint64_t a, b;

		memcpy(&a, unprobed + i, sizeof(a));
		memcpy(&b, probed + i, sizeof(b));
		if (a == b)
			continue;
		ksft_print_msg("  %s at %#zx: unprobed %#" PRIx64 ", probed %#" PRIx64 "\n",
			       what, base + i, a, b);
		return;
	}
}

static void print_word(const char *what, unsigned int word, const struct result *unprobed,
		       const struct result *probed)
{
	ksft_print_msg("  %s%s: unprobed %#" PRIx64 ", probed %#" PRIx64 "\n", what,
		       result_name(word), unprobed->words[word], probed->words[word]);
}

static void print_difference(const struct fuzzer *fuzzer, const struct batch *batch,
			     unsigned int place)
{
	const struct result *unprobed = &batch->results[RUN_UNPROBED][place][0];
	const struct result *probed = &batch->results[RUN_PROBED][place][0];
	struct arena arena = fuzz_arena(place);
	unsigned int thread = place % FUZZ_THREADS;

	if (probed->status != CASE_DONE) {
		ksft_print_msg("  the process ends, or does not go on\n");
		return;
	}
	for (unsigned int word = 0; word < result_number(); word++) {
		if (!word_differs(fuzzer, word, unprobed, probed))
			continue;
		if (word == RESULT_MEMORY)
			print_bytes("memory", memory_unprobed, (void *)arena.base,
				    ARENA_WRITABLE * arena.page, arena.base);
		else if (word == RESULT_VECTOR)
			print_bytes("vector state", batch->vectors[RUN_UNPROBED][thread],
				    batch->vectors[RUN_PROBED][thread], VECTOR_BYTES, 0);
		else
			print_word("", word, unprobed, probed);
	}
}

/* Executes one case; returns whether it differs. */
static bool execute_alone(struct fuzzer *fuzzer, const struct fuzz_insn *insn,
			  unsigned int place, uint64_t state)
{
	struct batch *alone = fuzzer->alone;

	memset(alone->results, 0, sizeof(alone->results));
	leave_out(alone, place);
	alone->first = place;
	alone->number = 1;
	alone->insns[place] = *insn;
	alone->states[place][0] = state;
	for (unsigned int run = 0; run < RUNS; run++)
		alone->results[run][place][0].status = CASE_WANTED;
	place_alone = place;
	execute_batch(fuzzer, alone, keep_memory);
	return is_steady(alone, place, 0) && differs(fuzzer, alone, place, 0);
}

static void print_command(const struct fuzz_insn *insn, unsigned int place, uint64_t state)
{
	char bytes[2 * INSN_MOST_BYTES + 1];

	for (unsigned int i = 0; i < insn->length; i++)
		sprintf(bytes + 2 * i, "%02x", insn->bytes[i]);
	ksft_print_msg("insn_fuzz --bytes %s --at %u --state %#" PRIx64 "\n", bytes, place,
		       state);
}

static void report_difference(struct fuzzer *fuzzer, unsigned int place, unsigned int state)
{
	const struct fuzz_insn *insn = &fuzzer->batch->insns[place];
	uint64_t seed = fuzzer->batch->states[place][state];
	struct result (*results)[PLACES][STATES] = fuzzer->batch->results;
	struct result *unprobed = &results[RUN_UNPROBED][place][state];
	struct result *probed = &results[RUN_PROBED][place][state];

	print_command(insn, place, seed);
	if (execute_alone(fuzzer, insn, place, seed)) {
		print_difference(fuzzer, fuzzer->alone, place);
		return;
	}
	for (unsigned int word = 0; word < result_number(); word++)
		if (word_differs(fuzzer, word, unprobed, probed))
			print_word("not when alone: ", word, unprobed, probed);
}

/* Counts what became of a case; returns whether it differs. */
static bool compare_case(struct fuzzer *fuzzer, unsigned int place, unsigned int state)
{
	const struct batch *batch = fuzzer->batch;
	const struct result *unprobed = &batch->results[RUN_UNPROBED][place][state];
	const struct result *probed = &batch->results[RUN_PROBED][place][state];
	bool differing;

	/* The kernel refuses the probe, or there was no time. */
	if (unprobed->status == CASE_LEFT_OUT || unprobed->status == CASE_WANTED)
		return false;
	if (!is_steady(batch, place, state)) {
		fuzzer->unsteady++;
		return false;
	}
	/* The run has ended early. */
	if (probed->status == CASE_WANTED)
		return false;
	fuzzer->executed++;
	fuzzer->faulted += cpu_faulted(unprobed->words, fuzz_site(place));
	/* If the process ended, that may have been because of another thread's case. */
	differing = differs(fuzzer, batch, place, state) &&
		    (probed->status == CASE_DONE ||
		     execute_alone(fuzzer, &batch->insns[place], place,
				   batch->states[place][state]));
	fuzzer->differing += differing;
	return differing;
}

static void compare_batch(struct fuzzer *fuzzer)
{
	for (unsigned int place = 0; place < PLACES; place++) {
		bool printed = false;

		for (unsigned int state = 0; state < STATES; state++) {
			if (!compare_case(fuzzer, place, state) || printed ||
			    fuzzer->printed == MOST_PRINTED)
				continue;
			/* one state of each instruction */
			printed = true;
			fuzzer->printed++;
			report_difference(fuzzer, place, state);
		}
	}
}

static void fuzz(struct fuzzer *fuzzer)
{
	uint64_t end = now() + options.seconds * 1000000000ULL, begin;
	unsigned long first = 0;

	fuzzer_create(fuzzer);
	for (begin = now(); begin < end && fuzzer->executed < options.cases; begin = now()) {
		fill_batch(fuzzer, first);
		first += PLACES;
		fuzzer->batch->time = (end - begin) / RUNS;
		execute_batch(fuzzer, fuzzer->batch, NULL);
		compare_batch(fuzzer);
	}
	ksft_print_msg("seed %" PRIu64 ": %lu cases executed, %lu faulted, %lu differing\n",
		       options.seed, fuzzer->executed, fuzzer->faulted, fuzzer->differing);
	ksft_print_msg("%lu instructions refused, %lu cases left out\n", fuzzer->refused,
		       fuzzer->unsteady);
	if (fuzzer->disturbance)
		ksft_print_msg("%lu interruptions\n", fuzzer->batch->interrupted);
}

FIXTURE(insn_fuzz) {
	struct fuzzer fuzzer;
};

FIXTURE_VARIANT(insn_fuzz) {
	unsigned long classes;
	unsigned int strict;
	unsigned int state_kind;
};

#define OF(class)	.classes = IN(class), .state_kind = STATE_USUAL

FIXTURE_VARIANT_ADD(insn_fuzz, general) { OF(CLASS_GENERAL) };
FIXTURE_VARIANT_ADD(insn_fuzz, vector) { OF(CLASS_VECTOR) };
FIXTURE_VARIANT_ADD(insn_fuzz, branches) { OF(CLASS_BRANCHES) };
FIXTURE_VARIANT_ADD(insn_fuzz, relative) { OF(CLASS_RELATIVE) };

/* What the signal frame tells about faults */
FIXTURE_VARIANT_ADD(insn_fuzz, frame) {
	OF(CLASS_GENERAL), .strict = DIFFERS_IN_FRAME
};

#if defined(__x86_64__)
FIXTURE_VARIANT_ADD(insn_fuzz, avx) { OF(CLASS_AVX) };
FIXTURE_VARIANT_ADD(insn_fuzz, rep) { OF(CLASS_REP) };
FIXTURE_VARIANT_ADD(insn_fuzz, pushed_flags) { OF(CLASS_PUSHED_FLAGS) };
FIXTURE_VARIANT_ADD(insn_fuzz, prefixes) { OF(CLASS_PREFIXES) };
FIXTURE_VARIANT_ADD(insn_fuzz, umip) { OF(CLASS_UMIP) };

FIXTURE_VARIANT_ADD(insn_fuzz, far_branches) {
	.classes = IN(CLASS_FAR_BRANCHES), .state_kind = STATE_FAR_POINTERS
};

FIXTURE_VARIANT_ADD(insn_fuzz, aligned) {
	.classes = IN(CLASS_GENERAL) | IN(CLASS_BRANCHES), .state_kind = STATE_ALIGNED
};

#elif defined(__aarch64__)
FIXTURE_VARIANT_ADD(insn_fuzz, memory) { OF(CLASS_MEMORY) };
FIXTURE_VARIANT_ADD(insn_fuzz, indirect_branches) { OF(CLASS_INDIRECT_BRANCHES) };
FIXTURE_VARIANT_ADD(insn_fuzz, system) { OF(CLASS_SYSTEM) };
FIXTURE_VARIANT_ADD(insn_fuzz, vector_relative) { OF(CLASS_VECTOR_RELATIVE) };

FIXTURE_VARIANT_ADD(insn_fuzz, undefined) {
	OF(CLASS_UNDEFINED), .strict = DIFFERS_IN_ADDRESS
};

#endif

FIXTURE_SETUP(insn_fuzz)
{
	self->fuzzer = (struct fuzzer){
		.classes = variant->classes,
		.strict = variant->strict,
		.state_kind = variant->state_kind,
	};
}

FIXTURE_TEARDOWN(insn_fuzz)
{
}

/* Checks that each case is the same with a probe, and that refusals are refusals. */
TEST_F_TIMEOUT(insn_fuzz, same_effect_once, TIME_LIMIT)
{
	fuzz(&self->fuzzer);
	EXPECT_GT(self->fuzzer.executed + self->fuzzer.refused, 0);
	EXPECT_EQ(self->fuzzer.differing, 0);
	EXPECT_EQ(self->fuzzer.wrong_refusals, 0);
}

FIXTURE(interrupted) {
	struct fuzzer fuzzer;
};

FIXTURE_VARIANT(interrupted) {
	enum disturbance disturbance;
};

FIXTURE_VARIANT_ADD(interrupted, by_timers) { .disturbance = BY_TIMERS };
FIXTURE_VARIANT_ADD(interrupted, by_tracer) { .disturbance = BY_TRACER };

FIXTURE_SETUP(interrupted)
{
	self->fuzzer = (struct fuzzer){
		.classes = IN(CLASS_GENERAL) | IN(CLASS_VECTOR) | IN(CLASS_BRANCHES) |
			   IN(CLASS_RELATIVE) | OTHER_CLASSES,
		.state_kind = STATE_USUAL,
		.disturbance = variant->disturbance,
	};
}

FIXTURE_TEARDOWN(interrupted)
{
}

/*
 * Checks that each case is the same with a probe when threads are interrupted meanwhile,
 * and that an interruption finds no thread in [uprobes].
 */
TEST_F_TIMEOUT(interrupted, same_effect_once, TIME_LIMIT)
{
	fuzz(&self->fuzzer);
	EXPECT_GT(self->fuzzer.executed, 0);
	EXPECT_GT(self->fuzzer.batch->interrupted, 0);
	EXPECT_EQ(self->fuzzer.differing, 0);
	EXPECT_EQ(self->fuzzer.batch->seen_in_area, 0);
}

FIXTURE(control) {
	struct fuzzer fuzzer;
};

FIXTURE_VARIANT(control) {
	enum attachment attachment;
	unsigned int differing;
	unsigned int hits;
};

FIXTURE_VARIANT_ADD(control, nothing_is_wrong) { COUNTING, .differing = 0, .hits = 1 };
FIXTURE_VARIANT_ADD(control, probe_is_missing) { NOTHING, .differing = 1, .hits = 0 };
FIXTURE_VARIANT_ADD(control, register_is_changed) { CORRUPTING, .differing = 1, .hits = 1 };

FIXTURE_SETUP(control)
{
	self->fuzzer.attachment = variant->attachment;
	fuzzer_create(&self->fuzzer);
}

FIXTURE_TEARDOWN(control)
{
}

/* Checks that the comparison can fail, and that it fails for the right reason. */
TEST_F(control, as_expected)
{
	struct result (*results)[PLACES][STATES] = self->fuzzer.alone->results;
	struct result *unprobed = &results[RUN_UNPROBED][0][0];
	struct result *probed = &results[RUN_PROBED][0][0];
	unsigned int differing = 0;
	struct fuzz_insn insn;

	ASSERT_TRUE(cpu_known_insn(CLASS_GENERAL, 0, &insn));
	EXPECT_EQ(execute_alone(&self->fuzzer, &insn, 0, options.seed),
		  variant->differing > 0);
	ASSERT_EQ(probed->status, CASE_DONE);
	for (unsigned int word = 0; word < result_number(); word++)
		differing += word_differs(&self->fuzzer, word, unprobed, probed);
	EXPECT_EQ(differing, variant->differing);
	EXPECT_EQ(probed->words[RESULT_HITS], variant->hits);
}

__noreturn void usage(const char *name)
{
	fprintf(stderr,
		"Usage: %s [--seed NUMBER] [--cases NUMBER] [--seconds NUMBER]\n"
		"\t[--binary FILE]... [options of the harness]\n"
		"       %s --bytes INSTRUCTION --at PLACE --state NUMBER\n", name, name);
	exit(KSFT_FAIL);
}

static void add_text(const void *start, size_t size)
{
	if (options.text_number == MOST_TEXTS)
		ksft_exit_fail_msg("more than %d texts\n", MOST_TEXTS);
	options.texts[options.text_number++] = (struct text){ start, size };
}

/* Adds the executable segments of an ELF file. */
static void add_binary(const char *path)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	const Elf64_Phdr *segment;
	const Elf64_Ehdr *header;
	struct stat stat;

	if (file < 0 || fstat(file, &stat))
		ksft_exit_fail_msg("%s: %s\n", path, strerror(errno));
	header = mmap(NULL, stat.st_size, PROT_READ, MAP_PRIVATE, file, 0);
	if (header == MAP_FAILED || memcmp(header->e_ident, ELFMAG, SELFMAG) ||
	    header->e_ident[EI_CLASS] != ELFCLASS64)
		ksft_exit_fail_msg("%s: not a 64-bit ELF file\n", path);
	segment = (const void *)((const char *)header + header->e_phoff);
	for (unsigned int i = 0; i < header->e_phnum; i++, segment++)
		if (segment->p_type == PT_LOAD && segment->p_flags & PF_X)
			add_text((const char *)header + segment->p_offset,
				 segment->p_filesz);
	close(file);
}

static void parse_bytes(const char *name, const char *text)
{
	struct fuzz_insn *insn = &options.insn;
	int read;

	for (; *text; text += read) {
		if (insn->length == INSN_MOST_BYTES ||
		    sscanf(text, "%2hhx%n", &insn->bytes[insn->length++], &read) != 1)
			usage(name);
	}
}

static void parse_option(const char *name, const char *option, const char *text)
{
	if (!strcmp(option, "--seed"))
		options.seed = number_option(name, text, 0, UINT64_MAX, NULL);
	else if (!strcmp(option, "--cases"))
		options.cases = number_option(name, text, 0, ULONG_MAX, NULL);
	else if (!strcmp(option, "--seconds"))
		options.seconds = number_option(name, text, 0, MOST_SECONDS, NULL);
	else if (!strcmp(option, "--binary"))
		add_binary(text);
	else if (!strcmp(option, "--bytes"))
		parse_bytes(name, text);
	else if (!strcmp(option, "--at"))
		options.place = strcmp(text, "0") ?
			number_option(name, text, 0, PLACES - 1, NULL) : 0;
	else if (!strcmp(option, "--state"))
		options.state = number_option(name, text, 0, UINT64_MAX, NULL);
	else
		usage(name);
}

/* One case, with all that differs; its exit status tells whether anything does. */
static int fuzz_one_case(void)
{
	struct fuzzer fuzzer = { .strict = DIFFERS_IN_FRAME | DIFFERS_IN_ADDRESS };
	bool refused, differs;

	fuzzer_create(&fuzzer);
	if (!cpu_allows(&options.insn))
		ksft_exit_fail_msg("this instruction is never executed\n");
	differs = execute_alone(&fuzzer, &options.insn, options.place, options.state);
	refused = fuzzer.alone->results[RUN_PROBED][options.place][0].status == CASE_LEFT_OUT;
	if (differs)
		print_difference(&fuzzer, fuzzer.alone, options.place);
	ksft_print_msg("%s\n", refused ? "the kernel puts no probe there" :
		       !is_steady(fuzzer.alone, options.place, 0) ?
		       "the instruction does not always do the same" :
		       differs ? "the case differs" : "the case is the same with a probe");
	return differs ? KSFT_FAIL : KSFT_PASS;
}

int main(int argc, char **argv)
{
	add_text(__executable_start, etext - __executable_start);
	for (; argc > 2 && !strncmp(argv[1], "--", 2); argc -= 2) {
		parse_option(argv[0], argv[1], argv[2]);
		argv[2] = argv[0];
		argv += 2;
	}
	if (options.insn.length)
		return fuzz_one_case();
	return test_harness_run(argc, argv);
}
