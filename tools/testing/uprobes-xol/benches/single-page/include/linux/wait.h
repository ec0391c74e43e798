/* SPDX-License-Identifier: GPL-2.0 */
/* A wait queue whose waiters are all woken, with a spinlock, on a futex. */
#ifndef _HOST_LINUX_WAIT_H
#define _HOST_LINUX_WAIT_H

#include <linux/compiler.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

struct wait_link {
	struct wait_link	*next, *prev;
};

/* as large as in the kernel */
typedef struct {
	int			lock;
	struct wait_link	entries;
} wait_queue_head_t;

struct wait_queue_entry {
	struct wait_link	link;	/* first; to itself if it is in no queue */
	int			sleeps;	/* the futex */
};

static inline void wait_link_init(struct wait_link *link)
{
	link->next = link->prev = link;
}

static inline void wait_link_del(struct wait_link *link)
{
	WRITE_ONCE(link->prev->next, link->next);
	WRITE_ONCE(link->next->prev, link->prev);
	wait_link_init(link);
}

static inline void init_waitqueue_head(wait_queue_head_t *wq)
{
	wq->lock = 0;
	wait_link_init(&wq->entries);
}

static inline bool waitqueue_active(wait_queue_head_t *wq)
{
	return READ_ONCE(wq->entries.next) != &wq->entries;
}

static inline void wait_lock(wait_queue_head_t *wq)
{
	while (__atomic_exchange_n(&wq->lock, 1, __ATOMIC_ACQUIRE))
		while (READ_ONCE(wq->lock))
			cpu_relax();
}

static inline void wait_unlock(wait_queue_head_t *wq)
{
	__atomic_store_n(&wq->lock, 0, __ATOMIC_RELEASE);
}

static inline void prepare_to_wait(wait_queue_head_t *wq, struct wait_queue_entry *entry)
{
	struct wait_link *last, *link = &entry->link;

	wait_lock(wq);
	if (link->next == link) {
		last = wq->entries.prev;
		link->prev = last;
		link->next = &wq->entries;
		wq->entries.prev = link;
		WRITE_ONCE(last->next, link);
	}
	WRITE_ONCE(entry->sleeps, 1);
	/* Pairs with the barrier of the task that frees a slot. */
	smp_mb();
	wait_unlock(wq);
}

static inline void finish_wait(wait_queue_head_t *wq, struct wait_queue_entry *entry)
{
	wait_lock(wq);
	wait_link_del(&entry->link);
	wait_unlock(wq);
}

/* Sleeps, unless the task was woken meanwhile. */
static inline void wait_schedule(struct wait_queue_entry *entry)
{
	while (__atomic_load_n(&entry->sleeps, __ATOMIC_ACQUIRE))
		syscall(SYS_futex, &entry->sleeps, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);
}

/* The entries are those of tasks that need the lock before they leave. */
static __attribute__((__cold__, __unused__)) void wake_up(wait_queue_head_t *wq)
{
	struct wait_link *link, *next;

	wait_lock(wq);
	for (link = wq->entries.next; link != &wq->entries; link = next) {
		struct wait_queue_entry *entry = (struct wait_queue_entry *)link;

		next = link->next;
		if (__atomic_exchange_n(&entry->sleeps, 0, __ATOMIC_SEQ_CST)) {
			wait_link_del(link);
			syscall(SYS_futex, &entry->sleeps, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
		}
	}
	wait_unlock(wq);
}

/* There are no signals here. */
#define wait_event_killable(wq, condition) ({				\
	if (!(condition)) {						\
		struct wait_queue_entry __entry;			\
									\
		wait_link_init(&__entry.link);				\
		for (;;) {						\
			prepare_to_wait(&(wq), &__entry);		\
			if (condition)					\
				break;					\
			wait_schedule(&__entry);			\
		}							\
		finish_wait(&(wq), &__entry);				\
	}								\
	0;								\
})

#endif
