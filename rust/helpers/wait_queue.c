// SPDX-License-Identifier: GPL-2.0

#include <linux/sched/signal.h>
#include <linux/wait.h>

__rust_helper int
rust_helper_waitqueue_active(struct wait_queue_head *wq_head)
{
	/* The barrier is the caller's, see WaitQueue::is_active(). */
	return waitqueue_active(wq_head);
}

__rust_helper int rust_helper_fatal_signal_pending(struct task_struct *p)
{
	return fatal_signal_pending(p);
}
