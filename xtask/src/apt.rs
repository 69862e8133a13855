//! Debian packages: the way to a tool on a machine where nothing else brings it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::process;

/// Install packages with `apt-get`. The error says what the operator can do where this process cannot.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let by_hand = || format!("install them by hand: apt-get install -y --no-install-recommends {}", packages.join(" "));
    ensure!(
        process::is_there("apt-get"),
        "this needs the Debian packages {packages:?}, and there is no apt-get here; {}",
        by_hand()
    );
    ensure!(is_root(), "this needs the Debian packages {packages:?}, and only root can install them; {}", by_hand());
    eprintln!("xtask: installing {}", packages.join(", "));
    // The lists of a fresh container are empty, those of an old one stale; an update that fails may still do.
    let updated = process::run(apt_get().arg("update").stdout(Stdio::null()));
    process::run(apt_get().args(["install", "--yes", "--no-install-recommends"]).args(packages).stdout(Stdio::null()))
        .with_context(|| match updated {
            Ok(()) => by_hand(),
            Err(error) => format!("{error:#}; {}", by_hand()),
        })
}

/// Install packages that bring a service, and leave the service off: we want its program alone.
pub(crate) fn install_without_starting(packages: &[&str]) -> Result<()> {
    // What Debian's installation scripts ask before they start a service; 101 forbids it.
    let policy = Path::new("/usr/sbin/policy-rc.d");
    let ours = !policy.exists() && is_root();
    if ours {
        fs::write(policy, "#!/bin/sh\nexit 101\n")?;
        fs::set_permissions(policy, fs::Permissions::from_mode(0o755))?;
    }
    let installed = install(packages);
    if ours {
        fs::remove_file(policy)?;
    }
    installed
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").args(["--quiet", "--quiet"]).stdin(Stdio::null());
    command
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
