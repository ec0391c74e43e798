// SPDX-License-Identifier: GPL-2.0
/* What the XOL areas of all processes have, as /sys/kernel/debug/uprobes_xol */
#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/percpu.h>
#include <linux/seq_file.h>
#include <linux/uprobes_xol.h>

/* A CPU's share, which may be negative: what one adds another may take away. */
struct uprobe_xol_counts {
	long	of[UPROBE_XOL_COUNTS];
};

static DEFINE_PER_CPU(struct uprobe_xol_counts, uprobe_xol_counts);

static const char * const names[UPROBE_XOL_COUNTS] = {
	[UPROBE_XOL_COUNT_SLOTS]	= "slots",
	[UPROBE_XOL_COUNT_PAGES]	= "pages",
	[UPROBE_XOL_COUNT_TASKS]	= "tasks",
	[UPROBE_XOL_COUNT_RECYCLES]	= "recycles",
	[UPROBE_XOL_COUNT_WAITS]	= "waits",
	[UPROBE_XOL_COUNT_BOOSTED]	= "boosted",
	[UPROBE_XOL_COUNT_UNBOOSTED]	= "unboosted",
	[UPROBE_XOL_COUNT_RECLAIMS]	= "reclaims",
};

void uprobe_xol_count(enum uprobe_xol_counter counter, long change)
{
	this_cpu_add(uprobe_xol_counts.of[counter], change);
}

static int uprobes_xol_show(struct seq_file *file, void *unused)
{
	for (int i = 0; i < UPROBE_XOL_COUNTS; i++) {
		long sum = 0;
		int cpu;

		for_each_possible_cpu(cpu)
			sum += READ_ONCE(per_cpu(uprobe_xol_counts, cpu).of[i]);
		/* Below zero if not all changes are seen that other CPUs make just now. */
		seq_printf(file, "%s %ld\n", names[i], sum);
	}
	/* But for the trampoline's */
	seq_printf(file, "limit %d\n", UPROBE_XOL_PAGES * UPROBE_XOL_SLOTS_PER_PAGE - 1);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(uprobes_xol);

static int __init uprobes_xol_debugfs_init(void)
{
	debugfs_create_file("uprobes_xol", 0444, NULL, NULL, &uprobes_xol_fops);
	return 0;
}
late_initcall(uprobes_xol_debugfs_init);
