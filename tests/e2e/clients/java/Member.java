import java.io.BufferedOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * A member of a consumer group on Apache Kafka's own library, spoken to as ../README.md says.
 *
 * <pre>
 * Member group bootstrap topic group assignor instance commit
 * Member pattern bootstrap regex group
 * </pre>
 */
public class Member implements ConsumerRebalanceListener {
  private static final PrintStream OUT = new PrintStream(new BufferedOutputStream(new FileOutputStream(FileDescriptor.out), 65536), false);
  private static final String ASSIGNORS = "org.apache.kafka.clients.consumer.";
  private static final Map<String, String> ASSIGNOR = Map.of(
      "range", ASSIGNORS + "RangeAssignor",
      "roundrobin", ASSIGNORS + "RoundRobinAssignor",
      "sticky", ASSIGNORS + "StickyAssignor",
      "cooperative-sticky", ASSIGNORS + "CooperativeStickyAssignor");

  private final KafkaConsumer<String, String> consumer;
  private final boolean manual;
  private volatile boolean ended;

  public static void main(String[] a) throws Exception {
    if (a[0].equals("pattern")) {
      list(a[1]);
      Member member = new Member(a[1], a[3], "range", "-", "auto");
      member.consumer.subscribe(Pattern.compile(a[2]), member);
      member.run();
    } else {
      Member member = new Member(a[1], a[3], a[4], a[5], a[6]);
      member.consumer.subscribe(List.of(a[2]), member);
      member.run();
    }
  }

  private static void list(String bootstrap) throws Exception {
    Properties p = Security.properties();
    p.put("bootstrap.servers", bootstrap);
    try (Admin admin = Admin.create(p)) {
      for (String topic : admin.listTopics().names().get()) OUT.println("T " + topic);
    }
    OUT.println("L");
    OUT.flush();
  }

  private Member(String bootstrap, String group, String assignor, String instance, String commit) throws IOException {
    Properties p = Security.properties();
    p.put("bootstrap.servers", bootstrap);
    p.put("group.id", group);
    p.put("partition.assignment.strategy", ASSIGNOR.get(assignor));
    if (!instance.equals("-")) p.put("group.instance.id", instance);
    p.put("session.timeout.ms", "6000");
    p.put("heartbeat.interval.ms", "1000");
    p.put("auto.offset.reset", "earliest");
    p.put("auto.commit.interval.ms", "500");
    p.put("fetch.max.wait.ms", "300");
    manual = commit.equals("manual");
    p.put("enable.auto.commit", String.valueOf(!manual));
    consumer = new KafkaConsumer<>(p, new StringDeserializer(), new StringDeserializer());
  }

  private void run() {
    Thread reader = new Thread(() -> {
      try {
        System.in.transferTo(java.io.OutputStream.nullOutputStream());
      } catch (IOException e) {
        System.err.println(e);
      }
      ended = true;
    });
    reader.setDaemon(true);
    reader.start();
    boolean uncommitted = false;
    while (!ended || uncommitted) {
      ConsumerRecords<String, String> polled = consumer.poll(Duration.ofMillis(100));
      for (ConsumerRecord<String, String> r : polled) OUT.println("R " + r.partition() + " " + r.offset() + " " + r.value());
      OUT.flush();
      // What cannot be committed during a rebalance is with a later poll, also when the program is to end.
      if (uncommitted || !polled.isEmpty()) uncommitted = !commit();
    }
    consumer.close();
    OUT.println("END");
    OUT.flush();
  }

  /** False when it did not succeed. */
  private boolean commit() {
    if (!manual) return true;
    try {
      consumer.commitSync();
      OUT.println("C");
      return true;
    } catch (CommitFailedException | RebalanceInProgressException | TimeoutException e) {
      System.err.println(e);
      return false;
    }
  }

  @Override
  public void onPartitionsRevoked(Collection<TopicPartition> revoked) {
    commit();
  }

  @Override
  public void onPartitionsLost(Collection<TopicPartition> lost) {}

  @Override
  public void onPartitionsAssigned(Collection<TopicPartition> assigned) {
    OUT.println("G " + assigned.stream().map(tp -> tp.partition()).sorted().map(String::valueOf).collect(Collectors.joining(",")));
    OUT.flush();
  }
}
