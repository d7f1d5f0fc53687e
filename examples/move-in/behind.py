"""How far MirrorMaker 2 is behind a topic: prints the partitions that are not yet copied to their end, and
exits with 1 if there are any. Needs nothing but Python, and three files of what Kafka's tools print:

    kafka-get-offsets.sh --bootstrap-server old-kafka:9092 --topic orders --time earliest >starts
    kafka-get-offsets.sh --bootstrap-server old-kafka:9092 --topic orders >ends
    kafka-console-consumer.sh --bootstrap-server envoy.example.com:19092 --topic mm2-offsets.old.internal \\
        --from-beginning --timeout-ms 5000 --formatter-property print.key=true >copied
    python3 behind.py starts ends copied
"""

import json
import sys


def main() -> int:
    starts, ends = (offsets(path) for path in sys.argv[1:3])
    at = dict(starts)
    for topic, partition, offset in copied(sys.argv[3]):
        at[topic, partition] = offset + 1
    behind = {place: end - at[place] for place, end in ends.items() if at[place] < end}
    for (topic, partition), count in sorted(behind.items()):
        print(f"{topic} partition {partition}: {count} behind")
    return 1 if behind else 0


def offsets(path: str) -> dict[tuple[str, int], int]:
    """Lines of `topic:partition:offset`."""
    with open(path) as file:
        fields = (line.rsplit(":", 2) for line in file if line.count(":") >= 2)
        return {(topic, int(partition)): int(offset) for topic, partition, offset in fields}


def copied(path: str):
    """The last record of each partition that MirrorMaker has copied, by the topic of its own offsets: lines of
    `["MirrorSourceConnector",{"cluster":…,"partition":7,"topic":"orders"}]`, a tab, `{"offset":41}`."""
    with open(path) as file:
        for line in file:
            key, _, value = line.partition("\t")
            if key.startswith("[") and value.startswith("{"):
                place = json.loads(key)[1]
                if "cluster" in place:  # other connectors remember other things there
                    yield place["topic"], place["partition"], json.loads(value)["offset"]


if __name__ == "__main__":
    sys.exit(main())
