/* SPDX-License-Identifier: GPL-2.0 */
/* No slot in C is boosted. */
