// SPDX-License-Identifier: GPL-2.0
//! `make clean`: removes what was built from the cache.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result};

use crate::stage::Runner;

/// The directories with what was built. The sandbox, the source, compiled objects by
/// ccache and the crates stay.
const BUILT: [&str; 5] = ["build", "guest", "stamps", "log", "target"];

/// The stamps of what stays.
const KEPT: [&str; 3] = ["source", "apply", "herd7"];

pub fn run(runner: &Runner) -> Result<()> {
    let cache = &runner.paths.cache;
    let mut total = 0;
    for name in BUILT {
        let folder = cache.join(name);
        let freed = remove(&folder, &|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            path.parent() == Some(&cache.join("stamps")) && KEPT.contains(&&*name)
        })
        .with_context(|| format!("cannot remove {}", runner.paths.outside(&folder).display()))?;
        println!("{:8} {name}", megabytes(freed));
        total += freed;
    }
    println!(
        "{:8} freed in {}; source, ccache and sandbox stay",
        megabytes(total),
        runner.paths.outside(cache).display()
    );
    Ok(())
}

/// Removes what is at `path`, unless it is to be kept; returns the bytes that are freed.
fn remove(path: &Path, kept: &impl Fn(&Path) -> bool) -> std::io::Result<u64> {
    let Ok(meta) = fs::symlink_metadata(path) else {
        return Ok(0);
    };
    if kept(path) {
        return Ok(0);
    }
    if !meta.is_dir() {
        fs::remove_file(path)?;
        // Other links keep the contents.
        return Ok(if meta.nlink() > 1 {
            0
        } else {
            512 * meta.blocks()
        });
    }
    let mut freed = 512 * meta.blocks();
    for entry in fs::read_dir(path)? {
        freed += remove(&entry?.path(), kept)?;
    }
    // It is not empty if something is kept.
    let _ = fs::remove_dir(path);
    Ok(freed)
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::tests::runner;
    use crate::stage::write_file;

    /// Checks that the next call does not fetch the source again.
    #[test]
    fn what_is_not_built_stays() {
        let folder = tempfile::tempdir().unwrap();
        let runner = runner(folder.path());
        let files = [
            "build/x/y",
            "stamps/source",
            "stamps/x",
            "source/x",
            "ccache/x",
        ];
        for file in files {
            write_file(&runner.paths.cache.join(file), b"x").unwrap();
        }
        run(&runner).unwrap();
        let left = files.map(|file| runner.paths.cache.join(file).exists());
        assert_eq!(left, [false, true, false, true, true]);
        assert!(!runner.paths.cache.join("build").exists());
    }
}
