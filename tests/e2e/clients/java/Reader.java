import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * A consumer of many partitions, whose fetch session (KIP-227) has to follow what it is told to read.
 *
 * <pre>
 * Reader bootstrap
 * </pre>
 *
 * Each line of stdin is done between two polls, and answered by {@code OK}. Partitions are written as topic:number, with
 * commas between them; new ones are read from their beginning.
 *
 * <pre>
 * assign partitions | pause partitions | resume partitions | seek partition offset
 * </pre>
 *
 * Prints {@code R topic:number offset value} for each record.
 */
public class Reader {
  public static void main(String[] a) throws Exception {
    Properties p = Security.properties();
    p.put("bootstrap.servers", a[0]);
    p.put("auto.offset.reset", "earliest");
    p.put("enable.auto.commit", "false");
    BlockingQueue<String> commands = new LinkedBlockingQueue<>();
    Thread stdin = new Thread(() -> new BufferedReader(new InputStreamReader(System.in)).lines().forEach(commands::add));
    stdin.setDaemon(true);
    stdin.start();
    try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(p, new StringDeserializer(), new StringDeserializer())) {
      obey(consumer, commands.take());
      while (stdin.isAlive() || !commands.isEmpty()) {
        for (String command = commands.poll(); command != null; command = commands.poll()) obey(consumer, command);
        for (ConsumerRecord<String, String> r : consumer.poll(Duration.ofMillis(50))) {
          System.out.println("R " + r.topic() + ":" + r.partition() + " " + r.offset() + " " + r.value());
        }
        System.out.flush();
      }
    }
  }

  private static void obey(KafkaConsumer<String, String> consumer, String command) {
    String[] words = command.split(" ");
    List<TopicPartition> named = Arrays.stream(words[1].split(",")).map(Reader::partition).toList();
    switch (words[0]) {
      case "assign" -> {
        List<TopicPartition> fresh = new ArrayList<>(named);
        fresh.removeAll(consumer.assignment());
        consumer.assign(named);
        if (!fresh.isEmpty()) consumer.seekToBeginning(fresh);
      }
      case "pause" -> consumer.pause(named);
      case "resume" -> consumer.resume(named);
      case "seek" -> consumer.seek(named.get(0), Long.parseLong(words[2]));
      default -> throw new IllegalArgumentException(command);
    }
    System.out.println("OK");
    System.out.flush();
  }

  private static TopicPartition partition(String name) {
    int colon = name.lastIndexOf(':');
    return new TopicPartition(name.substring(0, colon), Integer.parseInt(name.substring(colon + 1)));
  }
}
