// SPDX-License-Identifier: GPL-2.0

#include <linux/sched/signal.h>
#include <linux/wait.h>

__rust_helper int
rust_helper_waitqueue_active(struct wait_queue_head *wq_head)
{
	/* The barrier is the caller's, see WaitQueue::is_active(). */
	return waitqueue_active(wq_head);
}

__rust_helper void
rust_helper_init_waitqueue_entry(struct wait_queue_entry *wq_entry,
				 struct task_struct *p)
{
	init_waitqueue_entry(wq_entry, p);
	INIT_LIST_HEAD(&wq_entry->entry);
}

__rust_helper bool
rust_helper_wait_queue_is_first(struct wait_queue_head *wq_head,
				struct wait_queue_entry *wq_entry)
{
	return READ_ONCE(wq_head->head.next) == &wq_entry->entry;
}

__rust_helper int rust_helper_fatal_signal_pending(struct task_struct *p)
{
	return fatal_signal_pending(p);
}
