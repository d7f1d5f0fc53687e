import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Properties;
import java.util.Scanner;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BiPredicate;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * The load of the benchmark, in one process that stays, so that every run meets compiled code. Reads a
 * command per line and answers each with one line: JSON, or "error ...".
 *
 * <pre>
 * produce BOOTSTRAP TOPIC PARTITIONS RECORDS            as fast as it goes; tells seconds
 * pace    BOOTSTRAP TOPIC PARTITIONS RECORDS RATE       RATE records a second; tells latencies
 * consume BOOTSTRAP TOPIC PARTITIONS RECORDS CONSUMERS  all, CONSUMERS share the partitions; tells seconds
 * range   BOOTSTRAP TOPIC PARTITIONS RECORDS MEMBERS    what the first of MEMBERS gets, each of which has a run
 *                                                       of neighbouring partitions; tells seconds
 * </pre>
 */
public final class Load {
    static final int RECORD_BYTES = 1024;
    /** What a record takes in a batch beside its value: lengths, deltas, attributes. */
    static final int OVERHEAD_BYTES = 10;

    public static void main(String[] args) {
        Locale.setDefault(Locale.ROOT);
        Scanner commands = new Scanner(System.in, StandardCharsets.UTF_8);
        while (commands.hasNextLine()) {
            String[] words = commands.nextLine().split(" ");
            try {
                System.out.println(run(words));
            } catch (Exception e) {
                System.out.println("error " + e.toString().replace('\n', ' '));
            }
        }
    }

    static String run(String[] w) throws Exception {
        int partitions = Integer.parseInt(w[3]);
        int records = Integer.parseInt(w[4]);
        return switch (w[0]) {
            case "produce" -> produce(w[1], w[2], partitions, records, 0);
            case "pace" -> produce(w[1], w[2], partitions, records, Integer.parseInt(w[5]));
            case "consume" -> {
                int consumers = Integer.parseInt(w[5]);
                yield consume(w[1], w[2], partitions, records, consumers, (c, v) -> v % consumers == c);
            }
            case "range" -> {
                int run = partitions / Integer.parseInt(w[5]);
                yield consume(w[1], w[2], partitions, records, 1, (c, v) -> v < run);
            }
            default -> throw new IllegalArgumentException(w[0]);
        };
    }

    /** rate 0: no pause between records. */
    static String produce(String bootstrap, String topic, int partitions, int records, int rate) throws Exception {
        long[] latencyNs = new long[records];
        AtomicReference<Exception> failed = new AtomicReference<>();
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(producerConfig(bootstrap, rate > 0))) {
            byte[] value = new byte[RECORD_BYTES - OVERHEAD_BYTES];
            producer.partitionsFor(topic);
            long start = System.nanoTime();
            for (int i = 0; i < records; i++) {
                if (rate > 0) {
                    sleepUntil(start + i * 1_000_000_000L / rate);
                }
                int number = i;
                long sent = System.nanoTime();
                producer.send(new ProducerRecord<>(topic, i % partitions, null, value), (metadata, e) -> {
                    latencyNs[number] = System.nanoTime() - sent;
                    if (e != null) {
                        failed.set(e);
                    }
                });
            }
            producer.flush();
            double seconds = (System.nanoTime() - start) / 1e9;
            if (failed.get() != null) {
                throw failed.get();
            }
            return producedJson(records, seconds, latencyNs);
        }
    }

    /** The first fifth of the latencies is warm-up. */
    static String producedJson(int records, double seconds, long[] latencyNs) {
        long[] sorted = Arrays.copyOfRange(latencyNs, latencyNs.length / 5, latencyNs.length);
        Arrays.sort(sorted);
        double p50 = sorted[sorted.length / 2] / 1e6;
        double p99 = sorted[(int) (sorted.length * 0.99)] / 1e6;
        return String.format("{\"records\": %d, \"seconds\": %.3f, \"p50_ms\": %.3f, \"p99_ms\": %.3f}", records, seconds, p50, p99);
    }

    static Properties producerConfig(String bootstrap, boolean paced) {
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        config.put("key.serializer", ByteArraySerializer.class);
        config.put("value.serializer", ByteArraySerializer.class);
        config.put("acks", "all");
        config.put("linger.ms", paced ? 1 : 5);
        config.put("batch.size", 128 * 1024);
        config.put("buffer.memory", 64L << 20);
        return config;
    }

    /** `assigned`: whether a consumer, by its number, has a partition. */
    static String consume(
        String bootstrap, String topic, int partitions, int records, int consumers, BiPredicate<Integer, Integer> assigned
    ) throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(consumers);
        List<Future<Integer>> counts = new ArrayList<>();
        int allWanted = 0;
        long start = System.nanoTime();
        for (int c = 0; c < consumers; c++) {
            int number = c;
            List<TopicPartition> mine = IntStream.range(0, partitions)
                .filter(v -> assigned.test(number, v)).mapToObj(v -> new TopicPartition(topic, v)).toList();
            int wanted = mine.stream().mapToInt(tp -> share(records, partitions, tp.partition())).sum();
            counts.add(threads.submit(() -> read(bootstrap, mine, wanted)));
            allWanted += wanted;
        }
        int total = 0;
        for (Future<Integer> count : counts) {
            total += count.get();
        }
        double seconds = (System.nanoTime() - start) / 1e9;
        threads.shutdown();
        if (total != allWanted) {
            throw new IllegalStateException("read " + total + " of " + allWanted);
        }
        return String.format("{\"records\": %d, \"seconds\": %.3f}", total, seconds);
    }

    /** How many of `records` dealt out in turn are the partition's. */
    static int share(int records, int partitions, int partition) {
        return records / partitions + (partition < records % partitions ? 1 : 0);
    }

    static int read(String bootstrap, List<TopicPartition> mine, int wanted) {
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        config.put("key.deserializer", ByteArrayDeserializer.class);
        config.put("value.deserializer", ByteArrayDeserializer.class);
        config.put("enable.auto.commit", false);
        config.put("max.poll.records", 10_000);
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(config)) {
            consumer.assign(mine);
            consumer.seekToBeginning(mine);
            long deadline = System.nanoTime() + Duration.ofSeconds(60).toNanos();
            int count = 0;
            while (count < wanted && System.nanoTime() < deadline) {
                count += consumer.poll(Duration.ofMillis(200)).count();
            }
            return count;
        }
    }

    static void sleepUntil(long nanos) throws InterruptedException {
        long left = nanos - System.nanoTime();
        if (left > 0) {
            Thread.sleep(left / 1_000_000, (int) (left % 1_000_000));
        }
    }
}
