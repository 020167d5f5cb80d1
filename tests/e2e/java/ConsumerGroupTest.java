import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.function.BooleanSupplier;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * ConsumerGroupTest BOOTSTRAP SUFFIX: groups of the consumer protocol (group.protocol=consumer) with
 * Kafka's own client. Prints "ok name" or "not ok name" a case.
 */
public final class ConsumerGroupTest {
    private static final Duration WAIT = Duration.ofSeconds(120);
    private static final Duration POLL = Duration.ofMillis(100);
    private static final int PARTITIONS = 6;

    private interface Body {
        void run() throws Exception;
    }

    private final String bootstrap;
    private final String suffix;
    private final Admin admin;
    private final List<KafkaConsumer<String, String>> open = new ArrayList<>();
    private final Map<KafkaConsumer<String, String>, Set<String>> seen = new HashMap<>();
    private boolean failed;

    private ConsumerGroupTest(String bootstrap, String suffix) {
        this.bootstrap = bootstrap;
        this.suffix = suffix;
        this.admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
    }

    public static void main(String[] arguments) {
        ConsumerGroupTest t = new ConsumerGroupTest(arguments[0], arguments[1]);
        t.run("members share partitions and take over", t::share);
        t.run("a group resumes where it stopped", t::resume);
        t.run("the range assignor gives ranges", t::range);
        t.run("a topic that grows is assigned", t::grow);
        t.run("a pattern finds topics of today and of tomorrow", t::pattern);
        t.run("a static member comes back to its partitions", t::fixed);
        t.run("a group is upgraded and rolled back with its members at work", t::migrate);
        t.run("a group is described, listed and deleted", t::describe);
        t.admin.close();
        System.exit(t.failed ? 1 : 0);
    }

    private void run(String name, Body body) {
        try {
            body.run();
            System.out.println("ok consumer group: " + name);
        } catch (Exception | AssertionError e) {
            failed = true;
            System.out.println("not ok consumer group: " + name + ": " + e);
            e.printStackTrace(System.out);
        } finally {
            for (KafkaConsumer<String, String> c : open)
                c.close();
            open.clear();
            seen.clear();
        }
    }

    private String topic(String name, int partitions) throws Exception {
        String topic = name + "-" + suffix;
        admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1))).all().get();
        return topic;
    }

    private KafkaConsumer<String, String> consumer(String group, Map<String, Object> more) {
        Map<String, Object> config = new HashMap<>();
        config.put("bootstrap.servers", bootstrap);
        config.put("group.id", group + "-" + suffix);
        config.put("group.protocol", "consumer");
        config.put("auto.offset.reset", "earliest");
        config.put("enable.auto.commit", "false");
        config.putAll(more);
        config.values().removeIf(""::equals);
        KafkaConsumer<String, String> c =
            new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer());
        open.add(c);
        seen.put(c, new HashSet<>());
        return c;
    }

    private KafkaConsumer<String, String> consumer(String group) {
        return consumer(group, Map.of());
    }

    private KafkaConsumer<String, String> classic(String group) {
        return consumer(group, Map.of("group.protocol", "classic", "partition.assignment.strategy",
            "org.apache.kafka.clients.consumer.CooperativeStickyAssignor"));
    }

    private void close(KafkaConsumer<String, String> c) {
        open.remove(c);
        c.close();
    }

    private void produce(String topic, int partition, int from, int to) throws Exception {
        try (KafkaProducer<String, String> p = new KafkaProducer<>(
                 Map.of("bootstrap.servers", bootstrap), new StringSerializer(), new StringSerializer())) {
            for (int i = from; i < to; i++)
                p.send(new ProducerRecord<>(topic, partition, null, "v" + i)).get();
        }
    }

    /** Polls all open consumers until the condition holds. */
    private void until(String what, BooleanSupplier holds) {
        long end = System.nanoTime() + WAIT.toNanos();
        while (!holds.getAsBoolean()) {
            if (System.nanoTime() > end)
                throw new AssertionError(what + ": " + assignments());
            for (KafkaConsumer<String, String> c : open)
                for (ConsumerRecord<String, String> r : c.poll(POLL))
                    seen.get(c).add(r.value());
        }
    }

    private String assignments() {
        List<String> all = new ArrayList<>();
        for (KafkaConsumer<String, String> c : open)
            all.add(c.assignment().toString());
        return all.toString();
    }

    /** Everybody has so many partitions of the topic, none twice. */
    private boolean shared(String topic, int total) {
        Set<TopicPartition> all = new HashSet<>();
        int least = total, most = 0;
        for (KafkaConsumer<String, String> c : open) {
            int has = 0;
            for (TopicPartition p : c.assignment())
                if (p.topic().equals(topic) && all.add(p))
                    has++;
            least = Math.min(least, has);
            most = Math.max(most, has);
        }
        return all.size() == total && most - least <= 1;
    }

    private static void check(boolean holds, String what) {
        if (!holds)
            throw new AssertionError(what);
    }

    private void share() throws Exception {
        String topic = topic("share", PARTITIONS);
        KafkaConsumer<String, String> first = consumer("share");
        first.subscribe(List.of(topic));
        until("one has all", () -> shared(topic, PARTITIONS));
        for (int i = 0; i < 2; i++)
            consumer("share").subscribe(List.of(topic));
        until("three share", () -> shared(topic, PARTITIONS));
        close(first);
        until("two take over", () -> shared(topic, PARTITIONS));
    }

    private void resume() throws Exception {
        String topic = topic("resume", 1);
        produce(topic, 0, 0, 10);
        KafkaConsumer<String, String> first = consumer("resume");
        first.subscribe(List.of(topic));
        until("ten records", () -> seen.get(first).size() == 10);
        first.commitSync();
        close(first);
        produce(topic, 0, 10, 15);
        KafkaConsumer<String, String> second = consumer("resume");
        second.subscribe(List.of(topic));
        until("five records", () -> seen.get(second).contains("v14"));
        check(seen.get(second).size() == 5, "more than the new ones: " + seen.get(second));
    }

    private void range() throws Exception {
        String topic = topic("range", 4);
        Map<String, Object> range = Map.of("group.remote.assignor", "range");
        for (int i = 0; i < 2; i++)
            consumer("range", range).subscribe(List.of(topic));
        until("two share", () -> shared(topic, 4));
        for (KafkaConsumer<String, String> c : open) {
            int sum = 0;
            for (TopicPartition p : c.assignment())
                sum += p.partition();
            check(sum == 1 || sum == 5, "no range: " + c.assignment());
        }
    }

    private void grow() throws Exception {
        String topic = topic("grow", 2);
        consumer("grow").subscribe(List.of(topic));
        until("two partitions", () -> shared(topic, 2));
        admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all().get();
        until("five partitions", () -> shared(topic, 5));
    }

    private void pattern() throws Exception {
        String one = topic("pattern-one", 1);
        KafkaConsumer<String, String> c = consumer("pattern");
        c.subscribe(new SubscriptionPattern("pattern-.*-" + suffix));
        until("the first", () -> shared(one, 1));
        String two = topic("pattern-two", 2);
        until("the second", () -> shared(two, 2));
        KafkaConsumer<String, String> wrong = consumer("pattern-wrong");
        wrong.subscribe(new SubscriptionPattern("["));
        try {
            until("an error", () -> false);
        } catch (org.apache.kafka.common.errors.InvalidRegularExpression e) {
            return;
        }
        throw new AssertionError("a pattern that is not valid was taken");
    }

    private void fixed() throws Exception {
        String topic = topic("fixed", 4);
        KafkaConsumer<String, String> first = consumer("fixed", Map.of("group.instance.id", "a"));
        first.subscribe(List.of(topic));
        consumer("fixed", Map.of("group.instance.id", "b")).subscribe(List.of(topic));
        until("two share", () -> shared(topic, 4) && first.assignment().size() == 2);
        Set<TopicPartition> had = Set.copyOf(first.assignment());
        close(first);
        KafkaConsumer<String, String> again = consumer("fixed", Map.of("group.instance.id", "a"));
        again.subscribe(List.of(topic));
        until("it is back", () -> again.assignment().equals(had));
    }

    private void migrate() throws Exception {
        String topic = topic("migrate", 4);
        KafkaConsumer<String, String> old = classic("migrate");
        old.subscribe(List.of(topic));
        until("a classic group", () -> shared(topic, 4));
        KafkaConsumer<String, String> fresh = consumer("migrate");
        fresh.subscribe(List.of(topic));
        until("both protocols share", () -> shared(topic, 4));
        check(described("migrate").type() == GroupType.CONSUMER, "not upgraded");
        close(fresh);
        until("the classic member has all", () -> shared(topic, 4));
        check(described("migrate").type() == GroupType.CLASSIC, "not rolled back");
        consumer("migrate").subscribe(List.of(topic));
        until("upgraded again", () -> shared(topic, 4));
        close(old);
        until("the new one has all", () -> shared(topic, 4));
    }

    private ConsumerGroupDescription described(String group) throws Exception {
        String id = group + "-" + suffix;
        return admin.describeConsumerGroups(List.of(id)).all().get().get(id);
    }

    private void describe() throws Exception {
        String topic = topic("describe", 2), id = "describe-" + suffix;
        KafkaConsumer<String, String> c = consumer("describe");
        c.subscribe(List.of(topic));
        until("assigned", () -> shared(topic, 2));
        ConsumerGroupDescription d = described("describe");
        check(d.type() == GroupType.CONSUMER, "type " + d.type());
        check(d.groupState() == GroupState.STABLE, "state " + d.groupState());
        check(d.partitionAssignor().equals("uniform"), "assignor " + d.partitionAssignor());
        check(d.members().size() == 1, "members " + d.members());
        check(d.members().iterator().next().assignment().topicPartitions().size() == 2,
            "assignment " + d.members());
        check(admin.listGroups().all().get().stream().anyMatch(
                  g -> g.groupId().equals(id) && g.type().equals(java.util.Optional.of(GroupType.CONSUMER))),
            "not listed");
        try {
            admin.deleteConsumerGroups(List.of(id)).all().get();
            throw new AssertionError("a group with members was deleted");
        } catch (ExecutionException e) {
            check(e.getCause() instanceof GroupNotEmptyException, "wrong error " + e.getCause());
        }
        close(c);
        admin.deleteConsumerGroups(List.of(id)).all().get();
        check(admin.listGroups().all().get().stream().noneMatch(g -> g.groupId().equals(id)), "still listed");
    }
}
