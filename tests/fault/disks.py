"""File systems for tests, mounted for the time of one. Root alone may do that; for others the test is skipped, and says so."""
import pathlib
import shutil
import subprocess

import pytest
import runs


def mount(*arguments):
    done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"this user may mount nothing: {done.stderr.strip()}")


class Image:
    """A file system in an image."""

    def __init__(self, directory, kind):
        if not shutil.which(f"mkfs.{kind}"):
            pytest.skip(f"mkfs.{kind} is not installed")
        self.image, self.mounted = directory / f"{kind}.img", directory / kind
        self.mounted.mkdir()
        with open(self.image, "wb") as file:
            file.truncate(512 << 20)
        subprocess.run([f"mkfs.{kind}", "-q", self.image], check=True, capture_output=True)
        self.mount()

    def mount(self):
        mount("-o", "loop", self.image, self.mounted)

    def lose_power(self):
        """Nothing that the file system has not written reaches the image any more, neither data nor its own journal: an ioctl that
        ext4 and XFS have for such tests."""
        subprocess.run(["xfs_io", "-x", "-c", "shutdown", self.mounted], check=True)

    def mount_again(self):
        runs.wait_until(lambda: subprocess.run(["umount", self.mounted], capture_output=True).returncode == 0, 10, "umount")
        self.mount()


def tmpfs(directory):
    mounted = pathlib.Path(directory) / "tmpfs"
    mounted.mkdir()
    mount("-t", "tmpfs", "tmpfs", mounted)
    return mounted


def overlay(directory):
    """As containers have it."""
    mounted, parts = directory / "overlay", tmpfs(directory)
    for part in ("lower", "upper", "work"):
        (parts / part).mkdir()
    mounted.mkdir()
    mount("-t", "overlay", "overlay", "-o", f"lowerdir={parts}/lower,upperdir={parts}/upper,workdir={parts}/work", mounted)
    return mounted


def fuse(directory):
    """Another directory, by way of a process."""
    if not shutil.which("bindfs"):
        pytest.skip("bindfs is not installed")
    behind, mounted = directory / "behind", directory / "fuse"
    behind.mkdir()
    mounted.mkdir()
    done = subprocess.run(["bindfs", behind, mounted], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"bindfs cannot mount: {done.stderr.strip()}")
    return mounted


def unmount_below(directory):
    """Whatever a test has mounted there, the last first."""
    with open("/proc/self/mounts") as file:
        mounted = [line.split()[1] for line in file]
    for path in reversed(mounted):
        if path.startswith(f"{directory}/"):
            subprocess.run(["umount", "-l", path], check=True)
