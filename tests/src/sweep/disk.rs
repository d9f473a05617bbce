//! A small disk of one's own: an ext4 in a file, mounted by way of a loop device. Only root can make one. And what any
//! disk takes for a sync.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::clock;

/// The mounted disk. It is unmounted when this is dropped.
pub struct SmallDisk {
    image: PathBuf,
    at: PathBuf,
}

impl SmallDisk {
    /// Makes one of so many MiB and mounts it on an existing directory; the image lies beside it. `Err` says why that
    /// is not possible here.
    pub fn mount(at: &Path, mebibytes: u64) -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("only root may mount a file system".into());
        }
        let image = at.with_extension("img");
        let file = File::create(&image).map_err(|error| error.to_string())?;
        file.set_len(mebibytes << 20).map_err(|error| error.to_string())?;
        // No blocks are kept for root: full is full for everybody.
        run("mkfs.ext4", [OsStr::new("-q"), "-F".as_ref(), "-m".as_ref(), "0".as_ref(), image.as_ref()])?;
        let disk = Self { image, at: at.to_owned() };
        disk.mount_again()?;
        Ok(disk)
    }

    /// Mounts it after [`unmount`](Self::unmount), checked.
    pub fn mount_again(&self) -> Result<(), String> {
        let options = "loop,errors=remount-ro";
        run("mount", ["-o".as_ref(), options.as_ref(), self.image.as_os_str(), self.at.as_os_str()])
    }

    /// Unmounts it and mends what a broken-off journal left.
    pub fn unmount(&self) -> Result<(), String> {
        run("umount", [&self.at])?;
        let checked = Command::new("e2fsck").arg("-fy").arg(&self.image).output().map_err(|error| error.to_string())?;
        // 0 and 1: it is well now.
        match checked.status.code() {
            Some(0 | 1) => Ok(()),
            _ => Err(String::from_utf8_lossy(&checked.stderr).into_owned()),
        }
    }

    /// Writes until there is not one byte left; gives the file to delete when there shall be room again.
    pub fn fill(&self) -> PathBuf {
        let path = self.at.join("filler");
        let mut filler = File::create(&path).expect("there is room for a name");
        for size in [1 << 20, 4096, 1] {
            while filler.write_all(&vec![1; size]).and_then(|()| filler.sync_data()).is_ok() {}
        }
        let room = rustix::fs::statvfs(&self.at).expect("it is mounted");
        assert_eq!(room.f_bavail, 0, "the disk is full");
        path
    }

    /// Makes the kernel find an error on it: it goes read-only under whoever has files open, as a dying disk does.
    pub fn break_down(&self) -> Result<(), String> {
        let source = Command::new("findmnt").args(["-no", "SOURCE"]).arg(&self.at).output();
        let source = source.map_err(|error| error.to_string())?;
        let device = String::from_utf8_lossy(&source.stdout).trim().trim_start_matches("/dev/").to_owned();
        let trigger = Path::new("/sys/fs/ext4").join(device).join("trigger_fs_error");
        let mut file = File::options().write(true).open(&trigger).map_err(|e| format!("{}: {e}", trigger.display()))?;
        file.write_all(b"made by a test\n").map_err(|error| error.to_string())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: somebody may still be on it when a test has failed.
        let _ = run("umount", ["-l".as_ref(), self.at.as_os_str()]);
    }
}

/// How long the disk itself takes for what a commit writes: a few pages over old ones, and one sync.
pub fn bare_sync(file: &File) -> Duration {
    let start = clock::start();
    file.write_all_at(&[1; 4 * 4096], 0).and_then(|()| file.sync_data()).expect("there is room");
    start.elapsed()
}

fn run<A: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = A>) -> Result<(), String> {
    let done = Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    if done.status.success() {
        return Ok(());
    }
    Err(format!("{program}: {}", String::from_utf8_lossy(&done.stderr).trim()))
}
