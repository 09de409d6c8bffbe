"""Small file systems for tests that fill them: tmpfs, so only for root."""
import os
import subprocess


class Disk:
    """A tmpfs of so many bytes at a folder; fill() leaves so many free, end() takes it away."""

    def __init__(self, folder, size):
        os.makedirs(folder, exist_ok=True)
        self.folder = folder
        subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={size},mode=0755', 'regmirror-test', folder], check=True)

    def free(self):
        st = os.statvfs(self.folder)
        return st.f_bavail * st.f_frsize

    def fill(self, leave=0):
        with open(os.path.join(self.folder, 'filler'), 'ab') as f:
            while self.free() > leave:
                os.posix_fallocate(f.fileno(), f.tell(), min(1 << 20, self.free() - leave))
                f.seek(0, os.SEEK_END)

    def empty(self):
        os.unlink(os.path.join(self.folder, 'filler'))

    def read_only(self, on=True):
        subprocess.run(['mount', '-o', f'remount,{"ro" if on else "rw"}', self.folder], check=True)

    def end(self):
        subprocess.run(['umount', '-l', self.folder], check=True)
