import java.time.Duration;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.ReadOnlyKeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * Holds all of a topic in a table of Kafka Streams until stdin ends.
 *
 * <p>{@code GlobalTable bootstrap application topic stateDirectory} reads each partition of the topic to its end
 * offset, and then prints a line {@code key value} for each record of the table, and {@code END}.
 */
public class GlobalTable {
  public static void main(String[] a) throws Exception {
    Properties p = new Properties();
    p.put("bootstrap.servers", a[0]);
    p.put("application.id", a[1]);
    p.put("state.dir", a[3]);
    p.put("default.key.serde", Serdes.StringSerde.class.getName());
    p.put("default.value.serde", Serdes.StringSerde.class.getName());
    StreamsBuilder builder = new StreamsBuilder();
    builder.globalTable(a[2], Materialized.<String, String>as(Stores.inMemoryKeyValueStore("table")));
    KafkaStreams streams = new KafkaStreams(builder.build(), p);
    streams.start(); // returns when the table is read
    ReadOnlyKeyValueStore<String, String> table =
        streams.store(StoreQueryParameters.fromNameAndType("table", QueryableStoreTypes.keyValueStore()));
    try (KeyValueIterator<String, String> all = table.all()) {
      all.forEachRemaining(record -> System.out.println(record.key + " " + record.value));
    }
    System.out.println("END");
    System.out.flush();
    System.in.transferTo(java.io.OutputStream.nullOutputStream());
    System.exit(streams.close(Duration.ofSeconds(20)) ? 0 : 1);
  }
}
