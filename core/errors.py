"""What can go wrong for a reason the user can mend: every error names a path, a problem and a remedy."""


class DetectorError(Exception):
    """Say in one sentence which file or setting is wrong, what is wrong, and what to do.

    Parameters
    ----------
    path : the file, folder or setting concerned, as the user would type it.
    problem : what is wrong, without a full stop.
    remedy : what to do about it, as an instruction, without a full stop.
    """

    def __init__(self, path: object, problem: str, remedy: str) -> None:
        self.path = str(path)
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{printable(self.path)}: {problem}. {remedy}.")


class ConfigError(DetectorError):
    """A setting is unknown, of the wrong type, or out of range."""


class DataError(DetectorError):
    """A folder, manifest or split cannot be used."""


class AudioError(DetectorError):
    """An audio file is refused; `code` is the reason as one stable word (`too_short`, `undecodable`, ...)."""

    def __init__(self, path: object, code: str, problem: str, remedy: str) -> None:
        super().__init__(path, problem, remedy)
        self.code = code


# Codes of refusals whose cause lies outside the file and may be gone the next time: such files are asked again.
PASSING = frozenset({"path", "memory", "crashed", "too_slow", "unexpected"})


class ArtifactError(DetectorError):
    """A file of a run is missing, damaged, or was made by something else."""


class WeightsError(DetectorError):
    """Pretrained weights cannot be had."""


class ResourceError(DetectorError):
    """Disk, memory or a lock stands in the way."""


def printable(name: str, limit: int = 300) -> str:
    """Return a file name that cannot disturb a terminal: control and direction characters escaped, long ones cut."""
    safe = name if name.isprintable() else "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in name)
    return safe if len(safe) <= limit else f"{safe[: limit // 2]}…{safe[-limit // 2 :]}"
