"""What a file system in Python has beside its files: those of a test have `open`, and what else it needs."""


class FileSystem:
    def mount(self, readonly, mkfs):
        pass

    def umount(self):
        pass
