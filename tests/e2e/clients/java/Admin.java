import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.time.Duration;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Scanner;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.FeatureUpdate;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.UpdateFeaturesOptions;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionReplica;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;

/** Verbs of ../README.md's {@code admin}, with Apache Kafka's own library. */
public class Admin {
  private static final Duration POLL = Duration.ofMillis(200);
  private static String bootstrap;
  /** The last line that the library has logged for a person to see. */
  private static volatile String logged = "";

  private interface Verb {
    /** What stands behind "ok". */
    String run(String[] words) throws Exception;
  }

  public static void main(String[] a) throws Exception {
    bootstrap = a[0];
    System.setErr(new PrintStream(new LogReader(System.err), true));
    try (AdminClient admin = AdminClient.create(properties())) {
      Map<String, Verb> verbs = verbs(admin);
      Scanner in = new Scanner(System.in);
      while (in.hasNextLine()) {
        String[] words = in.nextLine().split(" ");
        Verb verb = verbs.get(words[0]);
        System.out.println(verb == null ? "none" : outcome(verb, words));
        System.out.flush();
      }
    }
    System.exit(0);
  }

  /** Runs a verb in a thread of its own, so that one that does not end holds up no other. */
  private static String outcome(Verb verb, String[] words) {
    logged = "";
    CompletableFuture<String> done = new CompletableFuture<>();
    Thread thread = new Thread(() -> {
      try {
        done.complete("ok " + verb.run(words));
      } catch (Throwable e) {
        Throwable cause = e instanceof ExecutionException && e.getCause() != null ? e.getCause() : e;
        done.complete("E " + cause.getClass().getSimpleName() + " " + cause.getMessage());
      }
    });
    thread.setDaemon(true);
    thread.start();
    try {
      return done.get(Integer.parseInt(System.getenv("GIVE_UP_S")), TimeUnit.SECONDS).replace('\n', ' ');
    } catch (TimeoutException e) {
      return "W " + logged;
    } catch (InterruptedException | ExecutionException e) {
      return "E " + e;
    }
  }

  private static Properties properties() throws Exception {
    Properties p = Security.properties();
    p.put("bootstrap.servers", bootstrap);
    p.put("request.timeout.ms", "5000");
    p.put("default.api.timeout.ms", "5000");
    return p;
  }

  private static Map<String, Verb> verbs(AdminClient admin) {
    Map<String, Verb> verbs = new HashMap<>();
    topics(verbs, admin);
    verbs.put("configs", w -> {
      ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, w[1]);
      return admin.describeConfigs(List.of(topic)).all().get().get(topic).get("retention.ms").value();
    });
    verbs.put("broker-config", w -> {
      ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, "1");
      AlterConfigOp op = new AlterConfigOp(new ConfigEntry("log.cleaner.threads", "1"), AlterConfigOp.OpType.SET);
      admin.incrementalAlterConfigs(Map.of(broker, List.of(op))).all().get();
      return "";
    });
    verbs.put("acl", w -> {
      ResourcePattern topic = new ResourcePattern(ResourceType.TOPIC, w[1], PatternType.LITERAL);
      AccessControlEntry entry = new AccessControlEntry("User:alice", "*", AclOperation.READ, AclPermissionType.ALLOW);
      admin.createAcls(List.of(new AclBinding(topic, entry))).all().get();
      return "";
    });
    verbs.put("elect", w -> {
      admin.electLeaders(ElectionType.PREFERRED, Set.copyOf(partitions(w[1], w[2]))).all().get();
      return "";
    });
    verbs.put("reassign", w -> {
      NewPartitionReassignment to = new NewPartitionReassignment(List.of(1));
      admin.alterPartitionReassignments(partitions(w[1], w[2]).stream().collect(Collectors.toMap(p -> p, p -> Optional.of(to)))).all().get();
      return "";
    });
    verbs.put("log-dir", w -> {
      admin.alterReplicaLogDirs(Map.of(new TopicPartitionReplica(w[1], Integer.parseInt(w[2]), 1), "/nowhere")).all().get();
      return "";
    });
    verbs.put("features", w -> {
      FeatureUpdate update = new FeatureUpdate((short) 1, FeatureUpdate.UpgradeType.SAFE_DOWNGRADE);
      admin.updateFeatures(Map.of("group.version", update), new UpdateFeaturesOptions()).all().get();
      return "";
    });
    clients(verbs);
    return verbs;
  }

  private static void topics(Map<String, Verb> verbs, AdminClient admin) {
    verbs.put("create", w -> {
      Optional<Integer> count = w[2].equals("-1") ? Optional.empty() : Optional.of(Integer.parseInt(w[2]));
      return admin.createTopics(List.of(new NewTopic(w[1], count, Optional.of((short) 1)))).numPartitions(w[1]).get().toString();
    });
    verbs.put("create-on", w -> {
      Map<Integer, List<Integer>> assignments =
          IntStream.range(0, Integer.parseInt(w[2])).boxed().collect(Collectors.toMap(p -> p, p -> List.of(1)));
      admin.createTopics(List.of(new NewTopic(w[1], assignments))).all().get();
      return "";
    });
    verbs.put("grow", w -> {
      admin.createPartitions(Map.of(w[1], NewPartitions.increaseTo(Integer.parseInt(w[2])))).all().get();
      return "";
    });
    verbs.put("delete", w -> {
      admin.deleteTopics(List.of(w[1])).all().get();
      return "";
    });
    verbs.put("delete-records", w -> {
      RecordsToDelete before = RecordsToDelete.beforeOffset(Long.parseLong(w[2]));
      admin.deleteRecords(partitions(w[1], w[3]).stream().collect(Collectors.toMap(p -> p, p -> before))).all().get();
      return "";
    });
    verbs.put("describe", w -> "" + admin.describeTopics(List.of(w[1])).allTopicNames().get().get(w[1]).partitions().size());
    verbs.put("list", w -> String.join(" ", admin.listTopics().names().get()));
  }

  private static Collection<TopicPartition> partitions(String topic, String numbers) {
    return Arrays.stream(numbers.split(",")).map(p -> new TopicPartition(topic, Integer.parseInt(p))).toList();
  }

  private static void clients(Map<String, Verb> verbs) {
    verbs.put("produce", w -> {
      try (KafkaProducer<String, String> producer = producer(null)) {
        return "" + producer.send(new ProducerRecord<>(w[1], "k", "v")).get().offset();
      }
    });
    verbs.put("join", w -> consume(w[1], w[2], "classic"));
    verbs.put("consumer-protocol", w -> consume(w[1], w[2], "consumer"));
    verbs.put("transact", w -> {
      try (KafkaProducer<String, String> producer = producer(w[2])) {
        producer.initTransactions();
        return "";
      }
    });
    verbs.put("share", w -> {
      Properties p = properties();
      p.put("group.id", w[2]);
      KafkaShareConsumer<String, String> consumer = new KafkaShareConsumer<>(p, new StringDeserializer(), new StringDeserializer());
      consumer.subscribe(List.of(w[1]));
      while (consumer.poll(POLL).isEmpty());
      return "";
    });
    verbs.put("streams", w -> {
      Properties p = properties();
      p.put("application.id", w[2]);
      p.put("group.protocol", "streams");
      p.put("state.dir", Files.createTempDirectory("streams").toString());
      StreamsBuilder builder = new StreamsBuilder();
      builder.stream(w[1]).foreach((k, v) -> {});
      CompletableFuture<String> failed = new CompletableFuture<>();
      KafkaStreams streams = new KafkaStreams(builder.build(), p);
      streams.setUncaughtExceptionHandler(e -> {
        failed.completeExceptionally(e.getCause() == null ? e : e.getCause());
        return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
      });
      streams.start();
      return failed.get();
    });
  }

  private static KafkaProducer<String, String> producer(String transactionalId) throws Exception {
    Properties p = properties();
    p.put("max.block.ms", "5000");
    if (transactionalId != null) p.put("transactional.id", transactionalId);
    return new KafkaProducer<>(p, new StringSerializer(), new StringSerializer());
  }

  /** Reads one record. A consumer that does not get it is left to itself: its close would wait. */
  private static String consume(String topic, String group, String protocol) throws Exception {
    Properties p = properties();
    p.put("group.id", group);
    p.put("group.protocol", protocol);
    p.put("auto.offset.reset", "earliest");
    KafkaConsumer<String, String> consumer = new KafkaConsumer<>(p, new StringDeserializer(), new StringDeserializer());
    consumer.subscribe(List.of(topic));
    while (consumer.poll(POLL).isEmpty());
    consumer.close();
    return "";
  }

  /** Passes stderr on, and keeps the last line. */
  private static final class LogReader extends OutputStream {
    private final OutputStream to;
    private final ByteArrayOutputStream line = new ByteArrayOutputStream();

    LogReader(OutputStream to) {
      this.to = to;
    }

    @Override
    public synchronized void write(int b) throws java.io.IOException {
      to.write(b);
      if (b != '\n') {
        line.write(b);
        return;
      }
      String text = line.toString(StandardCharsets.UTF_8);
      if (text.contains("WARN ") || text.contains("ERROR ")) logged = text.replaceFirst(".*?(WARN|ERROR) \\S+ - ", "");
      line.reset();
    }
  }
}
