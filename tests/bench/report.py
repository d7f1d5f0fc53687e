"""The benchmark's tables, with the aims beside the figures."""

from . import loads
from .loads import LOADS, RECORD_BYTES, WAYS

OTHERS_SHARE_MAX = 0.05
HEAD = f"{'':<12}{'CPU s/GB':>10}{'x':>7}{'aim':>9}{'MB/s':>8}{'x':>7}{'aim':>9}{'read x':>9}{'aim':>8}{'RSS MB':>8}"


def report(bench, amplifications: dict[str, float], commits: dict[str, float], idle: dict[str, float]) -> dict:
    """Prints the tables; returns the same as JSON."""
    out: dict = {"rounds": bench.rounds, "records": bench.records, "record_bytes": RECORD_BYTES, "others_cpu_share": bench.others}
    print(f"\nMedians of {bench.rounds}; {bench.records:,} records of {RECORD_BYTES} bytes; mapped: over {loads.PHYSICAL} partitions")
    print(f"fetch.share: {bench.share}. CPU is Envoy's. x: ratio to tcp_proxy")
    print("read x: read amplification, the bytes from the broker over the bytes to clients")
    print(f"Other programs took {bench.others:.0%} of the machine's CPU time{disturbed(bench.others)}\n")
    print(HEAD)
    out["loads"] = {}
    for name, load in LOADS.items():
        print(load.title)
        out["loads"][name] = {way: row(bench, name, way) for way in WAYS}
    print(f"latency of produce, {loads.PACE_PER_S:,} records/s in batches of what comes within 1 ms")
    out["loads"]["pace"] = {way: latency_row(bench, way) for way in WAYS}
    out["amplification"] = amplification_rows(bench, amplifications)
    print(f"commits of all {loads.COMMITTED} partitions by their one owner, mapped: over {loads.COMMITTED_PHYSICAL}")
    for way, per_s in commits.items():
        print(f"  {way:<10} {per_s:.0f}/s, {per_s / commits['tcp_proxy']:.2f} x")
    out["commits_per_s"] = commits
    print(f"resident memory of Envoy with the filter, {loads.IDLE_CONNECTIONS:,} idle connections")
    met = mark(idle["idle"] <= loads.IDLE_RSS_AIM_MB)
    print(f"  {idle['idle']:.0f} MB (aim: at most {loads.IDLE_RSS_AIM_MB}); without any {idle['fresh']:.0f} MB{met}")
    out["idle_rss_mb"] = idle
    return out


def row(bench, name: str, way: str) -> dict:
    cpu, rate, rss = (bench.median(name, way, figure) for figure in ("cpu_s_per_gb", "mb_per_s", "rss_mb"))
    figures = {
        "cpu_s_per_gb": cpu,
        "cpu": cpu / bench.median(name, "tcp_proxy", "cpu_s_per_gb"),
        "mb_per_s": rate,
        "rate": rate / bench.median(name, "tcp_proxy", "mb_per_s"),
        "rss_mb": rss,
    }
    if way == "mapped" and LOADS[name].command == "consume":
        figures["amplification"] = bench.median(name, way, "amplification")
    aims = LOADS[name].aims_of(way)
    met = all(figures[what] >= aim if what == "rate" else figures[what] <= aim for what, aim in aims.items())
    print(
        f"  {way:<10}{cpu:>10.3f}{figures['cpu']:>7.2f}{wanted(aims, 'cpu'):>9}"
        f"{rate:>8.0f}{figures['rate']:>7.2f}{wanted(aims, 'rate'):>9}"
        f"{figure(figures, 'amplification'):>9}{wanted(aims, 'amplification'):>8}{rss:>8.0f}{mark(met)}"
    )
    return {**figures, "aims": aims, "runs": bench.results[name, way]}


def wanted(aims: dict[str, float], what: str) -> str:
    return f"{'>=' if what == 'rate' else '<='} {aims[what]:.4g}" if what in aims else ""


def figure(figures: dict[str, float], what: str) -> str:
    return f"{figures[what]:.2f}" if what in figures else ""


def latency_row(bench, way: str) -> dict:
    p50, p99 = (bench.median("pace", way, figure) for figure in ("p50_ms", "p99_ms"))
    more = p99 - bench.median("pace", "tcp_proxy", "p99_ms")
    aim = loads.P99_AIM_MS
    end = "" if way == "tcp_proxy" else f"   p99 {more:+.2f} ms (aim: at most +{aim}){mark(more <= aim)}"
    print(f"  {way:<10} p50 {p50:.2f} ms, p99 {p99:.2f} ms{end}")
    return {"p50_ms": p50, "p99_ms": p99, "p99_more_ms": more, "runs": bench.results["pace", way]}


def amplification_rows(bench, found: dict[str, float]) -> dict[str, float]:
    """How the amplification grows with C, and what a member sees that has an Envoy of its own."""
    consumed = [name for name, load in LOADS.items() if load.command == "consume"]
    out = {name: bench.median(name, "mapped", "amplification") for name in consumed} | found
    print("read amplification as C grows, a consumer for each partition, 1 worker")
    first, middle, last = (out[name] for name in loads.GROWTH)
    aim = loads.NARROW.aims["amplification"]
    print(f"  C = 1: {first:.2f}, C = 5: {middle:.2f}, C = 20: {last:.2f} (aim: at most {aim} each){mark(max(middle, last) <= aim)}")
    bells = ", ".join(f"{bench.median(name, 'mapped', 'doorbells'):.2f}" for name in loads.GROWTH[1:])
    print(f"  of this, what came along when the broker was asked for a client's rights: {bells} at C = 5 and 20")
    print(f"read amplification of a member that has an Envoy of its own and {1 / loads.MEMBERS:.0%} of 20 partitions, in a run")
    print(f"  layout modulo: {out['range, modulo']:.2f}, layout block: {out['range, block']:.2f}")
    return out


def disturbed(share: float) -> str:
    return ": MB/s and latency show it, and CPU time too" if share > OTHERS_SHARE_MAX else ""


def mark(met: bool) -> str:
    return "" if met else "   <- aim missed"
