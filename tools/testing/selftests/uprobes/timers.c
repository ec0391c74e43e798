// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>
#include <sys/syscall.h>

#include "kselftest.h"
#include "timers.h"

/* Nanoseconds between interruptions, at most so many, to begin with and ever */
#define FIRST_LIMIT	5000UL
#define LEAST_LIMIT	1000UL
#define MOST_LIMIT	20000000UL
/* What the next delay is longer by: prime to all limits, so that it gets about */
#define STRIDE		997

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id	_sigev_un._tid
#endif

static void (*interruption_seen)(ucontext_t *context);

static __thread struct {
	timer_t timer;
	const unsigned long *progress;
	unsigned long progress_before, interruptions, delay, limit;
	bool stopped;
} own;

static void arm(unsigned long nanoseconds)
{
	struct itimerspec when = { .it_value.tv_nsec = nanoseconds };

	if (timer_settime(own.timer, 0, &when, NULL))
		abort();
}

/*
 * A machine that is too slow for the limit would do nothing but handle signals,
 * so that gives way: by and by, and the other way round.
 */
static void interrupt(int signal, siginfo_t *info, void *context)
{
	unsigned long progress = *own.progress;
	int saved_errno = errno;

	own.interruptions++;
	interruption_seen(context);
	if (progress == own.progress_before && own.limit < MOST_LIMIT)
		own.limit *= 2;
	else if (progress > own.progress_before + 1 && own.limit > LEAST_LIMIT)
		own.limit -= own.limit / 8;
	own.progress_before = progress;
	own.delay = (own.delay + STRIDE) % own.limit;
	if (!own.stopped)
		arm(own.delay + 1);
	errno = saved_errno;
}

void timers_prepare(void (*seen)(ucontext_t *context))
{
	struct sigaction action = {
		.sa_sigaction = interrupt,
		.sa_flags = SA_SIGINFO | SA_RESTART,
	};

	interruption_seen = seen;
	if (sigaction(SIGALRM, &action, NULL))
		ksft_exit_fail_perror("sigaction");
}

void timer_start(const unsigned long *progress)
{
	struct sigevent event = {
		.sigev_notify = SIGEV_THREAD_ID,
		.sigev_signo = SIGALRM,
		.sigev_notify_thread_id = syscall(__NR_gettid),
	};

	own.progress = progress;
	own.limit = FIRST_LIMIT;
	if (timer_create(CLOCK_MONOTONIC, &event, &own.timer))
		ksft_exit_fail_perror("timer_create");
	arm(1);
}

unsigned long timer_stop(void)
{
	/* the handler must not find a timer that is gone */
	own.stopped = true;
	timer_delete(own.timer);
	return own.interruptions;
}
