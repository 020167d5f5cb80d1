import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * TxnTest BOOTSTRAP SUFFIX: transactions as a Java program uses them. Prints "ok name" or "not ok
 * name" a case.  TxnTest BOOTSTRAP copy FROM TO GROUP COUNT SEED: copies records one to one in
 * transactions, a part of which it aborts, until COUNT records are committed; prints "copied".
 * TxnTest BOOTSTRAP hold TOPIC ID: begins a transaction, prints "open" and waits.
 */
public final class TxnTest {
    private static final Duration WAIT = Duration.ofSeconds(60);
    private static final int PARTITIONS = 3;

    private interface Body {
        void run() throws Exception;
    }

    private final String bootstrap;
    private final String suffix;
    private boolean failed;

    private TxnTest(String bootstrap, String suffix) {
        this.bootstrap = bootstrap;
        this.suffix = suffix;
    }

    public static void main(String[] a) throws Exception {
        TxnTest t = new TxnTest(a[0], a[1]);
        if (a[1].equals("copy")) {
            t.copy(a[2], a[3], a[4], Long.parseLong(a[5]), Long.parseLong(a[6]));
            return;
        }
        if (a[1].equals("hold")) {
            t.hold(a[2], a[3]);
            return;
        }
        t.run("committed records are seen, aborted ones are not", t::commitAndAbort);
        t.run("a transaction is seen whole or not at all", t::atomic);
        t.run("a newer producer fences an older one", t::fencing);
        t.run("many transactions in a row, over several partitions", t::many);
        t.run("offsets and records are committed together", t::consumeTransformProduce);
        t.run("aborted offsets are not committed", t::abortedOffsets);
        t.run("a transaction that takes too long is aborted", t::timeout);
        System.exit(t.failed ? 1 : 0);
    }

    private void run(String name, Body body) {
        long began = System.nanoTime();
        try {
            body.run();
            System.out.printf("# %.1f s%nok transactions: %s%n",
                (System.nanoTime() - began) / 1e9, name);
        } catch (Throwable t) {
            t.printStackTrace(System.out);
            System.out.printf("not ok transactions: %s%n", name);
            failed = true;
        }
        System.out.flush();
    }

    private Properties settings(String... pairs) {
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        for (int i = 0; i < pairs.length; i += 2) p.put(pairs[i], pairs[i + 1]);
        return p;
    }

    private KafkaProducer<String, String> producer(String id, String... pairs) {
        Properties p = settings(pairs);
        p.put("transactional.id", id);
        return new KafkaProducer<>(p, new StringSerializer(), new StringSerializer());
    }

    private KafkaConsumer<String, String> consumer(String group, String isolation) {
        Properties p = settings("isolation.level", isolation, "enable.auto.commit", "false",
            "auto.offset.reset", "earliest");
        if (group != null) p.put("group.id", group);
        p.put("max.poll.records", "25");
        return new KafkaConsumer<>(p, new StringDeserializer(), new StringDeserializer());
    }

    private String topic(String stem) {
        return "txn-" + stem + "-" + suffix;
    }

    private void create(String name) throws Exception {
        try (var admin = org.apache.kafka.clients.admin.Admin.create(settings())) {
            admin.createTopics(List.of(new org.apache.kafka.clients.admin.NewTopic(
                name, PARTITIONS, (short) 1))).all().get();
        }
    }

    private static void check(boolean condition, String what) {
        if (!condition) throw new AssertionError(what);
    }

    private static void equal(Object got, Object wanted, String what) {
        check(wanted.equals(got), what + ": got " + got + ", wanted " + wanted);
    }

    /** All values of a topic up to its end as that isolation level has it, in order a partition. */
    private List<String> values(String topic, String isolation) {
        List<String> out = new ArrayList<>();
        try (KafkaConsumer<String, String> c = consumer(null, isolation)) {
            List<TopicPartition> all = new ArrayList<>();
            c.partitionsFor(topic).forEach(
                i -> all.add(new TopicPartition(topic, i.partition())));
            c.assign(all);
            c.seekToBeginning(all);
            Map<TopicPartition, Long> ends = c.endOffsets(all);
            long limit = System.nanoTime() + WAIT.toNanos();
            while (all.stream().anyMatch(p -> c.position(p) < ends.get(p))) {
                check(System.nanoTime() < limit, "the end of " + topic + " is not reached");
                for (ConsumerRecord<String, String> r : c.poll(Duration.ofMillis(100)))
                    out.add(r.value());
            }
        }
        return out;
    }

    private void commitAndAbort() throws Exception {
        String name = topic("commit");
        create(name);
        List<String> wanted = new ArrayList<>();
        try (KafkaProducer<String, String> p = producer(name)) {
            p.initTransactions();
            for (int i = 0; i < 10; i++) {
                p.beginTransaction();
                for (int k = 0; k < 5; k++)
                    p.send(new ProducerRecord<>(name, 1, null, i + "/" + k));
                p.flush();
                if (i % 3 == 1) {
                    p.abortTransaction();
                } else {
                    p.commitTransaction();
                    for (int k = 0; k < 5; k++) wanted.add(i + "/" + k);
                }
            }
        }
        awaitCount(name, wanted.size());
        equal(values(name, "read_committed"), wanted, "committed");
        equal(values(name, "read_uncommitted").size(), 50, "all");
    }

    private void atomic() throws Exception {
        String name = topic("atomic");
        create(name);
        try (KafkaProducer<String, String> p = producer(name)) {
            p.initTransactions();
            p.beginTransaction();
            for (int i = 0; i < PARTITIONS; i++)
                p.send(new ProducerRecord<>(name, i, null, "v" + i)).get();
            equal(values(name, "read_committed").size(), 0, "seen before the commit");
            equal(values(name, "read_uncommitted").size(), PARTITIONS, "uncommitted");
            p.commitTransaction();
            awaitCount(name, PARTITIONS);
        }
    }

    /** A commit is answered before its markers are in the partitions. */
    private void awaitCount(String name, int count) throws Exception {
        long limit = System.nanoTime() + WAIT.toNanos();
        int got;
        while ((got = values(name, "read_committed").size()) != count) {
            check(System.nanoTime() < limit, name + " has " + got + ", wanted " + count);
            Thread.sleep(20);
        }
    }

    private void fencing() throws Exception {
        String name = topic("fence");
        create(name);
        try (KafkaProducer<String, String> old = producer(name);
             KafkaProducer<String, String> young = producer(name)) {
            old.initTransactions();
            old.beginTransaction();
            old.send(new ProducerRecord<>(name, 0, null, "old")).get();
            young.initTransactions(); // aborts what the old one has open
            young.beginTransaction();
            young.send(new ProducerRecord<>(name, 0, null, "young")).get();
            boolean fenced = false;
            try {
                old.send(new ProducerRecord<>(name, 0, null, "zombie")).get();
                old.commitTransaction();
            } catch (ProducerFencedException | InvalidProducerEpochException e) {
                fenced = true;
            } catch (ExecutionException | KafkaException e) {
                Throwable why = e.getCause() == null ? e : e.getCause();
                fenced = why instanceof ProducerFencedException
                    || why instanceof InvalidProducerEpochException;
                if (!fenced) throw e;
            }
            check(fenced, "the old producer was not fenced");
            young.commitTransaction();
        }
        awaitCount(name, 1);
        equal(values(name, "read_committed"), List.of("young"), "committed");
    }

    private void many() throws Exception {
        String name = topic("many");
        create(name);
        int transactions = 200, records = 0;
        try (KafkaProducer<String, String> p = producer(name)) {
            p.initTransactions();
            for (int i = 0; i < transactions; i++) {
                p.beginTransaction();
                for (int k = 0; k <= i % 4; k++, records++)
                    p.send(new ProducerRecord<>(name, (i + k) % PARTITIONS, null, i + "/" + k));
                // Sender.maybeSendAndPollTransactionalRequest asks whether batches are incomplete
                // before it takes the lock: without this it may send EndTxn before the records.
                p.flush();
                p.commitTransaction();
            }
        }
        awaitCount(name, records);
    }

    private void fill(String name, int count) throws Exception {
        Properties s = settings();
        try (KafkaProducer<String, String> p =
                 new KafkaProducer<>(s, new StringSerializer(), new StringSerializer())) {
            for (int i = 0; i < count; i++)
                p.send(new ProducerRecord<>(name, i % PARTITIONS, null, "r" + i));
            p.flush();
        }
    }

    private void consumeTransformProduce() throws Exception {
        String from = topic("in"), to = topic("out");
        create(from);
        create(to);
        fill(from, 600);
        copy(from, to, from, 600, 7);
        awaitCount(to, 600);
        List<String> in = values(from, "read_committed"), out = values(to, "read_committed");
        in.sort(null);
        out.sort(null);
        equal(out, in, "output");
    }

    private Map<TopicPartition, OffsetAndMetadata> committed(String group, String name) {
        try (KafkaConsumer<String, String> c = consumer(group, "read_committed")) {
            Map<TopicPartition, OffsetAndMetadata> out = new HashMap<>();
            c.committed(java.util.Set.of(new TopicPartition(name, 0))).forEach((p, o) -> {
                if (o != null) out.put(p, o);
            });
            return out;
        }
    }

    private void abortedOffsets() throws Exception {
        String name = topic("offsets");
        create(name);
        TopicPartition tp = new TopicPartition(name, 0);
        try (KafkaProducer<String, String> p = producer(name);
             KafkaConsumer<String, String> c = consumer(name, "read_committed")) {
            p.initTransactions();
            for (long offset = 5; offset < 8; offset++) {
                p.beginTransaction();
                p.sendOffsetsToTransaction(Map.of(tp, new OffsetAndMetadata(offset)),
                    c.groupMetadata());
                if (offset == 6) p.abortTransaction();
                else p.commitTransaction();
                long wanted = offset == 6 ? 5 : offset;
                Map<TopicPartition, OffsetAndMetadata> got = committed(name, name);
                equal(got.isEmpty() ? -1L : got.get(tp).offset(), wanted, "committed offset");
            }
        }
    }

    private void timeout() throws Exception {
        String name = topic("timeout");
        create(name);
        try (KafkaProducer<String, String> p = producer(name, "transaction.timeout.ms", "1000")) {
            p.initTransactions();
            p.beginTransaction();
            p.send(new ProducerRecord<>(name, 0, null, "late")).get();
            awaitStable(name);
            boolean refused = false;
            try {
                p.commitTransaction();
            } catch (KafkaException e) {
                refused = true;
            }
            check(refused, "the commit of an aborted transaction succeeded");
        }
        equal(values(name, "read_committed").size(), 0, "committed");
    }

    /** Waits until nothing is open in partition 0: committed data ends where all data ends. */
    private void awaitStable(String name) throws Exception {
        long limit = System.nanoTime() + WAIT.toNanos();
        TopicPartition tp = new TopicPartition(name, 0);
        while (true) {
            try (KafkaConsumer<String, String> all = consumer(null, "read_uncommitted");
                 KafkaConsumer<String, String> stable = consumer(null, "read_committed")) {
                long end = all.endOffsets(List.of(tp)).get(tp);
                if (stable.endOffsets(List.of(tp)).get(tp) == end && end > 1) return;
            }
            check(System.nanoTime() < limit, "still open");
            Thread.sleep(100);
        }
    }

    /** Errors that say only that somebody was restarted, or that this producer has to begin anew. */
    private void copy(String from, String to, String group, long count, long seed)
        throws Exception {
        Random random = new Random(seed);
        while (true) {
            try {
                copyOnce(from, to, group, count, random);
                System.out.println("copied");
                System.out.flush();
                return;
            } catch (KafkaException e) {
                System.out.println("# begins anew: " + e);
                System.out.flush();
            }
        }
    }

    private long done(KafkaConsumer<String, String> c, List<TopicPartition> all) {
        long sum = 0;
        for (OffsetAndMetadata o : c.committed(new java.util.HashSet<>(all)).values())
            sum += o == null ? 0 : o.offset();
        return sum;
    }

    private void copyOnce(String from, String to, String group, long count, Random random)
        throws Exception {
        try (KafkaProducer<String, String> p = producer(group, "transaction.timeout.ms", "30000");
             KafkaConsumer<String, String> c = consumer(group, "read_committed")) {
            List<TopicPartition> all = new ArrayList<>();
            c.partitionsFor(from).forEach(
                i -> all.add(new TopicPartition(from, i.partition())));
            p.initTransactions();
            c.assign(all);
            rewind(c, all);
            while (done(c, all) < count) {
                ConsumerRecords<String, String> batch = c.poll(Duration.ofMillis(200));
                if (batch.isEmpty()) continue;
                p.beginTransaction();
                Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
                for (ConsumerRecord<String, String> r : batch) {
                    p.send(new ProducerRecord<>(to, r.partition(), null, r.value()));
                    offsets.put(new TopicPartition(r.topic(), r.partition()),
                        new OffsetAndMetadata(r.offset() + 1));
                }
                p.sendOffsetsToTransaction(offsets, c.groupMetadata());
                if (random.nextInt(4) == 0) {
                    p.abortTransaction();
                    rewind(c, all);
                } else {
                    p.commitTransaction();
                }
            }
        }
    }

    private static void rewind(KafkaConsumer<String, String> c, List<TopicPartition> all) {
        c.committed(new java.util.HashSet<>(all)).forEach(
            (tp, o) -> c.seek(tp, o == null ? 0 : o.offset()));
    }

    private void hold(String name, String id) throws Exception {
        KafkaProducer<String, String> p = producer(id, "transaction.timeout.ms", "600000");
        p.initTransactions();
        p.beginTransaction();
        Future<RecordMetadata> sent = p.send(new ProducerRecord<>(name, 0, null, "held"));
        sent.get();
        System.out.println("open");
        System.out.flush();
        Thread.sleep(600000);
    }
}
