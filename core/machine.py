"""What this machine gives a process: processors and memory. Without PyTorch; where tensors live says `core.device`."""

import os
import sys
from pathlib import Path

MOST_THREADS = 8  # each holds in memory what it reads


def worker_threads() -> int:
    """Return how many threads read clips and make what the models read of them: one per processor, at most eight."""
    return min(os.cpu_count() or 1, MOST_THREADS)


def peak_memory_mb() -> float:
    """Return the most resident memory this process has used, in MB; 0 where the system does not count it (Windows)."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux: getrusage would count the parent's memory at the moment of the fork too
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(peak.split()[1]) / 1e3
    try:
        import resource
    except ImportError:
        return 0.0
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (1e6 if sys.platform == "darwin" else 1e3)
