// SPDX-License-Identifier: GPL-2.0

//! Compiles the kernel's C file against the headers in `include/`.

use bindings::{UPROBE_XOL_INSN_SIZE, UPROBE_XOL_SLOT_SIZE};

const FOLDER: &str = "../../../../../kernel/events";

fn main() {
    let source = format!("{FOLDER}/uprobes_xol/single_page.c");
    for watched in [&source, &format!("{FOLDER}/uprobes_xol.h"), "include"] {
        println!("cargo::rerun-if-changed={watched}");
    }
    cc::Build::new()
        .file(source)
        .include("include")
        // As the kernel is compiled.
        .std("gnu11")
        .opt_level(2)
        .flag("-fno-strict-aliasing")
        .flag("-Wno-unused-parameter")
        .define("UPROBE_XOL_SLOT_BYTES", &*UPROBE_XOL_SLOT_SIZE.to_string())
        .define("UPROBE_INSN_BYTES", &*UPROBE_XOL_INSN_SIZE.to_string())
        .compile("single_page");
}
