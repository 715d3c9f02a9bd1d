"""pyftpdlib on port 21 of ADDRESS: python3 ftpd.py ADDRESS FOLDER|URL

With a URL it has no files of its own: each is fetched from there when it is asked for, and what
cannot be fetched in half a second is a failure of this server.
"""

import io
import json
import sys
import urllib.request

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.filesystems import AbstractedFS, FilesystemError
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer, ThreadedFTPServer

TIMEOUT_SECONDS = 0.5


class Origin(AbstractedFS):
    """The files of a web server, read-only; nginx lists them as JSON."""

    url = ""

    def fetch(self, path):
        try:
            with urllib.request.urlopen(self.url + path, timeout=TIMEOUT_SECONDS) as answer:
                return answer.read()
        except OSError as error:
            raise FilesystemError(f"file server: {error}") from error

    def ftp2fs(self, ftppath):
        return self.ftpnorm(ftppath)

    def fs2ftp(self, fspath):
        return fspath

    def validpath(self, path):
        return True

    def open(self, filename, mode):
        found = io.BytesIO(self.fetch(filename))
        found.name = filename
        return found

    def listdir(self, path):
        return [entry["name"] for entry in json.loads(self.fetch(path.rstrip("/") + "/"))]

    def format_list(self, basedir, listing, ignore_err=True):
        for name in listing:
            yield f"-r--r--r-- 1 ftp ftp 0 Jan 01 00:00 {name}\r\n".encode()

    def isdir(self, path):
        return path == "/"

    def isfile(self, path):
        return path != "/"

    def islink(self, path):
        return False

    def lexists(self, path):
        return True

    def realpath(self, path):
        return path

    def getsize(self, path):
        return len(self.fetch(path))


def main():
    address, root = sys.argv[1:]
    users = DummyAuthorizer()
    FTPHandler.authorizer = users
    if root.startswith("http://"):
        Origin.url = root
        FTPHandler.abstracted_fs = Origin
        FTPHandler.use_sendfile = False
        users.add_anonymous("/", perm="elr")
        # A fetch that waits must keep nobody else waiting.
        ThreadedFTPServer((address, 21), FTPHandler).serve_forever()
    else:
        users.add_anonymous(root, perm="elradfmwMT")
        FTPServer((address, 21), FTPHandler).serve_forever()


main()
