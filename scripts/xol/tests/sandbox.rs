// SPDX-License-Identifier: GPL-2.0
//! The one piece of logic in `scripts/sandbox`: where packages come from.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// Runs the script's `sources` with an apt-get that prints `uris`, on a machine
/// whose os-release has `id`.
fn sources(id: &str, uris: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let apt = folder.path().join("apt-get");
    fs::write(&apt, format!("#!/bin/sh\ncat <<'E'\n{uris}E\n")).unwrap();
    fs::set_permissions(&apt, fs::Permissions::from_mode(0o755)).unwrap();
    let release = folder.path().join("os-release");
    fs::write(&release, format!("ID={id}\n")).unwrap();

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sandbox");
    let script = fs::read_to_string(script).unwrap();
    let start = script.find("sources() {").expect("no function sources");
    let length = script[start..].find("\n}\n").expect("no end of it") + 3;
    let function = script[start..start + length].replace(
        "/etc/os-release",
        release.to_str().expect("a path in UTF-8"),
    );
    let output = Command::new("bash")
        .arg("-euc")
        .arg(format!("suite=trixie\n{function}sources"))
        .env("PATH", format!("{}:/usr/bin:/bin", folder.path().display()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

const HOST: &str = "\
'https://packages.example/node/dists/nodistro/InRelease' a_InRelease 0
'https://packages.example/linux/debian/dists/bookworm/InRelease' b_InRelease 0
'http://mirror.example/debian/dists/bookworm/InRelease' c_InRelease 0
'http://mirror.example/debian/dists/bookworm/main/binary-amd64/Packages.xz' c 0
'http://mirror.example/debian/dists/bookworm-updates/InRelease' d_InRelease 0
'http://security.example/debian-security/dists/bookworm-security/InRelease' e_InRelease 0
";

#[test]
fn mirrors_are_the_host_s() {
    assert_eq!(
        sources("debian", HOST),
        "deb http://mirror.example/debian trixie main\n\
         deb http://mirror.example/debian trixie-updates main\n\
         deb http://mirror.example/debian trixie-backports main\n\
         deb http://security.example/debian-security trixie-security main\n"
    );
}

#[test]
fn rolling_hosts_have_no_security_archive() {
    let sid = "'http://mirror.example/debian/dists/sid/InRelease' a_InRelease 0\n";
    let text = sources("debian", sid);
    assert!(text.contains("deb http://mirror.example/debian trixie-backports main"));
    assert!(!text.contains("security"));
}

#[test]
fn unknown_mirrors_are_left_to_mmdebstrap() {
    assert_eq!(sources("debian", ""), "");
    assert_eq!(sources("ubuntu", HOST), "");
    let other = "'https://packages.example/linux/debian/dists/bookworm/InRelease' b 0\n";
    assert_eq!(sources("debian", other), "");
}
