"""What this machine has of CUDA."""
import ctypes


def has_driver():
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True
