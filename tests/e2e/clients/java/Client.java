import java.io.BufferedOutputStream;
import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.time.Duration;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Client program on Apache Kafka's own library, spoken to as ../README.md says.
 *
 * <pre>
 * Client produce bootstrap topic partitions count codec idempotent run [pause]
 * Client consume bootstrap topic partition readCommitted maxPartitionBytes
 * </pre>
 */
public class Client {
  private static final PrintStream OUT = new PrintStream(new BufferedOutputStream(new FileOutputStream(FileDescriptor.out), 65536), false);
  /** Stands in the queue of assignments for the end of stdin. */
  private static final String END = "";

  public static void main(String[] a) throws Exception {
    if (a[0].equals("produce")) {
      produce(a[1], a[2], Integer.parseInt(a[3]), Integer.parseInt(a[4]), a[5], a[6].equals("1"), a[7], a.length > 8 ? Long.parseLong(a[8]) : 0);
    } else {
      consume(a[1], a[2] + " " + a[3], a[4].equals("1"), a[5]);
    }
    OUT.flush();
  }

  private static void produce(
      String bootstrap, String topic, int partitions, int count, String codec, boolean idempotent, String run, long pause) throws Exception {
    Properties p = Security.properties();
    p.put("bootstrap.servers", bootstrap);
    p.put("compression.type", codec);
    p.put("enable.idempotence", String.valueOf(idempotent));
    p.put("acks", "all");
    p.put("linger.ms", "20");
    try (KafkaProducer<String, String> producer = new KafkaProducer<>(p, new StringSerializer(), new StringSerializer())) {
      for (int seq = 0; seq < count; seq++) {
        for (int v = 0; v < partitions; v++) {
          int partition = v;
          String value = run + "-" + v + "-" + seq;
          producer.send(new ProducerRecord<>(topic, v, value, value), (ack, e) -> {
            if (e == null) OUT.println("A " + ack.partition() + " " + ack.offset() + " " + value);
            else OUT.println("E " + partition + " " + e);
          });
        }
        Thread.sleep(pause);
      }
    }
    OUT.println("END");
  }

  private static void consume(String bootstrap, String first, boolean readCommitted, String maxBytes) throws Exception {
    Properties p = Security.properties();
    p.put("bootstrap.servers", bootstrap);
    p.put("auto.offset.reset", "earliest");
    p.put("enable.auto.commit", "false");
    p.put("fetch.max.wait.ms", "300");
    if (!maxBytes.equals("0")) p.put("max.partition.fetch.bytes", maxBytes);
    p.put("isolation.level", readCommitted ? "read_committed" : "read_uncommitted");
    BlockingQueue<String> next = assignments(first);
    try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(p, new StringDeserializer(), new StringDeserializer())) {
      for (String want = next.take(); !want.equals(END); want = next.take()) {
        String[] words = want.split(" ");
        read(consumer, new TopicPartition(words[0], Integer.parseInt(words[1])), next);
      }
    }
  }

  /** Prints what one partition delivers, until {@code next} has another assignment or the end of them. */
  private static void read(KafkaConsumer<String, String> consumer, TopicPartition want, BlockingQueue<String> next) {
    consumer.assign(List.of(want));
    consumer.seekToBeginning(List.of(want));
    OUT.println("S " + want.partition());
    long last = -1;
    while (next.isEmpty()) {
      for (ConsumerRecord<String, String> r : consumer.poll(Duration.ofMillis(50))) {
        OUT.println("R " + r.partition() + " " + r.offset() + " " + r.value());
      }
      long position = consumer.position(want);
      if (position != last) OUT.println("P " + position);
      last = position;
      OUT.flush();
    }
  }

  private static BlockingQueue<String> assignments(String first) {
    BlockingQueue<String> queue = new LinkedBlockingQueue<>(List.of(first));
    Thread reader = new Thread(() -> {
      new BufferedReader(new InputStreamReader(System.in)).lines().forEach(queue::add);
      queue.add(END);
    });
    reader.setDaemon(true);
    reader.start();
    return queue;
  }
}
