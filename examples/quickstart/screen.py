"""The demo's output: a table that is redrawn on a terminal, a line every few seconds anywhere else."""

import shutil
import sys
from dataclasses import dataclass

LINE_EVERY_S = 4
COLUMNS = 5
"""Virtual partitions in a row."""
BOLD, DIM, GREEN, RED, OFF = "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[31m", "\x1b[0m"
INTRO = """
The broker stores topic `{topic}` in {physical} partitions; through Envoy, clients see {virtual}.
One client writes keyed records, each of the {virtual} has a reader of its own, and the two members
of the consumer group `{group}` share them.
"""


@dataclass
class View:
    """The figures of one moment."""

    seconds: float
    written: list[int]
    read: list[int]
    end_offsets: list[int]
    upstream_bytes: float
    downstream_bytes: float
    latencies_ms: list[float]
    wrong: str

    @property
    def amplification(self) -> float:
        return self.upstream_bytes / self.downstream_bytes if self.downstream_bytes else 0.0

    def latency_ms(self, share: float) -> float:
        values = sorted(self.latencies_ms)
        return values[min(int(len(values) * share), len(values) - 1)] if values else 0.0


class Screen:
    def __init__(self, topic: str, virtual: int, physical: int, share: str, group: str):
        self._share = share
        self._terminal = sys.stdout.isatty()
        self._intro = INTRO.format(topic=topic, physical=physical, virtual=virtual, group=group)
        self._physical = physical
        self._height = 0
        self._next_line_s = 0.0

    def begin(self) -> None:
        self.say(self._intro)

    def show(self, view: View) -> None:
        if self._terminal:
            self._redraw(view)
        elif view.seconds >= self._next_line_s:
            self._next_line_s = view.seconds + LINE_EVERY_S
            self.say(_line(view))

    def end(self, view: View) -> None:
        """The last state, in full."""
        if self._terminal:
            self._redraw(view)
        else:
            self.say("\n" + "\n".join(text for _, text in self._table(view)))

    def note(self, text: str) -> None:
        """Words below the table, which then begins anew."""
        self._height = 0
        self.say(f"\n{BOLD}{text}{OFF}" if self._terminal else f"\n{text}")

    def group(self, rows: list[dict[str, str]], every_partition: bool) -> None:
        """What kafka-consumer-groups tells of a group: each partition, or each member."""
        members = sorted({row["CLIENT-ID"] for row in rows})
        if every_partition:
            columns = ("PARTITION", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG", "CLIENT-ID")
            self.say("\n".join("".join(f"{text:<16}" for text in line) for line in [columns, *([row[c] for c in columns] for row in rows)]))
        for member in members:
            own = [row for row in rows if row["CLIENT-ID"] == member]
            lag = sum(int(row["LAG"]) for row in own if row["LAG"].isdigit())
            self.say(f"  {member}: {len(own)} of {len(rows)} virtual partitions, lag {lag:,}")
        self.say("")

    def verdict(self, text: str, good: bool) -> None:
        colour = (GREEN if good else RED) + BOLD
        self.say(f"\n{colour}{text}{OFF}" if self._terminal else f"\n{text}")

    def _redraw(self, view: View) -> None:
        lines = self._table(view)
        # A line that wraps would count as two when the cursor goes up again.
        width = shutil.get_terminal_size().columns - 1
        up = f"\x1b[{self._height}A" if self._height else ""
        self.say(up + "\n".join(f"\x1b[2K{style}{text[:width]}{OFF}" for style, text in lines))
        self._height = len(lines)

    def _table(self, view: View) -> list[tuple[str, str]]:
        """Lines with their styles; at most 79 columns."""
        lanes = len(view.written) // self._physical
        lines = [(BOLD, f"{'on the broker':<24}through Envoy")]
        for p in range(self._physical):
            left = [f"partition {p}", f"{view.end_offsets[p]:>9,} records"]
            for first in range(0, lanes, COLUMNS):
                mine = [lane * self._physical + p for lane in range(first, min(first + COLUMNS, lanes))]
                lines += [
                    (DIM, _row(left.pop(0) if left else "", "partition", mine)),
                    ("", _row(left.pop(0) if left else "", "written", [view.written[v] for v in mine])),
                    ("", _row("", "read", [view.read[v] for v in mine])),
                ]
        return [*lines, ("", ""), *(("", text) for text in _totals(view, lanes, self._share))]

    @staticmethod
    def say(text: str) -> None:
        print(text, flush=True)


def _row(left: str, label: str, numbers: list[int]) -> str:
    return f"{left:<24}{label:<9}" + "".join(f"{n:>9,}" for n in numbers)


def _totals(view: View, lanes: int, share: str) -> list[str]:
    alone = f"since a reader's fetch brings along {lanes - 1} neighbours' records, which Envoy drops"
    shared = f"{lanes} readers want each of the broker's partitions; Envoy reads once for those who stand together"
    up, down = view.upstream_bytes / 1e6, view.downstream_bytes / 1e6
    return [
        f"{view.seconds:>4.0f} s: {sum(view.written):,} written, {sum(view.read):,} read; {view.wrong}",
        f"latency, from write to read: p50 {view.latency_ms(0.5):.1f} ms, p99 {view.latency_ms(0.99):.1f} ms",
        f"read amplification x{view.amplification:.1f}: {up:.1f} MB from the broker for {down:.1f} MB to clients,",
        f"    {alone if share == 'never' else shared}",
    ]


def _line(view: View) -> str:
    stored = " + ".join(f"{n:,}" for n in view.end_offsets)
    return (
        f"{view.seconds:>4.0f} s  written {sum(view.written):>6,}  read {sum(view.read):>6,}  stored {stored}  "
        f"amplification x{view.amplification:.1f}  latency p50 {view.latency_ms(0.5):.1f} p99 {view.latency_ms(0.99):.1f} ms"
    )
