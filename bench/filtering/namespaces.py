"""Linux namespaces around a plugin's process: what of the system it sees, reads and writes, without root's rights.

`unshare` of util-linux starts the process twice over. The outer namespaces have no network and process numbers of their
own; there the file system is made read-only but for one folder, and run folder, devices and sockets of other programs
are covered. The inner ones belong to a further user namespace, so that the process cannot undo a mount
(mount_namespaces(7), "locked" mounts).
"""

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

OUTER = ("unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child")
INNER = "unshare --user --map-root-user --mount"
DEVICES = "null zero full random urandom"
SETTINGS = "/proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger"  # of the kernel; only root could write them
SOCKETS = Path("/proc/net/unix")  # of this network namespace; their names, which are files, reach into others
# Called with the plugin's own folder, the number of hidden folders, these, the same of socket files, and the command.
MOUNTS = f"""
set -e
own=$1 left=$2; shift 2
list=$(cat /proc/self/mountinfo)
mount --bind "$own" "$own"
mkdir "$own/.dev"
mount -t tmpfs -o mode=755 none "$own/.dev"
for name in {DEVICES}; do : > "$own/.dev/$name"; mount --bind "/dev/$name" "$own/.dev/$name"; done
ln -s /proc/self/fd "$own/.dev/fd"
mkdir "$own/.dev/shm"
mount -t tmpfs -o size=1g,mode=1777 none "$own/.dev/shm"
mount --rbind "$own/.dev" /dev
umount -R "$own/.dev"
mount -o remount,bind,ro /dev
rmdir "$own/.dev"
while [ "$left" -gt 0 ]; do mount -t tmpfs -o ro none "$1"; left=$((left - 1)); shift; done
left=$1; shift
while [ "$left" -gt 0 ]; do
  [ ! -e "$1" ] || mount --bind /dev/null "$1" || [ ! -e "$1" ]  # a program may end, and remove its socket
  left=$((left - 1)); shift
done
printf '%s\n' "$list" | while read -r _ _ _ _ place _; do
  place=$(printf '%b' "$place")
  case $place in /dev | /dev/* | /proc | /proc/*) continue ;; esac
  [ ! -e "$place" ] || mount -o remount,bind,ro "$place" || case $place in /sys/*) ;; *) exit 1 ;; esac
done
mount -t proc none /proc
for place in {SETTINGS}; do [ ! -e $place ] || {{ mount --bind $place $place; mount -o remount,bind,ro $place; }}; done
cd "$own"  # again, as a mount that may be written
exec {INNER} "$@"
"""


@cache
def has_namespaces() -> bool:
    """Tell whether this system lets a user make such namespaces; tried once, with a command that does nothing."""
    if not shutil.which(OUTER[0]) or not os.access(SOCKETS, os.R_OK):
        return False
    with tempfile.TemporaryDirectory(prefix="bench-plugin-") as own:
        done = subprocess.run(inside(["true"], Path(own), ()), capture_output=True, check=False)
    return done.returncode == 0


def inside(command: Sequence[str], own: Path, hidden: Sequence[Path]) -> list[str]:
    """Return the command that runs another one inside the namespaces.

    Args:
        command: With its arguments.
        own: The one folder that it may write; absolute.
        hidden: Folders that it finds empty; absolute.
    """
    files = [*map(str, sockets())]
    counted = [str(len(hidden)), *map(str, hidden), str(len(files)), *files]
    return [*OUTER, "sh", "-c", MOUNTS, "sh", str(own), *counted, *command]


def sockets() -> list[Path]:
    """Return the socket files that programs have open at this moment, as far as this user reaches them, sorted.

    A socket that was bound to a relative path is left out: the kernel does not say where it is.
    """
    fields = (line.split(maxsplit=7) for line in SOCKETS.read_text(errors="surrogateescape").split("\n"))
    names = {each[7] for each in fields if len(each) == 8 and each[7].startswith("/")}
    return [path for path in map(Path, sorted(names)) if _is_socket(path)]


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.stat().st_mode)
    except (OSError, ValueError):
        return False
