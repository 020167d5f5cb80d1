import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.InvalidReplicationFactorException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * ClientTest BOOTSTRAP SUFFIX: what a Java program does with the Kafka client, unchanged. Prints
 * "ok name" or "not ok name" a case.
 */
public final class ClientTest {
    private static final int PARTITIONS = 4;
    private static final int RECORDS = 4000;
    private static final Duration WAIT = Duration.ofSeconds(30);

    private interface Body {
        void run() throws Exception;
    }

    private final String bootstrap;
    private final String suffix;
    private final Admin admin;
    private boolean failed;

    private ClientTest(String bootstrap, String suffix) {
        this.bootstrap = bootstrap;
        this.suffix = suffix;
        this.admin = Admin.create(settings());
    }

    public static void main(String[] arguments) {
        ClientTest t = new ClientTest(arguments[0], arguments[1]);
        t.run("a cluster of one describes itself", t::describeCluster);
        t.run("topics are created, described, listed and deleted", t::topics);
        t.run("what cannot be created is refused as Kafka refuses it", t::refusals);
        t.run("partitions are added, never taken away", t::partitions);
        t.run("topic configuration is set, appended, deleted, refused", t::configuration);
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd"))
            t.run("idempotent producer, callbacks and consumer, codec " + codec,
                () -> t.produceAndConsume(codec));
        t.run("headers, null keys and null values", t::headers);
        t.run("seek, position, beginning and end offsets", t::seek);
        t.run("offsets for times", t::offsetsForTimes);
        t.run("offsets by the admin client", t::adminOffsets);
        t.run("an offset out of range is an error", t::outOfRange);
        t.run("a record larger than the topic takes is refused", t::tooLarge);
        t.run("acks=0 and acks=1 arrive", t::weakAcks);
        t.admin.close(WAIT);
        System.exit(t.failed ? 1 : 0);
    }

    private void run(String name, Body body) {
        long began = System.nanoTime();
        try {
            body.run();
            System.out.printf("# %.1f s%nok java: %s%n", (System.nanoTime() - began) / 1e9, name);
        } catch (Throwable t) {
            t.printStackTrace(System.out);
            System.out.printf("not ok java: %s%n", name);
            failed = true;
        }
        System.out.flush();
    }

    // What the cases share

    private Properties settings(String... pairs) {
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        p.put("request.timeout.ms", "20000");
        p.put("default.api.timeout.ms", "30000");
        for (int i = 0; i < pairs.length; i += 2) p.put(pairs[i], pairs[i + 1]);
        return p;
    }

    private KafkaProducer<byte[], byte[]> producer(String... pairs) {
        return new KafkaProducer<>(
            settings(pairs), new ByteArraySerializer(), new ByteArraySerializer());
    }

    private KafkaConsumer<byte[], byte[]> consumer(Collection<TopicPartition> assigned) {
        KafkaConsumer<byte[], byte[]> c = new KafkaConsumer<>(
            settings("enable.auto.commit", "false", "auto.offset.reset", "none"),
            new ByteArrayDeserializer(), new ByteArrayDeserializer());
        c.assign(assigned);
        return c;
    }

    private static List<TopicPartition> all(String topic, int count) {
        List<TopicPartition> out = new ArrayList<>();
        for (int i = 0; i < count; i++) out.add(new TopicPartition(topic, i));
        return out;
    }

    private static void check(boolean condition, String what) {
        if (!condition) throw new AssertionError(what);
    }

    private static void equal(Object got, Object wanted, String what) {
        check(wanted.equals(got), what + ": got " + got + ", wanted " + wanted);
    }

    private static void fails(Class<? extends Throwable> wanted, Body body) throws Exception {
        try {
            body.run();
        } catch (ExecutionException e) {
            check(wanted.isInstance(e.getCause()), "wanted " + wanted + ", got " + e.getCause());
            return;
        }
        throw new AssertionError("wanted " + wanted + ", nothing was thrown");
    }

    private String create(String stem, int partitions) throws Exception {
        String name = "java-" + stem + "-" + suffix;
        admin.createTopics(List.of(new NewTopic(name, partitions, (short) 1))).all().get();
        awaitLeaders(name, partitions);
        return name;
    }

    private TopicDescription awaitLeaders(String name, int partitions) throws Exception {
        long limit = System.nanoTime() + WAIT.toNanos();
        while (true) {
            try {
                TopicDescription d =
                    admin.describeTopics(List.of(name)).allTopicNames().get().get(name);
                if (d.partitions().size() == partitions
                    && d.partitions().stream().allMatch(p -> p.leader() != null)) return d;
            } catch (ExecutionException e) {
                if (!(e.getCause() instanceof UnknownTopicOrPartitionException)) throw e;
            }
            check(System.nanoTime() < limit, name + " has no leaders");
            Thread.sleep(20);
        }
    }

    private static byte[] payload(int partition, long sequence) {
        byte[] head = (partition + "/" + sequence + "/").getBytes(StandardCharsets.UTF_8);
        byte[] out = Arrays.copyOf(head, head.length + (int) (sequence % 300));
        for (int i = head.length; i < out.length; i++) out[i] = (byte) (sequence * 31 + i * 7L);
        return out;
    }

    // Admin

    private void describeCluster() throws Exception {
        var cluster = admin.describeCluster();
        Collection<Node> nodes = cluster.nodes().get();
        equal(nodes.size(), 1, "nodes");
        Node only = nodes.iterator().next();
        equal(only.host() + ":" + only.port(), bootstrap, "address");
        equal(cluster.controller().get().id(), only.id(), "controller");
        check(cluster.clusterId().get().length() == 22, "cluster id " + cluster.clusterId().get());
    }

    private void topics() throws Exception {
        String name = create("topics", 3);
        TopicDescription d = awaitLeaders(name, 3);
        check(!d.isInternal(), "not internal");
        check(!d.topicId().toString().equals("AAAAAAAAAAAAAAAAAAAAAA"), "has an id");
        for (int i = 0; i < 3; i++) {
            equal(d.partitions().get(i).partition(), i, "partition");
            equal(d.partitions().get(i).replicas().size(), 1, "replicas");
            equal(d.partitions().get(i).isr(), d.partitions().get(i).replicas(), "isr");
        }
        check(admin.listTopics().names().get().contains(name), "listed");
        var byId = admin.describeTopics(
            org.apache.kafka.common.TopicCollection.ofTopicIds(List.of(d.topicId())));
        equal(byId.allTopicIds().get().get(d.topicId()).name(), name, "name by id");
        admin.deleteTopics(List.of(name)).all().get();
        long limit = System.nanoTime() + WAIT.toNanos();
        while (admin.listTopics().names().get().contains(name)) {
            check(System.nanoTime() < limit, "still listed");
            Thread.sleep(20);
        }
    }

    private void refusals() throws Exception {
        String name = create("refusals", 1);
        fails(TopicExistsException.class,
            () -> admin.createTopics(List.of(new NewTopic(name, 1, (short) 1))).all().get());
        fails(InvalidTopicException.class,
            () -> admin.createTopics(List.of(new NewTopic("a b", 1, (short) 1))).all().get());
        fails(InvalidPartitionsException.class,
            () -> admin.createTopics(List.of(new NewTopic(name + "x", 0, (short) 1))).all().get());
        fails(InvalidReplicationFactorException.class,
            () -> admin.createTopics(List.of(new NewTopic(name + "x", 1, (short) 3))).all().get());
        fails(InvalidConfigurationException.class,
            () -> admin.createTopics(List.of(new NewTopic(name + "x", 1, (short) 1).configs(
                Map.of("no.such.key", "1")))).all().get());
        fails(UnknownTopicOrPartitionException.class,
            () -> admin.deleteTopics(List.of(name + "x")).all().get());
        fails(UnknownTopicOrPartitionException.class,
            () -> admin.describeTopics(List.of(name + "x")).allTopicNames().get());
        admin.createTopics(List.of(new NewTopic(name + "v", 1, (short) 1)),
            new org.apache.kafka.clients.admin.CreateTopicsOptions().validateOnly(true))
            .all().get();
        check(!admin.listTopics().names().get().contains(name + "v"), "validateOnly made a topic");
    }

    private void partitions() throws Exception {
        String name = create("partitions", 2);
        admin.createPartitions(Map.of(name, NewPartitions.increaseTo(6))).all().get();
        awaitLeaders(name, 6);
        fails(InvalidPartitionsException.class,
            () -> admin.createPartitions(Map.of(name, NewPartitions.increaseTo(3))).all().get());
        try (KafkaProducer<byte[], byte[]> p = producer("acks", "all")) {
            RecordMetadata md = p.send(new ProducerRecord<>(name, 5, null, payload(5, 0))).get();
            equal(md.partition() + "@" + md.offset(), "5@0", "record in a new partition");
        }
    }

    private Config describe(ConfigResource r) throws Exception {
        return admin.describeConfigs(List.of(r)).all().get().get(r);
    }

    private void alter(ConfigResource r, String key, String value, AlterConfigOp.OpType how)
        throws Exception {
        admin.incrementalAlterConfigs(
            Map.of(r, List.of(new AlterConfigOp(new ConfigEntry(key, value), how)))).all().get();
    }

    private void awaitConfig(ConfigResource r, String key, String value) throws Exception {
        long limit = System.nanoTime() + WAIT.toNanos();
        while (!value.equals(describe(r).get(key).value())) {
            check(System.nanoTime() < limit, key + " is " + describe(r).get(key).value());
            Thread.sleep(20);
        }
    }

    private void configuration() throws Exception {
        String name = "java-configuration-" + suffix;
        admin.createTopics(List.of(new NewTopic(name, 1, (short) 1).configs(
            Map.of("retention.ms", "3600000")))).all().get();
        awaitLeaders(name, 1);
        ConfigResource r = new ConfigResource(ConfigResource.Type.TOPIC, name);
        ConfigEntry retention = describe(r).get("retention.ms");
        equal(retention.value(), "3600000", "retention.ms");
        equal(retention.source(), ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, "source");
        ConfigEntry size = describe(r).get("max.message.bytes");
        equal(size.value(), "1048588", "max.message.bytes");
        check(size.isDefault(), "max.message.bytes is the default");
        alter(r, "max.message.bytes", "5000", AlterConfigOp.OpType.SET);
        awaitConfig(r, "max.message.bytes", "5000");
        // A list: what is there already is not appended again, what is not there is not missed.
        alter(r, "cleanup.policy", "delete", AlterConfigOp.OpType.APPEND);
        alter(r, "cleanup.policy", "compact", AlterConfigOp.OpType.SUBTRACT);
        awaitConfig(r, "cleanup.policy", "delete");
        alter(r, "max.message.bytes", "", AlterConfigOp.OpType.DELETE);
        awaitConfig(r, "max.message.bytes", "1048588");
        fails(InvalidConfigurationException.class,
            () -> alter(r, "max.message.bytes", "-2", AlterConfigOp.OpType.SET));
        fails(InvalidConfigurationException.class,
            () -> alter(r, "no.such.key", "1", AlterConfigOp.OpType.SET));
        fails(UnknownTopicOrPartitionException.class,
            () -> describe(new ConfigResource(ConfigResource.Type.TOPIC, name + "x")));
    }

    // Producer and consumer

    private void produceAndConsume(String codec) throws Exception {
        String topic = create("codec-" + codec, PARTITIONS);
        long[] next = new long[PARTITIONS];
        AtomicReference<String> wrong = new AtomicReference<>();
        try (KafkaProducer<byte[], byte[]> p = producer("acks", "all", "enable.idempotence", "true",
            "compression.type", codec, "linger.ms", "5")) {
            for (int i = 0; i < RECORDS; i++) {
                int partition = i % PARTITIONS;
                byte[] key = Integer.toString(i).getBytes(StandardCharsets.UTF_8);
                p.send(new ProducerRecord<>(topic, partition, key,
                    payload(partition, i / PARTITIONS)), (md, error) -> {
                        if (error != null) wrong.set(error.toString());
                        else if (md.offset() != next[md.partition()]++)
                            wrong.set("offset " + md.offset() + " of " + md.partition());
                    });
            }
            p.flush();
        }
        check(wrong.get() == null, "callbacks: " + wrong.get());
        for (long n : next) equal(n, (long) RECORDS / PARTITIONS, "acknowledged");
        try (KafkaConsumer<byte[], byte[]> c = consumer(all(topic, PARTITIONS))) {
            c.seekToBeginning(c.assignment());
            readAll(c, new long[PARTITIONS], RECORDS);
        }
    }

    /** Reads `count` records; each must carry the next offset of its partition and its bytes. */
    private void readAll(KafkaConsumer<byte[], byte[]> c, long[] next, int count) {
        long limit = System.nanoTime() + WAIT.toNanos();
        for (int seen = 0; seen < count;) {
            for (ConsumerRecord<byte[], byte[]> r : c.poll(Duration.ofMillis(200))) {
                equal(r.offset(), next[r.partition()]++, "offset in " + r.partition());
                check(Arrays.equals(r.value(), payload(r.partition(), r.offset())),
                    "bytes of " + r.partition() + "@" + r.offset());
                seen++;
            }
            check(System.nanoTime() < limit, seen + " of " + count + " records in time");
        }
    }

    private void headers() throws Exception {
        String topic = create("headers", 1);
        try (KafkaProducer<byte[], byte[]> p = producer("acks", "all")) {
            ProducerRecord<byte[], byte[]> r = new ProducerRecord<>(topic, 0, null, null);
            r.headers().add("a", "1".getBytes(StandardCharsets.UTF_8));
            r.headers().add("none", null);
            r.headers().add("a", new byte[] {0, -1, 10});
            p.send(r).get();
        }
        try (KafkaConsumer<byte[], byte[]> c = consumer(all(topic, 1))) {
            c.seekToBeginning(c.assignment());
            ConsumerRecord<byte[], byte[]> r = one(c);
            check(r.key() == null && r.value() == null, "null key and value");
            Header[] h = r.headers().toArray();
            equal(h.length, 3, "headers");
            equal(h[0].key() + h[1].key() + h[2].key(), "anonea", "header keys");
            check(h[1].value() == null, "null header value");
            check(Arrays.equals(h[2].value(), new byte[] {0, -1, 10}), "header bytes");
        }
    }

    private ConsumerRecord<byte[], byte[]> one(KafkaConsumer<byte[], byte[]> c) {
        long limit = System.nanoTime() + WAIT.toNanos();
        while (true) {
            var batch = c.poll(Duration.ofMillis(200));
            if (!batch.isEmpty()) return batch.iterator().next();
            check(System.nanoTime() < limit, "no record in time");
        }
    }

    private void seek() throws Exception {
        String topic = "java-codec-none-" + suffix; // written above
        List<TopicPartition> parts = all(topic, PARTITIONS);
        long each = RECORDS / PARTITIONS;
        try (KafkaConsumer<byte[], byte[]> c = consumer(parts)) {
            for (long o : c.beginningOffsets(parts).values()) equal(o, 0L, "beginning");
            for (long o : c.endOffsets(parts).values()) equal(o, each, "end");
            for (long offset : new long[] {each - 1, 0, each / 2, 3}) {
                c.assign(parts.subList(2, 3));
                c.seek(parts.get(2), offset);
                equal(one(c).offset(), offset, "record after seek");
            }
            c.seekToEnd(parts.subList(2, 3));
            equal(c.position(parts.get(2)), each, "position at the end");
            c.assign(parts);
            long[] next = {0, each - 10, each / 2, each};
            int left = (int) (each + 10 + each / 2);
            for (int i = 0; i < PARTITIONS; i++) c.seek(parts.get(i), next[i]);
            readAll(c, next, left);
        }
    }

    private void offsetsForTimes() throws Exception {
        String topic = create("times", 1);
        TopicPartition part = new TopicPartition(topic, 0);
        long base = 1700000000000L;
        try (KafkaProducer<byte[], byte[]> p = producer("acks", "all")) {
            for (int i = 0; i < 300; i++) {
                p.send(new ProducerRecord<>(topic, 0, base + i * 10L, null, payload(0, i)));
                if (i % 50 == 0) p.flush();
            }
        }
        long[][] wanted = {{-5, 0, 0}, {0, 0, 0}, {1, 1, 10}, {1495, 150, 1500}, {2990, 299, 2990}};
        try (KafkaConsumer<byte[], byte[]> c = consumer(List.of(part))) {
            for (long[] w : wanted) {
                OffsetAndTimestamp got = c.offsetsForTimes(Map.of(part, base + w[0])).get(part);
                equal(got.offset(), w[1], "offset at +" + w[0]);
                equal(got.timestamp(), base + w[2], "time at +" + w[0]);
            }
            check(c.offsetsForTimes(Map.of(part, base + 3000)).get(part) == null, "past the end");
        }
    }

    private void adminOffsets() throws Exception {
        TopicPartition part = new TopicPartition("java-times-" + suffix, 0);
        Map<OffsetSpec, Long> wanted = new HashMap<>();
        wanted.put(OffsetSpec.earliest(), 0L);
        wanted.put(OffsetSpec.latest(), 300L);
        wanted.put(OffsetSpec.maxTimestamp(), 299L);
        wanted.put(OffsetSpec.forTimestamp(1700000000010L), 1L);
        for (var w : wanted.entrySet())
            equal(admin.listOffsets(Map.of(part, w.getKey())).all().get().get(part).offset(),
                w.getValue(), w.getKey().getClass().getSimpleName());
    }

    private void outOfRange() throws Exception {
        TopicPartition part = new TopicPartition("java-times-" + suffix, 0);
        try (KafkaConsumer<byte[], byte[]> c = consumer(List.of(part))) {
            c.seek(part, 1000000);
            try {
                one(c);
                throw new AssertionError("a record beyond the end");
            } catch (OffsetOutOfRangeException e) {
                equal(e.offsetOutOfRangePartitions(), Map.of(part, 1000000L), "partition");
            }
        }
    }

    private void tooLarge() throws Exception {
        String name = "java-large-" + suffix;
        admin.createTopics(List.of(new NewTopic(name, 1, (short) 1).configs(
            Map.of("max.message.bytes", "20000")))).all().get();
        awaitLeaders(name, 1);
        try (KafkaProducer<byte[], byte[]> p = producer("acks", "all")) {
            fails(RecordTooLargeException.class,
                () -> p.send(new ProducerRecord<>(name, 0, null, new byte[30000])).get());
            equal(p.send(new ProducerRecord<>(name, 0, null, new byte[10000])).get().offset(), 0L,
                "the next one");
        }
    }

    /** Nothing answers with acks=0: the next producer begins when all of the first one is there. */
    private void weakAcks() throws Exception {
        String topic = create("weak", 1);
        Set<TopicPartition> part = Set.of(new TopicPartition(topic, 0));
        try (KafkaConsumer<byte[], byte[]> c = consumer(part)) {
            for (String acks : List.of("0", "1")) {
                int first = acks.equals("0") ? 0 : 100;
                try (KafkaProducer<byte[], byte[]> p =
                         producer("acks", acks, "enable.idempotence", "false")) {
                    for (int i = 0; i < 100; i++)
                        p.send(new ProducerRecord<>(topic, 0, null, payload(0, first + i)));
                }
                long limit = System.nanoTime() + WAIT.toNanos();
                for (long end = 0; end < first + 100;) {
                    end = c.endOffsets(part).values().iterator().next();
                    check(System.nanoTime() < limit, end + " records of acks=" + acks + " in time");
                }
            }
            c.seekToBeginning(part);
            readAll(c, new long[1], 200);
        }
    }
}
