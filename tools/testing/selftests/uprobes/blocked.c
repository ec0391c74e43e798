// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <linux/userfaultfd.h>

#include "kselftest.h"
#include "blocked.h"
#include "functions.h"
#include "probe.h"

#define STACK_SIZE	(256 * 1024)

struct blocked {
	int uffd;
	void *page;
	unsigned int number, wrong;
	struct blocked_thread {
		pthread_t id;
		struct blocked *all;
		const void *load;
	} threads[];
};

int missing_memory(void **start, size_t size, int flags)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int uffd = syscall(__NR_userfaultfd, O_CLOEXEC | flags);
	size_t page_size = sysconf(_SC_PAGESIZE);

	if (uffd < 0)
		give_up(KSFT_SKIP, "userfaultfd: %s: needs CONFIG_USERFAULTFD",
			strerror(errno));
	*start = mmap(NULL, page_size + size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (*start == MAP_FAILED)
		give_up(KSFT_FAIL, "mmap: %s", strerror(errno));
	*start += page_size;
	range.range.start = (uintptr_t)*start;
	range.range.len = size;
	if (ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &range))
		give_up(KSFT_FAIL, "userfaultfd: %s", strerror(errno));
	return uffd;
}

bool missing_memory_wait(int uffd, unsigned int seconds)
{
	struct pollfd fd = { .fd = uffd, .events = POLLIN };
	struct uffd_msg message;
	int ready;

	do
		ready = poll(&fd, 1, seconds * 1000);
	while (ready < 0 && errno == EINTR);
	return ready == 1 && read(uffd, &message, sizeof(message)) == sizeof(message) &&
	       message.event == UFFD_EVENT_PAGEFAULT;
}

void missing_memory_serve(int uffd, const void *start, size_t size)
{
	struct uffdio_zeropage zeropage = { .range = { (uintptr_t)start, size } };

	if (ioctl(uffd, UFFDIO_ZEROPAGE, &zeropage))
		give_up(KSFT_FAIL, "UFFDIO_ZEROPAGE: %s", strerror(errno));
}

static void *load(void *argument)
{
	struct blocked_thread *thread = argument;

	if (call_load_at(thread->load, thread->all->page))
		__atomic_add_fetch(&thread->all->wrong, 1, __ATOMIC_RELAXED);
	return NULL;
}

int blocked_attach(unsigned int number, int counters, unsigned int index)
{
	const void *addresses[NUMBERED_FUNCTIONS];

	if (number > NUMBERED_FUNCTIONS)
		ksft_exit_fail_msg("%u loads: there are not so many\n", number);
	for (unsigned int i = 0; i < number; i++)
		addresses[i] = numbered_load(i);
	return probe_attach_many(addresses, number, counters, index);
}

/* Each thread's fault is a message of its own, though the page is the same. */
bool blocked_wait(struct blocked *blocked, unsigned int seconds)
{
	return missing_memory_wait(blocked->uffd, seconds);
}

bool blocked_start(struct blocked **blocked, unsigned int number,
		   unsigned int loads, unsigned int seconds)
{
	return blocked_start_in(blocked, numbered_loads, number, loads, seconds);
}

bool blocked_start_in(struct blocked **result, const char *copy, unsigned int number,
		      unsigned int loads, unsigned int seconds)
{
	struct blocked *blocked;
	pthread_attr_t attr;
	unsigned int i;
	int error;

	blocked = calloc(1, sizeof(*blocked) + number * sizeof(blocked->threads[0]));
	if (!blocked || pthread_attr_init(&attr) ||
	    pthread_attr_setstacksize(&attr, STACK_SIZE))
		ksft_exit_fail_msg("no memory for %u threads\n", number);
	*result = blocked;

	blocked->number = number;
	blocked->uffd = missing_memory(&blocked->page, sysconf(_SC_PAGESIZE),
				       O_NONBLOCK | UFFD_USER_MODE_ONLY);

	for (i = 0; i < number; i++) {
		blocked->threads[i].all = blocked;
		blocked->threads[i].load = copy + i % loads * NUMBERED_FUNCTION_SIZE;
		error = pthread_create(&blocked->threads[i].id, &attr, load,
				       &blocked->threads[i]);
		if (error)
			ksft_exit_fail_msg("thread %u of %u: %s\n", i + 1, number,
					   strerror(error));
	}
	pthread_attr_destroy(&attr);
	for (i = 0; i < number; i++)
		if (!blocked_wait(blocked, seconds))
			return false;
	return true;
}

const void *blocked_page(const struct blocked *blocked)
{
	return blocked->page;
}

void blocked_signal(struct blocked *blocked, int signal)
{
	int error = pthread_kill(blocked->threads[0].id, signal);

	if (error)
		ksft_exit_fail_msg("pthread_kill: %s\n", strerror(error));
}

void blocked_serve(struct blocked *blocked)
{
	missing_memory_serve(blocked->uffd, blocked->page, sysconf(_SC_PAGESIZE));
}

unsigned int blocked_join(struct blocked *blocked)
{
	unsigned int i, wrong;

	for (i = 0; i < blocked->number; i++)
		pthread_join(blocked->threads[i].id, NULL);
	wrong = blocked->wrong;
	close(blocked->uffd);
	munmap(blocked->page - sysconf(_SC_PAGESIZE), 2 * sysconf(_SC_PAGESIZE));
	free(blocked);
	return wrong;
}
