#!/usr/bin/env python3
"""forbid.py ERRNO NUMBER PROGRAM ARGUMENT...: runs a program to which a system call fails with
ERRNO, as under a container's seccomp profile.  The filter compares the number alone, so take
numbers that are the same on every architecture (io_uring's are)."""
import ctypes
import os
import struct
import sys

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, MODE_FILTER = 22, 38, 2
LOAD_ABSOLUTE, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06  # classic BPF, linux/bpf_common.h
RETURN_ERRNO, RETURN_ALLOW = 0x00050000, 0x7FFF0000


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p)]


def forbid(number, errno):
    code = b"".join(struct.pack("HBBI", *i) for i in (
        (LOAD_ABSOLUTE, 0, 0, 0),  # seccomp_data.nr
        (JUMP_IF_EQUAL, 0, 1, number),
        (RETURN, 0, 0, RETURN_ERRNO | errno),
        (RETURN, 0, 0, RETURN_ALLOW)))
    memory = ctypes.create_string_buffer(code, len(code))
    filter_ = Program(len(code) // 8, ctypes.addressof(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    for words in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
                  (PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(filter_), 0, 0)):
        if libc.prctl(*words) != 0:
            raise SystemExit(f"forbid.py: prctl: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    forbid(int(sys.argv[2]), int(sys.argv[1]))
    os.execvp(sys.argv[3], sys.argv[3:])
