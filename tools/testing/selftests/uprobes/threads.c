// SPDX-License-Identifier: GPL-2.0
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "kselftest.h"
#include "threads.h"

#define STACK_SIZE	(256 * 1024)

struct threads {
	pthread_barrier_t barrier;
	void (*function)(unsigned int index);
	unsigned int number;
	struct thread {
		pthread_t id;
		struct threads *all;
		unsigned int index;
	} thread[];
};

static void *run(void *argument)
{
	struct thread *thread = argument;

	pthread_barrier_wait(&thread->all->barrier);
	thread->all->function(thread->index);
	return NULL;
}

struct threads *threads_start(unsigned int number,
			      void (*function)(unsigned int index))
{
	struct threads *threads;
	pthread_attr_t attr;
	unsigned int i;
	int error;

	threads = malloc(sizeof(*threads) + number * sizeof(threads->thread[0]));
	if (!threads || pthread_barrier_init(&threads->barrier, NULL, number + 1) ||
	    pthread_attr_init(&attr) ||
	    pthread_attr_setstacksize(&attr, STACK_SIZE))
		ksft_exit_fail_msg("no memory for %u threads\n", number);

	threads->function = function;
	threads->number = number;
	for (i = 0; i < number; i++) {
		threads->thread[i].all = threads;
		threads->thread[i].index = i;
		error = pthread_create(&threads->thread[i].id, &attr, run,
				       &threads->thread[i]);
		if (error)
			ksft_exit_fail_msg("thread %u of %u: %s\n", i + 1, number,
					   strerror(error));
	}
	pthread_attr_destroy(&attr);
	pthread_barrier_wait(&threads->barrier);
	return threads;
}

void threads_join(struct threads *threads)
{
	unsigned int i;

	for (i = 0; i < threads->number; i++)
		pthread_join(threads->thread[i].id, NULL);
	pthread_barrier_destroy(&threads->barrier);
	free(threads);
}

void threads_run(unsigned int number, void (*function)(unsigned int index))
{
	threads_join(threads_start(number, function));
}
