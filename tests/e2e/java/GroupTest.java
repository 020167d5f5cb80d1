import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.UnknownMemberIdException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * GroupTest BOOTSTRAP SUFFIX: consumer groups of the classic protocol with the Java client. Prints
 * "ok name" or "not ok name" a case.
 */
public final class GroupTest {
    private static final int PARTITIONS = 6;
    private static final int RECORDS = 600;
    private static final Duration WAIT = Duration.ofSeconds(120);

    private interface Body {
        void run() throws Exception;
    }

    private final String bootstrap;
    private final String topic;
    private final String suffix;
    private final Admin admin;
    private boolean failed;

    private GroupTest(String bootstrap, String suffix) {
        this.bootstrap = bootstrap;
        this.suffix = suffix;
        this.topic = "java-groups-" + suffix;
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        this.admin = Admin.create(p);
    }

    public static void main(String[] arguments) {
        GroupTest t = new GroupTest(arguments[0], arguments[1]);
        t.run("records for groups", t::produce);
        for (Class<?> assignor : List.of(RangeAssignor.class, CooperativeStickyAssignor.class))
            t.run("members share, join and leave, " + assignor.getSimpleName(),
                () -> t.share(assignor));
        t.run("committed offsets and their metadata come back", t::commits);
        t.run("a static member comes back without a rebalance", t::staticMember);
        t.run("groups are listed, described, emptied and deleted", t::administration);
        t.run("a commit of a stranger is refused", t::stranger);
        t.run("clients may not write to internal topics", t::internal);
        t.admin.close(WAIT);
        System.exit(t.failed ? 1 : 0);
    }

    private void run(String name, Body body) {
        long began = System.nanoTime();
        try {
            body.run();
            System.out.printf("# %.1f s%nok groups: java: %s%n", (System.nanoTime() - began) / 1e9,
                name);
        } catch (Exception | AssertionError e) {
            failed = true;
            e.printStackTrace(System.out);
            System.out.println("not ok groups: java: " + name);
        }
    }

    private static void check(boolean holds, Object what) {
        if (!holds)
            throw new AssertionError(what);
    }

    private void produce() throws Exception {
        admin.createTopics(List.of(new NewTopic(topic, PARTITIONS, (short) 1))).all().get();
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        try (KafkaProducer<byte[], byte[]> producer =
                 new KafkaProducer<>(p, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (int i = 0; i < RECORDS; i++)
                producer.send(new ProducerRecord<>(topic, i % PARTITIONS, null, bytes("r" + i)));
        }
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** A consumer that notes what it has been given. */
    private final class Member implements AutoCloseable, ConsumerRebalanceListener {
        final KafkaConsumer<byte[], byte[]> consumer;
        final List<String> seen = new ArrayList<>();
        boolean commits = true; // what it loses
        int rebalances;

        Member(String group, Class<?> assignor, String instance) {
            Properties p = new Properties();
            p.put("bootstrap.servers", bootstrap);
            p.put("group.id", group);
            p.put("auto.offset.reset", "earliest");
            p.put("enable.auto.commit", "false");
            p.put("session.timeout.ms", "20000");
            p.put("heartbeat.interval.ms", "300");
            p.put("partition.assignment.strategy", assignor.getName());
            if (instance != null)
                p.put("group.instance.id", instance);
            consumer =
                new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer());
            consumer.subscribe(List.of(topic), this);
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            if (commits && !partitions.isEmpty())
                consumer.commitSync();
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
            rebalances++;
        }

        void poll() {
            for (ConsumerRecord<byte[], byte[]> r : consumer.poll(Duration.ofMillis(50)))
                seen.add(new String(r.value(), StandardCharsets.UTF_8));
        }

        @Override
        public void close() {
            consumer.close();
        }
    }

    private interface Probe {
        boolean done();
    }

    /** Polls the members in turn until the probe holds. */
    private static void until(String what, Probe probe, Member... members) {
        long deadline = System.nanoTime() + WAIT.toNanos();
        while (!probe.done()) {
            check(System.nanoTime() < deadline, "not in time: " + what);
            for (Member m : members)
                m.poll();
        }
    }

    private void share(Class<?> assignor) {
        String group = "share-" + assignor.getSimpleName() + "-" + suffix;
        try (Member a = new Member(group, assignor, null)) {
            until("one member has all", () -> a.consumer.assignment().size() == PARTITIONS, a);
            until("it reads all", () -> a.seen.size() == RECORDS, a);
            check(new HashSet<>(a.seen).size() == RECORDS, "records came twice");
            try (Member b = new Member(group, assignor, null)) {
                until("two members share",
                    () -> a.consumer.assignment().size() == PARTITIONS / 2
                        && b.consumer.assignment().size() == PARTITIONS / 2,
                    a, b);
                Set<TopicPartition> both = new HashSet<>(a.consumer.assignment());
                both.addAll(b.consumer.assignment());
                check(both.size() == PARTITIONS, both);
                b.consumer.commitSync();
                check(b.seen.isEmpty(), "what was committed is read again");
            }
            until("the one that stays has all again",
                () -> a.consumer.assignment().size() == PARTITIONS, a);
            check(a.seen.size() == RECORDS, "what was committed is read again");
        }
    }

    private void commits() throws Exception {
        String group = "commits-" + suffix;
        TopicPartition zero = new TopicPartition(topic, 0);
        try (Member a = new Member(group, RangeAssignor.class, null)) {
            until("assigned", () -> !a.consumer.assignment().isEmpty(), a);
            a.commits = false;
            a.consumer.commitSync(Map.of(zero, new OffsetAndMetadata(7, "a note \u00e9")));
        }
        try (Member a = new Member(group, RangeAssignor.class, null)) {
            until("assigned", () -> !a.consumer.assignment().isEmpty(), a);
            a.commits = false;
            OffsetAndMetadata got = a.consumer.committed(Set.of(zero)).get(zero);
            check(got.offset() == 7 && got.metadata().equals("a note \u00e9"), got);
            check(a.consumer.position(zero) >= 7, "position");
        }
        admin.alterConsumerGroupOffsets(group, Map.of(zero, new OffsetAndMetadata(3))).all().get();
        check(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get()
                .get(zero).offset() == 3, "altered");
        admin.deleteConsumerGroupOffsets(group, Set.of(zero)).all().get();
        check(!admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get()
                  .containsKey(zero), "deleted");
    }

    private void staticMember() throws Exception {
        String group = "static-" + suffix;
        try (Member a = new Member(group, RangeAssignor.class, "one")) {
            Set<TopicPartition> had;
            try (Member b = new Member(group, RangeAssignor.class, "two")) {
                until("two members share",
                    () -> a.consumer.assignment().size() == PARTITIONS / 2
                        && b.consumer.assignment().size() == PARTITIONS / 2,
                    a, b);
                had = new HashSet<>(b.consumer.assignment());
            }
            int before = a.rebalances;
            try (Member b = new Member(group, RangeAssignor.class, "two")) {
                until("it is back", () -> b.consumer.assignment().size() == PARTITIONS / 2, a, b);
                check(b.consumer.assignment().equals(had), b.consumer.assignment());
                check(a.rebalances == before, "the other one was rebalanced");
            }
        }
    }

    private void administration() throws Exception {
        String group = "admin-" + suffix;
        try (Member a = new Member(group, RangeAssignor.class, null)) {
            until("assigned", () -> a.consumer.assignment().size() == PARTITIONS, a);
            a.consumer.commitSync();
            ConsumerGroupDescription d =
                admin.describeConsumerGroups(List.of(group)).all().get().get(group);
            check(d.groupState() == GroupState.STABLE, d);
            check(d.members().size() == 1, d);
            check(d.partitionAssignor().equals("range"), d);
            check(d.members().iterator().next().host().equals("/" + System.getenv().getOrDefault("E2E_CLIENT", "127.0.0.1")), d);
            check(d.members().iterator().next().assignment().topicPartitions().size()
                    == PARTITIONS, d);
            Set<String> names = new HashSet<>();
            for (GroupListing g : admin.listGroups().all().get())
                names.add(g.groupId());
            check(names.contains(group), names);
            try {
                admin.deleteConsumerGroups(List.of(group)).all().get();
                check(false, "deleted a group with a member");
            } catch (ExecutionException e) {
                check(e.getCause() instanceof GroupNotEmptyException, e);
            }
        }
        admin.deleteConsumerGroups(List.of(group)).all().get();
        for (GroupListing g : admin.listGroups().all().get())
            check(!g.groupId().equals(group), "still listed");
    }

    private void stranger() throws Exception {
        String group = "stranger-" + suffix;
        try (Member a = new Member(group, RangeAssignor.class, null)) {
            until("assigned", () -> a.consumer.assignment().size() == PARTITIONS, a);
            try {
                admin.alterConsumerGroupOffsets(group,
                    Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(3))).all().get();
                check(false, "a stranger committed");
            } catch (ExecutionException e) {
                check(e.getCause() instanceof UnknownMemberIdException, e);
            }
        }
    }

    private void internal() throws Exception {
        check(admin.describeTopics(List.of("__consumer_offsets")).allTopicNames().get()
                .get("__consumer_offsets").isInternal(), "internal");
        check(!admin.listTopics().names().get().contains("__consumer_offsets"), "listed");
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        try (KafkaProducer<byte[], byte[]> producer =
                 new KafkaProducer<>(p, new ByteArraySerializer(), new ByteArraySerializer())) {
            producer.send(new ProducerRecord<>("__consumer_offsets", bytes("k"), bytes("v"))).get();
            check(false, "a client wrote to an internal topic");
        } catch (ExecutionException e) {
            check(e.getCause() instanceof InvalidTopicException, e);
        }
    }
}
