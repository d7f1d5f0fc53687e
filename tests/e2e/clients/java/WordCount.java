import java.time.Duration;
import java.util.Arrays;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.state.Stores;

/**
 * Counts words with Kafka Streams, at least once, until stdin ends.
 *
 * <p>{@code WordCount bootstrap application from to stateDirectory partitions} reads the topic {@code from}, and
 * writes {@code word=count} to the topic {@code to}. It creates its internal topics where they are missing, with
 * this number of partitions; for 0 Streams chooses the number, which is that of {@code from}.
 */
public class WordCount {
  public static void main(String[] a) throws Exception {
    Properties p = new Properties();
    p.put("bootstrap.servers", a[0]);
    p.put("application.id", a[1]);
    p.put("state.dir", a[4]);
    p.put("default.key.serde", Serdes.StringSerde.class.getName());
    p.put("default.value.serde", Serdes.StringSerde.class.getName());
    p.put("commit.interval.ms", "500");
    p.put("auto.offset.reset", "earliest");
    p.put("num.stream.threads", "2");
    // Streams does not leave its group when it is closed: the next run waits until the broker gives the old
    // members up.
    p.put("session.timeout.ms", "6000");
    p.put("heartbeat.interval.ms", "1000");
    p.put("replication.factor", "1");
    p.put("repartition.purge.interval.ms", "1000");
    int partitions = Integer.parseInt(a[5]);
    Repartitioned<String, String> words = Repartitioned.as("words");
    StreamsBuilder builder = new StreamsBuilder();
    builder.<String, String>stream(a[2])
        .flatMapValues(line -> Arrays.asList(line.split(" ")))
        .selectKey((key, word) -> word)
        .repartition(partitions == 0 ? words : words.withNumberOfPartitions(partitions))
        .groupByKey()
        .count(Materialized.<String, Long>as(Stores.inMemoryKeyValueStore("counts")).withValueSerde(Serdes.Long()))
        .toStream()
        .map((word, count) -> org.apache.kafka.streams.KeyValue.pair(word, word + "=" + count))
        .to(a[3]);
    KafkaStreams streams = new KafkaStreams(builder.build(), p);
    streams.start();
    System.in.transferTo(java.io.OutputStream.nullOutputStream());
    System.exit(streams.close(Duration.ofSeconds(20)) ? 0 : 1);
  }
}
