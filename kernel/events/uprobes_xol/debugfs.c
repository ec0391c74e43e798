// SPDX-License-Identifier: GPL-2.0
/* Counts over the XOL areas of all processes: /sys/kernel/debug/uprobes_xol */
#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/percpu.h>
#include <linux/seq_file.h>

#include "../uprobes_xol.h"

/* Counts of one CPU. They may be negative: a slot may be freed on another CPU. */
struct debugfs_counts {
	long	of[UPROBE_XOL_COUNTS];
};

static DEFINE_PER_CPU(struct debugfs_counts, debugfs_counts);

static const char * const debugfs_names[UPROBE_XOL_COUNTS] = {
	[UPROBE_XOL_COUNT_SLOTS]	= "slots",
	[UPROBE_XOL_COUNT_PAGES]	= "pages",
	[UPROBE_XOL_COUNT_TASKS]	= "tasks",
	[UPROBE_XOL_COUNT_RECYCLES]	= "recycles",
	[UPROBE_XOL_COUNT_WAITS]	= "waits",
	[UPROBE_XOL_COUNT_BOOSTED]	= "boosted",
	[UPROBE_XOL_COUNT_UNBOOSTED]	= "unboosted",
	[UPROBE_XOL_COUNT_RECLAIMS]	= "reclaims",
	[UPROBE_XOL_COUNT_BOOST_PAGES]	= "boost_pages",
	[UPROBE_XOL_COUNT_BOOST_AREAS]	= "boost_areas",
};

void uprobe_xol_count(enum uprobe_xol_counter counter, long change)
{
	this_cpu_add(debugfs_counts.of[counter], change);
}

static int debugfs_show(struct seq_file *file, void *unused)
{
	for (int i = 0; i < UPROBE_XOL_COUNTS; i++) {
		long sum = 0;
		int cpu;

		for_each_possible_cpu(cpu)
			sum += READ_ONCE(per_cpu(debugfs_counts, cpu).of[i]);
		/* The sum may be negative if other CPUs count at the same time. */
		seq_printf(file, "%s %ld\n", debugfs_names[i], sum);
	}
	/* Slot 0 holds the trampoline. */
	seq_printf(file, "limit %d\n", UPROBE_XOL_PAGES * UPROBE_XOL_SLOTS_PER_PAGE - 1);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(debugfs);

static int __init debugfs_uprobes_xol_init(void)
{
	debugfs_create_file("uprobes_xol", 0444, NULL, NULL, &debugfs_fops);
	return 0;
}
late_initcall(debugfs_uprobes_xol_init);
