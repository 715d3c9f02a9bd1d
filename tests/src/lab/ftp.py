"""FTP clients that know what they expect: python3 ftp.py TASK ADDRESS …; exit 0 if they saw it.

everything ADDRESS passive|active FOLDER
    puts half of FOLDER/whole into up/ and takes the upload up again, lists, renames, fetches it
    whole, takes a download up again, and asks for what is not there.
crowd ADDRESS COUNT FILE SHA256 FIRST PACE [PATIENCE]
    COUNT sessions at once, each with a source address of its own (FIRST, FIRST + 1, …), each reads
    64 KiB of FILE and waits for PACE seconds, and so on; whatever breaks, is resumed. Says
    "under way" when every session has begun, and at the end how often what happened. A reply that
    takes longer than PATIENCE seconds (4) is a session that broke.
idle ADDRESS FILE SECONDS
    One transfer that takes SECONDS; meanwhile nothing moves on its control connection.
"""

import ftplib
import hashlib
import ipaddress
import os
import sys
import threading
import time

USER, PASSWORD = "anonymous", "lab"

# A session that is cut off hears nothing more: only its own patience tells.
PATIENCE_SECONDS = 4

# A transfer that was not over by then never will be.
CROWD_SECONDS = 180

PIECE = 65536


def log_in(address, timeout, source=None):
    ftp = ftplib.FTP(timeout=timeout, source_address=source)
    ftp.connect(address)
    ftp.login(USER, PASSWORD)
    return ftp


def everything(address, mode, folder):
    whole = open(os.path.join(folder, "whole"), "rb").read()
    half = len(whole) // 2
    ftp = log_in(address, 60)
    ftp.set_pasv(mode == "passive")
    ftp.cwd("up")
    with open(os.path.join(folder, "whole"), "rb") as file:
        ftp.voidcmd("TYPE I")
        with ftp.transfercmd("STOR sent") as data:
            data.sendall(whole[:half])
        ftp.voidresp()
        file.seek(half)
        ftp.storbinary("STOR sent", file, rest=half)
    assert "sent" in ftp.nlst(), ftp.nlst()
    lines = []
    ftp.retrlines("LIST", lines.append)
    assert any(line.endswith(" sent") for line in lines), lines
    # A listing is text; sizes are told for bytes.
    ftp.voidcmd("TYPE I")
    assert ftp.size("sent") == len(whole)
    ftp.rename("sent", "renamed")
    for rest in (None, half):
        got = bytearray(whole[:half] if rest else b"")
        ftp.retrbinary("RETR renamed", got.extend, rest=rest)
        assert got == whole, f"what was fetched from {rest} differs"
    try:
        ftp.retrbinary("RETR absent", print)
        raise SystemExit("a file that is not there was sent")
    except ftplib.error_perm as error:
        assert str(error).startswith("550"), error
    ftp.delete("renamed")
    ftp.quit()


class Session:
    """One client that wants one file, however often it has to ask."""

    def __init__(self, address, source, file, pace, patience, begun):
        self.address, self.source, self.file, self.pace = address, source, file, pace
        self.patience, self.begun = patience, begun
        self.digest = hashlib.sha256()
        self.offset = self.broken = self.resumed = 0
        self.reasons = []

    def run(self):
        end = time.monotonic() + CROWD_SECONDS
        while time.monotonic() < end:
            try:
                self.attempt()
                return
            except (OSError, EOFError, ftplib.Error) as error:
                self.broken += 1
                self.reasons.append(repr(error))
                time.sleep(0.1)

    def attempt(self):
        ftp = log_in(self.address, self.patience, (self.source, 0))
        try:
            ftp.voidcmd("TYPE I")
            size = ftp.size(self.file)
            if self.offset < size:
                data = ftp.transfercmd(f"RETR {self.file}", rest=self.offset or None)
                self.resumed += self.offset > 0
                self.read(data)
                if self.offset < size:
                    raise EOFError(f"cut off after {self.offset} of {size} bytes")
                ftp.voidresp()
            ftp.quit()
        finally:
            ftp.close()

    def read(self, data):
        with data:
            while piece := data.recv(PIECE):
                self.digest.update(piece)
                self.offset += len(piece)
                self.begun.set()
                time.sleep(self.pace)


def crowd(address, count, file, expected, first, pace, patience=PATIENCE_SECONDS):
    count, first = int(count), ipaddress.ip_address(first)
    sessions = []
    for number in range(count):
        source = str(first + number)
        sessions.append(Session(address, source, file, float(pace), float(patience), threading.Event()))
    threads = [threading.Thread(target=session.run) for session in sessions]
    for thread in threads:
        thread.start()
    for session in sessions:
        session.begun.wait(CROWD_SECONDS)
    print("under way", flush=True)
    for thread in threads:
        thread.join()
    equal = sum(session.digest.hexdigest() == expected for session in sessions)
    broken = sum(session.broken > 0 for session in sessions)
    resumed = sum(session.resumed > 0 for session in sessions)
    retries = sum(session.broken for session in sessions)
    print(f"crowd sessions={count} broken={broken} resumed={resumed} retries={retries} equal={equal}")
    for reason in sorted({reason for session in sessions for reason in session.reasons}):
        print(f"  seen: {reason}")
    sys.exit(equal != count)


def idle(address, file, wanted):
    ftp = log_in(address, 60)
    ftp.voidcmd("TYPE I")
    size = ftp.size(file)
    pause = float(wanted) / (size / PIECE)
    data = ftp.transfercmd(f"RETR {file}")
    start, got = time.monotonic(), 0
    try:
        while piece := data.recv(PIECE):
            got += len(piece)
            time.sleep(pause * len(piece) / PIECE)
    except TimeoutError:
        pass
    data.close()
    seconds = time.monotonic() - start
    assert got == size, f"{got} of {size} bytes after {seconds:.0f} s"
    print("last reply:", ftp.voidresp())
    print(f"idle seconds={seconds:.0f}", flush=True)
    ftp.quit()


tasks = {"everything": everything, "crowd": crowd, "idle": idle}
tasks[sys.argv[1]](*sys.argv[2:])
