"""Members of consumer groups as programs of any library, and the records that were delivered to them."""

import threading
from collections import Counter
from pathlib import Path

from .client_security import NONE, Security
from .clients import Library, Record, talk_to
from .process import wait_until


class GroupMember:
    """A running `group` program. `delivered` grows while it runs."""

    def __init__(self, library: Library, bootstrap: str, topic: str, group: str, assignor: str, log: Path,
                 instance: str | None = None, auto_commit: bool = False, security: Security = NONE):
        how = "auto" if auto_commit else "manual"
        self._start(library, ["group", bootstrap, topic, group, assignor, instance or "-", how], group, log, security)

    def _start(self, library: Library, command: list, group: str, log: Path, security: Security = NONE) -> None:
        self.name = f"{library.name} in {group}"
        self.log = log
        self.delivered: list[tuple[int, Record]] = []
        self.assigned: list[list[int]] = []
        self.commits = 0
        self.topics: list[str] = []
        self.has_listed = False
        self.ended = False
        # The program for Java's members is one of its own.
        argv = ["Member" if a == "Client" else a for a in library.argv]
        self._child = talk_to([*argv, *command], log, security)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def close_stdin(self) -> None:
        """Asks the member to leave its group."""
        self._child.stdin.close()

    def stop(self, seconds: float = 30) -> None:
        """Lets the member leave cleanly, and takes what it still prints."""
        if not self._child.stdin.closed:
            self.close_stdin()
        self._child.wait(seconds)
        self._reader.join(5)
        assert self.ended and self._child.returncode == 0, f"{self.name} did not leave cleanly; {self.errors()}"

    def kill(self) -> None:
        """SIGKILL: the group finds out by the member's silence."""
        self._child.kill()
        self._child.wait()
        self._reader.join(5)

    def errors(self) -> str:
        return f"its stderr:\n{self.log.read_text(errors='replace')[-1500:]}"

    def assert_alive(self) -> None:
        assert self._child.poll() is None, f"{self.name} has ended by itself; {self.errors()}"

    def _read(self) -> None:
        for line in self._child.stdout:
            kind, _, rest = line.rstrip("\n").partition(" ")
            if kind == "R":
                partition, offset, value = rest.split(" ", 2)
                self.delivered.append((int(partition), Record(int(offset), value)))
            elif kind == "G":
                self.assigned.append([int(p) for p in rest.split(",") if p])
            elif kind == "T":
                self.topics.append(rest)
            elif kind == "L":
                self.has_listed = True
            elif kind == "C":
                self.commits += 1
            elif kind == "END":
                self.ended = True


class PatternMember(GroupMember):
    """A running `pattern` program. `topics` are those that the program has listed:
    all topics, once `has_listed`."""

    def __init__(self, library: Library, bootstrap: str, pattern: str, group: str, log: Path):
        self._start(library, ["pattern", bootstrap, pattern, group], group, log)


class Group:
    """A group's members, past and present. The end of a `with` kills them all."""

    def __init__(self, library: Library, bootstrap: str, topic: str, name: str, assignor: str, directory: Path, auto_commit: bool = False):
        self.name = name
        self.members: list[GroupMember] = []
        self._make = lambda instance: GroupMember(
            library, bootstrap, topic, name, assignor, directory / f"{name}.{len(self.members)}.stderr", instance, auto_commit
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for m in self.members:
            m.kill()

    def start(self, count: int = 1, instance: str | None = None) -> GroupMember:
        """Starts `count` members; returns the last."""
        for _ in range(count):
            self.members.append(self._make(instance))
        return self.members[-1]

    def running(self) -> list[GroupMember]:
        return [m for m in self.members if m._child.poll() is None]

    def stop(self) -> None:
        """Lets all leave, one after the other, each while the others still read."""
        for m in self.running():
            m.stop()

    def delivered(self) -> Counter:
        return Counter(record for m in self.members for record in list(m.delivered))

    def wait_for(self, wanted: set[tuple[int, Record]], seconds: float = 60) -> None:
        """Waits until each of these (partition, record)s was delivered to some member."""
        try:
            wait_until("records", lambda: wanted <= self.delivered().keys(), seconds, every=0.1)
        except AssertionError:
            missing = sorted(wanted - self.delivered().keys())
            by_partition = Counter(p for p, _ in missing)
            raise AssertionError(
                f"{self.name}: {len(missing)} of {len(wanted)} not delivered after {seconds} s, by partition {dict(by_partition)}, "
                f"first {missing[:3]}; " + "; ".join(m.errors() for m in self.members)
            ) from None

    def wait_for_share(self, member: GroupMember, seconds: float = 60) -> None:
        """Waits until the member has an assignment and has got records."""

        def has_share() -> bool:
            member.assert_alive()
            return bool(member.delivered)

        wait_until(f"records for {member.name}", has_share, seconds)

    def check(self, written: set[tuple[int, Record]], once: bool) -> None:
        """Everything written was delivered, nothing else was, and with `once` nothing twice."""
        delivered = self.delivered()
        lost, strange = written - delivered.keys(), delivered.keys() - written
        assert not lost, f"{self.name}: {len(lost)} of {len(written)} lost: {sorted(lost)[:5]}"
        assert not strange, f"{self.name}: delivered but not written: {sorted(strange)[:5]}"
        twice = sorted(record for record, n in delivered.items() if n > 1)
        assert not (once and twice), f"{self.name}: {len(twice)} of {len(written)} delivered twice: {twice[:5]}"


def written(load) -> set[tuple[int, Record]]:
    """What a Load has had acknowledged so far, as (partition, record)s."""
    return {(v, r) for v, records in list(load.acked.items()) for r in list(records)}
